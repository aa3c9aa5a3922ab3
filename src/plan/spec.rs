//! What an automation's spec says, parsed; or everything that is wrong with it. The controller turns the first problem
//! into a condition, `validate` prints them all.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::api::automation::{AgentAutomation, AutomationSpec};
use crate::api::policy::TriggerKind;
use crate::api::reason::Reason;
use crate::api::task::Occurrence;
use crate::api::trigger::{PushTo, ScheduleTrigger, Trigger};
use crate::domain::branch::Branch;
use crate::domain::endpoint::Endpoint;
use crate::domain::expression::expression;
use crate::domain::inputs::{self, Values};
use crate::domain::outside::Fence;
use crate::domain::pattern::{Case, Pattern};
use crate::domain::prompt::{Context, EventContext, PromptError, Sections, render_key};
use crate::domain::repository::Repository;
use crate::domain::schedule::Schedule;

use super::event::{backfill_problem, condition_problem, contradictory_label};
use super::origin::never_pushable;

/// Something in the spec that only a parser can find. [`Display`](fmt::Display) says it with its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Below `spec`, as in `triggers[0].schedule.cron`.
    pub field: String,
    pub reason: Reason,
    pub message: String,
}

/// A spec that makes sense.
#[derive(Debug, Clone)]
pub struct Parsed<'a> {
    pub repository: Repository,
    pub base: Branch,
    pub schedules: Vec<ParsedSchedule<'a>>,
    /// The triggers that fire for what happens at GitHub.
    pub events: Vec<&'a Trigger>,
    /// The trigger that fires for people.
    pub manual: Option<&'a str>,
    /// The inputs where nobody gives any.
    pub defaults: Values,
}

/// One time at which a trigger fires, and what that brings.
#[derive(Debug, Clone)]
pub struct Occasion<'a> {
    pub trigger: &'a str,
    pub kind: TriggerKind,
    pub time: Timestamp,
    pub zone: TimeZone,
    /// The task may start for so many seconds.
    pub starting_deadline_seconds: Option<i32>,
    /// What tells it from others of the same time.
    pub id: Option<String>,
    pub requester: Option<String>,
    pub requested_via: Option<String>,
    pub inputs: Values,
    pub event: Option<Occurrence>,
    pub push_to: PushTo,
    /// What whoever asks for it gives it, in place of the automation's.
    pub priority: Option<i32>,
}

/// A schedule trigger that makes sense.
#[derive(Debug, Clone)]
pub struct ParsedSchedule<'a> {
    pub name: &'a str,
    pub terms: &'a ScheduleTrigger,
    pub schedule: Schedule,
}

/// Parses all of it, or says all that is wrong.
///
/// # Errors
/// Every problem, in the order of the spec's fields.
pub fn parse(automation: &AgentAutomation) -> Result<Parsed<'_>, Vec<Problem>> {
    let spec = &automation.spec;
    let mut problems = Vec::new();
    let repository = Repository::parse(&spec.repository)
        .map_err(|error| problems.push(problem("repository", Reason::InvalidSpec, error)))
        .ok();
    let base = Branch::parse(&spec.branches.base)
        .map_err(|error| problems.push(problem("branches.base", Reason::InvalidSpec, error)))
        .ok();
    problems.extend(branch_problems(spec));
    let schedules = schedules(spec, &mut problems);
    problems.extend(input_problems(spec));
    problems.extend(event_problems(spec));
    problems.extend(notify_problems(spec));
    let (events, manual, defaults) = (events(spec), manual(spec), defaults(spec));
    let occasions = made_up(&schedules, &events, manual, &defaults);
    problems.extend(template_problem(automation, repository.as_ref(), &occasions));
    match (repository, base) {
        (Some(repository), Some(base)) if problems.is_empty() => Ok(Parsed {
            repository,
            base,
            schedules,
            events,
            manual,
            defaults,
        }),
        _ => Err(problems),
    }
}

