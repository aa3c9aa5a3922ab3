//! Webhooks: what they carry, held to GitHub's examples and its description, and how they are delivered.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use agent_automation::simulator::{
    Access, DeliveryEffect, DeliveryFault, DeliveryOutcome, IssueChange, NewHook, Outgoing, PullChange, ReviewState,
    Simulator, Sink, When,
};
use harness::openapi::check_webhook;
use serde_json::{Value, json};

use crate::{
    issues::{NAME, change, issue, people, permit, pull},
    world::{World, pass},
};

const HOOKS: &str = "/repos/acme/payments-api/hooks";

/// Keeps what arrives, in order of arrival, and answers it.
#[derive(Clone, Default)]
struct Receiver {
    arrived: Arc<Mutex<Vec<Outgoing>>>,
    /// `None`: no answer. 200 without one.
    answers: Arc<Mutex<Vec<Option<u16>>>>,
}

impl Sink for Receiver {
    fn send(&self, simulator: &Simulator, outgoing: Outgoing) {
        let (receiver, simulator) = (self.clone(), simulator.clone());
        tokio::spawn(async move {
            tokio::time::sleep(outgoing.delay).await;
            let id = outgoing.id;
            receiver.arrived.lock().unwrap().push(outgoing);
            let status = receiver.answers.lock().unwrap().pop().unwrap_or(Some(200));
            simulator.delivered(id, status);
        });
    }
}

impl Receiver {
    fn headers(&self, name: &str) -> Vec<String> {
        let arrived = self.arrived.lock().unwrap();
        let values = arrived.iter().map(|outgoing| outgoing.request.headers()[name].to_str());
        values.map(|value| value.unwrap().to_owned()).collect()
    }

    fn bodies(&self) -> Vec<(String, Value)> {
        let arrived = self.arrived.lock().unwrap();
        arrived
            .iter()
            .map(|outgoing| {
                let event = outgoing.request.headers()["x-github-event"].to_str().unwrap();
                (
                    event.to_owned(),
                    serde_json::from_slice(outgoing.request.body()).unwrap(),
                )
            })
            .collect()
    }
}

async fn hooked(events: &[&str]) -> (World, Receiver) {
    let (world, receiver) = (people(), Receiver::default());
    world.simulator.set_sink(Arc::new(receiver.clone()));
    let hook = NewHook {
        repository: NAME.to_owned(),
        url: "http://127.0.0.1:1/webhooks/github/team/events".to_owned(),
        secret: Some("It's a Secret to Everybody".to_owned()),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
    };
    world.simulator.add_hook(hook).unwrap();
    pass(1).await;
    (world, receiver)
}

/// All that happens and is told.
async fn everything(world: &World) {
    let text = str::to_owned;
    let simulator = &world.simulator;
    let opened = simulator.open_issue(issue("hubot", "Slow")).unwrap();
    let proposed = simulator.open_pull(pull("hubot", Some("hubot/payments-api"))).unwrap();
    for number in [opened, proposed] {
        for step in [
            IssueChange::Title(text("Slower")),
            IssueChange::Body(Some(text("At noon"))),
            IssueChange::Label(text("agent")),
            IssueChange::Assign(text("octocat")),
            IssueChange::Milestone(Some(text("1.0"))),
            IssueChange::Close,
            IssueChange::Reopen,
            IssueChange::Milestone(None),
            IssueChange::Unassign(text("octocat")),
            IssueChange::Unlabel(text("agent")),
        ] {
            change(world, number, step);
        }
        let id = simulator.comment(NAME, number, "hubot", "/agent fix").unwrap();
        simulator.edit_comment(id, "hubot", "/agent stop").unwrap();
    }
    let review = PullChange::Review {
        by: text("octocat"),
        state: ReviewState::Approved,
        body: text("Yes"),
    };
    for step in [
        PullChange::Ready,
        PullChange::Draft,
        PullChange::Push,
        review,
        PullChange::Merge,
    ] {
        simulator.change_pull(NAME, proposed, step).unwrap();
    }
    pass(1).await;
}

/// GitHub's examples: event, action, payload.
fn examples() -> Vec<(String, Option<String>, Value)> {
    let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webhook-examples/fetch");
    let output = Command::new(fetch).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read(String::from_utf8_lossy(&output.stdout).trim()).unwrap();
    let events: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let rows = events.iter().flat_map(|event| {
        let name = event["name"].as_str().unwrap().to_owned();
        let examples = event["examples"].as_array().unwrap().iter();
        examples.map(move |example| {
            (
                name.clone(),
                example["action"].as_str().map(str::to_owned),
                example.clone(),
            )
        })
    });
    rows.collect()
}

/// What GitHub's description names, but no example shows: a field of an object, and for an event a field of the payload.
const UNSHOWN: &str = "repo/has_discussions";
const UNSHOWN_OF: [(&str, &str); 4] = [
    ("issues", "organization"),
    ("pull_request", "changes"),
    ("pull_request", "milestone"),
    ("pull_request", "organization"),
];

