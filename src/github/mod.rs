//! The GitHub client: agent tasks, issues, pull requests, comments, webhooks' deliveries, limits.
//!
//! Starting a task is a POST that must not be repeated and whose answer can be lost. So nothing here retries, at any
//! layer; the transport tells *never sent* from *lost*; and [`StartOutcome::Unknown`] is a result like any other. Reads
//! are safe to repeat, but that too is the caller's decision, who knows the credential's budget.
//!
//! What GitHub answers is read leniently: a field that is missing, `null`, of another type or of an unknown value never
//! makes the rest unreadable. Text that is kept for people is bounded and never holds the token.

mod base_url;
mod client;
mod comments;
mod conditional;
mod error;
mod guardrails;
mod hooks;
mod identity;
mod issues;
mod lenient;
mod limits;
mod list;
pub mod models;
mod oauth;
mod origin;
mod pulls;
mod refusal;
mod start;
mod text;
mod token;
mod transport;
mod url;
mod usage;
mod write;

pub use base_url::{BaseUrl, BaseUrlError};
pub use client::{Client, Exchange, READ_TIMEOUT};
pub use comments::Comment;
pub use conditional::{Conditional, Kept};
pub use error::Error;
pub use guardrails::{AgentConfiguration, BranchRule};
pub use hooks::{Delivery, Hook, HookConfig};
pub use identity::Identity;
pub use issues::{Issue, IssueEvent, Record, Rest};
pub use limits::{RateSnapshot, RetryAfter};
pub use list::{List, ListQuery, Listed, Scope};
pub use oauth::{Grant, Pair, RefreshOutcome};
pub use origin::{Origin, OriginPull};
pub use pulls::{ChangedFile, CheckRun, CheckRuns};
pub use refusal::{Refusal, RefusalKind};
pub use start::{StartOutcome, StartRequest};
pub use token::{Token, TokenError};
pub use transport::{HttpTransport, Transport, TransportError};
