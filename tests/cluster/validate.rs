//! Whether the rules of `validate` are the cluster's: what its tests say a cluster refuses, kubectl and the API server are
//! asked about.

use std::collections::{BTreeMap, BTreeSet};

use agent_automation::cli::manifest::{self, Object};
use harness::control_plane::shared;

use crate::manifests::{EDITS, FILES, GOOD, Refusal, spoilt};

#[tokio::test]
async fn the_cluster_refuses_what_validate_says_it_refuses() {
    let plane = shared().await.unwrap();
    plane.deploy().await.unwrap();
    plane.kubectl(&["create", "namespace", "payments"]).await.unwrap();
    let edits = EDITS.iter().map(|edit| (edit.what, spoilt(edit), edit.refused));
    let files = FILES.iter().map(|file| (file.what, file.text.to_owned(), file.refused));
    let cases: Vec<_> = edits
        .chain(files)
        .chain([("good", GOOD.to_owned(), Refusal::Later)])
        .collect();

    let folder = tempfile::tempdir().unwrap();
    for (index, (_, text, _)) in cases.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{index}.yaml")), text).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let output = plane
        .kubectl(&["create", "--dry-run=server", "--filename", path])
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);

    let refused: BTreeSet<_> = (0..cases.len())
        .filter(|index| said.contains(&format!("{path}/{index}.yaml")))
        .collect();
    for (index, (what, _, expected)) in cases.iter().enumerate() {
        let got = if refused.contains(&index) {
            Refusal::Apply
        } else {
            Refusal::Later
        };
        assert_eq!(got, *expected, "{what} ({index}.yaml): {said}");
    }
}

/// kubectl writes without quotes what it reads back as text, and with them what it would not.
#[tokio::test]
async fn what_kubectl_writes_is_read_as_it_was_meant() {
    const TEXTS: [&str; 22] = [
        "3e800818",
        "-12e99999",
        "3e8",
        "1e3",
        "on",
        "y",
        "yEs",
        "null",
        "nULL",
        "~",
        "0x1F",
        "0789",
        "0b2",
        "1_000",
        "12:30:45",
        "2026-01-01",
        "=",
        ".inf",
        ".5",
        "a: b",
        "#",
        "<<",
    ];
    let plane = shared().await.unwrap();
    plane.deploy().await.unwrap();
    let keys = ["3e800818", "on", "yEs", "1", "0789"];
    let annotations: BTreeMap<_, _> = keys.iter().map(|key| (*key, *key)).collect();
    let written = serde_json::json!({
        "apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentPolicy",
        "metadata": {"name": "awkward", "annotations": annotations}, "spec": {"credentials": TEXTS},
    });
    let created = plane
        .kubectl_with_stdin(&["create", "-f", "-"], &written.to_string())
        .await
        .unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let listed = plane
        .kubectl(&["get", "apolicy", "awkward", "-o", "yaml"])
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("awkward.yaml");
    std::fs::write(&path, &listed.stdout).unwrap();

    let read = manifest::read(&[path]).unwrap();
    assert_eq!(read.findings, Vec::new(), "{}", String::from_utf8_lossy(&listed.stdout));
    let Some(Object::Policy(policy)) = read.objects.values().next() else {
        panic!("no policy: {}", String::from_utf8_lossy(&listed.stdout));
    };
    assert_eq!(policy.spec.credentials, TEXTS);
    let read = policy.metadata.annotations.clone().unwrap();
    assert_eq!(
        read,
        annotations
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    );
}