/// The fields of each object, by the object's name: `milestone/title`. Lists and whose account it is make no difference.
fn fields(value: &Value, name: &str, into: &mut BTreeSet<String>) {
    let name = if matches!(name, "merged_by" | "assignees") {
        "user"
    } else {
        name
    };
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                into.insert(format!("{name}/{member}"));
                fields(value, member, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, name, into)),
        _ => {}
    }
}

fn keys(value: &Value) -> impl Iterator<Item = &String> {
    value.as_object().unwrap().keys()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_looks_like_the_examples_and_is_as_described() {
    let (world, receiver) = hooked(&["*"]).await;
    everything(&world).await;
    let examples = examples();
    let mut shown: BTreeSet<String> = [UNSHOWN.to_owned()].into();
    for (_, _, example) in &examples {
        keys(example).for_each(|key| fields(&example[key], key, &mut shown));
    }
    let (mut seen, mut mistakes) = (BTreeSet::new(), BTreeSet::new());
    for (event, body) in receiver.bodies() {
        let action = body["action"].as_str();
        seen.insert(format!("{event} {}", action.unwrap_or_default()));
        mistakes.extend(check_webhook(&event, action, body.to_string().as_bytes()).err());
        let of_event = || examples.iter().filter(|(name, ..)| *name == event);
        let has_own = of_event().any(|(_, of, _)| of.as_deref() == action);
        // Some actions have no example of their own: then any of the event's.
        let own = of_event().filter(|(_, of, _)| !has_own || of.as_deref() == action);
        let mut known: BTreeSet<&str> = own
            .flat_map(|(.., example)| keys(example))
            .map(String::as_str)
            .collect();
        let also = UNSHOWN_OF.iter().filter(|(of, _)| *of == event);
        known.extend(also.map(|(_, key)| *key));
        let mut sent = BTreeSet::new();
        for key in keys(&body) {
            fields(&body[key], key, &mut sent);
            mistakes.extend((!known.contains(key.as_str())).then(|| format!("{event} {action:?}: {key}")));
        }
        mistakes.extend(
            sent.difference(&shown)
                .map(|field| format!("{event} {action:?}: {field}")),
        );
    }
    assert_eq!(mistakes, BTreeSet::new());
    let expected = [
        "ping ",
        "issues opened",
        "issues edited",
        "issues labeled",
        "issues unlabeled",
        "issues assigned",
        "issues unassigned",
        "issues milestoned",
        "issues demilestoned",
        "issues closed",
        "issues reopened",
        "issue_comment created",
        "issue_comment edited",
        "pull_request opened",
        "pull_request edited",
        "pull_request labeled",
        "pull_request unlabeled",
        "pull_request assigned",
        "pull_request unassigned",
        "pull_request milestoned",
        "pull_request demilestoned",
        "pull_request closed",
        "pull_request reopened",
        "pull_request ready_for_review",
        "pull_request converted_to_draft",
        "pull_request synchronize",
        "pull_request_review submitted",
    ];
    assert_eq!(seen, expected.iter().map(|name| (*name).to_owned()).collect());
}

#[tokio::test(start_paused = true)]
async fn who_did_what_to_what() {
    let (world, receiver) = hooked(&["issues", "issue_comment"]).await;
    everything(&world).await;
    let bodies = receiver.bodies();
    let events: BTreeSet<&str> = bodies.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(
        events,
        ["ping", "issues", "issue_comment"].into(),
        "only what the hook wants"
    );
    let find = |action: &str| {
        let found = bodies
            .iter()
            .find(|(event, body)| event == "issues" && body["action"] == action);
        &found.unwrap().1
    };
    let labeled = find("labeled");
    assert_eq!(
        [
            &labeled["label"]["name"],
            &labeled["sender"]["login"],
            &labeled["issue"]["user"]["login"]
        ],
        ["agent", "octocat", "hubot"]
    );
    assert_eq!(find("edited")["changes"], json!({"title": {"from": "Slow"}}));
    let said: Vec<_> = bodies.iter().filter(|(event, _)| event == "issue_comment").collect();
    assert_eq!(said[1].1["changes"], json!({"body": {"from": "/agent fix"}}));
    assert!(said[0].1["issue"]["pull_request"].is_null() && said[2].1["issue"]["pull_request"].is_object());
    let signatures = receiver.headers("x-hub-signature-256");
    assert!(
        signatures
            .iter()
            .all(|value| value.starts_with("sha256=") && value.len() == 71),
        "{signatures:?}"
    );
    let guids: BTreeSet<String> = receiver.headers("x-github-delivery").into_iter().collect();
    assert_eq!(guids.len(), bodies.len(), "each delivery has its own");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_again_unless_asked_for() {
    let (world, receiver) = hooked(&["issues"]).await;
    *receiver.answers.lock().unwrap() = vec![Some(200), None, Some(503)];
    for title in ["refused", "lost", "well"] {
        world.simulator.open_issue(issue("octocat", title)).unwrap();
        pass(1).await;
    }
    pass(3_600_000).await;
    let hook = world.get(HOOKS).await.at("/0/id").as_u64().unwrap();
    assert_eq!(world.get(HOOKS).await.at("/0/config/secret"), "********");
    let place = format!("{HOOKS}/{hook}/deliveries");
    let listed = world.get(&place).await;
    let codes: Vec<_> = listed
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["status_code"])
        .collect();
    assert_eq!(codes, [200, 502, 503, 200], "the newest first, the ping last");
    let failed = world.get(&format!("{place}?status=failure&per_page=1")).await;
    assert_eq!(failed.body.as_array().unwrap().len(), 1);
    let next = failed.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    let rest = world.get(next.trim_start_matches("https://api.github.com")).await;
    assert_eq!((rest.at("/0/status_code"), rest.header("link")), (&json!(503), ""));

    let (id, guid) = (rest.at("/0/id"), rest.at("/0/guid").as_str().unwrap());
    let again = format!("{place}/{id}/attempts");
    permit(&world, Access::Read);
    assert_eq!(world.call("POST", &again, "").await.status, 403);
    permit(&world, Access::Write);
    assert_eq!(world.call("POST", &again, "").await.status, 202);
    assert_eq!(world.call("POST", &format!("{place}/1/attempts"), "").await.status, 404);
    pass(1).await;
    let sent = receiver.headers("x-github-delivery");
    assert_eq!(sent.len(), 5, "the ping, three, one again: {sent:?}");
    assert_eq!((sent[1].as_str(), sent[4].as_str()), (guid, guid));
    let (first, last) = (receiver.bodies()[1].clone(), receiver.bodies()[4].clone());
    assert_eq!(first, last);
    let newest = world.get(&place).await;
    assert_eq!(
        (newest.at("/0/redelivery"), newest.at("/0/guid")),
        (&json!(true), &json!(guid))
    );
}

/// Titles in order of arrival, and how many attempts the log has.
#[tokio::test(start_paused = true)]
async fn what_goes_wrong_on_the_way() {
    let table: [(DeliveryEffect, When, &[&str], usize); 5] = [
        (DeliveryEffect::Delay { ms: 500 }, When::Nth(1), &["b", "c", "a"], 3),
        (
            DeliveryEffect::Double { after_ms: 500 },
            When::Nth(2),
            &["a", "b", "c", "b"],
            3,
        ),
        (DeliveryEffect::Lose, When::Nth(2), &["a", "c"], 3),
        (DeliveryEffect::Forget, When::Nth(2), &["a", "c"], 2),
        (DeliveryEffect::Scatter { ms: 60_000 }, When::Always, &[], 3),
    ];
    for (effect, when, expected, logged) in table {
        let (world, receiver) = hooked(&["issues"]).await;
        let on = vec!["issues".to_owned()];
        world.simulator.add_delivery_fault(DeliveryFault { on, when, effect });
        for title in ["a", "b", "c"] {
            world.simulator.open_issue(issue("octocat", title)).unwrap();
            pass(100).await;
        }
        pass(120_000).await;
        let bodies = receiver.bodies();
        let titles: Vec<_> = bodies
            .iter()
            .skip(1)
            .map(|(_, body)| body["issue"]["title"].clone())
            .collect();
        if expected.is_empty() {
            let as_sent = [json!("a"), json!("b"), json!("c")];
            assert!(titles.len() == 3 && titles != as_sent, "this seed reorders: {titles:?}");
        } else {
            assert_eq!(titles, expected, "{effect:?}");
        }
        let records = world.simulator.deliveries();
        assert_eq!(records.len(), logged + 1, "{effect:?}");
        let failed = records
            .iter()
            .filter(|record| record.outcome == DeliveryOutcome::Failed)
            .count();
        assert_eq!(failed, usize::from(effect == DeliveryEffect::Lose));
    }
}

/// The same seed and the same acts give the same deliveries.
#[tokio::test(start_paused = true)]
async fn a_seed_is_a_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (world, receiver) = hooked(&["*"]).await;
        for effect in [DeliveryEffect::Scatter { ms: 1_000 }, DeliveryEffect::Lose] {
            let fault = DeliveryFault {
                on: Vec::new(),
                when: When::Rate(0.3),
                effect,
            };
            world.simulator.add_delivery_fault(fault);
        }
        everything(&world).await;
        pass(10_000).await;
        runs.push((receiver.headers("x-github-delivery"), world.simulator.deliveries()));
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].1.iter().any(|record| record.outcome == DeliveryOutcome::Failed));
}
