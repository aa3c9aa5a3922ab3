//! One controller takes over from another that is still alive and does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_automation::api::task::Phase;
use agent_automation::simulator::{Effect, Fault, Operation, Script, When};

use crate::network::{Mishap, Network, Sent};
use crate::stage::{Stage, Team};

/// How long the write is on its way: longer than it takes the next controller to lead and to start something.
const ON_ITS_WAY: Duration = Duration::from_secs(32);

#[derive(Clone, Default)]
struct Wires {
    armed: Arc<AtomicBool>,
    hung: Arc<AtomicBool>,
}

impl Wires {
    /// Once they are armed, the second write of a task's status hangs, and no other write reaches the API server any more.
    /// The first says that the second task is held.
    fn network(&self) -> Network {
        let (wires, mut writes) = (self.clone(), 0);
        Network::in_weather(Box::new(move |sent: &Sent| {
            if sent.target == "github" || !wires.armed.load(Ordering::Relaxed) {
                return None;
            }
            writes += i32::from(sent.is_write && sent.what == "agenttasks/status");
            let writes_ahead = writes == 2;
            let hung = wires.hung.fetch_or(writes_ahead, Ordering::Relaxed);
            match (hung, writes_ahead) {
                (true, _) => sent.is_write.then_some(Mishap::Refused),
                (false, true) => Some(Mishap::Late(ON_ITS_WAY)),
                (false, false) => None,
            }
        }))
    }
}

/// GitHub asks the old leader to wait with both tasks. Its clock jumps ahead, so that it does not wait; the write-ahead of
/// the first hangs; its clock goes back, so that the attempt's deadline is far away. The new leader starts the second,
/// which fills the policy's cap, and only then the write arrives.
#[tokio::test(start_paused = true)]
async fn a_write_ahead_that_arrives_when_another_leads_starts_nothing() {
    let mut stage = Stage::new(1);
    stage.policy(Some(1)).await;
    stage.secret().await;
    stage.automation(&Team::new("first")).await;
    stage.until(Duration::from_secs(1)).await;
    stage.automation(&Team::new("second")).await;
    stage
        .github
        .set_default_script(Script::pull_request().with_delays(1_000, 600_000));
    stage.github.add_fault(Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect: Effect::SecondaryLimit {
            status: 429,
            retry_after_s: Some(60),
        },
    });
    stage.until(Duration::from_secs(3_590)).await;
    let wires = Wires::default();
    let old = stage.process(wires.network());
    stage.until(Duration::from_secs(3_602)).await;
    wires.armed.store(true, Ordering::Relaxed);
    old.skew.store(70_000, Ordering::Relaxed);
    while !wires.hung.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lease = stage.server.objects("Lease");
    let claims = &lease[0]["metadata"]["annotations"]["agentautomation.dev/claims"];
    assert_ne!(claims, "", "what hangs is not the write-ahead");
    let new = stage.process(Network::new(None));
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(running(&stage), 1, "{:#?}", stage.trace());
    old.skew.store(0, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(200)).await;

    assert_eq!(stage.github.tasks().len(), 1, "{:#?}", stage.trace());
    assert_eq!(running(&stage), 1, "{:#?}", stage.trace());
    let broken = std::mem::take(&mut stage.watcher.lock().unwrap().broken);
    assert_eq!(broken, Vec::<String>::new(), "{:#?}", stage.trace());
    old.kill();
    new.terminate().await;
}

/// Who leads again counts from nothing, and who does not lead tells of no task.
#[tokio::test(start_paused = true)]
async fn a_process_that_leads_again_counts_each_task_once() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    stage.automation(&Team::new("deps")).await;
    stage.until(Duration::from_secs(3_605)).await;
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = is_cut.clone();
    let process = stage.process(Network::in_weather(Box::new(move |sent: &Sent| {
        (cut.load(Ordering::Relaxed) && sent.what == "leases").then_some(Mishap::Refused)
    })));
    let counted = || {
        let told = process.metrics.encode().unwrap();
        let gauges = told.lines().filter(|line| line.starts_with("agent_automation_tasks{"));
        let values = gauges.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap());
        let leads = told.contains("agent_automation_leader 1\n");
        (leads, values.sum::<i64>())
    };
    stage.until(Duration::from_secs(3_900)).await;
    assert_eq!(counted(), (true, 1));
    for term in [1, 2] {
        is_cut.store(true, Ordering::Relaxed);
        stage.until(Duration::from_secs(3_900 + term * 200 - 100)).await;
        assert_eq!(counted(), (false, 0));
        is_cut.store(false, Ordering::Relaxed);
        stage.until(Duration::from_secs(3_900 + term * 200)).await;
        assert_eq!(counted(), (true, 1));
    }
    process.terminate().await;
}

fn running(stage: &Stage) -> usize {
    let tasks = stage.tasks();
    let phases = tasks.iter().map(|task| task.status.as_ref().map(|status| status.phase));
    phases.filter(|phase| *phase == Some(Phase::Running)).count()
}
