//! Why something is as it is: the short list that conditions, task status, Events and metrics share.

use schemars::JsonSchema;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

/// Why a task is in its phase, or an automation in its condition. The message beside it says what to do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing is in the way.
    Ready,
    /// The credential and the repository are being checked.
    Verifying,
    /// The spec says something that can't be parsed.
    InvalidSpec,
    /// The base branch is not in the automation's own allowlist.
    BranchNotAllowed,
    /// The expression, or its time zone, can't be read.
    InvalidSchedule,
    /// The expression has no time within eight years.
    NeverFires,
    /// A text of the prompt does not render.
    InvalidTemplate,
    /// The Secret is not there.
    SecretMissing,
    /// The Secret has no such key, or it is empty.
    SecretKeyMissing,
    /// The controller may not read the Secret.
    SecretForbidden,
    /// GitHub refused the token (401).
    CredentialRejected,
    /// The Secret lacks something that its token is refreshed with.
    RefreshInvalid,
    /// The controller may not write the Secret, and so can't refresh its token.
    RefreshForbidden,
    /// GitHub refused to refresh the token: the app has to be authorized again.
    RefreshRefused,
    /// Nobody knows whether the token was refreshed: the app has to be authorized again.
    RefreshOutcomeUnknown,
    /// The token lacks a permission (403).
    PermissionDenied,
    /// GitHub shows no such repository to this token (404).
    RepositoryNotFound,
    /// The repository has another name now (301).
    RepositoryMoved,
    /// GitHub refused the request as it is (400, 422).
    StartRejected,
    /// No policy holds for the namespace, or one that does allows too little.
    PolicyDenied,
    /// A policy's kill switch is on.
    PolicySuspended,
    /// A policy can't be read, and so nobody knows what it forbids.
    PolicyUnreadable,
    /// The automation is suspended.
    Suspended,
    /// The automation's own cap is reached.
    AutomationCap,
    /// As many of its tasks wait as may.
    QueueFull,
    /// A policy's cap is reached.
    PolicyCap,
    /// GitHub asked to wait.
    RateLimited,
    /// GitHub did not answer, or answered with a server error.
    GitHubUnavailable,
    /// The request never left; it is tried again.
    NotSent,
    /// The answer was lost; the task is being looked for.
    AnswerLost,
    /// The answer was lost and the task can't be found: a person decides.
    NotFoundAtGitHub,
    /// More than one task at GitHub carries the marker: a person decides.
    Ambiguous,
    /// A task was found by its marker, and is ours.
    Adopted,
    /// A person gave up on it.
    Abandoned,
    /// Written ahead, and on its way.
    Starting,
    /// The agent works.
    InProgress,
    /// The agent waits for a person.
    WaitingForUser,
    /// The agent has finished.
    Completed,
    /// The agent failed.
    SessionFailed,
    /// The agent ran out of time.
    SessionTimedOut,
    /// Somebody cancelled it at GitHub.
    SessionCancelled,
    /// It could not start before its deadline.
    DeadlineExceeded,
    /// The object appeared after its scheduled time had been dealt with.
    AlreadyDecided,
    /// The API server refuses to create a task.
    FailedCreate,
    /// The automation it belongs to is gone.
    AutomationGone,
    /// The automation it belongs to can't be read, and so nobody knows what it asks for.
    AutomationUnreadable,
    /// A policy's freeze window is open.
    PolicyFrozen,
    /// A policy's cap for the repository is reached.
    RepositoryCap,
    /// Too many pull requests wait for a review.
    ReviewQueue,
    /// A policy's cap on starts within an hour is reached.
    StartRate,
    /// What is left of a budget is less than the task may cost.
    BudgetExhausted,
    /// A cap or a budget is so small that none of the automation's tasks could ever start.
    NoRoom,
    /// The repository lacks a guardrail that a policy requires.
    GuardrailNotMet,
    /// GitHub does not say whether the repository has a guardrail that a policy requires.
    GuardrailUnknown,
    /// Too many tasks ended in failure, one after the other.
    FailureThreshold,
    /// It is a retry, and its time has not come.
    RetryBackoff,
    /// Another task is about the same.
    Duplicate,
    /// A newer task took its place.
    Replaced,
    /// The automation's spec changed.
    SpecChanged,
    /// The base branch is not there any more.
    BranchGone,
    /// Scheduled times were not run.
    RunsMissed,
    /// It did not end before its deadline, and may go on at GitHub.
    ActiveDeadline,
    /// Nobody answered the agent before the deadline.
    WaitingDeadline,
    /// Nobody has dealt with the pull request for long.
    PullRequestStale,
    /// GitHub did not let reviewers be asked, labels be set, or the pull request be closed.
    PullRequestRefused,
    /// GitHub did not let the comment or the label be written that tells where the work came from how it stands.
    ReportRefused,
    /// The automation asks for more than its policies allow.
    PolicyNarrows,
    /// Nobody says on whose authority the task would run.
    RequesterMissing,
    /// No trigger of the automation fires for people.
    NoManualTrigger,
    /// What was said as input is not what the automation asks for.
    InvalidInput,
    /// It waits for somebody's approval.
    Approval,
    /// A person cancelled it before it started.
    CancelledByPerson,
    /// The issue or the pull request that it came from was closed, or is gone.
    OriginGone,
    /// The text that it is about was edited after somebody had asked for work on it.
    TextEdited,
    /// What only GitHub could tell of the pull request is not what the trigger is for.
    NotWanted,
    /// Receivers could not be told of the ends of tasks.
    Undelivered,
    /// GitHub showed no more what had been done to issues and pull requests when it was looked for.
    EventsUnseen,
    /// GitHub does not repeat deliveries that did not arrive.
    RedeliveryRefused,
}

