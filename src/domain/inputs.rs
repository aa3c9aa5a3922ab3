//! What whoever asks for a task may say: declared by the automation, given with the task, and checked before anything
//! starts.

use std::collections::BTreeMap;

use regex::Regex;

use super::expression::expression;
use super::outside::is_hiding;
use crate::api::automation::Input;

/// The most characters of a value.
pub const MAX: usize = 1_024;

/// Values by the names of the inputs that were declared; those that are optional and were not given are empty.
pub type Values = BTreeMap<String, String>;

/// Why what was given does not do, or why what is declared can't.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("input {name} is missing: it is required{description}")]
    Missing { name: String, description: String },
    #[error("there is no input {name}: {}", names(.known))]
    Unknown { name: String, known: Vec<String> },
    #[error("input {name} has {count} characters: write at most {MAX}")]
    TooLong { name: String, count: usize },
    #[error("input {name} holds a character that can't be seen: write text")]
    Unprintable { name: String },
    #[error("input {name} must match {pattern}")]
    Mismatch { name: String, pattern: String },
    #[error("input {name} must be one of {}", .choices.join(", "))]
    NoChoice { name: String, choices: Vec<String> },
    #[error("{detail}")]
    Pattern { detail: String },
}

/// The values of a task's inputs.
///
/// # Errors
/// With the first that does not do.
pub fn values(declared: &[Input], given: &Values) -> Result<Values, InputError> {
    if let Some(name) = given
        .keys()
        .find(|name| declared.iter().all(|input| input.name != **name))
    {
        let known = declared.iter().map(|input| input.name.clone()).collect();
        let name = name.clone();
        return Err(InputError::Unknown { name, known });
    }
    declared
        .iter()
        .map(|input| Ok((input.name.clone(), value(input, given.get(&input.name))?)))
        .collect()
}

/// What is wrong with a declaration, by the field of it.
#[must_use]
pub fn problem(input: &Input) -> Option<(&'static str, InputError)> {
    if let Some(error) = input.pattern.as_deref().and_then(|pattern| compile(pattern).err()) {
        return Some(("pattern", error));
    }
    let default = input.default.as_ref()?;
    check(input, default).err().map(|error| ("default", error))
}

fn value(input: &Input, given: Option<&String>) -> Result<String, InputError> {
    match given.or(input.default.as_ref()) {
        Some(value) => check(input, value).map(|()| value.clone()),
        None if input.required => Err(InputError::Missing {
            name: input.name.clone(),
            description: described(input),
        }),
        None => Ok(String::new()),
    }
}

fn check(input: &Input, value: &str) -> Result<(), InputError> {
    let name = input.name.clone();
    let count = value.chars().count();
    if count > MAX {
        return Err(InputError::TooLong { name, count });
    }
    // Who approves a task reads its inputs, and the agent must read no more than they.
    if is_hiding(value) {
        return Err(InputError::Unprintable { name });
    }
    if !input.choices.is_empty() && !input.choices.iter().any(|choice| choice == value) {
        let choices = input.choices.clone();
        return Err(InputError::NoChoice { name, choices });
    }
    match &input.pattern {
        Some(pattern) if !compile(pattern)?.is_match(value) => Err(InputError::Mismatch {
            name,
            pattern: pattern.clone(),
        }),
        _ => Ok(()),
    }
}

fn compile(pattern: &str) -> Result<Regex, InputError> {
    expression(&format!("^(?:{pattern})$")).map_err(|detail| InputError::Pattern { detail })
}

fn described(input: &Input) -> String {
    if input.description.is_empty() {
        String::new()
    } else {
        format!(" ({})", input.description)
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        "the automation declares none".to_owned()
    } else {
        format!("the automation declares {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> Vec<Input> {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn what_is_given_and_what_is_made_of_it() {
        let one = "[{name: package, description: what to update, required: true, pattern: '[a-z]+'},
                    {name: level, enum: [minor, major], default: minor}, {name: note}]";
        let long = format!("{{package: serde, note: {}}}", "x".repeat(MAX + 1));
        let unseen = "input note holds a character that can't be seen: write text";
        // No width, another direction, and a tag.
        let hiding = ["\\u200B", "\\u202E", "\\U000E0041"].map(|it| format!("{{package: serde, note: \"a{it}b\"}}"));
        let table = [
            (one, "{package: serde}", "level=minor note= package=serde"),
            (
                one,
                "{package: serde, level: major, note: why}",
                "level=major note=why package=serde",
            ),
            (one, "{}", "input package is missing: it is required (what to update)"),
            (one, "{package: serde2}", "input package must match [a-z]+"),
            (one, "{package: ''}", "input package must match [a-z]+"),
            (one, "{package: \"a\\nb\"}", "input package must match [a-z]+"),
            (
                one,
                "{package: serde, level: huge}",
                "input level must be one of minor, major",
            ),
            (
                one,
                "{package: serde, pakage: x}",
                "there is no input pakage: the automation declares package, level, note",
            ),
            ("[]", "{x: y}", "there is no input x: the automation declares none"),
            (
                one,
                "{package: serde, note: \"a\\u0007\"}",
                "input note holds a character that can't be seen: write text",
            ),
            (one, hiding[0].as_str(), unseen),
            (one, hiding[1].as_str(), unseen),
            (one, hiding[2].as_str(), unseen),
            (
                one,
                "{package: serde, note: \"ship it 👩\\u200d💻\\tto\\nall\"}",
                "level=minor note=ship it 👩\u{200d}💻\tto\nall package=serde",
            ),
            (one, &long, "input note has 1025 characters: write at most 1024"),
        ];
        for (inputs, given, expected) in table {
            let given: Values = serde_saphyr::from_str(given).unwrap();
            let said = match values(&declared(inputs), &given) {
                Ok(values) => {
                    let pairs: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    pairs.join(" ")
                }
                Err(error) => error.to_string(),
            };
            assert_eq!(said, expected, "{given:?}");
        }
    }

    #[test]
    fn declarations_that_cannot_work() {
        let table = [
            ("{name: a}", None),
            ("{name: a, pattern: '[a-z]+', default: b}", None),
            (
                "{name: a, pattern: '('}",
                Some("pattern: it is no regular expression: error: unclosed group"),
            ),
            (
                "{name: a, pattern: '[a-z]+', default: B}",
                Some("default: input a must match [a-z]+"),
            ),
            (
                "{name: a, enum: [x], default: y}",
                Some("default: input a must be one of x"),
            ),
        ];
        for (text, expected) in table {
            let input: Input = serde_saphyr::from_str(text).unwrap();
            let said = problem(&input).map(|(field, error)| format!("{field}: {error}"));
            assert_eq!(said.as_deref(), expected, "{text}");
        }
    }
}
