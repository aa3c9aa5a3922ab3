//! Issues, and the record of who did what to them.
//!
//! To GitHub a pull request is an issue too: the same numbers, lists and events.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::client::{Call, Client};
use super::conditional::Conditional;
use super::error::Error;
use super::lenient::{lenient, lenient_list};
use super::list::{List, PAGE_SIZE, Pages, whole_second};
use super::models::{Label, User};
use super::refusal::RefusalKind;
use super::token::Token;
use crate::domain::repository::Repository;

/// Pages of the record that are read at once.
const PAGES: u32 = 10;

/// An issue, or a pull request seen as one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issue {
    /// The database id; a pull request has another one as an issue.
    pub id: u64,
    pub number: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub body: Option<String>,
    /// `open` or `closed`.
    #[serde(default, deserialize_with = "lenient")]
    pub state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<User>,
    /// What its author is to the repository: `OWNER`, `MEMBER`, `COLLABORATOR`, `CONTRIBUTOR`, …
    #[serde(default, deserialize_with = "lenient")]
    pub author_association: Option<String>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub labels: Vec<Label>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub assignees: Vec<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub milestone: Option<Milestone>,
    #[serde(default, deserialize_with = "lenient")]
    pub html_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub closed_at: Option<Timestamp>,
    #[serde(default)]
    pull_request: Value,
}

/// A milestone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Milestone {
    pub title: String,
}

/// A part of what was done in a repository, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub events: Vec<IssueEvent>,
    pub rest: Rest,
}

/// What there is beyond a part of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing that was asked for.
    Nothing,
    /// It goes on with this page.
    From(u32),
    /// GitHub shows no more.
    Hidden,
}

/// Something that somebody did to an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IssueEvent {
    pub id: u64,
    /// `labeled`, `unlabeled`, `assigned`, `renamed`, `closed`, `reopened`, …
    #[serde(default, deserialize_with = "lenient")]
    pub event: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub actor: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub label: Option<Label>,
    #[serde(default, deserialize_with = "lenient")]
    pub assignee: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub milestone: Option<Milestone>,
    /// As it is now, not as it was then; only in the list of a whole repository.
    #[serde(default, deserialize_with = "lenient")]
    pub issue: Option<Issue>,
}

impl Issue {
    /// Whether it is a pull request.
    #[must_use]
    pub fn is_pull(&self) -> bool {
        self.pull_request.is_object()
    }
}

impl Client {
    /// Issues and pull requests in any state that were updated at or after `since`, cut to the second, the longest
    /// untouched first. An `ETag` holds for the same `since` only.
    pub async fn list_issues(
        &self,
        token: &Token,
        repo: &Repository,
        since: Timestamp,
        etag: Option<&str>,
    ) -> Result<Conditional<List<Issue>>, Error> {
        let from = |since| {
            let url = self.url(&["repos", repo.owner(), repo.name(), "issues"])?;
            let url = url
                .with("state", "all")
                .with("sort", "updated")
                .with("direction", "asc")
                .with("per_page", "100")
                .with("since", &whole_second(since));
            Ok(url.into_string())
        };
        let call = Call {
            etag,
            ..Call::at("list_issues", token, from(since)?)
        };
        self.rising_list(call, since, |issue: &Issue| issue.updated_at, from)
            .await
    }

    /// One issue or pull request.
    pub async fn get_issue(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        etag: Option<&str>,
    ) -> Result<Conditional<Issue>, Error> {
        let url = self.url(&["repos", repo.owner(), repo.name(), "issues", &number.to_string()])?;
        let call = Call {
            etag,
            ..Call::new("get_issue", token, url)
        };
        self.read_if_changed(call).await
    }

    /// What was done to an issue or a pull request, the oldest first.
    pub async fn list_issue_events(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
    ) -> Result<List<IssueEvent>, Error> {
        let number = number.to_string();
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "issues", &number, "events"])?
            .with("per_page", "100");
        let call = Call::new("list_issue_events", token, url);
        self.list(call, Pages::default()).await
    }

    /// What was done to any issue or pull request of a repository, the newest first: from a page on, back to what was done
    /// before `since`, on whose page it ends.
    pub async fn list_events(
        &self,
        token: &Token,
        repo: &Repository,
        since: Timestamp,
        first: u32,
    ) -> Result<Record, Error> {
        let mut record = Record {
            events: Vec::new(),
            rest: Rest::Nothing,
        };
        for page in first..first.saturating_add(PAGES) {
            let url = self
                .url(&["repos", repo.owner(), repo.name(), "issues", "events"])?
                .with("per_page", "100")
                .with("page", &page.to_string());
            let call = Call::new("list_events", token, url);
            let read: List<IssueEvent> = match self.list(call, Pages::at_most(1)).await {
                Ok(read) => read,
                Err(error) if page > 1 && is_past_the_last(&error) => {
                    record.rest = Rest::Hidden;
                    return Ok(record);
                }
                Err(error) => return Err(error),
            };
            let is_full = read.items.len() + read.undecodable >= PAGE_SIZE;
            record.events.extend(read.items);
            let is_before = |event: &IssueEvent| event.created_at.is_some_and(|at| at < since);
            if record.events.last().is_some_and(is_before) {
                record.rest = Rest::Nothing;
                return Ok(record);
            }
            if !read.truncated {
                // A list that ends with a full page after others was cut there.
                record.rest = if is_full && page > 1 {
                    Rest::Hidden
                } else {
                    Rest::Nothing
                };
                return Ok(record);
            }
            record.rest = Rest::From(page.saturating_add(1));
        }
        Ok(record)
    }
}

/// GitHub lets old pages of a long list be asked for no more.
fn is_past_the_last(error: &Error) -> bool {
    let kind = error.refusal().map(|refusal| &refusal.kind);
    matches!(kind, Some(RefusalKind::Invalid))
}
