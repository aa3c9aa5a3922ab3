//! What `controller::leading` does: news in, plans out, one errand for each subject.

use std::collections::{BTreeMap, BTreeSet};

use agent_automation::api::AgentTask;
use agent_automation::api::task::Phase;
use agent_automation::controller::timers::Timers;
use agent_automation::observe::{Update, apply};
use agent_automation::plan::queue::Queue;
use agent_automation::plan::time::{LONGEST_RETRY, add, pending};
use agent_automation::plan::world::Writing;
use agent_automation::plan::{Action, ObjectKey, Planned, Settings, Subject, World, admission, plan};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::cluster::{Actor, Cluster};
use super::errand::{Errand, Shell, Step};

const LONGEST_PASSED_OVER: SignedDuration = SignedDuration::from_secs(2);
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// A controller process. It leads, or waits for its turn.
#[derive(Debug)]
pub struct Process {
    pub id: Actor,
    /// By how much its clock is ahead.
    pub skew: SignedDuration,
    /// How much later than others it hears of a write.
    pub lag: SignedDuration,
    /// How likely a call of its goes wrong.
    pub weather: f64,
    /// It stands still until then.
    pub paused_until: Timestamp,
    pub shell: Shell,
    pub leading: Option<Leading>,
}

/// One term of leadership.
#[derive(Debug)]
pub struct Leading {
    pub world: World,
    queue: Queue,
    /// Since when the queue passes over something that a look at everything would do.
    missed: BTreeMap<String, Timestamp>,
    /// What it passes over for too long.
    pub passed_over: Vec<String>,
    timers: Timers,
    dirty: BTreeSet<Subject>,
    pub errands: BTreeMap<u32, Errand>,
    next_errand: u32,
    /// How much of the log it has heard.
    pub heard: usize,
    /// Whether it is to be told of more.
    pub is_listening: bool,
    /// Secret versions that it knows to be refused.
    pub refused: BTreeSet<u64>,
}

/// An errand that has just been decided on.
pub struct Dispatched {
    pub errand: u32,
    /// The task that is to start.
    pub starts: Option<ObjectKey>,
}

impl Process {
    pub fn new(id: Actor, settings: Settings) -> Self {
        Self {
            id,
            skew: SignedDuration::ZERO,
            lag: SignedDuration::from_millis(100),
            weather: 0.0,
            paused_until: Timestamp::MIN,
            shell: Shell {
                identity: format!("controller-{id}"),
                settings,
                wanted: BTreeSet::new(),
                written: BTreeSet::new(),
                tokens: BTreeMap::new(),
            },
            leading: None,
        }
    }

    /// It has the lease, and lists everything.
    pub fn lead(&mut self, cluster: &Cluster, inherited: &BTreeSet<String>) {
        let mut leading = Leading {
            world: World::default(),
            queue: Queue::default(),
            missed: BTreeMap::new(),
            passed_over: Vec::new(),
            timers: Timers::default(),
            dirty: BTreeSet::new(),
            errands: BTreeMap::new(),
            next_errand: 0,
            heard: cluster.log.len(),
            is_listening: false,
            refused: BTreeSet::new(),
        };
        leading.world.inherited_claims.extend(inherited.iter().cloned());
        self.shell.wanted.clone_from(inherited);
        self.shell.written.clone_from(inherited);
        self.shell.tokens.clear();
        for policy in cluster.policies.values() {
            leading.learn(Update::Policy(Box::new((**policy).clone())));
        }
        for automation in cluster.automations.values() {
            leading.learn(Update::Automation(Box::new((**automation).clone())));
        }
        for task in cluster.tasks.values() {
            leading.learn(Update::Task(Box::new((**task).clone())));
        }
        leading.world.is_complete = true;
        self.leading = Some(leading);
    }

    /// When it has something to do by the passing of time, by everybody's clock.
    pub fn wake(&self) -> Option<Timestamp> {
        let time = self.leading.as_ref()?.timers.first()?;
        Some((time - self.skew).max(self.paused_until))
    }

