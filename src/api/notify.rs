//! Where the ends of tasks are told: what an automation asks for, and what a task's status says came of it.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::task::Phase;

/// A receiver that is told of the ends of tasks: one POST of a `CloudEvent` for each end, signed as Standard Webhooks has it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    /// A short name, by which `status.notifications` speaks of it.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Where the POST goes: `https://host[:port][/path][?query]`, without user and fragment; `http` for loopback addresses only.
    /// Redirects are not followed. Every policy that holds must name the host in `notifyHosts`. Whoever reads the automation
    /// or its tasks sees it.
    #[schemars(
        length(min = 1, max = 2_048),
        regex(pattern = r"^https?://[^/?#@\s]+([/?][^#\s]*)?$")
    )]
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('http://localhost') || self.startsWith('http://127.') || self.startsWith('http://[::1]')").message("use https: http is for loopback addresses only"))]
    pub url: String,
    /// The Secret with the key that each POST is signed with.
    pub secret_ref: SigningKeyRef,
    /// Which ends are told. Default: those of tasks that started, `Succeeded`, `Failed`, `TimedOut` and `Cancelled`.
    #[serde(default = "ends_of_started")]
    #[schemars(length(min = 1, max = 9), extend("x-kubernetes-list-type" = "set"))]
    pub ends: Vec<NotifiedEnd>,
}

fn ends_of_started() -> Vec<NotifiedEnd> {
    vec![
        NotifiedEnd::Succeeded,
        NotifiedEnd::Failed,
        NotifiedEnd::TimedOut,
        NotifiedEnd::Cancelled,
    ]
}

/// A key of a Secret in the automation's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key that holds the signing key: `whsec_` and the base64 of 24 to 64 random bytes. Default: signing-key.
    #[serde(default = "signing_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn signing_key() -> String {
    "signing-key".to_owned()
}

/// An end that is told.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifiedEnd {
    /// It ended well.
    Succeeded,
    /// It ended in failure.
    Failed,
    /// It ran out of time.
    TimedOut,
    /// It was cancelled at GitHub.
    Cancelled,
    /// Not started: no policy allows it.
    Denied,
    /// Not started: another task took its place.
    Superseded,
    /// Not started: there was no need.
    Skipped,
    /// Not started: its deadline passed.
    Expired,
    /// No end: the start's outcome can't be told, and a person has to decide.
    Unknown,
}

impl NotifiedEnd {
    /// The phase that it is.
    #[must_use]
    pub fn phase(self) -> Phase {
        match self {
            Self::Succeeded => Phase::Succeeded,
            Self::Failed => Phase::Failed,
            Self::TimedOut => Phase::TimedOut,
            Self::Cancelled => Phase::Cancelled,
            Self::Denied => Phase::Denied,
            Self::Superseded => Phase::Superseded,
            Self::Skipped => Phase::Skipped,
            Self::Expired => Phase::Expired,
            Self::Unknown => Phase::Unknown,
        }
    }
}

/// What came of telling a receiver of a task's end.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationStatus {
    /// The receiver, by its name in `spec.notify`.
    pub name: String,
    /// The phase that is told.
    pub of: Phase,
    /// How far it is.
    pub state: NotificationState,
    /// POSTs that were sent and of which the outcome is known.
    #[serde(default)]
    pub attempts: i32,
    /// The next POST is not sent before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What was in the way the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<NotifyError>,
    /// The HTTP status of the last answer that was not 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<i32>,
    /// When it was delivered or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

impl NotificationStatus {
    /// One that nothing came of yet.
    #[must_use]
    pub fn new(name: &str, of: Phase) -> Self {
        Self {
            name: name.to_owned(),
            of,
            state: NotificationState::Pending,
            attempts: 0,
            not_before: None,
            last_error: None,
            http_status: None,
            settled_at: None,
        }
    }
}

/// How far a notification is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationState {
    /// It is still to be delivered.
    Pending,
    /// The receiver answered with 2xx.
    Delivered,
    /// It was given up.
    DeadLetter,
}

impl NotificationState {
    /// The state as it is written in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Delivered => "Delivered",
            Self::DeadLetter => "DeadLetter",
        }
    }
}

/// What is in the way of a notification.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyError {
    /// A policy does not name the host in `notifyHosts`.
    HostNotAllowed,
    /// The Secret is not there.
    SecretMissing,
    /// The Secret has no such key.
    SecretKeyMissing,
    /// The controller may not read the Secret.
    SecretForbidden,
    /// The key is not `whsec_` and the base64 of 24 to 64 bytes.
    SigningKeyInvalid,
    /// There was no connection.
    NotSent,
    /// There was no answer; the receiver may have taken it.
    AnswerLost,
    /// The receiver answered with something other than 2xx.
    Refused,
}

impl NotifyError {
    /// The error as it is written in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostNotAllowed => "HostNotAllowed",
            Self::SecretMissing => "SecretMissing",
            Self::SecretKeyMissing => "SecretKeyMissing",
            Self::SecretForbidden => "SecretForbidden",
            Self::SigningKeyInvalid => "SigningKeyInvalid",
            Self::NotSent => "NotSent",
            Self::AnswerLost => "AnswerLost",
            Self::Refused => "Refused",
        }
    }
}
