//! The wires between a controller and what it talks to. Each write that goes over them is a point at which the controller
//! can be made to die, and each request can be made to fail as networks fail.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use agent_automation::github::{Transport, TransportError};
use agent_automation::simulator::{Answer, Simulator};
use bytes::Bytes;
use futures::future::{BoxFuture, pending};
use harness::memory::{MemoryService, ResponseBody};
use http::{Method, Request, Response, Uri};
use kube::client::Body;
use tokio::sync::Notify;
use tower::{BoxError, Service};

use crate::receiver::Receiver;

/// When the controller dies, as seen from one of its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the request leaves.
    Unsent,
    /// The request has left, and is acted on while the controller is dead.
    Unanswered,
    /// The request was acted on and answered; the answer was not looked at.
    Unprocessed,
    /// The request is acted on only when the next controller is at work.
    Delayed,
}

impl Moment {
    /// The three that every write is tried with.
    pub const THREE: [Self; 3] = [Self::Unsent, Self::Unanswered, Self::Unprocessed];
}

/// What a faulty network does to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The connection is refused.
    Refused,
    /// It gets through, and its answer does not.
    AnswerLost,
    /// It gets through late, and its answer does not.
    Delayed(Duration),
    /// It gets through late, and is answered then.
    Late(Duration),
    /// The API server says that it is too busy.
    Busy,
    /// The API server forbids it.
    Forbidden,
}

/// Decides about each request, in order.
pub type Weather = Box<dyn FnMut(&Sent) -> Option<Mishap> + Send>;

/// A request, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    pub target: &'static str,
    pub method: String,
    /// The kind of thing and not its name: `agenttasks/status`, `agenttasks watch`.
    pub what: String,
    pub is_write: bool,
}

impl Sent {
    /// The lease is renewed, a Secret is read now and then, a repository with open pull requests is asked for a list of
    /// them, and a watch that has run out is begun again: those cost no more with more objects.
    pub fn is_upkeep(&self) -> bool {
        let read = matches!(self.what.as_str(), "secrets" | "list of pulls") || self.what.ends_with(" watch");
        self.what == "leases" || (!self.is_write && read)
    }
}

/// One controller's wires.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Mutex<Inner>>,
    died: Arc<Notify>,
}

struct Inner {
    requests: Vec<Sent>,
    writes: Vec<Sent>,
    die_at: Option<(usize, Moment)>,
    dead: bool,
    weather: Option<Weather>,
}

/// What becomes of a request.
#[derive(Clone, Copy)]
enum Fate {
    Pass,
    Never,
    /// It is acted on after this long, and nobody hears of it.
    Unheard(Duration),
    Mishap(Mishap),
}

/// Well after the lease of a dead controller has run out.
const NEXT_AT_WORK: Duration = Duration::from_secs(20);

impl Network {
    /// Wires on which the controller dies at its n-th write, counted from 1.
    pub fn new(die_at: Option<(usize, Moment)>) -> Self {
        let inner = Inner {
            requests: Vec::new(),
            writes: Vec::new(),
            die_at,
            dead: false,
            weather: None,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            died: Arc::default(),
        }
    }

    /// Wires that fail as `weather` says.
    pub fn in_weather(weather: Weather) -> Self {
        let network = Self::new(None);
        network.lock().weather = Some(weather);
        network
    }

    /// Resolves when the controller is to die.
    pub async fn death(&self) {
        self.died.notified().await;
    }

    /// Writes sent, or about to be.
    pub fn writes(&self) -> Vec<Sent> {
        self.lock().writes.clone()
    }

    /// Nothing gets through any more.
    pub fn cut(&self) {
        self.lock().dead = true;
    }

    /// All requests, reads too.
    pub fn requests(&self) -> Vec<Sent> {
        self.lock().requests.clone()
    }

    pub fn api_server(&self, service: MemoryService) -> ApiServer {
        ApiServer {
            network: self.clone(),
            service,
        }
    }

    pub fn github(&self, simulator: Simulator) -> Arc<dyn Transport> {
        Arc::new(GitHub {
            network: self.clone(),
            simulator,
        })
    }

