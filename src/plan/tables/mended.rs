//! What once went wrong, and what is decided now.

use std::collections::BTreeSet;

use crate::api::automation::{DuplicateWhile, OnDuplicate};
use crate::api::task::{ABANDON_ANNOTATION, BY_SUFFIX, DeduplicationTerms, GitHubTask, PullRequest, Usage};
use crate::domain::repository::Repository;
use crate::plan::observed::SeenPull;
use crate::plan::queue::Queue;
use crate::plan::world::{PullFacts, Retry};
use crate::plan::{admission, plan, task as following};

use super::*;

fn about(mut task: AgentTask, during: Vec<DuplicateWhile>, on_duplicate: OnDuplicate) -> AgentTask {
    task.spec.deduplicate = Some(DeduplicationTerms {
        key: "k".to_owned(),
        during,
        cooldown: None,
        on_duplicate,
    });
    task
}

fn admitted(world: &World, seconds: i64) -> Vec<String> {
    words(&admission::plan(world, &Settings::default(), at(seconds)))
}

fn at_github(state: &str) -> GitHubTask {
    yaml(&format!(
        "{{id: id, shortId: id, state: {state}, updatedAt: '{}'}}",
        at(-9_000)
    ))
}

/// A task that ended long ago.
fn ended(phase: Phase, pull_request: Option<PullRequest>) -> TaskStatus {
    TaskStatus {
        phase,
        started_at: Some(at(-9_000)),
        ended_at: Some(at(-8_000)),
        task: Some(at_github("completed")),
        pull_request,
        ..TaskStatus::default()
    }
}

#[test]
fn a_question_without_an_answer_takes_no_room_from_others() {
    let asking = about(
        with_credential(due("one", "a", 0, None), 1),
        vec![DuplicateWhile::PullRequestOpen],
        OnDuplicate::Skip,
    );
    let world = world(vec![asking, with_credential(due("two", "b", 1, None), 2)], |w| {
        w.put_policy(policy(Some(1)));
        let pulls = Subject::Pulls(credential(1), Repository::parse("acme/api").unwrap());
        let retry = Retry {
            times: 9,
            not_before: at(60),
            problem: "it says 403".to_owned(),
            is_of_github: false,
        };
        w.retries.insert(pulls, retry);
    });
    assert_eq!(admitted(&world, 2), ["a: Held GitHubUnavailable", "b: Start"]);
}

#[test]
fn a_pull_request_that_no_list_shows_is_read_now_and_then() {
    let pull: PullRequest = yaml(&format!(
        "{{id: 70, number: 7, url: u, state: open, updatedAt: '{0}', createdAt: '{0}'}}",
        at(-8_000)
    ));
    let task = due("one", "a", -9_100, Some(ended(Phase::Succeeded, Some(pull))));
    let world = world(vec![task], |w| {
        let seen = |number: i64| SeenPull {
            id: number,
            is_open: true,
            updated_at: Some(at(-number)),
        };
        let facts = PullFacts {
            checked_at: Some(at(-1)),
            pulls: (1_000..1_100).map(|number| (number, seen(number))).collect(),
            ..PullFacts::default()
        };
        w.pulls
            .insert((credential(0), Repository::parse("acme/api").unwrap()), facts);
        w.facts.entry(key("a")).or_default().pull_observed_at = Some(at(-60));
    });
    let later = |seconds| following::plan(&world, &key("a"), &Settings::default(), at(seconds));
    assert_eq!(later(0).wake, Some(at(14 * 60)));
    assert_eq!(later(14 * 60).actions, [Action::ObservePull { number: 7 }]);
}

#[test]
fn a_missing_link_is_looked_for_as_long_as_the_pull_request_counts() {
    let pull = PullRequest {
        id: 7,
        ..PullRequest::default()
    };
    let task = due("one", "a", -9_100, Some(ended(Phase::Succeeded, Some(pull))));
    let world = world(vec![task, due("one", "b", 0, None)], |w| {
        w.put_automation(changed("{maxOpenPullRequests: 1}"));
        w.facts.entry(key("a")).or_default().observed_at = Some(at(-60));
    });
    assert_eq!(admitted(&world, 0), ["b: Held ReviewQueue"]);
    let planned = following::plan(&world, &key("a"), &Settings::default(), at(0));
    assert_eq!(planned.wake, Some(at(3_540)));
}

