//! Freeze windows: when one is open, and until when.

use jiff::{SignedDuration, Timestamp};

use crate::api::policy::{FreezeWindow, WhenFrozen};
use crate::domain::schedule::Schedule;

use super::time::add;

/// A freeze window that makes sense.
#[derive(Debug)]
pub struct Window {
    name: String,
    when: When,
    due: WhenFrozen,
}

#[derive(Debug)]
enum When {
    Repeated {
        schedule: Box<Schedule>,
        length: SignedDuration,
    },
    Once {
        from: Timestamp,
        to: Timestamp,
    },
}

/// A freeze window that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open<'a> {
    pub name: &'a str,
    pub began: Timestamp,
    pub ends: Timestamp,
    pub due: WhenFrozen,
}

impl Window {
    /// Parses a window whose wall times are those of a zone.
    ///
    /// # Errors
    /// With what can't be read, below the window.
    pub fn parse(window: &FreezeWindow, zone: &str) -> Result<Self, String> {
        let when = match (&window.cron, window.duration, window.from, window.to) {
            (Some(cron), Some(length), _, _) => When::Repeated {
                schedule: Box::new(Schedule::parse(cron, Some(zone)).map_err(|error| format!("cron: {error}"))?),
                length: length.duration(),
            },
            (None, _, Some(from), Some(to)) => When::Once { from, to },
            _ => return Err("write either cron and duration, or from and to".to_owned()),
        };
        Ok(Self {
            name: window.name.clone(),
            when,
            due: window.due,
        })
    }

    /// The window as it is open then, if it is.
    #[must_use]
    pub fn open_at(&self, now: Timestamp) -> Option<Open<'_>> {
        let (began, ends) = match &self.when {
            When::Once { from, to } => (*from, *to),
            When::Repeated { schedule, length } => {
                let after = now.saturating_sub(*length).unwrap_or(Timestamp::MIN);
                let began = schedule.latest_at_or_before(now, after, Timestamp::UNIX_EPOCH)?;
                (began, add(began, *length))
            }
        };
        (began <= now && now < ends).then_some(Open {
            name: &self.name,
            began,
            ends,
            due: self.due,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_when_they_are_open() {
        let weekend = "{name: weekend, cron: '0 18 * * FRI', duration: 62h}";
        let release = "{name: release, from: '2026-12-24T00:00:00Z', to: '2027-01-02T00:00:00Z'}";
        let table = [
            (weekend, "UTC", "2026-11-27T17:59:59Z", None),
            (weekend, "UTC", "2026-11-27T18:00:00Z", Some("2026-11-30T08:00:00Z")),
            (weekend, "UTC", "2026-11-30T07:59:59Z", Some("2026-11-30T08:00:00Z")),
            (weekend, "UTC", "2026-11-30T08:00:00Z", None),
            (
                weekend,
                "Europe/Berlin",
                "2026-11-27T17:00:00Z",
                Some("2026-11-30T07:00:00Z"),
            ),
            (release, "UTC", "2026-12-23T23:59:59Z", None),
            (release, "UTC", "2026-12-31T12:00:00Z", Some("2027-01-02T00:00:00Z")),
            (release, "UTC", "2027-01-02T00:00:00Z", None),
        ];
        for (window, zone, now, expected) in table {
            let parsed = Window::parse(&serde_saphyr::from_str(window).unwrap(), zone).unwrap();
            let open = parsed.open_at(now.parse().unwrap());
            assert_eq!(
                open.map(|open| open.ends),
                expected.map(|time| time.parse().unwrap()),
                "{window} in {zone} at {now}"
            );
        }
    }

    #[test]
    fn what_is_no_window() {
        let table = [
            ("{name: w, cron: 'x', duration: 1h}", "cron: "),
            ("{name: w, cron: '0 0 * * *'}", "write either"),
            ("{name: w, from: '2026-12-24T00:00:00Z'}", "write either"),
        ];
        for (window, expected) in table {
            let error = Window::parse(&serde_saphyr::from_str(window).unwrap(), "UTC").unwrap_err();
            assert!(error.starts_with(expected), "{window}: {error}");
        }
    }
}
