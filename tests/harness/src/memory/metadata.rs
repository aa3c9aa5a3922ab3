//! Object metadata: its canonical form, and what in it is the server's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::definition::Definition;
use super::object::{finalizers, is_terminating, metadata_text, remove_metadata, set_metadata};
use super::refusal::{self, Fault, Result};

/// Metadata that an update takes over from what is stored.
const SERVER_OWNED: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "resourceVersion",
];

/// Metadata as the typed form keeps it: unknown and empty fields are gone, times are canonical.
pub(super) fn clean(definition: &Definition, metadata: &Value) -> Result<Value> {
    if metadata.is_null() {
        return Ok(json!({}));
    }
    let refuse = |error| {
        let kind = &definition.kind;
        refusal::bad_request(&format!("{kind} cannot be handled: metadata: {error}"))
    };
    let mut typed: ObjectMeta = serde::Deserialize::deserialize(metadata).map_err(refuse)?;
    typed.managed_fields = None;
    typed.self_link = None;
    Ok(without_empty(serde_json::to_value(&typed).unwrap_or_default()))
}

pub(super) fn without_empty(mut metadata: Value) -> Value {
    if let Some(map) = metadata.as_object_mut() {
        map.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        });
    }
    metadata
}

/// Takes over what only the server may change.
pub(super) fn keep_server_owned(existing: &Value, new: &mut Value) {
    for field in SERVER_OWNED {
        match &existing["metadata"][field] {
            Value::Null => remove_metadata(new, field),
            value => set_metadata(new, field, value.clone()),
        }
    }
}

/// What an update must not do to metadata.
pub(super) fn update_faults(existing: &Value, new: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    for field in ["uid", "deletionTimestamp"] {
        let (before, after) = (metadata_text(existing, field), metadata_text(new, field));
        if !after.is_empty() && after != before {
            found.push(Fault::immutable(&format!("metadata.{field}"), &Value::from(after)));
        }
    }
    let old = finalizers(existing);
    let added: Vec<&str> = finalizers(new).into_iter().filter(|name| !old.contains(name)).collect();
    if is_terminating(existing) && !added.is_empty() {
        let hint = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added
                .iter()
                .map(|name| format!("{name:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        found.push(Fault::forbidden("metadata.finalizers", &hint));
    }
    found
}

/// A time as metadata has it.
pub(super) fn whole_seconds(at: jiff::Timestamp) -> String {
    let seconds = jiff::Timestamp::from_second(at.as_second()).unwrap_or(at);
    seconds.to_string()
}
