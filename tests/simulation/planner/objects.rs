//! What people write: automations and policies, drawn field by field from values that bring out a rule.

use std::sync::LazyLock;

use agent_automation::api::AgentAutomation;
use agent_automation::api::automation::{
    AutomationSpec, Budget, CredentialUse, Credentials, Deduplicate, DuplicateWhile, OnDuplicate, OnSpecChange,
    RetriedEnd, Retry, SecretKeyRef, StaleAction, StalePullRequest, StartPolicy, WhenFull,
};
use agent_automation::api::interval::Interval;
use agent_automation::api::policy::{FreezeWindow, Guardrails, PolicyBudget, PolicySpec, WhenFrozen};
use agent_automation::api::trigger::MissedRuns;
use agent_automation::plan::{CredentialKey, ObjectKey};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::chance::{likely, pick};

pub const REPOSITORIES: [&str; 2] = ["acme/api", "acme/web"];
pub const SECRETS: [&str; 2] = ["token-a", "token-b"];
/// A policy for all namespaces and, in some lives, one more for one of them.
pub const POLICIES: [&str; 2] = ["default", "strict"];
const NAMESPACES: [&str; 2] = ["payments", "platform"];
/// What two automations may call the same.
pub const KEY: &str = "same";
const NEVER: &str = "@every 87600h";

static AUTOMATION: LazyLock<AgentAutomation> = LazyLock::new(|| {
    let spec = json!({
        "repository": "acme/api",
        "branches": {"base": "main", "allow": ["main"]},
        "triggers": [{"name": "tick", "schedule": {"cron": "@every 60s", "timeZone": "UTC"}}],
        "prompt": {"goal": "Go."},
        "credentials": {"secretRef": {"name": "token-a", "key": "token"}},
    });
    AgentAutomation::new("", serde_json::from_value(spec).unwrap())
});

static POLICY: LazyLock<PolicySpec> = LazyLock::new(|| {
    let spec = json!({
        "namespaces": NAMESPACES,
        "repositories": ["acme/*"],
        "baseBranches": ["main"],
        "triggers": ["Schedule"],
        "models": ["*"],
        "customAgents": ["*"],
        "credentials": ["token-*"],
        "credentialUse": ["Failover", "Spread"],
        "startPolicies": ["AtMostOnce", "AtLeastOnce"],
    });
    serde_json::from_value(spec).unwrap()
});

/// Every credential that there may be.
pub fn credentials() -> impl Iterator<Item = CredentialKey> {
    NAMESPACES.into_iter().flat_map(|namespace| {
        SECRETS.into_iter().map(|name| CredentialKey {
            namespace: namespace.to_owned(),
            secret: SecretKeyRef {
                name: name.to_owned(),
                key: "token".to_owned(),
            },
        })
    })
}

fn seconds(text: &str) -> Interval {
    text.to_owned().try_into().unwrap()
}

/// Of the trigger that each automation has.
pub fn every(spec: &AutomationSpec) -> Option<i64> {
    let cron = &spec.triggers.first()?.schedule.as_ref()?.cron;
    cron.strip_prefix("@every ")?.strip_suffix('s')?.parse().ok()
}

pub fn key(index: usize, namespace: &str) -> ObjectKey {
    ObjectKey::new(namespace, format!("team-{index}"))
}

