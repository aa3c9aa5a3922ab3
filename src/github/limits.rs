//! GitHub's rate limits, as its headers state them.
//!
//! Primary: requests an hour, counted for the user over all of the user's tokens. Secondary: bursts. Both answer with
//! 403 or 429. To go on regardless risks a ban, so a limit without a stated end still has a least wait.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;

/// The least wait after a limit that states no end, by GitHub's documentation.
const UNSTATED: Duration = Duration::from_secs(60);
/// The longest wait that is believed: the windows are an hour, and a nonsensical header must not stop a credential for
/// good.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// When a limited credential may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// This long after the answer (`retry-after`).
    After(Duration),
    /// At this time by GitHub's clock (`x-ratelimit-reset`).
    At(Timestamp),
    /// GitHub named no time: at least a minute after the answer, and twice as long each time it happens in a row; the
    /// doubling is the caller's.
    Unstated,
}

/// What is left of a user's primary limit, from the headers of any answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RateSnapshot {
    /// Requests in a window of an hour.
    pub limit: u64,
    /// Requests left in it.
    pub remaining: u64,
    /// The window's end.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub reset: Timestamp,
}

impl RetryAfter {
    /// By `retry-after`; else by `x-ratelimit-reset` when nothing remains; else unstated.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        if let Some(seconds) = number(headers, "retry-after") {
            return Self::After(Duration::from_secs(seconds));
        }
        match RateSnapshot::from_headers(headers) {
            Some(rate) if rate.remaining == 0 => Self::At(rate.reset),
            _ => Self::Unstated,
        }
    }

    /// The earliest time of the next request, for an answer that came at `now`. At most a day away. A time that has
    /// passed already tells that the clocks differ, so it counts as unstated.
    #[must_use]
    pub fn not_before(self, now: Timestamp) -> Timestamp {
        let wait = match self {
            Self::After(wait) => wait,
            Self::At(time) if time > now => Duration::try_from(time.duration_since(now)).unwrap_or(UNSTATED),
            Self::At(_) | Self::Unstated => UNSTATED,
        };
        now.saturating_add(wait.min(LONGEST)).unwrap_or(Timestamp::MAX)
    }
}

impl RateSnapshot {
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let reset = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
        Some(Self {
            limit: number(headers, "x-ratelimit-limit")?,
            remaining: number(headers, "x-ratelimit-remaining")?,
            reset: Timestamp::from_second(reset).ok()?,
        })
    }
}

/// A header that holds one whole number.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn waits() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let reset = ("x-ratelimit-reset", "1795350600"); // 12:30:00
        let limit = ("x-ratelimit-limit", "5000");
        let table: [(&[_], &str); 9] = [
            (
                &[("retry-after", "30"), reset, limit, ("x-ratelimit-remaining", "0")],
                "2026-11-22T12:00:30Z",
            ),
            (&[("retry-after", "0")], "2026-11-22T12:00:00Z"),
            (&[reset, limit, ("x-ratelimit-remaining", "0")], "2026-11-22T12:30:00Z"),
            (&[reset, limit, ("x-ratelimit-remaining", "7")], "2026-11-22T12:01:00Z"),
            (&[], "2026-11-22T12:01:00Z"),
            (&[("retry-after", "soon")], "2026-11-22T12:01:00Z"),
            (&[("retry-after", "18446744073709551615")], "2026-11-23T12:00:00Z"),
            (
                &[
                    ("x-ratelimit-reset", "1795340000"),
                    limit,
                    ("x-ratelimit-remaining", "0"),
                ],
                "2026-11-22T12:01:00Z",
            ),
            (
                &[
                    ("x-ratelimit-reset", "99999999999999999"),
                    limit,
                    ("x-ratelimit-remaining", "0"),
                ],
                "2026-11-22T12:01:00Z",
            ),
        ];
        for (lines, expected) in table {
            let found = RetryAfter::from_headers(&headers(lines)).not_before(now);
            assert_eq!(found.to_string(), expected, "{lines:?}");
        }
        assert_eq!(RetryAfter::Unstated.not_before(Timestamp::MAX), Timestamp::MAX);
    }
}
