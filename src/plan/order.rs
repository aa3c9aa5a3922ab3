//! The order in which waiting tasks are looked at: priority, then turns, then age.
//!
//! An automation's turn is the number of its tasks that are under way or come before: so automations of the same priority
//! take turns, and a burst of one does not starve the others. Of those with the same turn the one comes first whose task
//! has been the next of its automation for the longest: age counts from when the automation last started another. Within
//! an automation the oldest comes first. So where a task stands follows from its automation alone, and the lines of
//! automations can be merged one step at a time.

use std::collections::VecDeque;
use std::ops::Bound;

use jiff::Timestamp;

use crate::api::AgentTask;
use crate::api::automation::OnSpecChange;
use crate::api::policy::TriggerKind;

use super::budget;
use super::world::{ObjectKey, World, counts};

/// Where a task stands among all that wait. The smallest is looked at first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The priority, with the highest first. It counts as what the policies allow at most.
    urgency: i32,
    turn: usize,
    /// Since when it is due and its automation has started no other.
    since: Timestamp,
    due: Timestamp,
    pub task: ObjectKey,
}

/// Every task that waits, in order.
#[must_use]
pub fn in_order(world: &World) -> Vec<(Place, &AgentTask)> {
    let automations = world.automations_that_wait(Bound::Unbounded);
    let mut all: Vec<_> = automations.flat_map(|automation| line(world, automation)).collect();
    all.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    all
}

/// What a task's priority counts as: no more than the policies of its namespace allow.
#[must_use]
pub fn priority(world: &World, task: &AgentTask) -> i32 {
    let allowed = most_urgent(world, task.metadata.namespace.as_deref().unwrap_or_default());
    given(world, task).min(allowed)
}

/// Of a task that is made anew from a changed spec before it starts, what that says now. One made by hand may have its own.
fn given(world: &World, task: &AgentTask) -> i32 {
    let automation = world.automation_of(task).map(|automation| &automation.spec);
    let anew = automation
        .filter(|spec| spec.on_spec_change == OnSpecChange::Rebuild && task.spec.trigger.kind != TriggerKind::Manual);
    anew.map_or_else(|| task.spec.priority(), |spec| spec.priority)
}

fn most_urgent(world: &World, namespace: &str) -> i32 {
    let ceilings = world.holding(namespace).filter_map(|policy| policy.spec().max_priority);
    ceilings.min().unwrap_or(i32::MAX)
}

/// The tasks of an automation that wait, in order.
#[must_use]
pub fn line<'a>(world: &'a World, automation: &ObjectKey) -> VecDeque<(Place, &'a AgentTask)> {
    let allowed = most_urgent(world, &automation.namespace);
    let mut waiting: Vec<_> = world
        .waiting_of(automation)
        .map(|(key, task)| {
            let priority = given(world, task).min(allowed);
            ((-priority, task.spec.trigger.scheduled_time, key), task)
        })
        .collect();
    waiting.sort_unstable_by_key(|(place, _)| *place);
    let under_way = world.named_by(automation).filter(|task| counts(task)).count();
    let started = |task: &AgentTask| budget::started(task.status.as_ref()?);
    let last_start = world.named_by(automation).filter_map(started).max();
    let in_turn = waiting.into_iter().zip(under_way..);
    in_turn
        .map(|(((urgency, due, key), task), turn)| {
            let place = Place {
                urgency,
                turn,
                since: last_start.map_or(due, |start| start.max(due)),
                due,
                task: key.clone(),
            };
            (place, task)
        })
        .collect()
}
