//! `agent-automation schedule`: the times at which an expression fires.

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A cron expression as CronJob reads it, a nickname such as `@daily`, or `@every 2h`.
    expression: String,
}

#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let _ = &args.expression;
    ExitCode::FAILURE
}
