//! The exchange of an app's user token for the next, ahead of its end: when it is due, and why only a person can go on.
//!
//! A refresh token is good for one request, and where the answer is lost the new pair is lost with it. So an exchange is
//! *claimed* in the Secret itself first, with the Secret's version as precondition; then sent, once; then the new pair
//! takes the place of the old one and of the claim, before it is used. Whoever finds a claim for the refresh token that
//! is still there never sends it: it waits for the claim's deadline, and then a person has to authorize the app again. A
//! request that certainly never left takes its claim back. What a person puts into the Secret ends every claim, since a
//! claim names what it is about by digest.
//!
//! What stands in the way is judged as of the last look at the Secret, so that a look that is due comes first.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::api::Reason;

use super::time::{add, again, pending};
use super::world::{Credential, CredentialKey, SecretState};
use super::{Settings, Why};

/// The key of a Secret whose token is refreshed; what it is refreshed with is beside it.
pub const TOKEN: &str = "token";
pub const REFRESH_TOKEN: &str = "refresh-token";
pub const EXPIRES_AT: &str = "expires-at";
pub const REFRESH_EXPIRES_AT: &str = "refresh-token-expires-at";
pub const CLIENT_ID: &str = "client-id";
pub const CLIENT_SECRET: &str = "client-secret";

/// The annotation of a Secret that says who exchanges its refresh token.
pub const CLAIM: &str = "agentautomation.dev/refresh-claim";
/// The annotation of a Secret that says when its token came from an exchange.
pub const REFRESHED_AT: &str = "agentautomation.dev/refreshed-at";

/// GitHub's code for a refresh token that was used, or has expired.
const BAD_TOKEN: &str = "bad_refresh_token";
/// An exchange has ended this long after it was claimed.
pub const CLAIMED_FOR: SignedDuration = SignedDuration::from_secs(60);
/// How long GitHub has for its answer; it ends requests after 10 s itself. Shorter than what a process that is asked to
/// stop may take.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(20);
/// How long tokens live where GitHub does not say.
pub const LIFE: SignedDuration = SignedDuration::from_hours(8);
/// A token is exchanged when an eighth of its life is left, and no more than this.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// A token that GitHub refuses is not exchanged sooner than this after it came.
const SETTLED: SignedDuration = SignedDuration::from_mins(10);
/// What came to nothing is tried again after so long at most.
const LONGEST_POSTPONED: SignedDuration = SignedDuration::from_mins(10);
/// After so many tries in a row a token that can't be used any more is told of.
const TOLD_AFTER: u32 = 3;

/// How the token of a Secret is refreshed. Digests stand for what is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The Secret's version that says so.
    pub resource_version: String,
    /// Or what is wrong with them.
    pub terms: Result<Terms, String>,
    pub claim: Option<Claim>,
}

/// What an exchange is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The refresh token's digest.
    pub refresh_token: String,
    /// The digest of what the app shows beside it.
    pub app: String,
    /// When the token expires. Where nobody said, it is exchanged at once, which tells.
    pub expires_at: Option<Timestamp>,
    pub refresh_expires_at: Option<Timestamp>,
    pub refreshed_at: Option<Timestamp>,
}

/// That somebody sends, or has sent, a refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The refresh token's digest.
    pub refresh_token: String,
    /// The digest of what the app shows beside it.
    pub app: String,
    /// Who sends it.
    pub by: String,
    /// It has been answered then, or never will be.
    pub deadline: Timestamp,
    /// GitHub's code, when it declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What may come of a token that can't be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing refreshes it.
    None,
    /// The next one is about to come.
    Pending,
    /// A person has to do something.
    Stalled(Why),
}

/// What is claimed before a refresh token is sent.
#[must_use]
pub fn claim(terms: &Terms, by: &str, now: Timestamp) -> Claim {
    Claim {
        refresh_token: terms.refresh_token.clone(),
        app: terms.app.clone(),
        by: by.to_owned(),
        deadline: add(now, CLAIMED_FOR),
        refused: None,
    }
}

/// When the token is to be exchanged; never, while somebody else does or a person has to do something first.
#[must_use]
pub fn due(credential: &Credential, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let refresh = credential.refresh.as_ref()?;
    let terms = refresh.terms.as_ref().ok()?;
    if refresh.in_the_way(terms).is_some() || has_ended(terms, credential) {
        return None;
    }
    let due = match (&credential.secret, terms.expires_at) {
        (Some(SecretState::Present { resource_version }), expires_at) => {
            let ahead = expires_at.map_or(now, |expires_at| add(expires_at, -ahead(terms, expires_at)));
            let is_rejected = credential.rejected.as_ref() == Some(resource_version);
            if is_rejected {
                ahead.min(settled(terms).unwrap_or(now))
            } else {
                ahead
            }
        }
        (Some(SecretState::KeyMissing | SecretState::Unusable(_)), _) => now,
        (None | Some(SecretState::Missing | SecretState::Forbidden), _) => return None,
    };
    let refused = unwritable(credential, refresh).map(|at| again(Some(at), settings.recheck_interval, now));
    let postponed = credential.postponed.map(|(at, times)| {
        let interval = settings.recheck_interval * 2_i32.pow(times.saturating_sub(1).min(8));
        again(Some(at), interval.min(LONGEST_POSTPONED), now)
    });
    Some(due.max(refused.unwrap_or(due)).max(postponed.unwrap_or(due)))
}

/// Until when somebody's exchange may be under way: the Secret is looked at again then.
#[must_use]
pub fn under_way(credential: &Credential) -> Option<Timestamp> {
    let refresh = credential.refresh.as_ref()?;
    let claim = refresh.in_the_way(refresh.terms.as_ref().ok()?)?;
    let read_at = credential.read_at?;
    let is_open = claim.refused.is_none() && pending(Some(claim.deadline), CLAIMED_FOR * 2, read_at).is_some();
    is_open.then_some(claim.deadline)
}

