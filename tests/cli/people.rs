//! `why`, `queue`, `status` and `history`, asked of files as `kubectl get -o yaml` writes them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;

use crate::run;

pub const NOW: &str = "2026-03-30T06:10:00Z";

/// Three automations under one policy: one runs and waits, one has an open review queue, one lacks a guardrail.
pub const OBJECTS: &str = r#"
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
    - {policy: default, name: approvals, state: NotMet, message: "no rule requires a pull request: add one that requires 1 approval"}
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

pub fn ask(arguments: &[&str]) -> (i32, String, String) {
    let mut all = arguments.to_vec();
    all.extend(["-f", "-", "--now", NOW]);
    run(&all, OBJECTS)
}

pub fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn the_queue_has_what_runs_and_then_what_waits_in_order() {
    let (code, out, err) = ask(&["queue"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        lines(&out),
        [
            "PLACE   NAMESPACE   TASK        PHASE     AGE     REASON            RULE",
            "-       payments    deps-run    Running   1h9m    InProgress        -",
            "1       payments    docs-wait   Held      1h10m   GuardrailNotMet   guardrails.approvals of apolicy/default",
            "2       payments    deps-wait   Pending   10m     AutomationCap     concurrency.maxActive of aauto/deps",
        ]
    );
    let (_, wide, _) = ask(&["queue", "-o", "wide"]);
    assert!(
        wide.contains("the automation's own cap is reached (spec.concurrency.maxActive is 1)"),
        "{wide}"
    );
    let (_, none, _) = ask(&["queue", "-n", "elsewhere"]);
    assert_eq!(
        none,
        "Nothing runs and nothing waits in namespace elsewhere; -A shows all namespaces.\n"
    );
    assert_eq!(
        ask(&["-n", "elsewhere", "queue"]).1,
        none,
        "as before kubectl's own commands"
    );
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
            "NAMESPACE   NAME   READY   ACTIVE   WAITING   LAST        NEXT        PRS   CREDITS",
            "payments    deps   True    1        1         Succeeded   in 50m      1     12.3",
            "payments    docs   False   0        1         -           in 22h50m   0     0.0",
        ]
    );
    let summary = "  summary: {started: 9, succeeded: 6, failed: 2, opened: 6, merged: 4, closed: 1, medianSecondsToReview: \
                   3900, aiCredits: \"110.7\", creditsPerMerged: \"27.7\"}\n  usage: {nanoAiCredits: 12300000000}\n---";
    let known = OBJECTS.replacen("  usage: {nanoAiCredits: 12300000000}\n---", summary, 1);
    let (_, wide, _) = run(&["status", "-o", "wide", "-f", "-", "--now", NOW], &known);
    let rows: Vec<Vec<_>> = lines(&wide)
        .into_iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let lately = ["9", "6", "2", "6", "4", "1", "1h5m", "110.7", "27.7"];
    assert_eq!(rows[1][10..][..9], lately, "{wide}");
    assert_eq!(rows[2][10..][..9], ["-"; 9], "{wide}");
    let suspended = OBJECTS.replacen(
        "  prompt: {goal: Update.}\n",
        "  prompt: {goal: Update.}\n  suspend: true\n",
        1,
    );
    let (_, out, _) = run(&["status", "-f", "-", "--now", NOW], &suspended);
    let next: Vec<_> = lines(&out)
        .into_iter()
        .map(|line| line.contains(" suspended "))
        .collect();
    assert_eq!(next, [false, true, false], "{out}");
    let (code, one, _) = ask(&["status", "aauto/docs"]);
    assert_eq!(
        (code, lines(&one)[1..].len(), one.contains("docs")),
        (0, 1, true),
        "{one}"
    );
    let (code, one, error) = ask(&["status", "docs", "nobody"]);
    assert_eq!((code, lines(&one)[1..].len()), (1, 1), "{one}");
    assert!(
        error.contains("there is no automation nobody in any namespace"),
        "{error}"
    );
    let (code, none, _) = ask(&["status", "nobody"]);
    assert_eq!((code, none.as_str()), (1, ""), "there are some");
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
            "TASK        TRIGGER   REQUESTER   DUE         PHASE       PULL REQUEST                                  STATE   REVIEW   CREDITS",
            "deps-wait   hourly    schedule    10m ago     Pending     -                                             -       -        -",
            "deps-run    hourly    schedule    1h10m ago   Running     -                                             -       -        -",
            "deps-old    hourly    schedule    2h10m ago   Succeeded   https://github.com/acme/payments-api/pull/7   Open    1h5m     12.3",
        ]
    );
    assert_eq!(ask(&["history", "aauto/deps"]).1, out);
}

