//! What the built-in kinds do beyond storing: canonical form, defaults, validation.
//!
//! A built-in object goes through its Rust type, which drops unknown fields and normalises times as the real API
//! server's Go types do. Only what a controller can meet is validated.

use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::definition::{Behaviour, Definition};
use super::object::{at_path, metadata_text, set_metadata};
use super::refusal::{self, Fault, FaultReason, Refusal, Result};
use super::{names, validate};

const NOTE_LIMIT: usize = 1024;
const EVENT_NAME_LIMIT: usize = 128;

/// The canonical form of what a client has sent.
pub(super) fn canonical(definition: &Definition, mut object: Value) -> Result<Value> {
    match &definition.behaviour {
        Behaviour::Custom(schema) => {
            schema.shape(&mut object);
            Ok(object)
        }
        Behaviour::CustomResourceDefinition => through::<CustomResourceDefinition>(definition, object),
        Behaviour::Event => {
            check_micro_times(definition, &object, &["eventTime", "series.lastObservedTime"])?;
            through::<Event>(definition, object)
        }
        Behaviour::Lease => {
            check_micro_times(definition, &object, &["spec.acquireTime", "spec.renewTime"])?;
            through::<Lease>(definition, object)
        }
        Behaviour::Namespace => through::<Namespace>(definition, object),
        Behaviour::Secret => Ok(to_value(&complete_secret(from_value(definition, object)?))),
    }
}

/// What the server itself adds to a new object.
pub(super) fn prepare_create(definition: &Definition, object: &mut Value) {
    match definition.behaviour {
        Behaviour::Custom(_) => {
            set_metadata(object, "generation", 1);
        }
        Behaviour::CustomResourceDefinition => {
            set_metadata(object, "generation", 1);
            object["status"] = json!({"conditions": [
                {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
                {"type": "Established", "status": "True", "reason": "InitialNamesAccepted",
                 "message": "the initial names have been accepted"},
            ]});
        }
        Behaviour::Namespace => {
            let name = metadata_text(object, "name").to_owned();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        Behaviour::Event | Behaviour::Lease | Behaviour::Secret => {}
    }
}

/// What is wrong with an object, whether new or changed.
pub(super) fn faults(definition: &Definition, object: &Value) -> Vec<Fault> {
    let mut found = name_faults(definition, metadata_text(object, "name"));
    found.extend(owner_faults(&object["metadata"]["ownerReferences"]));
    match &definition.behaviour {
        Behaviour::Custom(schema) => found.extend(validate::faults(schema, object)),
        Behaviour::Event => found.extend(event_faults(object)),
        Behaviour::Lease => found.extend(lease_faults(object)),
        Behaviour::CustomResourceDefinition | Behaviour::Namespace | Behaviour::Secret => {}
    }
    found
}

/// What must not change.
pub(super) fn update_faults(definition: &Definition, before: &Value, after: &Value) -> Vec<Fault> {
    let fixed: &[&str] = match definition.behaviour {
        Behaviour::Event => &[
            "regarding",
            "related",
            "reason",
            "action",
            "note",
            "type",
            "eventTime",
            "reportingController",
            "reportingInstance",
        ],
        Behaviour::Secret => &["type"],
        Behaviour::Custom(_) | Behaviour::CustomResourceDefinition | Behaviour::Lease | Behaviour::Namespace => &[],
    };
    let changed = fixed
        .iter()
        .filter(|path| at_path(before, path) != at_path(after, path));
    changed
        .map(|path| Fault::immutable(path, at_path(after, path)))
        .collect()
}

fn name_faults(definition: &Definition, name: &str) -> Vec<Fault> {
    let hints = match definition.behaviour {
        Behaviour::Namespace => names::label_faults(name),
        Behaviour::Custom(_)
        | Behaviour::CustomResourceDefinition
        | Behaviour::Event
        | Behaviour::Lease
        | Behaviour::Secret => names::subdomain_faults(name),
    };
    let value = Value::from(name);
    hints
        .iter()
        .map(|hint| Fault::invalid("metadata.name", &value, hint))
        .collect()
}

fn owner_faults(references: &Value) -> Vec<Fault> {
    let references: Vec<&Value> = references.as_array().into_iter().flatten().collect();
    let mut found = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if reference[field].as_str().unwrap_or_default().is_empty() {
                found.push(Fault::required(
                    &format!("metadata.ownerReferences[{index}].{field}"),
                    "must not be empty",
                ));
            }
        }
    }
    if references
        .iter()
        .filter(|reference| reference["controller"] == true)
        .count()
        > 1
    {
        let hint = "Only one reference can have Controller set to true";
        found.push(Fault::invalid("metadata.ownerReferences", &json!(references), hint));
    }
    found
}

