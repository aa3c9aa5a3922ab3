//! A prompt's templates, and what people outside wrote, in the prompt: bounded, without a marker, and the texts in a fence
//! that they do not close.
//!
//! The parts stand between lines of `%%`: a goal, a title, a body, a comment, and an input. `{close}` in a text stands for
//! the end of the fence that the texts as they are would get.

use agent_automation::api::automation::Input;
use agent_automation::api::task::Occurrence;
use agent_automation::domain::inputs::{self, Values};
use agent_automation::domain::outside::{Fence, clean, clean_line};
use agent_automation::domain::prompt::{Context, EventContext, MAX_BYTES, PromptError, Sections, render_key};
use agent_automation::domain::repository::Repository;
use jiff::tz::TimeZone;
use serde_json::json;

use super::now;

const MARKER: &str = "agentautomation.dev/attempt";
/// All that people outside write, in order, between words of the template's own.
const FENCED: &str = "[1] {{ issue.title }} [2] {{ issue.body }} [3] {{ comment.body }} [4]";

pub fn hold(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut parts = text.split("\n%%\n");
    let mut next = || parts.next().unwrap_or_default();
    let (goal, title, body, comment, note) = (next(), next(), next(), next(), next());
    let occurrence = occurrence(title, body, comment);
    let note = input(note);
    any_template(goal, &occurrence, &note);
    texts_stay_in_their_fence(&occurrence);
    let close = close(&occurrence);
    let [title, body, comment] = [title, body, comment].map(|text| text.replace("{close}", &close));
    texts_stay_in_their_fence(&self::occurrence(&title, &body, &comment));
    true
}

fn any_template(goal: &str, occurrence: &Occurrence, note: &str) {
    let rendered = render(goal, occurrence, note);
    assert_eq!(render(goal, occurrence, note), rendered);
    match rendered {
        Ok(prompt) => {
            assert!(prompt.len() <= MAX_BYTES);
            assert!(!prompt.to_ascii_lowercase().contains(MARKER), "{prompt}");
        }
        Err(error) => assert!(!error.field().is_empty()),
    }
    let fence = fence(occurrence);
    let (repository, zone) = (repository(), TimeZone::UTC);
    let values = Values::from([("note".to_owned(), note.to_owned())]);
    let context = context((&repository, &zone), &values, occurrence, &fence);
    if let Ok(key) = render_key(goal, &context) {
        assert!(
            (1..=200).contains(&key.chars().count()) && !key.contains('\n'),
            "{key:?}"
        );
    }
}

fn texts_stay_in_their_fence(occurrence: &Occurrence) {
    let Ok(prompt) = render(FENCED, occurrence, "") else {
        panic!("texts of their largest size fit a prompt")
    };
    let close = close(occurrence);
    let open = close.replace("</", "<");
    // The notice names both, and a comment that nobody wrote has no fence.
    let parts: Vec<_> = prompt.split(&close).collect();
    let texts = 2 + usize::from(!occurrence.comment.is_empty());
    assert_eq!(parts.len(), texts + 2, "{prompt}");
    let outside: Vec<_> = parts[1..=texts].iter().map(|part| part.split_once(&open)).collect();
    let own = ["[1]", "[2]", "[3]"];
    for (part, own) in outside.into_iter().zip(own) {
        let (before, inside) = part.unwrap_or_else(|| panic!("a text stands outside of its fence: {prompt}"));
        assert!(before.contains(own) && !inside.contains(&open), "{prompt}");
    }
    let last: Vec<_> = parts[texts + 1].split_whitespace().collect();
    assert_eq!(last, ["[3]", "[4]"][texts - 2..], "{prompt}");
}

fn render(goal: &str, occurrence: &Occurrence, note: &str) -> Result<String, PromptError> {
    let sections = Sections {
        goal,
        non_goals: &[],
        validation: &[],
        pull_request: None,
    };
    let (fence, repository, zone) = (fence(occurrence), repository(), TimeZone::UTC);
    let values = Values::from([("note".to_owned(), note.to_owned())]);
    sections.render(&context((&repository, &zone), &values, occurrence, &fence))
}

fn context<'a>(
    (repository, time_zone): (&'a Repository, &'a TimeZone),
    inputs: &'a Values,
    occurrence: &'a Occurrence,
    fence: &'a Fence,
) -> Context<'a> {
    Context {
        namespace: "payments",
        automation: "triage",
        trigger: "issues",
        trigger_kind: "Issue",
        repository,
        scheduled_time: now(),
        time_zone,
        requester: "octocat",
        inputs,
        event: Some(EventContext {
            is_pull_request: false,
            occurrence,
            fence: Some(fence),
        }),
    }
}

fn repository() -> Repository {
    Repository::parse("acme/payments-api").unwrap()
}

fn fence(occurrence: &Occurrence) -> Fence {
    Fence::new(&["uid", "issue 1 opened"], &occurrence.texts())
}

/// The sign that ends the fence of these texts.
fn close(occurrence: &Occurrence) -> String {
    let notice = fence(occurrence).notice();
    let (_, rest) = notice.split_once("</").unwrap();
    format!("</{}>", rest.split_once('>').unwrap().0)
}

/// As a task keeps it.
fn occurrence(title: &str, body: &str, comment: &str) -> Occurrence {
    let text = |text| clean(text, 16_384).text;
    Occurrence {
        action: "opened".to_owned(),
        number: 1,
        title: clean_line(title, 256).text,
        body: text(body),
        comment: text(comment),
        author: "mona".to_owned(),
        sender: "mona".to_owned(),
        ..Occurrence::default()
    }
}

/// What a person gives, where it is accepted: nothing in it that people who approve it do not see.
fn input(note: &str) -> String {
    let declared: Vec<Input> = serde_json::from_value(json!([{"name": "note"}])).unwrap();
    let given = Values::from([("note".to_owned(), note.to_owned())]);
    let Ok(values) = inputs::values(&declared, &given) else {
        return String::new();
    };
    assert_eq!(values, given);
    let is_hidden = |it: char| {
        let zero_width = matches!(
            it,
            '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{feff}' | '\u{ad}'
        );
        let directions = matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
        let tags = matches!(it, '\u{e0000}'..='\u{e007f}' | '\u{2060}'..='\u{2064}');
        zero_width || directions || tags || (it.is_control() && !matches!(it, '\n' | '\t'))
    };
    assert!(!note.contains(is_hidden), "an input that can't be seen: {note:?}");
    note.to_owned()
}
