//! Where an automation stands: the first thing that keeps its tasks from starting, and what it asks for in vain.

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt};

use super::because;
use super::told::Stage;
use super::{Known, View};
use crate::api::Reason;
use crate::api::automation::{AutomationSpec, CredentialStatus};
use crate::api::policy::PolicySpec;
use crate::plan::conditions::Standing;
use crate::plan::credential::{Usability, choice, usability, verification};
use crate::plan::deadline::{Deadline, STARTING_RULE};
use crate::plan::observed::Refused;
use crate::plan::policy::{Ruling, refused, rule_automation};
use crate::plan::spec::{Parsed, Problem};
use crate::plan::world::CredentialKey;
use crate::plan::{Why, guardrails, notify, refresh, retry, room, sweep};

impl View<'_> {
    /// What the automation asks for beyond what its policies allow: it runs all the same, within what they allow.
    pub(super) fn narrowed(&self) -> Option<Why> {
        let spec = &self.automation.spec;
        let retries = spec.retry.as_ref().map(|retry| retry.limit);
        let mut sentences = Vec::new();
        for policy in self.policies() {
            let limits = policy.spec();
            let credits = |budget: Option<(Option<i64>, Option<i64>)>| budget.unwrap_or_default();
            let own = credits(
                spec.budget
                    .as_ref()
                    .map(|it| (it.credits_per_day, it.credits_per_month)),
            );
            let most = credits(
                limits
                    .budget
                    .as_ref()
                    .map(|it| (it.credits_per_day, it.credits_per_month)),
            );
            let most_active = Some(i64::from(spec.concurrency.max_active));
            let pairs = [
                (
                    "concurrency.maxActive",
                    most_active,
                    "maxActive",
                    limits.max_active.map(i64::from),
                ),
                (
                    "concurrency.maxActive",
                    most_active,
                    "maxActivePerAutomation",
                    limits.max_active_per_automation.map(i64::from),
                ),
                (
                    "concurrency.maxActive",
                    most_active,
                    "maxActivePerRepository",
                    limits.max_active_per_repository.map(i64::from),
                ),
                (
                    "maxOpenPullRequests",
                    spec.max_open_pull_requests.map(i64::from),
                    "maxOpenPullRequestsPerAutomation",
                    limits.max_open_pull_requests_per_automation.map(i64::from),
                ),
                (
                    "maxOpenPullRequests",
                    spec.max_open_pull_requests.map(i64::from),
                    "maxOpenPullRequestsPerRepository",
                    limits.max_open_pull_requests_per_repository.map(i64::from),
                ),
                (
                    "priority",
                    Some(i64::from(spec.priority)),
                    "maxPriority",
                    limits.max_priority.map(i64::from),
                ),
                (
                    "retry.limit",
                    retries.map(i64::from),
                    "maxRetries",
                    limits.max_retries.map(i64::from),
                ),
                ("budget.creditsPerDay", own.0, "budget.creditsPerDay", most.0),
                ("budget.creditsPerMonth", own.1, "budget.creditsPerMonth", most.1),
            ];
            let pairs = pairs.map(|(field, asked, rule, allowed)| (field.to_owned(), asked, rule, allowed));
            for (field, asked, rule, allowed) in pairs.into_iter().chain(deadlines(spec, limits)) {
                if let (Some(asked), Some(allowed)) = (asked, allowed)
                    && asked > allowed
                {
                    let name = policy.name();
                    let sentence =
                        format!("spec.{field} is {asked}, and AgentPolicy {name} allows {allowed} (spec.{rule})");
                    sentences.push(sentence);
                }
            }
        }
        let rulings = rule_automation(self.world, self.automation);
        if rulings.iter().any(|(_, ruling)| *ruling == Ruling::Allowed) {
            for (triggers, ruling) in rulings {
                sentences.extend(ruling.refusal().map(|refusal| refusal.of_triggers(&triggers)));
            }
        }
        sentences.extend(notify::not_allowed(self.world, self.automation));
        (!sentences.is_empty()).then(|| Why::new(Reason::PolicyNarrows, sentences.join("; ")))
    }

    /// Where it stands: the first thing that is in the way.
    pub(super) fn standing(&self) -> Standing {
        let parsed = match &self.parsed {
            Ok(parsed) => parsed,
            Err(problems) => return stalled_by(problems),
        };
        Self::silent(parsed)
            .or_else(|| self.denied())
            .or_else(|| self.roomless())
            .or_else(|| self.failing())
            .or_else(|| self.unauthorized(parsed))
            .or_else(|| self.branchless())
            .or_else(|| self.unguarded())
            .or_else(|| self.rejected())
            .or_else(|| self.unrefreshed())
            .unwrap_or_else(|| self.ready())
    }

    /// Where it stands, when a prompt has to be rendered for what is due now: a text may work for one time and not for
    /// another.
    pub(super) fn standing_for(&self, schedules: &BTreeMap<&str, Known>) -> Standing {
        self.unrendered(schedules)
            .or_else(|| self.uncreated(schedules))
            .unwrap_or_else(|| self.standing())
    }

    /// A task is due, or something happened that causes one, and its object can't be created.
    fn uncreated(&self, schedules: &BTreeMap<&str, Known>) -> Option<Standing> {
        let is_due = schedules.values().any(|known| !known.due.create.is_empty());
        let of_due = self.retry().filter(|_| is_due).map(|retry| retry.problem.as_str());
        let problem = of_due.or_else(|| sweep::uncreated(self.world, self.automation, self.now))?;
        let message = format!("its task can't be created, and is tried again: {problem}");
        Some(Standing::Reconciling(Why::new(Reason::FailedCreate, message)))
    }

    fn unrendered(&self, schedules: &BTreeMap<&str, Known>) -> Option<Standing> {
        let parsed = self.parsed.as_ref().ok()?;
        parsed.schedules.iter().find_map(|schedule| {
            let times = &schedules.get(schedule.name)?.due.create;
            let rendered = |time| {
                let occasion = parsed.scheduled(schedule, time);
                parsed.prompt(self.automation, &occasion)?;
                self.deduplication(parsed, &occasion)
            };
            let error = times.iter().find_map(|time| rendered(*time).err())?;
            let message = format!("spec.{}: {error}", error.field());
            Some(Standing::Stalled(Why::new(Reason::InvalidTemplate, message)))
        })
    }

    fn silent(parsed: &Parsed) -> Option<Standing> {
        let silent = parsed
            .schedules
            .iter()
            .find(|schedule| schedule.schedule.never_fires())?;
        let message = format!(
            "trigger {}: no date matches {}: correct spec.triggers",
            silent.name, silent.schedule
        );
        Some(Standing::Stalled(Why::new(Reason::NeverFires, message)))
    }

    fn denied(&self) -> Option<Standing> {
        let refusal = refused(self.world, self.automation)?;
        Some(Standing::Stalled(refusal.why))
    }

    /// None of its tasks could ever start.
    fn roomless(&self) -> Option<Standing> {
        let binding = room::never(self.world, self.automation)?;
        Some(Standing::Stalled(binding.why))
    }

    fn failing(&self) -> Option<Standing> {
        let message = retry::stopped(self.automation, &self.failures)?;
        Some(Standing::Stalled(Why::new(Reason::FailureThreshold, message)))
    }

    /// The last look at the base branch did not find it.
    fn branchless(&self) -> Option<Standing> {
        let key = guardrails::of_automation(self.world, self.automation)?;
        let Some(facts) = self.world.branches.get(&key) else {
            // Where nothing is required of it, it is looked at before the next start.
            let told = self.told(Stage::Branch)?;
            return (told.why().reason == Reason::BranchGone).then_some(told);
        };
        let is_gone = facts.exists == Ok(false);
        is_gone.then(|| {
            let (branch, repository) = (&key.branch, &key.repository);
            let message =
                format!("spec.branches.base: {repository} has no branch {branch}: name another, or create it");
            Standing::Stalled(Why::new(Reason::BranchGone, message))
        })
    }

    fn unguarded(&self) -> Option<Standing> {
        let key = guardrails::of_automation(self.world, self.automation)?;
        if let Some(binding) = guardrails::in_the_way(self.world, &key) {
            let why = binding.why;
            let goes_by_itself = why.reason == Reason::GuardrailUnknown && guardrails::is_asked_again(self.world, &key);
            return Some(if goes_by_itself {
                Standing::Reconciling(why)
            } else {
                Standing::Stalled(why)
            });
        }
        if !guardrails::is_unread(self.world, &key) {
            return None;
        }
        let looked = self.world.branches.get(&key).map(|facts| &facts.exists);
        Some(match looked {
            Some(Err(refused)) if !refused.is_passing() => refused_by(refused),
            Some(Err(refused)) => self.told(Stage::Guardrails).unwrap_or_else(|| refused_by(refused)),
            Some(Ok(_)) | None => self.unread(Stage::Guardrails, "asking GitHub what guards the base branch"),
        })
    }

    fn unauthorized(&self, parsed: &Parsed) -> Option<Standing> {
        if let Some(why) = choice::none_usable(self.world, self.automation) {
            return Some(Standing::Stalled(why));
        }
        let key = choice::reader(self.world, self.automation);
        let message = "checking the credential at GitHub";
        let version = match usability(&key, self.world.credentials.get(&key)) {
            Usability::Usable(version) => version,
            Usability::Unread => return Some(self.unread(Stage::Credential, message)),
            Usability::Unusable(why) => return Some(Standing::Stalled(why)),
        };
        match verification(self.world, &key, &parsed.repository, &version) {
            None => Some(self.unread(Stage::Repository, message)),
            Some(Ok(())) => None,
            Some(Err(refused)) => Some(refused_by(refused)),
        }
    }

    /// The token works, and will not for long; and there is none that will.
    fn unrefreshed(&self) -> Option<Standing> {
        let stalled = |key: &CredentialKey| refresh::stalled(key, self.world.credentials.get(key)?);
        let first = stalled(&choice::reader(self.world, self.automation))?;
        let lasts = |status: &CredentialStatus| status.reason.is_none();
        (!self.credentials().iter().any(lasts)).then_some(Standing::Stalled(first))
    }

    /// GitHub refused what this spec asked for the last time.
    pub(super) fn rejected(&self) -> Option<Standing> {
        let generation = self.automation.meta().generation.unwrap_or_default();
        let newest = self.tasks.iter().rev().find(|task| {
            let status = task.status.as_ref();
            status.is_some_and(|status| !status.attempts.is_empty()) && task.spec.automation.generation == generation
        })?;
        let status = newest.status.as_ref()?;
        let reason = status.reason.filter(|reason| {
            matches!(
                reason,
                Reason::StartRejected | Reason::RepositoryMoved | Reason::PermissionDenied | Reason::RepositoryNotFound
            )
        })?;
        let is_of_one = matches!(reason, Reason::PermissionDenied | Reason::RepositoryNotFound);
        if is_of_one && self.credentials().iter().any(|status| status.reason.is_none()) {
            return None;
        }
        let message = format!(
            "task {}: {}",
            newest.name_any(),
            status.message.clone().unwrap_or_default()
        );
        Some(Standing::Stalled(Why::new(reason, message)))
    }

    pub(super) fn ready(&self) -> Standing {
        Standing::Ready(if self.automation.spec.suspend {
            Why::new(
                Reason::Suspended,
                format!(
                    "suspended{}: its triggers do not fire until spec.suspend is false",
                    because(self.automation)
                ),
            )
        } else {
            Why::new(Reason::Ready, "its triggers fire and its tasks can start")
        })
    }
}

