//! `agent-automation run`: asks for a task in one's own name, and follows it if one likes.

use std::collections::BTreeMap;
use std::process::ExitCode;

use futures::StreamExt;
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::api::task::Phase;
use crate::api::{AgentAutomation, AgentTask};
use crate::cli::Output;
use crate::cli::cluster::{self, Connection, said};
use crate::cli::output::{print, refuse, write_json};
use crate::plan::request::{Asked, decide};
use crate::plan::world::phase;

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
    /// Make nothing: print what would be decided, and the prompt.
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
        let task = request(args, &desk, false).await?;
        if args.output == Output::Text {
            println!(
                "task {} asked for by {}",
                task.name_any(),
                task.spec.requester.as_deref().unwrap_or_default()
            );
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

/// Creates it, or has the API server say whether it could be.
async fn request(args: &Args, desk: &Desk, dry_run: bool) -> Result<AgentTask, Error> {
    let automation: AgentAutomation = desk.find(&args.name).await?;
    let me = desk.user().await?.username.unwrap_or_default();
    let requester = args.requester.clone().unwrap_or_else(|| me.clone());
    let via = (requester != me).then_some(me);
    let inputs: BTreeMap<_, _> = args.inputs.iter().cloned().collect();
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

/// What the planner would make of it now, over the objects as they are.
fn dry_run(args: &Args) -> ExitCode {
    let view = match cluster::Args::of(args.connection.clone()).view() {
        Ok(view) => view,
        Err(error) => return refuse(&error),
    };
    perform(async {
        let desk = Desk::open(&args.connection).await?;
        let task = request(args, &desk, true).await?;
        let asked = decide(&view.world, &task, Timestamp::now());
        let (outcome, words) = match asked {
            Asked::Decided(spec) if args.output == Output::Json => {
                return Ok(print(ExitCode::SUCCESS, |out| write_json(out, &spec)));
            }
            Asked::Decided(spec) => (
                ExitCode::SUCCESS,
                format!(
                    "would ask for work in {} on {}, as {}, with this prompt:\n\n{}",
                    spec.repository,
                    spec.base_branch,
                    spec.requester.unwrap_or_default(),
                    spec.prompt
                ),
            ),
            Asked::Denied(why) => (
                ExitCode::FAILURE,
                format!("would be Denied: {}: {}", why.reason.as_str(), why.message),
            ),
            Asked::Held(why) => (
                ExitCode::FAILURE,
                format!("would be Held: {}: {}", why.reason.as_str(), why.message),
            ),
        };
        Ok(print(outcome, |out| writeln!(out, "{}", words.trim_end())))
    })
}

/// Tells of each change until the task has ended.
async fn follow(desk: &Desk, task: AgentTask) -> Result<AgentTask, Error> {
    let name = task.name_any();
    let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut changes = watcher(desk.api::<AgentTask>(), one)
        .default_backoff()
        .touched_objects()
        .boxed();
    let mut told = String::new();
    while let Some(change) = changes.next().await {
        let Ok(task) = change else { continue };
        let Some(status) = &task.status else { continue };
        let reason = status.reason.map_or("", crate::api::Reason::as_str);
        let message = status.message.as_deref().unwrap_or_default();
        let said = format!("{} {reason}: {message}", status.phase.as_str());
        if said != told {
            eprintln!("{said}");
            told = said;
        }
        if task.metadata.deletion_timestamp.is_some() {
            return Err(Error::Refused(format!("task {name} was deleted")));
        }
        if status.phase.is_ended() {
            return Ok(task);
        }
    }
    Err(Error::Refused("the cluster does not answer any more".to_owned()))
}

fn input(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = split.ok_or_else(|| "write NAME=VALUE, as in package=serde".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
