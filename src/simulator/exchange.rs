//! The course of one request: who calls, within which limits, what for, and what of the answer arrives.

use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    Answer,
    auth::{Account, Token, TokenKind},
    call::Call,
    endpoints::graphql,
    fault::{Effect, Effects, Failure, Planned, TIME_OUT},
    limit,
    limit::Cost,
    render,
    reply::{Body, Refusal, Reply},
    repository::{Found, Repository},
    route::{Operation, RepositoryName, Route},
    script::after,
    state::{RequestRecord, State},
};

/// Who calls, and how the call goes.
pub(super) struct Caller {
    pub token: Token,
    pub user: Account,
}

/// What an operation needs besides its route.
pub(super) struct Context<'a> {
    pub call: &'a Call<'a>,
    pub caller: &'a Caller,
    pub effects: &'a Effects,
    pub now: Timestamp,
    /// The instant a read is answered for.
    pub view: Timestamp,
}

impl State {
    /// Does what a request asks for, and plans how that is answered.
    pub fn process<B: AsRef<[u8]>>(&mut self, request: &Request<B>, now: Timestamp) -> Planned {
        let call = Call::new(request);
        let route = Route::parse(call.method, &call.segments);
        let operation = route.as_ref().map(Route::operation);
        let effects = operation
            .map(|operation| self.faults.draw(operation))
            .unwrap_or_default();
        let mut user = None;
        let planned = if let Some(failure) = effects.fails_before() {
            failure.planned(effects.delay())
        } else {
            let reply = self.answer(&call, route, &effects, now, &mut user);
            plan(reply, &effects)
        };
        self.remember(RequestRecord {
            at: now,
            method: call.method.to_string(),
            path: call.path.to_owned(),
            query: call.raw_query.unwrap_or_default().to_owned(),
            operation,
            user,
            status: planned.status.map(|status| status.as_u16()),
            effects: effects.0,
        });
        planned
    }

