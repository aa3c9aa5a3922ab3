//! The three servers: their command lines, and how one tells that they are ready.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{Client, Config};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Measuring, error::Error, free_port, supervisor::Supervisor, tail, write};

/// How long a server may take until it is ready, on a machine that is busy with other things.
pub(super) const DEADLINE: Duration = Duration::from_secs(90);
/// How long to wait between two questions.
pub(super) const INTERVAL: Duration = Duration::from_millis(25);

/// A process of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// etcd
    Etcd,
    /// kube-apiserver
    ApiServer,
    /// kube-controller-manager
    ControllerManager,
}

impl Server {
    /// The name of its program, and of its files in the control plane's folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
        }
    }
}

/// One line for each write, when its answer is complete.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: None
";

/// Where everything is: ports on loopback, files in the folder.
#[derive(Debug)]
pub(super) struct Layout {
    folder: PathBuf,
    controllers: &'static [&'static str],
    measuring: Measuring,
    etcd: u16,
    etcd_peers: u16,
    apiserver: u16,
    controller_manager: u16,
}

impl Layout {
    pub(super) fn new(
        folder: &Path,
        controllers: &'static [&'static str],
        measuring: Measuring,
    ) -> Result<Self, Error> {
        write(&folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
        Ok(Self {
            folder: folder.to_owned(),
            controllers,
            measuring,
            etcd: free_port()?,
            etcd_peers: free_port()?,
            apiserver: free_port()?,
            controller_manager: free_port()?,
        })
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    pub(super) fn signing_key(&self) -> PathBuf {
        self.folder.join("service-accounts.key")
    }

    /// Writes `NAME.kubeconfig` for the holder of a token.
    pub(super) fn write_kubeconfig(&self, name: &str, token: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(format!("{name}.kubeconfig"));
        let cluster = json!({
            "server": format!("https://127.0.0.1:{}", self.apiserver),
            "certificate-authority": self.certificate(),
        });
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": "test", "user": name}}],
            "current-context": name,
        });
        write(&path, &format!("{kubeconfig:#}"))?;
        Ok(path)
    }

    pub(super) fn arguments(&self, server: Server) -> Vec<String> {
        match server {
            Server::Etcd => self.etcd_arguments(),
            Server::ApiServer => self.apiserver_arguments(),
            Server::ControllerManager => self.controller_manager_arguments(),
        }
    }

    fn etcd_arguments(&self) -> Vec<String> {
        let clients = format!("http://127.0.0.1:{}", self.etcd);
        let peers = format!("http://127.0.0.1:{}", self.etcd_peers);
        vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            "--unsafe-no-fsync".to_owned(),
            // It elects itself; with the default it waits a second before it does.
            "--heartbeat-interval=20".to_owned(),
            "--election-timeout=200".to_owned(),
            "--log-level=warn".to_owned(),
        ]
    }

    fn apiserver_arguments(&self) -> Vec<String> {
        let key = self.signing_key().display().to_string();
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.apiserver),
            // It makes a certificate for itself there.
            format!("--cert-dir={}", self.path("certificates")),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", self.token_file().display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={key}"),
            format!("--service-account-signing-key-file={key}"),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            // Loopback is no address that an Endpoints object may hold.
            "--endpoint-reconciler-type=none".to_owned(),
        ];
        if self.measuring.audit {
            arguments.push(format!("--audit-policy-file={}", self.path("audit-policy.yaml")));
            arguments.push(format!("--audit-log-path={}", self.audit_log().display()));
        }
        arguments
    }

    fn controller_manager_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--kubeconfig={}", self.path("admin.kubeconfig")),
            format!("--controllers={}", self.controllers.join(",")),
            "--leader-elect=false".to_owned(),
            format!("--root-ca-file={}", self.certificate()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.controller_manager),
            format!("--cert-dir={}", self.path("certificates")),
        ];
        if let Some(qps) = self.measuring.controller_manager_qps {
            arguments.push(format!("--kube-api-qps={qps}"));
            arguments.push(format!("--kube-api-burst={qps}"));
        }
        arguments
    }

    /// Where a server says that it is ready, to anyone who asks.
    fn health(&self, server: Server) -> (String, &'static str) {
        match server {
            Server::Etcd => (format!("http://127.0.0.1:{}", self.etcd), "/readyz"),
            Server::ApiServer => (format!("https://127.0.0.1:{}", self.apiserver), "/readyz"),
            Server::ControllerManager => (format!("https://127.0.0.1:{}", self.controller_manager), "/healthz"),
        }
    }

    fn certificate(&self) -> String {
        self.path("certificates/apiserver.crt")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// Waits until a server that was started says that it is ready.
pub(super) async fn ready(layout: &Layout, server: Server, supervisor: &Supervisor) -> Result<(), Error> {
    let name = server.name();
    let (base, path) = layout.health(server);
    let client = prober(&base)?;
    let started = Instant::now();
    loop {
        let answer = match probe(&client, path).await {
            Ok(()) => return Ok(()),
            Err(answer) => answer.to_string(),
        };
        if !supervisor.is_running(name)? {
            return Err(Error::Ended {
                server: name,
                log: tail(&supervisor.log(name)),
            });
        }
        if started.elapsed() > DEADLINE {
            let log = tail(&supervisor.log(name));
            return Err(Error::NotReady {
                server: name,
                waited: DEADLINE,
                answer,
                log,
            });
        }
        sleep(INTERVAL).await;
    }
}

async fn probe(client: &Client, path: &str) -> Result<(), kube::Error> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    client.request_text(request).await.map(drop)
}

/// Nobody's client: it knows no certificate, because the server has not made it yet.
fn prober(base: &str) -> Result<Client, Error> {
    let url = base
        .parse()
        .map_err(|e: http::uri::InvalidUri| kube::Error::HttpError(e.into()))?;
    let mut config = Config::new(url);
    config.accept_invalid_certs = true;
    config.default_retry = false;
    config.read_timeout = Some(Duration::from_secs(5));
    Ok(Client::try_from(config)?)
}
