//! `make bench`: 200 automations of one minute's tick beside 200 CronJobs of the same tick, in the same run.
//!
//! Both work on one real API server, whose audit log is the clock for what both write; when a start reaches GitHub is
//! the stand-in's own record. The first tick warms both up and is not counted. It prints what it measured, whatever
//! that is; nothing is asserted. Linux only: memory and CPU are read from `/proc`.
//!
//! Each automation has a credential of its own, because starts with one credential are a second apart, as GitHub asks
//! for. CronJobs make suspended Jobs: there is no node to run Pods on.

mod audit;
mod objects;
mod process;
mod report;

use std::{process::ExitCode, time::Duration};

use harness::{
    control_plane::{ControlPlane, HOUSEKEEPING_AND_CRONJOBS, Measuring, Options, Server},
    programs::{Controller, GitHub},
};
use jiff::Timestamp;
use tokio::time::sleep;

use self::{
    objects::Cluster,
    process::{Cpu, Memory},
    report::Report,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Automations, and CronJobs.
const FLEET: usize = 200;
/// Automations that are only there, for what one of them takes.
const CROWD: usize = 1_000;
const TICKS: u64 = 3;
/// Seconds before a tick at which nothing of the tick before goes on any more.
const MARGIN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(report) => {
            report.print();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<Report> {
    let measuring = Measuring {
        audit: true,
        controller_manager_qps: std::env::var("QPS").ok().and_then(|qps| qps.parse().ok()),
    };
    let options = Options {
        controllers: HOUSEKEEPING_AND_CRONJOBS,
    };
    step("starting the control plane, the stand-in for GitHub and the controller");
    let plane = ControlPlane::start_and_measure(options, measuring).await?;
    plane.deploy().await?;
    let github = GitHub::start(&plane, &objects::github(CROWD)).await?;
    let cluster = Cluster::prepare(&plane, CROWD).await?;
    let idle = measure_idle(&plane, &github, &cluster).await?;

    let controller = Controller::start(&plane, &github, &[]).await?;
    sleep(Duration::from_secs(5)).await;
    let manager = plane.process_id(Server::ControllerManager)?;
    let manager_before = Memory::of(manager)?;
    let first = next_tick(Duration::from_secs(45)).await?;
    step("setting 200 automations to every minute, and making 200 CronJobs beside them");
    cluster.schedule(0..FLEET, "* * * * *").await?;
    cluster.create_cronjobs(FLEET).await?;
    step(&format!("the first tick, {first}, warms up; {TICKS} more are measured"));
    let ours = plane.process_id_beside(Controller::NAME)?;
    until(first + MINUTE - MARGIN).await?;
    let (cpu_ours, cpu_manager) = (Cpu::of(ours)?, Cpu::of(manager)?);
    let from = first + MINUTE;
    for tick in 1..=TICKS {
        until(from + minutes(tick) - MARGIN).await?;
        step(&format!("tick {tick} of {TICKS} is over"));
    }
    drop(controller);
    Ok(Report {
        idle,
        window: (from, from + minutes(TICKS) - MARGIN),
        audit: audit::read(&plane.audit_log())?,
        tasks: cluster.list("AgentTask").await?,
        github: github.get("/tasks").await?,
        memory: [Memory::of(ours)?, Memory::of(manager)?],
        manager_before,
        cpu: [Cpu::of(ours)?.since(&cpu_ours), Cpu::of(manager)?.since(&cpu_manager)],
        qps: measuring.controller_manager_qps,
    })
}

/// Resident memory with no automation, with 200 and with 1,000 that have nothing to do.
async fn measure_idle(plane: &ControlPlane, github: &GitHub, cluster: &Cluster) -> Result<Vec<(usize, Memory)>> {
    let controller = Controller::start(plane, github, &[]).await?;
    let process = plane.process_id_beside(Controller::NAME)?;
    sleep(Duration::from_secs(10)).await;
    let mut measured = vec![(0, Memory::of(process)?)];
    for (from, to) in [(0, FLEET), (FLEET, CROWD)] {
        step(&format!("{to} automations that are not due"));
        cluster.create_automations(from..to).await?;
        cluster.ready(to).await?;
        sleep(Duration::from_secs(15)).await;
        measured.push((to, Memory::of(process)?));
    }
    drop(controller);
    plane.stop_beside(Controller::NAME)?;
    cluster.delete_automations(FLEET..CROWD).await?;
    Ok(measured)
}

const MINUTE: Duration = Duration::from_secs(60);

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// The next full minute that is at least this far off.
async fn next_tick(ahead: Duration) -> Result<Timestamp> {
    let now = Timestamp::now().as_second();
    let mut tick = Timestamp::from_second((now / 60 + 1) * 60)?;
    if tick - ahead < Timestamp::now() {
        until(tick + Duration::from_secs(1)).await?;
        tick += MINUTE;
    }
    Ok(tick)
}

async fn until(time: Timestamp) -> Result<()> {
    if let Ok(wait) = Duration::try_from(time.duration_since(Timestamp::now())) {
        sleep(wait).await;
    }
    Ok(())
}

fn step(what: &str) {
    eprintln!("bench: {what}");
}
