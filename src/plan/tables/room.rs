//! Which cap binds a task: what is known, what is decided, and the sentence that is told.

use crate::api::policy::PolicySpec;
use crate::api::task::{Attempt, AttemptOutcome, PullRequest, Usage};
use crate::plan::budget::NANO;
use crate::plan::world::Writing;
use crate::plan::{admission, automation as planner};

use super::*;

/// A task that started so many seconds ago.
fn started(automation: &str, name: &str, ago: i64, phase: Phase, change: impl FnOnce(&mut TaskStatus)) -> AgentTask {
    let mut status = TaskStatus {
        phase,
        started_at: Some(at(-ago)),
        attempts: vec![attempt(-ago)],
        ..TaskStatus::default()
    };
    change(&mut status);
    due(automation, name, -ago - 60, Some(status))
}

fn attempt(seconds: i64) -> Attempt {
    Attempt {
        number: 1,
        marker: String::new(),
        written_at: at(seconds),
        written_by: String::new(),
        head_branch: None,
        secret_ref: None,
        deadline: at(seconds + 15),
        outcome: None,
        message: None,
    }
}

fn cost(status: &mut TaskStatus, credits: i64) {
    status.usage = Some(Usage {
        nano_ai_credits: credits * NANO,
        ..Usage::default()
    });
}

fn open_pull(status: &mut TaskStatus, number: i64) {
    status.pull_request = Some(PullRequest {
        id: number,
        number: Some(number),
        url: Some(format!("https://github.com/acme/api/pull/{number}")),
        state: Some("open".to_owned()),
        created_at: Some(at(-1_000 + number)),
        ..PullRequest::default()
    });
}

/// A policy of the second namespace's own, so that its tasks count under their policy alone.
fn in_policy(change: impl FnOnce(&mut PolicySpec)) -> AgentPolicy {
    let mut policy = policy(None);
    change(&mut policy.spec);
    policy
}

fn told(planned: &Planned) -> (String, String) {
    match planned.actions.as_slice() {
        [Action::WriteTaskStatus(status)] => {
            let rule = status.bound_by.as_ref().map_or("", |bound| bound.rule.as_str());
            let words = format!("{} [{rule}]", said(status));
            let told = &planned.reasons.last().unwrap().message;
            let written = status.message.as_deref().unwrap_or_default();
            assert!(
                told.starts_with(written),
                "figures are told, and not written: {written}"
            );
            (words, told.clone())
        }
        _ => (decision(planned), String::new()),
    }
}

