//! Issues, comments, events, webhooks and whose a token is, each request and each answer as GitHub describes them.

use std::sync::Arc;

use agent_automation::domain::repository::Repository as Name;
use agent_automation::github::{Conditional, Error, List, RefusalKind, Rest};
use agent_automation::simulator::{
    Access, Behaviour, Effect, Failure, IssueChange, NewHook, NewPull, Operation, Outgoing, Permissions, Simulator,
    Sink, Token as Secret, TokenKind,
};
use jiff::{SignedDuration, Timestamp};

use super::scripted::{Scripted, answer, repo, token};
use super::simulated::{client as calling, good};
use crate::issues::{NAME, change, issue, people, permit, pull};
use crate::world::{TOKEN, World, next, pass};

fn name() -> Name {
    Name::parse(NAME).unwrap()
}

fn fresh<T>(answer: Conditional<List<T>>) -> (Vec<T>, Option<String>) {
    match answer {
        Conditional::Fresh { value, etag } => {
            assert!(value.is_whole());
            (value.items, etag)
        }
        Conditional::NotModified => panic!("nothing is known yet"),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_open_pull_request_is_listed_however_old_its_last_change_is() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    let old = world.simulator.open_pull(pull("hubot", None)).unwrap();
    change(&world, old, IssueChange::Label("deps".to_owned()));
    pass(1_000).await;
    for _ in 0..100 {
        world.simulator.open_pull(pull("hubot", None)).unwrap();
    }
    let open = client.open_pulls(&token, &repo).await.unwrap();
    assert!(open.is_whole());
    let labelled = open.items.iter().filter(|pull| !pull.labels.is_empty());
    assert_eq!(labelled.map(|pull| pull.number).collect::<Vec<_>>(), [old]);
    assert_eq!(open.items.len(), 101);
}

#[tokio::test(start_paused = true)]
async fn where_work_came_from_as_it_is_now() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    let number = world.simulator.open_issue(issue("hubot", "a")).unwrap();
    let read = async |number| client.read_origin(&token, &repo, number).await;
    let seen = read(number).await.unwrap().unwrap();
    assert_eq!(
        (seen.edited_at, seen.renamed_at, seen.is_open, &seen.pull),
        (None, None, true, &None)
    );
    pass(5_000).await;
    change(&world, number, IssueChange::Body(Some("other".to_owned())));
    let seen = read(number).await.unwrap().unwrap();
    assert!(seen.edited_at.is_some() && seen.renamed_at.is_none(), "{seen:?}");
    pass(5_000).await;
    change(&world, number, IssueChange::Title("another".to_owned()));
    change(&world, number, IssueChange::Label("deps".to_owned()));
    change(&world, number, IssueChange::Close);
    let seen = read(number).await.unwrap().unwrap();
    assert!(seen.renamed_at > seen.edited_at && !seen.is_open, "{seen:?}");
    assert_eq!(seen.labels, ["deps"]);
    assert_eq!(read(999).await.unwrap(), None);
    assert_eq!(
        client
            .read_origin(&token, &Name::parse("acme/nothing").unwrap(), 1)
            .await
            .unwrap(),
        None
    );

    let many: Vec<_> = (0..250).map(|file| format!("src/{file}.rs")).collect();
    let new = NewPull {
        files: many.clone(),
        ..pull("hubot", Some("hubot/payments-api"))
    };
    let number = world.simulator.open_pull(new).unwrap();
    let found = read(number).await.unwrap().unwrap().pull.unwrap();
    assert_eq!(
        (found.head.as_str(), found.base.as_str(), found.is_fork),
        ("topic", "main", true)
    );
    assert_eq!(found.files, many);
    let number = world.simulator.open_pull(pull("hubot", None)).unwrap();
    assert!(!read(number).await.unwrap().unwrap().pull.unwrap().is_fork);
}

#[tokio::test(start_paused = true)]
async fn where_work_came_from_needs_a_permission() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    let number = world.simulator.open_issue(issue("hubot", "a")).unwrap();
    permit(&world, Access::None);
    let refused = client.read_origin(&token, &repo, number).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().kind, RefusalKind::PermissionMissing);
}

