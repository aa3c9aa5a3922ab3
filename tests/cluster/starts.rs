//! Starts whose answer is slow, lost, or never came, and a controller that is asked to stop in the middle of one.

use agent_automation::{
    api::{
        AgentTask, Reason,
        task::{ABANDON_ANNOTATION, ADOPT_ANNOTATION, AttemptOutcome, Phase},
    },
    simulator::{Effect, Failure, Fault, Operation, TaskStart, When},
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::{
    eventually,
    fleet::{Fleet, Team, say},
};

#[tokio::test]
async fn slow_lost_and_never_created() {
    let fleet = Fleet::start().await;
    let controller = fleet.controller("controller", &[]);
    controller.leads().await;
    let team = fleet.team("lost").await;
    let outcome = |task: &AgentTask| task.status.as_ref().unwrap().attempts[0].outcome;

    for (name, failure) in [
        ("reset", Failure::Reset),
        ("502", Failure::Status(502)),
        ("hang", Failure::Hang),
    ] {
        let before = fleet.github.tasks().len();
        fault(&fleet, Effect::LoseAnswer(failure));
        let task = one_task(&team, &format!("answer-{name}")).await;
        let task = team
            .eventually_task(&task, "Succeeded", |status| status.phase == Phase::Succeeded)
            .await;
        assert_eq!(outcome(&task), Some(AttemptOutcome::Adopted), "{}", say(&task));
        let tasks = fleet.github.tasks();
        assert_eq!(tasks.len(), before + 1, "{name}");
        assert_eq!(task.status.unwrap().task.unwrap().id, tasks[before].id);
    }

    let parked = parked(&fleet, &team, "abandoned").await;
    annotate(&fleet, &team, &parked, ABANDON_ANNOTATION, "the work was done by hand").await;
    let task = team.eventually_phase("abandoned", Phase::Failed).await;
    let status = task.status.clone().unwrap();
    assert_eq!(
        (status.reason, outcome(&task)),
        (Some(Reason::Abandoned), Some(AttemptOutcome::Abandoned))
    );
    assert_eq!(status.failure.as_deref(), Some("the work was done by hand"));

    let parked = self::parked(&fleet, &team, "adopted").await;
    let by_hand = TaskStart {
        repository: team.repository.clone(),
        creator: team.namespace.clone(),
        prompt: "What the controller had wanted".to_owned(),
        create_pull_request: true,
        script: None,
    };
    let id = fleet.github.start_task(by_hand).unwrap();
    annotate(&fleet, &team, &parked, ADOPT_ANNOTATION, &id).await;
    let status = team.eventually_phase("adopted", Phase::Succeeded).await.status.unwrap();
    assert_eq!(status.task.unwrap().id, id);
    assert!(status.pull_request.unwrap().url.is_some());
    harness::covered!("covered: three ways to lose an answer, each adopted; abandon and adopt by annotation");
}

#[tokio::test]
async fn asked_to_stop_while_a_start_is_slow() {
    let fleet = Fleet::start().await;
    let mut controller = fleet.controller("controller", &["--start-timeout=20s"]);
    controller.leads().await;
    let team = fleet.team("slow").await;
    let slow = Effect::Slow {
        before_ms: 0,
        after_ms: 3_000,
    };
    fault(&fleet, slow);
    one_task(&team, "slow").await;
    eventually("GitHub has the request", async || !fleet.github.tasks().is_empty()).await;
    assert_eq!(
        team.tasks("slow").await[0].status.as_ref().unwrap().phase,
        Phase::Starting
    );

    controller.signal("-TERM");
    assert_eq!(controller.ended().await.code(), Some(0));
    let task = team.tasks("slow").await.remove(0);
    let status = task.status.clone().unwrap();
    assert_eq!(
        status.attempts[0].outcome,
        Some(AttemptOutcome::Created),
        "{}",
        say(&task)
    );
    assert_eq!(status.task.unwrap().id, fleet.github.tasks()[0].id);
    let leases: Api<Lease> = Api::namespaced(fleet.client.clone(), "agent-automation-system");
    let lease = leases.get("agent-automation").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None, "it was given up");
    harness::covered!("covered: SIGTERM in a slow start");
}

fn fault(fleet: &Fleet, effect: Effect) {
    let fault = Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect,
    };
    fleet.github.add_fault(fault);
}

/// An automation that has fired once; gives its name back.
async fn one_task(team: &Team<'_>, name: &str) -> String {
    team.automate(name, "@every 2s", |spec| spec.concurrency.max_active = 1)
        .await;
    team.eventually_task(name, "starting", |status| !status.attempts.is_empty())
        .await;
    team.change(
        name,
        json!({"triggers": [{"name": "tick", "schedule": {"cron": "@every 8000h"}}]}),
    )
    .await;
    name.to_owned()
}

/// A task whose start GitHub never took, parked for a person.
async fn parked(fleet: &Fleet, team: &Team<'_>, name: &str) -> String {
    let before = fleet.github.tasks().len();
    fault(fleet, Effect::FailBefore(Failure::Reset));
    one_task(team, name).await;
    let task = team
        .eventually_task(name, "parked", |status| status.reason == Some(Reason::NotFoundAtGitHub))
        .await;
    let status = task.status.clone().unwrap();
    assert_eq!((status.phase, status.attempts.len()), (Phase::Unknown, 1));
    assert_eq!(status.attempts[0].outcome, Some(AttemptOutcome::NotFound));
    assert!(status.message.unwrap().contains(ABANDON_ANNOTATION));
    assert_eq!(fleet.github.tasks().len(), before, "AtMostOnce starts nothing again");
    task.name_any()
}

async fn annotate(fleet: &Fleet, team: &Team<'_>, task: &str, annotation: &str, value: &str) {
    let value = format!("{annotation}={value}");
    fleet
        .kubectl(&["annotate", "-n", &team.namespace, "atask", task, &value])
        .await;
}
