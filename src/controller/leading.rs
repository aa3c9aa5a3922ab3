//! What a leader does: it takes news in, plans what the news is about, and carries the plans out, any number at once but
//! one for each subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::api::task::Phase;
use crate::api::{AgentTask, Reason};
use crate::execute::{Done, Executor, Failure, Leadership, Step};
use crate::observe::{Update, apply};
use crate::plan::credential::add;
use crate::plan::world::phase;
use crate::plan::{Action, CredentialKey, ObjectKey, Planned, Subject, World, admission, automation, credential, task};

use super::events::Teller;
use super::lease::Lease;
use super::metrics::Metrics;
use super::watching::{Kind, News, watch};
use super::{Controller, Shutdown, stopped};

/// The clock may be set while a timer runs, so it is looked at this often.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);
/// What is under way when the process is asked to stop has this long to end.
const DRAIN: Duration = Duration::from_secs(25);
/// The most news taken in before planning.
const BATCH: usize = 1_000;
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);
const LAST_RETRY: SignedDuration = SignedDuration::from_secs(60);

/// One term of leadership.
pub(super) struct Leading<'a> {
    controller: &'a Controller,
    executor: Arc<Executor>,
    world: World,
    watches: BoxStream<'static, News>,
    in_flight: FuturesUnordered<BoxFuture<'static, Ended>>,
    telling: FuturesUnordered<BoxFuture<'static, ()>>,
    teller: Teller,
    dirty: BTreeSet<Subject>,
    timers: Timers,
    failures: BTreeMap<Subject, Retry>,
    /// Kinds whose first list is not complete: nothing is planned before.
    unlisted: BTreeSet<Kind>,
    /// The keys of a list under way.
    listing: BTreeMap<Kind, BTreeSet<ObjectKey>>,
}

/// The steps of one subject, done.
struct Ended {
    subject: Subject,
    /// Whether the subject was busy with them.
    busy: bool,
    /// What its task said when they were planned. By now a watch may have brought what they wrote.
    said: Option<Said>,
    done: Vec<(&'static str, Done)>,
}

type Said = (Phase, Option<Reason>);

#[derive(Default)]
struct Retry {
    times: u32,
    not_before: Timestamp,
}

/// When each subject is looked at again.
#[derive(Default)]
struct Timers {
    by_time: BTreeSet<(Timestamp, Subject)>,
    by_subject: BTreeMap<Subject, Timestamp>,
}

impl<'a> Leading<'a> {
    pub(super) fn new(controller: &'a Controller, executor: Executor, inherited: Vec<String>) -> Self {
        let mut world = World::default();
        world.inherited_claims.extend(inherited);
        Self {
            watches: watch(&controller.client),
            teller: Teller::new(controller.client.clone(), &controller.identity),
            controller,
            executor: Arc::new(executor),
            world,
            in_flight: FuturesUnordered::new(),
            telling: FuturesUnordered::new(),
            dirty: BTreeSet::new(),
            timers: Timers::default(),
            failures: BTreeMap::new(),
            unlisted: Kind::ALL.into(),
            listing: BTreeMap::new(),
        }
    }

