//! `AgentAutomation`: what a team commits. It says when agent work is wanted, where, on which terms and with whose
//! credential; the controller answers in its status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reason;
use super::interval::Interval;
use super::notify::Notify;
use super::task::Phase;
use super::trigger::{Association, Trigger};

/// On an automation that stopped itself: any value that it did not have before resumes it.
pub const RESUME_ANNOTATION: &str = "agentautomation.dev/resume";
/// On an automation: why a person suspended it.
pub const SUSPENDED_FOR_ANNOTATION: &str = "agentautomation.dev/suspended-for";
/// On an automation: the user who suspended it, or who let it go on. Admission sees to it that nobody writes another's name.
pub const SUSPENDED_BY_ANNOTATION: &str = "agentautomation.dev/suspended-by";
pub const RESUMED_BY_ANNOTATION: &str = "agentautomation.dev/resumed-by";

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
    printcolumn(name = "PRs", type_ = "integer", json_path = ".status.pullRequests.open", priority = 1, description = "Open pull requests"),
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

    /// What whoever asks for a task may say. A task that says something else, or something wrong, is denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub inputs: Vec<Input>,

    /// Who has to approve each task before it starts. Policies may require others as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<RequireApproval>,

    /// What the agent is asked to do. The sections are rendered in a fixed layout; their texts are templates that see
    /// `automation` (`name`, `namespace`), `trigger` (`name`, `kind`), `repository` (`owner`, `name`), `scheduledTime` (for a
    /// person's task when it was made), `requester` and `inputs`. An undefined name is an error, not an empty text.
    pub prompt: Prompt,

    /// Which agent works on it; everything left out is GitHub's choice.
    #[serde(default)]
    pub agent: Agent,

    /// What is asked of the agent besides commits on a branch.
    #[x_kube(validation = Rule::new("self.create || !has(self.labels) && !has(self.reviewers)").message("without a pull request there is nothing to label or to review: leave out labels and reviewers, or set create to true"))]
    #[serde(default)]
    pub pull_request: PullRequestRequest,

    /// What is said of each task where it came from. For triggers `issue` and `pullRequest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,

    /// Who is told of the ends of tasks: a ticket system, a chat, a script. What can't be delivered is tried again, and given
    /// up in the end; `status.deadLetters` counts those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub notify: Vec<Notify>,

    /// How many tasks of this automation may be under way at once, and what becomes of further ones.
    #[serde(default)]
    pub concurrency: Concurrency,

    /// Tasks with a higher one start first; among equals the automations take turns, and each starts its oldest. Policies
    /// may cap it. Default: 0.
    #[serde(default)]
    #[schemars(range(min = -1_000, max = 1_000))]
    pub priority: i32,

    /// What counts as work that is already under way. Without it every trigger makes a task of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplicate: Option<Deduplicate>,

    /// What becomes of a task that still waits when this spec changes: it is made anew from the new spec, or stays as
    /// it was decided. Default: `Rebuild`.
    #[serde(default)]
    pub on_spec_change: OnSpecChange,

    /// What becomes of a task that ended in failure. Without it nothing is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,

    /// After this many ends in failure without a success between them the automation stops itself, until its spec
    /// changes or the annotation `agentautomation.dev/resume` is set to another value. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: i32,

    /// A task that has not ended this many seconds after its start becomes `TimedOut`. GitHub has no way to stop it, so it
    /// may go on there, and counts against caps until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub active_deadline_seconds: Option<i32>,

    /// A task whose agent has waited for a person's answer this many seconds becomes `TimedOut`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub waiting_deadline_seconds: Option<i32>,

    /// What this automation may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,

    /// Open pull requests of this automation past which nothing starts, so that those who review keep up. What works on one
    /// that is open adds none, and starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_open_pull_requests: Option<i32>,

    /// What becomes of a pull request that nobody deals with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_pull_request: Option<StalePullRequest>,

    /// The Secrets with the GitHub tokens that the tasks are started with.
    pub credentials: Credentials,

    /// What happens when the answer to a start is lost and the task can't be found at GitHub: `AtMostOnce` parks it as
    /// `Unknown` for a person to decide; `AtLeastOnce` starts it again and so may start it twice. Default:
    /// `AtMostOnce`.
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

