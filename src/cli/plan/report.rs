//! A plan as people and programs read it.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use crate::api::task::Phase;
use crate::api::{AgentTask, Reason};
use crate::plan::{ObjectKey, Why};

/// What would be done at `now`.
#[derive(Debug, Serialize)]
pub struct Report {
    pub now: Timestamp,
    pub automations: Vec<AutomationReport>,
    pub tasks: Vec<TaskReport>,
}

/// One automation: what it would have done, and where it stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AutomationReport {
    pub namespace: String,
    pub name: String,
    pub actions: Vec<Step>,
    /// Scheduled times that would be counted as missed.
    pub missed_runs: u32,
    pub next_schedule_time: Option<Timestamp>,
    pub reasons: Vec<Because>,
}

/// One task: what would be done about it, and the phase that leads to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    pub namespace: String,
    pub name: String,
    pub actions: Vec<Step>,
    pub phase: Phase,
    pub reasons: Vec<Because>,
}

/// Something that would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Step {
    CreateTask {
        name: String,
        trigger: String,
        scheduled_time: Timestamp,
        repository: String,
        base_branch: String,
        prompt: String,
    },
    DeleteTask {
        name: String,
    },
    Start,
    Hold,
    Deny,
    Expire,
    Skip,
    /// The task's phase becomes what the report says.
    WriteStatus,
    Search,
    Observe {
        id: String,
    },
    ObservePull {
        number: i64,
    },
    HandOver {
        number: i64,
    },
    ClosePull {
        number: i64,
    },
}

/// Why it is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Because {
    pub reason: Reason,
    pub message: String,
}

impl Step {
    #[must_use]
    pub fn create(task: &AgentTask) -> Self {
        Self::CreateTask {
            name: ObjectKey::of(task).name,
            trigger: task.spec.trigger.name.clone(),
            scheduled_time: task.spec.trigger.scheduled_time,
            repository: task.spec.repository.clone(),
            base_branch: task.spec.base_branch.clone(),
            prompt: task.spec.prompt.clone(),
        }
    }

    /// The write that brings a task into a phase.
    #[must_use]
    pub fn into_phase(phase: Phase) -> Self {
        match phase {
            Phase::Held => Self::Hold,
            Phase::Denied => Self::Deny,
            Phase::Expired => Self::Expire,
            Phase::Skipped => Self::Skip,
            Phase::Pending
            | Phase::Starting
            | Phase::Running
            | Phase::Unknown
            | Phase::Succeeded
            | Phase::Failed
            | Phase::TimedOut
            | Phase::Cancelled
            | Phase::Superseded => Self::WriteStatus,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::CreateTask {
                name,
                trigger,
                scheduled_time,
                ..
            } => {
                format!("create task {name} (trigger {trigger}, due at {scheduled_time})")
            }
            Self::DeleteTask { name } => format!("delete task {name}, which the history no longer keeps"),
            Self::Start => "start it at GitHub".to_owned(),
            Self::Hold => "hold it".to_owned(),
            Self::Deny => "deny it".to_owned(),
            Self::Expire => "let it expire".to_owned(),
            Self::Skip => "skip it".to_owned(),
            Self::WriteStatus => "write its phase".to_owned(),
            Self::Search => "look for it at GitHub by its markers".to_owned(),
            Self::Observe { id } => format!("ask GitHub about {id}"),
            Self::ObservePull { number } => format!("ask GitHub about pull request {number}"),
            Self::HandOver { number } => format!("ask for reviews of pull request {number} and set its labels"),
            Self::ClosePull { number } => format!("close pull request {number}, which is stale"),
        }
    }
}

impl From<Why> for Because {
    fn from(why: Why) -> Self {
        Self {
            reason: why.reason,
            message: why.message,
        }
    }
}

impl Report {
    /// Writes paragraphs, one an object.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "at {}", self.now)?;
        for automation in &self.automations {
            writeln!(out, "\nautomation {}/{}", automation.namespace, automation.name)?;
            write_lines(out, &automation.actions, &automation.reasons)?;
            if automation.missed_runs > 0 {
                writeln!(out, "  missed: {}", automation.missed_runs)?;
            }
            match automation.next_schedule_time {
                Some(time) => writeln!(out, "  next: {time}")?,
                None => writeln!(out, "  next: nothing happens by the passing of time alone")?,
            }
        }
        for task in &self.tasks {
            writeln!(out, "\ntask {}/{}: {}", task.namespace, task.name, task.phase.as_str())?;
            write_lines(out, &task.actions, &task.reasons)?;
        }
        Ok(())
    }
}

fn write_lines(out: &mut dyn Write, actions: &[Step], reasons: &[Because]) -> io::Result<()> {
    actions
        .iter()
        .try_for_each(|action| writeln!(out, "  -> {}", action.describe()))?;
    reasons
        .iter()
        .try_for_each(|because| writeln!(out, "  {}: {}", because.reason.as_str(), because.message))
}
