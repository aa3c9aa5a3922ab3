//! The GitHub client and the stand-in for GitHub.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
