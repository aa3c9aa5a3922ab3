//! The secrets that deliveries are signed with, read by name. A read is good for half a minute. A signature that does not
//! fit may have been made with a newer secret, so then it is read again, but no more than once in a few seconds: who signs
//! wrongly can't have us ask the API server as often as they like.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::api::webhook_source::WebhookSecretRef;

use super::signature::SigningKey;

/// How long a read is good for.
pub const FRESH: Duration = Duration::from_secs(30);
/// Between two reads because something did not fit, and between two tries where none was answered.
pub const APART: Duration = Duration::from_secs(3);

/// The API server did not say what the Secret holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Secret can't be read")]
pub struct Unreadable;

/// Keys by namespace and reference, as they were read last.
pub struct Secrets {
    client: Client,
    known: Mutex<BTreeMap<Reference, Arc<tokio::sync::Mutex<Known>>>>,
}

/// A namespace, and a key of a Secret in it.
type Reference = (String, WebhookSecretRef);

#[derive(Default)]
struct Known {
    read_at: Option<Instant>,
    tried_at: Option<Instant>,
    reread_at: Option<Instant>,
    /// `None` when there is no such key, or nothing in it.
    key: Option<SigningKey>,
}

impl Known {
    fn is_due(&self, again: bool) -> bool {
        let older = |time: Option<Instant>, age: Duration| time.is_none_or(|time| time.elapsed() >= age);
        if again {
            older(self.reread_at, APART)
        } else {
            older(self.read_at, FRESH) && older(self.tried_at, APART)
        }
    }
}

impl Secrets {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// The key that a reference leads to, `again` when what was read did not fit. What was read before stands while the API
    /// server does not answer.
    pub async fn key(
        &self,
        namespace: &str,
        reference: &WebhookSecretRef,
        again: bool,
    ) -> Result<Option<SigningKey>, Unreadable> {
        let entry = self.entry(namespace, reference);
        // Who comes meanwhile waits for this read, and makes none.
        let mut known = entry.lock().await;
        if known.is_due(again) {
            let now = Instant::now();
            known.tried_at = Some(now);
            known.reread_at = if again { Some(now) } else { known.reread_at };
            if let Ok(key) = self.read(namespace, reference).await {
                known.key = key;
                known.read_at = Some(Instant::now());
            }
        }
        known.read_at.map(|_| known.key.clone()).ok_or(Unreadable)
    }

    fn entry(&self, namespace: &str, reference: &WebhookSecretRef) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry((namespace.to_owned(), reference.clone()))
            .or_default()
            .clone()
    }

    async fn read(&self, namespace: &str, reference: &WebhookSecretRef) -> Result<Option<SigningKey>, Unreadable> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let told = |problem: &str| {
            let (secret, key) = (&reference.name, &reference.key);
            tracing::warn!(
                namespace,
                secret,
                key,
                problem,
                "a secret of webhooks can't be used; deliveries signed with it are refused"
            );
        };
        let secret = match api.get_opt(&reference.name).await {
            Ok(secret) => secret,
            Err(kube::Error::Api(status)) if status.code == 403 => {
                told("the API server forbids to read it");
                return Ok(None);
            }
            Err(_) => {
                told("the API server gave no answer");
                return Err(Unreadable);
            }
        };
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let key = data.get(&reference.key).and_then(|value| SigningKey::parse(&value.0));
        if key.is_none() {
            told("it is not there, or has no such key, or nothing in it");
        }
        Ok(key)
    }
}
