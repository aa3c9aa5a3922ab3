//! The start protocol's decisions: what is written ahead, and what its outcome means.
//!
//! 1. An attempt with its marker and deadline is written to status before anything is sent, with the object's version as
//!    precondition: who loses that race does not send.
//! 2. The request is sent once. GitHub may create a task and its answer may be lost.
//! 3. The outcome is written down. *Created* and *refused* are certain; *not sent* may be tried again; everything else
//!    is unknown, and is looked for by the marker (see [`search`](super::search)).

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::task::{Attempt, AttemptOutcome, GitHubTask, Phase, TaskStatus};
use crate::api::{AgentTask, Reason};

use super::action::Admitted;
use super::deadline::Within;
use super::observed::{ObservedTask, Refused, StartOutcome};
use super::time::add;
use super::{Settings, naming};

/// The newest attempts that are kept.
const KEPT: usize = 5;
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(1);
const REFUSED_WAIT: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// The most characters that are kept of what others say.
const MESSAGE_MAX: usize = 500;

/// The status to write before a task's request is sent, with a new attempt as its last.
#[must_use]
pub fn write_ahead(
    task: &AgentTask,
    admitted: &Admitted,
    identity: &str,
    settings: &Settings,
    now: Timestamp,
) -> TaskStatus {
    let mut status = task.status.clone().unwrap_or_default();
    let number = next_number(&status);
    status.attempts.push(Attempt {
        number,
        marker: naming::marker(&task.uid().unwrap_or_default(), number),
        written_at: now,
        written_by: identity.to_owned(),
        deadline: add(now, settings.start_timeout),
        head_branch: admitted.head_branch.clone(),
        secret_ref: admitted.secret_ref.clone(),
        outcome: None,
        message: None,
    });
    keep_newest(&mut status.attempts);
    status.not_before = None;
    status.allowed_by.clone_from(&admitted.allowed_by);
    status.credential.clone_from(&admitted.credential);
    let split = |within: &Option<Within>| {
        let within = within.clone();
        within.map(|Within { seconds, bound }| (Some(seconds), bound.map(Box::new)))
    };
    (status.active_deadline_seconds, status.active_deadline_bound_by) =
        split(&admitted.active_deadline).unwrap_or_default();
    (status.waiting_deadline_seconds, status.waiting_deadline_bound_by) =
        split(&admitted.waiting_deadline).unwrap_or_default();
    status.reserved_nano_credits = Some(admitted.reserved_nano_credits).filter(|nano| *nano > 0);
    say(
        &mut status,
        Phase::Starting,
        Reason::Starting,
        format!("attempt {number} is on its way to GitHub"),
    );
    status
}

/// The status that makes a write of an earlier leader fail: it counts as an attempt that was not sent.
#[must_use]
pub fn fence(task: &AgentTask, now: Timestamp) -> TaskStatus {
    let mut status = task.status.clone().unwrap_or_default();
    let number = next_number(&status);
    status.attempts.push(Attempt {
        number,
        marker: naming::marker(&task.uid().unwrap_or_default(), number),
        written_at: now,
        written_by: String::new(),
        deadline: now,
        head_branch: None,
        secret_ref: None,
        outcome: Some(AttemptOutcome::NotSent),
        message: Some("another controller took over before it was written ahead".to_owned()),
    });
    keep_newest(&mut status.attempts);
    status
}

/// The prompt as it is sent: the attempt's marker is its last line.
#[must_use]
pub fn prompt(task: &AgentTask, attempt: &Attempt) -> String {
    format!("{}\n{}\n", task.spec.prompt, attempt.marker)
}

/// What an attempt's outcome makes of a status; `None` when it is no news any more.
///
/// A task that GitHub created is news even if a person gave the start up in the meantime: the phase stays as that person
/// left it, and the id is kept, since the task is at work.
#[must_use]
pub fn conclude(status: &TaskStatus, attempt: &Attempt, outcome: &StartOutcome, now: Timestamp) -> Option<TaskStatus> {
    let newest = status.attempts.last()?;
    if newest.marker != attempt.marker || status.task.is_some() {
        return None;
    }
    if matches!(status.phase, Phase::Starting | Phase::Unknown) {
        return Some(concluded(status, attempt.number, outcome, now));
    }
    let StartOutcome::Created(task) = outcome else {
        return None;
    };
    if !status.phase.is_ended() {
        return Some(concluded(status, attempt.number, outcome, now));
    }
    let mut next = status.clone();
    settle(&mut next, attempt.number, AttemptOutcome::Created, None);
    next.started_at.get_or_insert(attempt.written_at);
    next.task = Some(at_github(task));
    Some(next)
}

