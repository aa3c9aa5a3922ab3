//! What must be true at each write, whatever happened before it. The numbers are those of `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};

use agent_automation::api::automation::StartPolicy;
use agent_automation::api::policy::PolicySpec;
use agent_automation::api::task::{Phase, PullRequest, TaskStatus};
use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask, Reason};
use agent_automation::domain::task_state::TaskState;
use agent_automation::plan::budget;
use agent_automation::simulator::{Simulator, TaskRecord};
use harness::memory::{Verb, Write};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use crate::stage::{Stage, TOKEN, Team};

/// An automation, a scheduled time, and the number of the retry.
type Cause = (String, Timestamp, i32);

/// A controller has heard of a policy after this long, and has ended what it had begun before.
const HEARD: SignedDuration = SignedDuration::from_secs(60);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// A cap that a policy may have.
type Cap = fn(&PolicySpec) -> Option<i32>;
const NANO: i64 = 1_000_000_000;

/// Hears every write and remembers what it needs.
pub struct Watcher {
    /// Each version of the policy, and since when it holds: a controller may not have heard of the newest yet.
    policies: Vec<(Timestamp, Option<PolicySpec>)>,
    /// What each task that started is known to have cost, or what is held for it, and when it started.
    charges: BTreeMap<String, (Timestamp, i64)>,
    /// Of tasks that a person deleted: they may still be at work, and nobody counts them.
    deleted: BTreeSet<String>,
    /// How many creates of each automation may have arrived so late that their time was decided, and counted as missed.
    late: BTreeMap<String, usize>,
    /// Up to when the times of each automation are decided.
    decided: BTreeMap<String, Timestamp>,
    pub teams: BTreeMap<String, Team>,
    pub broken: Vec<String>,
    github: Simulator,
    /// Why tasks were as they were.
    pub reasons: BTreeSet<Reason>,
    /// Of every task object that ever was, by uid.
    causes: BTreeMap<String, Cause>,
    /// The newest status of every task object, by uid.
    statuses: BTreeMap<String, (String, TaskStatus)>,
    seen: usize,
}

impl Watcher {
    pub fn new(github: Simulator) -> Self {
        Self {
            policies: Vec::new(),
            charges: BTreeMap::new(),
            deleted: BTreeSet::new(),
            late: BTreeMap::new(),
            decided: BTreeMap::new(),
            teams: BTreeMap::new(),
            broken: Vec::new(),
            github,
            reasons: BTreeSet::new(),
            causes: BTreeMap::new(),
            statuses: BTreeMap::new(),
            seen: 0,
        }
    }

    pub fn hear(&mut self, write: &Write) {
        self.hidden(write);
        match write.kind.as_str() {
            "AgentTask" => self.task(write),
            "AgentAutomation" => self.decided(write),
            "AgentPolicy" => self.policy(write),
            _ => {}
        }
        self.look_at_github();
    }

    /// Once for each cause, within the policy and its caps at the instant of each start. (Invariants 1, 3 and 4.)
    pub fn look_at_github(&mut self) {
        let tasks = self.github.tasks();
        if tasks.len() == self.seen {
            return;
        }
        self.seen = tasks.len();
        self.once(&tasks);
        self.within_caps(&tasks);
    }

    fn once(&mut self, tasks: &[TaskRecord]) {
        let mut causes: BTreeMap<&Cause, Vec<&str>> = BTreeMap::new();
        for task in tasks {
            let Some(cause) = self.causes.get(uid(&task.prompt)) else {
                self.broken.push(format!("task {} has no object", task.id));
                return;
            };
            causes.entry(cause).or_default().push(&task.id);
        }
        let twice = causes
            .iter()
            .filter(|((automation, ..), ids)| ids.len() > 1 && self.at_most_once(automation));
        let told: Vec<_> = twice
            .map(|(cause, ids)| format!("1: {cause:?} was started {} times", ids.len()))
            .collect();
        self.broken.extend(told);
    }

