//! The agents API: starting, listing and getting tasks.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::simulator::{
    auth::{Access, Account},
    exchange::Context,
    page::{LinkStyle, Page, invalid, parsed, word},
    render::second,
    reply::{Mistake, Refusal, Reply},
    repository::Repository,
    route::RepositoryName,
    script::{Script, SessionState, after},
    state::{State, uuid},
    task::{PullIdentity, Task, schedule},
};

/// What a start asks for.
pub(in crate::simulator) struct Start {
    pub prompt: String,
    pub model: Option<String>,
    pub custom_agent: Option<String>,
    pub create_pull_request: bool,
    pub base_ref: Option<String>,
    pub head_ref: Option<String>,
}

#[derive(Clone, Copy)]
enum SortBy {
    Updated,
    Created,
}

/// The parameters of the two lists.
struct Query {
    page: Page,
    sort: SortBy,
    descending: bool,
    states: Option<Vec<SessionState>>,
    archived: bool,
    since: Option<Timestamp>,
    creators: Vec<u64>,
}

impl Start {
    /// Reads the body of a start; all its mistakes at once.
    fn parse(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut mistakes = Vec::new();
        let mut text = |name: &str| match body.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                mistakes.push(Mistake::Invalid);
                None
            }
        };
        let prompt = text("prompt");
        let (model, custom_agent) = (text("model"), text("custom_agent"));
        let (base_ref, head_ref) = (text("base_ref"), text("head_ref"));
        let create_pull_request = match body.get("create_pull_request") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(wanted)) => *wanted,
            Some(_) => {
                mistakes.push(Mistake::Invalid);
                false
            }
        };
        let prompt = prompt.filter(|prompt| !prompt.trim().is_empty());
        if prompt.is_none() && mistakes.is_empty() {
            mistakes.push(Mistake::MissingField);
        }
        match prompt {
            Some(prompt) if mistakes.is_empty() => Ok(Self {
                prompt,
                model,
                custom_agent,
                create_pull_request,
                base_ref,
                head_ref,
            }),
            _ => Err(Refusal::Invalid(mistakes)),
        }
    }
}

impl Query {
    fn parse(context: &Context<'_>) -> Result<Self, Refusal> {
        let call = context.call;
        let states = call.parameter("state").filter(|states| !states.is_empty());
        let states = states.map(|states| states.split(',').map(|word| SessionState::parse(word.trim())).collect());
        let creators = call
            .query
            .iter()
            .filter(|(name, _)| name == "creator_id" || name == "creator_id[]");
        Ok(Self {
            page: Page::strict(call)?,
            sort: word(
                call,
                "sort",
                &[("updated_at", SortBy::Updated), ("created_at", SortBy::Created)],
            )?,
            descending: word(call, "direction", &[("desc", true), ("asc", false)])?,
            states: states
                .map(|states: Option<Vec<_>>| states.ok_or_else(invalid))
                .transpose()?,
            archived: word(call, "is_archived", &[("false", false), ("true", true)])?,
            since: parsed(call, "since")?,
            creators: creators
                .map(|(_, id)| id.parse().map_err(|_| invalid()))
                .collect::<Result<_, _>>()?,
        })
    }

    fn wants(&self, task: &Task, now: Timestamp) -> bool {
        is_archived(task, now) == self.archived
            && self
                .states
                .as_ref()
                .is_none_or(|states| states.contains(&task.state(now)))
            && self.since.is_none_or(|since| second(task.updated_at(now)) >= since)
            && (self.creators.is_empty() || self.creators.contains(&task.creator))
    }

    fn key(&self, task: &Task, now: Timestamp) -> Timestamp {
        match self.sort {
            SortBy::Updated => task.updated_at(now),
            SortBy::Created => task.created_at,
        }
    }
}

fn is_archived(task: &Task, now: Timestamp) -> bool {
    task.archived_at.is_some_and(|at| at <= now)
}

impl State {
    pub(in crate::simulator) fn start_task(
        &mut self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?.clone();
        context.caller.token.may_use_tasks(Access::Write)?;
        let start = Start::parse(&context.call.json()?)?;
        if let Some(base) = start.base_ref.as_ref().filter(|base| !repository.has_branch(base)) {
            return Err(Refusal::Invalid(vec![Mistake::Custom(format!(
                "base_ref '{base}' does not exist"
            ))]));
        }
        let created_at = after(context.now, context.effects.acted_on_after_ms());
        let script = self.scripts.pick(&repository.name, &start.prompt);
        let mut task = self.new_task(&repository, &context.caller.user, start, &script, created_at);
        let (list_ms, get_ms) = context.effects.shows_after_ms();
        task.listed_from = after(created_at, list_ms);
        task.readable_from = after(created_at, get_ms);
        let body = self.task_json(&task, &repository, created_at);
        self.tasks.insert(task);
        Ok(Reply {
            status: StatusCode::CREATED,
            ..Reply::ok(body)
        })
    }

