//! An automation: which tasks it creates, which ended ones it lets go, and what its status says.
//!
//! Its status is written after its tasks: a scheduled time counts as decided when its object is there.

mod credentials;
mod history;
mod standing;
mod tally;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};

use crate::api::automation::{
    AutomationStatus, Collected, Failures, PullRequestCounts, PullRequestRequest, RejectedCredential,
    SUSPENDED_FOR_ANNOTATION, ScheduleStatus, TaskSummary,
};
use crate::api::policy::TriggerKind;
use crate::api::task::{
    AUTOMATION_LABEL, AutomationRef, Cause, CredentialIdentity, DeduplicationTerms, Phase, PullRequest, TaskSpec,
};
use crate::api::trigger::PushTo;
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::outside::clean_line;
use crate::domain::prompt::PromptError;

use super::conditions::{Standing, conditions};
use super::crowd::newest_wins;
use super::policy::{Policy, prompt_sections};
use super::schedule::{Bounds, Due, due};
use super::spec::{Occasion, Parsed, ParsedSchedule, Problem, parse, sections};
use super::time::{add, again};
use super::world::{
    Credential, CredentialKey, ObjectKey, Retry, SecretState, World, counts as counts_against_cap, phase,
};
use super::{
    Action, Planned, Settings, Subject, Why, budget, credential, deadline, event, naming, notify, pulls, request,
    retry, start, sweep,
};
use history::add_pull;
use standing::stalled_by;

const ACTIVE_SHOWN: usize = 10;
const RECENT_SHOWN: usize = 5;
/// What stands for a prompt that could not be rendered: a spec without one is for the controller to decide.
const NO_PROMPT: &str = "(it could not be rendered)";
/// For so long after its end a task stays that people made for an automation that is gone.
const ORPHANS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The most characters of why a person suspended it.
const BECAUSE_MAX: usize = 200;
/// A status that starts under way keep changing is written this often all the same.
const LONGEST_DEFERRED: SignedDuration = SignedDuration::from_secs(10);

/// What is to be done for an automation.
#[must_use]
pub fn plan(world: &World, key: &ObjectKey, settings: &Settings, now: Timestamp) -> Planned {
    // One that can't be read may say by now that nothing is to run.
    if world.busy.contains(&Subject::Automation(key.clone())) || world.unreadable_automations.contains(key) {
        return Planned::default();
    }
    let Some(automation) = world.automation(key) else {
        return orphans(world, key, now);
    };
    if automation.meta().deletion_timestamp.is_some() {
        return Planned::default();
    }
    let view = View::new(world, automation, now);
    let schedules = view.schedules(now);
    let mut planned = Planned::default();
    let standing = view.standing_for(&schedules);
    let creations = view.create(&schedules);
    planned.actions.extend(view.delete());
    planned.reasons.push(standing.why().clone());
    // The status is written once for what these change, but a failure does not keep it waiting.
    if planned.actions.is_empty() && creations.is_empty() || view.retry().is_some() {
        view.write_status(&schedules, &standing, settings, now, &mut planned);
    }
    planned.actions.extend(creations);
    if let Some(next) = schedules.values().filter_map(|known| known.next).min() {
        planned.wake_at(next);
    }
    if let Some(next) = view.next_collection() {
        planned.wake_at(next);
    }
    if let Some(next) = budget::counted_anew(world, automation, now) {
        planned.wake_at(next);
    }
    planned
}

/// The object for a snapshot, which goes with its automation.
#[must_use]
pub fn object(name: &str, namespace: Option<String>, spec: TaskSpec) -> AgentTask {
    let mut object = AgentTask::new(name, spec);
    object.metadata = ObjectMeta {
        namespace,
        labels: Some(labels(&object.spec.automation.name)),
        owner_references: Some(vec![owner(&object.spec.automation)]),
        ..object.metadata
    };
    object
}

/// What people made for an automation that is gone goes too, as what the controller made does by its owner, but no sooner
/// than whoever asked for it had time to see how it ended. Of what waits the automation may be about to be heard of.
fn orphans(world: &World, key: &ObjectKey, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    let made_by_hand = world.named_by(key).filter(|task| task.owner_references().is_empty());
    for task in made_by_hand.filter(|task| phase(task).is_ended() && !counts_against_cap(task)) {
        let (status, made_at) = (task.status.as_ref(), task.creation_timestamp().map(|time| time.0));
        let ended_at = status.and_then(|status| status.ended_at).or(made_at);
        let kept_until = ended_at.map(|ended_at| add(ended_at, ORPHANS_KEPT));
        match (kept_until.filter(|until| *until > now), task.uid()) {
            (Some(until), _) => planned.wake_at(until),
            (None, Some(uid)) => planned.actions.push(Action::DeleteTask {
                key: ObjectKey::of(task),
                uid,
            }),
            (None, None) => {}
        }
    }
    planned
}

