//! Pull requests after their tasks: when they are listed and read, what is asked for them, and what an observation means.
//!
//! One list call for each repository and poll, whatever the number of pull requests; details only of those that changed.
//! Merged is for ever. Closed is not: people close a pull request and open it again to have its checks run anew.
//! The controller asks for reviews and sets labels, and closes what is stale where the automation says so, each on pull
//! requests that its tasks opened alone. It never merges, approves, or marks a draft as ready.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::api::AgentTask;
use crate::api::automation::StaleAction;
use crate::api::task::{Checks, PullRequest, TaskStatus};
use crate::api::trigger::PushTo;
use crate::domain::repository::Repository;

use super::credential::{Usability, limited_until, usability};
use super::observed::SeenPull;
use super::time::{add, again, pending};
use super::world::{CredentialKey, Labelled, ObjectKey, World, closed_pull, counts, open_pull, phase};
use super::{Action, Planned, Settings, Subject};

/// Between two looks at checks that have not ended, at first; GitHub does not count those as a change of the pull request.
const CHECKS_EVERY: SignedDuration = SignedDuration::from_mins(2);
/// Between two looks at an open pull request that is not among those of the list, at first: a list shows the hundred that
/// changed last.
const UNLISTED_EVERY: SignedDuration = SignedDuration::from_mins(15);
/// Both slow down with age to this. A look is three requests, of which GitHub counts 5,000 an hour where something has
/// changed: a thousand pull requests whose checks never end stay below that.
const LOOKS_AT_MOST_APART: SignedDuration = SignedDuration::from_hours(1);
/// Between two looks at a closed one that is not among those of the list.
const CLOSED_UNLISTED_EVERY: SignedDuration = SignedDuration::from_hours(6);
/// What a process has not looked at since it began is spread over an interval in so many steps.
const STEPS: i64 = 64;
/// Pull requests are polled, and looked at, this many times more often than the age of the newest change.
const AGE_PER_POLL: i32 = 20;
/// Where all are closed, polls are this many times further apart at most.
const CLOSED_PACE: i32 = 6;
/// For so long after its close a pull request keeps its repository polled: one that is to be opened again is within days,
/// and what is left is not to be polled for as long as the history keeps its task.
const REOPENED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is kept where GitHub did all that was asked about a pull request.
pub const HANDED_OVER: &str = "done";

/// Lists a repository's pull requests while a task's waits for people or may be opened again; forgets them when none does.
#[must_use]
pub fn plan(
    world: &World,
    key: &CredentialKey,
    repository: &Repository,
    settings: &Settings,
    now: Timestamp,
) -> Planned {
    let mut planned = Planned::default();
    if world.busy.contains(&Subject::Pulls(key.clone(), repository.clone())) {
        return planned;
    }
    let facts = world.pulls.get(&(key.clone(), repository.clone()));
    let in_use = world.tasks_in(key, repository).any(|(_, task)| !is_left(task, now));
    if !in_use {
        planned.actions.extend(facts.map(|_| Action::Forget));
        return planned;
    }
    let followed = world
        .tasks_in(key, repository)
        .filter(|(_, task)| open_pull(task) || is_watched(task, now));
    let followed: Vec<_> = followed.map(|(_, task)| task).collect();
    let Some(changed) = followed.iter().filter_map(|task| changed(task)).max() else {
        return planned;
    };
    let credential = world.credentials.get(key);
    let Usability::Usable(_) = usability(key, credential) else {
        return planned;
    };
    let age = now.duration_since(changed.min(now)) / AGE_PER_POLL;
    let is_open = followed.iter().any(|task| open_pull(task));
    let slowest = settings.pull_poll_max * if is_open { 1 } else { CLOSED_PACE };
    let interval = age.clamp(settings.pull_poll_min, slowest);
    let asked = facts.and_then(|facts| facts.checked_at);
    let due = again(asked, interval, now).max(limited_until(credential, now).unwrap_or(now));
    if due <= now {
        planned.actions.push(Action::ListPulls);
    } else {
        planned.wake_at(due);
    }
    planned
}

/// What is to be done about the pull request of a task.
pub fn plan_task(world: &World, key: &ObjectKey, task: &AgentTask, now: Timestamp, planned: &mut Planned) {
    let Some(status) = &task.status else { return };
    let Some((pull, number)) = status.pull_request.as_ref().and_then(|pull| Some((pull, pull.number?))) else {
        return;
    };
    let read_at = world.facts.get(key).and_then(|facts| facts.pull_observed_at);
    if let Some(due) = reading_due(world, task, pull, number, read_at, now) {
        if due <= now {
            planned.actions.push(Action::ObservePull { number });
            return;
        }
        planned.wake_at(due);
    }
    if !pull.is_open() || !is_own_pull(task) {
        return;
    }
    let (users, teams) = reviewers(world, task);
    let asks = !users.is_empty() || !teams.is_empty() || !task.spec.pull_request.labels.is_empty();
    if pull.handed_over.is_none() && asks {
        when_it_may_write(world, task, now, planned, Action::HandOver { number, users, teams });
        return;
    }
    plan_stale(world, task, pull, number, now, planned);
}

