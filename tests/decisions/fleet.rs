//! What is decided about: namespaces, policies, automations and their tasks, as a platform with many teams has them.
//!
//! Each policy holds for four namespaces and is of one of five kinds, by what it lets its tasks wait for. So a fifth of the
//! tasks that wait is held by each.

use agent_automation::api::automation::{AutomationStatus, ScheduleStatus};
use agent_automation::api::policy::TriggerKind;
use agent_automation::api::task::{
    AUTOMATION_LABEL, Cause, Checks, PullRequest, ReviewDecision, TaskSpec, TaskStatus, Usage,
};
use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask};
use agent_automation::domain::task_state::TaskState;
use agent_automation::observe::Update;
use agent_automation::plan::action::Admitted;
use agent_automation::plan::budget::NANO;
use agent_automation::plan::policy::Labels;
use agent_automation::plan::{ObjectKey, automation, task};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::leader::{Leader, at_github};
use crate::{IS_TRIED, Result};

pub const AUTOMATIONS: usize = NAMESPACES * EACH;
pub const NAMESPACES: usize = if IS_TRIED { 20 } else { 200 };
pub const POLICIES: usize = NAMESPACES / PER_POLICY;
const PER_POLICY: usize = 4;
/// Automations of a namespace.
const EACH: usize = 50;
/// Tasks of a namespace that wait.
const WAITING: usize = 25;
/// Finished tasks of an automation, at most.
const KEPT: usize = 5;
/// A Tuesday. The budgets' day ends long after all that is measured.
const NOW: &str = "2026-11-24T06:30:00Z";
/// Of an automation that is not due while it is measured.
const WEEKLY: (&str, &str) = ("30 4 * * MON", "Europe/Berlin");
pub const TRIGGER: &str = "tick";
const GOAL: &str = "Update the dependencies of {{ repository.name }} that have a patch release. Read the changelog of each \
                    one and name in the pull request what could change for those who use this service. Where a test fails \
                    after an update, find out why; leave that dependency as it was if the cause is not clear, and say so. \
                    The updates of the week of {{ scheduledTime }} are one pull request, with a commit for each dependency.";

/// What a policy's tasks wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    OwnCap,
    PolicyCap,
    Budget,
    ReviewQueue,
    Guardrail,
}

/// An automation's place.
#[derive(Clone, Copy)]
struct Place {
    namespace: usize,
    index: usize,
}

/// A leader that knows all of it and has come to rest, with so many finished tasks.
pub fn at_rest(finished: usize) -> Result<Leader> {
    let mut leader = Leader::new(NOW.parse()?);
    for index in 0..POLICIES {
        leader.hear(Update::Policy(Box::new(policy(index)?)));
    }
    for index in 0..NAMESPACES {
        leader.hear(Update::Namespace(namespace(index), Labels::new()));
    }
    let mut due = 0;
    for place in places() {
        let (cron, zone) = if place.is_due_today() {
            due += 1;
            (due_at(due - 1), "UTC")
        } else {
            (WEEKLY.0.to_owned(), WEEKLY.1)
        };
        let automation = place.automation(&cron, zone, leader.now)?;
        leader.hear(Update::Automation(Box::new(automation)));
    }
    let finished = shares(finished);
    for place in places() {
        place.tasks(finished[place.number()], &mut leader)?;
    }
    leader.world.is_complete = true;
    leader.settle()?;
    leader.look_at_branches();
    leader.settle()?;
    Ok(leader)
}

/// Automations that come due one after the other, two in a minute.
pub fn due_today(leader: &Leader) -> Vec<(ObjectKey, Timestamp)> {
    let mut due: Vec<_> = leader
        .world
        .automations()
        .filter(|(_, automation)| cron(automation).is_some_and(|cron| cron != WEEKLY.0))
        .filter_map(|(key, automation)| Some((key.clone(), automation.status.as_ref()?.next_schedule_time?)))
        .collect();
    due.sort_by_key(|(_, time)| *time);
    due
}

