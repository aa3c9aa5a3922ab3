//! Pull requests: opened by tasks as drafts or by people, then changed by people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{auth::Account, issue::Card, repository::Repository, task::Task};

/// A pull request as a test or the control API sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRecord {
    /// `owner/name`.
    pub repository: String,
    pub number: u64,
    /// The database id that artifacts carry.
    pub id: u64,
    /// `None` when a person opened it.
    pub task: Option<String>,
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

/// A pull request that a person opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPull {
    /// `owner/name`.
    pub repository: String,
    /// The login of who opens it.
    pub by: String,
    pub title: String,
    #[serde(default)]
    pub body: Option<String>,
    pub head_ref: String,
    /// `owner/name` of the fork that the branch is in; the repository itself when left out.
    #[serde(default)]
    pub head_repository: Option<String>,
    /// The default branch when left out.
    #[serde(default)]
    pub base_ref: Option<String>,
    #[serde(default)]
    pub draft: bool,
    /// The paths it changes.
    #[serde(default)]
    pub files: Vec<String>,
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
    /// Another commit.
    Push,
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
    pub card: Card,
    pub pushes: u64,
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

/// A pull request as a person opened it.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub id: u64,
    pub repository: u64,
    pub number: u64,
    pub author: Account,
    pub head_ref: String,
    pub head_repository: Option<String>,
    pub base_ref: String,
    pub files: Vec<String>,
    pub created_at: Timestamp,
}

/// Who opened a pull request.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    Task(&'a Task),
    Person(&'a Proposal),
}

/// An open or once open pull request.
pub(super) struct Pull<'a> {
    pub repository: &'a Repository,
    pub origin: Origin<'a>,
    pub life: PullLife,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The instant that it is seen at.
    pub view: Timestamp,
}

impl<'a> Pull<'a> {
    /// The pull request of a task, once it is open.
    pub fn of(task: &'a Task, repository: &'a Repository, life: PullLife, view: Timestamp) -> Option<Self> {
        let created_at = task.pull_at().filter(|at| *at <= view)?;
        let touched = [Some(created_at), Some(task.updated_at(view)), life.changed_at];
        let updated_at = touched.into_iter().flatten().max().unwrap_or(created_at);
        Some(Self {
            repository,
            origin: Origin::Task(task),
            life,
            created_at,
            updated_at,
            view,
        })
    }

    /// The pull request of a person.
    pub fn proposed(proposal: &'a Proposal, repository: &'a Repository, life: PullLife, view: Timestamp) -> Self {
        let created_at = proposal.created_at;
        let updated_at = life.changed_at.map_or(created_at, |at| at.max(created_at));
        Self {
            repository,
            origin: Origin::Person(proposal),
            life,
            created_at,
            updated_at,
            view,
        }
    }

    pub fn id(&self) -> u64 {
        match self.origin {
            Origin::Task(task) => task.pull.id,
            Origin::Person(proposal) => proposal.id,
        }
    }

    pub fn number(&self) -> u64 {
        match self.origin {
            Origin::Task(task) => task.pull.number,
            Origin::Person(proposal) => proposal.number,
        }
    }

    pub fn title(&self) -> String {
        let name = || match self.origin {
            Origin::Task(task) => task.name(),
            Origin::Person(_) => String::new(),
        };
        self.life.card.title.clone().unwrap_or_else(name)
    }

    pub fn author(&self) -> Account {
        match self.origin {
            Origin::Task(_) => Account::copilot(),
            Origin::Person(proposal) => proposal.author.clone(),
        }
    }

    pub fn head_ref(&self) -> &'a str {
        match self.origin {
            Origin::Task(task) => &task.head_ref,
            Origin::Person(proposal) => &proposal.head_ref,
        }
    }

    /// `owner/name` of the repository that the head is in.
    pub fn head_repository(&self) -> &'a str {
        match self.origin {
            Origin::Task(_) => &self.repository.name,
            Origin::Person(proposal) => proposal.head_repository.as_ref().unwrap_or(&self.repository.name),
        }
    }

    pub fn base_ref(&self) -> &'a str {
        match self.origin {
            Origin::Task(task) => &task.base_ref,
            Origin::Person(proposal) => &proposal.base_ref,
        }
    }

    /// The paths it changes.
    pub fn files(&self) -> Vec<&'a str> {
        match self.origin {
            Origin::Task(_) => vec!["README.md"],
            Origin::Person(proposal) => proposal.files.iter().map(String::as_str).collect(),
        }
    }

    /// What its newest commit is derived from.
    pub fn head_id(&self) -> u64 {
        self.id() + (self.life.pushes << 40)
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
                let head_owner = self.head_repository().split('/').next().unwrap_or_default();
                owner.eq_ignore_ascii_case(head_owner) && branch == self.head_ref()
            });
        head_matches && base.is_none_or(|base| base == self.base_ref())
    }

    pub fn record(&self) -> PullRecord {
        PullRecord {
            repository: self.repository.name.clone(),
            number: self.number(),
            id: self.id(),
            task: match self.origin {
                Origin::Task(task) => Some(task.id.clone()),
                Origin::Person(_) => None,
            },
            html_url: self.html_url(),
            head_ref: self.head_ref().to_owned(),
            base_ref: self.base_ref().to_owned(),
            open: self.is_open(),
            draft: !self.life.ready,
            merged: self.life.merged_at.is_some(),
            reviews: self.life.reviews.len(),
            labels: self.life.card.labels.clone(),
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
                self.merged_by = Some(by);
                self.merged_at = Some(now);
                self.closed_at = Some(now);
            }
            Change::Close => self.closed_at = Some(now),
            Change::Reopen => self.closed_at = self.merged_at,
            Change::Review(review) => {
                self.requested_reviewers.retain(|asked| asked.login != review.by.login);
                self.reviews.push(review);
            }
            Change::Push => self.pushes += 1,
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
    Merge(Account),
    Close,
    Reopen,
    Review(Review),
    Push,
    Check(Option<String>),
    Ask(Vec<Account>, Vec<String>),
}
