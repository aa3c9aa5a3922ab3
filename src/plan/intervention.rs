//! What people decide about a task that was sent to GitHub, by annotations: which task there is its own, or that it is
//! given up.
//!
//! An id that can't be the task's own (it is none, or another's) counts for nothing, which is told for as long as it stands
//! there. A person's word is less than a marker or an answer of GitHub's: what these show is not passed over for its sake.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::task::{
    ABANDON_ANNOTATION, ADOPT_ANNOTATION, AttemptOutcome, GitHubTask, InterventionKind, Phase, TaskStatus,
};
use crate::api::{AgentTask, Reason};
use crate::domain::task_id::{NoTaskId, TaskId};
use crate::domain::task_state::TaskState;

use super::observed::ObservedTask;
use super::request::sign;
use super::search;
use super::start::{adopt, bounded, say, settle};
use super::time::add;
use super::world::{ObjectKey, World, counts, folded, phase};
use super::{Action, Planned};

/// How often it is asked whether an id is still another's: nobody tells this task of that one.
const ASKED_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// What is to be done about what stands there, for a task whose start led nobody knows where, or that GitHub has.
#[must_use]
pub fn plan(world: &World, key: &ObjectKey, task: &AgentTask, status: &TaskStatus, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    if matches!(status.phase, Phase::Pending | Phase::Held | Phase::Starting) {
        return planned;
    }
    let written = Written::of(world, key, task, status);
    if let Some(next) = written.next(now) {
        planned.actions.push(Action::WriteTaskStatus(Box::new(next)));
    }
    if matches!(written.id, Some(Err(_))) {
        planned.wake_at(add(now, ASKED_EVERY));
    }
    planned
}

/// What stands there, and of which task.
struct Written<'a> {
    task: &'a AgentTask,
    status: &'a TaskStatus,
    /// Why the task was given up.
    abandon: Option<&'a String>,
    /// The id that was given, or why it counts for nothing.
    id: Option<Result<TaskId, String>>,
}

impl<'a> Written<'a> {
    fn of(world: &World, key: &ObjectKey, task: &'a AgentTask, status: &'a TaskStatus) -> Self {
        // What a text means is looked up among all tasks, so not where that changes nothing any more.
        let is_open = status.phase == Phase::Unknown || is_by_word(status) || status.adopt_refused.is_some();
        let text = task.annotations().get(ADOPT_ANNOTATION);
        let text = text.filter(|_| is_open && counts(task));
        Self {
            task,
            status,
            abandon: task.annotations().get(ABANDON_ANNOTATION),
            id: text.and_then(|text| given(world, key, text)),
        }
    }

    /// The status that it comes to; `None` when that is no news.
    fn next(&self, now: Timestamp) -> Option<TaskStatus> {
        let resolved = if self.status.phase == Phase::Unknown {
            self.resolved(now)
        } else {
            self.corrected(now).or_else(|| self.given_up(now))
        };
        resolved.or_else(|| self.misnamed())
    }

    fn resolved(&self, now: Timestamp) -> Option<TaskStatus> {
        let number = self.status.attempts.last().map_or(0, |attempt| attempt.number);
        let mut next = TaskStatus {
            adopt_refused: None,
            ..self.status.clone()
        };
        if let Some(Ok(id)) = &self.id {
            settle(&mut next, number, AttemptOutcome::Adopted, Some("a person named it"));
            let message = format!("a person named task {id} as ours");
            adopt(&mut next, &unseen(id), Reason::Adopted, message, now);
            sign(self.task, &mut next, InterventionKind::Adopt, now);
            return Some(next);
        }
        let reason = bounded(self.abandon?);
        settle(&mut next, number, AttemptOutcome::Abandoned, Some(&reason));
        next.task = None;
        next.ended_at = Some(now);
        next.failure = Some(reason.clone());
        let message = format!("a person gave it up: {reason}");
        say(&mut next, Phase::Failed, Reason::Abandoned, message);
        sign(self.task, &mut next, InterventionKind::Abandon, now);
        Some(next)
    }

    /// A person named a task that GitHub has not shown so far: it may have been the wrong one.
    fn corrected(&self, now: Timestamp) -> Option<TaskStatus> {
        let named = self.status.task.as_ref().filter(|_| is_named(self.status))?;
        let is_same = matches!(&self.id, Some(Ok(id)) if id.as_str() == named.id);
        if is_same { None } else { self.resolved(now) }
    }

    /// A person says that what counts is over, though GitHub does not say so, or nobody can ask it.
    fn given_up(&self, now: Timestamp) -> Option<TaskStatus> {
        let because = self.abandon.filter(|_| counts(self.task))?;
        let mut next = self.status.clone();
        let message = format!(
            "a person gave it up: {}; it may go on at GitHub, and does not count any more",
            bounded(because)
        );
        let phase = if next.phase.is_ended() {
            next.phase
        } else {
            Phase::Failed
        };
        say(&mut next, phase, Reason::Abandoned, message);
        sign(self.task, &mut next, InterventionKind::Abandon, now);
        next.ended_at.get_or_insert(now);
        Some(next)
    }

