//! Who is told of the ends of tasks, when, and what follows from how that went.

use crate::api::notify::{NotificationState, NotificationStatus, Notify, NotifyError};
use crate::api::task::{Attempt, PullRequest};
use crate::plan::notify::{self, Answer, Notice, Sent};
use crate::plan::task as following;

use super::*;

/// Answers, and when each was there.
type Answers = Vec<(Answer, i64)>;

const CHAT: &str = "{name: chat, url: 'https://chat.acme.example/hook', secretRef: {name: chat}}";

fn receiver(more: &str) -> Notify {
    yaml(&CHAT.replace("}}", &format!("}}{more}}}")))
}

fn ended(phase: Phase, reason: Reason) -> TaskStatus {
    TaskStatus {
        phase,
        reason: Some(reason),
        ended_at: Some(at(0)),
        ..TaskStatus::default()
    }
}

fn task(status: TaskStatus) -> AgentTask {
    let mut task = due("one", "fix-1", -60, Some(status));
    task.spec.notify = vec![receiver("")];
    task
}

fn succeeded() -> AgentTask {
    task(ended(Phase::Succeeded, Reason::Completed))
}

/// A world with a policy that allows these hosts.
fn allowing(hosts: &[&str], tasks: Vec<AgentTask>) -> World {
    world(tasks, |world| {
        let mut policy = policy(Some(3));
        policy.spec.notify_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        world.put_policy(policy);
    })
}

fn with(task: AgentTask) -> World {
    allowing(&["*.acme.example"], vec![task])
}

/// What is sent to the chat now, or when it is.
fn next(world: &World, name: &str, seconds: i64) -> Result<Notice, String> {
    let mut planned = notify::plan(world, &key(name), "chat", &Settings::default(), at(seconds));
    match planned.actions.pop() {
        Some(Action::Notify(notice)) => Ok(*notice),
        None => Err(decision(&planned)),
        Some(other) => panic!("{other:?}"),
    }
}

fn due_at(world: &World, seconds: i64) -> String {
    next(world, "fix-1", seconds).map_or_else(|waits| waits, |notice| format!("attempt {}", notice.attempt))
}

/// What the task's own plan writes after these answers, each to the next attempt.
fn after(task: &AgentTask, answers: &[(Answer, i64)]) -> (AgentTask, Option<NotificationStatus>) {
    let mut task = task.clone();
    for (answer, seconds) in answers {
        let known = entry(&task);
        let mut world = with(task.clone());
        let sent = Sent {
            of: task.status.as_ref().unwrap().phase,
            attempt: known.map_or(0, |known| known.attempts) + 1,
            at: at(*seconds),
            answer: answer.clone(),
        };
        world.facts.entry(key("fix-1")).or_default().sent = [("chat".to_owned(), sent)].into();
        let planned = following::plan(&world, &key("fix-1"), &Settings::default(), at(*seconds));
        if let [Action::WriteTaskStatus(status)] = planned.actions.as_slice() {
            task.status = Some((**status).clone());
        }
    }
    let entry = entry(&task);
    (task, entry)
}

fn entry(task: &AgentTask) -> Option<NotificationStatus> {
    let entries = &task.status.as_ref()?.notifications;
    entries.iter().find(|entry| entry.name == "chat").cloned()
}

fn answered(code: u16) -> Answer {
    Answer::Status { code, not_before: None }
}

fn in_words(entry: Option<&NotificationStatus>) -> String {
    let Some(entry) = entry else {
        return "nothing".to_owned();
    };
    let error = entry.last_error.map_or("", NotifyError::as_str);
    let code = entry.http_status.map_or_else(String::new, |code| format!(" {code}"));
    let wait = entry.not_before.map_or_else(String::new, |until| {
        format!(", {}s", until.duration_since(at(0)).as_secs())
    });
    let state = entry.state.as_str();
    format!("{state} {} {error}{code}{wait}", entry.attempts)
        .trim_end()
        .to_owned()
}

