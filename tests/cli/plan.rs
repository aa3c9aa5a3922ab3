//! `agent-automation plan`: objects and a time in, decisions out.

use serde_json::{Value, json};

use crate::manifests::{EDITS, FILES, GOOD, Refusal, spoilt};
use crate::run;

/// A Monday, six in the morning in Berlin.
const NOW: &str = "2026-03-30T06:00:00+02:00";
const POLICY: &str = "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: default}\n\
                      spec: {namespaces: [payments], repositories: [acme/*], baseBranches: [main], triggers: [Schedule],\n\
                      \x20 models: ['*'], customAgents: ['*'], credentials: ['*'], startPolicies: [AtMostOnce, AtLeastOnce]}\n";

/// An automation that fires at [`NOW`] and was created on the Friday before; `more` goes below its spec.
fn automation(name: &str, more: &str) -> String {
    let changed = GOOD.replace("name: weekly-deps", &format!("name: {name}"));
    let created = "namespace: payments\n  creationTimestamp: 2026-03-27T12:00:00Z";
    format!("{}{more}", changed.replace("namespace: payments", created))
}

/// A task of the automation `weekly-deps` for a scheduled time; `more` goes below the whole.
fn task(name: &str, time: &str, more: &str) -> String {
    format!(
        "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {{name: {name}, namespace: payments}}\nspec:\n  \
         automation: {{name: weekly-deps, uid: from-the-cluster, generation: 0}}\n  \
         trigger: {{name: weekly, kind: Schedule, scheduledTime: \"{time}\"}}\n  \
         repository: acme/payments-api\n  baseBranch: main\n  prompt: Update.\n  templateDigest: d\n  \
         secretRef: {{name: github-agent-token}}\n{more}"
    )
}

fn plan(documents: &[&str]) -> Value {
    let (code, report, said) = run(
        &["plan", "-f", "-", "--now", NOW, "--output", "json"],
        &documents.join("---\n"),
    );
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&report).unwrap()
}

/// A line for each object: name, steps, phase or counts, reasons. Generated names become `*`.
fn summary(report: &Value) -> Vec<String> {
    let list = |object: &Value, field: &str, part: &str| -> String {
        let parts = object[field]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item[part].as_str().unwrap());
        parts.collect::<Vec<_>>().join("+")
    };
    let created: Vec<_> = report["automations"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|automation| automation["actions"].as_array().unwrap())
        .collect();
    let name = |object: &Value| {
        let is_created = created
            .iter()
            .any(|step| step["type"] == "CreateTask" && step["name"] == object["name"]);
        let name = object["name"].as_str().unwrap();
        if is_created {
            format!("{}*", &name[..name.len() - 8])
        } else {
            name.to_owned()
        }
    };
    let automation = |object: &Value| {
        format!(
            "{} [{}] missed {} next {} {}",
            name(object),
            list(object, "actions", "type"),
            object["missedRuns"],
            object["nextScheduleTime"].as_str().unwrap_or("never"),
            list(object, "reasons", "reason")
        )
    };
    let task = |object: &Value| {
        format!(
            "{} [{}] {} {}",
            name(object),
            list(object, "actions", "type"),
            object["phase"].as_str().unwrap(),
            list(object, "reasons", "reason")
        )
        .trim_end()
        .to_owned()
    };
    let automations = report["automations"].as_array().unwrap().iter().map(automation);
    automations
        .chain(report["tasks"].as_array().unwrap().iter().map(task))
        .collect()
}

struct Case {
    what: &'static str,
    documents: Vec<String>,
    expected: Vec<&'static str>,
}

