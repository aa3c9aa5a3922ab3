//! `AgentTask`: one run. Its spec is an immutable snapshot of what was decided; the objects themselves are the queue.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has attributes of the same names"
)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reason;
use super::automation::{
    Agent, CredentialUse, DuplicateWhile, OnDuplicate, PullRequestRequest, Report, Retry, SecretKeyRef,
    StalePullRequest, StartPolicy,
};
use super::interval::Interval;
use super::notify::{NotificationStatus, Notify};
use super::policy::{PromptSection, TriggerKind};
use super::trigger::{Association, PushTo};

/// On an `Unknown` task: the id of the task at GitHub that it is.
pub const ADOPT_ANNOTATION: &str = "agentautomation.dev/adopt";
/// On an `Unknown` task: why it is given up.
pub const ABANDON_ANNOTATION: &str = "agentautomation.dev/abandon";
/// On a task that waits: why it is not to start any more.
pub const CANCEL_ANNOTATION: &str = "agentautomation.dev/cancel";
/// Added to one of these three: the user who decides. Admission sees to it that nobody writes another's name but who may ask
/// for others.
pub const BY_SUFFIX: &str = "-by";
/// Added to one of these three: the user who wrote it for the one who decides.
pub const VIA_SUFFIX: &str = "-via";
/// On a task that waits for an approval: the user who approves. Admission sees to it that nobody writes another's name.
pub const APPROVED_BY_ANNOTATION: &str = "agentautomation.dev/approved-by";
/// Beside it, where a group's members may approve: that group, of which admission knows the user to be a member.
pub const APPROVED_FOR_ANNOTATION: &str = "agentautomation.dev/approved-for";
/// The automation's name, on each of its tasks.
pub const AUTOMATION_LABEL: &str = "agentautomation.dev/automation";