    /// A task with everything laid out that will happen to it.
    pub(in crate::simulator) fn new_task(
        &mut self,
        repository: &Repository,
        creator: &Account,
        start: Start,
        script: &Script,
        created_at: Timestamp,
    ) -> Task {
        let id = self.uuid();
        let number = self.numbers.entry(repository.id).or_default();
        *number += 1;
        let pull = PullIdentity {
            number: *number,
            id: 2_000_000_000 + self.take_id(),
        };
        let default = Script::default();
        let script = if script.sessions.is_empty() { &default } else { script };
        let sessions = schedule(&script.sessions, created_at, || uuid(&mut self.ids));
        let head_ref = start
            .head_ref
            .unwrap_or_else(|| format!("copilot/{}", branch_name(&start.prompt, pull.number)));
        Task {
            id,
            repository: repository.id,
            creator: creator.id,
            creator_login: creator.login.clone(),
            prompt: start.prompt,
            model: start.model,
            custom_agent: start.custom_agent,
            create_pull_request: start.create_pull_request,
            base_ref: start.base_ref.unwrap_or_else(|| repository.default_branch.clone()),
            head_ref,
            created_at,
            listed_from: created_at,
            readable_from: created_at,
            archived_at: None,
            pull,
            sessions,
        }
    }

    pub(in crate::simulator) fn list_repository_tasks(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?.id;
        context.caller.token.may_use_tasks(Access::Read)?;
        self.list(context, |task| task.repository == repository)
    }

    pub(in crate::simulator) fn list_tasks(&self, context: &Context<'_>) -> Result<Reply, Refusal> {
        context.caller.token.may_use_tasks(Access::Read)?;
        self.list(context, |task| task.creator == context.caller.user.id)
    }

    fn list(&self, context: &Context<'_>, in_scope: impl Fn(&Task) -> bool) -> Result<Reply, Refusal> {
        let query = Query::parse(context)?;
        let now = context.view;
        let reached = |task: &Task| {
            self.repositories
                .get(task.repository)
                .is_some_and(|it| context.caller.token.reaches(it))
        };
        let scope: Vec<&Task> = self
            .tasks
            .iter()
            .filter(|task| in_scope(task) && task.listed_from <= now && reached(task))
            .collect();
        let archived = scope.iter().filter(|task| is_archived(task, now)).count();
        let active = scope.len() - archived;
        let mut tasks: Vec<&Task> = scope.into_iter().filter(|task| query.wants(task, now)).collect();
        tasks.sort_by_key(|task| (query.key(task, now), task.id.clone()));
        if query.descending {
            tasks.reverse();
        }
        let link = query
            .page
            .link(context.call, &self.base_url, tasks.len(), LinkStyle::Agents);
        let rows = query.page.cut(tasks).into_iter();
        let rows = rows.filter_map(|task| Some(self.task_json(task, self.repositories.get(task.repository)?, now)));
        let rows: Vec<Value> = rows.collect();
        let body = json!({"tasks": rows, "total_active_count": active, "total_archived_count": archived});
        Ok(link
            .into_iter()
            .fold(Reply::ok(body), |reply, link| reply.with_header("link", link)))
    }

    pub(in crate::simulator) fn get_repository_task(
        &self,
        name: &RepositoryName,
        id: &str,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_use_tasks(Access::Read)?;
        self.get(id, context, |task| task.repository == repository.id)
    }

    pub(in crate::simulator) fn get_task(&self, id: &str, context: &Context<'_>) -> Result<Reply, Refusal> {
        context.caller.token.may_use_tasks(Access::Read)?;
        self.get(id, context, |task| task.creator == context.caller.user.id)
    }

    fn get(&self, id: &str, context: &Context<'_>, in_scope: impl Fn(&Task) -> bool) -> Result<Reply, Refusal> {
        let now = context.view;
        let task = self
            .tasks
            .get(id)
            .filter(|task| in_scope(task) && task.readable_from <= now);
        let task = task.ok_or(Refusal::NotFound)?;
        let repository = self
            .repositories
            .get(task.repository)
            .filter(|it| context.caller.token.reaches(it));
        Ok(Reply::ok(self.whole_task_json(
            task,
            repository.ok_or(Refusal::NotFound)?,
            now,
        )))
    }
}

/// The name the agent gives its branch: words of the prompt, made unique.
fn branch_name(prompt: &str, number: u64) -> String {
    let words = prompt
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let words: Vec<String> = words.take(4).map(str::to_ascii_lowercase).collect();
    format!("{}-{number}", words.join("-"))
}
