//! What follows an end in failure.

use jiff::SignedDuration;

use crate::api::task::{GitHubTask, TaskStatus};
use crate::plan::time::add;
use crate::plan::{automation as automations, retry, task as tasks};

use super::*;

fn ended(name: &str, phase: Phase, reason: Reason, state: &str, seconds: i64) -> AgentTask {
    let mut task = due("one", name, seconds - 60, None);
    task.spec.retry = Some(yaml("{limit: 2, backoff: 10m, ends: [Failed, TimedOut]}"));
    task.status = Some(TaskStatus {
        phase,
        reason: Some(reason),
        message: Some(format!("it says {}", reason.as_str())),
        started_at: Some(at(seconds - 30)),
        ended_at: Some(at(seconds)),
        task: Some(GitHubTask {
            id: format!("id-{name}"),
            state: state.to_owned(),
            ..GitHubTask::default()
        }),
        ..TaskStatus::default()
    });
    task
}

fn is_retry(world: &World, name: &str) -> String {
    let planned = tasks::plan(world, &key(name), &Settings::default(), at(0));
    match planned.actions.as_slice() {
        [Action::CreateTask(task)] => {
            let follows = task.spec.follows.as_ref().unwrap();
            format!("retry {} of {}", follows.retries, follows.name)
        }
        [Action::WriteTaskStatus(status)] if status.successor.is_some() => "names its retry".to_owned(),
        _ => "nothing".to_owned(),
    }
}

#[test]
fn which_ends_are_retried() {
    type Row = (&'static str, AgentTask, fn(&mut AgentTask), &'static str);
    let failed = || ended("a", Phase::Failed, Reason::SessionFailed, "failed", -5);
    let table: Vec<Row> = vec![
        ("it failed", failed(), |_| (), "retry 1 of a"),
        ("without terms", failed(), |t| t.spec.retry = None, "nothing"),
        (
            "it ran out of time at GitHub",
            ended("a", Phase::TimedOut, Reason::SessionTimedOut, "timed_out", -5),
            |_| (),
            "retry 1 of a",
        ),
        (
            "it passed a deadline here, and may go on",
            ended("a", Phase::TimedOut, Reason::ActiveDeadline, "in_progress", -5),
            |_| (),
            "nothing",
        ),
        (
            "it passed a deadline here, and has ended at GitHub since",
            ended("a", Phase::TimedOut, Reason::ActiveDeadline, "cancelled", -5),
            |_| (),
            "retry 1 of a",
        ),
        (
            "it passed a deadline here, and has failed at GitHub since",
            ended("a", Phase::TimedOut, Reason::ActiveDeadline, "failed", -5),
            |_| (),
            "retry 1 of a",
        ),
        (
            "it passed a deadline here, and has done its work since",
            ended("a", Phase::TimedOut, Reason::ActiveDeadline, "completed", -5),
            |_| (),
            "nothing",
        ),
        (
            "somebody cancelled it, which is not retried",
            ended("a", Phase::Cancelled, Reason::SessionCancelled, "cancelled", -5),
            |_| (),
            "nothing",
        ),
        (
            "GitHub refused to start it: no session ended",
            ended("a", Phase::Failed, Reason::StartRejected, "failed", -5),
            |t| t.status.as_mut().unwrap().task = None,
            "nothing",
        ),
        (
            "somebody has the agent go on with it",
            ended("a", Phase::Failed, Reason::SessionFailed, "in_progress", -5),
            |_| (),
            "nothing",
        ),
        (
            "it was the last retry",
            failed(),
            |t| t.spec.follows = yaml("{name: b, because: Retry, retries: 2}"),
            "nothing",
        ),
        (
            "it was the first of two retries",
            failed(),
            |t| t.spec.follows = yaml("{name: b, because: Retry, retries: 1}"),
            "retry 2 of a",
        ),
        (
            "its retry is named",
            failed(),
            |t| t.status.as_mut().unwrap().successor = Some("b".to_owned()),
            "nothing",
        ),
    ];
    for (what, mut task, change, expected) in table {
        change(&mut task);
        assert_eq!(is_retry(&world(vec![task], |_| ()), "a"), expected, "{what}");
    }
}

