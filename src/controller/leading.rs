//! What a leader does: it takes news in, plans what the news is about, and carries the plans out, any number at once but
//! one for each subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::api::AgentTask;
use crate::api::task::{AUTOMATION_LABEL, Phase};
use crate::execute::{Done, Executor, Failure, Leadership, Step};
use crate::observe::{Update, about_events, apply};
use crate::plan::queue::Queue;
use crate::plan::sweep::next_look;
use crate::plan::time::{LONGEST_RETRY, add, backoff, pending};
use crate::plan::world::{Retry, Writing};
use crate::plan::{Action, CredentialKey, ObjectKey, Planned, Subject, World, plan};

use super::events::{Stood, Teller};
use super::lease::Lease;
use super::metrics::{Metrics, Seen};
use super::secrets::Secrets;
use super::timers::Timers;
use super::watching::{Kind, News, absent, watch};
use super::{Controller, Shutdown, stopped};

/// The clock may be set while a timer runs, so it is looked at this often.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);
/// What is under way when the process is asked to stop has this long to end.
const DRAIN: Duration = Duration::from_secs(25);
/// The most news taken in before planning.
const BATCH: usize = 1_000;
/// Between two looks at a task that a list did not name.
const REFRESH_RETRY: Duration = Duration::from_secs(5);

/// One term of leadership.
pub(super) struct Leading<'a> {
    controller: &'a Controller,
    executor: Arc<Executor>,
    world: World,
    watches: BoxStream<'static, News>,
    in_flight: FuturesUnordered<BoxFuture<'static, Ended>>,
    telling: FuturesUnordered<BoxFuture<'static, ()>>,
    teller: Teller,
    queue: Queue,
    dirty: BTreeSet<Subject>,
    timers: Timers,
    /// Kinds whose first list is not complete: nothing is planned before.
    unlisted: BTreeSet<Kind>,
    /// The keys of a list under way.
    listing: BTreeMap<Kind, BTreeSet<ObjectKey>>,
    secrets: Secrets,
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

