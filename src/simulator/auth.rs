//! Users, tokens, and what a token may do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    reply::Refusal,
    repository::{Repository, same_name},
};

/// What kind of credential a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    #[default]
    FineGrained,
    /// Has all permissions of its owner.
    Classic,
    UserToServer,
    /// Has no user; the agents API refuses it.
    Installation,
}

/// How far a permission goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    #[default]
    None,
    Read,
    Write,
}

/// The repository permissions that matter here; every token may read a repository's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    pub agent_tasks: Access,
    pub pull_requests: Access,
    pub contents: Access,
    pub administration: Access,
    pub checks: Access,
    pub issues: Access,
    pub webhooks: Access,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            agent_tasks: Access::Write,
            pull_requests: Access::Read,
            contents: Access::Read,
            administration: Access::Read,
            checks: Access::Read,
            issues: Access::Read,
            webhooks: Access::None,
        }
    }
}

/// A credential. It has no `Debug`: its secret is for the Authorization header alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub token: String,
    /// The login of its user.
    pub owner: String,
    #[serde(default)]
    pub kind: TokenKind,
    #[serde(default)]
    pub permissions: Permissions,
    /// `owner/name` of each repository it reaches; all when left out.
    #[serde(default)]
    pub repositories: Option<Vec<String>>,
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    #[serde(default)]
    pub revoked: bool,
    /// Whether its owner has yet to authorize it for the organization's single sign-on.
    #[serde(default)]
    pub needs_sso: bool,
}

impl Token {
    /// A fine-grained token that may start tasks and read pull requests in every repository.
    #[must_use]
    pub fn new(token: &str, owner: &str) -> Self {
        Self {
            token: token.to_owned(),
            owner: owner.to_owned(),
            kind: TokenKind::FineGrained,
            permissions: Permissions::default(),
            repositories: None,
            expires_at: None,
            revoked: false,
            needs_sso: false,
        }
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|at| now < at)
    }

    /// What each answer tells of it, as headers.
    pub(super) fn told(&self) -> Vec<(&'static str, String)> {
        let expiry = self
            .expires_at
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
        let scopes = (self.kind == TokenKind::Classic).then(|| "admin:repo_hook, repo".to_owned());
        let headers = [
            ("github-authentication-token-expiration", expiry),
            ("x-oauth-scopes", scopes),
        ];
        headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    pub(super) fn reaches(&self, repository: &Repository) -> bool {
        let listed = |names: &Vec<String>| names.iter().any(|name| same_name(name, &repository.name));
        self.repositories.as_ref().is_none_or(listed)
    }

    /// Whether it may use agent tasks to that degree.
    pub(super) fn may_use_tasks(&self, wanted: Access) -> Result<(), Refusal> {
        self.may(self.permissions.agent_tasks, wanted)
    }

    pub(super) fn may_read_pulls(&self, repository: &Repository) -> Result<(), Refusal> {
        if repository.private {
            self.may(self.permissions.pull_requests, Access::Read)
        } else {
            Ok(())
        }
    }

    pub(super) fn may_write_pulls(&self) -> Result<(), Refusal> {
        self.may(self.permissions.pull_requests, Access::Write)
    }

    pub(super) fn may_read_contents(&self) -> Result<(), Refusal> {
        self.may(self.permissions.contents, Access::Read)
    }

    pub(super) fn may_read_administration(&self) -> Result<(), Refusal> {
        self.may(self.permissions.administration, Access::Read)
    }

    pub(super) fn may_read_checks(&self) -> Result<(), Refusal> {
        self.may(self.permissions.checks, Access::Read)
    }

    pub(super) fn may_read_issues(&self, repository: &Repository) -> Result<(), Refusal> {
        if repository.private {
            self.may(self.permissions.issues, Access::Read)
        } else {
            Ok(())
        }
    }

    /// Whether it may write what issues and pull requests have in common: labels and comments.
    pub(super) fn may_write_cards(&self, of_a_pull: bool) -> Result<(), Refusal> {
        let issues = self.permissions.issues;
        let granted = if of_a_pull {
            issues.max(self.permissions.pull_requests)
        } else {
            issues
        };
        self.may(granted, Access::Write)
    }

    pub(super) fn may_use_webhooks(&self, wanted: Access) -> Result<(), Refusal> {
        self.may(self.permissions.webhooks, wanted)
    }

    fn may(&self, granted: Access, wanted: Access) -> Result<(), Refusal> {
        let enough = self.kind == TokenKind::Classic || granted >= wanted;
        if enough {
            Ok(())
        } else {
            Err(Refusal::NotAccessible(self.kind))
        }
    }
}

/// What an app exchanges for a new token once. It has no `Debug`, as a token has none.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub refresh_token: String,
    /// The token that it came with, which ends with it.
    pub token: String,
    pub client_id: String,
    /// None where the user signed in by the device flow.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// How long the tokens live that it is exchanged for, in seconds.
    #[serde(default = "eight_hours")]
    pub lifetime_s: u64,
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// How often it came in.
    #[serde(default)]
    pub sent: u64,
    /// Whether it was exchanged.
    #[serde(default)]
    pub used: bool,
}

fn eight_hours() -> u64 {
    28_800
}

impl Grant {
    /// For tokens that live eight hours.
    #[must_use]
    pub fn new(refresh_token: &str, token: &str, client_id: &str) -> Self {
        Self {
            refresh_token: refresh_token.to_owned(),
            token: token.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: None,
            lifetime_s: eight_hours(),
            expires_at: None,
            sent: 0,
            used: false,
        }
    }
}

/// A user or an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub id: u64,
    pub login: String,
    pub kind: AccountKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountKind {
    User,
    Organization,
    Bot,
}

impl Account {
    /// The agent, who opens the pull requests.
    pub fn copilot() -> Self {
        Self {
            id: 198_982_749,
            login: "Copilot".to_owned(),
            kind: AccountKind::Bot,
        }
    }
}
