//! Where the commands for people find their objects: in a cluster as kubectl does, or in files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::DeserializeGuard;
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tower::timeout::TimeoutLayer;

use crate::api::task::AUTOMATION_LABEL;
use crate::api::{AgentAutomation, AgentPolicy, AgentTask};
use crate::github::TransportError;
use crate::observe::{self, Update};
use crate::plan::{ObjectKey, World};

use super::controller::API_TIMEOUT;
use super::manifest::{self, finding::Noticed};
use super::output::refuse;
use super::plan::world::{self, Objects};
use super::schedule::parse_time;
use super::table::{Color, Format};

/// The names that people have for the kinds, the whole one first.
pub const AUTOMATION: &[&str] = &["agentautomation", "aauto", "automation", "agentautomations"];
pub const TASK: &[&str] = &["agenttask", "atask", "task", "agenttasks"];

/// Which cluster, and where in it.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "connection")]
pub struct Connection {
    /// The kubeconfig file [default: KUBECONFIG, then ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The namespace [default: the context's].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

/// Which objects, and how they are printed.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "cluster")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
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
    /// Whether the objects are a cluster's, where a controller is at work.
    pub is_live: bool,
    /// Whether the policies could be read. Without them the planner would deny everything.
    pub knows_policies: bool,
}

/// Objects in one answer of a list.
const PAGE: u32 = 500;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no cluster: {}", what_to_name(.0))]
    Config(#[from] KubeconfigError),
    #[error("no client for the cluster: {0}")]
    Client(kube::Error),
    #[error("can't list {kind}: {}", said(.source))]
    List { kind: String, source: kube::Error },
    #[error("no client for GitHub: {0}")]
    GitHub(#[from] TransportError),
    #[error("{0}")]
    Files(#[from] manifest::ReadError),
    #[error("the files hold what can't be read, as told above, and without it nothing true can be said: correct it")]
    NotWhole,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Tells it, and gives the exit code: 1 for what is wrong with objects, 2 for what keeps a command from reading any.
    #[must_use]
    pub fn refuse(&self) -> ExitCode {
        let code = refuse(self);
        if matches!(self, Self::NotWhole) {
            return ExitCode::FAILURE;
        }
        code
    }
}

impl Connection {
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
}

impl Args {
    /// All that a cluster has, for who asks about one object of it.
    #[must_use]
    pub fn of(connection: Connection) -> Self {
        Self {
            connection,
            all_namespaces: false,
            filenames: Vec::new(),
            now: None,
            output: Format::Table,
            color: Color::Auto,
        }
    }

    /// Reads everything: what starts next depends on all namespaces.
    pub fn view(&self) -> Result<View, Error> {
        let now = self.now.unwrap_or_else(Timestamp::now);
        let is_live = self.filenames.is_empty();
        let (world, namespace, knows_policies) = if is_live {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(self.listed(now))?
        } else {
            let manifests = manifest::read(&self.filenames)?;
            let refused = manifests.findings.iter();
            let told = if manifests.is_whole { "note: " } else { "" };
            refused
                .filter(|finding| finding.noticed == Noticed::AtApply)
                .for_each(|finding| eprintln!("{told}{finding}"));
            if !manifests.is_whole {
                return Err(Error::NotWhole);
            }
            (world::build(manifests, now), self.connection.namespace.clone(), true)
        };
        Ok(View {
            world,
            now,
            namespace: namespace.filter(|_| !self.all_namespaces),
            is_live,
            knows_policies,
        })
    }

    /// A client, and the namespace that is asked for.
    pub async fn client(&self) -> Result<(Client, String), Error> {
        self.connection.client().await
    }

    /// The contexts that the kubeconfig has; none where it can't be read.
    #[must_use]
    pub fn contexts(&self) -> Vec<String> {
        let read = match &self.connection.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let contexts = read.map(|config| config.contexts).unwrap_or_default();
        contexts.into_iter().map(|context| context.name).collect()
    }

    async fn listed(&self, now: Timestamp) -> Result<(World, Option<String>, bool), Error> {
        let (client, namespace) = self.connection.client().await?;
        let fallback = Some(namespace.as_str()).filter(|_| !self.all_namespaces);
        let mut hidden = Hidden::default();
        let automations = listed_where_allowed::<AgentAutomation>(&client, fallback, &mut hidden).await?;
        let tasks = listed_where_allowed::<AgentTask>(&client, fallback, &mut hidden).await?;
        let policies = list(&Api::<DeserializeGuard<AgentPolicy>>::all(client.clone())).await;
        let policies = hidden.unless_forbidden(policies)?;
        let knows_policies = policies.is_some();
        let namespaces = list(&Api::<DeserializeGuard<Namespace>>::all(client)).await;
        let namespaces = hidden.unless_forbidden(namespaces)?;
        hidden.tell();
        let mut unreadable = Vec::new();
        let objects = Objects {
            automations: decoded(
                automations,
                |metadata| Some(Update::AutomationUnreadable(key_of(metadata))),
                &mut unreadable,
            ),
            tasks: decoded(tasks, |metadata| Some(unreadable_task(metadata)), &mut unreadable),
            policies: decoded(
                policies.unwrap_or_default(),
                |metadata| Some(Update::PolicyUnreadable(metadata.name.clone().unwrap_or_default())),
                &mut unreadable,
            ),
            namespaces: decoded(namespaces.unwrap_or_default(), |_| None, &mut unreadable)
                .into_iter()
                .map(|namespace: Namespace| (namespace.name_any(), namespace.labels().clone()))
                .collect(),
        };
        let mut world = world::assemble(objects, &BTreeMap::new(), now);
        for update in unreadable {
            observe::apply(&mut world, update);
        }
        Ok((world, Some(namespace), knows_policies))
    }
}

impl View {
    /// Whether an object's namespace is asked for.
    pub fn shows(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
    }

    /// Where that is, as the end of a sentence.
    pub fn whereabouts(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}; -A shows all namespaces"),
            None => "in any namespace".to_owned(),
        }
    }
}

