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

use crate::execute::{Clock, Failure, Leadership, failure};

use super::{Shutdown, stopped};

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

    /// Waits until this process leads. Gives the uids that the leader before it had claimed; nothing when the process is
    /// asked to stop. A try is never cut short: the lease might be had without anybody knowing.
    pub(super) async fn acquire(&self, shutdown: &mut Shutdown) -> Option<Vec<String>> {
        let mut seen: Option<(Option<String>, Instant)> = None;
        while !*shutdown.borrow() {
            match timeout(self.patience(), self.try_acquire(&mut seen)).await {
                Ok(Ok(Some(inherited))) => return Some(inherited),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the lease can't be had"),
                Err(_) => tracing::warn!("the lease can't be had: no answer in time"),
            }
            tokio::select! {
                () = stopped(shutdown) => {}
                () = sleep(self.terms.duration / 5) => {}
            }
        }
        None
    }

    /// Renews until the lease is lost. After a failure there is time for several tries before it expires.
    pub async fn keep(&self) {
        let mut pause = self.terms.duration / 3;
        loop {
            sleep(pause).await;
            pause = self.terms.duration / 3;
            let mut held = self.held.lock().await;
            match self.replace(&mut held).await {
                Ok(()) => {}
                Err(Failure::NotLeader) => return,
                Err(error) => {
                    pause = self.terms.duration / 15;
                    tracing::warn!(%error, "the lease was not renewed");
                }
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
        if self.is_anothers(&object) && since.elapsed() < self.expiry(&object) {
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

    /// Writes the claims that are wanted now, and with them a renewal. An earlier write of ours may have got through
    /// unanswered; then it is written over.
    async fn replace(&self, held: &mut Option<Held>) -> Result<(), Failure> {
        match self.replace_once(held).await {
            Err(Failure::Conflict) => {
                self.reread(held).await?;
                self.replace_once(held).await
            }
            written => written,
        }
    }

    async fn replace_once(&self, held: &mut Option<Held>) -> Result<(), Failure> {
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
            Ok(Err(error)) => Err(match failure(&error) {
                Failure::Gone => Failure::Conflict,
                failure => failure,
            }),
            Err(_) => Err(no_answer()),
        }
    }

    /// Fails when another process has the lease.
    async fn reread(&self, held: &mut Option<Held>) -> Result<(), Failure> {
        let read = timeout(self.patience(), self.api.get_opt(&self.terms.name)).await;
        match read.map_err(|_| no_answer())?.map_err(|error| failure(&error))? {
            Some(object) if holder(&object) == Some(self.identity.as_str()) => {
                if let Some(held) = held.as_mut() {
                    held.object = object;
                }
                Ok(())
            }
            _ => {
                *held = None;
                Err(Failure::NotLeader)
            }
        }
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call must leave time for others before the lease expires.
    fn patience(&self) -> Duration {
        self.terms.duration / 5
    }

    /// What holds this identity was taken by us in a write that was not answered.
    fn is_anothers(&self, object: &LeaseObject) -> bool {
        holder(object).is_some_and(|holder| holder != self.identity)
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

fn no_answer() -> Failure {
    Failure::Unanswered("none came in time".to_owned())
}

fn claims_of(object: &LeaseObject) -> Vec<String> {
    let list = object.annotations().get(CLAIMS).map(String::as_str).unwrap_or_default();
    list.split(',')
        .filter(|uid| !uid.is_empty())
        .map(str::to_owned)
        .collect()
}
