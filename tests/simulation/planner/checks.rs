//! What must be true at each step, in words of its own: the numbers are those of `src/lib.rs`.
//!
//! A start is judged by what its process knew of policies and specs when it decided, and by what is really under way when
//! it is written ahead: caps and budgets must not be exceeded by what that process could not know.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::LazyLock;

use agent_automation::api::automation::{AutomationSpec, DuplicateWhile, OnSpecChange, StartPolicy};
use agent_automation::api::policy::PolicySpec;
use agent_automation::api::task::{AttemptOutcome, FollowsBecause, Phase, PullRequest, TaskStatus};
use agent_automation::api::{AgentAutomation, AgentPolicy, AgentTask, Reason};
use agent_automation::domain::task_state::TaskState;
use agent_automation::plan::{ObjectKey, Subject, World};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::cluster::{Actor, Change, Changed, PEOPLE, Write};
use super::github::{GitHub, Record, Start};
use super::objects::every;
use crate::invariants::follows;

const NANO: i64 = 1_000_000_000;
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// A controller has heard of a cap after this long, and has ended what it had begun before; and clocks differ.
const HEARD: SignedDuration = SignedDuration::from_secs(120);

/// So often at most something is done for one subject within so long.
const MOST_IN_PACE: u32 = 25;
const PACE: SignedDuration = SignedDuration::from_secs(10);

/// An automation's uid, a scheduled time, and the number of the retry.
type Cause = (String, Timestamp, i32);

/// What the checks remember of a task object.
struct Known {
    task: Rc<AgentTask>,
    /// The history let go of it: it still counts for rates and budgets.
    is_collected: bool,
    /// What it had cost when the history accounted for it: nobody follows what it does after that.
    accounted: Option<i64>,
    /// It came to count against caps, or to have an open pull request, by itself or by a person, and not by a start.
    is_unforeseen: bool,
    has_unforeseen_pull: bool,
}

/// What a process knew when it decided on a start.
struct Decision {
    at: Timestamp,
    policies: Vec<(String, PolicySpec)>,
    automation: AutomationSpec,
    /// What tasks had cost, of those whose end it had heard of.
    costs: BTreeMap<String, i64>,
    /// How much of the log it had heard.
    heard: usize,
}

#[derive(Default)]
pub struct Checks {
    pub broken: Vec<String>,
    /// Why tasks were as they were.
    pub reasons: BTreeSet<Reason>,
    heard: usize,
    tasks: BTreeMap<String, Known>,
    decisions: BTreeMap<(Actor, String), Decision>,
    /// Causes of all objects that ever were.
    causes: BTreeMap<String, Cause>,
    /// Of whom a person gave up the start, or deleted the object: nobody counts them any more.
    given_up: BTreeSet<String>,
    /// Since when each policy caps starts within an hour.
    rated: BTreeMap<String, Timestamp>,
    /// Creates of each automation that arrived after their time was decided.
    late: BTreeMap<String, i64>,
    /// How much of the log each leader has heard, and where in it people edited policies and automations.
    known: BTreeMap<Actor, usize>,
    edits: Vec<usize>,
    /// Up to when the times of each automation are decided.
    decided: BTreeMap<String, Timestamp>,
    /// Of each subject, since when and how often something was done for it.
    pace: BTreeMap<(Actor, Subject), (Timestamp, u32)>,
    /// Times are not counted any more once the schedules have been taken away.
    pub is_settling: bool,
}

impl Checks {
    pub fn breaks(&mut self, what: String) {
        if self.broken.len() < 10 {
            self.broken.push(what);
        }
    }

    /// A process does something for a subject: never over and over.
    pub fn dispatched(&mut self, actor: Actor, subject: &Subject, now: Timestamp) {
        let (since, times) = self.pace.entry((actor, subject.clone())).or_insert((now, 0));
        if *since + PACE < now {
            (*since, *times) = (now, 0);
        }
        *times += 1;
        if *times == MOST_IN_PACE {
            self.breaks(format!("{subject} keeps {actor} busy"));
        }
    }

