//! The watches of the four kinds and of namespaces, as one stream of news. An object that can't be decoded is told and passed over; what
//! was known of it before stays known.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::utils::{Backoff, StreamBackoff};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::AgentAutomation;
use crate::observe::Update;
use crate::plan::{ObjectKey, World};

/// Objects in one answer of a list: while it is decoded, all of them are in memory several times.
const PAGE: u32 = 100;

/// What a watch brings.
#[derive(Debug)]
pub(crate) enum News {
    Update(Update),
    /// A list of this kind begins; what it does not name is gone.
    ListBegins(Kind),
    Listed(Kind, ObjectKey),
    ListEnds(Kind),
    /// The object can't be decoded; this is what its metadata tells, and why.
    Undecodable(Kind, ObjectMeta, String),
    /// The watch failed and is tried again.
    Failed(Kind, String),
}

/// The kinds that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Automation,
    Task,
    Policy,
    Namespace,
    WebhookSource,
}

impl Kind {
    /// Those without which nothing is decided.
    pub(crate) const ALL: [Self; 4] = [Self::Automation, Self::Task, Self::Policy, Self::Namespace];

    /// A name for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Automation => "AgentAutomation",
            Self::Task => "AgentTask",
            Self::Policy => "AgentPolicy",
            Self::Namespace => "Namespace",
            Self::WebhookSource => "WebhookSource",
        }
    }
}

/// All watches. It never ends.
pub(super) fn watch(client: &Client) -> BoxStream<'static, News> {
    let tasks = kind(
        client,
        Kind::Task,
        |task| Update::Task(Box::new(task)),
        Update::TaskGone,
    );
    let sources = kind(
        client,
        Kind::WebhookSource,
        |source| Update::WebhookSource(Box::new(source)),
        |key, _| Update::WebhookSourceGone(key),
    );
    let besides = stream::select(tasks, sources);
    stream::select(of_cluster(client), stream::select(automations(client), besides)).boxed()
}

/// The watches of all that says what an event causes: tasks are left out. It never ends.
pub(crate) fn watch_rules(client: &Client) -> BoxStream<'static, News> {
    stream::select(of_cluster(client), automations(client)).boxed()
}

/// What is gone, of what a list did not name. Tasks are not told: one may be newer than the list.
pub(crate) fn absent(world: &World, kind: Kind, named: &BTreeSet<ObjectKey>) -> Vec<Update> {
    let is_absent = |name: &str| !named.contains(&ObjectKey::new("", name));
    match kind {
        Kind::Automation => {
            let absent = world.automations().filter(|(key, _)| !named.contains(key));
            let uid = |automation: &AgentAutomation| automation.uid().unwrap_or_default();
            absent
                .map(|(key, automation)| Update::AutomationGone(key.clone(), uid(automation)))
                .collect()
        }
        Kind::Policy => {
            let known: BTreeSet<_> = world
                .policies()
                .map(ResourceExt::name_any)
                .chain(world.unreadable_policies.iter().cloned())
                .collect();
            let absent = known.into_iter().filter(|name| is_absent(name));
            absent.map(Update::PolicyGone).collect()
        }
        Kind::Namespace => {
            let absent = world.namespaces().filter(|name| is_absent(name));
            absent.cloned().map(Update::NamespaceGone).collect()
        }
        Kind::WebhookSource => {
            let absent = world.webhook_sources().filter(|(key, _)| !named.contains(key));
            absent.map(|(key, _)| Update::WebhookSourceGone(key.clone())).collect()
        }
        Kind::Task => Vec::new(),
    }
}

fn of_cluster(client: &Client) -> BoxStream<'static, News> {
    let policies = kind(
        client,
        Kind::Policy,
        |policy| Update::Policy(Box::new(policy)),
        |key, _| Update::PolicyGone(key.name),
    );
    let namespaces = kind(
        client,
        Kind::Namespace,
        |namespace: Namespace| {
            let labels = namespace.labels().clone();
            Update::Namespace(namespace.name_any(), labels)
        },
        |key, _| Update::NamespaceGone(key.name),
    );
    stream::select(policies, namespaces).boxed()
}

fn automations(client: &Client) -> BoxStream<'static, News> {
    kind(
        client,
        Kind::Automation,
        |automation| Update::Automation(Box::new(automation)),
        Update::AutomationGone,
    )
}

type Gone = fn(ObjectKey, String) -> Update;

fn kind<K>(client: &Client, kind: Kind, put: fn(K) -> Update, gone: Gone) -> BoxStream<'static, News>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
    let config = watcher::Config::default().page_size(PAGE);
    StreamBackoff::new(watcher::watcher(api, config), Doubling::default())
        .map(move |event| stream::iter(read(kind, event, put, gone)))
        .flatten()
        .boxed()
}

fn read<K>(
    kind: Kind,
    event: Result<Event<DeserializeGuard<K>>, watcher::Error>,
    put: fn(K) -> Update,
    gone: Gone,
) -> Vec<News>
where
    K: Resource<DynamicType = ()>,
{
    match event {
        Ok(Event::Init) => vec![News::ListBegins(kind)],
        Ok(Event::InitApply(object)) => {
            let key = ObjectKey::of(&object);
            vec![News::Listed(kind, key), decoded(kind, object, put)]
        }
        Ok(Event::InitDone) => vec![News::ListEnds(kind)],
        Ok(Event::Apply(object)) => vec![decoded(kind, object, put)],
        Ok(Event::Delete(object)) => {
            let uid = object.meta().uid.clone().unwrap_or_default();
            vec![News::Update(gone(ObjectKey::of(&object), uid))]
        }
        Err(error) => vec![News::Failed(kind, error.to_string())],
    }
}

fn decoded<K: Resource<DynamicType = ()>>(kind: Kind, object: DeserializeGuard<K>, put: fn(K) -> Update) -> News {
    match object.0 {
        Ok(object) => News::Update(put(object)),
        Err(invalid) => News::Undecodable(kind, invalid.metadata, invalid.error),
    }
}

/// Waits twice as long after each failure, without chance, so that a simulation can be repeated.
#[derive(Default)]
pub(crate) struct Doubling(u32);

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = Duration::from_millis(500) * 2_u32.pow(self.0.min(6));
        self.0 += 1;
        Some(wait)
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
