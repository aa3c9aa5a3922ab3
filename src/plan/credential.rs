//! Credentials: whether one can be used, when its Secret is read again, and when its user's tasks are listed.
//!
//! A credential that GitHub refused (401) is not used again until its Secret has another version: GitHub locks out users
//! whose tokens keep failing.

pub mod choice;

use jiff::{SignedDuration, Timestamp};

use crate::api::Reason;
use crate::api::task::CredentialIdentity;
use crate::domain::repository::Repository;

use super::observed::Refused;
use super::refresh::{self, Outlook};
use super::time::{LONGEST_ASKED, again, pending};
use super::world::{Credential, CredentialKey, SecretState, World, counts};
use super::{Action, Planned, Settings, Subject, Why, pulls};

/// How long a Secret that is fine is taken to be the same.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How long a repository that is fine is taken to be the same.
const VERIFIED: SignedDuration = SignedDuration::from_hours(1);
/// Listed tasks changed after this long before the oldest of the active ones was started: clocks differ.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// Whether a credential can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Usability {
    /// With the Secret's version.
    Usable(String),
    /// Its Secret has not been read yet, or its token is about to be exchanged for the next.
    Unread,
    Unusable(Why),
}

/// Whether a credential can be used now.
#[must_use]
pub fn usability(key: &CredentialKey, credential: Option<&Credential>) -> Usability {
    let Some(credential) = credential else {
        return Usability::Unread;
    };
    let (name, field) = (&key.secret.name, &key.secret.key);
    let no = |reason, message| Usability::Unusable(Why::new(reason, message));
    let outlook = || refresh::outlook(key, credential);
    match &credential.secret {
        None => Usability::Unread,
        Some(SecretState::Missing) => no(
            Reason::SecretMissing,
            format!("Secret {name} is not there: create it in this namespace, with the token under the key {field}"),
        ),
        Some(SecretState::Forbidden) => no(
            Reason::SecretForbidden,
            format!("the controller may not read Secret {name}: grant its ServiceAccount get on it"),
        ),
        Some(SecretState::KeyMissing) => match outlook() {
            Outlook::Pending => Usability::Unread,
            Outlook::Stalled(why) => Usability::Unusable(why),
            Outlook::None => no(
                Reason::SecretKeyMissing,
                format!("Secret {name} has no key {field}: add it, with the token as its value"),
            ),
        },
        Some(SecretState::Unusable(problem)) => no(
            Reason::SecretKeyMissing,
            format!("Secret {name}, key {field}: {problem}"),
        ),
        Some(SecretState::Present { resource_version }) if credential.rejected.as_ref() == Some(resource_version) => {
            match outlook() {
                Outlook::Pending => Usability::Unread,
                Outlook::Stalled(why) => Usability::Unusable(why),
                Outlook::None => no(
                    Reason::CredentialRejected,
                    format!(
                        "GitHub refused the token in Secret {name} (401): put a valid one into it; this one is not tried again"
                    ),
                ),
            }
        }
        Some(SecretState::Present { resource_version }) => match outlook() {
            Outlook::Pending if refresh::has_expired(credential) => Usability::Unread,
            Outlook::Stalled(why) if refresh::has_expired(credential) => Usability::Unusable(why),
            Outlook::None | Outlook::Pending | Outlook::Stalled(_) => Usability::Usable(resource_version.clone()),
        },
    }
}

/// Reads the Secret when that is due, and lists the user's tasks while some are active. What nothing names is forgotten.
#[must_use]
pub fn plan(world: &World, key: &CredentialKey, settings: &Settings, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    if world.busy.contains(&Subject::Credential(key.clone())) {
        return planned;
    }
    let credential = world.credentials.get(key);
    if !is_named(world, key, now) {
        planned.actions.extend(credential.map(|_| Action::Forget));
        return planned;
    }
    match read_due(key, credential, settings, now) {
        due if due <= now => planned.actions.push(Action::ReadSecret),
        due => {
            planned.wake_at(due);
            if let Some(refresh) = plan_refresh(credential, settings, now, &mut planned) {
                planned.actions.push(refresh);
                return planned;
            }
        }
    }
    if let (Usability::Usable(_), Some(credential)) = (usability(key, credential), credential) {
        plan_poll(world, key, credential, settings, now, &mut planned);
    }
    planned
}

