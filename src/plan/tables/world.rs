//! What the world takes in, and what comes too late.

use super::*;

fn version(mut task: AgentTask, uid: &str, version: u64) -> AgentTask {
    task.metadata.uid = Some(uid.to_owned());
    task.metadata.resource_version = Some(version.to_string());
    task
}

#[test]
fn only_what_is_newer_is_news() {
    let task = || due("one", "a", 0, None);
    let table = [
        ("newer", version(task(), "uid-a", 11), true),
        ("the same", version(task(), "uid-a", 10), false),
        ("older, from a watch that lags", version(task(), "uid-a", 9), false),
        ("made again under its name", version(task(), "uid-a2", 12), true),
        (
            "gone, from an answer that is late",
            version(task(), "uid-gone", 13),
            false,
        ),
    ];
    for (what, task, expected) in table {
        let mut world = world(vec![version(due("one", "a", 0, None), "uid-a", 10)], |w| {
            w.remove_task(&key("a"), "uid-gone");
        });
        assert_eq!(world.put_task(task), expected, "{what}");
    }
}

/// The answer to a write of its status may come after the watch has told that it is gone.
#[test]
fn what_is_gone_does_not_come_back() {
    let of = |uid: &str, version: u64| {
        let mut automation = automation("one", 1);
        automation.metadata.uid = Some(uid.to_owned());
        automation.metadata.resource_version = Some(version.to_string());
        automation
    };
    let mut world = world(vec![], |w| {
        w.put_automation(of("uid-gone", 10));
        w.remove_automation(&key("one"), "uid-gone");
    });
    assert!(!world.put_automation(of("uid-gone", 11)));
    assert!(world.automation(&key("one")).is_none());
    assert!(world.put_automation(of("uid-new", 12)), "another of its name");
}

#[test]
fn a_task_is_found_by_what_it_is_now() {
    let mut world = world(vec![version(due("one", "a", 0, None), "uid-a", 10)], |_| ());
    let found = |world: &World| {
        [
            world.waiting().count(),
            world.active().count(),
            world.tasks_of(&automation("one", 1)).count(),
            world.tasks_with(&credential(0)).count(),
            world.tasks_with(&credential(1)).count(),
        ]
    };
    assert_eq!(found(&world), [1, 0, 1, 1, 0]);
    world.put_task(version(due("one", "a", 0, in_phase(Phase::Running)), "uid-a", 11));
    assert_eq!(found(&world), [0, 1, 1, 1, 0]);
    world.put_task(version(with_credential(due("two", "a", 0, None), 1), "uid-a2", 12));
    assert_eq!(found(&world), [1, 0, 0, 0, 1]);
    world.remove_task(&key("a"), "uid-a");
    assert_eq!(found(&world), [1, 0, 0, 0, 1], "the one before is gone, not this one");
    world.remove_task(&key("a"), "uid-a2");
    assert_eq!(found(&world), [0; 5]);
}

/// A leader may hear that a time was decided before it sees the object that was there for it.
#[test]
fn what_was_created_before_its_time_was_decided_is_not_late() {
    let decided = |seconds: i64, version: u64, more: &str| {
        let mut automation = automation("one", 1);
        automation.metadata.resource_version = Some(version.to_string());
        automation.status = Some(yaml(&format!(
            "{{schedules: [{{trigger: tick, decidedThrough: '{}'{more}}}]}}",
            at(seconds)
        )));
        automation
    };
    let missed = format!(", missedThrough: '{}'", at(0));
    let older = format!(", missedThrough: '{}'", at(-3_600));
    let table = [
        ("created before it was decided, seen after", 9, "", false),
        (
            "created before it was decided, and an older time was missed",
            9,
            &*older,
            false,
        ),
        (
            "created before it was decided, and counted as missed",
            9,
            &*missed,
            true,
        ),
        ("created after it was decided", 11, "", true),
        (
            "created after it was decided, and before the status was written again",
            19,
            "",
            true,
        ),
    ];
    for (what, created, more, expected) in table {
        let mut world = world(Vec::new(), |world| {
            world.put_automation(decided(-3_600, 5, ""));
            world.put_automation(decided(0, 10, more));
            world.put_automation(decided(3_600, 20, more));
            world.is_complete = true;
        });
        let task = version(due("one", "a", 0, None), "uid-a", created);
        world.put_task(task.clone());
        assert_eq!(world.came_late(&task), expected, "{what}");
    }
}
