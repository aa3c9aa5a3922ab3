//! The planner's decisions as tables: what is known, and what is decided, in words.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::automation::{ScheduleStatus, StartPolicy};
use crate::api::task::{Attempt, AttemptOutcome, Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, Reason};
use crate::domain::task_state::TaskState;

use super::observed::{ObservedTask, Refused, Search, StartOutcome};
use super::world::{Credential, SecretState};
use super::{Action, CredentialKey, ObjectKey, Planned, Settings, Subject, World, admission, search, start, task};

const NOW: &str = "2026-11-22T06:00:00Z";

fn at(seconds: i64) -> Timestamp {
    let now: Timestamp = NOW.parse().unwrap();
    Timestamp::from_second(now.as_second() + seconds).unwrap()
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

fn automation(name: &str, max_active: i32) -> AgentAutomation {
    let mut automation: AgentAutomation = yaml(&format!(
        "{{apiVersion: agentautomation.dev/v1alpha1, kind: AgentAutomation,
          metadata: {{name: {name}, namespace: payments, uid: uid-{name}, generation: 1}},
          spec: {{repository: acme/api, branches: {{base: main, allow: [main]}},
                  triggers: [{{name: tick, schedule: {{cron: '@hourly'}}}}], prompt: {{goal: Go.}},
                  concurrency: {{maxActive: {max_active}}}, credentials: {{secretRef: {{name: token}}}}}}}}"
    ));
    automation.metadata.creation_timestamp = Some(Time(at(-86_400)));
    automation
}

fn policy(max_active: Option<i32>) -> AgentPolicy {
    let mut policy: AgentPolicy = yaml(
        "{apiVersion: agentautomation.dev/v1alpha1, kind: AgentPolicy, metadata: {name: default},
          spec: {namespaces: [payments], repositories: ['acme/*'], baseBranches: [main], triggers: [Schedule]}}",
    );
    policy.spec.max_active = max_active;
    policy
}

/// A task of an automation, due so many seconds from now.
fn due(automation: &str, name: &str, seconds: i64, status: Option<TaskStatus>) -> AgentTask {
    let mut task: AgentTask = yaml(&format!(
        "{{apiVersion: agentautomation.dev/v1alpha1, kind: AgentTask,
          metadata: {{name: {name}, namespace: payments, uid: uid-{name}}},
          spec: {{automation: {{name: {automation}, uid: uid-{automation}, generation: 1}},
                  trigger: {{name: tick, kind: Schedule, scheduledTime: '{}'}}, repository: acme/api, baseBranch: main,
                  prompt: Go., templateDigest: '', secretRef: {{name: token}}}}}}",
        at(seconds)
    ));
    task.status = status;
    task
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a task may have no status")]
fn in_phase(phase: Phase) -> Option<TaskStatus> {
    Some(TaskStatus {
        phase,
        ..TaskStatus::default()
    })
}

/// Two automations with caps of 1 and 2, a policy with a cap of 3, and a credential that works.
fn world(tasks: Vec<AgentTask>, change: impl FnOnce(&mut World)) -> World {
    let mut world = World::default();
    world.put_automation(automation("one", 1));
    world.put_automation(automation("two", 2));
    world.put_policy(policy(Some(3)));
    for task in tasks {
        world.put_task(task);
    }
    for index in 0..3 {
        world.credentials.insert(credential(index), usable());
    }
    change(&mut world);
    world
}

/// GitHub asks for one write at a time for each credential, so tasks here have credentials of their own.
fn credential(index: usize) -> CredentialKey {
    let mut key = CredentialKey::of_automation(&automation("one", 1));
    if index > 0 {
        key.secret.name = format!("token-{index}");
    }
    key
}

fn with_credential(mut task: AgentTask, index: usize) -> AgentTask {
    task.spec.secret_ref = credential(index).secret;
    task
}

