//! A task as GitHub keeps it, and what shows of it at an instant.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::script::{End, Leaves, SessionScript, SessionState, after};

/// One task that was ever created, as a test or the control API sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    pub id: String,
    /// `owner/name`.
    pub repository: String,
    pub prompt: String,
    pub creator: String,
    pub created_at: Timestamp,
    pub state: SessionState,
    pub session_count: usize,
    pub model: Option<String>,
    pub custom_agent: Option<String>,
    pub create_pull_request: bool,
    pub base_ref: String,
    pub head_ref: String,
    pub archived: bool,
    /// The number of its pull request, once that is open.
    pub pull: Option<u64>,
}

/// A pull request's identity, reserved when its task is created.
#[derive(Clone, Copy, Debug)]
pub(super) struct PullIdentity {
    pub id: u64,
    pub number: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub id: String,
    pub repository: u64,
    pub creator: u64,
    pub creator_login: String,
    pub prompt: String,
    pub model: Option<String>,
    pub custom_agent: Option<String>,
    pub create_pull_request: bool,
    pub base_ref: String,
    pub head_ref: String,
    pub created_at: Timestamp,
    /// Before these, a list or a get does not show it.
    pub listed_from: Timestamp,
    pub readable_from: Timestamp,
    pub archived_at: Option<Timestamp>,
    pub pull: PullIdentity,
    pub sessions: Vec<Session>,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub id: String,
    pub created_at: Timestamp,
    pub script: SessionScript,
    /// When a person stopped it.
    pub cancelled_at: Option<Timestamp>,
}

impl Session {
    fn begins_at(&self) -> Timestamp {
        after(self.created_at, self.script.queued_ms)
    }

    /// When it reaches the state it stays in.
    pub fn ends_at(&self) -> Timestamp {
        let scripted = match self.script.end {
            End::Never => Timestamp::MAX,
            _ => after(self.begins_at(), self.script.running_ms),
        };
        self.cancelled_at.map_or(scripted, |at| at.min(scripted))
    }

    pub fn state(&self, now: Timestamp) -> SessionState {
        if now >= self.ends_at() {
            let stopped = self.cancelled_at.is_some_and(|at| at <= self.ends_at());
            if stopped {
                SessionState::Cancelled
            } else {
                self.script.end.state()
            }
        } else if now >= self.begins_at() {
            SessionState::InProgress
        } else {
            SessionState::Queued
        }
    }

    /// When its branch or pull request shows; `None` when it stops before.
    fn shows_at(&self) -> Option<Timestamp> {
        let at = after(self.begins_at(), self.script.shows_after_ms.min(self.script.running_ms));
        (at <= self.ends_at()).then_some(at)
    }

    pub fn updated_at(&self, now: Timestamp) -> Timestamp {
        let shows_at = self.shows_at().filter(|_| self.script.leaves != Leaves::Nothing);
        [
            Some(self.created_at),
            Some(self.begins_at()),
            shows_at,
            Some(self.ends_at()),
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at <= now && *at <= self.ends_at())
        .max()
        .unwrap_or(self.created_at)
    }

    pub fn completed_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.state(now).is_final().then(|| self.ends_at())
    }

    /// The error of a session that has failed.
    pub fn error(&self, now: Timestamp) -> Option<&str> {
        match &self.script.end {
            End::Failed { message } if self.state(now) == SessionState::Failed => Some(message),
            _ => None,
        }
    }

    /// Nano AI credits, once it has ended.
    pub fn credits(&self, now: Timestamp) -> Option<u64> {
        self.script.credits_nano.filter(|_| self.state(now).is_final())
    }
}

impl Task {
    /// The sessions that have begun, oldest first.
    pub fn sessions(&self, now: Timestamp) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| session.created_at <= now)
    }

    /// Derived from the newest session.
    pub fn state(&self, now: Timestamp) -> SessionState {
        self.sessions(now)
            .last()
            .map_or(SessionState::Queued, |session| session.state(now))
    }

    pub fn updated_at(&self, now: Timestamp) -> Timestamp {
        self.sessions(now)
            .map(|session| session.updated_at(now))
            .max()
            .unwrap_or(self.created_at)
    }

    /// When the branch came to be.
    pub fn branch_at(&self) -> Option<Timestamp> {
        self.shows_at(|leaves| leaves != Leaves::Nothing)
    }

    /// When the pull request was opened.
    pub fn pull_at(&self) -> Option<Timestamp> {
        self.shows_at(|leaves| leaves == Leaves::PullRequest)
            .filter(|_| self.create_pull_request)
    }

    fn shows_at(&self, wanted: impl Fn(Leaves) -> bool) -> Option<Timestamp> {
        self.sessions
            .iter()
            .filter(|session| wanted(session.script.leaves))
            .filter_map(Session::shows_at)
            .min()
    }

    /// Stops it as a person would: the running session ends now, later ones never begin.
    pub fn cancel(&mut self, now: Timestamp) {
        self.sessions.retain(|session| session.created_at <= now);
        if let Some(session) = self.sessions.last_mut().filter(|session| now < session.ends_at()) {
            session.cancelled_at = Some(now);
        }
    }

    /// The name GitHub makes of the prompt: the beginning of its first line that says something.
    pub fn name(&self) -> String {
        let line = self.prompt.lines().map(str::trim).find(|line| !line.is_empty());
        line.unwrap_or("Task").chars().take(60).collect()
    }

    pub fn record(&self, repository: &str, now: Timestamp) -> TaskRecord {
        TaskRecord {
            id: self.id.clone(),
            repository: repository.to_owned(),
            prompt: self.prompt.clone(),
            creator: self.creator_login.clone(),
            created_at: self.created_at,
            state: self.state(now),
            session_count: self.sessions(now).count(),
            model: self.model.clone(),
            custom_agent: self.custom_agent.clone(),
            create_pull_request: self.create_pull_request,
            base_ref: self.base_ref.clone(),
            head_ref: self.head_ref.clone(),
            archived: self.archived_at.is_some_and(|at| at <= now),
            pull: self.pull_at().filter(|at| *at <= now).map(|_| self.pull.number),
        }
    }
}

/// Lays a script's sessions out in time from `start`; `id` gives each its id.
pub(super) fn schedule(scripts: &[SessionScript], start: Timestamp, mut id: impl FnMut() -> String) -> Vec<Session> {
    let mut free = start;
    let mut sessions = Vec::with_capacity(scripts.len());
    for script in scripts {
        let created_at = after(free, script.after_ms);
        let session = Session {
            id: id(),
            created_at,
            script: script.clone(),
            cancelled_at: None,
        };
        free = session.ends_at();
        sessions.push(session);
    }
    sessions
}

/// Tasks by id, and their order of creation.
#[derive(Default)]
pub(super) struct Tasks {
    by_id: BTreeMap<String, Task>,
    order: Vec<String>,
}

impl Tasks {
    pub fn insert(&mut self, task: Task) {
        self.order.push(task.id.clone());
        self.by_id.insert(task.id.clone(), task);
    }

    pub fn get(&self, id: &str) -> Option<&Task> {
        self.by_id.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Task> {
        self.by_id.get_mut(id)
    }

    /// In order of creation.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }
}
