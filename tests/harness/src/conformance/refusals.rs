//! Refusals: code, reason, details and message of the `Status` that comes back, in one table.

use http::Method;
use serde_json::{Value, json};

use super::Context;
use super::context::{Answer, small};

super::list_cases![
    each_mistake_is_refused_as_documented,
    details_name_the_object,
    unknown_kinds_are_not_found
];

/// One mistake. `{rv}` and `{ns}` stand for the stored object's revision and the case's namespace.
struct Mistake {
    name: &'static str,
    method: Method,
    /// After the path of the collection.
    path: &'static str,
    body: &'static str,
    code: u16,
    reason: &'static str,
    /// A part of the message that says what is wrong.
    message: &'static str,
}

const TYPE: &str = r#""apiVersion":"conformance.example.dev/v1","kind":"Widget""#;

const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "get what is not there",
        method: Method::GET,
        path: "/none",
        body: "",
        code: 404,
        reason: "NotFound",
        message: r#"widgets.conformance.example.dev "none" not found"#,
    },
    Mistake {
        name: "delete what is not there",
        method: Method::DELETE,
        path: "/none",
        body: "{}",
        code: 404,
        reason: "NotFound",
        message: r#"widgets.conformance.example.dev "none" not found"#,
    },
    Mistake {
        name: "patch what is not there",
        method: Method::PATCH,
        path: "/none",
        body: r#"{"spec":{"count":1}}"#,
        code: 404,
        reason: "NotFound",
        message: r#"widgets.conformance.example.dev "none" not found"#,
    },
    Mistake {
        name: "replace what is not there",
        method: Method::PUT,
        path: "/none",
        body: r#"{TYPE,"metadata":{"name":"none"},"spec":{"size":"small"}}"#,
        code: 404,
        reason: "NotFound",
        message: r#"widgets.conformance.example.dev "none" not found"#,
    },
    Mistake {
        name: "replace the status of what is not there",
        method: Method::PUT,
        path: "/none/status",
        body: r#"{TYPE,"metadata":{"name":"none"},"spec":{"size":"small"}}"#,
        code: 404,
        reason: "NotFound",
        message: r#"widgets.conformance.example.dev "none" not found"#,
    },
    Mistake {
        name: "create what is there",
        method: Method::POST,
        path: "",
        body: r#"{TYPE,"metadata":{"name":"a"},"spec":{"size":"small"}}"#,
        code: 409,
        reason: "AlreadyExists",
        message: r#"widgets.conformance.example.dev "a" already exists"#,
    },
    Mistake {
        name: "create with a revision",
        method: Method::POST,
        path: "",
        body: r#"{TYPE,"metadata":{"name":"b","resourceVersion":"5"},"spec":{"size":"small"}}"#,
        code: 500,
        reason: "",
        message: "resourceVersion should not be set on objects to be created",
    },
    Mistake {
        name: "create without a name",
        method: Method::POST,
        path: "",
        body: r#"{TYPE,"metadata":{},"spec":{"size":"small"}}"#,
        code: 422,
        reason: "Invalid",
        message: r#"Widget.conformance.example.dev "" is invalid: metadata.name: Required value: name or generateName is required"#,
    },
    Mistake {
        name: "create with a name in capitals",
        method: Method::POST,
        path: "",
        body: r#"{TYPE,"metadata":{"name":"Bad"},"spec":{"size":"small"}}"#,
        code: 422,
        reason: "Invalid",
        message: r#"metadata.name: Invalid value: "Bad": a lowercase RFC 1123 subdomain must consist of"#,
    },
    Mistake {
        name: "create with a name of two faults",
        method: Method::POST,
        path: "",
        body: r#"{TYPE,"metadata":{"name":"-LONG"},"spec":{"size":"small"}}"#,
        code: 422,
        reason: "Invalid",
        message: "must be no more than 253",
    },
    Mistake {
        name: "create in another namespace",
        method: Method::POST,
        path: "",
        body: r#"{TYPE,"metadata":{"name":"b","namespace":"other"},"spec":{"size":"small"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "the namespace of the provided object does not match the namespace sent on the request",
    },
    Mistake {
        name: "create without a kind",
        method: Method::POST,
        path: "",
        body: r#"{"apiVersion":"conformance.example.dev/v1","metadata":{"name":"b"},"spec":{"size":"small"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "Object 'Kind' is missing in",
    },
    Mistake {
        name: "create with another kind",
        method: Method::POST,
        path: "",
        body: r#"{"apiVersion":"conformance.example.dev/v1","kind":"Gadget","metadata":{"name":"b"},"spec":{"size":"small"}}"#,
        code: 422,
        reason: "Invalid",
        message: r#"Gadget.conformance.example.dev "b" is invalid: kind: Invalid value: "Gadget": must be Widget"#,
    },
    Mistake {
        name: "create with another version",
        method: Method::POST,
        path: "",
        body: r#"{"apiVersion":"conformance.example.dev/v2","kind":"Widget","metadata":{"name":"b"},"spec":{"size":"small"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "the API version in the data (conformance.example.dev/v2) does not match the expected API version (conformance.example.dev/v1)",
    },
    Mistake {
        name: "create from what is no JSON",
        method: Method::POST,
        path: "",
        body: "{",
        code: 400,
        reason: "BadRequest",
        message: "",
    },
    Mistake {
        name: "create with labels that are no text",
        method: Method::POST,
        path: "",
        body: r#"{TYPE,"metadata":{"name":"b","labels":{"n":1}},"spec":{"size":"small"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "",
    },
    Mistake {
        name: "replace with a stale revision",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"name":"a","resourceVersion":"1"},"spec":{"size":"large"}}"#,
        code: 409,
        reason: "Conflict",
        message: "Operation cannot be fulfilled on widgets.conformance.example.dev \"a\": the object has been modified; \
                  please apply your changes to the latest version and try again",
    },
    Mistake {
        name: "replace with a stale revision and an invalid object",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"name":"a","resourceVersion":"1"},"spec":{"size":"huge"}}"#,
        code: 409,
        reason: "Conflict",
        message: "the object has been modified",
    },
    Mistake {
        name: "replace without a revision",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"name":"a"},"spec":{"size":"large"}}"#,
        code: 422,
        reason: "Invalid",
        message: "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
    },
    Mistake {
        name: "replace status without a revision",
        method: Method::PUT,
        path: "/a/status",
        body: r#"{TYPE,"metadata":{"name":"a"},"spec":{"size":"large"},"status":{"seen":1}}"#,
        code: 422,
        reason: "Invalid",
        message: "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
    },
    Mistake {
        name: "replace with another uid",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"name":"a","resourceVersion":"{rv}","uid":"not-the-uid"},"spec":{"size":"large"}}"#,
        code: 409,
        reason: "Conflict",
        message: "Precondition failed: UID in precondition: not-the-uid, UID in object meta: ",
    },
    Mistake {
        name: "replace under another name",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"name":"b","resourceVersion":"{rv}"},"spec":{"size":"large"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "the name of the object (b) does not match the name on the URL (a)",
    },
    Mistake {
        name: "replace without a name",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"resourceVersion":"{rv}"},"spec":{"size":"large"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "",
    },
    Mistake {
        name: "replace in another namespace",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"name":"a","namespace":"other","resourceVersion":"{rv}"},"spec":{"size":"large"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "the namespace of the provided object does not match the namespace sent on the request",
    },
    Mistake {
        name: "replace with an invalid spec",
        method: Method::PUT,
        path: "/a",
        body: r#"{TYPE,"metadata":{"name":"a","resourceVersion":"{rv}"},"spec":{"size":"huge"}}"#,
        code: 422,
        reason: "Invalid",
        message: r#"spec.size: Unsupported value: "huge": supported values: "small", "large""#,
    },
    Mistake {
        name: "replace status with an invalid one",
        method: Method::PUT,
        path: "/a/status",
        body: r#"{TYPE,"metadata":{"name":"a","resourceVersion":"{rv}"},"spec":{"size":"small"},"status":{"phase":"Old"}}"#,
        code: 422,
        reason: "Invalid",
        message: r#"status.phase: Unsupported value: "Old": supported values: "New", "Done""#,
    },
    Mistake {
        name: "patch with a stale revision",
        method: Method::PATCH,
        path: "/a",
        body: r#"{"metadata":{"resourceVersion":"1"},"spec":{"count":1}}"#,
        code: 409,
        reason: "Conflict",
        message: "the object has been modified",
    },
    Mistake {
        name: "patch with another uid",
        method: Method::PATCH,
        path: "/a",
        body: r#"{"metadata":{"uid":"not-the-uid"},"spec":{"count":1}}"#,
        code: 422,
        reason: "Invalid",
        message: r#"metadata.uid: Invalid value: "not-the-uid": field is immutable"#,
    },
    Mistake {
        name: "patch away what is required",
        method: Method::PATCH,
        path: "/a",
        body: r#"{"spec":{"size":null}}"#,
        code: 422,
        reason: "Invalid",
        message: "spec.size: Required value",
    },
    Mistake {
        name: "patch the name",
        method: Method::PATCH,
        path: "/a",
        body: r#"{"metadata":{"name":"b"}}"#,
        code: 400,
        reason: "BadRequest",
        message: "the name of the object (b) does not match the name on the URL (a)",
    },
    Mistake {
        name: "delete with another uid",
        method: Method::DELETE,
        path: "/a",
        body: r#"{"preconditions":{"uid":"not-the-uid"}}"#,
        code: 409,
        reason: "Conflict",
        message: "the UID in the precondition (not-the-uid) does not match the UID in record (",
    },
    Mistake {
        name: "delete with a stale revision",
        method: Method::DELETE,
        path: "/a",
        body: r#"{"preconditions":{"resourceVersion":"1"}}"#,
        code: 409,
        reason: "Conflict",
        message: "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (",
    },
    Mistake {
        name: "list by a field that is not selectable",
        method: Method::GET,
        path: "?fieldSelector=spec.size%3Dsmall",
        body: "",
        code: 400,
        reason: "BadRequest",
        message: "field label not supported: spec.size",
    },
    Mistake {
        name: "list by a label selector that cannot be read",
        method: Method::GET,
        path: "?labelSelector=a%20b",
        body: "",
        code: 400,
        reason: "BadRequest",
        message: "",
    },
    Mistake {
        name: "list with a continue token that cannot be read",
        method: Method::GET,
        path: "?limit=1&continue=nonsense",
        body: "",
        code: 400,
        reason: "BadRequest",
        message: "continue key is not valid",
    },
    Mistake {
        name: "list at a revision that is no number",
        method: Method::GET,
        path: "?resourceVersion=x",
        body: "",
        code: 400,
        reason: "BadRequest",
        message: "",
    },
    Mistake {
        name: "list exactly at a revision to come",
        method: Method::GET,
        path: "?resourceVersion=99999999&resourceVersionMatch=Exact",
        body: "",
        code: 504,
        reason: "Timeout",
        message: "Too large resource version: 99999999, current: ",
    },
];

