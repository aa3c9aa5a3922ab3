//! What each operation answers.

pub(super) mod graphql;
mod pulls;
pub(super) mod tasks;
