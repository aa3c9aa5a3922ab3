//! The network to those who are told of the ends of tasks: any host that a policy allows, and no other. A redirect is an
//! answer like any other, and nothing of an answer's body is read.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::uri::Scheme;
use http::{Request, Response};
use reqwest::redirect::Policy;

use crate::github::{Transport, TransportError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends by way of reqwest and rustls. Trusts the system's certificates and goes through the proxy that `HTTPS_PROXY` and
/// `NO_PROXY` name; what is on the loopback needs neither.
#[derive(Debug)]
pub struct Receivers {
    far: reqwest::Client,
    loopback: reqwest::Client,
}

impl Receivers {
    /// Fails when the system has no usable certificates.
    pub fn new() -> Result<Self, TransportError> {
        let builder = || {
            reqwest::Client::builder()
                .http1_only()
                .retry(reqwest::retry::never())
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_max_idle_per_host(0)
        };
        Ok(Self {
            far: builder().https_only(true).build().map_err(unsent)?,
            loopback: builder().no_proxy().build().map_err(unsent)?,
        })
    }
}

impl Transport for Receivers {
    fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let is_far = request.uri().scheme() == Some(&Scheme::HTTPS);
        let client = if is_far { &self.far } else { &self.loopback };
        Box::pin(exchange(client, request, timeout))
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: Request<Bytes>,
    timeout: Duration,
) -> Result<Response<Bytes>, TransportError> {
    let mut request = reqwest::Request::try_from(request).map_err(unsent)?;
    *request.timeout_mut() = Some(timeout);
    let answer = client.execute(request).await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            unsent(error)
        } else {
            TransportError::Lost(error.without_url().to_string())
        }
    })?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    response.headers_mut().clone_from(answer.headers());
    Ok(response)
}

fn unsent(error: reqwest::Error) -> TransportError {
    TransportError::NeverSent(error.without_url().to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A receiver of one POST that says this and then does not close the connection. Gives its address and what it was sent.
    fn receiver(says: &'static str) -> (String, std::thread::JoinHandle<(String, TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x?y=1", listener.local_addr().unwrap());
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"body") {
                let mut bytes = [0; 1024];
                let read = stream.read(&mut bytes).unwrap();
                assert_ne!(read, 0, "the connection was closed");
                heard.extend_from_slice(&bytes[..read]);
            }
            stream.write_all(says.as_bytes()).unwrap();
            (String::from_utf8(heard).unwrap(), stream)
        });
        (url, heard)
    }

    async fn post(url: &str, timeout: Duration) -> Result<u16, TransportError> {
        let request = Request::post(url).body(Bytes::from_static(b"body")).unwrap();
        let answer = Receivers::new().unwrap().send(request, timeout).await?;
        assert!(answer.body().is_empty());
        Ok(answer.status().as_u16())
    }

    #[tokio::test]
    async fn an_answer_s_body_is_not_waited_for_and_a_redirect_is_not_followed() {
        let table = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", 200),
            (
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
                307,
            ),
        ];
        for (says, code) in table {
            let (url, heard) = receiver(says);
            assert_eq!(post(&url, Duration::from_secs(60)).await, Ok(code));
            let (heard, _stream) = heard.join().unwrap();
            assert!(heard.starts_with("POST /x?y=1 HTTP/1.1\r\n"), "{heard}");
        }
    }

    #[tokio::test]
    async fn silence_ends() {
        let (url, _heard) = receiver("");
        let ended = post(&url, Duration::from_millis(300)).await;
        assert!(matches!(ended, Err(TransportError::Lost(_))), "{ended:?}");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ended = post(&format!("http://{nobody}/"), Duration::from_secs(60)).await;
        assert!(matches!(ended, Err(TransportError::NeverSent(_))), "{ended:?}");
    }
}
