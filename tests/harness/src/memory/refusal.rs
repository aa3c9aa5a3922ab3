//! Refusals: the `Status` objects of the real API server, word for word where a client could read them.

use http::StatusCode;
use serde_json::{Value, json};

use super::definition::{Behaviour, Definition};

pub(super) type Result<T, E = Refusal> = std::result::Result<T, E>;

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: StatusCode,
    pub body: Box<Value>,
}

/// One thing that is wrong with a field.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub field: String,
    pub reason: FaultReason,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultReason {
    Required,
    Invalid,
    TypeInvalid,
    NotSupported,
    TooLong,
    TooMany,
    Duplicate,
    Forbidden,
}

impl FaultReason {
    const fn name(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
        }
    }
}

impl Fault {
    pub fn required(field: &str, hint: &str) -> Self {
        let message = if hint.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {hint}")
        };
        Self::new(field, FaultReason::Required, message)
    }

    /// `value` is shown as JSON, as the real one shows it.
    pub fn invalid(field: &str, value: &Value, hint: &str) -> Self {
        Self::new(field, FaultReason::Invalid, format!("Invalid value: {value}: {hint}"))
    }

    pub fn forbidden(field: &str, hint: &str) -> Self {
        Self::new(field, FaultReason::Forbidden, format!("Forbidden: {hint}"))
    }

    pub fn immutable(field: &str, value: &Value) -> Self {
        Self::invalid(field, value, "field is immutable")
    }

    pub fn new(field: &str, reason: FaultReason, message: String) -> Self {
        Self {
            field: field.to_owned(),
            reason,
            message,
        }
    }
}

pub(super) fn not_found(definition: &Definition, name: &str) -> Refusal {
    about(definition, name, StatusCode::NOT_FOUND, "NotFound", "not found")
}

pub(super) fn already_exists(definition: &Definition, name: &str) -> Refusal {
    about(
        definition,
        name,
        StatusCode::CONFLICT,
        "AlreadyExists",
        "already exists",
    )
}

/// Somebody else has written since the caller read.
pub(super) fn stale(definition: &Definition, name: &str) -> Refusal {
    let hint = "the object has been modified; please apply your changes to the latest version and try again";
    conflict(definition, &definition.key.plural, name, hint)
}

/// A PUT that names a uid which is not the stored object's.
pub(super) fn other_uid(definition: &Definition, name: &str, wanted: &str, uid: &str) -> Refusal {
    let hint = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}");
    conflict(definition, &definition.key.plural, name, &hint)
}

/// A DELETE whose precondition does not hold; this one names the kind where others name the resource.
pub(super) fn precondition(definition: &Definition, name: &str, field: &str, wanted: &str, found: &str) -> Refusal {
    let fate = match field {
        "UID" => "deleted and then recreated",
        _ => "modified",
    };
    let hint = format!(
        "the {field} in the precondition ({wanted}) does not match the {field} in record ({found}). \
         The object might have been {fate}"
    );
    conflict(definition, &definition.kind, name, &hint)
}

fn conflict(definition: &Definition, what: &str, name: &str, hint: &str) -> Refusal {
    let qualified = definition.qualify(what);
    status(
        StatusCode::CONFLICT,
        "Conflict",
        &format!("Operation cannot be fulfilled on {qualified} \"{name}\": {hint}"),
        Some(details(definition, what, name)),
    )
}

pub(super) fn forbidden(definition: &Definition, name: &str, hint: &str) -> Refusal {
    let resource = definition.qualified_plural();
    status(
        StatusCode::FORBIDDEN,
        "Forbidden",
        &format!("{resource} \"{name}\" is forbidden: {hint}"),
        Some(details(definition, &definition.key.plural, name)),
    )
}

pub(super) fn invalid(definition: &Definition, name: &str, faults: &[Fault]) -> Refusal {
    let group = match definition.behaviour {
        // The real API server keeps the name that Events had in the core group.
        Behaviour::Event => "",
        _ => definition.key.group.as_str(),
    };
    invalid_kind(group, &definition.kind, name, faults)
}

/// The same for an object that claims to be of another kind.
pub(super) fn invalid_kind(group: &str, kind: &str, name: &str, faults: &[Fault]) -> Refusal {
    let lines: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.field, f.message)).collect();
    let text = match lines.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let causes: Vec<Value> = faults
        .iter()
        .map(|f| json!({"reason": f.reason.name(), "message": f.message, "field": f.field}))
        .collect();
    let mut details = json!({"kind": kind, "causes": causes});
    for (field, value) in [("name", name), ("group", group)] {
        if !value.is_empty() {
            details[field] = json!(value);
        }
    }
    let dot = if group.is_empty() { "" } else { "." };
    status(
        StatusCode::UNPROCESSABLE_ENTITY,
        "Invalid",
        &format!("{kind}{dot}{group} \"{name}\" is invalid: {text}"),
        Some(details),
    )
}

pub(super) fn bad_request(message: &str) -> Refusal {
    status(StatusCode::BAD_REQUEST, "BadRequest", message, None)
}

/// The real API server gives this one no reason.
pub(super) fn revision_on_create() -> Refusal {
    let message = "resourceVersion should not be set on objects to be created";
    let mut refusal = status(StatusCode::INTERNAL_SERVER_ERROR, "", message, None);
    if let Some(body) = refusal.body.as_object_mut() {
        body.remove("reason");
    }
    refusal
}

/// The revision asked for has been compacted away.
pub(super) fn expired(message: &str) -> Refusal {
    status(StatusCode::GONE, "Expired", message, None)
}

/// The revision asked for does not exist yet.
pub(super) fn too_large(asked: u64, current: u64) -> Refusal {
    let message = format!("Too large resource version: {asked}, current: {current}");
    let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
    let details = json!({"causes": [cause], "retryAfterSeconds": 1});
    let text = format!("Timeout: {message}");
    status(StatusCode::GATEWAY_TIMEOUT, "Timeout", &text, Some(details))
}

pub(super) fn unsupported_media_type(supported: &str) -> Refusal {
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {supported}");
    status(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UnsupportedMediaType",
        &message,
        None,
    )
}

pub(super) fn method_not_allowed() -> Refusal {
    let message = "the server does not allow this method on the requested resource";
    status(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        message,
        Some(json!({})),
    )
}

/// A path that nothing serves.
pub(super) fn no_such_path() -> Refusal {
    let message = "the server could not find the requested resource";
    status(StatusCode::NOT_FOUND, "NotFound", message, Some(json!({})))
}

fn about(definition: &Definition, name: &str, code: StatusCode, reason: &str, what: &str) -> Refusal {
    let resource = definition.qualified_plural();
    let details = details(definition, &definition.key.plural, name);
    status(code, reason, &format!("{resource} \"{name}\" {what}"), Some(details))
}

fn details(definition: &Definition, kind: &str, name: &str) -> Value {
    let mut details = json!({"name": name, "kind": kind});
    if !definition.key.group.is_empty() {
        details["group"] = json!(definition.key.group);
    }
    details
}

fn status(code: StatusCode, reason: &str, message: &str, details: Option<Value>) -> Refusal {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    if let Some(details) = details {
        body["details"] = details;
    }
    Refusal {
        code,
        body: Box::new(body),
    }
}