#[test]
fn what_is_told() {
    let mut task = succeeded();
    task.spec.requester = Some("alice".to_owned());
    let status = task.status.as_mut().unwrap();
    status.message = Some("the agent has\n finished\u{202e}".to_owned());
    status.started_at = Some(at(-30));
    status.task = Some(yaml(
        "{id: id, shortId: id, state: completed, url: 'https://github.com/copilot/tasks/id'}",
    ));
    status.pull_request = Some(yaml("{id: 7, number: 9, url: 'https://github.com/acme/api/pull/9'}"));
    status.usage = Some(yaml("{nanoAiCredits: 1500000000, aiCredits: '1.5'}"));
    let notice = next(&with(task), "fix-1", 0).unwrap();
    let body: serde_json::Value = serde_json::from_str(&notice.body).unwrap();
    let expected: serde_json::Value = yaml(
        "{specversion: '1.0', id: uid-fix-1-succeeded, type: dev.agentautomation.task.succeeded,
          source: /apis/agentautomation.dev/v1alpha1/namespaces/payments/agentautomations/one, subject: fix-1,
          time: '2026-11-22T06:00:00Z', datacontenttype: application/json,
          data: {namespace: payments, name: fix-1, automation: one, trigger: tick, repository: acme/api, phase: Succeeded,
                 reason: Completed, message: the agent has finished, requester: alice,
                 task: {id: id, url: 'https://github.com/copilot/tasks/id'},
                 pullRequest: {number: 9, url: 'https://github.com/acme/api/pull/9'}, aiCredits: '1.5',
                 startedAt: '2026-11-22T05:59:30Z', endedAt: '2026-11-22T06:00:00Z'}}",
    );
    assert_eq!(body, expected);
    assert_eq!(notice.id, "uid-fix-1-succeeded");
    assert_eq!(notice.url.as_str(), "https://chat.acme.example/hook");
    assert_eq!(notice.secret.key, "signing-key");
}

#[test]
fn which_ends_are_told() {
    let all = ", ends: [Succeeded, Failed, TimedOut, Cancelled, Denied, Superseded, Skipped, Expired, Unknown]";
    let table = [
        (Phase::Succeeded, Reason::Completed, true, true),
        (Phase::Failed, Reason::SessionFailed, true, true),
        (Phase::TimedOut, Reason::SessionTimedOut, true, true),
        (Phase::Cancelled, Reason::SessionCancelled, true, true),
        (Phase::Denied, Reason::PolicyDenied, false, true),
        (Phase::Superseded, Reason::Replaced, false, true),
        (Phase::Skipped, Reason::Duplicate, false, true),
        (Phase::Expired, Reason::DeadlineExceeded, false, true),
        (Phase::Unknown, Reason::AnswerLost, false, false),
        (Phase::Unknown, Reason::NotFoundAtGitHub, false, true),
        (Phase::Held, Reason::PolicyCap, false, false),
        (Phase::Running, Reason::InProgress, false, false),
    ];
    for (phase, reason, by_default, if_asked) in table {
        for (more, expected) in [
            ("", by_default),
            (all, if_asked),
            (", ends: [Failed]", phase == Phase::Failed),
        ] {
            let mut task = task(ended(phase, reason));
            task.spec.notify = vec![receiver(more)];
            let is_told = next(&with(task.clone()), "fix-1", 0).is_ok();
            assert_eq!(is_told, expected, "{phase:?} {reason:?} {more}");
            assert_eq!(notify::keeps(&task), expected, "{phase:?} {reason:?} {more}");
        }
    }
    let mut undecided = succeeded();
    undecided.spec.prompt.clear();
    assert_eq!(
        next(&with(undecided), "fix-1", 0),
        Err("wait".to_owned()),
        "a person may not say who is told"
    );
}

