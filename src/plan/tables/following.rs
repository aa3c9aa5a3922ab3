//! What an observation means, and when the next is due.

use crate::plan::observed::ListedTask;
use crate::plan::task;

use super::*;

#[test]
fn an_older_observation_changes_nothing_and_a_decided_end_stays() {
    let mut running = concluded(
        &written_ahead(),
        &StartOutcome::Created(Box::new(observed("t1", ""))),
        2,
    );
    running.task.as_mut().unwrap().updated_at = Some(at(10));
    let seen = |state: TaskState, updated: i64| ObservedTask {
        state,
        updated_at: Some(at(updated)),
        ..observed("t1", "")
    };
    let table = [
        (seen(TaskState::InProgress, 9), None),
        (seen(TaskState::Completed, 11), Some("Succeeded Completed")),
        (seen(TaskState::Failed, 11), Some("Failed SessionFailed")),
        (seen(TaskState::TimedOut, 11), Some("TimedOut SessionTimedOut")),
        (seen(TaskState::Cancelled, 11), Some("Cancelled SessionCancelled")),
        (seen(TaskState::WaitingForUser, 11), Some("Running WaitingForUser")),
        (
            seen(TaskState::Other("paused".to_owned()), 11),
            Some("Running InProgress"),
        ),
        (
            ObservedTask {
                id: "t2".to_owned(),
                ..seen(TaskState::Completed, 11)
            },
            None,
        ),
    ];
    for (seen, expected) in table {
        let next = task::observe(&running, &seen, at(12));
        assert_eq!(next.as_ref().map(said).as_deref(), expected, "{seen:?}");
    }
    let ended = task::observe(&running, &seen(TaskState::Completed, 11), at(12)).unwrap();
    let again = task::observe(&ended, &seen(TaskState::InProgress, 20), at(21)).unwrap();
    assert_eq!(said(&again), "Succeeded Completed");
    assert_eq!(again.task.as_ref().unwrap().state, "in_progress");
    assert!(
        crate::plan::world::counts(&due("one", "a", 0, Some(again))),
        "it counts again"
    );
}

#[test]
fn details_that_lag_behind_the_list_are_not_asked_for_in_a_loop() {
    let mut running = concluded(
        &written_ahead(),
        &StartOutcome::Created(Box::new(observed("t1", ""))),
        2,
    );
    running.task.as_mut().unwrap().updated_at = Some(at(10));
    let table = [
        (None, 0, "Observe"),
        (Some(at(20)), 0, "wait 25s"),
        (Some(at(15)), 0, "Observe"),
        (Some(at(15)), 60, "wait 60s"),
        (Some(at(86_400)), 0, "Observe"),
    ];
    for (observed_at, limited, expected) in table {
        let world = world(vec![due("one", "a", 0, Some(running.clone()))], |world| {
            let facts = world.facts.entry(key("a")).or_default();
            facts.observed_at = observed_at;
            facts.listed = Some(ListedTask {
                id: "t1".to_owned(),
                state: TaskState::InProgress,
                updated_at: Some(at(19)),
            });
            world.credentials.get_mut(&credential(0)).unwrap().limited_until = Some(at(limited));
        });
        let planned = task::plan(&world, &key("a"), &Settings::default(), at(20));
        assert_eq!(decision(&planned), expected, "{observed_at:?} {limited}");
    }
}
