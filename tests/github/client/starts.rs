//! What a start is taken to have done.

use std::time::Duration;

use agent_automation::github::{StartOutcome, StartRequest, TransportError};
use serde_json::{Value, json};

use super::scripted::{Answer, Scripted, answer, repo, token};

const REQUEST: StartRequest<'_> = StartRequest {
    prompt: "Fix it\n",
    model: None,
    custom_agent: None,
    create_pull_request: false,
    base_ref: None,
    head_ref: None,
};
type Headers = &'static [(&'static str, &'static str)];

const TIMEOUT: Duration = Duration::from_secs(12);

async fn outcome(answer: Answer) -> StartOutcome {
    let transport = Scripted::new([answer]);
    let outcome = transport.client().start_task(&token(), &repo(), REQUEST, TIMEOUT).await;
    assert_eq!(transport.requests().len(), 1);
    outcome
}

fn summary(outcome: &StartOutcome) -> String {
    match outcome {
        StartOutcome::Created(task) => format!("created {} {}", task.id, task.state),
        StartOutcome::Refused(refusal) => format!("refused {} {}", refusal.status, refusal.kind.category()),
        StartOutcome::NeverSent { .. } => "never sent".to_owned(),
        StartOutcome::Unknown { .. } => "unknown".to_owned(),
    }
}

#[tokio::test]
async fn only_a_proof_is_believed() {
    let task = r#"{"id":"t-1","state":"queued","created_at":"2026-01-01T00:00:00Z"}"#;
    let table: [(u16, Headers, &str, &str); 32] = [
        (201, &[], task, "created t-1 queued"),
        (200, &[], task, "created t-1 queued"),
        (202, &[], r#"{"id":17,"state":"paused"}"#, "created 17 paused"),
        (201, &[], r#"{"id":"t-1"}"#, "created t-1 unknown"),
        (
            201,
            &[],
            r#"{"id":"t-1","state":null,"artifacts":null,"created_at":"?"}"#,
            "created t-1 unknown",
        ),
        (201, &[], r#"{"state":"queued"}"#, "unknown"),
        (201, &[], r#"{"id":null}"#, "unknown"),
        (201, &[], r#"{"id":"t-1""#, "unknown"),
        (201, &[], "", "unknown"),
        (201, &[], "<html>", "unknown"),
        (204, &[], "", "unknown"),
        (400, &[], "{}", "refused 400 bad_request"),
        (401, &[], "{}", "refused 401 bad_credentials"),
        (403, &[], "{}", "refused 403 permission_missing"),
        (
            403,
            &[("x-github-sso", "required; url=x")],
            "{}",
            "refused 403 single_sign_on",
        ),
        (403, &[("retry-after", "60")], "{}", "refused 403 rate_limited"),
        (404, &[], "{}", "refused 404 not_found"),
        (422, &[], "{}", "refused 422 invalid"),
        (429, &[], "{}", "refused 429 rate_limited"),
        (
            301,
            &[("location", "https://api.github.com/repositories/1")],
            "",
            "refused 301 moved",
        ),
        (307, &[], "", "refused 307 moved"),
        (304, &[], "", "unknown"),
        (405, &[], "{}", "unknown"),
        (408, &[], "{}", "unknown"),
        (409, &[], "{}", "unknown"),
        (410, &[], "{}", "unknown"),
        (500, &[], r#"{"message":"Server Error"}"#, "unknown"),
        (500, &[], task, "unknown"),
        (502, &[], "<html>", "unknown"),
        (
            503,
            &[("retry-after", "1")],
            r#"{"message":"secondary rate limit"}"#,
            "unknown",
        ),
        (504, &[], "", "unknown"),
        (599, &[], "", "unknown"),
    ];
    for (status, headers, body, expected) in table {
        let outcome = outcome(Ok(answer(status, headers, body))).await;
        assert_eq!(summary(&outcome), expected, "{status} {headers:?} {body}");
    }
}

#[tokio::test]
async fn what_the_transport_says_is_passed_on() {
    let table = [
        (
            TransportError::NeverSent("refused".to_owned()),
            StartOutcome::NeverSent {
                reason: "refused".to_owned(),
            },
        ),
        (
            TransportError::Lost("reset".to_owned()),
            StartOutcome::Unknown {
                reason: "reset".to_owned(),
            },
        ),
    ];
    for (error, expected) in table {
        assert_eq!(outcome(Err(error)).await, expected);
    }
}

#[tokio::test]
async fn no_outcome_holds_the_token() {
    let echo = r#"{"message":"who is ghp_secret?","id":["ghp_secret"],"ghp_secret":1}"#;
    let location = [("location", "https://api.github.com/ghp_secret")];
    for status in [200, 201, 301, 400, 401, 403, 404, 422, 429, 500, 503] {
        let outcome = outcome(Ok(answer(status, &location, echo))).await;
        assert!(!format!("{outcome:?}").contains("ghp_secret"), "{outcome:?}");
    }
    let echo = r#""ghp_secret""#;
    let outcome = outcome(Ok(answer(201, &[], echo))).await;
    assert!(!format!("{outcome:?}").contains("ghp_secret"), "{outcome:?}");
}

#[tokio::test]
async fn the_request_says_what_is_wanted() {
    let full = StartRequest {
        model: Some("gpt-5.4"),
        custom_agent: Some("reviewer"),
        create_pull_request: true,
        base_ref: Some("main"),
        head_ref: Some("copilot/fix-1"),
        ..REQUEST
    };
    let table = [
        (REQUEST, json!({"prompt": "Fix it\n", "create_pull_request": false})),
        (
            full,
            json!({
                "prompt": "Fix it\n", "model": "gpt-5.4", "custom_agent": "reviewer", "create_pull_request": true,
                "base_ref": "main", "head_ref": "copilot/fix-1",
            }),
        ),
    ];
    for (request, expected) in table {
        let transport = Scripted::new([Ok(answer(500, &[], ""))]);
        transport.client().start_task(&token(), &repo(), request, TIMEOUT).await;
        let (sent, timeout) = transport.requests().remove(0);
        assert_eq!(sent.method(), "POST");
        assert_eq!(sent.uri(), "https://api.github.com/agents/repos/acme/api/tasks");
        assert_eq!(sent.headers()["content-type"], "application/json");
        assert_eq!(serde_json::from_slice::<Value>(sent.body()).unwrap(), expected);
        assert_eq!(timeout, TIMEOUT);
    }
}
