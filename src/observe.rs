//! What came back, taken into the [`World`]: objects from watches and writes, facts from Secrets and GitHub.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::task::{Checks, CredentialIdentity, PullRequest, ReviewDecision, Usage};
use crate::api::trigger::Source;
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, Reason, WebhookSource};
use crate::domain::event::Event;
use crate::domain::repository::Repository;
use crate::github::models::{self, Artifact};
use crate::github::{AgentConfiguration, BranchRule, CheckRun, Origin, Refusal, RefusalKind, RetryAfter};
use crate::plan::automation::credits;
use crate::plan::notify::Sent;
use crate::plan::observed::{
    AgentFacts, BranchRules, ListedTask, ObservedTask, Refused, Search, SeenOrigin, SeenOriginPull, SeenPull,
};
use crate::plan::policy::Labels;
use crate::plan::redelivery::{Lack, Listed};
use crate::plan::refresh::Refresh;
use crate::plan::time::{LONGEST_ASKED, add, pending};
use crate::plan::walk::Walk;
use crate::plan::world::{
    BranchFacts, BranchKey, Credential, Labelled, LabelledPull, OriginFacts, OriginKey, RefusedStart, SecretState,
    TaskFacts, Verification, automation_key, closed_pull, open_pull,
};
use crate::plan::{
    CredentialKey, ObjectKey, Subject, World, event, guardrails, notify, origin, redelivery, refresh, retry, sweep,
};

/// The first wait where GitHub asks to wait and does not say for how long; each further one is twice as long.
const UNSTATED_WAIT: SignedDuration = SignedDuration::from_secs(60);

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
            remember_rejection(world, &automation);
            // What it named before, and nothing names any more, is forgotten.
            let before = about_automation(world, &key);
            if world.put_automation(*automation) {
                before.into_iter().chain(about_automation(world, &key)).collect()
            } else {
                Vec::new()
            }
        }
        Update::AutomationGone(key, uid) => {
            let subjects = about_automation(world, &key);
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
            known.map(|task| about_task(world, task)).unwrap_or_default()
        }
        Update::TaskGone(key, uid) => {
            let unreadable = world.unreadable_tasks.get(&key).cloned().map(Subject::Automation);
            let subjects = world.task(&key).map(|task| about_task(world, task)).unwrap_or_default();
            world.remove_task(&key, &uid);
            subjects.into_iter().chain(unreadable).collect()
        }
        Update::TaskUnreadable(key, automation) => {
            if world.task(&key).is_none() {
                world.unreadable_tasks.insert(key, automation);
            }
            Vec::new()
        }
        Update::Namespace(name, labels) => about_namespace(world, &name, |world| world.put_namespace(&name, labels)),
        Update::NamespaceGone(name) => about_namespace(world, &name, |world| world.remove_namespace(&name)),
        Update::Policy(policy) => {
            let name = policy.name_any();
            about_policy(world, &name, |world| world.put_policy(*policy))
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
        Update::PolicyGone(name) => about_policy(world, &name, |world| world.remove_policy(&name)),
        Update::PolicyUnreadable(name) => {
            about_policy(world, &name, |world| world.unreadable_policies.insert(name.clone()))
        }
        Update::Verified(key, repository, verification) => {
            let subjects = about_credential(world, &key);
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
                about_credential(world, &key)
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
            about_deliveries(world, key, repository)
        }
        Update::Redelivered(key, repository, guid) => {
            if let Some(facts) = world.deliveries.get_mut(&(key.clone(), repository.clone())) {
                facts.asked.insert(guid);
                facts.is_write_refused = false;
            }
            about_deliveries(world, key, repository)
        }
        Update::Unrepeatable(key, repository, guid) => {
            if let Some(facts) = world.deliveries.get_mut(&(key.clone(), repository.clone())) {
                facts.unrepeatable.insert(guid);
            }
            about_deliveries(world, key, repository)
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
        Update::SecretChanged(secret) => secret_changed(world, &secret),
        Update::Listed(key, at, tasks) => listed(world, &key, at, tasks.unwrap_or_default()),
        Update::Secret(..)
        | Update::Refresh(..)
        | Update::Unwritable(..)
        | Update::Postponed(..)
        | Update::Renewed(..)
        | Update::Rejected(..)
        | Update::Identified(..)
        | Update::Limited(..)
        | Update::Answered(..) => about(world, update),
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

/// It is for the planner to have it read.
fn secret_changed(world: &mut World, secret: &ObjectKey) -> Vec<Subject> {
    let known = world.credentials.iter_mut();
    let of_it = known.filter(|(key, _)| key.namespace == secret.namespace && key.secret.name == secret.name);
    of_it
        .map(|(key, credential)| {
            credential.has_changed = true;
            Subject::Credential(key.clone())
        })
        .collect()
}

/// News about a credential itself.
fn about(world: &mut World, update: Update) -> Vec<Subject> {
    let (key, changed) = match update {
        Update::Secret(key, state, at) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let outlook =
                |credential: &Credential| (refresh::outlook(&key, credential), refresh::has_expired(credential));
            let (was, told) = (credential.secret.replace(state), outlook(credential));
            credential.read_at = Some(at);
            // What stands in the way of a refresh is judged as of the last look.
            let changed = credential.secret != was || outlook(credential) != told;
            (key, changed)
        }
        Update::Refresh(key, refresh) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let told = std::mem::replace(&mut credential.refresh, refresh.map(|refresh| *refresh));
            let changed = credential.refresh != told;
            if spent(credential.refresh.as_ref()) != spent(told.as_ref()) {
                credential.postponed = None;
            }
            (key, changed)
        }
        Update::Unwritable(key, version, at) => {
            world.credentials.entry(key.clone()).or_default().unwritable = Some((version, at));
            (key, true)
        }
        Update::Postponed(key, at) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let times = credential.postponed.map_or(0, |(_, times)| times);
            credential.postponed = Some((at, times.saturating_add(1)));
            (key, true)
        }
        Update::Renewed(key, renewed) => {
            renew(world, &key, renewed);
            (key, true)
        }
        Update::Rejected(key, version) => {
            world.credentials.entry(key.clone()).or_default().rejected = Some(version);
            (key, true)
        }
        Update::Identified(key, version, identity) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            let told = credential.identity.replace((version, identity));
            let changed = credential.identity != told;
            (key, changed)
        }
        Update::Limited(key, wait, now) => {
            limit(world.credentials.entry(key.clone()).or_default(), wait, now);
            (key, true)
        }
        Update::Answered(key) => {
            let credential = world.credentials.entry(key.clone()).or_default();
            credential.limited_times = 0;
            let changed = credential.limited_until.take().is_some();
            (key, changed)
        }
        _ => return Vec::new(),
    };
    if changed {
        about_credential(world, &key)
    } else {
        vec![Subject::Credential(key)]
    }
}

