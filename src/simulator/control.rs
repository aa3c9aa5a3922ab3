//! What a test, a demo or a person does to the simulated GitHub behind the API's back, and sees of it.
//!
//! Every change is a method of [`Simulator`]. [`Command`] is the same list as data: a configuration file and the control
//! API are made of it.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Simulator,
    auth::{Account, AccountKind, Token},
    endpoints::tasks::Start,
    fault::Fault,
    limit::{Limits, PrimaryLimit},
    pull::{Change, PullChange, PullRecord, Review},
    repository::Repository,
    script::{Script, SessionScript},
    state::{Behaviour, RequestRecord, State},
    task::{Task, TaskRecord, schedule},
};

/// Why a command cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ControlError {
    #[error("no user has the login {0:?}: add the user first")]
    UnknownUser(String),
    #[error("there is no such token: add it first")]
    UnknownToken,
    #[error("there is no repository {0:?}: add it first, as owner/name")]
    UnknownRepository(String),
    #[error("a repository is named owner/name, not {0:?}")]
    BadRepositoryName(String),
    #[error("there is no task {0:?}: the list of tasks has the ids")]
    UnknownTask(String),
    #[error("{repository} has no open or closed pull request {number} yet")]
    UnknownPull { repository: String, number: u64 },
}

/// A task that starts without the API, as one does that a person starts on the web.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskStart {
    /// `owner/name`.
    pub repository: String,
    /// The login of who starts it.
    pub creator: String,
    pub prompt: String,
    #[serde(default)]
    pub create_pull_request: bool,
    /// What it follows; without, what a task over the API would follow.
    #[serde(default)]
    pub script: Option<Script>,
}

/// A change, as data: `{"add_user": {"login": "octocat", "id": 1}}`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Adds a user; the id is picked when left out.
    AddUser {
        login: String,
        #[serde(default)]
        id: u64,
    },
    /// Adds a token, or replaces the one with the same secret: revoked, expired, narrowed.
    AddToken(Token),
    AddRepository(Repository),
    /// Renames a repository; requests for its old name are redirected.
    MoveRepository {
        from: String,
        to: String,
    },
    /// The script of tasks for which no other is set.
    SetDefaultScript(Script),
    SetRepositoryScript {
        repository: String,
        script: Script,
    },
    /// For tasks whose prompt contains the text.
    SetPromptScript {
        contains: String,
        script: Script,
    },
    /// For the next tasks, one each, before all others.
    QueueScripts(Vec<Script>),
    AddFault(Fault),
    ClearFaults,
    SetLimits(Limits),
    /// Sets how much of the primary limit a user has left.
    SetPrimaryLimit {
        login: String,
        primary: PrimaryLimit,
    },
    SetBehaviour(Behaviour),
    StartTask(TaskStart),
    /// A person archives a task, which takes it out of lists.
    ArchiveTask {
        id: String,
    },
    /// A person stops a task.
    CancelTask {
        id: String,
    },
    /// A person asks the agent to go on: another session from now.
    ContinueTask {
        id: String,
        session: SessionScript,
    },
    ChangePull {
        repository: String,
        number: u64,
        change: PullChange,
    },
    /// Forgets the requests so far, and nothing else.
    ClearRequests,
    /// Forgets everything, back to the seed.
    Reset,
}

impl Simulator {
    /// Does one command.
    pub fn run(&self, command: Command) -> Result<(), ControlError> {
        match command {
            Command::AddUser { login, id } => self.add_user(&login, id),
            Command::AddToken(token) => return self.add_token(token),
            Command::AddRepository(repository) => return self.add_repository(repository),
            Command::MoveRepository { from, to } => return self.move_repository(&from, &to),
            Command::SetDefaultScript(script) => self.set_default_script(script),
            Command::SetRepositoryScript { repository, script } => self.set_repository_script(&repository, script),
            Command::SetPromptScript { contains, script } => self.set_prompt_script(&contains, script),
            Command::QueueScripts(scripts) => self.queue_scripts(scripts),
            Command::AddFault(fault) => self.add_fault(fault),
            Command::ClearFaults => self.clear_faults(),
            Command::SetLimits(limits) => self.set_limits(limits),
            Command::SetPrimaryLimit { login, primary } => return self.set_primary_limit(&login, primary),
            Command::SetBehaviour(behaviour) => self.set_behaviour(behaviour),
            Command::StartTask(start) => return self.start_task(start).map(drop),
            Command::ArchiveTask { id } => return self.archive_task(&id),
            Command::CancelTask { id } => return self.cancel_task(&id),
            Command::ContinueTask { id, session } => return self.continue_task(&id, session),
            Command::ChangePull {
                repository,
                number,
                change,
            } => return self.change_pull(&repository, number, change),
            Command::ClearRequests => self.clear_requests(),
            Command::Reset => self.reset(),
        }
        Ok(())
    }