    /// A process that has heard so much of the log has decided to start a task.
    pub fn decide(
        &mut self,
        (actor, heard): (Actor, usize),
        world: &World,
        key: &ObjectKey,
        github: &GitHub,
        now: Timestamp,
    ) {
        let Some(task) = world.task(key) else { return };
        let policies: Vec<_> = world
            .policies()
            .filter(|policy| policy.spec.namespaces.contains(&key.namespace))
            .map(|policy| (policy.name_any(), policy.spec.clone()))
            .collect();
        let Some(automation) = world.automation_of(task) else {
            self.breaks(format!("4: {key} starts without its automation"));
            return;
        };
        let problem = outside_policy(task, &policies)
            .or_else(|| outside_spec(task, automation))
            .or_else(|| out_of_time(task, &policies, now))
            .or_else(|| unguarded(task, &policies, github, now))
            .or_else(|| not_in_turn(world, task));
        if let Some(problem) = problem {
            self.breaks(format!("4: {key} starts, and {problem}"));
        }
        let ended = world.tasks().filter(|(_, task)| !counts(task));
        let costs = ended.filter_map(|(_, task)| Some((task.uid()?, cost(task)?))).collect();
        let decision = Decision {
            at: now,
            policies,
            automation: automation.spec.clone(),
            costs,
            heard,
        };
        self.decisions.insert((actor, task.uid().unwrap_or_default()), decision);
    }

    /// Hears what was written.
    pub fn hear(&mut self, log: &[Write], known: BTreeMap<Actor, usize>) {
        self.known = known;
        for (index, write) in log.iter().enumerate().skip(self.heard) {
            let is_edit = write.actor == PEOPLE && !matches!(write.changed, Changed::Task(_));
            self.edits.extend(is_edit.then_some(index));
            match &write.changed {
                Changed::Automation(change) => self.automation(change),
                Changed::Task(change) => self.task(write, change),
                Changed::Policy(change) => self.policy(change, write.at),
            }
        }
        self.heard = log.len();
    }

    fn policy(&mut self, change: &Change<AgentPolicy>, at: Timestamp) {
        let Some(name) = change
            .after
            .as_ref()
            .or(change.before.as_ref())
            .map(|policy| policy.name_any())
        else {
            return;
        };
        let is_rated = change
            .after
            .as_ref()
            .is_some_and(|policy| policy.spec.max_starts_per_hour.is_some());
        if is_rated {
            self.rated.entry(name).or_insert(at);
        } else {
            self.rated.remove(&name);
        }
    }

    fn task(&mut self, write: &Write, change: &Change<AgentTask>) {
        let Some(after) = &change.after else {
            self.gone(write.actor, change.before.as_deref());
            return;
        };
        let (uid, status) = (after.uid().unwrap_or_default(), status(after));
        self.reasons.extend(status.reason);
        if matches!(status.reason, Some(Reason::AlreadyDecided | Reason::DeadlineExceeded)) {
            *self.late.entry(after.spec.automation.uid.clone()).or_default() += 1;
        }
        if status.reason == Some(Reason::Abandoned) {
            self.given_up.insert(uid.clone());
        }
        let before = change.before.clone();
        if before.is_none() {
            self.made(&uid, after);
        }
        self.forward(after, before.as_deref());
        self.duplicate_of_itself(after);
        let was_written_ahead = is_write_ahead(before.as_deref(), after);
        self.remember(&uid, after, before.as_deref(), was_written_ahead);
        if was_written_ahead {
            self.written_ahead(write.actor, &uid, after, write.at);
        }
    }

    /// A task is no duplicate of another for its own cause, nor of what came of that.
    fn duplicate_of_itself(&mut self, task: &AgentTask) {
        let message = status(task).message.as_deref().unwrap_or_default();
        let named = message.strip_prefix("task ").unwrap_or(message).split(' ').next();
        let is_named = |known: &AgentTask| {
            let pull = status(known).pull_request.as_ref().and_then(|pull| pull.url.as_deref());
            named.is_some_and(|named| known.name_any() == named || pull == Some(named))
        };
        let is_same = |known: &Known| {
            is_named(&known.task) && is_of_same(&known.task, task) && known.task.spec.trigger == task.spec.trigger
        };
        if status(task).reason == Some(Reason::Duplicate) && self.tasks.values().any(is_same) {
            self.breaks(format!("2: {} gives way to a task of its own cause", task.name_any()));
        }
    }

