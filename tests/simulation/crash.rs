//! Every crash: the controller dies at each of its writes, in each of three moments, and is started again; and it dies a
//! second time at each write of what comes after. A write that no run died at would be a crash that nobody looked at, so
//! the counts are checked against what the runs themselves wrote.
//!
//! `CRASH_PAIRS=0` leaves it at one death a run.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::invariants::at_rest;
use crate::network::{Moment, Network, Sent};
use crate::stage::{Stage, Team, alone};

/// The first scheduled time, as seconds after the automations were created.
const TICK: u64 = 3_600;
/// From the last death to rest, at most: the lease runs out, the start's deadline and the visibility window pass, and
/// the second task of a pair has its turn.
const TO_REST: Duration = Duration::from_secs(400);
/// Longer than anything is waited for without a write: a deadline, the visibility window and the lease's end.
const AT_REST: Duration = Duration::from_secs(100);

/// Deaths, one process after the other.
type Deaths = Vec<(usize, Moment)>;

struct Run {
    deaths: Deaths,
    /// Of each process, in order.
    writes: Vec<Vec<Sent>>,
    broken: Vec<String>,
}

#[derive(Clone, Copy)]
struct Scene {
    name: &'static str,
    teams: &'static [&'static str],
    cap: Option<i32>,
}

const ONE: Scene = Scene {
    name: "one task",
    teams: &["deps"],
    cap: None,
};
const TWO: Scene = Scene {
    name: "two tasks and a cap of one",
    teams: &["deps", "docs"],
    cap: Some(1),
};

#[test]
fn one_task_survives_every_crash_and_every_pair_of_crashes() {
    every_crash(ONE);
}

#[test]
fn two_tasks_under_a_cap_survive_every_crash_and_every_pair_of_crashes() {
    every_crash(TWO);
}

/// A request that is still on its way when the next controller has taken over.
#[test]
fn a_write_that_arrives_late_does_no_harm() {
    for scene in [ONE, TWO] {
        let undisturbed = play(scene, Vec::new());
        let deaths = (1..=points(&undisturbed.writes[0]))
            .map(|at| vec![(at, Moment::Delayed)])
            .collect::<Vec<_>>();
        fail_if_broken(&play_all(scene, &deaths));
    }
}

fn every_crash(scene: Scene) {
    let undisturbed = play(scene, Vec::new());
    let singles = play_all(scene, &deaths_after(&Vec::new(), points(&undisturbed.writes[0])));
    fail_if_broken(&singles);
    if std::env::var("CRASH_PAIRS").is_ok_and(|pairs| pairs == "0") {
        return;
    }
    let pairs: Vec<_> = singles
        .iter()
        .flat_map(|run| deaths_after(&run.deaths, run.writes.get(1).map_or(0, |writes| points(writes))))
        .collect();
    let pairs = play_all(scene, &pairs);
    report(scene, &undisturbed, &singles, &pairs);
    fail_if_broken(&singles);
    fail_if_broken(&pairs);
    let visited = |runs: &[Run], process: usize| -> BTreeSet<Sent> {
        runs.iter()
            .filter_map(|run| run.writes.get(process)?.get(run.deaths.get(process)?.0 - 1).cloned())
            .collect()
    };
    let written: BTreeSet<_> = singles
        .iter()
        .chain([&undisturbed])
        .flat_map(|run| run.writes.iter().flatten().cloned())
        .collect();
    let died_at: BTreeSet<_> = visited(&singles, 0).union(&visited(&pairs, 1)).cloned().collect();
    let missed: Vec<_> = written.difference(&died_at).collect();
    assert!(missed.is_empty(), "{}: no run died at {missed:?}", scene.name);
    assert!(
        singles
            .iter()
            .chain(&pairs)
            .all(|run| run.writes.len() > run.deaths.len()),
        "a death was never reached"
    );
}

/// The writes up to the last that is no renewal, and one renewal at rest: those after it are alike.
fn points(writes: &[Sent]) -> usize {
    let last = writes
        .iter()
        .rposition(|write| write.what != "leases")
        .map_or(0, |last| last + 1);
    writes.len().min(last + 1)
}

fn deaths_after(before: &Deaths, writes: usize) -> Vec<Deaths> {
    let points = (1..=writes).flat_map(|at| Moment::THREE.map(|moment| (at, moment)));
    points.map(|point| [before.as_slice(), &[point]].concat()).collect()
}

fn report(scene: Scene, undisturbed: &Run, singles: &[Run], pairs: &[Run]) {
    let kinds: BTreeSet<_> = undisturbed.writes[0]
        .iter()
        .map(|write| format!("{} {}", write.method, write.what))
        .collect();
    harness::covered!(
        "covered: crash points, {}: {} writes of {} kinds, {} single crashes, {} pairs",
        scene.name,
        undisturbed.writes[0].len(),
        kinds.len(),
        singles.len(),
        pairs.len()
    );
}

fn fail_if_broken(runs: &[Run]) {
    let broken: Vec<_> = runs.iter().filter(|run| !run.broken.is_empty()).collect();
    let first: Vec<_> = broken.iter().take(5).map(|run| (&run.deaths, &run.broken)).collect();
    assert!(
        broken.is_empty(),
        "{} of {} runs broke something: {first:#?}",
        broken.len(),
        runs.len()
    );
}

/// Plays all of them, on as many threads as there are processors.
fn play_all(scene: Scene, deaths: &[Deaths]) -> Vec<Run> {
    let (next, runs) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(deaths) = deaths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = play(scene, deaths.clone());
                    runs.lock().unwrap().push(run);
                }
            });
        }
    });
    runs.into_inner().unwrap()
}

fn play(scene: Scene, deaths: Deaths) -> Run {
    alone(async move {
        let mut stage = Stage::new(7);
        stage.policy(scene.cap).await;
        stage.secret().await;
        for team in scene.teams {
            stage.automation(&Team::new(team)).await;
        }
        stage.until(Duration::from_secs(TICK - 10)).await;
        let mut writes = Vec::new();
        for death in &deaths {
            let process = stage.process(Network::new(Some(*death)));
            let died = tokio::time::timeout(TO_REST, process.network.death()).await.is_ok();
            writes.push(process.network.writes());
            process.kill();
            if !died {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let process = stage.process(Network::new(None));
        let rested = tokio::time::timeout(TO_REST, stage.rest(AT_REST)).await.is_ok();
        writes.push(process.network.writes());
        let mut broken = at_rest(&stage, !deaths.is_empty());
        broken.extend((!rested).then(|| "5: it does not come to rest".to_owned()));
        process.kill();
        Run { deaths, writes, broken }
    })
}
