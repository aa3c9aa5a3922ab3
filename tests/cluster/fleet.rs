//! A controller process at work: a control plane of its own, GitHub's stand-in, and teams with their objects.
//!
//! A controller acts on every namespace, so each [`Fleet`] has a control plane to itself. The controller is the program
//! itself, run as the ServiceAccount of `deploy/`, with short times; GitHub is the simulator over HTTP, in this process,
//! so that a test sees what it was asked and what it holds.

use std::{
    fs::{self, File, OpenOptions},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use agent_automation::{
    api::{
        AgentAutomation, AgentPolicy, AgentTask,
        automation::{AutomationSpec, AutomationStatus},
        task::{Phase, TaskStatus},
    },
    simulator::{Config, Limits, Repository, Script, SecondaryLimits, Simulator, Token, server},
};
use harness::control_plane::{ControlPlane, Options, stdout_of};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{eventually, within_deadline};

/// Times short enough for a test; later arguments of a test win over them.
const QUICK: &[&str] = &[
    "controller",
    "--metrics-address=127.0.0.1:0",
    "--log-format=json",
    "--lease-duration=2s",
    "--start-timeout=3s",
    "--visibility-window=1s",
    "--search-interval=200ms",
    "--github-write-interval=0s",
    "--poll-min=200ms",
    "--poll-max=1s",
    "--recheck-interval=300ms",
];

/// A control plane with `deploy/` in it, and GitHub.
pub struct Fleet {
    pub plane: ControlPlane,
    pub client: Client,
    pub github: Simulator,
    kubeconfig: PathBuf,
    pub url: String,
    serving: JoinHandle<()>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Fleet {
    pub async fn start() -> Self {
        let plane = ControlPlane::start(Options { controllers: &[] }).await.unwrap();
        let kubeconfig = plane.controller_kubeconfig().await.unwrap();
        let github = Simulator::new(Config::new(7, Arc::new(Timestamp::now)));
        github.set_default_script(Script::pull_request().with_delays(100, 300));
        github.set_limits(no_limits());
        let listener = server::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        github.set_base_url(&url);
        let simulator = github.clone();
        let serving = tokio::spawn(async move {
            server::serve(simulator, listener).await;
        });
        Self {
            client: plane.admin_client().await.unwrap(),
            plane,
            github,
            kubeconfig,
            url,
            serving,
        }
    }

    /// Runs a controller. Its log is appended to the file of that name in the control plane's folder.
    pub fn controller(&self, name: &str, arguments: &[&str]) -> Controller {
        self.controller_with_log(name, "info,agent_automation=debug", arguments)
    }

    /// The same, with another filter for its log.
    pub fn controller_with_log(&self, name: &str, filter: &str, arguments: &[&str]) -> Controller {
        let flag = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
        let given: Vec<_> = arguments.iter().map(|argument| flag(argument)).collect();
        let quick = QUICK.iter().filter(|argument| !given.contains(&flag(argument)));
        let url = format!("--github-api-url={}", self.url);
        let all: Vec<_> = quick.chain(arguments).copied().chain([url.as_str()]).collect();
        self.program(name, filter, &all)
    }

    /// Runs the program with these arguments.
    pub fn program(&self, name: &str, filter: &str, arguments: &[&str]) -> Controller {
        let log = self.plane.folder().join(format!("{name}.log"));
        let offset = fs::metadata(&log).map_or(0, |file| file.len());
        let stderr = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_agent-automation"))
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("NO_PROXY", "127.0.0.1")
            .env("RUST_LOG", filter)
            .stdin(Stdio::null())
            .stdout(File::create("/dev/null").unwrap())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Controller { child, log, offset }
    }

    /// A team that may do its work: namespace, user, token in a Secret, repository, policy.
    pub async fn team(&self, prefix: &str) -> Team<'_> {
        let team = self.poor_team(prefix).await;
        team.put_secret("github-agent-token", "token", &team.token()).await;
        team.allow(json!({})).await;
        team
    }

    /// A team that has a repository and a user with a token, and in the cluster nothing but its namespace.
    pub async fn poor_team(&self, prefix: &str) -> Team<'_> {
        let namespace = self.plane.create_namespace(prefix).await.unwrap();
        self.resident(&namespace, &namespace)
    }

    /// The same in a namespace that is there already.
    pub fn resident(&self, namespace: &str, repository: &str) -> Team<'_> {
        let team = Team {
            fleet: self,
            namespace: namespace.to_owned(),
            repository: format!("acme/{repository}"),
        };
        self.github.add_user(namespace, 0);
        self.github.add_token(Token::new(&team.token(), namespace)).unwrap();
        self.github.add_repository(Repository::new(&team.repository)).unwrap();
        team
    }

    pub async fn tasks(&self) -> Vec<AgentTask> {
        list(&Api::all(self.client.clone())).await
    }

    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        stdout_of(&self.plane.kubectl(arguments).await.unwrap()).unwrap()
    }
}

