//! Webhooks: what is sent where, what became of it, and what goes wrong on the way.
//!
//! The simulator makes deliveries and keeps their log. It sends nothing: a [`Sink`] does, over HTTP in the binary, by a
//! call on paused time in a simulation, and tells what came of it. As with GitHub a delivery is attempted once, and again
//! only on request.

use std::{collections::VecDeque, fmt::Write, time::Duration};

use axum::body::Bytes;
use http::Request;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Simulator,
    fault::{Picker, When},
    state::LOG_LENGTH,
};

/// Sends what the simulator delivers.
pub trait Sink: Send + Sync {
    /// Takes a delivery without waiting, and later calls [`Simulator::delivered`] with what came of it.
    fn send(&self, simulator: &Simulator, outgoing: Outgoing);
}

/// A request to a receiver of webhooks.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Of the attempt.
    pub id: u64,
    pub request: Request<Bytes>,
    /// How long it is under way before it is sent.
    pub delay: Duration,
}

/// A webhook of a repository.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewHook {
    /// `owner/name`.
    pub repository: String,
    pub url: String,
    #[serde(default)]
    pub secret: Option<String>,
    /// `*` for all.
    #[serde(default = "all")]
    pub events: Vec<String>,
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// An attempt to deliver, as a test or the control API sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    pub id: u64,
    /// The same in each attempt at the same delivery.
    pub guid: String,
    pub hook: u64,
    pub event: String,
    pub action: Option<String>,
    pub at: Timestamp,
    pub redelivery: bool,
    pub outcome: DeliveryOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    UnderWay,
    /// With the receiver's status.
    Answered(u16),
    /// No answer came.
    Failed,
}

/// Something that goes wrong with deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryFault {
    /// The events it waits on, such as `issues`; all of them when empty.
    #[serde(default)]
    pub on: Vec<String>,
    #[serde(default)]
    pub when: When,
    pub effect: DeliveryEffect,
}

/// What a fault does to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryEffect {
    Delay {
        ms: u64,
    },
    /// Delayed by chance, up to so long: what was sent later may arrive first.
    Scatter {
        ms: u64,
    },
    /// It arrives once more, so much later, as the same attempt.
    Double {
        after_ms: u64,
    },
    /// It never arrives, and the log shows that it failed.
    Lose,
    /// It was never made: no log shows it.
    Forget,
}

pub(super) struct Hook {
    pub id: u64,
    pub repository: u64,
    pub url: String,
    pub secret: Option<String>,
    pub events: Vec<String>,
    pub created_at: Timestamp,
}

/// What is delivered.
#[derive(Clone)]
pub(super) struct Message {
    pub guid: String,
    pub event: &'static str,
    pub action: Option<&'static str>,
    pub body: Bytes,
}

/// An attempt in the log.
pub(super) struct Attempt {
    pub id: u64,
    pub hook: u64,
    pub repository: u64,
    pub message: Message,
    pub at: Timestamp,
    pub redelivery: bool,
    pub outcome: DeliveryOutcome,
    pub ended_at: Timestamp,
}

/// All webhooks, the log, and what waits to be taken by the sink.
pub(super) struct Hooks {
    pub all: Vec<Hook>,
    pub log: VecDeque<Attempt>,
    outbox: Vec<Outgoing>,
    faults: Vec<(DeliveryFault, Picker)>,
    seeds: StdRng,
}

impl Hook {
    pub fn wants(&self, event: &str) -> bool {
        event == "ping" || self.events.iter().any(|wanted| wanted == "*" || wanted == event)
    }

    /// The request for a message; `None` when the URL is none.
    fn request(&self, message: &Message) -> Option<Request<Bytes>> {
        let mut builder = Request::post(&self.url)
            .header("accept", "*/*")
            .header("content-type", "application/json")
            .header("user-agent", "GitHub-Hookshot/0000000")
            .header("x-github-delivery", &message.guid)
            .header("x-github-event", message.event)
            .header("x-github-hook-id", self.id)
            .header("x-github-hook-installation-target-id", self.repository)
            .header("x-github-hook-installation-target-type", "repository");
        if let Some(secret) = &self.secret {
            let signature = hex(&hmac_sha256(secret.as_bytes(), &message.body));
            builder = builder.header("x-hub-signature-256", format!("sha256={signature}"));
        }
        builder.body(message.body.clone()).ok()
    }
}

