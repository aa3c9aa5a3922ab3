//! The checker itself, and every answer of the simulator through it.

use agent_automation::simulator::{Behaviour, PullChange, ReviewState, Script, Token};
use harness::openapi::{check_answer, check_exchange, examples};
use serde_json::json;

use crate::world::{TASKS, World, pass};

/// The operations the simulator has, with a request for each.
const OPERATIONS: [(&str, &str, &str); 31] = [
    ("agent-tasks/create-task-in-repo", "POST", TASKS),
    ("agent-tasks/list-tasks-for-repo", "GET", TASKS),
    (
        "agent-tasks/get-task-by-repo-and-id",
        "GET",
        "/agents/repos/acme/payments-api/tasks/t",
    ),
    ("agent-tasks/list-tasks", "GET", "/agents/tasks"),
    ("agent-tasks/get-task-by-id", "GET", "/agents/tasks/t"),
    ("repos/get", "GET", "/repos/acme/payments-api"),
    ("repos/get-branch", "GET", "/repos/acme/payments-api/branches/release/1"),
    ("pulls/list", "GET", "/repos/acme/payments-api/pulls"),
    ("pulls/get", "GET", "/repos/acme/payments-api/pulls/1"),
    ("pulls/list-reviews", "GET", "/repos/acme/payments-api/pulls/1/reviews"),
    (
        "repos/get-branch-rules",
        "GET",
        "/repos/acme/payments-api/rules/branches/main",
    ),
    (
        "repos/codeowners-errors",
        "GET",
        "/repos/acme/payments-api/codeowners/errors",
    ),
    (
        "copilot/get-copilot-cloud-agent-configuration",
        "GET",
        "/repos/acme/payments-api/copilot/cloud-agent/configuration",
    ),
    (
        "checks/list-for-ref",
        "GET",
        "/repos/acme/payments-api/commits/main/check-runs",
    ),
    (
        "pulls/request-reviewers",
        "POST",
        "/repos/acme/payments-api/pulls/1/requested_reviewers",
    ),
    ("issues/add-labels", "POST", "/repos/acme/payments-api/issues/1/labels"),
    ("pulls/update", "PATCH", "/repos/acme/payments-api/pulls/1"),
    ("pulls/list-files", "GET", "/repos/acme/payments-api/pulls/1/files"),
    ("issues/list-for-repo", "GET", "/repos/acme/payments-api/issues"),
    ("issues/get", "GET", "/repos/acme/payments-api/issues/1"),
    (
        "issues/list-comments",
        "GET",
        "/repos/acme/payments-api/issues/1/comments",
    ),
    (
        "issues/list-comments-for-repo",
        "GET",
        "/repos/acme/payments-api/issues/comments",
    ),
    (
        "issues/create-comment",
        "POST",
        "/repos/acme/payments-api/issues/1/comments",
    ),
    (
        "issues/update-comment",
        "PATCH",
        "/repos/acme/payments-api/issues/comments/1",
    ),
    ("issues/list-events", "GET", "/repos/acme/payments-api/issues/1/events"),
    (
        "issues/list-events-for-repo",
        "GET",
        "/repos/acme/payments-api/issues/events",
    ),
    (
        "issues/remove-label",
        "DELETE",
        "/repos/acme/payments-api/issues/1/labels/agent",
    ),
    ("repos/list-webhooks", "GET", "/repos/acme/payments-api/hooks"),
    (
        "repos/list-webhook-deliveries",
        "GET",
        "/repos/acme/payments-api/hooks/1/deliveries",
    ),
    ("users/get-authenticated", "GET", "/user"),
    ("rate-limit/get", "GET", "/rate_limit"),
];

#[test]
fn every_operation_has_examples() {
    for (operation, ..) in OPERATIONS {
        let found = examples(operation);
        assert!(
            found
                .iter()
                .any(|example| example.status < 300 && !example.value.is_null()),
            "{operation}"
        );
    }
}

#[test]
fn the_examples_of_agent_tasks_are_as_described() {
    for (operation, method, path) in &OPERATIONS[..5] {
        for example in examples(operation) {
            let body = example.value.to_string();
            check_answer(method, path, example.status, body.as_bytes()).unwrap();
        }
    }
}

