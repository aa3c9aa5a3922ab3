//! The simulated GitHub against GitHub's published description, and the client against both.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
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
mod world;
