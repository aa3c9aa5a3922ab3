//! `run`, asked of a server that answers by paths.

use serde_json::{Value, json};

use crate::people::{OBJECTS, api_server, kubeconfig, listed};
use crate::run;

const KINDS: &str = "/apis/agentautomation.dev/v1alpha1";

type Change = fn(&mut Value);

/// The objects, with a third automation that takes an input and is for people.
fn objects() -> Vec<Value> {
    let objects = OBJECTS.replace("triggers: [Schedule]", "triggers: [Schedule, Manual]");
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&objects).unwrap();
    let mut fix = objects
        .iter()
        .find(|object| object["metadata"]["name"] == "deps")
        .unwrap()
        .clone();
    fix["metadata"]["name"] = json!("fix");
    fix["metadata"]["uid"] = json!("u-fix");
    fix["spec"]["triggers"] = json!([{"name": "hand", "manual": {}}]);
    fix["spec"]["inputs"] = json!([{"name": "package", "required": true}]);
    fix["spec"]["prompt"]["goal"] = json!("Update {{ inputs.package }}.");
    objects.push(fix);
    objects
}

/// What `run` says of a cluster of these objects.
fn ask(objects: &[Value], arguments: &[&str]) -> (i32, String, String) {
    let of = |kind: &str| {
        let items: Vec<_> = objects.iter().filter(|object| object["kind"] == kind).collect();
        json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": format!("{kind}List"), "metadata": {},
            "items": items})
        .to_string()
    };
    let named = |name: &str| {
        let mut named = objects.iter().filter(|object| object["kind"] == "AgentAutomation");
        named
            .find(|object| object["metadata"]["name"] == name)
            .unwrap()
            .to_string()
    };
    let task = json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentTask",
        "metadata": {"name": "fix-x7k2p", "namespace": "payments", "uid": "t-new", "resourceVersion": "9",
            "creationTimestamp": "2026-03-30T06:10:00Z"},
        "spec": {"automation": {"name": "fix"}, "requester": "alice", "inputs": {"package": "serde"}}});
    let me = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {},
        "status": {"userInfo": {"username": "alice"}}});
    let path = |rest: &str| -> &'static str { Box::leak(format!("{KINDS}{rest}").into_boxed_str()) };
    let server = api_server(vec![
        (path("/agentautomations"), of("AgentAutomation")),
        (path("/agenttasks"), of("AgentTask")),
        (path("/agentpolicies"), of("AgentPolicy")),
        ("/api/v1/namespaces", listed("Namespace")),
        (path("/namespaces/payments/agentautomations/fix"), named("fix")),
        (path("/namespaces/payments/agentautomations/deps"), named("deps")),
        (path("/namespaces/payments/agenttasks"), task.to_string()),
        ("/apis/authentication.k8s.io/v1/selfsubjectreviews", me.to_string()),
    ]);
    let config = kubeconfig(&server);
    let arguments = [&["run"], arguments, &["--kubeconfig", config.path().to_str().unwrap()]].concat();
    run(&arguments, "")
}

fn changed(kind: &str, change: impl Fn(&mut Value)) -> Vec<Value> {
    let mut objects = objects();
    let named = |object: &&mut Value| object["kind"] == kind && object["metadata"]["name"] != "docs";
    objects.iter_mut().filter(|object| named(object)).for_each(change);
    objects
}

#[test]
fn a_dry_run_tells_what_the_planner_would_decide() {
    let dry_run = ["fix", "--input", "package=serde", "--dry-run"];
    let met = |automation: &mut Value| {
        automation["status"]["guardrails"] = json!([{"policy": "default", "name": "approvals", "state": "Met"}]);
    };
    let asks = "would ask for work in acme/payments-api on main, as alice, if GitHub shows nothing against it (it was not asked), \
         with this prompt:\n\n## Goal\n\nUpdate serde.";
    let held = |reason: &str| format!("would be Held: {reason}: ");
    let table: [(&str, Change, i32, String, &str); 7] = [
        ("AgentAutomation", met, 0, asks.to_owned(), ""),
        (
            "AgentPolicy",
            |policy| policy["spec"]["triggers"] = json!(["Schedule"]),
            1,
            "would be Denied: PolicyDenied: AgentPolicy default does not allow it: spec.triggers must name Manual"
                .to_owned(),
            "by spec.triggers of AgentPolicy default\n",
        ),
        (
            "AgentPolicy",
            |policy| policy["spec"]["suspend"] = json!(true),
            0,
            held("PolicySuspended"),
            "by spec.suspend of AgentPolicy default\n",
        ),
        (
            "AgentPolicy",
            |policy| policy["spec"]["freezeWindows"] = json!([{"name": "now", "cron": "@daily", "duration": "24h"}]),
            0,
            held("PolicyFrozen"),
            "by spec.freezeWindows[now] of AgentPolicy default\n",
        ),
        (
            "AgentPolicy",
            |policy| policy["spec"]["maxActive"] = json!(1),
            0,
            held("PolicyCap"),
            "by spec.maxActive of AgentPolicy default\n",
        ),
        (
            "AgentPolicy",
            |policy| policy["spec"]["maxActive"] = json!(0),
            1,
            held("NoRoom"),
            "by spec.maxActive of AgentPolicy default\n",
        ),
        (
            "AgentAutomation",
            |automation| automation["spec"]["requireApproval"] = json!({"users": ["bob"]}),
            0,
            held("Approval")
                + "it needs the approval of bob (spec.requireApproval of AgentAutomation fix): kubectl aauto \
                approve TASK",
            "by spec.requireApproval of AgentAutomation fix\n",
        ),
    ];
    for (kind, change, code, start, rule) in table {
        let (got, said, error) = ask(&changed(kind, change), &dry_run);
        assert_eq!((got, error.as_str()), (code, ""), "{said}");
        assert!(said.starts_with(&start) && said.contains(rule), "{start}: {said}");
        assert_eq!(said.contains(asks), code == 0, "{said}");
    }
    let arguments = [&dry_run[..], &["--output", "json"]].concat();
    let (_, said, _) = ask(
        &changed("AgentPolicy", |policy| policy["spec"]["suspend"] = json!(true)),
        &arguments,
    );
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["phase"], &said["reason"]),
        (&json!("Held"), &json!("PolicySuspended"))
    );
    assert_eq!(said["spec"]["repository"], json!("acme/payments-api"));
}

#[test]
fn what_would_be_denied_is_not_asked_for() {
    let table: [(&[&str], &str); 4] = [
        (
            &["deps"],
            "automation deps has no trigger for people: add one with manual: {} to its spec.triggers",
        ),
        (&["fix"], "automation fix does not take these inputs: "),
        (
            &["fix", "--input", "package=serde", "--input", "package=tokio"],
            "input package is given twice: give it once",
        ),
        (
            &["fix", "--input", "pakage=serde"],
            "automation fix does not take these inputs: ",
        ),
    ];
    for (arguments, expected) in table {
        let (code, said, error) = ask(&objects(), arguments);
        assert_eq!((code, said.as_str()), (1, ""), "{arguments:?}: {error}");
        assert!(
            error.starts_with(&format!("error: {expected}")),
            "{arguments:?}: {error}"
        );
    }
    let (code, said, _) = ask(&objects(), &["fix", "--input", "package=serde"]);
    assert_eq!((code, said.as_str()), (0, "task fix-x7k2p asked for by alice\n"));
}
