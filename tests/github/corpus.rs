//! What the fuzzer begins with, and what it found, through the properties that it looks at.

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::panic::catch_unwind;
use std::path::Path;

use properties::{answers, events, receiver, templates};

#[test]
fn requests_to_the_receiver() {
    replay("receiver", receiver::hold);
}

#[test]
fn payloads_before_triggers() {
    replay("events", events::hold);
}

#[test]
fn templates_and_texts_from_outside() {
    replay("templates", templates::hold);
}

#[test]
fn answers_from_github() {
    replay("answers", answers::hold);
}

/// Tells of every input that breaks a property or can't be read, not of the first alone.
fn replay(target: &str, hold: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut inputs: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    let broken: Vec<_> = inputs
        .iter()
        .filter(|path| {
            let bytes = std::fs::read(path).unwrap();
            !catch_unwind(|| hold(&bytes)).unwrap_or(false)
        })
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
