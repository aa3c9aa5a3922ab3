//! Who may do what, and how GitHub says no.

use agent_automation::simulator::{Access, Permissions, Repository, Token, TokenKind};
use serde_json::json;

use crate::world::{TASKS, TOKEN, World};

const START: &str = r#"{"prompt": "Tidy up"}"#;

fn permissions(agent_tasks: Access, pull_requests: Access) -> Permissions {
    Permissions {
        agent_tasks,
        pull_requests,
        ..Permissions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_each_token_may_do() {
    let world = World::new();
    let (none, read, write) = (Access::None, Access::Read, Access::Write);
    let base = || Token::new("t", "octocat");
    let elsewhere = || Some(vec!["acme/other".to_owned()]);
    let past = "2026-11-22T05:59:59Z".parse().ok();
    // The statuses of: start, list, own list, repository, pull requests, user.
    let table: [(&str, Token, [u16; 6]); 11] = [
        ("good", base(), [201, 200, 200, 200, 200, 200]),
        (
            "read",
            Token {
                permissions: permissions(read, none),
                ..base()
            },
            [403, 200, 200, 200, 403, 200],
        ),
        (
            "no tasks",
            Token {
                permissions: permissions(none, read),
                ..base()
            },
            [403, 403, 403, 200, 200, 200],
        ),
        (
            "write only tasks",
            Token {
                permissions: permissions(write, none),
                ..base()
            },
            [201, 200, 200, 200, 403, 200],
        ),
        (
            "classic",
            Token {
                kind: TokenKind::Classic,
                permissions: permissions(none, none),
                ..base()
            },
            [201, 200, 200, 200, 200, 200],
        ),
        (
            "user to server",
            Token {
                kind: TokenKind::UserToServer,
                ..base()
            },
            [201, 200, 200, 200, 200, 200],
        ),
        (
            "installation",
            Token {
                kind: TokenKind::Installation,
                ..base()
            },
            [403, 403, 403, 200, 200, 403],
        ),
        (
            "elsewhere",
            Token {
                repositories: elsewhere(),
                ..base()
            },
            [404, 404, 200, 404, 404, 200],
        ),
        (
            "revoked",
            Token {
                revoked: true,
                ..base()
            },
            [401; 6],
        ),
        (
            "expired",
            Token {
                expires_at: past,
                ..base()
            },
            [401; 6],
        ),
        (
            "sso",
            Token {
                needs_sso: true,
                ..base()
            },
            [403, 403, 403, 403, 403, 200],
        ),
    ];
    for (name, token, expected) in table {
        world.simulator.add_token(token).unwrap();
        let world = World {
            token: "t".to_owned(),
            simulator: world.simulator.clone(),
            checked: true,
        };
        let mut statuses = [world.call("POST", TASKS, START).await.status, 0, 0, 0, 0, 0];
        let repository = "/repos/acme/payments-api";
        let pulls = format!("{repository}/pulls");
        for (index, path) in [TASKS, "/agents/tasks", repository, &pulls, "/user"]
            .into_iter()
            .enumerate()
        {
            statuses[index + 1] = world.get(path).await.status;
        }
        assert_eq!(statuses, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_words_of_a_refusal() {
    let world = World::new();
    let base = || Token::new("t", "octocat");
    let narrow = permissions(Access::Read, Access::None);
    let table = [
        (
            Token {
                revoked: true,
                ..base()
            },
            "Bad credentials",
        ),
        (
            Token {
                permissions: narrow,
                ..base()
            },
            "Resource not accessible by personal access token",
        ),
        (
            Token {
                permissions: narrow,
                kind: TokenKind::UserToServer,
                ..base()
            },
            "Resource not accessible by integration",
        ),
        (
            Token {
                kind: TokenKind::Installation,
                ..base()
            },
            "Resource not accessible by integration",
        ),
        (
            Token {
                repositories: Some(Vec::new()),
                ..base()
            },
            "Not Found",
        ),
    ];
    for (token, expected) in table {
        world.simulator.add_token(token).unwrap();
        let world = World {
            token: "t".to_owned(),
            simulator: world.simulator.clone(),
            checked: true,
        };
        assert_eq!(world.call("POST", TASKS, START).await.at("/message"), expected);
    }
    world
        .simulator
        .add_token(Token {
            needs_sso: true,
            ..base()
        })
        .unwrap();
    let world = World {
        token: "t".to_owned(),
        ..world
    };
    assert!(
        world
            .get(TASKS)
            .await
            .header("x-github-sso")
            .starts_with("required; url=")
    );
}

#[tokio::test(start_paused = true)]
async fn required_headers() {
    let world = World::new();
    let table: [(&str, Option<&str>, u16); 7] = [
        ("user-agent", None, 403),
        ("user-agent", Some("x"), 200),
        ("x-github-api-version", Some("2025-01-01"), 400),
        ("x-github-api-version", None, 200),
        ("authorization", None, 401),
        ("authorization", Some("token github_pat_good"), 200),
        ("authorization", Some("Bearer github_pat_bad"), 401),
    ];
    for (name, value, expected) in table {
        let mut request = world.request("GET", TASKS, "");
        request.headers_mut().remove(name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        assert_eq!(world.answer(request).await.status, expected, "{name}: {value:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_change_and_users_keep_apart() {
    let world = World::new();
    world.start("one").await;
    world
        .simulator
        .change_token(TOKEN, |token| token.revoked = true)
        .unwrap();
    assert_eq!(world.get(TASKS).await.status, 401);
    world.simulator.add_token(Token::new("second", "hubot")).unwrap();
    let hubot = World {
        token: "second".to_owned(),
        simulator: world.simulator.clone(),
        checked: true,
    };
    assert_eq!(hubot.get("/user").await.at("/login"), "hubot");
    assert_eq!(hubot.listed(TASKS).await.len(), 1);
    assert_eq!(hubot.listed("/agents/tasks").await.len(), 0);
    let id = world.simulator.tasks()[0].id.clone();
    assert_eq!(hubot.get(&format!("{TASKS}/{id}")).await.status, 200);
    assert_eq!(hubot.get(&format!("/agents/tasks/{id}")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_repository_redirects() {
    let world = World::new();
    world
        .simulator
        .move_repository("acme/payments-api", "acme-corp/pay")
        .unwrap();
    let table = [
        ("GET", "/repos/acme/payments-api", 301, "/repositories/1296269"),
        (
            "GET",
            "/repos/Acme/Payments-API/pulls?state=all",
            301,
            "/repositories/1296269/pulls?state=all",
        ),
        ("GET", TASKS, 301, "/agents/repos/acme-corp/pay/tasks"),
        ("POST", TASKS, 307, "/agents/repos/acme-corp/pay/tasks"),
    ];
    for (method, path, status, location) in table {
        let got = world.call(method, path, "").await;
        assert_eq!(got.status, status);
        assert_eq!(got.header("location"), format!("https://api.github.com{location}"));
    }
    assert_eq!(
        world.get("/repositories/1296269").await.at("/full_name"),
        "acme-corp/pay"
    );
    assert_eq!(world.get("/repositories/1296269/pulls").await.body, json!([]));
    assert!(world.simulator.tasks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_log_holds_no_token() {
    let world = World::new();
    world.start("one").await;
    world.get("/repos/acme/nothing?per_page=1").await;
    let log = world.simulator.requests();
    let lines: Vec<String> = log
        .iter()
        .map(|it| {
            format!(
                "{} {} {} {:?} {:?}",
                it.method,
                it.path,
                it.query,
                it.user.as_deref(),
                it.status
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "POST /agents/repos/acme/payments-api/tasks  Some(\"octocat\") Some(201)",
            "GET /repos/acme/nothing per_page=1 Some(\"octocat\") Some(404)",
        ]
    );
    assert!(!serde_json::to_string(&log).unwrap().contains(TOKEN));
    world.simulator.clear_requests();
    assert!(world.simulator.requests().is_empty());
    assert_eq!(world.simulator.tasks().len(), 1);
    world.simulator.reset();
    assert_eq!(world.get("/user").await.status, 401);
    assert!(world.simulator.add_repository(Repository::new("no-owner")).is_err());
}
