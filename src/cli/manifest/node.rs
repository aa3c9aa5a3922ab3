//! YAML with the lines it stands on, and with the keys that occur twice.
//!
//! The line of a value is that of its key, where it has one: that is the line a person has to look at.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path::{Path, Step};

/// A value, and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Counts from 1, in the file.
    pub line: u64,
    content: Content,
}

/// What a value is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, and what it is the key of.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub line: u64,
    pub value: Node,
}

impl Node {
    #[must_use]
    pub fn new(line: u64, content: Content) -> Self {
        Self { line, content }
    }

    /// The value without its lines. Of a key that occurs twice, the last one counts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.content, Content::Map(_))
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Self> {
        self.entry(field).map(|entry| &entry.value)
    }

    /// The text that this is, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(value) => value.as_str(),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The items of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            Content::Scalar(_) | Content::Map(_) => &[],
        }
    }

    /// The line of what a path leads to, or of the last thing on its way that is there.
    #[must_use]
    pub fn line_of(&self, path: &Path) -> u64 {
        let (mut node, mut line) = (self, self.line);
        for step in path.steps() {
            let next = match step {
                Step::Field(name) => node.entry(name).map(|entry| (&entry.value, entry.line)),
                Step::Item(index) => node.items().get(*index).map(|item| (item, item.line)),
            };
            match next {
                Some(found) => (node, line) = found,
                None => break,
            }
        }
        line
    }

    /// Keys that occur more than once.
    #[must_use]
    pub fn repeated(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.collect_repeated(&Path::default(), &mut found);
        found
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().rev().find(|entry| entry.key == key),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    fn collect_repeated(&self, path: &Path, found: &mut Vec<Path>) {
        match &self.content {
            Content::Scalar(_) => {}
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.collect_repeated(&path.item(index), found);
                }
            }
            Content::Map(entries) => {
                let mut seen = BTreeSet::new();
                for entry in entries {
                    let path = path.field(&entry.key);
                    if !seen.insert(&entry.key) {
                        found.push(path.clone());
                    }
                    entry.value.collect_repeated(&path, found);
                }
            }
        }
    }
}
