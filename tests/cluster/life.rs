//! One automation from `kubectl apply` to a pull request's link in its status, and what a person sees of it.

use agent_automation::api::task::{AttemptOutcome, Phase};
use harness::control_plane::stdout_of;
use kube::ResourceExt as _;
use serde_json::json;

use crate::{eventually, fleet::Fleet};

/// What the widest table may take.
const COLUMNS: usize = 140;

/// The automation of the README, as a team writes it.
const WEEKLY: &str = r#"
apiVersion: agentautomation.dev/v1alpha1
kind: AgentAutomation
metadata: {name: weekly-deps, namespace: payments}
spec:
  repository: acme/payments-api
  branches:
    base: main
    allow: [main, "release/*"]
  triggers:
    - name: weekly
      schedule: {cron: "0 6 * * MON", timeZone: Europe/Berlin, startingDeadlineSeconds: 3600, missedRuns: Latest}
  prompt:
    goal: Update the dependencies that have a patch release.
    nonGoals: ["No major upgrades", "Do not touch CI"]
    validation: ["cargo test --workspace", "cargo deny check"]
    pullRequest: "Title: deps: <names>. Body: a table of old version, new version, changelog link."
  agent: {model: "", customAgent: ""}
  pullRequest: {create: true}
  concurrency: {maxActive: 1}
  credentials: {secretRef: {name: github-agent-token}}
  startPolicy: AtMostOnce
  suspend: false
---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentPolicy
metadata: {name: payments}
spec:
  namespaces: [payments]
  repositories: [acme/payments-api]
  baseBranches: [main]
  triggers: [Schedule]
  models: ["*"]
  customAgents: ["*"]
  credentials: ["*"]
  startPolicies: [AtMostOnce]
  maxActive: 3
"#;

#[tokio::test]
async fn from_apply_to_a_pull_requests_link() {
    let fleet = Fleet::start().await;
    let controller = fleet.controller("controller", &[]);
    fleet.kubectl(&["create", "namespace", "payments"]).await;
    let payments = fleet.resident("payments", "payments-api");
    payments
        .put_secret("github-agent-token", "token", &payments.token())
        .await;
    let apply = fleet
        .plane
        .kubectl_with_stdin(&["apply", "-f", "-"], WEEKLY)
        .await
        .unwrap();
    assert_eq!(stdout_of(&apply).unwrap().lines().count(), 2);

    fleet
        .kubectl(&[
            "wait",
            "-n",
            "payments",
            "--for=condition=Ready",
            "--timeout=45s",
            "aauto/weekly-deps",
        ])
        .await;
    let status = payments.status("weekly-deps").await;
    let next = status.next_schedule_time.unwrap().in_tz("Europe/Berlin").unwrap();
    assert_eq!(next.strftime("%A %H:%M").to_string(), "Monday 06:00");

    let schedule = json!([{"name": "weekly", "schedule": {"cron": "@every 2s"}}]);
    payments.change("weekly-deps", json!({"triggers": schedule})).await;
    let task = payments.eventually_phase("weekly-deps", Phase::Succeeded).await;
    payments.change("weekly-deps", json!({"suspend": true})).await;

    let (status, record) = (task.status.clone().unwrap(), fleet.github.tasks()[0].clone());
    let (github, pull) = (status.task.unwrap(), status.pull_request.unwrap());
    assert_eq!(
        (github.id.as_str(), github.state.as_str()),
        (record.id.as_str(), "completed")
    );
    let link = format!("https://github.com/acme/payments-api/pull/{}", record.pull.unwrap());
    assert_eq!(pull.url.as_deref(), Some(link.as_str()));
    assert_eq!(status.attempts[0].outcome, Some(AttemptOutcome::Created));
    assert_eq!(record.prompt.lines().last(), Some(status.attempts[0].marker.as_str()));
    assert_eq!(status.usage.unwrap().ai_credits, "1.3");

    let automation = payments.automations().get("weekly-deps").await.unwrap();
    let owner = &task.owner_references()[0];
    assert_eq!(
        (owner.kind.as_str(), &owner.uid),
        ("AgentAutomation", &automation.uid().unwrap())
    );
    assert_eq!(owner.controller, Some(true));
    eventually("the automation sums it up", async || {
        let status = payments.status("weekly-deps").await;
        let summary = status.recent_tasks.iter().find(|recent| recent.name == task.name_any());
        status.active == 0
            && status.counts.succeeded > 0
            && summary.is_some_and(|summary| {
                (
                    summary.id.as_deref(),
                    summary.session_state.as_deref(),
                    summary.pull_request.as_deref(),
                ) == (Some(record.id.as_str()), Some("completed"), Some(link.as_str()))
            })
    })
    .await;
    eventually("its Events are there", async || {
        let events = fleet.kubectl(&["get", "events", "-n", "payments", "-o", "wide"]).await;
        ["InProgress", "Completed"].iter().all(|reason| events.contains(reason)) && events.contains(&link)
    })
    .await;

    let table = fleet.kubectl(&["get", "aauto,atask", "-A"]).await;
    println!("{table}");
    let widest = table.lines().map(str::len).max().unwrap();
    assert!(widest <= COLUMNS, "{widest} columns");
    let shown = table.lines().find(|line| line.contains(&task.name_any())).unwrap();
    for part in [&record.id[..8], "Succeeded", &link] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    harness::covered!("covered: apply, wait, a task's life, owner, Events, a table of {widest} columns");
    drop(controller);
}