/// What an object said when something was planned for it.
#[derive(Clone)]
enum Said {
    Task(Seen),
    Automation(Stood),
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
            queue: Queue::default(),
            dirty: BTreeSet::new(),
            timers: Timers::default(),
            unlisted: Kind::ALL.into(),
            listing: BTreeMap::new(),
            secrets: Secrets::new(controller.client.clone()),
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
                Some(secret) = self.secrets.next() => self.learn(Update::SecretChanged(secret)),
                Some(()) = self.telling.next() => continue,
                () = sleep_until(wake) => {}
            }
            self.take_ready(lease);
            self.plan(lease);
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
        self.uncount();
    }

    /// The tasks are for the next leader to tell of, and this process may lead again.
    fn uncount(&self) {
        for (_, task) in self.world.tasks() {
            self.metrics().moved(Some(Seen::of(task)), None);
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
        let Some(next) = self.timers.first() else {
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
            News::Undecodable(kind, metadata, error) => self.pass_over(kind, &metadata, &error),
            News::Failed(kind, error) => {
                tracing::warn!(kind = kind.as_str(), %error, "a watch failed; it is tried again");
            }
        }
    }

    /// An object that can't be decoded stalls no other, but what it may forbid or run counts.
    fn pass_over(&mut self, kind: Kind, metadata: &ObjectMeta, error: &str) {
        let name = metadata.name.clone().unwrap_or_default();
        let key = ObjectKey::new(metadata.namespace.clone().unwrap_or_default(), name.clone());
        self.metrics().undecodable(kind.as_str());
        tracing::warn!(kind = kind.as_str(), object = %key, error, "an object can't be decoded; it is passed over");
        match kind {
            Kind::Namespace | Kind::WebhookSource => {}
            Kind::Automation => self.learn(Update::AutomationUnreadable(key)),
            Kind::Policy => self.learn(Update::PolicyUnreadable(name)),
            Kind::Task => {
                let label = metadata.labels.as_ref().and_then(|labels| labels.get(AUTOMATION_LABEL));
                let automation = ObjectKey::new(key.namespace.clone(), label.cloned().unwrap_or_default());
                self.learn(Update::TaskUnreadable(key, automation));
            }
        }
    }

    /// What a whole list does not name is gone. A task is read once more: it may be newer than the list.
    fn listed(&mut self, kind: Kind) {
        let named = self.listing.remove(&kind).unwrap_or_default();
        for update in absent(&self.world, kind, &named) {
            self.learn(update);
        }
        if kind == Kind::Automation {
            self.world.unreadable_automations.retain(|key| named.contains(key));
        }
        if kind == Kind::Task {
            let unreadable = self.world.unreadable_tasks.keys().filter(|key| !named.contains(key));
            for key in unreadable.cloned().collect::<Vec<_>>() {
                self.learn(Update::TaskGone(key, String::new()));
            }
            for task in self.absent_tasks(&named) {
                self.refresh(task);
            }
        }
        self.unlisted.remove(&kind);
        self.world.is_complete = self.unlisted.is_empty();
    }

    fn absent_tasks(&self, named: &BTreeSet<ObjectKey>) -> Vec<AgentTask> {
        let absent = self.world.tasks().filter(|(key, _)| !named.contains(key));
        absent.map(|(_, task)| task.clone()).collect()
    }

    fn refresh(&mut self, task: AgentTask) {
        let (executor, subject) = (self.executor.clone(), Subject::Task(ObjectKey::of(&task)));
        self.in_flight.push(Box::pin(async move {
            loop {
                let done = executor.refresh_task(&task).await;
                if done.failure.is_none() {
                    return Ended {
                        subject,
                        busy: false,
                        said: None,
                        done: vec![("Refresh", done)],
                    };
                }
                sleep(REFRESH_RETRY).await;
            }
        }));
    }

    fn learn(&mut self, update: Update) {
        let key = match &update {
            Update::Task(task) | Update::TaskWritten(task) => Some(ObjectKey::of(&**task)),
            Update::TaskGone(key, _) => Some(key.clone()),
            _ => None,
        };
        let seen = |world: &World| key.as_ref().and_then(|key| world.task(key)).map(Seen::of);
        let before = seen(&self.world);
        self.dirty.extend(apply(&mut self.world, update));
        self.controller.metrics.moved(before, seen(&self.world));
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
            self.world.writing.remove(&subject);
            if let Subject::Credential(key) = &subject {
                self.world.exchanging.remove(key);
            }
        }
        self.dirty.insert(subject.clone());
        let mut failed = None;
        for (action, done) in done {
            let is_written = done
                .updates
                .iter()
                .any(|update| matches!(update, Update::StatusWritten(..)));
            let result = done.failure.as_ref().map_or("ok", Failure::category);
            self.metrics().acted(action, result);
            for update in done.updates {
                match (&update, &said) {
                    (Update::TaskWritten(task), said) => {
                        self.unclaim(task, lease);
                        let said = match said {
                            Some(Said::Task(seen)) => Some(*seen),
                            Some(Said::Automation(_)) | None => None,
                        };
                        self.tell(action, said, task);
                    }
                    (Update::Automation(automation), Some(Said::Automation(stood))) => {
                        if is_written {
                            self.metrics().missed(stood.missed_until(automation));
                            self.metrics().unseen(stood.unseen_until(automation));
                        }
                        self.telling.extend(self.teller.tell_of_automation(stood, automation));
                    }
                    _ => {}
                }
                self.learn(update);
            }
            if let Some(failure) = done.failure {
                tracing::warn!(%subject, action, error = %failure, "an action did not get through; it is planned again");
                failed = Some(failure);
            }
        }
        if let (Subject::Events(key, repository), Some(_)) = (&subject, &failed) {
            // They tell of tasks that can't be created.
            self.dirty.extend(about_events(&self.world, key, repository));
        }
        let now = self.now();
        settle(&mut self.world.retries, subject, busy, failed.as_ref(), now);
    }

    /// What the leader before this one wrote ahead of a task that we have written to can't arrive any more.
    fn unclaim(&mut self, task: &AgentTask, lease: &Lease) {
        let uid = task.uid().unwrap_or_default();
        if self.world.inherited_claims.remove(&uid) {
            lease.release(&uid);
        }
    }

    /// What was claimed of tasks that do not wait any more has been written or never will be.
    fn settle_claims(&mut self, lease: &Lease) {
        if self.world.inherited_claims.is_empty() {
            return;
        }
        let waiting: BTreeSet<_> = self.world.waiting().filter_map(|(_, task)| task.uid()).collect();
        self.world.inherited_claims.retain(|uid| {
            let waits = waiting.contains(uid);
            if !waits {
                lease.release(uid);
            }
            waits
        });
    }

    /// Tells of a change that this process made.
    fn tell(&mut self, action: &'static str, said: Option<Seen>, task: &AgentTask) {
        let Some(status) = &task.status else { return };
        let seen = Seen::of(task);
        if let Some(said) = said {
            let created = task.creation_timestamp().map_or(Timestamp::MAX, |time| time.0);
            self.metrics().wrote(said, seen, self.now().duration_since(created));
            let (is, was) = (seen.pull, said.pull);
            if is.is_stale && !was.is_stale || is.is_closed_as_stale && !was.is_closed_as_stale {
                self.telling.extend(self.teller.tell_of_stale(task));
            }
            if is.is_refused && !was.is_refused {
                self.telling.extend(self.teller.tell_of_refusal(task));
            }
            if seen.refused_reports > said.refused_reports {
                self.telling.extend(self.teller.tell_of_report(task));
            }
            if seen.dead_letters > said.dead_letters {
                self.telling.extend(self.teller.tell_of_undelivered(task));
            }
        }
        if said.map(|said| (said.phase, said.reason)) == Some((status.phase, status.reason)) {
            return;
        }
        let reason = status.reason.map_or("", |reason| reason.as_str());
        tracing::info!(
            task = %ObjectKey::of(task),
            phase = status.phase.as_str(),
            reason,
            id = status.task.as_ref().map(|task| task.id.as_str()),
            message = status.message.as_deref(),
            "task"
        );
        self.controller.metrics.decided(status.phase.as_str(), reason);
        if action == "Start" && status.phase == Phase::Running {
            let due = task.clone().completed().spec.trigger.scheduled_time;
            let delay = self.now().duration_since(due);
            self.controller.metrics.started_after(delay.as_secs_f64());
        }
        if let Some(event) = self.teller.tell(task) {
            self.telling.push(event);
        }
    }

    /// Plans what has changed and what is due. Admission comes first: what it starts is not summed up before.
    fn plan(&mut self, lease: &Lease) {
        if !self.unlisted.is_empty() {
            return;
        }
        self.settle_claims(lease);
        let now = self.now();
        self.dirty.extend(self.timers.due(now));
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.iter().any(|subject| matches!(subject, Subject::Credential(_))) {
            self.secrets.follow(&self.world);
        }
        // Without news what waits is looked at in turn all the same.
        if dirty.is_empty() && !self.world.waits() {
            return;
        }
        let settings = &self.controller.settings;
        let admitted = self.queue.plan(&self.world, &dirty, settings, now);
        let mut wakes = BTreeMap::new();
        for (subject, planned) in admitted {
            wakes.extend(planned.wake.map(|wake| (subject.clone(), wake)));
            self.dispatch(subject, planned, now);
        }
        for subject in dirty {
            let mut planned = plan(&self.world, &subject, &self.controller.settings, now);
            // A timer holds the last time that was set, and what waits has one of each of its two plans.
            if let Some(wake) = wakes.remove(&subject) {
                planned.wake_at(wake);
            }
            self.dispatch(subject, planned, now);
        }
    }

    fn dispatch(&mut self, subject: Subject, planned: Planned, now: Timestamp) {
        if let Some(wake) = planned.wake {
            self.timers.set(&subject, wake);
        }
        if planned.actions.is_empty() || self.world.busy.contains(&subject) {
            return;
        }
        let retry = self.world.retries.get(&subject).map(|retry| retry.not_before);
        if let Some(not_before) = pending(retry, LONGEST_RETRY, now) {
            self.timers.set(&subject, not_before);
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
        match subject {
            Subject::Task(key) => {
                let task = self.world.task(key)?;
                task.status.as_ref().map(|_| Said::Task(Seen::of(task)))
            }
            Subject::Automation(key) => self.world.automation(key).map(|it| Said::Automation(Stood::of(it))),
            Subject::Credential(_)
            | Subject::Repository(..)
            | Subject::Branch(_)
            | Subject::Pulls(..)
            | Subject::Origin(_)
            | Subject::Notification(..)
            | Subject::Events(..)
            | Subject::WebhookSource(_)
            | Subject::Deliveries(..) => None,
        }
    }

    /// What the plan stands on until the action has ended.
    fn prepare(&mut self, subject: &Subject, actions: &[Action], now: Timestamp) {
        match subject {
            Subject::Task(key) => {
                let task = self.world.task(key);
                let writing = task.and_then(|task| actions.iter().find_map(|action| Writing::of(task, action)));
                if let Some(writing) = writing {
                    self.prepare_write(subject, writing, now);
                }
            }
            Subject::Credential(key) => self.prepare_credential(key, actions),
            Subject::Deliveries(key, _) if actions.iter().any(|action| matches!(action, Action::Redeliver { .. })) => {
                self.prepare_write(subject, key.clone().into(), now);
            }
            Subject::Events(key, _) if actions.iter().any(|action| matches!(action, Action::Sweep(_))) => {
                let credential = self.world.credentials.entry(key.clone()).or_default();
                credential.next_look = Some(next_look(credential.next_look, now));
            }
            _ => {}
        }
    }

    fn prepare_credential(&mut self, key: &CredentialKey, actions: &[Action]) {
        for action in actions {
            match action {
                Action::ReadSecret => {
                    if let Some(credential) = self.world.credentials.get_mut(key) {
                        credential.has_changed = false;
                    }
                }
                Action::Refresh { .. } => {
                    self.world.exchanging.insert(key.clone());
                }
                _ => {}
            }
        }
    }

    fn prepare_write(&mut self, subject: &Subject, writing: Writing, now: Timestamp) {
        let credential = self.world.credentials.entry(writing.credential.clone()).or_default();
        credential.next_write = Some(add(now, self.controller.settings.write_interval));
        self.world.writing.insert(subject.clone(), writing);
    }
}

