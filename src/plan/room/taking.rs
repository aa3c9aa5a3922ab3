//! What starts and does not count as under way yet: what one pass lets start, and what is on its way to GitHub.

use std::collections::BTreeMap;

use crate::api::AgentTask;
use crate::plan::policy::Policy;
use crate::plan::world::{ObjectKey, SameKey, World, automation_key, folded, same_key};

/// Sums by what caps and budgets count by, so that none of them has to go through all tasks.
#[derive(Default)]
pub(super) struct Taking<'a> {
    automations: BTreeMap<ObjectKey, Share>,
    /// By namespace and repository, in lower case.
    repositories: BTreeMap<(String, String), Share>,
    same: BTreeMap<SameKey, Vec<&'a AgentTask>>,
}

/// How much of what is limited some tasks take.
#[derive(Default, Clone, Copy)]
pub(super) struct Share {
    pub(super) tasks: i64,
    /// Those that open a pull request.
    pub(super) pulls: i64,
    /// What they are taken to cost, in billionths of a credit.
    pub(super) nano: i64,
}

impl<'a> Taking<'a> {
    pub(super) fn enter(&mut self, task: &'a AgentTask, nano: i64) {
        let share = Share {
            tasks: 1,
            pulls: i64::from(task.spec.pull_request.create),
            nano,
        };
        let namespace = task.metadata.namespace.clone().unwrap_or_default();
        self.automations.entry(automation_key(task)).or_default().add(share);
        let repository = (namespace, folded(&task.spec.repository));
        self.repositories.entry(repository).or_default().add(share);
        if let Some(key) = same_key(task) {
            self.same.entry(key).or_default().push(task);
        }
    }

    pub(super) fn of(&self, automation: &ObjectKey) -> Share {
        self.automations.get(automation).copied().unwrap_or_default()
    }

    /// In the namespaces of a policy.
    pub(super) fn under(&self, world: &World, policy: &Policy) -> Share {
        self.sum(|namespace, _| world.holds(policy, namespace))
    }

    /// In the namespaces of a policy, in one repository.
    pub(super) fn under_in(&self, world: &World, policy: &Policy, repository: &str) -> Share {
        self.sum(|namespace, other| other == repository && world.holds(policy, namespace))
    }

    /// In a repository, whatever the namespace.
    pub(super) fn within(&self, repository: &str) -> Share {
        self.sum(|_, other| other == repository)
    }

    /// Tasks that are about the same.
    pub(super) fn like(&self, task: &AgentTask) -> impl Iterator<Item = &'a AgentTask> {
        let same = same_key(task).and_then(|key| self.same.get(&key));
        same.into_iter().flatten().copied()
    }

    /// By automation.
    pub(super) fn automations(&self) -> impl Iterator<Item = (&ObjectKey, Share)> {
        self.automations.iter().map(|(key, share)| (key, *share))
    }

    /// By namespace and repository.
    pub(super) fn repositories(&self) -> impl Iterator<Item = (&(String, String), Share)> {
        self.repositories.iter().map(|(key, share)| (key, *share))
    }

    fn sum(&self, is_meant: impl Fn(&str, &str) -> bool) -> Share {
        let meant = self
            .repositories
            .iter()
            .filter(|((namespace, repository), _)| is_meant(namespace, repository));
        meant.fold(Share::default(), |mut sum, (_, share)| {
            sum.add(*share);
            sum
        })
    }
}

impl Share {
    fn add(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.pulls += other.pulls;
        self.nano = self.nano.saturating_add(other.nano);
    }
}
