//! The control plane itself: what the other tests take for granted of it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use harness::control_plane::{ControlPlane, Options, Server, client_for, shared};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};
use serde_json::json;

use crate::eventually;

/// Set for the copy of this binary that holds a control plane until it is killed.
const HOLDER: &str = "CONTROL_PLANE_HOLDER";

fn config_map(name: &str) -> ConfigMap {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    ConfigMap {
        metadata,
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn serves_the_pinned_release() {
    let plane = shared().await.unwrap();
    let version = plane.admin_client().await.unwrap().apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
    let output = plane.kubectl(&["version", "--output=json"]).await.unwrap();
    let versions: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        versions["clientVersion"]["gitVersion"], versions["serverVersion"]["gitVersion"],
        "{versions}"
    );
}

#[tokio::test]
async fn a_service_account_may_do_what_a_role_grants_and_no_more() {
    let plane = shared().await.unwrap();
    let namespace = plane.create_namespace("rbac").await.unwrap();
    let admin = plane.admin_client().await.unwrap();
    let account = ServiceAccount {
        metadata: config_map("robot").metadata,
        ..ServiceAccount::default()
    };
    Api::namespaced(admin, &namespace)
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let kubeconfig = plane.service_account_kubeconfig(&namespace, "robot").await.unwrap();
    let robot = client_for(&kubeconfig).await.unwrap();
    let list = async || {
        Api::<Secret>::namespaced(robot.clone(), &namespace)
            .list(&ListParams::default())
            .await
    };

    let refused = list().await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.code == 403),
        "{refused}"
    );

    let role = [
        "create",
        "role",
        "reader",
        "--verb=list",
        "--resource=secrets",
        "--namespace",
        &namespace,
    ];
    assert!(plane.kubectl(&role).await.unwrap().status.success());
    let subject = format!("--serviceaccount={namespace}:robot");
    let binding = [
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        &subject,
        "--namespace",
        &namespace,
    ];
    assert!(plane.kubectl(&binding).await.unwrap().status.success());
    eventually("the role is in force", async || list().await.is_ok()).await;
}

#[tokio::test]
async fn what_an_object_owns_goes_with_it() {
    let plane = shared().await.unwrap();
    let namespace = plane.create_namespace("garbage").await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(plane.admin_client().await.unwrap(), &namespace);
    let owner = maps.create(&PostParams::default(), &config_map("owner")).await.unwrap();
    let mut dependent = config_map("dependent");
    dependent.metadata.owner_references = Some(vec![
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid().unwrap(),
        }))
        .unwrap(),
    ]);
    maps.create(&PostParams::default(), &dependent).await.unwrap();
    maps.create(&PostParams::default(), &config_map("bystander"))
        .await
        .unwrap();

    maps.delete("owner", &DeleteParams::background()).await.unwrap();
    eventually("the dependent is gone", async || {
        maps.get_opt("dependent").await.unwrap().is_none()
    })
    .await;
    assert!(maps.get_opt("bystander").await.unwrap().is_some());
}

/// A control plane of its own: the shared one must not go away under the others.
#[tokio::test]
async fn an_api_server_that_was_killed_comes_back_with_its_data() {
    let plane = ControlPlane::start(Options { controllers: &[] }).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(plane.admin_client().await.unwrap());
    maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();
    let before = plane.process_id(Server::ApiServer).unwrap();

    plane.restart_apiserver().await.unwrap();
    assert_ne!(plane.process_id(Server::ApiServer).unwrap(), before);
    assert!(!is_alive(before));
    assert!(
        maps.get_opt("kept").await.unwrap().is_some(),
        "the same client, the same port"
    );

    let folder = plane.folder().to_owned();
    let after = plane.process_id(Server::ApiServer).unwrap();
    drop(plane);
    assert!(!is_alive(after));
    assert!(!folder.exists());
}

#[tokio::test]
async fn nothing_is_left_of_a_process_that_was_killed() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "control_plane::holds_a_control_plane_until_it_is_killed",
            "--nocapture",
        ])
        .env(HOLDER, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let held = lines
        .find_map(|line| line.strip_prefix("held: ").map(str::to_owned))
        .unwrap();
    let (folder, processes) = held.split_once(' ').unwrap();
    let processes: Vec<u32> = processes.split(' ').map(|id| id.parse().unwrap()).collect();
    assert!(Path::new(folder).exists());
    assert!(
        processes.len() == 2 && processes.iter().all(|id| is_alive(*id)),
        "{processes:?}"
    );

    holder.kill().unwrap();
    holder.wait().unwrap();
    eventually("its processes are gone", async || {
        !processes.iter().any(|id| is_alive(*id))
    })
    .await;
    eventually("its folder is gone", async || !Path::new(folder).exists()).await;
}

/// The other side of the test above; alone it does nothing.
#[tokio::test]
async fn holds_a_control_plane_until_it_is_killed() {
    if std::env::var_os(HOLDER).is_none() {
        return;
    }
    let plane = ControlPlane::start(Options { controllers: &[] }).await.unwrap();
    let process = |server| plane.process_id(server).unwrap();
    println!(
        "\nheld: {} {} {}",
        plane.folder().display(),
        process(Server::Etcd),
        process(Server::ApiServer)
    );
    std::future::pending::<()>().await;
}

fn is_alive(process: u32) -> bool {
    let asked = Command::new("kill")
        .args(["-0", &process.to_string()])
        .stderr(Stdio::null())
        .status();
    asked.unwrap().success()
}