/// The first wait of this task is 34 s and not 30: waits are varied by the task's uid.
#[test]
fn what_follows_an_answer() {
    let unavailable = || answered(503);
    let asks = |seconds| Answer::Status {
        code: 429,
        not_before: Some(at(seconds)),
    };
    let missing = || Answer::Unsigned(NotifyError::SecretMissing);
    let hour = 3_600;
    let table: Vec<(&str, Answers, &str)> = vec![
        ("it is taken", vec![(answered(200), 1)], "Delivered 1"),
        ("it is taken, without a word", vec![(answered(204), 1)], "Delivered 1"),
        ("not now", vec![(unavailable(), 0)], "Pending 1 Refused 503, 34s"),
        (
            "not now, again",
            vec![(unavailable(), 0), (unavailable(), 30)],
            "Pending 2 Refused 503, 99s",
        ),
        (
            "it works in the end",
            vec![(unavailable(), 0), (Answer::Lost, 30), (answered(200), 90)],
            "Delivered 3",
        ),
        ("no answer", vec![(Answer::Lost, 10)], "Pending 1 AnswerLost, 44s"),
        ("no connection", vec![(Answer::NotSent, 0)], "Pending 1 NotSent, 34s"),
        (
            "a redirect is not followed",
            vec![(answered(302), 0)],
            "Pending 1 Refused 302, 34s",
        ),
        (
            "it was too slow for the receiver",
            vec![(answered(408), 0)],
            "Pending 1 Refused 408, 34s",
        ),
        ("it is gone", vec![(answered(410), 0)], "DeadLetter 1 Refused 410"),
        ("it is not taken", vec![(answered(400), 0)], "DeadLetter 1 Refused 400"),
        (
            "not now, and then never",
            vec![(unavailable(), 0), (answered(401), 30)],
            "DeadLetter 2 Refused 401",
        ),
        ("later", vec![(asks(600), 0)], "Pending 1 Refused 429, 600s"),
        (
            "sooner than is polite",
            vec![(asks(1), 0)],
            "Pending 1 Refused 429, 34s",
        ),
        ("much later", vec![(asks(86_400), 0)], "Pending 1 Refused 429, 3600s"),
        ("no key", vec![(missing(), 0)], "Pending 0 SecretMissing"),
        (
            "no key for long",
            vec![(missing(), 0), (missing(), 6 * hour - 1)],
            "Pending 0 SecretMissing",
        ),
        (
            "no key for too long",
            vec![(missing(), 6 * hour)],
            "DeadLetter 0 SecretMissing",
        ),
        (
            "the key comes",
            vec![
                (missing(), 0),
                (Answer::Unsigned(NotifyError::SigningKeyInvalid), 15),
                (answered(200), 30),
            ],
            "Delivered 1",
        ),
        (
            "ten times in vain",
            (0..10).map(|nth| (unavailable(), nth * 60)).collect(),
            "DeadLetter 10 Refused 503",
        ),
        (
            "nobody was there to send it for a day",
            vec![(answered(200), 24 * hour)],
            "Delivered 1",
        ),
        (
            "and then it fails",
            vec![(answered(500), 24 * hour)],
            "Pending 1 Refused 500, 86434s",
        ),
        (
            "and fails again and again",
            (0..3).map(|nth| (answered(500), 24 * hour + nth * 600)).collect(),
            "DeadLetter 3 Refused 500",
        ),
    ];
    for (what, answers, expected) in table {
        let (task, entry) = after(&succeeded(), &answers);
        assert_eq!(in_words(entry.as_ref()), expected, "{what}");
        let is_pending = expected.starts_with("Pending");
        assert_eq!(notify::keeps(&task), is_pending, "{what}");
        assert_eq!(
            notify::dead_letters(&task),
            i64::from(expected.starts_with("Dead")),
            "{what}"
        );
        let settled = entry.unwrap().settled_at;
        assert_eq!(settled.is_none(), is_pending, "{what}");
    }
}