#[test]
fn how_long_a_pull_request_took() {
    let ended = |rest: &str| OBJECTS.replacen("state: open,\n", &format!("state: closed, {rest}\n"), 1);
    let closed_at = "closedAt: \"2026-03-30T05:40:00Z\",";
    let table = [
        ("it is open", OBJECTS.to_owned(), Some(3_900), None),
        (
            "it is merged",
            ended(&format!("merged: true, {closed_at}")),
            Some(3_900),
            Some(5_400),
        ),
        ("it is closed", ended(closed_at), Some(3_900), None),
    ];
    for (what, objects, review, merge) in table {
        let (_, out, error) = run(&["history", "deps", "-o", "json", "-f", "-", "--now", NOW], &objects);
        let past: serde_json::Value = serde_json::from_str(&out).expect(&error);
        let took = ["secondsToReview", "secondsToMerge"].map(|field| past[2][field].as_i64());
        assert_eq!(took, [review, merge], "{what}");
    }
}

#[test]
fn an_audit_has_what_caused_a_task_and_the_secret_that_it_was_started_with() {
    let of_an_issue = r#"---
apiVersion: agentautomation.dev/v1alpha1
kind: AgentTask
metadata: {name: deps-issue, namespace: payments, uid: t-issue}
spec:
  automation: {name: deps, uid: u-deps, generation: 3}
  trigger: {name: label, kind: Issue, scheduledTime: "2026-03-30T06:05:00Z", id: issue 7 labeled agent 1774850700,
            event: {action: labeled, number: 7, url: "https://github.com/acme/payments-api/issues/7", sender: mona}}
  requester: mona
  repository: acme/payments-api
  baseBranch: main
  prompt: Mend it.
  templateDigest: d
  secretRef: {name: token}
  alternateSecretRefs: [{name: token-2}]
status:
  phase: Running
  attempts: [{number: 1, marker: m, writtenAt: "2026-03-30T06:05:01Z", writtenBy: c, deadline: "2026-03-30T06:06:00Z",
              secretRef: {name: token-2}}]
"#;
    let (code, out, err) = run(
        &["history", "deps", "-o", "json", "-f", "-", "--now", NOW],
        &format!("{}\n{of_an_issue}", OBJECTS.trim_end()),
    );
    assert_eq!(code, 0, "{err}");
    let past: serde_json::Value = serde_json::from_str(&out).unwrap();
    let newest = &past[0];
    let told = ["name", "requester", "cause", "causeUrl", "secret"].map(|field| newest[field].as_str().unwrap());
    let expected = [
        "deps-issue",
        "mona",
        "issue 7 labeled agent 1774850700",
        "https://github.com/acme/payments-api/issues/7",
        "token-2",
    ];
    assert_eq!(told, expected);
    assert!(past[1]["cause"].is_null(), "a schedule is its own cause");
}

/// What the first of two leaves no room for is not said to be the next.
#[test]
fn what_waits_for_what_is_about_to_start_is_not_next() {
    let (before, running) = OBJECTS.split_once("status:\n  phase: Running").unwrap();
    let (_, after) = running.split_once("---").unwrap();
    let skips = format!("{before}---{after}").replace("{maxActive: 1}", "{maxActive: 1, whenFull: Skip}");
    let (code, out, err) = run(&["queue", "-f", "-", "--now", NOW], &skips);
    assert_eq!(code, 0, "{err}");
    let reason = |task: &str| {
        let line = out.lines().find(|line| line.contains(task)).unwrap();
        line.split_whitespace().nth(5).unwrap().to_owned()
    };
    assert_eq!(
        ["deps-run", "deps-wait"].map(reason),
        ["Next", "AutomationCap"],
        "{out}"
    );
}

