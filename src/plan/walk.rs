//! A look that has far to go: where one can't read all that has happened since a position, others go on from where it came to,
//! and the position moves when all of it has been read.
//!
//! GitHub lists issues and comments by when they were updated, from a time on: there a look goes on from the last time that it
//! read. The record of what was done to them begins with the newest and knows no time: there it goes on with a further page,
//! for as long as GitHub shows one. What lies beyond nobody sees, and that is told.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::time::add;
use super::world::ObjectKey;

/// GitHub's lists may show something only a moment after it happened.
pub const LAG: SignedDuration = SignedDuration::from_secs(60);
/// Looks for which the record is followed back: what happens meanwhile waits for them.
const LOOKS: u32 = 30;

/// A way through what has happened in a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// What happened since then is looked for.
    pub since: Timestamp,
    /// What happens from then on is for the next.
    pub began: Timestamp,
    pub wanted: Wanted,
    /// How many looks it has taken.
    pub looks: u32,
    /// From when on issues and pull requests are still to be read; `None` when they have been.
    pub issues: Option<Timestamp>,
    /// The same of comments.
    pub comments: Option<Timestamp>,
    /// The page with which the record goes on, and back to when it has been read; `None` when as much of it has been read as
    /// there is.
    pub record: Option<(u32, Timestamp)>,
    /// The newest change that was seen.
    pub newest: Option<Timestamp>,
    pub unseen: Option<Unseen>,
}

/// What is looked for besides issues and pull requests that were opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The automations that a look is for. What an earlier one found is settled for those that it was for.
    pub by: BTreeSet<ObjectKey>,
    /// Labels, assignments, and what was opened again or is no draft any more.
    pub record: bool,
    /// Comments that begin with one of these.
    pub commands: BTreeSet<String>,
    /// Reviews, which each changed pull request is asked for.
    pub reviews: bool,
}

/// A time of which nobody saw what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Whether only the record of it is missing.
    pub is_of_record: bool,
}

/// What a look read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub issues: Ahead,
    pub comments: Ahead,
    pub record: Back,
    /// The newest change that it saw.
    pub newest: Option<Timestamp>,
}

/// What was read of a list in the order of its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// All that there was.
    Whole,
    /// Up to then, and there is more.
    To(Timestamp),
}

/// What was read of a list that begins with the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// All that was looked for.
    Whole,
    /// Back to then, and it goes on with this page.
    To(Timestamp, u32),
    /// Back to then, and GitHub shows no more.
    End(Timestamp),
}

impl Wanted {
    /// Whether nothing of that was missed by who looked for this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.record >= other.record
            && self.reviews >= other.reviews
            && self.commands.is_superset(&other.commands)
            && self.by.is_superset(&other.by)
    }
}

impl Walk {
    #[must_use]
    pub fn new(since: Timestamp, wanted: Wanted, now: Timestamp) -> Self {
        Self {
            since,
            began: now,
            looks: 0,
            issues: Some(since),
            comments: (!wanted.commands.is_empty()).then_some(since),
            record: wanted.record.then_some((1, now)),
            newest: None,
            unseen: None,
            wanted,
        }
    }

    /// Whether there is more to read.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.issues.is_some() || self.comments.is_some() || self.record.is_some()
    }

    /// Up to when nothing that can be seen is missing, once it has come to its end.
    #[must_use]
    pub fn horizon(&self) -> Timestamp {
        self.began.saturating_sub(LAG).unwrap_or(self.began)
    }

    /// Where it stands after a further look.
    #[must_use]
    pub fn advance(mut self, read: Stretch) -> Self {
        self.looks = self.looks.saturating_add(1);
        self.newest = self.newest.max(read.newest);
        self.issues = self.ahead(self.issues, read.issues);
        self.comments = self.ahead(self.comments, read.comments);
        self.record = self.back(read.record);
        self
    }

    fn ahead(&mut self, from: Option<Timestamp>, read: Ahead) -> Option<Timestamp> {
        let (from, Ahead::To(to)) = (from?, read) else {
            return None;
        };
        if to > self.horizon() {
            return None;
        }
        if to.as_second() > from.as_second() {
            return Some(to);
        }
        // More happened in one second than a look reads, and no list can be asked for the rest of it.
        let next = add(from, SignedDuration::from_secs(1));
        self.miss(Unseen {
            from,
            to: next,
            is_of_record: false,
        });
        Some(next)
    }

    fn back(&mut self, read: Back) -> Option<(u32, Timestamp)> {
        self.record?;
        let oldest = match read {
            Back::Whole => return None,
            Back::To(oldest, page) if self.looks < LOOKS => return Some((page, oldest)),
            Back::To(oldest, _) | Back::End(oldest) => oldest,
        };
        self.miss(Unseen {
            from: self.since,
            to: oldest,
            is_of_record: true,
        });
        None
    }

    fn miss(&mut self, unseen: Unseen) {
        let before = self.unseen.unwrap_or(unseen);
        self.unseen = Some(Unseen {
            from: before.from.min(unseen.from),
            to: before.to.max(unseen.to),
            is_of_record: before.is_of_record && unseen.is_of_record,
        });
    }
}
