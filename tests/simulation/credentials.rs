//! Several credentials for one automation: what one of them can't do is done with the next, nothing is done twice for it, and
//! what was begun with one is looked for with that one and no other.

use std::time::Duration;

use agent_automation::api::task::{AttemptOutcome, Phase, TaskStatus};
use agent_automation::simulator::{Access, Effect, Failure, Fault, Operation, Permissions, Token, When};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::invariants::at_rest;
use crate::network::Network;
use crate::stage::{Stage, TOKEN, Team};

const FIRST: &str = "github-agent-token";
const OTHERS: [&str; 2] = ["hubot", "monalisa"];
const HOUR: u64 = 3_600;

fn token_of(login: &str) -> String {
    format!("{TOKEN}_{login}")
}

/// A team with three tokens, each of another user.
async fn stage(usage: &str, more: Value) -> Stage {
    let stage = Stage::new(7);
    stage
        .policy_with(json!({"credentials": ["*"], "credentialUse": ["Failover", "Spread"]}))
        .await;
    stage.secret().await;
    for (id, login) in (10..).zip(OTHERS) {
        stage.github.add_user(login, id);
        stage.github.add_token(Token::new(&token_of(login), login)).unwrap();
        stage.secret_of(login, "token", &token_of(login)).await;
    }
    let alternates = OTHERS.map(|name| json!({"name": name}));
    let mut whole = json!({"credentials": {"alternates": alternates, "use": usage}});
    crate::stage::merge(&mut whole, &more);
    let team = Team {
        max_active: 5,
        more: whole,
        ..Team::new("deps")
    };
    stage.automation(&team).await;
    stage
}

async fn until(stage: &Stage, seconds: u64) {
    stage.until(Duration::from_secs(seconds)).await;
}

/// Who started each task, the oldest first.
fn creators(stage: &Stage) -> Vec<String> {
    let mut tasks = stage.github.tasks();
    tasks.sort_by_key(|task| task.created_at);
    tasks.into_iter().map(|task| task.creator).collect()
}

fn statuses(stage: &Stage) -> Vec<TaskStatus> {
    let mut tasks = stage.tasks();
    tasks.sort_by_key(|task| task.spec.trigger.scheduled_time);
    tasks.into_iter().map(|task| task.status.unwrap_or_default()).collect()
}

/// The names of the Secrets that a task's attempts were made with, and what came of each.
fn attempts(status: &TaskStatus) -> Vec<(&str, Option<AttemptOutcome>)> {
    let attempts = status.attempts.iter();
    attempts
        .map(|attempt| {
            let secret = attempt.secret_ref.as_ref().map_or(FIRST, |secret| &secret.name);
            (secret, attempt.outcome)
        })
        .collect()
}

fn condition(stage: &Stage, kind: &str) -> String {
    let status = stage.automations().remove(0).status.unwrap_or_default();
    let told = status.conditions.iter().find(|condition| condition.type_ == kind);
    told.map_or_else(String::new, |told| format!("{} {}", told.status, told.reason))
}

fn at_start(effect: Effect) -> Fault {
    Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect,
    }
}

