//! A request, step by step. What is cheap and tells nothing comes first; nothing of a body is parsed before its signature
//! has been checked; a source that is not there and a signature that is wrong are answered alike, for as long as the
//! source's secrets can be read.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Body;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::domain::outside::{MAX_DEPTH, PayloadError, parse_payload};
use crate::domain::repository::Repository;
use crate::plan::ObjectKey;

use super::limits::{Held, Unread, let_pass, read};
use super::metrics::Metrics;
use super::signature::Signature;
use super::sources::Source;
use super::{Delivery, Handler, Limits, Outcome, Sources};

/// Seconds after which a delivery that did not get through may be tried again.
const RETRY_AFTER: u64 = 5;
/// Characters of the line that says what is wrong with a delivery.
const LONGEST_REASON: usize = 300;
/// Characters of the line that says why a delivery causes nothing: each automation may have a reason of its own.
const LONGEST_REASONS: usize = 2_000;
const LONGEST_NAME: usize = 63;

/// The receiver of webhooks.
pub struct Receiver<H> {
    sources: Arc<Sources>,
    handler: Arc<H>,
    pub(super) limits: Limits,
    /// For bodies, in bytes.
    bodies: Semaphore,
    /// For events that are handled.
    events: Semaphore,
    metrics: Metrics,
}

/// An answer and the word it is counted by.
struct Answer {
    status: StatusCode,
    body: Value,
    result: &'static str,
}

/// What is known of a delivery whose signature was right.
struct Known {
    source: ObjectKey,
    event: String,
    id: String,
    action: Option<String>,
}

impl<H: Handler> Receiver<H> {
    #[must_use]
    pub fn new(sources: Arc<Sources>, handler: Arc<H>, limits: Limits, metrics: Metrics) -> Self {
        Self {
            sources,
            handler,
            bodies: limits.room(),
            events: Semaphore::new(limits.concurrent),
            limits,
            metrics,
        }
    }

    /// Whether it can promise anything.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sources.are_known() && self.handler.is_ready()
    }

    /// Answers a request.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (began, mut known) = (Instant::now(), None);
        self.metrics.in_flight.inc();
        let answer = timeout(self.limits.whole, self.judge(request, &mut known)).await;
        self.metrics.in_flight.dec();
        let answer = answer.unwrap_or_else(|_| unavailable("it took too long", "timeout"));
        let event = known.as_ref().map(|known| known.event.as_str());
        self.metrics.answered(event, answer.result, began.elapsed());
        log(known.as_ref(), &answer);
        answer.response()
    }

    async fn judge<B>(&self, request: Request<B>, known: &mut Option<Known>) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (source, delivery) = match self.verify(request, known).await {
            Ok(verified) => verified,
            Err(answer) => return answer,
        };
        // Who can't sign keeps nobody from this.
        let Ok(_room) = self.events.try_acquire() else {
            return busy();
        };
        self.decide(&source, delivery, known).await
    }

    /// Everything that is done before the body is parsed.
    async fn verify<B>(
        &self,
        request: Request<B>,
        known: &mut Option<Known>,
    ) -> Result<(Arc<Source>, (Delivery, Held<'_>)), Answer>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, mut body) = request.into_parts();
        let Some(source) = source(head.uri.path()) else {
            return Err(refused(
                StatusCode::NOT_FOUND,
                "webhooks arrive at /webhooks/github/NAMESPACE/NAME",
                "not_found",
            ));
        };
        if head.method != Method::POST {
            return Err(refused(
                StatusCode::METHOD_NOT_ALLOWED,
                "webhooks arrive by POST",
                "method_not_allowed",
            ));
        }
        if !self.is_ready() {
            return Err(unavailable(
                "it does not know the cluster yet, or not any more",
                "not_ready",
            ));
        }
        if !is_json(&head.headers) {
            return Err(refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "set the webhook's content type to application/json in GitHub's settings",
                "media_type",
            ));
        }
        let whole = match read(&mut body, &self.limits, &self.bodies).await {
            Ok(whole) => whole,
            Err(unread) => {
                if matches!(unread, Unread::TooLarge | Unread::NoRoom) {
                    let_pass(&mut body).await;
                }
                return Err(self.unread(unread));
            }
        };
        let Some(signature) = Signature::of(&head.headers) else {
            return Err(unsigned());
        };
        let signed = self.sources.signed(&source, &signature, &whole.bytes).await;
        let signed = signed.map_err(|_| unavailable("the webhook's secret can't be read now", "no_secret"))?;
        let accepted = signed.ok_or_else(unsigned)?;
        let event = one(&head.headers, "x-github-event", is_event).ok_or_else(|| {
            refused(
                StatusCode::BAD_REQUEST,
                "the header X-GitHub-Event is missing or no name of an event",
                "no_event",
            )
        })?;
        let id = one(&head.headers, "x-github-delivery", is_id).unwrap_or_default();
        let delivery = Delivery {
            source: source.clone(),
            event: event.clone(),
            id: id.clone(),
            payload: Value::Null,
        };
        *known = Some(Known {
            source,
            event,
            id,
            action: None,
        });
        Ok((accepted, (delivery, whole)))
    }

    async fn decide(
        &self,
        source: &Source,
        (mut delivery, held): (Delivery, Held<'_>),
        known: &mut Option<Known>,
    ) -> Answer {
        if delivery.event == "ping" {
            let body = json!({"ok": true, "source": delivery.source.to_string()});
            return Answer {
                status: StatusCode::OK,
                body,
                result: "ping",
            };
        }
        delivery.payload = match parse(&held.bytes) {
            Ok(payload) => payload,
            Err(problem) => return refused(StatusCode::BAD_REQUEST, problem, "not_json"),
        };
        drop(held);
        let action = delivery.payload.get("action").and_then(Value::as_str);
        if let Some(known) = known {
            known.action = action.filter(|action| is_event(action)).map(str::to_owned);
        }
        let name = delivery
            .payload
            .pointer("/repository/full_name")
            .and_then(Value::as_str);
        let Some(repository) = name.and_then(|name| Repository::parse(name).ok()) else {
            return nothing("it is not about a repository");
        };
        if !source.takes(&repository) {
            return nothing("spec.repositories of the WebhookSource does not name its repository");
        }
        match self.handler.handle(delivery).await {
            Outcome::Caused(tasks) => {
                let tasks: Vec<_> = tasks.iter().map(ToString::to_string).collect();
                Answer {
                    status: StatusCode::ACCEPTED,
                    body: json!({"tasks": tasks}),
                    result: "caused",
                }
            }
            Outcome::Nothing(reason) => nothing(&reason),
            Outcome::Malformed(problem) => refused(StatusCode::BAD_REQUEST, &line(&problem), "malformed"),
            Outcome::Unavailable(reason) => unavailable(&line(&reason), "unavailable"),
        }
    }

    fn unread(&self, unread: Unread) -> Answer {
        match unread {
            Unread::TooLarge => refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body has more than {} bytes", self.limits.body),
                "too_large",
            ),
            Unread::TooSlow => refused(StatusCode::REQUEST_TIMEOUT, "the body took too long", "too_slow"),
            Unread::CutShort => refused(StatusCode::BAD_REQUEST, "the body ends too early", "cut_short"),
            Unread::NoRoom => busy(),
        }
    }
}

