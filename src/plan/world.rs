//! What is known: the objects as last seen or written, and the facts that came back from Secrets and GitHub.
//!
//! The shell feeds it (`observe`), the planner reads it. It keeps the newest version of each object by
//! `resourceVersion`, so that what this process wrote is never hidden by a watch that lags behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::automation::SecretKeyRef;
use crate::api::task::{Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentPolicy, AgentTask};
use crate::domain::repository::Repository;
use crate::domain::task_state::TaskState;

use super::Subject;
use super::observed::{ListedTask, Refused, Search};

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
    #[must_use]
    pub fn of_automation(automation: &AgentAutomation) -> Self {
        Self {
            namespace: automation.namespace().unwrap_or_default(),
            secret: automation.spec.credentials.secret_ref.clone(),
        }
    }

    #[must_use]
    pub fn of_task(task: &AgentTask) -> Self {
        Self {
            namespace: task.namespace().unwrap_or_default(),
            secret: task.spec.secret_ref.clone(),
        }
    }
}

impl fmt::Display for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}[{}]", self.namespace, self.secret.name, self.secret.key)
    }
}

/// What is known of a credential. The token itself is not part of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Credential {
    pub secret: Option<SecretState>,
    /// When the Secret was last read.
    pub read_at: Option<Timestamp>,
    /// The Secret version that GitHub refused.
    pub rejected: Option<String>,
    /// GitHub asked to wait until then.
    pub limited_until: Option<Timestamp>,
    /// How often in a row GitHub asked to wait.
    pub limited_times: u32,
    /// The next write may leave then.
    pub next_write: Option<Timestamp>,
    /// When the user's tasks were last listed.
    pub polled_at: Option<Timestamp>,
}

/// What a look at a Secret found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretState {
    Missing,
    KeyMissing,
    /// With what is wrong with the token.
    Unusable(String),
    Present {
        resource_version: String,
    },
}

/// Whether a credential sees a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    pub checked_at: Timestamp,
    /// The Secret version it was asked with.
    pub resource_version: String,
    pub result: Result<(), Refused>,
}

/// What was seen of a task at GitHub since this process started.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskFacts {
    pub listed: Option<ListedTask>,
    /// When its details were last read.
    pub observed_at: Option<Timestamp>,
    /// The last look for it, while its start is unknown.
    pub search: Option<Search>,
}

/// Where kubectl keeps the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Gone tasks that are remembered; answers are late by seconds, not by this many deletions.
const GRAVES: usize = 10_000;

/// The whole of it.
#[derive(Debug, Default)]
pub struct World {
    automations: BTreeMap<ObjectKey, AgentAutomation>,
    tasks: BTreeMap<ObjectKey, AgentTask>,
    policies: BTreeMap<String, AgentPolicy>,
    by_automation: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    waiting: BTreeSet<ObjectKey>,
    active: BTreeSet<ObjectKey>,
    pub credentials: BTreeMap<CredentialKey, Credential>,
    pub repositories: BTreeMap<(CredentialKey, Repository), Verification>,
    pub facts: BTreeMap<ObjectKey, TaskFacts>,
    /// When each automation's status was last written by this process.
    pub status_written: BTreeMap<ObjectKey, Timestamp>,
    /// Uids of tasks that an earlier leader had claimed and may still write ahead.
    pub inherited_claims: BTreeSet<String>,
    /// Uids of tasks that are gone; a late answer does not bring them back.
    gone: BTreeSet<String>,
    /// What an action is under way for.
    pub busy: BTreeSet<Subject>,
    /// Tasks whose start is under way, and their credentials.
    pub starting: BTreeMap<ObjectKey, CredentialKey>,
}

impl World {
    pub fn automations(&self) -> impl Iterator<Item = (&ObjectKey, &AgentAutomation)> {
        self.automations.iter()
    }

