//! What is counted of deliveries. What a request says of itself is a label only once its signature was right, and then
//! from a short list.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Events that have a label of their own.
const EVENTS: &[&str] = &[
    "issue_comment",
    "issues",
    "ping",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
];

/// The receiver's metrics.
pub struct Metrics {
    requests: Family<Request, Counter>,
    duration: Histogram,
    pub(super) in_flight: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    event: &'static str,
    result: &'static str,
}

impl Metrics {
    /// Makes them part of a process's metrics.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            // A millisecond to about 16 seconds.
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            in_flight: Gauge::default(),
        };
        registry.register(
            "webhook_requests",
            "Requests to the receiver of webhooks, by event and result",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "webhook_duration",
            "From a request's headers to its answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "webhook_in_flight",
            "Requests under way at the receiver of webhooks",
            metrics.in_flight.clone(),
        );
        metrics
    }

    /// `event` is known when the signature was right.
    pub(super) fn answered(&self, event: Option<&str>, result: &'static str, after: Duration) {
        let event = event.map_or("unverified", category);
        self.requests.get_or_create(&Request { event, result }).inc();
        self.duration.observe(after.as_secs_f64());
    }
}

fn category(event: &str) -> &'static str {
    EVENTS.iter().copied().find(|known| *known == event).unwrap_or("other")
}
