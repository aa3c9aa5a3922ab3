//! What an event comes to: the automations that it concerns, by the planner over what the watches told, and their tasks,
//! written to the API server.
//!
//! Every replica does this, the leader or not: a task's name follows from its cause, so the API server takes the first. What
//! it has under that name counts only if it is for the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use futures::StreamExt;
use futures::stream;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::api::AgentTask;
use crate::controller::watching::{Kind, News, absent, watch_rules};
use crate::domain::event::Event;
use crate::execute::Clock;
use crate::observe::{Update, apply};
use crate::plan::event::{Decision, decide};
use crate::plan::{ObjectKey, World, naming};

use super::freshness::Freshness;
use super::{Delivery, Handler, Outcome};

/// The most automations that are named with one reason.
const NAMED: usize = 3;
/// Characters of all reasons together, less than an answer has room for.
const ROOM: usize = 1_900;
/// The most writes at once for one event.
const WRITES: usize = 16;

/// Why a task that an event causes is not there.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("the API server refuses it ({0} {1})")]
    Refused(u16, String),
    #[error("the API server gives no answer")]
    Unanswered,
    #[error("somebody deleted what had its name")]
    Gone,
    #[error("task {0} has its name and was made for something else: delete that one")]
    Taken(ObjectKey),
}

/// What keeps an event from firing, what somebody may want to know first before the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Concern {
    /// Nothing but who did it.
    Sender,
    Other,
}

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
    freshness: BTreeMap<Kind, Freshness>,
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
                freshness: BTreeMap::new(),
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

    /// What each automation makes of an event, and an automation of the namespace that may be for it and can't be decoded.
    fn decide(&self, namespace: &str, event: &Event) -> (Vec<(ObjectKey, Decision)>, Option<ObjectKey>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let unreadable = &known.world.unreadable_automations;
        let mut decided = decide(&known.world, namespace, event, (self.clock)());
        decided.retain(|(automation, _)| !unreadable.contains(automation));
        let first = unreadable.iter().find(|automation| automation.namespace == namespace);
        (decided, first.cloned())
    }

    /// Of what a delivery did before this one, the rest is done.
    async fn create(&self, tasks: Vec<AgentTask>) -> Result<Vec<ObjectKey>, Unwritten> {
        let writes = stream::iter(tasks).map(async |task| {
            let key = ObjectKey::of(&task);
            let written = self.create_one(&key, &task).await;
            written
                .inspect_err(|problem| tracing::warn!(task = %key, error = %problem, "an event's task is not there"))?;
            Ok(key)
        });
        let written: Vec<_> = writes.buffered(WRITES).collect().await;
        written.into_iter().collect()
    }

    async fn create_one(&self, key: &ObjectKey, task: &AgentTask) -> Result<(), Unwritten> {
        let api: Api<AgentTask> = Api::namespaced(self.client.clone(), &key.namespace);
        match api.create(&PostParams::default(), task).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let there = api.get_opt(&key.name).await.map_err(|error| Unwritten::of(&error))?;
                let there = there.ok_or(Unwritten::Gone)?;
                let is_it = naming::has_cause_of(&there, task);
                is_it.then_some(()).ok_or_else(|| Unwritten::Taken(key.clone()))
            }
            Err(error) => Err(Unwritten::of(&error)),
        }
    }
}

impl Handler for Cluster {
    fn is_ready(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.unlisted.is_empty() && known.freshness.values().all(|watch| !watch.is_stale(now))
    }

    async fn handle(&self, delivery: Delivery) -> Outcome {
        let event = match Event::parse(&delivery.event, &delivery.payload) {
            Ok(Some(event)) => event,
            Ok(None) => return Outcome::Nothing("events of this kind cause nothing".to_owned()),
            Err(error) => return Outcome::Malformed(error.to_string()),
        };
        let (mut tasks, mut reasons) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
        let (decided, unreadable) = self.decide(&delivery.source.namespace, &event);
        for (automation, decision) in decided {
            let reason = match decision {
                Decision::Create(task) => {
                    tasks.push(*task);
                    continue;
                }
                Decision::Refuse(why) => (Concern::Sender, why),
                Decision::Ignore(why) => (Concern::Other, why),
            };
            reasons.entry(reason).or_default().push(automation.name);
        }
        let written = self.create(tasks).await;
        match (written, unreadable) {
            (Err(problem), _) => {
                Outcome::Unavailable(format!("not every task could be written: {problem}; deliver it again"))
            }
            (Ok(_), Some(automation)) => Outcome::Unavailable(format!(
                "automation {automation} can't be read and may be for it: correct it, or install the definitions that fit the \
                 controller; deliver it again"
            )),
            (Ok(tasks), None) if tasks.is_empty() => Outcome::Nothing(why_nothing(&reasons)),
            (Ok(tasks), None) => Outcome::Caused(tasks),
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
                if kind == Kind::Automation {
                    self.world.unreadable_automations.retain(|key| named.contains(key));
                }
                self.unlisted.remove(&kind);
                self.freshness.entry(kind).or_default().listed();
            }
            News::Undecodable(kind, metadata, _) => {
                let name = metadata.name.unwrap_or_default();
                match kind {
                    Kind::Policy => self.learn(Update::PolicyUnreadable(name)),
                    Kind::Automation => {
                        let key = ObjectKey::new(metadata.namespace.unwrap_or_default(), name);
                        self.learn(Update::AutomationUnreadable(key));
                    }
                    Kind::Task | Kind::Namespace | Kind::WebhookSource => {}
                }
            }
            News::Failed(kind, error) => {
                tracing::warn!(kind = kind.as_str(), %error, "a watch of the receiver failed; it is tried again");
                self.freshness.entry(kind).or_default().failed(Instant::now());
            }
        }
    }

    fn learn(&mut self, update: Update) {
        apply(&mut self.world, update);
    }
}

