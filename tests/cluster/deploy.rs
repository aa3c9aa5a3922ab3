//! `deploy/` on a real API server: that it is taken, and that it grants what the controller needs and nothing else.

use std::{collections::BTreeSet, path::PathBuf};

use harness::control_plane::{
    CONTROLLER_ACCOUNT, CONTROLLER_NAMESPACE, ControlPlane, client_for, deploy_folder, shared, stdout_of,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec},
    core::v1::{Pod, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use crate::{eventually, eventually_eq};

/// The ServiceAccount and the Deployment of the receiver apart.
const RECEIVER_ACCOUNT: &str = "agent-automation-webhook";

const OBJECTS: &[&str] = &[
    "clusterrole.rbac.authorization.k8s.io/agent-automation",
    "clusterrole.rbac.authorization.k8s.io/agent-automation-approve",
    "clusterrole.rbac.authorization.k8s.io/agent-automation-edit",
    "clusterrole.rbac.authorization.k8s.io/agent-automation-portal",
    "clusterrole.rbac.authorization.k8s.io/agent-automation-view",
    "clusterrolebinding.rbac.authorization.k8s.io/agent-automation",
    "customresourcedefinition.apiextensions.k8s.io/agentautomations.agentautomation.dev",
    "customresourcedefinition.apiextensions.k8s.io/agentpolicies.agentautomation.dev",
    "customresourcedefinition.apiextensions.k8s.io/agenttasks.agentautomation.dev",
    "customresourcedefinition.apiextensions.k8s.io/webhooksources.agentautomation.dev",
    "deployment.apps/agent-automation",
    "namespace/agent-automation-system",
    "role.rbac.authorization.k8s.io/agent-automation-leader",
    "rolebinding.rbac.authorization.k8s.io/agent-automation-leader",
    "service/agent-automation-metrics",
    "service/agent-automation-webhook",
    "serviceaccount/agent-automation",
    "validatingadmissionpolicy.admissionregistration.k8s.io/agent-automation-approvals",
    "validatingadmissionpolicy.admissionregistration.k8s.io/agent-automation-deletions",
    "validatingadmissionpolicy.admissionregistration.k8s.io/agent-automation-interventions",
    "validatingadmissionpolicy.admissionregistration.k8s.io/agent-automation-metadata",
    "validatingadmissionpolicy.admissionregistration.k8s.io/agent-automation-requests",
    "validatingadmissionpolicy.admissionregistration.k8s.io/agent-automation-status",
    "validatingadmissionpolicy.admissionregistration.k8s.io/agent-automation-suspensions",
    "validatingadmissionpolicybinding.admissionregistration.k8s.io/agent-automation-approvals",
    "validatingadmissionpolicybinding.admissionregistration.k8s.io/agent-automation-deletions",
    "validatingadmissionpolicybinding.admissionregistration.k8s.io/agent-automation-interventions",
    "validatingadmissionpolicybinding.admissionregistration.k8s.io/agent-automation-metadata",
    "validatingadmissionpolicybinding.admissionregistration.k8s.io/agent-automation-requests",
    "validatingadmissionpolicybinding.admissionregistration.k8s.io/agent-automation-status",
    "validatingadmissionpolicybinding.admissionregistration.k8s.io/agent-automation-suspensions",
];

const RECEIVER_OBJECTS: &[&str] = &[
    "clusterrole.rbac.authorization.k8s.io/agent-automation-webhook",
    "clusterrolebinding.rbac.authorization.k8s.io/agent-automation-webhook",
    "deployment.apps/agent-automation-webhook",
    "service/agent-automation-receiver",
    "serviceaccount/agent-automation-webhook",
];

/// Resource, and the verbs on it, in every namespace.
const CONTROLLER: &[(&str, &str)] = &[
    ("agentautomation.dev/agentautomations", "get list watch"),
    ("agentautomation.dev/agentautomations/status", "get update"),
    ("agentautomation.dev/agentpolicies", "get list watch"),
    ("agentautomation.dev/agenttasks", "control create delete get list watch"),
    ("agentautomation.dev/agenttasks/status", "get update"),
    ("agentautomation.dev/webhooksources", "get list watch"),
    ("agentautomation.dev/webhooksources/status", "get update"),
    ("/namespaces", "list watch"),
    ("/secrets", "get"),
    ("events.k8s.io/events", "create patch"),
];
/// The receiver apart; the same.
const RECEIVER: &[(&str, &str)] = &[
    ("agentautomation.dev/agentautomations", "list watch"),
    ("agentautomation.dev/agentpolicies", "list watch"),
    ("agentautomation.dev/agenttasks", "control create get"),
    ("agentautomation.dev/webhooksources", "list watch"),
    ("/namespaces", "list watch"),
    ("/secrets", "get"),
];
const LEADER: &[(&str, &str)] = &[("coordination.k8s.io/leases", "create get update")];

const EDIT: &[(&str, &str)] = &[
    (
        "agentautomation.dev/agentautomations",
        "create delete deletecollection get list patch update watch",
    ),
    ("agentautomation.dev/agentpolicies", "get list watch"),
    (
        "agentautomation.dev/agenttasks",
        "create delete deletecollection get list patch update watch",
    ),
    (
        "agentautomation.dev/webhooksources",
        "create delete deletecollection get list patch update watch",
    ),
];
const VIEW: &[(&str, &str)] = &[
    ("agentautomation.dev/agentautomations", "get list watch"),
    ("agentautomation.dev/agentpolicies", "get list watch"),
    ("agentautomation.dev/agenttasks", "get list watch"),
    ("agentautomation.dev/webhooksources", "get list watch"),
];

#[tokio::test]
async fn applying_it_twice_changes_nothing() {
    let plane = shared().await.unwrap();
    plane.deploy().await.unwrap();
    let folder = deploy_folder().display().to_string();
    let kubectl = async |arguments: &[&str]| plane.kubectl(arguments).await.unwrap();

    let objects = stdout_of(&kubectl(&["get", "--kustomize", &folder, "--output=name"]).await).unwrap();
    assert_eq!(
        objects.lines().collect::<BTreeSet<_>>(),
        OBJECTS.iter().copied().collect()
    );

    let applied = stdout_of(&kubectl(&["apply", "--kustomize", &folder]).await).unwrap();
    assert!(applied.lines().count() == OBJECTS.len(), "{applied}");
    assert!(applied.lines().all(|line| line.ends_with(" unchanged")), "{applied}");

    // Every object is sent once more, so that the API server says what it does not like in it.
    let replaced = kubectl(&["replace", "--kustomize", &folder, "--dry-run=server"]).await;
    assert_eq!(
        (
            replaced.status.success(),
            String::from_utf8_lossy(&replaced.stderr).as_ref()
        ),
        (true, "")
    );
}

#[tokio::test]
async fn the_controllers_rights_are_these_and_no_more() {
    let plane = shared().await.unwrap();
    let controller = client_for(&plane.controller_kubeconfig().await.unwrap()).await.unwrap();
    let elsewhere = plane.create_namespace("rights").await.unwrap();
    expect_rights(plane, &controller, &elsewhere, &[CONTROLLER]).await;
    expect_rights(plane, &controller, CONTROLLER_NAMESPACE, &[CONTROLLER, LEADER]).await;
}

#[tokio::test]
async fn the_receiver_apart_has_an_identity_of_its_own_and_no_more_rights_than_these() {
    let plane = shared().await.unwrap();
    let kubeconfig = receiver_kubeconfig(plane).await;
    let file = receiver_file();
    let objects = stdout_of(&plane.kubectl(&["get", "-f", &file, "-o", "name"]).await.unwrap()).unwrap();
    assert_eq!(
        objects.lines().collect::<BTreeSet<_>>(),
        RECEIVER_OBJECTS.iter().copied().collect()
    );
    let both: BTreeSet<_> = OBJECTS
        .iter()
        .filter(|object| RECEIVER_OBJECTS.contains(object))
        .collect();
    assert_eq!(both, BTreeSet::new(), "the base and it would write the same");
    let applied = stdout_of(&plane.kubectl(&["apply", "-f", &file]).await.unwrap()).unwrap();
    assert!(applied.lines().all(|line| line.ends_with(" unchanged")), "{applied}");
    let replaced = plane
        .kubectl(&["replace", "-f", &file, "--dry-run=server"])
        .await
        .unwrap();
    assert_eq!(
        (
            replaced.status.success(),
            String::from_utf8_lossy(&replaced.stderr).as_ref()
        ),
        (true, "")
    );

    let receiver = client_for(&kubeconfig).await.unwrap();
    let elsewhere = plane.create_namespace("rights").await.unwrap();
    for namespace in [&elsewhere, CONTROLLER_NAMESPACE] {
        expect_rights(plane, &receiver, namespace, &[RECEIVER]).await;
    }
}

/// The command that the file gives for the controller beside it.
#[tokio::test]
async fn beside_the_receiver_apart_the_controller_need_not_receive() {
    let plane = shared().await.unwrap();
    plane.deploy().await.unwrap();
    let manifest = std::fs::read_to_string(receiver_file()).unwrap();
    let command = manifest.lines().find_map(|line| line.strip_prefix("#   kubectl "));
    let command: Vec<_> = command
        .unwrap()
        .split(' ')
        .chain(["--dry-run=server", "-o", "json"])
        .collect();
    let said = stdout_of(&plane.kubectl(&command).await.unwrap()).unwrap();
    let deployment: Deployment = serde_json::from_str(&said).unwrap();
    let containers = deployment.spec.unwrap().template.spec.unwrap().containers;
    let names = containers[0].env.iter().flatten().map(|env| env.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["POD_NAMESPACE", "METRICS_ADDRESS"]);
}

#[tokio::test]
async fn who_edits_or_views_a_namespace_does_so_with_its_automations() {
    let plane = shared().await.unwrap();
    plane.deploy().await.unwrap();
    let namespace = plane.create_namespace("people").await.unwrap();
    for (role, rights) in [("edit", EDIT), ("view", VIEW)] {
        let person = service_account(plane, &namespace, role).await;
        let account = format!("--serviceaccount={namespace}:{role}");
        let clusterrole = format!("--clusterrole={role}");
        let bind = [
            "create",
            "rolebinding",
            role,
            &clusterrole,
            &account,
            "--namespace",
            &namespace,
        ];
        stdout_of(&plane.kubectl(&bind).await.unwrap()).unwrap();
        let ours = async || {
            let rights = rights_of(&person, &namespace).await;
            rights
                .into_iter()
                .filter(|right| right.contains("agentautomation.dev"))
                .collect::<BTreeSet<_>>()
        };
        eventually_eq(spelled_out(&[rights]), ours).await;
    }
}

#[tokio::test]
async fn its_pods_meet_the_restricted_standard() {
    let plane = shared().await.unwrap();
    receiver_kubeconfig(plane).await;
    for deployment in [CONTROLLER_ACCOUNT, RECEIVER_ACCOUNT] {
        expect_restricted(plane, deployment).await;
    }
}

async fn expect_restricted(plane: &ControlPlane, deployment: &str) {
    let client = plane.admin_client().await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), CONTROLLER_NAMESPACE);
    let template = deployments.get(deployment).await.unwrap().spec.unwrap().template;
    let mut pod = Pod {
        metadata: named("candidate"),
        spec: template.spec,
        ..Pod::default()
    };
    let pods: Api<Pod> = Api::namespaced(client, CONTROLLER_NAMESPACE);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    pods.create(&dry_run, &pod).await.unwrap();

    pod.spec.as_mut().unwrap().security_context = None;
    let refused = pods.create(&dry_run, &pod).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

