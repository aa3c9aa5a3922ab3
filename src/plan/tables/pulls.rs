//! What is done about a pull request, and what it is never done.

use std::collections::BTreeMap;

use crate::api::task::{Checks, GitHubTask, PullRequest, TaskStatus};
use crate::domain::repository::Repository;
use crate::plan::observed::SeenPull;
use crate::plan::world::{Labelled, PullFacts, TaskFacts};
use crate::plan::{admission, credential as credentials, pulls, task as tasks};

use super::*;

const DAY: i64 = 86_400;

fn pull(change: impl FnOnce(&mut PullRequest)) -> PullRequest {
    let mut pull = PullRequest {
        id: 70,
        number: Some(7),
        url: Some("https://github.com/acme/api/pull/7".to_owned()),
        state: Some("open".to_owned()),
        updated_at: Some(at(-600)),
        created_at: Some(at(-900)),
        ..PullRequest::default()
    };
    change(&mut pull);
    pull
}

fn succeeded(pull: PullRequest) -> AgentTask {
    let status = TaskStatus {
        phase: Phase::Succeeded,
        started_at: Some(at(-1_200)),
        ended_at: Some(at(-900)),
        task: Some(GitHubTask {
            id: "id".to_owned(),
            state: "completed".to_owned(),
            ..GitHubTask::default()
        }),
        pull_request: Some(pull),
        ..TaskStatus::default()
    };
    due("one", "a", -1_300, Some(status))
}

fn listed(world: &mut World, change: impl FnOnce(&mut SeenPull)) {
    let mut seen = SeenPull {
        id: 70,
        is_open: true,
        updated_at: Some(at(-600)),
    };
    change(&mut seen);
    let key = (credential(0), Repository::parse("acme/api").unwrap());
    let facts = PullFacts {
        checked_at: Some(at(-1)),
        first_checked_at: Some(at(-DAY)),
        pulls: [(7, seen)].into(),
        ..PullFacts::default()
    };
    world.pulls.insert(key, facts);
}

/// Closed, and not merged, so many seconds ago.
fn closed(seconds: i64) -> PullRequest {
    pull(|p| {
        p.state = Some("closed".to_owned());
        (p.closed_at, p.updated_at) = (Some(at(-seconds)), Some(at(-seconds)));
    })
}

/// It is listed, has not changed since, and was read then.
fn read(world: &mut World, seconds: i64) {
    listed(world, |seen| seen.updated_at = None);
    let facts = TaskFacts {
        pull_observed_at: Some(at(seconds)),
        ..TaskFacts::default()
    };
    world.facts.insert(key("a"), facts);
}

/// The list shows none of it.
fn beyond_the_list(world: &mut World) {
    listed(world, |_| ());
    world.pulls.values_mut().for_each(|facts| facts.pulls.clear());
}

