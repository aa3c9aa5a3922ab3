//! What it means when a lost start is looked for.
//!
//! Exactly one task with a marker of ours is ours. More than one is for a person to judge. None means nothing before the
//! visibility window has ended, counted from the attempt's deadline: until then GitHub may still be about to show it.

use jiff::Timestamp;

use crate::api::Reason;
use crate::api::automation::StartPolicy;
use crate::api::task::{AttemptOutcome, Phase, TaskStatus};

use super::observed::{ObservedTask, Search};
use super::start::{adopt, say, settle};
use super::time::{add, again};
use super::{Action, Planned, Settings};

/// How a person resolves an unknown start.
pub const RESOLVE: &str = "set the annotation agentautomation.dev/adopt to the task's id, or agentautomation.dev/abandon \
                           to the reason for giving it up";

/// Looks again, or concludes.
#[must_use]
pub fn plan(
    status: &TaskStatus,
    policy: StartPolicy,
    search: Option<&Search>,
    settings: &Settings,
    now: Timestamp,
) -> Planned {
    let mut planned = Planned::default();
    if status.reason != Some(Reason::AnswerLost) {
        return planned;
    }
    let Some(attempt) = status.attempts.last() else {
        return planned;
    };
    let end = add(attempt.deadline, settings.visibility_window);
    let Some(search) = search else {
        planned.actions.push(Action::Search);
        return planned;
    };
    match conclude(status, policy, search, end, now) {
        Some(next) => planned.actions.push(Action::WriteTaskStatus(Box::new(next))),
        None => look_again(search, end, settings, now, &mut planned),
    }
    planned
}

/// The next look is one interval on, or when the window ends if that is earlier: that look decides.
fn look_again(search: &Search, end: Timestamp, settings: &Settings, now: Timestamp, planned: &mut Planned) {
    let next = again(Some(search.began), settings.search_interval, now);
    let due = if search.began < end { next.min(end) } else { next };
    if due <= now {
        planned.actions.push(Action::Search);
    } else {
        planned.wake_at(due);
    }
}

fn conclude(
    status: &TaskStatus,
    policy: StartPolicy,
    search: &Search,
    end: Timestamp,
    now: Timestamp,
) -> Option<TaskStatus> {
    let number = status.attempts.last()?.number;
    let mut next = status.clone();
    match search.matches.as_slice() {
        [task] => {
            let found = status.attempts.iter().find(|attempt| carries(task, &attempt.marker));
            settle(
                &mut next,
                found.map_or(number, |attempt| attempt.number),
                AttemptOutcome::Adopted,
                None,
            );
            let message = format!("the answer was lost; task {} carries the marker and is ours", task.id);
            adopt(&mut next, task, Reason::Adopted, message, now);
        }
        [] if search.whole && search.began >= end => not_found(&mut next, number, policy),
        [] => return None,
        several => {
            let ids: Vec<_> = several.iter().map(|task| task.id.as_str()).collect();
            let sentence = format!("tasks {} all carry the marker: {RESOLVE}", ids.join(", "));
            say(&mut next, Phase::Unknown, Reason::Ambiguous, sentence);
        }
    }
    Some(next)
}

fn not_found(status: &mut TaskStatus, number: i32, policy: StartPolicy) {
    settle(
        status,
        number,
        AttemptOutcome::NotFound,
        Some("no task at GitHub carries the marker"),
    );
    match policy {
        StartPolicy::AtMostOnce => {
            let sentence = format!("no task at GitHub carries the marker, and it may still exist: {RESOLVE}");
            say(status, Phase::Unknown, Reason::NotFoundAtGitHub, sentence);
        }
        StartPolicy::AtLeastOnce => {
            let sentence = "no task at GitHub carries the marker; startPolicy AtLeastOnce starts it again";
            say(status, Phase::Held, Reason::NotFoundAtGitHub, sentence);
        }
    }
}

/// Whether a session of the task was given a prompt with this marker as a line of its own.
#[must_use]
pub fn carries(task: &ObservedTask, marker: &str) -> bool {
    task.prompts
        .iter()
        .any(|prompt| prompt.lines().any(|line| line.trim_end() == marker))
}
