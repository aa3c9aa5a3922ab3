//! What the store holds: a JSON object that is never changed once it is stored, and its place.
//!
//! An object is serialised at most once, however many lists and watches carry it.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One stored state of an object, as the API server would answer with it.
#[derive(Debug)]
pub struct Object {
    value: Value,
    json: OnceLock<Bytes>,
}

impl Object {
    pub(super) fn new(value: Value) -> Arc<Self> {
        Arc::new(Self {
            value,
            json: OnceLock::new(),
        })
    }

    /// The object as a type of its own.
    pub fn decode<K: DeserializeOwned>(&self) -> serde_json::Result<K> {
        K::deserialize(&self.value)
    }

    pub(super) fn json(&self) -> Bytes {
        self.json.get_or_init(|| Bytes::from(self.value.to_string())).clone()
    }

    pub(super) fn at_revision(&self, revision: u64) -> Arc<Self> {
        let mut value = self.value.clone();
        set_revision(&mut value, revision);
        Self::new(value)
    }
}

impl Deref for Object {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

/// Where an object is within its kind; the namespace of a cluster-scoped one is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub namespace: String,
    pub name: String,
}

impl Place {
    pub fn of(value: &Value) -> Self {
        Self {
            namespace: metadata_text(value, "namespace").to_owned(),
            name: metadata_text(value, "name").to_owned(),
        }
    }
}

/// A text field of `metadata`, empty when it is missing.
pub(super) fn metadata_text<'a>(value: &'a Value, field: &str) -> &'a str {
    value["metadata"][field].as_str().unwrap_or_default()
}

/// Sets a field of `metadata`, which is made when it is missing.
pub(super) fn set_metadata(value: &mut Value, field: &str, content: impl Into<Value>) {
    value["metadata"][field] = content.into();
}

pub(super) fn remove_metadata(value: &mut Value, field: &str) {
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove(field);
    }
}

pub(super) fn set_revision(value: &mut Value, revision: u64) {
    set_metadata(value, "resourceVersion", revision.to_string());
}

pub(super) fn is_terminating(value: &Value) -> bool {
    value["metadata"]["deletionTimestamp"].is_string()
}

pub(super) fn finalizers(value: &Value) -> Vec<&str> {
    value["metadata"]["finalizers"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// The value at a dotted path such as `spec.size`.
pub(super) fn at_path<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, field| &value[field])
}
