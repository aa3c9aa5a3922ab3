//! Which waiting task starts, and what binds the others.
//!
//! Tasks are looked at in one order over all namespaces, by age; each is held by the first thing that binds it, and one
//! that is held does not stand in the way of the next. A task that starts counts at once, so that one pass never starts
//! more than the caps allow. Policies are asked here, at the moment of the start, as they are now.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::task::{Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, Reason};

use super::credential::{Usability, limited_until, usability};
use super::policy::{Request, Ruling, holding, rule};
use super::start::{fence, say};
use super::time::{LONGEST_ASKED, LONGEST_RETRY, pending};
use super::world::{CredentialKey, ObjectKey, World, automation_key, is_collected};
use super::{Action, Planned, Settings, Subject, Why};

/// What becomes of a waiting task.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Start,
    /// It can start at this time at the earliest; that is no news for its status.
    Wait(Option<Timestamp>),
    Hold(Why),
    End(Phase, Why),
    /// The leader before this one may still write ahead for it: that write is made to fail first.
    Fence,
}

/// A plan for each waiting task.
#[must_use]
pub fn plan(world: &World, settings: &Settings, now: Timestamp) -> Vec<(Subject, Planned)> {
    let mut room = Room::new(world, settings);
    let mut waiting: Vec<_> = world.waiting().collect();
    waiting.sort_by_key(|(key, task)| (task.spec.trigger.scheduled_time, (*key).clone()));
    waiting
        .into_iter()
        .filter(|(key, _)| !world.busy.contains(&Subject::Task((*key).clone())))
        .map(|(key, task)| {
            (
                Subject::Task(key.clone()),
                to_plan(task, &decide(world, &mut room, task, now), now),
            )
        })
        .collect()
}

fn to_plan(task: &AgentTask, verdict: &Verdict, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    if let Some(deadline) = task.spec.start_before.filter(|deadline| *deadline > now) {
        planned.wake_at(deadline);
    }
    match verdict {
        Verdict::Start => planned.actions.push(Action::Start),
        Verdict::Wait(Some(time)) => planned.wake_at(*time),
        Verdict::Wait(None) => {}
        Verdict::Fence => planned.actions.push(write(fence(task, now))),
        Verdict::Hold(why) => {
            planned.reasons.push(why.clone());
            planned.actions.extend(told(task, Phase::Held, why, now));
        }
        Verdict::End(phase, why) => {
            planned.reasons.push(why.clone());
            planned.actions.extend(told(task, *phase, why, now));
        }
    }
    planned
}

/// The write that tells a task's phase and reason, unless it says so already.
fn told(task: &AgentTask, phase: Phase, why: &Why, now: Timestamp) -> Option<Action> {
    let before = task.status.clone().unwrap_or_default();
    let mut status = before.clone();
    say(&mut status, phase, why.reason, why.message.clone());
    if phase.is_ended() {
        status.ended_at = Some(now);
        status.not_before = None;
    }
    (status != before).then(|| write(status))
}

fn write(status: TaskStatus) -> Action {
    Action::WriteTaskStatus(Box::new(status))
}

fn decide(world: &World, room: &mut Room, task: &AgentTask, now: Timestamp) -> Verdict {
    if world.inherited_claims.contains(&task.uid().unwrap_or_default()) {
        return Verdict::Fence;
    }
    if task.metadata.deletion_timestamp.is_some() {
        return Verdict::Wait(None);
    }
    let automation = world.automation_of(task);
    let Some(automation) = automation.filter(|automation| automation.metadata.deletion_timestamp.is_none()) else {
        return hold(
            Reason::AutomationGone,
            "its automation is gone, and it will be collected with it",
        );
    };
    let steps = [
        ended(world, automation, task, now),
        suspended(automation),
        ruled(world, task),
        waits(world, task, now),
        retried(world, task, now),
        room.binds(world, automation, task, now),
    ];
    let verdict = steps.into_iter().flatten().next().unwrap_or(Verdict::Start);
    if verdict == Verdict::Start {
        room.take(world, task);
    }
    verdict
}

fn hold(reason: Reason, message: impl Into<String>) -> Verdict {
    Verdict::Hold(Why::new(reason, message))
}

fn ended(world: &World, automation: &AgentAutomation, task: &AgentTask, now: Timestamp) -> Option<Verdict> {
    let cause = &task.spec.trigger;
    if world.came_late(task) || is_collected(automation, &cause.name, cause.scheduled_time) {
        let why = Why::new(
            Reason::AlreadyDecided,
            "its scheduled time was dealt with before this object appeared",
        );
        return Some(Verdict::End(Phase::Skipped, why));
    }
    let deadline = task.spec.start_before.filter(|deadline| *deadline <= now)?;
    let was = task.status.as_ref().and_then(|status| status.message.clone());
    let because = was.map_or_else(String::new, |was| format!("; it waited because {was}"));
    let message = format!("it could not start before {deadline}{because}");
    Some(Verdict::End(
        Phase::Expired,
        Why::new(Reason::DeadlineExceeded, message),
    ))
}

fn suspended(automation: &AgentAutomation) -> Option<Verdict> {
    automation.spec.suspend.then(|| {
        hold(
            Reason::Suspended,
            "the automation is suspended: set spec.suspend to false",
        )
    })
}

