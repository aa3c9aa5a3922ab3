//! The life of one task when nothing goes wrong.

use std::time::Duration;

use agent_automation::api::task::{CredentialKind, Phase};
use agent_automation::simulator::{Operation, Token};

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

/// Two automations share a Secret, whose token is replaced by somebody else's.
#[tokio::test(start_paused = true)]
async fn whose_a_token_is_is_asked_once_and_recorded_with_each_start() {
    let mut stage = Stage::new(2);
    stage.policy(None).await;
    stage.secret().await;
    stage.github.add_user("hubot", 2);
    stage.github.add_token(Token::new("ghp_of_hubot", "hubot")).unwrap();
    stage.automation(&Team::new("deps")).await;
    stage.automation(&Team::new("docs")).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(4_000)).await;
    let asked = |stage: &Stage| {
        let requests = stage.github.requests().into_iter();
        requests
            .filter(|request| request.operation == Some(Operation::GetUser))
            .count()
    };
    assert_eq!(asked(&stage), 1);
    stage.replace_token("ghp_of_hubot").await;
    stage.until(Duration::from_secs(7_600)).await;
    assert_eq!(asked(&stage), 2);
    let recorded = stage.tasks().into_iter().map(|task| {
        let told = task.status.unwrap().credential.unwrap();
        (told.secret, told.kind, told.login.unwrap())
    });
    let told = |kind, login: &str| ("github-agent-token".to_owned(), kind, login.to_owned());
    let (first, second) = (
        told(CredentialKind::FineGrained, "octocat"),
        told(CredentialKind::Classic, "hubot"),
    );
    let mut recorded: Vec<_> = recorded.collect();
    recorded.sort_by_key(|(_, _, login)| login.clone());
    assert_eq!(recorded, [second.clone(), second.clone(), first.clone(), first]);
    for automation in stage.automations() {
        let told = automation.status.unwrap().credential.unwrap();
        assert_eq!((told.secret, told.kind, told.login.unwrap()), second);
    }
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}
