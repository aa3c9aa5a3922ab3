//! Text from outside is data: titles, bodies, comments, branches and payloads, whoever wrote them.
//!
//! Whoever may write an issue may write to the agent. Two things protect: a person who lets a task start has seen what
//! the agent will read, because what GitHub's page does not show is taken out ([`clean`]); and the prompt says which of
//! its words are not its own, between two signs that nobody can write ahead of time ([`Fence`]). Payloads are read so
//! that no two readers can understand them differently ([`parse_payload`]).
//!
//! None of it is ever a template. `outside/attacks.rs` is the table of what is tried and what comes of it.

#[cfg(test)]
mod attacks;
mod definitions;
mod fence;
mod hidden;
mod payload;
#[cfg(test)]
mod properties;

pub use fence::Fence;
pub use payload::{MAX_DEPTH, PayloadError, parse_payload};

/// How an attempt's marker (`naming::marker`) begins. A task at GitHub is recognised by it.
const MARKER: &str = "agentautomation.dev/attempt";
/// What stands there instead, for everyone to see.
const NO_MARKER: &str = "agentautomation.dev/not-an-attempt";

/// A text without what can't be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    pub text: String,
    /// Whether something was taken out that GitHub's page does not show, or a marker was made unlike one. Line ends and
    /// blanks around the text don't count.
    pub removed: bool,
    /// Characters that were cut off at the end.
    pub cut: usize,
}

impl Cleaned {
    #[must_use]
    pub fn is_altered(&self) -> bool {
        self.removed || self.cut > 0
    }
}

/// Takes out of text in Markdown what can't be seen, and cuts the rest to `max` characters. Where there is room for it, a
/// last line says how much is missing; it is among the `max`, so that cleaning again changes nothing.
#[must_use]
pub fn clean(text: &str, max: usize) -> Cleaned {
    bounded(text, max, body, last_line)
}

/// The same for what stands on one line: a title, a label, a login. Every run of blanks is one space. Markdown has no
/// meaning there, so that `[Bug]: crash` stays.
#[must_use]
pub fn clean_line(text: &str, max: usize) -> Cleaned {
    bounded(text, max, line, last_words)
}

/// Whether a comment begins with a command: its first line, as a reader sees it, is that or goes on after it. In a
/// quote, in code or after other words the command is only spoken of.
#[must_use]
pub fn command(text: &str, wanted: &str) -> bool {
    let shown = body(text, &mut false);
    let line = shown.lines().next().unwrap_or_default();
    line.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Whether a text holds characters that can't be seen, or a line end that not every reader takes for one.
#[must_use]
pub fn is_hiding(text: &str) -> bool {
    hidden::without_characters(&hidden::with_plain_breaks(text)) != text
}

/// Makes each beginning of a marker unlike one. It is for whole prompts too: values that are harmless alone may stand
/// side by side there.
#[must_use]
pub fn without_markers(text: &str) -> String {
    let folded = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in folded.match_indices(MARKER) {
        out.push_str(&text[from..at]);
        out.push_str(NO_MARKER);
        from = at + MARKER.len();
    }
    out.push_str(&text[from..]);
    out
}

fn bounded(text: &str, max: usize, shown: fn(&str, &mut bool) -> String, note: fn(usize, bool) -> String) -> Cleaned {
    let mut removed = false;
    let text = shown(text, &mut removed);
    let count = text.chars().count();
    if count <= max {
        return Cleaned { text, removed, cut: 0 };
    }
    let length = |note: &str| note.chars().count();
    let is_brief = length(&note(count, false)) * 2 > max;
    let room = max.saturating_sub(length(&note(count, is_brief)));
    let first: String = text.chars().take(room).collect();
    // Cut, it may end in half an emoji, or in a line that is a definition now.
    let kept = shown(&first, &mut false);
    let cut = count - length(&kept);
    let whole = kept + &note(cut, is_brief);
    Cleaned {
        text: whole.trim_start_matches('\n').chars().take(max).collect(),
        removed,
        cut,
    }
}

/// Neither is a part of a definition, whatever stands before it: there is none that is brief.
fn last_line(missing: usize, is_brief: bool) -> String {
    if is_brief {
        return String::new();
    }
    format!("\n[… {missing} characters cut]")
}

fn last_words(missing: usize, is_brief: bool) -> String {
    if is_brief {
        return "…".to_owned();
    }
    format!(" [… {missing} characters cut]")
}

fn body(text: &str, removed: &mut bool) -> String {
    let text = visible(text, removed);
    let shown = definitions::without(&text);
    *removed |= shown != text;
    let blank = shown.split_inclusive('\n').take_while(|line| line.trim().is_empty());
    let start: usize = blank.map(str::len).sum();
    shown[start..].trim_end().to_owned()
}

fn line(text: &str, removed: &mut bool) -> String {
    let text = visible(text, removed);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The order matters: a character that can't be seen may stand in the sign that opens a comment, and a comment in a
/// marker.
fn visible(text: &str, removed: &mut bool) -> String {
    let text = hidden::with_plain_breaks(text);
    let shown = without_markers(&hidden::without_comments(&hidden::without_characters(&text)));
    *removed |= shown != text;
    shown
}
