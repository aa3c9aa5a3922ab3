//! `why`, `queue`, `status` and `history`, asked of files as `kubectl get -o yaml` writes them.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::run;

const NOW: &str = "2026-03-30T06:10:00Z";

/// Three automations under one policy: one runs and waits, one has an open review queue, one lacks a guardrail.
const OBJECTS: &str = r#"
apiVersion: agentautomation.dev/v1alpha1
kind: AgentPolicy
metadata: {name: default, generation: 4}
spec:
  namespaces: [payments]
  repositories: ["acme/*"]
  baseBranches: [main]
  triggers: [Schedule]
  models: ["*"]
  customAgents: ["*"]
  credentials: ["*"]
  startPolicies: [AtMostOnce]
  maxActive: 5
  guardrails: {approvals: 1}
---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentAutomation
metadata: {name: deps, namespace: payments, uid: u-deps, generation: 3, creationTimestamp: "2026-03-29T00:00:00Z"}
spec: &spec
  repository: acme/payments-api
  branches: {base: main, allow: [main]}
  triggers: [{name: hourly, schedule: {cron: "0 * * * *"}}]
  prompt: {goal: Update.}
  concurrency: {maxActive: 1}
  credentials: {secretRef: {name: token}}
status:
  schedules: [{trigger: hourly, decidedThrough: "2026-03-30T06:00:00Z"}]
  guardrails: [{policy: default, name: approvals, state: Met}]
  usage: {nanoAiCredits: 12300000000}
---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentAutomation
metadata: {name: docs, namespace: payments, uid: u-docs, generation: 1, creationTimestamp: "2026-03-29T00:00:00Z"}
spec:
  repository: acme/docs
  branches: {base: main, allow: [main]}
  triggers: [{name: daily, schedule: {cron: "0 5 * * *"}}]
  prompt: {goal: Write.}
  credentials: {secretRef: {name: token}}
status:
  schedules: [{trigger: daily, decidedThrough: "2026-03-30T05:00:00Z"}]
  guardrails:
    - {policy: default, name: approvals, state: NotMet, message: "no rule requires a pull request: add one that requires 1 approvals"}
---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentTask
metadata: {name: deps-run, namespace: payments, uid: t-1}
spec: &task
  automation: {name: deps, uid: u-deps, generation: 3}
  trigger: {name: hourly, kind: Schedule, scheduledTime: "2026-03-30T05:00:00Z"}
  repository: acme/payments-api
  baseBranch: main
  prompt: Update.
  templateDigest: d
  secretRef: {name: token}
status:
  phase: Running
  reason: InProgress
  message: GitHub says in_progress
  startedAt: "2026-03-30T05:00:02Z"
  allowedBy: [{name: default, generation: 4}]
  task: {id: 1234-5678, shortId: "1234-567", state: in_progress, url: "https://github.com/acme/payments-api/agents/1"}
---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentTask
metadata: {name: deps-wait, namespace: payments, uid: t-2}
spec:
  automation: {name: deps, uid: u-deps, generation: 3}
  trigger: {name: hourly, kind: Schedule, scheduledTime: "2026-03-30T06:00:00Z"}
  repository: acme/payments-api
  baseBranch: main
  prompt: Update.
  templateDigest: d
  secretRef: {name: token}
---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentTask
metadata: {name: docs-wait, namespace: payments, uid: t-3}
spec:
  automation: {name: docs, uid: u-docs, generation: 1}
  trigger: {name: daily, kind: Schedule, scheduledTime: "2026-03-30T05:00:00Z"}
  repository: acme/docs
  baseBranch: main
  prompt: Write.
  templateDigest: d
  secretRef: {name: token}
status: {phase: Held, reason: Suspended, message: it was suspended}
---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentTask
metadata: {name: deps-old, namespace: payments, uid: t-4}
spec:
  automation: {name: deps, uid: u-deps, generation: 2}
  trigger: {name: hourly, kind: Schedule, scheduledTime: "2026-03-30T04:00:00Z"}
  repository: acme/payments-api
  baseBranch: main
  prompt: Update.
  templateDigest: d
  secretRef: {name: token}
status:
  phase: Succeeded
  reason: Completed
  message: the agent has finished
  startedAt: "2026-03-30T04:00:02Z"
  endedAt: "2026-03-30T04:20:00Z"
  usage: {nanoAiCredits: 12300000000}
  task: {id: 0000-1111, shortId: "0000-111", state: completed}
  pullRequest:
    {id: 7, number: 7, url: "https://github.com/acme/payments-api/pull/7", state: open,
     createdAt: "2026-03-30T04:10:00Z", firstReviewAt: "2026-03-30T05:15:00Z", updatedAt: "2026-03-30T05:15:00Z"}
"#;

