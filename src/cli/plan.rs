//! `agent-automation plan`: what the controller would do with these objects, asked without a cluster.
//!
//! The controller's own planner runs over a [`World`](crate::plan::World) made of the files, in passes: what one pass
//! decides is put into that world before the next, until there is nothing more to decide. GitHub is not asked, so what
//! depends on its answers ends with the question.

mod passes;
mod report;
pub(super) mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;

use super::Output;
use super::manifest::finding::Noticed;
use super::manifest::{self, Manifests};
use super::output::{print, refuse, write_json};
use super::schedule::parse_time;

/// Print what the controller would do with the objects in files, without a cluster.
///
/// Automations, tasks and policies are read, and Secrets by name only. An automation without a creationTimestamp counts as
/// created now. If the files hold any Secret, those they lack count as missing; if they hold none, all count as there.
/// Repositories count as visible to their credentials.
///
/// Exits with 0 when there is a plan; with 1, and the findings on standard error, when the cluster would refuse one of the
/// objects; with 2 when a file or an argument can't be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// YAML or JSON files of one or more documents; `-` is standard input.
    #[arg(short, long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    filenames: Vec<PathBuf>,
    /// The time to plan for, as in 2026-03-30T06:00:00+02:00 [default: the clock's].
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    now: Option<Timestamp>,
    /// How to print the plan.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let manifests = match manifest::read(&args.filenames) {
        Ok(manifests) => manifests,
        Err(error) => return refuse(&error),
    };
    warn(&manifests);
    if manifests
        .findings
        .iter()
        .any(|finding| finding.noticed == Noticed::AtApply)
    {
        return ExitCode::FAILURE;
    }
    let now = args.now.unwrap_or_else(Timestamp::now);
    let report = passes::run(&mut world::build(manifests, now), now);
    print(ExitCode::SUCCESS, |out| match args.output {
        Output::Text => report.write_text(out),
        Output::Json => write_json(out, &report),
    })
}

fn warn(manifests: &Manifests) {
    manifests.findings.iter().for_each(|finding| eprintln!("{finding}"));
    manifests.notes.iter().for_each(|note| eprintln!("{note}"));
}
