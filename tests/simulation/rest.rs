//! At rest a fleet costs nothing: no write, and no list. A leader that has just begun knows nothing of Secrets and of GitHub,
//! and writes nothing for it either.

use std::time::Duration;

use agent_automation::api::task::Phase;
use agent_automation::api::{AgentAutomation, AgentTask};
use agent_automation::simulator::{Effect, Failure, Fault, Operation, Repository, Rule, When};
use serde_json::json;

use crate::network::Network;
use crate::stage::{Stage, Team};

const FLEET: usize = 200;
const GUARDED: usize = 20;

#[tokio::test(start_paused = true)]
async fn two_hundred_automations_at_rest_cause_no_write_and_no_list() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    for index in 0..FLEET {
        let team = Team {
            every: "@every 2h".to_owned(),
            ..Team::new(&format!("team-{index}"))
        };
        stage.automation(&team).await;
    }
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(7_205)).await;
    tokio::time::timeout(Duration::from_secs(3_600), stage.rest(Duration::from_secs(60)))
        .await
        .unwrap();
    let succeeded = stage.tasks().iter().filter(|task| has_succeeded(task)).count();
    assert_eq!(succeeded, FLEET, "each has run once");
    let ready = stage
        .automations()
        .iter()
        .filter(|automation| is_ready(automation))
        .count();
    assert_eq!(ready, FLEET);

    let (requests, revision) = (process.network.requests().len(), stage.server.revision());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let lately = process.network.requests().split_off(requests);
    let needless: Vec<_> = lately.iter().filter(|sent| !sent.is_upkeep()).collect();
    assert!(needless.is_empty(), "{needless:#?}");
    let leases = stage
        .server
        .history(0)
        .iter()
        .filter(|write| write.revision > revision)
        .count();
    assert_eq!(leases, lately.iter().filter(|request| request.is_write).count());
    process.terminate().await;
}

/// Where the policy requires guardrails, one automation lacks them, and one lacks its Secret.
#[tokio::test(start_paused = true)]
async fn a_new_leader_of_a_fleet_at_rest_writes_nothing() {
    let mut stage = Stage::new(1);
    let approved = Rule::PullRequest {
        approvals: 1,
        code_owners: false,
    };
    let mut guarded = Repository::new("acme/guarded");
    guarded.rules = [("main".to_owned(), vec![approved])].into();
    stage.github.add_repository(guarded).unwrap();
    stage
        .policy_with(json!({"credentials": ["*"], "guardrails": {"approvals": 1, "maxAge": "1d"}}))
        .await;
    stage.secret().await;
    let rarely = |name: &str| Team {
        every: "@every 2h".to_owned(),
        repository: "acme/guarded".to_owned(),
        ..Team::new(name)
    };
    for index in 0..GUARDED {
        stage.automation(&rarely(&format!("team-{index}"))).await;
    }
    let bare = Team {
        repository: "acme/payments-api".to_owned(),
        ..rarely("bare")
    };
    let secretless = Team {
        more: json!({"credentials": {"secretRef": {"name": "absent"}}}),
        ..rarely("secretless")
    };
    stage.automation(&bare).await;
    stage.automation(&secretless).await;
    let first = stage.process(Network::new(None));
    stage.until(Duration::from_secs(7_205)).await;
    tokio::time::timeout(Duration::from_secs(3_600), stage.rest(Duration::from_secs(90)))
        .await
        .unwrap();
    let said: Vec<_> = stage.automations().iter().map(said).collect();
    let count = |what: &str| said.iter().filter(|said| *said == what).count();
    assert_eq!(count("Ready, 1 guardrails"), GUARDED, "{said:?}");
    assert_eq!(count("GuardrailNotMet, 1 guardrails"), 1, "{said:?}");
    assert_eq!(count("SecretMissing, 0 guardrails"), 1, "{said:?}");

    let mut revision = stage.server.revision();
    first.terminate().await;
    let second = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(written_since(&stage, revision), [""; 0], "after a restart");
    let looked = second.network.requests().iter().any(|sent| sent.what == "rules");
    assert!(looked, "the second has become leader, and has asked about guardrails");

    revision = stage.server.revision();
    let third = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(5)).await;
    second.kill();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(written_since(&stage, revision), [""; 0], "after a takeover");
    let looked = third.network.requests().iter().any(|sent| sent.what == "rules");
    assert!(looked, "the third has become leader, and has asked about guardrails");

    for operation in [Operation::GetBranch, Operation::GetBranchRules] {
        stage.github.add_fault(Fault {
            on: vec![operation],
            when: When::Always,
            effect: Effect::FailBefore(Failure::Status(502)),
        });
        tokio::time::sleep(Duration::from_secs(150)).await;
        stage.github.clear_faults();
        assert_eq!(
            written_since(&stage, revision),
            [""; 0],
            "GitHub fails at {operation:?}"
        );
    }
    third.terminate().await;
}

/// Everything that was written since then but leases.
fn written_since(stage: &Stage, revision: u64) -> Vec<String> {
    let writes = stage.server.history(0);
    let later = writes
        .iter()
        .filter(|write| write.revision > revision && write.kind != "Lease");
    later
        .map(|write| format!("{} {:?} {} {}", write.at, write.verb, write.kind, write.name))
        .collect()
}

/// Why it stands where it stands, and how many guardrails it tells of.
fn said(automation: &AgentAutomation) -> String {
    let status = automation.status.as_ref().unwrap();
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
        .unwrap();
    format!("{}, {} guardrails", ready.reason, status.guardrails.len())
}

fn has_succeeded(task: &AgentTask) -> bool {
    let status = task.status.as_ref();
    status.is_some_and(|status| status.phase == Phase::Succeeded)
}

fn is_ready(automation: &AgentAutomation) -> bool {
    let conditions = automation.status.iter().flat_map(|status| &status.conditions);
    conditions
        .clone()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
