//! The YAML of `examples/`, and what has to surround it: namespaces, Secrets with tokens, and the same users, tokens and
//! repositories at GitHub. All of that follows from what the automations name.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use crate::Result;

/// What is applied.
pub struct Manifests {
    /// The examples, and the demo's policies.
    pub first: String,
    /// The demo's automations, file by file.
    pub demo: Vec<String>,
    automations: Vec<Value>,
}

impl Manifests {
    /// Reads the YAML files of a folder of this repository, and the named ones of its subfolder `demo` apart.
    pub fn read(folder: &str, demo: &[&str]) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        let mut paths: Vec<_> = fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        paths.sort();
        paths.push(folder.join("demo/policies.yaml"));
        let first: Vec<String> = paths
            .iter()
            .map(|path| Ok(fs::read_to_string(path)?))
            .collect::<Result<_>>()?;
        let demo: Vec<String> = demo
            .iter()
            .map(|name| Ok(fs::read_to_string(folder.join("demo").join(name))?))
            .collect::<Result<_>>()?;
        let mut automations = Vec::new();
        for text in first.iter().chain(&demo) {
            let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
            automations.extend(
                documents
                    .into_iter()
                    .filter(|document| document["kind"] == "AgentAutomation"),
            );
        }
        Ok(Self {
            first: first.join("\n---\n"),
            demo,
            automations,
        })
    }

    /// The namespaces, and the Secrets that the automations name.
    pub fn surroundings(&self) -> Value {
        let namespaces = self
            .namespaces()
            .into_iter()
            .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        let secrets = self.automations.iter().map(|automation| {
            let (namespace, reference) = (namespace(automation), &automation["spec"]["credentials"]["secretRef"]);
            let key = reference["key"].as_str().unwrap_or("token");
            let metadata = json!({"name": reference["name"], "namespace": namespace});
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: token(namespace)}})
        });
        let items: Vec<Value> = namespaces.chain(secrets).collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items})
    }

    /// A user with a token for each namespace, and the repositories.
    pub fn github(&self) -> Vec<Value> {
        let users = self.namespaces().into_iter().flat_map(|name| {
            let login = format!("{name}-bot");
            [
                json!({"add_user": {"login": login}}),
                json!({"add_token": {"token": token(name), "owner": login}}),
            ]
        });
        let repositories = self.automations.iter().map(|automation| {
            let spec = &automation["spec"];
            let branches: BTreeSet<_> = spec["branches"]["base"]
                .as_str()
                .into_iter()
                .filter(|base| *base != "main")
                .collect();
            json!({"add_repository": {"name": spec["repository"], "branches": branches}})
        });
        users.chain(repositories).collect()
    }

    fn namespaces(&self) -> BTreeSet<&str> {
        self.automations.iter().map(namespace).collect()
    }
}

fn namespace(automation: &Value) -> &str {
    automation["metadata"]["namespace"].as_str().unwrap_or("default")
}

fn token(namespace: &str) -> String {
    format!("github_pat_demo_{namespace}")
}