    fn made(&mut self, uid: &str, task: &AgentTask) {
        let follows = task.spec.follows.as_ref();
        let retries = follows.map_or(0, |follows| follows.retries);
        let cause = (
            task.spec.automation.uid.clone(),
            task.spec.trigger.scheduled_time,
            retries,
        );
        if follows.is_none() && self.decided.get(&cause.0).is_some_and(|through| *through >= cause.1) {
            *self.late.entry(cause.0.clone()).or_default() += 1;
        }
        self.causes.insert(uid.to_owned(), cause);
        let Some(follows) = follows.filter(|follows| follows.because == FollowsBecause::Retry) else {
            return;
        };
        let limit = task.spec.retry.as_ref().map_or(0, |retry| retry.limit);
        if follows.retries > limit {
            self.breaks(format!("{} is retry {retries} of {limit}", task.name_any()));
        }
        let namespace = task.namespace().unwrap_or_default();
        let is_followed = |known: &&Known| {
            known.task.name_any() == follows.name && known.task.namespace().as_ref() == Some(&namespace)
        };
        let followed = self
            .tasks
            .values()
            .find(is_followed)
            .map(|known| status(&known.task).reason.filter(|_| !counts(&known.task)));
        let ends = [
            Reason::SessionFailed,
            Reason::SessionTimedOut,
            Reason::SessionCancelled,
            Reason::ActiveDeadline,
            Reason::WaitingDeadline,
        ];
        if !followed.is_none_or(|reason| reason.is_some_and(|reason| ends.contains(&reason))) {
            self.breaks(format!("{} is a retry of what did not end by itself", task.name_any()));
        }
    }

    fn gone(&mut self, actor: Actor, before: Option<&AgentTask>) {
        let uid = before.and_then(ResourceExt::uid).unwrap_or_default();
        if actor == PEOPLE {
            self.tasks.remove(&uid);
            self.given_up.insert(uid);
        } else if let Some(known) = self.tasks.get_mut(&uid) {
            known.is_collected = true;
            let (name, has_ended) = (known.task.name_any(), status(&known.task).phase.is_ended());
            let same = self
                .causes
                .get(&uid)
                .map(|cause| self.causes.values().filter(|it| *it == cause).count());
            // A second object for a cause came too late, and the first has counted.
            if !has_ended && same == Some(1) {
                self.breaks(format!("2: {name} was deleted before it had ended"));
            }
        }
    }

    fn remember(&mut self, uid: &str, after: &Rc<AgentTask>, before: Option<&AgentTask>, was_started: bool) {
        let now_counts = counts(after) && !before.is_some_and(counts) && !was_started;
        let is_open = |task: &AgentTask| opens_or_opened(task);
        let now_opens = is_open(after) && !before.is_some_and(is_open) && !was_started;
        let known = self.tasks.entry(uid.to_owned()).or_insert_with(|| Known {
            task: after.clone(),
            is_collected: false,
            accounted: None,
            is_unforeseen: false,
            has_unforeseen_pull: false,
        });
        known.task = after.clone();
        known.is_unforeseen = counts(after) && (known.is_unforeseen || now_counts);
        known.has_unforeseen_pull = is_open(after) && (known.has_unforeseen_pull || now_opens);
    }

    /// Status does not go back in time. (Invariant 7.)
    fn forward(&mut self, task: &AgentTask, before: Option<&AgentTask>) {
        let (Some(before), after, name) = (before.map(status), status(task), task.name_any()) else {
            return;
        };
        if !follows(before.phase, after.phase) {
            self.breaks(format!("7: {name} went from {:?} to {:?}", before.phase, after.phase));
        }
        let id = |status: &TaskStatus| status.task.as_ref().map(|task| task.id.clone());
        if id(before).is_some() && id(before) != id(after) {
            self.breaks(format!("7: {name} lost its id"));
        }
        let number = |status: &TaskStatus| status.attempts.last().map_or(0, |attempt| attempt.number);
        if number(after) < number(before) {
            self.breaks(format!("7: {name} forgot an attempt"));
        }
        let updated = |status: &TaskStatus| status.task.as_ref().and_then(|task| task.updated_at);
        let read = |status: &TaskStatus| status.pull_request.as_ref().and_then(|pull| pull.updated_at);
        if updated(after) < updated(before) || read(after) < read(before) {
            self.breaks(format!("7: {name} saw GitHub go back in time"));
        }
        let ended = before.phase.is_ended() && before.ended_at != after.ended_at;
        let named = before.successor.is_some() && before.successor != after.successor;
        let merged = |status: &TaskStatus| status.pull_request.as_ref().is_some_and(|pull| pull.merged);
        if ended || named || (merged(before) && !merged(after)) {
            self.breaks(format!("7: {name} forgot its end"));
        }
    }

