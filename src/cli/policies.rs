//! `agent-automation status --policies`: what the limits of policies stand at, worked out now and written nowhere.

use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::Number;

use crate::plan::Settings;
use crate::plan::automation::credits;
use crate::plan::budget::NANO;
use crate::plan::policy::Policy;
use crate::plan::room::{Limit, Room, Unit};

use super::cluster::{self, View};
use super::table::{Row, dash, print_rows, relative};

/// Prints the limits of the policies that hold where somebody looks.
#[must_use]
pub fn print(view: &View, args: &cluster::Args) -> ExitCode {
    let none = format!("No AgentPolicy holds {}.", view.whereabouts());
    print_rows(&rows(view), args.output, args.color, &none)
}

/// One rule of a policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub policy: String,
    /// Missing where the policy has no limit.
    pub rule: Option<String>,
    /// The repository or the automation, where each is counted for itself.
    pub of: Option<String>,
    pub unit: Option<&'static str>,
    pub used: Option<Number>,
    /// What is held for tasks under way whose cost is not known yet.
    pub held: Option<Number>,
    pub limit: Option<Number>,
    /// Whether nothing is left of it, or a switch or a window keeps tasks from starting. A budget of which something is left
    /// may still hold what is taken to cost more.
    pub in_force: bool,
    pub until: Option<Timestamp>,
    #[serde(skip)]
    until_in: String,
}

impl Row for Line {
    const HEADERS: &'static [&'static str] = &["POLICY", "RULE", "OF", "USED", "HELD", "LIMIT", "UNTIL", "UNIT"];
    const NARROW: usize = 7;

    fn cells(&self) -> Vec<String> {
        let number = |number: &Option<Number>| dash(number.as_ref().map(Number::to_string));
        let is_switch = self.in_force && self.limit.is_none();
        vec![
            self.policy.clone(),
            dash(
                self.rule
                    .as_ref()
                    .map(|rule| rule.trim_start_matches("spec.").to_owned()),
            ),
            dash(self.of.clone()),
            if is_switch { "on".to_owned() } else { number(&self.used) },
            number(&self.held),
            number(&self.limit),
            self.until_in.clone(),
            dash(self.unit.map(str::to_owned)),
        ]
    }

    fn is_alarming(&self) -> bool {
        self.in_force
    }
}

fn rows(view: &View) -> Vec<Line> {
    let settings = Settings::default();
    let room = Room::new(&view.world, &settings, view.now);
    let policies = view.world.policies().map(|object| Policy::new(object.clone()));
    let shown = policies.filter(|policy| {
        let namespace = view.namespace.as_deref();
        namespace.is_none_or(|namespace| view.world.holds(policy, namespace))
    });
    shown.flat_map(|policy| of_policy(view, &room, &policy)).collect()
}

fn of_policy(view: &View, room: &Room, policy: &Policy) -> Vec<Line> {
    let blank = Line::blank(policy);
    let suspended = policy.spec().suspend.then(|| Line {
        rule: Some("spec.suspend".to_owned()),
        in_force: true,
        ..blank.clone()
    });
    let windows = policy
        .rules
        .windows
        .iter()
        .filter_map(|window| window.open_at(view.now));
    let frozen = windows.map(|open| Line {
        rule: Some(format!("spec.freezeWindows[{}]", open.name)),
        in_force: true,
        ..blank.until(Some(open.ends), view.now)
    });
    let limits = room.limits(policy);
    let limits = limits.into_iter().map(|limit| blank.limited(limit, view.now));
    let lines: Vec<_> = suspended.into_iter().chain(frozen).chain(limits).collect();
    if lines.is_empty() { vec![blank] } else { lines }
}

impl Line {
    fn blank(policy: &Policy) -> Self {
        Self {
            policy: policy.object.name_any(),
            rule: None,
            of: None,
            unit: None,
            used: None,
            held: None,
            limit: None,
            in_force: false,
            until: None,
            until_in: dash(None),
        }
    }

    fn until(&self, until: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            until,
            until_in: relative(until, now),
            ..self.clone()
        }
    }

    fn limited(&self, limit: Limit, now: Timestamp) -> Self {
        let is_credits = limit.unit == Unit::NanoCredits;
        let number = |amount: i64| {
            let decimal = if is_credits {
                credits(amount)
            } else {
                amount.to_string()
            };
            decimal.parse().ok()
        };
        let unit = match limit.unit {
            Unit::Tasks => "tasks",
            Unit::PullRequests => "pull requests",
            Unit::Starts => "starts",
            Unit::NanoCredits => "AI credits",
        };
        Self {
            rule: Some(limit.rule),
            of: limit.of,
            unit: Some(unit),
            used: number(limit.used),
            held: number(limit.held).filter(|_| is_credits),
            // A budget is written in whole credits.
            limit: Some(if is_credits { limit.limit / NANO } else { limit.limit }.into()),
            in_force: limit.used.saturating_add(limit.held) >= limit.limit,
            ..self.until(limit.until, now)
        }
    }
}
