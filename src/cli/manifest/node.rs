//! YAML with the lines it stands on, and with the keys that occur twice.
//!
//! The line of a value is that of its key, where it has one: that is the line a person has to look at.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::path::{Path, Step};

/// A value, and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Counts from 1, in the file.
    pub line: u64,
    content: Content,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    key: String,
    line: u64,
    value: Node,
}

impl Node {
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

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self {
            line: spanned.referenced.line(),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    /// As kubectl does on its way from YAML to JSON, `1.0` becomes `1`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by a power of two that both types hold exactly"
    )]
    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = if value.fract() == 0.0 && value.abs() <= EXACT {
            Some(Number::from(value as i64))
        } else {
            Number::from_f64(value)
        };
        let number = number.ok_or_else(|| E::custom("a number that JSON does not have"))?;
        Ok(Content::Scalar(Value::Number(number)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry {
                line: key.referenced.line(),
                key: key.value,
                value,
            });
        }
        Ok(Content::Map(entries))
    }
}
