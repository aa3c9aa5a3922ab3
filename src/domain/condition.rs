//! A trigger's `when`: an expression of the Common Expression Language (CEL) over what happened.
//!
//! It decides on texts from outside, so what it may cost is known before it runs: its length, its depth, and the steps that
//! it takes at most with the longest lists and texts that there can be. Its names are those of the prompt's templates.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, operators};
use cel::extractors::This;
use cel::{Context, ExecutionError, Program, Value};

use super::expression::expression;

/// Names that it can use.
pub const NAMES: [&str; 7] = [
    "action",
    "association",
    "comment",
    "issue",
    "pullRequest",
    "repository",
    "sender",
];

/// The most characters of it.
const LENGTH_MAX: usize = 1_024;
/// Brackets within brackets, and signs before an operand.
const DEPTH_MAX: usize = 24;
/// More elements than any list has that it is asked about. Those that it makes itself may have more.
const LIST_MAX: u64 = 128;
/// What one step of joining texts is taken to cost: they may be long.
const JOIN_COST: u64 = 2_000;
/// What one search for a regular expression is taken to cost: it is compiled each time.
const SEARCH_COST: u64 = 20_000;
/// Steps that it may take at most.
const COST_MAX: u64 = 250_000;

/// An expression that can be read, and whose cost is bounded.
#[derive(Debug)]
pub struct Condition(Program);

/// Why an expression says nothing. What it was asked about is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    #[error("it is no CEL expression: {0}")]
    Syntax(String),
    #[error("it has more than {LENGTH_MAX} characters: say part of it with the trigger's other fields")]
    TooLong,
    #[error("it has more than {DEPTH_MAX} levels: write it flatter")]
    TooDeep,
    #[error(
        "it could take too many steps: go through one list at a time, and call matches at most ten times, outside of lists"
    )]
    TooCostly,
    #[error("there is no {name}; the names it can use are {}", NAMES.join(", "))]
    Name { name: String },
    #[error("there is no {name} in what happened")]
    Field { name: String },
    #[error("there is no {path}: {of} {}", offered(.known))]
    Path {
        path: String,
        of: String,
        known: Vec<String>,
    },
    #[error("it compares, joins or calls what does not go together, or is not there")]
    Types,
    #[error("matches: {0}")]
    Pattern(String),
    #[error("it comes to something other than true or false")]
    NotBool,
}

impl Condition {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is none, uses a name that there is not, or may cost too much.
    pub fn parse(source: &str) -> Result<Self, ConditionError> {
        if source.chars().count() > LENGTH_MAX {
            return Err(ConditionError::TooLong);
        }
        if depth(source) > DEPTH_MAX {
            return Err(ConditionError::TooDeep);
        }
        let program = Program::compile(source).map_err(|errors| {
            let first = errors.errors.first();
            ConditionError::Syntax(first.map_or_else(String::new, |error| {
                // The rest is a list of all that could stand there.
                let said = error.msg.split(" expecting ").next().unwrap_or_default();
                format!("character {}: {}", error.pos.1.max(1), said.to_lowercase())
            }))
        })?;
        if cost(program.expression(), longest(program.expression())) > COST_MAX {
            return Err(ConditionError::TooCostly);
        }
        let references = program.references();
        let mut unknown: Vec<_> = references.variables();
        let bound = bound(program.expression());
        unknown.retain(|name| !NAMES.contains(name) && !bound.contains(name));
        unknown.sort_unstable();
        if let Some(name) = unknown.first() {
            let name = (*name).to_owned();
            return Err(ConditionError::Name { name });
        }
        Ok(Self(program))
    }

    /// Whether it is true of what happened, which is a map from [`NAMES`].
    ///
    /// # Errors
    /// When it can't be told of this.
    pub fn holds(&self, happened: &serde_json::Value) -> Result<bool, ConditionError> {
        let mut context = Context::default();
        context.add_function("matches", matches);
        let Ok(Value::Map(happened)) = cel::to_value(happened) else {
            return Err(ConditionError::Types);
        };
        for (name, value) in happened.map.iter() {
            context.add_variable_from_value(name.to_string(), signed(value));
        }
        match self.0.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(ConditionError::NotBool),
            Err(ExecutionError::NoSuchKey(name)) => Err(ConditionError::Field {
                name: name.chars().take(100).collect(),
            }),
            Err(ExecutionError::UndeclaredReference(name)) => Err(ConditionError::Name {
                name: name.chars().take(100).collect(),
            }),
            Err(ExecutionError::FunctionError { function, message }) if function == "matches" => {
                Err(ConditionError::Pattern(message))
            }
            Err(_) => Err(ConditionError::Types),
        }
    }

    /// Whether there can be all that it reads, whichever way its choices go; `happened` has each field that there is.
    ///
    /// # Errors
    /// The first name or field that is in nothing that happens.
    pub fn check(&self, happened: &serde_json::Value) -> Result<(), ConditionError> {
        reads(self.0.expression(), happened, &BTreeSet::new())
    }
}