#[test]
fn a_person_says_that_what_counts_is_over() {
    for (phase, then) in [
        (Phase::Running, "Failed Abandoned"),
        (Phase::TimedOut, "TimedOut Abandoned"),
    ] {
        let status = TaskStatus {
            phase,
            reason: Some(Reason::InProgress),
            task: Some(at_github("in_progress")),
            ..ended(phase, None)
        };
        let mut task = due("one", "a", -9_000, Some(status));
        let counted = crate::plan::world::counts(&task);
        let by = (format!("{ABANDON_ANNOTATION}{BY_SUFFIX}"), "bob".to_owned());
        task.metadata.annotations = Some([(ABANDON_ANNOTATION.to_owned(), "it hangs".to_owned()), by].into());
        let world = world(vec![task.clone()], |_| ());
        let planned = following::plan(&world, &key("a"), &Settings::default(), at(0));
        assert_eq!((counted, decision(&planned).as_str()), (true, then));
        if let Some(Action::WriteTaskStatus(status)) = planned.actions.into_iter().next() {
            assert_eq!(status.interventions[0].by, "bob");
            task.status = Some(*status);
        }
        assert!(!crate::plan::world::counts(&task), "{phase:?}");
    }
}

#[test]
fn what_may_not_start_takes_nothing_s_place() {
    let during = vec![DuplicateWhile::Queued];
    let older = about(
        with_credential(due("one", "a", -10, None), 1),
        during.clone(),
        OnDuplicate::Skip,
    );
    let mut newer = about(
        with_credential(due("two", "b", -5, None), 2),
        during,
        OnDuplicate::Replace,
    );
    newer.spec.base_branch = "secret".to_owned();
    let world = world(vec![older, newer], |_| ());
    assert_eq!(admitted(&world, 0), ["a: Start", "b: Denied PolicyDenied"]);
}

/// An approved one, and one of which a person thought better, are not lost for a newer one that will not start.
#[test]
fn what_will_not_start_replaces_nothing() {
    type Row = (
        &'static str,
        fn(&mut AgentTask),
        fn(&mut World),
        &'static [&'static str],
    );
    let replaced: &[&str] = &["a: Superseded Replaced", "b: Start"];
    let table: [Row; 7] = [
        ("the newer may start", |_| (), |_| (), replaced),
        (
            "it is cancelled",
            |newer| {
                let said = ("agentautomation.dev/cancel".to_owned(), "no".to_owned());
                newer.metadata.annotations = Some([said].into());
            },
            |_| (),
            &["a: Start", "b: Skipped CancelledByPerson"],
        ),
        (
            "it is being deleted",
            |newer| newer.metadata.deletion_timestamp = Some(Time(at(0))),
            |_| (),
            &["a: Start", "b: wait"],
        ),
        (
            "it came due in a window that skips",
            |_| (),
            |w| {
                w.put_policy(ruled(
                    "{freezeWindows: [{name: skip, from: '2026-11-22T05:59:53Z', to: '2026-11-22T05:59:58Z', due: Skip}]}",
                ));
            },
            &["a: Start", "b: Skipped PolicyFrozen"],
        ),
        (
            "neither is approved",
            |_| (),
            |w| {
                w.put_policy(ruled("{requireApproval: {users: [eve]}}"));
            },
            &["a: Superseded Replaced", "b: Held Approval"],
        ),
        (
            "the older is approved",
            |_| (),
            |w| {
                w.put_policy(ruled("{requireApproval: {users: [eve]}}"));
                let mut approved = w.task(&key("a")).unwrap().clone();
                approved.metadata.resource_version = Some("2".to_owned());
                let by = ("agentautomation.dev/approved-by".to_owned(), "eve".to_owned());
                approved.metadata.annotations = Some([by].into());
                w.put_task(approved);
            },
            // Its approval is recorded first.
            &["a: Pending ", "b: Held Approval"],
        ),
        (
            "the newer one's automation has stopped itself",
            |_| (),
            |w| {
                let mut stopped = automation("two", 1);
                let status = stopped.status.get_or_insert_default();
                (status.observed_generation, status.collected.failures) = (Some(1), 5);
                w.put_automation(stopped);
            },
            &["a: Start", "b: Held FailureThreshold"],
        ),
    ];
    for (what, change, rules, expected) in table {
        let queued = || vec![DuplicateWhile::Queued];
        let older = with_credential(due("one", "a", -10, None), 1);
        let mut newer = about(
            with_credential(due("two", "b", -5, None), 2),
            queued(),
            OnDuplicate::Replace,
        );
        change(&mut newer);
        let world = world(vec![about(older, queued(), OnDuplicate::Replace), newer], rules);
        assert_eq!(admitted(&world, 0), expected, "{what}");
    }
}

