//! What goes wrong, when it is told to, and only then.

use std::time::Duration;

use agent_automation::simulator::{Access, Answer, Effect, Failure, Fault, Operation, Permissions, Token, When};
use serde_json::{Value, json};

use crate::world::{TASKS, TOKEN, World, next, pass};

fn start(world: &World) -> http::Request<axum::body::Bytes> {
    world.request("POST", TASKS, r#"{"prompt": "x"}"#)
}

/// What came of a call: the status, or how there was none; and after how many milliseconds.
async fn outcome(world: &World) -> (String, u128) {
    let begin = tokio::time::Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(60), world.send(start(world))).await;
    let text = match answer {
        Err(_) => "nothing".to_owned(),
        Ok(Answer::Reset) => "reset".to_owned(),
        Ok(Answer::Truncated(..)) => "truncated".to_owned(),
        Ok(Answer::Response(response)) => response.status().as_u16().to_string(),
    };
    (text, begin.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn starts_that_fail_before_or_lose_their_answer() {
    let table = [
        (Effect::FailBefore(Failure::Reset), "reset", 0, 0),
        (Effect::FailBefore(Failure::Status(503)), "503", 0, 0),
        (Effect::FailBefore(Failure::TimeOut), "502", 10_000, 0),
        (Effect::FailBefore(Failure::Hang), "nothing", 60_000, 0),
        (Effect::LoseAnswer(Failure::Reset), "reset", 0, 1),
        (Effect::LoseAnswer(Failure::Status(500)), "500", 0, 1),
        (Effect::LoseAnswer(Failure::Status(200)), "500", 0, 1),
        (Effect::LoseAnswer(Failure::TimeOut), "502", 10_000, 1),
        (Effect::LoseAnswer(Failure::Hang), "nothing", 60_000, 1),
        (
            Effect::Slow {
                before_ms: 0,
                after_ms: 3_000,
            },
            "201",
            3_000,
            1,
        ),
        (
            Effect::Slow {
                before_ms: 2_000,
                after_ms: 1_000,
            },
            "201",
            3_000,
            1,
        ),
        (
            Effect::Slow {
                before_ms: 0,
                after_ms: 10_000,
            },
            "502",
            10_000,
            1,
        ),
        (
            Effect::Slow {
                before_ms: 30_000,
                after_ms: 0,
            },
            "502",
            10_000,
            1,
        ),
        (
            Effect::Refuse {
                status: 422,
                message: "no".to_owned(),
            },
            "422",
            0,
            0,
        ),
        (Effect::Truncate, "truncated", 0, 1),
    ];
    for (effect, expected, ms, created) in table {
        let world = World::new();
        world.simulator.add_fault(next(Operation::StartTask, effect.clone()));
        assert_eq!(outcome(&world).await, (expected.to_owned(), ms), "{effect:?}");
        assert_eq!(world.simulator.tasks().len(), created, "{effect:?}");
        assert_eq!(outcome(&world).await, ("201".to_owned(), 0), "after {effect:?}");
        let log = world.simulator.requests();
        assert_eq!((log[0].effects.len(), log[1].effects.len()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_has_still_started_a_task() {
    let world = World::new();
    world.simulator.add_fault(next(
        Operation::StartTask,
        Effect::Slow {
            before_ms: 5_000,
            after_ms: 0,
        },
    ));
    let waited = tokio::time::timeout(Duration::from_secs(1), world.send(start(&world))).await;
    assert!(waited.is_err());
    assert_eq!(world.listed(TASKS).await.len(), 0);
    pass(4_000).await;
    assert_eq!(world.listed(TASKS).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn which_calls_a_fault_hits() {
    let hits = |when| async move {
        let world = World::new();
        let effect = Effect::Refuse {
            status: 403,
            message: "no".to_owned(),
        };
        world.simulator.add_fault(Fault {
            on: vec![Operation::GetUser],
            when,
            effect,
        });
        let mut hit = Vec::new();
        for n in 1..=40 {
            assert_eq!(world.get("/agents/tasks").await.status, 200);
            if world.get("/user").await.status == 403 {
                hit.push(n);
            }
        }
        world.simulator.clear_faults();
        assert_eq!(world.get("/user").await.status, 200);
        hit
    };
    assert_eq!(hits(When::Next(2)).await, [1, 2]);
    assert_eq!(hits(When::Nth(3)).await, [3]);
    assert_eq!(hits(When::Always).await.len(), 40);
    assert_eq!(hits(When::Rate(0.0)).await.len(), 0);
    assert_eq!(hits(When::Rate(1.0)).await.len(), 40);
    let some = hits(When::Rate(0.5)).await;
    assert!((8..=32).contains(&some.len()), "{some:?}");
    assert_eq!(some, hits(When::Rate(0.5)).await);
}

#[tokio::test(start_paused = true)]
async fn a_new_task_shows_late() {
    let world = World::new();
    world.simulator.add_fault(next(
        Operation::StartTask,
        Effect::ShowLate {
            list_ms: 5_000,
            get_ms: 3_000,
        },
    ));
    let id = world.start("x").await;
    let mut seen = Vec::new();
    for ms in [0, 2_999, 1, 1_999, 1] {
        pass(ms).await;
        let got = world.get(&format!("/agents/tasks/{id}")).await.status;
        seen.push((
            got,
            world.listed("/agents/tasks").await.len(),
            world.listed(TASKS).await.len(),
        ));
    }
    assert_eq!(seen, [(404, 0, 0), (404, 0, 0), (200, 0, 0), (200, 0, 0), (200, 1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn reads_go_back_in_time() {
    let world = World::new();
    let id = world.start("x").await;
    pass(8_000).await;
    assert_eq!(world.task(&id).await["state"], "completed");
    world
        .simulator
        .add_fault(next(Operation::GetRepositoryTask, Effect::Stale { ms: 7_000 }));
    assert_eq!(world.task(&id).await["state"], "queued");
    assert_eq!(world.task(&id).await["state"], "completed");
}

#[tokio::test(start_paused = true)]
async fn tokens_end_in_the_middle() {
    let narrowed = Permissions {
        agent_tasks: Access::Read,
        pull_requests: Access::None,
        ..Permissions::default()
    };
    let table = [
        (Effect::RevokeToken, 401, 401),
        (Effect::ExpireToken, 401, 401),
        (Effect::NarrowToken(narrowed), 403, 200),
    ];
    for (effect, at_start, afterwards) in table {
        let world = World::new();
        world.simulator.add_fault(next(Operation::StartTask, effect));
        assert_eq!(world.post(TASKS, &json!({"prompt": "x"})).await.status, at_start);
        assert_eq!(world.get(TASKS).await.status, afterwards);
        assert!(world.simulator.tasks().is_empty());
        world.simulator.add_token(Token::new(TOKEN, "octocat")).unwrap();
        assert_eq!(world.post(TASKS, &json!({"prompt": "x"})).await.status, 201);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_spoilt() {
    let world = World::new();
    let id = world.start("x").await;
    pass(8_000).await;
    let world = World {
        checked: false,
        ..world
    };
    let spoil = async |effect: Effect| {
        world.simulator.add_fault(next(Operation::GetRepositoryTask, effect));
        world.get(&format!("{TASKS}/{id}")).await
    };
    let got = spoil(Effect::UnknownEnums).await;
    for pointer in [
        "/state",
        "/sessions/0/state",
        "/artifacts/0/type",
        "/creator_type",
        "/sessions/0/usage/type",
    ] {
        assert_eq!(got.at(pointer), "something_new", "{pointer}");
    }
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let got = spoil(Effect::Omit(vec!["sessions".to_owned(), "updated_at".to_owned()])).await;
    assert!(!names(&got.body).contains("sessions") && !names(&got.body).contains("updated_at"));
    let got = spoil(Effect::MalformedJson).await;
    assert_eq!((got.status, got.body), (200, Value::Null));

    let world = World { checked: true, ..world };
    world
        .simulator
        .add_fault(next(Operation::GetRepositoryTask, Effect::OmitOptional));
    let got = world.get(&format!("{TASKS}/{id}")).await;
    assert_eq!(names(&got.body), "created_at id sessions state");
    assert_eq!(names(got.at("/sessions/0")), "created_at id state");
    for operation in [Operation::ListTasks, Operation::ListPulls] {
        world.simulator.add_fault(next(operation, Effect::OmitOptional));
    }
    assert_eq!(names(&world.get("/agents/tasks").await.body), "tasks");
    let pulls = world.get("/repos/acme/payments-api/pulls").await;
    assert_eq!(pulls.at("/0/draft"), &Value::Null);
}
