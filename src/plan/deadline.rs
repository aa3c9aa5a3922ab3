//! How late a task may start, how long it may work, and how long its agent may wait for a person: what its automation
//! says, and no longer than the policies of its namespace allow.

use jiff::{SignedDuration, Timestamp};

use super::policy::Policy;
use super::time::add;
use super::world::World;
use crate::api::AgentTask;
use crate::api::automation::AutomationSpec;
use crate::api::policy::PolicySpec;
use crate::api::task::Bound;

/// The rule of a policy that bounds how late a task may start.
pub const STARTING_RULE: &str = "maxStartingDeadlineSeconds";

/// A deadline of a task that has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// Of its work.
    Active,
    /// Of its waiting for a person.
    Waiting,
}

impl Deadline {
    /// The automation's field.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Active => "activeDeadlineSeconds",
            Self::Waiting => "waitingDeadlineSeconds",
        }
    }

    /// The policies' field.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::Active => "maxActiveDeadlineSeconds",
            Self::Waiting => "maxWaitingDeadlineSeconds",
        }
    }

    /// What an automation says, in seconds.
    #[must_use]
    pub fn own(self, spec: &AutomationSpec) -> Option<i32> {
        match self {
            Self::Active => spec.active_deadline_seconds,
            Self::Waiting => spec.waiting_deadline_seconds,
        }
    }

    /// What a policy allows, in seconds.
    #[must_use]
    pub fn ceiling(self, spec: &PolicySpec) -> Option<i32> {
        match self {
            Self::Active => spec.max_active_deadline_seconds,
            Self::Waiting => spec.max_waiting_deadline_seconds,
        }
    }

    /// What a task was started with, or was made with where it has not started.
    #[must_use]
    pub fn of(self, task: &AgentTask) -> Option<i32> {
        let started = task.status.as_ref();
        let kept = match self {
            Self::Active => started.and_then(|status| status.active_deadline_seconds),
            Self::Waiting => started.and_then(|status| status.waiting_deadline_seconds),
        };
        kept.or(self.asked(task))
    }

    /// The shorter of a task's own and what the policies allow as they are now.
    #[must_use]
    pub fn within(self, world: &World, task: &AgentTask) -> Option<Within> {
        let own = self.asked(task).map(|seconds| Within { seconds, bound: None });
        let ceilings = world
            .holding(task.metadata.namespace.as_deref().unwrap_or_default())
            .filter_map(|policy| {
                let seconds = self.ceiling(policy.spec())?;
                let bound = Some(policy.bound(self.rule()));
                Some(Within { seconds, bound })
            });
        own.into_iter().chain(ceilings).min_by_key(|within| within.seconds)
    }

    /// The rule that a task is held to.
    #[must_use]
    pub fn bound(self, task: &AgentTask) -> Bound {
        let started = task.status.as_ref();
        let by_policy = match self {
            Self::Active => started.and_then(|status| status.active_deadline_bound_by.clone()),
            Self::Waiting => started.and_then(|status| status.waiting_deadline_bound_by.clone()),
        };
        let of_automation = || Bound {
            kind: "AgentAutomation".to_owned(),
            name: task.spec.automation.name.clone(),
            generation: task.spec.automation.generation,
            rule: format!("spec.{}", self.field()),
        };
        by_policy.map_or_else(of_automation, |bound| *bound)
    }

    fn asked(self, task: &AgentTask) -> Option<i32> {
        match self {
            Self::Active => task.spec.active_deadline_seconds,
            Self::Waiting => task.spec.waiting_deadline_seconds,
        }
    }
}

/// What a task is held to, in seconds, and the policy's rule where one makes it so.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    pub seconds: i32,
    pub bound: Option<Bound>,
}

/// The shorter of a trigger's own deadline for a start and what the policies of a namespace allow, in seconds.
#[must_use]
pub fn starting(world: &World, namespace: &str, own: Option<i32>) -> Option<i32> {
    let policies = world.holding(namespace);
    let ceilings = policies.filter_map(|policy| policy.spec().max_starting_deadline_seconds);
    ceilings.chain(own).min()
}

/// Until when a task may start: by its own deadline and by the policies as they are now, with the policy where one binds.
#[must_use]
pub fn start_before<'a>(world: &'a World, task: &AgentTask) -> Option<(Timestamp, Option<&'a Policy>)> {
    // What the controller has not decided yet has no time.
    let could_start = Some(could_start(task)).filter(|_| task.spec.is_decided())?;
    let own = task.spec.start_before.map(|until| (until, None));
    let ceilings = world
        .holding(task.metadata.namespace.as_deref().unwrap_or_default())
        .filter_map(|policy| {
            let most = SignedDuration::from_secs(i64::from(policy.spec().max_starting_deadline_seconds?));
            Some((add(could_start, most), Some(policy)))
        });
    own.into_iter().chain(ceilings).min_by_key(|(until, _)| *until)
}

/// From when a task could start: when it came due, or its backoff ended.
#[must_use]
pub fn could_start(task: &AgentTask) -> Timestamp {
    task.spec.start_after.unwrap_or(task.spec.trigger.scheduled_time)
}
