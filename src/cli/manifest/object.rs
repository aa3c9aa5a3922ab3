//! One object of one of the kinds, and what only this project's own parsers find in it.

use serde_json::Value;

use crate::api::{AgentAutomation, AgentPolicy, AgentTask, WebhookSource};
use crate::domain::branch::Branch;
use crate::domain::pattern::{Case, Pattern};
use crate::domain::repository::Repository;
use crate::plan::spec;

use super::finding::{Fault, Noticed};
use super::kind::Kind;
use super::path::Path;

/// An object of one of the kinds.
#[derive(Debug)]
pub enum Object {
    Automation(Box<AgentAutomation>),
    Task(Box<AgentTask>),
    Policy(Box<AgentPolicy>),
    Source(Box<WebhookSource>),
}

impl Object {
    /// Decodes an object as the controller does.
    pub(super) fn decode(kind: Kind, value: Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Automation => Self::Automation(serde_json::from_value(value)?),
            Kind::Task => Self::Task(serde_json::from_value(value)?),
            Kind::Policy => Self::Policy(serde_json::from_value(value)?),
            Kind::Source => Self::Source(serde_json::from_value(value)?),
        })
    }

    /// What stalls it in the cluster, although it gets in.
    pub(super) fn problems(&self) -> Vec<Fault> {
        match self {
            Self::Automation(automation) => automation_problems(automation),
            Self::Task(task) => task_problems(task),
            Self::Policy(policy) => policy_problems(policy),
            // Its schema and rules say all there is to say.
            Self::Source(_) => Vec::new(),
        }
    }
}

fn automation_problems(automation: &AgentAutomation) -> Vec<Fault> {
    match spec::parse(automation) {
        Ok(parsed) => silent_schedules(automation, &parsed),
        Err(problems) => problems
            .into_iter()
            .map(|problem| fault(&problem.field, problem.message))
            .collect(),
    }
}

fn silent_schedules(automation: &AgentAutomation, parsed: &spec::Parsed) -> Vec<Fault> {
    let silent = parsed
        .schedules
        .iter()
        .filter(|schedule| schedule.schedule.never_fires());
    silent
        .map(|schedule| {
            let mut triggers = automation.spec.triggers.iter();
            let index = triggers
                .position(|trigger| trigger.name == schedule.name)
                .unwrap_or_default();
            let message = format!(
                "no date matches {}, so it would never fire: write a day that the month has",
                schedule.schedule
            );
            fault(&format!("triggers[{index}].schedule.cron"), message)
        })
        .collect()
}

fn task_problems(task: &AgentTask) -> Vec<Fault> {
    if !task.spec.is_decided() {
        let requester = task.spec.requester.is_none();
        let missing = || {
            fault(
                "requester",
                "say who asks for it: the controller denies it otherwise".to_owned(),
            )
        };
        return requester.then(missing).into_iter().collect();
    }
    let repository = Repository::parse(&task.spec.repository)
        .err()
        .map(|error| fault("repository", error.to_string()));
    let branch = Branch::parse(&task.spec.base_branch)
        .err()
        .map(|error| fault("baseBranch", error.to_string()));
    repository.into_iter().chain(branch).collect()
}

fn policy_problems(policy: &AgentPolicy) -> Vec<Fault> {
    let spec = &policy.spec;
    let lists = [
        ("namespaces", &spec.namespaces),
        ("repositories", &spec.repositories),
        ("baseBranches", &spec.base_branches),
    ];
    let patterns = lists
        .into_iter()
        .flat_map(|(field, list)| list.iter().enumerate().map(move |item| (field, item)));
    patterns
        .filter_map(|(field, (index, pattern))| {
            let error = Pattern::parse(pattern, Case::Sensitive).err()?;
            Some(fault(&format!("{field}[{index}]"), error.to_string()))
        })
        .collect()
}

fn fault(field: &str, message: String) -> Fault {
    Fault {
        path: Path::parse(&format!("spec.{field}")),
        message,
        noticed: Noticed::Later,
    }
}
