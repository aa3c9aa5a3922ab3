//! A task's end as a `CloudEvent` 1.0: the facts of its status, without its prompt.

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use crate::api::task::{Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentTask};
use crate::domain::outside::clean_line;

/// The most characters of a sentence.
const SENTENCE_MAX: usize = 500;

/// The attributes of a `CloudEvent` in the structured mode, and its data.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    r#type: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    namespace: String,
    name: String,
    automation: &'a str,
    trigger: &'a str,
    repository: &'a str,
    phase: &'static str,
    reason: &'static str,
    message: String,
    requester: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Link<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<GitHubTask<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request: Option<Link<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ai_credits: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct GitHubTask<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

/// An issue or a pull request.
#[derive(Serialize)]
struct Link<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

/// What tells an end from all others: whoever gets it twice has it already.
pub(super) fn id(task: &AgentTask, of: Phase) -> String {
    format!("{}-{}", task.uid().unwrap_or_default(), word(of))
}

/// The whole of it, as it is signed.
pub(super) fn body(task: &AgentTask, id: &str) -> String {
    let status = task.status.clone().unwrap_or_default();
    let event = CloudEvent {
        specversion: "1.0",
        id,
        source: source(task),
        r#type: format!("dev.agentautomation.task.{}", word(status.phase)),
        subject: task.name_any(),
        time: status.ended_at,
        datacontenttype: "application/json",
        data: data(task, &status),
    };
    // There is nothing in it that JSON can't hold.
    serde_json::to_string(&event).unwrap_or_default()
}

/// The automation's path at the API server.
fn source(task: &AgentTask) -> String {
    let (version, plural) = (AgentAutomation::api_version(&()), AgentAutomation::plural(&()));
    let namespace = task.namespace().unwrap_or_default();
    format!(
        "/apis/{version}/namespaces/{namespace}/{plural}/{}",
        task.spec.automation.name
    )
}

fn word(phase: Phase) -> String {
    phase.as_str().to_ascii_lowercase()
}

fn data<'a>(task: &'a AgentTask, status: &'a TaskStatus) -> Data<'a> {
    let spec = &task.spec;
    let github = status.task.as_ref();
    let pull = status.pull_request.as_ref();
    let usage = status.usage.as_ref();
    Data {
        namespace: task.namespace().unwrap_or_default(),
        name: task.name_any(),
        automation: &spec.automation.name,
        trigger: &spec.trigger.name,
        repository: &spec.repository,
        phase: status.phase.as_str(),
        reason: status.reason.map_or("", crate::api::Reason::as_str),
        message: clean_line(status.message.as_deref().unwrap_or_default(), SENTENCE_MAX).text,
        requester: spec.requester.as_deref().unwrap_or("schedule"),
        origin: spec.trigger.event.as_ref().map(|event| Link {
            number: Some(event.number),
            url: Some(&event.url),
        }),
        task: github.map(|task| GitHubTask {
            id: &task.id,
            url: task.url.as_deref(),
        }),
        pull_request: pull.map(|pull| Link {
            number: pull.number,
            url: pull.url.as_deref(),
        }),
        ai_credits: usage.map(|usage| usage.ai_credits.as_str()),
        created_at: task.metadata.creation_timestamp.as_ref().map(|time| time.0),
        started_at: status.started_at,
        ended_at: status.ended_at,
    }
}
