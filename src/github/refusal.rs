//! Answers by which GitHub declines a request without having acted on it.
//!
//! Only these, but for *gone*, prove that a start did not happen. A server error does not: GitHub ends a request after ten
//! seconds with one, whatever became of it.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::lenient::lenient;
use super::limits::{RetryAfter, number};
use super::text;
use super::token::Token;

/// A request that GitHub declined; nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// The HTTP status.
    pub status: u16,
    /// GitHub's own words: one line of at most 500 characters.
    pub message: String,
}

/// Why GitHub declined, by what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// 400: this client and GitHub disagree about the request's form.
    BadRequest,
    /// 401: the token is wrong, expired or revoked. GitHub locks out a user who goes on trying.
    BadCredentials,
    /// 403: the token lacks a permission, or a policy forbids it.
    PermissionMissing,
    /// 403: the organization wants the token authorized for single sign-on.
    SingleSignOn,
    /// 404: no such thing, or none that the token may see.
    NotFound,
    /// 410: the issue was deleted. GitHub's description has it for what is written on issues, and not for starts.
    Gone,
    /// 3xx: the repository was renamed or moved.
    Moved {
        /// The new API address, when GitHub gives one.
        to: Option<String>,
    },
    /// 422: GitHub understood the request and rejects its content.
    Invalid,
    /// 403 or 429: too many requests.
    RateLimited(RetryAfter),
}

/// What an answer's status says, before its body is read as what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    NotModified,
    Refused(Refusal),
    /// Neither done nor declined for all one can tell: a server error, or a status that GitHub does not document.
    Undecided(u16),
}

/// GitHub's error body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(deserialize_with = "lenient")]
    errors: Option<Vec<Value>>,
}

impl RefusalKind {
    /// A name from a short list, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::BadCredentials => "bad_credentials",
            Self::PermissionMissing => "permission_missing",
            Self::SingleSignOn => "single_sign_on",
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::Moved { .. } => "moved",
            Self::Invalid => "invalid",
            Self::RateLimited(_) => "rate_limited",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::BadRequest => "check that the controller's version and the base URL fit the API",
            Self::BadCredentials => "put a valid token into the Secret",
            Self::PermissionMissing => "grant the token the permission, or ask the organization to allow its use",
            Self::SingleSignOn => "authorize the token for the organization's single sign-on",
            Self::NotFound => "check the name, and that the token may see it",
            Self::Gone => "nothing more can be done with it",
            Self::Moved { .. } => "write the repository's new name",
            Self::Invalid => "correct what GitHub names",
            Self::RateLimited(_) => {
                "wait; who shares this user's tokens shares the limit, and more tokens to exceed it are against GitHub's terms"
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, status, message } = self;
        write!(f, "{status} {message}: {}", kind.advice())
    }
}

/// Reads the status, and for a refusal its reason.
pub(super) fn judge(answer: &Response<Bytes>, token: &Token) -> Verdict {
    let status = answer.status();
    let headers = answer.headers();
    if status.is_success() {
        return Verdict::Success;
    }
    let message = text::message(&words(answer), token);
    let kind = match status {
        StatusCode::NOT_MODIFIED => return Verdict::NotModified,
        StatusCode::BAD_REQUEST => RefusalKind::BadRequest,
        StatusCode::UNAUTHORIZED => RefusalKind::BadCredentials,
        StatusCode::FORBIDDEN => forbidden(headers, &message),
        StatusCode::NOT_FOUND => RefusalKind::NotFound,
        StatusCode::GONE => RefusalKind::Gone,
        StatusCode::UNPROCESSABLE_ENTITY => RefusalKind::Invalid,
        StatusCode::TOO_MANY_REQUESTS => RefusalKind::RateLimited(RetryAfter::from_headers(headers)),
        status if is_move(status) => RefusalKind::Moved {
            to: location(headers, token),
        },
        status => return Verdict::Undecided(status.as_u16()),
    };
    let status = status.as_u16();
    Verdict::Refused(Refusal { kind, status, message })
}

fn forbidden(headers: &HeaderMap, message: &str) -> RefusalKind {
    let limited = headers.contains_key("retry-after")
        || number(headers, "x-ratelimit-remaining") == Some(0)
        || message.to_ascii_lowercase().contains("rate limit");
    if limited {
        RefusalKind::RateLimited(RetryAfter::from_headers(headers))
    } else if headers.contains_key("x-github-sso") {
        RefusalKind::SingleSignOn
    } else {
        RefusalKind::PermissionMissing
    }
}