    fn at_most_once(&self, automation: &str) -> bool {
        self.teams
            .get(automation)
            .is_none_or(|team| team.start_policy == StartPolicy::AtMostOnce)
    }

    /// What holds at the instant of a start, which is when the newest task appeared.
    fn within_caps(&mut self, tasks: &[TaskRecord]) {
        let Some(newest) = tasks.iter().max_by_key(|task| task.created_at) else {
            return;
        };
        let counted = |task: &&TaskRecord| !self.deleted.contains(uid(&task.prompt));
        let active: Vec<_> = tasks.iter().filter(|task| !is_over(task)).filter(counted).collect();
        let automation = |task: &TaskRecord| {
            self.causes
                .get(uid(&task.prompt))
                .map(|(automation, ..)| automation.clone())
        };
        let own = automation(newest);
        let of_own = active.iter().filter(|task| automation(task) == own).count();
        let here = active
            .iter()
            .filter(|task| task.repository == newest.repository)
            .count();
        // A cap on starts counts from when it is set: the history may have let go of what started before.
        let since = (newest.created_at - HOUR).max(self.rated_since(newest.created_at));
        let lately: BTreeSet<_> = tasks
            .iter()
            .filter(counted)
            .filter(|task| task.created_at > since)
            .map(|task| uid(&task.prompt))
            .collect();
        let waiting_pulls = self.waiting_pulls(own.as_deref());
        let policies = self.policies_at(newest.created_at);
        let mut broken = Vec::new();
        if policies.iter().all(|policy| policy.suspend) {
            broken.push("4: a task was started against the policy".to_owned());
        }
        let over = |count: usize, cap: Cap| {
            let caps = policies.iter().map(|policy| cap(policy));
            let most = caps
                .map(|cap| cap.map_or(usize::MAX, |cap| usize::try_from(cap).unwrap()))
                .max();
            count > most.unwrap_or(0)
        };
        let table: [(&str, usize, Cap); 5] = [
            ("active", active.len(), |policy| policy.max_active),
            ("active in the repository", here, |policy| {
                policy.max_active_per_repository
            }),
            ("active for the automation", of_own, |policy| {
                policy.max_active_per_automation
            }),
            ("started within an hour", lately.len(), |policy| {
                policy.max_starts_per_hour
            }),
            ("waiting for a review", waiting_pulls, |policy| {
                policy.max_open_pull_requests_per_automation
            }),
        ];
        for (what, count, cap) in table {
            if over(count, cap) {
                broken.push(format!("3: {count} {what} under {policies:?}"));
            }
        }
        broken.extend(self.over_budget(newest, &policies));
        let team = own.as_ref().and_then(|name| self.teams.get(name));
        if team.is_some_and(|team| of_own > usize::try_from(team.max_active).unwrap()) {
            broken.push(format!("3: {of_own} tasks of {own:?} at once"));
        }
        self.broken.extend(broken);
    }

    /// Since when, without a break, policies cap starts within an hour.
    fn rated_since(&self, at: Timestamp) -> Timestamp {
        let known = self.policies.iter().rev().filter(|(since, _)| *since <= at);
        let rated = known.take_while(|(_, policy)| {
            policy
                .as_ref()
                .is_some_and(|policy| policy.max_starts_per_hour.is_some())
        });
        rated.last().map_or(at, |(since, _)| *since)
    }

    /// What started today, at its known cost or what is held for it, was within a budget when the newest started.
    fn over_budget(&self, newest: &TaskRecord, policies: &[&PolicySpec]) -> Option<String> {
        let day = newest
            .created_at
            .to_zoned(TimeZone::UTC)
            .start_of_day()
            .unwrap()
            .timestamp();
        let today = self
            .charges
            .iter()
            .filter(|(uid, (at, _))| *at >= day && !self.deleted.contains(*uid));
        let charged: i64 = today.map(|(_, (_, nano))| nano).sum();
        let limits = policies
            .iter()
            .map(|policy| policy.budget.as_ref().and_then(|budget| budget.credits_per_day));
        let most = limits.map(|limit| limit.map_or(i64::MAX, |limit| limit * NANO)).max()?;
        (charged > most).then(|| format!("3: {charged} charged today, of {most}"))
    }

