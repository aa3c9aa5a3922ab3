//! `AgentAutomation`: what a team commits. It says when agent work is wanted, where, on which terms and with whose
//! credential; the controller answers in its status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::task::{Phase, PullRequest};

/// Coding-agent work that a team declares: when it is wanted, in which repository and on which branch, with which
/// prompt, how much of it at once, and with which credential.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "agentautomation.dev",
    version = "v1alpha1",
    kind = "AgentAutomation",
    namespaced,
    status = "AutomationStatus",
    derive = "PartialEq",
    shortname = "aauto",
    category = "agents",
    doc = "Coding-agent work that a team declares: when it is wanted, in which repository and on which branch, with which prompt, how much of it at once, and with which credential.",
    selectable = ".spec.repository",
    selectable = ".spec.suspend",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status", description = "Whether the automation can start tasks; the condition's message says what to do when it can't"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.active", description = "Tasks that count against the cap"),
    printcolumn(name = "Last", type_ = "string", json_path = ".status.lastPhase", description = "Phase of the newest task"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextScheduleTime", description = "When the next task is due"),
    printcolumn(name = "Repository", type_ = "string", json_path = ".spec.repository", priority = 1),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40").message("metadata.name is part of every task's name: write at most 40 characters"),
)]
#[serde(rename_all = "camelCase")]
pub struct AutomationSpec {
    /// The GitHub repository the agent works in, as `owner/name`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}$"))]
    #[x_kube(validation = Rule::new("!self.endsWith('.git') && !self.endsWith('/.') && !self.endsWith('/..')").message("write owner/name without .git, as in acme/payments-api"))]
    pub repository: String,

    /// The branch the agent starts from, and which branches that may be.
    pub branches: Branches,

    /// When a task is wanted. Each trigger has a name that becomes part of its tasks' names.
    #[schemars(length(min = 1, max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub triggers: Vec<Trigger>,

    /// What the agent is asked to do. The sections are rendered in a fixed layout; their texts are templates that see
    /// `automation` (`name`, `namespace`), `trigger` (`name`, `kind`), `repository` (`owner`, `name`) and
    /// `scheduledTime`. An undefined name is an error, not an empty text.
    pub prompt: Prompt,

    /// Which agent works on it; everything left out is GitHub's choice.
    #[serde(default)]
    pub agent: Agent,

    /// What is asked of the agent besides commits on a branch.
    #[serde(default)]
    pub pull_request: PullRequestRequest,

    /// How many tasks of this automation may be under way at once. Further ones wait as `Held`, in order of age.
    #[serde(default)]
    pub concurrency: Concurrency,

    /// The Secret with the GitHub token that the tasks are started with.
    pub credentials: Credentials,

    /// What happens when the answer to a start is lost and the task can't be found at GitHub: `AtMostOnce` parks it as
    /// `Unknown` for a person to decide; `AtLeastOnce` starts it again and so may start it twice.
    #[serde(default)]
    pub start_policy: StartPolicy,

    /// Stops the triggers and keeps waiting tasks from starting. What runs goes on: GitHub has no way to cancel it.
    #[serde(default)]
    pub suspend: bool,

    /// How many ended tasks are kept as objects.
    #[serde(default)]
    pub history_limits: HistoryLimits,
}

/// The branch the agent starts from, and which branches that may be.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Branches {
    /// The branch that the agent's work starts from and that its pull request is opened against.
    #[schemars(length(min = 1, max = 244))]
    pub base: String,
    /// Patterns of branches that `base` may name: `*` stands for any text without a slash, `**` for any text, `?` for
    /// one character. An empty or missing list allows nothing.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub allow: Vec<String>,
}

/// One reason for a task to be created.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.schedule)").message("say when the trigger fires: add schedule: {cron: \"0 6 * * MON\", timeZone: Europe/Berlin}"))]
pub struct Trigger {
    /// A short name, unique among the automation's triggers.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Fires at the times of a cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleTrigger>,
}

/// Fires at the times of a cron expression.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleTrigger {
    /// What CronJob accepts: five fields (minute, hour, day of month, month, day of week), or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`, or `@every 90m` counted from the automation's creation.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("!self.contains('TZ=')").message("write the time zone in timeZone, not as TZ= or CRON_TZ= inside the expression"))]
    pub cron: String,
    /// An IANA name such as `Europe/Berlin`. A wall time that a clock change skips runs when the gap ends; one that
    /// comes twice runs once.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// A task that could not start this many seconds after its time ends as `Expired`, and a time missed for longer is
    /// not made up for. Without it a task waits for as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub starting_deadline_seconds: Option<i32>,
    /// What is made up for after the controller was down or the automation suspended: the `Latest` missed time, `All`
    /// of them (at most 100), or none (`Skip`). What is not run is counted in `status.missedRuns`.
    #[serde(default)]
    pub missed_runs: MissedRuns,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What is made up for after times were missed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedRuns {
    /// Run once, for the newest missed time.
    #[default]
    Latest,
    /// Run for each missed time, at most 100.
    All,
    /// Run for none of them.
    Skip,
}

