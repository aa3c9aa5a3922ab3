//! What GitHub refused last to do with each token.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::AgentTask;
use crate::api::task::AttemptOutcome;
use crate::cli::table::relative;
use crate::plan::{CredentialKey, World, pulls, report};

/// A start, a comment, a label or a write to a pull request that GitHub refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRefusal {
    pub task: String,
    /// When the start was tried that was refused. Of a comment, a label or a pull request: when the task ended or started, or
    /// was made, since no status tells when it was refused.
    pub at: Timestamp,
    pub message: String,
}

impl LastRefusal {
    /// It, as a table has it.
    #[must_use]
    pub fn words(&self, now: Timestamp) -> String {
        format!("{}, {}: {}", relative(Some(self.at), now), self.task, self.message)
    }
}

/// The newest of those that the kept tasks tell of, by credential.
#[must_use]
pub fn last(world: &World) -> BTreeMap<CredentialKey, LastRefusal> {
    let mut last: BTreeMap<CredentialKey, LastRefusal> = BTreeMap::new();
    for (key, refusal) in world.tasks().flat_map(|(_, task)| of_task(task)) {
        let known = last.entry(key).or_insert_with(|| refusal.clone());
        if known.at < refusal.at {
            *known = refusal;
        }
    }
    last
}

fn of_task(task: &AgentTask) -> Vec<(CredentialKey, LastRefusal)> {
    let status = task.status.clone().unwrap_or_default();
    let refusal = |at, message| LastRefusal {
        task: task.name_any(),
        at,
        message,
    };
    let refused = status.attempts.iter();
    let refused = refused.filter(|attempt| attempt.outcome == Some(AttemptOutcome::Refused));
    let starts = refused.map(|attempt| {
        let message = attempt.message.clone().unwrap_or_default();
        let key = CredentialKey::of_attempt(task, attempt);
        (key, refusal(attempt.written_at, message))
    });
    let made = task.creation_timestamp().map(|time| time.0);
    let at = status.ended_at.or(status.started_at).or(made);
    let pull = status.pull_request.as_ref().and_then(pulls::refusal);
    let afterwards = report::refusal(&status).into_iter().chain(pull.map(str::to_owned));
    let afterwards = afterwards.filter_map(|message| Some((CredentialKey::of_task(task), refusal(at?, message))));
    starts.chain(afterwards).collect()
}
