//! The receiver of webhooks over real sockets, before the API server in memory.

mod bounds;
mod examples;
mod readiness;
mod requests;
mod secrecy;
mod secrets;
mod signatures;
mod tasks;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use agent_automation::api::definitions;
use agent_automation::controller::metrics::Metrics;
use agent_automation::domain::prompt::hex;
use agent_automation::webhook::metrics::Metrics as Received;
use agent_automation::webhook::serve::serve;
use agent_automation::webhook::{Cluster, Delivery, Handler, Limits, Outcome, Receiver, Sources};
use aws_lc_rs::hmac;
use harness::memory::{Clock, Connection, Definition, Garbage, MemoryApiServer, Namespaces, Options, ResponseBody};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

const SECRET: &str = "It's a Secret to Everybody";
const PATH: &str = "/webhooks/github/payments/acme";

/// A receiver that listens, the cluster before it, and what to reach both with.
struct Stage<H> {
    api: ApiServer,
    address: SocketAddr,
    receiver: Arc<Receiver<H>>,
    metrics: Arc<Metrics>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl<H> Drop for Stage<H> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The API server, which can be away, and counts reads of Secrets.
#[derive(Clone)]
struct ApiServer {
    people: Client,
    client: Client,
    is_away: Arc<AtomicBool>,
    connection: Connection,
    secret_reads: Arc<AtomicUsize>,
    /// Objects that can still be created.
    creates_left: Arc<AtomicUsize>,
}

impl ApiServer {
    fn start() -> Self {
        Self::with(Arc::new(Timestamp::now))
    }

    /// Where it is always the same time.
    fn at(time: &str) -> Self {
        let time = time.parse().unwrap();
        Self::with(Arc::new(move || time))
    }

    fn with(clock: Clock) -> Self {
        let server = MemoryApiServer::new(Options {
            clock,
            seed: 7,
            definitions: definitions()
                .iter()
                .map(|crd| Definition::from_crd(crd).unwrap())
                .collect(),
            namespaces: Namespaces::Lenient,
            garbage: Garbage::Immediate,
        });
        let is_away: Arc<AtomicBool> = Arc::default();
        let secret_reads: Arc<AtomicUsize> = Arc::default();
        let creates_left = Arc::new(AtomicUsize::new(usize::MAX));
        let connection = server.connect("receiver");
        let (service, away) = (connection.service(), is_away.clone());
        let (reads, creates) = (secret_reads.clone(), creates_left.clone());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (service, away) = (service.clone(), away.clone());
            if request.uri().path().contains("/secrets/") {
                reads.fetch_add(1, Ordering::SeqCst);
            }
            let is_create = request.method() == http::Method::POST;
            let one_less = |left: usize| left.checked_sub(1);
            let is_refused = is_create
                && creates
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                    .is_err();
            async move {
                if away.load(Ordering::SeqCst) {
                    return Err(tower::BoxError::from("the API server is away"));
                }
                if is_refused {
                    return Ok(refuse(&request.into_body().collect_bytes().await?));
                }
                service.oneshot(request).await
            }
        });
        Self {
            people: server.connect("people").client(),
            client: Client::new(service, "default"),
            is_away,
            connection,
            secret_reads,
            creates_left,
        }
    }

    async fn create(&self, kind: &str, name: &str, mut object: Value) {
        let (api, resource) = self.api_of(kind);
        object["apiVersion"] = json!(resource.api_version);
        object["kind"] = json!(kind);
        object["metadata"]["name"] = json!(name);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    async fn put_secret(&self, name: &str, key: &str, value: &str) {
        let (api, _) = self.api_of("Secret");
        let value = k8s_openapi::ByteString(value.as_bytes().to_vec());
        if api.get_opt(name).await.unwrap().is_some() {
            let patch = Patch::Merge(json!({"data": {key: value}}));
            api.patch(name, &PatchParams::default(), &patch).await.unwrap();
        } else {
            self.create("Secret", name, json!({"data": {key: value}})).await;
        }
    }

    async fn put_source(&self, name: &str, repositories: &[&str], secrets: &[&str]) {
        let secrets: Vec<_> = secrets
            .iter()
            .map(|name| json!({"name": name, "key": "secret"}))
            .collect();
        let spec = json!({"repositories": repositories, "secretRefs": secrets});
        self.create("WebhookSource", name, json!({"spec": spec})).await;
    }

    async fn names_of(&self, kind: &str) -> Vec<String> {
        let list = self
            .api_of(kind)
            .0
            .list(&kube::api::ListParams::default())
            .await
            .unwrap();
        list.items
            .into_iter()
            .filter_map(|object| object.metadata.name)
            .collect()
    }

    fn api_of(&self, kind: &str) -> (Api<DynamicObject>, ApiResource) {
        let (version, plural) = match kind {
            "Secret" => ("v1", "secrets"),
            "AgentAutomation" => ("agentautomation.dev/v1alpha1", "agentautomations"),
            "AgentTask" => ("agentautomation.dev/v1alpha1", "agenttasks"),
            _ => ("agentautomation.dev/v1alpha1", "webhooksources"),
        };
        let (group, short) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource {
            group: group.to_owned(),
            version: short.to_owned(),
            api_version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        (
            Api::namespaced_with(self.people.clone(), "payments", &resource),
            resource,
        )
    }
}

/// A refusal that quotes what it refuses, as the API server's do.
fn refuse(body: &[u8]) -> http::Response<ResponseBody> {
    let message = format!("this is invalid: {}", String::from_utf8_lossy(body));
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Invalid", "code": 422,
    });
    let body = Full::from(status.to_string()).map_err(|never| match never {});
    let mut response = http::Response::new(body.boxed_unsync());
    *response.status_mut() = http::StatusCode::UNPROCESSABLE_ENTITY;
    response
}

