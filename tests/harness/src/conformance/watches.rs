//! Watches: each change once and in order, from where the client says.

use serde_json::{Value, json};

use super::Context;
use super::context::{revision, small};

super::list_cases![
    watch_from_a_revision_sees_each_change_once,
    watch_from_the_past_replays,
    watch_without_a_revision_begins_with_what_is_there,
    watch_ignores_refused_and_empty_writes,
    watch_with_a_selector_sees_objects_come_and_go,
    watch_of_one_namespace_or_all,
    watch_streams_the_initial_list,
    watch_streams_the_initial_list_in_order,
    streaming_needs_the_match,
    watch_ends_at_its_timeout_after_a_bookmark,
    watch_from_a_revision_too_old_is_refused,
    watch_from_the_future_waits,
    deleted_objects_carry_the_revision_of_their_deletion,
];

async fn watch_from_a_revision_sees_each_change_once(c: Context) {
    let a = c.new_widget("a", small()).await;
    let mut watch = c.watch(&format!("resourceVersion={}", revision(&a))).await;
    let mut expected = Vec::new();
    for count in 1..=3 {
        expected.push(revision(&c.patched("a", json!({"spec": {"count": count}})).await));
    }
    let path = format!("{}/status", c.widget("a"));
    expected.push(revision(
        &c.patch(&path, &json!({"status": {"seen": 1}})).await.expect_code(200),
    ));
    expected.push(revision(&c.new_widget("b", small()).await));
    let mut seen = Vec::new();
    for _ in 0..expected.len() {
        let event = watch.next().await.unwrap();
        let kind = if event["object"]["metadata"]["name"] == "a" {
            "MODIFIED"
        } else {
            "ADDED"
        };
        assert_eq!(event["type"], kind);
        seen.push(revision(&event["object"]));
    }
    assert_eq!(seen, expected);
    watch.expect_silence().await;
}

async fn watch_from_the_past_replays(c: Context) {
    let a = c.new_widget("a", small()).await;
    c.patched("a", json!({"spec": {"count": 1}})).await;
    c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    c.new_widget("b", small()).await;
    let mut watch = c.watch(&format!("resourceVersion={}", revision(&a))).await;
    let expected = [("MODIFIED", "a", 1), ("DELETED", "a", 1), ("ADDED", "b", 0)];
    for (kind, name, count) in expected {
        assert_eq!(watch.next_brief().await, (kind.to_owned(), name.to_owned(), count));
    }
}

async fn watch_without_a_revision_begins_with_what_is_there(c: Context) {
    c.new_widget("b", small()).await;
    c.new_widget("a", small()).await;
    for query in ["", "resourceVersion=0"] {
        let mut watch = c.watch(query).await;
        let mut first = [watch.next_brief().await, watch.next_brief().await];
        first.sort();
        let expected = ["a", "b"].map(|name| ("ADDED".to_owned(), name.to_owned(), 0));
        assert_eq!(first, expected, "{query}");
        watch.expect_silence().await;
    }
}

async fn watch_ignores_refused_and_empty_writes(c: Context) {
    let a = c.new_widget("a", small()).await;
    let mut watch = c.watch(&format!("resourceVersion={}", revision(&a))).await;
    c.put(&c.widget("a"), &a).await.expect_code(200);
    c.patch(&c.widget("a"), &json!({"spec": {"size": "huge"}}))
        .await
        .expect_code(422);
    c.patched("a", json!({"metadata": {"labels": {}}})).await;
    c.patched("a", json!({"spec": {"count": 4}})).await;
    assert_eq!(watch.next_brief().await, ("MODIFIED".to_owned(), "a".to_owned(), 4));
}

async fn watch_with_a_selector_sees_objects_come_and_go(c: Context) {
    let a = c.new_widget("a", json!({"size": "small", "count": 1})).await;
    let query = format!("resourceVersion={}&fieldSelector=spec.colour%3Dblue", revision(&a));
    let mut watch = c.watch(&query).await;
    c.patched("a", json!({"spec": {"count": 2}})).await;
    c.patched("a", json!({"spec": {"count": 3, "colour": "blue"}})).await;
    c.patched("a", json!({"spec": {"count": 4}})).await;
    let left = c.patched("a", json!({"spec": {"count": 5, "colour": "red"}})).await;
    c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    for (kind, count) in [("ADDED", 3), ("MODIFIED", 4)] {
        assert_eq!(watch.next_brief().await, (kind.to_owned(), "a".to_owned(), count));
    }
    let gone = watch.next().await.unwrap();
    assert_eq!(
        (&gone["type"], &gone["object"]["spec"]["count"]),
        (&json!("DELETED"), &json!(4))
    );
    assert_eq!(
        revision(&gone["object"]),
        revision(&left),
        "the state before, the revision of the change"
    );
    watch.expect_silence().await;
}