/// Asks GitHub for the repository when that is due.
#[must_use]
pub fn plan_verification(
    world: &World,
    key: &CredentialKey,
    repository: &Repository,
    settings: &Settings,
    now: Timestamp,
) -> Planned {
    let mut planned = Planned::default();
    if world
        .busy
        .contains(&Subject::Repository(key.clone(), repository.clone()))
    {
        return planned;
    }
    let known = world.repositories.get(&(key.clone(), repository.clone()));
    if !is_in_use(world, key, repository) {
        planned.actions.extend(known.map(|_| Action::Forget));
        return planned;
    }
    let credential = world.credentials.get(key);
    let Usability::Usable(version) = usability(key, credential) else {
        return planned;
    };
    let due = match known.filter(|known| known.resource_version == version) {
        Some(known) => {
            let wait = match known.result {
                Ok(()) => VERIFIED,
                Err(_) => settings.recheck_interval,
            };
            let asked = known.result.as_ref().err().and_then(|refused| refused.not_before);
            again(Some(known.checked_at), wait, now).max(pending(asked, LONGEST_ASKED, now).unwrap_or(now))
        }
        None => now,
    };
    let due = due.max(limited_until(credential, now).unwrap_or(now));
    if due <= now {
        planned.actions.push(Action::VerifyRepository);
    } else {
        planned.wake_at(due);
    }
    planned
}

/// What the last look at the repository said, if it was made with the Secret's present version.
#[must_use]
pub fn verification<'a>(
    world: &'a World,
    key: &CredentialKey,
    repository: &Repository,
    version: &str,
) -> Option<&'a Result<(), Refused>> {
    let known = world.repositories.get(&(key.clone(), repository.clone()))?;
    (known.resource_version == version).then_some(&known.result)
}

/// Whose a credential is, if GitHub told for the Secret's present version.
#[must_use]
pub fn identity<'a>(key: &CredentialKey, credential: Option<&'a Credential>) -> Option<&'a CredentialIdentity> {
    let (version, identity) = credential?.identity.as_ref()?;
    (usability(key, credential) == Usability::Usable(version.clone())).then_some(identity)
}

/// Until when GitHub asked not to be asked with this credential.
#[must_use]
pub fn limited_until(credential: Option<&Credential>, now: Timestamp) -> Option<Timestamp> {
    pending(credential?.limited_until, LONGEST_ASKED, now)
}

fn is_named(world: &World, key: &CredentialKey, now: Timestamp) -> bool {
    let mut followed = world.followed_with(key);
    world.automations_with(key).next().is_some() || followed.any(|(_, task)| !pulls::is_left(task, now))
}

fn is_in_use(world: &World, key: &CredentialKey, repository: &Repository) -> bool {
    world
        .automations_with(key)
        .any(|(_, automation)| Repository::parse(&automation.spec.repository).as_ref() == Ok(repository))
}

fn read_due(key: &CredentialKey, credential: Option<&Credential>, settings: &Settings, now: Timestamp) -> Timestamp {
    if credential.is_some_and(|credential| credential.has_changed) {
        return now;
    }
    let interval = match usability(key, credential) {
        Usability::Usable(_) => FRESH,
        Usability::Unread | Usability::Unusable(_) => settings.recheck_interval,
    };
    let due = again(credential.and_then(|credential| credential.read_at), interval, now);
    let ends = credential.and_then(refresh::under_way);
    ends.map_or(due, |ends| due.min(ends))
}

/// A Secret is written by what a look at it said that is not old.
fn plan_refresh(
    credential: Option<&Credential>,
    settings: &Settings,
    now: Timestamp,
    planned: &mut Planned,
) -> Option<Action> {
    let credential = credential?;
    let due = refresh::due(credential, settings, now)?;
    if due > now {
        planned.wake_at(due);
        return None;
    }
    credential.refresh.as_ref().map(|refresh| Action::Refresh {
        resource_version: refresh.resource_version.clone(),
    })
}

fn plan_poll(
    world: &World,
    key: &CredentialKey,
    credential: &Credential,
    settings: &Settings,
    now: Timestamp,
    planned: &mut Planned,
) {
    let followed: Vec<(Timestamp, Timestamp)> = world
        .followed_with(key)
        .filter(|(_, task)| counts(task))
        .filter_map(|(_, task)| {
            let status = task.status.as_ref()?;
            let started = status.started_at?;
            let changed = status.task.as_ref()?.updated_at.unwrap_or(started).min(now);
            Some((started, changed.max(started)))
        })
        .collect();
    let Some(oldest) = followed.iter().map(|(started, _)| *started).min() else {
        return;
    };
    let quickest = followed
        .iter()
        .map(|(_, changed)| interval(now.duration_since(*changed), settings))
        .min();
    let interval = quickest.unwrap_or(settings.poll_max);
    let last = credential.polled_at.unwrap_or(oldest);
    let due = again(Some(last), interval, now).max(limited_until(Some(credential), now).unwrap_or(now));
    if due <= now {
        let since = oldest.saturating_sub(OVERLAP).unwrap_or(oldest);
        planned.actions.push(Action::Poll { since });
    } else {
        planned.wake_at(due);
    }
}

/// Quick after a change, slower with age.
fn interval(age: SignedDuration, settings: &Settings) -> SignedDuration {
    (age / 4).clamp(settings.poll_min, settings.poll_max)
}
