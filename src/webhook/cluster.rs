//! What an event comes to: the automations that it concerns, by the planner over what the watches told, and their tasks,
//! written to the API server.
//!
//! Every replica does this, the leader or not: a task's name follows from its cause, so the API server takes the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use futures::StreamExt;
use futures::stream;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::api::AgentTask;
use crate::controller::watching::{Kind, News, absent, watch_rules};
use crate::domain::event::Event;
use crate::execute::Clock;
use crate::observe::{Update, apply};
use crate::plan::event::{Decision, decide};
use crate::plan::{ObjectKey, World};

use super::{Delivery, Handler, Outcome};

/// The most reasons that an answer gives.
const TOLD: usize = 20;
/// The most writes at once for one event.
const WRITES: usize = 16;

/// The cluster, as far as events are concerned.
pub struct Cluster {
    client: Client,
    clock: Clock,
    known: RwLock<Known>,
}

struct Known {
    world: World,
    /// Kinds whose first list is not complete.
    unlisted: BTreeSet<Kind>,
    /// The keys of a list under way.
    listing: BTreeMap<Kind, BTreeSet<ObjectKey>>,
}

impl Cluster {
    #[must_use]
    pub fn new(client: Client, clock: Clock) -> Self {
        let unlisted = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Task).collect();
        Self {
            client,
            clock,
            known: RwLock::new(Known {
                world: World::default(),
                unlisted,
                listing: BTreeMap::new(),
            }),
        }
    }

    /// Follows what the API server says of automations, policies and namespaces. It never ends.
    pub async fn follow(&self) {
        let mut news = watch_rules(&self.client);
        while let Some(news) = news.next().await {
            self.known.write().unwrap_or_else(PoisonError::into_inner).hear(news);
        }
    }

    fn decide(&self, namespace: &str, event: &Event) -> Vec<(ObjectKey, Decision)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        decide(&known.world, namespace, event, (self.clock)())
    }

    /// Of what a delivery did before this one, the rest is done.
    async fn create(&self, tasks: Vec<AgentTask>) -> Result<Vec<ObjectKey>, kube::Error> {
        let writes = stream::iter(tasks).map(async |task| {
            let key = ObjectKey::of(&task);
            let api: Api<AgentTask> = Api::namespaced(self.client.clone(), &key.namespace);
            match api.create(&PostParams::default(), &task).await {
                Ok(_) => Ok(key),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(key),
                Err(error) => {
                    tracing::warn!(task = %key, error = why(&error), "a task that an event causes was not written");
                    Err(error)
                }
            }
        });
        let written: Vec<_> = writes.buffered(WRITES).collect().await;
        written.into_iter().collect()
    }
}

impl Handler for Cluster {
    fn is_ready(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.unlisted.is_empty()
    }

    async fn handle(&self, delivery: Delivery) -> Outcome {
        let event = match Event::parse(&delivery.event, &delivery.payload) {
            Ok(Some(event)) => event,
            Ok(None) => return Outcome::Nothing("events of this kind cause nothing".to_owned()),
            Err(error) => return Outcome::Malformed(error.to_string()),
        };
        let (mut tasks, mut reasons) = (Vec::new(), Vec::new());
        for (automation, decision) in self.decide(&delivery.source.namespace, &event) {
            match decision {
                Decision::Create(task) => tasks.push(*task),
                Decision::Ignore(reason) => reasons.push(format!("{}: {reason}", automation.name)),
            }
        }
        if tasks.is_empty() {
            return Outcome::Nothing(why_nothing(&reasons));
        }
        match self.create(tasks).await {
            Ok(tasks) => Outcome::Caused(tasks),
            Err(_) => Outcome::Unavailable("not every task could be written: deliver it again".to_owned()),
        }
    }
}

impl Known {
    fn hear(&mut self, news: News) {
        match news {
            News::Update(update) => self.learn(update),
            News::ListBegins(kind) => {
                self.listing.insert(kind, BTreeSet::new());
            }
            News::Listed(kind, key) => {
                self.listing.entry(kind).or_default().insert(key);
            }
            News::ListEnds(kind) => {
                let named = self.listing.remove(&kind).unwrap_or_default();
                for update in absent(&self.world, kind, &named) {
                    self.learn(update);
                }
                self.unlisted.remove(&kind);
            }
            News::Undecodable(kind, metadata, _) => {
                if kind == Kind::Policy {
                    self.learn(Update::PolicyUnreadable(metadata.name.unwrap_or_default()));
                }
            }
            News::Failed(kind, error) => {
                tracing::warn!(kind = kind.as_str(), %error, "a watch of the receiver failed; it is tried again");
            }
        }
    }

    fn learn(&mut self, update: Update) {
        apply(&mut self.world, update);
    }
}

/// A refusal's sentence may quote the task, and so what people outside wrote.
fn why(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("refused: {} {}", status.code, status.reason),
        _ => "no answer from the API server".to_owned(),
    }
}

fn why_nothing(reasons: &[String]) -> String {
    match reasons {
        [] => "no automation in this namespace has a trigger for it".to_owned(),
        reasons => {
            let told = reasons.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
            match reasons.len().saturating_sub(TOLD) {
                0 => told,
                more => format!("{told}; and {more} more"),
            }
        }
    }
}
