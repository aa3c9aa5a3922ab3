//! Pull requests: opened by tasks as drafts, then changed by people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{auth::Account, repository::Repository, task::Task};

/// A pull request as a test or the control API sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRecord {
    /// `owner/name`.
    pub repository: String,
    pub number: u64,
    /// The database id that artifacts carry.
    pub id: u64,
    pub task: String,
    pub html_url: String,
    pub head_ref: String,
    pub base_ref: String,
    pub open: bool,
    pub draft: bool,
    pub merged: bool,
    pub reviews: usize,
    pub labels: Vec<String>,
    pub requested_reviewers: Vec<String>,
    pub requested_teams: Vec<String>,
}

/// What a person does to a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullChange {
    /// It is no draft any more.
    Ready,
    Draft,
    /// By the repository's owner.
    Merge,
    MergeBy {
        login: String,
    },
    Close,
    Reopen,
    Label(String),
    /// One check, named `test`, ends so, or begins where this is none.
    Check {
        conclusion: Option<String>,
    },
    Review {
        by: String,
        state: ReviewState,
        #[serde(default)]
        body: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewState {
    Approved,
    ChangesRequested,
    Commented,
    Dismissed,
}

impl ReviewState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::ChangesRequested => "CHANGES_REQUESTED",
            Self::Commented => "COMMENTED",
            Self::Dismissed => "DISMISSED",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Review {
    pub id: u64,
    pub by: Account,
    pub state: ReviewState,
    pub body: String,
    pub at: Timestamp,
}

/// What people have done to a pull request.
#[derive(Clone, Debug, Default)]
pub(super) struct PullLife {
    pub ready: bool,
    pub merged_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub changed_at: Option<Timestamp>,
    pub merged_by: Option<Account>,
    pub reviews: Vec<Review>,
    pub labels: Vec<String>,
    pub requested_reviewers: Vec<Account>,
    pub requested_teams: Vec<String>,
    pub check: Check,
}

/// The one check that a pull request may have.
#[derive(Clone, Debug, Default)]
pub(super) enum Check {
    #[default]
    None,
    Running,
    /// With its conclusion.
    Ended(String),
}

/// An open or once open pull request.
pub(super) struct Pull<'a> {
    pub repository: &'a Repository,
    pub task: &'a Task,
    pub life: PullLife,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl<'a> Pull<'a> {
    /// The pull request of a task, once it is open.
    pub fn of(task: &'a Task, repository: &'a Repository, life: PullLife, now: Timestamp) -> Option<Self> {
        let created_at = task.pull_at().filter(|at| *at <= now)?;
        let touched = [Some(created_at), Some(task.updated_at(now)), life.changed_at];
        let updated_at = touched.into_iter().flatten().max().unwrap_or(created_at);
        Some(Self {
            repository,
            task,
            life,
            created_at,
            updated_at,
        })
    }

    pub fn id(&self) -> u64 {
        self.task.pull.id
    }

    pub fn number(&self) -> u64 {
        self.task.pull.number
    }

    pub fn node_id(&self) -> String {
        node_id(self.id())
    }

    pub fn is_open(&self) -> bool {
        self.life.closed_at.is_none()
    }

    pub fn html_url(&self) -> String {
        format!("https://github.com/{}/pull/{}", self.repository.name, self.number())
    }

    /// Whether a `head=` or `base=` parameter means it; GitHub ignores a head without an owner.
    pub fn matches(&self, head: Option<&str>, base: Option<&str>) -> bool {
        let head_matches = head
            .and_then(|head| head.split_once(':'))
            .is_none_or(|(owner, branch)| {
                owner.eq_ignore_ascii_case(self.repository.owner()) && branch == self.task.head_ref
            });
        head_matches && base.is_none_or(|base| base == self.task.base_ref)
    }

    pub fn record(&self) -> PullRecord {
        PullRecord {
            repository: self.repository.name.clone(),
            number: self.number(),
            id: self.id(),
            task: self.task.id.clone(),
            html_url: self.html_url(),
            head_ref: self.task.head_ref.clone(),
            base_ref: self.task.base_ref.clone(),
            open: self.is_open(),
            draft: !self.life.ready,
            merged: self.life.merged_at.is_some(),
            reviews: self.life.reviews.len(),
            labels: self.life.labels.clone(),
            requested_reviewers: self
                .life
                .requested_reviewers
                .iter()
                .map(|by| by.login.clone())
                .collect(),
            requested_teams: self.life.requested_teams.clone(),
        }
    }
}

/// The GraphQL id of a pull request.
pub(super) fn node_id(id: u64) -> String {
    format!("PR_kwDO{id:010x}")
}

impl PullLife {
    /// Applies what a person does; a review carries its reviewer's account and its id.
    pub fn change(&mut self, change: Change, now: Timestamp) {
        // GitHub does not count a check as a change of the pull request.
        if !matches!(change, Change::Check(_)) {
            self.changed_at = Some(now);
        }
        match change {
            Change::Ready => self.ready = true,
            Change::Draft => self.ready = false,
            Change::Merge(by) => {
                self.ready = true;
                self.merged_by = by;
                self.merged_at = Some(now);
                self.closed_at = Some(now);
            }
            Change::Close => self.closed_at = Some(now),
            Change::Reopen => self.closed_at = self.merged_at,
            Change::Review(review) => {
                self.requested_reviewers.retain(|asked| asked.login != review.by.login);
                self.reviews.push(review);
            }
            Change::Label(label) => {
                if !self.labels.contains(&label) {
                    self.labels.push(label);
                }
            }
            Change::Check(conclusion) => self.check = conclusion.map_or(Check::Running, Check::Ended),
            Change::Ask(users, teams) => {
                let logins: Vec<_> = self
                    .requested_reviewers
                    .iter()
                    .map(|asked| asked.login.clone())
                    .collect();
                self.requested_reviewers
                    .extend(users.into_iter().filter(|user| !logins.contains(&user.login)));
                let new: Vec<_> = teams
                    .into_iter()
                    .filter(|team| !self.requested_teams.contains(team))
                    .collect();
                self.requested_teams.extend(new);
            }
        }
    }
}

/// A [`PullChange`] whose reviewer is known.
pub(super) enum Change {
    Ready,
    Draft,
    Merge(Option<Account>),
    Close,
    Reopen,
    Review(Review),
    Label(String),
    Check(Option<String>),
    Ask(Vec<Account>, Vec<String>),
}
