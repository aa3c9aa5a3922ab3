//! What is said of a task where it came from, and when.

use crate::api::automation::Report;
use crate::api::policy::TriggerKind;
use crate::api::task::{GitHubTask, Occurrence, ReportStatus};
use crate::plan::report::{self, Comment, Said, What, commented, labelled, marker, may_be_sent, trying};

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
    next_beside(task, None, seconds)
}

fn next_beside(task: &AgentTask, other: Option<AgentTask>, seconds: i64) -> Result<Said, String> {
    let world = world(other.into_iter().chain([task.clone()]).collect(), |_| {});
    let mut planned = Planned::default();
    report::plan(&world, task, at(seconds), &mut planned);
    match planned.actions.pop() {
        Some(Action::Report(said)) => Ok(*said),
        None => Err(decision(&planned)),
        Some(other) => panic!("{other:?}"),
    }
}

fn comment(task: &AgentTask, seconds: i64) -> Comment {
    match next(task, seconds).map(|said| said.what) {
        Ok(What::Comment(comment)) => comment,
        other => panic!("{other:?}"),
    }
}

/// The same in words.
fn told(next: Result<Said, String>) -> String {
    match next.map(|said| said.what) {
        Err(waits) => waits,
        Ok(What::Comment(Comment { look: true, .. })) => "look".to_owned(),
        Ok(What::Comment(Comment { id: Some(id), .. })) => format!("edit {id}"),
        Ok(What::Comment(_)) => "comment".to_owned(),
        Ok(What::Label { is_wanted: true, .. }) => "set label".to_owned(),
        Ok(What::Label { .. }) => "remove label".to_owned(),
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
        assert_eq!(comment(&task, 0).body, expected);
    }
}

#[test]
fn when_it_is_said() {
    let held = in_state(Phase::Held, Reason::AutomationCap, "1 of 1 tasks are under way");
    let no = || "403 no".to_owned();
    let first = comment(&asked(held.clone()), 0);
    let commented = |status: &TaskStatus| commented(status, &first, Ok(5), at(0));
    let refused = report::commented(&held, &first, Err(no()), at(0));
    let unlabelled = commented(&held);
    let known = labelled(&unlabelled, true, Ok(()));
    let then = |before: &TaskStatus, phase, reason| TaskStatus {
        report: before.report.clone(),
        ..in_state(phase, reason, "m")
    };
    let after = |phase, reason| then(&known, phase, reason);
    let ahead = TaskStatus {
        report: Some(ReportStatus {
            trying_since: Some(at(0)),
            labelled: true,
            ..ReportStatus::default()
        }),
        ..held.clone()
    };
    let label_refused = labelled(&unlabelled, true, Err(no()));
    let failed = after(Phase::Failed, Reason::SessionFailed);
    let retold = report::commented(&failed, &comment(&asked(failed.clone()), 1), Ok(5), at(1));
    let refused_at_the_end = labelled(&retold, false, Err(no()));
    let table = vec![
        ("nothing is said", held.clone(), 0, "comment"),
        ("it has its comment", unlabelled, 1, "set label"),
        ("it is said", known.clone(), 1, "wait"),
        (
            "another reason soon after",
            after(Phase::Held, Reason::PolicyCap),
            1,
            "wait 60s",
        ),
        (
            "another reason later",
            after(Phase::Held, Reason::PolicyCap),
            60,
            "edit 5",
        ),
        ("another phase", after(Phase::Running, Reason::InProgress), 1, "edit 5"),
        (
            "a start is on its way",
            after(Phase::Starting, Reason::Starting),
            1,
            "wait",
        ),
        ("it has ended", failed, 1, "edit 5"),
        ("that is said, and the label goes", retold, 1, "remove label"),
        ("an answer was lost", ahead.clone(), 74, "wait 75s"),
        ("it may be there by now", ahead, 75, "look"),
        (
            "it was not for it, and nobody was told of it",
            in_state(Phase::Skipped, Reason::NotWanted, "it changes none of its paths"),
            1,
            "wait",
        ),
        (
            "it was not for it after all",
            after(Phase::Skipped, Reason::NotWanted),
            1,
            "edit 5",
        ),
        ("GitHub refused the comment", refused.clone(), 600, "set label"),
        ("and took the label", labelled(&refused, true, Ok(())), 600, "wait"),
        ("GitHub refused the label", label_refused.clone(), 600, "wait"),
        (
            "it goes on without the label",
            then(&label_refused, Phase::Running, Reason::InProgress),
            600,
            "edit 5",
        ),
        ("it may not be removed", refused_at_the_end, 600, "wait"),
    ];
    for (what, status, seconds, expected) in table {
        assert_eq!(told(next(&asked(status), seconds)), expected, "{what}");
    }
    let mut by_schedule = asked(held);
    by_schedule.spec.trigger.event = None;
    assert_eq!(next(&by_schedule, 0), Err("wait".to_owned()));
}

#[test]
fn a_refusal_of_the_one_takes_nothing_from_the_other() {
    let held = in_state(Phase::Held, Reason::AutomationCap, "m");
    let first = comment(&asked(held.clone()), 0);
    let status = commented(&held, &first, Ok(5), at(0));
    let report = labelled(&status, true, Err("403 no".to_owned())).report.unwrap();
    assert_eq!((report.comment_id, report.refused), (Some(5), None));
    assert_eq!(report.label_refused.as_deref(), Some("403 no"));
    let status = labelled(&held, true, Ok(()));
    let report = commented(&status, &first, Err("403 no".to_owned()), at(0))
        .report
        .unwrap();
    assert_eq!((report.labelled, report.label_refused), (true, None));
    assert_eq!(report.refused.as_deref(), Some("403 no"));
}