/// What kubectl writes without quotes, since it reads it back as text, is text.
#[test]
fn objects_as_kubectl_writes_them() {
    let listed = OBJECTS.replace("  maxActive: 5", "  maxActive: 5\n  suspendMessage: 3e800818");
    let listed = listed
        .replace("id: 1234-5678", "id: 3e800818")
        .replace("shortId: \"1234-567\"", "shortId: 12e45678");
    let arguments = ["queue", "-f", "-", "--now", NOW];
    let (code, out, err) = run(&arguments, &listed);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, ask(&["queue"]).1);
    let (_, why, _) = run(&["why", "deps-run", "-f", "-", "--now", NOW], &listed);
    assert!(why.contains("task 3e800818 at GitHub"), "{why}");
}

/// Nothing is said of files of which a part is not known.
#[test]
fn what_can_not_be_read_is_not_passed_over() {
    let spoilt = [
        (
            "maxActive: 5",
            "maxActive: five",
            "<stdin>:14: AgentPolicy default: spec.maxActive: must be a whole number, not text\n",
        ),
        (
            "kind: AgentPolicy",
            "kind: AgentPolice",
            "<stdin>:3: AgentPolice default: kind: there is no kind AgentPolice",
        ),
        (
            "maxActive: 5",
            "maxActive: .nan",
            "<stdin>:14: is a number that JSON does not have: put it in quotes\n",
        ),
        (
            "maxActive: 5",
            "a: b: c",
            "<stdin>:14: mapping values are not allowed in this context",
        ),
    ];
    for (from, to, said) in spoilt {
        let objects = OBJECTS.replacen(from, to, 1);
        for command in [
            &["queue"][..],
            &["status"],
            &["status", "--policies"],
            &["why", "deps"],
            &["history", "deps"],
        ] {
            let (code, out, err) = run(&[command, &["-f", "-", "--now", NOW]].concat(), &objects);
            assert_eq!((code, out.as_str()), (1, ""), "{command:?}: {to}");
            assert!(err.contains(said), "{command:?}: {err}");
            let end = "error: the files hold what can't be read, as told above, and without it nothing true can be said: \
                       correct it\n";
            assert!(err.ends_with(end), "{command:?}: {err}");
        }
    }
    let (code, out, err) = run(
        &["queue", "-f", "-", "--now", NOW],
        &OBJECTS.replacen("maxActive: 5", "maxActive: -5", 1),
    );
    assert_eq!(code, 0, "what breaks a rule and can be read still counts: {out}");
    assert_eq!(
        err,
        "note: <stdin>:14: AgentPolicy default: spec.maxActive: must be at least 0, not -5\n"
    );
}

#[test]
fn a_name_that_nothing_has_is_answered_with_where_to_look() {
    let table = [
        (
            vec!["history", "nobody"],
            "there is no automation nobody in any namespace: kubectl get aauto,atask -A lists what there is",
        ),
        (
            vec!["history", "deps", "-n", "web"],
            "there is no automation deps in namespace web: there is one with -n payments",
        ),
        (
            vec!["history", "task/deps-run"],
            "history is that of an automation, and task is none: write its name",
        ),
        (
            vec!["why", "nobody"],
            "there is no automation and no task nobody in any namespace: kubectl get aauto,atask -A lists what there is",
        ),
        (
            vec!["why", "deps-run", "-n", "web"],
            "there is no automation and no task deps-run in namespace web: there is one with -n payments",
        ),
        (
            vec!["why", "task/deps", "-n", "payments"],
            "there is no task deps in namespace payments: kubectl get aauto,atask -A lists what there is",
        ),
        (
            vec!["why", "apolicy/default"],
            "a policy decides, and nothing is decided about it: kubectl aauto status --policies shows what its limits \
             stand at",
        ),
        (
            vec!["why", "pod/deps"],
            "pod is no kind of this project: write NAME, automation/NAME or task/NAME",
        ),
    ];
    for (arguments, expected) in table {
        let (code, out, err) = ask(&arguments);
        assert_eq!(
            (code, out.as_str(), err),
            (1, "", format!("error: {expected}\n")),
            "{arguments:?}"
        );
    }
}

