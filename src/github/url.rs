//! Building URLs from values: each value stays within its own path segment or query parameter.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::base_url::BaseUrl;
use super::error::Error;

/// All but the characters that RFC 3986 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL under construction.
#[derive(Debug)]
pub(super) struct Url {
    text: String,
    has_query: bool,
}

impl Url {
    /// `base/a/b/c`. Fails on a segment that no encoding can carry: an empty one, `.` and `..`.
    pub(super) fn new(base: &BaseUrl, segments: &[&str]) -> Result<Self, Error> {
        let mut text = base.as_str().to_owned();
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                let segment = (*segment).to_owned();
                return Err(Error::Address { segment });
            }
            let _ = write!(text, "/{}", utf8_percent_encode(segment, RESERVED));
        }
        let has_query = false;
        Ok(Self { text, has_query })
    }

    /// Adds one query parameter.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let separator = if self.has_query { '&' } else { '?' };
        let _ = write!(self.text, "{separator}{name}={}", utf8_percent_encode(value, RESERVED));
        self.has_query = true;
        self
    }

    /// Adds one query parameter when there is a value for it.
    pub(super) fn with_some(self, name: &str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(name, &value),
            None => self,
        }
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_place() {
        let base = BaseUrl::parse("http://localhost:1/api").unwrap();
        let url = |segment: &str, value: &str| {
            Url::new(&base, &["a", segment])
                .map(|url| {
                    url.with("x", value)
                        .with_some("y", None)
                        .with_some("z", Some("1".to_owned()))
                })
                .map(Url::into_string)
        };
        let table = [
            (("b", "c"), "/a/b?x=c&z=1"),
            (("release/1.0", "o:f/x"), "/a/release%2F1.0?x=o%3Af%2Fx&z=1"),
            (("../..", "&y=2#"), "/a/..%2F..?x=%26y%3D2%23&z=1"),
            (("a?b=c#d", " +%"), "/a/a%3Fb%3Dc%23d?x=%20%2B%25&z=1"),
            (("ü", "-._~"), "/a/%C3%BC?x=-._~&z=1"),
        ];
        for ((segment, value), expected) in table {
            assert_eq!(
                url(segment, value).unwrap(),
                format!("http://localhost:1/api{expected}")
            );
        }
        for segment in ["", ".", ".."] {
            assert!(matches!(url(segment, "x"), Err(Error::Address { .. })), "{segment:?}");
        }
    }
}
