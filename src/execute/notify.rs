//! One POST to a receiver: the key is read, the body signed and sent once, and the answer's status taken down.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::api::notify::{NotifyError, SigningKeyRef};
use crate::github::TransportError;
use crate::observe::Update;
use crate::plan::ObjectKey;
use crate::plan::notify::{Answer, Notice, Sent};
use crate::plan::time::add;

use super::kubernetes::{failure, is};
use super::signing::SigningKey;
use super::{Done, Executor, Failure};

/// A receiver that has not answered by then is asked again later.
const TIMEOUT: Duration = Duration::from_secs(10);
const MEDIA_TYPE: &str = "application/cloudevents+json; charset=UTF-8";
const AGENT: &str = concat!("agent-automation/", env!("CARGO_PKG_VERSION"));

impl Executor {
    pub(super) async fn notify(&self, key: ObjectKey, name: String, notice: Notice) -> Done {
        let (of, attempt) = (notice.of, notice.attempt);
        let answer = match self.signing_key(&key.namespace, &notice.secret).await {
            Ok(Ok(signing)) => self.post(notice, &signing).await,
            Ok(Err(problem)) => Answer::Unsigned(problem),
            Err(failure) => return Done::failed(failure),
        };
        let at = self.now();
        Done::with(Update::Notified(
            key,
            name,
            Sent {
                of,
                attempt,
                at,
                answer,
            },
        ))
    }

    /// Read each time: ends are rare, and so nothing is kept that somebody replaced.
    async fn signing_key(
        &self,
        namespace: &str,
        wanted: &SigningKeyRef,
    ) -> Result<Result<SigningKey, NotifyError>, Failure> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = match api.get_opt(&wanted.name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Ok(Err(NotifyError::SecretMissing)),
            Err(error) if is(&error, 403) => return Ok(Err(NotifyError::SecretForbidden)),
            Err(error) => return Err(failure(&error)),
        };
        let value = secret.data.as_ref().and_then(|data| data.get(&wanted.key));
        Ok(match value.map(|value| SigningKey::parse(&value.0)) {
            Some(Some(signing)) => Ok(signing),
            Some(None) => Err(NotifyError::SigningKeyInvalid),
            None => Err(NotifyError::SecretKeyMissing),
        })
    }

    async fn post(&self, notice: Notice, signing: &SigningKey) -> Answer {
        let seconds = self.now().as_second();
        let request = Request::post(notice.url.as_str())
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header(USER_AGENT, AGENT)
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signing.sign(&notice.id, seconds, &notice.body))
            .body(Bytes::from(notice.body));
        let Ok(request) = request else {
            return Answer::NotSent;
        };
        match self.receivers.send(request, TIMEOUT).await {
            Ok(answer) => Answer::Status {
                code: answer.status().as_u16(),
                not_before: not_before(answer.headers(), self.now()),
            },
            Err(TransportError::NeverSent(_)) => Answer::NotSent,
            Err(TransportError::Lost(_)) => Answer::Lost,
        }
    }
}

/// `Retry-After`, in seconds or as a date.
fn not_before(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = value
        .parse()
        .ok()
        .map(|seconds: u32| SignedDuration::from_secs(seconds.into()));
    let after = seconds.map(|seconds| add(now, seconds));
    after.or_else(|| DateTimeParser::new().parse_timestamp(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_receiver_wants_to_be_asked_again() {
        let now: Timestamp = "2026-11-22T06:00:00Z".parse().unwrap();
        let table = [
            ("120", Some("2026-11-22T06:02:00Z")),
            (" 0 ", Some("2026-11-22T06:00:00Z")),
            ("Sun, 22 Nov 2026 07:00:00 GMT", Some("2026-11-22T07:00:00Z")),
            ("-1", None),
            ("99999999999999", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in table {
            let headers: HeaderMap = [(RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
            let found = not_before(&headers, now).map(|time| time.to_string());
            assert_eq!(found.as_deref(), expected, "{value:?}");
        }
        assert_eq!(not_before(&HeaderMap::new(), now), None);
    }
}
