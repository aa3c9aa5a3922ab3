//! What is known: the objects as last seen or written, and the facts that came back from Secrets and GitHub.
//!
//! The shell feeds it (`observe`), the planner reads it. It keeps the newest version of each object by
//! `resourceVersion`, so that what this process wrote is never hidden by a watch that lags behind.

mod facts;
mod index;
mod keys;
mod reading;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::automation::{DeletedTask, GuardrailStatus};
use crate::api::policy::TriggerKind;
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, WebhookSource};
use crate::domain::repository::Repository;

use super::Subject;
use super::budget::Ledger;
use super::decided::Decisions;
use super::notify;
use super::policy::{Labels, Policy};
use super::redelivery::DeliveryFacts;
use index::{Graves, Index};
use reading::{followed, is_counted, labels_on, started};

pub use facts::{
    BranchFacts, Credential, EventFacts, Labelled, LabelledPull, OriginFacts, PullFacts, RefusedStart, Retry,
    SecretState, TaskFacts, Verification, Writing,
};
pub use keys::{BranchKey, CredentialKey, ObjectKey, OriginKey, secret_of};
pub use reading::{
    SameKey, automation_key, closed_pull, counts, folded, in_repository_of, is_collected, is_in_review, open_pull,
    phase, same_key, version,
};

/// Where kubectl keeps the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Caps on starts look back this far.
pub const RATE_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// The whole of it.
#[derive(Debug, Default)]
pub struct World {
    automations: BTreeMap<ObjectKey, AgentAutomation>,
    tasks: BTreeMap<ObjectKey, AgentTask>,
    policies: BTreeMap<String, Policy>,
    webhook_sources: BTreeMap<ObjectKey, WebhookSource>,
    namespaces: BTreeMap<String, Labels>,
    /// The policies that hold for each namespace, by name.
    scopes: BTreeMap<String, Vec<String>>,
    tasks_by_automation: Index<ObjectKey>,
    tasks_by_key: Index<SameKey>,
    /// Tasks that are to take another's place, by that other.
    followers: Index<ObjectKey>,
    /// Tasks that set a label, by the issue or the pull request.
    labelling: Index<(String, i64)>,
    /// Tasks that wait, or whose pull request is open or may be opened again.
    followed_by_repository: Index<(CredentialKey, String)>,
    automations_by_credential: Index<CredentialKey>,
    tasks_by_credential: Index<CredentialKey>,
    /// Tasks that wait, count, or whose pull request is open or may be opened again, by their credential.
    followed: Index<CredentialKey>,
    /// Tasks that wait, by their automation and by their credential.
    waiting: Index<ObjectKey>,
    waiting_by_credential: Index<CredentialKey>,
    active: BTreeSet<ObjectKey>,
    /// Tasks whose pull requests are open or about to be, by their repository.
    in_review: Index<String>,
    /// Tasks whose pull requests wait for people.
    open_pulls: BTreeSet<ObjectKey>,
    /// When tasks started, or may have.
    starts: BTreeSet<(Timestamp, ObjectKey)>,
    /// The same of tasks that are gone, for as long as a rate counts them.
    departed_starts: BTreeSet<(Timestamp, ObjectKey)>,
    /// Tasks that started and that somebody deleted, by automation and uid, until the automation's status accounts for them.
    departed: BTreeMap<ObjectKey, BTreeMap<String, AgentTask>>,
    ledger: Ledger,
    /// Policies that can't be decoded. They may forbid anything.
    pub unreadable_policies: BTreeSet<String>,
    /// Automations that can't be decoded. They are there, and may ask for nothing any more.
    pub unreadable_automations: BTreeSet<ObjectKey>,
    /// Tasks that can't be decoded, with their automations. They may be at work.
    pub unreadable_tasks: BTreeMap<ObjectKey, ObjectKey>,
    pub credentials: BTreeMap<CredentialKey, Credential>,
    pub repositories: BTreeMap<(CredentialKey, Repository), Verification>,
    pub branches: BTreeMap<BranchKey, BranchFacts>,
    /// What statuses say of guardrails, where nobody here can ask GitHub.
    pub told_guardrails: BTreeMap<BranchKey, Vec<GuardrailStatus>>,
    pub pulls: BTreeMap<(CredentialKey, Repository), PullFacts>,
    pub origins: BTreeMap<OriginKey, OriginFacts>,
    pub events: BTreeMap<(CredentialKey, Repository), EventFacts>,
    pub deliveries: BTreeMap<(CredentialKey, Repository), DeliveryFacts>,
    pub facts: BTreeMap<ObjectKey, TaskFacts>,
    /// When each automation's status was last written by this process.
    pub status_written: BTreeMap<ObjectKey, Timestamp>,
    /// Uids of waiting tasks that the leader before this one may still write ahead: each is written to before anything
    /// is decided about it, so that such a write fails.
    pub inherited_claims: BTreeSet<String>,
    /// Uids of what is gone; a late answer does not bring a task back.
    gone: Graves,
    /// Triggers and times of each automation whose task is gone, until the automation's status says that it is.
    deleted: BTreeMap<ObjectKey, BTreeSet<(String, Timestamp)>>,
    /// The same of tasks for what happened at GitHub, until the automation's position has passed that.
    deleted_events: BTreeMap<ObjectKey, BTreeSet<DeletedTask>>,
    /// Whether everything that was there when this process began to look is known.
    pub is_complete: bool,
    /// Which versions decided what.
    decisions: Decisions,
    /// Uids of tasks that appeared after their time was decided: creates that were on their way for long.
    late: BTreeSet<String>,
    /// What an action is under way for.
    pub busy: BTreeSet<Subject>,
    /// What a write to GitHub is under way for.
    pub writing: BTreeMap<Subject, Writing>,
    /// Credentials whose tokens are being exchanged: what is sent with one meanwhile may find it dead.
    pub exchanging: BTreeSet<CredentialKey>,
    /// What did not get through.
    pub retries: BTreeMap<Subject, Retry>,
}

