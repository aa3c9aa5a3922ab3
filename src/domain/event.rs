//! What happened at GitHub, as a webhook tells it: parsed once, with no more in it than triggers and prompts use.
//!
//! An event is told apart by what happened and not by how it was heard of: a redelivery has the same [identity](Event::identity).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::outside::clean_line;
use super::repository::Repository;
use crate::api::trigger::{Association, IssueAction, PullRequestAction, ReviewState};

/// The most characters of a name in an identity.
const NAME_MAX: usize = 256;

/// Something that may cause a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub repository: Repository,
    pub what: What,
    pub subject: Subject,
    pub actor: Actor,
    /// When it happened.
    pub at: Timestamp,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Issue(IssueAction),
    PullRequest(PullRequestAction),
    /// Somebody wrote a comment.
    Comment(Comment),
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub body: String,
}

/// The issue or the pull request that it happened to.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub url: String,
    pub author: String,
    pub author_is_bot: bool,
    pub labels: Vec<String>,
    pub milestone: Option<String>,
    /// The label that was set, or who was assigned.
    pub changed: Option<String>,
    pub is_pull_request: bool,
    /// A pull request's branches; a comment does not tell them.
    pub branches: Option<Branches>,
    pub draft: bool,
    pub review: Option<Review>,
}

/// Where a pull request comes from and goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branches {
    pub base: String,
    pub head: String,
    /// The commit that it is at.
    pub sha: String,
    /// Whether it comes from another repository.
    pub is_fork: bool,
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub id: u64,
    pub state: Option<ReviewState>,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub login: String,
    pub is_bot: bool,
    /// What they are to the repository.
    pub association: Association,
}

/// Why a payload is not one of GitHub's. What it holds is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("the payload of {event} lacks what GitHub's have, or has it otherwise: {what}")]
    Shape { event: &'static str, what: &'static str },
}

impl Event {
    /// Reads an event by the name in its `X-GitHub-Event` header; nothing where it is of a kind that causes nothing.
    ///
    /// # Errors
    /// When it is of a kind that may cause something, and is not as GitHub describes it.
    pub fn parse(name: &str, payload: &Value) -> Result<Option<Self>, EventError> {
        let action = payload.get("action").and_then(Value::as_str).unwrap_or_default();
        match (name, action) {
            ("issues", "opened") => issue(payload, IssueAction::Opened),
            ("issues", "labeled") => issue(payload, IssueAction::Labeled),
            ("issues", "assigned") => issue(payload, IssueAction::Assigned),
            ("issues", "reopened") => issue(payload, IssueAction::Reopened),
            ("issue_comment", "created") => comment(payload),
            ("pull_request", "opened") => pull_request(payload, PullRequestAction::Opened),
            ("pull_request", "synchronize") => pull_request(payload, PullRequestAction::Synchronize),
            ("pull_request", "ready_for_review") => pull_request(payload, PullRequestAction::ReadyForReview),
            ("pull_request", "labeled") => pull_request(payload, PullRequestAction::Labeled),
            ("pull_request_review", "submitted") => review(payload),
            _ => return Ok(None),
        }
        .map(Some)
    }

    /// One that never happened: what can be tried before anything has.
    #[must_use]
    pub fn blank(is_pull_request: bool) -> Option<Self> {
        let text = String::new;
        Some(Self {
            repository: Repository::parse("owner/name").ok()?,
            what: What::Comment(Comment { id: 0, body: text() }),
            subject: Subject {
                number: 1,
                title: text(),
                body: text(),
                url: text(),
                author: text(),
                author_is_bot: false,
                labels: Vec::new(),
                milestone: None,
                changed: None,
                is_pull_request,
                branches: None,
                draft: false,
                review: None,
            },
            actor: Actor {
                login: text(),
                is_bot: false,
                association: Association::None,
            },
            at: Timestamp::UNIX_EPOCH,
        })
    }

