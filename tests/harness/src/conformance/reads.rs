//! Get and list: revisions, pages, selectors.

use serde_json::{Value, json};

use super::Context;
use super::context::{revision, small, widget};

super::list_cases![
    list_is_ordered_and_typed,
    list_across_namespaces,
    pages_show_one_revision,
    list_at_an_exact_revision,
    list_not_older_than,
    list_by_labels,
    list_by_fields,
    get_not_older_than,
    metadata_only,
];

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect()
}

async fn list_is_ordered_and_typed(c: Context) {
    for name in ["b", "c", "a", "a-b", "a.b"] {
        c.new_widget(name, small()).await;
    }
    let list = c.get(&c.widgets()).await.expect_code(200);
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("WidgetList"), &json!("conformance.example.dev/v1"))
    );
    assert_eq!(names(&list), ["a", "a-b", "a.b", "b", "c"]);
    assert_eq!(list["items"][0], c.stored("a").await);
}

async fn list_across_namespaces(c: Context) {
    c.new_widget(&c.namespace, small()).await;
    let list = c.get("/apis/conformance.example.dev/v1/widgets").await.expect_code(200);
    assert!(names(&list).contains(&c.namespace.as_str()));
    let selector = format!("?fieldSelector=metadata.namespace%3D{}", c.namespace);
    let list = c
        .get(&format!("/apis/conformance.example.dev/v1/widgets{selector}"))
        .await
        .expect_code(200);
    assert_eq!(names(&list), [c.namespace.as_str()]);
}

async fn pages_show_one_revision(c: Context) {
    for name in ["a", "b", "c", "d", "e"] {
        c.new_widget(name, small()).await;
    }
    let first = c.get(&format!("{}?limit=2", c.widgets())).await.expect_code(200);
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    c.new_widget("c2", small()).await;
    c.delete(&c.widget("d"), &json!({})).await.expect_code(200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = c
        .get(&format!("{}?limit=2&continue={token}", c.widgets()))
        .await
        .expect_code(200);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(revision(&second), revision(&first));
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = c
        .get(&format!("{}?limit=2&continue={token}", c.widgets()))
        .await
        .expect_code(200);
    assert_eq!(names(&third), ["e"]);
    assert!(third["metadata"]["continue"].as_str().unwrap_or_default().is_empty());
}

async fn list_at_an_exact_revision(c: Context) {
    let a = c.new_widget("a", small()).await;
    let b = c.new_widget("b", small()).await;
    c.patched("a", json!({"spec": {"count": 1}})).await;
    let at = |object: &Value| {
        format!(
            "{}?resourceVersion={}&resourceVersionMatch=Exact",
            c.widgets(),
            revision(object)
        )
    };
    let list = c.get(&at(&a)).await.expect_code(200);
    assert_eq!((names(&list), revision(&list)), (vec!["a"], revision(&a)));
    let list = c.get(&at(&b)).await.expect_code(200);
    assert_eq!((names(&list), revision(&list)), (vec!["a", "b"], revision(&b)));
    assert_eq!(list["items"][0]["spec"]["count"], Value::Null);
}

async fn list_not_older_than(c: Context) {
    let a = c.new_widget("a", small()).await;
    for query in [
        format!("resourceVersion={}", revision(&a)),
        "resourceVersion=0".to_owned(),
    ] {
        let list = c
            .get(&format!("{}?{query}&resourceVersionMatch=NotOlderThan", c.widgets()))
            .await
            .expect_code(200);
        assert_eq!(list["kind"], "WidgetList");
        if query != "resourceVersion=0" {
            assert_eq!(names(&list), ["a"]);
            assert!(revision(&list) >= revision(&a));
        }
    }
}

async fn list_by_labels(c: Context) {
    let labelled = [
        ("a", json!({"team": "x", "tier": "1"})),
        ("b", json!({"team": "y"})),
        ("c", json!({})),
    ];
    for (name, labels) in labelled {
        let mut body = widget(name, small());
        body["metadata"]["labels"] = labels;
        c.post(&c.widgets(), &body).await.expect_code(201);
    }
    let table: &[(&str, &[&str])] = &[
        ("team=x", &["a"]),
        ("team==x", &["a"]),
        ("team!=x", &["b", "c"]),
        ("team", &["a", "b"]),
        ("!team", &["c"]),
        ("team in (x, y)", &["a", "b"]),
        ("team notin (x)", &["b", "c"]),
        ("team in (x,y),tier", &["a"]),
        ("team,team!=y", &["a"]),
        ("team=", &[]),
    ];
    for (selector, expected) in table {
        let selector: String = form_urlencoded::byte_serialize(selector.as_bytes()).collect();
        let list = c
            .get(&format!("{}?labelSelector={selector}", c.widgets()))
            .await
            .expect_code(200);
        assert_eq!(names(&list), *expected, "{selector}");
    }
}

async fn list_by_fields(c: Context) {
    c.new_widget("a", json!({"size": "small", "count": 1})).await;
    c.new_widget("b", json!({"size": "small", "colour": "blue", "count": 2}))
        .await;
    c.new_widget("c", json!({"size": "small", "colour": "blue"})).await;
    let table: &[(&str, &[&str])] = &[
        ("metadata.name=a", &["a"]),
        ("metadata.name!=a", &["b", "c"]),
        ("spec.colour=blue", &["b", "c"]),
        ("spec.colour==red", &["a"]),
        ("spec.count=2", &["b"]),
        ("spec.count=", &["c"]),
        ("spec.colour=blue,metadata.name!=b", &["c"]),
    ];
    for (selector, expected) in table {
        let encoded: String = form_urlencoded::byte_serialize(selector.as_bytes()).collect();
        let list = c
            .get(&format!("{}?fieldSelector={encoded}", c.widgets()))
            .await
            .expect_code(200);
        assert_eq!(names(&list), *expected, "{selector}");
    }
}

async fn get_not_older_than(c: Context) {
    let a = c.new_widget("a", small()).await;
    let at_least = format!("{}?resourceVersion={}", c.widget("a"), revision(&a));
    assert_eq!(c.get(&at_least).await.expect_code(200), a);
    let ahead = format!("{}?resourceVersion={}", c.widget("a"), revision(&a) + 1_000_000);
    c.get(&ahead).await.expect_refusal(504, "Timeout");
}

async fn metadata_only(c: Context) {
    let a = c.new_widget("a", small()).await;
    let api: kube::Api<kube::core::PartialObjectMeta> = kube::Api::namespaced_with(
        c.client.clone(),
        &c.namespace,
        &kube::api::ApiResource::from_gvk_with_plural(
            &kube::api::GroupVersionKind::gvk("conformance.example.dev", "v1", "Widget"),
            "widgets",
        ),
    );
    let one = api.get_metadata("a").await.unwrap();
    assert_eq!(one.metadata.uid.as_deref(), a["metadata"]["uid"].as_str());
    let list = api.list_metadata(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    assert_eq!(
        list.items[0].metadata.resource_version.as_deref(),
        a["metadata"]["resourceVersion"].as_str()
    );
}