    /// Adds a user; an id of 0 is picked.
    pub fn add_user(&self, login: &str, id: u64) {
        self.state().add_account(login, id, AccountKind::User);
    }

    /// Adds a token, or replaces the one with the same secret.
    pub fn add_token(&self, token: Token) -> Result<(), ControlError> {
        let mut state = self.state();
        if state.accounts.get(&token.owner).is_none() {
            return Err(ControlError::UnknownUser(token.owner));
        }
        state.tokens.insert(token.token.clone(), token);
        Ok(())
    }

    /// Changes a token in place: revokes, expires or narrows it.
    pub fn change_token(&self, token: &str, change: impl FnOnce(&mut Token)) -> Result<(), ControlError> {
        self.state()
            .tokens
            .get_mut(token)
            .map(change)
            .ok_or(ControlError::UnknownToken)
    }

    /// Adds a repository, or replaces the one with the same name.
    pub fn add_repository(&self, mut repository: Repository) -> Result<(), ControlError> {
        check_name(&repository.name)?;
        let mut state = self.state();
        if state.accounts.get(repository.owner()).is_none() {
            state.add_account(repository.owner(), 0, AccountKind::Organization);
        }
        if repository.id == 0 {
            let present = state.repositories.named(&repository.name).map(|present| present.id);
            repository.id = present.unwrap_or_else(|| state.take_id());
        }
        state.repositories.insert(repository);
        Ok(())
    }

    /// Renames a repository; requests for its old name are redirected.
    pub fn move_repository(&self, from: &str, to: &str) -> Result<(), ControlError> {
        check_name(to)?;
        let mut state = self.state();
        if !state.repositories.rename(from, to) {
            return Err(ControlError::UnknownRepository(from.to_owned()));
        }
        let owner = to.split('/').next().unwrap_or_default();
        if state.accounts.get(owner).is_none() {
            state.add_account(owner, 0, AccountKind::Organization);
        }
        Ok(())
    }

    pub fn set_default_script(&self, script: Script) {
        self.state().scripts.default = script;
    }

    pub fn set_repository_script(&self, repository: &str, script: Script) {
        self.state()
            .scripts
            .by_repository
            .insert(repository.to_ascii_lowercase(), script);
    }

    /// For tasks whose prompt contains the text; the text set first wins.
    pub fn set_prompt_script(&self, contains: &str, script: Script) {
        self.state().scripts.by_prompt.push((contains.to_owned(), script));
    }

    /// For the next tasks, one each, before all others.
    pub fn queue_scripts(&self, scripts: Vec<Script>) {
        self.state().scripts.queue.extend(scripts);
    }

    pub fn add_fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Limits from now on; windows that have begun keep their primary limit.
    pub fn set_limits(&self, limits: Limits) {
        self.state().meter.limits = limits;
    }