#[test]
fn objects_and_what_becomes_of_them() {
    let weekly = || automation("weekly-deps", "");
    let policy = || POLICY.to_owned();
    let secret = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: payments}}\ndata: {{token: eA==}}\n"
        )
    };
    let labelled = || {
        POLICY.replace(
            "namespaces: [payments]",
            "namespaceSelector: {matchLabels: {agents: allowed}}",
        )
    };
    let namespace =
        |labels: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: payments, labels: {{{labels}}}}}\n");
    let status = |text: &str| format!("status: {text}\n");
    let decided = "schedules: [{trigger: weekly, decidedThrough: 2026-03-30T04:00:00Z}]";
    let cases = [
        Case {
            what: "an automation from Git fires next time",
            documents: vec![GOOD.to_owned(), policy()],
            expected: vec!["weekly-deps [] missed 0 next 2026-04-06T04:00:00Z Ready"],
        },
        Case {
            what: "one that is there fires now",
            documents: vec![weekly(), policy()],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-* [Start] Starting Starting",
            ],
        },
        Case {
            what: "no policy",
            documents: vec![weekly()],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z PolicyDenied",
                "weekly-deps-* [Deny] Denied PolicyDenied",
            ],
        },
        Case {
            what: "a policy that selects the namespace by its labels",
            documents: vec![weekly(), labelled(), namespace("agents: allowed")],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-* [Start] Starting Starting",
            ],
        },
        Case {
            what: "a namespace with other labels",
            documents: vec![weekly(), labelled(), namespace("agents: none")],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z PolicyDenied",
                "weekly-deps-* [Deny] Denied PolicyDenied",
            ],
        },
        Case {
            what: "more than a policy allows is told beside that it is ready",
            documents: vec![
                automation("weekly-deps", "  concurrency: {maxActive: 3}\n"),
                POLICY.replace("repositories:", "maxActive: 2, repositories:"),
            ],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready+PolicyNarrows",
                "weekly-deps-* [Start] Starting Starting",
            ],
        },
        Case {
            what: "a policy's kill switch",
            documents: vec![weekly(), policy().replace("spec: {", "spec: {suspend: true, ")],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z PolicySuspended",
                "weekly-deps-* [Hold] Held PolicySuspended",
            ],
        },
        Case {
            what: "two with one credential, one after the other",
            documents: vec![weekly(), automation("weekly-docs", ""), policy()],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-docs [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-* [Start] Starting Starting",
                "weekly-docs-* [Start] Starting Starting",
            ],
        },
        Case {
            what: "a policy's cap over two automations",
            documents: vec![
                weekly(),
                automation("weekly-docs", ""),
                policy().replace("spec: {", "spec: {maxActive: 1, "),
            ],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-docs [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-* [Start] Starting Starting",
                "weekly-docs-* [Hold] Held PolicyCap",
            ],
        },
        Case {
            what: "a suspended automation",
            documents: vec![automation("weekly-deps", "  suspend: true\n"), policy()],
            expected: vec!["weekly-deps [] missed 0 next never Suspended"],
        },
        Case {
            what: "the Secret is among the files",
            documents: vec![weekly(), policy(), secret("github-agent-token")],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-* [Start] Starting Starting",
            ],
        },
        Case {
            what: "only another Secret is among the files",
            documents: vec![weekly(), policy(), secret("other")],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z SecretMissing",
                "weekly-deps-* [Hold] Held SecretMissing",
            ],
        },
        Case {
            what: "GitHub refused the credential",
            documents: vec![
                automation(
                    "weekly-deps",
                    &status("{rejectedCredential: {secret: github-agent-token, resourceVersion: \"7\"}}"),
                ),
                policy(),
            ],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z CredentialRejected",
                "weekly-deps-* [Hold] Held CredentialRejected",
            ],
        },
        Case {
            what: "an expression that can't be read",
            documents: vec![weekly().replace("0 6 * * MON", "0 6 * * MON#1"), policy()],
            expected: vec!["weekly-deps [] missed 0 next never InvalidSchedule"],
        },
        Case {
            what: "times were missed",
            documents: vec![weekly().replace("2026-03-27", "2026-03-01"), policy()],
            expected: vec![
                "weekly-deps [CreateTask] missed 4 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-* [Start] Starting Starting",
            ],
        },
        Case {
            what: "status says how far it has come",
            documents: vec![
                automation("weekly-deps", &status(&format!("{{{decided}}}"))).replace("2026-03-27", "2026-03-01"),
                policy(),
            ],
            expected: vec!["weekly-deps [] missed 0 next 2026-04-06T04:00:00Z Ready"],
        },
        Case {
            what: "the time has its task, and that one runs",
            documents: vec![
                weekly(),
                policy(),
                task(
                    "weekly-deps-1",
                    "2026-03-30T04:00:00Z",
                    &status(
                        "{phase: Running, reason: InProgress, startedAt: \"2026-03-30T03:50:00Z\", task: {id: abc, shortId: abc, state: in_progress}}",
                    ),
                ),
            ],
            expected: vec![
                "weekly-deps [] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-1 [Observe] Running InProgress",
            ],
        },
        Case {
            what: "last week's still runs",
            documents: vec![
                weekly(),
                policy(),
                task(
                    "weekly-deps-1",
                    "2026-03-23T05:00:00Z",
                    &status(
                        "{phase: Running, reason: WaitingForUser, startedAt: \"2026-03-30T03:59:00Z\", task: {id: abc, shortId: abc, state: waiting_for_user, updatedAt: \"2026-03-30T03:59:00Z\"}}",
                    ),
                ),
            ],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-1 [] Running WaitingForUser",
                "weekly-deps-* [Hold] Held AutomationCap",
            ],
        },
        Case {
            what: "it is given up, and so makes room",
            documents: vec![
                weekly(),
                policy(),
                task(
                    "weekly-deps-1",
                    "2026-03-23T05:00:00Z",
                    &status("{phase: Unknown, reason: NotFoundAtGitHub}"),
                )
                .replace(
                    "namespace: payments}",
                    "namespace: payments, annotations: {agentautomation.dev/abandon: it is late}}",
                ),
            ],
            expected: vec![
                "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-1 [WriteStatus] Failed Abandoned",
                "weekly-deps-* [Start] Starting Starting",
            ],
        },
        Case {
            what: "a start that nobody answered for",
            documents: vec![
                automation("weekly-deps", &status(&format!("{{{decided}}}"))),
                policy(),
                task(
                    "weekly-deps-1",
                    "2026-03-23T05:00:00Z",
                    &status(
                        "{phase: Starting, reason: Starting, attempts: [{number: 1, marker: m, writtenAt: \"2026-03-30T03:00:00Z\", writtenBy: c, deadline: \"2026-03-30T03:00:15Z\"}]}",
                    ),
                ),
            ],
            expected: vec![
                "weekly-deps [] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-1 [WriteStatus+Search] Unknown AnswerLost",
            ],
        },
        Case {
            what: "a held task whose deadline has passed, and one that waits for GitHub",
            documents: vec![
                automation("weekly-deps", &status(&format!("{{{decided}}}"))),
                policy(),
                task("weekly-deps-1", "2026-03-23T05:00:00Z", "")
                    .replace("  prompt:", "  startBefore: \"2026-03-23T06:00:00Z\"\n  prompt:"),
                task(
                    "weekly-deps-2",
                    "2026-03-24T05:00:00Z",
                    &status("{phase: Held, reason: NotSent, notBefore: \"2026-03-30T04:00:01Z\"}"),
                ),
            ],
            expected: vec![
                "weekly-deps [] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-1 [Expire] Expired DeadlineExceeded",
                "weekly-deps-2 [] Held NotSent",
            ],
        },
        Case {
            what: "the history lets one go",
            documents: vec![
                automation(
                    "weekly-deps",
                    &format!(
                        "  historyLimits: {{succeeded: 1}}\n{}",
                        status(&format!("{{{decided}}}"))
                    ),
                ),
                policy(),
                task(
                    "weekly-deps-1",
                    "2026-03-16T05:00:00Z",
                    &status("{phase: Succeeded, reason: Completed, task: {id: a, shortId: a, state: completed}}"),
                ),
                task(
                    "weekly-deps-2",
                    "2026-03-23T05:00:00Z",
                    &status("{phase: Succeeded, reason: Completed, task: {id: b, shortId: b, state: completed}}"),
                ),
            ],
            expected: vec![
                "weekly-deps [DeleteTask] missed 0 next 2026-04-06T04:00:00Z Ready",
                "weekly-deps-2 [] Succeeded Completed",
            ],
        },
        Case {
            what: "a task whose automation is not there",
            documents: vec![task("weekly-deps-1", "2026-03-16T05:00:00Z", "")],
            expected: vec!["weekly-deps-1 [Expire] Expired AutomationGone"],
        },
    ];
    for case in cases {
        let documents: Vec<_> = case.documents.iter().map(String::as_str).collect();
        assert_eq!(summary(&plan(&documents)), case.expected, "{}", case.what);
    }
}

