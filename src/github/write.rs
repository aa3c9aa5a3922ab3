//! Changes: each is one request, and none is repeated here, since what became of a lost one only its caller can tell.

use bytes::Bytes;
use http::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{Call, Client, READ_TIMEOUT, decode};
use super::error::Error;
use super::refusal::Verdict;
use super::token::Token;

impl Client {
    /// Sends a change whose answer says nothing more.
    pub(super) async fn write(
        &self,
        operation: &'static str,
        token: &Token,
        segments: &[&str],
        method: Method,
        body: &impl Serialize,
    ) -> Result<(), Error> {
        let body = encode(operation, body)?;
        self.send(operation, token, segments, method, body).await.map(drop)
    }

    /// Sends a change and reads what it made.
    pub(super) async fn write_for<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        token: &Token,
        segments: &[&str],
        method: Method,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = encode(operation, body)?;
        let answer = self.send(operation, token, segments, method, body).await?;
        decode(&Call::new(operation, token, self.url(segments)?), answer.body())
    }

    pub(super) async fn send(
        &self,
        operation: &'static str,
        token: &Token,
        segments: &[&str],
        method: Method,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let call = Call::new(operation, token, self.url(segments)?);
        let (answer, verdict) = self.exchange(&call, method, body, READ_TIMEOUT).await?;
        match verdict {
            Verdict::Success => Ok(answer),
            Verdict::NotModified => Err(Error::Server { operation, status: 304 }),
            Verdict::Undecided(status) => Err(Error::Server { operation, status }),
            Verdict::Refused(refusal) => Err(Error::Refused { operation, refusal }),
        }
    }
}

pub(super) fn encode(operation: &'static str, body: &impl Serialize) -> Result<Bytes, Error> {
    let body = serde_json::to_vec(body).map_err(|error| Error::Undecodable {
        operation,
        reason: error.to_string(),
    })?;
    Ok(Bytes::from(body))
}