/// An object as people name it: `NAME`, or `KIND/NAME` with one of the kind's names.
#[must_use]
pub fn split(wanted: &str) -> (Option<&str>, &str) {
    wanted
        .split_once('/')
        .map_or((None, wanted), |(kind, name)| (Some(kind), name))
}

/// What is said where nothing has the name that is asked for, and where else something has it.
#[must_use]
pub fn not_found<'a>(view: &View, what: &str, name: &str, elsewhere: impl Iterator<Item = &'a ObjectKey>) -> String {
    let elsewhere: Vec<_> = elsewhere.map(|key| format!("-n {}", key.namespace)).collect();
    let place = match &view.namespace {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "in any namespace".to_owned(),
    };
    let hint = if elsewhere.is_empty() {
        "kubectl get aauto,atask -A lists what there is".to_owned()
    } else {
        format!("there is one with {}", elsewhere.join(" and with "))
    };
    format!("there is no {what} {name} {place}: {hint}")
}

/// Kinds that somebody may not list, or not in all namespaces.
#[derive(Default)]
struct Hidden {
    elsewhere: Vec<String>,
    everywhere: Vec<String>,
}

impl Hidden {
    /// A team may not be allowed to see what the platform team wrote; statuses tell the rest.
    fn unless_forbidden<K>(
        &mut self,
        listed: Result<Vec<DeserializeGuard<K>>, Error>,
    ) -> Result<Option<Vec<DeserializeGuard<K>>>, Error>
    where
        K: Resource<DynamicType = ()>,
    {
        if is_forbidden(&listed) {
            self.everywhere.push(K::plural(&()).into_owned());
            return Ok(None);
        }
        listed.map(Some)
    }

