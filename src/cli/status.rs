//! `agent-automation status`: automations at a glance.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::SignedDuration;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde::Serialize;

use crate::api::automation::Summary;
use crate::api::task::Phase;
use crate::api::{AgentAutomation, AgentTask};
use crate::plan::automation::{credits, outlook};
use crate::plan::conditions::Standing;
use crate::plan::pulls;
use crate::plan::world::{counts, open_pull, phase};

use super::cluster::{self, Error, View};
use super::credentials::{self, rates};
use super::table::{Format, Row, dash, print_rows, relative, span, write_rows};
use super::{decision, policies};

/// Changes that are told together: a burst is shown once.
const BURST: usize = 1_000;

/// Print automations with their last outcome, their next run, their open pull requests and what they cost; or what the
/// limits of policies stand at; or whose tokens are in use. -o wide adds what came of their tasks lately: how many started,
/// succeeded and failed, their pull requests, the median time to a review, and the cost of each merged one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The automations [default: all].
    #[arg(value_name = "AUTOMATION", conflicts_with_all = ["policies", "credentials"])]
    names: Vec<String>,
    #[command(flatten)]
    cluster: cluster::Args,
    /// Print them again whenever something in them changes.
    #[arg(short, long, conflicts_with_all = ["filenames", "policies", "credentials"])]
    watch: bool,
    /// Print what the limits of the policies that hold there stand at: tasks, pull requests, starts, and AI credits, spent
    /// and held.
    #[arg(long)]
    policies: bool,
    /// Print the credentials that automations use: the kind of token, its user's login, when it expires, and why it can't be
    /// used.
    #[arg(long, conflicts_with = "policies")]
    credentials: bool,
    #[command(flatten)]
    limits: rates::Args,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let shown = if args.watch { watch(args) } else { show(args) };
    shown.unwrap_or_else(|error| error.refuse())
}

fn show(args: &Args) -> Result<ExitCode, Error> {
    let view = args.cluster.view()?;
    if args.policies {
        return Ok(policies::print(&view, &args.cluster));
    }
    if args.credentials {
        return credentials::print(&view, &args.cluster, &args.limits);
    }
    let (are_missing, rows) = (tell_of_missing(&view, &args.names), rows(&view, &args.names));
    if are_missing && rows.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let printed = print_rows(&rows, args.cluster.output, args.cluster.color, &none(&view));
    Ok(if are_missing { ExitCode::FAILURE } else { printed })
}

/// Says of each name that no automation has that it has none.
fn tell_of_missing(view: &View, wanted: &[String]) -> bool {
    let keys = || view.world.automations().map(|(key, _)| key);
    let mut missing = false;
    for wanted in wanted {
        let named = || keys().filter(|key| is_named(wanted, &key.name));
        if !named().any(|key| view.shows(&key.namespace)) {
            let problem = cluster::not_found(view, "automation", cluster::split(wanted).1, named());
            eprintln!("error: {problem}");
            missing = true;
        }
    }
    missing
}

fn is_named(wanted: &str, name: &str) -> bool {
    let (kind, wanted) = cluster::split(wanted);
    wanted == name && kind.is_none_or(|kind| cluster::AUTOMATION.contains(&kind))
}

fn none(view: &View) -> String {
    format!("No automations {}.", view.whereabouts())
}

/// Each change is followed by the whole, so that a row never stands beside one of another time. It ends when nobody reads
/// any more, or when the cluster does not answer.
fn watch(args: &Args) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut changes = runtime.block_on(changes(args))?;
    let mut shown = None;
    if tell_of_missing(&args.cluster.view()?, &args.names) {
        return Ok(ExitCode::FAILURE);
    }
    loop {
        let view = args.cluster.view()?;
        let rows = rows(&view, &args.names);
        let seen = serde_json::to_value(&rows).map_err(io::Error::from)?;
        if shown.as_ref() != Some(&seen) {
            match write(args, &rows, &none(&view), shown.is_none()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                written => written?,
            }
            shown = Some(seen);
        }
        if runtime.block_on(changes.next()).is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn write(args: &Args, rows: &[Glance], none: &str, is_first: bool) -> io::Result<()> {
    let (format, color) = (args.cluster.output, args.cluster.color);
    let mut out = io::stdout().lock();
    match format {
        _ if is_first => {}
        Format::Yaml => writeln!(out, "---")?,
        Format::Json => {}
        Format::Table | Format::Wide => writeln!(out)?,
    }
    write_rows(&mut out, rows, format, color, none)?;
    out.flush()
}

/// Something has changed, or may have while the watch had failed.
async fn changes(args: &Args) -> Result<BoxStream<'static, ()>, Error> {
    let (client, _) = args.cluster.client().await?;
    let automations = watcher(Api::<AgentAutomation>::all(client.clone()), watcher::Config::default());
    let tasks = watcher(Api::<AgentTask>::all(client), watcher::Config::default());
    let automations = automations
        .default_backoff()
        .map(|event| event.as_ref().map_or(true, is_change));
    let tasks = tasks
        .default_backoff()
        .map(|event| event.as_ref().map_or(true, is_change));
    let changes = stream::select(automations, tasks).filter_map(|changed| async move { changed.then_some(()) });
    Ok(changes.ready_chunks(BURST).map(drop).boxed())
}

