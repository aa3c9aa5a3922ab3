//! Rooms: an automation with a task that waits, and where a policy is walked a policy of its own; and what is to be seen
//! of them.
//!
//! Everything in a room has one name, so that two rooms can be compared by leaving it out. The policy `gate` requires a
//! guardrail that no repository has: that is the last thing a start is held for, so a task gets past all the rest,
//! is made anew where the automation's spec changed, and then waits.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask, policy::PolicySpec};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    runtime::watcher,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The policy that holds for every room.
pub const GATE: &str = "gate";

/// An automation, its tasks and perhaps a policy, all of one name.
pub struct Room {
    pub name: String,
    pub namespace: String,
    client: Client,
    /// The generation of its policy that the API server gave last.
    policy: AtomicI64,
    /// So many tasks were made by hand.
    made: AtomicI64,
}

/// What a person writes in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Automation,
    Policy,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automation => "AgentAutomation",
            Self::Policy => "AgentPolicy",
        }
    }

    fn resource(self) -> ApiResource {
        match self {
            Self::Automation => ApiResource::erase::<AgentAutomation>(&()),
            Self::Policy => ApiResource::erase::<AgentPolicy>(&()),
        }
    }
}

/// What the API server made of a spec.
pub struct Written {
    pub generation: i64,
    pub spec: Value,
}

impl Room {
    pub fn new(client: &Client, name: &str, namespace: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            client: client.clone(),
            policy: AtomicI64::new(0),
            made: AtomicI64::new(0),
        }
    }

    /// An automation as a team writes it.
    pub fn plain_automation(&self) -> Value {
        json!({
            "repository": format!("acme/{}", self.name),
            "branches": {"base": "main", "allow": ["main"]},
            "triggers": [{"name": "tick", "schedule": {"cron": "0 0 29 2 *"}}],
            "prompt": {"goal": "Update the dependencies."},
            "credentials": {"secretRef": {"name": "github-agent-token"}},
        })
    }

    /// An automation that asks for more than some policies allow.
    pub fn asking_automation(&self) -> Value {
        let mut spec = self.plain_automation();
        spec["concurrency"] = json!({"maxActive": 3});
        spec["priority"] = json!(5);
        spec["retry"] = json!({"limit": 2});
        spec["activeDeadlineSeconds"] = json!(7_200);
        spec["waitingDeadlineSeconds"] = json!(7_200);
        spec["maxOpenPullRequests"] = json!(3);
        spec["triggers"][0]["schedule"]["startingDeadlineSeconds"] = json!(7_200);
        spec
    }

    /// A policy that allows all that automations ask for.
    pub fn plain_policy(&self) -> Value {
        json!({
            "namespaces": [self.namespace], "repositories": ["acme/*"], "baseBranches": ["*"],
            "triggers": ["Schedule"], "models": ["*"], "customAgents": ["*"], "credentials": ["*"],
            "startPolicies": ["AtMostOnce", "AtLeastOnce"],
        })
    }

    /// Creates the room's automation or policy.
    pub async fn create(&self, kind: Kind, spec: &Value) -> Written {
        let mut object = DynamicObject::new(&self.name, &kind.resource());
        object.data = json!({"spec": spec});
        let made = self.api(kind).create(&PostParams::default(), &object).await;
        let made = made.unwrap_or_else(|error| panic!("{} {} with {spec}: {error}", kind.as_str(), self.name));
        self.written(kind, &made)
    }

    /// Replaces the whole spec, or says why the API server would not.
    pub async fn put(&self, kind: Kind, spec: &Value) -> Result<Written, String> {
        let kind_url = match kind {
            Kind::Automation => AgentAutomation::url_path(&(), Some(&self.namespace)),
            Kind::Policy => AgentPolicy::url_path(&(), None),
        };
        let patch = json!([{"op": "replace", "path": "/spec", "value": spec}]);
        let request = http::Request::patch(format!("{kind_url}/{}", self.name))
            .header(http::header::CONTENT_TYPE, "application/json-patch+json")
            .body(serde_json::to_vec(&patch).unwrap())
            .unwrap();
        match self.client.request::<DynamicObject>(request).await {
            Ok(object) => Ok(self.written(kind, &object)),
            Err(kube::Error::Api(status)) => Err(status.message),
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    fn by_hand(&self, number: i64) -> String {
        format!("{}-hand-{number}", self.name)
    }

    fn written(&self, kind: Kind, object: &DynamicObject) -> Written {
        let generation = object.metadata.generation.unwrap();
        if kind == Kind::Policy {
            self.policy.store(generation, Ordering::Relaxed);
        }
        Written {
            generation,
            spec: object.data["spec"].clone(),
        }
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        match kind {
            Kind::Automation => Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource()),
            Kind::Policy => Api::all_with(self.client.clone(), &kind.resource()),
        }
    }

    /// Makes a task as a person would who runs the automation by hand: what was decided when its spec was still plain, for
    /// a time that no schedule has.
    pub async fn run_by_hand(&self) {
        let automations: Api<AgentAutomation> = Api::namespaced(self.client.clone(), &self.namespace);
        let uid = automations.get(&self.name).await.unwrap().uid();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let time = scheduled_times() + SignedDuration::from_secs(number);
        let task = json!({
            "apiVersion": "agentautomation.dev/v1alpha1",
            "kind": "AgentTask",
            "metadata": {"name": self.by_hand(number)},
            "spec": {
                "automation": {"name": self.name, "uid": uid, "generation": 0},
                "trigger": {"name": "tick", "kind": "Schedule", "scheduledTime": time.to_string()},
                "repository": format!("acme/{}", self.name),
                "baseBranch": "main",
                "prompt": "Update the dependencies, by hand.",
                "templateDigest": "by hand",
                "secretRef": {"name": "github-agent-token"},
            },
        });
        let tasks: Api<DynamicObject> = Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &ApiResource::erase::<AgentTask>(&()),
        );
        let task = serde_json::from_value(task).unwrap();
        tasks.create(&PostParams::default(), &task).await.unwrap();
    }
}

