//! Events that come to tasks: every one of them is in the API server, or the delivery has failed.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use agent_automation::webhook::Cluster;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ApiServer, Call, Stage, whole};

/// An automation for issues that get a label.
pub async fn automation(api: &ApiServer, name: &str, label: &str) {
    listening(api, name, json!({"actions": ["labeled"], "labels": [label]})).await;
}

async fn listening(api: &ApiServer, name: &str, issue: Value) {
    let spec = json!({
        "repository": "acme/api",
        "branches": {"base": "main", "allow": ["main"]},
        "triggers": [{"name": "label", "issue": issue}],
        "prompt": {"goal": "g"},
        "credentials": {"secretRef": {"name": "token"}},
        "concurrency": {"maxActive": 1},
    });
    api.create("AgentAutomation", name, json!({"spec": spec})).await;
}

pub fn labeled(label: &str) -> Value {
    let now = Timestamp::now() + jiff::SignedDuration::from_secs(2);
    json!({
        "action": "labeled",
        "label": {"name": label},
        "issue": {
            "number": 42, "title": "Flaky test", "body": "It fails.", "html_url": "https://github.com/acme/api/issues/42",
            "user": {"login": "alice", "type": "User"}, "author_association": "MEMBER",
            "labels": [{"name": label}], "milestone": null, "created_at": now, "updated_at": now,
        },
        "repository": {"full_name": "acme/api"},
        "sender": {"login": "bob", "type": "User"},
    })
}

/// A delivery of its own.
pub fn delivery(payload: &Value, id: &str) -> Call {
    Call::new("issues", payload.to_string()).with("X-GitHub-Delivery", id)
}

/// Delivers until the automations that were just made are known.
pub async fn first_caused(stage: &Stage<Cluster>, payload: &Value, count: usize) -> BTreeSet<String> {
    loop {
        let reply = stage.send(&delivery(payload, "1")).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
        let tasks = reply.json()["tasks"].as_array().cloned().unwrap_or_default();
        if tasks.len() == count {
            return tasks.iter().map(|task| task.as_str().unwrap().to_owned()).collect();
        }
    }
}

async fn written(stage: &Stage<Cluster>) -> BTreeSet<String> {
    let names = stage.api.names_of("AgentTask").await;
    names.into_iter().map(|name| format!("payments/{name}")).collect()
}

#[tokio::test]
async fn a_delivery_and_its_redelivery_are_one_task() {
    let stage = whole().await;
    automation(&stage.api, "fix", "agent").await;
    let payload = labeled("agent");
    let tasks = first_caused(&stage, &payload, 1).await;
    assert_eq!(written(&stage).await, tasks);

    let again = stage.send(&delivery(&payload, "2")).await;
    assert_eq!(
        (again.status, again.json()["tasks"].as_array().unwrap().len()),
        (202, 1)
    );
    assert_eq!(written(&stage).await, tasks);

    let other = stage.send(&delivery(&labeled("bug"), "3")).await;
    assert_eq!(other.status, 202);
    assert!(
        other.json()["reason"]
            .as_str()
            .unwrap()
            .starts_with("fix: trigger label: "),
        "{}",
        other.body
    );
    let of_no_use = Call::new("star", json!({"repository": {"full_name": "acme/api"}}).to_string());
    assert_eq!(
        stage.send(&of_no_use).await.json(),
        json!({"reason": "events of this kind cause nothing"})
    );
    let mut misshapen = payload.clone();
    misshapen["issue"] = json!([]);
    assert_eq!(stage.send(&delivery(&misshapen, "4")).await.status, 400);
    assert_eq!(written(&stage).await, tasks);
}

#[tokio::test]
async fn an_event_for_many_automations_is_one_pass() {
    let stage = whole().await;
    for number in 0..200 {
        automation(&stage.api, &format!("fix-{number}"), "agent").await;
    }
    let tasks = first_caused(&stage, &labeled("agent"), 200).await;
    assert_eq!((tasks.len(), written(&stage).await), (200, tasks));
}

/// What somebody did who may not is told first, and what many automations have against it is told once.
#[tokio::test]
async fn a_delivery_that_causes_nothing_says_why_for_each_automation() {
    let stage = whole().await;
    for number in 10..40 {
        automation(&stage.api, &format!("fix-{number}"), "bug").await;
    }
    let by_alice =
        json!({"actions": ["labeled"], "labels": ["agent"], "authors": {"logins": ["alice"], "associations": []}});
    listening(&stage.api, "trusting-alice", by_alice).await;
    // The receiver has heard of the last one, and so of all.
    let reason = loop {
        let answer = stage.send(&delivery(&labeled("agent"), "1")).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let reason = answer.json()["reason"].as_str().unwrap().to_owned();
        if reason.contains("trusting-alice") {
            break reason;
        }
    };
    assert_eq!(
        reason,
        "trusting-alice: trigger label: who did it is none of its authors (authors.associations, authors.logins); \
         fix-10, fix-11, fix-12 and 27 more: trigger label: the label that was set is none of its labels"
    );
}

/// What did not get through is told as failed, and the next delivery does the rest.
#[tokio::test]
async fn only_a_whole_write_is_acknowledged() {
    let stage = whole().await;
    for name in ["a", "b", "c", "d", "e"] {
        automation(&stage.api, name, "agent").await;
    }
    let known = labeled("agent");
    let before = first_caused(&stage, &known, 5).await;

    let mut payload = known.clone();
    payload["issue"]["number"] = json!(43);
    for left in [0, 2] {
        stage.api.creates_left.store(left, Ordering::SeqCst);
        let reply = stage.send(&delivery(&payload, "5")).await;
        assert_eq!(
            (reply.status, reply.headers["retry-after"].as_str()),
            (503, "5"),
            "{}",
            reply.body
        );
        assert_eq!(written(&stage).await.len(), 5 + left);
    }
    stage.api.creates_left.store(usize::MAX, Ordering::SeqCst);
    let reply = stage.send(&delivery(&payload, "6")).await;
    assert_eq!(
        (reply.status, reply.json()["tasks"].as_array().unwrap().len()),
        (202, 5)
    );
    let after = written(&stage).await;
    assert_eq!((after.len(), after.is_superset(&before)), (10, true));
}
