//! What came back, taken into the [`World`]: objects from watches and writes, facts from Secrets and GitHub.

pub mod answers;
mod concern;
mod credential;

pub use concern::about_events;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::task::CredentialIdentity;
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, WebhookSource};
use crate::domain::event::Event;
use crate::domain::repository::Repository;
use crate::github::RetryAfter;
use crate::plan::notify::Sent;
use crate::plan::observed::{ListedTask, Search, SeenPull};
use crate::plan::policy::Labels;
use crate::plan::redelivery::{Lack, Listed};
use crate::plan::refresh::Refresh;
use crate::plan::walk::Walk;
use crate::plan::world::{
    BranchFacts, BranchKey, Labelled, OriginFacts, OriginKey, RefusedStart, SecretState, TaskFacts, Verification,
    closed_pull, open_pull,
};
use crate::plan::{CredentialKey, ObjectKey, Subject, World, guardrails, sweep};

/// One piece of news.
#[derive(Debug, Clone)]
pub enum Update {
    Automation(Box<AgentAutomation>),
    /// The automation of this uid is gone.
    AutomationGone(ObjectKey, String),
    AutomationUnreadable(ObjectKey),
    Task(Box<AgentTask>),
    /// A task as this process has just written it.
    TaskWritten(Box<AgentTask>),
    /// The task of this uid is gone.
    TaskGone(ObjectKey, String),
    /// A namespace's labels.
    Namespace(String, Labels),
    NamespaceGone(String),
    Policy(Box<AgentPolicy>),
    WebhookSource(Box<WebhookSource>),
    WebhookSourceGone(ObjectKey),
    PolicyGone(String),
    /// A policy that can't be decoded.
    PolicyUnreadable(String),
    /// A task that can't be decoded, and its automation.
    TaskUnreadable(ObjectKey, ObjectKey),
    Secret(CredentialKey, SecretState, Timestamp),
    /// A Secret is another than when it was read last, or may be.
    SecretChanged(ObjectKey),
    /// How the Secret's token is refreshed, if that is asked for.
    Refresh(CredentialKey, Option<Box<Refresh>>),
    /// The API server does not let the controller write this version of the Secret.
    Unwritable(CredentialKey, String, Timestamp),
    /// This process has the successor of the refresh token of this digest, and may not write it into the Secret.
    Unwritten(CredentialKey, String),
    /// An exchange came to nothing: it was certainly not sent, or GitHub asked to wait.
    Postponed(CredentialKey, Timestamp),
    /// The token of one version of the Secret was exchanged for that of another.
    Renewed(CredentialKey, Renewed),
    /// GitHub refused this version of the Secret.
    Rejected(CredentialKey, String),
    /// Whose this version of the Secret is.
    Identified(CredentialKey, String, CredentialIdentity),
    /// GitHub asked to wait.
    Limited(CredentialKey, RetryAfter, Timestamp),
    /// GitHub answered a request with this credential.
    Answered(CredentialKey),
    Verified(CredentialKey, Repository, Verification),
    /// What GitHub said to a start in the repository: why it let none through, if it did not.
    StartAnswered(CredentialKey, Repository, Option<Box<RefusedStart>>),
    /// The tasks of the credential's user; `None` when nothing has changed.
    Listed(CredentialKey, Timestamp, Option<Vec<ListedTask>>),
    /// The task's details were read.
    Observed(ObjectKey, Timestamp),
    Searched(ObjectKey, Search),
    /// A branch was looked at.
    Inspected(BranchKey, Box<BranchFacts>),
    /// A repository's pull requests, by number; `None` when nothing has changed.
    PullsListed(CredentialKey, Repository, Timestamp, Option<BTreeMap<i64, SeenPull>>),
    /// The repository's open pull requests were listed.
    OpenPullsListed(CredentialKey, Repository, Labelled),
    /// The issue or the pull request that work came from was read.
    OriginRead(OriginKey, Box<OriginFacts>),
    /// It was looked for what happened since then; `None` means nothing new.
    Swept(CredentialKey, Repository, Timestamp, Option<Box<Happened>>),
    /// What was found has its tasks.
    Settled(CredentialKey, Repository),
    /// Attempts to deliver to a receiver here, or what the token may not.
    DeliveriesListed(CredentialKey, Repository, Timestamp, Result<Listed, Lack>),
    /// Another attempt at a delivery was asked for.
    Redelivered(CredentialKey, Repository, String),
    /// GitHub will not repeat that delivery.
    Unrepeatable(CredentialKey, Repository, String),
    /// The pull request's details were read.
    PullObserved(ObjectKey, Timestamp),
    /// A receiver was told of the task's end, or could not be.
    Notified(ObjectKey, String, Sent),
    StatusWritten(ObjectKey, Timestamp),
    /// Nothing names the credential or the repository any more.
    Forgotten(Subject),
}