#[test]
fn when_it_is_sent() {
    let task = succeeded();
    let fails = |at: i64| vec![(answered(503), at)];
    let tried = after(&task, &fails(0)).0;
    let table = vec![
        ("it has just ended", task.clone(), 0, "attempt 1"),
        ("it ended long ago", task.clone(), 864_000, "attempt 1"),
        ("it failed", tried.clone(), 1, "wait 34s"),
        ("its time has come", tried.clone(), 34, "attempt 2"),
        ("the clock was set back", tried, -36_000, "attempt 2"),
        ("it is delivered", after(&task, &[(answered(200), 0)]).0, 60, "wait"),
        ("it was given up", after(&task, &[(answered(410), 0)]).0, 60, "wait"),
    ];
    for (what, task, seconds, expected) in table {
        assert_eq!(due_at(&with(task), seconds), expected, "{what}");
    }
    let unresolved = |ended_at| {
        let mut status = ended(Phase::Succeeded, Reason::Completed);
        status.ended_at = Some(at(ended_at));
        status.pull_request = Some(PullRequest::default());
        super::notify::task(status)
    };
    assert_eq!(due_at(&with(unresolved(-10)), 0), "wait 110s", "its link is looked up");
    assert_eq!(due_at(&with(unresolved(-120)), 0), "attempt 1", "without the link");
}

/// What came of an attempt is known here, and is not in the status yet.
#[test]
fn when_it_is_sent_again_before_status_says_so() {
    let table = [
        (answered(503), 60, "wait"),
        (Answer::Unsigned(NotifyError::SecretMissing), 10, "wait 15s"),
        (Answer::Unsigned(NotifyError::SecretMissing), 15, "attempt 1"),
        (Answer::Unsigned(NotifyError::SecretMissing), 4_800, "attempt 1"),
    ];
    for (answer, seconds, expected) in table {
        let mut world = with(succeeded());
        let sent = Sent {
            of: Phase::Succeeded,
            attempt: 1,
            at: at(0),
            answer: answer.clone(),
        };
        world.facts.entry(key("fix-1")).or_default().sent = [("chat".to_owned(), sent)].into();
        assert_eq!(due_at(&world, seconds), expected, "{answer:?} {seconds}");
    }
}

#[test]
fn where_it_may_be_sent() {
    let other = "AgentPolicy default does not allow it: spec.notifyHosts must name";
    let table: Vec<(&[&str], &str, Result<(), String>)> = vec![
        (&["chat.acme.example"], "https://chat.acme.example/hook", Ok(())),
        (&["*.ACME.example"], "https://chat.acme.example", Ok(())),
        (&["chat.acme.example:8443"], "https://chat.acme.example:8443/x", Ok(())),
        (
            &["chat.acme.example"],
            "https://chat.acme.example:8443/x",
            Err(format!("{other} chat.acme.example:8443 (it has chat.acme.example)")),
        ),
        (
            &[],
            "https://chat.acme.example/x",
            Err(format!("{other} chat.acme.example (it is empty and so allows nothing)")),
        ),
        (
            &["acme.example"],
            "https://acme.example.evil.example",
            Err(format!("{other} acme.example.evil.example (it has acme.example)")),
        ),
        (
            &["**"],
            "https://169.254.169.254/latest",
            Err(format!("{other} 169.254.169.254 (it has **)")),
        ),
        (
            &["**"],
            "http://localhost:8080/metrics",
            Err(format!("{other} localhost:8080 (it has **)")),
        ),
        (&["127.0.0.1:9000"], "http://127.0.0.1:9000/x", Ok(())),
    ];
    for (hosts, url, expected) in table {
        let mut task = succeeded();
        task.spec.notify[0].url = url.to_owned();
        let mut automation = changed("{}");
        automation.spec.notify.clone_from(&task.spec.notify);
        let mut world = allowing(hosts, vec![task.clone()]);
        world.put_automation(automation.clone());
        assert_eq!(next(&world, "fix-1", 0).is_ok(), expected.is_ok(), "{hosts:?} {url}");
        let told = notify::not_allowed(&world, &automation);
        let sentence = expected.clone().err().map(|said| format!("spec.notify chat: {said}"));
        assert_eq!(told, Vec::from_iter(sentence), "{hosts:?} {url}");
        let learned = notify::learned(&world, &key("fix-1"), &task, at(9));
        let learned = learned.and_then(|status| status.notifications.first().cloned());
        let words = in_words(learned.as_ref());
        let outcome = expected.map_or("DeadLetter 0 HostNotAllowed", |()| "nothing");
        assert_eq!(words, outcome, "{hosts:?} {url}");
    }
}

