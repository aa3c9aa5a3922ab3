//! Sources and their secrets as they change in the cluster.

use std::sync::atomic::Ordering;

use agent_automation::webhook::Limits;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::{Call, SECRET, payload, recorded, sign};

const NEW: &str = "a newer secret";

fn call(secret: &str) -> Call {
    let body = payload().to_string();
    Call::new("issues", body.clone()).signature(&sign(secret, body.as_bytes()))
}

#[tokio::test]
async fn a_secret_that_was_exchanged_counts_at_once() {
    let (stage, _) = recorded(Limits::default()).await;
    assert_eq!(stage.send(&call(SECRET)).await.status, 202);
    assert_eq!(stage.send(&call(NEW)).await.status, 401);

    // The pause between two reads, passed without waiting for it.
    tokio::time::pause();
    tokio::time::advance(agent_automation::webhook::secrets::APART).await;
    tokio::time::resume();
    stage.api.put_secret("hook", "secret", NEW).await;
    assert_eq!(stage.send(&call(NEW)).await.status, 202);
    assert_eq!(stage.send(&call(SECRET)).await.status, 401);
}

#[tokio::test]
async fn who_signs_wrongly_does_not_cause_reads() {
    let (stage, recorder) = recorded(Limits::default()).await;
    let reads = || stage.api.secret_reads.load(Ordering::SeqCst);
    for _ in 0..20 {
        assert_eq!(stage.send(&call(SECRET)).await.status, 202);
    }
    assert_eq!(reads(), 1);
    for _ in 0..50 {
        assert_eq!(stage.send(&call(NEW)).await.status, 401);
        assert_eq!(
            stage
                .send(&call(NEW).path("/webhooks/github/payments/nobody"))
                .await
                .status,
            401
        );
    }
    assert_eq!((reads(), recorder.heard()), (2, 20));
}

#[tokio::test]
async fn while_the_api_server_is_away_what_was_read_stands() {
    let (stage, _) = recorded(Limits::default()).await;
    assert_eq!(stage.send(&call(SECRET)).await.status, 202);
    stage.api.is_away.store(true, Ordering::SeqCst);

    assert_eq!(stage.send(&call(SECRET)).await.status, 202);
    assert_eq!(stage.send(&call(NEW)).await.status, 401);
}

#[tokio::test]
async fn a_secret_that_was_never_read_is_no_reason_to_refuse() {
    let (stage, recorder) = recorded(Limits::default()).await;
    stage.api.is_away.store(true, Ordering::SeqCst);
    let reply = stage.send(&call(SECRET)).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, "{\"error\":\"the webhook's secret can't be read now\"}\n")
    );
    assert_eq!((reply.headers["retry-after"].as_str(), recorder.heard()), ("5", 0));
}

#[tokio::test]
async fn sources_come_change_and_go() {
    let (stage, recorder) = recorded(Limits::default()).await;
    let sources = stage.api.api_of("WebhookSource").0;
    let call = || call(SECRET).path("/webhooks/github/payments/web");
    assert_eq!(stage.send(&call()).await.status, 401);

    stage.api.put_source("web", &["acme/*"], &["hook"]).await;
    while stage.send(&call()).await.status == 401 {}
    assert_eq!(recorder.heard(), 1);

    let patch = Patch::Merge(json!({"spec": {"repositories": ["acme/web"]}}));
    sources.patch("web", &PatchParams::default(), &patch).await.unwrap();
    while stage.send(&call()).await.body.contains("nobody asked") {}
    assert!(stage.send(&call()).await.body.contains("does not name its repository"));

    sources.delete("web", &DeleteParams::default()).await.unwrap();
    while stage.send(&call()).await.status != 401 {}
    assert_eq!(stage.send(&call().path(super::PATH)).await.status, 202);
}
