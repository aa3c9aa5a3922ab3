//! Whose name stands in a task: five ServiceAccounts on a real API server, and what each may write.

use std::path::PathBuf;

use agent_automation::api::task::AutomationRef;
use agent_automation::plan::naming;
use harness::control_plane::{CONTROLLER_ACCOUNT, CONTROLLER_NAMESPACE, ControlPlane, shared, stdout_of};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::eventually;

/// A namespace with its people.
struct Desk {
    plane: &'static ControlPlane,
    namespace: String,
}

impl Desk {
    async fn open() -> Self {
        let plane = shared().await.unwrap();
        plane.deploy().await.unwrap();
        let namespace = plane.create_namespace("names").await.unwrap();
        let desk = Self { plane, namespace };
        let roles = [
            ("viewer", "view"),
            ("developer", "edit"),
            ("approver", "agent-automation-approve"),
            ("portal", "agent-automation-portal"),
        ];
        for (name, role) in roles {
            let (role, account) = (
                format!("--clusterrole={role}"),
                format!("--serviceaccount={}:{name}", desk.namespace),
            );
            desk.admin(&["create", "serviceaccount", name]).await;
            desk.admin(&["create", "rolebinding", name, &role, &account]).await;
        }
        // Policies and bindings are in force a moment after they are there.
        eventually("names are held to be true", async || {
            let said = desk.create("developer", &desk.request("nobody", None), true).await;
            said.is_err_and(|said| said.contains("request-for-others"))
        })
        .await;
        desk
    }

    fn user(&self, name: &str) -> String {
        format!("system:serviceaccount:{}:{name}", self.namespace)
    }

    async fn kubeconfig(&self, name: &str) -> PathBuf {
        let (namespace, name) = match name {
            "controller" => (CONTROLLER_NAMESPACE, CONTROLLER_ACCOUNT),
            name => (self.namespace.as_str(), name),
        };
        self.plane.service_account_kubeconfig(namespace, name).await.unwrap()
    }

    async fn admin(&self, arguments: &[&str]) -> String {
        let arguments = [arguments, &["--namespace", &self.namespace]].concat();
        stdout_of(&self.plane.kubectl(&arguments).await.unwrap()).unwrap()
    }

    /// Says of a task, as the controller does, where it is in its life.
    async fn phase(&self, task: &str, phase: &str) {
        let status = json!({"status": {"phase": phase, "reason": "InProgress"}}).to_string();
        self.admin(&["patch", task, "--subresource=status", "--type=merge", "-p", &status])
            .await;
    }

