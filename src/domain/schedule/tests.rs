//! What is read and when it fires, as tables.

mod properties;

use std::time::{Duration, Instant};

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

/// Compared with robfig/cron v3.0.1's `ParseStandard`, which validates CronJobs, by a program run over this table.
#[test]
fn what_cron_job_accepts() {
    let expressions = [
        // Nicknames.
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
        // White space of any kind.
        "0 6 * * MON",
        " 0  6\t*\n* 1 ",
        "0\u{a0}0\u{2028}* * *",
        // Names, in any case, with any other value.
        "0 0 * JAN-MAR/2 MON-FRI",
        "0 0 * fEb-Apr mOn",
        "0 0 * 1,feb,3-APR *",
        "0 0 * * SUN-SAT",
        // Stars, question marks, steps.
        "? ? ? ? ?",
        "*/15 ?/2 */2 1/3 */2",
        "0/60 * * * *",
        "*/99 * * * *",
        "1-10/3,20-30/4 * * * *",
        "*/+5 */05 * * *",
        // What robfig lets pass.
        "+5 00 01 01 00",
        "5-5 1,2,2,1 * * *",
        "1,,2, * * * *",
        ", * * * *",
        "*-7 *-x-y/2 * * *",
        // Dates that never come.
        "0 0 30 2 *",
        "59 23 31 4,6,9,11 *",
        // Durations.
        "@every 1h30m10s",
        "@every 1.5h",
        "@every .5m",
        "@every 1.s",
        "@every +5m",
        "@every 3000000µs",
        "@every 3000000μs",
        "@every 1500ms",
        "@every 1h1h",
        "@every 2562047h47m16.854775807s",
        "@every 100ms",
        "@every 0",
        "@every -5m",
    ];
    for expression in expressions {
        assert_eq!(parse(expression, "UTC").to_string(), expression);
    }
}

/// As above.
#[test]
fn what_cron_job_refuses() {
    let table = [
        ("", "the schedule is empty"),
        (" \t", "the schedule is empty"),
        ("* * * *", "has 4 fields instead of five"),
        ("0", "has 1 field instead of five"),
        ("0 0 0 1 1 *", "has 6 fields instead of five"),
        ("0 0 1 1 0 2026", "has 6 fields instead of five"),
        ("TZ=UTC 0 0 * * *", "write the zone into the timeZone field"),
        (
            "CRON_TZ=Europe/Berlin 0 0 * * *",
            "write the zone into the timeZone field",
        ),
        ("*-TZ 0 * * *", "write the zone into the timeZone field"),
        ("@reboot", "unknown nickname \"@reboot\""),
        ("@Daily", "in small letters"),
        (" @daily", "without spaces"),
        ("@every", "unknown nickname \"@every\""),
        ("@every ", "the duration \"\""),
        ("@every  1h", "the duration \" 1h\""),
        ("@every 1d", "the duration \"1d\""),
        ("@every 5", "the duration \"5\""),
        ("@every .s", "the duration \".s\""),
        ("@every 1h 30m", "the duration \"1h 30m\""),
        ("@every --1s", "the duration"),
        ("@every 9223372037s", "the duration"),
        ("@every 99999999999999999999s", "the duration"),
        (
            "60 * * * *",
            "the minute field \"60\" holds 60, which is out of range: write 0 to 59",
        ),
        (
            "* 24 * * *",
            "the hour field \"24\" holds 24, which is out of range: write 0 to 23",
        ),
        (
            "* * 0 * *",
            "the day-of-month field \"0\" holds 0, which is out of range: write 1 to 31",
        ),
        ("* * 1-32 * *", "the day-of-month field \"1-32\" holds 32"),
        (
            "* * * 13 *",
            "the month field \"13\" holds 13, which is out of range: write 1 to 12 or JAN to DEC",
        ),
        ("* * * 0 *", "the month field \"0\" holds 0"),
        (
            "* * * * 7",
            "the day-of-week field \"7\" holds 7, which is out of range: write 0 to 6 or SUN to SAT (Sunday is 0)",
        ),
        (
            "* 99999999999999999999 * * *",
            "the hour field \"99999999999999999999\" holds 99999999999999999999, which is",
        ),
        (
            "* * L * *",
            "the day-of-month field \"L\" holds \"L\": write 1 to 31; CronJob does not read L, W and #",
        ),
        ("* * 15W * *", "CronJob does not read L, W and #"),
        ("* * * * 5L", "CronJob does not read L, W and #"),
        ("* * * * MON#2", "the day-of-week field \"MON#2\" holds \"MON#2\""),
        ("MON * * * *", "the minute field \"MON\" holds \"MON\": write 0 to 59"),
        ("* JAN * * *", "the hour field \"JAN\""),
        ("* * MON * *", "the day-of-month field \"MON\""),
        ("* * * MON *", "the month field \"MON\""),
        ("* * * * JAN", "the day-of-week field \"JAN\""),
        ("* * * january *", "the month field \"january\""),
        ("H * * * *", "the minute field \"H\" holds \"H\": write 0 to 59"),
        ("30-10 * * * *", "the minute field \"30-10\" runs backwards"),
        ("* * * MAR-JAN *", "the month field \"MAR-JAN\" runs backwards"),
        ("* * * * SAT-SUN", "the day-of-week field \"SAT-SUN\" runs backwards"),
        (
            "*/0 * * * *",
            "the minute field \"*/0\" has the step \"0\": write a whole number from 1",
        ),
        ("*/-1 * * * *", "has the step \"-1\""),
        ("*/ * * * *", "has the step \"\""),
        ("*/1.5 * * * *", "has the step \"1.5\""),
        ("*/2/3 * * * *", "has more than one slash"),
        ("1-2-3 * * * *", "has more than one hyphen"),
        ("-5 * * * *", "the minute field \"-5\" lacks a number"),
        ("5- * * * *", "the minute field \"5-\" lacks a number"),
        ("1,x * * * *", "the minute field \"1,x\" holds \"x\""),
        ("*5 * * * *", "the minute field \"*5\" holds \"*5\""),
    ];
    for (expression, expected) in table {
        let message = Schedule::parse(expression, None).unwrap_err().to_string();
        assert!(
            message.contains(expected) && !message.contains('\n'),
            "{expression:?}: {message}"
        );
    }
}

