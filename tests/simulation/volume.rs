//! More at GitHub than one look reads, after an hour in which nobody looked.

use std::time::Duration;

use agent_automation::api::WebhookSource;
use agent_automation::api::automation::EventsStatus;
use agent_automation::api::task::Phase;
use agent_automation::simulator::{Access, Behaviour, Effect, Fault, IssueChange, NewIssue, NewPull, Operation, When};
use jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::events::{broken, label, open, stage, told};
use crate::network::Network;
use crate::redelivery::shut;
use crate::stage::{NAMESPACE, REPOSITORY, Stage, Team};

const MINUTE: u64 = 60;
/// More than the ten pages that a look reads of a list.
const MANY: usize = 1_150;

/// A stage with a second automation, for what this trigger says, and half a minute in which it is there.
async fn asking(trigger: Value) -> Stage {
    let stage = stage(1, "Poll").await;
    let team = Team {
        more: json!({"triggers": [trigger], "concurrency": {"maxActive": 50}}),
        max_active: 50,
        ..Team::new("more")
    };
    stage.automation(&team).await;
    stage.until(Duration::from_secs(30)).await;
    stage
}

fn change(stage: &Stage, number: u64, change: IssueChange) {
    stage.github.change_issue(REPOSITORY, number, "alice", change).unwrap();
}

