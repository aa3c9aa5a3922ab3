//! The transport against a bare socket that counts what it is sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent_automation::github::{BaseUrl, Client, HttpTransport, StartOutcome, StartRequest, Transport, TransportError};
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::scripted::{repo, token};

const LONG: Duration = Duration::from_secs(20);

/// What the server does once it has read a whole request.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Answers and keeps the connection.
    Answer(&'static str),
    /// Answers without a word about it and closes the connection.
    AnswerAndClose(&'static str),
    /// Answers, lets the connection idle for some milliseconds, then closes it.
    AnswerIdleAndClose(&'static str, u64),
    Close,
    Reset,
    /// Writes this much and nothing more.
    Hang(&'static str),
    /// Writes a body without end.
    Flood,
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections: Arc<AtomicUsize> = Arc::default();
        let requests: Arc<AtomicUsize> = Arc::default();
        let counts = (connections.clone(), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.0.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, then, counts.1.clone()));
            }
        });
        Self {
            address,
            connections,
            requests,
        }
    }

    fn base(&self) -> BaseUrl {
        BaseUrl::parse(&format!("http://{}", self.address)).unwrap()
    }

    fn transport(&self) -> HttpTransport {
        HttpTransport::new(&self.base()).unwrap()
    }

    fn client(&self) -> Client {
        Client::new(Arc::new(self.transport()), self.base())
    }

    fn request(&self, method: &str) -> Request<Bytes> {
        let body = Bytes::from(if method == "POST" { "{}" } else { "" });
        let uri = format!("{}/x", self.base());
        Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", "Bearer t")
            .body(body)
            .unwrap()
    }

    /// Connections and requests so far.
    fn counts(&self) -> (usize, usize) {
        (
            self.connections.load(Ordering::SeqCst),
            self.requests.load(Ordering::SeqCst),
        )
    }
}

async fn serve(mut stream: TcpStream, then: Then, requests: Arc<AtomicUsize>) {
    while read_request(&mut stream).await {
        requests.fetch_add(1, Ordering::SeqCst);
        match then {
            Then::Answer(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Then::AnswerAndClose(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                return;
            }
            Then::AnswerIdleAndClose(text, milliseconds) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                return;
            }
            Then::Close => return,
            Then::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Then::Hang(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            }
            Then::Flood => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(&[b' '; 8192]).await.is_ok() {}
                return;
            }
        }
    }
}

/// Reads up to the end of one request; `false` when the connection ends before.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return false;
        }
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return true;
            }
        }
    }
}

