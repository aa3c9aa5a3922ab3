//! One action, its calls. Nothing is decided here: what an answer means is asked of the planner, and what came of it goes
//! back as [`Update`]s. Only this module writes to the API server, and only it holds tokens.
//!
//! Nothing is retried on the way, with one exception: the outcome of a start that was sent is kept until it is recorded,
//! since nobody else knows it.

mod github;
mod guardrails;
mod identity;
mod kubernetes;
mod notify;
mod origin;
mod pulls;
mod receivers;
mod redelivery;
mod refresh;
mod report;
mod signing;
mod start;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
pub(crate) use kubernetes::failure;
pub use receivers::Receivers;

use tokio::sync::OnceCell;

use self::identity::Holder;
use crate::api::{AgentAutomation, AgentTask, WebhookSource};
use crate::domain::repository::Repository;
use crate::github::{Client as GitHub, Token, Transport};
use crate::observe::Update;
use crate::plan::{Action, CredentialKey, ObjectKey, Settings, Subject, World, intervention};

/// The wall clock; a simulation has its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The right to start tasks, which only the leader has.
pub trait Leadership: Send + Sync {
    /// Says at the API server that this task is about to be written ahead. Whoever leads next learns of it.
    fn claim(&self, uid: &str) -> BoxFuture<'_, Result<(), Failure>>;
    /// The write has been answered, one way or the other.
    fn release(&self, uid: &str);
}

/// Carries out actions.
pub struct Executor {
    pub(crate) client: kube::Client,
    pub(crate) github: GitHub,
    pub(crate) receivers: Arc<dyn Transport>,
    pub(crate) leadership: Arc<dyn Leadership>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    /// Who writes ahead, in `writtenBy`.
    pub(crate) identity: String,
    tokens: Mutex<BTreeMap<CredentialKey, Known>>,
}

/// A token in use, and what was learned with it.
#[derive(Clone)]
struct Known {
    version: String,
    token: Token,
    holder: Arc<OnceCell<Holder>>,
    /// The Secret's version that this process made of it without touching the token.
    own_write: Option<String>,
    /// As the Secret says, where GitHub does not.
    expires_at: Option<Timestamp>,
    etag: Option<(Timestamp, String)>,
    kept: guardrails::Kept,
    pull_etags: BTreeMap<Repository, String>,
    /// As many as there are open pull requests, so copies share it.
    read_pulls: Arc<Mutex<pulls::ReadPulls>>,
    swept: BTreeMap<Repository, sweep::Swept>,
    delivered: BTreeMap<Repository, redelivery::Delivered>,
}

/// An action with the objects it is about, as they were when it was planned.
pub struct Step {
    pub subject: Subject,
    pub action: Action,
    target: Target,
}

enum Target {
    None,
    Automation(Box<AgentAutomation>),
    WebhookSource(Box<WebhookSource>),
    Task {
        task: Box<AgentTask>,
        /// Tasks at GitHub that belong to other objects.
        taken: BTreeSet<String>,
    },
}

/// What came of a step.
#[derive(Debug, Default)]
pub struct Done {
    pub updates: Vec<Update>,
    pub failure: Option<Failure>,
}

/// A step that did not get through; it is planned again after a while.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the API server refuses it: {0}")]
    Refused(String),
    #[error("no answer from the API server: {0}")]
    Unanswered(String),
    #[error("another write came first")]
    Conflict,
    #[error("the object is gone")]
    Gone,
    #[error("task {0} has its name and was made for something else: delete that one")]
    Taken(ObjectKey),
    #[error("leadership is lost")]
    NotLeader,
    #[error("GitHub: {message}")]
    GitHub { category: &'static str, message: String },
    #[error("the credential can't be used")]
    Credential,
}

impl Failure {
    /// Whether the next action of the same kind would fail as well.
    #[must_use]
    pub fn is_common(&self) -> bool {
        !matches!(self, Self::Taken(_))
    }

