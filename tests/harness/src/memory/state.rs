//! The store: objects by kind, one global revision, and the log of changes that watches and older lists read.
//!
//! Every change goes through [`State::commit`]; nothing else moves the revision.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::definition::{Definition, ResourceKey};
use super::history::{Subresource, Verb, Write};
use super::object::{Object, Place, is_terminating, metadata_text, set_revision};
use super::random::Random;
use super::refusal::{self, Result};

/// Revisions begin here, so that small numbers are too old, as on a server that has been up for a while.
pub(super) const FIRST_REVISION: u64 = 100;

pub(super) struct State {
    pub revision: u64,
    /// Changes up to and including this revision are gone.
    pub compacted: u64,
    /// How often all open watches were told that their revision is gone.
    pub expiries: u64,
    /// How often all open watches were closed.
    pub drops: u64,
    pub tables: BTreeMap<ResourceKey, Table>,
    /// When each revision came to be, oldest first.
    pub commits: VecDeque<(u64, Instant)>,
    pub index: Index,
    pub history: Vec<Write>,
    pub random: Random,
}

/// All objects of one kind.
pub(super) struct Table {
    pub definition: Arc<Definition>,
    pub objects: BTreeMap<Place, Arc<Object>>,
    pub changes: VecDeque<Change>,
    pub changed: Arc<Notify>,
}

/// One revision of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub revision: u64,
    pub at: Instant,
    pub place: Place,
    pub before: Option<Arc<Object>>,
    pub after: Option<Arc<Object>>,
}

/// An object of any kind.
pub(super) type Address = (ResourceKey, Place);

/// What garbage collection asks: who is alive, who waits for its finalizers, and who is owned by which uid.
#[derive(Default)]
pub(super) struct Index {
    pub alive: BTreeSet<String>,
    pub terminating: BTreeSet<Address>,
    pub dependents: BTreeMap<String, BTreeSet<Address>>,
}

/// Whose write it is, and how it came.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub at: Timestamp,
    pub actor: Arc<str>,
    pub verb: Verb,
    pub subresource: Option<Subresource>,
}

impl State {
    pub fn new(seed: u64) -> Self {
        Self {
            revision: FIRST_REVISION,
            compacted: FIRST_REVISION,
            expiries: 0,
            drops: 0,
            tables: BTreeMap::new(),
            commits: VecDeque::new(),
            index: Index::default(),
            history: Vec::new(),
            random: Random(seed),
        }
    }

    pub fn define(&mut self, definition: Arc<Definition>) {
        let key = definition.key.clone();
        match self.tables.get_mut(&key) {
            Some(table) => table.definition = definition,
            None => drop(self.tables.insert(key, Table::new(definition))),
        }
    }

    /// Stores `after`, or removes the object when there is none, as the next revision.
    pub fn commit(
        &mut self,
        origin: &Origin,
        resource: &ResourceKey,
        place: &Place,
        after: Option<Value>,
    ) -> Option<Arc<Object>> {
        self.revision += 1;
        let revision = self.revision;
        let after = after.map(|mut value| {
            set_revision(&mut value, revision);
            Object::new(value)
        });
        let table = self.tables.get_mut(resource)?;
        let before = match &after {
            Some(object) => table.objects.insert(place.clone(), object.clone()),
            None => table.objects.remove(place),
        };
        let at = Instant::now();
        table.changes.push_back(Change {
            revision,
            at,
            place: place.clone(),
            before: before.clone(),
            after: after.clone(),
        });
        table.changed.notify_waiters();
        let kind = table.definition.kind.clone();
        self.commits.push_back((revision, at));
        self.index.follow(resource, place, before.as_deref(), after.as_deref());
        self.record(origin, kind, place, revision, before, after.clone());
        after
    }

    /// Notes a write that changed nothing.
    pub fn record_noop(&mut self, origin: &Origin, kind: String, place: &Place, object: &Arc<Object>) {
        let revision = metadata_text(object, "resourceVersion").parse().unwrap_or_default();
        self.record(
            origin,
            kind,
            place,
            revision,
            Some(object.clone()),
            Some(object.clone()),
        );
    }