/// A token in place of another: the same user's, with the same rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    pub from: String,
    pub to: String,
    pub expires_at: Option<Timestamp>,
}

/// What a look at a repository found.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// How far it has come.
    pub walk: Walk,
    /// The oldest first.
    pub events: Vec<Event>,
}

/// Takes news in and says which subjects are to be planned again.
pub fn apply(world: &mut World, update: Update) -> Vec<Subject> {
    match update {
        Update::Automation(automation) => {
            let key = ObjectKey::of(&*automation);
            credential::remember_rejection(world, &automation);
            // What it named before, and nothing names any more, is forgotten.
            let before = concern::about_automation(world, &key);
            if world.put_automation(*automation) {
                before
                    .into_iter()
                    .chain(concern::about_automation(world, &key))
                    .collect()
            } else {
                Vec::new()
            }
        }
        Update::AutomationGone(key, uid) => {
            let subjects = concern::about_automation(world, &key);
            world.remove_automation(&key, &uid);
            subjects
        }
        Update::AutomationUnreadable(key) => {
            world.unreadable_automations.insert(key.clone());
            vec![Subject::Automation(key)]
        }
        Update::Task(task) | Update::TaskWritten(task) => {
            let key = ObjectKey::of(&*task);
            let is_news = world.put_task(*task);
            let known = world.task(&key).filter(|_| is_news);
            known.map(|task| concern::about_task(world, task)).unwrap_or_default()
        }
        Update::TaskGone(key, uid) => {
            let unreadable = world.unreadable_tasks.get(&key).cloned().map(Subject::Automation);
            let subjects = world
                .task(&key)
                .map(|task| concern::about_task(world, task))
                .unwrap_or_default();
            world.remove_task(&key, &uid);
            subjects.into_iter().chain(unreadable).collect()
        }
        Update::TaskUnreadable(key, automation) => {
            if world.task(&key).is_none() {
                world.unreadable_tasks.insert(key, automation);
            }
            Vec::new()
        }
        Update::Namespace(name, labels) => {
            concern::about_namespace(world, &name, |world| world.put_namespace(&name, labels))
        }
        Update::NamespaceGone(name) => concern::about_namespace(world, &name, |world| world.remove_namespace(&name)),
        Update::Policy(policy) => {
            let name = policy.name_any();
            concern::about_policy(world, &name, |world| world.put_policy(*policy))
        }
        Update::WebhookSource(source) => {
            let key = ObjectKey::of(&*source);
            let is_news = world.put_webhook_source(*source);
            is_news.then_some(Subject::WebhookSource(key)).into_iter().collect()
        }
        Update::WebhookSourceGone(key) => {
            world.remove_webhook_source(&key);
            vec![]
        }
        Update::PolicyGone(name) => concern::about_policy(world, &name, |world| world.remove_policy(&name)),
        Update::PolicyUnreadable(name) => {
            concern::about_policy(world, &name, |world| world.unreadable_policies.insert(name.clone()))
        }
        Update::Verified(key, repository, verification) => {
            let subjects = concern::about_credential(world, &key);
            world.repositories.insert((key, repository), verification);
            subjects
        }
        Update::StartAnswered(key, repository, refused) => {
            let starts = &mut world.credentials.entry(key.clone()).or_default().refused_starts;
            let is_news = match refused {
                Some(refused) => {
                    starts.insert(repository, *refused);
                    true
                }
                None => starts.remove(&repository).is_some(),
            };
            if is_news {
                concern::about_credential(world, &key)
            } else {
                Vec::new()
            }
        }
        Update::Observed(key, at) => {
            learn(world, &key, |facts| facts.observed_at = Some(at));
            vec![Subject::Task(key)]
        }
        Update::Searched(key, search) => {
            learn(world, &key, |facts| facts.search = Some(search));
            vec![Subject::Task(key)]
        }
        Update::Inspected(key, facts) => {
            let credential = key.credential.clone();
            let facts = with_guardrails(world, &key, *facts);
            world.branches.insert(key.clone(), facts);
            let automations = world.automations_with(&credential);
            let concerned = automations
                .filter(|(_, automation)| guardrails::of_automation(world, automation).as_ref() == Some(&key));
            let concerned = concerned.map(|(name, _)| Subject::Automation(name.clone()));
            concerned.chain([Subject::Branch(key.clone())]).collect()
        }
        Update::PullsListed(key, repository, at, pulls) => pulls_listed(world, key, repository, at, pulls),
        Update::OpenPullsListed(key, repository, labelled) => {
            let facts = world.pulls.entry((key.clone(), repository.clone())).or_default();
            facts.labelled = Some(labelled);
            vec![Subject::Pulls(key, repository)]
        }
        Update::Swept(key, repository, at, happened) => swept(world, &key, &repository, at, happened),
        Update::Settled(key, repository) => {
            let settled = sweep::settled(world, &key, &repository);
            if let Some(facts) = world.events.get_mut(&(key.clone(), repository.clone())) {
                facts.settled.extend(settled);
            }
            about_events(world, &key, &repository)
        }
        Update::DeliveriesListed(key, repository, at, listed) => {
            let facts = world.deliveries.entry((key.clone(), repository.clone())).or_default();
            facts.checked_at = Some(at);
            facts.lack = listed.as_ref().err().copied();
            facts.is_write_refused |= facts.lack == Some(Lack::Write);
            let listed = listed.unwrap_or_default();
            (facts.attempts, facts.goes_on) = (listed.attempts, listed.goes_on);
            facts.asked.clear();
            let listed: BTreeSet<_> = facts.attempts.iter().map(|attempt| &attempt.guid).collect();
            facts.unrepeatable.retain(|guid| listed.contains(guid));
            concern::about_deliveries(world, key, repository)
        }
        Update::Redelivered(key, repository, guid) => {
            if let Some(facts) = world.deliveries.get_mut(&(key.clone(), repository.clone())) {
                facts.asked.insert(guid);
                facts.is_write_refused = false;
            }
            concern::about_deliveries(world, key, repository)
        }
        Update::Unrepeatable(key, repository, guid) => {
            if let Some(facts) = world.deliveries.get_mut(&(key.clone(), repository.clone())) {
                facts.unrepeatable.insert(guid);
            }
            concern::about_deliveries(world, key, repository)
        }
        Update::OriginRead(key, facts) => {
            world.origins.insert(key.clone(), *facts);
            vec![Subject::Origin(key)]
        }
        Update::PullObserved(key, at) => {
            learn(world, &key, |facts| facts.pull_observed_at = Some(at));
            vec![Subject::Task(key)]
        }
        Update::Notified(key, name, sent) => {
            learn(world, &key, |facts| {
                facts.sent.insert(name, sent);
            });
            vec![Subject::Task(key)]
        }
        Update::StatusWritten(key, at) => {
            if world.automation(&key).is_some() {
                world.status_written.insert(key.clone(), at);
            }
            vec![Subject::Automation(key)]
        }
        Update::Forgotten(subject) => {
            forget(world, &subject);
            Vec::new()
        }
        Update::SecretChanged(secret) => credential::secret_changed(world, &secret),
        Update::Listed(key, at, tasks) => listed(world, &key, at, tasks.unwrap_or_default()),
        Update::Secret(..)
        | Update::Refresh(..)
        | Update::Unwritable(..)
        | Update::Unwritten(..)
        | Update::Postponed(..)
        | Update::Renewed(..)
        | Update::Rejected(..)
        | Update::Identified(..)
        | Update::Limited(..)
        | Update::Answered(..) => credential::about(world, update),
    }
}