fn is_move(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// Without the query: it is not part of what moved, and the one part of a URL where secrets are found.
fn location(headers: &HeaderMap, token: &Token) -> Option<String> {
    let target = headers.get(http::header::LOCATION)?.to_str().ok()?;
    let path = target.split(['?', '#']).next().unwrap_or_default();
    Some(text::message(path, token)).filter(|text| !text.is_empty())
}

fn words(answer: &Response<Bytes>) -> String {
    let problem: Problem = serde_json::from_slice(answer.body()).unwrap_or_default();
    let reason = answer.status().canonical_reason().unwrap_or("no message");
    let message = problem.message.filter(|message| !message.trim().is_empty());
    let mut words = message.unwrap_or_else(|| reason.to_owned());
    for detail in problem.errors.iter().flatten().filter_map(detail) {
        words.push_str("; ");
        words.push_str(&detail);
    }
    words
}

/// One element of `errors`: an object with a message or a code and a field, or plain text.
fn detail(error: &Value) -> Option<String> {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    match (error.as_str().or(text("message")), text("field"), text("code")) {
        (Some(message), _, _) => Some(message.to_owned()),
        (None, Some(field), Some(code)) => Some(format!("{field}: {code}")),
        (None, None, Some(code)) => Some(code.to_owned()),
        (None, _, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;

    type Headers = &'static [(&'static str, &'static str)];

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let builder = headers
            .iter()
            .fold(Response::builder().status(status), |builder, (name, value)| {
                builder.header(*name, *value)
            });
        builder.body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn kinds() {
        use RefusalKind::*;
        let minute = RateLimited(RetryAfter::After(Duration::from_secs(60)));
        let reset = RateLimited(RetryAfter::At(Timestamp::from_second(1_795_350_600).unwrap()));
        let exhausted: Headers = &[
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795350600"),
        ];
        let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait"}"#;
        let forbidden = r#"{"message":"Resource not accessible by personal access token"}"#;
        let to = |to: &str| Moved {
            to: Some(to.to_owned()),
        };
        let table: [(u16, Headers, &str, Option<RefusalKind>); 27] = [
            (400, &[], "{}", Some(BadRequest)),
            (401, &[], r#"{"message":"Bad credentials"}"#, Some(BadCredentials)),
            (403, &[], forbidden, Some(PermissionMissing)),
            (
                403,
                &[("x-github-sso", "required; url=https://x")],
                forbidden,
                Some(SingleSignOn),
            ),
            (
                403,
                &[("retry-after", "60"), ("x-github-sso", "required")],
                forbidden,
                Some(minute.clone()),
            ),
            (
                403,
                exhausted,
                r#"{"message":"API rate limit exceeded for user ID 1."}"#,
                Some(reset.clone()),
            ),
            (403, &[], secondary, Some(RateLimited(RetryAfter::Unstated))),
            (
                403,
                &[("x-ratelimit-remaining", "1")],
                forbidden,
                Some(PermissionMissing),
            ),
            (404, &[], "", Some(NotFound)),
            (410, &[], r#"{"message":"This issue was deleted"}"#, Some(Gone)),
            (422, &[], "{}", Some(Invalid)),
            (429, &[], "{}", Some(RateLimited(RetryAfter::Unstated))),
            (429, &[("retry-after", "60")], "<html>", Some(minute)),
            (429, exhausted, "", Some(reset)),
            (
                301,
                &[("location", "https://api.github.com/repositories/1/x?y=1")],
                "",
                Some(to("https://api.github.com/repositories/1/x")),
            ),
            (302, &[("location", "/x")], "", Some(to("/x"))),
            (307, &[], "", Some(Moved { to: None })),
            (308, &[("location", "?secret")], "", Some(Moved { to: None })),
            (300, &[], "", None),
            (405, &[], "", None),
            (408, &[], "", None),
            (409, &[], "", None),
            (500, &[], "", None),
            (502, &[("retry-after", "1")], "", None),
            (503, &[], secondary, None),
            (504, &[], "", None),
            (599, &[], "", None),
        ];
        let token = Token::parse("ghp_secret").unwrap();
        for (status, headers, body, expected) in table {
            let found = match judge(&answer(status, headers, body), &token) {
                Verdict::Refused(refusal) => {
                    assert_eq!(refusal.status, status);
                    Some(refusal.kind)
                }
                Verdict::Undecided(undecided) => {
                    assert_eq!(undecided, status);
                    None
                }
                verdict @ (Verdict::Success | Verdict::NotModified) => panic!("{status}: {verdict:?}"),
            };
            assert_eq!(found, expected, "{status} {headers:?} {body}");
        }
        assert_eq!(judge(&answer(304, &[], ""), &token), Verdict::NotModified);
        for status in [200, 201, 202, 204] {
            assert_eq!(judge(&answer(status, &[], ""), &token), Verdict::Success);
        }
    }

    #[test]
    fn messages() {
        let table = [
            ("", "Unprocessable Entity"),
            ("<html>oops", "Unprocessable Entity"),
            ("[]", "Unprocessable Entity"),
            (r#"{"message":null,"errors":null}"#, "Unprocessable Entity"),
            (r#"{"message":" ","errors":7}"#, "Unprocessable Entity"),
            (r#"{"message":"Validation Failed"}"#, "Validation Failed"),
            (
                r#"{"message":"Validation Failed","errors":[{"code":"invalid","message":"no such branch"},{"code":"missing","field":"prompt"},{"code":"custom"},"plain",3,{}]}"#,
                "Validation Failed; no such branch; prompt: missing; custom; plain",
            ),
            (r#"{"message":"a\nb\u001b ghp_secret"}"#, "a b ***"),
        ];
        let token = Token::parse("ghp_secret").unwrap();
        for (body, expected) in table {
            let Verdict::Refused(refusal) = judge(&answer(422, &[], body), &token) else {
                panic!("{body}")
            };
            assert_eq!(refusal.message, expected);
        }
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(100_000));
        let Verdict::Refused(refusal) = judge(&answer(422, &[], &long), &token) else {
            panic!("long")
        };
        assert_eq!(refusal.message.chars().count(), 500);
    }

    /// GitHub Terms of Service, *API Terms*.
    #[test]
    fn a_limit_is_waited_for() {
        let advice = RefusalKind::RateLimited(RetryAfter::Unstated).advice();
        assert!(advice.starts_with("wait") && !advice.contains("spread"), "{advice}");
    }

    #[test]
    fn the_sign_on_address_is_not_kept() {
        let answer = answer(
            403,
            &[("x-github-sso", "required; url=https://github.com/orgs/a/sso?x=1")],
            "{}",
        );
        let verdict = judge(&answer, &Token::parse("t").unwrap());
        assert!(!format!("{verdict:?}").contains("https"), "{verdict:?}");
    }
}
