//! The exchange of a token's calls: claim, send once, write. [`plan::refresh`](crate::plan::refresh) holds when that is
//! due and what a claim means.
//!
//! A new pair is known to nobody else, so it is written for as long as the refresh token that it came from is in the
//! Secret, whoever leads meanwhile: the claim makes this process the one that may. What a person has put there instead
//! stays. Where the API server forbids it, the automations are told, and the credential does not wait for it: the Secret's
//! watch tells when the pair is there.

mod exchange;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::github::{Grant, Pair, RefreshOutcome, Token};
use crate::observe::Update;
use crate::plan::CredentialKey;
use crate::plan::refresh::{
    self, CLAIM, CLIENT_ID, CLIENT_SECRET, Claim, EXPIRES_AT, LIFE, REFRESH_EXPIRES_AT, REFRESH_TOKEN, REFRESHED_AT,
    Refresh, TOKEN, Terms,
};
use crate::plan::time::add;

use super::kubernetes::{failure, is, text};
use super::{Done, Executor, Failure};
use exchange::{Exchange, Settled};

/// Between two tries of a write that does not get through.
const WRITE_RETRY: Duration = Duration::from_secs(1);

impl Executor {
    pub(super) async fn refresh(&self, key: CredentialKey, planned: &str) -> Done {
        let (api, name) = (self.secrets(&key.namespace), key.secret.name.clone());
        let secret = match api.get_opt(&name).await {
            Ok(secret) => secret,
            Err(error) => return Done::failed(failure(&error)),
        };
        let (secret, terms) = match secret.as_ref().map(|secret| (secret, read_refresh(&key, secret))) {
            Some((secret, Some(Refresh { terms: Ok(terms), .. })))
                if secret.resource_version().as_deref() == Some(planned) =>
            {
                (secret, terms)
            }
            // The plan was made from another Secret than this.
            _ => {
                let updates = self.take_secret(&key, secret.as_ref());
                return Done { updates, failure: None };
            }
        };
        let Ok(grant) = grant(secret) else {
            return Done::default();
        };
        let claim = refresh::claim(&terms, &self.identity, self.now());
        let claimed = match self.claim_refresh(&api, &key, secret, &claim).await {
            Ok(claimed) => claimed,
            Err(done) => return done,
        };
        self.wrote_beside(&key, claimed.resource_version());
        let (forbidden, is_forbidden) = oneshot::channel();
        let spent = claim.refresh_token.clone();
        let exchange = Exchange {
            github: self.github.clone(),
            clock: self.clock.clone(),
            credential: key.to_string(),
            api,
            claim,
            forbidden: Some(forbidden),
        };
        // It goes on by itself when the term of leadership that it began in ends: the answer comes once.
        let mut exchanged = tokio::spawn(exchange.run(grant, claimed.clone()));
        tokio::select! {
            biased;
            ended = &mut exchanged => match ended {
                Ok((outcome, settled)) => self.conclude(&key, outcome, settled),
                Err(_) => Done::failed(Failure::Credential),
            },
            Ok(()) = is_forbidden => {
                let mut updates = self.take_secret(&key, Some(&claimed));
                updates.push(Update::Unwritten(key, spent));
                Done { updates, failure: None }
            }
        }
    }

    /// A write whose answer is lost is sent again as it is: its version lets one of the two through.
    async fn claim_refresh(
        &self,
        api: &Api<Secret>,
        key: &CredentialKey,
        secret: &Secret,
        claim: &Claim,
    ) -> Result<Secret, Done> {
        let patch = json!({"metadata": {"annotations": {CLAIM: json!(claim).to_string()}}});
        loop {
            let failed = match write(api, secret, &patch).await {
                Ok(claimed) => return Ok(claimed),
                Err(error) if is(&error, 403) => {
                    let version = secret.resource_version().unwrap_or_default();
                    return Err(Done::with(Update::Unwritable(key.clone(), version, self.now())));
                }
                Err(error) => failure(&error),
            };
            if !matches!(failed, Failure::Conflict | Failure::Unanswered(_)) || self.now() >= claim.deadline {
                return Err(Done {
                    updates: vec![Update::Postponed(key.clone(), self.now())],
                    failure: Some(failed),
                });
            }
            match api.get_opt(&key.secret.name).await {
                Ok(Some(newer)) if claim_of(&newer).as_ref() == Some(claim) && holds(&newer, claim) => {
                    return Ok(newer);
                }
                Ok(Some(same)) if same.resource_version() == secret.resource_version() => {}
                Ok(other) => {
                    let updates = self.take_secret(key, other.as_ref());
                    return Err(Done { updates, failure: None });
                }
                Err(error) => tracing::warn!(credential = %key, error = %failure(&error), "the Secret can't be read"),
            }
            tokio::time::sleep(WRITE_RETRY).await;
        }
    }

