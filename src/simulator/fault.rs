//! What goes wrong, when, and how.
//!
//! A fault waits on the calls of some operations and takes effect on those that its [`When`] picks. Several may take
//! effect on one call. Chance comes from the simulator's seed and is drawn once for each fault with a rate and each
//! call it waits on, whether or not another fault hits that call too.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Answer,
    auth::Permissions,
    reply::{Body, Reply, server_error},
    route::Operation,
};

/// GitHub ends a request after this time with a server error, whether or not it goes on working on it.
pub(super) const TIME_OUT: Duration = Duration::from_secs(10);

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The operations it waits on; all of them when empty.
    #[serde(default)]
    pub on: Vec<Operation>,
    #[serde(default)]
    pub when: When,
    pub effect: Effect,
}

/// Which of the calls it waits on a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Always,
    /// The next so many.
    Next(u64),
    /// Only the n-th from now, counted from 1.
    Nth(u64),
    /// Each with this probability, 0 to 1.
    Rate(f64),
}

impl Default for When {
    fn default() -> Self {
        Self::Next(1)
    }
}

/// How a call gets no answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The connection is closed.
    Reset,
    /// An error of the server at once: a status from 500 to 599.
    Status(u16),
    /// An error of the server (502) after 10 s.
    TimeOut,
    /// Nothing comes, ever, and the connection stays open.
    Hang,
}

/// What a fault does to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing is done.
    FailBefore(Failure),
    /// All is done, and the answer is lost.
    LoseAnswer(Failure),
    /// Nothing is done; the answer has this status and message.
    Refuse { status: u16, message: String },
    /// The request is acted on after so many milliseconds, and answered after so many more. From 10 s on the answer is
    /// a server error; what was asked for is done all the same.
    Slow {
        #[serde(default)]
        before_ms: u64,
        #[serde(default)]
        after_ms: u64,
    },
    /// A task started by this call shows in lists and answers a get only after so many milliseconds.
    ShowLate { list_ms: u64, get_ms: u64 },
    /// A read is answered as things were so many milliseconds ago.
    Stale { ms: u64 },
    /// The user's primary limit is used up and comes back after so many seconds.
    PrimaryLimit { reset_in_s: u64 },
    /// A secondary limit, as 403 or 429, with or without `retry-after` in seconds.
    SecondaryLimit { status: u16, retry_after_s: Option<u64> },
    /// The token of this call is revoked, before it is looked at.
    RevokeToken,
    /// The token of this call expires now.
    ExpireToken,
    /// The token of this call has only these permissions from now on.
    NarrowToken(Permissions),
    /// States, types and the like have values that no description names.
    UnknownEnums,
    /// Only what the description requires is there, on every level.
    OmitOptional,
    /// These fields are left out wherever they are.
    Omit(Vec<String>),
    /// The body ends in the middle, with a length that fits.
    MalformedJson,
    /// The body is cut short of its declared length and the connection closed.
    Truncate,
}

struct Armed {
    fault: Fault,
    picker: Picker,
}

impl Armed {
    fn hits(&mut self, operation: Operation) -> bool {
        let waits = self.fault.on.is_empty() || self.fault.on.contains(&operation);
        waits && self.picker.picks()
    }
}

/// Picks, of the calls that a fault waits on, those that it hits.
pub(super) struct Picker {
    when: When,
    calls: u64,
    pub random: StdRng,
}

impl Picker {
    pub fn new(when: When, random: StdRng) -> Self {
        Self { when, calls: 0, random }
    }

    pub fn picks(&mut self) -> bool {
        self.calls += 1;
        match self.when {
            When::Always => true,
            When::Next(count) => self.calls <= count,
            When::Nth(n) => self.calls == n,
            When::Rate(rate) => self.random.random_bool(rate.clamp(0.0, 1.0)),
        }
    }
}

/// The faults in force.
pub(super) struct Faults {
    armed: Vec<Armed>,
    seeds: StdRng,
}

impl Faults {
    pub fn new(seed: u64) -> Self {
        Self {
            armed: Vec::new(),
            seeds: StdRng::seed_from_u64(seed),
        }
    }

    pub fn add(&mut self, fault: Fault) {
        let random = StdRng::seed_from_u64(self.seeds.random());
        let picker = Picker::new(fault.when, random);
        self.armed.push(Armed { fault, picker });
    }

    pub fn clear(&mut self) {
        self.armed.clear();
    }

    /// The effects on the next call of an operation.
    pub fn draw(&mut self, operation: Operation) -> Effects {
        let hit = self
            .armed
            .iter_mut()
            .filter_map(|armed| armed.hits(operation).then(|| armed.fault.effect.clone()));
        Effects(hit.collect())
    }
}

/// What happens to one call.
#[derive(Default)]
pub(super) struct Effects(pub Vec<Effect>);

/// What will come back, and after how long. No answer: never.
pub(super) struct Planned {
    pub answer: Option<Answer>,
    pub delay: Duration,
    pub status: Option<StatusCode>,
}

