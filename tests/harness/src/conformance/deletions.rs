//! Deletion: finalizers, preconditions, what is answered and what a watch sees.

use serde_json::{Value, json};

use super::Context;
use super::context::{revision, small, widget};

super::list_cases![
    delete_answers_with_success,
    delete_with_the_right_preconditions,
    finalizers_hold_an_object,
    a_second_delete_changes_nothing,
    removing_the_last_finalizer_deletes,
    terminating_objects_take_no_new_finalizers,
    terminating_objects_can_be_written,
    deletion_cannot_be_taken_back,
    finalizers_without_deletion_do_nothing,
    delete_collection_deletes_what_is_selected,
    recreated_objects_have_another_uid,
    owners_must_be_well_formed,
];

async fn delete_answers_with_success(c: Context) {
    let object = c.new_widget("a", small()).await;
    let status = c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    assert_eq!(
        (&status["kind"], &status["status"]),
        (&json!("Status"), &json!("Success"))
    );
    let expected = json!({
        "name": "a", "group": "conformance.example.dev", "kind": "widgets", "uid": object["metadata"]["uid"],
    });
    assert_eq!(status["details"], expected);
    c.get(&c.widget("a")).await.expect_refusal(404, "NotFound");
}

async fn delete_with_the_right_preconditions(c: Context) {
    let object = c.new_widget("a", small()).await;
    let metadata = &object["metadata"];
    let preconditions = json!({"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]});
    let options = json!({"preconditions": preconditions, "propagationPolicy": "Background"});
    c.delete(&c.widget("a"), &options).await.expect_code(200);
}

async fn held(c: &Context) -> Value {
    let mut body = widget("a", small());
    body["metadata"]["finalizers"] = json!(["example.dev/first", "example.dev/second"]);
    c.post(&c.widgets(), &body).await.expect_code(201)
}

async fn finalizers_hold_an_object(c: Context) {
    let object = held(&c).await;
    let deleted = c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    assert_eq!(deleted["kind"], "Widget");
    assert!(deleted["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(deleted["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(deleted["metadata"]["generation"], 2, "a deletion counts as a change");
    assert!(revision(&deleted) > revision(&object));
    assert_eq!(deleted, c.stored("a").await);
}

async fn a_second_delete_changes_nothing(c: Context) {
    held(&c).await;
    let first = c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    let second = c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    assert_eq!(first, second);
}

async fn removing_the_last_finalizer_deletes(c: Context) {
    held(&c).await;
    let deleted = c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    let mut watch = c.watch(&format!("resourceVersion={}", revision(&deleted))).await;
    let one_left = c
        .patched("a", json!({"metadata": {"finalizers": ["example.dev/second"]}}))
        .await;
    assert_eq!(one_left["metadata"]["generation"], 2);
    let last = c.patched("a", json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(last["metadata"]["finalizers"], Value::Null);
    c.get(&c.widget("a")).await.expect_refusal(404, "NotFound");

    let modified = watch.next().await.unwrap();
    assert_eq!(
        (&modified["type"], revision(&modified["object"])),
        (&json!("MODIFIED"), revision(&one_left))
    );
    let gone = watch.next().await.unwrap();
    assert_eq!(gone["type"], "DELETED");
    assert!(revision(&gone["object"]) > revision(&one_left));
    let held_by = &gone["object"]["metadata"]["finalizers"];
    assert_eq!(held_by, &json!(["example.dev/second"]), "the last stored state");
}

async fn terminating_objects_take_no_new_finalizers(c: Context) {
    held(&c).await;
    c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    let patch = json!({"metadata": {"finalizers": ["example.dev/first", "example.dev/third"]}});
    let refused = c.patch(&c.widget("a"), &patch).await.expect_refusal(422, "Invalid");
    let expected = json!({
        "reason": "FieldValueForbidden", "field": "metadata.finalizers",
        "message": "Forbidden: no new finalizers can be added if the object is being deleted, \
                    found new finalizers []string{\"example.dev/third\"}",
    });
    // The real one says it twice.
    assert_eq!(refused["details"]["causes"][0], expected);
}

async fn terminating_objects_can_be_written(c: Context) {
    held(&c).await;
    c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    let path = format!("{}/status", c.widget("a"));
    let patched = c
        .patch(&path, &json!({"status": {"phase": "Done"}}))
        .await
        .expect_code(200);
    assert_eq!(patched["status"]["phase"], "Done");
    let patched = c.patched("a", json!({"spec": {"count": 1}})).await;
    assert_eq!(patched["metadata"]["generation"], 3);
}

async fn deletion_cannot_be_taken_back(c: Context) {
    held(&c).await;
    let deleted = c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    let patched = c.patched("a", json!({"metadata": {"deletionTimestamp": null}})).await;
    assert_eq!(
        patched["metadata"]["deletionTimestamp"],
        deleted["metadata"]["deletionTimestamp"]
    );
}

async fn finalizers_without_deletion_do_nothing(c: Context) {
    held(&c).await;
    let patched = c.patched("a", json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(patched["metadata"]["generation"], 1);
    assert_eq!(patched, c.stored("a").await);
}

async fn delete_collection_deletes_what_is_selected(c: Context) {
    for (name, colour) in [("a", "blue"), ("b", "green"), ("c", "blue")] {
        c.new_widget(name, json!({"size": "small", "colour": colour})).await;
    }
    let path = format!("{}?fieldSelector=spec.colour%3Dblue", c.widgets());
    c.delete(&path, &json!({})).await.expect_code(200);
    let left = c.get(&c.widgets()).await.expect_code(200);
    let names: Vec<&str> = left["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["b"]);
}

async fn recreated_objects_have_another_uid(c: Context) {
    let first = c.new_widget("a", small()).await;
    c.delete(&c.widget("a"), &json!({})).await.expect_code(200);
    let second = c.new_widget("a", small()).await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert!(
        revision(&second) > revision(&first) + 1,
        "the deletion had a revision too"
    );
    c.put(&c.widget("a"), &first).await.expect_refusal(409, "Conflict");
}

async fn owners_must_be_well_formed(c: Context) {
    let owner = c.new_widget("owner", small()).await;
    let reference = json!({
        "apiVersion": "conformance.example.dev/v1", "kind": "Widget", "name": "owner",
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    });
    let mut body = widget("owned", small());
    body["metadata"]["ownerReferences"] = json!([reference]);
    let created = c.post(&c.widgets(), &body).await.expect_code(201);
    assert_eq!(created["metadata"]["ownerReferences"], json!([reference]));

    let mut body = widget("badly-owned", small());
    let mut second = reference.clone();
    second["uid"] = json!("another");
    body["metadata"]["ownerReferences"] = json!([reference, second]);
    let refused = c.post(&c.widgets(), &body).await.expect_refusal(422, "Invalid");
    assert_eq!(refused["details"]["causes"][0]["field"], "metadata.ownerReferences");
}