/// In their order. Where one fails for what concerns others too, those of its kind are left for the next time.
async fn carry_out(executor: Arc<Executor>, subject: Subject, said: Option<Said>, steps: Vec<Step>) -> Ended {
    let mut all: Vec<(&'static str, Done)> = Vec::new();
    for step in steps {
        let name = step.action.name();
        let failed =
            |(tried, done): &(&str, Done)| *tried == name && done.failure.as_ref().is_some_and(Failure::is_common);
        if all.iter().any(failed) {
            continue;
        }
        all.push((name, Box::pin(executor.carry_out(step)).await));
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

/// What the steps of a subject leave of its next try. Beside those that went on while it was free others may be waiting for
/// theirs.
fn settle(
    retries: &mut BTreeMap<Subject, Retry>,
    subject: Subject,
    busy: bool,
    failed: Option<&Failure>,
    now: Timestamp,
) {
    let Some(failure) = failed else {
        if busy {
            retries.remove(&subject);
        }
        return;
    };
    let retry = retries.entry(subject).or_default();
    retry.not_before = add(now, backoff(retry.times));
    retry.times = retry.times.saturating_add(1);
    retry.problem = failure.to_string();
    retry.is_of_github = matches!(failure, Failure::GitHub { .. } | Failure::Credential);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_tried_again_later_and_later_until_its_own_steps_get_through() {
        let subject = || Subject::Task(ObjectKey::new("payments", "deps"));
        let (mut retries, now) = (BTreeMap::new(), Timestamp::UNIX_EPOCH);
        let mut times = |busy, failed: Option<&Failure>| {
            settle(&mut retries, subject(), busy, failed, now);
            let retry = retries.get(&subject())?;
            assert_eq!(retry.not_before, add(now, backoff(retry.times - 1)));
            Some((retry.times, retry.is_of_github))
        };
        let github = Failure::GitHub {
            category: "unavailable",
            message: "503".to_owned(),
        };
        assert_eq!(times(true, Some(&Failure::Conflict)), Some((1, false)));
        assert_eq!(times(true, Some(&github)), Some((2, true)));
        assert_eq!(times(false, None), Some((2, true)), "a look at the object beside it");
        assert_eq!(times(true, None), None);
        assert_eq!(times(true, Some(&github)), Some((1, true)));
    }
}