    /// Pull requests of an automation that are open, and tasks that may open one, as their objects tell.
    fn waiting_pulls(&self, automation: Option<&str>) -> usize {
        let live = self
            .statuses
            .iter()
            .filter(|(uid, (name, _))| Some(name.as_str()) == automation && !self.deleted.contains(*uid));
        let waits = |status: &TaskStatus| {
            let pull = status.pull_request.as_ref();
            status.phase.is_active() || pull.is_some_and(PullRequest::is_open)
        };
        live.filter(|(_, (_, status))| waits(status)).count()
    }

    fn policy(&mut self, write: &Write) {
        let policy = write.after.as_ref().map(|object| decode::<AgentPolicy>(object));
        self.policies.push((write.at, policy.map(|policy| policy.spec)));
    }

    /// The versions of the policy that a start at that time may have been admitted by.
    fn policies_at(&self, at: Timestamp) -> Vec<&PolicySpec> {
        let newest_old = self
            .policies
            .iter()
            .rposition(|(since, _)| at.duration_since(*since) > HEARD)
            .unwrap_or(0);
        let may = self.policies.iter().skip(newest_old).filter(|(since, _)| *since <= at);
        may.filter_map(|(_, policy)| policy.as_ref()).collect()
    }

    /// Up to when its times are decided.
    fn decided(&mut self, write: &Write) {
        let Some(automation) = write.after.as_ref().map(|object| decode::<AgentAutomation>(object)) else {
            return;
        };
        let schedules = automation.status.unwrap_or_default().schedules;
        if let Some(schedule) = schedules.first() {
            let name = automation.metadata.name.unwrap();
            self.decided.insert(name, schedule.decided_through);
        }
    }

    fn task(&mut self, write: &Write) {
        if let (None, "people", Some(before)) = (&write.after, &*write.actor, &write.before) {
            let task = decode::<AgentTask>(before);
            self.deleted.insert(task.metadata.uid.unwrap());
        }
        if let Some(task) = write.after.as_ref().map(|object| decode::<AgentTask>(object)) {
            let retries = task.spec.follows.as_ref().map_or(0, |follows| follows.retries);
            let cause = (
                task.spec.automation.name.clone(),
                task.spec.trigger.scheduled_time,
                retries,
            );
            let uid = task.metadata.uid.clone().unwrap();
            match budget::charge(&task) {
                Some((at, charge)) => self.charges.insert(uid.clone(), (at, charge.total())),
                None => self.charges.remove(&uid),
            };
            let status = task.status.clone().unwrap_or_default();
            self.reasons.extend(status.reason);
            self.statuses.insert(uid, (task.spec.automation.name.clone(), status));
            self.causes.insert(task.metadata.uid.clone().unwrap(), cause);
            let reason = task.status.as_ref().and_then(|status| status.reason);
            // A leader that begins after that does not know, and takes it as one that came in time.
            let is_late = write.verb == Verb::Create
                && task.spec.follows.is_none()
                && self.decided.get(&task.spec.automation.name) >= Some(&task.spec.trigger.scheduled_time);
            if is_late || matches!(reason, Some(Reason::AlreadyDecided | Reason::DeadlineExceeded)) {
                *self.late.entry(task.spec.automation.name.clone()).or_default() += 1;
            }
            if write.verb != Verb::Create {
                let before = write.before.as_ref().map(|object| decode::<AgentTask>(object));
                self.forward(&task, before.and_then(|task| task.status), task.status.clone());
            }
        }
    }

