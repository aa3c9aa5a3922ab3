//! `WebhookSource`: a place where GitHub's webhooks arrive, whose events count there, and who can sign them.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has attributes of the same names"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place where GitHub's webhooks arrive: `POST /webhooks/github/NAMESPACE/NAME` at the receiver's address. What
/// arrives there is for the automations of its namespace. In GitHub's settings the content type is application/json and
/// the secret is the value that one of `secretRefs` holds.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "agentautomation.dev",
    version = "v1alpha1",
    kind = "WebhookSource",
    plural = "webhooksources",
    namespaced,
    status = "WebhookSourceStatus",
    derive = "PartialEq",
    shortname = "whs",
    category = "agents",
    doc = "A place where GitHub's webhooks arrive: POST /webhooks/github/NAMESPACE/NAME at the receiver's address. What arrives there is for the automations of its namespace. In GitHub's settings the content type is application/json and the secret is the value that one of secretRefs holds.",
    printcolumn(
        name = "Repositories",
        type_ = "string",
        json_path = ".spec.repositories",
        description = "Patterns of repositories whose events are taken"
    ),
    printcolumn(
        name = "Secrets",
        type_ = "string",
        json_path = ".spec.secretRefs",
        description = "Secrets that deliveries may be signed with, each with its key",
        priority = 1
    ),
    printcolumn(
        name = "Redelivery",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Redelivery')].status",
        description = "Whether what does not arrive can be asked for again; the condition's message says what to do when it can't"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSourceSpec {
    /// Patterns of repositories whose events are taken, as `owner/name`: `acme/*`, or `**` for all. The case of letters does
    /// not matter. Events of others are answered and cause nothing.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 256)))]
    #[x_kube(validation = Rule::new("self.all(pattern, pattern.contains('/') || pattern.contains('**'))").message("write each as owner/name, such as acme/*; * matches no slash, ** matches all"))]
    pub repositories: Vec<String>,
    /// Secrets that a delivery may be signed with; one of them has to fit. While a secret is exchanged, name the old one
    /// and the new one.
    #[schemars(length(min = 1, max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name", "key"]))]
    pub secret_refs: Vec<WebhookSecretRef>,
}

/// What the controller knows of a source.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookSourceStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Redelivery`: whether GitHub can be asked for what did not arrive, where an automation needs that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A key of a Secret in the source's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds what is written into GitHub's field `Secret`. Default: `secret`.
    #[serde(default = "secret")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn secret() -> String {
    "secret".to_owned()
}
