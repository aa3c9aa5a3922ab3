//! Plans, puts what was planned into the world, and plans again: what a few seconds of the controller's life come to.
//!
//! Automations come first, since they create tasks; then what was started already, since that may leave room; then
//! admission, pass after pass, since GitHub is written to once at a time. A started task counts as starting from then on.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::task::TaskStatus;
use crate::api::{AgentTask, Reason};
use crate::plan::world::phase;
use crate::plan::{Action, ObjectKey, Planned, Settings, Subject, World, admission, automation, start, task};

use super::report::{AutomationReport, Because, Report, Step, TaskReport};

/// An automation settles in four passes: its tasks, its counts, what its history lets go, its status after that.
const PASSES: usize = 8;

/// Everything that would be done at `now`. Leaves the world as it would be then.
pub fn run(world: &mut World, now: Timestamp) -> Report {
    let settings = Settings::default();
    let keys: Vec<_> = world.automations().map(|(key, _)| key.clone()).collect();
    let automations = keys
        .iter()
        .map(|key| plan_automation(world, key, &settings, now))
        .collect();
    let mut passes = Passes {
        world,
        settings,
        now,
        done: BTreeMap::new(),
    };
    passes.follow();
    while passes.admit() {}
    let tasks = passes.report();
    Report {
        now,
        automations,
        tasks,
    }
}

fn plan_automation(world: &mut World, key: &ObjectKey, settings: &Settings, now: Timestamp) -> AutomationReport {
    let outlook = world
        .automation(key)
        .map(|automation| automation::outlook(world, automation, now));
    let (missed_runs, next_schedule_time) = outlook.unwrap_or_default();
    let first = automation::plan(world, key, settings, now);
    // What can't run at all has more to mend than that.
    let runs = first.reasons.iter().all(|why| why.reason == Reason::Ready);
    let automation = world.automation(key).filter(|_| runs);
    let narrowed = automation.and_then(|automation| automation::narrowed(world, automation, now));
    let reasons = first.reasons.iter().cloned().chain(narrowed);
    let reasons = reasons.map(Because::from).collect();
    let mut actions = carry_out_all(world, key, first);
    for _ in 1..PASSES {
        let next = automation::plan(world, key, settings, now);
        actions.extend(carry_out_all(world, key, next));
    }
    AutomationReport {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        actions,
        missed_runs,
        next_schedule_time,
        reasons,
    }
}

fn carry_out_all(world: &mut World, key: &ObjectKey, planned: Planned) -> Vec<Step> {
    planned
        .actions
        .into_iter()
        .filter_map(|action| carry_out(world, key, action))
        .collect()
}

/// Puts what an automation decided into the world; its own status is no news to whoever reads the plan.
fn carry_out(world: &mut World, key: &ObjectKey, action: Action) -> Option<Step> {
    match action {
        Action::CreateTask(mut task) => {
            let step = Step::create(&task);
            task.metadata.uid = Some(ObjectKey::of(&*task).to_string());
            world.put_task(*task);
            Some(step)
        }
        Action::DeleteTask { key, uid } => {
            world.remove_task(&key, &uid);
            Some(Step::DeleteTask { name: key.name })
        }
        Action::WriteAutomationStatus(status) => {
            let mut automation = world.automation(key)?.clone();
            automation.status = Some(*status);
            world.put_automation(automation);
            None
        }
        Action::WriteTaskStatus(_)
        | Action::WriteWebhookSourceStatus(_)
        | Action::ReadSecret
        | Action::Refresh { .. }
        | Action::Forget
        | Action::VerifyRepository
        | Action::Start(_)
        | Action::Search
        | Action::Observe { .. }
        | Action::Inspect { .. }
        | Action::ListPulls
        | Action::ListOpenPulls
        | Action::ReadOrigin
        | Action::Report(_)
        | Action::Notify(_)
        | Action::Sweep(_)
        | Action::Settle
        | Action::ListDeliveries
        | Action::Redeliver { .. }
        | Action::ObservePull { .. }
        | Action::HandOver { .. }
        | Action::ClosePull { .. }
        | Action::Poll { .. } => None,
    }
}

struct Passes<'a> {
    world: &'a mut World,
    settings: Settings,
    now: Timestamp,
    done: BTreeMap<ObjectKey, Done>,
}

