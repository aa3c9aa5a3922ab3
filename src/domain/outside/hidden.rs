//! What a page does not show: characters without a form of their own, and comments.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Emoji that are written in several characters, of which some can't be seen alone; else what can't be seen. By Unicode's
/// properties: control, format, private, default ignorable and noncharacters, but for line feed, tab and the Arabic
/// signs that are format by category and drawn nonetheless. The rest are blanks by look and not by property: a Hangul and
/// a Khitan filler, the empty Braille cell, the object replacement character.
///
/// An emoji may have one selector or tone after each picture, and joiners between pictures alone: what is hidden in the
/// choice is a bit for each picture seen.
#[allow(clippy::expect_used, reason = "a constant, compiled by every test here")]
static CHARACTERS: LazyLock<Regex> = LazyLock::new(|| {
    let picture = r"\p{Extended_Pictographic}(?:[\u{1F3FB}-\u{1F3FF}]|\u{FE0E}|\u{FE0F})?";
    let hidden = r"[\p{Cc}\p{Cf}\p{Co}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u{2800}\u{FFFC}\u{16FE4}--[\n\t\p{Prepended_Concatenation_Mark}]]";
    let pattern = format!(r"(?<emoji>{picture}(?:\u{{200D}}{picture})*|[0-9#*]\u{{FE0F}}\u{{20E3}})|{hidden}+");
    Regex::new(&pattern).expect("the pattern is a constant")
});

/// Everything that ends a line, here or for another reader, as a line feed.
pub fn with_plain_breaks(text: &str) -> String {
    let breaks = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    text.replace("\r\n", "\n").replace(breaks, "\n")
}

pub fn without_characters(text: &str) -> Cow<'_, str> {
    CHARACTERS.replace_all(text, |found: &Captures| {
        found.name("emoji").map_or("", |emoji| emoji.as_str()).to_owned()
    })
}

/// Leaves a space for each comment, declaration, processing instruction and CDATA section, so that what stood on both sides of it opens no new
/// one. Browsers and Markdown disagree about where some of them end; the last end is taken, and without one all is hidden.
pub fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = split_at_comment(rest) {
        out.push_str(before);
        out.push(' ');
        rest = after;
    }
    out.push_str(rest);
    out
}

fn split_at_comment(text: &str) -> Option<(&str, &str)> {
    let mut opened = text.match_indices(['<']).map(|(at, _)| text.split_at(at));
    let (before, comment) = opened.find(|(_, rest)| closing(rest).is_some())?;
    Some((before, after(comment)))
}

fn after(comment: &str) -> &str {
    let Some(close) = closing(comment) else {
        return comment;
    };
    let Some((inside, rest)) = comment[2..].split_once(close) else {
        return "";
    };
    // To a browser a CDATA section ends at its first `>`, and what follows may be a comment that goes on.
    match inside.find("<!--").filter(|_| close != COMMENT_END) {
        Some(at) => after(&comment[2 + at..]),
        None => rest,
    }
}

const COMMENT_END: &str = "-->";

/// How what begins here ends.
fn closing(text: &str) -> Option<&'static str> {
    if text.starts_with("<?") {
        return Some("?>");
    }
    let inside = text.strip_prefix("<!")?;
    if inside.starts_with("--") {
        return Some(COMMENT_END);
    }
    if inside.starts_with("[CDATA[") {
        return Some("]]>");
    }
    inside
        .starts_with(|first: char| first.is_ascii_alphabetic())
        .then_some(">")
}