/// A kubeconfig file of the receiver apart; `deploy/` is applied first, and `deploy/webhook.yaml` beside it.
pub async fn receiver_kubeconfig(plane: &ControlPlane) -> PathBuf {
    plane.deploy().await.unwrap();
    let file = receiver_file();
    eventually("it is applied", async || {
        let applied = stdout_of(&plane.kubectl(&["apply", "-f", &file]).await.unwrap());
        let said = applied.err().map(|error| error.to_string()).unwrap_or_default();
        // Of two tests that do so at once one may find what the other has just made.
        assert!(said.is_empty() || said.contains("AlreadyExists"), "{said}");
        said.is_empty()
    })
    .await;
    plane
        .service_account_kubeconfig(CONTROLLER_NAMESPACE, RECEIVER_ACCOUNT)
        .await
        .unwrap()
}

fn receiver_file() -> String {
    deploy_folder().join("webhook.yaml").display().to_string()
}

/// Waits until someone's rights in a namespace, beside those that anyone has, are exactly these.
async fn expect_rights(plane: &ControlPlane, who: &Client, namespace: &str, tables: &[&[(&str, &str)]]) {
    let elsewhere = plane.create_namespace("nobody").await.unwrap();
    let nobody = service_account(plane, &elsewhere, "nobody").await;
    let everyones = rights_of(&nobody, namespace).await;
    eventually_eq(spelled_out(tables), async || {
        &rights_of(who, namespace).await - &everyones
    })
    .await;
}