#[test]
fn what_policies_limits_stand_at() {
    let capped = "  maxActive: 1\n  maxActivePerRepository: 2\n  maxStartsPerHour: 9\n  maxOpenPullRequestsPerAutomation: 4\n  \
                  budget: {creditsPerDay: 40, creditsPerMonth: 500}\n  freezeWindows: [{name: now, from: \
                  \"2026-03-30T00:00:00Z\", to: \"2026-03-30T07:00:00Z\"}]";
    let held = OBJECTS.replace("  maxActive: 5", capped).replace(
        "  allowedBy: [{name: default",
        "  reservedNanoCredits: 15000000000\n  allowedBy: [{name: default",
    );
    let arguments = ["status", "--policies", "-f", "-", "--now", NOW];
    let (code, out, err) = run(&arguments, &held);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        lines(&out),
        [
            "POLICY    RULE                               OF                  USED   HELD   LIMIT   UNTIL",
            "default   freezeWindows[now]                 -                   on     -      -       in 50m",
            "default   maxActive                          -                   1      -      1       -",
            "default   maxActivePerRepository             acme/payments-api   1      -      2       -",
            "default   maxOpenPullRequestsPerAutomation   payments/deps       2      -      4       -",
            "default   maxStartsPerHour                   -                   0      -      9       -",
            "default   budget.creditsPerDay               -                   12.3   15.0   40      in 17h50m",
            "default   budget.creditsPerMonth             -                   12.3   15.0   500     in 1d17h",
        ]
    );
    let (_, json, _) = run(&[&arguments[..], &["-o", "json"]].concat(), &held);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["inForce"], true, "{json}");
    assert_eq!(json[5]["held"], 15.0, "{json}");
    let (_, elsewhere, _) = run(&[&arguments[..], &["-n", "web"]].concat(), &held);
    assert_eq!(
        elsewhere,
        "No AgentPolicy holds in namespace web; -A shows all namespaces.\n"
    );
}

#[test]
fn whose_tokens_are_in_use() {
    let known = OBJECTS.replace(
        "  usage: {nanoAiCredits: 12300000000}\n---",
        "  credential: {secret: token, kind: FineGrained, login: octocat, expiresAt: \"2026-04-01T06:10:00Z\"}\n---",
    );
    let known = known.replace(
        "  schedules: [{trigger: daily",
        "  conditions: [{type: Ready, status: \"False\", reason: CredentialRejected, message: put a valid one, \
         observedGeneration: 1, lastTransitionTime: \"2026-03-30T00:00:00Z\"}]\n  schedules: [{trigger: daily",
    );
    let arguments = ["status", "--credentials", "-f", "-", "--now", NOW];
    let (code, out, err) = run(&arguments, &known);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        lines(&out),
        [
            "NAMESPACE   SECRET   KIND          LOGIN     EXPIRES   REFUSAL              WAITING   LEFT   AUTOMATIONS",
            "payments    token    FineGrained   octocat   in 2d     CredentialRejected   2         -      deps,docs",
        ]
    );
    let (_, json, _) = run(&[&arguments[..], &["-o", "json"]].concat(), &known);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["expiresAt"], "2026-04-01T06:10:00Z", "{json}");
    assert_eq!(json[0]["refusal"]["since"], "2026-03-30T00:00:00Z", "{json}");
    assert_eq!(json[0]["automations"], serde_json::json!(["deps", "docs"]), "{json}");
    let (_, unknown, _) = run(&arguments, OBJECTS);
    assert!(
        lines(&unknown)[1]
            .starts_with("payments    token    -      -       -         -         2         -      deps,docs"),
        "{unknown}"
    );
    let (_, elsewhere, _) = run(&[&arguments[..], &["-n", "web"]].concat(), &known);
    assert_eq!(elsewhere, "No automations in namespace web; -A shows all namespaces.\n");
}

