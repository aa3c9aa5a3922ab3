//! The subcommands as a user runs them.

#![expect(clippy::unwrap_used, reason = "a test that cannot start its subject should stop")]

mod schedule;
