//! How tasks go.

use agent_automation::simulator::{
    Behaviour, Command, End, Leaves, Script, SessionScript, SessionState, TaskStart, When,
};
use serde_json::{Value, json};

use crate::world::{TASKS, World, pass};

/// What a task shows at an instant: state, sessions, artifact, completed, credits, error.
fn shown(task: &Value) -> String {
    let newest = task["sessions"]
        .as_array()
        .and_then(|sessions| sessions.last())
        .unwrap();
    let artifact = task["artifacts"]
        .as_array()
        .unwrap()
        .first()
        .map_or("-", |it| it["type"].as_str().unwrap());
    let completed = if newest.get("completed_at").is_some() {
        "completed"
    } else {
        "-"
    };
    let usage = newest
        .get("usage")
        .map_or("-".to_owned(), |usage| usage["amount"].to_string());
    let error = newest
        .get("error")
        .map_or("-", |error| error["message"].as_str().unwrap());
    format!(
        "{} {} {artifact} {completed} {usage} {error}",
        task["state"].as_str().unwrap(),
        task["session_count"]
    )
}

#[tokio::test(start_paused = true)]
async fn each_script_at_several_instants() {
    let quick = |script: Script| script.with_delays(2_000, 4_000);
    let table: Vec<(Script, [&str; 4])> = vec![
        (
            Script::pull_request(),
            [
                "queued 1 - - - -",
                "in_progress 1 - - - -",
                "in_progress 1 pull - - -",
                "completed 1 pull completed 1250000000 -",
            ],
        ),
        (
            Script::branch_only(),
            [
                "queued 1 - - - -",
                "in_progress 1 - - - -",
                "in_progress 1 branch - - -",
                "completed 1 branch completed 1250000000 -",
            ],
        ),
        (
            Script::failed("out of credits"),
            [
                "queued 1 - - - -",
                "in_progress 1 - - - -",
                "in_progress 1 - - - -",
                "failed 1 - completed 1250000000 out of credits",
            ],
        ),
        (
            Script::timed_out(),
            [
                "queued 1 - - - -",
                "in_progress 1 - - - -",
                "in_progress 1 pull - - -",
                "timed_out 1 pull completed 1250000000 -",
            ],
        ),
        (
            Script::cancelled(),
            [
                "queued 1 - - - -",
                "in_progress 1 - - - -",
                "in_progress 1 pull - - -",
                "cancelled 1 pull completed 1250000000 -",
            ],
        ),
        (
            Script::waiting_for_user(),
            [
                "queued 1 - - - -",
                "in_progress 1 - - - -",
                "in_progress 1 pull - - -",
                "waiting_for_user 1 pull - - -",
            ],
        ),
        (
            Script::endless(),
            [
                "queued 1 - - - -",
                "in_progress 1 - - - -",
                "in_progress 1 pull - - -",
                "in_progress 1 pull - - -",
            ],
        ),
    ];
    for (script, expected) in table {
        let world = World::new();
        world.simulator.set_default_script(quick(script));
        let id = world.start("Update the dependencies").await;
        let mut seen = Vec::new();
        for ms in [0, 2_000, 1_000, 3_000] {
            pass(ms).await;
            seen.push(shown(&world.task(&id).await));
        }
        assert_eq!(seen, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_finished_task_becomes_active_again() {
    let world = World::new();
    world
        .simulator
        .set_default_script(Script::active_again().with_delays(1_000, 2_000));
    let id = world.start("Update the dependencies").await;
    let mut seen = Vec::new();
    for ms in [3_000, 10_000, 1_000, 2_000] {
        pass(ms).await;
        seen.push(shown(&world.task(&id).await));
    }
    assert_eq!(
        seen,
        [
            "completed 1 pull completed 1250000000 -",
            "queued 2 pull - - -",
            "in_progress 2 pull - - -",
            "completed 2 pull completed 1250000000 -",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn no_pull_request_unless_asked_for() {
    let world = World::new();
    let started = world.post(TASKS, &json!({"prompt": "Tidy up"})).await;
    pass(20_000).await;
    let task = world.task(started.at("/id").as_str().unwrap()).await;
    assert_eq!(task["artifacts"][0]["type"], "branch");
    assert_eq!(
        task["artifacts"][0]["data"],
        json!({"head_ref": "copilot/tidy-up-1", "base_ref": "main"})
    );
}

#[tokio::test(start_paused = true)]
async fn the_queue_goes_before_the_prompt_the_repository_and_the_default() {
    let world = World::new();
    let ending = |message: &str| Script::failed(message).with_delays(0, 0);
    world.simulator.set_default_script(ending("default"));
    world
        .simulator
        .set_repository_script("ACME/payments-api", ending("repository"));
    world.simulator.set_prompt_script("docs", ending("prompt"));
    world.simulator.queue_scripts(vec![ending("queued")]);
    world
        .simulator
        .add_repository(agent_automation::simulator::Repository::new("acme/other"))
        .unwrap();
    let mut seen = Vec::new();
    for (repository, prompt) in [
        ("payments-api", "docs"),
        ("payments-api", "the docs"),
        ("payments-api", "code"),
        ("other", "code"),
    ] {
        let path = format!("/agents/repos/acme/{repository}/tasks");
        let id = world
            .post(&path, &json!({"prompt": prompt}))
            .await
            .at("/id")
            .as_str()
            .unwrap()
            .to_owned();
        let task = world.get(&format!("/agents/tasks/{id}")).await;
        seen.push(task.at("/sessions/0/error/message").as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["queued", "prompt", "repository", "default"]);
}

#[tokio::test(start_paused = true)]
async fn people_cancel_continue_archive_and_start_tasks() {
    let world = World::new();
    let id = world.start("Update the dependencies").await;
    pass(2_500).await;
    world.simulator.cancel_task(&id).unwrap();
    assert_eq!(shown(&world.task(&id).await), "cancelled 1 - completed 1250000000 -");
    pass(60_000).await;
    let session = SessionScript {
        queued_ms: 0,
        running_ms: 1_000,
        ..SessionScript::ending(End::Idle)
    };
    world.simulator.continue_task(&id, session).unwrap();
    assert_eq!(shown(&world.task(&id).await), "in_progress 2 - - - -");
    pass(1_000).await;
    assert_eq!(shown(&world.task(&id).await), "idle 2 pull - - -");

    world.simulator.archive_task(&id).unwrap();
    assert_eq!(world.listed("/agents/tasks").await, Vec::<String>::new());
    assert_eq!(
        world.listed("/agents/tasks?is_archived=true").await,
        std::slice::from_ref(&id)
    );
    assert_eq!(world.task(&id).await["archived_at"], "2026-11-22T06:01:03Z");

    let start = TaskStart {
        repository: "acme/payments-api".to_owned(),
        creator: "hubot".to_owned(),
        prompt: "By hand".to_owned(),
        create_pull_request: false,
        script: None,
    };
    let other = world.simulator.start_task(start).unwrap();
    assert_eq!(world.listed(TASKS).await, std::slice::from_ref(&other));
    assert_eq!(world.listed("/agents/tasks").await, Vec::<String>::new());
    let records = world.simulator.tasks();
    assert_eq!(
        records.iter().map(|task| (&task.id, task.state)).collect::<Vec<_>>(),
        [(&id, SessionState::Idle), (&other, SessionState::Queued)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_prompt_comes_back_as_it_was_given_or_not_at_all() {
    let world = World::new();
    let prompt = "Do it.\n\n<!-- marker: 1 -->\n";
    let id = world.start(prompt).await;
    assert_eq!(world.task(&id).await["sessions"][0]["prompt"], prompt);
    world.simulator.set_behaviour(Behaviour {
        echo_prompt: false,
        ..Behaviour::default()
    });
    assert_eq!(world.task(&id).await["sessions"][0].get("prompt"), None);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_ids() {
    let mut ids = Vec::new();
    for seed in [1, 1, 2] {
        let world = World::seeded(seed);
        world.get("/user").await;
        ids.push(world.start("one").await);
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    assert_eq!(ids[0].len(), 36);
}

#[test]
fn commands_are_short_to_write() {
    let commands = r"
- add_user: {login: octocat, id: 1}
- add_token: {token: t, owner: octocat, kind: user_to_server, permissions: {agent_tasks: read}}
- add_repository: {name: acme/payments-api, branches: [release/1]}
- set_default_script: {sessions: [{queued_ms: 10, end: {failed: {message: no}}, leaves: nothing}]}
- add_fault: {on: [start_task], when: {nth: 2}, effect: {lose_answer: reset}}
- add_fault: {when: {rate: 0.1}, effect: {fail_before: {status: 503}}}
- clear_faults
- set_limits: {primary: 60, throttle: {status: 429}}
";
    let commands: Vec<Command> = serde_saphyr::from_str(commands).unwrap();
    let Command::SetDefaultScript(script) = &commands[3] else {
        panic!("not a script")
    };
    let session = SessionScript {
        queued_ms: 10,
        leaves: Leaves::Nothing,
        ..SessionScript::ending(End::Failed {
            message: "no".to_owned(),
        })
    };
    assert_eq!(script, &Script::from(session));
    let Command::AddFault(fault) = &commands[4] else {
        panic!("not a fault")
    };
    assert_eq!(fault.when, When::Nth(2));
}
