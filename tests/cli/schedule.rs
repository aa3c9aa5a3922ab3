//! `agent-automation schedule`: arguments in; lines, JSON and exit codes out.

use std::process::{Command, Stdio};
use std::time::Duration;

use agent_automation::domain::schedule::Schedule;
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Exit code, standard output, standard error.
fn schedule(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_agent-automation"))
        .arg("schedule")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn prints_times() {
    let table: &[(&[&str], &str)] = &[
        (
            &[
                "30 2 * * *",
                "--time-zone",
                "Europe/Berlin",
                "--from",
                "2026-03-28T12:00:00Z",
                "--count",
                "2",
                "--output",
                "json",
            ],
            "{\"times\":[\"2026-03-29T03:00:00+02:00\",\"2026-03-30T02:30:00+02:00\"]}\n",
        ),
        // Any offset will do; the times come in the offset of the zone.
        (
            &["0 6 * * *", "--from", "2026-01-01T08:00:00+02:00", "--count", "1"],
            "2026-01-02T06:00:00+00:00\n",
        ),
        // The end counts, the start does not.
        (
            &[
                "*/30 * * * *",
                "--from",
                "2026-01-01T00:00:00Z",
                "--until",
                "2026-01-01T01:00:00Z",
            ],
            "2026-01-01T00:30:00+00:00\n2026-01-01T01:00:00+00:00\n",
        ),
        (
            &[
                "*/5 * * * *",
                "--from",
                "2026-01-01T00:00:00Z",
                "--until",
                "2026-01-01T00:04:59Z",
            ],
            "",
        ),
        (
            &["@every 90m", "--from", "2026-01-01T00:00:07Z", "--count", "2"],
            "2026-01-01T01:30:07+00:00\n2026-01-01T03:00:07+00:00\n",
        ),
    ];
    for (arguments, expected) in table {
        assert_eq!(
            schedule(arguments),
            (0, (*expected).to_owned(), String::new()),
            "{arguments:?}"
        );
    }
    let never = "note: no date matches 0 0 30 2 *, so it never fires: write a day that the month has\n".to_owned();
    let json = schedule(&["0 0 30 2 *", "--output", "json"]);
    assert_eq!(json, (0, "{\"times\":[]}\n".to_owned(), never.clone()));
    assert_eq!(schedule(&["0 0 30 2 *"]), (0, String::new(), never));
}

#[test]
fn ends_with_the_count_or_the_end() {
    let lines = |arguments: &[&str]| {
        schedule(&[&["* * * * *", "--from", "2026-01-01T00:00:00Z"], arguments].concat())
            .1
            .lines()
            .count()
    };
    assert_eq!(lines(&[]), 10);
    assert_eq!(lines(&["--count", "25"]), 25);
    assert_eq!(lines(&["--until", "2026-01-01T02:00:00Z"]), 120);
    assert_eq!(lines(&["--until", "2026-01-01T02:00:00Z", "--count", "3"]), 3);
}

#[test]
fn counts_from_now_when_told_no_start() {
    let before = Timestamp::now();
    let (code, output, _) = schedule(&["@every 1h", "--count", "1"]);
    let elapsed = output.trim().parse::<Timestamp>().unwrap().duration_since(before);
    assert_eq!(code, 0);
    assert!((3_599..3_660).contains(&elapsed.as_secs()), "{elapsed}");
}

#[test]
fn refuses_with_one_line_that_points_at_the_field() {
    let table: &[(&[&str], &str)] = &[
        (
            &["0 6 * * MON *"],
            "error: EXPRESSION: the schedule has 6 fields instead of five",
        ),
        (
            &["0 25 * * *"],
            "error: EXPRESSION: the hour field \"25\" holds 25, which is out of range: write 0 to 23",
        ),
        (
            &["-5 * * * *"],
            "error: EXPRESSION: the minute field \"-5\" lacks a number",
        ),
        (&[""], "error: EXPRESSION: the schedule is empty"),
        (
            &["@daily", "--time-zone", "Mars/Phobos"],
            "error: --time-zone: \"Mars/Phobos\" is no time zone that is known",
        ),
        (
            &["TZ=UTC 0 0 * * *", "--output", "json"],
            "error: EXPRESSION: the schedule holds TZ: leave TZ= and CRON_TZ= out",
        ),
    ];
    for (arguments, expected) in table {
        let (code, output, message) = schedule(arguments);
        assert_eq!(
            (code, output.as_str(), message.lines().count()),
            (2, "", 1),
            "{arguments:?}"
        );
        assert!(message.starts_with(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn refuses_bad_options() {
    let table: &[(&[&str], &str)] = &[
        (
            &["@daily", "--count", "0"],
            "invalid value '0' for '--count <N>': write a whole number from 1",
        ),
        (&["@daily", "--count", "-1"], "invalid value '-1' for '--count <N>'"),
        (
            &["@daily", "--from", "yesterday"],
            "invalid value 'yesterday' for '--from <RFC3339>': write a time with its offset",
        ),
        (
            &["@daily", "--from", "2026-03-29T00:00:00"],
            "write a time with its offset",
        ),
        (&["@daily", "--until", "2026-02-30T00:00:00Z"], "'--until <RFC3339>'"),
        (&["@daily", "--output", "yaml"], "possible values: text, json"),
        (&["@daily", "--form", "now"], "unexpected argument '--form'"),
        (&[], "<EXPRESSION>"),
    ];
    for (arguments, expected) in table {
        let (code, output, message) = schedule(arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_agent-automation"))
        .args([
            "schedule",
            "* * * * *",
            "--from",
            "2026-01-01T00:00:00Z",
            "--until",
            "2027-01-01T00:00:00Z",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

const LIMIT: Duration = Duration::from_millis(50);
const SLOWEST: [&str; 9] = [
    "* * * * *",
    "0 0 29 2 *",
    "0 0 30 2 *",
    ", , , , ,",
    "59 23 31 12 *",
    "0 0 29 2 MON",
    "30 2 29 2 *",
    "@every 1s",
    "@every 2562047h",
];

/// Of this thread alone: other work on the machine slows it down.
fn processor_time() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.try_into().unwrap()
}

/// Anybody who may create an automation may write any of them, and the controller has one thread to decide with.
#[test]
fn no_expression_keeps_a_processor_for_more_than_50_ms() {
    let [from, until] = ["2096-02-29T00:00:00Z", "2104-02-28T00:00:00Z"].map(|text| text.parse::<Timestamp>().unwrap());
    for expression in SLOWEST {
        for zone in ["UTC", "Africa/Casablanca"] {
            let began = processor_time();
            let schedule = Schedule::parse(expression, Some(zone)).unwrap();
            let _ = schedule.next_after(from, from);
            let _ = schedule.latest_at_or_before(until, from, from);
            let _ = schedule.count_between(from, until, from, u32::MAX);
            let time = processor_time().saturating_sub(began);
            assert!(time < LIMIT, "{expression} in {zone}: {time:?}");
        }
    }
}