/// Something that whoever asks for a task may say, and the prompt sees as `inputs.NAME`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Its name.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1_024))]
    pub description: String,
    /// Whether it has to be given. A schedule gives none, so its tasks need a default.
    #[serde(default)]
    pub required: bool,
    /// What it is where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_024))]
    pub default: Option<String>,
    /// A regular expression that the whole of it must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub pattern: Option<String>,
    /// All that it may be.
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 1_024)))]
    pub choices: Vec<String>,
}

/// Who has to approve a task before it starts, other than who asked for it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.users) && size(self.users) > 0) || (has(self.groups) && size(self.groups) > 0)").message("name those who may approve: users, or groups"))]
pub struct RequireApproval {
    /// Names of users, as the API server knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub users: Vec<String>,
    /// Groups any of whose members may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub groups: Vec<String>,
}

/// What the agent is asked to do, section by section. Each text is a template that sees `automation` (`name`, `namespace`),
/// `trigger` (`name`, `kind`), `repository` (`owner`, `name`), `scheduledTime`, `requester`, `inputs` and `subject` (`#` and the
/// number of the issue or pull request, else nothing); where something happened at GitHub also `sender`, `comment` (`body`,
/// `author`) and `issue` or `pullRequest` (`number`, `url`, `author`, `title`, `body`, `labels`, and of a
/// pull request `head` and `base`, which are empty where a comment asked for it: GitHub's event of a comment names no branches). An
/// undefined name is an error.
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
    /// Whether the agent opens a pull request; without one its work is a branch. Default: true.
    #[serde(default = "yes")]
    pub create: bool,
    /// Who is asked to review it once it exists.
    #[serde(default, skip_serializing_if = "Reviewers::is_empty")]
    pub reviewers: Reviewers,
    /// Labels that it gets once it exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 50)))]
    pub labels: Vec<String>,
}

/// What is said of a task on the issue or the pull request that it came from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether there is a comment for each task, edited in place as it goes on. The token needs "Issues: write", for pull
    /// requests "Pull requests: write".
    #[serde(default)]
    pub comment: bool,
    /// A label that is there for as long as the task waits or is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub label: Option<String>,
}

/// Who is asked for a review.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Reviewers {
    /// Logins of users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 15), inner(length(min = 1, max = 39)))]
    pub users: Vec<String>,
    /// Slugs of teams of the repository's organization.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 15), inner(length(min = 1, max = 100)))]
    pub teams: Vec<String>,
}

impl Reviewers {
    /// Whether nobody is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.teams.is_empty()
    }
}

fn yes() -> bool {
    true
}

impl Default for PullRequestRequest {
    fn default() -> Self {
        Self {
            create: true,
            reviewers: Reviewers::default(),
            labels: Vec::new(),
        }
    }
}

/// How many tasks may be under way at once.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    /// Tasks that may be under way at once: starting, running, or with an outcome that can't be told. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub max_active: i32,
    /// What becomes of a task that comes due while the cap is reached: it waits (`Queue`), it is not run (`Skip`), or
    /// it waits in place of those that waited before it (`KeepLatest`). Default: `Queue`.
    #[serde(default)]
    pub when_full: WhenFull,
    /// Tasks of this automation that may wait at once. What comes due beyond is counted in `status.missedRuns` and makes
    /// no object; what an event, a person or a retry asks for beyond is `Skipped`. Where the newest counts (`KeepLatest`,
    /// or `Replace` of duplicates), the oldest that wait are `Superseded` instead. Default: 100.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1_000))]
    pub max_queued: i32,
}

fn one() -> i32 {
    1
}

fn hundred() -> i32 {
    100
}

impl Default for Concurrency {
    fn default() -> Self {
        Self {
            max_active: one(),
            when_full: WhenFull::default(),
            max_queued: hundred(),
        }
    }
}

/// What becomes of a task that comes due while the automation's cap is reached.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits.
    #[default]
    Queue,
    /// It is not run.
    Skip,
    /// It waits, and those that waited before it are not run.
    KeepLatest,
}

/// What counts as work that is already under way.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.onDuplicate != 'Replace' || 'Queued' in self.__while__").message("only a task that waits gives its place away: add Queued to while, or leave out onDuplicate"))]
pub struct Deduplicate {
    /// A template with the prompt's names: two tasks of a namespace with the same key in the same repository are about
    /// the same. An open pull request that anyone gave the key as a label counts too.
    /// Default: `{{ automation.name }}{{ subject }}`.
    #[serde(default = "key_of_automation")]
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// When another task with the key is in the way. Default: `Queued`, `Active` and `PullRequestOpen`.
    #[serde(rename = "while", default = "while_any")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub during: Vec<DuplicateWhile>,
    /// Another task with the key is also in the way for this long after its start, as in `30m` or `1h30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Interval>,
    /// Which of the two gives way while the other still waits. Default: `Skip`.
    #[serde(default)]
    pub on_duplicate: OnDuplicate,
}

