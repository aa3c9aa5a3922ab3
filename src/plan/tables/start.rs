//! What a start comes to: its outcome, the look for a lost one, and what a person says.

use crate::api::automation::StartPolicy;
use crate::api::task::{Attempt, AttemptOutcome, GitHubTask};
use crate::plan::intervention::{not_there, taken};
use crate::plan::observed::{Refused, Search};
use crate::plan::{search, start, task};

use super::*;

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
        let status = concluded(&written_ahead(), &outcome, 2);
        let got = (said(&status), status.attempts[0].outcome, status.not_before);
        assert_eq!(got, (expected.to_owned(), attempt, not_before), "{outcome:?}");
    }
}

#[test]
fn each_attempt_has_a_marker_of_its_own_and_it_is_the_prompts_last_line() {
    let first = written_ahead();
    let lost = concluded(&first, &StartOutcome::NotSent("refused".to_owned()), 1);
    let second = start::write_ahead(
        &due("one", "a", 0, Some(lost)),
        &Admitted::default(),
        "me",
        &Settings::default(),
        at(5),
    );
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
        let planned = task::plan(&world, &key("a"), &settings, at(now));
        assert_eq!(decision(&planned), expected, "after {now} s");
    }
}

#[test]
fn what_a_search_for_a_lost_task_means() {
    use StartPolicy::{AtLeastOnce, AtMostOnce};
    let lost = concluded(&written_ahead(), &StartOutcome::Unknown("reset".to_owned()), 1);
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

fn settled_by_word(status: &TaskStatus) -> Vec<Attempt> {
    let mut status = status.clone();
    start::settle(&mut status, 1, AttemptOutcome::Adopted, Some("a person named it"));
    status.attempts
}

#[test]
fn a_person_resolves_what_is_parked() {
    let parked = TaskStatus {
        reason: Some(Reason::NotFoundAtGitHub),
        ..concluded(&written_ahead(), &StartOutcome::Unknown("reset".to_owned()), 1)
    };
    let table: [(&[(&str, &str)], &str); 7] = [
        (&[], "wait"),
        (&[("agentautomation.dev/adopt", "t9")], "Running Adopted"),
        (&[("agentautomation.dev/adopt", " ")], "wait"),
        (&[("agentautomation.dev/adopt", "tasks/t9")], "Unknown NotFoundAtGitHub"),
        (
            &[
                ("agentautomation.dev/adopt", "tasks/t9"),
                ("agentautomation.dev/abandon", "was a test"),
            ],
            "Failed Abandoned",
        ),
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
        let names = ["adopt-by", "abandon-by"].map(|name| (format!("agentautomation.dev/{name}"), name.to_owned()));
        object.metadata.annotations = Some(pairs.chain(names).collect());
        let world = world(vec![object], |_| ());
        let planned = task::plan(&world, &key("a"), &Settings::default(), at(100));
        assert_eq!(decision(&planned), expected, "{annotations:?}");
        let by = match planned.actions.as_slice() {
            [Action::WriteTaskStatus(status)] => status.interventions.iter().map(|done| done.by.as_str()).collect(),
            _ => vec![],
        };
        let signed = match expected {
            "Running Adopted" => vec!["adopt-by"],
            "Failed Abandoned" => vec!["abandon-by"],
            _ => vec![],
        };
        assert_eq!(by, signed, "{annotations:?}");
    }
}

#[test]
fn what_can_be_no_id_is_told_for_as_long_as_it_is_written() {
    let advice =
        |id: &str| format!("\"{id}\" is no task's id: write the last part of the address of its page, and no more");
    let lost = concluded(&written_ahead(), &StartOutcome::Unknown("reset".to_owned()), 1);
    let named = TaskStatus {
        phase: Phase::Running,
        reason: Some(Reason::Adopted),
        attempts: settled_by_word(&lost),
        task: Some(GitHubTask {
            id: "t8".to_owned(),
            state: "queued".to_owned(),
            ..GitHubTask::default()
        }),
        ..lost.clone()
    };
    let found = TaskStatus {
        reason: Some(Reason::InProgress),
        ..named.clone()
    };
    let ended = TaskStatus {
        phase: Phase::Failed,
        reason: Some(Reason::Abandoned),
        ..lost.clone()
    };
    let table = [
        (&lost, None, Some("two words"), Some(Some(advice("two words")))),
        (&lost, Some(advice("two words")), Some("two words"), None),
        (
            &lost,
            Some(advice("two words")),
            Some("tasks/t9"),
            Some(Some(advice("tasks/t9"))),
        ),
        (&lost, Some(advice("tasks/t9")), Some(""), Some(None)),
        (&lost, Some(advice("tasks/t9")), None, Some(None)),
        (&lost, Some(advice("tasks/t9")), Some("t9"), Some(None)),
        (&lost, None, None, None),
        (&found, Some(advice("tasks/t9")), Some("tasks/t9"), None),
        (&found, Some(advice("tasks/t9")), Some("t9"), Some(None)),
        (&found, Some(advice("tasks/t9")), None, Some(None)),
        (&ended, Some(advice("tasks/t9")), Some("tasks/t9"), Some(None)),
        (&named, None, Some("tasks/t9"), Some(Some(advice("tasks/t9")))),
        (&named, Some(advice("tasks/t9")), Some("t8"), Some(None)),
    ];
    for (status, before, written, expected) in table {
        let what = format!("{before:?} {written:?}");
        let mut status = status.clone();
        status.adopt_refused = before;
        let mut object = due("one", "a", 0, Some(status));
        let written = written.map(|id| ("agentautomation.dev/adopt".to_owned(), id.to_owned()));
        object.metadata.annotations = Some(written.into_iter().collect());
        let world = world(vec![object], |_| ());
        let planned = task::plan(&world, &key("a"), &Settings::default(), at(1));
        let told = match planned.actions.as_slice() {
            [Action::WriteTaskStatus(status)] => Some(status.adopt_refused.clone()),
            _ => None,
        };
        assert_eq!(told, expected, "{what}");
    }
}

/// Counted twice it would take two places of a cap, and two windows' credits.
/// That an id counts for nothing is told for as long as it stands there, whatever has shown the task's own meanwhile.
#[test]
fn a_refusal_is_told_until_what_was_named_is_gone() {
    let lost = concluded(&written_ahead(), &StartOutcome::Unknown("reset".to_owned()), 1);
    let mut found = lost.clone();
    start::adopt(
        &mut found,
        &observed("t1", ""),
        Reason::Adopted,
        "its marker was found".to_owned(),
        at(1),
    );
    found.adopt_refused = Some(
        "task t9 at GitHub is that of payments/b, and can't be counted twice: write another id, or abandon b"
            .to_owned(),
    );
    let others = TaskStatus {
        task: Some(GitHubTask {
            id: "t9".to_owned(),
            ..GitHubTask::default()
        }),
        ..in_phase(Phase::Running).unwrap()
    };
    for (text, is_told) in [(Some("t9"), true), (Some("t1"), false), (None, false)] {
        let mut task = due("one", "a", 0, Some(found.clone()));
        let adopt = text.map(|text| ("agentautomation.dev/adopt".to_owned(), text.to_owned()));
        task.metadata.annotations = Some(adopt.into_iter().collect());
        let world = world(vec![task, due("one", "b", 0, Some(others.clone()))], |_| ());
        let planned = task::plan(&world, &key("a"), &Settings::default(), at(1));
        let cleared =
            matches!(planned.actions.as_slice(), [Action::WriteTaskStatus(status)] if status.adopt_refused.is_none());
        assert_eq!(cleared, !is_told, "{text:?}: {planned:?}");
    }
}

/// Two tasks that are told of one at the same moment: the older takes it, and the other says whose it is.
#[test]
fn of_two_that_are_told_of_one_task_the_older_takes_it() {
    let lost = concluded(&written_ahead(), &StartOutcome::Unknown("reset".to_owned()), 1);
    let told = |name: &str, seconds| {
        let mut task = due("one", name, 0, Some(lost.clone()));
        task.metadata.creation_timestamp = Some(Time(at(seconds)));
        task.metadata.annotations = Some([("agentautomation.dev/adopt".to_owned(), "t9".to_owned())].into());
        task
    };
    let named = |id: &str| TaskStatus {
        phase: Phase::Running,
        reason: Some(Reason::Adopted),
        task: Some(GitHubTask {
            id: id.to_owned(),
            ..GitHubTask::default()
        }),
        attempts: settled_by_word(&lost),
        ..lost.clone()
    };
    let refused = |by: &str| {
        format!(
            "task t9 at GitHub is that of payments/{by}, and can't be counted twice: write another id, or abandon {by}"
        )
    };
    let with = |status: TaskStatus, mut task: AgentTask| {
        task.status = Some(status);
        task
    };
    let elsewhere = |mut task: AgentTask| {
        task.spec.repository = "acme/web".to_owned();
        task
    };
    let adopts = || "Running Adopted".to_owned();
    let table = vec![
        ("both wait", told("a", -10), told("b", -20), refused("b"), adopts()),
        (
            "the older corrects what it was told",
            told("a", -10),
            with(named("t1"), told("b", -20)),
            refused("b"),
            adopts(),
        ),
        (
            "the younger has it already",
            with(named("t9"), told("a", -10)),
            told("b", -20),
            "nothing".to_owned(),
            refused("a"),
        ),
        (
            "the older works in another repository",
            told("a", -10),
            elsewhere(told("b", -20)),
            adopts(),
            adopts(),
        ),
    ];
    for (what, younger, older, of_younger, of_older) in table {
        let world = world(vec![younger, older], |_| ());
        let said = |name: &str| {
            let planned = task::plan(&world, &key(name), &Settings::default(), at(1));
            let written = planned.actions.iter().find_map(|action| match action {
                Action::WriteTaskStatus(status) => Some(status),
                _ => None,
            });
            written.map_or_else(
                || "nothing".to_owned(),
                |status| status.adopt_refused.clone().unwrap_or_else(|| decision(&planned)),
            )
        };
        assert_eq!((said("a"), said("b")), (of_younger, of_older), "{what}");
    }
}

#[test]
fn a_task_at_github_is_one_task_s_own() {
    let lost = concluded(&written_ahead(), &StartOutcome::Unknown("reset".to_owned()), 1);
    let named = |phase, reason| TaskStatus {
        phase,
        reason: Some(reason),
        task: Some(GitHubTask {
            id: "t9".to_owned(),
            state: "queued".to_owned(),
            ..GitHubTask::default()
        }),
        ..lost.clone()
    };
    let by_word = TaskStatus {
        attempts: settled_by_word(&lost),
        ..named(Phase::Running, Reason::Adopted)
    };
    let mut seen = by_word.clone();
    seen.task.as_mut().unwrap().updated_at = Some(at(1));
    let advice = "task t9 at GitHub is that of payments/b, and can't be counted twice: write another id, or abandon b";
    let table = [
        (&lost, named(Phase::Running, Reason::InProgress), None, Err(advice)),
        (&lost, named(Phase::Succeeded, Reason::Completed), None, Err(advice)),
        (
            &lost,
            named(Phase::Failed, Reason::Abandoned),
            None,
            Ok("Running Adopted"),
        ),
        (&lost, lost.clone(), None, Ok("Running Adopted")),
        // GitHub has shown it, and a marker has shown meanwhile whose it is.
        (&seen, named(Phase::Running, Reason::Adopted), None, Err(advice)),
        (
            &seen,
            named(Phase::Running, Reason::Adopted),
            Some("it was b's"),
            Ok("Failed Abandoned"),
        ),
        // Both were named before anybody saw it; whoever gives one of them up is heard.
        (&by_word, named(Phase::Running, Reason::Adopted), None, Err(advice)),
        (
            &by_word,
            named(Phase::Running, Reason::Adopted),
            Some("it was b's"),
            Ok("Failed Abandoned"),
        ),
    ];
    for (status, other, abandon, expected) in table {
        let mut object = due("one", "a", 0, Some(status.clone()));
        let abandon = abandon.map(|why| ("agentautomation.dev/abandon".to_owned(), why.to_owned()));
        let adopt = ("agentautomation.dev/adopt".to_owned(), "t9".to_owned());
        object.metadata.annotations = Some(abandon.into_iter().chain([adopt]).collect());
        let what = format!("{} {}", said(status), said(&other));
        let world = world(vec![object, due("one", "b", 0, Some(other))], |_| ());
        let planned = task::plan(&world, &key("a"), &Settings::default(), at(1));
        let told = match planned.actions.as_slice() {
            [Action::WriteTaskStatus(status)] => status
                .adopt_refused
                .as_deref()
                .map_or_else(|| Ok(decision(&planned)), Err),
            _ => Ok(decision(&planned)),
        };
        assert_eq!(told, expected.map(str::to_owned), "{what}");
        if told.is_err() {
            assert!(planned.wake.is_some(), "nobody else tells when b is given up: {what}");
        }
    }
}

/// A search that passes over a task tells that none has the marker, and with `AtLeastOnce` it is started again.
#[test]
fn what_a_person_named_is_looked_at_all_the_same() {
    let task = |name: &str, outcome, message: Option<&str>| {
        let mut status = concluded(
            &written_ahead(),
            &StartOutcome::Created(Box::new(observed(name, ""))),
            1,
        );
        start::settle(&mut status, 1, outcome, message);
        due("one", name, 0, Some(status))
    };
    let tasks = vec![
        task("sent", AttemptOutcome::Created, None),
        task("marked", AttemptOutcome::Adopted, None),
        task("named", AttemptOutcome::Adopted, Some("a person named it")),
    ];
    let world = world(tasks, |_| ());
    let taken = taken(&world, &key("a"));
    assert_eq!(taken.iter().collect::<Vec<_>>(), ["marked", "sent"]);
}

#[test]
fn a_person_corrects_what_was_named_and_is_not_there() {
    let lost = concluded(&written_ahead(), &StartOutcome::Unknown("reset".to_owned()), 1);
    let named = TaskStatus {
        phase: Phase::Running,
        reason: Some(Reason::Adopted),
        attempts: settled_by_word(&lost),
        task: Some(GitHubTask {
            id: "wrong".to_owned(),
            state: "queued".to_owned(),
            ..GitHubTask::default()
        }),
        ..lost
    };
    let mut seen = named.clone();
    seen.task.as_mut().unwrap().updated_at = Some(at(5));
    let table: [(&TaskStatus, &str, &str, &str); 5] = [
        (&named, "agentautomation.dev/adopt", "wrong", "Observe"),
        (&named, "agentautomation.dev/adopt", "right", "Running Adopted"),
        (
            &named,
            "agentautomation.dev/abandon",
            "nobody knows it",
            "Failed Abandoned",
        ),
        (&named, "agentautomation.dev/other", "", "Observe"),
        (&seen, "agentautomation.dev/adopt", "right", "Observe"),
    ];
    for (status, annotation, value, expected) in table {
        let mut object = due("one", "a", 0, Some(status.clone()));
        object.metadata.annotations = Some([(annotation.to_owned(), value.to_owned())].into());
        let world = world(vec![object], |_| ());
        let planned = task::plan(&world, &key("a"), &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected, "{annotation} {value}");
    }
    let told = not_there(&named).unwrap();
    let message = told.message.clone().unwrap();
    assert!(
        message.contains("GitHub has none of that id: set the annotation"),
        "{message}"
    );
    assert_eq!(not_there(&told), None, "it is told once");
    // What was named before may be given up after that, wrong or right.
    for (status, expected) in [
        (&named, "Failed Abandoned"),
        (&told, "Failed Abandoned"),
        (&seen, "Failed Abandoned"),
    ] {
        let mut object = due("one", "a", 0, Some(status.clone()));
        let said = [
            ("agentautomation.dev/adopt", "wrong"),
            ("agentautomation.dev/abandon", ""),
        ];
        object.metadata.annotations = Some(said.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let world = world(vec![object], |_| ());
        let planned = task::plan(&world, &key("a"), &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected);
    }
}

#[test]
fn an_outcome_is_news_once() {
    let created = StartOutcome::Created(Box::new(observed("t1", "")));
    let refused = StartOutcome::NotSent("no".to_owned());
    let first = written_ahead();
    let abandoned = TaskStatus {
        phase: Phase::Failed,
        reason: Some(Reason::Abandoned),
        ..first.clone()
    };
    let of_another = TaskStatus {
        attempts: vec![Attempt {
            marker: "agentautomation.dev/attempt: uid-b.1".to_owned(),
            ..first.attempts[0].clone()
        }],
        ..first.clone()
    };
    let table = [
        ("written ahead", first.clone(), &created, Some("Running InProgress t1")),
        ("its task is known", concluded(&first, &created, 1), &created, None),
        ("it was refused", concluded(&first, &refused, 1), &refused, None),
        ("another object of its name", of_another, &created, None),
        (
            "a person gave it up, and it is at work",
            abandoned.clone(),
            &created,
            Some("Failed Abandoned t1"),
        ),
        ("a person gave it up, and nothing was sent", abandoned, &refused, None),
    ];
    for (what, status, outcome, expected) in table {
        let next = start::conclude(&status, &first.attempts[0], outcome, at(2));
        let told = next.map(|next| {
            let id = next.task.as_ref().map_or("", |task| task.id.as_str());
            format!("{} {id}", said(&next))
        });
        assert_eq!(told.as_deref(), expected, "{what}");
    }
}
