//! The patterns of allowlists: for branches, repositories and namespaces.
//!
//! `*` stands for any run of characters other than `/`, `**` for any run at all, `?` for one character other than `/`;
//! all else stands for itself, and the whole text has to match. Texts come from outside (branch names), so matching
//! follows all possibilities at once instead of going back: its work is bounded by the text's length times the
//! pattern's, whatever they hold.

use std::fmt;

/// The most characters in a pattern.
const MAX_CHARS: usize = 256;

/// Whether `A` matches `a`. Branches and namespaces are [`Case::Sensitive`]; GitHub's repositories are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    Sensitive,
    /// Disregards the case of ASCII letters.
    Insensitive,
}

/// A valid pattern. [`Display`](fmt::Display) gives it as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    source: String,
    case: Case,
    tokens: Vec<Token>,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("the pattern is empty and would match nothing: write \"**\" to match all, or leave the entry out")]
    Empty,
    #[error("the pattern has {0} characters: use at most 256")]
    TooLong(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Literal(char),
    OneInSegment,
    ManyInSegment,
    Many,
}

impl Pattern {
    /// Reads a pattern of 1 to 256 characters.
    pub fn parse(source: &str, case: Case) -> Result<Self, PatternError> {
        match source.chars().count() {
            0 => Err(PatternError::Empty),
            1..=MAX_CHARS => Ok(Self {
                source: source.to_owned(),
                case,
                tokens: tokens(source, case),
            }),
            length => Err(PatternError::TooLong(length)),
        }
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let end = self.tokens.len();
        let mut reached = vec![false; end + 1];
        reached[0] = true;
        self.skip_empty_runs(&mut reached);
        for character in text.chars().map(|character| fold(character, self.case)) {
            let mut next = vec![false; end + 1];
            for (index, token) in self.tokens.iter().enumerate().filter(|(index, _)| reached[*index]) {
                match token.step(character) {
                    Step::Stop => {}
                    Step::Stay => next[index] = true,
                    Step::Advance => next[index + 1] = true,
                }
            }
            self.skip_empty_runs(&mut next);
            reached = next;
        }
        reached[end]
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    fn skip_empty_runs(&self, reached: &mut [bool]) {
        for (index, token) in self.tokens.iter().enumerate() {
            if reached[index] && matches!(token, Token::Many | Token::ManyInSegment) {
                reached[index + 1] = true;
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

enum Step {
    Stop,
    Stay,
    Advance,
}

impl Token {
    fn step(self, character: char) -> Step {
        match self {
            Self::Literal(expected) if expected == character => Step::Advance,
            Self::OneInSegment if character != '/' => Step::Advance,
            Self::ManyInSegment if character != '/' => Step::Stay,
            Self::Many => Step::Stay,
            Self::Literal(_) | Self::OneInSegment | Self::ManyInSegment => Step::Stop,
        }
    }
}

fn tokens(source: &str, case: Case) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(source.len());
    for character in source.chars() {
        match (character, tokens.last()) {
            ('*', Some(Token::Many)) => {}
            ('*', Some(Token::ManyInSegment)) => {
                tokens.pop();
                tokens.push(Token::Many);
            }
            ('*', _) => tokens.push(Token::ManyInSegment),
            ('?', _) => tokens.push(Token::OneInSegment),
            (literal, _) => tokens.push(Token::Literal(fold(literal, case))),
        }
    }
    tokens
}

fn fold(character: char, case: Case) -> char {
    match case {
        Case::Sensitive => character,
        Case::Insensitive => character.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matching() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("main", &["main"], &["", "Main", "main2", "xmain", "main/x"]),
            (
                "release/*",
                &["release/1.2", "release/"],
                &["release", "release/1/2", "xrelease/1"],
            ),
            (
                "release/**",
                &["release/1.2", "release/1/2", "release/"],
                &["release", "prerelease/1"],
            ),
            ("*", &["", "main", "a.b"], &["a/b", "/"]),
            ("**", &["", "main", "a/b", "/"], &[]),
            ("***", &["", "main", "a/b"], &[]),
            ("acme/*", &["acme/api"], &["acme/api/x", "acme2/api", "ACME/api"]),
            ("*-api", &["-api", "x-api", "x-api-api"], &["x-apis", "a/x-api"]),
            ("v?.*", &["v1.", "v1.2", "vä.x"], &["v.1", "v12.1", "v/.1"]),
            ("a**z", &["az", "a/b/z"], &["a", "zaz"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a", "a/b"]),
            ("[a].{b}\\", &["[a].{b}\\"], &["a.b", "[a]x{b}\\"]),
        ];
        for (pattern, hits, misses) in table {
            let parsed = Pattern::parse(pattern, Case::Sensitive).unwrap();
            for (texts, expected) in [(hits, true), (misses, false)] {
                for text in *texts {
                    assert_eq!(parsed.matches(text), expected, "{pattern:?} on {text:?}");
                }
            }
        }
    }

    #[test]
    fn case_matters_only_when_asked_for() {
        let sensitive = Pattern::parse("Acme/*-API", Case::Sensitive).unwrap();
        let insensitive = Pattern::parse("Acme/*-API", Case::Insensitive).unwrap();
        assert!(sensitive.matches("Acme/x-API") && insensitive.matches("Acme/x-API"));
        assert!(!sensitive.matches("acme/x-api") && insensitive.matches("acme/x-api"));
        assert_eq!(insensitive.to_string(), "Acme/*-API");
    }

    #[test]
    fn lengths() {
        assert_eq!(Pattern::parse("", Case::Sensitive), Err(PatternError::Empty));
        assert!(Pattern::parse(&"ä".repeat(256), Case::Sensitive).is_ok());
        assert_eq!(
            Pattern::parse(&"ä".repeat(257), Case::Sensitive),
            Err(PatternError::TooLong(257))
        );
    }

    /// A matcher that goes back would not come to an end.
    #[test]
    fn the_worst_pattern_takes_bounded_work() {
        let pattern = Pattern::parse(&"*a".repeat(128), Case::Sensitive).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(2_000))));
        assert!(pattern.matches(&"a".repeat(2_000)));
    }

    /// The definition, slow and plain.
    fn oracle(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', '*', rest @ ..] => (0..=text.len()).any(|taken| oracle(rest, &text[taken..])),
            ['*', rest @ ..] => (0..=text.len())
                .take_while(|&taken| !text[..taken].contains(&'/'))
                .any(|taken| oracle(rest, &text[taken..])),
            ['?', rest @ ..] => text.first().is_some_and(|&first| first != '/') && oracle(rest, &text[1..]),
            [literal, rest @ ..] => text.first() == Some(literal) && oracle(rest, &text[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_the_definition(pattern in "[ab/*?]{1,7}", text in "[ab/]{0,7}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let parsed = Pattern::parse(&pattern, Case::Sensitive).unwrap();
            prop_assert_eq!(parsed.matches(&text), oracle(&chars(&pattern), &chars(&text)));
        }
    }
}
