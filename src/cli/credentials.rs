//! `agent-automation status --credentials`: whose tokens are in use, how long they last, and for what.

pub mod rates;
pub mod refused;

use std::collections::BTreeMap;
use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::{AgentAutomation, Reason};
use crate::plan::CredentialKey;
use crate::plan::world::phase;

use super::cluster::{self, View};
use super::table::{Row, dash, print_rows, relative};

/// Prints the credentials that automations and waiting tasks name.
pub fn print(view: &View, args: &cluster::Args, limits: &rates::Args) -> Result<ExitCode, cluster::Error> {
    let none = format!("No automations {}.", view.whereabouts());
    let mut rows = rows(view);
    rates::ask(limits, args, &mut rows)?;
    Ok(print_rows(&rows, args.output, args.color, &none))
}

/// One Secret's token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub namespace: String,
    pub secret: String,
    pub key: String,
    /// Missing until GitHub was asked.
    pub kind: Option<&'static str>,
    pub login: Option<String>,
    pub expires_at: Option<Timestamp>,
    /// What keeps it from being used, as an automation's condition says.
    pub refusal: Option<Refusal>,
    /// What GitHub refused last to do with it, whether or not it can be used.
    pub last_refusal: Option<refused::LastRefusal>,
    /// The automations that use it.
    pub automations: Vec<String>,
    /// Tasks that wait for it.
    pub waiting: usize,
    /// What its user has left at GitHub; missing unless it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<rates::Left>,
    #[serde(skip)]
    expires_in: String,
    #[serde(skip)]
    refused_last: Option<String>,
}

/// Why a credential can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    pub reason: String,
    pub since: Timestamp,
    pub message: String,
}

impl Row for Line {
    const HEADERS: &'static [&'static str] = &[
        "NAMESPACE",
        "SECRET",
        "KIND",
        "LOGIN",
        "EXPIRES",
        "REFUSAL",
        "WAITING",
        "LEFT",
        "AUTOMATIONS",
        "MESSAGE",
        "REFUSED LAST",
    ];
    const NARROW: usize = 9;

    fn cells(&self) -> Vec<String> {
        let refusal = self.refusal.as_ref();
        vec![
            self.namespace.clone(),
            self.secret.clone(),
            dash(self.kind.map(str::to_owned)),
            dash(self.login.clone()),
            self.expires_in.clone(),
            dash(refusal.map(|refusal| refusal.reason.clone())),
            self.waiting.to_string(),
            dash(self.rate_limit.as_ref().map(ToString::to_string)),
            some_of(&self.automations),
            dash(refusal.map(|refusal| refusal.message.clone())),
            dash(self.refused_last.clone()),
        ]
    }

    fn is_alarming(&self) -> bool {
        self.refusal.is_some()
    }
}

fn rows(view: &View) -> Vec<Line> {
    let mut used: BTreeMap<CredentialKey, Vec<&AgentAutomation>> = BTreeMap::new();
    let shown = view.world.automations().filter(|(key, _)| view.shows(&key.namespace));
    for (_, automation) in shown {
        for key in CredentialKey::all_of(automation) {
            used.entry(key).or_default().push(automation);
        }
    }
    let mut refused = refused::last(&view.world);
    used.into_iter()
        .map(|(key, automations)| line(view, &key, &automations, refused.remove(&key)))
        .collect()
}

fn line(
    view: &View,
    key: &CredentialKey,
    automations: &[&AgentAutomation],
    last_refusal: Option<refused::LastRefusal>,
) -> Line {
    let statuses = automations.iter().filter_map(|automation| automation.status.as_ref());
    let mut told = statuses.flat_map(|status| {
        let several = status.credentials.iter().filter_map(|known| known.identity.as_ref());
        status.credential.iter().chain(several)
    });
    let identity = told.find(|told| told.secret == key.secret.name);
    let expires_at = identity.and_then(|identity| identity.expires_at);
    let tasks = view.world.tasks().map(|(_, task)| task);
    let waiting =
        tasks.filter(|task| phase(task).is_waiting() && CredentialKey::named_by(task).any(|named| named == *key));
    Line {
        namespace: key.namespace.clone(),
        secret: key.secret.name.clone(),
        key: key.secret.key.clone(),
        kind: identity.map(|identity| identity.kind.as_str()),
        login: identity.and_then(|identity| identity.login.clone()),
        expires_at,
        refusal: automations.iter().find_map(|automation| refusal(automation, key)),
        refused_last: last_refusal.as_ref().map(|refusal| refusal.words(view.now)),
        last_refusal,
        automations: automations.iter().map(|automation| automation.name_any()).collect(),
        waiting: waiting.count(),
        rate_limit: None,
        expires_in: relative(expires_at, view.now),
    }
}

/// Of several the status tells for each.
fn refusal(automation: &AgentAutomation, key: &CredentialKey) -> Option<Refusal> {
    let status = automation.status.as_ref()?;
    let condition = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
    let ready = condition("Ready")?;
    if !automation.spec.credentials.alternates.is_empty() {
        let known = status
            .credentials
            .iter()
            .find(|known| known.secret == key.secret.name)?;
        let since = condition("Degraded").unwrap_or(ready).last_transition_time.0;
        return Some(Refusal {
            reason: known.reason?.as_str().to_owned(),
            since,
            message: known.message.clone(),
        });
    }
    let about = [
        Reason::SecretMissing,
        Reason::SecretForbidden,
        Reason::SecretKeyMissing,
        Reason::CredentialRejected,
        Reason::RefreshInvalid,
        Reason::RefreshForbidden,
        Reason::RefreshRefused,
        Reason::RefreshOutcomeUnknown,
        Reason::RateLimited,
    ];
    let is_about = about.iter().any(|reason| reason.as_str() == ready.reason);
    is_about.then(|| Refusal {
        reason: ready.reason.clone(),
        since: ready.last_transition_time.0,
        message: ready.message.clone(),
    })
}

/// The names that a line has room for.
fn some_of(names: &[String]) -> String {
    match names {
        [] | [_] | [_, _] => names.join(","),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}
