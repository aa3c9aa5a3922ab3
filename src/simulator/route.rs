//! From method and path to an operation and what it is about.

use http::Method;
use serde::{Deserialize, Serialize};

/// What the simulator can be asked, named for faults and for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    StartTask,
    ListRepositoryTasks,
    GetRepositoryTask,
    ListTasks,
    GetTask,
    GetRepository,
    GetBranch,
    ListPulls,
    GetPull,
    ListReviews,
    GetBranchRules,
    GetCodeownersErrors,
    GetAgentConfiguration,
    ListCheckRuns,
    RequestReviewers,
    AddLabels,
    UpdatePull,
    ListIssues,
    GetIssue,
    ListIssueComments,
    ListComments,
    CreateComment,
    UpdateComment,
    ListIssueEvents,
    ListEvents,
    RemoveLabel,
    ListPullFiles,
    ListHooks,
    ListDeliveries,
    Redeliver,
    Graphql,
    GetUser,
    GetRateLimit,
    RefreshToken,
}

/// How a request names a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RepositoryName {
    /// `owner/name`.
    Full(String),
    Id(u64),
}

/// A request's operation with its path parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    StartTask(RepositoryName),
    ListRepositoryTasks(RepositoryName),
    GetRepositoryTask(RepositoryName, String),
    ListTasks,
    GetTask(String),
    GetRepository(RepositoryName),
    GetBranch(RepositoryName, String),
    ListPulls(RepositoryName),
    GetPull(RepositoryName, u64),
    ListReviews(RepositoryName, u64),
    GetBranchRules(RepositoryName, String),
    GetCodeownersErrors(RepositoryName),
    GetAgentConfiguration(RepositoryName),
    ListCheckRuns(RepositoryName, String),
    RequestReviewers(RepositoryName, u64),
    AddLabels(RepositoryName, u64),
    UpdatePull(RepositoryName, u64),
    ListIssues(RepositoryName),
    GetIssue(RepositoryName, u64),
    ListIssueComments(RepositoryName, u64),
    ListComments(RepositoryName),
    CreateComment(RepositoryName, u64),
    UpdateComment(RepositoryName, u64),
    ListIssueEvents(RepositoryName, u64),
    ListEvents(RepositoryName),
    RemoveLabel(RepositoryName, u64, String),
    ListPullFiles(RepositoryName, u64),
    ListHooks(RepositoryName),
    ListDeliveries(RepositoryName, u64),
    /// With the webhook and the delivery.
    Redeliver(RepositoryName, (u64, u64)),
    Graphql,
    GetUser,
    GetRateLimit,
    /// On GitHub's own site.
    RefreshToken,
}