/// One run of an automation: what was decided, and what came of it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "agentautomation.dev",
    version = "v1alpha1",
    kind = "AgentTask",
    namespaced,
    status = "TaskStatus",
    derive = "PartialEq",
    shortname = "atask",
    category = "agents",
    doc = "One run of an automation: what was decided, and what came of it. The controller creates these; they are the queue.",
    selectable = ".spec.automation.name",
    selectable = ".spec.repository",
    selectable = ".status.phase",
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "Where it is in its life; status.reason and status.message say why"
    ),
    printcolumn(
        name = "Task",
        type_ = "string",
        json_path = ".status.task.shortId",
        description = "The first characters of the task's id at GitHub; status.task.id has all of it"
    ),
    printcolumn(
        name = "Session",
        type_ = "string",
        json_path = ".status.task.state",
        priority = 1,
        description = "State of its newest session, in GitHub's words"
    ),
    printcolumn(
        name = "Pull Request",
        type_ = "string",
        json_path = ".status.pullRequest.url",
        description = "The pull request's link"
    ),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason", priority = 1),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.task.id", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("a task is a record of what was decided and can't be changed: change the automation, and its next task follows"),
    validation = Rule::new("[has(self.trigger), has(self.repository), has(self.baseBranch), has(self.templateDigest), has(self.secretRef)].all(it, it == has(self.prompt))").message("a task made by hand names its automation, who asks and the inputs; the controller decides the rest: leave out trigger, repository, baseBranch, prompt, templateDigest and secretRef"),
    validation = Rule::new("has(self.prompt) || ![has(self.startBefore), has(self.startAfter), has(self.retry), has(self.activeDeadlineSeconds), has(self.waitingDeadlineSeconds), has(self.deduplicate), has(self.report), has(self.stalePullRequest), has(self.pushTo), has(self.follows), has(self.policies), has(self.promptSections), has(self.alternateSecretRefs), has(self.credentialUse), has(self.promptProblem), has(self.notify), !self.pullRequest.create, has(self.pullRequest.reviewers), has(self.pullRequest.labels)].exists(it, it)").message("of a task made by hand the automation says when it may start and with which credentials, its deadlines, retries, who is told, and what becomes of its pull request: leave out startBefore, startAfter, retry, activeDeadlineSeconds, waitingDeadlineSeconds, deduplicate, report, stalePullRequest, pushTo, follows, policies, promptSections, alternateSecretRefs, credentialUse, promptProblem, notify and pullRequest"),
    validation = Rule::new("has(self.prompt) || (self.agent.model == '' && self.agent.customAgent == '' && self.startPolicy == 'AtMostOnce')").message("of a task made by hand the automation says which agent works on it and what a lost answer leads to: leave out agent and startPolicy")
)]
pub struct TaskSpec {
    /// The automation it belongs to. Whoever makes a task by hand gives its name alone.
    pub automation: AutomationRef,
    /// What whoever asks for the task says, by the names of the automation's inputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub inputs: BTreeMap<String, String>,
    /// On whose authority it runs: for a task made by hand the user who asks, which admission holds to be true; none for a
    /// schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requester: Option<String>,
    /// The user that made the task for the requester, as a portal does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requested_via: Option<String>,
    /// What caused it.
    #[serde(default, skip_serializing_if = "Cause::is_unknown")]
    pub trigger: Cause,
    /// The repository, as `owner/name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// The branch that the work starts from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_branch: String,
    /// Whether it goes on with the branch of the pull request that it came from.
    #[serde(default, skip_serializing_if = "PushTo::is_default")]
    pub push_to: PushTo,
    /// The rendered prompt. Each attempt adds its marker as the last line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 100_000))]
    pub prompt: String,
    /// Why the prompt, or the key that tells duplicates, could not be rendered for what happened: it is `Denied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2_000))]
    pub prompt_problem: Option<String>,
    /// SHA-256 of the prompt's sections before they were rendered: the same digest, the same template.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub template_digest: String,
    /// Which agent works on it.
    #[serde(default)]
    pub agent: Agent,
    /// What is asked of the agent besides commits on a branch.
    #[serde(default)]
    pub pull_request: PullRequestRequest,
    /// What is said of it where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Who is told of its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub notify: Vec<Notify>,
    /// The Secret with the token it is started with; the first of several.
    #[serde(default, skip_serializing_if = "SecretKeyRef::is_unnamed")]
    pub secret_ref: SecretKeyRef,
    /// Further Secrets that it may be started with, in the order in which they are turned to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub alternate_secret_refs: Vec<SecretKeyRef>,
    /// Which of several Secrets it is started with.
    #[serde(default, skip_serializing_if = "CredentialUse::is_default")]
    pub credential_use: CredentialUse,
    /// What a lost answer leads to.
    #[serde(default)]
    pub start_policy: StartPolicy,
    /// It may not start after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_before: Option<Timestamp>,
    /// It may not start before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_after: Option<Timestamp>,
    /// Higher ones start first. Whoever makes a task by hand may give one of their own, up to the policies' `maxPriority`;
    /// the automation's counts else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1_000, max = 1_000))]
    pub priority: Option<i32>,
    /// What makes it a duplicate of another task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplicate: Option<DeduplicationTerms>,
    /// Whether another task follows an end in failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// It becomes `TimedOut` if it has not ended this many seconds after its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i32>,
    /// It becomes `TimedOut` if its agent has waited for a person this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_deadline_seconds: Option<i32>,
    /// What becomes of its pull request if nobody deals with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_pull_request: Option<StalePullRequest>,
    /// Optional sections that its prompt was made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt_sections: Vec<PromptSection>,
    /// The task in whose place it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
    /// The policies that held when it was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyRef>,
}

impl TaskSpec {
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.priority.unwrap_or(0)
    }

    /// Whether it says what to do. That of a task made by hand does not, until the controller has decided.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        !self.prompt.is_empty()
    }

    /// The Secrets that it may be started with, in their order.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        [&self.secret_ref].into_iter().chain(&self.alternate_secret_refs)
    }

    /// How they are used, where there are several.
    #[must_use]
    pub fn shared_use(&self) -> Option<CredentialUse> {
        (!self.alternate_secret_refs.is_empty()).then_some(self.credential_use)
    }
}

impl AgentTask {
    /// The task with what the controller decided for it as its spec, where it was made by hand; it is due from when it was
    /// made.
    #[must_use]
    pub fn completed(mut self) -> Self {
        let decided = self.status.as_ref().and_then(|status| status.decided.as_deref());
        if self.spec.is_decided() {
            return self;
        }
        if let Some(decided) = decided {
            self.spec = decided.clone();
        } else if let Some(made) = &self.metadata.creation_timestamp {
            self.spec.trigger.scheduled_time = made.0;
        }
        self
    }
}

