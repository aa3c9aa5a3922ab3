//! Issues, their labels and the record of who did what, over the REST API.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::reviews::texts;
use crate::simulator::{
    exchange::Context,
    issue::{CardChange, Event, Subject},
    page::{Page, parsed, word},
    render::second,
    reply::{Refusal, Reply},
    repository::Repository,
    route::RepositoryName,
    state::State,
};

#[derive(Clone, Copy)]
enum SortBy {
    Created,
    Updated,
    Comments,
}

impl State {
    pub(in crate::simulator) fn list_issues(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        let (call, view) = (context.call, context.view);
        context.caller.token.may_read_issues(repository)?;
        let open = word(
            call,
            "state",
            &[("open", Some(true)), ("closed", Some(false)), ("all", None)],
        )?;
        let sorts = [
            ("created", SortBy::Created),
            ("updated", SortBy::Updated),
            ("comments", SortBy::Comments),
        ];
        let sort = word(call, "sort", &sorts)?;
        let descending = word(call, "direction", &[("desc", true), ("asc", false)])?;
        let since: Option<Timestamp> = parsed(call, "since")?;
        let labels: Vec<&str> = call
            .parameter("labels")
            .into_iter()
            .flat_map(|it| it.split(','))
            .collect();
        let creator = call.parameter("creator");
        let wanted = |subject: &Subject<'_>| {
            let has = |label: &&str| subject.card().labels.iter().any(|it| it.eq_ignore_ascii_case(label));
            open.is_none_or(|open| subject.is_open() == open)
                && since.is_none_or(|since| second(subject.updated_at()) >= since)
                && labels.iter().all(has)
                && creator.is_none_or(|login| subject.author().login.eq_ignore_ascii_case(login))
        };
        let subjects = self.subjects_of(repository, view).filter(wanted);
        let mut subjects: Vec<(Subject<'_>, usize)> = subjects
            .map(|subject| {
                let comments = self.comments_of(repository.id, subject.number(), view).count();
                (subject, comments)
            })
            .collect();
        subjects.sort_by_key(|(subject, comments)| {
            let (count, at) = match sort {
                SortBy::Created => (0, subject.created_at()),
                SortBy::Updated => (0, subject.updated_at()),
                SortBy::Comments => (*comments, subject.created_at()),
            };
            (count, second(at), subject.number())
        });
        if descending {
            subjects.reverse();
        }
        Ok(self.rest_page(context, subjects, |(subject, comments)| {
            self.issue_json(repository, subject, *comments)
        }))
    }

    pub(in crate::simulator) fn get_issue(
        &self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_issues(repository)?;
        let subject = self
            .subject(repository, number, context.view)
            .ok_or(Refusal::NotFound)?;
        let comments = self.comments_of(repository.id, number, context.view).count();
        Ok(Reply::ok(self.issue_json(repository, &subject, comments)))
    }

    pub(in crate::simulator) fn list_issue_events(
        &self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_issues(repository)?;
        self.subject(repository, number, context.view)
            .ok_or(Refusal::NotFound)?;
        let events = self.events_of(repository, context.view);
        let events = events.filter(|event| event.number == number).collect();
        Ok(self.rest_page(context, events, |event| self.event_json(repository, event)))
    }

    /// The newest first, each with its issue as it is now.
    pub(in crate::simulator) fn list_events(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_issues(repository)?;
        let mut events: Vec<&Event> = self.events_of(repository, context.view).collect();
        events.reverse();
        let page = Page::lenient(context.call);
        if let Some(most) = self.behaviour.event_pages {
            if page.number > most {
                return Err(Refusal::Other {
                    status: StatusCode::UNPROCESSABLE_ENTITY,
                    message: "In order to keep the API fast for everyone, pagination is limited for this resource."
                        .to_owned(),
                });
            }
            events.truncate(most.saturating_mul(page.size));
        }
        Ok(self.rest_page(context, events, |event| {
            let mut value = self.event_json(repository, event);
            let subject = self.subject(repository, event.number, context.view);
            value["issue"] = subject.map_or(Value::Null, |subject| {
                let comments = self.comments_of(repository.id, event.number, context.view).count();
                self.issue_json(repository, &subject, comments)
            });
            value
        }))
    }

    pub(in crate::simulator) fn add_labels(
        &mut self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.writable(name, number, context)?;
        for label in texts(context.call.json()?.get("labels")) {
            let by = &context.caller.user;
            self.change_card(&repository, number, by, CardChange::Label(label), context.now);
        }
        self.labels_reply(&repository, number, context)
    }

    pub(in crate::simulator) fn remove_label(
        &mut self,
        name: &RepositoryName,
        number: u64,
        label: String,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.writable(name, number, context)?;
        let subject = self.subject(&repository, number, context.now);
        let has = |subject: &Subject<'_>| subject.card().labels.iter().any(|it| it.eq_ignore_ascii_case(&label));
        if !subject.as_ref().is_some_and(has) {
            return Err(Refusal::Other {
                status: StatusCode::NOT_FOUND,
                message: "Label does not exist".to_owned(),
            });
        }
        let by = &context.caller.user;
        self.change_card(&repository, number, by, CardChange::Unlabel(label), context.now);
        self.labels_reply(&repository, number, context)
    }

    /// The repository of an issue or a pull request that the caller may comment on and label.
    pub(super) fn writable(
        &self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Repository, Refusal> {
        let repository = self.reach(name, context)?;
        let subject = self.subject(repository, number, context.now);
        let is_pull = matches!(subject, Some(Subject::Pull(_)));
        context.caller.token.may_write_cards(is_pull)?;
        subject.map(|_| repository.clone()).ok_or(Refusal::NotFound)
    }

    fn labels_reply(&self, repository: &Repository, number: u64, context: &Context<'_>) -> Result<Reply, Refusal> {
        let subject = self.subject(repository, number, context.now).ok_or(Refusal::NotFound)?;
        Ok(Reply::ok(json!(self.labels_json(repository, subject.card()))))
    }

    /// Oldest first.
    fn events_of(&self, repository: &Repository, view: Timestamp) -> impl Iterator<Item = &Event> {
        let id = repository.id;
        self.events
            .iter()
            .filter(move |event| event.repository == id && event.at <= view)
    }
}
