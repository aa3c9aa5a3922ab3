//! What an automation creates, lets go and writes, and in which order.

use crate::api::automation::{AutomationStatus, ScheduleStatus};
use crate::domain::repository::Repository;
use crate::plan::conditions::Standing;
use crate::plan::observed::{AgentFacts, BranchRules, GuardrailFacts, Refused, Unanswered, Untold};
use crate::plan::world::{BranchKey, Retry, Verification};
use crate::plan::{automation as planner, guardrails, naming};

use super::*;

/// Decided up to this many seconds from now; it fires every hour, on the hour, which is now.
fn decided(seconds: i64, change: impl FnOnce(&mut AutomationStatus)) -> AgentAutomation {
    let mut decided = automation("one", 1);
    let status = decided.status.get_or_insert_default();
    status.schedules = vec![ScheduleStatus {
        trigger: "tick".to_owned(),
        decided_through: at(seconds),
        missed_through: None,
        collected_through: None,
    }];
    change(status);
    decided
}

/// The task of an hour, which is now or a multiple of 3600 seconds ago.
fn hour(seconds: i64, status: Option<TaskStatus>) -> AgentTask {
    let name = naming::scheduled_task("one", "uid-one", "tick", at(seconds));
    let mut task = due("one", &name, seconds, status);
    task.metadata.uid = Some(format!("uid{seconds}"));
    task
}

fn failing(world: &mut World) {
    let retry = Retry {
        times: 1,
        not_before: at(0),
        problem: "quota exceeded".to_owned(),
        is_of_github: false,
    };
    world.retries.insert(Subject::Automation(key("one")), retry);
}

fn steps(planned: &Planned) -> Vec<String> {
    let step = |action: &Action| match action {
        Action::CreateTask(task) => {
            let time = task.spec.trigger.scheduled_time;
            format!("create {}", time.duration_since(at(0)).as_secs())
        }
        Action::DeleteTask { uid, .. } => format!("delete {uid}"),
        Action::WriteAutomationStatus(status) => {
            let schedule = &status.schedules[0];
            let through = schedule.decided_through.duration_since(at(0)).as_secs();
            let gone = schedule.collected_through.map_or(String::new(), |gone| {
                format!(", gone through {}", gone.duration_since(at(0)).as_secs())
            });
            format!("write through {through}, {} missed{gone}", status.missed_runs)
        }
        other => other.name().to_owned(),
    };
    planned.actions.iter().map(step).collect()
}

#[test]
fn what_is_due_is_created_and_then_decided() {
    type Row = (
        &'static str,
        i64,
        Vec<AgentTask>,
        fn(&mut World),
        &'static [&'static str],
    );
    let starting = |world: &mut World| {
        let name = ObjectKey::of(&hour(0, None));
        world.writing.insert(Subject::Task(name), credential(0).into());
        world.status_written.insert(key("one"), at(-2));
    };
    let table: Vec<Row> = vec![
        ("due", -3600, vec![], |_| (), &["create 0"]),
        ("three were missed", -4 * 3600, vec![], |_| (), &["create 0"]),
        (
            "its object is there",
            -3600,
            vec![hour(0, None)],
            |_| (),
            &["write through 0, 0 missed"],
        ),
        (
            "and three were missed",
            -4 * 3600,
            vec![hour(0, None)],
            |_| (),
            &["write through 0, 3 missed"],
        ),
        ("its start is under way", -3600, vec![hour(0, None)], starting, &[]),
        (
            "starts have been under way for long",
            -3600,
            vec![hour(0, None)],
            |w| {
                w.writing
                    .insert(Subject::Task(ObjectKey::of(&hour(0, None))), credential(0).into());
                w.status_written.insert(key("one"), at(-10));
            },
            &["write through 0, 0 missed"],
        ),
        (
            "somebody deleted it while its start was under way",
            -3600,
            vec![hour(0, None), due("one", "other", 60, None)],
            |w| {
                w.writing.insert(Subject::Task(key("other")), credential(0).into());
                w.status_written.insert(key("one"), at(-2));
                w.remove_task(&ObjectKey::of(&hour(0, None)), "uid0");
            },
            &["write through 0, 0 missed, gone through 0"],
        ),
        (
            "somebody deleted it after it was decided",
            0,
            vec![hour(0, None)],
            |w| w.remove_task(&ObjectKey::of(&hour(0, None)), "uid0"),
            &["write through 0, 0 missed, gone through 0"],
        ),
        (
            "somebody deleted it, and an older one is still to start",
            0,
            vec![hour(-3600, None), hour(0, None)],
            |w| w.remove_task(&ObjectKey::of(&hour(0, None)), "uid0"),
            &["write through 0, 0 missed"],
        ),
        (
            "and an older one may not have been started",
            0,
            vec![hour(-3600, in_phase(Phase::Unknown)), hour(0, None)],
            |w| w.remove_task(&ObjectKey::of(&hour(0, None)), "uid0"),
            &["write through 0, 0 missed"],
        ),
        (
            "an object of its name is gone that was another",
            -3600,
            vec![hour(0, None)],
            |w| w.remove_task(&ObjectKey::of(&hour(0, None)), "uid-of-an-older-one"),
            &["write through 0, 0 missed"],
        ),
        (
            "it can't be created: that is told first",
            -3600,
            vec![],
            failing,
            &["write through -3600, 0 missed", "create 0"],
        ),
    ];
    for (what, through, tasks, change, expected) in table {
        let mut world = world(vec![], |w| {
            w.put_automation(decided(through, |_| ()));
            for task in tasks {
                w.put_task(task);
            }
        });
        change(&mut world);
        let planned = planner::plan(&world, &key("one"), &Settings::default(), at(0));
        assert_eq!(steps(&planned), expected, "{what}");
    }
}