/// What makes a task a duplicate of another.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DeduplicationTerms {
    /// Another task of the namespace with this key in the same repository may be in the way.
    pub key: String,
    /// In which states it is.
    #[serde(rename = "while")]
    pub during: Vec<DuplicateWhile>,
    /// For how long after its start it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Interval>,
    /// Which of the two gives way.
    #[serde(default)]
    pub on_duplicate: OnDuplicate,
}

/// The task in whose place another is. It starts once that task's status names it as its successor.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Follows {
    /// That task's name.
    pub name: String,
    /// Why there is another.
    pub because: FollowsBecause,
    /// How many retries there were of the same cause, this one included.
    #[serde(default)]
    pub retries: i32,
    /// Who approved the other, where this is a retry of it: its prompt is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
}

/// Why a task is in the place of another.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowsBecause {
    /// The other ended in failure.
    Retry,
    /// The automation's spec changed while the other waited.
    SpecChange,
}

/// The automation a task belongs to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AutomationRef {
    /// Its name, in the task's namespace.
    pub name: String,
    /// Its uid: an automation of the same name made later is another one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The generation of its spec that this task was decided from.
    #[serde(default)]
    pub generation: i64,
}

/// What caused a task.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The trigger's name.
    pub name: String,
    /// The trigger's kind.
    pub kind: TriggerKind,
    /// The scheduled time it stands for; for a task made by hand, when that was.
    pub scheduled_time: Timestamp,
    /// What caused it, where its time does not tell it from others: the uid of the object that a person made, or what happened
    /// at GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What happened at GitHub, as it was then. Its texts come from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<Occurrence>>,
}

/// What happened at GitHub: texts are cleaned of what can't be seen, and cut.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Occurrence {
    /// What happened, in GitHub's words: `labeled`, `comment`.
    pub action: String,
    /// The number of the issue or the pull request.
    pub number: i64,
    /// Its page.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its body.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Who wrote it.
    pub author: String,
    /// Its labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Who did what happened.
    pub sender: String,
    /// What they are to the repository, in GitHub's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub association: Option<Association>,
    /// The comment that was written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The branch that a pull request comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub head: String,
    /// The branch that it goes to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub base: String,
    /// Whether something that can't be seen was taken out of the texts, or they were cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,
}

impl Occurrence {
    /// All that people wrote.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let texts = [&self.title, &self.body, &self.comment, &self.head, &self.base];
        texts.into_iter().chain(&self.labels).map(String::as_str).collect()
    }
}

impl Cause {
    fn is_unknown(&self) -> bool {
        self.name.is_empty()
    }
}

impl Default for Cause {
    /// That of a task made by hand, before the controller has decided about it.
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: TriggerKind::Manual,
            scheduled_time: Timestamp::UNIX_EPOCH,
            id: None,
            event: None,
        }
    }
}

/// A policy, as it was.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// Its name.
    pub name: String,
    /// The generation of its spec.
    pub generation: i64,
}

/// Where a task is in its life.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Decided, and not yet looked at.
    #[default]
    Pending,
    /// It waits; the reason says for what.
    Held,
    /// Written ahead; the request is on its way.
    Starting,
    /// At GitHub, and not ended.
    Running,
    /// The start's outcome can't be told.
    Unknown,
    /// Ended well.
    Succeeded,
    /// Ended in failure.
    Failed,
    /// Ran out of time at GitHub.
    TimedOut,
    /// Cancelled at GitHub.
    Cancelled,
    /// Not started: no policy allows it.
    Denied,
    /// Not started: another task took its place.
    Superseded,
    /// Not started: there was no need.
    Skipped,
    /// Not started: its deadline passed.
    Expired,
}

impl Phase {
    /// The phase as it is written in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Held => "Held",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Unknown => "Unknown",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Denied => "Denied",
            Self::Superseded => "Superseded",
            Self::Skipped => "Skipped",
            Self::Expired => "Expired",
        }
    }

    /// Whether the task waits to be started.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Held)
    }

    /// Whether the task counts against caps: something may be at work at GitHub.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Unknown)
    }

    /// Whether the task has ended, started or not.
    #[must_use]
    pub fn is_ended(self) -> bool {
        !self.is_waiting() && !self.is_active()
    }
}

