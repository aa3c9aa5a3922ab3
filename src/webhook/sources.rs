//! The sources that there are, from a watch, and who may sign for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::utils::StreamBackoff;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::time::Instant;

use crate::api::WebhookSource;
use crate::api::webhook_source::WebhookSecretRef;
use crate::controller::watching::Doubling;
use crate::domain::pattern::{Case, Pattern};
use crate::domain::repository::Repository;
use crate::plan::ObjectKey;

use super::freshness::Freshness;
use super::secrets::{Secrets, Unreadable};
use super::signature::{Signature, SigningKey};

/// All sources, by namespace and name.
pub struct Sources {
    client: Client,
    secrets: Secrets,
    nobody: SigningKey,
    known: RwLock<BTreeMap<ObjectKey, Arc<Source>>>,
    is_listed: AtomicBool,
    freshness: Mutex<Freshness>,
}

/// What counts of a source.
#[derive(Debug)]
pub struct Source {
    repositories: Vec<Pattern>,
    secret_refs: Vec<WebhookSecretRef>,
}

impl Source {
    /// Whether events of this repository are taken.
    #[must_use]
    pub fn takes(&self, repository: &Repository) -> bool {
        self.repositories
            .iter()
            .any(|pattern| pattern.matches(repository.as_str()))
    }

    fn of(object: &WebhookSource) -> Self {
        let patterns = object.spec.repositories.iter();
        Self {
            repositories: patterns
                .filter_map(|pattern| Pattern::parse(pattern, Case::Insensitive).ok())
                .collect(),
            secret_refs: object.spec.secret_refs.clone(),
        }
    }
}

impl Sources {
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(client: Client) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            secrets: Secrets::new(client.clone()),
            nobody: SigningKey::of_nobody()?,
            client,
            known: RwLock::default(),
            is_listed: AtomicBool::new(false),
            freshness: Mutex::default(),
        })
    }

    /// Whether all sources are known, as they are now or were a little while ago.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.is_listed.load(Ordering::Acquire) && !self.freshness().is_stale(Instant::now())
    }

    /// Follows what the API server says of them. It never ends.
    pub async fn follow(&self) {
        let api: Api<DeserializeGuard<WebhookSource>> = Api::all(self.client.clone());
        let watch = watcher::watcher(api, watcher::Config::default());
        let mut news = StreamBackoff::new(watch, Doubling::default()).boxed();
        let mut listing = BTreeMap::new();
        while let Some(event) = news.next().await {
            match event {
                Ok(Event::Init) => listing = BTreeMap::new(),
                Ok(Event::InitApply(object)) => {
                    let key = ObjectKey::of(&object);
                    listing.extend(decoded(&key, object).map(|source| (key, source)));
                }
                Ok(Event::InitDone) => {
                    self.change(|known| *known = std::mem::take(&mut listing));
                    self.freshness().listed();
                    self.is_listed.store(true, Ordering::Release);
                }
                Ok(Event::Apply(object)) => {
                    let key = ObjectKey::of(&object);
                    match decoded(&key, object) {
                        Some(source) => self.change(|known| drop(known.insert(key, source))),
                        None => self.change(|known| drop(known.remove(&key))),
                    }
                }
                Ok(Event::Delete(object)) => self.change(|known| drop(known.remove(&ObjectKey::of(&object)))),
                Err(error) => {
                    tracing::warn!(kind = "WebhookSource", %error, "a watch failed; it is tried again");
                    self.freshness().failed(Instant::now());
                }
            }
        }
    }

    /// The source, if there is one and one of its secrets made the signature. Work is done for one that is not there, too,
    /// so that little is learned of which there are. While a secret can't be read that can't be hidden: who signed rightly
    /// has to hear that it is no fault of the signature.
    pub async fn signed(
        &self,
        key: &ObjectKey,
        signature: &Signature,
        body: &[u8],
    ) -> Result<Option<Arc<Source>>, Unreadable> {
        let Some(source) = self.find(key) else {
            let _ = self.nobody.made(signature, body);
            return Ok(None);
        };
        let mut is_readable = true;
        for again in [false, true] {
            for key in self.keys(&key.namespace, &source, again).await {
                match key {
                    Ok(Some(key)) if key.made(signature, body) => return Ok(Some(source)),
                    Ok(_) => {}
                    Err(Unreadable) => is_readable = false,
                }
            }
        }
        if is_readable { Ok(None) } else { Err(Unreadable) }
    }

    async fn keys(&self, namespace: &str, source: &Source, again: bool) -> Vec<Result<Option<SigningKey>, Unreadable>> {
        let keys = source.secret_refs.iter();
        futures::future::join_all(keys.map(|reference| self.secrets.key(namespace, reference, again))).await
    }

    fn find(&self, key: &ObjectKey) -> Option<Arc<Source>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned()
    }

    fn freshness(&self) -> MutexGuard<'_, Freshness> {
        self.freshness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<ObjectKey, Arc<Source>>)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One that can't be decoded accepts nothing.
fn decoded(key: &ObjectKey, object: DeserializeGuard<WebhookSource>) -> Option<Arc<Source>> {
    match object.0 {
        Ok(object) => Some(Arc::new(Source::of(&object))),
        Err(invalid) => {
            tracing::warn!(source = %key, error = invalid.error, "a source of webhooks can't be decoded; what arrives there is refused");
            None
        }
    }
}
