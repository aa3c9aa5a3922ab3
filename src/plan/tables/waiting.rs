//! What becomes of tasks that wait: freeze windows, duplicates, retries, changed specs, branches that are gone, and whose
//! turn it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::api::automation::{DuplicateWhile, OnDuplicate, OnSpecChange};
use crate::api::policy::{PolicySpec, TriggerKind};
use crate::api::task::{DeduplicationTerms, Follows, FollowsBecause, GitHubTask, PullRequest};
use crate::plan::admission;
use crate::plan::observed::{AgentFacts, BranchRules, GuardrailFacts, Untold};
use crate::plan::order::in_order;
use crate::plan::world::{Labelled, LabelledPull, PullFacts, Retry};

use super::*;

fn with_key(mut task: AgentTask, key: &str, change: impl FnOnce(&mut DeduplicationTerms)) -> AgentTask {
    let mut terms = DeduplicationTerms {
        key: key.to_owned(),
        during: vec![DuplicateWhile::Queued, DuplicateWhile::Active],
        cooldown: None,
        on_duplicate: OnDuplicate::Skip,
    };
    change(&mut terms);
    task.spec.deduplicate = Some(terms);
    task
}

fn at_github(state: &str) -> GitHubTask {
    GitHubTask {
        id: "id-1".to_owned(),
        state: state.to_owned(),
        ..GitHubTask::default()
    }
}

fn running(automation: &str, name: &str) -> AgentTask {
    let status = TaskStatus {
        phase: Phase::Running,
        started_at: Some(at(-50)),
        task: Some(at_github("in_progress")),
        ..TaskStatus::default()
    };
    due(automation, name, -60, Some(status))
}

fn following(mut task: AgentTask, other: &str, because: FollowsBecause) -> AgentTask {
    let retries = i32::from(because == FollowsBecause::Retry);
    task.spec.follows = Some(Follows {
        name: other.to_owned(),
        because,
        retries,
        approvals: Vec::new(),
    });
    task
}

/// A task of which a pull request is open, and its retry.
fn retry_with_an_open_pull(id: i64) -> Vec<AgentTask> {
    let of_key = |task| {
        with_key(task, "deps", |terms| {
            terms.during = vec![DuplicateWhile::PullRequestOpen];
        })
    };
    let mut failed = of_key(running("one", "r"));
    let status = failed.status.as_mut().unwrap();
    (status.phase, status.task) = (Phase::Failed, Some(at_github("failed")));
    status.successor = Some("a".to_owned());
    status.pull_request = Some(PullRequest {
        id,
        ..PullRequest::default()
    });
    let retry = following(due("one", "a", -60, None), "r", FollowsBecause::Retry);
    vec![of_key(retry), failed]
}

/// Pull requests of these ids are open and have the label deps.
fn labelled(ids: &[i64]) -> Box<dyn FnOnce(&mut World)> {
    let pulls = ids.iter().map(|id| LabelledPull {
        id: *id,
        page: format!("https://github.com/acme/api/pull/{id}"),
    });
    let labelled = Labelled {
        asked_at: at(-5),
        answered_at: at(-4),
        pulls: [("deps".to_owned(), pulls.collect())].into(),
    };
    Box::new(move |world| {
        let facts = PullFacts {
            labelled: Some(labelled),
            ..PullFacts::default()
        };
        let branch = crate::plan::guardrails::of_automation(&World::default(), &automation("one", 1)).unwrap();
        world.pulls.insert((branch.credential, branch.repository), facts);
    })
}

fn frozen(windows: &str) -> impl FnOnce(&mut World) {
    let mut policy = policy(None);
    policy.spec = PolicySpec {
        freeze_windows: serde_saphyr::from_str(windows).unwrap(),
        ..policy.spec
    };
    move |world: &mut World| {
        world.put_policy(policy);
    }
}

/// Decisions with their sentences, as `name: Phase Reason: sentence`.
fn lines(world: &World) -> Vec<String> {
    let plans = admission::plan(world, &Settings::default(), at(0));
    let tasks = plans.iter().filter(|(subject, _)| matches!(subject, Subject::Task(_)));
    tasks
        .map(|(subject, planned)| {
            let sentence = planned
                .reasons
                .first()
                .map_or(String::new(), |why| format!(": {}", why.message));
            format!("{}: {}{sentence}", name(subject), decision(planned))
        })
        .collect()
}

