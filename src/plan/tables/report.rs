//! What is said of a task where it came from, and when.

use crate::api::automation::Report;
use crate::api::policy::TriggerKind;
use crate::api::task::{GitHubTask, Occurrence, ReportStatus};
use crate::plan::report::{self, Said, marker, told};

use super::*;

fn asked(status: TaskStatus) -> AgentTask {
    let mut task = due("one", "fix-1", -60, Some(status));
    task.spec.trigger.kind = TriggerKind::Issue;
    task.spec.trigger.event = Some(Box::new(Occurrence {
        number: 42,
        ..Occurrence::default()
    }));
    task.spec.requester = Some("alice".to_owned());
    task.spec.report = Some(Report {
        comment: true,
        label: Some("agent-at-work".to_owned()),
    });
    task
}

fn in_state(phase: Phase, reason: Reason, message: &str) -> TaskStatus {
    TaskStatus {
        phase,
        reason: Some(reason),
        message: Some(message.to_owned()),
        ..TaskStatus::default()
    }
}

/// What is to be said now, or when it is.
fn next(task: &AgentTask, seconds: i64) -> Result<Said, String> {
    let world = world(vec![task.clone()], |_| {});
    let mut planned = Planned::default();
    report::plan(&world, task, at(seconds), &mut planned);
    match planned.actions.pop() {
        Some(Action::Report(said)) => Ok(*said),
        None => Err(decision(&planned)),
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn what_a_comment_says() {
    let github: GitHubTask =
        yaml("{id: id, shortId: id, state: in_progress, url: 'https://github.com/copilot/tasks/id'}");
    let running = TaskStatus {
        task: Some(github),
        ..in_state(Phase::Running, Reason::InProgress, "GitHub says in_progress")
    };
    let finished = TaskStatus {
        pull_request: Some(yaml(
            "{id: 7, number: 9, url: 'https://github.com/acme/api/pull/9', state: open}",
        )),
        ..in_state(Phase::Succeeded, Reason::Completed, "the agent has finished")
    };
    let by = "Task `fix-1` of the automation `one`, asked for by `alice`.";
    let table = [
        (
            in_state(Phase::Held, Reason::AutomationCap, "1 of 1 tasks are under way"),
            "**Queued**\n\n`AutomationCap: 1 of 1 tasks are under way`",
        ),
        (running, "**At work**\n\nhttps://github.com/copilot/tasks/id"),
        (
            finished,
            "**Finished**\n\n`Completed: the agent has finished`\n\nPull request: https://github.com/acme/api/pull/9",
        ),
        (
            in_state(
                Phase::Skipped,
                Reason::Duplicate,
                "task fix-0 has the same key (a) and is under way",
            ),
            "**Skipped**\n\n`Duplicate: task fix-0 has the same key (a) and is under way`",
        ),
        (
            in_state(
                Phase::Failed,
                Reason::SessionFailed,
                "@everyone `rm`\n<!-- x -->fixes #1\u{202e}",
            ),
            "**Failed**\n\n`SessionFailed: @everyone 'rm' fixes #1`",
        ),
    ];
    for (status, expected) in table {
        let task = asked(status);
        let expected = format!("{expected}\n\n{by}\n\n{}", marker(&task));
        assert_eq!(next(&task, 0).unwrap().body.unwrap(), expected);
    }
}

#[test]
fn when_it_is_said() {
    let held = in_state(Phase::Held, Reason::AutomationCap, "1 of 1 tasks are under way");
    let task = asked(held.clone());
    let first = next(&task, 0).unwrap();
    assert_eq!(
        (first.comment, first.look, first.label.clone()),
        (None, false, Some(("agent-at-work".to_owned(), true)))
    );
    let done = |said: &Said, status: &TaskStatus| told(status, said, Ok(Some(5)), at(0));
    let known = done(&first, &held);
    let after = |phase, reason, message: &str| TaskStatus {
        report: known.report.clone(),
        ..in_state(phase, reason, message)
    };
    let ahead = TaskStatus {
        report: Some(ReportStatus {
            trying_since: Some(at(0)),
            ..ReportStatus::default()
        }),
        ..held.clone()
    };
    let refused = told(&held, &first, Err("403".to_owned()), at(0));
    let table = [
        ("it is said", known.clone(), 1, "wait"),
        (
            "another reason soon after",
            after(Phase::Held, Reason::PolicyCap, "m"),
            1,
            "wait 60s",
        ),
        (
            "another reason later",
            after(Phase::Held, Reason::PolicyCap, "m"),
            60,
            "edit 5",
        ),
        (
            "another phase",
            after(Phase::Running, Reason::InProgress, "m"),
            1,
            "edit 5",
        ),
        (
            "a start is on its way",
            after(Phase::Starting, Reason::Starting, "m"),
            1,
            "wait",
        ),
        (
            "it has ended, and the label goes",
            after(Phase::Failed, Reason::SessionFailed, "m"),
            1,
            "edit 5, no label",
        ),
        ("an answer was lost", ahead.clone(), 74, "wait 75s"),
        ("it may be there by now", ahead, 75, "look"),
        ("GitHub refused", refused, 600, "wait"),
    ];
    for (what, status, seconds, expected) in table {
        let said = match next(&asked(status), seconds) {
            Err(waits) => waits,
            Ok(Said { look: true, .. }) => "look".to_owned(),
            Ok(said) => {
                let label = said.label.filter(|(_, there)| !there).map_or("", |_| ", no label");
                format!("edit {}{label}", said.comment.unwrap())
            }
        };
        assert_eq!(said, expected, "{what}");
    }
    let mut by_schedule = asked(held);
    by_schedule.spec.trigger.event = None;
    assert_eq!(next(&by_schedule, 0), Err("wait".to_owned()));
}