#[test]
fn what_came_due_in_a_window_that_skips_is_skipped_however_late_it_is_looked_at() {
    for seconds in [0, 4 * 3_600] {
        let world = world(vec![due("one", "a", -600, None)], |w| {
            let mut policy = policy(None);
            policy.spec.freeze_windows = yaml(
                "[{name: skip, from: '2026-11-22T05:00:00Z', to: '2026-11-22T07:00:00Z', due: Skip},
                  {name: hold, from: '2026-11-22T05:00:00Z', to: '2026-11-22T09:00:00Z', due: Hold}]",
            );
            w.put_policy(policy);
        });
        assert_eq!(
            admitted(&world, seconds),
            ["a: Skipped PolicyFrozen"],
            "after {seconds} s"
        );
    }
}

#[test]
fn the_newest_has_room_where_it_takes_the_place_of_what_waits() {
    for terms in [
        "{concurrency: {maxQueued: 1, whenFull: KeepLatest}}",
        "{concurrency: {maxQueued: 1}, deduplicate: {onDuplicate: Replace}}",
    ] {
        let mut automation = changed(terms);
        automation.metadata.creation_timestamp = Some(Time(at(-7_260)));
        automation.status = Some(yaml(&format!(
            "{{schedules: [{{trigger: tick, decidedThrough: '{}'}}]}}",
            at(-3_600)
        )));
        let held = due("one", "old", -3_600, in_phase(Phase::Held));
        let world = world(vec![held, due("one", "run", -7_200, in_phase(Phase::Running))], |w| {
            w.put_automation(automation);
        });
        let planned = plan(&world, &Subject::Automation(key("one")), &Settings::default(), at(0));
        let names: Vec<_> = planned.actions.iter().map(Action::name).collect();
        assert_eq!(names, ["CreateTask"], "{terms}");
    }
}

#[test]
fn a_used_up_budget_holds_even_what_is_taken_to_cost_nothing() {
    for (limit, spent) in [(0, 0), (10, 10)] {
        let world = world(vec![with_credential(due("two", "b", 0, None), 2)], |w| {
            let mut policy = policy(None);
            policy.spec.budget = Some(yaml(&format!("{{creditsPerDay: {limit}, estimatePerTask: 20}}")));
            w.put_policy(policy);
            let mut automation = automation("two", 2);
            automation.spec.budget = Some(yaml("{estimatePerTask: 0}"));
            w.put_automation(automation);
            if spent > 0 {
                let usage = Usage {
                    nano_ai_credits: spent * 1_000_000_000,
                    ..Usage::default()
                };
                let status = TaskStatus {
                    started_at: Some(at(-60)),
                    usage: Some(usage),
                    ..ended(Phase::Succeeded, None)
                };
                w.put_task(due("one", "s", -100, Some(status)));
            }
        });
        assert_eq!(admitted(&world, 0), ["b: Held BudgetExhausted"], "{spent} of {limit}");
    }
}

#[test]
fn a_question_about_one_ends_no_other() {
    let asked = with_credential(due("one", "a", -10, None), 1);
    let next = with_credential(due("one", "b", -5, None), 2);
    let world = world(vec![asked, next], |w| {
        w.put_automation(changed("{concurrency: {whenFull: Skip}}"));
        let mut branch = crate::plan::guardrails::of_automation(&World::default(), &automation("one", 1)).unwrap();
        branch.credential = credential(1);
        w.branches.remove(&branch);
    });
    assert_eq!(admitted(&world, 0), ["a: wait", "?: Inspect", "b: wait"]);
}

#[test]
fn a_look_in_turn_leaves_the_credential_s_line_its_timer() {
    let mut task = due("one", "a", 0, None);
    task.spec.start_before = Some(at(3_600));
    let world = world(vec![task], |w| {
        w.credentials.get_mut(&credential(0)).unwrap().next_write = Some(at(3));
    });
    let settings = Settings {
        write_interval: jiff::SignedDuration::from_secs(3),
        ..Settings::default()
    };
    let mut queue = Queue::default();
    let mut wakes = |news: BTreeSet<Subject>| -> Vec<_> {
        let plans = queue.plan(&world, &news, &settings, at(1));
        plans.iter().filter_map(|(_, planned)| planned.wake).collect()
    };
    assert!(wakes([Subject::Task(key("a"))].into()).contains(&at(3)));
    assert!(wakes(BTreeSet::new()).contains(&at(3)), "the sweep");
}

/// Started two minutes ago and ended since, at a cost of 7 credits.
fn costly() -> AgentTask {
    let mut status = ended(Phase::Succeeded, None);
    status.started_at = Some(at(-120));
    status.usage = Some(Usage {
        nano_ai_credits: 7_000_000_000,
        ..Usage::default()
    });
    status.pull_request = Some(yaml("{id: 70, number: 7, state: open}"));
    due("one", "costly", -120, Some(status))
}

