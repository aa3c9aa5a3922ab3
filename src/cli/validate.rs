//! `agent-automation validate`: whether the cluster would take these manifests, asked before it is.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::Output;
use super::manifest::finding::{Finding, Note};
use super::manifest::{self, Manifests};
use super::output::{print, refuse, write_json};

/// Check manifests by the cluster's own rules, without a cluster.
///
/// Prints a line for each finding, as `file:line: kind namespace/name: field: message`. Exits with 0 when there is none,
/// with 1 when there is one, and with 2 when a file can't be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// YAML or JSON files of one or more documents; `-` is standard input. Objects of other groups are passed over.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print the findings.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Serialize)]
struct Report<'a> {
    findings: &'a [Finding],
    notes: &'a [Note],
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let manifests = match manifest::read(&args.files) {
        Ok(manifests) => manifests,
        Err(error) => return refuse(&error),
    };
    let outcome = ExitCode::from(u8::from(!manifests.findings.is_empty()));
    print(outcome, |out| match args.output {
        Output::Text => write_text(out, &manifests),
        Output::Json => {
            let (findings, notes) = (&manifests.findings, &manifests.notes);
            write_json(out, &Report { findings, notes })
        }
    })
}

/// Notes and the count go to standard error, so that standard output holds findings alone.
fn write_text(out: &mut dyn Write, manifests: &Manifests) -> io::Result<()> {
    manifests
        .findings
        .iter()
        .try_for_each(|finding| writeln!(out, "{finding}"))?;
    manifests.notes.iter().for_each(|note| eprintln!("{note}"));
    eprintln!(
        "objects checked: {}, findings: {}",
        manifests.checked,
        manifests.findings.len()
    );
    Ok(())
}
