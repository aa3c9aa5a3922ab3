//! The client against the simulated GitHub and against GitHub's own examples.

use std::time::Duration;

use agent_automation::domain::repository::Repository;
use agent_automation::domain::task_state::TaskState;
use agent_automation::github::models::{Artifact, Task};
use agent_automation::github::{
    BaseUrl, Client, Error, List, ListQuery, Listed, Scope, StartOutcome, StartRequest, Token, Transport,
    TransportError,
};
use agent_automation::simulator::{
    Answer, Effect, Failure, Fault, Operation, Permissions, PullChange, ReviewState, Script, Simulator, When,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use harness::openapi::{check_exchange, examples};
use http::{Request, Response};
use serde_json::Value;

use super::calls::{CALLS, Call};
use super::scripted::{Scripted, answer, token};
use crate::world::{TOKEN, World, pass};

const TIMEOUT: Duration = Duration::from_secs(12);
const QUERY: ListQuery<'_> = ListQuery {
    scope: Scope::User,
    since: None,
    archived: false,
    states: &[],
};

/// The simulator as a transport. `described`: each request and answer must be as GitHub's description has it.
struct Simulated {
    simulator: Simulator,
    described: bool,
}

impl Transport for Simulated {
    fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let sent = request.clone();
            match tokio::time::timeout(timeout, self.simulator.handle(request)).await {
                Ok(Answer::Response(answer)) => {
                    if self.described {
                        check(&sent, &answer);
                    }
                    Ok(answer)
                }
                Ok(Answer::Reset | Answer::Truncated(..)) => Err(TransportError::Lost("closed".to_owned())),
                Err(_) => Err(TransportError::Lost("timed out".to_owned())),
            }
        })
    }
}

fn check(sent: &Request<Bytes>, answer: &Response<Bytes>) {
    let uri = sent.uri();
    let query = uri.query().unwrap_or_default();
    let status = answer.status().as_u16();
    let checked = check_exchange(
        sent.method().as_str(),
        uri.path(),
        query,
        sent.body(),
        status,
        answer.body(),
    );
    assert_eq!(checked, Ok(()));
}

pub fn client(world: &World, described: bool) -> Client {
    let transport = Simulated {
        simulator: world.simulator.clone(),
        described,
    };
    Client::new(std::sync::Arc::new(transport), BaseUrl::default())
}

fn repository() -> Repository {
    Repository::parse("acme/payments-api").unwrap()
}

pub fn good() -> Token {
    Token::parse(TOKEN).unwrap()
}

fn request(prompt: &str) -> StartRequest<'_> {
    StartRequest {
        prompt,
        model: Some("gpt-5.4"),
        custom_agent: Some("reviewer"),
        create_pull_request: true,
        base_ref: Some("main"),
        head_ref: None,
    }
}

async fn start(client: &Client, prompt: &str) -> StartOutcome {
    client
        .start_task(&good(), &repository(), request(prompt), TIMEOUT)
        .await
}

async fn created(client: &Client, prompt: &str) -> Task {
    match start(client, prompt).await {
        StartOutcome::Created(task) => task,
        other => panic!("{other:?}"),
    }
}

async fn list(client: &Client, query: ListQuery<'_>) -> List<Task> {
    match client.list_tasks(&good(), query, None).await.unwrap() {
        Listed::Tasks(list) => list,
        Listed::NotModified => panic!("not modified without an ETag"),
    }
}

