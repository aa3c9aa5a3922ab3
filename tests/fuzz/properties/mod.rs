//! What holds for any bytes from outside, one module a place where they come in. A property that is broken panics. An
//! input that can't be read as one is `false`.
//!
//! An input is text that people can write: lines that say how it comes in, an empty line, and what comes in. The fuzzer
//! changes all of it.

pub mod answers;
pub mod events;
pub mod receiver;
pub mod templates;

use jiff::Timestamp;

/// The same for all runs: an input that was found breaks the same tomorrow.
fn now() -> Timestamp {
    "2026-11-22T06:00:00Z".parse().unwrap()
}

/// Lines up to the first empty one, and what follows it.
fn head_and_body(bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut head = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        if line.is_empty() {
            return (head, rest);
        }
        head.push(line);
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
