//! A stretch of time in which a zone's clock runs on without a change.
//!
//! Within one, instants and wall times correspond one to one and in order; all the trouble with time zones is in what
//! happens between two of them. A clock put forward skips readings, one put back shows some again.

use std::ops::Range;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

pub(super) struct Stretch {
    /// The first instant.
    pub(super) start: Timestamp,
    /// The first instant after it.
    pub(super) end: Timestamp,
    offset: Offset,
    /// What the clock would have shown at `start`, had it not been changed.
    unchanged: DateTime,
}

impl Stretch {
    /// The stretch of `zone` that `at` lies in.
    pub(super) fn containing(zone: &TimeZone, at: Timestamp) -> Self {
        let after = at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(at);
        let start = zone
            .preceding(after)
            .next()
            .map_or(Timestamp::MIN, |change| change.timestamp());
        let end = zone
            .following(at)
            .next()
            .map_or(Timestamp::MAX, |change| change.timestamp());
        let offset = zone.to_offset(at);
        let before = start
            .checked_sub(SignedDuration::from_nanos(1))
            .map_or(offset, |before| zone.to_offset(before));
        Self {
            start,
            end,
            offset,
            unchanged: before.to_datetime(start),
        }
    }

    /// What the clock shows at an instant of the stretch, or at its end.
    pub(super) fn reading(&self, at: Timestamp) -> DateTime {
        self.offset.to_datetime(at)
    }

    /// The instant at which the clock shows `reading`, if the stretch has one.
    pub(super) fn instant(&self, reading: DateTime) -> Option<Timestamp> {
        let instant = self.offset.to_timestamp(reading).ok()?;
        (self.start <= instant && instant < self.end).then_some(instant)
    }

    /// The readings that the change at the start skips; empty when it skips none.
    pub(super) fn skipped(&self) -> Range<DateTime> {
        self.unchanged..self.reading(self.start)
    }

    /// The first reading of the stretch.
    pub(super) fn first_reading(&self) -> DateTime {
        self.reading(self.start)
    }

    /// The first reading that the stretch before did not show.
    pub(super) fn first_new_reading(&self) -> DateTime {
        self.first_reading().max(self.unchanged)
    }
}