    /// What kubectl says to somebody: what it did, or why it was refused.
    async fn kubectl(&self, who: &str, arguments: &[&str], stdin: &str) -> Result<String, String> {
        let arguments = [arguments, &["--namespace", &self.namespace]].concat();
        let kubeconfig = self.kubeconfig(who).await;
        let output = self.plane.kubectl_as(&kubeconfig, &arguments, stdin).await.unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// What collects garbage: with credentials of its own, or with those of the whole kube-controller-manager.
    async fn collectors(&self) -> [&'static str; 2] {
        let subjects = [
            "--serviceaccount=kube-system:generic-garbage-collector",
            "--user=system:kube-controller-manager",
            "--user=system:kube-scheduler",
        ];
        let bind = ["create", "rolebinding", "collectors", "--clusterrole=edit"];
        self.admin(&[&bind[..], &subjects].concat()).await;
        [
            "--as=system:serviceaccount:kube-system:generic-garbage-collector",
            "--as=system:kube-controller-manager",
        ]
    }

    async fn create(&self, who: &str, task: &Value, dry_run: bool) -> Result<String, String> {
        let dry_run = if dry_run { "--dry-run=server" } else { "--dry-run=none" };
        let arguments = ["create", "-f", "-", dry_run, "-o", "jsonpath={.metadata.name}"];
        self.kubectl(who, &arguments, &task.to_string()).await
    }

    /// A task that somebody asks for, perhaps by somebody else.
    fn request(&self, requester: &str, via: Option<&str>) -> Value {
        let mut spec = json!({"automation": {"name": "fix"}, "requester": requester});
        if let Some(via) = via {
            spec["requestedVia"] = json!(via);
        }
        self.task(&spec, &json!({}))
    }

    fn task(&self, spec: &Value, annotations: &Value) -> Value {
        json!({
            "apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentTask",
            "metadata": {"generateName": "fix-", "namespace": self.namespace, "annotations": annotations}, "spec": spec,
        })
    }
}

fn automation() -> Value {
    json!({
        "apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentAutomation", "metadata": {"name": "fix"},
        "spec": {
            "repository": "acme/api", "branches": {"base": "main", "allow": ["main"]}, "prompt": {"goal": "Mend it."},
            "triggers": [{"name": "hand", "manual": {}}], "credentials": {"secretRef": {"name": "token"}},
        },
    })
}

/// What the controller makes of an event.
fn decided() -> Value {
    json!({
        "automation": {"name": "fix", "uid": "u", "generation": 1}, "requester": "bob", "repository": "acme/api",
        "trigger": {"name": "label", "kind": "Issue", "scheduledTime": "2026-11-22T06:00:00Z", "id": "issue 1 opened"},
        "baseBranch": "main", "prompt": "Do what I say.", "templateDigest": "d", "secretRef": {"name": "token", "key": "token"},
    })
}

#[tokio::test]
async fn who_asks_for_a_task_is_who_it_says() {
    let desk = Desk::open().await;
    let [developer, portal] = ["developer", "portal"].map(|name| desk.user(name));
    let (alice, forged) = ("alice@example.com", desk.task(&decided(), &json!({})));
    let approved = json!({
        "automation": {"name": "fix"}, "requester": developer,
        "follows": {"name": "other", "because": "Retry", "approvals": [{"by": "bob", "at": "2026-11-22T06:00:00Z"}]},
    });
    let nobody = desk.task(&json!({"automation": {"name": "fix"}}), &json!({}));
    let request = |requester: &str, via: Option<&str>| desk.request(requester, via);
    let table = [
        ("viewer", request(&desk.user("viewer"), None), "forbidden"),
        ("developer", request(&developer, None), ""),
        ("developer", request(&developer, Some(&developer)), ""),
        (
            "developer",
            nobody.clone(),
            "write spec.requester: system:serviceaccount:",
        ),
        ("developer", request(alice, None), "request-for-others"),
        ("developer", request(alice, Some(&developer)), "request-for-others"),
        (
            "developer",
            request(&developer, Some(&portal)),
            "write spec.requestedVia: system:serviceaccount:",
        ),
        (
            "developer",
            forged.clone(),
            "the controller decides trigger, repository",
        ),
        ("developer", desk.task(&approved, &json!({})), "leave out startBefore"),
        ("portal", request(alice, Some(&portal)), ""),
        ("portal", request(&portal, None), ""),
        (
            "portal",
            request(alice, None),
            "write spec.requestedVia: system:serviceaccount:",
        ),
        (
            "portal",
            request(alice, Some(&developer)),
            "write spec.requestedVia: system:serviceaccount:",
        ),
        ("portal", nobody, "write spec.requester"),
        ("portal", forged.clone(), "the controller decides trigger, repository"),
        ("approver", request(&desk.user("approver"), None), "forbidden"),
        ("controller", forged, ""),
    ];
    for (who, task, told) in table {
        let said = desk.create(who, &task, true).await.err().unwrap_or_default();
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{who}: {task}: {said}"
        );
    }
}

