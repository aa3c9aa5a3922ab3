//! The exchange of an app's user token for the next: *Refreshing user access tokens* in GitHub's documentation.
//!
//! A refresh token is good for one request, which also ends the token that it came with. So what is not known to be the
//! contrary is [`RefreshOutcome::Unknown`], as with a start. GitHub declines with status 200 and a code.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::client::{AGENT, Client, JSON};
use super::lenient::lenient;
use super::token::Token;
use super::transport::TransportError;

const OPERATION: &str = "refresh_token";
/// The most characters of a code.
const CODE_MAX: usize = 64;

/// What an app shows for a new pair of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub client_id: String,
    /// An app has none where its users sign in by the device flow.
    pub client_secret: Option<Token>,
    pub refresh_token: Token,
}

/// A token and what it is exchanged for the next with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub token: Token,
    /// `None` when the app's tokens do not expire any more.
    pub refresh_token: Option<Token>,
    pub expires_in: Option<Duration>,
    pub refresh_expires_in: Option<Duration>,
}

/// What came of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The old pair is dead.
    Renewed(Pair),
    /// GitHub declined, with this code from a short alphabet.
    Refused { code: String },
    /// GitHub wants to be asked later; the old pair lives.
    NotNow { reason: String },
    /// The request did not leave; the old pair lives.
    NeverSent { reason: String },
    /// The old pair may be dead.
    Unknown { reason: String },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(deserialize_with = "lenient")]
    access_token: Option<String>,
    #[serde(deserialize_with = "lenient")]
    refresh_token: Option<String>,
    /// GitHub's examples have these as numbers and as texts.
    expires_in: Value,
    refresh_token_expires_in: Value,
    #[serde(deserialize_with = "lenient")]
    error: Option<String>,
}

impl Client {
    /// Exchanges a refresh token: one request, sent at most once, given up after `timeout`.
    pub async fn refresh(&self, grant: &Grant, timeout: Duration) -> RefreshOutcome {
        let address = format!("{}/login/oauth/access_token", self.base.site());
        let request = Request::builder()
            .method(Method::POST)
            .uri(address)
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(USER_AGENT, AGENT)
            .body(form(grant));
        let start = Instant::now();
        let outcome = match request {
            Ok(request) => match self.transport.send(request, timeout).await {
                Ok(answer) => conclude(&answer),
                Err(TransportError::NeverSent(reason)) => RefreshOutcome::NeverSent { reason },
                Err(TransportError::Lost(reason)) => RefreshOutcome::Unknown { reason },
            },
            Err(_) => RefreshOutcome::NeverSent {
                reason: "the address of GitHub's site can't be made from the API's".to_owned(),
            },
        };
        self.tell(OPERATION, outcome.category(), None, start);
        outcome
    }
}

impl RefreshOutcome {
    /// A name from a short list, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Renewed(_) => "ok",
            Self::Refused { .. } => "refused",
            Self::NotNow { .. } => "rate_limited",
            Self::NeverSent { .. } => "never_sent",
            Self::Unknown { .. } => "lost",
        }
    }
}

fn form(grant: &Grant) -> Bytes {
    let secret = grant
        .client_secret
        .as_ref()
        .map(|secret| ("client_secret", secret.spend()));
    let fields = [
        ("client_id", grant.client_id.as_str()),
        ("grant_type", "refresh_token"),
        ("refresh_token", grant.refresh_token.spend()),
    ];
    let pairs: Vec<_> = fields
        .into_iter()
        .chain(secret)
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    Bytes::from(pairs.join("&"))
}

/// The body has the word wherever GitHub answered itself; without one the status has it.
fn conclude(answer: &Response<Bytes>) -> RefreshOutcome {
    let status = answer.status();
    if status.is_server_error() {
        let reason = format!("GitHub answered with status {}", status.as_u16());
        return RefreshOutcome::Unknown { reason };
    }
    let body: Answer = serde_json::from_slice(answer.body()).unwrap_or_default();
    let is_limit = status == StatusCode::TOO_MANY_REQUESTS || answer.headers().contains_key("retry-after");
    match (&body.error, status) {
        (Some(code), _) => RefreshOutcome::Refused { code: coded(code) },
        (None, status) if status.is_success() => renewed(&body),
        (None, status) if is_limit => RefreshOutcome::NotNow {
            reason: format!("GitHub answered with status {}: too many requests", status.as_u16()),
        },
        // Something between may have answered, and nobody knows what GitHub did before that.
        (None, status) => RefreshOutcome::Unknown {
            reason: format!("status {} without a word of GitHub's", status.as_u16()),
        },
    }
}

