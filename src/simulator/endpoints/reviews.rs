//! What is done to pull requests over the REST API, and their checks.

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulator::{
    exchange::Context,
    pull::{Change, Check},
    reply::{Mistake, Refusal, Reply},
    route::RepositoryName,
    state::State,
};

impl State {
    pub(in crate::simulator) fn list_check_runs(
        &self,
        name: &RepositoryName,
        reference: &str,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_checks()?;
        let pull = self
            .pulls_of(repository, context.view)
            .find(|pull| self.pull_json(pull)["head"]["sha"] == *reference);
        let run = pull.as_ref().and_then(|pull| match &pull.life.check {
            Check::None => None,
            Check::Running => Some(self.check_run_json(pull, None)),
            Check::Ended(conclusion) => Some(self.check_run_json(pull, Some(conclusion))),
        });
        let runs: Vec<Value> = run.into_iter().collect();
        Ok(Reply::ok(json!({"total_count": runs.len(), "check_runs": runs})))
    }

    pub(in crate::simulator) fn request_reviewers(
        &mut self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let id = self.writable_pull(name, number, context)?;
        let body = context.call.json()?;
        let users = texts(body.get("reviewers"));
        let accounts: Result<Vec<_>, _> = users.iter().map(|login| self.account(login)).collect();
        let accounts = accounts.map_err(|_| Refusal::Other {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            message: "Reviews may only be requested from collaborators.".to_owned(),
        })?;
        let change = Change::Ask(accounts, texts(body.get("team_reviewers")));
        self.change_life(id, change, context.now);
        let reply = self.shown(name, number, context)?;
        Ok(Reply {
            status: StatusCode::CREATED,
            ..reply
        })
    }

    pub(in crate::simulator) fn update_pull(
        &mut self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        self.writable_pull(name, number, context)?;
        let repository = self.reach(name, context)?.clone();
        let body = context.call.json()?;
        let open = match body.get("state").and_then(Value::as_str) {
            Some("closed") => Some(false),
            Some("open") => Some(true),
            Some(_) => return Err(Refusal::Invalid(vec![Mistake::Invalid])),
            None => None,
        };
        if let Some(open) = open {
            self.set_open(&repository, number, open, &context.caller.user, context.now);
        }
        self.get_pull(name, number, context)
    }

    fn writable_pull(&self, name: &RepositoryName, number: u64, context: &Context<'_>) -> Result<u64, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_write_pulls()?;
        let mut pulls = self.pulls_of(repository, context.now);
        let found = pulls.find(|pull| pull.number() == number);
        found.map(|pull| pull.id()).ok_or(Refusal::NotFound)
    }

    fn shown(&self, name: &RepositoryName, number: u64, context: &Context<'_>) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        let mut pulls = self.pulls_of(repository, context.now);
        let found = pulls.find(|pull| pull.number() == number);
        found
            .map(|pull| Reply::ok(self.pull_json(&pull)))
            .ok_or(Refusal::NotFound)
    }
}

pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
