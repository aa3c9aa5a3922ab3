//! The verbs that write: create, replace, patch, delete, in the order of checks of the real API server.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definition::{Behaviour, Definition};
use super::history::{Subresource, Verb};
use super::object::{
    Object, Place, finalizers, is_terminating, metadata_text, remove_metadata, set_metadata, set_revision,
};
use super::refusal::{self, Fault, Refusal, Result};
use super::route::Route;
use super::state::{Origin, State};
use super::{builtin, metadata};

/// The finalizers that stand for a propagation policy.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
pub(super) const ORPHAN: &str = "orphan";

/// One write in progress.
pub(super) struct Writer<'a> {
    pub state: &'a mut State,
    pub definition: Arc<Definition>,
    pub origin: Origin,
    pub strict_namespaces: bool,
}

/// What a DELETE asks for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeleteOptions {
    preconditions: Preconditions,
    propagation_policy: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

/// What is left of an object after a DELETE.
pub(super) enum Deleted {
    /// Finalizers hold it.
    Terminating(Arc<Object>),
    Gone {
        uid: String,
    },
}

impl Writer<'_> {
    pub fn create(&mut self, route: &Route, body: Value) -> Result<Arc<Object>> {
        let mut object = self.decode(body)?;
        self.adopt_namespace(route, &mut object)?;
        let has_revision = !metadata_text(&object, "resourceVersion").is_empty();
        self.fill_system_fields(&mut object)?;
        self.check_namespace(&object)?;
        self.refuse_faults(&object, &builtin::faults(&self.definition, &object))?;
        if has_revision {
            return Err(refusal::revision_on_create());
        }
        let place = Place::of(&object);
        if self.find(&place).is_some() {
            return Err(refusal::already_exists(&self.definition, &place.name));
        }
        self.take_in_definition(&object)?;
        self.commit(&place, object)
    }

    /// The object, and whether it is a new one.
    pub fn replace(&mut self, route: &Route, body: Value) -> Result<(Arc<Object>, bool)> {
        let mut object = self.decode(body)?;
        let name = route.name.as_deref().unwrap_or_default();
        let given = metadata_text(&object, "name");
        if given != name {
            return Err(other_name(given, name));
        }
        self.adopt_namespace(route, &mut object)?;
        match self.find(&Place::of(&object)) {
            Some(existing) => {
                self.check_uid(Some(&existing), &object)?;
                self.update(&existing, object).map(|object| (object, false))
            }
            None if self.definition.allows_create_on_update() => {
                self.check_uid(None, &object)?;
                remove_metadata(&mut object, "resourceVersion");
                self.create(route, object).map(|object| (object, true))
            }
            None => Err(refusal::not_found(&self.definition, name)),
        }
    }

    pub fn merge_patch(&mut self, route: &Route, patch: &Value) -> Result<Arc<Object>> {
        let existing = self.existing(route)?;
        let mut patched = Value::clone(&existing);
        merge(&mut patched, patch);
        if metadata_text(&patched, "resourceVersion").is_empty() {
            let revision = metadata_text(&existing, "resourceVersion").parse().unwrap_or_default();
            set_revision(&mut patched, revision);
        }
        if Place::of(&patched) != Place::of(&existing) {
            let (given, name) = (metadata_text(&patched, "name"), metadata_text(&existing, "name"));
            return Err(other_name(given, name));
        }
        let object = self.decode(patched)?;
        self.update(&existing, object)
    }

    pub fn delete(&mut self, route: &Route, options: &DeleteOptions) -> Result<Deleted> {
        let existing = self.existing(route)?;
        self.check_preconditions(&existing, &options.preconditions)?;
        let place = Place::of(&existing);
        let uid = metadata_text(&existing, "uid").to_owned();
        let mut object = Value::clone(&existing);
        let extra = match options.propagation_policy.as_deref() {
            Some("Foreground") => Some(FOREGROUND),
            Some("Orphan") => Some(ORPHAN),
            _ => None,
        };
        if let Some(extra) = extra.filter(|_| !is_terminating(&existing)) {
            let kept = finalizers(&existing)
                .into_iter()
                .filter(|f| *f != FOREGROUND && *f != ORPHAN);
            object["metadata"]["finalizers"] = kept.chain([extra]).collect();
        }
        let holds_content = matches!(self.definition.behaviour, Behaviour::Namespace);
        if finalizers(&object).is_empty() && !holds_content {
            self.remove(&place);
            return Ok(Deleted::Gone { uid });
        }
        if is_terminating(&existing) {
            return Ok(Deleted::Terminating(existing));
        }
        self.mark_terminating(&mut object);
        self.commit(&place, object).map(Deleted::Terminating)
    }

    /// Everything that PUT and PATCH share once both objects are known.
    fn update(&mut self, existing: &Arc<Object>, new: Value) -> Result<Arc<Object>> {
        self.check_revision(existing, metadata_text(&new, "resourceVersion"))?;
        let object = match self.origin.subresource {
            Some(Subresource::Status) => with_status_of(existing, &new),
            None => self.merge_main(existing, new)?,
        };
        let mut faults = builtin::faults(&self.definition, &object);
        faults.extend(builtin::update_faults(&self.definition, existing, &object));
        self.refuse_faults(&object, &faults)?;
        let place = Place::of(&object);
        if is_terminating(&object) && finalizers(&object).is_empty() && !finalizers(existing).is_empty() {
            self.remove(&place);
            return Ok(Object::new(object));
        }
        if object == ***existing {
            self.state
                .record_noop(&self.origin, self.definition.kind.clone(), &place, existing);
            return Ok(existing.clone());
        }
        self.take_in_definition(&object)?;
        self.commit(&place, object)
    }

    /// The new object, with what only the server may change taken over from the old one.
    fn merge_main(&self, existing: &Value, mut new: Value) -> Result<Value> {
        self.refuse_faults(&new, &metadata::update_faults(existing, &new))?;
        metadata::keep_server_owned(existing, &mut new);
        if self.definition.has_status {
            copy_field(existing, &mut new, "status");
        }
        if matches!(
            self.definition.behaviour,
            Behaviour::Namespace | Behaviour::CustomResourceDefinition
        ) {
            copy_field(existing, &mut new, "status");
        }
        if let Some(generation) = existing["metadata"]["generation"].as_i64()
            && differs_outside_metadata(existing, &new)
        {
            new["metadata"]["generation"] = json!(generation + 1);
        }
        Ok(new)
    }

    fn decode(&self, mut body: Value) -> Result<Value> {
        let definition = &self.definition;
        self.check_type(&mut body)?;
        body["metadata"] = metadata::clean(definition, &body["metadata"])?;
        let mut object = builtin::canonical(definition, body)?;
        // The typed form of a built-in kind brings empty fields back.
        object["metadata"] = metadata::without_empty(object["metadata"].take());
        Ok(object)
    }

    fn check_type(&self, body: &mut Value) -> Result<()> {
        if !body.is_object() {
            return Err(refusal::bad_request("the request body is not a JSON object"));
        }
        let definition = &self.definition;
        let expected = [
            ("kind", "Kind", definition.kind.clone()),
            ("apiVersion", "apiVersion", definition.api_version()),
        ];
        for (field, title, expected) in expected {
            if body[field].as_str().unwrap_or_default().is_empty() {
                if definition.is_custom() {
                    let message = format!("Object '{title}' is missing in the request body");
                    return Err(refusal::bad_request(&message));
                }
                body[field] = Value::from(expected);
            }
        }
        if body["apiVersion"] != definition.api_version().as_str() {
            return Err(other_version(&body["apiVersion"], &definition.api_version()));
        }
        if body["kind"] != definition.kind.as_str() {
            return Err(other_kind(definition, body));
        }
        Ok(())
    }

    fn adopt_namespace(&self, route: &Route, object: &mut Value) -> Result<()> {
        if !self.definition.is_namespaced() {
            remove_metadata(object, "namespace");
            return Ok(());
        }
        let given = metadata_text(object, "namespace");
        if !given.is_empty() && given != route.namespace {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(refusal::bad_request(message));
        }
        set_metadata(object, "namespace", route.namespace.as_str());
        Ok(())
    }

    fn fill_system_fields(&mut self, object: &mut Value) -> Result<()> {
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
        ] {
            remove_metadata(object, field);
        }
        let prefix = metadata_text(object, "generateName");
        if metadata_text(object, "name").is_empty() {
            if prefix.is_empty() {
                let fault = Fault::required("metadata.name", "name or generateName is required");
                return Err(refusal::invalid(&self.definition, "", &[fault]));
            }
            let name = format!("{prefix}{}", self.state.random.suffix());
            set_metadata(object, "name", name);
        }
        set_metadata(object, "uid", self.state.random.uid());
        set_metadata(object, "creationTimestamp", metadata::whole_seconds(self.origin.at));
        if self.definition.has_status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        builtin::prepare_create(&self.definition, object);
        Ok(())
    }

    fn check_namespace(&self, object: &Value) -> Result<()> {
        let name = metadata_text(object, "namespace");
        let namespaces = self
            .state
            .tables
            .values()
            .find(|t| matches!(t.definition.behaviour, Behaviour::Namespace));
        let (Some(namespaces), true) = (namespaces, self.definition.is_namespaced()) else {
            return Ok(());
        };
        let place = Place {
            namespace: String::new(),
            name: name.to_owned(),
        };
        match namespaces.objects.get(&place) {
            Some(namespace) if is_terminating(namespace) => {
                let hint = format!("unable to create new content in namespace {name} because it is being terminated");
                Err(refusal::forbidden(
                    &self.definition,
                    metadata_text(object, "name"),
                    &hint,
                ))
            }
            None if self.strict_namespaces => Err(refusal::not_found(&namespaces.definition, name)),
            Some(_) | None => Ok(()),
        }
    }

    fn check_preconditions(&self, existing: &Value, wanted: &Preconditions) -> Result<()> {
        let pairs = [
            ("UID", "uid", &wanted.uid),
            ("ResourceVersion", "resourceVersion", &wanted.resource_version),
        ];
        for (title, field, wanted) in pairs {
            let (wanted, found) = (wanted.as_deref().unwrap_or_default(), metadata_text(existing, field));
            if !wanted.is_empty() && wanted != found {
                let name = metadata_text(existing, "name");
                return Err(refusal::precondition(&self.definition, name, title, wanted, found));
            }
        }
        Ok(())
    }

    /// A PUT that names a uid is about the object of that uid; there may be none.
    fn check_uid(&self, existing: Option<&Value>, new: &Value) -> Result<()> {
        let (wanted, uid) = (
            metadata_text(new, "uid"),
            existing.map_or("", |object| metadata_text(object, "uid")),
        );
        if wanted.is_empty() || wanted == uid {
            return Ok(());
        }
        Err(refusal::other_uid(
            &self.definition,
            metadata_text(new, "name"),
            wanted,
            uid,
        ))
    }

    fn check_revision(&self, existing: &Value, given: &str) -> Result<()> {
        let name = metadata_text(existing, "name");
        if matches!(given, "" | "0") {
            if self.definition.allows_unconditional_update() {
                return Ok(());
            }
            let fault = Fault::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            return Err(refusal::invalid(&self.definition, name, &[fault]));
        }
        if given != metadata_text(existing, "resourceVersion") {
            return Err(refusal::stale(&self.definition, name));
        }
        Ok(())
    }

    fn refuse_faults(&self, object: &Value, faults: &[Fault]) -> Result<()> {
        if faults.is_empty() {
            return Ok(());
        }
        Err(refusal::invalid(
            &self.definition,
            metadata_text(object, "name"),
            faults,
        ))
    }

    fn take_in_definition(&mut self, object: &Value) -> Result<()> {
        if matches!(self.definition.behaviour, Behaviour::CustomResourceDefinition) {
            let refuse = |error: super::DefinitionError| refusal::bad_request(&error.to_string());
            self.state.define(Definition::from_value(object).map_err(refuse)?);
        }
        Ok(())
    }

    fn existing(&self, route: &Route) -> Result<Arc<Object>> {
        let name = route.name.clone().unwrap_or_default();
        let place = Place {
            namespace: route.namespace.clone(),
            name,
        };
        self.find(&place)
            .ok_or_else(|| refusal::not_found(&self.definition, &place.name))
    }

    fn find(&self, place: &Place) -> Option<Arc<Object>> {
        self.state.tables.get(&self.definition.key)?.objects.get(place).cloned()
    }

    fn mark_terminating(&self, object: &mut Value) {
        let generation = object["metadata"]["generation"].as_i64();
        set_metadata(object, "deletionTimestamp", metadata::whole_seconds(self.origin.at));
        if matches!(self.definition.behaviour, Behaviour::Namespace) {
            object["status"]["phase"] = json!("Terminating");
            return;
        }
        set_metadata(object, "deletionGracePeriodSeconds", 0);
        if let Some(generation) = generation {
            set_metadata(object, "generation", generation + 1);
        }
    }

    fn commit(&mut self, place: &Place, object: Value) -> Result<Arc<Object>> {
        let key = self.definition.key.clone();
        let stored = self.state.commit(&self.origin, &key, place, Some(object));
        stored.ok_or_else(refusal::no_such_path)
    }

    pub fn remove(&mut self, place: &Place) {
        let key = self.definition.key.clone();
        self.state.commit(&self.origin, &key, place, None);
    }
}