fn category(result: &Result<http::Response<Bytes>, TransportError>) -> String {
    match result {
        Ok(answer) => format!(
            "{} {}",
            answer.status().as_u16(),
            String::from_utf8_lossy(answer.body())
        ),
        Err(error) => error.category().to_owned(),
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn each_end_of_an_exchange_is_told_apart_and_nothing_is_sent_twice() {
    let table = [
        (Then::Answer(OK), "200 ok"),
        (Then::AnswerAndClose(OK), "200 ok"),
        (
            Then::Answer("HTTP/1.1 301 x\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n"),
            "301 ",
        ),
        (
            Then::Answer("HTTP/1.1 307 x\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n"),
            "307 ",
        ),
        (
            Then::Answer("HTTP/1.1 408 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
            "408 ",
        ),
        (
            Then::Answer("HTTP/1.1 503 x\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"),
            "503 ",
        ),
        (
            Then::AnswerAndClose("HTTP/1.1 201 x\r\ncontent-length: 9\r\n\r\n{\"id\":"),
            "lost",
        ),
        (
            Then::AnswerAndClose("HTTP/1.1 201 x\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"i\r\n"),
            "lost",
        ),
        (Then::AnswerAndClose("HTTP/1.1 20"), "lost"),
        (Then::AnswerAndClose("SSH-2.0-OpenSSH_9.9\r\n"), "lost"),
        (Then::Close, "lost"),
        (Then::Reset, "lost"),
        (Then::Flood, "lost"),
    ];
    for (then, expected) in table {
        for method in ["GET", "POST"] {
            let server = Server::start(then).await;
            let result = server.transport().send(server.request(method), LONG).await;
            assert_eq!(category(&result), expected, "{method} {then:?} {result:?}");
            assert_eq!(server.counts(), (1, 1), "{method} {then:?}");
        }
    }
}

#[tokio::test]
async fn the_time_out_covers_head_and_body() {
    for then in [
        Then::Hang(""),
        Then::Hang("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
    ] {
        for method in ["GET", "POST"] {
            let server = Server::start(then).await;
            let transport = server.transport();
            let exchange = transport.send(server.request(method), Duration::from_millis(100));
            let result = tokio::time::timeout(LONG, exchange).await.unwrap();
            assert_eq!(category(&result), "lost", "{method} {then:?}");
            assert_eq!(server.counts(), (1, 1), "{method} {then:?}");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_sent_nothing() {
    let server = Server::start(Then::Answer(OK)).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let table = [
        (
            format!("http://{closed}"),
            format!("http://{closed}/x"),
            "connection refused",
        ),
        // No name may have a part of 64 letters, so no resolver is asked.
        (
            "http://127.0.0.1".to_owned(),
            format!("http://{}.example/x", "x".repeat(64)),
            "dns error",
        ),
        // A transport for https is asked to send in the clear.
        (
            "https://acme.example".to_owned(),
            format!("{}/x", server.base()),
            "scheme",
        ),
    ];
    for (base, uri, words) in table {
        let transport = HttpTransport::new(&BaseUrl::parse(&base).unwrap()).unwrap();
        let request = Request::post(&uri).body(Bytes::from("{}")).unwrap();
        let error = transport.send(request, LONG).await.unwrap_err();
        assert_eq!(error.category(), "never_sent", "{uri}: {error}");
        assert!(error.reason().to_lowercase().contains(words), "{uri}: {error}");
    }
    assert_eq!(server.counts(), (0, 0));
}

#[tokio::test]
async fn a_host_that_does_not_speak_tls_is_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let transport = HttpTransport::new(&BaseUrl::parse(&base).unwrap()).unwrap();
    let request = Request::post(format!("{base}/x")).body(Bytes::from("{}")).unwrap();
    let error = transport.send(request, LONG).await.unwrap_err();
    assert_eq!(error.category(), "never_sent", "{error}");
}

/// A host that takes the connection and never speaks TLS is given up before the exchange's own time-out, which would
/// leave the outcome unknown.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_is_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let transport = HttpTransport::new(&BaseUrl::parse(&base).unwrap()).unwrap();
    let request = Request::post(format!("{base}/x")).body(Bytes::from("{}")).unwrap();
    let error = transport.send(request, Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(error.category(), "never_sent", "{error}");
}

/// A POST on a connection that the server has just closed would be of unknown outcome, or sent again by a lower layer.
#[tokio::test]
async fn a_post_never_takes_a_used_connection() {
    let server = Server::start(Then::Answer(OK)).await;
    let transport = server.transport();
    for (method, expected) in [
        ("GET", (1, 1)),
        ("GET", (1, 2)),
        ("POST", (2, 3)),
        ("POST", (3, 4)),
        ("GET", (3, 5)),
    ] {
        let result = transport.send(server.request(method), LONG).await;
        assert_eq!(category(&result), "200 ok");
        assert_eq!(server.counts(), expected, "{method}");
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_request_and_sends_none_twice() {
    for idle in [0, 1, 2] {
        let server = Server::start(Then::AnswerIdleAndClose(OK, idle)).await;
        let transport = server.transport();
        let mut answered = 0;
        for round in 0..50 {
            let method = if round % 2 == 0 { "GET" } else { "POST" };
            let before = server.counts().1;
            let result = transport.send(server.request(method), LONG).await;
            let seen = server.counts().1 - before;
            match result {
                Ok(_) => {
                    assert_eq!(seen, 1, "{method}");
                    answered += 1;
                }
                // Only a GET may run into a connection that closes under it.
                Err(error) => assert!(method == "GET" && seen <= 1, "{method} {seen} {error}"),
            }
            tokio::time::sleep(Duration::from_millis(round % 3)).await;
        }
        assert!(answered >= 25, "{answered}");
    }
}

#[tokio::test]
async fn a_start_over_the_socket() {
    let request = StartRequest {
        prompt: "Fix it",
        model: None,
        custom_agent: None,
        create_pull_request: true,
        base_ref: None,
        head_ref: None,
    };
    let repo = &repo();
    let table = [
        (
            Then::Answer("HTTP/1.1 201 x\r\ncontent-length: 12\r\n\r\n{\"id\":\"t-1\"}"),
            "created",
        ),
        (
            Then::AnswerAndClose("HTTP/1.1 201 x\r\ncontent-length: 99\r\n\r\n{\"id\":\"t-1\"}"),
            "unknown",
        ),
        (Then::Answer("HTTP/1.1 502 x\r\ncontent-length: 0\r\n\r\n"), "unknown"),
        (Then::Hang(""), "unknown"),
        (Then::Reset, "unknown"),
        (Then::Answer("HTTP/1.1 404 x\r\ncontent-length: 2\r\n\r\n{}"), "refused"),
        (
            Then::Answer("HTTP/1.1 301 x\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"),
            "refused",
        ),
    ];
    for (then, expected) in table {
        let server = Server::start(then).await;
        let timeout = if matches!(then, Then::Hang(_)) {
            Duration::from_millis(100)
        } else {
            LONG
        };
        let found = match server.client().start_task(&token(), repo, request, timeout).await {
            StartOutcome::Created(_) => "created",
            StartOutcome::Refused(_) => "refused",
            StartOutcome::NeverSent { .. } => "never sent",
            StartOutcome::Unknown { .. } => "unknown",
        };
        assert_eq!(found, expected, "{then:?}");
        assert_eq!(server.counts(), (1, 1), "{then:?}");
    }
}
