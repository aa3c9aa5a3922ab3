//! What a case has in hand: a client, a namespace, and requests as they go over the wire.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::widget_crd;

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const GROUP: &str = "/apis/conformance.example.dev/v1";

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing must happen before nothing is believed to happen.
const QUIET: Duration = Duration::from_millis(300);

/// A case's place on a server.
#[derive(Clone)]
pub struct Context {
    pub client: Client,
    pub namespace: String,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub code: u16,
    pub body: Value,
}

/// An open watch.
pub(super) struct Lines {
    body: Body,
    buffer: Vec<u8>,
}

impl Context {
    pub(super) async fn create(client: &Client, namespace: &str) -> Self {
        let context = Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
        };
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        context.post("/api/v1/namespaces", &body).await.expect_code(201);
        context
    }

    pub(super) fn widgets(&self) -> String {
        format!("{GROUP}/namespaces/{}/widgets", self.namespace)
    }

    pub(super) fn widget(&self, name: &str) -> String {
        format!("{}/{name}", self.widgets())
    }

    /// A path of a namespaced built-in kind.
    pub(super) fn path(&self, group_version: &str, plural: &str) -> String {
        format!("{group_version}/namespaces/{}/{plural}", self.namespace)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", String::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, "application/json", body.to_string())
            .await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, "application/json", body.to_string()).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, "application/merge-patch+json", body.to_string())
            .await
    }

    pub(super) async fn delete(&self, path: &str, options: &Value) -> Answer {
        self.send(Method::DELETE, path, "application/json", options.to_string())
            .await
    }

    pub(super) async fn send(&self, method: Method, path: &str, content_type: &str, body: String) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = match content_type {
            "" => request,
            content_type => request.header("content-type", content_type),
        };
        let request = request.body(Body::from(body.into_bytes())).unwrap();
        let response = timeout(PATIENCE, self.client.send(request))
            .await
            .expect("no answer")
            .unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let mut body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        strip(&mut body);
        Answer { code, body }
    }

    /// Creates a widget and gives it as stored.
    pub(super) async fn new_widget(&self, name: &str, spec: Value) -> Value {
        let body = widget(name, spec);
        self.post(&self.widgets(), &body).await.expect_code(201)
    }

    /// The widget as stored.
    pub(super) async fn stored(&self, name: &str) -> Value {
        self.get(&self.widget(name)).await.expect_code(200)
    }

    /// Merges a patch into a widget and gives the answer.
    pub(super) async fn patched(&self, name: &str, patch: Value) -> Value {
        self.patch(&self.widget(name), &patch).await.expect_code(200)
    }

    /// A watch of this namespace's widgets.
    pub(super) async fn watch(&self, query: &str) -> Lines {
        self.watch_path(&self.widgets(), query).await
    }

    pub(super) async fn watch_path(&self, path: &str, query: &str) -> Lines {
        let request = Request::get(format!("{path}?watch=true&{query}"))
            .body(Body::empty())
            .unwrap();
        let response = timeout(PATIENCE, self.client.send(request))
            .await
            .expect("no answer")
            .unwrap();
        assert_eq!(response.status(), 200, "watch {path}?{query}");
        Lines {
            body: response.into_body(),
            buffer: Vec::new(),
        }
    }
}

impl Answer {
    #[track_caller]
    pub fn expect_code(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.body);
        self.body
    }

    /// A `Status` of this code and reason.
    #[track_caller]
    pub fn expect_refusal(self, code: u16, reason: &str) -> Value {
        let expected = (u64::from(code), reason, "Status", "Failure");
        let body = &self.body;
        let text = |field: &str| body[field].as_str().unwrap_or_default();
        let actual = (
            body["code"].as_u64().unwrap_or_default(),
            text("reason"),
            text("kind"),
            text("status"),
        );
        assert_eq!(actual, expected, "{body}");
        self.expect_code(code)
    }
}

impl Lines {
    /// The next event, or `None` when the server has closed the watch.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let mut event: Value = serde_json::from_slice(&line).unwrap();
                strip(&mut event["object"]);
                return Some(event);
            }
            let frame = timeout(PATIENCE, self.body.frame())
                .await
                .expect("the watch says nothing")?;
            self.buffer
                .extend_from_slice(&frame.unwrap().into_data().unwrap_or_default());
        }
    }

    /// Type, name and `spec.count` of the next event.
    pub async fn next_brief(&mut self) -> (String, String, i64) {
        let event = self.next().await.expect("the watch has ended");
        let object = &event["object"];
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let count = object["spec"]["count"].as_i64().unwrap_or_default();
        (event["type"].as_str().unwrap().to_owned(), name.to_owned(), count)
    }

    pub async fn expect_silence(&mut self) {
        let said = timeout(QUIET, self.next()).await;
        assert!(said.is_err(), "{said:?}");
    }
}

/// Makes sure that widgets are served.
pub(super) async fn install_widgets(client: &Client) {
    let context = Context {
        client: client.clone(),
        namespace: String::new(),
    };
    let crd = serde_json::to_value(widget_crd()).unwrap();
    let answer = context.post(CRDS, &crd).await;
    assert!(matches!(answer.code, 201 | 409), "{answer:?}");
    let served = async {
        while context.get(&format!("{GROUP}/widgets")).await.code != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, served).await.expect("the kind is not served");
}

pub(super) fn widget(name: &str, spec: Value) -> Value {
    let mut widget = json!({"apiVersion": "conformance.example.dev/v1", "kind": "Widget", "metadata": {"name": name}});
    widget["spec"] = spec;
    widget
}

pub(super) fn small() -> Value {
    json!({"size": "small"})
}

/// The revision of an object, list or bookmark.
#[track_caller]
pub(super) fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// Field management belongs to server-side apply, which the memory server does not do.
fn strip(object: &mut Value) {
    let items = object.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        strip(item);
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}