/// One label is set and taken off, so often.
async fn bustle(stage: &Stage, number: u64, times: usize) {
    for _ in 0..times / 2 {
        change(stage, number, IssueChange::Label("other".to_owned()));
        change(stage, number, IssueChange::Unlabel("other".to_owned()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn events(stage: &Stage, name: &str) -> EventsStatus {
    looked(stage, name).unwrap()
}

/// Nothing, where no look has come to its end.
fn looked(stage: &Stage, name: &str) -> Option<EventsStatus> {
    let automations = stage.automations();
    let mut named = automations
        .iter()
        .filter(|it| it.metadata.name.as_deref() == Some(name));
    named.next().unwrap().status.clone().unwrap().events
}

fn pull(files: Vec<String>) -> NewPull {
    NewPull {
        repository: REPOSITORY.to_owned(),
        by: "alice".to_owned(),
        title: "Rename all".to_owned(),
        body: None,
        head_ref: "rename".to_owned(),
        head_repository: None,
        base_ref: None,
        draft: false,
        files,
    }
}

fn ids(stage: &Stage) -> Vec<String> {
    told(stage).into_iter().map(|(id, ..)| id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_label_below_a_thousand_others_is_found() {
    let mut stage = stage(1, "Poll").await;
    stage.until(Duration::from_secs(30)).await;
    let number = open(&stage, "It is slow");
    label(&stage, number);
    bustle(&stage, open(&stage, "Busy"), MANY).await;
    let process = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(5 * MINUTE)).await;
    let found = told(&stage);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].0.starts_with(&format!("issue {number} labeled agent ")),
        "{found:?}"
    );
    assert_eq!(found[0].1, Phase::Succeeded);
    assert_eq!(events(&stage, "fix").unseen, None);
    assert_eq!(broken(&stage), Vec::<String>::new());
    process.terminate().await;
}

/// GitHub shows five pages: what lies beyond is told of, once, and not found.
#[tokio::test(start_paused = true)]
async fn what_github_shows_no_more_is_told() {
    let mut stage = stage(1, "Poll").await;
    stage.until(Duration::from_secs(30)).await;
    label(&stage, open(&stage, "It is slow"));
    let behaviour = Behaviour {
        event_pages: Some(5),
        ..Behaviour::default()
    };
    stage.github.set_behaviour(behaviour);
    let busy = open(&stage, "Busy");
    bustle(&stage, busy, MANY).await;
    let process = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(5 * MINUTE)).await;
    assert_eq!(told(&stage), vec![]);
    let unseen = events(&stage, "fix").unseen.unwrap();
    assert_eq!(unseen.times, 1);
    assert!(unseen.from < stage.start + Duration::from_secs(30) && unseen.to > stage.start + Duration::from_secs(60));
    let said = || {
        let events = stage.server.objects("Event");
        let notes: Vec<String> = events
            .iter()
            .filter(|event| event["reason"] == "EventsUnseen")
            .map(|event| event["note"].as_str().unwrap().to_owned())
            .collect();
        notes
    };
    assert!(
        said().len() == 1 && said()[0].contains("set the label again"),
        "{:?}",
        said()
    );
    assert!(process.metrics.encode().unwrap().contains("events_unseen_total 1"));

    label(&stage, busy);
    tokio::time::sleep(Duration::from_secs(5 * MINUTE)).await;
    assert_eq!(told(&stage).len(), 1, "and it goes on");
    assert_eq!((events(&stage, "fix").unseen.unwrap().times, said().len()), (1, 1));
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_below_a_thousand_comments_is_found() {
    let mut stage = asking(json!({"name": "said", "issue": {"commands": ["/agent fix"], "source": "Poll"}})).await;
    let number = open(&stage, "It is slow");
    for comment in 0..MANY {
        let body = if comment == MANY - 50 { "/agent fix" } else { "me too" };
        stage.github.comment(REPOSITORY, number, "alice", body).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let process = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(5 * MINUTE)).await;
    assert_eq!(ids(&stage).len(), 1, "{:?}", ids(&stage));
    process.terminate().await;
}

/// It was opened first, and touched last: the list tells of it after the others, and its time is before theirs.
#[tokio::test(start_paused = true)]
async fn an_issue_that_is_listed_behind_a_thousand_is_found() {
    let opened = json!({"name": "new", "issue": {"actions": ["opened"], "labels": ["agent"], "source": "Poll"}});
    let mut stage = asking(opened).await;
    let issue = |labels: &[&str]| NewIssue {
        repository: REPOSITORY.to_owned(),
        by: "alice".to_owned(),
        title: "It is slow".to_owned(),
        body: None,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    let number = stage.github.open_issue(issue(&["agent"])).unwrap();
    for _ in 0..MANY {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.github.open_issue(issue(&[])).unwrap();
    }
    stage.github.comment(REPOSITORY, number, "alice", "me too").unwrap();
    let process = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(5 * MINUTE)).await;
    assert!(
        ids(&stage).contains(&format!("issue {number} opened")),
        "{:?}",
        ids(&stage)
    );
    process.terminate().await;
}

/// The issue of a command is asked for where another part of the list tells of it, and the reviews of a pull request always
/// are: GitHub may have deleted either by then.
#[tokio::test(start_paused = true)]
async fn what_is_gone_keeps_nothing_else_from_being_found() {
    for (refused, status) in [
        (vec![Operation::GetIssue, Operation::ListReviews], 410),
        (vec![Operation::GetIssue], 404),
    ] {
        let (stage, asked, through) = look_at_what_is_refused(refused, status).await;
        let found = ids(&stage);
        assert!(found.contains(&format!("comment {asked}")), "{status}: {found:?}");
        assert!(
            through > Some(stage.start + Duration::from_secs(15 * MINUTE)),
            "{status}: {through:?}"
        );
    }
}

/// Reviews that are not found may be a repository's that the token no longer reaches, and what happened there would be lost.
#[tokio::test(start_paused = true)]
async fn reviews_that_are_not_found_are_looked_for_again() {
    let (_, _, through) = look_at_what_is_refused(vec![Operation::ListReviews], 404).await;
    assert_eq!(through, None, "it goes on from where it was");
}

/// A command below an issue that the look lists, one below an issue that it has to ask for, and a pull request, after an hour
/// in which nobody looked. Gives the first command's comment, and how far reviews were looked for.
async fn look_at_what_is_refused(refused: Vec<Operation>, status: u16) -> (Stage, u64, Option<Timestamp>) {
    let said = json!({"name": "said", "issue": {"commands": ["/agent fix"], "source": "Poll"}});
    let reviewed = json!({"name": "reviewed", "pullRequest": {"actions": ["review_submitted"], "source": "Poll"}});
    let mut stage = asking(said).await;
    let team = Team {
        more: json!({"triggers": [reviewed]}),
        ..Team::new("reviews")
    };
    stage.automation(&team).await;
    let (gone, there) = (open(&stage, "It is slow"), open(&stage, "It is flaky"));
    let asked = stage.github.comment(REPOSITORY, there, "alice", "/agent fix").unwrap();
    stage.github.open_pull(pull(Vec::new())).unwrap();
    for _ in 0..MANY {
        tokio::time::sleep(Duration::from_secs(1)).await;
        open(&stage, "Me too");
    }
    stage.github.comment(REPOSITORY, gone, "alice", "/agent fix").unwrap();
    stage.github.add_fault(Fault {
        on: refused,
        when: When::Always,
        effect: Effect::Refuse {
            status,
            message: "This was deleted".to_owned(),
        },
    });
    let process = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(5 * MINUTE)).await;
    process.terminate().await;
    let through = looked(&stage, "reviews").map(|events| events.swept_through);
    (stage, asked, through)
}

/// Thirty answers of two seconds each take longer than what is known of a pull request is good for.
#[tokio::test(start_paused = true)]
async fn a_pull_request_of_many_files_starts_at_a_slow_github() {
    let labelled = json!({"name": "pull", "pullRequest": {
        "actions": ["labeled"], "labels": ["agent"], "paths": ["src/f2999"], "source": "Poll",
    }});
    let mut stage = asking(labelled).await;
    let files = (0..3_000).map(|number| format!("src/f{number}")).collect();
    let number = stage.github.open_pull(pull(files)).unwrap();
    label(&stage, number);
    stage.github.add_fault(Fault {
        on: vec![Operation::Graphql],
        when: When::Always,
        effect: Effect::Slow {
            before_ms: 1_000,
            after_ms: 1_000,
        },
    });
    let process = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(10 * MINUTE)).await;
    let found = told(&stage);
    assert_eq!(
        found.iter().map(|task| task.1).collect::<Vec<_>>(),
        [Phase::Succeeded],
        "{found:?}"
    );
    process.terminate().await;
}

async fn source(stage: &Stage) {
    let api: Api<WebhookSource> = Api::namespaced(stage.people.client(), NAMESPACE);
    let spec = json!({"repositories": ["acme/*"], "secretRefs": [{"name": "github-webhook"}]});
    let source = WebhookSource::new("acme", serde_json::from_value(spec).unwrap());
    api.create(&PostParams::default(), &source).await.unwrap();
}

fn redelivery(stage: &Stage) -> (String, String) {
    let sources = stage.server.objects("WebhookSource");
    let source: WebhookSource = serde_json::from_value((**sources[0]).clone()).unwrap();
    let condition = source.status.unwrap().conditions.remove(0);
    (condition.status, condition.reason)
}

#[tokio::test(start_paused = true)]
async fn a_delivery_below_a_thousand_others_is_asked_for_again() {
    let (mut stage, door, following) = shut(Access::Write).await;
    source(&stage).await;
    stage.until(Duration::from_secs(5)).await;
    label(&stage, open(&stage, "It is slow"));
    stage.until(Duration::from_secs(MINUTE)).await;
    door.open();
    for _ in 0..MANY {
        open(&stage, "It is flaky");
    }
    tokio::time::sleep(Duration::from_secs(MINUTE)).await;
    let process = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(5 * MINUTE)).await;
    assert_eq!(told(&stage).len(), 1, "{:?}", told(&stage));
    assert_eq!(redelivery(&stage), ("True".to_owned(), "Ready".to_owned()));
    process.terminate().await;
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn what_a_token_may_not_is_told_once() {
    for (access, reason) in [(Access::None, "PermissionDenied"), (Access::Read, "PermissionDenied")] {
        let (mut stage, _door, following) = shut(access).await;
        source(&stage).await;
        stage.until(Duration::from_secs(5)).await;
        label(&stage, open(&stage, "It is slow"));
        let process = stage.process(Network::new(None));
        tokio::time::sleep(Duration::from_secs(10 * MINUTE)).await;
        assert_eq!(
            redelivery(&stage),
            ("False".to_owned(), reason.to_owned()),
            "{access:?}"
        );
        tokio::time::sleep(Duration::from_secs(3 * 60 * MINUTE)).await;
        let writes = stage.server.history(0);
        let writes = writes.iter().filter(|write| write.kind == "WebhookSource").count();
        assert_eq!(writes, 2, "it was made, and told of: {access:?}");
        process.terminate().await;
        following.abort();
    }
}
