//! What happens in a repository, as its lists tell it: the same events that a webhook would have told of.
//!
//! Whatever happens to an issue or a pull request changes when it was updated; so where that list has not changed since the
//! last look, nothing else is read. Pushes show in no list: they are told by the head that a pull request had the last time,
//! and so not those that came while nobody looked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::trigger::{Association, IssueAction, PullRequestAction};
use crate::domain::event::{Actor, Branches, Comment, Event, Review, Subject, What};
use crate::domain::repository::Repository;
use crate::github::models::{self, User};
use crate::github::{Comment as Said, Conditional, Error, Issue, IssueEvent, List};
use crate::observe::{Happened, Update};
use crate::plan::CredentialKey;

use super::github::github_failure;
use super::{Done, Executor, Known};

/// What the last look left behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Swept {
    /// For which time the list of issues was asked, and its `ETag`.
    etag: Option<(Timestamp, String)>,
    /// The head of each pull request that was seen.
    heads: BTreeMap<u64, String>,
}

/// Everything that one look read.
struct Read {
    issues: BTreeMap<u64, Issue>,
    pulls: BTreeMap<u64, models::PullRequest>,
    done: Vec<IssueEvent>,
    comments: Vec<Said>,
    reviews: Vec<(u64, models::Review)>,
    newest: Option<Timestamp>,
}

impl Executor {
    pub(super) async fn sweep(
        &self,
        key: CredentialKey,
        repository: Repository,
        since: Timestamp,
        reviews: bool,
    ) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let began = self.now();
        let before = known.swept.get(&repository).cloned().unwrap_or_default();
        let read = self.read_since(&known, &repository, since, reviews, &before).await;
        let mut updates = self.lessons(&key, &known, read.as_ref().err());
        let happened = match read {
            Ok(None) => None,
            Ok(Some((read, etag))) => {
                let events = events(&repository, &read, since, &before.heads);
                let heads = heads(&read, before.heads);
                let swept = Swept {
                    etag: etag.map(|etag| (since, etag)),
                    heads,
                };
                self.learn(&key, &known.version, |known| {
                    known.swept.insert(repository.clone(), swept);
                });
                Some(Box::new(Happened {
                    newest: read.newest,
                    events,
                }))
            }
            Err(error) => {
                let failure = Some(github_failure(&error));
                return Done { updates, failure };
            }
        };
        updates.push(Update::Swept(key, repository, began, happened));
        Done { updates, failure: None }
    }

    /// `None` when nothing has changed since the last look.
    async fn read_since(
        &self,
        known: &Known,
        repository: &Repository,
        since: Timestamp,
        reviews: bool,
        before: &Swept,
    ) -> Result<Option<(Read, Option<String>)>, Error> {
        let (github, token) = (&self.github, &known.token);
        let etag = before.etag.as_ref().filter(|(asked, _)| *asked == since);
        let etag = etag.map(|(_, etag)| etag.as_str());
        let Conditional::Fresh { value, etag } = github.list_issues(token, repository, since, etag).await? else {
            return Ok(None);
        };
        if !value.is_whole() {
            tracing::warn!(%repository, "more has happened than one look can list; what is beyond is found by the next");
        }
        let newest = value.items.iter().filter_map(|issue| issue.updated_at).max();
        let issues: BTreeMap<_, _> = value.items.into_iter().map(|issue| (issue.number, issue)).collect();
        let done = fresh(github.list_events(token, repository, since, None).await?);
        let comments = fresh(github.list_comments(token, repository, since, None).await?);
        let mut read = Read {
            pulls: BTreeMap::new(),
            reviews: Vec::new(),
            issues,
            done,
            comments,
            newest,
        };
        if read.issues.values().any(Issue::is_pull) {
            let recent = match github.recent_pulls(token, repository, None).await? {
                Conditional::Fresh { value, .. } => value,
                Conditional::NotModified => Vec::new(),
            };
            read.pulls = recent.into_iter().map(|pull| (pull.number, pull)).collect();
        }
        let pulls = read.issues.values().filter(|issue| reviews && issue.is_pull());
        for number in pulls.map(|issue| issue.number).collect::<Vec<_>>() {
            let all = github.list_reviews(token, repository, number, None).await?.value;
            read.reviews
                .extend(all.items.into_iter().map(|review| (number, review)));
        }
        Ok(Some((read, etag)))
    }
}

