//! YAML as kubectl reads it. Its library knows fewer spellings of booleans than the parser here, and takes a number that is
//! too large for one for text: both can't be told apart without what stands in the file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};

use super::node::{Content, Entry, Node};

/// Spellings of booleans, beside which `yEs` is text.
const BOOLEANS: [&str; 22] = [
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N", "no", "No", "NO", "false",
    "False", "FALSE", "off", "Off", "OFF",
];

/// A value as the parser takes it.
pub struct Parsed {
    /// Where it is used, which for an alias is not where it stands.
    line: u64,
    stands: Location,
    value: Raw,
}

enum Raw {
    Scalar(Value),
    /// A number that has no end, or that is too large.
    Infinite,
    List(Vec<Parsed>),
    Map(Vec<(Parsed, Parsed)>),
}

/// What kubectl can't make JSON of.
pub struct NoJson {
    pub line: u64,
    pub message: &'static str,
}

impl Parsed {
    /// What kubectl makes of it, given the lines of the file.
    pub fn resolve(self, lines: &[&str]) -> Result<Node, NoJson> {
        let line = self.line;
        let standing = written(self.stands, lines);
        let content = match self.value {
            Raw::Scalar(Value::Bool(_)) if standing.as_deref().is_some_and(is_text) => {
                Content::Scalar(standing.unwrap_or_default().into())
            }
            Raw::Scalar(value) => Content::Scalar(value),
            Raw::Infinite => {
                match standing.filter(|text| text.contains(|character: char| character.is_ascii_digit())) {
                    Some(text) => Content::Scalar(text.into()),
                    None => {
                        return Err(NoJson {
                            line,
                            message: "is a number that JSON does not have: put it in quotes",
                        });
                    }
                }
            }
            Raw::List(items) => Content::List(
                items
                    .into_iter()
                    .map(|item| item.resolve(lines))
                    .collect::<Result<_, _>>()?,
            ),
            Raw::Map(entries) => Content::Map(
                entries
                    .into_iter()
                    .map(|pair| entry(pair, lines))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Node::new(line, content))
    }
}

/// A key that is no text becomes one: `on: 1` is what `"true": 1` is.
fn entry((key, value): (Parsed, Parsed), lines: &[&str]) -> Result<Entry, NoJson> {
    let line = key.line;
    let key = match key.resolve(lines)?.to_json() {
        Value::String(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(NoJson {
                line,
                message: "is no key: a key must be text",
            });
        }
    };
    Ok(Entry {
        key,
        line,
        value: value.resolve(lines)?,
    })
}

/// Whether it is one that only the parser here takes for a boolean.
fn is_text(written: &str) -> bool {
    BOOLEANS.iter().any(|known| known.eq_ignore_ascii_case(written)) && !BOOLEANS.contains(&written)
}

/// What stands somewhere, within a line.
fn written(stands: Location, lines: &[&str]) -> Option<String> {
    let line = lines.get(usize::try_from(stands.line()).ok()?.checked_sub(1)?)?;
    let before = usize::try_from(stands.column()).ok()?.checked_sub(1)?;
    let length = usize::try_from(stands.span().len()).ok()?;
    Some(line.chars().skip(before).take(length).collect())
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Raw>::deserialize(deserializer)?;
        Ok(Self {
            line: spanned.referenced.line(),
            stands: spanned.defined,
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    /// As kubectl does on its way from YAML to JSON, `1.0` becomes `1`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by a power of two that both types hold exactly"
    )]
    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = if value.fract() == 0.0 && value.abs() <= EXACT {
            Some(Number::from(value as i64))
        } else {
            Number::from_f64(value)
        };
        Ok(number.map_or(Raw::Infinite, |number| Raw::Scalar(Value::Number(number))))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::manifest::source::Source;

    /// What `kubectl annotate --local -f - a=b -o json` makes of a plain scalar.
    #[test]
    fn scalars_are_what_kubectl_takes_them_for() {
        let table = [
            ("3e800818", json!("3e800818")),
            ("-12e99999", json!("-12e99999")),
            ("3e8", json!(300_000_000)),
            ("1e3", json!(1000)),
            ("y", json!(true)),
            ("Off", json!(false)),
            ("yEs", json!("yEs")),
            ("tRUE", json!("tRUE")),
            ("nULL", json!("nULL")),
            ("~", json!(null)),
            ("0789", json!(789)),
            ("0755", json!(493)),
            ("0o17", json!(15)),
            ("0x_1f", json!(31)),
            ("1_000", json!(1000)),
            (".5", json!(0.5)),
            ("1.", json!(1)),
            ("+12", json!(12)),
            ("190:20:30", json!("190:20:30")),
            ("2026-01-01", json!("2026-01-01")),
            ("=", json!("=")),
            ("\"3e8\"", json!("3e8")),
            ("'yes'", json!("yes")),
            ("\"3e800818\"", json!("3e800818")),
        ];
        for (written, expected) in table {
            let places = [
                format!("a: {written}\n"),
                format!("# ä\n---\na: x\n---\nä: [ü, {{b: {written}}}, &c {written}, *c]\n"),
                format!("- {written} # a comment\n- {written}"),
            ];
            for text in places {
                let read = Source::of("a", &text).documents().pop().unwrap();
                let value = read
                    .unwrap_or_else(|error| panic!("{text}: {}", error.message))
                    .to_json();
                let expected = match &value {
                    serde_json::Value::Array(_) => json!([expected, expected]),
                    value if value.get("a").is_some() => json!({"a": expected}),
                    _ => json!({"ä": ["ü", {"b": expected}, expected, expected]}),
                };
                assert_eq!(value, expected, "{text}");
            }
        }
    }

    #[test]
    fn keys_are_text() {
        let table = [
            ("on", "true"),
            ("\"on\"", "on"),
            ("No", "false"),
            ("nO", "nO"),
            ("0x10", "16"),
            ("3e800818", "3e800818"),
        ];
        for (key, expected) in table {
            let read = Source::of("a", &format!("{key}: 1\n")).documents().pop().unwrap();
            assert_eq!(read.ok().unwrap().to_json(), json!({expected: 1}), "{key}");
        }
    }

    #[test]
    fn what_json_does_not_have() {
        for (text, line) in [
            ("a: 1\nb: .inf\n", 2),
            ("a: [-.INF]\n", 1),
            ("\n\na: .nan\n", 3),
            ("~: 1\n", 1),
            ("[a]: 1\n", 1),
        ] {
            let read = Source::of("a", text).documents().pop().unwrap();
            assert_eq!(read.err().unwrap().line, Some(line), "{text}");
        }
    }
}
