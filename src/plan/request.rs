//! A task that somebody made by hand: what is decided for it, and whose approval it needs.
//!
//! Its spec says who asks for which automation with which inputs, and stays as it is; what the controller makes of that
//! is written to its status, and counts as its spec from then on. Admission (`deploy/`) sees to it that nobody writes
//! another's name as requester, as approver or as who ends it; here it is seen to that there is one, and that they are two.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::automation::RequireApproval;
use crate::api::policy::TriggerKind;
use crate::api::task::{
    APPROVED_BY_ANNOTATION, APPROVED_FOR_ANNOTATION, Approval, BY_SUFFIX, Bound, CANCEL_ANNOTATION, Intervention,
    InterventionKind, TaskSpec, TaskStatus, VIA_SUFFIX,
};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::inputs;
use crate::domain::outside::clean_line;

use super::room::bound_to;
use super::spec::{Occasion, Parsed};
use super::world::{ObjectKey, World, automation_key};
use super::{Why, automation};

/// The most characters of a user's name.
const NAME_MAX: usize = 256;
const INTERVENTIONS_KEPT: usize = 5;

/// What is made of a task that somebody made by hand.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    Decided(Box<TaskSpec>),
    /// It can't be run, now or later. What it would have been says who is told of that.
    Denied(Why, Option<Box<TaskSpec>>),
    /// Somebody has to do something first.
    Held(Why),
}

/// Decides what a task that was made by hand is to do.
#[must_use]
pub fn decide(world: &World, task: &AgentTask, now: Timestamp) -> Asked {
    let Some(automation) = world.automation(&automation_key(task)) else {
        let name = &task.spec.automation.name;
        let message =
            format!("there is no AgentAutomation {name} in its namespace: create it, or make a task for another");
        return Asked::Held(Why::new(Reason::AutomationGone, message));
    };
    if task.spec.requester.is_none() {
        let message = "nobody says who asks for it: write the user's name into spec.requester";
        return Asked::Denied(Why::new(Reason::RequesterMissing, message), None);
    }
    match automation::spec_for(world, automation, task, now) {
        Ok(Some(spec)) => Asked::Decided(Box::new(spec)),
        Ok(None) => {
            let message = "the automation has no trigger for people: add one with manual: {} to its spec.triggers";
            Asked::Denied(Why::new(Reason::NoManualTrigger, message), None)
        }
        Err(why) if matches!(why.reason, Reason::InvalidInput) => {
            let spec = automation::spec_without_texts(world, automation, task, &why, now);
            Asked::Denied(why, spec.map(Box::new))
        }
        Err(why) => Asked::Held(why),
    }
}

/// The occasion that a task made by hand is; nothing where the automation has no trigger for people.
///
/// # Errors
/// When its inputs are not what the automation asks for.
pub fn occasion<'a>(
    automation: &AgentAutomation,
    parsed: &Parsed<'a>,
    task: &AgentTask,
) -> Result<Option<Occasion<'a>>, Why> {
    let Some(asked) = asked(parsed, task) else {
        return Ok(None);
    };
    let inputs = inputs::values(&automation.spec.inputs, &task.spec.inputs)
        .map_err(|error| Why::new(Reason::InvalidInput, error.to_string()))?;
    Ok(Some(Occasion { inputs, ..asked }))
}

/// The same with the inputs as they were given, whatever they are.
#[must_use]
pub fn asked<'a>(parsed: &Parsed<'a>, task: &AgentTask) -> Option<Occasion<'a>> {
    let trigger = parsed.manual?;
    let cause = &task.spec.trigger;
    let (time, id) = if task.spec.is_decided() {
        (cause.scheduled_time, cause.id.clone())
    } else {
        let made = task.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        (made, task.uid())
    };
    Some(Occasion {
        id,
        requester: task.spec.requester.clone(),
        requested_via: task.spec.requested_via.clone(),
        priority: task.spec.priority,
        ..Occasion::new(trigger, TriggerKind::Manual, time, task.spec.inputs.clone())
    })
}

/// Why a person does not want it any more, if one has said so.
#[must_use]
pub fn cancelled(task: &AgentTask) -> Option<Why> {
    let because = task.annotations().get(CANCEL_ANNOTATION)?;
    let because = if because.is_empty() {
        "no reason was given"
    } else {
        because
    };
    let message = super::start::bounded(&format!("a person cancelled it before it started: {because}"));
    Some(Why::new(Reason::CancelledByPerson, message))
}

/// Writes down in whose name a person decided about a task, where a name was given.
pub fn sign(task: &AgentTask, status: &mut TaskStatus, kind: InterventionKind, now: Timestamp) {
    let named = |suffix: &str| {
        let name = task.annotations().get(&format!("{}{suffix}", kind.annotation()))?;
        Some(clean_line(name, NAME_MAX).text).filter(|name| !name.is_empty())
    };
    let signed = named(BY_SUFFIX).map(|by| Intervention {
        kind,
        by,
        via: named(VIA_SUFFIX),
        at: now,
    });
    status.interventions.extend(signed);
    let surplus = status.interventions.len().saturating_sub(INTERVENTIONS_KEPT);
    status.interventions.drain(..surplus);
}

/// Where a task stands with those whose approval it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Approved {
    /// Nobody has to, or somebody has and it is written down.
    Yes,
    /// Somebody has; that is to be written down first.
    By(Approval),
    /// This rule requires it, and this is what is missing. What somebody approved for another rule is to be written down:
    /// the next approval takes its place in the annotations.
    No(Why, Bound, Option<Approval>),
}

