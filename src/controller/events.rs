//! Kubernetes Events for what was decided about tasks. They are told after the fact and never in the way: a failure to
//! tell one is logged.

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::api::automation::UnseenEvents;
use crate::api::notify::NotificationState;
use crate::api::task::{Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::counted::counted;
use crate::plan::notify::sentence;
use crate::plan::pulls::refusal;
use crate::plan::report;

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

    /// The Event for a pull request that nobody has dealt with for long, or that was closed for that.
    pub(super) fn tell_of_stale(&self, task: &AgentTask) -> Option<BoxFuture<'static, ()>> {
        let event = event_of_stale(task.status.as_ref()?)?;
        Some(self.publish(event, task.object_ref(&())))
    }

    /// The Event for what GitHub would not let be done about a pull request.
    pub(super) fn tell_of_refusal(&self, task: &AgentTask) -> Option<BoxFuture<'static, ()>> {
        let event = event_of_refusal(task.status.as_ref()?)?;
        Some(self.publish(event, task.object_ref(&())))
    }

    /// The Event for what GitHub would not let be said where the work came from.
    pub(super) fn tell_of_report(&self, task: &AgentTask) -> Option<BoxFuture<'static, ()>> {
        let event = event_of_report(task)?;
        Some(self.publish(event, task.object_ref(&())))
    }

    /// The Event for a notification that was given up.
    pub(super) fn tell_of_undelivered(&self, task: &AgentTask) -> Option<BoxFuture<'static, ()>> {
        let event = event_of_undelivered(task)?;
        Some(self.publish(event, task.object_ref(&())))
    }

    /// The Events for an automation that stood so before.
    pub(super) fn tell_of_automation(
        &self,
        stood: &Stood,
        automation: &AgentAutomation,
    ) -> Vec<BoxFuture<'static, ()>> {
        let events = events_of_automation(stood, &Stood::of(automation)).into_iter();
        let told = events.map(|event| self.publish(event, automation.object_ref(&())));
        told.collect()
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
    unseen: Option<UnseenEvents>,
}

impl Stood {
    pub(super) fn of(automation: &AgentAutomation) -> Self {
        let status = automation.status.as_ref();
        let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
        Self {
            ready: conditions.find(|condition| condition.type_ == "Ready").cloned(),
            missed: status.map_or(0, |status| status.missed_runs),
            unseen: status.and_then(|status| status.events.as_ref()?.unseen.clone()),
        }
    }

    /// How many scheduled times were not run from then until it stood as it does.
    pub(super) fn missed_until(&self, automation: &AgentAutomation) -> u64 {
        let missed = Self::of(automation).missed.saturating_sub(self.missed);
        u64::try_from(missed).unwrap_or(0)
    }

    /// How often it could not be seen what had happened at GitHub, from then until it stood as it does.
    pub(super) fn unseen_until(&self, automation: &AgentAutomation) -> u64 {
        let times = Self::of(automation).times_unseen().saturating_sub(self.times_unseen());
        u64::try_from(times).unwrap_or(0)
    }

    fn times_unseen(&self) -> i64 {
        self.unseen.as_ref().map_or(0, |unseen| unseen.times)
    }
}

