//! `agent-automation schedule`: the times at which an expression fires.
//!
//! The one place of its kind that reads the clock, and only when `--from` is left out.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Output;
use crate::domain::schedule::Schedule;

/// How many times are printed when neither `--count` nor `--until` ends the list.
const DEFAULT_COUNT: usize = 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A cron expression as CronJob reads it, a nickname such as `@daily`, or `@every 2h`; in quotes.
    #[arg(allow_hyphen_values = true)]
    expression: String,

    /// The IANA time zone whose clock the expression is read on.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,

    /// Print the times strictly after this one; `@every` counts from it [default: now].
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    from: Option<Timestamp>,

    /// Print no time after this one.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    until: Option<Timestamp>,

    /// Print at most so many times [default: 10, or all with --until]. The list ends where the next time is more than eight
    /// years after the one before.
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    count: Option<usize>,

    /// How to print them.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Exits with 0, with 2 when the expression or the zone cannot be read, and with 1 when the output cannot be written.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let schedule = match Schedule::parse(&args.expression, Some(&args.time_zone)) {
        Ok(schedule) => schedule,
        Err(error) => {
            let argument = if error.is_about_zone() {
                "--time-zone"
            } else {
                "EXPRESSION"
            };
            eprintln!("error: {argument}: {error}");
            return ExitCode::from(2);
        }
    };
    if schedule.never_fires() {
        eprintln!("note: no date matches {schedule}, so it never fires: write a day that the month has");
    }
    match print(args, &schedule) {
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write the times: {error}");
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn print(args: &Args, schedule: &Schedule) -> io::Result<()> {
    let from = args.from.unwrap_or_else(Timestamp::now);
    let until = args.until.unwrap_or(Timestamp::MAX);
    let count = args.count.unwrap_or(if args.until.is_some() {
        usize::MAX
    } else {
        DEFAULT_COUNT
    });
    let times = schedule
        .times(from, from)
        .take_while(|time| *time <= until)
        .take(count)
        .map(|time| {
            time.display_with_offset(schedule.time_zone().to_offset(time))
                .to_string()
        });

    let mut out = BufWriter::new(io::stdout().lock());
    match args.output {
        Output::Text => times.into_iter().try_for_each(|time| writeln!(out, "{time}"))?,
        Output::Json => {
            serde_json::to_writer(&mut out, &Times { times })?;
            writeln!(out)?;
        }
    }
    out.flush()
}

/// Written one by one: `--until` may lie years ahead.
#[derive(Serialize)]
struct Times<I: Iterator<Item = String> + Clone> {
    #[serde(serialize_with = "serialize_each")]
    times: I,
}

fn serialize_each<S: Serializer>(
    times: &(impl Iterator<Item = String> + Clone),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(times.clone())
}

/// Reads an argument that is a time.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "write a time with its offset, such as 2026-03-29T00:00:00Z or 2026-03-29T02:00:00+02:00".to_owned()
    })
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&count| count > 0)
        .ok_or_else(|| "write a whole number from 1".to_owned())
}