/// JSON's numbers as `7` in an expression is one: an unsigned 7 would not equal it.
fn signed(value: &Value) -> Value {
    match value {
        Value::UInt(number) => i64::try_from(*number).map_or_else(|_| value.clone(), Value::Int),
        Value::List(elements) => Value::List(Arc::new(elements.iter().map(signed).collect())),
        Value::Map(map) => {
            let entries = map.map.iter().map(|(key, value)| (key.clone(), signed(value)));
            let map = Arc::new(entries.collect());
            Value::Map(cel::objects::Map { map })
        }
        _ => value.clone(),
    }
}

/// In place of the crate's, whose expressions may be of any size.
#[expect(clippy::needless_pass_by_value, reason = "it is called by the crate")]
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    let pattern = expression(&pattern).map_err(|error| ExecutionError::function_error("matches", error))?;
    Ok(pattern.is_match(&text))
}

/// How deep a parser has to go at most: it calls itself for each bracket, each sign before an operand and each choice.
fn depth(source: &str) -> usize {
    let (mut open, mut signs, mut choices, mut deepest) = (0_usize, 0_usize, 0_usize, 0_usize);
    for character in source.chars() {
        match character {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '?' => choices += 1,
            _ => {}
        }
        match character {
            '!' | '-' => signs += 1,
            character if character.is_whitespace() => {}
            _ => signs = 0,
        }
        deepest = deepest.max(open + signs + choices);
    }
    deepest
}

/// The most elements of any list in it, and so of what a name for an element of one stands for.
fn longest(expression: &IdedExpr) -> u64 {
    let inner = parts(expression).into_iter().map(longest).max().unwrap_or(0);
    inner.max(elements(expression))
}

/// The most elements that it may have. What `map` and `filter` make has no more than what they go through.
fn elements(expression: &IdedExpr) -> u64 {
    match &expression.expr {
        Expr::List(list) => u64::try_from(list.elements.len()).unwrap_or(u64::MAX),
        Expr::Comprehension(all) => elements(&all.iter_range),
        Expr::Call(call) if call.func_name == operators::ADD => {
            call.args.iter().map(elements).fold(0, u64::saturating_add)
        }
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
            call.args.iter().map(elements).max().unwrap_or(LIST_MAX)
        }
        _ => LIST_MAX,
    }
}

/// Steps that it takes at most, with lists of so many elements.
fn cost(expression: &IdedExpr, most: u64) -> u64 {
    let sum = |parts: Vec<&IdedExpr>| {
        let parts = parts.into_iter().map(|part| cost(part, most));
        parts.fold(0, u64::saturating_add)
    };
    let inner = match &expression.expr {
        Expr::Comprehension(all) => {
            let each = sum(vec![&all.loop_cond, &all.loop_step]);
            // What `map` and `filter` join in each step is a list and one element.
            let each = each.saturating_sub(if adds_an_element(&all.loop_step) { JOIN_COST } else { 0 });
            let once = sum(vec![&all.iter_range, &all.accu_init, &all.result]);
            each.saturating_mul(most).saturating_add(once)
        }
        Expr::Call(call) => {
            let own = match call.func_name.as_str() {
                operators::ADD => JOIN_COST,
                "matches" => SEARCH_COST,
                _ => 0,
            };
            sum(parts(expression)).saturating_add(own)
        }
        _ => sum(parts(expression)),
    };
    inner.saturating_add(1)
}

fn adds_an_element(step: &IdedExpr) -> bool {
    let Expr::Call(call) = &step.expr else { return false };
    let is_list = |part: &&IdedExpr| matches!(part.expr, Expr::List(_));
    match call.func_name.as_str() {
        operators::ADD => call.args.iter().any(|part| is_list(&part)),
        operators::CONDITIONAL => call.args.iter().any(adds_an_element),
        _ => false,
    }
}

/// The names that lists are gone through with.
fn bound(expression: &IdedExpr) -> BTreeSet<&str> {
    let mut names: BTreeSet<_> = parts(expression).into_iter().flat_map(bound).collect();
    if let Expr::Comprehension(all) = &expression.expr {
        names.extend(variables(all));
    }
    names
}

fn variables(all: &ComprehensionExpr) -> impl Iterator<Item = &str> {
    let own = [all.iter_var.as_str(), all.accu_var.as_str()];
    own.into_iter().chain(all.iter_var2.as_deref())
}