#[test]
fn what_is_done_about_a_pull_request() {
    type Row = (&'static str, AgentTask, fn(&mut World), &'static str);
    let asking = |mut task: AgentTask| {
        task.spec.pull_request = yaml("{reviewers: {users: [ann]}, labels: [agent]}");
        task
    };
    let stale = |mut task: AgentTask, action: &str| {
        task.spec.stale_pull_request = Some(yaml(&format!("{{after: 10m, action: {action}}}")));
        task
    };
    let table: Vec<Row> = vec![
        (
            "nothing is asked of it",
            succeeded(pull(|_| ())),
            |w| listed(w, |_| ()),
            "wait",
        ),
        (
            "it has not been read",
            succeeded(pull(|p| p.updated_at = None)),
            |_| (),
            "ObservePull",
        ),
        (
            "a list shows a change",
            succeeded(pull(|_| ())),
            |w| listed(w, |seen| seen.updated_at = Some(at(-5))),
            "ObservePull",
        ),
        (
            "which was read 4 s ago, and lags behind the list",
            succeeded(pull(|_| ())),
            |w| {
                listed(w, |seen| seen.updated_at = Some(at(-5)));
                let facts = TaskFacts {
                    pull_observed_at: Some(at(-4)),
                    ..TaskFacts::default()
                };
                w.facts.insert(key("a"), facts);
            },
            "wait 6s",
        ),
        (
            "somebody opened it again",
            succeeded(pull(|p| p.state = Some("closed".to_owned()))),
            |w| listed(w, |_| ()),
            "ObservePull",
        ),
        (
            "it was closed after the list was made",
            succeeded(pull(|p| p.state = Some("closed".to_owned()))),
            |w| listed(w, |seen| seen.updated_at = Some(at(-700))),
            "wait",
        ),
        (
            "it was closed, opened again and merged between two lists",
            succeeded(pull(|p| p.state = Some("closed".to_owned()))),
            |w| listed(w, |seen| (seen.is_open, seen.updated_at) = (false, Some(at(-5)))),
            "ObservePull",
        ),
        (
            "it was closed, and a hundred others have changed since",
            succeeded(pull(|p| p.state = Some("closed".to_owned()))),
            beyond_the_list,
            "ObservePull",
        ),
        (
            "the same, eight days ago",
            succeeded(closed(8 * DAY)),
            beyond_the_list,
            "wait",
        ),
        (
            "it was merged, and a hundred others have changed since",
            succeeded(pull(|p| {
                (p.merged, p.state) = (true, Some("closed".to_owned()));
            })),
            beyond_the_list,
            "wait",
        ),
        (
            "its checks have not ended",
            succeeded(pull(|p| p.checks = Some(Checks::Pending))),
            |w| listed(w, |_| ()),
            "ObservePull",
        ),
        (
            "and were looked at a minute ago",
            succeeded(pull(|p| p.checks = Some(Checks::Pending))),
            |w| read(w, -60),
            "wait 60s",
        ),
        (
            "they have not ended for five hours",
            succeeded(pull(|p| {
                (p.checks, p.updated_at) = (Some(Checks::Pending), Some(at(-5 * 3_600)));
            })),
            |w| read(w, -60),
            "wait 840s",
        ),
        (
            "they have not ended for days",
            succeeded(pull(|p| {
                (p.checks, p.updated_at) = (Some(Checks::Pending), Some(at(-5 * DAY)));
            })),
            |w| read(w, -60),
            "wait 3540s",
        ),
        (
            "the same, and the controller has just begun: a thousand like it are not read at once",
            succeeded(pull(|p| {
                (p.checks, p.updated_at) = (Some(Checks::Pending), Some(at(-5 * DAY)));
            })),
            |w| {
                listed(w, |seen| seen.updated_at = None);
                w.pulls
                    .values_mut()
                    .for_each(|facts| facts.first_checked_at = Some(at(0)));
            },
            "wait 393s",
        ),
        (
            "the same, before the first list",
            succeeded(pull(|p| {
                (p.checks, p.updated_at) = (Some(Checks::Pending), Some(at(-5 * DAY)));
            })),
            |_| (),
            "wait",
        ),
        (
            "it is open, and a hundred others have changed since",
            succeeded(pull(|_| ())),
            beyond_the_list,
            "ObservePull",
        ),
        (
            "the same, and it was looked at a minute ago",
            succeeded(pull(|_| ())),
            |w| {
                read(w, -60);
                w.pulls.values_mut().for_each(|facts| facts.pulls.clear());
            },
            "wait 840s",
        ),
        (
            "its checks have ended",
            succeeded(pull(|p| p.checks = Some(Checks::Failed))),
            |w| listed(w, |_| ()),
            "wait",
        ),
        (
            "reviews are asked for",
            asking(succeeded(pull(|_| ()))),
            |_| (),
            "HandOver",
        ),
        (
            "they were asked for",
            asking(succeeded(pull(|p| p.handed_over = Some("done".to_owned())))),
            |_| (),
            "wait",
        ),
        (
            "it was merged meanwhile",
            asking(succeeded(pull(|p| {
                (p.merged, p.state) = (true, Some("closed".to_owned()));
            }))),
            |_| (),
            "wait",
        ),
        (
            "a policy requires reviewers",
            succeeded(pull(|_| ())),
            |w| {
                let mut policy = policy(None);
                policy.spec.required_reviewers.teams = vec!["platform".to_owned()];
                w.put_policy(policy);
            },
            "HandOver",
        ),
        (
            "a start is being written with the same credential",
            asking(succeeded(pull(|_| ()))),
            |w| {
                w.writing.insert(Subject::Task(key("b")), credential(0).into());
            },
            "wait 2s",
        ),
        (
            "a delivery is being asked for again with the same credential",
            asking(succeeded(pull(|_| ()))),
            |w| {
                let repository = Repository::parse("acme/other").unwrap();
                w.writing
                    .insert(Subject::Deliveries(credential(0), repository), credential(0).into());
            },
            "wait 2s",
        ),
        (
            "it will be stale",
            stale(succeeded(pull(|p| p.updated_at = Some(at(-599)))), "Close"),
            |_| (),
            "wait 1s",
        ),
        (
            "it is stale, which is told first",
            stale(succeeded(pull(|_| ())), "Close"),
            |_| (),
            "Succeeded ",
        ),
        (
            "it is stale and told, and to be closed",
            stale(succeeded(pull(|p| p.stale = true)), "Close"),
            |_| (),
            "ClosePull",
        ),
        (
            "it is stale and told, and that is all",
            stale(succeeded(pull(|p| p.stale = true)), "Notify"),
            |_| (),
            "wait",
        ),
        (
            "GitHub refused to close it",
            stale(
                succeeded(pull(|p| {
                    p.stale = true;
                    p.close_refused = Some("no".to_owned());
                })),
                "Close",
            ),
            |_| (),
            "wait",
        ),
    ];
    for (what, task, change, expected) in table {
        let world = world(vec![task], change);
        let planned = tasks::plan(&world, &key("a"), &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected, "{what}");
    }
}

