//! The start protocol's calls: claim, write ahead, send once, record. [`plan::start`](crate::plan::start) holds what is
//! written and what an outcome means.

use std::time::Duration;

use jiff::SignedDuration;
use kube::ResourceExt;

use crate::api::AgentTask;
use crate::api::task::Attempt;
use crate::domain::repository::Repository;
use crate::github::{self, RefusalKind, StartRequest};
use crate::observe::Update;
use crate::observe::answers::{observed, refused};
use crate::plan::action::Admitted;
use crate::plan::observed::StartOutcome;
use crate::plan::time::add;
use crate::plan::world::RefusedStart;
use crate::plan::{CredentialKey, ObjectKey, start};

use super::github::github_failure;
use super::identity::told;
use super::kubernetes::{failure, gone, replace_status};
use super::{Done, Executor, Failure, Known, span};

/// Between two tries of a write that is not answered.
const WRITE_RETRY: Duration = Duration::from_secs(1);
/// A write that is not answered for this long is left to whoever finds the attempt.
const WRITE_FOR: SignedDuration = SignedDuration::from_mins(10);

/// An attempt that is written ahead: the right to send its request, which sending uses up. Nothing else makes one.
struct Permit {
    task: AgentTask,
    attempt: Attempt,
}

impl Executor {
    pub(super) async fn start(&self, task: AgentTask, admitted: &Admitted) -> Done {
        let credential = CredentialKey::of_start(&task, admitted);
        let known = match self.known(&credential) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let mut admitted = admitted.clone();
        let identified = match self.identified(&credential, &known, &mut admitted).await {
            Ok(update) => update,
            Err(done) => return done,
        };
        let permit = match self.permit(task, &admitted).await {
            Ok(permit) => permit,
            Err(done) => return done,
        };
        let (task, attempt, answer) = self.send(permit, &known).await;
        let (outcome, mut updates) = self.outcome(&credential, &known, answer);
        updates.extend(self.told_of_rights(&credential, &known, &task, &outcome));
        let recorded = self.record(task, &attempt, &outcome).await;
        updates.extend(identified);
        updates.extend(recorded.updates);
        Done {
            updates,
            failure: recorded.failure,
        }
    }

    /// Nothing is started on the authority of somebody whom GitHub was not asked about.
    async fn identified(
        &self,
        key: &CredentialKey,
        known: &Known,
        admitted: &mut Admitted,
    ) -> Result<Option<Update>, Done> {
        if admitted.credential.is_some() {
            return Ok(None);
        }
        match self.identify(key, known).await {
            Ok(identity) => {
                admitted.credential = Some(identity.clone());
                Ok(Some(told(key, known, identity)))
            }
            Err(error) => {
                let updates = self.lessons(key, known, Some(&error));
                // What is known of the credential itself is in the way by itself.
                let failure = updates.is_empty().then(|| github_failure(&error));
                Err(Done { updates, failure })
            }
        }
    }

    /// The claim is kept for as long as the write may still arrive.
    async fn permit(&self, task: AgentTask, admitted: &Admitted) -> Result<Permit, Done> {
        let uid = task.uid().unwrap_or_default();
        self.leadership.claim(&uid).await.map_err(Done::failed)?;
        let permit = self.write_ahead(task, admitted).await;
        self.leadership.release(&uid);
        permit
    }

    /// A write whose answer is lost is sent again as it is: its version lets one of the two through. A permit that comes
    /// after the attempt's deadline sends nothing, and says so.
    async fn write_ahead(&self, mut task: AgentTask, admitted: &Admitted) -> Result<Permit, Done> {
        let status = start::write_ahead(&task, admitted, &self.identity, &self.settings, self.now());
        let Some(attempt) = status.attempts.last().cloned() else {
            return Err(Done::default());
        };
        task.status = Some(status);
        let until = add(self.now(), WRITE_FOR);
        loop {
            let unanswered = match self.try_write_ahead(&task, &attempt).await {
                Ok(permit) => return permit,
                Err(unanswered) => unanswered,
            };
            if self.now() > until {
                return Err(Done::failed(unanswered));
            }
            tracing::warn!(task = %ObjectKey::of(&task), error = %unanswered, "a start can't be written ahead yet");
            tokio::time::sleep(WRITE_RETRY).await;
        }
    }