    /// What it is, whoever tells of it and however often.
    #[must_use]
    pub fn identity(&self) -> String {
        let Subject { number, changed, .. } = &self.subject;
        let (at, changed) = (self.at.as_second(), brief(changed.as_deref().unwrap_or_default()));
        let sha = || {
            self.subject
                .branches
                .as_ref()
                .map_or("", |branches| brief(&branches.sha))
        };
        match &self.what {
            What::Issue(IssueAction::Opened) => format!("issue {number} opened"),
            What::Issue(IssueAction::Labeled) => format!("issue {number} labeled {changed} {at}"),
            What::Issue(IssueAction::Assigned) => format!("issue {number} assigned {changed} {at}"),
            What::Issue(IssueAction::Reopened) => format!("issue {number} reopened {at}"),
            What::PullRequest(PullRequestAction::Opened) => format!("pull request {number} opened"),
            What::PullRequest(PullRequestAction::Synchronize) => format!("pull request {number} at {}", sha()),
            What::PullRequest(PullRequestAction::ReadyForReview) => format!("pull request {number} ready {at}"),
            What::PullRequest(PullRequestAction::Labeled) => format!("pull request {number} labeled {changed} {at}"),
            What::PullRequest(PullRequestAction::ReviewSubmitted) => {
                let id = self.subject.review.as_ref().map_or(0, |review| review.id);
                format!("review {id}")
            }
            What::Comment(comment) => format!("comment {}", comment.id),
        }
    }
}

