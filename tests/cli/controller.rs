//! `agent-automation controller`: options that can't be.

use super::run;

#[test]
fn intervals_that_would_ask_without_end_are_refused() {
    for option in [
        "--freshness",
        "--poll-min",
        "--search-interval",
        "--recheck-interval",
        "--pull-poll-min",
    ] {
        for (value, told) in [
            ("0s", "write a duration of 100ms or more"),
            ("-1s", "write a duration that is not negative"),
            ("soon", "\"soon\" is no duration: write 15s or 2m"),
        ] {
            let (code, _, stderr) = run(&["controller", &format!("{option}={value}")], "");
            assert_eq!(code, 2, "{option}={value}");
            assert!(stderr.contains(told), "{option}={value}: {stderr}");
        }
    }
}
