//! `agent-automation why`: a decision in words, worked out now by the controller's own planner.

mod remedy;
mod story;

use std::fmt::Write;
use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::automation::{
    GuardrailStatus, RESUMED_BY_ANNOTATION, RefusedEvent, RefusedEvents, SUSPENDED_BY_ANNOTATION,
};
use crate::api::policy::WhenFrozen;
use crate::api::task::Bound;
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::counted::counted;
use crate::domain::outside::clean_line;
use crate::plan::automation::{narrowed, outlook};
use crate::plan::conditions::Standing;
use crate::plan::policy::open_windows;
use crate::plan::time::to_second;
use crate::plan::world::{automation_key, counts, folded, phase};
use crate::plan::{ObjectKey, Why, guardrails, notify, pulls};

use super::cluster::{self, View};
use super::decision::{self, Decision, is_asked_again};
use super::table::{print_words, relative};
use story::ASKED_AGAIN;

/// The most characters of a user's name.
const LONGEST_NAME: usize = 256;
/// The most tasks that are named.
const NAMED: usize = 3;
/// Sentences are folded at this many columns, and go on below their first word.
const WIDTH: usize = 120;
const INDENT: usize = 11;

/// Print why an automation or a task is as it is, which rule of which object says so, and what would change it.
///
/// The decision is worked out now from the objects as they are; where the status says something else, both are told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task or an automation; automation/NAME or task/NAME where both have the name.
    name: String,
    #[command(flatten)]
    cluster: cluster::Args,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let view = match args.cluster.view() {
        Ok(view) => view,
        Err(error) => return error.refuse(),
    };
    let answers = match answers(&view, &args.name) {
        Ok(answers) => answers,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let words: Vec<_> = answers.iter().map(|answer| answer.words(view.now)).collect();
    print_words(&answers, args.cluster.output, &words.join("\n"))
}

/// Why one object is as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
    /// A task's phase, or whether an automation is ready.
    pub state: String,
    /// What happened up to now.
    pub happened: Vec<String>,
    pub reason: Reason,
    pub message: String,
    /// The rule that binds it.
    pub bound_by: Option<Bound>,
    /// What takes the room that it waits for.
    pub taken_by: Vec<String>,
    pub remedy: String,
    /// What the status says where that is something else.
    pub told: Option<String>,
    pub guardrails: Vec<GuardrailStatus>,
    /// When something can happen by the passing of time alone.
    pub next: Option<Timestamp>,
    /// What can happen then, or what else it takes.
    pub then: String,
}

impl Answer {
    fn words(&self, now: Timestamp) -> String {
        let mut text = format!("{} {}/{}: {}\n", self.kind, self.namespace, self.name, self.state);
        for happened in &self.happened {
            text.push_str(&folded_at(&format!("  {happened}"), 4));
        }
        let mut tell = |label: &str, said: &str| {
            let line = format!("  {:<8} {said}", format!("{label}:"));
            text.push_str(&folded_at(&line, INDENT));
        };
        tell("why", &format!("{}: {}", self.reason.as_str(), self.message));
        if let Some(bound) = &self.bound_by {
            let Bound {
                kind,
                name,
                generation,
                rule,
            } = bound;
            tell("rule", &format!("{rule} of {kind} {name} (generation {generation})"));
        }
        for guardrail in &self.guardrails {
            let GuardrailStatus { policy, name, .. } = guardrail;
            let said = Some(format!(": {}", guardrail.message)).filter(|_| !guardrail.message.is_empty());
            let state = guardrail.state;
            tell(
                "guard",
                &format!("{name} ({policy}) {state:?}{}", said.unwrap_or_default()),
            );
        }
        for taken in &self.taken_by {
            tell("taken", taken);
        }
        if let Some(told) = &self.told {
            tell("status", told);
        }
        tell("change", &self.remedy);
        let next = self.next.map_or_else(String::new, |next| {
            format!("{} ({}): ", to_second(next), relative(Some(next), now))
        });
        tell("next", &format!("{next}{}", self.then));
        text
    }
}

