//! Pull requests at GitHub: lists, details, and what is asked for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{MutexGuard, PoisonError};

use crate::api::AgentTask;
use crate::api::task::{PullRequest, TaskStatus};
use crate::domain::repository::Repository;
use crate::github::{CheckRuns, Conditional, Error, Kept, List, models};
use crate::observe::Update;
use crate::observe::answers::{by_label, read_pull, seen_pull};
use crate::plan::pulls;
use crate::plan::world::Labelled;
use crate::plan::{CredentialKey, ObjectKey};

use super::github::github_failure;
use super::{Done, Executor, Failure, Known, span};

/// What was read of an open pull request, so that reading it again costs nothing while nothing changes.
#[derive(Clone)]
pub(super) struct ReadPull {
    pull: Kept<models::PullRequest>,
    reviews: Kept<List<models::Review>>,
    /// With their commit.
    checks: Option<(String, Kept<CheckRuns>)>,
}

pub(super) type ReadPulls = BTreeMap<(Repository, u64), ReadPull>;

/// What GitHub refuses for good, by what it says to it: it says the same of many.
#[derive(Default)]
struct Refusals(BTreeMap<String, Vec<String>>);

impl Refusals {
    fn add(&mut self, of: &str, error: &Error) {
        self.0.entry(error.to_string()).or_default().push(of.to_owned());
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences = self.0.iter().map(|(said, of)| format!("{}: {said}", of.join(", ")));
        f.write_str(&sentences.collect::<Vec<_>>().join("; "))
    }
}

impl Known {
    fn read_pulls(&self) -> MutexGuard<'_, ReadPulls> {
        self.read_pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was listed and read of a repository's pull requests, which nobody follows any more.
    pub(super) fn forget_pulls(&mut self, repository: &Repository) {
        self.pull_etags.remove(repository);
        self.read_pulls().retain(|(of, _), _| of != repository);
    }
}

