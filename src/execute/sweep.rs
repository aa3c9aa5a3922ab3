//! What happens in a repository, as its lists tell it: the same events that a webhook would have told of.
//!
//! Whatever happens to an issue or a pull request changes when it was updated; so where that list has not changed since the
//! last look, nothing else is read. Pushes show in no list: they are told by the head that a pull request had the last time,
//! and so not those that came while nobody looked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::trigger::{Association, IssueAction, PullRequestAction};
use crate::domain::event::{Actor, Branches, Comment, Event, Review, Subject, What};
use crate::domain::outside::command;
use crate::domain::repository::Repository;
use crate::github::models::{self, User};
use crate::github::{Comment as Said, Conditional, Error, Issue, IssueEvent, List, Record, RefusalKind, Rest};
use crate::observe::{Happened, Update};
use crate::plan::CredentialKey;
use crate::plan::time::add;
use crate::plan::walk::{Ahead, Back, Stretch, Walk, Wanted};

use super::github::github_failure;
use super::{Done, Executor, Known};

/// Requests that a look makes for single issues, and as many for the reviews of single pull requests.
const SINGLE: usize = 100;

/// What the last look left behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Swept {
    /// What was looked for and since when, and the `ETag` of the list of issues.
    etag: Option<(Timestamp, Wanted, String)>,
    /// The head of each pull request that was seen.
    heads: BTreeMap<u64, String>,
}

/// Everything that one look read.
#[derive(Default)]
struct Read {
    issues: BTreeMap<u64, Issue>,
    pulls: BTreeMap<u64, models::PullRequest>,
    done: Vec<IssueEvent>,
    comments: Vec<Said>,
    reviews: Vec<(u64, models::Review)>,
}