#[test]
fn what_becomes_of_a_task_that_waits() {
    type Row = (
        &'static str,
        Vec<AgentTask>,
        Box<dyn FnOnce(&mut World)>,
        &'static [&'static str],
    );
    let nothing = || Box::new(|_: &mut World| ()) as Box<dyn FnOnce(&mut World)>;
    let same = |task| with_key(task, "deps", |_| ());
    let facts = |change: fn(&mut BranchFacts)| {
        Box::new(move |world: &mut World| {
            let key = crate::plan::guardrails::of_automation(&World::default(), &automation("one", 1)).unwrap();
            change(world.branches.get_mut(&key).unwrap());
        }) as Box<dyn FnOnce(&mut World)>
    };
    let guarded = |change: fn(&mut BranchFacts)| {
        Box::new(move |world: &mut World| {
            let mut policy = policy(None);
            policy.spec.guardrails = Some(serde_saphyr::from_str("{approvals: 1}").unwrap());
            world.put_policy(policy);
            let key = crate::plan::guardrails::of_automation(&World::default(), &automation("one", 1)).unwrap();
            let facts = world.branches.get_mut(&key).unwrap();
            facts.guardrails = Some(GuardrailFacts {
                checked_at: at(-600),
                rules: Ok(BranchRules::default()),
                code_owners: Ok(None),
                agent: Ok(AgentFacts::default()),
                unanswered: None,
            });
            change(facts);
        }) as Box<dyn FnOnce(&mut World)>
    };
    let table: Vec<Row> = vec![
        (
            "a freeze window holds",
            vec![due("one", "a", 0, None)],
            Box::new(frozen("[{name: night, cron: '0 4 * * *', duration: 3h}]")),
            &[
                "a: Held PolicyFrozen: nothing starts in the freeze window night of AgentPolicy default; it ends at \
               2026-11-22T07:00:00Z",
            ],
        ),
        (
            "a freeze window skips what comes due inside, and holds what came before",
            vec![due("one", "a", 0, None), due("two", "b", -3 * 3_600, None)],
            Box::new(frozen("[{name: night, cron: '0 4 * * *', duration: 3h, due: Skip}]")),
            &[
                "b: Held PolicyFrozen: nothing starts in the freeze window night of AgentPolicy default; it ends at \
                 2026-11-22T07:00:00Z",
                "a: Skipped PolicyFrozen: it came due in the freeze window night of AgentPolicy default, which skips it",
            ],
        ),
        (
            "what a clock that is ahead made is skipped by the window that it came due in",
            vec![due("one", "a", 3_610, None)],
            Box::new(frozen("[{name: day, cron: '0 7 * * *', duration: 1h, due: Skip}]")),
            &["a: Skipped PolicyFrozen: it came due in the freeze window day of AgentPolicy default, which skips it"],
        ),
        (
            "the same key, and the other is under way",
            vec![same(due("one", "a", 0, None)), same(running("two", "r"))],
            nothing(),
            &["a: Skipped Duplicate: task r has the same key (deps) and is under way, id-1 at GitHub"],
        ),
        (
            "the same key, and the other waits: the newer gives way",
            vec![same(due("one", "a", 0, None)), same(due("two", "b", -10, None))],
            nothing(),
            &[
                "b: Start",
                "a: Skipped Duplicate: task b has the same key (deps) and waits",
            ],
        ),
        (
            "the same key, one is under way and two wait: both name what is under way",
            vec![
                same(due("one", "a", 0, None)),
                same(due("two", "b", -10, None)),
                same(running("two", "r")),
            ],
            nothing(),
            &[
                "a: Skipped Duplicate: task r has the same key (deps) and is under way, id-1 at GitHub",
                "b: Skipped Duplicate: task r has the same key (deps) and is under way, id-1 at GitHub",
            ],
        ),
        (
            "the newer replaces what still waits",
            vec![
                with_key(due("one", "a", 0, None), "deps", |terms| {
                    terms.on_duplicate = OnDuplicate::Replace;
                }),
                same(due("two", "b", -10, None)),
            ],
            nothing(),
            &["b: Superseded Replaced: task a is about the same and newer", "a: Start"],
        ),
        (
            "another key",
            vec![
                same(due("one", "a", 0, None)),
                with_key(running("two", "r"), "docs", |_| ()),
            ],
            nothing(),
            &["a: Start"],
        ),
        (
            "a retry is no duplicate of what it retries",
            vec![
                following(same(due("one", "a", -60, None)), "r", FollowsBecause::Retry),
                {
                    let mut other = same(running("one", "r"));
                    other.status.as_mut().unwrap().phase = Phase::Failed;
                    other.status.as_mut().unwrap().task = Some(at_github("failed"));
                    other.status.as_mut().unwrap().successor = Some("a".to_owned());
                    other
                },
            ],
            nothing(),
            &["a: Start"],
        ),
        (
            "the other started less than its cooldown ago",
            vec![
                with_key(due("one", "a", 0, None), "deps", |terms| {
                    terms.cooldown = Some("1m".to_owned().try_into().unwrap());
                }),
                {
                    let mut other = same(running("two", "r"));
                    let status = other.status.as_mut().unwrap();
                    (status.phase, status.task) = (Phase::Succeeded, Some(at_github("completed")));
                    other
                },
            ],
            nothing(),
            &[
                "a: Skipped Duplicate: task r has the same key (deps) and started at 2026-11-22T05:59:10Z, less than 1m ago, \
               id-1 at GitHub",
            ],
        ),
        (
            "the other started less than its cooldown ago, by a clock that is ahead",
            vec![
                with_key(due("one", "a", 0, None), "deps", |terms| {
                    terms.cooldown = Some("1m".to_owned().try_into().unwrap());
                }),
                {
                    let mut other = same(running("two", "r"));
                    let status = other.status.as_mut().unwrap();
                    status.started_at = Some(at(20));
                    (status.phase, status.task) = (Phase::Succeeded, Some(at_github("completed")));
                    other
                },
            ],
            nothing(),
            &[
                "a: Skipped Duplicate: task r has the same key (deps) and started at 2026-11-22T06:00:20Z, less than 1m ago, \
               id-1 at GitHub",
            ],
        ),
        (
            "the other one is about to start, with another credential",
            vec![
                with_key(due("one", "a", -10, None), "deps", |terms| {
                    terms.during = vec![DuplicateWhile::Active];
                }),
                with_credential(
                    with_key(due("two", "b", 0, None), "deps", |terms| {
                        terms.during = vec![DuplicateWhile::Active];
                    }),
                    1,
                ),
            ],
            nothing(),
            &["a: Start", "b: wait: a task with the same key (deps) is about to start"],
        ),
        (
            "somebody gave an open pull request the key as a label",
            vec![with_key(due("one", "a", 0, None), "deps", |terms| {
                terms.during = vec![DuplicateWhile::PullRequestOpen];
            })],
            labelled(&[9]),
            &["a: Skipped Duplicate: https://github.com/acme/api/pull/9 is open and has the label deps"],
        ),
        (
            "the open pull request with the label came of what it retries",
            retry_with_an_open_pull(8),
            labelled(&[8]),
            &["a: Start"],
        ),
        (
            "and so did one of two, and the other did not",
            retry_with_an_open_pull(8),
            labelled(&[8, 9]),
            &["a: Skipped Duplicate: https://github.com/acme/api/pull/9 is open and has the label deps"],
        ),
        (
            "open pull requests were not looked at lately",
            vec![with_key(due("one", "a", 0, None), "deps", |terms| {
                terms.during = vec![DuplicateWhile::PullRequestOpen];
            })],
            nothing(),
            &[
                "a: wait: GitHub is asked first about what only it knows: the base branch, guardrails, open pull requests",
            ],
        ),
        (
            "the branch was not looked at lately",
            vec![due("one", "a", 0, None)],
            facts(|facts| facts.checked_at = at(-30)),
            &[
                "a: wait: GitHub is asked first about what only it knows: the base branch, guardrails, open pull requests",
            ],
        ),
        (
            "what is held is not asked about",
            vec![due("one", "a", 0, None), running("one", "r")],
            facts(|facts| {
                facts.checked_at = at(-30);
                facts.exists = Ok(false);
            }),
            &["a: Held AutomationCap: the automation's own cap is reached (spec.concurrency.maxActive is 1)"],
        ),
        (
            "the branch is gone",
            vec![due("one", "a", 0, None)],
            facts(|facts| facts.exists = Ok(false)),
            &["a: Expired BranchGone: the base branch main is not in acme/api any more"],
        ),
        (
            "the branch is gone, and so nothing is told of its guardrails",
            vec![due("one", "a", 0, None)],
            guarded(|facts| (facts.exists, facts.guardrails) = (Ok(false), None)),
            &["a: Expired BranchGone: the base branch main is not in acme/api any more"],
        ),
        (
            "a guardrail is not met",
            vec![due("one", "a", 0, None)],
            guarded(|_| ()),
            &[
                "a: Held GuardrailNotMet: AgentPolicy default requires spec.guardrails.approvals, and for main of acme/api no \
               rule requires a pull request: add one that requires 1 approval",
            ],
        ),
        (
            "its base is a release branch, which the policy does not have the very name of",
            vec![due("one", "a", 0, None)],
            Box::new(|world: &mut World| {
                let mut policy = policy(None);
                policy.spec.base_branches = vec!["*".to_owned()];
                policy.spec.guardrails = Some(yaml("{releaseBranches: ['ma*']}"));
                world.put_policy(policy);
            }),
            &[
                "a: Held GuardrailNotMet: AgentPolicy default requires spec.guardrails.releaseBranches, and for main of \
                 acme/api spec.baseBranches does not have its very name, and it is a release branch: add it",
            ],
        ),
        (
            "GitHub does not say",
            vec![due("one", "a", 0, None)],
            guarded(|facts| facts.guardrails.as_mut().unwrap().rules = Err(Untold::Refused("forbidden".to_owned()))),
            &[
                "a: Held GuardrailUnknown: AgentPolicy default requires spec.guardrails.approvals, and for main of acme/api \
               GitHub does not say: forbidden",
            ],
        ),
        (
            "the guardrails' age is an hour",
            vec![due("one", "a", 0, None)],
            guarded(|facts| {
                let facts = facts.guardrails.as_mut().unwrap();
                facts.checked_at = at(-3_600);
                facts.rules.as_mut().unwrap().approvals = Some(1);
            }),
            &[
                "a: wait: GitHub is asked first about what only it knows: the base branch, guardrails, open pull requests",
            ],
        ),
        (
            "what is known to be in the way is not asked about for each task",
            vec![due("one", "a", 0, None)],
            guarded(|facts| facts.checked_at = at(-600)),
            &[
                "a: Held GuardrailNotMet: AgentPolicy default requires spec.guardrails.approvals, and for main of acme/api no \
               rule requires a pull request: add one that requires 1 approval",
            ],
        ),
        (
            "answers are not too old as soon as they come",
            vec![due("one", "a", 0, None)],
            Box::new(move |world: &mut World| {
                guarded(|facts| {
                    let facts = facts.guardrails.as_mut().unwrap();
                    facts.checked_at = at(-29);
                    facts.rules.as_mut().unwrap().approvals = Some(1);
                })(world);
                let mut policy = policy(None);
                policy.spec.guardrails = Some(serde_saphyr::from_str("{approvals: 1, maxAge: 0s}").unwrap());
                world.put_policy(policy);
            }),
            &["a: Start"],
        ),
        (
            "its Secret is not there, and the changed spec names another",
            vec![due("one", "a", 0, None)],
            Box::new(|world: &mut World| {
                world.credentials.get_mut(&credential(0)).unwrap().secret = Some(SecretState::Missing);
                let mut automation = changed("{credentials: {secretRef: {name: token-1}}}");
                automation.metadata.generation = Some(2);
                world.put_automation(automation);
            }),
            &["a: CreateTask"],
        ),
        (
            "its cap is reached, and it says Skip",
            vec![due("one", "a", 0, None), running("one", "r")],
            Box::new(|world: &mut World| {
                world.put_automation(changed("{concurrency: {whenFull: Skip}}"));
            }),
            &[
                "a: Skipped AutomationCap: the automation's own cap is reached (spec.concurrency.maxActive is 1), and \
               spec.concurrency.whenFull is Skip",
            ],
        ),
        (
            "its cap is about to be reached, and it says Skip",
            vec![due("one", "a", -10, None), due("one", "b", 0, None)],
            Box::new(|world: &mut World| {
                world.put_automation(changed("{concurrency: {whenFull: Skip}}"));
            }),
            &[
                "a: Start",
                "b: wait: the automation's own cap is reached (spec.concurrency.maxActive is 1), by what is about to start",
            ],
        ),
        (
            "its writes do not get through",
            vec![due("one", "a", 0, None)],
            Box::new(|world: &mut World| {
                let retry = Retry {
                    times: 1,
                    not_before: at(8),
                    problem: "409 Conflict".to_owned(),
                    is_of_github: false,
                };
                world.retries.insert(Subject::Task(key("a")), retry);
            }),
            &["a: wait 8s: what was decided on it can't be written, and is tried again: 409 Conflict"],
        ),
        (
            "it was not sent, and is tried again",
            vec![due("one", "a", 0, {
                let mut status = in_phase(Phase::Held).unwrap();
                (status.reason, status.not_before) = (Some(Reason::NotSent), Some(at(9)));
                status.message = Some("it was not sent".to_owned());
                Some(status)
            })],
            nothing(),
            &["a: wait 9s: it was not sent"],
        ),
        (
            "its Secret is not read yet",
            vec![due("one", "a", 0, None)],
            Box::new(|world: &mut World| world.credentials.clear()),
            &["a: wait: its Secret is about to be read"],
        ),
        (
            "its cap is reached, and it keeps the latest",
            vec![
                due("one", "a", -10, None),
                due("one", "b", 0, None),
                running("one", "r"),
            ],
            Box::new(|world: &mut World| {
                world.put_automation(changed("{concurrency: {whenFull: KeepLatest}}"));
            }),
            &[
                "a: Superseded Replaced: task b came later, and spec.concurrency.whenFull is KeepLatest",
                "b: Held AutomationCap: the automation's own cap is reached (spec.concurrency.maxActive is 1)",
            ],
        ),
        (
            "a retry whose time has not come",
            vec![{
                let mut task = following(due("one", "a", 0, None), "r", FollowsBecause::Retry);
                task.spec.start_after = Some(at(30));
                task
            }],
            nothing(),
            &["a: Held RetryBackoff: it is retry 1, and starts at 2026-11-22T06:00:30Z"],
        ),
        (
            "what it follows has not given way yet",
            vec![
                due("one", "r", 0, None),
                following(due("one", "a", 0, None), "r", FollowsBecause::SpecChange),
            ],
            nothing(),
            &[
                "a: wait: it takes the place of task r, which has yet to give way",
                "r: Start",
            ],
        ),
        (
            "what it follows started instead",
            vec![
                running("two", "r"),
                following(due("two", "a", -60, None), "r", FollowsBecause::SpecChange),
            ],
            nothing(),
            &["a: Skipped AlreadyDecided: task r did not give way to it"],
        ),
        (
            "too many failures",
            vec![due("one", "a", 0, None), {
                let mut failed = running("one", "r");
                let status = failed.status.as_mut().unwrap();
                (status.phase, status.task) = (Phase::Failed, Some(at_github("failed")));
                (status.ended_at, status.message) = (Some(at(-5)), Some("the agent failed: tests".to_owned()));
                failed
            }],
            Box::new(|world: &mut World| {
                world.put_automation(changed("{failureThreshold: 1}"));
            }),
            &[
                "a: Held FailureThreshold: the automation has stopped itself: 1 task ended in failure \
               (spec.failureThreshold is 1), the last: the agent failed: tests; mend the cause, then change the spec or \
               set the annotation agentautomation.dev/resume to a new value",
            ],
        ),
    ];
    for (what, tasks, change, expected) in table {
        assert_eq!(lines(&world(tasks, change)), expected, "{what}");
    }
}

