//! When each subject is looked at again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::plan::Subject;

/// One time for each subject: the last that was set.
#[derive(Debug, Default)]
pub struct Timers {
    by_time: BTreeSet<(Timestamp, Subject)>,
    by_subject: BTreeMap<Subject, Timestamp>,
}

impl Timers {
    pub fn set(&mut self, subject: &Subject, time: Timestamp) {
        if let Some(before) = self.by_subject.insert(subject.clone(), time) {
            self.by_time.remove(&(before, subject.clone()));
        }
        self.by_time.insert((time, subject.clone()));
    }

    /// The earliest time of any subject.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// Takes out the subjects whose time has come.
    pub fn due(&mut self, now: Timestamp) -> Vec<Subject> {
        let mut due = Vec::new();
        while let Some((time, _)) = self.by_time.first()
            && *time <= now
            && let Some((_, subject)) = self.by_time.pop_first()
        {
            self.by_subject.remove(&subject);
            due.push(subject);
        }
        due
    }
}