/// The label is the issue's, and not the task's that set it.
#[test]
fn who_ends_last_removes_the_label() {
    let ended = in_state(Phase::Failed, Reason::SessionFailed, "m");
    let ended = commented(&ended, &comment(&asked(ended.clone()), 0), Ok(5), at(0));
    let task = asked(labelled(&ended, true, Ok(())));
    let beside = |phase, change: fn(&mut AgentTask)| {
        let mut other = asked(in_state(phase, Reason::InProgress, "m"));
        other.metadata.name = Some("fix-2".to_owned());
        other.metadata.uid = Some("uid-fix-2".to_owned());
        other.spec.automation.name = "two".to_owned();
        change(&mut other);
        Some(other)
    };
    let table = vec![
        ("it is alone", None, "remove label"),
        ("another is at work", beside(Phase::Running, |_| {}), "wait"),
        ("another waits", beside(Phase::Held, |_| {}), "wait"),
        (
            "another has just been made",
            beside(Phase::Pending, |other| other.status = None),
            "wait",
        ),
        (
            "of another namespace",
            beside(Phase::Running, |other| {
                other.metadata.namespace = Some("billing".to_owned());
            }),
            "wait",
        ),
        ("another has ended", beside(Phase::Succeeded, |_| {}), "remove label"),
        (
            "another sets another label",
            beside(Phase::Running, |other| {
                other.spec.report.as_mut().unwrap().label = Some("agent".to_owned());
            }),
            "remove label",
        ),
        (
            "another writes it otherwise",
            beside(Phase::Running, |other| {
                other.spec.report.as_mut().unwrap().label = Some("Agent-At-Work".to_owned());
            }),
            "wait",
        ),
        (
            "another sets none",
            beside(Phase::Running, |other| other.spec.report.as_mut().unwrap().label = None),
            "remove label",
        ),
        (
            "on another issue",
            beside(Phase::Running, |other| {
                other.spec.trigger.event.as_mut().unwrap().number = 43;
            }),
            "remove label",
        ),
        (
            "in another repository",
            beside(Phase::Running, |other| other.spec.repository = "acme/web".to_owned()),
            "remove label",
        ),
    ];
    for (what, other, expected) in table {
        assert_eq!(told(next_beside(&task, other, 60)), expected, "{what}");
    }
}

#[test]
fn nothing_is_tried_for_ever() {
    const HOUR: i64 = 3_600;
    let expired = TaskStatus {
        ended_at: Some(at(0)),
        ..in_state(Phase::Expired, Reason::OriginGone, "m")
    };
    let with_report = |status: &TaskStatus, report: ReportStatus| TaskStatus {
        report: Some(report),
        ..status.clone()
    };
    let trying_since = |seconds| ReportStatus {
        trying_since: Some(at(seconds)),
        ..ReportStatus::default()
    };
    let tried = |seconds| with_report(&expired, trying_since(seconds));
    let github = |state: &str, updated_at| -> GitHubTask {
        yaml(&format!(
            "{{id: id, shortId: id, state: {state}, updatedAt: '{}'}}",
            at(updated_at)
        ))
    };
    let labelled = ReportStatus {
        labelled: true,
        refused: Some("403".to_owned()),
        ..ReportStatus::default()
    };
    let finished = |state, updated_at| TaskStatus {
        phase: Phase::Succeeded,
        task: Some(github(state, updated_at)),
        ..with_report(&expired, labelled.clone())
    };
    let waiting = with_report(
        &in_state(Phase::Held, Reason::AutomationCap, "m"),
        trying_since(48 * HOUR),
    );
    let table = [
        ("it has just ended", expired.clone(), 0, "comment"),
        ("a day later", expired.clone(), 24 * HOUR, "wait"),
        ("a try soon after the end", tried(0), 74, "wait 75s"),
        ("a try an hour later", tried(HOUR), HOUR + 899, "wait 4500s"),
        ("and the next", tried(HOUR), HOUR + 900, "look"),
        ("a try much later", tried(20 * HOUR), 21 * HOUR, "look"),
        ("a day after the end", tried(20 * HOUR), 24 * HOUR, "wait"),
        ("a label is left", finished("completed", 0), 23 * HOUR, "remove label"),
        ("a day after the end", finished("completed", 0), 24 * HOUR, "wait"),
        (
            "it went on and ended again",
            finished("completed", 30 * HOUR),
            31 * HOUR,
            "remove label",
        ),
        ("what waits has no end", waiting, 49 * HOUR, "look"),
    ];
    for (what, status, seconds, expected) in table {
        let mut task = asked(status);
        task.metadata.creation_timestamp = Some(Time(at(0)));
        assert_eq!(told(next(&task, seconds)), expected, "{what}");
    }
}

/// A leader that was paused after its write ahead says nothing: the next one may have looked, and written its own.
#[test]
fn a_first_comment_is_sent_soon_after_the_write_ahead_of_it_or_not_at_all() {
    let ahead = trying(&TaskStatus::default(), at(0));
    for (seconds, may) in [(0, true), (44, true), (45, false), (3_600, false)] {
        assert_eq!(may_be_sent(&ahead, at(seconds)), may, "{seconds}");
    }
    assert!(!may_be_sent(&TaskStatus::default(), at(0)), "nothing was written ahead");
}
