//! News about a credential itself: its Secret, what GitHub said to its token, and its refresh.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Renewed, Update, concern};
use crate::api::AgentAutomation;
use crate::github::RetryAfter;
use crate::plan::refresh::{self, Refresh};
use crate::plan::time::{LONGEST_ASKED, add, pending};
use crate::plan::world::Credential;
use crate::plan::{CredentialKey, ObjectKey, Subject, World};

/// The first wait where GitHub asks to wait and does not say for how long; each further one is twice as long.
const UNSTATED_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// News about a credential itself.
pub(super) fn about(world: &mut World, update: Update) -> Vec<Subject> {
    let (key, changed) = match update {
        Update::Secret(key, state, at) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let outlook =
                |credential: &Credential| (refresh::outlook(&key, credential), refresh::has_expired(credential));
            let (was, told) = (credential.secret.replace(state), outlook(credential));
            credential.read_at = Some(at);
            // What stands in the way of a refresh is judged as of the last look.
            let changed = credential.secret != was || outlook(credential) != told;
            (key, changed)
        }
        Update::Refresh(key, refresh) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let told = std::mem::replace(&mut credential.refresh, refresh.map(|refresh| *refresh));
            let changed = credential.refresh != told;
            if spent(credential.refresh.as_ref()) != spent(told.as_ref()) {
                credential.postponed = None;
            }
            (key, changed)
        }
        Update::Unwritable(key, version, at) => {
            world.credentials.entry(key.clone()).or_default().unwritable = Some((version, at));
            (key, true)
        }
        Update::Unwritten(key, spent) => {
            world.credentials.entry(key.clone()).or_default().unwritten = Some(spent);
            (key, true)
        }
        Update::Postponed(key, at) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let times = credential.postponed.map_or(0, |(_, times)| times);
            credential.postponed = Some((at, times.saturating_add(1)));
            (key, true)
        }
        Update::Renewed(key, renewed) => {
            renew(world, &key, renewed);
            (key, true)
        }
        Update::Rejected(key, version) => {
            world.credentials.entry(key.clone()).or_default().rejected = Some(version);
            (key, true)
        }
        Update::Identified(key, version, identity) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let told = credential.identity.replace((version, identity));
            let changed = credential.identity != told;
            (key, changed)
        }
        Update::Limited(key, wait, now) => {
            limit(world.credentials.entry(key.clone()).or_default(), wait, now);
            (key, true)
        }
        Update::Answered(key) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            credential.limited_times = 0;
            let changed = credential.limited_until.take().is_some();
            (key, changed)
        }
        _ => return Vec::new(),
    };
    if changed {
        concern::about_credential(world, &key)
    } else {
        vec![Subject::Credential(key)]
    }
}

/// It is for the planner to have it read.
pub(super) fn secret_changed(world: &mut World, secret: &ObjectKey) -> Vec<Subject> {
    let known = world.credentials.iter_mut();
    let of_it = known.filter(|(key, _)| key.namespace == secret.namespace && key.secret.name == secret.name);
    of_it
        .map(|(key, credential)| {
            credential.has_changed = true;
            Subject::Credential(key.clone())
        })
        .collect()
}

/// A restarted controller learns from status which Secret version GitHub refused, and does not use it again.
pub(super) fn remember_rejection(world: &mut World, automation: &AgentAutomation) {
    let Some(status) = &automation.status else { return };
    let first = status.rejected_credential.iter();
    let first = first.map(|rejected| (&rejected.secret, &rejected.resource_version));
    let several = status.credentials.iter();
    let several = several.filter_map(|known| Some((&known.secret, known.rejected_version.as_ref()?)));
    let rejected: BTreeMap<_, _> = first.chain(several).collect();
    if rejected.is_empty() {
        return;
    }
    for key in CredentialKey::all_of(automation) {
        if let Some(version) = rejected.get(&key.secret.name) {
            let credential = world.credentials.entry(key).or_default();
            credential.rejected.get_or_insert_with(|| (*version).clone());
        }
    }
}

/// The digest of the token that the next exchange spends.
fn spent(refresh: Option<&Refresh>) -> Option<&String> {
    Some(&refresh?.terms.as_ref().ok()?.refresh_token)
}

/// What was told with the old token holds for the new one.
fn renew(world: &mut World, key: &CredentialKey, renewed: Renewed) {
    let Renewed { from, to, expires_at } = renewed;
    let credential = world.credentials.entry(key.clone()).or_default();
    credential.postponed = None;
    if let Some((version, identity)) = credential.identity.as_mut().filter(|(version, _)| *version == from) {
        version.clone_from(&to);
        identity.expires_at = expires_at;
    }
    let repositories = world.repositories.iter_mut().filter(|((of, _), _)| of == key);
    let branches = world
        .branches
        .iter_mut()
        .filter(|(branch, _)| branch.credential == *key);
    let versions = repositories
        .map(|(_, seen)| &mut seen.resource_version)
        .chain(branches.map(|(_, seen)| &mut seen.resource_version));
    for version in versions.filter(|version| **version == from) {
        version.clone_from(&to);
    }
}

fn limit(credential: &mut Credential, wait: RetryAfter, now: Timestamp) {
    let stated = wait.not_before(now);
    let unstated = UNSTATED_WAIT * 2_i32.pow(credential.limited_times.min(6));
    let until = if matches!(wait, RetryAfter::Unstated) {
        add(now, unstated)
    } else {
        stated
    };
    credential.limited_times = credential.limited_times.saturating_add(1);
    let until = until.min(add(now, LONGEST_ASKED));
    credential.limited_until = pending(credential.limited_until, LONGEST_ASKED, now).max(Some(until));
}