#[derive(Default)]
struct Done {
    steps: Vec<Step>,
    reasons: Vec<Because>,
}

impl Passes<'_> {
    /// What was started already. What a status says next may be followed by a question to GitHub, and that ends it.
    fn follow(&mut self) {
        let keys: Vec<_> = self.world.tasks().map(|(key, _)| key.clone()).collect();
        for key in keys {
            while self.take(&key, task::plan(self.world, &key, &self.settings, self.now)) {}
        }
    }

    /// One pass over those that wait; says whether there was anything to do.
    fn admit(&mut self) -> bool {
        let mut went_on = false;
        for (subject, planned) in admission::plan(self.world, &self.settings, self.now) {
            if let Subject::Task(key) = subject {
                went_on |= self.take(&key, planned);
            }
        }
        went_on
    }

    /// Takes in what is planned for a task; says whether that has changed it.
    fn take(&mut self, key: &ObjectKey, planned: Planned) -> bool {
        let mut changed = false;
        for action in planned.actions {
            let Some((step, status)) = self.carry_out(key, action) else {
                continue;
            };
            self.done.entry(key.clone()).or_default().steps.push(step);
            if let Some(status) = status {
                changed = true;
                self.write(key, status);
            }
        }
        if !planned.reasons.is_empty() {
            self.done.entry(key.clone()).or_default().reasons =
                planned.reasons.into_iter().map(Because::from).collect();
        }
        changed
    }

    fn carry_out(&self, key: &ObjectKey, action: Action) -> Option<(Step, Option<TaskStatus>)> {
        match action {
            Action::Start(admitted) => {
                let task = self.world.task(key)?;
                Some((
                    Step::Start,
                    Some(start::write_ahead(task, &admitted, "", &self.settings, self.now)),
                ))
            }
            Action::WriteTaskStatus(status) => Some((Step::into_phase(status.phase), Some(*status))),
            Action::Search => Some((Step::Search, None)),
            Action::Observe { id } => Some((Step::Observe { id }, None)),
            Action::ObservePull { number } => Some((Step::ObservePull { number }, None)),
            Action::HandOver { number, .. } => Some((Step::HandOver { number }, None)),
            Action::ClosePull { number } => Some((Step::ClosePull { number }, None)),
            Action::CreateTask(_)
            | Action::DeleteTask { .. }
            | Action::WriteAutomationStatus(_)
            | Action::WriteWebhookSourceStatus(_)
            | Action::Inspect { .. }
            | Action::ListPulls
            | Action::ListOpenPulls
            | Action::ReadOrigin
            | Action::Report(_)
            | Action::Notify(_)
            | Action::Sweep(_)
            | Action::Settle
            | Action::ListDeliveries
            | Action::Redeliver { .. }
            | Action::ReadSecret
            | Action::Refresh { .. }
            | Action::Forget
            | Action::VerifyRepository
            | Action::Poll { .. } => None,
        }
    }

    fn write(&mut self, key: &ObjectKey, status: TaskStatus) {
        if let Some(mut task) = self.world.task(key).cloned() {
            task.status = Some(status);
            self.world.put_task(task);
        }
    }

    /// Every task, in the order in which they are admitted.
    fn report(mut self) -> Vec<TaskReport> {
        let mut tasks: Vec<_> = self
            .world
            .tasks()
            .map(|(key, task)| (task.spec.trigger.scheduled_time, key.clone()))
            .collect();
        tasks.sort();
        tasks.into_iter().filter_map(|(_, key)| self.report_one(key)).collect()
    }

    fn report_one(&mut self, key: ObjectKey) -> Option<TaskReport> {
        let task = self.world.task(&key)?;
        let done = self.done.remove(&key).unwrap_or_default();
        Some(TaskReport {
            phase: phase(task),
            reasons: if done.reasons.is_empty() {
                told(task)
            } else {
                done.reasons
            },
            namespace: key.namespace,
            name: key.name,
            actions: done.steps,
        })
    }
}

/// What the task's status says of its phase.
fn told(task: &AgentTask) -> Vec<Because> {
    let status = task.status.as_ref();
    let because = status.and_then(|status| {
        Some(Because {
            reason: status.reason?,
            message: status.message.clone().unwrap_or_default(),
        })
    });
    because.into_iter().collect()
}