/// That it is ready for another reason than before, that scheduled times were not run, and that it could not be seen what
/// had happened at GitHub.
fn events_of_automation(before: &Stood, now: &Stood) -> Vec<Event> {
    let reason = |stood: &Stood| stood.ready.as_ref().map(|ready| ready.reason.clone());
    let ready = now.ready.as_ref().filter(|_| reason(before) != reason(now));
    let ready = ready.map(|ready| Event {
        type_: if ready.status == "False" {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: ready.reason.clone(),
        note: Some(bounded(&ready.message)),
        action: "Reconcile".to_owned(),
        secondary: None,
    });
    let missed = now.missed.saturating_sub(before.missed);
    let passed_over = (missed > 0).then(|| {
        let times = counted(
            missed,
            "scheduled time was not run and is",
            "scheduled times were not run and are",
        );
        let note = format!(
            "{times} counted in status.missedRuns: missed, or as many tasks wait as spec.concurrency.maxQueued allows"
        );
        warning(Reason::RunsMissed, &note, "Schedule")
    });
    let is_news = now.times_unseen() > before.times_unseen();
    let unseen = now.unseen.as_ref().filter(|_| is_news).map(event_of_unseen);
    ready.into_iter().chain(passed_over).chain(unseen).collect()
}

fn event_of_unseen(unseen: &UnseenEvents) -> Event {
    let note = format!(
        "GitHub shows no more what was done to issues and pull requests between {} and {}: for what was asked for then, \
         set the label again, or make a task by hand",
        unseen.from, unseen.to
    );
    warning(Reason::EventsUnseen, &note, "Sweep")
}

fn event_of_stale(status: &TaskStatus) -> Option<Event> {
    let pull = status.pull_request.as_ref()?;
    let link = pull.url.as_ref()?;
    // An Event of the same reason and action would only be counted with the one before.
    let (note, action) = if pull.closed_as_stale_at.is_some() {
        let note = format!("the controller closed {link}, because nobody had dealt with it for long");
        (note, "Close")
    } else {
        let note = format!("nobody has dealt with {link} for long: review, merge or close it");
        (note, "Follow")
    };
    Some(warning(Reason::PullRequestStale, &note, action))
}

fn event_of_refusal(status: &TaskStatus) -> Option<Event> {
    let pull = status.pull_request.as_ref()?;
    let link = pull.url.as_deref().unwrap_or("the pull request");
    let note = format!("{link}: {}", refusal(pull)?);
    Some(warning(Reason::PullRequestRefused, &note, "Follow"))
}

fn event_of_report(task: &AgentTask) -> Option<Event> {
    let page = &task.spec.trigger.event.as_ref()?.url;
    let said = report::refusal(task.status.as_ref()?)?;
    Some(warning(Reason::ReportRefused, &format!("{page}: {said}"), "Report"))
}

fn event_of_undelivered(task: &AgentTask) -> Option<Event> {
    let entries = &task.status.as_ref()?.notifications;
    let dead = entries
        .iter()
        .filter(|entry| entry.state == NotificationState::DeadLetter);
    let said: Vec<_> = dead.filter_map(|entry| sentence(task, entry)).collect();
    (!said.is_empty()).then(|| warning(Reason::Undelivered, &said.join("; "), "Notify"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stood(ready: Option<(&str, &str)>, missed: i64) -> Stood {
        let condition = |(status, reason): (&str, &str)| {
            let text = format!(
                "{{type: Ready, status: '{status}', reason: {reason}, message: so, lastTransitionTime: '2026-11-22T06:00:00Z'}}"
            );
            serde_saphyr::from_str(&text).unwrap()
        };
        Stood {
            ready: ready.map(condition),
            missed,
            unseen: None,
        }
    }

    fn blind(times: i64) -> Stood {
        let at = |text: &str| text.parse().unwrap();
        Stood {
            unseen: Some(UnseenEvents {
                times,
                from: at("2026-11-22T06:00:00Z"),
                to: at("2026-11-22T07:00:00Z"),
            }),
            ..stood(Some(("True", "Ready")), 2)
        }
    }

    #[test]
    fn what_is_told_of_an_automation() {
        let ready = || stood(Some(("True", "Ready")), 2);
        let table = [
            ("new", stood(None, 0), ready(), "Normal Ready, Warning RunsMissed"),
            ("nothing new", ready(), ready(), ""),
            (
                "stalled",
                ready(),
                stood(Some(("False", "SecretMissing")), 2),
                "Warning SecretMissing",
            ),
            (
                "times were missed",
                ready(),
                stood(Some(("True", "Ready")), 5),
                "Warning RunsMissed",
            ),
            (
                "GitHub shows no more what happened",
                ready(),
                blind(1),
                "Warning EventsUnseen",
            ),
            ("that was told", blind(1), blind(1), ""),
            ("it is so again", blind(1), blind(2), "Warning EventsUnseen"),
        ];
        for (what, before, now, expected) in table {
            let events = events_of_automation(&before, &now);
            let told: Vec<_> = events
                .iter()
                .map(|event| format!("{:?} {}", event.type_, event.reason))
                .collect();
            assert_eq!(told.join(", "), expected, "{what}");
        }
    }

    #[test]
    fn a_stale_pull_request_is_told_by_its_link() {
        let link = "https://github.com/acme/api/pull/1";
        let table = [
            (
                "stale: true",
                "Follow",
                format!("nobody has dealt with {link} for long: review, merge or close it"),
            ),
            (
                "state: closed, closedAsStaleAt: '2026-11-22T06:00:00Z'",
                "Close",
                format!("the controller closed {link}, because nobody had dealt with it for long"),
            ),
        ];
        for (pull, action, expected) in table {
            let status = format!("{{phase: Succeeded, pullRequest: {{id: 1, url: '{link}', {pull}}}}}");
            let event = event_of_stale(&serde_saphyr::from_str(&status).unwrap()).unwrap();
            assert_eq!(
                (&*event.reason, &*event.action, event.note.as_deref()),
                ("PullRequestStale", action, Some(&*expected))
            );
        }
    }

    #[test]
    fn what_github_refuses_to_have_said_is_told() {
        let table = [
            ("it is said", "commentId: 7, labelled: true", None),
            (
                "no comment",
                "refused: 'GitHub refused comment: 403 no'",
                Some("no comment: GitHub refused comment: 403 no"),
            ),
            (
                "neither",
                "refused: '403 no', labelRefused: '422 no such label'",
                Some("no comment: 403 no; no label: 422 no such label"),
            ),
        ];
        for (what, report, expected) in table {
            let task = format!(
                "{{metadata: {{name: a}}, spec: {{automation: {{name: fix}}, trigger: {{name: label, kind: Issue, \
                 scheduledTime: '2026-11-22T06:00:00Z', event: {{action: labeled, number: 7, sender: alice, \
                 url: 'https://github.com/acme/api/issues/7'}}}}}}, status: {{phase: Running, report: {{{report}}}}}}}"
            );
            let task: AgentTask = serde_saphyr::from_str(&task).unwrap();
            let told = event_of_report(&task).map(|event| (event.reason, event.note.unwrap()));
            let note = |said| format!("https://github.com/acme/api/issues/7: {said}");
            assert_eq!(
                told,
                expected.map(|said| ("ReportRefused".to_owned(), note(said))),
                "{what}"
            );
        }
    }

    #[test]
    fn what_github_refuses_about_a_pull_request_is_told() {
        let table = [
            ("reviewers were asked", "handedOver: done", None),
            (
                "a reviewer is unknown",
                "handedOver: 'nobody: GitHub refused request_reviewers: 422 no'",
                Some("https://github.com/acme/api/pull/1: nobody: GitHub refused request_reviewers: 422 no"),
            ),
            (
                "it can't be closed",
                "handedOver: done, closeRefused: 'GitHub refused close_pull: 403 no'",
                Some("https://github.com/acme/api/pull/1: GitHub refused close_pull: 403 no"),
            ),
        ];
        for (what, pull, expected) in table {
            let status = format!(
                "{{phase: Succeeded, pullRequest: {{id: 1, url: 'https://github.com/acme/api/pull/1', {pull}}}}}"
            );
            let event = event_of_refusal(&serde_saphyr::from_str(&status).unwrap());
            let told = event.map(|event| (event.reason, event.note.unwrap()));
            let expected = expected.map(|note| ("PullRequestRefused".to_owned(), note.to_owned()));
            assert_eq!(told, expected, "{what}");
        }
    }
}
