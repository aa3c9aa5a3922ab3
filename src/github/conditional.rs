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

/// An answer that is good for as long as GitHub says that nothing has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<T> {
    pub value: T,
    etag: Option<String>,
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

    /// The answer, or the one that is kept where nothing has changed.
    pub(super) fn or_kept(self, kept: Option<Kept<T>>, operation: &'static str) -> Result<Kept<T>, Error> {
        match self {
            Self::Fresh { value, etag } => Ok(Kept { value, etag }),
            Self::NotModified => kept.ok_or(Error::Server { operation, status: 304 }),
        }
    }
}

impl<T> Kept<T> {
    pub(super) fn etag_of(kept: Option<&Self>) -> Option<String> {
        kept.and_then(|kept| kept.etag.clone())
    }
}

impl Client {
    /// Asks again only for what has changed since it was kept.
    pub(super) async fn read_again<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        kept: Option<Kept<T>>,
    ) -> Result<Kept<T>, Error> {
        let (etag, operation) = (Kept::etag_of(kept.as_ref()), call.operation);
        let call = Call {
            etag: etag.as_deref(),
            ..call
        };
        self.read_if_changed(call).await?.or_kept(kept, operation)
    }

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
