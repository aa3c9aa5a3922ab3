//! Neither a secret nor a payload is in the log or in an answer.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Once};

use agent_automation::domain::prompt::hex;
use aws_lc_rs::hmac;
use serde_json::json;
use tracing::Level;

use super::tasks::{automation, delivery, first_caused, labeled};
use super::{Call, PATH, SECRET, hmac_of, whole};

const CANARY: &str = "canary-of-somebody-outside";

/// A line's place in the code is switched off for good where a thread that nobody listens to comes to it first, as long as
/// there is but one subscriber (tracing-core's `has_just_one`). So somebody listens everywhere.
static LISTENING: Once = Once::new();

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything that this thread logs from now on, down to a level.
    fn follow(level: Level) -> (Self, tracing::subscriber::DefaultGuard) {
        LISTENING.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

fn is_clean(what: &str, text: &str) {
    for word in [SECRET, CANARY] {
        let line = text.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{what}");
    }
}

#[tokio::test]
async fn what_is_received_is_in_no_log() {
    let (log, _guard) = Log::follow(Level::TRACE);
    let stage = whole().await;
    automation(&stage.api, "fix", "agent").await;
    let mut payload = labeled("agent");
    payload["issue"]["title"] = json!(CANARY);
    payload["issue"]["body"] = json!(CANARY);
    payload["sender"]["node_id"] = json!(CANARY);
    first_caused(&stage, &payload, 1).await;

    let mut misshapen = payload.clone();
    misshapen["issue"]["number"] = json!(CANARY);
    let mut elsewhere = payload.clone();
    elsewhere["repository"]["full_name"] = json!(format!("others/{CANARY}"));
    let mut twice = payload.to_string();
    twice.insert_str(1, &format!("\"action\": \"{CANARY}\", "));
    let good = delivery(&payload, "1");
    let signed = hex(hmac_of(hmac::HMAC_SHA256, SECRET, &good.body).as_ref());
    let table = [
        (delivery(&misshapen, "1"), 400),
        (delivery(&elsewhere, "1"), 202),
        (Call::new("issues", twice), 400),
        (Call::new("issues", format!("{CANARY}{{")), 400),
        (good.clone().with("X-GitHub-Event", &format!("{CANARY}!")), 400),
        (
            good.clone().with("X-GitHub-Delivery", &format!("{CANARY} {CANARY}")),
            202,
        ),
        (good.clone().with("X-Hub-Signature-256", SECRET), 401),
        (good.clone().with("Content-Type", CANARY), 415),
        (good.clone().path(&format!("{PATH}{CANARY}")), 401),
        (good.path(&format!("/{CANARY}")), 404),
    ];
    for (call, status) in table {
        let reply = stage.send(&call).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        is_clean("an answer", &reply.body);
    }
    let text = log.text();
    assert!(
        text.contains("TRACE") && text.contains("webhook source=payments/acme event=\"issues\""),
        "{text}"
    );
    is_clean("the log", &text);
    assert!(!text.contains(&signed));
    is_clean("the metrics", &stage.metrics.encode().unwrap());
}

/// At the usual level: further down the client itself repeats what the API server said.
#[tokio::test]
async fn a_refusal_that_quotes_the_task_is_not_repeated() {
    let (log, _guard) = Log::follow(Level::INFO);
    let stage = whole().await;
    automation(&stage.api, "fix", "agent").await;
    first_caused(&stage, &labeled("agent"), 1).await;

    let mut payload = labeled("agent");
    payload["issue"]["number"] = json!(43);
    payload["issue"]["title"] = json!(CANARY);
    stage.api.creates_left.store(0, Ordering::SeqCst);
    let reply = stage.send(&delivery(&payload, "2")).await;
    assert_eq!(reply.status, 503);
    is_clean("the answer", &reply.body);
    let text = log.text();
    assert!(text.contains("error=the API server refuses it (422 Invalid)"), "{text}");
    is_clean("the log", &text);
}