/// What came of a task.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskStatus {
    /// Where it is in its life.
    pub phase: Phase,
    /// Why it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The same in a sentence, with what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// It is not tried before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The start's attempts, oldest first; the newest five.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The task at GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<GitHubTask>,
    /// The branch that the agent works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The pull request that the agent opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,
    /// What the agent said of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it cost, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// When the attempt that started it was written down, just before it was sent. Caps on starts, budgets and deadlines
    /// count from then, however late its answer was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its end was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Since when the agent waits for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// The rule that binds it, or bound it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_by: Option<Bound>,
    /// The policies that allowed its newest attempt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_by: Vec<PolicyRef>,
    /// It becomes `TimedOut` if it has not ended this many seconds after its start: its own deadline, or that of the policies
    /// that allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i32>,
    /// The policy's rule that makes it so, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_bound_by: Option<Box<Bound>>,
    /// It becomes `TimedOut` if its agent has waited for a person this many seconds: its own deadline, or that of the policies
    /// that allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_deadline_seconds: Option<i32>,
    /// The policy's rule that makes it so, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_deadline_bound_by: Option<Box<Bound>>,
    /// What is held of budgets for it, in billionths of an AI credit, until its cost is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_nano_credits: Option<i64>,
    /// The task that is in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// What the controller decided for a task that was made by hand: what it would have had as its spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Box<TaskSpec>>,
    /// Who approved it: one for each rule that requires it, or one for several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Why the annotation `agentautomation.dev/adopt` counts for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt_refused: Option<String>,
    /// Who cancelled, adopted or abandoned it, the newest last; five at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// What was said of it where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportStatus>,
    /// What came of telling receivers of its end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name", "of"]))]
    pub notifications: Vec<NotificationStatus>,
    /// Whose token its newest attempt was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialIdentity>,
}

/// Whose a token is, as GitHub told for the Secret's version that was in use.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialIdentity {
    /// The Secret's name.
    pub secret: String,
    /// What kind of token it is, by its prefix.
    pub kind: CredentialKind,
    /// The login of its user; missing where GitHub does not let the token ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// When it expires; missing where it does not, or GitHub does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A kind of token, by the prefixes of *GitHub's token formats* (docs.github.com, *About authentication to GitHub*).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A fine-grained personal access token, `github_pat_`.
    FineGrained,
    /// A classic personal access token, `ghp_`.
    Classic,
    /// A user token of a GitHub App, `ghu_`.
    AppUser,
    /// A token of an OAuth app, `gho_`.
    OAuth,
    /// None of these.
    Unknown,
}

impl CredentialKind {
    /// The name in objects.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FineGrained => "FineGrained",
            Self::Classic => "Classic",
            Self::AppUser => "AppUser",
            Self::OAuth => "OAuth",
            Self::Unknown => "Unknown",
        }
    }
}

/// What was said of a task on the issue or the pull request that it came from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ReportStatus {
    /// The comment's id at GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<i64>,
    /// A digest of what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// When it was last edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_at: Option<Timestamp>,
    /// The phase that it tells of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_of: Option<Phase>,
    /// Whether the label was set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub labelled: bool,
    /// Since when a first comment may have been written whose id is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trying_since: Option<Timestamp>,
    /// What GitHub said to the comment where it refused it; it is not tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The same of the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_refused: Option<String>,
}

/// An approval, as it counted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The user who approved.
    pub by: String,
    /// The group for which, where the user is not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_member_of: Option<String>,
    /// When the controller saw it.
    pub at: Timestamp,
}

/// What a person decided about a task, as it took effect.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Intervention {
    pub kind: InterventionKind,
    /// The user who decided it.
    pub by: String,
    /// The user who wrote it for them, as a portal does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// When the controller saw it.
    pub at: Timestamp,
}

/// What a person can decide about a task.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterventionKind {
    /// It is not to start.
    Cancel,
    /// Which task at GitHub it is.
    Adopt,
    /// It is given up.
    Abandon,
}