/// A line as lines that are no wider than people read, broken between words.
fn folded_at(line: &str, indent: usize) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in line.split_inclusive(' ') {
        let width = word.trim_end().chars().count();
        if column > indent && column + width > WIDTH {
            text.truncate(text.trim_end().len());
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text + "\n"
}

fn answers(view: &View, wanted: &str) -> Result<Vec<Answer>, String> {
    let (kind, name) = cluster::split(wanted);
    let is = |names: &[&str]| kind.is_none_or(|kind| names.contains(&kind.to_ascii_lowercase().as_str()));
    let (is_task, is_automation) = (is(cluster::TASK), is(cluster::AUTOMATION));
    let what = match (is_automation, is_task) {
        (true, true) => "automation and no task",
        (true, false) => "automation",
        (false, true) => "task",
        (false, false) => return Err(of_another_kind(kind.unwrap_or_default())),
    };
    let automations = view.world.automations();
    let automations: Vec<_> = automations
        .filter(|(key, _)| is_automation && key.name == name)
        .collect();
    let tasks: Vec<_> = view
        .world
        .tasks()
        .filter(|(key, _)| is_task && key.name == name)
        .collect();
    let shown = |key: &ObjectKey| view.shows(&key.namespace);
    let of_automations = automations.iter().filter(|(key, _)| shown(key));
    let of_automations = of_automations.map(|(_, automation)| of_automation(view, automation));
    let of_tasks = tasks.iter().filter(|(key, _)| shown(key));
    let of_tasks = of_tasks.map(|(_, task)| of_task(view, task));
    let answers: Vec<_> = of_automations.chain(of_tasks).collect();
    if answers.is_empty() {
        let keys = automations.iter().map(|(key, _)| *key);
        let keys = keys.chain(tasks.iter().map(|(key, _)| *key));
        return Err(cluster::not_found(view, what, name, keys));
    }
    Ok(answers)
}

fn of_another_kind(kind: &str) -> String {
    if matches!(kind, "policy" | "apolicy" | "agentpolicy" | "agentpolicies") {
        "a policy decides, and nothing is decided about it: kubectl aauto status --policies shows what its limits stand at"
            .to_owned()
    } else {
        format!("{kind} is no kind of this project: write NAME, automation/NAME or task/NAME")
    }
}

fn of_automation(view: &View, automation: &AgentAutomation) -> Answer {
    let standing = decision::standing(view, automation);
    let state = match &standing {
        Standing::Ready(_) => "Ready",
        Standing::Reconciling(_) => "Reconciling",
        Standing::Stalled(_) => "Stalled",
    };
    let Why { reason, message } = standing.why().clone();
    let conditions = automation.status.iter().flat_map(|status| &status.conditions);
    let told = conditions.filter(|condition| condition.type_ == "Ready" && condition.reason != reason.as_str());
    let told = told
        .map(|condition| format!("{}: {}", condition.reason, condition.message))
        .next();
    let waiting = waiting_of(view, automation);
    let (next, then) = outlook_of(view, automation, &waiting, reason);
    Answer {
        kind: "automation",
        namespace: automation.namespace().unwrap_or_default(),
        name: automation.name_any(),
        state: state.to_owned(),
        happened: of_its_tasks(view, automation, &waiting, reason),
        remedy: remedy_of(automation, &waiting, reason),
        reason,
        message,
        bound_by: decision::rule_of(view, automation, reason),
        taken_by: Vec::new(),
        told,
        guardrails: guardrails::of_automation(&view.world, automation)
            .map(|key| guardrails::statuses(&view.world, &key))
            .unwrap_or_default(),
        next,
        then,
    }
}

/// What would change how it stands, or where nothing has to, how the first task stands that something holds.
fn remedy_of(automation: &AgentAutomation, waiting: &[(&AgentTask, Decision)], reason: Reason) -> String {
    let held = waiting
        .iter()
        .find(|(_, decision)| decision.why.reason != Reason::Ready);
    match held.filter(|_| reason == Reason::Ready) {
        Some((task, _)) => {
            let (name, namespace) = (task.name_any(), task.namespace().unwrap_or_default());
            format!(
                "nothing has to change for the automation; kubectl aauto why {name} -n {namespace} says what would for a task"
            )
        }
        None => remedy::of_automation(automation, reason),
    }
}

/// Its tasks that wait, in the order in which they start.
fn waiting_of<'a>(view: &'a View, automation: &AgentAutomation) -> Vec<(&'a AgentTask, Decision)> {
    let key = ObjectKey::of(automation);
    let queue = decision::queue(view).into_iter();
    queue.filter(|(task, _)| automation_key(task) == key).collect()
}

