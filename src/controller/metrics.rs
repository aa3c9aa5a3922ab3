//! What is counted, for Prometheus. Labels are words from short lists; names of objects are never labels.

use std::fmt;
use std::sync::atomic::AtomicU64;

use jiff::SignedDuration;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::api::notify::NotificationState;
use crate::api::task::{Phase, PullRequest};
use crate::api::{AgentTask, Reason};
use crate::github::Exchange;
use crate::plan::notify::in_state;
use crate::plan::pulls::{is_own_pull, refusal, seconds_to_review};
use crate::plan::world::phase;

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    decisions: Family<Decision, Counter>,
    tasks: Family<Decision, Gauge>,
    open_pull_requests: Gauge,
    credits: Counter<f64, AtomicU64>,
    held: Histogram,
    time_to_review: Histogram,
    pulls_closed: Family<Ended, Counter>,
    api: Family<ApiRequest, Counter>,
    actions: Family<Outcome, Counter>,
    missed: Counter,
    unseen: Counter,
    start_delay: Histogram,
    github: Family<Request, Counter>,
    github_left: Gauge<f64, AtomicU64>,
    undecodable: Family<OfKind, Counter>,
    notifications: Family<Ended, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    phase: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiRequest {
    verb: &'static str,
    resource: &'static str,
    result: &'static str,
}

/// What is counted of a task as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub phase: Phase,
    pub reason: Option<Reason>,
    pub has_open_pull: bool,
    pub is_merged: bool,
    pub pull: PullNews,
    pub nano_credits: i64,
    /// Seconds from its pull request's creation to the first review of it.
    pub review_seconds: Option<i64>,
    /// Notifications of its end that were delivered.
    pub delivered: usize,
    /// Those that were given up.
    pub dead_letters: usize,
    /// What GitHub did not let be said where it came from: a comment, a label.
    pub refused_reports: usize,
}

/// What Events tell of a task's pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PullNews {
    pub is_stale: bool,
    pub is_closed_as_stale: bool,
    pub is_refused: bool,
}

impl Seen {
    pub(super) fn of(task: &AgentTask) -> Self {
        let status = task.status.as_ref();
        // Of one that tasks only work on each would count.
        let pull = status.and_then(|status| status.pull_request.as_ref());
        let pull = pull.filter(|_| is_own_pull(task));
        Self {
            phase: phase(task),
            reason: status.and_then(|status| status.reason),
            has_open_pull: pull.is_some_and(PullRequest::is_open),
            is_merged: pull.is_some_and(|pull| pull.merged),
            pull: PullNews {
                is_stale: pull.is_some_and(|pull| pull.stale),
                is_closed_as_stale: pull.is_some_and(|pull| pull.closed_as_stale_at.is_some()),
                is_refused: pull.is_some_and(|pull| refusal(pull).is_some()),
            },
            nano_credits: status
                .and_then(|status| status.usage.as_ref())
                .map_or(0, |usage| usage.nano_ai_credits),
            review_seconds: pull.and_then(seconds_to_review),
            delivered: in_state(task, NotificationState::Delivered),
            dead_letters: in_state(task, NotificationState::DeadLetter),
            refused_reports: status
                .and_then(|status| status.report.as_ref())
                .map_or(0, |report| report.refused.iter().chain(&report.label_refused).count()),
        }
    }

