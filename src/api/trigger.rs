//! When a task is wanted: the kinds of triggers, one struct each.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interval::Interval;
use super::policy::TriggerKind;

/// One reason for a task to be created.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.schedule), has(self.issue), has(self.pullRequest), has(self.manual)].filter(it, it).size() == 1").message("say when the trigger fires, in one way: schedule: {cron: \"0 6 * * MON\", timeZone: Europe/Berlin}, issue: {actions: [labeled], labels: [agent]}, pullRequest: {actions: [opened]}, or manual: {} for people"))]
pub struct Trigger {
    /// A short name, unique among the automation's triggers.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Fires at the times of a cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleTrigger>,
    /// Fires for what happens to issues of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<IssueTrigger>,
    /// Fires for what happens to pull requests of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestTrigger>,
    /// Fires when a person, or a program for one, creates an `AgentTask` that names the automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<ManualTrigger>,
}

impl Trigger {
    /// What it fires for; nothing where it does not say.
    #[must_use]
    pub fn kind(&self) -> Option<TriggerKind> {
        let kinds = [
            (self.schedule.is_some(), TriggerKind::Schedule),
            (self.issue.is_some(), TriggerKind::Issue),
            (self.pull_request.is_some(), TriggerKind::PullRequest),
            (self.manual.is_some(), TriggerKind::Manual),
        ];
        kinds.into_iter().find_map(|(fires, kind)| fires.then_some(kind))
    }
}

/// Fires for what happens to issues. Everything that it says must hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.actions) && size(self.actions) > 0) || (has(self.commands) && size(self.commands) > 0)").message("say what it fires for: actions: [opened, labeled], or commands: [/agent fix]"))]
pub struct IssueTrigger {
    /// What happened, in GitHub's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub actions: Vec<IssueAction>,
    /// First words of a comment that fire it: `/agent fix`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 20),
        inner(length(min = 2, max = 100), regex(pattern = r"^/[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*$"))
    )]
    pub commands: Vec<String>,
    #[serde(flatten)]
    pub filter: Filter,
    /// A regular expression that is found in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub body_pattern: Option<String>,
    /// The title of the issue's milestone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub milestone: Option<String>,
}

/// Fires for what happens to pull requests. Everything that it says must hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.actions) && size(self.actions) > 0) || (has(self.commands) && size(self.commands) > 0)").message("say what it fires for: actions: [opened, synchronize], or commands: [/agent fix]"))]
#[x_kube(validation = Rule::new("!has(self.reviewState) || self.reviewState == 'any' || (has(self.actions) && 'review_submitted' in self.actions)").message("only a review says reviewState: add review_submitted to actions, or leave reviewState out"))]
pub struct PullRequestTrigger {
    /// What happened, in GitHub's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "set"))]
    pub actions: Vec<PullRequestAction>,
    /// First words of a comment that fire it: `/agent fix`. A comment does not tell the pull request's branches, nor whether it
    /// is a draft: GitHub is asked just before the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 20),
        inner(length(min = 2, max = 100), regex(pattern = r"^/[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*$"))
    )]
    pub commands: Vec<String>,
    #[serde(flatten)]
    pub filter: Filter,
    /// Patterns of branches that it is to be merged into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub base_branches: Vec<String>,
    /// Patterns of branches that it comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub head_branches: Vec<String>,
    /// Patterns of files, one of which it has to change: `src/**`, `docs/*.md`. GitHub is asked just before the start; a task
    /// whose pull request changes none of them is skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 256)))]
    pub paths: Vec<String>,
    /// Where the agent's commits go: to a new branch with a pull request of its own, or to the branch of the pull request
    /// that fires it. That is never one of a fork, only one that goes to `branches.base`, and only where the policy's
    /// `headBranches` names it. It gets no reviewers and no labels, and is not closed when it is stale.
    #[serde(default, skip_serializing_if = "PushTo::is_default")]
    pub push_to: PushTo,
    /// Whether it has to be a draft, or must not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<bool>,
    /// For `review_submitted`: what the review says. Default: `any`.
    #[serde(default)]
    pub review_state: ReviewState,
}

/// What issues and pull requests are told apart by.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// Labels that it has to have, all of them. For `labeled`, one of them has to be the label that was set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 50)))]
    pub labels: Vec<String>,
    /// Labels that it must not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 50)))]
    pub labels_absent: Vec<String>,
    /// A regular expression that is found in the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub title_pattern: Option<String>,
    /// Who may fire it: who did what happened, not who wrote the text.
    #[serde(skip_serializing_if = "Authors::is_default")]
    pub authors: Authors,
    /// What the other fields can't say: an expression of the Common Expression Language over `action`, `sender`,
    /// `association`, `repository`, `comment` (`body`, `author`) and `issue` or `pullRequest` (`number`, `title`, `body`,
    /// `url`, `author`, `labels`, `milestone`; a pull request also `draft`, `head`, `base`, `fork`, `review`), such as
    /// `issue.labels.size() < 3 && issue.body.contains('stack trace')`. Bounded in size and in what it may cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_024))]
    pub when: Option<String>,
    /// What is older fires nothing any more, however late it arrives. What is found too late is counted in
    /// `status.events.skipped`. Default: `1d`.
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.matches('[1-9]')",
        "message": "by the time it is told everything is older: write more than nothing, as in 1h or 1d",
    }]))]
    pub max_event_age: Interval,
    /// Who tells of what happens: GitHub by a webhook, the controller's own look at the repository each minute, or both,
    /// which miss least and fire once.
    #[serde(skip_serializing_if = "Source::is_default")]
    pub source: Source,
    /// Whether a new automation fires for what happened before it was made, as far back as `maxEventAge`. Without it, it does
    /// not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
}

