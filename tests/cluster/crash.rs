//! Controllers that are killed, paused and doubled while automations tick, and what GitHub has seen in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use agent_automation::{
    api::{
        AgentAutomation, AgentTask, Reason,
        task::{AttemptOutcome, Phase, TaskStatus},
        trigger::MissedRuns,
    },
    simulator::{Effect, Failure, Fault, Operation, Script, TaskRecord, When},
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    eventually,
    fleet::{Controller, Fleet, Team, say},
    until_none_is_left,
};

const KILLS: usize = 30;
const AUTOMATIONS: usize = 20;
/// Seconds between two ticks.
const TICK: i64 = 2;
const TICKING: &str = "@every 2s";
/// Set it to repeat the moments of a run that failed; what the machine does in between is not repeated.
const SEED: &str = "CRASH_SEED";

#[tokio::test]
async fn thirty_kills_and_no_scheduled_time_starts_twice_or_is_lost() {
    let seed = seed();
    println!("{SEED}={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let fleet = Fleet::start().await;
    let team = ticking_team(&fleet, AUTOMATIONS).await;

    let mut leaders_killed = 0;
    for round in 0..KILLS {
        let controller = fleet.controller("controller", &["--lease-duration=1s"]);
        // Every third is killed at any moment of its first steps, the others while they lead.
        if round % 3 > 0 {
            controller.leads().await;
        }
        sleep(Duration::from_millis(random.random_range(0..1_500))).await;
        leaders_killed += usize::from(!controller.said("leading").is_empty());
        controller.kill().await;
    }
    let controller = fleet.controller("controller", &["--lease-duration=1s"]);
    controller.leads().await;
    let found = verify_at_rest(&fleet, &team).await;
    harness::covered!("covered: {KILLS} kills, {leaders_killed} of them of a leader; {found}");
    assert!(leaders_killed > KILLS / 2);
    assert!(found.started > AUTOMATIONS);
    assert!(found.lost > 0, "no kill fell between a write-ahead and its outcome");
}

#[tokio::test]
async fn two_controllers_and_one_lease() {
    let fleet = Fleet::start().await;
    let team = ticking_team(&fleet, 8).await;
    let terms = ["--start-timeout=10s"];
    let controllers = [fleet.controller("one", &terms), fleet.controller("two", &terms)];
    eventually("one of them leads", async || leader(&controllers).await.is_some()).await;
    let first = leader(&controllers).await.unwrap();
    let (old, new) = (&controllers[first], &controllers[1 - first]);
    started(&fleet, 16).await;
    assert!(new.said("leading").is_empty());

    // It is paused in the middle of a start for longer than its lease lasts, and wakes as one who believes that it leads.
    let hangs = Effect::LoseAnswer(Failure::Hang);
    fleet.github.add_fault(Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect: hangs.clone(),
    });
    eventually("an answer hangs", async || {
        let requests = fleet.github.requests();
        requests.iter().any(|request| request.effects.contains(&hangs))
    })
    .await;
    old.signal("-STOP");
    new.leads().await;
    let before = fleet.github.tasks().len();
    started(&fleet, before + 8).await;
    old.signal("-CONT");
    eventually("the old leader knows", async || {
        !old.said("no longer leading").is_empty()
    })
    .await;
    started(&fleet, fleet.github.tasks().len() + 8).await;
    assert_eq!(leader(&controllers).await, Some(1 - first));

    new.signal("-TERM");
    eventually("the other leads again", async || old.said("leading").len() == 2).await;
    let found = verify_at_rest(&fleet, &team).await;
    assert_eq!(found.lost, 1);
    harness::covered!("covered: two controllers, a paused leader, a handover; {found}");
    assert_eq!(found.writers.len(), 2);
}

