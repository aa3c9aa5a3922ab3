//! At rest a fleet costs nothing: no write, and no list.

use std::time::Duration;

use agent_automation::api::task::Phase;
use agent_automation::api::{AgentAutomation, AgentTask};

use crate::network::Network;
use crate::stage::{Stage, Team};

const FLEET: usize = 200;

#[tokio::test(start_paused = true)]
async fn two_hundred_automations_at_rest_cause_no_write_and_no_list() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    for index in 0..FLEET {
        let team = Team {
            every: "@every 2h".to_owned(),
            ..Team::new(&format!("team-{index}"))
        };
        stage.automation(&team).await;
    }
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(7_205)).await;
    tokio::time::timeout(Duration::from_secs(3_600), stage.rest(Duration::from_secs(60)))
        .await
        .unwrap();
    let succeeded = stage.tasks().iter().filter(|task| has_succeeded(task)).count();
    assert_eq!(succeeded, FLEET, "each has run once");
    let ready = stage
        .automations()
        .iter()
        .filter(|automation| is_ready(automation))
        .count();
    assert_eq!(ready, FLEET);

    let (requests, revision) = (process.network.requests().len(), stage.server.revision());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let lately = process.network.requests().split_off(requests);
    let needless: Vec<_> = lately.iter().filter(|sent| !sent.is_upkeep()).collect();
    assert!(needless.is_empty(), "{needless:#?}");
    let leases = stage
        .server
        .history(0)
        .iter()
        .filter(|write| write.revision > revision)
        .count();
    assert_eq!(leases, lately.iter().filter(|request| request.is_write).count());
    process.terminate().await;
}

fn has_succeeded(task: &AgentTask) -> bool {
    let status = task.status.as_ref();
    status.is_some_and(|status| status.phase == Phase::Succeeded)
}

fn is_ready(automation: &AgentAutomation) -> bool {
    let conditions = automation.status.iter().flat_map(|status| &status.conditions);
    conditions
        .clone()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
