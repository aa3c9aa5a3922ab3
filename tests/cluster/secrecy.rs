//! A token is in its Secret and in the Authorization header, and nowhere else.

use std::fs;

use agent_automation::{
    api::task::Phase,
    simulator::{Effect, Fault, Grant, Operation, Token, TokenKind, When},
};
use harness::control_plane::deploy_folder;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    eventually,
    fleet::{Controller, Fleet},
};

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
    let told = rate_limits(&fleet, &team.namespace).await;
    assert_eq!(told[0]["rateLimit"]["limit"], 1_000_000, "{told}");
    assert!(!told.to_string().contains(CANARY));
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

    assert!(
        fleet_is_clean(&fleet, &controller, &[CANARY])
            .await
            .contains("bad token *** given")
    );
}

/// As the base grants it nothing is refreshed, and the condition says what to grant. Then the old pair and the new one are in
/// the Secret and in what is sent, and nowhere else.
#[tokio::test]
async fn a_refresh_token_is_found_nowhere() {
    const SECRETS: [&str; 3] = [
        "ghu_canary1Qz4mX0vB9kL2tR8wY5nH1sD6fG3jC",
        "ghr_canary2Qz4mX0vB9kL2tR8wY5nH1sD6fG3jC",
        "canary3Qz4mX0vB9kL2tR8wY5nH1sD6fG3jC",
    ];
    let [token, refresh_token, client_secret] = SECRETS;
    let fleet = Fleet::start().await;
    let team = fleet.team("refreshed").await;
    let kind = TokenKind::UserToServer;
    let user = Token::new(token, &team.namespace);
    fleet.github.add_token(Token { kind, ..user }).unwrap();
    fleet
        .github
        .add_grant(Grant {
            client_secret: Some(client_secret.to_owned()),
            ..Grant::new(refresh_token, token, "Iv1.app")
        })
        .unwrap();
    let controller = fleet.controller_with_log("controller", "trace", &[]);
    let secrets: Api<Secret> = Api::namespaced(fleet.client.clone(), &team.namespace);
    let data =
        json!({"token": token, "refresh-token": refresh_token, "client-id": "Iv1.app", "client-secret": client_secret});
    let secret = json!({"metadata": {"name": "github-agent-token"}, "stringData": data});
    let params = PatchParams::default();
    let replaced = secrets
        .patch("github-agent-token", &params, &Patch::Merge(&secret))
        .await;
    replaced.unwrap();
    team.automate("works", "@every 1s", |spec| spec.concurrency.max_active = 1)
        .await;
    let names = ["resourceNames: [github-agent-token]", "verbs: [patch]"];
    team.eventually_ready("works", "False RefreshForbidden", &names).await;
    assert_eq!(fleet.github.grants()[0].sent, 0);

    let role = fs::read_to_string(deploy_folder().join("refresh.yaml")).unwrap();
    let role = role.replace("namespace: payments", &format!("namespace: {}", team.namespace));
    let file = fleet.plane.folder().join("refresh.yaml");
    fs::write(&file, role).unwrap();
    fleet
        .kubectl(&["apply", "--filename", &file.display().to_string()])
        .await;
    eventually("the token is refreshed", async || {
        let grants = fleet.github.grants();
        let [old, new] = grants.as_slice() else { return false };
        let secret = secrets.get("github-agent-token").await.unwrap();
        let data = secret.data.unwrap_or_default();
        let held = |key: &str| {
            data.get(key)
                .map(|value| String::from_utf8_lossy(&value.0).into_owned())
        };
        old.sent == 1
            && held("token").as_ref() == Some(&new.token)
            && held("refresh-token").as_ref() == Some(&new.refresh_token)
    })
    .await;
    team.eventually_ready("works", "True", &[]).await;
    team.eventually_phase("works", Phase::Succeeded).await;
    let new = fleet.github.grants().remove(1);
    let all = [token, refresh_token, client_secret, &new.token, &new.refresh_token];
    fleet_is_clean(&fleet, &controller, &all).await;
}

/// What is said to who may read the Secrets.
async fn rate_limits(fleet: &Fleet, namespace: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_agent-automation"))
        .args(["status", "--credentials", "--rate-limits", "--output", "json"])
        .args(["--namespace", namespace, "--github-api-url", &fleet.url])
        .env("KUBECONFIG", fleet.plane.kubeconfig())
        .output()
        .await
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Searches objects, metrics and the log, and gives the objects.
async fn fleet_is_clean(fleet: &Fleet, controller: &Controller, canaries: &[&str]) -> String {
    let encoded = canaries.iter().map(|canary| {
        let bytes = serde_json::to_value(ByteString(canary.as_bytes().to_vec())).unwrap();
        bytes.as_str().unwrap().to_owned()
    });
    let wanted: Vec<String> = canaries
        .iter()
        .map(|canary| (*canary).to_owned())
        .chain(encoded)
        .collect();
    let clean = |what: &str, text: &str| {
        let line = text
            .lines()
            .find(|line| wanted.iter().any(|canary| line.contains(canary)));
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
    assert!(log.contains("TRACE"));
    harness::covered!(
        "covered: {} kinds, metrics and a trace log, {length} bytes",
        kinds.len()
    );
    objects
}