/// The namespace that every cluster has; no client made it, so the history does not show it.
pub(super) fn create_default_namespace(state: &mut State, at: jiff::Timestamp) {
    let mut definitions = state.tables.values().map(|table| &table.definition);
    let Some(definition) = definitions
        .find(|d| matches!(d.behaviour, Behaviour::Namespace))
        .cloned()
    else {
        return;
    };
    let route = Route {
        resource: definition.key.clone(),
        namespace: String::new(),
        name: None,
        subresource: None,
    };
    let origin = Origin {
        at,
        actor: "server".into(),
        verb: Verb::Create,
        subresource: None,
    };
    let mut writer = Writer {
        state,
        definition,
        origin,
        strict_namespaces: false,
    };
    // A fresh server has no such object yet, so nothing can be in the way.
    let _ = writer.create(&route, json!({"metadata": {"name": "default"}}));
    state.history.clear();
}

fn other_name(given: &str, name: &str) -> Refusal {
    refusal::bad_request(&format!(
        "the name of the object ({given}) does not match the name on the URL ({name})"
    ))
}

fn other_version(given: &Value, expected: &str) -> Refusal {
    let given = given.as_str().unwrap_or_default();
    refusal::bad_request(&format!(
        "the API version in the data ({given}) does not match the expected API version ({expected})"
    ))
}

fn other_kind(definition: &Definition, body: &Value) -> Refusal {
    let fault = Fault::invalid("kind", &body["kind"], &format!("must be {}", definition.kind));
    let kind = body["kind"].as_str().unwrap_or_default();
    refusal::invalid_kind(&definition.key.group, kind, metadata_text(body, "name"), &[fault])
}

fn with_status_of(existing: &Value, new: &Value) -> Value {
    let mut object = existing.clone();
    copy_field(new, &mut object, "status");
    object
}

fn copy_field(from: &Value, to: &mut Value, field: &str) {
    if let Some(map) = to.as_object_mut() {
        match from.get(field) {
            Some(value) => map.insert(field.to_owned(), value.clone()),
            None => map.remove(field),
        };
    }
}

fn differs_outside_metadata(before: &Value, after: &Value) -> bool {
    let rest = |object: &Value| -> Option<serde_json::Map<String, Value>> {
        let mut rest = object.as_object()?.clone();
        rest.remove("metadata");
        Some(rest)
    };
    rest(before) != rest(after)
}

/// JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.remove(field);
        } else {
            merge(target.entry(field.clone()).or_insert(Value::Null), value);
        }
    }
}