#[test]
fn programs_read_json() {
    let report = plan(&[&automation("weekly-deps", ""), POLICY]);
    let name = report["automations"][0]["actions"][0]["name"].clone();
    let expected = json!({
        "now": "2026-03-30T04:00:00Z",
        "automations": [{
            "namespace": "payments",
            "name": "weekly-deps",
            "actions": [{
                "type": "CreateTask", "name": name, "trigger": "weekly", "scheduledTime": "2026-03-30T04:00:00Z",
                "repository": "acme/payments-api", "baseBranch": "main",
                "prompt": "## Goal\n\nUpdate the dependencies.\n",
            }],
            "missedRuns": 0,
            "nextScheduleTime": "2026-04-06T04:00:00Z",
            "reasons": [{"reason": "Ready", "message": "its triggers fire and its tasks can start"}],
        }],
        "tasks": [{
            "namespace": "payments", "name": name, "actions": [{"type": "Start"}], "phase": "Starting",
            "reasons": [{"reason": "Starting", "message": "attempt 1 is on its way to GitHub"}],
        }],
    });
    assert_eq!(report, expected);
}

#[test]
fn people_read_lines() {
    let cap = POLICY.replace("spec: {", "spec: {maxActive: 0, ");
    let documents = [automation("weekly-deps", "").replace("2026-03-27", "2026-03-20"), cap].join("---\n");
    let (code, lines, _) = run(&["plan", "--filename", "-", "--now", NOW], &documents);
    let name = lines
        .split_whitespace()
        .find(|word| word.starts_with("weekly-deps-"))
        .unwrap();
    let expected = format!(
        "at 2026-03-30T04:00:00Z\n\n\
         automation payments/weekly-deps\n  \
         -> create task {name} (trigger weekly, due at 2026-03-30T04:00:00Z)\n  \
         NoRoom: AgentPolicy default lets nothing start: its spec.maxActive is 0\n  \
         missed: 1\n  \
         next: 2026-04-06T04:00:00Z\n\n\
         task payments/{name}: Held\n  \
         -> hold it\n  \
         PolicyCap: the cap of AgentPolicy default is reached (spec.maxActive is 0)\n"
    );
    assert_eq!((code, lines), (0, expected));
}

