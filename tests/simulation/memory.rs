//! What only the API server in memory can be made to do: lag, lost watches, compaction, a history, the same run twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use harness::conformance::widget_crd;
use harness::memory::{Connection, Definition, Garbage, MemoryApiServer, Namespaces, Options, Subresource, Verb};
use jiff::Timestamp;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, sleep};

fn options(seed: u64) -> Options {
    Options {
        clock: Arc::new(|| Timestamp::UNIX_EPOCH),
        seed,
        definitions: vec![Definition::from_crd(&widget_crd()).unwrap()],
        namespaces: Namespaces::Lenient,
        garbage: Garbage::Explicit,
    }
}

fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("conformance.example.dev", "v1", "Widget"),
        "widgets",
    )
}

fn widgets(connection: &Connection) -> Api<DynamicObject> {
    Api::namespaced_with(connection.client(), "default", &resource())
}

async fn create(api: &Api<DynamicObject>, name: &str) -> DynamicObject {
    let widget = DynamicObject::new(name, &resource()).data(json!({"spec": {"size": "small"}}));
    api.create(&PostParams::default(), &widget).await.unwrap()
}

async fn count(api: &Api<DynamicObject>, name: &str, count: u8) -> DynamicObject {
    let patch = Patch::Merge(json!({"spec": {"count": count}}));
    api.patch(name, &PatchParams::default(), &patch).await.unwrap()
}

type Watched = watcher::Result<watcher::Event<DynamicObject>>;

fn watch(connection: &Connection, config: watcher::Config) -> impl Stream<Item = Watched> + Unpin {
    Box::pin(watcher(widgets(connection), config))
}

fn brief(event: Watched) -> String {
    match event {
        Ok(watcher::Event::Init) => "init".to_owned(),
        Ok(watcher::Event::InitApply(object)) => format!("found {}", object.name_any()),
        Ok(watcher::Event::InitDone) => "ready".to_owned(),
        Ok(watcher::Event::Apply(object)) => format!("applied {}", object.name_any()),
        Ok(watcher::Event::Delete(object)) => format!("deleted {}", object.name_any()),
        Err(watcher::Error::WatchError(status)) => format!("error {}", status.code),
        Err(error) => format!("failed {error}"),
    }
}

/// What the stream says within a second.
async fn said(stream: &mut (impl Stream<Item = Watched> + Unpin)) -> Vec<String> {
    stream
        .take_until(sleep(Duration::from_secs(1)))
        .map(brief)
        .collect()
        .await
}

#[tokio::test(start_paused = true)]
async fn a_dropped_watch_resumes_where_it_was() {
    let server = MemoryApiServer::new(options(1));
    let (writer, reader) = (server.connect("writer"), server.connect("reader"));
    let api = widgets(&writer);
    create(&api, "a").await;
    let mut stream = watch(&reader, watcher::Config::default());
    assert_eq!(said(&mut stream).await, ["init", "found a", "ready"]);
    for drop_watches in [&(|| server.drop_watches()) as &dyn Fn(), &|| reader.drop_watches()] {
        drop_watches();
        create(&api, "b").await;
        api.delete("b", &DeleteParams::default()).await.unwrap();
        assert_eq!(said(&mut stream).await, ["applied b", "deleted b"]);
    }
    writer.drop_watches();
    create(&api, "c").await;
    assert_eq!(said(&mut stream).await, ["applied c"], "another's watches go on");
}