/// The prompt's sections.
#[must_use]
pub fn sections(spec: &AutomationSpec) -> Sections<'_> {
    Sections {
        goal: &spec.prompt.goal,
        non_goals: &spec.prompt.non_goals,
        validation: &spec.prompt.validation,
        pull_request: spec.prompt.pull_request.as_deref(),
    }
}

impl<'a> Parsed<'a> {
    /// A time of a schedule.
    #[must_use]
    pub fn scheduled(&self, schedule: &ParsedSchedule<'a>, time: Timestamp) -> Occasion<'a> {
        schedule.occasion(time, &self.defaults)
    }

    /// The prompt for an occasion.
    ///
    /// # Errors
    /// When one of the texts does not render.
    pub fn prompt(&self, automation: &AgentAutomation, occasion: &Occasion) -> Result<String, PromptError> {
        prompt(automation, &self.repository, occasion)
    }

    /// The key that makes the task of an occasion a duplicate of others; empty without terms for that.
    ///
    /// # Errors
    /// When it does not render.
    pub fn key(&self, automation: &AgentAutomation, occasion: &Occasion) -> Result<String, PromptError> {
        key(automation, &self.repository, occasion)
    }
}

impl<'a> ParsedSchedule<'a> {
    fn occasion(&self, time: Timestamp, defaults: &Values) -> Occasion<'a> {
        Occasion {
            zone: self.schedule.time_zone().clone(),
            starting_deadline_seconds: self.terms.starting_deadline_seconds,
            ..Occasion::new(self.name, TriggerKind::Schedule, time, defaults.clone())
        }
    }
}

impl<'a> Occasion<'a> {
    /// One that nobody asked for and nothing caused but its time.
    #[must_use]
    pub fn new(trigger: &'a str, kind: TriggerKind, time: Timestamp, inputs: Values) -> Self {
        Self {
            trigger,
            kind,
            time,
            zone: TimeZone::UTC,
            starting_deadline_seconds: None,
            id: None,
            requester: None,
            requested_via: None,
            inputs,
            event: None,
            push_to: PushTo::NewBranch,
            priority: None,
        }
    }
}

fn prompt(automation: &AgentAutomation, repository: &Repository, occasion: &Occasion) -> Result<String, PromptError> {
    render(automation, repository, occasion, |context| {
        sections(&automation.spec).render(context)
    })
}

fn key(automation: &AgentAutomation, repository: &Repository, occasion: &Occasion) -> Result<String, PromptError> {
    render(automation, repository, occasion, |context| {
        let terms = automation.spec.deduplicate.as_ref();
        terms.map_or(Ok(String::new()), |terms| render_key(&terms.key, context))
    })
}

fn render(
    automation: &AgentAutomation,
    repository: &Repository,
    occasion: &Occasion,
    text: impl FnOnce(&Context) -> Result<String, PromptError>,
) -> Result<String, PromptError> {
    let uid = automation.uid().unwrap_or_default();
    let fence = occasion.event.as_ref().map(|event| {
        let seed = [&uid, occasion.trigger, occasion.id.as_deref().unwrap_or_default()];
        Fence::new(&seed, &event.texts())
    });
    let event = occasion.event.as_ref().zip(fence.as_ref());
    text(&Context {
        namespace: &automation.namespace().unwrap_or_default(),
        automation: &automation.name_any(),
        trigger: occasion.trigger,
        trigger_kind: occasion.kind.as_str(),
        repository,
        scheduled_time: occasion.time,
        time_zone: &occasion.zone,
        requester: occasion.requester.as_deref().unwrap_or("schedule"),
        inputs: &occasion.inputs,
        event: event.map(|(occurrence, fence)| EventContext {
            is_pull_request: occasion.kind == TriggerKind::PullRequest,
            occurrence,
            fence: Some(fence),
        }),
    })
}

