//! How late a task may start, and how long it may work and wait for a person.

use crate::api::automation::ScheduleStatus;
use crate::plan::deadline::{Deadline, start_before};
use crate::plan::{admission, start, task as tasks};

use super::*;

/// The policy with a ceiling, or none.
fn ceiling(rule: &str, seconds: Option<i32>) -> AgentPolicy {
    seconds.map_or_else(|| policy(None), |seconds| ruled(&format!("{{{rule}: {seconds}}}")))
}

/// The deadline of a task that starts now is the shorter of its own and that of the policies as they are now; it is kept, so that
/// a policy that changes afterwards does not touch what runs.
#[test]
fn what_starts_has_the_shorter_deadline() {
    // the automation's, the policy's; what the task is held to
    let table = [
        (None, None, None),
        (Some(600), None, Some(600)),
        (Some(600), Some(900), Some(600)),
        (Some(900), Some(600), Some(600)),
        (None, Some(600), Some(600)),
    ];
    for deadline in [Deadline::Active, Deadline::Waiting] {
        for (own, allowed, expected) in table {
            let what = format!("{deadline:?} {own:?} {allowed:?}");
            let mut task = due("one", "a", 0, None);
            let field = match deadline {
                Deadline::Active => &mut task.spec.active_deadline_seconds,
                Deadline::Waiting => &mut task.spec.waiting_deadline_seconds,
            };
            *field = own;
            let world = world(vec![task.clone()], |w| {
                w.put_policy(ceiling(deadline.rule(), allowed));
            });
            let plans = admission::plan(&world, &Settings::default(), at(0));
            let [Action::Start(admitted)] = plans[0].1.actions.as_slice() else {
                panic!("{what}: {plans:?}")
            };
            task.status = Some(start::write_ahead(&task, admitted, "me", &Settings::default(), at(0)));
            assert_eq!(deadline.of(&task), expected, "{what}");

            let status = task.status.as_mut().unwrap();
            status.phase = Phase::Running;
            (status.started_at, status.waiting_since) = match deadline {
                Deadline::Active => (Some(at(-700)), None),
                Deadline::Waiting => (Some(at(-9_000)), Some(at(-700))),
            };
            let passed = tasks::plan(&self::world(vec![task], |_| ()), &key("a"), &Settings::default(), at(0));
            let by_policy = allowed.is_some() && own.is_none_or(|own| Some(own) > allowed);
            let (kind, rule) = if by_policy {
                ("AgentPolicy", deadline.rule())
            } else {
                ("AgentAutomation", deadline.field())
            };
            match (expected, passed.actions.as_slice()) {
                (Some(_), [Action::WriteTaskStatus(status)]) => {
                    assert!(
                        decision(&passed).starts_with(&format!("TimedOut {deadline:?}Deadline")),
                        "{what}"
                    );
                    let bound = status.bound_by.as_ref().unwrap();
                    assert_eq!(
                        (bound.kind.as_str(), &*bound.rule),
                        (kind, &*format!("spec.{rule}")),
                        "{what}"
                    );
                }
                (None, _) => assert!(decision(&passed).starts_with("wait"), "{what}: {passed:?}"),
                (Some(_), other) => panic!("{what}: {other:?}"),
            }
        }
    }
}

