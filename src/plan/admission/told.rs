//! What a verdict writes, and what it tells to whoever asks.

use jiff::Timestamp;

use crate::api::task::{InterventionKind, Phase, TaskStatus};
use crate::api::{AgentTask, Reason};

use super::{Binding, Verdict};
use crate::plan::deadline::start_before;
use crate::plan::start::{fence, say};
use crate::plan::{Action, Planned, Subject, Why, World, request};

/// The plan for a task, and the question that has to be asked first.
pub(super) fn to_plan(
    world: &World,
    task: &AgentTask,
    verdict: Verdict,
    now: Timestamp,
) -> (Planned, Option<(Subject, Planned)>) {
    let mut planned = Planned {
        wake: deadline(world, task, now),
        ..Planned::default()
    };
    match verdict {
        Verdict::Start(admitted) => planned.actions.push(Action::Start(admitted)),
        Verdict::Wait(why, until) => {
            if let Some(time) = until {
                planned.wake_at(time);
            }
            planned.reasons.push(why);
        }
        Verdict::Line(_, Some(time)) => planned.wake_at(time),
        Verdict::Line(_, None) => {}
        Verdict::Fence => planned.actions.push(write(fence(task, now))),
        Verdict::Hold(binding) => {
            if let Some(until) = binding.until.filter(|until| *until > now) {
                planned.wake_at(until);
            }
            planned.actions.extend(told(task, Phase::Held, &binding, now));
            planned.reasons.push(with_figures(binding));
        }
        Verdict::End(phase, binding) => {
            planned.actions.extend(told(task, phase, &binding, now));
            planned.reasons.push(binding.why);
        }
        Verdict::Decide(spec) => {
            let mut status = task.status.clone().unwrap_or_default();
            (status.phase, status.reason, status.message) = (Phase::Pending, None, None);
            status.decided = Some(spec);
            planned.actions.push(write(status));
        }
        Verdict::Deny(binding, spec) => {
            let mut status = ended(task, Phase::Denied, &binding, now);
            status.decided = spec;
            planned.actions.push(write(status));
            planned.reasons.push(binding.why);
        }
        Verdict::Approve(approval) => {
            let mut status = task.status.clone().unwrap_or_default();
            status.approvals.push(approval);
            planned.actions.push(write(status));
        }
        Verdict::Rebuild(successor) => planned.actions.push(Action::CreateTask(successor)),
        Verdict::GiveWay(name) => {
            let message =
                format!("the automation's spec changed: task {name} is made from it and takes this one's place");
            let binding = Binding::new(Reason::SpecChanged, message, None);
            let mut status = ended(task, Phase::Superseded, &binding, now);
            status.successor = Some(name);
            planned.actions.push(write(status));
            planned.reasons.push(binding.why);
        }
        Verdict::Ask(_, subject, action) => {
            let message =
                "GitHub is asked first about what only it knows: the base branch, guardrails, open pull requests";
            planned.reasons.push(Why::new(Reason::Verifying, message));
            let question = Planned {
                actions: vec![action],
                ..Planned::default()
            };
            return (planned, Some((subject, question)));
        }
    }
    (planned, None)
}

/// What is told to whoever asks now.
fn with_figures(binding: Binding) -> Why {
    let Some(figures) = binding.figures else {
        return binding.why;
    };
    let why = binding.why;
    Why::new(why.reason, format!("{} ({figures})", why.message))
}

pub(super) fn deadline(world: &World, task: &AgentTask, now: Timestamp) -> Option<Timestamp> {
    let (deadline, _) = start_before(world, task)?;
    Some(deadline).filter(|deadline| *deadline > now)
}

/// The write that tells a task's phase and reason, unless it says so already.
fn told(task: &AgentTask, phase: Phase, binding: &Binding, now: Timestamp) -> Option<Action> {
    if phase.is_ended() {
        return Some(write(ended(task, phase, binding, now)));
    }
    let before = task.status.as_ref();
    let same_rule = |status: &TaskStatus| {
        let same = status.phase == phase && status.reason == Some(binding.why.reason);
        same && status.bound_by == binding.bound
    };
    let same_words = |status: &TaskStatus| status.message.as_ref() == Some(&binding.why.message);
    if before.is_some_and(|status| same_rule(status) && same_words(status)) {
        return None;
    }
    let mut status = before.cloned().unwrap_or_default();
    say(&mut status, phase, binding.why.reason, binding.why.message.clone());
    status.bound_by.clone_from(&binding.bound);
    // A retry's time stands in its spec and does not move; what else holds a task may pass sooner than it seems.
    if binding.why.reason == Reason::RetryBackoff {
        status.not_before = binding.until;
    }
    Some(write(status))
}

fn ended(task: &AgentTask, phase: Phase, binding: &Binding, now: Timestamp) -> TaskStatus {
    let mut status = task.status.clone().unwrap_or_default();
    say(&mut status, phase, binding.why.reason, binding.why.message.clone());
    // What passes a deadline ends for what held it until then.
    let held_by = status
        .bound_by
        .take()
        .filter(|_| binding.why.reason == Reason::DeadlineExceeded);
    status.bound_by = binding.bound.clone().or(held_by);
    status.ended_at = Some(now);
    status.not_before = None;
    if binding.why.reason == Reason::CancelledByPerson {
        request::sign(task, &mut status, InterventionKind::Cancel, now);
    }
    status
}

fn write(status: TaskStatus) -> Action {
    Action::WriteTaskStatus(Box::new(status))
}