/// Far enough off that no deadline passes meanwhile.
fn scheduled_times() -> Timestamp {
    "2035-01-01T00:00:00Z".parse().unwrap()
}

/// Creates the policy that lets everything pass and nothing start.
pub async fn close_the_gate(client: &Client) {
    let spec = json!({
        "namespaces": ["desk-*"], "repositories": ["**"], "baseBranches": ["**"], "triggers": ["Schedule"],
        "models": ["**"], "customAgents": ["**"], "credentials": ["**"], "credentialUse": ["Failover", "Spread"],
        "startPolicies": ["AtMostOnce", "AtLeastOnce"], "maxActivePerAutomation": 5, "maxPriority": 10, "maxRetries": 3, "maxActiveDeadlineSeconds": 10_000,
        "maxOpenPullRequestsPerAutomation": 5, "guardrails": {"approvals": 2},
    });
    let spec: PolicySpec = serde_json::from_value(spec).unwrap();
    let policies: Api<AgentPolicy> = Api::all(client.clone());
    policies
        .create(&PostParams::default(), &AgentPolicy::new(GATE, spec))
        .await
        .unwrap();
}

/// Asks for no guardrail any more.
pub async fn open_the_gate(client: &Client) {
    let policies: Api<AgentPolicy> = Api::all(client.clone());
    let change = Patch::Merge(json!({"spec": {"guardrails": null}}));
    policies.patch(GATE, &PatchParams::default(), &change).await.unwrap();
}

/// All automations and tasks as the API server tells of them, by the automation's name.
#[derive(Clone, Default)]
pub struct Mirror {
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
}

#[derive(Default)]
struct Seen {
    automation: Option<DynamicObject>,
    tasks: BTreeMap<String, DynamicObject>,
}

