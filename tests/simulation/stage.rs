//! A cluster and a GitHub on paused time, controllers that live and die on it, and what must be true of it at each instant.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_automation::api::automation::StartPolicy;
use agent_automation::api::trigger::MissedRuns;
use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask, definitions};
use agent_automation::controller::Controller;
use agent_automation::controller::lease::Terms;
use agent_automation::controller::metrics::Metrics;
use agent_automation::github::{BaseUrl, Client as GitHub};
use agent_automation::plan::Settings;
use agent_automation::simulator::{Config, Limits, Repository, Script, Simulator, Token};
use harness::memory::{Connection, Definition, Garbage, MemoryApiServer, Namespaces, Options};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::invariants::Watcher;
use crate::network::Network;
use crate::receiver::Receiver;

/// The token that must be found nowhere but in its Secret.
pub const TOKEN: &str = "github_pat_canary_7f3a";
pub const NAMESPACE: &str = "payments";
pub const REPOSITORY: &str = "acme/payments-api";

/// Where everything happens.
pub struct Stage {
    pub server: MemoryApiServer,
    pub github: Simulator,
    /// Who is told of the ends of tasks.
    pub receiver: Receiver,
    pub start: Timestamp,
    pub watcher: Arc<Mutex<Watcher>>,
    /// The people's and the platform's own way to the API server.
    pub people: Connection,
    began: Instant,
    born: usize,
}

/// A controller process.
pub struct Process {
    pub network: Network,
    pub connection: Connection,
    pub metrics: Arc<Metrics>,
    /// Milliseconds by which its clock is ahead.
    pub skew: Arc<AtomicI64>,
    stop: watch::Sender<bool>,
    handle: JoinHandle<()>,
}

/// What is different from one automation to the next.
#[derive(Clone, Debug)]
pub struct Team {
    pub name: String,
    pub every: String,
    pub max_active: i32,
    pub start_policy: StartPolicy,
    pub missed_runs: MissedRuns,
    pub deadline: Option<i32>,
    pub history: i32,
    pub repository: String,
    /// Further fields of the spec.
    pub more: Value,
}

impl Team {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            every: "@every 1h".to_owned(),
            max_active: 1,
            start_policy: StartPolicy::AtMostOnce,
            missed_runs: MissedRuns::Latest,
            deadline: None,
            history: 5,
            repository: REPOSITORY.to_owned(),
            more: json!({}),
        }
    }
}

impl Stage {
    /// An empty cluster, and a GitHub with one user, one token and one repository. Tasks there take four seconds.
    pub fn new(seed: u64) -> Self {
        Self::ahead_of_github(seed, SignedDuration::ZERO)
    }

    /// The same with an API server whose clock is ahead of GitHub's.
    pub fn ahead_of_github(seed: u64, ahead: SignedDuration) -> Self {
        let start: Timestamp = "2026-11-22T06:00:00Z".parse().unwrap();
        let began = Instant::now();
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start + began.elapsed());
        let definitions = definitions()
            .iter()
            .map(|crd| Definition::from_crd(crd).unwrap())
            .collect();
        let server = MemoryApiServer::new(Options {
            clock: Arc::new(move || start + began.elapsed() + ahead),
            seed,
            definitions,
            namespaces: Namespaces::Lenient,
            garbage: Garbage::Immediate,
        });
        let github = Simulator::new(Config::new(seed, clock));
        github.add_user("octocat", 1);
        github.add_repository(Repository::new(REPOSITORY)).unwrap();
        github.add_token(Token::new(TOKEN, "octocat")).unwrap();
        github.set_limits(Limits::none());
        github.set_default_script(Script::pull_request().with_delays(1_000, 3_000));
        let watcher = Arc::new(Mutex::new(Watcher::new(github.clone())));
        let heard = watcher.clone();
        server.subscribe(move |write| heard.lock().unwrap().hear(write));
        Self {
            people: server.connect("people"),
            server,
            github,
            receiver: Receiver::default(),
            start,
            watcher,
            began,
            born: 0,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.start + self.began.elapsed()
    }

    pub async fn until(&self, offset: Duration) {
        tokio::time::sleep_until(self.began + offset).await;
    }

