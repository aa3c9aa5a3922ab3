//! The due times of five fields in a time zone.
//!
//! croner searches the calendar of wall times, which knows no zone, and so is never asked about a change of the clock:
//! its own rules for those hold only for a single hour and minute, and end at a gap of two hours.

use std::ops::Range;

use croner::CronDateTime;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::HORIZON;
use super::error::ScheduleError;
use super::fields::Fields;
use super::stretch::Stretch;

/// The years that croner knows, 1 to 5000. Nothing is due outside them.
const CALENDAR: Range<DateTime> = DateTime::constant(1, 1, 1, 0, 0, 0, 0)..DateTime::constant(5001, 1, 1, 0, 0, 0, 0);

#[derive(Debug, Clone)]
pub(super) struct Cron {
    fields: Fields,
    calendar: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    pub(super) fn new(fields: Fields, zone: TimeZone) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let text = fields.to_croner();
        let calendar = parser.parse(&text).map_err(|_| ScheduleError::Computation(text))?;
        Ok(Self { fields, calendar, zone })
    }

    /// croner would look for such a time through three thousand years.
    pub(super) fn never_fires(&self) -> bool {
        self.fields.never_match()
    }

    pub(super) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let horizon = after.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let stretch = Stretch::containing(&self.zone, after);
        if let Some(time) = self.earliest_from(&stretch, stretch.reading(after), false) {
            return Some(time);
        }
        self.stretches(stretch.end, horizon)
            .find_map(|stretch| self.earliest_in(&stretch))
    }

    pub(super) fn latest_at_or_before(&self, at: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let oldest = at.checked_sub(HORIZON).unwrap_or(Timestamp::MIN).max(after);
        let mut until = at;
        while until > oldest && !self.never_fires() {
            let stretch = Stretch::containing(&self.zone, until);
            if let Some(time) = self.latest_in(&stretch, until) {
                return Some(time);
            }
            until = stretch
                .start
                .checked_sub(SignedDuration::from_secs(1))
                .unwrap_or(Timestamp::MIN);
        }
        None
    }

    /// Due times after `after` up to `until`; may stop counting beyond `enough`.
    pub(super) fn count_between(&self, after: Timestamp, until: Timestamp, enough: u64) -> u64 {
        let first = after.saturating_add(1.second()).unwrap_or(after);
        let mut count = 0;
        for stretch in self.stretches(first, until) {
            count += self.count_in(&stretch, first, until, enough);
            if count >= enough {
                break;
            }
        }
        count
    }

    /// The stretches from the one that holds `from` to the one that holds `until`; none when nothing ever matches.
    fn stretches(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Stretch> + '_ {
        let wanted = move |at: &Timestamp| *at <= until && *at < Timestamp::MAX && !self.never_fires();
        let first = Some(from)
            .filter(wanted)
            .map(|from| Stretch::containing(&self.zone, from));
        std::iter::successors(first, move |last| {
            Some(last.end)
                .filter(wanted)
                .map(|start| Stretch::containing(&self.zone, start))
        })
    }

    fn earliest_in(&self, stretch: &Stretch) -> Option<Timestamp> {
        if self.makes_up_at_start(stretch) {
            return Some(stretch.start);
        }
        self.earliest_from(stretch, stretch.first_reading(), true)
    }

    fn earliest_from(&self, stretch: &Stretch, reading: DateTime, inclusive: bool) -> Option<Timestamp> {
        let first = self.first_counted(stretch);
        let (reading, inclusive) = if reading < first {
            (first, true)
        } else {
            (reading, inclusive)
        };
        stretch.instant(self.match_from(reading, inclusive)?)
    }

    fn latest_in(&self, stretch: &Stretch, until: Timestamp) -> Option<Timestamp> {
        let found = self
            .calendar
            .find_previous_occurrence(&stretch.reading(until), true)
            .ok();
        found
            .filter(|&reading| reading >= self.first_counted(stretch))
            .and_then(|reading| stretch.instant(reading))
            .or_else(|| self.makes_up_at_start(stretch).then_some(stretch.start))
    }

    fn count_in(&self, stretch: &Stretch, first: Timestamp, until: Timestamp, enough: u64) -> u64 {
        let from = stretch
            .reading(stretch.start.max(first))
            .max(self.first_counted(stretch));
        let (to, last) = if until < stretch.end {
            (until, 1)
        } else {
            (stretch.end, 0)
        };
        let to = stretch.reading(to).saturating_add(last.seconds());
        let made_up = first <= stretch.start
            && self.makes_up_at_start(stretch)
            && self.match_from(stretch.first_reading(), true) != Some(stretch.first_reading());
        u64::from(made_up) + self.matches_between(from, to, enough)
    }

    /// The first reading of a stretch that counts: a fixed hour does not count again what the clock shows again.
    fn first_counted(&self, stretch: &Stretch) -> DateTime {
        if self.fields.every_hour_shown() {
            stretch.first_reading()
        } else {
            stretch.first_new_reading()
        }
    }

    /// Whether the start of a stretch is due for the readings that it skips.
    fn makes_up_at_start(&self, stretch: &Stretch) -> bool {
        let skipped = stretch.skipped();
        !self.fields.every_hour_shown()
            && !skipped.is_empty()
            && self
                .match_from(skipped.start, true)
                .is_some_and(|reading| reading < skipped.end)
    }

    /// The first matching reading after `reading`, or at it when `inclusive`.
    fn match_from(&self, reading: DateTime, inclusive: bool) -> Option<DateTime> {
        if self.never_fires() {
            return None;
        }
        self.calendar.find_next_occurrence(&reading, inclusive).ok()
    }

    /// How many readings from `from` to before `to` match.
    fn matches_between(&self, from: DateTime, to: DateTime, enough: u64) -> u64 {
        let (from, to) = (from.max(CALENDAR.start), to.min(CALENDAR.end));
        if from >= to {
            return 0;
        }
        let whole_day = self.matches_before(Time::MAX);
        let within = |at: DateTime| {
            if self.day_matches(at.date()) {
                self.matches_before(at.time())
            } else {
                0
            }
        };
        let (before, mut count) = (within(from), within(to));
        let mut date = from.date();
        while date < to.date() && count < enough + before {
            count += if self.day_matches(date) { whole_day } else { 0 };
            date = date.tomorrow().unwrap_or(Date::MAX);
        }
        count - before
    }

    /// How many readings of a matching day come before `time`.
    fn matches_before(&self, time: Time) -> u64 {
        let count = |set: u64, below: i8| u64::from((set & ((1_u64 << below) - 1)).count_ones());
        let (minutes, hours) = (self.fields.minutes.set, self.fields.hours.set);
        let minute = time.minute() + i8::from(time.second() > 0);
        let this_hour = hours >> time.hour() & 1;
        count(hours, time.hour()) * count(minutes, 60) + this_hour * count(minutes, minute)
    }

    fn day_matches(&self, date: Date) -> bool {
        let weekday = CronDateTime::civil_weekday(&date.to_datetime(Time::MIN));
        let [month, day] = [date.month(), date.day()].map(|part| u32::from(part.unsigned_abs()));
        let pattern = &self.calendar.pattern;
        pattern.month_match(month).unwrap_or(false)
            && pattern
                .day_match(i32::from(date.year()), month, day, weekday)
                .unwrap_or(false)
    }
}
