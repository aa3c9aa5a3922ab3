//! Spans on a clock that somebody may set.
//!
//! A time that was remembered before the clock went back lies in the future, by as much as it was set back. Nothing waits
//! for it then: what is remembered only spares work or paces it.

use jiff::{SignedDuration, Timestamp};

/// GitHub never asks for a longer wait: its limits are counted by the hour.
pub const LONGEST_ASKED: SignedDuration = SignedDuration::from_hours(2);

/// What did not get through is tried again after this long at most.
pub const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(60);
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// How long to wait after what did not get through this many times before.
#[must_use]
pub fn backoff(times: u32) -> SignedDuration {
    (FIRST_RETRY * 2_i32.pow(times.min(6))).min(LONGEST_RETRY)
}

/// Fractions of a second are of no use to people.
#[must_use]
pub fn to_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A time later, or the end of time.
#[must_use]
pub fn add(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// When something that was done last at `last` is due again; now, if that was never or is yet to come.
#[must_use]
pub fn again(last: Option<Timestamp>, interval: SignedDuration, now: Timestamp) -> Timestamp {
    last.filter(|last| *last <= now).map_or(now, |last| add(last, interval))
}

/// A time that is still to be waited for, if it is no further away than it can have been.
#[must_use]
pub fn pending(until: Option<Timestamp>, longest: SignedDuration, now: Timestamp) -> Option<Timestamp> {
    until.filter(|until| *until > now && *until <= add(now, longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_for_a_clock_that_was_set_back() {
        let at = |seconds: i64| Timestamp::from_second(1_790_000_000 + seconds).unwrap();
        let minute = SignedDuration::from_mins(1);
        for (last, due) in [
            (None, 0),
            (Some(-20), 40),
            (Some(-90), -30),
            (Some(0), 60),
            (Some(86_400), 0),
        ] {
            assert_eq!(again(last.map(at), minute, at(0)), at(due), "{last:?}");
        }
        for (until, waits) in [
            (None, false),
            (Some(-1), false),
            (Some(0), false),
            (Some(60), true),
            (Some(61), false),
        ] {
            assert_eq!(pending(until.map(at), minute, at(0)).is_some(), waits, "{until:?}");
        }
    }
}
