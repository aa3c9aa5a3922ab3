//! The verbs that read once: get and list, at the revision that the parameters ask for.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::Lag;
use super::definition::Definition;
use super::object::{Object, Place};
use super::refusal::{self, Result};
use super::route::{Query, Route};
use super::selector::Filter;
use super::state::State;

const STALE_LIST: &str = "The resourceVersion for the provided list is too old.";
const STALE_CONTINUE: &str = "The provided continue parameter is too old to display a consistent list result. You can start \
     a new list without the continue parameter.";

/// Whole objects, or their metadata only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Full,
    Metadata,
}

impl View {
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else {
            Self::Full
        }
    }

    pub fn json(self, object: &Object) -> Bytes {
        match self {
            Self::Full => object.json(),
            Self::Metadata => {
                let (kind, version) = ("PartialObjectMetadata", "meta.k8s.io/v1");
                let partial = json!({"kind": kind, "apiVersion": version, "metadata": object["metadata"]});
                Bytes::from(partial.to_string())
            }
        }
    }

    /// An item of a list; built-in kinds leave their type to the list.
    fn item(self, definition: &Definition, object: &Object) -> Bytes {
        if self == Self::Metadata || definition.is_custom() {
            return self.json(object);
        }
        let mut value = Value::clone(object);
        if let Some(map) = value.as_object_mut() {
            map.retain(|field, _| field != "kind" && field != "apiVersion");
        }
        Bytes::from(value.to_string())
    }
}

pub(super) fn get(state: &State, lag: &Lag, route: &Route, query: &Query) -> Result<Arc<Object>> {
    let table = state.table(&route.resource)?;
    let place = Place {
        namespace: route.namespace.clone(),
        name: route.name.clone().unwrap_or_default(),
    };
    let found = match query.number("resourceVersion")? {
        None => table.objects.get(&place).cloned(),
        Some(0) => table.object_at(&place, lag.visible_revision(state, Instant::now())),
        Some(asked) => table.object_at(&place, at_least(state, lag, asked)?),
    };
    found.ok_or_else(|| refusal::not_found(&table.definition, &place.name))
}

pub(super) fn list(state: &State, lag: &Lag, route: &Route, query: &Query, view: View) -> Result<Bytes> {
    let table = state.table(&route.resource)?;
    let filter = Filter::parse(&table.definition, query)?;
    let page = Page::parse(state, lag, query)?;
    let mut objects = table.objects_at(&route.namespace, page.revision);
    objects
        .retain(|object| filter.matches(object) && page.after.as_ref().is_none_or(|after| Place::of(object) > *after));
    let rest = page.limit.map_or(0, |limit| objects.len().saturating_sub(limit));
    objects.truncate(objects.len() - rest);
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if let Some(last) = objects.last().filter(|_| rest > 0) {
        let Place { namespace, name } = Place::of(last);
        metadata["continue"] = json!(format!("{}:{namespace}/{name}", page.revision));
        if filter.is_empty() {
            metadata["remainingItemCount"] = json!(rest);
        }
    }
    Ok(encode(&table.definition, view, &metadata, &objects))
}

/// Which part of a list is asked for, and as of when.
struct Page {
    revision: u64,
    after: Option<Place>,
    limit: Option<usize>,
}

impl Page {
    fn parse(state: &State, lag: &Lag, query: &Query) -> Result<Self> {
        let limit = query.number("limit")?.filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let (revision, after) = match query.text("continue") {
            Some(token) => continuation(state, token)?,
            None => (list_revision(state, lag, query)?, None),
        };
        Ok(Self { revision, after, limit })
    }
}

fn continuation(state: &State, token: &str) -> Result<(u64, Option<Place>)> {
    let parsed = token.split_once(':').and_then(|(revision, place)| {
        let (namespace, name) = place.split_once('/')?;
        let place = Place {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Some((revision.parse::<u64>().ok()?, place))
    });
    let refuse = || refusal::bad_request("continue key is not valid");
    let (revision, place) = parsed.ok_or_else(refuse)?;
    if revision < state.compacted {
        return Err(refusal::expired(STALE_CONTINUE));
    }
    Ok((revision, Some(place)))
}

fn list_revision(state: &State, lag: &Lag, query: &Query) -> Result<u64> {
    let exact = query.text("resourceVersionMatch") == Some("Exact");
    match query.number("resourceVersion")? {
        None => Ok(state.revision),
        Some(0) => Ok(lag.visible_revision(state, Instant::now())),
        Some(asked) if exact && asked < state.compacted => Err(refusal::expired(STALE_LIST)),
        Some(asked) if exact && asked <= state.revision => Ok(asked),
        Some(asked) => at_least(state, lag, asked),
    }
}

fn at_least(state: &State, lag: &Lag, asked: u64) -> Result<u64> {
    if asked > state.revision {
        return Err(refusal::too_large(asked, state.revision));
    }
    Ok(lag.visible_revision(state, Instant::now()).max(asked))
}

fn encode(definition: &Definition, view: View, metadata: &Value, objects: &[Arc<Object>]) -> Bytes {
    let (kind, version) = match view {
        View::Full => (definition.list_kind.clone(), definition.api_version()),
        View::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
    };
    let mut body =
        format!("{{\"apiVersion\":\"{version}\",\"kind\":\"{kind}\",\"metadata\":{metadata},\"items\":[").into_bytes();
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&view.item(definition, object));
    }
    body.extend_from_slice(b"]}");
    Bytes::from(body)
}
