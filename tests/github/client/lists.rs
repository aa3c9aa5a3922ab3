//! Lists: their pages, and what they say about what is missing.

use agent_automation::domain::task_state::TaskState;
use agent_automation::github::{List, ListQuery, Listed, Scope, models::Task};

use bytes::Bytes;
use http::Response;

use super::scripted::{Scripted, answer, repo, token};

const QUERY: ListQuery<'_> = ListQuery {
    scope: Scope::User,
    since: None,
    archived: false,
    states: &[],
};

fn page(ids: &[&str], headers: &[(&str, &str)]) -> Response<Bytes> {
    let tasks: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    answer(200, headers, &format!(r#"{{"tasks":[{}]}}"#, tasks.join(",")))
}

fn next(number: usize) -> (&'static str, String) {
    (
        "link",
        format!(r#"<https://api.github.com/agents/tasks?page={number}>; rel="next""#),
    )
}

async fn list(answers: Vec<Response<Bytes>>) -> (List<Task>, Vec<String>) {
    let transport = Scripted::answering(answers);
    match transport.client().list_tasks(&token(), QUERY, None).await.unwrap() {
        Listed::Tasks(list) => (list, transport.targets()),
        Listed::NotModified => panic!("not modified without an ETag"),
    }
}

fn ids(list: &List<Task>) -> Vec<&str> {
    list.items.iter().map(|task| task.id.as_str()).collect()
}

#[tokio::test]
async fn queries() {
    let repo = &repo();
    let states = [TaskState::Queued, TaskState::InProgress];
    let since = "2026-11-22T12:00:00.5Z".parse().ok();
    let table = [
        (
            QUERY,
            "/agents/tasks?per_page=100&sort=updated_at&direction=desc&is_archived=false",
        ),
        (
            ListQuery {
                since,
                archived: true,
                states: &states,
                ..QUERY
            },
            "/agents/tasks?per_page=100&sort=updated_at&direction=desc&is_archived=true\
             &since=2026-11-22T12%3A00%3A00Z&state=queued%2Cin_progress",
        ),
        (
            ListQuery {
                scope: Scope::Repository {
                    repo,
                    creator_id: Some(7),
                },
                ..QUERY
            },
            "/agents/repos/acme/api/tasks?creator_id=7&per_page=100&sort=updated_at&direction=desc&is_archived=false",
        ),
        (
            ListQuery {
                scope: Scope::Repository { repo, creator_id: None },
                ..QUERY
            },
            "/agents/repos/acme/api/tasks?per_page=100&sort=updated_at&direction=desc&is_archived=false",
        ),
    ];
    for (query, expected) in table {
        let transport = Scripted::answering([page(&[], &[])]);
        transport.client().list_tasks(&token(), query, None).await.unwrap();
        assert_eq!(transport.targets(), [expected]);
    }
}

#[tokio::test]
async fn pages_are_followed() {
    let (second, third) = (next(2), next(3));
    let (list, targets) = list(vec![
        page(&["1", "2"], &[(second.0, &second.1), ("etag", "\"a\"")]),
        page(&["2", "3"], &[(third.0, &third.1), ("etag", "\"b\"")]),
        page(&["4"], &[("etag", "\"c\"")]),
    ])
    .await;
    assert_eq!(ids(&list), ["1", "2", "2", "3", "4"]);
    assert_eq!(targets[1..], ["/agents/tasks?page=2", "/agents/tasks?page=3"]);
    assert!(list.is_whole());
    assert_eq!(list.etag.as_deref(), Some("\"a\""));
}

#[tokio::test]
async fn a_list_without_end_is_cut_and_says_so() {
    let link = next(2);
    let answers = (0..10)
        .map(|_| page(&["1"], &[(link.0, &link.1), ("etag", "\"a\"")]))
        .collect();
    let (list, targets) = list(answers).await;
    assert_eq!(targets.len(), 10);
    assert!(list.truncated && !list.is_whole());
    assert_eq!(list.etag, None);
}

/// A proxy may leave GitHub's own address in links.
#[tokio::test]
async fn the_token_goes_to_no_other_host_and_nothing_is_lost() {
    for link in [
        r#"<https://acme.example/repositories/1/tasks?page=2>; rel="next""#,
        r#"<http://api.github.com/agents/tasks?page=2>; rel="next""#,
        r#"<https://api.github.com@acme.example/?page=2>; rel="next""#,
        r#"</agents/tasks?page=2>; rel="next""#,
    ] {
        let transport = Scripted::answering([page(&["1"], &[("link", link)]), page(&["2"], &[])]);
        let Listed::Tasks(list) = transport.client().list_tasks(&token(), QUERY, None).await.unwrap() else {
            panic!("{link}")
        };
        assert_eq!((ids(&list), list.is_whole()), (vec!["1", "2"], true), "{link}");
        assert_eq!(transport.targets()[1], "/agents/tasks?page=2");
        for (request, _) in transport.requests() {
            assert_eq!(request.uri().host(), Some("api.github.com"), "{link}");
            assert_eq!(request.uri().scheme_str(), Some("https"), "{link}");
        }
    }
}

#[tokio::test]
async fn a_list_that_goes_on_nobody_knows_where_is_cut_and_says_so() {
    let link = r#"<https://acme.example/agents/tasks>; rel="next""#;
    let (list, targets) = list(vec![page(&["1"], &[("link", link)])]).await;
    assert_eq!((ids(&list), targets.len(), list.truncated), (vec!["1"], 1, true));
    assert_eq!(list.rest, None);
}

#[tokio::test]
async fn an_element_that_cannot_be_read_spoils_no_other() {
    let (list, _) = list(vec![page(&["1", "null", "[]", "\"b\""], &[("etag", "\"a\"")])]).await;
    assert_eq!(ids(&list), ["1", "b"]);
    assert_eq!((list.undecodable, list.truncated, list.is_whole()), (2, false, false));
    assert_eq!(list.etag, None);
}

#[tokio::test]
async fn a_body_without_a_list_is_no_empty_list() {
    for body in ["{}", r#"{"tasks":null}"#, r#"{"tasks":{}}"#, "null", "7", ""] {
        let transport = Scripted::answering([answer(200, &[], body)]);
        let error = transport.client().list_tasks(&token(), QUERY, None).await.unwrap_err();
        assert_eq!(error.category(), "undecodable", "{body}");
    }
}

#[tokio::test]
async fn an_error_on_a_later_page_is_an_error() {
    let link = next(2);
    let transport = Scripted::answering([page(&["1"], &[(link.0, &link.1)]), answer(502, &[], "")]);
    let error = transport.client().list_tasks(&token(), QUERY, None).await.unwrap_err();
    assert_eq!(error.category(), "server");
}

#[tokio::test]
async fn the_etag_is_asked_with_on_the_first_page_only() {
    let link = next(2);
    let transport = Scripted::answering([
        answer(304, &[], ""),
        page(&["1"], &[(link.0, &link.1), ("etag", "W/\"b\"")]),
        page(&["2"], &[]),
    ]);
    let client = transport.client();
    let first = client.list_tasks(&token(), QUERY, Some("\"a\"")).await.unwrap();
    assert_eq!(first, Listed::NotModified);
    let Listed::Tasks(list) = client.list_tasks(&token(), QUERY, Some("\"a\"")).await.unwrap() else {
        panic!("it was modified")
    };
    assert_eq!(list.etag.as_deref(), Some("W/\"b\""));
    let asked = transport.requests();
    let asked: Vec<_> = asked
        .iter()
        .map(|(request, _)| request.headers().get("if-none-match"))
        .collect();
    assert_eq!(asked[..2], [Some(&"\"a\"".parse().unwrap()); 2]);
    assert_eq!(asked[2], None);
}
