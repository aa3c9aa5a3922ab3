//! GitHub in few lines: tasks that run by a script, their pull requests, tokens that end, branches and what guards them;
//! and answers that are refused, lost, late or old.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use agent_automation::api::AgentTask;
use agent_automation::api::Reason;
use agent_automation::api::task::{Attempt, Checks, PullRequest, ReviewDecision, Usage};
use agent_automation::domain::task_state::TaskState;
use agent_automation::github::RetryAfter;
use agent_automation::plan::observed::{
    BranchRules, GuardrailFacts, ListedTask, ObservedTask, Refused, SeenPull, Untold,
};
use agent_automation::plan::world::LabelledPull;
use agent_automation::plan::{automation, search};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand::rngs::StdRng;

use super::chance::{likely, pick};

const NANO: i64 = 1_000_000_000;

/// A refusal, or no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    BadCredentials,
    Limited(RetryAfter),
    PermissionMissing,
    NotFound,
    Invalid,
    Unavailable,
}

/// What is asked of GitHub, other than to start a task.
#[derive(Debug, Clone)]
pub enum Question {
    Verify,
    Poll(Timestamp),
    Task(String),
    Search {
        task: Box<AgentTask>,
        taken: BTreeSet<String>,
    },
    Branch {
        repository: String,
        guardrails: bool,
    },
    Pulls(String),
    OpenPulls(String),
    Pull(i64),
    HandOver {
        number: i64,
        labels: Vec<String>,
    },
    Close(i64),
}

/// What GitHub says to it.
#[derive(Debug, Clone)]
pub enum Reply {
    Done,
    Listed(Vec<ListedTask>),
    Task(Box<ObservedTask>),
    Found {
        whole: bool,
        matches: Vec<ObservedTask>,
    },
    Branch {
        exists: bool,
        guardrails: Option<GuardrailFacts>,
    },
    Pulls(BTreeMap<i64, SeenPull>),
    OpenPulls(BTreeMap<String, Vec<LabelledPull>>),
    Pull(Box<PullRequest>),
}

/// A request to start a task.
#[derive(Debug, Clone)]
pub struct Start {
    pub uid: String,
    pub attempt: Attempt,
    pub prompt: String,
    pub repository: String,
    pub opens_pull: bool,
    pub token: u64,
}

/// What can be seen of a task, and changes.
#[derive(Debug, Clone, PartialEq)]
struct Face {
    state: TaskState,
    updated_at: Timestamp,
    nano: Option<i64>,
    pull: Option<i64>,
}

#[derive(Debug)]
pub struct Record {
    pub id: String,
    /// Of the object that it was started for.
    pub uid: String,
    prompt: String,
    pub repository: String,
    visible_at: Timestamp,
    face: Face,
    /// What an answer from a replica that lags still shows.
    before: Face,
    opens_pull: bool,
    /// A person had the agent go on with it.
    pub resumed: bool,
    /// What it does next, and how long after what came before.
    script: Vec<(SignedDuration, TaskState)>,
}

#[derive(Debug, Clone)]
pub struct Pull {
    repository: String,
    pub open: bool,
    pub merged: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    review: ReviewDecision,
    labels: Vec<String>,
}

/// A repository's base branch.
#[derive(Debug, Clone)]
pub struct Branch {
    pub exists: bool,
    pub approvals: Option<i32>,
    /// The token may not read the rules.
    pub hidden: bool,
    /// When its guardrails last were as they should be.
    pub met_at: Timestamp,
}

/// How likely answers go wrong.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    pub start: f64,
    pub read: f64,
    pub stale: f64,
}

#[derive(Debug, Default)]
pub struct GitHub {
    pub now: Timestamp,
    pub trouble: Trouble,
    pub tasks: Vec<Record>,
    /// By number, from 1.
    pub pulls: Vec<Pull>,
    pub revoked: BTreeSet<u64>,
    pub branches: BTreeMap<String, Branch>,
}

/// What came of a request to start, and which task there is now.
pub struct Started {
    pub answer: StartAnswer,
    pub created: Option<usize>,
}

#[derive(Debug, Clone)]
pub enum StartAnswer {
    Created(Box<ObservedTask>),
    Refused(No),
    NeverSent,
    Unknown,
}