/// The spec of the automation changed after the task was decided.
#[test]
fn a_changed_spec_makes_another_task_which_takes_the_place() {
    let decided = |world: &mut World, spec: &str| {
        let mut automation = changed(spec);
        automation.metadata.generation = Some(2);
        world.put_automation(automation);
    };
    let mut task = due("one", "a", 0, None);
    let spec = crate::plan::automation::spec_for(&world(vec![], |_| ()), &automation("one", 1), &task, at(0));
    task.spec = spec.unwrap().unwrap();
    let mut world = world(vec![task], |world| decided(world, "{prompt: {goal: Stop.}}"));

    let plans = admission::plan(&world, &Settings::default(), at(0));
    let [Action::CreateTask(successor)] = plans[0].1.actions.as_slice() else {
        panic!("{plans:?}")
    };
    assert!(successor.spec.prompt.contains("Stop."));
    assert_eq!(successor.spec.follows.as_ref().unwrap().name, "a");
    let (mut successor, name) = (successor.clone(), successor.metadata.name.clone().unwrap());
    successor.metadata.uid = Some("uid-successor".to_owned());
    world.put_task(*successor);

    let words = words(&admission::plan(&world, &Settings::default(), at(0)));
    assert_eq!(words, ["a: Superseded SpecChanged".to_owned(), format!("{name}: wait")]);

    for (spec, expected) in [
        ("{prompt: {goal: Go.}}", "a: Start"),
        ("{prompt: {goal: Stop.}, onSpecChange: Keep}", "a: Start"),
        ("{prompt: {goal: '{{ nothing }}'}}", "a: Held InvalidTemplate"),
        (
            "{triggers: [{name: other, schedule: {cron: '@hourly'}}]}",
            "a: Superseded SpecChanged",
        ),
    ] {
        world.remove_task(&key(&name), "uid-successor");
        decided(&mut world, spec);
        let plans = admission::plan(&world, &Settings::default(), at(0));
        assert_eq!(super::words(&plans), [expected], "{spec}");
    }
}

