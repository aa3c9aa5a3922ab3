//! `tests/control-plane/build`, with a Go that only pretends.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

/// What the script runs beside Go. It finds nothing else, in particular no real Go.
const TOOLS: &[&str] = &[
    "awk", "bash", "cat", "chmod", "cut", "dirname", "flock", "head", "mkdir", "mktemp", "mv", "rm",
];
const MORE_TOOLS: &[&str] = &["sha256sum", "shasum", "sleep", "sort", "uname", "wc"];

/// Builds an empty file for each tool, slowly enough for two builds to meet, and notes that it did.
const GO: &str = r#"#!/usr/bin/env bash
case $1 in
version) echo "go version go$VERSION linux/amd64" ;;
list) printf '%s\n' go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/{kube-apiserver,kubectl} ;;
build)
    while [[ $1 != -o ]]; do shift; done
    sleep 0.1
    echo "${2##*/}" >>"$XDG_CACHE_HOME/built"
    echo >"$2"
    [[ $VERSION != *broken ]]
    ;;
esac
"#;

/// A machine with a cache of its own and, when a version is given, a Go of that version.
struct Machine {
    home: TempDir,
    version: Option<&'static str>,
}

impl Machine {
    fn new(version: Option<&'static str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        for tool in TOOLS.iter().chain(MORE_TOOLS) {
            let places = ["/usr/bin", "/bin", "/usr/local/bin", "/opt/homebrew/bin"];
            if let Some(found) = places
                .iter()
                .map(|place| Path::new(place).join(tool))
                .find(|path| path.exists())
            {
                symlink(found, home.path().join(tool)).unwrap();
            }
        }
        if version.is_some() {
            let go = home.path().join("go");
            fs::write(&go, GO).unwrap();
            fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { home, version }
    }

    fn build(&self) -> Child {
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/build"))
            .env("PATH", self.home.path())
            .env("XDG_CACHE_HOME", self.home.path())
            .env("VERSION", self.version.unwrap_or_default())
            .env_remove("KUBEBUILDER_ASSETS")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn tools_built(&self) -> Vec<String> {
        let notes = fs::read_to_string(self.home.path().join("built")).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn says_which_go_it_needs() {
    for (version, complaint) in [
        (None, "Go is not installed; install Go 1.26.0 or newer"),
        (Some("1.9"), "Go 1.9 is too old; install Go 1.26.0 or newer"),
        (Some("1.25.11"), "Go 1.25.11 is too old; install Go 1.26.0 or newer"),
    ] {
        let machine = Machine::new(version);
        let output = machine.build().wait_with_output().unwrap();
        assert!(!output.status.success(), "{version:?}");
        assert!(stderr(&output).contains(complaint), "{version:?}: {}", stderr(&output));
        assert!(
            output.stdout.is_empty() && machine.tools_built().is_empty(),
            "{version:?}"
        );
    }
}

#[test]
fn two_callers_at_once_build_once() {
    let machine = Machine::new(Some("1.26.0"));
    let builds = [machine.build(), machine.build()];
    let folders = builds.map(|build| {
        let output = build.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    });
    assert_eq!(folders[0], folders[1]);
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        assert!(Path::new(folders[0].trim_end()).join(program).exists(), "{program}");
    }
    assert_eq!(machine.tools_built(), ["etcd", "kube-apiserver", "kubectl"]);
}

#[test]
fn a_build_that_failed_leaves_nothing_to_be_taken_for_a_whole_one() {
    let machine = Machine::new(Some("1.26.0broken"));
    for attempt in 1..=2 {
        let output = machine.build().wait_with_output().unwrap();
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{}",
            stderr(&output)
        );
        assert_eq!(machine.tools_built().len(), attempt, "tried again");
    }
}