    /// The answer as it leaves the application, with the headers every answer has.
    fn answer(
        &mut self,
        call: &Call<'_>,
        route: Option<Route>,
        effects: &Effects,
        now: Timestamp,
        user: &mut Option<String>,
    ) -> Reply {
        let documentation = route.as_ref().map_or("https://docs.github.com/rest", |route| {
            route.operation().documentation()
        });
        let is_sign_in = matches!(route, Some(Route::RefreshToken));
        let refused = || refused(effects).map(|refusal| refusal.into_reply(documentation));
        let reply = if is_sign_in {
            refused().unwrap_or_else(|| self.refresh_token(call, now))
        } else {
            self.answer_api(call, route, effects, now, user, documentation)
        };
        let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).ok();
        self.requests += 1;
        let id = self.requests;
        let reply = reply
            .with_header("x-github-request-id", format!("{id:016X}"))
            .with_header("x-github-media-type", "github.v3; format=json".to_owned())
            .with_header("x-github-api-version-selected", "2026-03-10".to_owned());
        date.into_iter()
            .fold(reply, |reply, date| reply.with_header("date", date))
    }

    fn answer_api(
        &mut self,
        call: &Call<'_>,
        route: Option<Route>,
        effects: &Effects,
        now: Timestamp,
        user: &mut Option<String>,
        documentation: &str,
    ) -> Reply {
        match self.identify(call, effects, now) {
            Err(refusal) => refusal.into_reply(documentation),
            Ok(caller) => {
                let told = caller.token.told();
                *user = Some(caller.user.login.clone());
                let view = effects.view(now);
                let context = Context {
                    call,
                    caller: &caller,
                    effects,
                    now,
                    view,
                };
                let reply = self.metered(route, &context, documentation);
                told.into_iter()
                    .fold(reply, |reply, (name, value)| reply.with_header(name, value))
            }
        }
    }

    /// Who calls; token faults take effect before the token is looked at.
    fn identify(&mut self, call: &Call<'_>, effects: &Effects, now: Timestamp) -> Result<Caller, Refusal> {
        call.check_headers()?;
        let secret = call.token().ok_or(Refusal::NoCredentials)?;
        let token = self.tokens.get_mut(secret).ok_or(Refusal::BadCredentials)?;
        for effect in &effects.0 {
            match effect {
                Effect::RevokeToken => token.revoked = true,
                Effect::ExpireToken => token.expires_at = Some(now),
                Effect::NarrowToken(permissions) => token.permissions = *permissions,
                _ => {}
            }
        }
        let token = token.clone();
        let user = self.accounts.get(&token.owner).cloned().filter(|_| token.is_valid(now));
        Ok(Caller {
            user: user.ok_or(Refusal::BadCredentials)?,
            token,
        })
    }

    /// Answers within the limits, and counts the call.
    fn metered(&mut self, route: Option<Route>, context: &Context<'_>, documentation: &str) -> Reply {
        let (user, now) = (context.caller.user.id, context.now);
        let counts = !matches!(route, Some(Route::GetRateLimit));
        for effect in &context.effects.0 {
            if let Effect::PrimaryLimit { reset_in_s } = effect {
                let reset_at = after(now, reset_in_s.saturating_mul(1_000));
                self.meter.exhaust(user, now, reset_at);
            }
        }
        let reply = if counts && self.meter.primary(user, now).remaining == 0 {
            self.meter.primary_exceeded(user, documentation)
        } else if let Some(reply) = self.secondary_limit(route.as_ref(), context) {
            self.charge(user, now, counts);
            reply
        } else {
            let reply = self
                .dispatch(route, context)
                .unwrap_or_else(|refusal| refusal.into_reply(documentation));
            let reply = conditional(reply, context.call);
            self.charge(user, now, counts && reply.status != StatusCode::NOT_MODIFIED);
            reply
        };
        self.with_limit_headers(reply, user, now)
    }

    fn charge(&mut self, user: u64, now: Timestamp, counts: bool) {
        let primary = self.meter.primary(user, now);
        primary.remaining = primary.remaining.saturating_sub(u64::from(counts));
    }

    fn secondary_limit(&mut self, route: Option<&Route>, context: &Context<'_>) -> Option<Reply> {
        let forced = context.effects.0.iter().find_map(|effect| match effect {
            Effect::SecondaryLimit { status, retry_after_s } => Some(limit::secondary(*status, *retry_after_s)),
            _ => None,
        });
        let creates_content = matches!(route, Some(Route::StartTask(_) | Route::CreateComment(..)));
        let points = if context.call.method == Method::GET { 1 } else { 5 };
        let cost = Cost {
            points,
            creates_content,
        };
        let fits = forced.is_some() || self.meter.spend(context.caller.user.id, cost, context.now);
        forced.or_else(|| (!fits).then(|| self.meter.secondary_exceeded()))
    }

    fn with_limit_headers(&mut self, reply: Reply, user: u64, now: Timestamp) -> Reply {
        let primary = *self.meter.primary(user, now);
        reply
            .with_header("x-ratelimit-limit", primary.limit.to_string())
            .with_header("x-ratelimit-remaining", primary.remaining.to_string())
            .with_header("x-ratelimit-used", primary.used().to_string())
            .with_header("x-ratelimit-reset", primary.reset_at.as_second().to_string())
            .with_header("x-ratelimit-resource", "core".to_owned())
    }

    fn dispatch(&mut self, route: Option<Route>, context: &Context<'_>) -> Result<Reply, Refusal> {
        let route = route.ok_or(Refusal::NotFound)?;
        if let Some(refusal) = refused(context.effects) {
            return Err(refusal);
        }
        let token = &context.caller.token;
        if token.needs_sso && route.operation() != Operation::GetUser {
            return Err(Refusal::SingleSignOn);
        }
        let wants_user = route.operation().is_agents() || route.operation() == Operation::GetUser;
        if token.kind == TokenKind::Installation && wants_user {
            return Err(Refusal::NotAccessible(token.kind));
        }
        match route {
            Route::StartTask(repository) => self.start_task(&repository, context),
            Route::ListRepositoryTasks(repository) => self.list_repository_tasks(&repository, context),
            Route::GetRepositoryTask(repository, id) => self.get_repository_task(&repository, &id, context),
            Route::ListTasks => self.list_tasks(context),
            Route::GetTask(id) => self.get_task(&id, context),
            Route::GetRepository(repository) => self.get_repository(&repository, context),
            Route::GetBranch(repository, branch) => self.get_branch(&repository, &branch, context),
            Route::ListPulls(repository) => self.list_pulls(&repository, context),
            Route::GetPull(repository, number) => self.get_pull(&repository, number, context),
            Route::ListReviews(repository, number) => self.list_reviews(&repository, number, context),
            Route::GetBranchRules(repository, branch) => self.get_branch_rules(&repository, &branch, context),
            Route::GetCodeownersErrors(repository) => self.get_codeowners_errors(&repository, context),
            Route::GetAgentConfiguration(repository) => self.get_agent_configuration(&repository, context),
            Route::ListCheckRuns(repository, reference) => self.list_check_runs(&repository, &reference, context),
            Route::RequestReviewers(repository, number) => self.request_reviewers(&repository, number, context),
            Route::AddLabels(repository, number) => self.add_labels(&repository, number, context),
            Route::ListIssues(repository) => self.list_issues(&repository, context),
            Route::GetIssue(repository, number) => self.get_issue(&repository, number, context),
            Route::ListIssueComments(repository, number) => self.list_issue_comments(&repository, number, context),
            Route::ListComments(repository) => self.list_comments(&repository, context),
            Route::CreateComment(repository, number) => self.create_comment(&repository, number, context),
            Route::UpdateComment(repository, id) => self.update_comment(&repository, id, context),
            Route::ListIssueEvents(repository, number) => self.list_issue_events(&repository, number, context),
            Route::ListEvents(repository) => self.list_events(&repository, context),
            Route::RemoveLabel(repository, number, label) => self.remove_label(&repository, number, label, context),
            Route::ListPullFiles(repository, number) => self.list_pull_files(&repository, number, context),
            Route::ListHooks(repository) => self.list_hooks(&repository, context),
            Route::ListDeliveries(repository, hook) => self.list_deliveries(&repository, hook, context),
            Route::Redeliver(repository, ids) => self.redeliver(&repository, ids, context),
            Route::UpdatePull(repository, number) => self.update_pull(&repository, number, context),
            Route::Graphql => graphql::answer(self, context),
            // The site answers it, to nobody in particular.
            Route::RefreshToken => Err(Refusal::NotFound),
            Route::GetUser => Ok(Reply::ok(render::own_account(&context.caller.user, &self.base_url))),
            Route::GetRateLimit => {
                let primary = *self.meter.primary(context.caller.user.id, context.now);
                Ok(Reply::ok(render::rate_limit(primary)))
            }
        }
    }

    /// The repository a request is about, if its token reaches it.
    pub fn reach(&self, name: &RepositoryName, context: &Context<'_>) -> Result<&Repository, Refusal> {
        let found = self.repositories.find(name);
        let (Found::Here(repository) | Found::Moved(repository)) = found else {
            return Err(Refusal::NotFound);
        };
        if repository.private && !context.caller.token.reaches(repository) {
            return Err(Refusal::NotFound);
        }
        match found {
            Found::Moved(_) => Err(self.moved(repository, context.call)),
            Found::Here(_) | Found::Nothing => Ok(repository),
        }
    }

    /// GitHub's redirect to where a renamed repository is now: by id, for the agents API by its new name.
    fn moved(&self, repository: &Repository, call: &Call<'_>) -> Refusal {
        let agents = call.segments.first().is_some_and(|first| first == "agents");
        let (kept, place) = if agents {
            (4, format!("agents/repos/{}", repository.name))
        } else {
            (3, format!("repositories/{}", repository.id))
        };
        let rest: Vec<&str> = call.path.split('/').skip(kept + 1).collect();
        let path = [&[place.as_str()], rest.as_slice()].concat().join("/");
        let query = call.raw_query.map(|query| format!("?{query}")).unwrap_or_default();
        let location = format!("{}/{path}{query}", self.base_url);
        Refusal::Moved {
            location,
            keep_method: call.method != Method::GET,
        }
    }
}

