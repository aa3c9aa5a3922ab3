//! Takes documents in, one after the other, and sorts them into objects, findings and notes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::GROUP;
use crate::plan::ObjectKey;
use crate::plan::policy::Labels;

use super::finding::{Fault, Finding, Note, Noticed};
use super::kind::{Kind, Rules};
use super::node::Node;
use super::object::Object;
use super::path::{Path, Step};
use super::source::Unreadable;
use super::{DEFAULT_NAMESPACE, Identity, Manifests};

/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name>
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The only version of the kinds.
const API_VERSION: &str = "agentautomation.dev/v1alpha1";

#[derive(Default)]
pub struct Collector {
    pub manifests: Manifests,
    rules: BTreeMap<Kind, Rules>,
    seen: BTreeMap<Identity, Seen>,
}

/// An object that came earlier.
struct Seen {
    place: String,
    value: Value,
}

impl Collector {
    pub fn document(&mut self, file: &str, node: &Node) {
        let about = About::new(file, node);
        match recognize(node) {
            Ok(Recognized::Ours(kind)) => self.object(&about, kind),
            Ok(Recognized::Secret) => {
                let version = metadata(node, "resourceVersion").map(str::to_owned);
                self.manifests.secrets.insert(about.key(), version);
            }
            Ok(Recognized::Namespace) => {
                let name = about.name.unwrap_or_default().to_owned();
                self.manifests.namespaces.insert(name, labels(node));
            }
            Ok(Recognized::List) => {
                let items = node.get("items").map_or(&[][..], Node::items);
                for item in items {
                    self.document(file, item);
                }
            }
            Ok(Recognized::Others) => {
                let kind = about.kind.unwrap_or_default();
                self.note(&about, format!("{kind} is not of {GROUP} and is passed over"));
            }
            Err(fault) => {
                self.manifests.is_whole = false;
                self.manifests.findings.push(about.finding(fault));
            }
        }
    }

    /// A document that is no YAML, or that JSON has no words for.
    pub fn unreadable(&mut self, file: &str, error: Unreadable) {
        self.manifests.is_whole = false;
        self.manifests.findings.push(Finding {
            file: file.to_owned(),
            line: error.line,
            kind: None,
            namespace: None,
            name: None,
            field: String::new(),
            message: error.message,
            noticed: Noticed::AtApply,
        });
    }

    fn object(&mut self, about: &About, kind: Kind) {
        self.manifests.checked += 1;
        let identity = Identity { kind, key: about.key() };
        let before = self.seen.get(&identity);
        let again = before.map(|seen| format!("this replaces the object of the same name at {}", seen.place));
        let rules = self.rules.entry(kind).or_insert_with(|| Rules::new(kind));
        let shaped = rules.apply(about.node.to_json(), before.map(|seen| &seen.value));
        let (object, faults) = decode(kind, &shaped.value, shaped.faults);
        let mut findings: Vec<_> = faults
            .into_iter()
            .chain(repeated(about.node))
            .map(|fault| about.finding(fault))
            .collect();
        findings.sort_by(|one, other| (one.line, &one.field).cmp(&(other.line, &other.field)));
        self.manifests.findings.append(&mut findings);
        if let Some(message) = again {
            self.note(about, message);
        }
        let value = shaped.value;
        self.seen.insert(
            identity.clone(),
            Seen {
                place: about.place(),
                value,
            },
        );
        self.manifests.is_whole &= object.is_some();
        object.and_then(|object| self.manifests.objects.insert(identity, object));
    }

    fn note(&mut self, about: &About, message: String) {
        self.manifests.notes.push(Note {
            file: about.file.to_owned(),
            line: about.node.line,
            message,
        });
    }
}

/// The object, if it can be decoded, and all that is wrong with it.
fn decode(kind: Kind, value: &Value, faults: Vec<Fault>) -> (Option<Object>, Vec<Fault>) {
    match Object::decode(kind, value.clone()) {
        Ok(object) => {
            let problems = object.problems();
            (Some(object), merge(faults, problems))
        }
        Err(error) if faults.is_empty() => {
            let fault = Fault::new(&Path::default(), format!("can't be decoded: {error}"));
            (None, vec![fault])
        }
        Err(_) => {
            // A text that breaks a rule decodes all the same, unless it is to be one of a few.
            let mut attempts = [Value::is_string, |_: &Value| false].into_iter();
            let readable = attempts.find_map(|keep| Object::decode(kind, without(value, &faults, keep)).ok());
            let problems = readable.map(|object| object.problems()).unwrap_or_default();
            let others = problems
                .into_iter()
                .filter(|problem| !faults.iter().any(|fault| fault.path == problem.path));
            let all = faults.iter().cloned().chain(others.collect::<Vec<_>>()).collect();
            (None, all)
        }
    }
}