    /// Fails when there is no telling whether the attempt is written.
    async fn try_write_ahead(&self, task: &AgentTask, attempt: &Attempt) -> Result<Result<Permit, Done>, Failure> {
        let api = self.tasks(&ObjectKey::of(task).namespace);
        // The API server gives back the spec of a task that was made by hand as it was made.
        let permit = |task: AgentTask| Permit {
            task: task.completed(),
            attempt: attempt.clone(),
        };
        match replace_status(&api, task).await {
            Ok(written) => Ok(Ok(permit(written))),
            Err(Failure::Conflict) => match api.get_opt(&task.name_any()).await {
                Ok(Some(newer)) if newest_attempt(&newer) == Some(attempt) => Ok(Ok(permit(newer))),
                Ok(Some(newer)) => Ok(Err(Done::with(Update::Task(Box::new(newer))))),
                Ok(None) => Ok(Err(Done::with(gone(task)))),
                Err(error) => Err(failure(&error)),
            },
            Err(Failure::Gone) => Ok(Err(Done::with(gone(task)))),
            Err(unanswered @ Failure::Unanswered(_)) => Err(unanswered),
            Err(refused) => Ok(Err(Done::failed(refused))),
        }
    }

    /// Sends the request once, within the attempt's deadline.
    async fn send(&self, permit: Permit, known: &Known) -> (AgentTask, Attempt, github::StartOutcome) {
        let Permit { task, attempt } = permit;
        let left = attempt.deadline.duration_since(self.now());
        let answer = match Repository::parse(&task.spec.repository) {
            Err(error) => never_sent(format!("spec.repository: {error}")),
            Ok(_) if left <= SignedDuration::ZERO => never_sent("its deadline passed before it was sent"),
            Ok(repository) => {
                let spec = &task.spec;
                let request = StartRequest {
                    prompt: &start::prompt(&task, &attempt),
                    model: some(&spec.agent.model),
                    custom_agent: some(&spec.agent.custom_agent),
                    create_pull_request: spec.pull_request.create,
                    base_ref: Some(&spec.base_branch),
                    head_ref: attempt.head_branch.as_deref(),
                };
                let (token, left) = (&known.token, span(left));
                self.github.start_task(token, &repository, request, left).await
            }
        };
        (task, attempt, answer)
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

    /// Where another credential may be turned to, what GitHub said of this one's rights is for it to be known.
    fn told_of_rights(
        &self,
        key: &CredentialKey,
        known: &Known,
        task: &AgentTask,
        outcome: &StartOutcome,
    ) -> Option<Update> {
        task.spec.shared_use()?;
        let repository = Repository::parse(&task.spec.repository).ok()?;
        let refused = match outcome {
            StartOutcome::Created(_) => None,
            StartOutcome::Refused(refused) if refused.lacks_a_right() => Some(Box::new(RefusedStart {
                at: self.now(),
                resource_version: known.version.clone(),
                refused: refused.clone(),
            })),
            StartOutcome::Refused(_) | StartOutcome::NotSent(_) | StartOutcome::Unknown(_) => return None,
        };
        Some(Update::StartAnswered(key.clone(), repository, refused))
    }

    /// Writes the outcome down, again and again until it is written or somebody else knows as much.
    async fn record(&self, mut task: AgentTask, attempt: &Attempt, outcome: &StartOutcome) -> Done {
        let key = ObjectKey::of(&task);
        let api = self.tasks(&key.namespace);
        let until = add(self.now(), WRITE_FOR);
        loop {
            let status = task.status.clone().unwrap_or_default();
            let Some(next) = start::conclude(&status, attempt, outcome, self.now()) else {
                return Done::with(Update::Task(Box::new(task)));
            };
            let concluded = AgentTask {
                status: Some(next),
                ..task.clone()
            };
            let failed = match replace_status(&api, &concluded).await {
                Ok(written) => return Done::with(Update::TaskWritten(Box::new(written))),
                Err(failed) => failed,
            };
            if self.now() > until {
                return Done::failed(failed);
            }
            if !matches!(failed, Failure::Conflict | Failure::Gone) {
                tracing::warn!(task = %key, error = %failed, "the outcome of a start can't be recorded yet");
                tokio::time::sleep(WRITE_RETRY).await;
            }
            match api.get_opt(&key.name).await {
                Ok(Some(newer)) if newer.uid() == task.uid() => task = newer,
                Ok(_) => return Done::with(gone(&task)),
                Err(error) => tracing::warn!(task = %key, error = %failure(&error), "the task can't be read"),
            }
        }
    }
}

fn newest_attempt(task: &AgentTask) -> Option<&Attempt> {
    task.status.as_ref()?.attempts.last()
}

fn never_sent(reason: impl Into<String>) -> github::StartOutcome {
    github::StartOutcome::NeverSent { reason: reason.into() }
}

/// An empty name means GitHub's choice.
fn some(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}
