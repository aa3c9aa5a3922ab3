//! JSON as webhooks bring it, read strictly: one value, that every reader understands alike.
//!
//! Of a key that comes twice one parser keeps the first and the next the last; a number beyond 64 bits is another
//! number to whoever rounds it; depth is stack. GitHub sends none of these.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep a payload of GitHub's may be; theirs are less than ten.
pub const MAX_DEPTH: usize = 64;

/// Why a payload is not read. What it holds is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("the payload is not UTF-8")]
    NotUtf8,
    #[error("the payload is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the payload goes on after its JSON value")]
    MoreThanOne,
    #[error("the payload is more than {0} levels deep")]
    TooDeep(usize),
    #[error("the payload has an object with the same key twice")]
    DuplicateKey,
    #[error("the payload has a number beyond 64 bits")]
    Number,
}

/// Reads one value of at most `max_depth` objects and lists within one another. The parser itself goes no deeper than 127.
///
/// # Errors
/// When it is not one such value, or another reader could understand it differently.
pub fn parse_payload(bytes: &[u8], max_depth: usize) -> Result<Value, PayloadError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PayloadError::NotUtf8)?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let why = Cell::new(None);
    let strict = Strict {
        left: max_depth,
        max_depth,
        why: &why,
    };
    let value = strict
        .deserialize(&mut parser)
        .map_err(|error| why.get().unwrap_or_else(|| classified(&error)))?;
    parser.end().map_err(|_| PayloadError::MoreThanOne)?;
    Ok(value)
}

fn classified(error: &serde_json::Error) -> PayloadError {
    if error.to_string().starts_with("number out of range") {
        return PayloadError::Number;
    }
    PayloadError::NotJson {
        line: error.line(),
        column: error.column(),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    /// How many levels may still be opened.
    left: usize,
    max_depth: usize,
    /// The parser's own errors are texts.
    why: &'a Cell<Option<PayloadError>>,
}

impl Strict<'_> {
    fn refuse<E: Error>(&self, why: PayloadError) -> E {
        self.why.set(Some(why));
        E::custom(why)
    }

    fn inner<E: Error>(&self) -> Result<Self, E> {
        let left = self.left.checked_sub(1);
        let left = left.ok_or_else(|| self.refuse(PayloadError::TooDeep(self.max_depth)))?;
        Ok(Self { left, ..*self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    /// An integer beyond 64 bits arrives here too, rounded.
    #[allow(clippy::cast_precision_loss, reason = "both bounds are powers of two")]
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let is_within = value > i64::MIN as f64 && value < u64::MAX as f64;
        let number = is_within.then(|| Number::from_f64(value)).flatten();
        number.map_or_else(|| Err(self.refuse(PayloadError::Number)), |number| Ok(number.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut out = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut out = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            if out.contains_key(&key) {
                return Err(self.refuse(PayloadError::DuplicateKey));
            }
            let value = object.next_value_seed(inner)?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}
