//! GitHub's own examples of webhooks, as they are and spoilt: each is answered, and what is caused is what GitHub describes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use agent_automation::webhook::{Cluster, Limits};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::{ApiServer, PATH, SECRET, Stage, sign};

/// When the examples' automation was made, and when they are told of: what they tell of lies between.
const MADE: &str = "2012-01-01T00:00:00Z";
const TOLD: &str = "2026-01-01T00:00:00Z";
const SEED: u64 = 7;

/// Fields that decide something, by whom they are spoilt.
const DECISIVE: &[&str] = &[
    "/action",
    "/repository",
    "/repository/full_name",
    "/sender",
    "/sender/login",
    "/issue",
    "/pull_request",
];

/// Name and payload of all of them.
fn examples() -> &'static [(String, Value)] {
    static EXAMPLES: OnceLock<Vec<(String, Value)>> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webhook-examples/fetch");
        let output = Command::new(fetch).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read(String::from_utf8_lossy(&output.stdout).trim()).unwrap();
        let events: Vec<Value> = serde_json::from_slice(&text).unwrap();
        let examples = events.iter().flat_map(|event| {
            let name = event["name"].as_str().unwrap();
            let payloads = event["examples"].as_array().unwrap();
            payloads.iter().map(|payload| (name.to_owned(), payload.clone()))
        });
        examples.collect()
    })
}

/// A receiver, an automation that everything fires, and a connection.
struct Desk {
    _stage: Stage<Cluster>,
    http: reqwest::Client,
    url: String,
}

impl Desk {
    async fn new() -> Self {
        let api = ApiServer::at(MADE);
        api.put_secret("hook", "secret", SECRET).await;
        api.put_source("acme", &["**"], &["hook"]).await;
        let anyone = json!({"associations": ["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIMER",
                                             "FIRST_TIME_CONTRIBUTOR", "MANNEQUIN", "NONE"]});
        let age = "99999d";
        let spec = json!({
            "repository": "Codertocat/Hello-World",
            "branches": {"base": "main", "allow": ["main"]},
            "triggers": [
                {"name": "issue", "issue": {"actions": ["opened", "labeled", "assigned", "reopened"], "authors": anyone,
                                            "maxEventAge": age}},
                {"name": "pull", "pullRequest": {"actions": ["opened", "synchronize", "ready_for_review", "labeled",
                                                             "review_submitted"], "authors": anyone, "maxEventAge": age}},
            ],
            "prompt": {"goal": "g", "acceptanceCriteria": ["a"]},
            "credentials": {"secretRef": {"name": "token"}},
            "concurrency": {"maxActive": 1},
        });
        api.create("AgentAutomation", "all", json!({"spec": spec})).await;
        let told = TOLD.parse().unwrap();
        let cluster = Arc::new(Cluster::new(api.client.clone(), Arc::new(move || told)));
        let mut stage = Stage::start(api, Limits::default(), cluster.clone()).await;
        stage.tasks.push(tokio::spawn(async move { cluster.follow().await }));
        stage.is_ready().await;
        Self {
            url: format!("http://{}{PATH}", stage.address),
            _stage: stage,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn deliver(&self, event: &str, body: Vec<u8>) -> (u16, Value) {
        let request = self.http.post(&self.url).header("Content-Type", "application/json");
        let request = request
            .header("X-GitHub-Event", event)
            .header("X-Hub-Signature-256", sign(SECRET, &body));
        let reply = request.body(body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }
}

#[tokio::test]
async fn each_is_answered_with_what_it_causes() {
    let desk = Desk::new().await;
    let mut caused: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (event, payload) in examples() {
        let (status, said) = desk.deliver(event, payload.to_string().into_bytes()).await;
        let action = payload["action"].as_str().unwrap_or_default();
        let expected = if event == "ping" { 200 } else { 202 };
        assert_eq!(status, expected, "{event} {action}: {said}");
        if let Some(tasks) = said["tasks"].as_array() {
            assert_eq!(tasks.len(), 1, "{event} {action}: {said}");
            *caused.entry((event, action)).or_default() += 1;
        } else if event != "ping" {
            let reason = said["reason"].as_str().unwrap();
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }
    let expected = BTreeMap::from([
        (("issues", "assigned"), 3),
        (("issues", "labeled"), 2),
        (("issues", "opened"), 4),
        (("issues", "reopened"), 1),
        (("pull_request", "labeled"), 2),
        (("pull_request", "opened"), 4),
        (("pull_request", "ready_for_review"), 3),
        (("pull_request", "synchronize"), 1),
        (("pull_request_review", "submitted"), 3),
    ]);
    assert_eq!((examples().len(), caused), (329, expected), "{reasons:#?}");
}

#[tokio::test]
async fn each_is_answered_when_it_is_spoilt() {
    let desk = Desk::new().await;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut answered: BTreeMap<u16, usize> = BTreeMap::new();
    for (event, payload) in examples() {
        let whole = payload.to_string();
        let cuts = (0..3).map(|_| whole.as_bytes()[..random.random_range(1..whole.len())].to_vec());
        let spoilt: Vec<_> = cuts.collect();
        for body in spoilt.into_iter().chain(variants(payload, &mut random)) {
            let (status, said) = desk.deliver(event, body.clone()).await;
            let is_answer = matches!(status, 202 | 400) || event == "ping" && status == 200;
            assert!(
                is_answer,
                "{event}: {status} {said} for {}",
                String::from_utf8_lossy(&body)
            );
            *answered.entry(status).or_default() += 1;
        }
    }
    let count: usize = answered.values().sum();
    assert!(
        answered[&400] > examples().len() && answered[&202] > examples().len(),
        "{answered:?}"
    );
    harness::covered!(
        "covered: {count} spoilt payloads of {} (seed {SEED}): {answered:?}",
        examples().len()
    );
}

/// A payload with one field missing, null, or of another type.
fn variants(payload: &Value, random: &mut StdRng) -> Vec<Vec<u8>> {
    let mut places = Vec::new();
    collect(payload, "", &mut places);
    let some = (0..4).map(|_| places[random.random_range(0..places.len())].clone());
    let decisive = DECISIVE.iter().map(|place| (*place).to_owned());
    let there: Vec<_> = some
        .chain(decisive)
        .filter(|place| payload.pointer(place).is_some())
        .collect();
    let variants = there.iter().flat_map(|place| {
        let others = [json!(null), other(payload.pointer(place).unwrap())];
        let replaced = others.map(|value| {
            let mut spoilt = payload.clone();
            *spoilt.pointer_mut(place).unwrap() = value;
            spoilt
        });
        replaced.into_iter().chain([without(payload, place)])
    });
    variants.map(|variant| variant.to_string().into_bytes()).collect()
}

fn collect(value: &Value, place: &str, places: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        collect(value, &place, places);
        places.push(place);
    }
}

fn without(payload: &Value, place: &str) -> Value {
    let mut spoilt = payload.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    spoilt
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(&name);
    spoilt
}

fn other(value: &Value) -> Value {
    match value {
        Value::Object(_) => json!([[]]),
        Value::Array(_) => json!({"a": 1}),
        Value::String(_) => json!(-1),
        Value::Number(_) => json!("1e999"),
        Value::Bool(_) | Value::Null => json!({}),
    }
}
