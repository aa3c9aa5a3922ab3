//! What is wrong with a manifest, and what is only worth a word.

use std::fmt;

use serde::Serialize;

use super::path::Path;

/// Something that is wrong with a value, within its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub path: Path,
    pub message: String,
    pub noticed: Noticed,
}

impl Fault {
    /// One that keeps the object out of the cluster.
    #[must_use]
    pub fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.clone(),
            message: message.into(),
            noticed: Noticed::AtApply,
        }
    }
}

/// Something that has to be mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub file: String,
    /// Counts from 1.
    pub line: Option<u64>,
    pub kind: Option<String>,
    pub namespace: Option<String>,
    pub name: Option<String>,
    /// As in `spec.triggers[0].schedule.cron`; empty when it is about the whole object.
    pub field: String,
    pub message: String,
    #[serde(skip)]
    pub noticed: Noticed,
}

/// When it would come to light, were it applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// kubectl or the API server refuses it.
    AtApply,
    /// It gets into the cluster, and then does not do what it is there for.
    Later,
}

/// Something that was left out of account, or overridden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    pub file: String,
    pub line: u64,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(kind) = &self.kind {
            f.write_str(kind)?;
            if let Some(name) = &self.name {
                let namespace = self
                    .namespace
                    .as_ref()
                    .map_or_else(String::new, |name| format!("{name}/"));
                write!(f, " {namespace}{name}")?;
            }
            f.write_str(": ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: note: {}", self.file, self.line, self.message)
    }
}
