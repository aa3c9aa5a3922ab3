//! Calls to the API server. Every replace carries the `resourceVersion` it was decided on; a conflict reads the newer
//! object, so that the next plan is made from it even if the watch lags.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::core::Status;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::automation::AutomationStatus;
use crate::api::task::TaskStatus;
use crate::api::webhook_source::WebhookSourceStatus;
use crate::api::{AgentAutomation, AgentTask, WebhookSource};
use crate::github::Token;
use crate::observe::Update;
use crate::plan::world::SecretState;
use crate::plan::{CredentialKey, ObjectKey, naming};

use super::refresh::read_refresh;
use super::{Done, Executor, Failure};

/// The most characters that are kept of an error.
const MESSAGE_MAX: usize = 300;

impl Executor {
    pub(super) fn tasks(&self, namespace: &str) -> Api<AgentTask> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) async fn create_task(&self, task: AgentTask) -> Done {
        let key = ObjectKey::of(&task);
        let api = self.tasks(&key.namespace);
        match api.create(&PostParams::default(), &task).await {
            Ok(created) => Done::with(Update::TaskWritten(Box::new(created))),
            Err(error) if is(&error, 409) => match api.get_opt(&key.name).await {
                Ok(there) => Done {
                    failure: there
                        .as_ref()
                        .filter(|there| !naming::has_cause_of(there, &task))
                        .map(|_| Failure::Taken(key)),
                    updates: there.into_iter().map(|task| Update::Task(Box::new(task))).collect(),
                },
                Err(error) => Done::failed(failure(&error)),
            },
            Err(error) => Done::failed(failure(&error)),
        }
    }

    /// Another object of that name, which is a conflict, means that this one is gone.
    pub(super) async fn delete_task(&self, key: ObjectKey, uid: String) -> Done {
        let params = DeleteParams::default().preconditions(Preconditions {
            uid: Some(uid.clone()),
            resource_version: None,
        });
        match self.tasks(&key.namespace).delete(&key.name, &params).await {
            Ok(_) => Done::with(Update::TaskGone(key, uid)),
            Err(error) if is(&error, 404) || is(&error, 409) => Done::with(Update::TaskGone(key, uid)),
            Err(error) => Done::failed(failure(&error)),
        }
    }

    pub(super) async fn write_automation(&self, mut automation: AgentAutomation, status: AutomationStatus) -> Done {
        let key = ObjectKey::of(&automation);
        let api: Api<AgentAutomation> = Api::namespaced(self.client.clone(), &key.namespace);
        automation.status = Some(status);
        match replace_status(&api, &automation).await {
            Ok(written) => Done {
                updates: vec![
                    Update::Automation(Box::new(written)),
                    Update::StatusWritten(key, self.now()),
                ],
                failure: None,
            },
            Err(Failure::Conflict) => match api.get_opt(&key.name).await {
                Ok(Some(newer)) => Done::with(Update::Automation(Box::new(newer))),
                Ok(None) => Done::with(Update::AutomationGone(key, automation.uid().unwrap_or_default())),
                Err(error) => Done::failed(failure(&error)),
            },
            Err(Failure::Gone) => Done::with(Update::AutomationGone(key, automation.uid().unwrap_or_default())),
            Err(failure) => Done::failed(failure),
        }
    }

    pub(super) async fn write_webhook_source(&self, mut source: WebhookSource, status: WebhookSourceStatus) -> Done {
        let key = ObjectKey::of(&source);
        let api: Api<WebhookSource> = Api::namespaced(self.client.clone(), &key.namespace);
        source.status = Some(status);
        match replace_status(&api, &source).await {
            Ok(written) => Done::with(Update::WebhookSource(Box::new(written))),
            Err(Failure::Conflict) => match api.get_opt(&key.name).await {
                Ok(Some(newer)) => Done::with(Update::WebhookSource(Box::new(newer))),
                Ok(None) => Done::with(Update::WebhookSourceGone(key)),
                Err(error) => Done::failed(failure(&error)),
            },
            Err(Failure::Gone) => Done::with(Update::WebhookSourceGone(key)),
            Err(failure) => Done::failed(failure),
        }
    }

    pub(super) async fn write_task(&self, mut task: AgentTask, status: TaskStatus) -> Done {
        task.status = Some(status);
        match replace_status(&self.tasks(&ObjectKey::of(&task).namespace), &task).await {
            Ok(written) => Done::with(Update::TaskWritten(Box::new(written))),
            Err(Failure::Conflict) => self.refresh_task(&task).await,
            Err(Failure::Gone) => Done::with(gone(&task)),
            Err(failure) => Done::failed(failure),
        }
    }

    /// Reads a task again.
    pub(crate) async fn refresh_task(&self, task: &AgentTask) -> Done {
        match self
            .tasks(&ObjectKey::of(task).namespace)
            .get_opt(&task.name_any())
            .await
        {
            Ok(Some(newer)) if newer.uid() == task.uid() => Done::with(Update::Task(Box::new(newer))),
            Ok(Some(other)) => Done {
                updates: vec![gone(task), Update::Task(Box::new(other))],
                failure: None,
            },
            Ok(None) => Done::with(gone(task)),
            Err(error) => Done::failed(failure(&error)),
        }
    }

    pub(super) async fn read_secret(&self, key: CredentialKey) -> Done {
        match self.secrets(&key.namespace).get_opt(&key.secret.name).await {
            Ok(secret) => Done {
                updates: self.take_secret(&key, secret.as_ref()),
                failure: None,
            },
            Err(error) if is(&error, 403) => {
                self.drop_token(&key);
                Done::with(Update::Secret(key, SecretState::Forbidden, self.now()))
            }
            // It is read again as soon as that can be tried.
            Err(error) => Done {
                updates: vec![Update::SecretChanged(ObjectKey::new(key.namespace, key.secret.name))],
                failure: Some(failure(&error)),
            },
        }
    }

    pub(super) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Keeps the token here, and gives what the planner may know of it.
    pub(super) fn take_secret(&self, key: &CredentialKey, secret: Option<&Secret>) -> Vec<Update> {
        let refresh = secret.and_then(|secret| read_refresh(key, secret));
        let state = if let Some(secret) = secret {
            let terms = refresh.as_ref().and_then(|refresh| refresh.terms.as_ref().ok());
            self.take_token(key, secret, terms.and_then(|terms| terms.expires_at))
        } else {
            self.drop_token(key);
            SecretState::Missing
        };
        vec![
            Update::Refresh(key.clone(), refresh.map(Box::new)),
            Update::Secret(key.clone(), state, self.now()),
        ]
    }

    fn take_token(&self, key: &CredentialKey, secret: &Secret, expires_at: Option<Timestamp>) -> SecretState {
        let version = secret.resource_version().unwrap_or_default();
        match text(secret, &key.secret.key).map(Token::parse) {
            Some(Ok(token)) => SecretState::Present {
                resource_version: self.keep_token(key, version, token, expires_at),
            },
            Some(Err(error)) => {
                self.drop_token(key);
                SecretState::Unusable(error.to_string())
            }
            None => {
                self.drop_token(key);
                SecretState::KeyMissing
            }
        }
    }
}