    fn labels(self) -> Decision {
        Decision {
            phase: self.phase.as_str(),
            reason: self.reason.map_or("", Reason::as_str),
        }
    }
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
            open_pull_requests: Gauge::default(),
            credits: Counter::default(),
            // A second to about 12 days.
            held: Histogram::new(exponential_buckets(1.0, 4.0, 11)),
            // A minute to about 6 weeks.
            time_to_review: Histogram::new(exponential_buckets(60.0, 4.0, 9)),
            pulls_closed: Family::default(),
            api: Family::default(),
            actions: Family::default(),
            missed: Counter::default(),
            unseen: Counter::default(),
            // 10 ms to about 3 hours.
            start_delay: Histogram::new(exponential_buckets(0.01, 4.0, 11)),
            github: Family::default(),
            github_left: Gauge::default(),
            undecodable: Family::default(),
            notifications: Family::default(),
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
        registry.register("tasks", "Task objects by phase and reason", self.tasks.clone());
        registry.register(
            "open_pull_requests",
            "Pull requests of tasks that wait for people",
            self.open_pull_requests.clone(),
        );
        registry.register(
            "ai_credits",
            "AI credits that tasks are known to have cost",
            self.credits.clone(),
        );
        registry.register_with_unit(
            "held",
            "From the creation of a task that was held to its start, or to its end without one",
            Unit::Seconds,
            self.held.clone(),
        );
        registry.register_with_unit(
            "pull_request_review",
            "From a pull request's creation to its first review",
            Unit::Seconds,
            self.time_to_review.clone(),
        );
        registry.register(
            "pull_requests_closed",
            "Pull requests that were merged, or closed unmerged",
            self.pulls_closed.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the API server, by result",
            self.api.clone(),
        );
        registry.register("actions", "Actions carried out, by result", self.actions.clone());
        registry.register("missed_runs", "Scheduled times that were not run", self.missed.clone());
        registry.register(
            "events_unseen",
            "Looks at a repository, by automation, that GitHub did not let reach back to the last",
            self.unseen.clone(),
        );
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
        registry.register(
            "notifications",
            "Ends of tasks that receivers were told of, or that were given up",
            self.notifications.clone(),
        );
    }

    /// Where other parts of the process have their metrics.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
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

    /// A task object is another than before, or came, or went.
    pub(super) fn moved(&self, from: Option<Seen>, to: Option<Seen>) {
        if let Some(seen) = from {
            self.tasks.get_or_create(&seen.labels()).dec();
            self.open_pull_requests.dec_by(i64::from(seen.has_open_pull));
        }
        if let Some(seen) = to {
            self.tasks.get_or_create(&seen.labels()).inc();
            self.open_pull_requests.inc_by(i64::from(seen.has_open_pull));
        }
    }

    /// This process wrote what it had seen of a task, `age` after the task's creation.
    #[expect(clippy::cast_precision_loss, reason = "a sum of credits is for looking at")]
    pub(super) fn wrote(&self, from: Seen, to: Seen, age: SignedDuration) {
        let cost = to.nano_credits.saturating_sub(from.nano_credits).max(0);
        self.credits.inc_by(cost as f64 / 1e9);
        if from.phase == Phase::Held && !to.phase.is_waiting() {
            self.held.observe(age.as_secs_f64());
        }
        if let (None, Some(seconds)) = (from.review_seconds, to.review_seconds) {
            self.time_to_review.observe(seconds as f64);
        }
        let notified = [
            ("delivered", from.delivered, to.delivered),
            ("dead_letter", from.dead_letters, to.dead_letters),
        ];
        for (result, from, to) in notified.into_iter().filter(|(_, from, to)| to > from) {
            let more = u64::try_from(to - from).unwrap_or_default();
            self.notifications.get_or_create(&Ended { result }).inc_by(more);
        }
        if from.has_open_pull && !to.has_open_pull {
            let result = if to.is_merged { "merged" } else { "unmerged" };
            self.pulls_closed.get_or_create(&Ended { result }).inc();
        }
    }

    pub(super) fn api_request(&self, verb: &'static str, resource: &'static str, result: &'static str) {
        let request = ApiRequest { verb, resource, result };
        self.api.get_or_create(&request).inc();
    }

    pub(super) fn acted(&self, action: &'static str, result: &'static str) {
        self.actions.get_or_create(&Outcome { action, result }).inc();
    }

    pub(super) fn unseen(&self, times: u64) {
        self.unseen.inc_by(times);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: &str) -> Seen {
        let text = format!(
            "{{metadata: {{name: a, namespace: payments}},
               spec: {{automation: {{name: one, uid: u, generation: 1}}, repository: acme/api, baseBranch: main,
                       trigger: {{name: tick, kind: Schedule, scheduledTime: '2026-11-22T06:00:00Z'}}, prompt: Go.,
                       templateDigest: '', secretRef: {{name: token}}}}, status: {status}}}"
        );
        Seen::of(&serde_saphyr::from_str(&text).unwrap())
    }

    #[test]
    fn what_is_counted_of_a_task() {
        let held = seen("{phase: Held, reason: PolicyCap}");
        let running = seen("{phase: Running, reason: InProgress}");
        let opened = seen(
            "{phase: Succeeded, reason: Completed, usage: {nanoAiCredits: 2500000000},
              pullRequest: {id: 1, state: open, createdAt: '2026-11-22T06:00:00Z'}}",
        );
        let merged = seen(
            "{phase: Succeeded, reason: Completed, usage: {nanoAiCredits: 2500000000},
              pullRequest: {id: 1, state: closed, merged: true, createdAt: '2026-11-22T06:00:00Z',
                            firstReviewAt: '2026-11-22T06:10:00Z'},
              notifications: [{name: chat, of: Succeeded, state: Delivered}, {name: tickets, of: Succeeded, state: Delivered},
                              {name: old, of: Succeeded, state: DeadLetter}, {name: new, of: Succeeded, state: Pending}]}",
        );
        let metrics = Metrics::default();
        let steps = [held, running, opened, merged];
        metrics.moved(None, Some(held));
        for pair in steps.windows(2) {
            let [before, after] = pair else { unreachable!() };
            metrics.moved(Some(*before), Some(*after));
            metrics.wrote(*before, *after, SignedDuration::from_secs(90));
        }
        let text = metrics.encode().unwrap();
        let expected = [
            "tasks{phase=\"Held\",reason=\"PolicyCap\"} 0",
            "tasks{phase=\"Succeeded\",reason=\"Completed\"} 1",
            "open_pull_requests 0",
            "ai_credits_total 2.5",
            "held_seconds_sum 90.0",
            "held_seconds_count 1",
            "pull_request_review_seconds_sum 600.0",
            "pull_requests_closed_total{result=\"merged\"} 1",
            "notifications_total{result=\"delivered\"} 2",
            "notifications_total{result=\"dead_letter\"} 1",
        ];
        for line in expected {
            let line = format!("agent_automation_{line}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
