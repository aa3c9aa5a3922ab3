//! Spans of time as people write them in YAML: `90s`, `15m`, `1h30m`, `7d`.

use std::borrow::Cow;
use std::fmt;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the API server lets through: numbers, each with its unit.
pub const PATTERN: &str = "^([0-9]{1,6}[smhd]){1,4}$";
/// Four numbers with their units.
const LENGTH_MAX: u32 = 28;
/// What is longer is written back in more digits than the API server takes, and counts as this.
const LONGEST: i64 = 999_999 * 86_400;

/// A span of whole seconds, written as numbers with the units `s`, `m`, `h` and `d`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String", into = "String")]
pub struct Interval(i64);

/// A text that is no interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no interval: write numbers with units, as in 90s, 15m, 1h30m or 7d")]
pub struct NoInterval(String);

impl Interval {
    #[must_use]
    pub const fn of_minutes(minutes: i64) -> Self {
        Self(minutes * 60)
    }

    #[must_use]
    pub const fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(self.0)
    }
}

impl TryFrom<String> for Interval {
    type Error = NoInterval;

    fn try_from(text: String) -> Result<Self, NoInterval> {
        parse(&text)
            .map(|seconds| Self(seconds.min(LONGEST)))
            .ok_or(NoInterval(text))
    }
}

impl From<Interval> for String {
    fn from(interval: Interval) -> Self {
        interval.to_string()
    }
}

/// The largest units that give a whole number of each.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return write!(f, "0s");
        }
        let mut left = self.0;
        for (unit, seconds) in UNITS {
            if left >= seconds {
                write!(f, "{}{unit}", left / seconds)?;
                left %= seconds;
            }
        }
        Ok(())
    }
}

const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

fn parse(text: &str) -> Option<i64> {
    let (mut total, mut number) = (0_i64, None::<i64>);
    for letter in text.chars() {
        match (letter.to_digit(10), number) {
            (Some(digit), so_far) => number = Some(so_far.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(digit))?),
            (None, Some(count)) => {
                let (_, seconds) = UNITS.iter().find(|(unit, _)| *unit == letter)?;
                total = total.checked_add(count.checked_mul(*seconds)?)?;
                number = None;
            }
            (None, None) => return None,
        }
    }
    (number.is_none() && !text.is_empty()).then_some(total)
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": PATTERN, "maxLength": LENGTH_MAX})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_what_they_are() {
        let table = [
            ("90s", Some((90, "1m30s"))),
            ("15m", Some((900, "15m"))),
            ("1h30m", Some((5_400, "1h30m"))),
            ("7d", Some((604_800, "7d"))),
            ("0s", Some((0, "0s"))),
            ("999999d999999d23h", Some((LONGEST, "999999d"))),
            ("", None),
            ("5", None),
            ("m", None),
            ("5w", None),
            ("-5m", None),
            ("5m ", None),
            ("99999999999999999999s", None),
        ];
        for (text, expected) in table {
            let interval = Interval::try_from(text.to_owned()).ok();
            let got = interval.map(|interval| (interval.0, interval.to_string()));
            assert_eq!(
                got,
                expected.map(|(seconds, text)| (seconds, text.to_owned())),
                "{text}"
            );
        }
    }
}
