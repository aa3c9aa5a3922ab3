//! The leader's lease, which is also the ledger of what it is about to start.
//!
//! Two processes may both believe that they lead. So a task is *claimed* before it is written ahead: the lease is
//! replaced with the task's uid in an annotation and the lease's version as precondition. Who has lost the lease can't
//! claim, and who takes it over learns which writes may still be on their way, and makes them fail before it decides
//! anything about caps. A claim is a renewal, and all that wait for one share it.
//!
//! Expiry is judged by the time that passed here since the lease last changed, never by the clock of another machine.

use std::collections::BTreeSet;
use std::sync::{Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::execute::{Clock, Failure, Leadership};

/// The uids that the leader may be writing ahead, separated by commas.
const CLAIMS: &str = "agentautomation.dev/claims";

/// Which lease, and for how long it holds.
#[derive(Debug, Clone)]
pub struct Terms {
    pub namespace: String,
    pub name: String,
    /// A leader that has not renewed for this long is taken to be gone.
    pub duration: Duration,
}

/// One process's hold on the lease.
pub struct Lease {
    api: Api<LeaseObject>,
    terms: Terms,
    identity: String,
    clock: Clock,
    /// The version that this process wrote last; replaced one at a time.
    held: Mutex<Option<Held>>,
    claims: StdMutex<Claims>,
}

struct Held {
    object: LeaseObject,
    renewed: Instant,
}

#[derive(Default)]
struct Claims {
    wanted: BTreeSet<String>,
    written: BTreeSet<String>,
}

impl Lease {
    #[must_use]
    pub fn new(client: Client, terms: Terms, identity: String, clock: Clock) -> Self {
        Self {
            api: Api::namespaced(client, &terms.namespace),
            terms,
            identity,
            clock,
            held: Mutex::new(None),
            claims: StdMutex::default(),
        }
    }

    /// Waits until this process leads. Gives the uids that the leader before it had claimed.
    pub async fn acquire(&self) -> Vec<String> {
        let mut seen: Option<(Option<String>, Instant)> = None;
        loop {
            match self.try_acquire(&mut seen).await {
                Ok(Some(inherited)) => return inherited,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the lease can't be had"),
            }
            sleep(self.terms.duration / 5).await;
        }
    }

    /// Renews until the lease is lost.
    pub async fn keep(&self) {
        loop {
            sleep(self.terms.duration / 3).await;
            let mut held = self.held.lock().await;
            match self.replace(&mut held).await {
                Ok(()) => {}
                Err(Failure::NotLeader) => return,
                Err(error) => tracing::warn!(%error, "the lease was not renewed"),
            }
            if held
                .as_ref()
                .is_none_or(|held| held.renewed.elapsed() >= self.terms.duration)
            {
                *held = None;
                return;
            }
        }
    }

    /// Lets another process lead at once.
    pub async fn give_up(&self) {
        let mut held = self.held.lock().await;
        let Some(Held { object, .. }) = held.take() else {
            return;
        };
        // What is claimed may still be on its way: the next leader has to know.
        let wanted = self.claims().wanted.clone();
        let mut object = self.renewed(object, &wanted);
        if let Some(spec) = &mut object.spec {
            spec.holder_identity = None;
        }
        let params = PostParams::default();
        let replaced = self.api.replace(&self.terms.name, &params, &object);
        if !matches!(timeout(self.patience(), replaced).await, Ok(Ok(_))) {
            tracing::warn!("the lease was not given up; the next leader waits until it has expired");
        }
    }

    async fn try_acquire(
        &self,
        seen: &mut Option<(Option<String>, Instant)>,
    ) -> Result<Option<Vec<String>>, kube::Error> {
        let Some(object) = self.api.get_opt(&self.terms.name).await? else {
            let fresh = self.object();
            let created = self.api.create(&PostParams::default(), &fresh).await?;
            self.hold(created, Instant::now(), Vec::new()).await;
            return Ok(Some(Vec::new()));
        };
        let version = object.resource_version();
        let since = match seen {
            Some((known, since)) if *known == version => *since,
            _ => Instant::now(),
        };
        *seen = Some((version, since));
        if is_held(&object) && since.elapsed() < self.expiry(&object) {
            return Ok(None);
        }
        let inherited = claims_of(&object);
        let began = Instant::now();
        let taken = self
            .api
            .replace(
                &self.terms.name,
                &PostParams::default(),
                &self.taken(object, &inherited),
            )
            .await?;
        self.hold(taken, began, inherited.clone()).await;
        Ok(Some(inherited))
    }

    /// What was inherited stays claimed until it has been fenced.
    async fn hold(&self, object: LeaseObject, renewed: Instant, inherited: Vec<String>) {
        let wanted: BTreeSet<String> = inherited.into_iter().collect();
        *self.claims() = Claims {
            written: wanted.clone(),
            wanted,
        };
        *self.held.lock().await = Some(Held { object, renewed });
    }

    /// Writes the claims that are wanted now, and with them a renewal.
    async fn replace(&self, held: &mut Option<Held>) -> Result<(), Failure> {
        let Some(current) = held.as_mut() else {
            return Err(Failure::NotLeader);
        };
        let wanted = self.claims().wanted.clone();
        let next = self.renewed(current.object.clone(), &wanted);
        let began = Instant::now();
        let params = PostParams::default();
        let replaced = self.api.replace(&self.terms.name, &params, &next);
        match timeout(self.patience(), replaced).await {
            Ok(Ok(object)) => {
                *current = Held { object, renewed: began };
                self.claims().written = wanted;
                Ok(())
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 || status.code == 404 => self.reread(held).await,
            Ok(Err(error)) => Err(Failure::Kubernetes(error.to_string())),
            Err(_) => Err(Failure::Kubernetes("no answer in time".to_owned())),
        }
    }

    /// A conflict means that another process took the lease, or that an earlier write of ours got through unanswered.
    async fn reread(&self, held: &mut Option<Held>) -> Result<(), Failure> {
        let object = self.api.get_opt(&self.terms.name).await;
        match object {
            Ok(Some(object)) if holder(&object) == Some(self.identity.as_str()) => {
                if let Some(held) = held.as_mut() {
                    held.object = object;
                }
                Err(Failure::Conflict)
            }
            Ok(_) => {
                *held = None;
                Err(Failure::NotLeader)
            }
            Err(error) => Err(Failure::Kubernetes(error.to_string())),
        }
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call must leave time for the next before the lease expires.
    fn patience(&self) -> Duration {
        self.terms.duration / 3
    }

    fn expiry(&self, object: &LeaseObject) -> Duration {
        let stated = object.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let seconds = stated.and_then(|seconds| u64::try_from(seconds).ok());
        seconds
            .map_or(self.terms.duration, Duration::from_secs)
            .max(self.terms.duration)
    }

    fn object(&self) -> LeaseObject {
        let empty = LeaseObject {
            metadata: ObjectMeta {
                name: Some(self.terms.name.clone()),
                namespace: Some(self.terms.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec::default()),
        };
        self.taken(empty, &[])
    }

    fn taken(&self, mut object: LeaseObject, inherited: &[String]) -> LeaseObject {
        let now = MicroTime((self.clock)());
        let spec = object.spec.get_or_insert_default();
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(self.terms.duration.as_secs().max(1)).ok();
        spec.acquire_time = Some(now.clone());
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count.saturating_add(1)));
        self.renewed(object, &inherited.iter().cloned().collect())
    }

    fn renewed(&self, mut object: LeaseObject, claims: &BTreeSet<String>) -> LeaseObject {
        object.spec.get_or_insert_default().renew_time = Some(MicroTime((self.clock)()));
        let list: Vec<_> = claims.iter().map(String::as_str).collect();
        object.annotations_mut().insert(CLAIMS.to_owned(), list.join(","));
        object
    }
}

impl Leadership for Lease {
    fn claim(&self, uid: &str) -> BoxFuture<'_, Result<(), Failure>> {
        let uid = uid.to_owned();
        Box::pin(async move {
            self.claims().wanted.insert(uid.clone());
            let mut held = self.held.lock().await;
            if held.is_some() && self.claims().written.contains(&uid) {
                return Ok(());
            }
            let claimed = self.replace(&mut held).await;
            if claimed.is_err() {
                self.release(&uid);
            }
            claimed
        })
    }

    fn release(&self, uid: &str) {
        let mut claims = self.claims();
        claims.wanted.remove(uid);
        claims.written.remove(uid);
    }
}

fn holder(object: &LeaseObject) -> Option<&str> {
    object
        .spec
        .as_ref()?
        .holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
}

fn is_held(object: &LeaseObject) -> bool {
    holder(object).is_some()
}

fn claims_of(object: &LeaseObject) -> Vec<String> {
    let list = object.annotations().get(CLAIMS).map(String::as_str).unwrap_or_default();
    list.split(',')
        .filter(|uid| !uid.is_empty())
        .map(str::to_owned)
        .collect()
}
