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
