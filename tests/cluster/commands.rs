//! The commands that change something, and a portal's calls, as people who hold the roles of `deploy/people.yaml`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::control_plane::stdout_of;
use kube::ResourceExt;
use kube::api::DeleteParams;
use kube::config::Kubeconfig;
use serde_json::{Value, json};
use tokio::process::Command;

use agent_automation::api::task::Phase;

use crate::fleet::{Fleet, Team};
use crate::{eventually, eventually_eq};

const MANUAL: &str = r#"[{"name": "hand", "manual": {}}]"#;

/// Exit code, standard output, standard error.
type Outcome = (i32, String, String);

struct Person {
    kubeconfig: PathBuf,
    namespace: String,
    user: String,
}

impl Person {
    async fn new(fleet: &Fleet, team: &Team<'_>, name: &str, roles: &[&str]) -> Self {
        let namespace = team.namespace.as_str();
        let plane = &fleet.plane;
        let account = format!("--serviceaccount={namespace}:{name}");
        let create = async |arguments: &[&str]| {
            let arguments = [&["create"], arguments, &["--namespace", namespace]].concat();
            stdout_of(&plane.kubectl(&arguments).await.unwrap()).unwrap();
        };
        create(&["serviceaccount", name]).await;
        for role in roles {
            let clusterrole = format!("--clusterrole=agent-automation-{role}");
            create(&["rolebinding", &format!("{name}-{role}"), &clusterrole, &account]).await;
        }
        Self {
            kubeconfig: fleet.plane.service_account_kubeconfig(namespace, name).await.unwrap(),
            namespace: namespace.to_owned(),
            user: format!("system:serviceaccount:{namespace}:{name}"),
        }
    }

    async fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-automation"));
        command
            .args(arguments)
            .args(["--namespace", &self.namespace])
            .env("KUBECONFIG", &self.kubeconfig);
        outcome(&mut command).await
    }

    /// What it says where it is not done, with the exit code.
    async fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let (code, _, said) = self.run(arguments).await;
        let error = said.lines().find_map(|line| line.strip_prefix("error: "));
        (code, error.unwrap_or(&said).to_owned())
    }

    /// Asks for a task and gives its name.
    async fn ask(&self, arguments: &[&str]) -> String {
        let (code, said, error) = self.run(arguments).await;
        assert_eq!(code, 0, "{error}");
        said.split(' ').nth(1).unwrap().to_owned()
    }
}

