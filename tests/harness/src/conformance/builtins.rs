//! The built-in kinds that a controller meets: Secret, Lease, Event, Namespace.

use serde_json::{Value, json};

use super::Context;
use super::context::revision;

super::list_cases![
    secrets_fold_text_into_data,
    secrets_can_be_replaced_without_a_revision,
    secrets_keep_their_type,
    built_in_lists_leave_the_type_to_the_list,
    leases_keep_microseconds,
    leases_need_a_revision,
    leases_are_created_by_replace,
    lease_terms_are_positive,
    events_are_created_and_counted_up,
    events_are_bounded,
    events_of_cluster_scoped_objects_are_in_default,
    faults_of_built_in_kinds_name_them,
    events_do_not_change,
    namespaces_must_exist,
    namespaces_are_active_and_labelled,
];

const CORE: &str = "/api/v1";
const COORDINATION: &str = "/apis/coordination.k8s.io/v1";
const EVENTS: &str = "/apis/events.k8s.io/v1";

async fn secret(c: &Context) -> Value {
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"kept": "YQ==", "both": "YQ=="}, "stringData": {"token": "tök", "both": "b"}, "unheard": "of",
    });
    c.post(&c.path(CORE, "secrets"), &body).await.expect_code(201)
}

async fn secrets_fold_text_into_data(c: Context) {
    let created = secret(&c).await;
    assert_eq!(
        created["data"],
        json!({"kept": "YQ==", "both": "Yg==", "token": "dMO2aw=="})
    );
    assert_eq!(created["type"], "Opaque");
    assert_eq!(created["metadata"]["generation"], Value::Null);
    let fields: Vec<&String> = created.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["apiVersion", "data", "kind", "metadata", "type"]);
}

async fn secrets_can_be_replaced_without_a_revision(c: Context) {
    let created = secret(&c).await;
    let body = json!({"metadata": {"name": "s"}, "data": {"token": "Yg=="}});
    let path = format!("{}/s", c.path(CORE, "secrets"));
    let replaced = c.put(&path, &body).await.expect_code(200);
    assert_eq!(replaced["data"], body["data"]);
    assert_eq!(replaced["metadata"]["uid"], created["metadata"]["uid"]);
    let missing = format!("{}/none", c.path(CORE, "secrets"));
    c.put(&missing, &json!({"metadata": {"name": "none"}}))
        .await
        .expect_refusal(404, "NotFound");
}

async fn secrets_keep_their_type(c: Context) {
    secret(&c).await;
    let path = format!("{}/s", c.path(CORE, "secrets"));
    let refused = c
        .patch(&path, &json!({"type": "example.dev/other"}))
        .await
        .expect_refusal(422, "Invalid");
    assert_eq!(
        refused["message"],
        "Secret \"s\" is invalid: type: Invalid value: \"example.dev/other\": field is immutable"
    );
    let bad = json!({"metadata": {"name": "t"}, "data": {"token": "!"}});
    c.post(&c.path(CORE, "secrets"), &bad)
        .await
        .expect_refusal(400, "BadRequest");
}

async fn built_in_lists_leave_the_type_to_the_list(c: Context) {
    secret(&c).await;
    let list = c.get(&c.path(CORE, "secrets")).await.expect_code(200);
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("SecretList"), &json!("v1"))
    );
    assert_eq!(
        (&list["items"][0]["kind"], &list["items"][0]["type"]),
        (&Value::Null, &json!("Opaque"))
    );
    let mut watch = c.watch_path(&c.path(CORE, "secrets"), "").await;
    assert_eq!(watch.next().await.unwrap()["object"]["kind"], "Secret");
}

fn lease(renewed: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"holderIdentity": "one", "leaseDurationSeconds": 15, "leaseTransitions": 0,
                 "acquireTime": "2026-01-01T00:00:00.000001Z", "renewTime": renewed},
    })
}

