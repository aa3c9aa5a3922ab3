//! Which waiting tasks are looked at again.
//!
//! Most of what waits is held by something that the news is not about, so a pass over all of it for each piece of news would
//! do the same work again and again. The queue remembers what tasks wait for. Nearly all of that is their automation's own,
//! or comes with a time: it is looked at when the news is about it, or when that time comes. The rest they share with tasks
//! of other automations, such as a policy's cap, and there only the first in line is woken, and then the next while there is
//! room. What that would miss, through a fault of this file, is found in turn: each pass looks at a few more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use jiff::Timestamp;

use crate::api::AgentTask;

use super::admission::{Looked, Pass};
use super::deadline::start_before;
use super::order::{Place, line};
use super::policy::Policy;
use super::room::Shared;
use super::world::{CredentialKey, ObjectKey, World, automation_key, folded, in_repository_of, phase};
use super::{Planned, Settings, Subject, guardrails, origin};

/// What waits, by what it waits for together with others.
#[derive(Debug, Default)]
pub struct Queue {
    shared: BTreeMap<Shared, BTreeSet<Member>>,
    /// The same by automation.
    automations: BTreeMap<ObjectKey, Vec<(Shared, Member)>>,
    /// The automation that was the last to be looked at in turn.
    turn: Option<ObjectKey>,
    /// When it was asked last.
    asked_at: Option<Timestamp>,
}

/// The first task of an automation that waits for something.
type Member = (Place, ObjectKey);

/// The lines that are looked at in a pass, by the place of their first task.
#[derive(Default)]
struct Lines<'a>(BTreeMap<Place, (ObjectKey, Line<'a>)>);

/// The tasks of an automation that wait.
type Line<'a> = VecDeque<(Place, &'a AgentTask)>;

impl Queue {
    /// A plan for each waiting task that the news is about, and the questions that have to be asked first.
    #[must_use]
    pub fn plan(
        &mut self,
        world: &World,
        news: &BTreeSet<Subject>,
        settings: &Settings,
        now: Timestamp,
    ) -> Vec<(Subject, Planned)> {
        let mut concerned = self.take_turn(world, settings.sweep);
        // What a time had decided is undecided again once the clock was set back.
        if self.asked_at.replace(now).is_some_and(|before| now < before) {
            concerned.extend(world.automations_that_wait(Bound::Unbounded).cloned());
        }
        for subject in news {
            concern(world, subject, &mut concerned);
        }
        let touched = Touched::by(world, news, &concerned);
        let mut pass = Pass::new(world, settings, now);
        let looked = self.look(world, concerned, &touched, &mut pass);
        let waits: BTreeSet<_> = looked.iter().filter_map(|looked| looked.shared.clone()).collect();
        let mut plans: Vec<_> = looked.into_iter().flat_map(Looked::into_plans).collect();
        plans.extend(self.wakes(world, &pass, |shared| touched.is(shared) || waits.contains(shared)));
        plans
    }