#[test]
fn a_retry_is_created_and_then_named_and_starts_after_its_backoff() {
    let mut world = world(
        vec![ended("a", Phase::Failed, Reason::SessionFailed, "failed", -5)],
        |_| (),
    );
    let planned = tasks::plan(&world, &key("a"), &Settings::default(), at(0));
    let [Action::CreateTask(retry)] = planned.actions.as_slice() else {
        panic!("{planned:?}")
    };
    let after = retry.spec.start_after.unwrap().duration_since(at(-5)).as_secs();
    assert!(
        (480..=720).contains(&after),
        "ten minutes and up to a fifth either way: {after}"
    );
    let mut retry = (**retry).clone();
    let mut other = due("one", retry.metadata.name.as_deref().unwrap(), -5, None);
    other.metadata.uid = Some("uid-other".to_owned());
    other.spec.automation.uid = String::new();
    let named = ObjectKey::of(&other);
    world.put_task(other);
    assert_eq!(
        is_retry(&world, "a"),
        "retry 1 of a",
        "what somebody gave its name is not it"
    );
    world.remove_task(&named, "uid-other");
    retry.metadata.uid = Some("uid-retry".to_owned());
    world.put_task(retry);
    assert_eq!(is_retry(&world, "a"), "names its retry");
}

#[test]
fn failures_in_a_row_and_what_ends_the_row() {
    type Row = (&'static str, Vec<AgentTask>, AgentAutomation, i32);
    let failed = |name: &str, seconds| ended(name, Phase::Failed, Reason::SessionFailed, "failed", seconds);
    let succeeded = |name: &str, seconds| ended(name, Phase::Succeeded, Reason::Completed, "completed", seconds);
    let status = |text: &str| {
        let mut automation = automation("one", 1);
        automation.status = Some(yaml(text));
        automation
    };
    let table: Vec<Row> = vec![
        ("none", vec![], automation("one", 1), 0),
        ("two", vec![failed("a", -20), failed("b", -10)], automation("one", 1), 2),
        (
            "a success between",
            vec![failed("a", -20), succeeded("s", -15), failed("b", -10)],
            automation("one", 1),
            1,
        ),
        (
            "a success that the history let go",
            vec![failed("a", -20), failed("b", -10)],
            status("{lastSuccessfulTime: '2026-11-22T05:59:45Z'}"),
            1,
        ),
        (
            "failures that the history let go",
            vec![failed("b", -10)],
            status("{collected: {failures: 3}}"),
            4,
        ),
        (
            "and a success after them",
            vec![succeeded("s", -15), failed("b", -10)],
            status("{collected: {failures: 3}}"),
            1,
        ),
        (
            "the spec changed",
            vec![failed("a", -20), failed("b", -10)],
            status("{observedGeneration: 7}"),
            0,
        ),
        (
            "it had changed before the last of them",
            vec![failed("a", -20), failed("b", -10)],
            status("{observedGeneration: 1, failures: {since: '2026-11-22T05:59:45Z'}}"),
            1,
        ),
        (
            "a person resumed it",
            vec![failed("a", -20), failed("b", -10)],
            {
                let mut automation = status("{observedGeneration: 1}");
                let asked = ("agentautomation.dev/resume".to_owned(), "again".to_owned());
                automation.metadata.annotations = Some([asked].into());
                automation
            },
            0,
        ),
        (
            "which was heeded before",
            vec![failed("a", -20), failed("b", -10)],
            {
                let mut automation =
                    status("{observedGeneration: 1, failures: {resumed: again, since: '2026-11-22T05:59:45Z'}}");
                let asked = ("agentautomation.dev/resume".to_owned(), "again".to_owned());
                automation.metadata.annotations = Some([asked].into());
                automation
            },
            1,
        ),
        (
            "a person gave up on it: no failure",
            vec![ended("a", Phase::Failed, Reason::Abandoned, "failed", -10)],
            automation("one", 1),
            0,
        ),
    ];
    for (what, tasks, automation, expected) in table {
        let world = world(tasks, |w| {
            w.put_automation(automation.clone());
        });
        let failures = retry::failures(&world, &automation, at(0));
        assert_eq!(failures.in_a_row, expected, "{what}");
    }
}

#[test]
fn an_automation_that_failed_too_often_stops_and_says_so() {
    let mut automation = changed("{failureThreshold: 2}");
    automation.metadata.generation = Some(1);
    let tasks = vec![
        ended("a", Phase::Failed, Reason::SessionFailed, "failed", -20),
        ended("b", Phase::TimedOut, Reason::ActiveDeadline, "in_progress", -10),
    ];
    let world = world(tasks, |w| {
        w.put_automation(automation.clone());
    });
    let standing = automations::standing(&world, &automation, at(0));
    assert_eq!(standing.why().reason, Reason::FailureThreshold);
    assert_eq!(
        automations::outlook(&world, &automation, at(7_200)).1,
        None,
        "its triggers do not fire"
    );
}

/// What a policy allows is asked again when there is something to retry.
#[test]
fn a_ceiling_of_retries_is_that_of_now() {
    let ceiling = |retries: Option<i32>| {
        let mut policy = policy(None);
        policy.spec.max_retries = retries;
        policy
    };
    for (retries, expected) in [(None, "retry 1 of a"), (Some(1), "retry 1 of a"), (Some(0), "nothing")] {
        let failed = ended("a", Phase::Failed, Reason::SessionFailed, "failed", -5);
        let world = world(vec![failed], |w| {
            w.put_policy(ceiling(retries));
        });
        assert_eq!(is_retry(&world, "a"), expected, "maxRetries {retries:?}");
    }
}

#[test]
fn a_deadline_passes_what_runs_and_not_what_has_ended_at_github() {
    for (state, expected) in [("in_progress", "TimedOut ActiveDeadline"), ("completed", "Observe")] {
        let mut task = ended("a", Phase::Running, Reason::InProgress, state, -5);
        task.spec.active_deadline_seconds = Some(30);
        let planned = tasks::plan(&world(vec![task], |_| ()), &key("a"), &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected, "{state}");
    }
}

#[test]
fn each_retry_has_as_long_to_start_as_the_first_start_had() {
    let mut task = ended("a", Phase::Failed, Reason::SessionFailed, "failed", 0);
    task.spec.start_before = Some(at(540));
    let retried = |task: AgentTask| -> AgentTask {
        let name = task.metadata.name.clone().unwrap();
        let world = world(vec![task], |_| ());
        let planned = tasks::plan(&world, &key(&name), &Settings::default(), at(0));
        let [Action::CreateTask(retry)] = planned.actions.as_slice() else {
            panic!("{planned:?}")
        };
        (**retry).clone()
    };
    let within = |task: &AgentTask| {
        let after = task.spec.start_after.unwrap();
        task.spec.start_before.unwrap().duration_since(after).as_secs()
    };
    let mut first = retried(task.clone());
    assert_eq!(within(&first), 600);
    first.metadata.uid = Some("uid-first".to_owned());
    first.status.clone_from(&task.status);
    let ended_at = first.spec.start_after;
    first.status.as_mut().unwrap().ended_at = ended_at;
    assert_eq!(within(&retried(first)), 600);
}

/// Past a deadline here it goes on at GitHub: the backoff is counted from when it ended there.
#[test]
fn a_backoff_begins_when_the_session_has_ended() {
    let mut late = ended("a", Phase::TimedOut, Reason::ActiveDeadline, "cancelled", -7_200);
    late.spec.start_before = Some(add(late.spec.trigger.scheduled_time, SignedDuration::from_mins(10)));
    let at_github = late.status.as_mut().unwrap().task.as_mut().unwrap();
    at_github.updated_at = Some(at(-5));
    let planned = tasks::plan(&world(vec![late], |_| ()), &key("a"), &Settings::default(), at(0));
    let [Action::CreateTask(retry)] = planned.actions.as_slice() else {
        panic!("{planned:?}")
    };
    let after = retry.spec.start_after.unwrap();
    assert!((475..=715).contains(&after.duration_since(at(0)).as_secs()), "{after}");
    assert_eq!(retry.spec.start_before, Some(add(after, SignedDuration::from_mins(10))));
}