/// No label, login or commit of GitHub's is longer.
fn brief(text: &str) -> &str {
    let end = text.char_indices().nth(NAME_MAX).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn issue(payload: &Value, action: IssueAction) -> Result<Event, EventError> {
    let read: IssuePayload = read("issues", payload)?;
    let changed = match action {
        IssueAction::Labeled => read.label.map(|label| label.name),
        IssueAction::Assigned => read.assignee.map(|user| user.login),
        IssueAction::Opened | IssueAction::Reopened => None,
    };
    let at = if action == IssueAction::Opened {
        read.issue.created_at
    } else {
        read.issue.updated_at
    };
    let actor = acting(read.sender, &read.issue);
    Ok(Event {
        repository: repository("issues", &read.repository)?,
        what: What::Issue(action),
        subject: Subject {
            changed,
            ..subject(read.issue)
        },
        actor,
        at,
    })
}

fn comment(payload: &Value) -> Result<Event, EventError> {
    let read: CommentPayload = read("issue_comment", payload)?;
    Ok(Event {
        repository: repository("issue_comment", &read.repository)?,
        what: What::Comment(Comment {
            id: read.comment.id,
            body: read.comment.body.unwrap_or_default(),
        }),
        actor: Actor {
            is_bot: read.comment.user.is_bot(),
            login: read.comment.user.login,
            association: read.comment.author_association.unwrap_or(Association::None),
        },
        subject: subject(read.issue),
        at: read.comment.created_at,
    })
}

fn pull_request(payload: &Value, action: PullRequestAction) -> Result<Event, EventError> {
    let read: PullPayload = read("pull_request", payload)?;
    let at = if action == PullRequestAction::Opened {
        read.pull_request.created_at
    } else {
        read.pull_request.updated_at
    };
    let changed = (action == PullRequestAction::Labeled).then_some(read.label).flatten();
    let actor = match action {
        PullRequestAction::Synchronize => pushing(read.sender, &read.pull_request),
        _ => acting(read.sender, &read.pull_request),
    };
    Ok(Event {
        repository: repository("pull_request", &read.repository)?,
        what: What::PullRequest(action),
        subject: Subject {
            changed: changed.map(|label| label.name),
            is_pull_request: true,
            ..subject(read.pull_request)
        },
        actor,
        at,
    })
}

fn review(payload: &Value) -> Result<Event, EventError> {
    let read: ReviewPayload = read("pull_request_review", payload)?;
    let at = read.review.submitted_at;
    let shape = |what| EventError::Shape {
        event: "pull_request_review",
        what,
    };
    Ok(Event {
        repository: repository("pull_request_review", &read.repository)?,
        what: What::PullRequest(PullRequestAction::ReviewSubmitted),
        actor: Actor {
            is_bot: read.review.user.is_bot(),
            login: read.review.user.login,
            association: read.review.author_association.unwrap_or(Association::None),
        },
        subject: Subject {
            is_pull_request: true,
            review: Some(Review {
                id: read.review.id,
                state: serde_json::from_value(Value::String(read.review.state.to_lowercase())).ok(),
            }),
            ..subject(read.pull_request)
        },
        at: at.ok_or_else(|| shape("review.submitted_at"))?,
    })
}

/// Who did it. To what others wrote only who has triage access or more can do it.
fn acting(sender: User, thing: &Thing) -> Actor {
    let is_own = sender.login == thing.user.as_ref().map_or("", |user| user.login.as_str());
    let own = thing.author_association.unwrap_or(Association::None);
    Actor {
        is_bot: sender.is_bot(),
        association: if is_own { own } else { Association::Collaborator },
        login: sender.login,
    }
}

/// Who pushed. To a fork whoever its owner lets in can push, who is no more to the repository than who asks for the pull.
fn pushing(sender: User, pull: &Thing) -> Actor {
    let ends = pull.base.as_ref().zip(pull.head.as_ref());
    let is_here = ends.is_some_and(|(base, head)| !is_fork(base, head));
    let of_author = pull.author_association.unwrap_or(Association::None);
    let actor = acting(sender, pull);
    Actor {
        association: if is_here { actor.association } else { of_author },
        ..actor
    }
}

fn is_fork(base: &End, head: &End) -> bool {
    let name = |end: &End| end.repo.as_ref().map(|repo| repo.full_name.clone());
    name(head) != name(base)
}

fn subject(thing: Thing) -> Subject {
    let branches = thing.base.zip(thing.head).map(|(base, head)| Branches {
        is_fork: is_fork(&base, &head),
        base: base.name,
        head: head.name,
        sha: head.sha,
    });
    Subject {
        number: thing.number,
        title: thing.title,
        body: thing.body.unwrap_or_default(),
        url: thing.html_url,
        author_is_bot: thing.user.as_ref().is_some_and(User::is_bot),
        author: thing.user.map_or_else(|| "ghost".to_owned(), |user| user.login),
        labels: thing.labels.into_iter().map(|label| label.name).collect(),
        milestone: thing.milestone.map(|milestone| milestone.title),
        changed: None,
        is_pull_request: thing.pull_request.is_some(),
        branches,
        draft: thing.draft.unwrap_or(false),
        review: None,
    }
}

fn repository(event: &'static str, read: &RepositoryName) -> Result<Repository, EventError> {
    let what = "repository.full_name";
    Repository::parse(&read.full_name).map_err(|_| EventError::Shape { event, what })
}

fn read<'a, T: Deserialize<'a>>(event: &'static str, payload: &'a Value) -> Result<T, EventError> {
    let what = "a field is missing or of another type";
    T::deserialize(payload).map_err(|_| EventError::Shape { event, what })
}

#[derive(Deserialize)]
struct IssuePayload {
    issue: Thing,
    label: Option<Label>,
    assignee: Option<User>,
    repository: RepositoryName,
    sender: User,
}

#[derive(Deserialize)]
struct CommentPayload {
    issue: Thing,
    comment: CommentRead,
    repository: RepositoryName,
}

#[derive(Deserialize)]
struct PullPayload {
    pull_request: Thing,
    label: Option<Label>,
    repository: RepositoryName,
    sender: User,
}

#[derive(Deserialize)]
struct ReviewPayload {
    pull_request: Thing,
    review: ReviewRead,
    repository: RepositoryName,
}

/// An issue or a pull request.
#[derive(Deserialize)]
struct Thing {
    number: u64,
    title: String,
    body: Option<String>,
    html_url: String,
    user: Option<User>,
    author_association: Option<Association>,
    #[serde(default)]
    labels: Vec<Label>,
    milestone: Option<Milestone>,
    created_at: Timestamp,
    updated_at: Timestamp,
    pull_request: Option<Value>,
    base: Option<End>,
    head: Option<End>,
    draft: Option<bool>,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
    repo: Option<RepositoryName>,
}

#[derive(Deserialize)]
struct CommentRead {
    id: u64,
    body: Option<String>,
    user: User,
    author_association: Option<Association>,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct ReviewRead {
    id: u64,
    state: String,
    user: User,
    author_association: Option<Association>,
    submitted_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct RepositoryName {
    full_name: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Milestone {
    title: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(deserialize_with = "login")]
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Nobody is without one; a task that nobody asked for would be refused.
fn login<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let login = String::deserialize(deserializer)?;
    if clean_line(&login, NAME_MAX).text.is_empty() {
        return Err(serde::de::Error::custom("a login is empty"));
    }
    Ok(login)
}

impl User {
    /// GitHub's own agents are of the type `Bot`, and so are Apps, whose logins end alike.
    fn is_bot(&self) -> bool {
        self.kind.as_deref() == Some("Bot") || self.login.ends_with("[bot]")
    }
}
