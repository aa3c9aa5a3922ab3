//! Files, and the YAML documents in them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_saphyr::{DuplicateKeyPolicy, Error, NonFiniteFloatPolicy, Options};

use super::node::Node;
use super::yaml::{NoJson, Parsed};

/// What one file may hold, in values: a cluster's tasks, a hundred thousand of them, and no more than memory has room for.
const VALUES_MAX: usize = 50_000_000;
const DOCUMENTS_MAX: usize = 1_000_000;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("can't read {path}: {source}", path = path.display())]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// What is wrong with a document that can't be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Counts from 1.
    pub line: Option<u64>,
    pub message: String,
}

/// A file's contents.
pub struct Source {
    /// As it was given on the command line.
    pub name: String,
    bytes: Vec<u8>,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let is_stdin = path.as_os_str() == "-";
        let bytes = if is_stdin { read_stdin() } else { fs::read(path) };
        Ok(Self {
            name: if is_stdin {
                "<stdin>".to_owned()
            } else {
                path.display().to_string()
            },
            bytes: bytes.map_err(|source| ReadError {
                path: path.to_owned(),
                source,
            })?,
        })
    }

    /// What a file of this name would hold.
    #[cfg(test)]
    pub fn of(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    /// The documents in their order. After one that is no YAML there is nothing more to read.
    pub fn documents(&self) -> Vec<Result<Node, Unreadable>> {
        // Only what is one can be looked up by its place.
        let text = str::from_utf8(&self.bytes).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let mut bytes = self.bytes.as_slice();
        let documents = serde_saphyr::read_with_options::<_, Parsed>(&mut bytes, options());
        let nodes = documents.map(|document| Ok(document.map_err(Unreadable::from)?.resolve(&lines)?));
        nodes.collect()
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        let message = match &error {
            Error::IOError { .. } => "is no text in UTF-8".to_owned(),
            _ if said.starts_with("budget breached") => {
                "holds too much, or too many aliases, to be read: split it".to_owned()
            }
            _ => said,
        };
        Self {
            line: error.location().map(|location| location.line()),
            message,
        }
    }
}

impl From<NoJson> for Unreadable {
    fn from(NoJson { line, message }: NoJson) -> Self {
        Self {
            line: Some(line),
            message: message.to_owned(),
        }
    }
}

fn read_stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Scalars as kubectl reads them. Keys that occur twice are let through, to be told with their lines.
fn options() -> Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! { max_nodes: VALUES_MAX, max_events: 2 * VALUES_MAX, max_documents: DOCUMENTS_MAX },
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}
