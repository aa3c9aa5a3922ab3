//! What a fleet takes in memory: a process of its own reads its objects from standard input, as a controller reads them
//! from the API server, and says what it took. Linux only: memory is read from `/proc`.

use std::fs;
use std::io::{BufRead as _, BufWriter, Write as _, stdin};
use std::process::{Command, Stdio};

use agent_automation::observe::Update;
use agent_automation::plan::World;
use agent_automation::plan::policy::Labels;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::leader::{Leader, objects};
use crate::{HOLD, Result};

/// Resident memory, in KiB.
#[derive(Serialize, Deserialize)]
pub struct Memory {
    /// Before anything was read.
    pub empty: u64,
    /// With all objects, and what was learned about them.
    pub full: u64,
    pub most: u64,
}

/// Asks another process to hold the same objects.
pub fn measure(world: &World, now: Timestamp) -> Result<Memory> {
    let mut process = Command::new(std::env::current_exe()?)
        .args([HOLD, &now.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = BufWriter::new(process.stdin.take().ok_or("a process without standard input")?);
    for update in objects(world) {
        let (kind, object) = match update {
            Update::Automation(automation) => ("automation", serde_json::to_string(&automation)?),
            Update::Task(task) => ("task", serde_json::to_string(&task)?),
            Update::Policy(policy) => ("policy", serde_json::to_string(&policy)?),
            Update::Namespace(name, _) => ("namespace", name),
            _ => continue,
        };
        writeln!(pipe, "{kind} {object}")?;
    }
    pipe.flush()?;
    drop(pipe);
    let output = process.wait_with_output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Holds what standard input says, and tells what that takes.
pub fn hold(now: &str) -> Result<Memory> {
    let empty = resident("VmRSS:")?;
    let mut leader = Leader::new(now.parse()?);
    for line in stdin().lock().lines() {
        leader.hear(read(&line?)?);
    }
    leader.world.is_complete = true;
    leader.settle()?;
    Ok(Memory {
        empty,
        full: resident("VmRSS:")?,
        most: resident("VmHWM:")?,
    })
}

fn read(line: &str) -> Result<Update> {
    let (kind, object) = line.split_once(' ').ok_or("an object without its kind")?;
    Ok(match kind {
        "automation" => Update::Automation(serde_json::from_str(object)?),
        "task" => Update::Task(serde_json::from_str(object)?),
        "policy" => Update::Policy(serde_json::from_str(object)?),
        _ => Update::Namespace(object.to_owned(), Labels::new()),
    })
}

fn resident(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| format!("/proc/self/status does not give {field}").into())
}