/// What the API server says that someone may do in a namespace, as `verb group/resource`.
async fn rights_of(who: &Client, namespace: &str) -> BTreeSet<String> {
    let spec = SelfSubjectRulesReviewSpec {
        namespace: Some(namespace.to_owned()),
    };
    let review = SelfSubjectRulesReview {
        spec,
        ..SelfSubjectRulesReview::default()
    };
    let reviewed = Api::all(who.clone())
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    let rules = reviewed.status.unwrap().resource_rules;
    let mut rights = BTreeSet::new();
    for rule in rules {
        assert_eq!(rule.resource_names.unwrap_or_default(), Vec::<String>::new());
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(rule.verbs.iter().map(|verb| format!("{verb} {group}/{resource}")));
            }
        }
    }
    rights
}

fn spelled_out(tables: &[&[(&str, &str)]]) -> BTreeSet<String> {
    let rights = tables.iter().copied().flatten();
    rights
        .flat_map(|(resource, verbs)| verbs.split(' ').map(move |verb| format!("{verb} {resource}")))
        .collect()
}

/// A new ServiceAccount to act as.
async fn service_account(plane: &ControlPlane, namespace: &str, name: &str) -> Client {
    let account = ServiceAccount {
        metadata: named(name),
        ..ServiceAccount::default()
    };
    let accounts = Api::namespaced(plane.admin_client().await.unwrap(), namespace);
    accounts.create(&PostParams::default(), &account).await.unwrap();
    client_for(&plane.service_account_kubeconfig(namespace, name).await.unwrap())
        .await
        .unwrap()
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}
