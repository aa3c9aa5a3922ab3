//! Whether what a watch told is still what there is.
//!
//! A watch that works again says nothing of that before something changes, or its list is whole: that it works shows in
//! that it does not fail.

use std::time::Duration;

use tokio::time::Instant;

/// For so long a watch may fail: an API server that restarts is back before. After that too much may have changed for
/// anything to be promised.
const STALE_AFTER: Duration = Duration::from_secs(120);
/// A watch that goes on failing fails again within less: its longest wait and the time that one try may take.
const FAILS_WITHIN: Duration = Duration::from_secs(60);

/// How a watch fares.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Freshness(Option<Failing>);

#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    last: Instant,
}

impl Freshness {
    pub(super) fn failed(&mut self, now: Instant) {
        let since = self.failing(now).map_or(now, |failing| failing.since);
        self.0 = Some(Failing { since, last: now });
    }

    /// All that there is has been told.
    pub(super) fn listed(&mut self) {
        self.0 = None;
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.failing(now)
            .is_some_and(|failing| now.duration_since(failing.since) >= STALE_AFTER)
    }

    fn failing(&self, now: Instant) -> Option<Failing> {
        self.0.filter(|failing| now.duration_since(failing.last) < FAILS_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens after so many seconds.
    enum Step {
        Fails,
        Lists,
        Stale(bool),
    }
    use Step::{Fails, Lists, Stale};

    #[test]
    fn a_view_is_stale_once_its_watch_has_failed_for_long_and_until_it_works() {
        let table: [(&str, &[(u64, Step)]); 5] = [
            ("nothing fails", &[(0, Stale(false)), (9_000, Stale(false))]),
            (
                "it fails once",
                &[
                    (0, Fails),
                    (59, Stale(false)),
                    (121, Stale(false)),
                    (9_000, Stale(false)),
                ],
            ),
            (
                "it goes on failing",
                &[
                    (0, Fails),
                    (42, Fails),
                    (84, Fails),
                    (119, Stale(false)),
                    (120, Stale(true)),
                    (126, Fails),
                    (185, Stale(true)),
                    (186, Stale(false)),
                ],
            ),
            (
                "its list is whole",
                &[
                    (0, Fails),
                    (50, Fails),
                    (100, Fails),
                    (125, Stale(true)),
                    (126, Lists),
                    (127, Stale(false)),
                    (128, Fails),
                    (129, Stale(false)),
                ],
            ),
            (
                "it fails now and then",
                &[(0, Fails), (60, Fails), (120, Fails), (180, Fails), (181, Stale(false))],
            ),
        ];
        for (what, steps) in table {
            let (began, mut watch) = (Instant::now(), Freshness::default());
            for (after, step) in steps {
                let now = began + Duration::from_secs(*after);
                match step {
                    Fails => watch.failed(now),
                    Lists => watch.listed(),
                    Stale(expected) => assert_eq!(watch.is_stale(now), *expected, "{what}, {after}"),
                }
            }
        }
    }
}
