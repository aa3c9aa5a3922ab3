//! Repositories and the names they have had.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{auth::Account, issue::Association, route::RepositoryName};

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// `owner/name`; the owner becomes an organization unless it is a user already.
    pub name: String,
    /// Picked when 0.
    #[serde(default)]
    pub id: u64,
    #[serde(default = "main")]
    pub default_branch: String,
    /// The branches besides the default one.
    #[serde(default)]
    pub branches: Vec<String>,
    /// Branches with protection rules.
    #[serde(default)]
    pub protected: Vec<String>,
    #[serde(default = "yes")]
    pub private: bool,
    /// Active rules by branch.
    #[serde(default)]
    pub rules: BTreeMap<String, Vec<Rule>>,
    #[serde(default)]
    pub codeowners: CodeOwners,
    #[serde(default)]
    pub agent: AgentSettings,
    /// What people are to it, by login; its owner needs no entry.
    #[serde(default)]
    pub associations: BTreeMap<String, Association>,
    #[serde(default)]
    pub fork: bool,
}

/// A rule of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    PullRequest { approvals: u32, code_owners: bool },
    RequiredStatusChecks { contexts: Vec<String> },
    CodeScanning,
}

/// Whether there is a CODEOWNERS file, and what GitHub thinks of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeOwners {
    #[default]
    Missing,
    Valid,
    /// With so many errors.
    Errors(u32),
}

/// How the agent is set up in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are GitHub's switches")]
pub struct AgentSettings {
    pub firewall: bool,
    pub workflow_approval: bool,
    pub codeql: bool,
    pub secret_scanning: bool,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            firewall: true,
            workflow_approval: true,
            codeql: true,
            secret_scanning: true,
        }
    }
}

fn main() -> String {
    "main".to_owned()
}

fn yes() -> bool {
    true
}

impl Repository {
    /// A private repository whose default branch is `main`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: 0,
            default_branch: main(),
            branches: Vec::new(),
            protected: Vec::new(),
            private: true,
            rules: BTreeMap::new(),
            codeowners: CodeOwners::default(),
            agent: AgentSettings::default(),
            associations: BTreeMap::new(),
            fork: false,
        }
    }

    pub(super) fn association(&self, account: &Account) -> Association {
        let listed = self
            .associations
            .iter()
            .find(|(login, _)| same_name(login, &account.login));
        let by_itself = || match account.login.as_str() {
            login if same_name(login, self.owner()) => Association::Owner,
            // The agent has committed to each branch that it opens a pull request for.
            "Copilot" => Association::Contributor,
            _ => Association::None,
        };
        listed.map_or_else(by_itself, |(_, association)| *association)
    }

    pub(super) fn owner(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(owner, _)| owner)
    }

    pub(super) fn short_name(&self) -> &str {
        self.name.split_once('/').map_or("", |(_, name)| name)
    }

    pub(super) fn has_branch(&self, branch: &str) -> bool {
        self.default_branch == branch || self.branches.iter().any(|name| name == branch)
    }
}

/// Whether two names are the same to GitHub, which ignores case.
pub(super) fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// All repositories, by id, by name and by former name.
#[derive(Default)]
pub(super) struct Repositories {
    by_id: BTreeMap<u64, Repository>,
    former: BTreeMap<String, u64>,
}

impl Repositories {
    /// Adds or replaces one.
    pub fn insert(&mut self, repository: Repository) {
        self.by_id.insert(repository.id, repository);
    }

    pub fn get(&self, id: u64) -> Option<&Repository> {
        self.by_id.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Repository> {
        self.by_id.values()
    }

    pub fn named(&self, name: &str) -> Option<&Repository> {
        self.by_id.values().find(|repository| same_name(&repository.name, name))
    }

    /// Renames one; requests for the old name are redirected. `false` when there is none of that name.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(id) = self.named(from).map(|repository| repository.id) else {
            return false;
        };
        self.former.insert(from.to_ascii_lowercase(), id);
        if let Some(repository) = self.by_id.get_mut(&id) {
            to.clone_into(&mut repository.name);
        }
        true
    }

    /// The repository a request is about, or what its former name leads to.
    pub fn find(&self, name: &RepositoryName) -> Found<'_> {
        match name {
            RepositoryName::Id(id) => self.get(*id).map_or(Found::Nothing, Found::Here),
            RepositoryName::Full(full) => match self.named(full) {
                Some(repository) => Found::Here(repository),
                None => self
                    .former
                    .get(&full.to_ascii_lowercase())
                    .and_then(|id| self.get(*id))
                    .map_or(Found::Nothing, Found::Moved),
            },
        }
    }
}

pub(super) enum Found<'a> {
    Here(&'a Repository),
    Moved(&'a Repository),
    Nothing,
}
