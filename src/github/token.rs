//! The credential, which must be seen in its Secret and in the Authorization header, and nowhere else.

use std::borrow::Cow;
use std::fmt;

use http::HeaderValue;
use k8s_openapi::ByteString;
use sha2::{Digest, Sha256};

use crate::api::task::CredentialKind;

/// A user's token: fine-grained or classic personal access token, or user token of an app; also what an app exchanges for
/// one. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

/// Why a Secret's value cannot be a token. Never holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is empty: put a GitHub user token into the Secret")]
    Empty,
    #[error(
        "the token holds characters that no GitHub token has: put the bare token into the Secret, without quotes or spaces"
    )]
    Characters,
}

impl Token {
    /// Reads a Secret's value; white space around it, such as the newline that editors add, is dropped.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        match text.trim() {
            "" => Err(TokenError::Empty),
            token if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self(token.into())),
            _ => Err(TokenError::Characters),
        }
    }

    /// What kind of token it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        let kinds = [
            ("github_pat_", CredentialKind::FineGrained),
            ("ghp_", CredentialKind::Classic),
            ("ghu_", CredentialKind::AppUser),
            ("gho_", CredentialKind::OAuth),
        ];
        let known = kinds.iter().find(|(prefix, _)| self.0.starts_with(prefix));
        known.map_or(CredentialKind::Unknown, |(_, kind)| *kind)
    }

    /// The value of the Authorization header, marked so that no layer below prints it.
    pub(super) fn authorization(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The value of a Secret's key.
    pub(crate) fn secret_value(&self) -> ByteString {
        ByteString(self.0.as_bytes().to_vec())
    }

    /// Itself, for the body of the one request that uses it up.
    pub(super) fn spend(&self) -> &str {
        &self.0
    }

    /// What tells it from another without telling it.
    pub(crate) fn digest(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        let start = u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default());
        format!("{start:032x}")
    }

    /// Text from outside without this token, should it echo it.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.contains(&*self.0) {
            Cow::Owned(text.replace(&*self.0, "***"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let table = [
            ("ghp_abc", CredentialKind::Classic),
            ("github_pat_1", CredentialKind::FineGrained),
            ("ghu_1", CredentialKind::AppUser),
            ("gho_1", CredentialKind::OAuth),
            ("v1.abc", CredentialKind::Unknown),
        ];
        for (text, expected) in table {
            assert_eq!(Token::parse(text).unwrap().kind(), expected, "{text}");
        }
    }

    #[test]
    fn parsed() {
        let table = [
            ("ghp_abc", Ok("Bearer ghp_abc")),
            (" github_pat_1\n", Ok("Bearer github_pat_1")),
            ("", Err(TokenError::Empty)),
            (" \n", Err(TokenError::Empty)),
            ("ghp a", Err(TokenError::Characters)),
            ("ghp\na", Err(TokenError::Characters)),
            ("ghp_ä", Err(TokenError::Characters)),
        ];
        for (text, expected) in table {
            let header = Token::parse(text).map(|token| token.authorization().unwrap());
            assert_eq!(header, expected.map(HeaderValue::from_static), "{text:?}");
        }
    }

    #[test]
    fn nothing_prints_it() {
        let token = Token::parse("ghp_secret").unwrap();
        let header = token.authorization().unwrap();
        assert_eq!(format!("{token} {token:?} {header:?}"), "*** *** Sensitive");
        assert_eq!(token.redact("token ghp_secret is bad"), "token *** is bad");
        assert_eq!(token.redact("bad"), "bad");
    }
}
