//! Structural schemas: the part of `openAPIV3Schema` that decides what the API server stores.
//!
//! A custom resource's schema is read once into [`Schema`]. `shape` prunes unknown fields and fills in defaults;
//! validation is in [`super::validate`]. CEL rules are not evaluated here: the real API server is asked about those.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the schema's own words")]
pub(super) struct Schema {
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    pub nullable: bool,
    #[serde(deserialize_with = "present")]
    pub default: Option<Value>,
    pub properties: BTreeMap<String, Schema>,
    pub additional_properties: Option<Additional>,
    pub items: Option<Box<Schema>>,
    pub required: Vec<String>,
    #[serde(rename = "enum")]
    pub allowed: Vec<Value>,
    pub pattern: Option<Pattern>,
    pub format: Option<String>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub exclusive_minimum: bool,
    pub exclusive_maximum: bool,
    pub multiple_of: Option<f64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub unique_items: bool,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    pub all_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub not: Option<Box<Schema>>,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub preserve_unknown: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub int_or_string: bool,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub embedded: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    pub list_type: Option<ListType>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub list_map_keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListType {
    Atomic,
    Set,
    Map,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Additional {
    Any(bool),
    Schema(Box<Schema>),
}

/// A pattern is searched for, not anchored.
#[derive(Debug)]
pub(super) struct Pattern(pub Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Regex::new(&text).map(Self).map_err(D::Error::custom)
    }
}

/// `default: null` is a default, and not the same as none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Schema {
    /// What the API server makes of a whole object before it looks at it: unknown fields go, nulls that nothing
    /// allows go, defaults come.
    pub fn shape(&self, object: &mut Value) {
        self.prune(object, true);
        self.fill_defaults(object);
        self.drop_nulls(object);
    }

    fn child(&self, field: &str) -> Option<&Self> {
        self.properties.get(field).or(match &self.additional_properties {
            Some(Additional::Schema(schema)) => Some(schema),
            Some(Additional::Any(_)) | None => None,
        })
    }

    fn keeps_unknown(&self) -> bool {
        self.preserve_unknown || matches!(self.additional_properties, Some(Additional::Any(true)))
    }

    fn prune(&self, value: &mut Value, is_resource: bool) {
        match value {
            Value::Object(map) => self.prune_map(map, is_resource),
            Value::Array(list) => {
                if let Some(items) = &self.items {
                    for item in list {
                        items.prune(item, items.embedded);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn prune_map(&self, map: &mut Map<String, Value>, is_resource: bool) {
        map.retain(|field, value| {
            if is_resource && matches!(field.as_str(), "apiVersion" | "kind" | "metadata") {
                return true;
            }
            match self.child(field) {
                Some(schema) => {
                    schema.prune(value, schema.embedded);
                    true
                }
                None => self.keeps_unknown(),
            }
        });
    }

    fn fill_defaults(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (field, schema) in &self.properties {
                    if let Some(default) = &schema.default
                        && map.get(field).is_none_or(|found| schema.refuses_null(found))
                    {
                        map.insert(field.clone(), default.clone());
                    }
                }
                for (field, value) in map.iter_mut() {
                    if let Some(schema) = self.child(field) {
                        schema.fill_in_place(value);
                    }
                }
            }
            Value::Array(list) => {
                if let Some(items) = &self.items {
                    for item in list {
                        items.fill_in_place(item);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn fill_in_place(&self, value: &mut Value) {
        if let Some(default) = &self.default
            && self.refuses_null(value)
        {
            *value = default.clone();
        }
        self.fill_defaults(value);
    }

    fn refuses_null(&self, value: &Value) -> bool {
        value.is_null() && !self.nullable
    }

    fn drop_nulls(&self, value: &mut Value) {
        match value {
            Value::Object(map) => map.retain(|field, value| match self.child(field) {
                Some(schema) if schema.refuses_null(value) => false,
                Some(schema) => {
                    schema.drop_nulls(value);
                    true
                }
                None => true,
            }),
            Value::Array(list) => {
                if let Some(items) = &self.items {
                    for item in list {
                        items.drop_nulls(item);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