/// A task starts before its own deadline and, counted from when it came due or its backoff ended, before that of the policies
/// as they are now.
#[test]
fn what_waits_for_longer_than_a_policy_allows_expires() {
    // due; its own deadline; when its backoff ends; what the policy allows; what becomes of it, by which rule, or until when it may start
    type Row = (i64, Option<i64>, Option<i64>, Option<i32>, &'static str, Option<i64>);
    let by_policy = "Expired DeadlineExceeded by spec.maxStartingDeadlineSeconds of default: it could not start before \
                     2026-11-22T06:00:00Z, as AgentPolicy default requires";
    let by_its_own = "Expired DeadlineExceeded by itself: it could not start before 2026-11-22T05:59:59Z";
    let table: [Row; 9] = [
        (-600, None, None, None, "starts", None),
        (-600, None, None, Some(601), "starts", Some(1)),
        (-600, None, None, Some(600), by_policy, None),
        (-600, Some(5), None, Some(900), "starts", Some(5)),
        (-600, Some(400), None, Some(900), "starts", Some(300)),
        (-600, Some(400), None, Some(600), by_policy, None),
        (-600, Some(-1), None, Some(900), by_its_own, None),
        (-9_000, None, Some(-600), Some(601), "starts", Some(1)),
        (-9_000, None, Some(-600), Some(600), by_policy, None),
    ];
    for (number, (since, own, backoff, allowed, expected, until)) in table.into_iter().enumerate() {
        let mut task = due("one", "a", since, None);
        (task.spec.start_before, task.spec.start_after) = (own.map(at), backoff.map(at));
        let world = world(vec![task.clone()], |w| {
            w.put_policy(ceiling("maxStartingDeadlineSeconds", allowed));
        });
        let plans = admission::plan(&world, &Settings::default(), at(0));
        let said = match plans[0].1.actions.as_slice() {
            [Action::Start(_)] => "starts".to_owned(),
            [Action::WriteTaskStatus(status)] => {
                let by = status.bound_by.as_ref();
                let by = by.map_or_else(|| "itself".to_owned(), |by| format!("{} of {}", by.rule, by.name));
                let (reason, message) = (status.reason.unwrap(), status.message.clone().unwrap());
                format!("{:?} {reason:?} by {by}: {message}", status.phase)
            }
            other => panic!("{number}: {other:?}"),
        };
        assert_eq!(said, expected, "{number}");
        if expected == "starts" {
            assert_eq!(
                start_before(&world, &task).map(|(until, _)| until),
                until.map(at),
                "{number}"
            );
        }
    }
}

/// What is held is looked at when the policy's ceiling is reached, and what nobody has decided yet has no time of its own.
#[test]
fn what_is_held_is_looked_at_when_it_expires() {
    let mut suspended = automation("one", 1);
    suspended.spec.suspend = true;
    let world = world(vec![due("one", "a", -60, None)], |w| {
        w.put_policy(ceiling("maxStartingDeadlineSeconds", Some(600)));
        w.put_automation(suspended.clone());
    });
    let plans = admission::plan(&world, &Settings::default(), at(0));
    assert_eq!(plans[0].1.wake, Some(at(540)));

    let mut by_hand = due("one", "b", 0, None);
    by_hand.spec.prompt = String::new();
    by_hand.spec.trigger.scheduled_time = Timestamp::UNIX_EPOCH;
    assert!(!by_hand.spec.is_decided());
    assert!(start_before(&world, &by_hand).is_none());
}

/// An automation that asks for more is told so, field by field.
#[test]
fn what_is_asked_for_beyond_is_told() {
    let asks = changed(
        "{activeDeadlineSeconds: 7200, waitingDeadlineSeconds: 7200,
          triggers: [{name: tick, schedule: {cron: '@hourly', startingDeadlineSeconds: 7200}}]}",
    );
    for (rule, field) in [
        ("maxActiveDeadlineSeconds", "activeDeadlineSeconds"),
        ("maxWaitingDeadlineSeconds", "waitingDeadlineSeconds"),
        (
            "maxStartingDeadlineSeconds",
            "triggers[tick].schedule.startingDeadlineSeconds",
        ),
    ] {
        for (seconds, is_told) in [(3_600, true), (7_200, false)] {
            let world = world(vec![], |w| {
                w.put_policy(ceiling(rule, Some(seconds)));
                w.put_automation(asks.clone());
            });
            let narrowed = crate::plan::automation::narrowed(&world, &asks, at(0));
            let expected = format!("spec.{field} is 7200, and AgentPolicy default allows 3600 (spec.{rule})");
            assert_eq!(narrowed.map(|why| why.message), is_told.then_some(expected), "{rule}");
        }
    }
}

/// What an automation asks for stays in its tasks, so a policy that is widened while they wait gives them all of it.
#[test]
fn a_task_is_made_with_what_its_automation_asks_for() {
    let asks = changed("{activeDeadlineSeconds: 7200, waitingDeadlineSeconds: 7200, retry: {limit: 3}}");
    let world = world(vec![], |w| {
        w.put_policy(ruled(
            "{maxActiveDeadlineSeconds: 600, maxWaitingDeadlineSeconds: 600, maxRetries: 0}",
        ));
        w.put_automation(asks.clone());
    });
    let spec = crate::plan::automation::spec_for(&world, &asks, &due("one", "a", 0, None), at(0));
    let spec = spec.unwrap().unwrap();
    assert_eq!(
        (
            spec.active_deadline_seconds,
            spec.waiting_deadline_seconds,
            spec.retry.unwrap().limit
        ),
        (Some(7_200), Some(7_200), 3)
    );
}

/// Where a policy lets nothing start that is later, no time gets an object that could only expire.
#[test]
fn what_came_due_too_long_ago_is_missed() {
    let mut late = changed("{triggers: [{name: tick, schedule: {cron: '@hourly', missedRuns: All}}]}");
    late.status.get_or_insert_default().schedules = vec![ScheduleStatus {
        trigger: "tick".to_owned(),
        decided_through: at(-36_000),
        missed_through: None,
        collected_through: None,
    }];
    for (allowed, expected) in [(None, 10), (Some(7_300), 3)] {
        let world = world(vec![], |w| {
            w.put_policy(ceiling("maxStartingDeadlineSeconds", allowed));
            w.put_automation(late.clone());
        });
        let planned = crate::plan::automation::plan(&world, &key("one"), &Settings::default(), at(0));
        let made = planned
            .actions
            .iter()
            .filter(|action| matches!(action, Action::CreateTask(_)));
        assert_eq!(made.count(), expected, "{allowed:?}");
    }
}
