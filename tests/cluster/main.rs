//! What only a real API server can show. Tests share one control plane and work in namespaces of their own, except where
//! a controller runs, which acts on all namespaces: see [`fleet`].

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod binaries;
mod commands;
mod conformance;
mod control_plane;
mod crash;
mod deploy;
mod fleet;
mod life;
#[path = "../cli/manifests.rs"]
#[expect(dead_code, reason = "what `validate` says of them is tested with the command line")]
mod manifests;
mod names;
mod refusals;
mod rest;
mod secrecy;
mod starts;
mod transitions;
mod validate;
mod webhook;

use std::{fmt::Debug, time::Duration};

use tokio::time::{sleep, timeout};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// Asks again until the answer is yes.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    assert!(
        within_deadline(async || condition().await.then_some(()))
            .await
            .is_some(),
        "not in {DEADLINE:?}: {what}"
    );
}

/// Asks again until the answer is the expected one.
async fn eventually_eq<T: Debug + PartialEq>(expected: T, mut ask: impl AsyncFnMut() -> T) {
    let agreed = within_deadline(async || (ask().await == expected).then_some(())).await;
    if agreed.is_none() {
        assert_eq!(ask().await, expected, "still, after {DEADLINE:?}");
    }
}

/// Asks again for as long as what is left becomes less, however long that takes on this machine.
async fn until_none_is_left<T: Debug>(mut ask: impl AsyncFnMut() -> Vec<T>) {
    let mut left = ask().await;
    while !left.is_empty() {
        let fewer = within_deadline(async || Some(ask().await).filter(|now| now.len() < left.len())).await;
        left = fewer.unwrap_or_else(|| panic!("no fewer in {DEADLINE:?}: {left:#?}"));
    }
}

async fn within_deadline<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(DEADLINE, asking).await.ok()
}
