//! The controller: it becomes the leader, watches, plans what has changed, carries it out, and stops without leaving a
//! start half recorded.
//!
//! One task owns all that is known; watches, answers and timers come to it, one at a time. So there are no locks around
//! decisions, and a run is as deterministic as its inputs, which is what the simulation stands on.

mod events;
mod leading;
pub mod lease;
pub mod metrics;
pub mod requests;
mod secrets;
pub mod server;
pub mod timers;
pub(crate) mod watching;

use std::sync::Arc;

use tokio::sync::watch;

use crate::execute::{Clock, Executor};
use crate::github::{Client as GitHub, Transport};
use crate::plan::Settings;

use leading::Leading;
use lease::{Lease, Terms};
use metrics::Metrics;

/// Everything a controller is made of.
#[derive(Clone)]
pub struct Controller {
    pub client: kube::Client,
    pub github: GitHub,
    /// The way to whoever is told of the ends of tasks.
    pub receivers: Arc<dyn Transport>,
    pub clock: Clock,
    pub settings: Settings,
    pub lease: Terms,
    /// This process, and no other, ever.
    pub identity: String,
    pub metrics: Arc<Metrics>,
}

/// Turns true when the process is asked to stop.
pub type Shutdown = watch::Receiver<bool>;

impl Controller {
    /// Leads whenever it can, until it is asked to stop.
    pub async fn run(self, mut shutdown: Shutdown) {
        let lease = Arc::new(Lease::new(
            self.client.clone(),
            self.lease.clone(),
            self.identity.clone(),
            self.clock.clone(),
        ));
        while let Some(inherited) = lease.acquire(&mut shutdown).await {
            tracing::info!(identity = self.identity, inherited = inherited.len(), "leading");
            self.metrics.leading(true);
            let executor = Executor::new(
                self.client.clone(),
                self.github.clone(),
                self.receivers.clone(),
                lease.clone(),
                self.clock.clone(),
                self.settings.clone(),
                self.identity.clone(),
            );
            Leading::new(&self, executor, inherited)
                .run(&lease, &mut shutdown)
                .await;
            self.metrics.leading(false);
            tracing::info!(identity = self.identity, "no longer leading");
        }
        lease.give_up().await;
    }
}

/// Resolves when the process is asked to stop, or nobody is left to ask.
pub(crate) async fn stopped(shutdown: &mut Shutdown) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}