    /// An errand has ended.
    pub fn end(&mut self, errand: Errand, now: Timestamp) {
        let (leading, shell) = (self.leading.as_mut().unwrap(), &mut self.shell);
        let subject = errand.subject;
        leading.world.busy.remove(&subject);
        leading.world.writing.remove(&subject);
        leading.dirty.insert(subject.clone());
        for update in errand.updates {
            if let Update::TaskWritten(task) = &update {
                unclaim(&mut leading.world, shell, task);
            }
            match &update {
                Update::Rejected(_, version) => leading.refused.extend(version.parse::<u64>()),
                // With a credential goes what was known of it.
                Update::Forgotten(Subject::Credential(_)) => leading.refused.clear(),
                _ => {}
            }
            leading.learn(update);
        }
        match errand.failure {
            Some(problem) => leading.fail(subject, problem, now),
            None => {
                leading.world.retries.remove(&subject);
            }
        }
    }

    /// Plans what has changed and what is due, and says what is to be done.
    pub fn plan(&mut self, now: Timestamp) -> Vec<Dispatched> {
        let Some(leading) = &mut self.leading else {
            return Vec::new();
        };
        settle_claims(&mut leading.world, &mut self.shell);
        leading.dirty.extend(leading.timers.due(now));
        let dirty = std::mem::take(&mut leading.dirty);
        if dirty.is_empty() {
            return Vec::new();
        }
        let settings = &self.shell.settings;
        let mut dispatched = Vec::new();
        let admitted = leading.queue.plan(&leading.world, &dirty, settings, now);
        leading.compare(&admitted, settings, now);
        for (subject, planned) in admitted {
            dispatched.extend(leading.dispatch(subject, planned, settings, now));
        }
        for subject in dirty {
            let planned = plan(&leading.world, &subject, settings, now);
            dispatched.extend(leading.dispatch(subject, planned, settings, now));
        }
        dispatched
    }

    /// What would be done now for anything that is known.
    pub fn would_do(&self, now: Timestamp) -> Vec<(Subject, Action)> {
        let Some(leading) = &self.leading else {
            return Vec::new();
        };
        let (world, settings) = (&leading.world, &self.shell.settings);
        let mut plans = admission::plan(world, settings, now);
        let credentials = world.credentials.keys().cloned().map(Subject::Credential);
        let automations = world.automations().map(|(key, _)| Subject::Automation(key.clone()));
        let tasks = world.tasks().map(|(key, _)| Subject::Task(key.clone()));
        let repositories = world.repositories.keys().cloned();
        let repositories = repositories.map(|(key, repository)| Subject::Repository(key, repository));
        let branches = world.branches.keys().cloned().map(Subject::Branch);
        let pulls = world
            .pulls
            .keys()
            .cloned()
            .map(|(key, repository)| Subject::Pulls(key, repository));
        let rest = credentials
            .chain(automations)
            .chain(tasks)
            .chain(repositories)
            .chain(branches)
            .chain(pulls);
        plans.extend(rest.map(|subject| {
            let planned = plan(world, &subject, settings, now);
            (subject, planned)
        }));
        let actions = plans.into_iter().flat_map(|(subject, planned)| {
            let actions = planned.actions.into_iter();
            actions.map(move |action| (subject.clone(), action))
        });
        actions.collect()
    }
}

impl Leading {
    pub fn learn(&mut self, update: Update) {
        self.dirty.extend(apply(&mut self.world, update));
    }

    /// Hears the log up to some entry. What it wrote itself it has heard already.
    pub fn hear(&mut self, cluster: &Cluster, to: usize) {
        for write in &cluster.log[self.heard..to] {
            if let Some(update) = write.changed.update() {
                self.learn(update);
            }
        }
        self.heard = to;
    }

    /// What the queue does not look at is found by other news, or when it comes in turn; it must not come to that.
    fn compare(&mut self, admitted: &[(Subject, Planned)], settings: &Settings, now: Timestamp) {
        let before = std::mem::take(&mut self.missed);
        for what in missed(&self.world, admitted, settings, now) {
            let since = before.get(&what).copied().unwrap_or(now);
            if since + LONGEST_PASSED_OVER < now {
                self.passed_over.push(what.clone());
            }
            self.missed.insert(what, since);
        }
    }

    fn fail(&mut self, subject: Subject, problem: &str, now: Timestamp) {
        let retry = self.world.retries.entry(subject).or_default();
        retry.not_before = add(now, (FIRST_RETRY * 2_i32.pow(retry.times.min(6))).min(LONGEST_RETRY));
        retry.times = retry.times.saturating_add(1);
        problem.clone_into(&mut retry.problem);
    }