/// Whether the automation can start tasks.
#[must_use]
pub fn standing(world: &World, automation: &AgentAutomation, now: Timestamp) -> Standing {
    View::new(world, automation, now).standing()
}

/// What an automation asks for beyond what its policies allow.
#[must_use]
pub fn narrowed(world: &World, automation: &AgentAutomation, now: Timestamp) -> Option<Why> {
    View::new(world, automation, now).narrowed()
}

/// The snapshot that an automation's spec, as it is now, would make of a task's cause; nothing when its trigger is gone.
///
/// # Errors
/// With what is wrong with the spec.
pub fn spec_for(
    world: &World,
    automation: &AgentAutomation,
    task: &AgentTask,
    now: Timestamp,
) -> Result<Option<TaskSpec>, Why> {
    let view = View::new(world, automation, now);
    let parsed = view
        .parsed
        .as_ref()
        .map_err(|problems| stalled_by(problems).why().clone())?;
    let Some(occasion) = occasion(automation, parsed, task)? else {
        return Ok(None);
    };
    view.spec(parsed, &occasion).map(Some).map_err(|error| {
        // With what the automation itself gives its texts can be rendered.
        let reason = if task.spec.is_decided() {
            Reason::InvalidTemplate
        } else {
            Reason::InvalidInput
        };
        Why::new(reason, unrendered(&error))
    })
}

/// What a task that was made by hand would have been, had nothing been wrong with its inputs: who is told of its end follows
/// from that, and of what it is the end.
#[must_use]
pub fn spec_without_texts(
    world: &World,
    automation: &AgentAutomation,
    task: &AgentTask,
    why: &Why,
    now: Timestamp,
) -> Option<TaskSpec> {
    let view = View::new(world, automation, now);
    let parsed = view.parsed.as_ref().ok()?;
    let occasion = request::asked(parsed, task)?;
    Some(view.spec_in_vain(parsed, &occasion, &why.message))
}

/// The snapshot of what an automation decides for an occasion. What its texts come to with what happened can't all be known
/// before, and so a prompt that can't be rendered is part of the record.
///
/// # Errors
/// With what is wrong with the spec.
pub fn snapshot(
    world: &World,
    automation: &AgentAutomation,
    occasion: &Occasion,
    now: Timestamp,
) -> Result<TaskSpec, Why> {
    let view = View::new(world, automation, now);
    let parsed = view
        .parsed
        .as_ref()
        .map_err(|problems| stalled_by(problems).why().clone())?;
    let rendered = view.spec(parsed, occasion);
    Ok(rendered.unwrap_or_else(|error| view.spec_in_vain(parsed, occasion, &unrendered(&error))))
}

fn unrendered(error: &PromptError) -> String {
    format!("spec.{}: {error}", error.field())
}

/// What a task was made for, as the automation's spec is now.
fn occasion<'a>(
    automation: &AgentAutomation,
    parsed: &Parsed<'a>,
    task: &AgentTask,
) -> Result<Option<Occasion<'a>>, Why> {
    let cause = &task.spec.trigger;
    match cause.kind {
        TriggerKind::Schedule => {
            let schedule = parsed.schedules.iter().find(|schedule| schedule.name == cause.name);
            Ok(schedule.map(|schedule| parsed.scheduled(schedule, cause.scheduled_time)))
        }
        TriggerKind::Issue | TriggerKind::PullRequest => Ok(event::occasion(parsed, task)),
        TriggerKind::Manual => request::occasion(automation, parsed, task),
    }
}

/// Why a person suspended it, as they said, to go into a sentence.
#[must_use]
pub(super) fn because(automation: &AgentAutomation) -> String {
    let said = automation.annotations().get(SUSPENDED_FOR_ANNOTATION);
    let said = said
        .map(|said| clean_line(said, BECAUSE_MAX).text)
        .filter(|said| !said.is_empty());
    said.map_or_else(String::new, |said| format!(" ({said})"))
}