impl GitHub {
    /// A request to start arrives.
    pub fn start(&mut self, start: &Start, chance: &mut StdRng) -> Started {
        let refused = |no| Started {
            answer: StartAnswer::Refused(no),
            created: None,
        };
        let unknown = |created| Started {
            answer: StartAnswer::Unknown,
            created,
        };
        if self.revoked.contains(&start.token) {
            return refused(No::BadCredentials);
        }
        if !likely(chance, self.trouble.start) {
            return self.created(start, chance);
        }
        match chance.random_range(0..10) {
            0 => refused(No::Limited(RetryAfter::After(Duration::from_secs(20)))),
            1 => refused(No::Limited(RetryAfter::Unstated)),
            2 => refused(No::Invalid),
            3 => refused(No::PermissionMissing),
            4 | 5 => unknown(None),
            _ => {
                let created = self.created(start, chance).created;
                // What GitHub shows too late is not adopted, and a person has to judge.
                if let Some(record) = created.and_then(|index| self.tasks.get_mut(index)) {
                    let after = pick(chance, &[0, 2, 10, 20, 30]);
                    record.visible_at = self.now + SignedDuration::from_secs(after);
                }
                unknown(created)
            }
        }
    }

    fn created(&mut self, start: &Start, chance: &mut StdRng) -> Started {
        let face = Face {
            state: TaskState::Queued,
            updated_at: self.now,
            nano: None,
            pull: None,
        };
        self.tasks.push(Record {
            id: format!("task-{}", self.tasks.len()),
            uid: start.uid.clone(),
            prompt: start.prompt.clone(),
            repository: start.repository.clone(),
            visible_at: self.now,
            before: face.clone(),
            face,
            opens_pull: start.opens_pull,
            resumed: false,
            script: script(chance),
        });
        let index = self.tasks.len() - 1;
        let seen = self.observed(&self.tasks[index], false);
        Started {
            answer: StartAnswer::Created(Box::new(seen)),
            created: Some(index),
        }
    }

    /// How long after now a task does what its script says next.
    pub fn next_move(&self, index: usize) -> Option<SignedDuration> {
        self.tasks[index].script.last().map(|(after, _)| *after)
    }

    /// It does what its script says.
    pub fn moves(&mut self, index: usize, chance: &mut StdRng) {
        let Some((_, state)) = self.tasks[index].script.pop() else {
            return;
        };
        self.set_state(index, state, chance);
    }

    pub fn set_state(&mut self, index: usize, state: TaskState, chance: &mut StdRng) {
        let (ends, now) = (state.is_terminal(), self.now);
        let record = &mut self.tasks[index];
        record.before = record.face.clone();
        let spent = record.face.nano.unwrap_or(0);
        record.face.nano = Some(spent + chance.random_range(0..=2) * NANO);
        let opens = ends && record.opens_pull && record.face.pull.is_none() && likely(chance, 0.7);
        record.face.state = state;
        record.face.updated_at = now;
        if opens {
            let repository = record.repository.clone();
            let number = self.open_pull(&repository, Vec::new());
            self.tasks[index].face.pull = Some(number);
        }
    }

    /// A person has the agent go on with a task that ended, or cancels one.
    pub fn disturb_task(&mut self, index: usize, chance: &mut StdRng) {
        if self.is_over(index) {
            self.tasks[index].resumed = true;
            self.tasks[index].script = vec![(SignedDuration::from_secs(20), TaskState::Completed)];
            self.set_state(index, TaskState::InProgress, chance);
        } else {
            self.tasks[index].script.clear();
            self.set_state(index, TaskState::Cancelled, chance);
        }
    }

    pub fn is_over(&self, index: usize) -> bool {
        self.tasks[index].face.state.is_terminal()
    }

    pub fn open_pull(&mut self, repository: &str, labels: Vec<String>) -> i64 {
        self.pulls.push(Pull {
            repository: repository.to_owned(),
            open: true,
            merged: false,
            created_at: self.now,
            updated_at: self.now,
            review: ReviewDecision::Required,
            labels,
        });
        i64::try_from(self.pulls.len()).unwrap()
    }

    /// A person reviews, merges, closes or opens it again.
    pub fn disturb_pull(&mut self, index: usize, chance: &mut StdRng) {
        let now = self.now;
        let pull = &mut self.pulls[index];
        if pull.merged {
            return;
        }
        pull.updated_at = now;
        if !pull.open {
            pull.open = true;
            return;
        }
        match chance.random_range(0..4) {
            0 => pull.review = pick(chance, &[ReviewDecision::Approved, ReviewDecision::ChangesRequested]),
            1 => pull.open = false,
            _ => (pull.open, pull.merged) = (false, true),
        }
    }

    /// People deal with all that is open.
    pub fn merge_all(&mut self) {
        let now = self.now;
        for pull in self.pulls.iter_mut().filter(|pull| pull.open) {
            (pull.open, pull.merged, pull.updated_at) = (false, true, now);
        }
    }

