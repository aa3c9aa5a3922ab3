//! The API server in memory, by the suite that the real one passes, and by what only it can be made to do.

use std::sync::Arc;

use harness::conformance;
use harness::memory::{Garbage, MemoryApiServer, Namespaces, Options};
use jiff::Timestamp;

fn server() -> MemoryApiServer {
    MemoryApiServer::new(Options {
        clock: Arc::new(|| Timestamp::UNIX_EPOCH),
        seed: 1,
        definitions: Vec::new(),
        namespaces: Namespaces::Strict,
        garbage: Garbage::Immediate,
    })
}

#[tokio::test(start_paused = true)]
async fn the_memory_server_conforms() {
    conformance::run(server().connect("suite").client(), "conformance").await;
}
