//! Whom a piece of news concerns: the subjects that are planned again after it.

use std::collections::BTreeSet;

use crate::api::trigger::Source;
use crate::api::{AgentAutomation, AgentTask};
use crate::domain::repository::Repository;
use crate::plan::world::{automation_key, closed_pull, open_pull};
use crate::plan::{
    CredentialKey, ObjectKey, Subject, World, event, guardrails, notify, origin, redelivery, report, retry, sweep,
};

pub(super) fn about_task(world: &World, task: &AgentTask) -> Vec<Subject> {
    let mut subjects = vec![
        Subject::Task(ObjectKey::of(task)),
        Subject::Automation(automation_key(task)),
    ];
    if !task.spec.is_decided() {
        return subjects;
    }
    subjects.extend(notify::subjects(task));
    subjects.extend(CredentialKey::named_by(task).map(Subject::Credential));
    if let Ok(repository) = Repository::parse(&task.spec.repository) {
        let pulls = |credential| Subject::Pulls(credential, repository.clone());
        subjects.extend(CredentialKey::named_by(task).map(pulls));
    }
    // A branch that only the task names is forgotten once the task does not wait any more.
    let of_automation = world.automation_of(task).map(guardrails::all_of_automation);
    let of_automation = of_automation.unwrap_or_default();
    let of_task = guardrails::all_of_task(task).into_iter();
    let own = of_task.filter(|branch| !of_automation.contains(branch));
    subjects.extend(own.map(Subject::Branch));
    subjects.extend(origin::all_of_task(task).into_iter().map(Subject::Origin));
    subjects.extend(report::labels_left_to(world, task).cloned().map(Subject::Task));
    let follows = task.spec.follows.as_ref();
    let namespace = || ObjectKey::of(task).namespace;
    subjects.extend(follows.map(|follows| Subject::Task(ObjectKey::new(namespace(), &*follows.name))));
    subjects
}

pub(super) fn about_automation(world: &World, key: &ObjectKey) -> Vec<Subject> {
    let Some(automation) = world.automation(key) else {
        return Vec::new();
    };
    let mut subjects = vec![Subject::Automation(key.clone())];
    for credential in CredentialKey::all_of(automation) {
        subjects.push(Subject::Credential(credential.clone()));
        if let Ok(repository) = Repository::parse(&automation.spec.repository) {
            subjects.extend(about_repository(world, automation, credential, repository));
        }
    }
    let branches = guardrails::all_of_automation(automation).into_iter();
    subjects.extend(branches.map(Subject::Branch));
    subjects
}

fn about_repository(
    world: &World,
    automation: &AgentAutomation,
    credential: CredentialKey,
    repository: Repository,
) -> Vec<Subject> {
    let mut subjects = Vec::new();
    if event::listens(automation, Source::Poll) || world.events.contains_key(&(credential.clone(), repository.clone()))
    {
        subjects.push(Subject::Events(credential.clone(), repository.clone()));
    }
    if redelivery::is_wanted_by(automation) || world.deliveries.contains_key(&(credential.clone(), repository.clone()))
    {
        subjects.extend(about_deliveries(world, credential.clone(), repository.clone()));
    }
    subjects.push(Subject::Repository(credential, repository));
    subjects
}

/// Whom it concerns what is known of the events of a repository.
#[must_use]
pub fn about_events(world: &World, key: &CredentialKey, repository: &Repository) -> Vec<Subject> {
    let listening = sweep::listening(world, key, repository);
    let automations = listening.map(|(name, _)| Subject::Automation(name.clone()));
    automations
        .chain([Subject::Events(key.clone(), repository.clone())])
        .collect()
}

pub(super) fn about_deliveries(world: &World, key: CredentialKey, repository: Repository) -> Vec<Subject> {
    let sources = world.webhook_sources_in(&key.namespace);
    let sources: Vec<_> = sources.map(|(name, _)| Subject::WebhookSource(name.clone())).collect();
    sources
        .into_iter()
        .chain([Subject::Deliveries(key, repository)])
        .collect()
}

pub(super) fn about_credential(world: &World, key: &CredentialKey) -> Vec<Subject> {
    let automations = world.automations_with(key);
    let tasks = world.followed_with(key);
    let opened = world
        .followed_with(key)
        .filter(|(_, task)| open_pull(task) || closed_pull(task));
    let pulls = world.pulls.keys().filter(|(credential, _)| credential == key);
    // Those that were never listed count as well: a controller that has just begun knows of no list.
    let repositories: BTreeSet<_> = opened
        .filter_map(|(_, task)| Repository::parse(&task.spec.repository).ok())
        .chain(pulls.map(|(_, repository)| repository.clone()))
        .collect();
    automations
        .flat_map(|(name, _)| about_automation(world, name))
        .chain(tasks.map(|(name, _)| Subject::Task(name.clone())))
        .chain([Subject::Credential(key.clone())])
        .chain(
            repositories
                .into_iter()
                .map(|repository| Subject::Pulls(key.clone(), repository)),
        )
        .collect()
}

/// A policy concerns the namespaces that it holds for, or did, and those that none holds for: they are told which there
/// are. While one can't be read, it concerns all.
pub(super) fn about_policy(world: &mut World, name: &str, change: impl FnOnce(&mut World) -> bool) -> Vec<Subject> {
    let concerned = |names: &[String]| names.is_empty() || names.iter().any(|held| held == name);
    let (before, was_readable) = (world.where_held(concerned), world.unreadable_policies.is_empty());
    if !change(world) {
        return Vec::new();
    }
    if was_readable && world.unreadable_policies.is_empty() {
        about_automations_in(world, before.into_iter().chain(world.where_held(concerned)))
    } else {
        about_automations_in(world, world.where_held(|_| true))
    }
}

/// A namespace that policies hold for no longer, or newly, gives room to others that they hold for, or takes it.
pub(super) fn about_namespace(world: &mut World, name: &str, change: impl FnOnce(&mut World) -> bool) -> Vec<Subject> {
    let holding =
        |world: &World| -> BTreeSet<String> { world.holding(name).map(|policy| policy.name().to_owned()).collect() };
    let before = holding(world);
    if !change(world) {
        return Vec::new();
    }
    let after = holding(world);
    let changed: BTreeSet<_> = before.symmetric_difference(&after).cloned().collect();
    let held = world.where_held(|names| names.iter().any(|held| changed.contains(held)));
    let itself = (!changed.is_empty()).then(|| name.to_owned());
    about_automations_in(world, held.into_iter().chain(itself))
}

/// Before everything that was there is known, each object is news itself.
fn about_automations_in(world: &World, namespaces: impl IntoIterator<Item = String>) -> Vec<Subject> {
    if !world.is_complete {
        return Vec::new();
    }
    let namespaces: BTreeSet<_> = namespaces.into_iter().collect();
    let automations = || namespaces.iter().flat_map(|namespace| world.automations_in(namespace));
    // A policy may allow by now what it did not when the task ended.
    let retried = automations().flat_map(|(_, automation)| {
        let is_wanted = |task: &&AgentTask| retry::is_wanted(world, task) || notify::keeps(task);
        let tasks = world.tasks_of(automation).filter(is_wanted);
        tasks.flat_map(|task| {
            let told = notify::subjects(task);
            told.into_iter().chain([Subject::Task(ObjectKey::of(task))])
        })
    });
    let about = automations().flat_map(|(key, _)| about_automation(world, key));
    about.chain(retried).collect()
}
