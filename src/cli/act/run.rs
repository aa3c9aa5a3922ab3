//! `agent-automation run`: asks for a task in one's own name, and follows it if one likes.

use std::collections::BTreeMap;
use std::process::ExitCode;

use futures::StreamExt;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde_json::json;

use crate::api::task::{Bound, Phase, TaskSpec};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::cli::Output;
use crate::cli::cluster::{self, Connection, View, said};
use crate::cli::decision::{Decision, foreseen};
use crate::cli::output::{print, say, write_json};
use crate::domain::inputs;
use crate::plan::Why;
use crate::plan::request::{Asked, decide};
use crate::plan::room::never;
use crate::plan::world::{automation_key, phase};

use super::{Desk, Error, perform};

/// Ask for a task of an automation that has a trigger `manual: {}`, in your own name.
///
/// The same as: kubectl create -f - with a task that has metadata.generateName, spec.automation.name,
/// spec.requester and spec.inputs
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "AUTOMATION")]
    name: String,
    /// What the automation asks for.
    #[arg(long = "input", value_parser = input, value_name = "NAME=VALUE")]
    inputs: Vec<(String, String)>,
    /// The user on whose authority it runs, if that is another: takes the verb request-for-others on agenttasks.
    #[arg(long, value_name = "USER")]
    requester: Option<String>,
    /// Its place among what waits, in place of the automation's: higher comes first, as far as policies allow.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Make nothing: print what would be decided now, policies, caps and approvals included, and the prompt. GitHub is not
    /// asked. The exit code is 1 where it would never start.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Follow it until it has ended; the exit code is 0 if it succeeded.
    #[arg(long)]
    wait: bool,
    /// How to print the task.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    if args.dry_run {
        return dry_run(args);
    }
    perform(async {
        let desk = Desk::open(&args.connection).await?;
        let automation = desk.find(&args.name).await?;
        refuse_what_is_denied(&automation, &given(args)?)?;
        let task = request(args, &desk, &automation, false).await?;
        if args.output == Output::Text {
            let requester = task.spec.requester.as_deref().unwrap_or_default();
            say(&format!("task {} asked for by {requester}", task.name_any()));
            if automation.spec.suspend {
                let (name, namespace) = (automation.name_any(), &desk.namespace);
                say(&format!(
                    "the automation is suspended: it waits for kubectl aauto resume {name} -n {namespace}"
                ));
            }
        }
        let task = if args.wait { follow(&desk, task).await? } else { task };
        let outcome = match phase(&task) {
            _ if !args.wait => ExitCode::SUCCESS,
            Phase::Succeeded => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        };
        if args.output == Output::Json {
            return Ok(print(outcome, |out| write_json(out, &task)));
        }
        Ok(outcome)
    })
}

/// What people can see to before anything is made. The controller decides, and on more than this.
fn refuse_what_is_denied(automation: &AgentAutomation, given: &BTreeMap<String, String>) -> Result<(), Error> {
    let name = automation.name_any();
    if !automation.spec.triggers.iter().any(|trigger| trigger.manual.is_some()) {
        let message = "has no trigger for people: add one with manual: {} to its spec.triggers";
        return Err(Error::Pointless(format!("automation {name} {message}")));
    }
    let values = inputs::values(&automation.spec.inputs, given);
    let problem = |error| Error::Pointless(format!("automation {name} does not take these inputs: {error}"));
    values.map(drop).map_err(problem)
}

/// The inputs, each of which is given once.
fn given(args: &Args) -> Result<BTreeMap<String, String>, Error> {
    let mut given = BTreeMap::new();
    for (name, value) in &args.inputs {
        if given.insert(name.clone(), value.clone()).is_some() {
            return Err(Error::Pointless(format!("input {name} is given twice: give it once")));
        }
    }
    Ok(given)
}

/// Creates it, or has the API server say whether it could be.
async fn request(args: &Args, desk: &Desk, automation: &AgentAutomation, dry_run: bool) -> Result<AgentTask, Error> {
    let me = desk.user().await?.username.unwrap_or_default();
    let requester = args.requester.clone().unwrap_or_else(|| me.clone());
    let via = (requester != me).then_some(me);
    let inputs = given(args)?;
    // What the controller decides is not written here, not even as its default.
    let resource = ApiResource::erase::<AgentTask>(&());
    let mut task = DynamicObject::new("", &resource);
    task.metadata.name = None;
    task.metadata.generate_name = Some(format!("{}-", automation.name_any()));
    task.data = json!({"spec": {
        "automation": {"name": automation.name_any()}, "requester": requester, "inputs": inputs,
    }});
    if let Some(via) = via {
        task.data["spec"]["requestedVia"] = json!(via);
    }
    if let Some(priority) = args.priority {
        task.data["spec"]["priority"] = json!(priority);
    }
    let params = PostParams {
        dry_run,
        ..PostParams::default()
    };
    let api: Api<DynamicObject> = Api::namespaced_with(desk.client.clone(), &desk.namespace, &resource);
    let created = api
        .create(&params, &task)
        .await
        .map_err(|error| Error::Refused(said(&error)))?;
    created.try_parse().map_err(|error| Error::Refused(error.to_string()))
}

