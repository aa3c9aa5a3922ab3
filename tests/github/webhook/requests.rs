//! Each request has its answer: one line of JSON, with a status that says whose turn it is.

use agent_automation::plan::ObjectKey;
use agent_automation::webhook::{Limits, Outcome};
use serde_json::{Value, json};

use super::{ApiServer, Call, Recorder, Reply, SECRET, Stage, payload, recorded, sign};

fn event() -> Call {
    Call::new("issues", payload().to_string())
}

fn of(payload: &Value) -> Call {
    Call::new("issues", payload.to_string())
}

#[tokio::test]
async fn what_is_answered() {
    let (stage, recorder) = recorded(Limits::default()).await;
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{{\"a\":{nested},\"repository\":{{\"full_name\":\"acme/api\"}}}}");
    let table: Vec<(&str, Call, u16, &str)> = vec![
        ("an event", event(), 202, "{\"reason\":\"nobody asked\"}\n"),
        (
            "a character set",
            event().with("Content-Type", "Application/JSON; charset=utf-8"),
            202,
            "nobody asked",
        ),
        (
            "a query",
            event().path(&format!("{}?x=1", super::PATH)),
            202,
            "nobody asked",
        ),
        (
            "no delivery id",
            event().without("X-GitHub-Delivery"),
            202,
            "nobody asked",
        ),
        (
            "another case of the repository",
            of(&json!({"repository": {"full_name": "ACME/Api"}})),
            202,
            "nobody asked",
        ),
        (
            "a ping",
            Call::new("ping", "{}"),
            200,
            "{\"ok\":true,\"source\":\"payments/acme\"}\n",
        ),
        (
            "a repository of others",
            of(&json!({"repository": {"full_name": "acme2/api"}})),
            202,
            "{\"reason\":\"spec.repositories of the WebhookSource does not name its repository\"}\n",
        ),
        (
            "an organization's event",
            Call::new("organization", "{\"action\": \"renamed\"}"),
            202,
            "{\"reason\":\"it is not about a repository\"}\n",
        ),
        (
            "a repository of another type",
            of(&json!({"repository": {"full_name": ["acme/api"]}})),
            202,
            "it is not about a repository",
        ),
        (
            "a repository that can't be",
            of(&json!({"repository": {"full_name": "acme/../api"}})),
            202,
            "it is not about a repository",
        ),
        (
            "no body",
            Call::new("issues", ""),
            400,
            "{\"error\":\"the body is no JSON\"}\n",
        ),
        ("no JSON", Call::new("issues", "payload={}"), 400, "the body is no JSON"),
        (
            "half of it",
            Call::new("issues", "{\"action\": "),
            400,
            "the body is no JSON",
        ),
        (
            "a list",
            Call::new("issues", "[]"),
            400,
            "{\"error\":\"the body is no JSON object\"}\n",
        ),
        (
            "invalid UTF-8",
            Call::new("issues", b"{\"a\":\"\xff\"}".to_vec()),
            400,
            "the body is no JSON",
        ),
        (
            "too deep",
            Call::new("issues", deep),
            400,
            "the body has too many levels",
        ),
        (
            "the same key twice",
            Call::new("issues", "{\"a\": 1, \"a\": 2}"),
            400,
            "the body has an object with the same key twice",
        ),
        (
            "two values",
            Call::new("issues", "{} {}"),
            400,
            "the body goes on after its JSON object",
        ),
        (
            "no event",
            event().without("X-GitHub-Event"),
            400,
            "X-GitHub-Event is missing",
        ),
        (
            "two events",
            event().and("X-GitHub-Event", "ping"),
            400,
            "X-GitHub-Event is missing or no name",
        ),
        (
            "an event that would be a line of the log",
            event().with("X-GitHub-Event", "issues status=200"),
            400,
            "no name of an event",
        ),
        (
            "a form",
            event().with("Content-Type", "application/x-www-form-urlencoded"),
            415,
            "{\"error\":\"set the webhook's content type to application/json in GitHub's settings\"}\n",
        ),
        ("no content type", event().without("Content-Type"), 415, "content type"),
        (
            "two content types",
            event().and("Content-Type", "application/json"),
            415,
            "content type",
        ),
        (
            "a type that begins alike",
            event().with("Content-Type", "application/jsonp"),
            415,
            "content type",
        ),
        (
            "a look",
            event().method("GET"),
            405,
            "{\"error\":\"webhooks arrive by POST\"}\n",
        ),
        ("a put", event().method("PUT"), 405, "by POST"),
        (
            "the root",
            event().path("/"),
            404,
            "{\"error\":\"webhooks arrive at /webhooks/github/NAMESPACE/NAME\"}\n",
        ),
        ("metrics", event().path("/metrics"), 404, "webhooks arrive at"),
        (
            "no name",
            event().path("/webhooks/github/payments"),
            404,
            "webhooks arrive at",
        ),
        (
            "an empty name",
            event().path("/webhooks/github/payments/"),
            404,
            "webhooks arrive at",
        ),
        (
            "too long a path",
            event().path("/webhooks/github/payments/acme/x"),
            404,
            "webhooks arrive at",
        ),
        (
            "no signature",
            event().without("X-Hub-Signature-256"),
            401,
            "X-Hub-Signature-256",
        ),
    ];
    let heard = table.iter().filter(|(.., said)| said.contains("nobody asked")).count();
    for (what, call, status, said) in table {
        let reply = stage.send(&call).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.body);
        assert!(reply.body.contains(said), "{what}: {}", reply.body);
        is_one_line(&reply, what);
    }
    assert_eq!(recorder.heard(), heard);
}

