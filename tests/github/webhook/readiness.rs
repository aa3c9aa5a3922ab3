//! When a receiver promises something: once it knows the cluster, and for as long as it hears of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_automation::webhook::{Cluster, Handler, Sources};
use jiff::Timestamp;
use tokio::time::sleep;

use super::ApiServer;

#[tokio::test(start_paused = true)]
async fn once_its_watches_have_failed_for_two_minutes_it_is_not_ready_until_they_work() {
    let api = ApiServer::start();
    let sources = Arc::new(Sources::new(api.client.clone()).unwrap());
    let cluster = Arc::new(Cluster::new(api.client.clone(), Arc::new(Timestamp::now)));
    let (of_sources, of_cluster) = (sources.clone(), cluster.clone());
    let following = tokio::spawn(async move { tokio::join!(of_sources.follow(), of_cluster.follow()) });
    let is_ready = || [sources.are_known(), cluster.is_ready()];
    let after = async |seconds: u64| {
        sleep(Duration::from_secs(seconds)).await;
        is_ready()
    };
    let is_away = |away: bool| {
        api.is_away.store(away, Ordering::SeqCst);
        api.connection.drop_watches();
    };
    assert_eq!(is_ready(), [false; 2], "nothing is listed yet");
    assert_eq!(after(1).await, [true; 2]);

    is_away(true);
    assert_eq!(after(100).await, [true; 2], "an API server that restarts");
    is_away(false);
    assert_eq!(after(3_600).await, [true; 2]);

    is_away(true);
    assert_eq!(after(130).await, [false; 2]);
    assert_eq!(after(3_600).await, [false; 2], "it stays so");
    is_away(false);
    assert_eq!(after(100).await, [true; 2], "and ends by itself");
    following.abort();
}