#[test]
fn what_the_history_lets_go_goes_before_what_is_new() {
    let old = hour(-7200, in_phase(Phase::Succeeded));
    let name = ObjectKey::of(&old).name;
    let counted = |status: &mut AutomationStatus| {
        status.collected.deleting = vec![name.clone()];
        status.collected.counts.succeeded = 1;
    };
    for (what, fails, expected) in [
        ("nothing fails", false, vec!["delete uid-7200", "create 0"]),
        (
            "creating fails, as under a quota",
            true,
            vec![
                "delete uid-7200",
                "write through -3600, 0 missed, gone through -7200",
                "create 0",
            ],
        ),
    ] {
        let mut world = world(vec![old.clone()], |w| {
            w.put_automation(decided(-3600, counted));
        });
        if fails {
            failing(&mut world);
        }
        let planned = planner::plan(&world, &key("one"), &Settings::default(), at(0));
        assert_eq!(steps(&planned), expected, "{what}");
    }
}

#[test]
fn it_is_looked_at_when_a_cooldown_lets_go_of_a_task() {
    let mut ended = hour(-3600, in_phase(Phase::Succeeded));
    ended.status.as_mut().unwrap().started_at = Some(at(-20));
    ended.spec.deduplicate = Some(yaml("{key: deps, while: [Active], cooldown: 1m}"));
    let world = world(vec![ended], |w| {
        let mut automation = decided(-3600, |_| ());
        automation.spec.history_limits.succeeded = 0;
        w.put_automation(automation);
    });
    let planned = planner::plan(&world, &key("one"), &Settings::default(), at(-10));
    assert_eq!(planned.wake, Some(at(0)), "the next hour");
    let planned = planner::plan(&world, &key("one"), &Settings::default(), at(10));
    assert_eq!(planned.wake, Some(at(40)));
}

#[test]
fn a_task_that_can_not_be_created_is_told() {
    let world = world(vec![], |w| {
        w.put_automation(decided(-3600, |_| ()));
        failing(w);
    });
    let planned = planner::plan(&world, &key("one"), &Settings::default(), at(0));
    assert_eq!(planned.reasons[0].reason, Reason::FailedCreate);
    assert!(planned.reasons[0].message.contains("quota exceeded"), "{planned:?}");
}

/// All triggers of an automation wait in one queue.
#[test]
fn triggers_share_the_room_in_the_queue() {
    let table = [(1, 1), (2, 2), (3, 2)];
    for (most, expected) in table {
        let mut automation = changed(&format!(
            "{{concurrency: {{maxQueued: {most}}}, triggers: [{{name: tick, schedule: {{cron: '@hourly'}}}},
              {{name: tock, schedule: {{cron: '@hourly'}}}}]}}"
        ));
        automation.metadata.creation_timestamp = Some(Time(at(-60)));
        let world = world(Vec::new(), |w| {
            w.put_automation(automation);
        });
        let planned = planner::plan(&world, &key("one"), &Settings::default(), at(0));
        assert_eq!(steps(&planned).len(), expected, "{most}: {:?}", steps(&planned));
    }
}

