//! Kubernetes Events for what was decided about tasks. They are told after the fact and never in the way: a failure to
//! tell one is logged.

use futures::future::BoxFuture;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::AgentTask;
use crate::api::task::{Phase, TaskStatus};

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
        let (recorder, reference) = (self.recorder.clone(), task.object_ref(&()));
        Some(Box::pin(async move {
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::debug!(%error, "an Event was not recorded");
            }
        }))
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