#[test]
fn time_zones() {
    for zone in [
        "UTC",
        "Etc/UTC",
        "Europe/Berlin",
        "America/Argentina/ComodRivadavia",
        "EST5EDT",
        "Etc/GMT+5",
        "GB-Eire",
    ] {
        assert_eq!(parse("@daily", zone).time_zone().iana_name(), Some(zone));
    }
    let table = [
        ("", "the timeZone field is empty"),
        ("Local", "the timeZone field says Local"),
        ("local", "the timeZone field says Local"),
        (
            "Mars/Phobos",
            "the timeZone field names an unknown time zone \"Mars/Phobos\"",
        ),
        ("CEST", "unknown time zone"),
        ("+02:00", "unknown time zone"),
        ("../UTC", "unknown time zone"),
        ("Etc/Unknown", "unknown time zone"),
        (
            "europe/berlin",
            "the timeZone field names \"europe/berlin\": write it as \"Europe/Berlin\"",
        ),
        ("utc", "write it as \"UTC\""),
    ];
    for (zone, expected) in table {
        let message = Schedule::parse("@daily", Some(zone)).unwrap_err().to_string();
        assert!(message.contains(expected), "{zone:?}: {message}");
    }
}

/// 2026-01-01 is a Thursday.
#[test]
fn fields_and_days() {
    let table: &[(&str, &[&str])] = &[
        ("58/1 23 * * *", &["01-01T23:58", "01-01T23:59", "01-02T23:58"]),
        ("50/5 0 * * *", &["01-01T00:50", "01-01T00:55", "01-02T00:50"]),
        (
            "10-20/5 0 1 * *",
            &["01-01T00:10", "01-01T00:15", "01-01T00:20", "02-01T00:10"],
        ),
        ("@weekly", &["01-04T00:00", "01-11T00:00"]),
        ("@monthly", &["02-01T00:00", "03-01T00:00"]),
        // Two limited days: either will do.
        ("0 0 13 * FRI", &["01-02T00:00", "01-09T00:00", "01-13T00:00"]),
        ("0 0 1-31 * MON", &["01-02T00:00", "01-03T00:00"]),
        (
            "0 0 */10 * SUN",
            &["01-04T00:00", "01-11T00:00", "01-18T00:00", "01-21T00:00"],
        ),
        (
            "0 0 5 * */6",
            &["01-03T00:00", "01-04T00:00", "01-05T00:00", "01-10T00:00"],
        ),
        ("0 0 , * MON", &["01-05T00:00", "01-12T00:00"]),
        // A star without a step leaves the day to the other field.
        ("0 0 * * MON", &["01-05T00:00", "01-12T00:00"]),
        ("0 0 ? * MON", &["01-05T00:00", "01-12T00:00"]),
        ("0 0 */1 * MON", &["01-05T00:00", "01-12T00:00"]),
        ("0 0 13 * ?", &["01-13T00:00", "02-13T00:00"]),
        ("0 0 13,* * MON", &["01-05T00:00", "01-12T00:00"]),
        // A month limits both.
        ("0 0 31 2-4 MON", &["02-02T00:00", "02-09T00:00"]),
    ];
    for (expression, times) in table {
        let times: Vec<String> = times.iter().map(|time| format!("2026-{time}:00+00:00")).collect();
        check(
            expression,
            "UTC",
            "2026-01-01T00:00:00Z",
            &times.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    check(
        "@yearly",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2027-01-01T00:00:00+00:00", "2028-01-01T00:00:00+00:00"],
    );
}

#[test]
fn changes_of_the_clock() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        // Berlin skips 02:00 to 03:00 on 2026-03-29.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        ),
        (
            "0,30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"],
        ),
        (
            "*/15 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"],
        ),
        (
            "0 3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"],
        ),
        (
            "0 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"],
        ),
        (
            "30 1-3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &[
                "2026-03-29T01:30:00+01:00",
                "2026-03-29T03:00:00+02:00",
                "2026-03-29T03:30:00+02:00",
            ],
        ),
        (
            "30 2 29 3 *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2027-03-29T02:30:00+02:00"],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-29T01:00:00Z",
            &["2026-03-30T02:30:00+02:00"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            &[
                "2026-03-29T01:00:00+01:00",
                "2026-03-29T03:00:00+02:00",
                "2026-03-29T04:00:00+02:00",
            ],
        ),
        (
            "30 * * * *",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            &["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"],
        ),
        (
            "0 */2 * * *",
            "Europe/Berlin",
            "2026-03-28T22:30:00Z",
            &["2026-03-29T00:00:00+01:00", "2026-03-29T04:00:00+02:00"],
        ),
        // Berlin shows 02:00 to 03:00 twice on 2026-10-25.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T01:10:00Z",
            &["2026-10-26T02:30:00+01:00"],
        ),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &[
                "2026-10-25T02:00:00+02:00",
                "2026-10-25T02:30:00+02:00",
                "2026-10-26T02:00:00+01:00",
            ],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            &[
                "2026-10-25T02:00:00+02:00",
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T03:00:00+01:00",
            ],
        ),
        (
            "0 0-23 * * *",
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            &[
                "2026-10-25T02:00:00+02:00",
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T03:00:00+01:00",
            ],
        ),
        (
            "*/20 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:20:00Z",
            &[
                "2026-10-25T02:40:00+02:00",
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T02:20:00+01:00",
            ],
        ),
        // New York skips 02:00 to 03:00 on 2026-03-08 and repeats 01:00 to 02:00 on 2026-11-01.
        (
            "15 2 * * SUN",
            "America/New_York",
            "2026-03-07T00:00:00Z",
            &["2026-03-08T03:00:00-04:00", "2026-03-15T02:15:00-04:00"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00Z",
            &["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"],
        ),
        // Lord Howe changes by half an hour.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00:00Z",
            &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
        ),
        (
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:30:00Z",
            &[
                "2026-04-05T01:45:00+11:00",
                "2026-04-05T01:30:00+10:30",
                "2026-04-05T01:45:00+10:30",
                "2026-04-05T02:00:00+10:30",
            ],
        ),
        // Morocco's clock goes back for Ramadan.
        (
            "30 2 * * *",
            "Africa/Casablanca",
            "2026-02-14T12:00:00Z",
            &["2026-02-15T02:30:00+01:00", "2026-02-16T02:30:00+00:00"],
        ),
        (
            "30 2 * * *",
            "Africa/Casablanca",
            "2026-03-21T12:00:00Z",
            &["2026-03-22T03:00:00+01:00", "2026-03-23T02:30:00+01:00"],
        ),
        // Chile's change skips midnight, and repeats the hour before it.
        (
            "@daily",
            "America/Santiago",
            "2026-09-05T12:00:00Z",
            &["2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"],
        ),
        (
            "@weekly",
            "America/Santiago",
            "2026-09-05T12:00:00Z",
            &["2026-09-06T01:00:00-03:00", "2026-09-13T00:00:00-03:00"],
        ),
        (
            "@daily",
            "America/Santiago",
            "2026-04-04T12:00:00Z",
            &["2026-04-05T00:00:00-04:00", "2026-04-06T00:00:00-04:00"],
        ),
        (
            "30 23 * * *",
            "America/Santiago",
            "2026-04-04T12:00:00Z",
            &["2026-04-04T23:30:00-03:00", "2026-04-05T23:30:00-04:00"],
        ),
        // Samoa had no 2011-12-30.
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00-10:00",
            &["2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"],
        ),
        (
            "0 12 30 12 *",
            "Pacific/Apia",
            "2011-12-29T12:00:00-10:00",
            &["2011-12-31T00:00:00+14:00", "2012-12-30T12:00:00+14:00"],
        ),
        (
            "0 0 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00-10:00",
            &["2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"],
        ),
        (
            "0 * * * *",
            "Pacific/Apia",
            "2011-12-29T22:30:00-10:00",
            &["2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00"],
        ),
        // Nepal moved by a quarter of an hour as 1986 began.
        (
            "0 0 * * *",
            "Asia/Kathmandu",
            "1985-12-31T12:00:00Z",
            &["1986-01-01T00:15:00+05:45", "1986-01-02T00:00:00+05:45"],
        ),
        (
            "0 6 * * *",
            "Asia/Kathmandu",
            "2026-01-01T00:15:00Z",
            &["2026-01-02T06:00:00+05:45"],
        ),
        // Troll station skips two hours.
        (
            "30 1,2 * * *",
            "Antarctica/Troll",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T03:00:00+02:00", "2026-03-30T01:30:00+02:00"],
        ),
    ];
    for (expression, zone, from, expected) in table {
        check(expression, zone, from, expected);
    }
}

