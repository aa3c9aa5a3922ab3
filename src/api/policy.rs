//! `AgentPolicy`: what the platform team allows. Cluster-scoped, so that a team can't write its own.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has attributes of the same names"
)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::automation::{CredentialUse, RequireApproval, Reviewers, StartPolicy};
use super::interval::Interval;

/// What the platform team allows to the namespaces it names. Every policy that names a namespace holds there; where
/// none does, nothing starts. An empty list allows nothing.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "agentautomation.dev",
    version = "v1alpha1",
    kind = "AgentPolicy",
    plural = "agentpolicies",
    derive = "PartialEq",
    shortname = "apolicy",
    category = "agents",
    doc = "What the platform team allows to the namespaces it names. Every policy that names a namespace holds there; where none does, nothing starts. An empty list allows nothing.",
    printcolumn(
        name = "Max Active",
        type_ = "integer",
        json_path = ".spec.maxActive",
        description = "Cap on tasks under way, over all automations it holds for"
    ),
    printcolumn(
        name = "Suspended",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "Whether the kill switch is on"
    ),
    printcolumn(name = "Namespaces", type_ = "string", json_path = ".spec.namespaces", priority = 1),
    printcolumn(
        name = "Repositories",
        type_ = "string",
        json_path = ".spec.repositories",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PolicySpec {
    /// Patterns of namespaces that this policy holds for; `*` stands for any text without a slash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    pub namespaces: Vec<String>,
    /// Labels of further namespaces that this policy holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<NamespaceSelector>,
    /// Patterns of repositories that may be worked in, as `owner/name`: `acme/*`.
    #[serde(default)]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    #[x_kube(validation = Rule::new("self.all(pattern, pattern.contains('/') || pattern.contains('**'))").message("write each as owner/name, such as acme/*; * matches no slash, ** matches all"))]
    pub repositories: Vec<String>,
    /// Patterns of branches that work may start from: `main`, `release/*`.
    #[serde(default)]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    pub base_branches: Vec<String>,
    /// Patterns of branches of pull requests that a task may push to, where a trigger's `pushTo` is `PullRequest`. Empty
    /// allows none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    pub head_branches: Vec<String>,
    /// Kinds of triggers that may start a task.
    #[serde(default)]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "set"))]
    pub triggers: Vec<TriggerKind>,
    /// Patterns of models that may be asked for. An automation that names none asks for GitHub's choice, which only `*`
    /// or `**` allows.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub models: Vec<String>,
    /// Patterns of custom agents that may be asked for. An automation that names none asks for GitHub's own, which only
    /// `*` or `**` allows.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub custom_agents: Vec<String>,
    /// Patterns of names of Secrets that tasks may be started with.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 253)))]
    pub credentials: Vec<String>,
    /// How several credentials of one automation may be used. Empty allows none to have more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "set"))]
    pub credential_use: Vec<CredentialUse>,
    /// Patterns of hosts that may be told of the ends of tasks, as `host`, or `host:port` where the port is not 443. Addresses
    /// and `localhost` have to be named as they are. Empty allows none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub notify_hosts: Vec<String>,
    /// What a lost answer to a start may lead to.
    #[serde(default)]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "set"))]
    pub start_policies: Vec<StartPolicy>,
    /// Tasks that may be under way at once, over all automations that this policy holds for. Without it only the
    /// automations' own caps hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_active: Option<i32>,
    /// Tasks that may be under way at once in each repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_active_per_repository: Option<i32>,
    /// Tasks that may be under way at once for each automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_active_per_automation: Option<i32>,
    /// Open agent pull requests past which nothing starts, in each repository, but what works on one that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_open_pull_requests_per_repository: Option<i32>,
    /// Open agent pull requests past which nothing starts, for each automation, but what works on one that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_open_pull_requests_per_automation: Option<i32>,
    /// Tasks that may start within any 60 minutes. It counts from when it is set: what the history let go of before is not
    /// counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_starts_per_hour: Option<i32>,
    /// The highest priority that an automation or a task may have; a higher one counts as this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1_000, max = 1_000))]
    pub max_priority: Option<i32>,
    /// The most retries of a task that ended in failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub max_retries: Option<i32>,
    /// The longest that a task may wait for its start from when it came due, in seconds: it is `Expired` then. It holds for all
    /// triggers, and also where an automation sets no deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub max_starting_deadline_seconds: Option<i32>,
    /// The longest that a task's agent may wait for a person, in seconds; it also holds where an automation sets no deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub max_waiting_deadline_seconds: Option<i32>,
    /// The longest deadline for a task's work, in seconds; it also holds where an automation sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub max_active_deadline_seconds: Option<i32>,
    /// Who has to approve each task before it starts; what an automation requires holds as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<RequireApproval>,
    /// What may be spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<PolicyBudget>,
    /// The IANA time zone of days, months and freeze windows. Default: `UTC`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// Times in which nothing starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub freeze_windows: Vec<FreezeWindow>,
    /// Optional sections of the prompt that every automation must fill in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "set"))]
    pub required_prompt_sections: Vec<PromptSection>,
    /// Who is asked to review each pull request that a task opens, besides those whom the automation names. With anyone
    /// here, work without a pull request is denied.
    #[serde(default, skip_serializing_if = "Reviewers::is_empty")]
    pub required_reviewers: Reviewers,
    /// What must be true of the repository and its base branch before anything starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<Guardrails>,
    /// The kill switch: nothing starts while it is on, and what waits is `Held`.
    #[serde(default)]
    pub suspend: bool,
    /// Why the kill switch is on, for those whose work is held by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub suspend_message: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Labels of namespaces, as in a label selector anywhere in Kubernetes. All of it must hold.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespaceSelector {
    /// Labels with their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Labels with conditions on their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A label and what its value must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0").message("In and NotIn need values; Exists and DoesNotExist take none"))]
pub struct LabelRequirement {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How the values count.
    pub operator: LabelOperator,
    /// Values, for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a requirement reads a label.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label is missing or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
}

/// What may be spent, in whole AI credits. A task counts as its estimate from its start until its cost is known.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyBudget {
    /// For each day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub credits_per_day: Option<i64>,
    /// For each calendar month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub credits_per_month: Option<i64>,
    /// What a task is taken to cost while its automation says nothing and has no history. Default: 10.
    #[serde(default = "default_estimate")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub estimate_per_task: i64,
}

/// What a task is taken to cost where nobody says, in AI credits.
#[must_use]
pub fn default_estimate() -> i64 {
    10
}

/// A time in which nothing starts: either each time a cron expression fires, for a while, or once.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.cron) ? has(self.duration) && !has(self.from) && !has(self.to) : has(self.from) && has(self.to) && !has(self.duration)").message("write either cron and duration, or from and to"))]
#[x_kube(validation = Rule::new("!has(self.from) || !has(self.to) || self.from < self.to").message("from must be before to"))]
#[x_kube(validation = Rule::new("!has(self.duration) || (self.duration.matches('[1-9]') && !self.duration.matches('[0-9]{4,}d|[0-9]{5,}h'))").message("write a duration of more than nothing, as in 62h, and of no more than 999d or 9999h"))]
pub struct FreezeWindow {
    /// A short name, told to those whose work is held.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// When it begins, again and again, in the policy's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub cron: Option<String>,
    /// How long each one is, as in `90m` or `2d12h`: more than nothing, and no part of it of more than 999 days or 9999
    /// hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Interval>,
    /// When it begins, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// What happens to what comes due inside: it waits for the end, or it is skipped. Default: `Hold`.
    #[serde(default)]
    pub due: WhenFrozen,
}

/// What happens to what comes due in a freeze window.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFrozen {
    /// It waits for the window's end.
    #[default]
    Hold,
    /// It is skipped. What came due before the window waits.
    Skip,
}

