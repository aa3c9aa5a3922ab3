//! The kinds of `agentautomation.dev/v1alpha1`, one file each. `crds/` is generated from them (`make generate`).
//!
//! What a schema or a CEL rule can refuse is refused here, with a sentence that says what to write instead; what only
//! the controller can know becomes a condition or a phase with a [`Reason`](reason::Reason).

pub mod automation;
pub mod interval;
pub mod notify;
pub mod policy;
pub mod reason;
pub mod task;
pub mod trigger;
pub mod webhook_source;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use automation::AgentAutomation;
pub use policy::AgentPolicy;
pub use reason::Reason;
pub use task::AgentTask;
pub use webhook_source::WebhookSource;

/// The API group of all kinds.
pub const GROUP: &str = "agentautomation.dev";

/// Every kind's definition, in the order in which they are documented.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![
        AgentAutomation::crd(),
        AgentTask::crd(),
        AgentPolicy::crd(),
        WebhookSource::crd(),
    ]
}