/// Follows the API server until it is dropped.
pub struct Watching(Vec<JoinHandle<()>>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Mirror {
    pub fn watch(&self, client: &Client) -> Watching {
        Watching(vec![
            self.follow(client, &ApiResource::erase::<AgentAutomation>(&()), |seen, object| {
                seen.automation = Some(object);
            }),
            self.follow(client, &ApiResource::erase::<AgentTask>(&()), |seen, object| {
                seen.tasks.insert(object.name_any(), object);
            }),
        ])
    }

    fn follow(&self, client: &Client, resource: &ApiResource, put: fn(&mut Seen, DynamicObject)) -> JoinHandle<()> {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
        let mirror = self.clone();
        tokio::spawn(async move {
            let events = watcher(api, watcher::Config::default()).map_ok(|event| match event {
                watcher::Event::Apply(object) | watcher::Event::InitApply(object) => Some(object),
                watcher::Event::Delete(_) | watcher::Event::Init | watcher::Event::InitDone => None,
            });
            let mut events = events.boxed();
            while let Some(event) = events.next().await {
                let Ok(Some(object)) = event else { continue };
                let of_task = object.data["spec"]["automation"]["name"].as_str();
                let name = of_task.map_or_else(|| object.name_any(), str::to_owned);
                put(mirror.seen.lock().unwrap().entry(name).or_default(), object);
            }
        })
    }

    /// Whether all tasks of a room have ended, the one that was made last among them.
    pub fn has_ended(&self, room: &Room) -> bool {
        let tasks = self.tasks(room);
        let last = room.by_hand(room.made.load(Ordering::Relaxed) - 1);
        let ended = |task: &DynamicObject| task.data["status"]["endedAt"].is_string();
        tasks.iter().any(|task| task.name_any() == last) && tasks.iter().all(ended)
    }

    /// The task of a room that has succeeded.
    pub fn succeeded(&self, room: &Room) -> Option<Value> {
        let mut tasks = self.tasks(room).into_iter().map(|task| task.data);
        tasks.find(|task| task["status"]["phase"] == json!("Succeeded"))
    }

    /// The same, for who asks often: GitHub's stand-in is in this process.
    pub fn has_succeeded(&self, room: &Room) -> bool {
        let seen = self.seen.lock().unwrap();
        let mut tasks = seen.get(&room.name).into_iter().flat_map(|seen| seen.tasks.values());
        tasks.any(|task| task.data["status"]["phase"] == json!("Succeeded"))
    }

    /// The tasks of a room.
    pub fn tasks(&self, room: &Room) -> Vec<DynamicObject> {
        let seen = self.seen.lock().unwrap();
        seen.get(&room.name)
            .map(|seen| seen.tasks.values().cloned().collect())
            .unwrap_or_default()
    }

    /// What is to be seen of a room, without its names, times and generations; or why that is not settled.
    pub fn view(&self, room: &Room) -> Result<Value, String> {
        let seen = self.seen.lock().unwrap();
        let seen = seen.get(&room.name).ok_or("not seen yet")?;
        let automation = seen.automation.as_ref().ok_or("no automation")?;
        let mut view = of_automation(automation)?;
        view["task"] = of_task(room, automation, latest(&seen.tasks)?)?;
        Ok(anonymous(&view, room))
    }
}

fn of_automation(automation: &DynamicObject) -> Result<Value, String> {
    let (status, generation) = (&automation.data["status"], automation.metadata.generation);
    let observed = |told: &Value| told["observedGeneration"].as_i64();
    if observed(status) != generation {
        return Err(format!("generation {generation:?} is not observed: {status}"));
    }
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    if let Some(condition) = conditions.iter().find(|condition| observed(condition) != generation) {
        return Err(format!("a condition is of another generation: {condition}"));
    }
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let say = |condition: &Value| {
        let [kind, is, reason, message] = ["type", "status", "reason", "message"].map(|field| text(condition, field));
        format!("{kind}={is} {reason}: {message}")
    };
    let said: Vec<_> = conditions.iter().map(say).collect();
    if !said.iter().any(|condition| condition.starts_with("Reconciling=False")) {
        return Err(format!("still reconciling: {said:?}"));
    }
    Ok(json!({
        "conditions": said,
        "next": next(automation),
        "guardrails": status["guardrails"],
        "schedules": (!is_unread(&said)).then(|| triggers(status)),
        "missedRuns": status["missedRuns"],
        "active": status["active"],
        "budget": status["budget"],
        "failures": status["failures"]["inARow"],
        "rejected": status["rejectedCredential"]["secret"],
    }))
}

/// Whether the spec can't be read. Then what was decided before stays.
fn is_unread(conditions: &[String]) -> bool {
    let unread = ["InvalidSpec", "BranchNotAllowed", "InvalidSchedule", "InvalidTemplate"];
    let says = |reason| {
        conditions
            .iter()
            .any(|condition| condition.starts_with(&format!("Ready=False {reason}")))
    };
    unread.into_iter().any(says)
}

/// The triggers whose times are decided.
fn triggers(status: &Value) -> Vec<Value> {
    let schedules = status["schedules"].as_array().into_iter().flatten();
    schedules.map(|schedule| schedule["trigger"].clone()).collect()
}

/// When it fires next; since its creation, where that is what counts.
fn next(automation: &DynamicObject) -> Value {
    let next = &automation.data["status"]["nextScheduleTime"];
    let (Some(text), true) = (
        next.as_str(),
        automation.data["spec"]["triggers"].to_string().contains("@every"),
    ) else {
        return json!({"at": next});
    };
    let (at, created) = (
        text.parse::<Timestamp>().unwrap(),
        automation.creation_timestamp().unwrap().0,
    );
    json!({"after": at.duration_since(created).as_secs()})
}

/// The task that waits, or if none does the one that was decided last.
fn latest(tasks: &BTreeMap<String, DynamicObject>) -> Result<&DynamicObject, String> {
    let phase = |task: &DynamicObject| task.data["status"]["phase"].as_str().unwrap_or("Pending").to_owned();
    let waits = |task: &&DynamicObject| matches!(phase(task).as_str(), "Pending" | "Held");
    let waiting: Vec<_> = tasks.values().filter(waits).collect();
    match *waiting {
        [] => {
            let age = |task: &&DynamicObject| {
                let time = task.data["spec"]["trigger"]["scheduledTime"]
                    .as_str()
                    .unwrap_or_default();
                (time.to_owned(), task.data["spec"]["automation"]["generation"].as_i64())
            };
            tasks.values().max_by_key(age).ok_or_else(|| "no task".to_owned())
        }
        [task] if phase(task) == "Pending" => Err("its task is still pending".to_owned()),
        [task] => Ok(task),
        _ => {
            let said = waiting.iter().map(|task| {
                let (spec, status) = (&task.data["spec"], &task.data["status"]);
                format!(
                    "{} {} {} {}",
                    task.name_any(),
                    spec["follows"],
                    spec["automation"],
                    status["message"]
                )
            });
            Err(format!(
                "{} tasks wait: {}",
                waiting.len(),
                said.collect::<Vec<_>>().join("; ")
            ))
        }
    }
}

fn of_task(room: &Room, automation: &DynamicObject, task: &DynamicObject) -> Result<Value, String> {
    let status = &task.data["status"];
    let bound = &status["boundBy"];
    let current = match (bound["kind"].as_str(), bound["name"].as_str()) {
        (Some("AgentAutomation"), _) => automation.metadata.generation,
        (Some(_), Some(name)) if name == room.name => Some(room.policy.load(Ordering::Relaxed)),
        _ => bound["generation"].as_i64(),
    };
    if status["phase"] == json!("Held") && bound["generation"].as_i64() != current {
        return Err(format!(
            "what binds its task is of another generation than {current:?}: {bound}"
        ));
    }
    // What is held earlier, or is to be kept, waits as it was decided, whenever that was.
    let passes = bound["name"] == json!(GATE);
    let keeps = automation.data["spec"]["onSpecChange"] == json!("Keep");
    Ok(json!({
        "phase": status["phase"],
        "reason": status["reason"],
        "message": status["message"],
        "boundBy": [bound["kind"], bound["name"], bound["rule"]],
        "notBefore": status["notBefore"].is_string(),
        "spec": (passes && !keeps).then(|| snapshot(task)),
    }))
}

/// What was decided, without when and from what.
fn snapshot(task: &DynamicObject) -> Value {
    let mut spec = task.data["spec"].clone();
    let fields = spec.as_object_mut().unwrap();
    let deadline = fields.remove("startBefore");
    for of_its_own in ["automation", "trigger", "follows", "policies"] {
        fields.remove(of_its_own);
    }
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let scheduled = time(&task.data["spec"]["trigger"]["scheduledTime"]);
    spec["deadline"] = json!(deadline.map(|deadline| time(&deadline).duration_since(scheduled).as_secs()));
    spec
}

/// Texts without what is only this room's.
fn anonymous(value: &Value, room: &Room) -> Value {
    match value {
        Value::String(text) => json!(without_names(text, room)),
        Value::Array(items) => items.iter().map(|item| anonymous(item, room)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let keeps = name == "at";
                (name.clone(), if keeps { value.clone() } else { anonymous(value, room) })
            })
            .collect(),
        other => other.clone(),
    }
}

fn without_names(text: &str, room: &Room) -> String {
    let text = text.replace(&room.namespace, "NAMESPACE").replace(&room.name, "ROOM");
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', ';', ':', '.']);
        if bare.parse::<Timestamp>().is_ok() {
            word.replace(bare, "TIME")
        } else if bare.starts_with("ROOM-") {
            word.replace(bare, "TASK")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