fn renewed(body: &Answer) -> RefreshOutcome {
    let parse = |text: Option<&str>| text.map(Token::parse).transpose();
    let (token, refresh_token) = (body.access_token.as_deref(), body.refresh_token.as_deref());
    match (parse(token), parse(refresh_token)) {
        (Ok(Some(token)), Ok(refresh_token)) => RefreshOutcome::Renewed(Pair {
            token,
            refresh_token,
            expires_in: seconds(&body.expires_in),
            refresh_expires_in: seconds(&body.refresh_token_expires_in),
        }),
        _ => RefreshOutcome::Unknown {
            reason: "GitHub's answer has no token that can be read".to_owned(),
        },
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(number))
}

/// Codes are words in lower case; no token is.
fn coded(text: &str) -> String {
    let is_code = text.len() <= CODE_MAX && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code && !text.is_empty() {
        text.to_owned()
    } else {
        "error".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder()
            .status(status)
            .body(Bytes::from(body.to_owned()))
            .unwrap()
    }

    fn token(text: &str) -> Token {
        Token::parse(text).unwrap()
    }

    #[test]
    fn each_answer_has_its_outcome() {
        let refused = |code: &str| RefreshOutcome::Refused { code: code.to_owned() };
        let pair = |refresh: Option<&str>, expires: Option<u64>| {
            RefreshOutcome::Renewed(Pair {
                token: token("ghu_b"),
                refresh_token: refresh.map(token),
                expires_in: expires.map(Duration::from_secs),
                refresh_expires_in: refresh.map(|_| Duration::from_secs(15_897_600)),
            })
        };
        let whole = r#"{"access_token":"ghu_b","expires_in":28800,"refresh_token":"ghr_b",
            "refresh_token_expires_in":"15897600","scope":"","token_type":"bearer"}"#;
        let table = [
            (200, whole, pair(Some("ghr_b"), Some(28_800))),
            (200, r#"{"access_token":"ghu_b"}"#, pair(None, None)),
            (
                200,
                r#"{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}"#,
                refused("bad_refresh_token"),
            ),
            (400, r#"{"error":"bad_refresh_token"}"#, refused("bad_refresh_token")),
            (200, r#"{"error":"ghr_Secret1"}"#, refused("error")),
        ];
        for (status, body, expected) in table {
            assert_eq!(conclude(&answer(status, body)), expected, "{status} {body}");
        }
        let is_unknown = |status, body| matches!(conclude(&answer(status, body)), RefreshOutcome::Unknown { .. });
        for (status, body) in [
            (302, ""),
            (404, "<html>"),
            (500, ""),
            (502, r#"{"error":"bad_refresh_token"}"#),
            (200, ""),
            (200, "{}"),
            (200, r#"{"access_token":"a b"}"#),
            (200, r#"{"access_token":"ghu_b","refresh_token":""}"#),
        ] {
            assert!(is_unknown(status, body), "{status} {body}");
        }
        assert!(matches!(conclude(&answer(429, "{}")), RefreshOutcome::NotNow { .. }));
    }

    #[test]
    fn what_is_sent_is_a_form() {
        let grant = Grant {
            client_id: "Iv1.a&b".to_owned(),
            client_secret: Some(token("s=1")),
            refresh_token: token("ghr_a"),
        };
        let sent = form(&grant);
        assert_eq!(
            sent,
            "client_id=Iv1%2Ea%26b&grant_type=refresh%5Ftoken&refresh_token=ghr%5Fa&client_secret=s%3D1"
        );
        assert!(!format!("{grant:?}").contains("ghr_a"));
    }
}