#[test]
fn which_cap_binds_and_what_is_told() {
    struct Row {
        what: &'static str,
        tasks: Vec<AgentTask>,
        policy: fn(&mut PolicySpec),
        automation: &'static str,
        decision: &'static str,
        sentence: &'static str,
    }
    let free: fn(&mut PolicySpec) = |_| ();
    let table = vec![
        Row {
            what: "nothing is under way",
            tasks: vec![],
            policy: free,
            automation: "{}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "another automation works in the repository",
            tasks: vec![started("two", "r", 60, Phase::Running, |_| ())],
            policy: |p| p.max_active_per_repository = Some(1),
            automation: "{}",
            decision: "Held RepositoryCap [spec.maxActivePerRepository]",
            sentence: "the cap of AgentPolicy default is reached for acme/api (spec.maxActivePerRepository is 1)",
        },
        Row {
            what: "a policy caps each automation below what it asks for",
            tasks: vec![started("one", "r", 60, Phase::Unknown, |_| ())],
            policy: |p| p.max_active_per_automation = Some(1),
            automation: "{concurrency: {maxActive: 9}}",
            decision: "Held PolicyCap [spec.maxActivePerAutomation]",
            sentence: "the cap of AgentPolicy default is reached for this automation (spec.maxActivePerAutomation is 1)",
        },
        Row {
            what: "it goes on at GitHub after its deadline here: it counts",
            tasks: vec![started("one", "r", 60, Phase::TimedOut, |s| {
                s.task = Some(crate::api::task::GitHubTask {
                    state: "in_progress".to_owned(),
                    ..Default::default()
                });
            })],
            policy: free,
            automation: "{}",
            decision: "Held AutomationCap [spec.concurrency.maxActive]",
            sentence: "the automation's own cap is reached (spec.concurrency.maxActive is 1)",
        },
        Row {
            what: "two pull requests wait, and two may",
            tasks: vec![
                started("one", "p1", 600, Phase::Succeeded, |s| open_pull(s, 7)),
                started("one", "p2", 500, Phase::Succeeded, |s| open_pull(s, 8)),
            ],
            policy: free,
            automation: "{maxOpenPullRequests: 2}",
            decision: "Held ReviewQueue [spec.maxOpenPullRequests]",
            sentence: "as many pull requests wait for people as may (spec.maxOpenPullRequests is 2); the oldest is \
                       https://github.com/acme/api/pull/7: review, merge or close it (2 are open or about to be)",
        },
        Row {
            what: "three tasks have worked on the same pull request, and two may wait",
            tasks: ["p1", "p2", "p3"]
                .map(|name| started("one", name, 600, Phase::Succeeded, |s| open_pull(s, 7)))
                .into(),
            policy: |p| p.max_open_pull_requests_per_repository = Some(2),
            automation: "{maxOpenPullRequests: 2}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "one was found just now, and its date is not known yet",
            tasks: vec![
                started("one", "p1", 600, Phase::Succeeded, |s| open_pull(s, 7)),
                started("one", "p2", 500, Phase::Succeeded, |s| {
                    open_pull(s, 8);
                    s.pull_request.as_mut().unwrap().created_at = None;
                }),
            ],
            policy: free,
            automation: "{maxOpenPullRequests: 2}",
            decision: "Held ReviewQueue [spec.maxOpenPullRequests]",
            sentence: "as many pull requests wait for people as may (spec.maxOpenPullRequests is 2); the oldest is \
                       https://github.com/acme/api/pull/7: review, merge or close it (2 are open or about to be)",
        },
        Row {
            what: "one was lost on its way, and given up by a person: it may have started",
            tasks: vec![started("two", "s1", 600, Phase::Failed, |s| {
                s.started_at = None;
                s.attempts[0].outcome = Some(AttemptOutcome::Abandoned);
            })],
            policy: |p| p.max_starts_per_hour = Some(1),
            automation: "{}",
            decision: "Held StartRate [spec.maxStartsPerHour]",
            sentence: "AgentPolicy default allows no more starts within an hour (spec.maxStartsPerHour is 1)",
        },
        Row {
            what: "one was refused: it did not start",
            tasks: vec![started("two", "s1", 600, Phase::Failed, |s| {
                s.started_at = None;
                s.attempts[0].outcome = Some(AttemptOutcome::Refused);
            })],
            policy: |p| p.max_starts_per_hour = Some(1),
            automation: "{}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "its own budget, nobody says what a task costs, and none has ended",
            tasks: vec![started("one", "s1", 600, Phase::Running, |s| {
                s.reserved_nano_credits = Some(10 * NANO);
            })],
            policy: free,
            automation: "{concurrency: {maxActive: 2}, budget: {creditsPerDay: 15}}",
            decision: "Held BudgetExhausted [spec.budget.creditsPerDay]",
            sentence: "the budget of the automation for this day is 15 AI credits, and what is left of it is not \
                       enough for this task; the day ends at 2026-11-23T00:00:00Z (0.0 are spent, 10.0 are held for tasks \
                       under way, and this one may cost 10.0)",
        },
        Row {
            what: "one waits and one is about to be opened",
            tasks: vec![
                started("one", "p1", 600, Phase::Succeeded, |s| open_pull(s, 7)),
                started("one", "r", 60, Phase::Running, |_| ()),
            ],
            policy: |p| p.max_open_pull_requests_per_automation = Some(2),
            automation: "{concurrency: {maxActive: 5}}",
            decision: "Held ReviewQueue [spec.maxOpenPullRequestsPerAutomation]",
            sentence: "as many pull requests wait for people as may (spec.maxOpenPullRequestsPerAutomation of AgentPolicy \
                       default is 2); the oldest is https://github.com/acme/api/pull/7: review, merge or close it (2 are \
                       open or about to be)",
        },
        Row {
            what: "one was merged",
            tasks: vec![started("one", "p1", 600, Phase::Succeeded, |s| {
                open_pull(s, 7);
                let pull = s.pull_request.as_mut().unwrap();
                (pull.merged, pull.state) = (true, Some("closed".to_owned()));
            })],
            policy: free,
            automation: "{maxOpenPullRequests: 1}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "two started within the hour, and two may",
            tasks: vec![
                started("two", "s1", 3_599, Phase::Succeeded, |_| ()),
                started("two", "s2", 10, Phase::Failed, |_| ()),
            ],
            policy: |p| p.max_starts_per_hour = Some(2),
            automation: "{}",
            decision: "Held StartRate [spec.maxStartsPerHour]",
            sentence: "AgentPolicy default allows no more starts within an hour (spec.maxStartsPerHour is 2)",
        },
        Row {
            what: "one of the two was an hour ago",
            tasks: vec![
                started("two", "s1", 3_600, Phase::Succeeded, |_| ()),
                started("two", "s2", 10, Phase::Failed, |_| ()),
            ],
            policy: |p| p.max_starts_per_hour = Some(2),
            automation: "{}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "7 of 10 are spent, and it may cost 3",
            tasks: vec![started("two", "s1", 600, Phase::Succeeded, |s| cost(s, 7))],
            policy: |p| p.budget = serde_saphyr::from_str("{creditsPerDay: 10, estimatePerTask: 3}").unwrap(),
            automation: "{}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "7 of 10 are spent, and it may cost 4",
            tasks: vec![started("two", "s1", 600, Phase::Succeeded, |s| cost(s, 7))],
            policy: |p| p.budget = serde_saphyr::from_str("{creditsPerDay: 10, estimatePerTask: 4}").unwrap(),
            automation: "{}",
            decision: "Held BudgetExhausted [spec.budget.creditsPerDay]",
            sentence: "the budget of AgentPolicy default for this day is 10 AI credits, and what is left of it is not \
                       enough for this task; the day ends at 2026-11-23T00:00:00Z (7.0 are spent, 0.0 are held for tasks \
                       under way, and this one may cost 4.0)",
        },
        Row {
            what: "7 were spent yesterday",
            tasks: vec![started("two", "s1", 86_400, Phase::Succeeded, |s| cost(s, 7))],
            policy: |p| p.budget = serde_saphyr::from_str("{creditsPerDay: 10, estimatePerTask: 4}").unwrap(),
            automation: "{}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "7 were spent yesterday, and the month counts",
            tasks: vec![started("two", "s1", 86_400, Phase::Succeeded, |s| cost(s, 7))],
            policy: |p| p.budget = serde_saphyr::from_str("{creditsPerMonth: 10, estimatePerTask: 4}").unwrap(),
            automation: "{}",
            decision: "Held BudgetExhausted [spec.budget.creditsPerMonth]",
            sentence: "the budget of AgentPolicy default for this month is 10 AI credits, and what is left of it is not \
                       enough for this task; the month ends at 2026-12-01T00:00:00Z (7.0 are spent, 0.0 are held for tasks \
                       under way, and this one may cost 4.0)",
        },
        Row {
            what: "8 are held for a task under way, of which it has spent 1",
            tasks: vec![started("two", "r", 600, Phase::Running, |s| {
                s.reserved_nano_credits = Some(8 * NANO);
                cost(s, 1);
            })],
            policy: |p| p.budget = serde_saphyr::from_str("{creditsPerDay: 10, estimatePerTask: 4}").unwrap(),
            automation: "{}",
            decision: "Held BudgetExhausted [spec.budget.creditsPerDay]",
            sentence: "the budget of AgentPolicy default for this day is 10 AI credits, and what is left of it is not \
                       enough for this task; the day ends at 2026-11-23T00:00:00Z (0.0 are spent, 8.0 are held for tasks \
                       under way, and this one may cost 4.0)",
        },
        Row {
            what: "8 were held, and it cost 1",
            tasks: vec![started("two", "s1", 600, Phase::Succeeded, |s| {
                s.reserved_nano_credits = Some(8 * NANO);
                cost(s, 1);
            })],
            policy: |p| p.budget = serde_saphyr::from_str("{creditsPerDay: 10, estimatePerTask: 4}").unwrap(),
            automation: "{}",
            decision: "Start",
            sentence: "",
        },
        Row {
            what: "8 were held, and GitHub never told what it cost",
            tasks: vec![started("two", "s1", 600, Phase::Succeeded, |s| {
                s.reserved_nano_credits = Some(8 * NANO);
            })],
            policy: |p| p.budget = serde_saphyr::from_str("{creditsPerDay: 10, estimatePerTask: 4}").unwrap(),
            automation: "{}",
            decision: "Held BudgetExhausted [spec.budget.creditsPerDay]",
            sentence: "the budget of AgentPolicy default for this day is 10 AI credits, and what is left of it is not \
                       enough for this task; the day ends at 2026-11-23T00:00:00Z (0.0 are spent, 8.0 are held for tasks \
                       under way, and this one may cost 4.0)",
        },
        Row {
            what: "its own budget, and its last task cost 6",
            tasks: vec![started("one", "s1", 600, Phase::Succeeded, |s| {
                cost(s, 6);
                s.ended_at = Some(at(-300));
            })],
            policy: free,
            automation: "{budget: {creditsPerDay: 11}}",
            decision: "Held BudgetExhausted [spec.budget.creditsPerDay]",
            sentence: "the budget of the automation for this day is 11 AI credits, and what is left of it is not \
                       enough for this task; the day ends at 2026-11-23T00:00:00Z (6.0 are spent, 0.0 are held for tasks \
                       under way, and this one may cost 6.0)",
        },
        Row {
            what: "one task is taken to cost more than the whole budget: no time alone changes that",
            tasks: vec![started("one", "s1", 600, Phase::Succeeded, |s| {
                cost(s, 60);
                s.ended_at = Some(at(-300));
            })],
            policy: free,
            automation: "{budget: {creditsPerDay: 50}}",
            decision: "Held BudgetExhausted [spec.budget.creditsPerDay]",
            sentence: "the budget of the automation for a day is 50 AI credits, and one task is taken to cost more: raise \
                       it, or say in spec.budget.estimatePerTask what a task costs (this one may cost 60.0)",
        },
        Row {
            what: "its own budget and its own estimate",
            tasks: vec![started("one", "s1", 600, Phase::Succeeded, |s| {
                cost(s, 6);
                s.ended_at = Some(at(-300));
            })],
            policy: free,
            automation: "{budget: {creditsPerDay: 11, estimatePerTask: 5}}",
            decision: "Start",
            sentence: "",
        },
    ];
    for row in table {
        let mut tasks = row.tasks;
        tasks.push(due("one", "a", 0, None));
        let world = world(tasks, |w| {
            w.put_policy(in_policy(row.policy));
            w.put_automation(changed(row.automation));
        });
        let plans = admission::plan(&world, &Settings::default(), at(0));
        let (_, planned) = plans.iter().find(|(subject, _)| name(subject) == "a").unwrap();
        let expected = (row.decision.to_owned(), row.sentence.to_owned());
        assert_eq!(told(planned), expected, "{}", row.what);
    }
}