/// What the agent is asked to do, section by section.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// What is to be true when the agent has finished, in a sentence or two.
    #[schemars(length(min = 1, max = 16_384))]
    pub goal: String,
    /// What the agent must leave alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 1_024)))]
    pub non_goals: Vec<String>,
    /// Commands that must succeed before the agent says it has finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 1_024)))]
    pub validation: Vec<String>,
    /// What the pull request's title and body must hold, for those who review it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4_096))]
    pub pull_request: Option<String>,
}

/// Which agent works on it; everything left empty is GitHub's choice.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The model's name as GitHub lists it; empty means that GitHub chooses. The list changes over time, so a name is
    /// checked by GitHub at the start and not here.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub model: String,
    /// A custom agent of the repository: its file's name in `.github/agents/` without `.agent.md`. Empty means none.
    #[serde(default)]
    #[schemars(length(max = 100))]
    #[x_kube(validation = Rule::new("!self.endsWith('.agent.md') && !self.contains('/')").message("write the file's name alone, without its folder and without .agent.md"))]
    pub custom_agent: String,
}

/// What is asked of the agent besides commits on a branch.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PullRequestRequest {
    /// Whether the agent opens a pull request; without one its work is a branch.
    #[serde(default = "yes")]
    pub create: bool,
}

fn yes() -> bool {
    true
}

impl Default for PullRequestRequest {
    fn default() -> Self {
        Self { create: true }
    }
}

/// How many tasks may be under way at once.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    /// Tasks that may be under way at once: starting, running, or with an outcome that can't be told.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub max_active: i32,
}

fn one() -> i32 {
    1
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { max_active: 1 }
    }
}

/// Where the GitHub token is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// A Secret in the automation's namespace.
    pub secret_ref: SecretKeyRef,
}

/// A key of a Secret in the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds the token.
    #[serde(default = "token")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn token() -> String {
    "token".to_owned()
}

/// What a lost answer leads to when the task can't be found.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartPolicy {
    /// Park the task as `Unknown`; a person adopts an id or abandons it.
    #[default]
    AtMostOnce,
    /// Start it again, which may start it twice.
    AtLeastOnce,
}

/// How many ended tasks are kept as objects.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HistoryLimits {
    /// Tasks kept that succeeded.
    #[serde(default = "five")]
    #[schemars(range(min = 0, max = 100))]
    pub succeeded: i32,
    /// Tasks kept that ended in any other way.
    #[serde(default = "five")]
    #[schemars(range(min = 0, max = 100))]
    pub failed: i32,
}

fn five() -> i32 {
    5
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            succeeded: 5,
            failed: 5,
        }
    }
}

/// What the controller knows of an automation.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct AutomationStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling` and `Stalled`, as kstatus reads them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Tasks that count against the cap.
    pub active: i32,
    /// The tasks that count against the cap, oldest first; the first ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub active_tasks: Vec<TaskSummary>,
    /// The newest tasks that have ended, newest first; at most five.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent_tasks: Vec<TaskSummary>,
    /// Phase of the newest task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_phase: Option<Phase>,
    /// The newest scheduled time that has been decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Timestamp>,
    /// The next scheduled time of any trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Timestamp>,
    /// When a task last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Timestamp>,
    /// Where each schedule stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["trigger"]))]
    pub schedules: Vec<ScheduleStatus>,
    /// Scheduled times that were not run, over the automation's life.
    pub missed_runs: i64,
    /// Tasks that were collected from the history, and what they cost.
    pub collected: Collected,
    /// The Secret version that GitHub last refused, if any: it is not used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_credential: Option<RejectedCredential>,
    /// Tasks by how they ended, over the automation's life.
    pub counts: Counts,
    /// What the tasks cost, over the automation's life.
    pub usage: super::task::Usage,
}

/// Where one schedule stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// The trigger's name.
    pub trigger: String,
    /// Every time up to here has an object or is counted in `missedRuns`.
    pub decided_through: Timestamp,
    /// Ended tasks with a scheduled time up to here may have been collected: an object that appears for one of them is
    /// a late write, and is not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_through: Option<Timestamp>,
}

/// A task, in the few words that fit an automation's status.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TaskSummary {
    /// The `AgentTask`'s name.
    pub name: String,
    /// Its phase.
    pub phase: Phase,
    /// The task's id at GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The state of its newest session, in GitHub's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_state: Option<String>,
    /// The pull request's link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<String>,
    /// Why it ended as it did, where that needs saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<super::Reason>,
}

impl TaskSummary {
    /// The link of a task's pull request, if it has one.
    #[must_use]
    pub fn link(pull_request: Option<&PullRequest>) -> Option<String> {
        pull_request.and_then(|pull| pull.url.clone())
    }
}

/// What left with the tasks that history limits removed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Collected {
    /// Their counts.
    pub counts: Counts,
    /// Their cost.
    pub usage: super::task::Usage,
    /// Names of the tasks that are counted here and still to be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleting: Vec<String>,
}

/// Tasks by how they ended.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Ended well.
    pub succeeded: i64,
    /// Ended in failure, timed out or cancelled.
    pub failed: i64,
    /// Never started: denied, expired, skipped or superseded.
    pub not_started: i64,
}

/// A version of a Secret that GitHub refused.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RejectedCredential {
    /// The Secret's name.
    pub secret: String,
    /// The Secret's `resourceVersion` at that time.
    pub resource_version: String,
}
