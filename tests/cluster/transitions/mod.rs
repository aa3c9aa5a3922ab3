//! Every field of a person's specs through its values on a live object: set, changed, taken away, set to what makes no
//! sense, and back. After each change the object stands where one made afresh with that spec stands, whatever it went
//! through before.

mod fields;
mod people;
mod room;
mod schema;
mod walk;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use agent_automation::simulator::{AgentSettings, Repository, TaskRecord};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use self::{
    fields::{rows, value},
    people::annotate,
    room::{GATE, Kind, Mirror, Room, Written, close_the_gate, open_the_gate},
    walk::{Walk, short},
};
use crate::{
    fleet::{Fleet, Team},
    until_none_is_left, within_deadline,
};

/// Changes that objects must have gone through in all.
const ENOUGH: usize = 500;
/// Walks of one kind at a time.
const AT_ONCE: usize = 24;
/// How the last line begins of what the controller starts.
const MARKER: &str = "agentautomation.dev/attempt: ";

/// What came of the values.
#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    told: AtomicUsize,
    same: AtomicUsize,
    refused: AtomicUsize,
    afresh: AtomicUsize,
}

struct Stage<'a> {
    fleet: &'a Fleet,
    team: Team<'a>,
    mirror: Mirror,
    /// Objects made afresh, by their specs.
    afresh: Mutex<HashMap<String, Arc<OnceCell<Arc<Room>>>>>,
    rooms: Mutex<Vec<Arc<Room>>>,
    counts: Counts,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_comes_from_an_object_stands_where_one_made_afresh_stands() {
    let fleet = Fleet::start().await;
    close_the_gate(&fleet.client).await;
    let patient = ["--recheck-interval=30s", "--lease-duration=15s", "--start-timeout=15s"];
    let controller = fleet.controller("controller", &patient);
    controller.leads().await;
    let team = fleet.poor_team("desk").await;
    equip(&team).await;
    let stage = Stage {
        fleet: &fleet,
        team,
        mirror: Mirror::default(),
        afresh: Mutex::default(),
        rooms: Mutex::default(),
        counts: Counts::default(),
    };
    let _watching = stage.mirror.watch(&fleet.client);
    let (automations, policies, annotations) = tokio::join!(
        stage.walk_all(Kind::Automation),
        stage.walk_all(Kind::Policy),
        annotate(&fleet, &stage.mirror),
    );
    let failures: Vec<_> = automations
        .into_iter()
        .chain(policies)
        .filter_map(Result::err)
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let started = stage.open_the_gate().await;

    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let counts = &stage.counts;
    let transitions = count(&counts.accepted) + count(&counts.told) + annotations;
    harness::covered!(
        "covered: {transitions} transitions of {} fields ({} accepted, {} told by a condition or a task) and of \
         {annotations} annotations; {} more changed nothing, {} values were refused; compared with {} objects made \
         afresh; then {started} tasks started, each once",
        rows("AgentAutomation").len() + rows("AgentPolicy").len(),
        count(&counts.accepted),
        count(&counts.told),
        count(&counts.same),
        count(&counts.refused),
        count(&counts.afresh),
    );
    assert!(transitions >= ENOUGH);
}

/// The Secrets that automations name.
async fn equip(team: &Team<'_>) {
    for secret in ["github-agent-token", "second-token"] {
        team.put_secret(secret, "token", &team.token()).await;
    }
}

