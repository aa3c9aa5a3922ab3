//! A transport that plays back answers and keeps the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_automation::domain::repository::Repository;
use agent_automation::github::{BaseUrl, Client, Token, Transport, TransportError};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};

pub type Answer = Result<Response<Bytes>, TransportError>;

#[derive(Default)]
pub struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<(Request<Bytes>, Duration)>>,
}

impl Scripted {
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            requests: Mutex::default(),
        })
    }

    pub fn answering(answers: impl IntoIterator<Item = Response<Bytes>>) -> Arc<Self> {
        Self::new(answers.into_iter().map(Ok))
    }

    pub fn client(self: &Arc<Self>) -> Client {
        Client::new(self.clone(), BaseUrl::default())
    }

    /// All requests so far, with their time-outs.
    pub fn requests(&self) -> Vec<(Request<Bytes>, Duration)> {
        self.requests.lock().unwrap().clone()
    }

    /// The paths and queries of all requests so far.
    pub fn targets(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|(request, _)| request.uri().path_and_query().unwrap().to_string())
            .collect()
    }
}

impl Transport for Scripted {
    fn send(&self, request: Request<Bytes>, timeout: Duration) -> BoxFuture<'_, Answer> {
        self.requests.lock().unwrap().push((request, timeout));
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { answer.unwrap_or_else(|| panic!("an unexpected request")) })
    }
}

pub fn token() -> Token {
    Token::parse("ghp_secret").unwrap()
}

pub fn repo() -> Repository {
    Repository::parse("acme/api").unwrap()
}

pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let builder = Response::builder().status(status);
    let builder = headers
        .iter()
        .fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(Bytes::from(body.to_owned())).unwrap()
}
