//! The suite that the API server in memory is measured by, against the real one.

use harness::{conformance, control_plane};

#[tokio::test]
async fn the_real_server_conforms() {
    let control_plane = control_plane::shared().await.unwrap();
    let client = control_plane.admin_client().await.unwrap();
    conformance::run(client, "conformance").await;
}
