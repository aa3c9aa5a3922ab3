//! Where the commands for people find their objects: in a cluster as kubectl does, or in files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tower::timeout::TimeoutLayer;

use crate::plan::World;

use super::controller::API_TIMEOUT;
use super::manifest;
use super::plan::world::{self, Objects};
use super::schedule::parse_time;
use super::table::{Color, Format};

/// Which objects, and how they are printed.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "cluster")]
pub struct Args {
    /// The kubeconfig file [default: KUBECONFIG, then ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The namespace [default: the context's].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Read objects from files, as `kubectl get aauto,atask,apolicy -A -o yaml` writes them, instead of a cluster; `-` is
    /// standard input.
    #[arg(short, long = "filename", num_args = 1.., value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"])]
    filenames: Vec<PathBuf>,
    /// The time to decide for, as in 2026-03-30T06:00:00+02:00 [default: the clock's].
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    now: Option<Timestamp>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// When to use colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// Objects, the time, and which of them are asked for.
pub struct View {
    pub world: World,
    pub now: Timestamp,
    /// `None` means all.
    pub namespace: Option<String>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no cluster: {0}; set KUBECONFIG, or name a file with --kubeconfig")]
    Config(#[from] kube::config::KubeconfigError),
    #[error("no client for the cluster: {0}")]
    Client(kube::Error),
    #[error("can't list {kind}: {source}; check that the definitions are installed and that you may list them")]
    List { kind: String, source: kube::Error },
    #[error("{0}")]
    Files(#[from] manifest::ReadError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Args {
    /// Reads everything: what starts next depends on all namespaces.
    pub fn view(&self) -> Result<View, Error> {
        let now = self.now.unwrap_or_else(Timestamp::now);
        let (world, namespace) = if self.filenames.is_empty() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.listed(now))?
        } else {
            let world = world::build(manifest::read(&self.filenames)?, now);
            (world, self.namespace.clone())
        };
        let namespace = namespace.filter(|_| !self.all_namespaces);
        Ok(View { world, now, namespace })
    }

    /// A client that repeats nothing and waits for nothing for ever, and the namespace that is asked for.
    pub async fn client(&self) -> Result<(Client, String), Error> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = match &self.kubeconfig {
            Some(path) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?,
            None => Config::from_kubeconfig(&options).await?,
        };
        config.default_retry = false;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let builder = ClientBuilder::try_from(config).map_err(Error::Client)?;
        Ok((builder.with_layer(&TimeoutLayer::new(API_TIMEOUT)).build(), namespace))
    }

    async fn listed(&self, now: Timestamp) -> Result<(World, Option<String>), Error> {
        let (client, namespace) = self.client().await?;
        let objects = Objects {
            automations: list(&client).await?,
            tasks: list(&client).await?,
            policies: unless_forbidden(list(&client).await)?,
            namespaces: unless_forbidden(list::<Namespace>(&client).await)?
                .into_iter()
                .map(|namespace| (namespace.name_any(), namespace.labels().clone()))
                .collect(),
        };
        Ok((world::assemble(objects, &BTreeMap::new(), now), Some(namespace)))
    }
}

impl View {
    /// Whether an object's namespace is asked for.
    pub fn shows(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
    }
}

async fn list<K>(client: &Client) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let listed = Api::<K>::all(client.clone()).list(&ListParams::default()).await;
    let kind = K::plural(&()).into_owned();
    listed
        .map(|list| list.items)
        .map_err(|source| Error::List { kind, source })
}

/// A team may not be allowed to see what the platform team wrote; that is told, and what is written in statuses stays.
fn unless_forbidden<T>(listed: Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    match listed {
        Err(Error::List {
            kind,
            source: kube::Error::Api(status),
        }) if status.code == 403 => {
            eprintln!(
                "note: you may not list {kind}, so decisions that depend on them may differ from the controller's"
            );
            Ok(Vec::new())
        }
        listed => listed,
    }
}
