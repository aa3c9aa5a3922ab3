//! What the API server asks of every object's `metadata`, whatever its kind.

use serde_json::Value;

use super::finding::Fault;
use super::path::Path;

const SUBDOMAIN_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// What the API server makes of `generateName` is at most this long before its five characters.
const GENERATED_BASE_MAX: usize = 58;

/// Everything that is wrong with names, labels and annotations of an object whose schema is satisfied.
pub fn check(object: &Value, namespaced: bool, found: &mut Vec<Fault>) {
    let top = Path::default().field("metadata");
    let metadata = &object["metadata"];
    let text = |field: &str| metadata[field].as_str();
    match (text("name"), text("generateName")) {
        (Some(name), _) if !is_subdomain(name) => found.push(Fault::new(&top.field("name"), bad_name(name))),
        (None, Some(base)) if !is_subdomain(&generated(base)) => {
            found.push(Fault::new(&top.field("generateName"), bad_name(base)));
        }
        (None, None) => found.push(Fault::new(&top.field("name"), "is missing: add it")),
        _ => {}
    }
    if let Some(namespace) = text("namespace").filter(|namespace| namespaced && !is_label(namespace)) {
        let message = format!(
            "{namespace:?} must be at most 63 lower-case letters, digits and '-', with a letter or digit at both ends"
        );
        found.push(Fault::new(&top.field("namespace"), message));
    }
    check_labels(metadata, &top.field("labels"), found);
    check_annotations(metadata, &top.field("annotations"), found);
}

/// A name such as the API server would make of `generateName`.
#[must_use]
pub fn generated(base: &str) -> String {
    let kept: String = base.chars().take(GENERATED_BASE_MAX).collect();
    format!("{kept}xxxxx")
}

/// What is wrong with a label's key, if anything.
#[must_use]
pub fn key_problem(key: &str) -> Option<String> {
    (!is_qualified(key)).then(|| bad_key(key))
}

fn bad_name(name: &str) -> String {
    format!(
        "{name:?} must be at most {SUBDOMAIN_MAX} lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
    )
}

fn check_labels(metadata: &Value, path: &Path, found: &mut Vec<Fault>) {
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        if !is_qualified(key) {
            found.push(Fault::new(&path.field(key), bad_key(key)));
        }
        if !value.is_empty() && !is_word(value) {
            let message = format!(
                "{value:?} must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
            );
            found.push(Fault::new(&path.field(key), message));
        }
    }
}

fn check_annotations(metadata: &Value, path: &Path, found: &mut Vec<Fault>) {
    let keys = metadata["annotations"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key);
    let bad = keys.filter(|key| !is_qualified(&key.to_ascii_lowercase()));
    found.extend(bad.map(|key| Fault::new(&path.field(key), bad_key(key))));
}

fn bad_key(key: &str) -> String {
    format!("{key:?} is no key: write a name such as team, or one with a prefix such as example.com/team")
}

fn is_label(text: &str) -> bool {
    text.len() <= LABEL_MAX && is_part(text)
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_MAX && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.bytes().all(inner) && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

fn is_qualified(key: &str) -> bool {
    key.split_once('/')
        .map_or_else(|| is_word(key), |(prefix, name)| is_subdomain(prefix) && is_word(name))
}

fn is_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LABEL_MAX && text.bytes().all(inner) && end(text.bytes().next()) && end(text.bytes().last())
}