/// How many scheduled times this pass counts as missed, and when the next is due.
#[must_use]
pub fn outlook(world: &World, automation: &AgentAutomation, now: Timestamp) -> (u32, Option<Timestamp>) {
    let view = View::new(world, automation, now);
    let schedules = view.schedules(now);
    let missed = schedules
        .values()
        .map(|known| known.due.missed)
        .fold(0, u32::saturating_add);
    (missed, schedules.values().filter_map(|known| known.next).min())
}

/// What one schedule asks for.
struct Known {
    due: Due,
    next: Option<Timestamp>,
}

struct View<'a> {
    world: &'a World,
    automation: &'a AgentAutomation,
    tasks: Vec<&'a AgentTask>,
    parsed: Result<Parsed<'a>, Vec<Problem>>,
    failures: Failures,
    now: Timestamp,
}

impl<'a> View<'a> {
    fn new(world: &'a World, automation: &'a AgentAutomation, now: Timestamp) -> Self {
        let mut tasks: Vec<_> = world.tasks_of(automation).collect();
        tasks.sort_by_key(|task| (task.spec.trigger.scheduled_time, task.name_any()));
        Self {
            world,
            automation,
            tasks,
            parsed: parse(automation),
            failures: retry::failures(world, automation, now),
            now,
        }
    }

    fn status(&self) -> AutomationStatus {
        self.automation.status.clone().unwrap_or_default()
    }

    fn creation(&self) -> Timestamp {
        self.automation
            .creation_timestamp()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    }

    fn decided_through(&self, trigger: &str) -> Timestamp {
        let schedules = self.automation.status.iter().flat_map(|status| &status.schedules);
        schedules
            .filter(|schedule| schedule.trigger == trigger)
            .map(|schedule| schedule.decided_through)
            .max()
            .unwrap_or_else(|| self.creation())
    }

    /// Each schedule by its trigger's name. A spec that can't be read decides nothing, and so loses nothing.
    fn schedules(&self, now: Timestamp) -> BTreeMap<&str, Known> {
        let Ok(parsed) = &self.parsed else {
            return BTreeMap::new();
        };
        let mut room = self.queue_room();
        let known = parsed.schedules.iter().map(|schedule| {
            let known = self.known(schedule, room, now);
            room = room.saturating_sub(known.due.create.len());
            (schedule.name, known)
        });
        known.collect()
    }

    /// `room` is how many more tasks may wait: all triggers share it.
    fn known(&self, schedule: &ParsedSchedule, room: usize, now: Timestamp) -> Known {
        let decided_through = self.decided_through(schedule.name);
        let due = if self.is_stopped() {
            Due {
                decided_through,
                ..Due::default()
            }
        } else {
            let namespace = self.automation.namespace().unwrap_or_default();
            let bounds = Bounds {
                room,
                newest_wins: newest_wins(self.automation),
                deadline: deadline::starting(self.world, &namespace, schedule.terms.starting_deadline_seconds),
            };
            let existing = self.existing(schedule.name);
            due(schedule, decided_through, self.creation(), &existing, &bounds, now)
        };
        let after = now.max(decided_through);
        let next = schedule.schedule.next_after(after, self.creation());
        Known {
            due,
            next: next.filter(|_| !self.is_stopped()),
        }
    }

    /// A person, or too many failures, keeps its triggers from firing.
    fn is_stopped(&self) -> bool {
        self.automation.spec.suspend || retry::stopped(self.automation, &self.failures).is_some()
    }

    /// How many more of its tasks may wait. Where the newest takes the place of what waits, there is always room for it.
    fn queue_room(&self) -> usize {
        let waiting = self.tasks.iter().filter(|task| phase(task).is_waiting()).count();
        let most = usize::try_from(self.automation.spec.concurrency.max_queued).unwrap_or(0);
        most.saturating_sub(waiting)
            .max(usize::from(newest_wins(self.automation)))
    }

    fn existing(&self, trigger: &str) -> BTreeSet<Timestamp> {
        let causes = self.tasks.iter().map(|task| &task.spec.trigger);
        let key = ObjectKey::of(self.automation);
        let deleted = self.world.deleted(&key, trigger);
        causes
            .filter(|cause| cause.name == trigger)
            .map(|cause| cause.scheduled_time)
            .chain(deleted)
            .collect()
    }

