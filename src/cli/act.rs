//! Commands that change something. Each is one plain write that kubectl could do too, as the user who runs it: nothing here
//! has rights of its own, and the API server decides.

pub mod automation;
pub mod run;
pub mod task;

use std::fmt::Debug;
use std::process::ExitCode;

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{AgentAutomation, AgentTask};

use super::cluster::{self, Connection, said, split};
use super::output::refuse;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("can't start: {0}")]
    Io(#[from] std::io::Error),
    #[error("there is no {kind} {name} in namespace {namespace}: kubectl get {kind} -A lists what there is")]
    NotFound {
        kind: &'static str,
        name: String,
        namespace: String,
    },
    #[error("{0}")]
    Refused(String),
    /// It makes no sense for the object as it is.
    #[error("{0}")]
    Pointless(String),
}

/// A kind that commands are about, as people name it.
trait Named:
    Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
    const NAMES: &'static [&'static str];
}

impl Named for AgentTask {
    const NAMES: &'static [&'static str] = cluster::TASK;
}

impl Named for AgentAutomation {
    const NAMES: &'static [&'static str] = cluster::AUTOMATION;
}

/// A connected user.
struct Desk {
    client: Client,
    namespace: String,
}

impl Desk {
    async fn open(connection: &Connection) -> Result<Self, Error> {
        let (client, namespace) = connection.client().await?;
        Ok(Self { client, namespace })
    }

    fn api<K: Named>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// An object by its name, or by `KIND/NAME`.
    async fn find<K: Named>(&self, wanted: &str) -> Result<K, Error> {
        let (kind, name) = split(wanted);
        let own = K::NAMES.first().copied().unwrap_or_default();
        if let Some(kind) = kind.filter(|kind| !K::NAMES.contains(kind)) {
            return Err(Error::Pointless(format!("{kind} is no {own}: write its name alone")));
        }
        let found = self.api::<K>().get_opt(name).await;
        let found = found.map_err(|error| Error::Refused(said(&error)))?;
        found.ok_or_else(|| Error::NotFound {
            kind: own,
            name: name.to_owned(),
            namespace: self.namespace.clone(),
        })
    }

    /// Changes some fields and nothing else.
    async fn merge<K: Named>(&self, name: &str, change: &Value) -> Result<K, Error> {
        let (params, change) = (PatchParams::default(), Patch::Merge(change));
        let patched = self.api::<K>().patch(name, &params, &change).await;
        patched.map_err(|error| Error::Refused(said(&error)))
    }

    /// Who the API server says that this is.
    async fn user(&self) -> Result<UserInfo, Error> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let (params, mine) = (PostParams::default(), SelfSubjectReview::default());
        let review = reviews.create(&params, &mine).await;
        let review = review.map_err(|error| Error::Refused(said(&error)))?;
        Ok(review.status.and_then(|status| status.user_info).unwrap_or_default())
    }
}

/// Runs what needs a cluster; what can't be done ends with 1, and what there is no cluster for with 2.
fn perform(work: impl Future<Output = Result<ExitCode, Error>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Error::Io).and_then(|runtime| runtime.block_on(work));
    done.unwrap_or_else(|error| match error {
        Error::Cluster(_) | Error::Io(_) => refuse(&error),
        Error::NotFound { .. } | Error::Refused(_) | Error::Pointless(_) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    })
}

/// What stands in an annotation is a line.
fn line(text: &str) -> Result<String, String> {
    let is_line = !text.trim().is_empty() && text.chars().count() <= 500 && !text.chars().any(char::is_control);
    is_line
        .then(|| text.trim().to_owned())
        .ok_or_else(|| "write one line of 1 to 500 characters".to_owned())
}
