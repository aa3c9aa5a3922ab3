//! The planner alone, without a runtime, a network or a byte of JSON: one or two controllers over objects with versions, a
//! GitHub that loses answers, and people, all drawn from a seed. So it meets far more states than the whole does.
//!
//! `PLANNER_SEEDS=1000000` runs more of them, `PLANNER_SEED=123` one alone, with its trace.

mod chance;
mod checks;
mod cluster;
mod errand;
mod github;
mod life;
mod objects;
mod people;
mod process;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_automation::api::Reason;

use life::Life;

const SEEDS: u64 = 12_000;
/// Seeds that a thread takes at once.
const BATCH: u64 = 100;
/// A soak that does not meet these says nothing about them.
const MET: [Reason; 38] = [
    Reason::SecretMissing,
    Reason::CredentialRejected,
    Reason::PermissionDenied,
    Reason::StartRejected,
    Reason::PolicyDenied,
    Reason::PolicySuspended,
    Reason::Suspended,
    Reason::AutomationCap,
    Reason::PolicyCap,
    Reason::RateLimited,
    Reason::GitHubUnavailable,
    Reason::NotSent,
    Reason::AnswerLost,
    Reason::NotFoundAtGitHub,
    Reason::Adopted,
    Reason::Abandoned,
    Reason::WaitingForUser,
    Reason::Completed,
    Reason::SessionFailed,
    Reason::SessionTimedOut,
    Reason::SessionCancelled,
    Reason::DeadlineExceeded,
    Reason::AlreadyDecided,
    Reason::PolicyFrozen,
    Reason::RepositoryCap,
    Reason::ReviewQueue,
    Reason::StartRate,
    Reason::BudgetExhausted,
    Reason::GuardrailNotMet,
    Reason::GuardrailUnknown,
    Reason::FailureThreshold,
    Reason::RetryBackoff,
    Reason::Duplicate,
    Reason::Replaced,
    Reason::SpecChanged,
    Reason::BranchGone,
    Reason::ActiveDeadline,
    Reason::WaitingDeadline,
];

#[test]
fn a_soak_of_the_planner() {
    if let Some(seed) = number("PLANNER_SEED") {
        let life = live(seed, true);
        println!(
            "{}\n{:#?}",
            life.trace.unwrap_or_default().join("\n"),
            life.checks.broken
        );
        assert!(life.checks.broken.is_empty(), "seed {seed} breaks something");
        return;
    }
    let seeds = number("PLANNER_SEEDS").unwrap_or(SEEDS);
    let found = live_all(seeds);
    let told: Vec<_> = found
        .reasons
        .iter()
        .map(|(reason, count)| format!("{} {count}", reason.as_str()))
        .collect();
    harness::covered!(
        "covered: {seeds} seeds of the planner, {} of them broke something; {} tasks at GitHub; {}",
        found.broken.len(),
        found.started,
        told.join(", ")
    );
    let unheard: Vec<_> = MET
        .iter()
        .filter(|reason| !found.reasons.contains_key(reason))
        .collect();
    // Few seeds meet few of them.
    assert!(seeds < SEEDS || unheard.is_empty(), "no life met {unheard:?}");
    let first: Vec<_> = found.broken.iter().take(5).collect();
    assert!(
        found.broken.is_empty(),
        "PLANNER_SEED=… replays one of {:?}: {first:#?}",
        found.broken.iter().take(50).map(|(seed, _)| seed).collect::<Vec<_>>()
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 1_000_003] {
        let (first, second) = (live(seed, true).trace.unwrap(), live(seed, true).trace.unwrap());
        assert!(first.len() > 20, "{first:#?}");
        assert_eq!(first, second);
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// What many lives came to.
#[derive(Default)]
struct Found {
    /// Seeds with what they broke.
    broken: Vec<(u64, Vec<String>)>,
    /// How many lives met each reason.
    reasons: BTreeMap<Reason, usize>,
    /// Tasks at GitHub.
    started: usize,
}

fn live(seed: u64, is_traced: bool) -> Life {
    let mut life = Life::new(seed, is_traced);
    life.run();
    life
}

fn live_all(seeds: u64) -> Found {
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Found::default();
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= seeds {
                        break;
                    }
                    (first..seeds.min(first + BATCH)).for_each(|seed| own.add(seed, live(seed, false)));
                }
                found.lock().unwrap().merge(own);
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.broken.sort();
    found
}

impl Found {
    fn add(&mut self, seed: u64, life: Life) {
        self.started += life.github.tasks.len();
        life.checks
            .reasons
            .iter()
            .for_each(|reason| *self.reasons.entry(*reason).or_default() += 1);
        if !life.checks.broken.is_empty() {
            self.broken.push((seed, life.checks.broken));
        }
    }

    fn merge(&mut self, other: Self) {
        self.started += other.started;
        self.broken.extend(other.broken);
        other
            .reasons
            .into_iter()
            .for_each(|(reason, count)| *self.reasons.entry(reason).or_default() += count);
    }
}
