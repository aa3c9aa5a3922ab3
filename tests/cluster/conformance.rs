//! The API server in memory against the real one: the suite that the real one decides, and our own kinds side by side.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_automation::api::{automation::AgentAutomation, policy::AgentPolicy, task::AgentTask};
use harness::memory::{Definition, Garbage, MemoryApiServer, Namespaces, Options};
use harness::{conformance, control_plane};
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::{Client, Config, CustomResourceExt};
use serde_json::{Value, json};

async fn real_client() -> Client {
    let control_plane = control_plane::shared().await.unwrap();
    control_plane.deploy().await.unwrap();
    let kubeconfig = Kubeconfig::read_from(control_plane.kubeconfig()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    // Each answer counts, also the ones that kube would ask for again.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn memory_client() -> Client {
    let crds = [AgentAutomation::crd(), AgentPolicy::crd(), AgentTask::crd()];
    let server = MemoryApiServer::new(Options {
        clock: Arc::new(|| Timestamp::UNIX_EPOCH),
        seed: 1,
        definitions: crds.iter().map(|crd| Definition::from_crd(crd).unwrap()).collect(),
        namespaces: Namespaces::Strict,
        garbage: Garbage::Explicit,
    });
    server.connect("test").client()
}

#[tokio::test]
async fn the_real_server_conforms() {
    conformance::run(real_client().await, "conformance").await;
}

/// Every field of each sample is left out, made null and given each other type: both servers must store the same,
/// or refuse it for the same fields. What CEL alone refuses is the real server's own business.
#[tokio::test]
async fn our_kinds_are_shaped_alike() {
    let (real, memory) = (real_client().await, memory_client());
    let mut apart = Vec::new();
    let mut compared = 0;
    for (plural, sample) in samples() {
        assert_eq!(post(&memory, plural, &sample).await, post(&real, plural, &sample).await);
        for (change, variant) in variants(&sample) {
            let (ours, theirs) = (
                post(&memory, plural, &variant).await,
                post(&real, plural, &variant).await,
            );
            let is_cel =
                matches!((&ours, &theirs), (Outcome::Stored(_), Outcome::Refused(faults)) if faults.is_empty());
            compared += 1;
            if ours != theirs && !is_cel {
                apart.push(format!("{plural} with {change}: {ours:?}, really {theirs:?}"));
            }
        }
    }
    assert!(apart.is_empty(), "{} of {compared}:\n{}", apart.len(), apart.join("\n"));
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Stored(Value),
    /// Reason and field of each fault that the schema finds.
    Refused(BTreeSet<(String, String)>),
}

async fn post(client: &Client, plural: &str, object: &Value) -> Outcome {
    let scope = if plural == "agentpolicies" {
        ""
    } else {
        "namespaces/default/"
    };
    let path = format!("/apis/agentautomation.dev/v1alpha1/{scope}{plural}");
    let request = http::Request::post(&path)
        .body(serde_json::to_vec(object).unwrap())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(mut stored) => {
            let name = stored["metadata"]["name"].as_str().unwrap().to_owned();
            let request = http::Request::delete(format!("{path}/{name}"))
                .body(Vec::new())
                .unwrap();
            client.request::<Value>(request).await.unwrap();
            let kept = ["spec", "status", "kind", "apiVersion"];
            stored
                .as_object_mut()
                .unwrap()
                .retain(|field, _| kept.contains(&field.as_str()));
            Outcome::Stored(stored)
        }
        Err(error) => {
            let status = refusal(error);
            assert_eq!(status.code, 422, "{status}");
            let causes = status.details.map(|details| details.causes).unwrap_or_default();
            let by_schema = causes.into_iter().filter(|cause| {
                let is_cel = cause.reason == "FieldValueInvalid" && !cause.message.contains(" in body ");
                !is_cel && cause.field != "<nil>"
            });
            Outcome::Refused(by_schema.map(|cause| (cause.reason, cause.field)).collect())
        }
    }
}

fn refusal(error: kube::Error) -> Box<Status> {
    match error {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
    .unwrap()
}

/// The sample once for each change to each of its fields.
fn variants(sample: &Value) -> Vec<(String, Value)> {
    let others = [
        json!(null),
        json!("~"),
        json!(-1),
        json!(1.5),
        json!(true),
        json!([]),
        json!(["~"]),
        json!({}),
        json!({"unheard": 1}),
    ];
    let mut made = Vec::new();
    for pointer in pointers(&sample["spec"], "/spec") {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let mut without = sample.clone();
        if let Some(map) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            map.remove(field);
            made.push((format!("no {pointer}"), without));
        }
        for other in &others {
            let mut variant = sample.clone();
            *variant.pointer_mut(&pointer).unwrap() = other.clone();
            made.push((format!("{pointer} = {other}"), variant));
        }
    }
    made
}

fn pointers(value: &Value, path: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(field, child)| (format!("{path}/{field}"), child))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, child)| (format!("{path}/{i}"), child))
            .collect(),
        _ => Vec::new(),
    };
    let below = children.iter().flat_map(|(path, child)| pointers(child, path));
    [path.to_owned()].into_iter().chain(below).collect()
}

fn samples() -> [(&'static str, Value); 3] {
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "agentautomation.dev/v1alpha1", "kind": kind,
            "metadata": {"generateName": "sample-"}, "spec": spec,
        })
    };
    let automation = json!({
        "repository": "acme/payments-api",
        "branches": {"base": "main", "allow": ["main", "release/*"]},
        "triggers": [{"name": "weekly", "schedule": {
            "cron": "0 6 * * MON", "timeZone": "Europe/Berlin", "startingDeadlineSeconds": 3600, "missedRuns": "Latest",
        }}],
        "prompt": {
            "goal": "Update the dependencies.", "nonGoals": ["No major upgrades"], "validation": ["cargo test"],
            "pullRequest": "Title: deps",
        },
        "agent": {"model": "", "customAgent": ""},
        "pullRequest": {"create": true},
        "concurrency": {"maxActive": 1},
        "credentials": {"secretRef": {"name": "github-agent-token"}},
        "startPolicy": "AtMostOnce",
        "suspend": false,
    });
    let policy = json!({
        "namespaces": ["payments"], "repositories": ["acme/*"], "baseBranches": ["main"], "triggers": ["Schedule"], "models": ["*"],
            "customAgents": ["*"], "credentials": ["*"], "startPolicies": ["AtMostOnce", "AtLeastOnce"],
        "maxActive": 3, "suspend": false,
    });
    let task = json!({
        "automation": {"name": "weekly", "uid": "u", "generation": 1},
        "trigger": {"name": "weekly", "kind": "Schedule", "scheduledTime": "2026-11-22T06:00:00Z"},
        "repository": "acme/payments-api", "baseBranch": "main", "prompt": "Update.",
        "templateDigest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        // What goes on with a pull request opens none, and carries what its automation wants of those that are opened.
        "agent": {}, "pullRequest": {"create": false, "labels": ["agent"]}, "secretRef": {"name": "github-agent-token"},
        "startPolicy": "AtMostOnce", "policies": [{"name": "default", "generation": 1}],
    });
    [
        ("agentautomations", object("AgentAutomation", automation)),
        ("agentpolicies", object("AgentPolicy", policy)),
        ("agenttasks", object("AgentTask", task)),
    ]
}
