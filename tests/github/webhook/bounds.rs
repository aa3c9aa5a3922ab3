//! What a request may take: bytes, time, and room.

use std::time::Duration;

use agent_automation::webhook::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Call, answer, exchange, payload, recorded, until};

const SHORT: Duration = Duration::from_millis(150);

/// A payload of so many bytes.
fn event(length: usize) -> Call {
    let text = payload().to_string();
    Call::new("issues", text.clone() + &" ".repeat(length - text.len()))
}

#[tokio::test]
async fn the_size_of_a_body() {
    let limits = Limits {
        body: 100_000,
        ..Limits::default()
    };
    let (stage, recorder) = recorded(limits).await;
    assert_eq!(stage.send(&event(100_000)).await.status, 202);
    let reply = stage.send(&event(100_001)).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (413, "{\"error\":\"the body has more than 100000 bytes\"}\n")
    );
    assert_eq!(stage.send(&event(20 << 20)).await.status, 413);

    // It says so beforehand, and is not waited for.
    let head = format!("{}Content-Length: 999999999999\r\n\r\n", event(100).head());
    assert_eq!(exchange(stage.address, head.as_bytes()).await.status, 413);

    for (length, status) in [(100_000, 202), (100_001, 413), (5 << 20, 413)] {
        let call = event(length);
        let mut bytes = format!("{}Transfer-Encoding: chunked\r\n\r\n", call.head()).into_bytes();
        for chunk in call.body.chunks(10_000) {
            bytes.extend(
                format!("{:x}\r\n", chunk.len())
                    .bytes()
                    .chain(chunk.iter().copied())
                    .chain(*b"\r\n"),
            );
        }
        bytes.extend(b"0\r\n\r\n");
        assert_eq!(
            exchange(stage.address, &bytes).await.status,
            status,
            "{length} bytes in chunks"
        );
    }
    assert_eq!(recorder.heard(), 2);
}

#[tokio::test]
async fn the_time_of_a_body() {
    let limits = Limits {
        reading: SHORT,
        ..Limits::default()
    };
    let (stage, recorder) = recorded(limits).await;
    let head = format!("{}Content-Length: 40\r\n\r\n{{\"action\"", event(100).head());
    let reply = exchange(stage.address, head.as_bytes()).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (408, "{\"error\":\"the body took too long\"}\n")
    );

    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(answer(&mut stream).await.status, 400);
    assert_eq!(recorder.heard(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_headers() {
    let (stage, _) = recorded(Limits::default()).await;
    for said in ["", "POST /webhooks/github/payments/acme HTTP/1.1\r\nHost: "] {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard).await;
        assert_eq!(
            closed.unwrap(),
            0,
            "after {said:?}: {}",
            String::from_utf8_lossy(&heard)
        );
    }
}

/// GitHub waits for ten seconds and then counts a delivery as failed: it is told that it was.
#[tokio::test]
async fn the_time_of_the_whole() {
    let limits = Limits {
        whole: SHORT,
        ..Limits::default()
    };
    let (stage, recorder) = recorded(limits).await;
    recorder.may_answer.send_replace(false);
    let reply = stage.send(&event(100)).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, "{\"error\":\"it took too long\"}\n")
    );
    assert_eq!(reply.headers["retry-after"], "5");
    assert_eq!(recorder.heard(), 1);
}

#[tokio::test]
async fn how_many_at_once() {
    let limits = Limits {
        concurrent: 2,
        ..Limits::default()
    };
    let (stage, recorder) = recorded(limits).await;
    recorder.may_answer.send_replace(false);
    let address = stage.address;
    let waiting = [0, 1].map(|_| tokio::spawn(async move { event(100).send(address).await }));
    until(|| recorder.heard() == 2).await;

    let reply = stage.send(&event(100)).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, "{\"error\":\"too many requests at once\"}\n")
    );
    assert_eq!(reply.headers["retry-after"], "5");

    recorder.may_answer.send_replace(true);
    for call in waiting {
        assert_eq!(call.await.unwrap().status, 202);
    }
    assert_eq!(stage.send(&event(100)).await.status, 202);
    assert_eq!(recorder.heard(), 3);
}

/// Bodies that come slowly, or never, from whom nobody knows.
#[tokio::test]
async fn who_sends_slowly_keeps_nobody_out() {
    let limits = Limits {
        concurrent: 2,
        ..Limits::default()
    };
    let (stage, recorder) = recorded(limits).await;
    let head = format!("{}Content-Length: 40\r\n\r\n{{\"action\"", event(100).head());
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(stage.send(&event(100)).await.status, 202);
    assert_eq!(recorder.heard(), 1);
}

#[tokio::test]
async fn what_is_under_way_is_ended_before_it_stops() {
    let (mut stage, recorder) = recorded(Limits::default()).await;
    recorder.may_answer.send_replace(false);
    let address = stage.address;
    let waiting = tokio::spawn(async move { event(100).without("Connection").send(address).await });
    until(|| recorder.heard() == 1).await;

    stage.stop.send_replace(true);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    recorder.may_answer.send_replace(true);
    assert_eq!(waiting.await.unwrap().status, 202);
    stage.tasks.pop().unwrap().await.unwrap();
}
