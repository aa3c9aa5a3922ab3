//! Issues, what people say on them and on pull requests, and the record of who did what.
//!
//! To GitHub a pull request is an issue with more to it: both have a number from one sequence, a card (title, labels and
//! so on), comments and events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    auth::Account,
    history::History,
    pull::{Pull, Review},
};

/// What somebody is to a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Association {
    Owner,
    Member,
    Collaborator,
    Contributor,
    FirstTimeContributor,
    FirstTimer,
    Mannequin,
    #[default]
    None,
}

/// An issue that a person opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewIssue {
    /// `owner/name`.
    pub repository: String,
    /// The login of who opens it.
    pub by: String,
    pub title: String,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What a person does to an issue or a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueChange {
    Title(String),
    /// `null` empties it.
    Body(Option<String>),
    Label(String),
    Unlabel(String),
    /// By login.
    Assign(String),
    Unassign(String),
    /// By title; `null` takes it away.
    Milestone(Option<String>),
    Close,
    Reopen,
}

/// An issue or a pull request with its comments, as a test or the control API sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRecord {
    /// `owner/name`.
    pub repository: String,
    pub number: u64,
    pub is_pull: bool,
    pub author: String,
    pub title: String,
    pub body: Option<String>,
    pub open: bool,
    pub labels: Vec<String>,
    pub assignees: Vec<String>,
    pub milestone: Option<String>,
    pub comments: Vec<CommentRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentRecord {
    pub id: u64,
    pub author: String,
    pub body: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What people set on an issue or a pull request.
#[derive(Clone, Debug, Default)]
pub(super) struct Card {
    /// `None`: what the pull request's task is called.
    pub title: Option<String>,
    pub body: Option<String>,
    /// When the body was last edited.
    pub edited_at: Option<Timestamp>,
    pub renamed_at: Option<Timestamp>,
    pub labels: Vec<String>,
    pub assignees: Vec<Account>,
    pub milestone: Option<String>,
}

/// A change of a card whose accounts are known.
pub(super) enum CardChange {
    Title(String),
    Body(Option<String>),
    Label(String),
    Unlabel(String),
    Assign(Account),
    Unassign(Account),
    Milestone(Option<String>),
}

/// Something that happened to an issue or a pull request.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Opened,
    Titled {
        from: String,
        to: String,
    },
    Written {
        from: String,
    },
    Labeled(String),
    Unlabeled(String),
    Assigned(Account),
    Unassigned(Account),
    Milestoned(String),
    Demilestoned(String),
    Closed,
    Reopened,
    Merged,
    Ready,
    Drafted,
    /// With the commit that was the head before.
    Pushed {
        before: String,
    },
    Reviewed(Review),
    Commented(u64),
    CommentEdited {
        comment: u64,
        from: String,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub id: u64,
    pub repository: u64,
    pub number: u64,
    pub author: Account,
    pub created_at: Timestamp,
    pub history: History<IssueLife>,
}

/// The state of an issue.
#[derive(Clone, Debug)]
pub(super) struct IssueLife {
    pub card: Card,
    pub updated_at: Timestamp,
    pub closed: Option<(Timestamp, Account)>,
    pub reopened: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub id: u64,
    pub repository: u64,
    pub number: u64,
    pub author: Account,
    pub created_at: Timestamp,
    pub history: History<Said>,
}

/// The text of a comment.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub body: String,
    pub updated_at: Timestamp,
}

/// An entry of the record.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub id: u64,
    pub repository: u64,
    pub number: u64,
    pub actor: Account,
    pub at: Timestamp,
    pub what: Happening,
}

/// What a number stands for.
pub(super) enum Subject<'a> {
    Issue(&'a Issue, &'a IssueLife),
    Pull(Box<Pull<'a>>),
}