/// When the open pull requests of a repository are to be listed again for a start.
///
/// A list of many takes its time. One that had to be younger than that would be outdated as soon as it comes, and asked for
/// without end; so it is good for as long as it took.
#[must_use]
pub fn relisting_due(labelled: Option<&Labelled>, settings: &Settings, now: Timestamp) -> Timestamp {
    let took = labelled.map(|labelled| labelled.answered_at.duration_since(labelled.asked_at));
    let max_age = took.map_or(settings.freshness, |took| settings.freshness.max(took * 2));
    again(labelled.map(|labelled| labelled.asked_at), max_age, now)
}

/// Whether a task opened the pull request that GitHub gives as what came of it. One that goes on with a pull request's
/// branch may be given that one, which is somebody else's.
#[must_use]
pub fn is_own_pull(task: &AgentTask) -> bool {
    let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
    let came_from = task.spec.trigger.event.as_ref().map(|event| event.number);
    let is_other = |pull: &PullRequest| pull.number.is_none() || pull.number != came_from;
    task.spec.push_to == PushTo::NewBranch && pull.is_some_and(is_other)
}

/// Of tasks with the same pull request the first.
pub fn each_once<'a>(tasks: impl Iterator<Item = &'a AgentTask>) -> impl Iterator<Item = &'a AgentTask> {
    let mut seen = BTreeSet::new();
    let id = |task: &AgentTask| Some(task.status.as_ref()?.pull_request.as_ref()?.id);
    tasks.filter(move |task| id(task).is_none_or(|id| seen.insert(id)))
}

/// What reading a pull request makes of a status; `None` when there is nothing new in it.
#[must_use]
pub fn observe(status: &TaskStatus, seen: &PullRequest) -> Option<TaskStatus> {
    let known = status.pull_request.as_ref()?;
    if known.id != seen.id || seen.updated_at < known.updated_at {
        return None;
    }
    let mut next = status.clone();
    next.pull_request = Some(PullRequest {
        handed_over: known.handed_over.clone(),
        close_refused: known.close_refused.clone(),
        stale: known.stale && seen.updated_at == known.updated_at,
        // Who opened it again may have merged or closed it since.
        closed_as_stale_at: known
            .closed_as_stale_at
            .filter(|at| !seen.merged && seen.closed_at == Some(*at)),
        first_review_at: known.first_review_at.or(seen.first_review_at),
        ..seen.clone()
    });
    (next != *status).then_some(next)
}

/// What GitHub would not let be done about a pull request.
#[must_use]
pub fn refusal(pull: &PullRequest) -> Option<&str> {
    let handed_over = pull.handed_over.as_deref().filter(|said| *said != HANDED_OVER);
    pull.close_refused.as_deref().or(handed_over)
}

/// Seconds from a pull request's creation to the first review of it.
#[must_use]
pub fn seconds_to_review(pull: &PullRequest) -> Option<i64> {
    let waited = pull.first_review_at?.duration_since(pull.created_at?);
    Some(waited.as_secs())
}

/// Seconds from a pull request's creation to its merge.
#[must_use]
pub fn seconds_to_merge(pull: &PullRequest) -> Option<i64> {
    let merged_at = pull.closed_at.filter(|_| pull.merged)?;
    Some(merged_at.duration_since(pull.created_at?).as_secs())
}

/// The status after reviewers were asked and labels set, or GitHub said no.
#[must_use]
pub fn handed_over(status: &TaskStatus, said: &str) -> Option<TaskStatus> {
    let mut next = status.clone();
    let pull = next.pull_request.as_mut()?;
    pull.handed_over = Some(super::start::bounded(said));
    Some(next)
}

/// The status after the controller closed a pull request with which nobody had dealt.
#[must_use]
pub fn closed(status: &TaskStatus, at: Timestamp) -> Option<TaskStatus> {
    let mut next = status.clone();
    let pull = next.pull_request.as_mut()?;
    pull.state = Some("closed".to_owned());
    // What is read from before that is no news.
    pull.updated_at = pull.updated_at.max(Some(at));
    pull.closed_at = Some(at);
    pull.closed_as_stale_at = Some(at);
    Some(next)
}

/// The status after GitHub refused to close a pull request.
#[must_use]
pub fn close_refused(status: &TaskStatus, said: &str) -> Option<TaskStatus> {
    let mut next = status.clone();
    let pull = next.pull_request.as_mut()?;
    pull.close_refused = Some(super::start::bounded(said));
    Some(next)
}

/// Whether a task is only there still: its pull request was closed, and so long ago that nobody opens it again.
#[must_use]
pub fn is_left(task: &AgentTask, now: Timestamp) -> bool {
    !phase(task).is_waiting() && !counts(task) && !open_pull(task) && !is_watched(task, now)
}

