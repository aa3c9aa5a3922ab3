//! Definitions of links and footnotes in Markdown. They stand in the text and not on the page, which makes them a
//! place for comments (`[//]: # (like this)`).
//!
//! A definition of a link to the web stays without its title, because the text may use it by its short label.
//! Where Markdown is not sure to hide what looks like a definition (in code, within a paragraph), it goes as well.

use std::sync::LazyLock;

use regex::Regex;

/// The most characters of the label of a definition that stays.
const LABEL_MAX: usize = 40;

#[allow(clippy::expect_used, reason = "a constant, compiled by every test here")]
static DEFINITION: LazyLock<Regex> = LazyLock::new(|| {
    let label = r"\[(?<label>(?:[^\[\]\\]|\\.)+)\]:";
    let destination = r"[ \t]*(?:\n[ \t>]*)?(?<destination><[^<>\n]*>|[^\s<]\S*)";
    Regex::new(&format!("{BEGIN}{label}{destination}")).expect("the pattern is a constant")
});

#[allow(clippy::expect_used, reason = "a constant, compiled by every test here")]
static FOOTNOTE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!(r"{BEGIN}\[\^[^\]\s]+\]:")).expect("the pattern is a constant"));

#[allow(clippy::expect_used, reason = "a constant, compiled by every test here")]
static TITLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^(?:[ \t]+|[ \t]*\n[ \t>]*)(?<open>["'(])"#).expect("the pattern is a constant"));

/// Where a definition may stand in a line: first, in a quote, in an item of a list.
const BEGIN: &str = r"^[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t>]+)*";

/// The text without them. Each leaves an empty line.
pub fn without(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_footnote = false;
    for paragraph in paragraphs(text) {
        let is_indented = paragraph.starts_with("    ") || paragraph.starts_with('\t');
        if in_footnote && (is_indented || is_blank(paragraph)) {
            out.push('\n');
            continue;
        }
        in_footnote = push_visible(&mut out, paragraph);
    }
    out
}

/// Lines up to a blank one, and each blank line by itself. A definition never goes over a blank line.
fn paragraphs(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut end) = (0, 0);
    for line in text.split_inclusive('\n') {
        let next = end + line.len();
        if is_blank(line) {
            if start < end {
                found.push(&text[start..end]);
            }
            found.push(line);
            start = next;
        }
        end = next;
    }
    if start < end {
        found.push(&text[start..end]);
    }
    found
}

fn is_blank(line: &str) -> bool {
    line.chars().all(|it| it.is_whitespace() || it == '>')
}

/// Whether the paragraph ends in a footnote, which may have further ones.
fn push_visible(out: &mut String, paragraph: &str) -> bool {
    let mut closers = Closers::new(paragraph);
    let mut at = 0;
    while let Some(line) = paragraph[at..].split_inclusive('\n').next() {
        if FOOTNOTE.is_match(line) {
            out.push('\n');
            return true;
        }
        if let Some(definition) = definition(paragraph, at, &mut closers) {
            out.push_str(&definition.kept);
            at = definition.end;
        } else {
            out.push_str(line);
            at += line.len();
        }
    }
    false
}

struct Definition {
    kept: String,
    /// The end of its last line, before the line feed.
    end: usize,
}

fn definition(paragraph: &str, at: usize, closers: &mut Closers) -> Option<Definition> {
    let found = DEFINITION.captures(&paragraph[at..])?;
    let head = found.get_match().as_str();
    let bare = at + head.len();
    let titled = title(paragraph, bare, closers);
    let end = titled.or_else(|| end_of_line(paragraph, bare))?;
    let is_link = found["destination"].starts_with("https://") || found["destination"].starts_with("http://");
    let label = &found["label"];
    let is_short = label.chars().count() <= LABEL_MAX && !label.contains(char::is_whitespace);
    let kept = match (is_link && is_short, titled) {
        (false, _) => String::new(),
        (true, None) => head.to_owned(),
        // What follows must not become its title.
        (true, Some(_)) => format!("{head}\n"),
    };
    Some(Definition { kept, end })
}

/// Where the title ends, when there is one and its line has nothing more.
fn title(paragraph: &str, at: usize, closers: &mut Closers) -> Option<usize> {
    let found = TITLE.captures(&paragraph[at..])?;
    let inside = at + found.get_match().len();
    let close = closers.next(inside, &found["open"])?;
    end_of_line(paragraph, close + 1)
}

/// Where the line ends, when it has nothing but blanks from here on.
fn end_of_line(text: &str, at: usize) -> Option<usize> {
    let line = text[at..].split('\n').next()?;
    line.trim().is_empty().then_some(at + line.len())
}

/// Finds the ends of titles. It remembers where it found the last one: without that, a text of nothing but openings
/// would be read to its end for each of them.
struct Closers<'a> {
    text: &'a str,
    found: [Option<usize>; 3],
}

impl<'a> Closers<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, found: [None; 3] }
    }

    /// The next character that closes what was opened right before, and has no backslash of its own.
    fn next(&mut self, from: usize, open: &str) -> Option<usize> {
        let (slot, close) = match open {
            "(" => (0, b')'),
            "'" => (1, b'\''),
            _ => (2, b'"'),
        };
        let known = self.found[slot].filter(|found| *found >= from);
        let at = known.unwrap_or_else(|| unescaped(self.text, from, close));
        self.found[slot] = Some(at);
        (at < self.text.len()).then_some(at)
    }
}

/// Where the character stands; the end of the text when nowhere.
fn unescaped(text: &str, from: usize, wanted: u8) -> usize {
    let mut is_escaped = false;
    let mut bytes = text.bytes().enumerate().skip(from);
    let found = bytes.find(|&(_, byte)| {
        let is_found = byte == wanted && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_found
    });
    found.map_or(text.len(), |(at, _)| at)
}