    /// Leads until the lease is lost or the process is asked to stop, and then ends what is under way.
    pub(super) async fn run(mut self, lease: &Lease, shutdown: &mut Shutdown) {
        let mut kept = Box::pin(lease.keep().fuse());
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stopped(shutdown) => break,
                () = &mut kept => break,
                Some(ended) = self.in_flight.next() => self.end(ended, lease),
                Some(news) = self.watches.next() => self.hear(news),
                Some(()) = self.telling.next() => continue,
                () = sleep_until(wake) => {}
            }
            self.take_ready(lease);
            self.plan();
        }
        let until = Instant::now() + DRAIN;
        let drained = async {
            while let Some(ended) = self.in_flight.next().await {
                self.end(ended, lease);
            }
            while self.telling.next().await.is_some() {}
        };
        tokio::select! {
            biased;
            _ = timeout_at(until, drained) => {}
            () = renewing(kept) => {}
        }
    }

    fn now(&self) -> Timestamp {
        (self.controller.clock)()
    }

    fn metrics(&self) -> &Metrics {
        &self.controller.metrics
    }

    fn wake(&self) -> Instant {
        let look = Instant::now() + LOOK_AT_CLOCK;
        let Some((next, _)) = self.timers.by_time.first() else {
            return look;
        };
        let left = Duration::try_from(next.duration_since(self.now())).unwrap_or_default();
        look.min(Instant::now() + left)
    }

    /// Takes in all that is there already, so that a burst is planned for once.
    fn take_ready(&mut self, lease: &Lease) {
        for _ in 0..BATCH {
            if let Some(ended) = self.in_flight.next().now_or_never().flatten() {
                self.end(ended, lease);
            } else if let Some(news) = self.watches.next().now_or_never().flatten() {
                self.hear(news);
            } else {
                return;
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Update(update) => self.learn(update),
            News::ListBegins(kind) => {
                self.listing.insert(kind, BTreeSet::new());
            }
            News::Listed(kind, key) => {
                self.listing.entry(kind).or_default().insert(key);
            }
            News::ListEnds(kind) => self.listed(kind),
            News::Undecodable(kind, key, error) => {
                self.metrics().undecodable(kind.as_str());
                tracing::warn!(kind = kind.as_str(), object = %key, %error, "an object can't be decoded; it is passed over");
            }
            News::Failed(kind, error) => {
                tracing::warn!(kind = kind.as_str(), %error, "a watch failed; it is tried again");
            }
        }
    }

    /// What a whole list does not name is gone. A task is read once more: it may be newer than the list.
    fn listed(&mut self, kind: Kind) {
        let named = self.listing.remove(&kind).unwrap_or_default();
        let known: Vec<_> = match kind {
            Kind::Automation => self.world.automations().map(|(key, _)| key.clone()).collect(),
            Kind::Policy => self.world.policies().map(ObjectKey::of).collect(),
            Kind::Task => self.world.tasks().map(|(key, _)| key.clone()).collect(),
        };
        for key in known.into_iter().filter(|key| !named.contains(key)) {
            match kind {
                Kind::Automation => self.learn(Update::AutomationGone(key)),
                Kind::Policy => self.learn(Update::PolicyGone(key.name)),
                Kind::Task => self.refresh(key),
            }
        }
        self.unlisted.remove(&kind);
    }

    fn refresh(&mut self, key: ObjectKey) {
        let (executor, subject) = (self.executor.clone(), Subject::Task(key.clone()));
        self.in_flight.push(Box::pin(async move {
            let done = vec![("Refresh", executor.refresh_task(&key).await)];
            Ended {
                subject,
                busy: false,
                said: None,
                done,
            }
        }));
    }

    fn learn(&mut self, update: Update) {
        if let Update::Task(task) = &update {
            let key = ObjectKey::of(&**task);
            let before = self.world.task(&key).map(|task| phase(task).as_str());
            self.dirty.extend(apply(&mut self.world, update));
            let after = self.world.task(&key).map(|task| phase(task).as_str());
            self.metrics().moved(before, after);
        } else if let Update::TaskGone(key) = &update {
            let before = self.world.task(key).map(|task| phase(task).as_str());
            self.dirty.extend(apply(&mut self.world, update));
            self.metrics().moved(before, None);
        } else {
            self.dirty.extend(apply(&mut self.world, update));
        }
    }

    fn end(&mut self, ended: Ended, lease: &Lease) {
        let Ended {
            subject,
            busy,
            said,
            done,
        } = ended;
        if busy {
            self.world.busy.remove(&subject);
            if let Subject::Task(key) = &subject {
                self.world.starting.remove(key);
            }
        }
        self.dirty.insert(subject.clone());
        let mut failed = false;
        for (action, done) in done {
            let result = done.failure.as_ref().map_or("ok", Failure::category);
            self.metrics().acted(action, result);
            for update in done.updates {
                if busy {
                    self.tell(action, said, &update);
                }
                self.learn(update);
            }
            if let Some(failure) = done.failure {
                failed = true;
                self.fail(&subject, action, &failure);
            }
        }
        if !failed {
            self.failures.remove(&subject);
        }
        self.unclaim(&subject, lease);
    }

    fn fail(&mut self, subject: &Subject, action: &'static str, failure: &Failure) {
        tracing::warn!(%subject, action, error = %failure, "an action did not get through; it is planned again");
        let now = self.now();
        let retry = self.failures.entry(subject.clone()).or_default();
        let wait = (FIRST_RETRY * 2_i32.pow(retry.times.min(6))).min(LAST_RETRY);
        retry.times = retry.times.saturating_add(1);
        retry.not_before = add(now, wait);
    }

    /// An inherited claim ends when the task has been written by us, or can't be started any more.
    fn unclaim(&mut self, subject: &Subject, lease: &Lease) {
        let Subject::Task(key) = subject else { return };
        let Some(task) = self.world.task(key) else { return };
        let uid = task.metadata.uid.clone().unwrap_or_default();
        let fenced = !phase(task).is_waiting() || is_fenced(task);
        if fenced && self.world.inherited_claims.remove(&uid) {
            lease.release(&uid);
        }
    }

    /// Tells of a change that this process made.
    fn tell(&mut self, action: &'static str, said: Option<Said>, update: &Update) {
        let Update::Task(task) = update else { return };
        let Some(status) = &task.status else { return };
        if said == Some((status.phase, status.reason)) {
            return;
        }
        let reason = status.reason.map_or("", |reason| reason.as_str());
        tracing::info!(
            task = %ObjectKey::of(&**task),
            phase = status.phase.as_str(),
            reason,
            id = status.task.as_ref().map(|task| task.id.as_str()),
            message = status.message.as_deref(),
            "task"
        );
        self.controller.metrics.decided(status.phase.as_str(), reason);
        if action == "Start" && status.phase == Phase::Running {
            let delay = self.now().duration_since(task.spec.trigger.scheduled_time);
            self.controller.metrics.started_after(delay.as_secs_f64());
        }
        if let Some(event) = self.teller.tell(task) {
            self.telling.push(event);
        }
    }

    /// Plans what has changed and what is due. Admission comes first: what it starts is not summed up before.
    fn plan(&mut self) {
        if !self.unlisted.is_empty() {
            return;
        }
        let now = self.now();
        self.dirty.extend(self.timers.due(now));
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.is_empty() {
            return;
        }
        for (subject, planned) in admission::plan(&self.world, now) {
            self.dispatch(subject, planned, now);
        }
        for subject in dirty {
            let planned = self.plan_one(&subject, now);
            self.dispatch(subject, planned, now);
        }
    }

    fn plan_one(&self, subject: &Subject, now: Timestamp) -> Planned {
        let settings = &self.controller.settings;
        match subject {
            Subject::Automation(key) => automation::plan(&self.world, key, settings, now),
            Subject::Task(key) => task::plan(&self.world, key, settings, now),
            Subject::Credential(key) => credential::plan(&self.world, key, settings, now),
            Subject::Repository(key, name) => credential::plan_verification(&self.world, key, name, settings, now),
        }
    }

    fn dispatch(&mut self, subject: Subject, planned: Planned, now: Timestamp) {
        if let Some(wake) = planned.wake {
            self.timers.set(&subject, wake);
        }
        if planned.actions.is_empty() || self.world.busy.contains(&subject) {
            return;
        }
        if let Some(retry) = self.failures.get(&subject).filter(|retry| retry.not_before > now) {
            self.timers.set(&subject, retry.not_before);
            return;
        }
        self.prepare(&subject, &planned.actions, now);
        let steps: Vec<Step> = planned
            .actions
            .into_iter()
            .map(|action| Step::new(&self.world, subject.clone(), action))
            .collect();
        self.world.busy.insert(subject.clone());
        let (executor, said) = (self.executor.clone(), self.said(&subject));
        self.in_flight.push(Box::pin(carry_out(executor, subject, said, steps)));
    }

    fn said(&self, subject: &Subject) -> Option<Said> {
        let Subject::Task(key) = subject else { return None };
        let status = self.world.task(key)?.status.as_ref()?;
        Some((status.phase, status.reason))
    }

    /// What the plan stands on until the action has ended.
    fn prepare(&mut self, subject: &Subject, actions: &[Action], now: Timestamp) {
        for action in actions {
            match (action, subject) {
                (Action::Start, Subject::Task(key)) => {
                    let Some(task) = self.world.task(key) else { continue };
                    let credential = CredentialKey::of_task(task);
                    let next = add(now, self.controller.settings.write_interval);
                    self.world.credentials.entry(credential.clone()).or_default().next_write = Some(next);
                    self.world.starting.insert(key.clone(), credential);
                }
                (Action::WriteAutomationStatus(status), Subject::Automation(key)) => {
                    let before = self
                        .world
                        .automation(key)
                        .and_then(|automation| automation.status.as_ref());
                    let missed = status.missed_runs - before.map_or(0, |status| status.missed_runs);
                    self.metrics().missed(u64::try_from(missed).unwrap_or(0));
                }
                _ => {}
            }
        }
    }
}

