//! What an object says by itself, whatever else is known.

use jiff::Timestamp;
use kube::ResourceExt;

use super::ObjectKey;
use crate::api::automation::ScheduleStatus;
use crate::api::task::{Phase, PullRequest, TaskStatus};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::repository::Repository;
use crate::domain::task_state::TaskState;
use crate::plan::budget;

/// Namespace, repository and key.
pub type SameKey = (String, String, String);

/// What a task is about, if its terms say so.
#[must_use]
pub fn same_key(task: &AgentTask) -> Option<SameKey> {
    let terms = task.spec.deduplicate.as_ref()?;
    let namespace = task.namespace().unwrap_or_default();
    Some((namespace, folded(&task.spec.repository), terms.key.clone()))
}

/// The task whose place another is to take.
pub(super) fn followed(task: &AgentTask) -> Option<ObjectKey> {
    let follows = task.spec.follows.as_ref()?;
    Some(ObjectKey::new(task.namespace().unwrap_or_default(), &*follows.name))
}

/// The issue or the pull request on which a task sets a label: its repository and number.
pub(super) fn labels_on(task: &AgentTask) -> Option<(String, i64)> {
    task.spec.report.as_ref()?.label.as_ref()?;
    let event = task.spec.trigger.event.as_ref()?;
    Some((folded(&task.spec.repository), event.number))
}

/// Whether a task works in a repository.
#[must_use]
pub fn in_repository_of(task: &AgentTask, repository: &Repository) -> bool {
    task.spec.repository.eq_ignore_ascii_case(repository.as_str())
}

/// GitHub tells no case in names of repositories.
#[must_use]
pub fn folded(repository: &str) -> String {
    repository.to_ascii_lowercase()
}

/// Whether a task's pull request waits for people.
#[must_use]
pub fn open_pull(task: &AgentTask) -> bool {
    let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
    pull.is_some_and(PullRequest::is_open)
}

/// Whether a task's pull request was closed and not merged: whoever closed it may open it again.
#[must_use]
pub fn closed_pull(task: &AgentTask) -> bool {
    let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
    pull.is_some_and(|pull| !pull.is_open() && !pull.merged)
}

/// Whether a task's pull request waits for people, or is about to be opened.
#[must_use]
pub fn is_in_review(task: &AgentTask) -> bool {
    open_pull(task) || counts(task) && task.spec.pull_request.create
}

pub(super) fn started(task: &AgentTask) -> Option<Timestamp> {
    budget::started(task.status.as_ref()?)
}

/// The automation that a task names.
#[must_use]
pub fn automation_key(task: &AgentTask) -> ObjectKey {
    ObjectKey::new(task.namespace().unwrap_or_default(), task.spec.automation.name.clone())
}

/// A task's phase; one without a status is pending.
#[must_use]
pub fn phase(task: &AgentTask) -> Phase {
    task.status.as_ref().map_or(Phase::Pending, |status| status.phase)
}

/// Whether a task counts against caps. One that has ended counts again while somebody has the agent go on with it.
#[must_use]
pub fn counts(task: &AgentTask) -> bool {
    task.status
        .as_ref()
        .is_some_and(|status| status.phase.is_active() || goes_on(status))
}

/// What a person gave up does not count, whatever GitHub says of it.
fn goes_on(status: &TaskStatus) -> bool {
    status.phase.is_ended()
        && status.reason != Some(Reason::Abandoned)
        && status
            .task
            .as_ref()
            .is_some_and(|task| !TaskState::parse(&task.state).is_terminal())
}

/// Whether an automation's status says that a task of that time, if one appears, comes too late.
#[must_use]
pub fn is_collected(automation: &AgentAutomation, trigger: &str, time: Timestamp) -> bool {
    schedules(automation, trigger).any(|schedule| schedule.collected_through >= Some(time))
}

/// Whether an automation's status may count a time as missed.
pub(super) fn is_counted(automation: &AgentAutomation, trigger: &str, time: Timestamp) -> bool {
    schedules(automation, trigger).any(|schedule| schedule.missed_through >= Some(time))
}

fn schedules<'a>(automation: &'a AgentAutomation, trigger: &str) -> impl Iterator<Item = &'a ScheduleStatus> {
    let schedules = automation.status.iter().flat_map(|status| &status.schedules);
    schedules.filter(move |schedule| schedule.trigger == trigger)
}

/// Resource versions of one kind can be compared as numbers (KEP-5504); what is no number counts as the oldest.
#[must_use]
pub fn version(object: &impl ResourceExt) -> u64 {
    object
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}
