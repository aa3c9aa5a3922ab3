//! Whose a token is: asked once for each version of its Secret.

use crate::api::task::CredentialIdentity;
use crate::github::Error;
use crate::observe::Update;
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
                    expires_at: told.expires_at,
                    ..unnamed(key, known)
                },
            })
        };
        known.holder.get_or_try_init(ask).await.cloned()
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
        expires_at: None,
    }
}
