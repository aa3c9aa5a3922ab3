//! One controller takes over from another that is still alive and does not know.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_automation::api::task::Phase;

use crate::network::{Mishap, Network, Sent};
use crate::stage::{Stage, Team};

/// How long the write is on its way: longer than a lease holds.
const ON_ITS_WAY: Duration = Duration::from_secs(30);

/// The first write-ahead whose request GitHub did not take is repeated; that one hangs, and nothing else of its
/// controller reaches the API server from then on.
fn hanging() -> Network {
    let (refused, hung) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut writes = 0;
    Network::in_weather(Box::new(move |sent: &Sent| {
        if sent.target == "github" {
            let first = sent.is_write && !refused.swap(true, Ordering::Relaxed);
            return first.then_some(Mishap::Refused);
        }
        if hung.load(Ordering::Relaxed) {
            return Some(Mishap::Refused);
        }
        let status = refused.load(Ordering::Relaxed) && sent.what == "agenttasks/status";
        writes += i32::from(status);
        // The outcome of the first attempt, and then the second attempt.
        (writes == 2).then(|| {
            hung.store(true, Ordering::Relaxed);
            Mishap::Late(ON_ITS_WAY)
        })
    }))
}

/// Its clock is set back meanwhile, so that it takes the attempt's deadline to be in the future; and the next leader's
/// clock is behind, so that it does not start the same task but the next, up to the cap.
#[tokio::test(start_paused = true)]
async fn a_write_ahead_that_arrives_when_another_leads_starts_nothing() {
    let mut stage = Stage::new(1);
    stage.policy(Some(1)).await;
    stage.secret().await;
    stage.automation(&Team::new("first")).await;
    stage.until(Duration::from_secs(10)).await;
    stage.automation(&Team::new("second")).await;
    stage
        .github
        .set_default_script(agent_automation::simulator::Script::pull_request().with_delays(1_000, 600_000));
    stage.until(Duration::from_secs(3_590)).await;
    let old = stage.process(hanging());
    stage.until(Duration::from_secs(3_605)).await;
    let new = stage.process(Network::new(None));
    new.skew.store(-60_000, Ordering::Relaxed);
    stage.until(Duration::from_secs(3_620)).await;
    old.skew.store(-60_000, Ordering::Relaxed);
    stage.until(Duration::from_secs(3_760)).await;

    let started = stage.github.tasks();
    assert_eq!(started.len(), 1, "{:#?}", stage.trace());
    let broken = std::mem::take(&mut stage.watcher.lock().unwrap().broken);
    assert_eq!(broken, Vec::<String>::new(), "{:#?}", stage.trace());
    let running = stage
        .tasks()
        .iter()
        .filter(|task| {
            let phase = task.status.as_ref().map(|status| status.phase);
            phase == Some(Phase::Running)
        })
        .count();
    assert_eq!(running, 1, "{:#?}", stage.trace());
    old.kill();
    new.terminate().await;
}