fn fresh<T>(answer: Conditional<List<T>>) -> Vec<T> {
    match answer {
        Conditional::Fresh { value, .. } => value.items,
        Conditional::NotModified => Vec::new(),
    }
}

/// What happened since, the oldest first.
fn events(repository: &Repository, read: &Read, since: Timestamp, heads: &BTreeMap<u64, String>) -> Vec<Event> {
    let whole = |(what, at, actor, changed, subject): Told| Event {
        repository: repository.clone(),
        what,
        subject: Subject { changed, ..subject },
        actor,
        at,
    };
    let opened = read.issues.values().filter_map(|issue| opened(read, issue));
    let done = read.done.iter().filter_map(|event| done(read, event));
    let comments = read.comments.iter().filter_map(|comment| commented(read, comment));
    let reviews = read
        .reviews
        .iter()
        .filter_map(|(number, review)| reviewed(read, *number, review));
    let pushes = read.pulls.values().filter_map(|pull| pushed(read, pull, heads));
    let all = opened.chain(done).chain(comments).chain(reviews).chain(pushes);
    let mut events: Vec<_> = all.map(whole).filter(|event| event.at >= since).collect();
    events.sort_by_cached_key(|event| (event.at, event.identity()));
    events.dedup_by_key(|event| event.identity());
    events
}

type Told = (What, Timestamp, Actor, Option<String>, Subject);

fn opened(read: &Read, issue: &Issue) -> Option<Told> {
    let what = if issue.is_pull() {
        What::PullRequest(PullRequestAction::Opened)
    } else {
        What::Issue(IssueAction::Opened)
    };
    let author = actor(issue.user.as_ref()?, issue.author_association.as_deref());
    Some((what, issue.created_at?, author, None, subject(read, issue)))
}

/// To what others wrote only who has triage access or more can do it.
fn done(read: &Read, event: &IssueEvent) -> Option<Told> {
    let issue = event.issue.as_ref()?;
    let issue = read.issues.get(&issue.number).unwrap_or(issue);
    let label = event.label.as_ref().map(|label| label.name.clone());
    let assignee = event.assignee.as_ref().map(|user| user.login.clone());
    let (what, changed) = match (event.event.as_deref()?, issue.is_pull()) {
        ("labeled", false) => (What::Issue(IssueAction::Labeled), Some(label?)),
        ("assigned", false) => (What::Issue(IssueAction::Assigned), Some(assignee?)),
        ("reopened", false) => (What::Issue(IssueAction::Reopened), None),
        ("labeled", true) => (What::PullRequest(PullRequestAction::Labeled), Some(label?)),
        ("ready_for_review", true) => (What::PullRequest(PullRequestAction::ReadyForReview), None),
        _ => return None,
    };
    let user = event.actor.as_ref()?;
    let is_own = issue.user.as_ref().is_some_and(|author| author.login == user.login);
    let own = issue.author_association.as_deref().filter(|_| is_own);
    let actor = actor(user, own.or(Some("COLLABORATOR").filter(|_| !is_own)));
    Some((what, event.created_at?, actor, changed, subject(read, issue)))
}