/// It is given the pull request whose branch it went on with, or that it came from, as what came of it.
#[test]
fn a_pull_request_that_a_task_did_not_open_is_left_to_whom_it_belongs() {
    let table = [
        ("PullRequest", 7, ["wait", "wait"]),
        ("PullRequest", 3, ["wait", "wait"]),
        ("NewBranch", 7, ["wait", "wait"]),
        ("NewBranch", 3, ["HandOver", "ClosePull"]),
    ];
    for (push_to, came_from, expected) in table {
        let about = |handed_over: Option<&str>| {
            let mut task = succeeded(pull(|p| {
                p.stale = true;
                p.handed_over = handed_over.map(str::to_owned);
            }));
            task.spec.push_to = yaml(push_to);
            task.spec.trigger.event = Some(yaml(&format!("{{number: {came_from}}}")));
            task.spec.pull_request = yaml("{labels: [agent]}");
            task.spec.stale_pull_request = Some(yaml("{after: 10m, action: Close}"));
            let world = world(vec![task], |w| listed(w, |_| ()));
            decision(&tasks::plan(&world, &key("a"), &Settings::default(), at(0)))
        };
        assert_eq!([about(None), about(Some("done"))], expected, "{push_to} {came_from}");
    }
}

#[test]
fn one_list_for_each_repository_while_a_pull_request_waits() {
    let repository = Repository::parse("acme/api").unwrap();
    let plan = |world: &World| {
        let planned = pulls::plan(world, &credential(0), &repository, &Settings::default(), at(0));
        decision(&planned)
    };
    let open = |seconds: i64| pull(|p| p.updated_at = Some(at(-seconds)));
    let merged = || PullRequest {
        merged: true,
        ..closed(600)
    };
    let table = [
        ("open", vec![open(600)], "ListPulls", "wait 29s"),
        ("open for long", vec![open(5 * DAY)], "ListPulls", "wait 599s"),
        ("merged", vec![merged()], "wait", "Forget"),
        ("closed just now", vec![closed(600)], "ListPulls", "wait 29s"),
        ("closed for long", vec![closed(5 * DAY)], "ListPulls", "wait 3599s"),
        (
            "closed for long, and one is open",
            vec![closed(5 * DAY), open(5 * DAY)],
            "ListPulls",
            "wait 599s",
        ),
        (
            "closed for so long that nobody opens it again",
            vec![closed(8 * DAY)],
            "wait",
            "Forget",
        ),
    ];
    for (what, pulls, first, then) in table {
        let tasks = || {
            let named = pulls.iter().cloned().zip(["a", "b"]);
            named.map(|(pull, name)| {
                let mut task = succeeded(pull);
                task.metadata.name = Some(name.to_owned());
                task
            })
        };
        assert_eq!(plan(&world(tasks().collect(), |_| ())), first, "{what}");
        assert_eq!(plan(&world(tasks().collect(), |w| listed(w, |_| ()))), then, "{what}");
    }
}