/// Anybody can work out what the controller will call a task.
#[tokio::test]
async fn nobody_else_gives_a_task_a_name_that_the_controller_gives() {
    let desk = Desk::open().await;
    let scheduled = naming::scheduled_task("fix", "uid", "tick", Timestamp::UNIX_EPOCH);
    let automation = AutomationRef {
        name: "weekly-deps".to_owned(),
        uid: "uid".to_owned(),
        generation: 1,
    };
    let of_an_event = naming::event_task(&automation, "new", "acme/api", "issue 7 opened");
    let taken = "ends as the names do that the controller gives: write metadata.generateName: fix-";
    let table = [
        ("developer", "name", scheduled.as_str(), taken),
        ("developer", "name", of_an_event.as_str(), taken),
        ("developer", "name", "fix-incident", taken),
        ("developer", "generateName", "fix-bcd", taken),
        ("portal", "name", scheduled.as_str(), taken),
        ("developer", "generateName", "fix-", ""),
        ("developer", "generateName", "weekly-deps-", ""),
        ("developer", "name", "fix", ""),
        ("developer", "name", "fix-20261122", ""),
        ("developer", "name", "fix-update-package", ""),
        ("portal", "name", "fix-550e8400-e29b-41d4-a716-446655440000", ""),
        ("controller", "name", scheduled.as_str(), ""),
    ];
    for (who, field, name, told) in table {
        let mut task = match who {
            "controller" => desk.task(&decided(), &json!({})),
            _ => desk.request(&desk.user(who), None),
        };
        task["metadata"] = json!({field: name});
        let said = desk.create(who, &task, true).await.err().unwrap_or_default();
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{who}: {field} {name}: {said}"
        );
    }
}

/// What owns a task takes it along, at work or not, and what is gone does not count against caps.
#[tokio::test]
async fn nobody_else_writes_what_a_task_goes_with() {
    let desk = Desk::open().await;
    let asked = desk
        .create("developer", &desk.request(&desk.user("developer"), None), false)
        .await
        .unwrap();
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "0"}]);
    let (of_another, kept) = (
        json!({"ownerReferences": owner}),
        json!({"finalizers": ["example.com/keep"]}),
    );
    let label = |automation: &Value| json!({"labels": {"agentautomation.dev/automation": automation}});
    let (owners, finalizers) = (
        "writes metadata.ownerReferences: leave that out",
        "writes metadata.finalizers of a task: leave that out",
    );
    let collectors = desk.collectors().await;
    let patch = async |who: &str, metadata: &Value| {
        let (task, change) = (
            format!("agenttask/{asked}"),
            json!({ "metadata": metadata }).to_string(),
        );
        let write = ["patch", &task, "--type=merge", "-p", &change];
        if who == "collector" {
            for collector in collectors {
                desk.admin(&[&write[..], &[collector, "--dry-run=server"]].concat())
                    .await;
            }
            desk.admin(&[&write[..], &collectors[..1]].concat()).await;
            return String::new();
        }
        desk.kubectl(who, &write, "").await.err().unwrap_or_default()
    };
    let table = [
        ("developer", of_another.clone(), owners),
        ("approver", of_another.clone(), owners),
        ("approver", kept.clone(), finalizers),
        ("approver", label(&json!("other")), "a task belongs to: write fix"),
        ("approver", json!({"labels": {"team": "a"}}), ""),
        ("approver", label(&json!("fix")), ""),
        ("approver", label(&Value::Null), "a task belongs to: write fix"),
        ("collector", json!({"ownerReferences": []}), ""),
        ("collector", kept.clone(), ""),
        ("approver", json!({"finalizers": null}), finalizers),
        ("collector", json!({"finalizers": null}), ""),
    ];
    for (who, metadata, told) in table {
        let said = patch(who, &metadata).await;
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{who}: {metadata}: {said}"
        );
    }

    let table = [
        (of_another, owners),
        (kept, finalizers),
        (label(&json!("other")), "a task belongs to: write fix"),
        (json!({"labels": {"team": "a"}}), ""),
        (
            json!({"labels": {"team": "b"}, "annotations": {"example.com/note": "c"}}),
            "",
        ),
        (label(&json!("fix")), ""),
    ];
    for (metadata, told) in table {
        let mut task = desk.request(&desk.user("developer"), None);
        task["metadata"] = metadata;
        task["metadata"]["name"] = json!("fix-by-hand");
        let apply = ["apply", "-f", "-"];
        let said = desk.kubectl("developer", &apply, &task.to_string()).await;
        let said = said.err().unwrap_or_default();
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{task}: {said}"
        );
    }
}