    fn dispatch(
        &mut self,
        subject: Subject,
        planned: Planned,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Dispatched> {
        if let Some(wake) = planned.wake {
            self.timers.set(&subject, wake);
        }
        if planned.actions.is_empty() || self.world.busy.contains(&subject) {
            return None;
        }
        let retry = self.world.retries.get(&subject).map(|retry| retry.not_before);
        if let Some(not_before) = pending(retry, LONGEST_RETRY, now) {
            self.timers.set(&subject, not_before);
            return None;
        }
        let starts = self.prepare(&subject, &planned.actions, settings, now);
        let actions = planned.actions.into_iter();
        let steps = actions.map(|action| Step::new(&self.world, &subject, action)).collect();
        self.world.busy.insert(subject.clone());
        self.next_errand += 1;
        self.errands.insert(self.next_errand, Errand::new(subject, steps));
        Some(Dispatched {
            errand: self.next_errand,
            starts,
        })
    }

    /// What the plan stands on until the action has ended. Gives the task that starts.
    fn prepare(
        &mut self,
        subject: &Subject,
        actions: &[Action],
        settings: &Settings,
        now: Timestamp,
    ) -> Option<ObjectKey> {
        let Subject::Task(key) = subject else { return None };
        let task = self.world.task(key)?;
        let writing = actions.iter().find_map(|action| Writing::of(task, action))?;
        let credential = self.world.credentials.entry(writing.credential.clone()).or_default();
        credential.next_write = Some(add(now, settings.write_interval));
        let starts = writing.reserves.is_some();
        self.world.writing.insert(subject.clone(), writing);
        starts.then(|| key.clone())
    }
}

/// What a look at everything that waits would do besides. A reason that a task is told may wait for the next whole pass.
fn missed(world: &World, admitted: &[(Subject, Planned)], settings: &Settings, now: Timestamp) -> Vec<String> {
    let waits = |action: &Action| match action {
        Action::WriteTaskStatus(status) => status.phase == Phase::Held,
        // A branch whose guardrails are in the way is asked about at a pace of its own.
        Action::Inspect { .. } => true,
        _ => false,
    };
    let acts = |planned: &Planned| !planned.actions.iter().all(waits);
    let done = |(subject, planned): &(Subject, Planned)| {
        let mut same = admitted.iter().filter(|(other, _)| other == subject);
        same.any(|(_, other)| other.actions == planned.actions)
    };
    let whole = admission::plan(world, settings, now).into_iter();
    // What is asked already is not asked again, and what did not get through is left for a while.
    let is_free = |subject: &Subject| {
        let retry = world.retries.get(subject).map(|retry| retry.not_before);
        !world.busy.contains(subject) && pending(retry, LONGEST_RETRY, now).is_none()
    };
    let besides = whole.filter(|plan| acts(&plan.1) && !done(plan) && is_free(&plan.0));
    let told = besides.map(|(subject, planned)| {
        let actions = planned.actions.iter().map(|action| match action {
            Action::WriteTaskStatus(status) => format!("{:?} {:?}", status.phase, status.reason),
            action => action.name().to_owned(),
        });
        format!("{subject}: {}", actions.collect::<Vec<_>>().join(" "))
    });
    told.collect()
}

/// What the leader before this one wrote ahead of a task that we have written to can't arrive any more.
fn unclaim(world: &mut World, shell: &mut Shell, task: &AgentTask) {
    let uid = task.uid().unwrap_or_default();
    if world.inherited_claims.remove(&uid) {
        shell.release(&uid);
    }
}

/// What was claimed of tasks that do not wait any more has been written or never will be.
fn settle_claims(world: &mut World, shell: &mut Shell) {
    if world.inherited_claims.is_empty() {
        return;
    }
    let waiting: BTreeSet<_> = world.waiting().filter_map(|(_, task)| task.uid()).collect();
    let claims = std::mem::take(&mut world.inherited_claims);
    let (wait, settled) = claims.into_iter().partition(|uid| waiting.contains(uid));
    world.inherited_claims = wait;
    let settled: BTreeSet<String> = settled;
    for uid in &settled {
        shell.release(uid);
    }
}