#[tokio::test(start_paused = true)]
async fn issues_since_a_time() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    world.simulator.open_pull(pull("hubot", None)).unwrap();
    pass(60_500).await;
    change(&world, 1, IssueChange::Label("agent".to_owned()));
    change(&world, 1, IssueChange::Milestone(Some("1.0".to_owned())));

    let start = at("2026-11-22T06:00:00Z");
    let (all, etag) = fresh(client.list_issues(&token, &repo, start, None).await.unwrap());
    let seen: Vec<_> = all.iter().map(|issue| (issue.number, issue.is_pull())).collect();
    assert_eq!(seen, [(2, true), (1, false)], "the one touched last comes last");
    assert_eq!(all[1].labels[0].name, "agent");
    assert_eq!(all[1].milestone.as_ref().unwrap().title, "1.0");
    assert_eq!(all[1].author_association.as_deref(), Some("NONE"));
    let again = client.list_issues(&token, &repo, start, etag.as_deref()).await.unwrap();
    assert_eq!(again, Conditional::NotModified);

    let since = all[1].updated_at.unwrap();
    let (later, etag) = fresh(client.list_issues(&token, &repo, since, None).await.unwrap());
    assert_eq!(later, all[1..]);
    pass(1_000).await;
    world.simulator.comment(NAME, 2, "octocat", "x").unwrap();
    let (later, _) = fresh(client.list_issues(&token, &repo, since, etag.as_deref()).await.unwrap());
    assert_eq!(later.len(), 2, "a comment is news of its issue");

    let Conditional::Fresh { value, etag } = client.get_issue(&token, &repo, 1, None).await.unwrap() else {
        panic!("nothing is known yet");
    };
    assert_eq!(
        (value.title.as_deref(), value.body.as_deref()),
        (Some("a"), Some("It is slow"))
    );
    let again = client.get_issue(&token, &repo, 1, etag.as_deref()).await.unwrap();
    assert_eq!(again, Conditional::NotModified);
    let files = client.list_pull_files(&token, &repo, 2).await.unwrap().items;
    assert_eq!(
        files.iter().map(|file| file.filename.as_str()).collect::<Vec<_>>(),
        ["src/main.rs", "docs/a.md"]
    );
}