pub fn automation(index: usize, chance: &mut StdRng) -> AgentAutomation {
    let mut automation = AUTOMATION.clone();
    let namespace = if likely(chance, 0.15) {
        NAMESPACES[1]
    } else {
        NAMESPACES[0]
    };
    automation.metadata.name = Some(key(index, namespace).name);
    automation.metadata.namespace = Some(namespace.to_owned());
    let spec = &mut automation.spec;
    REPOSITORIES[usize::from(likely(chance, 0.3))].clone_into(&mut spec.repository);
    credentials_of(spec, 0.3, chance);
    let schedule = spec.triggers[0].schedule.as_mut().unwrap();
    schedule.cron = format!("@every {}s", pick(chance, &[20, 45, 60, 90, 150]));
    schedule.starting_deadline_seconds = pick(chance, &[None, None, Some(30), Some(120)]);
    schedule.missed_runs = pick(chance, &[MissedRuns::Latest, MissedRuns::All, MissedRuns::Skip]);
    let most_once = [
        StartPolicy::AtMostOnce,
        StartPolicy::AtMostOnce,
        StartPolicy::AtLeastOnce,
    ];
    spec.start_policy = pick(chance, &most_once);
    spec.history_limits.succeeded = chance.random_range(0..=2);
    spec.history_limits.failed = chance.random_range(0..=2);
    spec.concurrency.max_queued = pick(chance, &[1, 3, 5]);
    terms(spec, chance);
    automation
}

/// What an automation may say about its queue.
fn terms(spec: &mut AutomationSpec, chance: &mut StdRng) {
    spec.concurrency.max_active = pick(chance, &[1, 1, 2, 3]);
    spec.concurrency.when_full = pick(
        chance,
        &[WhenFull::Queue, WhenFull::Queue, WhenFull::Skip, WhenFull::KeepLatest],
    );
    spec.priority = pick(chance, &[0, 0, 10, -10]);
    spec.deduplicate = likely(chance, 0.3).then(|| deduplicate(chance));
    spec.retry = likely(chance, 0.4).then(|| Retry {
        limit: chance.random_range(0..=2),
        backoff: seconds(pick(chance, &["1s", "30s"])),
        ends: pick(
            chance,
            &[
                vec![RetriedEnd::Failed],
                vec![RetriedEnd::Failed, RetriedEnd::TimedOut, RetriedEnd::Cancelled],
            ],
        ),
    });
    spec.failure_threshold = pick(chance, &[5, 5, 1, 2]);
    spec.on_spec_change = pick(
        chance,
        &[OnSpecChange::Rebuild, OnSpecChange::Rebuild, OnSpecChange::Keep],
    );
    spec.max_open_pull_requests = pick(chance, &[None, None, Some(1), Some(2)]);
    spec.active_deadline_seconds = pick(chance, &[None, None, Some(60)]);
    spec.waiting_deadline_seconds = pick(chance, &[None, None, Some(60)]);
    spec.budget = likely(chance, 0.2).then(|| Budget {
        credits_per_day: pick(chance, &[None, Some(4)]),
        credits_per_month: pick(chance, &[None, Some(6)]),
        estimate_per_task: pick(chance, &[None, Some(1), Some(2)]),
    });
    if likely(chance, 0.2) {
        spec.pull_request.labels = vec![pick(chance, &["agent", KEY]).to_owned()];
    }
    spec.pull_request.create = !likely(chance, 0.2);
    spec.stale_pull_request = likely(chance, 0.2).then(|| StalePullRequest {
        after: seconds("1m"),
        action: pick(chance, &[StaleAction::Notify, StaleAction::Close]),
    });
}

fn deduplicate(chance: &mut StdRng) -> Deduplicate {
    use DuplicateWhile::{Active, PullRequestOpen, Queued};
    Deduplicate {
        key: KEY.to_owned(),
        during: pick(
            chance,
            &[
                vec![Queued, Active, PullRequestOpen],
                vec![Active],
                vec![Queued],
                vec![Active, Queued],
            ],
        ),
        cooldown: pick(chance, &[None, None, Some(seconds("45s"))]),
        on_duplicate: pick(chance, &[OnDuplicate::Skip, OnDuplicate::Replace]),
    }
}

/// One of the Secrets, or both in an order.
fn credentials_of(spec: &mut AutomationSpec, second: f64, chance: &mut StdRng) {
    let first = usize::from(likely(chance, second));
    let named = |index: usize| SecretKeyRef {
        name: SECRETS[index].to_owned(),
        key: "token".to_owned(),
    };
    let both = likely(chance, 0.3);
    spec.credentials = Credentials {
        secret_ref: named(first),
        alternates: both.then(|| named(1 - first)).into_iter().collect(),
        choice: pick(chance, &[CredentialUse::Failover, CredentialUse::Spread]),
    };
}

