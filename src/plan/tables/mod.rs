//! The planner's decisions as tables: what is known, and what is decided, in words. One file a concern, as beside it.

mod admission;
mod automation;
mod credential;
mod credentials;
mod crowd;
mod deadline;
mod event;
mod following;
mod mended;
mod notify;
mod origin;
mod policy;
mod pulls;
mod queue;
mod redelivery;
mod refresh;
mod report;
mod request;
mod retry;
mod room;
mod start;
mod sweep;
mod waiting;
mod webhook_source;
mod world;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::api::task::{Phase, TaskStatus};
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, Reason};
use crate::domain::task_state::TaskState;

use super::action::Admitted;
use super::observed::{ObservedTask, StartOutcome};
use super::world::{BranchFacts, Credential, SecretState};
use super::{Action, CredentialKey, ObjectKey, Planned, Settings, Subject, World};

const NOW: &str = "2026-11-22T06:00:00Z";

fn at(seconds: i64) -> Timestamp {
    let now: Timestamp = NOW.parse().unwrap();
    Timestamp::from_second(now.as_second() + seconds).unwrap()
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

fn automation(name: &str, max_active: i32) -> AgentAutomation {
    let mut automation: AgentAutomation = yaml(&format!(
        "{{apiVersion: agentautomation.dev/v1alpha1, kind: AgentAutomation,
          metadata: {{name: {name}, namespace: payments, uid: uid-{name}, generation: 1}},
          spec: {{repository: acme/api, branches: {{base: main, allow: [main]}},
                  triggers: [{{name: tick, schedule: {{cron: '@hourly'}}}}], prompt: {{goal: Go.}},
                  concurrency: {{maxActive: {max_active}}}, credentials: {{secretRef: {{name: token}}}}}}}}"
    ));
    automation.metadata.creation_timestamp = Some(Time(at(-86_400)));
    automation
}

/// The first automation with other fields in its spec.
fn changed(spec: &str) -> AgentAutomation {
    let mut automation = automation("one", 1);
    let mut whole = serde_json::to_value(&automation.spec).unwrap();
    let more: serde_json::Value = yaml(spec);
    merge(&mut whole, &more);
    automation.spec = serde_json::from_value(whole).unwrap();
    automation
}

fn merge(value: &mut serde_json::Value, more: &serde_json::Value) {
    match (value, more) {
        (serde_json::Value::Object(fields), serde_json::Value::Object(more)) => {
            for (name, more) in more {
                merge(fields.entry(name.clone()).or_insert(serde_json::Value::Null), more);
            }
        }
        (value, more) => *value = more.clone(),
    }
}

fn policy(max_active: Option<i32>) -> AgentPolicy {
    let mut policy: AgentPolicy = yaml(
        "{apiVersion: agentautomation.dev/v1alpha1, kind: AgentPolicy, metadata: {name: default},
          spec: {namespaces: [payments], repositories: ['acme/*'], baseBranches: [main], triggers: [Schedule],
                 models: ['*'], customAgents: ['*'], credentials: ['token*'], startPolicies: [AtMostOnce, AtLeastOnce]}}",
    );
    policy.spec.max_active = max_active;
    policy
}

/// The policy with other fields in its spec.
fn ruled(spec: &str) -> AgentPolicy {
    let mut policy = policy(None);
    let mut whole = serde_json::to_value(&policy.spec).unwrap();
    merge(&mut whole, &yaml(spec));
    policy.spec = serde_json::from_value(whole).unwrap();
    policy
}

/// A task of an automation, due so many seconds from now.
fn due(automation: &str, name: &str, seconds: i64, status: Option<TaskStatus>) -> AgentTask {
    let mut task: AgentTask = yaml(&format!(
        "{{apiVersion: agentautomation.dev/v1alpha1, kind: AgentTask,
          metadata: {{name: {name}, namespace: payments, uid: uid-{name}}},
          spec: {{automation: {{name: {automation}, uid: uid-{automation}, generation: 1}},
                  trigger: {{name: tick, kind: Schedule, scheduledTime: '{}'}}, repository: acme/api, baseBranch: main,
                  prompt: Go., templateDigest: '', secretRef: {{name: token}}}}}}",
        at(seconds)
    ));
    task.status = status;
    task
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a task may have no status")]
fn in_phase(phase: Phase) -> Option<TaskStatus> {
    Some(TaskStatus {
        phase,
        ..TaskStatus::default()
    })
}

/// Two automations with caps of 1 and 2, a policy with a cap of 3, and a credential that works.
fn world(tasks: Vec<AgentTask>, change: impl FnOnce(&mut World)) -> World {
    let mut world = World::default();
    world.put_automation(automation("one", 1));
    world.put_automation(automation("two", 2));
    world.put_policy(policy(Some(3)));
    for task in tasks {
        world.put_task(task);
    }
    for index in 0..3 {
        world.credentials.insert(credential(index), usable());
        let mut branch = super::guardrails::of_automation(&World::default(), &automation("one", 1)).unwrap();
        branch.credential = credential(index);
        world.branches.insert(branch, seen());
    }
    change(&mut world);
    world
}

/// GitHub asks for one write at a time for each credential, so tasks here have credentials of their own.
fn credential(index: usize) -> CredentialKey {
    let mut key = CredentialKey::of_automation(&automation("one", 1));
    if index > 0 {
        key.secret.name = format!("token-{index}");
    }
    key
}

fn with_credential(mut task: AgentTask, index: usize) -> AgentTask {
    task.spec.secret_ref = credential(index).secret;
    task
}

/// The branch was looked at just now, and is there.
fn seen() -> BranchFacts {
    BranchFacts {
        checked_at: at(0),
        resource_version: "7".to_owned(),
        exists: Ok(true),
        guardrails: None,
    }
}

fn usable() -> Credential {
    Credential {
        secret: Some(SecretState::Present {
            resource_version: "7".to_owned(),
        }),
        read_at: Some(at(0)),
        ..Credential::default()
    }
}

fn words(planned: &[(Subject, Planned)]) -> Vec<String> {
    planned
        .iter()
        .map(|(subject, planned)| format!("{}: {}", name(subject), decision(planned)))
        .collect()
}

fn name(subject: &Subject) -> &str {
    match subject {
        Subject::Task(key) => &key.name,
        _ => "?",
    }
}

fn decision(planned: &Planned) -> String {
    match planned.actions.as_slice() {
        [Action::WriteTaskStatus(status)] => said(status),
        [action] => action.name().to_owned(),
        [] => planned.wake.map_or("wait".to_owned(), |wake| {
            format!("wait {}s", wake.duration_since(at(0)).as_secs())
        }),
        other => format!("{other:?}"),
    }
}

fn said(status: &TaskStatus) -> String {
    format!("{:?} {}", status.phase, status.reason.map_or("", Reason::as_str))
}

fn written_ahead() -> TaskStatus {
    super::start::write_ahead(
        &due("one", "a", 0, None),
        &Admitted::default(),
        "me",
        &Settings::default(),
        at(0),
    )
}

fn observed(id: &str, prompt: &str) -> ObservedTask {
    ObservedTask {
        id: id.to_owned(),
        url: None,
        state: TaskState::Queued,
        updated_at: None,
        branch: None,
        pull_request: None,
        failure: None,
        usage: None,
        prompts: vec![prompt.to_owned()],
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("payments", name)
}

/// What the outcome of the newest attempt makes of a status.
fn concluded(status: &TaskStatus, outcome: &StartOutcome, seconds: i64) -> TaskStatus {
    let attempt = status.attempts.last().unwrap();
    super::start::conclude(status, attempt, outcome, at(seconds)).unwrap()
}
