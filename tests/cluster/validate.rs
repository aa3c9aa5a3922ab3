//! Whether the rules of `validate` are the cluster's: what its tests say a cluster refuses, kubectl and the API server are
//! asked about.

use std::collections::BTreeSet;

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