fn key_of_automation() -> String {
    "{{ automation.name }}{{ subject }}".to_owned()
}

fn while_any() -> Vec<DuplicateWhile> {
    vec![
        DuplicateWhile::Queued,
        DuplicateWhile::Active,
        DuplicateWhile::PullRequestOpen,
    ]
}

/// A state of another task in which this one is a duplicate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateWhile {
    /// It waits, and came before.
    Queued,
    /// It is under way.
    Active,
    /// Its pull request is open. That is in the way of nothing that pushes to an open pull request.
    PullRequestOpen,
}

/// Which of two tasks with the same key gives way.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The newer one is skipped.
    #[default]
    Skip,
    /// The older one is superseded if it still waits; if it does not, the newer one is skipped.
    Replace,
}

/// What becomes of a task that still waits when its automation's spec changes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSpecChange {
    /// It is superseded by one that is made from the new spec.
    #[default]
    Rebuild,
    /// It starts as it was decided.
    Keep,
}

/// What becomes of a task that ended in failure. A start whose answer was lost is none of this.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How often it is started again at most. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 10))]
    pub limit: i32,
    /// The wait before the first retry; each further one is twice as long, up to six hours, and varied by up to a
    /// fifth. Default: `5m`.
    #[serde(default = "five_minutes")]
    pub backoff: Interval,
    /// Which ends are retried. What passed a deadline here is `TimedOut` as well,
    /// and is retried once it has ended at GitHub. Default: `Failed`.
    #[serde(default = "failed")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub ends: Vec<RetriedEnd>,
}

fn five_minutes() -> Interval {
    Interval::of_minutes(5)
}

fn failed() -> Vec<RetriedEnd> {
    vec![RetriedEnd::Failed]
}

/// An end that is retried.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetriedEnd {
    /// The agent failed.
    Failed,
    /// The agent ran out of time at GitHub, or passed a deadline here and has ended there since.
    TimedOut,
    /// Somebody cancelled it at GitHub.
    Cancelled,
}

/// What an automation may spend, in whole AI credits.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// For each day, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub credits_per_day: Option<i64>,
    /// For each calendar month, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub credits_per_month: Option<i64>,
    /// What a task is taken to cost until its cost is known. Without it: what nine in ten of the last 20 tasks stayed
    /// below; without any, the policy's estimate, which is 10 where no policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub estimate_per_task: Option<i64>,
}

/// What becomes of a pull request that nobody deals with.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.after.matches('[1-9][0-9]*(m|h|d)|[1-9][0-9]+s')").message("give people time before a pull request counts as stale: write after as in 72h or 14d, and at least 10s"))]
pub struct StalePullRequest {
    /// How long after GitHub last changed it: 10 seconds or more.
    pub after: Interval,
    /// What is done then. Default: `Notify`.
    #[serde(default)]
    pub action: StaleAction,
}

/// What is done about a stale pull request.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaleAction {
    /// The task's status and an Event say so.
    #[default]
    Notify,
    /// It is closed.
    Close,
}

/// Where the GitHub token is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.alternates) || self.alternates.all(other, other.name != self.secretRef.name)").message("name each Secret once: leave the one of secretRef out of alternates"))]
pub struct Credentials {
    /// A Secret in the automation's namespace.
    pub secret_ref: SecretKeyRef,
    /// Further Secrets in the automation's namespace, in the order in which they are turned to. Policies have to allow how
    /// they are used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub alternates: Vec<SecretKeyRef>,
    /// Which of several Secrets a task is started with: the first that can be used (`Failover`), or of those that can be
    /// used the one with the fewest tasks under way (`Spread`). Without alternates it means nothing. Default: `Failover`.
    #[serde(rename = "use", default, skip_serializing_if = "CredentialUse::is_default")]
    pub choice: CredentialUse,
}

impl Credentials {
    /// All of them, in their order.
    pub fn all(&self) -> impl Iterator<Item = &SecretKeyRef> {
        [&self.secret_ref].into_iter().chain(&self.alternates)
    }

    /// How they are used, where there are several.
    #[must_use]
    pub fn shared_use(&self) -> Option<CredentialUse> {
        (!self.alternates.is_empty()).then_some(self.choice)
    }
}