    /// What an agent that waits for a person does when one answers.
    pub fn answer_all(&mut self) -> Vec<usize> {
        let waits = |record: &Record| !record.face.state.is_terminal() && record.script.is_empty();
        let indices: Vec<_> = (0..self.tasks.len())
            .filter(|index| waits(&self.tasks[*index]))
            .collect();
        for index in &indices {
            self.tasks[*index].script = vec![(SignedDuration::from_secs(5), TaskState::Completed)];
        }
        indices
    }

    pub fn ask(&mut self, question: &Question, token: u64, chance: &mut StdRng) -> Result<Reply, No> {
        if self.revoked.contains(&token) {
            return Err(No::BadCredentials);
        }
        if likely(chance, self.trouble.read) {
            let limited = No::Limited(RetryAfter::After(Duration::from_secs(30)));
            return Err(pick(chance, &[No::Unavailable, No::Unavailable, limited]));
        }
        let stale = likely(chance, self.trouble.stale);
        Ok(match question {
            Question::Verify => Reply::Done,
            Question::Poll(since) => Reply::Listed(self.listed(*since, stale)),
            Question::Task(id) => {
                let record = self.visible().find(|record| record.id == *id).ok_or(No::NotFound)?;
                Reply::Task(Box::new(self.observed(record, stale)))
            }
            Question::Search { task, taken } => self.found(task, taken, stale),
            Question::Branch { repository, guardrails } => self.branch(repository, *guardrails),
            Question::Pulls(repository) => Reply::Pulls(self.seen_pulls(repository)),
            Question::OpenPulls(repository) => Reply::OpenPulls(self.labels_of(repository)),
            Question::Pull(number) => Reply::Pull(Box::new(self.read_pull(*number).ok_or(No::NotFound)?)),
            Question::HandOver { number, labels } => {
                let now = self.now;
                let pull = self.pull_mut(*number).ok_or(No::NotFound)?;
                pull.updated_at = now;
                pull.labels.extend(labels.iter().cloned());
                Reply::Done
            }
            Question::Close(number) => {
                if likely(chance, 0.2) {
                    return Err(No::PermissionMissing);
                }
                let now = self.now;
                let pull = self.pull_mut(*number).ok_or(No::NotFound)?;
                (pull.open, pull.updated_at) = (false, now);
                Reply::Done
            }
        })
    }

    fn visible(&self) -> impl Iterator<Item = &Record> {
        self.tasks.iter().filter(|record| record.visible_at <= self.now)
    }

    fn listed(&self, since: Timestamp, stale: bool) -> Vec<ListedTask> {
        let faces = self.visible().map(|record| (record, face(record, stale)));
        let listed = faces
            .filter(|(_, face)| face.updated_at >= since)
            .map(|(record, face)| ListedTask {
                id: record.id.clone(),
                state: face.state.clone(),
                updated_at: Some(face.updated_at),
            });
        listed.collect()
    }

    fn found(&self, task: &AgentTask, taken: &BTreeSet<String>, stale: bool) -> Reply {
        let attempts = task
            .status
            .as_ref()
            .map(|status| status.attempts.as_slice())
            .unwrap_or_default();
        let here = self
            .visible()
            .filter(|record| record.repository == task.spec.repository);
        let candidates = here
            .filter(|record| !taken.contains(&record.id))
            .map(|record| self.observed(record, stale));
        let carries = |seen: &ObservedTask| attempts.iter().any(|attempt| search::carries(seen, &attempt.marker));
        Reply::Found {
            whole: true,
            matches: candidates.filter(carries).collect(),
        }
    }

    fn branch(&self, repository: &str, guardrails: bool) -> Reply {
        let branch = &self.branches[repository];
        let told = BranchRules {
            approvals: branch.approvals,
            ..BranchRules::default()
        };
        let hidden = Untold::Refused("the token lacks a permission".to_owned());
        Reply::Branch {
            exists: branch.exists,
            guardrails: (guardrails && branch.exists).then(|| GuardrailFacts {
                checked_at: self.now,
                rules: if branch.hidden { Err(hidden.clone()) } else { Ok(told) },
                code_owners: Ok(None),
                agent: Err(hidden),
                unanswered: None,
            }),
        }
    }

    fn seen_pulls(&self, repository: &str) -> BTreeMap<i64, SeenPull> {
        let numbered = (1..).zip(&self.pulls);
        let here = numbered.filter(|(_, pull)| pull.repository == repository);
        let seen = here.map(|(number, pull)| {
            let seen = SeenPull {
                id: 1_000 + number,
                is_open: pull.open,
                updated_at: Some(pull.updated_at),
            };
            (number, seen)
        });
        seen.collect()
    }