impl Executor {
    pub(super) async fn sweep(&self, key: CredentialKey, repository: Repository, walk: Walk) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let began = self.now();
        let before = known.swept.get(&repository).cloned().unwrap_or_default();
        let read = self.read_on(&known, &repository, &walk, &before).await;
        let mut updates = self.lessons(&key, &known, read.as_ref().err());
        let happened = match read {
            Ok(None) => None,
            Ok(Some((read, stretch, etag))) => {
                let events = events(&repository, &read, walk.since, &before.heads);
                let (since, wanted) = (walk.since, walk.wanted.clone());
                let walk = walk.advance(stretch);
                let swept = Swept {
                    // What was not read to its end has to be read, changed or not.
                    etag: etag.filter(|_| !walk.goes_on()).map(|etag| (since, wanted, etag)),
                    heads: heads(&read, before.heads),
                };
                self.learn(&key, &known.version, |known| {
                    known.swept.insert(repository.clone(), swept);
                });
                Some(Box::new(Happened { walk, events }))
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
    async fn read_on(
        &self,
        known: &Known,
        repository: &Repository,
        walk: &Walk,
        before: &Swept,
    ) -> Result<Option<(Read, Stretch, Option<String>)>, Error> {
        let (github, token) = (&self.github, &known.token);
        let (mut read, mut tag) = (Read::default(), None);
        let mut stretch = Stretch {
            issues: Ahead::Whole,
            comments: Ahead::Whole,
            record: Back::Whole,
            newest: None,
        };
        if let Some(from) = walk.issues {
            let answer = github
                .list_issues(token, repository, from, before.tag_for(walk))
                .await?;
            let Conditional::Fresh { value, etag } = answer else {
                return Ok(None);
            };
            tag = etag;
            stretch.issues = read.take_issues(value, walk.wanted.reviews);
            stretch.newest = read.issues.values().filter_map(|issue| issue.updated_at).max();
        }
        if let Some((page, reached)) = walk.record {
            let record = github.list_events(token, repository, walk.since, page).await?;
            stretch.record = back(&record, reached);
            read.done = record.events;
        }
        if let Some(from) = walk.comments
            && let Conditional::Fresh { value, .. } = github.list_comments(token, repository, from, None).await?
        {
            stretch.comments = self.take_comments(known, repository, value, walk, &mut read).await?;
        }
        if read.issues.values().any(Issue::is_pull)
            && let Conditional::Fresh { value, .. } = github.recent_pulls(token, repository, None).await?
        {
            read.pulls = value.into_iter().map(|pull| (pull.number, pull)).collect();
        }
        let pulls = read
            .issues
            .values()
            .filter(|issue| walk.wanted.reviews && issue.is_pull());
        for number in pulls.map(|issue| issue.number).collect::<Vec<_>>() {
            let all = match github.list_reviews(token, repository, number, None).await {
                Ok(all) => all.value.items,
                // Not found may be the repository, of which nothing would be known then.
                Err(error) if error.refusal().is_some_and(|refusal| refusal.kind == RefusalKind::Gone) => continue,
                Err(error) => return Err(error),
            };
            read.reviews.extend(all.into_iter().map(|review| (number, review)));
        }
        Ok(Some((read, stretch, tag)))
    }

    /// Comments that are commands. The issue of one may be in another part of the list of issues, and is asked for.
    async fn take_comments(
        &self,
        known: &Known,
        repository: &Repository,
        list: List<Said>,
        walk: &Walk,
        read: &mut Read,
    ) -> Result<Ahead, Error> {
        let ahead = ahead(&list, |comment| comment.updated_at);
        let is_command = |comment: &Said| {
            let body = comment.body.as_deref().unwrap_or_default();
            walk.wanted.commands.iter().any(|wanted| command(body, wanted))
        };
        let mut asked = BTreeSet::new();
        for comment in list.items.into_iter().filter(is_command) {
            let number = comment.number().filter(|number| !read.issues.contains_key(number));
            if let Some(number) = number.filter(|number| !asked.contains(number)) {
                if asked.len() == SINGLE {
                    return Ok(comment.updated_at.map_or(ahead, Ahead::To));
                }
                asked.insert(number);
                match self.github.get_issue(&known.token, repository, number, None).await {
                    Ok(Conditional::Fresh { value, .. }) => drop(read.issues.insert(number, value)),
                    Ok(Conditional::NotModified) => {}
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            read.comments.push(comment);
        }
        Ok(ahead)
    }
}

impl Swept {
    /// What was read with it has to be all that is wanted now.
    fn tag_for(&self, walk: &Walk) -> Option<&str> {
        let (since, wanted, etag) = self.etag.as_ref()?;
        let is_same = walk.looks == 0 && *since == walk.since && *wanted == walk.wanted;
        is_same.then_some(etag.as_str())
    }
}

impl Read {
    /// Each pull request is asked for its reviews, so a look takes only so many of them, with all of the last one's second.
    fn take_issues(&mut self, list: List<Issue>, reviews: bool) -> Ahead {
        let mut ahead = ahead(&list, |issue| issue.updated_at);
        let mut issues = list.items;
        let mut pulls = issues.iter().filter(|issue| reviews && issue.is_pull());
        if let Some(end) = pulls.nth(SINGLE - 1).and_then(|issue| issue.updated_at) {
            let before = issues.len();
            issues.retain(|issue| issue.updated_at.is_none_or(|at| at <= end));
            if issues.len() < before {
                ahead = Ahead::To(add(end, SignedDuration::from_secs(1)));
            }
        }
        self.issues = issues.into_iter().map(|issue| (issue.number, issue)).collect();
        ahead
    }
}

fn ahead<T>(list: &List<T>, time: impl Fn(&T) -> Option<Timestamp>) -> Ahead {
    let newest = list.items.iter().filter_map(time).max();
    newest.filter(|_| list.truncated).map_or(Ahead::Whole, Ahead::To)
}

fn back(record: &Record, reached: Timestamp) -> Back {
    let oldest = record.events.iter().filter_map(|event| event.created_at).min();
    let oldest = oldest.unwrap_or(reached);
    match record.rest {
        Rest::Nothing => Back::Whole,
        Rest::From(page) => Back::To(oldest, page),
        Rest::Hidden => Back::End(oldest),
    }
}

fn is_gone(error: &Error) -> bool {
    let kind = error.refusal().map(|refusal| &refusal.kind);
    matches!(
        kind,
        Some(RefusalKind::NotFound | RefusalKind::Gone | RefusalKind::Moved { .. })
    )
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
    let mut subject = subject(read, issue);
    subject.draft = began_as_draft(read, issue.number).unwrap_or(subject.draft);
    Some((what, issue.created_at?, author, None, subject))
}

/// Whether it was opened as a draft, where it has become one or ceased to be one since.
fn began_as_draft(read: &Read, number: u64) -> Option<bool> {
    let turns = read.done.iter().filter_map(|event| {
        let was_draft = match event.event.as_deref()? {
            "ready_for_review" => true,
            "convert_to_draft" => false,
            _ => return None,
        };
        let is_its = event.issue.as_ref().is_some_and(|issue| issue.number == number);
        is_its.then_some((event.created_at, was_draft))
    });
    turns.min_by_key(|(at, _)| *at).map(|(_, was_draft)| was_draft)
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
    // A pull request that another part of the list of issues tells of is compared when that is read.
    let is_told = |number: &u64| read.issues.contains_key(number) || !heads.contains_key(number);
    let told: Vec<_> = read.pulls.values().filter(|pull| is_told(&pull.number)).collect();
    for pull in told {
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
