//! Regular expressions that a manifest gives. They take time that is linear in the text (the `regex` crate), and their size
//! is bounded here.

use regex::{Regex, RegexBuilder};

/// The most bytes of a compiled expression.
const MOST: usize = 1 << 18;

/// Reads a regular expression.
///
/// # Errors
/// With what is wrong with it, in a line.
pub fn expression(source: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(source).size_limit(MOST).build();
    compiled.map_err(|error| {
        let said = error.to_string();
        let line = said.lines().last().unwrap_or_default().trim();
        format!("it is no regular expression: {line}")
    })
}
