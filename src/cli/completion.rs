//! `agent-automation completion`, and what kubectl asks to complete its plugin: what a shell needs to complete the command.

use std::io;
use std::process::ExitCode;

use clap::{Arg, Args as _, Command, FromArgMatches};
use clap_complete::{Shell, generate};

use super::cluster;
use super::output::print;

/// What kubectl is told after the candidates: files are none of them.
const NO_FILES: &str = ":4";

/// Print the completion script of a shell, as in `source <(agent-automation completion bash)`.
///
/// For `kubectl aauto` kubectl itself asks, if the command is on the PATH under the name `kubectl_complete-aauto` too;
/// names of automations and tasks are completed there as well.
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

/// Answers kubectl, which gives the words after `kubectl aauto`, the last of which is to be completed.
#[must_use]
pub fn answer(command: &Command, words: &[String]) -> ExitCode {
    let split = words.split_last();
    let (last, before) = split.map_or(("", words), |(last, before)| (last.as_str(), before));
    let candidates = candidates(command, before, last.starts_with('-'));
    print(ExitCode::SUCCESS, |out| {
        for (name, about) in candidates.iter().filter(|(name, _)| name.starts_with(last)) {
            writeln!(out, "{name}\t{about}")?;
        }
        writeln!(out, "{NO_FILES}")
    })
}

/// What can come after some words, with what it is.
fn candidates(command: &Command, before: &[String], wants_option: bool) -> Vec<(String, String)> {
    let command = before.iter().fold(command, |command, word| {
        command.find_subcommand(word).unwrap_or(command)
    });
    if let Some(option) = before.last().and_then(|word| option(command, word)) {
        return values(option);
    }
    if wants_option {
        let options = command.get_arguments().filter(|arg| !arg.is_positional());
        let named = options.filter_map(|arg| Some((format!("--{}", arg.get_long()?), about(arg.get_help()))));
        return named.collect();
    }
    if command.has_subcommands() {
        let subcommands = command.get_subcommands();
        return subcommands
            .map(|command| (command.get_name().to_owned(), about(command.get_about())))
            .collect();
    }
    let listed = command.get_positionals().flat_map(values);
    listed.chain(objects(command.get_name(), before)).collect()
}

/// The option that a word is, if it takes a value.
fn option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let is_it = |arg: &&Arg| {
        let long = arg.get_long().is_some_and(|long| word == format!("--{long}"));
        long || arg.get_short().is_some_and(|short| word == format!("-{short}"))
    };
    let mut options = command.get_arguments().filter(|arg| arg.get_action().takes_values());
    options.find(is_it)
}

fn values(arg: &Arg) -> Vec<(String, String)> {
    let values = arg.get_possible_values().into_iter();
    values
        .map(|value| (value.get_name().to_owned(), about(value.get_help())))
        .collect()
}

/// Names in the cluster, in the namespace that the words before name. Where it does not answer there are none.
fn objects(command: &str, before: &[String]) -> Vec<(String, String)> {
    let (tasks, automations) = match command {
        "why" => (true, true),
        "abandon" | "adopt" | "approve" | "cancel" | "open" => (true, false),
        "history" | "resume" | "run" | "suspend" => (false, true),
        _ => return Vec::new(),
    };
    let parser = Command::new("words").no_binary_name(true).ignore_errors(true);
    let parser = cluster::Args::augment_args(parser).arg(Arg::new("others").num_args(0..));
    let matches = parser.try_get_matches_from(before);
    let args = matches.and_then(|matches| cluster::Args::from_arg_matches(&matches));
    let Some(view) = args.ok().and_then(|args| args.view().ok()) else {
        return Vec::new();
    };
    let automations = view.world.automations().filter(|_| automations);
    let automations = automations.map(|(key, _)| (key, "automation"));
    let tasks = view.world.tasks().filter(|_| tasks).map(|(key, _)| (key, "task"));
    automations
        .chain(tasks)
        .filter(|(key, _)| view.shows(&key.namespace))
        .map(|(key, kind)| (key.name.clone(), kind.to_owned()))
        .collect()
}

/// The first line of a help text.
fn about(help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.lines().next().unwrap_or_default().to_owned()
}