fn usable() -> Credential {
    Credential {
        secret: Some(SecretState::Present {
            resource_version: "7".to_owned(),
        }),
        read_at: Some(at(0)),
        ..Credential::default()
    }
}

fn words(planned: &[(Subject, Planned)]) -> Vec<String> {
    planned
        .iter()
        .map(|(subject, planned)| format!("{}: {}", name(subject), decision(planned)))
        .collect()
}

fn name(subject: &Subject) -> &str {
    match subject {
        Subject::Task(key) => &key.name,
        _ => "?",
    }
}

fn decision(planned: &Planned) -> String {
    match planned.actions.as_slice() {
        [Action::Start] => "Start".to_owned(),
        [Action::Search] => "Search".to_owned(),
        [Action::WriteTaskStatus(status)] => said(status),
        [] => planned.wake.map_or("wait".to_owned(), |wake| {
            format!("wait {}s", wake.duration_since(at(0)).as_secs())
        }),
        other => format!("{other:?}"),
    }
}

fn said(status: &TaskStatus) -> String {
    format!("{:?} {}", status.phase, status.reason.map_or("", Reason::as_str))
}

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
            |w| w.remove_policy("default"),
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
            |w| w.remove_automation(&ObjectKey::new("payments", "one")),
            &["a: Held AutomationGone"],
        ),
        (
            "an earlier leader may still write ahead",
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
            words(&admission::plan(&world(tasks, change), at(0))),
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
    let planned = admission::plan(&world, at(0));
    let [Action::WriteTaskStatus(held)] = planned[0].1.actions.as_slice() else {
        panic!("{planned:?}")
    };
    world.put_task(due("one", "a", 0, Some((**held).clone())));
    assert_eq!(words(&admission::plan(&world, at(1))), ["a: wait"]);
}

fn collected(through: Timestamp) -> AgentAutomation {
    let mut automation = automation("one", 1);
    automation.status.get_or_insert_default().schedules = vec![ScheduleStatus {
        trigger: "tick".to_owned(),
        decided_through: at(0),
        collected_through: Some(through),
    }];
    automation
}

fn deadline(mut task: AgentTask, time: Timestamp) -> AgentTask {
    task.spec.start_before = Some(time);
    task
}

fn written_ahead() -> TaskStatus {
    start::write_ahead(&due("one", "a", 0, None), "me", &Settings::default(), at(0))
}

fn observed(id: &str, prompt: &str) -> ObservedTask {
    ObservedTask {
        id: id.to_owned(),
        url: None,
        state: TaskState::Queued,
        updated_at: None,
        branch: None,
        pull_request: None,
        failure: None,
        usage: None,
        prompts: vec![prompt.to_owned()],
    }
}

#[test]
fn what_the_outcome_of_a_start_means() {
    let refused = |reason, not_before| {
        StartOutcome::Refused(Refused {
            reason,
            message: "no".to_owned(),
            not_before,
        })
    };
    let table = [
        (
            StartOutcome::Created(Box::new(observed("t1", ""))),
            "Running InProgress",
            Some(AttemptOutcome::Created),
            None,
        ),
        (
            refused(Reason::StartRejected, None),
            "Failed StartRejected",
            Some(AttemptOutcome::Refused),
            None,
        ),
        (
            refused(Reason::RepositoryMoved, None),
            "Failed RepositoryMoved",
            Some(AttemptOutcome::Refused),
            None,
        ),
        (
            refused(Reason::CredentialRejected, None),
            "Held CredentialRejected",
            Some(AttemptOutcome::Refused),
            Some(at(2)),
        ),
        (
            refused(Reason::PermissionDenied, None),
            "Held PermissionDenied",
            Some(AttemptOutcome::Refused),
            Some(at(32)),
        ),
        (
            refused(Reason::RepositoryNotFound, None),
            "Held RepositoryNotFound",
            Some(AttemptOutcome::Refused),
            Some(at(32)),
        ),
        (
            refused(Reason::RateLimited, Some(at(90))),
            "Held RateLimited",
            Some(AttemptOutcome::Refused),
            Some(at(90)),
        ),
        (
            StartOutcome::NotSent("refused".to_owned()),
            "Held NotSent",
            Some(AttemptOutcome::NotSent),
            Some(at(3)),
        ),
        (
            StartOutcome::Unknown("reset".to_owned()),
            "Unknown AnswerLost",
            Some(AttemptOutcome::Unknown),
            None,
        ),
    ];
    for (outcome, expected, attempt, not_before) in table {
        let status = start::conclude(&written_ahead(), 1, &outcome, at(2));
        let got = (said(&status), status.attempts[0].outcome, status.not_before);
        assert_eq!(got, (expected.to_owned(), attempt, not_before), "{outcome:?}");
    }
}

