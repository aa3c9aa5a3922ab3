//! Ten thousand runs come due at one moment, under a cap of five.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use agent_automation::api::AgentTask;
use agent_automation::api::task::Phase;
use serde_json::{Value, json};

use crate::network::Network;
use crate::stage::{Stage, Team};

const AUTOMATIONS: usize = 500;
const TRIGGERS: usize = 20;
const QUEUED: usize = 2;
const CAP: usize = 5;

/// An automation of which twenty triggers are due each hour.
fn team(index: usize) -> Team {
    let trigger = |number| json!({"name": format!("t{number}"), "schedule": {"cron": "@hourly", "timeZone": "UTC"}});
    let triggers: Vec<Value> = (0..TRIGGERS).map(trigger).collect();
    Team {
        more: json!({"triggers": triggers, "concurrency": {"maxActive": 1, "maxQueued": QUEUED}}),
        ..Team::new(&format!("team-{index}"))
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_due_at_once_make_no_more_objects_than_may_wait_and_the_rest_is_counted() {
    let mut stage = Stage::new(1);
    stage.policy(Some(i32::try_from(CAP).unwrap())).await;
    stage.secret().await;
    for index in 0..AUTOMATIONS {
        stage.automation(&team(index)).await;
    }
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(3_590)).await;
    let (requests, before) = (process.network.requests().len(), stage.tasks().len());
    assert_eq!(before, 0);
    stage.until(Duration::from_secs(3_660)).await;

    let tasks = stage.tasks();
    assert_eq!(tasks.len(), AUTOMATIONS * QUEUED);
    let mut of_each: BTreeMap<&str, usize> = BTreeMap::new();
    for task in &tasks {
        *of_each.entry(&task.spec.automation.name).or_default() += 1;
    }
    assert_eq!(of_each.values().max(), Some(&QUEUED));
    let counted: i64 = stage
        .automations()
        .iter()
        .filter_map(|it| Some(it.status.as_ref()?.missed_runs))
        .sum();
    assert_eq!(counted, i64::try_from(AUTOMATIONS * (TRIGGERS - QUEUED)).unwrap());
    assert_eq!(most_at_once(&stage), CAP, "the cap holds at every instant, and is used");

    let ended = tasks.iter().filter(|task| phase(task).is_ended()).count();
    assert!(ended > CAP * 4, "the queue moves: {ended} have ended");
    let held = tasks.iter().filter(|task| phase(task) == Phase::Held).count();
    assert_eq!(tasks.len() - held - ended, CAP);

    let sent = process.network.requests().split_off(requests);
    let count = |what: &str| sent.iter().filter(|it| it.is_write && it.what == what).count();
    let asked = sent.iter().filter(|it| it.target == "github").count();
    let started = stage.github.tasks().len();
    assert_eq!(count("agenttasks"), tasks.len(), "an object is made once");
    // Why it waits is written once, not at each move of the queue.
    assert!(
        count("agenttasks/status") <= tasks.len() + 8 * started,
        "{}",
        count("agenttasks/status")
    );
    assert!(
        count("agentautomations/status") <= 2 * AUTOMATIONS + 4 * started,
        "{}",
        count("agentautomations/status")
    );
    assert!(
        asked <= 50 + 12 * started,
        "what waits asks GitHub nothing: {asked} for {started}"
    );
    process.terminate().await;
}

fn phase(task: &AgentTask) -> Phase {
    task.status.as_ref().map_or(Phase::Pending, |status| status.phase)
}

/// The most tasks that counted at once.
fn most_at_once(stage: &Stage) -> usize {
    let mut counted = BTreeSet::new();
    let mut most = 0;
    for write in stage.server.history(0).iter().filter(|write| write.kind == "AgentTask") {
        let phase = write
            .after
            .as_ref()
            .and_then(|object| object.get("status")?.get("phase")?.as_str());
        if matches!(phase, Some("Starting" | "Running" | "Unknown")) {
            counted.insert(write.name.clone());
        } else {
            counted.remove(&write.name);
        }
        most = most.max(counted.len());
    }
    most
}
