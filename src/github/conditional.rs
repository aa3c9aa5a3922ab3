//! Reads that cost nothing while nothing changes: GitHub does not count an answer of 304.

use serde::de::DeserializeOwned;

use super::client::{Call, Client, decode, etag};
use super::error::Error;

/// The answer to a conditional read.
#[derive(Debug, Clone, PartialEq)]
pub enum Conditional<T> {
    /// Nothing has changed since the answer whose `ETag` was given.
    NotModified,
    Fresh {
        value: T,
        /// To be given the next time.
        etag: Option<String>,
    },
}

impl<T> Conditional<T> {
    /// The same with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Conditional<U> {
        match self {
            Self::NotModified => Conditional::NotModified,
            Self::Fresh { value, etag } => Conditional::Fresh {
                value: change(value),
                etag,
            },
        }
    }
}

impl Client {
    pub(super) async fn read_if_changed<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Conditional<T>, Error> {
        let Some(answer) = self.get(&call).await? else {
            return Ok(Conditional::NotModified);
        };
        Ok(Conditional::Fresh {
            value: decode(&call, answer.body())?,
            etag: etag(&answer),
        })
    }
}
