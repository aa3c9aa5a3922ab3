//! `agent-automation status`: automations at a glance.

use std::process::ExitCode;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde::Serialize;

use crate::api::{AgentAutomation, AgentTask};
use crate::plan::automation::{outlook, standing};
use crate::plan::conditions::Standing;
use crate::plan::world::phase;

use super::cluster::{self, Error, View};
use super::output::refuse;
use super::table::{Row, dash, print_rows, relative};

/// Print automations with their last outcome, their next run, their open pull requests and what they cost.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: cluster::Args,
    /// Print them again whenever one of them, or one of their tasks, changes.
    #[arg(short, long, conflicts_with = "filenames")]
    watch: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let shown = show(args);
    match shown {
        Ok(code) if !args.watch => code,
        Ok(_) => watch(args).unwrap_or_else(|error| refuse(&error)),
        Err(error) => refuse(&error),
    }
}

fn show(args: &Args) -> Result<ExitCode, Error> {
    let view = args.cluster.view()?;
    let none = "No automations here; -A shows those of all namespaces.";
    Ok(print_rows(&rows(&view), args.cluster.output, args.cluster.color, none))
}

/// Each change is followed by the whole, so that a row never stands beside one of another time.
fn watch(args: &Args) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut changes = runtime.block_on(changes(args))?;
    while runtime.block_on(changes.next()).is_some() {
        println!();
        show(args)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn changes(args: &Args) -> Result<BoxStream<'static, ()>, Error> {
    let (client, _) = args.cluster.client().await?;
    let automations = watcher(Api::<AgentAutomation>::all(client.clone()), watcher::Config::default());
    let tasks = watcher(Api::<AgentTask>::all(client), watcher::Config::default());
    let automations = automations.map(|event| event.map(|event| is_change(&event)));
    let tasks = tasks.map(|event| event.map(|event| is_change(&event)));
    let changes = stream::select(automations, tasks).filter_map(|change| async move { change.ok()?.then_some(()) });
    Ok(changes.boxed())
}

fn is_change<K>(event: &watcher::Event<K>) -> bool {
    matches!(event, watcher::Event::Apply(_) | watcher::Event::Delete(_))
}

/// One automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Glance {
    pub namespace: String,
    pub name: String,
    pub ready: &'static str,
    pub active: usize,
    pub waiting: usize,
    pub last: Option<String>,
    pub next: Option<jiff::Timestamp>,
    #[serde(skip)]
    next_in: String,
    pub open_pull_requests: usize,
    pub ai_credits: String,
    pub reason: String,
    pub repository: String,
    pub message: String,
}

impl Row for Glance {
    const HEADERS: &'static [&'static str] = &[
        "NAMESPACE",
        "NAME",
        "READY",
        "ACTIVE",
        "WAITING",
        "LAST",
        "NEXT",
        "PRS",
        "CREDITS",
        "REASON",
        "REPOSITORY",
        "MESSAGE",
    ];
    const NARROW: usize = 9;

    fn cells(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            self.name.clone(),
            self.ready.to_owned(),
            self.active.to_string(),
            self.waiting.to_string(),
            dash(self.last.clone()),
            self.next_in.clone(),
            self.open_pull_requests.to_string(),
            self.ai_credits.clone(),
            self.reason.clone(),
            self.repository.clone(),
            self.message.clone(),
        ]
    }

    fn is_alarming(&self) -> bool {
        self.ready == "False"
    }
}

fn rows(view: &View) -> Vec<Glance> {
    let automations = view.world.automations().filter(|(key, _)| view.shows(&key.namespace));
    automations.map(|(_, automation)| glance(view, automation)).collect()
}

fn glance(view: &View, automation: &AgentAutomation) -> Glance {
    let standing = standing(&view.world, automation, view.now);
    let (_, next) = outlook(&view.world, automation, view.now);
    let tasks: Vec<_> = view.world.tasks_of(automation).collect();
    let status = automation.status.as_ref();
    let is_active = |task: &&&AgentTask| crate::plan::world::counts(task);
    Glance {
        namespace: automation.namespace().unwrap_or_default(),
        name: automation.name_any(),
        ready: match &standing {
            Standing::Ready(_) => "True",
            Standing::Reconciling(_) => "Unknown",
            Standing::Stalled(_) => "False",
        },
        active: tasks.iter().filter(is_active).count(),
        waiting: tasks.iter().filter(|task| phase(task).is_waiting()).count(),
        last: status.and_then(|status| Some(status.last_phase?.as_str().to_owned())),
        next,
        next_in: relative(next, view.now),
        open_pull_requests: tasks.iter().filter(|task| crate::plan::world::open_pull(task)).count(),
        ai_credits: status.map_or_else(
            || "0.0".to_owned(),
            |status| crate::plan::automation::credits(status.usage.nano_ai_credits),
        ),
        reason: standing.why().reason.as_str().to_owned(),
        repository: automation.spec.repository.clone(),
        message: standing.why().message.clone(),
    }
}
