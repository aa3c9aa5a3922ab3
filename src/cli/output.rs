//! What the subcommands have in common when they print.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use serde::Serialize;

/// Writes to standard output and gives `outcome`, or 1 when that can't be written.
pub fn print(outcome: ExitCode, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => outcome,
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => outcome,
        Err(error) => {
            eprintln!("error: can't write the output: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard output.
pub fn say(line: &str) -> ExitCode {
    print(ExitCode::SUCCESS, |out| writeln!(out, "{line}"))
}

/// The exit code for what keeps a command from its work: 2.
pub fn refuse(error: &impl Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

pub fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