#[tokio::test]
async fn two_leaders_who_do_not_know_of_each_other() {
    let fleet = Fleet::start().await;
    let controllers = [
        fleet.controller("one", &["--lease-name=one"]),
        fleet.controller("two", &["--lease-name=two"]),
    ];
    for controller in &controllers {
        controller.leads().await;
    }
    let team = ticking_team(&fleet, AUTOMATIONS).await;
    started(&fleet, 5 * AUTOMATIONS).await;
    let found = verify_at_rest(&fleet, &team).await;
    let conflicts = [controllers[0].log(), controllers[1].log()]
        .concat()
        .matches("another write came first")
        .count();
    harness::covered!("covered: two leaders, {conflicts} lost races that were told; {found}");
    assert_eq!(found.writers.len(), 2);
}

async fn ticking_team(fleet: &Fleet, automations: usize) -> Team<'_> {
    fleet
        .github
        .set_default_script(Script::pull_request().with_delays(0, 0));
    let team = fleet.team("ticking").await;
    for index in 0..automations {
        let secret = format!("token-{index}");
        team.put_secret(&secret, "token", &team.token()).await;
        team.automate(&format!("tick-{index}"), TICKING, |spec| {
            spec.credentials.secret_ref.name = secret;
            if let Some(schedule) = spec.triggers[0].schedule.as_mut().filter(|_| index % 2 == 0) {
                schedule.missed_runs = MissedRuns::All;
            }
        })
        .await;
    }
    team
}

async fn started(fleet: &Fleet, count: usize) {
    eventually(&format!("{count} tasks at GitHub"), async || {
        fleet.github.tasks().len() >= count
    })
    .await;
}

async fn leader(controllers: &[Controller]) -> Option<usize> {
    for (index, controller) in controllers.iter().enumerate() {
        if controller.metric("agent_automation_leader").await > 0.5 {
            return Some(index);
        }
    }
    None
}

/// What a fleet has to show for itself.
struct Found {
    objects: usize,
    started: usize,
    /// Attempts whose answer was not recorded by who sent them.
    lost: usize,
    parked: usize,
    missed: i64,
    writers: BTreeSet<String>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            objects,
            started,
            lost,
            parked,
            missed,
            writers,
        } = self;
        let writers = writers.len();
        write!(
            f,
            "{objects} tasks by {writers} controllers, {started} started, {lost} answers lost, {parked} parked, {missed} runs missed"
        )
    }
}

/// Stops the ticking, waits until all tasks are at rest, and compares the cluster with GitHub.
async fn verify_at_rest(fleet: &Fleet, team: &Team<'_>) -> Found {
    let never = json!([{"name": "tick", "schedule": {"cron": "@every 8000h"}}]);
    for automation in automations(team).await {
        team.change(&automation.name_any(), json!({"triggers": never})).await;
    }
    eventually("every automation has taken the change in", async || {
        let seen = |automation: &AgentAutomation| automation.status.clone().unwrap_or_default().observed_generation;
        automations(team)
            .await
            .iter()
            .all(|automation| seen(automation) == automation.metadata.generation)
    })
    .await;
    let busy = async || {
        fleet
            .tasks()
            .await
            .iter()
            .filter(|task| !is_at_rest(task))
            .map(say)
            .collect::<Vec<_>>()
    };
    until_none_is_left(busy).await;
    eventually("every automation sums up", async || {
        let tasks = fleet.tasks().await;
        let all = automations(team).await;
        all.iter().all(|automation| summed_up(automation, &tasks))
    })
    .await;
    compare(&automations(team).await, &fleet.tasks().await, &fleet.github.tasks())
}

async fn automations(team: &Team<'_>) -> Vec<AgentAutomation> {
    team.automations()
        .list(&kube::api::ListParams::default())
        .await
        .unwrap()
        .items
}

fn status(task: &AgentTask) -> TaskStatus {
    task.status.clone().unwrap_or_default()
}

fn is_parked(task: &AgentTask) -> bool {
    let status = status(task);
    status.phase == Phase::Unknown && status.reason == Some(Reason::NotFoundAtGitHub)
}

/// One of two leaders counted its time as missed before the other's object appeared.
fn came_late(task: &AgentTask) -> bool {
    status(task).reason == Some(Reason::AlreadyDecided)
}

fn is_at_rest(task: &AgentTask) -> bool {
    status(task).phase == Phase::Succeeded || is_parked(task) || came_late(task)
}