/// What keeps a task from starting as it was decided may not keep it as the spec is now.
#[test]
fn a_changed_spec_frees_a_task_from_what_was_in_the_way_of_the_old_one() {
    type Row = (
        &'static str,
        AgentTask,
        Option<AgentTask>,
        fn(&mut PolicySpec),
        &'static str,
    );
    let same = |task| with_key(task, "deps", |_| ());
    let of_model = |mut task: AgentTask| {
        task.spec.agent.model = "old".to_owned();
        task
    };
    let table: Vec<Row> = vec![
        (
            "Held RepositoryCap",
            due("one", "a", 0, None),
            Some(running("two", "r")),
            |policy| policy.max_active_per_repository = Some(1),
            "{repository: acme/web}",
        ),
        (
            "Denied PolicyDenied",
            of_model(due("one", "a", 0, None)),
            None,
            |policy| policy.models = vec!["new".to_owned()],
            "{agent: {model: new}}",
        ),
        (
            "Skipped Duplicate",
            same(due("one", "a", 0, None)),
            Some(same(running("two", "r"))),
            |_| (),
            "{deduplicate: {key: docs}}",
        ),
        (
            "Held Approval",
            due("one", "a", 0, None),
            None,
            |policy| policy.require_approval = Some(yaml("{users: [bob]}")),
            "{prompt: {goal: Stop.}}",
        ),
        (
            "Held SecretMissing",
            with_credential(due("one", "a", 0, None), 7),
            None,
            |_| (),
            "{credentials: {secretRef: {name: token-1}}}",
        ),
    ];
    for (was, task, other, rule, spec) in table {
        let decided = |spec: &str, generation, on_spec_change| {
            let world = world(other.iter().chain([&task]).cloned().collect(), |world| {
                let missing = Credential {
                    secret: Some(SecretState::Missing),
                    ..usable()
                };
                world.credentials.insert(credential(7), missing);
                let mut policy = policy(None);
                rule(&mut policy.spec);
                world.put_policy(policy);
                let mut automation = changed(spec);
                automation.metadata.generation = Some(generation);
                automation.spec.on_spec_change = on_spec_change;
                world.put_automation(automation);
            });
            words(&admission::plan(&world, &Settings::default(), at(0)))
        };
        assert_eq!(decided(spec, 2, OnSpecChange::Rebuild), ["a: CreateTask"], "{was}");
        let was = [format!("a: {was}")];
        assert_eq!(decided(spec, 2, OnSpecChange::Keep), was);
        assert_eq!(decided("{}", 1, OnSpecChange::Rebuild), was);
        if was == ["a: Held RepositoryCap"] {
            let said = decided("{prompt: {goal: Stop.}}", 2, OnSpecChange::Rebuild);
            assert_eq!(said, was, "in the same repository it waits for the same");
        }
    }
}

