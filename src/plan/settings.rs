//! How often, how long and how many. The defaults are those of the command line.

use jiff::SignedDuration;

/// What the planner goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A start's request has ended this long after it was written ahead. GitHub itself ends requests after 10 s.
    pub start_timeout: SignedDuration,
    /// How long after a lost answer a task is looked for before it is concluded that there is none.
    pub visibility_window: SignedDuration,
    /// Between two looks for a lost task.
    pub search_interval: SignedDuration,
    /// Between two writes with one credential; GitHub's guidance is at least a second.
    pub write_interval: SignedDuration,
    /// Between two polls of a task that has just changed.
    pub poll_min: SignedDuration,
    /// Between two polls of a task that has not changed for long.
    pub poll_max: SignedDuration,
    /// Between two writes of an automation's status.
    pub status_interval: SignedDuration,
    /// Between two looks at a credential or repository that can't be used.
    pub recheck_interval: SignedDuration,
    /// A start needs a look at its branch, and where it matters at open pull requests, that is no older.
    pub freshness: SignedDuration,
    /// Between two lists of a repository's pull requests when one has just changed.
    pub pull_poll_min: SignedDuration,
    /// Between two lists of a repository's pull requests when none has changed for long.
    pub pull_poll_max: SignedDuration,
    /// Between two looks for what happens in a repository.
    pub event_poll: SignedDuration,
    /// Automations of which tasks wait that each pass looks at whatever the news, in turn.
    pub sweep: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start_timeout: SignedDuration::from_secs(15),
            visibility_window: SignedDuration::from_secs(60),
            search_interval: SignedDuration::from_secs(5),
            write_interval: SignedDuration::from_secs(1),
            poll_min: SignedDuration::from_secs(5),
            poll_max: SignedDuration::from_secs(60),
            status_interval: SignedDuration::from_secs(1),
            recheck_interval: SignedDuration::from_secs(15),
            freshness: SignedDuration::from_secs(30),
            pull_poll_min: SignedDuration::from_secs(30),
            pull_poll_max: SignedDuration::from_mins(10),
            event_poll: SignedDuration::from_mins(1),
            sweep: 8,
        }
    }
}
