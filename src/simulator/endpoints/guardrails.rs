//! Rules of branches, CODEOWNERS, and how the agent is set up.

use serde_json::{Value, json};

use crate::simulator::{
    exchange::Context,
    reply::{Refusal, Reply},
    repository::{CodeOwners, Rule},
    route::RepositoryName,
    state::State,
};

impl State {
    pub(in crate::simulator) fn get_branch_rules(
        &self,
        name: &RepositoryName,
        branch: &str,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        let rules = repository.rules.get(branch).into_iter().flatten();
        let rules: Vec<Value> = rules.map(|rule| rule_json(rule, &repository.name)).collect();
        Ok(Reply::ok(Value::from(rules)))
    }

    pub(in crate::simulator) fn get_codeowners_errors(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_contents()?;
        let count = match repository.codeowners {
            CodeOwners::Missing => return Err(Refusal::NotFound),
            CodeOwners::Valid => 0,
            CodeOwners::Errors(count) => count,
        };
        let error = |line: u32| {
            json!({
                "line": line, "column": 1, "kind": "Unknown owner", "source": "* @nobody", "suggestion": null,
                "message": format!("Unknown owner on line {line}"), "path": ".github/CODEOWNERS",
            })
        };
        Ok(Reply::ok(json!({"errors": (1..=count).map(error).collect::<Vec<_>>()})))
    }

    pub(in crate::simulator) fn get_agent_configuration(
        &self,
        name: &RepositoryName,
        context: &Context<'_>,
    ) -> Result<Reply, Refusal> {
        let repository = self.reach(name, context)?;
        context.caller.token.may_read_administration()?;
        let agent = repository.agent;
        Ok(Reply::ok(json!({
            "mcp_configuration": {"mcpServers": {"internal": {"env": {"KEY": "secret-of-an-mcp-server"}}}},
            "enabled_tools": {
                "codeql": agent.codeql,
                "copilot_code_review": true,
                "secret_scanning": agent.secret_scanning,
                "dependency_vulnerability_checks": true,
            },
            "require_actions_workflow_approval": agent.workflow_approval,
            "is_firewall_enabled": agent.firewall,
            "is_firewall_recommended_allowlist_enabled": true,
            "custom_allowlist": [],
            "is_automations_enabled": false,
            "require_write_access_for_automation_triggers": true,
        })))
    }
}

fn rule_json(rule: &Rule, repository: &str) -> Value {
    let (kind, parameters) = match rule {
        Rule::PullRequest { approvals, code_owners } => (
            "pull_request",
            json!({
                "required_approving_review_count": approvals,
                "require_code_owner_review": code_owners,
                "dismiss_stale_reviews_on_push": false,
                "require_last_push_approval": false,
                "required_review_thread_resolution": false,
                "allowed_merge_methods": ["merge", "squash", "rebase"],
            }),
        ),
        Rule::RequiredStatusChecks { contexts } => (
            "required_status_checks",
            json!({
                "strict_required_status_checks_policy": false,
                "do_not_enforce_on_create": false,
                "required_status_checks": contexts.iter().map(|context| json!({"context": context})).collect::<Vec<_>>(),
            }),
        ),
        Rule::CodeScanning => (
            "code_scanning",
            json!({"code_scanning_tools": [{
                "tool": "CodeQL", "alerts_threshold": "errors", "security_alerts_threshold": "high_or_higher",
            }]}),
        ),
    };
    json!({
        "type": kind, "parameters": parameters,
        "ruleset_source_type": "Repository", "ruleset_source": repository, "ruleset_id": 1,
    })
}
