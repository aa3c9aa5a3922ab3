//! What a kind's schema says of each field of its spec: where it is, whether it may be left out, which values are at its
//! bounds, and which are beyond.

use agent_automation::api::definitions;
use serde_json::{Value, json};

/// A field of a spec.
#[derive(Debug)]
pub struct Field {
    /// Below `spec`, with `[]` for the first item of a list.
    pub path: String,
    schema: Value,
    pub is_required: bool,
}

/// Every field of a kind's spec, objects and lists included; of a list of objects also the fields of its items.
pub fn fields(kind: &str) -> Vec<Field> {
    let definition = definitions()
        .into_iter()
        .find(|definition| definition.spec.names.kind == kind)
        .unwrap();
    let definition = serde_json::to_value(definition).unwrap();
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut fields = Vec::new();
    collect("", spec, &mut fields);
    fields
}

fn collect(above: &str, schema: &Value, fields: &mut Vec<Field>) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        fields.push(Field {
            path: path.clone(),
            schema: schema.clone(),
            is_required: required.contains(&json!(name)),
        });
        collect(&path, schema, fields);
        collect(&format!("{path}[]"), &schema["items"], fields);
    }
}

impl Field {
    /// Where it is in a spec, as a JSON pointer.
    pub fn pointer(&self) -> String {
        format!("/{}", self.path.replace("[]", ".0").replace('.', "/"))
    }

    /// The field as the API server names it.
    pub fn told_as(&self) -> String {
        format!("spec.{}", self.path.replace("[]", "[0]"))
    }

    pub fn is_nullable(&self) -> bool {
        self.schema["nullable"] == json!(true)
    }

    /// Values at its bounds, as far as the schema alone can tell.
    pub fn good(&self) -> Vec<Value> {
        good(&self.schema)
    }

    /// Values beyond its bounds and of another type.
    pub fn bad(&self) -> Vec<Value> {
        bad(&self.schema)
    }
}

fn good(schema: &Value) -> Vec<Value> {
    if let Some(values) = schema["enum"].as_array() {
        return values.clone();
    }
    match kind(schema) {
        "boolean" => vec![json!(false), json!(true)],
        "integer" => vec![json!(bound(schema, "minimum")), json!(bound(schema, "maximum"))],
        "string" if is_interval(schema) => ["0s", "1h30m", "999999d999999d999999d999999d"]
            .map(Value::from)
            .to_vec(),
        "string" => {
            let (shortest, longest) = lengths(schema);
            vec![json!("x".repeat(shortest)), json!("x".repeat(longest))]
        }
        "array" => lists(schema),
        _ if schema["required"].is_array() => Vec::new(),
        _ => vec![json!({})],
    }
}

fn lists(schema: &Value) -> Vec<Value> {
    let (fewest, most) = counts(schema);
    let distinct = items(&schema["items"], most);
    let mut lists = vec![json!(distinct[..1]), json!(distinct)];
    if fewest == 0 {
        lists.push(json!([]));
    }
    lists
}

/// So many different items, or as many as there are.
fn items(schema: &Value, count: usize) -> Vec<Value> {
    match schema["enum"].as_array() {
        Some(values) => values.iter().take(count).cloned().collect(),
        None => (0..count).map(|number| json!(format!("x{number}"))).collect(),
    }
}

fn bad(schema: &Value) -> Vec<Value> {
    if schema["enum"].is_array() {
        return vec![json!("Other"), json!(7)];
    }
    match kind(schema) {
        "boolean" => vec![json!("yes"), json!(1)],
        "integer" => vec![
            json!(bound(schema, "minimum") - 1),
            json!(bound(schema, "maximum") + 1),
            json!("many"),
            json!(1.5),
        ],
        "string" if schema["format"] == json!("date-time") => vec![json!("tomorrow"), json!(7)],
        "string" if is_interval(schema) => ["soon", "-1s", "1w", ""].map(Value::from).to_vec(),
        "string" => {
            let (shortest, longest) = lengths(schema);
            let short = shortest.checked_sub(1).map(|length| json!("x".repeat(length)));
            let long = json!("x".repeat(longest + 1));
            short.into_iter().chain([long, json!(7)]).collect()
        }
        "array" => bad_lists(schema),
        _ => vec![json!(7)],
    }
}

fn bad_lists(schema: &Value) -> Vec<Value> {
    let (fewest, most) = counts(schema);
    let item = &schema["items"];
    let of_objects = kind(item) == "object";
    let mut lists = vec![json!("x")];
    if !of_objects {
        lists.extend(bad(item).into_iter().map(|item| json!([item])));
        let first = items(item, 1);
        lists.push(json!(vec![first[0].clone(); most + 1]));
        if schema["x-kubernetes-list-type"] == json!("set") {
            lists.push(json!([first[0], first[0]]));
        }
    }
    if fewest > 0 {
        lists.push(json!([]));
    }
    lists
}

fn is_interval(schema: &Value) -> bool {
    schema["pattern"]
        .as_str()
        .is_some_and(|pattern| pattern.contains("[smhd]"))
}

fn kind(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "bounds are whole numbers")]
fn bound(schema: &Value, which: &str) -> i64 {
    schema[which].as_f64().unwrap() as i64
}

fn lengths(schema: &Value) -> (usize, usize) {
    (size(&schema["minLength"], 0), size(&schema["maxLength"], 63))
}

fn counts(schema: &Value) -> (usize, usize) {
    (size(&schema["minItems"], 0), size(&schema["maxItems"], 10))
}

fn size(bound: &Value, otherwise: usize) -> usize {
    bound.as_u64().map_or(otherwise, |size| usize::try_from(size).unwrap())
}
