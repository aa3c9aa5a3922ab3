//! Subcommands for people, one file each: a `clap` argument struct and a `run` that returns the exit code.

pub mod controller;
pub mod crds;
pub mod manifest;
mod output;
pub mod plan;
pub mod schedule;
pub mod validate;

/// What a subcommand prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
}