    fn create(&self, schedules: &BTreeMap<&str, Known>) -> Vec<Action> {
        let Ok(parsed) = &self.parsed else {
            return Vec::new();
        };
        let due = parsed.schedules.iter().filter_map(|schedule| {
            let known = schedules.get(schedule.name)?;
            Some(known.due.create.iter().map(move |time| (schedule, *time)))
        });
        due.flatten()
            .filter_map(|(schedule, time)| self.task(parsed, schedule, time))
            .map(|task| Action::CreateTask(Box::new(task)))
            .collect()
    }

    /// The object for one scheduled time. A prompt that does not render for it is told by the automation's condition; the
    /// time stays undecided.
    fn task(&self, parsed: &Parsed, schedule: &ParsedSchedule, time: Timestamp) -> Option<AgentTask> {
        let spec = self.spec(parsed, &parsed.scheduled(schedule, time)).ok()?;
        let of = &spec.automation;
        let name = naming::scheduled_task(&of.name, &of.uid, schedule.name, time);
        Some(object(&name, self.automation.namespace(), spec))
    }

    /// The snapshot of what is decided for an occasion.
    fn spec(&self, parsed: &Parsed, occasion: &Occasion) -> Result<TaskSpec, PromptError> {
        Ok(TaskSpec {
            prompt: parsed.prompt(self.automation, occasion)?,
            deduplicate: self.deduplication(parsed, occasion)?,
            ..self.without_texts(parsed, occasion)
        })
    }

    /// The same where there can be no prompt, and why.
    fn spec_in_vain(&self, parsed: &Parsed, occasion: &Occasion, problem: &str) -> TaskSpec {
        TaskSpec {
            prompt_problem: Some(start::bounded(problem)),
            ..self.without_texts(parsed, occasion)
        }
    }

    /// The same without the texts.
    fn without_texts(&self, parsed: &Parsed, occasion: &Occasion) -> TaskSpec {
        let spec = &self.automation.spec;
        let deadline = occasion.starting_deadline_seconds;
        TaskSpec {
            automation: AutomationRef {
                name: self.automation.name_any(),
                uid: self.automation.uid().unwrap_or_default(),
                generation: self.automation.meta().generation.unwrap_or_default(),
            },
            inputs: occasion.inputs.clone(),
            requester: occasion.requester.clone(),
            requested_via: occasion.requested_via.clone(),
            trigger: Cause {
                name: occasion.trigger.to_owned(),
                kind: occasion.kind,
                scheduled_time: occasion.time,
                id: occasion.id.clone(),
                event: occasion.event.clone().map(Box::new),
            },
            repository: parsed.repository.as_str().to_owned(),
            base_branch: parsed.base.as_str().to_owned(),
            push_to: occasion.push_to,
            prompt: NO_PROMPT.to_owned(),
            prompt_problem: None,
            template_digest: sections(spec).digest(),
            agent: spec.agent.clone(),
            pull_request: PullRequestRequest {
                // There is one already.
                create: spec.pull_request.create && occasion.push_to == PushTo::NewBranch,
                ..spec.pull_request.clone()
            },
            report: spec.report.clone().filter(|_| occasion.event.is_some()),
            notify: spec.notify.clone(),
            secret_ref: spec.credentials.secret_ref.clone(),
            alternate_secret_refs: spec.credentials.alternates.clone(),
            credential_use: spec.credentials.shared_use().unwrap_or_default(),
            start_policy: spec.start_policy,
            start_before: deadline.map(|seconds| add(occasion.time, SignedDuration::from_secs(i64::from(seconds)))),
            start_after: None,
            priority: Some(occasion.priority.unwrap_or(spec.priority)),
            deduplicate: None,
            retry: spec.retry.clone(),
            active_deadline_seconds: spec.active_deadline_seconds,
            waiting_deadline_seconds: spec.waiting_deadline_seconds,
            stale_pull_request: spec.stale_pull_request.clone(),
            prompt_sections: prompt_sections(self.automation),
            follows: None,
            policies: self.policies().map(Policy::reference).collect(),
        }
    }

    fn deduplication(&self, parsed: &Parsed, occasion: &Occasion) -> Result<Option<DeduplicationTerms>, PromptError> {
        let Some(terms) = &self.automation.spec.deduplicate else {
            return Ok(None);
        };
        Ok(Some(DeduplicationTerms {
            key: parsed.key(self.automation, occasion)?,
            during: terms.during.clone(),
            cooldown: terms.cooldown,
            on_duplicate: terms.on_duplicate,
        }))
    }

    fn policies(&self) -> impl Iterator<Item = &'a Policy> + use<'a> {
        self.world.holding(&self.automation.namespace().unwrap_or_default())
    }

