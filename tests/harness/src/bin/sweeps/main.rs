//! `make bench-sweeps`: what it costs to look for what happens in 500 repositories in which nothing happens, with one credential.
//!
//! One real API server, the controller and the stand-in for GitHub. It waits until nothing is new any more, and then counts
//! for some minutes. It prints what it measured, whatever that is; nothing is asserted. Linux only: memory and CPU are read
//! from `/proc`.

#[path = "../bench/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use harness::control_plane::{ControlPlane, Measuring, Options};
use harness::programs::{Controller, GitHub};
use jiff::{SignedDuration, Timestamp};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::sleep;

use self::process::{Cpu, Memory};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const REPOSITORIES: usize = 500;
const MINUTES: u32 = 5;
/// Longer than it takes to look at each once.
const ROUND: Duration = Duration::from_secs(90);
const NAMESPACE: &str = "bench";
const TOKEN: &str = "github_pat_bench";
/// Requests of the benchmark itself under way at once.
const AT_ONCE: usize = 8;

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<()> {
    eprintln!("bench: starting the control plane, the stand-in for GitHub and the controller");
    let measuring = Measuring {
        audit: true,
        ..Measuring::default()
    };
    let plane = ControlPlane::start_and_measure(Options::default(), measuring).await?;
    plane.deploy().await?;
    let github = GitHub::start(&plane, &repositories()).await?;
    prepare(&plane.admin_client().await?).await?;
    let controller = Controller::start(&plane, &github, &[]).await?;
    let first = settled(&github).await?;

    eprintln!("bench: nothing is new any more; counting for {MINUTES} minutes");
    let process = plane.process_id_beside(Controller::NAME)?;
    let (cpu, began) = (Cpu::of(process)?, Timestamp::now());
    github.tell(&[json!("clear_requests")]).await?;
    sleep(Duration::from_secs(60) * MINUTES).await;
    let requests = github.get("/requests").await?;
    let (used, memory) = (Cpu::of(process)?.since(&cpu), Memory::of(process)?);
    let writes = writes_since(&plane, began)?;
    drop(controller);

    println!("\n{REPOSITORIES} repositories at rest, one automation each, one credential, {MINUTES} minutes\n");
    print_requests("as it begins", &first);
    print_requests("at rest", &requests);
    row("writes to the API server but for the lease", &writes.to_string());
    row(
        "CPU, ms a minute",
        &(used.as_millis() / u128::from(MINUTES)).to_string(),
    );
    row("resident memory, MiB", &(memory.resident / 1_024).to_string());
    row("  at most", &(memory.most / 1_024).to_string());
    Ok(())
}

/// Waits until a whole round finds nothing new, and gives what was asked up to then.
async fn settled(github: &GitHub) -> Result<Vec<Value>> {
    loop {
        let before = github.get("/requests").await?.len();
        sleep(ROUND).await;
        let all = github.get("/requests").await?;
        let round = all.get(before..).unwrap_or_default();
        let looks: Vec<_> = round.iter().filter(|request| is_look(request)).collect();
        if looks.len() >= REPOSITORIES && looks.iter().all(|look| look["status"] == 304) {
            return Ok(all);
        }
    }
}

fn is_look(request: &Value) -> bool {
    request["operation"] == "list_issues"
}

fn print_requests(when: &str, requests: &[Value]) {
    let mut times: Vec<Timestamp> = requests
        .iter()
        .filter_map(|request| request["at"].as_str()?.parse().ok())
        .collect();
    times.sort_unstable();
    let mut kinds: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for request in requests {
        let operation = request["operation"].as_str().unwrap_or("none").to_owned();
        *kinds
            .entry((operation, request["status"].as_u64().unwrap_or(0)))
            .or_default() += 1;
    }
    let unchanged: usize = kinds
        .iter()
        .filter(|((_, status), _)| *status == 304)
        .map(|(_, count)| count)
        .sum();
    println!("{when}:");
    row("  requests", &requests.len().to_string());
    row(
        "  most in a minute, of 900",
        &most_within(&times, SignedDuration::from_mins(1)).to_string(),
    );
    row(
        "  most in a second",
        &most_within(&times, SignedDuration::from_secs(1)).to_string(),
    );
    row("  answered 304, and so not counted by the hour", &unchanged.to_string());
    for ((operation, status), count) in kinds {
        row(&format!("    {operation}, {status}"), &count.to_string());
    }
}

