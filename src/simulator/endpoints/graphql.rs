//! The one GraphQL query there is: `node(id:)` of a pull request.
//!
//! No parser: the id is the variable or literal that names a pull request, and of its fields those come back whose name
//! stands in the query.

use serde_json::{Map, Value, json};

use crate::simulator::{
    exchange::Context,
    pull::Pull,
    reply::{Mistake, Refusal, Reply},
    state::State,
};

pub(in crate::simulator) fn answer(state: &State, context: &Context<'_>) -> Result<Reply, Refusal> {
    let body = context.call.json()?;
    let missing = || Refusal::Invalid(vec![Mistake::MissingField]);
    let query = body.get("query").and_then(Value::as_str).ok_or_else(missing)?;
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
    let named = |pull: &Pull<'_>| {
        let quoted = format!("\"{}\"", pull.node_id());
        query.contains(&quoted) || variables.contains(&quoted)
    };
    let token = &context.caller.token;
    let repositories = state.repositories.iter().filter(|repository| token.reaches(repository));
    let readable = repositories.filter(|repository| token.may_read_pulls(repository).is_ok());
    readable
        .flat_map(|repository| state.pulls_of(repository, context.view))
        .find(named)
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
    let selection = query
        .split_once("node(")
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