    pub fn tasks(&self) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.tasks.iter()
    }

    pub fn policies(&self) -> impl Iterator<Item = &AgentPolicy> + Clone {
        self.policies.values()
    }

    #[must_use]
    pub fn automation(&self, key: &ObjectKey) -> Option<&AgentAutomation> {
        self.automations.get(key)
    }

    #[must_use]
    pub fn task(&self, key: &ObjectKey) -> Option<&AgentTask> {
        self.tasks.get(key)
    }

    /// The automation that a task belongs to: the one of that name and uid.
    #[must_use]
    pub fn automation_of(&self, task: &AgentTask) -> Option<&AgentAutomation> {
        self.automations
            .get(&automation_key(task))
            .filter(|automation| automation.uid().as_deref() == Some(task.spec.automation.uid.as_str()))
    }

    /// The tasks of an automation, by name.
    pub fn tasks_of<'a>(&'a self, automation: &AgentAutomation) -> impl Iterator<Item = &'a AgentTask> {
        let uid = automation.uid().unwrap_or_default();
        let keys = self.by_automation.get(&ObjectKey::of(automation));
        keys.into_iter()
            .flatten()
            .filter_map(|key| self.tasks.get(key))
            .filter(move |task| task.spec.automation.uid == uid)
    }

    /// Tasks that wait to be started.
    pub fn waiting(&self) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.waiting.iter().filter_map(|key| Some((key, self.tasks.get(key)?)))
    }

    /// Tasks at which something may be at work at GitHub.
    pub fn active(&self) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.active.iter().filter_map(|key| Some((key, self.tasks.get(key)?)))
    }

    /// Takes an automation in, unless a newer version is known. Says whether it was news.
    pub fn put_automation(&mut self, mut automation: AgentAutomation) -> bool {
        automation.annotations_mut().remove(LAST_APPLIED);
        put(&mut self.automations, ObjectKey::of(&automation), automation)
    }

    /// Takes a task in, unless a newer version is known. Says whether it was news.
    pub fn put_task(&mut self, task: AgentTask) -> bool {
        let key = ObjectKey::of(&task);
        let (owner, phase, counts) = (automation_key(&task), phase(&task), counts(&task));
        if self.gone.contains(task.metadata.uid.as_deref().unwrap_or_default()) {
            return false;
        }
        if !put(&mut self.tasks, key.clone(), task) {
            return false;
        }
        self.by_automation.entry(owner).or_default().insert(key.clone());
        set(&mut self.waiting, &key, phase.is_waiting());
        set(&mut self.active, &key, counts);
        true
    }

    /// Takes a policy in, unless a newer version is known. Says whether it was news.
    pub fn put_policy(&mut self, policy: AgentPolicy) -> bool {
        put(&mut self.policies, policy.name_any(), policy)
    }

    pub fn remove_automation(&mut self, key: &ObjectKey) {
        self.automations.remove(key);
        self.status_written.remove(key);
    }

    pub fn remove_task(&mut self, key: &ObjectKey) {
        let Some(task) = self.tasks.remove(key) else { return };
        let owner = automation_key(&task);
        if let Some(keys) = self.by_automation.get_mut(&owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_automation.remove(&owner);
            }
        }
        self.waiting.remove(key);
        self.active.remove(key);
        self.facts.remove(key);
        let uid = task.uid().unwrap_or_default();
        self.inherited_claims.remove(&uid);
        self.bury(uid);
    }

    fn bury(&mut self, uid: String) {
        if self.gone.len() >= GRAVES {
            self.gone.clear();
        }
        self.gone.insert(uid);
    }

    pub fn remove_policy(&mut self, name: &str) {
        self.policies.remove(name);
    }
}

/// The automation that a task names.
#[must_use]
pub fn automation_key(task: &AgentTask) -> ObjectKey {
    ObjectKey::new(task.namespace().unwrap_or_default(), task.spec.automation.name.clone())
}

/// A task's phase; one without a status is pending.
#[must_use]
pub fn phase(task: &AgentTask) -> Phase {
    task.status.as_ref().map_or(Phase::Pending, |status| status.phase)
}

/// Whether a task counts against caps. One that has ended counts again while somebody has the agent go on with it.
#[must_use]
pub fn counts(task: &AgentTask) -> bool {
    task.status
        .as_ref()
        .is_some_and(|status| status.phase.is_active() || goes_on(status))
}

fn goes_on(status: &TaskStatus) -> bool {
    status.phase.is_ended()
        && status
            .task
            .as_ref()
            .is_some_and(|task| !TaskState::parse(&task.state).is_terminal())
}

/// Field ownership is for the API server; decoded it is many times larger than the object itself.
fn put<K: Ord, T: ResourceExt>(map: &mut BTreeMap<K, T>, key: K, mut object: T) -> bool {
    let version = version(&object);
    if version > 0 && map.get(&key).is_some_and(|known| self::version(known) >= version) {
        return false;
    }
    object.meta_mut().managed_fields = None;
    map.insert(key, object);
    true
}

/// Resource versions of one kind can be compared as numbers (KEP-5504); what is no number counts as the oldest.
#[must_use]
pub fn version(object: &impl ResourceExt) -> u64 {
    object
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

fn set(keys: &mut BTreeSet<ObjectKey>, key: &ObjectKey, member: bool) {
    if member {
        keys.insert(key.clone());
    } else {
        keys.remove(key);
    }
}