fn concluded(status: &TaskStatus, number: i32, outcome: &StartOutcome, now: Timestamp) -> TaskStatus {
    let mut next = status.clone();
    match outcome {
        StartOutcome::Created(task) => {
            settle(&mut next, number, AttemptOutcome::Created, None);
            adopt(
                &mut next,
                task,
                Reason::InProgress,
                format!("task {} was started", task.id),
                now,
            );
        }
        StartOutcome::Refused(refused) => {
            settle(&mut next, number, AttemptOutcome::Refused, Some(&refused.message));
            hold_or_fail(&mut next, number, refused, now);
        }
        StartOutcome::NotSent(reason) => {
            settle(&mut next, number, AttemptOutcome::NotSent, Some(reason));
            let sentence = format!("the request did not leave and is tried again: {}", bounded(reason));
            wait(
                &mut next,
                Reason::NotSent,
                sentence,
                add(now, doubled(FIRST_WAIT, number)),
            );
        }
        StartOutcome::Unknown(reason) => {
            settle(&mut next, number, AttemptOutcome::Unknown, Some(reason));
            lost(&mut next, number, reason);
        }
    }
    next
}

/// The attempt was written ahead and no outcome was ever recorded: whoever sent it has died.
#[must_use]
pub fn orphaned(status: &TaskStatus, number: i32) -> TaskStatus {
    let mut next = status.clone();
    let reason = "the controller that sent it did not record an answer";
    settle(&mut next, number, AttemptOutcome::Unknown, Some(reason));
    lost(&mut next, number, reason);
    next
}

/// The task at GitHub is ours from here on.
pub fn adopt(status: &mut TaskStatus, task: &ObservedTask, reason: Reason, message: String, now: Timestamp) {
    status.not_before = None;
    let written_at = status.attempts.last().map_or(now, |attempt| attempt.written_at);
    status.started_at.get_or_insert(written_at);
    status.task = Some(at_github(task));
    say(status, Phase::Running, reason, message);
}

fn at_github(task: &ObservedTask) -> GitHubTask {
    GitHubTask {
        id: task.id.clone(),
        short_id: task.id.chars().take(8).collect(),
        url: task.url.clone(),
        state: task.state.as_str().to_owned(),
        updated_at: task.updated_at,
    }
}

/// Writes an attempt's outcome down.
pub fn settle(status: &mut TaskStatus, number: i32, outcome: AttemptOutcome, message: Option<&str>) {
    if let Some(attempt) = status.attempts.iter_mut().find(|attempt| attempt.number == number) {
        attempt.outcome = Some(outcome);
        attempt.message = message.map(bounded);
    }
}

/// Sets phase, reason and message together.
pub fn say(status: &mut TaskStatus, phase: Phase, reason: Reason, message: impl Into<String>) {
    status.phase = phase;
    status.reason = Some(reason);
    status.message = Some(message.into());
}

/// A text from outside, at a length that status can hold.
#[must_use]
pub fn bounded(text: &str) -> String {
    text.chars().take(MESSAGE_MAX).collect()
}

fn next_number(status: &TaskStatus) -> i32 {
    status
        .attempts
        .last()
        .map_or(1, |attempt| attempt.number.saturating_add(1))
}

fn keep_newest(attempts: &mut Vec<Attempt>) {
    let surplus = attempts.len().saturating_sub(KEPT);
    attempts.drain(..surplus);
}

fn lost(status: &mut TaskStatus, number: i32, reason: &str) {
    let sentence = format!(
        "the answer to attempt {number} was lost; looking for its task: {}",
        bounded(reason)
    );
    say(status, Phase::Unknown, Reason::AnswerLost, sentence);
}

fn wait(status: &mut TaskStatus, reason: Reason, message: String, not_before: Timestamp) {
    status.not_before = Some(not_before);
    status.reserved_nano_credits = None;
    status.bound_by = None;
    say(status, Phase::Held, reason, message);
}

fn hold_or_fail(status: &mut TaskStatus, number: i32, refused: &Refused, now: Timestamp) {
    let message = bounded(&refused.message);
    if matches!(refused.reason, Reason::StartRejected | Reason::RepositoryMoved) {
        status.failure = Some(message.clone());
        status.ended_at = Some(now);
        status.reserved_nano_credits = None;
        say(status, Phase::Failed, refused.reason, message);
        return;
    }
    let backoff = match refused.reason {
        Reason::CredentialRejected => now,
        _ => add(now, doubled(REFUSED_WAIT, number)),
    };
    wait(
        status,
        refused.reason,
        message,
        refused.not_before.map_or(backoff, |asked| asked.max(now)),
    );
}

/// `first` for the first attempt, twice as long for each further one, at most [`LONGEST_WAIT`].
fn doubled(first: SignedDuration, number: i32) -> SignedDuration {
    let exponent = u32::try_from(number.saturating_sub(1)).unwrap_or(0).min(16);
    (first * 2_i32.pow(exponent)).min(LONGEST_WAIT)
}
