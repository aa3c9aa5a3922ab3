//! What an automation's spec says, parsed; or everything that is wrong with it. The controller turns the first problem
//! into a condition, `validate` prints them all.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::api::automation::{AgentAutomation, AutomationSpec, ScheduleTrigger, Trigger};
use crate::api::policy::TriggerKind;
use crate::api::reason::Reason;
use crate::domain::branch::Branch;
use crate::domain::inputs::{self, Values};
use crate::domain::pattern::{Case, Pattern};
use crate::domain::prompt::{Context, PromptError, Sections, render_key};
use crate::domain::repository::Repository;
use crate::domain::schedule::Schedule;

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
    /// The trigger that fires for people.
    pub manual: Option<&'a str>,
    /// The inputs where nobody gives any.
    defaults: Values,
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
    let (manual, defaults) = (manual(spec), defaults(spec));
    let occasions = made_up(&schedules, manual, &defaults);
    problems.extend(template_problem(automation, repository.as_ref(), &occasions));
    match (repository, base) {
        (Some(repository), Some(base)) if problems.is_empty() => Ok(Parsed {
            repository,
            base,
            schedules,
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
            trigger: self.name,
            kind: TriggerKind::Schedule,
            time,
            zone: self.schedule.time_zone().clone(),
            starting_deadline_seconds: self.terms.starting_deadline_seconds,
            id: None,
            requester: None,
            requested_via: None,
            inputs: defaults.clone(),
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
fn made_up<'a>(schedules: &[ParsedSchedule<'a>], manual: Option<&'a str>, defaults: &Values) -> Vec<Occasion<'a>> {
    let time = Timestamp::UNIX_EPOCH;
    let scheduled = schedules.iter().map(|schedule| schedule.occasion(time, defaults));
    let by_hand = manual.map(|trigger| Occasion {
        trigger,
        kind: TriggerKind::Manual,
        time,
        zone: TimeZone::UTC,
        starting_deadline_seconds: None,
        id: None,
        requester: Some("somebody".to_owned()),
        requested_via: None,
        inputs: defaults.clone(),
    });
    scheduled.chain(by_hand).collect()
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
        let sentence = "say when the trigger fires: add schedule, or manual: {} for people";
        let silent = || problem(format!("triggers[{index}]"), Reason::InvalidSpec, sentence);
        return trigger.manual.as_ref().map(|_| None).ok_or_else(silent);
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