async fn each_mistake_is_refused_as_documented(c: Context) {
    let stored = c.new_widget("a", small()).await;
    let mut wrong = Vec::new();
    for mistake in MISTAKES {
        let answer = make(&c, mistake, &stored).await;
        let text = |field: &str| answer.body[field].as_str().unwrap_or_default();
        let as_said = (answer.code, text("reason")) == (mistake.code, mistake.reason)
            && answer.body["code"] == mistake.code
            && text("message").contains(mistake.message);
        if !as_said {
            wrong.push(format!("{}: {} {}", mistake.name, answer.code, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(c.stored("a").await, stored, "a refusal changes nothing");
}

async fn make(c: &Context, mistake: &Mistake, stored: &Value) -> Answer {
    let long = "x".repeat(260);
    let body = mistake
        .body
        .replace("TYPE", TYPE)
        .replace("LONG", &long)
        .replace("{ns}", &c.namespace);
    let body = body.replace("{rv}", stored["metadata"]["resourceVersion"].as_str().unwrap());
    let path = format!("{}{}", c.widgets(), mistake.path);
    let content_type = match mistake.method {
        Method::PATCH => "application/merge-patch+json",
        Method::GET => "",
        _ => "application/json",
    };
    c.send(mistake.method.clone(), &path, content_type, body).await
}

async fn details_name_the_object(c: Context) {
    let stored = c.new_widget("a", small()).await;
    let details = json!({"name": "a", "group": "conformance.example.dev", "kind": "widgets"});
    let again = c
        .post(&c.widgets(), &stored_as_new(&stored))
        .await
        .expect_refusal(409, "AlreadyExists");
    assert_eq!(again["details"], details);

    let mut stale = stored.clone();
    stale["metadata"]["resourceVersion"] = json!("1");
    let stale = c.put(&c.widget("a"), &stale).await.expect_refusal(409, "Conflict");
    assert_eq!(stale["details"], details);

    let invalid = c
        .patch(&c.widget("a"), &json!({"spec": {"size": "huge"}}))
        .await
        .expect_refusal(422, "Invalid");
    let causes = json!([{
        "reason": "FieldValueNotSupported", "field": "spec.size",
        "message": "Unsupported value: \"huge\": supported values: \"small\", \"large\"",
    }]);
    let expected = json!({"name": "a", "group": "conformance.example.dev", "kind": "Widget", "causes": causes});
    assert_eq!(invalid["details"], expected);
}

fn stored_as_new(stored: &Value) -> Value {
    let mut body = stored.clone();
    body["metadata"] = json!({"name": stored["metadata"]["name"]});
    body
}

async fn unknown_kinds_are_not_found(c: Context) {
    let path = c.path("/apis/conformance.example.dev/v1", "gadgets");
    assert_eq!(c.get(&path).await.code, 404);
    let scale = format!("{}/scale", c.widget("a"));
    c.new_widget("a", small()).await;
    assert_eq!(c.get(&scale).await.code, 404);
}
