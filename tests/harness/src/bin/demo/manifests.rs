//! The YAML of `examples/`, and what has to surround it: namespaces, Secrets with tokens, and the same users, tokens and
//! repositories at GitHub. All of that follows from what the automations name.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use crate::Result;

/// The repository that lacks what its policy requires. All others have it.
const UNGUARDED: &str = "acme/identity";

/// What is applied.
pub struct Manifests {
    /// The policies. What is asked for before they are known is denied for good.
    pub policies: Vec<Value>,
    /// The other examples.
    pub first: Vec<Value>,
    /// The demo's automations, file by file.
    pub demo: Vec<Vec<Value>>,
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
        let all: Vec<_> = paths.iter().map(|path| objects(path)).collect::<Result<_>>()?;
        let is_policy = |object: &Value| object["kind"] == "AgentPolicy";
        let (policies, first) = all.concat().into_iter().partition(is_policy);
        let demo = demo.iter().map(|name| objects(&folder.join("demo").join(name)));
        Ok(Self {
            policies,
            first,
            demo: demo.collect::<Result<_>>()?,
        })
    }

    /// The namespaces, and the Secrets that the automations name.
    pub fn surroundings(&self) -> Vec<Value> {
        let namespaces = self
            .namespaces()
            .into_iter()
            .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        let secrets = self.automations().flat_map(|automation| {
            let (namespace, credentials) = (namespace(automation), &automation["spec"]["credentials"]);
            let alternates = credentials["alternates"].as_array().into_iter().flatten();
            let all = [&credentials["secretRef"]].into_iter().chain(alternates);
            all.map(move |reference| {
                let key = reference["key"].as_str().unwrap_or("token");
                let metadata = json!({"name": reference["name"], "namespace": namespace});
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: token(namespace)}})
            })
        });
        namespaces.chain(secrets).collect()
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
        let repositories = self.automations().map(|automation| {
            let spec = &automation["spec"];
            let base = spec["branches"]["base"].as_str();
            let branches: BTreeSet<_> = base.into_iter().filter(|base| *base != "main").collect();
            let mut repository = json!({"name": spec["repository"], "branches": branches});
            if spec["repository"] != UNGUARDED {
                let rules = json!([{"pull_request": {"approvals": 1, "code_owners": true}}]);
                repository["rules"] = json!({base.unwrap_or("main"): rules});
                repository["codeowners"] = "valid".into();
            }
            json!({"add_repository": repository})
        });
        users.chain(repositories).collect()
    }

    fn automations(&self) -> impl Iterator<Item = &Value> {
        let all = self.first.iter().chain(self.demo.iter().flatten());
        all.filter(|object| object["kind"] == "AgentAutomation")
    }

    fn namespaces(&self) -> BTreeSet<&str> {
        self.automations().map(namespace).collect()
    }
}

/// The objects of a file, without Secrets: those of the examples hold no token that anyone takes.
fn objects(path: &Path) -> Result<Vec<Value>> {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(path)?)?;
    objects.retain(|object| object["kind"] != "Secret");
    Ok(objects)
}

fn namespace(automation: &Value) -> &str {
    automation["metadata"]["namespace"].as_str().unwrap_or("default")
}

fn token(namespace: &str) -> String {
    format!("github_pat_demo_{namespace}")
}
