//! Guardrails, and pull requests after they were opened: each request and each answer as GitHub describes them.

use agent_automation::domain::repository::Repository as Name;
use agent_automation::github::{AgentConfiguration, BranchRule, CheckRun, Conditional, Error, RefusalKind};
use agent_automation::simulator::{
    Access, AgentSettings, CodeOwners, Permissions, PullChange, Repository, Rule, Token as Secret,
};
use serde_json::json;

use super::scripted::{Scripted, answer, token};
use super::simulated::{client as calling, good};
use crate::world::{TOKEN, World, pass};

fn name() -> Name {
    Name::parse("acme/payments-api").unwrap()
}

fn guarded(world: &World) {
    let rules = vec![
        Rule::PullRequest {
            approvals: 2,
            code_owners: true,
        },
        Rule::RequiredStatusChecks {
            contexts: vec!["test".to_owned()],
        },
        Rule::CodeScanning,
    ];
    let repository = Repository {
        rules: [("main".to_owned(), rules)].into(),
        codeowners: CodeOwners::Errors(2),
        agent: AgentSettings {
            firewall: false,
            ..AgentSettings::default()
        },
        ..Repository::new("acme/payments-api")
    };
    world.simulator.add_repository(repository).unwrap();
}

fn permitted(world: &World, permissions: Permissions) {
    let token = Secret {
        permissions,
        ..Secret::new(TOKEN, "octocat")
    };
    world.simulator.add_token(token).unwrap();
}

/// The value, and its tag.
fn fresh<T>(answer: Conditional<T>) -> (T, Option<String>) {
    match answer {
        Conditional::Fresh { value, etag } => (value, etag),
        Conditional::NotModified => panic!("nothing is known yet"),
    }
}

fn kind(error: &Error) -> &'static str {
    match error.refusal().map(|refusal| &refusal.kind) {
        Some(RefusalKind::PermissionMissing) => "permission missing",
        Some(RefusalKind::NotFound) => "not found",
        Some(RefusalKind::Invalid) => "invalid",
        _ => "another",
    }
}