    /// Why what was given as the id counts for nothing is told for as long as it stands there.
    fn misnamed(&self) -> Option<TaskStatus> {
        let refused = self.id.as_ref().and_then(|id| id.as_ref().err().cloned());
        (self.status.adopt_refused != refused).then(|| TaskStatus {
            adopt_refused: refused,
            ..self.status.clone()
        })
    }
}

/// Whether all that is known of its task at GitHub is the id that a person gave.
#[must_use]
pub fn is_named(status: &TaskStatus) -> bool {
    let is_unseen = |task: &GitHubTask| task.updated_at.is_none();
    status.phase == Phase::Running
        && status.reason == Some(Reason::Adopted)
        && status.task.as_ref().is_some_and(is_unseen)
}

/// Whether it is a person's word that the task at GitHub is its own. A marker that was found needs no words.
fn is_by_word(status: &TaskStatus) -> bool {
    let last = status.attempts.last();
    last.is_some_and(|attempt| attempt.outcome == Some(AttemptOutcome::Adopted) && attempt.message.is_some())
}

/// The ids at GitHub that other objects hold by an answer of GitHub's or by a marker: none of them is looked at in a search.
#[must_use]
pub fn taken(world: &World, key: &ObjectKey) -> BTreeSet<String> {
    let others = world.tasks().filter(|(other, _)| *other != key);
    let proven = others
        .filter_map(|(_, task)| task.status.as_ref())
        .filter(|status| !is_by_word(status));
    proven
        .filter_map(|status| Some(status.task.as_ref()?.id.clone()))
        .collect()
}

/// Whose task at GitHub it is by now, or is about to be: of several that are told of one at once, the oldest's. What was given
/// up is nobody's.
#[must_use]
pub fn owner<'a>(world: &'a World, key: &ObjectKey, id: &TaskId) -> Option<&'a ObjectKey> {
    let owns = |status: &TaskStatus| {
        let is_kept = status.reason != Some(Reason::Abandoned);
        is_kept && status.task.as_ref().is_some_and(|task| task.id == id.as_str())
    };
    let own = world.task(key);
    let is_first = |task: &AgentTask| own.is_some_and(|own| comes_before(task, own, id));
    let mut others = world.tasks().filter(|(other, _)| *other != key);
    let owner = others.find(|(_, task)| task.status.as_ref().is_some_and(owns) || is_first(task));
    owner.map(|(other, _)| other)
}

/// Whether of two tasks in a repository that are told of one at GitHub, and of which neither has it yet, the other is older.
fn comes_before(other: &AgentTask, own: &AgentTask, id: &TaskId) -> bool {
    let age = |task: &AgentTask| (task.creation_timestamp(), task.uid());
    let has_it = |task: &AgentTask| {
        let known = task.status.as_ref().and_then(|status| status.task.as_ref());
        known.is_some_and(|known| known.id == id.as_str())
    };
    let is_told_of_it = |task: &AgentTask| {
        let text = task.annotations().get(ADOPT_ANNOTATION);
        let may_change = phase(task) == Phase::Unknown || task.status.as_ref().is_some_and(is_named);
        may_change && text.and_then(|text| text.parse().ok()).as_ref() == Some(id)
    };
    folded(&other.spec.repository) == folded(&own.spec.repository)
        && age(other) < age(own)
        && !has_it(own)
        && is_told_of_it(other)
}

/// GitHub has no task of the id that a person gave; `None` when that is no news.
#[must_use]
pub fn not_there(status: &TaskStatus) -> Option<TaskStatus> {
    let named = status.task.as_ref().filter(|_| is_named(status))?;
    let message = format!(
        "a person named task {} as ours, and GitHub has none of that id: {}",
        named.id,
        search::RESOLVE
    );
    (status.message.as_ref() != Some(&message)).then(|| TaskStatus {
        message: Some(message),
        ..status.clone()
    })
}

/// Who writes nothing says nothing.
fn given(world: &World, key: &ObjectKey, text: &str) -> Option<Result<TaskId, String>> {
    if text.trim().is_empty() {
        return None;
    }
    let id = text.parse().map_err(|error: NoTaskId| error.to_string());
    Some(id.and_then(|id| match owner(world, key, &id) {
        None => Ok(id),
        Some(other) => Err(format!(
            "task {id} at GitHub is that of {other}, and can't be counted twice: write another id, or abandon {}",
            other.name
        )),
    }))
}

/// A task of which only the id is known.
fn unseen(id: &TaskId) -> ObservedTask {
    ObservedTask {
        id: id.to_string(),
        url: None,
        state: TaskState::Queued,
        updated_at: None,
        branch: None,
        pull_request: None,
        failure: None,
        usage: None,
        prompts: Vec::new(),
    }
}
