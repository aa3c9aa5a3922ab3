//! The API server in few lines: objects with versions, writes that fail when another came first, and the log from which
//! controllers hear of them later.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use agent_automation::api::automation::{AutomationSpec, AutomationStatus};
use agent_automation::api::policy::PolicySpec;
use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask};
use agent_automation::observe::Update;
use agent_automation::plan::{CredentialKey, ObjectKey};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::ResourceExt;

/// Who wrote: a process by its number, or people.
pub type Actor = u32;
pub const PEOPLE: Actor = 0;

/// An object before and after a write.
#[derive(Debug)]
pub struct Change<T> {
    pub before: Option<Rc<T>>,
    pub after: Option<Rc<T>>,
}

#[derive(Debug)]
pub enum Changed {
    Automation(Change<AgentAutomation>),
    Task(Change<AgentTask>),
    Policy(Change<AgentPolicy>),
}

/// One entry of the log.
#[derive(Debug)]
pub struct Write {
    pub actor: Actor,
    pub at: Timestamp,
    pub changed: Changed,
}

/// Why a write did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotWritten {
    /// Another version is there.
    Conflict,
    Gone,
}

/// Who leads, and which tasks it is about to write ahead.
#[derive(Debug, Default)]
pub struct Lease {
    pub holder: Option<Actor>,
    pub version: u64,
    pub claims: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub struct Cluster {
    pub now: Timestamp,
    pub automations: BTreeMap<ObjectKey, Rc<AgentAutomation>>,
    pub tasks: BTreeMap<ObjectKey, Rc<AgentTask>>,
    pub policies: BTreeMap<String, Rc<AgentPolicy>>,
    /// Versions of the Secrets that are there.
    pub secrets: BTreeMap<CredentialKey, u64>,
    pub lease: Lease,
    pub log: Vec<Write>,
    versions: u64,
}

impl Cluster {
    pub fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    fn stamp(&mut self, metadata: &mut ObjectMeta, is_new: bool) {
        let version = self.next_version();
        metadata.resource_version = Some(version.to_string());
        if is_new {
            metadata.uid = Some(format!("uid-{version}"));
            metadata.generation = Some(1);
            // To the second, as the API server writes it.
            let created = Timestamp::from_second(self.now.as_second()).unwrap();
            metadata.creation_timestamp = Some(Time(created));
        }
    }

    fn record(&mut self, actor: Actor, changed: Changed) {
        self.log.push(Write {
            actor,
            at: self.now,
            changed,
        });
    }

    /// What would have an owner that is gone is collected at once.
    pub fn create_task(&mut self, actor: Actor, mut task: AgentTask) -> Result<Rc<AgentTask>, NotWritten> {
        let key = ObjectKey::of(&task);
        if self.tasks.contains_key(&key) {
            return Err(NotWritten::Conflict);
        }
        self.stamp(&mut task.metadata, true);
        let task = self.put_task(actor, task);
        let owner = &task.spec.automation.uid;
        if !self
            .automations
            .values()
            .any(|automation| automation.uid().as_ref() == Some(owner))
        {
            self.remove_task(PEOPLE, &key);
        }
        Ok(task)
    }

    fn put_task(&mut self, actor: Actor, task: AgentTask) -> Rc<AgentTask> {
        let (key, after) = (ObjectKey::of(&task), Rc::new(task));
        let before = self.tasks.insert(key, after.clone());
        let change = Change {
            before,
            after: Some(after.clone()),
        };
        self.record(actor, Changed::Task(change));
        after
    }

    /// Replaces the status of that very version.
    pub fn replace_task(&mut self, actor: Actor, task: &AgentTask) -> Result<Rc<AgentTask>, NotWritten> {
        let known = self.tasks.get(&ObjectKey::of(task)).ok_or(NotWritten::Gone)?;
        if known.uid() != task.uid() || known.resource_version() != task.resource_version() {
            return Err(NotWritten::Conflict);
        }
        // A write that changes nothing makes no version.
        if known.status == task.status {
            return Ok(known.clone());
        }
        let mut next = AgentTask::clone(known);
        next.status.clone_from(&task.status);
        self.stamp(&mut next.metadata, false);
        Ok(self.put_task(actor, next))
    }

    pub fn annotate_task(&mut self, key: &ObjectKey, name: &str, value: &str) {
        let Some(known) = self.tasks.get(key) else { return };
        let mut next = AgentTask::clone(known);
        next.annotations_mut().insert(name.to_owned(), value.to_owned());
        self.stamp(&mut next.metadata, false);
        self.put_task(PEOPLE, next);
    }

    /// Deletes the task of that uid.
    pub fn delete_task(&mut self, actor: Actor, key: &ObjectKey, uid: &str) {
        if self
            .tasks
            .get(key)
            .is_some_and(|task| task.uid().as_deref() == Some(uid))
        {
            self.remove_task(actor, key);
        }
    }

    fn remove_task(&mut self, actor: Actor, key: &ObjectKey) {
        let before = self.tasks.remove(key);
        self.next_version();
        self.record(actor, Changed::Task(Change { before, after: None }));
    }

    pub fn create_automation(&mut self, mut automation: AgentAutomation) {
        self.stamp(&mut automation.metadata, true);
        self.put_automation(PEOPLE, automation);
    }

    fn put_automation(&mut self, actor: Actor, automation: AgentAutomation) -> Rc<AgentAutomation> {
        let (key, after) = (ObjectKey::of(&automation), Rc::new(automation));
        let before = self.automations.insert(key, after.clone());
        let change = Change {
            before,
            after: Some(after.clone()),
        };
        self.record(actor, Changed::Automation(change));
        after
    }

