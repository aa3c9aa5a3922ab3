//! Garbage: what becomes of dependents, and of a namespace's content.
//!
//! The real collector works in the background and learns of a new kind half a minute late, so these cases wait.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::Context;
use super::context::{small, widget};

super::list_cases![
    dependents_go_with_their_owner,
    dependents_of_another_living_owner_stay,
    foreground_waits_for_dependents,
    orphans_stay_without_their_owner,
    namespaces_take_their_content_along,
];

/// The collector looks for new kinds every 30 s, and two are behind one another at worst.
const PATIENCE: Duration = Duration::from_secs(90);

async fn owned(c: &Context, name: &str, owners: &[&Value], finalizers: Value) -> Value {
    let mut body = widget(name, small());
    body["metadata"]["finalizers"] = finalizers;
    body["metadata"]["ownerReferences"] = owners
        .iter()
        .map(|owner| {
            json!({
                "apiVersion": "conformance.example.dev/v1", "kind": "Widget", "blockOwnerDeletion": true,
                "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
            })
        })
        .collect();
    c.post(&c.widgets(), &body).await.expect_code(201)
}

async fn until(c: &Context, path: &str, mut is_so: impl FnMut(u16, &Value) -> bool) {
    let mut last = Value::Null;
    let asking = async {
        loop {
            let answer = c.get(path).await;
            if is_so(answer.code, &answer.body) {
                return;
            }
            last = answer.body;
            sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = timeout(PATIENCE, asking).await;
    assert!(in_time.is_ok(), "{path} is still {last}");
}

async fn until_gone(c: &Context, name: &str) {
    until(c, &c.widget(name), |code, _| code == 404).await;
}

async fn delete(c: &Context, name: &str, policy: &str) -> Value {
    let options = json!({"propagationPolicy": policy});
    c.delete(&c.widget(name), &options).await.expect_code(200)
}

async fn dependents_go_with_their_owner(c: Context) {
    let owner = c.new_widget("owner", small()).await;
    let child = owned(&c, "child", &[&owner], json!([])).await;
    owned(&c, "grandchild", &[&child], json!([])).await;
    delete(&c, "owner", "Background").await;
    until_gone(&c, "owner").await;
    until_gone(&c, "child").await;
    until_gone(&c, "grandchild").await;
}

async fn dependents_of_another_living_owner_stay(c: Context) {
    let first = c.new_widget("first", small()).await;
    let second = c.new_widget("second", small()).await;
    owned(&c, "shared", &[&first, &second], json!([])).await;
    owned(&c, "sole", &[&first], json!([])).await;
    delete(&c, "first", "Background").await;
    until_gone(&c, "sole").await;
    let names_the_living = |_: u16, shared: &Value| {
        let owners = shared["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
        owners == 1 && shared["metadata"]["ownerReferences"][0]["name"] == "second"
    };
    until(&c, &c.widget("shared"), names_the_living).await;
}

async fn foreground_waits_for_dependents(c: Context) {
    let owner = c.new_widget("owner", small()).await;
    owned(&c, "child", &[&owner], json!(["example.dev/held"])).await;
    let deleted = delete(&c, "owner", "Foreground").await;
    assert_eq!(deleted["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    until(&c, &c.widget("child"), |_, child| {
        child["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
    c.stored("owner").await;
    c.patched("child", json!({"metadata": {"finalizers": null}})).await;
    until_gone(&c, "child").await;
    until_gone(&c, "owner").await;
}

async fn orphans_stay_without_their_owner(c: Context) {
    let owner = c.new_widget("owner", small()).await;
    owned(&c, "child", &[&owner], json!([])).await;
    let deleted = delete(&c, "owner", "Orphan").await;
    assert_eq!(deleted["metadata"]["finalizers"], json!(["orphan"]));
    until_gone(&c, "owner").await;
    until(&c, &c.widget("child"), |_, child| {
        child["metadata"]["ownerReferences"].is_null()
    })
    .await;
}

async fn namespaces_take_their_content_along(c: Context) {
    let mut held = widget("held", small());
    held["metadata"]["finalizers"] = json!(["example.dev/held"]);
    c.post(&c.widgets(), &held).await.expect_code(201);
    c.new_widget("free", small()).await;
    let path = format!("/api/v1/namespaces/{}", c.namespace);
    let deleted = c.delete(&path, &json!({})).await.expect_code(200);
    assert_eq!(deleted["status"]["phase"], "Terminating");
    let refused = c
        .post(&c.widgets(), &widget("late", small()))
        .await
        .expect_refusal(403, "Forbidden");
    let message = "because it is being terminated";
    assert!(refused["message"].as_str().unwrap().contains(message), "{refused}");
    until_gone(&c, "free").await;
    c.patched("held", json!({"metadata": {"finalizers": null}})).await;
    until(&c, &path, |code, _| code == 404).await;
}
