//! GitHub's published OpenAPI description as the truth about requests and answers.
//!
//! An exchange is checked as API version 2026-03-10 has it, more strictly than the description asks for: a field it does
//! not name is a mistake too, so that a misspelt one cannot hide. The description is OpenAPI 3.0, whose schemas are
//! rewritten into JSON Schema 2020-12 on the way: `nullable`, siblings of `$ref`, and the fields the version removed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "tests stand on it: without the description none of them can go on"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::{Arc, Mutex, OnceLock},
};

use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value, json};

/// The version whose breaking changes are applied.
const VERSION: &str = "2026-03-10";

/// One of the description's own example answers.
#[derive(Clone, Debug)]
pub struct Example {
    pub status: u16,
    pub name: String,
    pub value: Value,
}

/// Tells whether a request and its answer are as the description says.
///
/// Answers that the description leaves out and GitHub gives all the same must have the form of its errors; errors of the
/// server (5xx) may be anything. GraphQL is not described and passes.
pub fn check_exchange(
    method: &str,
    path: &str,
    query: &str,
    request_body: &[u8],
    status: u16,
    response_body: &[u8],
) -> Result<(), String> {
    if path == "/graphql" {
        return Ok(());
    }
    let operation =
        Operation::find(method, path).ok_or_else(|| format!("{method} {path} is no described operation"))?;
    let in_context = |error: String| format!("{method} {path}?{query} ({}, {status}): {error}", operation.id());
    operation.check_query(query).map_err(in_context)?;
    operation.check_request(request_body).map_err(in_context)?;
    operation.check_answer(status, response_body).map_err(in_context)
}

/// Tells whether an answer is as the description says, whatever the request was like.
pub fn check_answer(method: &str, path: &str, status: u16, body: &[u8]) -> Result<(), String> {
    let operation = Operation::find(method, path);
    let operation = operation.ok_or_else(|| format!("{method} {path} is no described operation"))?;
    operation
        .check_answer(status, body)
        .map_err(|error| format!("{method} {path} ({status}): {error}"))
}

/// Tells whether what a webhook carries is as the description says, but for fields that it does not name: it and GitHub's
/// examples are of different ages.
pub fn check_webhook(event: &str, action: Option<&str>, body: &[u8]) -> Result<(), String> {
    let words: Vec<&str> = [Some(event), action].into_iter().flatten().collect();
    let name = words.join("-").replace('_', "-");
    let described = &description()["x-webhooks"][&name]["post"]["requestBody"]["content"]["application/json"]["schema"];
    if described.is_null() {
        return Err(format!("{name} is no described webhook"));
    }
    let body = serde_json::from_slice(body).map_err(|error| format!("{name}: {error}"))?;
    let validator = compile(described, false);
    let errors: Vec<String> = validator
        .iter_errors(&body)
        .take(5)
        .map(|error| located(&error))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(format!("{name}: {}", errors.join("; ")))
    }
}

/// The example answers of an operation, by its id (`agent-tasks/list-tasks`), without what the version removed.
#[must_use]
pub fn examples(operation_id: &str) -> Vec<Example> {
    let operation = Operation::with_id(operation_id).unwrap_or_else(|| panic!("no operation {operation_id}"));
    let responses = operation.value["responses"].as_object().into_iter().flatten();
    let mut found = Vec::new();
    for (status, response) in responses {
        let examples = resolve(response).pointer("/content/application~1json/examples");
        for (name, example) in examples.and_then(Value::as_object).into_iter().flatten() {
            let value = without_removed(resolve(example));
            found.push(Example {
                status: status.parse().unwrap_or(0),
                name: name.clone(),
                value,
            });
        }
    }
    found
}

/// The whole description, parsed once.
#[must_use]
pub fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/fetch");
        let output = Command::new(&fetch)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", fetch.display()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    })
}

/// An operation of the description.
struct Operation {
    method: String,
    template: &'static str,
    value: &'static Value,
}

