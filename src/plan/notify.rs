//! Receivers that are told of the ends of tasks: a ticket system, a chat, a script. Each end is one `CloudEvent` for each receiver
//! that asks for it, sent until it is answered with 2xx.
//!
//! At least once: what came of a POST is written into the task's status after it, so a controller that dies in between sends
//! it again. Its id follows from the task and its phase, so a receiver can tell. A receiver that does not answer holds up
//! nothing: each notification is a subject of its own, what came of it comes back as a fact, and the task's own plan writes it.
//! What can't be delivered is tried again, later each time, and is a dead letter in the end: told by an Event, counted in the
//! automation's status. What a policy does not allow, or a receiver refuses for good, is one at once.

mod envelope;
mod outcome;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::notify::{NotificationState, NotificationStatus, Notify, NotifyError, SigningKeyRef};
use crate::api::task::{Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::endpoint::Endpoint;

use super::policy::{Ruling, may_notify};
use super::time::{add, again, pending};
use super::world::{ObjectKey, World, phase};
use super::{Planned, Settings, Subject, Why};

pub use outcome::{Answer, Sent};

/// POSTs under way at once, and those of them to one host: a receiver that does not answer leaves room for others.
const IN_FLIGHT: usize = 64;
const IN_FLIGHT_TO_HOST: usize = 8;
/// Between two looks at whether there is room for another POST.
const CROWDED_FOR: SignedDuration = SignedDuration::from_secs(1);
/// An end is told without its pull request's link where that is not known by then.
const LINK_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// The longest wait between two looks at a Secret that no key can be read from; a fresh end is looked at more often.
const LONGEST_RECHECK: SignedDuration = SignedDuration::from_mins(5);
/// The most receivers that one sentence speaks of.
const NAMED: usize = 4;

/// One POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub url: Endpoint,
    pub secret: SigningKeyRef,
    /// The phase that it tells of.
    pub of: Phase,
    /// Counts from 1.
    pub attempt: i32,
    /// The same for each attempt.
    pub id: String,
    pub body: String,
}

/// Sends it when that is due.
#[must_use]
pub fn plan(world: &World, key: &ObjectKey, name: &str, settings: &Settings, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    let subject = Subject::Notification(key.clone(), name.to_owned());
    let Some((task, terms, known)) = wanted(world, key, name).filter(|_| !world.busy.contains(&subject)) else {
        return planned;
    };
    let Ok(endpoint) = Endpoint::parse(&terms.url) else {
        return planned;
    };
    let namespace = &key.namespace;
    let sent = sent(world, key, &known);
    // What came of it is about to be written; nobody knows what a policy that can't be read forbids.
    if sent.is_some_and(Sent::counts) || may_notify(world, namespace, &endpoint) != Ruling::Allowed {
        return planned;
    }
    let waits = [
        pending(known.not_before, outcome::LONGEST_WAIT, now),
        sent.map(|sent| again(Some(sent.at), patience(task, settings, now), now)),
        link_awaited_until(task),
        is_crowded(world, &endpoint).then(|| add(now, CROWDED_FOR)),
    ];
    match waits.into_iter().flatten().max().filter(|due| *due > now) {
        Some(due) => planned.wake_at(due),
        None => planned
            .actions
            .push(super::Action::Notify(Box::new(notice(task, terms, endpoint, &known)))),
    }
    planned
}

/// The status with what came of POSTs and is not in it yet, and with what the policies do not allow.
#[must_use]
pub fn learned(world: &World, key: &ObjectKey, task: &AgentTask, now: Timestamp) -> Option<TaskStatus> {
    let mut next = task.status.clone()?;
    for terms in awaited(task) {
        let known = known(task, terms);
        let entry = match sent(world, key, &known) {
            _ if !is_allowed(world, &key.namespace, terms) => {
                outcome::given_up(&known, NotifyError::HostNotAllowed, now)
            }
            Some(sent) => outcome::told(task, &known, sent),
            None => continue,
        };
        put(&mut next, entry);
    }
    (Some(&next) != task.status.as_ref()).then_some(next)
}

/// The notifications of a task that are still to be delivered.
#[must_use]
pub fn subjects(task: &AgentTask) -> Vec<Subject> {
    let key = ObjectKey::of(task);
    let names = awaited(task).map(|terms| terms.name.clone());
    names.map(|name| Subject::Notification(key.clone(), name)).collect()
}