/// What is only asked to be there may be missing, and a list's own name for an element is none of what happened.
fn reads<'a>(
    expression: &'a IdedExpr,
    happened: &serde_json::Value,
    own: &BTreeSet<&'a str>,
) -> Result<(), ConditionError> {
    if let Some(path) = path(expression) {
        return if own.contains(path[0]) {
            Ok(())
        } else {
            lookup(happened, &path)
        };
    }
    let Expr::Comprehension(all) = &expression.expr else {
        let mut parts = parts(expression).into_iter();
        return parts.try_for_each(|part| reads(part, happened, own));
    };
    reads(&all.iter_range, happened, own)?;
    let mut own = own.clone();
    own.extend(variables(all));
    let mut inner = [&all.accu_init, &all.loop_cond, &all.loop_step, &all.result].into_iter();
    inner.try_for_each(|part| reads(part, happened, &own))
}

fn path(expression: &IdedExpr) -> Option<Vec<&str>> {
    match &expression.expr {
        Expr::Ident(name) => Some(vec![name.as_str()]),
        Expr::Select(select) if !select.test => {
            let mut path = path(&select.operand)?;
            path.push(&select.field);
            Some(path)
        }
        _ => None,
    }
}

fn lookup(happened: &serde_json::Value, path: &[&str]) -> Result<(), ConditionError> {
    let mut value = happened;
    for (depth, name) in path.iter().enumerate() {
        let Some(inner) = value.get(name) else {
            let of = path[..depth].join(".");
            let fields = value.as_object().into_iter().flat_map(serde_json::Map::keys);
            return Err(ConditionError::Path {
                path: path[..=depth].join("."),
                of: if of.is_empty() { "what happened".to_owned() } else { of },
                known: fields.cloned().collect(),
            });
        };
        value = inner;
    }
    Ok(())
}

fn offered(known: &[String]) -> String {
    if known.is_empty() {
        return "has no fields".to_owned();
    }
    format!("has {}", known.join(", "))
}

fn parts(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(all) => vec![
            &all.iter_range,
            &all.accu_init,
            &all.loop_cond,
            &all.loop_step,
            &all.result,
        ],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(entry).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(fields) => fields.entries.iter().flat_map(entry).collect(),
    }
}

