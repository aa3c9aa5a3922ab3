//! Names that the API server de-duplicates by: the same cause gives the same name, whoever computes it and whenever.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::api::task::{AutomationRef, Cause};

use super::world::folded;

/// Letters and digits that names may hold, without those that are read as one another.
const ALPHABET: &[u8; 32] = b"bcdfghjklmnpqrstvwxz2456789aeiou";
const LENGTH: usize = 8;

/// The name of the task that stands for one scheduled time of one trigger of one automation. The automation's uid is
/// part of it: one that is deleted and made again under its old name has other causes.
#[must_use]
pub fn scheduled_task(automation: &str, uid: &str, trigger: &str, time: Timestamp) -> String {
    hashed(automation, &[uid, trigger, &time.as_second().to_string()])
}

/// The name of the task that stands for what happened at GitHub, for one trigger of one automation. An automation may come
/// to work in another repository, which has an issue of the same number.
#[must_use]
pub fn event_task(automation: &AutomationRef, trigger: &str, repository: &str, identity: &str) -> String {
    let parts = [&automation.uid, trigger, "event", &folded(repository), identity];
    hashed(&automation.name, &parts)
}

/// The name of a further task for the same cause: a retry, or one made anew from a changed spec.
#[must_use]
pub fn successor(automation: &AutomationRef, cause: &Cause, why: &str) -> String {
    let time = cause.scheduled_time.as_second().to_string();
    let id = cause.id.as_deref().unwrap_or(&time);
    hashed(&automation.name, &[&automation.uid, &cause.name, id, why])
}

fn hashed(automation: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    let suffix: String = hash.finalize().iter().take(LENGTH).map(letter).collect();
    format!("{automation}-{suffix}")
}

/// The last line of an attempt's prompt, by which its task is found when the answer is lost.
#[must_use]
pub fn marker(task_uid: &str, attempt: i32) -> String {
    format!("agentautomation.dev/attempt: {task_uid}.{attempt}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_one_name_and_no_other_cause_has_it() {
        let time = Timestamp::from_second(1_774_843_200).unwrap();
        let name = scheduled_task("weekly-deps", "uid-1", "weekly", time);
        assert_eq!(name, scheduled_task("weekly-deps", "uid-1", "weekly", time));
        assert_eq!(name.len(), "weekly-deps-".len() + LENGTH);
        let later = Timestamp::from_second(1_774_843_201).unwrap();
        for other in [
            scheduled_task("weekly-deps", "uid-2", "weekly", time),
            scheduled_task("weekly-deps", "uid-1", "daily", time),
            scheduled_task("weekly-deps", "uid-1", "weekly", later),
        ] {
            assert_ne!(name, other);
        }
    }
}
