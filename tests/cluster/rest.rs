//! At rest nothing is written and nobody is asked, on the API server's own count.

use std::collections::BTreeMap;

use agent_automation::api::task::Phase;
use serde_json::json;

use crate::{
    eventually,
    fleet::{Controller, Fleet},
};

const AUTOMATIONS: usize = 20;
/// By so many renewals of the lease the time between two ticks is measured: 10 s.
const RENEWALS: u32 = 15;

#[tokio::test]
async fn between_two_ticks_nothing_is_written_listed_or_asked() {
    let fleet = Fleet::start().await;
    let controller = fleet.controller("controller", &["--lease-duration=2s"]);
    let team = fleet.team("resting").await;
    for index in 0..AUTOMATIONS {
        team.automate(&format!("rest-{index}"), "@every 1h", |_| ()).await;
    }
    // One with a history, and one that can't start anything.
    team.automate("ticked", "@every 1s", |_| ()).await;
    team.eventually_phase("ticked", Phase::Succeeded).await;
    team.change("ticked", json!({"suspend": true})).await;
    team.automate("stalled", "@every 1h", |spec| spec.branches.allow.clear())
        .await;
    team.eventually_ready("stalled", "False BranchNotAllowed", &[]).await;
    for index in 0..AUTOMATIONS {
        team.eventually_ready(&format!("rest-{index}"), "True Ready", &[]).await;
    }
    quiet_for(&fleet, &controller, 3).await;

    let (before, asked, acted) = (
        counts(&fleet).await,
        fleet.github.requests().len(),
        actions(&controller).await,
    );
    renewals(&fleet, RENEWALS).await;
    let (after, asked_after, acted_after) = (
        counts(&fleet).await,
        fleet.github.requests().len(),
        actions(&controller).await,
    );
    assert_eq!(before, after, "requests by verb and resource");
    assert_eq!(asked, asked_after, "requests to GitHub");
    assert_eq!(acted, acted_after, "actions");
    let requests: f64 = after.values().sum();
    harness::covered!(
        "covered: {} automations at rest for {RENEWALS} renewals; {requests} requests until then, none since",
        AUTOMATIONS + 2
    );
}

/// Waits until nothing has been written for so many renewals.
async fn quiet_for(fleet: &Fleet, controller: &Controller, count: u32) {
    eventually("it comes to rest", async || {
        let before = (counts(fleet).await, actions(controller).await);
        renewals(fleet, count).await;
        before == (counts(fleet).await, actions(controller).await)
    })
    .await;
}

async fn renewals(fleet: &Fleet, count: u32) {
    let leases = async || requests(fleet).await.get("PUT leases").copied().unwrap_or(0.0);
    let before = leases().await;
    eventually(&format!("{count} renewals"), async || {
        leases().await >= before + f64::from(count)
    })
    .await;
}

/// Requests of our kinds, Secrets and Events so far, except for watches, which end and begin by themselves, and reads
/// by name, with which this test waits.
async fn counts(fleet: &Fleet) -> BTreeMap<String, f64> {
    let all = requests(fleet).await;
    let ours = ["agentautomations", "agenttasks", "agentpolicies", "events", "secrets"];
    let counted = |request: &str| {
        let (verb, resource) = request.split_once(' ').unwrap();
        ours.contains(&resource) && (verb != "GET" || resource == "secrets") && verb != "WATCH"
    };
    all.into_iter().filter(|(request, _)| counted(request)).collect()
}

/// The API server's requests, as `VERB resource`.
async fn requests(fleet: &Fleet) -> BTreeMap<String, f64> {
    let metrics = fleet.kubectl(&["get", "--raw", "/metrics"]).await;
    let mut requests = BTreeMap::new();
    for line in metrics
        .lines()
        .filter_map(|line| line.strip_prefix("apiserver_request_total{"))
    {
        let (labels, value) = line.rsplit_once("} ").unwrap();
        let label = |name: &str| {
            let labels = labels.split(',').filter_map(|label| label.split_once('='));
            labels
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value.trim_matches('"').to_owned())
                .next()
        };
        let request = format!("{} {}", label("verb").unwrap(), label("resource").unwrap());
        *requests.entry(request).or_default() += value.parse::<f64>().unwrap();
    }
    requests
}

/// What the controller counted of its own actions.
async fn actions(controller: &Controller) -> Vec<String> {
    let metrics = controller.metrics().await;
    let mut actions: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("agent_automation_actions_total"))
        .map(str::to_owned)
        .collect();
    actions.sort();
    actions
}
