//! What can go wrong between a test and its control plane.

use std::{fmt, io, path::PathBuf, time::Duration};

/// Why there is no control plane, or why it did not do what was asked.
#[derive(thiserror::Error)]
pub enum Error {
    /// The build said why on standard error.
    #[error("the control plane's binaries could not be built; {0} says why")]
    NotBuilt(PathBuf),
    /// `KUBEBUILDER_ASSETS` is in force and does not hold everything.
    #[error("no {program} in {folder}; unset KUBEBUILDER_ASSETS to have it built")]
    Missing {
        /// The name of the program.
        program: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was attempted.
        action: String,
        /// Its answer.
        source: io::Error,
    },
    /// No key could be made to sign ServiceAccount tokens with.
    #[error("cannot generate a key")]
    Key,
    /// The process ended before it was ready.
    #[error("{server} ended before it was ready; its log ends so:\n{log}")]
    Ended {
        /// Its name.
        server: &'static str,
        /// The last lines of its log.
        log: String,
    },
    /// The process runs, and does not say that it is ready.
    #[error("{server} is not ready after {waited:?} ({answer}); its log ends so:\n{log}")]
    NotReady {
        /// Its name.
        server: &'static str,
        /// For how long it was asked.
        waited: Duration,
        /// What it answered last.
        answer: String,
        /// The last lines of its log.
        log: String,
    },
    /// A kubeconfig file that makes no client.
    #[error("cannot use kubeconfig {0}: {1}")]
    Kubeconfig(PathBuf, String),
    /// The supervisor gave no answer, or one that makes no sense.
    #[error("the supervisor of the control plane answered {answer:?} to {order:?}")]
    Supervisor {
        /// What it was told.
        order: String,
        /// What it said.
        answer: String,
    },
    /// kubectl ended with an error.
    #[error("kubectl failed: {0}")]
    Kubectl(String),
    /// The API server refused a request of the harness.
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

/// What `unwrap` shows: the log as lines that one can read.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Error {
    /// Whether another process took a port between the moment it was found free and the server's start.
    pub(super) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if log.contains("address already in use"))
    }
}

/// Puts what was attempted before an error of the operating system.
pub(super) fn while_doing(action: &str) -> impl FnOnce(io::Error) -> Error {
    let action = action.to_owned();
    move |source| Error::Io { action, source }
}
