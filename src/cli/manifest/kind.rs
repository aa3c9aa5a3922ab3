//! The kinds, with all the rules that come with their definitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::CustomResourceExt;
use kube::core::cel::Validator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::api::{AgentAutomation, AgentPolicy, AgentTask, WebhookSource};

use super::finding::Fault;
use super::path::Path;
use super::{metadata, schema};

/// One of this project's kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Automation,
    Task,
    Policy,
    Source,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Automation, Self::Task, Self::Policy, Self::Source];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automation => "AgentAutomation",
            Self::Task => "AgentTask",
            Self::Policy => "AgentPolicy",
            Self::Source => "WebhookSource",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    #[must_use]
    pub fn is_namespaced(self) -> bool {
        match self {
            Self::Automation | Self::Task | Self::Source => true,
            Self::Policy => false,
        }
    }

    fn definition(self) -> CustomResourceDefinition {
        match self {
            Self::Automation => AgentAutomation::crd(),
            Self::Task => AgentTask::crd(),
            Self::Policy => AgentPolicy::crd(),
            Self::Source => WebhookSource::crd(),
        }
    }
}

/// What the API server checks of one kind.
#[derive(Debug)]
pub struct Rules {
    kind: Kind,
    schema: JSONSchemaProps,
    validator: Validator,
    cel: Value,
}

/// An object as the API server would store it, and what it would say of it.
#[derive(Debug)]
pub struct Shaped {
    pub value: Value,
    pub faults: Vec<Fault>,
}

impl Rules {
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let mut versions = kind.definition().spec.versions.into_iter();
        let schema = versions
            .find_map(|version| version.schema?.open_api_v3_schema)
            .unwrap_or_default();
        Self {
            kind,
            cel: serde_json::to_value(&schema).unwrap_or_default(),
            schema: with_metadata(schema),
            validator: Validator::new(),
        }
    }

    /// Applies everything to an object; `before` is the object of the same name that it replaces.
    #[must_use]
    pub fn apply(&self, mut value: Value, before: Option<&Value>) -> Shaped {
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            // The API server's own records of who wrote what; nobody writes them by hand.
            metadata.remove("managedFields");
        }
        let (top, mut unknown, mut faults) = (Path::default(), Vec::new(), Vec::new());
        schema::unknown_fields(&self.schema, &value, &top, &mut unknown);
        schema::shape(&self.schema, &mut value);
        schema::check(&self.schema, &value, &top, &mut faults);
        if value.get("metadata").is_none_or(Value::is_object) {
            metadata::check(&value, self.kind.is_namespaced(), &mut faults);
        }
        if faults.is_empty() {
            faults = self.broken_rules(&value, before);
        }
        faults.append(&mut unknown);
        Shaped { value, faults }
    }

    /// The API server evaluates the rules of an object whose schema is satisfied, and so are they here.
    fn broken_rules(&self, value: &Value, before: Option<&Value>) -> Vec<Fault> {
        let mut value = value.clone();
        if let (None, Some(base)) = (
            value["metadata"]["name"].as_str(),
            value["metadata"]["generateName"].as_str(),
        ) {
            value["metadata"]["name"] = metadata::generated(base).into();
        }
        let broken = self.validator.validate(&self.cel, &value, before).err();
        let broken = broken
            .map(kube::core::cel::ValidationErrors::into_vec)
            .unwrap_or_default();
        let place = |path: String, rule: &str| match path.as_str() {
            "" if rule.contains("self.metadata.name") => "metadata.name".to_owned(),
            _ => path,
        };
        broken
            .into_iter()
            .map(|error| Fault::new(&Path::parse(&place(error.field_path, &error.rule)), error.message))
            .collect()
    }
}

/// A kind's schema says nothing of what all kinds have.
fn with_metadata(mut schema: JSONSchemaProps) -> JSONSchemaProps {
    let generator = SchemaSettings::openapi3()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let metadata = serde_json::to_value(generator.into_root_schema_for::<ObjectMeta>()).unwrap_or_default();
    let text = JSONSchemaProps {
        type_: Some("string".to_owned()),
        ..JSONSchemaProps::default()
    };
    let fields = schema.properties.get_or_insert_default();
    fields.insert("apiVersion".to_owned(), text.clone());
    fields.insert("kind".to_owned(), text);
    fields.insert(
        "metadata".to_owned(),
        serde_json::from_value(metadata).unwrap_or_default(),
    );
    schema
}