fn ask(arguments: &[&str]) -> (i32, String, String) {
    let mut all = arguments.to_vec();
    all.extend(["-f", "-", "--now", NOW]);
    run(&all, OBJECTS)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn the_queue_has_what_runs_and_then_what_waits_in_order() {
    let (code, out, err) = ask(&["queue"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        lines(&out),
        [
            "PLACE   NAMESPACE   TASK        PHASE     AGE     REASON",
            "-       payments    deps-run    Running   1h9m    InProgress",
            "1       payments    docs-wait   Held      1h10m   GuardrailNotMet",
            "2       payments    deps-wait   Pending   10m     AutomationCap",
        ]
    );
    let (_, wide, _) = ask(&["queue", "-o", "wide"]);
    assert!(
        wide.contains("the automation's own cap is reached (spec.concurrency.maxActive is 1)"),
        "{wide}"
    );
    let (_, none, _) = ask(&["queue", "-n", "elsewhere"]);
    assert_eq!(none, "Nothing runs and nothing waits.\n");
    let (_, json, _) = ask(&["queue", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json[2]["place"], &json[2]["reason"]),
        (&2.into(), &"AutomationCap".into())
    );
    let (_, yaml, _) = ask(&["queue", "-o", "yaml"]);
    assert!(yaml.contains("reason: GuardrailNotMet"), "{yaml}");
}

#[test]
fn automations_at_a_glance() {
    let (code, out, _) = ask(&["status"]);
    assert_eq!(code, 0);
    assert_eq!(
        lines(&out),
        [
            "NAMESPACE   NAME   READY   ACTIVE   WAITING   LAST   NEXT        PRS   CREDITS",
            "payments    deps   True    1        1         -      in 50m      1     12.3",
            "payments    docs   False   0        1         -      in 22h50m   0     0.0",
        ]
    );
    let (_, coloured, _) = ask(&["status", "--color", "always"]);
    assert!(coloured.contains("\u{1b}[33mpayments    docs"), "{coloured:?}");
}

#[test]
fn an_automations_tasks_newest_first() {
    let (code, out, _) = ask(&["history", "deps"]);
    assert_eq!(code, 0);
    assert_eq!(
        lines(&out),
        [
            "TASK        TRIGGER   REQUESTER   DUE         PHASE       PULL REQUEST                                  REVIEW   CREDITS",
            "deps-wait   hourly    schedule    10m ago     Pending     -                                             -        -",
            "deps-run    hourly    schedule    1h10m ago   Running     -                                             -        -",
            "deps-old    hourly    schedule    2h10m ago   Succeeded   https://github.com/acme/payments-api/pull/7   1h5m     12.3",
        ]
    );
    let (code, _, err) = ask(&["history", "nobody"]);
    assert_eq!(
        (code, err.as_str()),
        (
            1,
            "error: there is no automation nobody: kubectl get aauto -A lists them\n"
        )
    );
}

#[test]
fn why_tells_the_rule_the_change_and_the_next_time() {
    let (code, out, _) = ask(&["why", "deps-wait"]);
    assert_eq!(code, 0);
    assert_eq!(
        lines(&out),
        [
            "task payments/deps-wait: Pending",
            "  due 2026-03-30T06:00:00Z by trigger hourly of deps",
            "  why:     AutomationCap: the automation's own cap is reached (spec.concurrency.maxActive is 1)",
            "  rule:    spec.concurrency.maxActive of AgentAutomation deps (generation 3)",
            "  change:  wait for a task of the automation to end (kubectl aauto queue shows which), or raise its spec.concurrency.maxActive",
            "  next:    nothing happens by the passing of time alone",
        ]
    );
    let (_, out, _) = ask(&["why", "task/docs-wait"]);
    assert!(
        out.contains("why:     GuardrailNotMet: AgentPolicy default requires spec.guardrails.approvals"),
        "{out}"
    );
    assert!(
        out.contains("status:  Suspended: it was suspended"),
        "what is written is told beside: {out}"
    );
    assert!(
        out.contains("rule:    spec.guardrails.approvals of AgentPolicy default (generation 4)"),
        "{out}"
    );
    let (_, out, _) = ask(&["why", "deps"]);
    assert!(
        out.starts_with("automation payments/deps: Ready\n  1 under way, 1 waiting\n"),
        "{out}"
    );
    assert!(out.contains("next:    2026-03-30T07:00:00Z (in 50m)"), "{out}");
    let (_, out, _) = ask(&["why", "aauto/docs"]);
    assert!(
        out.contains("guard:   approvals (default) NotMet: no rule requires a pull request"),
        "{out}"
    );
    let (_, out, _) = ask(&["why", "deps-run"]);
    assert!(out.contains("allowed by AgentPolicy default (generation 4)"), "{out}");
    let (code, _, err) = ask(&["why", "nobody"]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with("error: there is no task and no automation nobody here"),
        "{err}"
    );
}

#[test]
fn a_missing_cluster_is_told_in_one_line() {
    let (code, out, err) = run(&["status", "--kubeconfig", "/nowhere/config"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("error: no cluster: "), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn as_a_plugin_it_goes_by_kubectls_name_and_shells_complete_it() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-aauto");
    symlink(env!("CARGO_BIN_EXE_agent-automation"), &plugin).unwrap();
    let said = |arguments: &[&str]| {
        let output = Command::new(&plugin).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(
        said(&["why", "--help"]).contains("Usage: kubectl aauto why"),
        "{}",
        said(&["why", "--help"])
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completion", shell]);
        assert!(
            script.contains("kubectl-aauto") && script.contains("queue"),
            "{shell}: {script}"
        );
    }
    let (_, own, _) = run(&["why", "--help"], "");
    assert!(own.contains("Usage: agent-automation why"), "{own}");
}
