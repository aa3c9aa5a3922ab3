//! `make bench-decisions`: how long the planner takes for one change, whatever else there is, how long for a cold start,
//! and what it holds in memory.
//!
//! It drives the planner in this process as a leader does; there is no API server and no GitHub. Each fleet is measured in
//! a process of its own, so that none stands in what another left behind. It prints what it measured, whatever that is;
//! nothing is asserted. `make test` tries it, so that it still measures when it is wanted.

mod changes;
mod fleet;
mod leader;
mod memory;
mod report;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use self::changes::{Measured, micros};
use self::leader::{Leader, objects};
use self::memory::Memory;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Whether it is only tried, among the tests: a tenth of the fleet, and figures that say nothing.
const IS_TRIED: bool = cfg!(debug_assertions);
/// Finished tasks of each fleet that is measured.
const FINISHED: &[usize] = if IS_TRIED { &[100, 1_000] } else { &[100, 5_000, 50_000] };
/// What a further process is asked for: to measure a fleet, or to hold one in memory.
const MEASURE: &str = "measure";
const HOLD: &str = "hold";

/// What was measured of one fleet.
#[derive(Serialize, Deserialize)]
struct Fleet {
    finished: usize,
    running: usize,
    /// How many tasks wait, by the reason that they are told.
    held: Vec<(String, usize)>,
    changes: Vec<Measured>,
    cold_start: ColdStart,
    memory: Memory,
}

/// Microseconds of the first plan's parts, and until all that it led to is done.
#[derive(Serialize, Deserialize)]
struct ColdStart {
    apply: u64,
    admission: u64,
    plan: u64,
    rest: u64,
    actions: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [MEASURE, finished] => print_json(&measure(finished.parse()?)?),
        [HOLD, now] => print_json(&memory::hold(now)?),
        [] | ["--bench", ..] => {
            let fleets: Vec<_> = FINISHED.iter().copied().map(in_a_process).collect::<Result<_>>()?;
            report::print(&fleets);
            Ok(())
        }
        // A test of a name, or another word for tests.
        _ => Ok(()),
    }
}

fn print_json(measured: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

fn in_a_process(finished: usize) -> Result<Fleet> {
    eprintln!("bench: a fleet with {finished} finished tasks");
    let output = Command::new(std::env::current_exe()?)
        .args([MEASURE, &finished.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn measure(finished: usize) -> Result<Fleet> {
    let mut leader = fleet::at_rest(finished)?;
    let active = leader.world.active().count();
    Ok(Fleet {
        finished: leader.world.tasks().count() - active - leader.world.waiting().count(),
        running: active,
        held: held(&leader),
        cold_start: cold_start(&leader)?,
        memory: memory::measure(&leader.world, leader.now)?,
        changes: changes::measure(&mut leader)?,
    })
}

fn held(leader: &Leader) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, task) in leader.world.waiting() {
        let reason = task.status.as_ref().and_then(|status| status.reason);
        let reason = reason.map_or("without a reason", |reason| reason.as_str());
        *counts.entry(reason.to_owned()).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn cold_start(known: &Leader) -> Result<ColdStart> {
    let objects = objects(&known.world);
    let mut leader = Leader::new(known.now);
    let began = Instant::now();
    for object in objects {
        leader.hear(object);
    }
    leader.world.is_complete = true;
    let applied = began.elapsed();
    let (parts, plans) = leader.decide(Vec::new(), Vec::new());
    let actions = plans.iter().map(|(_, planned)| planned.actions.len()).sum();
    leader.carry_out(plans)?;
    Ok(ColdStart {
        apply: micros(applied),
        admission: micros(parts.admission),
        plan: micros(parts.plan),
        rest: micros(began.elapsed()),
        actions,
    })
}