impl Timers {
    fn set(&mut self, subject: &Subject, time: Timestamp) {
        if let Some(before) = self.by_subject.insert(subject.clone(), time) {
            self.by_time.remove(&(before, subject.clone()));
        }
        self.by_time.insert((time, subject.clone()));
    }

    fn due(&mut self, now: Timestamp) -> Vec<Subject> {
        let mut due = Vec::new();
        while let Some((time, _)) = self.by_time.first()
            && *time <= now
            && let Some((_, subject)) = self.by_time.pop_first()
        {
            self.by_subject.remove(&subject);
            due.push(subject);
        }
        due
    }
}

/// In their order, and no further than the first that fails.
async fn carry_out(executor: Arc<Executor>, subject: Subject, said: Option<Said>, steps: Vec<Step>) -> Ended {
    let mut all = Vec::new();
    for step in steps {
        let name = step.action.name();
        let done = executor.carry_out(step).await;
        let failed = done.failure.is_some();
        all.push((name, done));
        if failed {
            break;
        }
    }
    Ended {
        subject,
        busy: true,
        said,
        done: all,
    }
}

/// The lease is kept while the last actions end; losing it then ends nothing early.
async fn renewing(kept: impl Future<Output = ()>) {
    kept.await;
    futures::future::pending::<()>().await;
}

/// Whether the last thing that was written is that an attempt of an earlier leader can't happen any more.
fn is_fenced(task: &AgentTask) -> bool {
    use crate::api::task::AttemptOutcome::NotSent;
    let attempts = task
        .status
        .as_ref()
        .map(|status| status.attempts.as_slice())
        .unwrap_or_default();
    attempts
        .last()
        .is_some_and(|attempt| attempt.outcome == Some(NotSent) && attempt.written_by.is_empty())
}
