//! What keeps an agent's work from being merged unseen: rules of branches, CODEOWNERS, the agent's own settings.

use serde::Deserialize;
use serde_json::Value;

use super::client::{Call, Client};
use super::conditional::Conditional;
use super::error::Error;
use super::lenient::{lenient, lenient_list};
use super::token::Token;
use crate::domain::repository::Repository;

/// An active rule of a branch, whichever ruleset it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawRule")]
pub enum BranchRule {
    PullRequest {
        approvals: u32,
        code_owner_review: bool,
    },
    RequiredStatusChecks {
        contexts: Vec<String>,
    },
    CodeScanning,
    /// Its type.
    Other(String),
}

/// How the agent is set up in a repository, as far as the answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgentConfiguration {
    pub firewall: Option<bool>,
    pub workflow_approval: Option<bool>,
    pub codeql: Option<bool>,
    pub secret_scanning: Option<bool>,
}

impl Client {
    /// The active rules of a branch, from rulesets of every level. Classic protection is not among them.
    pub async fn branch_rules(
        &self,
        token: &Token,
        repo: &Repository,
        branch: &str,
        etag: Option<&str>,
    ) -> Result<Conditional<Vec<BranchRule>>, Error> {
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "rules", "branches", branch])?
            .with("per_page", "100");
        let call = Call {
            etag,
            ..Call::new("branch_rules", token, url)
        };
        self.read_if_changed(call).await
    }

    /// The number of errors in CODEOWNERS at a branch; a refusal of kind *not found* when there is no such file.
    pub async fn codeowners_errors(
        &self,
        token: &Token,
        repo: &Repository,
        branch: &str,
        etag: Option<&str>,
    ) -> Result<Conditional<usize>, Error> {
        let url = self
            .url(&["repos", repo.owner(), repo.name(), "codeowners", "errors"])?
            .with("ref", branch);
        let call = Call {
            etag,
            ..Call::new("codeowners_errors", token, url)
        };
        let answer: Conditional<CodeOwners> = self.read_if_changed(call).await?;
        Ok(answer.map(|owners| owners.errors.len()))
    }

    /// How the agent is set up in a repository. The configuration of its MCP servers, which may hold secrets, is not read.
    pub async fn agent_configuration(
        &self,
        token: &Token,
        repo: &Repository,
        etag: Option<&str>,
    ) -> Result<Conditional<AgentConfiguration>, Error> {
        let url = self.url(&[
            "repos",
            repo.owner(),
            repo.name(),
            "copilot",
            "cloud-agent",
            "configuration",
        ])?;
        let call = Call {
            etag,
            ..Call::new("agent_configuration", token, url)
        };
        let answer: Conditional<RawConfiguration> = self.read_if_changed(call).await?;
        Ok(answer.map(|raw| {
            let tools = raw.enabled_tools.unwrap_or_default();
            AgentConfiguration {
                firewall: raw.is_firewall_enabled,
                workflow_approval: raw.require_actions_workflow_approval,
                codeql: tools.codeql,
                secret_scanning: tools.secret_scanning,
            }
        }))
    }
}

#[derive(Deserialize)]
struct RawRule {
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default)]
    parameters: Value,
}

impl From<RawRule> for BranchRule {
    fn from(raw: RawRule) -> Self {
        let flag = |name: &str| raw.parameters.get(name).and_then(Value::as_bool).unwrap_or(false);
        match raw.kind.as_deref() {
            Some("pull_request") => Self::PullRequest {
                approvals: raw
                    .parameters
                    .get("required_approving_review_count")
                    .and_then(Value::as_u64)
                    .and_then(|count| u32::try_from(count).ok())
                    .unwrap_or(0),
                code_owner_review: flag("require_code_owner_review"),
            },
            Some("required_status_checks") => {
                let checks = raw.parameters.get("required_status_checks").and_then(Value::as_array);
                let context = |check: &Value| check.get("context").and_then(Value::as_str).map(str::to_owned);
                Self::RequiredStatusChecks {
                    contexts: checks.into_iter().flatten().filter_map(context).collect(),
                }
            }
            Some("code_scanning") => Self::CodeScanning,
            other => Self::Other(other.unwrap_or_default().to_owned()),
        }
    }
}

#[derive(Deserialize)]
struct CodeOwners {
    #[serde(default, deserialize_with = "lenient_list")]
    errors: Vec<Value>,
}

#[derive(Deserialize)]
struct RawConfiguration {
    #[serde(default, deserialize_with = "lenient")]
    enabled_tools: Option<RawTools>,
    #[serde(default, deserialize_with = "lenient")]
    require_actions_workflow_approval: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    is_firewall_enabled: Option<bool>,
}

#[derive(Deserialize, Default)]
struct RawTools {
    #[serde(default, deserialize_with = "lenient")]
    codeql: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    secret_scanning: Option<bool>,
}
