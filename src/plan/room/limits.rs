//! What the caps and budgets of a policy stand at: worked out for whoever asks, and written nowhere.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Room, number};
use crate::plan::budget;
use crate::plan::policy::Policy;
use crate::plan::time::add;
use crate::plan::world::RATE_WINDOW;
use crate::plan::world::folded;

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
        let is_held = |namespace: &str| self.world.holds(policy, namespace);
        let mut all = Counts::from([(None, self.taking.under(self.world, policy).tasks)]);
        let (mut repositories, mut automations) = (Counts::new(), Counts::new());
        for (key, share) in self.taking.automations().filter(|(key, _)| is_held(&key.namespace)) {
            *automations.entry(Some(key.to_string())).or_default() += share.tasks;
        }
        for ((_, repository), share) in self
            .taking
            .repositories()
            .filter(|((namespace, _), _)| is_held(namespace))
        {
            *repositories.entry(Some(repository.clone())).or_default() += share.tasks;
        }
        for (key, repository) in self.under_way(is_held) {
            *all.entry(None).or_default() += 1;
            *automations.entry(Some(key.to_string())).or_default() += 1;
            if repository.is_some() {
                *repositories.entry(repository).or_default() += 1;
            }
        }
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
        let automations = self.world.automations();
        let held: Vec<_> = automations
            .filter(|(key, _)| self.world.holds(policy, &key.namespace))
            .collect();
        let worked_in: BTreeSet<_> = held
            .iter()
            .map(|(_, automation)| folded(&automation.spec.repository))
            .collect();
        let some = |(of, count): (String, i64)| (count > 0).then_some((Some(of), count));
        let repositories = worked_in.into_iter().map(|repository| {
            let count = self.reviews_in(&repository).count;
            (repository, count)
        });
        let automations = held
            .iter()
            .map(|(key, automation)| (key.to_string(), self.own_reviews(automation).count));
        [
            limits(
                "maxOpenPullRequestsPerAutomation",
                Unit::PullRequests,
                spec.max_open_pull_requests_per_automation,
                &automations.filter_map(some).collect(),
            ),
            limits(
                "maxOpenPullRequestsPerRepository",
                Unit::PullRequests,
                spec.max_open_pull_requests_per_repository,
                &repositories.filter_map(some).collect(),
            ),
        ]
        .concat()
    }

    fn rate_limit(&self, policy: &Policy) -> Option<Limit> {
        let limit = policy.spec().max_starts_per_hour?;
        let started = self.recent_starts(policy);
        let starting = self.taking.under(self.world, policy).tasks;
        Some(Limit {
            rule: "spec.maxStartsPerHour".to_owned(),
            of: None,
            unit: Unit::Starts,
            used: number(started.len()) + starting,
            held: 0,
            limit: i64::from(limit),
            until: started.first().map(|at| add(*at, RATE_WINDOW)),
        })
    }

    fn budget_limits(&self, policy: &Policy) -> Vec<Limit> {
        let Some(stated) = policy.spec().budget.as_ref() else {
            return Vec::new();
        };
        let limits = budget::limits(stated.credits_per_day, stated.credits_per_month);
        let windows = budget::windows(&policy.rules.zone, self.now);
        let stated = windows
            .into_iter()
            .zip(limits)
            .filter_map(|(window, (limit, rule))| Some((window, limit?, rule)));
        stated
            .map(|(window, limit, rule)| {
                let charge = budget::of_policy(self.world, policy, window.begins);
                Limit {
                    rule: format!("spec.{rule}"),
                    of: None,
                    unit: Unit::NanoCredits,
                    used: charge.spent,
                    held: charge
                        .reserved
                        .saturating_add(self.taking.under(self.world, policy).nano),
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
