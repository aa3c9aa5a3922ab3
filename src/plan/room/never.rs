//! What no passing of time makes room for: an automation is told of it before it has a task.

use crate::api::{AgentAutomation, Reason};
use crate::plan::budget::{self, NANO, WINDOWS};
use crate::plan::policy::Policy;
use crate::plan::world::World;

use super::{Binding, bound_to};

/// The cap or budget that none of the automation's tasks fits into, even while nothing else is under way.
#[must_use]
pub fn never(world: &World, automation: &AgentAutomation) -> Option<Binding> {
    let namespace = automation.metadata.namespace.as_deref().unwrap_or_default();
    let first = |ask: &dyn Fn(&Policy) -> Option<Binding>| world.holding(namespace).find_map(ask);
    first(&closed).or_else(|| {
        let estimate = budget::estimate(world, automation);
        own_budget(automation, estimate).or_else(|| first(&|policy| budget_of(policy, estimate)))
    })
}

/// What is told of a budget that is smaller than what one task is taken to cost. One of nothing is too small even for what
/// costs nothing.
pub(super) fn too_small(limit: i64, estimate: i64, window: &str, whose: &str) -> Option<String> {
    let remedy = match limit {
        0 => "so nothing starts: raise it",
        _ if estimate > limit.saturating_mul(NANO) => {
            "and one task is taken to cost more: raise it, or say in spec.budget.estimatePerTask what a task costs"
        }
        _ => return None,
    };
    Some(format!(
        "the budget of {whose} for a {window} is {limit} AI credits, {remedy}"
    ))
}

/// A cap of nothing.
fn closed(policy: &Policy) -> Option<Binding> {
    let (spec, name) = (policy.spec(), policy.name());
    let caps = [
        ("maxActive", spec.max_active),
        ("maxActivePerRepository", spec.max_active_per_repository),
        ("maxActivePerAutomation", spec.max_active_per_automation),
        ("maxStartsPerHour", spec.max_starts_per_hour),
    ];
    let (rule, _) = caps.into_iter().find(|(_, max)| *max == Some(0))?;
    let message = format!("AgentPolicy {name} lets nothing start: its spec.{rule} is 0");
    Some(Binding::new(Reason::NoRoom, message, Some(policy.bound(rule))))
}

fn own_budget(automation: &AgentAutomation, estimate: i64) -> Option<Binding> {
    let budget = automation.spec.budget.as_ref()?;
    let limits = budget::limits(budget.credits_per_day, budget.credits_per_month);
    let (message, rule) = first_too_small(limits, estimate, "the automation")?;
    Some(Binding::new(Reason::NoRoom, message, Some(bound_to(automation, rule))))
}

fn budget_of(policy: &Policy, estimate: i64) -> Option<Binding> {
    let budget = policy.spec().budget.as_ref()?;
    let limits = budget::limits(budget.credits_per_day, budget.credits_per_month);
    let (message, rule) = first_too_small(limits, estimate, &format!("AgentPolicy {}", policy.name()))?;
    Some(Binding::new(Reason::NoRoom, message, Some(policy.bound(rule))))
}

fn first_too_small(
    limits: [(Option<i64>, &'static str); 2],
    estimate: i64,
    whose: &str,
) -> Option<(String, &'static str)> {
    let mut windows = WINDOWS.into_iter().zip(limits);
    windows.find_map(|(window, (limit, rule))| Some((too_small(limit?, estimate, window, whose)?, rule)))
}
