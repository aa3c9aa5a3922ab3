//! What the status says of this very spec stands until what it depends on has been read anew: a leader that has just begun
//! knows nothing of Secrets and of GitHub, and that is no news about an automation.

use super::View;
use crate::api::Reason;
use crate::api::automation::GuardrailStatus;
use crate::plan::conditions::Standing;
use crate::plan::{Why, guardrails};

/// What Secrets and GitHub are asked, in the order in which it keeps an automation from being ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Credential,
    Repository,
    Branch,
    Guardrails,
    /// What came of the last start.
    Start,
}

impl View<'_> {
    /// The answer for this stage is not known yet.
    pub(super) fn unread(&self, stage: Stage, message: &str) -> Standing {
        let verifying = || Standing::Reconciling(Why::new(Reason::Verifying, message));
        self.told(stage).unwrap_or_else(verifying)
    }

    /// What was told of this spec, unless what is known of the objects and of the stages before this one says otherwise.
    pub(super) fn told(&self, stage: Stage) -> Option<Standing> {
        let conditions = &self.automation.status.as_ref()?.conditions;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
        if ready.observed_generation != self.automation.metadata.generation {
            return None;
        }
        if ready.status == "True" {
            return Some(self.ready());
        }
        let why = Why::new(Reason::parse(&ready.reason)?, ready.message.clone());
        let told = if ready.status == "False" {
            Standing::Stalled(why)
        } else {
            Standing::Reconciling(why)
        };
        let of = if self.rejected().as_ref() == Some(&told) {
            Some(Stage::Start)
        } else {
            last_stage(told.why().reason)
        };
        of.filter(|of| *of >= stage).map(|_| told)
    }

    /// What is known of the base branch's guardrails, or was told of those that are still required.
    pub(super) fn guardrails(&self) -> Vec<GuardrailStatus> {
        let Some(key) = guardrails::of_automation(self.world, self.automation) else {
            return Vec::new();
        };
        if !guardrails::is_unread(self.world, &key) || self.told_generation() != self.automation.metadata.generation {
            return guardrails::statuses(self.world, &key);
        }
        let mut told = self.status().guardrails;
        told.retain(|told| guardrails::is_required(self.world, &key, &told.policy));
        told
    }

    fn told_generation(&self) -> Option<i64> {
        self.automation.status.as_ref()?.observed_generation
    }
}

/// The last stage at which it may have been found out; nothing where the objects alone tell it.
fn last_stage(reason: Reason) -> Option<Stage> {
    match reason {
        Reason::SecretMissing | Reason::SecretKeyMissing | Reason::SecretForbidden | Reason::CredentialRejected => {
            Some(Stage::Credential)
        }
        Reason::BranchGone => Some(Stage::Branch),
        // The look at the branch may be refused as that at the repository.
        Reason::RepositoryNotFound
        | Reason::RepositoryMoved
        | Reason::PermissionDenied
        | Reason::StartRejected
        | Reason::RateLimited
        | Reason::GitHubUnavailable
        | Reason::GuardrailNotMet
        | Reason::GuardrailUnknown
        | Reason::RefreshInvalid
        | Reason::RefreshForbidden
        | Reason::RefreshRefused
        | Reason::RefreshOutcomeUnknown => Some(Stage::Guardrails),
        _ => None,
    }
}
