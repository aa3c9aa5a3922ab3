//! What is measured: automations with a Secret and a repository each, and CronJobs, in one namespace.

use std::{ops::Range, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use harness::control_plane::ControlPlane;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::Result;

const NAMESPACE: &str = "bench";
/// Requests of the benchmark itself under way at once.
const AT_ONCE: usize = 8;
/// Due once, on a day that does not come while it runs.
const YEARLY: &str = "0 0 29 2 *";

/// The objects of the benchmark.
pub struct Cluster {
    client: Client,
}

/// The stand-in's users, tokens and repositories, one each for an automation.
pub fn github(count: usize) -> Vec<Value> {
    let each = |index| {
        let user = format!("bot-{index:04}");
        [
            json!({"add_user": {"login": user}}),
            json!({"add_token": {"token": format!("github_pat_bench_{index:04}"), "owner": user}}),
            json!({"add_repository": {"name": format!("acme/{}", name(index))}}),
        ]
    };
    let script = json!({"set_default_script": {"sessions": [{"queued_ms": 2000, "running_ms": 10000}]}});
    (0..count).flat_map(each).chain([script]).collect()
}

/// The name of an automation and its repository.
fn name(index: usize) -> String {
    format!("tick-{index:04}")
}

impl Cluster {
    /// Makes the namespace, the policy and the Secrets.
    pub async fn prepare(plane: &ControlPlane, secrets: usize) -> Result<Self> {
        let cluster = Self {
            client: plane.admin_client().await?,
        };
        let policy = json!({
            "namespaces": [NAMESPACE], "repositories": ["acme/*"], "baseBranches": ["main"], "triggers": ["Schedule"], "models": ["*"],
            "customAgents": ["*"], "credentials": ["*"], "startPolicies": ["AtMostOnce", "AtLeastOnce"],
        });
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let policy = json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentPolicy", "metadata": {"name": NAMESPACE}, "spec": policy});
        cluster.create(&cluster.all("", "v1", "Namespace"), namespace).await?;
        cluster
            .create(&cluster.all("agentautomation.dev", "v1alpha1", "AgentPolicy"), policy)
            .await?;
        let api = cluster.api("", "v1", "Secret");
        let secret = |index| {
            let token = json!({"token": format!("github_pat_bench_{index:04}")});
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name(index)}, "stringData": token})
        };
        cluster.create_all(&api, (0..secrets).map(secret)).await?;
        Ok(cluster)
    }

    /// Makes automations that are not due.
    pub async fn create_automations(&self, which: Range<usize>) -> Result<()> {
        self.create_all(&self.automations(), which.map(automation)).await
    }

    /// Waits until so many automations are Ready.
    pub async fn ready(&self, count: usize) -> Result<()> {
        loop {
            let automations = self.list("AgentAutomation").await?;
            if automations.iter().filter(|automation| is_ready(automation)).count() >= count {
                return Ok(());
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Makes automations due at other times.
    pub async fn schedule(&self, which: Range<usize>, cron: &str) -> Result<()> {
        let api = self.automations();
        let change = json!({"spec": {"triggers": [{"name": "tick", "schedule": {"cron": cron}}]}});
        let change = Patch::Merge(change);
        let params = PatchParams::default();
        let patched = stream::iter(which)
            .map(|index| {
                let (api, change, params) = (api.clone(), &change, &params);
                async move { api.patch(&name(index), params, change).await.map(drop) }
            })
            .buffer_unordered(AT_ONCE);
        Ok(patched.try_collect().await?)
    }

    pub async fn delete_automations(&self, which: Range<usize>) -> Result<()> {
        let api = self.automations();
        let deleted = stream::iter(which)
            .map(|index| {
                let api = api.clone();
                async move { api.delete(&name(index), &DeleteParams::default()).await.map(drop) }
            })
            .buffer_unordered(AT_ONCE);
        Ok(deleted.try_collect().await?)
    }

    pub async fn create_cronjobs(&self, count: usize) -> Result<()> {
        let api = self.api("batch", "v1", "CronJob");
        self.create_all(&api, (0..count).map(cronjob)).await
    }

    /// All objects of one of our kinds.
    pub async fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let found = self
            .api("agentautomation.dev", "v1alpha1", kind)
            .list(&ListParams::default())
            .await?;
        Ok(found
            .items
            .iter()
            .map(serde_json::to_value)
            .collect::<std::result::Result<_, _>>()?)
    }

    fn automations(&self) -> Api<DynamicObject> {
        self.api("agentautomation.dev", "v1alpha1", "AgentAutomation")
    }

    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = resource(group, version, kind);
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }

    fn all(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(group, version, kind))
    }

    async fn create(&self, api: &Api<DynamicObject>, object: Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(object)?;
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    async fn create_all(&self, api: &Api<DynamicObject>, objects: impl Iterator<Item = Value>) -> Result<()> {
        let created = stream::iter(objects)
            .map(|object| self.create(api, object))
            .buffer_unordered(AT_ONCE);
        created.try_collect().await
    }
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    match kind {
        "AgentPolicy" => {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), "agentpolicies")
        }
        _ => ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)),
    }
}

fn automation(index: usize) -> Value {
    let name = name(index);
    let spec = json!({
        "repository": format!("acme/{name}"),
        "branches": {"base": "main", "allow": ["main"]},
        "triggers": [{"name": "tick", "schedule": {"cron": YEARLY}}],
        "prompt": {"goal": "Update the dependencies that have a patch release.", "validation": ["cargo test --workspace"]},
        "credentials": {"secretRef": {"name": name}},
        "historyLimits": {"succeeded": 20, "failed": 20},
    });
    json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentAutomation", "metadata": {"name": name}, "spec": spec})
}

fn cronjob(index: usize) -> Value {
    let container = json!({"name": "agent", "image": "agent", "args": ["run"]});
    let pod = json!({"restartPolicy": "Never", "containers": [container]});
    let spec = json!({
        "schedule": "* * * * *",
        "jobTemplate": {"spec": {"suspend": true, "template": {"spec": pod}}},
    });
    json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name(index)}, "spec": spec})
}

fn is_ready(automation: &Value) -> bool {
    let conditions = automation["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
