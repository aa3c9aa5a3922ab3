//! Where a notification goes. Policies allow hosts by name, so there is one way to write each: what several readers of URLs
//! understand differently (users, encoded or Unicode hosts, a dot at the end) is refused here.

use std::fmt;

/// `https://host[:port][/path][?query]`, or `http://` with a loopback host. [`Display`](fmt::Display) gives it as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    host: String,
    is_named: bool,
}

/// What is wrong with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("it is no address for a POST: write https://host/path, without user and fragment")]
    Form,
    #[error("it would be sent in the clear: use https (http is for loopback addresses only)")]
    Insecure,
}

impl Endpoint {
    /// Reads a URL.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let (is_https, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(EndpointError::Form),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains('#') {
            return Err(EndpointError::Form);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (name, port) = split(authority).ok_or(EndpointError::Form)?;
        let name = name.to_ascii_lowercase();
        if !is_https && !is_loopback(&name) {
            return Err(EndpointError::Insecure);
        }
        let host = match port {
            None | Some(443) if is_https => name.clone(),
            port => format!("{name}:{}", port.unwrap_or(80)),
        };
        Ok(Self {
            url: url.to_owned(),
            host,
            is_named: !is_address(&name) && !is_localhost(&name),
        })
    }

    /// The URL as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Its host as policies name it: with the port where that is not 443.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether a pattern may stand for its host. An address, and what is on the controller's own machine, has to be named as
    /// it is.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.is_named
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// Host and port.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (name, rest) = authority.split_at(end);
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    is_host(name).then_some((name, port))
}

fn is_host(name: &str) -> bool {
    if let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.contains(':')
            && inner
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
    }
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty() && label.bytes().all(known)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// No name's last part begins with a digit; each way to write an IPv4 address does (`0x7f.1`, `2130706433`).
fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    name.starts_with('[') || last.starts_with(|first: char| first.is_ascii_digit())
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn is_loopback(name: &str) -> bool {
    let parts: Vec<_> = name.split('.').map(str::parse::<u8>).collect();
    matches!(parts.as_slice(), [Ok(127), Ok(_), Ok(_), Ok(_)]) || name == "localhost" || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed() {
        let long = format!("https://{}", "a.".repeat(127));
        let table = [
            ("https://hooks.acme.example", "hooks.acme.example"),
            ("https://Hooks.Acme.example/x?key=1", "hooks.acme.example"),
            ("https://hooks.acme.example?key=/1", "hooks.acme.example"),
            ("https://hooks.acme.example:443/@x:1", "hooks.acme.example"),
            ("https://hooks.acme.example:8443/x", "hooks.acme.example:8443"),
            ("https://hooks", "hooks"),
            ("https://10.0.0.1/x", "10.0.0.1 address"),
            ("https://2130706433", "2130706433 address"),
            ("https://0x7f.1", "0x7f.1 address"),
            ("https://a.0x7f000001", "a.0x7f000001 address"),
            ("https://[FD00::1]:8443/x", "[fd00::1]:8443 address"),
            ("https://localhost", "localhost address"),
            ("https://x.localhost:1", "x.localhost:1 address"),
            ("http://localhost/x", "localhost:80 address"),
            ("http://127.0.0.1:9000/x", "127.0.0.1:9000 address"),
            ("http://[::1]:9000", "[::1]:9000 address"),
            ("http://localhost:443", "localhost:443 address"),
            ("http://hooks.acme.example", "insecure"),
            ("http://127.0.0.1.acme.example", "insecure"),
            ("http://127.1", "insecure"),
            ("https://user@hooks.acme.example", "form"),
            ("https://allowed.example@evil.example", "form"),
            ("https://allowed.example\\@evil.example", "form"),
            ("https://hooks.acme.example/#x", "form"),
            ("https://hooks.acme.example.", "form"),
            ("https://hooks..example", "form"),
            ("https://hooks.%61cme.example", "form"),
            ("https://hööks.example", "form"),
            ("https://hooks.acme.example:0", "form"),
            ("https://hooks.acme.example:", "form"),
            ("https://hooks.acme.example:65536", "form"),
            ("https://hooks.acme.example:1:2", "form"),
            ("https://[::1", "form"),
            ("https://[::1]x", "form"),
            ("https://[v1.x]", "form"),
            ("https://hooks.acme.example/a b", "form"),
            ("https://hooks.acme.example/\n", "form"),
            ("HTTPS://hooks.acme.example", "form"),
            ("ftp://hooks.acme.example", "form"),
            ("hooks.acme.example", "form"),
            ("https://", "form"),
            ("https:///x", "form"),
            ("", "form"),
            (&long, "form"),
        ];
        for (url, expected) in table {
            let found = match Endpoint::parse(url) {
                Ok(endpoint) if endpoint.is_named() => endpoint.host().to_owned(),
                Ok(endpoint) => format!("{} address", endpoint.host()),
                Err(EndpointError::Form) => "form".to_owned(),
                Err(EndpointError::Insecure) => "insecure".to_owned(),
            };
            assert_eq!(found, expected, "{url}");
        }
    }
}
