//! Whether a body was signed with a secret: HMAC-SHA-256 over its raw bytes, compared in constant time.
//!
//! Of all spellings only GitHub's own counts: one `X-Hub-Signature-256`, `sha256=` and 64 lower-case hexadecimal digits.
//! `X-Hub-Signature`, which is SHA-1, counts for nothing.

use std::fmt;

use aws_lc_rs::hmac;
use http::HeaderMap;

const HEADER: &str = "x-hub-signature-256";
const SIZE: usize = 32;

/// A signature as a request gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIZE]);

impl Signature {
    /// A request's one signature, if it has one and its form is right.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        let digits = value.as_bytes().strip_prefix(b"sha256=")?;
        let mut bytes = [0; SIZE];
        if digits.len() != 2 * SIZE {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// A secret, ready to check signatures with. Prints as `***`.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads a Secret's value; line ends behind it, which editors add, are dropped. With an empty one anybody could sign.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let end = value.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'))?;
        Some(Self(hmac::Key::new(hmac::HMAC_SHA256, &value[..=end])))
    }

    /// A key that nobody has.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn of_nobody() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        hmac::Key::generate(hmac::HMAC_SHA256, &random).map(Self)
    }

    /// Whether the signature of this body was made with this key.
    #[must_use]
    pub fn made(&self, signature: &Signature, body: &[u8]) -> bool {
        hmac::verify(&self.0, body, &signature.0).is_ok()
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

    /// The example of GitHub's page *Validating webhook deliveries*.
    #[test]
    fn githubs_own_example() {
        let value = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signature = Signature::of(&headers(&[value])).unwrap();
        let key = SigningKey::parse(b"It's a Secret to Everybody").unwrap();
        assert!(key.made(&signature, b"Hello, World!"));
        assert!(!key.made(&signature, b"Hello, World?"));
        assert!(!SigningKey::of_nobody().unwrap().made(&signature, b"Hello, World!"));
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn one_spelling_counts() {
        let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let good = format!("sha256={digits}");
        assert!(Signature::of(&headers(&[&good])).is_some());
        let table = [
            vec![],
            vec![""],
            vec!["sha256="],
            vec![digits],
            vec![&good[..70]],
            vec![&good, &good],
        ];
        for values in table {
            assert_eq!(Signature::of(&headers(&values)), None, "{values:?}");
        }
        let longer = format!("{good}0");
        let upper = good.replace('e', "E");
        let spaced = good.replace("=7", "= 7");
        let other = good.replace("sha256", "sha1");
        let scheme = good.replace("sha256", "SHA256");
        let signed = good.replace("=75", "=+5");
        for value in [longer, upper, spaced, other, scheme, signed] {
            assert_eq!(Signature::of(&headers(&[&value])), None, "{value}");
        }
    }

    #[test]
    fn line_ends_are_no_part_of_a_secret() {
        for (value, is_key) in [
            ("a", true),
            ("a b\r\n", true),
            ("", false),
            ("\n", false),
            ("\r\n\n", false),
        ] {
            assert_eq!(SigningKey::parse(value.as_bytes()).is_some(), is_key, "{value:?}");
        }
        let signature = |value: &[u8]| hmac::sign(&SigningKey::parse(value).unwrap().0, b"x").as_ref().to_vec();
        assert_eq!(signature(b"a\n"), signature(b"a"));
        assert_ne!(signature(b"a "), signature(b"a"));
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        headers
    }
}
