//! What was seen at GitHub, in the planner's own words.

use jiff::Timestamp;

use crate::api::Reason;
use crate::api::task::{PullRequest, Usage};
use crate::domain::task_state::TaskState;

/// A task as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedTask {
    pub id: String,
    pub state: TaskState,
    pub updated_at: Option<Timestamp>,
}

/// A task with what its sessions and artifacts tell.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedTask {
    pub id: String,
    pub url: Option<String>,
    pub state: TaskState,
    pub updated_at: Option<Timestamp>,
    pub branch: Option<String>,
    /// With its number and link where they could be resolved.
    pub pull_request: Option<PullRequest>,
    /// What the newest session said of its failure.
    pub failure: Option<String>,
    pub usage: Option<Usage>,
    /// The prompts of its sessions.
    pub prompts: Vec<String>,
}

/// How a start ended, as far as it can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum StartOutcome {
    Created(Box<ObservedTask>),
    Refused(Refused),
    NotSent(String),
    Unknown(String),
}

/// GitHub said no; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub reason: Reason,
    pub message: String,
    /// GitHub asked to wait until then.
    pub not_before: Option<Timestamp>,
}

impl Refused {
    /// Whether GitHub does not let the credential do it, and may let another.
    #[must_use]
    pub fn lacks_a_right(&self) -> bool {
        matches!(self.reason, Reason::PermissionDenied | Reason::RepositoryNotFound)
    }

    /// Whether it goes by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.reason, Reason::RateLimited | Reason::GitHubUnavailable)
    }
}

/// What a look for a lost task brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// When it began; what GitHub showed later is not in it.
    pub began: Timestamp,
    /// Whether everything there was to look at was looked at.
    pub whole: bool,
    /// Tasks that carry one of the markers.
    pub matches: Vec<ObservedTask>,
}

/// A pull request as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenPull {
    /// GitHub's database id.
    pub id: i64,
    pub is_open: bool,
    pub updated_at: Option<Timestamp>,
}

/// An issue or a pull request that work came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenOrigin {
    /// When its body was last edited.
    pub edited_at: Option<Timestamp>,
    /// When its title was last changed.
    pub renamed_at: Option<Timestamp>,
    pub labels: Vec<String>,
    pub is_open: bool,
    pub pull: Option<SeenOriginPull>,
}

/// What only pull requests have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenOriginPull {
    pub base: String,
    pub head: String,
    pub is_fork: bool,
    pub is_draft: bool,
    /// The files that it changes.
    pub files: Vec<String>,
}

/// What GitHub said, or why it did not say.
pub type Told<T> = Result<T, Untold>;

/// Why GitHub did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untold {
    /// It won't as things are.
    Refused(String),
    /// It could not this time.
    Unanswered(String),
}

/// Looks that left a question open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// How many there were in a row.
    pub times: u32,
    /// When the last was.
    pub at: Timestamp,
}

/// What GitHub tells of a branch's guardrails.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardrailFacts {
    /// When the oldest of the answers came.
    pub checked_at: Timestamp,
    pub rules: Told<BranchRules>,
    /// The number of errors in CODEOWNERS; nothing when there is no such file.
    pub code_owners: Told<Option<usize>>,
    pub agent: Told<AgentFacts>,
    /// What policies require was left open the last time.
    pub unanswered: Option<Unanswered>,
}

/// What a branch's active rules require, all of them taken together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BranchRules {
    /// Nothing when no rule asks for a pull request.
    pub approvals: Option<i32>,
    pub code_owner_review: bool,
    pub status_checks: Vec<String>,
    pub code_scanning: bool,
    /// There is classic protection as well, of which GitHub tells everyone the status checks alone.
    pub is_classic: bool,
}

/// How the agent is set up in a repository; nothing where GitHub's answer lacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgentFacts {
    pub firewall: Option<bool>,
    pub secret_scanning: Option<bool>,
    pub codeql: Option<bool>,
    pub workflow_approval: Option<bool>,
}
