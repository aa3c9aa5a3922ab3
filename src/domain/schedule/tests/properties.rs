//! Expressions at random, held against a definition that looks at every minute.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::Schedule;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Santiago",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Antarctica/Troll",
];

/// A field as text, with what it means.
#[derive(Debug, Clone)]
struct Field {
    text: String,
    values: Vec<i8>,
    star: bool,
    wildcard: bool,
}

fn entry(min: i8, max: i8) -> impl Strategy<Value = Field> {
    let plain = |text: String, values: Vec<i8>| Field {
        text,
        values,
        star: false,
        wildcard: false,
    };
    let starred = move |star: &str| Field {
        text: star.to_owned(),
        values: (min..=max).collect(),
        star: true,
        wildcard: true,
    };
    let stepped = |from: i8, to: i8, step: i8| (from..=to).filter(|value| (value - from) % step == 0).collect();
    prop_oneof![
        select(vec!["*", "?", "*/1", "*-x"]).prop_map(starred),
        (2..=20_i8).prop_map(move |step| Field {
            text: format!("*/{step}"),
            values: stepped(min, max, step),
            star: false,
            wildcard: true
        }),
        (min..=max).prop_map(move |value| plain(value.to_string(), vec![value])),
        (min..=max, 1..=20_i8).prop_map(move |(from, step)| plain(format!("{from}/{step}"), stepped(from, max, step))),
        (min..=max, min..=max, 1..=9_i8).prop_map(move |(a, b, step)| {
            let (from, to) = (a.min(b), a.max(b));
            plain(format!("{from}-{to}/{step}"), stepped(from, to, step))
        }),
    ]
}

fn field(min: i8, max: i8) -> impl Strategy<Value = Field> {
    proptest::collection::vec(entry(min, max), 1..3).prop_map(|entries| Field {
        text: entries
            .iter()
            .map(|entry| entry.text.as_str())
            .collect::<Vec<_>>()
            .join(","),
        values: entries.iter().flat_map(|entry| entry.values.clone()).collect(),
        star: entries.iter().any(|entry| entry.star),
        wildcard: entries.iter().any(|entry| entry.wildcard),
    })
}

#[derive(Debug, Clone)]
struct Expression {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

fn expression() -> impl Strategy<Value = Expression> {
    // Months are seldom limited, so that something happens in the days looked at.
    let month =
        prop_oneof![9 => Just(entry(1, 12).boxed()), 1 => Just(field(1, 12).boxed())].prop_flat_map(|month| month);
    (field(0, 59), field(0, 23), field(1, 31), month, field(0, 6)).prop_map(|(minute, hour, day, month, weekday)| {
        Expression {
            minute,
            hour,
            day,
            month,
            weekday,
        }
    })
}

impl Expression {
    fn text(&self) -> String {
        [&self.minute, &self.hour, &self.day, &self.month, &self.weekday]
            .map(|field| field.text.as_str())
            .join(" ")
    }

    fn follows_the_clock(&self) -> bool {
        self.hour.wildcard || (0..24).all(|hour| self.hour.values.contains(&hour))
    }

    fn matches(&self, reading: DateTime) -> bool {
        let day = self.day.values.contains(&reading.day());
        let weekday = self.weekday.values.contains(&reading.weekday().to_sunday_zero_offset());
        let days = if self.day.star || self.weekday.star {
            day && weekday
        } else {
            day || weekday
        };
        days && self.month.values.contains(&reading.month())
            && self.hour.values.contains(&reading.hour())
            && self.minute.values.contains(&reading.minute())
    }