/// The automation's priority is another by now.
fn urgent(world: &mut World, on_spec_change: OnSpecChange) {
    let mut two = world.automation(&key("two")).unwrap().clone();
    two.spec.priority = 10;
    two.spec.on_spec_change = on_spec_change;
    world.put_automation(two);
}

#[test]
fn automations_take_turns_and_a_burst_starves_nobody() {
    type Row = (&'static str, Vec<AgentTask>, fn(&mut World), &'static str);
    let with_priority = |mut task: AgentTask, priority| {
        task.spec.priority = Some(priority);
        task.spec.trigger.kind = TriggerKind::Manual;
        task
    };
    let burst = || (0..4).map(|index| due("one", &format!("one-{index}"), -100 + index, None));
    let one_of_two = || burst().chain([due("two", "two-0", 0, None)]).collect();
    let table: Vec<Row> = vec![
        ("by age", burst().collect(), |_| (), "one-0 one-1 one-2 one-3"),
        (
            "a burst and one of another",
            burst().chain([due("two", "two-0", 0, None)]).collect(),
            |_| (),
            "one-0 two-0 one-1 one-2 one-3",
        ),
        (
            "one of the burst runs: it is the other's turn",
            burst()
                .chain([due("two", "two-0", 0, None), running("one", "r")])
                .collect(),
            |_| (),
            "two-0 one-0 one-1 one-2 one-3",
        ),
        (
            "one of the burst ran last: what waits for a turn is the other's",
            burst()
                .chain([due("two", "two-0", -60, None), {
                    let mut last = running("one", "r");
                    last.status.as_mut().unwrap().phase = Phase::Succeeded;
                    last.status.as_mut().unwrap().task = Some(at_github("completed"));
                    last
                }])
                .collect(),
            |_| (),
            "two-0 one-0 one-1 one-2 one-3",
        ),
        (
            "priority comes first",
            burst()
                .chain([with_priority(due("two", "two-0", 0, None), 10)])
                .collect(),
            |_| (),
            "two-0 one-0 one-1 one-2 one-3",
        ),
        (
            "its automation's was changed",
            one_of_two(),
            |world| urgent(world, OnSpecChange::Rebuild),
            "two-0 one-0 one-1 one-2 one-3",
        ),
        (
            "its automation's was changed, and it is kept as it was decided",
            one_of_two(),
            |world| urgent(world, OnSpecChange::Keep),
            "one-0 two-0 one-1 one-2 one-3",
        ),
        (
            "and last",
            burst()
                .chain([with_priority(due("two", "two-0", 0, None), -10)])
                .collect(),
            |_| (),
            "one-0 one-1 one-2 one-3 two-0",
        ),
        (
            "a policy allows no priority",
            burst()
                .chain([with_priority(due("two", "two-0", 0, None), 10)])
                .collect(),
            |world| {
                let mut policy = policy(None);
                policy.spec.max_priority = Some(0);
                world.put_policy(policy);
            },
            "one-0 two-0 one-1 one-2 one-3",
        ),
    ];
    for (what, tasks, change, expected) in table {
        let world = world(tasks, change);
        let names: Vec<_> = in_order(&world).into_iter().map(|(place, _)| place.task.name).collect();
        assert_eq!(names.join(" "), expected, "{what}");
    }
}