    fn tell(&self) {
        if !self.elsewhere.is_empty() {
            let kinds = self.elsewhere.join(", ");
            eprintln!(
                "note: you may not list {kinds} of all namespaces: what others take of shared caps is not counted"
            );
        }
        if !self.everywhere.is_empty() {
            let kinds = self.everywhere.join(", ");
            eprintln!("note: you may not list {kinds}: what they decide is told as the controller wrote it");
        }
    }
}

/// Everything, or what is in the fallback namespace for who may not see everything.
async fn listed_where_allowed<K>(
    client: &Client,
    fallback: Option<&str>,
    hidden: &mut Hidden,
) -> Result<Vec<DeserializeGuard<K>>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let everything = list(&Api::<DeserializeGuard<K>>::all(client.clone())).await;
    let (Some(namespace), true) = (fallback, is_forbidden(&everything)) else {
        return everything;
    };
    hidden.elsewhere.push(K::plural(&()).into_owned());
    list(&Api::namespaced(client.clone(), namespace)).await
}

async fn list<K>(api: &Api<DeserializeGuard<K>>) -> Result<Vec<DeserializeGuard<K>>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut items = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let listed = api.list(&page).await.map_err(|source| Error::List {
            kind: K::plural(&()).into_owned(),
            source,
        })?;
        items.extend(listed.items);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(items),
        }
    }
}

fn is_forbidden<T>(listed: &Result<T, Error>) -> bool {
    matches!(listed, Err(Error::List { source: kube::Error::Api(status), .. }) if status.code == 403)
}

/// One that can't be decoded hides no other: it is told, and counts as it does for the controller.
fn decoded<K: Resource<DynamicType = ()>>(
    objects: Vec<DeserializeGuard<K>>,
    counts: impl Fn(&ObjectMeta) -> Option<Update>,
    unreadable: &mut Vec<Update>,
) -> Vec<K> {
    let mut good = Vec::new();
    for object in objects {
        match object.0 {
            Ok(object) => good.push(object),
            Err(invalid) => {
                let name = invalid.metadata.name.as_deref().unwrap_or_default();
                eprintln!("note: {} {name} can't be decoded: {}", K::kind(&()), invalid.error);
                unreadable.extend(counts(&invalid.metadata));
            }
        }
    }
    good
}

fn unreadable_task(metadata: &ObjectMeta) -> Update {
    let key = key_of(metadata);
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(AUTOMATION_LABEL));
    let automation = ObjectKey::new(key.namespace.clone(), label.cloned().unwrap_or_default());
    Update::TaskUnreadable(key, automation)
}

fn key_of(metadata: &ObjectMeta) -> ObjectKey {
    let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
    ObjectKey::new(namespace.unwrap_or_default(), name.unwrap_or_default())
}

/// What is wrong with a kubeconfig, in a line, with what to do about it.
fn what_to_name(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::LoadContext(name) => {
            format!("the kubeconfig has no context {name}: kubectl config get-contexts lists those that it has")
        }
        KubeconfigError::CurrentContextNotSet => {
            "the kubeconfig names no current context: name one with --context, or set it with kubectl config use-context"
                .to_owned()
        }
        error => {
            let said = error.to_string();
            let line = said.lines().next().unwrap_or_default();
            format!("{line}; set KUBECONFIG, or name a file with --kubeconfig")
        }
    }
}

/// What an API server said, or why it said nothing, with what to do about it.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => {
            "the cluster does not know them: install the definitions with kubectl apply -k deploy".to_owned()
        }
        kube::Error::Api(status) if status.code == 403 => {
            format!("{}: ask for that right", status.message)
        }
        kube::Error::Api(status) if status.code == 401 => {
            "the cluster does not accept your credentials: log in to it again".to_owned()
        }
        kube::Error::Api(status) => status.message.clone(),
        error => {
            let mut deepest: &dyn std::error::Error = error;
            while let Some(source) = deepest.source() {
                deepest = source;
            }
            format!("the cluster does not answer ({deepest}); see whether kubectl get namespaces reaches it")
        }
    }
}
