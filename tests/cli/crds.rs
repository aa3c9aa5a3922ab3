//! `crds/` is what `agent-automation crds` prints.

use std::fs;
use std::path::Path;

use agent_automation::{api, cli};
use serde_json::Value;

#[test]
fn the_definitions_in_crds_are_those_of_the_kinds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for definition in api::definitions() {
        let path = folder.join(cli::crds::file_name(&definition));
        let (committed, generated) = (
            fs::read_to_string(&path).unwrap(),
            cli::crds::yaml(&definition).unwrap(),
        );
        assert!(
            committed == generated,
            "{} is not what the kinds in src/api/ say: run make generate",
            path.display()
        );
    }
}

/// `kubectl explain` shows a field's text and not its default.
#[test]
fn each_default_is_told_where_the_field_is_explained() {
    let mut untold = Vec::new();
    let mut told = 0;
    for definition in api::definitions() {
        let kind = definition.spec.names.kind.clone();
        let schema = definition.spec.versions.into_iter().next().unwrap().schema.unwrap();
        let schema = serde_json::to_value(schema.open_api_v3_schema.unwrap()).unwrap();
        // What is decided for a task is no default of anybody's.
        if kind != "AgentTask" {
            defaults(&schema["properties"]["spec"], &kind, &mut told, &mut untold);
        }
    }
    assert_eq!(untold, Vec::<String>::new());
    assert!(told > 20, "{told}");
}

fn defaults(schema: &Value, path: &str, told: &mut usize, untold: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let is_plain = match &field["default"] {
            Value::Null | Value::Object(_) | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        };
        let words: Vec<_> = field["description"]
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        if is_plain && words.contains(&"Default:") {
            *told += 1;
        } else if is_plain {
            untold.push(path.clone());
        }
        defaults(field, &path, told, untold);
        defaults(&field["items"], &path, told, untold);
    }
}
