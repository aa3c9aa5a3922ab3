//! What room the caps leave: what is under way, and which cap binds a task now.
//!
//! Each policy that holds is asked, so the narrowest wins. What one pass starts counts at once. The first cap that binds is
//! told: the automation's own, then active tasks, review queues, the rate of starts, budgets.

mod limits;
mod never;
mod taking;

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::api::task::Bound;
use crate::api::trigger::PushTo;
use crate::api::{AgentAutomation, AgentTask, Reason};

use super::budget::{self, Charge};
use super::credential::choice::Load;
use super::policy::{Policy, Refusal};
use super::time::{add, pending};
use super::world::{
    CredentialKey, ObjectKey, RATE_WINDOW, World, automation_key, counts, folded, is_in_review, open_pull, secret_of,
};
use super::{Settings, Subject, Why, duplicates, pulls};
use taking::Taking;

pub use limits::{Limit, Unit};
pub use never::never;

/// What is in a task's way.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    pub why: Why,
    pub bound: Option<Bound>,
    /// How things stand, for whoever asks. They change with every start, so they are not written.
    pub figures: Option<String>,
    /// When it may be out of the way by the passing of time alone.
    pub until: Option<Timestamp>,
    /// What it waits for together with tasks of other automations.
    pub shared: Option<Shared>,
}

/// What tasks of several automations wait for together: one of them that gets it may take it from all others, and whoever
/// gives it back need not be of any of them. Policies are meant by name, repositories in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// `maxActive` of a policy.
    Active(String),
    /// `maxActivePerRepository` of a policy.
    ActiveIn(String, String),
    /// `maxOpenPullRequestsPerRepository` of a policy.
    ReviewsIn(String, String),
    /// `maxStartsPerHour` of a policy.
    Starts(String),
    /// `budget` of a policy, for tasks that are taken to cost so much, in billionths of a credit.
    Budget(String, i64),
    /// GitHub's wish for one write at a time with each credential.
    Writes(CredentialKey),
}

/// What is under way, and so what room the caps leave.
pub struct Room<'a> {
    world: &'a World,
    settings: &'a Settings,
    now: Timestamp,
    /// Tasks that will start and are not written ahead yet.
    taking: Taking<'a>,
    /// Credentials that write something now, and how many of these tasks start with each.
    credentials: BTreeMap<CredentialKey, i64>,
    known: RefCell<Known<'a>>,
}

/// What is under way in the namespaces of a policy, by repository. That of a task that can't be read is not known.
type Active = BTreeMap<Option<String>, i64>;

/// What was worked out in this pass, by policy or by automation.
#[derive(Default)]
struct Known<'a> {
    active: BTreeMap<String, Active>,
    /// Of automations: what is under way, what waits for people, and what a task is taken to cost.
    own: BTreeMap<ObjectKey, i64>,
    reviews: BTreeMap<ObjectKey, Queue<'a>>,
    /// Of repositories, in lower case.
    reviews_in: BTreeMap<String, Queue<'a>>,
    estimates: BTreeMap<ObjectKey, i64>,
    starts: BTreeMap<String, Vec<Timestamp>>,
    charges: BTreeMap<(String, Timestamp), Charge>,
    loads: BTreeMap<CredentialKey, Load>,
}

/// Pull requests that wait for people or are about to be opened.
#[derive(Default, Clone, Copy)]
struct Queue<'a> {
    count: i64,
    oldest: Option<&'a AgentTask>,
}

impl<'a> Room<'a> {
    #[must_use]
    pub fn new(world: &'a World, settings: &'a Settings, now: Timestamp) -> Self {
        let mut room = Self {
            world,
            settings,
            now,
            taking: Taking::default(),
            credentials: BTreeMap::new(),
            known: RefCell::default(),
        };
        let writing = world.writing.values().map(|writing| (writing.credential.clone(), 0));
        room.credentials.extend(writing);
        for task in on_their_way(world) {
            match world.writing.get(&Subject::Task(ObjectKey::of(task))) {
                Some(writing) => {
                    let nano = writing.reserves.unwrap_or_else(|| room.estimate(task));
                    room.enter(task, [writing.credential.clone()], nano);
                }
                // Which one the leader before this one has chosen, nobody knows.
                None => room.take(task, CredentialKey::needed_by(task)),
            }
        }
        room
    }