impl Operation {
    fn all() -> impl Iterator<Item = Self> {
        let paths = description()["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(template, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, value)| Self {
                method: method.clone(),
                template,
                value,
            })
        })
    }

    fn with_id(id: &str) -> Option<Self> {
        Self::all().find(|operation| operation.id() == id)
    }

    /// The operation of a request; the one with the most literal path when several match.
    fn find(method: &str, path: &str) -> Option<Self> {
        let named = by_name(path);
        let matching = Self::all().filter(|it| it.method.eq_ignore_ascii_case(method) && matches(it.template, &named));
        matching.min_by_key(|operation| operation.template.matches('{').count())
    }

    fn id(&self) -> &'static str {
        self.value["operationId"].as_str().unwrap_or_default()
    }

    fn parameters(&self) -> impl Iterator<Item = &'static Value> {
        self.value["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(resolve)
            .filter(|it| it["in"] == "query")
    }

    fn check_query(&self, query: &str) -> Result<(), String> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in query.split('&').filter(|pair| !pair.is_empty()).map(decoded_pair) {
            values.entry(name).or_default().push(value);
        }
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().unwrap_or_default();
            let given = values.remove(name);
            if given.is_none() && parameter["required"] == true {
                return Err(format!("the query lacks {name}"));
            }
            if let Some(given) = given {
                let value = typed(&parameter["schema"], &given);
                let key = format!("{} query {name}", self.id());
                validate(&key, &parameter["schema"], &value).map_err(|error| format!("query {name}: {error}"))?;
            }
        }
        values.into_keys().next().map_or(Ok(()), |name| {
            Err(format!("the query has {name}, which is not described"))
        })
    }

    fn check_request(&self, body: &[u8]) -> Result<(), String> {
        let described = &self.value["requestBody"];
        if body.is_empty() || described.is_null() {
            let required = described["required"] == true;
            let fits = body.is_empty() != required;
            return if fits {
                Ok(())
            } else {
                Err("a body is there without need, or missing".to_owned())
            };
        }
        let body = serde_json::from_slice(body).map_err(|error| format!("request body: {error}"))?;
        let schema = &described["content"]["application/json"]["schema"];
        validate(&format!("{} request", self.id()), schema, &body).map_err(|error| format!("request body: {error}"))
    }

    fn check_answer(&self, status: u16, body: &[u8]) -> Result<(), String> {
        if status >= 500 {
            return Ok(());
        }
        if status == 304 || status == 204 {
            return if body.is_empty() {
                Ok(())
            } else {
                Err("a body where there must be none".to_owned())
            };
        }
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("answer: {error}"))?;
        let described = resolve(&self.value["responses"][status.to_string()]);
        let schema = &described["content"]["application/json"]["schema"];
        if !schema.is_null() {
            let key = format!("{} {status}", self.id());
            return validate(&key, schema, &body).map_err(|error| format!("answer: {error}"));
        }
        let general = [301, 307, 400, 401, 403, 404, 422, 429].contains(&status);
        if !general {
            return Err("the status is not described".to_owned());
        }
        let error = &description()["components"]["schemas"]["basic-error"];
        validate("basic-error", error, &body).map_err(|error| format!("answer: {error}"))?;
        if body["message"].is_string() {
            Ok(())
        } else {
            Err("answer: an error without a message".to_owned())
        }
    }
}

/// GitHub redirects to addresses by id, which the description does not have: the same operation by name.
fn by_name(path: &str) -> String {
    let Some(rest) = path.strip_prefix("/repositories/") else {
        return path.to_owned();
    };
    let rest = rest
        .split_once('/')
        .map_or(String::new(), |(_, rest)| format!("/{rest}"));
    format!("/repos/owner/name{rest}")
}

/// Whether a path is of a template. A branch at the end may hold slashes.
fn matches(template: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let mut expected = template.split('/').peekable();
    while let Some(expected_part) = expected.next() {
        let Some(part) = parts.next() else { return false };
        let is_parameter = expected_part.starts_with('{');
        if !(is_parameter && !part.is_empty() || expected_part == part) {
            return false;
        }
        if expected_part == "{branch}" && expected.peek().is_none() {
            return true;
        }
    }
    parts.next().is_none()
}

fn decoded_pair(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned()
    };
    (decode(name), decode(value))
}

/// The text of a query parameter as a value of its schema's type.
fn typed(schema: &Value, texts: &[String]) -> Value {
    let one = |schema: &Value, text: &str| match schema["type"].as_str() {
        Some("integer" | "boolean" | "number") => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        _ => json!(text),
    };
    match schema["type"].as_str() {
        Some("array") => texts.iter().map(|text| one(&schema["items"], text)).collect(),
        _ => one(schema, texts.last().map_or("", String::as_str)),
    }
}

fn resolve(value: &'static Value) -> &'static Value {
    let Some(reference) = value["$ref"].as_str() else {
        return value;
    };
    description().pointer(&reference[1..]).map_or(&Value::Null, resolve)
}

/// An example's value, less what the version's breaking changes take away.
fn without_removed(example: &Value) -> Value {
    let mut example = example.clone();
    let removed: Vec<String> = changes(&example)
        .flat_map(|change| change["patch"].as_array().cloned().unwrap_or_default())
        .filter(|step| step["op"] == "remove")
        .filter_map(|step| step["path"].as_str().map(str::to_owned))
        .collect();
    for path in removed {
        let Some((parent, name)) = path.rsplit_once('/') else {
            continue;
        };
        if let Some(parent) = example.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(name);
        }
    }
    example["value"].take()
}

/// The breaking changes of the version in a schema or an example.
fn changes(value: &Value) -> impl Iterator<Item = &Value> {
    let changes = value["x-github-breaking-changes"].as_array().into_iter().flatten();
    changes.filter(|change| change["version"] == VERSION)
}