    pub fn receivers(&self, receiver: Receiver) -> Arc<dyn Transport> {
        Arc::new(Told {
            network: self.clone(),
            receiver,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn fate(&self, write: Sent) -> Fate {
        let mut inner = self.lock();
        if inner.dead {
            return Fate::Never;
        }
        inner.requests.push(write.clone());
        let mishap = inner.weather.as_mut().and_then(|weather| weather(&write));
        if !write.is_write {
            return mishap.map_or(Fate::Pass, Fate::Mishap);
        }
        inner.writes.push(write);
        let count = inner.writes.len();
        let Some((_, moment)) = inner.die_at.filter(|(at, _)| *at == count) else {
            return mishap.map_or(Fate::Pass, Fate::Mishap);
        };
        inner.dead = true;
        self.died.notify_one();
        match moment {
            Moment::Unsent => Fate::Never,
            Moment::Unanswered => Fate::Unheard(Duration::from_millis(1)),
            Moment::Unprocessed => Fate::Unheard(Duration::ZERO),
            Moment::Delayed => Fate::Unheard(NEXT_AT_WORK),
        }
    }
}

/// The API server, at the other end of the wires.
#[derive(Clone)]
pub struct ApiServer {
    network: Network,
    service: MemoryService,
}

type Answered = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, BoxError>> + Send>>;

impl Service<Request<Body>> for ApiServer {
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answered {
        let write = Sent {
            target: "kubernetes",
            method: request.method().to_string(),
            what: what(request.uri()),
            is_write: *request.method() != Method::GET,
        };
        let mut service = self.service.clone();
        match self.network.fate(write) {
            Fate::Pass => service.call(request),
            Fate::Never => Box::pin(pending()),
            Fate::Unheard(delay) => {
                unheard(delay, async move { drop(service.call(request).await) });
                Box::pin(pending())
            }
            Fate::Mishap(Mishap::Refused) => failed("connection refused"),
            Fate::Mishap(Mishap::Busy) => Box::pin(async { Ok(declined(429, "TooManyRequests")) }),
            Fate::Mishap(Mishap::Forbidden) => Box::pin(async { Ok(declined(403, "Forbidden")) }),
            Fate::Mishap(Mishap::AnswerLost) => Box::pin(async move {
                drop(service.call(request).await);
                Err(BoxError::from("connection reset"))
            }),
            Fate::Mishap(Mishap::Delayed(delay)) => {
                unheard(delay, async move { drop(service.call(request).await) });
                failed("no answer in time")
            }
            Fate::Mishap(Mishap::Late(delay)) => Box::pin(async move {
                tokio::time::sleep(delay).await;
                service.call(request).await
            }),
        }
    }
}

/// GitHub, at the other end of the wires.
struct GitHub {
    network: Network,
    simulator: Simulator,
}

impl Transport for GitHub {
    fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let write = Sent {
            target: "github",
            method: request.method().to_string(),
            what: at_github(request.uri()),
            is_write: *request.method() != Method::GET,
        };
        let simulator = self.simulator.clone();
        let deed = async move {
            match simulator.handle(request).await {
                Answer::Response(response) => Ok(response),
                Answer::Reset => Err(lost("connection reset")),
                Answer::Truncated(..) => Err(lost("the body was cut short")),
            }
        };
        carried(self.network.fate(write), timeout, deed)
    }
}

/// Whoever is told of the ends of tasks, at the other end of the wires.
struct Told {
    network: Network,
    receiver: Receiver,
}

impl Transport for Told {
    fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let write = Sent {
            target: "receiver",
            method: request.method().to_string(),
            what: "notification".to_owned(),
            is_write: true,
        };
        let receiver = self.receiver.clone();
        carried(self.network.fate(write), timeout, async move {
            receiver.take(request).await
        })
    }
}

/// What a client sees of a request that is acted on so.
fn carried(
    fate: Fate,
    timeout: Duration,
    deed: impl Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'static,
) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
    match fate {
        Fate::Pass => Box::pin(async move {
            let answer = tokio::time::timeout(timeout, deed).await;
            answer.unwrap_or_else(|_| Err(lost("no answer in time")))
        }),
        Fate::Never => Box::pin(pending()),
        Fate::Unheard(delay) => {
            unheard(delay, async move { drop(deed.await) });
            Box::pin(pending())
        }
        Fate::Mishap(Mishap::Refused | Mishap::Busy | Mishap::Forbidden) => {
            Box::pin(async { Err(TransportError::NeverSent("connection refused".to_owned())) })
        }
        Fate::Mishap(Mishap::AnswerLost) => Box::pin(async move {
            drop(deed.await);
            Err(lost("connection reset"))
        }),
        Fate::Mishap(Mishap::Delayed(delay) | Mishap::Late(delay)) => {
            unheard(delay.min(timeout), async move { drop(deed.await) });
            Box::pin(async move {
                tokio::time::sleep(timeout).await;
                Err(lost("no answer in time"))
            })
        }
    }
}

fn lost(reason: &str) -> TransportError {
    TransportError::Lost(reason.to_owned())
}

/// On its way, whatever becomes of who sent it.
fn unheard(delay: Duration, deed: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        deed.await;
    });
}

fn failed(reason: &'static str) -> Answered {
    Box::pin(async move { Err(BoxError::from(reason)) })
}

fn declined(code: u16, reason: &str) -> Response<ResponseBody> {
    use http_body_util::{BodyExt, Full};
    let status = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"{reason}","code":{code},"message":"no"}}"#
    );
    let body = Full::new(Bytes::from(status)).map_err(BoxError::from).boxed_unsync();
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

/// What is asked of GitHub, without the names of things.
fn at_github(uri: &Uri) -> String {
    let parts: Vec<_> = uri.path().trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["repos", _, _, "pulls"] => "list of pulls".to_owned(),
        ["repos", _, _, resource, ..] => (*resource).to_owned(),
        ["repos", ..] => "repository".to_owned(),
        ["user"] => "user".to_owned(),
        ["login", ..] => "sign-in".to_owned(),
        _ => "tasks".to_owned(),
    }
}

/// The resource in a path, without the names of objects, and whether it is watched.
fn what(uri: &Uri) -> String {
    let parts: Vec<_> = uri.path().trim_matches('/').split('/').collect();
    let resources = [
        "agentautomations",
        "agenttasks",
        "agentpolicies",
        "webhooksources",
        "leases",
        "events",
        "secrets",
    ];
    let resource =
        parts
            .iter()
            .find(|part| resources.contains(part))
            .copied()
            .unwrap_or(if parts.last() == Some(&"namespaces") {
                "namespaces"
            } else {
                "other"
            });
    let status = if parts.last() == Some(&"status") { "/status" } else { "" };
    let watch = uri.query().is_some_and(|query| query.contains("watch="));
    let watch = if watch { " watch" } else { "" };
    format!("{resource}{status}{watch}")
}
