//! Issues and people's pull requests: what is done to them, and what the API shows of it.

use agent_automation::simulator::{
    Access, Association, ControlError, Effect, IssueChange, NewIssue, NewPull, Operation, Permissions, PullChange,
    Repository, ReviewState, Token,
};
use serde_json::{Value, json};

use crate::world::{TOKEN, World, next, pass};

pub const NAME: &str = "acme/payments-api";
const REPOSITORY: &str = "/repos/acme/payments-api";
const ISSUES: &str = "/repos/acme/payments-api/issues";

/// A world in which `octocat` is a member and may write, and `hubot` is nobody in particular.
pub fn people() -> World {
    let world = World::new();
    let repository = Repository {
        associations: [("octocat".to_owned(), Association::Member)].into(),
        ..Repository::new(NAME)
    };
    world.simulator.add_repository(repository).unwrap();
    permit(&world, Access::Write);
    world
}

pub fn permit(world: &World, access: Access) {
    let permissions = Permissions {
        issues: access,
        pull_requests: Access::Read,
        webhooks: access,
        ..Permissions::default()
    };
    let token = Token {
        permissions,
        ..Token::new(TOKEN, "octocat")
    };
    world.simulator.add_token(token).unwrap();
}

pub fn issue(by: &str, title: &str) -> NewIssue {
    NewIssue {
        repository: NAME.to_owned(),
        by: by.to_owned(),
        title: title.to_owned(),
        body: Some("It is slow".to_owned()),
        labels: Vec::new(),
    }
}

pub fn pull(by: &str, fork: Option<&str>) -> NewPull {
    NewPull {
        repository: NAME.to_owned(),
        by: by.to_owned(),
        title: "Mend it".to_owned(),
        body: None,
        head_ref: "topic".to_owned(),
        head_repository: fork.map(str::to_owned),
        base_ref: None,
        draft: true,
        files: vec!["src/main.rs".to_owned(), "docs/a.md".to_owned()],
    }
}

pub fn change(world: &World, number: u64, change: IssueChange) {
    world.simulator.change_issue(NAME, number, "octocat", change).unwrap();
}

fn column(body: &Value, pointer: &str) -> Vec<Value> {
    let rows = body.as_array().unwrap().iter();
    rows.map(|row| row.pointer(pointer).cloned().unwrap_or_default())
        .collect()
}

/// All that a card can go through, with what the issue shows and what the record says after each step.
#[tokio::test(start_paused = true)]
async fn a_card_and_its_record() {
    let text = str::to_owned;
    let table = [
        (
            IssueChange::Title(text("Slow start")),
            "/title",
            json!("Slow start"),
            Some("renamed"),
        ),
        (
            IssueChange::Body(Some(text("At noon"))),
            "/body",
            json!("At noon"),
            None,
        ),
        (
            IssueChange::Label(text("agent")),
            "/labels/0/name",
            json!("agent"),
            Some("labeled"),
        ),
        (IssueChange::Label(text("Agent")), "/labels/1", Value::Null, None),
        (
            IssueChange::Unlabel(text("agent")),
            "/labels/0",
            Value::Null,
            Some("unlabeled"),
        ),
        (
            IssueChange::Assign(text("hubot")),
            "/assignees/0/login",
            json!("hubot"),
            Some("assigned"),
        ),
        (
            IssueChange::Unassign(text("hubot")),
            "/assignees/0",
            Value::Null,
            Some("unassigned"),
        ),
        (
            IssueChange::Milestone(Some(text("1.0"))),
            "/milestone/title",
            json!("1.0"),
            Some("milestoned"),
        ),
        (
            IssueChange::Milestone(None),
            "/milestone",
            Value::Null,
            Some("demilestoned"),
        ),
        (IssueChange::Close, "/state", json!("closed"), Some("closed")),
        (IssueChange::Close, "/state_reason", json!("completed"), None),
        (
            IssueChange::Reopen,
            "/state_reason",
            json!("reopened"),
            Some("reopened"),
        ),
    ];
    for is_pull in [false, true] {
        let world = people();
        let number = if is_pull {
            world.simulator.open_pull(pull("hubot", None)).unwrap()
        } else {
            world.simulator.open_issue(issue("hubot", "Slow")).unwrap()
        };
        let mut recorded = Vec::new();
        for (step, pointer, expected, event) in table.clone() {
            pass(1_000).await;
            change(&world, number, step.clone());
            let got = world.get(&format!("{ISSUES}/{number}")).await;
            if !(is_pull && pointer == "/state_reason") {
                assert_eq!(got.at(pointer), &expected, "{step:?}");
            }
            assert_eq!(got.at("/pull_request").is_object(), is_pull);
            recorded.extend(event);
            let events = world.get(&format!("{ISSUES}/{number}/events")).await;
            assert_eq!(column(&events.body, "/event"), recorded, "{step:?}");
        }
        let events = world.get(&format!("{ISSUES}/{number}/events")).await;
        assert_eq!(events.at("/1/actor/login"), "octocat");
        assert_eq!(events.at("/1/label/name"), "agent");
        assert_eq!(events.at("/1/created_at"), "2026-11-22T06:00:03Z");
        let all = world.get(&format!("{ISSUES}/events")).await;
        recorded.reverse();
        assert_eq!(column(&all.body, "/event"), recorded, "the newest first");
        assert_eq!(all.at("/0/issue/number"), &json!(number));
    }
}