#[test]
fn credits_have_one_decimal_whatever_they_come_to() {
    let table = [
        (0, "0.0"),
        (49_999_999, "0.0"),
        (50_000_000, "0.1"),
        (i64::MAX, "9223372036.8"),
    ];
    for (nano, expected) in table {
        assert_eq!(planner::credits(nano), expected, "{nano}");
    }
}

/// What the history let go is summed up with what it keeps, as far as it started within 30 days.
#[test]
fn the_status_sums_up_a_window() {
    const DAY: i64 = 86_400;
    let ran = |name: &str, ago: i64, more: &str| {
        let mut task = due("one", name, -ago, None);
        task.metadata.uid = Some(format!("uid-{name}"));
        task.status = Some(yaml(&format!("{{startedAt: '{}', {more}}}", at(-ago))));
        task
    };
    let ran_on = |mut task: AgentTask, number: i64| {
        task.spec.push_to = crate::api::trigger::PushTo::PullRequest;
        task.status.as_mut().unwrap().pull_request.as_mut().unwrap().id = number;
        task
    };
    let good = "phase: Succeeded, usage: {nanoAiCredits: 2500000000}, task: {id: a, shortId: a, state: completed}";
    let bad = "phase: Failed, usage: {nanoAiCredits: 500000000}, task: {id: b, shortId: b, state: failed}";
    let merged = format!(
        "{good}, pullRequest: {{id: 1, state: closed, merged: true, createdAt: '{}', firstReviewAt: '{}'}}",
        at(-600),
        at(-300)
    );
    let tally = |ago: i64| {
        format!(
            "{{from: '{}', hours: 24, nanoAiCredits: 1000000000, started: 3, succeeded: 1, failed: 2, opened: 1, merged: 0,
               closed: 1}}",
            at(-6 * 3_600 - ago)
        )
    };
    let table = [
        ("nothing started", vec![], String::new(), ""),
        ("one waits", vec![due("one", "w", 0, None)], String::new(), ""),
        (
            "two are kept",
            vec![ran("a", 3_600, &merged), ran("b", 1_800, bad)],
            String::new(),
            "2 started, 1 good, 1 bad, 1 opened, 1 merged, 0 closed, median 300, 3.0 credits, 3.0 for each",
        ),
        (
            "two worked on a pull request that one of them opened, or a person",
            vec![
                ran("a", 3_600, &merged),
                ran_on(ran("b", 1_800, &merged), 1),
                ran_on(ran("c", 900, &merged), 2),
            ],
            String::new(),
            "3 started, 3 good, 0 bad, 1 opened, 1 merged, 0 closed, median 300, 7.5 credits, 7.5 for each",
        ),
        (
            "some are gone",
            vec![ran("a", 3_600, &merged)],
            format!("tallies: [{}], secondsToReview: [100, 200]", tally(29 * DAY)),
            "4 started, 2 good, 2 bad, 2 opened, 1 merged, 1 closed, median 200, 3.5 credits, 3.5 for each",
        ),
        (
            "of those, some began before the window",
            vec![],
            format!("tallies: [{}, {}]", tally(30 * DAY), tally(DAY)),
            "3 started, 1 good, 2 bad, 1 opened, 0 merged, 1 closed, median -, 1.0 credits, - for each",
        ),
        ("one that is kept did", vec![ran("b", 31 * DAY, bad)], String::new(), ""),
    ];
    for (what, tasks, collected, expected) in table {
        let world = world(tasks, |w| {
            w.put_automation(decided(0, |status| {
                status.collected = yaml(&format!("{{{collected}}}"));
            }));
        });
        let planned = planner::plan(&world, &key("one"), &Settings::default(), at(0));
        let [Action::WriteAutomationStatus(status)] = planned.actions.as_slice() else {
            panic!("{what}: {planned:?}")
        };
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let said = status.summary.clone().map_or_else(String::new, |sum| {
            format!(
                "{} started, {} good, {} bad, {} opened, {} merged, {} closed, median {}, {} credits, {} for each",
                sum.started,
                sum.succeeded,
                sum.failed,
                sum.opened,
                sum.merged,
                sum.closed,
                or_none(sum.median_seconds_to_review.map(|seconds| seconds.to_string())),
                sum.ai_credits,
                or_none(sum.credits_per_merged)
            )
        });
        assert_eq!(said, expected, "{what}");
    }
}

fn branch() -> BranchKey {
    guardrails::of_automation(&World::default(), &automation("one", 1)).unwrap()
}

fn verified(world: &mut World) {
    let verification = Verification {
        checked_at: at(0),
        resource_version: "7".to_owned(),
        result: Ok(()),
    };
    let repository = Repository::parse("acme/api").unwrap();
    world.repositories.insert((credential(0), repository), verification);
}