    /// What was done last for the automation and did not get through.
    fn retry(&self) -> Option<&Retry> {
        let subject = Subject::Automation(ObjectKey::of(self.automation));
        self.world.retries.get(&subject)
    }

    fn write_status(
        &self,
        schedules: &BTreeMap<&str, Known>,
        standing: &Standing,
        settings: &Settings,
        now: Timestamp,
        planned: &mut Planned,
    ) {
        let next = self.next_status(schedules, standing, now);
        if self.automation.status.as_ref() == Some(&next) {
            return;
        }
        let written = self.world.status_written.get(&ObjectKey::of(self.automation)).copied();
        let mut due = again(written, settings.status_interval, now);
        if self.is_about_to_change() && !self.is_at_risk() {
            due = due.max(again(written, LONGEST_DEFERRED, now));
        }
        if due <= now {
            planned.actions.push(Action::WriteAutomationStatus(Box::new(next)));
        } else {
            planned.wake_at(due);
        }
    }

    /// A start is under way: the status is written once for what comes of it, not before and after.
    fn is_about_to_change(&self) -> bool {
        let starts = |task: &&AgentTask| self.world.writing.contains_key(&Subject::Task(ObjectKey::of(*task)));
        self.tasks.iter().any(starts)
    }

    /// Somebody deleted a task. Until status says so, only this process knows of it.
    fn is_at_risk(&self) -> bool {
        let key = ObjectKey::of(self.automation);
        let told = self.status().collected.of_events;
        if self.world.departed(&key).next().is_some() || self.of_events(told.clone()) != told {
            return true;
        }
        let Ok(parsed) = &self.parsed else { return false };
        let mut names = parsed.schedules.iter().map(|schedule| schedule.name);
        names.any(|trigger| self.world.deleted(&key, trigger).next().is_some())
    }

    fn next_status(&self, schedules: &BTreeMap<&str, Known>, standing: &Standing, now: Timestamp) -> AutomationStatus {
        let before = self.status();
        let missed: i64 = schedules.values().map(|known| i64::from(known.due.missed)).sum();
        let collected = self.collected(&before, schedules);
        let (counts, usage) = self.totals(&collected);
        let generation = self.automation.meta().generation;
        let active = self.tasks.iter().filter(|task| counts_against_cap(task));
        let times = self.tasks.iter().filter_map(|task| succeeded_at(task));
        let warnings = [
            ("Narrowed", self.narrowed()),
            ("Degraded", self.degraded()),
            ("Undelivered", notify::undelivered(self.automation, &self.tasks)),
        ];
        AutomationStatus {
            observed_generation: generation,
            conditions: conditions(standing, &warnings, generation, &before.conditions, now),
            active: i32::try_from(active.clone().count()).unwrap_or(i32::MAX),
            active_tasks: active.take(ACTIVE_SHOWN).map(|task| summary(task)).collect(),
            recent_tasks: self.recent(),
            last_phase: self.tasks.last().map(|task| phase(task)).or(before.last_phase),
            last_schedule_time: self.last_schedule_time(schedules, before.last_schedule_time),
            next_schedule_time: schedules.values().filter_map(|known| known.next).min(),
            last_successful_time: times.max().max(before.last_successful_time),
            schedules: self.schedule_statuses(&before, schedules, &collected),
            missed_runs: before.missed_runs.saturating_add(missed),
            events: sweep::status(self.world, self.automation, now),
            rejected_credential: self.rejected_credential(),
            credential: self.credential(&before),
            credentials: self.credentials(),
            pull_requests: self.pull_requests(&collected),
            summary: self.summary(&collected),
            dead_letters: self.dead_letters(&collected),
            collected,
            counts,
            usage,
            guardrails: self.guardrails(),
            budget: budget::status(self.world, self.automation, now),
            failures: self.failures.clone(),
        }
    }

    fn pull_requests(&self, collected: &Collected) -> Option<PullRequestCounts> {
        let mut counts = collected.pull_requests.clone();
        self.kept(collected).for_each(|task| add_pull(&mut counts, task));
        (counts.opened > 0).then_some(counts)
    }

    fn last_schedule_time(&self, schedules: &BTreeMap<&str, Known>, before: Option<Timestamp>) -> Option<Timestamp> {
        let created = self.creation();
        let decided = schedules.values().map(|known| known.due.decided_through);
        decided.filter(|time| *time > created).max().max(before)
    }

