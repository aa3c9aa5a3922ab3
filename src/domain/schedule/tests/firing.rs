//! When it fires: the calendar, changes of the clock, `@every`, and the ends of time.

use jiff::{SignedDuration, Timestamp};

use super::{at, check, parse};

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

/// `2026-03-29T03:00+02:00` → `2026-03-29T03:00:00+02:00`
fn with_seconds(time: &str) -> String {
    let (minute, offset) = time.split_at("2026-03-29T03:00".len());
    format!("{minute}:00{offset}")
}

/// Zone, expression, start, and the times that follow.
const CHANGES: &str = "
    Berlin skips 02:00 to 03:00 on 2026-03-29.
    Europe/Berlin | 30 2 * * * | 2026-03-28T12:00:00Z | 2026-03-29T03:00+02:00 2026-03-30T02:30+02:00
    Europe/Berlin | 0,30 2 * * * | 2026-03-28T12:00:00Z | 2026-03-29T03:00+02:00 2026-03-30T02:00+02:00
    Europe/Berlin | */15 2 * * * | 2026-03-28T12:00:00Z | 2026-03-29T03:00+02:00 2026-03-30T02:00+02:00
    Europe/Berlin | 0 3 * * * | 2026-03-28T12:00:00Z | 2026-03-29T03:00+02:00 2026-03-30T03:00+02:00
    Europe/Berlin | 0 2,3 * * * | 2026-03-28T12:00:00Z | 2026-03-29T03:00+02:00 2026-03-30T02:00+02:00
    Europe/Berlin | 30 1-3 * * * | 2026-03-28T12:00:00Z | 2026-03-29T01:30+01:00 2026-03-29T03:00+02:00 2026-03-29T03:30+02:00
    Europe/Berlin | 30 2 29 3 * | 2026-03-28T12:00:00Z | 2026-03-29T03:00+02:00 2027-03-29T02:30+02:00
    Europe/Berlin | 30 2 * * * | 2026-03-29T01:00:00Z | 2026-03-30T02:30+02:00
    Europe/Berlin | 0 * * * * | 2026-03-28T23:30:00Z | 2026-03-29T01:00+01:00 2026-03-29T03:00+02:00 2026-03-29T04:00+02:00
    Europe/Berlin | 30 * * * * | 2026-03-28T23:30:00Z | 2026-03-29T01:30+01:00 2026-03-29T03:30+02:00
    Europe/Berlin | 0 */2 * * * | 2026-03-28T22:30:00Z | 2026-03-29T00:00+01:00 2026-03-29T04:00+02:00

    Berlin shows 02:00 to 03:00 twice on 2026-10-25.
    Europe/Berlin | 30 2 * * * | 2026-10-24T12:00:00Z | 2026-10-25T02:30+02:00 2026-10-26T02:30+01:00
    Europe/Berlin | 30 2 * * * | 2026-10-25T01:10:00Z | 2026-10-26T02:30+01:00
    Europe/Berlin | */30 2 * * * | 2026-10-24T12:00:00Z | 2026-10-25T02:00+02:00 2026-10-25T02:30+02:00 2026-10-26T02:00+01:00
    Europe/Berlin | 0 * * * * | 2026-10-24T23:30:00Z | 2026-10-25T02:00+02:00 2026-10-25T02:00+01:00 2026-10-25T03:00+01:00
    Europe/Berlin | 0 0-23 * * * | 2026-10-24T23:30:00Z | 2026-10-25T02:00+02:00 2026-10-25T02:00+01:00 2026-10-25T03:00+01:00
    Europe/Berlin | */20 * * * * | 2026-10-25T00:20:00Z | 2026-10-25T02:40+02:00 2026-10-25T02:00+01:00 2026-10-25T02:20+01:00

    New York skips 02:00 to 03:00 on 2026-03-08 and repeats 01:00 to 02:00 on 2026-11-01.
    America/New_York | 15 2 * * SUN | 2026-03-07T00:00:00Z | 2026-03-08T03:00-04:00 2026-03-15T02:15-04:00
    America/New_York | 30 1 * * * | 2026-10-31T12:00:00Z | 2026-11-01T01:30-04:00 2026-11-02T01:30-05:00

    Lord Howe changes by half an hour.
    Australia/Lord_Howe | 15 2 * * * | 2026-10-03T00:00:00Z | 2026-10-04T02:30+11:00 2026-10-05T02:15+11:00
    Australia/Lord_Howe | 45 1 * * * | 2026-04-04T00:00:00Z | 2026-04-05T01:45+11:00 2026-04-06T01:45+10:30
    Australia/Lord_Howe | */15 * * * * | 2026-04-04T14:30:00Z | 2026-04-05T01:45+11:00 2026-04-05T01:30+10:30 2026-04-05T01:45+10:30 2026-04-05T02:00+10:30

    Morocco's clock goes back for Ramadan.
    Africa/Casablanca | 30 2 * * * | 2026-02-14T12:00:00Z | 2026-02-15T02:30+01:00 2026-02-16T02:30+00:00
    Africa/Casablanca | 30 2 * * * | 2026-03-21T12:00:00Z | 2026-03-22T03:00+01:00 2026-03-23T02:30+01:00

    Chile's change skips midnight, and repeats the hour before it.
    America/Santiago | @daily | 2026-09-05T12:00:00Z | 2026-09-06T01:00-03:00 2026-09-07T00:00-03:00
    America/Santiago | @weekly | 2026-09-05T12:00:00Z | 2026-09-06T01:00-03:00 2026-09-13T00:00-03:00
    America/Santiago | @daily | 2026-04-04T12:00:00Z | 2026-04-05T00:00-04:00 2026-04-06T00:00-04:00
    America/Santiago | 30 23 * * * | 2026-04-04T12:00:00Z | 2026-04-04T23:30-03:00 2026-04-05T23:30-04:00

    Samoa had no 2011-12-30.
    Pacific/Apia | 0 12 * * * | 2011-12-29T12:00:00-10:00 | 2011-12-31T00:00+14:00 2011-12-31T12:00+14:00
    Pacific/Apia | 0 12 30 12 * | 2011-12-29T12:00:00-10:00 | 2011-12-31T00:00+14:00 2012-12-30T12:00+14:00
    Pacific/Apia | 0 0 * * * | 2011-12-29T12:00:00-10:00 | 2011-12-31T00:00+14:00 2012-01-01T00:00+14:00
    Pacific/Apia | 0 * * * * | 2011-12-29T22:30:00-10:00 | 2011-12-29T23:00-10:00 2011-12-31T00:00+14:00

    Nepal moved by a quarter of an hour as 1986 began.
    Asia/Kathmandu | 0 0 * * * | 1985-12-31T12:00:00Z | 1986-01-01T00:15+05:45 1986-01-02T00:00+05:45
    Asia/Kathmandu | 0 6 * * * | 2026-01-01T00:15:00Z | 2026-01-02T06:00+05:45

    Troll station skips two hours.
    Antarctica/Troll | 30 1,2 * * * | 2026-03-28T12:00:00Z | 2026-03-29T03:00+02:00 2026-03-30T01:30+02:00
";

#[test]
fn changes_of_the_clock() {
    for row in CHANGES.lines().filter(|line| line.contains('|')) {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let [zone, expression, from, expected] = columns[..] else {
            panic!("{row:?}")
        };
        let expected: Vec<String> = expected.split(' ').map(with_seconds).collect();
        check(
            expression,
            zone,
            from,
            &expected.iter().map(String::as_str).collect::<Vec<_>>(),
        );
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
        ("@every 80000h", "2030-03-01T10:00:07Z", Some("2035-04-16T18:00:07Z")),
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
                assert!(schedule.count_between(from, to, Timestamp::MIN, 3) <= 3, "{context}");
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
