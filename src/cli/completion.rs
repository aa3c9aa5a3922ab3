//! `agent-automation completion`, and what kubectl asks to complete its plugin: what a shell needs to complete the command.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::{Arg, Args as _, Command, FromArgMatches};
use clap_complete::{Shell, generate};

use crate::api::AgentTask;
use crate::api::automation::Input;
use crate::api::task::Phase;
use crate::plan::world::{counts, phase};

use super::cluster::{self, View};
use super::output::print;

/// What kubectl is told after the candidates: files are none of them.
const NO_FILES: &str = ":4";
/// The same, and that the word goes on.
const NO_FILES_NO_SPACE: &str = ":6";

/// Print the completion script of a shell, as in `source <(agent-automation completion bash)`.
///
/// For `kubectl aauto` kubectl itself asks, if the command is on the PATH under the name `kubectl_complete-aauto` too;
/// names of automations and tasks, of namespaces, contexts and inputs are completed there as well.
#[derive(Debug, clap::Args)]
pub struct Args {
    shell: Shell,
}

/// Runs the command, for a command line and the name that it was called by.
#[must_use]
pub fn run(args: &Args, mut command: Command, name: &str) -> ExitCode {
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    print(ExitCode::SUCCESS, |out| out.write_all(&script))
}

/// Answers kubectl, which gives the words after `kubectl aauto`, the last of which is to be completed.
#[must_use]
pub fn answer(command: &Command, words: &[String]) -> ExitCode {
    let split = words.split_last();
    let (last, before) = split.map_or(("", words), |(last, before)| (last.as_str(), before));
    let mut candidates = candidates(command, before, last);
    candidates.retain(|(name, _)| name.starts_with(last));
    let goes_on = !candidates.is_empty() && candidates.iter().all(|(name, _)| name.ends_with('='));
    print(ExitCode::SUCCESS, |out| {
        for (name, about) in &candidates {
            writeln!(out, "{name}\t{about}")?;
        }
        writeln!(out, "{}", if goes_on { NO_FILES_NO_SPACE } else { NO_FILES })
    })
}

/// What can come after some words, with what it is.
fn candidates(command: &Command, before: &[String], last: &str) -> Vec<(String, String)> {
    let command = before.iter().fold(command, |command, word| {
        command.find_subcommand(word).unwrap_or(command)
    });
    if let Some(option) = before.last().and_then(|word| option(command, word)) {
        return match option.get_long() {
            Some("namespace") => namespaces(before),
            Some("context") => contexts(before),
            Some("input") => inputs(before),
            _ => values(option),
        };
    }
    if last.starts_with('-') {
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
    listed.chain(objects(command.get_name(), before, last)).collect()
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
fn objects(command: &str, before: &[String], last: &str) -> Vec<(String, String)> {
    let any: fn(&AgentTask) -> bool = |_| true;
    let (tasks, automations) = match command {
        "why" => (Some(any), true),
        "open" => (Some(any), false),
        "approve" | "cancel" => (Some((|task| phase(task).is_waiting()) as fn(&AgentTask) -> bool), false),
        "adopt" => (
            Some((|task| phase(task) == Phase::Unknown) as fn(&AgentTask) -> bool),
            false,
        ),
        "abandon" => (Some(counts as fn(&AgentTask) -> bool), false),
        "history" | "resume" | "run" | "status" | "suspend" => (None, true),
        _ => return Vec::new(),
    };
    let Some(view) = view(before) else {
        return Vec::new();
    };
    let (kind, _) = cluster::split(last);
    let written = |name: &str| kind.map_or_else(|| name.to_owned(), |kind| format!("{kind}/{name}"));
    let wants = |names: &[&str]| kind.is_none_or(|kind| names.contains(&kind));
    let of_automations = view
        .world
        .automations()
        .filter(|_| automations && wants(cluster::AUTOMATION));
    let of_automations = of_automations.map(|(key, _)| (key, "automation"));
    let is_wanted = |task: &AgentTask| wants(cluster::TASK) && tasks.is_some_and(|wanted| wanted(task));
    let of_tasks = view.world.tasks().filter(|(_, task)| is_wanted(task));
    of_automations
        .chain(of_tasks.map(|(key, _)| (key, "task")))
        .filter(|(key, _)| view.shows(&key.namespace))
        .map(|(key, kind)| (written(&key.name), kind.to_owned()))
        .collect()
}

/// What the options among some words show.
fn view(words: &[String]) -> Option<View> {
    args(words)?.view().ok()
}

fn args(words: &[String]) -> Option<cluster::Args> {
    let parser = Command::new("words").no_binary_name(true).ignore_errors(true);
    let parser = cluster::Args::augment_args(parser).arg(Arg::new("others").num_args(0..));
    let matches = parser.try_get_matches_from(words).ok()?;
    cluster::Args::from_arg_matches(&matches).ok()
}

/// Namespaces that have something to be asked about; the option that one is wanted for has no value yet.
fn namespaces(before: &[String]) -> Vec<(String, String)> {
    let words = before.split_last().map_or(before, |(_, words)| words);
    let Some(view) = view(words) else {
        return Vec::new();
    };
    let automations = view.world.automations().map(|(key, _)| &key.namespace);
    let tasks = view.world.tasks().map(|(key, _)| &key.namespace);
    let names: BTreeSet<_> = automations.chain(tasks).cloned().collect();
    names.into_iter().map(|name| (name, "namespace".to_owned())).collect()
}

fn contexts(before: &[String]) -> Vec<(String, String)> {
    let words = before.split_last().map_or(before, |(_, words)| words);
    let names = args(words).map(|args| args.contexts()).unwrap_or_default();
    names.into_iter().map(|name| (name, "context".to_owned())).collect()
}

/// What the automation asks for that the words before name.
fn inputs(before: &[String]) -> Vec<(String, String)> {
    let words = before.split_last().map_or(before, |(_, words)| words);
    let Some(view) = view(words) else {
        return Vec::new();
    };
    let mut automations = view.world.automations();
    let named = automations.find(|(key, _)| view.shows(&key.namespace) && before.contains(&key.name));
    let declared = named.map_or(&[][..], |(_, automation)| &automation.spec.inputs);
    let first_line = |input: &Input| input.description.lines().next().unwrap_or_default().to_owned();
    declared
        .iter()
        .map(|input| (format!("{}=", input.name), first_line(input)))
        .collect()
}

/// The first line of a help text.
fn about(help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.lines().next().unwrap_or_default().to_owned()
}