    /// What becomes of each task that is looked at, in order.
    fn look<'a>(
        &mut self,
        world: &'a World,
        concerned: BTreeSet<ObjectKey>,
        touched: &Touched,
        pass: &mut Pass<'a>,
    ) -> Vec<Looked> {
        let mut lines = Lines::default();
        for automation in concerned {
            self.leave(&automation);
            lines.enter(world, &automation);
        }
        let mut woken: BTreeMap<ObjectKey, Vec<Shared>> = BTreeMap::new();
        for shared in self.touched(touched) {
            self.wake_first(world, pass, shared, &mut woken, &mut lines);
        }
        let mut all = Vec::new();
        while let Some((place, automation, task)) = lines.next() {
            if !world.busy.contains(&Subject::Task(place.task.clone())) {
                let looked = pass.look(&place.task, task);
                self.remember(&automation, &place, looked.shared.as_ref());
                all.push(looked);
            }
            for shared in woken.remove(&place.task).unwrap_or_default() {
                self.wake_first(world, pass, shared, &mut woken, &mut lines);
            }
        }
        all
    }

    /// The next automations of which tasks wait, whatever the news.
    fn take_turn(&mut self, world: &World, count: usize) -> BTreeSet<ObjectKey> {
        let after = self.turn.take().map_or(Bound::Unbounded, Bound::Excluded);
        let taken: BTreeSet<_> = world.automations_that_wait(after).take(count).cloned().collect();
        // Past the end the turn begins again.
        self.turn = taken.last().filter(|_| taken.len() == count).cloned();
        taken
    }

    fn touched(&self, touched: &Touched) -> Vec<Shared> {
        self.shared
            .keys()
            .filter(|shared| touched.is(shared))
            .cloned()
            .collect()
    }

    /// Where there is room, the first that waits for it is looked at, with all of its automation.
    fn wake_first<'a>(
        &mut self,
        world: &'a World,
        pass: &Pass,
        shared: Shared,
        woken: &mut BTreeMap<ObjectKey, Vec<Shared>>,
        lines: &mut Lines<'a>,
    ) {
        if pass.room().is_used_up(&shared).is_some() {
            return;
        }
        let first = self.shared.get(&shared).and_then(|members| members.first());
        let Some((place, automation)) = first.cloned() else {
            return;
        };
        self.leave(&automation);
        lines.enter(world, &automation);
        woken.entry(place.task).or_default().push(shared);
    }

    fn remember(&mut self, automation: &ObjectKey, place: &Place, shared: Option<&Shared>) {
        let Some(shared) = shared else { return };
        let known = self.automations.entry(automation.clone()).or_default();
        if known.iter().all(|(other, _)| other != shared) {
            let member = (place.clone(), automation.clone());
            known.push((shared.clone(), member.clone()));
            self.shared.entry(shared.clone()).or_default().insert(member);
        }
    }

    fn leave(&mut self, automation: &ObjectKey) {
        for (shared, member) in self.automations.remove(automation).unwrap_or_default() {
            if let Some(members) = self.shared.get_mut(&shared) {
                members.remove(&member);
                if members.is_empty() {
                    self.shared.remove(&shared);
                }
            }
        }
    }

    /// Room that comes with the time wakes the first that waits for it.
    fn wakes(&self, world: &World, pass: &Pass, is_meant: impl Fn(&Shared) -> bool) -> Vec<(Subject, Planned)> {
        let shared = self.shared.iter().filter(|(shared, _)| is_meant(shared));
        let first = shared.filter_map(|(shared, members)| {
            let until = pass.room().is_used_up(shared)??;
            let (place, _) = members.first()?;
            let mut planned = Planned::default();
            planned.wake_at(until);
            if let Some((deadline, _)) = start_before(world, world.task(&place.task)?) {
                planned.wake_at(deadline);
            }
            Some((Subject::Task(place.task.clone()), planned))
        });
        first.collect()
    }
}

impl<'a> Lines<'a> {
    fn enter(&mut self, world: &'a World, automation: &ObjectKey) {
        self.put(automation.clone(), line(world, automation));
    }

    fn put(&mut self, automation: ObjectKey, line: Line<'a>) {
        if let Some((place, _)) = line.front() {
            self.0.insert(place.clone(), (automation, line));
        }
    }

    fn next(&mut self) -> Option<(Place, ObjectKey, &'a AgentTask)> {
        let (_, (automation, mut line)) = self.0.pop_first()?;
        let (place, task) = line.pop_front()?;
        self.put(automation.clone(), line);
        Some((place, automation, task))
    }
}

/// Whose share of what is waited for together may be another after the news.
struct Touched<'a> {
    policies: BTreeSet<&'a str>,
    repositories: BTreeSet<String>,
    credentials: BTreeSet<CredentialKey>,
    /// A task is gone, and nothing tells any more which repository and credential it had.
    has_gone: bool,
}

