//! What follows an end in failure: another task for the same cause, or an automation that stops itself.
//!
//! A retry is an object of its own, with a name that follows from its cause and its number. It is created first and then
//! named by the task that it follows; only then may it start. So whatever is lost on the way, it starts once.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::api::automation::{Failures, RESUME_ANNOTATION, RetriedEnd};
use crate::api::task::{Follows, FollowsBecause, Phase};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::counted::counted;
use crate::domain::task_state::TaskState;

use super::deadline::could_start;
use super::time::add;
use super::world::{World, counts, phase};
use super::{Action, automation, naming, request};

const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_hours(6);

/// The next step towards a retry: its object, and then its name in the status of the task that it follows.
#[must_use]
pub fn plan(world: &World, task: &AgentTask) -> Option<Action> {
    if !is_wanted(world, task) {
        return None;
    }
    let automation = world.automation_of(task)?;
    if automation.metadata.deletion_timestamp.is_some() || task.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let retry = retry_of(world, task)?;
    if !naming::is_made(world, &retry) {
        return Some(Action::CreateTask(Box::new(retry)));
    }
    let mut status = task.status.clone()?;
    status.successor = Some(retry.name_any());
    Some(Action::WriteTaskStatus(Box::new(status)))
}

/// Whether a retry of the task is still to be created or named. The policies may allow fewer by now than when it was made.
#[must_use]
pub fn is_wanted(world: &World, task: &AgentTask) -> bool {
    let (Some(status), Some(retry)) = (&task.status, &task.spec.retry) else {
        return false;
    };
    let done = task.spec.follows.as_ref().map_or(0, |follows| follows.retries);
    let at_github = status.task.as_ref();
    // It may have finished its work after a deadline here.
    let is_done = at_github.is_some_and(|task| TaskState::parse(&task.state) == TaskState::Completed);
    let has_ended = at_github.is_some() && !is_done && status.successor.is_none() && !counts(task);
    let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
    let ceilings = || world.holding(namespace).filter_map(|policy| policy.spec().max_retries);
    let is_allowed = || done < retry.limit && ceilings().all(|most| done < most);
    has_ended && is_allowed() && end(task).is_some_and(|end| retry.ends.contains(&end))
}

/// The ends in failure of an automation since its last success, as they are now.
#[must_use]
pub fn failures(world: &World, automation: &AgentAutomation, now: Timestamp) -> Failures {
    let status = automation.status.clone().unwrap_or_default();
    let asked = automation.annotations().get(RESUME_ANNOTATION).cloned();
    let changed = status.observed_generation.is_some() && status.observed_generation != automation.metadata.generation;
    let resumed = asked.is_some() && asked != status.failures.resumed;
    let since = if changed || resumed {
        Some(now)
    } else {
        status.failures.since
    };
    let tasks = || {
        world
            .tasks_of(automation)
            .filter(|task| !status.collected.deleting.contains(&task.name_any()))
    };
    let ended_at = |task: &AgentTask| task.status.as_ref().and_then(|status| status.ended_at);
    let succeeded = tasks()
        .filter(|task| phase(task) == Phase::Succeeded)
        .filter_map(ended_at)
        .max();
    let after = since.max(succeeded).max(status.last_successful_time);
    let failed: Vec<_> = tasks()
        .filter(|task| is_failure(task) && ended_at(task) > after)
        .collect();
    let last = failed.iter().max_by_key(|task| ended_at(task));
    let collected = if after > status.failures.since.max(status.last_successful_time) {
        0
    } else {
        status.collected.failures
    };
    let in_a_row = i32::try_from(failed.len())
        .unwrap_or(i32::MAX)
        .saturating_add(collected);
    let said = last.and_then(|task| task.status.as_ref()?.message.clone());
    Failures {
        in_a_row,
        since,
        resumed: asked.or(status.failures.resumed),
        last_message: said.or(status.failures.last_message).filter(|_| in_a_row > 0),
    }
}

/// Why an automation has stopped itself, if it has.
#[must_use]
pub fn stopped(automation: &AgentAutomation, failures: &Failures) -> Option<String> {
    let limit = automation.spec.failure_threshold;
    let last = failures.last_message.as_deref().unwrap_or("it said nothing");
    let count = failures.in_a_row;
    (count >= limit).then(|| {
        let failed = counted(
            count,
            "task ended in failure",
            "tasks ended in failure without a success between them",
        );
        format!(
            "{failed} (spec.failureThreshold is {limit}), the last: {last}; mend the cause, then change the spec \
             or set the annotation {RESUME_ANNOTATION} to a new value"
        )
    })
}

/// Whether a task ended in failure, and by itself.
#[must_use]
pub fn is_failure(task: &AgentTask) -> bool {
    let reason = task.status.as_ref().and_then(|status| status.reason);
    matches!(phase(task), Phase::Failed | Phase::TimedOut) && reason != Some(Reason::Abandoned)
}

fn end(task: &AgentTask) -> Option<RetriedEnd> {
    match task.status.as_ref()?.reason? {
        Reason::SessionFailed => Some(RetriedEnd::Failed),
        Reason::SessionTimedOut | Reason::ActiveDeadline | Reason::WaitingDeadline => Some(RetriedEnd::TimedOut),
        Reason::SessionCancelled => Some(RetriedEnd::Cancelled),
        _ => None,
    }
}

fn retry_of(world: &World, task: &AgentTask) -> Option<AgentTask> {
    let terms = task.spec.retry.as_ref()?;
    let status = task.status.as_ref()?;
    // Past a deadline here it goes on at GitHub.
    let ended_at = status
        .ended_at?
        .max(status.task.as_ref()?.updated_at.unwrap_or(Timestamp::MIN));
    let number = task.spec.follows.as_ref().map_or(0, |follows| follows.retries) + 1;
    let after = add(ended_at, backoff(task, terms.backoff.duration(), number));
    let mut spec = task.spec.clone();
    let could_start = could_start(task);
    let allowed = spec.start_before.map(|before| before.duration_since(could_start));
    spec.start_after = Some(after);
    spec.start_before = allowed.map(|allowed| add(after, allowed));
    spec.policies = world
        .holding(&task.namespace()?)
        .map(super::policy::Policy::reference)
        .collect();
    spec.follows = Some(Follows {
        name: task.name_any(),
        because: FollowsBecause::Retry,
        retries: number,
        approvals: request::approvals(task).cloned().collect(),
    });
    Some(successor(task, spec, &format!("retry {number}")))
}

/// Another object for a task's cause.
#[must_use]
pub fn successor(task: &AgentTask, spec: crate::api::task::TaskSpec, why: &str) -> AgentTask {
    let name = naming::successor(&task.spec.automation, &task.spec.trigger, why);
    automation::object(&name, task.namespace(), spec)
}

/// Twice as long for each retry, and varied by up to a fifth either way by the task's uid, so that what failed together is
/// not retried together.
pub(super) fn backoff(task: &AgentTask, first: SignedDuration, number: i32) -> SignedDuration {
    let exponent = u32::try_from(number - 1).unwrap_or(0).min(16);
    let whole = first.saturating_mul(2_i32.pow(exponent)).min(LONGEST_BACKOFF).as_secs();
    let digest = Sha256::digest(task.uid().unwrap_or_default());
    let chance = digest.first().copied().map_or(0, i64::from);
    SignedDuration::from_secs(whole + whole * (chance - 128) / 640)
}
