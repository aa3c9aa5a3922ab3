//! Why an automation or a task is as it is now, for every command that tells it: what the controller's own planner decides,
//! and what statuses say where only the cluster and GitHub know.

use jiff::Timestamp;

use crate::api::task::{Bound, Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::plan::automation::standing as planned_standing;
use crate::plan::conditions::Standing;
use crate::plan::policy::refused;
use crate::plan::room::{bound_to, never};
use crate::plan::spec::parse;
use crate::plan::world::phase;
use crate::plan::{Action, ObjectKey, Planned, Settings, Subject, Why, admission, guardrails, task};

use super::cluster::View;

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub why: Why,
    /// The rule that says so.
    pub bound: Option<Bound>,
    /// When something can happen by the passing of time alone.
    pub next: Option<Timestamp>,
}

/// What waits, in the order in which it starts.
#[must_use]
pub fn queue(view: &View) -> Vec<(&AgentTask, Decision)> {
    let plans = admission::plan(&view.world, &Settings::default(), view.now);
    let tasks = plans.iter().filter_map(|(subject, planned)| match subject {
        Subject::Task(key) => Some((view.world.task(key)?, planned)),
        _ => None,
    });
    tasks
        .map(|(task, planned)| (task, waiting(view, task, planned)))
        .collect()
}

/// A task, whatever its phase.
#[must_use]
pub fn of_task(view: &View, task: &AgentTask) -> Decision {
    let key = ObjectKey::of(task);
    if phase(task).is_waiting() {
        let found = queue(view)
            .into_iter()
            .find(|(waiting, _)| ObjectKey::of(*waiting) == key);
        return found.map_or_else(|| told(task), |(_, decision)| decision);
    }
    let planned = task::plan(&view.world, &key, &Settings::default(), view.now);
    let status = planned.actions.iter().find_map(written).or(task.status.as_ref());
    Decision {
        next: planned.wake,
        ..status.map_or_else(|| told(task), |status| of_status(task, status))
    }
}

/// What would become of a task that is not there yet, and the phase that it would get.
#[must_use]
pub fn foreseen(view: &mut View, task: &AgentTask) -> (Phase, Decision) {
    let key = ObjectKey::of(task);
    view.world.put_task(task.clone());
    let plans = admission::plan(&view.world, &Settings::default(), view.now);
    let planned = plans.iter().find(|(subject, _)| *subject == Subject::Task(key.clone()));
    let Some((_, planned)) = planned else {
        return (phase(task), told(task));
    };
    let written = planned.actions.iter().find_map(written);
    let phase = written.map_or(Phase::Pending, |status| status.phase);
    let decision = waiting(view, task, planned);
    let automation = view.world.automation_of(task);
    let unready = automation.and_then(found_out).filter(|_| phase == Phase::Pending);
    match unready {
        Some(standing) => {
            let why = standing.why().clone();
            let bound = rule_of_task(task, why.reason);
            (Phase::Held, Decision { why, bound, next: None })
        }
        None => (phase, decision),
    }
}

/// Whether an automation can start tasks.
#[must_use]
pub fn standing(view: &View, automation: &AgentAutomation) -> Standing {
    if !view.knows_policies {
        return written_standing(automation, |_| true)
            .or_else(|| unseen(view, automation))
            .unwrap_or_else(|| planned_standing(&view.world, automation, view.now));
    }
    let planned = planned_standing(&view.world, automation, view.now);
    if !matches!(planned, Standing::Ready(_)) {
        return planned;
    }
    unseen(view, automation)
        .or_else(|| found_out(automation))
        .unwrap_or(planned)
}

/// The rule that keeps an automation from being ready, or from firing.
#[must_use]
pub fn rule_of(view: &View, automation: &AgentAutomation, reason: Reason) -> Option<Bound> {
    let own = |field: &str| Some(bound_to(automation, field));
    let problem = parse(automation).err().and_then(|problems| problems.into_iter().next());
    if let Some(problem) = problem.filter(|problem| problem.reason == reason) {
        return own(&problem.field);
    }
    match reason {
        Reason::PolicyDenied | Reason::PolicySuspended => refused(&view.world, automation)?.bound,
        Reason::GuardrailNotMet | Reason::GuardrailUnknown => {
            guardrails::in_the_way(&view.world, &guardrails::of_automation(&view.world, automation)?)?.bound
        }
        Reason::NoRoom => never(&view.world, automation)?.bound,
        Reason::Suspended => own("suspend"),
        Reason::FailureThreshold => own("failureThreshold"),
        Reason::NeverFires => own("triggers"),
        Reason::InvalidTemplate => own("prompt"),
        Reason::BranchGone => own("branches.base"),
        Reason::RepositoryNotFound | Reason::RepositoryMoved => own("repository"),
        reason if is_about_credentials(reason) => own("credentials.secretRef"),
        _ => None,
    }
}

/// Whether the controller asks for it again by itself, be it of GitHub or of the cluster.
#[must_use]
pub fn is_asked_again(reason: Reason) -> bool {
    is_found_out(reason) || matches!(reason, Reason::GuardrailNotMet | Reason::GuardrailUnknown)
}

/// A cluster's automation that no controller has looked at is not ready, whatever files would say of it.
fn unseen(view: &View, automation: &AgentAutomation) -> Option<Standing> {
    let seen = automation
        .status
        .as_ref()
        .is_some_and(|status| !status.conditions.is_empty());
    (view.is_live && !seen).then(|| {
        let message = "the controller has not looked at it yet; if that stays so, see whether it runs";
        Standing::Reconciling(Why::new(Reason::Verifying, message))
    })
}