#[test]
fn all_policies_have_to_allow_it() {
    let mut world = with(succeeded());
    let mut narrower = policy(None);
    narrower.metadata.name = Some("narrower".to_owned());
    world.put_policy(narrower);
    assert!(next(&world, "fix-1", 0).is_err());
    assert!(notify::learned(&world, &key("fix-1"), &succeeded(), at(0)).is_some());
    world.remove_policy("narrower");
    world.unreadable_policies.insert("broken".to_owned());
    assert!(next(&world, "fix-1", 0).is_err(), "nobody knows what it forbids");
    assert_eq!(notify::learned(&world, &key("fix-1"), &succeeded(), at(0)), None);
    world.unreadable_policies.clear();
    assert!(next(&world, "fix-1", 0).is_ok());
    world.remove_policy("default");
    assert!(next(&world, "fix-1", 0).is_err(), "no policy holds");
}

#[test]
fn a_receiver_that_does_not_answer_leaves_room_for_others() {
    let named = |nth: usize, host: &str| {
        let mut task = due(
            "one",
            &format!("t{nth}"),
            -60,
            Some(ended(Phase::Failed, Reason::SessionFailed)),
        );
        task.spec.notify = vec![receiver("")];
        task.spec.notify[0].url = format!("https://{host}.acme.example/x");
        task
    };
    let slow = (0..10).map(|nth| named(nth, "slow"));
    let many = (10..70).map(|nth| named(nth, &format!("h{nth}")));
    let mut world = allowing(&["*.acme.example"], slow.chain(many).collect());
    for nth in 0..70 {
        let expected = match nth {
            0..=7 | 10..=65 => Ok(1),
            _ => Err("wait 1s".to_owned()),
        };
        let name = format!("t{nth}");
        assert_eq!(next(&world, &name, 0).map(|notice| notice.attempt), expected, "{name}");
        if expected.is_ok() {
            let subject = Subject::Notification(key(&name), "chat".to_owned());
            world.busy.insert(subject);
            assert_eq!(next(&world, &name, 0), Err("wait".to_owned()), "{name} is on its way");
        }
    }
}

#[test]
fn an_end_that_nobody_could_tell_is_told_when_it_is_there() {
    let mut task = task(ended(Phase::Unknown, Reason::NotFoundAtGitHub));
    let ends = ", ends: [Unknown, Failed]";
    task.spec.notify = vec![receiver(ends)];
    let status = task.status.as_mut().unwrap();
    status.ended_at = None;
    let attempt: Attempt = yaml(&format!(
        "{{number: 1, marker: m, writtenAt: '{}', writtenBy: me, deadline: '{}'}}",
        at(-90),
        at(-75)
    ));
    status.attempts = vec![attempt];
    let body = next(&with(task.clone()), "fix-1", 0).unwrap().body;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["id"], &body["time"]),
        (&"uid-fix-1-unknown".into(), &serde_json::Value::Null)
    );
    let table = [
        (answered(200), vec!["Unknown Delivered", "Failed Delivered"]),
        (answered(410), vec!["Unknown DeadLetter", "Failed Delivered"]),
        (answered(503), vec!["Failed Delivered"]),
    ];
    for (answer, expected) in table {
        let mut task = after(&task, &[(answer.clone(), 0)]).0;
        let status = task.status.as_mut().unwrap();
        (status.phase, status.reason, status.ended_at) = (Phase::Failed, Some(Reason::Abandoned), Some(at(60)));
        assert_eq!(
            next(&with(task.clone()), "fix-1", 60).unwrap().id,
            "uid-fix-1-failed",
            "{answer:?}"
        );
        task.status = after_of(&task, answered(200), 60);
        let entries = task.status.unwrap().notifications;
        let told: Vec<_> = entries
            .iter()
            .map(|entry| format!("{} {}", entry.of.as_str(), entry.state.as_str()))
            .collect();
        assert_eq!(told, expected, "{answer:?}");
    }
}

