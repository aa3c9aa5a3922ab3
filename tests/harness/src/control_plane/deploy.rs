//! The installation of `deploy/`, so that a test's controller has the rights that it has in a real cluster.

use std::path::{Path, PathBuf};

use tokio::time::{Instant, sleep};

use super::{
    ControlPlane,
    error::Error,
    kubectl::stdout_of,
    servers::{DEADLINE, INTERVAL},
};

/// Where `deploy/` puts the controller.
pub const CONTROLLER_NAMESPACE: &str = "agent-automation-system";
/// The ServiceAccount it runs as there.
pub const CONTROLLER_ACCOUNT: &str = "agent-automation";

impl ControlPlane {
    /// Applies `deploy/` once and waits until its kinds are served.
    ///
    /// # Errors
    /// When kubectl is refused; the next caller tries again.
    pub async fn deploy(&self) -> Result<(), Error> {
        self.deployed
            .get_or_try_init(async || self.deploy_once().await)
            .await
            .copied()
    }

    /// A kubeconfig file of the controller's ServiceAccount; `deploy/` is applied first.
    ///
    /// # Errors
    /// As [`ControlPlane::deploy`] and [`ControlPlane::service_account_kubeconfig`].
    pub async fn controller_kubeconfig(&self) -> Result<PathBuf, Error> {
        self.deploy().await?;
        self.service_account_kubeconfig(CONTROLLER_NAMESPACE, CONTROLLER_ACCOUNT)
            .await
    }

    async fn deploy_once(&self) -> Result<(), Error> {
        let folder = deploy_folder().display().to_string();
        stdout_of(&self.kubectl(&["apply", "--kustomize", &folder]).await?)?;
        let started = Instant::now();
        // Established is not enough: the first requests for a new kind may still find nothing.
        let list = ["get", "agentautomations,agentpolicies,agenttasks", "--all-namespaces"];
        loop {
            match stdout_of(&self.kubectl(&list).await?) {
                Err(error) if started.elapsed() > DEADLINE => return Err(error),
                Err(_) => sleep(INTERVAL).await,
                Ok(_) => return Ok(()),
            }
        }
    }
}

/// The kustomize base of this repository.
#[must_use]
pub fn deploy_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}
