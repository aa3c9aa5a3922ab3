//! Subcommands for people, one file each: a `clap` argument struct and a `run` that returns the exit code.

pub mod controller;
pub mod crds;
pub mod schedule;
