//! What a request may take before anybody knows who sent it: bytes, time, and room among others.
//!
//! Who sends slowly takes as much room as was sent, and none of what events are handled in.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
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
    /// Events that are handled at once, once their signatures have been checked. Bodies at once take together no more than
    /// so many of the largest: 64 MiB by default.
    pub concurrent: usize,
    /// How long a body may take.
    pub reading: Duration,
    /// How long the whole may take. GitHub waits for ten seconds.
    pub whole: Duration,
}

/// A body, and the room that it takes.
#[derive(Debug)]
pub struct Held<'a> {
    pub bytes: Bytes,
    _room: SemaphorePermit<'a>,
}

impl Limits {
    /// Room for bodies, in bytes.
    #[must_use]
    pub fn room(&self) -> Semaphore {
        let bytes = self.concurrent.saturating_mul(self.body);
        Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))
    }
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
    /// Others take all the room.
    NoRoom,
}

/// Reads a whole body. One that says beforehand that it is too large is not read.
pub async fn read<'a, B>(body: &mut B, limits: &Limits, room: &'a Semaphore) -> Result<Held<'a>, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limits.body as u64 {
        return Err(Unread::TooLarge);
    }
    let whole = timeout(limits.reading, collect(body, limits.body, room)).await;
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

async fn collect<'a, B>(body: &mut B, largest: usize, room: &'a Semaphore) -> Result<Held<'a>, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut whole, mut taken) = (Vec::new(), take(room, 0)?);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::CutShort)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if whole.len() + data.len() > largest {
            return Err(Unread::TooLarge);
        }
        taken.merge(take(room, data.len())?);
        whole.extend_from_slice(data);
    }
    Ok(Held {
        bytes: whole.into(),
        _room: taken,
    })
}

fn take(room: &Semaphore, bytes: usize) -> Result<SemaphorePermit<'_>, Unread> {
    let bytes = u32::try_from(bytes).map_err(|_| Unread::TooLarge)?;
    room.try_acquire_many(bytes).map_err(|_| Unread::NoRoom)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn bodies_take_room_as_long_as_they_are_held() {
        let limits = Limits {
            body: 50,
            concurrent: 2,
            ..Limits::default()
        };
        let room = limits.room();
        let body = |bytes: usize| Full::new(Bytes::from(vec![b' '; bytes]));
        let first = read(&mut body(50), &limits, &room).await.unwrap();
        let second = read(&mut body(30), &limits, &room).await.unwrap();
        assert_eq!((first.bytes.len(), second.bytes.len()), (50, 30));
        assert_eq!(read(&mut body(51), &limits, &room).await.unwrap_err(), Unread::TooLarge);
        assert_eq!(read(&mut body(21), &limits, &room).await.unwrap_err(), Unread::NoRoom);
        assert_eq!(read(&mut body(20), &limits, &room).await.unwrap().bytes.len(), 20);
        drop(first);
        assert_eq!(read(&mut body(50), &limits, &room).await.unwrap().bytes.len(), 50);
        drop(second);
        assert_eq!(room.available_permits(), 100);
    }
}