/// The status after an answer to the first attempt for the task's phase.
fn after_of(task: &AgentTask, answer: Answer, seconds: i64) -> Option<TaskStatus> {
    let mut world = with(task.clone());
    let sent = Sent {
        of: task.status.as_ref().unwrap().phase,
        attempt: 1,
        at: at(seconds),
        answer,
    };
    world.facts.entry(key("fix-1")).or_default().sent = [("chat".to_owned(), sent)].into();
    notify::learned(&world, &key("fix-1"), task, at(seconds))
}

#[test]
fn what_an_automation_says_of_it() {
    let mut automation = changed("{historyLimits: {succeeded: 0, failed: 0}}");
    automation.spec.notify = vec![receiver("")];
    automation.status = Some(yaml(&format!(
        "{{schedules: [{{trigger: tick, decidedThrough: '{}'}}]}}",
        at(0)
    )));
    let status = |task: &AgentTask| {
        let mut world = with(task.clone());
        world.put_automation(automation.clone());
        let planned = super::super::automation::plan(&world, &key("one"), &Settings::default(), at(60));
        let written = planned.actions.into_iter().find_map(|action| match action {
            Action::WriteAutomationStatus(status) => Some(*status),
            _ => None,
        });
        written.unwrap()
    };
    let dead = after(&succeeded(), &[(answered(410), 0)]).0;
    let missing = after(&succeeded(), &[(Answer::Unsigned(NotifyError::SecretMissing), 0)]).0;
    let table = [
        ("not told yet", succeeded(), 0, false, None),
        ("delivered", after(&succeeded(), &[(answered(200), 0)]).0, 0, true, None),
        (
            "no key",
            missing,
            0,
            false,
            Some(
                "chat of task fix-1: Secret chat is not there: create it in this namespace, with a signing key under the \
                 key signing-key",
            ),
        ),
        (
            "given up",
            dead,
            1,
            true,
            Some("chat of task fix-1: the receiver answers 410 (given up)"),
        ),
    ];
    for (what, task, dead_letters, goes, told) in table {
        let status = status(&task);
        assert_eq!(status.dead_letters, dead_letters, "{what}");
        let collected = if goes { dead_letters } else { 0 };
        assert_eq!(status.collected.dead_letters, collected, "{what}");
        assert_eq!(
            !status.collected.deleting.is_empty(),
            goes,
            "{what}: the history keeps what is still to be told"
        );
        let condition = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Undelivered");
        let said = condition.map(|condition| condition.message.as_str());
        assert_eq!(said, told, "{what}");
    }
    let delivered = NotificationStatus {
        state: NotificationState::Delivered,
        ..NotificationStatus::new("chat", Phase::Succeeded)
    };
    let mut later = due("one", "fix-2", 0, Some(ended(Phase::Succeeded, Reason::Completed)));
    later.spec.notify = vec![receiver("")];
    let status = later.status.as_mut().unwrap();
    status.ended_at = Some(at(10));
    status.notifications = vec![delivered];
    let dead = after(&succeeded(), &[(answered(410), 0)]).0;
    assert_eq!(
        notify::undelivered(&automation, &[&dead, &later]),
        None,
        "it works again"
    );
    assert!(notify::undelivered(&automation, &[&dead]).is_some());
}