/// What comes after a full first page leaves that page and its tag as they were.
#[tokio::test(start_paused = true)]
async fn a_full_page_has_no_tag() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    let start = at("2026-11-22T06:00:00Z");
    for count in 1..=101 {
        world.simulator.open_issue(issue("hubot", "a")).unwrap();
        world.simulator.comment(NAME, 1, "hubot", "x").unwrap();
        if count >= 99 {
            let (issues, tag) = fresh(client.list_issues(&token, &repo, start, None).await.unwrap());
            assert_eq!((issues.len(), tag.is_some()), (count, count < 100), "{count}");
            let (comments, tag) = fresh(client.list_comments(&token, &repo, start, None).await.unwrap());
            assert_eq!((comments.len(), tag.is_some()), (count, count < 100), "{count}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_labelled_when() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    for label in 0..150 {
        change(&world, 1, IssueChange::Label(label.to_string()));
    }
    let events = client.list_issue_events(&token, &repo, 1).await.unwrap();
    let first = &events.items[0];
    assert_eq!(first.event.as_deref(), Some("labeled"));
    assert_eq!(first.label.as_ref().unwrap().name, "0");
    assert_eq!(first.actor.as_ref().unwrap().login, "octocat");
    assert_eq!(first.created_at, Some(at("2026-11-22T06:00:00Z")));

    let long_ago = at("2026-11-01T00:00:00Z");
    let all = client.list_events(&token, &repo, long_ago, 1).await.unwrap();
    assert_eq!((all.events.len(), all.rest), (150, Rest::Nothing));
    assert_eq!(all.events[149].id, first.id, "the newest first");
    assert_eq!(all.events[0].issue.as_ref().unwrap().number, 1);

    pass(60_000).await;
    change(&world, 1, IssueChange::Label("last".to_owned()));
    let since = at("2026-11-22T06:00:30Z");
    world.simulator.clear_requests();
    let page = client.list_events(&token, &repo, since, 1).await.unwrap();
    assert_eq!(
        (page.events.len(), world.simulator.requests().len()),
        (100, 1),
        "one page reaches what is older"
    );
    world.simulator.clear_requests();
    let pages = client.list_events(&token, &repo, long_ago, 1).await.unwrap();
    assert_eq!((pages.events.len(), world.simulator.requests().len()), (151, 2));
}

/// What one call reads of the record, and what GitHub shows of it.
#[tokio::test(start_paused = true)]
async fn the_record_is_read_in_parts_as_far_as_it_is_shown() {
    let world = people();
    let (client, token, repo) = (calling(&world, false), good(), name());
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    // Each entry of the record comes with its issue, so that keeps few labels.
    for _ in 0..625 {
        change(&world, 1, IssueChange::Label("agent".to_owned()));
        change(&world, 1, IssueChange::Unlabel("agent".to_owned()));
    }
    let long_ago = at("2026-11-01T00:00:00Z");
    let table = [
        ("all of it", None, [(1_000, Rest::From(11)), (250, Rest::Nothing)]),
        ("a part", Some(11), [(1_000, Rest::From(11)), (100, Rest::Hidden)]),
        (
            "what one call reads",
            Some(10),
            [(1_000, Rest::Hidden), (0, Rest::Hidden)],
        ),
        ("less", Some(4), [(400, Rest::Hidden), (0, Rest::Hidden)]),
    ];
    for (what, event_pages, expected) in table {
        world.simulator.set_behaviour(Behaviour {
            event_pages,
            ..Behaviour::default()
        });
        for (first, expected) in [1, 11].into_iter().zip(expected) {
            let part = client.list_events(&token, &repo, long_ago, first).await.unwrap();
            assert_eq!((part.events.len(), part.rest), expected, "{what}, from page {first}");
        }
    }
}

/// A list that moves while it is read: each page begins where the one before ended, not at a number.
#[tokio::test(start_paused = true)]
async fn what_changes_while_a_list_is_read_hides_nothing() {
    let start = at("2026-11-22T06:00:00Z");
    let page = |numbers: std::ops::Range<u64>, next: &str| {
        let issues: Vec<_> = numbers
            .map(|number| {
                let updated = start + SignedDuration::from_secs(i64::try_from(number).unwrap());
                serde_json::json!({"id": number, "number": number, "updated_at": updated.to_string()})
            })
            .collect();
        let link = format!("<{next}>; rel=\"next\"");
        let links = [("link", link.as_str())];
        let links = if next.is_empty() { &[] } else { &links[..] };
        answer(200, links, &serde_json::to_string(&issues).unwrap())
    };
    // The second is what a proxy leaves of a link that it does not rewrite.
    for host in ["https://api.github.com", "https://acme.example"] {
        let next = format!("{host}/repositories/1/issues?page=2");
        let scripted = Scripted::answering([page(0..100, &next), page(99..150, "")]);
        let (issues, tag) = fresh(
            scripted
                .client()
                .list_issues(&token(), &repo(), start, None)
                .await
                .unwrap(),
        );
        assert_eq!((issues.len(), tag), (151, None), "{host}");
        let asked = scripted.targets();
        assert!(
            asked[1].contains("since=2026-11-22T06%3A01%3A39Z") && !asked[1].contains("page=2"),
            "{asked:?}"
        );
    }
    // Of one time, the next page alone goes on; where nobody can ask for it, the list says that there is more.
    let table = [
        ("https://acme.example/issues?page=2", vec![page(1..2, "")], (2, false)),
        ("https://acme.example/issues", vec![], (1, true)),
    ];
    for (next, rest, expected) in table {
        let answers = [page(0..1, next)].into_iter().chain(rest);
        let scripted = Scripted::answering(answers);
        let listed = scripted.client().list_issues(&token(), &repo(), start, None).await;
        let Conditional::Fresh { value, .. } = listed.unwrap() else {
            panic!("{next}")
        };
        assert_eq!((value.items.len(), value.truncated), expected, "{next}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_comment_edited_in_place() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    world.simulator.comment(NAME, 1, "hubot", "/agent fix").unwrap();
    pass(60_000).await;
    let said = client
        .create_comment(&token, &repo, 1, "Queued <!-- marker -->")
        .await
        .unwrap();
    assert_eq!(said.number(), Some(1));
    client
        .update_comment(&token, &repo, said.id, "Running <!-- marker -->")
        .await
        .unwrap();
    let listed = client.list_issue_comments(&token, &repo, 1, None).await.unwrap().items;
    let found = listed
        .iter()
        .find(|comment| comment.body.as_deref().unwrap().contains("marker"));
    assert_eq!(found.unwrap().id, said.id);
    assert_eq!(listed.len(), 2);
    let since = said.created_at;
    assert_eq!(
        client
            .list_issue_comments(&token, &repo, 1, since)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let (later, _) = fresh(client.list_comments(&token, &repo, since.unwrap(), None).await.unwrap());
    assert_eq!((later.len(), later[0].number()), (1, Some(1)));

    let missing = client.update_comment(&token, &repo, 1, "x").await.unwrap_err();
    assert_eq!(missing.category(), "not_found");
    let long = "x".repeat(65_537);
    let refused = client.create_comment(&token, &repo, 1, &long).await.unwrap_err();
    assert_eq!(refused.category(), "invalid");
}

/// A lost answer is not made up for by another request.
#[tokio::test(start_paused = true)]
async fn writes_are_sent_once() {
    let world = people();
    let (client, token, repo) = (calling(&world, false), good(), name());
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    let lost = |operation| next(operation, Effect::LoseAnswer(Failure::Reset));
    for operation in [Operation::CreateComment, Operation::AddLabels, Operation::RemoveLabel] {
        world.simulator.add_fault(lost(operation));
    }
    let labels = ["agent".to_owned()];
    let said = client.create_comment(&token, &repo, 1, "x").await.map(drop);
    let added = client.add_labels(&token, &repo, 1, &labels).await;
    let removed = client.remove_label(&token, &repo, 1, "agent").await;
    for result in [said, added, removed] {
        assert!(matches!(result, Err(Error::Transport(_))), "{result:?}");
    }
    assert_eq!(world.simulator.requests().len(), 3);
    let record = &world.simulator.issues()[0];
    assert_eq!((record.comments.len(), record.labels.len()), (1, 0), "all was done");
}

#[tokio::test(start_paused = true)]
async fn labels_that_are_not_there_count_as_removed() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    world.simulator.open_issue(issue("hubot", "a")).unwrap();
    client
        .add_labels(&token, &repo, 1, &["in work/now".to_owned()])
        .await
        .unwrap();
    for _ in 0..2 {
        client.remove_label(&token, &repo, 1, "in work/now").await.unwrap();
    }
    assert!(world.simulator.issues()[0].labels.is_empty());
    permit(&world, Access::Read);
    let refused = client.remove_label(&token, &repo, 1, "agent").await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().kind, RefusalKind::PermissionMissing);
}

#[tokio::test(start_paused = true)]
async fn whose_a_token_is_and_until_when() {
    let world = World::new();
    let client = calling(&world, true);
    let table = [
        (TokenKind::FineGrained, Some("2026-12-01T06:00:00Z"), None),
        (TokenKind::FineGrained, None, None),
        (
            TokenKind::Classic,
            None,
            Some(vec!["admin:repo_hook".to_owned(), "repo".to_owned()]),
        ),
    ];
    for (kind, expires_at, scopes) in table {
        let secret = Secret {
            kind,
            expires_at: expires_at.map(at),
            ..Secret::new(TOKEN, "octocat")
        };
        world.simulator.add_token(secret).unwrap();
        let identity = client.identify(&good()).await.unwrap();
        assert_eq!((identity.user.login.as_str(), identity.user.id), ("octocat", 1));
        assert_eq!(identity.expires_at, expires_at.map(at));
        assert_eq!(identity.scopes, scopes);
    }
}

struct Deaf;

impl Sink for Deaf {
    fn send(&self, simulator: &Simulator, outgoing: Outgoing) {
        simulator.delivered(outgoing.id, None);
    }
}

#[tokio::test(start_paused = true)]
async fn failed_deliveries_are_found_and_asked_for_again() {
    let world = people();
    let (client, token, repo) = (calling(&world, true), good(), name());
    world.simulator.set_sink(Arc::new(Deaf));
    let hook = NewHook {
        repository: NAME.to_owned(),
        url: "http://127.0.0.1:1/".to_owned(),
        secret: None,
        events: vec!["issues".to_owned()],
    };
    world.simulator.add_hook(hook).unwrap();
    for _ in 0..120 {
        world.simulator.open_issue(issue("hubot", "a")).unwrap();
    }
    let (hooks, etag) = fresh(client.list_hooks(&token, &repo, None).await.unwrap());
    let again = client.list_hooks(&token, &repo, etag.as_deref()).await.unwrap();
    assert_eq!(again, Conditional::NotModified);
    let config = hooks[0].config.as_ref().unwrap();
    assert_eq!((hooks.len(), config.url.as_deref()), (1, Some("http://127.0.0.1:1/")));
    let hook = hooks[0].id;
    let (all, etag) = fresh(client.list_deliveries(&token, &repo, hook, None, None).await.unwrap());
    assert_eq!(all.len(), 121, "with the ping");
    assert!(all.iter().all(|delivery| !delivery.has_arrived()));
    let again = client
        .list_deliveries(&token, &repo, hook, None, etag.as_deref())
        .await
        .unwrap();
    assert_eq!(again, Conditional::NotModified);

    client.redeliver(&token, &repo, hook, all[0].id).await.unwrap();
    let known = Some(all[0].id);
    let (later, _) = fresh(client.list_deliveries(&token, &repo, hook, known, None).await.unwrap());
    assert_eq!((later.len(), &later[0].guid), (100, &all[0].guid));
    let unknown = client.redeliver(&token, &repo, hook, 1).await.unwrap_err();
    assert_eq!(unknown.category(), "not_found");
    let nobody = Secret {
        permissions: Permissions::default(),
        ..Secret::new(TOKEN, "octocat")
    };
    world.simulator.add_token(nobody).unwrap();
    let refused = client.list_hooks(&token, &repo, None).await.unwrap_err();
    assert_eq!(refused.category(), "permission_missing");
}

/// Whatever an answer holds, what makes sense of it comes through.
#[tokio::test]
async fn absurd_answers_are_read_as_far_as_they_go() {
    let body = r#"[
        null, 7, {"id": "x", "number": 1},
        {"id": 1, "number": 2, "title": 3, "labels": [null, {"name": "a"}, "b"], "user": "u", "updated_at": "today",
         "pull_request": null, "milestone": {}, "assignees": {}},
        {"id": 2, "number": 3, "pull_request": {}}
    ]"#;
    let client = Scripted::answering([answer(200, &[("etag", "\"x\"")], body)]).client();
    let read = client
        .list_issues(&token(), &repo(), Timestamp::UNIX_EPOCH, None)
        .await
        .unwrap();
    let Conditional::Fresh { value, etag } = read else {
        panic!("there was no tag");
    };
    assert_eq!(
        (value.undecodable, etag),
        (3, None),
        "a list that is not whole has no tag"
    );
    let seen: Vec<_> = value
        .items
        .iter()
        .map(|it| (it.number, it.labels.len(), it.is_pull()))
        .collect();
    assert_eq!(seen, [(2, 1, false), (3, 0, true)]);

    let body = r#"[{"id": 1, "issue_url": "https://api.github.com/repos/o/r/issues/x", "body": 3}, {"id": 2}]"#;
    let client = Scripted::answering([answer(200, &[], body)]).client();
    let read = client.list_issue_comments(&token(), &repo(), 1, None).await.unwrap();
    assert!(
        read.items
            .iter()
            .all(|comment| comment.number().is_none() && comment.body.is_none())
    );
}
