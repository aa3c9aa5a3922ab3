//! The id of a task at GitHub, as a person writes it.

use std::fmt;
use std::str::FromStr;

/// The most characters of one. GitHub's so far are UUIDs; its description says no more than that they are text.
const MAX: usize = 100;

/// A text that can be an id: one part of an address, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskId(String);

/// A text that can be none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no task's id: write the last part of the address of its page, and no more")]
pub struct NoTaskId(String);

impl TaskId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskId {
    type Err = NoTaskId;

    fn from_str(text: &str) -> Result<Self, NoTaskId> {
        let text = text.trim();
        let is_short = (1..=MAX).contains(&text.len());
        let is_segment = text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-._~".contains(letter));
        let is_above = matches!(text, "." | "..");
        if is_short && is_segment && !is_above {
            return Ok(Self(text.to_owned()));
        }
        Err(NoTaskId(text.chars().take(MAX).collect()))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_whether_they_can_be_ids() {
        let longest = "x".repeat(MAX);
        let table = [
            ("8f3c2b1e-4d5a-4c6b-9e7f-0a1b2c3d4e5f", true),
            (" t9\n", true),
            ("MDQ6VGFzazE_-.~", true),
            (longest.as_str(), true),
            ("", false),
            ("  ", false),
            (".", false),
            ("..", false),
            ("two words", false),
            ("../nobody?", false),
            ("https://github.com/copilot/tasks/t9", false),
            ("tasks/t9", false),
            ("t9#1", false),
            ("täsk", false),
            ("t\u{202e}9", false),
            (&format!("{longest}x"), false),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<TaskId>().is_ok(), expected, "{text:?}");
        }
        let error = "tasks/t9\n".parse::<TaskId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"tasks/t9\" is no task's id: write the last part of the address of its page, and no more"
        );
    }
}