/// Also of a token that can be used: a comment that it may not write, or a start that was refused since.
#[test]
fn what_was_refused_last_is_told_of_each_token() {
    let arguments = ["status", "--credentials", "-f", "-", "--now", NOW];
    let last = |objects: &str| {
        let (_, wide, _) = run(&[&arguments[..], &["-o", "wide"]].concat(), objects);
        let (_, json, _) = run(&[&arguments[..], &["-o", "json"]].concat(), objects);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let refusal = &json[0]["lastRefusal"];
        if refusal.is_null() {
            return "nothing".to_owned();
        }
        let [task, at, message] = ["task", "at", "message"].map(|field| refusal[field].as_str().unwrap());
        assert!(lines(&wide)[1].ends_with(&format!("ago, {task}: {message}")), "{wide}");
        format!("{task} {at}: {message}")
    };
    assert_eq!(last(OBJECTS), "nothing");

    let comment = OBJECTS.replace(
        "  allowedBy: [{name: default, generation: 4}]\n",
        "  allowedBy: [{name: default, generation: 4}]\n  report: {refused: 403 Forbidden}\n",
    );
    assert_eq!(
        last(&comment),
        "deps-run 2026-03-30T05:00:02Z: no comment: 403 Forbidden"
    );

    let attempt = |second: &str, outcome: &str, more: &str| {
        format!(
            "{{number: 1, marker: m, writtenBy: me, writtenAt: \"2026-03-30T06:00:{second}Z\", deadline: \
             \"2026-03-30T06:00:59Z\", outcome: {outcome}, message: said at {second}{more}}}"
        )
    };
    let attempts = [
        attempt("01", "Refused", ""),
        attempt("02", "NotSent", ""),
        attempt("03", "Refused", ", secretRef: {name: other}"),
    ];
    let attempts = attempts.join(", ");
    let waits = comment.find("metadata: {name: deps-wait").unwrap();
    let end = waits + comment[waits..].find("---").unwrap();
    let refused = format!(
        "{}status: {{phase: Held, attempts: [{attempts}]}}\n{}",
        &comment[..end],
        &comment[end..]
    );
    assert_eq!(last(&refused), "deps-wait 2026-03-30T06:00:01Z: said at 01");
}

#[test]
fn each_of_several_tokens_has_a_line() {
    let known = OBJECTS.replacen(
        "credentials: {secretRef: {name: token}}",
        "credentials: {secretRef: {name: token}, alternates: [{name: spare}], use: Spread}",
        1,
    );
    let known = known.replace(
        "  usage: {nanoAiCredits: 12300000000}\n---",
        "  conditions:\n    - {type: Ready, status: \"True\", reason: Ready, message: fine, observedGeneration: 1, \
         lastTransitionTime: \"2026-03-29T00:00:00Z\"}\n    - {type: Degraded, status: \"True\", reason: CredentialRejected, \
         message: Secret spare is no good, observedGeneration: 1, lastTransitionTime: \"2026-03-30T00:00:00Z\"}\n  \
         credentials:\n    - {secret: token, identity: {secret: token, kind: FineGrained, login: octocat}}\n    - {secret: \
         spare, identity: {secret: spare, kind: Classic, login: hubot}, rejectedVersion: \"7\", reason: CredentialRejected, \
         message: put a valid one into it}\n---",
    );
    let arguments = ["status", "--credentials", "-f", "-", "--now", NOW];
    let (code, out, err) = run(&arguments, &known);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines = lines(&out);
    let line = |secret: &str| lines.iter().find(|line| line.contains(secret)).unwrap();
    assert!(line(" spare ").contains("Classic"), "{out}");
    assert!(line(" spare ").contains("hubot"), "{out}");
    assert!(line(" spare ").contains("CredentialRejected"), "{out}");
    assert!(line(" token ").contains("octocat"), "{out}");
    assert!(!line(" token ").contains("CredentialRejected"), "{out}");
    let (_, json, _) = run(&[&arguments[..], &["-o", "json"]].concat(), &known);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let spare = json
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["secret"] == "spare")
        .unwrap();
    assert_eq!(spare["refusal"]["message"], "put a valid one into it", "{json}");
    assert_eq!(spare["refusal"]["since"], "2026-03-30T00:00:00Z", "{json}");
}