    /// Waits until nothing but the lease has been written for so long. (Invariant 5, when it returns.)
    pub async fn rest(&self, quiet: Duration) {
        let writes = || {
            self.server
                .history(0)
                .iter()
                .filter(|write| write.kind != "Lease")
                .count()
        };
        loop {
            let before = writes();
            tokio::time::sleep(quiet).await;
            if writes() == before {
                return;
            }
        }
    }

    pub async fn policy(&self, max_active: Option<i32>) {
        self.policy_with(json!({ "maxActive": max_active })).await;
    }

    /// A policy that allows what the teams ask for, and further fields of its spec.
    pub async fn policy_with(&self, more: Value) {
        let mut spec = json!({
            "namespaces": [NAMESPACE],
            "repositories": ["acme/*"],
            "baseBranches": ["main"],
            "triggers": ["Schedule"],
            "models": ["*"],
            "customAgents": ["*"],
            "credentials": ["github-agent-token"],
            "startPolicies": ["AtMostOnce", "AtLeastOnce"],
        });
        merge(&mut spec, &more);
        let api: Api<AgentPolicy> = Api::all(self.people.client());
        let policy = AgentPolicy::new("default", serde_json::from_value(spec).unwrap());
        api.create(&PostParams::default(), &policy).await.unwrap();
    }

    /// Changes the policy, as a platform team does.
    pub async fn change_policy(&self, change: Value) {
        let api: Api<AgentPolicy> = Api::all(self.people.client());
        let patch = Patch::Merge(json!({ "spec": change }));
        api.patch("default", &PatchParams::default(), &patch).await.unwrap();
    }

    /// Changes an automation, as its team does.
    pub async fn change_automation(&self, name: &str, change: Value) {
        let api: Api<AgentAutomation> = Api::namespaced(self.people.client(), NAMESPACE);
        let patch = Patch::Merge(json!({ "spec": change }));
        api.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn annotate_task(&self, name: &str, key: &str, value: &str) {
        let api: Api<AgentTask> = Api::namespaced(self.people.client(), NAMESPACE);
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        api.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Makes a task by hand.
    pub async fn ask(&self, name: &str, spec: Value) {
        let api: Api<AgentTask> = Api::namespaced(self.people.client(), NAMESPACE);
        let task = AgentTask::new(name, serde_json::from_value(spec).unwrap());
        api.create(&PostParams::default(), &task).await.unwrap();
    }

    pub async fn delete_task(&self, name: &str) {
        let api: Api<AgentTask> = Api::namespaced(self.people.client(), NAMESPACE);
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub async fn replace_token(&self, token: &str) {
        self.change_secret("github-agent-token", "token", token).await;
    }

    pub async fn change_secret(&self, name: &str, key: &str, value: &str) {
        let api: Api<Secret> = Api::namespaced(self.people.client(), NAMESPACE);
        let patch = Patch::Merge(json!({"data": {key: ByteString(value.as_bytes().to_vec())}}));
        api.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// The token that is in the Secret.
    pub fn token(&self) -> String {
        let secrets = self.server.objects("Secret");
        let secret: Secret = serde_json::from_value((**secrets[0]).clone()).unwrap();
        String::from_utf8(secret.data.unwrap()["token"].0.clone()).unwrap()
    }

    pub async fn secret(&self) {
        self.secret_of("github-agent-token", "token", TOKEN).await;
    }

    /// A Secret with one key.
    pub async fn secret_of(&self, name: &str, key: &str, value: &str) {
        let api: Api<Secret> = Api::namespaced(self.people.client(), NAMESPACE);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(
                key.to_owned(),
                ByteString(value.as_bytes().to_vec()),
            )])),
            ..Secret::default()
        };
        api.create(&PostParams::default(), &secret).await.unwrap();
    }

    pub async fn automation(&self, team: &Team) -> AgentAutomation {
        let api: Api<AgentAutomation> = Api::namespaced(self.people.client(), NAMESPACE);
        let made = api.create(&PostParams::default(), &automation(team)).await.unwrap();
        self.watcher
            .lock()
            .unwrap()
            .teams
            .insert(team.name.clone(), team.clone());
        made
    }