/// Validates against a schema of the description, compiled once for each key.
fn validate(key: &str, schema: &Value, value: &Value) -> Result<(), String> {
    static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let known = VALIDATORS.lock().unwrap().get(key).cloned();
    let validator = known.unwrap_or_else(|| {
        let validator = Arc::new(compile(schema, true));
        VALIDATORS.lock().unwrap().insert(key.to_owned(), validator.clone());
        validator
    });
    let errors: Vec<String> = validator
        .iter_errors(value)
        .take(5)
        .map(|error| located(&error))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("; "))
    }
}

fn located(error: &ValidationError<'_>) -> String {
    format!("at {:?}: {error}", error.instance_path().to_string())
}

/// `closed`: a field that is not named is a mistake.
fn compile(schema: &Value, closed: bool) -> Validator {
    let mut translator = Translator {
        closes: closed,
        ..Translator::default()
    };
    let mut root = translator.schema(schema, true);
    let mut definitions = Map::new();
    while let Some(name) = translator.wanted.pop_first() {
        if !definitions.contains_key(&name) {
            let (described, closed) = name
                .strip_prefix(OPEN)
                .map_or((name.as_str(), true), |name| (name, false));
            let definition = translator.schema(&description()["components"]["schemas"][described], closed);
            definitions.insert(name, definition);
        }
    }
    root["$defs"] = Value::Object(definitions);
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true);
    options.build(&root).unwrap_or_else(|error| panic!("{error}: {root}"))
}

/// What the name of a schema begins with where it is a member of an `allOf`.
const OPEN: &str = "open.";

/// From OpenAPI 3.0 to JSON Schema.
#[derive(Default)]
struct Translator {
    /// Names of schemas that are referred to.
    wanted: BTreeSet<String>,
    /// Whether anything is closed.
    closes: bool,
}

impl Translator {
    /// `closed`: a field that is not named is a mistake. Members of an `allOf` are open; what joins them is closed.
    fn schema(&mut self, schema: &Value, closed: bool) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/components/schemas/").to_owned();
            let name = if closed { name } else { format!("{OPEN}{name}") };
            self.wanted.insert(name.clone());
            return json!({"$ref": format!("#/$defs/{name}")});
        }
        let mut out = Map::new();
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            if let Some(value) = self.keyword(keyword, value) {
                out.insert(keyword.clone(), value);
            }
        }
        remove_retired(schema, &mut out);
        let names_fields = out.contains_key("properties") || out.contains_key("allOf");
        if self.closes && closed && names_fields && !out.contains_key("additionalProperties") {
            out.insert("unevaluatedProperties".to_owned(), json!(false));
        }
        let out = Value::Object(out);
        if schema["nullable"] == true {
            json!({"anyOf": [{"type": "null"}, out]})
        } else {
            out
        }
    }

    fn keyword(&mut self, keyword: &str, value: &Value) -> Option<Value> {
        match keyword {
            "properties" => {
                let properties = value.as_object()?.iter();
                let properties = properties.map(|(name, schema)| (name.clone(), self.schema(schema, true)));
                Some(Value::Object(properties.collect()))
            }
            "items" | "not" => Some(self.schema(value, true)),
            "additionalProperties" if value.is_object() => Some(self.schema(value, true)),
            "oneOf" | "anyOf" => Some(
                value
                    .as_array()?
                    .iter()
                    .map(|schema| self.schema(schema, true))
                    .collect(),
            ),
            "allOf" => Some(
                value
                    .as_array()?
                    .iter()
                    .map(|schema| self.schema(schema, false))
                    .collect(),
            ),
            "type"
            | "enum"
            | "format"
            | "required"
            | "additionalProperties"
            | "pattern"
            | "minimum"
            | "maximum"
            | "minLength"
            | "maxLength"
            | "minItems"
            | "maxItems"
            | "uniqueItems"
            | "minProperties"
            | "maxProperties" => Some(value.clone()),
            _ => None,
        }
    }
}

/// Takes away the fields that the version's breaking changes remove. Each change gives the whole list of required
/// fields as if it were alone, so a field is required when all of them say so.
fn remove_retired(schema: &Value, out: &mut Map<String, Value>) {
    for change in changes(schema) {
        let removed = change["patch"]["properties"].as_object().into_iter().flatten();
        for (name, _) in removed.filter(|(_, to)| to.is_null()) {
            if let Some(properties) = out.get_mut("properties").and_then(Value::as_object_mut) {
                properties.remove(name);
            }
        }
        let still = change["patch"]["required"].as_array();
        if let (Some(still), Some(required)) = (still, out.get_mut("required").and_then(Value::as_array_mut)) {
            required.retain(|name| still.contains(name));
        }
    }
}