    /// No time is passed over without an object or a count. (Invariant 2.)
    fn automation(&mut self, change: &Change<AgentAutomation>) {
        let (Some(before), Some(after)) = (&change.before, &change.after) else {
            // With an automation goes what its status held of spending.
            let gone = change
                .before
                .as_ref()
                .filter(|_| change.after.is_none())
                .and_then(|it| it.uid());
            self.tasks
                .retain(|_, known| Some(&known.task.spec.automation.uid) != gone.as_ref());
            return;
        };
        let (was, is) = (
            before.status.clone().unwrap_or_default(),
            after.status.clone().unwrap_or_default(),
        );
        let name = after.name_any();
        self.let_go(after, &is.collected.deleting);
        let created = created(after);
        let decided = |schedules: &[_]| {
            let first: Option<&agent_automation::api::automation::ScheduleStatus> = schedules.first();
            first.map_or(created, |schedule| schedule.decided_through)
        };
        let (from, to) = (decided(&was.schedules), decided(&is.schedules));
        if to < from || is.missed_runs < was.missed_runs {
            self.breaks(format!("7: {name} took a decision back"));
        }
        self.decided.insert(after.uid().unwrap_or_default(), to);
        let Some(every) = every(&after.spec).filter(|_| !self.is_settling) else {
            return;
        };
        let uid = after.uid().unwrap_or_default();
        let without = self.without_object(&uid, created, every, from, to);
        let counted = is.missed_runs - was.missed_runs;
        if counted < without {
            self.breaks(format!(
                "2: {name}: of {without} times without an object {counted} are counted"
            ));
        }
        // What was made just now, or by a create that was not answered, may not be known, and is counted.
        let is_here = |(of, time, _): &Cause| *of == uid && *time > from && *time <= to;
        if self.causes.values().any(is_here) {
            *self.late.entry(uid).or_default() += counted - without;
        }
    }

    /// The history accounts for tasks that it deletes next.
    fn let_go(&mut self, automation: &AgentAutomation, names: &[String]) {
        let own = |known: &&mut Known| known.task.spec.automation.uid == automation.uid().unwrap_or_default();
        let is_listed = |known: &&mut Known| names.contains(&known.task.name_any());
        for known in self.tasks.values_mut().filter(own).filter(is_listed) {
            let held = status(&known.task).reserved_nano_credits.unwrap_or(0);
            let cost = cost(&known.task).unwrap_or(held);
            known.accounted.get_or_insert(cost);
        }
    }

    fn without_object(&self, uid: &str, created: Timestamp, every: i64, from: Timestamp, to: Timestamp) -> i64 {
        let had: BTreeSet<_> = self
            .causes
            .values()
            .filter(|(automation, ..)| automation == uid)
            .map(|(_, time, _)| *time)
            .collect();
        let first = from.duration_since(created).as_secs() / every + 1;
        let last = to.duration_since(created).as_secs() / every;
        let times = (first..=last).map(|count| created + SignedDuration::from_secs(count * every));
        i64::try_from(times.filter(|time| !had.contains(time)).count()).unwrap()
    }

    /// What is counted as missed had no object, or one that came too late. (Invariant 2.)
    pub fn all_counted(&mut self, automation: &AgentAutomation) {
        let (Some(status), Some(every)) = (&automation.status, every(&automation.spec)) else {
            return;
        };
        let Some(schedule) = status.schedules.first() else {
            return;
        };
        let (uid, made) = (automation.uid().unwrap_or_default(), created(automation));
        let without = self.without_object(&uid, made, every, made, schedule.decided_through);
        let late = self.late.get(&uid).copied().unwrap_or(0);
        if !(without..=without + late).contains(&status.missed_runs) {
            let (name, missed) = (automation.name_any(), status.missed_runs);
            self.breaks(format!(
                "2: {name}: {without} times without an object, {missed} counted as missed"
            ));
        }
    }

