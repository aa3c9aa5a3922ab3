//! What the fuzzer begins with, and what it found, through the properties that it looks at.

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::collections::BTreeSet;
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

/// The fuzzer's workspace has a lock file of its own, which nothing else here reads.
#[test]
fn the_lock_file_of_the_fuzzer_has_what_this_package_depends_on() {
    let manifest = include_str!("../../Cargo.toml");
    let lock = include_str!("../fuzz/Cargo.lock");
    let between = |text: &'static str, begin: &str, end: &str| {
        let (_, rest) = text.split_once(begin).unwrap();
        rest.split_once(end).unwrap().0
    };
    let wanted = between(manifest, "\n[dependencies]\n", "\n[").lines();
    let wanted = wanted.filter(|line| !line.starts_with('#') && !line.contains("optional = true"));
    let wanted: BTreeSet<_> = wanted.filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    let package = between(lock, "name = \"agent-automation\"\n", "\n]");
    let locked = package.lines().filter_map(|line| line.strip_prefix(" \""));
    let locked: BTreeSet<_> = locked.filter_map(|line| line.split([' ', '"']).next()).collect();
    assert_eq!(
        locked, wanted,
        "cargo update --manifest-path tests/fuzz/Cargo.toml --workspace"
    );
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
