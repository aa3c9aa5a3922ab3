//! Create, replace, patch and the status subresource: who owns which field, and what moves a revision.

use serde_json::{Value, json};

use super::Context;
use super::context::{revision, small, widget};

super::list_cases![
    create_fills_in_system_fields,
    create_ignores_fields_of_the_server,
    create_with_generate_name,
    create_drops_status,
    replace_changes_spec_and_bumps_generation,
    replace_of_metadata_keeps_generation,
    replace_ignores_status,
    replace_without_change_is_no_write,
    replace_keeps_system_fields,
    replace_cannot_set_times_of_the_server,
    empty_metadata_maps_vanish,
    status_replace_changes_only_status,
    status_replace_can_remove_status,
    status_patch_changes_only_status,
    status_patch_without_change_is_no_write,
    status_replace_checks_the_revision,
    patch_removes_with_null,
    patch_replaces_lists,
    patch_with_the_right_revision_is_taken,
    revisions_rise_across_objects,
];

async fn create_fills_in_system_fields(c: Context) {
    let created = c.new_widget("a", small()).await;
    let metadata = &created["metadata"];
    assert_eq!(metadata["generation"], 1);
    assert_eq!(metadata["namespace"], c.namespace.as_str());
    assert_eq!(metadata["uid"].as_str().unwrap().len(), 36);
    assert_eq!(
        metadata["creationTimestamp"].as_str().unwrap().len(),
        "2026-01-01T00:00:00Z".len()
    );
    assert_eq!(created, c.stored("a").await);
}