impl Stage<'_> {
    async fn walk_all(&self, kind: Kind) -> Vec<Result<(), String>> {
        let walks = rows(kind.as_str()).iter().map(|row| async move {
            let walk = Walk::new(kind, row, self.room(kind).await);
            self.walk(&walk).await
        });
        stream::iter(walks).buffer_unordered(AT_ONCE).collect().await
    }

    /// A room with nothing in it yet. A policy holds for a namespace, so one that is walked has its own.
    async fn room(&self, kind: Kind) -> Arc<Room> {
        let namespace = match kind {
            Kind::Automation => self.team.namespace.clone(),
            Kind::Policy => {
                let team = self.fleet.poor_team("desk").await;
                equip(&team).await;
                team.namespace
            }
        };
        let mut rooms = self.rooms.lock().await;
        let name = format!("desk{:04}", rooms.len());
        let room = Arc::new(Room::new(&self.fleet.client, &name, &namespace));
        rooms.push(room.clone());
        for repository in [format!("acme/{name}"), format!("acme/{name}-two")] {
            let repository = Repository {
                branches: vec!["release/1".to_owned()],
                agent: AgentSettings {
                    firewall: false,
                    workflow_approval: false,
                    codeql: false,
                    secret_scanning: false,
                },
                ..Repository::new(&repository)
            };
            self.fleet.github.add_repository(repository).unwrap();
        }
        room
    }

    /// Through all of a field's values, and refused ones in between.
    async fn walk(&self, walk: &Walk) -> Result<(), String> {
        let (room, mut went) = (&walk.room, Vec::new());
        let mut generation = 0;
        let mut bad = walk.bad.iter().cycle();
        for state in walk.tour() {
            went.push(state.what.as_str());
            let told = |problem: String| {
                let field = format!("{} spec.{}", walk.kind.as_str(), walk.row.field);
                format!("{field} ({}), {}: {problem}", room.name, went.join(" → "))
            };
            let written = if generation == 0 {
                self.furnish(room, walk.kind, &state.spec).await
            } else {
                let taken = room.put(walk.kind, &state.spec).await;
                taken.map_err(|error| told(format!("refused: {error}")))?
            };
            let fresh = self.afresh(walk.kind, &written.spec, room).await;
            let view = self.agree(room, &fresh).await.map_err(told)?;
            if !view.to_string().contains(&state.says) {
                return Err(told(format!("nothing says {:?}: {view:#}", state.says)));
            }
            self.count(generation, written.generation, &view).map_err(told)?;
            let tries = if generation == 0 { walk.bad.len() } else { 1 };
            for (spec, says) in bad.by_ref().take(tries) {
                self.refused(walk.kind, room, spec, says).await.map_err(told)?;
            }
            generation = written.generation;
        }
        Ok(())
    }

    async fn refused(&self, kind: Kind, room: &Room, spec: &Value, says: &str) -> Result<(), String> {
        match room.put(kind, spec).await {
            Ok(_) => Err(format!("the API server takes {}", short(spec))),
            Err(said) if said.contains(says) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(said) => Err(format!("the refusal of {} does not say {says:?}: {said}", short(spec))),
        }
    }

    /// A refused value must have left no trace: each change that counts is the next generation.
    fn count(&self, before: i64, generation: i64, view: &Value) -> Result<(), String> {
        let counter = match generation - before {
            0 => &self.counts.same,
            1 if view["task"]["boundBy"][1] == json!(GATE) => &self.counts.accepted,
            1 => &self.counts.told,
            more => return Err(format!("one change made {more} generations")),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The object that is walked, and what it needs to be seen.
    async fn furnish(&self, room: &Room, kind: Kind, spec: &Value) -> Written {
        let written = room.create(kind, spec).await;
        if kind == Kind::Policy {
            room.create(Kind::Automation, &room.asking_automation()).await;
        }
        room.run_by_hand().await;
        written
    }

    /// The room whose object was made afresh with this spec.
    async fn afresh(&self, kind: Kind, spec: &Value, room: &Room) -> Arc<Room> {
        let nameless = spec
            .to_string()
            .replace(&room.name, "ROOM")
            .replace(&room.namespace, "NAMESPACE");
        let key = format!("{} {nameless}", kind.as_str());
        let cell = self.afresh.lock().await.entry(key).or_default().clone();
        let furnished = cell.get_or_init(async || {
            let fresh = self.room(kind).await;
            self.furnish(&fresh, kind, &value(&nameless, &fresh.name, &fresh.namespace))
                .await;
            self.counts.afresh.fetch_add(1, Ordering::Relaxed);
            fresh
        });
        furnished.await.clone()
    }

    /// Lets everything start that only the gate held, and looks at what GitHub has seen of all rooms; gives the number of
    /// tasks.
    async fn open_the_gate(&self) -> usize {
        let rooms = self.rooms.lock().await.clone();
        let held = |room: &&Arc<Room>| self.mirror.view(room).unwrap()["task"]["boundBy"][1] == json!(GATE);
        let (held, others): (Vec<_>, Vec<_>) = rooms.iter().partition(held);
        for room in &rooms {
            assert_eq!(
                self.at_github(room),
                [],
                "{} started while the gate was closed",
                room.name
            );
        }
        open_the_gate(&self.fleet.client).await;
        let names_left = || {
            let left = held.iter().filter(|room| !self.mirror.has_succeeded(room));
            left.map(|room| room.name.as_str()).collect()
        };
        until_none_is_left(async || names_left()).await;
        for room in &held {
            self.started_as_decided(room);
        }
        for room in &others {
            assert_eq!(self.at_github(room), [], "{} started", room.name);
        }
        let records = self.fleet.github.tasks();
        let last_lines = records.iter().filter_map(|record| record.prompt.lines().last());
        let markers: Vec<_> = last_lines.filter(|line| line.starts_with(MARKER)).collect();
        let different: BTreeSet<_> = markers.iter().collect();
        assert_eq!(different.len(), markers.len(), "a marker is there twice");
        held.len()
    }

    fn started_as_decided(&self, room: &Room) {
        let task = self.mirror.succeeded(room).unwrap();
        let asked: Vec<_> = self.at_github(room).iter().map(asked).collect();
        assert_eq!(asked, [decided(&task)], "{}", room.name);
    }

    /// What GitHub has of a room.
    fn at_github(&self, room: &Room) -> Vec<TaskRecord> {
        let mut records = self.fleet.github.tasks();
        records.retain(|record| record.repository.contains(&room.name));
        records
    }

    /// Waits until two rooms are settled and look the same; gives what is to be seen. A person who sees that the last task
    /// has ended makes another.
    async fn agree(&self, room: &Room, fresh: &Room) -> Result<Value, String> {
        let agreed = within_deadline(async || {
            let (here, there) = (self.mirror.view(room), self.mirror.view(fresh));
            if here.is_ok() && here == there {
                return here.ok();
            }
            if let (Ok(here), Ok(there)) = (here, there)
                && here["conditions"] == there["conditions"]
                && self.mirror.has_ended(room)
            {
                room.run_by_hand().await;
            }
            None
        });
        let agreed = agreed.await;
        agreed.ok_or_else(|| {
            let say = |view: Result<Value, String>| view.map_or_else(|why| why, |view| format!("{view:#}"));
            let (here, there) = (say(self.mirror.view(room)), say(self.mirror.view(fresh)));
            format!("it stands at {here}\nand one made afresh ({}) at {there}", fresh.name)
        })
    }
}

/// What GitHub was asked for.
fn asked(record: &TaskRecord) -> Value {
    let (prompt, _) = record.prompt.trim_end().rsplit_once('\n').unwrap();
    json!([
        prompt,
        record.model.clone().unwrap_or_default(),
        record.custom_agent.clone().unwrap_or_default(),
        record.base_ref,
        record.create_pull_request,
    ])
}

/// The same as it was decided.
fn decided(task: &Value) -> Value {
    let spec = &task["spec"];
    json!([
        spec["prompt"],
        spec["agent"]["model"],
        spec["agent"]["customAgent"],
        spec["baseBranch"],
        spec["pullRequest"]["create"],
    ])
}
