//! The simulator over HTTP: GitHub's API on one port, the control API on another, both on loopback.
//!
//! GitHub's side is served with hyper itself, because a framework always answers: here a connection must be closable
//! without an answer, and in the middle of one.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State as Extract,
    http::StatusCode,
    routing::{get, post},
};
use futures::stream::{self, StreamExt};
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Answer, Command, DeliveryRecord, IssueRecord, PullRecord, RequestRecord, Simulator, TaskRecord};

/// Requests with larger bodies are cut off, in bytes.
const LARGEST_BODY: usize = 10 << 20;

/// Why the simulator cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    #[error(
        "{0} is not a loopback address: the simulator knows no secrets worth the name; listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
}

/// Listens on a loopback address; port 0 picks a free one.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Bind { address, source })
}

/// Serves GitHub's API until dropped, which closes every connection.
pub async fn serve(simulator: Simulator, listener: TcpListener) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(simulator.clone(), stream));
                }
                // Out of file descriptors: some connection has to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(simulator: Simulator, stream: TcpStream) {
    let service = service_fn(|request| answer(simulator.clone(), request));
    // An error is a connection that was closed, by us on purpose or by the client.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An error makes hyper close the connection without an answer.
async fn answer(simulator: Simulator, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    match simulator.handle(Request::from_parts(head, body)).await {
        Answer::Response(response) => {
            Ok(response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))
        }
        Answer::Truncated(response, length) => Ok(truncated(response, length)),
        Answer::Reset => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

fn truncated(mut response: Response<Bytes>, length: usize) -> Response<Body> {
    let declared = HeaderValue::from(response.body().len());
    response.headers_mut().insert(header::CONTENT_LENGTH, declared);
    response.map(|body| {
        let sent = stream::iter([Ok(Frame::data(body.slice(..length.min(body.len()))))]);
        let cut = stream::once(async {
            // Lets hyper flush what it has before it learns that no more comes.
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err(io::ErrorKind::ConnectionReset.into())
        });
        StreamBody::new(sent.chain(cut)).boxed_unsync()
    })
}

/// Serves the control API until dropped.
pub async fn serve_control(simulator: Simulator, listener: TcpListener) -> io::Result<()> {
    let router = Router::new()
        .route("/", get(|| async { HELP }))
        .route("/commands", post(run))
        .route("/tasks", get(tasks))
        .route("/pulls", get(pulls))
        .route("/issues", get(issues))
        .route("/deliveries", get(deliveries))
        .route("/requests", get(requests))
        .with_state(simulator);
    axum::serve(listener, router).await
}

/// What `GET /` of the control API says.
pub const HELP: &str = r#"The control API of the GitHub simulator.

GET  /tasks      every task ever created, oldest first, also those that no list shows yet
GET  /pulls      every pull request that is or was open
GET  /issues     every issue and pull request there is or was, with its comments
GET  /deliveries the last 100,000 attempts to deliver a webhook: time, event, GUID, outcome
GET  /requests   the last 100,000 requests: time, method, path, query, user, status, faults; never a token
POST /commands   one command or a list of them, done in order until one fails (422, with the reason)

Commands are JSON objects of one member; the file of --config is a list of the same, as YAML or JSON:
{"add_user": {"login": "octocat", "id": 1}}
{"add_token": {"token": "t", "owner": "octocat", "kind": "fine_grained|classic|user_to_server|installation",
               "permissions": {"agent_tasks": "none|read|write", "pull_requests": "none|read|write",
                               "issues": "none|read|write", "webhooks": "none|read|write",
                               "contents": "none|read|write", "administration": "none|read|write",
                               "checks": "none|read|write"},
               "repositories": ["acme/api"], "expires_at": null, "revoked": false, "needs_sso": false}}
{"add_grant": {"refresh_token": "r", "token": "t", "client_id": "Iv1.a", "client_secret": null, "lifetime_s": 28800}}
{"add_repository": {"name": "acme/api", "default_branch": "main", "branches": ["release/1"], "private": true,
                    "associations": {"octocat": "MEMBER"}, "fork": false, "protected": ["release/1"],
                    "rules": {"main": [{"pull_request": {"approvals": 1, "code_owners": true}}, "code_scanning",
                                       {"required_status_checks": {"contexts": ["test"]}}]},
                    "codeowners": "missing|valid" or {"errors": 2},
                    "agent": {"firewall": true, "workflow_approval": true, "codeql": true, "secret_scanning": true}}}
         Associations: OWNER, MEMBER, COLLABORATOR, CONTRIBUTOR, ..., NONE (the default). A repository of the same name is
         replaced, and so are its rules.
{"move_repository": {"from": "acme/api", "to": "acme/payments-api"}}
{"set_default_script": SCRIPT}   {"queue_scripts": [SCRIPT, ...]}
{"set_repository_script": {"repository": "acme/api", "script": SCRIPT}}
{"set_prompt_script": {"contains": "text of the prompt", "script": SCRIPT}}
{"add_fault": {"on": ["start_task"], "when": WHEN, "effect": EFFECT}}   "clear_faults"
{"set_limits": {"primary": 5000, "throttle": {"status": 429, "retry_after_s": 60},
                "secondary": {"content_per_minute": 80, "content_per_hour": 500, "points_per_minute": 900}}}
{"set_primary_limit": {"login": "octocat", "primary": {"limit": 5000, "remaining": 0, "reset_at": "2026-11-22T07:00:00Z"}}}
{"set_behaviour": {"echo_prompt": true, "global_ids": true}}
{"start_task": {"repository": "acme/api", "creator": "octocat", "prompt": "By hand"}}
{"archive_task": {"id": "..."}}   {"cancel_task": {"id": "..."}}
{"continue_task": {"id": "...", "session": SESSION}}
{"change_pull": {"repository": "acme/api", "number": 1, "change": "ready|draft|merge|close|reopen"}}
{"change_pull": {"repository": "acme/api", "number": 1,
                 "change": {"review": {"by": "octocat", "state": "APPROVED", "body": ""}}}}
         or {"merge_by": {"login": "octocat"}}, {"check": {"conclusion": "success|failure|..."}} for the one check that a
         pull request may have, and {"check": {"conclusion": null}} for one that runs
{"open_issue": {"repository": "acme/api", "by": "octocat", "title": "...", "body": "...", "labels": []}}
{"open_pull": {"repository": "acme/api", "by": "octocat", "title": "...", "head_ref": "topic",
               "head_repository": null, "base_ref": null, "draft": false, "files": ["src/main.rs"]}}
{"change_issue": {"repository": "acme/api", "number": 1, "by": "octocat", "change": CHANGE}}   also of a pull request
CHANGE:  {"title": "..."}, {"body": "..."}, {"label": "agent"}, {"unlabel": "agent"}, {"assign": "hubot"},
         {"unassign": "hubot"}, {"milestone": "1.0"}, {"milestone": null}, "close", "reopen"
{"change_pull": {"repository": "acme/api", "number": 1, "by": "octocat", "change": "push"}}
{"comment": {"repository": "acme/api", "number": 1, "by": "octocat", "body": "..."}}
{"edit_comment": {"id": 1, "by": "octocat", "body": "..."}}   {"add_bot": {"login": "dependabot[bot]"}}
{"add_hook": {"repository": "acme/api", "url": "http://127.0.0.1:1/webhooks", "secret": "s", "events": ["issues"]}}
{"redeliver": {"id": 1}}
{"add_delivery_fault": {"on": ["issues"], "when": WHEN, "effect": {"delay": {"ms": 5000}}}}
         or {"scatter": {"ms": 5000}}, {"double": {"after_ms": 50}}, "lose" (the log shows it), "forget" (no log does)
"clear_requests"   "reset"

SCRIPT:  {"sessions": [SESSION, ...]}
SESSION: {"after_ms": 0, "queued_ms": 2000, "running_ms": 6000, "shows_after_ms": 1000,
          "leaves": "pull_request|branch|nothing", "credits_nano": 1250000000,
          "end": "completed|timed_out|cancelled|waiting_for_user|idle|never" or {"failed": {"message": "why"}}}
WHEN:    "always", {"next": 1}, {"nth": 3}, {"rate": 0.1}
EFFECT:  {"fail_before": FAILURE}   nothing is done
         {"lose_answer": FAILURE}   all is done, the answer is lost
         {"refuse": {"status": 422, "message": "why"}}
         {"slow": {"before_ms": 0, "after_ms": 3000}}   from 10 s on: a server error, and it is done all the same
         {"show_late": {"list_ms": 5000, "get_ms": 5000}}   {"stale": {"ms": 5000}}
         {"primary_limit": {"reset_in_s": 60}}   {"secondary_limit": {"status": 403, "retry_after_s": null}}
         "revoke_token", "expire_token", {"narrow_token": {"agent_tasks": "read", "pull_requests": "none"}}
         "unknown_enums", "omit_optional", {"omit": ["sessions"]}, "malformed_json", "truncate"
FAILURE: "reset", "time_out" (10 s, then 502), "hang", {"status": 503}
Operations: start_task, list_repository_tasks, get_repository_task, list_tasks, get_task, get_repository, get_branch,
         get_branch_rules, get_codeowners_errors, get_agent_configuration, list_check_runs, request_reviewers,
         update_pull, list_pulls, get_pull, list_reviews, list_pull_files, list_issues, get_issue, list_issue_events, list_events,
         list_comments, list_issue_comments, create_comment, update_comment, add_labels, remove_label, list_hooks,
         list_deliveries, redeliver, graphql, get_user, get_rate_limit, refresh_token; an empty "on" means all.
"#;

async fn tasks(Extract(simulator): Extract<Simulator>) -> Json<Vec<TaskRecord>> {
    Json(simulator.tasks())
}

async fn pulls(Extract(simulator): Extract<Simulator>) -> Json<Vec<PullRecord>> {
    Json(simulator.pulls())
}

async fn issues(Extract(simulator): Extract<Simulator>) -> Json<Vec<IssueRecord>> {
    Json(simulator.issues())
}

async fn deliveries(Extract(simulator): Extract<Simulator>) -> Json<Vec<DeliveryRecord>> {
    Json(simulator.deliveries())
}

async fn requests(Extract(simulator): Extract<Simulator>) -> Json<Vec<RequestRecord>> {
    Json(simulator.requests())
}

/// Runs one command or a list.
async fn run(
    Extract(simulator): Extract<Simulator>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let body = if body.is_array() { body } else { Value::from(vec![body]) };
    let commands = serde_json::from_value(body).map_err(|error| refused(&error))?;
    let count = run_all(&simulator, commands).map_err(|error| refused(&error))?;
    Ok(Json(json!({"done": count})))
}

fn refused(error: &impl ToString) -> (StatusCode, Json<Value>) {
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        Json(json!({"error": error.to_string()})),
    )
}

/// Why a list of commands was not done to its end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("command {position}: {source}")]
pub struct CommandError {
    /// Which command of the list, counted from 1; those before it are done.
    pub position: usize,
    pub source: super::ControlError,
}

/// Runs commands in order until one fails; answers how many were run.
pub fn run_all(simulator: &Simulator, commands: Vec<Command>) -> Result<usize, CommandError> {
    let count = commands.len();
    for (index, command) in commands.into_iter().enumerate() {
        simulator.run(command).map_err(|source| CommandError {
            position: index + 1,
            source,
        })?;
    }
    Ok(count)
}
