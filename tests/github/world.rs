//! A simulator on paused time, and one way to call it.

use std::{sync::Arc, time::Duration};

use agent_automation::simulator::{
    Answer, Clock, Config, Effect, Fault, Operation, Repository, Simulator, Token, When,
};
use axum::body::Bytes;
use harness::openapi::{check_answer, check_exchange};
use http::{HeaderMap, Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

pub const TOKEN: &str = "github_pat_good";
pub const TASKS: &str = "/agents/repos/acme/payments-api/tasks";

pub struct World {
    pub simulator: Simulator,
    /// The token of every call.
    pub token: String,
    /// Whether every call and its answer must be as GitHub's description says.
    pub checked: bool,
}

/// An answer, read.
#[derive(Clone, Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A member of the body by JSON pointer.
    pub fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn new(response: &Response<Bytes>) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        }
    }
}

/// A clock that follows tokio's.
pub fn tokio_clock() -> Clock {
    let epoch: Timestamp = "2026-11-22T06:00:00Z".parse().unwrap();
    let start = tokio::time::Instant::now();
    Arc::new(move || epoch + start.elapsed())
}

impl World {
    /// `octocat` (1) with a good token, `hubot` (2), and `acme/payments-api` with the branches `main` and `release/1`.
    pub fn new() -> Self {
        Self::seeded(7)
    }

    pub fn seeded(seed: u64) -> Self {
        let simulator = Simulator::new(Config::new(seed, tokio_clock()));
        simulator.add_user("octocat", 1);
        simulator.add_user("hubot", 2);
        let branches = vec!["release/1".to_owned()];
        let repository = Repository {
            id: 1_296_269,
            branches,
            ..Repository::new("acme/payments-api")
        };
        simulator.add_repository(repository).unwrap();
        simulator.add_token(Token::new(TOKEN, "octocat")).unwrap();
        Self {
            simulator,
            token: TOKEN.to_owned(),
            checked: true,
        }
    }

    pub fn request(&self, method: &str, path: &str, body: &str) -> Request<Bytes> {
        Request::builder()
            .method(method)
            .uri(path)
            .header("user-agent", "agent-automation")
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2026-03-10")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Bytes::from(body.to_owned()))
            .unwrap()
    }

    /// Sends a request; what comes back is checked against GitHub's description.
    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        let sent = request.clone();
        let answer = self.simulator.handle(request).await;
        if let (true, Answer::Response(response)) = (self.checked, &answer) {
            let (method, uri) = (sent.method().as_str(), sent.uri());
            let (query, status) = (uri.query().unwrap_or_default(), response.status().as_u16());
            // A call that GitHub refuses may well be wrong.
            let checked = if response.status().is_success() {
                check_exchange(method, uri.path(), query, sent.body(), status, response.body())
            } else {
                check_answer(method, uri.path(), status, response.body())
            };
            checked.unwrap();
        }
        answer
    }

    /// Sends and wants an answer.
    pub async fn answer(&self, request: Request<Bytes>) -> Got {
        let line = format!("{} {}", request.method(), request.uri());
        match self.send(request).await {
            Answer::Response(response) => Got::new(&response),
            other => panic!("{line}: {other:?}"),
        }
    }

    pub async fn call(&self, method: &str, path: &str, body: &str) -> Got {
        self.answer(self.request(method, path, body)).await
    }

    pub async fn get(&self, path: &str) -> Got {
        self.call("GET", path, "").await
    }

    /// A get with one more header.
    pub async fn get_with(&self, path: &str, name: &'static str, value: &str) -> Got {
        let mut request = self.request("GET", path, "");
        request.headers_mut().insert(name, value.parse().unwrap());
        self.answer(request).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Got {
        self.call("POST", path, &body.to_string()).await
    }

    /// Starts a task that asks for a pull request; answers its id.
    pub async fn start(&self, prompt: &str) -> String {
        let got = self
            .post(TASKS, &json!({"prompt": prompt, "create_pull_request": true}))
            .await;
        assert_eq!(got.status, 201, "{got:?}");
        got.at("/id").as_str().unwrap().to_owned()
    }

    /// The task as a get of it shows it.
    pub async fn task(&self, id: &str) -> Value {
        let got = self.get(&format!("{TASKS}/{id}")).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.body
    }

    /// The ids a list shows.
    pub async fn listed(&self, path: &str) -> Vec<String> {
        let got = self.get(path).await;
        assert_eq!(got.status, 200, "{path}: {got:?}");
        let tasks = got.at("/tasks").as_array().unwrap().iter();
        tasks.map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Lets so many milliseconds of paused time pass.
pub async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// A fault that hits the next call of an operation.
pub fn next(operation: Operation, effect: Effect) -> Fault {
    Fault {
        on: vec![operation],
        when: When::Next(1),
        effect,
    }
}