/// What the planner makes of a task that is not there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Foreseen {
    phase: Phase,
    reason: Reason,
    message: String,
    bound_by: Option<Bound>,
    spec: Option<Box<TaskSpec>>,
}

impl Foreseen {
    fn of(why: Why, phase: Phase) -> Self {
        let Why { reason, message } = why;
        Self {
            phase,
            reason,
            message,
            bound_by: None,
            spec: None,
        }
    }

    /// Over the objects as they are. What nothing is known of that holds there is not asked.
    fn at(mut view: View, task: &AgentTask) -> Self {
        let spec = match decide(&view.world, task, view.now) {
            Asked::Denied(why, _) => return Self::of(why, Phase::Denied),
            Asked::Held(why) => return Self::of(why, Phase::Held),
            Asked::Decided(spec) => spec,
        };
        let automation = view
            .world
            .automation(&automation_key(task))
            .filter(|_| view.knows_policies);
        if let Some(binding) = automation.and_then(|automation| never(&view.world, automation)) {
            return Self {
                bound_by: binding.bound,
                ..Self::of(binding.why, Phase::Held)
            };
        }
        let (phase, decision) = if view.knows_policies {
            let mut decided = task.clone();
            decided.spec = (*spec).clone();
            foreseen(&mut view, &decided)
        } else {
            let message = "nothing that can be seen is in its way; what the policies say can't";
            let why = Why::new(Reason::Ready, message);
            (
                Phase::Pending,
                Decision {
                    why,
                    bound: None,
                    next: None,
                },
            )
        };
        // The name is one of many that it may get.
        let Why { reason, message } = decision.why;
        let message = message.replace(&task.name_any(), "TASK");
        Self {
            bound_by: decision.bound,
            spec: Some(spec),
            ..Self::of(Why { reason, message }, phase)
        }
    }

    fn words(&self) -> String {
        let (reason, message) = (self.reason.as_str(), &self.message);
        let decided = format!("would be {}: {reason}: {message}", self.phase.as_str());
        let decided = (self.phase != Phase::Pending).then_some(decided);
        let rule = self.bound_by.as_ref();
        let rule = rule.map(|Bound { kind, name, rule, .. }| format!("by {rule} of {kind} {name}"));
        let decision: Vec<_> = decided.into_iter().chain(rule).collect();
        let asks = self.spec.as_ref().filter(|_| !self.phase.is_ended()).map(|spec| {
            format!(
                "would ask for work in {} on {}, as {}, if GitHub shows nothing against it (it was not asked), with this \
                 prompt:\n\n{}",
                spec.repository,
                spec.base_branch,
                spec.requester.as_deref().unwrap_or_default(),
                spec.prompt
            )
        });
        let parts = [Some(decision.join("\n")).filter(|text| !text.is_empty()), asks];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }
}

/// What the planner would make of it now, over the objects as they are.
fn dry_run(args: &Args) -> ExitCode {
    let view = match cluster::Args::of(args.connection.clone()).view() {
        Ok(view) => view,
        Err(error) => return error.refuse(),
    };
    perform(async {
        let desk = Desk::open(&args.connection).await?;
        let automation = desk.find(&args.name).await?;
        let task = request(args, &desk, &automation, true).await?;
        let foreseen = Foreseen::at(view, &task);
        let may_start = !foreseen.phase.is_ended() && foreseen.spec.is_some();
        let outcome = ExitCode::from(u8::from(!may_start));
        Ok(print(outcome, |out| match args.output {
            Output::Json => write_json(out, &foreseen),
            Output::Text => writeln!(out, "{}", foreseen.words().trim_end()),
        }))
    })
}

/// Tells of each change until the task has ended.
async fn follow(desk: &Desk, task: AgentTask) -> Result<AgentTask, Error> {
    let name = task.name_any();
    let deleted = || Error::Refused(format!("task {name} was deleted"));
    let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut changes = watcher(desk.api::<AgentTask>(), one).default_backoff().boxed();
    let (mut told, mut is_listed) = (String::new(), false);
    while let Some(change) = changes.next().await {
        let task = match change {
            Ok(Event::Init) => {
                is_listed = false;
                continue;
            }
            Ok(Event::InitDone) if is_listed => continue,
            Ok(Event::InitDone | Event::Delete(_)) => return Err(deleted()),
            Ok(Event::InitApply(task) | Event::Apply(task)) => task,
            Err(error) if is_for_good(&error) => return Err(Error::Refused(error.to_string())),
            Err(error) => {
                eprintln!("the cluster does not answer, and is asked again: {error}");
                continue;
            }
        };
        is_listed = true;
        let Some(status) = &task.status else { continue };
        let because = status.reason.map_or_else(String::new, |reason| {
            let message = status.message.as_deref().unwrap_or_default();
            format!(" {}: {message}", reason.as_str())
        });
        let said = format!("{}{because}", status.phase.as_str());
        if said != told {
            eprintln!("{said}");
            told = said;
        }
        if status.phase.is_ended() {
            return Ok(task);
        }
    }
    Err(Error::Refused("the cluster does not answer any more".to_owned()))
}

/// Whether who asks may not watch tasks, or is nobody to the API server any more.
fn is_for_good(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return false;
    };
    matches!(status.code, 401 | 403)
}

fn input(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = split.ok_or_else(|| "write NAME=VALUE, as in package=serde".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
