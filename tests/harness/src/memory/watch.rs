//! Watches: a cursor over a kind's changes that sleeps until there is something to say.
//!
//! An open watch holds no lock and no copy of the log, only the revision it has come to. It ends at its time-out, when
//! its connection is dropped, and with a 410 when the log is compacted under it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Lag};
use super::definition::Definition;
use super::lock;
use super::object::Object;
use super::read::View;
use super::refusal::{self, Fault, Result};
use super::route::{Query, Route};
use super::selector::Filter;
use super::state::{Change, State};

/// The real API server's period.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// The real API server sends a last bookmark this long before a watch's time-out.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// The real API server's least time-out when the client gives none.
const DEFAULT_TIMEOUT_SECONDS: u64 = 1800;

pub(super) struct Watch {
    connection: Connection,
    definition: Arc<Definition>,
    namespace: String,
    filter: Filter,
    view: View,
    /// Changes up to here have been sent or did not concern this watch.
    cursor: u64,
    /// The last revision that the client has heard of.
    told: u64,
    initial: VecDeque<Bytes>,
    next_bookmark: Option<Instant>,
    deadline: Instant,
    changed: Arc<Notify>,
    opened: Interruptions,
    has_ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Interruptions {
    expiries: u64,
    drops: u64,
}

enum Step {
    Send(Bytes),
    Wait(Instant),
    End,
}

impl Watch {
    pub fn open(state: &State, connection: &Connection, route: &Route, query: &Query, view: View) -> Result<Self> {
        let table = state.table(&route.resource)?;
        let lag = connection.link.lag();
        let now = Instant::now();
        let timeout = Duration::from_secs(query.number("timeoutSeconds")?.unwrap_or(DEFAULT_TIMEOUT_SECONDS));
        let bookmarks = query.flag("allowWatchBookmarks") == Some(true);
        let mut watch = Self {
            connection: connection.clone(),
            definition: table.definition.clone(),
            namespace: route.namespace.clone(),
            filter: Filter::parse(&table.definition, query)?,
            view,
            cursor: 0,
            told: 0,
            initial: VecDeque::new(),
            next_bookmark: bookmarks.then(|| now + BOOKMARK_PERIOD.min(timeout.saturating_sub(LAST_BOOKMARK))),
            deadline: now + timeout,
            changed: table.changed.clone(),
            opened: Interruptions::of(state, &lag),
            has_ended: false,
        };
        watch.position(state, &lag, query)?;
        watch.told = watch.cursor;
        Ok(watch)
    }

    fn position(&mut self, state: &State, lag: &Lag, query: &Query) -> Result<()> {
        let asked = query.number("resourceVersion")?;
        let send_initial = query.flag("sendInitialEvents");
        if send_initial.is_some() && query.text("resourceVersionMatch") != Some("NotOlderThan") {
            let hint = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            let fault = Fault::forbidden("resourceVersionMatch", hint);
            return Err(refusal::invalid_kind("meta.k8s.io", "ListOptions", "", &[fault]));
        }
        let visible = lag.visible_revision(state, Instant::now());
        match (asked.unwrap_or(0), send_initial) {
            (0, None | Some(true)) => {
                let start = if asked.is_none() { state.revision } else { visible };
                self.send_all(state, start, send_initial == Some(true))
            }
            (asked, Some(true)) => self.send_all(state, visible.max(asked), true),
            (0, Some(false)) => {
                self.cursor = state.revision;
                Ok(())
            }
            (asked, None | Some(false)) => {
                if asked < state.compacted {
                    self.expire(asked, state.compacted);
                }
                self.cursor = asked;
                Ok(())
            }
        }
    }

    fn send_all(&mut self, state: &State, start: u64, mark_end: bool) -> Result<()> {
        let objects = state.table(&self.definition.key)?.objects_at(&self.namespace, start);
        let matching = objects.iter().filter(|object| self.filter.matches(object));
        self.initial = matching.map(|object| event("ADDED", &self.view.json(object))).collect();
        if mark_end && self.next_bookmark.is_some() {
            self.initial.push_back(self.bookmark(start, true));
        }
        self.cursor = start;
        Ok(())
    }

