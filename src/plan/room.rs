//! What room the caps leave: what is under way, and which cap binds a task now.
//!
//! Each policy that holds is asked, so the narrowest wins. What one pass starts counts at once. The first cap that binds is
//! told: the automation's own, then active tasks, review queues, the rate of starts, budgets.

mod limits;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::task::Bound;
use crate::api::{AgentAutomation, AgentTask, Reason};

use super::budget::{self, Charge};
use super::policy::Policy;
use super::time::{add, pending};
use super::world::{CredentialKey, ObjectKey, World, automation_key, folded, open_pull};
use super::{Settings, Why};

pub use limits::{Limit, Unit};

const RATE_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// What is in a task's way.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    pub why: Why,
    pub bound: Option<Bound>,
    /// When it may be out of the way by the passing of time alone.
    pub until: Option<Timestamp>,
}

/// What is under way, and so what room the caps leave.
pub struct Room<'a> {
    world: &'a World,
    settings: &'a Settings,
    now: Timestamp,
    active: Active,
    by_policy: BTreeMap<String, Active>,
    /// Tasks that will start and are not written ahead yet.
    taken: Vec<Taken>,
    credentials: BTreeSet<CredentialKey>,
    pulls: PullQueues<'a>,
}

#[derive(Default)]
struct Active {
    all: i64,
    by_automation: BTreeMap<ObjectKey, i64>,
    by_repository: BTreeMap<String, i64>,
}

struct Taken {
    automation: ObjectKey,
    nano: i64,
}

/// Pull requests that wait for people, and tasks that are about to open one.
#[derive(Default)]
struct PullQueues<'a> {
    by_automation: BTreeMap<ObjectKey, Queue<'a>>,
    by_repository: BTreeMap<String, Queue<'a>>,
}

