//! Which scheduled times are due, which are made up for, and which are counted as missed.
//!
//! A time is *decided* once it has an object or is counted; `decidedThrough` only moves over decided times, and only in
//! the write that counts what it skips. So a crash between two writes repeats a decision and never loses one.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::api::trigger::MissedRuns;

use super::spec::ParsedSchedule;

/// How late a time may be and still count as on time where missed ones are skipped.
const ON_TIME: SignedDuration = SignedDuration::from_secs(60);
/// The most times that are made up for at once.
const MOST: usize = 100;
/// More missed times than this are counted as this many.
const COUNT_LIMIT: u32 = 10_000_000;

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Times that want an object and have none, oldest first.
    pub create: Vec<Timestamp>,
    /// Times passed over by moving `decided_through`, that have no object and get none.
    pub missed: u32,
    /// The newest of those.
    pub missed_through: Option<Timestamp>,
    /// Every time up to here is decided, once `missed` is counted.
    pub decided_through: Timestamp,
}

/// How many objects there may be, and how late.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many more may wait; the newest times get theirs.
    pub room: usize,
    /// Whether a time gets none once a later one has.
    pub newest_wins: bool,
    /// Seconds after its time within which a task may start.
    pub deadline: Option<i32>,
}

/// What is due of one schedule at `now`. `existing` are the times that have an object; `anchor` is the automation's
/// creation.
#[must_use]
pub fn due(
    schedule: &ParsedSchedule,
    decided_through: Timestamp,
    anchor: Timestamp,
    existing: &BTreeSet<Timestamp>,
    bounds: &Bounds,
    now: Timestamp,
) -> Due {
    let wanted = wanted(schedule, decided_through, anchor, bounds.deadline, now);
    let superseded = existing.last().filter(|_| bounds.newest_wins);
    let mut create = wanted;
    create.retain(|time| !existing.contains(time) && superseded.is_none_or(|newest| time > newest));
    create.drain(..create.len().saturating_sub(bounds.room));
    let newest = schedule.schedule.latest_at_or_before(now, decided_through, anchor);
    let through = match (create.first(), newest) {
        (Some(&first), _) => schedule
            .schedule
            .latest_at_or_before(before(first), decided_through, anchor)
            .unwrap_or(decided_through),
        (None, newest) => newest.unwrap_or(decided_through),
    };
    let passed = schedule
        .schedule
        .count_between(decided_through, through, anchor, COUNT_LIMIT);
    let after_decided = |time: &&Timestamp| **time > decided_through && **time <= through;
    let with_object = existing.iter().filter(after_decided).count();
    let missed = passed.saturating_sub(u32::try_from(with_object).unwrap_or(u32::MAX));
    let newest = |at: Timestamp| schedule.schedule.latest_at_or_before(at, decided_through, anchor);
    let mut passed = std::iter::successors(newest(through), |&time| newest(before(time)));
    Due {
        create,
        missed,
        missed_through: passed.find(|time| !existing.contains(time)).filter(|_| missed > 0),
        decided_through: through,
    }
}

/// The times after `decided_through` that are to run, whether or not they have an object, oldest first.
fn wanted(
    schedule: &ParsedSchedule,
    decided_through: Timestamp,
    anchor: Timestamp,
    deadline: Option<i32>,
    now: Timestamp,
) -> Vec<Timestamp> {
    let deadline = deadline.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
    let (most, grace) = match schedule.terms.missed_runs {
        MissedRuns::Latest => (1, deadline),
        MissedRuns::All => (MOST, deadline),
        MissedRuns::Skip => (1, Some(deadline.map_or(ON_TIME, |deadline| deadline.min(ON_TIME)))),
    };
    let oldest = grace.and_then(|grace| now.checked_sub(grace).ok()).map(before);
    let after = oldest.map_or(decided_through, |oldest| oldest.max(decided_through));
    let newest = |at: Timestamp| schedule.schedule.latest_at_or_before(at, after, anchor);
    let mut times: Vec<_> = std::iter::successors(newest(now), |&time| newest(before(time)))
        .take(most)
        .collect();
    times.reverse();
    times
}

