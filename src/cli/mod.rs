//! Subcommands for people, one file each: a `clap` argument struct and a `run` that returns the exit code.

pub mod controller;
pub mod crds;
pub mod schedule;

/// What a subcommand prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
}