#[tokio::test]
async fn who_approves_a_task_is_who_it_says_and_another() {
    let desk = Desk::open().await;
    let [developer, approver, portal] = ["developer", "approver", "portal"].map(|name| desk.user(name));
    let group = format!("system:serviceaccounts:{}", desk.namespace);
    let asked = desk
        .create("developer", &desk.request(&developer, None), false)
        .await
        .unwrap();
    let task = format!("agenttask/{asked}");
    let annotate = async |who: &str, by: &str, of: Option<&str>| {
        let by = format!("agentautomation.dev/approved-by={by}");
        let of = of.map_or("agentautomation.dev/approved-for-".to_owned(), |of| {
            format!("agentautomation.dev/approved-for={of}")
        });
        desk.kubectl(who, &["annotate", "--overwrite", &task, &by, &of], "")
            .await
    };
    let table = [
        ("viewer", desk.user("viewer"), None, "forbidden"),
        ("portal", portal.clone(), None, "forbidden"),
        (
            "developer",
            developer.clone(),
            None,
            "you asked for this task: somebody else has to approve it",
        ),
        (
            "developer",
            approver.clone(),
            None,
            "write agentautomation.dev/approved-by=system:serviceaccount:",
        ),
        (
            "approver",
            "alice@example.com".to_owned(),
            None,
            "write agentautomation.dev/approved-by=system:serviceaccount:",
        ),
        (
            "approver",
            approver.clone(),
            Some("system:masters"),
            "you are no member of system:masters",
        ),
        ("approver", approver.clone(), Some(group.as_str()), ""),
        (
            "developer",
            approver.clone(),
            Some("system:authenticated"),
            "write agentautomation.dev/approved-by",
        ),
        ("developer", approver.clone(), Some(group.as_str()), ""),
        ("approver", approver.clone(), None, ""),
    ];
    for (who, by, of, told) in table {
        let said = annotate(who, &by, of).await.err().unwrap_or_default();
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{who}: {by} {of:?}: {said}"
        );
    }
    let spec = json!({"automation": {"name": "fix"}, "requester": developer});
    let forged = desk.task(&spec, &json!({"agentautomation.dev/approved-by": approver}));
    let said = desk.create("developer", &forged, true).await.unwrap_err();
    assert!(said.contains("an approval is the approver's own"), "{said}");
    let other = desk
        .kubectl("approver", &["annotate", &task, "example.com/note=wrong"], "")
        .await;
    assert!(other.is_ok(), "other annotations are none of an approval's: {other:?}");
}