#[test]
fn each_attempt_has_a_marker_of_its_own_and_it_is_the_prompts_last_line() {
    let first = written_ahead();
    let lost = start::conclude(&first, 1, &StartOutcome::NotSent("refused".to_owned()), at(1));
    let second = start::write_ahead(&due("one", "a", 0, Some(lost)), "me", &Settings::default(), at(5));
    let attempts: &[Attempt] = &second.attempts;
    assert_eq!([attempts[0].number, attempts[1].number], [1, 2]);
    assert_ne!(attempts[0].marker, attempts[1].marker);
    let prompt = start::prompt(&due("one", "a", 0, None), &attempts[1]);
    assert_eq!(prompt.lines().last(), Some(attempts[1].marker.as_str()));
}

#[test]
fn nobody_concludes_before_the_deadline() {
    let settings = Settings::default();
    let table = [(14, "wait 15s"), (15, "Unknown AnswerLost")];
    for (now, expected) in table {
        let world = world(vec![due("one", "a", 0, Some(written_ahead()))], |_| ());
        let planned = task::plan(&world, &ObjectKey::new("payments", "a"), &settings, at(now));
        assert_eq!(decision(&planned), expected, "after {now} s");
    }
}

#[test]
fn what_a_search_for_a_lost_task_means() {
    use StartPolicy::{AtLeastOnce, AtMostOnce};
    let lost = start::conclude(&written_ahead(), 1, &StartOutcome::Unknown("reset".to_owned()), at(1));
    let ours = observed("t1", &format!("Go.\n{}\n", lost.attempts[0].marker));
    let also = observed("t2", &format!("Go.\n{}\n", lost.attempts[0].marker));
    let search = |began: i64, whole: bool, matches: &[&ObservedTask]| {
        Some(Search {
            began: at(began),
            whole,
            matches: matches.iter().map(|task| (*task).clone()).collect(),
        })
    };
    // The attempt's deadline is at 15 s, the visibility window ends at 75 s.
    let table = [
        ("not looked yet", AtMostOnce, None, 1, "Search"),
        ("one match", AtMostOnce, search(2, true, &[&ours]), 2, "Running Adopted"),
        (
            "one match of a part",
            AtMostOnce,
            search(2, false, &[&ours]),
            2,
            "Running Adopted",
        ),
        (
            "two matches",
            AtMostOnce,
            search(2, true, &[&ours, &also]),
            2,
            "Unknown Ambiguous",
        ),
        ("none yet", AtMostOnce, search(2, true, &[]), 2, "wait 7s"),
        (
            "none yet, and it is time",
            AtMostOnce,
            search(2, true, &[]),
            7,
            "Search",
        ),
        (
            "none, just before the window ends",
            AtMostOnce,
            search(74, true, &[]),
            74,
            "wait 75s",
        ),
        (
            "none, and it was begun before the end",
            AtMostOnce,
            search(74, true, &[]),
            80,
            "Search",
        ),
        (
            "none when the window had ended",
            AtMostOnce,
            search(75, true, &[]),
            75,
            "Unknown NotFoundAtGitHub",
        ),
        ("none of a part", AtMostOnce, search(75, false, &[]), 75, "wait 80s"),
        (
            "none, and again is allowed",
            AtLeastOnce,
            search(75, true, &[]),
            75,
            "Held NotFoundAtGitHub",
        ),
    ];
    for (what, policy, search, now, expected) in table {
        let planned = search::plan(&lost, policy, search.as_ref(), &Settings::default(), at(now));
        assert_eq!(decision(&planned), expected, "{what}");
    }
}

