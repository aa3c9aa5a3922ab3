//! One HTTP exchange: what is sent once stays sent once.
//!
//! The start of a task rests on two properties. A request leaves at most once per call: reqwest's retries are off, no
//! redirect is followed, HTTP/2 (whose streams a server may refuse after the fact) is off, and a POST gets a fresh
//! connection, since hyper re-sends only what it had queued on a *reused* one, and since a stale connection would make
//! an outcome unknown for no reason. And an error tells whether the request can have left: *never sent* is claimed only
//! for failures of the connector (name lookup, TCP, proxy, TLS), which ends before hyper is handed the request.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use reqwest::redirect::Policy;

use super::base_url::BaseUrl;
use super::text;

/// The largest body of an answer. A page of a hundred tasks has some 200 KiB.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// How long connecting may take, so that a host which drops packets gives *never sent* and not an unknown outcome.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than the time for which GitHub's load balancers keep an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A way to send one request and get its answer.
pub trait Transport: Send + Sync {
    /// Sends the request once. `timeout` bounds the whole exchange, from name lookup to the body's last byte.
    fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

/// An exchange without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No byte of the request left.
    #[error("the request was not sent: {0}")]
    NeverSent(String),
    /// The request may have been processed.
    #[error("the request's answer was lost: {0}")]
    Lost(String),
}

/// The network, by way of reqwest and rustls. Trusts the system's certificates (`SSL_CERT_FILE`, `SSL_CERT_DIR` name
/// others) and, for `https`, goes through the proxy that `HTTPS_PROXY` and `NO_PROXY` name.
#[derive(Debug)]
pub struct HttpTransport {
    /// Opens a connection for each request.
    fresh: reqwest::Client,
    /// Keeps connections for the next request.
    pooled: reqwest::Client,
}

impl TransportError {
    /// A name from a short list, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::NeverSent(_) => "never_sent",
            Self::Lost(_) => "lost",
        }
    }

    /// What happened, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::NeverSent(reason) | Self::Lost(reason) => reason,
        }
    }
}

impl HttpTransport {
    /// A transport to this base URL. Fails when the system has no usable certificates.
    pub fn new(base: &BaseUrl) -> Result<Self, TransportError> {
        let build = |idle_connections| {
            let builder = reqwest::Client::builder()
                .http1_only()
                .retry(reqwest::retry::never())
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(idle_connections);
            // A proxy would see what goes to plain http in the clear, and loopback needs none.
            let builder = if base.is_https() {
                builder.https_only(true)
            } else {
                builder.no_proxy()
            };
            builder
                .build()
                .map_err(|error| TransportError::NeverSent(reason(error)))
        };
        Ok(Self {
            fresh: build(0)?,
            pooled: build(4)?,
        })
    }
}

impl Transport for HttpTransport {
    fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
        let client = if is_safe { &self.pooled } else { &self.fresh };
        Box::pin(exchange(client, request, timeout))
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: Request<Bytes>,
    timeout: Duration,
) -> Result<Response<Bytes>, TransportError> {
    let mut request = reqwest::Request::try_from(request).map_err(|error| TransportError::NeverSent(reason(error)))?;
    *request.timeout_mut() = Some(timeout);
    let answer = client.execute(request).await.map_err(classify)?;
    let mut builder = Response::builder().status(answer.status());
    if let Some(headers) = builder.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let body = body(answer).await?;
    builder
        .body(body)
        .map_err(|error| TransportError::Lost(error.to_string()))
}

async fn body(mut answer: reqwest::Response) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|error| TransportError::Lost(reason(error)))?
    {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(TransportError::Lost(format!(
                "the answer is larger than {BODY_MAX} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn classify(error: reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NeverSent(reason(error))
    } else {
        TransportError::Lost(reason(error))
    }
}

/// The error and its causes, without the URL, which the caller knows.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if parts.last().is_none_or(|last| *last != part) {
            parts.push(part);
        }
        source = cause.source();
    }
    text::bounded(&parts.join(": "))
}