/// From the start to the reviewed pull request, every exchange as described.
#[tokio::test(start_paused = true)]
async fn a_task_from_start_to_review() {
    let world = World::new();
    let client = client(&world, true);
    let (token, repo) = (good(), repository());

    let task = created(&client, "Fix it\n<!-- marker -->").await;
    assert_eq!(task.state, TaskState::Queued);
    pass(60_000).await;

    let listed = list(&client, QUERY).await;
    assert_eq!(
        (listed.items[0].id.as_str(), &listed.items[0].state),
        (task.id.as_str(), &TaskState::Completed)
    );
    assert!(listed.is_whole() && listed.items[0].sessions.is_empty());

    let task = client.get_task(&token, Some(&repo), &task.id).await.unwrap();
    assert_eq!(client.get_task(&token, None, &task.id).await.unwrap(), task);
    let session = &task.sessions[0];
    assert_eq!(session.prompt.as_deref(), Some("Fix it\n<!-- marker -->"));
    assert_eq!(task.usage().map(|usage| usage.ai_credits_nano), Some(1_250_000_000));

    let pulls = client
        .list_pulls(&token, &repo, session.head_ref.as_deref())
        .await
        .unwrap();
    let is_ours = |id: u64| {
        task.artifacts
            .iter()
            .any(|it| matches!(it, Artifact::Pull { id: pull, .. } if *pull == id))
    };
    assert!(
        pulls.items.len() == 1 && is_ours(pulls.items[0].id),
        "{pulls:?} {task:?}"
    );
    assert_eq!(client.list_pulls(&token, &repo, None).await.unwrap().items, pulls.items);

    let number = pulls.items[0].number;
    let review = PullChange::Review {
        by: "hubot".to_owned(),
        state: ReviewState::Approved,
        body: String::new(),
    };
    world
        .simulator
        .change_pull("acme/payments-api", number, review)
        .unwrap();
    let reviews = client.list_reviews(&token, &repo, number, None).await.unwrap().value;
    assert_eq!(reviews.items[0].state.as_deref(), Some("APPROVED"));
    assert!(
        !client
            .get_pull(&token, &repo, number, None)
            .await
            .unwrap()
            .value
            .is_merged()
    );
    world
        .simulator
        .change_pull("acme/payments-api", number, PullChange::Merge)
        .unwrap();
    assert!(
        client
            .get_pull(&token, &repo, number, None)
            .await
            .unwrap()
            .value
            .is_merged()
    );

    assert_eq!(client.identify(&token).await.unwrap().user.login, "octocat");
    assert_eq!(
        client.get_repository(&token, &repo).await.unwrap().full_name,
        "acme/payments-api"
    );
    assert_eq!(
        client.get_branch(&token, &repo, "release/1").await.unwrap().name,
        "release/1"
    );
    assert!(client.rate_limit(&token).await.unwrap().limit >= 5000);
}

/// Every filter, every page, archived or not, conditional or not.
#[tokio::test(start_paused = true)]
async fn lists_of_tasks() {
    let world = World::new();
    let client = client(&world, true);
    let repo = repository();
    world.simulator.set_default_script(Script::endless());
    let limits = agent_automation::simulator::Limits::none();
    world.simulator.set_limits(limits);
    let mut ids = Vec::new();
    for number in 0..230 {
        ids.push(created(&client, &number.to_string()).await.id);
        pass(10).await;
    }
    world.simulator.archive_task(&ids[0]).unwrap();

    let listed = list(&client, QUERY).await;
    assert!(listed.is_whole());
    let mut found: Vec<_> = listed.items.iter().map(|task| task.id.clone()).collect();
    found.sort();
    let mut expected = ids[1..].to_vec();
    expected.sort();
    assert_eq!(found, expected);

    let archived = list(
        &client,
        ListQuery {
            archived: true,
            ..QUERY
        },
    )
    .await;
    assert_eq!(
        archived.items.iter().map(|task| &task.id).collect::<Vec<_>>(),
        [&ids[0]]
    );

    let scope = Scope::Repository {
        repo: &repo,
        creator_id: Some(1),
    };
    let states = [TaskState::Queued, TaskState::InProgress];
    let since = listed.items.iter().filter_map(|task| task.created_at).max();
    let recent = list(
        &client,
        ListQuery {
            scope,
            since,
            states: &states,
            archived: false,
        },
    )
    .await;
    assert!(recent.items.iter().any(|task| Some(&task.id) == ids.last()) && recent.items.len() < ids.len());
    let scope = Scope::Repository {
        repo: &repo,
        creator_id: Some(2),
    };
    assert_eq!(list(&client, ListQuery { scope, ..QUERY }).await.items, []);

    pass(60_000).await;
    let etag = list(&client, QUERY).await.etag;
    let again = client.list_tasks(&good(), QUERY, etag.as_deref()).await.unwrap();
    assert_eq!(again, Listed::NotModified);
    created(&client, "one more").await;
    let again = client.list_tasks(&good(), QUERY, etag.as_deref()).await.unwrap();
    assert!(matches!(again, Listed::Tasks(list) if list.items.len() == 230));
}

