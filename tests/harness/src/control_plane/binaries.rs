//! Where the servers' programs are: built by `tests/control-plane/build`, or named by `KUBEBUILDER_ASSETS`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::error::{Error, while_doing};

/// A folder with the programs of a control plane.
#[derive(Clone, Debug)]
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// Builds them when they are not in the cache. Its progress goes to this process's standard error.
    pub(super) async fn locate() -> Result<Self, Error> {
        let build = scripts().join("build");
        let run = Command::new(&build)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output();
        let output = run.await.map_err(while_doing(&format!("run {}", build.display())))?;
        if !output.status.success() {
            return Err(Error::NotBuilt(build));
        }
        Ok(Self(String::from_utf8_lossy(&output.stdout).trim_end().into()))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn program(&self, name: &str) -> Result<PathBuf, Error> {
        let program = self.0.join(name);
        if program.is_file() {
            return Ok(program);
        }
        Err(Error::Missing {
            program: name.to_owned(),
            folder: self.0.clone(),
        })
    }
}

/// The folder of the shell scripts that build and supervise the servers.
pub(super) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../control-plane")
}