async fn create_ignores_fields_of_the_server(c: Context) {
    let mut body = widget("a", small());
    body["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    body["metadata"]["generation"] = json!(7);
    body["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    body["metadata"]["deletionTimestamp"] = json!("2001-01-01T00:00:00Z");
    let created = c.post(&c.widgets(), &body).await.expect_code(201);
    assert_ne!(created["metadata"]["uid"], body["metadata"]["uid"]);
    assert_eq!(created["metadata"]["generation"], 1);
    assert_ne!(
        created["metadata"]["creationTimestamp"],
        body["metadata"]["creationTimestamp"]
    );
    assert_eq!(created["metadata"]["deletionTimestamp"], Value::Null);
}

async fn create_with_generate_name(c: Context) {
    let mut body = widget("", small());
    body["metadata"] = json!({"generateName": "run-"});
    let first = c.post(&c.widgets(), &body).await.expect_code(201);
    let second = c.post(&c.widgets(), &body).await.expect_code(201);
    let name = first["metadata"]["name"].as_str().unwrap();
    assert_eq!((&name[..4], name.len()), ("run-", 9));
    assert_eq!(first["metadata"]["generateName"], "run-");
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
}

async fn create_drops_status(c: Context) {
    let mut body = widget("a", small());
    body["status"] = json!({"phase": "Done"});
    let created = c.post(&c.widgets(), &body).await.expect_code(201);
    assert_eq!(created["status"], Value::Null);
}

async fn replace_changes_spec_and_bumps_generation(c: Context) {
    let mut object = c.new_widget("a", small()).await;
    let before = revision(&object);
    object["spec"]["size"] = json!("large");
    let replaced = c.put(&c.widget("a"), &object).await.expect_code(200);
    assert_eq!(replaced["metadata"]["generation"], 2);
    assert!(revision(&replaced) > before);
    assert_eq!(replaced["spec"]["size"], "large");
    assert_eq!(replaced, c.stored("a").await);
}

async fn replace_of_metadata_keeps_generation(c: Context) {
    let mut object = c.new_widget("a", small()).await;
    object["metadata"]["labels"] = json!({"team": "payments"});
    object["metadata"]["annotations"] = json!({"why": "because"});
    let replaced = c.put(&c.widget("a"), &object).await.expect_code(200);
    assert_eq!(replaced["metadata"]["generation"], 1);
    assert!(revision(&replaced) > revision(&object));
    assert_eq!(replaced["metadata"]["labels"], json!({"team": "payments"}));
}

async fn replace_ignores_status(c: Context) {
    let mut object = c.new_widget("a", small()).await;
    object["status"] = json!({"phase": "Done"});
    let replaced = c.put(&c.widget("a"), &object).await.expect_code(200);
    assert_eq!(replaced["status"], Value::Null);
    assert_eq!(revision(&replaced), revision(&object));
}

async fn replace_without_change_is_no_write(c: Context) {
    let object = c.new_widget("a", small()).await;
    let replaced = c.put(&c.widget("a"), &object).await.expect_code(200);
    assert_eq!(replaced, object);
}

async fn replace_keeps_system_fields(c: Context) {
    let object = c.new_widget("a", small()).await;
    let mut body = widget("a", json!({"size": "large"}));
    body["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    body["metadata"]["generation"] = json!(99);
    let replaced = c.put(&c.widget("a"), &body).await.expect_code(200);
    assert_eq!(replaced["metadata"]["uid"], object["metadata"]["uid"]);
    assert_eq!(
        replaced["metadata"]["creationTimestamp"],
        object["metadata"]["creationTimestamp"]
    );
    assert_eq!(replaced["metadata"]["generation"], 2);
}

async fn replace_cannot_set_times_of_the_server(c: Context) {
    let object = c.new_widget("a", small()).await;
    let mut body = object.clone();
    body["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    assert_eq!(c.put(&c.widget("a"), &body).await.expect_code(200), object);
    body["metadata"]["deletionTimestamp"] = json!("2001-01-01T00:00:00Z");
    let refused = c.put(&c.widget("a"), &body).await.expect_refusal(422, "Invalid");
    assert_eq!(refused["details"]["causes"][0]["field"], "metadata.deletionTimestamp");
}

async fn empty_metadata_maps_vanish(c: Context) {
    let mut body = widget("a", small());
    body["metadata"]["labels"] = json!({});
    body["metadata"]["annotations"] = json!({});
    body["metadata"]["finalizers"] = json!([]);
    body["metadata"]["unheard"] = json!("of");
    let created = c.post(&c.widgets(), &body).await.expect_code(201);
    let fields: Vec<&String> = created["metadata"].as_object().unwrap().keys().collect();
    let expected = [
        "creationTimestamp",
        "generation",
        "name",
        "namespace",
        "resourceVersion",
        "uid",
    ];
    assert_eq!(fields, expected);
}

async fn status_replace_changes_only_status(c: Context) {
    let mut object = c.new_widget("a", small()).await;
    object["spec"]["size"] = json!("large");
    object["metadata"]["labels"] = json!({"team": "payments"});
    object["status"] = json!({"phase": "Done", "seen": 1, "unheard": "of"});
    let path = format!("{}/status", c.widget("a"));
    let replaced = c.put(&path, &object).await.expect_code(200);
    assert_eq!(replaced["status"], json!({"phase": "Done", "seen": 1}));
    assert_eq!(replaced["spec"]["size"], "small");
    assert_eq!(replaced["metadata"]["labels"], Value::Null);
    assert_eq!(replaced["metadata"]["generation"], 1);
    assert!(revision(&replaced) > revision(&object));
    assert_eq!(replaced, c.get(&path).await.expect_code(200));
}

async fn status_replace_can_remove_status(c: Context) {
    let mut object = c.new_widget("a", small()).await;
    let path = format!("{}/status", c.widget("a"));
    object["status"] = json!({"phase": "Done"});
    let mut object = c.put(&path, &object).await.expect_code(200);
    object.as_object_mut().unwrap().remove("status");
    let replaced = c.put(&path, &object).await.expect_code(200);
    assert_eq!(replaced["status"], Value::Null);
}

async fn status_patch_changes_only_status(c: Context) {
    c.new_widget("a", small()).await;
    let change = json!({"status": {"phase": "Done"}, "spec": {"size": "large"}, "metadata": {"labels": {"a": "b"}}});
    let path = format!("{}/status", c.widget("a"));
    let patched = c.patch(&path, &change).await.expect_code(200);
    assert_eq!(patched["status"], json!({"phase": "Done"}));
    assert_eq!(patched["spec"]["size"], "small");
    assert_eq!(patched["metadata"]["labels"], Value::Null);
}

async fn status_patch_without_change_is_no_write(c: Context) {
    c.new_widget("a", small()).await;
    let path = format!("{}/status", c.widget("a"));
    let change = json!({"status": {"phase": "Done"}});
    let first = c.patch(&path, &change).await.expect_code(200);
    let second = c.patch(&path, &change).await.expect_code(200);
    assert_eq!(first, second);
}

async fn status_replace_checks_the_revision(c: Context) {
    let mut object = c.new_widget("a", small()).await;
    c.patched("a", json!({"spec": {"size": "large"}})).await;
    object["status"] = json!({"phase": "Done"});
    let path = format!("{}/status", c.widget("a"));
    c.put(&path, &object).await.expect_refusal(409, "Conflict");
}

async fn patch_removes_with_null(c: Context) {
    c.new_widget(
        "a",
        json!({"size": "small", "count": 2, "colour": "blue", "limits": {"x": 1}}),
    )
    .await;
    let patch = json!({"spec": {"count": null, "colour": null, "limits": {"x": null}}});
    let patched = c.patched("a", patch).await;
    assert_eq!(patched["spec"]["count"], Value::Null);
    assert_eq!(patched["spec"]["colour"], "red", "the default comes back");
    assert_eq!(patched["spec"]["limits"], json!({}));
    assert_eq!(patched["metadata"]["generation"], 2);
}

async fn patch_replaces_lists(c: Context) {
    c.new_widget("a", json!({"size": "small", "tags": ["x", "y"]})).await;
    let patched = c.patched("a", json!({"spec": {"tags": ["z"]}})).await;
    assert_eq!(patched["spec"]["tags"], json!(["z"]));
}

async fn patch_with_the_right_revision_is_taken(c: Context) {
    let object = c.new_widget("a", small()).await;
    let patch = json!({"metadata": {"resourceVersion": object["metadata"]["resourceVersion"]}, "spec": {"count": 3}});
    let patched = c.patched("a", patch.clone()).await;
    assert_eq!(patched["spec"]["count"], 3);
    c.patch(&c.widget("a"), &patch).await.expect_refusal(409, "Conflict");
}

async fn revisions_rise_across_objects(c: Context) {
    let a = c.new_widget("a", small()).await;
    let b = c.new_widget("b", small()).await;
    let a_again = c.patched("a", json!({"spec": {"count": 1}})).await;
    assert!(revision(&a) < revision(&b) && revision(&b) < revision(&a_again));
    let list = c.get(&c.widgets()).await.expect_code(200);
    assert!(revision(&list) >= revision(&a_again));
}