impl InterventionKind {
    /// The annotation that says so.
    #[must_use]
    pub fn annotation(self) -> &'static str {
        match self {
            Self::Cancel => CANCEL_ANNOTATION,
            Self::Adopt => ADOPT_ANNOTATION,
            Self::Abandon => ABANDON_ANNOTATION,
        }
    }

    /// What was done, as a sentence has it.
    #[must_use]
    pub fn past(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Adopt => "adopted",
            Self::Abandon => "given up",
        }
    }
}

/// A rule of an object.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// `AgentPolicy` or `AgentAutomation`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The generation of its spec.
    pub generation: i64,
    /// The field, as in `spec.maxActive`.
    pub rule: String,
}

/// One attempt to start a task: written before the request is sent, completed when its outcome is known.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Counts from 1.
    pub number: i32,
    /// The last line of this attempt's prompt, by which the task is found when the answer is lost.
    pub marker: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Which controller wrote it.
    pub written_by: String,
    /// The request has ended by then, whatever happened: before that nobody concludes anything from silence.
    pub deadline: Timestamp,
    /// The branch of a pull request that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_branch: Option<String>,
    /// The Secret that it is made with, where that is not the task's first. What GitHub is asked about the attempt, and about
    /// what came of it, it is asked with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// What came of it; nothing yet means that it can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
    /// What was said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What came of an attempt.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// GitHub answered with a task.
    Created,
    /// GitHub refused; nothing was started.
    Refused,
    /// The request never left.
    NotSent,
    /// The answer was lost.
    Unknown,
    /// The answer was lost, and the task was found by its marker.
    Adopted,
    /// The answer was lost, and no task carries the marker.
    NotFound,
    /// The answer was lost, and a person gave up on it.
    Abandoned,
}

/// A task at GitHub.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GitHubTask {
    /// Its id.
    pub id: String,
    /// The id's first eight characters, for tables.
    pub short_id: String,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The state of its newest session, in GitHub's words.
    pub state: String,
    /// When GitHub last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// The pull request that the agent opened.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// GitHub's database id, which is all that the task itself carries.
    pub id: i64,
    /// Its number; missing while it has not been resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Its link; missing while it has not been resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `open` or `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether it is a draft.
    #[serde(default)]
    pub draft: bool,
    /// Whether it was merged.
    #[serde(default)]
    pub merged: bool,
    /// When GitHub last changed it, as last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was merged or closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Who merged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_by: Option<String>,
    /// What the reviews come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewDecision>,
    /// Who has reviewed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviewers: Vec<String>,
    /// Who is asked for a review, users and teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requested_reviewers: Vec<String>,
    /// When it was first reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_review_at: Option<Timestamp>,
    /// What its checks come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// Lines added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additions: Option<i64>,
    /// Lines deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletions: Option<i64>,
    /// Files changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_files: Option<i64>,
    /// Whether GitHub could merge it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mergeable: Option<bool>,
    /// Whether reviewers were asked and labels set, or what GitHub said to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over: Option<String>,
    /// Nobody has dealt with it for as long as the automation allows.
    #[serde(default)]
    pub stale: bool,
    /// When the controller closed it, because nobody had dealt with it for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_as_stale_at: Option<Timestamp>,
    /// What GitHub said when it was to be closed; it is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_refused: Option<String>,
}

impl PullRequest {
    /// Whether it waits for people: neither merged nor closed. One that is not resolved yet counts as open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.merged && self.state.as_deref() != Some("closed")
    }
}

/// What reviews come to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewDecision {
    /// Nobody has said yes or no.
    Required,
    /// Somebody approved, and nobody asks for changes.
    Approved,
    /// Somebody asks for changes.
    ChangesRequested,
}

/// What checks come to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// None has failed, and some have not ended.
    Pending,
    /// All ended well.
    Passed,
    /// One failed.
    Failed,
}

/// What tasks cost.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// AI credits, in GitHub's unit: a billionth of a credit.
    pub nano_ai_credits: i64,
    /// AI credits, to one decimal, for reading.
    pub ai_credits: String,
    /// Premium requests, in thousandths: what sessions before June 2026 were counted in.
    pub milli_premium_requests: i64,
}
