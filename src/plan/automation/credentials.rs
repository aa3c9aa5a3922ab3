//! What an automation's status says of its credentials, where it names several: one that can't be used keeps nothing from
//! starting while another can, and is told of all the same.

use super::{View, version_rejected};
use crate::api::automation::CredentialStatus;
use crate::domain::repository::Repository;
use crate::plan::credential::{Usability, choice, identity};
use crate::plan::world::CredentialKey;
use crate::plan::{Why, refresh};

impl View<'_> {
    /// What is known of each. What was told of one stands until more is known.
    pub(super) fn credentials(&self) -> Vec<CredentialStatus> {
        if self.automation.spec.credentials.alternates.is_empty() {
            return Vec::new();
        }
        let Ok(repository) = Repository::parse(&self.automation.spec.repository) else {
            return self.status().credentials;
        };
        let told = self.status().credentials;
        let keys = CredentialKey::all_of(self.automation);
        keys.map(|key| {
            let told = told.iter().find(|told| told.secret == key.secret.name);
            self.credential_status(&key, &repository, told)
        })
        .collect()
    }

    /// Those that can't be used, while another can.
    pub(super) fn degraded(&self) -> Option<Why> {
        let all = self.credentials();
        let (hindered, fine): (Vec<_>, Vec<_>) = all.iter().partition(|status| status.reason.is_some());
        let reason = hindered.first().filter(|_| !fine.is_empty())?.reason?;
        let sentences: Vec<_> = hindered
            .iter()
            .map(|status| format!("{}: {}", status.secret, status.message))
            .collect();
        Some(Why::new(reason, sentences.join("; ")))
    }

    fn credential_status(
        &self,
        key: &CredentialKey,
        repository: &Repository,
        told: Option<&CredentialStatus>,
    ) -> CredentialStatus {
        let credential = self.world.credentials.get(key);
        let found = choice::usability_in(self.world, key, repository);
        let why = match &found {
            Usability::Unread => told.and_then(|told| Some(Why::new(told.reason?, told.message.clone()))),
            Usability::Unusable(why) => Some(why.clone()),
            Usability::Usable(version) => {
                let refused = choice::refused_start(credential, repository, version);
                let refused = refused.map(|start| Why::new(start.refused.reason, start.refused.message.clone()));
                refused.or_else(|| refresh::stalled(key, credential?))
            }
        };
        CredentialStatus {
            secret: key.secret.name.clone(),
            identity: identity(key, credential).cloned().or_else(|| told?.identity.clone()),
            rejected_version: credential.and_then(version_rejected),
            reason: why.as_ref().map(|why| why.reason),
            message: why.map(|why| why.message).unwrap_or_default(),
        }
    }
}