/// What comes late about a task that is gone is not kept.
fn learn(world: &mut World, key: &ObjectKey, change: impl FnOnce(&mut TaskFacts)) {
    if world.task(key).is_some() {
        change(world.facts.entry(key.clone()).or_default());
    }
}

/// A look that does not tell of guardrails leaves standing what was told of them, unless the branch is gone.
fn with_guardrails(world: &World, key: &BranchKey, mut facts: BranchFacts) -> BranchFacts {
    let known = world.branches.get(key);
    let known = known.filter(|known| known.resource_version == facts.resource_version);
    let known = known.and_then(|known| known.guardrails.as_ref());
    facts.guardrails = match facts.guardrails.take() {
        Some(seen) => Some(guardrails::renewed(world, key, seen, known)),
        None => known.filter(|_| facts.exists != Ok(false)).cloned(),
    };
    facts
}

/// Unless something names it again by now, which asks for it anew.
fn forget(world: &mut World, subject: &Subject) {
    world.retries.remove(subject);
    match subject {
        Subject::Credential(key) => {
            world.credentials.remove(key);
        }
        Subject::Repository(key, repository) => {
            world.repositories.remove(&(key.clone(), repository.clone()));
        }
        Subject::Branch(key) => {
            world.branches.remove(key);
        }
        Subject::Pulls(key, repository) => {
            world.pulls.remove(&(key.clone(), repository.clone()));
        }
        Subject::Origin(key) => {
            world.origins.remove(key);
        }
        Subject::Events(key, repository) => {
            world.events.remove(&(key.clone(), repository.clone()));
        }
        Subject::Deliveries(key, repository) => {
            world.deliveries.remove(&(key.clone(), repository.clone()));
        }
        Subject::Automation(_) | Subject::Task(_) | Subject::Notification(..) | Subject::WebhookSource(_) => {}
    }
}

