//! What came of a POST, and what follows from it.

use jiff::{SignedDuration, Timestamp};

use crate::api::AgentTask;
use crate::api::notify::{NotificationState, NotificationStatus, NotifyError};
use crate::api::task::{Phase, TaskStatus};
use crate::plan::retry::backoff;
use crate::plan::time::add;

/// With the waits between them they take some four hours.
const ATTEMPTS: i32 = 10;
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(30);
/// A receiver that asks for a longer wait is tried again after this.
const LONGEST_ASKED: SignedDuration = SignedDuration::from_hours(1);
/// No wait before an attempt is longer.
pub(super) const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(6);
/// What fails later than this after the end is given up.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(6);
/// But not before so many attempts: nobody may have been there to make them.
const FEWEST: i32 = 3;

/// What came of an attempt that its task's status may not tell of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The phase that it tells of.
    pub of: Phase,
    /// Counts from 1.
    pub attempt: i32,
    /// When its outcome was known.
    pub at: Timestamp,
    pub answer: Answer,
}

/// How a POST ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Status {
        code: u16,
        /// The receiver asks not to be asked again before.
        not_before: Option<Timestamp>,
    },
    /// There was no connection.
    NotSent,
    /// There was no answer.
    Lost,
    /// Nothing was sent: there is no key to sign it with.
    Unsigned(NotifyError),
}

impl Sent {
    /// Whether it is an attempt that counts. Without a key nothing was sent.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.answer, Answer::Unsigned(_))
    }
}

/// What is known of a notification after its next attempt.
pub(super) fn told(task: &AgentTask, known: &NotificationStatus, sent: &Sent) -> NotificationStatus {
    let failed = |error, code: Option<u16>| NotificationStatus {
        attempts: known.attempts + i32::from(sent.counts()),
        not_before: None,
        last_error: Some(error),
        http_status: code.map(i32::from),
        ..known.clone()
    };
    let (failed, asked) = match &sent.answer {
        Answer::Status { code: 200..=299, .. } => {
            return NotificationStatus {
                state: NotificationState::Delivered,
                attempts: sent.attempt,
                settled_at: Some(sent.at),
                ..NotificationStatus::new(&known.name, known.of)
            };
        }
        Answer::Status { code, .. } if is_final(*code) => {
            return given_up(
                &failed(NotifyError::Refused, Some(*code)),
                NotifyError::Refused,
                sent.at,
            );
        }
        Answer::Status { code, not_before } => (failed(NotifyError::Refused, Some(*code)), *not_before),
        Answer::NotSent => (failed(NotifyError::NotSent, None), None),
        Answer::Lost => (failed(NotifyError::AnswerLost, None), None),
        Answer::Unsigned(error) => (failed(*error, None), None),
    };
    let since = task.status.as_ref().and_then(since).unwrap_or(sent.at);
    let is_late = sent.at >= add(since, GIVEN_UP_AFTER) && !(1..FEWEST).contains(&failed.attempts);
    if failed.attempts >= ATTEMPTS || is_late {
        let error = failed.last_error.unwrap_or(NotifyError::AnswerLost);
        return given_up(&failed, error, sent.at);
    }
    let asked = asked.map(|until| until.min(add(sent.at, LONGEST_ASKED)));
    let backoff = add(sent.at, backoff(task, FIRST_WAIT, failed.attempts.max(1)));
    NotificationStatus {
        not_before: sent.counts().then(|| asked.unwrap_or(backoff).max(backoff)),
        ..failed
    }
}

/// A dead letter.
pub(super) fn given_up(known: &NotificationStatus, error: NotifyError, now: Timestamp) -> NotificationStatus {
    NotificationStatus {
        state: NotificationState::DeadLetter,
        not_before: None,
        last_error: Some(error),
        settled_at: Some(now),
        ..known.clone()
    }
}

/// Since when there is something to tell: the end, or for a start that can't be told its last attempt.
pub(super) fn since(status: &TaskStatus) -> Option<Timestamp> {
    let written = || Some(status.attempts.last()?.written_at);
    status.ended_at.or_else(written)
}

/// The receiver will not take it however often it is sent. A redirect is not followed, and may be gone the next time.
fn is_final(code: u16) -> bool {
    (400..500).contains(&code) && !matches!(code, 408 | 429)
}
