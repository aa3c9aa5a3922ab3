//! `agent-automation approve`, `adopt`, `abandon`, `cancel` and `open`.

use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::api::AgentTask;
use crate::api::task::{
    APPROVED_BY_ANNOTATION, APPROVED_FOR_ANNOTATION, BY_SUFFIX, InterventionKind, Phase, VIA_SUFFIX,
};
use crate::cli::cluster::{self, Connection};
use crate::cli::output::{refuse, say};
use crate::domain::task_id::TaskId;
use crate::plan::request::approver;
use crate::plan::world::{counts, phase};
use crate::plan::{ObjectKey, intervention};

use super::{Desk, Error, line, perform};

/// Approve a task that waits for it, in your own name. Who asked for a task can't approve it.
///
/// The same as: kubectl annotate atask TASK agentautomation.dev/approved-by=YOU, and where a group is asked for
/// agentautomation.dev/approved-for=GROUP
#[derive(Debug, clap::Args)]
pub struct Approve {
    #[arg(value_name = "TASK")]
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// Say which task at GitHub an unknown start led to.
///
/// The same as: kubectl annotate atask TASK agentautomation.dev/adopt=ID agentautomation.dev/adopt-by=YOU
#[derive(Debug, clap::Args)]
pub struct Adopt {
    #[arg(value_name = "TASK")]
    name: String,
    /// The id of the task at GitHub, as the last part of its page's address.
    id: TaskId,
    #[command(flatten)]
    connection: Connection,
}

/// Give a task up: it does not count any more, whatever GitHub says of it. What runs there goes on.
///
/// The same as: kubectl annotate atask TASK agentautomation.dev/abandon=REASON agentautomation.dev/abandon-by=YOU
#[derive(Debug, clap::Args)]
pub struct Abandon {
    #[arg(value_name = "TASK")]
    name: String,
    /// Why; the task's status says so.
    #[arg(long, value_parser = line, value_name = "TEXT", default_value = "no reason was given")]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

/// Cancel a task that has not started. GitHub has no way to stop one that has.
///
/// The same as: kubectl annotate atask TASK agentautomation.dev/cancel=REASON agentautomation.dev/cancel-by=YOU
#[derive(Debug, clap::Args)]
pub struct Cancel {
    #[arg(value_name = "TASK")]
    name: String,
    /// Why.
    #[arg(long, value_parser = line, value_name = "TEXT", default_value = "no reason was given")]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

/// Print the page of a task's pull request; before there is one that of the task, or of what it came from.
#[derive(Debug, clap::Args)]
pub struct Open {
    #[arg(value_name = "TASK")]
    name: String,
    /// Show it in the browser as well.
    #[arg(short, long)]
    browser: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs `approve`.
#[must_use]
pub fn approve(args: &Approve) -> ExitCode {
    let view = match cluster::Args::of(args.connection.clone()).view() {
        Ok(view) => view,
        Err(error) => return refuse(&error),
    };
    perform(async {
        let desk = Desk::open(&args.connection).await?;
        let task: AgentTask = desk.find(&args.name).await?;
        let task = task.completed();
        let name = task.name_any();
        if !phase(&task).is_waiting() {
            let message = format!(
                "task {name} is {} and waits for nobody's approval",
                phase(&task).as_str()
            );
            return Err(Error::Pointless(message));
        }
        let user = desk.user().await?;
        let (me, groups) = (user.username.unwrap_or_default(), user.groups.unwrap_or_default());
        let world = &view.world;
        let Some(automation) = world.automation_of(&task) else {
            let automation = &task.spec.automation.name;
            return Err(Error::Pointless(format!(
                "task {name} is of the automation {automation}, which is not there"
            )));
        };
        let approval = approver(world, automation, &task, &me, &groups, Timestamp::now()).map_err(Error::Pointless)?;
        let annotations = json!({APPROVED_BY_ANNOTATION: approval.by, APPROVED_FOR_ANNOTATION: approval.as_member_of});
        desk.merge::<AgentTask>(&name, &json!({"metadata": {"annotations": annotations}}))
            .await?;
        let of = approval
            .as_member_of
            .map_or_else(String::new, |group| format!(", a member of {group}"));
        Ok(say(&format!("task {name} is approved by {me}{of}")))
    })
}

/// Runs `adopt`.
#[must_use]
pub fn adopt(args: &Adopt) -> ExitCode {
    let view = match cluster::Args::of(args.connection.clone()).view() {
        Ok(view) => view,
        Err(error) => return refuse(&error),
    };
    let decision = (InterventionKind::Adopt, args.id.as_str());
    decide(&args.connection, &args.name, decision, |task| {
        let state = phase(task);
        if let Some(other) = intervention::owner(&view.world, &ObjectKey::of(task), &args.id) {
            return Err(format!(
                "can't have {}: it is that of {other}, and would be counted twice",
                args.id
            ));
        }
        if state == Phase::Unknown || task.status.as_ref().is_some_and(intervention::is_named) {
            return Ok(format!("takes {} for its own, once GitHub has shown it", args.id));
        }
        Err(format!(
            "is {}: only what is Unknown, or was told of an id that GitHub has not shown, can be told which task at GitHub is its own",
            state.as_str()
        ))
    })
}

/// Runs `abandon`.
#[must_use]
pub fn abandon(args: &Abandon) -> ExitCode {
    let decision = (InterventionKind::Abandon, args.reason.as_str());
    decide(&args.connection, &args.name, decision, |task| {
        let state = phase(task).as_str();
        if counts(task) {
            return Ok("is given up; what runs at GitHub goes on, and is not counted any more".to_owned());
        }
        Err(format!(
            "is {state} and counts for nothing: there is nothing to give up"
        ))
    })
}

/// Runs `cancel`.
#[must_use]
pub fn cancel(args: &Cancel) -> ExitCode {
    let decision = (InterventionKind::Cancel, args.reason.as_str());
    decide(&args.connection, &args.name, decision, |task| {
        let state = phase(task);
        match state {
            Phase::Pending | Phase::Held => Ok("is cancelled, unless its start is on its way by now".to_owned()),
            Phase::Starting | Phase::Running | Phase::Unknown => Err(format!(
                "is {}: GitHub has no way to stop it. kubectl aauto abandon {} -n {} gives it up, and its page lets you stop the session",
                state.as_str(),
                task.name_any(),
                task.namespace().unwrap_or_default()
            )),
            _ => Err(format!("is {} already", state.as_str())),
        }
    })
}

/// Runs `open`.
#[must_use]
pub fn open(args: &Open) -> ExitCode {
    perform(async {
        let desk = Desk::open(&args.connection).await?;
        let task: AgentTask = desk.find(&args.name).await?;
        let Some(page) = page(&task.completed()) else {
            return Err(Error::Pointless(format!(
                "task {} has no page at GitHub yet",
                args.name
            )));
        };
        let outcome = say(&page);
        if args.browser {
            let shown = ::open::that_detached(&page);
            shown.map_err(|error| Error::Refused(format!("no browser shows it: {error}")))?;
        }
        Ok(outcome)
    })
}

/// Writes a decision in the user's own name, if it makes sense for the task as it is, and says what it comes to.
fn decide(
    connection: &Connection,
    name: &str,
    (kind, value): (InterventionKind, &str),
    outlook: impl Fn(&AgentTask) -> Result<String, String>,
) -> ExitCode {
    perform(async {
        let desk = Desk::open(connection).await?;
        let task: AgentTask = desk.find(name).await?;
        let name = ObjectKey::of(&task).name;
        let comes_to = outlook(&task).map_err(|why| Error::Pointless(format!("task {name} {why}")))?;
        let (annotation, me) = (kind.annotation(), desk.user().await?.username);
        let (by, via) = (format!("{annotation}{BY_SUFFIX}"), format!("{annotation}{VIA_SUFFIX}"));
        let annotations = json!({annotation: value, by: me, via: null});
        desk.merge::<AgentTask>(&name, &json!({"metadata": {"annotations": annotations}}))
            .await?;
        Ok(say(&format!("task {name} {comes_to}")))
    })
}

fn page(task: &AgentTask) -> Option<String> {
    let status = task.status.as_ref();
    let pull = status.and_then(|status| status.pull_request.as_ref()?.url.clone());
    let own = || status.and_then(|status| status.task.as_ref()?.url.clone());
    let origin = || task.spec.trigger.event.as_ref().map(|event| event.url.clone());
    pull.or_else(own)
        .or_else(origin)
        .filter(|page| page.starts_with("https://"))
}