    /// The next line of the answer; `None` at its end.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let changed = self.changed.clone();
            let mut notified = std::pin::pin!(changed.notified());
            notified.as_mut().enable();
            match self.step(Instant::now()) {
                Step::Send(line) => return Some(line),
                Step::End => return None,
                Step::Wait(until) => {
                    // Whether a change or the time came first, the next step looks again.
                    let _ = timeout_at(until, notified).await;
                }
            }
        }
    }

    fn step(&mut self, now: Instant) -> Step {
        if let Some(line) = self.initial.pop_front() {
            return Step::Send(line);
        }
        if self.has_ended {
            return Step::End;
        }
        let shared = self.connection.server.shared.clone();
        let state = lock(&shared.state);
        let lag = self.connection.link.lag();
        let present = Interruptions::of(&state, &lag);
        if present.drops != self.opened.drops || now >= self.deadline {
            return Step::End;
        }
        if present.expiries != self.opened.expiries {
            self.expire(self.cursor, state.compacted);
            return self.initial.pop_front().map_or(Step::End, Step::Send);
        }
        self.next_change(&state, &lag, now)
    }

    fn next_change(&mut self, state: &State, lag: &Lag, now: Instant) -> Step {
        let mut until = self.deadline;
        while let Some(change) = state
            .tables
            .get(&self.definition.key)
            .and_then(|t| t.change_after(self.cursor))
        {
            match lag.arrival(change.revision, change.at) {
                Some(arrival) if arrival <= now => {
                    self.cursor = change.revision;
                    if let Some(line) = self.line(change) {
                        self.told = change.revision;
                        return Step::Send(line);
                    }
                }
                Some(arrival) => {
                    until = until.min(arrival);
                    break;
                }
                None => break,
            }
        }
        match self.next_bookmark {
            Some(due) if due <= now => {
                let next = self.bookmark_after(now);
                self.next_bookmark = Some(next);
                let revision = lag.visible_revision(state, now);
                // As on the real API server, a bookmark that says nothing new is not sent.
                if revision <= self.told {
                    return Step::Wait(until.min(next));
                }
                self.told = revision;
                Step::Send(self.bookmark(revision, false))
            }
            Some(due) => Step::Wait(until.min(due)),
            None => Step::Wait(until),
        }
    }

    fn bookmark_after(&self, now: Instant) -> Instant {
        let last = self.deadline.checked_sub(LAST_BOOKMARK).filter(|last| *last > now);
        (now + BOOKMARK_PERIOD).min(last.unwrap_or(now + BOOKMARK_PERIOD))
    }

    /// What a change means to this watch; nothing when it neither was nor is about it.
    fn line(&self, change: &Change) -> Option<Bytes> {
        if !self.namespace.is_empty() && change.place.namespace != self.namespace {
            return None;
        }
        let seen = |object: &&Arc<Object>| self.filter.matches(object);
        match (change.before.as_ref().filter(seen), change.after.as_ref().filter(seen)) {
            (None, None) => None,
            (None, Some(after)) => Some(event("ADDED", &self.view.json(after))),
            (Some(_), Some(after)) => Some(event("MODIFIED", &self.view.json(after))),
            (Some(before), None) => Some(event("DELETED", &self.view.json(&before.at_revision(change.revision)))),
        }
    }

    fn bookmark(&self, revision: u64, ends_initial: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, version) = (&self.definition.kind, self.definition.api_version());
        let object = Object::new(json!({"kind": kind, "apiVersion": version, "metadata": metadata}));
        event("BOOKMARK", &self.view.json(&object))
    }

    fn expire(&mut self, asked: u64, oldest: u64) {
        let refusal = refusal::expired(&format!("too old resource version: {asked} ({oldest})"));
        self.initial
            .push_back(event("ERROR", refusal.body.to_string().as_bytes()));
        self.has_ended = true;
    }
}

impl Interruptions {
    fn of(state: &State, lag: &Lag) -> Self {
        Self {
            expiries: state.expiries,
            drops: state.drops + lag.drops,
        }
    }
}

fn event(kind: &str, object: &[u8]) -> Bytes {
    let mut line = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    Bytes::from(line)
}