/// Writes down what reaches it, and answers as it is told, once it may.
struct Recorder {
    deliveries: Mutex<Vec<Delivery>>,
    outcome: Mutex<Outcome>,
    may_answer: watch::Sender<bool>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            deliveries: Mutex::default(),
            outcome: Mutex::new(Outcome::Nothing("nobody asked".to_owned())),
            may_answer: watch::Sender::new(true),
        }
    }
}

impl Recorder {
    fn heard(&self) -> usize {
        self.deliveries.lock().unwrap().len()
    }
}

impl Handler for Recorder {
    fn is_ready(&self) -> bool {
        true
    }

    async fn handle(&self, delivery: Delivery) -> Outcome {
        self.deliveries.lock().unwrap().push(delivery);
        let mut may_answer = self.may_answer.subscribe();
        may_answer.wait_for(|may| *may).await.unwrap();
        self.outcome.lock().unwrap().clone()
    }
}

/// A receiver with one source, whose handler only writes down.
async fn recorded(limits: Limits) -> (Stage<Recorder>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (plain(limits, recorder.clone()).await, recorder)
}

/// A receiver with one source in a namespace.
async fn plain<H: Handler>(limits: Limits, handler: Arc<H>) -> Stage<H> {
    let api = ApiServer::start();
    api.put_secret("hook", "secret", SECRET).await;
    api.put_source("acme", &["acme/*", "Codertocat/**"], &["hook"]).await;
    let stage = Stage::start(api, limits, handler).await;
    stage.is_ready().await;
    stage
}

/// A receiver that does what events ask for.
async fn whole() -> Stage<Cluster> {
    let api = ApiServer::start();
    api.put_secret("hook", "secret", SECRET).await;
    api.put_source("acme", &["acme/*", "Codertocat/*"], &["hook"]).await;
    let cluster = Arc::new(Cluster::new(api.client.clone(), Arc::new(Timestamp::now)));
    let mut stage = Stage::start(api, Limits::default(), cluster.clone()).await;
    stage.tasks.push(tokio::spawn(async move { cluster.follow().await }));
    stage.is_ready().await;
    stage
}

impl<H: Handler> Stage<H> {
    async fn start(api: ApiServer, limits: Limits, handler: Arc<H>) -> Self {
        let mut metrics = Metrics::default();
        let counts = Received::new(metrics.registry());
        let sources = Arc::new(Sources::new(api.client.clone()).unwrap());
        let receiver = Arc::new(Receiver::new(sources.clone(), handler, limits, counts));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(async move { sources.follow().await }),
            tokio::spawn(serve(listener, None, receiver.clone(), shutdown)),
        ];
        Self {
            api,
            address,
            receiver,
            metrics: Arc::new(metrics),
            stop,
            tasks,
        }
    }

    async fn is_ready(&self) {
        until(|| self.receiver.is_ready()).await;
    }

    async fn send(&self, call: &Call) -> Reply {
        call.send(self.address).await
    }
}

/// Waits for a condition.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// A request, spelled out.
#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    /// As GitHub sends it.
    fn new(event: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let headers = [
            ("Host", "hooks.example.com"),
            ("Connection", "close"),
            ("Content-Type", "application/json"),
            ("X-GitHub-Event", event),
            ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("X-Hub-Signature-256", &sign(SECRET, &body)),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            method: "POST",
            path: PATH.to_owned(),
            headers: headers.to_vec(),
            body,
        }
    }

    fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    fn signature(self, value: &str) -> Self {
        self.with("X-Hub-Signature-256", value)
    }

    fn head(&self) -> String {
        let first = format!("{} {} HTTP/1.1", self.method, self.path);
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        let lines: Vec<_> = [first].into_iter().chain(headers).collect();
        lines.join("\r\n") + "\r\n"
    }

    async fn send(&self, address: SocketAddr) -> Reply {
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head(), self.body.len());
        exchange(address, &[head.as_bytes(), &self.body].concat()).await
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }
}

/// Sends these bytes and reads until the connection is closed. Who refuses a body may stop reading it.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    answer(&mut stream).await
}

async fn answer(stream: &mut TcpStream) -> Reply {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    Reply::parse(&String::from_utf8_lossy(&text))
}

fn sign(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex(hmac_of(hmac::HMAC_SHA256, secret, body).as_ref()))
}

fn hmac_of(algorithm: hmac::Algorithm, secret: &str, body: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), body)
}

/// The least that an event of a repository holds.
fn payload() -> Value {
    json!({"action": "opened", "repository": {"full_name": "acme/api"}})
}
