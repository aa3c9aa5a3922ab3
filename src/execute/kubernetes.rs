//! Calls to the API server. Every replace carries the `resourceVersion` it was decided on; a conflict reads the newer
//! object, so that the next plan is made from it even if the watch lags.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::automation::AutomationStatus;
use crate::api::task::TaskStatus;
use crate::api::{AgentAutomation, AgentTask};
use crate::github::Token;
use crate::observe::Update;
use crate::plan::world::SecretState;
use crate::plan::{CredentialKey, ObjectKey};

use super::{Done, Executor, Failure};

impl Executor {
    pub(super) fn tasks(&self, namespace: &str) -> Api<AgentTask> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) async fn create_task(&self, task: AgentTask) -> Done {
        let key = ObjectKey::of(&task);
        let api = self.tasks(&key.namespace);
        match api.create(&PostParams::default(), &task).await {
            Ok(created) => Done::with(Update::Task(Box::new(created))),
            Err(error) if is(&error, 409) => self.refresh_task(&key).await,
            Err(error) => Done::failed(failure(&error)),
        }
    }

    pub(super) async fn delete_task(&self, key: ObjectKey) -> Done {
        match self
            .tasks(&key.namespace)
            .delete(&key.name, &DeleteParams::default())
            .await
        {
            Ok(_) => Done::with(Update::TaskGone(key)),
            Err(error) if is(&error, 404) => Done::with(Update::TaskGone(key)),
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
                Ok(None) => Done::with(Update::AutomationGone(key)),
                Err(error) => Done::failed(failure(&error)),
            },
            Err(failure) => Done::failed(failure),
        }
    }

    pub(super) async fn write_task(&self, mut task: AgentTask, status: TaskStatus) -> Done {
        let key = ObjectKey::of(&task);
        task.status = Some(status);
        match replace_status(&self.tasks(&key.namespace), &task).await {
            Ok(written) => Done::with(Update::Task(Box::new(written))),
            Err(Failure::Conflict) => self.refresh_task(&key).await,
            Err(failure) => Done::failed(failure),
        }
    }

    /// Reads a task again.
    pub(crate) async fn refresh_task(&self, key: &ObjectKey) -> Done {
        match self.tasks(&key.namespace).get_opt(&key.name).await {
            Ok(Some(task)) => Done::with(Update::Task(Box::new(task))),
            Ok(None) => Done::with(Update::TaskGone(key.clone())),
            Err(error) => Done::failed(failure(&error)),
        }
    }

    pub(super) async fn read_secret(&self, key: CredentialKey) -> Done {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        match api.get_opt(&key.secret.name).await {
            Ok(secret) => {
                let state = self.take_token(&key, secret);
                Done::with(Update::Secret(key, state, self.now()))
            }
            Err(error) => Done::failed(failure(&error)),
        }
    }

    /// Keeps the token here, and gives what the planner may know of it.
    fn take_token(&self, key: &CredentialKey, secret: Option<Secret>) -> SecretState {
        let Some(secret) = secret else {
            self.keep_token(key, String::new(), None);
            return SecretState::Missing;
        };
        let version = secret.resource_version().unwrap_or_default();
        let value = secret.data.as_ref().and_then(|data| data.get(&key.secret.key));
        let text = value.and_then(|value| str::from_utf8(&value.0).ok());
        match text.map(Token::parse) {
            Some(Ok(token)) => {
                self.keep_token(key, version.clone(), Some(token));
                SecretState::Present {
                    resource_version: version,
                }
            }
            Some(Err(error)) => {
                self.keep_token(key, version, None);
                SecretState::Unusable(error.to_string())
            }
            None => {
                self.keep_token(key, version, None);
                SecretState::KeyMissing
            }
        }
    }
}

/// Replaces the status of the version that the object holds; [`Failure::Conflict`] when there is a newer one.
pub(super) async fn replace_status<K>(api: &Api<K>, object: &K) -> Result<K, Failure>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    let written = api
        .replace_status(&object.name_any(), &PostParams::default(), object)
        .await;
    written.map_err(|error| failure(&error))
}

pub(super) fn failure(error: &kube::Error) -> Failure {
    if is(error, 409) || is(error, 404) {
        return Failure::Conflict;
    }
    Failure::Kubernetes(error.to_string().chars().take(300).collect())
}

fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