    fn labels_of(&self, repository: &str) -> BTreeMap<String, Vec<LabelledPull>> {
        let mut labelled: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let numbered = (1..).zip(&self.pulls);
        for (number, pull) in numbered.filter(|(_, pull)| pull.repository == repository && pull.open) {
            for label in &pull.labels {
                labelled.entry(label.clone()).or_default().push(LabelledPull {
                    id: 1_000 + number,
                    page: url(number),
                });
            }
        }
        labelled
    }

    pub fn pull(&self, number: i64) -> Option<&Pull> {
        self.pulls.get(usize::try_from(number - 1).ok()?)
    }

    fn pull_mut(&mut self, number: i64) -> Option<&mut Pull> {
        self.pulls.get_mut(usize::try_from(number - 1).ok()?)
    }

    fn read_pull(&self, number: i64) -> Option<PullRequest> {
        let pull = self.pull(number)?;
        let closed_at = (!pull.open).then_some(pull.updated_at);
        Some(PullRequest {
            updated_at: Some(pull.updated_at),
            created_at: Some(pull.created_at),
            closed_at,
            review: Some(pull.review),
            checks: Some(Checks::Passed),
            ..Self::resolved(number, pull)
        })
    }

    fn resolved(number: i64, pull: &Pull) -> PullRequest {
        PullRequest {
            id: 1_000 + number,
            number: Some(number),
            url: Some(url(number)),
            state: Some(if pull.open { "open" } else { "closed" }.to_owned()),
            merged: pull.merged,
            ..PullRequest::default()
        }
    }

    fn observed(&self, record: &Record, stale: bool) -> ObservedTask {
        let face = face(record, stale);
        let pull = face.pull.and_then(|number| {
            let pull = self.pull(number)?;
            // The list of pull requests lags behind the task now and then.
            let unresolved = PullRequest {
                id: 1_000 + number,
                ..PullRequest::default()
            };
            Some(if stale {
                unresolved
            } else {
                Self::resolved(number, pull)
            })
        });
        let failed = face.state == TaskState::Failed;
        ObservedTask {
            id: record.id.clone(),
            url: None,
            state: face.state.clone(),
            updated_at: Some(face.updated_at),
            branch: None,
            pull_request: pull,
            failure: failed.then(|| "the tests do not pass".to_owned()),
            usage: face.nano.map(|nano| Usage {
                nano_ai_credits: nano,
                ai_credits: automation::credits(nano),
                milli_premium_requests: 0,
            }),
            prompts: vec![record.prompt.clone()],
        }
    }
}

impl Branch {
    pub fn is_guarded(&self) -> bool {
        !self.hidden && self.approvals.is_some()
    }
}

impl No {
    /// Asking again would not help.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Invalid | Self::NotFound | Self::PermissionMissing)
    }

    pub fn refused(self, now: Timestamp) -> Refused {
        let (reason, not_before) = match self {
            Self::BadCredentials => (Reason::CredentialRejected, None),
            Self::Limited(wait) => (Reason::RateLimited, Some(wait.not_before(now))),
            Self::PermissionMissing => (Reason::PermissionDenied, None),
            Self::NotFound => (Reason::RepositoryNotFound, None),
            Self::Invalid => (Reason::StartRejected, None),
            Self::Unavailable => (Reason::GitHubUnavailable, None),
        };
        Refused {
            reason,
            message: "GitHub said no".to_owned(),
            not_before,
        }
    }
}

fn face(record: &Record, stale: bool) -> &Face {
    if stale { &record.before } else { &record.face }
}

fn url(number: i64) -> String {
    format!("https://github.com/acme/api/pull/{number}")
}

/// The last comes first.
fn script(chance: &mut StdRng) -> Vec<(SignedDuration, TaskState)> {
    let seconds = |seconds| SignedDuration::from_secs(seconds);
    let end = pick(
        chance,
        &[
            TaskState::Completed,
            TaskState::Completed,
            TaskState::Completed,
            TaskState::Failed,
            TaskState::Failed,
            TaskState::TimedOut,
            TaskState::Cancelled,
        ],
    );
    let mut script = vec![(seconds(pick(chance, &[5, 20, 60, 200])), end)];
    if likely(chance, 0.05) {
        script = vec![(seconds(10), TaskState::WaitingForUser)];
    }
    if likely(chance, 0.5) {
        script.push((seconds(2), TaskState::InProgress));
    }
    script
}