/// Requests that GitHub answered so.
fn answered(stage: &Stage, code: u16, since: Timestamp) -> usize {
    let requests = stage.github.requests().into_iter();
    requests.filter(|it| it.status == Some(code) && it.at >= since).count()
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_refused_is_made_with_the_next_at_once() {
    let no_tasks = Permissions {
        agent_tasks: Access::Read,
        ..Permissions::default()
    };
    let table = [
        ("the token is revoked", Effect::RevokeToken, "True CredentialRejected"),
        (
            "it may not start tasks",
            Effect::NarrowToken(no_tasks),
            "True PermissionDenied",
        ),
    ];
    for (what, effect, degraded) in table {
        let mut stage = stage("Failover", json!({})).await;
        let process = stage.process(Network::new(None));
        until(&stage, HOUR + 60).await;
        assert_eq!(creators(&stage), ["octocat"], "{what}");
        stage.github.add_fault(at_start(effect));
        until(&stage, 2 * HOUR + 10).await;
        assert_eq!(creators(&stage), ["octocat", "hubot"], "{what}: {:#?}", stage.trace());
        let tried = [
            (FIRST, Some(AttemptOutcome::Refused)),
            ("hubot", Some(AttemptOutcome::Created)),
        ];
        assert_eq!(attempts(&statuses(&stage)[1]), tried, "{what}");
        until(&stage, 2 * HOUR + 300).await;
        assert_eq!(condition(&stage, "Ready"), "True Ready", "{what}");
        assert_eq!(condition(&stage, "Degraded"), degraded, "{what}");
        assert_eq!(at_rest(&stage, true), Vec::<String>::new(), "{what}");
        process.terminate().await;
    }
}

/// The controller that saw the refusal is gone as well, and the next does not use that token again.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_waits_for_its_credential_while_others_go_on() {
    let mut stage = stage("Failover", json!({})).await;
    let first = stage.process(Network::new(None));
    until(&stage, HOUR - 10).await;
    stage.github.add_fault(at_start(Effect::LoseAnswer(Failure::Hang)));
    until(&stage, HOUR + 5).await;
    assert_eq!(creators(&stage), ["octocat"], "it was started, and nobody knows");
    let revoke = |token: &mut Token| token.revoked = true;
    stage.github.change_token(TOKEN, revoke).unwrap();
    until(&stage, 2 * HOUR + 300).await;
    let lost = statuses(&stage).remove(0);
    assert_eq!((lost.phase, lost.task), (Phase::Unknown, None), "{:#?}", stage.trace());
    assert_eq!(creators(&stage), ["octocat", "hubot"]);

    first.kill();
    let (second, since) = (stage.process(Network::new(None)), stage.now());
    until(&stage, 4 * HOUR + 300).await;
    assert_eq!(creators(&stage), ["octocat", "hubot", "hubot", "hubot"]);
    assert_eq!(answered(&stage, 401, since), 0, "what GitHub refused is not used again");
    assert_eq!(condition(&stage, "Ready"), "True Ready");
    assert_eq!(condition(&stage, "Degraded"), "True CredentialRejected");
    assert_eq!(statuses(&stage).remove(0).phase, Phase::Unknown);

    let renewed = format!("{TOKEN}_renewed");
    stage.github.add_token(Token::new(&renewed, "octocat")).unwrap();
    stage.replace_token(&renewed).await;
    until(&stage, 5 * HOUR + 300).await;
    let found = statuses(&stage).remove(0);
    assert_eq!(attempts(&found), [(FIRST, Some(AttemptOutcome::Adopted))]);
    assert_eq!(creators(&stage), ["octocat", "hubot", "hubot", "hubot", "octocat"]);
    assert_eq!(condition(&stage, "Degraded"), "");
    assert_eq!(at_rest(&stage, true), Vec::<String>::new());
    second.terminate().await;
}

/// It is looked for with the credential that it was sent with, though another would be chosen now.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_for_with_the_credential_that_was_chosen_then() {
    let mut stage = stage("Spread", json!({})).await;
    let process = stage.process(Network::new(None));
    until(&stage, 2 * HOUR - 10).await;
    assert_eq!(creators(&stage), ["octocat"]);
    stage.github.add_fault(at_start(Effect::LoseAnswer(Failure::Hang)));
    until(&stage, 2 * HOUR + 600).await;
    assert_eq!(creators(&stage), ["octocat", "hubot"]);
    let found = statuses(&stage).remove(1);
    assert_eq!(
        attempts(&found),
        [("hubot", Some(AttemptOutcome::Adopted))],
        "{:#?}",
        stage.trace()
    );
    assert_eq!(found.phase, Phase::Succeeded, "it is followed with it as well");
    assert_eq!(at_rest(&stage, true), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn starts_are_spread_evenly() {
    let mut stage = stage("Spread", json!({})).await;
    let process = stage.process(Network::new(None));
    until(&stage, 9 * HOUR + 300).await;
    let creators = creators(&stage);
    assert_eq!(creators.len(), 9, "{:#?}", stage.trace());
    for login in ["octocat", "hubot", "monalisa"] {
        assert_eq!(creators.iter().filter(|it| *it == login).count(), 3, "{creators:?}");
    }
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}

/// A limit is the user's, and no other is asked in that one's place.
#[tokio::test(start_paused = true)]
async fn a_limit_is_waited_for() {
    let mut stage = stage("Failover", json!({})).await;
    let process = stage.process(Network::new(None));
    until(&stage, HOUR - 10).await;
    stage.github.add_fault(at_start(Effect::SecondaryLimit {
        status: 429,
        retry_after_s: Some(300),
    }));
    until(&stage, HOUR + 290).await;
    assert_eq!(creators(&stage), [""; 0]);
    until(&stage, HOUR + 600).await;
    assert_eq!(creators(&stage), ["octocat"], "{:#?}", stage.trace());
    assert_eq!(at_rest(&stage, true), Vec::<String>::new());
    process.terminate().await;
}

/// Several cost what one does, but for the looks at each Secret and with each token.
#[tokio::test(start_paused = true)]
async fn at_rest_several_cause_no_write() {
    let mut stage = stage("Spread", json!({})).await;
    let first = stage.process(Network::new(None));
    until(&stage, HOUR + 600).await;
    stage.rest(Duration::from_secs(90)).await;
    let writes = |stage: &Stage| stage.trace().len();
    let before = writes(&stage);
    first.terminate().await;
    let second = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(writes(&stage), before, "after a restart: {:#?}", stage.trace());
    second.terminate().await;
}
