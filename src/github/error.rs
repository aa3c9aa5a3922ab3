//! What can go wrong with a read.

use super::refusal::Refusal;
use super::transport::TransportError;

/// A read that gave no value. None of these holds a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request or its answer got lost.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// GitHub declined.
    #[error("GitHub refused {operation}: {refusal}")]
    Refused { operation: &'static str, refusal: Refusal },
    /// A server error, or a status that GitHub does not document.
    #[error("GitHub answered {operation} with status {status}: try again later")]
    Server { operation: &'static str, status: u16 },
    /// A success whose body is not what GitHub documents.
    #[error("the answer to {operation} cannot be read: {reason}; try again, then report it")]
    Undecodable { operation: &'static str, reason: String },
    /// A value that cannot stand in a URL's path.
    #[error("{segment:?} cannot be part of an address: correct the name or id")]
    Address { segment: String },
}

impl Error {
    /// A name from a short list, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Transport(error) => error.category(),
            Self::Refused { refusal, .. } => refusal.kind.category(),
            Self::Server { .. } => "server",
            Self::Undecodable { .. } => "undecodable",
            Self::Address { .. } => "address",
        }
    }

    /// The refusal, if that is what it is.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            Self::Transport(_) | Self::Server { .. } | Self::Undecodable { .. } | Self::Address { .. } => None,
        }
    }
}
