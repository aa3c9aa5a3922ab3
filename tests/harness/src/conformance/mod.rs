//! What both API servers must do alike: one suite, run against the one in memory and the real kube-apiserver.
//!
//! Each case gets a namespace of its own and speaks HTTP, so that it sees what is on the wire; the last ones drive what
//! controllers are made of (watcher, reflector, event recorder). A case that cannot be provoked on the real server
//! is in no list here but in the tests of the memory server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a case fails by panicking, as a test does"
)]

mod builtins;
mod context;
mod deletions;
mod garbage;
mod machinery;
mod reads;
mod refusals;
mod schemas;
mod watches;
mod writes;

use std::future::{Future, ready};
use std::pin::Pin;

use futures::{StreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;

pub use context::Context;

/// Cases wait more than they work.
const AT_ONCE: usize = 8;

/// One behaviour.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub run: fn(Context) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Names the functions of a module as its cases.
macro_rules! list_cases {
    ($($name:ident),+ $(,)?) => {
        pub(super) const CASES: &[super::Case] =
            &[$(super::Case { name: stringify!($name), run: |context| Box::pin($name(context)) }),+];
    };
}
use list_cases;

/// The kind that the cases work with.
///
/// # Panics
/// When the manifest beside this file is not valid.
#[must_use]
pub fn widget_crd() -> CustomResourceDefinition {
    serde_saphyr::from_str(include_str!("widget.yaml")).expect("the manifest beside this file is valid")
}

/// All cases.
pub fn cases() -> impl Iterator<Item = Case> {
    let all = [
        // First, because the real collector takes its time.
        garbage::CASES,
        writes::CASES,
        refusals::CASES,
        schemas::CASES,
        deletions::CASES,
        reads::CASES,
        watches::CASES,
        builtins::CASES,
        machinery::CASES,
    ];
    all.into_iter().flatten().copied()
}

/// Runs all cases against a server, each in a namespace whose name begins with `prefix`.
///
/// # Panics
/// With the names of the cases that failed, after all have run.
pub async fn run(client: Client, prefix: &str) {
    context::install_widgets(&client).await;
    let runs = cases()
        .enumerate()
        .map(|(index, case)| run_one(&client, format!("{prefix}-{index}"), case));
    let failed: Vec<&str> = stream::iter(runs)
        .buffer_unordered(AT_ONCE)
        .filter_map(ready)
        .collect()
        .await;
    assert!(failed.is_empty(), "{} cases failed: {failed:?}", failed.len());
}

/// The case's name if it failed.
async fn run_one(client: &Client, namespace: String, case: Case) -> Option<&'static str> {
    let context = Context::create(client, &namespace).await;
    // A task of its own, so that one failure does not hide the next.
    let outcome = tokio::spawn((case.run)(context)).await;
    outcome.is_err().then_some(case.name)
}
