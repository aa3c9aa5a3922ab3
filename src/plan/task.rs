//! A task after its start: what an observation at GitHub means, and when the next one is due.
//!
//! Observations may arrive out of order, so one that is older than what status holds is dropped. The phase in which a
//! task ended stays: GitHub lets a person go on with a finished task, and then its session state says so and it counts
//! against caps again, but what was decided about its end is not taken back.

use jiff::{SignedDuration, Timestamp};

use crate::api::task::{GitHubTask, Phase, PullRequest, TaskStatus};
use crate::api::{AgentTask, Reason};
use crate::domain::task_state::TaskState;

use super::credential::{Usability, limited_until, usability};
use super::deadline::Deadline;
use super::observed::{ListedTask, ObservedTask};
use super::start::{bounded, say};
use super::time::{add, again, to_second};
use super::world::{CredentialKey, ObjectKey, TaskFacts, World, counts};
use super::{Action, Planned, Settings, Subject, intervention, notify, pulls, report, retry, search, start};

/// A task that lists do not show (it may be archived) is read by its id this often.
const UNLISTED: SignedDuration = SignedDuration::from_mins(5);
/// A pull request's link is looked for this often, for this long after the end, and then this often.
const RESOLVE_EVERY: SignedDuration = SignedDuration::from_secs(30);
const RESOLVE_FOR: SignedDuration = SignedDuration::from_mins(10);
const RESOLVE_LATE: SignedDuration = SignedDuration::from_hours(1);

/// What is to be done for a task that has been started. Waiting ones are [`admission`](super::admission)'s.
#[must_use]
pub fn plan(world: &World, key: &ObjectKey, settings: &Settings, now: Timestamp) -> Planned {
    let (Some(task), false) = (world.task(key), world.busy.contains(&Subject::Task(key.clone()))) else {
        return Planned::default();
    };
    let Some(status) = &task.status else {
        return Planned::default();
    };
    if let Some(next) = notify::learned(world, key, task, now) {
        return Planned {
            actions: vec![Action::WriteTaskStatus(Box::new(next))],
            ..Planned::default()
        };
    }
    let decided = intervention::plan(world, key, task, status, now);
    if !decided.actions.is_empty() {
        return decided;
    }
    let mut planned = match status.phase {
        Phase::Pending | Phase::Held => plan_said(world, task, Planned::default(), now),
        Phase::Starting => plan_starting(status, now),
        Phase::Unknown => plan_said(world, task, plan_unknown(world, key, task, status, settings, now), now),
        _ => plan_said(world, task, plan_started(world, key, task, status, settings, now), now),
    };
    if let Some(until) = hindered(world, task, settings, now) {
        let wanted = planned.actions.len();
        planned
            .actions
            .retain(|action| matches!(action, Action::WriteTaskStatus(_) | Action::CreateTask(_)));
        if planned.actions.len() < wanted {
            planned.wake_at(until);
        }
    }
    if let Some(time) = decided.wake {
        planned.wake_at(time);
    }
    planned
}

/// What is said where it came from waits for everything else.
fn plan_said(world: &World, task: &AgentTask, mut planned: Planned, now: Timestamp) -> Planned {
    if planned.actions.is_empty() {
        report::plan(world, task, now, &mut planned);
    }
    planned
}

/// A task that GitHub has, or had: what follows it comes first, then what is asked of GitHub.
fn plan_started(
    world: &World,
    key: &ObjectKey,
    task: &AgentTask,
    status: &TaskStatus,
    settings: &Settings,
    now: Timestamp,
) -> Planned {
    if let Some(step) = retry::plan(world, task) {
        return Planned {
            actions: vec![step],
            ..Planned::default()
        };
    }
    let deadline = deadline(task, status);
    if let Some((_, next)) = deadline.as_ref().filter(|(due, _)| *due <= now) {
        let mut next = next.clone();
        next.ended_at = Some(now);
        return Planned {
            actions: vec![Action::WriteTaskStatus(Box::new(next))],
            ..Planned::default()
        };
    }
    let mut planned = plan_following(world.facts.get(key), status, counts(task), settings, now);
    if let Some((due, _)) = deadline {
        planned.wake_at(due);
    }
    if planned.actions.is_empty() {
        pulls::plan_task(world, key, task, now, &mut planned);
    }
    planned
}