    /// The task starts, with one of these.
    pub fn take(&mut self, task: &'a AgentTask, credentials: impl IntoIterator<Item = CredentialKey>) {
        let nano = self.estimate(task);
        self.enter(task, credentials, nano);
    }

    fn enter(&mut self, task: &'a AgentTask, credentials: impl IntoIterator<Item = CredentialKey>, nano: i64) {
        self.taking.enter(task, nano);
        for credential in credentials {
            *self.credentials.entry(credential).or_default() += 1;
        }
    }

    /// What is under way with a credential.
    #[must_use]
    pub fn load(&self, key: &CredentialKey) -> Load {
        let mut known = self.known.borrow_mut();
        let load = *known
            .loads
            .entry(key.clone())
            .or_insert_with(|| load_of(self.world, key));
        match self.credentials.get(key) {
            Some(starting @ 1..) => Load {
                tasks: load.tasks + starting,
                last_start: Some(self.now),
            },
            _ => load,
        }
    }

    /// What the task is taken to cost, in billionths of a credit.
    #[must_use]
    pub fn estimate(&self, task: &AgentTask) -> i64 {
        let Some(automation) = self.world.automation_of(task) else {
            return 0;
        };
        let mut known = self.known.borrow_mut();
        let estimate = known.estimates.entry(automation_key(task));
        *estimate.or_insert_with(|| budget::estimate(self.world, automation))
    }

    /// The automation's own cap, when it is reached.
    #[must_use]
    pub fn own_cap(&self, automation: &AgentAutomation) -> Option<Binding> {
        let max = automation.spec.concurrency.max_active;
        let active = self.active_of(&ObjectKey::of(automation));
        (active >= i64::from(max)).then(|| {
            let message = format!("the automation's own cap is reached (spec.concurrency.maxActive is {max})");
            let rule = "concurrency.maxActive";
            Binding::new(Reason::AutomationCap, message, Some(bound_to(automation, rule)))
        })
    }

    /// Whether the automation's own cap is reached by what is under way, whatever becomes of what this pass starts.
    #[must_use]
    pub fn is_full(&self, automation: &AgentAutomation) -> bool {
        self.under_way_of(&ObjectKey::of(automation)) >= i64::from(automation.spec.concurrency.max_active)
    }

