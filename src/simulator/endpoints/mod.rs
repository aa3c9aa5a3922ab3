//! What each operation answers.

pub(super) mod graphql;
mod guardrails;
mod pulls;
mod reviews;
pub(super) mod tasks;
