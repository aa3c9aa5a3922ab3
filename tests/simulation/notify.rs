//! The ends of tasks are told: at least once, under one name, whatever gets lost and whoever dies; and what can't be told is
//! counted.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_automation::api::AgentAutomation;
use agent_automation::api::automation::StartPolicy;
use agent_automation::api::notify::{NotificationState, NotificationStatus, NotifyError};
use agent_automation::simulator::Script;
use serde_json::{Value, json};

use crate::invariants::at_rest;
use crate::network::{Moment, Network};
use crate::receiver::{Heard, Reply, SIGNING_KEY};
use crate::stage::{REPOSITORY, Stage, Team, alone};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

fn receiver(name: &str) -> Value {
    json!({"name": name, "url": format!("https://{name}.acme.example/hook"), "secretRef": {"name": "signing"}})
}

/// A stage with an automation that is due after an hour and tells these receivers, a little before.
async fn telling(receivers: &[&str], more: &Value) -> Stage {
    let stage = Stage::new(1);
    stage.policy_with(json!({"notifyHosts": ["*.acme.example"]})).await;
    stage.secret().await;
    stage.secret_of("signing", "signing-key", SIGNING_KEY).await;
    stage.automation(&team("deps", receivers, more)).await;
    stage.until(Duration::from_secs(HOUR - 10)).await;
    stage
}

fn team(name: &str, receivers: &[&str], more: &Value) -> Team {
    let receivers: Vec<_> = receivers.iter().map(|name| receiver(name)).collect();
    let mut spec = json!({ "notify": receivers });
    crate::stage::merge(&mut spec, more);
    Team {
        every: "0 7 * * *".to_owned(),
        start_policy: StartPolicy::AtLeastOnce,
        more: spec,
        ..Team::new(name)
    }
}

/// The history lets go of a task whose pull request nobody has to look at.
fn without_pull_request() -> Script {
    Script::branch_only().with_delays(1_000, 3_000)
}

fn told(stage: &Stage) -> Vec<NotificationStatus> {
    let tasks = stage.tasks();
    let statuses = tasks.into_iter().filter_map(|task| task.status);
    statuses.flat_map(|status| status.notifications).collect()
}

fn deps(stage: &Stage) -> AgentAutomation {
    let mut automations = stage.automations().into_iter();
    automations
        .find(|it| it.metadata.name.as_deref() == Some("deps"))
        .unwrap()
}

fn warning(stage: &Stage) -> Option<String> {
    let conditions = deps(stage).status.unwrap().conditions;
    let mut warnings = conditions.into_iter().filter(|it| it.type_ == "Undelivered");
    warnings.next().map(|condition| condition.message)
}

/// Writes but those of leases.
fn writes(stage: &Stage) -> usize {
    let history = stage.server.history(0);
    history.iter().filter(|write| write.kind != "Lease").count()
}

/// What is wrong with what was heard: each is genuine and tells the same of the same, under one name.
fn wrong(heard: &[Heard]) -> Vec<String> {
    let mut wrong = Vec::new();
    let ids: BTreeSet<_> = heard.iter().map(|heard| &heard.id).collect();
    if ids.len() != 1 {
        wrong.push(format!("{} ids", ids.len()));
    }
    for heard in heard {
        let data = &heard.body["data"];
        let is_right = heard.is_genuine
            && heard.body["type"] == "dev.agentautomation.task.succeeded"
            && data["automation"] == "deps"
            && data["task"]["id"].is_string();
        if !is_right {
            wrong.push(format!("{heard:?}"));
        }
    }
    wrong
}

#[tokio::test(start_paused = true)]
async fn each_receiver_is_told_once_and_then_nothing_is_written() {
    let mut stage = telling(&["chat", "tickets"], &json!({})).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(HOUR + 2 * MINUTE)).await;
    let heard = stage.receiver.heard();
    let mut hosts: Vec<_> = heard.iter().map(|heard| heard.host.as_str()).collect();
    hosts.sort_unstable();
    assert_eq!(hosts, ["chat.acme.example", "tickets.acme.example"]);
    assert_eq!(wrong(&heard), Vec::<String>::new());
    let pull = heard[0].body["data"]["pullRequest"]["url"].as_str().unwrap();
    assert!(pull.contains("/pull/"), "{pull}");
    assert!(
        told(&stage)
            .iter()
            .all(|told| told.state == NotificationState::Delivered)
    );
    let before = writes(&stage);
    stage.until(Duration::from_secs(2 * HOUR)).await;
    assert_eq!(writes(&stage) - before, 0);
    assert_eq!(stage.receiver.heard().len(), 2);
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    let objects = stage.server.history(0);
    let tells = |object: &Value| object.to_string().contains(&SIGNING_KEY[6..]);
    let told = objects
        .iter()
        .filter(|write| write.kind != "Secret")
        .filter(|write| write.after.as_ref().is_some_and(|object| tells(object)));
    assert_eq!(told.count(), 0, "the key is in its Secret and nowhere else");
    process.terminate().await;
}

