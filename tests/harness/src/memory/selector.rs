//! Label and field selectors.

use serde_json::Value;

use super::definition::Definition;
use super::object::at_path;
use super::refusal::{self, Result};
use super::route::Query;

/// Which objects of a kind a list or a watch is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    labels: Vec<LabelTerm>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug)]
struct LabelTerm {
    label: String,
    test: LabelTest,
}

#[derive(Clone, Debug)]
enum LabelTest {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
}

#[derive(Clone, Debug)]
struct FieldTerm {
    path: String,
    value: String,
    wanted: bool,
}

impl Filter {
    pub fn parse(definition: &Definition, query: &Query) -> Result<Self> {
        let labels = query.text("labelSelector").unwrap_or_default();
        let fields = query.text("fieldSelector").unwrap_or_default();
        let refuse = |message: String| refusal::bad_request(&unable(definition, labels, fields, &message));
        Ok(Self {
            labels: split(labels)
                .into_iter()
                .map(label_term)
                .collect::<Result<_, _>>()
                .map_err(refuse)?,
            fields: split(fields)
                .into_iter()
                .map(|term| field_term(definition, term))
                .collect::<Result<_, _>>()
                .map_err(refuse)?,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels
            .iter()
            .all(|term| term.matches(labels[&term.label].as_str()))
            && self.fields.iter().all(|term| term.matches(object))
    }
}

impl LabelTerm {
    fn matches(&self, value: Option<&str>) -> bool {
        let is_in = |list: &[String]| value.is_some_and(|value| list.iter().any(|item| item == value));
        match &self.test {
            LabelTest::Exists => value.is_some(),
            LabelTest::Missing => value.is_none(),
            LabelTest::In(list) => is_in(list),
            LabelTest::NotIn(list) => !is_in(list),
        }
    }
}

impl FieldTerm {
    fn matches(&self, object: &Value) -> bool {
        let found = match at_path(object, &self.path) {
            Value::String(text) => *text == self.value,
            Value::Null => self.value.is_empty(),
            other => self.value == other.to_string().as_str(),
        };
        found == self.wanted
    }
}

/// Commas between parentheses separate values, not terms.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|term| !term.is_empty())
    .collect()
}

fn label_term(term: &str) -> Result<LabelTerm, String> {
    let (label, test) = if let Some(label) = term.strip_prefix('!') {
        (label, LabelTest::Missing)
    } else if let Some((label, list)) = set_term(term, " notin ") {
        (label, LabelTest::NotIn(list))
    } else if let Some((label, list)) = set_term(term, " in ") {
        (label, LabelTest::In(list))
    } else if let Some((label, value, wanted)) = equality(term) {
        let list = vec![value.to_owned()];
        (
            label,
            if wanted {
                LabelTest::In(list)
            } else {
                LabelTest::NotIn(list)
            },
        )
    } else {
        (term, LabelTest::Exists)
    };
    let label = label.trim();
    if label.is_empty() || label.contains([' ', '(', ')', '=']) {
        return Err(format!("unable to parse requirement: {term}"));
    }
    Ok(LabelTerm {
        label: label.to_owned(),
        test,
    })
}

fn set_term<'a>(term: &'a str, operator: &str) -> Option<(&'a str, Vec<String>)> {
    let (label, list) = term.split_once(operator)?;
    let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some((label, list.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn equality(term: &str) -> Option<(&str, &str, bool)> {
    let at = |operator| term.split_once(operator);
    let (name, value, wanted) = at("!=")
        .map(|(name, value)| (name, value, false))
        .or_else(|| at("==").or_else(|| at("=")).map(|(name, value)| (name, value, true)))?;
    Some((name.trim(), value.trim(), wanted))
}

fn field_term(definition: &Definition, term: &str) -> Result<FieldTerm, String> {
    let (path, value, wanted) =
        equality(term).ok_or_else(|| format!("invalid selector: '{term}'; can't understand '{term}'"))?;
    let known = path == "metadata.name"
        || (path == "metadata.namespace" && definition.is_namespaced())
        || definition.selectable.iter().any(|field| field == path);
    if !known {
        return Err(format!("field label not supported: {path}"));
    }
    Ok(FieldTerm {
        path: path.to_owned(),
        value: value.to_owned(),
        wanted,
    })
}

fn unable(definition: &Definition, labels: &str, fields: &str, message: &str) -> String {
    let plural = &definition.key.plural;
    let version = definition.api_version();
    format!(
        "Unable to find \"{version}, Resource={plural}\" that match label selector \"{labels}\", field selector \"{fields}\": {message}"
    )
}
