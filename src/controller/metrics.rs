//! What is counted, for Prometheus. Labels are words from short lists; names of objects are never labels.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::github::Exchange;

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    decisions: Family<Decision, Counter>,
    tasks: Family<InPhase, Gauge>,
    actions: Family<Outcome, Counter>,
    missed: Counter,
    start_delay: Histogram,
    github: Family<Request, Counter>,
    github_left: Gauge<f64, AtomicU64>,
    undecodable: Family<OfKind, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    phase: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InPhase {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    action: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("agent_automation"),
            leader: Gauge::default(),
            decisions: Family::default(),
            tasks: Family::default(),
            actions: Family::default(),
            missed: Counter::default(),
            // 10 ms to about 3 hours.
            start_delay: Histogram::new(exponential_buckets(0.01, 4.0, 11)),
            github: Family::default(),
            github_left: Gauge::default(),
            undecodable: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("leader", "1 while this process leads", self.leader.clone());
        registry.register(
            "task_decisions",
            "Phases that tasks entered, by reason",
            self.decisions.clone(),
        );
        registry.register("tasks", "Task objects by phase", self.tasks.clone());
        registry.register("actions", "Actions carried out, by result", self.actions.clone());
        registry.register("missed_runs", "Scheduled times that were not run", self.missed.clone());
        registry.register_with_unit(
            "start_delay",
            "From the scheduled time to the start's recorded outcome",
            Unit::Seconds,
            self.start_delay.clone(),
        );
        registry.register("github_requests", "Requests to GitHub, by result", self.github.clone());
        registry.register(
            "github_rate_limit_remaining",
            "What GitHub's last answer said is left",
            self.github_left.clone(),
        );
        registry.register(
            "undecodable_objects",
            "Objects that could not be decoded",
            self.undecodable.clone(),
        );
    }

    /// The text format that Prometheus reads.
    ///
    /// # Errors
    /// When a metric can't be written, which no input causes.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Counts a request to GitHub.
    #[expect(
        clippy::cast_precision_loss,
        reason = "GitHub's limits are far below what a float holds exactly"
    )]
    pub fn github_request(&self, exchange: &Exchange) {
        let request = Request {
            operation: exchange.operation,
            result: exchange.outcome,
        };
        self.github.get_or_create(&request).inc();
        if let Some(rate) = &exchange.rate {
            self.github_left.set(rate.remaining as f64);
        }
    }

    pub(super) fn leading(&self, leading: bool) {
        self.leader.set(i64::from(leading));
    }

    pub(super) fn decided(&self, phase: &'static str, reason: &'static str) {
        self.decisions.get_or_create(&Decision { phase, reason }).inc();
    }

    pub(super) fn moved(&self, from: Option<&'static str>, to: Option<&'static str>) {
        if let Some(phase) = from {
            self.tasks.get_or_create(&InPhase { phase }).dec();
        }
        if let Some(phase) = to {
            self.tasks.get_or_create(&InPhase { phase }).inc();
        }
    }

    pub(super) fn acted(&self, action: &'static str, result: &'static str) {
        self.actions.get_or_create(&Outcome { action, result }).inc();
    }

    pub(super) fn missed(&self, count: u64) {
        self.missed.inc_by(count);
    }

    pub(super) fn started_after(&self, seconds: f64) {
        self.start_delay.observe(seconds);
    }

    pub(super) fn undecodable(&self, kind: &'static str) {
        self.undecodable.get_or_create(&OfKind { kind }).inc();
    }
}
