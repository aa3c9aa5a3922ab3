//! The prompt: a few named sections in a fixed layout, so that every prompt in the organization reads alike.
//!
//! Each text is a template of its own, rendered strictly (an undefined name is an error) and within a bound of steps.
//! The layout around them is not a template, so that no text can change it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Environment, UndefinedBehavior, escape_formatter};
use sha2::{Digest, Sha256};

use super::inputs::Values;
use super::outside::{Fence, without_markers};
use super::repository::Repository;
use crate::api::task::Occurrence;

/// Steps that a template may take; a section of this project's examples takes fewer than 50.
const FUEL: u64 = 50_000;
/// The most bytes of a rendered prompt, under what a custom resource and GitHub's form can hold.
pub const MAX_BYTES: usize = 65_536;

/// Stands for a text from outside that a template does not write as it is. No text holds it: private characters are taken out
/// of those from outside.
const ALTERED: char = '\u{10FFFD}';

/// The most characters of a key.
const KEY_MAX: usize = 200;
/// The hexadecimal digits by which a key that was too long is told from others.
const DIGEST: usize = 32;

/// The sections as they are written in a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Sections<'a> {
    pub goal: &'a str,
    pub non_goals: &'a [String],
    pub validation: &'a [String],
    pub pull_request: Option<&'a str>,
}

/// What the texts can speak of.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    pub namespace: &'a str,
    pub automation: &'a str,
    pub trigger: &'a str,
    pub trigger_kind: &'a str,
    pub repository: &'a Repository,
    pub scheduled_time: Timestamp,
    pub time_zone: &'a TimeZone,
    /// On whose authority it is asked for.
    pub requester: &'a str,
    pub inputs: &'a Values,
    /// What happened at GitHub.
    pub event: Option<EventContext<'a>>,
}

/// What happened at GitHub. All texts in it come from outside.
#[derive(Debug, Clone, Copy)]
pub struct EventContext<'a> {
    pub is_pull_request: bool,
    pub occurrence: &'a Occurrence,
    /// What the texts stand in; nothing where they are compared and not read.
    pub fence: Option<&'a Fence>,
}

impl EventContext<'_> {
    /// What the texts see of it: what people wrote stands in the fence.
    fn values(&self) -> Value {
        let occurrence = self.occurrence;
        let outside = |text: String| Value::from_object(Outside(text));
        let line = |text: &str| {
            let fenced = self.fence.map(|fence| outside(fence.line(text)));
            fenced.unwrap_or_else(|| Value::from(text))
        };
        let block = |of: &str, text: &str| {
            let fenced = self.fence.map(|fence| outside(fence.block(of, text)));
            fenced.unwrap_or_else(|| Value::from(text))
        };
        let labels: Vec<_> = occurrence.labels.iter().map(|label| line(label)).collect();
        let (name, kind) = if self.is_pull_request {
            ("pullRequest", "pull request")
        } else {
            ("issue", "issue")
        };
        let body = format!("the body of the {kind}, written by {}", occurrence.author);
        let comment = format!("a comment, written by {}", occurrence.sender);
        // A sentence about one that nobody wrote would be untrue.
        let said = Some(occurrence.comment.as_str()).filter(|said| !said.is_empty());
        let said = said.map_or_else(|| Value::from(""), |said| block(&comment, said));
        let subject = minijinja::context! {
            number => occurrence.number,
            url => &occurrence.url,
            author => &occurrence.author,
            title => line(&occurrence.title),
            body => block(&body, &occurrence.body),
            labels,
            head => line(&occurrence.head),
            base => line(&occurrence.base),
        };
        let shared = minijinja::context! {
            sender => &occurrence.sender,
            comment => minijinja::context! { body => said, author => &occurrence.sender },
        };
        minijinja::context! { ..Value::from(BTreeMap::from([(name, subject)])), ..shared }
    }
}

/// Why a prompt can't be rendered, with the section it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    #[error(
        "{detail}; the names it can use are automation, trigger, repository, scheduledTime, requester, inputs and subject, and for what happens at GitHub issue or pullRequest, comment and sender"
    )]
    Template { section: Section, detail: String },
    #[error("the rendered prompt has {bytes} bytes: shorten it to {MAX_BYTES}")]
    TooLong { bytes: usize },
}