fn event_faults(event: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    for field in [
        "eventTime",
        "reportingController",
        "reportingInstance",
        "action",
        "reason",
    ] {
        let value = event[field].as_str().unwrap_or_default();
        if value.is_empty() {
            found.push(Fault::required(field, ""));
        } else if value.len() > EVENT_NAME_LIMIT {
            let hint = format!("can have at most {EVENT_NAME_LIMIT} characters");
            found.push(Fault::invalid(field, &event[field], &hint));
        }
    }
    let is_in_default = metadata_text(event, "namespace") == "default";
    if event["regarding"]["namespace"].as_str().unwrap_or_default().is_empty() && !is_in_default {
        let hint = "does not match event.namespace";
        found.push(Fault::invalid("involvedObject.namespace", &json!(""), hint));
    }
    let controller = event["reportingController"].as_str().unwrap_or_default();
    if !controller.is_empty() && !names::is_qualified(controller) {
        let hint = "name part must consist of alphanumeric characters, '-', '_' or '.'";
        found.push(Fault::invalid(
            "reportingController",
            &event["reportingController"],
            hint,
        ));
    }
    if event["note"].as_str().is_some_and(|note| note.len() > NOTE_LIMIT) {
        let hint = format!("can have at most {NOTE_LIMIT} characters");
        found.push(Fault::invalid("message", &Value::from(""), &hint));
    }
    if !matches!(event["type"].as_str(), Some("Normal" | "Warning")) {
        found.push(Fault::invalid("type", &event["type"], "has invalid value"));
    }
    found
}

fn lease_faults(lease: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    let positive = |field: &str, least: i64, hint: &str, found: &mut Vec<Fault>| {
        let value = &lease["spec"][field];
        if value.as_i64().is_some_and(|number| number < least) {
            found.push(Fault::invalid(&format!("spec.{field}"), value, hint));
        }
    };
    positive("leaseDurationSeconds", 1, "must be greater than 0", &mut found);
    positive("leaseTransitions", 0, "must be greater than or equal to 0", &mut found);
    if lease["spec"]["holderIdentity"].as_str() == Some("") {
        let message = "Invalid value: \"\": must not be empty".to_owned();
        found.push(Fault::new("spec.holderIdentity", FaultReason::Invalid, message));
    }
    found
}

fn complete_secret(mut secret: Secret) -> Secret {
    let plain = secret.string_data.take().into_iter().flatten();
    let folded: Vec<_> = plain.map(|(key, text)| (key, ByteString(text.into_bytes()))).collect();
    if !folded.is_empty() {
        secret.data.get_or_insert_default().extend(folded);
    }
    secret.type_.get_or_insert_with(|| "Opaque".to_owned());
    secret
}

/// The real API server reads these times with exactly six digits; the Rust type would take more forms.
fn check_micro_times(definition: &Definition, object: &Value, paths: &[&str]) -> Result<()> {
    let texts = paths.iter().filter_map(|path| at_path(object, path).as_str());
    match texts.into_iter().find(|text| !has_microseconds(text)) {
        None => Ok(()),
        Some(text) => {
            let layout = "2006-01-02T15:04:05.000000Z07:00";
            Err(undecodable(
                definition,
                &format!("parsing time \"{text}\" as \"{layout}\""),
            ))
        }
    }
}

fn has_microseconds(time: &str) -> bool {
    let fraction = time
        .split_once('.')
        .map(|(_, rest)| rest.split(['Z', '+', '-']).next().unwrap_or_default());
    fraction.is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|c| c.is_ascii_digit()))
}

fn through<K: Serialize + DeserializeOwned>(definition: &Definition, object: Value) -> Result<Value> {
    Ok(to_value(&from_value::<K>(definition, object)?))
}

fn from_value<K: DeserializeOwned>(definition: &Definition, object: Value) -> Result<K> {
    serde_json::from_value(object).map_err(|error| undecodable(definition, &error.to_string()))
}

fn undecodable(definition: &Definition, error: &str) -> Refusal {
    let (kind, version) = (&definition.kind, &definition.key.version);
    refusal::bad_request(&format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
    ))
}

fn to_value<K: Serialize>(object: &K) -> Value {
    // The types that come here have text keys only, so this cannot fail.
    serde_json::to_value(object).unwrap_or_default()
}