/// What a start is taken for, and how many tasks there are in truth.
#[tokio::test(start_paused = true)]
async fn starts_under_faults() {
    let refuse = |status| Effect::Refuse {
        status,
        message: "no".to_owned(),
    };
    let limit = |status, retry_after_s| Effect::SecondaryLimit { status, retry_after_s };
    let table = [
        (refuse(400), "bad_request", 0),
        (refuse(401), "bad_credentials", 0),
        (refuse(403), "permission_missing", 0),
        (refuse(404), "not_found", 0),
        (refuse(422), "invalid", 0),
        (limit(403, Some(30)), "rate_limited", 0),
        (limit(403, None), "rate_limited", 0),
        (limit(429, None), "rate_limited", 0),
        (Effect::PrimaryLimit { reset_in_s: 60 }, "rate_limited", 0),
        (Effect::RevokeToken, "bad_credentials", 0),
        (Effect::ExpireToken, "bad_credentials", 0),
        (Effect::FailBefore(Failure::Reset), "unknown", 0),
        (Effect::FailBefore(Failure::Status(502)), "unknown", 0),
        (Effect::FailBefore(Failure::TimeOut), "unknown", 0),
        (Effect::FailBefore(Failure::Hang), "unknown", 0),
        (Effect::LoseAnswer(Failure::Reset), "unknown", 1),
        (Effect::LoseAnswer(Failure::Status(500)), "unknown", 1),
        (Effect::LoseAnswer(Failure::TimeOut), "unknown", 1),
        (Effect::LoseAnswer(Failure::Hang), "unknown", 1),
        (
            Effect::Slow {
                before_ms: 0,
                after_ms: 15_000,
            },
            "unknown",
            1,
        ),
        (
            Effect::Slow {
                before_ms: 0,
                after_ms: 5_000,
            },
            "created",
            1,
        ),
        (Effect::MalformedJson, "unknown", 1),
        (Effect::Truncate, "unknown", 1),
        (Effect::UnknownEnums, "created", 1),
        (Effect::OmitOptional, "created", 1),
        (
            Effect::Omit(vec!["state".to_owned(), "created_at".to_owned()]),
            "created",
            1,
        ),
        (Effect::Omit(vec!["id".to_owned()]), "unknown", 1),
    ];
    for (effect, expected, tasks) in table {
        let world = World::new();
        world.simulator.add_fault(Fault {
            on: vec![Operation::StartTask],
            when: When::Always,
            effect: effect.clone(),
        });
        let outcome = start(&client(&world, false), "Fix it").await;
        let found = match &outcome {
            StartOutcome::Created(_) => "created",
            StartOutcome::Refused(refusal) => refusal.kind.category(),
            StartOutcome::NeverSent { .. } => "never sent",
            StartOutcome::Unknown { .. } => "unknown",
        };
        assert_eq!(found, expected, "{effect:?}");
        pass(60_000).await;
        assert_eq!(world.simulator.tasks().len(), tasks, "{effect:?}");
        assert_eq!(world.simulator.requests().len(), 1, "{effect:?}");
        assert!(!format!("{outcome:?}").contains(TOKEN), "{outcome:?}");
    }
}

