//! A real kube-apiserver with etcd and a controller-manager, on loopback, gone with the process that started it.
//!
//! A [`ControlPlane`] is a temporary folder and the servers that live in it. A small shell, the [`supervisor`], is their
//! parent; it holds a pipe to this process and ends everything when that pipe closes, so that neither a panic nor
//! SIGKILL leaves a server or a file behind. RBAC is on: the admin of [`ControlPlane::kubeconfig`] is in
//! `system:masters`, everyone else gets what a test grants them, as with
//! [`ControlPlane::service_account_kubeconfig`].

mod binaries;
mod credentials;
mod deploy;
mod error;
mod kubectl;
mod servers;
mod supervisor;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client, Config,
    api::{ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::OnceCell;

use self::{binaries::Binaries, error::while_doing, servers::Layout, supervisor::Supervisor};
pub use self::{
    deploy::{CONTROLLER_ACCOUNT, CONTROLLER_NAMESPACE, deploy_folder},
    error::Error,
    kubectl::stdout_of,
    servers::Server,
};

/// The controllers that make owner references, namespace deletion, aggregated roles and ServiceAccounts behave as in a
/// cluster. The garbage collector learns of new kinds every 30 seconds, so what a custom resource owns goes with it
/// only that much later when its kind has just been installed.
pub const HOUSEKEEPING: &[&str] = &[
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
];

/// [`HOUSEKEEPING`], and CronJobs that make Jobs (no Pod ever runs: there is no node).
pub const HOUSEKEEPING_AND_CRONJOBS: &[&str] = &[
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "cronjob-controller",
    "job-controller",
];

/// How often a start is tried when another process was quicker to take a port that had been free.
const ATTEMPTS: usize = 3;

/// What to run besides etcd and the API server.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The controller-manager's controllers, by the names its `--controllers` takes; empty: no controller-manager.
    pub controllers: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controllers: HOUSEKEEPING,
        }
    }
}

/// What a measurement asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measuring {
    /// Whether the API server keeps an [audit log](ControlPlane::audit_log) of writes.
    pub audit: bool,
    /// Requests a second that the controller-manager allows itself; without, its default (20).
    pub controller_manager_qps: Option<u32>,
}

/// A running control plane; dropping it ends it.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    layout: Layout,
    kubeconfig: PathBuf,
    deployed: OnceCell<()>,
    supervisor: Supervisor,
}

/// The one control plane that all tests of this process share; each test works in namespaces of its own.
///
/// # Errors
/// As [`ControlPlane::start`]; the next caller tries again.
pub async fn shared() -> Result<&'static ControlPlane, Error> {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED.get_or_try_init(|| ControlPlane::start(Options::default())).await
}

