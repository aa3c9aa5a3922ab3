//! One change at a time in a fleet at rest, and how long the decision about it takes.

use std::time::{Duration, Instant};

use agent_automation::api::task::Usage;
use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask};
use agent_automation::domain::repository::Repository;
use agent_automation::domain::task_state::TaskState;
use agent_automation::observe::Update;
use agent_automation::plan::budget::NANO;
use agent_automation::plan::observed::ObservedTask;
use agent_automation::plan::world::automation_key;
use agent_automation::plan::{CredentialKey, ObjectKey, Subject, World, task};
use jiff::SignedDuration;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use crate::fleet::due_today;
use crate::leader::{Leader, Parts, at_github};
use crate::{IS_TRIED, Result};

/// The most changes of a kind.
const MOST: usize = if IS_TRIED { 20 } else { 2_000 };
/// A kind of change is given up after this long, with what follows from each change.
const LONGEST: Duration = Duration::from_secs(8);

/// What one kind of change took.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    pub what: String,
    /// All in microseconds, sorted.
    pub totals: Vec<u64>,
    /// The medians of the decision's parts, in microseconds.
    pub apply: u64,
    pub admission: u64,
    pub plan: u64,
    /// Actions that were decided, over all changes.
    pub actions: usize,
}

/// What is heard, and what comes due.
#[derive(Default)]
struct News {
    updates: Vec<Update>,
    due: Vec<Subject>,
}

/// Prepares the change of a number, outside of what is measured.
type Prepare = Box<dyn FnMut(&mut Leader, usize) -> Result<News>>;

/// Measures each kind of change. Those that add finished tasks to the fleet come last.
pub fn measure(leader: &mut Leader) -> Result<Vec<Measured>> {
    let kinds: [(&str, Prepare); 6] = [
        ("a running task's session says something else", Box::new(session)),
        ("a repository's pull requests are listed", pulls_listed(leader)),
        ("a scheduled time comes due", time_due(leader)),
        ("a waiting task's automation gets a new spec", new_spec(leader)),
        ("a running task ends, and the next one starts", Box::new(end)),
        ("a policy is edited", policy_edited(leader)),
    ];
    kinds
        .into_iter()
        .map(|(what, prepare)| measure_kind(leader, what, prepare))
        .collect()
}

fn measure_kind(leader: &mut Leader, what: &str, mut prepare: Prepare) -> Result<Measured> {
    let began = Instant::now();
    let mut all: Vec<Parts> = Vec::new();
    let mut actions = 0;
    while all.len() < MOST && began.elapsed() < LONGEST {
        let News { updates, due } = prepare(leader, all.len())?;
        if updates.is_empty() && due.is_empty() {
            break;
        }
        let (parts, plans) = leader.decide(updates, due);
        all.push(parts);
        actions += plans.iter().map(|(_, planned)| planned.actions.len()).sum::<usize>();
        leader.carry_out(plans)?;
    }
    let sorted = |part: fn(&Parts) -> Duration| {
        let mut times: Vec<_> = all.iter().map(|parts| micros(part(parts))).collect();
        times.sort_unstable();
        times
    };
    let median = |part| percentile(&sorted(part), 50);
    Ok(Measured {
        what: what.to_owned(),
        totals: sorted(Parts::total),
        apply: median(|parts| parts.apply),
        admission: median(|parts| parts.admission),
        plan: median(|parts| parts.plan),
        actions,
    })
}

/// The smallest that at least so many percent do not exceed.
pub fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One after the other of a list, far apart.
fn pick<T>(all: &[T], number: usize) -> Option<&T> {
    all.get((number * 7_919) % all.len().max(1))
}

fn new_spec(leader: &Leader) -> Prepare {
    let mut keys: Vec<_> = leader.world.waiting().map(|(_, task)| automation_key(task)).collect();
    keys.dedup();
    Box::new(move |leader, number| {
        let key = pick(&keys, number).ok_or("nothing waits")?;
        let mut automation: AgentAutomation = leader.world.automation(key).ok_or("an automation is gone")?.clone();
        automation.spec.prompt.goal = format!("{} (revision {number})", automation.spec.prompt.goal);
        automation.metadata.generation = automation.metadata.generation.map(|generation| generation + 1);
        automation.metadata.resource_version = Some(leader.next_version());
        Ok(News::of(Update::Automation(Box::new(automation))))
    })
}

/// Only of tasks in whose place another may start: what a budget holds waits for the day's end.
fn end(leader: &mut Leader, number: usize) -> Result<News> {
    leader.now += SignedDuration::from_secs(1);
    let end = |seen: &mut ObservedTask| {
        seen.state = TaskState::Completed;
        seen.usage = Some(Usage {
            nano_ai_credits: 4 * NANO,
            ai_credits: "4.0".to_owned(),
            milli_premium_requests: 0,
        });
    };
    observed(leader, number, has_no_budget, end)
}