impl PromptError {
    /// The field of `spec` that it is about.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::Template {
                section: Section::Key, ..
            } => Section::Key.to_string(),
            Self::Template { section, .. } => format!("prompt.{section}"),
            Self::TooLong { .. } => "prompt".to_owned(),
        }
    }
}

/// A text of the prompt, as its field is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Goal,
    NonGoals(usize),
    Validation(usize),
    PullRequest,
    /// What makes tasks duplicates of one another; no part of the prompt itself.
    Key,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goal => f.write_str("goal"),
            Self::NonGoals(index) => write!(f, "nonGoals[{index}]"),
            Self::Validation(index) => write!(f, "validation[{index}]"),
            Self::PullRequest => f.write_str("pullRequest"),
            Self::Key => f.write_str("deduplicate.key"),
        }
    }
}

/// Renders what makes tasks duplicates of one another. Of the same words it is the same, whichever event they came with: nobody
/// reads it, so no fence stands around them. What is longer than a key may be ends in a digest of all of it.
///
/// # Errors
/// When it is no template, uses a name that is not there, or comes to nothing or to more than a line.
pub fn render_key(source: &str, context: &Context) -> Result<String, PromptError> {
    let unfenced = context.event.map(|event| EventContext { fence: None, ..event });
    let context = Context {
        event: unfenced,
        ..context.clone()
    };
    let key = Renderer::new(&context).text(Section::Key, source)?;
    let key = key.trim();
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err(PromptError::Template {
            section: Section::Key,
            detail: "a key is one line, and not empty".to_owned(),
        });
    }
    Ok(shortened(key))
}

fn shortened(key: &str) -> String {
    if key.chars().count() <= KEY_MAX {
        return key.to_owned();
    }
    let digest = hex(&Sha256::digest(key)[..DIGEST / 2]);
    let kept: String = key.chars().take(KEY_MAX - DIGEST - 1).collect();
    format!("{kept}…{digest}")
}

impl Sections<'_> {
    /// Renders the sections in their layout.
    ///
    /// # Errors
    /// When a text is no template, uses a name that is not there, runs out of steps, or the whole is too long.
    pub fn render(&self, context: &Context) -> Result<String, PromptError> {
        let renderer = Renderer::new(context);
        let mut out = String::new();
        if let Some(fence) = context.event.and_then(|event| event.fence) {
            push(&mut out, "Text from outside", &fence.notice());
        }
        push(&mut out, "Goal", &renderer.text(Section::Goal, self.goal)?);
        push_list(
            &mut out,
            "Non-goals",
            &renderer.list(Section::NonGoals, self.non_goals)?,
        );
        push_list(
            &mut out,
            "Validation: each must succeed",
            &renderer.list(Section::Validation, self.validation)?,
        );
        if let Some(text) = self.pull_request {
            push(&mut out, "Pull request", &renderer.text(Section::PullRequest, text)?);
        }
        within_bound(without_markers(&out))
    }

    /// SHA-256 of the sections before rendering, in hexadecimal. Lengths are part of it, so that moving a line from
    /// one section to the next gives another digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        add(self.goal);
        for list in [self.non_goals, self.validation] {
            add(&list.len().to_string());
            for item in list {
                add(item);
            }
        }
        add(self.pull_request.unwrap_or_default());
        hex(&hash.finalize())
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn within_bound(prompt: String) -> Result<String, PromptError> {
    if prompt.len() > MAX_BYTES {
        return Err(PromptError::TooLong { bytes: prompt.len() });
    }
    Ok(prompt)
}

fn push(out: &mut String, heading: &str, text: &str) {
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}## {heading}\n\n{}", text.trim());
}

fn push_list(out: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let lines: Vec<String> = items.iter().map(|item| format!("- {}", item.trim())).collect();
    push(out, heading, &lines.join("\n"));
}

struct Renderer {
    environment: Environment<'static>,
    context: Value,
}

