//! The state of a task at GitHub, which GitHub derives from the newest session of the task.
//!
//! GitHub may add states at any time, so one that is not known is kept as it was written rather than refused. A state is
//! never final in the strict sense: a person can ask the agent to go on with a finished task.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most characters that are kept of a state that is not known.
const UNKNOWN_MAX: usize = 64;

/// The states in GitHub's published description, and room for those that it will add.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum TaskState {
    Queued,
    InProgress,
    Completed,
    Failed,
    Idle,
    WaitingForUser,
    TimedOut,
    Cancelled,
    /// A state of another name, at most 64 characters of it; `unknown` when GitHub gave none.
    Other(String),
}

impl TaskState {
    /// Reads any text. What GitHub's description does not list becomes [`TaskState::Other`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "idle" => Self::Idle,
            "waiting_for_user" => Self::WaitingForUser,
            "timed_out" => Self::TimedOut,
            "cancelled" => Self::Cancelled,
            other => Self::other(other),
        }
    }

    /// GitHub's name for the state.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Idle => "idle",
            Self::WaitingForUser => "waiting_for_user",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Other(name) => name,
        }
    }

    /// Whether the agent has stopped for good, unless a person asks it to go on. An unknown state is not terminal: to
    /// keep looking is the cheaper mistake.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::TimedOut | Self::Cancelled => true,
            Self::Queued | Self::InProgress | Self::Idle | Self::WaitingForUser | Self::Other(_) => false,
        }
    }

    fn other(text: &str) -> Self {
        let name: String = text.chars().filter(|c| !c.is_control()).take(UNKNOWN_MAX).collect();
        Self::Other(if name.is_empty() { "unknown".to_owned() } else { name })
    }
}

impl From<String> for TaskState {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<TaskState> for String {
    fn from(state: TaskState) -> Self {
        state.as_str().to_owned()
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_states_keep_their_names() {
        let table = [
            ("queued", TaskState::Queued, false),
            ("in_progress", TaskState::InProgress, false),
            ("completed", TaskState::Completed, true),
            ("failed", TaskState::Failed, true),
            ("idle", TaskState::Idle, false),
            ("waiting_for_user", TaskState::WaitingForUser, false),
            ("timed_out", TaskState::TimedOut, true),
            ("cancelled", TaskState::Cancelled, true),
            ("paused", TaskState::Other("paused".to_owned()), false),
        ];
        for (name, state, terminal) in table {
            assert_eq!(TaskState::parse(name), state);
            assert_eq!(state.as_str(), name);
            assert_eq!(state.is_terminal(), terminal, "{name}");
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(text, format!("{name:?}"));
            assert_eq!(serde_json::from_str::<TaskState>(&text).unwrap(), state);
        }
    }

    #[test]
    fn an_unknown_state_is_bounded() {
        let table = [
            (String::new(), "unknown".to_owned()),
            ("\n\u{1b}".to_owned(), "unknown".to_owned()),
            ("on\nhold".to_owned(), "onhold".to_owned()),
            ("ä".repeat(100), "ä".repeat(64)),
        ];
        for (text, expected) in table {
            assert_eq!(TaskState::parse(&text).as_str(), expected);
        }
    }
}
