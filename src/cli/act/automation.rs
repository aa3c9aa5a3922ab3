//! `agent-automation suspend` and `resume`.

use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::automation::{
    RESUME_ANNOTATION, RESUMED_BY_ANNOTATION, SUSPENDED_BY_ANNOTATION, SUSPENDED_FOR_ANNOTATION,
};
use crate::api::{AgentAutomation, Reason};
use crate::cli::cluster::Connection;
use crate::cli::output::say;

use super::{Desk, Error, line, perform};

/// Keep an automation's triggers from firing and its waiting tasks from starting. What runs goes on.
///
/// The same as: kubectl patch aauto NAME --type merge -p '{"spec": {"suspend": true}}'
#[derive(Debug, clap::Args)]
pub struct Suspend {
    #[arg(value_name = "AUTOMATION")]
    name: String,
    /// Why; `why` and `status` say so.
    #[arg(long, value_parser = line, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Let a suspended automation go on, or one that stopped itself after too many failures.
///
/// The same as: kubectl patch aauto NAME --type merge -p '{"spec": {"suspend": false}}', and for one that stopped itself
/// kubectl annotate aauto NAME agentautomation.dev/resume=ANYTHING
#[derive(Debug, clap::Args)]
pub struct Resume {
    #[arg(value_name = "AUTOMATION")]
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// Runs `suspend`.
#[must_use]
pub fn suspend(args: &Suspend) -> ExitCode {
    perform(async {
        let desk = Desk::open(&args.connection).await?;
        let automation: AgentAutomation = desk.find(&args.name).await?;
        let name = automation.name_any();
        let me = desk.user().await?.username;
        let annotations = json!({
            SUSPENDED_FOR_ANNOTATION: args.reason, SUSPENDED_BY_ANNOTATION: me, RESUMED_BY_ANNOTATION: null,
        });
        let change = json!({"metadata": {"annotations": annotations}, "spec": {"suspend": true}});
        desk.merge::<AgentAutomation>(&name, &change).await?;
        Ok(say(&format!("automation {name} is suspended; what runs goes on")))
    })
}

/// Runs `resume`.
#[must_use]
pub fn resume(args: &Resume) -> ExitCode {
    perform(async {
        let desk = Desk::open(&args.connection).await?;
        let automation: AgentAutomation = desk.find(&args.name).await?;
        let name = automation.name_any();
        let Some(mut change) = resumed(&automation, Timestamp::now()) else {
            let message = format!("automation {name} is not suspended, and has not stopped itself");
            return Err(Error::Pointless(message));
        };
        change["metadata"]["annotations"][RESUMED_BY_ANNOTATION] = json!(desk.user().await?.username);
        desk.merge::<AgentAutomation>(&name, &change).await?;
        Ok(say(&format!("automation {name} goes on")))
    })
}

/// What has to change for it to go on, if anything.
fn resumed(automation: &AgentAutomation, now: Timestamp) -> Option<Value> {
    let conditions = automation.status.iter().flat_map(|status| &status.conditions);
    let mut reasons = conditions.map(|condition| condition.reason.as_str());
    let has_stopped = reasons.any(|reason| reason == Reason::FailureThreshold.as_str());
    let suspended = automation.spec.suspend;
    if !suspended && !has_stopped {
        return None;
    }
    let mut annotations = json!({SUSPENDED_FOR_ANNOTATION: null, SUSPENDED_BY_ANNOTATION: null});
    if has_stopped {
        annotations[RESUME_ANNOTATION] = json!(now);
    }
    let mut change = json!({"metadata": {"annotations": annotations}});
    if suspended {
        change["spec"] = json!({"suspend": false});
    }
    Some(change)
}