fn guarded(world: &mut World) {
    let mut policy = policy(None);
    policy.spec.guardrails = Some(yaml("{approvals: 1}"));
    world.put_policy(policy);
}

/// What a leader that has just begun does not know.
fn unread(world: &mut World) {
    world.credentials.clear();
    world.branches.clear();
}

fn not_looked_at(world: &mut World, why: Reason) {
    let refused = Refused {
        reason: why,
        message: "no".to_owned(),
        not_before: None,
    };
    world.branches.get_mut(&branch()).unwrap().exists = Err(refused);
}

fn unguarded(world: &mut World) {
    world.branches.get_mut(&branch()).unwrap().guardrails = Some(GuardrailFacts {
        checked_at: at(0),
        rules: Ok(BranchRules::default()),
        code_owners: Ok(None),
        agent: Ok(AgentFacts::default()),
        unanswered: None,
    });
}

fn unanswered(world: &mut World) {
    unguarded(world);
    let facts = world.branches.get_mut(&branch()).unwrap().guardrails.as_mut().unwrap();
    facts.rules = Err(Untold::Unanswered("502".to_owned()));
    facts.unanswered = Some(Unanswered { times: 1, at: at(0) });
}

#[test]
fn what_was_told_stands_until_it_has_been_read_anew() {
    type Row = (&'static str, &'static str, fn(&mut World), &'static str);
    let table: Vec<Row> = vec![
        ("a new one", "", unread, "reconciling Verifying"),
        ("ready", "True Ready", unread, "ready Ready"),
        (
            "ready, with an older spec",
            "True Ready, of 0",
            unread,
            "reconciling Verifying",
        ),
        ("ready, and the token is a new one", "True Ready", |_| (), "ready Ready"),
        (
            "without its Secret",
            "False SecretMissing",
            unread,
            "stalled SecretMissing",
        ),
        (
            "without its Secret, which is there now",
            "False SecretMissing",
            |_| (),
            "reconciling Verifying",
        ),
        (
            "without its repository",
            "False RepositoryNotFound",
            |_| (),
            "stalled RepositoryNotFound",
        ),
        (
            "without its repository, which is there now",
            "False RepositoryNotFound",
            verified,
            "ready Ready",
        ),
        (
            "denied, and is not any more",
            "False PolicyDenied",
            unread,
            "reconciling Verifying",
        ),
        (
            "without its branch",
            "False BranchGone",
            |w| {
                verified(w);
                w.branches.clear();
            },
            "stalled BranchGone",
        ),
        (
            "without its branch, which is there now",
            "False BranchGone",
            verified,
            "ready Ready",
        ),
        (
            "a new one, before its guardrails are known",
            "",
            |w| {
                guarded(w);
                verified(w);
            },
            "reconciling Verifying",
        ),
        (
            "a new one, and GitHub does not answer",
            "",
            |w| {
                guarded(w);
                verified(w);
                not_looked_at(w, Reason::GitHubUnavailable);
            },
            "reconciling GitHubUnavailable",
        ),
        (
            "a new one, and GitHub fails to say what guards the branch",
            "",
            |w| {
                guarded(w);
                verified(w);
                unanswered(w);
            },
            "reconciling GuardrailUnknown, 1 guardrails",
        ),
        (
            "guarded",
            "True Ready, 1 guardrails",
            |w| {
                guarded(w);
                unread(w);
            },
            "ready Ready, 1 guardrails",
        ),
        (
            "guarded, and GitHub does not answer",
            "True Ready, 1 guardrails",
            |w| {
                guarded(w);
                verified(w);
                not_looked_at(w, Reason::GitHubUnavailable);
            },
            "ready Ready, 1 guardrails",
        ),
        (
            "guarded, and the token may not look any more",
            "True Ready, 1 guardrails",
            |w| {
                guarded(w);
                verified(w);
                not_looked_at(w, Reason::PermissionDenied);
            },
            "stalled PermissionDenied, 1 guardrails",
        ),
        (
            "unguarded",
            "False GuardrailNotMet, 1 guardrails",
            |w| {
                guarded(w);
                unread(w);
            },
            "stalled GuardrailNotMet, 1 guardrails",
        ),
        (
            "unguarded, and nothing is required any more",
            "False GuardrailNotMet, 1 guardrails",
            |w| {
                verified(w);
                w.branches.clear();
            },
            "ready Ready",
        ),
        (
            "guarded, and is not any more",
            "True Ready, 1 guardrails",
            |w| {
                guarded(w);
                verified(w);
                unguarded(w);
            },
            "stalled GuardrailNotMet, 1 guardrails",
        ),
    ];
    for (what, told, change, expected) in table {
        let world = world(vec![], |w| {
            w.put_automation(decided(0, |status| tell(status, told)));
            change(w);
        });
        let planned = planner::plan(&world, &key("one"), &Settings::default(), at(0));
        let [Action::WriteAutomationStatus(status)] = planned.actions.as_slice() else {
            panic!("{what}: {planned:?}")
        };
        let standing = planner::standing(&world, world.automation(&key("one")).unwrap(), at(0));
        let (stands, why) = match &standing {
            Standing::Ready(why) => ("ready", why),
            Standing::Reconciling(why) => ("reconciling", why),
            Standing::Stalled(why) => ("stalled", why),
        };
        let count = status.guardrails.len();
        let guardrails = if count > 0 {
            format!(", {count} guardrails")
        } else {
            String::new()
        };
        assert_eq!(
            format!("{stands} {}{guardrails}", why.reason.as_str()),
            expected,
            "{what}"
        );
    }
}

/// A status that says so.
fn tell(status: &mut AutomationStatus, told: &str) {
    let Some((ready, reason)) = told.split_once(' ') else {
        return;
    };
    let (reason, more) = reason.split_once(", ").unwrap_or((reason, ""));
    let generation = i64::from(more != "of 0");
    status.observed_generation = Some(generation);
    status.conditions = yaml(&format!(
        "[{{type: Ready, status: '{ready}', reason: {reason}, message: told, observedGeneration: {generation},
           lastTransitionTime: '{NOW}'}}]"
    ));
    if more == "1 guardrails" {
        status.guardrails = yaml("[{policy: default, name: approvals, state: Met}]");
    }
}