async fn leases_keep_microseconds(c: Context) {
    let path = c.path(COORDINATION, "leases");
    let table = [
        ("2026-01-01T00:00:00.123456Z", 201),
        ("2026-01-01T01:00:00.123456+01:00", 201),
        ("2026-01-01T00:00:00Z", 400),
        ("2026-01-01T00:00:00.123Z", 400),
        ("2026-01-01T00:00:00.1234567Z", 400),
    ];
    for (index, (sent, code)) in table.into_iter().enumerate() {
        let mut body = lease(sent);
        body["metadata"]["name"] = json!(format!("l{index}"));
        let answer = c.post(&path, &body).await;
        assert_eq!(answer.code, code, "{sent}: {}", answer.body);
        if code == 201 {
            assert_eq!(answer.body["spec"]["renewTime"], "2026-01-01T00:00:00.123456Z");
        }
    }
}

async fn leases_need_a_revision(c: Context) {
    let created = c
        .post(&c.path(COORDINATION, "leases"), &lease("2026-01-01T00:00:00.000000Z"))
        .await
        .expect_code(201);
    assert_eq!(created["metadata"]["generation"], Value::Null);
    let path = format!("{}/l", c.path(COORDINATION, "leases"));
    c.put(&path, &lease("2026-01-01T00:00:01.000000Z"))
        .await
        .expect_refusal(422, "Invalid");
    let mut renewed = created.clone();
    renewed["spec"]["renewTime"] = json!("2026-01-01T00:00:02.000000Z");
    let stored = c.put(&path, &renewed).await.expect_code(200);
    assert!(revision(&stored) > revision(&created));
    c.put(&path, &renewed).await.expect_refusal(409, "Conflict");
}

async fn leases_are_created_by_replace(c: Context) {
    let path = format!("{}/l", c.path(COORDINATION, "leases"));
    let body = lease("2026-01-01T00:00:00.000000Z");
    let created = c.put(&path, &body).await.expect_code(201);
    assert_eq!(created["spec"], body["spec"]);
    c.delete(&path, &json!({})).await.expect_code(200);
    c.put(&path, &created).await.expect_refusal(409, "Conflict");
    let mut another = created.clone();
    another["metadata"] = json!({"name": "l", "resourceVersion": created["metadata"]["resourceVersion"]});
    c.put(&path, &another).await.expect_code(201);
}

async fn lease_terms_are_positive(c: Context) {
    let mut body = lease("2026-01-01T00:00:00.000000Z");
    body["spec"]["leaseDurationSeconds"] = json!(0);
    body["spec"]["leaseTransitions"] = json!(-1);
    let refused = c
        .post(&c.path(COORDINATION, "leases"), &body)
        .await
        .expect_refusal(422, "Invalid");
    let causes = refused["details"]["causes"].as_array().unwrap();
    let fields: Vec<&str> = causes.iter().map(|cause| cause["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["spec.leaseDurationSeconds", "spec.leaseTransitions"]);
}

fn event(c: &Context) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "example.dev/controller",
        "reportingInstance": "one", "action": "Start", "reason": "Started", "type": "Normal", "note": "hello",
        "regarding": {"apiVersion": "conformance.example.dev/v1", "kind": "Widget", "name": "a", "namespace": c.namespace},
    })
}

async fn events_are_created_and_counted_up(c: Context) {
    let created = c.post(&c.path(EVENTS, "events"), &event(&c)).await.expect_code(201);
    assert_eq!(created["note"], "hello");
    let series = json!({"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"});
    let path = format!("{}/e", c.path(EVENTS, "events"));
    let patched = c.patch(&path, &json!({"series": series})).await.expect_code(200);
    assert_eq!(patched["series"], series);
}

