//! What was measured, as a table.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    FLEET, TICKS,
    audit::{Write, Writer},
    process::Memory,
};

/// Everything that was measured.
pub struct Report {
    /// Resident memory by the number of automations that are not due.
    pub idle: Vec<(usize, Memory)>,
    /// The ticks from the first time on, before the second, are measured.
    pub window: (Timestamp, Timestamp),
    pub audit: Vec<Write>,
    pub tasks: Vec<Value>,
    /// The stand-in's tasks.
    pub github: Vec<Value>,
    /// The controller's, and the controller-manager's.
    pub memory: [Memory; 2],
    pub manager_before: Memory,
    pub cpu: [Duration; 2],
    /// Requests a second that the controller-manager allowed itself, where that was not its default.
    pub qps: Option<u32>,
}

/// Delays after the tick, sorted.
struct Delays(Vec<SignedDuration>);

impl Delays {
    fn new(pairs: impl Iterator<Item = (Timestamp, Timestamp)>) -> Self {
        let mut delays: Vec<_> = pairs.map(|(tick, at)| at.duration_since(tick)).collect();
        delays.sort();
        Self(delays)
    }

    /// In milliseconds; the smallest that at least so many percent do not exceed.
    fn percentile(&self, percent: usize) -> i128 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0, SignedDuration::as_millis)
    }
}

impl Report {
    pub fn print(&self) {
        let manager = self
            .qps
            .map_or("its default limit of 20 requests a second".to_owned(), |qps| {
                format!("{qps} requests a second allowed")
            });
        println!("\n{FLEET} automations beside {FLEET} CronJobs, `* * * * *`, {TICKS} ticks after one to warm up");
        println!("kube-controller-manager: {manager}; each automation has a credential of its own\n");
        row("", "AgentAutomation", "CronJob", "ratio");
        self.print_delays();
        self.print_writes();
        self.print_use();
        self.print_idle();
        self.print_kinds();
    }

    fn print_delays(&self) {
        let (posts, tasks, jobs) = (self.posts(), self.task_objects(), self.jobs());
        row("measured", &posts.0.len().to_string(), &jobs.0.len().to_string(), "");
        for (label, percent) in [("p50", 50), ("p99", 99), ("last", 100)] {
            let (ours, theirs) = (posts.percentile(percent), jobs.percentile(percent));
            let what = format!("tick -> POST sent | Job created, {label}, ms");
            row(&what, &ours.to_string(), &theirs.to_string(), &ratio(ours, theirs));
        }
        for (label, percent) in [("p50", 50), ("p99", 99)] {
            row(
                &format!("tick -> AgentTask created, {label}, ms"),
                &tasks.percentile(percent).to_string(),
                "",
                "",
            );
        }
    }

    fn print_writes(&self) {
        let tasks = self.scheduled().len();
        let jobs = self.jobs().0.len();
        let until = self.until_recorded();
        row(
            "API writes until the id is recorded | the Job exists, about it",
            &per(until, tasks),
            "1.00",
            "",
        );
        let (ours, theirs) = (self.count(Writer::Ours), self.count(Writer::CronJobController));
        let with_jobs = theirs + self.count(Writer::JobController);
        row("API writes in all, each", &per(ours, tasks), &per(theirs, jobs), "");
        row("  with those of the Job controller", "", &per(with_jobs, jobs), "");
    }

    fn print_use(&self) {
        let [ours, theirs] = self.memory;
        row(
            "resident memory, MiB",
            &mib(ours.resident),
            &mib(theirs.resident),
            &ratio(ours.resident.into(), theirs.resident.into()),
        );
        row("  at most", &mib(ours.most), &mib(theirs.most), "");
        row(
            "  before there were CronJobs",
            "",
            &mib(self.manager_before.resident),
            "",
        );
        let [ours, theirs] = self.cpu.map(|cpu| i128::try_from(cpu.as_millis()).unwrap_or_default());
        let ticks = i128::from(TICKS);
        row(
            "CPU for a tick, ms",
            &(ours / ticks).to_string(),
            &(theirs / ticks).to_string(),
            &ratio(ours, theirs),
        );
    }

    fn print_idle(&self) {
        println!();
        for (count, memory) in &self.idle {
            println!(
                "resident memory with {count} automations that are not due: {} MiB",
                mib(memory.resident)
            );
        }
        if let [.., (few, with_few), (many, with_many)] = self.idle.as_slice() {
            let kib = with_many.resident.saturating_sub(with_few.resident);
            let each = tenths(u64::try_from(many - few).unwrap_or(1), kib);
            println!("that is {each} KiB for each from the {few}th on");
        }
    }