impl Reason {
    /// The reason that a status names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text: StrDeserializer<'_, Error> = text.into_deserializer();
        Self::deserialize(text).ok()
    }

    /// The reason as it is written in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Verifying => "Verifying",
            Self::InvalidSpec => "InvalidSpec",
            Self::BranchNotAllowed => "BranchNotAllowed",
            Self::InvalidSchedule => "InvalidSchedule",
            Self::NeverFires => "NeverFires",
            Self::InvalidTemplate => "InvalidTemplate",
            Self::SecretMissing => "SecretMissing",
            Self::SecretKeyMissing => "SecretKeyMissing",
            Self::SecretForbidden => "SecretForbidden",
            Self::CredentialRejected => "CredentialRejected",
            Self::RefreshInvalid => "RefreshInvalid",
            Self::RefreshForbidden => "RefreshForbidden",
            Self::RefreshRefused => "RefreshRefused",
            Self::RefreshOutcomeUnknown => "RefreshOutcomeUnknown",
            Self::PermissionDenied => "PermissionDenied",
            Self::RepositoryNotFound => "RepositoryNotFound",
            Self::RepositoryMoved => "RepositoryMoved",
            Self::StartRejected => "StartRejected",
            Self::PolicyDenied => "PolicyDenied",
            Self::PolicySuspended => "PolicySuspended",
            Self::PolicyUnreadable => "PolicyUnreadable",
            Self::Suspended => "Suspended",
            Self::AutomationCap => "AutomationCap",
            Self::QueueFull => "QueueFull",
            Self::PolicyCap => "PolicyCap",
            Self::RateLimited => "RateLimited",
            Self::GitHubUnavailable => "GitHubUnavailable",
            Self::NotSent => "NotSent",
            Self::AnswerLost => "AnswerLost",
            Self::NotFoundAtGitHub => "NotFoundAtGitHub",
            Self::Ambiguous => "Ambiguous",
            Self::Adopted => "Adopted",
            Self::Abandoned => "Abandoned",
            Self::Starting => "Starting",
            Self::InProgress => "InProgress",
            Self::WaitingForUser => "WaitingForUser",
            Self::Completed => "Completed",
            Self::SessionFailed => "SessionFailed",
            Self::SessionTimedOut => "SessionTimedOut",
            Self::SessionCancelled => "SessionCancelled",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::AlreadyDecided => "AlreadyDecided",
            Self::FailedCreate => "FailedCreate",
            Self::AutomationGone => "AutomationGone",
            Self::AutomationUnreadable => "AutomationUnreadable",
            Self::PolicyFrozen => "PolicyFrozen",
            Self::RepositoryCap => "RepositoryCap",
            Self::ReviewQueue => "ReviewQueue",
            Self::StartRate => "StartRate",
            Self::BudgetExhausted => "BudgetExhausted",
            Self::NoRoom => "NoRoom",
            Self::GuardrailNotMet => "GuardrailNotMet",
            Self::GuardrailUnknown => "GuardrailUnknown",
            Self::FailureThreshold => "FailureThreshold",
            Self::RetryBackoff => "RetryBackoff",
            Self::Duplicate => "Duplicate",
            Self::Replaced => "Replaced",
            Self::SpecChanged => "SpecChanged",
            Self::BranchGone => "BranchGone",
            Self::RunsMissed => "RunsMissed",
            Self::ActiveDeadline => "ActiveDeadline",
            Self::WaitingDeadline => "WaitingDeadline",
            Self::PullRequestStale => "PullRequestStale",
            Self::PullRequestRefused => "PullRequestRefused",
            Self::ReportRefused => "ReportRefused",
            Self::PolicyNarrows => "PolicyNarrows",
            Self::RequesterMissing => "RequesterMissing",
            Self::NoManualTrigger => "NoManualTrigger",
            Self::InvalidInput => "InvalidInput",
            Self::Approval => "Approval",
            Self::CancelledByPerson => "CancelledByPerson",
            Self::OriginGone => "OriginGone",
            Self::TextEdited => "TextEdited",
            Self::NotWanted => "NotWanted",
            Self::Undelivered => "Undelivered",
            Self::EventsUnseen => "EventsUnseen",
            Self::RedeliveryRefused => "RedeliveryRefused",
        }
    }
}