async fn events_are_bounded(c: Context) {
    let table: &[(&str, Value)] = &[
        ("note", json!("x".repeat(1025))),
        ("type", json!("Loud")),
        ("reason", Value::Null),
        ("reason", json!("x".repeat(129))),
        ("action", Value::Null),
        ("action", json!("x".repeat(129))),
        ("reportingController", Value::Null),
        ("reportingController", json!("no spaces")),
        ("reportingInstance", Value::Null),
        ("eventTime", Value::Null),
        (
            "regarding",
            json!({"name": "a", "kind": "Namespace", "apiVersion": "v1"}),
        ),
        ("regarding", Value::Null),
    ];
    for (field, value) in table {
        let mut body = event(&c);
        body[field] = value.clone();
        let answer = c.post(&c.path(EVENTS, "events"), &body).await;
        assert_eq!(answer.code, 422, "{field} {value}: {}", answer.body);
    }
    let accepted: &[(&str, Value)] = &[
        ("note", json!("x".repeat(1024))),
        ("note", Value::Null),
        ("reportingController", json!("plain")),
        (
            "regarding",
            json!({"namespace": "elsewhere", "name": "a", "kind": "Widget", "apiVersion": "conformance.example.dev/v1"}),
        ),
        (
            "regarding",
            json!({"namespace": "elsewhere", "name": "a", "kind": "Secret", "apiVersion": "v1"}),
        ),
    ];
    for (index, (field, value)) in accepted.iter().enumerate() {
        let mut body = event(&c);
        body["metadata"]["name"] = json!(format!("e{index}"));
        body[field] = value.clone();
        let answer = c.post(&c.path(EVENTS, "events"), &body).await;
        assert_eq!(answer.code, 201, "{field} {value}: {}", answer.body);
    }
}

async fn events_of_cluster_scoped_objects_are_in_default(c: Context) {
    let mut body = event(&c);
    body["metadata"] = json!({"generateName": "e-"});
    body["regarding"] = json!({"name": "a", "kind": "Namespace", "apiVersion": "v1"});
    c.post("/apis/events.k8s.io/v1/namespaces/default/events", &body)
        .await
        .expect_code(201);
}

async fn faults_of_built_in_kinds_name_them(c: Context) {
    let mut body = event(&c);
    body["reason"] = Value::Null;
    let refused = c
        .post(&c.path(EVENTS, "events"), &body)
        .await
        .expect_refusal(422, "Invalid");
    assert_eq!(refused["message"], "Event \"e\" is invalid: reason: Required value");
    assert_eq!(
        (&refused["details"]["group"], &refused["details"]["kind"]),
        (&Value::Null, &json!("Event"))
    );
    let mut body = lease("2026-01-01T00:00:00.000000Z");
    body["spec"]["leaseDurationSeconds"] = json!(0);
    let refused = c
        .post(&c.path(COORDINATION, "leases"), &body)
        .await
        .expect_refusal(422, "Invalid");
    let message = "Lease.coordination.k8s.io \"l\" is invalid: \
                   spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0";
    assert_eq!(refused["message"], message);
    let none = c
        .get(&format!("{}/none", c.path(EVENTS, "events")))
        .await
        .expect_refusal(404, "NotFound");
    assert_eq!(none["message"], "events.events.k8s.io \"none\" not found");
    let none = c
        .get(&format!("{}/none", c.path(CORE, "secrets")))
        .await
        .expect_refusal(404, "NotFound");
    assert_eq!(none["message"], "secrets \"none\" not found");
}

async fn events_do_not_change(c: Context) {
    c.post(&c.path(EVENTS, "events"), &event(&c)).await.expect_code(201);
    let path = format!("{}/e", c.path(EVENTS, "events"));
    for patch in [
        json!({"note": "other"}),
        json!({"reason": "Other"}),
        json!({"type": "Warning"}),
        json!({"action": "Other"}),
    ] {
        let answer = c.patch(&path, &patch).await;
        assert_eq!(answer.code, 422, "{patch}: {}", answer.body);
    }
}

async fn namespaces_must_exist(c: Context) {
    let body = super::context::widget("a", super::context::small());
    let path = "/apis/conformance.example.dev/v1/namespaces/nowhere/widgets";
    let refused = c.post(path, &body).await.expect_refusal(404, "NotFound");
    assert_eq!(refused["message"], "namespaces \"nowhere\" not found");
    assert_eq!(refused["details"], json!({"name": "nowhere", "kind": "namespaces"}));
    let list = c.get(path).await.expect_code(200);
    assert_eq!(list["items"], json!([]));
}

async fn namespaces_are_active_and_labelled(c: Context) {
    let namespace = c
        .get(&format!("/api/v1/namespaces/{}", c.namespace))
        .await
        .expect_code(200);
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(
        namespace["metadata"]["labels"]["kubernetes.io/metadata.name"],
        c.namespace.as_str()
    );
    let bad = json!({"metadata": {"name": "with.dot"}});
    c.post("/api/v1/namespaces", &bad).await.expect_refusal(422, "Invalid");
}
