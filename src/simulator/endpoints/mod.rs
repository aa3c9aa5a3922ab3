//! What each operation answers.

mod comments;
pub(super) mod graphql;
mod guardrails;
mod hooks;
mod issues;
pub(super) mod oauth;
mod pulls;
mod reviews;
pub(super) mod tasks;
