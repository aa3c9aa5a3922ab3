//! Starts whose answer is lost, where people go on in the meantime.

use std::time::Duration;

use agent_automation::api::task::AttemptOutcome;
use agent_automation::simulator::{Effect, Failure, Fault, Operation, When};

use crate::invariants::at_rest;
use crate::network::{Mishap, Network};
use crate::stage::{Stage, Team};

/// Lists leave archived tasks out unless they are asked for.
#[tokio::test(start_paused = true)]
async fn a_lost_task_is_found_though_somebody_archived_it() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    stage.automation(&Team::new("deps")).await;
    stage.github.add_fault(Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect: Effect::LoseAnswer(Failure::Hang),
    });
    stage.until(Duration::from_secs(3_590)).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(3_605)).await;
    let started = stage.github.tasks();
    let [started] = started.as_slice() else {
        panic!("{:#?}", stage.trace())
    };
    stage.github.archive_task(&started.id).unwrap();
    stage.until(Duration::from_secs(3_900)).await;
    let tasks = stage.tasks();
    let status = tasks[0].status.clone().unwrap();
    assert_eq!(
        status.task.map(|task| task.id),
        Some(started.id.clone()),
        "{:#?}",
        stage.trace()
    );
    assert_eq!(status.attempts[0].outcome, Some(AttemptOutcome::Adopted));
    assert_eq!(at_rest(&stage, true), Vec::<String>::new());
    process.terminate().await;
}

/// Somebody else writes to the task while GitHub is at work on its answer.
#[tokio::test(start_paused = true)]
async fn an_answer_is_recorded_over_what_others_wrote_meanwhile() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    stage.automation(&Team::new("deps")).await;
    stage.github.add_fault(Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect: Effect::Slow {
            before_ms: 5_000,
            after_ms: 0,
        },
    });
    stage.until(Duration::from_secs(3_590)).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(3_602)).await;
    let name = stage.tasks()[0].metadata.name.clone().unwrap();
    stage.annotate_task(&name, "looked-at", "yes").await;
    stage.until(Duration::from_secs(3_900)).await;
    let status = stage.tasks()[0].status.clone().unwrap();
    assert_eq!(
        status.attempts[0].outcome,
        Some(AttemptOutcome::Created),
        "{:#?}",
        stage.trace()
    );
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}

/// The status that says so is written again when it did not get through.
#[tokio::test(start_paused = true)]
async fn missed_runs_are_counted_once_however_often_they_are_written() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    let team = Team {
        every: "@every 20m".to_owned(),
        ..Team::new("deps")
    };
    stage.automation(&team).await;
    stage.until(Duration::from_secs(3_605)).await;
    let mut refusals = 3;
    let process = stage.process(Network::in_weather(Box::new(move |sent| {
        let is_refused = refusals > 0 && sent.what == "agentautomations/status";
        refusals -= u32::from(is_refused);
        is_refused.then_some(Mishap::Refused)
    })));
    stage.until(Duration::from_secs(3_900)).await;
    let missed = stage.automations()[0].status.clone().unwrap().missed_runs;
    let told = process.metrics.encode().unwrap();
    assert!(missed > 0);
    assert!(
        told.contains(&format!("missed_runs_total {missed}\n")),
        "{missed}: {told}"
    );
    process.terminate().await;
}
