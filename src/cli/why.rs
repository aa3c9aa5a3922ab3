//! `agent-automation why`: a decision in words, worked out now by the controller's own planner.

mod remedy;

use std::fmt::Write;
use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::automation::GuardrailStatus;
use crate::api::task::{Bound, TaskStatus};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::plan::automation::{narrowed, outlook, standing};
use crate::plan::conditions::Standing;
use crate::plan::world::{automation_key, phase};
use crate::plan::{Action, ObjectKey, Planned, Settings, Subject, Why, admission, guardrails, task};

use super::cluster::{self, View};
use super::output::refuse;
use super::table::{print_words, relative};
use remedy::remedy;

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
        Err(error) => return refuse(&error),
    };
    let answers = answers(&view, &args.name);
    if answers.is_empty() {
        let name = &args.name;
        eprintln!("error: there is no task and no automation {name} here: kubectl get aauto,atask -A lists them");
        return ExitCode::FAILURE;
    }
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
    pub remedy: &'static str,
    /// What the status says where that is something else.
    pub told: Option<String>,
    pub guardrails: Vec<GuardrailStatus>,
    /// When something can happen by itself.
    pub next: Option<Timestamp>,
}

impl Answer {
    fn words(&self, now: Timestamp) -> String {
        let mut text = format!("{} {}/{}: {}\n", self.kind, self.namespace, self.name, self.state);
        for happened in &self.happened {
            let _ = writeln!(text, "  {happened}");
        }
        let _ = writeln!(text, "  why:     {}: {}", self.reason.as_str(), self.message);
        if let Some(bound) = &self.bound_by {
            let Bound {
                kind,
                name,
                generation,
                rule,
            } = bound;
            let _ = writeln!(text, "  rule:    {rule} of {kind} {name} (generation {generation})");
        }
        for guardrail in &self.guardrails {
            let GuardrailStatus {
                policy, name, message, ..
            } = guardrail;
            let state = format!("{:?}", guardrail.state);
            let said = if message.is_empty() {
                String::new()
            } else {
                format!(": {message}")
            };
            let _ = writeln!(text, "  guard:   {name} ({policy}) {state}{said}");
        }
        if let Some(told) = &self.told {
            let _ = writeln!(text, "  status:  {told}");
        }
        let _ = writeln!(text, "  change:  {}", self.remedy);
        let next = match self.next {
            Some(next) => format!("{next} ({})", relative(Some(next), now)),
            None => "nothing happens by the passing of time alone".to_owned(),
        };
        let _ = writeln!(text, "  next:    {next}");
        text
    }
}

fn answers(view: &View, wanted: &str) -> Vec<Answer> {
    let (kind, name) = wanted.split_once('/').unwrap_or(("", wanted));
    let is_task = matches!(kind, "" | "task" | "atask" | "agenttask" | "agenttasks");
    let is_automation = matches!(
        kind,
        "" | "automation" | "aauto" | "agentautomation" | "agentautomations"
    );
    let meant = |key: &ObjectKey| key.name == name && view.shows(&key.namespace);
    let automations = view.world.automations().filter(|(key, _)| is_automation && meant(key));
    let tasks = view.world.tasks().filter(|(key, _)| is_task && meant(key));
    let automations = automations.map(|(_, automation)| of_automation(view, automation));
    let tasks = tasks.map(|(key, task)| of_task(view, key, task));
    automations.chain(tasks).collect()
}

