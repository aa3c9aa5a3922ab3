//! `agent-automation controller`: wires the controller to a cluster, to GitHub and to the process's signals.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;
use jiff::{SignedDuration, Timestamp};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::timeout::TimeoutLayer;
use tracing_subscriber::EnvFilter;

use crate::controller::lease::Terms;
use crate::controller::metrics::Metrics;
use crate::controller::requests::CountRequests;
use crate::controller::server::Readiness;
use crate::controller::{Controller, Shutdown, server};
use crate::execute::Receivers;
use crate::github::{BaseUrl, Client as GitHub, HttpTransport};
use crate::plan::Settings;
use crate::webhook::metrics::Metrics as Received;
use crate::webhook::tls::TlsError;

use super::webhook::{Open, Receiving};

/// No call to the API server waits longer for its answer to begin.
pub(super) const API_TIMEOUT: Duration = Duration::from_secs(10);
const SHORTEST_INTERVAL: SignedDuration = SignedDuration::from_millis(100);

/// Run the controller. It finds the cluster as kubectl does: from KUBECONFIG, or from its own Pod.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// GitHub's API; for GitHub Enterprise Server the address with /api/v3.
    #[arg(long, default_value = "https://api.github.com", env = "GITHUB_API_URL", value_name = "URL", value_parser = BaseUrl::parse)]
    github_api_url: BaseUrl,
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        env = "METRICS_ADDRESS",
        value_name = "ADDRESS"
    )]
    metrics_address: SocketAddr,
    /// The namespace of the leader's lease.
    #[arg(
        long,
        default_value = "agent-automation-system",
        env = "POD_NAMESPACE",
        value_name = "NAMESPACE"
    )]
    lease_namespace: String,
    /// The name of the leader's lease.
    #[arg(long, default_value = "agent-automation", value_name = "NAME")]
    lease_name: String,
    /// A leader that has not renewed its lease for this long is taken to be gone.
    #[arg(long, default_value = "15s", value_parser = duration, value_name = "DURATION")]
    lease_duration: SignedDuration,
    /// A start's request has ended this long after it was written down. GitHub ends requests after 10 s.
    #[arg(long, default_value = "15s", value_parser = duration, value_name = "DURATION")]
    start_timeout: SignedDuration,
    /// How long a task whose start was not answered is looked for.
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "DURATION")]
    visibility_window: SignedDuration,
    /// Between two looks for a task whose start was not answered.
    #[arg(long, default_value = "5s", value_parser = interval, value_name = "DURATION")]
    search_interval: SignedDuration,
    /// Between two writes to GitHub with one credential; GitHub asks for a second at least.
    #[arg(long, default_value = "1s", value_parser = duration, value_name = "DURATION")]
    github_write_interval: SignedDuration,
    /// Between two polls of tasks that have just changed.
    #[arg(long, default_value = "5s", value_parser = interval, value_name = "DURATION")]
    poll_min: SignedDuration,
    /// Between two polls of tasks that have not changed for long.
    #[arg(long, default_value = "60s", value_parser = interval, value_name = "DURATION")]
    poll_max: SignedDuration,
    /// Between two looks at a Secret or repository that can't be used.
    #[arg(long, default_value = "15s", value_parser = interval, value_name = "DURATION")]
    recheck_interval: SignedDuration,
    /// A start needs a look at its branch that is no older.
    #[arg(long, default_value = "30s", value_parser = interval, value_name = "DURATION")]
    freshness: SignedDuration,
    /// Between two lists of a repository's pull requests when one has just changed.
    #[arg(long, default_value = "30s", value_parser = interval, value_name = "DURATION")]
    pull_poll_min: SignedDuration,
    /// Between two lists of a repository's pull requests when none has changed for long.
    #[arg(long, default_value = "10m", value_parser = interval, value_name = "DURATION")]
    pull_poll_max: SignedDuration,
    /// Between two looks for what happens in a repository.
    #[arg(long, default_value = "60s", value_parser = interval, value_name = "DURATION")]
    event_poll: SignedDuration,
    /// Where GitHub's webhooks are received; without it they are not.
    #[arg(long, env = "WEBHOOK_ADDRESS", value_name = "ADDRESS")]
    webhook_address: Option<SocketAddr>,
    #[command(flatten)]
    webhook: Receiving,
    /// How logs are written; `RUST_LOG` says which.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no cluster: {0}; set KUBECONFIG, or run in a Pod")]
    Config(#[from] kube::config::InferConfigError),
    #[error("no client for the cluster: {0}")]
    Client(#[from] kube::Error),
    #[error("no client for GitHub: {0}")]
    GitHub(#[from] crate::github::TransportError),
    #[error("can't listen on {address}: {source}; choose another {flag}")]
    Listen {
        flag: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("no client for notifications: {0}")]
    Receivers(crate::github::TransportError),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("the system gives no randomness")]
    Randomness(#[from] aws_lc_rs::error::Unspecified),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

#[must_use]
pub fn run(args: &Args) -> ExitCode {
    log(args.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime
        .map_err(Error::Io)
        .and_then(|runtime| runtime.block_on(control(args)));
    exit(ran)
}

pub(super) fn exit(ran: Result<(), Error>) -> ExitCode {
    ran.map_or_else(
        |error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

async fn control(args: &Args) -> Result<(), Error> {
    let mut metrics = Metrics::default();
    let counts = args.webhook_address.map(|_| Received::new(metrics.registry()));
    let metrics = Arc::new(metrics);
    let (stop, shutdown) = watch::channel(false);
    let client = client(metrics.clone()).await?;
    let receiver = match args.webhook_address.zip(counts) {
        Some((address, counts)) => Some(args.webhook.open(address, client.clone(), counts).await?),
        None => None,
    };
    let github = GitHub::new(
        Arc::new(HttpTransport::new(&args.github_api_url)?),
        args.github_api_url.clone(),
    );
    let counted = metrics.clone();
    let controller = Controller {
        client,
        github: github.observed_by(move |exchange| counted.github_request(exchange)),
        receivers: Arc::new(Receivers::new().map_err(Error::Receivers)?),
        clock: Arc::new(Timestamp::now),
        settings: args.settings(),
        lease: args.terms(),
        identity: identity(),
        metrics: metrics.clone(),
    };
    // A standby is as ready as a leader: it can take over.
    let is_ready = receiver
        .as_ref()
        .map_or_else(|| Arc::new(|| true) as Readiness, Open::readiness);
    let served = serve_metrics(args.metrics_address, metrics, is_ready, shutdown.clone()).await?;
    let signals = tokio::spawn(signals(stop)?);
    let receiving = receiver.map(|receiver| receiver.run(shutdown.clone()));
    tokio::join!(controller.run(shutdown), OptionFuture::from(receiving));
    signals.abort();
    served.abort();
    Ok(())
}

pub(super) async fn serve_metrics(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    is_ready: Readiness,
    shutdown: Shutdown,
) -> Result<JoinHandle<std::io::Result<()>>, Error> {
    let listener = listen("--metrics-address", address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /metrics, /healthz and /readyz");
    Ok(tokio::spawn(server::serve(listener, metrics, is_ready, shutdown)))
}

pub(super) async fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = server::listen(address).await;
    listener.map_err(|source| Error::Listen { flag, address, source })
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            start_timeout: self.start_timeout,
            visibility_window: self.visibility_window,
            search_interval: self.search_interval,
            write_interval: self.github_write_interval,
            poll_min: self.poll_min,
            poll_max: self.poll_max.max(self.poll_min),
            recheck_interval: self.recheck_interval,
            freshness: self.freshness,
            pull_poll_min: self.pull_poll_min,
            pull_poll_max: self.pull_poll_max.max(self.pull_poll_min),
            event_poll: self.event_poll,
            ..Settings::default()
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            namespace: self.lease_namespace.clone(),
            name: self.lease_name.clone(),
            duration: Duration::try_from(self.lease_duration).unwrap_or(Duration::from_secs(15)),
        }
    }
}

/// A client that repeats nothing and waits for nothing for ever.
pub(super) async fn client(metrics: Arc<Metrics>) -> Result<Client, Error> {
    let mut config = Config::infer().await?;
    config.default_retry = false;
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&TimeoutLayer::new(API_TIMEOUT))
        .with_layer(&CountRequests(metrics))
        .build())
}

/// Resolves when the process is asked to stop.
pub(super) fn signals(stop: watch::Sender<bool>) -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop: what is under way is ended first");
        stop.send_replace(true);
    })
}

/// A name that no other process has, with the host's in it for people.
fn identity() -> String {
    let host = hostname::get().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
    format!("{host}_{:016x}", rand::random::<u64>())
}

pub(super) fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// At which something is asked again: without a pause it would ask without end.
fn interval(text: &str) -> Result<SignedDuration, String> {
    let parsed = duration(text)?;
    if parsed < SHORTEST_INTERVAL {
        Err("write a duration of 100ms or more".to_owned())
    } else {
        Ok(parsed)
    }
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let parsed: SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is no duration: write 15s or 2m"))?;
    if parsed.is_negative() {
        Err("write a duration that is not negative".to_owned())
    } else {
        Ok(parsed)
    }
}
