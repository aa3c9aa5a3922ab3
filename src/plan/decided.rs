//! Which version of an automation decided a scheduled time, so that an object that appears for the time can be told to be
//! late or merely late to be seen.
//!
//! A time is decided once its object is known, or once it is counted as missed. Watches of two kinds run apart, so a
//! leader may hear that a time was decided before it sees the object. Both kinds are of one group and so in one store,
//! whose versions count up over all of it: an object with a lower version than the decision was there before it.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::api::AgentAutomation;

use super::world::{ObjectKey, version};

/// Decisions that are remembered for each trigger. A status is written at most once a second, and no create is on its way
/// for longer than this many.
const KEPT: usize = 64;

/// Up to when each trigger was decided, by the version that first said so.
#[derive(Debug, Default)]
pub(super) struct Decisions(BTreeMap<ObjectKey, BTreeMap<String, VecDeque<(Timestamp, u64)>>>);

impl Decisions {
    /// Takes in what an automation's status says.
    pub(super) fn learn(&mut self, key: &ObjectKey, automation: &AgentAutomation) {
        for schedule in automation.status.iter().flat_map(|status| &status.schedules) {
            let triggers = self.0.entry(key.clone()).or_default();
            let known = triggers.entry(schedule.trigger.clone()).or_default();
            let through = schedule.decided_through;
            if known.back().is_none_or(|(before, _)| *before < through) {
                known.push_back((through, version(automation)));
                let surplus = known.len().saturating_sub(KEPT);
                known.drain(..surplus);
            }
        }
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }

    /// The version that decided a time, or a later one where that is forgotten.
    pub(super) fn decided_by(&self, key: &ObjectKey, trigger: &str, time: Timestamp) -> Option<u64> {
        let known = self.0.get(key)?.get(trigger)?;
        known
            .iter()
            .find(|(through, _)| *through >= time)
            .map(|(_, version)| *version)
    }
}