fn listed(world: &mut World, key: &CredentialKey, at: Timestamp, tasks: Vec<ListedTask>) -> Vec<Subject> {
    world.credentials.entry(key.clone()).or_default().polled_at = Some(at);
    let mut subjects = vec![Subject::Credential(key.clone())];
    let ids: BTreeMap<String, ObjectKey> = world
        .tasks_with(key)
        .filter_map(|(name, task)| Some((task.status.as_ref()?.task.as_ref()?.id.clone(), name.clone())))
        .collect();
    for task in tasks {
        if let Some(name) = ids.get(&task.id) {
            world.facts.entry(name.clone()).or_default().listed = Some(task.clone());
            subjects.push(Subject::Task(name.clone()));
        }
    }
    subjects
}

fn pulls_listed(
    world: &mut World,
    key: CredentialKey,
    repository: Repository,
    at: Timestamp,
    pulls: Option<BTreeMap<i64, SeenPull>>,
) -> Vec<Subject> {
    let facts = world.pulls.entry((key.clone(), repository.clone())).or_default();
    facts.checked_at = Some(at);
    facts.first_checked_at.get_or_insert(at);
    if let Some(pulls) = pulls {
        facts.pulls = pulls;
    }
    let opened = world
        .tasks_in(&key, &repository)
        .filter(|(_, task)| open_pull(task) || closed_pull(task));
    let tasks: Vec<_> = opened.map(|(name, _)| Subject::Task(name.clone())).collect();
    tasks.into_iter().chain([Subject::Pulls(key, repository)]).collect()
}

