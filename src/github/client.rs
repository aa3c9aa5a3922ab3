//! The calls, each one request (lists: one for each page).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::base_url::BaseUrl;
use super::conditional::Kept;
use super::error::Error;
use super::limits::RateSnapshot;
use super::list::{List, Pages};
use super::models::{BranchInfo, PullRequest, RepositoryInfo, Review, Task};
use super::refusal::{Verdict, judge};
use super::text;
use super::token::Token;
use super::transport::{Transport, TransportError};
use super::url::Url;
use crate::domain::repository::Repository;

/// GitHub itself ends a request after 10 s.
pub const READ_TIMEOUT: Duration = Duration::from_secs(15);

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.github+json");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const AGENT: HeaderValue = HeaderValue::from_static(concat!("agent-automation/", env!("CARGO_PKG_VERSION")));
/// GitHub answers 400 to a version that it does not know.
const API_VERSION: HeaderValue = HeaderValue::from_static("2026-03-10");

type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// GitHub's API, for any number of tokens. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) base: BaseUrl,
    observer: Option<Observer>,
}

/// One request and what came of it, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The call's name, from a short list.
    pub operation: &'static str,
    /// `ok`, `not_modified`, or the category of what went wrong.
    pub outcome: &'static str,
    /// What is left of the user's limit, when the answer says so.
    pub rate: Option<RateSnapshot>,
    pub elapsed: Duration,
}

/// A request before it has its headers.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) token: &'a Token,
    pub(super) url: String,
    pub(super) etag: Option<&'a str>,
}

