//! What is wrong with a schedule, said so that the message points at the field and gives what to write in it.

use std::fmt;

/// Why a schedule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("the schedule is empty: write five fields, such as \"0 6 * * MON\", or a nickname, such as @daily")]
    Empty,
    #[error(
        "the schedule has {0} field{s} instead of five: write minute, hour, day of month, month and day of week",
        s = if *.0 == 1 { "" } else { "s" }
    )]
    FieldCount(usize),
    #[error("the schedule holds TZ: leave TZ= and CRON_TZ= out and name the time zone apart from it")]
    ZoneInside,
    #[error(
        "unknown nickname {0:?}: write @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or \
         \"@every 2h\", in small letters and without spaces around it"
    )]
    Nickname(String),
    #[error("the duration {0:?} of @every cannot be read: write numbers with units h, m or s, such as 1h30m")]
    Duration(String),
    #[error("the {field} field {text:?} {problem}{}", problem.advice(*field))]
    Field {
        field: Field,
        text: String,
        problem: Problem,
    },
    #[error("the time zone is empty: write a name such as Europe/Berlin, or leave it out for UTC")]
    ZoneEmpty,
    #[error("the time zone is Local, which differs from machine to machine: write a name such as Europe/Berlin")]
    ZoneLocal,
    #[error("{0:?} is no time zone that is known: write an IANA name such as Europe/Berlin or Etc/UTC")]
    ZoneUnknown(String),
    #[error("the time zone {name:?} is written {known:?}: case matters to Kubernetes")]
    ZoneCase { name: String, known: String },
    #[error("the schedule {0:?} cannot be computed: write its fields as lists of numbers")]
    Computation(String),
}

impl ScheduleError {
    /// Whether the time zone is at fault, and not the expression.
    #[must_use]
    pub fn is_about_zone(&self) -> bool {
        match self {
            Self::ZoneEmpty | Self::ZoneLocal | Self::ZoneUnknown(_) | Self::ZoneCase { .. } => true,
            Self::Empty
            | Self::FieldCount(_)
            | Self::ZoneInside
            | Self::Nickname(_)
            | Self::Duration(_)
            | Self::Field { .. }
            | Self::Computation(_) => false,
        }
    }
}

/// A field of a cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

/// What is wrong with an entry of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("lacks a number")]
    Missing,
    #[error("holds {0:?}")]
    Word(String),
    #[error("holds {0}, which is out of range")]
    OutOfRange(String),
    #[error("runs backwards")]
    Backwards,
    #[error("has more than one hyphen")]
    Hyphens,
    #[error("has more than one slash")]
    Slashes,
    #[error("has the step {0:?}")]
    Step(String),
}

impl Field {
    /// The values that the field takes.
    pub(super) const fn bounds(self) -> (u8, u8) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 6),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Minute => "0 to 59",
            Self::Hour => "0 to 23",
            Self::DayOfMonth => "1 to 31",
            Self::Month => "1 to 12 or JAN to DEC",
            Self::DayOfWeek => "0 to 6 or SUN to SAT (Sunday is 0)",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day-of-month",
            Self::Month => "month",
            Self::DayOfWeek => "day-of-week",
        })
    }
}

impl Problem {
    fn advice(&self, field: Field) -> String {
        let expected = field.expected();
        match self {
            Self::Word(word) if is_extension(word) => {
                format!(": write {expected}; CronJob does not read L, W and #, and neither does this")
            }
            Self::Missing | Self::Word(_) | Self::OutOfRange(_) => format!(": write {expected}"),
            Self::Backwards => ": write the smaller value first, or two ranges with a comma between them".to_owned(),
            Self::Hyphens => ": write a range as 1-5".to_owned(),
            Self::Slashes => ": write a step as */5 or 10-50/5".to_owned(),
            Self::Step(_) => ": write a whole number from 1".to_owned(),
        }
    }
}

/// Whether a word looks like Quartz's `L`, `5L`, `LW`, `15W` or `MON#2`.
fn is_extension(word: &str) -> bool {
    word.contains('#')
        || word
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .chars()
            .all(|c| "LWlw".contains(c))
}