async fn outcome(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// An automation for people, with or without an approval.
async fn for_people(team: &Team<'_>, name: &str, approval: Value) {
    team.automate(name, "@yearly", |spec| {
        spec.triggers = serde_json::from_str(MANUAL).unwrap();
        spec.inputs =
            serde_json::from_value(json!([{"name": "package", "required": true, "pattern": "[a-z]+"}])).unwrap();
        "Update {{ inputs.package }}.".clone_into(&mut spec.prompt.goal);
        spec.require_approval = serde_json::from_value(approval).unwrap();
    })
    .await;
}

async fn reason(team: &Team<'_>, task: &str) -> String {
    let status = team.task_api().get(task).await.unwrap().status.unwrap_or_default();
    let (reason, message) = (status.reason.map_or("", |reason| reason.as_str()), status.message);
    format!("{} {reason}: {}", status.phase.as_str(), message.unwrap_or_default())
}

/// Deletes the task of `quick` that waits besides one that is known, and gives its name.
async fn delete_another(team: &Team<'_>, known: &str) -> String {
    loop {
        let tasks = team.tasks("quick").await;
        let other = tasks.iter().find(|task| {
            let status = task.status.clone().unwrap_or_default();
            task.name_any() != known && status.phase == Phase::Held
        });
        if let Some(other) = other {
            team.task_api()
                .delete(&other.name_any(), &DeleteParams::default())
                .await
                .unwrap();
            return other.name_any();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn people_ask_approve_and_stop_in_their_own_names() {
    let fleet = Fleet::start().await;
    let controller = fleet.controller("controller", &[]);
    controller.leads().await;
    let team = fleet.team("commands").await;
    team.allow(json!({"triggers": ["Manual"]})).await;
    let developer = Person::new(&fleet, &team, "developer", &["edit", "view"]).await;
    let approver = Person::new(&fleet, &team, "approver", &["approve"]).await;
    let viewer = Person::new(&fleet, &team, "viewer", &["view"]).await;
    for_people(&team, "fix", json!({"users": [approver.user]})).await;
    for_people(&team, "quick", json!(null)).await;
    team.eventually_ready("fix", "True", &[]).await;

    let (serde, nothing) = (["run", "fix", "--input", "package=serde"], ["run", "fix"]);
    let (code, said, error) = developer.run(&[&serde[..], &["--dry-run"]].concat()).await;
    assert_eq!(code, 0, "{error}");
    assert!(
        said.contains("Update serde.") && said.contains(&developer.user),
        "{said}"
    );
    let (code, said, _) = developer.run(&[&nothing[..], &["--dry-run"]].concat()).await;
    assert!(
        code == 1 && said.starts_with("would be Denied: InvalidInput"),
        "{code} {said}"
    );
    assert_eq!(team.tasks("fix").await.len(), 0, "a dry run makes nothing");
    assert_eq!(developer.run(&["run", "fix", "--input", "package"]).await.0, 2);
    let (code, said) = viewer.refused(&serde).await;
    assert!(code == 1 && said.contains("forbidden"), "{code} {said}");
    let (code, said) = developer
        .refused(&[&serde[..], &["--requester", "alice"]].concat())
        .await;
    assert!(code == 1 && said.contains("request-for-others"), "{code} {said}");
    let (code, said) = developer.refused(&["run", "nothing"]).await;
    assert!(
        code == 1 && said.starts_with("there is no agentautomation nothing in namespace"),
        "{code} {said}"
    );

    let urgent = [&serde[..], &["--priority", "-7"]].concat();
    let task = developer.ask(&urgent).await;
    let asked = team.tasks("fix").await;
    assert_eq!(asked[0].spec.priority, Some(-7));
    eventually("it waits", async || {
        reason(&team, &task).await.starts_with("Held Approval")
    })
    .await;
    let (code, said) = developer.refused(&["approve", &task]).await;
    assert_eq!(
        (code, said),
        (1, format!("you asked for task {task}: somebody else has to approve it"))
    );
    let (code, said) = viewer.refused(&["approve", &task]).await;
    assert!(
        code == 1 && said.contains("whose approval does not count"),
        "{code} {said}"
    );
    let (code, said, error) = approver.run(&["approve", &format!("task/{task}")]).await;
    assert_eq!(
        (code, said),
        (0, format!("task {task} is approved by {}\n", approver.user)),
        "{error}"
    );
    team.eventually_phase("fix", Phase::Succeeded).await;
    let (_, page, _) = viewer.run(&["open", &task]).await;
    assert!(page.contains("/pull/"), "{page}");
    let done = [
        (vec!["approve", &task], "is Succeeded and waits for nobody's approval"),
        (vec!["cancel", &task], "is Succeeded already"),
        (
            vec!["abandon", &task],
            "is Succeeded and counts for nothing: there is nothing to give up",
        ),
        (
            vec!["adopt", &task, "id"],
            "is Succeeded: only what is Unknown, or was told of an id that GitHub has not shown, can be told which task at GitHub is its own",
        ),
    ];
    for (command, why) in done {
        assert_eq!(approver.refused(&command).await, (1, format!("task {task} {why}")));
    }
    let (_, history, _) = developer.run(&["history", "fix", "-o", "json"]).await;
    let history: Value = serde_json::from_str(&history).unwrap();
    let told = ["requester", "establishedBy"].map(|field| history[0][field].clone());
    assert_eq!(
        told,
        [
            json!(developer.user),
            json!("the API server's admission, unless its maker held the verb control")
        ]
    );
    assert_eq!(history[0]["approvals"][0]["by"], json!(approver.user));

    let quick = ["run", "quick", "--input", "package=serde"];
    let (code, _, told) = developer.run(&[&quick[..], &["--wait"]].concat()).await;
    assert!(code == 0 && told.contains("Succeeded Completed"), "{code} {told}");
    let other = team.tasks("quick").await.remove(0);
    let id = other.status.clone().unwrap().task.unwrap().id;
    let owner = format!("{}/{}", team.namespace, other.name_any());
    let refused = format!("task {task} can't have {id}: it is that of {owner}, and would be counted twice");
    assert_eq!(approver.refused(&["adopt", &task, &id]).await, (1, refused));
    let (_, said, _) = developer.run(&["suspend", "quick", "--reason", "incident 42"]).await;
    assert_eq!(said, "automation quick is suspended; what runs goes on\n");
    let task = developer.ask(&quick).await;
    let held = "Held Suspended: the automation is suspended (incident 42): set spec.suspend to false";
    eventually_eq(held.to_owned(), async || reason(&team, &task).await).await;
    let with_wait = [&quick[..], &["--wait"]].concat();
    let (waited, gone) = tokio::join!(developer.refused(&with_wait), delete_another(&team, &task));
    assert_eq!(waited, (1, format!("task {gone} was deleted")));
    assert_eq!(developer.run(&["cancel", &task, "--reason", "wrong one"]).await.0, 0);
    let cancelled = "Skipped CancelledByPerson: a person cancelled it before it started: wrong one";
    eventually_eq(cancelled.to_owned(), async || reason(&team, &task).await).await;
    let (_, history, _) = developer.run(&["history", "quick", "-o", "json"]).await;
    let history: Value = serde_json::from_str(&history).unwrap();
    // Both may be of the same second.
    let mut past = history.as_array().unwrap().iter();
    let cancelled = past.find(|past| past["name"] == json!(task)).unwrap();
    let told = ["kind", "by", "via"].map(|field| cancelled["interventions"][0][field].clone());
    assert_eq!(told, [json!("Cancel"), json!(developer.user), Value::Null]);
    let signed = async |did: &str| {
        let (_, said, _) = developer.run(&["why", "automation/quick"]).await;
        assert!(said.contains(&format!("{did} by {}", developer.user)), "{said}");
    };
    signed("suspended").await;
    assert_eq!(
        developer.run(&["resume", "quick"]).await.1,
        "automation quick goes on\n"
    );
    signed("resumed").await;
    let (code, said) = developer.refused(&["resume", "quick"]).await;
    assert_eq!(
        (code, said.as_str()),
        (1, "automation quick is not suspended, and has not stopped itself")
    );
}

/// The calls stand in the README; they are run as they stand there.
#[tokio::test]
async fn a_portal_asks_follows_and_reads_with_curl() {
    let fleet = Fleet::start().await;
    let controller = fleet.controller("controller", &[]);
    controller.leads().await;
    let team = fleet.team("portal").await;
    team.allow(json!({"triggers": ["Manual"]})).await;
    for_people(&team, "update-package", json!(null)).await;
    team.eventually_ready("update-package", "True", &[]).await;
    let portal = Person::new(&fleet, &team, "portal", &["portal"]).await;

    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split("### A portal").nth(1).unwrap();
    let script = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let config = Kubeconfig::read_from(&portal.kubeconfig).unwrap();
    let cluster = config.clusters[0].cluster.clone().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = cluster.certificate_authority.map_or_else(
        || {
            let path = folder.path().join("ca.crt");
            let data: k8s_openapi::ByteString =
                serde_json::from_value(json!(cluster.certificate_authority_data.unwrap())).unwrap();
            std::fs::write(&path, data.0).unwrap();
            path
        },
        PathBuf::from,
    );
    let user = serde_json::to_value(&config.auth_infos[0].auth_info).unwrap();
    let token = user["token"].as_str().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script])
        .current_dir(folder.path())
        .env("SERVER", cluster.server.unwrap())
        .env("CA", authority)
        .env("TOKEN", token)
        .env("ME", &portal.user)
        .env("NAMESPACE", &team.namespace)
        .env("NO_PROXY", "127.0.0.1");
    let (code, said, error) = outcome(&mut bash).await;
    assert_eq!(code, 0, "{said} {error}");
    assert!(said.contains("Succeeded") && said.contains("/pull/"), "{said}");
    let task = &team.tasks("update-package").await[0];
    assert_eq!(task.spec.requester.as_deref(), Some("alice@example.com"));
    assert_eq!(task.spec.requested_via.as_ref(), Some(&portal.user));
}
