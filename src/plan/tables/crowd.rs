//! How many tasks of an automation may wait, and which give way.

use crate::api::task::{Follows, FollowsBecause};
use crate::plan::admission;

use super::*;

type Row = (
    &'static str,
    &'static str,
    Vec<AgentTask>,
    Box<dyn FnOnce(&mut World)>,
    &'static [&'static str],
);

/// What a policy says besides.
fn policed(spec: &'static str) -> Box<dyn FnOnce(&mut World)> {
    Box::new(move |world: &mut World| {
        let mut policy = policy(None);
        let mut whole = serde_json::to_value(&policy.spec).unwrap();
        merge(&mut whole, &yaml(spec));
        policy.spec = serde_json::from_value(whole).unwrap();
        world.put_policy(policy);
    })
}

fn rejected() -> Box<dyn FnOnce(&mut World)> {
    Box::new(|world: &mut World| {
        let credential = world.credentials.get_mut(&credential(0)).unwrap();
        credential.rejected = Some("7".to_owned());
    })
}

/// The manual trigger's task, which this policy does not allow.
fn by_hand(name: &str, seconds: i64) -> AgentTask {
    let mut task = due("one", name, seconds, None);
    task.spec.trigger.kind = crate::api::policy::TriggerKind::Manual;
    task
}

fn heir(name: &str, of: &str) -> AgentTask {
    let mut task = due("one", name, -20, None);
    task.spec.follows = Some(Follows {
        name: of.to_owned(),
        because: FollowsBecause::SpecChange,
        retries: 0,
        approvals: Vec::new(),
    });
    task
}

fn three() -> Vec<AgentTask> {
    let held = |name, seconds| due("one", name, seconds, in_phase(Phase::Held));
    vec![held("a", -30), held("b", -20), held("c", -10)]
}

fn running() -> AgentTask {
    due("one", "r", -60, in_phase(Phase::Running))
}

#[test]
fn no_more_of_an_automation_wait_than_may_whatever_they_wait_for() {
    let queue = "{concurrency: {maxQueued: 2}}";
    let latest = "{concurrency: {maxQueued: 1, whenFull: KeepLatest}}";
    let replace = "{concurrency: {maxQueued: 1}, deduplicate: {onDuplicate: Replace}}";
    let newest_stays: &[&str] = &["a: Superseded Replaced", "b: Superseded Replaced"];
    let nothing = || Box::new(|_: &mut World| ()) as Box<dyn FnOnce(&mut World)>;
    let table: Vec<Row> = vec![
        (
            "the newest is one too many",
            queue,
            three(),
            policed("{suspend: true}"),
            &[
                "a: Held PolicySuspended",
                "b: Held PolicySuspended",
                "c: Skipped QueueFull",
            ],
        ),
        (
            "the latest is kept behind a kill switch",
            latest,
            three(),
            policed("{suspend: true}"),
            newest_stays,
        ),
        (
            "behind a freeze window",
            latest,
            three(),
            policed("{freezeWindows: [{name: day, from: '2026-11-22T05:00:00Z', to: '2026-11-22T07:00:00Z'}]}"),
            newest_stays,
        ),
        (
            "behind a token that GitHub refused",
            latest,
            three(),
            rejected(),
            newest_stays,
        ),
        (
            "behind a policy's cap",
            latest,
            three(),
            policed("{maxActive: 0}"),
            newest_stays,
        ),
        (
            "where the newer replaces the older",
            replace,
            three(),
            policed("{suspend: true}"),
            newest_stays,
        ),
        (
            "what is denied takes nothing's place",
            latest,
            vec![due("one", "a", -30, None), by_hand("b", -20), running()],
            nothing(),
            &["a: Held AutomationCap", "b: Denied PolicyDenied"],
        ),
        (
            "what was not looked at yet may start at once, however little may wait",
            "{concurrency: {maxQueued: 1, maxActive: 3}}",
            vec![
                due("one", "a", -20, None),
                due("one", "b", -10, None),
                due("one", "c", -5, None),
            ],
            nothing(),
            &["a: Start", "b: wait", "c: wait"],
        ),
        (
            "what takes another's place is not counted beside it",
            "{concurrency: {maxQueued: 1}}",
            vec![due("one", "a", -20, None), heir("b", "a"), running()],
            nothing(),
            &["a: Held AutomationCap", "b: wait"],
        ),
    ];
    for (what, spec, tasks, change, expected) in table {
        let world = world(tasks, |w| {
            w.put_automation(changed(spec));
            change(w);
        });
        let said = words(&admission::plan(&world, &Settings::default(), at(0)));
        let ended: Vec<_> = said.iter().filter(|said| expected.contains(&said.as_str())).collect();
        assert_eq!(ended.len(), expected.len(), "{what}: {said:?}");
    }
}

#[test]
fn the_latest_that_may_not_start_takes_nothing_s_place() {
    let tasks = vec![due("one", "a", -30, None), by_hand("b", -20), running()];
    let world = world(tasks, |world| {
        world.put_automation(changed("{concurrency: {whenFull: KeepLatest}}"));
    });
    let said = words(&admission::plan(&world, &Settings::default(), at(0)));
    assert_eq!(said, ["a: Held AutomationCap", "b: Denied PolicyDenied"]);
}