    /// Caps and budgets, at the instant at which a start is written ahead. (Invariant 3.)
    fn written_ahead(&mut self, actor: Actor, uid: &str, task: &AgentTask, at: Timestamp) {
        let Some(decision) = self.decisions.remove(&(actor, uid.to_owned())) else {
            self.breaks(format!("4: {} was written ahead undecided", task.name_any()));
            return;
        };
        // What was loosened since may have let others start, and this one was decided by what was there before.
        let known = self.known.get(&actor).copied().unwrap_or(usize::MAX);
        if self.edits.iter().any(|edit| (decision.heard..known).contains(edit)) {
            return;
        }
        let mut problems = self.over_own_caps(task, &decision);
        for (name, policy) in &decision.policies {
            problems.extend(self.over_caps(task, policy, decision.at));
            problems.extend(self.over_rate(name, policy, at));
            problems.extend(over_deadlines(task, policy));
            let budget = policy.budget.as_ref();
            let limits = budget.map(|budget| (budget.credits_per_day, budget.credits_per_month));
            let within = |known: &Known| holds(policy, &known.task);
            problems.extend(limits.and_then(|limits| self.over_budget(limits, within, &decision)));
        }
        let own = decision.automation.budget.as_ref();
        let limits = own.map(|budget| (budget.credits_per_day, budget.credits_per_month));
        let within = |known: &Known| is_of_same(&known.task, task);
        problems.extend(limits.and_then(|limits| self.over_budget(limits, within, &decision)));
        problems.extend(self.duplicate(task, decision.at));
        let name = task.name_any();
        for problem in problems {
            self.breaks(format!("3: {name} starts: {problem}"));
        }
    }

    fn active(&self, of: impl Fn(&AgentTask) -> bool) -> i32 {
        let known = self
            .tasks
            .values()
            .filter(|known| !known.is_collected && !known.is_unforeseen);
        count(known.filter(|known| counts(&known.task) && of(&known.task)))
    }

    fn open_pulls(&self, of: impl Fn(&AgentTask) -> bool) -> i32 {
        let known = self
            .tasks
            .values()
            .filter(|known| !known.is_collected && !known.has_unforeseen_pull);
        count(known.filter(|known| opens_or_opened(&known.task) && of(&known.task)))
    }

    fn over_own_caps(&self, task: &AgentTask, decision: &Decision) -> Vec<String> {
        let own = |other: &AgentTask| is_of_same(other, task);
        let spec = &decision.automation;
        let table = [
            ("maxActive", self.active(own), Some(spec.concurrency.max_active)),
            ("maxOpenPullRequests", self.open_pulls(own), spec.max_open_pull_requests),
        ];
        over(&table)
    }

    fn over_caps(&self, task: &AgentTask, policy: &PolicySpec, decided_at: Timestamp) -> Vec<String> {
        let all = |other: &AgentTask| holds(policy, other);
        let own = |other: &AgentTask| all(other) && is_of_same(other, task);
        let here = |other: &AgentTask| all(other) && other.spec.repository == task.spec.repository;
        // What the policy does not hold for may start in the repository after this was decided.
        let anywhere = |other: &AgentTask| {
            other.spec.repository == task.spec.repository && (all(other) || was_there(other, decided_at))
        };
        let table = [
            ("maxActive", self.active(all), policy.max_active),
            (
                "maxActivePerRepository",
                self.active(here),
                policy.max_active_per_repository,
            ),
            (
                "maxActivePerAutomation",
                self.active(own),
                policy.max_active_per_automation,
            ),
            (
                "maxOpenPullRequestsPerAutomation",
                self.open_pulls(own),
                policy.max_open_pull_requests_per_automation,
            ),
            (
                "maxOpenPullRequestsPerRepository",
                self.open_pulls(anywhere),
                policy.max_open_pull_requests_per_repository,
            ),
        ];
        over(&table)
    }

    fn over_rate(&self, name: &str, policy: &PolicySpec, at: Timestamp) -> Option<String> {
        let max = policy.max_starts_per_hour?;
        let rated = self.rated.get(name).map_or(at, |since| *since + HEARD);
        let since = (at - HOUR + HEARD).max(rated);
        let may_have_started = |task: &AgentTask| {
            let status = status(task);
            newest_that_may_have_left(status).is_some_and(|written| written > since)
        };
        let started = self
            .tasks
            .values()
            .filter(|known| holds(policy, &known.task) && may_have_started(&known.task));
        let started = count(started);
        (started > max).then(|| format!("{started} within an hour, of {max}"))
    }

