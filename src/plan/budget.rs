//! What was spent, what is held for what is under way, and what a task is taken to cost.
//!
//! A task is charged to the hour in which it started: its estimate from its write-ahead on, its real cost once that is
//! known. So a window never overshoots by more than running tasks cost beyond their estimates. What the history let go is
//! in its automation's status, by the hour and later by the day; an entry that reaches into a window counts wholly.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::api::automation::{AutomationStatus, BudgetStatus};
use crate::api::policy::default_estimate;
use crate::api::task::{Attempt, AttemptOutcome, TaskStatus};
use crate::api::{AgentAutomation, AgentTask};

use super::policy::Policy;
use super::world::{ObjectKey, World, counts};

/// Billionths in a credit.
pub const NANO: i64 = 1_000_000_000;
/// The newest costs that an estimate is made from.
pub(super) const COSTS: usize = 20;
/// What budgets are for.
pub(super) const WINDOWS: [&str; 2] = ["day", "month"];
pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 24 * HOUR;

/// An amount that is known, and one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charge {
    pub spent: i64,
    pub reserved: i64,
}

/// Charges by when they began and how long that was in seconds.
type Hours = BTreeMap<(i64, i64), Charge>;

/// All charges, kept as objects come and go.
#[derive(Debug, Default)]
pub struct Ledger {
    automations: BTreeMap<ObjectKey, Hours>,
    namespaces: BTreeMap<String, Hours>,
}

/// A day or a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub name: &'static str,
    pub begins: Timestamp,
    pub ends: Timestamp,
}

impl Ledger {
    pub(super) fn enter_task(&mut self, key: &ObjectKey, task: &AgentTask) {
        self.change_by_task(key, task, 1);
    }

    pub(super) fn leave_task(&mut self, key: &ObjectKey, task: &AgentTask) {
        self.change_by_task(key, task, -1);
    }

    pub(super) fn enter_status(&mut self, key: &ObjectKey, status: Option<&AutomationStatus>) {
        self.change_by_status(key, status, 1);
    }

    pub(super) fn leave_status(&mut self, key: &ObjectKey, status: Option<&AutomationStatus>) {
        self.change_by_status(key, status, -1);
    }

    /// What an automation was charged since then.
    #[must_use]
    pub fn of_automation(&self, key: &ObjectKey, since: Timestamp) -> Charge {
        self.automations
            .get(key)
            .map_or_else(Charge::default, |hours| sum(hours, since))
    }

    /// What a namespace's automations were charged since then.
    #[must_use]
    pub fn of_namespace(&self, namespace: &str, since: Timestamp) -> Charge {
        self.namespaces
            .get(namespace)
            .map_or_else(Charge::default, |hours| sum(hours, since))
    }

    fn change_by_task(&mut self, key: &ObjectKey, task: &AgentTask, sign: i64) {
        let charge = charge(task).filter(|(_, charge)| *charge != Charge::default());
        if let Some((at, charge)) = charge {
            self.change(key, (floor(at, HOUR), HOUR), charge, sign);
        }
    }

    fn change_by_status(&mut self, key: &ObjectKey, status: Option<&AutomationStatus>, sign: i64) {
        for entry in status.iter().flat_map(|status| &status.collected.tallies) {
            let charge = Charge {
                spent: entry.nano_ai_credits,
                reserved: 0,
            };
            self.change(
                key,
                (entry.from.as_second(), i64::from(entry.hours) * HOUR),
                charge,
                sign,
            );
        }
    }

    fn change(&mut self, key: &ObjectKey, at: (i64, i64), charge: Charge, sign: i64) {
        change(self.automations.entry(key.clone()).or_default(), at, charge, sign);
        change(
            self.namespaces.entry(key.namespace.clone()).or_default(),
            at,
            charge,
            sign,
        );
    }
}

/// What a task is charged, and when it started; nothing while it has not.
#[must_use]
pub fn charge(task: &AgentTask) -> Option<(Timestamp, Charge)> {
    let status = task.status.as_ref()?;
    let at = started(status)?;
    let known = status.usage.as_ref().map(|usage| usage.nano_ai_credits);
    let held = status.reserved_nano_credits.unwrap_or(0);
    let charge = match known {
        Some(spent) if !counts(task) => Charge { spent, reserved: 0 },
        known => Charge {
            spent: 0,
            reserved: held.max(known.unwrap_or(0)),
        },
    };
    Some((at, charge))
}

/// When a task started, or may have: what was lost on its way, and given up since, may still run at GitHub.
#[must_use]
pub fn started(status: &TaskStatus) -> Option<Timestamp> {
    let may_have_left =
        |attempt: &&Attempt| !matches!(attempt.outcome, Some(AttemptOutcome::Refused | AttemptOutcome::NotSent));
    let newest = status.attempts.iter().rev().find(may_have_left);
    status.started_at.or_else(|| newest.map(|attempt| attempt.written_at))
}

/// What a task of an automation is taken to cost: what the automation says, or what nine in ten of its last tasks stayed
/// below, or what the policies say at most, or what a policy says by default.
#[must_use]
pub fn estimate(world: &World, automation: &AgentAutomation) -> i64 {
    let stated = automation
        .spec
        .budget
        .as_ref()
        .and_then(|budget| budget.estimate_per_task);
    if let Some(credits) = stated {
        return credits.saturating_mul(NANO);
    }
    let policies = || {
        let namespace = automation.namespace().unwrap_or_default();
        let held = world.holding(&namespace);
        let stated = held.filter_map(|policy| policy.spec().budget.as_ref());
        stated.map(|budget| budget.estimate_per_task.saturating_mul(NANO)).max()
    };
    ninth_of_ten(newest_costs(world, automation))
        .or_else(policies)
        .unwrap_or(default_estimate() * NANO)
}