#[test]
fn the_checker_finds_mistakes() {
    let task = r#"{"id": "1", "state": "queued", "created_at": "2026-11-22T06:00:00Z"}"#;
    let start = r#"{"prompt": "x"}"#;
    let one = "/agents/tasks/1";
    let error = r#"{"message": "no", "documentation_url": "https://docs.github.com"}"#;
    let table: [(&str, &str, &str, &str, u16, &str, &str); 23] = [
        ("POST", TASKS, "", start, 201, task, ""),
        ("POST", TASKS, "", "{}", 201, task, "required"),
        (
            "POST",
            TASKS,
            "",
            r#"{"prompt": "x", "customAgent": "y"}"#,
            201,
            task,
            "customAgent",
        ),
        ("POST", TASKS, "", r#"{"prompt": 1}"#, 201, task, "string"),
        ("POST", TASKS, "", "", 201, task, "missing"),
        ("POST", TASKS, "wait=true", start, 201, task, "wait"),
        ("PUT", TASKS, "", start, 201, task, "no described operation"),
        ("GET", one, "", "", 200, task, ""),
        ("GET", one, "", "{}", 200, task, "without need"),
        (
            "GET",
            one,
            "",
            "",
            200,
            r#"{"id": "1", "state": "queued"}"#,
            "created_at",
        ),
        (
            "GET",
            one,
            "",
            "",
            200,
            r#"{"id": "1", "state": "done", "created_at": "2026-11-22T06:00:00Z"}"#,
            "done",
        ),
        (
            "GET",
            one,
            "",
            "",
            200,
            r#"{"id": "1", "state": "queued", "created_at": "today"}"#,
            "date-time",
        ),
        ("GET", one, "", "", 200, &task.replace('}', r#", "stat": 1}"#), "stat"),
        (
            "GET",
            one,
            "",
            "",
            200,
            &task.replace('}', r#", "archived_at": null}"#),
            "",
        ),
        (
            "GET",
            one,
            "",
            "",
            200,
            &task.replace('}', r#", "updated_at": null}"#),
            "null",
        ),
        ("GET", one, "", "", 200, "{", "EOF"),
        ("GET", one, "", "", 404, error, ""),
        ("GET", one, "", "", 404, "{}", "required"),
        ("GET", one, "", "", 418, error, "not described"),
        ("GET", one, "", "", 304, "{}", "none"),
        (
            "GET",
            "/agents/tasks",
            "per_page=100&since=2026-11-22T06:00:00%2B01:00",
            "",
            200,
            r#"{"tasks": []}"#,
            "",
        ),
        (
            "GET",
            "/agents/tasks",
            "per_page=101",
            "",
            200,
            r#"{"tasks": []}"#,
            "per_page",
        ),
        // Removed in the version the client asks for.
        (
            "GET",
            "/rate_limit",
            "",
            "",
            200,
            r#"{"rate": {}, "resources": {}}"#,
            "rate",
        ),
    ];
    for (method, path, query, request, status, answer, expected) in table {
        let checked = check_exchange(method, path, query, request.as_bytes(), status, answer.as_bytes());
        match checked {
            Ok(()) => assert_eq!(expected, "", "{method} {path} {request} {answer} passed"),
            Err(error) => assert!(
                !expected.is_empty() && error.contains(expected),
                "{error}, not {expected:?}"
            ),
        }
    }
}

/// Each call checks its answer; the point here is how many different ones there are.
#[tokio::test(start_paused = true)]
async fn every_answer_is_as_described() {
    let scripts = [
        Script::pull_request(),
        Script::branch_only(),
        Script::failed("out of credits"),
        Script::timed_out(),
        Script::cancelled(),
        Script::waiting_for_user(),
        Script::active_again(),
        Script::endless(),
    ];
    for script in scripts {
        let world = World::new();
        world.simulator.set_default_script(script);
        let body = json!({"prompt": "x", "create_pull_request": true, "custom_agent": "deps", "model": "gpt-5.4"});
        let id = world.post(TASKS, &body).await.at("/id").as_str().unwrap().to_owned();
        for ms in [0, 1_999, 1, 1_000, 4_000, 1_000, 10_000, 3_000, 20_000] {
            pass(ms).await;
            everything(&world, &id).await;
        }
        for echo_prompt in [true, false] {
            world.simulator.set_behaviour(Behaviour {
                echo_prompt,
                global_ids: echo_prompt,
                ..Behaviour::default()
            });
            everything(&world, &id).await;
        }
        let by = "hubot".to_owned();
        let review = PullChange::Review {
            by,
            state: ReviewState::Approved,
            body: String::new(),
        };
        for change in [review, PullChange::Ready, PullChange::Close, PullChange::Merge] {
            if !world.simulator.pulls().is_empty() {
                world.simulator.change_pull("acme/payments-api", 1, change).unwrap();
            }
            everything(&world, &id).await;
        }
        world.simulator.archive_task(&id).unwrap();
        everything(&world, &id).await;
        world
            .simulator
            .move_repository("acme/payments-api", "acme/pay")
            .unwrap();
        everything(&world, &id).await;
        world
            .simulator
            .add_token(Token {
                revoked: true,
                ..Token::new(&world.token, "octocat")
            })
            .unwrap();
        everything(&world, &id).await;
    }
}

/// Every operation, about what is there and about what is not.
async fn everything(world: &World, id: &str) {
    for (_, method, path) in OPERATIONS {
        world.call(method, path, "").await;
        if path.ends_with("/t") {
            world
                .get((path.trim_end_matches("/t").to_owned() + "/" + id).as_str())
                .await;
        }
        world.call(method, &path.replace("acme", "nobody"), "").await;
    }
    for query in [
        "is_archived=true",
        "state=completed,failed",
        "per_page=0",
        "page=9",
        "since=never",
    ] {
        world.get(&format!("/agents/tasks?{query}")).await;
    }
    for query in ["state=all", "state=none", "head=acme:copilot/x-1&state=all"] {
        world.get(&format!("/repos/acme/payments-api/pulls?{query}")).await;
    }
}
