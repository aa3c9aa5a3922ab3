//! The life of one task when nothing goes wrong.

use std::time::Duration;

use agent_automation::api::task::Phase;

use crate::invariants::at_rest;
use crate::network::Network;
use crate::stage::{Stage, Team};

/// One automation whose first time comes a few seconds after the controller has started.
#[tokio::test(start_paused = true)]
async fn from_the_tick_to_a_pull_request() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    stage.automation(&Team::new("deps")).await;
    stage.until(Duration::from_secs(3_590)).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(3_700)).await;
    let tasks = stage.tasks();
    let [task] = tasks.as_slice() else {
        panic!("{:#?}", stage.trace())
    };
    let status = task.status.clone().unwrap();
    assert_eq!(status.phase, Phase::Succeeded, "{:#?}", stage.trace());
    let url = status.pull_request.unwrap().url.unwrap();
    assert!(url.starts_with("https://github.com/acme/payments-api/pull/"), "{url}");
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}