/// A rule that held it before is not what ends it, but for a deadline.
#[test]
fn an_end_names_the_rule_that_makes_it_one() {
    let held = || {
        let mut status = in_phase(Phase::Held).unwrap();
        status.bound_by = Some(crate::plan::room::bound_to(&automation("one", 1), "suspend"));
        Some(status)
    };
    let late = |mut task: AgentTask| {
        task.spec.start_before = Some(at(-1));
        task
    };
    let unruled = |world: &mut World| {
        world.remove_policy("default");
    };
    let rule = |task: AgentTask, change: &dyn Fn(&mut World)| {
        let planned = admission::plan(&world(vec![task], change), &Settings::default(), at(0));
        let [Action::WriteTaskStatus(status)] = planned[0].1.actions.as_slice() else {
            panic!("{planned:?}")
        };
        (status.phase, status.bound_by.as_ref().map(|bound| bound.rule.clone()))
    };
    let task = || due("one", "a", 0, held());
    assert_eq!(rule(task(), &unruled), (Phase::Denied, None));
    assert_eq!(
        rule(late(task()), &|_| ()),
        (Phase::Expired, Some("spec.suspend".to_owned()))
    );
}

#[test]
fn a_task_whose_automation_is_gone_expires_unless_it_is_collected() {
    let made = |mut task: AgentTask, seconds| {
        task.metadata.creation_timestamp = Some(Time(at(seconds)));
        task
    };
    let owned = |mut task: AgentTask| {
        task.metadata.owner_references = Some(vec![OwnerReference::default()]);
        task
    };
    let table = [
        ("it was seen to go", made(due("one", "a", 0, None), -299), "Expired"),
        ("the API server collects it", owned(due("one", "a", 0, None)), "Held"),
        (
            "it may be unheard of yet",
            made(due("none", "a", 0, None), -299),
            "Held",
        ),
        (
            "it was not heard of for long",
            made(due("none", "a", 0, None), -300),
            "Expired",
        ),
    ];
    for (what, task, expected) in table {
        let world = world(vec![task], |world| world.remove_automation(&key("one"), "uid-one"));
        let said = words(&admission::plan(&world, &Settings::default(), at(0)));
        assert_eq!(said, [format!("a: {expected} AutomationGone")], "{what}");
    }
}