/// The list that a watch begins with may be newer than what was shown.
fn is_change<K>(event: &watcher::Event<K>) -> bool {
    !matches!(event, watcher::Event::Init | watcher::Event::InitApply(_))
}

/// One automation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Glance {
    pub namespace: String,
    pub name: String,
    pub ready: &'static str,
    pub active: usize,
    pub waiting: usize,
    /// How the newest of the tasks that have ended did.
    pub last: Option<&'static str>,
    pub next: Option<jiff::Timestamp>,
    #[serde(skip)]
    next_in: String,
    pub open_pull_requests: usize,
    pub ai_credits: String,
    /// Notifications that were given up.
    pub dead_letters: i64,
    pub reason: String,
    pub repository: String,
    pub message: String,
    /// What came of its tasks lately.
    pub summary: Option<Summary>,
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
        "STARTED",
        "SUCCEEDED",
        "FAILED",
        "OPENED",
        "MERGED",
        "CLOSED",
        "REVIEW",
        "COST",
        "PER MERGED",
        "REASON",
        "REPOSITORY",
        "UNDELIVERED",
        "MESSAGE",
    ];
    const NARROW: usize = 9;

    fn cells(&self) -> Vec<String> {
        let at_a_glance = [
            self.namespace.clone(),
            self.name.clone(),
            self.ready.to_owned(),
            self.active.to_string(),
            self.waiting.to_string(),
            dash(self.last.map(str::to_owned)),
            self.next_in.clone(),
            self.open_pull_requests.to_string(),
            self.ai_credits.clone(),
        ];
        let rest = [
            self.reason.clone(),
            self.repository.clone(),
            self.dead_letters.to_string(),
            self.message.clone(),
        ];
        at_a_glance.into_iter().chain(self.lately()).chain(rest).collect()
    }

    fn is_alarming(&self) -> bool {
        self.ready == "False"
    }
}

impl Glance {
    /// What the window sums up to.
    fn lately(&self) -> [String; 9] {
        let summary = self.summary.as_ref();
        let count = |of: fn(&Summary) -> i64| dash(summary.map(|summary| of(summary).to_string()));
        let review = summary.and_then(|summary| summary.median_seconds_to_review);
        [
            count(|summary| summary.started),
            count(|summary| summary.succeeded),
            count(|summary| summary.failed),
            count(|summary| summary.opened),
            count(|summary| summary.merged),
            count(|summary| summary.closed),
            dash(review.map(|seconds| span(SignedDuration::from_secs(seconds)))),
            dash(summary.map(|summary| summary.ai_credits.clone())),
            dash(summary.and_then(|summary| summary.credits_per_merged.clone())),
        ]
    }
}

fn rows(view: &View, wanted: &[String]) -> Vec<Glance> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| is_named(wanted, name));
    let automations = view.world.automations();
    let automations = automations.filter(|(key, _)| view.shows(&key.namespace) && is_wanted(&key.name));
    automations.map(|(_, automation)| glance(view, automation)).collect()
}

fn glance(view: &View, automation: &AgentAutomation) -> Glance {
    let standing = decision::standing(view, automation);
    let (_, next) = outlook(&view.world, automation, view.now);
    let tasks: Vec<_> = view.world.tasks_of(automation).collect();
    let open = tasks.iter().copied().filter(|task| open_pull(task));
    let status = automation.status.as_ref();
    Glance {
        namespace: automation.namespace().unwrap_or_default(),
        name: automation.name_any(),
        ready: match &standing {
            Standing::Ready(_) => "True",
            Standing::Reconciling(_) => "Unknown",
            Standing::Stalled(_) => "False",
        },
        active: tasks.iter().filter(|task| counts(task)).count(),
        waiting: tasks.iter().filter(|task| phase(task).is_waiting()).count(),
        last: last_outcome(automation, &tasks),
        next,
        next_in: if automation.spec.suspend {
            "suspended".to_owned()
        } else {
            relative(next, view.now)
        },
        open_pull_requests: pulls::each_once(open).count(),
        ai_credits: status.map_or_else(|| "0.0".to_owned(), |status| credits(status.usage.nano_ai_credits)),
        dead_letters: status.map_or(0, |status| status.dead_letters),
        reason: standing.why().reason.as_str().to_owned(),
        repository: automation.spec.repository.clone(),
        message: standing.why().message.clone(),
        summary: status.and_then(|status| status.summary.clone()),
    }
}

fn last_outcome(automation: &AgentAutomation, tasks: &[&AgentTask]) -> Option<&'static str> {
    let ended = tasks
        .iter()
        .filter_map(|task| Some((task.status.as_ref()?.ended_at?, phase(task))));
    let kept = ended.max().map(|(_, phase)| phase);
    let told = || automation.status.as_ref()?.last_phase.filter(|phase| phase.is_ended());
    kept.or_else(told).map(Phase::as_str)
}
