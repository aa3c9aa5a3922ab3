//! Counts the requests to the API server, by what they are about and how they ended.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};

use super::metrics::Metrics;

/// Puts the count around a client.
#[derive(Clone)]
pub struct CountRequests(pub Arc<Metrics>);

/// A client whose requests are counted.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            metrics: self.0.clone(),
        }
    }
}

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (verb, resource) = (verb(&request), resource(request.uri().path()));
        let (answer, metrics) = (self.inner.call(request), self.metrics.clone());
        Box::pin(async move {
            let answer = answer.await;
            let result = answer
                .as_ref()
                .map_or("no_answer", |answer| result(answer.status().as_u16()));
            metrics.api_request(verb, resource, result);
            answer
        })
    }
}

fn verb<A>(request: &Request<A>) -> &'static str {
    let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    match request.method().as_str() {
        "GET" if watches => "watch",
        "GET" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    }
}

/// The kind in a path, from a short list.
fn resource(path: &str) -> &'static str {
    let is = |name: &str| path.split('/').any(|segment| segment == name);
    let kinds = [
        ("agenttasks", "agenttasks", "agenttasks/status"),
        ("agentautomations", "agentautomations", "agentautomations/status"),
        ("agentpolicies", "agentpolicies", "agentpolicies/status"),
        ("webhooksources", "webhooksources", "webhooksources"),
        ("leases", "leases", "leases"),
        ("secrets", "secrets", "secrets"),
        ("events", "events", "events"),
        ("namespaces", "namespaces", "namespaces"),
    ];
    let known = kinds.into_iter().find(|(name, ..)| is(name));
    known.map_or(
        "other",
        |(_, whole, status)| if path.ends_with("/status") { status } else { whole },
    )
}

fn result(status: u16) -> &'static str {
    match status {
        100..400 => "ok",
        404 => "not_found",
        409 => "conflict",
        410 => "gone",
        429 => "too_many_requests",
        400..500 => "refused",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_is_about() {
        let group = "/apis/agentautomation.dev/v1alpha1";
        let table = [
            ("GET", format!("{group}/agenttasks?watch=true"), "watch agenttasks"),
            (
                "GET",
                format!("{group}/namespaces/payments/agentautomations"),
                "get agentautomations",
            ),
            (
                "PUT",
                format!("{group}/namespaces/secrets/agenttasks/a/status"),
                "update agenttasks/status",
            ),
            (
                "GET",
                "/api/v1/namespaces/payments/secrets/token".to_owned(),
                "get secrets",
            ),
            ("GET", "/api/v1/namespaces?watch=true".to_owned(), "watch namespaces"),
            (
                "POST",
                "/apis/events.k8s.io/v1/namespaces/payments/events".to_owned(),
                "create events",
            ),
            ("GET", "/version".to_owned(), "get other"),
        ];
        for (method, path, expected) in table {
            let request = Request::builder().method(method).uri(&path).body(()).unwrap();
            let said = format!("{} {}", verb(&request), resource(request.uri().path()));
            assert_eq!(said, expected, "{method} {path}");
        }
    }
}