    /// A window never overshoots by more than running tasks cost beyond their estimates.
    fn over_budget(
        &self,
        (day, month): (Option<i64>, Option<i64>),
        within: impl Fn(&Known) -> bool,
        decision: &Decision,
    ) -> Option<String> {
        let local = decision.at.to_zoned(TimeZone::UTC);
        let windows = [
            (day, local.start_of_day().unwrap().timestamp()),
            (
                month,
                local.first_of_month().unwrap().start_of_day().unwrap().timestamp(),
            ),
        ];
        windows.into_iter().find_map(|(limit, since)| {
            let limit = limit? * NANO;
            let known = self.tasks.iter().filter(|(_, known)| within(known));
            let charged: i64 = known
                .map(|(uid, known)| charge(known, decision.costs.get(uid), since))
                .sum();
            (charged > limit).then(|| format!("{charged} charged since {since}, of {limit}"))
        })
    }

    /// Nothing that is about the same is under way.
    fn duplicate(&self, task: &AgentTask, decided_at: Timestamp) -> Option<String> {
        let terms = task.spec.deduplicate.as_ref()?;
        if !terms.during.contains(&DuplicateWhile::Active) {
            return None;
        }
        // What does not give way itself may start after this was decided.
        let about_the_same = |other: &AgentTask| {
            let others = other.spec.deduplicate.as_ref();
            let gives_way = others.is_some_and(|terms| terms.during.contains(&DuplicateWhile::Active));
            others.map(|terms| &terms.key) == Some(&terms.key)
                && (gives_way || was_there(other, decided_at))
                && other.metadata.namespace == task.metadata.namespace
                && other.spec.repository == task.spec.repository
                && !(is_of_same(other, task) && other.spec.trigger == task.spec.trigger)
        };
        let others = self.active(about_the_same);
        (others > 0).then(|| format!("{others} with the same key are under way"))
    }

    /// A task appeared at GitHub. (Invariant 1.)
    pub fn created(&mut self, start: &Start, github: &GitHub, now: Timestamp) {
        let uid = &start.uid;
        let Some(cause) = self.causes.get(uid).cloned() else {
            self.breaks(format!("1: {uid} was started without an object"));
            return;
        };
        if let Some(known) = self.tasks.get(uid) {
            let status = status(&known.task);
            let written = status
                .attempts
                .iter()
                .any(|attempt| attempt.marker == start.attempt.marker);
            let twice = known.task.spec.start_policy == StartPolicy::AtMostOnce && self.twice(&cause, github);
            if !written {
                self.breaks(format!("1: {uid} was started, and its attempt is not written"));
            }
            if twice {
                self.breaks(format!("1: {cause:?} was started twice"));
            }
        }
        if now > start.attempt.deadline + HEARD {
            self.breaks(format!("1: {uid} was started after its deadline"));
        }
        self.uncounted(github);
    }

    fn twice(&self, cause: &Cause, github: &GitHub) -> bool {
        let same = |record: &&Record| self.causes.get(&record.uid) == Some(cause);
        github.tasks.iter().filter(same).count() > 1
    }

    /// What is at work at GitHub counts, unless a person let go of it or had it go on.
    fn uncounted(&mut self, github: &GitHub) {
        let at_work = (0..github.tasks.len()).filter(|index| !github.is_over(*index));
        let at_work = at_work
            .map(|index| &github.tasks[index])
            .filter(|record| !record.resumed);
        let uncounted = at_work.filter_map(|record| {
            let known = self.tasks.get(&record.uid)?;
            let strictly = known.task.spec.start_policy == StartPolicy::AtMostOnce;
            let lost = strictly && !self.given_up.contains(&record.uid) && !counts(&known.task);
            lost.then(|| {
                format!(
                    "3: {} is at work as {} and not counted",
                    known.task.name_any(),
                    record.id
                )
            })
        });
        let told: Vec<_> = uncounted.collect();
        for what in told {
            self.breaks(what);
        }
    }

