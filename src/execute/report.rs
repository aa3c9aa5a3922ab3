//! What is said where the work came from, and that it was said.

use crate::api::AgentTask;
use crate::domain::repository::Repository;
use crate::github::Error;
use crate::observe::Update;
use crate::plan::CredentialKey;
use crate::plan::report::{Said, marker, told, trying};

use super::github::github_failure;
use super::pulls::is_final;
use super::{Done, Executor, Failure, Known};

impl Executor {
    pub(super) async fn report(&self, task: AgentTask, said: &Said) -> Done {
        let credential = CredentialKey::of_task(&task);
        let (Ok(known), Ok(repository)) = (self.known(&credential), Repository::parse(&task.spec.repository)) else {
            return Done::failed(Failure::Credential);
        };
        let mut updates = Vec::new();
        let mut task = task;
        if said.body.is_some() && said.comment.is_none() {
            let next = trying(&task.status.clone().unwrap_or_default(), self.now());
            let ahead = self.write_task(task, next).await;
            match ahead.updates.first() {
                Some(Update::TaskWritten(written)) => task = (**written).clone(),
                _ => return ahead,
            }
            updates.extend(ahead.updates);
        }
        let answer = self.say(&credential, &known, &repository, &task, said).await;
        updates.extend(self.lessons(&credential, &known, answer.as_ref().err()));
        let outcome = match answer {
            Ok(comment) => Ok(comment),
            Err(error) if is_final(&error) => Err(error.to_string()),
            Err(error) => {
                let failure = Some(github_failure(&error));
                return Done { updates, failure };
            }
        };
        let next = told(&task.status.clone().unwrap_or_default(), said, outcome, self.now());
        let written = self.write_task(task, next).await;
        updates.extend(written.updates);
        Done {
            updates,
            failure: written.failure,
        }
    }

    async fn say(
        &self,
        credential: &CredentialKey,
        known: &Known,
        repository: &Repository,
        task: &AgentTask,
        said: &Said,
    ) -> Result<Option<i64>, Error> {
        let (github, token) = (&self.github, &known.token);
        let comment = match &said.body {
            Some(body) => Some(self.comment(credential, known, repository, task, said, body).await?),
            None => None,
        };
        if let Some((label, there)) = &said.label {
            if comment.is_some() {
                self.pace().await;
            }
            if *there {
                let labels = std::slice::from_ref(label);
                github.add_labels(token, repository, said.number, labels).await?;
            } else {
                github.remove_label(token, repository, said.number, label).await?;
            }
        }
        Ok(comment)
    }

    /// A comment that somebody else wrote is none of ours, whatever its marker says.
    async fn comment(
        &self,
        credential: &CredentialKey,
        known: &Known,
        repository: &Repository,
        task: &AgentTask,
        said: &Said,
        body: &str,
    ) -> Result<i64, Error> {
        let (github, token) = (&self.github, &known.token);
        let mut own = said.comment;
        if own.is_none() && said.look {
            let me = self.holder(credential, known).await?.user_id;
            let marker = marker(task);
            let since = task.metadata.creation_timestamp.as_ref().map(|time| time.0);
            let comments = github
                .list_issue_comments(token, repository, said.number, since)
                .await?;
            let found = comments.items.iter().find(|comment| {
                let is_mine = comment.user.as_ref().is_some_and(|user| user.id == me);
                is_mine && comment.body.as_deref().is_some_and(|body| body.contains(&marker))
            });
            own = found.and_then(|comment| i64::try_from(comment.id).ok());
        }
        if let Some(id) = own {
            let comment = u64::try_from(id).unwrap_or_default();
            github.update_comment(token, repository, comment, body).await?;
            return Ok(id);
        }
        let made = github.create_comment(token, repository, said.number, body).await?;
        Ok(i64::try_from(made.id).unwrap_or_default())
    }
}