/// All that a task may have, whether or not there is anything to deliver.
pub fn all_subjects(task: &AgentTask) -> impl Iterator<Item = Subject> + '_ {
    let key = ObjectKey::of(task);
    let names = task.spec.notify.iter().map(|terms| terms.name.clone());
    names.map(move |name| Subject::Notification(key.clone(), name))
}

/// Whether the history has to keep a task because its end is still to be told. An attempt that failed ends that some hours
/// after the end at the latest.
#[must_use]
pub fn keeps(task: &AgentTask) -> bool {
    awaited(task).next().is_some()
}

/// How many notifications of a task were given up.
#[must_use]
pub fn dead_letters(task: &AgentTask) -> i64 {
    i64::try_from(in_state(task, NotificationState::DeadLetter)).unwrap_or(i64::MAX)
}

/// How many notifications of a task are so far.
#[must_use]
pub fn in_state(task: &AgentTask, state: NotificationState) -> usize {
    entries(task).filter(|entry| entry.state == state).count()
}

/// What is in the way of an automation's newest notification to each of its receivers. What the policies do not allow is
/// told by [`not_allowed`], as they are now.
#[must_use]
pub fn undelivered(automation: &AgentAutomation, tasks: &[&AgentTask]) -> Option<Why> {
    let newest = |terms: &Notify| {
        let ended = |task: &&&AgentTask| outcome::since(task.status.as_ref()?);
        let entries = tasks.iter().filter_map(|task| {
            let entry = entries(task).filter(|entry| entry.name == terms.name).last()?;
            Some((ended(&task)?, *task, entry))
        });
        entries.max_by_key(|(ended, task, _)| (*ended, task.name_any()))
    };
    let sentences: Vec<_> = automation
        .spec
        .notify
        .iter()
        .filter_map(&newest)
        .filter(|(.., entry)| entry.last_error != Some(NotifyError::HostNotAllowed))
        .filter_map(|(_, task, entry)| sentence(task, entry))
        .take(NAMED)
        .collect();
    (!sentences.is_empty()).then(|| Why::new(Reason::Undelivered, sentences.join("; ")))
}

/// What is in the way of a notification, and what to do about it.
#[must_use]
pub fn sentence(task: &AgentTask, entry: &NotificationStatus) -> Option<String> {
    let terms = task.spec.notify.iter().find(|terms| terms.name == entry.name)?;
    let error = entry
        .last_error
        .filter(|_| entry.state != NotificationState::Delivered)?;
    let (secret, key) = (&terms.secret_ref.name, &terms.secret_ref.key);
    let remedy = match error {
        NotifyError::HostNotAllowed => {
            "no policy allows the host: spec.notifyHosts of each AgentPolicy that holds must name it".to_owned()
        }
        NotifyError::SecretMissing => {
            format!("Secret {secret} is not there: create it in this namespace, with a signing key under the key {key}")
        }
        NotifyError::SecretKeyMissing => format!("Secret {secret} has no key {key}: add it, with a signing key"),
        NotifyError::SecretForbidden => {
            format!("the controller may not read Secret {secret}: grant its ServiceAccount get on it")
        }
        NotifyError::SigningKeyInvalid => format!(
            "Secret {secret}, key {key}: write whsec_ followed by the base64 of 24 to 64 random bytes, as \"openssl rand \
             -base64 32\" gives them"
        ),
        NotifyError::NotSent => "there is no connection to the receiver".to_owned(),
        NotifyError::AnswerLost => "the receiver does not answer".to_owned(),
        NotifyError::Refused => format!("the receiver answers {}", entry.http_status.unwrap_or_default()),
    };
    let dead = if entry.state == NotificationState::DeadLetter {
        " (given up)"
    } else {
        ""
    };
    Some(format!("{} of task {}: {remedy}{dead}", entry.name, task.name_any()))
}

/// The receivers of an automation that its policies do not allow, in words.
#[must_use]
pub fn not_allowed(world: &World, automation: &AgentAutomation) -> Vec<String> {
    let namespace = automation.namespace().unwrap_or_default();
    let refused = automation.spec.notify.iter().filter_map(|terms| {
        let endpoint = Endpoint::parse(&terms.url).ok()?;
        match may_notify(world, &namespace, &endpoint) {
            Ruling::Denied(refusal) => Some(format!("spec.notify {}: {}", terms.name, refusal.why.message)),
            Ruling::Allowed | Ruling::Held(_) => None,
        }
    });
    refused.collect()
}

