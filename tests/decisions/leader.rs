//! A leader without a cluster and without GitHub: it decides as the controller's does, and what it decides is done at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use agent_automation::api::task::{PullRequest, TaskStatus};
use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask};
use agent_automation::domain::repository::Repository;
use agent_automation::domain::task_state::TaskState;
use agent_automation::observe::{Update, apply};
use agent_automation::plan::action::Admitted;
use agent_automation::plan::observed::{AgentFacts, BranchRules, GuardrailFacts, ObservedTask, SeenPull, StartOutcome};
use agent_automation::plan::queue::Queue;
use agent_automation::plan::world::{
    BranchFacts, BranchKey, Labelled, SecretState, Verification, automation_key, open_pull,
};
use agent_automation::plan::{
    Action, CredentialKey, ObjectKey, Planned, Settings, Subject, World, guardrails, plan, start,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::Result;
use crate::fleet::{new_task, uid};

/// Decisions that follow from each other end long before.
const ROUNDS: usize = 100;
const SECRET_VERSION: &str = "1";

pub type Plans = Vec<(Subject, Planned)>;

pub struct Leader {
    pub world: World,
    pub now: Timestamp,
    settings: Settings,
    queue: Queue,
    dirty: BTreeSet<Subject>,
    numbers: usize,
    versions: u64,
}

/// How long the parts of one decision took.
#[derive(Clone, Copy)]
pub struct Parts {
    pub apply: Duration,
    pub admission: Duration,
    pub plan: Duration,
}

impl Parts {
    pub fn total(&self) -> Duration {
        self.apply + self.admission + self.plan
    }
}

impl Leader {
    pub fn new(now: Timestamp) -> Self {
        Self {
            world: World::default(),
            now,
            // What GitHub said of branches stays fresh, so that time alone asks nothing while something else is measured.
            settings: Settings {
                freshness: SignedDuration::from_hours(24),
                ..Settings::default()
            },
            queue: Queue::default(),
            dirty: BTreeSet::new(),
            numbers: 0,
            versions: 1,
        }
    }

    pub fn hear(&mut self, update: Update) {
        self.dirty.extend(apply(&mut self.world, update));
    }

    /// One turn of the controller's loop: news and what is due, and the plans for it.
    pub fn decide(&mut self, updates: Vec<Update>, due: Vec<Subject>) -> (Parts, Plans) {
        let began = Instant::now();
        for update in updates {
            self.hear(update);
        }
        self.dirty.extend(due);
        let applied = Instant::now();
        let dirty = std::mem::take(&mut self.dirty);
        let mut plans = self.queue.plan(&self.world, &dirty, &self.settings, self.now);
        let admitted = Instant::now();
        for subject in dirty {
            let planned = plan(&self.world, &subject, &self.settings, self.now);
            plans.push((subject, planned));
        }
        let parts = Parts {
            apply: applied - began,
            admission: admitted - applied,
            plan: admitted.elapsed(),
        };
        (parts, plans)
    }

    /// Carries out plans and whatever follows from them, until nothing is left to do. Says how many turns that took.
    pub fn carry_out(&mut self, mut plans: Plans) -> Result<usize> {
        for round in 0..ROUNDS {
            let mut updates = Vec::new();
            for (subject, planned) in plans {
                for action in planned.actions {
                    updates.extend(self.act(&subject, action)?);
                }
            }
            if updates.is_empty() {
                return Ok(round);
            }
            (_, plans) = self.decide(updates, Vec::new());
        }
        Err("the fleet does not come to rest".into())
    }

    /// Decides about all that was heard, and comes to rest.
    pub fn settle(&mut self) -> Result<usize> {
        let (_, plans) = self.decide(Vec::new(), Vec::new());
        self.carry_out(plans)
    }

    /// Looks at every branch from which something waits to start, so that a start needs no more questions.
    pub fn look_at_branches(&mut self) {
        let branches: BTreeSet<_> = self
            .world
            .waiting()
            .filter_map(|(_, task)| guardrails::of_task(&self.world, task))
            .filter(|key| !self.world.branches.contains_key(key))
            .collect();
        for key in branches {
            let facts = self.branch(false);
            self.hear(Update::Inspected(key, Box::new(facts)));
        }
    }

    /// A number that was not used before.
    pub fn next_number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    /// A newer version than any before.
    pub fn next_version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    /// What the API server adds to a new object.
    pub fn stamp(&mut self, task: &mut AgentTask) {
        task.metadata.uid = Some(uid(1, self.next_number()));
        task.metadata.creation_timestamp = Some(Time(self.now));
        task.metadata.resource_version = Some(self.next_version());
    }

    /// A task as it is written with another status.
    pub fn written(&mut self, key: &ObjectKey, status: TaskStatus) -> Option<Update> {
        let mut task = self.world.task(key)?.clone();
        task.status = Some(status);
        task.metadata.resource_version = Some(self.next_version());
        Some(Update::TaskWritten(Box::new(task)))
    }

    /// The status of a task that was written ahead, sent, and answered.
    pub fn started(&self, task: &AgentTask, admitted: &Admitted, at: Timestamp) -> Option<TaskStatus> {
        let status = start::write_ahead(task, admitted, "bench", &self.settings, at);
        let attempt = status.attempts.last()?;
        let seen = at_github(task, at, TaskState::InProgress);
        start::conclude(&status, attempt, &StartOutcome::Created(Box::new(seen)), at)
    }

    /// The pull requests of a repository as GitHub lists them.
    pub fn list(&self, key: &CredentialKey, repository: &Repository) -> BTreeMap<i64, SeenPull> {
        let pulls = self.world.tasks_in(key, repository).filter(|(_, task)| open_pull(task));
        let seen = pulls.filter_map(|(_, task)| {
            let pull = task.status.as_ref()?.pull_request.as_ref()?;
            let seen = SeenPull {
                id: pull.id,
                is_open: pull.is_open(),
                updated_at: pull.updated_at,
            };
            Some((pull.number?, seen))
        });
        seen.collect()
    }

    fn act(&mut self, subject: &Subject, action: Action) -> Result<Vec<Update>> {
        Ok(match (subject, action) {
            (_, Action::CreateTask(mut task)) => {
                self.stamp(&mut task);
                vec![Update::TaskWritten(task)]
            }
            (_, Action::DeleteTask { key, uid }) => vec![Update::TaskGone(key, uid)],
            (Subject::Automation(key), Action::WriteAutomationStatus(status)) => {
                let mut automation = self.world.automation(key).ok_or("an automation is gone")?.clone();
                automation.status = Some(*status);
                automation.metadata.resource_version = Some(self.next_version());
                vec![Update::Automation(Box::new(automation))]
            }
            (Subject::Task(key), Action::WriteTaskStatus(status)) => self.written(key, *status).into_iter().collect(),
            (Subject::Task(key), Action::Start(admitted)) => self.start(key, &admitted)?,
            (Subject::Task(key), Action::Observe { .. }) => vec![Update::Observed(key.clone(), self.now)],
            (Subject::Task(key), Action::ObservePull { number }) => self.read_pull(key, number),
            (Subject::Credential(key), action) => self.about_credential(key, &action),
            (Subject::Repository(key, repository), Action::VerifyRepository) => {
                let verification = Verification {
                    checked_at: self.now,
                    resource_version: SECRET_VERSION.to_owned(),
                    result: Ok(()),
                };
                vec![Update::Verified(key.clone(), repository.clone(), verification)]
            }
            (Subject::Branch(key), Action::Inspect { guardrails }) => self.inspect(key, guardrails),
            (Subject::Pulls(key, repository), Action::ListPulls) => {
                let pulls = self.list(key, repository);
                let listed = Update::PullsListed(key.clone(), repository.clone(), self.now, Some(pulls));
                vec![listed]
            }
            (Subject::Pulls(key, repository), Action::ListOpenPulls) => {
                let labelled = Labelled {
                    asked_at: self.now,
                    answered_at: self.now,
                    pulls: BTreeMap::new(),
                };
                vec![Update::OpenPullsListed(key.clone(), repository.clone(), labelled)]
            }
            (subject, Action::Forget) => vec![Update::Forgotten(subject.clone())],
            (subject, action) => return Err(format!("{subject}: nothing here does {}", action.name()).into()),
        })
    }

    /// Another task of the same automation comes to wait in its place, so that the queue stays as long as it is.
    fn start(&mut self, key: &ObjectKey, admitted: &Admitted) -> Result<Vec<Update>> {
        let task = self.world.task(key).ok_or("a task is gone")?;
        let (automation, status) = (automation_key(task), self.started(task, admitted, self.now));
        let mut updates: Vec<_> = status
            .and_then(|status| self.written(key, status))
            .into_iter()
            .collect();
        let time = self.now + SignedDuration::from_millis(i64::try_from(self.next_number())?);
        updates.push(Update::Task(Box::new(new_task(self, &automation, time)?)));
        Ok(updates)
    }

    fn about_credential(&self, key: &CredentialKey, action: &Action) -> Vec<Update> {
        match action {
            Action::ReadSecret => {
                let present = SecretState::Present {
                    resource_version: SECRET_VERSION.to_owned(),
                };
                vec![Update::Secret(key.clone(), present, self.now)]
            }
            Action::Poll { .. } => vec![Update::Listed(key.clone(), self.now, None)],
            _ => vec![Update::Forgotten(Subject::Credential(key.clone()))],
        }
    }

    fn inspect(&self, key: &BranchKey, guardrails: bool) -> Vec<Update> {
        vec![Update::Inspected(key.clone(), Box::new(self.branch(guardrails)))]
    }

    /// It is there, and no rule protects it.
    fn branch(&self, guardrails: bool) -> BranchFacts {
        BranchFacts {
            checked_at: self.now,
            resource_version: SECRET_VERSION.to_owned(),
            exists: Ok(true),
            guardrails: guardrails.then(|| GuardrailFacts {
                checked_at: self.now,
                rules: Ok(BranchRules::default()),
                code_owners: Ok(None),
                agent: Ok(AgentFacts::default()),
                unanswered: None,
            }),
        }
    }

    fn read_pull(&mut self, key: &ObjectKey, number: i64) -> Vec<Update> {
        let next = self.world.task(key).and_then(|task| {
            let mut status = task.status.clone()?;
            let repository = Repository::parse(&task.spec.repository).ok()?;
            let listed = self.world.pulls.get(&(CredentialKey::of_task(task), repository))?;
            let updated_at = listed.pulls.get(&number)?.updated_at;
            let pull = status.pull_request.take()?;
            status.pull_request = Some(PullRequest { updated_at, ..pull });
            Some(status)
        });
        let written = next.and_then(|status| self.written(key, status));
        written
            .into_iter()
            .chain([Update::PullObserved(key.clone(), self.now)])
            .collect()
    }
}

/// A task as GitHub shows it.
pub fn at_github(task: &AgentTask, at: Timestamp, state: TaskState) -> ObservedTask {
    let id = task.uid().unwrap_or_default();
    ObservedTask {
        url: Some(format!("https://github.com/{}/tasks/{id}", task.spec.repository)),
        id,
        state,
        updated_at: Some(at),
        branch: None,
        pull_request: None,
        failure: None,
        usage: None,
        prompts: Vec::new(),
    }
}

/// All objects that a leader knows, as news, in the order in which that costs most: what holds for all of them comes last.
pub fn objects(world: &World) -> Vec<Update> {
    let automations = world.automations().map(|(_, automation)| automation.clone());
    let tasks = world.tasks().map(|(_, task)| task.clone());
    let policies = world.policies().cloned();
    let namespaces = world.namespaces().cloned();
    let of_automation = |automation: AgentAutomation| Update::Automation(Box::new(automation));
    let of_task = |task: AgentTask| Update::Task(Box::new(task));
    let of_policy = |policy: AgentPolicy| Update::Policy(Box::new(policy));
    automations
        .map(of_automation)
        .chain(tasks.map(of_task))
        .chain(policies.map(of_policy))
        .chain(namespaces.map(|name| Update::Namespace(name, BTreeMap::new())))
        .collect()
}
