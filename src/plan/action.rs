//! What the shell is told to do, and about what. Each action is carried out by one function of `execute`.

use std::fmt;

use crate::api::AgentTask;
use crate::api::automation::AutomationStatus;
use crate::api::task::TaskStatus;
use crate::domain::repository::Repository;

use super::world::{CredentialKey, ObjectKey};

/// What a plan is about. At most one action for a subject is under way at any time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Automation(ObjectKey),
    Task(ObjectKey),
    Credential(CredentialKey),
    Repository(CredentialKey, Repository),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automation(key) => write!(f, "automation {key}"),
            Self::Task(key) => write!(f, "task {key}"),
            Self::Credential(key) => write!(f, "credential {key}"),
            Self::Repository(key, repository) => write!(f, "repository {repository} with {key}"),
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Create a task object; that it is there already is as good.
    CreateTask(Box<AgentTask>),
    /// Delete a task object that the history no longer keeps, and no other of its name.
    DeleteTask { key: ObjectKey, uid: String },
    /// Replace an automation's status, if nobody else has.
    WriteAutomationStatus(Box<AutomationStatus>),
    /// Replace a task's status, if nobody else has.
    WriteTaskStatus(Box<TaskStatus>),
    /// Read a Secret.
    ReadSecret,
    /// Forget a credential or a repository that nothing names any more.
    Forget,
    /// Ask GitHub whether the credential sees the repository.
    VerifyRepository,
    /// Claim, write ahead, send once, record: the start protocol.
    Start,
    /// Look for a task whose start was not answered, by its markers.
    Search,
    /// Read a task's details, and its pull request's link where that is missing.
    Observe { id: String },
    /// List the tasks of a credential's user that changed since then.
    Poll { since: jiff::Timestamp },
}

impl Action {
    /// The action's name, from a short list.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateTask(_) => "CreateTask",
            Self::DeleteTask { .. } => "DeleteTask",
            Self::WriteAutomationStatus(_) | Self::WriteTaskStatus(_) => "WriteStatus",
            Self::ReadSecret => "ReadSecret",
            Self::Forget => "Forget",
            Self::VerifyRepository => "VerifyRepository",
            Self::Start => "Start",
            Self::Search => "Search",
            Self::Observe { .. } => "Observe",
            Self::Poll { .. } => "Poll",
        }
    }
}