#[tokio::test(start_paused = true)]
async fn guardrails_are_read_and_read_again_for_nothing() {
    let world = World::new();
    guarded(&world);
    let (client, token) = (calling(&world, true), good());

    let (rules, tag) = fresh(client.branch_rules(&token, &name(), "main", None).await.unwrap());
    assert_eq!(
        rules,
        [
            BranchRule::PullRequest {
                approvals: 2,
                code_owner_review: true,
            },
            BranchRule::RequiredStatusChecks {
                contexts: vec!["test".to_owned()],
            },
            BranchRule::CodeScanning,
        ]
    );
    let again = client
        .branch_rules(&token, &name(), "main", tag.as_deref())
        .await
        .unwrap();
    assert_eq!(again, Conditional::NotModified);
    let (none, _) = fresh(client.branch_rules(&token, &name(), "release/1", None).await.unwrap());
    assert!(none.is_empty());

    let (errors, tag) = fresh(client.codeowners_errors(&token, &name(), "main", None).await.unwrap());
    assert_eq!(errors, 2);
    let again = client
        .codeowners_errors(&token, &name(), "main", tag.as_deref())
        .await
        .unwrap();
    assert_eq!(again, Conditional::NotModified);

    let (agent, _) = fresh(client.agent_configuration(&token, &name(), None).await.unwrap());
    let expected = AgentConfiguration {
        firewall: Some(false),
        workflow_approval: Some(true),
        codeql: Some(true),
        secret_scanning: Some(true),
    };
    assert_eq!(agent, expected);
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_there_is_no_answer() {
    let world = World::new();
    guarded(&world);
    let (client, token) = (calling(&world, true), good());
    permitted(
        &world,
        Permissions {
            contents: Access::None,
            administration: Access::None,
            checks: Access::None,
            ..Permissions::default()
        },
    );
    let owners = client
        .codeowners_errors(&token, &name(), "main", None)
        .await
        .unwrap_err();
    let agent = client.agent_configuration(&token, &name(), None).await.unwrap_err();
    let checks = client.list_check_runs(&token, &name(), "abc", None).await.unwrap_err();
    assert_eq!([kind(&owners), kind(&agent), kind(&checks)], ["permission missing"; 3]);

    world
        .simulator
        .add_repository(Repository::new("acme/payments-api"))
        .unwrap();
    permitted(&world, Permissions::default());
    let missing = client
        .codeowners_errors(&token, &name(), "main", None)
        .await
        .unwrap_err();
    assert_eq!(kind(&missing), "not found");
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_is_handed_over_and_followed() {
    let world = World::new();
    let (client, token) = (calling(&world, true), good());
    world.start("x").await;
    pass(30_000).await;
    let (pulls, tag) = fresh(client.recent_pulls(&token, &name(), None).await.unwrap());
    let number = pulls[0].number;
    let again = client.recent_pulls(&token, &name(), tag.as_deref()).await.unwrap();
    assert_eq!(again, Conditional::NotModified);

    let (users, teams) = (["hubot".to_owned()], ["platform".to_owned()]);
    let refused = client
        .request_reviewers(&token, &name(), number, &users, &teams)
        .await
        .unwrap_err();
    assert_eq!(kind(&refused), "permission missing", "a token that only reads");
    permitted(
        &world,
        Permissions {
            pull_requests: Access::Write,
            ..Permissions::default()
        },
    );
    for _ in 0..2 {
        client
            .request_reviewers(&token, &name(), number, &users, &teams)
            .await
            .unwrap();
        client
            .add_labels(&token, &name(), number, &["agent".to_owned()])
            .await
            .unwrap();
    }
    let nobody = client
        .request_reviewers(&token, &name(), number, &["nobody".to_owned()], &[])
        .await
        .unwrap_err();
    assert_eq!(kind(&nobody), "invalid");

    let pull = client.get_pull(&token, &name(), number, None).await.unwrap().value;
    let logins: Vec<_> = pull
        .requested_reviewers
        .iter()
        .map(|user| user.login.as_str())
        .collect();
    let slugs: Vec<_> = pull.requested_teams.iter().map(|team| team.slug.as_str()).collect();
    let labels: Vec<_> = pull.labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(
        (logins, slugs, labels),
        (vec!["hubot"], vec!["platform"], vec!["agent"])
    );
    assert_eq!(
        (pull.additions, pull.changed_files, pull.mergeable),
        (Some(1), Some(1), Some(true))
    );

    let sha = pull.head.unwrap().sha.unwrap();
    let change = |change| {
        world
            .simulator
            .change_pull("acme/payments-api", number, change)
            .unwrap();
    };
    let repository = name();
    let runs = || client.list_check_runs(&token, &repository, &sha, None);
    assert_eq!(runs().await.unwrap().value.check_runs, []);
    for (conclusion, status) in [(None, "in_progress"), (Some("failure"), "completed")] {
        change(PullChange::Check {
            conclusion: conclusion.map(str::to_owned),
        });
        let expected = CheckRun {
            name: Some("test".to_owned()),
            status: Some(status.to_owned()),
            conclusion: conclusion.map(str::to_owned),
        };
        assert_eq!(runs().await.unwrap().value.check_runs, [expected]);
    }

    client.close_pull(&token, &name(), number).await.unwrap();
    let closed = client.get_pull(&token, &name(), number, None).await.unwrap().value;
    assert_eq!((closed.state.as_deref(), closed.is_merged()), (Some("closed"), false));
    change(PullChange::Reopen);
    change(PullChange::MergeBy {
        login: "hubot".to_owned(),
    });
    let merged = client.get_pull(&token, &name(), number, None).await.unwrap().value;
    assert_eq!(
        (merged.is_merged(), merged.merged_by.unwrap().login.as_str()),
        (true, "hubot")
    );
}

/// Whatever an answer holds, what makes sense of it comes through, and secrets of MCP servers do not.
#[tokio::test]
async fn absurd_answers_are_read_as_far_as_they_go() {
    let rules = json!([
        null, 7, {}, {"type": 3}, {"type": "pull_request"}, {"type": "pull_request", "parameters": "x"},
        {"type": "required_status_checks", "parameters": {"required_status_checks": [1, {"context": "a"}]}},
        {"type": "deletion"},
    ]);
    let client = Scripted::answering([answer(200, &[], &rules.to_string())]).client();
    let read = client.branch_rules(&token(), &name(), "main", None).await;
    assert!(
        read.is_err(),
        "a rule that is no object spoils the list, which is then no answer: {read:?}"
    );

    let canary = "canary-of-an-mcp-server";
    let settings = json!({"mcp_configuration": {"env": canary}, "enabled_tools": 3, "is_firewall_enabled": "yes"});
    let client = Scripted::answering([answer(200, &[], &settings.to_string())]).client();
    let read = client.agent_configuration(&token(), &name(), None).await.unwrap();
    assert!(!format!("{read:?}").contains(canary));
    assert_eq!(fresh(read).0, AgentConfiguration::default());
}
