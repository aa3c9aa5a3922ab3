//! Deliveries that did not arrive, asked for again: GitHub delivers once, and again only on request.
//!
//! It is for what nothing else tells: triggers whose source is `Webhook`, and pushes. What was asked for shows in GitHub's own
//! list as a further attempt at the same delivery, so nothing is written down, and a delivery that arrives twice makes one
//! task.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::api::AgentAutomation;
use crate::api::trigger::Source;
use crate::domain::repository::Repository;

use super::credential::{Usability, choice, limited_until, usability};
use super::event::{is_told_by_webhooks_alone, listens};
use super::pulls::next_write;
use super::time::{add, again};
use super::world::{CredentialKey, World, folded};
use super::{Action, Planned, Subject};

/// Between two looks at a repository's deliveries.
const INTERVAL: SignedDuration = SignedDuration::from_mins(5);
/// Of that, for each repository that is looked at with a credential.
const SHARE: SignedDuration = SignedDuration::from_secs(1);
/// Between two looks while there are more of them than the last has read.
const GOING_ON: SignedDuration = SignedDuration::from_mins(1);
/// Between two looks where the token may not see them.
const REFUSED: SignedDuration = SignedDuration::from_hours(1);
/// GitHub keeps deliveries for three days.
pub const KEPT: SignedDuration = SignedDuration::from_hours(72);
/// Attempts at one delivery.
const TRIES: usize = 5;
/// After the second attempt, and twice as long after each further one.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// Deliveries that are asked for after one look.
const AT_ONCE: usize = 20;
/// The events that may cause something.
const EVENTS: [&str; 4] = ["issues", "issue_comment", "pull_request", "pull_request_review"];

/// What became of a repository's deliveries, as a credential sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeliveryFacts {
    /// When they were last listed.
    pub checked_at: Option<Timestamp>,
    /// What the token may not, by the last that was asked.
    pub lack: Option<Lack>,
    /// Whether GitHub refused to repeat the last delivery that it was asked for, since the token may not have it repeated.
    pub is_write_refused: bool,
    pub attempts: Vec<Attempt>,
    /// Whether there are older ones that have not been read.
    pub goes_on: bool,
    /// What was asked for since, by its GUID.
    pub asked: BTreeSet<String>,
    /// What GitHub will not repeat, by its GUID.
    pub unrepeatable: BTreeSet<String>,
}

/// What a list of deliveries tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    pub attempts: Vec<Attempt>,
    /// Whether there are older ones that have not been read.
    pub goes_on: bool,
}

/// What a token may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// See a repository's webhooks.
    Read,
    /// Have a delivery repeated.
    Write,
}

/// An attempt to deliver to a receiver here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub hook: u64,
    pub id: u64,
    /// The same in each attempt at the same delivery.
    pub guid: String,
    pub at: Timestamp,
    pub has_arrived: bool,
}

/// Asks for what did not arrive, one after the other; lists deliveries when that is due.
#[must_use]
pub fn plan(world: &World, key: &CredentialKey, repository: &Repository, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    let subject = Subject::Deliveries(key.clone(), repository.clone());
    if world.busy.contains(&subject) {
        return planned;
    }
    let facts = world.deliveries.get(&(key.clone(), repository.clone()));
    let wanted = wanted(world, key);
    if !wanted.contains(&folded(repository.as_str())) {
        planned.actions.extend(facts.map(|_| Action::Forget));
        return planned;
    }
    let credential = world.credentials.get(key);
    let Usability::Usable(_) = usability(key, credential) else {
        return planned;
    };
    let limited = limited_until(credential, now);
    let missed = facts.and_then(|facts| missed(facts, now));
    let (due, action) = if let Some(missed) = missed {
        let action = Action::Redeliver {
            hook: missed.hook,
            delivery: missed.id,
            guid: missed.guid.clone(),
        };
        (next_write(world, key, now).unwrap_or(now), action)
    } else {
        let is_refused = facts.is_some_and(|facts| facts.lack.is_some());
        let share = SHARE.saturating_mul(i32::try_from(wanted.len()).unwrap_or(i32::MAX));
        let interval = match facts {
            _ if is_refused => REFUSED,
            Some(facts) if facts.goes_on => GOING_ON.max(share),
            _ => INTERVAL.max(share),
        };
        let asked = facts.and_then(|facts| facts.checked_at);
        (again(asked, interval, now), Action::ListDeliveries)
    };
    let due = limited.map_or(due, |limited| due.max(limited));
    if due > now {
        planned.wake_at(due);
    } else {
        planned.actions.push(action);
    }
    planned
}

/// Whether it is about to be seen if GitHub repeats what did not arrive.
#[must_use]
pub fn is_about_to_ask(facts: &DeliveryFacts, now: Timestamp) -> bool {
    facts.lack.is_none() && !facts.is_write_refused && missed(facts, now).is_some()
}

/// Whether there is something to ask for again, for an automation.
#[must_use]
pub fn is_wanted_by(automation: &AgentAutomation) -> bool {
    automation.metadata.deletion_timestamp.is_none()
        && listens(automation, Source::Webhook)
        && is_told_by_webhooks_alone(automation)
}

/// Whether a webhook delivers to a receiver of this namespace: `https://HOST/webhooks/github/NAMESPACE/NAME`.
#[must_use]
pub fn is_ours(url: &str, namespace: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let Some((_, rest)) = path.split_once("/webhooks/github/") else {
        return false;
    };
    rest.split_once('/')
        .is_some_and(|(at, name)| at == namespace && !name.is_empty() && !name.contains('/'))
}

/// Whether an attempt is of an event that may cause something.
#[must_use]
pub fn is_of_use(event: &str) -> bool {
    EVENTS.contains(&event)
}

/// The repositories whose deliveries count, for automations with a credential.
fn wanted(world: &World, key: &CredentialKey) -> BTreeSet<String> {
    let automations = world.automations_with(key).map(|(_, automation)| automation);
    let read = automations.filter(|automation| choice::is_reader(world, automation, key));
    let wanted = read.filter(|automation| is_wanted_by(automation));
    wanted.map(|automation| folded(&automation.spec.repository)).collect()
}

/// The oldest delivery that never arrived and is to be asked for now: its last attempt.
fn missed(facts: &DeliveryFacts, now: Timestamp) -> Option<&Attempt> {
    if facts.asked.len() >= AT_ONCE {
        return None;
    }
    let mut deliveries: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in &facts.attempts {
        deliveries.entry(&attempt.guid).or_default().push(attempt);
    }
    let open = deliveries.into_iter().filter_map(|(guid, mut attempts)| {
        attempts.sort_by_key(|attempt| attempt.id);
        let (first, last) = (attempts.first()?, attempts.last()?);
        let has_arrived = attempts.iter().any(|attempt| attempt.has_arrived);
        let is_kept = add(first.at, KEPT) > now;
        let is_due = add(last.at, patience(attempts.len())) <= now;
        let is_left = facts.asked.contains(guid) || facts.unrepeatable.contains(guid);
        let is_open = !has_arrived && is_kept && is_due && attempts.len() < TRIES && !is_left;
        is_open.then_some((first.at, *last))
    });
    open.min_by_key(|(first, last)| (*first, last.id)).map(|(_, last)| last)
}

/// A first attempt that failed may have met a receiver that is back by now.
fn patience(attempts: usize) -> SignedDuration {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).checked_sub(2);
    doublings.map_or(SignedDuration::ZERO, |doublings| {
        PATIENCE.saturating_mul(2_i32.saturating_pow(doublings))
    })
}
