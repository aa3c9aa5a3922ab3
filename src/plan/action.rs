//! What the shell is told to do, and about what. Each action is carried out by one function of `execute`.

use std::fmt;

use crate::api::AgentTask;
use crate::api::automation::{AutomationStatus, SecretKeyRef};
use crate::api::task::{CredentialIdentity, PolicyRef, TaskStatus};
use crate::api::webhook_source::WebhookSourceStatus;
use crate::domain::repository::Repository;

use super::deadline::Within;
use super::notify::Notice;
use super::report::Said;
use super::walk::Walk;
use super::world::{BranchKey, CredentialKey, ObjectKey, OriginKey};

/// What a plan is about. At most one action for a subject is under way at any time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Automation(ObjectKey),
    Task(ObjectKey),
    Credential(CredentialKey),
    Repository(CredentialKey, Repository),
    /// A branch that work starts from.
    Branch(BranchKey),
    /// The pull requests of a repository.
    Pulls(CredentialKey, Repository),
    /// An issue or a pull request that work came from.
    Origin(OriginKey),
    /// What happens in a repository.
    Events(CredentialKey, Repository),
    /// What a receiver is told of a task, by its name.
    Notification(ObjectKey, String),
    /// What became of deliveries to a receiver here.
    Deliveries(CredentialKey, Repository),
    WebhookSource(ObjectKey),
}

impl Subject {
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Automation(key) | Self::Task(key) | Self::Notification(key, _) | Self::WebhookSource(key) => {
                &key.namespace
            }
            Self::Credential(key)
            | Self::Repository(key, _)
            | Self::Pulls(key, _)
            | Self::Events(key, _)
            | Self::Deliveries(key, _) => &key.namespace,
            Self::Branch(key) => &key.credential.namespace,
            Self::Origin(key) => &key.credential.namespace,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automation(key) => write!(f, "automation {key}"),
            Self::Task(key) => write!(f, "task {key}"),
            Self::Notification(key, name) => write!(f, "notification {name} of task {key}"),
            Self::Credential(key) => write!(f, "credential {key}"),
            Self::Repository(key, repository) => write!(f, "repository {repository} with {key}"),
            Self::Branch(key) => write!(f, "branch {} of {} with {}", key.branch, key.repository, key.credential),
            Self::Origin(key) => write!(f, "#{} of {} with {}", key.number, key.repository, key.credential),
            Self::Events(key, repository) => write!(f, "what happens in {repository} with {key}"),
            Self::Deliveries(key, repository) => write!(f, "deliveries of {repository} with {key}"),
            Self::WebhookSource(key) => write!(f, "source of webhooks {key}"),
            Self::Pulls(key, repository) => write!(f, "pull requests of {repository} with {key}"),
        }
    }
}

/// What a start was admitted with, for the record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Admitted {
    /// The policies that allow it.
    pub allowed_by: Vec<PolicyRef>,
    /// For how long it may work.
    pub active_deadline: Option<Within>,
    /// For how long its agent may wait for a person.
    pub waiting_deadline: Option<Within>,
    /// What is held of budgets for it.
    pub reserved_nano_credits: i64,
    /// The pull request's branch that it goes on with.
    pub head_branch: Option<String>,
    /// The Secret that it is made with, where that is not the task's first.
    pub secret_ref: Option<SecretKeyRef>,
    /// Whose token it is made with, if that is known.
    pub credential: Option<CredentialIdentity>,
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
    /// Replace the status of a source of webhooks, if nobody else has.
    WriteWebhookSourceStatus(Box<WebhookSourceStatus>),
    /// Replace a task's status, if nobody else has.
    WriteTaskStatus(Box<TaskStatus>),
    /// Read a Secret.
    ReadSecret,
    /// Exchange the token of this version of a Secret for the next: claim, send once, write.
    Refresh { resource_version: String },
    /// Forget a credential, a repository or a branch that nothing names any more.
    Forget,
    /// Ask GitHub whether the credential sees the repository.
    VerifyRepository,
    /// Claim, write ahead, send once, record: the start protocol.
    Start(Box<Admitted>),
    /// Ask GitHub whether a branch is there, and for its guardrails.
    Inspect { guardrails: bool },
    /// List a repository's pull requests that changed last.
    ListPulls,
    /// List a repository's open pull requests.
    ListOpenPulls,
    /// Read the issue or the pull request that work came from.
    ReadOrigin,
    /// Read a pull request, its reviews and its checks.
    ObservePull { number: i64 },
    /// Ask for reviews of a pull request and set its labels.
    HandOver {
        number: i64,
        users: Vec<String>,
        teams: Vec<String>,
    },
    /// Close a pull request.
    ClosePull { number: i64 },
    /// Look for what has happened in a repository.
    Sweep(Box<Walk>),
    /// Take it that what was found has its tasks.
    Settle,
    /// List what became of a repository's deliveries.
    ListDeliveries,
    /// Ask for another attempt at a delivery.
    Redeliver { hook: u64, delivery: u64, guid: String },
    /// Say how a task stands where it came from.
    Report(Box<Said>),
    /// Tell a receiver of the task's end.
    Notify(Box<Notice>),
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
            Self::WriteAutomationStatus(_) | Self::WriteTaskStatus(_) | Self::WriteWebhookSourceStatus(_) => {
                "WriteStatus"
            }
            Self::ReadSecret => "ReadSecret",
            Self::Refresh { .. } => "Refresh",
            Self::Forget => "Forget",
            Self::VerifyRepository => "VerifyRepository",
            Self::Start(_) => "Start",
            Self::Inspect { .. } => "Inspect",
            Self::ListPulls => "ListPulls",
            Self::ListOpenPulls => "ListOpenPulls",
            Self::ReadOrigin => "ReadOrigin",
            Self::ObservePull { .. } => "ObservePull",
            Self::HandOver { .. } => "HandOver",
            Self::ClosePull { .. } => "ClosePull",
            Self::Sweep(_) => "Sweep",
            Self::Settle => "Settle",
            Self::ListDeliveries => "ListDeliveries",
            Self::Redeliver { .. } => "Redeliver",
            Self::Report(_) => "Report",
            Self::Notify(_) => "Notify",
            Self::Search => "Search",
            Self::Observe { .. } => "Observe",
            Self::Poll { .. } => "Poll",
        }
    }
}
