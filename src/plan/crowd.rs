//! How many tasks of an automation may wait, and which of them gives way to another.
//!
//! A schedule makes no object for which there is no room. What an event, a person or a retry asks for has its object
//! already, so the bound is kept here: of those that are held, whatever holds them, no more than
//! `spec.concurrency.maxQueued` stay. Where the newest counts, the oldest give way to it, and else the newest do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::automation::{OnDuplicate, WhenFull};
use crate::api::task::{FollowsBecause, Phase};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::counted::counted;

use super::prospects::{is_approved, is_lost};
use super::room::{Binding, bound_to};
use super::world::{ObjectKey, World, phase};

/// The tasks of an automation that wait.
#[derive(Debug, Default)]
pub struct Crowd {
    /// Names of those beyond what may wait.
    surplus: BTreeSet<String>,
    newest: Option<Place>,
    /// The newest that nothing but a cap keeps from starting.
    newest_able: Option<Place>,
}

/// When a task was due, and its name.
type Place = (Timestamp, String);

impl Crowd {
    #[must_use]
    pub fn of(world: &World, automation: &AgentAutomation, now: Timestamp) -> Self {
        let waiting = world
            .tasks_of(automation)
            .filter(|task| phase(task).is_waiting() && task.metadata.deletion_timestamp.is_none());
        let mut waiting: Vec<_> = waiting.filter(|task| !is_heir(world, task)).collect();
        let most = usize::try_from(automation.spec.concurrency.max_queued).unwrap_or(0);
        // What was not looked at yet may start at once.
        let is_held = |task: &&AgentTask| phase(task) == Phase::Held;
        let held = waiting.iter().copied().filter(is_held).count();
        if held <= most && automation.spec.concurrency.when_full != WhenFull::KeepLatest {
            return Self::default();
        }
        // What is lost anyway takes nothing's place.
        waiting.retain(|task| !is_lost(world, task, now));
        waiting.sort_by_cached_key(|task| place(task));
        let newest_first = || waiting.iter().rev().copied();
        let held: Vec<_> = waiting.iter().copied().filter(is_held).collect();
        let beyond = held.len().saturating_sub(most);
        let surplus: BTreeSet<_> = if newest_wins(automation) {
            held.iter().take(beyond).map(|task| task.name_any()).collect()
        } else {
            held.iter().rev().take(beyond).map(|task| task.name_any()).collect()
        };
        Self {
            surplus,
            newest: waiting.last().copied().map(place),
            newest_able: newest_first()
                .find(|task| is_approved(world, automation, task, now))
                .map(place),
        }
    }

    /// How a task that is one too many ends.
    #[must_use]
    pub fn gives_way(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<(Phase, Binding)> {
        let name = task.name_any();
        let newest = self.newest.as_ref().filter(|(_, newest)| *newest != name);
        if !self.surplus.contains(&name) {
            return None;
        }
        let most = automation.spec.concurrency.max_queued;
        let waiting = counted(most, "task of the automation waits", "tasks of the automation wait");
        let full = format!("{waiting} already (spec.concurrency.maxQueued)");
        let bound = Some(bound_to(automation, "concurrency.maxQueued"));
        Some(match newest.filter(|_| newest_wins(automation)) {
            Some((_, newest)) => (
                Phase::Superseded,
                Binding::new(Reason::Replaced, format!("{full}, and task {newest} came later"), bound),
            ),
            None => (Phase::Skipped, Binding::new(Reason::QueueFull, full, bound)),
        })
    }

    /// The newest that could start if there were room, where that is newer than the task.
    #[must_use]
    pub fn newer_than(&self, task: &AgentTask) -> Option<&str> {
        let (due, name) = self.newest_able.as_ref()?;
        (*due > task.spec.trigger.scheduled_time).then_some(name)
    }
}

/// Whether the newest task of an automation takes the place of those that wait.
#[must_use]
pub fn newest_wins(automation: &AgentAutomation) -> bool {
    let spec = &automation.spec;
    let replaces = spec.deduplicate.as_ref().map(|terms| terms.on_duplicate) == Some(OnDuplicate::Replace);
    spec.concurrency.when_full == WhenFull::KeepLatest || replaces
}

fn place(task: &AgentTask) -> Place {
    (task.spec.trigger.scheduled_time, task.name_any())
}

/// It was made from a changed spec, and the task whose place it takes waits still.
fn is_heir(world: &World, task: &AgentTask) -> bool {
    let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
    task.spec.follows.as_ref().is_some_and(|follows| {
        let followed = world.task(&ObjectKey::new(namespace, &*follows.name));
        follows.because == FollowsBecause::SpecChange && followed.is_some_and(|task| phase(task).is_waiting())
    })
}
