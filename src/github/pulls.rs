//! Pull requests after they were opened: what changed, their checks, and the few things that are asked for them.

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};

use super::client::{Call, Client};
use super::conditional::{Conditional, Kept};
use super::error::Error;
use super::lenient::{lenient, lenient_list};
use super::list::{List, Pages};
use super::models::PullRequest;
use super::refusal::RefusalKind;
use super::token::Token;
use crate::domain::repository::Repository;

/// A check of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckRun {
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// `queued`, `in_progress`, `completed`, …
    #[serde(default, deserialize_with = "lenient")]
    pub status: Option<String>,
    /// `success`, `failure`, `neutral`, `cancelled`, `skipped`, `timed_out`, `action_required`; once it is completed.
    #[serde(default, deserialize_with = "lenient")]
    pub conclusion: Option<String>,
}

/// The checks of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct CheckRuns {
    #[serde(default, deserialize_with = "lenient_list")]
    pub check_runs: Vec<CheckRun>,
}

/// A file that a pull request changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChangedFile {
    pub filename: String,
    /// What a renamed file was called before.
    #[serde(default, deserialize_with = "lenient")]
    pub previous_filename: Option<String>,
}

impl Client {
    /// The hundred pull requests that changed last, in any state.
    pub async fn recent_pulls(
        &self,
        token: &Token,
        repo: &Repository,
        etag: Option<&str>,
    ) -> Result<Conditional<Vec<PullRequest>>, Error> {
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "pulls"])?
            .with("state", "all")
            .with("sort", "updated")
            .with("direction", "desc")
            .with("per_page", "100");
        let call = Call {
            etag,
            ..Call::new("recent_pulls", token, url)
        };
        let answer: Conditional<Pulls> = self.read_if_changed(call).await?;
        Ok(answer.map(|pulls| pulls.0))
    }

    /// The open pull requests, those that changed last first.
    pub async fn open_pulls(&self, token: &Token, repo: &Repository) -> Result<List<PullRequest>, Error> {
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "pulls"])?
            .with("state", "open")
            .with("sort", "updated")
            .with("direction", "desc")
            .with("per_page", "100");
        self.list(Call::new("open_pulls", token, url), Pages::default()).await
    }

    /// The newest hundred check runs of a commit.
    pub async fn list_check_runs(
        &self,
        token: &Token,
        repo: &Repository,
        sha: &str,
        kept: Option<Kept<CheckRuns>>,
    ) -> Result<Kept<CheckRuns>, Error> {
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "commits", sha, "check-runs"])?
            .with("per_page", "100");
        self.read_again(Call::new("list_check_runs", token, url), kept).await
    }

    /// The paths of the files that a pull request changes, of at most a thousand; `truncated` tells of more.
    pub async fn list_pull_files(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
    ) -> Result<List<ChangedFile>, Error> {
        let number = number.to_string();
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "pulls", &number, "files"])?
            .with("per_page", "100");
        self.list(Call::new("list_pull_files", token, url), Pages::default())
            .await
    }

    /// Asks for reviews. Asking again changes nothing.
    pub async fn request_reviewers(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        reviewers: &[String],
        team_reviewers: &[String],
    ) -> Result<(), Error> {
        let number = number.to_string();
        let url = [
            "repos",
            repo.owner(),
            repo.name(),
            "pulls",
            &number,
            "requested_reviewers",
        ];
        let body = Reviewers {
            reviewers,
            team_reviewers,
        };
        self.write("request_reviewers", token, &url, Method::POST, &body).await
    }

    /// Adds labels. Adding them again changes nothing.
    pub async fn add_labels(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        labels: &[String],
    ) -> Result<(), Error> {
        let number = number.to_string();
        let url = ["repos", repo.owner(), repo.name(), "issues", &number, "labels"];
        self.write("add_labels", token, &url, Method::POST, &Labels { labels })
            .await
    }

    /// Removes a label; one that is not there counts as removed.
    pub async fn remove_label(&self, token: &Token, repo: &Repository, number: u64, label: &str) -> Result<(), Error> {
        let number = number.to_string();
        let url = ["repos", repo.owner(), repo.name(), "issues", &number, "labels", label];
        let removed = self
            .send("remove_label", token, &url, Method::DELETE, Bytes::new())
            .await;
        match removed {
            Err(error)
                if error
                    .refusal()
                    .is_some_and(|refusal| refusal.kind == RefusalKind::NotFound) =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Closes a pull request, and gives it as it is then. Closing it again changes nothing.
    pub async fn close_pull(&self, token: &Token, repo: &Repository, number: u64) -> Result<PullRequest, Error> {
        let number = number.to_string();
        let url = ["repos", repo.owner(), repo.name(), "pulls", &number];
        self.write_for("close_pull", token, &url, Method::PATCH, &State { state: "closed" })
            .await
    }
}

/// A list of which each element is read for itself.
#[derive(Deserialize)]
#[serde(transparent)]
struct Pulls(#[serde(deserialize_with = "lenient_list")] Vec<PullRequest>);

#[derive(Serialize)]
struct Reviewers<'a> {
    reviewers: &'a [String],
    team_reviewers: &'a [String],
}

#[derive(Serialize)]
struct Labels<'a> {
    labels: &'a [String],
}

#[derive(Serialize)]
struct State {
    state: &'static str,
}
