//! Which waiting task starts, and what binds the others.
//!
//! Tasks are looked at in one order over all namespaces ([`order`](super::order)); each is held by the first thing that
//! binds it, and one that is held does not stand in the way of the next. A task that starts counts at once, so that one
//! pass never starts more than the caps allow. Policies are asked here, at the moment of the start, as they are now, and
//! what only GitHub knows is asked for last, of tasks that nothing else holds: that is `fresh`. What a verdict writes and
//! tells is in `told`. The [`queue`](super::queue) knows which tasks need not be looked at again.

mod fresh;
mod told;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::automation::WhenFull;
use crate::api::policy::TriggerKind;
use crate::api::task::{Approval, Bound, Follows, FollowsBecause, Phase, TaskSpec};
use crate::api::{AgentAutomation, AgentTask, Reason};

use super::action::Admitted;
use super::credential::choice::{self, Choice};
use super::credential::{identity, limited_until};
use super::crowd::Crowd;
use super::deadline::{Deadline, STARTING_RULE, start_before};
use super::order::in_order;
use super::policy::{Policy, Request, Ruling, open_windows, rule, skipping_window};
use super::request::{Approved, Asked};
use super::room::{Binding, Room, Shared, bound_to};
use super::time::{LONGEST_ASKED, LONGEST_RETRY, add, pending, to_second};
use super::world::{CredentialKey, ObjectKey, World, automation_key, folded, is_collected, phase};
use super::{Action, Planned, Settings, Subject, Why, automation, duplicates, origin, request, retry};
use told::{deadline, to_plan};

/// After so long the automation that a task names is taken to be gone, and not to be unheard of yet.
const UNHEARD: SignedDuration = SignedDuration::from_mins(5);

