//! Who may say something: only who has one of the source's secrets, and only about the bytes that were signed.

use agent_automation::webhook::Limits;
use aws_lc_rs::{digest, hmac};

use super::{ApiServer, Call, PATH, Recorder, Reply, SECRET, Stage, hex, hmac_of, payload, sign};

const OTHER: &str = "another secret";

/// Sources that differ in their secrets.
async fn stage() -> (Stage<Recorder>, std::sync::Arc<Recorder>) {
    let api = ApiServer::start();
    api.put_secret("hook", "secret", SECRET).await;
    api.put_secret("other", "secret", OTHER).await;
    api.put_secret("edited", "secret", "with a line end\r\n").await;
    api.put_secret("empty", "secret", "").await;
    api.put_secret("blank", "secret", "\n").await;
    api.put_secret("elsewhere", "token", SECRET).await;
    for (name, secrets) in [
        ("acme", &["hook"][..]),
        ("rotating", &["other", "hook"]),
        ("edited", &["edited"]),
        ("empty", &["empty"]),
        ("blank", &["blank"]),
        ("keyless", &["elsewhere"]),
        ("secretless", &["nowhere"]),
        ("lame", &["nowhere", "empty", "hook"]),
    ] {
        api.put_source(name, &["acme/*"], secrets).await;
    }
    let recorder = std::sync::Arc::new(Recorder::default());
    let stage = Stage::start(api, Limits::default(), recorder.clone()).await;
    stage.is_ready().await;
    (stage, recorder)
}

fn body() -> Vec<u8> {
    payload().to_string().into_bytes()
}

fn call() -> Call {
    Call::new("issues", body())
}

/// Without what differs between any two answers.
fn timeless(mut reply: Reply) -> Reply {
    reply.headers.remove("date");
    reply
}

#[tokio::test]
async fn one_of_the_sources_secrets() {
    let (stage, recorder) = stage().await;
    let table = [
        ("the secret", call()),
        (
            "the name in another case",
            call()
                .without("X-Hub-Signature-256")
                .and("x-hub-signature-256", &sign(SECRET, &body())),
        ),
        ("beside a wrong SHA-1", call().and("X-Hub-Signature", "sha1=00")),
        (
            "the first of two",
            call()
                .path("/webhooks/github/payments/rotating")
                .signature(&sign(OTHER, &body())),
        ),
        ("the second of two", call().path("/webhooks/github/payments/rotating")),
        (
            "where others are missing",
            call().path("/webhooks/github/payments/lame"),
        ),
        (
            "a line end that an editor added",
            call()
                .path("/webhooks/github/payments/edited")
                .signature(&sign("with a line end", &body())),
        ),
    ];
    let count = table.len();
    for (what, call) in table {
        let reply = stage.send(&call).await;
        assert_eq!(reply.status, 202, "{what}: {}", reply.body);
    }
    assert_eq!(recorder.heard(), count);
}