impl Planned {
    pub fn reply(reply: Reply, delay: Duration) -> Self {
        let status = Some(reply.status);
        Self {
            answer: Some(Answer::Response(reply.into_http())),
            delay,
            status,
        }
    }
}

impl Failure {
    pub(super) fn planned(self, delay: Duration) -> Planned {
        match self {
            Self::Reset => Planned {
                answer: Some(Answer::Reset),
                delay,
                status: None,
            },
            Self::Hang => Planned {
                answer: None,
                delay,
                status: None,
            },
            Self::TimeOut => Planned::reply(server_error(StatusCode::BAD_GATEWAY), TIME_OUT),
            Self::Status(status) => Planned::reply(server_error(server_status(status)), delay),
        }
    }
}

fn server_status(status: u16) -> StatusCode {
    let given = StatusCode::from_u16(status).ok();
    given
        .filter(StatusCode::is_server_error)
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl Effects {
    fn find<T>(&self, pick: impl Fn(&Effect) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(pick)
    }

    pub fn fails_before(&self) -> Option<Failure> {
        self.find(|effect| {
            if let Effect::FailBefore(failure) = effect {
                Some(*failure)
            } else {
                None
            }
        })
    }

    pub fn loses_answer(&self) -> Option<Failure> {
        self.find(|effect| {
            if let Effect::LoseAnswer(failure) = effect {
                Some(*failure)
            } else {
                None
            }
        })
    }

    /// When a request that arrives `now` is acted on, in milliseconds from now.
    pub fn acted_on_after_ms(&self) -> u64 {
        self.find(|effect| {
            if let Effect::Slow { before_ms, .. } = effect {
                Some(*before_ms)
            } else {
                None
            }
        })
        .unwrap_or(0)
    }

    pub fn delay(&self) -> Duration {
        let total = |effect: &Effect| match effect {
            Effect::Slow { before_ms, after_ms } => Some(Duration::from_millis(before_ms.saturating_add(*after_ms))),
            _ => None,
        };
        self.find(total).unwrap_or_default()
    }

    /// Milliseconds until a task started by this call shows in lists, and to a get.
    pub fn shows_after_ms(&self) -> (u64, u64) {
        let late = |effect: &Effect| match effect {
            Effect::ShowLate { list_ms, get_ms } => Some((*list_ms, *get_ms)),
            _ => None,
        };
        self.find(late).unwrap_or_default()
    }

    /// The instant a read is answered for.
    pub fn view(&self, now: Timestamp) -> Timestamp {
        let age = self
            .find(|effect| {
                if let Effect::Stale { ms } = effect {
                    Some(*ms)
                } else {
                    None
                }
            })
            .unwrap_or(0);
        now.saturating_sub(Duration::from_millis(age)).unwrap_or(now)
    }

    pub fn truncates(&self) -> bool {
        self.0.contains(&Effect::Truncate)
    }

    /// Spoils the body of a success.
    pub fn spoil(&self, mut reply: Reply) -> Reply {
        if !reply.status.is_success() {
            return reply;
        }
        for effect in &self.0 {
            if let Body::Json(value) = &mut reply.body {
                spoil_json(effect, value);
            }
        }
        if self.0.contains(&Effect::MalformedJson) {
            reply.body = malformed(&reply.body);
        }
        reply
    }
}

fn malformed(body: &Body) -> Body {
    let text = if let Body::Json(value) = body {
        value.to_string()
    } else {
        String::new()
    };
    let half: String = text.chars().take(text.chars().count() / 2).collect();
    Body::Text("application/json; charset=utf-8", half)
}

fn spoil_json(effect: &Effect, value: &mut Value) {
    match effect {
        Effect::UnknownEnums => each_object(value, &mut |object| {
            for name in ["state", "type", "creator_type", "provider"] {
                if object.get(name).is_some_and(Value::is_string) {
                    object.insert(name.to_owned(), Value::from("something_new"));
                }
            }
        }),
        Effect::OmitOptional => each_object(value, &mut |object| {
            let is_task_or_session = object.contains_key("session_count") || object.contains_key("task_id");
            object.retain(|name, _| {
                let name = name.as_str();
                if is_task_or_session {
                    REQUIRED.contains(&name)
                } else {
                    !OPTIONAL.contains(&name)
                }
            });
        }),
        Effect::Omit(names) => each_object(value, &mut |object| object.retain(|name, _| !names.contains(name))),
        _ => {}
    }
}

/// What the description requires of a task and of a session; `sessions` is kept, to show that its members shrink too.
const REQUIRED: [&str; 4] = ["id", "state", "created_at", "sessions"];

/// What the description does not require of lists, artifacts and pull requests.
const OPTIONAL: [&str; 8] = [
    "total_active_count",
    "total_archived_count",
    "global_id",
    "draft",
    "assignees",
    "requested_reviewers",
    "requested_teams",
    "rebaseable",
];

fn each_object(value: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|member| each_object(member, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