/// Why only a person can have the token refreshed.
#[must_use]
pub fn stalled(key: &CredentialKey, credential: &Credential) -> Option<Why> {
    let refresh = credential.refresh.as_ref()?;
    let name = &key.secret.name;
    let again = format!("authorize the app again, and put the new {TOKEN} and {REFRESH_TOKEN} into Secret {name}");
    let terms = match &refresh.terms {
        Ok(terms) => terms,
        Err(problem) => return Some(Why::new(Reason::RefreshInvalid, format!("Secret {name}: {problem}"))),
    };
    if let Some(claim) = refresh.in_the_way(terms) {
        return match &claim.refused {
            Some(code) if code == BAD_TOKEN => Some(Why::new(
                Reason::RefreshRefused,
                format!("GitHub refused to refresh the token in Secret {name} ({code}): {again}"),
            )),
            Some(code) => Some(Why::new(
                Reason::RefreshRefused,
                format!(
                    "GitHub refused to refresh the token in Secret {name} ({code}): correct {CLIENT_ID} and \
                     {CLIENT_SECRET}, or {again}"
                ),
            )),
            None if credential.unwritten.as_ref() == Some(&claim.refresh_token) => Some(Why::new(
                Reason::RefreshForbidden,
                format!(
                    "the controller holds the next token of Secret {name} and may not write it there: {}; it is lost if the \
                     controller's pod ends before that, and then {again}",
                    patch(name)
                ),
            )),
            None if under_way(credential).is_some() => None,
            None => Some(Why::new(
                Reason::RefreshOutcomeUnknown,
                format!(
                    "the refresh token in Secret {name} was to be sent before {}, and nobody knows what came of it; it is \
                     good for one request, so it is not sent again: {again}",
                    claim.deadline
                ),
            )),
        };
    }
    if has_ended(terms, credential) {
        let message = format!("the refresh token in Secret {name} has expired: {again}");
        return Some(Why::new(Reason::RefreshRefused, message));
    }
    if let Some((_, times)) = credential.postponed.filter(|(_, times)| *times >= TOLD_AFTER)
        && (has_expired(credential) || credential.rejected.is_some())
    {
        let message = format!(
            "the token in Secret {name} can't be used any more, and GitHub was not to be had for the next one {times} times: let \
             the controller reach its site; it is tried again"
        );
        return Some(Why::new(Reason::GitHubUnavailable, message));
    }
    unwritable(credential, refresh).map(|_| {
        let message = format!(
            "the controller may not write Secret {name}, and so can't refresh its token: {}",
            patch(name)
        );
        Why::new(Reason::RefreshForbidden, message)
    })
}

fn patch(name: &str) -> String {
    format!(
        "in a Role of this namespace, grant its ServiceAccount {{apiGroups: [\"\"], resources: [secrets], resourceNames: \
         [{name}], verbs: [patch]}}"
    )
}

/// What may come of a token that GitHub refused, that has expired, or that is not there yet.
#[must_use]
pub fn outlook(key: &CredentialKey, credential: &Credential) -> Outlook {
    let terms = credential.refresh.as_ref().map(|refresh| refresh.terms.as_ref());
    match (stalled(key, credential), terms) {
        (Some(why), _) => Outlook::Stalled(why),
        // What GitHub refuses though it has just given it is no matter of its age.
        (None, Some(Ok(terms))) if settled(terms) > credential.read_at => Outlook::None,
        (None, Some(Ok(_))) => Outlook::Pending,
        (None, _) => Outlook::None,
    }
}

/// Whether the token had expired when the Secret was last read.
#[must_use]
pub fn has_expired(credential: &Credential) -> bool {
    let terms = credential
        .refresh
        .as_ref()
        .and_then(|refresh| refresh.terms.as_ref().ok());
    let expires_at = terms.and_then(|terms| terms.expires_at);
    expires_at.is_some_and(|expires_at| Some(expires_at) <= credential.read_at)
}

impl Refresh {
    /// The claim that keeps the refresh token from being sent. What was declined for the app's sake alone may be sent
    /// again with what the app shows corrected.
    fn in_the_way(&self, terms: &Terms) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| {
            let mends = claim.refused.as_deref().is_some_and(|code| code != BAD_TOKEN) && claim.app != terms.app;
            claim.refresh_token == terms.refresh_token && !mends
        })
    }
}

fn has_ended(terms: &Terms, credential: &Credential) -> bool {
    let ends = terms.refresh_expires_at;
    ends.is_some_and(|ends| Some(ends) <= credential.read_at)
}

fn unwritable(credential: &Credential, refresh: &Refresh) -> Option<Timestamp> {
    let (version, at) = credential.unwritable.as_ref()?;
    (*version == refresh.resource_version).then_some(*at)
}

fn settled(terms: &Terms) -> Option<Timestamp> {
    terms.refreshed_at.map(|at| add(at, SETTLED))
}

/// How long before its end. Tokens that came at one time are not exchanged at one time.
fn ahead(terms: &Terms, expires_at: Timestamp) -> SignedDuration {
    let came = terms.refreshed_at.filter(|came| *came < expires_at);
    let life = came.map_or(LIFE, |came| expires_at.duration_since(came));
    let ahead = (life / 8).min(AHEAD);
    let spread = terms
        .refresh_token
        .get(..2)
        .and_then(|hex| i32::from_str_radix(hex, 16).ok());
    ahead + ahead / 4 * spread.unwrap_or(0) / 256
}
