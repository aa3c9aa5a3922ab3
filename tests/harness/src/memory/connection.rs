//! One client's view of the server: its name in the history, and how far its caches lag behind.
//!
//! A lag models an API server whose watch cache is behind etcd: watches, and reads that accept any revision
//! (`resourceVersion=0`), are served late. Reads of the most recent state and all writes are not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::service::MemoryService;
use super::state::State;
use super::{MemoryApiServer, lock};

/// A client's way to the server. Clones share the lag.
#[derive(Clone)]
pub struct Connection {
    pub(super) server: MemoryApiServer,
    pub(super) link: Arc<Link>,
}

pub(super) struct Link {
    pub name: Arc<str>,
    lag: Mutex<Lag>,
}

/// How far behind a connection's caches are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lag {
    delay: Duration,
    held_at: Option<u64>,
    /// How often this connection's watches were closed.
    pub drops: u64,
}

impl Connection {
    pub(super) fn new(server: MemoryApiServer, name: &str) -> Self {
        let link = Arc::new(Link {
            name: name.into(),
            lag: Mutex::default(),
        });
        Self { server, link }
    }

    /// The tower service to build a client from.
    #[must_use]
    pub fn service(&self) -> MemoryService {
        MemoryService::new(self.clone())
    }

    /// A client without layers; it needs a tokio runtime.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.service(), "default")
    }

    /// Lets caches see each change only after `delay` of tokio time; zero for at once.
    pub fn set_watch_delay(&self, delay: Duration) {
        self.change(|lag, _| lag.delay = delay);
    }

    /// Freezes the caches at the present revision.
    pub fn hold_watches(&self) {
        self.change(|lag, state| lag.held_at = Some(state.revision));
    }

    /// Undoes [`Self::hold_watches`].
    pub fn release_watches(&self) {
        self.change(|lag, _| lag.held_at = None);
    }

    /// Closes this connection's open watches.
    pub fn drop_watches(&self) {
        self.change(|lag, _| lag.drops += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Lag, &State)) {
        let state = lock(&self.server.shared.state);
        change(
            &mut self.link.lag.lock().unwrap_or_else(PoisonError::into_inner),
            &state,
        );
        state.wake_watches();
    }
}

impl Link {
    pub fn lag(&self) -> Lag {
        *self.lag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lag {
    /// The revision that the caches are at.
    pub fn visible_revision(&self, state: &State, now: Instant) -> u64 {
        let arrived = if self.delay.is_zero() {
            state.revision
        } else {
            let pending = state.commits.partition_point(|(_, at)| *at + self.delay <= now);
            state
                .commits
                .get(pending)
                .map_or(state.revision, |(revision, _)| revision - 1)
        };
        arrived.min(self.held_at.unwrap_or(u64::MAX)).max(state.compacted)
    }

    /// When a change made at `at` reaches the caches; `None` while they are held before it.
    pub fn arrival(&self, revision: u64, at: Instant) -> Option<Instant> {
        let is_held = self.held_at.is_some_and(|held| revision > held);
        (!is_held).then(|| at + self.delay)
    }
}
