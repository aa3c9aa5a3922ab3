//! Pull requests of tasks, from their opening to their merge, and what following them costs.

use std::time::Duration;

use agent_automation::api::AgentTask;
use agent_automation::api::automation::Summary;
use agent_automation::api::task::{Checks, PullRequest};
use agent_automation::simulator::{Effect, Fault, NewPull, Operation, PullChange, RequestRecord, Script, When};
use serde_json::{Value, json};

use crate::invariants::at_rest;
use crate::network::Network;
use crate::stage::{Process, REPOSITORY, Stage, Team};

const HOUR: Duration = Duration::from_secs(3_600);
/// When the one task starts that there is.
const START: Duration = Duration::from_secs(100 * 3_600);

/// One automation, whose task runs for a minute and opens pull request 1.
async fn one_task(more: Value) -> (Stage, Process) {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    let team = Team {
        every: "@every 100h".to_owned(),
        more,
        ..Team::new("deps")
    };
    stage.automation(&team).await;
    stage
        .github
        .set_default_script(Script::pull_request().with_delays(1_000, 60_000));
    stage.until(START.saturating_sub(Duration::from_secs(10))).await;
    let process = stage.process(Network::new(None));
    (stage, process)
}

fn pull_of(task: &AgentTask) -> PullRequest {
    let status = task.status.clone().unwrap_or_default();
    status.pull_request.unwrap_or_default()
}

fn first(stage: &Stage) -> PullRequest {
    pull_of(&stage.tasks()[0])
}

fn change(stage: &Stage, change: PullChange) {
    stage.github.change_pull(REPOSITORY, 1, change).unwrap();
}

fn summary(stage: &Stage) -> Summary {
    let status = stage.automations()[0].status.clone().unwrap();
    status.summary.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_is_opened_again_is_followed_to_its_merge() {
    let (stage, process) = one_task(json!({})).await;
    stage.until(START + Duration::from_secs(100)).await;
    assert!(first(&stage).is_open(), "{:#?}", stage.trace());
    change(&stage, PullChange::Close);
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert!(!first(&stage).is_open(), "{:#?}", stage.trace());
    let summed = summary(&stage);
    assert_eq!([summed.opened, summed.merged, summed.closed], [1, 0, 1]);

    change(&stage, PullChange::Reopen);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(first(&stage).is_open(), "{:#?}", stage.trace());
    change(&stage, PullChange::Merge);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(first(&stage).merged, "{:#?}", stage.trace());
    let summed = summary(&stage);
    assert_eq!([summed.opened, summed.merged, summed.closed], [1, 1, 0]);
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn checks_that_never_end_cost_little_and_are_seen_to_end() {
    let (stage, process) = one_task(json!({})).await;
    stage.until(START + Duration::from_secs(90)).await;
    change(&stage, PullChange::Check { conclusion: None });
    change(&stage, PullChange::Ready);
    stage.until(START + Duration::from_secs(600)).await;
    assert_eq!(first(&stage).checks, Some(Checks::Pending), "{:#?}", stage.trace());

    stage.github.clear_requests();
    tokio::time::sleep(HOUR * 12).await;
    let details = [Operation::GetPull, Operation::ListReviews, Operation::ListCheckRuns];
    let is_detail = |request: &RequestRecord| request.operation.is_some_and(|it| details.contains(&it));
    let asked: Vec<_> = stage.github.requests().into_iter().filter(is_detail).collect();
    assert!((3 * 12..3 * 100).contains(&asked.len()), "{}", asked.len());
    let counted: Vec<_> = asked.iter().filter(|request| request.status != Some(304)).collect();
    assert!(counted.is_empty(), "{counted:#?}");

    let conclusion = Some("success".to_owned());
    change(&stage, PullChange::Check { conclusion });
    tokio::time::sleep(HOUR + Duration::from_secs(60)).await;
    assert_eq!(first(&stage).checks, Some(Checks::Passed), "{:#?}", stage.trace());
    process.terminate().await;
}

/// Each of ten pages takes four seconds: the first is forty seconds old when the last has come.
#[tokio::test(start_paused = true)]
async fn a_list_of_open_pull_requests_that_takes_longer_than_it_may_be_old_holds_nothing_for_ever() {
    let terms = json!({"deduplicate": {"key": "deps", "while": ["PullRequestOpen"]}});
    let (stage, process) = one_task(terms).await;
    for _ in 0..1_000 {
        let by_a_person = NewPull {
            repository: REPOSITORY.to_owned(),
            by: "octocat".to_owned(),
            title: "By hand".to_owned(),
            body: None,
            head_ref: "topic".to_owned(),
            head_repository: None,
            base_ref: None,
            draft: false,
            files: Vec::new(),
        };
        stage.github.open_pull(by_a_person).unwrap();
    }
    stage.github.add_fault(Fault {
        on: vec![Operation::ListPulls],
        when: When::Always,
        effect: Effect::Slow {
            before_ms: 4_000,
            after_ms: 0,
        },
    });
    stage.until(START + Duration::from_secs(120)).await;
    assert_eq!(stage.github.tasks().len(), 1, "{:#?}", stage.trace());
    process.terminate().await;
}