/// Renders for each trigger, so that a template that can't work is told before it has to; and with a made-up repository
/// where the one that is named can't be read, so that all is told at once.
fn template_problem(
    automation: &AgentAutomation,
    repository: Option<&Repository>,
    occasions: &[Occasion],
) -> Option<Problem> {
    let made_up = Repository::parse("owner/name").ok();
    let repository = repository.or(made_up.as_ref())?;
    let error = occasions.iter().find_map(|occasion| {
        let rendered = prompt(automation, repository, occasion);
        rendered.and_then(|_| key(automation, repository, occasion)).err()
    })?;
    Some(problem(error.field(), Reason::InvalidTemplate, error))
}

/// An occasion of each trigger, at a made-up time.
fn made_up<'a>(
    schedules: &[ParsedSchedule<'a>],
    events: &[&'a Trigger],
    manual: Option<&'a str>,
    defaults: &Values,
) -> Vec<Occasion<'a>> {
    let time = Timestamp::UNIX_EPOCH;
    let timed = schedules.iter().map(|schedule| schedule.occasion(time, defaults));
    let somebody = |trigger, kind| Occasion {
        requester: Some("somebody".to_owned()),
        ..Occasion::new(trigger, kind, time, defaults.clone())
    };
    let happening = events.iter().map(|trigger| Occasion {
        event: Some(some_occurrence()),
        ..somebody(&trigger.name, trigger.kind().unwrap_or(TriggerKind::Issue))
    });
    let by_hand = manual.map(|trigger| somebody(trigger, TriggerKind::Manual));
    timed.chain(happening).chain(by_hand).collect()
}

/// One in which nothing is empty.
fn some_occurrence() -> Occurrence {
    let text = || "some".to_owned();
    Occurrence {
        action: text(),
        number: 1,
        url: text(),
        title: text(),
        body: text(),
        author: text(),
        labels: Vec::new(),
        sender: text(),
        association: None,
        comment: text(),
        head: text(),
        base: text(),
        altered: false,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.{}: {}", self.field, self.message)
    }
}

fn problem(field: impl Into<String>, reason: Reason, error: impl fmt::Display) -> Problem {
    Problem {
        field: field.into(),
        reason,
        message: error.to_string(),
    }
}

fn branch_problems(spec: &AutomationSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut allowed = false;
    for (index, pattern) in spec.branches.allow.iter().enumerate() {
        match Pattern::parse(pattern, Case::Sensitive) {
            Ok(pattern) => allowed |= pattern.matches(&spec.branches.base),
            Err(error) => problems.push(problem(format!("branches.allow[{index}]"), Reason::InvalidSpec, error)),
        }
    }
    if !allowed && problems.is_empty() {
        let base = &spec.branches.base;
        let sentence = format!("no pattern here allows the base branch {base}: add it, or name another base");
        problems.push(problem("branches.allow", Reason::BranchNotAllowed, sentence));
    }
    problems
}

fn input_problems(spec: &AutomationSpec) -> Vec<Problem> {
    let is_scheduled = spec.triggers.iter().any(|trigger| trigger.schedule.is_some());
    let mut problems = Vec::new();
    for (index, input) in spec.inputs.iter().enumerate() {
        let field = format!("inputs[{index}]");
        if let Some((part, error)) = inputs::problem(input) {
            problems.push(problem(format!("{field}.{part}"), Reason::InvalidSpec, error));
        }
        if is_scheduled && input.required && input.default.is_none() {
            let sentence = "a schedule gives no inputs: add a default, or leave out required";
            problems.push(problem(format!("{field}.required"), Reason::InvalidSpec, sentence));
        }
    }
    problems
}