    /// The cap that holds the task now, other than its automation's own.
    #[must_use]
    pub fn binds(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Binding> {
        let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
        let first = |ask: &dyn Fn(&Policy) -> Option<Binding>| self.world.holding(namespace).find_map(ask);
        first(&|policy| self.active_cap(policy, task))
            .or_else(|| self.review_queues(automation, task))
            .or_else(|| first(&|policy| self.start_rate(policy)))
            .or_else(|| self.own_budget(automation, task))
            .or_else(|| first(&|policy| self.budget(policy, self.estimate(task))))
    }

    /// Whether a task that is about the same is about to start. It does not count as under way yet.
    #[must_use]
    pub fn starts_the_same(&self, task: &AgentTask) -> bool {
        let mut starting = self.taking.like(task);
        starting.any(|other| duplicates::would_give_way(task, other))
    }

    /// Until when the credential writes something else; `Some(None)` when that is not known. GitHub asks for writes one at
    /// a time and a second apart.
    #[must_use]
    pub fn paced(&self, key: &CredentialKey) -> Option<Option<Timestamp>> {
        if self.credentials.contains_key(key) || self.world.exchanging.contains(key) {
            return Some(None);
        }
        let next = self
            .world
            .credentials
            .get(key)
            .and_then(|credential| credential.next_write);
        pending(next, self.settings.write_interval, self.now).map(Some)
    }

    /// Whether there is none of what tasks wait for together, and until when at least, where that is known.
    #[must_use]
    pub fn is_used_up(&self, shared: &Shared) -> Option<Option<Timestamp>> {
        let reached = |max: Option<i32>, count: i64| max.filter(|max| count >= i64::from(*max)).map(|_| None);
        let policy = |name: &str| self.world.policy(name);
        match shared {
            Shared::Active(name) => {
                let policy = policy(name)?;
                reached(policy.spec().max_active, self.active_under(policy))
            }
            Shared::ActiveIn(name, repository) => {
                let policy = policy(name)?;
                reached(
                    policy.spec().max_active_per_repository,
                    self.active_in(policy, repository),
                )
            }
            Shared::ReviewsIn(name, repository) => {
                let max = policy(name)?.spec().max_open_pull_requests_per_repository;
                reached(max, self.reviews_in(repository).count)
            }
            Shared::Starts(name) => self.start_rate(policy(name)?).map(|binding| binding.until),
            Shared::Budget(name, estimate) => self.budget(policy(name)?, *estimate).map(|binding| binding.until),
            Shared::Writes(key) => self.paced(key),
        }
    }

    fn active_of(&self, automation: &ObjectKey) -> i64 {
        self.under_way_of(automation) + self.taking.of(automation).tasks
    }

    /// What was under way before this pass.
    fn under_way_of(&self, automation: &ObjectKey) -> i64 {
        let mut known = self.known.borrow_mut();
        if let Some(count) = known.own.get(automation) {
            return *count;
        }
        let active = self.world.named_by(automation).filter(|task| counts(task)).count();
        let unreadable = self.world.unreadable_tasks.values().filter(|key| *key == automation);
        let count = number(active + unreadable.count());
        known.own.insert(automation.clone(), count);
        count
    }

    fn active_under(&self, policy: &Policy) -> i64 {
        self.active(policy, |active| active.values().sum::<i64>()) + self.taking.under(self.world, policy).tasks
    }

    fn active_in(&self, policy: &Policy, repository: &str) -> i64 {
        let there = [Some(repository.to_owned()), None];
        let active = |active: &Active| there.iter().filter_map(|place| active.get(place)).sum::<i64>();
        self.active(policy, active) + self.taking.under_in(self.world, policy, repository).tasks
    }

    fn active<T>(&self, policy: &Policy, ask: impl FnOnce(&Active) -> T) -> T {
        let mut known = self.known.borrow_mut();
        if !known.active.contains_key(policy.name()) {
            known.active.insert(policy.name().to_owned(), self.count_active(policy));
        }
        ask(&known.active[policy.name()])
    }

    fn count_active(&self, policy: &Policy) -> Active {
        let mut active = Active::new();
        let here = self.under_way(|namespace| self.world.holds(policy, namespace));
        here.for_each(|(_, repository)| *active.entry(repository).or_default() += 1);
        active
    }

    /// What was under way in some namespaces before this pass, by automation and repository. A task that can't be decoded is
    /// where its automation works, or anywhere.
    fn under_way(&self, is_meant: impl Fn(&str) -> bool + Copy) -> impl Iterator<Item = (ObjectKey, Option<String>)> {
        let active = self.world.active().filter(move |(key, _)| is_meant(&key.namespace));
        let active = active.map(|(_, task)| (automation_key(task), Some(folded(&task.spec.repository))));
        let place = |key: &ObjectKey| Some(folded(&self.world.automation(key)?.spec.repository));
        let unreadable = self.world.unreadable_tasks.values();
        let unreadable = unreadable.filter(move |key| is_meant(&key.namespace));
        active.chain(unreadable.map(move |key| (key.clone(), place(key))))
    }

    fn active_cap(&self, policy: &Policy, task: &AgentTask) -> Option<Binding> {
        let (spec, name) = (policy.spec(), policy.name());
        let repository = folded(&task.spec.repository);
        let (all, here) = (self.active_under(policy), self.active_in(policy, &repository));
        let own = self.active_of(&automation_key(task));
        let caps = [
            (spec.max_active, all, "maxActive", Reason::PolicyCap),
            (
                spec.max_active_per_repository,
                here,
                "maxActivePerRepository",
                Reason::RepositoryCap,
            ),
            (
                spec.max_active_per_automation,
                own,
                "maxActivePerAutomation",
                Reason::PolicyCap,
            ),
        ];
        caps.into_iter().find_map(|(max, count, rule, reason)| {
            let max = max.filter(|max| count >= i64::from(*max))?;
            let (whose, shared) = match rule {
                "maxActive" => (String::new(), Some(Shared::Active(name.to_owned()))),
                "maxActivePerRepository" => (
                    format!(" for {}", task.spec.repository),
                    Some(Shared::ActiveIn(name.to_owned(), repository.clone())),
                ),
                _ => (" for this automation".to_owned(), None),
            };
            let message = format!("the cap of AgentPolicy {name} is reached{whose} (spec.{rule} is {max})");
            Some(Binding {
                shared,
                ..Binding::new(reason, message, Some(policy.bound(rule)))
            })
        })
    }

    fn own_reviews(&self, automation: &AgentAutomation) -> Queue<'a> {
        let key = ObjectKey::of(automation);
        let mut known = self.known.borrow_mut();
        let waiting = *known.reviews.entry(key.clone()).or_insert_with(|| {
            let tasks = self.world.tasks_of(automation);
            Queue::of(tasks.filter(|task| is_in_review(task)))
        });
        waiting.with(self.taking.of(&key).pulls)
    }

