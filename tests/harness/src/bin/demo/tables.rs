//! What `kubectl get aauto,atask -A` prints, shown again whenever a task has moved.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    time::Duration,
};

use harness::control_plane::{ControlPlane, stdout_of};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::Result;

const INTERVAL: Duration = Duration::from_millis(250);
/// Without a terminal each table stays, so that they are printed less often.
const BETWEEN_PRINTS: Duration = Duration::from_millis(1_500);
const GET: &[&str] = &["get", "aauto,atask", "--all-namespaces"];

/// The cluster's tasks and automations, and how they are shown.
pub struct Tables<'a> {
    plane: &'a ControlPlane,
    client: Client,
    started: Instant,
    shown: Vec<String>,
    shown_at: Option<Instant>,
}

impl<'a> Tables<'a> {
    pub async fn new(plane: &'a ControlPlane) -> Result<Self> {
        Ok(Self {
            plane,
            client: plane.admin_client().await?,
            started: Instant::now(),
            shown: Vec::new(),
            shown_at: None,
        })
    }

    /// All objects of a kind, as they are now.
    pub async fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("agentautomation.dev", "v1alpha1", kind));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let found = api.list(&ListParams::default()).await?;
        Ok(found
            .items
            .iter()
            .map(serde_json::to_value)
            .collect::<std::result::Result<_, _>>()?)
    }

    /// Waits a moment, shows what has changed, and returns the tasks.
    pub async fn next(&mut self) -> Result<Vec<Value>> {
        sleep(INTERVAL).await;
        let tasks = self.list("AgentTask").await?;
        let now = tasks.iter().map(gist).collect();
        let due = stdout().is_terminal() || self.shown_at.is_none_or(|at| at.elapsed() >= BETWEEN_PRINTS);
        if due && now != self.shown {
            self.shown = now;
            self.shown_at = Some(Instant::now());
            self.show().await?;
        }
        Ok(tasks)
    }

    /// Shows them once more, when the automations' status has caught up: it is written once a second at most.
    pub async fn show_settled(&self) -> Result<()> {
        sleep(Duration::from_millis(1_200)).await;
        self.show().await
    }

    async fn show(&self) -> Result<()> {
        let table = stdout_of(&self.plane.kubectl(GET).await?)?;
        let mut out = stdout().lock();
        if out.is_terminal() {
            write!(out, "\x1b[2J\x1b[H")?;
        }
        writeln!(
            out,
            "\n[{:>2} s] $ kubectl {}\n\n{table}",
            self.started.elapsed().as_secs(),
            GET.join(" ")
        )?;
        Ok(out.flush()?)
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What one sees of a task in the table, besides its age.
fn gist(task: &Value) -> String {
    let (name, status) = (&task["metadata"]["name"], &task["status"]);
    format!(
        "{name} {} {} {}",
        status["phase"], status["task"]["id"], status["pullRequest"]["url"]
    )
}