#[tokio::test(start_paused = true)]
async fn issues_and_pull_requests_in_one_list() {
    let world = people();
    let mut labelled = issue("hubot", "b");
    labelled.labels = vec!["agent".to_owned()];
    for opened in [issue("octocat", "a"), labelled] {
        world.simulator.open_issue(opened).unwrap();
        pass(60_000).await;
    }
    world
        .simulator
        .open_pull(pull("hubot", Some("hubot/payments-api")))
        .unwrap();
    pass(60_000).await;
    world.simulator.comment(NAME, 1, "octocat", "still").unwrap();
    change(&world, 2, IssueChange::Close);
    let table: [(&str, &[u64]); 11] = [
        ("", &[3, 1]),
        ("?state=all", &[3, 2, 1]),
        ("?state=closed", &[2]),
        ("?state=all&direction=asc", &[1, 2, 3]),
        ("?state=all&sort=updated&direction=asc", &[3, 1, 2]),
        ("?state=all&sort=comments", &[1, 3, 2]),
        ("?state=all&labels=agent", &[2]),
        ("?creator=octocat", &[1]),
        // The pull request was opened at 06:02, the rest was touched at 06:03.
        ("?state=all&since=2026-11-22T06:02:01Z", &[2, 1]),
        ("?state=all&since=2026-11-22T06:02:00Z", &[3, 2, 1]),
        ("?state=all&per_page=1&page=2", &[2]),
    ];
    for (query, expected) in table {
        let got = world.get(&format!("{ISSUES}{query}")).await;
        assert_eq!(column(&got.body, "/number"), expected, "{query}");
    }
    assert_eq!(world.get(&format!("{ISSUES}?state=merged")).await.status, 422);
    let got = world.get(&format!("{ISSUES}?direction=asc")).await;
    assert_eq!(
        [got.at("/0/author_association"), got.at("/1/author_association")],
        ["MEMBER", "NONE"]
    );
    assert_eq!([got.at("/0/comments"), got.at("/1/comments")], [1, 0]);
    assert_eq!(world.get(&format!("{ISSUES}/9")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn comments() {
    let world = people();
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    world.simulator.open_pull(pull("hubot", None)).unwrap();
    let by_hand = world.simulator.comment(NAME, 1, "hubot", "/agent fix").unwrap();
    pass(60_000).await;
    let said = world
        .post(&format!("{ISSUES}/2/comments"), &json!({"body": "On it"}))
        .await;
    assert_eq!((said.status, said.at("/user/login")), (201, &json!("octocat")));
    let all = world.get(&format!("{ISSUES}/comments")).await;
    assert_eq!(column(&all.body, "/body"), ["/agent fix", "On it"]);
    assert_eq!(column(&all.body, "/author_association"), ["NONE", "MEMBER"]);
    let since = world
        .get(&format!("{ISSUES}/comments?since=2026-11-22T06:01:00Z"))
        .await;
    assert_eq!(column(&since.body, "/body"), ["On it"]);

    pass(60_000).await;
    world.simulator.edit_comment(by_hand, "hubot", "/agent stop").unwrap();
    let since = world
        .get(&format!(
            "{ISSUES}/comments?sort=updated&direction=asc&since=2026-11-22T06:01:00Z"
        ))
        .await;
    assert_eq!(column(&since.body, "/body"), ["On it", "/agent stop"]);
    let listed = world.get(&format!("{ISSUES}/1/comments")).await;
    assert_eq!(listed.at("/0/created_at"), "2026-11-22T06:00:00Z");
    assert_eq!(listed.at("/0/updated_at"), "2026-11-22T06:02:00Z");

    let id = said.at("/id").as_u64().unwrap();
    let place = format!("{ISSUES}/comments/{id}");
    let edited = world.call("PATCH", &place, &json!({"body": "Done"}).to_string()).await;
    assert_eq!(edited.at("/body"), "Done");
    let long = "ä".repeat(65_537);
    for body in [json!({}), json!({"body": " "}), json!({"body": long})] {
        assert_eq!(world.post(&format!("{ISSUES}/1/comments"), &body).await.status, 422);
        assert_eq!(world.call("PATCH", &place, &body.to_string()).await.status, 422);
    }
    let whole = "ä".repeat(65_536);
    assert_eq!(
        world
            .post(&format!("{ISSUES}/1/comments"), &json!({"body": whole}))
            .await
            .status,
        201
    );
    assert_eq!(
        world
            .post(&format!("{ISSUES}/9/comments"), &json!({"body": "x"}))
            .await
            .status,
        404
    );
    assert_eq!(
        world.call("PATCH", &format!("{ISSUES}/comments/9"), "{}").await.status,
        404
    );
    let record = &world.simulator.issues()[1];
    assert_eq!((record.number, record.comments[0].body.as_str()), (2, "Done"));
}

#[tokio::test(start_paused = true)]
async fn labels_over_the_api() {
    let world = people();
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    let labels = format!("{ISSUES}/1/labels");
    for _ in 0..2 {
        let got = world.post(&labels, &json!({"labels": ["in work", "agent"]})).await;
        assert_eq!(column(&got.body, "/name"), ["in work", "agent"]);
    }
    let got = world.call("DELETE", &format!("{labels}/in%20work"), "").await;
    assert_eq!(column(&got.body, "/name"), ["agent"]);
    assert_eq!(
        world.call("DELETE", &format!("{labels}/in%20work"), "").await.status,
        404
    );
    let events = world.get(&format!("{ISSUES}/1/events")).await;
    assert_eq!(column(&events.body, "/event"), ["labeled", "labeled", "unlabeled"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_token_may_do() {
    let world = people();
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    let said = world.simulator.comment(NAME, 1, "hubot", "x").unwrap();
    let reads = [
        "/issues".to_owned(),
        "/issues/1".to_owned(),
        "/issues/1/comments".to_owned(),
        "/issues/1/events".to_owned(),
        "/issues/comments".to_owned(),
        "/issues/events".to_owned(),
        "/hooks".to_owned(),
    ];
    let writes = [
        ("POST", "/issues/1/comments".to_owned(), json!({"body": "y"})),
        ("PATCH", format!("/issues/comments/{said}"), json!({"body": "y"})),
        ("POST", "/issues/1/labels".to_owned(), json!({"labels": ["agent"]})),
    ];
    for (access, read, written) in [
        (Access::None, 403, false),
        (Access::Read, 200, false),
        (Access::Write, 200, true),
    ] {
        permit(&world, access);
        for path in &reads {
            assert_eq!(
                world.get(&format!("{REPOSITORY}{path}")).await.status,
                read,
                "{access:?} {path}"
            );
        }
        for (method, path, body) in &writes {
            let got = world
                .call(method, &format!("{REPOSITORY}{path}"), &body.to_string())
                .await;
            assert_eq!(got.status < 300, written, "{access:?} {method} {path}: {got:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pull_requests_by_people() {
    let world = people();
    world
        .simulator
        .open_pull(pull("hubot", Some("hubot/payments-api")))
        .unwrap();
    pass(1_000).await;
    let mut own = pull("octocat", None);
    own.head_ref = "own".to_owned();
    own.draft = false;
    world.simulator.open_pull(own).unwrap();
    let (fork, own) = (
        world.get(&format!("{REPOSITORY}/pulls/1")).await,
        world.get(&format!("{REPOSITORY}/pulls/2")).await,
    );
    assert_eq!(
        [
            fork.at("/head/repo/full_name"),
            fork.at("/head/repo/fork"),
            fork.at("/draft")
        ],
        [&json!("hubot/payments-api"), &json!(true), &json!(true)]
    );
    assert_eq!(
        [
            own.at("/head/repo/full_name"),
            own.at("/head/repo/fork"),
            own.at("/draft")
        ],
        [&json!(NAME), &json!(false), &json!(false)]
    );
    assert_eq!([fork.at("/user/login"), own.at("/user/login")], ["hubot", "octocat"]);
    assert_eq!(
        [fork.at("/author_association"), own.at("/author_association")],
        ["NONE", "MEMBER"]
    );
    let files = world.get(&format!("{REPOSITORY}/pulls/1/files")).await;
    assert_eq!(column(&files.body, "/filename"), ["src/main.rs", "docs/a.md"]);
    assert_eq!(fork.at("/changed_files"), 2);
    for (branch, status) in [("own", 200), ("topic", 404)] {
        let got = world.get(&format!("{REPOSITORY}/branches/{branch}")).await;
        assert_eq!(got.status, status, "{branch}");
    }
    let by_head = world.get(&format!("{REPOSITORY}/pulls?head=hubot:topic")).await;
    assert_eq!(column(&by_head.body, "/number"), [1]);

    let review = PullChange::Review {
        by: "octocat".to_owned(),
        state: ReviewState::ChangesRequested,
        body: "No".to_owned(),
    };
    for step in [PullChange::Ready, PullChange::Push, review, PullChange::Merge] {
        pass(1_000).await;
        world.simulator.change_pull_by(Some("octocat"), NAME, 1, step).unwrap();
    }
    let after = world.get(&format!("{REPOSITORY}/pulls/1")).await;
    assert_ne!(after.at("/head/sha"), fork.at("/head/sha"));
    assert_eq!((after.at("/draft"), after.at("/commits")), (&json!(false), &json!(2)));
    assert_eq!(after.at("/merged_by/login"), "octocat");
    let reviews = world.get(&format!("{REPOSITORY}/pulls/1/reviews")).await;
    assert_eq!(reviews.at("/0/commit_id"), after.at("/head/sha"));
    let events = world.get(&format!("{ISSUES}/1/events")).await;
    assert_eq!(column(&events.body, "/event"), ["ready_for_review", "merged", "closed"]);
    let listed = world.get(&format!("{REPOSITORY}/pulls?state=all&sort=updated")).await;
    assert_eq!(column(&listed.body, "/number"), [1, 2]);
}

/// A read that lags shows people's changes as they were.
#[tokio::test(start_paused = true)]
async fn stale_reads() {
    let world = people();
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    let id = world.simulator.comment(NAME, 1, "hubot", "x").unwrap();
    pass(5_000).await;
    change(&world, 1, IssueChange::Label("agent".to_owned()));
    world.simulator.edit_comment(id, "hubot", "y").unwrap();
    let stale = |operation| next(operation, Effect::Stale { ms: 4_000 });
    for operation in [
        Operation::ListIssues,
        Operation::ListIssueEvents,
        Operation::ListComments,
    ] {
        world.simulator.add_fault(stale(operation));
    }
    for (labels, events, said) in [(0, 0, "x"), (1, 1, "y")] {
        let issues = world.get(ISSUES).await;
        assert_eq!(issues.at("/0/labels").as_array().unwrap().len(), labels);
        let got = world.get(&format!("{ISSUES}/1/events")).await;
        assert_eq!(got.body.as_array().unwrap().len(), events);
        assert_eq!(world.get(&format!("{ISSUES}/comments")).await.at("/0/body"), said);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done() {
    let world = people();
    let simulator = &world.simulator;
    let absent = simulator.change_issue(NAME, 1, "octocat", IssueChange::Close);
    assert!(matches!(absent, Err(ControlError::UnknownIssue { number: 1, .. })));
    assert!(matches!(
        simulator.comment(NAME, 1, "octocat", "x"),
        Err(ControlError::UnknownIssue { .. })
    ));
    assert_eq!(
        simulator.edit_comment(1, "octocat", "x"),
        Err(ControlError::UnknownComment(1))
    );
    assert_eq!(simulator.redeliver(1), Err(ControlError::UnknownDelivery(1)));
    let nobody = simulator.open_issue(issue("nobody", "x"));
    assert_eq!(nobody, Err(ControlError::UnknownUser("nobody".to_owned())));
    simulator.open_issue(issue("octocat", "x")).unwrap();
    let no_pull = simulator.change_pull(NAME, 1, PullChange::Ready);
    assert!(matches!(no_pull, Err(ControlError::UnknownPull { number: 1, .. })));
}
