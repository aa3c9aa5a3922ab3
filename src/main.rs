//! Command line; wiring only.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use agent_automation::cli;
use clap::{CommandFactory, FromArgMatches, Parser};

/// The file name by which kubectl finds the command as its plugin `aauto`.
const PLUGIN: &str = "kubectl-aauto";
/// The file name under which kubectl asks what can complete the plugin's words.
const COMPLETER: &str = "kubectl_complete-aauto";

#[derive(Debug, Parser)]
#[command(name = "agent-automation", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Abandon(cli::act::task::Abandon),
    Adopt(cli::act::task::Adopt),
    Approve(cli::act::task::Approve),
    Cancel(cli::act::task::Cancel),
    Completion(cli::completion::Args),
    Controller(Box<cli::controller::Args>),
    Crds(cli::crds::Args),
    History(cli::history::Args),
    Open(cli::act::task::Open),
    Plan(cli::plan::Args),
    Queue(cli::queue::Args),
    Resume(cli::act::automation::Resume),
    Run(cli::act::run::Args),
    /// Print the times at which a schedule fires.
    Schedule(cli::schedule::Args),
    Status(cli::status::Args),
    Suspend(cli::act::automation::Suspend),
    Validate(cli::validate::Args),
    Webhook(cli::webhook::Args),
    Why(cli::why::Args),
}

fn main() -> ExitCode {
    let path = std::env::args_os().next().unwrap_or_default();
    let plugin = is_called(&path, PLUGIN);
    let mut command = Cli::command();
    if is_called(&path, COMPLETER) {
        let words = std::env::args_os().skip(1);
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        return cli::completion::answer(&command, &words);
    }
    if plugin {
        command = command.name(PLUGIN).bin_name("kubectl aauto");
    }
    let name = if plugin { PLUGIN } else { "agent-automation" };
    let words = cli::words::in_order(std::env::args_os());
    let cli = Cli::from_arg_matches(&command.clone().get_matches_from(words)).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Abandon(args) => cli::act::task::abandon(&args),
        Command::Adopt(args) => cli::act::task::adopt(&args),
        Command::Approve(args) => cli::act::task::approve(&args),
        Command::Cancel(args) => cli::act::task::cancel(&args),
        Command::Completion(args) => cli::completion::run(&args, command, name),
        Command::Controller(args) => cli::controller::run(&args),
        Command::Crds(args) => cli::crds::run(&args),
        Command::History(args) => cli::history::run(&args),
        Command::Open(args) => cli::act::task::open(&args),
        Command::Plan(args) => cli::plan::run(&args),
        Command::Queue(args) => cli::queue::run(&args),
        Command::Resume(args) => cli::act::automation::resume(&args),
        Command::Run(args) => cli::act::run::run(&args),
        Command::Schedule(args) => cli::schedule::run(&args),
        Command::Status(args) => cli::status::run(&args),
        Command::Suspend(args) => cli::act::automation::suspend(&args),
        Command::Validate(args) => cli::validate::run(&args),
        Command::Webhook(args) => cli::webhook::run(&args),
        Command::Why(args) => cli::why::run(&args),
    }
}

fn is_called(path: &OsString, wanted: &str) -> bool {
    Path::new(path).file_stem().is_some_and(|name| name == wanted)
}