#[test]
fn only_a_whole_line_is_a_marker() {
    let marker = "agentautomation.dev/attempt: uid-a.1";
    let table = [
        (format!("Go.\n{marker}\n"), true),
        (format!("Go.\n{marker}"), true),
        (format!("Go.\n{marker}1\n"), false),
        (format!("See {marker}\n"), false),
        ("Go.".to_owned(), false),
    ];
    for (prompt, expected) in table {
        assert_eq!(search::carries(&observed("t", &prompt), marker), expected, "{prompt:?}");
    }
}

#[test]
fn a_person_resolves_what_is_parked() {
    let parked = TaskStatus {
        reason: Some(Reason::NotFoundAtGitHub),
        ..start::conclude(&written_ahead(), 1, &StartOutcome::Unknown("reset".to_owned()), at(1))
    };
    let table: [(&[(&str, &str)], &str); 5] = [
        (&[], "wait"),
        (&[("agentautomation.dev/adopt", "t9")], "Running Adopted"),
        (&[("agentautomation.dev/adopt", " ")], "wait"),
        (&[("agentautomation.dev/abandon", "was a test")], "Failed Abandoned"),
        (
            &[
                ("agentautomation.dev/adopt", ""),
                ("agentautomation.dev/abandon", "was a test"),
            ],
            "Failed Abandoned",
        ),
    ];
    for (annotations, expected) in table {
        let mut object = due("one", "a", 0, Some(parked.clone()));
        let pairs = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        object.metadata.annotations = Some(pairs.collect());
        let world = world(vec![object], |_| ());
        let planned = task::plan(&world, &ObjectKey::new("payments", "a"), &Settings::default(), at(100));
        assert_eq!(decision(&planned), expected, "{annotations:?}");
    }
}

#[test]
fn an_older_observation_changes_nothing_and_a_decided_end_stays() {
    let mut running = start::conclude(
        &written_ahead(),
        1,
        &StartOutcome::Created(Box::new(observed("t1", ""))),
        at(2),
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
        super::world::counts(&due("one", "a", 0, Some(again))),
        "it counts again"
    );
}

#[test]
fn details_that_lag_behind_the_list_are_not_asked_for_in_a_loop() {
    let mut running = start::conclude(
        &written_ahead(),
        1,
        &StartOutcome::Created(Box::new(observed("t1", ""))),
        at(2),
    );
    running.task.as_mut().unwrap().updated_at = Some(at(10));
    let table = [
        (None, 0, "Observe"),
        (Some(at(20)), 0, "wait 25s"),
        (Some(at(15)), 0, "Observe"),
        (Some(at(15)), 60, "wait 60s"),
    ];
    for (observed_at, limited, expected) in table {
        let world = world(vec![due("one", "a", 0, Some(running.clone()))], |world| {
            let facts = world.facts.entry(ObjectKey::new("payments", "a")).or_default();
            facts.observed_at = observed_at;
            facts.listed = Some(super::observed::ListedTask {
                id: "t1".to_owned(),
                state: TaskState::InProgress,
                updated_at: Some(at(19)),
            });
            world.credentials.get_mut(&credential(0)).unwrap().limited_until = Some(at(limited));
        });
        let planned = task::plan(&world, &ObjectKey::new("payments", "a"), &Settings::default(), at(20));
        let decided = match planned.actions.as_slice() {
            [Action::Observe { .. }] => "Observe".to_owned(),
            _ => decision(&planned),
        };
        assert_eq!(decided, expected, "{observed_at:?} {limited}");
    }
}