#[test]
fn every_counts_from_its_anchor() {
    let anchor = "2026-03-01T10:00:07.900Z";
    let table = [
        ("@every 90s", "2026-03-01T10:00:08Z", Some("2026-03-01T10:01:37Z")),
        ("@every 90s", "2026-03-01T10:01:37Z", Some("2026-03-01T10:03:07Z")),
        ("@every 90s", "2026-03-01T10:01:36.999Z", Some("2026-03-01T10:01:37Z")),
        ("@every 90s", "2020-01-01T00:00:00Z", Some("2026-03-01T10:01:37Z")),
        ("@every 24h", "2026-03-29T12:00:00Z", Some("2026-03-30T10:00:07Z")),
        ("@every 2.9s", "2026-03-01T10:00:07Z", Some("2026-03-01T10:00:09Z")),
        ("@every 10ms", "2026-03-01T10:00:07Z", Some("2026-03-01T10:00:08Z")),
        (
            "@every 0.0002778h",
            "2026-03-01T10:00:07Z",
            Some("2026-03-01T10:00:08Z"),
        ),
        ("@every 80000h", "2026-03-01T10:00:07Z", None),
        ("@every 80000h", "2030-03-01T10:00:07Z", Some("2035-04-15T18:00:07Z")),
    ];
    for (expression, after, expected) in table {
        let schedule = parse(expression, "Europe/Berlin");
        let next = schedule.next_after(at(after), at(anchor));
        assert_eq!(next, expected.map(at), "{expression} after {after}");
        assert!(!schedule.never_fires());
        let Some(next) = next else { continue };
        let early = next - SignedDuration::from_secs(1);
        assert_eq!(schedule.latest_at_or_before(next, early, at(anchor)), Some(next));
        assert_eq!(schedule.count_between(early, next, at(anchor), 9), 1);
        assert!(schedule.latest_at_or_before(early, at(after), at(anchor)).is_none());
    }
}