fn of_automation(view: &View, automation: &AgentAutomation) -> Answer {
    let standing = standing(&view.world, automation, view.now);
    let state = match &standing {
        Standing::Ready(_) => "Ready",
        Standing::Reconciling(_) => "Reconciling",
        Standing::Stalled(_) => "Stalled",
    };
    let Why { reason, message } = standing.why().clone();
    let tasks: Vec<_> = view.world.tasks_of(automation).collect();
    let count = |wanted: fn(&AgentTask) -> bool| tasks.iter().filter(|task| wanted(task)).count();
    let mut happened = vec![format!(
        "{} under way, {} waiting",
        count(crate::plan::world::counts),
        count(|task| phase(task).is_waiting())
    )];
    happened.extend(narrowed(&view.world, automation, view.now).map(|why| format!("narrowed: {}", why.message)));
    let conditions = automation.status.iter().flat_map(|status| &status.conditions);
    let told = conditions.filter(|condition| condition.type_ == "Ready" && condition.reason != reason.as_str());
    let told = told
        .map(|condition| format!("{}: {}", condition.reason, condition.message))
        .next();
    Answer {
        kind: "automation",
        namespace: automation.namespace().unwrap_or_default(),
        name: automation.name_any(),
        state: state.to_owned(),
        happened,
        remedy: remedy(reason),
        reason,
        message,
        bound_by: None,
        told,
        guardrails: guardrails::of_automation(automation)
            .map(|key| guardrails::statuses(&view.world, &key))
            .unwrap_or_default(),
        next: outlook(&view.world, automation, view.now).1,
    }
}

fn of_task(view: &View, key: &ObjectKey, object: &AgentTask) -> Answer {
    let planned = plan_of(view, key);
    let status = object.status.clone().unwrap_or_default();
    let decided = planned.reasons.first().cloned();
    let next_status = planned.actions.iter().find_map(written);
    let written = |status: &TaskStatus| {
        let reason = status.reason.unwrap_or(Reason::Ready);
        Why::new(reason, status.message.clone().unwrap_or_default())
    };
    let starts = planned.actions.iter().any(|action| matches!(action, Action::Start(_)));
    let nothing = || {
        Why::new(
            Reason::Ready,
            "nothing is in its way, and it waits for its turn to be sent",
        )
    };
    let why = if phase(object).is_waiting() {
        decided.unwrap_or_else(|| {
            if starts || status.reason.is_none() {
                nothing()
            } else {
                written(&status)
            }
        })
    } else {
        next_status.map_or_else(|| written(&status), written)
    };
    let bound_by = next_status
        .and_then(|status| status.bound_by.clone())
        .or_else(|| status.bound_by.clone());
    let differs = status.reason.is_some_and(|reason| reason != why.reason);
    let told = status.reason.zip(status.message.as_ref()).filter(|_| differs);
    Answer {
        kind: "task",
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        state: phase(object).as_str().to_owned(),
        happened: story(object, &status),
        remedy: remedy(why.reason),
        reason: why.reason,
        message: why.message,
        bound_by: bound_by.filter(|_| phase(object).is_waiting() || phase(object).is_ended()),
        told: told.map(|(reason, message)| format!("{}: {message}", reason.as_str())),
        guardrails: Vec::new(),
        next: planned.wake,
    }
}

fn plan_of(view: &View, key: &ObjectKey) -> Planned {
    let settings = Settings::default();
    let subject = Subject::Task(key.clone());
    let plans = admission::plan(&view.world, &settings, view.now);
    let waiting = plans.into_iter().find(|(planned, _)| *planned == subject);
    waiting.map_or_else(
        || task::plan(&view.world, key, &settings, view.now),
        |(_, planned)| planned,
    )
}

fn written(action: &Action) -> Option<&TaskStatus> {
    match action {
        Action::WriteTaskStatus(status) => Some(status),
        _ => None,
    }
}

/// What happened to a task, in order.
fn story(task: &AgentTask, status: &TaskStatus) -> Vec<String> {
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
        story.push(format!(
            "attempt {} at {}: {outcome}{said}",
            attempt.number, attempt.written_at
        ));
    }
    let github = status.task.as_ref();
    story.extend(github.map(|task| {
        let page = task.url.as_ref().map_or(String::new(), |url| format!(", {url}"));
        format!("task {} at GitHub, {}{page}", task.id, task.state)
    }));
    let pull = status
        .pull_request
        .as_ref()
        .and_then(|pull| Some((pull, pull.url.as_ref()?)));
    story.extend(pull.map(|(pull, url)| {
        let state = if pull.merged {
            "merged"
        } else {
            pull.state.as_deref().unwrap_or("open")
        };
        format!("pull request {url}, {state}")
    }));
    story.extend(status.successor.as_ref().map(|name| format!("followed by {name}")));
    story
}
