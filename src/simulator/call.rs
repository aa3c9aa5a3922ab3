//! One request, taken apart.

use axum::extract::Query;
use http::{HeaderMap, Method, Request, header};

use super::reply::Refusal;

/// What of a request the simulator looks at.
pub(super) struct Call<'a> {
    pub method: &'a Method,
    /// Percent-decoded segments of the path.
    pub segments: Vec<String>,
    pub path: &'a str,
    pub query: Vec<(String, String)>,
    pub raw_query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

impl<'a> Call<'a> {
    pub fn new<B: AsRef<[u8]>>(request: &'a Request<B>) -> Self {
        let uri = request.uri();
        let Query(query) = Query::try_from_uri(uri).unwrap_or_else(|_| Query(Vec::new()));
        Self {
            method: request.method(),
            segments: uri.path().split('/').skip(1).map(decode).collect(),
            path: uri.path(),
            query,
            raw_query: uri.query(),
            headers: request.headers(),
            body: request.body().as_ref(),
        }
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The secret of the Authorization header.
    pub fn token(&self) -> Option<&'a str> {
        let value = self.header(header::AUTHORIZATION)?;
        let (scheme, secret) = value.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        known.then(|| secret.trim())
    }

    /// Headers that GitHub wants on every request.
    pub fn check_headers(&self) -> Result<(), Refusal> {
        if self.header(header::USER_AGENT).is_none_or(str::is_empty) {
            return Err(Refusal::NoUserAgent);
        }
        match self.header("x-github-api-version") {
            None | Some("2022-11-28" | "2026-03-10") => Ok(()),
            Some(version) => Err(Refusal::UnknownVersion(version.to_owned())),
        }
    }

    /// The last value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| Refusal::NotJson)
    }
}

fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8_lossy()
        .into_owned()
}
