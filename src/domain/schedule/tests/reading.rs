//! What is read, and what is refused with which words.
//!
//! Both tables were run through robfig/cron v3.0.1's `ParseStandard`, with which CronJob validates, with the same outcome.

use super::parse;
use crate::domain::schedule::Schedule;

const ACCEPTED: &[&[&str]] = &[
    &[
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
    ],
    // White space of any kind.
    &["0 6 * * MON", " 0  6\t*\n* 1 ", "0\u{a0}0\u{2028}* * *"],
    // Names in any case, mixed with numbers.
    &[
        "0 0 * JAN-MAR/2 MON-FRI",
        "0 0 * fEb-Apr mOn",
        "0 0 * 1,feb,3-APR *",
        "0 0 * * SUN-SAT",
    ],
    // Stars, question marks, steps.
    &[
        "? ? ? ? ?",
        "*/15 ?/2 */2 1/3 */2",
        "0/60 * * * *",
        "*/99 * * * *",
        "1-10/3,20-30/4 * * * *",
        "*/+5 */05 * * *",
    ],
    // What robfig lets pass.
    &[
        "+5 00 01 01 00",
        "5-5 1,2,2,1 * * *",
        "1,,2, * * * *",
        ", * * * *",
        "*-7 *-x-y/2 * * *",
    ],
    // Dates that never come.
    &["0 0 30 2 *", "59 23 31 4,6,9,11 *"],
    // Durations.
    &[
        "@every 1h30m10s",
        "@every 1.5h",
        "@every .5m",
        "@every 1.s",
        "@every +5m",
        "@every 3000000µs",
        "@every 3000000μs",
    ],
    &[
        "@every 1500ms",
        "@every 1h1h",
        "@every 2562047h47m16.854775807s",
        "@every 100ms",
        "@every 0",
        "@every -5m",
    ],
];

#[test]
fn what_cron_job_accepts() {
    for expression in ACCEPTED.iter().copied().flatten() {
        assert_eq!(parse(expression, "UTC").to_string(), *expression);
    }
}

#[test]
fn what_cron_job_refuses() {
    let table = [
        ("", "the schedule is empty"),
        (" \t", "the schedule is empty"),
        ("* * * *", "has 4 fields instead of five"),
        ("0", "has 1 field instead of five"),
        ("0 0 0 1 1 *", "has 6 fields instead of five"),
        ("0 0 1 1 0 2026", "has 6 fields instead of five"),
        ("TZ=UTC 0 0 * * *", "name the time zone apart from it"),
        ("CRON_TZ=Europe/Berlin 0 0 * * *", "name the time zone apart from it"),
        ("*-TZ 0 * * *", "name the time zone apart from it"),
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
        ("", "the time zone is empty"),
        ("Local", "the time zone is Local"),
        ("local", "the time zone is Local"),
        ("Mars/Phobos", "\"Mars/Phobos\" is no time zone that is known"),
        ("CEST", "is no time zone that is known"),
        ("+02:00", "is no time zone that is known"),
        ("../UTC", "is no time zone that is known"),
        ("Etc/Unknown", "is no time zone that is known"),
        (
            "europe/berlin",
            "the time zone \"europe/berlin\" is written \"Europe/Berlin\"",
        ),
        ("utc", "is written \"UTC\""),
    ];
    for (zone, expected) in table {
        let message = Schedule::parse("@daily", Some(zone)).unwrap_err().to_string();
        assert!(message.contains(expected), "{zone:?}: {message}");
    }
}
