//! What the simulator remembers.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use super::{
    auth::{Account, AccountKind, Grant, Token},
    fault::{Effect, Faults},
    history::History,
    hook::Hooks,
    issue::{Comment, Event, Issue},
    limit::Meter,
    pull::{Proposal, PullLife},
    repository::{Repositories, Repository},
    route::Operation,
    script::Script,
    task::Tasks,
};

/// How many requests the log keeps.
pub(super) const LOG_LENGTH: usize = 100_000;

/// What nobody could verify about the live service, either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Sessions carry the prompt as it was given.
    pub echo_prompt: bool,
    /// Pull artifacts carry a GraphQL id besides the database id.
    pub global_ids: bool,
    /// How many pages of a repository's issue events are shown.
    pub event_pages: Option<usize>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            echo_prompt: true,
            global_ids: true,
            event_pages: None,
        }
    }
}

/// One request that came in. It never holds a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    pub query: String,
    /// `None` when the path leads nowhere.
    pub operation: Option<Operation>,
    /// The user of its token, when that was good.
    pub user: Option<String>,
    /// `None` when no answer was given.
    pub status: Option<u16>,
    /// The faults that took effect on it.
    pub effects: Vec<Effect>,
}

/// Which script a new task follows: the queue first, then the prompt, the repository, the default.
#[derive(Default)]
pub(super) struct Scripts {
    pub queue: VecDeque<Script>,
    /// Text in the prompt, and the script for it; the first that matches.
    pub by_prompt: Vec<(String, Script)>,
    pub by_repository: BTreeMap<String, Script>,
    pub default: Script,
}

impl Scripts {
    pub fn pick(&mut self, repository: &str, prompt: &str) -> Script {
        let by_prompt = || {
            self.by_prompt
                .iter()
                .find(|(text, _)| prompt.contains(text))
                .map(|(_, script)| script)
        };
        let by_repository = || self.by_repository.get(&repository.to_ascii_lowercase());
        let lasting = by_prompt().or_else(by_repository).unwrap_or(&self.default).clone();
        self.queue.pop_front().unwrap_or(lasting)
    }
}

/// Accounts by lower-case login.
#[derive(Default)]
pub(super) struct Accounts(pub BTreeMap<String, Account>);

impl Accounts {
    pub fn get(&self, login: &str) -> Option<&Account> {
        self.0.get(&login.to_ascii_lowercase())
    }

    pub fn owner_of(&self, repository: &Repository) -> Account {
        let absent = || Account {
            id: 0,
            login: repository.owner().to_owned(),
            kind: AccountKind::Organization,
        };
        self.get(repository.owner()).cloned().unwrap_or_else(absent)
    }
}

pub(super) struct State {
    pub seed: u64,
    pub base_url: String,
    pub ids: StdRng,
    pub next_id: u64,
    pub requests: u64,
    pub accounts: Accounts,
    pub tokens: BTreeMap<String, Token>,
    pub grants: Vec<Grant>,
    pub repositories: Repositories,
    /// The highest pull request number of each repository.
    pub numbers: BTreeMap<u64, u64>,
    pub tasks: Tasks,
    pub pulls: BTreeMap<u64, History<PullLife>>,
    pub proposals: Vec<Proposal>,
    pub issues: Vec<Issue>,
    pub comments: Vec<Comment>,
    pub events: Vec<Event>,
    pub hooks: Hooks,
    pub scripts: Scripts,
    pub faults: Faults,
    pub meter: Meter,
    pub behaviour: Behaviour,
    pub log: VecDeque<RequestRecord>,
}

impl State {
    pub fn new(seed: u64, base_url: String) -> Self {
        Self {
            seed,
            base_url,
            ids: StdRng::seed_from_u64(seed),
            next_id: 1_000,
            requests: 0,
            accounts: Accounts::default(),
            tokens: BTreeMap::new(),
            grants: Vec::new(),
            repositories: Repositories::default(),
            numbers: BTreeMap::new(),
            tasks: Tasks::default(),
            pulls: BTreeMap::new(),
            proposals: Vec::new(),
            issues: Vec::new(),
            comments: Vec::new(),
            events: Vec::new(),
            hooks: Hooks::new(seed.rotate_left(32)),
            scripts: Scripts::default(),
            faults: Faults::new(!seed),
            meter: Meter::default(),
            behaviour: Behaviour::default(),
            log: VecDeque::new(),
        }
    }

    pub fn remember(&mut self, record: RequestRecord) {
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        self.log.push_back(record);
    }

    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A random UUID, version 4.
    pub fn uuid(&mut self) -> String {
        uuid(&mut self.ids)
    }
}

pub(super) fn uuid(random: &mut StdRng) -> String {
    let (high, low): (u64, u64) = (random.random(), random.random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}
