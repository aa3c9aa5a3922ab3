//! Whose a token is: asked once for each version of its Secret.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::api::task::CredentialIdentity;
use crate::github::{Error, Token};
use crate::observe::{Renewed, Update};
use crate::plan::CredentialKey;

use super::pulls::is_final;
use super::{Executor, Known};

/// A token's user.
#[derive(Clone)]
pub(super) struct Holder {
    pub user_id: u64,
    identity: CredentialIdentity,
}

impl Executor {
    pub(super) async fn holder(&self, key: &CredentialKey, known: &Known) -> Result<Holder, Error> {
        let ask = async || {
            let told = self.github.identify(&known.token).await?;
            Ok(Holder {
                user_id: told.user.id,
                identity: CredentialIdentity {
                    login: Some(told.user.login),
                    expires_at: told.expires_at.or(known.expires_at),
                    ..unnamed(key, known)
                },
            })
        };
        known.holder.get_or_try_init(ask).await.cloned()
    }

    /// Puts a token in the place of the one that it was exchanged for: what is known of its user holds.
    pub(super) fn renew(
        &self,
        key: &CredentialKey,
        version: String,
        token: Token,
        expires_at: Option<Timestamp>,
    ) -> Option<Renewed> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tokens.get_mut(key)?;
        let holder = known.holder.get().cloned().map(|mut holder| {
            holder.identity.expires_at = expires_at;
            holder
        });
        known.holder = Arc::new(OnceCell::new_with(holder));
        known.token = token;
        known.expires_at = expires_at;
        let from = std::mem::replace(&mut known.version, version.clone());
        Some(Renewed {
            from,
            to: version,
            expires_at,
        })
    }

    /// For the record. A token that may not ask whose it is may be good for work.
    pub(super) async fn identify(&self, key: &CredentialKey, known: &Known) -> Result<CredentialIdentity, Error> {
        match self.holder(key, known).await {
            Ok(holder) => Ok(holder.identity),
            Err(error) if is_final(&error) => Ok(unnamed(key, known)),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn told(key: &CredentialKey, known: &Known, identity: CredentialIdentity) -> Update {
    Update::Identified(key.clone(), known.version.clone(), identity)
}

fn unnamed(key: &CredentialKey, known: &Known) -> CredentialIdentity {
    CredentialIdentity {
        secret: key.secret.name.clone(),
        kind: known.token.kind(),
        login: None,
        expires_at: known.expires_at,
    }
}