fn entry(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
    match &entry.expr {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn happened() -> serde_json::Value {
        json!({
            "action": "labeled", "sender": "alice", "association": "MEMBER", "repository": "acme/api",
            "issue": {"number": 7, "title": "Flaky test", "body": "See {{ log }}", "labels": ["agent", "bug"],
                      "author": "bob", "milestone": null},
            "comment": {"body": "", "author": "alice"},
        })
    }

    fn holds(source: &str) -> Result<bool, ConditionError> {
        Condition::parse(source)?.holds(&happened())
    }

    #[test]
    fn what_it_says() {
        let table = [
            ("issue.title.startsWith('Flaky')", Ok(true)),
            ("issue.labels.exists(l, l == 'bug') && issue.number < 10", Ok(true)),
            ("issue.labels.all(l, l.startsWith('a'))", Ok(false)),
            ("issue.labels.filter(l, l != 'bug').size() == 1", Ok(true)),
            (
                "issue.labels.map(l, l + '!')[0] == 'agent!'",
                Err(ConditionError::TooCostly),
            ),
            ("'bug' in issue.labels && !('wontfix' in issue.labels)", Ok(true)),
            ("issue.body.matches('(?i)see .*log')", Ok(true)),
            ("issue.milestone == null", Ok(true)),
            ("issue.number == 7", Ok(true)),
            (
                "association in ['OWNER', 'MEMBER'] ? sender != issue.author : false",
                Ok(true),
            ),
            ("size(issue.body) > 100", Ok(false)),
            ("has(issue.draft)", Ok(false)),
        ];
        for (source, expected) in table {
            assert_eq!(holds(source), expected, "{source}");
        }
    }

    #[test]
    fn what_is_asked_for_and_never_there() {
        let issue = "has author, body, labels, milestone, number, title";
        let all = "has action, association, comment, issue, repository, sender";
        let table = [
            ("issue.title == 'x' && comment.body == ''", Ok(())),
            ("issue.labels.exists(issue, issue == 'x')", Ok(())),
            (
                "issue.labels.exists(issue, issue == 'x') || issue.titel == 'x'",
                Err(format!("there is no issue.titel: issue {issue}")),
            ),
            ("has(issue.draft) && issue.labels.size() > 0", Ok(())),
            (
                "true || issue.titel == 'x'",
                Err(format!("there is no issue.titel: issue {issue}")),
            ),
            (
                "action == 'opened' && pullRequest.draft",
                Err(format!("there is no pullRequest: what happened {all}")),
            ),
            (
                "action == 'opened' && issue.author.login == 'x'",
                Err("there is no issue.author.login: issue.author has no fields".to_owned()),
            ),
            (
                "action == 'opened' && issue.milestone.title == 'x'",
                Err("there is no issue.milestone.title: issue.milestone has no fields".to_owned()),
            ),
            (
                "issue.labels.all(l, l == issue.nope)",
                Err(format!("there is no issue.nope: issue {issue}")),
            ),
        ];
        for (source, expected) in table {
            let checked = Condition::parse(source).unwrap().check(&happened());
            assert_eq!(checked.map_err(|error| error.to_string()), expected, "{source}");
        }
    }

    #[test]
    fn what_is_wrong_with_it() {
        let table = [
            ("issue['titel'] == 'x'", "there is no titel in what happened"),
            (
                "isue.title == 'x'",
                "there is no isue; the names it can use are action, association, comment, issue, pullRequest, repository, sender",
            ),
            ("issue.title", "it comes to something other than true or false"),
            (
                "issue.title < 3",
                "it compares, joins or calls what does not go together, or is not there",
            ),
            (
                "issue.body.matches('(')",
                "matches: it is no regular expression: error: unclosed group",
            ),
            (
                "issue.title.shout()",
                "there is no shout; the names it can use are action, association, comment, issue, pullRequest, repository, sender",
            ),
        ];
        for (source, expected) in table {
            assert_eq!(
                holds(source).map_err(|error| error.to_string()),
                Err(expected.to_owned()),
                "{source}"
            );
        }
        for source in ["", "issue.title ==", "a b", "'", "issue.title == \"x"] {
            assert!(
                matches!(holds(source), Err(ConditionError::Syntax(_))),
                "{source:?}: {:?}",
                holds(source)
            );
        }
        let long = "true ".repeat(300);
        assert_eq!(holds(&long), Err(ConditionError::TooLong));
    }

    /// What would take long, or call a parser too deep for its stack, is refused and not tried.
    #[test]
    fn what_could_cost_too_much() {
        let deep = [
            format!("{}true{}", "(".repeat(500), ")".repeat(500)),
            format!("{}true", "!".repeat(1_000)),
            format!("{}1 < 0", "- ".repeat(500)),
            format!("{}1{}", "[".repeat(500), "]".repeat(500)),
            format!("{}true", "true ? true : ".repeat(70)),
        ];
        for source in deep {
            assert_eq!(holds(&source), Err(ConditionError::TooDeep), "{source}");
        }
        let costly = [
            "issue.labels.all(a, issue.labels.all(b, issue.labels.all(c, a == b && b == c)))".to_owned(),
            "issue.labels.exists(l, l.matches('a+'))".to_owned(),
            "issue.labels.exists(l, (issue.body + issue.body + l).contains('x'))".to_owned(),
            vec!["issue.body.matches('a')"; 20].join(" || "),
            format!(
                "({}).all(a, issue.labels.all(b, a != b || true))",
                vec!["issue.labels"; 61].join(" + ")
            ),
            format!(
                "[{}].all(a, issue.labels.all(b, a != b || true))",
                vec!["0"; 450].join(",")
            ),
            format!(
                "[{}].all(a, a.all(b, a.all(c, b != c)))",
                vec!["issue.labels"; 20].join(" + ")
            ),
        ];
        for source in costly {
            assert_eq!(holds(&source), Err(ConditionError::TooCostly), "{source}");
        }
    }

    #[test]
    fn the_deepest_that_is_read_fits_the_stack_of_a_worker() {
        let sources = [
            format!("{}true{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX)),
            format!("{}true", "!".repeat(DEPTH_MAX)),
            format!("issue.title{}", ".x".repeat(500)),
            vec!["true"; 120].join(" && "),
            vec!["1"; 500].join("+"),
        ];
        let read = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
            for source in sources {
                let _ = holds(&source);
            }
        });
        read.unwrap().join().unwrap();
    }

    proptest! {
        #[test]
        fn nothing_panics(source in "[a-z.()\\[\\]{}!?:'\"0-9 +*/<=&|,-]{0,80}") {
            let _ = holds(&source);
        }

        #[test]
        fn nothing_made_of_its_words_panics(words in prop::collection::vec(prop::sample::select(vec![
            "issue", ".title", ".labels", "(", ")", "==", "&&", "||", "!", "'x'", "1", "0", "/", "%", "-", "[", "]", ".all(l, ",
            ".exists(", "l", ",", "?", ":", " in ", ".matches(", ".size()", "null", "true", "{", "}", "9223372036854775807", "u", "b'\\xff'",
            "timestamp(", "duration(", ".getFullYear()", "int(", "string(", "max(", "optional.of(", ".?", "has(",
        ]), 0..20)) {
            let _ = holds(&words.concat());
        }
    }
}