    /// A name from a short list, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unanswered(_) => "unanswered",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Taken(_) => "taken",
            Self::NotLeader => "not_leader",
            Self::GitHub { category, .. } => category,
            Self::Credential => "credential",
        }
    }
}

impl Step {
    /// Takes what the action needs out of the world.
    #[must_use]
    pub fn new(world: &World, subject: Subject, action: Action) -> Self {
        let target = match &subject {
            Subject::Automation(key) => world.automation(key).cloned().map(Box::new).map(Target::Automation),
            Subject::Task(key) | Subject::Notification(key, _) => world.task(key).cloned().map(|task| Target::Task {
                task: Box::new(task),
                taken: if action == Action::Search {
                    intervention::taken(world, key)
                } else {
                    BTreeSet::new()
                },
            }),
            Subject::WebhookSource(key) => world
                .webhook_source(key)
                .cloned()
                .map(Box::new)
                .map(Target::WebhookSource),
            Subject::Credential(_)
            | Subject::Repository(..)
            | Subject::Branch(_)
            | Subject::Pulls(..)
            | Subject::Origin(_)
            | Subject::Events(..)
            | Subject::Deliveries(..) => None,
        };
        Self {
            subject,
            action,
            target: target.unwrap_or(Target::None),
        }
    }
}

impl Executor {
    #[must_use]
    pub fn new(
        client: kube::Client,
        github: GitHub,
        receivers: Arc<dyn Transport>,
        leadership: Arc<dyn Leadership>,
        clock: Clock,
        settings: Settings,
        identity: String,
    ) -> Self {
        Self {
            client,
            github,
            receivers,
            leadership,
            clock,
            settings,
            identity,
            tokens: Mutex::default(),
        }
    }

    /// Carries out one step.
    pub async fn carry_out(&self, step: Step) -> Done {
        match (step.subject, step.target, step.action) {
            (_, _, Action::CreateTask(task)) => self.create_task(*task).await,
            (_, _, Action::DeleteTask { key, uid }) => self.delete_task(key, uid).await,
            (_, Target::Automation(automation), Action::WriteAutomationStatus(status)) => {
                self.write_automation(*automation, *status).await
            }
            (_, Target::WebhookSource(source), Action::WriteWebhookSourceStatus(status)) => {
                self.write_webhook_source(*source, *status).await
            }
            (_, Target::Task { task, .. }, Action::WriteTaskStatus(status)) => self.write_task(*task, *status).await,
            (_, Target::Task { task, .. }, Action::Start(admitted)) => Box::pin(self.start(*task, &admitted)).await,
            (_, Target::Task { task, taken }, Action::Search) => self.search(&task, &taken).await,
            (_, Target::Task { task, .. }, Action::Observe { id }) => Box::pin(self.observe(*task, &id)).await,
            (_, Target::Task { task, .. }, Action::ObservePull { number }) => {
                Box::pin(self.observe_pull(*task, number)).await
            }
            (_, Target::Task { task, .. }, Action::HandOver { number, users, teams }) => {
                Box::pin(self.hand_over(*task, number, &users, &teams)).await
            }
            (_, Target::Task { task, .. }, Action::Report(said)) => Box::pin(self.report(*task, &said)).await,
            (Subject::Notification(key, name), Target::Task { .. }, Action::Notify(notice)) => {
                self.notify(key, name, *notice).await
            }
            (_, Target::Task { task, .. }, Action::ClosePull { number }) => {
                Box::pin(self.close_pull(*task, number)).await
            }
            (Subject::Branch(key), _, Action::Inspect { guardrails }) => self.inspect(key, guardrails).await,
            (Subject::Events(key, repository), _, Action::Sweep(walk)) => {
                Box::pin(self.sweep(key, repository, *walk)).await
            }
            (Subject::Events(key, repository), _, Action::Settle) => Done::with(Update::Settled(key, repository)),
            (Subject::Deliveries(key, repository), _, Action::ListDeliveries) => {
                Box::pin(self.list_deliveries(key, repository)).await
            }
            (Subject::Deliveries(key, repository), _, Action::Redeliver { hook, delivery, guid }) => {
                self.redeliver(key, repository, (hook, delivery), guid).await
            }
            (Subject::Origin(key), _, Action::ReadOrigin) => self.read_origin(key).await,
            (Subject::Pulls(key, repository), _, Action::ListPulls) => self.list_pulls(key, repository).await,
            (Subject::Pulls(key, repository), _, Action::ListOpenPulls) => self.list_open_pulls(key, repository).await,
            (Subject::Credential(key), _, Action::ReadSecret) => self.read_secret(key).await,
            (Subject::Credential(key), _, Action::Refresh { resource_version }) => {
                Box::pin(self.refresh(key, &resource_version)).await
            }
            (subject, _, Action::Forget) => self.forget(subject),
            (Subject::Credential(key), _, Action::Poll { since }) => self.poll(key, since).await,
            (Subject::Repository(key, repository), _, Action::VerifyRepository) => self.verify(key, repository).await,
            // The object went away between plan and step.
            _ => Done::default(),
        }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn known(&self, key: &CredentialKey) -> Result<Known, Failure> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(key).cloned().ok_or(Failure::Credential)
    }

