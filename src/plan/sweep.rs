//! What happens in a repository, looked for: what a webhook missed, or where no webhook can arrive.
//!
//! A repository is looked at once for each credential, however many automations work in it, from the oldest of their
//! positions on. Events become the tasks that a webhook would have made, under the same names. An automation's position is
//! in its status, and moves when all that lies before it has been read ([`walk`](super::walk)) and its tasks are in the API
//! server; so a crash at any point loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::api::automation::{EventsStatus, RefusedEvents, UnseenEvents};
use crate::api::trigger::Source;
use crate::api::{AgentAutomation, AgentTask};
use crate::domain::event::Event;
use crate::domain::repository::Repository;

use super::credential::{Usability, choice, limited_until, usability};
use super::event::{
    self, Decision, backfills, commands, created, is_skipped, is_too_old, listens, of_automation, wants_record,
    wants_reviews,
};
use super::spec::parse;
use super::time::{add, again, pending};
use super::walk::{LAG, Unseen, Walk, Wanted};
use super::world::{CredentialKey, EventFacts, ObjectKey, World, folded};
use super::{Action, Planned, Settings, Subject, naming};

/// Tasks that are made in one go.
const AT_ONCE: usize = 50;
/// Of a minute, for each repository that is looked at with a credential. GitHub grants a user 900 points a minute, of which a
/// look that finds nothing takes one, although it is not counted by the hour: half of them is for looks at rest.
const SHARE: SignedDuration = SignedDuration::from_millis(134);
/// Between two looks with one credential, so that a start, or the end of a limit, makes no burst.
const APART: SignedDuration = SignedDuration::from_millis(100);
/// Looks that wait for each other come again at so many different times.
const TURNS: usize = 16;

/// Makes the tasks of what was found; once they are there, looks again when that is due.
#[must_use]
pub fn plan(
    world: &World,
    key: &CredentialKey,
    repository: &Repository,
    settings: &Settings,
    now: Timestamp,
) -> Planned {
    let mut planned = Planned::default();
    let subject = Subject::Events(key.clone(), repository.clone());
    if world.busy.contains(&subject) {
        return planned;
    }
    let facts = world.events.get(&(key.clone(), repository.clone()));
    let listening: Vec<_> = listening(world, key, repository).collect();
    if listening.is_empty() {
        planned.actions.extend(facts.map(|_| Action::Forget));
        return planned;
    }
    if let Some(facts) = facts {
        planned.actions = wanted(world, facts, &listening, now);
        let is_open = |(name, automation): &(&ObjectKey, &AgentAutomation)| {
            facts.events.iter().any(|event| is_open(facts, name, automation, event))
        };
        if planned.actions.is_empty() && listening.iter().any(is_open) {
            planned.actions.push(Action::Settle);
        }
        if !planned.actions.is_empty() {
            return planned;
        }
    }
    let credential = world.credentials.get(key);
    let Usability::Usable(_) = usability(key, credential) else {
        return planned;
    };
    let looked_at = repositories(world, key);
    let asked = facts.and_then(|facts| facts.checked_at);
    let interval = settings.event_poll.max(times(SHARE, looked_at.len()));
    let due = again(asked, interval, now).max(limited_until(credential, now).unwrap_or(now));
    if due > now {
        planned.wake_at(due);
        return planned;
    }
    let next = credential.and_then(|credential| credential.next_look);
    if let Some(next) = pending(next, APART, now) {
        let turn = looked_at.range(..folded(repository.as_str())).count() % TURNS;
        planned.wake_at(add(next, times(APART, turn)));
        return planned;
    }
    let walk = listening.iter().map(|(_, automation)| position(automation)).min();
    let walk = walk.map(|since| {
        let wanted = wanted_by(&listening);
        let begun = facts.and_then(|facts| facts.walk.clone());
        begun
            .filter(|begun| begun.since <= since && begun.wanted.covers(&wanted))
            .unwrap_or_else(|| Walk::new(since, wanted, now))
    });
    planned.actions.extend(walk.map(Box::new).map(Action::Sweep));
    planned
}

