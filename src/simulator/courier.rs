//! Webhooks over HTTP, each sent once.

use std::time::Duration;

use reqwest::redirect::Policy;

use super::{
    Simulator,
    hook::{Outgoing, Sink},
};

/// GitHub waits this long for an answer.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Sends webhooks over HTTP, within a tokio runtime.
pub struct HttpSink {
    client: reqwest::Client,
}

impl HttpSink {
    pub fn new() -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .timeout(TIME_OUT)
            .build()?;
        Ok(Self { client })
    }
}

impl Sink for HttpSink {
    fn send(&self, simulator: &Simulator, outgoing: Outgoing) {
        let (client, simulator) = (self.client.clone(), simulator.clone());
        tokio::spawn(async move {
            tokio::time::sleep(outgoing.delay).await;
            let status = deliver(&client, outgoing.request).await;
            simulator.delivered(outgoing.id, status);
        });
    }
}

async fn deliver(client: &reqwest::Client, request: http::Request<axum::body::Bytes>) -> Option<u16> {
    let request = request.try_into().ok()?;
    let answer = client.execute(request).await.ok()?;
    Some(answer.status().as_u16())
}
