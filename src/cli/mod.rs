//! Subcommands for people, one file each: a `clap` argument struct and a `run` that returns the exit code.

pub mod act;
mod cluster;
pub mod completion;
pub mod controller;
pub mod crds;
mod credentials;
mod decision;
pub mod history;
pub mod manifest;
mod output;
pub mod plan;
mod policies;
pub mod queue;
pub mod schedule;
pub mod status;
mod table;
pub mod validate;
pub mod webhook;
pub mod why;
pub mod words;

/// What a subcommand prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
}
