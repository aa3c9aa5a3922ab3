//! When a trigger fires: the expressions that CronJob reads, computed right where CronJob is not.
//!
//! An expression is parsed once, by robfig/cron's rules, into sets of values ([`fields`]) or an interval ([`every`]).
//! croner then finds the wall times that match, as if there were no time zones, and [`cron`] lays them on the time line,
//! one stretch between two changes of the clock after the other ([`stretch`]). That gives these rules:
//!
//! - With a fixed hour, a wall time that a change of the clock skips is due when the gap ends, and one that comes twice
//!   is due the first time.
//! - With a wildcard as its hour (`*`, `?`, `*/2`, or all 24), a schedule follows the clock: what the clock does not show
//!   is not due, and what it shows twice is due twice.
//! - `@every` counts from an anchor that the caller gives, and knows no clock.
//!
//! Everything here is a pure function of its arguments, exact to the second, and cheap whatever the expression.

mod cron;
mod error;
mod every;
mod fields;
mod stretch;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use self::cron::Cron;
pub use self::error::{Field, Problem, ScheduleError};
use self::every::Every;
use self::fields::Fields;

/// How far ahead a next time is looked for: eight years, the longest time between two 29ths of February.
pub const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 2_922);

/// When a trigger fires. [`Display`](fmt::Display) gives the expression as written.
#[derive(Debug, Clone)]
pub struct Schedule {
    source: String,
    zone: TimeZone,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    Cron(Box<Cron>),
    Every(Every),
}

impl Schedule {
    /// Reads a cron expression of five fields, a nickname, or `@every` with a duration.
    ///
    /// `time_zone` is a name of the IANA database, whose copy in the program is used, so that a schedule means the same
    /// on every machine; `None` is UTC.
    ///
    /// # Errors
    ///
    /// Whatever CronJob refuses, with the field that is wrong and what to write in it.
    pub fn parse(expression: &str, time_zone: Option<&str>) -> Result<Self, ScheduleError> {
        let rule = parse_rule(expression)?;
        let zone = time_zone.map_or(Ok(TimeZone::UTC), parse_zone)?;
        let rule = match rule {
            Parsed::Every(every) => Rule::Every(every),
            Parsed::Fields(fields) => Rule::Cron(Box::new(Cron::new(fields, zone.clone())?)),
        };
        Ok(Self {
            source: expression.to_owned(),
            zone,
            rule,
        })
    }

    /// The first due time after `after`, or `None` when there is none within [`HORIZON`] of it.
    ///
    /// `anchor` is what `@every` counts from, the automation's creation; it is not itself due.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        let after = floor(after);
        match &self.rule {
            Rule::Cron(cron) => cron.next_after(after),
            Rule::Every(every) => every.next_after(after, floor(anchor)),
        }
        .filter(|time| time.duration_since(after) <= HORIZON)
    }

    /// The due times after `after`, each within [`HORIZON`] of the one before.
    pub fn times(&self, after: Timestamp, anchor: Timestamp) -> impl Iterator<Item = Timestamp> + Clone + '_ {
        let first = self.next_after(after, anchor);
        std::iter::successors(first, move |&last| self.next_after(last, anchor))
    }

    /// The newest due time after `after` and not after `at`. Its cost does not grow with the number of due times.
    #[must_use]
    pub fn latest_at_or_before(&self, at: Timestamp, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        let (at, after) = (floor(at), floor(after));
        match &self.rule {
            Rule::Cron(cron) => cron.latest_at_or_before(at, after),
            Rule::Every(every) => every.latest_at_or_before(at, floor(anchor)),
        }
        .filter(|&time| time > after)
    }

    /// How many due times there are after `after` and not after `until`, at most `limit`. Counts days, not due times.
    #[must_use]
    pub fn count_between(&self, after: Timestamp, until: Timestamp, anchor: Timestamp, limit: u32) -> u32 {
        let (after, until) = (floor(after), floor(until));
        let count = match &self.rule {
            Rule::Cron(cron) => cron.count_between(after, until, u64::from(limit)),
            Rule::Every(every) => every.count_between(after, until, floor(anchor)),
        };
        u32::try_from(count).unwrap_or(u32::MAX).min(limit)
    }

    /// Whether no date matches, as with `0 0 30 2 *`. CronJob takes such an expression and stays silent about it.
    #[must_use]
    pub fn never_fires(&self) -> bool {
        match &self.rule {
            Rule::Cron(cron) => cron.never_fires(),
            Rule::Every(_) => false,
        }
    }

    /// The zone whose clock the fields are read on. It also gives the offset to show a due time with.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

enum Parsed {
    Fields(Fields),
    Every(Every),
}

fn parse_rule(expression: &str) -> Result<Parsed, ScheduleError> {
    if expression.trim().is_empty() {
        return Err(ScheduleError::Empty);
    }
    // The API server refuses any expression with these letters, wherever they stand.
    if expression.contains("TZ") {
        return Err(ScheduleError::ZoneInside);
    }
    if let Some(duration) = expression.strip_prefix("@every ") {
        return Ok(Parsed::Every(Every::parse(duration)?));
    }
    let fields = match expression {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        nickname if nickname.trim_start().starts_with('@') => {
            return Err(ScheduleError::Nickname(nickname.to_owned()));
        }
        fields => fields,
    };
    Ok(Parsed::Fields(Fields::parse(fields)?))
}

/// The IANA time zone of that name. The API server takes a name letter by letter, while jiff disregards case.
///
/// # Errors
/// When there is none, or when it is written otherwise.
pub fn parse_zone(name: &str) -> Result<TimeZone, ScheduleError> {
    if name.is_empty() {
        return Err(ScheduleError::ZoneEmpty);
    }
    if name.eq_ignore_ascii_case("local") {
        return Err(ScheduleError::ZoneLocal);
    }
    let zone = TimeZoneDatabase::bundled()
        .get(name)
        .ok()
        .filter(|zone| !zone.is_unknown());
    let zone = zone.ok_or_else(|| ScheduleError::ZoneUnknown(name.to_owned()))?;
    match zone.iana_name() {
        Some(known) if known != name => Err(ScheduleError::ZoneCase {
            name: name.to_owned(),
            known: known.to_owned(),
        }),
        _ => Ok(zone),
    }
}

/// The whole second at or before `time`.
fn floor(time: Timestamp) -> Timestamp {
    let second = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    Timestamp::from_second(second).unwrap_or(Timestamp::MIN)
}
