//! Pull requests: from the artifact to the link, and what people do to them.

use agent_automation::simulator::{Behaviour, ControlError, PullChange, ReviewState};
use serde_json::{Value, json};

use crate::world::{World, pass};

const PULLS: &str = "/repos/acme/payments-api/pulls";

async fn with_pull() -> (World, Value) {
    let world = World::new();
    let id = world.start("Update the dependencies").await;
    pass(8_000).await;
    let task = world.task(&id).await;
    (world, task)
}

#[tokio::test(start_paused = true)]
async fn from_the_artifact_to_the_link() {
    let (world, task) = with_pull().await;
    let artifact = &task["artifacts"][0]["data"];
    let head = task["sessions"][0]["head_ref"].as_str().unwrap();
    let listed = world.get(&format!("{PULLS}?head=acme:{head}&state=all")).await;
    assert_eq!(listed.at("/0/id"), &artifact["id"]);
    assert_eq!(listed.at("/0/html_url"), "https://github.com/acme/payments-api/pull/1");
    assert_eq!(
        (listed.at("/0/draft"), listed.at("/0/state")),
        (&json!(true), &json!("open"))
    );

    let query = "query($id: ID!) { node(id: $id) { ... on PullRequest { number url isDraft state } } }";
    let body = json!({"query": query, "variables": {"id": artifact["global_id"]}});
    let got = world.post("/graphql", &body).await;
    let url = "https://github.com/acme/payments-api/pull/1";
    assert_eq!(
        got.at("/data/node"),
        &json!({"number": 1, "url": url, "isDraft": true, "state": "OPEN"})
    );
    let got = world
        .post("/graphql", &json!({"query": query, "variables": {"id": "PR_other"}}))
        .await;
    assert_eq!(
        (got.at("/data/node"), got.at("/errors/0/type")),
        (&Value::Null, &json!("NOT_FOUND"))
    );

    world.simulator.set_behaviour(Behaviour {
        global_ids: false,
        ..Behaviour::default()
    });
    let task = world.task(task["id"].as_str().unwrap()).await;
    assert_eq!(task["artifacts"][0]["data"], json!({"id": artifact["id"]}));
}

#[tokio::test(start_paused = true)]
async fn filters_of_the_list() {
    let (world, _) = with_pull().await;
    world.start("Fix the docs").await;
    pass(8_000).await;
    world
        .simulator
        .change_pull("acme/payments-api", 1, PullChange::Merge)
        .unwrap();
    let table: [(&str, &[u64]); 10] = [
        ("", &[2]),
        ("?state=open", &[2]),
        ("?state=closed", &[1]),
        ("?state=all", &[2, 1]),
        ("?state=all&direction=asc", &[1, 2]),
        ("?state=all&sort=updated", &[2, 1]),
        ("?state=all&head=acme:copilot/update-the-dependencies-1", &[1]),
        ("?state=all&head=other:copilot/update-the-dependencies-1", &[]),
        ("?state=all&base=release/1", &[]),
        ("?state=all&per_page=1&page=2", &[1]),
    ];
    for (query, expected) in table {
        let got = world.get(&format!("{PULLS}{query}")).await;
        let numbers: Vec<u64> = got
            .body
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["number"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, expected, "{query}");
    }
    assert_eq!(world.get(&format!("{PULLS}?state=merged")).await.status, 422);
    let got = world.get(&format!("{PULLS}?state=all&per_page=1")).await;
    let next = format!("<https://api.github.com{PULLS}?state=all&per_page=1&page=2>");
    assert_eq!(
        got.header("link"),
        format!("{next}; rel=\"next\", {next}; rel=\"last\"")
    );
}

#[tokio::test(start_paused = true)]
async fn what_people_do_to_it() {
    let (world, _) = with_pull().await;
    let review = |state| PullChange::Review {
        by: "hubot".to_owned(),
        state,
        body: "ok".to_owned(),
    };
    let table = [
        (PullChange::Ready, "open", false, false),
        (PullChange::Draft, "open", true, false),
        (PullChange::Close, "closed", true, false),
        (PullChange::Reopen, "open", true, false),
        (review(ReviewState::ChangesRequested), "open", true, false),
        (review(ReviewState::Approved), "open", true, false),
        (PullChange::Merge, "closed", false, true),
    ];
    for (change, state, draft, merged) in table {
        world
            .simulator
            .change_pull("acme/payments-api", 1, change.clone())
            .unwrap();
        let got = world.get(&format!("{PULLS}/1")).await;
        let seen = (got.at("/state"), got.at("/draft"), got.at("/merged"));
        assert_eq!(seen, (&json!(state), &json!(draft), &json!(merged)), "{change:?}");
        assert_eq!(got.at("/merged_at").is_string(), merged);
    }
    let reviews = world.get(&format!("{PULLS}/1/reviews")).await;
    let states: Vec<&Value> = reviews
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|review| &review["state"])
        .collect();
    assert_eq!(states, ["CHANGES_REQUESTED", "APPROVED"]);
    assert_eq!(reviews.at("/0/user/login"), "hubot");
    let record = &world.simulator.pulls()[0];
    assert_eq!((record.open, record.merged, record.reviews), (false, true, 2));

    let unknown = world.simulator.change_pull("acme/payments-api", 9, PullChange::Close);
    assert!(matches!(unknown, Err(ControlError::UnknownPull { number: 9, .. })));
    assert_eq!(world.get(&format!("{PULLS}/9")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn repositories_and_branches() {
    let (world, task) = with_pull().await;
    let head = task["sessions"][0]["head_ref"].as_str().unwrap().to_owned();
    let branches = "/repos/acme/payments-api/branches";
    let table = [
        ("main", 200),
        ("release/1", 200),
        ("release%2F1", 200),
        ("release%2F2", 404),
        (head.as_str(), 200),
    ];
    for (branch, status) in table {
        assert_eq!(
            world.get(&format!("{branches}/{branch}")).await.status,
            status,
            "{branch}"
        );
    }
    let got = world.get("/repos/ACME/payments-API").await;
    assert_eq!(got.at("/full_name"), "acme/payments-api");
    assert_eq!(world.get("/repos/acme/gone").await.status, 404);
}
