//! Rate limits: the primary one of each user, and the secondary ones, counted over sliding windows.

use std::collections::{BTreeMap, VecDeque};

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::reply::{Body, Reply, error_body};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The limits in force for every user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests an hour of each user.
    pub primary: u64,
    pub secondary: SecondaryLimits,
    pub throttle: Throttle,
}

/// Secondary limits of each user; `null` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecondaryLimits {
    /// Started tasks and comments a minute.
    pub content_per_minute: Option<usize>,
    /// Started tasks and comments an hour.
    pub content_per_hour: Option<usize>,
    /// Points a minute: a read costs 1, a write 5.
    pub points_per_minute: Option<usize>,
}

/// How a limit is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Throttle {
    /// 403 or 429.
    pub status: u16,
    /// Seconds in `retry-after` of a secondary limit; without, the header is left out.
    pub retry_after_s: Option<u64>,
}

/// The state of one user's primary limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrimaryLimit {
    pub limit: u64,
    pub remaining: u64,
    pub reset_at: Timestamp,
}

impl PrimaryLimit {
    pub(super) fn used(&self) -> u64 {
        self.limit.saturating_sub(self.remaining)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            primary: 5_000,
            secondary: SecondaryLimits::default(),
            throttle: Throttle::default(),
        }
    }
}

/// GitHub's own figures.
impl Default for SecondaryLimits {
    fn default() -> Self {
        Self {
            content_per_minute: Some(80),
            content_per_hour: Some(500),
            points_per_minute: Some(900),
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            status: 403,
            retry_after_s: Some(60),
        }
    }
}

impl Limits {
    /// No limit that anything could reach.
    #[must_use]
    pub fn none() -> Self {
        let secondary = SecondaryLimits {
            content_per_minute: None,
            content_per_hour: None,
            points_per_minute: None,
        };
        Self {
            primary: 1_000_000_000,
            secondary,
            throttle: Throttle::default(),
        }
    }
}

/// What one user has used.
#[derive(Default)]
struct Usage {
    primary: Option<PrimaryLimit>,
    /// When a task was started, within the last hour.
    content: VecDeque<Timestamp>,
    /// When points were spent, one entry a point, within the last minute.
    points: VecDeque<Timestamp>,
}

/// The limits and what each user has used of them.
#[derive(Default)]
pub(super) struct Meter {
    pub limits: Limits,
    users: BTreeMap<u64, Usage>,
}

/// What a call costs.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub points: usize,
    pub creates_content: bool,
}

impl Meter {
    /// The user's primary limit; the window begins with its first request and lasts an hour.
    pub fn primary(&mut self, user: u64, now: Timestamp) -> &mut PrimaryLimit {
        let limit = self.limits.primary;
        let primary = &mut self.users.entry(user).or_default().primary;
        if primary.is_some_and(|primary| primary.reset_at <= now) {
            *primary = None;
        }
        primary.get_or_insert_with(|| PrimaryLimit {
            limit,
            remaining: limit,
            reset_at: now.saturating_add(HOUR).unwrap_or(Timestamp::MAX),
        })
    }

    pub fn set_primary(&mut self, user: u64, primary: PrimaryLimit) {
        self.users.entry(user).or_default().primary = Some(primary);
    }

    /// Uses up the user's primary limit until then.
    pub fn exhaust(&mut self, user: u64, now: Timestamp, reset_at: Timestamp) {
        let primary = self.primary(user, now);
        *primary = PrimaryLimit {
            remaining: 0,
            reset_at,
            ..*primary
        };
    }

    /// Counts a call against the secondary limits, or tells that it is too much.
    pub fn spend(&mut self, user: u64, cost: Cost, now: Timestamp) -> bool {
        let limits = self.limits.secondary;
        let usage = self.users.entry(user).or_default();
        usage.forget(now);
        let minute_ago = now.saturating_sub(MINUTE).unwrap_or(Timestamp::MIN);
        let last_minute = usage.content.iter().filter(|at| **at > minute_ago).count();
        let within = |used: usize, more: usize, limit: Option<usize>| limit.is_none_or(|limit| used + more <= limit);
        let fits = within(usage.points.len(), cost.points, limits.points_per_minute)
            && (!cost.creates_content
                || within(last_minute, 1, limits.content_per_minute)
                    && within(usage.content.len(), 1, limits.content_per_hour));
        if fits {
            usage.points.extend(std::iter::repeat_n(now, cost.points));
            usage.content.extend(cost.creates_content.then_some(now));
        }
        fits
    }

    /// The answer to a call beyond the primary limit.
    pub fn primary_exceeded(&self, user: u64, documentation: &str) -> Reply {
        let message = format!(
            "API rate limit exceeded for user ID {user}. If you reach out to GitHub Support for help, please include the request ID."
        );
        limited(self.limits.throttle.status, &message, documentation)
    }

    /// The answer to a call beyond a secondary limit.
    pub fn secondary_exceeded(&self) -> Reply {
        secondary(self.limits.throttle.status, self.limits.throttle.retry_after_s)
    }
}

impl Usage {
    fn forget(&mut self, now: Timestamp) {
        forget(&mut self.content, now.saturating_sub(HOUR).unwrap_or(Timestamp::MIN));
        forget(&mut self.points, now.saturating_sub(MINUTE).unwrap_or(Timestamp::MIN));
    }
}

fn forget(times: &mut VecDeque<Timestamp>, until: Timestamp) {
    while times.front().is_some_and(|at| *at <= until) {
        times.pop_front();
    }
}

/// GitHub's answer to a call beyond a secondary limit.
pub(super) fn secondary(status: u16, retry_after_s: Option<u64>) -> Reply {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you \
                   reach out to GitHub Support for help, please include the request ID.";
    let documentation =
        "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits";
    let mut reply = limited(status, message, documentation);
    reply
        .headers
        .extend(retry_after_s.map(|seconds| ("retry-after", seconds.to_string())));
    reply
}

fn limited(status: u16, message: &str, documentation: &str) -> Reply {
    let status = if status == 429 {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::FORBIDDEN
    };
    Reply {
        status,
        body: Body::Json(error_body(message, documentation)),
        headers: Vec::new(),
    }
}