    /// What the controller knows from now on.
    fn conclude(&self, key: &CredentialKey, outcome: RefreshOutcome, settled: Settled) -> Done {
        let mut done = Done::default();
        if let RefreshOutcome::NotNow { reason } | RefreshOutcome::NeverSent { reason } = &outcome {
            let category = outcome.category();
            let message = reason.clone();
            done.updates.push(Update::Postponed(key.clone(), self.now()));
            done.failure = Some(Failure::GitHub { category, message });
        }
        let secret = match settled {
            Settled::Written(secret) => {
                let version = secret.resource_version();
                if let RefreshOutcome::Renewed(pair) = outcome {
                    let expires_at = written_expiry(&secret);
                    let renewed = self.renew(key, version.unwrap_or_default(), pair.token, expires_at);
                    done.updates
                        .extend(renewed.map(|renewed| Update::Renewed(key.clone(), renewed)));
                    tracing::info!(credential = %key, expires_at = expires_at.map(tracing::field::display), "a token was refreshed");
                } else {
                    self.wrote_beside(key, version);
                }
                Some(secret)
            }
            Settled::Overtaken(secret) => secret,
            Settled::GivenUp(failure) => {
                done.failure = Some(failure);
                return done;
            }
        };
        done.updates.extend(self.take_secret(key, secret.as_ref()));
        done
    }
}

/// Whether it is the very refresh token that was claimed: a person may have put in another.
fn holds(secret: &Secret, claim: &Claim) -> bool {
    let present = text(secret, REFRESH_TOKEN).and_then(|text| Token::parse(text).ok());
    present.is_some_and(|token| token.digest() == claim.refresh_token)
}

/// How a Secret's token is refreshed, if it has a refresh token beside the token.
pub(super) fn read_refresh(key: &CredentialKey, secret: &Secret) -> Option<Refresh> {
    if key.secret.key != TOKEN || !has(secret, REFRESH_TOKEN) {
        return None;
    }
    let unreadable = format!("its annotation {CLAIM} can't be read: remove it");
    let is_readable = claim_of(secret).is_some() || !secret.annotations().contains_key(CLAIM);
    let terms = if is_readable { terms(secret) } else { Err(unreadable) };
    Some(Refresh {
        resource_version: secret.resource_version().unwrap_or_default(),
        terms,
        claim: claim_of(secret),
    })
}

fn terms(secret: &Secret) -> Result<Terms, String> {
    if secret.immutable == Some(true) {
        return Err("it is immutable, and so its token can't be refreshed: make it anew without that".to_owned());
    }
    let grant = grant(secret)?;
    let of_app = |secret: &Token| secret.digest();
    let app = format!(
        "{}:{}",
        grant.client_id,
        grant.client_secret.as_ref().map_or_else(String::new, of_app)
    );
    let app = Token::parse(&app).map_err(|error| format!("key {CLIENT_ID}: {error}"))?;
    Ok(Terms {
        refresh_token: grant.refresh_token.digest(),
        app: app.digest(),
        expires_at: time(secret, EXPIRES_AT)?,
        refresh_expires_at: time(secret, REFRESH_EXPIRES_AT)?,
        refreshed_at: secret
            .annotations()
            .get(REFRESHED_AT)
            .and_then(|text| text.parse().ok()),
    })
}

fn grant(secret: &Secret) -> Result<Grant, String> {
    let token = |key: &str| {
        let text =
            text(secret, key).ok_or_else(|| format!("it has no key {key}: add it, to have the token refreshed"))?;
        Token::parse(text).map_err(|_| format!("key {key} holds no text that GitHub would have given: correct it"))
    };
    let client_id = text(secret, CLIENT_ID).map(str::trim).filter(|id| !id.is_empty());
    Ok(Grant {
        client_id: client_id
            .ok_or_else(|| format!("it has no key {CLIENT_ID}: add the app's client ID, to have the token refreshed"))?
            .to_owned(),
        client_secret: has(secret, CLIENT_SECRET).then(|| token(CLIENT_SECRET)).transpose()?,
        refresh_token: token(REFRESH_TOKEN)?,
    })
}

fn time(secret: &Secret, key: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = text(secret, key) else {
        return Ok(None);
    };
    let time = text.trim().parse();
    time.map(Some)
        .map_err(|_| format!("key {key} holds no time: write it like 2026-12-01T06:00:00Z, or leave it out"))
}

fn has(secret: &Secret, key: &str) -> bool {
    secret.data.as_ref().is_some_and(|data| data.contains_key(key))
}

fn written_expiry(secret: &Secret) -> Option<Timestamp> {
    time(secret, EXPIRES_AT).ok().flatten()
}

fn claim_of(secret: &Secret) -> Option<Claim> {
    let text = secret.annotations().get(CLAIM)?;
    serde_json::from_str(text).ok()
}

