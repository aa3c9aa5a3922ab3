//! The simulated GitHub against GitHub's published description, the client against both, and the receiver of webhooks against
//! GitHub's examples.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod corpus;
mod faults;
mod hooks;
mod issues;
mod limits;
mod lists;
mod openapi;
mod pulls;
mod scripts;
mod server;
mod tokens;
mod webhook;
mod world;
