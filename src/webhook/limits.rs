//! What a request may take before anybody knows who sent it: bytes, time, and how many there are at once.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::timeout;

/// GitHub cuts its payloads off at 25 MB.
pub const LARGEST_BODY: usize = 25 << 20;
/// A sender that is told to stop has this long to hear of it.
const HEARING: Duration = Duration::from_secs(1);

/// The bounds of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a body.
    pub body: usize,
    /// Requests at once.
    pub concurrent: usize,
    /// How long a body may take.
    pub reading: Duration,
    /// How long the whole may take. GitHub waits for ten seconds.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            concurrent: 64,
            reading: Duration::from_secs(5),
            whole: Duration::from_secs(8),
        }
    }
}

/// Why a body can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    TooSlow,
    /// The connection ended in the middle of it.
    CutShort,
}

/// Reads a whole body. One that says beforehand that it is too large is not read.
pub async fn read<B>(body: &mut B, limits: &Limits) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limits.body as u64 {
        return Err(Unread::TooLarge);
    }
    let whole = timeout(limits.reading, collect(body, limits.body)).await;
    whole.unwrap_or(Err(Unread::TooSlow))
}

/// Lets what is left of a body pass by for a while: who is still sending does not hear the answer.
pub async fn let_pass<B>(body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let passing = async {
        let mut passed = 0;
        while let Some(Ok(frame)) = body.frame().await {
            passed += frame.data_ref().map_or(0, Bytes::len);
            if passed > LARGEST_BODY {
                break;
            }
        }
    };
    let _ = timeout(HEARING, passing).await;
}

async fn collect<B>(body: &mut B, largest: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::CutShort)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if whole.len() + data.len() > largest {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(data);
    }
    Ok(whole.into())
}