/// What any of them is for.
fn wanted_by(listening: &[(&ObjectKey, &AgentAutomation)]) -> Wanted {
    let automations = || listening.iter().map(|(_, automation)| *automation);
    Wanted {
        by: listening.iter().map(|(name, _)| (*name).clone()).collect(),
        record: automations().any(wants_record),
        commands: automations().flat_map(commands).cloned().collect(),
        reviews: automations().any(wants_reviews),
    }
}

/// When the next look with a credential may begin, as one begins now. One that is late does not delay those that follow.
#[must_use]
pub fn next_look(before: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let earliest = now.saturating_sub(APART).unwrap_or(now);
    add(before.map_or(now, |before| before.clamp(earliest, now)), APART)
}

/// All that are looked at with a credential.
fn repositories(world: &World, key: &CredentialKey) -> BTreeSet<String> {
    let automations = world.automations_with(key).map(|(_, automation)| automation);
    let read = automations.filter(|automation| choice::is_reader(world, automation, key));
    let polled = read.filter(|automation| listens(automation, Source::Poll));
    polled.map(|automation| folded(&automation.spec.repository)).collect()
}

fn times(span: SignedDuration, count: usize) -> SignedDuration {
    span.saturating_mul(i32::try_from(count).unwrap_or(i32::MAX))
}

/// The automations that a look at a repository is for. One whose spec can't be read waits where it is. One that names several
/// credentials is looked for with the first that can be used: its position is its own, and so the next goes on from there.
pub fn listening<'a>(
    world: &'a World,
    key: &CredentialKey,
    repository: &Repository,
) -> impl Iterator<Item = (&'a ObjectKey, &'a AgentAutomation)> {
    let automations = world.automations_with(key);
    automations.filter(move |(_, automation)| {
        automation.spec.repository.eq_ignore_ascii_case(repository.as_str())
            && automation.metadata.deletion_timestamp.is_none()
            && choice::is_reader(world, automation, key)
            && listens(automation, Source::Poll)
            && parse(automation).is_ok()
    })
}

/// What an automation's status says of how far was looked.
#[must_use]
pub fn status(world: &World, automation: &AgentAutomation, now: Timestamp) -> Option<EventsStatus> {
    let before = automation.status.as_ref().and_then(|status| status.events.clone());
    if !listens(automation, Source::Poll) {
        return None;
    }
    let name = ObjectKey::of(automation);
    let facts = facts_of(world, automation).filter(|facts| {
        let all_settled = facts.events.iter().all(|event| is_settled(facts, &name, event));
        // What was looked for before this one was made tells nothing of the past that it fires for.
        let is_for_it = facts.by.contains(&name) && facts.whole_since <= Some(position(automation));
        is_for_it && facts.walk.is_none() && all_settled
    });
    let Some(facts) = facts else {
        return before;
    };
    let from = position(automation);
    let through = looked_through(facts).map_or(from, |through| through.max(from));
    let passed = facts
        .events
        .iter()
        .filter(|event| from < event.at && event.at <= through);
    let skipped = passed.filter(|event| is_skipped(world, automation, event, now)).count();
    let refused = refused(world, facts, automation, before.as_ref(), now);
    let is_known = before.is_some() || through > from || refused.is_some();
    let missed = facts.unseen.filter(|_| through > from);
    is_known.then(|| EventsStatus {
        swept_through: through,
        unseen: unseen(automation, missed, from, before.as_ref()),
        skipped: before.map_or(0, |before| before.skipped) + i64::try_from(skipped).unwrap_or(0),
        refused,
    })
}

fn looked_through(facts: &EventFacts) -> Option<Timestamp> {
    Some(facts.newest?.min(facts.whole_through?))
}

/// What people did who may cause nothing. It does not wait for the position, and is told by the write that moves that where
/// events keep coming; so strangers make nobody write more often than it is looked.
fn refused(
    world: &World,
    facts: &EventFacts,
    automation: &AgentAutomation,
    before: Option<&EventsStatus>,
    now: Timestamp,
) -> Option<RefusedEvents> {
    let known = before.and_then(|before| before.refused.clone());
    let after = position(automation).max(known.as_ref().map_or(Timestamp::MIN, |known| known.last.time));
    let new = facts.events.iter().filter(|event| event.at > after);
    new.filter_map(|event| event::refused(world, automation, event, now))
        .fold(known, |known, last| {
            let count = known.map_or(0, |known| known.count).saturating_add(1);
            Some(RefusedEvents { count, last })
        })
}