async fn watch_of_one_namespace_or_all(c: Context) {
    let other = Context::create(&c.client, &format!("{}-other", c.namespace)).await;
    let a = c.new_widget("a", small()).await;
    let mut here = c.watch(&format!("resourceVersion={}", revision(&a))).await;
    let query = format!(
        "resourceVersion={}&fieldSelector=metadata.name%3D{}",
        revision(&a),
        c.namespace
    );
    let mut everywhere = c.watch_path("/apis/conformance.example.dev/v1/widgets", &query).await;
    other.new_widget(&c.namespace, small()).await;
    c.new_widget(&c.namespace, small()).await;
    assert_eq!(
        here.next().await.unwrap()["object"]["metadata"]["namespace"],
        c.namespace.as_str()
    );
    for namespace in [&other.namespace, &c.namespace] {
        let event = everywhere.next().await.unwrap();
        assert_eq!(event["object"]["metadata"]["namespace"], namespace.as_str());
    }
}

const STREAM: &str = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

async fn watch_streams_the_initial_list(c: Context) {
    let a = c.new_widget("a", small()).await;
    for revision_asked in [String::new(), format!("&resourceVersion={}", revision(&a))] {
        let mut watch = c.watch(&format!("{STREAM}{revision_asked}")).await;
        assert_eq!(
            watch.next().await.unwrap(),
            json!({"type": "ADDED", "object": c.stored("a").await})
        );
        let end = watch.next().await.unwrap();
        assert_eq!(end["type"], "BOOKMARK");
        assert_eq!(end["object"]["kind"], "Widget");
        assert_eq!(
            end["object"]["metadata"]["annotations"],
            json!({"k8s.io/initial-events-end": "true"})
        );
        assert!(revision(&end["object"]) >= revision(&a));
        let changed = c
            .patched(
                "a",
                json!({"metadata": {"labels": {"n": revision_asked.len().to_string()}}}),
            )
            .await;
        assert_eq!(revision(&watch.next().await.unwrap()["object"]), revision(&changed));
    }
}

async fn watch_streams_the_initial_list_in_order(c: Context) {
    for name in ["c", "a", "b"] {
        c.new_widget(name, small()).await;
    }
    let mut watch = c.watch(STREAM).await;
    let mut names = Vec::new();
    loop {
        let event = watch.next().await.unwrap();
        if event["type"] == "BOOKMARK" {
            break;
        }
        names.push(event["object"]["metadata"]["name"].clone());
    }
    assert_eq!(names, ["a", "b", "c"].map(Value::from));
}

async fn streaming_needs_the_match(c: Context) {
    let path = format!(
        "{}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true",
        c.widgets()
    );
    let refused = c.get(&path).await.expect_refusal(422, "Invalid");
    assert_eq!(refused["details"]["causes"][0]["field"], "resourceVersionMatch");
}

async fn watch_ends_at_its_timeout_after_a_bookmark(c: Context) {
    let a = c.new_widget("a", small()).await;
    let selector = "fieldSelector=metadata.name%3Dnone&allowWatchBookmarks=true&timeoutSeconds=4";
    let mut watch = c.watch(&format!("resourceVersion={}&{selector}", revision(&a))).await;
    let changed = c.patched("a", json!({"spec": {"count": 1}})).await;
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert!(
        revision(&bookmark["object"]) >= revision(&changed),
        "past what the watch is not about"
    );
    assert_eq!(bookmark["object"]["metadata"]["annotations"], Value::Null);
    while let Some(event) = watch.next().await {
        assert_eq!(event["type"], "BOOKMARK");
    }
}

async fn watch_from_a_revision_too_old_is_refused(c: Context) {
    c.new_widget("a", small()).await;
    let mut watch = c.watch("resourceVersion=1").await;
    let event = watch.next().await.unwrap();
    assert_eq!(event["type"], "ERROR");
    let status = &event["object"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .starts_with("too old resource version: 1 ("),
        "{status}"
    );
    assert_eq!(watch.next().await, None);
}

async fn watch_from_the_future_waits(c: Context) {
    let a = c.new_widget("a", small()).await;
    let mut watch = c.watch(&format!("resourceVersion={}", revision(&a) + 1_000_000)).await;
    c.new_widget("b", small()).await;
    watch.expect_silence().await;
}

async fn deleted_objects_carry_the_revision_of_their_deletion(c: Context) {
    let a = c.new_widget("a", small()).await;
    let mut watch = c.watch(&format!("resourceVersion={}", revision(&a))).await;
    c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    let list = c.get(&c.widgets()).await.expect_code(200);
    let mut event = watch.next().await.unwrap();
    assert_eq!(event["type"], "DELETED");
    let at = revision(&event["object"]);
    assert!(revision(&a) < at && at <= revision(&list));
    event["object"]["metadata"]["resourceVersion"] = a["metadata"]["resourceVersion"].clone();
    assert_eq!(event["object"], a);
}