/// What is parked counts, and the first ten of it are shown.
fn summed_up(automation: &AgentAutomation, tasks: &[AgentTask]) -> bool {
    let uid = automation.uid().unwrap();
    let parked = tasks
        .iter()
        .filter(|task| task.spec.automation.uid == uid && is_parked(task))
        .count();
    let status = automation.status.clone().unwrap_or_default();
    usize::try_from(status.active).unwrap() == parked && status.active_tasks.len() == parked.min(10)
}

fn compare(automations: &[AgentAutomation], tasks: &[AgentTask], github: &[TaskRecord]) -> Found {
    let mut at_github: BTreeMap<&str, Vec<&TaskRecord>> = BTreeMap::new();
    for record in github {
        let marker = record.prompt.trim_end().lines().last().unwrap();
        let cause = marker.strip_prefix("agentautomation.dev/attempt: ").unwrap();
        at_github
            .entry(cause.split_once('.').unwrap().0)
            .or_default()
            .push(record);
    }
    for task in tasks {
        let uid = task.uid().unwrap();
        let ids: Vec<_> = at_github
            .remove(uid.as_str())
            .unwrap_or_default()
            .iter()
            .map(|record| record.id.clone())
            .collect();
        let recorded: Vec<_> = status(task).task.map(|task| task.id).into_iter().collect();
        assert_eq!(ids, recorded, "at GitHub, and in status: {}", say(task));
        let open = status(task).attempts.iter().any(|attempt| attempt.outcome.is_none());
        assert!(!open, "an attempt without outcome: {}", say(task));
    }
    assert!(
        at_github.is_empty(),
        "GitHub has tasks that no object knows: {:?}",
        at_github.keys()
    );
    for automation in automations {
        account(automation, tasks);
    }
    let attempts: Vec<_> = tasks.iter().flat_map(|task| status(task).attempts).collect();
    let lost = [AttemptOutcome::Adopted, AttemptOutcome::NotFound];
    Found {
        objects: tasks.len(),
        started: github.len(),
        lost: attempts
            .iter()
            .filter(|attempt| attempt.outcome.is_some_and(|outcome| lost.contains(&outcome)))
            .count(),
        parked: tasks.iter().filter(|task| is_parked(task)).count(),
        missed: automations
            .iter()
            .map(|automation| automation.status.clone().unwrap_or_default().missed_runs)
            .sum(),
        writers: attempts
            .into_iter()
            .map(|attempt| attempt.written_by)
            .filter(|writer| !writer.is_empty())
            .collect(),
    }
}

/// Each scheduled time up to the last that was decided has its object, or is counted as missed.
fn account(automation: &AgentAutomation, tasks: &[AgentTask]) {
    let (name, uid) = (automation.name_any(), automation.uid().unwrap());
    let status = automation.status.clone().unwrap_or_default();
    let created = automation.creation_timestamp().unwrap().0;
    let through = status.schedules[0].decided_through;
    let own = tasks
        .iter()
        .filter(|task| task.spec.automation.uid == uid && !came_late(task));
    let times: Vec<Timestamp> = own.map(|task| task.spec.trigger.scheduled_time).collect();
    let distinct: BTreeSet<_> = times.iter().collect();
    assert_eq!(distinct.len(), times.len(), "{name}: a scheduled time has two objects");
    let since = |time: &Timestamp| time.as_second() - created.as_second();
    assert!(
        times.iter().all(|time| since(time) % TICK == 0),
        "{name}: not on the grid: {times:?}"
    );
    let decided = i64::try_from(times.iter().filter(|time| **time <= through).count()).unwrap();
    assert_eq!(
        decided + status.missed_runs,
        since(&through) / TICK,
        "{name}: {times:?} {status:?}"
    );
    let catches_up = automation.spec.triggers[0]
        .schedule
        .as_ref()
        .is_some_and(|terms| terms.missed_runs == MissedRuns::All);
    assert!(
        !catches_up || status.missed_runs == 0,
        "{name} runs all that it missed: {status:?}"
    );
}

fn seed() -> u64 {
    std::env::var(SEED)
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random)
}