/// What keeps the tasks of what was found for an automation from being there.
#[must_use]
pub fn uncreated<'a>(world: &'a World, automation: &AgentAutomation, now: Timestamp) -> Option<&'a str> {
    let (key, repository) = looked_at_for(world, automation)?;
    let retry = world.retries.get(&Subject::Events(key, repository))?;
    if retry.is_of_github {
        return None;
    }
    let (name, facts) = (ObjectKey::of(automation), facts_of(world, automation)?);
    let lacking = wanted(world, facts, &[(&name, automation)], now);
    (!lacking.is_empty()).then_some(retry.problem.as_str())
}

fn facts_of<'a>(world: &'a World, automation: &AgentAutomation) -> Option<&'a EventFacts> {
    world.events.get(&looked_at_for(world, automation)?)
}

fn looked_at_for(world: &World, automation: &AgentAutomation) -> Option<(CredentialKey, Repository)> {
    let repository = Repository::parse(&automation.spec.repository).ok()?;
    Some((choice::reader(world, automation), repository))
}

/// What could not be seen since a position, added to what could not be before.
fn unseen(
    automation: &AgentAutomation,
    unseen: Option<Unseen>,
    position: Timestamp,
    before: Option<&EventsStatus>,
) -> Option<UnseenEvents> {
    let before = before.and_then(|before| before.unseen.clone());
    let unseen = unseen.filter(|unseen| unseen.to > position && (!unseen.is_of_record || wants_record(automation)));
    let Some(unseen) = unseen else { return before };
    Some(UnseenEvents {
        times: before.map_or(0, |before| before.times).saturating_add(1),
        from: unseen.from.max(position),
        to: unseen.to,
    })
}

/// What is known once a look that began at that time has come back; with nothing where nothing had changed.
#[must_use]
pub fn looked(
    world: &World,
    key: &CredentialKey,
    repository: &Repository,
    at: Timestamp,
    found: Option<(Walk, Vec<Event>)>,
) -> EventFacts {
    let known = world.events.get(&(key.clone(), repository.clone()));
    let before = known.cloned().unwrap_or_default();
    let Some((walk, mut events)) = found else {
        return EventFacts {
            checked_at: Some(at),
            whole_through: at.checked_sub(LAG).ok(),
            walk: None,
            ..before
        };
    };
    if before.walk.as_ref().is_some_and(|begun| begun.began == walk.began) {
        let listening: Vec<_> = listening(world, key, repository).map(|(_, it)| it).collect();
        let earlier = before.events.into_iter();
        events.extend(earlier.filter(|event| is_of_further_use(world, &listening, event, at)));
    }
    events.sort_by_cached_key(|event| (event.at, event.identity()));
    events.dedup_by_key(|event| event.identity());
    let told: BTreeSet<_> = events.iter().map(Event::identity).collect();
    let mut settled = before.settled;
    settled.retain(|(_, identity)| told.contains(identity));
    let seen = EventFacts {
        checked_at: Some(at),
        events,
        settled,
        ..before
    };
    if walk.goes_on() {
        return EventFacts {
            walk: Some(walk),
            ..seen
        };
    }
    EventFacts {
        whole_since: Some(walk.since),
        whole_through: Some(walk.horizon()),
        by: walk.wanted.by,
        newest: seen.newest.max(walk.newest),
        unseen: walk.unseen,
        walk: None,
        ..seen
    }
}

/// Whether an event that an earlier look of a walk found counts at its end: the past may fire for it, or it came too late.
fn is_of_further_use(world: &World, listening: &[&AgentAutomation], event: &Event, now: Timestamp) -> bool {
    listening.iter().any(|automation| {
        let is_past = event.at < created(automation) && backfills(automation).next().is_some();
        is_past || is_too_old(world, automation, event, now)
    })
}