/// The receivers that are still to be told how a task stands.
fn awaited(task: &AgentTask) -> impl Iterator<Item = &Notify> {
    let terms = task.spec.notify.iter().filter(|terms| is_told(task, terms));
    terms.filter(|terms| known(task, terms).state == NotificationState::Pending)
}

fn wanted<'a>(
    world: &'a World,
    key: &ObjectKey,
    name: &str,
) -> Option<(&'a AgentTask, &'a Notify, NotificationStatus)> {
    let task = world.task(key)?;
    let terms = awaited(task).find(|terms| terms.name == name)?;
    Some((task, terms, known(task, terms)))
}

/// Whether the phase is one that a receiver asks for. Of what people made, only the controller's decision says who is told.
fn is_told(task: &AgentTask, terms: &Notify) -> bool {
    let reason = task.status.as_ref().and_then(|status| status.reason);
    let is_settled = reason != Some(Reason::AnswerLost);
    let phase = phase(task);
    is_settled && task.spec.is_decided() && terms.ends.iter().any(|end| end.phase() == phase)
}

fn known(task: &AgentTask, terms: &Notify) -> NotificationStatus {
    let of = phase(task);
    let entry = entries(task).find(|entry| entry.name == terms.name && entry.of == of);
    entry
        .cloned()
        .unwrap_or_else(|| NotificationStatus::new(&terms.name, of))
}

fn entries(task: &AgentTask) -> impl Iterator<Item = &NotificationStatus> {
    task.status.iter().flat_map(|status| &status.notifications)
}

/// What was told of another phase, and not in time, is not told any more.
fn put(status: &mut TaskStatus, entry: NotificationStatus) {
    status.notifications.retain(|other| {
        other.name != entry.name || (other.of != entry.of && other.state != NotificationState::Pending)
    });
    status.notifications.push(entry);
}

/// What came of the next attempt, as far as it is known.
fn sent<'a>(world: &'a World, key: &ObjectKey, known: &NotificationStatus) -> Option<&'a Sent> {
    let sent = world.facts.get(key)?.sent.get(&known.name)?;
    (sent.of == known.of && sent.attempt == known.attempts + 1).then_some(sent)
}

fn is_allowed(world: &World, namespace: &str, terms: &Notify) -> bool {
    let endpoint = Endpoint::parse(&terms.url);
    endpoint.is_ok_and(|endpoint| !matches!(may_notify(world, namespace, &endpoint), Ruling::Denied(_)))
}

fn patience(task: &AgentTask, settings: &Settings, now: Timestamp) -> SignedDuration {
    let since = task.status.as_ref().and_then(outcome::since).unwrap_or(now);
    let age = now.duration_since(since) / 8;
    age.min(LONGEST_RECHECK).max(settings.recheck_interval)
}

fn link_awaited_until(task: &AgentTask) -> Option<Timestamp> {
    let status = task.status.as_ref()?;
    let is_unknown = status.pull_request.as_ref()?.url.is_none();
    Some(add(status.ended_at?, LINK_WITHIN)).filter(|_| is_unknown)
}

fn is_crowded(world: &World, endpoint: &Endpoint) -> bool {
    let host = |key: &ObjectKey, name: &str| {
        let terms = world.task(key)?.spec.notify.iter().find(|terms| terms.name == name)?;
        Some(Endpoint::parse(&terms.url).ok()?.host().to_owned())
    };
    let under_way = world.busy.iter().filter_map(|subject| match subject {
        Subject::Notification(key, name) => Some(host(key, name)),
        _ => None,
    });
    let hosts: Vec<_> = under_way.collect();
    let same = hosts.iter().filter(|host| host.as_deref() == Some(endpoint.host()));
    hosts.len() >= IN_FLIGHT || same.count() >= IN_FLIGHT_TO_HOST
}

fn notice(task: &AgentTask, terms: &Notify, url: Endpoint, known: &NotificationStatus) -> Notice {
    let id = envelope::id(task, known.of);
    Notice {
        url,
        secret: terms.secret_ref.clone(),
        of: known.of,
        attempt: known.attempts + 1,
        body: envelope::body(task, &id),
        id,
    }
}
