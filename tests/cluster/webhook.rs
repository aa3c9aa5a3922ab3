//! GitHub's webhooks from a TLS connection to a task in a real API server, in the controller and apart from it.

use agent_automation::domain::prompt::hex;
use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::ResourceExt as _;
use kube::api::PostParams;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use crate::deploy::receiver_kubeconfig;
use crate::eventually;
use crate::fleet::{Controller, Fleet, Team};

const CANARY: &str = "canary of a webhook's secret 7Qz4mX0vB9kL";
const OUTSIDE: &str = "canary of somebody outside";

/// Where a process receives, and who sends.
struct Receiver {
    http: reqwest::Client,
    url: String,
}

impl Receiver {
    async fn of(process: &Controller, certificate: &str, team: &Team<'_>) -> Self {
        eventually("it is ready", async || process.is_ready().await).await;
        let address = process.address("receiving webhooks").await;
        let trusted = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build();
        Self {
            http: http.unwrap(),
            url: format!("https://{address}/webhooks/github/{}/acme", team.namespace),
        }
    }

    async fn deliver(&self, secret: &str, event: &str, payload: &Value) -> (u16, Value) {
        let body = payload.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signature = hex(hmac::sign(&key, body.as_bytes()).as_ref());
        let request = self.http.post(&self.url).header("Content-Type", "application/json");
        let request = request
            .header("X-GitHub-Event", event)
            .header("X-Hub-Signature-256", format!("sha256={signature}"));
        let reply = request.body(body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }
}

async fn source(fleet: &Fleet, team: &Team<'_>, spec: &Value) -> Result<(), String> {
    let object = json!({
        "apiVersion": "agentautomation.dev/v1alpha1", "kind": "WebhookSource",
        "metadata": {"name": "acme", "namespace": team.namespace}, "spec": spec,
    });
    let text = object.to_string();
    let output = fleet
        .plane
        .kubectl_with_stdin(&["apply", "-f", "-"], &text)
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// An issue that gets a label shortly, so that it happens after the automation was made.
fn labeled(team: &Team<'_>) -> Value {
    let time = Timestamp::now() + SignedDuration::from_secs(2);
    json!({
        "action": "labeled",
        "label": {"name": "agent"},
        "issue": {
            "number": 42, "title": OUTSIDE, "body": OUTSIDE,
            "html_url": format!("https://github.com/{}/issues/42", team.repository),
            "user": {"login": "alice", "type": "User"}, "author_association": "MEMBER",
            "labels": [{"name": "agent"}], "milestone": null, "created_at": time, "updated_at": time,
        },
        "repository": {"full_name": team.repository},
        "sender": {"login": "bob", "type": "User"},
    })
}

#[tokio::test]
async fn an_event_becomes_one_task_whichever_process_hears_of_it() {
    let fleet = Fleet::start().await;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (
        fleet.plane.folder().join("tls.crt"),
        fleet.plane.folder().join("tls.key"),
    );
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let [certificate, key] = [("cert", &certificate), ("private-key", &key)]
        .map(|(name, path)| format!("--tls-{name}-file={}", path.display()));
    let receiving = ["--webhook-address=127.0.0.1:0", &certificate, &key];
    let controller = fleet.controller_with_log("controller", "trace", &receiving);
    eventually("the controller knows who it is", async || controller.is_ready().await).await;
    // Every program of a fleet reads the same file when it starts: from here on that of the receiver apart.
    let (own, receivers) = (
        fleet.plane.controller_kubeconfig().await.unwrap(),
        receiver_kubeconfig(&fleet.plane).await,
    );
    std::fs::copy(receivers, own).unwrap();
    let mut apart = vec!["webhook", "--metrics-address=127.0.0.1:0", "--log-format=json"];
    apart.extend(receiving);
    let apart = fleet.program("apart", "trace", &apart);

    let team = fleet.team("hooks").await;
    team.put_secret("github-webhook", "secret", CANARY).await;
    let spec = json!({"repositories": ["ACME/*"], "secretRefs": [{"name": "github-webhook"}]});
    source(&fleet, &team, &spec).await.unwrap();
    let triggers = json!([{"name": "label", "issue": {"actions": ["labeled"], "labels": ["agent"]}}]);
    team.automate("fix", "@every 1h", |spec| {
        spec.triggers = serde_json::from_value(triggers).unwrap();
    })
    .await;

    let mut tasks = Vec::new();
    let payload = labeled(&team);
    // The first one makes the task, the other finds it there.
    for process in [&apart, &controller] {
        let receiver = Receiver::of(process, &cert.pem(), &team).await;
        let ping = async || receiver.deliver(CANARY, "ping", &json!({})).await.0;
        eventually("the source is known", async || ping().await == 200).await;
        assert_eq!(receiver.deliver("another", "ping", &json!({})).await.0, 401);
        eventually("the automation is known", async || {
            let (status, said) = receiver.deliver(CANARY, "issues", &payload).await;
            assert_eq!(status, 202, "{said}");
            tasks.extend(said["tasks"].as_array().cloned());
            said["tasks"].is_array()
        })
        .await;
        assert!(
            process
                .metrics()
                .await
                .contains("webhook_requests_total{event=\"issues\",result=\"caused\"} 1")
        );
    }
    let there = fleet.tasks().await;
    let names: Vec<_> = there
        .iter()
        .map(|task| format!("{}/{}", team.namespace, task.name_any()))
        .collect();
    assert_eq!(names.len(), 1);
    assert_eq!(
        tasks,
        [json!(names), json!(names)].map(|names| names.as_array().cloned().unwrap())
    );

    // The process that wrote it finds it there as well.
    let receiver = Receiver::of(&apart, &cert.pem(), &team).await;
    let (status, said) = receiver.deliver(CANARY, "issues", &payload).await;
    assert_eq!((status, &said["tasks"]), (202, &json!(names)));

    let encoded = serde_json::to_value(ByteString(CANARY.into())).unwrap();
    for process in [&controller, &apart] {
        let log = process.log();
        for word in [CANARY, OUTSIDE, encoded.as_str().unwrap()] {
            let line = log.lines().find(|line| line.contains(word));
            assert_eq!(line, None);
        }
        assert!(log.contains("TRACE") && !process.said("webhook").is_empty());
    }
}

#[tokio::test]
async fn kubectl_shows_each_secret_of_a_source() {
    let plane = harness::control_plane::shared().await.unwrap();
    plane.deploy().await.unwrap();
    let namespace = plane.create_namespace("shown").await.unwrap();
    let object = json!({
        "apiVersion": "agentautomation.dev/v1alpha1", "kind": "WebhookSource",
        "metadata": {"name": "acme", "namespace": namespace},
        "spec": {"repositories": ["acme/*"], "secretRefs": [{"name": "old"}, {"name": "new", "key": "hook"}]},
    });
    let applied = plane
        .kubectl_with_stdin(&["apply", "-f", "-"], &object.to_string())
        .await
        .unwrap();
    assert!(applied.status.success(), "{applied:?}");
    let shown = plane
        .kubectl(&["get", "whs", "--namespace", &namespace, "--output", "wide"])
        .await
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let secrets = r#"[{"key":"secret","name":"old"},{"key":"hook","name":"new"}]"#;
    assert!(shown.contains("SECRETS") && shown.contains(secrets), "{shown}");
}

#[tokio::test]
async fn what_a_source_can_not_say() {
    let plane = harness::control_plane::shared().await.unwrap();
    plane.deploy().await.unwrap();
    let namespace = plane.create_namespace("sources").await.unwrap();
    let client = plane.admin_client().await.unwrap();
    let sources: kube::Api<agent_automation::api::WebhookSource> = kube::Api::namespaced(client, &namespace);
    let refused = async |repositories: Value, secrets: Value| {
        let object = json!({
            "apiVersion": "agentautomation.dev/v1alpha1", "kind": "WebhookSource", "metadata": {"name": "acme"},
            "spec": {"repositories": repositories, "secretRefs": secrets},
        });
        let object = serde_json::from_value(object).unwrap();
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        sources
            .create(&params, &object)
            .await
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let secret = |name: &str| json!({"name": name, "key": "secret"});
    let six: Vec<_> = (0..6).map(|number| secret(&number.to_string())).collect();
    let table = [
        (json!(["acme/*", "**"]), json!([secret("a"), secret("b")]), ""),
        (
            json!(["acme/*", "*"]),
            json!([secret("a")]),
            "write each as owner/name, such as acme/*",
        ),
        (
            json!(["acme"]),
            json!([secret("a")]),
            "write each as owner/name, such as acme/*",
        ),
        (json!([]), json!([secret("a")]), "spec.repositories"),
        (json!(["acme/*"]), json!([]), "spec.secretRefs"),
        (json!(["acme/*"]), json!(six), "spec.secretRefs"),
        (json!(["acme/*"]), json!([secret("a"), secret("a")]), "Duplicate value"),
        (json!(["acme/*"]), json!([secret("")]), "spec.secretRefs[0].name"),
    ];
    for (repositories, secrets, told) in table {
        let said = refused(repositories.clone(), secrets.clone()).await;
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{repositories} {secrets}: {said}"
        );
    }
    let explained = plane.kubectl(&["explain", "whs.spec.secretRefs"]).await.unwrap();
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.contains("one of them has to fit"), "{explained}");
}
