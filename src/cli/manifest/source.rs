//! Files, and the YAML documents in them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_saphyr::{DuplicateKeyPolicy, Error, Options};

use super::node::Node;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("can't read {path}: {source}", path = path.display())]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
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

    /// The documents in their order. After one that is no YAML there is nothing more to read.
    pub fn documents(&self) -> Vec<Result<Node, Error>> {
        serde_saphyr::read_with_options(&mut self.bytes.as_slice(), options()).collect()
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
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}
