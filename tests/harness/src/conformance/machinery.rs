//! What controllers are made of, over both servers: watcher, reflector, event recorder, typed client.

use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::events::v1::Event as StoredEvent;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tokio::time::timeout;

use super::Context;
use super::context::small;

super::list_cases![
    typed_client_writes_and_reads,
    watcher_follows_changes,
    reflector_mirrors_the_store,
    recorder_publishes_and_counts,
];

const PATIENCE: Duration = Duration::from_secs(30);

fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("conformance.example.dev", "v1", "Widget"),
        "widgets",
    )
}

fn api(c: &Context) -> Api<DynamicObject> {
    Api::namespaced_with(c.client.clone(), &c.namespace, &resource())
}

async fn typed_client_writes_and_reads(c: Context) {
    let api = api(&c);
    let mut widget = DynamicObject::new("a", &resource()).data(json!({"spec": small()}));
    widget = api.create(&PostParams::default(), &widget).await.unwrap();
    widget.data["status"] = json!({"phase": "New"});
    widget = api.replace_status("a", &PostParams::default(), &widget).await.unwrap();
    assert_eq!(widget.data["status"], json!({"phase": "New"}));
    let patch = Patch::Merge(json!({"spec": {"count": 2}}));
    widget = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(widget.metadata.generation, Some(2));
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let error = api
        .create(
            &PostParams::default(),
            &DynamicObject::new("a", &resource()).data(json!({"spec": small()})),
        )
        .await;
    assert!(matches!(error, Err(kube::Error::Api(status)) if status.is_already_exists()));
    let deleted = api.delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    assert!(deleted.is_right(), "gone at once");
    assert_eq!(api.get_opt("a").await.unwrap().map(|widget| widget.name_any()), None);
}

/// What a watcher says, in short.
async fn next(stream: &mut (impl Stream<Item = watcher::Result<watcher::Event<DynamicObject>>> + Unpin)) -> String {
    let event = timeout(PATIENCE, stream.next())
        .await
        .expect("the watcher says nothing")
        .unwrap()
        .unwrap();
    match event {
        watcher::Event::Init => "init".to_owned(),
        watcher::Event::InitApply(object) => format!("found {}", object.name_any()),
        watcher::Event::InitDone => "ready".to_owned(),
        watcher::Event::Apply(object) => format!("applied {} {}", object.name_any(), object.data["spec"]["count"]),
        watcher::Event::Delete(object) => format!("deleted {}", object.name_any()),
    }
}

async fn watcher_follows_changes(c: Context) {
    c.new_widget("a", small()).await;
    c.new_widget("b", small()).await;
    for config in [
        watcher::Config::default(),
        watcher::Config::default().page_size(1),
        watcher::Config::default().streaming_lists(),
    ] {
        let mut stream = Box::pin(watcher(api(&c), config));
        let mut said = Vec::new();
        while said.last().is_none_or(|last| last != "ready") {
            said.push(next(&mut stream).await);
        }
        assert_eq!(said, ["init", "found a", "found b", "ready"]);
        c.new_widget("c", json!({"size": "small", "count": 1})).await;
        c.patched("c", json!({"spec": {"count": 2}})).await;
        c.delete(&c.widget("c"), &json!({})).await.expect_code(200);
        for expected in ["applied c 1", "applied c 2", "deleted c"] {
            assert_eq!(next(&mut stream).await, expected);
        }
    }
}

async fn reflector_mirrors_the_store(c: Context) {
    c.new_widget("a", small()).await;
    let writer = reflector::store::Writer::<DynamicObject>::new(resource());
    let store = writer.as_reader();
    let stream = watcher(api(&c), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects();
    let mut stream = Box::pin(stream);
    assert_eq!(
        timeout(PATIENCE, stream.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
            .name_any(),
        "a"
    );
    let changed = c.patched("a", json!({"spec": {"count": 7}})).await;
    let seen = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(
        seen.metadata.resource_version.as_deref(),
        changed["metadata"]["resourceVersion"].as_str()
    );
    let mirrored = store.state();
    assert_eq!(mirrored.len(), 1);
    assert_eq!(mirrored[0].data["spec"]["count"], 7);
}

async fn recorder_publishes_and_counts(c: Context) {
    c.new_widget("a", small()).await;
    let widget = api(&c).get("a").await.unwrap();
    let reporter = Reporter {
        controller: "conformance.example.dev/suite".to_owned(),
        instance: Some("one".to_owned()),
    };
    let recorder = Recorder::new(c.client.clone(), reporter);
    let event = Event {
        type_: EventType::Warning,
        reason: "Tried".to_owned(),
        note: Some("once more".to_owned()),
        action: "Try".to_owned(),
        secondary: None,
    };
    let reference = widget.object_ref(&resource());
    for _ in 0..3 {
        recorder.publish(&event, &reference).await.unwrap();
    }
    let events = Api::<StoredEvent>::namespaced(c.client.clone(), &c.namespace);
    let stored = events.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].series.as_ref().map(|series| series.count), Some(3));
    assert_eq!(stored[0].note.as_deref(), Some("once more"));
}
