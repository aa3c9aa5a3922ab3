//! The real shell in one thread on paused time, over an API server in memory and the simulated GitHub.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod crash;
mod credentials;
mod events;
mod flood;
mod invariants;
mod life;
mod lost;
mod memory;
mod network;
mod notify;
mod people;
mod planner;
mod pulls;
mod receiver;
mod redelivery;
mod refresh;
mod report;
mod rest;
mod soak;
mod stage;
mod takeover;
mod volume;