#[tokio::test]
async fn everything_else_is_answered_as_if_there_were_no_such_source() {
    let (stage, recorder) = stage().await;
    let unknown = stage.send(&call().path("/webhooks/github/payments/nobody")).await;
    let expected = timeless(unknown);
    assert_eq!(expected.status, 401);

    let (body, good) = (body(), sign(SECRET, &body()));
    let digits = good.strip_prefix("sha256=").unwrap();
    let of_source = |name: &str| format!("/webhooks/github/payments/{name}");
    let sha1 = format!(
        "sha1={}",
        hex(hmac_of(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET, &body).as_ref())
    );
    let sha512 = format!("sha256={}", hex(hmac_of(hmac::HMAC_SHA512, SECRET, &body).as_ref()));
    let cut512 = sha512[..71].to_owned();
    let unkeyed = format!("sha256={}", hex(digest::digest(&digest::SHA256, &body).as_ref()));
    let appended = format!(
        "sha256={}",
        hex(digest::digest(&digest::SHA256, &[SECRET.as_bytes(), &body].concat()).as_ref())
    );
    let spaced = serde_json::to_vec_pretty(&payload()).unwrap();
    let swapped = String::from_utf8(body.clone()).unwrap().replace("api", "web");
    let of_other_body = |other: &[u8]| Call::new("issues", body.clone()).signature(&sign(SECRET, other));
    let another_body = |other: Vec<u8>| Call::new("issues", other).signature(&good);
    let with = |value: &str| call().signature(value);
    let table: Vec<(&str, Call)> = vec![
        ("none", call().without("X-Hub-Signature-256")),
        ("an empty one", with("")),
        (
            "SHA-1 alone",
            call().without("X-Hub-Signature-256").and("X-Hub-Signature", &sha1),
        ),
        ("SHA-1 in the header of SHA-256", with(&sha1)),
        ("SHA-1 under the name of SHA-256", with(&sha1.replace("sha1", "sha256"))),
        (
            "SHA-256 in the header of SHA-1",
            call().without("X-Hub-Signature-256").and("X-Hub-Signature", &good),
        ),
        ("SHA-512", with(&sha512)),
        ("as much of SHA-512 as fits", with(&cut512)),
        ("the digits alone", with(digits)),
        ("the prefix alone", with("sha256=")),
        ("a digit less", with(&good[..70])),
        ("half", with(&good[..39])),
        ("a digit more", with(&format!("{good}0"))),
        ("upper-case digits", with(&format!("sha256={}", digits.to_uppercase()))),
        ("an upper-case prefix", with(&format!("SHA256={digits}"))),
        ("another prefix", with(&format!("hmac-sha256={digits}"))),
        ("0x", with(&format!("sha256=0x{}", &digits[2..]))),
        ("a space within", with(&format!("sha256= {digits}"))),
        ("in quotes", with(&format!("\"{good}\""))),
        ("a zero byte's digits", with(&format!("sha256={}", "0".repeat(64)))),
        ("no digits", with(&format!("sha256={}", "g".repeat(64)))),
        (
            "other digits of the world",
            with(&format!("sha256={}", "\u{661}".repeat(32))),
        ),
        ("twice the same", call().and("X-Hub-Signature-256", &good)),
        (
            "a wrong one after",
            call().and("X-Hub-Signature-256", &sign(OTHER, &body)),
        ),
        (
            "a wrong one before",
            with(&sign(OTHER, &body)).and("X-Hub-Signature-256", &good),
        ),
        ("two in one header", with(&format!("{good}, {good}"))),
        ("a parameter behind", with(&format!("{good};v=1"))),
        (
            "in the query",
            call()
                .without("X-Hub-Signature-256")
                .path(&format!("{PATH}?X-Hub-Signature-256={good}")),
        ),
        ("no key", with(&unkeyed)),
        ("the secret before the body", with(&appended)),
        ("another secret", with(&sign(OTHER, &body))),
        ("an empty secret", with(&sign("", &body))),
        ("the secret in another case", with(&sign(&SECRET.to_lowercase(), &body))),
        ("the secret and a line end", with(&sign(&format!("{SECRET}\n"), &body))),
        (
            "the secret in base64",
            with(&sign("SXQncyBhIFNlY3JldCB0byBFdmVyeWJvZHk=", &body)),
        ),
        ("another body's", of_other_body(b"{}")),
        ("an empty body's", of_other_body(b"")),
        ("the body's and a line end", of_other_body(&[&body[..], b"\n"].concat())),
        ("the same JSON in other bytes", another_body(spaced)),
        ("another repository in it", another_body(swapped.into_bytes())),
        ("cut short", another_body(body[..body.len() - 1].to_vec())),
        ("with more behind", another_body([&body[..], b" "].concat())),
        (
            "another source's, in its namespace",
            call().path(&of_source("acme")).signature(&sign(OTHER, &body)),
        ),
        (
            "the line end that is dropped",
            call()
                .path(&of_source("edited"))
                .signature(&sign("with a line end\r\n", &body)),
        ),
        (
            "with an empty secret at an empty one",
            call().path(&of_source("empty")).signature(&sign("", &body)),
        ),
        (
            "with a line end at a blank one",
            call().path(&of_source("blank")).signature(&sign("\n", &body)),
        ),
        (
            "with nothing at a blank one",
            call().path(&of_source("blank")).signature(&sign("", &body)),
        ),
        ("where the Secret has no such key", call().path(&of_source("keyless"))),
        ("where the Secret is not there", call().path(&of_source("secretless"))),
        (
            "with nothing where the Secret is not there",
            call().path(&of_source("secretless")).signature(&sign("", &body)),
        ),
        ("at another namespace", call().path("/webhooks/github/default/acme")),
        (
            "at a name in another case",
            call().path("/webhooks/github/payments/ACME"),
        ),
        ("at an encoded name", call().path("/webhooks/github/payments/%61cme")),
        ("at an encoded path", call().path("/webhooks/github/payments/..%2facme")),
        ("a ping with a wrong one", Call::new("ping", "{}").signature(&good)),
    ];
    let count = table.len();
    for (what, call) in table {
        assert_eq!(timeless(stage.send(&call).await), expected, "{what}");
    }
    assert_eq!(recorder.heard(), 0);
    harness::covered!("covered: {count} signatures that must count for nothing");
}
