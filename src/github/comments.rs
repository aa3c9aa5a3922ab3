//! What people say on issues and pull requests, and what is said there for them.

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::{Call, Client};
use super::conditional::Conditional;
use super::error::Error;
use super::lenient::lenient;
use super::list::{List, Pages, whole_second};
use super::models::User;
use super::token::Token;
use crate::domain::repository::Repository;

/// A comment on an issue or a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comment {
    pub id: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub body: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<User>,
    /// What its author is to the repository: `OWNER`, `MEMBER`, `COLLABORATOR`, `CONTRIBUTOR`, …
    #[serde(default, deserialize_with = "lenient")]
    pub author_association: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub html_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    /// Later than `created_at` when it was edited.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    issue_url: Option<String>,
}

impl Comment {
    /// The number of the issue or pull request that it is on.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.issue_url.as_deref()?.rsplit('/').next()?.parse().ok()
    }
}

impl Client {
    /// Comments in a repository that were written or edited at or after `since`, cut to the second, the longest untouched
    /// first. An `ETag` holds for the same `since` only.
    pub async fn list_comments(
        &self,
        token: &Token,
        repo: &Repository,
        since: Timestamp,
        etag: Option<&str>,
    ) -> Result<Conditional<List<Comment>>, Error> {
        let from = |since| {
            let url = self.url(&["repos", repo.owner(), repo.name(), "issues", "comments"])?;
            let url = url
                .with("sort", "updated")
                .with("direction", "asc")
                .with("per_page", "100")
                .with("since", &whole_second(since));
            Ok(url.into_string())
        };
        let call = Call {
            etag,
            ..Call::at("list_comments", token, from(since)?)
        };
        self.rising_list(call, since, |comment: &Comment| comment.updated_at, from)
            .await
    }

    /// The comments on an issue or a pull request, the oldest first; with `since` those written or edited from then on.
    pub async fn list_issue_comments(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        since: Option<Timestamp>,
    ) -> Result<List<Comment>, Error> {
        let number = number.to_string();
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "issues", &number, "comments"])?
            .with("per_page", "100")
            .with_some("since", since.map(whole_second));
        let call = Call::new("list_issue_comments", token, url);
        self.list(call, Pages::default()).await
    }

    /// Says something on an issue or a pull request. When the answer is lost, only the list tells whether it was said.
    pub async fn create_comment(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        body: &str,
    ) -> Result<Comment, Error> {
        let number = number.to_string();
        let url = ["repos", repo.owner(), repo.name(), "issues", &number, "comments"];
        self.write_for("create_comment", token, &url, Method::POST, &Text { body })
            .await
    }

    /// Replaces a comment's text. Doing so again changes nothing.
    pub async fn update_comment(&self, token: &Token, repo: &Repository, id: u64, body: &str) -> Result<(), Error> {
        let id = id.to_string();
        let url = ["repos", repo.owner(), repo.name(), "issues", "comments", &id];
        self.write("update_comment", token, &url, Method::PATCH, &Text { body })
            .await
    }
}

#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
}