    fn reviews_in(&self, repository: &str) -> Queue<'a> {
        let mut known = self.known.borrow_mut();
        let waiting = *known
            .reviews_in
            .entry(repository.to_owned())
            .or_insert_with(|| Queue::of(self.world.in_review(repository)));
        waiting.with(self.taking.within(repository).pulls)
    }

    /// What goes on with a pull request that is open adds none to the queue.
    fn review_queues(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Binding> {
        if task.spec.push_to == PushTo::PullRequest {
            return None;
        }
        let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
        let mut policies = self.world.holding(namespace);
        self.own_review_queue(automation)
            .or_else(|| policies.find_map(|policy| self.review_queue(policy, automation, task)))
    }

    fn own_review_queue(&self, automation: &AgentAutomation) -> Option<Binding> {
        let max = automation.spec.max_open_pull_requests?;
        let bound = bound_to(automation, "maxOpenPullRequests");
        let limit = format!("spec.maxOpenPullRequests is {max}");
        self.own_reviews(automation).is_full(max, &limit, bound)
    }

    fn review_queue(&self, policy: &Policy, automation: &AgentAutomation, task: &AgentTask) -> Option<Binding> {
        let (spec, name) = (policy.spec(), policy.name());
        let limit = |rule: &str, max: i32| format!("spec.{rule} of AgentPolicy {name} is {max}");
        let own = || {
            let (max, rule) = (
                spec.max_open_pull_requests_per_automation?,
                "maxOpenPullRequestsPerAutomation",
            );
            let queue = self.own_reviews(automation);
            queue.is_full(max, &limit(rule, max), policy.bound(rule))
        };
        let here = || {
            let (max, rule) = (
                spec.max_open_pull_requests_per_repository?,
                "maxOpenPullRequestsPerRepository",
            );
            let repository = folded(&task.spec.repository);
            let queue = self.reviews_in(&repository);
            let binding = queue.is_full(max, &limit(rule, max), policy.bound(rule))?;
            Some(Binding {
                shared: Some(Shared::ReviewsIn(name.to_owned(), repository)),
                ..binding
            })
        };
        own().or_else(here)
    }

    fn start_rate(&self, policy: &Policy) -> Option<Binding> {
        let max = policy.spec().max_starts_per_hour?;
        let name = policy.name();
        let mut known = self.known.borrow_mut();
        if !known.starts.contains_key(name) {
            known.starts.insert(name.to_owned(), self.recent_starts(policy));
        }
        let started = known.starts.get(name)?;
        let most = usize::try_from(max).unwrap_or(0);
        let starting = self.taking.under(self.world, policy).tasks;
        (number(started.len()) + starting >= i64::from(max)).then(|| {
            let message =
                format!("AgentPolicy {name} allows no more starts within an hour (spec.maxStartsPerHour is {max})");
            let leaves = started.len().checked_sub(most).and_then(|index| started.get(index));
            Binding {
                until: leaves.map(|at| add(*at, RATE_WINDOW)),
                shared: Some(Shared::Starts(name.to_owned())),
                ..Binding::new(Reason::StartRate, message, Some(policy.bound("maxStartsPerHour")))
            }
        })
    }

    /// When tasks of the policy's namespaces started within the hour, the oldest first.
    fn recent_starts(&self, policy: &Policy) -> Vec<Timestamp> {
        let since = self.now.saturating_sub(RATE_WINDOW).unwrap_or(Timestamp::MIN);
        let recent = self.world.started_since(since);
        let held = recent.filter(|(_, key)| self.world.holds(policy, &key.namespace));
        held.map(|(at, _)| at).collect()
    }

    fn own_budget(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Binding> {
        let budget = automation.spec.budget.as_ref()?;
        let key = automation_key(task);
        let starting = Charge::held(self.taking.of(&key).nano);
        let charge = |since| self.world.ledger().of_automation(&key, since).plus(starting);
        let limits = budget::limits(budget.credits_per_day, budget.credits_per_month);
        let mut windows = budget::windows(&TimeZone::UTC, self.now).into_iter().zip(limits);
        windows.find_map(|(window, (limit, rule))| {
            let bound = bound_to(automation, rule);
            let charge = charge(window.begins);
            exceeds(limit?, charge, self.estimate(task), window, "the automation", bound)
        })
    }

    fn budget(&self, policy: &Policy, estimate: i64) -> Option<Binding> {
        let budget = policy.spec().budget.as_ref()?;
        let name = policy.name();
        let starting = Charge::held(self.taking.under(self.world, policy).nano);
        let limits = budget::limits(budget.credits_per_day, budget.credits_per_month);
        let mut windows = budget::windows(&policy.rules.zone, self.now).into_iter().zip(limits);
        windows.find_map(|(window, (limit, rule))| {
            let charge = self.charge(policy, window.begins).plus(starting);
            let whose = format!("AgentPolicy {name}");
            Some(Binding {
                shared: Some(Shared::Budget(name.to_owned(), estimate)),
                ..exceeds(limit?, charge, estimate, window, &whose, policy.bound(rule))?
            })
        })
    }

    fn charge(&self, policy: &Policy, since: Timestamp) -> Charge {
        let mut known = self.known.borrow_mut();
        let charge = known.charges.entry((policy.name().to_owned(), since));
        *charge.or_insert_with(|| budget::of_policy(self.world, policy, since))
    }
}

impl From<Refusal> for Binding {
    fn from(refusal: Refusal) -> Self {
        Self {
            bound: refusal.bound,
            ..refusal.why.into()
        }
    }
}

impl From<Why> for Binding {
    fn from(why: Why) -> Self {
        Self {
            why,
            bound: None,
            figures: None,
            until: None,
            shared: None,
        }
    }
}

impl Binding {
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>, bound: Option<Bound>) -> Self {
        Self {
            why: Why::new(reason, message),
            bound,
            figures: None,
            until: None,
            shared: None,
        }
    }
}