#[test]
fn what_never_comes_is_said_to_never_come() {
    let never = [
        "0 0 30 2 *",
        "0 0 30,31 2 *",
        "0 0 31 2,4,6,9,11 *",
        ", 0 * * *",
        "0 , * * *",
        "0 0 , * *",
        "0 0 * , *",
        "0 0 * * ,",
        "0 0 1 , 1",
    ];
    for expression in never {
        let schedule = parse(expression, "Europe/Berlin");
        let (from, until) = (at("2026-01-01T00:00:00Z"), at("2046-01-01T00:00:00Z"));
        assert!(schedule.never_fires(), "{expression}");
        assert_eq!(schedule.next_after(from, from), None, "{expression}");
        assert_eq!(schedule.latest_at_or_before(until, from, from), None, "{expression}");
        assert_eq!(schedule.count_between(from, until, from, 9), 0, "{expression}");
    }
    for expression in [
        "0 0 29 2 *",
        "0 0 30 2 MON",
        "0 0 30 2 */2",
        "0 0 31 2,3 *",
        "0 0 , * 1",
        "0 0 1 * ,",
    ] {
        assert!(!parse(expression, "UTC").never_fires(), "{expression}");
    }
}

#[test]
fn leap_days_are_found_across_the_year_2100() {
    let days = [
        "2096-02-29T00:00:00+00:00",
        "2104-02-29T00:00:00+00:00",
        "2108-02-29T00:00:00+00:00",
    ];
    check("0 0 29 2 *", "UTC", "2092-02-29T00:00:00Z", &days);
}