#[tokio::test]
async fn who_decides_about_a_task_is_who_it_says() {
    type Row<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>, &'a str);
    let desk = Desk::open().await;
    // A portal that may also change tasks has both roles.
    desk.admin(&["create", "serviceaccount", "other"]).await;
    for who in ["other", "portal"] {
        let account = format!("--serviceaccount={}:{who}", desk.namespace);
        let binding = format!("{who}-edits");
        desk.admin(&["create", "rolebinding", &binding, "--clusterrole=edit", &account])
            .await;
    }
    let [developer, approver, other, portal] = ["developer", "approver", "other", "portal"].map(|name| desk.user(name));
    let asked = desk
        .create("developer", &desk.request(&developer, None), false)
        .await
        .unwrap();
    let task = format!("agenttask/{asked}");
    let (alice, own) = ("alice@example.com", "-by=system:serviceaccount:");
    let update = "get the verb update on agenttasks";
    let table: Vec<Row> = vec![
        ("viewer", "wrong", Some(&developer), None, "forbidden"),
        ("developer", "wrong", None, None, own),
        ("developer", "wrong", Some(""), None, own),
        ("developer", "wrong", Some(&approver), None, own),
        (
            "developer",
            "wrong",
            Some(alice),
            Some(&developer),
            "request-for-others",
        ),
        ("developer", "wrong", Some(&developer), Some(&portal), own),
        ("portal", "wrong", Some(alice), None, own),
        ("portal", "wrong", Some(alice), Some(&developer), own),
        ("portal", "wrong", Some(""), Some(&portal), own),
        ("approver", "wrong", Some(&approver), None, update),
        ("approver", "wrong", None, None, update),
        ("developer", "wrong", Some(&developer), None, ""),
        ("approver", "another", Some(&approver), None, update),
        ("other", "another", Some(&developer), None, own),
        ("other", "wrong", None, None, own),
        ("other", "another", Some(&other), None, ""),
        ("portal", "a third", Some(alice), Some(&portal), ""),
        ("developer", "a third", Some(alice), None, own),
        ("portal", "a third", Some(&portal), None, ""),
    ];
    let taken_back = ["", "-by", "-via"].map(|suffix| format!("agentautomation.dev/cancel{suffix}-"));
    let taken_back = taken_back.each_ref().map(String::as_str);
    for what in ["cancel", "adopt", "abandon"] {
        for (who, value, by, via, told) in &table {
            let key = format!("agentautomation.dev/{what}");
            let name = |suffix: &str, name: Option<&str>| {
                name.map_or(format!("{key}{suffix}-"), |name| format!("{key}{suffix}={name}"))
            };
            let (value, by, via) = (format!("{key}={value}"), name("-by", *by), name("-via", *via));
            let write = ["annotate", "--overwrite", &task, &value, &by, &via];
            let said = desk.kubectl(who, &write, "").await.err().unwrap_or_default();
            assert!(
                said.contains(told) && said.is_empty() == told.is_empty(),
                "{who}: {value} {by} {via}: {said}"
            );
            if what == "cancel" && told.is_empty() {
                // While it stands there it is nobody else's to change.
                desk.admin(&[&["annotate", task.as_str()][..], &taken_back].concat())
                    .await;
            }
        }
    }
    let spec = json!({"automation": {"name": "fix"}, "requester": developer});
    let forged = desk.task(
        &spec,
        &json!({"agentautomation.dev/cancel": "", "agentautomation.dev/cancel-by": alice}),
    );
    let said = desk.create("developer", &forged, true).await.unwrap_err();
    assert!(said.contains("agentautomation.dev/cancel-by=system:"), "{said}");
    for (who, what) in [
        ("developer", "example.com/note=wrong"),
        ("approver", "example.com/note-"),
    ] {
        desk.kubectl(who, &["annotate", &task, what], "").await.unwrap();
    }
    let approve = format!("agentautomation.dev/approved-by={approver}");
    desk.kubectl("approver", &["annotate", &task, &approve], "")
        .await
        .unwrap();
}

/// Annotations as they are to be, or to be gone.
type Annotations<'a> = &'a [(&'a str, Option<&'a str>)];

