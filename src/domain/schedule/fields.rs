//! The five fields of a cron expression, read by the rules of robfig/cron v3.0.1, which CronJob uses.
//!
//! Those rules are laxer than they look, and what is a valid CronJob has to be valid here: a sign before a number
//! (`+5`), empty entries in a list (`1,,2`, even `,`, which matches nothing), and anything at all after a star and a
//! hyphen (`*-7`), which counts as the star alone.

use super::error::{Field, Problem, ScheduleError};

/// What the fields of an expression match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) minutes: Values,
    pub(super) hours: Values,
    days_of_month: Values,
    months: Values,
    days_of_week: Values,
}

/// What one field matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Values {
    /// Bit n stands for the value n.
    pub(super) set: u64,
    /// Whether an entry is a star without a step, so that this field leaves the choice of the day to the other one.
    star: bool,
    /// Whether an entry is written with a star, with or without a step.
    wildcard: bool,
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// The longest each month gets, from January.
const MONTH_LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Fields {
    /// Reads five fields with white space between them.
    pub(super) fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let texts: Vec<&str> = expression.split_whitespace().collect();
        let &[minute, hour, day_of_month, month, day_of_week] = texts.as_slice() else {
            return Err(ScheduleError::FieldCount(texts.len()));
        };
        Ok(Self {
            minutes: parse_field(Field::Minute, minute)?,
            hours: parse_field(Field::Hour, hour)?,
            days_of_month: parse_field(Field::DayOfMonth, day_of_month)?,
            months: parse_field(Field::Month, month)?,
            days_of_week: parse_field(Field::DayOfWeek, day_of_week)?,
        })
    }

    /// The same fields as croner reads them: stars and lists of numbers. croner, too, takes a lone `*` for the star that
    /// leaves the day to the other field, and an empty list for a field that matches nothing.
    pub(super) fn to_croner(self) -> String {
        let fields = [
            self.minutes,
            self.hours,
            self.days_of_month,
            self.months,
            self.days_of_week,
        ];
        fields.map(Values::to_croner).join(" ")
    }

    /// Whether the hour follows the clock rather than naming hours.
    pub(super) fn every_hour_shown(self) -> bool {
        self.hours.wildcard || self.hours.set == Values::of(0..=23, 1).set
    }

    /// Whether no time of any year matches.
    pub(super) fn never_match(self) -> bool {
        let no_time = self.minutes.set == 0 || self.hours.set == 0;
        let no_day_of_month = !MONTH_LENGTHS.iter().zip(1..).any(|(length, month)| {
            self.months.set & (1 << month) != 0
                && self.days_of_month.set & Values::of(1..=u64::from(*length), 1).set != 0
        });
        let no_day_of_week = self.months.set == 0 || self.days_of_week.set == 0;
        no_time
            || if self.days_of_month.star || self.days_of_week.star {
                no_day_of_month || no_day_of_week
            } else {
                no_day_of_month && no_day_of_week
            }
    }
}

impl Values {
    fn of(range: std::ops::RangeInclusive<u64>, step: usize) -> Self {
        let set = range.step_by(step).fold(0, |set, value| set | 1 << value);
        Self { set, ..Self::default() }
    }

    fn union(self, other: Self) -> Self {
        Self {
            set: self.set | other.set,
            star: self.star || other.star,
            wildcard: self.wildcard || other.wildcard,
        }
    }

    fn to_croner(self) -> String {
        if self.star {
            return "*".to_owned();
        }
        let numbers: Vec<String> = (0..64)
            .filter(|value| self.set & (1 << value) != 0)
            .map(|value| value.to_string())
            .collect();
        if numbers.is_empty() {
            ",".to_owned()
        } else {
            numbers.join(",")
        }
    }
}

fn parse_field(field: Field, text: &str) -> Result<Values, ScheduleError> {
    let entries = text.split(',').filter(|entry| !entry.is_empty());
    entries
        .map(|entry| parse_entry(field, entry))
        .try_fold(Values::default(), |all, entry| Ok(all.union(entry?)))
        .map_err(|problem| ScheduleError::Field {
            field,
            text: text.to_owned(),
            problem,
        })
}

fn parse_entry(field: Field, entry: &str) -> Result<Values, Problem> {
    let (range, step) = match entry.split('/').collect::<Vec<_>>()[..] {
        [range] => (range, None),
        [range, step] => (range, Some(parse_step(step)?)),
        _ => return Err(Problem::Slashes),
    };
    let (min, max) = field.bounds();
    let ends: Vec<&str> = range.split('-').collect();
    if matches!(ends[..], ["*" | "?", ..]) {
        let values = Values::of(u64::from(min)..=u64::from(max), step.unwrap_or(1));
        return Ok(Values {
            star: step.unwrap_or(1) == 1,
            wildcard: true,
            ..values
        });
    }
    let (start, end) = match ends[..] {
        [start] if step.is_some() => (parse_value(field, start)?, u64::from(max)),
        [start] => (parse_value(field, start)?, parse_value(field, start)?),
        [start, end] => (parse_value(field, start)?, parse_value(field, end)?),
        _ => return Err(Problem::Hyphens),
    };
    if start > end {
        return Err(Problem::Backwards);
    }
    Ok(Values::of(start..=end, step.unwrap_or(1)))
}

fn parse_value(field: Field, word: &str) -> Result<u64, Problem> {
    let (min, max) = field.bounds();
    let value = match (word, parse_name(field, word)) {
        (_, Some(value)) => return Ok(value),
        ("", None) => return Err(Problem::Missing),
        (_, None) => word.parse::<u64>(),
    };
    match value {
        Ok(value) if (u64::from(min)..=u64::from(max)).contains(&value) => Ok(value),
        Err(_) if word.bytes().any(|byte| !byte.is_ascii_digit()) => Err(Problem::Word(word.to_owned())),
        Ok(_) | Err(_) => Err(Problem::OutOfRange(word.to_owned())),
    }
}

fn parse_name(field: Field, word: &str) -> Option<u64> {
    let (names, first): (&[&str], _) = match field {
        Field::Month => (&MONTHS, 1),
        Field::DayOfWeek => (&WEEKDAYS, 0),
        Field::Minute | Field::Hour | Field::DayOfMonth => return None,
    };
    names
        .iter()
        .zip(first..)
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, value)| value)
}

/// A step of 64 or more leaves the first value alone, whatever the field.
fn parse_step(word: &str) -> Result<usize, Problem> {
    match word.parse::<i64>() {
        Ok(step) if step > 0 => Ok(usize::try_from(step).map_or(64, |step| step.min(64))),
        Ok(_) | Err(_) => Err(Problem::Step(word.to_owned())),
    }
}