    /// Each kind of write, for a task and for a Job.
    fn print_kinds(&self) {
        println!("\nwrites during the measured ticks:");
        let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for write in self.writes() {
            let by = match write.by {
                Writer::Ours => "agent-automation",
                Writer::CronJobController => "cronjob-controller",
                Writer::JobController => "job-controller",
                Writer::SomebodyElse => continue,
            };
            *kinds.entry((by, &write.what)).or_default() += 1;
        }
        for ((by, what), count) in kinds {
            println!("  {by:<20} {what:<32} {count:>6}");
        }
    }

    fn writes(&self) -> impl Iterator<Item = &Write> {
        self.audit
            .iter()
            .filter(|write| self.window.0 <= write.at && write.at < self.window.1)
    }

    fn count(&self, by: Writer) -> usize {
        self.writes().filter(|write| write.by == by).count()
    }

    /// The tasks of the measured ticks: name, uid and scheduled time.
    fn scheduled(&self) -> Vec<(&str, &str, Timestamp)> {
        let each = self.tasks.iter().filter_map(|task| {
            let (metadata, time) = (&task["metadata"], task["spec"]["trigger"]["scheduledTime"].as_str()?);
            Some((
                metadata["name"].as_str()?,
                metadata["uid"].as_str()?,
                time.parse().ok()?,
            ))
        });
        each.filter(|(_, _, time)| self.window.0 <= *time && *time < self.window.1)
            .collect()
    }

    /// When the stand-in was asked for each task, by the uid in its prompt's last line.
    fn posted(&self) -> BTreeMap<&str, Timestamp> {
        let each = self.github.iter().filter_map(|task| {
            let marker = task["prompt"].as_str()?.lines().last()?;
            let uid = marker.rsplit_once(' ')?.1.rsplit_once('.')?.0;
            Some((uid, task["created_at"].as_str()?.parse().ok()?))
        });
        each.collect()
    }

    fn posts(&self) -> Delays {
        let posted = self.posted();
        let tasks = self.scheduled().into_iter();
        Delays::new(tasks.filter_map(|(_, uid, time)| Some((time, *posted.get(uid)?))))
    }

    fn task_objects(&self) -> Delays {
        let created = self.created("create agenttasks");
        let tasks = self.scheduled().into_iter();
        Delays::new(tasks.filter_map(|(name, _, time)| Some((time, *created.get(name)?))))
    }

    /// A Job's name ends in its scheduled time, in minutes.
    fn jobs(&self) -> Delays {
        let created = self.created("create jobs");
        let each = created.into_iter().filter_map(|(name, at)| {
            let minutes: i64 = name.rsplit_once('-')?.1.parse().ok()?;
            Some((Timestamp::from_second(minutes * 60).ok()?, at))
        });
        Delays::new(each.filter(|(tick, _)| self.window.0 <= *tick && *tick < self.window.1))
    }

    fn created(&self, what: &str) -> BTreeMap<&str, Timestamp> {
        let writes = self.audit.iter().filter(|write| write.what == what);
        writes.map(|write| (write.name.as_str(), write.at)).collect()
    }

    /// Writes of the task's object and its status up to the first after GitHub was asked, which records the answer.
    fn until_recorded(&self) -> usize {
        let posted = self.posted();
        let mut by_task: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
        for write in self.audit.iter().filter(|write| write.what.contains("agenttasks")) {
            by_task.entry(&write.name).or_default().push(write.at);
        }
        let each = self.scheduled().into_iter().filter_map(|(name, uid, _)| {
            let (writes, posted) = (by_task.get(name)?, posted.get(uid)?);
            Some(writes.iter().filter(|at| *at < posted).count() + 1)
        });
        each.sum()
    }
}

fn row(what: &str, ours: &str, theirs: &str, ratio: &str) {
    println!("{what:<62} {ours:>16} {theirs:>10} {ratio:>8}");
}

fn ratio(ours: i128, theirs: i128) -> String {
    if theirs == 0 {
        return String::new();
    }
    let hundredths = ours * 100 / theirs;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn per(count: usize, each: usize) -> String {
    let hundredths = (count * 100).checked_div(each).unwrap_or_default();
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn mib(kib: u64) -> String {
    tenths(1_024, kib)
}

/// `amount / unit` to one decimal.
fn tenths(unit: u64, amount: u64) -> String {
    let tenths = (amount * 10).checked_div(unit).unwrap_or_default();
    format!("{}.{}", tenths / 10, tenths % 10)
}
