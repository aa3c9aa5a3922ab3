//! What is said where the work came from: one comment, right at the end, whatever gets lost and whoever dies.

use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_automation::api::task::Phase;
use agent_automation::simulator::{
    Access, Association, CommentRecord, Effect, Failure, Fault, IssueChange, NewIssue, Operation, Repository, When,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::network::{Moment, Network, Sent};
use crate::stage::{Process, REPOSITORY, Stage, TOKEN, Team, alone};

const MINUTE: u64 = 60;

/// A stage with an issue whose label asks for work that is told of.
async fn asked() -> (Stage, u64) {
    asked_of(&["fix"]).await
}

/// The same with these automations.
async fn asked_of(automations: &[&str]) -> (Stage, u64) {
    asked_on(Stage::new(1), 5, automations).await
}

/// The same on a stage, after so many seconds.
async fn asked_on(stage: Stage, seconds: u64, automations: &[&str]) -> (Stage, u64) {
    stage.policy_with(json!({"triggers": ["Issue"]})).await;
    stage.secret().await;
    stage.github.add_user("mallory", 3);
    let repository = Repository {
        associations: [("octocat".to_owned(), Association::Member)].into(),
        ..Repository::new(REPOSITORY)
    };
    stage.github.add_repository(repository).unwrap();
    stage
        .github
        .change_token(TOKEN, |token| token.permissions.issues = Access::Write)
        .unwrap();
    let more = json!({
        "triggers": [{"name": "label", "issue": {"actions": ["labeled"], "labels": ["agent"]}}],
        "report": {"comment": true, "label": "agent-at-work"},
    });
    for name in automations {
        let team = Team {
            more: more.clone(),
            ..Team::new(name)
        };
        stage.automation(&team).await;
    }
    stage.until(Duration::from_secs(seconds)).await;
    let issue = NewIssue {
        repository: REPOSITORY.to_owned(),
        by: "mallory".to_owned(),
        title: "It is slow".to_owned(),
        body: None,
        labels: Vec::new(),
    };
    let number = stage.github.open_issue(issue).unwrap();
    let label = IssueChange::Label("agent".to_owned());
    stage.github.change_issue(REPOSITORY, number, "octocat", label).unwrap();
    (stage, number)
}

fn seen(stage: &Stage, number: u64) -> (Vec<CommentRecord>, Vec<String>) {
    let issues = stage.github.issues();
    let issue = issues.into_iter().find(|issue| issue.number == number).unwrap();
    (issue.comments, issue.labels)
}

/// What is wrong with what is said at the end.
fn wrong(stage: &Stage, number: u64) -> Option<String> {
    let (comments, labels) = seen(stage, number);
    let tasks = stage.tasks();
    let status = tasks[0].status.clone().unwrap();
    let headline = match status.phase {
        Phase::Succeeded => "**Finished**",
        Phase::Unknown => "**It can't be told whether it started**",
        phase => return Some(format!("it is {phase:?}")),
    };
    let ours: Vec<_> = comments
        .iter()
        .filter(|comment| comment.body.contains("agentautomation.dev/report: "))
        .collect();
    let is_right = ours.len() == 1 && ours[0].body.starts_with(headline);
    let counts = status.phase == Phase::Unknown;
    let label_is_right = labels.contains(&"agent-at-work".to_owned()) == counts;
    (!is_right || !label_is_right).then(|| format!("{comments:#?} {labels:?}"))
}

#[tokio::test(start_paused = true)]
async fn a_task_is_told_of_in_one_comment_and_a_label() {
    let (mut stage, number) = asked().await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(5 * MINUTE)).await;
    assert_eq!(wrong(&stage, number), None);
    let body = &seen(&stage, number).0[0].body;
    assert!(
        body.contains("Pull request: https://github.com/acme/payments-api/pull/"),
        "{body}"
    );
    assert!(body.contains("asked for by `octocat`"), "{body}");
    let writes = stage.server.history(0).len();
    stage.until(Duration::from_secs(30 * MINUTE)).await;
    let writes = stage.server.history(0).split_off(writes);
    assert_eq!(writes.iter().filter(|write| write.kind != "Lease").count(), 0);
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_whose_answer_is_lost_is_found_again() {
    let (stage, number) = asked().await;
    found_again(stage, number, 0).await;
}

/// What GitHub says of the comment's time is before what the cluster says of the task's.
#[tokio::test(start_paused = true)]
async fn a_comment_whose_answer_is_lost_is_found_again_by_a_cluster_whose_clock_is_ahead() {
    let stage = Stage::ahead_of_github(1, SignedDuration::from_secs(90));
    let (stage, number) = asked_on(stage, 100, &["fix"]).await;
    found_again(stage, number, 90_000).await;
}

async fn found_again(mut stage: Stage, number: u64, ahead: i64) {
    stage.github.add_fault(Fault {
        on: vec![Operation::CreateComment],
        when: When::Next(1),
        effect: Effect::LoseAnswer(Failure::Reset),
    });
    // Somebody forges the marker, as far as it can be known.
    stage
        .github
        .comment(REPOSITORY, number, "mallory", "<!-- agentautomation.dev/report: x -->")
        .unwrap();
    let process = stage.process(Network::new(None));
    process.skew.store(ahead, Ordering::Relaxed);
    stage.until(Duration::from_secs(10 * MINUTE)).await;
    let (comments, _) = seen(&stage, number);
    let own = comments.iter().filter(|comment| comment.author == "octocat").count();
    assert_eq!((comments.len(), own), (2, 1), "{comments:#?}");
    assert!(
        comments.iter().any(|comment| comment.body.starts_with("**Finished**")),
        "{comments:#?}"
    );
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_github_refuses_is_written_down_and_not_tried_for_ever() {
    let (mut stage, number) = asked().await;
    stage
        .github
        .change_token(TOKEN, |token| token.permissions.issues = Access::Read)
        .unwrap();
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(20 * MINUTE)).await;
    let status = stage.tasks()[0].status.clone().unwrap();
    assert_eq!(
        status.phase,
        Phase::Succeeded,
        "the work itself needs no such permission"
    );
    let refused = status.report.unwrap().refused.unwrap();
    assert!(refused.contains("403"), "{refused}");
    assert_eq!(seen(&stage, number).0.len(), 0);
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn the_label_stays_until_the_last_task_of_the_issue_has_ended() {
    let (mut stage, number) = asked_of(&["fix", "review"]).await;
    // One after the other.
    stage.change_policy(json!({"maxActive": 1})).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(5 * MINUTE)).await;
    let ended: Vec<_> = stage
        .tasks()
        .iter()
        .filter_map(|task| task.status.as_ref()?.ended_at)
        .collect();
    let (first, last) = (ended.iter().min().unwrap(), ended.iter().max().unwrap());
    assert!(ended.len() == 2 && first < last, "{ended:?}");
    let removed = done(&stage, Operation::RemoveLabel);
    assert!(removed.len() == 1 && removed[0] >= *last, "{removed:?} {ended:?}");
    assert!(!seen(&stage, number).1.contains(&"agent-at-work".to_owned()));
    process.terminate().await;
}

/// When this was done at GitHub.
fn done(stage: &Stage, operation: Operation) -> Vec<Timestamp> {
    let requests = stage.github.requests().into_iter();
    let done = requests.filter(|request| request.operation == Some(operation) && request.status == Some(200));
    done.map(|request| request.at).collect()
}

/// Refuses these calls.
fn refuse(stage: &Stage, on: &[Operation], status: u16) {
    stage.github.add_fault(Fault {
        on: on.to_vec(),
        when: When::Always,
        effect: Effect::Refuse {
            status,
            message: "no".to_owned(),
        },
    });
}

/// What is sent to the API server and to GitHub in so many minutes, but for the upkeep.
async fn sent(stage: &Stage, process: &Process, minutes: u64) -> Vec<Sent> {
    let before = process.network.requests().len();
    stage.until(Duration::from_secs(minutes * MINUTE)).await;
    let mut sent = process.network.requests().split_off(before);
    sent.retain(|sent| sent.is_write && sent.what != "leases");
    sent
}

/// An issue that was deleted, or moved to another repository.
#[tokio::test(start_paused = true)]
async fn where_the_issue_is_gone_nothing_is_tried_again() {
    for status in [410, 301] {
        let (mut stage, _) = asked().await;
        let writes = [Operation::CreateComment, Operation::AddLabels, Operation::RemoveLabel];
        refuse(&stage, &writes, status);
        let process = stage.process(Network::new(None));
        stage.until(Duration::from_secs(10 * MINUTE)).await;
        let report = stage.tasks()[0].status.clone().unwrap().report.unwrap();
        let expected = status.to_string();
        for refused in [report.refused, report.label_refused] {
            assert!(
                refused.as_ref().is_some_and(|said| said.contains(&expected)),
                "{refused:?}"
            );
        }
        assert_eq!(sent(&stage, &process, 30).await, Vec::<Sent>::new());
        process.terminate().await;
    }
}

/// Whoever deletes it wants to hear no more: that is no refusal of GitHub's, and no reason for another.
#[tokio::test(start_paused = true)]
async fn a_comment_that_somebody_deleted_is_not_written_again() {
    for status in [404, 410] {
        let (mut stage, number) = asked().await;
        refuse(&stage, &[Operation::UpdateComment], status);
        let process = stage.process(Network::new(None));
        stage.until(Duration::from_secs(10 * MINUTE)).await;
        let task = stage.tasks()[0].status.clone().unwrap();
        let report = task.report.unwrap();
        assert_eq!((task.phase, report.refused), (Phase::Succeeded, None), "{status}");
        assert_eq!(report.said_of, Some(Phase::Succeeded), "{status}");
        assert_eq!(seen(&stage, number).0.len(), 1, "{status}");
        assert_eq!(sent(&stage, &process, 30).await, Vec::<Sent>::new());
        process.terminate().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_label_leaves_the_comment_told_to_the_end() {
    let (mut stage, number) = asked().await;
    refuse(&stage, &[Operation::AddLabels], 403);
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(10 * MINUTE)).await;
    assert_eq!(wrong(&stage, number), None);
    let report = stage.tasks()[0].status.clone().unwrap().report.unwrap();
    assert_eq!((report.refused, report.labelled), (None, false));
    let refused = report.label_refused.unwrap();
    assert!(refused.contains("403"), "{refused}");
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_comment_leaves_the_label_set_and_removed() {
    let (mut stage, number) = asked().await;
    refuse(&stage, &[Operation::CreateComment], 403);
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(10 * MINUTE)).await;
    assert_eq!(seen(&stage, number).0.len(), 0);
    let times = |operation| done(&stage, operation).len();
    assert_eq!((times(Operation::AddLabels), times(Operation::RemoveLabel)), (1, 1));
    let report = stage.tasks()[0].status.clone().unwrap().report.unwrap();
    assert_eq!((report.refused.is_some(), report.label_refused), (true, None));
    process.terminate().await;
}

#[test]
fn a_controller_that_dies_at_any_write_says_it_once() {
    let play = |death: Option<(usize, Moment)>| {
        alone(async move {
            let (mut stage, number) = asked().await;
            let mut died = false;
            if let Some(death) = death {
                let process = stage.process(Network::new(Some(death)));
                died = tokio::time::timeout(Duration::from_secs(4 * MINUTE), process.network.death())
                    .await
                    .is_ok();
                process.kill();
            }
            let process = stage.process(Network::new(None));
            tokio::time::sleep(Duration::from_secs(12 * MINUTE)).await;
            process.kill();
            (died, wrong(&stage, number))
        })
    };
    let mut deaths = 0;
    for write in 1..200 {
        let mut any = false;
        for moment in Moment::THREE {
            let (died, wrong) = play(Some((write, moment)));
            any |= died;
            assert_eq!(wrong, None, "{write} {moment:?}");
        }
        if !any {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 15, "only {deaths} writes were died at");
}

#[tokio::test(start_paused = true)]
async fn a_marker_that_somebody_else_wrote_is_none() {
    let (mut stage, number) = asked().await;
    stage.github.add_fault(Fault {
        on: vec![Operation::CreateComment],
        when: When::Next(1),
        effect: Effect::FailBefore(Failure::Reset),
    });
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(30)).await;
    let uid = stage.tasks()[0].metadata.uid.clone().unwrap();
    let forged = format!("<!-- agentautomation.dev/report: {uid} -->");
    stage.github.comment(REPOSITORY, number, "mallory", &forged).unwrap();
    stage.until(Duration::from_secs(10 * MINUTE)).await;
    let (comments, _) = seen(&stage, number);
    let by = |login: &str| comments.iter().filter(|comment| comment.author == login).count();
    assert_eq!(
        (by("octocat"), by("mallory"), comments[0].body.as_str()),
        (1, 1, forged.as_str()),
        "{comments:#?}"
    );
    process.terminate().await;
}