/// Whether a pull request was closed so lately that it may be opened again.
fn is_watched(task: &AgentTask, now: Timestamp) -> bool {
    let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
    let closed_at = pull.and_then(|pull| pull.closed_at).or_else(|| changed(task));
    closed_pull(task) && closed_at.is_some_and(|at| add(at, REOPENED_WITHIN) > now)
}

fn changed(task: &AgentTask) -> Option<Timestamp> {
    let status = task.status.as_ref()?;
    let pull = status.pull_request.as_ref()?;
    pull.updated_at.or(status.ended_at).or(status.started_at)
}

/// When a pull request is read next: at once after a list showed a change, and now and then while its checks have not ended
/// or no list shows it, the older the change the more seldom.
fn reading_due(
    world: &World,
    task: &AgentTask,
    pull: &PullRequest,
    number: i64,
    read_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let repository = Repository::parse(&task.spec.repository).ok()?;
    let facts = world.pulls.get(&(CredentialKey::of_task(task), repository));
    let listed = facts.and_then(|facts| facts.pulls.get(&number));
    // A list that is older than what was read of it is no news.
    let is_newer = |listed: &SeenPull| {
        let is_other = listed.updated_at == pull.updated_at && listed.is_open != pull.is_open();
        listed.updated_at > pull.updated_at || is_other
    };
    let news = listed.is_some_and(is_newer);
    let unread = pull.updated_at.is_none();
    if news || unread {
        return Some(again(read_at, SignedDuration::from_secs(10), now));
    }
    let is_unlisted = listed.is_none() && facts.is_some_and(|facts| facts.checked_at.is_some());
    let every = if pull.is_open() {
        let checks = (pull.checks == Some(Checks::Pending)).then_some(CHECKS_EVERY);
        let at_first = checks.or(is_unlisted.then_some(UNLISTED_EVERY))?;
        let age = now.duration_since(pull.updated_at.unwrap_or(now).min(now)) / AGE_PER_POLL;
        age.clamp(at_first, LOOKS_AT_MOST_APART)
    } else {
        (is_unlisted && is_watched(task, now)).then_some(CLOSED_UNLISTED_EVERY)?
    };
    if read_at.is_some() {
        return Some(again(read_at, every, now));
    }
    // All at once would be too many; and before the first list nothing is known to be missing from it.
    let began = facts.and_then(|facts| facts.first_checked_at)?;
    let seconds = every.as_secs() * number.rem_euclid(STEPS) / STEPS;
    Some(again(Some(began), SignedDuration::from_secs(seconds), now))
}

/// Users and teams that the automation names and those that its policies require.
fn reviewers(world: &World, task: &AgentTask) -> (Vec<String>, Vec<String>) {
    let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
    let required: Vec<_> = world
        .holding(namespace)
        .map(|policy| &policy.spec().required_reviewers)
        .collect();
    let all = || {
        [&task.spec.pull_request.reviewers]
            .into_iter()
            .chain(required.iter().copied())
    };
    let distinct = |names: BTreeSet<&String>| names.into_iter().cloned().collect();
    let users = distinct(all().flat_map(|reviewers| &reviewers.users).collect());
    (users, distinct(all().flat_map(|reviewers| &reviewers.teams).collect()))
}

fn plan_stale(world: &World, task: &AgentTask, pull: &PullRequest, number: i64, now: Timestamp, planned: &mut Planned) {
    let (Some(terms), Some(updated_at)) = (&task.spec.stale_pull_request, pull.updated_at) else {
        return;
    };
    let due = add(updated_at, terms.after.duration());
    if due > now {
        planned.wake_at(due);
    } else if !pull.stale {
        let mut next = task.status.clone().unwrap_or_default();
        if let Some(pull) = &mut next.pull_request {
            pull.stale = true;
        }
        planned.actions.push(Action::WriteTaskStatus(Box::new(next)));
    } else if terms.action == StaleAction::Close && pull.close_refused.is_none() {
        when_it_may_write(world, task, now, planned, Action::ClosePull { number });
    }
}

/// At a time at which GitHub may be written to.
pub(super) fn when_it_may_write(
    world: &World,
    task: &AgentTask,
    now: Timestamp,
    planned: &mut Planned,
    action: Action,
) {
    match next_write(world, &CredentialKey::of_task(task), now) {
        Some(time) => planned.wake_at(time),
        None => planned.actions.push(action),
    }
}

/// When a credential may be tried for a write, if not now. GitHub asks for writes one at a time and a second apart, starts
/// included.
pub(super) fn next_write(world: &World, key: &CredentialKey, now: Timestamp) -> Option<Timestamp> {
    if world.exchanging.contains(key) || world.writing.values().any(|writing| writing.credential == *key) {
        return Some(add(now, SignedDuration::from_secs(2)));
    }
    let next = world.credentials.get(key).and_then(|credential| credential.next_write);
    pending(next, SignedDuration::from_secs(5), now)
}