fn is_one_line(reply: &Reply, what: &str) {
    assert!(reply.json().is_object(), "{what}");
    assert_eq!(reply.body.matches('\n').count(), 1, "{what}: {}", reply.body);
    assert_eq!(reply.headers["content-type"], "application/json", "{what}");
    assert!(!reply.body.contains(SECRET), "{what}");
}

#[tokio::test]
async fn what_the_handler_says() {
    let (stage, recorder) = recorded(Limits::default()).await;
    let tasks = vec![ObjectKey::new("payments", "fix-1"), ObjectKey::new("payments", "fix-2")];
    let table = [
        (
            Outcome::Caused(tasks),
            202,
            "{\"tasks\":[\"payments/fix-1\",\"payments/fix-2\"]}\n",
        ),
        (Outcome::Nothing("a\nb".to_owned()), 202, "{\"reason\":\"a b\"}\n"),
        (
            Outcome::Malformed("no issue".to_owned()),
            400,
            "{\"error\":\"no issue\"}\n",
        ),
        (Outcome::Unavailable("again".to_owned()), 503, "{\"error\":\"again\"}\n"),
    ];
    for (outcome, status, body) in table {
        *recorder.outcome.lock().unwrap() = outcome.clone();
        let reply = stage.send(&event()).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, body), "{outcome:?}");
        assert_eq!(reply.headers.contains_key("retry-after"), status == 503, "{outcome:?}");
    }
    let heard = recorder.deliveries.lock().unwrap();
    let last = heard.last().unwrap();
    assert_eq!(last.source, ObjectKey::new("payments", "acme"));
    assert_eq!((last.event.as_str(), &last.payload), ("issues", &payload()));
    assert_eq!(last.id, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
}

/// What is said of a delivery before its signature is known counts for nothing.
#[tokio::test]
async fn what_is_counted() {
    let (stage, _) = recorded(Limits::default()).await;
    let calls = [
        event(),
        Call::new("star", payload().to_string()),
        Call::new("ping", "{}"),
        event().signature(&sign("another", b"")),
        event().path("/"),
    ];
    for call in calls {
        stage.send(&call).await;
    }
    let metrics = stage.metrics.encode().unwrap();
    for line in [
        "requests_total{event=\"issues\",result=\"nothing\"} 1",
        "requests_total{event=\"other\",result=\"nothing\"} 1",
        "requests_total{event=\"ping\",result=\"ping\"} 1",
        "requests_total{event=\"unverified\",result=\"unauthorized\"} 1",
        "requests_total{event=\"unverified\",result=\"not_found\"} 1",
        "duration_seconds_count 5",
        "in_flight 0",
    ] {
        assert!(
            metrics.contains(&format!("agent_automation_webhook_{line}\n")),
            "{line}\n{metrics}"
        );
    }
}

/// Before its watches have listed everything it can promise nothing.
#[tokio::test]
async fn nothing_is_promised_before_the_cluster_is_known() {
    let api = ApiServer::start();
    api.is_away.store(true, std::sync::atomic::Ordering::SeqCst);
    let stage = Stage::start(api, Limits::default(), std::sync::Arc::new(Recorder::default())).await;
    let reply = stage.send(&event()).await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(reply.headers["retry-after"], "5");
    assert!(reply.body.contains("does not know the cluster yet"), "{}", reply.body);
    assert!(!stage.receiver.is_ready());
}