/// It is there, and nobody knows what it asks for.
#[test]
fn nothing_of_an_automation_that_is_unreadable_starts() {
    let owned = |mut task: AgentTask| {
        task.metadata.owner_references = Some(vec![OwnerReference::default()]);
        task
    };
    let table: [(&str, AgentTask, bool); 4] = [
        (
            "a person made it, and nothing was known before",
            due("one", "a", 0, None),
            false,
        ),
        ("the controller did", owned(due("one", "a", 0, None)), false),
        ("what it said before is known", owned(due("one", "a", 0, None)), true),
        (
            "it is not decided yet",
            yaml(
                "{apiVersion: agentautomation.dev/v1alpha1, kind: AgentTask, metadata: {name: a, namespace: payments},
                  spec: {automation: {name: one}, requester: alice}}",
            ),
            true,
        ),
    ];
    for (what, task, is_known) in table {
        let world = world(vec![task], |world| {
            if !is_known {
                world.remove_automation(&key("one"), "uid-one");
            }
            world.unreadable_automations.insert(key("one"));
        });
        let held = "a: Held AutomationUnreadable: AgentAutomation one can't be read, so nothing of it starts: mend it, or \
                    install the definitions that fit this controller";
        assert_eq!(lines(&world), [held], "{what}");
        let subject = Subject::Automation(key("one"));
        let planned = crate::plan::plan(&world, &subject, &Settings::default(), at(3_600));
        assert_eq!(planned, Planned::default(), "its triggers do not fire: {what}");
    }
    let mut world = world(vec![due("one", "a", 0, None)], |world| {
        world.unreadable_automations.insert(key("one"));
    });
    let mut mended = automation("one", 1);
    mended.metadata.resource_version = Some("2".to_owned());
    world.put_automation(mended);
    assert_eq!(lines(&world), ["a: Start"]);
}

