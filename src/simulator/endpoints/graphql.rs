//! The GraphQL queries there are: `node(id:)` of a pull request, and `issueOrPullRequest(number:)` of a repository.
//!
//! No parser: the id is the variable or literal that names a pull request, the number is a variable, and of the fields those
//! come back whose name stands in the query.

use serde_json::{Map, Value, json};

use crate::simulator::{
    exchange::Context,
    issue::Subject,
    pull::Pull,
    reply::{Mistake, Refusal, Reply},
    state::State,
};

/// GitHub gives at most a hundred.
const FILES_PER_PAGE: usize = 100;

pub(in crate::simulator) fn answer(state: &State, context: &Context<'_>) -> Result<Reply, Refusal> {
    let body = context.call.json()?;
    let missing = || Refusal::Invalid(vec![Mistake::MissingField]);
    let query = body.get("query").and_then(Value::as_str).ok_or_else(missing)?;
    if query.contains("issueOrPullRequest(") {
        return Ok(Reply::ok(numbered(state, context, query, body.get("variables"))));
    }
    let variables = body.get("variables").map(Value::to_string).unwrap_or_default();
    let data = match find(state, context, query, &variables) {
        Some(pull) => json!({"data": {"node": selected(&pull, query)}}),
        None => json!({
            "data": {"node": null},
            "errors": [{
                "type": "NOT_FOUND",
                "path": ["node"],
                "message": "Could not resolve to a node with the global id",
            }],
        }),
    };
    Ok(Reply::ok(data))
}

fn find<'a>(state: &'a State, context: &Context<'_>, query: &str, variables: &str) -> Option<Pull<'a>> {
    let is_named = |pull: &Pull<'_>| {
        let quoted = format!("\"{}\"", pull.node_id());
        query.contains(&quoted) || variables.contains(&quoted)
    };
    let token = &context.caller.token;
    let repositories = state.repositories.iter().filter(|repository| token.reaches(repository));
    let readable = repositories.filter(|repository| token.may_read_pulls(repository).is_ok());
    readable
        .flat_map(|repository| state.pulls_of(repository, context.view))
        .find(is_named)
}

fn selected(pull: &Pull<'_>, query: &str) -> Value {
    let state = if pull.life.merged_at.is_some() {
        "MERGED"
    } else if pull.is_open() {
        "OPEN"
    } else {
        "CLOSED"
    };
    let all = json!({
        "__typename": "PullRequest",
        "id": pull.node_id(),
        "databaseId": pull.id(),
        "fullDatabaseId": pull.id().to_string(),
        "number": pull.number(),
        "url": pull.html_url(),
        "title": pull.title(),
        "state": state,
        "isDraft": !pull.life.ready,
        "merged": pull.life.merged_at.is_some(),
        "mergedAt": pull.life.merged_at.map(|at| crate::simulator::render::second(at).to_string()),
        "headRefName": pull.head_ref(),
        "baseRefName": pull.base_ref(),
    });
    named(all, query, "node(")
}

/// What is asked of an issue or a pull request by its number. What the token may not read is not there.
fn numbered(state: &State, context: &Context<'_>, query: &str, variables: Option<&Value>) -> Value {
    let given = |name: &str| variables.and_then(|variables| variables.get(name));
    let text = |name: &str| given(name).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}/{}", text("owner"), text("name"));
    let number = given("number").and_then(Value::as_u64).unwrap_or_default();
    let token = &context.caller.token;
    let problem = |kind: &str, message: &str, data: Value| json!({"data": data, "errors": [{"type": kind, "path": ["repository"], "message": message}]});
    let repositories = state.repositories.iter().filter(|repository| token.reaches(repository));
    let Some(repository) = repositories
        .into_iter()
        .find(|repository| repository.name.eq_ignore_ascii_case(&name))
    else {
        let message = format!("Could not resolve to a Repository with the name '{name}'.");
        return problem("NOT_FOUND", &message, json!({"repository": null}));
    };
    let nothing = json!({"repository": {"issueOrPullRequest": null}});
    let Some(subject) = state.subject(repository, number, context.view) else {
        let message = format!("Could not resolve to an issue or pull request with the number of {number}.");
        return problem("NOT_FOUND", &message, nothing);
    };
    let readable = match &subject {
        Subject::Issue(..) => token.may_read_issues(repository),
        Subject::Pull(_) => token.may_read_pulls(repository),
    };
    if readable.is_err() {
        return problem("FORBIDDEN", "Resource not accessible by personal access token", nothing);
    }
    let after = text("after").parse().unwrap_or(0);
    let found = named(whole(&subject, after), query, "issueOrPullRequest(");
    json!({"data": {"repository": {"issueOrPullRequest": found}}})
}

fn whole(subject: &Subject<'_>, after: usize) -> Value {
    let card = subject.card();
    let second = |at| crate::simulator::render::second(at).to_string();
    let mut all = json!({
        "__typename": "Issue",
        "number": subject.number(),
        "title": subject.title(),
        "body": card.body.clone().unwrap_or_default(),
        "closed": !subject.is_open(),
        "lastEditedAt": card.edited_at.map(second),
        "timelineItems": {"nodes": card.renamed_at.map(|at| json!({"createdAt": second(at)})).as_slice()},
        "labels": {"nodes": card.labels.iter().map(|label| json!({"name": label})).collect::<Vec<_>>()},
    });
    if let Subject::Pull(pull) = subject {
        let files = pull.files();
        let page = files.iter().skip(after).take(FILES_PER_PAGE);
        let end = after + page.len();
        all["__typename"] = json!("PullRequest");
        all["isDraft"] = json!(!pull.life.ready);
        all["baseRefName"] = json!(pull.base_ref());
        all["headRefName"] = json!(pull.head_ref());
        all["isCrossRepository"] = json!(pull.head_repository() != pull.repository.name);
        all["files"] = json!({
            "nodes": page.map(|path| json!({"path": path})).collect::<Vec<_>>(),
            "pageInfo": {"hasNextPage": end < files.len(), "endCursor": end.to_string()},
        });
    }
    all
}

/// Of the fields those that the query names after a call.
fn named(all: Value, query: &str, call: &str) -> Value {
    let selection = query
        .split_once(call)
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(_, rest)| rest);
    let words: Vec<&str> = selection.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let Value::Object(all) = all else { return Value::Null };
    Value::Object(
        all.into_iter()
            .filter(|(name, _)| words.contains(&name.as_str()))
            .collect::<Map<_, _>>(),
    )
}
