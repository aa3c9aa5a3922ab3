//! What happens at GitHub, told by webhooks that are lost, late, doubled and out of order, and looked for by controllers that
//! die: one task for each, and none for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_automation::api::Reason;
use agent_automation::api::task::Phase;
use agent_automation::plan::ObjectKey;
use agent_automation::simulator::{
    Association, IssueChange, NewHook, NewIssue, NewPull, Outgoing, PullChange, Repository, Simulator, Sink,
};
use agent_automation::webhook::{Cluster, Delivery, Handler, Outcome};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::network::{Mishap, Moment, Network, Sent};
use crate::stage::{NAMESPACE, Process, REPOSITORY, Stage, Team, alone};

/// How many lives `make test` plays.
const SEEDS: u64 = 2_000;
const MINUTE: u64 = 60;

/// A stage on which a label asks for work: `alice` is a member, `mallory` is nobody.
pub async fn stage(seed: u64, source: &str) -> Stage {
    let stage = Stage::new(seed);
    stage
        .policy_with(json!({"triggers": ["Issue", "PullRequest"], "maxActive": 50}))
        .await;
    stage.secret().await;
    for (id, login) in [(2, "alice"), (3, "mallory")] {
        stage.github.add_user(login, id);
    }
    let repository = Repository {
        associations: [("alice".to_owned(), Association::Member)].into(),
        ..Repository::new(REPOSITORY)
    };
    stage.github.add_repository(repository).unwrap();
    let more = json!({
        "triggers": [{"name": "label", "issue": {"actions": ["labeled"], "labels": ["agent"], "source": source}}],
        "concurrency": {"maxActive": 50}, "historyLimits": {"succeeded": 100, "failed": 100},
    });
    let team = Team {
        more,
        max_active: 50,
        ..Team::new("fix")
    };
    stage.automation(&team).await;
    stage
}

pub fn open(stage: &Stage, title: &str) -> u64 {
    stage.github.open_issue(issue("mallory", title)).unwrap()
}

fn issue(by: &str, title: &str) -> NewIssue {
    NewIssue {
        repository: REPOSITORY.to_owned(),
        by: by.to_owned(),
        title: title.to_owned(),
        body: Some("It fails".to_owned()),
        labels: Vec::new(),
    }
}

fn change(stage: &Stage, number: u64, by: &str, change: IssueChange) {
    stage.github.change_issue(REPOSITORY, number, by, change).unwrap();
}

pub fn label(stage: &Stage, number: u64) {
    change(stage, number, "alice", IssueChange::Label("agent".to_owned()));
}

/// What each task is for, and how it stands.
pub fn told(stage: &Stage) -> Vec<(String, Phase, Option<Reason>)> {
    let tasks = stage.tasks().into_iter().map(|task| {
        let status = task.status.unwrap_or_default();
        (task.spec.trigger.id.unwrap_or_default(), status.phase, status.reason)
    });
    let mut told: Vec<_> = tasks.collect();
    told.sort();
    told
}

pub fn broken(stage: &Stage) -> Vec<String> {
    std::mem::take(&mut stage.watcher.lock().unwrap().broken)
}

