//! What people do to issues and pull requests, whether over the API or behind its back.

use axum::body::Bytes;
use jiff::Timestamp;

use super::{
    auth::Account,
    history::History,
    hook::{Hook, Message, NewHook},
    issue::{
        Card, CardChange, Comment, CommentRecord, Event, Happening, Issue, IssueLife, IssueRecord, NewIssue, Said,
        Subject,
    },
    pull::{Change, NewPull, Proposal, PullLife},
    render::{Payload, sha},
    repository::Repository,
    state::State,
};

impl State {
    /// What a number stands for at an instant.
    pub fn subject<'a>(&'a self, repository: &'a Repository, number: u64, view: Timestamp) -> Option<Subject<'a>> {
        self.subjects_of(repository, view)
            .find(|subject| subject.number() == number)
    }

    /// A repository's issues, then its pull requests.
    pub fn subjects_of<'a>(
        &'a self,
        repository: &'a Repository,
        view: Timestamp,
    ) -> impl Iterator<Item = Subject<'a>> + 'a {
        let issues = self.issues.iter().filter(|issue| issue.repository == repository.id);
        issues
            .filter_map(move |issue| Some(Subject::Issue(issue, issue.history.at(view)?)))
            .chain(
                self.pulls_of(repository, view)
                    .map(|pull| Subject::Pull(Box::new(pull))),
            )
    }

    /// The comments on a number, oldest first.
    pub fn comments_of(&self, repository: u64, number: u64, view: Timestamp) -> impl Iterator<Item = &Comment> {
        self.comments.iter().filter(move |comment| {
            (comment.repository, comment.number) == (repository, number) && comment.created_at <= view
        })
    }

    pub fn open_issue(&mut self, repository: &Repository, by: &Account, new: NewIssue, now: Timestamp) -> u64 {
        let number = self.take_number(repository.id);
        let card = Card {
            title: Some(new.title),
            body: new.body.filter(|body| !body.is_empty()),
            ..Card::default()
        };
        let issue = Issue {
            id: 3_000_000_000 + self.take_id(),
            repository: repository.id,
            number,
            author: by.clone(),
            created_at: now,
            history: History::new(now, IssueLife::new(card, now)),
        };
        self.issues.push(issue);
        self.happened(repository, number, by, Happening::Opened, now);
        for label in new.labels {
            self.change_card(repository, number, by, CardChange::Label(label), now);
        }
        number
    }

    pub fn open_pull(&mut self, repository: &Repository, by: &Account, new: NewPull, now: Timestamp) -> u64 {
        let number = self.take_number(repository.id);
        let card = Card {
            title: Some(new.title),
            body: new.body.filter(|body| !body.is_empty()),
            ..Card::default()
        };
        let life = PullLife {
            ready: !new.draft,
            card,
            ..PullLife::default()
        };
        let proposal = Proposal {
            id: 2_000_000_000 + self.take_id(),
            repository: repository.id,
            number,
            author: by.clone(),
            head_ref: new.head_ref,
            head_repository: new.head_repository,
            base_ref: new.base_ref.unwrap_or_else(|| repository.default_branch.clone()),
            files: new.files,
            created_at: now,
        };
        self.pulls.insert(proposal.id, History::new(now, life));
        self.proposals.push(proposal);
        self.happened(repository, number, by, Happening::Opened, now);
        number
    }

    /// Whether there is such a number.
    pub fn change_card(
        &mut self,
        repository: &Repository,
        number: u64,
        by: &Account,
        change: CardChange,
        now: Timestamp,
    ) -> bool {
        let Some(pull) = self.subject(repository, number, now).map(|subject| match subject {
            Subject::Pull(pull) => Some((pull.id(), pull.title())),
            Subject::Issue(..) => None,
        }) else {
            return false;
        };
        let happening = match pull {
            None => self.issue_mut(repository.id, number).and_then(|issue| {
                issue.history.change(now, |life| {
                    let happening = life.card.change(change, now);
                    life.updated_at = if happening.is_some() { now } else { life.updated_at };
                    happening
                })
            }),
            Some((id, title)) => self.life_mut(id).change(now, |life| {
                life.card.title = Some(title);
                let happening = life.card.change(change, now);
                life.changed_at = if happening.is_some() {
                    Some(now)
                } else {
                    life.changed_at
                };
                happening
            }),
        };
        if let Some(happening) = happening {
            self.happened(repository, number, by, happening, now);
        }
        true
    }

    /// Opens or closes an issue or a pull request; whether there is such a number.
    pub fn set_open(&mut self, repository: &Repository, number: u64, open: bool, by: &Account, now: Timestamp) -> bool {
        let Some(subject) = self.subject(repository, number, now) else {
            return false;
        };
        let changes = match subject {
            Subject::Issue(..) => self.issue_mut(repository.id, number).is_some_and(|issue| {
                issue.history.change(now, |life| {
                    let changes = life.set_open(open, by, now);
                    life.updated_at = if changes { now } else { life.updated_at };
                    changes
                })
            }),
            Subject::Pull(pull) => {
                let (id, changes) = (pull.id(), pull.is_open() != open && pull.life.merged_at.is_none());
                if changes {
                    self.change_life(id, if open { Change::Reopen } else { Change::Close }, now);
                }
                changes
            }
        };
        if changes {
            let happening = if open { Happening::Reopened } else { Happening::Closed };
            self.happened(repository, number, by, happening, now);
        }
        true
    }

    /// Says something; answers the comment's id, `None` without such a number.
    pub fn comment(
        &mut self,
        repository: &Repository,
        number: u64,
        by: &Account,
        body: String,
        now: Timestamp,
    ) -> Option<u64> {
        self.subject(repository, number, now)?;
        let id = 4_000_000_000 + self.take_id();
        let comment = Comment {
            id,
            repository: repository.id,
            number,
            author: by.clone(),
            created_at: now,
            history: History::new(now, Said { body, updated_at: now }),
        };
        self.comments.push(comment);
        self.touch(repository, number, now);
        self.happened(repository, number, by, Happening::Commented(id), now);
        Some(id)
    }

    /// Whether there is such a comment.
    pub fn edit_comment(&mut self, id: u64, by: &Account, body: String, now: Timestamp) -> bool {
        let Some(comment) = self.comments.iter_mut().find(|comment| comment.id == id) else {
            return false;
        };
        let (repository, number) = (comment.repository, comment.number);
        let from = comment.history.change(now, |said| {
            let updated_at = now;
            std::mem::replace(said, Said { body, updated_at }).body
        });
        if let Some(repository) = self.repositories.get(repository).cloned() {
            self.touch(&repository, number, now);
            let happening = Happening::CommentEdited { comment: id, from };
            self.happened(&repository, number, by, happening, now);
        }
        true
    }

    /// Does to a pull request what is not a change of its card.
    pub fn change_pull(
        &mut self,
        repository: &Repository,
        pull: (u64, u64),
        by: &Account,
        change: Change,
        now: Timestamp,
    ) {
        let (id, number) = pull;
        let before = self.life_mut(id).latest().clone();
        let head = id + (before.pushes << 40);
        let happenings = match &change {
            Change::Ready if !before.ready => vec![Happening::Ready],
            Change::Draft if before.ready => vec![Happening::Drafted],
            Change::Merge(_) => vec![Happening::Merged, Happening::Closed],
            Change::Push => vec![Happening::Pushed { before: sha(head) }],
            Change::Review(review) => vec![Happening::Reviewed(review.clone())],
            _ => Vec::new(),
        };
        self.change_life(id, change, now);
        for happening in happenings {
            self.happened(repository, number, by, happening, now);
        }
    }

    pub fn change_life(&mut self, pull: u64, change: Change, now: Timestamp) {
        self.life_mut(pull).change(now, |life| life.change(change, now));
    }

    /// Notes what happened, and has webhooks tell of it.
    pub fn happened(&mut self, repository: &Repository, number: u64, actor: &Account, what: Happening, now: Timestamp) {
        let subject = self.subject(repository, number, now);
        let payload = subject.and_then(|subject| self.payload(repository, &subject, actor, &what, now));
        if let Some(payload) = payload {
            self.publish(repository.id, &payload, now);
        }
        if what.event().is_some() {
            let event = Event {
                id: 5_000_000_000 + self.take_id(),
                repository: repository.id,
                number,
                actor: actor.clone(),
                at: now,
                what,
            };
            self.events.push(event);
        }
    }

    /// Answers the webhook's id, and greets its receiver.
    pub fn add_hook(&mut self, repository: &Repository, new: NewHook, now: Timestamp) -> u64 {
        let id = self.take_id();
        let hook = Hook {
            id,
            repository: repository.id,
            url: new.url,
            secret: new.secret,
            events: new.events,
            created_at: now,
        };
        let ping = self.ping(repository, &hook, &self.accounts.owner_of(repository));
        self.hooks.all.push(hook);
        self.deliver(id, &ping, now);
        id
    }

    /// Attempts a delivery again; whether there is such an attempt.
    pub fn attempt_again(&mut self, attempt: u64, now: Timestamp) -> bool {
        let known = self.hooks.log.iter().find(|known| known.id == attempt);
        let Some((hook, message)) = known.map(|known| (known.hook, known.message.clone())) else {
            return false;
        };
        let id = self.take_id();
        self.hooks.attempt(id, hook, message, true, now);
        true
    }

    fn publish(&mut self, repository: u64, payload: &Payload, now: Timestamp) {
        let hooks = self.hooks.all.iter();
        let wanting = hooks.filter(|hook| hook.repository == repository && hook.wants(payload.event));
        let ids: Vec<u64> = wanting.map(|hook| hook.id).collect();
        for hook in ids {
            self.deliver(hook, payload, now);
        }
    }

    fn deliver(&mut self, hook: u64, payload: &Payload, now: Timestamp) {
        let message = Message {
            guid: self.uuid(),
            event: payload.event,
            action: payload.action,
            body: Bytes::from(payload.body.to_string()),
        };
        let id = self.take_id();
        self.hooks.attempt(id, hook, message, false, now);
    }

    pub fn issue_records(&self, now: Timestamp) -> Vec<IssueRecord> {
        let subjects = self.repositories.iter().flat_map(|repository| {
            self.subjects_of(repository, now)
                .map(move |subject| (repository, subject))
        });
        subjects
            .map(|(repository, subject)| self.issue_record(repository, &subject, now))
            .collect()
    }

    fn issue_record(&self, repository: &Repository, subject: &Subject<'_>, now: Timestamp) -> IssueRecord {
        let card = subject.card();
        let comments = self.comments_of(repository.id, subject.number(), now);
        IssueRecord {
            repository: repository.name.clone(),
            number: subject.number(),
            is_pull: matches!(subject, Subject::Pull(_)),
            author: subject.author().login,
            title: subject.title(),
            body: card.body.clone(),
            open: subject.is_open(),
            labels: card.labels.clone(),
            assignees: card.assignees.iter().map(|account| account.login.clone()).collect(),
            milestone: card.milestone.clone(),
            comments: comments
                .map(|comment| {
                    let said = comment.history.latest();
                    CommentRecord {
                        id: comment.id,
                        author: comment.author.login.clone(),
                        body: said.body.clone(),
                        created_at: comment.created_at,
                        updated_at: said.updated_at,
                    }
                })
                .collect(),
        }
    }

    /// What is said counts as a change of what it is said on.
    fn touch(&mut self, repository: &Repository, number: u64, now: Timestamp) {
        match self.subject(repository, number, now) {
            Some(Subject::Pull(pull)) => {
                let id = pull.id();
                self.life_mut(id).change(now, |life| life.changed_at = Some(now));
            }
            Some(Subject::Issue(..)) => {
                if let Some(issue) = self.issue_mut(repository.id, number) {
                    issue.history.change(now, |life| life.updated_at = now);
                }
            }
            None => {}
        }
    }

    pub fn take_number(&mut self, repository: u64) -> u64 {
        let number = self.numbers.entry(repository).or_default();
        *number += 1;
        *number
    }

    fn issue_mut(&mut self, repository: u64, number: u64) -> Option<&mut Issue> {
        self.issues
            .iter_mut()
            .find(|issue| (issue.repository, issue.number) == (repository, number))
    }

    fn life_mut(&mut self, pull: u64) -> &mut History<PullLife> {
        let untouched = || History::new(Timestamp::MIN, PullLife::default());
        self.pulls.entry(pull).or_insert_with(untouched)
    }
}
