//! The log of writes: what a test judges its invariants by, at each instant.

use std::sync::Arc;

use jiff::Timestamp;

use super::object::Object;

/// One accepted write. Refused ones are not recorded.
#[derive(Clone, Debug)]
pub struct Write {
    /// By the server's clock.
    pub at: Timestamp,
    /// The name of the connection it came by, `garbage-collector` for the server's own deletions.
    pub actor: Arc<str>,
    pub verb: Verb,
    pub kind: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    pub name: String,
    pub subresource: Option<Subresource>,
    /// The global revision after it; for one that changed nothing, the object's own.
    pub revision: u64,
    pub before: Option<Arc<Object>>,
    /// `None` when the object is gone.
    pub after: Option<Arc<Object>>,
}

impl Write {
    /// Accepted, but nothing was different: no new revision, no watch event.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Create,
    Replace,
    Patch,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    Status,
}