/// The controller decides no more of it than that.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_denied_for_its_inputs_is_told_of() {
    let mut chat = receiver("chat");
    chat["ends"] = json!(["Denied"]);
    let more = json!({
        "triggers": [{"name": "by-hand", "manual": {}}], "inputs": [{"name": "package", "pattern": "[a-z]+"}],
        "notify": [chat],
    });
    let mut stage = telling(&[], &more).await;
    let process = stage.process(Network::new(None));
    let wrong = json!({"automation": {"name": "deps"}, "requester": "alice", "inputs": {"package": "7"}});
    stage.ask("asked", wrong).await;
    stage.until(Duration::from_secs(HOUR + MINUTE)).await;
    let heard = stage.receiver.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let (kind, data) = (&heard[0].body["type"], &heard[0].body["data"]);
    assert_eq!(
        (kind, &data["reason"]),
        (&json!("dev.agentautomation.task.denied"), &json!("InvalidInput"))
    );
    assert_eq!(
        ["name", "repository", "requester", "message"].map(|field| data[field].as_str().unwrap()),
        ["asked", REPOSITORY, "alice", "input package must match [a-z]+"]
    );
    let before = writes(&stage);
    stage.until(Duration::from_secs(2 * HOUR)).await;
    assert_eq!(writes(&stage) - before, 0);
    assert_eq!(stage.github.tasks().len(), 0);
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_again_later_each_time() {
    let mut stage = telling(&["chat"], &json!({})).await;
    stage
        .receiver
        .reply([Reply::Lose, Reply::Code(503), Reply::Refuse, Reply::After(429, "1200")]);
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(2 * HOUR)).await;
    let heard = stage.receiver.heard();
    assert_eq!(wrong(&heard), Vec::<String>::new());
    let waits: Vec<_> = heard
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_secs())
        .collect();
    // 30 s; 60 s and 120 s with one that was not heard between them; what was asked for. Each is varied by up to a fifth.
    let about = |wait: u64, expected: u64| wait * 5 >= expected * 4 && wait * 5 <= expected * 6;
    assert_eq!(waits.len(), 3, "{waits:?}");
    assert!(about(waits[0], 30) && about(waits[1], 180), "{waits:?}");
    assert!((1_200..1_215).contains(&waits[2]), "{waits:?}");
    let told = told(&stage);
    assert_eq!((told[0].state, told[0].attempts), (NotificationState::Delivered, 5));
    assert_eq!((deps(&stage).status.unwrap().dead_letters, warning(&stage)), (0, None));
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_a_dead_letter_and_said_so() {
    let mut stage = telling(&["chat"], &json!({})).await;
    stage.receiver.reply([Reply::Code(410)]);
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(HOUR + 10 * MINUTE)).await;
    let told = told(&stage);
    assert_eq!(
        (told[0].state, told[0].http_status),
        (NotificationState::DeadLetter, Some(410))
    );
    assert_eq!(stage.receiver.heard().len(), 1);
    assert_eq!(deps(&stage).status.unwrap().dead_letters, 1);
    assert!(warning(&stage).unwrap().contains("the receiver answers 410 (given up)"));
    let events = stage.server.objects("Event");
    let undelivered = events.iter().filter(|event| event["reason"] == "Undelivered");
    assert_eq!(undelivered.count(), 1);
    let before = writes(&stage);
    stage.until(Duration::from_secs(2 * HOUR)).await;
    assert_eq!(writes(&stage) - before, 0);
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_key_it_waits_and_says_so_until_the_secret_comes() {
    let stage = Stage::new(1);
    stage.policy_with(json!({"notifyHosts": ["chat.acme.example"]})).await;
    stage.secret().await;
    stage
        .automation(&team("deps", &["chat"], &json!({"historyLimits": {"succeeded": 0}})))
        .await;
    stage.github.set_default_script(without_pull_request());
    let mut stage = stage;
    stage.until(Duration::from_secs(HOUR - 10)).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(HOUR + MINUTE)).await;
    let before = writes(&stage);
    stage.until(Duration::from_secs(HOUR + 10 * MINUTE)).await;
    assert_eq!(writes(&stage) - before, 0, "that it still waits is no news");
    let status = told(&stage);
    assert_eq!(status[0].last_error, Some(NotifyError::SecretMissing));
    assert!(warning(&stage).unwrap().contains("Secret signing is not there"));
    stage.secret_of("signing", "other", SIGNING_KEY).await;
    stage.until(Duration::from_secs(HOUR + 13 * MINUTE)).await;
    assert_eq!(told(&stage)[0].last_error, Some(NotifyError::SecretKeyMissing));
    assert_eq!(stage.receiver.heard().len(), 0);
    stage.change_secret("signing", "signing-key", SIGNING_KEY).await;
    stage.until(Duration::from_secs(HOUR + 16 * MINUTE)).await;
    assert_eq!(wrong(&stage.receiver.heard()), Vec::<String>::new());
    assert_eq!(warning(&stage), None);
    assert_eq!(stage.tasks().len(), 0, "the history kept it for that, and no longer");
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_never_comes_is_given_up_on() {
    let stage = Stage::new(1);
    stage.policy_with(json!({"notifyHosts": ["chat.acme.example"]})).await;
    stage.secret().await;
    stage
        .automation(&team("deps", &["chat"], &json!({"historyLimits": {"succeeded": 0}})))
        .await;
    stage.github.set_default_script(without_pull_request());
    let mut stage = stage;
    stage.until(Duration::from_secs(HOUR - 10)).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(6 * HOUR)).await;
    assert_eq!(stage.tasks().len(), 1);
    stage.until(Duration::from_secs(8 * HOUR)).await;
    let status = deps(&stage).status.unwrap();
    assert_eq!(
        (status.dead_letters, status.collected.dead_letters, stage.tasks().len()),
        (1, 1, 0)
    );
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_does_not_allow_is_not_sent() {
    let mut stage = telling(&["chat"], &json!({})).await;
    stage
        .change_policy(json!({"notifyHosts": ["tickets.acme.example"]}))
        .await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(HOUR + MINUTE)).await;
    let conditions = deps(&stage).status.unwrap().conditions;
    let narrowed = conditions.iter().find(|it| it.type_ == "Narrowed").unwrap();
    let said = "spec.notify chat: AgentPolicy default does not allow it: spec.notifyHosts must name chat.acme.example";
    assert!(narrowed.message.contains(said), "{}", narrowed.message);
    let ready = conditions.iter().find(|it| it.type_ == "Ready").unwrap();
    assert_eq!(ready.status, "True", "it runs all the same");
    assert_eq!(told(&stage)[0].last_error, Some(NotifyError::HostNotAllowed));
    assert_eq!(deps(&stage).status.unwrap().dead_letters, 1);
    assert_eq!(stage.receiver.heard().len(), 0);
    process.terminate().await;
}

