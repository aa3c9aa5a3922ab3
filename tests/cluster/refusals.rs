//! What `kubectl apply` refuses by itself, with what it says, and what `kubectl explain` teaches.

use harness::control_plane::{shared, stdout_of};
use serde_json::{Value, json};

use crate::eventually;

/// What is changed in a good automation, by JSON pointer, and what the refusal says.
const fn row(pointer: &'static str, value: &'static str, says: &'static str) -> Row {
    Row { pointer, value, says }
}

struct Row {
    pointer: &'static str,
    /// As JSON; nothing takes the field away.
    value: &'static str,
    says: &'static str,
}

const ROWS: &[Row] = &[
    row(
        "/metadata/name",
        r#""a-name-of-more-than-forty-characters-is-too-long""#,
        "write at most 40 characters",
    ),
    row("/spec/repository", r#""payments-api""#, "spec.repository"),
    row(
        "/spec/repository",
        r#""acme/payments-api.git""#,
        "write owner/name without .git",
    ),
    row("/spec/repository", "", "spec.repository: Required value"),
    row("/spec/branches/base", r#""""#, "spec.branches.base"),
    row("/spec/branches", "", "spec.branches: Required value"),
    row("/spec/triggers", "[]", "spec.triggers"),
    row(
        "/spec/triggers/0/schedule",
        "",
        "say when the trigger fires, in one way: schedule:",
    ),
    row("/spec/triggers/0/name", r#""Not A Name""#, "spec.triggers[0].name"),
    row(
        "/spec/triggers/0/schedule/cron",
        r#""TZ=Europe/Berlin 0 6 * * *""#,
        "write the time zone in timeZone",
    ),
    row(
        "/spec/triggers/0/schedule/cron",
        r#""""#,
        "spec.triggers[0].schedule.cron",
    ),
    row(
        "/spec/triggers/0/schedule/startingDeadlineSeconds",
        "0",
        "spec.triggers[0].schedule.startingDeadlineSeconds",
    ),
    row(
        "/spec/triggers/0/schedule/missedRuns",
        r#""Some""#,
        r#"supported values: "Latest", "All", "Skip""#,
    ),
    row("/spec/prompt/goal", r#""""#, "spec.prompt.goal"),
    row("/spec/prompt", "", "spec.prompt: Required value"),
    row(
        "/spec/agent/customAgent",
        r#""reviewer.agent.md""#,
        "write the file's name alone",
    ),
    row("/spec/concurrency/maxActive", "0", "spec.concurrency.maxActive"),
    row("/spec/credentials", "", "spec.credentials: Required value"),
    row(
        "/spec/startPolicy",
        r#""ExactlyOnce""#,
        r#"supported values: "AtMostOnce", "AtLeastOnce""#,
    ),
    row("/spec/historyLimits/failed", "-1", "spec.historyLimits.failed"),
    row(
        "/spec/repositry",
        r#""acme/payments-api""#,
        r#"unknown field "spec.repositry""#,
    ),
    row(
        "/spec/triggers/1",
        r#"{"name": "weekly", "schedule": {"cron": "@daily"}}"#,
        "spec.triggers[1]: Duplicate value",
    ),
];

fn good(namespace: &str) -> Value {
    json!({
        "apiVersion": "agentautomation.dev/v1alpha1",
        "kind": "AgentAutomation",
        "metadata": {"name": "weekly-deps", "namespace": namespace},
        "spec": {
            "repository": "acme/payments-api",
            "branches": {"base": "main", "allow": ["main", "release/*"]},
            "triggers": [{"name": "weekly", "schedule": {"cron": "0 6 * * MON", "timeZone": "Europe/Berlin"}}],
            "prompt": {"goal": "Update the dependencies."},
            "agent": {"customAgent": ""},
            "concurrency": {"maxActive": 1},
            "credentials": {"secretRef": {"name": "github-agent-token"}},
            "historyLimits": {"failed": 5},
        },
    })
}

fn change(object: &mut Value, row: &Row) {
    let (parent, field) = row.pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap();
    match (parent, row.value) {
        (Value::Object(parent), "") => drop(parent.remove(field)),
        (Value::Object(parent), value) => drop(parent.insert(field.to_owned(), serde_json::from_str(value).unwrap())),
        (Value::Array(parent), value) => parent.push(serde_json::from_str(value).unwrap()),
        _ => panic!("{} leads nowhere", row.pointer),
    }
}

#[tokio::test]
async fn mistakes_that_apply_refuses() {
    let plane = shared().await.unwrap();
    plane.deploy().await.unwrap();
    let namespace = plane.create_namespace("refusals").await.unwrap();
    let apply = async |object: &Value| {
        let arguments = ["apply", "--dry-run=server", "-f", "-"];
        plane.kubectl_with_stdin(&arguments, &object.to_string()).await.unwrap()
    };
    stdout_of(&apply(&good(&namespace)).await).unwrap();
    for row in ROWS {
        let mut object = good(&namespace);
        change(&mut object, row);
        let refused = apply(&object).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains(row.says),
            "{} = {}: {said}",
            row.pointer,
            row.value
        );
    }
    harness::covered!("covered: {} mistakes", ROWS.len());
}

#[tokio::test]
async fn explain_teaches() {
    let plane = shared().await.unwrap();
    plane.deploy().await.unwrap();
    let explain =
        async |field: &str| stdout_of(&plane.kubectl(&["explain", field, "--recursive=false"]).await.unwrap()).unwrap();
    // A definition is in force a little before its schema can be read.
    for kind in ["aauto", "atask", "apolicy"] {
        eventually("its schema is published", async || {
            let explained = plane.kubectl(&["explain", kind]).await.unwrap();
            explained.status.success()
        })
        .await;
    }
    let triggers = explain("aauto.spec.triggers").await;
    println!("{triggers}");
    for part in [
        "When a task is wanted",
        "schedule\t<Object>",
        "Fires at the times of a cron expression",
        "-required-",
    ] {
        assert!(triggers.contains(part), "no {part:?} in {triggers}");
    }
    for field in [
        "aauto.spec",
        "aauto.status",
        "aauto.spec.triggers.schedule",
        "atask.spec",
        "atask.status",
        "apolicy.spec",
    ] {
        let text = explain(field).await;
        assert!(!text.contains("<no description>"), "{field}: {text}");
    }
}
