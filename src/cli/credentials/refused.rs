//! What GitHub refused last to do with a token.

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::AgentTask;
use crate::api::task::{Attempt, AttemptOutcome};
use crate::cli::cluster::View;
use crate::cli::table::relative;
use crate::plan::{CredentialKey, pulls, report};

/// A start, a comment, a label or a write to a pull request that GitHub refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRefusal {
    pub task: String,
    /// When the start was tried that was refused, or else when the task started whose comment or pull request it was.
    pub at: Timestamp,
    pub message: String,
}

impl LastRefusal {
    /// The newest of those that the kept tasks tell of.
    #[must_use]
    pub fn of(view: &View, key: &CredentialKey) -> Option<Self> {
        let tasks = view.world.tasks().map(|(_, task)| task);
        let here = tasks.filter(|task| CredentialKey::named_by(task).any(|named| named == *key));
        let refusals = here.flat_map(|task| of_task(key, task).into_iter().map(move |told| (task, told)));
        let (task, (at, message)) = refusals.max_by_key(|(_, (at, _))| *at)?;
        Some(Self {
            task: task.name_any(),
            at,
            message,
        })
    }

    /// It, as a table has it.
    #[must_use]
    pub fn words(&self, now: Timestamp) -> String {
        format!("{}, {}: {}", relative(Some(self.at), now), self.task, self.message)
    }
}

fn of_task(key: &CredentialKey, task: &AgentTask) -> Vec<(Timestamp, String)> {
    let Some(status) = &task.status else {
        return Vec::new();
    };
    let with_it = |attempt: &&Attempt| *attempt.secret_ref.as_ref().unwrap_or(&task.spec.secret_ref) == key.secret;
    let refused = status.attempts.iter().filter(with_it);
    let refused = refused.filter(|attempt| attempt.outcome == Some(AttemptOutcome::Refused));
    let starts = refused.map(|attempt| (attempt.written_at, attempt.message.clone().unwrap_or_default()));
    let pull = status.pull_request.as_ref().and_then(pulls::refusal);
    let afterwards = report::refusal(status).into_iter().chain(pull.map(str::to_owned));
    let is_its_own = CredentialKey::of_task(task) == *key;
    let afterwards = afterwards.filter_map(|said| Some((status.started_at.filter(|_| is_its_own)?, said)));
    starts.chain(afterwards).collect()
}
