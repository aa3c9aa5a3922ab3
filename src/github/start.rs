//! The one call that must not be repeated.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use super::client::{Call, Client, decode};
use super::models::Task;
use super::refusal::{Refusal, RefusalKind, Verdict};
use super::token::Token;
use super::transport::TransportError;
use crate::domain::repository::Repository;

/// What to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StartRequest<'a> {
    pub prompt: &'a str,
    /// `None` leaves the choice to GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// The custom agent's file name without `.agent.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_agent: Option<&'a str>,
    pub create_pull_request: bool,
    /// The branch to start from and to merge into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_ref: Option<&'a str>,
    /// An existing branch to go on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_ref: Option<&'a str>,
}

/// What came of a start.
#[derive(Debug, Clone, PartialEq)]
pub enum StartOutcome {
    /// There is a task, and this is its id.
    Created(Task),
    /// GitHub declined: there is no task.
    Refused(Refusal),
    /// The request did not leave: there is no task.
    NeverSent { reason: String },
    /// There may be a task.
    Unknown { reason: String },
}

impl Client {
    /// Starts a task: one request, sent at most once, given up after `timeout`.
    ///
    /// Everything that does not prove the contrary is [`StartOutcome::Unknown`]: a lost answer, a server error (GitHub
    /// gives one after ten seconds even if it goes on to create the task), a success whose id cannot be read.
    pub async fn start_task(
        &self,
        token: &Token,
        repo: &Repository,
        request: StartRequest<'_>,
        timeout: Duration,
    ) -> StartOutcome {
        let never_sent = |reason: String| StartOutcome::NeverSent { reason };
        let url = match self.url(&["agents", "repos", repo.owner(), repo.name(), "tasks"]) {
            Ok(url) => url,
            Err(error) => return never_sent(error.to_string()),
        };
        let body = match serde_json::to_vec(&request) {
            Ok(body) => Bytes::from(body),
            Err(error) => return never_sent(error.to_string()),
        };
        let call = Call::new("start_task", token, url);
        match self.exchange(&call, Method::POST, body, timeout).await {
            Ok((answer, verdict)) => conclude(&call, answer.body(), verdict),
            Err(TransportError::NeverSent(reason)) => never_sent(reason),
            Err(TransportError::Lost(reason)) => StartOutcome::Unknown { reason },
        }
    }
}

fn conclude(call: &Call<'_>, body: &[u8], verdict: Verdict) -> StartOutcome {
    match verdict {
        Verdict::Success => match decode(call, body) {
            Ok(task) => StartOutcome::Created(task),
            Err(error) => StartOutcome::Unknown {
                reason: error.to_string(),
            },
        },
        // Nothing says when GitHub would answer a start so.
        Verdict::Refused(refusal) if refusal.kind == RefusalKind::Gone => unknown_status(refusal.status),
        Verdict::Refused(refusal) => StartOutcome::Refused(refusal),
        Verdict::Undecided(status) => unknown_status(status),
        Verdict::NotModified => unknown_status(304),
    }
}

fn unknown_status(status: u16) -> StartOutcome {
    StartOutcome::Unknown {
        reason: format!("GitHub answered with status {status}, which does not tell whether it created the task"),
    }
}
