//! What is delivered, and the automations that it is for.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use harness::control_plane::{ControlPlane, client_for};
use jiff::{SignedDuration, Timestamp};
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::Result;

const NAMESPACE: &str = "bench";
const SECRET: &str = "it is measured";
/// Its label is that of one automation.
const ONE: &str = "one";
/// Its label is that of all others.
const ALL: &str = "all";

/// The API server, as far as the benchmark writes to it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// The receiver's name and rights.
    writer: Client,
    /// What the receiver wrote.
    task: Value,
}

/// Who delivers.
pub struct Deliveries {
    client: Client,
    key: hmac::Key,
    at: Timestamp,
}

impl Cluster {
    /// Makes a source, an automation that one label is for, and so many that another is for.
    pub async fn prepare(plane: &ControlPlane, wide: usize) -> Result<Self> {
        let cluster = Self {
            client: plane.admin_client().await?,
            writer: client_for(&plane.controller_kubeconfig().await?).await?,
            task: Value::Null,
        };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let namespaces: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource("", "v1", "Namespace"));
        namespaces
            .create(&PostParams::default(), &serde_json::from_value(namespace)?)
            .await?;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"secret": SECRET}});
        cluster.put(&resource("", "v1", "Secret"), secret).await?;
        let source = json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "WebhookSource", "metadata": {"name": "acme"},
            "spec": {"repositories": ["acme/*"], "secretRefs": [{"name": "hook"}]}});
        cluster.put(&ours("WebhookSource"), source).await?;
        cluster.put(&ours("AgentAutomation"), automation("one", ONE)).await?;
        for number in 0..wide {
            let name = format!("all-{number:03}");
            cluster.put(&ours("AgentAutomation"), automation(&name, ALL)).await?;
        }
        Ok(cluster)
    }

    /// Takes the one task that the receiver has made, to write such ones.
    pub async fn learn(&mut self) -> Result<()> {
        let made = self.tasks().list(&ListParams::default()).await?;
        let made = made.items.into_iter().next().ok_or("the receiver has made no task")?;
        let labels = made.metadata.labels.clone();
        self.task = serde_json::to_value(made)?;
        self.task["metadata"] = json!({"labels": labels});
        self.clear().await
    }

    /// Creates a task as the receiver does.
    pub async fn create(&self, number: u32) -> Result<()> {
        let mut task = self.task.clone();
        task["metadata"]["name"] = format!("alone-{number}").into();
        let api: Api<DynamicObject> = Api::namespaced_with(self.writer.clone(), NAMESPACE, &ours("AgentTask"));
        api.create(&PostParams::default(), &serde_json::from_value(task)?)
            .await?;
        Ok(())
    }

    /// Deletes all tasks.
    pub async fn clear(&self) -> Result<()> {
        let all = ListParams::default();
        self.tasks().delete_collection(&DeleteParams::default(), &all).await?;
        Ok(())
    }

    fn tasks(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), NAMESPACE, &ours("AgentTask"))
    }

    async fn put(&self, resource: &ApiResource, object: Value) -> Result<()> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), NAMESPACE, resource);
        api.create(&PostParams::default(), &serde_json::from_value(object)?)
            .await?;
        Ok(())
    }
}

impl Deliveries {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            key: hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
            at: Timestamp::now() + SignedDuration::from_secs(60),
        }
    }

    /// Waits until the receiver knows the source and the automations.
    pub async fn known(&self) -> Result<()> {
        while self.deliver("issues", &self.labeled(0, "unknown")).await? != (202, true) {
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// An event that no trigger is for.
    pub async fn nothing(&self, number: u32) -> Result<()> {
        self.expect("issues", &self.labeled(number, "another"), 0).await
    }

    /// An event that one automation is for.
    pub async fn one(&self, number: u32) -> Result<()> {
        self.expect("issues", &self.labeled(number, ONE), 1).await
    }

    /// An event that all the others are for.
    pub async fn all(&self, number: u32, tasks: usize) -> Result<()> {
        self.expect("issues", &self.labeled(number, ALL), tasks).await
    }

    async fn expect(&self, event: &str, payload: &Value, tasks: usize) -> Result<()> {
        let (status, said) = self.send(event, payload).await?;
        let made = said["tasks"].as_array().map_or(0, Vec::len);
        if (status, made) == (202, tasks) {
            Ok(())
        } else {
            Err(format!("{tasks} tasks are expected, and the answer is {status} {said}").into())
        }
    }

    async fn deliver(&self, event: &str, payload: &Value) -> Result<(u16, bool)> {
        let (status, said) = self.send(event, payload).await?;
        Ok((status, said["reason"].as_str().is_some_and(|why| why.contains("label"))))
    }

    async fn send(&self, event: &str, payload: &Value) -> Result<(u16, Value)> {
        let body = payload.to_string().into_bytes();
        let signature = hmac::sign(&self.key, &body);
        let signature: String = signature.as_ref().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let request = http::Request::post(format!("/webhooks/github/{NAMESPACE}/acme"))
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-hub-signature-256", format!("sha256={signature}"))
            .body(body.into())?;
        let answer = self.client.send(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect_bytes().await?;
        Ok((status, serde_json::from_slice(&body)?))
    }

    fn labeled(&self, number: u32, label: &str) -> Value {
        json!({
            "action": "labeled", "label": {"name": label},
            "issue": {
                "number": number + 1, "title": "It fails", "body": "See the log. ".repeat(200),
                "html_url": format!("https://github.com/acme/api/issues/{number}"),
                "user": {"login": "alice", "type": "User"}, "author_association": "MEMBER",
                "labels": [{"name": label}], "milestone": null, "created_at": self.at, "updated_at": self.at,
            },
            "repository": {"full_name": "acme/api"}, "sender": {"login": "bob", "type": "User"},
        })
    }
}

fn automation(name: &str, label: &str) -> Value {
    json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentAutomation", "metadata": {"name": name}, "spec": {
        "repository": "acme/api", "branches": {"base": "main", "allow": ["main"]},
        "triggers": [{"name": "label", "issue": {"actions": ["labeled"], "labels": [label]}}],
        "prompt": {"goal": "Look at {{ issue.title }}.\n{{ issue.body }}"},
        "credentials": {"secretRef": {"name": "token"}},
    }})
}

fn ours(kind: &str) -> ApiResource {
    resource("agentautomation.dev", "v1alpha1", kind)
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}