/// The last instant before `time`, to the second, which is how exact scheduled times are.
fn before(time: Timestamp) -> Timestamp {
    time.saturating_sub(SignedDuration::from_secs(1))
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::trigger::ScheduleTrigger;
    use crate::domain::schedule::Schedule;

    const BOUNDS: Bounds = Bounds {
        room: usize::MAX,
        newest_wins: false,
        deadline: None,
    };

    /// Times of one day, as `HH:MM`.
    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T{text}:00Z").parse().unwrap()
    }

    fn say(times: &[Timestamp]) -> String {
        times
            .iter()
            .map(|time| time.strftime("%H:%M").to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn terms(cron: &str, missed_runs: MissedRuns, starting_deadline_seconds: Option<i32>) -> ScheduleTrigger {
        ScheduleTrigger {
            cron: cron.to_owned(),
            time_zone: "UTC".to_owned(),
            starting_deadline_seconds,
            missed_runs,
        }
    }

    fn parsed(terms: &ScheduleTrigger) -> ParsedSchedule<'_> {
        ParsedSchedule {
            name: "t",
            terms,
            schedule: Schedule::parse(&terms.cron, None).unwrap(),
        }
    }

    struct Case {
        what: &'static str,
        missed_runs: MissedRuns,
        deadline: Option<i32>,
        decided: &'static str,
        existing: &'static [&'static str],
        room: usize,
        now: &'static str,
        expected: (&'static str, u32, &'static str),
    }

    #[test]
    fn hourly_runs_and_what_is_decided() {
        use MissedRuns::{All, Latest, Skip};
        let table = [
            Case {
                what: "nothing due",
                missed_runs: Latest,
                deadline: None,
                decided: "06:00",
                existing: &["06:00"],
                room: 100,
                now: "06:59",
                expected: ("", 0, "06:00"),
            },
            Case {
                what: "one due",
                missed_runs: Latest,
                deadline: None,
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "07:00",
                expected: ("07:00", 0, "06:00"),
            },
            Case {
                what: "its object is there",
                missed_runs: Latest,
                deadline: None,
                decided: "06:00",
                existing: &["07:00"],
                room: 100,
                now: "07:00",
                expected: ("", 0, "07:00"),
            },
            Case {
                what: "latest of four",
                missed_runs: Latest,
                deadline: None,
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "10:30",
                expected: ("10:00", 3, "09:00"),
            },
            Case {
                what: "latest of four, one has an object",
                missed_runs: Latest,
                deadline: None,
                decided: "06:00",
                existing: &["07:00"],
                room: 100,
                now: "10:30",
                expected: ("10:00", 2, "09:00"),
            },
            Case {
                what: "latest is too late",
                missed_runs: Latest,
                deadline: Some(60),
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "10:30",
                expected: ("", 4, "10:00"),
            },
            Case {
                what: "just within the deadline",
                missed_runs: Latest,
                deadline: Some(1800),
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "07:30",
                expected: ("07:00", 0, "06:00"),
            },
            Case {
                what: "all of four",
                missed_runs: All,
                deadline: None,
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "10:30",
                expected: ("07:00 08:00 09:00 10:00", 0, "06:00"),
            },
            Case {
                what: "all, some have objects",
                missed_runs: All,
                deadline: None,
                decided: "06:00",
                existing: &["07:00", "09:00"],
                room: 100,
                now: "10:30",
                expected: ("08:00 10:00", 0, "07:00"),
            },
            Case {
                what: "all within the deadline",
                missed_runs: All,
                deadline: Some(2 * 3600),
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "10:30",
                expected: ("09:00 10:00", 2, "08:00"),
            },
            Case {
                what: "skip what is late",
                missed_runs: Skip,
                deadline: None,
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "10:30",
                expected: ("", 4, "10:00"),
            },
            Case {
                what: "skip, but on time",
                missed_runs: Skip,
                deadline: None,
                decided: "06:00",
                existing: &[],
                room: 100,
                now: "10:01",
                expected: ("10:00", 3, "09:00"),
            },
            Case {
                what: "all, and room for two: the newest wait",
                missed_runs: All,
                deadline: None,
                decided: "06:00",
                existing: &["07:00"],
                room: 2,
                now: "10:30",
                expected: ("09:00 10:00", 1, "08:00"),
            },
            Case {
                what: "one due, and no room",
                missed_runs: Latest,
                deadline: None,
                decided: "06:00",
                existing: &[],
                room: 0,
                now: "07:00",
                expected: ("", 1, "07:00"),
            },
            Case {
                what: "the clock went back",
                missed_runs: Latest,
                deadline: None,
                decided: "06:00",
                existing: &["06:00"],
                room: 100,
                now: "05:00",
                expected: ("", 0, "06:00"),
            },
        ];
        for case in table {
            let terms = terms("0 * * * *", case.missed_runs, case.deadline);
            let parsed = parsed(&terms);
            let existing: BTreeSet<_> = case.existing.iter().map(|time| at(time)).collect();
            let bounds = Bounds {
                room: case.room,
                deadline: case.deadline,
                ..BOUNDS
            };
            let due = due(&parsed, at(case.decided), at("00:00"), &existing, &bounds, at(case.now));
            let got = (say(&due.create), due.missed, say(&[due.decided_through]));
            let (create, missed, through) = case.expected;
            assert_eq!(got, (create.to_owned(), missed, through.to_owned()), "{}", case.what);
            assert_eq!(due.missed_through.is_some(), missed > 0, "{}", case.what);
        }
    }

    #[test]
    fn at_most_a_hundred_are_made_up_for_and_the_rest_is_counted() {
        let terms = terms("* * * * *", MissedRuns::All, None);
        let parsed = parsed(&terms);
        let (bounds, existing) = (BOUNDS, BTreeSet::new());
        let due = due(&parsed, at("00:00"), at("00:00"), &existing, &bounds, at("05:00"));
        assert_eq!((due.create.len(), due.missed), (100, 200));
    }

    #[test]
    fn where_the_newest_wins_nothing_is_made_that_would_give_way_at_once() {
        let terms = terms("0 * * * *", MissedRuns::All, None);
        let parsed = parsed(&terms);
        let bounds = Bounds {
            room: 2,
            newest_wins: true,
            ..BOUNDS
        };
        let table = [
            ("", "09:00 10:00", 2, "08:00"),
            ("10:00", "", 3, "10:00"),
            ("09:00", "10:00", 2, "09:00"),
        ];
        for (existing, create, missed, through) in table {
            let existing: BTreeSet<_> = existing.split_whitespace().map(at).collect();
            let due = due(&parsed, at("06:00"), at("00:00"), &existing, &bounds, at("10:30"));
            let got = (say(&due.create), due.missed, say(&[due.decided_through]));
            assert_eq!(got, (create.to_owned(), missed, through.to_owned()), "{existing:?}");
        }
    }

    #[test]
    fn the_newest_time_without_an_object_is_named() {
        let table = [
            ("06:00", "", "09:00"),
            ("06:00", "09:00", "08:00"),
            ("06:00", "07:00", "09:00"),
            ("08:30", "", "09:00"),
        ];
        for (decided, existing, expected) in table {
            let terms = terms("0 * * * *", MissedRuns::Latest, None);
            let parsed = parsed(&terms);
            let existing: BTreeSet<_> = existing.split_whitespace().map(at).collect();
            let due = due(&parsed, at(decided), at("00:00"), &existing, &BOUNDS, at("10:30"));
            assert_eq!(due.missed_through, Some(at(expected)), "{decided} {existing:?}");
        }
    }
}