fn cron(automation: &AgentAutomation) -> Option<&str> {
    Some(automation.spec.triggers.first()?.schedule.as_ref()?.cron.as_str())
}

fn due_at(number: usize) -> String {
    let minutes = 6 * 60 + 31 + number / 2;
    format!("{} {} * * *", minutes % 60, minutes / 60)
}

fn places() -> impl Iterator<Item = Place> {
    (0..NAMESPACES).flat_map(|namespace| (0..EACH).map(move |index| Place { namespace, index }))
}

/// How many finished tasks each automation has: those with an open pull request first one each, then as many as the
/// history keeps, over the whole fleet.
fn shares(finished: usize) -> Vec<usize> {
    let mut shares = vec![0; AUTOMATIONS];
    let mut left = finished;
    let reviewed = places().filter(|place| place.has_open_pull()).map(Place::number);
    // A step that shares no divisor with their number visits each once.
    let all = (0..AUTOMATIONS).map(|number| number * 7_919 % AUTOMATIONS);
    for (number, most) in reviewed
        .map(|number| (number, 1))
        .chain(all.map(|number| (number, KEPT)))
    {
        let more = left.min(most - shares[number].min(most));
        shares[number] += more;
        left -= more;
    }
    shares
}

fn kind(policy: usize) -> Kind {
    match policy % 5 {
        0 => Kind::OwnCap,
        1 => Kind::PolicyCap,
        2 => Kind::Budget,
        3 => Kind::ReviewQueue,
        _ => Kind::Guardrail,
    }
}

fn namespace(index: usize) -> String {
    format!("team-{:02}-{index:03}", index / PER_POLICY)
}

fn policy(index: usize) -> Result<AgentPolicy> {
    let mut spec = json!({
        "namespaces": [format!("team-{index:02}-*")], "repositories": ["acme/*"], "baseBranches": ["main", "release/*"],
        "triggers": ["Schedule"], "models": ["*"], "customAgents": ["*"], "credentials": ["agent-*"],
        "startPolicies": ["AtMostOnce"], "maxRetries": 3, "maxPriority": 100,
    });
    let more = match kind(index) {
        Kind::OwnCap => json!({}),
        Kind::PolicyCap => json!({"maxActive": 2 * PER_POLICY, "maxStartsPerHour": 10_000}),
        Kind::Budget => {
            json!({"budget": {"creditsPerDay": 25 * PER_POLICY, "estimatePerTask": 10}, "maxStartsPerHour": 10_000})
        }
        Kind::ReviewQueue => json!({"maxOpenPullRequestsPerRepository": 1}),
        Kind::Guardrail => json!({"guardrails": {"approvals": 1, "maxAge": "1d"}}),
    };
    merge(&mut spec, more);
    let name = format!("platform-{index:02}");
    let mut policy = AgentPolicy::new(&name, serde_json::from_value(spec)?);
    policy.metadata.uid = Some(format!("uid-{name}"));
    policy.metadata.generation = Some(1);
    policy.metadata.resource_version = Some("1".to_owned());
    Ok(policy)
}

fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (value, more) {
        fields.extend(more);
    }
}

impl Place {
    fn number(self) -> usize {
        self.namespace * EACH + self.index
    }

    fn kind(self) -> Kind {
        kind(self.namespace / PER_POLICY)
    }

    /// Tasks that wait.
    fn waiting(self) -> usize {
        match (self.kind(), self.index) {
            (Kind::OwnCap, 0) => WAITING / 2,
            (Kind::OwnCap, 1) => WAITING - WAITING / 2,
            (Kind::OwnCap, _) => 0,
            (_, index) => usize::from(index < WAITING),
        }
    }

