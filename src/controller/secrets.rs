//! Watches of Secrets, each of one by its name, and of its metadata only: where RBAC grants that, a Secret that is replaced is
//! read at once and not at the next look.
//!
//! `watch` on Secrets without names is as good as reading all of them, so the base does not grant it; a Role with
//! `resourceNames` does. Where it is not granted, and beyond the first [`MOST`], the looks now and then have to do.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use futures::future::AbortHandle;
use futures::stream::{self, BoxStream, SelectAll, Stream, StreamExt, abortable};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use tokio::time::sleep;

use crate::plan::{ObjectKey, World};

use super::watching::Doubling;

/// Each is a connection to the API server.
const MOST: usize = 100;
/// The API server ends a watch after this many seconds; kube allows no more than 294.
const TIMEOUT: u32 = 290;
/// Whether it is granted by now is asked this often.
const FORBIDDEN: Duration = Duration::from_secs(600);
/// Begin with what is there, as far as the API server knows without asking its store.
const ANY: &str = "0";

/// All that are open.
pub(super) struct Secrets {
    client: Client,
    changes: SelectAll<BoxStream<'static, ObjectKey>>,
    watched: BTreeMap<ObjectKey, AbortHandle>,
}

impl Secrets {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            changes: SelectAll::new(),
            watched: BTreeMap::new(),
        }
    }

    /// The next Secret that changed, came or went. Nothing while none is watched.
    pub(super) async fn next(&mut self) -> Option<ObjectKey> {
        self.changes.next().await
    }

    /// Watches what is named and nothing else.
    pub(super) fn follow(&mut self, world: &World) {
        let named = world.credentials.keys();
        let named: BTreeSet<_> = named
            .map(|key| ObjectKey::new(key.namespace.clone(), key.secret.name.clone()))
            .collect();
        self.watched.retain(|key, watch| {
            let stays = named.contains(key);
            if !stays {
                watch.abort();
            }
            stays
        });
        for key in named {
            if self.watched.len() >= MOST {
                return;
            }
            if self.watched.contains_key(&key) {
                continue;
            }
            let (changes, handle) = abortable(changes(&self.client, key.clone()));
            self.changes.push(changes.boxed());
            self.watched.insert(key, handle);
        }
    }
}

type Events = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<PartialObjectMeta<Secret>>>> + Send>>;

/// One Secret's watch, which begins again where it ended.
struct Watch {
    api: Api<Secret>,
    key: ObjectKey,
    /// The newest version that it told of.
    version: Option<String>,
    open: Option<Events>,
    pauses: Doubling,
}

/// Never ends.
fn changes(client: &Client, key: ObjectKey) -> impl Stream<Item = ObjectKey> + use<> {
    let watch = Watch {
        api: Api::namespaced(client.clone(), &key.namespace),
        key,
        version: None,
        open: None,
        pauses: Doubling::default(),
    };
    stream::unfold(watch, |mut watch| async move {
        while !watch.changed().await {}
        Some((watch.key.clone(), watch))
    })
}

impl Watch {
    /// Waits for the next event, and says whether it is a change.
    async fn changed(&mut self) -> bool {
        let event = match &mut self.open {
            Some(events) => events.next().await,
            None => return self.begin().await,
        };
        match event {
            Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object))) => {
                self.pauses = Doubling::default();
                self.version = object.resource_version();
                true
            }
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                self.pauses = Doubling::default();
                self.version = Some(bookmark.metadata.resource_version);
                false
            }
            // It can't go on from where it was.
            Some(Ok(WatchEvent::Error(_)) | Err(_)) => {
                self.version = None;
                self.open = None;
                self.pause().await;
                false
            }
            None => {
                self.open = None;
                self.pause().await;
                false
            }
        }
    }

    async fn begin(&mut self) -> bool {
        let by_name = format!("metadata.name={}", self.key.name);
        let params = WatchParams::default().fields(&by_name).timeout(TIMEOUT);
        let version = self.version.as_deref().unwrap_or(ANY);
        match self.api.watch_metadata(&params, version).await {
            Ok(events) => self.open = Some(events.boxed()),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                tracing::debug!(secret = %self.key, "it may not be watched: it is read now and then");
                sleep(FORBIDDEN).await;
            }
            Err(error) => {
                tracing::debug!(secret = %self.key, %error, "it can't be watched now");
                self.version = None;
                self.pause().await;
            }
        }
        false
    }

    async fn pause(&mut self) {
        if let Some(pause) = self.pauses.next() {
            sleep(pause).await;
        }
    }
}
