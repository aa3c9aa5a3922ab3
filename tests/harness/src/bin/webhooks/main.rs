//! `make bench-webhooks`: how long the receiver takes to answer, beside what the API server takes for the same writes.
//!
//! Deliveries leave at fixed times whatever became of those before them, and each is timed from when it should have left:
//! so a receiver that falls behind is told by its latencies. It prints what it measured, whatever that is; nothing is
//! asserted.

mod objects;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use harness::control_plane::{ControlPlane, Options};
use harness::programs::Receiver;
use kube::Client;
use tokio::time::{Instant, sleep_until};

use self::objects::{Cluster, Deliveries};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Deliveries a second.
const RATE: u32 = 500;
const SECONDS: u32 = 20;
/// Automations that one event matches.
const FAN_OUT: usize = 200;
/// Deliveries of such an event.
const WIDE: u32 = 10;

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<()> {
    eprintln!("bench: starting the control plane and the receiver");
    let plane = ControlPlane::start(Options::default()).await?;
    plane.deploy().await?;
    let mut cluster = Cluster::prepare(&plane, FAN_OUT).await?;
    let receiver = Receiver::start(&plane).await?;
    let client = Client::try_from(kube::Config::new(receiver.url.parse()?))?;
    let deliveries = Arc::new(Deliveries::new(client));
    deliveries.known().await?;
    deliveries.one(0).await?;
    cluster.learn().await?;

    println!("{:<56} | {:>8} | {:>8} | {:>8}", "ms", "p50", "p99", "most");
    let nothing = steadily(RATE, SECONDS, |number| {
        let deliveries = deliveries.clone();
        async move { deliveries.nothing(number).await }
    });
    row(&format!("{RATE}/s, each causes nothing"), &nothing.await?);
    for rate in [50, 100, 200, RATE] {
        let writes = steadily(rate, SECONDS, |number| {
            let cluster = cluster.clone();
            async move { cluster.create(number).await }
        });
        row(
            &format!("{rate}/s, the API server alone creates one task each"),
            &writes.await?,
        );
        let caused = steadily(rate, SECONDS, |number| {
            let deliveries = deliveries.clone();
            async move { deliveries.one(number).await }
        });
        row(&format!("{rate}/s, each causes one task"), &caused.await?);
        cluster.clear().await?;
    }
    let mut wide = Vec::new();
    for number in 0..WIDE {
        let began = Instant::now();
        deliveries.all(number, FAN_OUT).await?;
        wide.push(began.elapsed());
    }
    row(
        &format!("one after the other, each causes {FAN_OUT} tasks"),
        &sorted(wide),
    );
    Ok(())
}

/// Sends at a rate, and times each from when it was due.
async fn steadily<F>(rate: u32, seconds: u32, send: impl Fn(u32) -> F) -> Result<Vec<Duration>>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let begin = Instant::now() + Duration::from_millis(100);
    let deliveries = (0..rate * seconds).map(|number| {
        let (due, sending) = (begin + Duration::from_secs(1) * number / rate, send(number));
        tokio::spawn(async move {
            sleep_until(due).await;
            sending.await.map_err(|error| error.to_string())?;
            Ok::<_, String>(due.elapsed())
        })
    });
    let answered = join_all(deliveries.collect::<Vec<_>>()).await;
    let taken: std::result::Result<Vec<_>, String> = answered
        .into_iter()
        .map(|answer| answer.map_err(|error| error.to_string())?)
        .collect();
    Ok(sorted(taken?))
}

fn sorted(mut taken: Vec<Duration>) -> Vec<Duration> {
    taken.sort_unstable();
    taken
}

fn row(what: &str, taken: &[Duration]) {
    let at = |percent: usize| {
        let rank = (taken.len() * percent).div_ceil(100).max(1);
        taken.get(rank - 1).map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
    };
    println!("{what:<56} | {:>8.1} | {:>8.1} | {:>8.1}", at(50), at(99), at(100));
}
