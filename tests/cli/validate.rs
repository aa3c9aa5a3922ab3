//! `agent-automation validate`: manifests in, findings and exit codes out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::manifests::{EDITS, FILES, GOOD, spoilt};
use crate::{Outcome, run};

/// A file in a folder of its own, which lives as long as the first of the pair.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn validate(path: &Path) -> Outcome {
    run(&["validate", path.to_str().unwrap()], "")
}

#[test]
fn one_thing_wrong_in_an_automation() {
    for edit in EDITS {
        let text = spoilt(edit);
        let (_folder, path) = file(&text);
        let (code, findings, _) = validate(&path);
        let expected: Vec<_> = edit.findings.iter().map(|finding| subject(&text, finding)).collect();
        let findings: Vec<_> = findings
            .lines()
            .map(|line| line.replace(path.to_str().unwrap(), "a.yaml"))
            .collect();
        assert_eq!(findings, expected, "{}", edit.what);
        assert_eq!(code, 1, "{}", edit.what);
    }
}

/// `line: kind namespace/name: field: message`, with the kind and names that the text has.
fn subject(text: &str, finding: &str) -> String {
    let value = |key: &str| {
        let line = text.lines().take(5).find(|line| line.trim_start().starts_with(key));
        line.map(|line| line.trim_start()[key.len()..].trim().to_owned())
    };
    let (line, rest) = finding.split_once(": ").unwrap();
    let name = value("name:").map(|name| format!(" {}/{name}", value("namespace:").unwrap()));
    format!(
        "a.yaml:{line}: {}{}: {rest}",
        value("kind:").unwrap(),
        name.unwrap_or_default()
    )
}

#[test]
fn whole_files() {
    for case in FILES {
        let (_folder, path) = file(case.text);
        let (code, findings, _) = validate(&path);
        let findings = findings.replace(&format!("{}:", path.display()), "");
        assert_eq!(findings.lines().collect::<Vec<_>>(), case.findings, "{}", case.what);
        assert_eq!(code, i32::from(!case.findings.is_empty()), "{}", case.what);
    }
}

#[test]
fn nothing_wrong() {
    let (_folder, path) = file(GOOD);
    let said = (0, String::new(), "objects checked: 1, findings: 0\n".to_owned());
    assert_eq!(validate(&path), said);
}

#[test]
fn standard_input_has_a_name() {
    let spoilt = GOOD.replace("main", "7");
    let (code, findings, _) = run(&["validate", "-"], &spoilt);
    let line =
        "<stdin>:9: AgentAutomation payments/weekly-deps: spec.branches.base: must be text, not 7: put it in quotes";
    assert_eq!((code, findings.lines().next()), (1, Some(line)));
}

#[test]
fn programs_read_json() {
    let spoilt = format!(
        "{}---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c}}}}\n",
        GOOD.replace("base: main", "base: 7")
    );
    let (code, report, said) = run(&["validate", "--output", "json", "-"], &spoilt);
    let expected = json!({
        "findings": [{
            "file": "<stdin>", "line": 9, "kind": "AgentAutomation", "namespace": "payments", "name": "weekly-deps",
            "field": "spec.branches.base", "message": "must be text, not 7: put it in quotes",
        }],
        "notes": [{"file": "<stdin>", "line": 21, "message": "ConfigMap is not of agentautomation.dev and is passed over"}],
    });
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap(), expected);
    assert_eq!((code, said.as_str()), (1, ""));
}

#[test]
fn what_others_own_and_what_comes_twice_is_noted() {
    let twice = format!("apiVersion: apps/v1\nkind: Deployment\n---\n{GOOD}---\n{GOOD}");
    let (code, findings, said) = run(&["validate", "-"], &twice);
    let notes = "<stdin>:1: note: Deployment is not of agentautomation.dev and is passed over\n\
                 <stdin>:24: note: this replaces the object of the same name at <stdin>:4\n\
                 objects checked: 2, findings: 0\n";
    assert_eq!((code, findings.as_str(), said.as_str()), (0, "", notes));
}

#[test]
fn a_task_does_not_change() {
    let task = |prompt: &str| {
        format!(
            "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {{name: by-hand}}\nspec:\n  \
             automation: {{name: weekly-deps, uid: u, generation: 1}}\n  \
             trigger: {{name: weekly, kind: Schedule, scheduledTime: 2026-03-30T06:00:00Z}}\n  \
             repository: acme/payments-api\n  baseBranch: main\n  prompt: {prompt}\n  templateDigest: d\n  \
             secretRef: {{name: github-agent-token}}\n"
        )
    };
    let (_one, first) = file(&task("Update."));
    let (_two, second) = file(&task("Upgrade."));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    assert_eq!(run(&["validate", first, first], "").0, 0);
    let (code, findings, _) = run(&["validate", first, second], "");
    let expected = format!(
        "{second}:4: AgentTask by-hand: spec: a task is a record of what was decided and can't be changed: change the \
         automation, and its next task follows\n"
    );
    assert_eq!((code, findings), (1, expected));
}

#[test]
fn what_can_not_be_read_is_no_finding() {
    let table: [(&[&str], &str); 3] = [
        (&["validate", "missing.yaml"], "error: can't read missing.yaml: "),
        (
            &["validate"],
            "error: the following required arguments were not provided",
        ),
        (
            &["validate", "-", "--output", "xml"],
            "error: invalid value 'xml' for '--output <OUTPUT>'",
        ),
    ];
    for (arguments, start) in table {
        let (code, findings, said) = run(arguments, "");
        assert_eq!((code, findings.as_str()), (2, ""), "{arguments:?}");
        assert!(said.starts_with(start), "{arguments:?}: {said}");
    }
}

#[test]
fn what_is_no_text_is_a_finding() {
    let (_folder, path) = file("");
    std::fs::write(&path, b"kind: AgentPolicy\nspec: \x80\x81\n").unwrap();
    let (code, findings, _) = validate(&path);
    assert_eq!(
        (code, findings),
        (1, format!("{}: is no text in UTF-8\n", path.display()))
    );
}