fn session(leader: &mut Leader, number: usize) -> Result<News> {
    leader.now += SignedDuration::from_millis(1);
    let change = |seen: &mut ObservedTask| {
        if seen.state == TaskState::InProgress {
            seen.state = TaskState::WaitingForUser;
        } else {
            seen.state = TaskState::InProgress;
        }
    };
    observed(leader, number, |_, _| true, change)
}

fn has_no_budget(world: &World, task: &AgentTask) -> bool {
    let mut policies = world.holding(task.metadata.namespace.as_deref().unwrap_or_default());
    policies.all(|policy| policy.spec().budget.is_none())
}

/// A task under way is seen, as it was but for a change.
fn observed(
    leader: &mut Leader,
    number: usize,
    which: fn(&World, &AgentTask) -> bool,
    change: impl FnOnce(&mut ObservedTask),
) -> Result<News> {
    let running: Vec<_> = leader
        .world
        .active()
        .filter(|(_, task)| which(&leader.world, task))
        .map(|(key, _)| key)
        .collect();
    let key: ObjectKey = (*pick(&running, number).ok_or("nothing runs")?).clone();
    let task = leader.world.task(&key).ok_or("a task is gone")?;
    let status = task.status.as_ref().ok_or("a task has no status")?;
    let state = status.task.as_ref().map_or("", |task| &task.state);
    let mut seen = at_github(task, leader.now, TaskState::parse(state));
    change(&mut seen);
    let next = task::observe(status, &seen, leader.now).ok_or("what was seen is no news")?;
    Ok(News {
        updates: leader.written(&key, next).into_iter().collect(),
        due: Vec::new(),
    })
}

/// Somebody did something to one of them, so that it is to be read.
fn pulls_listed(leader: &Leader) -> Prepare {
    let open = leader.world.open_pulls();
    let keys: Vec<_> = open
        .filter_map(|(_, task)| {
            Some((
                CredentialKey::of_task(task),
                Repository::parse(&task.spec.repository).ok()?,
            ))
        })
        .collect();
    Box::new(move |leader, number| {
        leader.now += SignedDuration::from_millis(1);
        let (key, repository) = pick(&keys, number).ok_or("no pull request is open")?;
        let mut pulls = leader.list(key, repository);
        let first = pulls.values_mut().next().ok_or("no pull request is open")?;
        first.updated_at = Some(leader.now);
        let listed = Update::PullsListed(key.clone(), repository.clone(), leader.now, Some(pulls));
        Ok(News::of(listed))
    })
}

/// The task that came of the time before is deleted first, so that the queue stays as long as it is.
fn time_due(leader: &Leader) -> Prepare {
    let mut due = due_today(leader).into_iter();
    let mut last: Option<ObjectKey> = None;
    Box::new(move |leader, _| {
        if let Some(key) = last.take() {
            delete_newest(leader, &key)?;
        }
        let Some((key, time)) = due.next() else {
            return Ok(News::default());
        };
        leader.now = leader.now.max(time);
        last = Some(key.clone());
        Ok(News {
            updates: Vec::new(),
            due: vec![Subject::Automation(key)],
        })
    })
}

fn delete_newest(leader: &mut Leader, automation: &ObjectKey) -> Result<()> {
    let automation = leader.world.automation(automation).ok_or("an automation is gone")?;
    let newest = leader
        .world
        .tasks_of(automation)
        .max_by_key(|task| task.spec.trigger.scheduled_time)
        .ok_or("no task came of a time that was due")?;
    let gone = Update::TaskGone(ObjectKey::of(newest), newest.uid().unwrap_or_default());
    leader.hear(gone);
    leader.settle()?;
    Ok(())
}

/// An edit that leaves what waits waiting. What each task is told names the rule's generation, which is another.
fn policy_edited(leader: &Leader) -> Prepare {
    let names: Vec<_> = leader.world.policies().map(ResourceExt::name_any).collect();
    Box::new(move |leader, number| {
        let name = pick(&names, number).ok_or("there is no policy")?;
        let policy = leader.world.policies().find(|policy| policy.name_any() == *name);
        let mut policy: AgentPolicy = policy.ok_or("a policy is gone")?.clone();
        policy.spec.max_retries = policy.spec.max_retries.map(|most| 9 - most);
        policy.metadata.generation = policy.metadata.generation.map(|generation| generation + 1);
        policy.metadata.resource_version = Some(leader.next_version());
        Ok(News::of(Update::Policy(Box::new(policy))))
    })
}

impl News {
    fn of(update: Update) -> Self {
        Self {
            updates: vec![update],
            due: Vec::new(),
        }
    }
}