    fn is_running(self) -> bool {
        match self.kind() {
            Kind::OwnCap => self.index < 2,
            Kind::PolicyCap => (WAITING..WAITING + 2).contains(&self.index),
            Kind::Budget => self.index == WAITING,
            Kind::ReviewQueue | Kind::Guardrail => false,
        }
    }

    fn is_due_today(self) -> bool {
        matches!(self.kind(), Kind::PolicyCap | Kind::Budget) && self.waiting() == 0 && !self.is_running()
    }

    fn has_open_pull(self) -> bool {
        self.kind() == Kind::ReviewQueue && self.index == 0
    }

    fn repository(self) -> String {
        let shared_by = if self.kind() == Kind::ReviewQueue { WAITING } else { 5 };
        format!("acme/team-{:03}-service-{}", self.namespace, self.index / shared_by)
    }

    fn automation(self, cron: &str, zone: &str, now: Timestamp) -> Result<AgentAutomation> {
        let mut spec = json!({
            "repository": self.repository(),
            "branches": {"base": "main", "allow": ["main", "release/*"]},
            "triggers": [{"name": TRIGGER, "schedule": {"cron": cron, "timeZone": zone}}],
            "prompt": {
                "goal": GOAL,
                "nonGoals": ["Do not update major versions.", "Do not change public interfaces."],
                "validation": ["make lint", "make test"],
            },
            "credentials": {"secretRef": {"name": "agent-token"}},
        });
        if matches!(self.kind(), Kind::Budget | Kind::ReviewQueue | Kind::Guardrail) {
            merge(&mut spec, json!({"deduplicate": {"while": ["Queued", "Active"]}}));
        }
        let name = format!("dependencies-{:02}", self.index);
        let mut automation = AgentAutomation::new(&name, serde_json::from_value(spec)?);
        automation.metadata.namespace = Some(namespace(self.namespace));
        automation.metadata.uid = Some(uid(0, self.number()));
        automation.metadata.generation = Some(1);
        automation.metadata.resource_version = Some("1".to_owned());
        automation.metadata.creation_timestamp = Some(Time(before(now, 30 * 24 * 60)));
        automation.status = Some(AutomationStatus {
            observed_generation: Some(1),
            schedules: vec![ScheduleStatus {
                trigger: TRIGGER.to_owned(),
                decided_through: now,
                missed_through: None,
                collected_through: None,
            }],
            ..AutomationStatus::default()
        });
        Ok(automation)
    }

    /// Its finished tasks, those under way, and those that wait.
    fn tasks(self, finished: usize, leader: &mut Leader) -> Result<()> {
        let key = ObjectKey::new(namespace(self.namespace), format!("dependencies-{:02}", self.index));
        let now = leader.now;
        let minutes = i64::try_from(self.number() % 45)?;
        for age in 1..=finished {
            let time = before(now, i64::try_from(age)? * 24 * 60 + minutes);
            let mut task = new_task(leader, &key, time)?;
            let is_open = age == 1 && self.has_open_pull();
            task.status = Some(finished_status(leader, &task, age == KEPT, is_open)?);
            leader.hear(Update::Task(Box::new(task)));
        }
        if self.is_running() {
            let mut task = new_task(leader, &key, before(now, 10 + minutes))?;
            let held = if self.kind() == Kind::Budget { 25 * NANO } else { 0 };
            task.status = Some(running_status(leader, &task, held)?);
            leader.hear(Update::Task(Box::new(task)));
        }
        for place in 0..self.waiting() {
            let task = new_task(leader, &key, before(now, 9 - i64::try_from(place % 9)?))?;
            leader.hear(Update::Task(Box::new(task)));
        }
        Ok(())
    }
}

