//! Validation of a custom resource against its structural schema, with the faults in the real API server's words.

use serde_json::Value;

use super::refusal::{Fault, FaultReason};
use super::schema::{Additional, Kind, ListType, Schema};

/// All that is wrong with `object`; empty when it is valid.
pub(super) fn faults(schema: &Schema, object: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    check(schema, object, "", &mut found);
    found
}

fn check(schema: &Schema, value: &Value, path: &str, found: &mut Vec<Fault>) {
    if value.is_null() && schema.nullable {
        return;
    }
    if !has_type(schema, value) {
        found.push(wrong_type(schema, value, path));
        if schema.kind == Some(Kind::Integer) && value.is_number() {
            found.push(wrong_integer(schema, path));
        }
        check_enum(schema, value, path, found);
        return;
    }
    check_enum(schema, value, path, found);
    match value {
        Value::String(text) => check_text(schema, text, path, found),
        Value::Number(number) => check_number(schema, number.as_f64().unwrap_or_default(), value, path, found),
        Value::Array(list) => check_list(schema, list, path, found),
        Value::Object(_) => check_object(schema, value, path, found),
        Value::Null | Value::Bool(_) => {}
    }
    check_combinations(schema, value, path, found);
}

fn has_type(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        return value.is_string() || is_integer(value);
    }
    match schema.kind {
        None => true,
        Some(Kind::Object) => value.is_object(),
        Some(Kind::Array) => value.is_array(),
        // The real API server takes any list for a text that has a format.
        Some(Kind::String) => value.is_string() || (value.is_array() && schema.format.is_some()),
        Some(Kind::Boolean) => value.is_boolean(),
        Some(Kind::Number) => value.is_number(),
        Some(Kind::Integer) => is_integer(value),
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn wrong_type(schema: &Schema, value: &Value, path: &str) -> Fault {
    let (expected, actual) = match schema.kind {
        _ if schema.int_or_string => ("integer,string", type_name(value)),
        Some(Kind::Object) => ("object", type_name(value)),
        Some(Kind::Array) => ("array", type_name(value)),
        Some(Kind::String) => ("string", type_name(value)),
        Some(Kind::Boolean) => ("boolean", type_name(value)),
        Some(Kind::Number) => ("number", type_name(value)),
        Some(Kind::Integer) if is_int32(schema) && value.is_number() => ("int32", "float64"),
        Some(Kind::Integer) | None => ("integer", type_name(value)),
    };
    let message = format!("Invalid value: \"{actual}\": {path} in body must be of type {expected}: \"{actual}\"");
    Fault::new(path, FaultReason::TypeInvalid, message)
}

/// The real API server's second complaint about a number that is no integer, or too large a one.
fn wrong_integer(schema: &Schema, path: &str) -> Fault {
    let format = if is_int32(schema) {
        "with format int32"
    } else {
        "(default format)"
    };
    let message = format!("Invalid value: \"\": Checked value must be of type integer {format} in {path}");
    Fault::new("<nil>", FaultReason::Invalid, message)
}

fn is_int32(schema: &Schema) -> bool {
    schema.format.as_deref() == Some("int32")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_enum(schema: &Schema, value: &Value, path: &str, found: &mut Vec<Fault>) {
    if schema.allowed.is_empty() || schema.allowed.contains(value) {
        return;
    }
    let allowed: Vec<String> = schema.allowed.iter().map(Value::to_string).collect();
    let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
    found.push(Fault::new(path, FaultReason::NotSupported, message));
}

fn check_text(schema: &Schema, text: &str, path: &str, found: &mut Vec<Fault>) {
    let value = Value::from(text);
    let length = text.chars().count() as u64;
    if let Some(limit) = schema.max_length.filter(|limit| length > *limit) {
        let message = format!("Too long: may not be more than {limit} bytes");
        found.push(Fault::new(path, FaultReason::TooLong, message));
    }
    if let Some(limit) = schema.min_length.filter(|limit| length < *limit) {
        let hint = format!("{path} in body should be at least {limit} chars long");
        found.push(Fault::invalid(path, &value, &hint));
    }
    if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.0.is_match(text)) {
        let hint = format!("{path} in body should match '{}'", pattern.0);
        found.push(Fault::invalid(path, &value, &hint));
    }
    if schema.format.as_deref() == Some("date-time") && text.parse::<jiff::Timestamp>().is_err() {
        let message = format!("Invalid value: {value}: {path} in body must be of type date-time: {value}");
        found.push(Fault::new(path, FaultReason::TypeInvalid, message));
    }
}

fn check_number(schema: &Schema, number: f64, value: &Value, path: &str, found: &mut Vec<Fault>) {
    if is_int32(schema) && !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) {
        found.push(wrong_integer(schema, path));
    }
    let mut refuse = |hint: String| found.push(Fault::invalid(path, value, &format!("{path} in body {hint}")));
    if let Some(limit) = schema.minimum {
        if schema.exclusive_minimum && number <= limit {
            refuse(format!("should be greater than {limit}"));
        } else if !schema.exclusive_minimum && number < limit {
            refuse(format!("should be greater than or equal to {limit}"));
        }
    }
    if let Some(limit) = schema.maximum {
        if schema.exclusive_maximum && number >= limit {
            refuse(format!("should be less than {limit}"));
        } else if !schema.exclusive_maximum && number > limit {
            refuse(format!("should be less than or equal to {limit}"));
        }
    }
    if let Some(step) = schema.multiple_of.filter(|step| (number / step).fract() != 0.0) {
        refuse(format!("should be a multiple of {step}"));
    }
}

