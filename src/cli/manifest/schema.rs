//! A kind's schema, applied as the API server applies it: unknown fields are told, nulls and defaults settled, and then
//! values checked.
//!
//! Kubernetes' structural schemas are a small part of JSON Schema with rules of their own (`nullable`, list types,
//! defaults), so a walker over the generated definitions fits better than a validator of the whole of JSON Schema. It
//! knows the keywords that this project's kinds use; a test fails when they come to use another.

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::{Map, Value};

use crate::api::interval;

use super::finding::Fault;
use super::path::Path;

/// Fields that the schema does not know.
pub fn unknown_fields(schema: &JSONSchemaProps, value: &Value, path: &Path, found: &mut Vec<Fault>) {
    for (child_path, child, child_schema) in children(schema, value, path) {
        match child_schema {
            Some(child_schema) => unknown_fields(child_schema, child, &child_path, found),
            None => found.push(Fault::new(&child_path, no_such_field(schema))),
        }
    }
}

/// Nulls that nothing allows go, and defaults come in.
pub fn shape(schema: &JSONSchemaProps, value: &mut Value) {
    match value {
        Value::Object(map) => shape_map(schema, map),
        Value::Array(items) => {
            if let Some(schema) = items_of(schema) {
                for item in items {
                    shape(schema, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Everything that is wrong with a value that has its [shape](shape).
pub fn check(schema: &JSONSchemaProps, value: &Value, path: &Path, found: &mut Vec<Fault>) {
    if value.is_null() && schema.nullable == Some(true) {
        return;
    }
    if let Some(message) = wrong_type(schema, value) {
        found.push(Fault::new(path, message));
        return;
    }
    let mut refuse = |message: String| found.push(Fault::new(path, message));
    not_allowed(schema, value).into_iter().for_each(&mut refuse);
    match value {
        Value::String(text) => wrong_text(schema, text).into_iter().for_each(&mut refuse),
        Value::Number(number) => wrong_number(schema, number.as_f64().unwrap_or_default())
            .into_iter()
            .for_each(&mut refuse),
        Value::Array(items) => wrong_length(schema, items.len()).into_iter().for_each(&mut refuse),
        Value::Object(map) => {
            too_many(schema, map.len()).into_iter().for_each(&mut refuse);
            missing(schema, map, path, found);
        }
        Value::Null | Value::Bool(_) => {}
    }
    if let Value::Array(items) = value {
        duplicates(schema, items, path, found);
    }
    for (child_path, child, child_schema) in children(schema, value, path) {
        if let Some(child_schema) = child_schema {
            check(child_schema, child, &child_path, found);
        }
    }
}

type Child<'a> = (Path, &'a Value, Option<&'a JSONSchemaProps>);

fn children<'a>(schema: &'a JSONSchemaProps, value: &'a Value, path: &Path) -> Vec<Child<'a>> {
    match value {
        Value::Object(map) => {
            let fields = map.iter();
            fields
                .map(|(name, value)| (path.field(name), value, field_of(schema, name)))
                .collect()
        }
        Value::Array(items) => {
            let known = items.iter().enumerate().filter(|_| items_of(schema).is_some());
            known
                .map(|(index, item)| (path.item(index), item, items_of(schema)))
                .collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn field_of<'a>(schema: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    let declared = schema.properties.as_ref().and_then(|fields| fields.get(name));
    declared.or(match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(schema),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => None,
    })
}

fn items_of(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(schema)) => Some(schema),
        Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
    }
}

fn no_such_field(schema: &JSONSchemaProps) -> String {
    let known: Vec<_> = schema
        .properties
        .iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    format!("there is no such field; here are {}", known.join(", "))
}

fn shape_map(schema: &JSONSchemaProps, map: &mut Map<String, Value>) {
    map.retain(|name, value| {
        !value.is_null() || field_of(schema, name).is_none_or(|schema| schema.nullable == Some(true))
    });
    for (name, schema) in schema.properties.iter().flatten() {
        if let Some(default) = schema.default.as_ref().filter(|_| !map.contains_key(name)) {
            map.insert(name.clone(), default.0.clone());
        }
    }
    for (name, value) in map {
        if let Some(schema) = field_of(schema, name) {
            shape(schema, value);
        }
    }
}

fn wrong_type(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let (fits, wanted) = match schema.type_.as_deref()? {
        "object" => (value.is_object(), "fields of its own (a mapping)"),
        "array" => (value.is_array(), "a list"),
        "string" => (value.is_string(), "text"),
        "boolean" => (value.is_boolean(), "true or false"),
        "integer" => (value.is_i64() || value.is_u64(), "a whole number"),
        _ => (value.is_number(), "a number"),
    };
    let advice = match value {
        Value::Bool(_) | Value::Number(_) if wanted == "text" => ": put it in quotes",
        Value::String(text) if text.parse::<i64>().is_ok() || matches!(text.as_str(), "true" | "false") => {
            ": take it out of its quotes"
        }
        _ => "",
    };
    (!fits).then(|| format!("must be {wanted}, not {}{advice}", describe(value)))
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
    }
}

fn not_allowed(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let allowed: Vec<_> = schema.enum_.as_ref()?.iter().map(|allowed| &allowed.0).collect();
    if allowed.contains(&value) {
        return None;
    }
    let names: Vec<_> = allowed.into_iter().filter_map(Value::as_str).collect();
    Some(format!("must be {}, not {value}", names.join(" or ")))
}

fn wrong_text(schema: &JSONSchemaProps, text: &str) -> Vec<String> {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let too_short = schema.min_length.filter(|limit| length < *limit);
    let too_long = schema.max_length.filter(|limit| length > *limit);
    let pattern = schema.pattern.as_ref().filter(|pattern| !matches(pattern, text));
    let is_time = schema.format.as_deref() != Some("date-time") || text.parse::<Timestamp>().is_ok();
    [
        too_short.map(|limit| {
            if limit == 1 {
                "must not be empty".to_owned()
            } else {
                format!("must have at least {limit} characters")
            }
        }),
        too_long.map(|limit| format!("must have at most {limit} characters, and has {length}")),
        pattern.map(|pattern| unlike(pattern, text)),
        (!is_time).then(|| format!("{text:?} must be a time such as 2026-03-30T06:00:00Z")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn unlike(pattern: &str, text: &str) -> String {
    if pattern == interval::PATTERN {
        return format!("{text:?} must be a span of time, as in 90s, 30m, 1h30m or 7d");
    }
    format!("{text:?} must match {pattern}")
}

/// Patterns are searched for, not anchored. One that can't be read is a defect of the schema and refuses everything.
fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn wrong_number(schema: &JSONSchemaProps, number: f64) -> Option<String> {
    let is_small =
        schema.format.as_deref() != Some("int32") || (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    let low = schema.minimum.filter(|limit| number < *limit);
    let high = schema.maximum.filter(|limit| number > *limit);
    low.map(|limit| format!("must be at least {limit}, not {number}"))
        .or_else(|| high.map(|limit| format!("must be at most {limit}, not {number}")))
        .or_else(|| (!is_small).then(|| format!("{number} is out of range")))
}

fn too_many(schema: &JSONSchemaProps, count: usize) -> Option<String> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let most = schema.max_properties.filter(|most| count > *most)?;
    Some(format!("must have at most {most} fields, and has {count}"))
}

fn wrong_length(schema: &JSONSchemaProps, length: usize) -> Option<String> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let low = schema.min_items.filter(|limit| length < *limit);
    let high = schema.max_items.filter(|limit| length > *limit);
    low.map(|limit| format!("must have at least {limit} of them, and has {length}"))
        .or_else(|| high.map(|limit| format!("must have at most {limit} of them, and has {length}")))
}

fn missing(schema: &JSONSchemaProps, map: &Map<String, Value>, path: &Path, found: &mut Vec<Fault>) {
    let required = schema.required.iter().flatten();
    let absent = required.filter(|name| !map.contains_key(*name));
    found.extend(absent.map(|name| Fault::new(&path.field(name), "is missing: add it")));
}

fn duplicates(schema: &JSONSchemaProps, items: &[Value], path: &Path, found: &mut Vec<Fault>) {
    let keys = schema.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
    let identity = |item: &Value| match schema.x_kubernetes_list_type.as_deref() {
        Some("map") => Some(
            keys.iter()
                .map(|key| item.get(key).cloned().unwrap_or_default())
                .collect(),
        ),
        Some("set") => Some(vec![item.clone()]),
        _ => None,
    };
    let identities: Vec<Option<Vec<Value>>> = items.iter().map(identity).collect();
    for (index, identity) in identities.iter().enumerate().filter(|(_, identity)| identity.is_some()) {
        if identities[..index].contains(identity) {
            let item = path.item(index);
            let place = keys.first().map_or_else(|| item.clone(), |key| item.field(key));
            let value = identity
                .iter()
                .flatten()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            found.push(Fault::new(
                &place,
                format!("{value} is there twice: each must be unique"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    /// What [`check`] and [`shape`] know, and what decides nothing.
    const KNOWN: &[&str] = &[
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ];
    const FORMATS: &[&str] = &["date-time", "int32", "int64"];

    fn strangers(schema: &Value, found: &mut Vec<String>) {
        let Value::Object(map) = schema else { return };
        found.extend(map.keys().filter(|key| !KNOWN.contains(&key.as_str())).cloned());
        found.extend(
            map.get("format")
                .and_then(Value::as_str)
                .filter(|format| !FORMATS.contains(format))
                .map(str::to_owned),
        );
        for child in map
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values)
        {
            strangers(child, found);
        }
        for key in ["items", "additionalProperties"] {
            map.get(key).into_iter().for_each(|child| strangers(child, found));
        }
    }

    #[test]
    fn the_kinds_use_no_keyword_that_goes_unchecked() {
        for definition in api::definitions() {
            let schema = definition
                .spec
                .versions
                .into_iter()
                .next()
                .and_then(|version| version.schema)
                .unwrap();
            let mut found = Vec::new();
            strangers(
                &serde_json::to_value(schema.open_api_v3_schema.unwrap()).unwrap(),
                &mut found,
            );
            assert_eq!(found, Vec::<String>::new(), "{}", definition.spec.names.kind);
        }
    }
}
