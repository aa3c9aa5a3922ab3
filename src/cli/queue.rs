//! `agent-automation queue`: what runs, what waits, in which order and why.

use std::process::ExitCode;

use kube::ResourceExt;
use serde::Serialize;

use crate::api::task::Bound;
use crate::api::{AgentTask, Reason};
use crate::plan::Why;
use crate::plan::order::priority;
use crate::plan::world::{automation_key, phase};

use super::cluster::{self, View};
use super::decision;
use super::table::{Row, dash, print_rows, span};

/// Print what runs and what waits, in the order in which it starts, with what is in its way.
///
/// Places are counted over all namespaces, since caps are; what is shown is the namespace's. They are worked out now, by
/// the controller's own planner, and are written nowhere.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: cluster::Args,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match args.cluster.view() {
        Ok(view) => print_rows(
            &rows(&view),
            args.cluster.output,
            args.cluster.color,
            &format!("Nothing runs and nothing waits {}.", view.whereabouts()),
        ),
        Err(error) => error.refuse(),
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Place in the queue, from 1; nothing once it has started.
    pub place: Option<usize>,
    pub namespace: String,
    pub name: String,
    pub automation: String,
    pub phase: &'static str,
    pub age: String,
    pub reason: String,
    pub message: String,
    /// The rule that binds it.
    pub bound_by: Option<Bound>,
    pub priority: i32,
    pub repository: String,
}

impl Row for Waiting {
    const HEADERS: &'static [&'static str] = &[
        "PLACE",
        "NAMESPACE",
        "TASK",
        "PHASE",
        "AGE",
        "REASON",
        "RULE",
        "AUTOMATION",
        "PRIORITY",
        "REPOSITORY",
        "MESSAGE",
    ];
    const NARROW: usize = 7;

    fn cells(&self) -> Vec<String> {
        vec![
            dash(self.place.map(|place| place.to_string())),
            self.namespace.clone(),
            self.name.clone(),
            self.phase.to_owned(),
            self.age.clone(),
            self.reason.clone(),
            dash(self.bound_by.as_ref().map(short)),
            self.automation.clone(),
            self.priority.to_string(),
            self.repository.clone(),
            self.message.clone(),
        ]
    }

    fn is_alarming(&self) -> bool {
        self.phase == "Unknown"
    }
}

fn rows(view: &View) -> Vec<Waiting> {
    let mut active: Vec<_> = view.world.active().map(|(_, task)| task).collect();
    active.sort_by_key(|task| task.status.as_ref().and_then(|status| status.started_at));
    let running = active.into_iter().map(|task| {
        let status = task.status.as_ref();
        let reason = status.and_then(|status| status.reason).map_or("", Reason::as_str);
        let message = status.and_then(|status| status.message.clone()).unwrap_or_default();
        row(view, task, None, reason, message, None)
    });
    let waiting = decision::queue(view)
        .into_iter()
        .enumerate()
        .map(|(index, (task, decision))| {
            let Why { reason, message } = decision.why;
            // Nothing is in its way: it is the next to start.
            let reason = if reason == Reason::Ready {
                "Next"
            } else {
                reason.as_str()
            };
            row(view, task, Some(index + 1), reason, message, decision.bound)
        });
    let all = running.chain(waiting);
    all.filter(|row| view.shows(&row.namespace)).collect()
}

fn row(
    view: &View,
    task: &AgentTask,
    place: Option<usize>,
    reason: &str,
    message: String,
    bound_by: Option<Bound>,
) -> Waiting {
    let since = match place {
        Some(_) => Some(task.spec.trigger.scheduled_time),
        None => task.status.as_ref().and_then(|status| status.started_at),
    };
    Waiting {
        place,
        namespace: task.namespace().unwrap_or_default(),
        name: task.name_any(),
        automation: automation_key(task).name,
        phase: phase(task).as_str(),
        age: dash(since.map(|since| span(view.now.duration_since(since)))),
        reason: reason.to_owned(),
        message,
        bound_by,
        priority: priority(&view.world, task),
        repository: task.spec.repository.clone(),
    }
}

/// As in `maxActive of apolicy/default`.
fn short(bound: &Bound) -> String {
    let kind = if bound.kind == "AgentPolicy" {
        "apolicy"
    } else {
        "aauto"
    };
    let rule = bound.rule.trim_start_matches("spec.");
    format!("{rule} of {kind}/{}", bound.name)
}
