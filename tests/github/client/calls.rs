//! Single reads: what is asked, what comes back, and what is told of it.

use std::sync::{Arc, Mutex};

use agent_automation::github::{Client, Error, Exchange, RateSnapshot, RefusalKind, TransportError};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::scripted::{Scripted, answer, repo, token};

pub type Call = fn(Client) -> BoxFuture<'static, Result<String, Error>>;

/// Each read, its target, an answer with nothing but what is required, and what is made of that.
pub const CALLS: [(Call, &str, &str, &str); 9] = [
    (
        |client| async move { client.get_task(&token(), None, "a/b").await.map(|task| task.id) }.boxed(),
        "/agents/tasks/a%2Fb",
        r#"{"id":"t"}"#,
        "t",
    ),
    (
        |client| async move { client.get_task(&token(), Some(&repo()), "t").await.map(|task| task.id) }.boxed(),
        "/agents/repos/acme/api/tasks/t",
        r#"{"id":"t"}"#,
        "t",
    ),
    (
        |client| {
            async move {
                client
                    .get_repository(&token(), &repo())
                    .await
                    .map(|info| info.full_name)
            }
            .boxed()
        },
        "/repos/acme/api",
        r#"{"id":1,"full_name":"acme/api"}"#,
        "acme/api",
    ),
    (
        |client| {
            async move {
                client
                    .get_branch(&token(), &repo(), "release/1")
                    .await
                    .map(|info| info.name)
            }
            .boxed()
        },
        "/repos/acme/api/branches/release%2F1",
        r#"{"name":"release/1"}"#,
        "release/1",
    ),
    (
        |client| async move { client.identify(&token()).await.map(|told| told.user.login) }.boxed(),
        "/user",
        r#"{"id":1,"login":"octocat"}"#,
        "octocat",
    ),
    (
        |client| async move { client.rate_limit(&token()).await.map(|rate| format!("{rate:?}")) }.boxed(),
        "/rate_limit",
        r#"{"resources":{"core":{"limit":5000,"used":1,"remaining":4999,"reset":0}}}"#,
        "RateSnapshot { limit: 5000, remaining: 4999, reset: 1970-01-01T00:00:00Z }",
    ),
    (
        |client| {
            async move {
                client
                    .get_pull(&token(), &repo(), 7, None)
                    .await
                    .map(|pull| pull.value.id.to_string())
            }
            .boxed()
        },
        "/repos/acme/api/pulls/7",
        r#"{"id":42,"number":7}"#,
        "42",
    ),
    (
        |client| {
            async move {
                let list = client.list_pulls(&token(), &repo(), Some("copilot/fix-1")).await?;
                Ok(list.items.iter().map(|pull| pull.number.to_string()).collect())
            }
            .boxed()
        },
        "/repos/acme/api/pulls?state=all&sort=created&direction=desc&per_page=100&head=acme%3Acopilot%2Ffix-1",
        r#"[{"id":42,"number":7}]"#,
        "7",
    ),
    (
        |client| {
            async move {
                let list = client.list_reviews(&token(), &repo(), 7, None).await?.value;
                Ok(list.items.iter().filter_map(|review| review.state.clone()).collect())
            }
            .boxed()
        },
        "/repos/acme/api/pulls/7/reviews?per_page=100",
        r#"[{"id":1,"state":"APPROVED"}]"#,
        "APPROVED",
    ),
];

#[tokio::test]
async fn each_read_is_one_request() {
    for (call, target, body, expected) in CALLS {
        let transport = Scripted::answering([answer(200, &[], body)]);
        assert_eq!(call(transport.client()).await.unwrap(), expected);
        assert_eq!(transport.targets(), [target]);
        let (request, _) = transport.requests().remove(0);
        assert_eq!(request.method(), "GET");
        assert_eq!(request.uri().host(), Some("api.github.com"));
        assert!(request.body().is_empty());
        let headers = [
            ("accept", "application/vnd.github+json"),
            ("authorization", "Bearer ghp_secret"),
            ("x-github-api-version", "2026-03-10"),
            ("user-agent", concat!("agent-automation/", env!("CARGO_PKG_VERSION"))),
        ];
        for (name, value) in headers {
            assert_eq!(request.headers()[name], value);
        }
        assert_eq!(request.headers().len(), headers.len());
    }
}

#[tokio::test]
async fn each_read_fails_in_a_category() {
    let table = [
        (Ok(answer(401, &[], "{}")), "bad_credentials"),
        (Ok(answer(403, &[], "{}")), "permission_missing"),
        (Ok(answer(404, &[], "{}")), "not_found"),
        (Ok(answer(301, &[("location", "/repositories/1")], "{}")), "moved"),
        (Ok(answer(429, &[], "{}")), "rate_limited"),
        (Ok(answer(304, &[], "")), "server"),
        (Ok(answer(410, &[], "")), "gone"),
        (Ok(answer(500, &[], "")), "server"),
        (Ok(answer(200, &[], "")), "undecodable"),
        (Ok(answer(200, &[], r#""ghp_secret""#)), "undecodable"),
        (Ok(answer(200, &[], r#"{"id":["ghp_secret"]}"#)), "undecodable"),
        (Err(TransportError::Lost("reset".to_owned())), "lost"),
        (Err(TransportError::NeverSent("refused".to_owned())), "never_sent"),
    ];
    for (call, target, ..) in CALLS {
        for (scripted, expected) in &table {
            let transport = Scripted::new([scripted.clone()]);
            let error = call(transport.client()).await.unwrap_err();
            assert_eq!(error.category(), *expected, "{target} {scripted:?}");
            assert!(!format!("{error} {error:?}").contains("ghp_secret"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_tells_what_to_do() {
    let transport = Scripted::answering([answer(401, &[], r#"{"message":"Bad credentials"}"#)]);
    let error = transport.client().identify(&token()).await.unwrap_err();
    assert_eq!(
        error.refusal().map(|refusal| &refusal.kind),
        Some(&RefusalKind::BadCredentials)
    );
    assert_eq!(
        error.to_string(),
        "GitHub refused get_user: 401 Bad credentials: put a valid token into the Secret"
    );
}

#[tokio::test(start_paused = true)]
async fn the_observer_hears_of_every_exchange() {
    let rate = [
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", "9"),
        ("x-ratelimit-reset", "0"),
    ];
    let transport = Scripted::new([
        Ok(answer(200, &rate, r#"{"id":1,"login":"octocat"}"#)),
        Ok(answer(403, &rate, "{}")),
        Ok(answer(500, &[], "")),
        Err(TransportError::Lost("reset".to_owned())),
    ]);
    let heard: Arc<Mutex<Vec<Exchange>>> = Arc::default();
    let client = transport.client().observed_by({
        let heard = heard.clone();
        move |exchange| heard.lock().unwrap().push(exchange.clone())
    });
    for _ in 0..4 {
        let _ = client.identify(&token()).await;
    }
    let rate = Some(RateSnapshot {
        limit: 5000,
        remaining: 9,
        reset: "1970-01-01T00:00:00Z".parse().unwrap(),
    });
    let heard: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|heard| (heard.operation, heard.outcome, heard.rate))
        .collect();
    let expected = [
        ("ok", rate),
        ("permission_missing", rate),
        ("server", None),
        ("lost", None),
    ];
    assert_eq!(heard, expected.map(|(outcome, rate)| ("get_user", outcome, rate)));
}
