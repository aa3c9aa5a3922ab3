//! Webhooks of a repository and their deliveries over the REST API.

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulator::{
    auth::Access,
    exchange::Context,
    hook::{Attempt, DeliveryOutcome, Hook},
    page::{Page, word},
    reply::{Refusal, Reply},
    repository::Repository,
    route::RepositoryName,
    state::State,
};

#[derive(Clone, Copy)]
enum Wanted {
    Any,
    Success,
    Failure,
}

impl State {
    pub(in crate::simulator) fn list_hooks(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_use_webhooks(Access::Read)?;
        let hooks = self.hooks.all.iter().filter(|hook| hook.repository == repository.id);
        let hooks: Vec<&Hook> = hooks.collect();
        Ok(self.rest_page(context, hooks, |hook| self.hook_json(repository, hook)))
    }

    /// The newest first, in pages that a cursor leads through; without those that are under way.
    pub(in crate::simulator) fn list_deliveries(
        &self,
        name: &RepositoryName,
        hook: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_use_webhooks(Access::Read)?;
        self.hook(repository, hook)?;
        let call = context.call;
        let known = [
            ("", Wanted::Any),
            ("success", Wanted::Success),
            ("failure", Wanted::Failure),
        ];
        let wanted = word(call, "status", &known)?;
        let before = call
            .parameter("cursor")
            .and_then(|cursor| cursor.strip_prefix("v1_")?.parse().ok());
        let is_shown = |attempt: &&Attempt| {
            let arrived = matches!(attempt.outcome, DeliveryOutcome::Answered(200..=299));
            attempt.hook == hook
                && attempt.outcome != DeliveryOutcome::UnderWay
                && before.is_none_or(|before: u64| attempt.id < before)
                && match wanted {
                    Wanted::Any => true,
                    Wanted::Success => arrived,
                    Wanted::Failure => !arrived,
                }
        };
        let size = Page::lenient(call).size;
        let found: Vec<&Attempt> = self.hooks.log.iter().rev().filter(is_shown).take(size + 1).collect();
        let rows: Vec<Value> = found
            .iter()
            .take(size)
            .map(|attempt| Self::delivery_json(attempt))
            .collect();
        let last = found.get(size - 1).filter(|_| found.len() > size);
        let link = last.map(|attempt| {
            let filter = call.parameter("status").map(|status| format!("&status={status}"));
            let (path, cursor) = (call.path, attempt.id);
            let query = format!("per_page={size}{}&cursor=v1_{cursor}", filter.unwrap_or_default());
            format!("<{}{path}?{query}>; rel=\"next\"", self.base_url)
        });
        Ok(link.into_iter().fold(Reply::ok(Value::from(rows)), |reply, link| {
            reply.with_header("link", link)
        }))
    }

    pub(in crate::simulator) fn redeliver(
        &mut self,
        name: &RepositoryName,
        (hook, delivery): (u64, u64),
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_use_webhooks(Access::Write)?;
        self.hook(repository, hook)?;
        let is_of_it = self
            .hooks
            .log
            .iter()
            .any(|attempt| (attempt.hook, attempt.id) == (hook, delivery));
        if !is_of_it || !self.attempt_again(delivery, context.now) {
            return Err(Refusal::NotFound);
        }
        Ok(Reply {
            status: StatusCode::ACCEPTED,
            ..Reply::ok(json!({}))
        })
    }

    fn hook(&self, repository: &Repository, id: u64) -> Result<&Hook, Refusal> {
        let mut hooks = self.hooks.all.iter();
        let found = hooks.find(|hook| (hook.repository, hook.id) == (repository.id, id));
        found.ok_or(Refusal::NotFound)
    }
}