/// Which of several Secrets a task is started with. GitHub's limits are waited for either way.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialUse {
    /// The first that can be used.
    #[default]
    Failover,
    /// Of those that can be used, the one with the fewest tasks under way.
    Spread,
}

impl CredentialUse {
    /// The use as it is written in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "Failover",
            Self::Spread => "Spread",
        }
    }

    /// Whether it is what is meant where nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A key of a Secret in the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds the token. Default: `token`.
    #[serde(default = "token")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl SecretKeyRef {
    /// Whether it names no Secret yet.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.name.is_empty()
    }
}

impl Default for SecretKeyRef {
    fn default() -> Self {
        Self {
            name: String::new(),
            key: token(),
        }
    }
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

impl StartPolicy {
    /// The policy as it is written in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOnce => "AtMostOnce",
            Self::AtLeastOnce => "AtLeastOnce",
        }
    }
}

/// How many ended tasks are kept as objects.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HistoryLimits {
    /// Tasks kept that succeeded. Default: 5.
    #[serde(default = "five")]
    #[schemars(range(min = 0, max = 100))]
    pub succeeded: i32,
    /// Tasks kept that ended in any other way. Default: 5.
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
    /// How far the controller has looked for what happens at GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsStatus>,
    /// Tasks that were collected from the history, and what they cost.
    pub collected: Collected,
    /// The Secret version that GitHub last refused, if any: it is not used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_credential: Option<RejectedCredential>,
    /// Whose token its Secret holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<super::task::CredentialIdentity>,
    /// Where it names several Secrets, what is known of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["secret"]))]
    pub credentials: Vec<CredentialStatus>,
    /// Tasks by how they ended, over the automation's life.
    pub counts: Counts,
    /// What the tasks cost, over the automation's life.
    pub usage: super::task::Usage,
    /// What the guardrails of the automation's policies say of the repository and its base branch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailStatus>,
    /// What the automation's own budget stands at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetStatus>,
    /// Its pull requests, over the automation's life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<PullRequestCounts>,
    /// What came of its tasks lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Ends in failure since the last success.
    pub failures: Failures,
    /// Notifications of its tasks' ends that were given up, over the automation's life.
    #[serde(skip_serializing_if = "is_zero")]
    pub dead_letters: i64,
}

/// How far the controller has looked for what happens at GitHub.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EventsStatus {
    /// What happened up to then has its tasks, or fires nothing.
    pub swept_through: Timestamp,
    /// What would have fired and was found later than `maxEventAge`, or while the automation was suspended, over the
    /// automation's life.
    #[serde(default)]
    pub skipped: i64,
    /// What would have fired if somebody else had done it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedEvents>,
    /// What GitHub showed no more of when it was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<UnseenEvents>,
}

/// A task of an event that is there no more.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct DeletedTask {
    /// When that happened which caused it.
    pub time: Timestamp,
    pub name: String,
}

/// What happened at GitHub and fires nothing, because of who did it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RefusedEvents {
    /// How many events, over the automation's life. One that GitHub shows after a newer one is not counted.
    pub count: i64,
    /// The newest of them.
    pub last: RefusedEvent,
}

/// One of them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RefusedEvent {
    /// When it happened.
    pub time: Timestamp,
    /// GitHub's word for it, or `comment`.
    pub action: String,
    /// The issue or the pull request to which it happened.
    pub url: String,
    /// The login of who did it.
    pub sender: String,
    /// What they are to the repository.
    pub association: Association,
    /// The trigger that would have fired, and why it does not.
    pub message: String,
}

/// Times of which GitHub showed no more what had been done to issues and pull requests. What was asked for then has to be
/// asked for again: set the label anew, or make a task by hand.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UnseenEvents {
    /// How often that was so, over the automation's life.
    pub times: i64,
    /// Where the last such time begins.
    pub from: Timestamp,
    /// Where it ends.
    pub to: Timestamp,
}

/// One guardrail, and what GitHub says of it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GuardrailStatus {
    /// The policy that requires it.
    pub policy: String,
    /// The field of that policy's `spec.guardrails`.
    pub name: String,
    /// Whether it is met.
    pub state: GuardrailState,
    /// What is missing, and what to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Whether a guardrail is met.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardrailState {
    /// It is.
    Met,
    /// It is not.
    NotMet,
    /// GitHub does not say.
    CannotTell,
}