/// What goes by itself keeps nobody busy.
fn refused_by(refused: &Refused) -> Standing {
    let why = Why::new(refused.reason, refused.message.clone());
    if refused.is_passing() {
        Standing::Reconciling(why)
    } else {
        Standing::Stalled(why)
    }
}

pub(super) fn stalled_by(problems: &[Problem]) -> Standing {
    let first = problems.first();
    let reason = first.map_or(Reason::InvalidSpec, |problem| problem.reason);
    let messages: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Standing::Stalled(Why::new(reason, messages.join("; ")))
}

/// Each deadline that an automation asks for, beside what a policy allows.
fn deadlines<'a>(
    spec: &'a AutomationSpec,
    limits: &'a PolicySpec,
) -> impl Iterator<Item = (String, Option<i64>, &'static str, Option<i64>)> + 'a {
    let started = [Deadline::Active, Deadline::Waiting].map(|deadline| {
        let (asked, allowed) = (deadline.own(spec), deadline.ceiling(limits));
        (
            deadline.field().to_owned(),
            asked.map(i64::from),
            deadline.rule(),
            allowed.map(i64::from),
        )
    });
    let starting = spec.triggers.iter().filter_map(|trigger| {
        let asked = trigger.schedule.as_ref()?.starting_deadline_seconds;
        let field = format!("triggers[{}].schedule.startingDeadlineSeconds", trigger.name);
        let allowed = limits.max_starting_deadline_seconds;
        Some((field, asked.map(i64::from), STARTING_RULE, allowed.map(i64::from)))
    });
    started.into_iter().chain(starting)
}
