//! `kubectl aauto`: the command as people run it, found by kubectl under the names of symlinks on the
//! PATH.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use harness::{
    control_plane::{ControlPlane, stdout_of},
    programs::{self, Controller},
};
use tokio::process::Command;

use crate::Result;

/// The plugin, in a folder of its own.
pub struct Plugin {
    folder: PathBuf,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    path: OsString,
}

impl Plugin {
    /// Installs it below the control plane's temporary folder.
    pub fn install(plane: &ControlPlane) -> Result<Self> {
        let folder = plane.folder().join("plugins");
        fs::create_dir(&folder)?;
        let program = programs::program(Controller::NAME)?;
        symlink(&program, folder.join("kubectl-aauto"))?;
        symlink(&program, folder.join("kubectl_complete-aauto"))?;
        let inherited = env::var_os("PATH").unwrap_or_default();
        let path = [folder.clone()].into_iter().chain(env::split_paths(&inherited));
        Ok(Self {
            path: env::join_paths(path)?,
            kubectl: plane.binaries().join("kubectl"),
            kubeconfig: plane.kubeconfig().to_owned(),
            folder,
        })
    }

    /// Where the symlinks are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Asks it, and returns what it printed.
    pub async fn ask(&self, arguments: &[String]) -> Result<String> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.arg("aauto").args(arguments);
        kubectl.env("PATH", &self.path).env("KUBECONFIG", &self.kubeconfig);
        Ok(stdout_of(&kubectl.output().await?)?)
    }
}
