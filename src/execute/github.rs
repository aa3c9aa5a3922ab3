//! Reads from GitHub: repositories, lists, details, and the look for a lost task.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::api::AgentTask;
use crate::api::task::PullRequest;
use crate::domain::repository::Repository;
use crate::github::{Error, ListQuery, Listed, RefusalKind, Scope};
use crate::observe::Update;
use crate::observe::answers::{listed_task, observed, pull_request, refused};
use crate::plan::observed::{ObservedTask, Refused, Search};
use crate::plan::world::Verification;
use crate::plan::{CredentialKey, ObjectKey, intervention, search, task as following};

use super::guardrails::is_not_found;
use super::identity::told;
use super::{Done, Executor, Failure, Known};
use crate::api::Reason;

/// A lost task was created after its attempt was written, give or take what clocks differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(2);

impl Executor {
    pub(super) async fn verify(&self, key: CredentialKey, repository: Repository) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let answer = self.github.get_repository(&known.token, &repository).await;
        let mut updates = self.lessons(&key, &known, answer.as_ref().err());
        if answer.is_ok() {
            let identity = self.identify(&key, &known).await.ok();
            updates.extend(identity.map(|identity| told(&key, &known, identity)));
        }
        let result = match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(&error)),
        };
        let verification = Verification {
            checked_at: self.now(),
            resource_version: known.version,
            result,
        };
        updates.push(Update::Verified(key, repository, verification));
        Done { updates, failure: None }
    }

    pub(super) async fn poll(&self, key: CredentialKey, since: Timestamp) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let query = ListQuery {
            scope: Scope::User,
            since: Some(since),
            archived: false,
            states: &[],
        };
        let etag = known
            .etag
            .as_ref()
            .filter(|(asked, _)| *asked == since)
            .map(|(_, etag)| etag.as_str());
        let began = self.now();
        let answer = self.github.list_tasks(&known.token, query, etag).await;
        let mut updates = self.lessons(&key, &known, answer.as_ref().err());
        let failure = match answer {
            Ok(Listed::NotModified) => {
                updates.push(Update::Listed(key, began, None));
                None
            }
            Ok(Listed::Tasks(list)) => {
                let etag = list.etag.clone().map(|etag| (since, etag));
                self.learn(&key, &known.version, |known| known.etag = etag);
                let tasks = list.items.iter().map(listed_task).collect();
                updates.push(Update::Listed(key, began, Some(tasks)));
                None
            }
            Err(error) => Some(github_failure(&error)),
        };
        Done { updates, failure }
    }

    /// Reads a task's details and writes what is new in them, in one write.
    pub(super) async fn observe(&self, task: AgentTask, id: &str) -> Done {
        let (key, credential) = (ObjectKey::of(&task), CredentialKey::of_task(&task));
        let (Ok(known), Ok(repository)) = (self.known(&credential), Repository::parse(&task.spec.repository)) else {
            return Done::failed(Failure::Credential);
        };
        let answer = self.github.get_task(&known.token, Some(&repository), id).await;
        let mut updates = self.lessons(&credential, &known, answer.as_ref().err());
        let status = task.status.clone().unwrap_or_default();
        let mut seen = match answer {
            Ok(found) => observed(&found),
            Err(error)
                if is_not_found(&error)
                    && let Some(next) = intervention::not_there(&status) =>
            {
                updates.push(Update::Observed(key, self.now()));
                let mut done = self.write_task(task, next).await;
                done.updates.splice(0..0, updates);
                return done;
            }
            Err(error) => {
                let failure = Some(github_failure(&error));
                return Done { updates, failure };
            }
        };
        if let Some(pull) = &seen.pull_request {
            match self.resolve(&known, &repository, &seen, pull).await {
                Ok(found) => seen.pull_request = found.or(seen.pull_request),
                Err(error) => updates.extend(self.lessons(&credential, &known, Some(&error))),
            }
        }
        updates.push(Update::Observed(key, self.now()));
        let Some(next) = following::observe(&status, &seen, self.now()) else {
            return Done { updates, failure: None };
        };
        let written = self.write_task(task, next).await;
        updates.extend(written.updates);
        Done {
            updates,
            failure: written.failure,
        }
    }

    /// A task carries its pull request's id only; the link is in the list of pull requests from its branch.
    async fn resolve(
        &self,
        known: &Known,
        repository: &Repository,
        seen: &ObservedTask,
        pull: &PullRequest,
    ) -> Result<Option<PullRequest>, Error> {
        let branch = seen.branch.as_deref();
        let pulls = self.github.list_pulls(&known.token, repository, branch).await?;
        let mut found = pulls
            .items
            .iter()
            .filter(|found| i64::try_from(found.id) == Ok(pull.id));
        Ok(found.next().map(pull_request))
    }

    /// Looks for the task of a start that was not answered.
    pub(super) async fn search(&self, task: &AgentTask, taken: &BTreeSet<String>) -> Done {
        let (key, credential) = (ObjectKey::of(task), CredentialKey::of_task(task));
        let (Ok(known), Ok(repository)) = (self.known(&credential), Repository::parse(&task.spec.repository)) else {
            return Done::failed(Failure::Credential);
        };
        let began = self.now();
        match self.look(&credential, &known, &repository, task, taken).await {
            Ok((whole, matches)) => Done::with(Update::Searched(key, Search { began, whole, matches })),
            Err(error) => Done {
                updates: self.lessons(&credential, &known, Some(&error)),
                failure: Some(github_failure(&error)),
            },
        }
    }

    async fn look(
        &self,
        credential: &CredentialKey,
        known: &Known,
        repository: &Repository,
        task: &AgentTask,
        taken: &BTreeSet<String>,
    ) -> Result<(bool, Vec<ObservedTask>), Error> {
        let attempts = task
            .status
            .as_ref()
            .map(|status| status.attempts.as_slice())
            .unwrap_or_default();
        let since = attempts
            .first()
            .and_then(|first| first.written_at.checked_sub(CLOCKS_DIFFER).ok());
        let creator_id = Some(self.holder(credential, known).await?.user_id);
        let scope = Scope::Repository {
            repo: repository,
            creator_id,
        };
        let (mut whole, mut candidates) = (true, BTreeSet::new());
        for archived in [false, true] {
            let query = ListQuery {
                scope,
                since,
                archived,
                states: &[],
            };
            if let Listed::Tasks(list) = self.github.list_tasks(&known.token, query, None).await? {
                whole &= list.is_whole();
                candidates.extend(list.items.into_iter().map(|task| task.id));
            }
        }
        let mut matches = Vec::new();
        for id in candidates.difference(taken) {
            let found = match self.github.get_task(&known.token, Some(repository), id).await {
                Ok(found) => observed(&found),
                // It may be the one that is looked for.
                Err(error) if is_not_found(&error) => {
                    whole = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if attempts.iter().any(|attempt| search::carries(&found, &attempt.marker)) {
                matches.push(found);
            }
        }
        Ok((whole, matches))
    }

    /// What an answer says of the credential itself.
    pub(super) fn lessons(&self, key: &CredentialKey, known: &Known, error: Option<&Error>) -> Vec<Update> {
        match error.map(Error::refusal) {
            None => vec![Update::Answered(key.clone())],
            Some(Some(refusal)) => match refusal.kind {
                RefusalKind::BadCredentials => vec![Update::Rejected(key.clone(), known.version.clone())],
                RefusalKind::RateLimited(wait) => vec![Update::Limited(key.clone(), wait, self.now())],
                _ => Vec::new(),
            },
            Some(None) => Vec::new(),
        }
    }

    pub(super) fn refused(&self, error: &Error) -> Refused {
        error.refusal().map_or_else(
            || Refused {
                reason: Reason::GitHubUnavailable,
                message: error.to_string(),
                not_before: None,
            },
            |refusal| refused(refusal, self.now()),
        )
    }
}

pub(super) fn github_failure(error: &Error) -> Failure {
    Failure::GitHub {
        category: error.category(),
        message: error.to_string(),
    }
}
