//! Random lives: several automations, one or two controllers that die and come back, networks and a GitHub that fail,
//! caches that lag, clocks that jump. All of it is drawn from a seed, and the same seed gives the same run.
//!
//! `SOAK_SEEDS=100000` runs more of them, `SEED=123` one alone, with its trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agent_automation::api::automation::StartPolicy;
use agent_automation::api::trigger::MissedRuns;
use agent_automation::api::{AgentAutomation, AgentTask, Reason};
use agent_automation::simulator::{
    Effect, Failure, Fault, Operation, PullChange, Repository, ReviewState, Script, Token, When,
};
use jiff::SignedDuration;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::invariants::{at_rest, every_time_is_decided};
use crate::network::{Mishap, Network, Sent, Weather};
use crate::stage::{NAMESPACE, Process, REPOSITORY, Stage, TOKEN, Team, alone};

const SEEDS: u64 = 3_000;
const REPOSITORIES: [&str; 2] = [REPOSITORY, "acme/web"];
/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(240);
/// From the last fault to rest, at most: what waits has its turn, one after the other.
const TO_REST: Duration = Duration::from_secs(1_200);
const AT_REST: Duration = Duration::from_secs(100);
/// Every controller that hears anything has heard of a change by then.
const HEARD_OF: Duration = Duration::from_secs(5);
/// A soak that does not meet these says nothing about them.
const MET: [Reason; 17] = [
    Reason::AutomationCap,
    Reason::PolicyCap,
    Reason::RepositoryCap,
    Reason::ReviewQueue,
    Reason::StartRate,
    Reason::BudgetExhausted,
    Reason::PolicyFrozen,
    Reason::FailureThreshold,
    Reason::RetryBackoff,
    Reason::Duplicate,
    Reason::Replaced,
    Reason::SpecChanged,
    Reason::ActiveDeadline,
    Reason::Suspended,
    Reason::CredentialRejected,
    Reason::DeadlineExceeded,
    Reason::NotFoundAtGitHub,
];
/// A request is on its way for this long at most.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(25);

