//! Lists: filters, order, pages; and what a start refuses.

use agent_automation::simulator::{Limits, Script, TaskStart};
use serde_json::{Value, json};

use crate::world::{Got, TASKS, World, pass};

/// Three tasks a minute apart: `a` ended, `b` ended and archived, `c` by somebody else and still running.
async fn three() -> (World, [String; 3]) {
    let world = World::new();
    world
        .simulator
        .queue_scripts(vec![Script::pull_request(), Script::failed("no"), Script::endless()]);
    let a = world.start("a").await;
    pass(60_000).await;
    let b = world.start("b").await;
    pass(60_000).await;
    let start = TaskStart {
        repository: "acme/payments-api".to_owned(),
        creator: "hubot".to_owned(),
        prompt: "c".to_owned(),
        create_pull_request: false,
        script: None,
    };
    let c = world.simulator.start_task(start).unwrap();
    world.simulator.archive_task(&b).unwrap();
    pass(2_500).await;
    (world, [a, b, c])
}

#[tokio::test(start_paused = true)]
async fn filters_and_order() {
    let (world, [a, b, c]) = three().await;
    let table: [(&str, Vec<&String>); 16] = [
        ("", vec![&c, &a]),
        ("?direction=asc", vec![&a, &c]),
        ("?sort=created_at", vec![&c, &a]),
        ("?is_archived=false", vec![&c, &a]),
        ("?is_archived=true", vec![&b]),
        ("?state=completed", vec![&a]),
        ("?state=completed,in_progress", vec![&c, &a]),
        ("?state=failed", vec![]),
        ("?state=failed&is_archived=true", vec![&b]),
        ("?creator_id=1", vec![&a]),
        ("?creator_id=1&creator_id=2", vec![&c, &a]),
        ("?creator_id=3", vec![]),
        // `a` was created at 06:00:00 and last changed at 06:00:08.
        ("?since=2026-11-22T06:00:08Z", vec![&c, &a]),
        ("?since=2026-11-22T06:00:09Z", vec![&c]),
        ("?since=2026-11-22T07:00:08%2B01:00", vec![&c, &a]),
        ("?per_page=1&page=2", vec![&a]),
    ];
    for (query, expected) in table {
        let listed = world.listed(&format!("{TASKS}{query}")).await;
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let got = world.get(TASKS).await;
    assert_eq!(
        (got.at("/total_active_count"), got.at("/total_archived_count")),
        (&json!(2), &json!(1))
    );
    assert_eq!(got.at("/tasks/0/sessions"), &Value::Null);
}

#[tokio::test(start_paused = true)]
async fn mistaken_parameters() {
    let world = World::new();
    for query in [
        "per_page=0",
        "per_page=101",
        "per_page=x",
        "page=0",
        "sort=name",
        "direction=up",
        "state=done",
        "state=queued,done",
        "is_archived=maybe",
        "since=yesterday",
        "creator_id=octocat",
    ] {
        let got = world.get(&format!("{TASKS}?{query}")).await;
        assert_eq!(
            (got.status, got.at("/errors/0/code")),
            (422, &json!("invalid")),
            "{query}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_order_by_change_differs_from_that_by_creation() {
    let world = World::new();
    let slow = world.start("slow").await;
    pass(1_000).await;
    world
        .simulator
        .queue_scripts(vec![Script::failed("at once").with_delays(0, 0)]);
    let quick = world.start("quick").await;
    pass(60_000).await;
    assert_eq!(world.listed(TASKS).await, [slow.clone(), quick.clone()]);
    assert_eq!(world.listed(&format!("{TASKS}?sort=created_at")).await, [quick, slow]);
}

#[tokio::test(start_paused = true)]
async fn pages_are_linked() {
    let world = World::new();
    world.simulator.set_limits(Limits::none());
    for number in 0..5 {
        world.start(&format!("task {number}")).await;
    }
    let link = |page: u32, name: &str| {
        format!("<https://api.github.com{TASKS}?state=queued&per_page=2&page={page}>; rel=\"{name}\"")
    };
    let table = [
        (1, 2, vec![link(2, "next"), link(1, "first")]),
        (2, 2, vec![link(1, "prev"), link(3, "next"), link(1, "first")]),
        (3, 1, vec![link(2, "prev"), link(1, "first"), link(3, "last")]),
        (4, 0, vec![link(3, "prev"), link(1, "first"), link(3, "last")]),
    ];
    for (page, count, links) in table {
        let got = world.get(&format!("{TASKS}?state=queued&per_page=2&page={page}")).await;
        assert_eq!(got.at("/tasks").as_array().unwrap().len(), count);
        assert_eq!(got.header("link"), links.join(", "));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_start_takes_and_refuses() {
    let world = World::new();
    let table = [
        (r#"{"prompt": "x"}"#, 201, ""),
        (
            r#"{"prompt": "x", "base_ref": "release/1", "model": "gpt-5.4", "custom_agent": "deps"}"#,
            201,
            "",
        ),
        (r#"{"prompt": "x", "head_ref": "feature"}"#, 201, ""),
        (r#"{"prompt": "x", "base_ref": "gone"}"#, 422, "custom"),
        (r"{}", 422, "missing_field"),
        (r#"{"prompt": " "}"#, 422, "missing_field"),
        (r#"{"prompt": 1}"#, 422, "invalid"),
        (r#"{"prompt": "x", "create_pull_request": "yes"}"#, 422, "invalid"),
        (r#"{"prompt": "x", "model": 5}"#, 422, "invalid"),
        (r"[]", 400, ""),
        (r#"{"prompt": "#, 400, ""),
    ];
    for (body, status, code) in table {
        let got: Got = world.call("POST", TASKS, body).await;
        assert_eq!(
            (got.status, got.at("/errors/0/code").as_str().unwrap_or_default()),
            (status, code),
            "{body}"
        );
    }
    let records = world.simulator.tasks();
    let seen: Vec<_> = records
        .iter()
        .map(|it| {
            (
                it.base_ref.as_str(),
                it.head_ref.as_str(),
                it.model.as_deref(),
                it.custom_agent.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("main", "copilot/x-1", None, None),
            ("release/1", "copilot/x-2", Some("gpt-5.4"), Some("deps")),
            ("main", "feature", None, None),
        ]
    );
}
