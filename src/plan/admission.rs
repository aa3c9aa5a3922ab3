//! Which waiting task starts, and what binds the others.
//!
//! Tasks are looked at in one order over all namespaces ([`order`](super::order)); each is held by the first thing that
//! binds it, and one that is held does not stand in the way of the next. A task that starts counts at once, so that one
//! pass never starts more than the caps allow. Policies are asked here, at the moment of the start, as they are now, and
//! what only GitHub knows is asked for last, of tasks that nothing else holds. The [`queue`](super::queue) knows which
//! tasks need not be looked at again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::automation::{OnSpecChange, WhenFull};
use crate::api::policy::TriggerKind;
use crate::api::task::{Approval, Bound, Follows, FollowsBecause, Phase, TaskSpec, TaskStatus};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::repository::Repository;

use super::action::Admitted;
use super::credential::{Usability, identity, limited_until, usability};
use super::crowd::Crowd;
use super::observed::SeenOrigin;
use super::order::in_order;
use super::origin::Judgement;
use super::policy::{Policy, Request, Ruling, may_push, open_windows, rule, skipping_window};
use super::request::{Approved, Asked};
use super::room::{Binding, Room, Shared, bound_to};
use super::start::{fence, say};
use super::time::{LONGEST_ASKED, LONGEST_RETRY, add, again, pending};
use super::world::{CredentialKey, ObjectKey, World, automation_key, is_collected, phase};
use super::{
    Action, Planned, Settings, Subject, Why, automation, duplicates, event, guardrails, origin, pulls, request, retry,
};

/// After so long the automation that a task names is taken to be gone, and not to be unheard of yet.
const UNHEARD: SignedDuration = SignedDuration::from_mins(5);

/// What becomes of a waiting task.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Start(Box<Admitted>),
    /// It can start at this time at the earliest; that is no news for its status.
    Wait(Option<Timestamp>),
    /// The same, together with tasks of other automations.
    Line(Shared, Option<Timestamp>),
    Hold(Binding),
    End(Phase, Binding),
    /// The leader before this one may still write ahead for it: that write is made to fail first.
    Fence,
    /// What a person asked for is decided.
    Decide(Box<TaskSpec>),
    /// Somebody's approval is written down.
    Approve(Approval),
    /// Another object for the same cause is made from the automation's spec as it is now.
    Rebuild(Box<AgentTask>),
    /// That other object is there, and this one gives way to it.
    GiveWay(String),
    /// What only GitHub knows is asked first.
    Ask(Subject, Action),
}

/// A plan for each waiting task, in the order in which they were looked at, and the questions that have to be asked first.
#[must_use]
pub fn plan(world: &World, settings: &Settings, now: Timestamp) -> Vec<(Subject, Planned)> {
    let mut pass = Pass::new(world, settings, now);
    let looked = in_order(world).into_iter().filter_map(|(place, task)| {
        let is_busy = world.busy.contains(&Subject::Task(place.task.clone()));
        (!is_busy).then(|| pass.look(&place.task, task))
    });
    looked.flat_map(Looked::into_whole_plans).collect()
}

/// What becomes of a task that was looked at.
pub(super) struct Looked {
    subject: Subject,
    planned: Planned,
    question: Option<(Subject, Planned)>,
    /// What it waits for together with tasks of other automations.
    pub(super) shared: Option<Shared>,
    deadline: Option<Timestamp>,
}

impl Looked {
    fn into_whole_plans(self) -> impl Iterator<Item = (Subject, Planned)> {
        [(self.subject, self.planned)].into_iter().chain(self.question)
    }

    /// The plans; what it waits for together with others is not for it to wake up for.
    pub(super) fn into_plans(mut self) -> impl Iterator<Item = (Subject, Planned)> {
        if self.shared.is_some() {
            self.planned.wake = self.deadline;
        }
        self.into_whole_plans()
    }
}