    /// What a task says of its pull request is what GitHub says: open, merged, or closed.
    pub fn as_at_github(&mut self, github: &GitHub) {
        let known = self.tasks.values().filter(|known| !known.is_collected);
        let wrong = known.filter_map(|known| {
            let told = status(&known.task).pull_request.as_ref()?;
            let pull = github.pull(told.number?)?;
            let is_same = (told.is_open(), told.merged) == (pull.open, pull.merged);
            (!is_same).then(|| format!("{} takes {pull:?} for {told:?}", known.task.name_any()))
        });
        let told: Vec<_> = wrong.collect();
        for what in told {
            self.breaks(what);
        }
    }

    /// Each task at GitHub is known to its object, unless a person judges or judged.
    pub fn known_at_github(&mut self, github: &GitHub) {
        let unknown = github.tasks.iter().filter_map(|record| {
            let known = self.tasks.get(&record.uid)?;
            let status = status(&known.task);
            let is_known = status.task.as_ref().is_some_and(|task| task.id == record.id);
            let is_parked = status.phase == Phase::Unknown || self.given_up.contains(&record.uid);
            let again = known.task.spec.start_policy == StartPolicy::AtLeastOnce;
            let name = known.task.name_any();
            (!is_known && !is_parked && !again).then(|| format!("{name} does not know of {}", record.id))
        });
        let told: Vec<_> = unknown.collect();
        for what in told {
            self.breaks(what);
        }
    }
}

fn outside_policy(task: &AgentTask, policies: &[(String, PolicySpec)]) -> Option<&'static str> {
    let refused = policies.iter().find_map(|(_, policy)| {
        let allows = policy
            .repositories
            .iter()
            .any(|pattern| pattern == "acme/*" || *pattern == task.spec.repository);
        let starts = policy.start_policies.contains(&task.spec.start_policy);
        (policy.suspend || !allows || !starts).then_some("a policy does not allow it")
    });
    if policies.is_empty() {
        Some("no policy holds")
    } else {
        refused
    }
}

fn outside_spec(task: &AgentTask, automation: &AgentAutomation) -> Option<&'static str> {
    let spec = &automation.spec;
    let keeps = spec.on_spec_change == OnSpecChange::Keep;
    let is_as_now = task.spec.prompt.contains(&spec.prompt.goal)
        && task.spec.secret_refs().eq(spec.credentials.all())
        && task.spec.shared_use() == spec.credentials.shared_use()
        && task.spec.priority() == spec.priority;
    if spec.suspend {
        Some("its automation is suspended")
    } else {
        (!keeps && !is_as_now).then_some("its automation's spec is another by now")
    }
}

/// It is held to no longer deadline than a policy allows.
fn over_deadlines(task: &AgentTask, policy: &PolicySpec) -> Option<String> {
    let status = task.status.clone().unwrap_or_default();
    let kept = [
        (status.active_deadline_seconds, policy.max_active_deadline_seconds),
        (status.waiting_deadline_seconds, policy.max_waiting_deadline_seconds),
    ];
    let mut over = kept
        .into_iter()
        .filter(|(kept, most)| most.is_some_and(|most| kept.is_none_or(|kept| kept > most)));
    let (kept, most) = over.next()?;
    Some(format!("its deadline is {kept:?}, and a policy allows {most:?}"))
}

fn out_of_time(task: &AgentTask, policies: &[(String, PolicySpec)], now: Timestamp) -> Option<&'static str> {
    let could_start = task.spec.start_after.unwrap_or(task.spec.trigger.scheduled_time);
    let waited = now.duration_since(could_start).as_secs();
    let mut most = policies
        .iter()
        .filter_map(|(_, policy)| policy.max_starting_deadline_seconds);
    let late = task.spec.start_before.is_some_and(|before| before <= now) || most.any(|most| i64::from(most) <= waited);
    let early = task.spec.start_after.is_some_and(|after| after > now);
    let mut windows = policies.iter().flat_map(|(_, policy)| &policy.freeze_windows);
    let frozen = windows.any(|window| window.from <= Some(now) && Some(now) < window.to);
    if late {
        Some("its deadline has passed")
    } else if early {
        Some("its time has not come")
    } else {
        frozen.then_some("a freeze window is open")
    }
}

