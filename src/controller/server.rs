//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::Metrics;
use super::{Shutdown, stopped};

/// Whether a process is of use by now.
pub type Readiness = Arc<dyn Fn() -> bool + Send + Sync>;

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the address can't be listened on.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    is_ready: Readiness,
    mut shutdown: Shutdown,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(move || async move { readiness(is_ready()) }))
        .route("/metrics", get(move || async move { exposition(&metrics) }));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopped(&mut shutdown).await })
        .await
}

/// Listens on an address.
///
/// # Errors
/// When it is taken or not ours.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

fn readiness(is_ready: bool) -> (StatusCode, &'static str) {
    if is_ready {
        (StatusCode::OK, "ok")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "it does not know the cluster yet, or not any more",
        )
    }
}

fn exposition(metrics: &Metrics) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    metrics.encode().map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |text| ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
    )
}