#[test]
fn what_only_the_cluster_knows_is_told_as_it_was_written() {
    let condition = "  conditions: [{type: Ready, status: \"False\", reason: SecretMissing, message: create it, \
                     observedGeneration: 1, lastTransitionTime: \"2026-03-30T00:00:00Z\"}]\n  guardrails:\n    - {policy: \
                     default, name: approvals, state: Met}";
    let not_met = OBJECTS.find("  guardrails:\n    - {policy").unwrap();
    let end = OBJECTS[not_met..].find("---").unwrap();
    let objects = OBJECTS.replace(&OBJECTS[not_met..not_met + end], &format!("{condition}\n"));
    let objects = objects.replace(
        "{phase: Held, reason: Suspended, message: it was suspended}",
        "{phase: Held, reason: SecretMissing, message: there is no Secret token}",
    );
    let ask = |arguments: &[&str]| run(&[arguments, &["-f", "-", "--now", NOW]].concat(), &objects).1;
    assert!(ask(&["status"]).contains("docs   False"), "{}", ask(&["status"]));
    let queue = ask(&["queue"]);
    assert!(
        queue.contains("SecretMissing   credentials.secretRef of aauto/docs"),
        "{queue}"
    );
    let why = ask(&["why", "docs-wait"]);
    assert!(
        why.contains("why:     SecretMissing: there is no Secret token"),
        "{why}"
    );
    assert!(
        why.contains("rule:    spec.credentials.secretRef of AgentAutomation docs"),
        "{why}"
    );
    let why = ask(&["why", "docs"]);
    assert!(why.starts_with("automation payments/docs: Stalled\n"), "{why}");
    assert!(why.contains("why:     SecretMissing: create it"), "{why}");
}

/// A rule that bound a task once is not told for what binds it now.
#[test]
fn a_rule_belongs_to_its_reason() {
    let bound = "{kind: AgentPolicy, name: default, generation: 3, rule: spec.maxActive}";
    let objects = OBJECTS.replace(
        "status: {phase: Held, reason: Suspended, message: it was suspended}",
        &format!("status: {{phase: Held, reason: PolicyCap, message: full, boundBy: {bound}}}"),
    );
    let objects = objects.replace("state: NotMet, message", "state: Met, message");
    let (_, out, _) = run(&["why", "docs-wait", "-f", "-", "--now", NOW], &objects);
    assert!(out.contains("why:     Ready: nothing is in its way"), "{out}");
    assert!(!out.contains("rule:"), "{out}");
    assert!(out.contains("status:  PolicyCap: full"), "{out}");
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
            "  taken:   payments/deps-run is Running, started 1h9m ago",
            "  change:  wait for a task of the automation to end (kubectl aauto queue -n payments shows which), or raise its",
            "           spec.concurrency.maxActive",
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
        out.starts_with(
            "automation payments/deps: Ready\n  1 under way, 1 waiting\n  the last to end was deps-old: Succeeded, 1h50m \
             ago\n  deps-wait waiting: AutomationCap: "
        ),
        "{out}"
    );
    assert!(
        out.contains("next:    2026-03-30T07:00:00Z (in 50m): its next trigger fires"),
        "{out}"
    );
    let (_, out, _) = ask(&["why", "aauto/docs"]);
    assert!(
        out.contains("guard:   approvals (default) NotMet: no rule requires a pull request"),
        "{out}"
    );
    assert!(
        out.contains("rule:    spec.guardrails.approvals of AgentPolicy default (generation 4)"),
        "{out}"
    );
    let (_, out, _) = ask(&["why", "deps-run"]);
    assert!(out.contains("allowed by AgentPolicy default (generation 4)"), "{out}");
}