/// Before this pass. What only waits is not under way, and tells when it was tried with this one.
fn load_of(world: &World, key: &CredentialKey) -> Load {
    let made = world.tasks_with(key).map(|(_, task)| task);
    let made = made.filter(|task| secret_of(task) == &key.secret);
    made.fold(Load::default(), |load, task| {
        let newest = task.status.as_ref().and_then(|status| status.attempts.last());
        Load {
            tasks: load.tasks + i64::from(counts(task)),
            last_start: load.last_start.max(newest.map(|attempt| attempt.written_at)),
        }
    })
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A rule of an automation.
#[must_use]
pub fn bound_to(automation: &AgentAutomation, rule: &str) -> Bound {
    Bound {
        kind: "AgentAutomation".to_owned(),
        name: automation.name_any(),
        generation: automation.metadata.generation.unwrap_or_default(),
        rule: format!("spec.{rule}"),
    }
}

/// Tasks about which a write to GitHub is under way, and those that the leader before this one may still start.
fn on_their_way(world: &World) -> Vec<&AgentTask> {
    let is_waiting = |task: &&AgentTask| super::world::phase(task).is_waiting();
    if world.inherited_claims.is_empty() {
        let writing = world.writing.keys().filter_map(|subject| match subject {
            Subject::Task(key) => world.task(key),
            _ => None,
        });
        return writing.filter(is_waiting).collect();
    }
    let claimed = |task: &AgentTask| world.inherited_claims.contains(&task.uid().unwrap_or_default());
    let waiting = world.waiting();
    waiting
        .filter(|(key, task)| world.writing.contains_key(&Subject::Task((*key).clone())) || claimed(task))
        .map(|(_, task)| task)
        .collect()
}

/// What is known to be in the way of a task that is taken to cost so much.
fn exceeds(
    limit: i64,
    charge: Charge,
    estimate: i64,
    window: budget::Window,
    whose: &str,
    bound: Bound,
) -> Option<Binding> {
    let wanted = charge.total().saturating_add(estimate);
    let say = super::automation::credits;
    let limit_nano = limit.saturating_mul(budget::NANO);
    if let Some(message) = never::too_small(limit, estimate, window.name, whose) {
        return Some(Binding {
            figures: Some(format!("this one may cost {}", say(estimate))),
            ..Binding::new(Reason::BudgetExhausted, message, Some(bound))
        });
    }
    // What is used up is used up, even for what is taken to cost nothing.
    (wanted > limit_nano || charge.total() >= limit_nano).then(|| {
        let message = format!(
            "the budget of {whose} for this {} is {limit} AI credits, and what is left of it is not enough for this task; \
             the {} ends at {}",
            window.name, window.name, window.ends
        );
        let figures = format!(
            "{} are spent, {} are held for tasks under way, and this one may cost {}",
            say(charge.spent),
            say(charge.reserved),
            say(estimate)
        );
        Binding {
            figures: Some(figures),
            until: Some(window.ends),
            ..Binding::new(Reason::BudgetExhausted, message, Some(bound))
        }
    })
}

/// A pull request that was found just now has neither an address nor a date yet.
fn opened(task: &AgentTask) -> (bool, Timestamp, i64) {
    let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
    (
        pull.is_none_or(|pull| pull.url.is_none()),
        pull.and_then(|pull| pull.created_at).unwrap_or(Timestamp::MAX),
        pull.and_then(|pull| pull.number).unwrap_or(i64::MAX),
    )
}

impl<'a> Queue<'a> {
    fn of(waiting: impl Iterator<Item = &'a AgentTask>) -> Self {
        let mut queue = Self::default();
        pulls::each_once(waiting).for_each(|task| queue.enter(task));
        queue
    }

    fn enter(&mut self, task: &'a AgentTask) {
        self.count += 1;
        if open_pull(task) && self.oldest.is_none_or(|oldest| opened(task) < opened(oldest)) {
            self.oldest = Some(task);
        }
    }

    /// The same with some that are about to be opened.
    fn with(mut self, more: i64) -> Self {
        self.count += more;
        self
    }

    fn is_full(&self, max: i32, limit: &str, bound: Bound) -> Option<Binding> {
        (self.count >= i64::from(max)).then(|| {
            let pull = self.oldest.and_then(|task| task.status.as_ref()?.pull_request.as_ref());
            let oldest = match pull.and_then(|pull| pull.url.as_deref()) {
                Some(url) => format!("the oldest is {url}"),
                None => "tasks under way are about to open one".to_owned(),
            };
            let message =
                format!("as many pull requests wait for people as may ({limit}); {oldest}: review, merge or close it");
            Binding {
                figures: Some(format!("{} are open or about to be", self.count)),
                ..Binding::new(Reason::ReviewQueue, message, Some(bound))
            }
        })
    }
}