    fn record(
        &mut self,
        origin: &Origin,
        kind: String,
        place: &Place,
        revision: u64,
        before: Option<Arc<Object>>,
        after: Option<Arc<Object>>,
    ) {
        self.history.push(Write {
            at: origin.at,
            actor: origin.actor.clone(),
            verb: origin.verb,
            kind,
            namespace: place.namespace.clone(),
            name: place.name.clone(),
            subresource: origin.subresource,
            revision,
            before,
            after,
        });
    }

    /// Forgets all changes so far.
    pub fn compact(&mut self) {
        self.compacted = self.revision;
        self.commits.clear();
        for table in self.tables.values_mut() {
            table.changes.clear();
        }
    }

    pub fn table(&self, resource: &ResourceKey) -> Result<&Table> {
        self.tables.get(resource).ok_or_else(refusal::no_such_path)
    }

    pub fn wake_watches(&self) {
        for table in self.tables.values() {
            table.changed.notify_waiters();
        }
    }
}

impl Table {
    fn new(definition: Arc<Definition>) -> Self {
        Self {
            definition,
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            changed: Arc::new(Notify::new()),
        }
    }

    /// The objects of a namespace (of all, when it is empty) in order, as they were at a revision that is not
    /// compacted.
    pub fn objects_at(&self, namespace: &str, revision: u64) -> Vec<Arc<Object>> {
        if self.changes.back().is_none_or(|change| change.revision <= revision) {
            return self.objects_in(namespace);
        }
        let mut objects = self.objects.clone();
        for change in self
            .changes
            .iter()
            .rev()
            .take_while(|change| change.revision > revision)
        {
            match &change.before {
                Some(object) => objects.insert(change.place.clone(), object.clone()),
                None => objects.remove(&change.place),
            };
        }
        objects.retain(|place, _| namespace.is_empty() || place.namespace == namespace);
        objects.into_values().collect()
    }

    fn objects_in(&self, namespace: &str) -> Vec<Arc<Object>> {
        if namespace.is_empty() {
            return self.objects.values().cloned().collect();
        }
        let first = Place {
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let range = self.objects.range(first..);
        range
            .take_while(|(place, _)| place.namespace == namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// One object as it was at a revision that is not compacted.
    pub fn object_at(&self, place: &Place, revision: u64) -> Option<Arc<Object>> {
        let later = self
            .changes
            .iter()
            .rev()
            .take_while(|change| change.revision > revision);
        match later.filter(|change| change.place == *place).last() {
            Some(change) => change.before.clone(),
            None => self.objects.get(place).cloned(),
        }
    }

    /// The first change after a revision.
    pub fn change_after(&self, revision: u64) -> Option<&Change> {
        let index = self.changes.partition_point(|change| change.revision <= revision);
        self.changes.get(index)
    }
}

impl Index {
    fn follow(&mut self, resource: &ResourceKey, place: &Place, before: Option<&Object>, after: Option<&Object>) {
        let at = (resource.clone(), place.clone());
        if let Some(object) = before {
            self.alive.remove(metadata_text(object, "uid"));
            self.terminating.remove(&at);
            for owner in owner_uids(object) {
                if let Some(set) = self.dependents.get_mut(owner) {
                    set.remove(&at);
                    if set.is_empty() {
                        self.dependents.remove(owner);
                    }
                }
            }
        }
        if let Some(object) = after {
            self.alive.insert(metadata_text(object, "uid").to_owned());
            if is_terminating(object) {
                self.terminating.insert(at.clone());
            }
            for owner in owner_uids(object) {
                self.dependents.entry(owner.to_owned()).or_default().insert(at.clone());
            }
        }
    }
}

pub(super) fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    let references = object["metadata"]["ownerReferences"].as_array();
    references
        .into_iter()
        .flatten()
        .filter_map(|reference| reference["uid"].as_str())
}