/// What is not there, not allowed or elsewhere.
#[tokio::test(start_paused = true)]
async fn reads_that_are_refused() {
    let world = World::new();
    let client = client(&world, true);
    let category = |result: Result<_, Error>| result.map_or_else(|error| error.category(), |(): ()| "ok");
    let (token, repo) = (good(), repository());
    let elsewhere = Repository::parse("acme/nowhere").unwrap();
    let found = client.get_repository(&token, &elsewhere).await;
    assert_eq!(category(found.map(drop)), "not_found");
    assert_eq!(
        category(client.get_task(&token, None, "nope").await.map(drop)),
        "not_found"
    );
    assert_eq!(
        category(client.get_task(&token, Some(&repo), "nope/x").await.map(drop)),
        "not_found"
    );
    assert_eq!(
        category(client.get_branch(&token, &repo, "a/b").await.map(drop)),
        "not_found"
    );
    assert_eq!(
        category(client.get_pull(&token, &repo, 99, None).await.map(drop)),
        "not_found"
    );
    world
        .simulator
        .move_repository("acme/payments-api", "acme/pay")
        .unwrap();
    assert_eq!(category(client.get_repository(&token, &repo).await.map(drop)), "moved");
    assert!(matches!(start(&client, "x").await, StartOutcome::Refused(refusal) if refusal.kind.category() == "moved"));
    let none = serde_json::from_str::<Permissions>(r#"{"agent_tasks": "none", "pull_requests": "none"}"#).unwrap();
    world
        .simulator
        .change_token(TOKEN, |token| token.permissions = none)
        .unwrap();
    assert_eq!(
        category(client.list_tasks(&token, QUERY, None).await.map(drop)),
        "permission_missing"
    );
    world
        .simulator
        .change_token(TOKEN, |token| token.revoked = true)
        .unwrap();
    assert_eq!(category(client.identify(&token).await.map(drop)), "bad_credentials");
    let unknown = Token::parse("ghp_unknown").unwrap();
    assert_eq!(category(client.identify(&unknown).await.map(drop)), "bad_credentials");
}

/// The documented answer to each read is read, and its elements all come through.
#[tokio::test]
async fn documented_examples_decode() {
    let of_call = [
        "agent-tasks/get-task-by-id",
        "agent-tasks/get-task-by-repo-and-id",
        "repos/get",
        "repos/get-branch",
        "users/get-authenticated",
        "rate-limit/get",
        "pulls/get",
        "pulls/list",
        "pulls/list-reviews",
    ];
    let mut count = 0;
    for (operation, call) in of_call.into_iter().zip(CALLS.map(|(call, ..)| call)) {
        for body in documented(operation) {
            let made = read(call, &body)
                .await
                .unwrap_or_else(|error| panic!("{operation}: {error}"));
            let expected = identity(&body);
            assert!(
                expected.is_none_or(|expected| expected == made),
                "{operation}: {made} {body}"
            );
            count += 1;
        }
    }
    for operation in ["agent-tasks/list-tasks", "agent-tasks/list-tasks-for-repo"] {
        for body in documented(operation) {
            let transport = Scripted::answering([answer(200, &[], &body.to_string())]);
            let list = list(&transport.client(), QUERY).await;
            assert!(list.is_whole() && !list.items.is_empty(), "{operation}: {list:?}");
            count += 1;
        }
    }
    for body in documented("agent-tasks/create-task-in-repo") {
        let transport = Scripted::answering([answer(201, &[], &body.to_string())]);
        let outcome = transport
            .client()
            .start_task(&token(), &repository(), request("x"), TIMEOUT)
            .await;
        assert!(matches!(outcome, StartOutcome::Created(task) if body["id"] == task.id.as_str()));
        count += 1;
    }
    assert!(count >= 14, "{count}");
}

fn documented(operation: &str) -> Vec<Value> {
    let examples = examples(operation).into_iter().filter(|example| example.status < 300);
    let values: Vec<Value> = examples.map(|example| example.value).collect();
    assert!(!values.is_empty(), "{operation}");
    values
}

async fn read(call: Call, body: &Value) -> Result<String, Error> {
    call(Scripted::answering([answer(200, &[], &body.to_string())]).client()).await
}

/// What [`CALLS`] makes of an answer, as far as it stands in the answer as it is.
fn identity(body: &Value) -> Option<String> {
    let fields = ["full_name", "login", "name"];
    let named = fields
        .iter()
        .find_map(|field| body.get(field)?.as_str().map(str::to_owned));
    body.get("sessions")
        .map_or(named, |_| body["id"].as_str().map(str::to_owned))
}