/// What a Secret has under a key, if it is text.
pub(super) fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    let value = secret.data.as_ref()?.get(key)?;
    str::from_utf8(&value.0).ok()
}

/// Replaces the status of the version that the object holds; [`Failure::Conflict`] when there is a newer one or another
/// object of its name.
pub(super) async fn replace_status<K>(api: &Api<K>, object: &K) -> Result<K, Failure>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    let written = api
        .replace_status(&object.name_any(), &PostParams::default(), object)
        .await;
    written.map_err(|error| failure(&error))
}

/// That this very object is not there any more.
pub(super) fn gone(task: &AgentTask) -> Update {
    Update::TaskGone(ObjectKey::of(task), task.uid().unwrap_or_default())
}

/// A refusal is certain. After a server's error, as after no answer, what was asked may have been done.
pub(crate) fn failure(error: &kube::Error) -> Failure {
    let text = || error.to_string().chars().take(MESSAGE_MAX).collect();
    match error {
        kube::Error::Api(status) => match status.code {
            404 => Failure::Gone,
            409 => Failure::Conflict,
            422 => Failure::Refused(invalid(status)),
            400..500 => Failure::Refused(text()),
            _ => Failure::Unanswered(text()),
        },
        _ => Failure::Unanswered(text()),
    }
}

/// Which fields are invalid and how. The API server's own sentence quotes their values, and so what people outside wrote.
fn invalid(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields: Vec<_> = causes
        .map(|cause| format!("{}: {}", cause.field, cause.reason))
        .collect();
    let text = if fields.is_empty() {
        "it is invalid".to_owned()
    } else {
        format!("invalid {}", fields.join(", "))
    };
    text.chars().take(MESSAGE_MAX).collect()
}

pub(super) fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_without_the_values_that_it_quotes() {
        let refusal = |code: u16, details: &str| {
            let text = format!(
                r#"{{"status": "Failure", "code": {code}, "reason": "R", "message": "they wrote canary",
                    "details": {details}}}"#
            );
            let status: Status = serde_json::from_str(&text).unwrap();
            failure(&kube::Error::Api(Box::new(status))).to_string()
        };
        let causes = r#"{"causes": [{"field": "spec.prompt", "reason": "FieldValueTooLong", "message": "canary"}]}"#;
        assert_eq!(
            refusal(422, causes),
            "the API server refuses it: invalid spec.prompt: FieldValueTooLong"
        );
        assert_eq!(refusal(422, "{}"), "the API server refuses it: it is invalid");
        assert!(
            refusal(403, "{}").contains("they wrote"),
            "a quota or an admission policy says what to do"
        );
    }
}