impl Answer {
    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(format!("{}\n", self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER.into());
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            _ => {}
        }
        response
    }
}

fn refused(status: StatusCode, error: &str, result: &'static str) -> Answer {
    let body = json!({"error": error});
    Answer { status, body, result }
}

/// The same for a source that is not there as for a wrong signature.
fn unsigned() -> Answer {
    let error = "there is no such source, or X-Hub-Signature-256 is not of its secret";
    refused(StatusCode::UNAUTHORIZED, error, "unauthorized")
}

fn unavailable(reason: &str, result: &'static str) -> Answer {
    refused(StatusCode::SERVICE_UNAVAILABLE, reason, result)
}

fn busy() -> Answer {
    unavailable("too many requests at once", "busy")
}

fn nothing(reason: &str) -> Answer {
    Answer {
        status: StatusCode::ACCEPTED,
        body: json!({"reason": bounded(reason, LONGEST_REASONS)}),
        result: "nothing",
    }
}

/// What strangers send is not told at the usual level: they could fill the log with it.
fn log(known: Option<&Known>, answer: &Answer) {
    let (status, result) = (answer.status.as_u16(), answer.result);
    if let Some(known) = known {
        tracing::info!(
            source = %known.source,
            event = known.event,
            action = known.action,
            delivery = known.id,
            status,
            result,
            "webhook"
        );
    } else {
        tracing::debug!(status, result, "a request that is no signed webhook");
    }
}

/// The source that a path names.
fn source(path: &str) -> Option<ObjectKey> {
    let rest = path.strip_prefix("/webhooks/github/")?;
    let (namespace, name) = rest.split_once('/')?;
    let is_name = |name: &str| !name.is_empty() && !name.contains('/');
    (is_name(namespace) && is_name(name)).then(|| ObjectKey::new(namespace, name))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = one(headers, header::CONTENT_TYPE.as_str(), |_| true).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// A header that is there once, and is what it should be.
fn one(headers: &HeaderMap, name: &str, fits: fn(&str) -> bool) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    fits(value).then(|| value.to_owned())
}

/// GitHub's words for events and actions.
fn is_event(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_word)
}

fn is_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_digit)
}

/// The payload is quoted in no error.
fn parse(bytes: &[u8]) -> Result<Value, &'static str> {
    match parse_payload(bytes, MAX_DEPTH) {
        Ok(payload @ Value::Object(_)) => Ok(payload),
        Ok(_) => Err("the body is no JSON object"),
        Err(PayloadError::NotUtf8 | PayloadError::NotJson { .. }) => Err("the body is no JSON"),
        Err(PayloadError::MoreThanOne) => Err("the body goes on after its JSON object"),
        Err(PayloadError::TooDeep(_)) => Err("the body has too many levels"),
        Err(PayloadError::DuplicateKey) => Err("the body has an object with the same key twice"),
        Err(PayloadError::Number) => Err("the body has a number beyond 64 bits"),
    }
}

fn line(text: &str) -> String {
    bounded(text, LONGEST_REASON)
}

fn bounded(text: &str, most: usize) -> String {
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().take(most).map(visible).collect()
}