impl Attempt {
    pub fn record(&self) -> DeliveryRecord {
        DeliveryRecord {
            id: self.id,
            guid: self.message.guid.clone(),
            hook: self.hook,
            event: self.message.event.to_owned(),
            action: self.message.action.map(str::to_owned),
            at: self.at,
            redelivery: self.redelivery,
            outcome: self.outcome,
        }
    }
}

impl Hooks {
    pub fn new(seed: u64) -> Self {
        Self {
            all: Vec::new(),
            log: VecDeque::new(),
            outbox: Vec::new(),
            faults: Vec::new(),
            seeds: StdRng::seed_from_u64(seed),
        }
    }

    pub fn add_fault(&mut self, fault: DeliveryFault) {
        let random = StdRng::seed_from_u64(self.seeds.random());
        let picker = Picker::new(fault.when, random);
        self.faults.push((fault, picker));
    }

    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outbox)
    }

    /// Notes an attempt and hands it out, less what goes wrong.
    pub fn attempt(&mut self, id: u64, hook: u64, message: Message, redelivery: bool, now: Timestamp) {
        let Some(hook) = self.all.iter().find(|known| known.id == hook) else {
            return;
        };
        let (request, hook, repository) = (hook.request(&message), hook.id, hook.repository);
        let way = Way::draw(&mut self.faults, message.event);
        if way.is_forgotten {
            return;
        }
        let (outcome, copies) = match request {
            Some(request) if !way.is_lost => (DeliveryOutcome::UnderWay, way.copies(id, &request)),
            _ => (DeliveryOutcome::Failed, Vec::new()),
        };
        self.outbox.extend(copies);
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        self.log.push_back(Attempt {
            id,
            hook,
            repository,
            message,
            at: now,
            redelivery,
            outcome,
            ended_at: now,
        });
    }

    /// Notes what came of an attempt; of one that arrived twice, the first answer.
    pub fn delivered(&mut self, id: u64, status: Option<u16>, now: Timestamp) {
        let attempt = self.log.iter_mut().find(|attempt| attempt.id == id);
        if let Some(attempt) = attempt.filter(|attempt| attempt.outcome == DeliveryOutcome::UnderWay) {
            attempt.outcome = status.map_or(DeliveryOutcome::Failed, DeliveryOutcome::Answered);
            attempt.ended_at = now;
        }
    }
}

/// What faults make of an attempt.
#[derive(Default)]
struct Way {
    delay_ms: u64,
    doubles_after_ms: Option<u64>,
    is_lost: bool,
    is_forgotten: bool,
}

impl Way {
    fn draw(faults: &mut [(DeliveryFault, Picker)], event: &str) -> Self {
        let mut way = Self::default();
        for (fault, picker) in faults {
            let waits = fault.on.is_empty() || fault.on.iter().any(|name| name == event);
            if !waits || !picker.picks() {
                continue;
            }
            match fault.effect {
                DeliveryEffect::Delay { ms } => way.delay_ms += ms,
                DeliveryEffect::Scatter { ms } => way.delay_ms += picker.random.random_range(0..=ms),
                DeliveryEffect::Double { after_ms } => way.doubles_after_ms = Some(after_ms),
                DeliveryEffect::Lose => way.is_lost = true,
                DeliveryEffect::Forget => way.is_forgotten = true,
            }
        }
        way
    }

    fn copies(&self, id: u64, request: &Request<Bytes>) -> Vec<Outgoing> {
        let second = self.doubles_after_ms.map(|after| self.delay_ms.saturating_add(after));
        [Some(self.delay_ms), second]
            .into_iter()
            .flatten()
            .map(|ms| Outgoing {
                id,
                request: request.clone(),
                delay: Duration::from_millis(ms),
            })
            .collect()
    }
}

/// RFC 2104 over SHA-256.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut padded = [0; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new()
        .chain_update(padded.map(|byte| byte ^ 0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 (cases 2 and 6), and GitHub's own example of a signature.
    #[test]
    fn signatures() {
        let long = [0xaa; 131];
        let table: [(&[u8], &str, &str); 3] = [
            (
                b"Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &long,
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                b"It's a Secret to Everybody",
                "Hello, World!",
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            ),
        ];
        for (key, message, expected) in table {
            assert_eq!(hex(&hmac_sha256(key, message.as_bytes())), expected, "{message}");
        }
    }
}
