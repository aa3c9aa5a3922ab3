//! Repositories, branches and pull requests over the REST API.

use jiff::Timestamp;
use serde_json::Value;

use crate::simulator::{
    exchange::Context,
    page::{LinkStyle, Page, word},
    pull::Pull,
    reply::{Refusal, Reply},
    repository::Repository,
    route::RepositoryName,
    state::State,
};

#[derive(Clone, Copy)]
enum Wanted {
    Open,
    Closed,
    All,
}

impl State {
    pub(in crate::simulator) fn get_repository(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        Ok(Reply::ok(self.whole_repository_json(self.reach(name, context)?)))
    }

    pub(in crate::simulator) fn get_branch(
        &self,
        name: &RepositoryName,
        branch: &str,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        let pushed = self.tasks.iter().any(|task| {
            let is_there = task.branch_at().is_some_and(|at| at <= context.view);
            task.repository == repository.id && task.head_ref == branch && is_there
        });
        let proposed = self
            .pulls_of(repository, context.view)
            .any(|pull| pull.head_repository() == repository.name && pull.head_ref() == branch);
        if !pushed && !proposed && !repository.has_branch(branch) {
            return Err(Refusal::NotFound);
        }
        Ok(Reply::ok(self.branch_json(repository, branch)))
    }

    pub(in crate::simulator) fn list_pulls(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_pulls(repository)?;
        let call = context.call;
        let states = [("open", Wanted::Open), ("closed", Wanted::Closed), ("all", Wanted::All)];
        let wanted = word(call, "state", &states)?;
        let by_update = word(call, "sort", &[("created", false), ("updated", true)])?;
        let descending = word(call, "direction", &[("desc", true), ("asc", false)])?;
        let mut pulls: Vec<Pull<'_>> = self.pulls_of(repository, context.view).collect();
        pulls.retain(|pull| {
            let in_state = match wanted {
                Wanted::Open => pull.is_open(),
                Wanted::Closed => !pull.is_open(),
                Wanted::All => true,
            };
            in_state && pull.matches(call.parameter("head"), call.parameter("base"))
        });
        pulls.sort_by_key(|pull| (if by_update { pull.updated_at } else { pull.created_at }, pull.number()));
        if descending {
            pulls.reverse();
        }
        Ok(self.rest_page(context, pulls, |pull| self.pull_json(pull)))
    }

    pub(in crate::simulator) fn get_pull(
        &self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let pull = self.pull(name, number, context)?;
        Ok(Reply::ok(self.whole_pull_json(&pull)))
    }

    pub(in crate::simulator) fn list_reviews(
        &self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let pull = self.pull(name, number, context)?;
        let reviews = pull
            .life
            .reviews
            .iter()
            .filter(|review| review.at <= context.view)
            .collect();
        Ok(self.rest_page(context, reviews, |review| self.review_json(&pull, review)))
    }

    fn pull(&self, name: &RepositoryName, number: u64, context: &Context<'_>) -> Result<Pull<'_>, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_pulls(repository)?;
        let found = self
            .pulls_of(repository, context.view)
            .find(|pull| pull.number() == number);
        found.ok_or(Refusal::NotFound)
    }

    /// A repository's pull requests: those of tasks, in order of their creation, then those of people.
    pub(in crate::simulator) fn pulls_of<'a>(
        &'a self,
        repository: &'a Repository,
        view: Timestamp,
    ) -> impl Iterator<Item = Pull<'a>> + 'a {
        let life = move |id: u64| self.pulls.get(&id).and_then(|life| life.at(view)).cloned();
        let tasks = self.tasks.iter().filter(|task| task.repository == repository.id);
        let of_tasks =
            tasks.filter_map(move |task| Pull::of(task, repository, life(task.pull.id).unwrap_or_default(), view));
        let proposals = self.proposals.iter().filter(|it| it.repository == repository.id);
        let of_people = proposals.filter_map(move |it| Some(Pull::proposed(it, repository, life(it.id)?, view)));
        of_tasks.chain(of_people)
    }

    pub(in crate::simulator) fn list_pull_files(
        &self,
        name: &RepositoryName,
        number: u64,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let pull = self.pull(name, number, context)?;
        Ok(self.rest_page(context, pull.files(), |path| self.file_json(&pull, path)))
    }

    pub(super) fn rest_page<T>(&self, context: &Context<'_>, items: Vec<T>, render: impl Fn(&T) -> Value) -> Reply {
        let page = Page::lenient(context.call);
        let link = page.link(context.call, &self.base_url, items.len(), LinkStyle::Rest);
        let rows: Vec<Value> = page.cut(items).iter().map(render).collect();
        link.into_iter().fold(Reply::ok(Value::from(rows)), |reply, link| {
            reply.with_header("link", link)
        })
    }
}
