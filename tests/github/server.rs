//! The binary: the same simulator over HTTP, and its control API.

use std::{io::Write, process::Stdio, time::Duration};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::mpsc,
};

use crate::world::TASKS;

const CONFIG: &str = "
- add_user: {login: octocat, id: 1}
- add_token: {token: t, owner: octocat}
- add_repository: {name: acme/payments-api}
- set_default_script: {sessions: [{queued_ms: 0, running_ms: 0, shows_after_ms: 0}]}
";

struct Running {
    /// Killed when dropped.
    child: Child,
    github: String,
    control: String,
    http: reqwest::Client,
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_github-simulator"));
    command
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Running {
    async fn start() -> Self {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(CONFIG.as_bytes()).unwrap();
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--seed",
            "7",
            "--print-ports",
            "--exit-with-stdin",
            "--config",
        ];
        let mut child = binary().args(arguments).arg(config.path()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .await
            .unwrap();
        let ports: Value = serde_json::from_str(&line).unwrap();
        let url = |name: &str| ports[name].as_str().unwrap().to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .user_agent("agent-automation")
            .build()
            .unwrap();
        Self {
            github: url("github"),
            control: url("control"),
            child,
            http,
        }
    }

    async fn command(&self, command: Value) -> (u16, Value) {
        let response = self
            .http
            .post(format!("{}/commands", self.control))
            .json(&command)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    async fn inspect(&self, what: &str) -> Value {
        self.http
            .get(format!("{}/{what}", self.control))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn start_task(&self) -> reqwest::Result<reqwest::Response> {
        let body = json!({"prompt": "x", "create_pull_request": true});
        self.http
            .post(format!("{}{TASKS}", self.github))
            .bearer_auth("t")
            .json(&body)
            .send()
            .await
    }
}

#[tokio::test]
async fn a_task_over_http_and_what_control_sees_of_it() {
    let running = Running::start().await;
    let response = running.start_task().await.unwrap();
    assert_eq!(response.status(), 201);
    let task: Value = response.json().await.unwrap();
    let url = task["url"].as_str().unwrap();
    assert!(url.starts_with(&running.github), "{url}");
    let seen: Value = running
        .http
        .get(url)
        .bearer_auth("t")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(seen["state"], "completed");

    assert_eq!(running.inspect("tasks").await[0]["id"], task["id"]);
    let change = json!({"change_pull": {"repository": "acme/payments-api", "number": 1, "change": "merge"}});
    assert_eq!(running.command(change).await, (200, json!({"done": 1})));
    assert_eq!(running.inspect("pulls").await[0]["merged"], true);
    let requests = running.inspect("requests").await;
    assert_eq!(
        (&requests[0]["operation"], &requests[0]["status"]),
        (&json!("start_task"), &json!(201))
    );

    let refused = running
        .command(json!(["clear_requests", {"archive_task": {"id": "none"}}]))
        .await;
    assert_eq!(refused.0, 422);
    assert!(
        refused.1["error"]
            .as_str()
            .unwrap()
            .starts_with("command 2: there is no task"),
        "{refused:?}"
    );
    assert_eq!(running.command(json!({"explode": {}})).await.0, 422);
    assert_eq!(running.inspect("requests").await, json!([]));
    let help = running
        .http
        .get(&running.control)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(help.contains("POST /commands"));
}

#[tokio::test]
async fn connections_are_closed_without_an_answer_and_in_the_middle_of_one() {
    let running = Running::start().await;
    let fault = |effect: Value| json!({"add_fault": {"on": ["start_task"], "effect": effect}});
    running
        .command(json!([
            fault(json!({"lose_answer": "reset"})),
            fault(json!("malformed_json"))
        ]))
        .await;
    let error = running.start_task().await.unwrap_err();
    assert!(!error.is_connect() && error.is_request(), "{error:?}");
    assert_eq!(running.inspect("tasks").await.as_array().unwrap().len(), 1);

    running.command(fault(json!("truncate"))).await;
    let raw = raw_start(&running).await;
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    let declared = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    assert_eq!(body.len(), declared.parse::<usize>().unwrap() / 2);

    running.command(fault(json!({"fail_before": "hang"}))).await;
    let waited = tokio::time::timeout(Duration::from_millis(300), running.start_task()).await;
    assert!(waited.is_err());
    assert_eq!(running.start_task().await.unwrap().status(), 201);
    assert_eq!(running.inspect("tasks").await.as_array().unwrap().len(), 3);
}

/// All bytes that come back for a start, until the connection ends.
async fn raw_start(running: &Running) -> String {
    let address = running.github.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = r#"{"prompt": "x"}"#;
    let request = format!(
        "POST {TASKS} HTTP/1.1\r\nhost: {address}\r\nuser-agent: x\r\nauthorization: Bearer t\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The end may come as a reset.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn it_ends_with_its_standard_input() {
    let mut running = Running::start().await;
    drop(running.child.stdin.take());
    let ended = tokio::time::timeout(Duration::from_secs(10), running.child.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}

#[tokio::test]
async fn what_it_refuses_to_begin_with() {
    let mut wrong = tempfile::NamedTempFile::new().unwrap();
    wrong.write_all(b"- add_token: {token: t, owner: nobody}\n").unwrap();
    let wrong = wrong.path().to_str().unwrap();
    let table: [(&[&str], &str); 4] = [
        (&["--listen", "0.0.0.0:0"], "not a loopback address"),
        (&["--control", "192.0.2.1:80"], "not a loopback address"),
        (&["--config", "/nonexistent/file"], "cannot read"),
        (&["--config", wrong], "no user has the login \"nobody\""),
    ];
    for (arguments, expected) in table {
        let output = binary().args(arguments).output().await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

/// One receiver answers, the other is not there.
#[tokio::test]
async fn webhooks_are_sent_and_their_answers_logged() {
    let running = Running::start().await;
    let (arrived, mut received) = mpsc::unbounded_channel();
    let receive = post(|headers: HeaderMap, body: Bytes| async move {
        arrived.send((headers, body)).unwrap();
        StatusCode::ACCEPTED
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}/hook", listener.local_addr().unwrap());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", receive)).await });
    let hook = |url: String| json!({"add_hook": {"repository": "acme/payments-api", "url": url, "secret": "s"}});
    let opened = json!({"open_issue": {"repository": "acme/payments-api", "by": "octocat", "title": "Slow"}});
    let label = json!({"change_issue": {
        "repository": "acme/payments-api", "number": 1, "by": "octocat", "change": {"label": "agent"},
    }});
    let commands = json!([hook(here), hook(format!("http://{closed}/")), opened, label]);
    assert_eq!(running.command(commands).await, (200, json!({"done": 4})));

    let mut events = Vec::new();
    for _ in 0..3 {
        let (headers, body) = received.recv().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        events.push(body["action"].as_str().unwrap_or("ping").to_owned());
        assert_eq!(headers["content-type"], "application/json");
    }
    events.sort();
    assert_eq!(events, ["labeled", "opened", "ping"]);
    let outcomes = loop {
        let log = running.inspect("deliveries").await;
        let outcomes: Vec<Value> = log
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["outcome"].clone())
            .collect();
        if !outcomes.contains(&json!("under_way")) {
            break outcomes;
        }
    };
    let (answered, failed) = (json!({"answered": 202}), json!("failed"));
    let expected = [&answered, &failed, &answered, &failed, &answered, &failed];
    assert_eq!(outcomes.iter().collect::<Vec<_>>(), expected);
    assert_eq!(running.inspect("issues").await[0]["labels"], json!(["agent"]));
}