/// What a new automation does about the past.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// It fires for so many of what happened before at most, the newest.
    #[schemars(range(min = 1, max = 100))]
    pub limit: i32,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            labels_absent: Vec::new(),
            title_pattern: None,
            when: None,
            authors: Authors::default(),
            max_event_age: Interval::of_minutes(24 * 60),
            source: Source::Both,
            backfill: None,
        }
    }
}

/// Who tells of what happens at GitHub.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A `WebhookSource` of the namespace receives it.
    Webhook,
    /// The controller looks for it.
    Poll,
    /// Either; what both tell of fires once.
    #[default]
    Both,
}

impl Source {
    /// Whether it is what is meant where nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::Both
    }
}

/// Whose doing counts. Bots count only by login.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.associations) || size(self.associations) > 0 || (has(self.logins) && size(self.logins) > 0)",
    "message": "nobody could fire it: name associations, or logins, or leave authors out",
}]))]
pub struct Authors {
    /// What they are to the repository, in GitHub's words. Who sets labels, assigns or re-opens what others wrote has
    /// at least triage access, and counts as a collaborator. Default: `OWNER`, `MEMBER` and `COLLABORATOR`.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub associations: Vec<Association>,
    /// Further people and bots, by login: `octocat`, `dependabot[bot]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        inner(
            length(min = 1, max = 44),
            regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,38}(\[bot\])?$")
        )
    )]
    pub logins: Vec<String>,
}

impl Authors {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Authors {
    fn default() -> Self {
        Self {
            associations: vec![Association::Owner, Association::Member, Association::Collaborator],
            logins: Vec::new(),
        }
    }
}

/// What somebody is to a repository (`author_association` in GitHub's REST API).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Association {
    /// Owns the repository.
    Owner,
    /// Member of the organization that owns it.
    Member,
    /// Invited to collaborate.
    Collaborator,
    /// Has committed to it before.
    Contributor,
    /// Has committed to GitHub for the first time.
    FirstTimer,
    /// Has committed to it for the first time.
    FirstTimeContributor,
    /// A placeholder for an unclaimed user.
    Mannequin,
    /// Nothing of these.
    None,
}

impl Association {
    /// GitHub's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Member => "MEMBER",
            Self::Collaborator => "COLLABORATOR",
            Self::Contributor => "CONTRIBUTOR",
            Self::FirstTimer => "FIRST_TIMER",
            Self::FirstTimeContributor => "FIRST_TIME_CONTRIBUTOR",
            Self::Mannequin => "MANNEQUIN",
            Self::None => "NONE",
        }
    }
}

/// What happens to an issue (the `action` of GitHub's `issues` event).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum IssueAction {
    /// It was opened.
    Opened,
    /// A label was set.
    Labeled,
    /// Somebody was assigned.
    Assigned,
    /// It was opened again.
    Reopened,
}

/// What happens to a pull request (the `action` of GitHub's `pull_request` and `pull_request_review` events).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestAction {
    /// It was opened.
    Opened,
    /// Commits were pushed to it.
    Synchronize,
    /// It is no draft any more.
    ReadyForReview,
    /// A label was set.
    Labeled,
    /// A review was submitted.
    ReviewSubmitted,
}

/// Where the agent's commits go.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushTo {
    /// To a branch of its own.
    #[default]
    NewBranch,
    /// To the branch of the pull request that the work came from.
    PullRequest,
}

impl PushTo {
    /// Whether it is what is meant where nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::NewBranch
    }
}

/// What a review says.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Whatever it says.
    #[default]
    Any,
    /// It approves.
    Approved,
    /// It asks for changes.
    ChangesRequested,
    /// It comments.
    Commented,
}

/// Fires for whoever may create an `AgentTask`; nothing more has to be said.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ManualTrigger {}

/// Fires at the times of a cron expression.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleTrigger {
    /// What CronJob accepts: five fields (minute, hour, day of month, month, day of week), or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`, or `@every 90m` counted from the automation's creation.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("!self.contains('TZ=')").message("write the time zone in timeZone, not as TZ= or CRON_TZ= inside the expression"))]
    pub cron: String,
    /// An IANA name such as `Europe/Berlin`. A wall time that a clock change skips runs when the gap ends; one that
    /// comes twice runs once. Default: `UTC`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// A task that could not start this many seconds after its time ends as `Expired`, and a time missed for longer is
    /// not made up for. Without it a task waits for as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub starting_deadline_seconds: Option<i32>,
    /// What is made up for after the controller was down or the automation suspended: the `Latest` missed time, `All`
    /// of them (at most 100), or none (`Skip`). What is not run is counted in `status.missedRuns`. Default: `Latest`.
    #[serde(default)]
    pub missed_runs: MissedRuns,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What is made up for after times were missed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedRuns {
    /// Run once, for the newest missed time.
    #[default]
    Latest,
    /// Run for each missed time, at most 100.
    All,
    /// Run for none of them.
    Skip,
}