/// The next time that anything can happen, to it or to what waits, and what that is.
fn outlook_of(
    view: &View,
    automation: &AgentAutomation,
    waiting: &[(&AgentTask, Decision)],
    reason: Reason,
) -> (Option<Timestamp>, String) {
    let fires = outlook(&view.world, automation, view.now).1;
    let fires = fires.map(|at| (at, "its next trigger fires".to_owned()));
    let of_tasks = waiting.iter().filter_map(|(task, decision)| {
        let then = story::then(&view.world, task, decision);
        Some((decision.next?, format!("for {}: {then}", task.name_any())))
    });
    let soonest = fires.into_iter().chain(of_tasks).min_by_key(|(at, _)| *at);
    let reasons = waiting.iter().map(|(_, decision)| decision.why.reason);
    let asked = [reason]
        .into_iter()
        .chain(reasons)
        .find(|reason| is_asked_again(*reason));
    match (soonest, asked) {
        (Some((at, then)), None) => (Some(at), then),
        (Some((at, then)), Some(asked)) => (Some(at), format!("{then}; as for {}, {ASKED_AGAIN}", asked.as_str())),
        (None, asked) => (None, story::by_itself(asked.unwrap_or(reason)).to_owned()),
    }
}

/// What came of its tasks, and what those wait for that wait.
fn of_its_tasks(
    view: &View,
    automation: &AgentAutomation,
    waiting: &[(&AgentTask, Decision)],
    reason: Reason,
) -> Vec<String> {
    let tasks: Vec<_> = view.world.tasks_of(automation).collect();
    let count = |wanted: fn(&AgentTask) -> bool| tasks.iter().filter(|task| wanted(task)).count();
    let held = count(|task| phase(task).is_waiting());
    let mut lines = vec![format!("{} under way, {held} waiting", count(counts))];
    let ended = tasks.iter().filter_map(|task| {
        let status = task.status.as_ref()?;
        Some((status.ended_at?, task.name_any(), status.phase))
    });
    lines.extend(ended.max().map(|(at, name, phase)| {
        let when = relative(Some(at), view.now);
        format!("the last to end was {name}: {}, {when}", phase.as_str())
    }));
    lines.extend(narrowed(&view.world, automation, view.now).map(|why| format!("narrowed: {}", why.message)));
    lines.extend(frozen(view, automation));
    lines.extend(passed_over(automation));
    lines.extend(degraded(automation));
    lines.extend(signed(automation));
    lines.extend(refused_of(automation, view.now));
    lines.extend(undelivered(automation, &tasks));
    lines.extend(in_the_way_of(waiting, reason));
    lines.extend(tasks.iter().filter_map(|task| refused_for(task)).take(NAMED));
    lines
}

/// The windows in which nothing of it starts.
fn frozen(view: &View, automation: &AgentAutomation) -> Vec<String> {
    let namespace = automation.namespace().unwrap_or_default();
    let open = open_windows(&view.world, &namespace, view.now).map(|(policy, open)| {
        let becomes = match open.due {
            WhenFrozen::Hold => "waits",
            WhenFrozen::Skip => "is skipped",
        };
        let (window, policy, ends) = (open.name, policy.name(), open.ends);
        format!("frozen: until {ends}, by the window {window} of AgentPolicy {policy}; what comes due {becomes}")
    });
    open.collect()
}

/// What made no task.
fn passed_over(automation: &AgentAutomation) -> Vec<String> {
    let Some(status) = &automation.status else {
        return Vec::new();
    };
    let missed = (status.missed_runs > 0).then(|| {
        let times = counted(status.missed_runs, "scheduled time was", "scheduled times were");
        format!("missed: {times} not run; its Events of the reason RunsMissed say why")
    });
    let skipped = status.events.as_ref().map_or(0, |events| events.skipped);
    let skipped = (skipped > 0).then(|| {
        let events = counted(skipped, "event was", "events were");
        format!("skipped: {events} found later than maxEventAge, or while it was suspended")
    });
    missed.into_iter().chain(skipped).collect()
}

/// Which of several credentials can't be used, as only the cluster tells.
fn degraded(automation: &AgentAutomation) -> Option<String> {
    let mut conditions = automation.status.iter().flat_map(|status| &status.conditions);
    let told = conditions.find(|condition| condition.type_ == "Degraded")?;
    let is_current = told.observed_generation == automation.metadata.generation;
    is_current.then(|| format!("degraded: {}", told.message))
}

/// What GitHub refused to do about a pull request that waits for people.
fn refused_for(task: &AgentTask) -> Option<String> {
    let pull = task
        .status
        .as_ref()?
        .pull_request
        .as_ref()
        .filter(|pull| pull.is_open())?;
    let (name, said) = (task.name_any(), pulls::refusal(pull)?);
    Some(format!(
        "what was to be done about the pull request of {name} is not done: {said}"
    ))
}

/// Who suspended it or let it go on, where a name was written.
fn signed(automation: &AgentAutomation) -> Option<String> {
    let (annotation, did) = if automation.spec.suspend {
        (SUSPENDED_BY_ANNOTATION, "suspended")
    } else {
        (RESUMED_BY_ANNOTATION, "resumed")
    };
    let by = clean_line(automation.annotations().get(annotation)?, LONGEST_NAME).text;
    (!by.is_empty()).then(|| format!("{did} by {by}"))
}

