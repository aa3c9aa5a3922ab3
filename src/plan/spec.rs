//! What an automation's spec says, parsed; or everything that is wrong with it. The controller turns the first problem
//! into a condition, `validate` prints them all.

use std::fmt;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::automation::{AgentAutomation, AutomationSpec, ScheduleTrigger, Trigger};
use crate::api::policy::TriggerKind;
use crate::api::reason::Reason;
use crate::domain::branch::Branch;
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
    problems.extend(template_problem(automation, repository.as_ref(), &schedules));
    match (repository, base) {
        (Some(repository), Some(base)) if problems.is_empty() => Ok(Parsed {
            repository,
            base,
            schedules,
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

impl Parsed<'_> {
    /// The prompt for one scheduled time.
    ///
    /// # Errors
    /// When one of the texts does not render.
    pub fn prompt(
        &self,
        automation: &AgentAutomation,
        schedule: &ParsedSchedule,
        time: Timestamp,
    ) -> Result<String, PromptError> {
        render(automation, &self.repository, schedule, time, |context| {
            sections(&automation.spec).render(context)
        })
    }

    /// The key that makes the task of one scheduled time a duplicate of others; empty without terms for that.
    ///
    /// # Errors
    /// When it does not render.
    pub fn key(
        &self,
        automation: &AgentAutomation,
        schedule: &ParsedSchedule,
        time: Timestamp,
    ) -> Result<String, PromptError> {
        render(automation, &self.repository, schedule, time, |context| {
            let terms = automation.spec.deduplicate.as_ref();
            terms.map_or(Ok(String::new()), |terms| render_key(&terms.key, context))
        })
    }
}

fn render(
    automation: &AgentAutomation,
    repository: &Repository,
    schedule: &ParsedSchedule,
    time: Timestamp,
    text: impl FnOnce(&Context) -> Result<String, PromptError>,
) -> Result<String, PromptError> {
    text(&Context {
        namespace: &automation.namespace().unwrap_or_default(),
        automation: &automation.name_any(),
        trigger: schedule.name,
        trigger_kind: TriggerKind::Schedule.as_str(),
        repository,
        scheduled_time: time,
        time_zone: schedule.schedule.time_zone(),
    })
}

/// Renders for each trigger and a made-up time, so that a template that can't work is told before it has to; and with a
/// made-up repository where the one that is named can't be read, so that all is told at once.
fn template_problem(
    automation: &AgentAutomation,
    repository: Option<&Repository>,
    schedules: &[ParsedSchedule],
) -> Option<Problem> {
    let made_up = Repository::parse("owner/name").ok();
    let repository = repository.or(made_up.as_ref())?;
    let key = automation.spec.deduplicate.as_ref().map(|terms| terms.key.as_str());
    let error = schedules.iter().find_map(|schedule| {
        let rendered = render(automation, repository, schedule, Timestamp::UNIX_EPOCH, |context| {
            sections(&automation.spec).render(context)?;
            key.map_or(Ok(String::new()), |key| render_key(key, context))
        });
        rendered.err()
    })?;
    Some(problem(error.field(), Reason::InvalidTemplate, error))
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

fn schedules<'a>(spec: &'a AutomationSpec, problems: &mut Vec<Problem>) -> Vec<ParsedSchedule<'a>> {
    let mut parsed = Vec::new();
    for (index, trigger) in spec.triggers.iter().enumerate() {
        match schedule(index, trigger) {
            Ok(schedule) => parsed.push(schedule),
            Err(problem) => problems.push(problem),
        }
    }
    parsed
}

fn schedule(index: usize, trigger: &Trigger) -> Result<ParsedSchedule<'_>, Problem> {
    let Some(terms) = &trigger.schedule else {
        let field = format!("triggers[{index}]");
        return Err(problem(
            field,
            Reason::InvalidSpec,
            "add a schedule: it says when the trigger fires",
        ));
    };
    let schedule = Schedule::parse(&terms.cron, Some(&terms.time_zone)).map_err(|error| {
        let field = if error.is_about_zone() { "timeZone" } else { "cron" };
        problem(
            format!("triggers[{index}].schedule.{field}"),
            Reason::InvalidSchedule,
            error,
        )
    })?;
    Ok(ParsedSchedule {
        name: &trigger.name,
        terms,
        schedule,
    })
}