fn no_limits() -> Limits {
    Limits {
        primary: 1_000_000,
        secondary: SecondaryLimits {
            content_per_minute: None,
            content_per_hour: None,
            points_per_minute: None,
        },
        ..Limits::default()
    }
}

/// A running controller; dropping it kills it.
pub struct Controller {
    child: Child,
    log: PathBuf,
    offset: u64,
}

impl Drop for Controller {
    /// The log goes with the control plane; a failing test shows its end.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

impl Controller {
    /// What it has written to standard error.
    pub fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap();
        String::from_utf8_lossy(&all[usize::try_from(self.offset).unwrap()..]).into_owned()
    }

    /// Its log lines with this message.
    pub fn said(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["fields"]["message"] == message).collect()
    }

    pub async fn leads(&self) {
        eventually("the controller leads", async || !self.said("leading").is_empty()).await;
    }

    pub async fn metrics(&self) -> String {
        self.get("metrics").await.1
    }

    /// Whether it says that it is of use.
    pub async fn is_ready(&self) -> bool {
        self.get("readyz").await.0 == 200
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let address = self.address("serving /metrics, /healthz and /readyz").await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("http://{address}/{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The address of which it says this in its log.
    pub async fn address(&self, message: &str) -> String {
        eventually(message, async || !self.said(message).is_empty()).await;
        self.said(message)[0]["fields"]["address"].as_str().unwrap().to_owned()
    }

    /// The value of one metric, 0 when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    pub fn signal(&self, signal: &str) {
        let process = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([signal, &process]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it without warning.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        within_deadline(async || self.child.try_wait().unwrap()).await.unwrap()
    }
}

/// Who owns a namespace.
pub struct Team<'a> {
    fleet: &'a Fleet,
    pub namespace: String,
    pub repository: String,
}

