//! Whoever is told of the ends of tasks: it checks signatures by itself, remembers what it heard, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use agent_automation::github::TransportError;
use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::time::Instant;

/// The key that its messages are signed with.
pub const SIGNING_KEY: &str = "whsec_Y2FuYXJ5LTlkMWMwZGUyYjNhNGY1ZTY3ODkwYWJjZA==";

/// All receivers of a stage, at whatever address.
#[derive(Clone, Default)]
pub struct Receiver(Arc<Mutex<Inbox>>);

#[derive(Default)]
struct Inbox {
    heard: Vec<Heard>,
    replies: VecDeque<Reply>,
    silent: Option<&'static str>,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Heard {
    pub host: String,
    pub id: String,
    pub at: Instant,
    pub body: Value,
    /// Whether its signature and its headers are right.
    pub is_genuine: bool,
}

/// What comes of a message.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    Code(u16),
    /// With `Retry-After`.
    After(u16, &'static str),
    /// It is heard, and the answer is lost.
    Lose,
    /// It is not heard.
    Refuse,
}

impl Receiver {
    /// The next messages are answered so, and those after them with 200.
    pub fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.0.lock().unwrap().replies.extend(replies);
    }

    /// This host never answers.
    pub fn silence(&self, host: &'static str) {
        self.0.lock().unwrap().silent = Some(host);
    }

    /// The messages that it heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.0.lock().unwrap().heard.clone()
    }

    pub async fn take(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        if self.0.lock().unwrap().silent == Some(host.as_str()) {
            return futures::future::pending().await;
        }
        let reply = self.0.lock().unwrap().replies.pop_front();
        if matches!(reply, Some(Reply::Refuse)) {
            return Err(TransportError::NeverSent("connection refused".to_owned()));
        }
        let heard = Heard {
            host,
            id: header(&request, "webhook-id").to_owned(),
            at: Instant::now(),
            is_genuine: is_genuine(&request),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
        };
        self.0.lock().unwrap().heard.push(heard);
        let answer = |code: u16| Response::builder().status(code);
        let answer = match reply {
            None => answer(200),
            Some(Reply::Code(code)) => answer(code),
            Some(Reply::After(code, wait)) => answer(code).header("retry-after", wait),
            Some(Reply::Lose | Reply::Refuse) => return Err(TransportError::Lost("connection reset".to_owned())),
        };
        Ok(answer.body(Bytes::new()).unwrap())
    }
}

/// What the documentation tells a receiver to check.
fn is_genuine(request: &Request<Bytes>) -> bool {
    let secret = SIGNING_KEY.strip_prefix("whsec_").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(secret).unwrap());
    let (id, time) = (header(request, "webhook-id"), header(request, "webhook-timestamp"));
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", request.body()].concat();
    let signature = header(request, "webhook-signature")
        .strip_prefix("v1,")
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    hmac::verify(&key, &signed, &BASE64_STANDARD.decode(signature).unwrap()).is_ok()
        && header(request, "content-type").starts_with("application/cloudevents+json")
        && body["specversion"] == "1.0"
        && body["id"] == id
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}