#[tokio::test(start_paused = true)]
async fn an_expired_watch_begins_again() {
    let server = MemoryApiServer::new(options(1));
    let connection = server.connect("one");
    let api = widgets(&connection);
    create(&api, "a").await;
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let mut stream = watch(&connection, config);
        assert_eq!(said(&mut stream).await, ["init", "found a", "ready"]);
        server.drop_watches();
        create(&api, "b").await;
        api.delete("a", &DeleteParams::default()).await.unwrap();
        server.expire_watches();
        assert_eq!(said(&mut stream).await, ["error 410", "init", "found b", "ready"]);
        server.expire_watches();
        assert_eq!(said(&mut stream).await, ["error 410", "init", "found b", "ready"]);
        create(&api, "a").await;
        api.delete("b", &DeleteParams::default()).await.unwrap();
        assert_eq!(said(&mut stream).await, ["applied a", "deleted b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn compacted_revisions_are_gone() {
    let server = MemoryApiServer::new(options(1));
    let api = widgets(&server.connect("one"));
    let first = create(&api, "a").await;
    create(&api, "b").await;
    let page = api.list(&ListParams::default().limit(1)).await.unwrap();
    let next = ListParams::default()
        .limit(1)
        .continue_token(&page.metadata.continue_.unwrap());
    let exact = ListParams::default()
        .at(&first.resource_version().unwrap())
        .matching(kube::api::VersionMatch::Exact);
    assert_eq!(api.list(&exact).await.unwrap().items.len(), 1);
    count(&api, "a", 1).await;
    server.expire_watches();
    for params in [next, exact] {
        let error = api.list(&params).await.unwrap_err();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == 410),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn delayed_caches_are_stale_and_catch_up() {
    let server = MemoryApiServer::new(options(1));
    let (fresh, late) = (server.connect("fresh"), server.connect("late"));
    let api = widgets(&fresh);
    let mut stream = watch(&late, watcher::Config::default());
    assert_eq!(said(&mut stream).await, ["init", "ready"]);
    late.set_watch_delay(Duration::from_secs(5));
    let start = Instant::now();
    create(&api, "a").await;
    let any = ListParams::default().match_any();
    assert_eq!(
        widgets(&late).list(&any).await.unwrap().items.len(),
        0,
        "a read from the cache is stale"
    );
    assert_eq!(
        widgets(&late).list(&ListParams::default()).await.unwrap().items.len(),
        1,
        "a quorum read is not"
    );
    assert_eq!(widgets(&fresh).list(&any).await.unwrap().items.len(), 1);
    assert_eq!(stream.next().map(|event| brief(event.unwrap())).await, "applied a");
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(widgets(&late).list(&any).await.unwrap().items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn held_caches_stand_still() {
    let server = MemoryApiServer::new(options(1));
    let connection = server.connect("one");
    let api = widgets(&connection);
    create(&api, "a").await;
    let mut stream = watch(&connection, watcher::Config::default());
    assert_eq!(said(&mut stream).await, ["init", "found a", "ready"]);
    connection.hold_watches();
    create(&api, "b").await;
    sleep(Duration::from_secs(1000)).await;
    assert!(said(&mut stream).await.is_empty());
    let mut streaming = watch(&connection, watcher::Config::default().streaming_lists());
    assert_eq!(said(&mut streaming).await, ["init", "found a", "ready"]);
    connection.release_watches();
    assert_eq!(said(&mut stream).await, ["applied b"]);
    assert_eq!(said(&mut streaming).await, ["applied b"]);
}

#[tokio::test(start_paused = true)]
async fn history_and_observers_hear_of_each_write() {
    let server = MemoryApiServer::new(options(1));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (record, reading) = (heard.clone(), server.clone());
    server.subscribe(move |write| {
        // An observer may read the server.
        assert_eq!(reading.objects("Widget").len(), usize::from(write.after.is_some()));
        record.lock().unwrap().push(write.revision);
    });
    let api = widgets(&server.connect("controller"));
    create(&api, "a").await;
    let status = Patch::Merge(json!({"status": {"phase": "Done"}}));
    for _ in 0..2 {
        api.patch_status("a", &PatchParams::default(), &status).await.unwrap();
    }
    api.create(
        &PostParams::default(),
        &DynamicObject::new("a", &resource()).data(json!({})),
    )
    .await
    .unwrap_err();
    api.delete("a", &DeleteParams::default()).await.unwrap();

    let history = server.history(0);
    let told: Vec<_> = history
        .iter()
        .map(|write| {
            (
                write.verb,
                write.subresource,
                write.before.is_some(),
                write.after.is_some(),
                write.is_noop(),
            )
        })
        .collect();
    let status = Some(Subresource::Status);
    let expected = [
        (Verb::Create, None, false, true, false),
        (Verb::Patch, status, true, true, false),
        (Verb::Patch, status, true, true, true),
        (Verb::Delete, None, true, false, false),
    ];
    assert_eq!(told, expected);
    assert!(
        history
            .iter()
            .all(|write| &*write.actor == "controller" && write.kind == "Widget" && write.name == "a")
    );
    assert_eq!(history[1].after.as_ref().unwrap()["status"]["phase"], "Done");
    assert_eq!(history[3].before.as_ref().unwrap()["status"]["phase"], "Done");
    assert_eq!(
        *heard.lock().unwrap(),
        history.iter().map(|write| write.revision).collect::<Vec<_>>()
    );
    assert_eq!(server.history(3).len(), 1);
    assert_eq!(history[3].revision, server.revision());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_names() {
    async fn run(seed: u64) -> (String, String) {
        let api = widgets(&MemoryApiServer::new(options(seed)).connect("one"));
        let mut widget = DynamicObject::new("", &resource()).data(json!({"spec": {"size": "small"}}));
        widget.metadata.name = None;
        widget.metadata.generate_name = Some("run-".to_owned());
        let created = api.create(&PostParams::default(), &widget).await.unwrap();
        (created.name_any(), created.uid().unwrap())
    }
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    let other = run(2).await;
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[tokio::test(start_paused = true)]
async fn garbage_waits_to_be_collected() {
    let server = MemoryApiServer::new(options(1));
    let api = widgets(&server.connect("one"));
    let owner = create(&api, "owner").await;
    let mut child = DynamicObject::new("child", &resource()).data(json!({"spec": {"size": "small"}}));
    child.metadata.owner_references = Some(vec![
        serde_json::from_value(json!({
            "apiVersion": "conformance.example.dev/v1", "kind": "Widget", "name": "owner", "uid": owner.uid(),
        }))
        .unwrap(),
    ]);
    api.create(&PostParams::default(), &child).await.unwrap();
    api.delete("owner", &DeleteParams::default()).await.unwrap();
    assert_eq!(server.objects("Widget").len(), 1);
    server.collect_garbage();
    assert!(server.objects("Widget").is_empty());
    assert_eq!(&*server.history(0).last().unwrap().actor, "garbage-collector");
}
