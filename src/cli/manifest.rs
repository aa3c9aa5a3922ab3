//! Manifests as people write them: files of YAML documents, read with their lines and held against the cluster's rules.
//!
//! [`read`] takes in every document of every file, looks into lists, knows this project's kinds and the names of
//! Secrets, and passes over what others own. What is wrong becomes a [`Finding`] with its file, line and field; what is
//! right becomes an [`Object`] with its defaults filled in, as the API server would store it.

mod collector;
pub mod finding;
pub mod kind;
mod metadata;
mod node;
mod object;
mod path;
mod schema;
mod source;
mod yaml;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::plan::ObjectKey;
use crate::plan::policy::Labels;

use self::collector::Collector;
use self::finding::{Finding, Note};
use self::kind::Kind;
pub use self::object::Object;
pub use self::source::ReadError;
use self::source::Source;

/// Where an object goes whose manifest names no namespace.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What the files hold.
#[derive(Debug)]
pub struct Manifests {
    /// Objects that can be decoded, whatever else is wrong with them. The last one of a name counts, as when the files
    /// are applied in their order.
    pub objects: BTreeMap<Identity, Object>,
    /// Secrets by name, with their `resourceVersion` where the file has one. What they hold is not kept.
    pub secrets: BTreeMap<ObjectKey, Option<String>>,
    /// The labels of namespaces.
    pub namespaces: BTreeMap<String, Labels>,
    pub findings: Vec<Finding>,
    pub notes: Vec<Note>,
    /// How many objects of this project's kinds there were, decoded or not.
    pub checked: usize,
    /// Whether all that the files hold could be read and decoded.
    pub is_whole: bool,
}

impl Default for Manifests {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            secrets: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            findings: Vec::new(),
            notes: Vec::new(),
            checked: 0,
            is_whole: true,
        }
    }
}

/// What makes an object the same as another. Cluster-scoped ones have the default namespace here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub kind: Kind,
    pub key: ObjectKey,
}

/// Reads all documents of all files; `-` is standard input.
///
/// # Errors
/// When a file can't be read. What is wrong inside of it is a finding.
pub fn read(files: &[PathBuf]) -> Result<Manifests, ReadError> {
    let sources: Vec<Source> = files.iter().map(|file| Source::read(file)).collect::<Result<_, _>>()?;
    let mut collector = Collector::default();
    for source in &sources {
        for document in source.documents() {
            match document {
                Ok(node) => collector.document(&source.name, &node),
                Err(error) => collector.unreadable(&source.name, error),
            }
        }
    }
    Ok(collector.manifests)
}
