//! What happened to a task up to now, and what can happen next.

use jiff::Timestamp;

use crate::api::automation::StaleAction;
use crate::api::task::{ADOPT_ANNOTATION, Phase, TaskStatus};
use crate::api::{AgentTask, Reason};
use crate::cli::decision::{Decision, is_asked_again};
use crate::plan::deadline::{Deadline, start_before};
use crate::plan::time::{add, to_second};
use crate::plan::world::{World, automation_key, counts, open_pull, phase};
use crate::plan::{notify, pulls, report};

/// What happens where the controller asks for what it needs until it has it.
pub const ASKED_AGAIN: &str = "it is asked for again, within a minute or so";

/// What happened to a task, in order.
#[must_use]
pub fn story(task: &AgentTask, status: &TaskStatus) -> Vec<String> {
    let cause = &task.spec.trigger;
    let automation = automation_key(task).name;
    let mut story = vec![format!(
        "due {} by trigger {} of {automation}",
        cause.scheduled_time, cause.name
    )];
    let follows = task.spec.follows.as_ref();
    story.extend(follows.map(|follows| format!("in the place of {} ({:?})", follows.name, follows.because)));
    let allowed: Vec<_> = status
        .allowed_by
        .iter()
        .map(|policy| format!("{} (generation {})", policy.name, policy.generation))
        .collect();
    if !allowed.is_empty() {
        story.push(format!("allowed by AgentPolicy {}", allowed.join(", ")));
    }
    for attempt in &status.attempts {
        let outcome = attempt
            .outcome
            .map_or("no outcome yet".to_owned(), |outcome| format!("{outcome:?}"));
        let said = attempt
            .message
            .as_ref()
            .map_or(String::new(), |said| format!(": {said}"));
        let at = to_second(attempt.written_at);
        story.push(format!("attempt {} at {at}: {outcome}{said}", attempt.number));
    }
    let github = status.task.as_ref();
    story.extend(github.map(|task| {
        let page = task.url.as_ref().map_or(String::new(), |url| format!(", {url}"));
        format!("task {} at GitHub, {}{page}", task.id, task.state)
    }));
    let refused = status.adopt_refused.iter();
    story.extend(refused.map(|said| format!("the annotation {ADOPT_ANNOTATION} counts for nothing: {said}")));
    story.extend(pull_request(status));
    let refused = report::refusal(status);
    story.extend(refused.map(|said| format!("not told where it came from: {said}")));
    story.extend(status.interventions.iter().map(|intervention| {
        let via = intervention.via.as_ref();
        let via = via.map_or_else(String::new, |via| format!(" via {via}"));
        let (did, at) = (intervention.kind.past(), to_second(intervention.at));
        format!("{did} by {}{via} at {at}", intervention.by)
    }));
    story.extend(status.ended_at.map(|at| format!("ended {}", to_second(at))));
    story.extend(notifications(task, status));
    story.extend(status.successor.as_ref().map(|name| format!("followed by {name}")));
    story
}

/// What can happen at the decision's next time, or what else it takes.
#[must_use]
pub fn then(world: &World, task: &AgentTask, decision: &Decision) -> &'static str {
    let expires = decision.next.is_some() && decision.next == start_before(world, task).map(|(until, _)| until);
    match phase(task) {
        Phase::Pending | Phase::Held if decision.why.reason == Reason::Ready => {
            "the controller sends it, one a second for each token"
        }
        Phase::Pending | Phase::Held if expires => "it expires, if it has not started by then",
        Phase::Pending | Phase::Held if decision.next.is_some() => "it is looked at again",
        Phase::Pending | Phase::Held => by_itself(decision.why.reason),
        Phase::Starting => "GitHub answers, or the answer counts as lost",
        Phase::Unknown if decision.why.reason == Reason::AnswerLost => "it is looked for at GitHub, again and again",
        Phase::Unknown => "nothing happens until a person decides",
        Phase::Running if decision.next.is_some() && has_deadline(task) => {
            "GitHub has been asked again by then, or a deadline passes"
        }
        Phase::Running if decision.next.is_some() => "GitHub has been asked again by then",
        Phase::Running => "the controller learns of it when GitHub says something new",
        _ => after_its_end(task, decision.next),
    }
}

/// What happens where nothing has a time of its own.
#[must_use]
pub fn by_itself(reason: Reason) -> &'static str {
    if is_asked_again(reason) {
        ASKED_AGAIN
    } else {
        "nothing happens by the passing of time alone"
    }
}

/// Who was told of its end.
fn notifications(task: &AgentTask, status: &TaskStatus) -> Vec<String> {
    let told = status.notifications.iter().map(|entry| {
        let state = entry.state.as_str();
        let why = notify::sentence(task, entry).map_or_else(String::new, |said| format!(": {said}"));
        format!("notification {} ({}) {state}{why}", entry.name, entry.of.as_str())
    });
    told.collect()
}

fn has_deadline(task: &AgentTask) -> bool {
    [Deadline::Active, Deadline::Waiting]
        .iter()
        .any(|deadline| deadline.of(task).is_some())
}

/// GitHub lets a person go on with a task that has ended, and its pull request goes its own way.
fn after_its_end(task: &AgentTask, next: Option<Timestamp>) -> &'static str {
    match (next, stale_at(task)) {
        (Some(next), Some((at, StaleAction::Close))) if next == at => {
            "the controller closes its pull request, if nobody has dealt with it by then"
        }
        (Some(next), Some((at, StaleAction::Notify))) if next == at => {
            "its pull request counts as stale, if nobody has dealt with it by then"
        }
        _ if counts(task) => "the controller learns of it when GitHub says that it has ended, or a person gives it up",
        (Some(_), _) => "GitHub has been asked by then what became of its pull request",
        (None, _) if open_pull(task) => "somebody reviews, merges or closes its pull request",
        (None, _) => "nothing: it has ended",
    }
}

/// When nobody will have dealt with its open pull request for as long as the automation allows, and what follows.
fn stale_at(task: &AgentTask) -> Option<(Timestamp, StaleAction)> {
    let terms = task.spec.stale_pull_request.as_ref()?;
    let pull = task.status.as_ref()?.pull_request.as_ref()?;
    let at = add(pull.updated_at?, terms.after.duration());
    (pull.is_open() && !pull.stale).then_some((at, terms.action))
}

fn pull_request(status: &TaskStatus) -> Option<String> {
    let pull = status.pull_request.as_ref()?;
    let url = pull.url.as_ref()?;
    let state = if pull.merged {
        "merged"
    } else {
        pull.state.as_deref().unwrap_or("open")
    };
    let neglected = if pull.stale { ", stale" } else { "" };
    let by = if pull.closed_as_stale_at.is_some() {
        " by the controller, because nobody dealt with it"
    } else {
        ""
    };
    let refused = pulls::refusal(pull).map(|said| format!("; not done: {said}"));
    Some(format!(
        "pull request {url}, {state}{by}{neglected}{}",
        refused.unwrap_or_default()
    ))
}
