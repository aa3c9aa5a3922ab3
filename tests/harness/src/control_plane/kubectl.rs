//! kubectl, as the admin or as anyone with a kubeconfig file.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{
    ControlPlane,
    error::{Error, while_doing},
};

impl ControlPlane {
    /// Runs kubectl as the admin.
    ///
    /// # Errors
    /// When it cannot be run; what it said and its exit code are in the output.
    pub async fn kubectl(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Output, Error> {
        self.kubectl_as(self.kubeconfig(), arguments, "").await
    }

    /// Runs kubectl as the admin, with something to read, for `-f -`.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub async fn kubectl_with_stdin(&self, arguments: &[impl AsRef<OsStr>], stdin: &str) -> Result<Output, Error> {
        self.kubectl_as(self.kubeconfig(), arguments, stdin).await
    }

    /// Runs kubectl as the user of a kubeconfig file.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub async fn kubectl_as(
        &self,
        kubeconfig: &Path,
        arguments: &[impl AsRef<OsStr>],
        stdin: &str,
    ) -> Result<Output, Error> {
        let failed = || while_doing("run kubectl");
        let mut child = Command::new(self.binaries.program("kubectl")?)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--cache-dir")
            .arg(self.folder().join("kubectl-cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed())?;
        if let Some(mut pipe) = child.stdin.take() {
            // A kubectl that reads nothing may have closed it; its exit code says how it went.
            let _ = pipe.write_all(stdin.as_bytes()).await;
        }
        child.wait_with_output().await.map_err(failed())
    }
}

/// What kubectl printed, if it succeeded.
///
/// # Errors
/// With what it said on standard error, if it did not.
pub fn stdout_of(output: &Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Kubectl(String::from_utf8_lossy(&output.stderr).into_owned()))
}