#[test]
fn the_ends_of_time_are_survived() {
    let times = [
        Timestamp::MIN,
        at("-009999-01-03T00:00:00Z"),
        at("-000001-12-31T23:59:59Z"),
        at("0001-01-01T00:00:00Z"),
        at("1969-12-31T23:59:59.5Z"),
        at("4999-12-31T00:00:00Z"),
        at("5000-12-31T23:59:59Z"),
        at("9999-12-30T00:00:00Z"),
        Timestamp::MAX,
    ];
    for expression in [
        "* * * * *",
        "30 2 * * *",
        "0 0 29 2 *",
        "0 0 30 2 *",
        "@every 1s",
        "@every 2562047h",
    ] {
        for zone in ["UTC", "Europe/Berlin", "Pacific/Apia"] {
            let schedule = parse(expression, zone);
            for (&from, &to) in times.iter().flat_map(|from| times.iter().map(move |to| (from, to))) {
                let context = format!("{expression} in {zone} from {from} to {to}");
                assert!(
                    schedule.next_after(from, to).is_none_or(|time| time > from),
                    "{context}"
                );
                let latest = schedule.latest_at_or_before(to, from, Timestamp::MIN);
                assert!(latest.is_none_or(|time| from < time && time <= to), "{context}");
                assert!(
                    schedule.count_between(from, to, Timestamp::MIN, 1_000) <= 1_000,
                    "{context}"
                );
            }
        }
    }
}

#[test]
fn a_part_of_a_second_is_never_early() {
    let schedule = parse("* * * * *", "UTC");
    for (after, expected) in [
        ("2026-01-01T00:00:59.999999999Z", "2026-01-01T00:01:00Z"),
        ("2026-01-01T00:01:00.000000001Z", "2026-01-01T00:02:00Z"),
        ("1969-12-31T23:58:59.999Z", "1969-12-31T23:59:00Z"),
        ("1969-12-31T23:59:00.001Z", "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(schedule.next_after(at(after), at(after)), Some(at(expected)));
        let newest = schedule.latest_at_or_before(at(after), Timestamp::MIN, at(after));
        assert_eq!(newest, Some(at(expected) - SignedDuration::from_mins(1)));
    }
}

/// The bound is that of a whole command. The best of some runs counts, as other work slows this one down.
#[test]
fn nothing_takes_long() {
    let (from, until) = (at("2096-02-29T00:00:00Z"), at("2104-02-28T00:00:00Z"));
    let expressions = [
        "* * * * *",
        "0 0 29 2 *",
        "0 0 30 2 *",
        "59 23 31 12 *",
        "0 0 29 2 MON",
        "30 2 29 2 *",
        "@every 1s",
    ];
    for (expression, zone) in expressions
        .iter()
        .flat_map(|text| ["UTC", "Africa/Casablanca"].map(|zone| (text, zone)))
    {
        let run = || {
            let start = Instant::now();
            let schedule = parse(expression, zone);
            let _ = schedule.times(from, from).take(10).count();
            let _ = schedule.latest_at_or_before(until, from, from);
            let _ = schedule.count_between(from, until, from, u32::MAX);
            start.elapsed()
        };
        let best = (0..5).map(|_| run()).min().unwrap();
        assert!(best < Duration::from_millis(50), "{expression} in {zone}: {best:?}");
    }
}
