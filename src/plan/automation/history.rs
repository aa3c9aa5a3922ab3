//! What an automation's history keeps, what it lets go, and what is remembered of that.
//!
//! What goes is first added to the totals in one status write that names the objects, and deleted after it, so that a crash
//! between the two counts nothing twice.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{Known, View, credits, pull_of, succeeded_at, tally};
use crate::api::AgentTask;
use crate::api::automation::{AutomationStatus, Collected, Counts, DeletedTask, DepartedStart, PullRequestCounts};
use crate::api::policy::TriggerKind;
use crate::api::task::{Phase, Usage};
use crate::plan::time::add;
use crate::plan::world::{ObjectKey, RATE_WINDOW, counts as counts_against_cap, open_pull, phase};
use crate::plan::{Action, budget, duplicates, event, notify, report, retry};

/// Deleted tasks that one write of a status accounts for.
const DEPARTED: usize = 100;
/// Deleted tasks that are remembered for what happened at GitHub.
const OF_EVENTS: usize = 100;

impl<'a> View<'a> {
    /// Objects that are counted as collected already.
    pub(super) fn delete(&self) -> Vec<Action> {
        let deleting = self
            .automation
            .status
            .iter()
            .flat_map(|status| &status.collected.deleting);
        let namespace = self.automation.namespace().unwrap_or_default();
        deleting
            .map(|name| ObjectKey::new(namespace.clone(), name.clone()))
            .filter_map(|key| {
                let uid = self.world.task(&key)?.uid()?;
                Some(Action::DeleteTask { key, uid })
            })
            .collect()
    }

    /// Adds what the history lets go now to what it let go before.
    pub(super) fn collected(&self, before: &AutomationStatus, schedules: &BTreeMap<&str, Known>) -> Collected {
        let mut collected = before.collected.clone();
        let present = |name: &String| self.tasks.iter().any(|task| task.name_any() == *name);
        collected.deleting.retain(present);
        let ended_at = |task: &AgentTask| task.status.as_ref().and_then(|status| status.ended_at);
        let succeeded = self.tasks.iter().filter_map(|task| succeeded_at(task)).max();
        let after = self.failures.since.max(succeeded).max(before.last_successful_time);
        if after > before.failures.since.max(before.last_successful_time) {
            collected.failures = 0;
        }
        let surplus = self.surplus(&collected.deleting, schedules);
        let departed: Vec<_> = self
            .world
            .departed(&ObjectKey::of(self.automation))
            .take(DEPARTED)
            .collect();
        for task in surplus.iter().copied().chain(departed.iter().map(|(_, task)| *task)) {
            add_task(&mut collected.counts, &mut collected.usage, task);
            add_pull(&mut collected.pull_requests, task);
            collected.dead_letters += notify::dead_letters(task);
            tally::remember(&mut collected, task);
            collected.failures += i32::from(retry::is_failure(task) && ended_at(task) > after);
        }
        // Whether it is still open is known of no pull request whose task is gone.
        collected.pull_requests.open = 0;
        collected.deleting.extend(surplus.iter().map(|task| task.name_any()));
        if !departed.is_empty() {
            collected.departed = departed.iter().map(|(uid, _)| (*uid).clone()).collect();
            let started = departed.iter().filter_map(|(_, task)| {
                let at = budget::started(task.status.as_ref()?)?;
                let name = task.name_any();
                Some(DepartedStart { name, at })
            });
            collected.starts.extend(started);
            collected.starts.retain(|start| add(start.at, RATE_WINDOW) > self.now);
        }
        collected.of_events = self.of_events(collected.of_events);
        if !surplus.is_empty() || !departed.is_empty() {
            collected.tallies = tally::compact(&collected.tallies, self.now);
        }
        collected
    }

    /// Those that somebody deleted and whose events may be told again, the newest. What is told stays until there is more to
    /// tell, so that time alone writes nothing.
    pub(super) fn of_events(&self, told: Vec<DeletedTask>) -> Vec<DeletedTask> {
        let may_come_again = |gone: &DeletedTask| event::may_come_again(self.automation, gone.time, self.now);
        let known = self.world.deleted_events(&ObjectKey::of(self.automation));
        let new = known.filter(|gone| !told.contains(gone) && may_come_again(gone));
        let new: Vec<_> = new.cloned().collect();
        if new.is_empty() {
            return told;
        }
        let mut all: Vec<_> = told.into_iter().filter(may_come_again).chain(new).collect();
        all.sort_unstable();
        all.split_off(all.len().saturating_sub(OF_EVENTS))
    }