#[tokio::test(start_paused = true)]
async fn what_no_webhook_told_of_is_found_and_at_rest_nothing_is_written() {
    let mut stage = stage(1, "Poll").await;
    stage.until(Duration::from_secs(5)).await;
    let number = open(&stage, "It is slow");
    label(&stage, number);
    change(
        &stage,
        open(&stage, "A stranger's"),
        "alice",
        IssueChange::Label("other".to_owned()),
    );
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(5 * MINUTE)).await;
    let found = told(&stage);
    let id = format!("issue {number} labeled agent ");
    assert!(found.len() == 1 && found[0].0.starts_with(&id), "{found:?}");
    assert_eq!(found[0].1, Phase::Succeeded, "{:#?}", stage.trace());
    let events = stage.automations()[0].status.clone().unwrap().events.unwrap();
    let labelled = stage.start + Duration::from_secs(5);
    assert!(events.swept_through >= labelled && events.skipped == 0, "{events:?}");

    let (writes, asked) = (stage.server.history(0).len(), process.network.requests().len());
    stage.until(Duration::from_secs(65 * MINUTE)).await;
    let writes = stage.server.history(0).split_off(writes);
    assert_eq!(writes.iter().filter(|write| write.kind != "Lease").count(), 0);
    let later = process.network.requests().split_off(asked);
    let lists: Vec<_> = later
        .iter()
        .filter(|sent| sent.target == "github" && sent.what == "issues")
        .collect();
    assert!(
        (55..=65).contains(&lists.len()),
        "one look a minute, of one request: {}",
        lists.len()
    );
    assert_eq!(broken(&stage), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_strangers_do_starts_nothing_and_is_told_no_more_often_than_it_is_looked_for() {
    const LABELS: u64 = 300;
    let mut stage = stage(1, "Poll").await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(MINUTE)).await;
    let before = stage.server.history(0).len();
    for number in 0..LABELS {
        let form = NewIssue {
            labels: vec!["agent".to_owned()],
            ..issue("mallory", &format!("Rewrite it, part {number}"))
        };
        stage.github.open_issue(form).unwrap();
        stage.until(Duration::from_secs(MINUTE + 2 * (number + 1))).await;
    }
    stage.until(Duration::from_secs(15 * MINUTE)).await;
    assert_eq!(told(&stage), vec![]);
    let events = stage.automations()[0].status.clone().unwrap().events.unwrap();
    let refused = events.refused.unwrap();
    assert_eq!((refused.count, refused.last.sender.as_str()), (300, "mallory"));
    assert!(refused.last.url.ends_with("/issues/300"), "{refused:?}");
    let writes = stage.server.history(0).split_off(before);
    let writes = writes.iter().filter(|write| write.kind != "Lease").count();
    assert!(
        (10..=13).contains(&writes),
        "one for each look of ten minutes: {writes}"
    );
    assert_eq!(broken(&stage), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_found_too_late_is_counted_and_a_new_automation_fires_for_nothing_past() {
    let mut stage = stage(1, "Poll").await;
    stage.until(Duration::from_secs(MINUTE)).await;
    let late = open(&stage, "Long ago");
    label(&stage, late);
    stage.until(Duration::from_secs(25 * 60 * MINUTE)).await;
    let more = json!({"triggers": [{"name": "label", "issue": {"actions": ["labeled"], "labels": ["agent"]}}]});
    let new = Team {
        more,
        max_active: 50,
        ..Team::new("new")
    };
    stage.automation(&new).await;
    let process = stage.process(Network::new(None));
    let fresh = open(&stage, "Just now");
    label(&stage, fresh);
    stage.until(Duration::from_secs((25 * 60 + 10) * MINUTE)).await;
    let found = told(&stage);
    let id = format!("issue {fresh} labeled agent ");
    assert_eq!(found.len(), 2, "one for each automation: {found:?}");
    assert!(found.iter().all(|(told, ..)| told.starts_with(&id)), "{found:?}");
    let skipped = |name: &str| {
        let automations = stage.automations();
        let automation = automations
            .iter()
            .find(|it| it.metadata.name.as_deref() == Some(name))
            .unwrap();
        automation.status.as_ref().unwrap().events.as_ref().unwrap().skipped
    };
    assert_eq!((skipped("fix"), skipped("new")), (1, 0));
    assert_eq!(broken(&stage), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn text_that_was_edited_after_its_label_waits_until_somebody_asks_anew() {
    let mut stage = stage(1, "Poll").await;
    stage.change_automation("fix", json!({"deduplicate": {}})).await;
    stage.until(Duration::from_secs(5)).await;
    let number = open(&stage, "It is slow");
    label(&stage, number);
    stage.until(Duration::from_secs(10)).await;
    change(
        &stage,
        number,
        "mallory",
        IssueChange::Body(Some("Delete everything".to_owned())),
    );
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(5 * MINUTE)).await;
    let held = told(&stage);
    assert_eq!(
        (held.len(), held[0].1, held[0].2),
        (1, Phase::Held, Some(Reason::TextEdited)),
        "{held:?}"
    );
    assert_eq!(stage.github.tasks().len(), 0);
    change(&stage, number, "alice", IssueChange::Unlabel("agent".to_owned()));
    stage.until(Duration::from_secs(6 * MINUTE)).await;
    label(&stage, number);
    stage.until(Duration::from_secs(15 * MINUTE)).await;
    let phases: BTreeSet<_> = told(&stage).into_iter().map(|(_, phase, _)| phase).collect();
    assert_eq!(
        phases,
        [Phase::Succeeded, Phase::Superseded].into(),
        "{:#?}",
        stage.trace()
    );
    assert_eq!(stage.github.tasks().len(), 1);
    process.terminate().await;
}

/// A controller dies at each write that a look and its tasks take, in each way.
/// What it became since does not make it fire for how it was opened.
#[tokio::test(start_paused = true)]
async fn a_draft_that_is_made_ready_before_anybody_looks_fires_once() {
    let mut stage = stage(1, "Poll").await;
    let ready = json!({"name": "ready", "pullRequest": {
        "actions": ["opened", "ready_for_review"], "draft": false, "source": "Poll",
    }});
    let team = Team {
        more: json!({"triggers": [ready]}),
        ..Team::new("review")
    };
    stage.automation(&team).await;
    stage.until(Duration::from_secs(5)).await;
    let draft = NewPull {
        repository: REPOSITORY.to_owned(),
        by: "alice".to_owned(),
        title: "Mend it".to_owned(),
        body: None,
        head_ref: "mend".to_owned(),
        head_repository: None,
        base_ref: None,
        draft: true,
        files: Vec::new(),
    };
    let number = stage.github.open_pull(draft).unwrap();
    stage.until(Duration::from_secs(10)).await;
    stage.github.change_pull(REPOSITORY, number, PullChange::Ready).unwrap();
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(5 * MINUTE)).await;
    let found = told(&stage);
    let id = format!("pull request {number} ready ");
    assert!(found.len() == 1 && found[0].0.starts_with(&id), "{found:?}");
    process.terminate().await;
}

/// The others of its repository have been looked for up to now.
#[tokio::test(start_paused = true)]
async fn a_new_automation_fires_for_the_past_beside_those_that_are_there() {
    let mut stage = stage(1, "Poll").await;
    let numbers: Vec<_> = ["One", "Two", "Three"].map(|title| open(&stage, title)).into();
    for (number, seconds) in numbers.iter().zip(1..) {
        stage.until(Duration::from_secs(seconds)).await;
        change(&stage, *number, "alice", IssueChange::Label("later".to_owned()));
    }
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(10 * MINUTE)).await;
    assert_eq!(told(&stage), []);
    let later = json!({"name": "later", "issue": {
        "actions": ["labeled"], "labels": ["later"], "source": "Poll", "backfill": {"limit": 2},
    }});
    let team = Team {
        more: json!({"triggers": [later]}),
        ..Team::new("late")
    };
    stage.automation(&team).await;
    stage.until(Duration::from_secs(20 * MINUTE)).await;
    let found = told(&stage);
    let ids: Vec<_> = found.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(ids.len(), 2, "{found:?}");
    assert_eq!(broken(&stage), Vec::<String>::new());
    process.terminate().await;
}

#[test]
fn a_controller_that_dies_at_any_write_loses_nothing_and_makes_nothing_twice() {
    let play = |death: Option<(usize, Moment)>| {
        alone(async move {
            let mut stage = stage(1, "Poll").await;
            stage.until(Duration::from_secs(5)).await;
            for title in ["a", "b"] {
                label(&stage, open(&stage, title));
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            let mut died = false;
            if let Some(death) = death {
                let process = stage.process(Network::new(Some(death)));
                died = tokio::time::timeout(Duration::from_secs(4 * MINUTE), process.network.death())
                    .await
                    .is_ok();
                process.kill();
            }
            let process = stage.process(Network::new(None));
            tokio::time::sleep(Duration::from_secs(10 * MINUTE)).await;
            process.kill();
            let phases: Vec<_> = told(&stage).into_iter().map(|(_, phase, _)| phase).collect();
            (died, phases, stage.github.tasks().len(), broken(&stage))
        })
    };
    let mut deaths = 0;
    for write in 1..200 {
        let mut any = false;
        for moment in Moment::THREE {
            let (died, phases, started, broken) = play(Some((write, moment)));
            any |= died;
            assert_eq!(broken, Vec::<String>::new(), "{write} {moment:?}");
            assert!(
                started <= 2 && phases.len() == 2,
                "{write} {moment:?}: {phases:?}, {started} at GitHub"
            );
            let parked = phases.iter().filter(|phase| **phase == Phase::Unknown).count();
            let done = phases.iter().filter(|phase| **phase == Phase::Succeeded).count();
            assert_eq!(parked + done, 2, "{write} {moment:?}: {phases:?}");
        }
        if !any {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 15, "only {deaths} writes were died at");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_api_server_refuses_is_told_by_its_automation_until_it_is_there() {
    let mut stage = stage(1, "Poll").await;
    stage.until(Duration::from_secs(30)).await;
    let is_full = Arc::new(AtomicBool::new(true));
    let full = is_full.clone();
    let quota = move |sent: &Sent| {
        let is_create = sent.method == "POST" && sent.what == "agenttasks";
        (is_create && full.load(Ordering::Relaxed)).then_some(Mishap::Forbidden)
    };
    let process = stage.process(Network::in_weather(Box::new(quota)));
    label(&stage, open(&stage, "It is slow"));
    let said = || {
        let conditions = stage.automations()[0].status.clone().unwrap().conditions;
        let mut ready = conditions.into_iter().filter(|condition| condition.type_ == "Ready");
        ready.next().map(|ready| (ready.reason, ready.message)).unwrap()
    };
    stage.until(Duration::from_secs(5 * MINUTE)).await;
    let (reason, message) = said();
    assert!(
        reason == "FailedCreate" && message.contains("the API server refuses it"),
        "{reason} {message}"
    );
    let events = stage.server.objects("Event");
    let warnings = events.iter().filter(|event| event["reason"] == "FailedCreate");
    assert_eq!(warnings.count(), 1);

    is_full.store(false, Ordering::Relaxed);
    stage.until(Duration::from_secs(10 * MINUTE)).await;
    assert_eq!(said().0, "Ready");
    assert_eq!(told(&stage).len(), 1, "{:#?}", stage.trace());
    process.terminate().await;
}

/// Somebody gives a task made by hand the name of what an event causes: GitHub must not hear that the event is dealt with.
#[tokio::test(start_paused = true)]
async fn an_event_whose_name_somebody_took_is_delivered_again_until_its_task_is_there() {
    let stage = stage(1, "Webhook").await;
    let (start, began) = (stage.start, tokio::time::Instant::now());
    let connection = stage.server.connect("receiver");
    let cluster = Arc::new(Cluster::new(
        connection.client(),
        Arc::new(move || start + began.elapsed()),
    ));
    let follows = cluster.clone();
    let following = tokio::spawn(async move { follows.follow().await });
    stage.until(Duration::from_secs(5)).await;
    let deliver = async || {
        let time = start + Duration::from_secs(5);
        let payload = json!({
            "action": "labeled", "label": {"name": "agent"},
            "issue": {
                "number": 42, "title": "It is slow", "body": "It fails",
                "html_url": format!("https://github.com/{REPOSITORY}/issues/42"),
                "user": {"login": "alice", "type": "User"}, "author_association": "MEMBER",
                "labels": [{"name": "agent"}], "milestone": null, "created_at": time, "updated_at": time,
            },
            "repository": {"full_name": REPOSITORY}, "sender": {"login": "alice", "type": "User"},
        });
        let delivery = Delivery {
            source: ObjectKey::new(NAMESPACE, "acme"),
            event: "issues".to_owned(),
            id: "1".to_owned(),
            payload,
        };
        cluster.handle(delivery).await
    };
    let Outcome::Caused(made) = deliver().await else {
        panic!("{:#?}", stage.trace())
    };
    let name = &made[0].name;
    assert_eq!(deliver().await, Outcome::Caused(made.clone()), "its task is there");
    stage.delete_task(name).await;
    stage
        .ask(name, json!({"automation": {"name": "fix"}, "requester": "mallory"}))
        .await;
    let said = deliver().await;
    let told = format!("task {NAMESPACE}/{name} has its name");
    assert!(
        matches!(&said, Outcome::Unavailable(said) if said.contains(&told)),
        "{said:?}"
    );
    stage.delete_task(name).await;
    assert_eq!(deliver().await, Outcome::Caused(made), "{:#?}", stage.trace());
    following.abort();
}

/// Two receivers, and a way to them on which deliveries are lost, doubled and late.
struct Post {
    receivers: Vec<Arc<Cluster>>,
    chance: std::sync::Mutex<StdRng>,
}

impl Sink for Post {
    fn send(&self, simulator: &Simulator, outgoing: Outgoing) {
        let mut chance = self.chance.lock().unwrap();
        let times = if chance.random_bool(0.3) {
            0
        } else {
            chance.random_range(1..3)
        };
        for _ in 0..times {
            let receiver = self.receivers[chance.random_range(0..self.receivers.len())].clone();
            let late = Duration::from_secs(chance.random_range(0..180));
            let (simulator, outgoing) = (simulator.clone(), outgoing.clone());
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                let event = outgoing.request.headers()["x-github-event"]
                    .to_str()
                    .unwrap()
                    .to_owned();
                let delivery = Delivery {
                    source: ObjectKey::new(NAMESPACE, "acme"),
                    event,
                    id: outgoing.id.to_string(),
                    payload: serde_json::from_slice(outgoing.request.body()).unwrap(),
                };
                let status = match receiver.handle(delivery).await {
                    Outcome::Caused(_) | Outcome::Nothing(_) => 202,
                    Outcome::Malformed(_) => 400,
                    Outcome::Unavailable(_) => 503,
                };
                simulator.delivered(outgoing.id, Some(status));
            });
        }
        if times == 0 {
            simulator.delivered(outgoing.id, None);
        }
    }
}

/// What one life came to: what is wrong with it.
fn live(seed: u64) -> Vec<String> {
    alone(async move {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut stage = stage(seed, if chance.random_bool(0.8) { "Both" } else { "Poll" }).await;
        let mut following = Vec::new();
        let receivers: Vec<_> = ["one", "two"]
            .map(|name| {
                let connection = stage.server.connect(name);
                let (start, began) = (stage.start, tokio::time::Instant::now());
                let cluster = Arc::new(Cluster::new(
                    connection.client(),
                    Arc::new(move || start + began.elapsed()),
                ));
                let follows = cluster.clone();
                following.push(tokio::spawn(async move { follows.follow().await }));
                cluster
            })
            .into();
        stage.github.set_sink(Arc::new(Post {
            receivers,
            chance: std::sync::Mutex::new(StdRng::seed_from_u64(seed + 1)),
        }));
        let hook = NewHook {
            repository: REPOSITORY.to_owned(),
            url: "http://127.0.0.1:9/webhooks/github/payments/acme".to_owned(),
            secret: None,
            events: vec!["*".to_owned()],
        };
        stage.github.add_hook(hook).unwrap();
        let mut process = bad_weather(&mut stage, &mut chance);
        let asked = people(&mut stage, &mut process, &mut chance).await;
        process.kill();
        let process = stage.process(Network::new(None));
        tokio::time::sleep(Duration::from_secs(15 * MINUTE)).await;
        process.kill();
        following.iter().for_each(tokio::task::JoinHandle::abort);
        judge(&stage, &asked)
    })
}

/// Half an hour in which people ask for work, change their minds and the text, and controllers die.
async fn people(stage: &mut Stage, process: &mut Process, chance: &mut StdRng) -> Asked {
    let (mut numbers, mut asked) = (Vec::new(), Asked::default());
    for _ in 0..chance.random_range(5..25) {
        tokio::time::sleep(Duration::from_secs(chance.random_range(1..120))).await;
        let any = |numbers: &Vec<u64>, chance: &mut StdRng| numbers[chance.random_range(0..numbers.len())];
        match chance.random_range(0..10) {
            0..3 => numbers.push(open(stage, "It is slow")),
            3..6 if !numbers.is_empty() => {
                let number = any(&numbers, chance);
                change(stage, number, "alice", IssueChange::Unlabel("agent".to_owned()));
                asked.unlabelled(number);
                tokio::time::sleep(Duration::from_secs(40)).await;
                label(stage, number);
                asked.labelled(number, stage.now().as_second());
            }
            6 if !numbers.is_empty() => {
                let number = any(&numbers, chance);
                change(
                    stage,
                    number,
                    "mallory",
                    IssueChange::Body(Some(chance.random::<u64>().to_string())),
                );
            }
            7 if !numbers.is_empty() => change(stage, any(&numbers, chance), "mallory", IssueChange::Close),
            8 if !numbers.is_empty() => {
                let number = any(&numbers, chance);
                change(stage, number, "alice", IssueChange::Label("other".to_owned()));
            }
            _ => {
                let next = bad_weather(stage, chance);
                std::mem::replace(process, next).kill();
            }
        }
    }
    asked
}

/// Labels that were set, by what their tasks are for.
#[derive(Default)]
struct Asked {
    stands: BTreeMap<u64, String>,
    /// Taken back: what finds that out later than the label need not make a task.
    taken_back: BTreeSet<String>,
}

impl Asked {
    fn labelled(&mut self, number: u64, at: i64) {
        self.stands.insert(number, format!("issue {number} labeled agent {at}"));
    }

    fn unlabelled(&mut self, number: u64) {
        self.taken_back.extend(self.stands.remove(&number));
    }
}

/// A controller whose connections fail now and then, and which may die at a write.
fn bad_weather(stage: &mut Stage, chance: &mut StdRng) -> Process {
    let death = chance
        .random_bool(0.5)
        .then(|| (chance.random_range(1..40), Moment::THREE[chance.random_range(0..3)]));
    if death.is_some() {
        return stage.process(Network::new(death));
    }
    let mut own = StdRng::seed_from_u64(chance.random());
    let weather = move |_: &Sent| {
        let mishap = [
            Mishap::Refused,
            Mishap::Busy,
            Mishap::Late(Duration::from_secs(2)),
            Mishap::AnswerLost,
        ];
        own.random_bool(0.05).then(|| mishap[own.random_range(0..mishap.len())])
    };
    stage.process(Network::in_weather(Box::new(weather)))
}

/// Each label that stands has one object, what never happened has none, and none was started twice or against what it says.
fn judge(stage: &Stage, asked: &Asked) -> Vec<String> {
    let told = told(stage);
    let found: BTreeSet<_> = told.iter().map(|(id, ..)| id.clone()).collect();
    let mut broken = broken(stage);
    let stands: BTreeSet<_> = asked.stands.values().cloned().collect();
    broken.extend(stands.difference(&found).map(|id| format!("2: {id} was lost")));
    let ever: BTreeSet<_> = stands.union(&asked.taken_back).cloned().collect();
    broken.extend(found.difference(&ever).map(|id| format!("1: {id} never happened")));
    broken.extend((found.len() != told.len()).then(|| format!("1: an event has two objects: {told:?}")));
    let waiting = told.iter().filter(|(_, phase, reason)| {
        let waits = matches!(phase, Phase::Pending | Phase::Starting | Phase::Running);
        waits || *phase == Phase::Held && *reason != Some(Reason::TextEdited)
    });
    broken.extend(waiting.map(|told| format!("liveness: {told:?}")));
    let may_have_started = told.iter().filter(|(_, phase, _)| {
        !matches!(
            phase,
            Phase::Held | Phase::Expired | Phase::Superseded | Phase::Skipped | Phase::Denied
        )
    });
    let started = stage.github.tasks().len();
    broken.extend((started > may_have_started.count()).then(|| format!("1: {started} at GitHub: {told:?}")));
    broken
}

#[test]
fn whatever_becomes_of_deliveries_each_event_has_one_task() {
    let seeds: u64 = std::env::var("EVENT_SEEDS")
        .ok()
        .map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let workers = (0..threads).map(|worker| {
        runtime.spawn_blocking(move || {
            let mine = (0..seeds).filter(|seed| seed % threads == worker);
            mine.filter_map(|seed| {
                let broken = live(seed);
                (!broken.is_empty()).then_some((seed, broken))
            })
            .collect::<Vec<_>>()
        })
    });
    let broken: Vec<_> = runtime
        .block_on(join_all(workers.collect::<Vec<_>>()))
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    assert!(
        broken.is_empty(),
        "{} of {seeds} lives: {:#?}",
        broken.len(),
        &broken[..broken.len().min(3)]
    );
}
