//! A request to the receiver of webhooks: what is not signed reaches nobody, and every request is answered by the rules.
//!
//! The first line is the method and the path, the others are headers. `{signed}` in a header stands for the signature that
//! fits the body, `{forged}` for one made with another secret.

use std::string::FromUtf8Error;
use std::sync::{Arc, Mutex};

use agent_automation::controller::metrics::Metrics;
use agent_automation::domain::event::Event;
use agent_automation::domain::prompt::hex;
use agent_automation::webhook::metrics::Metrics as Received;
use agent_automation::webhook::{Delivery, Handler, Limits, Outcome, Receiver, Sources};
use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::{Value, json};

use super::{head_and_body, run};

const PATH: &str = "/webhooks/github/payments/acme";
const SECRET: &str = "It's a Secret to Everybody";
const HEADER: &str = "x-hub-signature-256";
/// Bytes of a body here, so that longer ones come up.
const LARGEST: usize = 4_096;
/// The most bytes of an answer, which repeats nothing of what came in.
const LONGEST: usize = 1_000;

pub fn hold(bytes: &[u8]) -> bool {
    thread_local! {
        static STAGE: Stage = run(Stage::start());
    }
    let (head, body) = head_and_body(bytes);
    let Some(request) = request(&head, body) else {
        return false;
    };
    STAGE.with(|stage| stage.judge(request, body));
    true
}

struct Stage {
    receiver: Receiver<Recorder>,
    recorder: Arc<Recorder>,
}

/// Reads an event as the cluster's handler does, and keeps what it was handed.
#[derive(Default)]
struct Recorder(Mutex<Vec<Delivery>>);

impl Handler for Recorder {
    fn is_ready(&self) -> bool {
        true
    }

    async fn handle(&self, delivery: Delivery) -> Outcome {
        let read = Event::parse(&delivery.event, &delivery.payload);
        self.0.lock().unwrap().push(delivery);
        match read {
            Ok(Some(_)) => Outcome::Caused(Vec::new()),
            Ok(None) => Outcome::Nothing("events of this kind cause nothing".to_owned()),
            Err(error) => Outcome::Malformed(error.to_string()),
        }
    }
}

impl Stage {
    async fn start() -> Self {
        let client = kube::Client::new(tower::service_fn(api_server), "default");
        let sources = Arc::new(Sources::new(client).unwrap());
        tokio::select! {
            () = sources.follow() => unreachable!("it never ends"),
            () = listed(&sources) => {}
        }
        let recorder = Arc::new(Recorder::default());
        let limits = Limits {
            body: LARGEST,
            ..Limits::default()
        };
        let counts = Received::new(Metrics::default().registry());
        Self {
            receiver: Receiver::new(sources, recorder.clone(), limits, counts),
            recorder,
        }
    }

    fn judge(&self, request: Request<Full<Bytes>>, body: &[u8]) {
        let headers = request.headers().clone();
        let is_signed = request.uri().path() == PATH && is_signed(&headers, body);
        let answer = run(self.receiver.answer(request));
        let status = answer.status().as_u16();
        let said = run(answer.into_body().collect()).unwrap().to_bytes();
        let said: Value = serde_json::from_slice(&said)
            .ok()
            .filter(|_| said.len() <= LONGEST && is_a_line(&said))
            .unwrap_or_else(|| panic!("the answer is no short line of JSON: {said:?}"));
        let heard = std::mem::take(&mut *self.recorder.0.lock().unwrap());
        if is_signed {
            assert!(
                matches!(status, 200 | 202 | 400 | 404 | 405 | 413 | 415),
                "{status} {said}"
            );
        } else {
            assert!(
                matches!(status, 401 | 404 | 405 | 413 | 415),
                "{status} {said} without a signature"
            );
        }
        assert!(!said.to_string().contains(SECRET), "{said}");
        match heard.as_slice() {
            [] => {}
            [delivery] => {
                assert!(is_signed, "{delivery:?} was not signed");
                assert_eq!(delivery.payload, serde_json::from_slice::<Value>(body).unwrap());
                assert_eq!(Some(delivery.event.as_str()), text(&headers, "x-github-event"));
            }
            more => panic!("one request was handled {} times", more.len()),
        }
    }
}

fn request(head: &[&[u8]], body: &[u8]) -> Option<Request<Full<Bytes>>> {
    let (first, lines) = head.split_first()?;
    let (method, path) = std::str::from_utf8(first).ok()?.split_once(' ')?;
    let mut builder = Request::builder().method(method).uri(path);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let value = String::from_utf8(value.to_vec()).map(|value| {
            let value = value.replace("{signed}", &sign(SECRET, body));
            value.replace("{forged}", &sign("another", body)).into_bytes()
        });
        builder = builder.header(name, value.unwrap_or_else(FromUtf8Error::into_bytes));
    }
    builder.body(Full::new(Bytes::copy_from_slice(body))).ok()
}

fn is_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let values: Vec<_> = headers.get_all(HEADER).iter().collect();
    matches!(values.as_slice(), [value] if value.as_bytes() == sign(SECRET, body).as_bytes())
}

fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, body).as_ref()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// One source and its Secret, for whoever asks.
async fn api_server(request: Request<Body>) -> Result<Response<Full<Bytes>>, tower::BoxError> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let answer = if path.ends_with("/secrets/hook") {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"},
               "data": {"secret": "SXQncyBhIFNlY3JldCB0byBFdmVyeWJvZHk="}})
    } else if query.contains("watch=") {
        return std::future::pending().await;
    } else {
        let spec = json!({"repositories": ["acme/*"], "secretRefs": [{"name": "hook", "key": "secret"}]});
        let metadata = json!({"namespace": "payments", "name": "acme"});
        json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "WebhookSourceList", "metadata": {"resourceVersion": "1"},
               "items": [{"apiVersion": "agentautomation.dev/v1alpha1", "kind": "WebhookSource", "metadata": metadata,
                          "spec": spec}]})
    };
    Ok(Response::new(Full::from(answer.to_string())))
}

async fn listed(sources: &Sources) {
    while !sources.are_known() {
        tokio::task::yield_now().await;
    }
}

fn is_a_line(said: &[u8]) -> bool {
    said.strip_suffix(b"\n").is_some_and(|line| !line.contains(&b'\n'))
}
