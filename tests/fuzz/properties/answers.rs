//! An answer to any of the client's calls: read or refused, never taken for what it is not, never followed to another host,
//! and the token is in no message.
//!
//! The first line is the status, the others are headers. Every call gets the same answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_automation::domain::repository::Repository;
use agent_automation::github::{
    BaseUrl, Client, Error, ListQuery, Listed, RefusalKind, Scope, StartOutcome, StartRequest, Token, Transport,
    TransportError,
};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use super::{head_and_body, now, run};

const TOKEN: &str = "ghp_secret";
/// More than any one call may send.
const REQUESTS: usize = 30;
/// The most characters of a message.
const MESSAGE: usize = 800;

pub fn hold(bytes: &[u8]) -> bool {
    let (head, body) = head_and_body(bytes);
    let Some(answer) = answer(&head, body) else {
        return false;
    };
    let github = Arc::new(GitHub {
        answer,
        requests: Mutex::default(),
    });
    let client = Client::new(github.clone(), BaseUrl::default());
    run(starts(&github, &client));
    run(reads(&github, &client));
    run(writes(&github, &client));
    true
}

struct GitHub {
    answer: Response<Bytes>,
    requests: Mutex<usize>,
}

impl Transport for GitHub {
    fn send(
        &self,
        request: Request<Bytes>,
        _: Duration,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + '_>> {
        *self.requests.lock().unwrap() += 1;
        let host = request.uri().authority().map(ToString::to_string);
        assert!(
            matches!(host.as_deref(), Some("api.github.com" | "api.github.com:443")),
            "{host:?}"
        );
        Box::pin(async { Ok(self.answer.clone()) })
    }
}

impl GitHub {
    fn judge<T>(&self, result: Result<T, Error>) -> Option<T> {
        let sent = std::mem::take(&mut *self.requests.lock().unwrap());
        assert!((1..=REQUESTS).contains(&sent), "{sent} requests");
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let said = error.to_string();
                assert!(!said.contains(TOKEN) && !format!("{error:?}").contains(TOKEN), "{said}");
                assert!(
                    said.chars().count() <= MESSAGE && !said.contains(char::is_control),
                    "{said:?}"
                );
                if let Some(RefusalKind::RateLimited(until)) = error.refusal().map(|refusal| &refusal.kind) {
                    let wait = until.not_before(now()).duration_since(now()).as_secs();
                    assert!((0..=86_400).contains(&wait), "{wait} seconds");
                }
                None
            }
        }
    }
}

/// What proves that there is a task, or that there is none.
async fn starts(github: &GitHub, client: &Client) {
    let (token, repo) = (token(), repo());
    let request = StartRequest {
        prompt: "Go.",
        model: None,
        custom_agent: None,
        create_pull_request: true,
        base_ref: Some("main"),
        head_ref: None,
    };
    let outcome = client.start_task(&token, &repo, request, Duration::from_secs(10)).await;
    assert_eq!(
        std::mem::take(&mut *github.requests.lock().unwrap()),
        1,
        "a start is sent once"
    );
    let status = github.answer.status().as_u16();
    let declines = matches!(status, 301 | 302 | 303 | 307 | 308 | 400 | 401 | 403 | 404 | 422 | 429);
    // What is not used of a body is not read, and may be no JSON. Of a list the first element is taken for the id.
    let body: Option<Value> = serde_json::from_slice(github.answer.body()).ok();
    let id = body.map(|body| body.get("id").or(body.get(0)).cloned().unwrap_or_default());
    match outcome {
        StartOutcome::Created(task) => {
            assert!((200..300).contains(&status), "{status}");
            let is_its = |id: Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned) == task.id;
            assert!(id.is_none_or(is_its), "{}", task.id);
            let _ = task.usage();
        }
        StartOutcome::Refused(refusal) => {
            assert!(declines, "{status}");
            assert!(!refusal.to_string().contains(TOKEN), "{refusal}");
        }
        StartOutcome::Unknown { reason } => {
            assert!(!declines, "{status}");
            assert!(!reason.contains(TOKEN), "{reason}");
        }
        StartOutcome::NeverSent { reason } => panic!("it was sent: {reason}"),
    }
}

async fn reads(github: &GitHub, client: &Client) {
    let (token, repo, etag) = (&token(), &repo(), Some("\"1\""));
    let query = ListQuery {
        scope: Scope::User,
        since: None,
        archived: false,
        states: &[],
    };
    if let Some(Listed::Tasks(list)) = github.judge(client.list_tasks(token, query, None).await) {
        for task in &list.items {
            let _ = task.usage();
            github.judge(client.get_task(token, Some(repo), &task.id).await);
        }
    }
    github.judge(client.list_tasks(token, query, etag).await);
    github.judge(client.get_task(token, None, "id").await);
    github.judge(client.get_repository(token, repo).await);
    github.judge(client.get_branch(token, repo, "release/1.2").await);
    github.judge(client.rate_limit(token).await);
    github.judge(client.identify(token).await);
    github.judge(
        client
            .get_pull(token, repo, 1, None)
            .await
            .map(|pull| pull.value.is_merged()),
    );
    github.judge(client.list_pulls(token, repo, Some("agent/fix")).await);
    github.judge(client.recent_pulls(token, repo, etag).await);
    github.judge(client.open_pulls(token, repo).await);
    github.judge(client.list_reviews(token, repo, 1, None).await);
    github.judge(client.list_check_runs(token, repo, "0123abc", None).await);
    github.judge(client.list_pull_files(token, repo, 1).await);
    github.judge(client.list_issues(token, repo, now(), etag).await);
    github.judge(client.get_issue(token, repo, 1, etag).await);
    github.judge(client.list_issue_events(token, repo, 1).await);
    github.judge(client.list_events(token, repo, now(), 1).await);
    github.judge(client.list_comments(token, repo, now(), etag).await);
    github.judge(client.list_issue_comments(token, repo, 1, None).await);
    github.judge(client.branch_rules(token, repo, "main", etag).await);
    github.judge(client.codeowners_errors(token, repo, "main", etag).await);
    github.judge(client.agent_configuration(token, repo, etag).await);
    github.judge(client.list_hooks(token, repo, etag).await);
    github.judge(client.list_deliveries(token, repo, 1, Some(7), etag).await);
    github.judge(client.read_origin(token, repo, 1).await);
}

async fn writes(github: &GitHub, client: &Client) {
    let (token, repo, names) = (&token(), &repo(), ["one".to_owned()]);
    github.judge(client.request_reviewers(token, repo, 1, &names, &names).await);
    github.judge(client.add_labels(token, repo, 1, &names).await);
    github.judge(client.remove_label(token, repo, 1, "one").await);
    github.judge(client.close_pull(token, repo, 1).await);
    github.judge(client.create_comment(token, repo, 1, "said").await);
    github.judge(client.update_comment(token, repo, 1, "said").await);
    github.judge(client.redeliver(token, repo, 1, 2).await);
}

fn token() -> Token {
    Token::parse(TOKEN).unwrap()
}

fn repo() -> Repository {
    Repository::parse("acme/api").unwrap()
}

fn answer(head: &[&[u8]], body: &[u8]) -> Option<Response<Bytes>> {
    let (status, lines) = head.split_first()?;
    let mut builder = Response::builder().status(std::str::from_utf8(status).ok()?);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        builder = builder.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    builder.body(Bytes::copy_from_slice(body)).ok()
}
