//! What each operation answers.

mod comments;
pub(super) mod graphql;
mod guardrails;
mod hooks;
mod issues;
mod pulls;
mod reviews;
pub(super) mod tasks;
