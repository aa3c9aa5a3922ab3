//! What is answered before it becomes HTTP, and GitHub's ways of saying no.

use axum::body::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::auth::TokenKind;

/// An answer under construction.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub body: Body,
    pub headers: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Empty,
    Json(Value),
    /// Text of the content type given first.
    Text(&'static str, String),
}

/// Why GitHub refuses a request. Nothing was done.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    NoUserAgent,
    UnknownVersion(String),
    NoCredentials,
    BadCredentials,
    SingleSignOn,
    /// The token lacks a permission, or is of a kind that the operation does not take.
    NotAccessible(TokenKind),
    NotFound,
    NotJson,
    Invalid(Vec<Mistake>),
    /// The repository has another name; where the request belongs, and whether its method must be kept.
    Moved {
        location: String,
        keep_method: bool,
    },
    /// A status and a message of a fault's choosing.
    Other {
        status: StatusCode,
        message: String,
    },
}

/// One entry of the `errors` of a 422.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    MissingField,
    Invalid,
    Custom(String),
}

impl Mistake {
    /// GitHub gives a message with the code `custom` only.
    fn into_json(self) -> Value {
        match self {
            Self::MissingField => json!({"code": "missing_field"}),
            Self::Invalid => json!({"code": "invalid"}),
            Self::Custom(message) => json!({"code": "custom", "message": message}),
        }
    }
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Body::Json(body),
            headers: Vec::new(),
        }
    }

    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The body's bytes and their content type.
    pub fn content(&self) -> (Bytes, Option<&'static str>) {
        match &self.body {
            Body::Empty => (Bytes::new(), None),
            Body::Json(value) => (Bytes::from(value.to_string()), Some("application/json; charset=utf-8")),
            Body::Text(kind, text) => (Bytes::from(text.clone()), Some(kind)),
        }
    }

    pub fn into_http(self) -> Response<Bytes> {
        let (bytes, kind) = self.content();
        let mut response = Response::new(bytes);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoUserAgent | Self::SingleSignOn | Self::NotAccessible(_) => StatusCode::FORBIDDEN,
            Self::UnknownVersion(_) | Self::NotJson => StatusCode::BAD_REQUEST,
            Self::NoCredentials | Self::BadCredentials => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Moved { keep_method: false, .. } => StatusCode::MOVED_PERMANENTLY,
            Self::Moved { keep_method: true, .. } => StatusCode::TEMPORARY_REDIRECT,
            Self::Other { status, .. } => *status,
        }
    }

    fn message(&self) -> String {
        let text = match self {
            Self::NoUserAgent => {
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
            }
            Self::UnknownVersion(version) => {
                return format!(
                    "\"{version}\" is not a supported version of the GitHub API. Use 2026-03-10 or 2022-11-28."
                );
            }
            Self::NoCredentials => "Requires authentication",
            Self::BadCredentials => "Bad credentials",
            Self::SingleSignOn => {
                "Resource protected by organization SAML enforcement. You must grant your token access to this organization."
            }
            Self::NotAccessible(TokenKind::FineGrained | TokenKind::Classic) => {
                "Resource not accessible by personal access token"
            }
            Self::NotAccessible(TokenKind::UserToServer | TokenKind::Installation) => {
                "Resource not accessible by integration"
            }
            Self::NotFound => "Not Found",
            Self::NotJson => "Problems parsing JSON",
            Self::Invalid(_) => "Validation Failed",
            Self::Moved { keep_method: false, .. } => "Moved Permanently",
            Self::Moved { keep_method: true, .. } => "Temporary Redirect",
            Self::Other { message, .. } => message,
        };
        text.to_owned()
    }

    /// The answer, pointing at the operation's page of the documentation.
    pub fn into_reply(self, documentation: &str) -> Reply {
        let status = self.status();
        let mut body = error_body(&self.message(), documentation);
        let mut headers = Vec::new();
        match self {
            Self::Invalid(errors) => {
                body["errors"] = errors.into_iter().map(Mistake::into_json).collect();
            }
            Self::Moved { location, .. } => {
                body["url"] = json!(location);
                headers.push(("location", location));
            }
            Self::SingleSignOn => {
                let url = "https://github.com/orgs/acme/sso?authorization_request=A4NNDTHE5XRPSTDS";
                headers.push(("x-github-sso", format!("required; url={url}")));
            }
            _ => {}
        }
        Reply {
            status,
            body: Body::Json(body),
            headers,
        }
    }
}

/// GitHub's form of an error.
pub(super) fn error_body(message: &str, documentation: &str) -> Value {
    json!({"message": message, "documentation_url": documentation})
}

/// What GitHub's front end answers when the application behind it does not: JSON with 500, a page otherwise.
pub(super) fn server_error(status: StatusCode) -> Reply {
    let body = if status == StatusCode::INTERNAL_SERVER_ERROR {
        Body::Json(json!({"message": "Server Error"}))
    } else {
        let page = "<!DOCTYPE html><html><head><title>Unicorn! · GitHub</title></head><body>We had issues producing the \
                    response to your request.</body></html>";
        Body::Text("text/html; charset=utf-8", page.to_owned())
    };
    Reply {
        status,
        body,
        headers: Vec::new(),
    }
}