fn check_list(schema: &Schema, list: &[Value], path: &str, found: &mut Vec<Fault>) {
    let length = list.len() as u64;
    if let Some(limit) = schema.max_items.filter(|limit| length > *limit) {
        found.push(too_many(path, length, limit));
    }
    if let Some(limit) = schema.min_items.filter(|limit| length < *limit) {
        let hint = format!("{path} in body should have at least {limit} items");
        found.push(Fault::invalid(path, &Value::from(length), &hint));
    }
    if let Some(items) = &schema.items {
        for (index, item) in list.iter().enumerate() {
            check(items, item, &format!("{path}[{index}]"), found);
        }
    }
    check_duplicates(schema, list, path, found);
}

fn check_duplicates(schema: &Schema, list: &[Value], path: &str, found: &mut Vec<Fault>) {
    let identity = |item: &Value| -> Value {
        match schema.list_type {
            Some(ListType::Map) => schema
                .list_map_keys
                .iter()
                .map(|key| (key.clone(), item[key].clone()))
                .collect(),
            Some(ListType::Set | ListType::Atomic) | None => item.clone(),
        }
    };
    let unique = schema.unique_items || matches!(schema.list_type, Some(ListType::Set | ListType::Map));
    if !unique {
        return;
    }
    let identities: Vec<Value> = list.iter().map(identity).collect();
    for (index, identity) in identities.iter().enumerate() {
        if identities[..index].contains(identity) {
            let message = format!("Duplicate value: {identity}");
            found.push(Fault::new(&format!("{path}[{index}]"), FaultReason::Duplicate, message));
        }
    }
}

fn too_many(path: &str, length: u64, limit: u64) -> Fault {
    let noun = if limit == 1 { "item" } else { "items" };
    let message = format!("Too many: {length}: must have at most {limit} {noun}");
    Fault::new(path, FaultReason::TooMany, message)
}

fn check_object(schema: &Schema, object: &Value, path: &str, found: &mut Vec<Fault>) {
    let Value::Object(map) = object else { return };
    let length = map.len() as u64;
    if let Some(limit) = schema.max_properties.filter(|limit| length > *limit) {
        found.push(too_many(path, length, limit));
    }
    if let Some(limit) = schema.min_properties.filter(|limit| length < *limit) {
        let hint = format!("{path} in body should have at least {limit} properties");
        found.push(Fault::invalid(path, &Value::from(length), &hint));
    }
    for field in schema.required.iter().filter(|field| !map.contains_key(*field)) {
        found.push(Fault::required(&join(path, field), ""));
    }
    for (field, value) in map {
        let child = schema.properties.get(field).or(match &schema.additional_properties {
            Some(Additional::Schema(schema)) => Some(schema),
            Some(Additional::Any(_)) | None => None,
        });
        if let Some(child) = child {
            check(child, value, &join(path, field), found);
        }
    }
}

fn check_combinations(schema: &Schema, value: &Value, path: &str, found: &mut Vec<Fault>) {
    for part in &schema.all_of {
        check(part, value, path, found);
    }
    let matching = |parts: &[Schema]| parts.iter().filter(|part| is_valid(part, value)).count();
    let mut refuse = |hint: &str| found.push(Fault::invalid(path, value, &format!("{path} in body {hint}")));
    if !schema.any_of.is_empty() && matching(&schema.any_of) == 0 {
        refuse("must validate at least one schema (anyOf)");
    }
    if !schema.one_of.is_empty() && matching(&schema.one_of) != 1 {
        refuse("must validate one and only one schema (oneOf)");
    }
    if schema.not.as_deref().is_some_and(|part| is_valid(part, value)) {
        refuse("must not validate the schema (not)");
    }
}

fn is_valid(schema: &Schema, value: &Value) -> bool {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found.is_empty()
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}
