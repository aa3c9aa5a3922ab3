//! What the caps and budgets of a policy stand at: worked out for whoever asks, and written nowhere.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{RATE_WINDOW, Room};
use crate::plan::budget;
use crate::plan::policy::Policy;
use crate::plan::time::add;
use crate::plan::world::{ObjectKey, folded};

/// A rule that says how much there may be, and how much there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// As in `spec.maxActive`.
    pub rule: String,
    /// The repository or the automation, where each is counted for itself.
    pub of: Option<String>,
    pub unit: Unit,
    pub used: i64,
    /// What is held for tasks under way: of credits only.
    pub held: i64,
    pub limit: i64,
    /// When it is counted anew, or by one less, by the passing of time alone.
    pub until: Option<Timestamp>,
}

/// How much there is, for each repository or automation or in all.
type Counts = BTreeMap<Option<String>, i64>;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Tasks,
    PullRequests,
    Starts,
    /// Billionths of an AI credit; the limit as well.
    NanoCredits,
}

impl Room<'_> {
    /// All limits of a policy, in the order in which they are asked.
    #[must_use]
    pub fn limits(&self, policy: &Policy) -> Vec<Limit> {
        let active = self.active_limits(policy);
        let pulls = self.review_limits(policy);
        let rate = self.rate_limit(policy);
        let budgets = self.budget_limits(policy);
        active.into_iter().chain(pulls).chain(rate).chain(budgets).collect()
    }

    fn active_limits(&self, policy: &Policy) -> Vec<Limit> {
        let spec = policy.spec();
        let active = self.by_policy.get(&policy.name());
        let all = Counts::from([(None, active.map_or(0, |active| active.all))]);
        let repositories = active.iter().flat_map(|active| &active.by_repository);
        let repositories = repositories.map(|(key, count)| (Some(key.clone()), *count)).collect();
        let automations = active.iter().flat_map(|active| &active.by_automation);
        let automations = automations
            .map(|(key, count)| (Some(key.to_string()), *count))
            .collect();
        [
            limits("maxActive", Unit::Tasks, spec.max_active, &all),
            limits(
                "maxActivePerRepository",
                Unit::Tasks,
                spec.max_active_per_repository,
                &repositories,
            ),
            limits(
                "maxActivePerAutomation",
                Unit::Tasks,
                spec.max_active_per_automation,
                &automations,
            ),
        ]
        .concat()
    }

    fn review_limits(&self, policy: &Policy) -> Vec<Limit> {
        let spec = policy.spec();
        let holds = |key: &ObjectKey| self.world.holds(policy, &key.namespace);
        let automations = self.world.automations().filter(|(key, _)| holds(key));
        let worked_in: BTreeSet<_> = automations
            .map(|(_, automation)| folded(&automation.spec.repository))
            .collect();
        let repositories = self.pulls.by_repository.iter();
        let repositories = repositories
            .filter(|(repository, _)| worked_in.contains(*repository))
            .map(|(repository, queue)| (Some(repository.clone()), queue.count))
            .collect();
        let automations = self.pulls.by_automation.iter().filter(|(key, _)| holds(key));
        let automations = automations
            .map(|(key, queue)| (Some(key.to_string()), queue.count))
            .collect();
        [
            limits(
                "maxOpenPullRequestsPerAutomation",
                Unit::PullRequests,
                spec.max_open_pull_requests_per_automation,
                &automations,
            ),
            limits(
                "maxOpenPullRequestsPerRepository",
                Unit::PullRequests,
                spec.max_open_pull_requests_per_repository,
                &repositories,
            ),
        ]
        .concat()
    }

    fn rate_limit(&self, policy: &Policy) -> Option<Limit> {
        let limit = policy.spec().max_starts_per_hour?;
        let (started, taken) = self.starts_within_the_hour(policy);
        Some(Limit {
            rule: "spec.maxStartsPerHour".to_owned(),
            of: None,
            unit: Unit::Starts,
            used: i64::try_from(started.len() + taken).unwrap_or(i64::MAX),
            held: 0,
            limit: i64::from(limit),
            until: started.first().map(|at| add(*at, RATE_WINDOW)),
        })
    }

    fn budget_limits(&self, policy: &Policy) -> Vec<Limit> {
        let Some(stated) = policy.spec().budget.as_ref() else {
            return Vec::new();
        };
        let limits = [
            (stated.credits_per_day, "spec.budget.creditsPerDay"),
            (stated.credits_per_month, "spec.budget.creditsPerMonth"),
        ];
        let windows = budget::windows(&policy.rules.zone, self.now);
        let stated = windows
            .into_iter()
            .zip(limits)
            .filter_map(|(window, (limit, rule))| Some((window, limit?, rule)));
        stated
            .map(|(window, limit, rule)| {
                let charge = budget::of_policy(self.world, policy, window.begins);
                Limit {
                    rule: rule.to_owned(),
                    of: None,
                    unit: Unit::NanoCredits,
                    used: charge.spent,
                    held: charge.reserved.saturating_add(self.taken_under(policy)),
                    limit: limit.saturating_mul(budget::NANO),
                    until: Some(window.ends),
                }
            })
            .collect()
    }
}

/// One for each that is counted; where nothing is, the rule is told all the same.
fn limits(rule: &str, unit: Unit, limit: Option<i32>, counts: &Counts) -> Vec<Limit> {
    let Some(limit) = limit else {
        return Vec::new();
    };
    let told = |of: Option<String>, used: i64| Limit {
        rule: format!("spec.{rule}"),
        of,
        unit,
        used,
        held: 0,
        limit: i64::from(limit),
        until: None,
    };
    if counts.is_empty() {
        return vec![told(None, 0)];
    }
    counts.iter().map(|(of, used)| told(of.clone(), *used)).collect()
}