/// The branch was there, and guarded where that is required, not longer ago than answers may be old.
fn unguarded(
    task: &AgentTask,
    policies: &[(String, PolicySpec)],
    github: &GitHub,
    now: Timestamp,
) -> Option<&'static str> {
    let required = policies.iter().filter_map(|(_, policy)| policy.guardrails.as_ref());
    let oldest = required.map(|guardrails| guardrails.max_age.duration()).min()?;
    let branch = &github.branches[&task.spec.repository];
    let met = branch.is_guarded() || branch.met_at + oldest + HEARD > now;
    (!met).then_some("its branch is not guarded")
}

/// A task in the place of another starts once that other names it.
fn not_in_turn(world: &World, task: &AgentTask) -> Option<&'static str> {
    let follows = task.spec.follows.as_ref()?;
    let other = world.task(&ObjectKey::new(task.namespace()?, &*follows.name))?;
    let named = status(other).successor.as_ref() == Some(&task.name_any());
    (!named).then_some("the task that it follows does not name it")
}

fn is_write_ahead(before: Option<&AgentTask>, after: &AgentTask) -> bool {
    let number = |task: &AgentTask| status(task).attempts.last().map_or(0, |attempt| attempt.number);
    let newest = status(after).attempts.last().and_then(|attempt| attempt.outcome);
    number(after) > before.map_or(0, number) && newest != Some(AttemptOutcome::NotSent)
}

/// Something may be at work.
pub fn counts(task: &AgentTask) -> bool {
    let status = status(task);
    let goes_on = |state: &str| !TaskState::parse(state).is_terminal();
    status.phase.is_active()
        || (status.phase.is_ended() && status.task.as_ref().is_some_and(|task| goes_on(&task.state)))
}

/// A pull request waits for people, or is about to be opened.
fn opens_or_opened(task: &AgentTask) -> bool {
    let is_open = status(task).pull_request.as_ref().is_some_and(PullRequest::is_open);
    is_open || (counts(task) && task.spec.pull_request.create)
}

fn cost(task: &AgentTask) -> Option<i64> {
    status(task).usage.as_ref().map(|usage| usage.nano_ai_credits)
}

/// What is held for a task, or what it is known to have cost.
fn charge(known: &Known, cost: Option<&i64>, since: Timestamp) -> i64 {
    let status = status(&known.task);
    if newest_that_may_have_left(status).is_none_or(|at| at < since) {
        return 0;
    }
    let held = status.reserved_nano_credits.unwrap_or(0);
    match known.accounted.as_ref().or(cost) {
        Some(cost) => *cost,
        None if known.is_collected => status.usage.as_ref().map_or(held, |usage| usage.nano_ai_credits),
        None => held,
    }
}

/// Refused and never sent are the only two ways not to have left.
fn newest_that_may_have_left(status: &TaskStatus) -> Option<Timestamp> {
    let mut newest = status.attempts.iter().rev();
    let may =
        newest.find(|attempt| !matches!(attempt.outcome, Some(AttemptOutcome::Refused | AttemptOutcome::NotSent)));
    may.map(|attempt| attempt.written_at)
}

fn was_there(task: &AgentTask, at: Timestamp) -> bool {
    let written = status(task).attempts.last().map(|attempt| attempt.written_at);
    written.is_none_or(|written| written <= at)
}

fn holds(policy: &PolicySpec, task: &AgentTask) -> bool {
    task.metadata
        .namespace
        .as_ref()
        .is_some_and(|namespace| policy.namespaces.contains(namespace))
}

fn is_of_same(other: &AgentTask, task: &AgentTask) -> bool {
    other.spec.automation.uid == task.spec.automation.uid
}

fn over(table: &[(&str, i32, Option<i32>)]) -> Vec<String> {
    let over = table
        .iter()
        .filter(|(_, count, max)| max.is_some_and(|max| *count > max));
    over.map(|(rule, count, max)| format!("{count} under {rule} {max:?}"))
        .collect()
}

fn count<T>(items: impl Iterator<Item = T>) -> i32 {
    i32::try_from(items.count()).unwrap()
}

fn created(automation: &AgentAutomation) -> Timestamp {
    automation.metadata.creation_timestamp.as_ref().unwrap().0
}

fn status(task: &AgentTask) -> &TaskStatus {
    static NONE: LazyLock<TaskStatus> = LazyLock::new(TaskStatus::default);
    task.status.as_ref().unwrap_or(&NONE)
}