fn claim_patch(claim: Option<&Claim>) -> Value {
    let claim = claim.map(|claim| json!(claim).to_string());
    json!({"metadata": {"annotations": {CLAIM: claim}}})
}

/// The new pair in place of the old one and of the claim. What GitHub does not give any more is taken out.
fn pair_patch(pair: &Pair, now: Timestamp) -> Value {
    let after = |lifetime: Duration| SignedDuration::try_from(lifetime).map_or(now, |lifetime| add(now, lifetime));
    let bytes = |text: String| ByteString(text.into_bytes());
    let refresh_token = pair.refresh_token.as_ref();
    // Without an end it would be exchanged again at once.
    let expires_at = match (pair.expires_in, refresh_token) {
        (Some(lifetime), _) => Some(after(lifetime)),
        (None, Some(_)) => Some(add(now, LIFE)),
        (None, None) => None,
    };
    let data: BTreeMap<&str, Option<ByteString>> = BTreeMap::from([
        (TOKEN, Some(pair.token.secret_value())),
        (REFRESH_TOKEN, refresh_token.map(Token::secret_value)),
        (EXPIRES_AT, expires_at.map(|time| bytes(time.to_string()))),
        (
            REFRESH_EXPIRES_AT,
            pair.refresh_expires_in
                .map(|lifetime| bytes(after(lifetime).to_string())),
        ),
    ]);
    json!({
        "metadata": {"annotations": {CLAIM: null, REFRESHED_AT: now.to_string()}},
        "data": data,
    })
}

/// Changes a Secret if it is still of this version.
async fn write(api: &Api<Secret>, secret: &Secret, patch: &Value) -> Result<Secret, kube::Error> {
    let mut patch = patch.clone();
    patch["metadata"]["resourceVersion"] = json!(secret.resource_version());
    // Another object of its name is another Secret.
    patch["metadata"]["uid"] = json!(secret.uid());
    api.patch(&secret.name_any(), &PatchParams::default(), &Patch::Merge(&patch))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::automation::SecretKeyRef;

    fn key(key: &str) -> CredentialKey {
        CredentialKey {
            namespace: "payments".to_owned(),
            secret: SecretKeyRef {
                name: "app".to_owned(),
                key: key.to_owned(),
            },
        }
    }

    fn told(key: &CredentialKey, change: &Value) -> Option<Result<(), String>> {
        let mut secret = json!({
            "metadata": {"name": "app", "resourceVersion": "7", "annotations": {}},
            "data": {},
        });
        let data = [
            (TOKEN, "ghu_a"),
            (REFRESH_TOKEN, "ghr_a"),
            (CLIENT_ID, "Iv1.a"),
            (EXPIRES_AT, "2026-12-01T06:00:00Z\n"),
        ];
        let change = change.as_object().cloned().unwrap_or_default();
        for (name, text) in data {
            let text = change.get(name).map_or(Some(text), Value::as_str);
            if let Some(text) = text {
                secret["data"][name] = json!(ByteString(text.as_bytes().to_vec()));
            }
        }
        if let Some(claim) = change.get("claim") {
            secret["metadata"]["annotations"][CLAIM] = claim.clone();
        }
        secret["immutable"] = change.get("immutable").cloned().unwrap_or_default();
        let refresh = read_refresh(key, &serde_json::from_value(secret).unwrap());
        refresh.map(|refresh| refresh.terms.map(drop))
    }

    #[test]
    fn what_is_wrong_is_named() {
        let problems = [
            (json!({"client-id": null}), "it has no key client-id"),
            (json!({"client-id": " "}), "it has no key client-id"),
            (json!({"client-id": "a b"}), "key client-id: "),
            (json!({"refresh-token": ""}), "key refresh-token holds no text"),
            (json!({"refresh-token": "a b"}), "key refresh-token holds no text"),
            (json!({"expires-at": "soon"}), "key expires-at holds no time"),
            (
                json!({"claim": "mine"}),
                "its annotation agentautomation.dev/refresh-claim can't be read",
            ),
            (json!({"immutable": true}), "it is immutable"),
        ];
        for (change, expected) in problems {
            let problem = told(&key(TOKEN), &change).and_then(Result::err).unwrap_or_default();
            assert!(problem.starts_with(expected), "{change}: {problem}");
        }
        let fine = [
            json!({}),
            json!({"expires-at": null}),
            json!({"token": null}),
            json!({"immutable": false}),
        ];
        for change in fine {
            assert_eq!(told(&key(TOKEN), &change), Some(Ok(())), "{change}");
        }
        assert_eq!(told(&key(TOKEN), &json!({"refresh-token": null})), None);
        assert_eq!(told(&key("other"), &json!({})), None, "it is the token's alone");
    }
}