impl Renderer {
    fn new(context: &Context) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(|out, state, value| match value.downcast_object_ref::<Outside>() {
            Some(outside) => out.write_str(&outside.0).map_err(minijinja::Error::from),
            None => escape_formatter(out, state, value),
        });
        let values = minijinja::context! {
            automation => minijinja::context! { name => context.automation, namespace => context.namespace },
            trigger => minijinja::context! { name => context.trigger, kind => context.trigger_kind },
            repository => Value::from_object(RepositoryValue(context.repository.clone())),
            scheduledTime => wall_time(context.scheduled_time, context.time_zone),
            requester => context.requester,
            inputs => context.inputs,
            subject => context.event.map_or_else(String::new, |event| format!("#{}", event.occurrence.number)),
            ..context.event.map_or_else(Value::default, |event| event.values())
        };
        Self {
            environment,
            context: values,
        }
    }

    fn text(&self, section: Section, source: &str) -> Result<String, PromptError> {
        let failed = |detail: String| PromptError::Template { section, detail };
        let text = self
            .environment
            .render_str(source, &self.context)
            .map_err(|error| failed(one_line(&error)))?;
        if text.contains(ALTERED) {
            return Err(failed(
                "text from outside can only be written as it is, in its fence: leave out what changes it or takes a part of it"
                    .to_owned(),
            ));
        }
        Ok(text)
    }

    fn list(&self, section: fn(usize) -> Section, items: &[String]) -> Result<Vec<String>, PromptError> {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| self.text(section(index), item))
            .collect()
    }
}

/// The wall time with the offset in force, without the zone's name in brackets: what RFC 3339 readers expect.
fn wall_time(time: Timestamp, zone: &TimeZone) -> String {
    time.display_with_offset(zone.to_offset(time)).to_string()
}

fn one_line(error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
    format!("{}{detail}{line}", error.kind())
}

/// Text from outside in its fence. What a template makes of it (another case, a part, a list of lines) would leave the fence
/// behind, and comes to nothing but a sign that it was tried.
struct Outside(String);

impl Object for Outside {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALTERED}")
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALTERED}")
    }
}

/// Prints as `owner/name` and has both as attributes.
#[derive(Debug)]
struct RepositoryValue(Repository);