    /// Ended tasks that the history lets go.
    fn surplus(&self, deleting: &[String], schedules: &BTreeMap<&str, Known>) -> Vec<&'a AgentTask> {
        let mut surplus = self.beyond_limits(deleting);
        surplus.retain(|task| self.may_go(task, schedules));
        surplus
    }

    /// Ended tasks beyond the limits, oldest first.
    fn beyond_limits(&self, deleting: &[String]) -> Vec<&'a AgentTask> {
        let limits = &self.automation.spec.history_limits;
        let kept: Vec<_> = self
            .tasks
            .iter()
            .copied()
            .filter(|task| !deleting.contains(&task.name_any()))
            .collect();
        let ended = |good: bool| {
            kept.iter()
                .copied()
                .filter(move |task| phase(task).is_ended() && (phase(task) == Phase::Succeeded) == good)
        };
        let beyond = |good: bool, limit: i32| {
            let surplus = ended(good).count().saturating_sub(usize::try_from(limit).unwrap_or(0));
            ended(good).take(surplus)
        };
        beyond(true, limits.succeeded)
            .chain(beyond(false, limits.failed))
            .collect()
    }

    /// When the history may let go of a task that a cap on starts, or a cooldown, keeps now.
    pub(super) fn next_collection(&self) -> Option<Timestamp> {
        let beyond = self.beyond_limits(&self.status().collected.deleting);
        beyond.into_iter().filter_map(|task| self.remembered_until(task)).min()
    }

    fn may_go(&self, task: &AgentTask, schedules: &BTreeMap<&str, Known>) -> bool {
        let cause = &task.spec.trigger;
        !counts_against_cap(task)
            && !open_pull(task)
            && self.remembered_until(task).is_none()
            && !report::keeps(self.world, task, self.now)
            && !notify::keeps(task)
            && (cause.kind != TriggerKind::Schedule || self.is_past(&cause.name, cause.scheduled_time, schedules))
    }

    /// Until when a cap on starts within an hour, or a cooldown, still counts it, or what caused it may be told again.
    fn remembered_until(&self, task: &AgentTask) -> Option<Timestamp> {
        let is_rated = || {
            self.policies()
                .any(|policy| policy.spec().max_starts_per_hour.is_some())
        };
        let started = task.status.as_ref().and_then(budget::started);
        let rate_ends = started
            .map(|at| add(at, RATE_WINDOW))
            .filter(|until| *until > self.now && is_rated());
        let cooldown_ends = duplicates::cools_down_until(task).filter(|until| *until > self.now);
        let told_again = event::may_come_again_until(self.automation, task).filter(|until| *until > self.now);
        rate_ends.max(cooldown_ends).max(told_again)
    }

    /// Whether `collectedThrough` may pass a time: it is decided, and no task up to it is still to start.
    pub(super) fn is_past(&self, trigger: &str, time: Timestamp, schedules: &BTreeMap<&str, Known>) -> bool {
        let decided = schedules
            .get(trigger)
            .is_none_or(|known| known.due.decided_through >= time);
        let mut unstarted = self
            .tasks
            .iter()
            .filter(|task| may_start(phase(task)) || retry::is_wanted(self.world, task));
        let older = |task: &&AgentTask| task.spec.trigger.name == trigger && task.spec.trigger.scheduled_time <= time;
        decided && !unstarted.any(older)
    }

    /// The tasks that are not counted as collected.
    pub(super) fn kept(&self, collected: &Collected) -> impl Iterator<Item = &'a AgentTask> {
        let kept = self.tasks.iter().copied();
        kept.filter(|task| !collected.deleting.contains(&task.name_any()))
    }

    /// Notifications that were given up.
    pub(super) fn dead_letters(&self, collected: &Collected) -> i64 {
        let kept = self.kept(collected).map(notify::dead_letters).sum::<i64>();
        collected.dead_letters.saturating_add(kept)
    }

    pub(super) fn totals(&self, collected: &Collected) -> (Counts, Usage) {
        let (mut counts, mut usage) = (collected.counts.clone(), collected.usage.clone());
        self.kept(collected)
            .for_each(|task| add_task(&mut counts, &mut usage, task));
        (counts, usage)
    }
}

/// Whether a task in that phase is to be started, or may turn out not to have been.
fn may_start(phase: Phase) -> bool {
    phase.is_waiting() || matches!(phase, Phase::Starting | Phase::Unknown)
}

pub(super) fn add_pull(counts: &mut PullRequestCounts, task: &AgentTask) {
    let Some(pull) = pull_of(task) else { return };
    counts.opened += 1;
    counts.open += i64::from(pull.is_open());
    counts.merged += i64::from(pull.merged);
    counts.closed += i64::from(!pull.merged && !pull.is_open());
}

fn add_task(counts: &mut Counts, usage: &mut Usage, task: &AgentTask) {
    match phase(task) {
        Phase::Succeeded => counts.succeeded += 1,
        Phase::Failed | Phase::TimedOut | Phase::Cancelled => counts.failed += 1,
        Phase::Denied | Phase::Superseded | Phase::Skipped | Phase::Expired => counts.not_started += 1,
        Phase::Pending | Phase::Held | Phase::Starting | Phase::Running | Phase::Unknown => {}
    }
    if let Some(cost) = task.status.as_ref().and_then(|status| status.usage.as_ref()) {
        usage.nano_ai_credits = usage.nano_ai_credits.saturating_add(cost.nano_ai_credits);
        usage.milli_premium_requests = usage.milli_premium_requests.saturating_add(cost.milli_premium_requests);
    }
    usage.ai_credits = credits(usage.nano_ai_credits);
}
