//! GitHub's webhooks, received.
//!
//! An answer of 2xx is a promise: every task that the event causes is in the API server, or the event is known to cause
//! none. So nothing is kept in memory for later. What did not get through is answered 503, which GitHub shows as failed
//! and can deliver again; a task's name follows from its cause, so that doing it twice makes one task.
//!
//! A request comes from anyone until its signature has been checked. Until then nothing of it is parsed, looked up beyond
//! the source it names, or told back, and what it may take is bounded: bytes, time, and room among others.
//!
//! The [`receiver`] goes through a request in order; [`serve`] has the connections and [`tls`] their certificate;
//! [`signature`], [`limits`], [`sources`] and [`secrets`] are the steps on the way; [`cluster`] is what an event comes to.
//! What both of these know comes from watches; once one has failed for two minutes nothing is promised any more.

pub mod cluster;
mod freshness;
pub mod limits;
pub mod metrics;
pub mod receiver;
pub mod secrets;
pub mod serve;
pub mod signature;
pub mod sources;
pub mod tls;

use serde_json::Value;

use crate::plan::ObjectKey;

pub use cluster::Cluster;
pub use limits::Limits;
pub use receiver::Receiver;
pub use sources::Sources;

/// An event whose signature was right, for automations of its source's namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub source: ObjectKey,
    /// What `X-GitHub-Event` says: `issues`.
    pub event: String,
    /// What `X-GitHub-Delivery` says. It tells deliveries apart, not causes.
    pub id: String,
    pub payload: Value,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// These tasks are in the API server.
    Caused(Vec<ObjectKey>),
    /// It causes nothing, and why.
    Nothing(String),
    /// It is not what GitHub sends, and what is wrong with it.
    Malformed(String),
    /// It may cause something, and not all of that is in the API server.
    Unavailable(String),
}

/// What the receiver knows of the cluster and does with an event.
pub trait Handler: Send + Sync + 'static {
    /// Whether enough is known, and fresh enough, for an event to be known to cause nothing.
    fn is_ready(&self) -> bool;

    fn handle(&self, delivery: Delivery) -> impl Future<Output = Outcome> + Send;
}