impl Team<'_> {
    pub fn token(&self) -> String {
        format!("ghp_{}", self.namespace)
    }

    pub fn automations(&self) -> Api<AgentAutomation> {
        Api::namespaced(self.fleet.client.clone(), &self.namespace)
    }

    pub fn task_api(&self) -> Api<AgentTask> {
        Api::namespaced(self.fleet.client.clone(), &self.namespace)
    }

    /// Creates the Secret, or replaces what is in it.
    pub async fn put_secret(&self, name: &str, key: &str, token: &str) {
        let secrets: Api<Secret> = Api::namespaced(self.fleet.client.clone(), &self.namespace);
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: token}});
        let params = PatchParams::apply("team").force();
        secrets.patch(name, &params, &Patch::Apply(&secret)).await.unwrap();
    }

    /// Creates the team's policy, or changes these fields of it.
    pub async fn allow(&self, change: Value) {
        let policies: Api<AgentPolicy> = Api::all(self.fleet.client.clone());
        if policies.get_opt(&self.namespace).await.unwrap().is_none() {
            let spec = json!({
                "namespaces": [self.namespace], "repositories": ["acme/*"], "baseBranches": ["*"], "triggers": ["Schedule"], "models": ["*"],
            "customAgents": ["*"], "credentials": ["*"], "startPolicies": ["AtMostOnce", "AtLeastOnce"],
            });
            let policy = AgentPolicy::new(&self.namespace, serde_json::from_value(spec).unwrap());
            policies.create(&PostParams::default(), &policy).await.unwrap();
        }
        let change = Patch::Merge(json!({"spec": change}));
        policies
            .patch(&self.namespace, &PatchParams::default(), &change)
            .await
            .unwrap();
    }

    /// Creates an automation that fires at these times, with these changes to a plain spec.
    pub async fn automate(&self, name: &str, cron: &str, change: impl FnOnce(&mut AutomationSpec)) -> AgentAutomation {
        let spec = json!({
            "repository": self.repository,
            "branches": {"base": "main", "allow": ["main"]},
            "triggers": [{"name": "tick", "schedule": {"cron": cron}}],
            "prompt": {"goal": "Update the dependencies that have a patch release."},
            "concurrency": {"maxActive": 100},
            "credentials": {"secretRef": {"name": "github-agent-token"}},
            "historyLimits": {"succeeded": 100, "failed": 100},
        });
        let mut spec: AutomationSpec = serde_json::from_value(spec).unwrap();
        change(&mut spec);
        let automation = AgentAutomation::new(name, spec);
        self.automations()
            .create(&PostParams::default(), &automation)
            .await
            .unwrap()
    }

    pub async fn change(&self, name: &str, spec: Value) {
        let change = Patch::Merge(json!({"spec": spec}));
        self.automations()
            .patch(name, &PatchParams::default(), &change)
            .await
            .unwrap();
    }

    pub async fn status(&self, name: &str) -> AutomationStatus {
        self.automations().get(name).await.unwrap().status.unwrap_or_default()
    }

    /// `Ready` as `status reason: message`.
    pub async fn ready(&self, name: &str) -> String {
        let automation = self.automations().get(name).await.unwrap();
        let generation = automation.metadata.generation;
        let conditions = automation.status.unwrap_or_default().conditions;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        ready
            .filter(|ready| ready.observed_generation == generation)
            .map_or_else(String::new, |ready| {
                format!("{} {}: {}", ready.status, ready.reason, ready.message)
            })
    }

    /// Waits until `Ready` begins so and has these in its message.
    pub async fn eventually_ready(&self, name: &str, begins: &str, names: &[&str]) {
        let is_so = |ready: &str| ready.starts_with(begins) && names.iter().all(|part| ready.contains(part));
        let seen = within_deadline(async || is_so(&self.ready(name).await).then_some(())).await;
        if seen.is_none() {
            let ready = self.ready(name).await;
            panic!(
                "{name} in {} is not {begins:?} with {names:?} but {ready:?}",
                self.namespace
            );
        }
    }

    /// The tasks of an automation, oldest first.
    pub async fn tasks(&self, automation: &str) -> Vec<AgentTask> {
        let mut tasks = list(&self.task_api()).await;
        tasks.retain(|task: &AgentTask| task.spec.automation.name == automation);
        tasks.sort_by_key(|task| task.spec.trigger.scheduled_time);
        tasks
    }

    /// Waits until a task of an automation is so; gives the oldest that is.
    pub async fn eventually_task(&self, automation: &str, what: &str, so: impl Fn(&TaskStatus) -> bool) -> AgentTask {
        let status_is_so = |task: &AgentTask| task.status.as_ref().is_some_and(&so);
        let found = within_deadline(async || self.tasks(automation).await.into_iter().find(status_is_so)).await;
        if let Some(found) = found {
            return found;
        }
        let seen: Vec<_> = self.tasks(automation).await.iter().map(say).collect();
        panic!("no task of {automation} in {} is {what}: {seen:#?}", self.namespace);
    }

    pub async fn eventually_phase(&self, automation: &str, phase: Phase) -> AgentTask {
        self.eventually_task(automation, phase.as_str(), |status| status.phase == phase)
            .await
    }
}

/// A task in a line, for messages.
pub fn say(task: &AgentTask) -> String {
    let status = task.status.clone().unwrap_or_default();
    let reason = status.reason.map_or("", |reason| reason.as_str());
    let message = status.message.unwrap_or_default();
    format!("{} {} {reason}: {message}", task.name_any(), status.phase.as_str())
}

async fn list<K: kube::Resource + Clone + DeserializeOwned + std::fmt::Debug>(api: &Api<K>) -> Vec<K> {
    api.list(&ListParams::default()).await.unwrap().items
}
