//! Which of several credentials is used.
//!
//! What is read for an automation, or for a task that waits, is read with the first that can be used. A start is made with
//! that one too (`Failover`), or with the one that has the least under way (`Spread`). The choice is made at the moment of the
//! start and written ahead with the attempt; whatever is asked about that attempt from then on is asked with the same one.
//!
//! A limit of GitHub's is waited for and not evaded: sharing tokens to exceed its limits is against its terms (GitHub Terms of
//! Service, *API Terms*).

use jiff::{SignedDuration, Timestamp};

use crate::api::automation::CredentialUse;
use crate::api::{AgentAutomation, AgentTask};
use crate::domain::repository::Repository;
use crate::plan::Why;
use crate::plan::time::{add, pending};
use crate::plan::world::{Credential, CredentialKey, RefusedStart, World, phase};

use super::{Usability, usability, verification};

/// After GitHub refused a start for want of a right, others are turned to for so long.
const TURNED_AWAY: SignedDuration = SignedDuration::from_mins(15);

/// What a start is made with.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    Use(CredentialKey),
    /// It is not known yet.
    Unread,
    /// None can be used; and when one may be again by the passing of time alone.
    None(Why, Option<Timestamp>),
}

/// What is under way with a credential: of two, the lesser one is turned to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    pub tasks: i64,
    pub last_start: Option<Timestamp>,
}

/// The credential that a waiting task is started with.
pub fn of_start(world: &World, task: &AgentTask, load: impl Fn(&CredentialKey) -> Load, now: Timestamp) -> Choice {
    let only = task.spec.alternate_secret_refs.is_empty();
    let judged = CredentialKey::named_by(task).map(|key| {
        let credential = world.credentials.get(&key);
        // Where there is no other, GitHub is asked whatever it said before.
        let (found, until) = if only {
            (usability(&key, credential), None)
        } else {
            for_start(world, &key, &task.spec.repository, now)
        };
        (key, found, until)
    });
    let judged: Vec<_> = judged.collect();
    let chosen = match task.spec.credential_use {
        CredentialUse::Failover => judged.iter().find(|(_, found, _)| !is_unusable(found)),
        CredentialUse::Spread => judged
            .iter()
            .filter(|(_, found, _)| matches!(found, Usability::Usable(_)))
            .min_by_key(|(key, ..)| load(key))
            .or_else(|| judged.iter().find(|(_, found, _)| *found == Usability::Unread)),
    };
    // What only GitHub knows is asked with the one that reads.
    let reads = || {
        let reader = reader_of(world, task);
        matches!(usability(&reader, world.credentials.get(&reader)), Usability::Usable(_))
    };
    match chosen {
        Some((key, Usability::Usable(_), _)) if only || reads() => Choice::Use(key.clone()),
        Some(_) => Choice::Unread,
        None => {
            let until = judged.iter().filter_map(|(_, _, until)| *until).min();
            let found = judged.into_iter().map(|(key, found, _)| (key, found));
            none_of(found).map_or(Choice::Unread, |why| Choice::None(why, until))
        }
    }
}

/// The credential with which GitHub is asked about an automation's repository.
#[must_use]
pub fn reader(world: &World, automation: &AgentAutomation) -> CredentialKey {
    if automation.spec.credentials.alternates.is_empty() {
        return CredentialKey::of_automation(automation);
    }
    let first = first_usable(world, CredentialKey::all_of(automation), &automation.spec.repository);
    first.unwrap_or_else(|| CredentialKey::of_automation(automation))
}

/// Whether it is this one, of those that the automation names.
#[must_use]
pub fn is_reader(world: &World, automation: &AgentAutomation, key: &CredentialKey) -> bool {
    automation.spec.credentials.alternates.is_empty() || reader(world, automation) == *key
}

/// The credential with which GitHub is asked about a task.
#[must_use]
pub fn reader_of(world: &World, task: &AgentTask) -> CredentialKey {
    if task.spec.alternate_secret_refs.is_empty() || !phase(task).is_waiting() {
        return CredentialKey::of_task(task);
    }
    let first = first_usable(world, CredentialKey::named_by(task), &task.spec.repository);
    first.unwrap_or_else(|| CredentialKey::of_task(task))
}

