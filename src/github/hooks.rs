//! Webhooks of a repository and what became of their deliveries.
//!
//! GitHub delivers once and never again by itself. It keeps deliveries for some days and repeats one on request, under
//! the same GUID.

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;

use super::client::{Call, Client};
use super::conditional::Conditional;
use super::error::Error;
use super::lenient::{lenient, lenient_list};
use super::list::List;
use super::token::Token;
use crate::domain::repository::Repository;

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hook {
    pub id: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub active: Option<bool>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub events: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub config: Option<HookConfig>,
}

/// Where a webhook delivers to. Its secret is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookConfig {
    #[serde(default, deserialize_with = "lenient")]
    pub url: Option<String>,
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Delivery {
    /// Of the attempt.
    pub id: u64,
    /// Of what is delivered, the same in each attempt.
    #[serde(default, deserialize_with = "lenient")]
    pub guid: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub delivered_at: Option<Timestamp>,
    /// The receiver's; 0 and 5xx also without an answer.
    #[serde(default, deserialize_with = "lenient")]
    pub status_code: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    pub event: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub action: Option<String>,
}

impl Delivery {
    /// Whether the receiver said that it has it.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.status_code.is_some_and(|status| (200..300).contains(&status))
    }
}

impl Client {
    /// The webhooks of a repository.
    pub async fn list_hooks(
        &self,
        token: &Token,
        repo: &Repository,
        etag: Option<&str>,
    ) -> Result<Conditional<List<Hook>>, Error> {
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "hooks"])?
            .with("per_page", "100");
        let call = Call {
            etag,
            ..Call::new("list_hooks", token, url)
        };
        self.growing_list(call).await
    }

    /// Attempts to deliver, the newest first, back to the attempt `known`, on whose page it ends.
    pub async fn list_deliveries(
        &self,
        token: &Token,
        repo: &Repository,
        hook: u64,
        known: Option<u64>,
        etag: Option<&str>,
    ) -> Result<Conditional<List<Delivery>>, Error> {
        let hook = hook.to_string();
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "hooks", &hook, "deliveries"])?
            .with("per_page", "100");
        let call = Call {
            etag,
            ..Call::new("list_deliveries", token, url)
        };
        self.newest(call, |delivery: &Delivery| {
            known.is_some_and(|known| delivery.id <= known)
        })
        .await
    }

    /// Further attempts, from where a list of them went on back to the attempt `known`.
    pub async fn list_more_deliveries(
        &self,
        token: &Token,
        rest: &str,
        known: Option<u64>,
    ) -> Result<List<Delivery>, Error> {
        let call = Call::at("list_deliveries", token, rest.to_owned());
        let answer = self.newest(call, |delivery: &Delivery| {
            known.is_some_and(|known| delivery.id <= known)
        });
        match answer.await? {
            Conditional::Fresh { value, .. } => Ok(value),
            Conditional::NotModified => Ok(List::default()),
        }
    }

    /// Asks for another attempt at a delivery.
    pub async fn redeliver(&self, token: &Token, repo: &Repository, hook: u64, delivery: u64) -> Result<(), Error> {
        let (hook, delivery) = (hook.to_string(), delivery.to_string());
        let url = [
            "repos",
            repo.owner(),
            repo.name(),
            "hooks",
            &hook,
            "deliveries",
            &delivery,
            "attempts",
        ];
        let sent = self.send("redeliver", token, &url, Method::POST, Bytes::new());
        sent.await.map(drop)
    }
}
