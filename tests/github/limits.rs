//! Primary and secondary limits, and what does not count.

use agent_automation::simulator::{Effect, Limits, Operation, PrimaryLimit, SecondaryLimits, Throttle};
use serde_json::json;

use crate::world::{TASKS, World, next, pass};

#[tokio::test(start_paused = true)]
async fn the_primary_limit_counts_down_and_comes_back() {
    let world = World::new();
    world.simulator.set_limits(Limits {
        primary: 3,
        ..Limits::default()
    });
    let mut seen = Vec::new();
    for _ in 0..4 {
        let got = world.get("/user").await;
        let remaining = got.header("x-ratelimit-remaining").to_owned();
        seen.push((got.status, remaining));
    }
    let expected = [(200, "2"), (200, "1"), (200, "0"), (403, "0")];
    assert_eq!(seen, expected.map(|(status, remaining)| (status, remaining.to_owned())));
    let got = world.get("/rate_limit").await;
    assert_eq!(got.at("/resources/core/remaining"), 0);
    assert_eq!(got.at("/resources/core/reset"), &json!(1_795_330_800));
    assert_eq!(got.header("x-ratelimit-reset"), "1795330800");
    pass(3_600_000).await;
    assert_eq!(world.get("/user").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_not_changed_is_free() {
    let world = World::new();
    let id = world.start("one").await;
    let path = format!("{TASKS}/{id}");
    let first = world.get(&path).await;
    let left = first.header("x-ratelimit-remaining").to_owned();
    let again = world.get_with(&path, "if-none-match", first.header("etag")).await;
    assert_eq!(
        (again.status, again.header("x-ratelimit-remaining")),
        (304, left.as_str())
    );
    assert_eq!(again.header("etag"), first.header("etag"));
    pass(2_000).await;
    let changed = world.get_with(&path, "if-none-match", first.header("etag")).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("x-ratelimit-remaining"), left);
}

#[tokio::test(start_paused = true)]
async fn secondary_limits_and_how_they_are_told() {
    let table = [
        (
            SecondaryLimits {
                content_per_minute: Some(2),
                ..SecondaryLimits::default()
            },
            403,
            Some(30),
            60_000,
        ),
        (
            SecondaryLimits {
                content_per_hour: Some(2),
                ..SecondaryLimits::default()
            },
            429,
            Some(60),
            3_600_000,
        ),
        (
            SecondaryLimits {
                points_per_minute: Some(14),
                ..SecondaryLimits::default()
            },
            429,
            None,
            60_000,
        ),
    ];
    for (secondary, status, retry_after_s, window_ms) in table {
        let world = World::new();
        let throttle = Throttle { status, retry_after_s };
        world.simulator.set_limits(Limits {
            secondary,
            throttle,
            ..Limits::default()
        });
        world.start("one").await;
        world.start("two").await;
        let got = world.post(TASKS, &json!({"prompt": "three"})).await;
        assert_eq!(got.status, status);
        assert_eq!(
            got.header("retry-after"),
            retry_after_s.map(|it| it.to_string()).unwrap_or_default()
        );
        assert!(got.at("/message").as_str().unwrap().contains("secondary rate limit"));
        assert_eq!(world.simulator.tasks().len(), 2);
        pass(window_ms).await;
        world.start("three").await;
    }
}

#[tokio::test(start_paused = true)]
async fn limits_by_fault_and_by_hand() {
    let world = World::new();
    let secondary = Effect::SecondaryLimit {
        status: 429,
        retry_after_s: Some(7),
    };
    world.simulator.add_fault(next(Operation::ListTasks, secondary));
    let got = world.get("/agents/tasks").await;
    assert_eq!((got.status, got.header("retry-after")), (429, "7"));
    assert_eq!(world.get("/agents/tasks").await.status, 200);

    world
        .simulator
        .add_fault(next(Operation::StartTask, Effect::PrimaryLimit { reset_in_s: 90 }));
    let got = world.post(TASKS, &json!({"prompt": "one"})).await;
    assert_eq!((got.status, got.header("x-ratelimit-remaining")), (403, "0"));
    pass(89_999).await;
    assert_eq!(world.get("/user").await.status, 403);
    pass(1).await;
    assert_eq!(world.get("/user").await.status, 200);

    let reset_at = "2026-11-22T07:00:00Z".parse().unwrap();
    world
        .simulator
        .set_primary_limit(
            "octocat",
            PrimaryLimit {
                limit: 60,
                remaining: 0,
                reset_at,
            },
        )
        .unwrap();
    assert_eq!(world.get("/user").await.header("x-ratelimit-limit"), "60");
}
