//! The order in which waiting tasks are looked at: priority, then turns, then age.
//!
//! An automation's turn is the number of its tasks that are under way or come before: so automations of the same priority
//! take turns, and a burst of one does not starve the others. Within an automation the oldest comes first.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::AgentTask;

use super::world::{ObjectKey, World, automation_key};

/// All tasks that wait, in order.
#[must_use]
pub fn order(world: &World) -> Vec<(&ObjectKey, &AgentTask)> {
    let mut turns: BTreeMap<ObjectKey, usize> = BTreeMap::new();
    for (_, task) in world.active() {
        *turns.entry(automation_key(task)).or_default() += 1;
    }
    let mut waiting: Vec<_> = world
        .waiting()
        .map(|(key, task)| (urgency(world, task), key, task))
        .collect();
    waiting.sort_unstable_by(|(left, left_key, _), (right, right_key, _)| (left, left_key).cmp(&(right, right_key)));
    let mut in_turn: Vec<_> = waiting
        .into_iter()
        .map(|((priority, age), key, task)| {
            let turn = turns.entry(automation_key(task)).or_default();
            *turn += 1;
            ((priority, *turn, age), key, task)
        })
        .collect();
    in_turn.sort_unstable_by(|(left, left_key, _), (right, right_key, _)| (left, left_key).cmp(&(right, right_key)));
    in_turn.into_iter().map(|(_, key, task)| (key, task)).collect()
}

/// The highest priority and the oldest come first. A priority counts as what the policies allow at most.
fn urgency(world: &World, task: &AgentTask) -> (i32, Timestamp) {
    let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
    let allowed = world
        .holding(namespace)
        .filter_map(|policy| policy.spec().max_priority)
        .min();
    let priority = allowed.map_or(task.spec.priority, |allowed| task.spec.priority.min(allowed));
    (-priority, task.spec.trigger.scheduled_time)
}