impl Client {
    /// A client that nobody observes.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, base: BaseUrl) -> Self {
        let observer = None;
        Self {
            transport,
            base,
            observer,
        }
    }

    /// The same client with its own observer, which is called after each exchange.
    #[must_use]
    pub fn observed_by(self, observer: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
        let observer: Option<Observer> = Some(Arc::new(observer));
        Self { observer, ..self }
    }

    /// One task with its sessions, by its repository or among all of the token's user.
    pub async fn get_task(&self, token: &Token, repo: Option<&Repository>, id: &str) -> Result<Task, Error> {
        let url = match repo {
            Some(repo) => self.url(&["agents", "repos", repo.owner(), repo.name(), "tasks", id])?,
            None => self.url(&["agents", "tasks", id])?,
        };
        self.read("get_task", token, url).await
    }

    /// The repository; a refusal of kind *moved* when it has another name now.
    pub async fn get_repository(&self, token: &Token, repo: &Repository) -> Result<RepositoryInfo, Error> {
        let url = self.url(&["repos", repo.owner(), repo.name()])?;
        self.read("get_repository", token, url).await
    }

    /// A branch and its newest commit.
    pub async fn get_branch(&self, token: &Token, repo: &Repository, branch: &str) -> Result<BranchInfo, Error> {
        let url = self.url(&["repos", repo.owner(), repo.name(), "branches", branch])?;
        self.read("get_branch", token, url).await
    }

    /// The primary limit of the token's user; asking costs nothing.
    pub async fn rate_limit(&self, token: &Token) -> Result<RateSnapshot, Error> {
        let url = self.url(&["rate_limit"])?;
        let limits: Limits = self.read("rate_limit", token, url).await?;
        Ok(limits.resources.core)
    }

    /// One pull request.
    pub async fn get_pull(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        kept: Option<Kept<PullRequest>>,
    ) -> Result<Kept<PullRequest>, Error> {
        let url = self.url(&["repos", repo.owner(), repo.name(), "pulls", &number.to_string()])?;
        self.read_again(Call::new("get_pull", token, url), kept).await
    }

    /// Pull requests in any state, the newest first: those whose head is this branch of the repository itself, or
    /// without a branch the newest hundred.
    pub async fn list_pulls(
        &self,
        token: &Token,
        repo: &Repository,
        head: Option<&str>,
    ) -> Result<List<PullRequest>, Error> {
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "pulls"])?
            .with("state", "all")
            .with("sort", "created")
            .with("direction", "desc")
            .with("per_page", "100")
            .with_some("head", head.map(|branch| format!("{}:{branch}", repo.owner())));
        let call = Call::new("list_pulls", token, url);
        self.list(call, Pages::at_most(1)).await
    }

    /// The reviews of a pull request, the oldest first.
    pub async fn list_reviews(
        &self,
        token: &Token,
        repo: &Repository,
        number: u64,
        kept: Option<Kept<List<Review>>>,
    ) -> Result<Kept<List<Review>>, Error> {
        let url = self
            .url(&[
                "repos",
                repo.owner(),
                repo.name(),
                "pulls",
                &number.to_string(),
                "reviews",
            ])?
            .with("per_page", "100");
        let etag = Kept::etag_of(kept.as_ref());
        let call = Call {
            etag: etag.as_deref(),
            ..Call::new("list_reviews", token, url)
        };
        self.growing_list(call).await?.or_kept(kept, "list_reviews")
    }

    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        Url::new(&self.base, segments)
    }

    /// Gets one answer; `None` when it has not changed since the call's `ETag`.
    pub(super) async fn get(&self, call: &Call<'_>) -> Result<Option<Response<Bytes>>, Error> {
        let operation = call.operation;
        let (answer, verdict) = self.exchange(call, Method::GET, Bytes::new(), READ_TIMEOUT).await?;
        match verdict {
            Verdict::Success => Ok(Some(answer)),
            Verdict::NotModified if call.etag.is_some() => Ok(None),
            Verdict::NotModified => Err(Error::Server { operation, status: 304 }),
            Verdict::Undecided(status) => Err(Error::Server { operation, status }),
            Verdict::Refused(refusal) => Err(Error::Refused { operation, refusal }),
        }
    }

    /// Sends one request, once, and tells the observer.
    pub(super) async fn exchange(
        &self,
        call: &Call<'_>,
        method: Method,
        body: Bytes,
        timeout: Duration,
    ) -> Result<(Response<Bytes>, Verdict), TransportError> {
        let request = call
            .request(method, body)
            .map_err(|error| TransportError::NeverSent(text::message(&error.to_string(), call.token)))?;
        let start = Instant::now();
        let result = self.transport.send(request, timeout).await.map(|answer| {
            let verdict = judge(&answer, call.token);
            (answer, verdict)
        });
        let rate = match &result {
            Ok((answer, _)) => RateSnapshot::from_headers(answer.headers()),
            Err(_) => None,
        };
        self.tell(call.operation, outcome(&result), rate, start);
        result
    }

    /// Tells the observer of an exchange.
    pub(super) fn tell(
        &self,
        operation: &'static str,
        outcome: &'static str,
        rate: Option<RateSnapshot>,
        start: Instant,
    ) {
        if let Some(observer) = &self.observer {
            observer(&Exchange {
                operation,
                outcome,
                rate,
                elapsed: start.elapsed(),
            });
        }
    }

    async fn read<T: DeserializeOwned>(&self, operation: &'static str, token: &Token, url: Url) -> Result<T, Error> {
        let call = Call::new(operation, token, url);
        let answer = self.get(&call).await?;
        decode(&call, answer.as_ref().map_or(&[], |answer| answer.body()))
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(operation: &'static str, token: &'a Token, url: Url) -> Self {
        Self::at(operation, token, url.into_string())
    }

    /// A call of an address that is none of the REST API's.
    pub(super) fn at(operation: &'static str, token: &'a Token, url: String) -> Self {
        Self {
            operation,
            token,
            url,
            etag: None,
        }
    }

    fn request(&self, method: Method, body: Bytes) -> Result<Request<Bytes>, http::Error> {
        let mut builder = Request::builder()
            .method(method)
            .uri(&self.url)
            .header(ACCEPT, MEDIA_TYPE)
            .header(AUTHORIZATION, self.token.authorization()?)
            .header("x-github-api-version", API_VERSION)
            .header(USER_AGENT, AGENT);
        if let Some(etag) = self.etag {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        if !body.is_empty() {
            builder = builder.header(CONTENT_TYPE, JSON);
        }
        builder.body(body)
    }
}

/// Reads a body as JSON; the error never holds the token.
pub(super) fn decode<T: DeserializeOwned>(call: &Call<'_>, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Undecodable {
        operation: call.operation,
        reason: text::message(&error.to_string(), call.token),
    })
}

/// The `ETag` of an answer, to ask with the next time.
pub(super) fn etag(answer: &Response<Bytes>) -> Option<String> {
    answer.headers().get(ETAG)?.to_str().ok().map(str::to_owned)
}

fn outcome(result: &Result<(Response<Bytes>, Verdict), TransportError>) -> &'static str {
    match result {
        Ok((_, Verdict::Success)) => "ok",
        Ok((_, Verdict::NotModified)) => "not_modified",
        Ok((_, Verdict::Refused(refusal))) => refusal.kind.category(),
        Ok((_, Verdict::Undecided(_))) => "server",
        Err(error) => error.category(),
    }
}

#[derive(Deserialize)]
struct Limits {
    resources: Resources,
}

#[derive(Deserialize)]
struct Resources {
    core: RateSnapshot,
}