impl Operation {
    /// The page that errors of this operation point at.
    pub(super) fn documentation(self) -> &'static str {
        match self {
            Self::StartTask => "https://docs.github.com/rest/agent-tasks/agent-tasks#start-a-task",
            Self::ListRepositoryTasks => {
                "https://docs.github.com/rest/agent-tasks/agent-tasks#list-tasks-for-repository"
            }
            Self::GetRepositoryTask => "https://docs.github.com/rest/agent-tasks/agent-tasks#get-a-task-by-repo",
            Self::ListTasks => "https://docs.github.com/rest/agent-tasks/agent-tasks#list-tasks",
            Self::GetTask => "https://docs.github.com/rest/agent-tasks/agent-tasks#get-a-task-by-id",
            Self::GetRepository => "https://docs.github.com/rest/repos/repos#get-a-repository",
            Self::GetBranch => "https://docs.github.com/rest/branches/branches#get-a-branch",
            Self::ListPulls => "https://docs.github.com/rest/pulls/pulls#list-pull-requests",
            Self::GetPull => "https://docs.github.com/rest/pulls/pulls#get-a-pull-request",
            Self::ListReviews => "https://docs.github.com/rest/pulls/reviews#list-reviews-for-a-pull-request",
            Self::GetBranchRules => "https://docs.github.com/rest/repos/rules#get-rules-for-a-branch",
            Self::GetCodeownersErrors => "https://docs.github.com/rest/repos/repos#list-codeowners-errors",
            Self::GetAgentConfiguration => {
                "https://docs.github.com/rest/copilot/copilot-cloud-agent-repository-management#get-copilot-cloud-agent-configuration-for-a-repository"
            }
            Self::ListCheckRuns => "https://docs.github.com/rest/checks/runs#list-check-runs-for-a-git-reference",
            Self::RequestReviewers => {
                "https://docs.github.com/rest/pulls/review-requests#request-reviewers-for-a-pull-request"
            }
            Self::AddLabels => "https://docs.github.com/rest/issues/labels#add-labels-to-an-issue",
            Self::UpdatePull => "https://docs.github.com/rest/pulls/pulls#update-a-pull-request",
            Self::ListIssues => "https://docs.github.com/rest/issues/issues#list-repository-issues",
            Self::GetIssue => "https://docs.github.com/rest/issues/issues#get-an-issue",
            Self::ListIssueComments => "https://docs.github.com/rest/issues/comments#list-issue-comments",
            Self::ListComments => "https://docs.github.com/rest/issues/comments#list-issue-comments-for-a-repository",
            Self::CreateComment => "https://docs.github.com/rest/issues/comments#create-an-issue-comment",
            Self::UpdateComment => "https://docs.github.com/rest/issues/comments#update-an-issue-comment",
            Self::ListIssueEvents => "https://docs.github.com/rest/issues/events#list-issue-events",
            Self::ListEvents => "https://docs.github.com/rest/issues/events#list-issue-events-for-a-repository",
            Self::RemoveLabel => "https://docs.github.com/rest/issues/labels#remove-a-label-from-an-issue",
            Self::ListPullFiles => "https://docs.github.com/rest/pulls/pulls#list-pull-requests-files",
            Self::ListHooks => "https://docs.github.com/rest/repos/webhooks#list-repository-webhooks",
            Self::ListDeliveries => {
                "https://docs.github.com/rest/repos/webhooks#list-deliveries-for-a-repository-webhook"
            }
            Self::Redeliver => {
                "https://docs.github.com/rest/repos/webhooks#redeliver-a-delivery-for-a-repository-webhook"
            }
            Self::Graphql => "https://docs.github.com/graphql",
            Self::GetUser => "https://docs.github.com/rest/users/users#get-the-authenticated-user",
            Self::GetRateLimit => "https://docs.github.com/rest/rate-limit/rate-limit",
            Self::RefreshToken => {
                "https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens"
            }
        }
    }

    /// Whether the agents API serves it, which refuses installation tokens.
    pub(super) fn is_agents(self) -> bool {
        matches!(
            self,
            Self::StartTask | Self::ListRepositoryTasks | Self::GetRepositoryTask | Self::ListTasks | Self::GetTask
        )
    }
}

