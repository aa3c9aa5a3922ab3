//! Where the API is. A token goes there with each request, so plain HTTP is for loopback only.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

/// The root of GitHub's REST API, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    origin: Origin,
}

/// What is wrong with a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    #[error("{0:?} is no base URL: write it like https://api.github.com, without user, query or fragment")]
    Form(String),
    #[error("{0:?} would send the token in the clear: use https (http is for loopback addresses only)")]
    Insecure(String),
}

/// Scheme, host and port: the token goes to one of these only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl BaseUrl {
    /// Reads `https://host[:port][/path]`, or `http://` with a loopback host.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let form = || BaseUrlError::Form(text.to_owned());
        let text = text.trim_end_matches('/');
        let origin = Origin::of(text)
            .filter(|_| !text.contains(['?', '#']))
            .ok_or_else(form)?;
        if !origin.https && !origin.is_loopback() {
            return Err(BaseUrlError::Insecure(text.to_owned()));
        }
        let text = text.to_owned();
        Ok(Self { text, origin })
    }

    /// The URL, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where GraphQL is: beside the REST API, which GitHub Enterprise Server has at `/api/v3`.
    pub(super) fn graphql(&self) -> String {
        let root = self.text.strip_suffix("/v3").unwrap_or(&self.text);
        format!("{root}/graphql")
    }

    /// Where people sign in and apps exchange tokens: GitHub's own site, of which the API is a subdomain or, with GitHub
    /// Enterprise Server, a path.
    pub(super) fn site(&self) -> String {
        let root = self.text.strip_suffix("/api/v3").unwrap_or(&self.text);
        root.replacen("https://api.", "https://", 1)
    }

    /// Whether a request to this URL goes over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.origin.https
    }

    /// Whether a link from an answer leads to the same scheme, host and port, so that the token may go there.
    pub(super) fn owns(&self, link: &str) -> bool {
        Origin::of(link).is_some_and(|origin| origin == self.origin)
    }
}

impl Default for BaseUrl {
    fn default() -> Self {
        Self {
            text: "https://api.github.com".to_owned(),
            origin: Origin {
                https: true,
                host: "api.github.com".to_owned(),
                port: 443,
            },
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Origin {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().to_ascii_lowercase();
        let port = if authority.as_str().len() > host.len() {
            authority.port_u16()?
        } else if https {
            443
        } else {
            80
        };
        (!host.is_empty()).then_some(Self { https, host, port })
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed() {
        let table = [
            ("https://api.github.com", "https://api.github.com"),
            ("https://api.github.com/", "https://api.github.com"),
            (
                "https://ghe.acme.example:8443/api/v3/",
                "https://ghe.acme.example:8443/api/v3",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost:1", "http://localhost:1"),
            ("http://api.github.com", "insecure"),
            ("http://127.0.0.1.acme.example", "insecure"),
            ("http://localhost.acme.example", "insecure"),
            ("http://0.0.0.0:80", "insecure"),
            ("https://token@api.github.com", "form"),
            ("https://api.github.com:port", "form"),
            ("https://api.github.com:", "form"),
            ("https://api.github.com?a=b", "form"),
            ("https://api.github.com#a", "form"),
            ("api.github.com", "form"),
            ("ftp://api.github.com", "form"),
            ("https://", "form"),
            ("", "form"),
        ];
        for (text, expected) in table {
            let found = match BaseUrl::parse(text) {
                Ok(url) => url.to_string(),
                Err(BaseUrlError::Form(_)) => "form".to_owned(),
                Err(BaseUrlError::Insecure(_)) => "insecure".to_owned(),
            };
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(BaseUrl::parse("https://api.github.com").unwrap(), BaseUrl::default());
    }

    #[test]
    fn graphql_is_beside_the_rest_api() {
        let table = [
            ("https://api.github.com", "https://api.github.com/graphql"),
            (
                "https://ghe.acme.example/api/v3",
                "https://ghe.acme.example/api/graphql",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/graphql"),
        ];
        for (text, expected) in table {
            assert_eq!(BaseUrl::parse(text).unwrap().graphql(), expected);
        }
    }

    #[test]
    fn the_site_is_where_people_sign_in() {
        let table = [
            ("https://api.github.com", "https://github.com"),
            ("https://api.acme.ghe.com", "https://acme.ghe.com"),
            ("https://ghe.acme.example/api/v3", "https://ghe.acme.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ];
        for (text, expected) in table {
            assert_eq!(BaseUrl::parse(text).unwrap().site(), expected);
        }
    }

    #[test]
    fn the_token_stays_at_the_origin() {
        let base = BaseUrl::default();
        let table = [
            ("https://api.github.com/repositories/1/pulls?page=2", true),
            ("https://API.github.com:443/x", true),
            ("http://api.github.com/x", false),
            ("https://api.github.com:444/x", false),
            ("https://api.github.com@acme.example/x", false),
            ("https://api.github.com.acme.example/x", false),
            ("/x", false),
        ];
        for (link, expected) in table {
            assert_eq!(base.owns(link), expected, "{link}");
        }
    }
}
