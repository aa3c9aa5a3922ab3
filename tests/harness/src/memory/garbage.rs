//! Garbage collection: what the controller-manager does about owners, propagation policies and namespaces.
//!
//! An object all of whose owners are gone is deleted; beside a living owner, the references to dead ones are removed.

use std::sync::Arc;

use serde_json::Value;

use super::definition::{Behaviour, Definition};
use super::history::Verb;
use super::object::{Object, Place, finalizers, metadata_text, remove_metadata, set_metadata};
use super::route::Route;
use super::state::{Address, Origin, State, owner_uids};
use super::write::{DeleteOptions, FOREGROUND, ORPHAN, Writer};

const ACTOR: &str = "garbage-collector";

/// Collects until there is nothing left to collect.
pub(super) fn collect(state: &mut State, at: jiff::Timestamp) {
    loop {
        let before = state.revision;
        for address in state.index.terminating.clone() {
            settle(state, at, &address);
        }
        for (owner, address) in dangling(state) {
            match find(state, &address) {
                Some(object) if owner_uids(&object).any(|uid| state.index.alive.contains(uid)) => {
                    disown(state, at, &address, &owner);
                }
                Some(_) => delete(state, at, &address),
                None => {}
            }
        }
        if state.revision == before {
            return;
        }
    }
}

/// References to owners that are gone.
fn dangling(state: &State) -> Vec<(String, Address)> {
    let index = &state.index;
    let dead = index.dependents.iter().filter(|(uid, _)| !index.alive.contains(*uid));
    dead.flat_map(|(uid, dependents)| dependents.iter().map(|address| (uid.clone(), address.clone())))
        .collect()
}

/// Brings one terminating object a step nearer to its end.
fn settle(state: &mut State, at: jiff::Timestamp, address: &Address) {
    let Some(object) = find(state, address) else { return };
    let Some(definition) = state.tables.get(&address.0).map(|table| table.definition.clone()) else {
        return;
    };
    let dependents = dependents_of(state, metadata_text(&object, "uid"));
    if matches!(definition.behaviour, Behaviour::Namespace) {
        empty_namespace(state, at, definition, &object);
    } else if finalizers(&object).contains(&ORPHAN) {
        for dependent in &dependents {
            disown(state, at, dependent, metadata_text(&object, "uid"));
        }
        release(state, at, address, &object, ORPHAN);
    } else if finalizers(&object).contains(&FOREGROUND) {
        if dependents.is_empty() {
            release(state, at, address, &object, FOREGROUND);
        }
        for dependent in &dependents {
            delete(state, at, dependent);
        }
    }
}

fn empty_namespace(state: &mut State, at: jiff::Timestamp, definition: Arc<Definition>, namespace: &Object) {
    let name = metadata_text(namespace, "name");
    let content: Vec<Address> = contents(state, name);
    if content.is_empty() {
        writer(state, at, definition, Verb::Delete).remove(&Place::of(namespace));
    }
    for address in &content {
        delete(state, at, address);
    }
}

fn contents(state: &State, namespace: &str) -> Vec<Address> {
    let namespaced = state
        .tables
        .iter()
        .filter(|(_, table)| table.definition.is_namespaced());
    let objects = namespaced.flat_map(|(key, table)| {
        table
            .objects_at(namespace, state.revision)
            .into_iter()
            .map(move |o| (key, o))
    });
    objects.map(|(key, object)| (key.clone(), Place::of(&object))).collect()
}

fn dependents_of(state: &State, uid: &str) -> Vec<Address> {
    state.index.dependents.get(uid).into_iter().flatten().cloned().collect()
}

fn find(state: &State, (resource, place): &Address) -> Option<Arc<Object>> {
    state.tables.get(resource)?.objects.get(place).cloned()
}

fn delete(state: &mut State, at: jiff::Timestamp, (resource, place): &Address) {
    let Some(definition) = state.tables.get(resource).map(|table| table.definition.clone()) else {
        return;
    };
    let route = Route {
        resource: resource.clone(),
        namespace: place.namespace.clone(),
        name: Some(place.name.clone()),
        subresource: None,
    };
    // It may be gone already: then there is nothing left to do.
    let _ = writer(state, at, definition, Verb::Delete).delete(&route, &DeleteOptions::default());
}

fn disown(state: &mut State, at: jiff::Timestamp, address: &Address, owner: &str) {
    edit(state, at, address, |object| {
        if let Some(references) = object["metadata"]["ownerReferences"].as_array_mut() {
            references.retain(|reference| reference["uid"] != owner);
            if references.is_empty() {
                remove_metadata(object, "ownerReferences");
            }
        }
    });
}

fn release(state: &mut State, at: jiff::Timestamp, address: &Address, object: &Object, finalizer: &str) {
    let rest: Value = finalizers(object)
        .into_iter()
        .filter(|name| *name != finalizer)
        .collect();
    if rest.as_array().is_some_and(Vec::is_empty) {
        if let Some(definition) = state.tables.get(&address.0).map(|table| table.definition.clone()) {
            writer(state, at, definition, Verb::Delete).remove(&address.1);
        }
        return;
    }
    edit(state, at, address, |object| {
        set_metadata(object, "finalizers", rest);
    });
}

fn edit(state: &mut State, at: jiff::Timestamp, address: &Address, change: impl FnOnce(&mut Value)) {
    let Some(object) = find(state, address) else { return };
    let mut value = Value::clone(&object);
    change(&mut value);
    state.commit(&origin(at, Verb::Patch), &address.0, &address.1, Some(value));
}

fn writer(state: &mut State, at: jiff::Timestamp, definition: Arc<Definition>, verb: Verb) -> Writer<'_> {
    Writer {
        state,
        definition,
        origin: origin(at, verb),
        strict_namespaces: false,
    }
}

fn origin(at: jiff::Timestamp, verb: Verb) -> Origin {
    Origin {
        at,
        actor: ACTOR.into(),
        verb,
        subresource: None,
    }
}