    fn learn(&self, key: &CredentialKey, version: &str, change: impl FnOnce(&mut Known)) {
        self.change(key, |known| {
            if known.version == version {
                change(known);
            }
        });
    }

    fn change(&self, key: &CredentialKey, change: impl FnOnce(&mut Known)) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tokens.get_mut(key) {
            change(known);
        }
    }

    fn forget(&self, subject: Subject) -> Done {
        match &subject {
            Subject::Credential(key) => self.drop_token(key),
            Subject::Pulls(key, repository) => self.change(key, |known| known.forget_pulls(repository)),
            // Without what it found, "not modified" would hide it.
            Subject::Events(key, repository) => self.change(key, |known| drop(known.swept.remove(repository))),
            Subject::Deliveries(key, repository) => self.change(key, |known| drop(known.delivered.remove(repository))),
            Subject::Automation(_)
            | Subject::Task(_)
            | Subject::Repository(..)
            | Subject::Branch(_)
            | Subject::Origin(_)
            | Subject::Notification(..)
            | Subject::WebhookSource(_) => {}
        }
        Done::with(Update::Forgotten(subject))
    }

    /// Keeps a token, and gives the version that it is known by: what this process writes beside it changes nothing for it.
    fn keep_token(&self, key: &CredentialKey, version: String, token: Token, expires_at: Option<Timestamp>) -> String {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |known: &&mut Known| {
            let is_known = known.version == version || known.own_write.as_ref() == Some(&version);
            is_known && known.token == token
        };
        if let Some(known) = tokens.get_mut(key).filter(is_same) {
            known.expires_at = expires_at;
            return known.version.clone();
        }
        let known = Known {
            version: version.clone(),
            token,
            holder: Arc::default(),
            own_write: None,
            expires_at,
            etag: None,
            kept: guardrails::Kept::default(),
            pull_etags: BTreeMap::new(),
            read_pulls: Arc::default(),
            swept: BTreeMap::new(),
            delivered: BTreeMap::new(),
        };
        tokens.insert(key.clone(), known);
        version
    }

    /// This process has written a Secret, and not the token in it.
    fn wrote_beside(&self, key: &CredentialKey, version: Option<String>) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tokens.get_mut(key) {
            known.own_write = version;
        }
    }

    fn drop_token(&self, key: &CredentialKey) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(key);
    }
}

impl Done {
    fn with(update: Update) -> Self {
        Self {
            updates: vec![update],
            failure: None,
        }
    }

    fn failed(failure: Failure) -> Self {
        Self {
            updates: Vec::new(),
            failure: Some(failure),
        }
    }
}

/// A span of the planner's as the runtime counts it.
fn span(duration: jiff::SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}