#[test]
fn what_it_asks_for_beyond_a_policy_is_told() {
    let table = [
        ("{maxActive: 2}", "{}", ""),
        (
            "{maxActive: 2}",
            "{concurrency: {maxActive: 3}}",
            "spec.concurrency.maxActive is 3, and AgentPolicy default allows 2 (spec.maxActive)",
        ),
        (
            "{maxOpenPullRequestsPerRepository: 2}",
            "{maxOpenPullRequests: 3}",
            "spec.maxOpenPullRequests is 3, and AgentPolicy default allows 2 (spec.maxOpenPullRequestsPerRepository)",
        ),
        (
            "{budget: {creditsPerMonth: 20}}",
            "{budget: {creditsPerDay: 30, creditsPerMonth: 21}}",
            "spec.budget.creditsPerMonth is 21, and AgentPolicy default allows 20 (spec.budget.creditsPerMonth)",
        ),
    ];
    for (rules, asked, expected) in table {
        let world = world(vec![], |w| {
            w.put_policy(ruled(rules));
            w.put_automation(changed(asked));
        });
        let narrowed = planner::narrowed(&world, world.automation(&key("one")).unwrap(), at(0));
        let said = narrowed.map(|why| why.message).unwrap_or_default();
        assert_eq!(said, expected, "{rules} {asked}");
    }
}

/// A status speaks of this day and this month: it is written anew when the next begins, and only where it says something.
#[test]
fn it_is_looked_at_when_a_budget_is_counted_anew() {
    let cost = |ago: i64| {
        let mut task = due("one", "a", -ago, in_phase(Phase::Succeeded));
        let status = task.status.as_mut().unwrap();
        status.started_at = Some(at(-ago));
        status.usage = Some(yaml("{nanoAiCredits: 1000000000}"));
        task
    };
    let budget = "{budget: {creditsPerDay: 50}}";
    let table = [
        ("it spent nothing", vec![], budget, None),
        ("it spent today", vec![cost(60)], budget, Some("2026-11-23T00:00:00Z")),
        (
            "it spent yesterday",
            vec![cost(86_400)],
            budget,
            Some("2026-12-01T00:00:00Z"),
        ),
        ("it has no budget", vec![cost(60)], "{}", None),
    ];
    for (what, tasks, spec, expected) in table {
        let world = world(tasks, |w| {
            w.put_automation(changed(spec));
        });
        let automation = world.automation(&key("one")).unwrap();
        let next = crate::plan::budget::counted_anew(&world, automation, at(0));
        assert_eq!(next, expected.map(|time| time.parse().unwrap()), "{what}");
    }
}