/// Until the controller has written it down, the annotations are all that says who it was.
#[tokio::test]
async fn what_somebody_said_of_a_waiting_task_only_they_take_back() {
    let desk = Desk::open().await;
    for who in ["other", "requester"] {
        desk.admin(&["create", "serviceaccount", who]).await;
    }
    for who in ["other", "requester", "portal"] {
        let account = format!("--serviceaccount={}:{who}", desk.namespace);
        let binding = format!("{who}-edits");
        desk.admin(&["create", "rolebinding", &binding, "--clusterrole=edit", &account])
            .await;
    }
    let asked = desk
        .create("requester", &desk.request(&desk.user("requester"), None), false)
        .await
        .unwrap();
    let task = format!("agenttask/{asked}");
    let write = async |who: &str, said: &[(&str, Option<&str>)]| {
        let said = said.iter().map(|(key, value)| match value {
            Some(value) => format!("agentautomation.dev/{key}={value}"),
            None => format!("agentautomation.dev/{key}-"),
        });
        let said: Vec<_> = said.collect();
        let said = said.iter().map(String::as_str);
        let arguments: Vec<_> = ["annotate", "--overwrite", &task].into_iter().chain(said).collect();
        if who == "admin" {
            desk.admin(&arguments).await;
            return String::new();
        }
        desk.kubectl(who, &arguments, "").await.err().unwrap_or_default()
    };
    let [developer, approver, other, portal] = ["developer", "approver", "other", "portal"].map(|name| desk.user(name));
    let group = format!("system:serviceaccounts:{}", desk.namespace);
    let none: &[_] = &[("approved-by", None), ("approved-for", None)];
    let emptied: &[_] = &[("approved-by", Some("")), ("approved-for", None)];
    let approval: &[_] = &[("approved-by", Some(&*approver)), ("approved-for", Some(&*group))];
    let replaced: &[_] = &[("approved-by", Some(&*other)), ("approved-for", None)];
    let forged: &[_] = &[("approved-by", Some(&*developer)), ("approved-for", None)];
    let alone = "who alone removes it while the task waits";
    let not_cancelled: &[_] = &[("cancel", None), ("cancel-by", None), ("cancel-via", None)];
    let cancelled: &[_] = &[("cancel", Some("wrong")), ("cancel-by", Some(&*developer))];
    let anothers: &[_] = &[("cancel", Some("mine")), ("cancel-by", Some(&*other))];
    let unsaid: &[_] = &[("cancel", None), ("cancel-by", Some(&*other))];
    let wordless: &[_] = &[("cancel", Some(""))];
    let for_alice: &[_] = &[
        ("cancel", Some("wrong")),
        ("cancel-by", Some("alice@example.com")),
        ("cancel-via", Some(&*portal)),
    ];
    let theirs = "who alone changes or removes it while the task waits";
    let unnamed: &[_] = &[("cancel", Some("wrong")), ("cancel-by", None), ("cancel-via", None)];
    let table: Vec<(&str, Annotations, &str)> = vec![
        ("approver", approval, ""),
        ("other", none, alone),
        ("other", emptied, alone),
        ("requester", none, alone),
        ("other", &none[1..], "write agentautomation.dev/approved-by="),
        ("other", forged, "write agentautomation.dev/approved-by="),
        ("requester", &[("note", Some("a"))], ""),
        ("approver", none, ""),
        ("approver", approval, ""),
        ("approver", emptied, ""),
        ("other", none, ""),
        ("approver", approval, ""),
        ("other", replaced, ""),
        ("approver", none, alone),
        ("other", none, ""),
        ("developer", cancelled, ""),
        ("other", not_cancelled, theirs),
        ("other", unsaid, theirs),
        ("other", anothers, theirs),
        ("other", wordless, "-by=system:serviceaccount:"),
        ("portal", for_alice, theirs),
        ("approver", not_cancelled, theirs),
        ("other", &[("note", None)], ""),
        ("developer", not_cancelled, ""),
        ("portal", for_alice, ""),
        ("developer", not_cancelled, theirs),
        ("portal", not_cancelled, ""),
        ("admin", unnamed, ""),
        ("other", not_cancelled, ""),
    ];
    for (who, said, told) in table {
        let answer = write(who, said).await;
        assert!(
            answer.contains(told) && answer.is_empty() == told.is_empty(),
            "{who}: {said:?}: {answer}"
        );
    }
    for phase in ["Pending", "Held", "Starting", "Running", "Succeeded"] {
        desk.phase(&task, "Held").await;
        assert_eq!(write("approver", approval).await, "");
        assert_eq!(write("developer", cancelled).await, "");
        desk.phase(&task, phase).await;
        let waits = ["Pending", "Held"].contains(&phase);
        for (taken_back, told) in [(none, alone), (not_cancelled, theirs)] {
            let answer = write("other", taken_back).await;
            assert!(
                answer.contains(told) == waits && answer.is_empty() != waits,
                "{phase}: {taken_back:?}: {answer}"
            );
        }
    }
}