/// No time of it is due.
fn by_hand() -> AgentAutomation {
    changed("{triggers: [{name: hand, manual: {}}]}")
}

/// Deletes it as a person does, and has the automation's status account for it so many times.
fn deleted(world: &mut World, accounted: usize) {
    world.remove_task(&key("costly"), "uid-costly");
    for _ in 0..accounted {
        let planned = plan(world, &Subject::Automation(key("one")), &Settings::default(), at(1));
        let written = planned.actions.into_iter().find_map(|action| match action {
            Action::WriteAutomationStatus(status) => Some(*status),
            _ => None,
        });
        let Some(status) = written else { continue };
        let mut automation = world.automation(&key("one")).unwrap().clone();
        automation.status = Some(status);
        world.put_automation(automation);
    }
}

#[test]
fn what_a_deleted_task_cost_and_that_it_started_is_not_given_back() {
    let limits = [
        ("Start", "{}"),
        (
            "Held BudgetExhausted",
            "{budget: {creditsPerDay: 10, estimatePerTask: 4}}",
        ),
        ("Held StartRate", "{maxStartsPerHour: 1}"),
    ];
    for (expected, limit) in limits {
        for accounted in [0, 1, 2] {
            let waits = with_credential(due("two", "b", 0, None), 1);
            let world = world(vec![costly(), waits], |w| {
                w.put_automation(by_hand());
                let mut policy = policy(None);
                let mut spec = serde_json::to_value(&policy.spec).unwrap();
                merge(&mut spec, &yaml(limit));
                policy.spec = serde_json::from_value(spec).unwrap();
                w.put_policy(policy);
                deleted(w, accounted);
            });
            assert_eq!(
                admitted(&world, 2),
                [format!("b: {expected}")],
                "accounted {accounted} times"
            );
        }
    }
}

#[test]
fn the_next_leader_counts_the_start_of_a_deleted_task_as_well() {
    let before = world(vec![costly()], |w| {
        w.put_automation(by_hand());
        deleted(w, 1);
    });
    let next = world(vec![with_credential(due("two", "b", 0, None), 1)], |w| {
        w.put_automation(before.automation(&key("one")).unwrap().clone());
        let mut policy = policy(None);
        policy.spec.max_starts_per_hour = Some(1);
        w.put_policy(policy);
    });
    assert_eq!(admitted(&next, 2), ["b: Held StartRate"]);
    assert_eq!(admitted(&next, 3_600)[0], "b: wait", "and no longer than it has to");
}

#[test]
fn a_start_that_was_adopted_late_is_charged_to_when_it_was_sent() {
    let mut status = written_ahead();
    let found = observed("id-1", "");
    crate::plan::start::adopt(&mut status, &found, Reason::Adopted, String::new(), at(7_200));
    assert_eq!(status.started_at, Some(at(0)));
}

/// A limit of GitHub's that comes and goes does not rewrite all that waits for something else.
#[test]
fn what_a_cap_holds_is_not_told_of_github_s_limit() {
    let running = due("one", "r", -60, in_phase(Phase::Running));
    let free = due("two", "b", 0, None);
    let world = world(vec![running, due("one", "a", -10, None), free], |w| {
        w.credentials.get_mut(&credential(0)).unwrap().limited_until = Some(at(600));
    });
    assert_eq!(admitted(&world, 0), ["b: Held RateLimited", "a: Held AutomationCap"]);
}

#[test]
fn a_deleted_task_is_accounted_for_once() {
    let mut world = world(vec![costly()], |w| {
        w.put_automation(by_hand());
    });
    let spent = |world: &World| {
        let charge = world.ledger().of_automation(&key("one"), at(-7_200));
        let status = world
            .automation(&key("one"))
            .unwrap()
            .status
            .clone()
            .unwrap_or_default();
        (
            charge.total() / 1_000_000_000,
            status.collected.counts.succeeded,
            status.collected.pull_requests.opened,
            status.collected.pull_requests.open,
            status.collected.departed,
        )
    };
    assert_eq!(spent(&world), (7, 0, 0, 0, vec![]));
    deleted(&mut world, 0);
    assert_eq!(spent(&world), (7, 0, 0, 0, vec![]));
    for _ in 0..2 {
        deleted(&mut world, 1);
        assert_eq!(spent(&world), (7, 1, 1, 0, vec!["uid-costly".to_owned()]));
    }
}
