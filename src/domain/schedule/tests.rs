//! What is read and when it fires: tables here, and a definition that looks at every minute.

mod firing;
mod properties;
mod reading;

use jiff::{SignedDuration, Timestamp};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn parse(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, Some(zone)).unwrap_or_else(|error| panic!("{expression:?}: {error}"))
}

/// A time with the offset in force, as the command prints it.
fn shown(schedule: &Schedule, time: Timestamp) -> String {
    time.display_with_offset(schedule.time_zone().to_offset(time))
        .to_string()
}

/// Fails unless the times after `from` are `expected`, forwards, backwards and counted.
#[track_caller]
fn check(expression: &str, zone: &str, from: &str, expected: &[&str]) {
    let schedule = parse(expression, zone);
    let from = at(from);
    let times: Vec<Timestamp> = schedule.times(from, from).take(expected.len()).collect();
    let shown: Vec<String> = times.iter().map(|&time| shown(&schedule, time)).collect();
    assert_eq!(shown, expected, "{expression:?} in {zone}");

    let second = SignedDuration::from_secs(1);
    let mut before = from;
    for (&time, number) in times.iter().zip(1..) {
        let early = time - second;
        let context = format!("{expression:?} in {zone} at {time}");
        assert_eq!(schedule.latest_at_or_before(time, from, from), Some(time), "{context}");
        assert_eq!(
            schedule.latest_at_or_before(early, from, from),
            Some(before).filter(|&t| t > from),
            "{context}"
        );
        assert_eq!(schedule.count_between(from, time, from, u32::MAX), number, "{context}");
        assert_eq!(
            schedule.count_between(from, early, from, u32::MAX),
            number - 1,
            "{context}"
        );
        before = time;
    }
}
