//! What GitHub says of a branch: whether it is there, and what guards it. Answers are kept with their `ETag`s, so that
//! asking again costs nothing while nothing changes.

use std::collections::BTreeMap;

use crate::domain::repository::Repository;
use crate::github::models::BranchInfo;
use crate::github::{AgentConfiguration, BranchRule, Conditional, Error, RefusalKind};
use crate::observe::Update;
use crate::observe::answers::{agent_facts, branch_rules};
use crate::plan::observed::{GuardrailFacts, Told, Untold};
use crate::plan::world::{BranchFacts, BranchKey};

use super::{Done, Executor, Known};

/// Answers that are good for as long as GitHub says they are.
#[derive(Clone, Default)]
pub(super) struct Kept {
    rules: BTreeMap<(Repository, String), Answer<Vec<BranchRule>>>,
    code_owners: BTreeMap<(Repository, String), Answer<usize>>,
    agents: BTreeMap<Repository, Answer<AgentConfiguration>>,
}

type Answer<T> = (String, T);

impl Executor {
    pub(super) async fn inspect(&self, key: BranchKey, guardrails: bool) -> Done {
        let known = match self.known(&key.credential) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let answer = self.github.get_branch(&known.token, &key.repository, &key.branch).await;
        let mut updates = self.lessons(&key.credential, &known, answer.as_ref().err());
        let exists = match &answer {
            Ok(_) => Ok(true),
            // A repository that the token does not see has no branches either.
            Err(error) if is_not_found(error) => {
                let repository = self.github.get_repository(&known.token, &key.repository).await;
                updates.extend(self.lessons(&key.credential, &known, repository.as_ref().err()));
                repository.map(|_| false).map_err(|error| self.refused(&error))
            }
            Err(error) => Err(self.refused(error)),
        };
        let told = match answer {
            Ok(branch) if guardrails => Some(self.guardrails(&key, &known, &branch, &mut updates).await),
            _ => None,
        };
        let facts = BranchFacts {
            checked_at: self.now(),
            resource_version: known.version,
            exists,
            guardrails: told,
        };
        updates.push(Update::Inspected(key, Box::new(facts)));
        Done { updates, failure: None }
    }

    async fn guardrails(
        &self,
        key: &BranchKey,
        known: &Known,
        seen: &BranchInfo,
        updates: &mut Vec<Update>,
    ) -> GuardrailFacts {
        let (token, repository, branch) = (&known.token, &key.repository, &key.branch);
        let place = (repository.clone(), branch.clone());
        let mut kept = known.kept.clone();
        let etag = |answer: Option<&str>| answer.map(str::to_owned);

        let before = kept.rules.get(&place);
        let before_etag = etag(before.map(|(etag, _)| etag.as_str()));
        let answer = self
            .github
            .branch_rules(token, repository, branch, before_etag.as_deref())
            .await;
        updates.extend(self.lessons(&key.credential, known, answer.as_ref().err()));
        let rules =
            keep(&mut kept.rules, place.clone(), answer).map_err(|error| error.for_want_of("Metadata", repository));

        let before_etag = etag(kept.code_owners.get(&place).map(|(etag, _)| etag.as_str()));
        let answer = self
            .github
            .codeowners_errors(token, repository, branch, before_etag.as_deref())
            .await;
        updates.extend(self.lessons(&key.credential, known, answer.as_ref().err()));
        let code_owners: Told<Option<usize>> = match answer {
            Err(error) if is_not_found(&error) => Ok(None),
            answer => keep(&mut kept.code_owners, place, answer)
                .map(Some)
                .map_err(|error| error.for_want_of("Contents", repository)),
        };

        let before_etag = etag(kept.agents.get(repository).map(|(etag, _)| etag.as_str()));
        let answer = self
            .github
            .agent_configuration(token, repository, before_etag.as_deref())
            .await;
        updates.extend(self.lessons(&key.credential, known, answer.as_ref().err()));
        let agent = keep(&mut kept.agents, repository.clone(), answer)
            .map_err(|error| error.for_want_of("Administration", repository));

        self.learn(&key.credential, &known.version, |known| known.kept = kept);
        GuardrailFacts {
            checked_at: self.now(),
            rules: rules.map(|rules| branch_rules(&rules, seen)),
            code_owners,
            agent: agent.map(agent_facts),
            unanswered: None,
        }
    }
}

/// The answer, or the one that is kept where nothing has changed.
fn keep<K: Ord, T: Clone>(
    kept: &mut BTreeMap<K, Answer<T>>,
    key: K,
    answer: Result<Conditional<T>, Error>,
) -> Result<T, NoAnswer> {
    match answer {
        Ok(Conditional::Fresh { value, etag }) => {
            match etag {
                Some(etag) => kept.insert(key, (etag, value.clone())),
                None => kept.remove(&key),
            };
            Ok(value)
        }
        Ok(Conditional::NotModified) => kept
            .get(&key)
            .map(|(_, value)| value.clone())
            .ok_or(NoAnswer::NothingKept),
        Err(error) => Err(NoAnswer::Error(error)),
    }
}

/// Why there is no answer.
enum NoAnswer {
    NothingKept,
    Error(Error),
}

impl NoAnswer {
    /// Only a refusal of the request itself is for want of a permission.
    fn for_want_of(self, permission: &str, repository: &Repository) -> Untold {
        let error = match self {
            Self::NothingKept => {
                let why = "GitHub says that nothing has changed, and nothing is known";
                return Untold::Unanswered(why.to_owned());
            }
            Self::Error(error) => error,
        };
        let kind = error.refusal().map(|refusal| &refusal.kind);
        if matches!(kind, Some(RefusalKind::PermissionMissing | RefusalKind::NotFound)) {
            Untold::Refused(format!(
                "{error}; the token needs the permission {permission}: read on {repository}"
            ))
        } else {
            Untold::Unanswered(error.to_string())
        }
    }
}

pub(super) fn is_not_found(error: &Error) -> bool {
    let refusal = error.refusal();
    refusal.is_some_and(|refusal| matches!(refusal.kind, RefusalKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::{Refusal, RetryAfter};

    #[test]
    fn a_permission_is_named_where_it_is_missing() {
        let refused = |kind, status| Error::Refused {
            operation: "the rules",
            refusal: Refusal {
                kind,
                status,
                message: "no".to_owned(),
            },
        };
        let table = [
            (refused(RefusalKind::PermissionMissing, 403), true),
            (refused(RefusalKind::NotFound, 404), true),
            (refused(RefusalKind::RateLimited(RetryAfter::Unstated), 403), false),
            (refused(RefusalKind::SingleSignOn, 403), false),
            (refused(RefusalKind::BadCredentials, 401), false),
            (
                Error::Server {
                    operation: "the rules",
                    status: 502,
                },
                false,
            ),
        ];
        let repository = Repository::parse("acme/api").unwrap();
        for (error, is_named) in table {
            let said = error.to_string();
            let expected = if is_named {
                Untold::Refused(format!(
                    "{said}; the token needs the permission Metadata: read on acme/api"
                ))
            } else {
                Untold::Unanswered(said)
            };
            assert_eq!(NoAnswer::Error(error).for_want_of("Metadata", &repository), expected);
        }
    }
}