/// What happened at GitHub and would have fired, had somebody else done it.
fn refused_of(automation: &AgentAutomation, now: Timestamp) -> Option<String> {
    let RefusedEvents { count, last } = automation.status.as_ref()?.events.as_ref()?.refused.as_ref()?;
    let RefusedEvent {
        time,
        action,
        url,
        sender,
        association,
        message,
    } = last;
    let (when, association) = (relative(Some(*time), now), association.as_str());
    let of_many = match count {
        1 => String::new(),
        count => format!("; the last of {count}"),
    };
    Some(format!(
        "refused: {action} by {sender} ({association}), {when}, {url}: {message}{of_many}"
    ))
}

/// Who could not be told of the ends of its tasks, and how often that was given up.
fn undelivered(automation: &AgentAutomation, tasks: &[&AgentTask]) -> Vec<String> {
    let dead = automation.status.as_ref().map_or(0, |status| status.dead_letters);
    let dead = (dead > 0).then(|| counted(dead, "notification was given up", "notifications were given up"));
    let why = notify::undelivered(automation, tasks);
    let why = why.map(|why| format!("undelivered: {}", why.message));
    dead.into_iter().chain(why).collect()
}

/// What its waiting tasks wait for, unless that is what the automation itself waits for.
fn in_the_way_of(waiting: &[(&AgentTask, Decision)], reason: Reason) -> Vec<String> {
    let mut grouped: Vec<(&Why, Vec<String>)> = Vec::new();
    for (task, decision) in waiting.iter().filter(|(_, decision)| decision.why.reason != reason) {
        match grouped.iter_mut().find(|(why, _)| **why == decision.why) {
            Some((_, names)) => names.push(task.name_any()),
            None => grouped.push((&decision.why, vec![task.name_any()])),
        }
    }
    let lines = grouped.into_iter().take(NAMED).map(|(why, names)| {
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let names = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        format!("{names}{more} waiting: {}: {}", why.reason.as_str(), why.message)
    });
    lines.collect()
}

fn of_task(view: &View, task: &AgentTask) -> Answer {
    let key = ObjectKey::of(task);
    let decision = decision::of_task(view, task);
    let status = task.status.clone().unwrap_or_default();
    let differs = status.reason.is_some_and(|reason| reason != decision.why.reason);
    let told = status.reason.zip(status.message.as_ref()).filter(|_| differs);
    let then = story::then(&view.world, task, &decision).to_owned();
    let taken_by = taken_by(view, task, &decision);
    let Decision { why, bound, next } = decision;
    Answer {
        kind: "task",
        state: phase(task).as_str().to_owned(),
        happened: story::story(task, &status),
        remedy: remedy::of_task(&view.world, task, why.reason, view.now),
        reason: why.reason,
        message: why.message,
        bound_by: bound,
        taken_by,
        told: told.map(|(reason, message)| format!("{}: {message}", reason.as_str())),
        guardrails: Vec::new(),
        next,
        then,
        namespace: key.namespace,
        name: key.name,
    }
}

/// The tasks under way that take the room of the cap that binds a task.
fn taken_by(view: &View, task: &AgentTask, decision: &Decision) -> Vec<String> {
    let Some(bound) = decision.bound.as_ref().filter(|_| is_a_cap(decision.why.reason)) else {
        return Vec::new();
    };
    let policy = view
        .world
        .holding(&task.namespace().unwrap_or_default())
        .find(|policy| bound.kind == "AgentPolicy" && policy.name() == bound.name);
    let counted = |other: &AgentTask| match policy {
        Some(policy) => {
            let same_repository = folded(&other.spec.repository) == folded(&task.spec.repository);
            view.world.holds(policy, &other.namespace().unwrap_or_default())
                && (!bound.rule.ends_with("PerRepository") || same_repository)
                && (!bound.rule.ends_with("PerAutomation") || automation_key(other) == automation_key(task))
        }
        None => automation_key(other) == automation_key(task),
    };
    let counted: Vec<_> = view.world.active().filter(|(_, other)| counted(other)).collect();
    let named = counted.iter().take(NAMED).map(|(key, other)| {
        let since = other.status.as_ref().and_then(|status| status.started_at);
        let since = since.map_or_else(String::new, |at| format!(", started {}", relative(Some(at), view.now)));
        format!("{key} is {}{since}{}", phase(other).as_str(), remedy::freeing(other))
    });
    let more = counted.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    named.chain(more).collect()
}

fn is_a_cap(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::AutomationCap | Reason::PolicyCap | Reason::RepositoryCap
    )
}