/// The digest of the token that the next exchange spends.
fn spent(refresh: Option<&Refresh>) -> Option<&String> {
    Some(&refresh?.terms.as_ref().ok()?.refresh_token)
}

/// What was told with the old token holds for the new one.
fn renew(world: &mut World, key: &CredentialKey, renewed: Renewed) {
    let Renewed { from, to, expires_at } = renewed;
    let credential = world.credentials.entry(key.clone()).or_default();
    credential.postponed = None;
    if let Some((version, identity)) = credential.identity.as_mut().filter(|(version, _)| *version == from) {
        version.clone_from(&to);
        identity.expires_at = expires_at;
    }
    let repositories = world.repositories.iter_mut().filter(|((of, _), _)| of == key);
    let branches = world
        .branches
        .iter_mut()
        .filter(|(branch, _)| branch.credential == *key);
    let versions = repositories
        .map(|(_, seen)| &mut seen.resource_version)
        .chain(branches.map(|(_, seen)| &mut seen.resource_version));
    for version in versions.filter(|version| **version == from) {
        version.clone_from(&to);
    }
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

fn limit(credential: &mut Credential, wait: RetryAfter, now: Timestamp) {
    let stated = wait.not_before(now);
    let unstated = UNSTATED_WAIT * 2_i32.pow(credential.limited_times.min(6));
    let until = if matches!(wait, RetryAfter::Unstated) {
        add(now, unstated)
    } else {
        stated
    };
    credential.limited_times = credential.limited_times.saturating_add(1);
    let until = until.min(add(now, LONGEST_ASKED));
    credential.limited_until = pending(credential.limited_until, LONGEST_ASKED, now).max(Some(until));
}

/// A restarted controller learns from status which Secret version GitHub refused, and does not use it again.
fn remember_rejection(world: &mut World, automation: &AgentAutomation) {
    let Some(status) = &automation.status else { return };
    let first = status.rejected_credential.iter();
    let first = first.map(|rejected| (&rejected.secret, &rejected.resource_version));
    let several = status.credentials.iter();
    let several = several.filter_map(|known| Some((&known.secret, known.rejected_version.as_ref()?)));
    let rejected: BTreeMap<_, _> = first.chain(several).collect();
    if rejected.is_empty() {
        return;
    }
    for key in CredentialKey::all_of(automation) {
        if let Some(version) = rejected.get(&key.secret.name) {
            let credential = world.credentials.entry(key).or_default();
            credential.rejected.get_or_insert_with(|| (*version).clone());
        }
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

fn about_events(world: &World, key: &CredentialKey, repository: &Repository) -> Vec<Subject> {
    let listening = sweep::listening(world, key, repository);
    let automations = listening.map(|(name, _)| Subject::Automation(name.clone()));
    automations
        .chain([Subject::Events(key.clone(), repository.clone())])
        .collect()
}

fn about_task(world: &World, task: &AgentTask) -> Vec<Subject> {
    let mut subjects = vec![
        Subject::Task(ObjectKey::of(task)),
        Subject::Automation(automation_key(task)),
    ];
    if !task.spec.is_decided() {
        return subjects;
    }
    subjects.extend(notify::subjects(task));
    subjects.extend(CredentialKey::named_by(task).map(Subject::Credential));
    if let Ok(repository) = Repository::parse(&task.spec.repository) {
        let pulls = |credential| Subject::Pulls(credential, repository.clone());
        subjects.extend(CredentialKey::named_by(task).map(pulls));
    }
    // A branch that only the task names is forgotten once the task does not wait any more.
    let of_automation = world.automation_of(task).map(guardrails::all_of_automation);
    let of_automation = of_automation.unwrap_or_default();
    let of_task = guardrails::all_of_task(task).into_iter();
    let own = of_task.filter(|branch| !of_automation.contains(branch));
    subjects.extend(own.map(Subject::Branch));
    subjects.extend(origin::all_of_task(task).into_iter().map(Subject::Origin));
    let follows = task.spec.follows.as_ref();
    let namespace = || ObjectKey::of(task).namespace;
    subjects.extend(follows.map(|follows| Subject::Task(ObjectKey::new(namespace(), &*follows.name))));
    subjects
}

fn about_automation(world: &World, key: &ObjectKey) -> Vec<Subject> {
    let Some(automation) = world.automation(key) else {
        return Vec::new();
    };
    let mut subjects = vec![Subject::Automation(key.clone())];
    for credential in CredentialKey::all_of(automation) {
        subjects.push(Subject::Credential(credential.clone()));
        if let Ok(repository) = Repository::parse(&automation.spec.repository) {
            subjects.extend(about_repository(world, automation, credential, repository));
        }
    }
    let branches = guardrails::all_of_automation(automation).into_iter();
    subjects.extend(branches.map(Subject::Branch));
    subjects
}

fn about_repository(
    world: &World,
    automation: &AgentAutomation,
    credential: CredentialKey,
    repository: Repository,
) -> Vec<Subject> {
    let mut subjects = Vec::new();
    if event::listens(automation, Source::Poll) || world.events.contains_key(&(credential.clone(), repository.clone()))
    {
        subjects.push(Subject::Events(credential.clone(), repository.clone()));
    }
    if redelivery::is_wanted_by(automation) || world.deliveries.contains_key(&(credential.clone(), repository.clone()))
    {
        subjects.extend(about_deliveries(world, credential.clone(), repository.clone()));
    }
    subjects.push(Subject::Repository(credential, repository));
    subjects
}

fn about_deliveries(world: &World, key: CredentialKey, repository: Repository) -> Vec<Subject> {
    let sources = world.webhook_sources_in(&key.namespace);
    let sources: Vec<_> = sources.map(|(name, _)| Subject::WebhookSource(name.clone())).collect();
    sources
        .into_iter()
        .chain([Subject::Deliveries(key, repository)])
        .collect()
}

fn about_credential(world: &World, key: &CredentialKey) -> Vec<Subject> {
    let automations = world.automations_with(key);
    let tasks = world.followed_with(key);
    let opened = world
        .followed_with(key)
        .filter(|(_, task)| open_pull(task) || closed_pull(task));
    let pulls = world.pulls.keys().filter(|(credential, _)| credential == key);
    // Those that were never listed count as well: a controller that has just begun knows of no list.
    let repositories: BTreeSet<_> = opened
        .filter_map(|(_, task)| Repository::parse(&task.spec.repository).ok())
        .chain(pulls.map(|(_, repository)| repository.clone()))
        .collect();
    automations
        .flat_map(|(name, _)| about_automation(world, name))
        .chain(tasks.map(|(name, _)| Subject::Task(name.clone())))
        .chain([Subject::Credential(key.clone())])
        .chain(
            repositories
                .into_iter()
                .map(|repository| Subject::Pulls(key.clone(), repository)),
        )
        .collect()
}

/// A policy concerns the namespaces that it holds for, or did, and those that none holds for: they are told which there
/// are. While one can't be read, it concerns all.
fn about_policy(world: &mut World, name: &str, change: impl FnOnce(&mut World) -> bool) -> Vec<Subject> {
    let concerned = |names: &[String]| names.is_empty() || names.iter().any(|held| held == name);
    let (before, was_readable) = (world.where_held(concerned), world.unreadable_policies.is_empty());
    if !change(world) {
        return Vec::new();
    }
    if was_readable && world.unreadable_policies.is_empty() {
        about_automations_in(world, before.into_iter().chain(world.where_held(concerned)))
    } else {
        about_automations_in(world, world.where_held(|_| true))
    }
}

/// A namespace that policies hold for no longer, or newly, gives room to others that they hold for, or takes it.
fn about_namespace(world: &mut World, name: &str, change: impl FnOnce(&mut World) -> bool) -> Vec<Subject> {
    let holding =
        |world: &World| -> BTreeSet<String> { world.holding(name).map(|policy| policy.name().to_owned()).collect() };
    let before = holding(world);
    if !change(world) {
        return Vec::new();
    }
    let after = holding(world);
    let changed: BTreeSet<_> = before.symmetric_difference(&after).cloned().collect();
    let held = world.where_held(|names| names.iter().any(|held| changed.contains(held)));
    let itself = (!changed.is_empty()).then(|| name.to_owned());
    about_automations_in(world, held.into_iter().chain(itself))
}

/// Before everything that was there is known, each object is news itself.
fn about_automations_in(world: &World, namespaces: impl IntoIterator<Item = String>) -> Vec<Subject> {
    if !world.is_complete {
        return Vec::new();
    }
    let namespaces: BTreeSet<_> = namespaces.into_iter().collect();
    let automations = || namespaces.iter().flat_map(|namespace| world.automations_in(namespace));
    // A policy may allow by now what it did not when the task ended.
    let retried = automations().flat_map(|(_, automation)| {
        let is_wanted = |task: &&AgentTask| retry::is_wanted(world, task) || notify::keeps(task);
        let tasks = world.tasks_of(automation).filter(is_wanted);
        tasks.flat_map(|task| {
            let told = notify::subjects(task);
            told.into_iter().chain([Subject::Task(ObjectKey::of(task))])
        })
    });
    let about = automations().flat_map(|(key, _)| about_automation(world, key));
    about.chain(retried).collect()
}

/// A task as the planner reads it.
#[must_use]
pub fn observed(task: &models::Task) -> ObservedTask {
    let newest = task.sessions.iter().max_by_key(|session| session.created_at);
    ObservedTask {
        id: task.id.clone(),
        url: task.html_url.clone(),
        state: task.state.clone(),
        updated_at: task.updated_at,
        branch: branch(task).or_else(|| newest.and_then(|session| session.head_ref.clone())),
        pull_request: task.artifacts.iter().find_map(pull_artifact),
        failure: newest.and_then(|session| session.error.as_ref()?.message.clone()),
        usage: task.usage().map(|total| usage(&total)),
        prompts: task
            .sessions
            .iter()
            .filter_map(|session| session.prompt.clone())
            .collect(),
    }
}

/// A task of a list.
#[must_use]
pub fn listed_task(task: &models::Task) -> ListedTask {
    ListedTask {
        id: task.id.clone(),
        state: task.state.clone(),
        updated_at: task.updated_at,
    }
}

/// A pull request with what a list of them tells.
#[must_use]
pub fn pull_request(pull: &models::PullRequest) -> PullRequest {
    PullRequest {
        id: i64::try_from(pull.id).unwrap_or(i64::MAX),
        number: i64::try_from(pull.number).ok(),
        url: pull.html_url.clone(),
        state: pull.state.clone(),
        draft: pull.draft.unwrap_or(false),
        merged: pull.is_merged(),
        ..PullRequest::default()
    }
}

/// A pull request of a list, by its number.
#[must_use]
pub fn seen_pull(pull: &models::PullRequest) -> Option<(i64, SeenPull)> {
    let seen = SeenPull {
        id: i64::try_from(pull.id).ok()?,
        is_open: !pull.is_merged() && pull.state.as_deref() != Some("closed"),
        updated_at: pull.updated_at,
    };
    Some((i64::try_from(pull.number).ok()?, seen))
}

/// An issue or a pull request that work came from.
#[must_use]
pub fn seen_origin(origin: Origin) -> SeenOrigin {
    SeenOrigin {
        title: origin.title,
        edited_at: origin.edited_at,
        is_open: origin.is_open,
        pull: origin.pull.map(|pull| SeenOriginPull {
            base: pull.base,
            head: pull.head,
            is_fork: pull.is_fork,
            is_draft: pull.is_draft,
            files: pull.files,
        }),
    }
}

/// Of open pull requests, for each label in lower case those that have it.
#[must_use]
pub fn by_label(open: &[models::PullRequest]) -> BTreeMap<String, Vec<LabelledPull>> {
    let mut labelled: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pull in open {
        let page = pull.html_url.as_deref().unwrap_or("a pull request");
        for label in &pull.labels {
            labelled
                .entry(label.name.to_lowercase())
                .or_default()
                .push(LabelledPull {
                    id: i64::try_from(pull.id).unwrap_or(i64::MAX),
                    page: page.to_owned(),
                });
        }
    }
    labelled
}

/// A pull request with its reviews and its checks.
#[must_use]
pub fn read_pull(pull: &models::PullRequest, reviews: &[models::Review], checks: &[CheckRun]) -> PullRequest {
    let author = pull.user.as_ref().map(|user| user.id);
    let others = || {
        reviews
            .iter()
            .filter(|review| review.user.as_ref().map(|user| user.id) != author)
    };
    let mut reviewers: Vec<_> = others()
        .filter_map(|review| Some(review.user.as_ref()?.login.clone()))
        .collect();
    reviewers.sort_unstable();
    reviewers.dedup();
    let users = pull.requested_reviewers.iter().map(|user| user.login.clone());
    let teams = pull.requested_teams.iter().map(|team| team.slug.clone());
    PullRequest {
        updated_at: pull.updated_at,
        created_at: pull.created_at,
        closed_at: pull.merged_at.or(pull.closed_at),
        merged_by: pull.merged_by.as_ref().map(|user| user.login.clone()),
        review: Some(review_decision(others())),
        reviewers,
        requested_reviewers: users.chain(teams).collect(),
        first_review_at: others().filter_map(|review| review.submitted_at).min(),
        checks: checks_come_to(checks),
        additions: pull.additions.map(i64::from),
        deletions: pull.deletions.map(i64::from),
        changed_files: pull.changed_files.map(i64::from),
        mergeable: pull.mergeable,
        ..pull_request(pull)
    }
}

/// The last word of each reviewer counts, and a comment is no word.
fn review_decision<'a>(reviews: impl Iterator<Item = &'a models::Review>) -> ReviewDecision {
    let mut words: BTreeMap<u64, &str> = BTreeMap::new();
    for review in reviews {
        let (Some(user), Some(state)) = (&review.user, review.state.as_deref()) else {
            continue;
        };
        if matches!(state, "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED") {
            words.insert(user.id, state);
        }
    }
    let says = |wanted| words.values().any(|word| *word == wanted);
    if says("CHANGES_REQUESTED") {
        ReviewDecision::ChangesRequested
    } else if says("APPROVED") {
        ReviewDecision::Approved
    } else {
        ReviewDecision::Required
    }
}

fn checks_come_to(checks: &[CheckRun]) -> Option<Checks> {
    let good = ["success", "neutral", "skipped"];
    let failed = |check: &CheckRun| {
        check
            .conclusion
            .as_deref()
            .is_some_and(|conclusion| !good.contains(&conclusion))
    };
    if checks.is_empty() {
        None
    } else if checks.iter().any(failed) {
        Some(Checks::Failed)
    } else if checks.iter().any(|check| check.conclusion.is_none()) {
        Some(Checks::Pending)
    } else {
        Some(Checks::Passed)
    }
}

/// What a branch's rules and its classic protection require, all of them taken together.
#[must_use]
pub fn branch_rules(rules: &[BranchRule], branch: &models::BranchInfo) -> BranchRules {
    let mut all = BranchRules {
        is_classic: branch.protected == Some(true),
        ..BranchRules::default()
    };
    let checks = branch
        .protection
        .as_ref()
        .and_then(|protection| protection.required_status_checks.as_ref());
    let enforced = checks.filter(|checks| checks.enforcement_level.as_deref().is_some_and(|level| level != "off"));
    all.status_checks
        .extend(enforced.into_iter().flat_map(|checks| checks.contexts.iter().cloned()));
    for rule in rules {
        match rule {
            BranchRule::PullRequest {
                approvals,
                code_owner_review,
            } => {
                all.approvals = all.approvals.max(i32::try_from(*approvals).ok());
                all.code_owner_review |= code_owner_review;
            }
            BranchRule::RequiredStatusChecks { contexts } => all.status_checks.extend(contexts.iter().cloned()),
            BranchRule::CodeScanning => all.code_scanning = true,
            BranchRule::Other(_) => {}
        }
    }
    all
}

/// How the agent is set up, in the planner's words.
#[must_use]
pub fn agent_facts(configuration: AgentConfiguration) -> AgentFacts {
    AgentFacts {
        firewall: configuration.firewall,
        secret_scanning: configuration.secret_scanning,
        codeql: configuration.codeql,
        workflow_approval: configuration.workflow_approval,
    }
}

/// A refusal in the planner's words.
#[must_use]
pub fn refused(refusal: &Refusal, now: Timestamp) -> Refused {
    let reason = match &refusal.kind {
        RefusalKind::BadCredentials => Reason::CredentialRejected,
        RefusalKind::PermissionMissing | RefusalKind::SingleSignOn => Reason::PermissionDenied,
        RefusalKind::NotFound => Reason::RepositoryNotFound,
        RefusalKind::Moved { .. } => Reason::RepositoryMoved,
        RefusalKind::BadRequest | RefusalKind::Invalid => Reason::StartRejected,
        RefusalKind::RateLimited(_) => Reason::RateLimited,
    };
    Refused {
        reason,
        message: refusal.to_string(),
        not_before: match refusal.kind {
            RefusalKind::RateLimited(wait) => Some(wait.not_before(now).min(add(now, LONGEST_ASKED))),
            _ => None,
        },
    }
}

fn branch(task: &models::Task) -> Option<String> {
    task.artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Branch { head_ref, .. } => Some(head_ref.clone()),
        _ => None,
    })
}

