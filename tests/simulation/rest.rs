//! At rest a fleet costs nothing: no write, and no list.

use std::time::Duration;

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
            every: "0 0 1 1 *".to_owned(),
            ..Team::new(&format!("team-{index}"))
        };
        stage.automation(&team).await;
    }
    let process = stage.process(Network::new(None));
    tokio::time::timeout(Duration::from_secs(600), stage.rest(Duration::from_secs(30)))
        .await
        .unwrap();
    let ready = stage
        .automations()
        .iter()
        .filter(|automation| is_ready(automation))
        .count();
    assert_eq!(ready, FLEET);

    let (requests, revision) = (process.network.requests().len(), stage.server.revision());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let lately = process.network.requests().split_off(requests);
    let told: Vec<_> = lately.iter().filter(|request| request.what != "leases").collect();
    assert!(
        told.iter()
            .all(|request| request.what == "secrets" && !request.is_write),
        "{told:#?}"
    );
    let leases = stage
        .server
        .history(0)
        .iter()
        .filter(|write| write.revision > revision)
        .count();
    assert_eq!(leases, lately.iter().filter(|request| request.is_write).count());
    process.terminate().await;
}

fn is_ready(automation: &agent_automation::api::AgentAutomation) -> bool {
    let conditions = automation.status.iter().flat_map(|status| &status.conditions);
    conditions
        .clone()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
