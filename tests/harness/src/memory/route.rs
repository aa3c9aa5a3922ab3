//! From a request line to what is asked for.

use std::collections::BTreeMap;

use super::definition::ResourceKey;
use super::refusal::{self, Result};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub resource: ResourceKey,
    /// Empty for cluster-scoped kinds and for requests across all namespaces.
    pub namespace: String,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

impl Route {
    pub fn parse(path: &str) -> Option<Self> {
        let mut segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments.first() {
            Some(&"api") if segments.len() > 2 => ("", segments[1], segments.split_off(2)),
            Some(&"apis") if segments.len() > 3 => (segments[1], segments[2], segments.split_off(3)),
            _ => return None,
        };
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest.as_slice()),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, None, None),
            [plural, name] => (plural, Some(*name), None),
            [plural, name, subresource] => (plural, Some(*name), Some(*subresource)),
            _ => return None,
        };
        Some(Self {
            resource: ResourceKey {
                group: group.to_owned(),
                version: version.to_owned(),
                plural: (*plural).to_owned(),
            },
            namespace: namespace.to_owned(),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        })
    }
}

/// The query of a request.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A parameter; an empty one counts as missing.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| matches!(text, "true" | "1"))
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        let parse = |text: &str| {
            let refuse = |_| refusal::bad_request(&format!("{name}: \"{text}\" is not a number"));
            text.parse().map_err(refuse)
        };
        self.text(name).map(parse).transpose()
    }
}
