//! What a waiting task may still come to, whatever becomes of the others: only what may start takes another's place.

use jiff::Timestamp;

use crate::api::policy::TriggerKind;
use crate::api::{AgentAutomation, AgentTask};

use super::deadline::start_before;
use super::policy::{Request, Ruling, rule, skipping_window};
use super::request::{self, Approved};
use super::world::World;

/// Whether it will end without a start.
#[must_use]
pub fn is_lost(world: &World, task: &AgentTask, now: Timestamp) -> bool {
    let cause = &task.spec.trigger;
    let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
    let came_late = world.was_deleted(task) || cause.kind == TriggerKind::Schedule && world.came_late(task);
    let is_skipped = || skipping_window(world, namespace, cause.scheduled_time).is_some();
    let is_denied = || matches!(rule(world, &Request::of_task(task)), Ruling::Denied(_));
    is_late(world, task, now)
        || task.metadata.deletion_timestamp.is_some()
        || request::cancelled(task).is_some()
        || came_late
        || task.spec.prompt_problem.is_some()
        || task.spec.is_decided() && (is_skipped() || is_denied())
}

/// Whether nothing but a cap or a person's approval keeps it from starting.
#[must_use]
pub fn may_start(world: &World, task: &AgentTask, now: Timestamp) -> bool {
    let automation = world.automation_of(task);
    automation.is_some_and(|it| !it.spec.suspend && it.metadata.deletion_timestamp.is_none())
        && rule(world, &Request::of_task(task)) == Ruling::Allowed
        && !is_lost(world, task, now)
}

/// Whether it has the approvals that it needs.
#[must_use]
pub fn is_approved(world: &World, automation: &AgentAutomation, task: &AgentTask, now: Timestamp) -> bool {
    !matches!(request::approved(world, automation, task, now), Approved::No(..))
}

fn is_late(world: &World, task: &AgentTask, now: Timestamp) -> bool {
    start_before(world, task).is_some_and(|(deadline, _)| deadline <= now)
}