impl Object for RepositoryValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "owner" => Some(Value::from(self.0.owner())),
            "name" => Some(Value::from(self.0.name())),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(sections: &Sections) -> Result<String, PromptError> {
        with(None, sections)
    }

    fn with(event: Option<EventContext>, sections: &Sections) -> Result<String, PromptError> {
        let repository = Repository::parse("acme/payments-api").unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        sections.render(&Context {
            namespace: "payments",
            automation: "weekly-deps",
            trigger: "weekly",
            trigger_kind: "Schedule",
            repository: &repository,
            scheduled_time: "2026-03-30T04:00:00Z".parse().unwrap(),
            time_zone: &zone,
            requester: "schedule",
            inputs: &Values::from([("package".to_owned(), "{{ requester }}".to_owned())]),
            event,
        })
    }

    fn goal(goal: &str) -> Sections<'_> {
        Sections {
            goal,
            non_goals: &[],
            validation: &[],
            pull_request: None,
        }
    }

    #[test]
    fn every_section_has_its_place() {
        let non_goals = ["No major upgrades".to_owned()];
        let validation = ["cargo test".to_owned(), "cargo deny check".to_owned()];
        let sections = Sections {
            goal: "Update {{ repository.name }} for {{ automation.name }}.",
            non_goals: &non_goals,
            validation: &validation,
            pull_request: Some("Title: deps at {{ scheduledTime }}"),
        };
        let expected = "## Goal\n\nUpdate payments-api for weekly-deps.\n\n## Non-goals\n\n- No major upgrades\n\n\
                        ## Validation: each must succeed\n\n- cargo test\n- cargo deny check\n\n\
                        ## Pull request\n\nTitle: deps at 2026-03-30T06:00:00+02:00\n";
        assert_eq!(render(&sections).unwrap(), expected);
    }

    #[test]
    fn texts_and_what_becomes_of_them() {
        let cases = [
            ("{{ repository }}", Ok("acme/payments-api")),
            ("{{ repository.owner }}", Ok("acme")),
            ("{{ trigger.kind }} {{ trigger.name }}", Ok("Schedule weekly")),
            ("{{ automation.namespace }}", Ok("payments")),
            ("{{ requester }}: {{ inputs.package }}", Ok("schedule: {{ requester }}")),
            ("{{ inputs.pakage }}", Err("prompt.goal: undefined value")),
            ("{{ issue.title }}", Err("prompt.goal: undefined value")),
            ("{{ automation.nmae }}", Err("prompt.goal: undefined value")),
            ("{{ automation.name", Err("prompt.goal: syntax error")),
            ("{% for i in range(9999999) %}x{% endfor %}", Err("prompt.goal: ")),
            ("{% include 'x' %}", Err("prompt.goal: ")),
        ];
        for (text, expected) in cases {
            match (render(&goal(text)), expected) {
                (Ok(prompt), Ok(body)) => assert_eq!(prompt, format!("## Goal\n\n{body}\n"), "{text}"),
                (Err(error), Err(start)) => {
                    let said = format!("{}: {error}", error.field());
                    assert!(said.starts_with(start), "{text}: {said}");
                }
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    /// A reader of the prompt takes what stands outside of the fence for the automation's own words.
    #[test]
    fn text_from_outside_is_written_in_its_fence_or_not_at_all() {
        let occurrence = Occurrence {
            number: 7,
            title: "Crash".to_owned(),
            body: "One\nTwo".to_owned(),
            labels: vec!["bug".to_owned()],
            ..Occurrence::default()
        };
        let fence = Fence::new(&["uid"], &occurrence.texts());
        let event = EventContext {
            is_pull_request: false,
            occurrence: &occurrence,
            fence: Some(&fence),
        };
        let rendered = |text: &str| with(Some(event), &goal(text));
        for text in [
            "{{ issue.title }}",
            "{{ issue.body }}",
            "{% for label in issue.labels %}{{ label }}{% endfor %}",
        ] {
            assert!(rendered(text).unwrap().contains("<outside-"), "{text}");
        }
        for text in [
            "{{ (issue.body | lines)[2] }}",
            "{{ issue.body | lines | join(' ') }}",
            "{{ issue.body[3:] }}",
            "{{ issue.title | upper }}",
            "{{ (issue.title | upper)[:1] }}",
            "{{ issue.title ~ '!' }}",
            "{{ issue.title | replace('C', 'D') }}",
            "{{ issue.title | string }}",
            "{{ issue.title | list }}",
            "{{ issue.labels }}",
            "{{ issue.labels | join(', ') }}",
            "{{ issue }}",
            "{{ issue.title | length }}",
            "{% set t = issue.title %}{{ t | trim }}",
            "{{ '%s' | format(issue.title) }}",
        ] {
            match rendered(text) {
                Ok(prompt) => panic!("{text}: {prompt}"),
                Err(error) => assert_eq!(error.field(), "prompt.goal", "{text}"),
            }
        }
    }

    #[test]
    fn what_happened_goes_by_its_kind() {
        let occurrence = Occurrence {
            number: 7,
            title: "Crash".to_owned(),
            author: "octocat".to_owned(),
            ..Occurrence::default()
        };
        let fence = Fence::new(&["uid"], &occurrence.texts());
        for (name, other, is_pull_request) in [("issue", "pullRequest", false), ("pullRequest", "issue", true)] {
            let event = EventContext {
                is_pull_request,
                occurrence: &occurrence,
                fence: Some(&fence),
            };
            let known =
                format!("{{{{ {name}.number }}}} {{{{ {name}.title }}}} {{{{ {name}.author }}}} {{{{ subject }}}}");
            let prompt = with(Some(event), &goal(&known)).unwrap();
            assert!(
                prompt.ends_with(&format!("\n7 {} octocat #7\n", fence.line("Crash"))),
                "{prompt}"
            );
            let error = with(Some(event), &goal(&format!("{{{{ {other}.title }}}}"))).unwrap_err();
            assert!(error.to_string().starts_with("undefined value"), "{error}");
        }
    }

    #[test]
    fn a_prompt_is_bounded() {
        let long = "x".repeat(MAX_BYTES);
        assert!(matches!(render(&goal(&long)), Err(PromptError::TooLong { .. })));
    }

    #[test]
    fn the_digest_tells_templates_apart_and_nothing_else() {
        let line = ["a".to_owned()];
        let as_non_goal = Sections {
            non_goals: &line,
            ..goal("g")
        };
        let as_validation = Sections {
            validation: &line,
            ..goal("g")
        };
        assert_ne!(as_non_goal.digest(), as_validation.digest());
        assert_eq!(goal("g").digest(), goal("g").digest());
        assert_eq!(goal("g").digest().len(), 64);
    }
}
