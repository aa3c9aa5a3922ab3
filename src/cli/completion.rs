//! `agent-automation completion`: what a shell needs to complete the command.

use std::io;
use std::process::ExitCode;

use clap::Command;
use clap_complete::{Shell, generate};

/// Print the completion script of a shell, as in `source <(agent-automation completion bash)`.
#[derive(Debug, clap::Args)]
pub struct Args {
    shell: Shell,
}

/// Runs the command, for a command line and the name that it was called by.
#[must_use]
pub fn run(args: &Args, mut command: Command, name: &str) -> ExitCode {
    generate(args.shell, &mut command, name, &mut io::stdout());
    ExitCode::SUCCESS
}
