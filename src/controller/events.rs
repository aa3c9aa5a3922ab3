//! Kubernetes Events for what was decided about tasks. They are told after the fact and never in the way: a failure to
//! tell one is logged.

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::task::{Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentTask, Reason};

/// The most bytes of an Event's note.
const NOTE_MAX: usize = 1_000;

/// Tells what became of tasks.
pub(super) struct Teller {
    recorder: Recorder,
}

impl Teller {
    pub(super) fn new(client: kube::Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: "agentautomation.dev/controller".to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// The Event for a task whose phase or reason is news.
    pub(super) fn tell(&self, task: &AgentTask) -> Option<BoxFuture<'static, ()>> {
        let event = event(task.status.as_ref()?)?;
        Some(self.publish(event, task.object_ref(&())))
    }

    /// The Event for a pull request that nobody has dealt with for long.
    pub(super) fn tell_of_stale(&self, task: &AgentTask) -> Option<BoxFuture<'static, ()>> {
        let link = task.status.as_ref()?.pull_request.as_ref()?.url.clone()?;
        let note = format!("nobody has dealt with {link} for long: review, merge or close it");
        let event = warning(Reason::PullRequestStale, &note, "Follow");
        Some(self.publish(event, task.object_ref(&())))
    }

    /// The Events for an automation that is ready for another reason than before, and for times that were not run.
    pub(super) fn tell_of_automation(
        &self,
        stood: &Stood,
        automation: &AgentAutomation,
    ) -> Vec<BoxFuture<'static, ()>> {
        let now = Stood::of(automation);
        let missed = now.missed - stood.missed;
        let events = [
            now.ready
                .as_ref()
                .filter(|ready| stood.ready.as_ref().is_none_or(|before| before.reason != ready.reason))
                .map(|ready| Event {
                    type_: event_type(ready.status == "False"),
                    reason: ready.reason.clone(),
                    note: Some(bounded(&ready.message)),
                    action: "Reconcile".to_owned(),
                    secondary: None,
                }),
            (missed > 0).then(|| {
                let note = format!(
                    "{missed} scheduled times were not run and are counted in status.missedRuns: they were missed, or as \
                     many tasks wait as spec.concurrency.maxQueued allows"
                );
                warning(Reason::RunsMissed, &note, "Schedule")
            }),
        ];
        let told = events.into_iter().flatten();
        told.map(|event| self.publish(event, automation.object_ref(&())))
            .collect()
    }

    fn publish(&self, event: Event, reference: ObjectReference) -> BoxFuture<'static, ()> {
        let recorder = self.recorder.clone();
        Box::pin(async move {
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::debug!(%error, "an Event was not recorded");
            }
        })
    }
}

/// What Events tell of an automation.
#[derive(Debug, Clone)]
pub(super) struct Stood {
    ready: Option<Condition>,
    missed: i64,
}

impl Stood {
    pub(super) fn of(automation: &AgentAutomation) -> Self {
        let status = automation.status.as_ref();
        let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
        Self {
            ready: conditions.find(|condition| condition.type_ == "Ready").cloned(),
            missed: status.map_or(0, |status| status.missed_runs),
        }
    }
}

fn event_type(is_warning: bool) -> EventType {
    if is_warning {
        EventType::Warning
    } else {
        EventType::Normal
    }
}

fn warning(reason: Reason, note: &str, action: &str) -> Event {
    Event {
        type_: EventType::Warning,
        reason: reason.as_str().to_owned(),
        note: Some(bounded(note)),
        action: action.to_owned(),
        secondary: None,
    }
}

fn event(status: &TaskStatus) -> Option<Event> {
    let action = match status.phase {
        Phase::Pending | Phase::Starting => return None,
        Phase::Held | Phase::Denied | Phase::Superseded | Phase::Skipped | Phase::Expired => "Admit",
        Phase::Running | Phase::Unknown => "Start",
        Phase::Succeeded | Phase::Failed | Phase::TimedOut | Phase::Cancelled => "Follow",
    };
    let type_ = match status.phase {
        Phase::Failed | Phase::TimedOut | Phase::Denied | Phase::Expired | Phase::Unknown => EventType::Warning,
        _ => EventType::Normal,
    };
    let note = status.message.as_ref().map(|message| bounded(message));
    Some(Event {
        type_,
        reason: status.reason?.as_str().to_owned(),
        note,
        action: action.to_owned(),
        secondary: None,
    })
}

fn bounded(text: &str) -> String {
    text.chars()
        .scan(0, |bytes, letter| {
            *bytes += letter.len_utf8();
            (*bytes <= NOTE_MAX).then_some(letter)
        })
        .collect()
}