/// Who has what there is to make of an event.
#[must_use]
pub fn settled(world: &World, key: &CredentialKey, repository: &Repository) -> Vec<(ObjectKey, String)> {
    let facts = world.events.get(&(key.clone(), repository.clone()));
    let events = facts.map(|facts| facts.events.as_slice()).unwrap_or_default();
    let pairs = listening(world, key, repository).flat_map(|(name, automation)| {
        let open = events
            .iter()
            .filter(move |event| facts.is_some_and(|facts| is_open(facts, name, automation, event)));
        open.map(move |event| (name.clone(), event.identity()))
    });
    pairs.collect()
}

/// What happened after it is looked for: a new automation does not fire for the past, unless it says how much of it.
fn position(automation: &AgentAutomation) -> Timestamp {
    let events = automation.status.as_ref().and_then(|status| status.events.as_ref());
    let ages = backfills(automation).map(|(_, _, age)| age);
    // What happened in the second in which it was made may have happened after it.
    let before = ages.chain([SignedDuration::from_secs(1)]).max().unwrap_or_default();
    let begins = || created(automation).saturating_sub(before).unwrap_or(Timestamp::MIN);
    events.map_or_else(begins, |events| events.swept_through)
}

/// Whether something is still to be made of an event. Of the past that is decided once all of it is known.
fn is_open(facts: &EventFacts, name: &ObjectKey, automation: &AgentAutomation, event: &Event) -> bool {
    let is_ripe = facts.walk.is_none() || event.at >= created(automation);
    is_ripe && !is_settled(facts, name, event)
}

fn is_settled(facts: &EventFacts, name: &ObjectKey, event: &Event) -> bool {
    facts.settled.contains(&(name.clone(), event.identity()))
}

/// Tasks that are not there, the oldest cause first.
fn wanted(
    world: &World,
    facts: &EventFacts,
    listening: &[(&ObjectKey, &AgentAutomation)],
    now: Timestamp,
) -> Vec<Action> {
    let open = facts.events.iter().flat_map(|event| {
        let open = listening.iter().filter(move |(name, automation)| {
            let reached = event.at >= created(automation) && event.at > position(automation);
            reached && is_open(facts, name, automation, event)
        });
        open.flat_map(move |(_, automation)| of_automation(world, automation, event, Source::Poll, now))
    });
    let past = listening
        .iter()
        .flat_map(|(name, automation)| backfill(world, facts, name, automation, now));
    let tasks = open.filter_map(|decision| missing(world, decision)).chain(past);
    tasks.take(AT_ONCE).map(Box::new).map(Action::CreateTask).collect()
}

/// Tasks for what happened before the automation was made, the newest first, as many as it asks for in all.
fn backfill(
    world: &World,
    facts: &EventFacts,
    name: &ObjectKey,
    automation: &AgentAutomation,
    now: Timestamp,
) -> Vec<AgentTask> {
    let (made, begins) = (created(automation), position(automation));
    if begins >= made || facts.walk.is_some() {
        return Vec::new();
    }
    let is_past = |task: &AgentTask, trigger: &str| {
        let cause = &task.spec.trigger;
        cause.name == trigger && cause.event.is_some() && cause.scheduled_time < made
    };
    let mut left: BTreeMap<&str, usize> = backfills(automation)
        .map(|(trigger, limit, _)| {
            let there = world.tasks_of(automation).filter(|task| is_past(task, trigger));
            (trigger, limit.saturating_sub(there.count()))
        })
        .collect();
    let events = facts.events.iter().rev();
    let open = events.filter(|event| begins < event.at && event.at < made && !is_settled(facts, name, event));
    let decided = open.flat_map(|event| of_automation(world, automation, event, Source::Poll, now));
    let tasks = decided.filter_map(|decision| {
        let task = missing(world, decision)?;
        let left = left
            .get_mut(task.spec.trigger.name.as_str())
            .filter(|left| **left > 0)?;
        *left -= 1;
        Some(task)
    });
    tasks.collect()
}

fn missing(world: &World, decision: Decision) -> Option<AgentTask> {
    match decision {
        Decision::Create(task) => {
            let is_settled = world.was_deleted(&task) || naming::is_made(world, &task);
            (!is_settled).then_some(*task)
        }
        Decision::Refuse(_) | Decision::Ignore(_) => None,
    }
}