/// What a pass starts counts at once, and is held of budgets.
#[test]
fn one_pass_starts_no_more_than_there_is_room_for() {
    type Row = (fn(&mut PolicySpec), usize);
    let tasks = (0..3).map(|index| with_credential(due("two", &format!("t{index}"), -30, None), index));
    let table: [Row; 4] = [
        (|_| (), 2),
        (|p| p.max_active_per_repository = Some(1), 1),
        (|p| p.max_starts_per_hour = Some(1), 1),
        (
            |p| p.budget = serde_saphyr::from_str("{creditsPerDay: 5, estimatePerTask: 3}").unwrap(),
            1,
        ),
    ];
    for (index, (change, expected)) in table.into_iter().enumerate() {
        let world = world(tasks.clone().collect(), |w| {
            w.put_policy(in_policy(change));
        });
        let plans = admission::plan(&world, &Settings::default(), at(0));
        let starts = plans
            .iter()
            .filter(|(_, planned)| matches!(planned.actions.as_slice(), [Action::Start(_)]));
        assert_eq!(starts.count(), expected, "row {index}");
    }
}

#[test]
fn what_could_never_start_is_told_before_there_is_a_task() {
    type Row = (&'static str, &'static str, &'static str);
    let table: [Row; 10] = [
        (
            "{maxActive: 0}",
            "{}",
            "AgentPolicy default lets nothing start: its spec.maxActive is 0",
        ),
        (
            "{maxActivePerRepository: 0}",
            "{}",
            "AgentPolicy default lets nothing start: its spec.maxActivePerRepository is 0",
        ),
        (
            "{maxActivePerAutomation: 0}",
            "{}",
            "AgentPolicy default lets nothing start: its spec.maxActivePerAutomation is 0",
        ),
        (
            "{maxStartsPerHour: 0}",
            "{}",
            "AgentPolicy default lets nothing start: its spec.maxStartsPerHour is 0",
        ),
        (
            "{budget: {creditsPerMonth: 0, estimatePerTask: 0}}",
            "{}",
            "the budget of AgentPolicy default for a month is 0 AI credits, so nothing starts: raise it",
        ),
        (
            "{budget: {creditsPerDay: 10, estimatePerTask: 11}}",
            "{}",
            "the budget of AgentPolicy default for a day is 10 AI credits, and one task is taken to cost more: raise it, \
             or say in spec.budget.estimatePerTask what a task costs",
        ),
        (
            "{budget: {creditsPerDay: 10, estimatePerTask: 11}}",
            "{budget: {creditsPerDay: 9, estimatePerTask: 10}}",
            "the budget of the automation for a day is 9 AI credits, and one task is taken to cost more: raise it, or say \
             in spec.budget.estimatePerTask what a task costs",
        ),
        ("{budget: {creditsPerDay: 10, estimatePerTask: 10}}", "{}", ""),
        (
            "{budget: {creditsPerDay: 10, estimatePerTask: 11}}",
            "{budget: {estimatePerTask: 10}}",
            "",
        ),
        ("{maxActive: 1, maxStartsPerHour: 1}", "{}", ""),
    ];
    for (rules, asked, told) in table {
        let world = world(vec![], |w| {
            w.put_policy(ruled(rules));
            w.put_automation(changed(asked));
        });
        let standing = planner::standing(&world, world.automation(&key("one")).unwrap(), at(0));
        let why = standing.why();
        let said = (why.reason == Reason::NoRoom).then_some(why.message.as_str());
        assert_eq!(said.unwrap_or_default(), told, "{rules} {asked}");
    }
}

/// A second `/agent fix` on a pull request that an agent works on.
#[test]
fn what_works_on_an_open_pull_request_is_in_no_queue_of_reviews() {
    type Row = (&'static str, &'static str, &'static str);
    let table: [Row; 6] = [
        ("its own queue is full", "NewBranch", "Held ReviewQueue"),
        ("its own queue is full", "PullRequest", "Start"),
        ("a policy's queue is full", "NewBranch", "Held ReviewQueue"),
        ("a policy's queue is full", "PullRequest", "Start"),
        ("the key is the same", "NewBranch", "Skipped Duplicate"),
        ("the key is the same", "PullRequest", "Start"),
    ];
    for (what, push_to, decision) in table {
        let keyed = |task: &mut AgentTask| {
            let same = (what == "the key is the same").then(|| yaml("{key: one/pull/7, while: [PullRequestOpen]}"));
            task.spec.deduplicate = same;
        };
        let mut first = started("one", "s1", 600, Phase::Succeeded, |s| open_pull(s, 7));
        let mut second = due("one", "a", 0, None);
        second.spec.push_to = yaml(push_to);
        keyed(&mut first);
        keyed(&mut second);
        let world = world(vec![first, second], |w| {
            w.put_policy(in_policy(|p| {
                p.head_branches = vec!["**".to_owned()];
                p.max_open_pull_requests_per_repository = (what == "a policy's queue is full").then_some(1);
            }));
            w.put_automation(changed(match what {
                "its own queue is full" => "{maxOpenPullRequests: 1}",
                _ => "{}",
            }));
        });
        let plans = admission::plan(&world, &Settings::default(), at(0));
        let (_, planned) = plans.iter().find(|(subject, _)| name(subject) == "a").unwrap();
        let said = told(planned).0;
        assert!(said.starts_with(decision), "{what}, {push_to}: {said}");
    }
}

/// What is on its way holds what was decided, whatever its automation has come to say since.
#[test]
fn a_start_that_is_on_its_way_holds_what_it_was_decided_with() {
    for (held, decision) in [(10, "Held BudgetExhausted"), (1, "Start")] {
        let first = with_credential(due("two", "a", -60, None), 1);
        let world = world(vec![first, due("one", "b", 0, None)], |w| {
            w.put_policy(ruled("{budget: {creditsPerDay: 12, estimatePerTask: 3}}"));
            w.busy.insert(Subject::Task(key("a")));
            let writing = Writing {
                credential: credential(1),
                reserves: Some(held * NANO),
            };
            w.writing.insert(Subject::Task(key("a")), writing);
        });
        let plans = admission::plan(&world, &Settings::default(), at(0));
        let (_, planned) = plans.iter().find(|(subject, _)| name(subject) == "b").unwrap();
        assert!(told(planned).0.starts_with(decision), "{held}: {}", told(planned).0);
    }
}
