//! What is done to pull requests over the REST API, and their checks.

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulator::{
    exchange::Context,
    pull::{Change, Check},
    render::label_json,
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
        self.pulls.entry(id).or_default().change(change, context.now);
        let reply = self.shown(name, number, context)?;
        Ok(Reply {
            status: StatusCode::CREATED,
            ..reply
        })
    }

    pub(in crate::simulator) fn add_labels(
        &mut self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let id = self.writable_pull(name, number, context)?;
        let life = self.pulls.entry(id).or_default();
        for label in texts(context.call.json()?.get("labels")) {
            life.change(Change::Label(label), context.now);
        }
        let labels: Vec<Value> = life.labels.iter().map(|label| label_json(label)).collect();
        Ok(Reply::ok(Value::from(labels)))
    }

    pub(in crate::simulator) fn update_pull(
        &mut self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let id = self.writable_pull(name, number, context)?;
        let body = context.call.json()?;
        let change = match body.get("state").and_then(Value::as_str) {
            Some("closed") => Some(Change::Close),
            Some("open") => Some(Change::Reopen),
            Some(_) => return Err(Refusal::Invalid(vec![Mistake::Invalid])),
            None => None,
        };
        if let Some(change) = change {
            self.pulls.entry(id).or_default().change(change, context.now);
        }
        let pull = self.get_pull(name, number, context)?;
        Ok(pull)
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

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