#[derive(Default)]
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
            active: Active::default(),
            by_policy: BTreeMap::new(),
            taken: Vec::new(),
            credentials: world.writing.values().cloned().collect(),
            pulls: PullQueues::default(),
        };
        world.open_pulls().for_each(|(_, task)| room.pulls.enter(task, true));
        world.active().for_each(|(_, task)| room.enter(task));
        for automation in world.unreadable_tasks.values() {
            room.count(automation, None);
        }
        let claimed = |task: &AgentTask| world.inherited_claims.contains(&task.uid().unwrap_or_default());
        let started = |key: &ObjectKey| world.writing.contains_key(key);
        let on_their_way = world.waiting().filter(|(key, task)| started(key) || claimed(task));
        on_their_way.for_each(|(_, task)| room.take(task));
        room
    }

    /// The task starts.
    pub fn take(&mut self, task: &'a AgentTask) {
        self.enter(task);
        let automation = automation_key(task);
        let nano = self.estimate(task);
        self.taken.push(Taken { automation, nano });
        self.credentials.insert(CredentialKey::of_task(task));
    }

    /// What the task is taken to cost, in billionths of a credit.
    #[must_use]
    pub fn estimate(&self, task: &AgentTask) -> i64 {
        let automation = self.world.automation_of(task);
        automation
            .filter(|automation| budget::is_budgeted(self.world, automation))
            .map_or(0, |automation| budget::estimate(self.world, automation))
    }

    /// Active tasks of an automation.
    #[must_use]
    pub fn active_of(&self, automation: &ObjectKey) -> i64 {
        self.active.by_automation.get(automation).copied().unwrap_or(0)
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

    /// The cap that holds the task now, other than its automation's own.
    #[must_use]
    pub fn binds(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Binding> {
        let policies: Vec<_> = self.world.holding(&task.namespace().unwrap_or_default()).collect();
        let first = |ask: &dyn Fn(&Policy) -> Option<Binding>| policies.iter().find_map(|policy| ask(policy));
        first(&|policy| self.active_cap(policy, task))
            .or_else(|| self.own_review_queue(automation, task))
            .or_else(|| first(&|policy| self.review_queue(policy, task)))
            .or_else(|| first(&|policy| self.start_rate(policy)))
            .or_else(|| self.own_budget(automation, task))
            .or_else(|| first(&|policy| self.budget(policy, task)))
    }

    /// Until when the task's credential writes something else; `Some(None)` when that is not known. GitHub asks for writes
    /// one at a time and a second apart.
    #[must_use]
    pub fn paced(&self, task: &AgentTask) -> Option<Option<Timestamp>> {
        let key = CredentialKey::of_task(task);
        if self.credentials.contains(&key) {
            return Some(None);
        }
        let next = self
            .world
            .credentials
            .get(&key)
            .and_then(|credential| credential.next_write);
        pending(next, self.settings.write_interval, self.now).map(Some)
    }

    fn enter(&mut self, task: &'a AgentTask) {
        self.count(&automation_key(task), Some(&task.spec.repository));
        if !open_pull(task) && task.spec.pull_request.create {
            self.pulls.enter(task, false);
        }
    }

    fn count(&mut self, automation: &ObjectKey, repository: Option<&str>) {
        for policy in self.world.holding(&automation.namespace) {
            let active = self.by_policy.entry(policy.name()).or_default();
            active.count(automation, repository);
        }
        self.active.count(automation, repository);
    }

    fn active_cap(&self, policy: &Policy, task: &AgentTask) -> Option<Binding> {
        let (spec, name) = (policy.spec(), policy.name());
        let repository = &task.spec.repository;
        let active = self.by_policy.get(&name);
        let all = active.map_or(0, |active| active.all);
        let of = |count: Option<&i64>| count.copied().unwrap_or(0);
        let here = active.map_or(0, |active| of(active.by_repository.get(&folded(repository))));
        let own = active.map_or(0, |active| of(active.by_automation.get(&automation_key(task))));
        let caps = [
            (spec.max_active, all, "maxActive", Reason::PolicyCap, String::new()),
            (
                spec.max_active_per_repository,
                here,
                "maxActivePerRepository",
                Reason::RepositoryCap,
                format!(" for {repository}"),
            ),
            (
                spec.max_active_per_automation,
                own,
                "maxActivePerAutomation",
                Reason::PolicyCap,
                " for this automation".to_owned(),
            ),
        ];
        caps.into_iter().find_map(|(max, count, rule, reason, whose)| {
            let max = max.filter(|max| count >= i64::from(*max))?;
            let message = format!("the cap of AgentPolicy {name} is reached{whose} (spec.{rule} is {max})");
            Some(Binding::new(reason, message, Some(policy.bound(rule))))
        })
    }

    fn own_review_queue(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Binding> {
        let max = automation.spec.max_open_pull_requests?;
        let queue = self.pulls.by_automation.get(&automation_key(task))?;
        let bound = bound_to(automation, "maxOpenPullRequests");
        queue.is_full(max, &format!("spec.maxOpenPullRequests is {max}"), bound)
    }

    fn review_queue(&self, policy: &Policy, task: &AgentTask) -> Option<Binding> {
        let spec = policy.spec();
        let own = self.pulls.by_automation.get(&automation_key(task));
        let here = self.pulls.by_repository.get(&folded(&task.spec.repository));
        let caps = [
            (
                spec.max_open_pull_requests_per_automation,
                own,
                "maxOpenPullRequestsPerAutomation",
            ),
            (
                spec.max_open_pull_requests_per_repository,
                here,
                "maxOpenPullRequestsPerRepository",
            ),
        ];
        caps.into_iter().find_map(|(max, queue, rule)| {
            let (max, queue) = (max?, queue?);
            let limit = format!("spec.{rule} of AgentPolicy {} is {max}", policy.name());
            queue.is_full(max, &limit, policy.bound(rule))
        })
    }

    fn start_rate(&self, policy: &Policy) -> Option<Binding> {
        let max = policy.spec().max_starts_per_hour?;
        let (started, taken) = self.starts_within_the_hour(policy);
        let most = usize::try_from(max).unwrap_or(0);
        (started.len() + taken >= most).then(|| {
            let message = format!(
                "AgentPolicy {} allows {max} starts within an hour (spec.maxStartsPerHour)",
                policy.name()
            );
            let leaves = started.len().checked_sub(most).and_then(|index| started.get(index));
            Binding {
                until: leaves.map(|at| add(*at, RATE_WINDOW)),
                ..Binding::new(Reason::StartRate, message, Some(policy.bound("maxStartsPerHour")))
            }
        })
    }

    /// When tasks of the policy's namespaces started, the oldest first, and how many are about to.
    fn starts_within_the_hour(&self, policy: &Policy) -> (Vec<Timestamp>, usize) {
        let since = self.now.saturating_sub(RATE_WINDOW).unwrap_or(Timestamp::MIN);
        let holds = |namespace: &str| self.world.holds(policy, namespace);
        let recent = self.world.started_since(since);
        let started = recent
            .filter(|(_, task)| holds(&task.namespace().unwrap_or_default()))
            .map(|(at, _)| at)
            .collect();
        let taken = self
            .taken
            .iter()
            .filter(|taken| holds(&taken.automation.namespace))
            .count();
        (started, taken)
    }

    /// What the tasks that are about to start may cost a policy.
    fn taken_under(&self, policy: &Policy) -> i64 {
        let taken = self
            .taken
            .iter()
            .filter(|taken| self.world.holds(policy, &taken.automation.namespace));
        taken.map(|taken| taken.nano).sum()
    }

    fn own_budget(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Binding> {
        let budget = automation.spec.budget.as_ref()?;
        let key = automation_key(task);
        let taken = self.taken.iter().filter(|taken| taken.automation == key);
        let taken: i64 = taken.map(|taken| taken.nano).sum();
        let windows = budget::windows(&jiff::tz::TimeZone::UTC, self.now);
        let limits = [
            (budget.credits_per_day, "budget.creditsPerDay"),
            (budget.credits_per_month, "budget.creditsPerMonth"),
        ];
        windows.into_iter().zip(limits).find_map(|(window, (limit, rule))| {
            let charge = self.world.ledger().of_automation(&key, window.begins);
            let bound = bound_to(automation, rule);
            self.exceeds(limit?, charge, taken, task, window, "the automation", bound)
        })
    }

    fn budget(&self, policy: &Policy, task: &AgentTask) -> Option<Binding> {
        let budget = policy.spec().budget.as_ref()?;
        let taken = self.taken_under(policy);
        let windows = budget::windows(&policy.rules.zone, self.now);
        let limits = [
            (budget.credits_per_day, "budget.creditsPerDay"),
            (budget.credits_per_month, "budget.creditsPerMonth"),
        ];
        windows.into_iter().zip(limits).find_map(|(window, (limit, rule))| {
            let charge = budget::of_policy(self.world, policy, window.begins);
            let whose = format!("AgentPolicy {}", policy.name());
            self.exceeds(limit?, charge, taken, task, window, &whose, policy.bound(rule))
        })
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is one comparison and its sentence")]
    fn exceeds(
        &self,
        limit: i64,
        charge: Charge,
        taken: i64,
        task: &AgentTask,
        window: budget::Window,
        whose: &str,
        bound: Bound,
    ) -> Option<Binding> {
        let estimate = self.estimate(task);
        let reserved = charge.reserved.saturating_add(taken);
        let wanted = charge.spent.saturating_add(reserved).saturating_add(estimate);
        (wanted > limit.saturating_mul(budget::NANO)).then(|| {
            let say = super::automation::credits;
            let message = format!(
                "the budget of {whose} for this {} is {limit} AI credits: {} are spent, {} are held for tasks under way, \
                 and this one may cost {}; the {} ends at {}",
                window.name,
                say(charge.spent),
                say(reserved),
                say(estimate),
                window.name,
                window.ends
            );
            Binding {
                until: Some(window.ends),
                ..Binding::new(Reason::BudgetExhausted, message, Some(bound))
            }
        })
    }
}

impl Binding {
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>, bound: Option<Bound>) -> Self {
        Self {
            why: Why::new(reason, message),
            bound,
            until: None,
        }
    }
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

impl Active {
    fn count(&mut self, automation: &ObjectKey, repository: Option<&str>) {
        self.all += 1;
        *self.by_automation.entry(automation.clone()).or_default() += 1;
        if let Some(repository) = repository {
            *self.by_repository.entry(folded(repository)).or_default() += 1;
        }
    }
}

impl<'a> PullQueues<'a> {
    /// One that is not open yet counts as well: it is about to be.
    fn enter(&mut self, task: &'a AgentTask, open: bool) {
        let queues = [
            self.by_automation.entry(automation_key(task)).or_default(),
            self.by_repository.entry(folded(&task.spec.repository)).or_default(),
        ];
        for queue in queues {
            queue.count += 1;
            if open && queue.oldest.is_none_or(|oldest| opened(task) < opened(oldest)) {
                queue.oldest = Some(task);
            }
        }
    }
}

fn opened(task: &AgentTask) -> (Option<Timestamp>, i64) {
    let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
    (
        pull.and_then(|pull| pull.created_at),
        pull.and_then(|pull| pull.number).unwrap_or(i64::MAX),
    )
}

impl Queue<'_> {
    fn is_full(&self, max: i32, limit: &str, bound: Bound) -> Option<Binding> {
        (self.count >= i64::from(max)).then(|| {
            let pull = self.oldest.and_then(|task| task.status.as_ref()?.pull_request.as_ref());
            let oldest = match pull.and_then(|pull| pull.url.as_deref()) {
                Some(url) => format!("the oldest is {url}"),
                None => "tasks under way are about to open one".to_owned(),
            };
            let message = format!(
                "{} pull requests are open or about to be ({limit}); {oldest}: review, merge or close it",
                self.count
            );
            Binding::new(Reason::ReviewQueue, message, Some(bound))
        })
    }
}
