//! One life: an agenda of what happens when, from the seed alone. Time jumps from one entry to the next.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use agent_automation::plan::{Action, CredentialKey, ObjectKey, Settings};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::chance::{likely, pick};
use super::checks::{Checks, counts};
use super::cluster::{Actor, Cluster, NotWritten, Write};
use super::errand::{Answer, Call, Next};
use super::github::{Branch, GitHub, Question, StartAnswer, Trouble};
use super::objects::{POLICIES, REPOSITORIES, automation, credentials, policy};
use super::process::Process;

/// A leader that was not heard of for this long is taken to be gone.
const LEASE: SignedDuration = SignedDuration::from_secs(15);
/// What is under way when a process loses the lease has this long to end.
const DRAIN: i64 = 25_000;
/// From the last fault to rest, at most.
const TO_REST: SignedDuration = SignedDuration::from_hours(3);
const AT_REST: SignedDuration = SignedDuration::from_mins(6);
const CLEAR_UP: SignedDuration = SignedDuration::from_secs(60);
/// Secrets are read again after five minutes, and what comes of that takes a while.
const SETTLED: SignedDuration = SignedDuration::from_mins(8);

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A process hears of what was written.
    Hear(Actor),
    /// A call arrives at the API server; whether its process still waits for the answer.
    Arrive(Actor, u32, Call, bool),
    /// A claim arrives: the lease's version that it was made for, and all that is claimed.
    Claim(Actor, u32, u64, BTreeSet<String>, bool),
    /// A request arrives at GitHub, and is answered unless that takes longer.
    Start(Actor, u32, Box<super::github::Start>, Timestamp),
    Ask(Actor, u32, Box<Question>, u64),
    Answer(Actor, u32, Box<Answer>),
    /// A process calls again.
    Again(Actor, u32, Box<Call>),
    /// A task at GitHub does what its script says.
    Moves(usize),
    People,
    Automation(ObjectKey),
    Secret(CredentialKey),
    Crash,
    Pause,
    Born,
    Retire,
    /// A process looks whether it can lead.
    TryToLead(Actor),
    /// A process that has lost the lease gets to know.
    Deposed(Actor),
    Dies(Actor),
}

struct Due {
    at: Timestamp,
    order: u64,
    event: Event,
}

pub struct Life {
    pub now: Timestamp,
    pub chance: StdRng,
    pub cluster: Cluster,
    pub github: GitHub,
    pub checks: Checks,
    pub trace: Option<Vec<String>>,
    processes: Vec<Process>,
    /// When a process that does not renew its lease did so last.
    silent_since: BTreeMap<Actor, Timestamp>,
    agenda: BinaryHeap<Reverse<Due>>,
    entries: u64,
    born: Actor,
}