impl ControlPlane {
    /// Starts the servers and waits until they are ready, some five seconds; the very first time the binaries are
    /// built, which takes minutes and is reported on standard error.
    ///
    /// # Errors
    /// When the binaries cannot be had, or a server ends early or is not ready in time; then with the end of its log.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::start_and_measure(options, Measuring::default()).await
    }

    /// The same, with what a measurement needs.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_and_measure(options: Options, measuring: Measuring) -> Result<Self, Error> {
        let binaries = Binaries::locate().await?;
        let mut attempt = 1;
        loop {
            match Self::start_once(binaries.clone(), options, measuring).await {
                Err(error) if error.is_port_taken() && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn start_once(binaries: Binaries, options: Options, measuring: Measuring) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("control-plane-")
            .tempdir()
            .map_err(while_doing("make a temporary folder"))?;
        let supervisor = Supervisor::spawn(folder)?;
        let layout = Layout::new(supervisor.folder(), options.controllers, measuring)?;
        let admin = credentials::admin(&layout.token_file())?;
        credentials::signing_key(&layout.signing_key())?;
        let kubeconfig = layout.write_kubeconfig("admin", &admin)?;
        let plane = Self {
            binaries,
            layout,
            kubeconfig,
            deployed: OnceCell::new(),
            supervisor,
        };
        plane.start_server(Server::Etcd).await?;
        plane.start_server(Server::ApiServer).await?;
        if !options.controllers.is_empty() {
            plane.start_server(Server::ControllerManager).await?;
        }
        Ok(plane)
    }

    /// The folder of `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`.
    #[must_use]
    pub fn binaries(&self) -> &Path {
        self.binaries.folder()
    }

    /// The temporary folder: logs, certificates, data. It goes with the control plane.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.supervisor.folder()
    }

    /// Where the API server records writes, one `audit.k8s.io/v1` Event a line, when
    /// [asked to](Self::start_and_measure).
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// The admin's kubeconfig file.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client for the admin. It belongs to the async runtime it is made on, so each test makes its own.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub async fn admin_client(&self) -> Result<Client, Error> {
        client_for(&self.kubeconfig).await
    }

    /// Writes a kubeconfig file that authenticates as a ServiceAccount, which must exist, for the next 24 hours.
    ///
    /// # Errors
    /// When the API server issues no token or the file cannot be written.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf, Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, namespace);
        let spec = TokenRequestSpec {
            expiration_seconds: Some(24 * 60 * 60),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest {
            spec: Some(spec),
            ..TokenRequest::default()
        };
        let issued = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await?;
        let token = issued.status.and_then(|status| status.token).unwrap_or_default();
        self.layout.write_kubeconfig(&format!("{namespace}-{name}"), &token)
    }

    /// Makes a namespace of which nobody else knows and returns its name, which starts with `prefix`.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create_namespace(&self, prefix: &str) -> Result<String, Error> {
        let namespaces: Api<Namespace> = Api::all(self.admin_client().await?);
        let metadata = ObjectMeta {
            generate_name: Some(format!("{prefix}-")),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        let created = namespaces.create(&PostParams::default(), &namespace).await?;
        Ok(created.metadata.name.unwrap_or_default())
    }

    /// The process id of a server, for measuring what it uses.
    ///
    /// # Errors
    /// When that server does not run.
    pub fn process_id(&self, server: Server) -> Result<u32, Error> {
        self.supervisor.process_id(server.name())
    }

    /// Runs a program beside the servers: it ends with them, whatever happens to this process. Its output goes to
    /// [`ControlPlane::log`].
    ///
    /// # Errors
    /// When the supervisor can't be told.
    pub fn run_beside(&self, name: &str, program: &Path, arguments: &[String]) -> Result<(), Error> {
        self.supervisor.start(name, program, arguments)
    }

    /// Kills a program that was [run beside](Self::run_beside) the servers, and waits until it is gone.
    ///
    /// # Errors
    /// When the supervisor can't be told.
    pub fn stop_beside(&self, name: &str) -> Result<(), Error> {
        self.supervisor.stop(name)
    }

    /// What a server, or a program [beside](Self::run_beside) it, has written.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.supervisor.log(name)
    }

    /// The process id of a program that was [run beside](Self::run_beside) the servers.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn process_id_beside(&self, name: &str) -> Result<u32, Error> {
        self.supervisor.process_id(name)
    }

    /// Kills the API server without warning and starts it on the same port and data.
    ///
    /// # Errors
    /// When it does not become ready again.
    pub async fn restart_apiserver(&self) -> Result<(), Error> {
        self.supervisor.stop(Server::ApiServer.name())?;
        self.start_server(Server::ApiServer).await
    }

    async fn start_server(&self, server: Server) -> Result<(), Error> {
        let program = self.binaries.program(server.name())?;
        let arguments = self.layout.arguments(server);
        self.supervisor.start(server.name(), &program, &arguments)?;
        servers::ready(&self.layout, server, &self.supervisor).await
    }
}

/// A client that authenticates as a kubeconfig file says.
///
/// # Errors
/// When the file cannot be read or does not make sense.
pub async fn client_for(kubeconfig: &Path) -> Result<Client, Error> {
    let invalid = |error: &dyn std::error::Error| Error::Kubeconfig(kubeconfig.to_owned(), error.to_string());
    let file = Kubeconfig::read_from(kubeconfig).map_err(|e| invalid(&e))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(|e| invalid(&e))?;
    Ok(Client::try_from(config)?)
}

fn write(path: &Path, content: &str) -> Result<(), Error> {
    fs::write(path, content).map_err(|source| Error::Io {
        action: format!("write {}", path.display()),
        source,
    })
}

/// The last lines of a file, for an error message.
fn tail(path: &Path) -> String {
    let log = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// A port of loopback that nobody listens on, from below the range that outgoing connections take theirs from: a
/// server that is restarted finds its port free.
fn free_port() -> Result<u16, Error> {
    use std::hash::{BuildHasher as _, RandomState};
    let taken = || Error::Io {
        action: "find a free port".to_owned(),
        source: io::ErrorKind::AddrInUse.into(),
    };
    (0..100_u32)
        .filter_map(|salt| u16::try_from(20_000 + RandomState::new().hash_one(salt) % 12_000).ok())
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(taken)
}
