//! Schemas: what the server makes of an object (pruning, defaults, nulls) and what it refuses.

use serde_json::{Value, json};

use super::Context;
use super::context::widget;

super::list_cases![
    objects_are_shaped_by_the_schema,
    each_violation_is_refused,
    status_is_shaped_by_the_schema
];

/// A spec as sent and as stored.
struct Shape {
    sent: Value,
    stored: Value,
}

fn shapes() -> Vec<Shape> {
    let base = json!({"size": "small", "colour": "red", "mode": "auto", "nested": {"depth": 3}});
    let with = |fields: Value| {
        let mut spec = base.clone();
        for (field, value) in fields.as_object().unwrap() {
            spec[field] = value.clone();
        }
        spec
    };
    let shape = |sent: Value, stored: Value| {
        let mut whole = json!({"size": "small"});
        for (field, value) in sent.as_object().unwrap() {
            whole[field] = value.clone();
        }
        Shape {
            sent: whole,
            stored: with(stored),
        }
    };
    vec![
        shape(json!({}), json!({})),
        shape(json!({"unheard": 1}), json!({})),
        shape(json!({"colour": null}), json!({})),
        shape(json!({"count": null}), json!({})),
        shape(json!({"note": null}), json!({"note": null})),
        shape(json!({"mode": null}), json!({"mode": null})),
        shape(json!({"nested": {}}), json!({})),
        shape(
            json!({"nested": {"depth": 5, "unheard": 1}}),
            json!({"nested": {"depth": 5}}),
        ),
        shape(json!({"nested": null}), json!({})),
        shape(json!({"closed": {"anything": 1}}), json!({"closed": {}})),
        shape(
            json!({"free": {"anything": {"at": ["all"]}}}),
            json!({"free": {"anything": {"at": ["all"]}}}),
        ),
        shape(json!({"limits": {"cpu": 2}}), json!({"limits": {"cpu": 2}})),
        shape(json!({"limits": {"cpu": null}}), json!({"limits": {}})),
        shape(
            json!({"parts": [{"name": "a"}]}),
            json!({"parts": [{"name": "a", "protocol": "TCP"}]}),
        ),
        shape(
            json!({"parts": [{"name": "a", "protocol": null, "unheard": 1}]}),
            json!({"parts": [{"name": "a", "protocol": "TCP"}]}),
        ),
        shape(json!({"port": "http"}), json!({"port": "http"})),
        shape(json!({"port": 80}), json!({"port": 80})),
        shape(
            json!({"at": "2026-03-29T01:00:00.5+02:00"}),
            json!({"at": "2026-03-29T01:00:00.5+02:00"}),
        ),
        shape(json!({"ratio": 1}), json!({"ratio": 1})),
        // A peculiarity: where a text has a format, any list will do.
        shape(json!({"at": ["x", 1]}), json!({"at": ["x", 1]})),
    ]
}