impl Life {
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        // Some lives meet the end of a day and of a month.
        let start = pick(&mut chance, &["2026-11-22T06:00:00Z", "2026-11-30T23:55:00Z"]);
        let now: Timestamp = start.parse().unwrap();
        let mut life = Self {
            now,
            cluster: Cluster::default(),
            github: GitHub::default(),
            checks: Checks::default(),
            trace: is_traced.then(Vec::new),
            processes: Vec::new(),
            silent_since: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            entries: 0,
            born: 0,
            chance,
        };
        life.set_time(now);
        life.set_up();
        life
    }

    fn set_up(&mut self) {
        let chance = &mut self.chance;
        let levels = [0.0, 0.05, 0.3];
        self.github.trouble = Trouble {
            start: pick(chance, &levels),
            read: pick(chance, &[0.0, 0.0, 0.1]),
            stale: pick(chance, &[0.0, 0.0, 0.2]),
        };
        for repository in REPOSITORIES {
            let branch = Branch {
                exists: true,
                approvals: Some(1),
                hidden: false,
                met_at: self.now,
            };
            self.github.branches.insert(repository.to_owned(), branch);
        }
        for key in credentials() {
            self.new_secret(key);
        }
        for name in POLICIES {
            if name == POLICIES[0] || likely(&mut self.chance, 0.2) {
                let spec = policy(name, self.now, &mut self.chance);
                self.cluster.put_policy(name, Some(spec));
            }
        }
        for index in 0..pick(&mut self.chance, &[1, 1, 2, 2, 3]) {
            let automation = automation(index, &mut self.chance);
            self.cluster.create_automation(automation);
        }
    }

    /// Lives, settles, and rests.
    pub fn run(&mut self) {
        self.happens(Event::Born);
        let length = pick(&mut self.chance, &[60_000, 150_000, 300_000]);
        for _ in 0..self.chance.random_range(1..8) {
            let at = self.chance.random_range(0..length);
            let event = match self.chance.random_range(0..12) {
                0 | 1 => Event::Crash,
                2 => Event::Pause,
                3 => Event::Born,
                4 => Event::Retire,
                _ => Event::People,
            };
            self.push(at, event);
        }
        self.run_until(self.now + SignedDuration::from_millis(length));
        self.settle();
    }

    fn settle(&mut self) {
        for automation in self.cluster.automations.values() {
            self.checks.all_counted(automation);
        }
        self.checks.is_settling = true;
        self.calm();
        for process in &mut self.processes {
            (process.weather, process.skew) = (0.0, SignedDuration::ZERO);
        }
        self.happens(Event::Born);
        let until = self.now + TO_REST;
        self.run_until(self.now + CLEAR_UP);
        while self.now < until && !self.is_done() {
            self.run_until(self.now + CLEAR_UP);
            self.clear_up();
        }
        let stuck = self.stuck();
        self.checks.broken.extend(stuck);
        self.checks.known_at_github(&self.github);
        self.rest();
    }

    /// Nobody has anything to do, and nothing waits.
    fn is_done(&self) -> bool {
        let leading: Vec<_> = self
            .processes
            .iter()
            .filter_map(|process| process.leading.as_ref())
            .collect();
        let is_idle = !leading.is_empty() && leading.iter().all(|leading| leading.errands.is_empty());
        is_idle && self.stuck().is_empty()
    }

    /// What waits, or runs. (Liveness.)
    fn stuck(&self) -> Vec<String> {
        let tasks = self.cluster.tasks.iter().filter_map(|(key, task)| {
            let status = task.status.as_ref();
            let is_over = status.is_some_and(|status| status.phase.is_ended()) && !counts(task);
            (!is_over).then(|| format!("{key} is still {status:?}"))
        });
        let pulls = self.cluster.tasks.values().filter(|task| {
            let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
            pull.is_some_and(agent_automation::api::task::PullRequest::is_open)
        });
        tasks
            .chain(pulls.map(|_| "a pull request is still open".to_owned()))
            .collect()
    }

    /// It writes nothing, and a second pass plans nothing. (Invariant 5.)
    fn rest(&mut self) {
        self.run_until(self.now + SETTLED);
        self.checks.as_at_github(&self.github);
        let written = self.cluster.log.len();
        self.run_until(self.now + AT_REST);
        if self.cluster.log.len() > written {
            let writes: Vec<_> = self.cluster.log[written..].iter().map(Write::told).collect();
            self.checks.broken.push(format!("5: at rest it writes {writes:#?}"));
        }
        for index in 0..self.processes.len() {
            let now = self.now;
            let actions = self.processes[index].would_do(now);
            let needless: Vec<_> = actions.into_iter().filter(|(_, action)| !is_upkeep(action)).collect();
            if !needless.is_empty() {
                self.checks.broken.push(format!("5: at rest it plans {needless:?}"));
            }
        }
    }

    fn happens(&mut self, event: Event) {
        self.push(0, event);
    }

    fn push(&mut self, millis: i64, event: Event) {
        self.push_at(self.now + SignedDuration::from_millis(millis), event);
    }

    fn push_at(&mut self, at: Timestamp, event: Event) {
        self.entries += 1;
        let order = self.entries;
        self.agenda.push(Reverse(Due { at, order, event }));
    }

    /// Within so many milliseconds.
    pub fn after(&mut self, most: i64, event: Event) {
        let millis = self.chance.random_range(0..=most);
        self.push(millis, event);
    }

    pub fn moves_later(&mut self, index: usize) {
        if let Some(after) = self.github.next_move(index) {
            self.push_at(self.now + after, Event::Moves(index));
        }
    }

    fn run_until(&mut self, until: Timestamp) {
        loop {
            let due = self.agenda.peek().map(|Reverse(due)| due.at);
            let planning = self
                .processes
                .iter()
                .filter(|process| !self.silent_since.contains_key(&process.id));
            let wake = planning.filter_map(Process::wake).min();
            let Some(next) = due.into_iter().chain(wake).min().filter(|next| *next <= until) else {
                break;
            };
            self.set_time(next.max(self.now));
            while self.agenda.peek().is_some_and(|Reverse(due)| due.at <= self.now) {
                let Some(Reverse(due)) = self.agenda.pop() else { break };
                self.tell_event(&due.event);
                let written = self.cluster.log.len();
                self.happen(due.event);
                self.tell_writes(written);
                let heard = self.processes.iter();
                let heard = heard.filter_map(|process| Some((process.id, process.leading.as_ref()?.heard)));
                self.checks.hear(&self.cluster.log, heard.collect());
            }
            for index in 0..self.processes.len() {
                self.plan(index);
            }
            self.let_hear();
        }
        self.set_time(until);
    }

    fn set_time(&mut self, now: Timestamp) {
        (self.now, self.cluster.now, self.github.now) = (now, now, now);
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", self.now, what()));
        }
    }

    fn tell_event(&mut self, event: &Event) {
        let is_common = matches!(
            event,
            Event::Hear(_) | Event::Arrive(..) | Event::Ask(..) | Event::Again(..)
        );
        if !is_common {
            self.tell(|| format!("{event:?}").chars().take(160).collect());
        }
    }

    fn tell_writes(&mut self, since: usize) {
        if let Some(trace) = &mut self.trace {
            trace.extend(self.cluster.log[since..].iter().map(Write::told));
        }
    }

    fn plan(&mut self, index: usize) {
        let process = &mut self.processes[index];
        if process.paused_until > self.now || self.silent_since.contains_key(&process.id) {
            return;
        }
        // What ends without a call is planned for at once.
        loop {
            let process = &mut self.processes[index];
            let now = self.now + process.skew;
            let dispatched = process.plan(now);
            let passed_over = process
                .leading
                .as_mut()
                .map(|leading| std::mem::take(&mut leading.passed_over));
            for what in passed_over.unwrap_or_default() {
                self.checks.breaks(format!("{} the queue passes over {what}", self.now));
            }
            if dispatched.is_empty() {
                return;
            }
            let id = process.id;
            for one in dispatched {
                let leading = self.processes[index].leading.as_mut().unwrap();
                if let Some(key) = one.starts {
                    self.checks
                        .decide((id, leading.heard), &leading.world, &key, &self.github, now);
                }
                let mut errand = leading.errands.remove(&one.errand).unwrap();
                self.checks.dispatched(id, &errand.subject, self.now);
                if let Some(trace) = &mut self.trace {
                    trace.push(format!("{} {id} {}", self.now, errand.told()));
                }
                let next = errand.go_on(&mut self.processes[index].shell, now);
                self.go_on(index, one.errand, errand, next);
            }
        }
    }

    fn go_on(&mut self, index: usize, number: u32, errand: super::errand::Errand, next: Next) {
        let process = &mut self.processes[index];
        let (id, now) = (process.id, self.now + process.skew);
        match next {
            Next::Done => process.end(errand, now),
            Next::Call(call) => {
                process.leading.as_mut().unwrap().errands.insert(number, errand);
                self.call(index, number, call);
            }
            Next::CallAfter(after, call) => {
                process.leading.as_mut().unwrap().errands.insert(number, errand);
                self.push_at(self.now + after, Event::Again(id, number, Box::new(call)));
            }
        }
    }

    /// Everybody who has not heard all of it hears more of it later.
    fn let_hear(&mut self) {
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            let (id, lag, length) = (process.id, process.lag, self.cluster.log.len());
            let Some(leading) = &mut process.leading else { continue };
            if leading.heard < length && !leading.is_listening {
                leading.is_listening = true;
                let more = self.chance.random_range(50..500);
                let at = self.now + lag + SignedDuration::from_millis(more);
                self.push_at(at, Event::Hear(id));
            }
        }
    }

    fn index(&self, id: Actor) -> Option<usize> {
        self.processes.iter().position(|process| process.id == id)
    }

    /// The process that the event is for, or nothing if it is gone; what is for one that stands still comes later.
    fn awake(&mut self, id: Actor, event: Event) -> Option<(usize, Event)> {
        let index = self.index(id)?;
        let until = self.processes[index].paused_until;
        if until > self.now {
            self.push_at(until, event);
            return None;
        }
        Some((index, event))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Hear(id) => self.hear(id),
            Event::Arrive(id, errand, call, waits) => {
                let answer = self.served(id, call);
                if waits {
                    self.after(30, Event::Answer(id, errand, Box::new(answer)));
                }
            }
            Event::Claim(id, errand, version, claims, waits) => self.claim(id, errand, version, claims, waits),
            Event::Start(id, errand, start, until) => self.started(id, errand, &start, until),
            Event::Ask(id, errand, question, token) => {
                let answer = self.github.ask(&question, token, &mut self.chance);
                self.after(300, Event::Answer(id, errand, Box::new(Answer::GitHub(answer))));
            }
            Event::Answer(id, number, answer) => self.answered(id, number, answer),
            Event::Again(id, number, call) => {
                if let Some((index, Event::Again(_, _, call))) = self.awake(id, Event::Again(id, number, call)) {
                    self.call(index, number, *call);
                }
            }
            Event::Moves(index) => {
                self.github.moves(index, &mut self.chance);
                self.moves_later(index);
            }
            Event::People => self.people(),
            Event::Automation(key) => self.make_again(&key),
            Event::Secret(key) => self.new_secret(key),
            Event::Crash => self.crash(),
            Event::Pause => self.pause(),
            Event::Born => self.bear(),
            Event::Retire => self.retire(),
            Event::TryToLead(id) => self.try_to_lead(id),
            Event::Deposed(id) => self.depose(id),
            Event::Dies(id) => self.die(id),
        }
    }

    pub fn new_secret(&mut self, key: CredentialKey) {
        let version = self.cluster.next_version();
        self.cluster.secrets.insert(key, version);
    }

    fn hear(&mut self, id: Actor) {
        let Some((index, _)) = self.awake(id, Event::Hear(id)) else {
            return;
        };
        let length = self.cluster.log.len();
        let Some(leading) = &mut self.processes[index].leading else {
            return;
        };
        leading.is_listening = false;
        let to = if likely(&mut self.chance, 0.2) {
            self.chance.random_range(leading.heard.min(length)..=length)
        } else {
            length
        };
        leading.hear(&self.cluster, to);
    }

    fn answered(&mut self, id: Actor, number: u32, answer: Box<Answer>) {
        let Some((index, Event::Answer(_, _, answer))) = self.awake(id, Event::Answer(id, number, answer)) else {
            return;
        };
        let process = &mut self.processes[index];
        let now = self.now + process.skew;
        let Some(leading) = &mut process.leading else { return };
        let Some(mut errand) = leading.errands.remove(&number) else {
            return;
        };
        let next = errand.hear(*answer, &mut process.shell, now);
        self.go_on(index, number, errand, next);
    }

    /// A call leaves a process.
    fn call(&mut self, index: usize, errand: u32, call: Call) {
        let (id, weather) = (self.processes[index].id, self.processes[index].weather);
        let quick = self.chance.random_range(1..30);
        match call {
            Call::Ask(question, token) => {
                self.refused_token(index, token);
                self.after(300, Event::Ask(id, errand, Box::new(question), token));
            }
            Call::Start(start, left) => self.send(id, errand, start, left),
            call => {
                let (arrives, waits) = self.fate(weather, quick);
                if !waits {
                    let gives_up = self.chance.random_range(1_000..10_000);
                    self.push(gives_up, Event::Answer(id, errand, Box::new(Answer::Nothing)));
                }
                let Some(after) = arrives else { return };
                let shell = &self.processes[index].shell;
                let event = match call {
                    Call::Claim => Event::Claim(id, errand, self.cluster.lease.version, shell.wanted.clone(), waits),
                    call => Event::Arrive(id, errand, call, waits),
                };
                self.push(after, event);
            }
        }
    }

    /// When a call arrives, if it does, and whether its process waits for the answer.
    fn fate(&mut self, weather: f64, quick: i64) -> (Option<i64>, bool) {
        if !likely(&mut self.chance, weather) {
            return (Some(quick), true);
        }
        match self.chance.random_range(0..4) {
            0 => (None, false),
            1 => (Some(quick), false),
            2 => (Some(self.chance.random_range(100..9_000)), true),
            _ => (Some(self.chance.random_range(9_000..25_000)), false),
        }
    }

    /// A token that GitHub refused is not used again by whoever knows.
    fn refused_token(&mut self, index: usize, token: u64) {
        let leading = self.processes[index].leading.as_ref();
        if leading.is_some_and(|leading| leading.refused.contains(&token)) {
            self.checks
                .broken
                .push(format!("a refused token is used again: {token}"));
        }
    }

    /// A request to start leaves, and has ended at its deadline.
    fn send(&mut self, id: Actor, errand: u32, start: Box<super::github::Start>, left: SignedDuration) {
        let is_troubled = likely(&mut self.chance, self.github.trouble.start * 0.2);
        if is_troubled && likely(&mut self.chance, 0.5) {
            self.push(
                50,
                Event::Answer(id, errand, Box::new(Answer::Started(StartAnswer::NeverSent))),
            );
            return;
        }
        let until = self.now + left;
        let most = if is_troubled { 30_000 } else { 1_000 };
        let at = self.now + SignedDuration::from_millis(self.chance.random_range(50..most));
        if at < until {
            self.push_at(at, Event::Start(id, errand, start, until));
        } else {
            self.push_at(until, Event::Answer(id, errand, Box::new(Answer::Nothing)));
        }
    }

    fn started(&mut self, id: Actor, errand: u32, start: &super::github::Start, until: Timestamp) {
        let started = self.github.start(start, &mut self.chance);
        if let Some(index) = started.created {
            self.moves_later(index);
            self.checks.created(start, &self.github, self.now);
        }
        let at = (self.now + SignedDuration::from_millis(self.chance.random_range(50..1_000))).min(until);
        let answer = if at == until {
            Answer::Nothing
        } else {
            Answer::Started(started.answer)
        };
        self.push_at(at, Event::Answer(id, errand, Box::new(answer)));
    }

    /// What the API server does and says.
    fn served(&mut self, id: Actor, call: Call) -> Answer {
        let cluster = &mut self.cluster;
        let read = |cluster: &Cluster, key: &ObjectKey| cluster.tasks.get(key).map(|task| Box::new((**task).clone()));
        match call {
            Call::CreateTask(task) => {
                let key = ObjectKey::of(&*task);
                match cluster.create_task(id, *task) {
                    Ok(created) => Answer::Task(Box::new((*created).clone())),
                    Err(_) => Answer::Newer(read(cluster, &key)),
                }
            }
            Call::ReplaceTask(task) => match cluster.replace_task(id, &task) {
                Ok(written) => Answer::Task(Box::new((*written).clone())),
                Err(NotWritten::Conflict) => Answer::Newer(read(cluster, &ObjectKey::of(&*task))),
                Err(NotWritten::Gone) => Answer::Newer(None),
            },
            Call::ReadTask(key) => Answer::Newer(read(cluster, &key)),
            Call::DeleteTask(key, uid) => {
                cluster.delete_task(id, &key, &uid);
                Answer::Deleted
            }
            Call::ReplaceAutomation(automation) => {
                let key = ObjectKey::of(&*automation);
                let status = automation.status.clone().unwrap_or_default();
                if let Ok(written) = cluster.replace_automation(id, &automation, status) {
                    return Answer::Automation(Box::new((*written).clone()));
                }
                let newer = cluster.automations.get(&key);
                Answer::NewerAutomation(newer.map(|newer| Box::new((**newer).clone())))
            }
            Call::ReadSecret(key) => Answer::Secret(cluster.secrets.get(&key).copied()),
            Call::Claim | Call::Start(..) | Call::Ask(..) => Answer::Nothing,
        }
    }

    /// A claim is a replace of the lease that its holder makes again when another write of its own came between.
    fn claim(&mut self, id: Actor, errand: u32, version: u64, claims: BTreeSet<String>, waits: bool) {
        let index = self.index(id);
        let lease = &mut self.cluster.lease;
        if lease.holder != Some(id) {
            if waits {
                self.after(30, Event::Answer(id, errand, Box::new(Answer::NotLeader)));
                self.after(5_000, Event::Deposed(id));
            }
            return;
        }
        match index.filter(|_| waits) {
            Some(index) => {
                let shell = &mut self.processes[index].shell;
                lease.claims.clone_from(&shell.wanted);
                shell.written.clone_from(&shell.wanted);
                lease.version += 1;
                self.after(30, Event::Answer(id, errand, Box::new(Answer::Claimed)));
            }
            None if lease.version == version => {
                lease.claims = claims;
                lease.version += 1;
            }
            None => {}
        }
    }

    fn crash(&mut self) {
        if self.processes.is_empty() {
            return;
        }
        let index = self.chance.random_range(0..self.processes.len());
        let id = self.processes[index].id;
        self.die(id);
        if self.processes.is_empty() {
            self.after(20_000, Event::Born);
        }
    }

    fn die(&mut self, id: Actor) {
        let Some(index) = self.index(id) else { return };
        self.processes.remove(index);
        self.silent_since.entry(id).or_insert(self.now);
        self.let_others_lead(15_000);
        if self.processes.is_empty() {
            self.after(20_000, Event::Born);
        }
    }

    fn let_others_lead(&mut self, after: i64) {
        let standing_by = self.processes.iter().filter(|process| process.leading.is_none());
        for id in standing_by.map(|process| process.id).collect::<Vec<_>>() {
            self.push(after, Event::TryToLead(id));
        }
    }

    fn pause(&mut self) {
        if self.processes.is_empty() {
            return;
        }
        let index = self.chance.random_range(0..self.processes.len());
        let pause = SignedDuration::from_millis(self.chance.random_range(1_000..60_000));
        self.processes[index].paused_until = self.now + pause;
        self.let_others_lead(15_000);
    }

    /// It gives the lease up, and ends what is under way.
    fn retire(&mut self) {
        let Some(process) = self
            .processes
            .iter()
            .find(|process| self.cluster.lease.holder == Some(process.id))
        else {
            return;
        };
        let (id, wanted) = (process.id, process.shell.wanted.clone());
        self.silent_since.insert(id, self.now - LEASE);
        let lease = &mut self.cluster.lease;
        (lease.holder, lease.claims, lease.version) = (None, wanted, lease.version + 1);
        self.after(DRAIN, Event::Dies(id));
        self.let_others_lead(1_000);
    }

    fn bear(&mut self) {
        if self.processes.len() >= 2 {
            return;
        }
        self.born += 1;
        // What comes in turn would hide what the queue passes over.
        let settings = Settings {
            sweep: 0,
            ..Settings::default()
        };
        let mut process = Process::new(self.born, settings);
        if !self.checks.is_settling {
            let chance = &mut self.chance;
            process.skew = SignedDuration::from_secs(pick(chance, &[0, 0, 0, -20, 20]));
            process.lag = SignedDuration::from_millis(pick(chance, &[0, 0, 100, 3_000]));
            process.weather = pick(chance, &[0.0, 0.0, 0.03, 0.2]);
        }
        self.processes.push(process);
        self.happens(Event::TryToLead(self.born));
    }

    fn try_to_lead(&mut self, id: Actor) {
        let Some((index, _)) = self.awake(id, Event::TryToLead(id)) else {
            return;
        };
        if self.processes[index].leading.is_some() || self.silent_since.contains_key(&id) {
            return;
        }
        let holder = self.cluster.lease.holder;
        if let Some(free_at) = holder.and_then(|holder| self.lease_ends(holder)) {
            if free_at > self.now {
                self.push_at(free_at, Event::TryToLead(id));
                return;
            }
        } else if holder.is_some() {
            return;
        }
        if let Some(before) = holder {
            self.silent_since.insert(before, self.now);
            let resumes = self.index(before).map(|index| self.processes[index].paused_until);
            if let Some(resumes) = resumes {
                let at = resumes + SignedDuration::from_millis(self.chance.random_range(0..5_000));
                self.silent_since.remove(&before);
                self.push_at(at, Event::Deposed(before));
            }
        }
        let lease = &mut self.cluster.lease;
        (lease.holder, lease.version) = (Some(id), lease.version + 1);
        let inherited = lease.claims.clone();
        self.processes[index].lead(&self.cluster, &inherited);
    }

    /// When the lease of a holder that is gone or stands still ends; nothing while it renews it.
    fn lease_ends(&self, holder: Actor) -> Option<Timestamp> {
        if self.index(holder).is_none() {
            return Some(self.silent_since.get(&holder).map_or(self.now, |since| *since + LEASE));
        }
        let process = &self.processes[self.index(holder)?];
        (process.paused_until > self.now + SignedDuration::from_millis(1)).then_some(self.now)
    }

    /// It plans no more, ends what is under way, and begins anew.
    fn depose(&mut self, id: Actor) {
        if self.index(id).is_some() && self.cluster.lease.holder != Some(id) && !self.silent_since.contains_key(&id) {
            self.silent_since.insert(id, self.now);
            self.after(DRAIN, Event::Dies(id));
        }
    }
}

/// What reads, at its own pace.
fn is_upkeep(action: &Action) -> bool {
    matches!(
        action,
        Action::ReadSecret
            | Action::Refresh { .. }
            | Action::VerifyRepository
            | Action::Inspect { .. }
            | Action::Poll { .. }
            | Action::ListPulls
            | Action::ListOpenPulls
    )
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
