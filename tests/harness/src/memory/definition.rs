//! What the server knows about each kind it serves: its names, scope, subresources and behaviour.
//!
//! A definition is made once, from a `CustomResourceDefinition` or built in, and shared by any number of servers.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Deserialize;
use serde_json::Value;

use super::schema::Schema;

/// Why a definition could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("the CustomResourceDefinition serves no version; set served: true on one")]
    NoVersion,
    #[error("the CustomResourceDefinition cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Group, version and plural name: how a kind is addressed. The core group is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceKey {
    pub group: String,
    pub version: String,
    pub plural: String,
}

/// One kind that a server serves.
#[derive(Debug)]
pub struct Definition {
    pub key: ResourceKey,
    pub kind: String,
    pub(super) list_kind: String,
    pub(super) scope: Scope,
    pub(super) has_status: bool,
    /// Dotted paths that field selectors may name, besides `metadata.name` and `metadata.namespace`.
    pub(super) selectable: Vec<String>,
    pub(super) behaviour: Behaviour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Scope {
    Namespaced,
    Cluster,
}

#[derive(Debug)]
pub(super) enum Behaviour {
    Custom(Box<Schema>),
    CustomResourceDefinition,
    Event,
    Lease,
    Namespace,
    Secret,
}

impl Definition {
    /// Reads a `CustomResourceDefinition`; of several served versions only the stored one is served here.
    pub fn from_crd(crd: &CustomResourceDefinition) -> Result<Arc<Self>, DefinitionError> {
        Self::from_value(&serde_json::to_value(crd)?)
    }

    pub(super) fn from_value(crd: &Value) -> Result<Arc<Self>, DefinitionError> {
        let spec = Spec::deserialize(&crd["spec"])?;
        let version = spec
            .versions
            .into_iter()
            .find(|version| version.served && version.storage);
        let version = version.ok_or(DefinitionError::NoVersion)?;
        let paths = version.selectable_fields.into_iter();
        Ok(Arc::new(Self {
            key: ResourceKey {
                group: spec.group,
                version: version.name,
                plural: spec.names.plural,
            },
            list_kind: spec
                .names
                .list_kind
                .unwrap_or_else(|| format!("{}List", spec.names.kind)),
            kind: spec.names.kind,
            scope: spec.scope,
            has_status: version.subresources.status.is_some(),
            selectable: paths.map(|f| f.json_path.trim_start_matches('.').to_owned()).collect(),
            behaviour: Behaviour::Custom(version.schema.open_api_v3_schema),
        }))
    }

    /// The kinds that every server has.
    pub(super) fn built_in() -> Vec<Arc<Self>> {
        use Behaviour as B;
        use Scope::{Cluster, Namespaced};
        let crds = "customresourcedefinitions";
        vec![
            built_in("", "secrets", "Secret", Namespaced, &["type"], B::Secret),
            built_in("", "namespaces", "Namespace", Cluster, &["status.phase"], B::Namespace),
            built_in("coordination.k8s.io", "leases", "Lease", Namespaced, &[], B::Lease),
            built_in(
                "events.k8s.io",
                "events",
                "Event",
                Namespaced,
                &["reason", "type"],
                B::Event,
            ),
            built_in(
                "apiextensions.k8s.io",
                crds,
                "CustomResourceDefinition",
                Cluster,
                &[],
                B::CustomResourceDefinition,
            ),
        ]
    }

    pub(super) fn api_version(&self) -> String {
        match self.key.group.as_str() {
            "" => self.key.version.clone(),
            group => format!("{group}/{}", self.key.version),
        }
    }

    /// `widgets.example.dev`
    pub(super) fn qualified_plural(&self) -> String {
        self.qualify(&self.key.plural)
    }

    /// `name.example.dev`
    pub(super) fn qualify(&self, name: &str) -> String {
        match self.key.group.as_str() {
            "" => name.to_owned(),
            group => format!("{name}.{group}"),
        }
    }

    pub(super) fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    pub(super) fn is_custom(&self) -> bool {
        matches!(self.behaviour, Behaviour::Custom(_))
    }

    /// Whether a PUT without `resourceVersion` overwrites.
    pub(super) fn allows_unconditional_update(&self) -> bool {
        match self.behaviour {
            Behaviour::Custom(_) | Behaviour::CustomResourceDefinition | Behaviour::Lease => false,
            Behaviour::Event | Behaviour::Namespace | Behaviour::Secret => true,
        }
    }

    /// Whether a PUT to a name that does not exist creates it.
    pub(super) fn allows_create_on_update(&self) -> bool {
        match self.behaviour {
            Behaviour::Event | Behaviour::Lease => true,
            Behaviour::Custom(_) | Behaviour::CustomResourceDefinition | Behaviour::Namespace | Behaviour::Secret => {
                false
            }
        }
    }
}

fn built_in(
    group: &str,
    plural: &str,
    kind: &str,
    scope: Scope,
    selectable: &[&str],
    behaviour: Behaviour,
) -> Arc<Definition> {
    Arc::new(Definition {
        key: ResourceKey {
            group: group.to_owned(),
            version: "v1".to_owned(),
            plural: plural.to_owned(),
        },
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        scope,
        has_status: false,
        selectable: selectable.iter().map(|&path| path.to_owned()).collect(),
        behaviour,
    })
}

#[derive(Deserialize)]
struct Spec {
    group: String,
    scope: Scope,
    names: Names,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    plural: String,
    kind: String,
    list_kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    name: String,
    served: bool,
    storage: bool,
    schema: VersionSchema,
    #[serde(default)]
    subresources: Subresources,
    #[serde(default)]
    selectable_fields: Vec<SelectableField>,
}

#[derive(Deserialize)]
struct VersionSchema {
    #[serde(rename = "openAPIV3Schema")]
    open_api_v3_schema: Box<Schema>,
}

#[derive(Default, Deserialize)]
struct Subresources {
    status: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SelectableField {
    json_path: String,
}
