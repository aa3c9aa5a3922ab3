//! Where work came from, as it is now: one question (GraphQL) tells of an issue or a pull request what several of the REST
//! API would, and one thing that none of those does: when its text was last edited.

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::{Call, Client, READ_TIMEOUT, decode};
use super::error::Error;
use super::limits::RetryAfter;
use super::refusal::{Refusal, RefusalKind, Verdict};
use super::token::Token;
use super::{text, write};
use crate::domain::repository::Repository;

/// Pages of a hundred files that are read of a pull request; GitHub tells of 3,000 files at most.
const PAGES_MAX: usize = 30;
const QUERY: &str = "query($owner: String!, $name: String!, $number: Int!, $after: String) { \
    repository(owner: $owner, name: $name) { issueOrPullRequest(number: $number) { __typename \
    ... on Issue { closed lastEditedAt labels(first: 100) { nodes { name } } \
    timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) { nodes { ... on RenamedTitleEvent { createdAt } } } } \
    ... on PullRequest { closed lastEditedAt labels(first: 100) { nodes { name } } \
    timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) { nodes { ... on RenamedTitleEvent { createdAt } } } \
    isDraft baseRefName headRefName isCrossRepository \
    files(first: 100, after: $after) { nodes { path } pageInfo { hasNextPage endCursor } } } } } }";

/// An issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// When its body was last edited.
    pub edited_at: Option<Timestamp>,
    /// When its title was last changed.
    pub renamed_at: Option<Timestamp>,
    pub labels: Vec<String>,
    pub is_open: bool,
    pub pull: Option<OriginPull>,
}

/// What only pull requests have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPull {
    pub base: String,
    pub head: String,
    /// Whether it comes from another repository.
    pub is_fork: bool,
    pub is_draft: bool,
    /// The files that it changes.
    pub files: Vec<String>,
}

impl Client {
    /// An issue or a pull request as the last of its answers tells of it, which came within [`READ_TIMEOUT`]; `None` when there
    /// is none of that number that the token may see.
    pub async fn read_origin(&self, token: &Token, repo: &Repository, number: u64) -> Result<Option<Origin>, Error> {
        let (mut origin, mut files, mut after) = (None, Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let Some(page) = self.origin_page(token, repo, number, after.as_deref()).await? else {
                return Ok(None);
            };
            after = page.next();
            let mut seen = Origin::from(page);
            files.extend(seen.pull.iter_mut().flat_map(|pull| std::mem::take(&mut pull.files)));
            origin = Some(seen);
            if after.is_none() {
                break;
            }
        }
        if let Some(pull) = origin.as_mut().and_then(|origin: &mut Origin| origin.pull.as_mut()) {
            pull.files = files;
        }
        Ok(origin)
    }

    async fn origin_page(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        after: Option<&str>,
    ) -> Result<Option<Page>, Error> {
        const OPERATION: &str = "read_origin";
        let call = Call::at(OPERATION, token, self.base.graphql());
        let variables = Variables {
            owner: repo.owner(),
            name: repo.name(),
            number,
            after,
        };
        let body = write::encode(
            OPERATION,
            &Question {
                query: QUERY,
                variables,
            },
        )?;
        let (answer, verdict) = self.exchange(&call, Method::POST, body, READ_TIMEOUT).await?;
        match verdict {
            Verdict::Success => {}
            Verdict::NotModified => {
                return Err(Error::Server {
                    operation: OPERATION,
                    status: 304,
                });
            }
            Verdict::Undecided(status) => {
                return Err(Error::Server {
                    operation: OPERATION,
                    status,
                });
            }
            Verdict::Refused(refusal) => {
                return Err(Error::Refused {
                    operation: OPERATION,
                    refusal,
                });
            }
        }
        let told: Answer = decode(&call, answer.body())?;
        let page = told
            .data
            .and_then(|data| data.repository)
            .and_then(|repository| repository.found);
        match (page, told.errors.into_iter().next()) {
            (Some(page), _) => Ok(Some(page)),
            (None, Some(problem)) => problem.read(OPERATION, token),
            (None, None) => Ok(None),
        }
    }
}

#[derive(Serialize)]
struct Question<'a> {
    query: &'static str,
    variables: Variables<'a>,
}

#[derive(Serialize)]
struct Variables<'a> {
    owner: &'a str,
    name: &'a str,
    number: u64,
    after: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Found>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "issueOrPullRequest")]
    found: Option<Page>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    closed: bool,
    last_edited_at: Option<Timestamp>,
    #[serde(rename = "timelineItems")]
    renames: Nodes<Rename>,
    labels: Option<Nodes<Label>>,
    base_ref_name: Option<String>,
    head_ref_name: Option<String>,
    is_cross_repository: Option<bool>,
    is_draft: Option<bool>,
    files: Option<Files>,
}

#[derive(Deserialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rename {
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Files {
    nodes: Vec<File>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
struct File {
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// What GraphQL answers with in place of a status.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    message: String,
}

impl Page {
    fn next(&self) -> Option<String> {
        let page = &self.files.as_ref()?.page_info;
        page.end_cursor.clone().filter(|_| page.has_next_page)
    }

    fn paths(self) -> Vec<String> {
        let files = self.files.into_iter().flat_map(|files| files.nodes);
        files.map(|file| file.path).collect()
    }
}

impl From<Page> for Origin {
    fn from(mut page: Page) -> Self {
        let (base, head) = (page.base_ref_name.take(), page.head_ref_name.take());
        let (edited_at, is_open) = (page.last_edited_at, !page.closed);
        let renamed_at = page.renames.nodes.iter().map(|rename| rename.created_at).max();
        let labels = page.labels.take().into_iter().flat_map(|labels| labels.nodes);
        let (is_fork, is_draft) = (page.is_cross_repository.unwrap_or(true), page.is_draft.unwrap_or(false));
        Self {
            edited_at,
            renamed_at,
            labels: labels.map(|label| label.name).collect(),
            is_open,
            pull: base.zip(head).map(|(base, head)| OriginPull {
                base,
                head,
                is_fork,
                is_draft,
                files: page.paths(),
            }),
        }
    }
}

impl Problem {
    fn read(self, operation: &'static str, token: &Token) -> Result<Option<Page>, Error> {
        let (kind, status) = match self.kind.as_deref() {
            Some("NOT_FOUND") => return Ok(None),
            Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => (RefusalKind::PermissionMissing, 403),
            Some("RATE_LIMITED" | "RATE_LIMIT") => (RefusalKind::RateLimited(RetryAfter::Unstated), 403),
            _ => (RefusalKind::BadRequest, 200),
        };
        let message = text::message(&self.message, token);
        let refusal = Refusal { kind, status, message };
        Err(Error::Refused { operation, refusal })
    }
}