fn refused(effects: &Effects) -> Option<Refusal> {
    effects.0.iter().find_map(|effect| match effect {
        Effect::Refuse { status, message } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN);
            Some(Refusal::Other {
                status,
                message: message.clone(),
            })
        }
        _ => None,
    })
}

/// What of a reply reaches the caller.
fn plan(reply: Reply, effects: &Effects) -> Planned {
    let delay = effects.delay();
    if let Some(failure) = effects.loses_answer() {
        return failure.planned(delay);
    }
    if delay >= TIME_OUT {
        return Failure::TimeOut.planned(TIME_OUT);
    }
    let mut planned = Planned::reply(effects.spoil(reply), delay);
    if effects.truncates() {
        planned.answer = planned.answer.map(truncated);
    }
    planned
}

fn truncated(answer: Answer) -> Answer {
    match answer {
        Answer::Response(response) if !response.body().is_empty() => {
            let half = response.body().len() / 2;
            Answer::Truncated(response, half)
        }
        other => other,
    }
}

/// Gives a success its `ETag`, and turns it into a 304 when the caller has it already.
fn conditional(reply: Reply, call: &Call<'_>) -> Reply {
    if call.method != Method::GET || reply.status != StatusCode::OK {
        return reply;
    }
    let digest = Sha256::new()
        .chain_update(call.path)
        .chain_update([0])
        .chain_update(reply.content().0)
        .finalize();
    let tag = format!(
        "W/\"{:032x}\"",
        u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
    );
    let known = call.header("if-none-match").is_some_and(|tags| {
        tags.split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.trim_start_matches("W/") == tag.trim_start_matches("W/"))
    });
    let reply = reply.with_header("cache-control", "private, max-age=60, s-maxage=60".to_owned());
    let reply = reply.with_header("etag", tag);
    if known {
        Reply {
            status: StatusCode::NOT_MODIFIED,
            body: Body::Empty,
            ..reply
        }
    } else {
        reply
    }
}
