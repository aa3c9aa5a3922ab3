//! Tasks that are about the same: which one gives way.
//!
//! Two tasks of a namespace with the same key in the same repository are about the same, unless they have the same cause:
//! a retry is no duplicate of what it retries. The newer gives way, or the older where it still waits and the terms say
//! `Replace`.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::automation::{DuplicateWhile, OnDuplicate};
use crate::api::task::{DeduplicationTerms, Phase};
use crate::api::trigger::PushTo;
use crate::api::{AgentTask, Reason};

use super::origin::{asks_anew, waits_edited};
use super::prospects::{is_approved, may_start};
use super::time::{add, to_second};
use super::world::{World, automation_key, counts, open_pull, phase, same_key};
use super::{Why, budget, retry};

/// Why a task gives way to another that is about the same, and how it ends.
#[must_use]
pub fn gives_way(world: &World, task: &AgentTask, now: Timestamp) -> Option<(Phase, Why)> {
    let terms = task.spec.deduplicate.as_ref()?;
    let others = world.with_key_of(task).map(|(_, other)| other);
    // What waits for its text to be vouched for again gives way to what was asked for since.
    let is_anew = |other: &AgentTask| asks_anew(task, other) && waits_edited(world, other);
    let others = others.filter(|other| !same_cause(task, other) && !is_anew(other));
    let others: Vec<_> = others.collect();
    let newer = others
        .iter()
        .find(|other| replaces(other, task) && takes_its_place(world, other, task, now));
    if let Some(newer) = newer {
        let why = Why::new(
            Reason::Replaced,
            format!("task {} is about the same and newer", newer.name_any()),
        );
        return Some((Phase::Superseded, why));
    }
    let in_the_way = others
        .iter()
        .filter_map(|other| Some((*other, in_the_way(terms, task, other, now)?)));
    // What waits may be a duplicate itself, of what is under way or older.
    let in_the_way = in_the_way.min_by_key(|(other, _)| (phase(other).is_waiting(), age(other)));
    in_the_way.map(|(other, how)| {
        (
            Phase::Skipped,
            Why::new(Reason::Duplicate, sentence(terms, other, &how)),
        )
    })
}

/// Whether a task would give way to another once that one has started.
#[must_use]
pub fn would_give_way(task: &AgentTask, starting: &AgentTask) -> bool {
    let Some(terms) = &task.spec.deduplicate else {
        return false;
    };
    let counts_starts = terms.during.contains(&DuplicateWhile::Active) || terms.cooldown.is_some();
    counts_starts && same_key(task) == same_key(starting) && !same_cause(task, starting)
}

/// Whether an open pull request with the task's key as a label is in its way.
#[must_use]
pub fn asks_for_pulls(task: &AgentTask) -> bool {
    let terms = task.spec.deduplicate.as_ref();
    task.spec.push_to == PushTo::NewBranch
        && terms.is_some_and(|terms| terms.during.contains(&DuplicateWhile::PullRequestOpen))
}

/// Until when a task that started is in the way of others with its key.
#[must_use]
pub fn cools_down_until(task: &AgentTask) -> Option<Timestamp> {
    let cooldown = task.spec.deduplicate.as_ref()?.cooldown?;
    let at = budget::started(task.status.as_ref()?)?;
    Some(add(at, cooldown.duration()))
}

/// Whether one is a retry of the other, or is made anew in its place.
#[must_use]
pub fn same_cause(task: &AgentTask, other: &AgentTask) -> bool {
    task.spec.automation.uid == other.spec.automation.uid && task.spec.trigger == other.spec.trigger
}

fn is_older(task: &AgentTask, other: &AgentTask) -> bool {
    age(task) < age(other)
}

fn age(task: &AgentTask) -> (Timestamp, &str) {
    let name = task.metadata.name.as_deref().unwrap_or_default();
    (task.spec.trigger.scheduled_time, name)
}

fn replaces(newer: &AgentTask, older: &AgentTask) -> bool {
    let terms = newer.spec.deduplicate.as_ref();
    is_older(older, newer)
        && phase(newer).is_waiting()
        && terms.is_some_and(|terms| {
            terms.on_duplicate == OnDuplicate::Replace && terms.during.contains(&DuplicateWhile::Queued)
        })
}

/// What waits for an approval takes no place of what has one, and what an automation has that stopped itself takes none of
/// another's.
fn takes_its_place(world: &World, newer: &AgentTask, older: &AgentTask, now: Timestamp) -> bool {
    let approved = |task: &AgentTask| {
        let automation = world.automation_of(task);
        automation.is_some_and(|automation| is_approved(world, automation, task, now))
    };
    let stopped = |task: &AgentTask| {
        let automation = world.automation_of(task);
        automation
            .is_some_and(|automation| retry::stopped(automation, &retry::failures(world, automation, now)).is_some())
    };
    let is_of_another = automation_key(newer) != automation_key(older);
    may_start(world, newer, now) && (approved(newer) || !approved(older)) && !(is_of_another && stopped(newer))
}

fn in_the_way(terms: &DeduplicationTerms, task: &AgentTask, other: &AgentTask, now: Timestamp) -> Option<String> {
    let state = terms.during.iter().find_map(|during| match during {
        // What it takes the place of is not in its way.
        DuplicateWhile::Queued => {
            (phase(other).is_waiting() && is_older(other, task) && !replaces(task, other)).then_some("waits")
        }
        DuplicateWhile::Active => counts(other).then_some("is under way"),
        // The pull request that it works on is open, and is meant to be.
        DuplicateWhile::PullRequestOpen => {
            (task.spec.push_to == PushTo::NewBranch && open_pull(other)).then_some("has an open pull request")
        }
    });
    if let Some(state) = state {
        return Some(state.to_owned());
    }
    let cooldown = terms.cooldown?;
    let at = budget::started(other.status.as_ref()?)?;
    // Another's clock may be ahead.
    let is_recent = at < add(now, cooldown.duration()) && now < add(at, cooldown.duration());
    is_recent.then(|| format!("started at {}, less than {cooldown} ago", to_second(at)))
}

fn sentence(terms: &DeduplicationTerms, other: &AgentTask, how: &str) -> String {
    let status = other.status.as_ref();
    let id = status.and_then(|status| Some(format!(", {} at GitHub", status.task.as_ref()?.id)));
    let pull = status.and_then(|status| Some(format!(", {}", status.pull_request.as_ref()?.url.as_ref()?)));
    format!(
        "task {} has the same key ({}) and {how}{}{}",
        other.name_any(),
        terms.key,
        id.unwrap_or_default(),
        pull.unwrap_or_default()
    )
}
