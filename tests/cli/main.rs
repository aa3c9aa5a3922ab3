//! The subcommands as a user runs them.

#![expect(clippy::unwrap_used, reason = "a test that cannot start its subject should stop")]

mod asking;
mod controller;
mod crds;
mod manifests;
mod people;
mod plan;
mod schedule;
mod validate;
mod webhook;
mod why;

use std::io::Write;
use std::process::{Command, Stdio};

/// Exit code, standard output, standard error.
type Outcome = (i32, String, String);

fn run(arguments: &[&str], stdin: &str) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_agent-automation"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