#[test]
fn a_credential_that_only_a_closed_pull_request_names_is_kept_as_long_as_that_is_looked_for() {
    for (pull, expected) in [
        (pull(|_| ()), "wait 300s"),
        (closed(600), "wait 300s"),
        (closed(8 * DAY), "Forget"),
    ] {
        let world = world(vec![with_credential(succeeded(pull.clone()), 1)], |_| ());
        let planned = credentials::plan(&world, &credential(1), &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected, "{pull:?}");
    }
}

/// How long before now open pull requests were asked for and told, in seconds, and whether they are asked for again.
#[test]
fn a_list_that_takes_longer_than_it_may_be_old_lets_a_start_through() {
    let table = [
        (None, true),
        (Some((29, 28)), false),
        (Some((30, 28)), true),
        // Ten pages of fifteen seconds.
        (Some((150, 0)), false),
        (Some((299, 149)), false),
        (Some((300, 150)), true),
        // The clock was set back.
        (Some((-60, -62)), true),
    ];
    for (times, expected) in table {
        let mut task = due("one", "a", 0, None);
        task.spec.deduplicate = Some(yaml("{key: deps, while: [PullRequestOpen]}"));
        let world = world(vec![task], |w| {
            let labelled = times.map(|(asked, answered)| Labelled {
                asked_at: at(-asked),
                answered_at: at(-answered),
                pulls: BTreeMap::new(),
            });
            let facts = PullFacts {
                labelled,
                ..PullFacts::default()
            };
            let key = (credential(0), Repository::parse("acme/api").unwrap());
            w.pulls.insert(key, facts);
        });
        let planned = admission::plan(&world, &Settings::default(), at(0));
        let asks = planned
            .iter()
            .any(|(_, planned)| planned.actions.contains(&Action::ListOpenPulls));
        let starts = planned
            .iter()
            .any(|(subject, planned)| name(subject) == "a" && decision(planned) == "Start");
        assert_eq!((asks, starts), (expected, !expected), "{times:?}");
    }
}

#[test]
fn what_is_known_of_it_does_not_go_back_in_time() {
    let status = succeeded(pull(|p| {
        p.handed_over = Some("done".to_owned());
        p.stale = true;
    }))
    .status
    .unwrap();
    let older = pull(|p| p.updated_at = Some(at(-700)));
    assert_eq!(pulls::observe(&status, &older), None);
    let same = pull(|_| ());
    assert_eq!(pulls::observe(&status, &same), None);
    let newer = pull(|p| (p.updated_at, p.merged) = (Some(at(-1)), true));
    let next = pulls::observe(&status, &newer).unwrap().pull_request.unwrap();
    assert_eq!(
        (next.merged, next.stale, next.handed_over.as_deref()),
        (true, false, Some("done"))
    );
}

#[test]
fn it_is_known_that_the_controller_closed_it_until_somebody_opens_it_again() {
    let closed = pulls::closed(&succeeded(pull(|p| p.stale = true)).status.unwrap(), at(-2)).unwrap();
    let seen = |closed_at: Option<i64>, merged| {
        pull(|p| {
            p.updated_at = Some(at(-1));
            p.state = Some(if closed_at.is_some() { "closed" } else { "open" }.to_owned());
            p.closed_at = closed_at.map(at);
            p.merged = merged;
        })
    };
    let table = [
        ("it is as the controller left it", seen(Some(-2), false), true),
        ("somebody opened it again", seen(None, false), false),
        ("and closed it", seen(Some(-1), false), false),
        ("and merged it", seen(Some(-2), true), false),
    ];
    for (what, seen, expected) in table {
        let next = pulls::observe(&closed, &seen).unwrap();
        let pull = next.pull_request.unwrap();
        assert_eq!(pull.closed_as_stale_at.is_some(), expected, "{what}");
    }
}