/// One that was edited since may have been edited by another.
fn commented(read: &Read, comment: &Said) -> Option<Told> {
    if comment.updated_at != comment.created_at {
        return None;
    }
    let issue = read.issues.get(&comment.number()?)?;
    let what = What::Comment(Comment {
        id: comment.id,
        body: comment.body.clone().unwrap_or_default(),
    });
    let author = actor(comment.user.as_ref()?, comment.author_association.as_deref());
    let subject = Subject {
        branches: None,
        ..subject(read, issue)
    };
    Some((what, comment.created_at?, author, None, subject))
}

fn reviewed(read: &Read, number: u64, review: &models::Review) -> Option<Told> {
    let issue = read.issues.get(&number)?;
    let user = review.user.as_ref()?;
    let is_own = issue.user.as_ref().is_some_and(|author| author.login == user.login);
    let own = issue.author_association.as_deref().filter(|_| is_own);
    let state = review.state.as_deref().unwrap_or_default().to_lowercase();
    let review_said = Review {
        id: review.id,
        state: serde_json::from_value(Value::String(state)).ok(),
    };
    let subject = Subject {
        review: Some(review_said),
        ..subject(read, issue)
    };
    let what = What::PullRequest(PullRequestAction::ReviewSubmitted);
    let association = review.author_association.as_deref().or(own);
    Some((what, review.submitted_at?, actor(user, association), None, subject))
}

/// Who pushed is not told: the author counts.
fn pushed(read: &Read, pull: &models::PullRequest, heads: &BTreeMap<u64, String>) -> Option<Told> {
    let issue = read.issues.get(&pull.number)?;
    let sha = pull.head.as_ref()?.sha.as_ref()?;
    let is_new = heads.get(&pull.number).is_some_and(|known| known != sha);
    let author = actor(issue.user.as_ref()?, issue.author_association.as_deref());
    let what = What::PullRequest(PullRequestAction::Synchronize);
    is_new.then(|| Some((what, issue.updated_at?, author, None, subject(read, issue))))?
}

fn heads(read: &Read, mut heads: BTreeMap<u64, String>) -> BTreeMap<u64, String> {
    for pull in read.pulls.values() {
        let sha = pull.head.as_ref().and_then(|head| head.sha.clone());
        match sha.filter(|_| pull.state.as_deref() == Some("open")) {
            Some(sha) => heads.insert(pull.number, sha),
            None => heads.remove(&pull.number),
        };
    }
    heads
}

fn subject(read: &Read, issue: &Issue) -> Subject {
    let pull = read.pulls.get(&issue.number);
    let user = issue.user.as_ref();
    Subject {
        number: issue.number,
        title: issue.title.clone().unwrap_or_default(),
        body: issue.body.clone().unwrap_or_default(),
        url: issue.html_url.clone().unwrap_or_default(),
        author: user.map_or_else(|| "ghost".to_owned(), |user| user.login.clone()),
        author_is_bot: user.is_some_and(User::is_bot),
        labels: issue.labels.iter().map(|label| label.name.clone()).collect(),
        milestone: issue.milestone.as_ref().map(|milestone| milestone.title.clone()),
        changed: None,
        is_pull_request: issue.is_pull(),
        branches: pull.and_then(branches),
        draft: pull.and_then(|pull| pull.draft).unwrap_or(false),
        review: None,
    }
}

fn branches(pull: &models::PullRequest) -> Option<Branches> {
    let (base, head) = (pull.base.as_ref()?, pull.head.as_ref()?);
    let name = |end: &models::GitRef| end.repo.as_ref().map(|repository| repository.full_name.clone());
    Some(Branches {
        base: base.name.clone(),
        head: head.name.clone(),
        sha: head.sha.clone().unwrap_or_default(),
        is_fork: name(head) != name(base),
    })
}

fn actor(user: &User, association: Option<&str>) -> Actor {
    let association = association.map(|word| Value::String(word.to_owned()));
    let association = association.and_then(|word| serde_json::from_value(word).ok());
    Actor {
        login: user.login.clone(),
        is_bot: user.is_bot(),
        association: association.unwrap_or(Association::None),
    }
}
