//! `@every DURATION`: due at the anchor plus one, two, three … durations.
//!
//! CronJob counts from its last run and so shifts with every restart or delay; counting from a fixed anchor does not.

use jiff::{SignedDuration, Timestamp};

use super::error::ScheduleError;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// An interval of whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Every {
    seconds: i64,
}

impl Every {
    /// Reads a duration as Go's `time.ParseDuration` does, and as robfig/cron does rounds it down to the second and up to
    /// one second.
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let nanos = parse_nanos(text).ok_or_else(|| ScheduleError::Duration(text.to_owned()))?;
        Ok(Self {
            seconds: SignedDuration::from_nanos(nanos).as_secs().max(1),
        })
    }

    pub(super) fn next_after(self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        self.due(self.elapsed(after, anchor) + 1, anchor)
    }

    pub(super) fn latest_at_or_before(self, at: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        match self.elapsed(at, anchor) {
            0 => None,
            runs => self.due(runs, anchor),
        }
    }

    pub(super) fn count_between(self, after: Timestamp, until: Timestamp, anchor: Timestamp) -> u64 {
        let runs = self.elapsed(until, anchor) - self.elapsed(after, anchor);
        u64::try_from(runs).unwrap_or(0)
    }

    /// How many due times lie at or before `at`.
    fn elapsed(self, at: Timestamp, anchor: Timestamp) -> i64 {
        (at.as_second() - anchor.as_second()).div_euclid(self.seconds).max(0)
    }

    fn due(self, runs: i64, anchor: Timestamp) -> Option<Timestamp> {
        let offset = SignedDuration::from_secs(self.seconds.checked_mul(runs)?);
        anchor.checked_add(offset).ok()
    }
}

/// `[-+]?([0-9]*(\.[0-9]*)?unit)+` or a bare `0`, in nanoseconds; `None` also when they do not fit an `i64`, as in Go.
fn parse_nanos(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, after) = parse_term(rest)?;
        total = total.checked_add(nanos).filter(|&sum| sum <= 1 << 63)?;
        rest = after;
    }
    if negative {
        0_i64.checked_sub_unsigned(total)
    } else {
        i64::try_from(total).ok()
    }
}

fn parse_term(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let unit = unit_nanos(&rest[..end])?;
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let nanos = whole.checked_mul(unit)?.checked_add(fraction_nanos(fraction, unit))?;
    Some((nanos, &rest[end..]))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3_600 * NANOS_PER_SECOND,
        _ => return None,
    })
}

/// The digits after the point in nanoseconds, rounded down. Beyond the 18th they are below a nanosecond of every unit.
fn fraction_nanos(digits: &str, unit: u64) -> u64 {
    let digits = &digits[..digits.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    let nanos = digits.parse::<u128>().unwrap_or(0) * u128::from(unit) / scale;
    u64::try_from(nanos).unwrap_or(0)
}
