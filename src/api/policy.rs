//! `AgentPolicy`: what the platform team allows. Cluster-scoped, so that a team can't write its own.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has attributes of the same names"
)]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the platform team allows to the namespaces it names. Every policy that names a namespace holds there; where
/// none does, nothing starts. An empty list allows nothing.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
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
    #[serde(default)]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    pub namespaces: Vec<String>,
    /// Patterns of repositories that may be worked in, as `owner/name`: `acme/*`.
    #[serde(default)]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    pub repositories: Vec<String>,
    /// Patterns of branches that work may start from: `main`, `release/*`.
    #[serde(default)]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    pub base_branches: Vec<String>,
    /// Kinds of triggers that may start a task.
    #[serde(default)]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "set"))]
    pub triggers: Vec<TriggerKind>,
    /// Tasks that may be under way at once, over all automations that this policy holds for. Without it only the
    /// automations' own caps hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_active: Option<i32>,
    /// The kill switch: nothing starts while it is on, and what waits is `Held`.
    #[serde(default)]
    pub suspend: bool,
}

/// The kinds of triggers.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerKind {
    /// A cron expression.
    Schedule,
}

impl TriggerKind {
    /// The kind as it is written in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "Schedule",
        }
    }
}