    fn recent(&self) -> Vec<TaskSummary> {
        let ended = self.tasks.iter().rev().filter(|task| phase(task).is_ended());
        ended.take(RECENT_SHOWN).map(|task| summary(task)).collect()
    }

    /// What was told of a Secret stands until more is known.
    fn credential(&self, before: &AutomationStatus) -> Option<CredentialIdentity> {
        let key = CredentialKey::of_automation(self.automation);
        let known = credential::identity(&key, self.world.credentials.get(&key)).cloned();
        let told = before.credential.clone().filter(|told| told.secret == key.secret.name);
        known.or(told)
    }

    fn rejected_credential(&self) -> Option<RejectedCredential> {
        let key = CredentialKey::of_automation(self.automation);
        let resource_version = version_rejected(self.world.credentials.get(&key)?)?;
        Some(RejectedCredential {
            secret: key.secret.name,
            resource_version,
        })
    }

    fn schedule_statuses(
        &self,
        before: &AutomationStatus,
        schedules: &BTreeMap<&str, Known>,
        collected: &Collected,
    ) -> Vec<ScheduleStatus> {
        if self.parsed.is_err() {
            return before.schedules.clone();
        }
        let known = |trigger: &str| before.schedules.iter().find(|schedule| schedule.trigger == trigger);
        let missed_through = |trigger: &str| known(trigger).and_then(|known| known.missed_through);
        let through = |trigger: &str| {
            let known = known(trigger);
            let gone = self
                .tasks
                .iter()
                .filter(|task| collected.deleting.contains(&task.name_any()));
            let key = ObjectKey::of(self.automation);
            let deleted = self.world.deleted(&key, trigger);
            let times = gone
                .filter(|task| task.spec.trigger.name == trigger)
                .map(|task| task.spec.trigger.scheduled_time)
                .chain(deleted.filter(|time| self.is_past(trigger, *time, schedules)));
            times.max().max(known.and_then(|known| known.collected_through))
        };
        schedules
            .iter()
            .map(|(trigger, known)| ScheduleStatus {
                trigger: (*trigger).to_owned(),
                decided_through: known.due.decided_through,
                missed_through: known.due.missed_through.max(missed_through(trigger)),
                collected_through: through(trigger),
            })
            .collect()
    }
}

/// The version of a credential's Secret that GitHub refused, unless the Secret has another by now.
fn version_rejected(credential: &Credential) -> Option<String> {
    let resource_version = credential.rejected.clone()?;
    let is_replaced = matches!(
        &credential.secret,
        Some(SecretState::Present { resource_version: present }) if *present != resource_version
    );
    (!is_replaced).then_some(resource_version)
}

/// AI credits to one decimal, from GitHub's whole billionths.
#[must_use]
pub fn credits(nano: i64) -> String {
    let tenths = nano.saturating_add(budget::NANO / 20) / (budget::NANO / 10);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// An owner whose deletion does not wait for the task; waiting would need a right on the owner's finalizers.
fn owner(automation: &AutomationRef) -> OwnerReference {
    OwnerReference {
        api_version: AgentAutomation::api_version(&()).into_owned(),
        kind: AgentAutomation::kind(&()).into_owned(),
        name: automation.name.clone(),
        uid: automation.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

fn labels(automation: &str) -> BTreeMap<String, String> {
    [
        (AUTOMATION_LABEL.to_owned(), automation.to_owned()),
        ("app.kubernetes.io/managed-by".to_owned(), "agent-automation".to_owned()),
    ]
    .into()
}

fn summary(task: &AgentTask) -> TaskSummary {
    let status = task.status.as_ref();
    let github = status.and_then(|status| status.task.as_ref());
    TaskSummary {
        name: task.name_any(),
        phase: phase(task),
        id: github.map(|task| task.id.clone()),
        session_state: github.map(|task| task.state.clone()),
        pull_request: status.and_then(|status| status.pull_request.as_ref()?.url.clone()),
        reason: status.and_then(|status| status.reason),
    }
}

/// The pull request that a task opened.
fn pull_of(task: &AgentTask) -> Option<&PullRequest> {
    let pull = task.status.as_ref()?.pull_request.as_ref();
    pull.filter(|_| pulls::is_own_pull(task))
}

fn succeeded_at(task: &AgentTask) -> Option<Timestamp> {
    let status = task.status.as_ref()?;
    status.ended_at.filter(|_| status.phase == Phase::Succeeded)
}