/// What can't be read of the triggers for what happens at GitHub, and what can never happen.
fn event_problems(spec: &AutomationSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, trigger) in spec.triggers.iter().enumerate() {
        let mut found = |field: &str, error: String| {
            let field = format!("triggers[{index}].{field}");
            problems.push(problem(field, Reason::InvalidSpec, error));
        };
        let kind = if trigger.issue.is_some() {
            "issue"
        } else {
            "pullRequest"
        };
        if let Some(error) = condition_problem(trigger) {
            found(&format!("{kind}.when"), error.to_string());
        }
        if let Some(error) = backfill_problem(trigger) {
            found(&format!("{kind}.backfill"), error.to_owned());
        }
        if let Some(label) = contradictory_label(trigger) {
            let error = format!("labels has {label} too, so nothing could fire it: take it out of one of them");
            found(&format!("{kind}.labelsAbsent"), error);
        }
        if let Some(issue) = &trigger.issue {
            expressions("issue.titlePattern", issue.filter.title_pattern.as_ref(), &mut found);
            expressions("issue.bodyPattern", issue.body_pattern.as_ref(), &mut found);
        }
        if let Some(pull) = &trigger.pull_request {
            expressions(
                "pullRequest.titlePattern",
                pull.filter.title_pattern.as_ref(),
                &mut found,
            );
            patterns("pullRequest.baseBranches", &pull.base_branches, &mut found);
            if let Some(error) = never_pushable(pull, &spec.branches.base) {
                found("pullRequest.baseBranches", error);
            }
            patterns("pullRequest.headBranches", &pull.head_branches, &mut found);
            patterns("pullRequest.paths", &pull.paths, &mut found);
        }
    }
    problems
}

fn notify_problems(spec: &AutomationSpec) -> Vec<Problem> {
    let receivers = spec.notify.iter().enumerate();
    let unreadable = receivers.filter_map(|(index, terms)| {
        let error = Endpoint::parse(&terms.url).err()?;
        Some(problem(format!("notify[{index}].url"), Reason::InvalidSpec, error))
    });
    unreadable.collect()
}

fn expressions(field: &str, source: Option<&String>, found: &mut impl FnMut(&str, String)) {
    if let Some(error) = source.and_then(|source| expression(source).err()) {
        found(field, error);
    }
}

fn patterns(field: &str, sources: &[String], found: &mut impl FnMut(&str, String)) {
    for (index, source) in sources.iter().enumerate() {
        if let Err(error) = Pattern::parse(source, Case::Sensitive) {
            found(&format!("{field}[{index}]"), error.to_string());
        }
    }
}

fn events(spec: &AutomationSpec) -> Vec<&Trigger> {
    let is_event = |trigger: &&Trigger| trigger.issue.is_some() || trigger.pull_request.is_some();
    spec.triggers.iter().filter(is_event).collect()
}

/// The first of them: a person says which automation, and no more.
fn manual(spec: &AutomationSpec) -> Option<&str> {
    let mut triggers = spec.triggers.iter();
    let by_hand = triggers.find(|trigger| trigger.manual.is_some());
    by_hand.map(|trigger| trigger.name.as_str())
}

fn defaults(spec: &AutomationSpec) -> Values {
    let inputs = spec.inputs.iter();
    inputs
        .map(|input| (input.name.clone(), input.default.clone().unwrap_or_default()))
        .collect()
}

fn schedules<'a>(spec: &'a AutomationSpec, problems: &mut Vec<Problem>) -> Vec<ParsedSchedule<'a>> {
    let mut parsed = Vec::new();
    for (index, trigger) in spec.triggers.iter().enumerate() {
        match schedule(index, trigger) {
            Ok(schedule) => parsed.extend(schedule),
            Err(problem) => problems.push(problem),
        }
    }
    parsed
}

fn schedule(index: usize, trigger: &Trigger) -> Result<Option<ParsedSchedule<'_>>, Problem> {
    let Some(terms) = &trigger.schedule else {
        let sentence = "say when the trigger fires: add schedule, issue, pullRequest, or manual: {} for people";
        let silent = || problem(format!("triggers[{index}]"), Reason::InvalidSpec, sentence);
        return trigger.kind().map(|_| None).ok_or_else(silent);
    };
    let schedule = Schedule::parse(&terms.cron, Some(&terms.time_zone)).map_err(|error| {
        let field = if error.is_about_zone() { "timeZone" } else { "cron" };
        problem(
            format!("triggers[{index}].schedule.{field}"),
            Reason::InvalidSchedule,
            error,
        )
    })?;
    Ok(Some(ParsedSchedule {
        name: &trigger.name,
        terms,
        schedule,
    }))
}