/// Ten automations tell a receiver that never answers, and one tells another.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_holds_nobody_up() {
    let mut stage = telling(&["chat"], &json!({})).await;
    for index in 0..10 {
        stage
            .automation(&team(&format!("slow-{index}"), &["silent"], &json!({})))
            .await;
    }
    stage.receiver.silence("silent.acme.example");
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(HOUR + 5 * MINUTE)).await;
    let heard = stage.receiver.heard();
    assert_eq!(wrong(&heard), Vec::<String>::new());
    let ended: jiff::Timestamp = heard[0].body["time"].as_str().unwrap().parse().unwrap();
    let since_end = stage.now().duration_since(ended).unsigned_abs();
    let since_heard = heard[0].at.elapsed();
    assert!(
        since_end < since_heard + Duration::from_secs(5),
        "{since_end:?} {since_heard:?}"
    );
    let waiting = told(&stage)
        .into_iter()
        .filter(|told| told.last_error == Some(NotifyError::AnswerLost));
    assert_eq!(waiting.count(), 10);
    process.terminate().await;
}

#[test]
fn a_controller_that_dies_at_any_write_tells_it() {
    let deaths = every_death(&[Reply::Lose, Reply::Code(503)], |stage| {
        let mut wrong = wrong(&stage.receiver.heard());
        let told = told(stage);
        let is_told = told.len() == 1 && told[0].state == NotificationState::Delivered;
        wrong.extend((!is_told).then(|| format!("{told:?}")));
        wrong.extend(warning(stage));
        wrong
    });
    assert!(deaths > 10, "only {deaths} writes were died at");
}

/// The history keeps none of them.
#[test]
fn a_controller_that_dies_at_any_write_counts_a_dead_letter_once() {
    let deaths = every_death(&[Reply::Code(410); 3], |stage| {
        let status = deps(stage).status.unwrap();
        let counted = [status.dead_letters, status.collected.dead_letters];
        let mut wrong = wrong(&stage.receiver.heard());
        wrong.extend((counted != [1, 1] || !stage.tasks().is_empty()).then(|| format!("{counted:?}")));
        wrong
    });
    assert!(deaths > 10, "only {deaths} writes were died at");
}

/// Plays a death at each write, in each of three moments. Gives how many writes there were to die at.
fn every_death(replies: &[Reply], wrong: fn(&Stage) -> Vec<String>) -> usize {
    let keeps = usize::from(replies.iter().all(|reply| !matches!(reply, Reply::Code(410))));
    let play = |death: (usize, Moment)| {
        alone(async move {
            let mut stage = telling(&["chat"], &json!({"historyLimits": {"succeeded": keeps}})).await;
            stage.receiver.reply(replies.iter().copied());
            stage.github.set_default_script(without_pull_request());
            let process = stage.process(Network::new(Some(death)));
            let death = process.network.death();
            let died = tokio::time::timeout(Duration::from_secs(150), death).await.is_ok();
            process.kill();
            let process = stage.process(Network::new(None));
            tokio::time::sleep(Duration::from_secs(6 * MINUTE)).await;
            let mut wrong = wrong(&stage);
            wrong.extend(at_rest(&stage, true));
            process.kill();
            (died, wrong)
        })
    };
    for write in 1..200 {
        let mut any = false;
        for moment in Moment::THREE {
            let (died, wrong) = play((write, moment));
            any |= died;
            assert_eq!(wrong, Vec::<String>::new(), "{write} {moment:?}");
        }
        if !any {
            return write - 1;
        }
    }
    200
}
