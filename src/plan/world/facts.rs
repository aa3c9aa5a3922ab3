//! What came back from Secrets and GitHub, and what is on its way there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{CredentialKey, ObjectKey};
use crate::api::AgentTask;
use crate::api::task::CredentialIdentity;
use crate::domain::event::Event;
use crate::domain::repository::Repository;
use crate::plan::Action;
use crate::plan::notify::Sent;
use crate::plan::observed::{GuardrailFacts, ListedTask, Refused, Search, SeenOrigin, SeenPull};
use crate::plan::refresh::Refresh;
use crate::plan::walk::{Unseen, Walk};

/// What is known of a credential. The token itself is not part of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Credential {
    pub secret: Option<SecretState>,
    /// When the Secret was last read.
    pub read_at: Option<Timestamp>,
    /// Whether the Secret has changed since it was looked at.
    pub has_changed: bool,
    /// The Secret version that GitHub refused.
    pub rejected: Option<String>,
    /// Where GitHub refused a start with it, and let none through since.
    pub refused_starts: BTreeMap<Repository, RefusedStart>,
    /// GitHub asked to wait until then.
    pub limited_until: Option<Timestamp>,
    /// How often in a row GitHub asked to wait.
    pub limited_times: u32,
    /// The next write may leave then.
    pub next_write: Option<Timestamp>,
    /// The next look at a repository may begin then.
    pub next_look: Option<Timestamp>,
    /// When the user's tasks were last listed.
    pub polled_at: Option<Timestamp>,
    /// The Secret version that GitHub was asked about, and whose it is.
    pub identity: Option<(String, CredentialIdentity)>,
    /// How its token is refreshed, where that is asked for.
    pub refresh: Option<Refresh>,
    /// The Secret version that the API server did not let the controller write, and when that was.
    pub unwritable: Option<(String, Timestamp)>,
    /// The digest of the refresh token whose successor this process has, and may not write.
    pub unwritten: Option<String>,
    /// When the last exchange of its token came to nothing, and how many did in a row.
    pub postponed: Option<(Timestamp, u32)>,
}

/// What a look at a Secret found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretState {
    Missing,
    /// The API server does not let the controller read it.
    Forbidden,
    KeyMissing,
    /// With what is wrong with the token.
    Unusable(String),
    Present {
        resource_version: String,
    },
}

/// That GitHub refused to start a task for want of a right, and started nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedStart {
    pub at: Timestamp,
    /// The Secret version it was asked with.
    pub resource_version: String,
    pub refused: Refused,
}

/// Whether a credential sees a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    pub checked_at: Timestamp,
    /// The Secret version it was asked with.
    pub resource_version: String,
    pub result: Result<(), Refused>,
}

/// What is known of a branch.
#[derive(Debug, Clone, PartialEq)]
pub struct BranchFacts {
    pub checked_at: Timestamp,
    /// The Secret version it was asked with.
    pub resource_version: String,
    /// Whether it is there.
    pub exists: Result<bool, Refused>,
    pub guardrails: Option<GuardrailFacts>,
}

/// What is known of an issue or a pull request.
#[derive(Debug, Clone, PartialEq)]
pub struct OriginFacts {
    pub checked_at: Timestamp,
    /// `None` where GitHub shows none of that number.
    pub seen: Option<SeenOrigin>,
}

/// The pull requests of a repository, as a credential sees them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PullFacts {
    pub checked_at: Option<Timestamp>,
    /// The first time since this process followed any.
    pub first_checked_at: Option<Timestamp>,
    /// Those that changed last, by number.
    pub pulls: BTreeMap<i64, SeenPull>,
    pub labelled: Option<Labelled>,
}

/// What happened in a repository, as a credential sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventFacts {
    /// When it was last looked for.
    pub checked_at: Option<Timestamp>,
    /// From when on nothing is missing, and up to when.
    pub whole_since: Option<Timestamp>,
    pub whole_through: Option<Timestamp>,
    /// The automations that it was looked for.
    pub by: BTreeSet<ObjectKey>,
    /// The newest that was seen.
    pub newest: Option<Timestamp>,
    /// A walk that goes on with the next look.
    pub walk: Option<Walk>,
    /// What the last walk could not see.
    pub unseen: Option<Unseen>,
    /// The oldest first.
    pub events: Vec<Event>,
    /// Automations that have their tasks for an event, or none to make, by the event's identity.
    pub settled: BTreeSet<(ObjectKey, String)>,
}

/// The open pull requests of a repository that have labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// What was labelled after this may be missing.
    pub asked_at: Timestamp,
    pub answered_at: Timestamp,
    /// For each label in lower case, as GitHub tells no case in them, those that have it.
    pub pulls: BTreeMap<String, Vec<LabelledPull>>,
}

/// An open pull request that has a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledPull {
    /// GitHub's database id.
    pub id: i64,
    pub page: String,
}

/// What was seen of a task at GitHub since this process started.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskFacts {
    pub listed: Option<ListedTask>,
    /// When its details were last read.
    pub observed_at: Option<Timestamp>,
    /// When its pull request's details were last read.
    pub pull_observed_at: Option<Timestamp>,
    /// The last look for it, while its start is unknown.
    pub search: Option<Search>,
    /// What came of the last POST to each receiver.
    pub sent: BTreeMap<String, Sent>,
}

/// Something that did not get through, and when it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retry {
    pub times: u32,
    pub not_before: Timestamp,
    /// What was in the way the last time.
    pub problem: String,
    /// Whether that was GitHub, or the credential for it, and not the API server.
    pub is_of_github: bool,
}

/// A write to GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// What it is made with.
    pub credential: CredentialKey,
    /// What a start holds of budgets from its write-ahead on, in billionths of a credit. The specs that this was decided from
    /// may have changed since.
    pub reserves: Option<i64>,
}

impl Writing {
    /// What an action on a task writes, if it does.
    #[must_use]
    pub fn of(task: &AgentTask, action: &Action) -> Option<Self> {
        match action {
            Action::Start(admitted) => Some(Self {
                credential: CredentialKey::of_start(task, admitted),
                reserves: Some(admitted.reserved_nano_credits),
            }),
            Action::HandOver { .. } | Action::ClosePull { .. } | Action::Report(_) => {
                Some(CredentialKey::of_task(task).into())
            }
            _ => None,
        }
    }
}

impl From<CredentialKey> for Writing {
    fn from(credential: CredentialKey) -> Self {
        Self {
            credential,
            reserves: None,
        }
    }
}
