//! What a process uses, from Linux's `/proc`.

use std::{fs, time::Duration};

use crate::Result;

/// `USER_HZ`, which is 100 on every architecture in use: the unit of CPU times in `/proc`.
const HZ: u64 = 100;

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: u64,
    pub most: u64,
}

impl Memory {
    pub fn of(process: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let missing = || format!("/proc/{process}/status does not give resident memory");
        Ok(Self {
            resident: field("VmRSS:").ok_or_else(missing)?,
            most: field("VmHWM:").ok_or_else(missing)?,
        })
    }
}

/// CPU time since a process's start.
#[derive(Clone, Copy, Debug)]
pub struct Cpu(Duration);

impl Cpu {
    pub fn of(process: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The program's name, in parentheses, may hold anything.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<std::result::Result<u64, _>>()?;
        Ok(Self(Duration::from_millis(ticks * 1_000 / HZ)))
    }

    pub fn since(self, before: &Self) -> Duration {
        self.0.saturating_sub(before.0)
    }
}
