//! Objects by what they name, and those that are gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ObjectKey;

/// Gone tasks that are remembered; answers are late by seconds, not by this many deletions.
const GRAVES: usize = 10_000;

/// Objects by something that they name.
#[derive(Debug)]
pub(super) struct Index<K>(pub(super) BTreeMap<K, BTreeSet<ObjectKey>>);

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Index<K> {
    pub(super) fn of(&self, key: &K) -> impl Iterator<Item = &ObjectKey> + use<'_, K> {
        self.0.get(key).into_iter().flatten()
    }

    pub(super) fn insert(&mut self, key: K, object: &ObjectKey) {
        self.0.entry(key).or_default().insert(object.clone());
    }

    pub(super) fn remove(&mut self, key: &K, object: &ObjectKey) {
        if let Some(objects) = self.0.get_mut(key) {
            objects.remove(object);
            if objects.is_empty() {
                self.0.remove(key);
            }
        }
    }
}

/// The uids of the last objects that went.
#[derive(Debug, Default)]
pub(super) struct Graves {
    uids: BTreeSet<String>,
    oldest_first: VecDeque<String>,
}

impl Graves {
    pub(super) fn holds(&self, uid: &str) -> bool {
        self.uids.contains(uid)
    }

    pub(super) fn dig(&mut self, uid: &str) {
        if !self.uids.insert(uid.to_owned()) {
            return;
        }
        self.oldest_first.push_back(uid.to_owned());
        if self.oldest_first.len() > GRAVES
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.uids.remove(&oldest);
        }
    }
}