/// What was found replaces what was found before: each look begins at the oldest position.
fn swept(
    world: &mut World,
    key: &CredentialKey,
    repository: &Repository,
    at: Timestamp,
    happened: Option<Box<Happened>>,
) -> Vec<Subject> {
    let found = happened.map(|happened| (happened.walk, happened.events));
    let facts = sweep::looked(world, key, repository, at, found);
    world.events.insert((key.clone(), repository.clone()), facts);
    about_events(world, key, repository)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;
    use crate::plan::observed::{AgentFacts, BranchRules, GuardrailFacts, Refused};
    use crate::plan::redelivery::Attempt;

    fn automation(secret: &str, version: u64) -> AgentAutomation {
        let text = format!(
            "{{metadata: {{name: one, namespace: payments, uid: uid-one, resourceVersion: '{version}'}},
              spec: {{repository: acme/api, branches: {{base: main, allow: [main]}}, triggers: [], prompt: {{goal: Go.}},
                      credentials: {{secretRef: {{name: {secret}}}}}}}}}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    fn of_one(subjects: &[Subject]) -> bool {
        subjects.contains(&Subject::Automation(ObjectKey::new("payments", "one")))
    }

    #[test]
    fn what_can_not_be_read_is_news_to_its_automation_when_it_goes() {
        let mut world = World::default();
        let (task, automation) = (ObjectKey::new("payments", "x"), ObjectKey::new("payments", "one"));
        apply(&mut world, Update::TaskUnreadable(task.clone(), automation));
        let gone = apply(&mut world, Update::TaskGone(task.clone(), String::new()));
        assert!(of_one(&gone), "it counted, and does not any more: {gone:?}");
        assert_eq!(apply(&mut world, Update::TaskGone(task, String::new())), []);
    }

    /// A spec that was known before goes on firing until it is looked at again.
    #[test]
    fn an_automation_that_can_not_be_read_is_news() {
        let mut world = World::default();
        let key = ObjectKey::new("payments", "one");
        assert!(of_one(&apply(&mut world, Update::AutomationUnreadable(key))));
    }

    #[test]
    fn what_github_will_not_repeat_is_remembered_for_as_long_as_it_is_listed() {
        let mut world = World::default();
        let key = CredentialKey::of_automation(&automation("token", 1));
        let repository = Repository::parse("acme/api").unwrap();
        let listed = |guids: &[&str]| {
            let attempts = guids.iter().map(|guid| Attempt {
                hook: 1,
                id: 1,
                guid: (*guid).to_owned(),
                at: Timestamp::UNIX_EPOCH,
                has_arrived: false,
            });
            Update::DeliveriesListed(
                key.clone(),
                repository.clone(),
                Timestamp::UNIX_EPOCH,
                Ok(Listed {
                    attempts: attempts.collect(),
                    goes_on: false,
                }),
            )
        };
        let unrepeatable = |world: &World| world.deliveries[&(key.clone(), repository.clone())].unrepeatable.len();
        apply(&mut world, listed(&["a", "b"]));
        apply(
            &mut world,
            Update::Unrepeatable(key.clone(), repository.clone(), "a".to_owned()),
        );
        apply(&mut world, listed(&["a", "b"]));
        assert_eq!(unrepeatable(&world), 1);
        apply(&mut world, listed(&["b"]));
        assert_eq!(unrepeatable(&world), 0);
    }

    #[test]
    fn a_namespace_s_labels_are_news_wherever_a_policy_held_or_holds_with_it() {
        let text = "{metadata: {name: p, resourceVersion: '1'},
                     spec: {namespaceSelector: {matchLabels: {team: x}}, triggers: [], startPolicies: []}}";
        let labels = || Labels::from([("team".to_owned(), "x".to_owned())]);
        let mut world = World::default();
        apply(&mut world, Update::Policy(serde_saphyr::from_str(text).unwrap()));
        apply(&mut world, Update::Namespace("payments".to_owned(), labels()));
        apply(&mut world, Update::Automation(Box::new(automation("token", 1))));
        world.is_complete = true;
        let other = || "other".to_owned();
        let mut told = |update| of_one(&apply(&mut world, update));
        assert!(told(Update::Namespace(other(), labels())), "it joins");
        assert!(!told(Update::Namespace(other(), labels())), "nothing is new");
        assert!(told(Update::Namespace(other(), Labels::new())), "it leaves");
        assert!(told(Update::Namespace(other(), labels())), "it joins again");
        assert!(told(Update::NamespaceGone(other())), "it is gone");
    }

    fn branch() -> BranchKey {
        guardrails::of_automation(&World::default(), &automation("token", 1)).unwrap()
    }

    fn facts(guardrails: bool) -> BranchFacts {
        let told = GuardrailFacts {
            checked_at: Timestamp::UNIX_EPOCH,
            rules: Ok(BranchRules::default()),
            code_owners: Ok(None),
            agent: Ok(AgentFacts::default()),
            unanswered: None,
        };
        BranchFacts {
            checked_at: Timestamp::UNIX_EPOCH,
            resource_version: "7".to_owned(),
            exists: Ok(true),
            guardrails: guardrails.then_some(told),
        }
    }

    /// A controller that has just begun does not use it again.
    #[test]
    fn what_github_refused_of_several_is_known_from_the_status() {
        let mut several = automation("token", 1);
        several.spec.credentials.alternates = serde_saphyr::from_str("[{name: token-1}, {name: token-2}]").unwrap();
        let status = "{rejectedCredential: {secret: token, resourceVersion: '5'},
                       credentials: [{secret: token, rejectedVersion: '5'}, {secret: token-1},
                                     {secret: token-2, rejectedVersion: '7'}]}";
        several.status = serde_saphyr::from_str(status).unwrap();
        let keys: Vec<_> = CredentialKey::all_of(&several).collect();
        let mut world = World::default();
        apply(&mut world, Update::Automation(Box::new(several)));
        let rejected = |key| world.credentials.get(key).and_then(|known| known.rejected.as_deref());
        let rejected: Vec<_> = keys.iter().map(rejected).collect();
        assert_eq!(rejected, [Some("5"), None, Some("7")]);
    }

    /// One that lets none through is turned to again when it lets one through, or is another.
    #[test]
    fn a_start_that_got_through_undoes_what_was_refused_before() {
        let mut world = World::default();
        apply(&mut world, Update::Automation(Box::new(automation("token", 1))));
        let BranchKey {
            credential, repository, ..
        } = branch();
        let refused = RefusedStart {
            at: Timestamp::UNIX_EPOCH,
            resource_version: "7".to_owned(),
            refused: Refused {
                reason: Reason::PermissionDenied,
                message: "no".to_owned(),
                not_before: None,
            },
        };
        let mut told = |refused| {
            let answered = Update::StartAnswered(credential.clone(), repository.clone(), refused);
            let is_news = of_one(&apply(&mut world, answered));
            (is_news, world.credentials[&credential].refused_starts.len())
        };
        assert_eq!(told(None), (false, 0));
        assert_eq!(told(Some(Box::new(refused))), (true, 1));
        assert_eq!(told(None), (true, 0));
    }

    #[test]
    fn a_look_at_the_branch_alone_leaves_its_guardrails() {
        let table = [
            ("the same token", facts(false), true),
            (
                "another token",
                BranchFacts {
                    resource_version: "8".to_owned(),
                    ..facts(false)
                },
                false,
            ),
            (
                "it is gone",
                BranchFacts {
                    exists: Ok(false),
                    ..facts(false)
                },
                false,
            ),
            (
                "GitHub does not answer",
                BranchFacts {
                    exists: Err(Refused {
                        reason: Reason::GitHubUnavailable,
                        message: "no".to_owned(),
                        not_before: None,
                    }),
                    ..facts(false)
                },
                true,
            ),
        ];
        for (what, look, stays) in table {
            let mut world = World::default();
            apply(&mut world, Update::Inspected(branch(), Box::new(facts(true))));
            apply(&mut world, Update::Inspected(branch(), Box::new(look)));
            assert_eq!(world.branches[&branch()].guardrails.is_some(), stays, "{what}");
        }
    }

    #[test]
    fn what_an_automation_named_before_is_looked_at_again() {
        let mut world = World::default();
        apply(&mut world, Update::Automation(Box::new(automation("token", 1))));
        let subjects = apply(&mut world, Update::Automation(Box::new(automation("other", 2))));
        assert!(subjects.contains(&Subject::Branch(branch())), "{subjects:?}");
        assert!(
            subjects.contains(&Subject::Credential(branch().credential)),
            "{subjects:?}"
        );
    }

    /// A controller that has just begun has no list of them.
    #[test]
    fn pull_requests_are_followed_once_the_credential_is_known() {
        let task = "{metadata: {name: a, namespace: payments, uid: uid-a},
              spec: {automation: {name: one, uid: uid-one, generation: 1}, repository: acme/api, baseBranch: main,
                     trigger: {name: tick, kind: Schedule, scheduledTime: '2026-11-22T06:00:00Z'}, prompt: Go.,
                     templateDigest: '', secretRef: {name: token}},
              status: {phase: Succeeded, pullRequest: {id: 1, number: 1, state: open}}}";
        let mut world = World::default();
        apply(
            &mut world,
            Update::Task(Box::new(serde_saphyr::from_str(task).unwrap())),
        );
        let BranchKey {
            credential, repository, ..
        } = branch();
        let state = SecretState::Present {
            resource_version: "7".to_owned(),
        };
        let subjects = apply(
            &mut world,
            Update::Secret(credential.clone(), state, Timestamp::UNIX_EPOCH),
        );
        assert!(
            subjects.contains(&Subject::Pulls(credential, repository)),
            "{subjects:?}"
        );
    }
}