#[test]
fn a_soak_of_random_lives() {
    if let Some(seed) = number("SEED") {
        let life = live(seed);
        println!("{}\n{:#?}", life.trace.join("\n"), life.broken);
        assert!(life.broken.is_empty(), "seed {seed} breaks something");
        return;
    }
    let seeds = number("SOAK_SEEDS").unwrap_or(SEEDS);
    let (broken, reasons) = live_all(seeds);
    let told: Vec<_> = reasons
        .iter()
        .map(|(reason, count)| format!("{} {count}", reason.as_str()))
        .collect();
    harness::covered!(
        "covered: {seeds} seeds, {} of them broke something; {}",
        broken.len(),
        told.join(", ")
    );
    let unheard: Vec<_> = MET.iter().filter(|reason| !reasons.contains_key(reason)).collect();
    assert!(unheard.is_empty(), "no life met {unheard:?}");
    let first: Vec<_> = broken.iter().take(5).collect();
    assert!(
        broken.is_empty(),
        "SEED=… replays one of {:?}: {first:#?}",
        broken.iter().map(|(seed, _)| seed).collect::<Vec<_>>()
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 1_000_003] {
        let (first, second) = (live(seed).trace, live(seed).trace);
        assert!(first.len() > 20, "{first:#?}");
        assert_eq!(first, second);
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Seeds with what they broke, and how many lives met each reason.
type Found = (Vec<(u64, Vec<String>)>, BTreeMap<Reason, usize>);

fn live_all(seeds: u64) -> Found {
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    let life = live(seed);
                    let mut found = found.lock().unwrap();
                    life.reasons
                        .iter()
                        .for_each(|reason| *found.1.entry(*reason).or_default() += 1);
                    if !life.broken.is_empty() {
                        found.0.push((seed, life.broken));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// One life.
struct Life {
    /// What was written.
    trace: Vec<String>,
    broken: Vec<String>,
    /// Why tasks were as they were.
    reasons: BTreeSet<Reason>,
}

fn live(seed: u64) -> Life {
    alone(async move {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut stage = Stage::new(seed);
        stage.policy_with(policy(&mut chance)).await;
        stage.secret().await;
        for repository in REPOSITORIES {
            stage.github.add_repository(Repository::new(repository)).unwrap();
        }
        let teams = teams(&mut chance);
        for team in &teams {
            stage.automation(team).await;
        }
        trouble_at_github(&stage, &mut chance);
        let mut processes = vec![process(&mut stage, &mut chance)];
        let until = stage.now() + TROUBLE;
        while stage.now() < until {
            tokio::time::sleep(Duration::from_millis(chance.random_range(500..20_000))).await;
            disturb(&mut stage, &mut processes, &teams, &mut chance).await;
        }
        let broken = settle(&mut stage, processes, &teams).await;
        let reasons = stage.watcher.lock().unwrap().reasons.clone();
        Life {
            trace: stage.trace(),
            broken,
            reasons,
        }
    })
}

fn teams(chance: &mut StdRng) -> Vec<Team> {
    let count = chance.random_range(1..=4);
    (0..count)
        .map(|index| Team {
            every: format!("@every {}s", chance.random_range(15..90)),
            max_active: chance.random_range(1..=2),
            start_policy: pick(
                chance,
                &[
                    StartPolicy::AtMostOnce,
                    StartPolicy::AtMostOnce,
                    StartPolicy::AtLeastOnce,
                ],
            ),
            missed_runs: pick(chance, &[MissedRuns::Latest, MissedRuns::All, MissedRuns::Skip]),
            deadline: pick(chance, &[None, None, Some(30), Some(120)]),
            history: chance.random_range(0..=4),
            repository: pick(chance, &REPOSITORIES).to_owned(),
            more: terms(chance),
            ..Team::new(&format!("team-{index}"))
        })
        .collect()
}

/// What a policy may say of caps, budgets and times.
fn policy(chance: &mut StdRng) -> Value {
    let mut policy = json!({ "maxActive": pick(chance, &[None, Some(1), Some(2), Some(3)]) });
    let mut more = |likely: f64, field: &str, values: &[Value]| {
        if chance.random_bool(likely) {
            policy[field] = pick(chance, values);
        }
    };
    more(0.2, "maxActivePerRepository", &[json!(1), json!(2)]);
    more(0.2, "maxActivePerAutomation", &[json!(1)]);
    more(0.2, "maxOpenPullRequestsPerAutomation", &[json!(1), json!(3)]);
    more(0.2, "maxStartsPerHour", &[json!(3), json!(8)]);
    more(
        0.3,
        "budget",
        &[
            json!({"creditsPerDay": 6, "estimatePerTask": 2}),
            json!({"creditsPerMonth": 9, "creditsPerDay": 8, "estimatePerTask": 1}),
        ],
    );
    more(
        0.2,
        "freezeWindows",
        &[
            json!([{"name": "short", "cron": "*/2 * * * *", "duration": "30s", "due": "Skip"}]),
            json!([{"name": "short", "cron": "*/2 * * * *", "duration": "40s", "due": "Hold"}]),
        ],
    );
    more(0.2, "maxRetries", &[json!(0), json!(1)]);
    policy
}

/// Nothing in a policy is in the way any more.
fn no_limits() -> Value {
    json!({
        "suspend": false, "maxActivePerRepository": null, "maxActivePerAutomation": null,
        "maxOpenPullRequestsPerAutomation": null, "maxStartsPerHour": null, "budget": null, "freezeWindows": null,
        "maxRetries": null,
    })
}

/// What an automation may say about its queue.
fn terms(chance: &mut StdRng) -> Value {
    let mut spec = json!({});
    let mut more = |likely: f64, field: &str, values: &[Value]| {
        if chance.random_bool(likely) {
            spec[field] = pick(chance, values);
        }
    };
    more(
        0.5,
        "concurrency",
        &[
            json!({"whenFull": "Skip"}),
            json!({"whenFull": "KeepLatest"}),
            json!({"maxQueued": 2}),
        ],
    );
    more(0.3, "priority", &[json!(10), json!(-10)]);
    more(
        0.3,
        "deduplicate",
        &[
            json!({"key": "same"}),
            json!({"key": "same", "onDuplicate": "Replace", "while": ["Queued"]}),
            json!({"key": "{{ automation.name }}", "while": ["Active"], "cooldown": "45s"}),
        ],
    );
    more(
        0.3,
        "retry",
        &[
            json!({"limit": 2, "backoff": "10s"}),
            json!({"limit": 1, "backoff": "1s", "on": ["Failed", "TimedOut", "Cancelled"]}),
        ],
    );
    more(0.2, "failureThreshold", &[json!(1), json!(2)]);
    more(0.3, "onSpecChange", &[json!("Keep")]);
    more(0.2, "maxOpenPullRequests", &[json!(1), json!(2)]);
    more(0.2, "activeDeadlineSeconds", &[json!(60)]);
    more(
        0.2,
        "budget",
        &[
            json!({"creditsPerDay": 5}),
            json!({"creditsPerMonth": 8, "estimatePerTask": 2}),
        ],
    );
    more(
        0.2,
        "pullRequest",
        &[json!({"create": true, "labels": ["agent"], "reviewers": {"users": ["octocat"]}})],
    );
    more(
        0.2,
        "stalePullRequest",
        &[json!({"after": "1m", "action": "Close"}), json!({"after": "1m"})],
    );
    spec
}

fn trouble_at_github(stage: &Stage, chance: &mut StdRng) {
    let scripts = [
        Script::pull_request(),
        Script::branch_only(),
        Script::failed("the tests do not pass"),
        Script::timed_out(),
        Script::cancelled(),
    ];
    let queue = (0..40).map(|_| {
        let script = pick(chance, &scripts);
        script.with_delays(chance.random_range(0..3_000), chance.random_range(500..15_000))
    });
    stage.github.queue_scripts(queue.collect());
    let effects = [
        Effect::FailBefore(Failure::Reset),
        Effect::FailBefore(Failure::Status(503)),
        Effect::LoseAnswer(Failure::Reset),
        Effect::LoseAnswer(Failure::Status(502)),
        Effect::LoseAnswer(Failure::TimeOut),
        Effect::LoseAnswer(Failure::Hang),
        Effect::ShowLate {
            list_ms: 20_000,
            get_ms: 5_000,
        },
        Effect::Slow {
            before_ms: 8_000,
            after_ms: 4_000,
        },
        Effect::SecondaryLimit {
            status: 429,
            retry_after_s: Some(20),
        },
        Effect::Truncate,
        Effect::OmitOptional,
        Effect::MalformedJson,
    ];
    for _ in 0..chance.random_range(0..4) {
        let fault = Fault {
            on: vec![Operation::StartTask],
            when: When::Rate(chance.random_range(0.02..0.3)),
            effect: pick(chance, &effects),
        };
        stage.github.add_fault(fault);
    }
    if chance.random_bool(0.3) {
        let fault = Fault {
            on: vec![
                Operation::ListTasks,
                Operation::GetRepositoryTask,
                Operation::ListRepositoryTasks,
            ],
            when: When::Rate(0.2),
            effect: pick(
                chance,
                &[Effect::Stale { ms: 6_000 }, Effect::FailBefore(Failure::Status(500))],
            ),
        };
        stage.github.add_fault(fault);
    }
}

fn process(stage: &mut Stage, chance: &mut StdRng) -> Process {
    let rate = pick(chance, &[0.0, 0.0, 0.01, 0.05]);
    let process = stage.process(Network::in_weather(weather(chance.random(), rate)));
    process
        .connection
        .set_watch_delay(Duration::from_millis(pick(chance, &[0, 0, 50, 3_000])));
    process
}

fn weather(seed: u64, rate: f64) -> Weather {
    let mut chance = StdRng::seed_from_u64(seed);
    Box::new(move |_: &Sent| {
        let mishaps = [
            Mishap::Refused,
            Mishap::AnswerLost,
            Mishap::Delayed(Duration::from_millis(
                chance.random_range(1..LONGEST_DELAY.as_millis().try_into().unwrap()),
            )),
            Mishap::Busy,
        ];
        chance.random_bool(rate).then(|| pick(&mut chance, &mishaps))
    })
}

async fn disturb(stage: &mut Stage, processes: &mut Vec<Process>, teams: &[Team], chance: &mut StdRng) {
    match chance.random_range(0..17) {
        11 => {
            for process in processes.iter() {
                process.connection.release_watches();
            }
            stage.change_policy(no_limits()).await;
            stage.change_policy(policy(chance)).await;
            tokio::time::sleep(HEARD_OF).await;
        }
        12 | 13 => change_a_pull(stage, chance),
        14 => {
            touch(
                stage,
                &pick(chance, teams).name,
                json!({ "spec": change_of_spec(chance) }),
            )
            .await;
        }
        15 => {
            let pause = json!({"spec": {"suspend": chance.random_bool(0.5)}});
            touch(stage, &pick(chance, teams).name, pause).await;
        }
        16 => replace_the_token(stage, chance).await,
        9 if !processes.is_empty() => {
            processes
                .swap_remove(chance.random_range(0..processes.len()))
                .terminate()
                .await;
        }
        10 => delete_one(stage, chance).await,
        0 | 1 if !processes.is_empty() => processes.swap_remove(chance.random_range(0..processes.len())).kill(),
        0..=3 if processes.len() < 2 => processes.push(process(stage, chance)),
        4 => stage.server.expire_watches(),
        5 => stage.server.drop_watches(),
        6 => {
            for process in processes.iter() {
                let skew = chance.random_range(-20_000..20_000);
                process.skew.store(skew, Ordering::Relaxed);
            }
        }
        7 => {
            for process in processes.iter() {
                if chance.random_bool(0.5) {
                    process.connection.hold_watches();
                } else {
                    process.connection.release_watches();
                }
            }
        }
        _ => {
            touch(
                stage,
                &pick(chance, teams).name,
                json!({"metadata": {"annotations": {"touched": stage.now().to_string()}}}),
            )
            .await;
        }
    }
}

/// A person deals with a pull request.
fn change_a_pull(stage: &Stage, chance: &mut StdRng) {
    let pulls = stage.github.pulls();
    if pulls.is_empty() {
        return;
    }
    let pull = pick(chance, &pulls);
    let review = |state| PullChange::Review {
        by: "octocat".to_owned(),
        state,
        body: String::new(),
    };
    let deed = match (pull.open, pull.merged) {
        (true, _) => pick(
            chance,
            &[
                PullChange::Merge,
                PullChange::Close,
                PullChange::Ready,
                review(ReviewState::Approved),
                review(ReviewState::ChangesRequested),
            ],
        ),
        (false, false) => PullChange::Reopen,
        (false, true) => return,
    };
    stage.github.change_pull(&pull.repository, pull.number, deed).unwrap();
}

fn change_of_spec(chance: &mut StdRng) -> Value {
    let wish = chance.random_range(0..1_000);
    pick(
        chance,
        &[
            json!({"prompt": {"goal": format!("Update it, wish {wish}.")}}),
            json!({"priority": 5}),
            json!({"failureThreshold": 3}),
        ],
    )
}

/// The token ends, and a while later somebody puts a new one into the Secret.
async fn replace_the_token(stage: &Stage, chance: &mut StdRng) {
    let old = stage.token();
    stage.github.change_token(&old, |token| token.revoked = true).unwrap();
    tokio::time::sleep(Duration::from_millis(chance.random_range(100..15_000))).await;
    let new = format!("{TOKEN}_{}", chance.random_range(0..1_000_000_000));
    stage.github.add_token(Token::new(&new, "octocat")).unwrap();
    stage.replace_token(&new).await;
}

/// A person deletes a task whose time is decided, and of which no second create is still on its way: an API server that
/// has no object of that name any more takes that create in, and a controller that saw neither can't know.
async fn delete_one(stage: &Stage, chance: &mut StdRng) {
    let automations = stage.automations();
    let decided = |task: &AgentTask| {
        let mut schedules = automations
            .iter()
            .filter(|automation| automation.metadata.name.as_ref() == Some(&task.spec.automation.name))
            .filter_map(|automation| automation.status.as_ref())
            .flat_map(|status| &status.schedules);
        schedules.any(|schedule| schedule.decided_through >= task.spec.trigger.scheduled_time)
    };
    let settled = |task: &AgentTask| {
        let created = task.metadata.creation_timestamp.as_ref().unwrap().0;
        stage.now().duration_since(created) > LONGEST_DELAY
    };
    let tasks: Vec<_> = stage
        .tasks()
        .into_iter()
        .filter(|task| decided(task) && settled(task))
        .collect();
    if !tasks.is_empty() {
        let name = pick(chance, &tasks).metadata.name.unwrap();
        stage.delete_task(&name).await;
    }
}

/// What a person does to an automation: it makes the controller's next write conflict.
async fn touch(stage: &Stage, name: &str, patch: Value) {
    let api: Api<AgentAutomation> = Api::namespaced(stage.people.client(), NAMESPACE);
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// Everything works again and nothing new is due: what is left must come to its end.
async fn settle(stage: &mut Stage, processes: Vec<Process>, teams: &[Team]) -> Vec<String> {
    for process in processes {
        process.kill();
    }
    stage.github.clear_faults();
    stage.change_policy(no_limits()).await;
    let mut broken = every_time_is_decided(stage);
    let never = json!({"spec": {
        "triggers": [{"name": "tick", "schedule": {"cron": "0 0 1 1 *", "timeZone": "UTC"}}],
        "suspend": false, "budget": null, "failureThreshold": 100, "maxOpenPullRequests": null,
    }});
    for team in teams {
        touch(stage, &team.name, never.clone()).await;
    }
    let last = stage.process(Network::new(None));
    let rested = tokio::time::timeout(TO_REST, stage.rest(AT_REST)).await.is_ok();
    broken.extend(at_rest(stage, true));
    broken.extend((!rested).then(|| "5: it does not come to rest".to_owned()));
    broken.extend(asked_at_rest(&last).await);
    broken.extend(last.has_ended().then(|| "the controller ended by itself".to_owned()));
    last.terminate().await;
    broken
}

/// Once it rests it asks nobody for anything. (Invariant 5.)
async fn asked_at_rest(process: &Process) -> Option<String> {
    let before = process.network.requests().len();
    tokio::time::sleep(AT_REST).await;
    let asked = process.network.requests().split_off(before);
    let needless: Vec<_> = asked.iter().filter(|sent| !sent.is_upkeep()).collect();
    (!needless.is_empty()).then(|| format!("5: at rest it asks for {needless:?}"))
}

fn pick<T: Clone>(chance: &mut StdRng, choices: &[T]) -> T {
    choices[chance.random_range(0..choices.len())].clone()
}