    pub fn replace_automation(
        &mut self,
        actor: Actor,
        automation: &AgentAutomation,
        status: AutomationStatus,
    ) -> Result<Rc<AgentAutomation>, NotWritten> {
        let known = self
            .automations
            .get(&ObjectKey::of(automation))
            .ok_or(NotWritten::Gone)?;
        if known.uid() != automation.uid() || known.resource_version() != automation.resource_version() {
            return Err(NotWritten::Conflict);
        }
        let mut next = AgentAutomation::clone(known);
        next.status = Some(status);
        self.stamp(&mut next.metadata, false);
        Ok(self.put_automation(actor, next))
    }

    pub fn edit_automation(&mut self, key: &ObjectKey, edit: impl FnOnce(&mut AutomationSpec)) {
        let Some(known) = self.automations.get(key) else { return };
        let mut next = AgentAutomation::clone(known);
        edit(&mut next.spec);
        if next.spec == known.spec {
            return;
        }
        next.metadata.generation = next.metadata.generation.map(|generation| generation + 1);
        self.stamp(&mut next.metadata, false);
        self.put_automation(PEOPLE, next);
    }

    pub fn annotate_automation(&mut self, key: &ObjectKey, name: &str, value: &str) {
        let Some(known) = self.automations.get(key) else { return };
        let mut next = AgentAutomation::clone(known);
        next.annotations_mut().insert(name.to_owned(), value.to_owned());
        self.stamp(&mut next.metadata, false);
        self.put_automation(PEOPLE, next);
    }

    /// Its tasks go with it.
    pub fn delete_automation(&mut self, key: &ObjectKey) {
        let Some(before) = self.automations.remove(key) else {
            return;
        };
        let uid = before.uid().unwrap_or_default();
        self.next_version();
        let change = Change {
            before: Some(before),
            after: None,
        };
        self.record(PEOPLE, Changed::Automation(change));
        let owned = self.tasks.iter().filter(|(_, task)| task.spec.automation.uid == uid);
        for key in owned.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.remove_task(PEOPLE, &key);
        }
    }

    /// Writes a policy, or deletes it.
    pub fn put_policy(&mut self, name: &str, spec: Option<PolicySpec>) {
        let before = self.policies.get(name).cloned();
        if before.as_ref().map(|policy| &policy.spec) == spec.as_ref() {
            return;
        }
        let after = spec.map(|spec| {
            let mut policy = before
                .as_deref()
                .map_or_else(|| AgentPolicy::new(name, spec.clone()), Clone::clone);
            policy.spec = spec;
            self.stamp(&mut policy.metadata, before.is_none());
            policy.metadata.generation = before.as_ref().map_or(Some(1), |before| {
                before.metadata.generation.map(|generation| generation + 1)
            });
            Rc::new(policy)
        });
        match &after {
            Some(policy) => self.policies.insert(name.to_owned(), policy.clone()),
            None => self.policies.remove(name),
        };
        self.record(PEOPLE, Changed::Policy(Change { before, after }));
    }
}

impl Write {
    /// It, in short.
    pub fn told(&self) -> String {
        let what = match &self.changed {
            Changed::Automation(Change { after: Some(it), .. }) => {
                let status = it.status.clone().unwrap_or_default();
                let schedules = status
                    .schedules
                    .iter()
                    .map(|schedule| schedule.decided_through.to_string());
                let (missed, decided) = (status.missed_runs, schedules.collect::<String>());
                format!(
                    "{} of {:?}: {missed} missed, {decided}",
                    it.name_any(),
                    it.metadata.generation
                )
            }
            Changed::Task(Change { after: Some(it), .. }) => {
                let status = it.status.clone().unwrap_or_default();
                let (phase, reason) = (status.phase, status.reason);
                format!(
                    "{} due {}: {phase:?} {reason:?}",
                    it.name_any(),
                    it.spec.trigger.scheduled_time
                )
            }
            Changed::Policy(Change { after: Some(it), .. }) => {
                format!("{} of {:?}", it.name_any(), it.metadata.generation)
            }
            Changed::Task(Change { before: Some(it), .. }) => format!("{} is gone", it.name_any()),
            Changed::Automation(Change { before: Some(it), .. }) => format!("{} is gone", it.name_any()),
            Changed::Policy(_) => "a policy is gone".to_owned(),
            _ => String::new(),
        };
        format!("{} {} writes {what}", self.at, self.actor)
    }
}

impl Changed {
    /// What a watch brings of it.
    pub fn update(&self) -> Option<Update> {
        Some(match self {
            Self::Automation(change) => match (&change.before, &change.after) {
                (_, Some(after)) => Update::Automation(Box::new(AgentAutomation::clone(after))),
                (before, None) => {
                    let before = before.as_deref()?;
                    Update::AutomationGone(ObjectKey::of(before), before.uid()?)
                }
            },
            Self::Task(change) => match (&change.before, &change.after) {
                (_, Some(after)) => Update::Task(Box::new(AgentTask::clone(after))),
                (before, None) => {
                    let before = before.as_deref()?;
                    Update::TaskGone(ObjectKey::of(before), before.uid()?)
                }
            },
            Self::Policy(change) => match (&change.before, &change.after) {
                (_, Some(after)) => Update::Policy(Box::new(AgentPolicy::clone(after))),
                (before, None) => Update::PolicyGone(before.as_deref()?.name_any()),
            },
        })
    }
}
