//! A token is in its Secret and in the Authorization header, and nowhere else.

use agent_automation::{
    api::task::Phase,
    simulator::{Effect, Fault, Operation, Token, When},
};
use k8s_openapi::ByteString;

use crate::fleet::Fleet;

const CANARY: &str = "ghp_canary7Qz4mX0vB9kL2tR8wY5nH1sD6fG3jC";

#[tokio::test]
async fn a_token_is_found_nowhere() {
    let fleet = Fleet::start().await;
    let controller = fleet.controller_with_log("controller", "trace", &[]);
    let team = fleet.team("secret").await;
    fleet.github.add_token(Token::new(CANARY, &team.namespace)).unwrap();
    team.put_secret("canary", "token", CANARY).await;
    let automate = async |name: &str| {
        team.automate(name, "@every 1s", |spec| {
            "canary".clone_into(&mut spec.credentials.secret_ref.name);
            spec.concurrency.max_active = 1;
        })
        .await;
    };
    automate("works").await;
    team.eventually_phase("works", Phase::Succeeded).await;
    // GitHub repeats the token in what it refuses.
    let refuse = |status| Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect: Effect::Refuse {
            status,
            message: format!("bad token {CANARY} given"),
        },
    };
    fleet.github.add_fault(refuse(422));
    let refused = team.eventually_phase("works", Phase::Failed).await.status.unwrap();
    assert!(refused.failure.unwrap().contains("bad token *** given"));
    fleet.github.add_fault(refuse(401));
    team.eventually_ready("works", "False CredentialRejected", &[]).await;

    let encoded = serde_json::to_value(ByteString(CANARY.into()))
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let clean = |what: &str, text: &str| {
        let line = text
            .lines()
            .find(|line| line.contains(CANARY) || line.contains(&encoded));
        assert!(line.is_none(), "{what}: {line:?}");
        text.len()
    };
    let kinds = fleet.kubectl(&["api-resources", "--verbs=list", "--output=name"]).await;
    let kinds: Vec<_> = kinds.lines().filter(|kind| *kind != "secrets").collect();
    assert!(kinds.len() > 40 && kinds.contains(&"events"), "{kinds:?}");
    let objects = fleet
        .kubectl(&["get", &kinds.join(","), "-A", "-o", "json", "--show-managed-fields"])
        .await;
    let (metrics, log) = (controller.metrics().await, controller.log());
    let length = clean("objects", &objects) + clean("metrics", &metrics) + clean("log", &log);
    assert!(log.contains("TRACE") && objects.contains("bad token *** given"));
    harness::covered!(
        "covered: {} kinds, metrics and a trace log, {length} bytes",
        kinds.len()
    );
}
