//! Signatures as Standard Webhooks has them: HMAC-SHA-256 over the message's id, its time and its raw body.

use std::fmt;

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine};

const PREFIX: &str = "whsec_";
/// The bytes of a key, as the specification wants them.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;

/// A key to sign with. Prints as `***`.
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads a Secret's value: `whsec_` and the base64 of 24 to 64 bytes. White space around it is dropped.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let text = str::from_utf8(value).ok()?.trim();
        let bytes = BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        SIZES
            .contains(&bytes.len())
            .then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference libraries of Standard Webhooks.
    #[test]
    fn the_field_s_own_example() {
        let key = SigningKey::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn what_is_a_key() {
        let of = |size: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; size]));
        let table = [
            (of(24), true),
            (of(64), true),
            (of(23), false),
            (of(65), false),
            (of(32).replace("whsec_", ""), false),
            ("whsec_".to_owned(), false),
            ("whsec_not base64 at all, and long enough".to_owned(), false),
            ("github_pat_canary_7f3a".to_owned(), false),
            (String::new(), false),
        ];
        for (value, is_key) in table {
            assert_eq!(SigningKey::parse(value.as_bytes()).is_some(), is_key, "{value}");
        }
        assert!(SigningKey::parse(b"whsec_\xff").is_none());
    }
}
