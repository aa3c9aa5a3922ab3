//! The stand-in for GitHub: agent tasks, issues, pull requests, webhooks, repositories, tokens and limits, with faults on
//! demand.
//!
//! One [`Simulator`] serves two hosts. Over HTTP it is the binary `github-simulator`; in a simulation on paused time its
//! [`handle`](Simulator::handle) is called directly. Hence it owns no clock, no timer and no entropy: time is a function
//! it is given, chance a seeded generator, and what a task looks like is *derived* from its script, its creation and
//! now. Nothing happens in it between two calls.
//!
//! It answers as GitHub's published OpenAPI description (API version 2026-03-10) says; where the description is silent
//! it errs on the side that is harder for a client.

mod auth;
mod call;
mod control;
pub mod courier;
mod endpoints;
mod exchange;
mod fault;
mod history;
mod hook;
mod issue;
mod limit;
mod page;
mod people;
mod pull;
mod render;
mod reply;
mod repository;
mod route;
mod script;
pub mod server;
mod state;
mod task;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use jiff::Timestamp;

use self::state::State;
pub use self::{
    auth::{Access, Grant, Permissions, Token, TokenKind},
    control::{Command, ControlError, TaskStart},
    fault::{Effect, Failure, Fault, When},
    hook::{DeliveryEffect, DeliveryFault, DeliveryOutcome, DeliveryRecord, NewHook, Outgoing, Sink},
    issue::{Association, CommentRecord, IssueChange, IssueRecord, NewIssue},
    limit::{Limits, PrimaryLimit, SecondaryLimits, Throttle},
    pull::{NewPull, PullChange, PullRecord, ReviewState},
    repository::{AgentSettings, CodeOwners, Repository, Rule},
    route::Operation,
    script::{End, Leaves, Script, SessionScript, SessionState},
    state::{Behaviour, RequestRecord},
    task::TaskRecord,
};

/// Where a simulator reads the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a simulator is made from.
#[derive(Clone)]
pub struct Config {
    /// Decides ids and which calls a fault with a rate hits: the same seed and the same calls give the same answers.
    pub seed: u64,
    pub clock: Clock,
    /// What the `url` fields and the `Link` and `Location` headers begin with.
    pub base_url: String,
}

impl Config {
    /// A configuration that answers under GitHub's own name.
    #[must_use]
    pub fn new(seed: u64, clock: Clock) -> Self {
        Self {
            seed,
            clock,
            base_url: "https://api.github.com".to_owned(),
        }
    }
}

/// What comes back for a request.
#[derive(Clone, Debug)]
pub enum Answer {
    Response(http::Response<Bytes>),
    /// The connection is closed without an answer.
    Reset,
    /// The head and its `content-length` are sent, but only so many bytes of the body, then the connection is closed.
    Truncated(http::Response<Bytes>, usize),
}

/// A handle on one simulated GitHub; clones share their state.
#[derive(Clone)]
pub struct Simulator {
    clock: Clock,
    state: Arc<Mutex<State>>,
    sink: Arc<Mutex<Option<Arc<dyn Sink>>>>,
}

impl Simulator {
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = State::new(config.seed, config.base_url);
        Self {
            clock: config.clock,
            state: Arc::new(Mutex::new(state)),
            sink: Arc::default(),
        }
    }

    /// Answers one request.
    ///
    /// Everything the request does is done before the first suspension: a caller who drops the future loses the answer,
    /// never the deed, as with GitHub.
    pub async fn handle(&self, request: http::Request<Bytes>) -> Answer {
        let planned = self.act(|state, now| state.process(&request, now));
        if !planned.delay.is_zero() {
            tokio::time::sleep(planned.delay).await;
        }
        match planned.answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Does something now, and hands its webhooks to the sink.
    fn act<T>(&self, act: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = self.now();
        let (result, outgoing) = {
            let mut state = self.state();
            (act(&mut state, now), state.hooks.take_outgoing())
        };
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            for outgoing in outgoing {
                sink.send(self, outgoing);
            }
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
