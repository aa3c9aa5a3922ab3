//! Deliveries that arrive nowhere while no receiver is there, and are asked for when one is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use agent_automation::plan::ObjectKey;
use agent_automation::simulator::{Access, NewHook, Outgoing, Permissions, Simulator, Sink, Token};
use agent_automation::webhook::{Cluster, Delivery, Handler, Outcome};

use crate::events::{broken, label, open, stage, told};
use crate::network::Network;
use crate::stage::{NAMESPACE, REPOSITORY, Stage, TOKEN};

const MINUTE: u64 = 60;

/// A receiver that is there or not.
pub struct Door {
    receiver: Arc<Cluster>,
    is_open: AtomicBool,
    knocked: AtomicUsize,
}

impl Door {
    pub fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

struct AtDoor(Arc<Door>);

impl Sink for AtDoor {
    fn send(&self, simulator: &Simulator, outgoing: Outgoing) {
        let (door, simulator) = (self.0.clone(), simulator.clone());
        tokio::spawn(async move {
            door.knocked.fetch_add(1, Ordering::SeqCst);
            if !door.is_open.load(Ordering::SeqCst) {
                simulator.delivered(outgoing.id, None);
                return;
            }
            let header = &outgoing.request.headers()["x-github-event"];
            let delivery = Delivery {
                source: ObjectKey::new(NAMESPACE, "acme"),
                event: header.to_str().unwrap().to_owned(),
                id: outgoing.id.to_string(),
                payload: serde_json::from_slice(outgoing.request.body()).unwrap(),
            };
            let status = match door.receiver.handle(delivery).await {
                Outcome::Caused(_) | Outcome::Nothing(_) => 202,
                Outcome::Malformed(_) => 400,
                Outcome::Unavailable(_) => 503,
            };
            simulator.delivered(outgoing.id, Some(status));
        });
    }
}

/// A stage whose token may use webhooks, and a door that is shut.
pub async fn shut(webhooks: Access) -> (Stage, Arc<Door>, tokio::task::JoinHandle<()>) {
    let stage = stage(1, "Webhook").await;
    let token = Token::new(TOKEN, "octocat");
    let permissions = Permissions {
        webhooks,
        ..token.permissions
    };
    stage.github.add_token(Token { permissions, ..token }).unwrap();
    let (start, began) = (stage.start, tokio::time::Instant::now());
    let client = stage.server.connect("receiver").client();
    let receiver = Arc::new(Cluster::new(client, Arc::new(move || start + began.elapsed())));
    let follows = receiver.clone();
    let following = tokio::spawn(async move { follows.follow().await });
    let door = Arc::new(Door {
        receiver,
        is_open: AtomicBool::new(false),
        knocked: AtomicUsize::new(0),
    });
    stage.github.set_sink(Arc::new(AtDoor(door.clone())));
    let hook = NewHook {
        repository: REPOSITORY.to_owned(),
        url: format!("https://hooks.example.com/webhooks/github/{NAMESPACE}/acme"),
        secret: None,
        events: vec!["issues".to_owned()],
    };
    stage.github.add_hook(hook).unwrap();
    (stage, door, following)
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_while_nobody_was_there_arrives_once() {
    let (mut stage, door, following) = shut(Access::Write).await;
    stage.until(Duration::from_secs(5)).await;
    for title in ["It is slow", "It is flaky"] {
        label(&stage, open(&stage, title));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    stage.until(Duration::from_secs(MINUTE)).await;
    assert_eq!(told(&stage), vec![]);
    let before = door.knocked.load(Ordering::SeqCst);
    door.open();
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(10 * MINUTE)).await;
    assert_eq!(
        (told(&stage).len(), stage.github.tasks().len()),
        (2, 2),
        "{:?}",
        told(&stage)
    );
    let writes: Vec<_> = stage
        .github
        .requests()
        .into_iter()
        .filter(|it| it.method == "POST")
        .collect();
    let written = writes
        .iter()
        .filter(|it| !it.path.ends_with("/graphql"))
        .map(|it| it.at);
    let written: Vec<_> = written.collect();
    assert_eq!(written.len(), 6, "four deliveries, two starts");
    let apart = written.windows(2).map(|two| two[1].duration_since(two[0]).as_millis());
    assert!(apart.min() >= Some(1_000), "a second apart: {written:?}");
    // Opened and labelled, twice: the greeting is not asked for.
    assert_eq!(door.knocked.load(Ordering::SeqCst) - before, 4);

    let (writes, asked) = (stage.server.history(0).len(), process.network.requests().len());
    stage.until(Duration::from_secs(70 * MINUTE)).await;
    let writes = stage.server.history(0).split_off(writes);
    assert_eq!(writes.iter().filter(|write| write.kind != "Lease").count(), 0);
    let later = process.network.requests().split_off(asked);
    let hooks = later
        .iter()
        .filter(|sent| sent.target == "github" && sent.what == "hooks");
    let (asked, read): (Vec<_>, Vec<_>) = hooks.partition(|sent| sent.is_write);
    assert_eq!((asked.len(), read.len()), (0, 24), "two lists each five minutes");
    assert_eq!(door.knocked.load(Ordering::SeqCst) - before, 4, "once each");
    assert_eq!(broken(&stage), Vec::<String>::new());
    process.terminate().await;
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_stays_away_is_not_knocked_at_for_ever() {
    let (mut stage, door, following) = shut(Access::Write).await;
    stage.until(Duration::from_secs(5)).await;
    open(&stage, "It is slow");
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(48 * 60 * MINUTE)).await;
    assert_eq!(
        door.knocked.load(Ordering::SeqCst),
        1 + 5,
        "the greeting, and five attempts at one delivery"
    );
    process.terminate().await;
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_may_not_is_seldom_tried() {
    let (mut stage, door, following) = shut(Access::None).await;
    stage.until(Duration::from_secs(5)).await;
    label(&stage, open(&stage, "It is slow"));
    stage.until(Duration::from_secs(MINUTE)).await;
    let before = door.knocked.load(Ordering::SeqCst);
    door.open();
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(5 * 60 * MINUTE + 10)).await;
    let sent = process.network.requests();
    let hooks = sent
        .iter()
        .filter(|sent| sent.target == "github" && sent.what == "hooks");
    assert_eq!(hooks.count(), 5, "once an hour");
    assert_eq!(door.knocked.load(Ordering::SeqCst), before);
    process.terminate().await;
    following.abort();
}