impl Route {
    pub fn parse(method: &Method, segments: &[String]) -> Option<Self> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["login", "oauth", "access_token"] => (method == Method::POST).then_some(Self::RefreshToken),
            ["graphql"] => (method == Method::POST).then_some(Self::Graphql),
            ["agents", "repos", owner, repo, "tasks"] if method == Method::POST => {
                Some(Self::StartTask(full(owner, repo)))
            }
            path if method == Method::GET => Self::parse_get(path),
            ["repos", owner, repo, rest @ ..] => Self::parse_write(method, full(owner, repo), rest),
            ["repositories", id, rest @ ..] => Self::parse_write(method, RepositoryName::Id(id.parse().ok()?), rest),
            _ => None,
        }
    }

    fn parse_write(method: &Method, repository: RepositoryName, rest: &[&str]) -> Option<Self> {
        match rest {
            ["pulls", number, "requested_reviewers"] if method == Method::POST => {
                Some(Self::RequestReviewers(repository, number.parse().ok()?))
            }
            ["issues", number, "labels"] if method == Method::POST => {
                Some(Self::AddLabels(repository, number.parse().ok()?))
            }
            ["issues", number, "labels", label] if method == Method::DELETE => {
                Some(Self::RemoveLabel(repository, number.parse().ok()?, (*label).to_owned()))
            }
            ["hooks", hook, "deliveries", delivery, "attempts"] if method == Method::POST => Some(Self::Redeliver(
                repository,
                (hook.parse().ok()?, delivery.parse().ok()?),
            )),
            ["issues", number, "comments"] if method == Method::POST => {
                Some(Self::CreateComment(repository, number.parse().ok()?))
            }
            ["issues", "comments", id] if method == Method::PATCH => {
                Some(Self::UpdateComment(repository, id.parse().ok()?))
            }
            ["pulls", number] if method == Method::PATCH => Some(Self::UpdatePull(repository, number.parse().ok()?)),
            _ => None,
        }
    }

    fn parse_get(path: &[&str]) -> Option<Self> {
        match path {
            ["user"] => Some(Self::GetUser),
            ["rate_limit"] => Some(Self::GetRateLimit),
            ["agents", "tasks"] => Some(Self::ListTasks),
            ["agents", "tasks", id] => Some(Self::GetTask((*id).to_owned())),
            ["agents", "repos", owner, repo, "tasks"] => Some(Self::ListRepositoryTasks(full(owner, repo))),
            ["agents", "repos", owner, repo, "tasks", id] => {
                Some(Self::GetRepositoryTask(full(owner, repo), (*id).to_owned()))
            }
            ["repos", owner, repo, rest @ ..] => Self::in_repository(full(owner, repo), rest),
            ["repositories", id, rest @ ..] => Self::in_repository(RepositoryName::Id(id.parse().ok()?), rest),
            _ => None,
        }
    }

    fn in_repository(repository: RepositoryName, rest: &[&str]) -> Option<Self> {
        match rest {
            [] => Some(Self::GetRepository(repository)),
            ["branches", branch @ ..] if !branch.is_empty() => Some(Self::GetBranch(repository, branch.join("/"))),
            ["pulls"] => Some(Self::ListPulls(repository)),
            ["pulls", number] => Some(Self::GetPull(repository, number.parse().ok()?)),
            ["rules", "branches", branch @ ..] if !branch.is_empty() => {
                Some(Self::GetBranchRules(repository, branch.join("/")))
            }
            ["codeowners", "errors"] => Some(Self::GetCodeownersErrors(repository)),
            ["copilot", "cloud-agent", "configuration"] => Some(Self::GetAgentConfiguration(repository)),
            ["commits", reference, "check-runs"] => Some(Self::ListCheckRuns(repository, (*reference).to_owned())),
            ["pulls", number, "files"] => Some(Self::ListPullFiles(repository, number.parse().ok()?)),
            ["hooks"] => Some(Self::ListHooks(repository)),
            ["hooks", hook, "deliveries"] => Some(Self::ListDeliveries(repository, hook.parse().ok()?)),
            ["issues"] => Some(Self::ListIssues(repository)),
            ["issues", "comments"] => Some(Self::ListComments(repository)),
            ["issues", "events"] => Some(Self::ListEvents(repository)),
            ["issues", number] => Some(Self::GetIssue(repository, number.parse().ok()?)),
            ["issues", number, "comments"] => Some(Self::ListIssueComments(repository, number.parse().ok()?)),
            ["issues", number, "events"] => Some(Self::ListIssueEvents(repository, number.parse().ok()?)),
            ["pulls", number, "reviews"] => Some(Self::ListReviews(repository, number.parse().ok()?)),
            _ => None,
        }
    }

    pub fn operation(&self) -> Operation {
        match self {
            Self::StartTask(_) => Operation::StartTask,
            Self::ListRepositoryTasks(_) => Operation::ListRepositoryTasks,
            Self::GetRepositoryTask(..) => Operation::GetRepositoryTask,
            Self::ListTasks => Operation::ListTasks,
            Self::GetTask(_) => Operation::GetTask,
            Self::GetRepository(_) => Operation::GetRepository,
            Self::GetBranch(..) => Operation::GetBranch,
            Self::ListPulls(_) => Operation::ListPulls,
            Self::GetPull(..) => Operation::GetPull,
            Self::ListReviews(..) => Operation::ListReviews,
            Self::GetBranchRules(..) => Operation::GetBranchRules,
            Self::GetCodeownersErrors(_) => Operation::GetCodeownersErrors,
            Self::GetAgentConfiguration(_) => Operation::GetAgentConfiguration,
            Self::ListCheckRuns(..) => Operation::ListCheckRuns,
            Self::RequestReviewers(..) => Operation::RequestReviewers,
            Self::AddLabels(..) => Operation::AddLabels,
            Self::UpdatePull(..) => Operation::UpdatePull,
            Self::ListIssues(_) => Operation::ListIssues,
            Self::GetIssue(..) => Operation::GetIssue,
            Self::ListIssueComments(..) => Operation::ListIssueComments,
            Self::ListComments(_) => Operation::ListComments,
            Self::CreateComment(..) => Operation::CreateComment,
            Self::UpdateComment(..) => Operation::UpdateComment,
            Self::ListIssueEvents(..) => Operation::ListIssueEvents,
            Self::ListEvents(_) => Operation::ListEvents,
            Self::RemoveLabel(..) => Operation::RemoveLabel,
            Self::ListPullFiles(..) => Operation::ListPullFiles,
            Self::ListHooks(_) => Operation::ListHooks,
            Self::ListDeliveries(..) => Operation::ListDeliveries,
            Self::Redeliver(..) => Operation::Redeliver,
            Self::Graphql => Operation::Graphql,
            Self::GetUser => Operation::GetUser,
            Self::GetRateLimit => Operation::GetRateLimit,
            Self::RefreshToken => Operation::RefreshToken,
        }
    }
}

fn full(owner: &str, name: &str) -> RepositoryName {
    RepositoryName::Full(format!("{owner}/{name}"))
}
