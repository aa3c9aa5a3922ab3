//! The request that uses a refresh token up, and the write of what it brought: nobody else will ever know the new pair.

use jiff::SignedDuration;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::execute::kubernetes::{failure, is};
use crate::execute::{Clock, Failure, span};
use crate::github::{Client as GitHub, Grant, RefreshOutcome};
use crate::plan::refresh::{self, Claim, TOKEN};
use crate::plan::time::{add, backoff};

use super::{claim_of, claim_patch, holds, pair_patch, write};

/// What is no new pair is tried for this long.
const TRIED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// One claimed exchange; nothing in it ends with a term of leadership.
pub(super) struct Exchange {
    pub github: GitHub,
    pub clock: Clock,
    /// Its name, for the log.
    pub credential: String,
    pub api: Api<Secret>,
    pub claim: Claim,
    /// Told when the API server forbids to write a new pair.
    pub forbidden: Option<oneshot::Sender<()>>,
}

/// What became of what an answer changes in the Secret.
pub(super) enum Settled {
    Written(Secret),
    /// The Secret is about something else by now, or gone.
    Overtaken(Option<Secret>),
    GivenUp(Failure),
}

/// What follows an answer, as a change of the Secret.
struct Change {
    patch: Value,
    /// Whether it holds what nobody else knows.
    is_precious: bool,
}

/// Something is in the way of a write: it is told of once, and waited for ever longer.
struct Hindered<'a> {
    credential: &'a str,
    times: u32,
}

impl Exchange {
    /// Sends the request once, and writes what follows from its answer.
    pub async fn run(mut self, grant: Grant, claimed: Secret) -> (RefreshOutcome, Settled) {
        let outcome = self.send(&grant).await;
        let settled = match self.change(&outcome) {
            Some(change) => self.settle(claimed, &change).await,
            None => Settled::Written(claimed),
        };
        (outcome, settled)
    }

    /// Well within the claim's deadline, or not at all.
    async fn send(&self, grant: &Grant) -> RefreshOutcome {
        if self.claim.deadline.duration_since((self.clock)()) < refresh::PATIENCE {
            return RefreshOutcome::NeverSent {
                reason: "it took too long to claim it".to_owned(),
            };
        }
        self.github.refresh(grant, span(refresh::PATIENCE)).await
    }

    /// A claim whose answer is lost stays.
    fn change(&self, outcome: &RefreshOutcome) -> Option<Change> {
        let (patch, is_precious) = match outcome {
            RefreshOutcome::Renewed(pair) => (pair_patch(pair, (self.clock)()), true),
            RefreshOutcome::Refused { code } => {
                tracing::warn!(credential = self.credential, code, "GitHub refused to refresh a token");
                let refused = Claim {
                    refused: Some(code.clone()),
                    ..self.claim.clone()
                };
                (claim_patch(Some(&refused)), false)
            }
            RefreshOutcome::NotNow { .. } | RefreshOutcome::NeverSent { .. } => (claim_patch(None), false),
            RefreshOutcome::Unknown { reason } => {
                tracing::warn!(
                    credential = self.credential,
                    reason,
                    "nobody knows whether a token was refreshed"
                );
                return None;
            }
        };
        Some(Change { patch, is_precious })
    }

    async fn settle(&mut self, claimed: Secret, change: &Change) -> Settled {
        let until = add((self.clock)(), TRIED_FOR);
        let mut forbidden = self.forbidden.take().filter(|_| change.is_precious);
        let mut secret = claimed;
        let mut hindered = Hindered {
            credential: &self.credential,
            times: 0,
        };
        loop {
            let error = match write(&self.api, &secret, &change.patch).await {
                Ok(written) => return Settled::Written(written),
                Err(error) => error,
            };
            let failed = failure(&error);
            if !change.is_precious && (self.clock)() > until {
                return Settled::GivenUp(failed);
            }
            if let Some(forbidden) = forbidden.take_if(|_| is(&error, 403)) {
                let _ = forbidden.send(());
            }
            if failed != Failure::Conflict {
                hindered.wait(&failed).await;
            }
            match self.api.get_opt(&secret.name_any()).await {
                Ok(Some(newer)) if change.concerns(&newer, &self.claim) => secret = newer,
                Ok(Some(newer)) if change.is_made(&newer) => return Settled::Written(newer),
                Ok(other) => return Settled::Overtaken(other),
                Err(error) => hindered.wait(&failure(&error)).await,
            }
        }
    }
}

impl Hindered<'_> {
    async fn wait(&mut self, by: &Failure) {
        if self.times == 0 {
            tracing::warn!(
                credential = self.credential,
                error = %by,
                "the outcome of a refresh can't be written yet; it is tried until it is"
            );
        }
        tokio::time::sleep(span(backoff(self.times))).await;
        self.times = self.times.saturating_add(1);
    }
}

impl Change {
    /// A pair takes the place of the one that it came from, whatever has become of the claim; the rest is about the claim.
    fn concerns(&self, secret: &Secret, claim: &Claim) -> bool {
        if self.is_precious {
            holds(secret, claim)
        } else {
            claim_of(secret).as_ref() == Some(claim)
        }
    }

    /// Whether it got through unanswered.
    fn is_made(&self, secret: &Secret) -> bool {
        let value: Option<ByteString> = serde_json::from_value(self.patch["data"][TOKEN].clone()).ok();
        let present = secret.data.as_ref().and_then(|data| data.get(TOKEN));
        value.is_some() && value.as_ref() == present
    }
}
