//! Comments on issues and pull requests over the REST API.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::simulator::{
    exchange::Context,
    issue::{Comment, Subject},
    page::{parsed, word},
    render::second,
    reply::{Mistake, Refusal, Reply},
    route::RepositoryName,
    state::State,
};

/// GitHub's limit, in characters.
const LONGEST: usize = 65_536;

impl State {
    pub(in crate::simulator) fn list_issue_comments(
        &self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_issues(repository)?;
        self.subject(repository, number, context.view)
            .ok_or(Refusal::NotFound)?;
        let since: Option<Timestamp> = parsed(context.call, "since")?;
        let comments = self.comments_of(repository.id, number, context.view);
        let comments = comments
            .filter(|comment| is_since(comment, since, context.view))
            .collect();
        Ok(self.rest_page(context, comments, |comment| self.shown_comment(comment, context.view)))
    }

    pub(in crate::simulator) fn list_comments(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_issues(repository)?;
        let (call, view) = (context.call, context.view);
        let by_update = word(call, "sort", &[("created", false), ("updated", true)])?;
        let descending = word(call, "direction", &[("asc", false), ("desc", true)])?;
        let since: Option<Timestamp> = parsed(call, "since")?;
        let of_it = |comment: &&Comment| comment.repository == repository.id && is_since(comment, since, view);
        let mut comments: Vec<&Comment> = self.comments.iter().filter(of_it).collect();
        comments.sort_by_key(|comment| {
            let updated_at = comment.history.at(view).map(|said| said.updated_at);
            let at = if by_update {
                updated_at
            } else {
                Some(comment.created_at)
            };
            (at.map(second), comment.id)
        });
        if descending {
            comments.reverse();
        }
        Ok(self.rest_page(context, comments, |comment| self.shown_comment(comment, view)))
    }

    pub(in crate::simulator) fn create_comment(
        &mut self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.writable(name, number, context)?;
        let body = text(context)?;
        let id = self.comment(&repository, number, &context.caller.user, body, context.now);
        let reply = self.comment_reply(id.ok_or(Refusal::NotFound)?, context)?;
        Ok(Reply {
            status: StatusCode::CREATED,
            ..reply
        })
    }

    pub(in crate::simulator) fn update_comment(
        &mut self,
        name: &RepositoryName,
        id: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        let comment = self.comments.iter().find(|comment| comment.id == id);
        let comment = comment.filter(|comment| comment.repository == repository.id);
        let number = comment.ok_or(Refusal::NotFound)?.number;
        let is_pull = matches!(self.subject(repository, number, context.now), Some(Subject::Pull(_)));
        context.caller.token.may_write_cards(is_pull)?;
        let body = text(context)?;
        self.edit_comment(id, &context.caller.user, body, context.now);
        self.comment_reply(id, context)
    }

    fn comment_reply(&self, id: u64, context: &Context<'_>) -> Result<Reply, Refusal> {
        let comment = self.comments.iter().find(|comment| comment.id == id);
        let comment = comment.ok_or(Refusal::NotFound)?;
        Ok(Reply::ok(self.shown_comment(comment, context.now)))
    }

    fn shown_comment(&self, comment: &Comment, view: Timestamp) -> Value {
        let repository = self.repositories.get(comment.repository);
        let said = comment.history.at(view);
        repository.zip(said).map_or(Value::Null, |(repository, said)| {
            self.comment_json(repository, comment, said)
        })
    }
}

fn is_since(comment: &Comment, since: Option<Timestamp>, view: Timestamp) -> bool {
    let said = comment.history.at(view);
    said.is_some_and(|said| since.is_none_or(|since| second(said.updated_at) >= since))
}

/// The text of a comment, within GitHub's limit.
fn text(context: &Context<'_>) -> Result<String, Refusal> {
    let body = context.call.json()?;
    match body.get("body").and_then(Value::as_str) {
        None => Err(Refusal::Invalid(vec![Mistake::MissingField])),
        Some(text) if text.trim().is_empty() => Err(Refusal::Invalid(vec![Mistake::MissingField])),
        Some(text) if text.chars().count() > LONGEST => Err(Refusal::Invalid(vec![Mistake::Custom(format!(
            "body is too long (maximum is {LONGEST} characters)"
        ))])),
        Some(text) => Ok(text.to_owned()),
    }
}