/// A budget's windows, in billionths of an AI credit.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetStatus {
    /// What tasks that started in this day are known to have cost.
    pub day_spent: i64,
    /// What is held for tasks that started in this day and whose cost is not known yet.
    pub day_reserved: i64,
    /// What tasks that started in this month are known to have cost.
    pub month_spent: i64,
    /// What is held for tasks that started in this month and whose cost is not known yet.
    pub month_reserved: i64,
}

/// Pull requests by what became of them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct PullRequestCounts {
    /// Opened in all.
    pub opened: i64,
    /// Open now.
    pub open: i64,
    /// Merged.
    pub merged: i64,
    /// Closed without being merged.
    pub closed: i64,
}

/// What came of the tasks that started within 30 days, today (UTC) included, as of when this status was written.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Started.
    pub started: i64,
    /// Ended well.
    pub succeeded: i64,
    /// Ended in failure, timed out or cancelled.
    pub failed: i64,
    /// Opened a pull request.
    pub opened: i64,
    /// Whose pull request was merged.
    pub merged: i64,
    /// Whose pull request was closed without being merged.
    pub closed: i64,
    /// Half of the pull requests that were reviewed waited no longer for it, in seconds; of those of tasks that are kept and
    /// the 20 before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_seconds_to_review: Option<i64>,
    /// AI credits that they cost, to one decimal.
    pub ai_credits: String,
    /// AI credits for each merged pull request, to one decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits_per_merged: Option<String>,
}

/// Ends in failure.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Failures {
    /// In a row, up to now.
    pub in_a_row: i32,
    /// Failures that ended before this do not count any more: the spec changed, or a person resumed the automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The value of the annotation `agentautomation.dev/resume` that was last heeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<String>,
    /// What the last of them said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message: Option<String>,
}

/// Where one schedule stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// The trigger's name.
    pub trigger: String,
    /// Every time up to here has an object or is counted in `missedRuns`.
    pub decided_through: Timestamp,
    /// The newest time that is counted in `missedRuns`: an object that appears for one up to here is not started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_through: Option<Timestamp>,
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
    pub reason: Option<Reason>,
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
    /// Uids of the last tasks that somebody else deleted after they had started, and that are counted here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub departed: Vec<String>,
    /// When tasks that somebody else deleted started, those of the last hour: `maxStartsPerHour` counts them still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<DepartedStart>,
    /// Tasks that somebody else deleted and whose events may be told again; the newest hundred. They are not done again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of_events: Vec<DeletedTask>,
    /// Of those that ended after the last success, how many ended in failure.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: i32,
    /// Costs of the newest, at most 20, in billionths of an AI credit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub costs: Vec<i64>,
    /// What came of them by the hour in which they started, and by the day (UTC) where that is more than two days ago; for
    /// 32 days.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<Tally>,
    /// How long the newest pull requests waited for a review, at most 20, in seconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seconds_to_review: Vec<i64>,
    /// Their pull requests.
    #[serde(skip_serializing_if = "PullRequestCounts::is_empty")]
    pub pull_requests: PullRequestCounts,
    /// Their notifications that were given up.
    #[serde(skip_serializing_if = "is_zero")]
    pub dead_letters: i64,
}

/// That a task started which is not there any more.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DepartedStart {
    /// The `AgentTask`'s name.
    pub name: String,
    /// When it started.
    pub at: Timestamp,
}

fn is_zero<T: Default + PartialEq>(count: &T) -> bool {
    *count == T::default()
}

impl PullRequestCounts {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What came of the tasks that started within an hour or a day.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// The hour's or the day's begin.
    pub from: Timestamp,
    /// Its length in hours: 1 or 24.
    pub hours: i32,
    /// What they cost, in billionths of an AI credit; what was held for them where GitHub never told.
    pub nano_ai_credits: i64,
    /// How many they are.
    pub started: i64,
    /// Ended well.
    pub succeeded: i64,
    /// Ended in failure, timed out or cancelled.
    pub failed: i64,
    /// Opened a pull request.
    pub opened: i64,
    /// Whose pull request was merged.
    pub merged: i64,
    /// Whose pull request was closed without being merged.
    pub closed: i64,
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

/// What is known of one of several Secrets that an automation names.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// The Secret's name.
    pub secret: String,
    /// Whose token it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<super::task::CredentialIdentity>,
    /// The Secret's `resourceVersion` that GitHub last refused, if any: it is not used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_version: Option<String>,
    /// Why it can't be used, or not for long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The same in a sentence, with what to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
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
