//! How the commands for people print: tables as kubectl's, or JSON or YAML.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::output::{print, write_json};

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// More columns.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

impl Color {
    fn is_on(self) -> bool {
        match self {
            Self::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Rows that are printed as a table, and as they are in JSON and YAML.
pub trait Row: Serialize {
    /// Headers; those of the wide table come last.
    const HEADERS: &'static [&'static str];
    /// How many of them are shown unless wide.
    const NARROW: usize;

    fn cells(&self) -> Vec<String>;

    /// Whether something needs a person.
    fn is_alarming(&self) -> bool {
        false
    }
}

/// Prints rows, and what to say where there are none.
pub fn print_rows<R: Row>(rows: &[R], format: Format, color: Color, none: &str) -> ExitCode {
    print(ExitCode::SUCCESS, |out| write_rows(out, rows, format, color, none))
}

/// Writes rows, and what to say where there are none.
pub fn write_rows<R: Row>(out: &mut dyn Write, rows: &[R], format: Format, color: Color, none: &str) -> io::Result<()> {
    match format {
        Format::Json => write_json(out, &rows),
        Format::Yaml => write_yaml(out, &rows),
        Format::Table | Format::Wide if rows.is_empty() => writeln!(out, "{none}"),
        Format::Table | Format::Wide => write_table(out, rows, format == Format::Wide, color),
    }
}

/// Prints one thing in words, or as it is.
pub fn print_words(value: &impl Serialize, format: Format, words: &str) -> ExitCode {
    print(ExitCode::SUCCESS, |out| match format {
        Format::Json => write_json(out, value),
        Format::Yaml => write_yaml(out, value),
        Format::Table | Format::Wide => write!(out, "{words}"),
    })
}

/// A span in at most two units, as in `3d4h`.
pub fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let first = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(3);
    let mut left = seconds;
    let mut text = String::new();
    for (length, unit) in units.iter().skip(first).take(2) {
        let count = left / length;
        left %= length;
        if count > 0 || text.is_empty() {
            let _ = write!(text, "{count}{unit}");
        }
    }
    text
}

/// A time as people say it, seen from `now`.
pub fn relative(time: Option<Timestamp>, now: Timestamp) -> String {
    match time {
        None => dash(None),
        Some(time) if time > now => format!("in {}", span(time.duration_since(now))),
        Some(time) => format!("{} ago", span(now.duration_since(time))),
    }
}

/// A text, or a dash.
pub fn dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

fn write_yaml(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
    write!(out, "{text}")
}

fn write_table<R: Row>(out: &mut dyn Write, rows: &[R], wide: bool, color: Color) -> io::Result<()> {
    let columns = if wide { R::HEADERS.len() } else { R::NARROW };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(R::HEADERS.iter().take(columns));
    for row in rows {
        table.add_row(row.cells().into_iter().take(columns));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let alarming = [false].into_iter().chain(rows.iter().map(Row::is_alarming));
    for (line, alarming) in table.lines().zip(alarming) {
        if alarming && color.is_on() {
            writeln!(out, "\u{1b}[33m{}\u{1b}[0m", line.trim_end())?;
        } else {
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}