    /// Status does not go back in time. (Invariant 7.)
    fn forward(&mut self, task: &AgentTask, before: Option<TaskStatus>, after: Option<TaskStatus>) {
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let name = task.metadata.name.as_deref().unwrap_or_default();
        if !follows(before.phase, after.phase) {
            self.broken
                .push(format!("7: {name} went from {:?} to {:?}", before.phase, after.phase));
        }
        let id = |status: &TaskStatus| status.task.as_ref().map(|task| task.id.clone());
        if id(&before).is_some() && id(&before) != id(&after) {
            self.broken.push(format!("7: {name} lost its id"));
        }
        let number = |status: &TaskStatus| status.attempts.last().map_or(0, |attempt| attempt.number);
        if number(&after) < number(&before) {
            self.broken.push(format!("7: {name} forgot an attempt"));
        }
        let updated = |status: &TaskStatus| status.task.as_ref().and_then(|task| task.updated_at);
        if updated(&after) < updated(&before) {
            self.broken.push(format!("7: {name} saw GitHub go back in time"));
        }
    }

    /// The token is in its Secret and nowhere else. (Invariant 6.)
    fn hidden(&mut self, write: &Write) {
        let told = write
            .after
            .as_ref()
            .is_some_and(|object| write.kind != "Secret" && serde_json::to_string(&***object).unwrap().contains(TOKEN));
        if told {
            self.broken
                .push(format!("6: {} {} holds the token", write.kind, write.name));
        }
    }
}

/// What must be true once nothing moves any more.
pub fn at_rest(stage: &Stage, faults: bool) -> Vec<String> {
    let mut broken = std::mem::take(&mut stage.watcher.lock().unwrap().broken);
    broken.extend(nothing_pending(stage));
    broken.extend(every_time_is_decided(stage));
    broken.extend(known_at_github(stage, faults));
    broken.extend(as_at_github(stage));
    broken
}

/// Liveness: what waits has a cap in its way, and nothing is half started.
fn nothing_pending(stage: &Stage) -> Vec<String> {
    let tasks = stage.tasks();
    let parked: Vec<_> = tasks
        .iter()
        .filter(|task| status(task).phase == Phase::Unknown)
        .collect();
    let by_its_own = |held: &AgentTask| {
        parked
            .iter()
            .any(|task| task.spec.automation.name == held.spec.automation.name)
    };
    let stuck = tasks.iter().filter(|task| match status(task).phase {
        Phase::Pending | Phase::Starting | Phase::Running => true,
        Phase::Held => match status(task).reason {
            Some(Reason::AutomationCap) => !by_its_own(task),
            Some(Reason::PolicyCap) => parked.is_empty(),
            _ => true,
        },
        _ => false,
    });
    stuck
        .map(|task| {
            format!(
                "{} is still {:?}: {:?}",
                name(task),
                status(task).phase,
                status(task).message
            )
        })
        .collect()
}

/// Each scheduled time has had an object, or is counted. (Invariant 2.)
pub fn every_time_is_decided(stage: &Stage) -> Vec<String> {
    let causes: BTreeSet<_> = stage
        .watcher
        .lock()
        .unwrap()
        .causes
        .values()
        .map(|(automation, time, _)| (automation.clone(), *time))
        .collect();
    let mut broken = Vec::new();
    for automation in stage.automations() {
        let name = automation.metadata.name.clone().unwrap();
        let Some((times, missed)) = due_times(stage, &automation) else {
            broken.push(format!("2: {name} has decided nothing"));
            continue;
        };
        let without = times
            .iter()
            .filter(|time| !causes.contains(&(name.clone(), **time)))
            .count();
        let late = stage.watcher.lock().unwrap().late.get(&name).copied().unwrap_or(0);
        if !(without..=without + late).contains(&usize::try_from(missed).unwrap()) {
            broken.push(format!(
                "2: {name}: {without} times without an object, {missed} counted as missed"
            ));
        }
    }
    broken
}