impl<'a> Touched<'a> {
    fn by(world: &'a World, news: &BTreeSet<Subject>, concerned: &BTreeSet<ObjectKey>) -> Self {
        let mut touched = Self {
            policies: BTreeSet::new(),
            repositories: BTreeSet::new(),
            credentials: BTreeSet::new(),
            has_gone: false,
        };
        let mut namespaces: BTreeSet<&str> = concerned.iter().map(|key| key.namespace.as_str()).collect();
        // Who is told of an end, and what is told of webhooks, share nothing with what waits.
        let shared = news
            .iter()
            .filter(|subject| !matches!(subject, Subject::Notification(..) | Subject::WebhookSource(_)));
        for subject in shared {
            namespaces.insert(subject.namespace());
            match subject {
                Subject::Task(key) => match world.task(key) {
                    Some(task) => {
                        touched.credentials.extend(CredentialKey::named_by(task));
                        touched.repositories.insert(folded(&task.spec.repository));
                    }
                    None => touched.has_gone = true,
                },
                // A redelivery is a write, too.
                Subject::Credential(key) | Subject::Deliveries(key, _) => {
                    touched.credentials.insert(key.clone());
                }
                Subject::Pulls(_, repository) => {
                    touched.repositories.insert(folded(repository.as_str()));
                }
                Subject::Automation(_)
                | Subject::Repository(..)
                | Subject::Branch(_)
                | Subject::Origin(_)
                | Subject::Notification(..)
                | Subject::WebhookSource(_)
                | Subject::Events(..) => {}
            }
        }
        let waiting = concerned.iter().flat_map(|automation| world.waiting_of(automation));
        touched
            .credentials
            .extend(waiting.flat_map(|(_, task)| CredentialKey::named_by(task)));
        let policies = namespaces.into_iter().flat_map(|namespace| world.holding(namespace));
        touched.policies.extend(policies.map(Policy::name));
        touched
    }

    fn is(&self, shared: &Shared) -> bool {
        match shared {
            Shared::Active(policy)
            | Shared::ActiveIn(policy, _)
            | Shared::Starts(policy)
            | Shared::Budget(policy, _) => self.policies.contains(policy.as_str()),
            Shared::ReviewsIn(policy, repository) => {
                self.has_gone || self.policies.contains(policy.as_str()) || self.repositories.contains(repository)
            }
            Shared::Writes(credential) => self.has_gone || self.credentials.contains(credential),
        }
    }
}

/// The automations of which tasks wait and whose verdict may be another after the news.
fn concern(world: &World, subject: &Subject, concerned: &mut BTreeSet<ObjectKey>) {
    match subject {
        Subject::Automation(key) => {
            concerned.insert(key.clone());
        }
        Subject::Task(key) => {
            if let Some(task) = world.task(key) {
                concerned.insert(automation_key(task));
                concern_same(world, task, concerned);
            }
        }
        Subject::Branch(branch) => {
            let waiting = world.waiting_with(&branch.credential).map(|(_, task)| task);
            for task in waiting.filter(|task| guardrails::of_task(world, task).as_ref() == Some(branch)) {
                concern_same(world, task, concerned);
            }
        }
        Subject::Origin(origin) => {
            let waiting = world.waiting_with(&origin.credential).map(|(_, task)| task);
            for task in waiting.filter(|task| origin::of_task(world, task).as_ref() == Some(origin)) {
                concern_same(world, task, concerned);
            }
        }
        Subject::Pulls(credential, repository) => {
            let waiting = world.waiting_with(credential).map(|(_, task)| task);
            for task in waiting.filter(|task| in_repository_of(task, repository)) {
                concern_same(world, task, concerned);
            }
        }
        // What is new about these is news about their automations, or changes nothing for what waits.
        Subject::Credential(_)
        | Subject::Repository(..)
        | Subject::Events(..)
        | Subject::Notification(..)
        | Subject::WebhookSource(_)
        | Subject::Deliveries(..) => {}
    }
}

/// A task, and those that wait and are about the same: one may be in the other's way.
fn concern_same(world: &World, task: &AgentTask, concerned: &mut BTreeSet<ObjectKey>) {
    let same = world.with_key_of(task).map(|(_, task)| task);
    let waiting = same.chain([task]).filter(|task| phase(task).is_waiting());
    concerned.extend(waiting.map(automation_key));
}
