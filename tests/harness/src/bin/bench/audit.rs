//! The API server's own record of writes: who wrote what, and when the answer was complete.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use jiff::Timestamp;
use serde::Deserialize;

use crate::Result;

/// One write that succeeded.
#[derive(Clone, Debug)]
pub struct Write {
    /// When the answer was complete, to the microsecond.
    pub at: Timestamp,
    pub by: Writer,
    /// As in `create jobs` or `update agenttasks/status`.
    pub what: String,
    pub name: String,
}

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    Ours,
    CronJobController,
    JobController,
    SomebodyElse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    stage_timestamp: Timestamp,
    object_ref: Option<ObjectRef>,
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct ObjectRef {
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Status {
    code: u16,
}

/// All writes in the log that succeeded.
pub fn read(path: &Path) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let event: Event = serde_json::from_str(&line?)?;
        let succeeded = event.response_status.is_some_and(|status| status.code < 300);
        if let (true, Some(object)) = (succeeded, event.object_ref) {
            writes.push(Write {
                at: event.stage_timestamp,
                by: writer(&event.user.username, &event.user_agent),
                what: what(&event.verb, &object),
                name: object.name,
            });
        }
    }
    Ok(writes)
}

fn what(verb: &str, object: &ObjectRef) -> String {
    match object.subresource.as_str() {
        "" => format!("{verb} {}", object.resource),
        subresource => format!("{verb} {}/{subresource}", object.resource),
    }
}

/// The controller-manager's controllers are one user, told apart by what they call themselves.
fn writer(user: &str, agent: &str) -> Writer {
    if user == "system:serviceaccount:agent-automation-system:agent-automation" {
        return Writer::Ours;
    }
    match agent.rsplit('/').next() {
        Some("cronjob-controller") => Writer::CronJobController,
        Some("job-controller") => Writer::JobController,
        _ => Writer::SomebodyElse,
    }
}
