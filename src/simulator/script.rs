//! How a task goes: its sessions one after another, each with its delays and its end.
//!
//! A script is data, and a session's state at an instant is computed from it, so that the same script means the same on
//! a wall clock and on paused time.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The course of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// One after another; without any, the default session runs.
    pub sessions: Vec<SessionScript>,
}

/// The course of one session: queued, in progress, ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionScript {
    /// Milliseconds from the end of the session before (for the first: from the task's creation) to this one's start.
    pub after_ms: u64,
    pub queued_ms: u64,
    pub running_ms: u64,
    /// Milliseconds after work began at which the branch and the pull request show; at the latest when work ends.
    pub shows_after_ms: u64,
    pub leaves: Leaves,
    pub end: End,
    /// Nano AI credits, known when the session has ended; `null` when GitHub never tells.
    pub credits_nano: Option<u64>,
}

/// What a session leaves behind in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaves {
    Nothing,
    Branch,
    /// A branch and a draft pull request; only the branch when the start did not ask for a pull request.
    PullRequest,
}

/// How a session ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Completed,
    Failed {
        message: String,
    },
    TimedOut,
    Cancelled,
    WaitingForUser,
    Idle,
    /// It stays in progress.
    Never,
}

/// The states of a session, and so of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Queued,
    InProgress,
    Completed,
    Failed,
    Idle,
    WaitingForUser,
    TimedOut,
    Cancelled,
}

impl Default for SessionScript {
    fn default() -> Self {
        Self {
            after_ms: 0,
            queued_ms: 2_000,
            running_ms: 6_000,
            shows_after_ms: 1_000,
            leaves: Leaves::PullRequest,
            end: End::Completed,
            credits_nano: Some(1_250_000_000),
        }
    }
}

impl SessionScript {
    /// A session with the default delays that leaves a pull request, if one was asked for, and ends so.
    #[must_use]
    pub fn ending(end: End) -> Self {
        Self { end, ..Self::default() }
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::pull_request()
    }
}

impl From<SessionScript> for Script {
    fn from(session: SessionScript) -> Self {
        Self {
            sessions: vec![session],
        }
    }
}

impl Script {
    /// Completed, with a draft pull request when the start asked for one.
    #[must_use]
    pub fn pull_request() -> Self {
        SessionScript::default().into()
    }

    /// Completed, with a branch and no pull request.
    #[must_use]
    pub fn branch_only() -> Self {
        SessionScript {
            leaves: Leaves::Branch,
            ..SessionScript::default()
        }
        .into()
    }

    /// Failed with that error, with nothing left behind.
    #[must_use]
    pub fn failed(message: &str) -> Self {
        let end = End::Failed {
            message: message.to_owned(),
        };
        SessionScript {
            leaves: Leaves::Nothing,
            ..SessionScript::ending(end)
        }
        .into()
    }

    #[must_use]
    pub fn timed_out() -> Self {
        SessionScript::ending(End::TimedOut).into()
    }

    #[must_use]
    pub fn cancelled() -> Self {
        SessionScript::ending(End::Cancelled).into()
    }

    #[must_use]
    pub fn waiting_for_user() -> Self {
        SessionScript::ending(End::WaitingForUser).into()
    }

    /// Finished, then active again: someone asks the agent to go on 10 s after the first session completed.
    #[must_use]
    pub fn active_again() -> Self {
        let second = SessionScript {
            after_ms: 10_000,
            ..SessionScript::default()
        };
        Self {
            sessions: vec![SessionScript::default(), second],
        }
    }

    /// It never ends.
    #[must_use]
    pub fn endless() -> Self {
        SessionScript::ending(End::Never).into()
    }

    /// The same course with other delays, in milliseconds.
    #[must_use]
    pub fn with_delays(mut self, queued_ms: u64, running_ms: u64) -> Self {
        for session in &mut self.sessions {
            session.queued_ms = queued_ms;
            session.running_ms = running_ms;
        }
        self
    }
}

impl SessionState {
    /// GitHub's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Idle => "idle",
            Self::WaitingForUser => "waiting_for_user",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    const ALL: [Self; 8] = [
        Self::Queued,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Idle,
        Self::WaitingForUser,
        Self::TimedOut,
        Self::Cancelled,
    ];

    /// Whether nothing more happens in a session in this state unless somebody acts.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::TimedOut | Self::Cancelled)
    }
}

impl End {
    /// The state a session is left in.
    pub(super) fn state(&self) -> SessionState {
        match self {
            Self::Completed => SessionState::Completed,
            Self::Failed { .. } => SessionState::Failed,
            Self::TimedOut => SessionState::TimedOut,
            Self::Cancelled => SessionState::Cancelled,
            Self::WaitingForUser => SessionState::WaitingForUser,
            Self::Idle => SessionState::Idle,
            Self::Never => SessionState::InProgress,
        }
    }
}

/// `ms` milliseconds after `instant`, at most the end of time.
pub(super) fn after(instant: Timestamp, ms: u64) -> Timestamp {
    instant
        .saturating_add(Duration::from_millis(ms))
        .unwrap_or(Timestamp::MAX)
}