    /// Whether the minute `time` is due, told from its reading and the one a minute before.
    fn due(&self, zone: &TimeZone, time: Timestamp) -> bool {
        let reading = zone.to_datetime(time);
        if self.follows_the_clock() {
            return self.matches(reading);
        }
        if self.matches(reading) && !is_repeated(zone, time, reading) {
            return true;
        }
        let mut skipped = zone.to_datetime(time - MINUTE) + 1.minute();
        while skipped < reading {
            if self.matches(skipped) {
                return true;
            }
            skipped += 1.minute();
        }
        false
    }
}

fn is_repeated(zone: &TimeZone, time: Timestamp, reading: DateTime) -> bool {
    match zone.to_ambiguous_timestamp(reading).offset() {
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(reading).unwrap() < time,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
    }
}

/// A minute up to a day and a half before a change of the clock, or any minute in zones without.
fn near_a_change() -> impl Strategy<Value = (&'static str, Timestamp)> {
    (select(ZONES.to_vec()), 500_000_000..2_500_000_000_i64, 1..2_160_i64).prop_map(|(name, second, minutes)| {
        let zone = TimeZone::get(name).unwrap();
        let any = Timestamp::from_second(second).unwrap();
        let change = zone
            .following(any)
            .next()
            .map_or(second, |change| change.timestamp().as_second());
        let change = Timestamp::from_second(change / 60 * 60).unwrap();
        (name, change - MINUTE * i32::try_from(minutes).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_minute_agrees_with_the_definition(expression in expression(), (name, from) in near_a_change()) {
        let schedule = Schedule::parse(&expression.text(), Some(name)).unwrap();
        let zone = schedule.time_zone();
        let minutes = (1..=3 * 1_440).map(|minute| from + MINUTE * minute);
        let expected: Vec<Timestamp> = minutes.filter(|&time| expression.due(zone, time)).collect();
        let until = from + MINUTE * (3 * 1_440);

        let times: Vec<Timestamp> = schedule.times(from, from).take_while(|&time| time <= until).collect();
        let different = times.iter().zip(&expected).find(|(time, expected)| time != expected);
        prop_assert!(different.is_none(), "{:?}", different);
        prop_assert_eq!(times.len(), expected.len());
        let count = schedule.count_between(from, until, from, u32::MAX);
        prop_assert_eq!(usize::try_from(count).unwrap(), expected.len());
        prop_assert_eq!(schedule.count_between(from, until, from, 7), count.min(7));
        prop_assert_eq!(schedule.never_fires(), schedule.next_after(from, from).is_none());
    }

    #[test]
    fn looking_back_agrees_with_looking_ahead(
        expression in expression(),
        (name, from) in near_a_change(),
        seconds in 0..300_000_i64,
    ) {
        let schedule = Schedule::parse(&expression.text(), Some(name)).unwrap();
        let until = from + SignedDuration::from_secs(seconds);
        let times: Vec<Timestamp> = schedule.times(from, from).take_while(|&time| time <= until).collect();
        prop_assert_eq!(schedule.latest_at_or_before(until, from, from), times.last().copied());
        prop_assert_eq!(usize::try_from(schedule.count_between(from, until, from, u32::MAX)).unwrap(), times.len());
        // However far back it may look, it finds the same.
        if let Some(newest) = times.last() {
            prop_assert_eq!(schedule.latest_at_or_before(until, Timestamp::MIN, from), Some(*newest));
        }
    }

    #[test]
    fn every_is_exact(interval in 1..200_000_i64, from in -5_000..5_000_000_i64, span in 0..2_000_000_i64) {
        let schedule = Schedule::parse(&format!("@every {interval}s"), None).unwrap();
        let time = |second| Timestamp::from_second(second).unwrap();
        let expected: Vec<i64> = (1..).map(|run| run * interval).skip_while(|&due| due <= from)
            .take_while(|&due| due <= from + span).collect();
        let first = schedule.next_after(time(from), time(0)).map(Timestamp::as_second);
        prop_assert_eq!(first.filter(|&due| due <= from + span), expected.first().copied());
        let latest = schedule.latest_at_or_before(time(from + span), time(from), time(0)).map(Timestamp::as_second);
        prop_assert_eq!(latest, expected.last().copied());
        let count = schedule.count_between(time(from), time(from + span), time(0), u32::MAX);
        prop_assert_eq!(usize::try_from(count).unwrap(), expected.len());
    }

    #[test]
    fn no_text_and_no_time_panics(
        text in prop_oneof![".{0,40}", "[0-9*?/,LW#A-Z -]{0,30}", "@every [-+0-9.hmsnuµ]{0,20}", "@[a-z ]{0,12}"],
        zone in prop_oneof![Just(None), "[A-Za-z/+-]{0,16}".prop_map(Some), select(ZONES.to_vec()).prop_map(|zone| Some(zone.to_owned()))],
        second in -377_705_023_201..253_402_207_200_i64,
    ) {
        match Schedule::parse(&text, zone.as_deref()) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(schedule) => {
                let time = Timestamp::from_second(second).unwrap();
                prop_assert!(schedule.times(time, time).take(3).all(|due| due > time));
                prop_assert!(schedule.latest_at_or_before(time, Timestamp::MIN, Timestamp::MIN).is_none_or(|due| due <= time));
            }
        }
    }
}