impl Card {
    /// What happened; `None` when nothing did.
    pub fn change(&mut self, change: CardChange, now: Timestamp) -> Option<Happening> {
        match change {
            CardChange::Title(to) => {
                let from = self.title.replace(to.clone()).unwrap_or_default();
                (from != to).then(|| {
                    self.renamed_at = Some(now);
                    Happening::Titled { from, to }
                })
            }
            CardChange::Body(to) => {
                let from = std::mem::replace(&mut self.body, to);
                (from != self.body).then(|| {
                    self.edited_at = Some(now);
                    Happening::Written {
                        from: from.unwrap_or_default(),
                    }
                })
            }
            CardChange::Label(label) => {
                let known = self.labels.iter().any(|known| known.eq_ignore_ascii_case(&label));
                (!known).then(|| {
                    self.labels.push(label.clone());
                    Happening::Labeled(label)
                })
            }
            CardChange::Unlabel(label) => {
                let at = self
                    .labels
                    .iter()
                    .position(|known| known.eq_ignore_ascii_case(&label))?;
                Some(Happening::Unlabeled(self.labels.remove(at)))
            }
            CardChange::Assign(account) => (!self.assignees.contains(&account)).then(|| {
                self.assignees.push(account.clone());
                Happening::Assigned(account)
            }),
            CardChange::Unassign(account) => {
                let at = self.assignees.iter().position(|known| *known == account)?;
                Some(Happening::Unassigned(self.assignees.remove(at)))
            }
            CardChange::Milestone(to) => {
                let from = std::mem::replace(&mut self.milestone, to.clone());
                match (from, to) {
                    (from, Some(to)) if from.as_ref() != Some(&to) => Some(Happening::Milestoned(to)),
                    (Some(from), None) => Some(Happening::Demilestoned(from)),
                    _ => None,
                }
            }
        }
    }
}

impl IssueLife {
    pub fn new(card: Card, now: Timestamp) -> Self {
        Self {
            card,
            updated_at: now,
            closed: None,
            reopened: false,
        }
    }

    /// Closes or opens it; whether that changed anything.
    pub fn set_open(&mut self, open: bool, by: &Account, now: Timestamp) -> bool {
        let changes = self.closed.is_some() == open;
        if changes {
            self.closed = (!open).then(|| (now, by.clone()));
            self.reopened = open;
        }
        changes
    }
}

impl Happening {
    /// Its name in the record; `None` when the record leaves it out.
    pub fn event(&self) -> Option<&'static str> {
        match self {
            Self::Titled { .. } => Some("renamed"),
            Self::Labeled(_) => Some("labeled"),
            Self::Unlabeled(_) => Some("unlabeled"),
            Self::Assigned(_) => Some("assigned"),
            Self::Unassigned(_) => Some("unassigned"),
            Self::Milestoned(_) => Some("milestoned"),
            Self::Demilestoned(_) => Some("demilestoned"),
            Self::Closed => Some("closed"),
            Self::Reopened => Some("reopened"),
            Self::Merged => Some("merged"),
            Self::Ready => Some("ready_for_review"),
            Self::Drafted => Some("convert_to_draft"),
            Self::Opened
            | Self::Written { .. }
            | Self::Pushed { .. }
            | Self::Reviewed(_)
            | Self::Commented(_)
            | Self::CommentEdited { .. } => None,
        }
    }
}

impl Subject<'_> {
    pub fn number(&self) -> u64 {
        match self {
            Self::Issue(issue, _) => issue.number,
            Self::Pull(pull) => pull.number(),
        }
    }

    /// The id as an issue, which is not the one as a pull request.
    pub fn id(&self) -> u64 {
        match self {
            Self::Issue(issue, _) => issue.id,
            Self::Pull(pull) => 1_000_000_000 + pull.id(),
        }
    }

    pub fn card(&self) -> &Card {
        match self {
            Self::Issue(_, life) => &life.card,
            Self::Pull(pull) => &pull.life.card,
        }
    }

    pub fn title(&self) -> String {
        match self {
            Self::Issue(_, life) => life.card.title.clone().unwrap_or_default(),
            Self::Pull(pull) => pull.title(),
        }
    }

    pub fn author(&self) -> Account {
        match self {
            Self::Issue(issue, _) => issue.author.clone(),
            Self::Pull(pull) => pull.author(),
        }
    }

    pub fn is_open(&self) -> bool {
        match self {
            Self::Issue(_, life) => life.closed.is_none(),
            Self::Pull(pull) => pull.is_open(),
        }
    }

    pub fn created_at(&self) -> Timestamp {
        match self {
            Self::Issue(issue, _) => issue.created_at,
            Self::Pull(pull) => pull.created_at,
        }
    }

    pub fn updated_at(&self) -> Timestamp {
        match self {
            Self::Issue(_, life) => life.updated_at,
            Self::Pull(pull) => pull.updated_at,
        }
    }

    pub fn closed_at(&self) -> Option<Timestamp> {
        match self {
            Self::Issue(_, life) => life.closed.as_ref().map(|(at, _)| *at),
            Self::Pull(pull) => pull.life.closed_at,
        }
    }
}
