//! Whose a token is, and how long it lasts.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::client::{Call, Client, decode};
use super::error::Error;
use super::models::User;
use super::token::Token;

/// Whose a token is, and what GitHub tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user: User,
    /// `None` when it does not expire, or GitHub does not say.
    pub expires_at: Option<Timestamp>,
    /// What a classic token may do; `None` for the other kinds.
    pub scopes: Option<Vec<String>>,
}

impl Client {
    /// The user whose token it is, and what GitHub tells of the token.
    pub async fn identify(&self, token: &Token) -> Result<Identity, Error> {
        let call = Call::new("get_user", token, self.url(&["user"])?);
        let answer = self.get(&call).await?.unwrap_or_default();
        Ok(Identity {
            user: decode(&call, answer.body())?,
            expires_at: header(&answer, "github-authentication-token-expiration").and_then(expiration),
            scopes: header(&answer, "x-oauth-scopes").map(|scopes| {
                let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
                scopes.map(str::to_owned).collect()
            }),
        })
    }
}

fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// `2026-12-01 06:00:00 UTC`, or with an offset in place of `UTC`.
fn expiration(text: &str) -> Option<Timestamp> {
    let (time, zone) = text.trim().rsplit_once(' ')?;
    if zone == "UTC" {
        let time: DateTime = time.parse().ok()?;
        return Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expirations() {
        let table = [
            ("2026-12-01 06:00:00 UTC", Some("2026-12-01T06:00:00Z")),
            (" 2026-12-01 06:00:00 UTC ", Some("2026-12-01T06:00:00Z")),
            ("2026-12-01 06:00:00 -0800", Some("2026-12-01T14:00:00Z")),
            ("2026-12-01 06:00:00", None),
            ("2026-12-01", None),
            ("soon UTC", None),
            ("", None),
        ];
        for (text, expected) in table {
            let found = expiration(text).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }
}