#[test]
fn there_is_no_plan_for_what_the_cluster_refuses() {
    let edits = EDITS.iter().map(|edit| (edit.what, spoilt(edit), edit.refused));
    let files = FILES.iter().map(|file| (file.what, file.text.to_owned(), file.refused));
    for (what, text, refused) in edits.chain(files) {
        let (code, report, said) = run(&["plan", "-f", "-", "--now", NOW], &text);
        let expected = match refused {
            Refusal::Apply => (1, true),
            Refusal::Later => (0, false),
        };
        assert_eq!((code, report.is_empty()), expected, "{what}: {said}");
    }
}

#[test]
fn arguments_that_can_not_be_read() {
    let table: [(&[&str], &str); 3] = [
        (
            &["plan", "-f", "-", "--now", "2026-03-30T06:00:00"],
            "error: invalid value '2026-03-30T06:00:00' for '--now <RFC3339>': write a time with its offset",
        ),
        (&["plan", "-f", "missing.yaml"], "error: can't read missing.yaml"),
        (&["plan"], "error: the following required arguments were not provided"),
    ];
    for (arguments, start) in table {
        let (code, report, said) = run(arguments, "");
        assert_eq!((code, report.as_str()), (2, ""), "{arguments:?}");
        assert!(said.starts_with(start), "{arguments:?}: {said}");
    }
}

#[test]
fn the_examples_are_good_and_start() {
    let examples: Vec<_> = ["policy", "secret", "weekly-deps", "flaky-tests"]
        .map(|name| format!("{}/examples/{name}.yaml", env!("CARGO_MANIFEST_DIR")))
        .into();
    let files: Vec<_> = examples.iter().map(String::as_str).collect();
    let others = ["run-by-hand", "label-an-issue", "several-tokens"]
        .map(|name| format!("{}/examples/{name}.yaml", env!("CARGO_MANIFEST_DIR")));
    let others = others.each_ref().map(String::as_str);
    let (code, findings, said) = run(&[&["validate"], &others[..], files.as_slice()].concat(), "");
    assert_eq!((code, findings.as_str()), (0, ""), "{said}");
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(said.lines().last().unwrap()), "{said}");

    // An hour after both were applied, on a Monday and on a Tuesday, in a repository that has what guards it.
    let guarded = "status: {guardrails: [{policy: default, name: approvals, state: Met}]}\n";
    let mut created = String::new();
    for file in files {
        let is_automation = !file.contains("policy") && !file.contains("secret");
        created += &std::fs::read_to_string(file).unwrap();
        created += if is_automation { guarded } else { "" };
        created += "---\n";
    }
    let created = created.replace(
        "name: weekly-deps,",
        "name: weekly-deps, creationTimestamp: 2026-03-30T00:00:00Z,",
    );
    let created = created.replace(
        "  name: flaky-tests\n",
        "  name: flaky-tests\n  creationTimestamp: 2026-03-30T00:00:00Z\n",
    );
    let at = |now: &str| {
        let (_, report, _) = run(&["plan", "-f", "-", "--now", now, "--output", "json"], &created);
        serde_json::from_str::<Value>(&report).unwrap()
    };
    let monday = at("2026-03-30T04:00:00Z");
    let expected = [
        "flaky-tests [] missed 0 next 2026-03-30T23:30:00Z Ready",
        "weekly-deps [CreateTask] missed 0 next 2026-04-06T04:00:00Z Ready",
        "weekly-deps-* [Start] Starting Starting",
    ];
    assert_eq!(summary(&monday), expected);
    let tuesday = at("2026-03-30T23:30:00Z");
    let expected = [
        "flaky-tests [CreateTask] missed 0 next 2026-03-31T23:30:00Z Ready",
        "weekly-deps [] missed 1 next 2026-04-06T04:00:00Z Ready",
        "flaky-tests-* [] Pending Verifying",
    ];
    // It is not started beside a pull request that is open, and only GitHub knows of those.
    assert_eq!(summary(&tuesday), expected);
    let prompt = tuesday["automations"][0]["actions"][0]["prompt"].as_str().unwrap();
    assert!(
        prompt.contains("acme/payments-api in the day before 2026-03-31T01:30:00+02:00"),
        "{prompt}"
    );
}
