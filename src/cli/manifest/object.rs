//! One object of one of the kinds, and what only this project's own parsers find in it.

use serde_json::Value;

use crate::api::policy::{FreezeWindow, NamespaceSelector};
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, WebhookSource};
use crate::domain::branch::Branch;
use crate::domain::pattern::{Case, Pattern};
use crate::domain::repository::Repository;
use crate::domain::schedule::{Schedule, parse_zone};
use crate::plan::policy::contradictory_key;
use crate::plan::spec;

use super::finding::{Fault, Noticed};
use super::kind::Kind;
use super::metadata;
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
    let release = spec
        .guardrails
        .as_ref()
        .map_or(&[][..], |guardrails| &guardrails.release_branches);
    let lists = [
        ("namespaces", &spec.namespaces[..]),
        ("repositories", &spec.repositories),
        ("baseBranches", &spec.base_branches),
        ("headBranches", &spec.head_branches),
        ("models", &spec.models),
        ("customAgents", &spec.custom_agents),
        ("credentials", &spec.credentials),
        ("guardrails.releaseBranches", release),
    ];
    let patterns = lists
        .into_iter()
        .flat_map(|(field, list)| list.iter().enumerate().map(move |item| (field, item)));
    let patterns = patterns.filter_map(|(field, (index, pattern))| {
        let error = Pattern::parse(pattern, Case::Sensitive).err()?;
        Some(fault(&format!("{field}[{index}]"), error.to_string()))
    });
    let windows = spec.freeze_windows.iter().enumerate();
    let windows = windows.filter_map(|(index, window)| {
        let (field, message) = window_problem(window)?;
        Some(fault(&format!("freezeWindows[{index}].{field}"), message))
    });
    let namespace = policy.metadata.namespace.as_ref().map(|_| Fault {
        path: Path::parse("metadata.namespace"),
        message: "counts for nothing: a policy is the whole cluster's, and spec.namespaces says where it holds"
            .to_owned(),
        noticed: Noticed::Later,
    });
    let labels = spec.namespace_selector.iter().flat_map(label_problems);
    let selector = spec.namespace_selector.as_ref();
    let contradiction = selector.and_then(contradictory_key).map(|key| {
        let message = format!("what it asks of the label {key} can't all be true, so it selects no namespace");
        fault("namespaceSelector", message)
    });
    let zone = parse_zone(&spec.time_zone).err();
    let zone = zone.map(|error| fault("timeZone", error.to_string()));
    let all = namespace.into_iter().chain(patterns).chain(labels).chain(contradiction);
    all.chain(zone).chain(windows).collect()
}

/// Keys that no label can have, and that no namespace is selected by.
fn label_problems(selector: &NamespaceSelector) -> Vec<Fault> {
    let labels = Path::parse("spec.namespaceSelector.matchLabels");
    let equal = selector.match_labels.keys().map(|key| (labels.field(key), key));
    let expressions = selector.match_expressions.iter().enumerate();
    let conditions = expressions.map(|(index, requirement)| {
        let path = Path::parse(&format!("spec.namespaceSelector.matchExpressions[{index}].key"));
        (path, &requirement.key)
    });
    let problems = equal.chain(conditions).filter_map(|(path, key)| {
        let message = metadata::key_problem(key)?;
        Some(Fault {
            path,
            message,
            noticed: Noticed::Later,
        })
    });
    problems.collect()
}

/// The field of a freeze window that is wrong, and what is wrong with it.
fn window_problem(window: &FreezeWindow) -> Option<(&'static str, String)> {
    let cron = window.cron.as_deref()?;
    let schedule = match Schedule::parse(cron, None) {
        Ok(schedule) => schedule,
        Err(error) => return Some(("cron", error.to_string())),
    };
    let message = format!("no date matches {cron}, so the window would never open: write a day that the month has");
    schedule.never_fires().then_some(("cron", message))
}

fn fault(field: &str, message: String) -> Fault {
    Fault {
        path: Path::parse(&format!("spec.{field}")),
        message,
        noticed: Noticed::Later,
    }
}
