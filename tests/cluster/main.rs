//! What only a real API server can show. All tests here share one control plane; each works in namespaces of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binaries;
mod conformance;
mod control_plane;
mod deploy;
mod crash;
mod fleet;
mod life;

use std::{fmt::Debug, time::Duration};

use tokio::time::{sleep, timeout};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(45);

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
