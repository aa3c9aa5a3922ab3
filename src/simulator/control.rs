//! What a test, a demo or a person does to the simulated GitHub behind the API's back, and sees of it.
//!
//! Every change is a method of [`Simulator`]. [`Command`] is the same list as data: a configuration file and the control
//! API are made of it.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Simulator,
    auth::{Account, AccountKind, Grant, Token},
    endpoints::tasks::Start,
    fault::Fault,
    hook::{Attempt, DeliveryFault, DeliveryRecord, NewHook, Sink},
    issue::{CardChange, IssueChange, IssueRecord, NewIssue},
    limit::{Limits, PrimaryLimit},
    pull::{Change, NewPull, PullChange, PullRecord, Review},
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
    #[error("{repository} has neither an issue nor a pull request {number} yet")]
    UnknownIssue { repository: String, number: u64 },
    #[error("there is no delivery {0}: the list of deliveries has the ids")]
    UnknownDelivery(u64),
    #[error("there is no comment {0}: the list of issues has the ids")]
    UnknownComment(u64),
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
    /// Adds an account of an app; its login ends in `[bot]` as a rule.
    AddBot {
        login: String,
        #[serde(default)]
        id: u64,
    },
    /// Adds a token, or replaces the one with the same secret: revoked, expired, narrowed.
    AddToken(Token),
    /// Adds a refresh token of a token that is there.
    AddGrant(Grant),
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
    OpenIssue(NewIssue),
    OpenPull(NewPull),
    /// Also of a pull request.
    ChangeIssue {
        repository: String,
        number: u64,
        by: String,
        change: IssueChange,
    },
    ChangePull {
        repository: String,
        number: u64,
        /// The repository's owner when left out.
        #[serde(default)]
        by: Option<String>,
        change: PullChange,
    },
    /// On an issue or a pull request.
    Comment {
        repository: String,
        number: u64,
        by: String,
        body: String,
    },
    EditComment {
        id: u64,
        by: String,
        body: String,
    },
    AddHook(NewHook),
    AddDeliveryFault(DeliveryFault),
    /// A person asks for another attempt.
    Redeliver {
        id: u64,
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
            Command::AddBot { login, id } => self.add_bot(&login, id),
            Command::AddToken(token) => return self.add_token(token),
            Command::AddGrant(grant) => return self.add_grant(grant),
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
            Command::OpenIssue(issue) => return self.open_issue(issue).map(drop),
            Command::OpenPull(pull) => return self.open_pull(pull).map(drop),
            Command::ChangeIssue {
                repository,
                number,
                by,
                change,
            } => return self.change_issue(&repository, number, &by, change),
            Command::ChangePull {
                repository,
                number,
                by,
                change,
            } => return self.change_pull_by(by.as_deref(), &repository, number, change),
            Command::Comment {
                repository,
                number,
                by,
                body,
            } => return self.comment(&repository, number, &by, &body).map(drop),
            Command::EditComment { id, by, body } => return self.edit_comment(id, &by, &body),
            Command::AddHook(hook) => return self.add_hook(hook).map(drop),
            Command::AddDeliveryFault(fault) => self.add_delivery_fault(fault),
            Command::Redeliver { id } => return self.redeliver(id),
            Command::ClearRequests => self.clear_requests(),
            Command::Reset => self.reset(),
        }
        Ok(())
    }

    /// Adds a user; an id of 0 is picked.
    pub fn add_user(&self, login: &str, id: u64) {
        self.state().add_account(login, id, AccountKind::User);
    }

    /// Adds an account of an app; an id of 0 is picked.
    pub fn add_bot(&self, login: &str, id: u64) {
        self.state().add_account(login, id, AccountKind::Bot);
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

    /// Adds a refresh token, or replaces the same.
    pub fn add_grant(&self, grant: Grant) -> Result<(), ControlError> {
        let mut state = self.state();
        if !state.tokens.contains_key(&grant.token) {
            return Err(ControlError::UnknownToken);
        }
        state.grants.retain(|known| known.refresh_token != grant.refresh_token);
        state.grants.push(grant);
        Ok(())
    }

    /// All refresh tokens that there ever were, the oldest first.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        self.state().grants.clone()
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

    pub fn add_delivery_fault(&self, fault: DeliveryFault) {
        self.state().hooks.add_fault(fault);
    }

    pub fn clear_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.hooks.clear_faults();
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

    /// Opens an issue; answers its number.
    pub fn open_issue(&self, issue: NewIssue) -> Result<u64, ControlError> {
        self.act(|state, now| {
            let (repository, by) = (state.repository(&issue.repository)?, state.account(&issue.by)?);
            Ok(state.open_issue(&repository, &by, issue, now))
        })
    }

    /// Opens a person's pull request; answers its number.
    pub fn open_pull(&self, pull: NewPull) -> Result<u64, ControlError> {
        self.act(|state, now| {
            let (repository, by) = (state.repository(&pull.repository)?, state.account(&pull.by)?);
            Ok(state.open_pull(&repository, &by, pull, now))
        })
    }

    /// Does what a person would to an issue or a pull request.
    pub fn change_issue(
        &self,
        repository: &str,
        number: u64,
        by: &str,
        change: IssueChange,
    ) -> Result<(), ControlError> {
        self.act(|state, now| {
            let (found, by) = (state.repository(repository)?, state.account(by)?);
            let is_there = state.apply(&found, number, &by, change, now)?;
            is_there.then_some(()).ok_or_else(|| ControlError::UnknownIssue {
                repository: repository.to_owned(),
                number,
            })
        })
    }

    /// Says something on an issue or a pull request; answers the comment's id.
    pub fn comment(&self, repository: &str, number: u64, by: &str, body: &str) -> Result<u64, ControlError> {
        self.act(|state, now| {
            let (found, by) = (state.repository(repository)?, state.account(by)?);
            let id = state.comment(&found, number, &by, body.to_owned(), now);
            id.ok_or_else(|| ControlError::UnknownIssue {
                repository: repository.to_owned(),
                number,
            })
        })
    }

    pub fn edit_comment(&self, id: u64, by: &str, body: &str) -> Result<(), ControlError> {
        self.act(|state, now| {
            let by = state.account(by)?;
            let is_there = state.edit_comment(id, &by, body.to_owned(), now);
            is_there.then_some(()).ok_or(ControlError::UnknownComment(id))
        })
    }

    /// Does what the repository's owner would to a pull request that is there.
    pub fn change_pull(&self, repository: &str, number: u64, change: PullChange) -> Result<(), ControlError> {
        self.change_pull_by(None, repository, number, change)
    }

    /// Does what a person would to a pull request that is there.
    pub fn change_pull_by(
        &self,
        by: Option<&str>,
        repository: &str,
        number: u64,
        change: PullChange,
    ) -> Result<(), ControlError> {
        self.act(|state, now| {
            let found = state.repository(repository)?;
            let id = state
                .pulls_of(&found, now)
                .find(|pull| pull.number() == number)
                .map(|pull| pull.id());
            let id = id.ok_or_else(|| ControlError::UnknownPull {
                repository: repository.to_owned(),
                number,
            })?;
            let by = match by {
                Some(login) => state.account(login)?,
                None => state.accounts.owner_of(&found),
            };
            state.apply_to_pull(&found, (id, number), by, change, now)
        })
    }

    /// Sets who sends webhooks from now on. Without one, they stay under way for ever.
    pub fn set_sink(&self, sink: Arc<dyn Sink>) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    }

    /// Adds a webhook, whose receiver is greeted with a `ping`; answers its id.
    pub fn add_hook(&self, hook: NewHook) -> Result<u64, ControlError> {
        self.act(|state, now| {
            let repository = state.repository(&hook.repository)?;
            Ok(state.add_hook(&repository, hook, now))
        })
    }

    /// What came of an attempt to deliver: the receiver's status, or none.
    pub fn delivered(&self, id: u64, status: Option<u16>) {
        let now = self.now();
        self.state().hooks.delivered(id, status, now);
    }

    /// Attempts a delivery again.
    pub fn redeliver(&self, id: u64) -> Result<(), ControlError> {
        let is_there = self.act(|state, now| state.attempt_again(id, now));
        is_there.then_some(()).ok_or(ControlError::UnknownDelivery(id))
    }

    /// The last 100,000 attempts to deliver, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.state().hooks.log.iter().map(Attempt::record).collect()
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

    /// Every issue and pull request there is or was, with its comments.
    #[must_use]
    pub fn issues(&self) -> Vec<IssueRecord> {
        let now = self.now();
        self.state().issue_records(now)
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

    /// Whether there is such an issue or pull request.
    fn apply(
        &mut self,
        repository: &Repository,
        number: u64,
        by: &Account,
        change: IssueChange,
        now: Timestamp,
    ) -> Result<bool, ControlError> {
        let change = match change {
            IssueChange::Title(title) => CardChange::Title(title),
            IssueChange::Body(body) => CardChange::Body(body),
            IssueChange::Label(label) => CardChange::Label(label),
            IssueChange::Unlabel(label) => CardChange::Unlabel(label),
            IssueChange::Assign(login) => CardChange::Assign(self.account(&login)?),
            IssueChange::Unassign(login) => CardChange::Unassign(self.account(&login)?),
            IssueChange::Milestone(title) => CardChange::Milestone(title),
            IssueChange::Close => return Ok(self.set_open(repository, number, false, by, now)),
            IssueChange::Reopen => return Ok(self.set_open(repository, number, true, by, now)),
        };
        Ok(self.change_card(repository, number, by, change, now))
    }

    /// `pull`: its id and its number.
    fn apply_to_pull(
        &mut self,
        repository: &Repository,
        pull: (u64, u64),
        by: Account,
        change: PullChange,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let (by, change) = match change {
            PullChange::Label(label) => {
                self.change_card(repository, pull.1, &by, CardChange::Label(label), now);
                return Ok(());
            }
            PullChange::Close | PullChange::Reopen => {
                self.set_open(repository, pull.1, change == PullChange::Reopen, &by, now);
                return Ok(());
            }
            PullChange::Ready => (by, Change::Ready),
            PullChange::Draft => (by, Change::Draft),
            PullChange::Push => (by, Change::Push),
            PullChange::Merge => (by.clone(), Change::Merge(by)),
            PullChange::MergeBy { login } => {
                let by = self.account(&login)?;
                (by.clone(), Change::Merge(by))
            }
            PullChange::Check { conclusion } => (by, Change::Check(conclusion)),
            PullChange::Review { by, state, body } => {
                let by = self.account(&by)?;
                let review = Review {
                    id: self.take_id(),
                    by: by.clone(),
                    state,
                    body,
                    at: now,
                };
                (by, Change::Review(review))
            }
        };
        self.change_pull(repository, pull, &by, change, now);
        Ok(())
    }
}