async fn objects_are_shaped_by_the_schema(c: Context) {
    let mut wrong = Vec::new();
    for (index, shape) in shapes().into_iter().enumerate() {
        let answer = c
            .post(&c.widgets(), &widget(&format!("w{index}"), shape.sent.clone()))
            .await;
        if answer.code != 201 || answer.body["spec"] != shape.stored {
            wrong.push(format!("{} became {} {}", shape.sent, answer.code, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A spec's fields, and the (reason, field, part of the message) of the faults they cause.
type Violation = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

const VIOLATIONS: &[Violation] = &[
    (
        r#"{"size":null}"#,
        &[("FieldValueRequired", "spec.size", "Required value")],
    ),
    (
        r#"{"size":"huge"}"#,
        &[(
            "FieldValueNotSupported",
            "spec.size",
            "Unsupported value: \"huge\": supported values: \"small\", \"large\"",
        )],
    ),
    (
        r#"{"size":1}"#,
        &[
            (
                "FieldValueTypeInvalid",
                "spec.size",
                "must be of type string: \"integer\"",
            ),
            (
                "FieldValueNotSupported",
                "spec.size",
                "Unsupported value: 1: supported values",
            ),
        ],
    ),
    (
        r#"{"count":"one"}"#,
        &[(
            "FieldValueTypeInvalid",
            "spec.count",
            "Invalid value: \"string\": spec.count in body must be of type integer: \"string\"",
        )],
    ),
    (
        r#"{"count":1.5}"#,
        &[
            (
                "FieldValueTypeInvalid",
                "spec.count",
                "must be of type int32: \"float64\"",
            ),
            (
                "FieldValueInvalid",
                "<nil>",
                "Checked value must be of type integer with format int32 in spec.count",
            ),
        ],
    ),
    (
        r#"{"count":3000000000}"#,
        &[
            (
                "FieldValueInvalid",
                "spec.count",
                "spec.count in body should be less than or equal to 10",
            ),
            (
                "FieldValueInvalid",
                "<nil>",
                "Checked value must be of type integer with format int32 in spec.count",
            ),
        ],
    ),
    (
        r#"{"limits":{"a":1.5}}"#,
        &[
            (
                "FieldValueTypeInvalid",
                "spec.limits.a",
                "must be of type integer: \"number\"",
            ),
            (
                "FieldValueInvalid",
                "<nil>",
                "Checked value must be of type integer (default format) in spec.limits.a",
            ),
        ],
    ),
    (
        r#"{"count":0}"#,
        &[(
            "FieldValueInvalid",
            "spec.count",
            "Invalid value: 0: spec.count in body should be greater than or equal to 1",
        )],
    ),
    (
        r#"{"count":11}"#,
        &[(
            "FieldValueInvalid",
            "spec.count",
            "Invalid value: 11: spec.count in body should be less than or equal to 10",
        )],
    ),
    (
        r#"{"ratio":0}"#,
        &[(
            "FieldValueInvalid",
            "spec.ratio",
            "spec.ratio in body should be greater than 0",
        )],
    ),
    (
        r#"{"code":"X"}"#,
        &[(
            "FieldValueInvalid",
            "spec.code",
            "Invalid value: \"X\": spec.code in body should match '^[a-z]{2,4}$'",
        )],
    ),
    (
        r#"{"label":"x"}"#,
        &[(
            "FieldValueInvalid",
            "spec.label",
            "Invalid value: \"x\": spec.label in body should be at least 2 chars long",
        )],
    ),
    (
        r#"{"label":"exceeds"}"#,
        &[(
            "FieldValueTooLong",
            "spec.label",
            "Too long: may not be more than 5 bytes",
        )],
    ),
    (
        r#"{"at":"yesterday"}"#,
        &[(
            "FieldValueTypeInvalid",
            "spec.at",
            "Invalid value: \"yesterday\": spec.at in body must be of type date-time: \"yesterday\"",
        )],
    ),
    (
        r#"{"on":"yes"}"#,
        &[(
            "FieldValueTypeInvalid",
            "spec.on",
            "spec.on in body must be of type boolean: \"string\"",
        )],
    ),
    (
        r#"{"port":true}"#,
        &[(
            "FieldValueTypeInvalid",
            "spec.port",
            "must be of type integer,string: \"boolean\"",
        )],
    ),
    (
        r#"{"tags":["a","b","c"]}"#,
        &[(
            "FieldValueTooMany",
            "spec.tags",
            "Too many: 3: must have at most 2 items",
        )],
    ),
    (
        r#"{"tags":["a","a"]}"#,
        &[("FieldValueDuplicate", "spec.tags[1]", "Duplicate value: \"a\"")],
    ),
    (
        r#"{"tags":"a"}"#,
        &[(
            "FieldValueTypeInvalid",
            "spec.tags",
            "spec.tags in body must be of type array: \"string\"",
        )],
    ),
    (
        r#"{"parts":[]}"#,
        &[(
            "FieldValueInvalid",
            "spec.parts",
            "spec.parts in body should have at least 1 items",
        )],
    ),
    (
        r#"{"parts":[{}]}"#,
        &[("FieldValueRequired", "spec.parts[0].name", "Required value")],
    ),
    (
        r#"{"parts":[{"name":"a"},{"name":"a"}]}"#,
        &[(
            "FieldValueDuplicate",
            "spec.parts[1]",
            "Duplicate value: {\"name\":\"a\"}",
        )],
    ),
    (
        r#"{"limits":{"a":1,"b":2}}"#,
        &[(
            "FieldValueTooMany",
            "spec.limits",
            "Too many: 2: must have at most 1 item",
        )],
    ),
    (
        r#"{"limits":{"a":"x"}}"#,
        &[(
            "FieldValueTypeInvalid",
            "spec.limits.a",
            "must be of type integer: \"string\"",
        )],
    ),
    (
        r#"{"nested":[]}"#,
        &[(
            "FieldValueTypeInvalid",
            "spec.nested",
            "spec.nested in body must be of type object: \"array\"",
        )],
    ),
    (
        r#"{"size":"huge","code":"X"}"#,
        &[
            ("FieldValueInvalid", "spec.code", "should match"),
            ("FieldValueNotSupported", "spec.size", "Unsupported value"),
        ],
    ),
];

async fn each_violation_is_refused(c: Context) {
    let mut wrong = Vec::new();
    for (fields, expected) in VIOLATIONS {
        let mut spec = json!({"size": "small"});
        let fields: Value = serde_json::from_str(fields).unwrap();
        for (field, value) in fields.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let answer = c.post(&c.widgets(), &widget("a", spec)).await;
        if answer.code != 422 || !caused_by(&answer.body, expected) {
            wrong.push(format!("{fields} gave {} {}", answer.code, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The causes are these, in any order.
fn caused_by(status: &Value, expected: &[(&str, &str, &str)]) -> bool {
    let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
    let is_caused = |(reason, field, message): &(&str, &str, &str)| {
        causes.iter().any(|cause| {
            cause["reason"] == *reason
                && cause["field"] == *field
                && cause["message"].as_str().unwrap_or_default().contains(message)
        })
    };
    causes.len() == expected.len() && expected.iter().all(is_caused)
}

async fn status_is_shaped_by_the_schema(c: Context) {
    c.new_widget("a", json!({"size": "small"})).await;
    let path = format!("{}/status", c.widget("a"));
    let patched = c
        .patch(&path, &json!({"status": {"seen": 1, "unheard": {"of": 1}}}))
        .await
        .expect_code(200);
    assert_eq!(patched["status"], json!({"seen": 1}));
    let change = json!({"status": {"seen": "once"}});
    let refused = c.patch(&path, &change).await.expect_refusal(422, "Invalid");
    assert_eq!(refused["details"]["causes"][0]["field"], "status.seen");
}