/// Whether a credential can be used for a repository, and is known to see it.
#[must_use]
pub fn usability_in(world: &World, key: &CredentialKey, repository: &Repository) -> Usability {
    match usability(key, world.credentials.get(key)) {
        Usability::Usable(version) => match verification(world, key, repository, &version) {
            Some(Err(refused)) if !refused.is_passing() => {
                Usability::Unusable(Why::new(refused.reason, refused.message.clone()))
            }
            Some(_) => Usability::Usable(version),
            None => Usability::Unread,
        },
        other => other,
    }
}

/// Why none of several that an automation names can be used, if that is so.
#[must_use]
pub fn none_usable(world: &World, automation: &AgentAutomation) -> Option<Why> {
    if automation.spec.credentials.alternates.is_empty() {
        return None;
    }
    let repository = Repository::parse(&automation.spec.repository).ok()?;
    none_of(CredentialKey::all_of(automation).map(|key| {
        let found = usability_in(world, &key, &repository);
        (key, found)
    }))
}

/// What GitHub said to the last start in a repository with the Secret's present version, if it let none through since.
#[must_use]
pub fn refused_start<'a>(
    credential: Option<&'a Credential>,
    repository: &Repository,
    version: &str,
) -> Option<&'a RefusedStart> {
    let known = credential?.refused_starts.get(repository)?;
    (known.resource_version == version).then_some(known)
}

/// A repository that was not looked at yet does not keep a start waiting: the start itself tells.
fn for_start(world: &World, key: &CredentialKey, repository: &str, now: Timestamp) -> (Usability, Option<Timestamp>) {
    let credential = world.credentials.get(key);
    let (Usability::Usable(version), Ok(repository)) = (usability(key, credential), Repository::parse(repository))
    else {
        return (usability(key, credential), None);
    };
    let refused = refused_start(credential, &repository, &version);
    let turned_away = refused.and_then(|refused| {
        let until = pending(Some(add(refused.at, TURNED_AWAY)), TURNED_AWAY, now)?;
        Some((until, &refused.refused))
    });
    if let Some((until, refused)) = turned_away {
        let why = Why::new(refused.reason, refused.message.clone());
        return (Usability::Unusable(why), Some(until));
    }
    let found = match usability_in(world, key, &repository) {
        Usability::Unread => Usability::Usable(version),
        other => other,
    };
    (found, None)
}

fn first_usable(
    world: &World,
    keys: impl IntoIterator<Item = CredentialKey>,
    repository: &str,
) -> Option<CredentialKey> {
    let repository = Repository::parse(repository).ok()?;
    let mut keys = keys.into_iter();
    keys.find(|key| !is_unusable(&usability_in(world, key, &repository)))
}

fn is_unusable(found: &Usability) -> bool {
    matches!(found, Usability::Unusable(_))
}

/// What is said where none can be used: what is in the way of the first, and which others can't be used either.
fn none_of(found: impl IntoIterator<Item = (CredentialKey, Usability)>) -> Option<Why> {
    let whys = found.into_iter().map(|(key, found)| match found {
        Usability::Unusable(why) => Some((key, why)),
        Usability::Usable(_) | Usability::Unread => None,
    });
    let whys: Vec<_> = whys.collect::<Option<_>>()?;
    let ((_, first), others) = whys.split_first()?;
    if others.is_empty() {
        return Some(first.clone());
    }
    let named: Vec<_> = others
        .iter()
        .map(|(key, why)| format!("{} ({})", key.secret.name, why.reason.as_str()))
        .collect();
    let (count, named) = (others.len(), named.join(", "));
    let others = if count == 1 {
        "the other Secret that it names".to_owned()
    } else {
        format!("the {count} others that it names")
    };
    let message = format!("{}; {others} can't be used either: {named}", first.message);
    Some(Why::new(first.reason, message))
}