/// A task of an automation as the controller makes it.
pub fn new_task(leader: &mut Leader, key: &ObjectKey, time: Timestamp) -> Result<AgentTask> {
    let automation = leader.world.automation(key).ok_or("there is no such automation")?;
    let cause = Cause {
        name: TRIGGER.to_owned(),
        kind: TriggerKind::Schedule,
        scheduled_time: time,
        id: None,
        event: None,
    };
    let asked: TaskSpec = serde_json::from_value(json!({"automation": {"name": key.name}, "trigger": cause}))?;
    let asked = AgentTask::new("asked", asked);
    let spec = automation::spec_for(&leader.world, automation, &asked, leader.now)
        .map_err(|why| why.message)?
        .ok_or("the automation has no such trigger")?;
    let owner = kube::Resource::controller_owner_ref(automation, &());
    let number = leader.next_number();
    let mut task = AgentTask::new(&format!("{}-{number:08x}", key.name), spec);
    task.metadata.namespace = Some(key.namespace.clone());
    task.metadata.labels = Some([(AUTOMATION_LABEL.to_owned(), key.name.clone())].into());
    task.metadata.owner_references = owner.map(|owner| vec![owner]);
    leader.stamp(&mut task);
    Ok(task)
}

fn running_status(leader: &Leader, task: &AgentTask, held: i64) -> Result<TaskStatus> {
    let admitted = Admitted {
        reserved_nano_credits: held,
        ..Admitted::default()
    };
    let at = after(task.spec.trigger.scheduled_time, 20);
    leader
        .started(task, &admitted, at)
        .ok_or_else(|| "a start that is answered has no status".into())
}

/// Ended well with a pull request, merged or still open; or ended in failure.
fn finished_status(leader: &Leader, task: &AgentTask, failed: bool, is_open: bool) -> Result<TaskStatus> {
    let running = running_status(leader, task, 0)?;
    let at = after(task.spec.trigger.scheduled_time, 1_500);
    let mut seen = at_github(
        task,
        at,
        if failed {
            TaskState::Failed
        } else {
            TaskState::Completed
        },
    );
    seen.failure = failed.then(|| "the validation commands do not pass on the base branch".to_owned());
    seen.usage = Some(Usage {
        nano_ai_credits: 4 * NANO,
        ai_credits: "4.0".to_owned(),
        milli_premium_requests: 0,
    });
    seen.branch = Some(format!("copilot/{}", task.name_any()));
    let pull = pull_request(task, at, is_open);
    seen.pull_request = Some(pull.clone()).filter(|_| !failed);
    let mut status = task::observe(&running, &seen, at).ok_or("an end is news")?;
    status.pull_request = Some(pull).filter(|_| !failed);
    Ok(status)
}

fn pull_request(task: &AgentTask, at: Timestamp, is_open: bool) -> PullRequest {
    let number = at.as_second().rem_euclid(1_000_000);
    let closed_at = Some(after(at, 7_200)).filter(|_| !is_open);
    PullRequest {
        id: 2_000_000_000 + number,
        number: Some(number),
        url: Some(format!("https://github.com/{}/pull/{number}", task.spec.repository)),
        state: Some(if is_open { "open" } else { "closed" }.to_owned()),
        draft: is_open,
        merged: !is_open,
        updated_at: Some(closed_at.unwrap_or(at)),
        created_at: Some(at),
        closed_at,
        merged_by: closed_at.map(|_| "octocat".to_owned()),
        review: Some(if is_open {
            ReviewDecision::Required
        } else {
            ReviewDecision::Approved
        }),
        reviewers: closed_at.map(|_| "octocat".to_owned()).into_iter().collect(),
        first_review_at: closed_at,
        checks: Some(Checks::Passed),
        additions: Some(120),
        deletions: Some(80),
        changed_files: Some(6),
        mergeable: Some(true),
        ..PullRequest::default()
    }
}

/// In the form of a uid, since its length is part of what an object takes.
pub fn uid(kind: usize, number: usize) -> String {
    format!("00000000-0000-4000-{kind:04}-{number:012x}")
}

fn before(time: Timestamp, minutes: i64) -> Timestamp {
    after(time, -60 * minutes)
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(time)
}
