//! This project's own programs as processes: the controller, and the stand-in for GitHub that it talks to.
//!
//! They run beside the servers of a [`ControlPlane`] and so end with them, whatever happens to the process that started
//! them. They are looked for beside the running program: `cargo build` puts all of them into one folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{Client, Config};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::control_plane::{self, ControlPlane};

/// How long a program may take until it says where it serves.
const DEADLINE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(25);

/// Why a program does not run, or gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane it runs beside refused.
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    /// It has not been built.
    #[error("no {0}: build it with cargo build --workspace --features simulator --bins")]
    NotBuilt(PathBuf),
    /// It did not say where it serves.
    #[error("{name} is not ready after {DEADLINE:?}; its log:\n{log}")]
    NotReady {
        /// Its name.
        name: &'static str,
        /// All that it wrote.
        log: String,
    },
    /// A file that can't be written or read.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The simulator gave no answer.
    #[error("the simulator's control API: {0}")]
    Request(#[from] kube::Error),
    /// An address that makes no request.
    #[error("the simulator's control API: {0}")]
    Address(#[from] http::Error),
    /// It answered something else than JSON.
    #[error("the simulator's control API answers no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The stand-in for GitHub.
pub struct GitHub {
    /// Where it serves GitHub's API.
    pub url: String,
    /// Where it is told what to do, and says what happened.
    pub control: String,
    client: Client,
}

impl GitHub {
    /// Its name among the processes.
    pub const NAME: &str = "github-simulator";

    /// Starts it with these control commands.
    ///
    /// # Errors
    /// When it has not been built, refuses a command, or does not say where it serves.
    pub async fn start(plane: &ControlPlane, commands: &[Value]) -> Result<Self, Error> {
        let config = plane.folder().join("github-simulator.json");
        let text = Value::from(commands).to_string();
        fs::write(&config, text).map_err(|source| Error::File {
            path: config.clone(),
            source,
        })?;
        let arguments = ["--print-ports".to_owned(), format!("--config={}", config.display())];
        plane.run_beside(Self::NAME, &program(Self::NAME)?, &arguments)?;
        let ports: Value = said(plane, Self::NAME, |log| serde_json::from_str(log.lines().next()?).ok()).await?;
        let control = text_of(&ports, "control");
        let address: http::Uri = control.parse().map_err(http::Error::from)?;
        Ok(Self {
            url: text_of(&ports, "github"),
            client: Client::try_from(Config::new(address))?,
            control,
        })
    }

    /// Has things happen, in order.
    ///
    /// # Errors
    /// When it refuses one of them.
    pub async fn tell(&self, commands: &[Value]) -> Result<(), Error> {
        let request = http::Request::post("/commands").header("content-type", "application/json");
        let request = request.body(serde_json::to_vec(commands)?)?;
        self.client.request_text(request).await?;
        Ok(())
    }

    /// What the control API says under a path: `/tasks`, `/pulls`, `/requests`.
    ///
    /// # Errors
    /// When it gives no answer.
    pub async fn get(&self, path: &str) -> Result<Vec<Value>, Error> {
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(serde_json::from_str(&self.client.request_text(request).await?)?)
    }
}

/// A running controller.
pub struct Controller {
    /// Where it serves `/metrics`, `/healthz` and `/readyz`.
    pub address: String,
}

impl Controller {
    /// Its name among the processes.
    pub const NAME: &str = "agent-automation";

    /// Starts it as the ServiceAccount of `deploy/`; `arguments` win over the defaults of `controller`.
    ///
    /// # Errors
    /// When it has not been built or does not say where it serves.
    pub async fn start(plane: &ControlPlane, github: &GitHub, arguments: &[&str]) -> Result<Self, Error> {
        let github = format!("--github-api-url={}", github.url);
        let mut command = vec!["controller", "--metrics-address=127.0.0.1:0", &github];
        command.extend(arguments);
        run(plane, Self::NAME, &command).await?;
        let address = said(plane, Self::NAME, |log| address(log, ""));
        Ok(Self {
            address: address.await?,
        })
    }
}

/// A running receiver of webhooks, apart from the controller.
pub struct Receiver {
    /// Where it receives.
    pub url: String,
}

impl Receiver {
    /// Its name among the processes.
    pub const NAME: &str = "webhook";

    /// Starts it as the ServiceAccount of `deploy/`, with room for any number of requests at once.
    ///
    /// # Errors
    /// When it has not been built or does not say where it receives.
    pub async fn start(plane: &ControlPlane) -> Result<Self, Error> {
        let command = [
            "webhook",
            "--metrics-address=127.0.0.1:0",
            "--webhook-address=127.0.0.1:0",
            "--webhook-max-concurrent=65535",
        ];
        run(plane, Self::NAME, &command).await?;
        let address = said(plane, Self::NAME, |log| address(log, "receiving webhooks")).await?;
        Ok(Self {
            url: format!("http://{address}"),
        })
    }
}

/// Runs this project's program as the ServiceAccount of `deploy/`.
async fn run(plane: &ControlPlane, name: &str, arguments: &[&str]) -> Result<(), Error> {
    let kubeconfig = plane.controller_kubeconfig().await?;
    let mut command = vec![
        format!("KUBECONFIG={}", kubeconfig.display()),
        "NO_COLOR=1".to_owned(),
        program(Controller::NAME)?.display().to_string(),
    ];
    command.extend(arguments.iter().map(|&argument| argument.to_owned()));
    // `env` becomes the program it starts, so the process id is the program's.
    plane.run_beside(name, Path::new("/usr/bin/env"), &command)?;
    Ok(())
}

/// The address in the first line of a log that says so.
fn address(log: &str, line: &str) -> Option<String> {
    let rest = log
        .lines()
        .find_map(|it| it.split_once(line)?.1.split_once("address="))?
        .1;
    rest.split(char::is_whitespace).next().map(str::to_owned)
}

/// Where a program of this project is.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf, Error> {
    let beside = std::env::current_exe().unwrap_or_default().with_file_name(name);
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(Error::NotBuilt(beside))
    }
}

/// Waits until a program's log has what `find` looks for.
async fn said<T>(plane: &ControlPlane, name: &'static str, find: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    let started = Instant::now();
    loop {
        let log = fs::read_to_string(plane.log(name)).unwrap_or_default();
        match find(&log) {
            Some(found) => return Ok(found),
            None if started.elapsed() > DEADLINE => return Err(Error::NotReady { name, log }),
            None => sleep(INTERVAL).await,
        }
    }
}

fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