impl Executor {
    pub(super) async fn list_pulls(&self, key: CredentialKey, repository: Repository) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let etag = known.pull_etags.get(&repository).map(String::as_str);
        let began = self.now();
        let answer = self.github.recent_pulls(&known.token, &repository, etag).await;
        let mut updates = self.lessons(&key, &known, answer.as_ref().err());
        let pulls = match answer {
            Ok(Conditional::NotModified) => None,
            Ok(Conditional::Fresh { value, etag }) => {
                self.learn(&key, &known.version, |known| {
                    match etag {
                        Some(etag) => known.pull_etags.insert(repository.clone(), etag),
                        None => known.pull_etags.remove(&repository),
                    };
                });
                Some(value.iter().filter_map(seen_pull).collect())
            }
            Err(error) => {
                let failure = Some(github_failure(&error));
                return Done { updates, failure };
            }
        };
        updates.push(Update::PullsListed(key, repository, began, pulls));
        Done { updates, failure: None }
    }

    pub(super) async fn list_open_pulls(&self, key: CredentialKey, repository: Repository) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let asked_at = self.now();
        let answer = self.github.open_pulls(&known.token, &repository).await;
        let mut updates = self.lessons(&key, &known, answer.as_ref().err());
        match answer {
            Ok(open) => {
                let labelled = Labelled {
                    asked_at,
                    answered_at: self.now(),
                    pulls: by_label(&open.items),
                };
                updates.push(Update::OpenPullsListed(key, repository, labelled));
                Done { updates, failure: None }
            }
            Err(error) => {
                let failure = Some(github_failure(&error));
                Done { updates, failure }
            }
        }
    }

    /// Reads a pull request's details and writes what is new in them, in one write.
    pub(super) async fn observe_pull(&self, task: AgentTask, number: i64) -> Done {
        let (key, credential) = (ObjectKey::of(&task), CredentialKey::of_task(&task));
        let (Ok(known), Ok(repository)) = (self.known(&credential), Repository::parse(&task.spec.repository)) else {
            return Done::failed(Failure::Credential);
        };
        let number = u64::try_from(number).unwrap_or_default();
        let seen = match self.read_pull(&known, &repository, number).await {
            Ok(seen) => seen,
            Err(error) => {
                return Done {
                    updates: self.lessons(&credential, &known, Some(&error)),
                    failure: Some(github_failure(&error)),
                };
            }
        };
        let mut updates = vec![Update::Answered(credential), Update::PullObserved(key, self.now())];
        let status = task.status.clone().unwrap_or_default();
        let Some(next) = pulls::observe(&status, &seen) else {
            return Done { updates, failure: None };
        };
        let written = self.write_task(task, next).await;
        updates.extend(written.updates);
        Done {
            updates,
            failure: written.failure,
        }
    }

    /// What the token may not read of it is left out.
    async fn read_pull(&self, known: &Known, repository: &Repository, number: u64) -> Result<PullRequest, Error> {
        let (github, token) = (&self.github, &known.token);
        let place = (repository.clone(), number);
        let before = known.read_pulls().get(&place).cloned();
        let (pull, reviews, checks) = match before {
            Some(read) => (Some(read.pull), Some(read.reviews), read.checks),
            None => (None, None, None),
        };
        let pull = github.get_pull(token, repository, number, pull).await?;
        let reviews = github.list_reviews(token, repository, number, reviews).await?;
        let sha = pull.value.head.as_ref().and_then(|head| head.sha.clone());
        let checks = match sha {
            Some(sha) => {
                let same = checks.filter(|(of, _)| *of == sha).map(|(_, checks)| checks);
                match github.list_check_runs(token, repository, &sha, same).await {
                    Ok(checks) => Some((sha, checks)),
                    Err(error) if error.refusal().is_some() => None,
                    Err(error) => return Err(error),
                }
            }
            None => None,
        };
        let runs = checks.as_ref().map(|(_, checks)| checks.value.check_runs.as_slice());
        let seen = read_pull(&pull.value, &reviews.value.items, runs.unwrap_or_default());
        if seen.is_open() {
            let read = ReadPull { pull, reviews, checks };
            known.read_pulls().insert(place, read);
        } else {
            known.read_pulls().remove(&place);
        }
        Ok(seen)
    }

    /// Asks for reviews and sets labels, and writes down that it did or what GitHub said to it.
    pub(super) async fn hand_over(&self, task: AgentTask, number: i64, users: &[String], teams: &[String]) -> Done {
        let credential = CredentialKey::of_task(&task);
        let (Ok(known), Ok(repository)) = (self.known(&credential), Repository::parse(&task.spec.repository)) else {
            return Done::failed(Failure::Credential);
        };
        let number = u64::try_from(number).unwrap_or_default();
        let answer = self
            .ask(
                &known,
                &repository,
                number,
                users,
                teams,
                &task.spec.pull_request.labels,
            )
            .await;
        let mut updates = self.lessons(&credential, &known, answer.as_ref().err());
        let said = match answer {
            Ok(refused) if refused.is_empty() => pulls::HANDED_OVER.to_owned(),
            Ok(refused) => refused.to_string(),
            Err(error) => {
                let failure = Some(github_failure(&error));
                return Done { updates, failure };
            }
        };
        let Some(next) = pulls::handed_over(&task.status.clone().unwrap_or_default(), &said) else {
            return Done { updates, failure: None };
        };
        let written = self.write_task(task, next).await;
        updates.extend(written.updates);
        Done {
            updates,
            failure: written.failure,
        }
    }

    /// Gives what GitHub refuses for good.
    async fn ask(
        &self,
        known: &Known,
        repository: &Repository,
        number: u64,
        users: &[String],
        teams: &[String],
        labels: &[String],
    ) -> Result<Refusals, Error> {
        let asks = !users.is_empty() || !teams.is_empty();
        let mut refused = Refusals::default();
        if asks {
            let request = self
                .github
                .request_reviewers(&known.token, repository, number, users, teams);
            match request.await {
                // One that GitHub does not know keeps it from asking any of them.
                Err(error) if is_final(&error) => {
                    refused = self.ask_one_by_one(known, repository, number, users, teams).await?;
                }
                answer => answer?,
            }
        }
        if !labels.is_empty() {
            if asks {
                self.pace().await;
            }
            match self.github.add_labels(&known.token, repository, number, labels).await {
                Err(error) if is_final(&error) => refused.add(&format!("labels {}", labels.join(", ")), &error),
                answer => answer?,
            }
        }
        Ok(refused)
    }

    async fn ask_one_by_one(
        &self,
        known: &Known,
        repository: &Repository,
        number: u64,
        users: &[String],
        teams: &[String],
    ) -> Result<Refusals, Error> {
        let none: &[String] = &[];
        let users = users.iter().map(|user| (user, std::slice::from_ref(user), none));
        let teams = teams.iter().map(|team| (team, none, std::slice::from_ref(team)));
        let mut refused = Refusals::default();
        for (name, user, team) in users.chain(teams) {
            self.pace().await;
            let request = self
                .github
                .request_reviewers(&known.token, repository, number, user, team);
            match request.await {
                Err(error) if is_final(&error) => refused.add(name, &error),
                answer => answer?,
            }
        }
        Ok(refused)
    }

    pub(super) async fn pace(&self) {
        tokio::time::sleep(span(self.settings.write_interval)).await;
    }

    pub(super) async fn close_pull(&self, task: AgentTask, number: i64) -> Done {
        let credential = CredentialKey::of_task(&task);
        let (Ok(known), Ok(repository)) = (self.known(&credential), Repository::parse(&task.spec.repository)) else {
            return Done::failed(Failure::Credential);
        };
        let status = task.status.clone().unwrap_or_default();
        let closed = u64::try_from(number).unwrap_or_default();
        let answer = self.github.close_pull(&known.token, &repository, closed).await;
        match answer {
            // Written before it is read again: that the controller did it, no read tells.
            Ok(pull) => match pulls::closed(&status, pull.closed_at.unwrap_or_else(|| self.now())) {
                Some(next) => self.write_task(task, next).await,
                None => Done::with(Update::Answered(credential)),
            },
            Err(error) => {
                let updates = self.lessons(&credential, &known, Some(&error));
                let refused = is_final(&error).then(|| pulls::close_refused(&status, &error.to_string()));
                self.write_what_was_said(task, refused.flatten(), updates, &error).await
            }
        }
    }

    /// A final answer is written down; any other is a failure, and is tried again.
    async fn write_what_was_said(
        &self,
        task: AgentTask,
        next: Option<TaskStatus>,
        mut updates: Vec<Update>,
        error: &Error,
    ) -> Done {
        let Some(next) = next else {
            let failure = Some(github_failure(error));
            return Done { updates, failure };
        };
        let written = self.write_task(task, next).await;
        updates.extend(written.updates);
        Done {
            updates,
            failure: written.failure,
        }
    }
}

