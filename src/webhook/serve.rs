//! Connections: how many there may be, how long one may take to say what it wants, and how they end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::controller::{Shutdown, stopped};

use super::{Handler, Receiver};

/// Connections at once; further ones wait to be accepted.
const CONNECTIONS: usize = 512;
/// For a TLS handshake, for a request's headers, and for the next request of a connection.
const SILENCE: Duration = Duration::from_secs(5);
/// The most bytes of headers.
const HEADERS: usize = 32 << 10;
/// Out of file descriptors: some connection has to end first.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves until the process is asked to stop, and then ends the requests that are under way.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    receiver: Arc<Receiver<H>>,
    mut shutdown: Shutdown,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut shutdown) => break,
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, tls.clone(), receiver.clone(), shutdown.clone()));
                }
                Err(_) => sleep(EXHAUSTED).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let ending = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(receiver.limits.whole, ending).await;
}

async fn connection<H: Handler>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    receiver: Arc<Receiver<H>>,
    shutdown: Shutdown,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => requests(stream, receiver, shutdown).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(SILENCE, tls.accept(stream)).await {
                requests(stream, receiver, shutdown).await;
            }
        }
    }
}

async fn requests<S, H>(stream: S, receiver: Arc<Receiver<H>>, mut shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let service = service_fn(|request| {
        let receiver = receiver.clone();
        async move { Ok::<_, Infallible>(receiver.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // An error is a connection that its other end closed, or that was silent for too long.
    tokio::select! {
        _ = &mut connection => return,
        () = stopped(&mut shutdown) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