/// The times up to what is decided, by the schedule that the team began with, and how many are counted as missed.
fn due_times(stage: &Stage, automation: &AgentAutomation) -> Option<(Vec<Timestamp>, i64)> {
    use agent_automation::domain::schedule::Schedule;
    let status = automation.status.as_ref()?;
    let every = stage
        .watcher
        .lock()
        .unwrap()
        .teams
        .get(automation.metadata.name.as_ref()?)?
        .every
        .clone();
    let schedule = Schedule::parse(&every, Some("UTC")).unwrap();
    let created = automation.metadata.creation_timestamp.as_ref()?.0;
    let through = status.schedules.first()?.decided_through;
    let times = schedule
        .times(created, created)
        .take_while(|time| *time <= through)
        .collect();
    Some((times, status.missed_runs))
}

/// Each task at GitHub is known to its object, unless it is parked for a person, which takes a fault.
fn known_at_github(stage: &Stage, faults: bool) -> Vec<String> {
    let objects = stage.tasks();
    let mut broken = Vec::new();
    for task in stage.github.tasks() {
        let Some(object) = objects
            .iter()
            .find(|object| object.metadata.uid.as_deref() == Some(uid(&task.prompt)))
        else {
            continue;
        };
        let status = status(object);
        let known = status.task.as_ref().map(|task| task.id.as_str()) == Some(&task.id);
        let parked = status.phase == Phase::Unknown || (faults && status.phase.is_ended());
        let again = object.spec.start_policy == StartPolicy::AtLeastOnce;
        if !known && !parked && !again {
            broken.push(format!(
                "{} does not know of {} and is {:?}",
                name(object),
                task.id,
                status.phase
            ));
        }
    }
    broken
}

/// What a task says of its pull request is what GitHub says: open, merged, or closed.
fn as_at_github(stage: &Stage) -> Vec<String> {
    let objects = stage.tasks();
    let mut broken = Vec::new();
    for pull in stage.github.pulls() {
        let is_of = |object: &&AgentTask| status(object).task.map(|task| task.id) == pull.task;
        let Some(object) = objects.iter().filter(|_| pull.task.is_some()).find(is_of) else {
            continue;
        };
        let known = status(object).pull_request;
        let told = known.map(|known| (known.is_open(), known.merged));
        if told != Some((pull.open, pull.merged)) {
            let (name, number) = (name(object), pull.number);
            broken.push(format!(
                "{name} takes its pull request for (open, merged) {told:?}: {number} is {pull:?}"
            ));
        }
    }
    broken
}

pub fn follows(before: Phase, after: Phase) -> bool {
    let waiting = |phase: Phase| phase.is_waiting();
    match (before, after) {
        (before, after) if before == after => true,
        (Phase::Pending, _) => after != Phase::Succeeded,
        (Phase::Held, after) => after != Phase::Pending && after != Phase::Succeeded,
        (Phase::Starting, after) => after != Phase::Pending,
        (Phase::Unknown, after) => after != Phase::Pending && after != Phase::Starting,
        (Phase::Running, after) => !waiting(after) && after != Phase::Starting && after != Phase::Unknown,
        _ => false,
    }
}

fn is_over(task: &TaskRecord) -> bool {
    let state = serde_json::to_value(task.state).unwrap();
    TaskState::parse(state.as_str().unwrap_or_default()).is_terminal()
}

/// The uid in an attempt's marker.
pub fn uid(prompt: &str) -> &str {
    let line = prompt.lines().last().unwrap_or_default();
    let marker = line.strip_prefix("agentautomation.dev/attempt: ").unwrap_or_default();
    marker.rsplit_once('.').map_or("", |(uid, _)| uid)
}

fn status(task: &AgentTask) -> TaskStatus {
    task.status.clone().unwrap_or_default()
}

fn name(task: &AgentTask) -> &str {
    task.metadata.name.as_deref().unwrap_or_default()
}

fn decode<T: DeserializeOwned>(object: &harness::memory::Object) -> T {
    serde_json::from_value((**object).clone()).unwrap()
}