impl Unwritten {
    /// A refusal's sentence may quote the task, and so what people outside wrote.
    fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status.code, status.reason.clone()),
            _ => Self::Unanswered,
        }
    }
}

/// Each reason once, with the automations that have it, as far as there is room for whole ones.
fn why_nothing(reasons: &BTreeMap<(Concern, String), Vec<String>>) -> String {
    if reasons.is_empty() {
        return "no automation in this namespace has a trigger for it".to_owned();
    }
    let mut said = String::new();
    for (index, ((_, why), automations)) in reasons.iter().enumerate() {
        let named = automations.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let told = match automations.len().saturating_sub(NAMED) {
            0 => format!("{named}: {why}"),
            more => format!("{named} and {more} more: {why}"),
        };
        if index > 0 && said.chars().count() + told.chars().count() > ROOM {
            let left = reasons.len() - index;
            return format!("{said}; and {left} more reasons");
        }
        said += if index > 0 { "; " } else { "" };
        said += &told;
    }
    said
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    fn labeled() -> Delivery {
        let now = Timestamp::now();
        let issue = json!({
            "number": 42, "title": "Flaky test", "body": "It fails.", "html_url": "https://github.com/acme/api/issues/42",
            "user": {"login": "alice", "type": "User"}, "author_association": "MEMBER",
            "labels": [{"name": "agent"}], "milestone": null, "created_at": now, "updated_at": now,
        });
        Delivery {
            source: ObjectKey::new("payments", "acme"),
            event: "issues".to_owned(),
            id: "1".to_owned(),
            payload: json!({
                "action": "labeled", "label": {"name": "agent"}, "issue": issue,
                "repository": {"full_name": "acme/api"}, "sender": {"login": "bob", "type": "User"},
            }),
        }
    }

    /// It may be for any event: none is acknowledged until it is mended or gone.
    #[tokio::test]
    async fn an_automation_that_can_not_be_decoded_keeps_events_from_being_lost() {
        let nobody = tower::service_fn(async |_: http::Request<Body>| {
            Err::<http::Response<Body>, _>(std::io::Error::other("nothing is to be written"))
        });
        let cluster = Cluster::new(Client::new(nobody, "payments"), Arc::new(Timestamp::now));
        let listed = |named: &[&str]| {
            let mut known = cluster.known.write().unwrap();
            known.hear(News::ListBegins(Kind::Automation));
            for name in named {
                known.hear(News::Listed(Kind::Automation, ObjectKey::new("payments", *name)));
                let metadata = ObjectMeta {
                    name: Some((*name).to_owned()),
                    namespace: Some("payments".to_owned()),
                    ..ObjectMeta::default()
                };
                known.hear(News::Undecodable(
                    Kind::Automation,
                    metadata,
                    "of another version".to_owned(),
                ));
            }
            known.hear(News::ListEnds(Kind::Automation));
        };
        listed(&["odd"]);
        let Outcome::Unavailable(said) = cluster.handle(labeled()).await else {
            panic!("the event is acknowledged")
        };
        assert!(
            said.starts_with("automation payments/odd can't be read and may be for it"),
            "{said}"
        );
        listed(&[]);
        let said = cluster.handle(labeled()).await;
        let nothing = "no automation in this namespace has a trigger for it".to_owned();
        assert_eq!(said, Outcome::Nothing(nothing));
    }

    #[test]
    fn as_many_reasons_are_told_as_there_is_room_for() {
        let of = |count: usize| -> BTreeMap<_, _> {
            let reasons = (10..10 + count).map(|number| {
                let why = format!("trigger t{number}: {}", "x".repeat(90));
                ((Concern::Other, why), vec![format!("a{number}")])
            });
            reasons.collect()
        };
        let few = why_nothing(&of(3));
        assert_eq!(few.matches("; ").count(), 2, "{few}");
        let many = why_nothing(&of(40));
        assert!(many.chars().count() < 2_000, "{many}");
        assert!(many.ends_with("xxx; and 23 more reasons"), "{many}");
    }
}