/// GitHub can't be told to stop, so whoever asks for that is told at once.
#[tokio::test]
async fn what_has_started_is_not_cancelled() {
    let desk = Desk::open().await;
    let developer = desk.user("developer");
    let asked = desk.create("developer", &desk.request(&developer, None), false).await;
    let asked = asked.unwrap();
    let task = format!("agenttask/{asked}");
    let cancel = |value: &str| format!("agentautomation.dev/cancel={value}");
    let by = format!("agentautomation.dev/cancel-by={developer}");
    let at_work = "GitHub has no way to stop it; to give it up: kubectl aauto abandon";
    let table = [
        ("Held", ""),
        ("Starting", at_work),
        ("Running", at_work),
        ("Unknown", at_work),
        ("Succeeded", "it is Succeeded already"),
        ("Denied", "it is Denied already"),
    ];
    for (phase, told) in table {
        desk.phase(&task, phase).await;
        let write = ["annotate", "--overwrite", &task, &cancel(phase), &by];
        let said = desk.kubectl("developer", &write, "").await.err().unwrap_or_default();
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{phase}: {said}"
        );
    }
    let taken_back = ["agentautomation.dev/cancel-", "agentautomation.dev/cancel-by-"];
    desk.kubectl(
        "developer",
        &[&["annotate", task.as_str()], &taken_back[..]].concat(),
        "",
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn who_suspends_an_automation_is_who_it_says_if_it_says_so() {
    let desk = Desk::open().await;
    let [developer, other] = ["developer", "other"].map(|name| desk.user(name));
    desk.admin(&["create", "serviceaccount", "other"]).await;
    let account = format!("--serviceaccount={}:other", desk.namespace);
    desk.admin(&["create", "rolebinding", "other", "--clusterrole=edit", &account])
        .await;
    desk.kubectl("developer", &["create", "-f", "-"], &automation().to_string())
        .await
        .unwrap();
    let suspend = |by: &Value, because: &str, suspend: bool| {
        json!({"metadata": {"annotations": {"agentautomation.dev/suspended-by": by, "agentautomation.dev/suspended-for":
               because}}, "spec": {"suspend": suspend}})
    };
    let resume = |by: &str, value: &str| json!({"metadata": {"annotations": {"agentautomation.dev/resumed-by": by, "agentautomation.dev/resume": value}}});
    let only = |suspend: bool| json!({"spec": {"suspend": suspend}});
    let (own, none) = ("write agentautomation.dev/", Value::Null);
    let table = [
        ("developer", suspend(&json!(other), "a", true), own),
        ("developer", suspend(&none, "a", true), ""),
        ("developer", suspend(&json!(developer), "a", true), ""),
        ("other", suspend(&json!(developer), "b", true), own),
        ("other", only(false), ""),
        ("other", only(true), ""),
        ("other", suspend(&json!(other), "b", true), ""),
        ("other", resume(&developer, "1"), own),
        ("other", resume(&other, "1"), ""),
        ("developer", resume(&other, "2"), own),
        ("developer", resume(&developer, "2"), ""),
    ];
    for (who, change, told) in table {
        let write = [
            "patch",
            "agentautomation/fix",
            "--type=merge",
            "-p",
            &change.to_string(),
        ];
        let said = desk.kubectl(who, &write, "").await.err().unwrap_or_default();
        assert!(
            said.contains(told) && said.is_empty() == told.is_empty(),
            "{who}: {change}: {said}"
        );
    }
}

#[tokio::test]
async fn nobody_else_writes_what_the_controller_writes() {
    let desk = Desk::open().await;
    let developer = desk.user("developer");
    let asked = desk
        .create("developer", &desk.request(&developer, None), false)
        .await
        .unwrap();
    let task = format!("agenttask/{asked}");
    let status = r#"{"status": {"phase": "Running", "reason": "InProgress", "message": "m"}}"#;
    let write = ["patch", &task, "--subresource=status", "--type=merge", "-p", status];
    for who in ["viewer", "developer", "approver", "portal"] {
        let said = desk.kubectl(who, &write, "").await.unwrap_err();
        assert!(said.contains("forbidden"), "{who}: {said}");
    }
    let spec = [
        "patch",
        &task,
        "--type=merge",
        "-p",
        r#"{"spec": {"requester": "alice@example.com"}}"#,
    ];
    for who in ["developer", "approver"] {
        let said = desk.kubectl(who, &spec, "").await.unwrap_err();
        assert!(said.contains("can't be changed"), "{who}: {said}");
    }
    desk.admin(&write).await;
    let said = desk.kubectl("developer", &["delete", &task], "").await.unwrap_err();
    assert!(said.contains("kubectl aauto abandon"), "{said}");
    let collectors = desk.collectors().await;
    let stranger = "--as=system:kube-scheduler";
    let delete = async |who: &str| {
        let delete = ["delete", &task, "--dry-run=server", who, "--namespace", &desk.namespace];
        let said = desk.plane.kubectl(&delete).await.unwrap();
        String::from_utf8_lossy(&said.stderr).into_owned()
    };
    for collector in collectors {
        assert_eq!(delete(collector).await, "", "{collector}");
    }
    let said = delete(stranger).await;
    assert!(said.contains("kubectl aauto abandon"), "{said}");
    desk.admin(&[
        "patch",
        &task,
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status": {"phase": "Failed", "pullRequest": {"id": 7, "state": "open", "url": "https://github.com/acme/api/pull/7"}}}"#,
    ])
    .await;
    let said = desk.kubectl("developer", &["delete", &task], "").await.unwrap_err();
    assert!(said.contains("https://github.com/acme/api/pull/7"), "{said}");
    desk.admin(&[
        "patch",
        &task,
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status": {"pullRequest": {"state": "closed"}}}"#,
    ])
    .await;
    desk.kubectl("developer", &["delete", &task], "").await.unwrap();
}

/// Whoever has a role over all resources of the group has their status among them.
#[tokio::test]
async fn status_is_the_controllers_whatever_a_role_grants() {
    let desk = Desk::open().await;
    desk.admin(&["create", "serviceaccount", "operator"]).await;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "operator", "namespace": desk.namespace},
        "rules": [{
            "apiGroups": ["agentautomation.dev"], "resources": ["*"],
            "verbs": ["create", "update", "patch", "get", "list"],
        }],
    });
    let role = desk
        .plane
        .kubectl_with_stdin(&["create", "-f", "-"], &role.to_string())
        .await;
    stdout_of(&role.unwrap()).unwrap();
    let account = format!("--serviceaccount={}:operator", desk.namespace);
    desk.admin(&["create", "rolebinding", "operator", "--role=operator", &account])
        .await;

    let operator = desk.user("operator");
    let task = desk.create("operator", &desk.request(&operator, None), false).await;
    let source = json!({
        "apiVersion": "agentautomation.dev/v1alpha1", "kind": "WebhookSource", "metadata": {"name": "acme"},
        "spec": {"repositories": ["acme/*"], "secretRefs": [{"name": "github-webhook"}]},
    });
    for object in [automation(), source] {
        let create = ["create", "-f", "-"];
        desk.kubectl("operator", &create, &object.to_string()).await.unwrap();
    }
    let table = [
        (
            format!("agenttask/{}", task.unwrap()),
            json!({"phase": "Running", "reason": "InProgress"}),
        ),
        ("agentautomation/fix".to_owned(), json!({"observedGeneration": 1})),
        ("webhooksource/acme".to_owned(), json!({"observedGeneration": 1})),
    ];
    for (object, status) in table {
        let status = json!({ "status": status });
        let patch = status.to_string();
        let patch = ["patch", &object, "--subresource=status", "--type=merge", "-p", &patch];
        eventually("status is the controller's", async || {
            let said = desk.kubectl("operator", &patch, "").await.err().unwrap_or_default();
            said.contains("nobody but the controller writes status")
        })
        .await;

        let there = desk.kubectl("operator", &["get", &object, "-o", "json"], "").await;
        let mut changed: Value = serde_json::from_str(&there.unwrap()).unwrap();
        assert_eq!(changed["status"], Value::Null, "{object}");
        changed["status"] = status["status"].clone();
        let replace = ["replace", "--subresource=status", "-f", "-"];
        let said = desk.kubectl("operator", &replace, &changed.to_string()).await;
        assert!(said.unwrap_err().contains("nobody but the controller"), "{object}");
        let said = desk.kubectl("controller", &replace, &changed.to_string()).await;
        assert!(said.is_ok(), "{object}: {said:?}");
        let spec = ["annotate", &object, "example.com/note=a"];
        let said = desk.kubectl("operator", &spec, "").await;
        assert!(
            said.is_ok(),
            "what is not status is RBAC's to grant: {object}: {said:?}"
        );
    }
}