/// When a running task is given up here, and the status that says so. GitHub has no way to stop it.
fn deadline(task: &AgentTask, status: &TaskStatus) -> Option<(Timestamp, TaskStatus)> {
    let state = status.task.as_ref().map(|task| TaskState::parse(&task.state));
    // What has ended at GitHub is asked about, however late it was found.
    if status.phase != Phase::Running || state.is_some_and(|state| state.is_terminal()) {
        return None;
    }
    let after = |since: Option<Timestamp>, seconds: Option<i32>| {
        Some(add(since?, SignedDuration::from_secs(i64::from(seconds?))))
    };
    let page = status
        .task
        .as_ref()
        .and_then(|task| task.url.clone())
        .unwrap_or_default();
    let active = after(status.started_at, Deadline::Active.of(task)).map(|due| {
        let message = format!(
            "it did not end before {} and may go on at GitHub, where it counts until it ends: {page}",
            to_second(due)
        );
        (due, Reason::ActiveDeadline, message)
    });
    let waiting = after(status.waiting_since, Deadline::Waiting.of(task)).map(|due| {
        let message = format!(
            "nobody answered the agent before {}; it may go on at GitHub: {page}",
            to_second(due)
        );
        (due, Reason::WaitingDeadline, message)
    });
    let (due, reason, message) = active.into_iter().chain(waiting).min_by_key(|(due, ..)| *due)?;
    let which = if reason == Reason::ActiveDeadline {
        Deadline::Active
    } else {
        Deadline::Waiting
    };
    let mut next = status.clone();
    next.bound_by = Some(which.bound(task));
    say(&mut next, Phase::TimedOut, reason, message.trim_end_matches([' ', ':']));
    Some((due, next))
}

/// What an observation makes of a status; `None` when there is nothing new in it.
#[must_use]
pub fn observe(status: &TaskStatus, seen: &ObservedTask, now: Timestamp) -> Option<TaskStatus> {
    let known = status.task.as_ref()?;
    if known.id != seen.id || seen.updated_at < known.updated_at {
        return None;
    }
    let mut next = status.clone();
    next.task = Some(GitHubTask {
        url: seen.url.clone().or_else(|| known.url.clone()),
        state: seen.state.as_str().to_owned(),
        updated_at: seen.updated_at,
        ..known.clone()
    });
    next.branch = seen.branch.clone().or(next.branch);
    next.pull_request = merge_pull(next.pull_request, seen.pull_request.as_ref());
    next.usage = seen.usage.clone().or(next.usage);
    if status.phase == Phase::Running {
        progress(&mut next, seen, now);
    }
    (next != *status).then_some(next)
}

fn progress(next: &mut TaskStatus, seen: &ObservedTask, now: Timestamp) {
    let said = seen.failure.as_deref().map(bounded);
    let (phase, reason, message) = match seen.state {
        TaskState::Completed => (Phase::Succeeded, Reason::Completed, finished(next)),
        TaskState::Failed => {
            let why = said.clone().unwrap_or_else(|| "GitHub gives no reason".to_owned());
            (Phase::Failed, Reason::SessionFailed, format!("the agent failed: {why}"))
        }
        TaskState::TimedOut => (
            Phase::TimedOut,
            Reason::SessionTimedOut,
            "the agent ran out of time".to_owned(),
        ),
        TaskState::Cancelled => (
            Phase::Cancelled,
            Reason::SessionCancelled,
            "somebody cancelled it at GitHub".to_owned(),
        ),
        TaskState::WaitingForUser => {
            let page = next.task.as_ref().and_then(|task| task.url.clone()).unwrap_or_default();
            let message = format!("the agent waits for an answer at {page}");
            (Phase::Running, Reason::WaitingForUser, message.trim_end().to_owned())
        }
        TaskState::Queued | TaskState::InProgress | TaskState::Idle | TaskState::Other(_) => {
            let message = format!("GitHub says {}", seen.state.as_str());
            (Phase::Running, Reason::InProgress, message)
        }
    };
    let waits = reason == Reason::WaitingForUser;
    next.waiting_since = waits.then(|| next.waiting_since.unwrap_or(now));
    if phase.is_ended() {
        next.ended_at = Some(now);
        next.failure = said.filter(|_| phase != Phase::Succeeded);
    }
    say(next, phase, reason, message);
}