/// A kubeconfig of one context, `test`, in namespace `payments`.
pub fn kubeconfig(server: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: test, users: [{{name: me, user: {{}}}}],
          clusters: [{{name: here, cluster: {{server: \"{server}\"}}}}],
          contexts: [{{name: test, context: {{cluster: here, user: me, namespace: payments}}}}]}}"
    );
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn a_missing_cluster_is_told_in_one_line() {
    let silent = kubeconfig("http://127.0.0.1:1");
    let silent = silent.path().to_str().unwrap();
    let mut broken = tempfile::NamedTempFile::new().unwrap();
    broken.write_all(b"contexts: [").unwrap();
    let table = [
        (
            vec!["--kubeconfig", "/nowhere/config"],
            "error: no cluster: failed to read",
        ),
        (
            vec!["--kubeconfig", broken.path().to_str().unwrap()],
            "error: no cluster: failed to parse",
        ),
        (
            vec!["--kubeconfig", silent, "--context", "nope"],
            "error: no cluster: the kubeconfig has no context nope: kubectl config get-contexts lists",
        ),
        (
            vec!["--kubeconfig", silent],
            "error: can't list agentautomations: the cluster does not answer (Connection refused",
        ),
        (
            vec!["--kubeconfig", silent, "--watch"],
            "error: can't list agentautomations: the cluster does not answer (Connection refused",
        ),
    ];
    for (arguments, expected) in table {
        let (code, out, err) = run(&[&["status"], &arguments[..]].concat(), "");
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.starts_with(expected), "{arguments:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{arguments:?}: {err}");
    }
}

/// Answers requests by their paths, one a connection; 403 where it has no answer.
pub fn api_server(answers: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut request).unwrap();
            let (mut header, mut body) = (String::new(), 0);
            while reader.read_line(&mut header).unwrap() > 2 {
                let length = header.to_ascii_lowercase();
                let length = length
                    .strip_prefix("content-length:")
                    .map(|length| length.trim().to_owned());
                body = length.map_or(body, |length| length.parse().unwrap());
                header.clear();
            }
            reader.read_exact(&mut vec![0; body]).unwrap();
            let path = request.split(['?', ' ']).nth(1).unwrap();
            let found = answers.iter().find(|(known, _)| *known == path);
            let forbidden = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,
                               "message":"you may not","metadata":{}}"#;
            let (status, body) = found.map_or(("403 Forbidden", forbidden), |(_, body)| ("200 OK", body.as_str()));
            let length = body.len();
            let head = "Content-Type: application/json\r\nConnection: close";
            write!(
                stream,
                "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    address
}

/// The objects of a kind, as the API server lists them.
pub fn listed(kind: &str) -> String {
    let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(OBJECTS).unwrap();
    let items: Vec<_> = objects.into_iter().filter(|object| object["kind"] == kind).collect();
    let list = serde_json::json!({"apiVersion": "agentautomation.dev/v1alpha1", "kind": format!("{kind}List"),
        "metadata": {}, "items": items});
    list.to_string()
}

#[test]
fn who_may_see_one_namespace_sees_it_and_is_told_what_is_missing() {
    let server = api_server(vec![
        (
            "/apis/agentautomation.dev/v1alpha1/namespaces/payments/agentautomations",
            listed("AgentAutomation"),
        ),
        (
            "/apis/agentautomation.dev/v1alpha1/namespaces/payments/agenttasks",
            listed("AgentTask"),
        ),
    ]);
    let file = kubeconfig(&server);
    let config = file.path().to_str().unwrap();
    let (code, out, err) = run(&["queue", "--kubeconfig", config, "--now", NOW], "");
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("docs-wait   Held      1h10m   Suspended"),
        "no policy denies it here: {out}"
    );
    assert_eq!(
        lines(&err),
        [
            "note: you may not list agentautomations, agenttasks of all namespaces: what others take of shared caps is not \
             counted",
            "note: you may not list agentpolicies, namespaces: what they decide is told as the controller wrote it",
        ]
    );
    let (code, out, err) = run(&["queue", "--kubeconfig", config, "-A"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "error: can't list agentautomations: you may not: ask for that right\n"
    );
}

/// What the controller passes over hides nothing from people, and counts as it does for the controller.
#[test]
fn what_can_not_be_decoded_is_told_and_hides_nothing() {
    let table = [
        (
            ("AgentPolicy", "\"maxActive\":5", "\"maxActive\":\"five\""),
            "note: AgentPolicy default can't be decoded: ",
            "why:     PolicyUnreadable: AgentPolicy default can't be read",
        ),
        (
            ("AgentAutomation", "\"maxActive\":1", "\"maxActive\":\"one\""),
            "note: AgentAutomation deps can't be decoded: ",
            "why:     AutomationUnreadable: AgentAutomation deps can't be read",
        ),
    ];
    for ((kind, said, strange), note, why) in table {
        let of = |wanted: &str| {
            let objects = listed(wanted);
            if wanted == kind {
                objects.replacen(said, strange, 1)
            } else {
                objects
            }
        };
        let server = api_server(vec![
            (
                "/apis/agentautomation.dev/v1alpha1/agentautomations",
                of("AgentAutomation"),
            ),
            ("/apis/agentautomation.dev/v1alpha1/agenttasks", of("AgentTask")),
            ("/apis/agentautomation.dev/v1alpha1/agentpolicies", of("AgentPolicy")),
            ("/api/v1/namespaces", of("Namespace")),
        ]);
        let file = kubeconfig(&server);
        let config = file.path().to_str().unwrap();
        let (code, out, err) = run(&["why", "deps-wait", "--kubeconfig", config, "--now", NOW], "");
        assert_eq!(code, 0, "{err}");
        assert!(err.starts_with(note), "{err}");
        assert!(out.contains(why), "{out}");
    }
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

#[test]
fn what_can_be_no_task_s_id_is_not_written() {
    let config = kubeconfig("http://127.0.0.1:1");
    let config = config.path().to_str().unwrap();
    let refused = [
        ("https://github.com/copilot/tasks/t9", "the last part of the address"),
        ("two words", "\"two words\" is no task's id"),
        ("", "is no task's id"),
    ];
    for (id, says) in refused {
        let (code, said, error) = run(&["adopt", "deps-lost", id, "--kubeconfig", config], "");
        assert_eq!((code, said.as_str()), (2, ""), "{id}: {error}");
        assert!(error.contains(says), "{id}: {error}");
    }
    // Nothing is wrong with it but that nobody answers.
    let (code, _, error) = run(&["adopt", "deps-lost", "t9", "--kubeconfig", config], "");
    assert!(code == 2 && error.contains("does not answer"), "{code} {error}");
}

#[test]
fn kubectl_is_told_what_completes_the_plugins_words() {
    let folder = tempfile::tempdir().unwrap();
    let completer = folder.path().join("kubectl_complete-aauto");
    symlink(env!("CARGO_BIN_EXE_agent-automation"), &completer).unwrap();
    let objects = folder.path().join("objects.yaml");
    fs::write(&objects, OBJECTS).unwrap();
    let objects = objects.to_str().unwrap();
    let config = kubeconfig("http://127.0.0.1:1");
    let config = config.path().to_str().unwrap();
    let table: [(&[&str], &[&str]); 16] = [
        (&["st"], &["status"]),
        (&["why", "-f", objects, "-A", "task/deps-r"], &["task/deps-run"]),
        (&["why", "-f", objects, "-A", "aauto/"], &["aauto/deps", "aauto/docs"]),
        (&["approve", "-f", objects, "-A", ""], &["deps-wait", "docs-wait"]),
        (&["abandon", "-f", objects, "-A", ""], &["deps-run"]),
        (&["adopt", "-f", objects, "-A", ""], &[]),
        (&["queue", "-f", objects, "-n", ""], &["payments"]),
        (&["queue", "--kubeconfig", config, "--context", "t"], &["test"]),
        (&["run", "deps", "-f", objects, "-A", "--input", ""], &[]),
        (&["queue", "--col"], &["--color"]),
        (&["queue", "-o", ""], &["table", "wide", "json", "yaml"]),
        (&["completion", "z"], &["zsh"]),
        (
            &["why", "-f", objects, "-A", "de"],
            &["deps", "deps-old", "deps-run", "deps-wait"],
        ),
        (&["history", "-f", objects, "-A", ""], &["deps", "docs"]),
        (&["history", "-f", objects, "-n", "web", ""], &[]),
        (&["why", "--kubeconfig", "/nowhere", "-A", ""], &[]),
    ];
    for (words, expected) in table {
        let output = Command::new(&completer).args(words).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said: Vec<_> = said.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(said, [expected, &[":4"]].concat(), "{words:?}");
    }
    let inputs = OBJECTS.replacen(
        "  branches:",
        "  inputs: [{name: package}, {name: level}]\n  branches:",
        1,
    );
    let file = folder.path().join("inputs.yaml");
    fs::write(&file, inputs).unwrap();
    let words = ["run", "deps", "-A", "-f", file.to_str().unwrap(), "--input", ""];
    let output = Command::new(&completer).args(words).output().unwrap();
    assert_eq!(output.stdout, b"package=\t\nlevel=\t\n:6\n");
}
