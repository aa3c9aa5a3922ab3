//! `agent-automation webhook`: the receiver of GitHub's webhooks, apart from the controller; and what both have in common.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use futures::future::OptionFuture;
use jiff::Timestamp;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::controller::Shutdown;
use crate::controller::metrics::Metrics;
use crate::controller::server::Readiness;
use crate::webhook::limits::LARGEST_BODY;
use crate::webhook::metrics::Metrics as Received;
use crate::webhook::serve::serve;
use crate::webhook::tls::{self, Certificate};
use crate::webhook::{Cluster, Limits, Receiver, Sources};

use super::controller::{Error, LogFormat, client, exit, listen, log, serve_metrics, signals};

/// Receive GitHub's webhooks, apart from the controller. Any number can run; it finds the cluster as the controller does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where GitHub's webhooks are received, as POST /webhooks/github/NAMESPACE/NAME.
    #[arg(
        long,
        default_value = "127.0.0.1:8090",
        env = "WEBHOOK_ADDRESS",
        value_name = "ADDRESS"
    )]
    webhook_address: SocketAddr,
    #[command(flatten)]
    webhook: Receiving,
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        env = "METRICS_ADDRESS",
        value_name = "ADDRESS"
    )]
    metrics_address: SocketAddr,
    /// How logs are written; `RUST_LOG` says which.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// How webhooks are received.
#[derive(Debug, clap::Args)]
pub(super) struct Receiving {
    /// The receiver's certificate and those above it, in PEM; without it TLS has to end before it. Read again when it
    /// changes.
    #[arg(long, requires = "tls_private_key_file", value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// The certificate's private key, in PEM. Read again when it changes.
    #[arg(long, requires = "tls_cert_file", value_name = "FILE")]
    tls_private_key_file: Option<PathBuf>,
    /// The largest body of a webhook: 1MiB, or a number of bytes; up to 25MiB, which is GitHub's own limit.
    #[arg(long, default_value = "1MiB", value_parser = size, value_name = "SIZE")]
    webhook_max_body: usize,
    /// Webhooks that are handled at once; further ones are told to come again. Together, bodies take no more than so many of
    /// the largest.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..), value_name = "NUMBER")]
    webhook_max_concurrent: u16,
}

/// A receiver that listens and does not answer yet.
pub(super) struct Open {
    listener: TcpListener,
    tls: Option<(Arc<Certificate>, TlsAcceptor)>,
    sources: Arc<Sources>,
    cluster: Arc<Cluster>,
    receiver: Arc<Receiver<Cluster>>,
}

#[must_use]
pub fn run(args: &Args) -> ExitCode {
    log(args.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    exit(
        runtime
            .map_err(Error::Io)
            .and_then(|runtime| runtime.block_on(receive(args))),
    )
}

async fn receive(args: &Args) -> Result<(), Error> {
    let mut metrics = Metrics::default();
    let counts = Received::new(metrics.registry());
    let metrics = Arc::new(metrics);
    let (stop, shutdown) = watch::channel(false);
    let client = client(metrics.clone()).await?;
    let receiver = args.webhook.open(args.webhook_address, client, counts).await?;
    let served = serve_metrics(args.metrics_address, metrics, receiver.readiness(), shutdown.clone()).await?;
    let signals = tokio::spawn(signals(stop)?);
    receiver.run(shutdown).await;
    signals.abort();
    served.abort();
    Ok(())
}

impl Receiving {
    /// Listens, so that what can't be is told at once.
    pub(super) async fn open(&self, address: SocketAddr, client: Client, metrics: Received) -> Result<Open, Error> {
        let sources = Arc::new(Sources::new(client.clone())?);
        let cluster = Arc::new(Cluster::new(client, Arc::new(Timestamp::now)));
        let limits = Limits {
            body: self.webhook_max_body,
            concurrent: self.webhook_max_concurrent.into(),
            ..Limits::default()
        };
        let receiver = Receiver::new(sources.clone(), cluster.clone(), limits, metrics);
        let open = Open {
            tls: self.tls()?,
            listener: listen("--webhook-address", address).await?,
            sources,
            cluster,
            receiver: Arc::new(receiver),
        };
        tracing::info!(
            address = %open.listener.local_addr()?,
            tls = open.tls.is_some(),
            "receiving webhooks"
        );
        Ok(open)
    }

    fn tls(&self) -> Result<Option<(Arc<Certificate>, TlsAcceptor)>, Error> {
        let Some((certificate, key)) = self.tls_cert_file.as_ref().zip(self.tls_private_key_file.as_ref()) else {
            return Ok(None);
        };
        let certificate = Certificate::load(certificate, key)?;
        let acceptor = certificate.acceptor()?;
        Ok(Some((certificate, acceptor)))
    }
}

impl Open {
    pub(super) fn readiness(&self) -> Readiness {
        let receiver = self.receiver.clone();
        Arc::new(move || receiver.is_ready())
    }

    /// Receives until the process is asked to stop.
    pub(super) async fn run(self, shutdown: Shutdown) {
        let (certificate, acceptor) = self.tls.unzip();
        let certificate = certificate.as_ref().map(|certificate| certificate.follow(tls::LOOK));
        tokio::select! {
            () = serve(self.listener, acceptor, self.receiver, shutdown) => {}
            () = self.sources.follow() => {}
            () = self.cluster.follow() => {}
            Some(()) = OptionFuture::from(certificate) => {}
        }
    }
}

fn size(text: &str) -> Result<usize, String> {
    let units = [("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
    let unit = units
        .into_iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let bytes = unit.and_then(|(number, bytes)| number.parse::<usize>().ok()?.checked_mul(bytes));
    match bytes {
        Some(bytes @ 1..=LARGEST_BODY) => Ok(bytes),
        Some(_) => Err("write a size from 1 to 25MiB".to_owned()),
        None => Err(format!("{text:?} is no size: write 1MiB or 500KiB")),
    }
}
