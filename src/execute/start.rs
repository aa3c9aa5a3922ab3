//! The start protocol's calls: claim, write ahead, send once, record. [`plan::start`](crate::plan::start) holds what is
//! written and what an outcome means.

use std::time::Duration;

use jiff::SignedDuration;
use kube::ResourceExt;

use crate::api::AgentTask;
use crate::api::task::Attempt;
use crate::domain::repository::Repository;
use crate::github::{self, RefusalKind, StartRequest};
use crate::observe::{Update, observed, refused};
use crate::plan::observed::StartOutcome;
use crate::plan::{CredentialKey, ObjectKey, start};

use super::kubernetes::{failure, replace_status};
use super::{Done, Executor, Failure, Known, span};

/// Between two tries to record an outcome.
const RECORD_RETRY: Duration = Duration::from_secs(1);
/// An outcome that can't be recorded for this long is left to whoever finds the attempt.
const RECORD_FOR: SignedDuration = SignedDuration::from_mins(10);

/// An attempt that is written ahead: the right to send its request, once. Nothing else makes one.
struct Permit {
    task: AgentTask,
    attempt: Attempt,
}

impl Executor {
    pub(super) async fn start(&self, task: AgentTask) -> Done {
        let key = CredentialKey::of_task(&task);
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let permit = match self.permit(task).await {
            Ok(permit) => permit,
            Err(done) => return done,
        };
        let Permit { task, attempt } = permit;
        let (outcome, mut updates) = self.send(&key, &known, &task, &attempt).await;
        let recorded = self.record(task, attempt.number, &outcome).await;
        updates.extend(recorded.updates);
        Done {
            updates,
            failure: recorded.failure,
        }
    }

    async fn permit(&self, task: AgentTask) -> Result<Permit, Done> {
        let uid = task.uid().unwrap_or_default();
        self.leadership.claim(&uid).await.map_err(Done::failed)?;
        let permit = self.write_ahead(task).await;
        self.leadership.release(&uid);
        permit
    }

    async fn write_ahead(&self, mut task: AgentTask) -> Result<Permit, Done> {
        let key = ObjectKey::of(&task);
        let status = start::write_ahead(&task, &self.identity, &self.settings, self.now());
        let Some(attempt) = status.attempts.last().cloned() else {
            return Err(Done::default());
        };
        task.status = Some(status);
        match replace_status(&self.tasks(&key.namespace), &task).await {
            Ok(task) => Ok(Permit { task, attempt }),
            Err(Failure::Conflict) => Err(self.refresh_task(&key).await),
            Err(failure) => self.find_out(&key, attempt, failure).await,
        }
    }

    /// The write's answer was lost. If the write is there, it is ours to send.
    async fn find_out(&self, key: &ObjectKey, attempt: Attempt, failure: Failure) -> Result<Permit, Done> {
        let read = self.tasks(&key.namespace).get_opt(&key.name).await;
        let Ok(Some(task)) = read else {
            return Err(Done::failed(failure));
        };
        let newest = task.status.as_ref().and_then(|status| status.attempts.last());
        if newest == Some(&attempt) {
            return Ok(Permit { task, attempt });
        }
        Err(Done {
            updates: vec![Update::Task(Box::new(task))],
            failure: Some(failure),
        })
    }

    /// Sends the request once, within the attempt's deadline.
    async fn send(
        &self,
        key: &CredentialKey,
        known: &Known,
        task: &AgentTask,
        attempt: &Attempt,
    ) -> (StartOutcome, Vec<Update>) {
        let Ok(repository) = Repository::parse(&task.spec.repository) else {
            let reason = format!("{} is no repository", task.spec.repository);
            return (StartOutcome::NotSent(reason), Vec::new());
        };
        let left = attempt.deadline.duration_since(self.now());
        if left <= SignedDuration::ZERO {
            return (
                StartOutcome::NotSent("its deadline passed before it was sent".to_owned()),
                Vec::new(),
            );
        }
        let spec = &task.spec;
        let request = StartRequest {
            prompt: &start::prompt(task, attempt),
            model: some(&spec.agent.model),
            custom_agent: some(&spec.agent.custom_agent),
            create_pull_request: spec.pull_request.create,
            base_ref: Some(&spec.base_branch),
            head_ref: None,
        };
        let answer = self
            .github
            .start_task(&known.token, &repository, request, span(left))
            .await;
        self.outcome(key, known, answer)
    }

    fn outcome(&self, key: &CredentialKey, known: &Known, answer: github::StartOutcome) -> (StartOutcome, Vec<Update>) {
        match answer {
            github::StartOutcome::Created(task) => {
                let created = StartOutcome::Created(Box::new(observed(&task)));
                (created, vec![Update::Answered(key.clone())])
            }
            github::StartOutcome::Refused(refusal) => {
                let updates = match refusal.kind {
                    RefusalKind::BadCredentials => vec![Update::Rejected(key.clone(), known.version.clone())],
                    RefusalKind::RateLimited(wait) => vec![Update::Limited(key.clone(), wait, self.now())],
                    _ => Vec::new(),
                };
                (StartOutcome::Refused(refused(&refusal, self.now())), updates)
            }
            github::StartOutcome::NeverSent { reason } => (StartOutcome::NotSent(reason), Vec::new()),
            github::StartOutcome::Unknown { reason } => (StartOutcome::Unknown(reason), Vec::new()),
        }
    }

    /// Writes the outcome down, again and again until it is written or somebody else knows as much.
    async fn record(&self, mut task: AgentTask, number: i32, outcome: &StartOutcome) -> Done {
        let key = ObjectKey::of(&task);
        let api = self.tasks(&key.namespace);
        let until = self.now().saturating_add(RECORD_FOR).unwrap_or(self.now());
        loop {
            let status = task.status.clone().unwrap_or_default();
            if !start::is_open(&status, number) {
                return Done::with(Update::Task(Box::new(task)));
            }
            task.status = Some(start::conclude(&status, number, outcome, self.now()));
            let failed = match replace_status(&api, &task).await {
                Ok(written) => return Done::with(Update::Task(Box::new(written))),
                Err(failed) => failed,
            };
            if self.now() > until {
                return Done::failed(failed);
            }
            if failed != Failure::Conflict {
                tracing::warn!(task = %key, error = %failed, "the outcome of a start can't be recorded yet");
                tokio::time::sleep(RECORD_RETRY).await;
            }
            match api.get_opt(&key.name).await {
                Ok(Some(newer)) => task = newer,
                Ok(None) => return Done::with(Update::TaskGone(key)),
                Err(error) => {
                    tracing::warn!(task = %key, error = %failure(&error), "the task can't be read");
                    task.status = Some(status);
                }
            }
        }
    }
}

/// An empty name means GitHub's choice.
fn some(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}