/// What the controller found out in the cluster and at GitHub about this very spec.
fn found_out(automation: &AgentAutomation) -> Option<Standing> {
    written_standing(automation, is_found_out).filter(|standing| !matches!(standing, Standing::Ready(_)))
}

/// What status says of the spec as it is now, for some reasons.
fn written_standing(automation: &AgentAutomation, counts: impl Fn(Reason) -> bool) -> Option<Standing> {
    let conditions = &automation.status.as_ref()?.conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    let reason = Reason::parse(&ready.reason).filter(|reason| counts(*reason))?;
    if ready.observed_generation != automation.metadata.generation {
        return None;
    }
    let why = Why::new(reason, ready.message.clone());
    Some(match ready.status.as_str() {
        "True" => Standing::Ready(why),
        "False" => Standing::Stalled(why),
        _ => Standing::Reconciling(why),
    })
}

fn waiting(view: &View, task: &AgentTask, planned: &Planned) -> Decision {
    let next = planned.wake;
    let status = task.status.as_ref();
    if let Some(status) = status.filter(|_| !view.knows_policies) {
        return of_status(task, status);
    }
    let only_told = |reason| is_found_out(reason) || reason == Reason::TextEdited;
    let held = status.filter(|status| status.reason.is_some_and(only_told));
    let decided = planned.reasons.first();
    // What is to be asked of GitHub was asked by the controller.
    if let Some(why) = decided.filter(|why| why.reason != Reason::Verifying || held.is_none()) {
        let next_status = planned.actions.iter().find_map(written).or(status);
        let said = next_status.filter(|status| status.reason == Some(why.reason));
        let bound = said.and_then(|status| status.bound_by.clone());
        return Decision {
            bound: bound.or_else(|| rule_of_task(task, why.reason)),
            why: why.clone(),
            next,
        };
    }
    if let Some(status) = held {
        return Decision {
            next,
            ..of_status(task, status)
        };
    }
    let is_rebuilt = planned
        .actions
        .iter()
        .any(|action| matches!(action, Action::CreateTask(_)));
    let why = if is_rebuilt {
        let message = "the automation's spec changed: a task is made from it and takes this one's place";
        Why::new(Reason::SpecChanged, message)
    } else {
        Why::new(
            Reason::Ready,
            "nothing is in its way, and it waits for its turn to be sent",
        )
    };
    Decision {
        bound: rule_of_task(task, why.reason),
        why,
        next,
    }
}

fn told(task: &AgentTask) -> Decision {
    of_status(task, &task.status.clone().unwrap_or_default())
}

fn of_status(task: &AgentTask, status: &TaskStatus) -> Decision {
    let reason = status.reason.unwrap_or(Reason::Ready);
    let was_kept = matches!(
        status.phase,
        Phase::Held | Phase::Denied | Phase::Skipped | Phase::Superseded | Phase::Expired
    ) || matches!(reason, Reason::ActiveDeadline | Reason::WaitingDeadline);
    let bound = status.bound_by.clone().filter(|_| was_kept);
    Decision {
        bound: bound.or_else(|| rule_of_task(task, reason)),
        why: Why::new(reason, status.message.clone().unwrap_or_default()),
        next: None,
    }
}

fn written(action: &Action) -> Option<&TaskStatus> {
    match action {
        Action::WriteTaskStatus(status) => Some(status),
        _ => None,
    }
}

/// The rule behind a reason that names none, in the spec that the task was decided from.
fn rule_of_task(task: &AgentTask, reason: Reason) -> Option<Bound> {
    let field = match reason {
        Reason::Duplicate | Reason::Replaced => "deduplicate".to_owned(),
        Reason::SpecChanged => "onSpecChange".to_owned(),
        Reason::RetryBackoff => "retry.backoff".to_owned(),
        Reason::DeadlineExceeded => {
            format!("triggers[{}].schedule.startingDeadlineSeconds", task.spec.trigger.name)
        }
        Reason::NotFoundAtGitHub => "startPolicy".to_owned(),
        Reason::BranchGone => "branches.base".to_owned(),
        Reason::RepositoryNotFound | Reason::RepositoryMoved => "repository".to_owned(),
        reason if is_about_credentials(reason) => "credentials.secretRef".to_owned(),
        _ => return None,
    };
    Some(of_its_automation(task, &field))
}

fn of_its_automation(task: &AgentTask, field: &str) -> Bound {
    Bound {
        kind: "AgentAutomation".to_owned(),
        name: task.spec.automation.name.clone(),
        generation: task.spec.automation.generation,
        rule: format!("spec.{field}"),
    }
}

/// Whether only Secrets, the API server or GitHub tell it.
fn is_found_out(reason: Reason) -> bool {
    is_about_credentials(reason)
        || matches!(
            reason,
            Reason::Verifying
                | Reason::RepositoryNotFound
                | Reason::RepositoryMoved
                | Reason::BranchGone
                | Reason::RateLimited
                | Reason::GitHubUnavailable
                | Reason::NotSent
                | Reason::FailedCreate
        )
}

fn is_about_credentials(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SecretMissing
            | Reason::SecretKeyMissing
            | Reason::SecretForbidden
            | Reason::CredentialRejected
            | Reason::RefreshInvalid
            | Reason::RefreshForbidden
            | Reason::RefreshRefused
            | Reason::RefreshOutcomeUnknown
            | Reason::PermissionDenied
    )
}
