//! Names that the API server de-duplicates by: the same cause gives the same name, whoever computes it and whenever. Anybody
//! can work one out and give it to something else, so an object under a name counts for its cause only if it says that cause.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::api::AgentTask;
use crate::api::task::{AutomationRef, Cause};

use super::world::{ObjectKey, World, folded};

/// Letters and digits that names may hold, without those that are read as one another. `deploy/admission.yaml` keeps people
/// from names that end in as many of them.
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
    hashed(&automation.name, &[&automation.uid, &cause.name, &identity(cause), why])
}

/// Whether the object that a task is to become is there.
#[must_use]
pub fn is_made(world: &World, task: &AgentTask) -> bool {
    let there = world.task(&ObjectKey::of(task));
    there.is_some_and(|there| has_cause_of(there, task))
}

/// Whether an object stands for the cause of the task that was to get its name. A task made by hand, which is its own cause,
/// stands for no other.
#[must_use]
pub fn has_cause_of(there: &AgentTask, task: &AgentTask) -> bool {
    let cause = |task: &AgentTask| {
        let trigger = &task.spec.trigger;
        (
            task.spec.automation.uid.clone(),
            trigger.name.clone(),
            identity(trigger),
        )
    };
    cause(there) == cause(task)
}

/// What tells a trigger's causes from one another. What is told by a webhook and by a list may differ in its time.
fn identity(cause: &Cause) -> String {
    let time = || cause.scheduled_time.as_second().to_string();
    cause.id.clone().unwrap_or_else(time)
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
    use serde_json::{Value, json};

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

    #[test]
    fn what_stands_under_a_name_is_for_its_cause_only_if_it_says_so() {
        let task = |uid: &str, trigger: &str| -> AgentTask {
            serde_json::from_value(json!({
                "apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentTask", "metadata": {"name": "fix-taken"},
                "spec": {"automation": {"name": "fix", "uid": uid}, "trigger": serde_json::from_str::<Value>(trigger).unwrap()},
            }))
            .unwrap()
        };
        let tick = r#"{"name": "tick", "kind": "Schedule", "scheduledTime": "2026-11-22T06:00:00Z"}"#;
        let opened =
            r#"{"name": "new", "kind": "Issue", "scheduledTime": "2026-11-22T06:00:00Z", "id": "issue 7 opened"}"#;
        let by_hand: AgentTask = serde_json::from_value(json!({
            "apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentTask", "metadata": {"name": "fix-taken"},
            "spec": {"automation": {"name": "fix"}, "requester": "mallory"},
        }))
        .unwrap();
        let mut decided = by_hand.clone();
        let manual =
            r#"{"name": "hand", "kind": "Manual", "scheduledTime": "2026-11-22T06:00:00Z", "id": "uid-of-it"}"#;
        decided.spec = task("uid", manual).spec;
        let table = vec![
            ("the same", task("uid", tick), tick, true),
            ("of an automation of that name before", task("other", tick), tick, false),
            (
                "of another trigger",
                task("uid", &tick.replace("tick", "tock")),
                tick,
                false,
            ),
            (
                "of another time",
                task("uid", &tick.replace("06:00", "07:00")),
                tick,
                false,
            ),
            (
                "a time in place of an event",
                task("uid", &opened.replace("new", "tick")),
                tick,
                false,
            ),
            ("the same event", task("uid", opened), opened, true),
            (
                "the same event, told another time of",
                task("uid", &opened.replace("06:00", "06:01")),
                opened,
                true,
            ),
            (
                "another event at the time",
                task("uid", &opened.replace('7', "8")),
                opened,
                false,
            ),
            ("made by hand", by_hand.clone(), tick, false),
            ("made by hand, for an event", by_hand, opened, false),
            ("made by hand and decided since", decided, tick, false),
        ];
        for (what, there, wanted, expected) in table {
            assert_eq!(has_cause_of(&there, &task("uid", wanted)), expected, "{what}");
        }
    }

    #[test]
    fn people_are_kept_from_names_of_this_form_and_from_no_other() {
        const FORM: &str = "-[2456-9a-xz]{8}$";
        let policies = include_str!("../../deploy/admission.yaml");
        assert!(policies.contains(&format!("object.metadata.name.matches('{FORM}')")));
        let form = regex::Regex::new(FORM).unwrap();
        for letter in (b'0'..=b'9').chain(b'a'..=b'z') {
            let name = |length: usize| format!("fix-{}", char::from(letter).to_string().repeat(length));
            assert_eq!(
                form.is_match(&name(LENGTH)),
                ALPHABET.contains(&letter),
                "{}",
                name(LENGTH)
            );
            assert!(!form.is_match(&name(LENGTH - 1)) && !form.is_match(&name(LENGTH + 1)));
            assert!(!form.is_match(&name(5)), "what generateName makes of fix-");
        }
    }
}