/// The day and the month that an instant lies in.
#[must_use]
pub fn windows(zone: &TimeZone, now: Timestamp) -> [Window; 2] {
    let local = now.to_zoned(zone.clone());
    let instant = |zoned: Result<jiff::Zoned, jiff::Error>| zoned.map_or(now, |zoned| zoned.timestamp());
    let day = local.start_of_day();
    let month = local.first_of_month().and_then(|first| first.start_of_day());
    let tomorrow = local.tomorrow().and_then(|next| next.start_of_day());
    let next = local.last_of_month().and_then(|last| last.tomorrow()?.start_of_day());
    let [today, this_month] = WINDOWS;
    [
        Window {
            name: today,
            begins: instant(day),
            ends: instant(tomorrow),
        },
        Window {
            name: this_month,
            begins: instant(month),
            ends: instant(next),
        },
    ]
}

/// What the namespaces that a policy holds for were charged since then.
#[must_use]
pub fn of_policy(world: &World, policy: &Policy, since: Timestamp) -> Charge {
    let namespaces = world.ledger().namespaces.keys();
    namespaces
        .filter(|namespace| world.holds(policy, namespace))
        .map(|namespace| world.ledger().of_namespace(namespace, since))
        .fold(Charge::default(), Charge::plus)
}

/// Where an automation's own budget stands, if it has one.
#[must_use]
pub fn status(world: &World, automation: &AgentAutomation, now: Timestamp) -> Option<BudgetStatus> {
    automation.spec.budget.as_ref()?;
    let key = ObjectKey::of(automation);
    let [day, month] = windows(&TimeZone::UTC, now).map(|window| world.ledger().of_automation(&key, window.begins));
    Some(BudgetStatus {
        day_spent: day.spent,
        day_reserved: day.reserved,
        month_spent: month.spent,
        month_reserved: month.reserved,
    })
}

/// When a window ends in which an automation with a budget of its own was charged: its status speaks of another from then
/// on.
#[must_use]
pub fn counted_anew(world: &World, automation: &AgentAutomation, now: Timestamp) -> Option<Timestamp> {
    automation.spec.budget.as_ref()?;
    let key = ObjectKey::of(automation);
    let charged = |window: &Window| world.ledger().of_automation(&key, window.begins) != Charge::default();
    let charged = windows(&TimeZone::UTC, now).into_iter().find(charged);
    charged.map(|window| window.ends)
}

/// What a budget allows for the day and for the month, and by which rule.
#[must_use]
pub fn limits(day: Option<i64>, month: Option<i64>) -> [(Option<i64>, &'static str); 2] {
    [(day, "budget.creditsPerDay"), (month, "budget.creditsPerMonth")]
}

impl Charge {
    /// What is held and not spent yet.
    #[must_use]
    pub fn held(reserved: i64) -> Self {
        Self { spent: 0, reserved }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            spent: self.spent.saturating_add(other.spent),
            reserved: self.reserved.saturating_add(other.reserved),
        }
    }

    #[must_use]
    pub fn total(self) -> i64 {
        self.spent.saturating_add(self.reserved)
    }
}

/// The begin of the hour or the day, in UTC, that an instant lies in.
pub(super) fn floor(at: Timestamp, length: i64) -> i64 {
    at.as_second().div_euclid(length) * length
}

fn change(hours: &mut Hours, at: (i64, i64), charge: Charge, sign: i64) {
    let known = hours.entry(at).or_default();
    *known = Charge {
        spent: known.spent.saturating_add(sign * charge.spent),
        reserved: known.reserved.saturating_add(sign * charge.reserved),
    };
    if *known == Charge::default() {
        hours.remove(&at);
    }
}

fn sum(hours: &Hours, since: Timestamp) -> Charge {
    let since = since.as_second();
    let reach = hours.range((since - DAY, 0)..);
    reach
        .filter(|((from, length), _)| from + length > since)
        .map(|(_, charge)| *charge)
        .fold(Charge::default(), Charge::plus)
}

fn newest_costs(world: &World, automation: &AgentAutomation) -> Vec<i64> {
    let collected = automation.status.as_ref().map(|status| &status.collected);
    let is_kept = |task: &&AgentTask| collected.is_none_or(|collected| !collected.deleting.contains(&task.name_any()));
    let mut ended: Vec<_> = world
        .tasks_of(automation)
        .filter(|task| !counts(task))
        .filter(is_kept)
        .filter_map(|task| {
            let status = task.status.as_ref()?;
            Some((status.ended_at?, status.usage.as_ref()?.nano_ai_credits))
        })
        .collect();
    ended.sort_unstable();
    let gone = collected.into_iter().flat_map(|collected| &collected.costs).copied();
    let mut costs: Vec<i64> = gone.chain(ended.into_iter().map(|(_, cost)| cost)).collect();
    let surplus = costs.len().saturating_sub(COSTS);
    costs.drain(..surplus);
    costs
}

fn ninth_of_ten(mut costs: Vec<i64>) -> Option<i64> {
    costs.sort_unstable();
    let last = costs.len().checked_sub(1)?;
    costs.get((last * 9).div_ceil(10)).copied()
}