fn finished(status: &TaskStatus) -> String {
    match (&status.pull_request, &status.branch) {
        (Some(PullRequest { url: Some(url), .. }), _) => format!("the agent has finished: {url}"),
        (Some(_), _) => "the agent has finished; its pull request's link is being looked up".to_owned(),
        (None, Some(branch)) => format!("the agent has finished on branch {branch}, without a pull request"),
        (None, None) => "the agent has finished without a branch".to_owned(),
    }
}

/// What is known of a pull request is kept where a look did not resolve it, or where it has been read itself.
fn merge_pull(known: Option<PullRequest>, seen: Option<&PullRequest>) -> Option<PullRequest> {
    match (known, seen) {
        (Some(known), Some(seen)) if known.id == seen.id && (seen.number.is_none() || known.updated_at.is_some()) => {
            Some(known)
        }
        (known, seen) => seen.cloned().or(known),
    }
}

/// Until when GitHub is not to be asked with the task's credential.
fn hindered(world: &World, task: &AgentTask, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let key = CredentialKey::of_task(task);
    let credential = world.credentials.get(&key);
    match usability(&key, credential) {
        Usability::Usable(_) => limited_until(credential, now),
        Usability::Unread | Usability::Unusable(_) => Some(add(now, settings.recheck_interval)),
    }
}

/// A task that starts and that nobody here is starting: its controller died. Nobody concludes anything before the
/// deadline, since until then the request may be on its way.
fn plan_starting(status: &TaskStatus, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    let Some(attempt) = status.attempts.last() else {
        return planned;
    };
    if now < attempt.deadline {
        planned.wake_at(attempt.deadline);
    } else {
        let next = start::orphaned(status, attempt.number);
        planned.actions.push(Action::WriteTaskStatus(Box::new(next)));
    }
    planned
}

fn plan_unknown(
    world: &World,
    key: &ObjectKey,
    task: &AgentTask,
    status: &TaskStatus,
    settings: &Settings,
    now: Timestamp,
) -> Planned {
    let search = world.facts.get(key).and_then(|facts| facts.search.as_ref());
    search::plan(status, task.spec.start_policy, search, settings, now)
}

fn plan_following(
    facts: Option<&TaskFacts>,
    status: &TaskStatus,
    counts: bool,
    settings: &Settings,
    now: Timestamp,
) -> Planned {
    let mut planned = Planned::default();
    let Some(task) = &status.task else {
        return planned;
    };
    let observed_at = facts.and_then(|facts| facts.observed_at);
    let due = if facts
        .and_then(|facts| facts.listed.as_ref())
        .is_some_and(|listed| is_news(listed, task))
    {
        // Details may lag behind the list for as long as they like; asking faster does not help.
        Some(again(observed_at, settings.poll_min, now))
    } else if status.phase == Phase::Running && is_hearsay(task) {
        Some(again(observed_at, RESOLVE_EVERY, now))
    } else if counts {
        Some(again(observed_at.or(status.started_at), UNLISTED, now))
    } else {
        next_resolution(status, observed_at, now)
    };
    match due {
        Some(due) if due <= now => planned.actions.push(Action::Observe { id: task.id.clone() }),
        Some(due) => planned.wake_at(due),
        None => {}
    }
    planned
}

/// Adopted as it was: it may have ended long before, so that no list calls that news.
fn is_hearsay(task: &GitHubTask) -> bool {
    task.updated_at.is_none() || TaskState::parse(&task.state).is_terminal()
}

fn is_news(listed: &ListedTask, known: &GitHubTask) -> bool {
    listed.id == known.id
        && (listed.updated_at > known.updated_at
            || (listed.updated_at == known.updated_at && listed.state.as_str() != known.state))
}

/// When a pull request whose link is missing is looked up again: soon after the end often, and later now and then, since it
/// counts as open for as long as nobody knows better.
fn next_resolution(status: &TaskStatus, observed_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let unresolved = status.pull_request.as_ref().is_some_and(|pull| pull.url.is_none());
    let is_late = now > add(status.ended_at?, RESOLVE_FOR);
    let every = if is_late { RESOLVE_LATE } else { RESOLVE_EVERY };
    unresolved.then(|| again(observed_at, every, now))
}
