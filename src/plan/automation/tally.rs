//! What came of tasks by the hour or the day in which they started: what is remembered of those that the history lets go,
//! for budgets and for the summary of the last 30 days.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{View, credits, pull_of};
use crate::api::AgentTask;
use crate::api::automation::{Collected, Summary, Tally};
use crate::api::task::Phase;
use crate::plan::budget::{self, DAY, HOUR, floor};
use crate::plan::pulls::seconds_to_review;
use crate::plan::world::phase;

/// A month and a day, wherever it begins.
const KEPT: SignedDuration = SignedDuration::from_hours(32 * 24);
/// Hours are told apart for two days: each zone's today and yesterday.
const BY_THE_HOUR: SignedDuration = SignedDuration::from_hours(48);
/// The newest waits that are remembered.
const WAITS: usize = 20;
/// Days that the summary reaches back besides today.
const DAYS: i64 = 29;

impl View<'_> {
    /// What came of the tasks that started within the last 30 days.
    pub(super) fn summary(&self, collected: &Collected) -> Option<Summary> {
        let since = floor(self.now, DAY) - DAYS * DAY;
        let kept = || self.kept(collected);
        let tallies = collected.tallies.iter().cloned().chain(kept().filter_map(tally));
        let recent = tallies.filter(|tally| tally.from.as_second() >= since);
        let sum = recent.reduce(|sum, tally| added(&sum, &tally))?;
        let waits = kept().filter_map(|task| seconds_to_review(pull_of(task)?));
        let mut waits: Vec<_> = collected.seconds_to_review.iter().copied().chain(waits).collect();
        waits.sort_unstable();
        let nano = sum.nano_ai_credits;
        Some(Summary {
            started: sum.started,
            succeeded: sum.succeeded,
            failed: sum.failed,
            opened: sum.opened,
            merged: sum.merged,
            closed: sum.closed,
            median_seconds_to_review: waits.get(waits.len().saturating_sub(1) / 2).copied(),
            ai_credits: credits(nano),
            credits_per_merged: nano.checked_div(sum.merged).map(credits),
        })
    }
}

/// Remembers of a task that the history lets go when it started, what it cost, and what came of it.
pub(super) fn remember(collected: &mut Collected, task: &AgentTask) {
    let usage = task.status.as_ref().and_then(|status| status.usage.as_ref());
    keep_newest(
        &mut collected.costs,
        usage.map(|usage| usage.nano_ai_credits),
        budget::COSTS,
    );
    let waited = pull_of(task).and_then(seconds_to_review);
    keep_newest(&mut collected.seconds_to_review, waited, WAITS);
    let held = budget::charge(task).map_or(0, |(_, charge)| charge.reserved);
    collected.tallies.extend(tally(task).map(|tally| Tally {
        nano_ai_credits: tally.nano_ai_credits.saturating_add(held),
        ..tally
    }));
}

/// Adds up what is of the same hour, or of the same day where that is long enough ago, and drops what no window reaches.
#[must_use]
pub(super) fn compact(tallies: &[Tally], now: Timestamp) -> Vec<Tally> {
    let before = |span: SignedDuration| now.saturating_sub(span).unwrap_or(Timestamp::MIN);
    let (hours_from, kept_from) = (before(BY_THE_HOUR), before(KEPT));
    let mut sums: BTreeMap<(Timestamp, i32), Tally> = BTreeMap::new();
    for tally in tallies.iter().filter(|tally| tally.from >= kept_from) {
        let mut tally = tally.clone();
        if tally.from < hours_from {
            tally.from = begin(tally.from, DAY);
            tally.hours = 24;
        }
        let sum = sums.entry((tally.from, tally.hours));
        sum.and_modify(|sum| *sum = added(sum, &tally)).or_insert(tally);
    }
    sums.into_values().collect()
}

/// One task that started; its cost as far as it is known.
fn tally(task: &AgentTask) -> Option<Tally> {
    let (at, charge) = budget::charge(task)?;
    let (phase, pull) = (phase(task), pull_of(task));
    let count = i64::from;
    Some(Tally {
        from: begin(at, HOUR),
        hours: 1,
        nano_ai_credits: charge.spent,
        started: 1,
        succeeded: count(phase == Phase::Succeeded),
        failed: count(matches!(phase, Phase::Failed | Phase::TimedOut | Phase::Cancelled)),
        opened: count(pull.is_some()),
        merged: count(pull.is_some_and(|pull| pull.merged)),
        closed: count(pull.is_some_and(|pull| !pull.merged && !pull.is_open())),
    })
}

fn begin(at: Timestamp, length: i64) -> Timestamp {
    Timestamp::from_second(floor(at, length)).unwrap_or(at)
}

fn added(sum: &Tally, tally: &Tally) -> Tally {
    Tally {
        from: sum.from,
        hours: sum.hours,
        nano_ai_credits: sum.nano_ai_credits.saturating_add(tally.nano_ai_credits),
        started: sum.started.saturating_add(tally.started),
        succeeded: sum.succeeded.saturating_add(tally.succeeded),
        failed: sum.failed.saturating_add(tally.failed),
        opened: sum.opened.saturating_add(tally.opened),
        merged: sum.merged.saturating_add(tally.merged),
        closed: sum.closed.saturating_add(tally.closed),
    }
}

fn keep_newest(known: &mut Vec<i64>, new: Option<i64>, most: usize) {
    known.extend(new);
    let surplus = known.len().saturating_sub(most);
    known.drain(..surplus);
}
