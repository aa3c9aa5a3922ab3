//! An API server in memory: a tower service that a `kube::Client` cannot tell from the real one.
//!
//! It is deterministic: time comes from the given clock and from tokio's, uids and generated names from the seed, and
//! everything is ordered. A request is applied in one piece, without waiting. What it does as the real kube-apiserver
//! does is said, and checked on both, by [`crate::conformance`]. What it leaves out: CEL rules, server-side apply, JSON and
//! strategic patches, dry runs, discovery, authorization, conversion between versions.

mod builtin;
mod connection;
mod definition;
mod garbage;
mod history;
mod metadata;
mod names;
mod object;
mod random;
mod read;
mod refusal;
mod route;
mod schema;
mod selector;
mod service;
mod state;
mod validate;
mod watch;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use connection::Connection;
pub use definition::{Definition, DefinitionError, ResourceKey};
pub use history::{Subresource, Verb, Write};
pub use object::Object;
pub use service::{MemoryService, ResponseBody};
use state::State;

/// Where timestamps come from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Hears of each write at once, outside the server's lock.
type Observer = Arc<dyn Fn(&Write) + Send + Sync>;

/// How a server is set up.
#[derive(Clone)]
pub struct Options {
    pub clock: Clock,
    pub seed: u64,
    /// Custom kinds; the built-in ones (Secret, Namespace, Lease, Event, `CustomResourceDefinition`) are always there.
    pub definitions: Vec<Arc<Definition>>,
    pub namespaces: Namespaces,
    pub garbage: Garbage,
}

/// Whether an object needs its namespace to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespaces {
    Lenient,
    Strict,
}

/// When dependents of deleted owners, and the content of deleted namespaces, go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// Only by [`MemoryApiServer::collect_garbage`].
    Explicit,
    /// With the write that made them garbage.
    Immediate,
}

/// The server. Clones are the same server.
#[derive(Clone)]
pub struct MemoryApiServer {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    namespaces: Namespaces,
    garbage: Garbage,
    state: Mutex<State>,
    observers: Mutex<Vec<Observer>>,
}

impl MemoryApiServer {
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut state = State::new(options.seed);
        for definition in Definition::built_in().into_iter().chain(options.definitions) {
            state.define(definition);
        }
        let clock = options.clock.clone();
        let server = Self {
            shared: Arc::new(Shared {
                clock: options.clock,
                namespaces: options.namespaces,
                garbage: options.garbage,
                state: Mutex::new(state),
                observers: Mutex::default(),
            }),
        };
        write::create_default_namespace(&mut lock(&server.shared.state), clock());
        server
    }

    /// A client's own way to the server, with its own lag; `name` is the actor in the history.
    #[must_use]
    pub fn connect(&self, name: &str) -> Connection {
        Connection::new(self.clone(), name)
    }

    /// Compacts: changes so far are forgotten, open watches end with 410, and older revisions are refused.
    pub fn expire_watches(&self) {
        let mut state = lock(&self.shared.state);
        state.compact();
        state.expiries += 1;
        state.wake_watches();
    }

    /// Closes all open watches.
    pub fn drop_watches(&self) {
        let mut state = lock(&self.shared.state);
        state.drops += 1;
        state.wake_watches();
    }

    /// Deletes what nothing owns any more and empties terminating namespaces, until there is nothing left to do.
    pub fn collect_garbage(&self) {
        let mut state = lock(&self.shared.state);
        let first = state.history.len();
        garbage::collect(&mut state, (self.shared.clock)());
        let writes = state.history[first..].to_vec();
        drop(state);
        self.shared.tell(&writes);
    }

    /// All writes from the `first` on, oldest first.
    #[must_use]
    pub fn history(&self, first: usize) -> Vec<Write> {
        lock(&self.shared.state)
            .history
            .get(first..)
            .unwrap_or_default()
            .to_vec()
    }

    /// Calls `observer` after each write, before its answer is given. It may read the server.
    pub fn subscribe(&self, observer: impl Fn(&Write) + Send + Sync + 'static) {
        lock(&self.shared.observers).push(Arc::new(observer));
    }

    /// The present objects of a kind, in order of namespace and name.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Arc<Object>> {
        let state = lock(&self.shared.state);
        let tables = state.tables.values().filter(|table| table.definition.kind == kind);
        tables.flat_map(|table| table.objects.values().cloned()).collect()
    }

    /// The revision of the last write.
    #[must_use]
    pub fn revision(&self) -> u64 {
        lock(&self.shared.state).revision
    }
}

impl Shared {
    fn tell(&self, writes: &[Write]) {
        let observers = lock(&self.observers).clone();
        for write in writes {
            for observer in &observers {
                observer(write);
            }
        }
    }
}

/// A test that failed while it held the lock must not hide the next one's failure.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