fn to_plan(task: &AgentTask, verdict: Verdict, now: Timestamp) -> (Planned, Option<(Subject, Planned)>) {
    let mut planned = Planned {
        wake: deadline(task, now),
        ..Planned::default()
    };
    match verdict {
        Verdict::Start(admitted) => planned.actions.push(Action::Start(admitted)),
        Verdict::Wait(Some(time)) | Verdict::Line(_, Some(time)) => planned.wake_at(time),
        Verdict::Wait(None) | Verdict::Line(_, None) => {}
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
        Verdict::Approve(approval) => {
            let mut status = task.status.clone().unwrap_or_default();
            status.approval = Some(approval);
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
        Verdict::Ask(subject, action) => {
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

fn deadline(task: &AgentTask, now: Timestamp) -> Option<Timestamp> {
    task.spec.start_before.filter(|deadline| *deadline > now)
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
    status
}

fn write(status: TaskStatus) -> Action {
    Action::WriteTaskStatus(Box::new(status))
}

/// One look at tasks, in order.
pub(super) struct Pass<'a> {
    world: &'a World,
    settings: &'a Settings,
    now: Timestamp,
    room: Room<'a>,
    /// Why each automation has stopped itself, if it has.
    stopped: BTreeMap<ObjectKey, Option<String>>,
    crowds: BTreeMap<ObjectKey, Crowd>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(world: &'a World, settings: &'a Settings, now: Timestamp) -> Self {
        Self {
            world,
            settings,
            now,
            room: Room::new(world, settings, now),
            stopped: BTreeMap::new(),
            crowds: BTreeMap::new(),
        }
    }

    pub(super) fn room(&self) -> &Room<'a> {
        &self.room
    }

    /// Decides on a task; one that starts counts from then on.
    pub(super) fn look(&mut self, key: &ObjectKey, task: &'a AgentTask) -> Looked {
        let verdict = self.decide(task);
        let shared = match &verdict {
            Verdict::Hold(binding) => binding.shared.clone(),
            Verdict::Line(shared, _) => Some(shared.clone()),
            _ => None,
        };
        let (planned, question) = to_plan(task, verdict, self.now);
        Looked {
            subject: Subject::Task(key.clone()),
            planned,
            question,
            shared,
            deadline: deadline(task, self.now),
        }
    }

    fn decide(&mut self, task: &'a AgentTask) -> Verdict {
        let verdict = self.verdict(task);
        if matches!(verdict, Verdict::Start(_) | Verdict::Ask(..)) {
            self.room.take(task);
        }
        verdict
    }

    fn verdict(&mut self, task: &'a AgentTask) -> Verdict {
        if self.world.inherited_claims.contains(&task.uid().unwrap_or_default()) {
            return Verdict::Fence;
        }
        if task.metadata.deletion_timestamp.is_some() {
            return Verdict::Wait(None);
        }
        if let Some(why) = request::cancelled(task) {
            return Verdict::End(Phase::Skipped, why.into());
        }
        if !task.spec.is_decided() {
            return match request::decide(self.world, task, self.now) {
                Asked::Decided(spec) => Verdict::Decide(spec),
                Asked::Denied(why) => Verdict::End(Phase::Denied, why.into()),
                Asked::Held(why) => Verdict::Hold(why.into()),
            };
        }
        let Some(automation) = self.world.automation_of(task) else {
            return self.gone(task);
        };
        if automation.metadata.deletion_timestamp.is_some() {
            return goes_with_it();
        }
        self.over(automation, task)
            .or_else(|| self.follows(task))
            .or_else(|| self.followed(automation, task))
            .or_else(|| self.surplus(automation, task))
            .or_else(|| suspended(automation))
            .or_else(|| self.stopped(automation))
            .or_else(|| self.ruled(task))
            .or_else(|| self.frozen(task))
            .or_else(|| self.given_way(automation, task))
            .or_else(|| self.room.starts_the_same(task).then_some(Verdict::Wait(None)))
            .or_else(|| self.unapproved(automation, task))
            .or_else(|| self.early(task))
            .or_else(|| self.waits(automation, task))
            .or_else(|| self.retried(task))
            .or_else(|| self.full(automation, task))
            .or_else(|| self.room.binds(automation, task).map(Verdict::Hold))
            .or_else(|| self.limited(task))
            .or_else(|| self.paced(task))
            .or_else(|| self.stale(automation, task))
            .unwrap_or_else(|| self.start(task))
    }

    fn paced(&self, task: &AgentTask) -> Option<Verdict> {
        let credential = CredentialKey::of_task(task);
        let until = self.room.paced(&credential)?;
        Some(Verdict::Line(Shared::Writes(credential), until))
    }

    fn start(&self, task: &AgentTask) -> Verdict {
        let policies = || {
            self.world
                .holding(task.metadata.namespace.as_deref().unwrap_or_default())
        };
        let key = CredentialKey::of_task(task);
        let ceilings = policies().filter_map(|policy| policy.spec().max_active_deadline_seconds);
        Verdict::Start(Box::new(Admitted {
            allowed_by: policies().map(Policy::reference).collect(),
            active_deadline_seconds: ceilings.chain(task.spec.active_deadline_seconds).min(),
            reserved_nano_credits: self.room.estimate(task),
            head_branch: origin::head(task, self.origin_of(task)).map(str::to_owned),
            credential: identity(&key, self.world.credentials.get(&key)).cloned(),
        }))
    }

    /// The API server collects a task with its automation, unless a person made it. News of the two need not come in order.
    fn gone(&self, task: &AgentTask) -> Verdict {
        if !task.owner_references().is_empty() {
            return goes_with_it();
        }
        if self.world.unreadable_automations.contains(&automation_key(task)) {
            let message = "its automation can't be read by this version of the controller: correct it";
            return hold(Reason::AutomationGone, message);
        }
        let made = task.creation_timestamp().map(|time| add(time.0, UNHEARD));
        let Some(until) = made.filter(|until| *until > self.now && !self.world.saw_go(&task.spec.automation.uid))
        else {
            return end(Phase::Expired, Reason::AutomationGone, "its automation is gone");
        };
        Verdict::Hold(Binding {
            until: Some(until),
            ..Binding::new(
                Reason::AutomationGone,
                format!("its automation is not there, and is waited for until {until}"),
                None,
            )
        })
    }

    /// Its time was dealt with, or its deadline has passed.
    fn over(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let cause = &task.spec.trigger;
        let is_scheduled = cause.kind == TriggerKind::Schedule;
        let is_collected = || is_collected(automation, &cause.name, cause.scheduled_time);
        if is_scheduled && (self.world.came_late(task) || is_collected()) {
            return Some(end(
                Phase::Skipped,
                Reason::AlreadyDecided,
                "its scheduled time was dealt with before this object appeared",
            ));
        }
        let deadline = task.spec.start_before.filter(|deadline| *deadline <= self.now)?;
        let was = task.status.as_ref().and_then(|status| status.message.clone());
        let because = was.map_or_else(String::new, |was| format!("; it waited because {was}"));
        let message = format!("it could not start before {deadline}{because}");
        Some(end(Phase::Expired, Reason::DeadlineExceeded, message))
    }

    /// It is in the place of another task, which has to have given way.
    fn follows(&self, task: &AgentTask) -> Option<Verdict> {
        let follows = task.spec.follows.as_ref()?;
        let key = ObjectKey::new(task.namespace().unwrap_or_default(), &*follows.name);
        let other = self.world.task(&key)?;
        let successor = other.status.as_ref().and_then(|status| status.successor.as_deref());
        if successor == Some(task.name_any().as_str()) {
            return None;
        }
        if successor.is_some() || started_instead(self.world, other, follows) {
            let message = format!("task {} did not give way to it", follows.name);
            return Some(end(Phase::Skipped, Reason::AlreadyDecided, message));
        }
        Some(Verdict::Wait(None))
    }

    /// The task that is to take its place is there already.
    fn followed(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        if automation.metadata.generation == Some(task.spec.automation.generation) {
            return None;
        }
        let is_of_same = |other: &&AgentTask| other.spec.automation.uid == task.spec.automation.uid;
        let successor = self.world.followers_of(&ObjectKey::of(task)).find(is_of_same)?;
        Some(Verdict::GiveWay(successor.name_any()))
    }

    /// More of its automation's tasks wait than may.
    fn surplus(&mut self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let (phase, binding) = self.crowd(automation).gives_way(automation, task)?;
        Some(Verdict::End(phase, binding))
    }

    fn crowd(&mut self, automation: &AgentAutomation) -> &Crowd {
        let (world, now) = (self.world, self.now);
        let known = self.crowds.entry(ObjectKey::of(automation));
        known.or_insert_with(|| Crowd::of(world, automation, now))
    }

    fn stopped(&mut self, automation: &AgentAutomation) -> Option<Verdict> {
        let (world, now) = (self.world, self.now);
        let known = self.stopped.entry(ObjectKey::of(automation));
        let stopped = known.or_insert_with(|| {
            let failures = retry::failures(world, automation, now);
            retry::stopped(automation, &failures)
        });
        let message = stopped.clone()?;
        let bound = bound_to(automation, "failureThreshold");
        Some(Verdict::Hold(Binding::new(
            Reason::FailureThreshold,
            format!("the automation has stopped itself: {message}"),
            Some(bound),
        )))
    }

    fn ruled(&self, task: &AgentTask) -> Option<Verdict> {
        match rule(self.world, &Request::of_task(task)) {
            Ruling::Allowed => None,
            Ruling::Held(refusal) => Some(Verdict::Hold(refusal.into())),
            Ruling::Denied(refusal) => Some(Verdict::End(Phase::Denied, refusal.into())),
        }
    }

    /// What came due in a window that skips is skipped, even if it is looked at after the window's end.
    fn frozen(&self, task: &AgentTask) -> Option<Verdict> {
        let namespace = task.namespace().unwrap_or_default();
        let due = task.spec.trigger.scheduled_time;
        let bound = |policy: &Policy, window: &str| Some(policy.bound(&format!("freezeWindows[{window}]")));
        if let Some((policy, open)) = skipping_window(self.world, &namespace, due) {
            let (name, window) = (policy.name(), open.name);
            let message = format!("it came due in the freeze window {window} of AgentPolicy {name}, which skips it");
            let binding = Binding::new(Reason::PolicyFrozen, message, bound(policy, window));
            return Some(Verdict::End(Phase::Skipped, binding));
        }
        let (policy, open) = open_windows(self.world, &namespace, self.now).max_by_key(|(_, open)| open.ends)?;
        let (name, window, ends) = (policy.name(), open.name, open.ends);
        let message = format!("nothing starts in the freeze window {window} of AgentPolicy {name}; it ends at {ends}");
        Some(Verdict::Hold(Binding {
            until: Some(ends),
            ..Binding::new(Reason::PolicyFrozen, message, bound(policy, window))
        }))
    }

    fn given_way(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let (phase, why) = duplicates::gives_way(self.world, task, self.now)?;
        Some(Verdict::End(
            phase,
            Binding {
                bound: Some(bound_to(automation, "deduplicate")),
                ..why.into()
            },
        ))
    }

    /// Somebody has to approve it.
    fn unapproved(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        match request::approved(self.world, automation, task, self.now) {
            Approved::Yes => None,
            Approved::By(approval) => Some(Verdict::Approve(approval)),
            Approved::No(why, bound) => Some(Verdict::Hold(Binding {
                bound: Some(bound),
                ..why.into()
            })),
        }
    }

    /// A retry whose time has not come.
    fn early(&self, task: &AgentTask) -> Option<Verdict> {
        let after = task.spec.start_after.filter(|after| *after > self.now)?;
        let number = task.spec.follows.as_ref().map_or(0, |follows| follows.retries);
        Some(Verdict::Hold(Binding {
            until: Some(after),
            ..Binding::new(
                Reason::RetryBackoff,
                format!("it is retry {number}, and starts at {after}"),
                None,
            )
        }))
    }

    /// The Secret, or what GitHub said of this very task, keeps it waiting. A changed spec may name another Secret.
    fn waits(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let key = CredentialKey::of_task(task);
        let credential = self.world.credentials.get(&key);
        match usability(&key, credential) {
            Usability::Unread => return Some(Verdict::Wait(None)),
            Usability::Unusable(why) => {
                let anew = self.outdated(automation, task);
                return Some(anew.unwrap_or_else(|| hold(why.reason, why.message)));
            }
            Usability::Usable(_) => {}
        }
        let not_before = task.status.as_ref().and_then(|status| status.not_before);
        pending(not_before, LONGEST_ASKED, self.now)
            .filter(|_| !says(task, Reason::CredentialRejected))
            .map(|time| Verdict::Wait(Some(time)))
    }

    /// GitHub asks everything with its credential to wait. Only what nothing else holds is told so.
    fn limited(&self, task: &AgentTask) -> Option<Verdict> {
        let credential = self.world.credentials.get(&CredentialKey::of_task(task));
        let until = limited_until(credential, self.now)?;
        let message = "GitHub's rate limit is used up for this credential; it is tried again when GitHub allows";
        Some(if says(task, Reason::RateLimited) {
            Verdict::Wait(Some(until))
        } else {
            Verdict::Hold(Binding {
                until: Some(until),
                ..Binding::new(Reason::RateLimited, message, None)
            })
        })
    }

    /// What does not get through to the API server leaves its turn to the next.
    fn retried(&self, task: &AgentTask) -> Option<Verdict> {
        let retry = self.world.retries.get(&Subject::Task(ObjectKey::of(task)))?;
        pending(Some(retry.not_before), LONGEST_RETRY, self.now).map(|time| Verdict::Wait(Some(time)))
    }

    /// Its automation's own cap, and what that means for it.
    fn full(&mut self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let binding = self.room.own_cap(automation)?;
        Some(match automation.spec.concurrency.when_full {
            WhenFull::Queue => Verdict::Hold(binding),
            // What takes the last place may turn out not to start.
            WhenFull::Skip if !self.room.is_full(automation) => Verdict::Wait(None),
            WhenFull::Skip => {
                let message = format!("{}, and spec.concurrency.whenFull is Skip", binding.why.message);
                Verdict::End(
                    Phase::Skipped,
                    Binding {
                        why: Why::new(binding.why.reason, message),
                        ..binding
                    },
                )
            }
            WhenFull::KeepLatest => match self.crowd(automation).newer_than(task) {
                Some(newest) => {
                    let message = format!("task {newest} came later, and spec.concurrency.whenFull is KeepLatest");
                    Verdict::End(
                        Phase::Superseded,
                        Binding::new(Reason::Replaced, message, binding.bound),
                    )
                }
                None => Verdict::Hold(binding),
            },
        })
    }

    /// The world as it is, just before the start: the spec, the branch and its guardrails, and open pull requests.
    fn stale(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        event::told_twice(self.world, automation, task)
            .map(|why| end(Phase::Skipped, why.reason, why.message))
            .or_else(|| self.outdated(automation, task))
            .or_else(|| self.branch(task))
            .or_else(|| self.labelled(automation, task))
            .or_else(|| self.origin(automation, task))
    }

    fn outdated(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        if automation.metadata.generation == Some(task.spec.automation.generation)
            || automation.spec.on_spec_change == OnSpecChange::Keep
        {
            return None;
        }
        let mut spec = match automation::spec_for(self.world, automation, task, self.now) {
            Ok(Some(spec)) => spec,
            Ok(None) => {
                let message = "the automation's spec changed, and its trigger is gone";
                return Some(end(Phase::Superseded, Reason::SpecChanged, message));
            }
            Err(why) => return Some(hold(why.reason, why.message)),
        };
        let retries = task.spec.follows.as_ref().map_or(0, |follows| follows.retries);
        if retries > 0 {
            spec.start_before = task.spec.start_before;
        }
        spec.start_after = task.spec.start_after;
        if is_as_decided(task, &spec) {
            return None;
        }
        spec.follows = Some(Follows {
            name: task.name_any(),
            because: FollowsBecause::SpecChange,
            retries,
        });
        let why = format!(
            "retry {retries} generation {}",
            automation.metadata.generation.unwrap_or_default()
        );
        let successor = retry::successor(task, spec, &why);
        Some(Verdict::Rebuild(Box::new(successor)))
    }

    fn branch(&self, task: &AgentTask) -> Option<Verdict> {
        let key = guardrails::of_task(task)?;
        // What is known to be in the way is asked about at a pace: a task that asked again could keep others with its
        // credential from their turn.
        if guardrails::is_named(self.world, &key)
            && let Some(binding) = guardrails::in_the_way(self.world, &key)
        {
            return Some(Verdict::Hold(binding));
        }
        if let Some(question) = guardrails::question(self.world, &key, self.settings, self.now) {
            return Some(self.ask(Subject::Branch(key), question));
        }
        let facts = self.world.branches.get(&key)?;
        match &facts.exists {
            Ok(true) => guardrails::in_the_way(self.world, &key).map(Verdict::Hold),
            Ok(false) => {
                let message = format!(
                    "the base branch {} is not in {} any more",
                    key.branch,
                    key.repository.as_str()
                );
                Some(end(Phase::Expired, Reason::BranchGone, message))
            }
            Err(refused) => Some(Verdict::Hold(Binding {
                until: Some(add(facts.checked_at, self.settings.freshness)),
                ..Binding::new(refused.reason, refused.message.clone(), None)
            })),
        }
    }

    /// What did not get an answer holds the task until it is asked again, and takes no room from others meanwhile.
    fn ask(&self, subject: Subject, question: Action) -> Verdict {
        let retry = self.world.retries.get(&subject);
        let until = pending(retry.map(|retry| retry.not_before), LONGEST_RETRY, self.now);
        match (until, retry) {
            (Some(until), Some(retry)) => {
                let message = format!(
                    "GitHub was asked about {subject}, and is asked again: {}",
                    retry.problem
                );
                Verdict::Hold(Binding {
                    until: Some(until),
                    ..Binding::new(Reason::GitHubUnavailable, message, None)
                })
            }
            _ => Verdict::Ask(subject, question),
        }
    }

    fn origin_of(&self, task: &AgentTask) -> Option<&SeenOrigin> {
        self.world.origins.get(&origin::of_task(task)?)?.seen.as_ref()
    }

    /// What has become of the issue or the pull request that it came from.
    fn origin(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let key = origin::of_task(task)?;
        // What stays so is not asked about again: a task that did could keep others with its credential from their turn.
        if let Some(why) = self.origin_of(task).and_then(|seen| origin::was_edited(task, seen)) {
            return Some(
                self.asked_anew(automation, task)
                    .unwrap_or_else(|| Verdict::Hold(why.into())),
            );
        }
        let facts = self.world.origins.get(&key);
        let checked_at = facts.map(|facts| facts.checked_at);
        if again(checked_at, self.settings.freshness, self.now) <= self.now {
            return Some(self.ask(Subject::Origin(key), Action::ReadOrigin));
        }
        let seen = facts?.seen.as_ref();
        match origin::judge(automation, task, seen) {
            Judgement::Hold(why) => return Some(Verdict::Hold(why.into())),
            Judgement::End(phase, why) => return Some(end(phase, why.reason, why.message)),
            Judgement::Fine => {}
        }
        let head = origin::head(task, seen)?;
        let refusal = may_push(self.world, task.metadata.namespace.as_deref().unwrap_or_default(), head)?;
        Some(Verdict::End(Phase::Denied, refusal.into()))
    }

    /// Somebody has asked again for work on the same, after the text that this task is about was edited.
    fn asked_anew(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let about = |task: &AgentTask| {
            let cause = &task.spec.trigger;
            (cause.name.clone(), cause.event.as_ref().map(|event| event.number))
        };
        let is_newer = |other: &&AgentTask| {
            other.spec.trigger.scheduled_time > task.spec.trigger.scheduled_time && about(other) == about(task)
        };
        let newer = self.world.tasks_of(automation).find(is_newer)?;
        let message = format!(
            "the text was edited, and task {} was asked for after that",
            newer.name_any()
        );
        Some(end(Phase::Superseded, Reason::Replaced, message))
    }

    fn labelled(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let terms = task.spec.deduplicate.as_ref()?;
        if !duplicates::asks_for_pulls(task) {
            return None;
        }
        let repository = Repository::parse(&task.spec.repository).ok()?;
        let key = (CredentialKey::of_task(task), repository);
        let labelled = self.world.pulls.get(&key).and_then(|facts| facts.labelled.as_ref());
        if pulls::relisting_due(labelled, self.settings, self.now) <= self.now {
            return Some(self.ask(Subject::Pulls(key.0, key.1), Action::ListOpenPulls));
        }
        let page = labelled?.pages.get(&terms.key.to_lowercase())?;
        let message = format!("{page} is open and has the label {}", terms.key);
        let bound = Some(bound_to(automation, "deduplicate"));
        Some(Verdict::End(
            Phase::Skipped,
            Binding::new(Reason::Duplicate, message, bound),
        ))
    }
}

fn goes_with_it() -> Verdict {
    hold(
        Reason::AutomationGone,
        "its automation is gone, and it will be collected with it",
    )
}

fn says(task: &AgentTask, reason: Reason) -> bool {
    task.status.as_ref().is_some_and(|status| status.reason == Some(reason))
}

fn hold(reason: Reason, message: impl Into<String>) -> Verdict {
    Verdict::Hold(Binding::new(reason, message, None::<Bound>))
}

fn end(phase: Phase, reason: Reason, message: impl Into<String>) -> Verdict {
    Verdict::End(phase, Binding::new(reason, message, None))
}

fn suspended(automation: &AgentAutomation) -> Option<Verdict> {
    automation.spec.suspend.then(|| {
        Verdict::Hold(Binding::new(
            Reason::Suspended,
            format!(
                "the automation is suspended{}: set spec.suspend to false",
                automation::because(automation)
            ),
            Some(bound_to(automation, "suspend")),
        ))
    })
}

/// Whether the task that another was to take the place of will not give way any more.
fn started_instead(world: &World, other: &AgentTask, follows: &Follows) -> bool {
    match follows.because {
        FollowsBecause::Retry => !retry::is_wanted(world, other),
        FollowsBecause::SpecChange => !phase(other).is_waiting(),
    }
}

/// Whether a task would be made the same way now. Which generation and which policies it was made from does not count.
fn is_as_decided(task: &AgentTask, spec: &TaskSpec) -> bool {
    let mut same = spec.clone();
    same.automation.clone_from(&task.spec.automation);
    same.policies.clone_from(&task.spec.policies);
    same.follows.clone_from(&task.spec.follows);
    same == task.spec
}