/// Asks the automation and every policy that holds.
#[must_use]
pub fn approved(world: &World, automation: &AgentAutomation, task: &AgentTask, now: Timestamp) -> Approved {
    let unmet = unmet(world, automation, task);
    let given = candidate(task, now).filter(|given| unmet.iter().any(|(required, _)| meets(required, given)));
    let is_missing = |required| given.as_ref().is_none_or(|given| !meets(required, given));
    match unmet.iter().find(|(required, _)| is_missing(required)) {
        None => given.map_or(Approved::Yes, Approved::By),
        Some((required, bound)) => {
            let why = Why::new(Reason::Approval, sentence(task, required, bound));
            Approved::No(why, bound.clone(), given)
        }
    }
}

/// The approvals that count for a task: its own, and as a retry those of the task that it retries.
pub fn approvals(task: &AgentTask) -> impl Iterator<Item = &Approval> {
    let own = task.status.iter().flat_map(|status| &status.approvals);
    own.chain(task.spec.follows.iter().flat_map(|follows| &follows.approvals))
}

/// The approval that a user can give, in their own name or as a member of one of their groups.
///
/// # Errors
/// With why it is not wanted, or not theirs to give.
pub fn approver(
    world: &World,
    automation: &AgentAutomation,
    task: &AgentTask,
    user: &str,
    groups: &[String],
    now: Timestamp,
) -> Result<Approval, String> {
    let name = task.name_any();
    match approved(world, automation, task, now) {
        Approved::Yes => return Err(format!("task {name} needs nobody's approval, or has it")),
        Approved::By(approval) => return Err(format!("task {name} is approved by {} already", approval.by)),
        Approved::No(_, _, Some(approval)) => {
            let by = approval.by;
            return Err(format!(
                "the approval of {by} for task {name} is being written down: try again in a moment"
            ));
        }
        Approved::No(_, _, None) => {}
    }
    if is_own(task, user) {
        return Err(format!("you asked for task {name}: somebody else has to approve it"));
    }
    let unmet = unmet(world, automation, task);
    let as_member = groups.iter().map(|group| Some(group.clone()));
    let candidates = [None].into_iter().chain(as_member).map(|as_member_of| Approval {
        by: user.to_owned(),
        as_member_of,
        at: now,
    });
    let left = |approval: &Approval| unmet.iter().filter(|(required, _)| !meets(required, approval)).count();
    let fitting = candidates.filter(|approval| left(approval) < unmet.len());
    fitting.min_by_key(left).ok_or_else(|| {
        let missing = |(required, bound): &(&RequireApproval, Bound)| wanted(task, required, bound);
        let wanted = unmet.first().map(missing).unwrap_or_default();
        format!("you are {user}, whose approval does not count for task {name}: {wanted}")
    })
}

/// What the automation requires and what its policies require.
fn requirements<'a>(
    world: &'a World,
    automation: &'a AgentAutomation,
) -> impl Iterator<Item = (&'a RequireApproval, Bound)> {
    const RULE: &str = "requireApproval";
    let own = automation.spec.require_approval.iter();
    let own = own.map(move |required| (required, bound_to(automation, RULE)));
    let policies = world.holding(&ObjectKey::of(automation).namespace);
    own.chain(policies.filter_map(|policy| Some((policy.spec().require_approval.as_ref()?, policy.bound(RULE)))))
}

/// What requires an approval that nobody has given yet.
fn unmet<'a>(world: &'a World, automation: &'a AgentAutomation, task: &AgentTask) -> Vec<(&'a RequireApproval, Bound)> {
    let is_unmet = |required| !approvals(task).any(|approval| meets(required, approval));
    requirements(world, automation)
        .filter(|(required, _)| is_unmet(required))
        .collect()
}

/// The approval that the task's annotations tell of; nobody approves what they asked for themselves.
fn candidate(task: &AgentTask, now: Timestamp) -> Option<Approval> {
    let by = task.annotations().get(APPROVED_BY_ANNOTATION)?;
    (!by.is_empty() && !is_own(task, by)).then(|| Approval {
        by: by.clone(),
        as_member_of: task.annotations().get(APPROVED_FOR_ANNOTATION).cloned(),
        at: now,
    })
}

fn is_own(task: &AgentTask, user: &str) -> bool {
    let spec = &task.spec;
    [&spec.requester, &spec.requested_via]
        .into_iter()
        .flatten()
        .any(|name| name == user)
}

fn meets(required: &RequireApproval, approval: &Approval) -> bool {
    let group = approval.as_member_of.as_ref();
    required.users.contains(&approval.by) || group.is_some_and(|group| required.groups.contains(group))
}

fn wanted(task: &AgentTask, required: &RequireApproval, bound: &Bound) -> String {
    let groups = required.groups.iter().map(|group| format!("a member of {group}"));
    let wanted: Vec<_> = required.users.iter().cloned().chain(groups).collect();
    let Bound { kind, name, rule, .. } = bound;
    format!(
        "it needs the approval of {} ({rule} of {kind} {name}): kubectl aauto approve {} -n {}",
        wanted.join(" or "),
        task.name_any(),
        task.namespace().unwrap_or_default()
    )
}

fn sentence(task: &AgentTask, required: &RequireApproval, bound: &Bound) -> String {
    let wants = wanted(task, required, bound);
    match task.annotations().get(APPROVED_BY_ANNOTATION) {
        None => wants,
        Some(by) if by.is_empty() => wants,
        Some(by) if is_own(task, by) => format!("{wants}; {by} asked for it, and another has to approve"),
        Some(by) => format!("{wants}; that of {by} does not count here"),
    }
}