/// A rule that held it before is not what it is skipped for.
#[test]
fn a_duplicate_names_the_rule_that_makes_it_one() {
    let mut held = in_phase(Phase::Held).unwrap();
    held.bound_by = Some(crate::plan::room::bound_to(
        &automation("one", 1),
        "concurrency.maxActive",
    ));
    let same = |task| with_key(task, "deps", |_| ());
    for status in [None, Some(held)] {
        let world = world(
            vec![same(due("one", "a", 0, status)), same(running("two", "r"))],
            |_| (),
        );
        let planned = admission::plan(&world, &Settings::default(), at(0));
        let [Action::WriteTaskStatus(status)] = planned[0].1.actions.as_slice() else {
            panic!("{planned:?}")
        };
        let rule = status
            .bound_by
            .as_ref()
            .map(|bound| (bound.name.as_str(), bound.rule.as_str()));
        assert_eq!(rule, Some(("one", "spec.deduplicate")));
    }
}

#[test]
fn a_held_task_is_written_to_when_another_rule_or_another_thing_binds_it() {
    let held = |reason, rule: &str, says: &str| {
        let mut status = in_phase(Phase::Held).unwrap();
        status.reason = Some(reason);
        status.message = Some(says.to_owned());
        status.bound_by = Some(crate::plan::room::bound_to(&automation("one", 1), rule));
        Some(status)
    };
    let full = "the automation's own cap is reached (spec.concurrency.maxActive is 1)";
    let table = [
        (Reason::AutomationCap, "concurrency.maxActive", full, "a: wait"),
        (
            Reason::AutomationCap,
            "concurrency.maxActive",
            "it names another",
            "a: Held AutomationCap",
        ),
        (
            Reason::AutomationCap,
            "maxOpenPullRequests",
            full,
            "a: Held AutomationCap",
        ),
        (
            Reason::Suspended,
            "concurrency.maxActive",
            full,
            "a: Held AutomationCap",
        ),
    ];
    for (reason, rule, says, expected) in table {
        let world = world(
            vec![due("one", "a", 0, held(reason, rule, says)), running("one", "r")],
            |_| (),
        );
        assert_eq!(words(&admission::plan(&world, &Settings::default(), at(0))), [expected]);
    }
}

#[test]
fn a_pull_request_counts_as_open_until_it_is_merged_or_closed() {
    let pull = |state: Option<&str>, merged| PullRequest {
        state: state.map(str::to_owned),
        merged,
        ..PullRequest::default()
    };
    assert!(pull(None, false).is_open(), "not resolved yet");
    assert!(pull(Some("open"), false).is_open());
    assert!(!pull(Some("closed"), false).is_open());
    assert!(!pull(Some("closed"), true).is_open());
}

#[test]
fn a_retry_says_in_status_when_it_starts_and_another_hold_does_not() {
    let held = |seconds: i64, spec: &str| {
        let mut retry = following(due("one", "a", 0, None), "r", FollowsBecause::Retry);
        retry.spec.start_after = Some(at(seconds));
        let world = world(vec![retry], |world| {
            world.put_policy(ruled(spec));
        });
        let plans = admission::plan(&world, &Settings::default(), at(0));
        let [Action::WriteTaskStatus(status)] = plans[0].1.actions.as_slice() else {
            panic!("{plans:?}")
        };
        (status.reason, status.not_before)
    };
    assert_eq!(held(30, "{}"), (Some(Reason::RetryBackoff), Some(at(30))));
    assert_eq!(held(0, "{suspend: true}"), (Some(Reason::PolicySuspended), None));
}