impl World {
    pub fn automations(&self) -> impl Iterator<Item = (&ObjectKey, &AgentAutomation)> {
        self.automations.iter()
    }

    /// The automations of a namespace.
    pub fn automations_in(&self, namespace: &str) -> impl Iterator<Item = (&ObjectKey, &AgentAutomation)> {
        let all = self.automations.range(ObjectKey::new(namespace, "")..);
        all.take_while(move |(key, _)| key.namespace == namespace)
    }

    pub fn tasks(&self) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.tasks.iter()
    }

    pub fn policies(&self) -> impl Iterator<Item = &AgentPolicy> + Clone {
        self.policies.values().map(|policy| &policy.object)
    }

    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name)
    }

    /// Whether an object of that uid was seen to go.
    #[must_use]
    pub fn saw_go(&self, uid: &str) -> bool {
        self.gone.holds(uid)
    }

    /// The policies that hold for a namespace.
    pub fn holding(&self, namespace: &str) -> impl Iterator<Item = &Policy> + use<'_> {
        let names = self.scopes.get(namespace).map(|names| Cow::from(names.as_slice()));
        let names = names.unwrap_or_else(|| self.scope(namespace).into());
        (0..names.len()).filter_map(move |index| self.policies.get(names.get(index)?))
    }

    /// The namespaces that are known and where policies hold of which this is true.
    pub fn where_held(&self, is_meant: impl Fn(&[String]) -> bool) -> BTreeSet<String> {
        let meant = self.scopes.iter().filter(|(_, names)| is_meant(names));
        meant.map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Whether a policy holds for a namespace.
    #[must_use]
    pub fn holds(&self, policy: &Policy, namespace: &str) -> bool {
        let known = self.scopes.get(namespace);
        known.map_or_else(
            || policy.selects(namespace, self.namespaces.get(namespace)),
            |names| names.binary_search_by(|name| name.as_str().cmp(policy.name())).is_ok(),
        )
    }

    /// What was spent and what is held.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Tasks of a namespace with the same key in the same repository, one of which may be a duplicate of the other.
    pub fn with_key_of(&self, task: &AgentTask) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        let same = same_key(task);
        let keys = same
            .into_iter()
            .flat_map(|same| self.tasks_by_key.of(&same).cloned().collect::<Vec<_>>());
        keys.filter_map(|key| self.tasks.get_key_value(&key))
    }

    /// Tasks that are to take the place of another.
    pub fn followers_of(&self, followed: &ObjectKey) -> impl Iterator<Item = &AgentTask> {
        self.entries(self.followers.of(followed)).map(|(_, task)| task)
    }

    /// Other tasks, of any namespace, that set a label on the issue or the pull request where this one does.
    pub fn labelling_beside(&self, task: &AgentTask) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        let place = labels_on(task);
        let keys = place.into_iter().flat_map(|place| self.labelling.of(&place));
        let this = ObjectKey::of(task);
        self.entries(keys).filter(move |(key, _)| **key != this)
    }

    /// Tasks in a repository that wait, or whose pull requests are open or may be opened again.
    pub fn tasks_in(
        &self,
        key: &CredentialKey,
        repository: &Repository,
    ) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        let keys = self
            .followed_by_repository
            .of(&(key.clone(), folded(repository.as_str())));
        keys.cloned()
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|key| self.tasks.get_key_value(&key))
    }

    /// Tasks that wait, count, or whose pull request is open or may be opened again.
    pub fn followed_with(&self, key: &CredentialKey) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.entries(self.followed.of(key))
    }

    /// Tasks whose pull requests wait for people.
    pub fn open_pulls(&self) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.open_pulls.iter().filter_map(|key| self.tasks.get_key_value(key))
    }

    /// When tasks started, or may have, since then, the oldest first; and which.
    pub fn started_since(&self, time: Timestamp) -> impl Iterator<Item = (Timestamp, &ObjectKey)> {
        let known = [&self.starts, &self.departed_starts].into_iter();
        let recent = known.flat_map(|starts| starts.iter().rev().take_while(move |(at, _)| *at > time));
        let mut recent: Vec<_> = recent.map(|(at, key)| (*at, key)).collect();
        recent.sort_unstable();
        recent.into_iter()
    }

    /// Tasks of an automation that started, that somebody deleted, and that its status does not account for yet.
    pub fn departed(&self, automation: &ObjectKey) -> impl Iterator<Item = (&String, &AgentTask)> {
        self.departed.get(automation).into_iter().flatten()
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
        self.tasks_by_automation
            .of(&ObjectKey::of(automation))
            .filter_map(|key| self.tasks.get(key))
            .filter(move |task| task.spec.automation.uid == uid)
    }

    /// The times of a trigger whose task is gone, and of which the automation's status does not say so yet.
    pub fn deleted(&self, automation: &ObjectKey, trigger: &str) -> impl Iterator<Item = Timestamp> {
        let times = self.deleted.get(automation).into_iter().flatten();
        times.filter(move |(name, _)| name == trigger).map(|(_, time)| *time)
    }

    /// Tasks for what happened at GitHub that somebody deleted, the oldest event first.
    pub fn deleted_events(&self, automation: &ObjectKey) -> impl Iterator<Item = &DeletedTask> + use<'_> {
        self.deleted_events.get(automation).into_iter().flatten()
    }

    /// Whether a task is for what happened at GitHub, and somebody deleted the one before it that had its name.
    #[must_use]
    pub fn was_deleted(&self, task: &AgentTask) -> bool {
        let mut gone = self.deleted_events(&automation_key(task));
        task.spec.trigger.event.is_some() && gone.any(|gone| Some(&gone.name) == task.metadata.name.as_ref())
    }

    /// The automations that name a credential.
    pub fn automations_with(&self, key: &CredentialKey) -> impl Iterator<Item = (&ObjectKey, &AgentAutomation)> {
        let keys = self.automations_by_credential.of(key);
        keys.filter_map(|key| self.automations.get_key_value(key))
    }

    /// The tasks that depend on a credential: it is one of those that they may be started with, or the one that they were.
    pub fn tasks_with(&self, key: &CredentialKey) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        let keys = self.tasks_by_credential.of(key);
        keys.filter_map(|key| self.tasks.get_key_value(key))
    }

    /// Tasks that wait to be started.
    pub fn waiting(&self) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.entries(self.waiting.0.values().flatten())
    }

    /// Whether anything waits.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.waiting.0.is_empty()
    }

    /// The automations of which tasks wait, from one on.
    pub fn automations_that_wait(&self, from: Bound<ObjectKey>) -> impl Iterator<Item = &ObjectKey> {
        self.waiting.0.range((from, Bound::Unbounded)).map(|(key, _)| key)
    }

    /// The tasks that name an automation, whatever its uid.
    pub fn named_by(&self, automation: &ObjectKey) -> impl Iterator<Item = &AgentTask> {
        self.entries(self.tasks_by_automation.of(automation))
            .map(|(_, task)| task)
    }

    /// The tasks that name an automation and wait to be started, whatever its uid.
    pub fn waiting_of(&self, automation: &ObjectKey) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.entries(self.waiting.of(automation))
    }

    /// The tasks that wait and may be started with a credential.
    pub fn waiting_with(&self, key: &CredentialKey) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.entries(self.waiting_by_credential.of(key))
    }

    /// Tasks in a repository whose pull requests are open or about to be.
    pub fn in_review(&self, repository: &str) -> impl Iterator<Item = &AgentTask> {
        let keys = self.in_review.of(&folded(repository));
        self.entries(keys).map(|(_, task)| task)
    }

    fn entries<'a>(
        &'a self,
        keys: impl Iterator<Item = &'a ObjectKey>,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a AgentTask)> {
        keys.filter_map(|key| self.tasks.get_key_value(key))
    }

    /// Tasks at which something may be at work at GitHub.
    pub fn active(&self) -> impl Iterator<Item = (&ObjectKey, &AgentTask)> {
        self.active.iter().filter_map(|key| self.tasks.get_key_value(key))
    }

    /// Takes an automation in, unless a newer version is known. Says whether it was news.
    pub fn put_automation(&mut self, mut automation: AgentAutomation) -> bool {
        automation.annotations_mut().remove(LAST_APPLIED);
        let key = ObjectKey::of(&automation);
        let is_gone = self.gone.holds(&automation.uid().unwrap_or_default());
        if is_gone || !is_news(self.automations.get(&key), &automation) {
            return false;
        }
        self.unreadable_automations.remove(&key);
        self.unlink_automation(&key);
        if let Some(times) = self.deleted.get_mut(&key) {
            times.retain(|(trigger, time)| !is_collected(&automation, trigger, *time));
        }
        self.learn_deleted(&key, &automation);
        for credential in CredentialKey::all_of(&automation) {
            self.automations_by_credential.insert(credential, &key);
        }
        self.ledger.enter_status(&key, automation.status.as_ref());
        self.settle(&key, &automation);
        self.decisions.learn(&key, &automation);
        self.enter(&key.namespace);
        self.automations.insert(key, stripped(automation));
        true
    }

    /// Takes a task in, unless a newer version is known. Says whether it was news.
    pub fn put_task(&mut self, task: AgentTask) -> bool {
        let (key, task) = (ObjectKey::of(&task), task.completed());
        if self.gone.holds(&task.uid().unwrap_or_default()) || !is_news(self.tasks.get(&key), &task) {
            return false;
        }
        if self.is_late(&key, &task) {
            self.late.extend(task.uid());
        }
        self.unlink_task(&key);
        self.unreadable_tasks.remove(&key);
        self.tasks_by_automation.insert(automation_key(&task), &key);
        if task.spec.is_decided() {
            self.link_credentials(&key, &task);
        }
        if let Some(same) = same_key(&task) {
            self.tasks_by_key.insert(same, &key);
        }
        if let Some(followed) = followed(&task) {
            self.followers.insert(followed, &key);
        }
        if let Some(place) = labels_on(&task) {
            self.labelling.insert(place, &key);
        }
        if phase(&task).is_waiting() {
            self.waiting.insert(automation_key(&task), &key);
        }
        if is_in_review(&task) {
            self.in_review.insert(folded(&task.spec.repository), &key);
        }
        set(&mut self.active, &key, counts(&task));
        set(&mut self.open_pulls, &key, open_pull(&task));
        self.starts.extend(started(&task).map(|at| (at, key.clone())));
        self.ledger.enter_task(&automation_key(&task), &task);
        self.enter(&key.namespace);
        self.tasks.insert(key, stripped(task));
        true
    }

    /// Whether a task appeared after its time was decided, and so after somebody deleted it or it was counted as missed.
    #[must_use]
    pub fn came_late(&self, task: &AgentTask) -> bool {
        self.late.contains(&task.uid().unwrap_or_default())
    }

    /// Takes a policy in, unless a newer version is known. Says whether it was news.
    pub fn put_policy(&mut self, policy: AgentPolicy) -> bool {
        let name = policy.name_any();
        if !is_news(self.policies.get(&name).map(|policy| &policy.object), &policy) {
            return false;
        }
        self.unreadable_policies.remove(&name);
        self.policies.insert(name, Policy::new(stripped(policy)));
        self.rescope();
        true
    }

    /// Takes a source of webhooks in, unless a newer version is known. Says whether it was news.
    pub fn put_webhook_source(&mut self, source: WebhookSource) -> bool {
        let key = ObjectKey::of(&source);
        let is_news = is_news(self.webhook_sources.get(&key), &source);
        if is_news {
            self.webhook_sources.insert(key, stripped(source));
        }
        is_news
    }

    pub fn remove_webhook_source(&mut self, key: &ObjectKey) {
        self.webhook_sources.remove(key);
        self.retries.remove(&Subject::WebhookSource(key.clone()));
    }

    #[must_use]
    pub fn webhook_source(&self, key: &ObjectKey) -> Option<&WebhookSource> {
        self.webhook_sources.get(key)
    }

    /// The sources of webhooks of a namespace.
    pub fn webhook_sources_in(&self, namespace: &str) -> impl Iterator<Item = (&ObjectKey, &WebhookSource)> {
        let all = self.webhook_sources.range(ObjectKey::new(namespace, "")..);
        all.take_while(move |(key, _)| key.namespace == namespace)
    }

    /// All sources of webhooks.
    pub fn webhook_sources(&self) -> impl Iterator<Item = (&ObjectKey, &WebhookSource)> {
        self.webhook_sources.iter()
    }

    /// Takes a namespace's labels in. Says whether they are news.
    pub fn put_namespace(&mut self, name: &str, labels: Labels) -> bool {
        if self.namespaces.get(name) == Some(&labels) {
            return false;
        }
        self.namespaces.insert(name.to_owned(), labels);
        self.scopes.remove(name);
        self.enter(name);
        true
    }

    /// Says whether it was known.
    pub fn remove_namespace(&mut self, name: &str) -> bool {
        self.scopes.remove(name);
        self.namespaces.remove(name).is_some()
    }

    /// The namespaces whose labels are known.
    pub fn namespaces(&self) -> impl Iterator<Item = &String> {
        self.namespaces.keys()
    }

    /// Forgets an automation, unless the one of that name is another by now.
    pub fn remove_automation(&mut self, key: &ObjectKey, uid: &str) {
        self.unreadable_automations.remove(key);
        if self.automations.get(key).is_none_or(|known| !has_uid(known, uid)) {
            return;
        }
        self.gone.dig(uid);
        self.unlink_automation(key);
        self.automations.remove(key);
        self.status_written.remove(key);
        self.decisions.forget(key);
        self.deleted.remove(key);
        self.deleted_events.remove(key);
        for task in self.departed.remove(key).into_iter().flat_map(BTreeMap::into_values) {
            self.ledger.leave_task(key, &task);
        }
        self.retries.remove(&Subject::Automation(key.clone()));
    }

    /// Forgets a task, unless the one of that name is another by now. It does not come back.
    pub fn remove_task(&mut self, key: &ObjectKey, uid: &str) {
        self.gone.dig(uid);
        self.late.remove(uid);
        self.unreadable_tasks.remove(key);
        if self.tasks.get(key).is_none_or(|known| !has_uid(known, uid)) {
            return;
        }
        self.unlink_task(key);
        self.facts.remove(key);
        self.retries.remove(&Subject::Task(key.clone()));
        let Some(task) = self.tasks.remove(key) else { return };
        for subject in notify::all_subjects(&task) {
            self.retries.remove(&subject);
        }
        let cause = &task.spec.trigger;
        let untold = self
            .automation_of(&task)
            .is_some_and(|automation| !is_collected(automation, &cause.name, cause.scheduled_time));
        if untold && cause.kind == TriggerKind::Schedule {
            let times = self.deleted.entry(automation_key(&task)).or_default();
            times.insert((cause.name.clone(), cause.scheduled_time));
        }
        let collects = |automation: &AgentAutomation| {
            let mut collected = automation.status.iter().flat_map(|status| &status.collected.deleting);
            collected.any(|name| *name == key.name)
        };
        if cause.event.is_some()
            && self
                .automation_of(&task)
                .is_some_and(|automation| !collects(automation))
        {
            let known = self.deleted_events.entry(automation_key(&task)).or_default();
            let (time, name) = (cause.scheduled_time, key.name.clone());
            known.insert(DeletedTask { time, name });
        }
        if let Some(at) = started(&task) {
            self.depart(key, task, at);
        }
    }

    /// A process that has just begun learns of them from the status; what that lets go of need not be known any more.
    fn learn_deleted(&mut self, key: &ObjectKey, automation: &AgentAutomation) {
        let told = |automation: &AgentAutomation| {
            let status = automation.status.as_ref();
            status.map_or_else(Vec::new, |status| status.collected.of_events.clone())
        };
        let before = self.automations.get(key).map(told).unwrap_or_default();
        let now = told(automation);
        let known = self.deleted_events.entry(key.clone()).or_default();
        known.extend(now.iter().cloned());
        known.retain(|gone| now.contains(gone) || !before.contains(gone));
        if known.is_empty() {
            self.deleted_events.remove(key);
        }
    }

    /// That a task started, and what it cost, stays true when somebody deletes it.
    fn depart(&mut self, key: &ObjectKey, task: AgentTask, at: Timestamp) {
        self.remember_start(at, key.clone());
        let by = automation_key(&task);
        let accounts = self
            .automation_of(&task)
            .and_then(|automation| automation.status.as_ref());
        let is_accounted = accounts.is_some_and(|status| status.collected.deleting.contains(&key.name));
        if self.automation_of(&task).is_some() && !is_accounted {
            self.ledger.enter_task(&by, &task);
            self.departed
                .entry(by)
                .or_default()
                .insert(task.uid().unwrap_or_default(), task);
        }
    }

    fn remember_start(&mut self, at: Timestamp, key: ObjectKey) {
        self.departed_starts.insert((at, key));
        let newest = self.departed_starts.last().map_or(at, |(newest, _)| *newest);
        self.departed_starts
            .retain(|(at, _)| newest.duration_since(*at) <= RATE_WINDOW);
    }

    /// What an automation's status accounts for is not kept beside it.
    fn settle(&mut self, key: &ObjectKey, automation: &AgentAutomation) {
        for start in automation.status.iter().flat_map(|status| &status.collected.starts) {
            self.remember_start(start.at, ObjectKey::new(key.namespace.clone(), start.name.clone()));
        }
        let Some(departed) = self.departed.get_mut(key) else {
            return;
        };
        for uid in automation.status.iter().flat_map(|status| &status.collected.departed) {
            if let Some(task) = departed.remove(uid) {
                self.ledger.leave_task(key, &task);
            }
        }
        if departed.is_empty() {
            self.departed.remove(key);
        }
    }

    /// Says whether it was known.
    pub fn remove_policy(&mut self, name: &str) -> bool {
        let was_known = self.policies.remove(name).is_some() | self.unreadable_policies.remove(name);
        self.rescope();
        was_known
    }

    fn scope(&self, namespace: &str) -> Vec<String> {
        let labels = self.namespaces.get(namespace);
        let held = self
            .policies
            .iter()
            .filter(|(_, policy)| policy.selects(namespace, labels));
        held.map(|(name, _)| name.clone()).collect()
    }

    fn enter(&mut self, namespace: &str) {
        if !self.scopes.contains_key(namespace) {
            let scope = self.scope(namespace);
            self.scopes.insert(namespace.to_owned(), scope);
        }
    }

    fn rescope(&mut self) {
        let namespaces: Vec<_> = std::mem::take(&mut self.scopes).into_keys().collect();
        for namespace in &namespaces {
            self.enter(namespace);
        }
    }

    /// An object that is new here, and that was created after its time was decided or whose time is counted as missed.
    fn is_late(&self, key: &ObjectKey, task: &AgentTask) -> bool {
        let cause = &task.spec.trigger;
        let is_new = self.tasks.get(key).is_none_or(|known| known.uid() != task.uid());
        let follows = task.spec.follows.as_ref();
        let has_predecessor = follows.is_some_and(|follows| {
            self.tasks
                .contains_key(&ObjectKey::new(key.namespace.clone(), &*follows.name))
        });
        let was_decided = |automation: &AgentAutomation| {
            let automation_key = ObjectKey::of(automation);
            let decided_by = self
                .decisions
                .decided_by(&automation_key, &cause.name, cause.scheduled_time);
            decided_by.is_some_and(|decided| decided < version(task))
                || is_counted(automation, &cause.name, cause.scheduled_time)
        };
        self.is_complete && is_new && !has_predecessor && self.automation_of(task).is_some_and(was_decided)
    }

    fn link_credentials(&mut self, key: &ObjectKey, task: &AgentTask) {
        let waits = phase(task).is_waiting();
        let is_wanted = waits || open_pull(task) || closed_pull(task);
        for credential in CredentialKey::needed_by(task) {
            self.tasks_by_credential.insert(credential.clone(), key);
            if is_wanted || counts(task) {
                self.followed.insert(credential.clone(), key);
            }
            if waits {
                self.waiting_by_credential.insert(credential.clone(), key);
            }
            if is_wanted {
                let repository = folded(&task.spec.repository);
                self.followed_by_repository.insert((credential, repository), key);
            }
        }
    }

    fn unlink_automation(&mut self, key: &ObjectKey) {
        if let Some(known) = self.automations.get(key) {
            for credential in CredentialKey::all_of(known) {
                self.automations_by_credential.remove(&credential, key);
            }
            self.ledger.leave_status(key, known.status.as_ref());
        }
    }

    fn unlink_task(&mut self, key: &ObjectKey) {
        if let Some(known) = self.tasks.get(key) {
            self.tasks_by_automation.remove(&automation_key(known), key);
            for credential in CredentialKey::needed_by(known) {
                self.tasks_by_credential.remove(&credential, key);
                self.followed.remove(&credential, key);
                self.waiting_by_credential.remove(&credential, key);
                let repository = folded(&known.spec.repository);
                self.followed_by_repository.remove(&(credential, repository), key);
            }
            if let Some(same) = same_key(known) {
                self.tasks_by_key.remove(&same, key);
            }
            if let Some(followed) = followed(known) {
                self.followers.remove(&followed, key);
            }
            if let Some(place) = labels_on(known) {
                self.labelling.remove(&place, key);
            }
            if let Some(at) = started(known) {
                self.starts.remove(&(at, key.clone()));
            }
            self.waiting.remove(&automation_key(known), key);
            self.in_review.remove(&folded(&known.spec.repository), key);
            self.ledger.leave_task(&automation_key(known), known);
        }
        self.active.remove(key);
        self.open_pulls.remove(key);
    }
}

fn has_uid(object: &impl ResourceExt, uid: &str) -> bool {
    object.meta().uid.as_deref() == Some(uid)
}

fn is_news<T: ResourceExt>(known: Option<&T>, object: &T) -> bool {
    let version = version(object);
    version == 0 || known.is_none_or(|known| self::version(known) < version)
}

/// Field ownership is for the API server; decoded it is many times larger than the object itself.
fn stripped<T: ResourceExt>(mut object: T) -> T {
    object.meta_mut().managed_fields = None;
    object
}

fn set(keys: &mut BTreeSet<ObjectKey>, key: &ObjectKey, member: bool) {
    if member {
        keys.insert(key.clone());
    } else {
        keys.remove(key);
    }
}