    /// A new controller process.
    pub fn process(&mut self, network: Network) -> Process {
        self.born += 1;
        let identity = format!("controller-{}", self.born);
        let connection = self.server.connect(&identity);
        let client = kube::Client::new(network.api_server(connection.service()), "default");
        let skew = Arc::new(AtomicI64::new(0));
        let (start, began, ahead) = (self.start, self.began, skew.clone());
        let metrics = Arc::new(Metrics::default());
        let controller = Controller {
            client,
            github: GitHub::new(
                network.github(self.github.clone()),
                BaseUrl::parse("https://api.github.com").unwrap(),
            ),
            receivers: network.receivers(self.receiver.clone()),
            clock: Arc::new(move || {
                start + began.elapsed() + SignedDuration::from_millis(ahead.load(Ordering::Relaxed))
            }),
            settings: settings(),
            lease: Terms {
                namespace: "agent-automation-system".to_owned(),
                name: "agent-automation".to_owned(),
                duration: Duration::from_secs(15),
            },
            identity,
            metrics: metrics.clone(),
        };
        let (stop, shutdown) = watch::channel(false);
        Process {
            network,
            connection,
            metrics,
            skew,
            stop,
            handle: tokio::spawn(controller.run(shutdown)),
        }
    }

    /// The tasks as the API server has them.
    pub fn tasks(&self) -> Vec<AgentTask> {
        let objects = self.server.objects("AgentTask");
        objects
            .iter()
            .map(|object| serde_json::from_value((***object).clone()).unwrap())
            .collect()
    }

    pub fn automations(&self) -> Vec<AgentAutomation> {
        let objects = self.server.objects("AgentAutomation");
        objects
            .iter()
            .map(|object| serde_json::from_value((***object).clone()).unwrap())
            .collect()
    }

    /// Writes but those of leases, as one line each: what a run did.
    pub fn trace(&self) -> Vec<String> {
        let writes = self.server.history(0);
        let told = writes
            .iter()
            .filter(|write| !matches!(write.kind.as_str(), "Lease" | "Event"));
        told.map(|write| {
            let phase = write
                .after
                .as_ref()
                .and_then(|object| object.get("status")?.get("phase").cloned());
            format!(
                "{} {} {:?} {} {} {:?}",
                write.at, write.actor, write.verb, write.kind, write.name, phase
            )
        })
        .collect()
    }
}

impl Process {
    /// It is gone at once, whatever it was doing.
    pub fn kill(self) {
        self.network.cut();
        self.handle.abort();
    }

    /// It is asked to stop, and does.
    pub async fn terminate(self) {
        self.stop.send_replace(true);
        self.handle.await.unwrap();
    }

    /// It has ended, which it never does by itself.
    pub fn has_ended(&self) -> bool {
        self.handle.is_finished()
    }
}

/// Quick polls keep runs short.
fn settings() -> Settings {
    Settings {
        poll_min: SignedDuration::from_secs(2),
        poll_max: SignedDuration::from_secs(10),
        pull_poll_min: SignedDuration::from_secs(10),
        pull_poll_max: SignedDuration::from_secs(60),
        ..Settings::default()
    }
}

fn automation(team: &Team) -> AgentAutomation {
    let mut spec = json!({
        "repository": team.repository,
        "branches": {"base": "main", "allow": ["main"]},
        "triggers": [{"name": "tick", "schedule": {
            "cron": team.every,
            "timeZone": "UTC",
            "startingDeadlineSeconds": team.deadline,
            "missedRuns": team.missed_runs,
        }}],
        "prompt": {"goal": "Update {{ repository.name }}."},
        "concurrency": {"maxActive": team.max_active},
        "credentials": {"secretRef": {"name": "github-agent-token", "key": "token"}},
        "startPolicy": team.start_policy,
        "historyLimits": {"succeeded": team.history, "failed": team.history},
    });
    merge(&mut spec, &team.more);
    AgentAutomation::new(&team.name, serde_json::from_value(spec).unwrap())
}

/// Fields of `more` come in place of those of `value`.
pub fn merge(value: &mut Value, more: &Value) {
    match (value, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, more) in more {
                merge(fields.entry(name.clone()).or_insert(Value::Null), more);
            }
        }
        (value, more) => *value = more.clone(),
    }
}

/// Runs one play on a runtime of its own: one thread, paused time.
pub fn alone<T>(play: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(play)
}
