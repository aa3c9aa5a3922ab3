//! What objects and facts are found by.

use std::fmt;

use kube::ResourceExt;

use super::phase;
use crate::api::automation::SecretKeyRef;
use crate::api::task::Attempt;
use crate::api::{AgentAutomation, AgentTask};
use crate::domain::repository::Repository;
use crate::plan::action::Admitted;

/// A namespaced object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    #[must_use]
    pub fn of(object: &impl ResourceExt) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialKey {
    pub namespace: String,
    pub secret: SecretKeyRef,
}

impl CredentialKey {
    /// The first that an automation names.
    #[must_use]
    pub fn of_automation(automation: &AgentAutomation) -> Self {
        Self::new(automation, &automation.spec.credentials.secret_ref)
    }

    /// All that an automation names, in their order.
    pub fn all_of(automation: &AgentAutomation) -> impl Iterator<Item = Self> {
        let secrets = automation.spec.credentials.all();
        secrets.map(|secret| Self::new(automation, secret))
    }

    /// All that a task may be started with, in their order.
    pub fn named_by(task: &AgentTask) -> impl Iterator<Item = Self> {
        let secrets = task.spec.secret_refs();
        secrets.map(|secret| Self::new(task, secret))
    }

    /// The one that a task's newest attempt is made with. Before there is any, the first that it names.
    #[must_use]
    pub fn of_task(task: &AgentTask) -> Self {
        Self::new(task, secret_of(task))
    }

    /// The one that an attempt was made with.
    #[must_use]
    pub fn of_attempt(task: &AgentTask, attempt: &Attempt) -> Self {
        Self::new(task, attempt.secret_ref.as_ref().unwrap_or(&task.spec.secret_ref))
    }

    /// Those that a task depends on: all that it names while it waits, and then the one that it was started with.
    #[must_use]
    pub fn needed_by(task: &AgentTask) -> Vec<Self> {
        if phase(task).is_waiting() {
            Self::named_by(task).collect()
        } else {
            vec![Self::of_task(task)]
        }
    }

    /// The one that a task is about to be started with.
    #[must_use]
    pub fn of_start(task: &AgentTask, admitted: &Admitted) -> Self {
        Self::new(task, admitted.secret_ref.as_ref().unwrap_or(&task.spec.secret_ref))
    }

    fn new(object: &impl ResourceExt, secret: &SecretKeyRef) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            secret: secret.clone(),
        }
    }
}

impl fmt::Display for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.namespace, self.secret.name, self.secret.key)
    }
}

/// The Secret that a task's newest attempt is made with. Before there is any, the first that it names.
#[must_use]
pub fn secret_of(task: &AgentTask) -> &SecretKeyRef {
    let newest = task.status.as_ref().and_then(|status| status.attempts.last());
    let stated = newest.and_then(|attempt| attempt.secret_ref.as_ref());
    stated.unwrap_or(&task.spec.secret_ref)
}

/// A branch of a repository, as a credential sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BranchKey {
    pub credential: CredentialKey,
    pub repository: Repository,
    pub branch: String,
}

/// An issue or a pull request that work came from, as a credential sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OriginKey {
    pub credential: CredentialKey,
    pub repository: Repository,
    pub number: u64,
}