/// Another version of a spec.
pub fn edit(spec: &mut AutomationSpec, chance: &mut StdRng) {
    match chance.random_range(0..6) {
        0 => spec.prompt.goal = format!("Go, wish {}.", chance.random_range(0..100)),
        1 => terms(spec, chance),
        2 => spec.suspend = !spec.suspend,
        3 => spec.suspend = true,
        4 => credentials_of(spec, 0.5, chance),
        _ => spec.suspend = false,
    }
}

/// Nothing is due any more, and nothing but caps keeps what waits.
pub fn rest(spec: &mut AutomationSpec) {
    let schedule = spec.triggers[0].schedule.as_mut().unwrap();
    NEVER.clone_into(&mut schedule.cron);
    spec.suspend = false;
    spec.budget = None;
    spec.failure_threshold = 100;
}

/// What a policy may say of caps, budgets and times.
pub fn policy(name: &str, now: Timestamp, chance: &mut StdRng) -> PolicySpec {
    let mut policy = POLICY.clone();
    if name == POLICIES[1] {
        policy.namespaces = vec![pick(chance, &NAMESPACES).to_owned()];
    }
    let mut cap = |likelihood: f64, values: &[i32]| likely(chance, likelihood).then(|| pick(chance, values));
    policy.max_active = cap(0.6, &[1, 2, 3]);
    policy.max_active_per_repository = cap(0.2, &[1, 2]);
    policy.max_active_per_automation = cap(0.2, &[1, 2]);
    policy.max_open_pull_requests_per_automation = cap(0.15, &[1, 3]);
    policy.max_open_pull_requests_per_repository = cap(0.15, &[1, 3]);
    policy.max_starts_per_hour = cap(0.2, &[2, 4]);
    policy.max_priority = cap(0.1, &[0]);
    policy.max_retries = cap(0.1, &[0, 1]);
    policy.max_starting_deadline_seconds = cap(0.1, &[60, 300]);
    policy.max_active_deadline_seconds = cap(0.1, &[60]);
    policy.max_waiting_deadline_seconds = cap(0.1, &[60]);
    policy.suspend = likely(chance, 0.05);
    if likely(chance, 0.05) {
        policy.repositories = vec![REPOSITORIES[0].to_owned()];
    }
    if likely(chance, 0.05) {
        policy.start_policies = vec![StartPolicy::AtMostOnce];
    }
    policy.budget = likely(chance, 0.25).then(|| PolicyBudget {
        credits_per_day: pick(chance, &[None, Some(4), Some(6)]),
        credits_per_month: pick(chance, &[None, Some(7)]),
        estimate_per_task: chance.random_range(1..=2),
    });
    policy.guardrails = likely(chance, 0.2).then(|| Guardrails {
        approvals: Some(1),
        max_age: seconds(pick(chance, &["1m", "10m"])),
        ..Guardrails::default()
    });
    if likely(chance, 0.2) {
        let from = now + SignedDuration::from_secs(chance.random_range(-30..120));
        policy.freeze_windows = vec![FreezeWindow {
            name: "release".to_owned(),
            cron: None,
            duration: None,
            from: Some(from),
            to: Some(from + SignedDuration::from_secs(90)),
            due: pick(chance, &[WhenFrozen::Hold, WhenFrozen::Skip]),
        }];
    }
    policy
}

/// Nothing but caps is left of it.
pub fn relax(policy: &mut PolicySpec) {
    *policy = PolicySpec {
        namespaces: policy.namespaces.clone(),
        max_active: policy.max_active,
        max_active_per_repository: policy.max_active_per_repository,
        max_active_per_automation: policy.max_active_per_automation,
        max_open_pull_requests_per_automation: policy.max_open_pull_requests_per_automation,
        max_open_pull_requests_per_repository: policy.max_open_pull_requests_per_repository,
        guardrails: policy.guardrails.clone(),
        ..POLICY.clone()
    };
}