fn ruled(world: &World, task: &AgentTask) -> Option<Verdict> {
    let namespace = task.namespace().unwrap_or_default();
    let request = Request {
        namespace: &namespace,
        repository: &task.spec.repository,
        base_branch: &task.spec.base_branch,
        trigger: task.spec.trigger.kind,
    };
    match rule(world, request) {
        Ruling::Allowed(_) => None,
        Ruling::Unreadable(sentence) => Some(hold(Reason::PolicyUnreadable, sentence)),
        Ruling::Suspended(sentence) => Some(hold(Reason::PolicySuspended, sentence)),
        Ruling::Denied(sentence) => Some(Verdict::End(Phase::Denied, Why::new(Reason::PolicyDenied, sentence))),
    }
}

fn waits(world: &World, task: &AgentTask, now: Timestamp) -> Option<Verdict> {
    let key = CredentialKey::of_task(task);
    let credential = world.credentials.get(&key);
    match usability(&key, credential) {
        Usability::Unread => return Some(Verdict::Wait(None)),
        Usability::Unusable(why) => return Some(Verdict::Hold(why)),
        Usability::Usable(_) => {}
    }
    let limited = limited_until(credential, now);
    if limited.is_some() {
        let message = "GitHub's rate limit is used up for this credential; it is tried again when GitHub allows";
        let told = task
            .status
            .as_ref()
            .is_some_and(|status| status.reason == Some(Reason::RateLimited));
        return Some(if told {
            Verdict::Wait(limited)
        } else {
            hold(Reason::RateLimited, message)
        });
    }
    let not_before = task.status.as_ref().and_then(|status| status.not_before);
    let refused = task
        .status
        .as_ref()
        .is_some_and(|status| status.reason == Some(Reason::CredentialRejected));
    pending(not_before, LONGEST_ASKED, now)
        .filter(|_| !refused)
        .map(|time| Verdict::Wait(Some(time)))
}

/// What does not get through to the API server leaves its turn to the next.
fn retried(world: &World, task: &AgentTask, now: Timestamp) -> Option<Verdict> {
    let retry = world.retries.get(&Subject::Task(ObjectKey::of(task)))?;
    pending(Some(retry.not_before), LONGEST_RETRY, now).map(|time| Verdict::Wait(Some(time)))
}

/// What is under way, and so what room the caps leave.
struct Room<'a> {
    settings: &'a Settings,
    by_automation: BTreeMap<ObjectKey, i64>,
    by_policy: BTreeMap<String, i64>,
    credentials: BTreeSet<CredentialKey>,
}

impl<'a> Room<'a> {
    fn new(world: &World, settings: &'a Settings) -> Self {
        let mut room = Self {
            settings,
            by_automation: BTreeMap::new(),
            by_policy: BTreeMap::new(),
            credentials: world.starting.values().cloned().collect(),
        };
        let claimed = |task: &AgentTask| world.inherited_claims.contains(&task.uid().unwrap_or_default());
        let started = |key: &ObjectKey| world.starting.contains_key(key);
        world
            .active()
            .for_each(|(_, task)| room.count(world, automation_key(task)));
        world
            .unreadable_tasks
            .values()
            .for_each(|automation| room.count(world, automation.clone()));
        world
            .waiting()
            .filter(|(key, task)| started(key) || claimed(task))
            .for_each(|(_, task)| room.count(world, automation_key(task)));
        room
    }

    fn count(&mut self, world: &World, automation: ObjectKey) {
        for policy in holding(world.policies(), &automation.namespace) {
            *self.by_policy.entry(policy.name_any()).or_default() += 1;
        }
        *self.by_automation.entry(automation).or_default() += 1;
    }

    /// The cap that holds the task now, or the credential that it waits for.
    fn binds(&self, world: &World, automation: &AgentAutomation, task: &AgentTask, now: Timestamp) -> Option<Verdict> {
        let max = automation.spec.concurrency.max_active;
        let active = self.by_automation.get(&automation_key(task)).copied().unwrap_or(0);
        if active >= i64::from(max) {
            let message = format!("the automation's own cap is reached (spec.concurrency.maxActive is {max})");
            return Some(hold(Reason::AutomationCap, message));
        }
        let namespace = task.namespace().unwrap_or_default();
        let full =
            holding(world.policies(), &namespace).find_map(|policy| Some((policy.name_any(), self.full(policy)?)));
        if let Some((name, max)) = full {
            let message = format!("the cap of AgentPolicy {name} is reached (spec.maxActive is {max})");
            return Some(hold(Reason::PolicyCap, message));
        }
        self.paced(world, &CredentialKey::of_task(task), now)
    }

    fn full(&self, policy: &AgentPolicy) -> Option<i32> {
        let active = self.by_policy.get(&policy.name_any()).copied().unwrap_or(0);
        policy.spec.max_active.filter(|max| active >= i64::from(*max))
    }

    /// GitHub asks for writes one at a time and a second apart.
    fn paced(&self, world: &World, key: &CredentialKey, now: Timestamp) -> Option<Verdict> {
        if self.credentials.contains(key) {
            return Some(Verdict::Wait(None));
        }
        let next = world.credentials.get(key).and_then(|credential| credential.next_write);
        pending(next, self.settings.write_interval, now).map(|time| Verdict::Wait(Some(time)))
    }

    fn take(&mut self, world: &World, task: &AgentTask) {
        self.count(world, automation_key(task));
        self.credentials.insert(CredentialKey::of_task(task));
    }
}