    pub fn set_primary_limit(&self, login: &str, primary: PrimaryLimit) -> Result<(), ControlError> {
        let mut state = self.state();
        let user = state.account(login)?.id;
        state.meter.set_primary(user, primary);
        Ok(())
    }

    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
    }

    /// Where the simulator is reached, for the `url` fields and the `Link` and `Location` headers.
    pub fn set_base_url(&self, base_url: &str) {
        base_url.clone_into(&mut self.state().base_url);
    }

    /// Starts a task without the API; answers its id.
    pub fn start_task(&self, start: TaskStart) -> Result<String, ControlError> {
        let now = self.now();
        let mut state = self.state();
        let creator = state.account(&start.creator)?;
        let repository = state.repository(&start.repository)?;
        let script = start
            .script
            .unwrap_or_else(|| state.scripts.pick(&repository.name, &start.prompt));
        let wanted = Start {
            prompt: start.prompt,
            create_pull_request: start.create_pull_request,
            model: None,
            custom_agent: None,
            base_ref: None,
            head_ref: None,
        };
        let task = state.new_task(&repository, &creator, wanted, &script, now);
        let id = task.id.clone();
        state.tasks.insert(task);
        Ok(id)
    }

    pub fn archive_task(&self, id: &str) -> Result<(), ControlError> {
        let now = self.now();
        self.change_task(id, |task| task.archived_at = Some(now))
    }

    /// Stops a task as a person would: what runs ends now, what would follow never begins.
    pub fn cancel_task(&self, id: &str) -> Result<(), ControlError> {
        let now = self.now();
        self.change_task(id, |task| task.cancel(now))
    }

    /// Adds a session that begins now; scripted ones that have not begun never will.
    pub fn continue_task(&self, id: &str, session: SessionScript) -> Result<(), ControlError> {
        let now = self.now();
        let session_id = self.state().uuid();
        self.change_task(id, |task| {
            task.cancel(now);
            task.sessions.extend(schedule(&[session], now, || session_id.clone()));
        })
    }

    fn change_task(&self, id: &str, change: impl FnOnce(&mut Task)) -> Result<(), ControlError> {
        let mut state = self.state();
        state
            .tasks
            .get_mut(id)
            .map(change)
            .ok_or_else(|| ControlError::UnknownTask(id.to_owned()))
    }

    /// Does what a person would to a pull request that is there.
    pub fn change_pull(&self, repository: &str, number: u64, change: PullChange) -> Result<(), ControlError> {
        let now = self.now();
        let mut state = self.state();
        let found = state.repository(repository)?;
        let id = state
            .pulls_of(&found, now)
            .find(|pull| pull.number() == number)
            .map(|pull| pull.id());
        let id = id.ok_or_else(|| ControlError::UnknownPull {
            repository: repository.to_owned(),
            number,
        })?;
        let change = state.resolve(change, now)?;
        state.pulls.entry(id).or_default().change(change, now);
        Ok(())
    }

    /// Forgets everything, back to the seed.
    pub fn reset(&self) {
        let mut state = self.state();
        *state = State::new(state.seed, state.base_url.clone());
    }

    /// Every task ever created, in order of creation, also those that no list shows yet.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskRecord> {
        let now = self.now();
        let state = self.state();
        let name = |id| {
            state
                .repositories
                .get(id)
                .map_or("", |repository| repository.name.as_str())
        };
        state
            .tasks
            .iter()
            .map(|task| task.record(name(task.repository), now))
            .collect()
    }

    /// Every pull request that is or was open.
    #[must_use]
    pub fn pulls(&self) -> Vec<PullRecord> {
        let now = self.now();
        let state = self.state();
        let pulls = state
            .repositories
            .iter()
            .flat_map(|repository| state.pulls_of(repository, now));
        pulls.map(|pull| pull.record()).collect()
    }

    /// The last 100,000 requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state().log.iter().cloned().collect()
    }

    /// Forgets the requests so far, and nothing else.
    pub fn clear_requests(&self) {
        self.state().log = VecDeque::new();
    }
}

fn check_name(name: &str) -> Result<(), ControlError> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [owner, name] if !owner.is_empty() && !name.is_empty() => Ok(()),
        _ => Err(ControlError::BadRepositoryName(name.to_owned())),
    }
}

impl State {
    fn add_account(&mut self, login: &str, id: u64, kind: AccountKind) {
        let id = if id == 0 { self.take_id() } else { id };
        self.accounts.0.insert(
            login.to_ascii_lowercase(),
            Account {
                id,
                login: login.to_owned(),
                kind,
            },
        );
    }

    pub(super) fn account(&self, login: &str) -> Result<Account, ControlError> {
        self.accounts
            .get(login)
            .cloned()
            .ok_or_else(|| ControlError::UnknownUser(login.to_owned()))
    }

    fn repository(&self, name: &str) -> Result<Repository, ControlError> {
        let found = self.repositories.named(name).cloned();
        found.ok_or_else(|| ControlError::UnknownRepository(name.to_owned()))
    }

    fn resolve(&mut self, change: PullChange, now: Timestamp) -> Result<Change, ControlError> {
        Ok(match change {
            PullChange::Ready => Change::Ready,
            PullChange::Draft => Change::Draft,
            PullChange::Merge => Change::Merge(None),
            PullChange::MergeBy { login } => Change::Merge(Some(self.account(&login)?)),
            PullChange::Label(label) => Change::Label(label),
            PullChange::Check { conclusion } => Change::Check(conclusion),
            PullChange::Close => Change::Close,
            PullChange::Reopen => Change::Reopen,
            PullChange::Review { by, state, body } => {
                let by = self.account(&by)?;
                Change::Review(Review {
                    id: self.take_id(),
                    by,
                    state,
                    body,
                    at: now,
                })
            }
        })
    }
}
