//! The planner's world, made of manifests instead of watches.
//!
//! What only a cluster can give is stood in for: an object in Git has no uid and no creation time, and nobody has looked
//! at its Secret or its repository.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::ResourceExt;

use crate::api::{AgentAutomation, AgentPolicy, AgentTask};
use crate::cli::manifest::{DEFAULT_NAMESPACE, Manifests, Object};
use crate::domain::repository::Repository;
use crate::observe::{self, Update};
use crate::plan::credential::{Usability, usability};
use crate::plan::policy::Labels;
use crate::plan::world::{BranchFacts, SecretState, Verification, automation_key};
use crate::plan::{CredentialKey, ObjectKey, World, guardrails};

/// Stands for a Secret's version where no file tells it.
const SOME_VERSION: &str = "0";

/// The world as of `now`.
#[must_use]
pub fn build(manifests: Manifests, now: Timestamp) -> World {
    let objects = Objects {
        namespaces: manifests.namespaces.into_iter().collect(),
        ..sort(manifests.objects.into_values())
    };
    assemble(objects, &manifests.secrets, now)
}

/// Objects, wherever they are from.
#[derive(Default)]
pub struct Objects {
    pub automations: Vec<AgentAutomation>,
    pub tasks: Vec<AgentTask>,
    pub policies: Vec<AgentPolicy>,
    pub namespaces: Vec<(String, Labels)>,
}

/// The world that objects make, with what only a cluster or GitHub can tell stood in for.
#[must_use]
pub fn assemble(objects: Objects, secrets: &BTreeMap<ObjectKey, Option<String>>, now: Timestamp) -> World {
    let mut world = World::default();
    let Objects {
        automations,
        tasks,
        policies,
        namespaces,
    } = objects;
    for (name, labels) in namespaces {
        world.put_namespace(&name, labels);
    }
    let uids = uids(&tasks);
    for mut automation in automations {
        settle(&mut automation.metadata);
        let key = ObjectKey::of(&automation);
        automation.metadata.creation_timestamp.get_or_insert(Time(now));
        automation
            .metadata
            .uid
            .get_or_insert_with(|| uids.get(&key).cloned().unwrap_or_else(|| key.to_string()));
        for branch in guardrails::all_of_automation(&automation) {
            let told = automation.status.iter().flat_map(|status| status.guardrails.clone());
            let known = world.told_guardrails.entry(branch).or_default();
            if known.is_empty() {
                known.extend(told);
            }
        }
        observe::apply(&mut world, Update::Automation(Box::new(automation)));
    }
    for mut task in tasks {
        settle(&mut task.metadata);
        let key = ObjectKey::of(&task);
        task.metadata.uid.get_or_insert_with(|| key.to_string());
        observe::apply(&mut world, Update::Task(Box::new(task)));
    }
    for policy in policies {
        observe::apply(&mut world, Update::Policy(Box::new(policy)));
    }
    credentials(&mut world, secrets, now);
    world
}

fn sort(objects: impl Iterator<Item = Object>) -> Objects {
    objects.fold(Objects::default(), |mut sorted, object| {
        match object {
            Object::Automation(automation) => sorted.automations.push(*automation),
            Object::Task(task) => sorted.tasks.push(*task),
            Object::Policy(policy) => sorted.policies.push(*policy),
            Object::Source(_) => {}
        }
        sorted
    })
}

/// A version would hide what a pass puts over it.
fn settle(metadata: &mut ObjectMeta) {
    metadata.namespace.get_or_insert_with(|| DEFAULT_NAMESPACE.to_owned());
    metadata.resource_version = None;
}

/// The uid that each automation's newest task knows it by: an automation from Git beside tasks from the cluster.
fn uids(tasks: &[AgentTask]) -> BTreeMap<ObjectKey, String> {
    let mut newest: Vec<_> = tasks.iter().collect();
    newest.sort_by_key(|task| task.spec.trigger.scheduled_time);
    let named = |task: &AgentTask| {
        let namespace = task.namespace().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        ObjectKey {
            namespace,
            ..automation_key(task)
        }
    };
    newest
        .into_iter()
        .map(|task| (named(task), task.spec.automation.uid.clone()))
        .collect()
}

fn credentials(world: &mut World, secrets: &BTreeMap<ObjectKey, Option<String>>, now: Timestamp) {
    let of_automations = world.automations().flat_map(|(_, automation)| {
        let keys = CredentialKey::all_of(automation);
        keys.map(|key| (key, automation.spec.repository.clone()))
    });
    let of_tasks = world.tasks().flat_map(|(_, task)| {
        let keys = CredentialKey::named_by(task);
        keys.map(|key| (key, task.spec.repository.clone()))
    });
    // News of a credential is asked whom it concerns, and that is all who use it: each is told once.
    let mut used: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (key, repository) in of_automations.chain(of_tasks) {
        used.entry(key).or_default().extend(Repository::parse(&repository));
    }
    for (key, repositories) in used {
        let Some(version) = version(world, &key, secrets) else {
            observe::apply(world, Update::Secret(key, SecretState::Missing, now));
            continue;
        };
        let present = SecretState::Present {
            resource_version: version.clone(),
        };
        observe::apply(world, Update::Secret(key.clone(), present, now));
        for repository in repositories {
            let seen = Verification {
                checked_at: now,
                resource_version: version.clone(),
                result: Ok(()),
            };
            observe::apply(world, Update::Verified(key.clone(), repository, seen));
        }
    }
    branches(world, now);
}

/// Branches count as there. What guards them only GitHub knows.
fn branches(world: &mut World, now: Timestamp) {
    let of_automations = world
        .automations()
        .flat_map(|(_, automation)| guardrails::all_of_automation(automation));
    let of_tasks = world.tasks().flat_map(|(_, task)| guardrails::all_of_task(task));
    let branches: BTreeSet<_> = of_automations.chain(of_tasks).collect();
    for branch in branches {
        let credential = world.credentials.get(&branch.credential);
        let Usability::Usable(resource_version) = usability(&branch.credential, credential) else {
            continue;
        };
        let facts = BranchFacts {
            checked_at: now,
            resource_version,
            exists: Ok(true),
            guardrails: None,
        };
        observe::apply(world, Update::Inspected(branch, Box::new(facts)));
    }
}

/// The Secret's version; none when it is not there. Where no file tells it, it is the one that GitHub refused, if any.
fn version(world: &World, key: &CredentialKey, secrets: &BTreeMap<ObjectKey, Option<String>>) -> Option<String> {
    let known = secrets.get(&ObjectKey::new(key.namespace.clone(), key.secret.name.clone()));
    if known.is_none() && !secrets.is_empty() {
        return None;
    }
    let refused = || {
        world
            .credentials
            .get(key)
            .and_then(|credential| credential.rejected.clone())
    };
    known
        .cloned()
        .flatten()
        .or_else(refused)
        .or_else(|| Some(SOME_VERSION.to_owned()))
}
