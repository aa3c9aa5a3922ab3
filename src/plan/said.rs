//! What people say of a task that was sent to GitHub, by annotations: which task there is its own, or that it is given up.
//!
//! The id counts where both stand there, for as long as it can be the task's own: it is no id, or another's, or GitHub has
//! none of it, and then it is told what is wrong with it, and both can be written anew.

use jiff::Timestamp;
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
use super::world::{ObjectKey, World, counts};

/// What stands there, and of which task.
pub struct Said<'a> {
    task: &'a AgentTask,
    status: &'a TaskStatus,
    /// Why the task was given up.
    abandon: Option<&'a String>,
    /// The id that was given, or why it counts for nothing.
    id: Option<Result<TaskId, String>>,
}

impl<'a> Said<'a> {
    #[must_use]
    pub fn of(world: &World, key: &ObjectKey, task: &'a AgentTask, status: &'a TaskStatus) -> Self {
        let abandon = task.annotations().get(ABANDON_ANNOTATION);
        // What a text means is looked up among all tasks, so not where that changes nothing any more.
        let is_asked = status.phase == Phase::Unknown || is_named(status) || abandon.is_some();
        let text = task.annotations().get(ADOPT_ANNOTATION).filter(|_| is_asked);
        Self {
            task,
            status,
            abandon,
            id: text.and_then(|text| given(world, key, text)),
        }
    }

    /// What becomes of a task whose start led nobody knows where; `None` when that is no news.
    #[must_use]
    pub fn of_unknown(&self, now: Timestamp) -> Option<TaskStatus> {
        self.resolved(now).or_else(|| self.misnamed())
    }

    /// What becomes of one that GitHub has, or that a person said it has; `None` when that is no news.
    #[must_use]
    pub fn of_started(&self, now: Timestamp) -> Option<TaskStatus> {
        let told = || is_named(self.status).then(|| self.misnamed()).flatten();
        self.corrected(now).or_else(|| self.given_up(now)).or_else(told)
    }

    fn resolved(&self, now: Timestamp) -> Option<TaskStatus> {
        let number = self.status.attempts.last().map_or(0, |attempt| attempt.number);
        let mut next = self.status.clone();
        if let Some(Ok(id)) = &self.id {
            next.adopt_refused = None;
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
        let because = self.abandon?;
        // Of the two annotations the id counts, unless GitHub has none of that id and this was told.
        let is_wrong = is_named(self.status) && not_there(self.status).is_none();
        if !counts(self.task) || matches!(self.id, Some(Ok(_))) && !is_wrong {
            return None;
        }
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

/// Whose task at GitHub it is by now. What was given up is nobody's.
fn owner<'a>(world: &'a World, key: &ObjectKey, id: &TaskId) -> Option<&'a ObjectKey> {
    let owns = |status: &TaskStatus| {
        let is_kept = status.reason != Some(Reason::Abandoned);
        is_kept && status.task.as_ref().is_some_and(|task| task.id == id.as_str())
    };
    let mut others = world.tasks().filter(|(other, _)| *other != key);
    let owner = others.find(|(_, task)| task.status.as_ref().is_some_and(owns));
    owner.map(|(other, _)| other)
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