/// The value without the fields that can't be what they are, so that the rest can be looked at too.
fn without(value: &Value, faults: &[Fault], keep: fn(&Value) -> bool) -> Value {
    let mut rest = value.clone();
    for fault in faults {
        if let Some((Step::Field(name), above)) = fault.path.steps().split_last()
            && let Some(fields) = descend(&mut rest, above).and_then(Value::as_object_mut)
            && !fields.get(name).is_some_and(keep)
        {
            fields.remove(name);
        }
    }
    rest
}

fn descend<'a>(value: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Item(index) => value.get_mut(index),
    })
}

/// Where the schema and a parser find fault with the same field, the parser has the better words.
fn merge(mut faults: Vec<Fault>, problems: Vec<Fault>) -> Vec<Fault> {
    for problem in problems {
        match faults.iter_mut().find(|fault| fault.path == problem.path) {
            Some(fault) => fault.message = problem.message,
            None => faults.push(problem),
        }
    }
    faults
}

/// kubectl lets these pass, and drops all but the last.
fn repeated(node: &Node) -> impl Iterator<Item = Fault> {
    node.repeated().into_iter().map(|path| Fault {
        path,
        message: "is there twice, and only the last one would count: remove the other".to_owned(),
        noticed: Noticed::Later,
    })
}

/// What a finding is about.
struct About<'a> {
    file: &'a str,
    node: &'a Node,
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> About<'a> {
    fn new(file: &'a str, node: &'a Node) -> Self {
        Self {
            file,
            node,
            kind: node.get("kind").and_then(Node::text),
            namespace: metadata(node, "namespace"),
            name: metadata(node, "name").or_else(|| metadata(node, "generateName")),
        }
    }

    fn finding(&self, fault: Fault) -> Finding {
        Finding {
            file: self.file.to_owned(),
            line: Some(self.node.line_of(&fault.path)),
            kind: self.kind.map(str::to_owned),
            namespace: self.namespace.map(str::to_owned),
            name: self.name.map(str::to_owned),
            field: fault.path.to_string(),
            message: fault.message,
            noticed: fault.noticed,
        }
    }

    fn key(&self) -> ObjectKey {
        ObjectKey::new(
            self.namespace.unwrap_or(DEFAULT_NAMESPACE),
            self.name.unwrap_or_default(),
        )
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file, self.node.line)
    }
}

fn metadata<'a>(node: &'a Node, field: &str) -> Option<&'a str> {
    node.get("metadata")?.get(field)?.text()
}

/// The API server gives each namespace its name as a label.
fn labels(namespace: &Node) -> Labels {
    let labels = namespace.get("metadata").and_then(|metadata| metadata.get("labels"));
    let labels = labels.and_then(|labels| serde_json::from_value(labels.to_json()).ok());
    let mut labels: Labels = labels.unwrap_or_default();
    let name = metadata(namespace, "name").unwrap_or_default();
    labels.insert(NAME_LABEL.to_owned(), name.to_owned());
    labels
}

enum Recognized {
    Ours(Kind),
    Namespace,
    Secret,
    List,
    Others,
}

fn recognize(node: &Node) -> Result<Recognized, Fault> {
    if !node.is_map() {
        return Err(Fault::new(
            &Path::default(),
            "is no object: a document needs apiVersion, kind and metadata",
        ));
    }
    let version = header(node, "apiVersion")?;
    let kind = header(node, "kind")?;
    if version.split('/').next() == Some(GROUP) {
        return ours(version, kind);
    }
    match (version, kind) {
        ("v1", "Namespace") => Ok(Recognized::Namespace),
        ("v1", "Secret") => Ok(Recognized::Secret),
        ("v1", "List") => Ok(Recognized::List),
        (_, kind) if Kind::parse(kind).is_some() => Err(wrong_version(version)),
        _ => Ok(Recognized::Others),
    }
}

fn ours(version: &str, kind: &str) -> Result<Recognized, Fault> {
    if version != API_VERSION {
        return Err(wrong_version(version));
    }
    if kind.strip_suffix("List").and_then(Kind::parse).is_some() {
        return Ok(Recognized::List);
    }
    Kind::parse(kind).map(Recognized::Ours).ok_or_else(|| {
        let kinds = Kind::ALL.map(Kind::as_str).join(" or ");
        Fault::new(
            &Path::default().field("kind"),
            format!("there is no kind {kind}: write {kinds}"),
        )
    })
}

fn wrong_version(version: &str) -> Fault {
    let path = Path::default().field("apiVersion");
    Fault::new(
        &path,
        format!("the kinds of this project are not in {version}: write {API_VERSION}"),
    )
}

fn header<'a>(node: &'a Node, field: &str) -> Result<&'a str, Fault> {
    let text = node.get(field).and_then(Node::text).filter(|text| !text.is_empty());
    text.ok_or_else(|| Fault::new(&Path::default().field(field), "is missing: add it"))
}
