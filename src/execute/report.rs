//! What is said where the work came from, and that it was said.

use crate::api::AgentTask;
use crate::api::task::TaskStatus;
use crate::domain::repository::Repository;
use crate::github::{Error, RefusalKind, TransportError};
use crate::observe::Update;
use crate::plan::CredentialKey;
use crate::plan::report::{Comment, Said, What, commented, labelled, marker, may_be_sent, trying};

use super::github::github_failure;
use super::pulls::is_final;
use super::{Done, Executor, Failure, Known};

/// An issue or a pull request, and what it is reached with.
struct Place {
    credential: CredentialKey,
    known: Known,
    repository: Repository,
    number: u64,
}

impl Executor {
    pub(super) async fn report(&self, task: AgentTask, said: &Said) -> Done {
        let credential = CredentialKey::of_task(&task);
        let (Ok(known), Ok(repository)) = (self.known(&credential), Repository::parse(&task.spec.repository)) else {
            return Done::failed(Failure::Credential);
        };
        let place = Place {
            credential,
            known,
            repository,
            number: said.number,
        };
        match &said.what {
            What::Comment(comment) => Box::pin(self.comment(&place, task, comment)).await,
            What::Label { name, is_wanted } => Box::pin(self.label(&place, task, name, *is_wanted)).await,
        }
    }

    async fn comment(&self, place: &Place, mut task: AgentTask, comment: &Comment) -> Done {
        let mut updates = Vec::new();
        if comment.id.is_none() {
            let next = trying(&task.status.clone().unwrap_or_default(), self.now());
            let ahead = self.write_task(task, next).await;
            match ahead.updates.first() {
                Some(Update::TaskWritten(written)) => task = (**written).clone(),
                _ => return ahead,
            }
            updates.extend(ahead.updates);
        }
        let answer = self.write_comment(place, &task, comment).await;
        let told = |status: &TaskStatus, outcome| commented(status, comment, outcome, self.now());
        self.write_what_came_of_it(place, task, updates, answer, told).await
    }

    async fn label(&self, place: &Place, task: AgentTask, name: &str, is_wanted: bool) -> Done {
        let (github, token) = (&self.github, &place.known.token);
        let answer = if is_wanted {
            let labels = [name.to_owned()];
            github.add_labels(token, &place.repository, place.number, &labels).await
        } else {
            github.remove_label(token, &place.repository, place.number, name).await
        };
        let told = |status: &TaskStatus, outcome| labelled(status, is_wanted, outcome);
        self.write_what_came_of_it(place, task, Vec::new(), answer, told).await
    }

    /// What was done, or refused for good, is written down; all else is a failure, and is tried again.
    async fn write_what_came_of_it<T>(
        &self,
        place: &Place,
        task: AgentTask,
        mut updates: Vec<Update>,
        answer: Result<T, Error>,
        told: impl FnOnce(&TaskStatus, Result<T, String>) -> TaskStatus,
    ) -> Done {
        updates.extend(self.lessons(&place.credential, &place.known, answer.as_ref().err()));
        let outcome = match answer {
            Ok(done) => Ok(done),
            Err(error) if is_final(&error) => Err(error.to_string()),
            Err(error) => {
                let failure = Some(github_failure(&error));
                return Done { updates, failure };
            }
        };
        let next = told(&task.status.clone().unwrap_or_default(), outcome);
        let written = self.write_task(task, next).await;
        updates.extend(written.updates);
        Done {
            updates,
            failure: written.failure,
        }
    }

    /// A comment that somebody else wrote is none of ours, whatever its marker says.
    async fn write_comment(&self, place: &Place, task: &AgentTask, comment: &Comment) -> Result<i64, Error> {
        let Place {
            credential,
            known,
            repository,
            number,
        } = place;
        let (github, token) = (&self.github, &known.token);
        let mut own = comment.id;
        if own.is_none() && comment.look {
            let me = self.holder(credential, known).await?.user_id;
            let marker = marker(task);
            // What happened there is told in GitHub's own time; the clock of the cluster may be ahead of it.
            let since = Some(task.spec.trigger.scheduled_time);
            let comments = github.list_issue_comments(token, repository, *number, since).await?;
            let found = comments.items.iter().find(|comment| {
                let is_mine = comment.user.as_ref().is_some_and(|user| user.id == me);
                is_mine && comment.body.as_deref().is_some_and(|body| body.contains(&marker))
            });
            own = found.and_then(|comment| i64::try_from(comment.id).ok());
        }
        if let Some(id) = own {
            let written = u64::try_from(id).unwrap_or_default();
            match github.update_comment(token, repository, written, &comment.body).await {
                Ok(()) => return Ok(id),
                // Whoever deleted it wants to hear no more, and there is never a second one.
                Err(error) if is_deleted(&error) => return Ok(id),
                Err(error) => return Err(error),
            }
        }
        if !may_be_sent(&task.status.clone().unwrap_or_default(), self.now()) {
            let late = "another may have written it meanwhile".to_owned();
            return Err(TransportError::NeverSent(late).into());
        }
        let made = github.create_comment(token, repository, *number, &comment.body).await?;
        Ok(i64::try_from(made.id).unwrap_or_default())
    }
}

fn is_deleted(error: &Error) -> bool {
    let kind = error.refusal().map(|refusal| &refusal.kind);
    matches!(kind, Some(RefusalKind::NotFound | RefusalKind::Gone))
}
