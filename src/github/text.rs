//! Text from outside that is kept for people to read.

use super::token::Token;

/// The most characters that are kept of a message.
pub(super) const MESSAGE_MAX: usize = 500;

/// At most [`MESSAGE_MAX`] characters, on one line, without control characters, surrounding white space and the token.
pub(super) fn message(text: &str, token: &Token) -> String {
    bounded(&token.redact(text))
}

/// As [`message`], for text that is made on this side and cannot hold a token.
pub(super) fn bounded(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MESSAGE_MAX {
        return line;
    }
    line.chars().take(MESSAGE_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bounded_line_without_the_token() {
        let token = Token::parse("ghp_secret").unwrap();
        let table = [
            ("Not Found".to_owned(), "Not Found".to_owned()),
            ("  a\r\n\tb\u{1b}[31m\0c ".to_owned(), "a b [31m c".to_owned()),
            ("is ghp_secret yours?".to_owned(), "is *** yours?".to_owned()),
            ("ä".repeat(500), "ä".repeat(500)),
            ("ä".repeat(501), format!("{}…", "ä".repeat(499))),
            (
                format!("{}ghp_secret", "x".repeat(495)),
                format!("{}***", "x".repeat(495)),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(message(&text, &token), expected);
        }
    }
}
