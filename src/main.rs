//! Command line; wiring only.

use std::process::ExitCode;

use agent_automation::cli;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "agent-automation", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Controller(cli::controller::Args),
    Crds(cli::crds::Args),
    Plan(cli::plan::Args),
    /// Print the times at which a schedule fires.
    Schedule(cli::schedule::Args),
    Validate(cli::validate::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Controller(args) => cli::controller::run(&args),
        Command::Crds(args) => cli::crds::run(&args),
        Command::Plan(args) => cli::plan::run(&args),
        Command::Schedule(args) => cli::schedule::run(&args),
        Command::Validate(args) => cli::validate::run(&args),
    }
}
