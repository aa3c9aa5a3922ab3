//! Which waiting task starts, and what binds the others.

use crate::api::automation::ScheduleStatus;
use crate::plan::admission;
use crate::plan::world::Retry;

use super::*;

#[test]
fn admission_starts_the_oldest_that_nothing_binds() {
    type Row = (&'static str, Vec<AgentTask>, fn(&mut World), &'static [&'static str]);
    let three = || {
        vec![
            with_credential(due("two", "c", -10, None), 2),
            with_credential(due("two", "b", -20, None), 1),
            due("one", "a", -30, None),
        ]
    };
    let table: Vec<Row> = vec![
        (
            "room for all, oldest first",
            three(),
            |_| (),
            &["a: Start", "b: Start", "c: Start"],
        ),
        (
            "the policy's cap is two",
            three(),
            |w| {
                w.put_policy(policy(Some(2)));
            },
            &["a: Start", "b: Start", "c: Held PolicyCap"],
        ),
        (
            "the policy's cap is zero",
            three(),
            |w| {
                w.put_policy(policy(Some(0)));
            },
            &["a: Held PolicyCap", "b: Held PolicyCap", "c: Held PolicyCap"],
        ),
        (
            "one of its own runs",
            vec![due("one", "a", 0, None), due("one", "r", -60, in_phase(Phase::Running))],
            |_| (),
            &["a: Held AutomationCap"],
        ),
        (
            "one of its own may be about to run",
            vec![
                due("one", "a", 0, None),
                due("one", "r", -60, in_phase(Phase::Starting)),
            ],
            |_| (),
            &["a: Held AutomationCap"],
        ),
        (
            "one of its own is parked",
            vec![due("one", "a", 0, None), due("one", "r", -60, in_phase(Phase::Unknown))],
            |_| (),
            &["a: Held AutomationCap"],
        ),
        (
            "another automation's does not bind",
            vec![due("one", "a", 0, None), due("two", "r", -60, in_phase(Phase::Running))],
            |_| (),
            &["a: Start"],
        ),
        (
            "one credential, one write at a time",
            vec![due("one", "a", 0, None), due("two", "b", 0, None)],
            |_| (),
            &["a: Start", "b: wait"],
        ),
        (
            "a write has just left",
            vec![due("one", "a", 0, None)],
            |w| w.credentials.get_mut(&credential(0)).unwrap().next_write = Some(at(1)),
            &["a: wait 1s"],
        ),
        (
            "rate limited",
            vec![due("one", "a", 0, None)],
            |w| w.credentials.get_mut(&credential(0)).unwrap().limited_until = Some(at(60)),
            &["a: Held RateLimited"],
        ),
        (
            "the Secret is not read yet",
            vec![due("one", "a", 0, None)],
            |w| {
                w.credentials.clear();
            },
            &["a: wait"],
        ),
        (
            "the Secret is missing",
            vec![due("one", "a", 0, None)],
            |w| w.credentials.get_mut(&credential(0)).unwrap().secret = Some(SecretState::Missing),
            &["a: Held SecretMissing"],
        ),
        (
            "GitHub refused this version of the Secret",
            vec![due("one", "a", 0, None)],
            |w| w.credentials.get_mut(&credential(0)).unwrap().rejected = Some("7".to_owned()),
            &["a: Held CredentialRejected"],
        ),
        (
            "GitHub refused an older one",
            vec![due("one", "a", 0, None)],
            |w| w.credentials.get_mut(&credential(0)).unwrap().rejected = Some("6".to_owned()),
            &["a: Start"],
        ),
        (
            "no policy",
            vec![due("one", "a", 0, None)],
            |w| {
                w.remove_policy("default");
            },
            &["a: Denied PolicyDenied"],
        ),
        (
            "the kill switch",
            vec![due("one", "a", 0, None)],
            |w| {
                let mut off = policy(None);
                off.spec.suspend = true;
                w.put_policy(off);
            },
            &["a: Held PolicySuspended"],
        ),
        (
            "suspended",
            vec![due("one", "a", 0, None)],
            |w| {
                let mut off = automation("one", 1);
                off.spec.suspend = true;
                w.put_automation(off);
            },
            &["a: Held Suspended"],
        ),
        (
            "its automation is gone",
            vec![due("one", "a", 0, None)],
            |w| w.remove_automation(&key("one"), "uid-one"),
            &["a: Expired AutomationGone"],
        ),
        (
            "its automation is another by now",
            vec![due("one", "a", 0, None)],
            |w| w.remove_automation(&key("one"), "uid-of-an-older-one"),
            &["a: Start"],
        ),
        (
            "its automation is being deleted",
            vec![due("one", "a", 0, None)],
            |w| {
                let mut going = automation("one", 1);
                going.metadata.deletion_timestamp = Some(Time(at(0)));
                w.put_automation(going);
            },
            &["a: Held AutomationGone"],
        ),
        (
            "it is being deleted",
            vec![AgentTask {
                metadata: ObjectMeta {
                    deletion_timestamp: Some(Time(at(0))),
                    ..due("one", "a", 0, None).metadata
                },
                ..due("one", "a", 0, None)
            }],
            |_| (),
            &["a: wait"],
        ),
        (
            "a policy can't be read",
            vec![due("one", "a", 0, None)],
            |w| {
                w.unreadable_policies.insert("other".to_owned());
            },
            &["a: Held PolicyUnreadable"],
        ),
        (
            "it can be read again",
            vec![due("one", "a", 0, None)],
            |w| {
                w.unreadable_policies.insert("default".to_owned());
                w.put_policy(policy(None));
            },
            &["a: Start"],
        ),
        (
            "a task of its automation can't be read, and may be at work",
            vec![due("one", "a", 0, None)],
            |w| {
                w.unreadable_tasks.insert(key("r"), key("one"));
            },
            &["a: Held AutomationCap"],
        ),
        (
            "it may be at work in the same repository, for another automation",
            vec![due("one", "a", 0, None)],
            |w| {
                w.put_policy(ruled("{maxActivePerRepository: 1}"));
                w.unreadable_tasks.insert(key("r"), key("two"));
            },
            &["a: Held RepositoryCap"],
        ),
        (
            "it is at work in another repository",
            vec![due("one", "a", 0, None)],
            |w| {
                let mut elsewhere = automation("two", 1);
                elsewhere.spec.repository = "acme/web".to_owned();
                w.put_automation(elsewhere);
                w.put_policy(ruled("{maxActivePerRepository: 1}"));
                w.unreadable_tasks.insert(key("r"), key("two"));
            },
            &["a: Start"],
        ),
        (
            "it may be at work anywhere: its automation is gone",
            vec![due("one", "a", 0, None)],
            |w| {
                w.put_policy(ruled("{maxActivePerRepository: 1}"));
                w.unreadable_tasks.insert(key("r"), key("gone"));
            },
            &["a: Held RepositoryCap"],
        ),
        (
            "the controller may not read the Secret",
            vec![due("one", "a", 0, None)],
            |w| w.credentials.get_mut(&credential(0)).unwrap().secret = Some(SecretState::Forbidden),
            &["a: Held SecretForbidden"],
        ),
        (
            "its writes fail: the next has its turn",
            vec![due("one", "a", -10, None), due("two", "b", 0, None)],
            |w| {
                let retry = Retry {
                    not_before: at(8),
                    ..Retry::default()
                };
                w.retries.insert(Subject::Task(key("a")), retry);
            },
            &["a: wait 8s", "b: Start"],
        ),
        (
            "the clock was set back by a day",
            vec![due(
                "one",
                "a",
                -60,
                Some(TaskStatus {
                    phase: Phase::Held,
                    not_before: Some(at(86_400)),
                    ..TaskStatus::default()
                }),
            )],
            |w| {
                let credential = w.credentials.get_mut(&credential(0)).unwrap();
                credential.next_write = Some(at(86_400));
                credential.limited_until = Some(at(86_400));
                let retry = Retry {
                    not_before: at(86_400),
                    ..Retry::default()
                };
                w.retries.insert(Subject::Task(key("a")), retry);
            },
            &["a: Start"],
        ),
        (
            "the leader before may still write ahead",
            vec![due("one", "a", 0, None)],
            |w| {
                w.inherited_claims.insert("uid-a".to_owned());
            },
            &["a: Pending "],
        ),
        (
            "and until then it counts",
            vec![due("one", "a", 0, None), due("one", "b", 1, None)],
            |w| {
                w.inherited_claims.insert("uid-a".to_owned());
            },
            &["a: Pending ", "b: Held AutomationCap"],
        ),
        (
            "its time was dealt with",
            vec![due("one", "a", -60, None)],
            |w| {
                w.put_automation(collected(at(-60)));
            },
            &["a: Skipped AlreadyDecided"],
        ),
        (
            "its time was decided when it appeared",
            vec![],
            |w| {
                w.is_complete = true;
                w.put_automation(collected(at(-61)));
                let mut task = due("one", "a", 0, None);
                task.metadata.resource_version = Some("1".to_owned());
                w.put_task(task);
            },
            &["a: Skipped AlreadyDecided"],
        ),
        (
            "its time was decided after it appeared",
            vec![],
            |w| {
                w.is_complete = true;
                w.put_task(due("one", "a", 0, None));
                w.put_automation(collected(at(-61)));
            },
            &["a: Start"],
        ),
        (
            "somebody deleted it, and another create of it was still on its way",
            vec![],
            |w| {
                w.is_complete = true;
                w.put_task(due("one", "a", 0, None));
                w.put_automation(collected(at(-61)));
                let mut again = due("one", "a", 0, None);
                again.metadata.uid = Some("uid-again".to_owned());
                again.metadata.resource_version = Some("1".to_owned());
                w.put_task(again);
            },
            &["a: Skipped AlreadyDecided"],
        ),
        (
            "only an older time was",
            vec![due("one", "a", -60, None)],
            |w| {
                w.put_automation(collected(at(-61)));
            },
            &["a: Start"],
        ),
        (
            "its deadline is now",
            vec![deadline(due("one", "a", -60, None), at(0))],
            |_| (),
            &["a: Expired DeadlineExceeded"],
        ),
        (
            "its deadline is next second",
            vec![deadline(due("one", "a", -60, None), at(1))],
            |_| (),
            &["a: Start"],
        ),
        (
            "not before",
            vec![due(
                "one",
                "a",
                -60,
                Some(TaskStatus {
                    phase: Phase::Held,
                    reason: Some(Reason::NotSent),
                    not_before: Some(at(9)),
                    ..TaskStatus::default()
                }),
            )],
            |_| (),
            &["a: wait 9s"],
        ),
        (
            "not before, in the past",
            vec![due(
                "one",
                "a",
                -60,
                Some(TaskStatus {
                    phase: Phase::Held,
                    reason: Some(Reason::NotSent),
                    not_before: Some(at(0)),
                    ..TaskStatus::default()
                }),
            )],
            |_| (),
            &["a: Start"],
        ),
    ];
    for (what, tasks, change, expected) in table {
        assert_eq!(
            words(&admission::plan(&world(tasks, change), &Settings::default(), at(0))),
            expected,
            "{what}"
        );
    }
}

#[test]
fn a_second_pass_writes_nothing() {
    let mut world = world(
        vec![due("one", "a", 0, None), due("one", "r", -60, in_phase(Phase::Running))],
        |_| (),
    );
    let planned = admission::plan(&world, &Settings::default(), at(0));
    let [Action::WriteTaskStatus(held)] = planned[0].1.actions.as_slice() else {
        panic!("{planned:?}")
    };
    world.put_task(due("one", "a", 0, Some((**held).clone())));
    assert_eq!(
        words(&admission::plan(&world, &Settings::default(), at(1))),
        ["a: wait"]
    );
}

fn collected(through: Timestamp) -> AgentAutomation {
    let mut automation = automation("one", 1);
    automation.status.get_or_insert_default().schedules = vec![ScheduleStatus {
        trigger: "tick".to_owned(),
        decided_through: at(0),
        missed_through: None,
        collected_through: Some(through),
    }];
    automation
}

fn deadline(mut task: AgentTask, time: Timestamp) -> AgentTask {
    task.spec.start_before = Some(time);
    task
}