/// How many there are at most in any such span.
fn most_within(times: &[Timestamp], span: SignedDuration) -> usize {
    let ends = times.iter().enumerate().map(|(index, time)| {
        let begin = time.saturating_sub(span).unwrap_or(*time);
        index + 1 - times.partition_point(|other| *other <= begin)
    });
    ends.max().unwrap_or(0)
}

fn writes_since(plane: &ControlPlane, began: Timestamp) -> Result<usize> {
    let log = fs::read_to_string(plane.audit_log())?;
    let mut count = 0;
    for line in log.lines() {
        let event: Value = serde_json::from_str(line)?;
        let at: Timestamp = event["requestReceivedTimestamp"].as_str().unwrap_or_default().parse()?;
        let by = event["user"]["username"].as_str().unwrap_or_default();
        let is_ours = by.ends_with(":agent-automation") && event["objectRef"]["resource"] != "leases";
        count += usize::from(is_ours && at >= began);
    }
    Ok(count)
}

/// One user with one token, and an issue in each repository.
fn repositories() -> Vec<Value> {
    let user = [
        json!({"add_user": {"login": "bot"}}),
        json!({"add_token": {"token": TOKEN, "owner": "bot"}}),
    ];
    let each = |index| {
        let name = format!("acme/{}", name(index));
        [
            json!({"add_repository": {"name": name}}),
            json!({"open_issue": {"repository": name, "by": "bot", "title": "It is slow"}}),
        ]
    };
    user.into_iter().chain((0..REPOSITORIES).flat_map(each)).collect()
}

fn name(index: usize) -> String {
    format!("rest-{index:03}")
}

async fn prepare(client: &Client) -> Result<()> {
    let group = "agentautomation.dev";
    let policy = json!({
        "namespaces": [NAMESPACE], "repositories": ["acme/*"], "baseBranches": ["main"], "triggers": ["Issue"], "models": ["*"],
        "customAgents": ["*"], "credentials": ["*"], "startPolicies": ["AtMostOnce"],
    });
    let policy = json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentPolicy", "metadata": {"name": NAMESPACE}, "spec": policy});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    let policies = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(group, "v1alpha1", "AgentPolicy"),
        "agentpolicies",
    );
    for (resource, object) in [(resource("", "v1", "Namespace"), namespace), (policies, policy)] {
        create(&Api::all_with(client.clone(), &resource), object).await?;
    }
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": TOKEN}});
    let secrets = Api::namespaced_with(client.clone(), NAMESPACE, &resource("", "v1", "Secret"));
    create(&secrets, secret).await?;
    let automations = Api::namespaced_with(
        client.clone(),
        NAMESPACE,
        &resource(group, "v1alpha1", "AgentAutomation"),
    );
    let all = stream::iter(0..REPOSITORIES).map(|index| create(&automations, automation(index)));
    all.buffer_unordered(AT_ONCE).try_collect().await
}

fn automation(index: usize) -> Value {
    json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentAutomation", "metadata": {"name": name(index)}, "spec": {
        "repository": format!("acme/{}", name(index)), "branches": {"base": "main", "allow": ["main"]},
        "triggers": [{"name": "label", "issue": {"actions": ["labeled"], "labels": ["agent"]}}],
        "prompt": {"goal": "Look at {{ issue.title }}."}, "credentials": {"secretRef": {"name": "token"}},
    }})
}

async fn create(api: &Api<DynamicObject>, object: Value) -> Result<()> {
    api.create(&PostParams::default(), &serde_json::from_value(object)?)
        .await?;
    Ok(())
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn row(what: &str, value: &str) {
    println!("{what:<56} {value:>8}");
}