/// What becomes of a waiting task.
#[derive(Debug, Clone, PartialEq)]
enum Verdict {
    Start(Box<Admitted>),
    /// It can't start before this time, or before something is observed. That passes by itself: who asks is told why, and
    /// nothing is written.
    Wait(Why, Option<Timestamp>),
    /// Nothing is in its way but the turn of tasks of other automations.
    Line(Shared, Option<Timestamp>),
    Hold(Binding),
    End(Phase, Binding),
    /// The leader before this one may still write ahead for it: that write is made to fail first.
    Fence,
    /// What a person asked for is decided.
    Decide(Box<TaskSpec>),
    /// That can't be run, and this is what it would have been.
    Deny(Binding, Option<Box<TaskSpec>>),
    /// Somebody's approval is written down.
    Approve(Approval),
    /// Another object for the same cause is made from the automation's spec as it is now.
    Rebuild(Box<AgentTask>),
    /// That other object is there, and this one gives way to it.
    GiveWay(String),
    /// What only GitHub knows is asked first; this is what it would start with.
    Ask(CredentialKey, Subject, Action),
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
        let (planned, question) = to_plan(self.world, task, verdict, self.now);
        Looked {
            subject: Subject::Task(key.clone()),
            planned,
            question,
            shared,
            deadline: deadline(self.world, task, self.now),
        }
    }

    fn decide(&mut self, task: &'a AgentTask) -> Verdict {
        let verdict = self.verdict(task);
        match &verdict {
            Verdict::Start(admitted) => self.room.take(task, [CredentialKey::of_start(task, admitted)]),
            Verdict::Ask(credential, ..) => self.room.take(task, [credential.clone()]),
            _ => {}
        }
        verdict
    }

    fn verdict(&mut self, task: &'a AgentTask) -> Verdict {
        if self.world.inherited_claims.contains(&task.uid().unwrap_or_default()) {
            return Verdict::Fence;
        }
        if task.metadata.deletion_timestamp.is_some() {
            return wait(Reason::CancelledByPerson, "it is being deleted");
        }
        if let Some(why) = request::cancelled(task) {
            return Verdict::End(Phase::Skipped, why.into());
        }
        if self.world.unreadable_automations.contains(&automation_key(task)) {
            return unreadable(task);
        }
        if !task.spec.is_decided() {
            return match request::decide(self.world, task, self.now) {
                Asked::Decided(spec) => Verdict::Decide(spec),
                Asked::Denied(why, spec) => Verdict::Deny(why.into(), spec),
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
            .or_else(|| self.unrendered(automation, task))
            .or_else(|| suspended(automation))
            .or_else(|| self.stopped(automation))
            .or_else(|| self.ruled(automation, task))
            .or_else(|| self.frozen(task))
            .or_else(|| self.given_way(automation, task))
            .or_else(|| self.likened(task))
            .or_else(|| self.unapproved(automation, task))
            .or_else(|| self.early(task))
            .unwrap_or_else(|| self.with_a_credential(automation, task))
    }

    fn with_a_credential(&mut self, automation: &AgentAutomation, task: &'a AgentTask) -> Verdict {
        let credential = match self.choose(automation, task) {
            Ok(credential) => credential,
            Err(verdict) => return *verdict,
        };
        self.waits(task, &credential)
            .or_else(|| self.retried(task))
            .or_else(|| self.full(automation, task))
            .or_else(|| self.crowded(automation, task))
            .or_else(|| self.limited(task, &credential))
            .or_else(|| self.paced(&credential))
            .or_else(|| self.stale(automation, task, &credential))
            .unwrap_or_else(|| self.start(task, credential))
    }

    fn paced(&self, credential: &CredentialKey) -> Option<Verdict> {
        let until = self.room.paced(credential)?;
        Some(Verdict::Line(Shared::Writes(credential.clone()), until))
    }

    fn start(&self, task: &AgentTask, key: CredentialKey) -> Verdict {
        let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
        Verdict::Start(Box::new(Admitted {
            allowed_by: self.world.holding(namespace).map(Policy::reference).collect(),
            active_deadline: Deadline::Active.within(self.world, task),
            waiting_deadline: Deadline::Waiting.within(self.world, task),
            reserved_nano_credits: self.room.estimate(task),
            head_branch: origin::head(task, self.origin_of(task)).map(str::to_owned),
            credential: identity(&key, self.world.credentials.get(&key)).cloned(),
            secret_ref: Some(key.secret).filter(|secret| *secret != task.spec.secret_ref),
        }))
    }

    /// The API server collects a task with its automation, unless a person made it. News of the two need not come in order.
    fn gone(&self, task: &AgentTask) -> Verdict {
        if !task.owner_references().is_empty() {
            return goes_with_it();
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
                format!(
                    "its automation is not there, and is waited for until {}",
                    to_second(until)
                ),
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
        if self.world.was_deleted(task) {
            let message = "a task for the same was deleted: ask for it anew, or make one by hand";
            return Some(end(Phase::Skipped, Reason::AlreadyDecided, message));
        }
        let (deadline, policy) = start_before(self.world, task).filter(|(until, _)| *until <= self.now)?;
        let was = task.status.as_ref().and_then(|status| status.message.clone());
        let because = was.map_or_else(String::new, |was| format!("; it waited because {was}"));
        let bound = policy.map(|policy| policy.bound(STARTING_RULE));
        let by = policy.map_or_else(String::new, |policy| {
            format!(", as AgentPolicy {} requires", policy.name())
        });
        let message = format!("it could not start before {}{by}{because}", to_second(deadline));
        let binding = Binding::new(Reason::DeadlineExceeded, message, bound);
        Some(Verdict::End(Phase::Expired, binding))
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
        let reason = match follows.because {
            FollowsBecause::Retry => Reason::RetryBackoff,
            FollowsBecause::SpecChange => Reason::SpecChanged,
        };
        let message = format!("it takes the place of task {}, which has yet to give way", follows.name);
        Some(wait(reason, message))
    }

    /// Its prompt could not be rendered for what happened. A changed spec may have other texts.
    fn unrendered(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let problem = task.spec.prompt_problem.clone()?;
        let denied = end(Phase::Denied, Reason::InvalidTemplate, problem);
        Some(self.anew_or(automation, task, denied))
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

    /// What is denied as it was decided may be allowed as the spec is now.
    fn ruled(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        match rule(self.world, &Request::of_task(task)) {
            Ruling::Allowed => None,
            Ruling::Held(refusal) => Some(Verdict::Hold(refusal.into())),
            Ruling::Denied(refusal) => {
                Some(self.anew_or(automation, task, Verdict::End(Phase::Denied, refusal.into())))
            }
        }
    }

    /// What a task is decided anew for, where its automation's spec has changed, before it meets that end or waits for that.
    fn anew_or(&self, automation: &AgentAutomation, task: &AgentTask, verdict: Verdict) -> Verdict {
        self.outdated(automation, task).unwrap_or(verdict)
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
        let binding = Binding {
            bound: Some(bound_to(automation, "deduplicate")),
            ..why.into()
        };
        Some(self.anew_or(automation, task, Verdict::End(phase, binding)))
    }

    /// One that is about the same is about to start.
    fn likened(&self, task: &AgentTask) -> Option<Verdict> {
        let terms = task.spec.deduplicate.as_ref()?;
        let message = format!("a task with the same key ({}) is about to start", terms.key);
        self.room
            .starts_the_same(task)
            .then(|| wait(Reason::Duplicate, message))
    }

    /// Somebody has to approve it, as the spec is now.
    fn unapproved(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let verdict = match request::approved(self.world, automation, task, self.now) {
            Approved::Yes => return None,
            Approved::By(approval) | Approved::No(_, _, Some(approval)) => Verdict::Approve(approval),
            Approved::No(why, bound, None) => Verdict::Hold(Binding {
                bound: Some(bound),
                ..why.into()
            }),
        };
        Some(self.anew_or(automation, task, verdict))
    }

    /// A retry whose time has not come.
    fn early(&self, task: &AgentTask) -> Option<Verdict> {
        let after = task.spec.start_after.filter(|after| *after > self.now)?;
        let number = task.spec.follows.as_ref().map_or(0, |follows| follows.retries);
        Some(Verdict::Hold(Binding {
            until: Some(after),
            ..Binding::new(
                Reason::RetryBackoff,
                format!("it is retry {number}, and starts at {}", to_second(after)),
                None,
            )
        }))
    }

    /// What it would start with now. Where the Secrets that it names can't be used, a changed spec may name others.
    fn choose(&self, automation: &AgentAutomation, task: &AgentTask) -> Result<CredentialKey, Box<Verdict>> {
        match choice::of_start(self.world, task, |key| self.room.load(key), self.now) {
            Choice::Use(credential) => Ok(credential),
            Choice::Unread => Err(Box::new(wait(Reason::Verifying, "its Secret is about to be read"))),
            Choice::None(why, until) => {
                let held = Verdict::Hold(Binding { until, ..why.into() });
                Err(Box::new(self.anew_or(automation, task, held)))
            }
        }
    }

    /// What GitHub said of this very task keeps it waiting; but what it said to one credential does not bind another.
    fn waits(&self, task: &AgentTask, credential: &CredentialKey) -> Option<Verdict> {
        let lacks_a_right = [Reason::PermissionDenied, Reason::RepositoryNotFound];
        let is_of_another =
            lacks_a_right.iter().any(|reason| says(task, *reason)) && CredentialKey::of_task(task) != *credential;
        let binds = !says(task, Reason::CredentialRejected) && !is_of_another;
        let status = task.status.as_ref().filter(|_| binds)?;
        let time = pending(status.not_before, LONGEST_ASKED, self.now)?;
        let reason = status.reason.unwrap_or(Reason::NotSent);
        let why = Why::new(reason, status.message.clone().unwrap_or_default());
        Some(Verdict::Wait(why, Some(time)))
    }

    /// GitHub asks everything with its credential to wait. Only what nothing else holds is told so.
    fn limited(&self, task: &AgentTask, credential: &CredentialKey) -> Option<Verdict> {
        let credential = self.world.credentials.get(credential);
        let until = limited_until(credential, self.now)?;
        let message = "GitHub's rate limit is used up for this credential; it is tried again when GitHub allows";
        let binding = Binding {
            until: Some(until),
            ..Binding::new(Reason::RateLimited, message, None)
        };
        Some(if says(task, Reason::RateLimited) {
            Verdict::Wait(binding.why, binding.until)
        } else {
            Verdict::Hold(binding)
        })
    }

    /// What does not get through to the API server leaves its turn to the next.
    fn retried(&self, task: &AgentTask) -> Option<Verdict> {
        let retry = self.world.retries.get(&Subject::Task(ObjectKey::of(task)))?;
        let time = pending(Some(retry.not_before), LONGEST_RETRY, self.now)?;
        let message = format!(
            "what was decided on it can't be written, and is tried again: {}",
            retry.problem
        );
        Some(Verdict::Wait(Why::new(Reason::FailedCreate, message), Some(time)))
    }

    /// A cap that it shares with others. A changed spec may name another repository, which is not full.
    fn crowded(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let binding = self.room.binds(automation, task)?;
        let is_elsewhere = folded(&automation.spec.repository) != folded(&task.spec.repository);
        let anew = is_elsewhere.then(|| self.outdated(automation, task)).flatten();
        Some(anew.unwrap_or(Verdict::Hold(binding)))
    }

    /// Its automation's own cap, and what that means for it.
    fn full(&mut self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let binding = self.room.own_cap(automation)?;
        Some(match automation.spec.concurrency.when_full {
            WhenFull::Queue => Verdict::Hold(binding),
            // What takes the last place may turn out not to start.
            WhenFull::Skip if !self.room.is_full(automation) => {
                let message = format!("{}, by what is about to start", binding.why.message);
                wait(binding.why.reason, message)
            }
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
}

/// What was known of it before may not be what it says now.
fn unreadable(task: &AgentTask) -> Verdict {
    let message = format!(
        "AgentAutomation {} can't be read, so nothing of it starts: mend it, or install the definitions that fit this \
         controller",
        automation_key(task).name
    );
    hold(Reason::AutomationUnreadable, message)
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

fn wait(reason: Reason, message: impl Into<String>) -> Verdict {
    Verdict::Wait(Why::new(reason, message), None)
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