/// Asking again would not help: the request is at fault, the token lacks the permission, or what it is about was deleted or
/// moved, and a task keeps the name that it was made with.
pub(super) fn is_final(error: &Error) -> bool {
    use crate::github::RefusalKind::{
        BadCredentials, BadRequest, Gone, Invalid, Moved, NotFound, PermissionMissing, RateLimited, SingleSignOn,
    };
    error.refusal().is_some_and(|refusal| match refusal.kind {
        BadRequest | Invalid | NotFound | Gone | Moved { .. } | PermissionMissing => true,
        BadCredentials | SingleSignOn | RateLimited(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::{Refusal, RefusalKind, RetryAfter};

    #[test]
    fn what_asking_again_would_not_help() {
        let refused = |kind, status| Error::Refused {
            operation: "create_comment",
            refusal: Refusal {
                kind,
                status,
                message: String::new(),
            },
        };
        let server = |status| Error::Server {
            operation: "create_comment",
            status,
        };
        let table = [
            (refused(RefusalKind::PermissionMissing, 403), true),
            (refused(RefusalKind::NotFound, 404), true),
            (refused(RefusalKind::Gone, 410), true),
            (refused(RefusalKind::Moved { to: None }, 301), true),
            (refused(RefusalKind::Invalid, 422), true),
            (refused(RefusalKind::BadCredentials, 401), false),
            (refused(RefusalKind::SingleSignOn, 403), false),
            (refused(RefusalKind::RateLimited(RetryAfter::Unstated), 429), false),
            (server(502), false),
        ];
        for (error, expected) in table {
            assert_eq!(is_final(&error), expected, "{error}");
        }
    }
}