fn pull_artifact(artifact: &Artifact) -> Option<PullRequest> {
    match artifact {
        Artifact::Pull { id, .. } => Some(PullRequest {
            id: i64::try_from(*id).ok()?,
            ..PullRequest::default()
        }),
        _ => None,
    }
}

fn usage(total: &models::UsageTotal) -> Usage {
    let nano = i64::try_from(total.ai_credits_nano).unwrap_or(i64::MAX);
    Usage {
        nano_ai_credits: nano,
        ai_credits: credits(nano),
        milli_premium_requests: milli(total.premium_requests),
    }
}

/// Premium requests may be fractional; thousandths are as exact as GitHub shows them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float that is cast to an integer saturates"
)]
fn milli(requests: f64) -> i64 {
    (requests * 1_000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::observed::GuardrailFacts;
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
    fn classic_protection_is_not_nothing() {
        let branch = |protected: bool, level: &str| -> models::BranchInfo {
            let text = format!(
                "{{name: main, protected: {protected},
                   protection: {{required_status_checks: {{enforcement_level: {level}, contexts: [test]}}}}}}"
            );
            serde_saphyr::from_str(&text).unwrap()
        };
        let rules = [BranchRule::RequiredStatusChecks {
            contexts: vec!["lint".to_owned()],
        }];
        let table = [
            (false, "'off'", false, vec!["lint"]),
            (true, "'off'", true, vec!["lint"]),
            (true, "everyone", true, vec!["test", "lint"]),
            (true, "non_admins", true, vec!["test", "lint"]),
        ];
        for (protected, level, is_classic, checks) in table {
            let all = branch_rules(&rules, &branch(protected, level));
            assert_eq!(all.is_classic, is_classic, "{protected} {level}");
            assert_eq!(all.status_checks, checks, "{protected} {level}");
        }
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
