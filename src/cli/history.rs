//! `agent-automation history`: the tasks of an automation.

use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::AgentTask;
use crate::api::policy::TriggerKind;
use crate::api::task::{Approval, Bound, CredentialIdentity, Intervention, PolicyRef, PullRequest};
use crate::plan::automation::credits;
use crate::plan::pulls::{seconds_to_merge, seconds_to_review};
use crate::plan::request::approvals;
use crate::plan::world::{phase, secret_of};

use super::cluster::{self, View};
use super::table::{Row, dash, print_rows, relative, span};

/// Print an automation's tasks, the newest first: what caused them, what came of them, and what they cost.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The automation.
    #[arg(value_name = "AUTOMATION")]
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
    let (kind, name) = cluster::split(&args.name);
    if let Some(kind) = kind.filter(|kind| !cluster::AUTOMATION.contains(kind)) {
        eprintln!("error: history is that of an automation, and {kind} is none: write its name");
        return ExitCode::FAILURE;
    }
    let keys = view.world.automations().map(|(key, _)| key);
    let named: Vec<_> = keys.filter(|key| key.name == name).collect();
    if !named.iter().any(|key| view.shows(&key.namespace)) {
        let problem = cluster::not_found(&view, "automation", name, named.into_iter());
        eprintln!("error: {problem}");
        return ExitCode::FAILURE;
    }
    let none = "It has no tasks, or none that are kept.";
    print_rows(&rows(&view, name), args.cluster.output, args.cluster.color, none)
}

/// One task, with all that an audit asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    pub namespace: String,
    pub name: String,
    pub trigger: String,
    pub scheduled_time: Timestamp,
    /// What happened at GitHub, as `issue 7 labeled agent 1795327190`, and where.
    pub cause: Option<String>,
    pub cause_url: Option<String>,
    /// On whose authority it ran: a Kubernetes user, a GitHub login, or `schedule`.
    pub requester: String,
    /// The user that made it for the requester.
    pub requested_via: Option<String>,
    /// How it is known who asked for it.
    pub established_by: &'static str,
    pub approvals: Vec<Approval>,
    /// Who cancelled, adopted or abandoned it.
    pub interventions: Vec<Intervention>,
    pub phase: &'static str,
    pub reason: Option<&'static str>,
    pub message: Option<String>,
    pub task_id: Option<String>,
    pub pull_request: Option<String>,
    pub pull_request_state: Option<&'static str>,
    pub review: Option<String>,
    pub seconds_to_review: Option<i64>,
    pub seconds_to_merge: Option<i64>,
    pub merged_by: Option<String>,
    pub ai_credits: Option<String>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub template_digest: String,
    pub secret: String,
    /// Whose token it was started with.
    pub credential: Option<CredentialIdentity>,
    pub allowed_by: Vec<PolicyRef>,
    pub bound_by: Option<Bound>,
    #[serde(skip)]
    age: String,
}

impl Row for Past {
    const HEADERS: &'static [&'static str] = &[
        "TASK",
        "TRIGGER",
        "REQUESTER",
        "DUE",
        "PHASE",
        "PULL REQUEST",
        "STATE",
        "REVIEW",
        "CREDITS",
        "REASON",
        "ID",
        "MESSAGE",
    ];
    const NARROW: usize = 9;

    fn cells(&self) -> Vec<String> {
        let seconds = |seconds| span(jiff::SignedDuration::from_secs(seconds));
        vec![
            self.name.clone(),
            self.trigger.clone(),
            self.requester.clone(),
            self.age.clone(),
            self.phase.to_owned(),
            dash(self.pull_request.clone()),
            dash(self.pull_request_state.map(str::to_owned)),
            dash(self.seconds_to_review.map(seconds)),
            dash(self.ai_credits.clone()),
            dash(self.reason.map(str::to_owned)),
            dash(self.task_id.clone()),
            dash(self.message.clone()),
        ]
    }

    fn is_alarming(&self) -> bool {
        matches!(self.phase, "Failed" | "TimedOut" | "Unknown" | "Denied")
    }
}

fn rows(view: &View, name: &str) -> Vec<Past> {
    let automations = view.world.automations();
    let automations = automations.filter(|(key, _)| key.name == name && view.shows(&key.namespace));
    let tasks = automations.flat_map(|(_, automation)| view.world.tasks_of(automation));
    let mut tasks: Vec<_> = tasks.collect();
    tasks.sort_by_key(|task| {
        (
            task.spec.trigger.scheduled_time,
            task.creation_timestamp(),
            task.name_any(),
        )
    });
    tasks.into_iter().rev().map(|task| past(view, task)).collect()
}

fn past(view: &View, task: &AgentTask) -> Past {
    let status = task.status.clone().unwrap_or_default();
    let pull = status.pull_request.as_ref();
    let cause = &task.spec.trigger;
    Past {
        namespace: task.namespace().unwrap_or_default(),
        name: task.name_any(),
        trigger: cause.name.clone(),
        scheduled_time: cause.scheduled_time,
        cause: cause.event.as_ref().and_then(|_| cause.id.clone()),
        cause_url: cause.event.as_ref().map(|event| event.url.clone()),
        requester: task.spec.requester.clone().unwrap_or_else(|| "schedule".to_owned()),
        requested_via: task.spec.requested_via.clone(),
        established_by: established_by(cause.kind),
        approvals: approvals(task).cloned().collect(),
        interventions: status.interventions.clone(),
        phase: phase(task).as_str(),
        reason: status.reason.map(crate::api::Reason::as_str),
        message: status.message.clone(),
        task_id: status.task.as_ref().map(|task| task.id.clone()),
        pull_request: pull.and_then(|pull| pull.url.clone()),
        pull_request_state: pull.map(state_of),
        review: pull.and_then(|pull| Some(format!("{:?}", pull.review?))),
        seconds_to_review: pull.and_then(seconds_to_review),
        seconds_to_merge: pull.and_then(seconds_to_merge),
        merged_by: pull.and_then(|pull| pull.merged_by.clone()),
        ai_credits: status.usage.as_ref().map(|usage| credits(usage.nano_ai_credits)),
        started_at: status.started_at,
        ended_at: status.ended_at,
        template_digest: task.spec.template_digest.clone(),
        secret: secret_of(task).name.clone(),
        credential: status.credential,
        allowed_by: status.allowed_by,
        bound_by: status.bound_by,
        age: relative(Some(cause.scheduled_time), view.now),
    }
}

fn state_of(pull: &PullRequest) -> &'static str {
    match (pull.merged, pull.is_open(), pull.draft) {
        (true, ..) => "Merged",
        (false, false, _) => "Closed",
        (false, true, true) => "Draft",
        (false, true, false) => "Open",
    }
}

/// Who says that it is true who asked for a task.
fn established_by(kind: TriggerKind) -> &'static str {
    match kind {
        TriggerKind::Schedule => "the automation's schedule",
        TriggerKind::Issue | TriggerKind::PullRequest => "GitHub",
        TriggerKind::Manual => "the API server's admission, unless its maker held the verb control",
    }
}