/// An optional section of a prompt.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromptSection {
    /// `nonGoals`
    NonGoals,
    /// `validation`
    Validation,
    /// `pullRequest`
    PullRequest,
}

impl PromptSection {
    /// The section's field in a prompt.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::NonGoals => "nonGoals",
            Self::Validation => "validation",
            Self::PullRequest => "pullRequest",
        }
    }
}

/// What must be true of the repository and its base branch before anything starts. GitHub is asked; the controller never
/// merges, approves, or marks a draft as ready.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a guardrail of its own")]
pub struct Guardrails {
    /// Approvals that a rule on the base branch must require.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub approvals: Option<i32>,
    /// The rule must require code owners' review, and CODEOWNERS must be there without errors.
    #[serde(skip_serializing_if = "is_false")]
    pub code_owners: bool,
    /// Status checks that a rule on the base branch must require.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 256)))]
    pub status_checks: Vec<String>,
    /// A rule on the base branch must require code scanning.
    #[serde(skip_serializing_if = "is_false")]
    pub code_scanning: bool,
    /// The agent's firewall must be on.
    #[serde(skip_serializing_if = "is_false")]
    pub firewall: bool,
    /// The agent's changes must be scanned for secrets.
    #[serde(skip_serializing_if = "is_false")]
    pub secret_scanning: bool,
    /// The agent's changes must be analysed with `CodeQL`.
    #[serde(skip_serializing_if = "is_false")]
    pub codeql: bool,
    /// Workflow runs on the agent's pull requests must wait for a person's approval.
    #[serde(skip_serializing_if = "is_false")]
    pub workflow_approval: bool,
    /// Patterns of release branches: work may start from one only if `baseBranches` has its very name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 256)))]
    pub release_branches: Vec<String>,
    /// What it means when GitHub does not say, mostly for want of a permission. Default: `Hold`.
    pub when_unknown: WhenUnknown,
    /// A start needs answers that are no older. What is shorter than the controller's `--freshness` (30 s) counts as
    /// that. Default: `1h`.
    pub max_age: Interval,
}

impl Default for Guardrails {
    fn default() -> Self {
        Self {
            approvals: None,
            code_owners: false,
            status_checks: Vec::new(),
            code_scanning: false,
            firewall: false,
            secret_scanning: false,
            codeql: false,
            workflow_approval: false,
            release_branches: Vec::new(),
            when_unknown: WhenUnknown::default(),
            max_age: Interval::of_minutes(60),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What it means when a guardrail can't be told.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenUnknown {
    /// Nothing starts.
    #[default]
    Hold,
    /// It counts as met.
    Allow,
}

/// The kinds of triggers.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TriggerKind {
    /// A cron expression.
    Schedule,
    /// What happens to an issue.
    Issue,
    /// What happens to a pull request.
    PullRequest,
    /// A person or a program that creates a task.
    Manual,
}

impl TriggerKind {
    /// The kind as it is written in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "Schedule",
            Self::Issue => "Issue",
            Self::PullRequest => "PullRequest",
            Self::Manual => "Manual",
        }
    }
}
