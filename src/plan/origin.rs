//! The issue or the pull request that a task came from, as it is just before the start: whether it is still open, whether
//! its text is still the one that somebody vouched for, and what only GitHub can tell of a pull request.

use jiff::Timestamp;

use crate::api::policy::TriggerKind;
use crate::api::task::{Occurrence, Phase};
use crate::api::trigger::{PullRequestTrigger, PushTo, Trigger};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::pattern::{Case, Pattern};
use crate::domain::repository::Repository;

use super::credential::choice;
use super::event::filter;
use super::observed::{SeenOrigin, SeenOriginPull};
use super::world::{CredentialKey, OriginKey, World, phase};
use super::{Action, Planned, Subject, Why};

/// What an issue or a pull request means for a task that came from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// It may start.
    Fine,
    /// It waits, and nothing at GitHub changes that.
    Hold(Why),
    End(Phase, Why),
}

/// Forgets what no waiting task came from.
#[must_use]
pub fn plan(world: &World, key: &OriginKey) -> Planned {
    let mut planned = Planned::default();
    let is_busy = world.busy.contains(&Subject::Origin(key.clone()));
    let mut waiting = world.waiting_with(&key.credential);
    if !is_busy && !waiting.any(|(_, task)| of_task(world, task).as_ref() == Some(key)) {
        planned.actions.extend(world.origins.get(key).map(|_| Action::Forget));
    }
    planned
}

/// The issue or the pull request that a task came from, with the credential that reads.
#[must_use]
pub fn of_task(world: &World, task: &AgentTask) -> Option<OriginKey> {
    origin_of(task, choice::reader_of(world, task))
}

/// The same with each credential that the task names.
#[must_use]
pub fn all_of_task(task: &AgentTask) -> Vec<OriginKey> {
    let credentials = CredentialKey::named_by(task);
    credentials
        .filter_map(|credential| origin_of(task, credential))
        .collect()
}

fn origin_of(task: &AgentTask, credential: CredentialKey) -> Option<OriginKey> {
    let number = task.spec.trigger.event.as_ref()?.number;
    Some(OriginKey {
        credential,
        repository: Repository::parse(&task.spec.repository).ok()?,
        number: u64::try_from(number).ok()?,
    })
}

/// Whether its text was edited after somebody else than its author asked for work on it. That stays so.
#[must_use]
pub fn was_edited(task: &AgentTask, seen: &SeenOrigin) -> Option<Why> {
    let (cause, event) = (&task.spec.trigger, task.spec.trigger.event.as_ref()?);
    if event.sender == event.author {
        return None;
    }
    // GitHub's times are whole seconds: what has the same may have come after.
    let after = |time: &Timestamp| *time >= cause.scheduled_time;
    let what = match (seen.edited_at.filter(after), seen.renamed_at.filter(after)) {
        (Some(edited), _) => format!("its text was edited at {edited}"),
        (None, Some(renamed)) => format!("its title was changed at {renamed}"),
        (None, None) => return None,
    };
    let (kind, number, sender, at) = (kind(task), event.number, &event.sender, cause.scheduled_time);
    Some(Why::new(
        Reason::TextEdited,
        format!(
            "{sender} asked for work on {kind} #{number} at {at}, and {what}: read it again, then ask again (set the label \
             anew), or cancel this task"
        ),
    ))
}

/// Whether a task waits because its text was edited, as far as that is known.
#[must_use]
pub fn waits_edited(world: &World, task: &AgentTask) -> bool {
    let told = task.status.as_ref().and_then(|status| status.reason) == Some(Reason::TextEdited);
    let seen = || world.origins.get(&of_task(world, task)?)?.seen.as_ref();
    phase(task).is_waiting() && (told || seen().is_some_and(|seen| was_edited(task, seen).is_some()))
}

/// Whether somebody asked for work on the same by the same trigger after a task was asked for, and that may start or has.
#[must_use]
pub fn asks_anew(newer: &AgentTask, task: &AgentTask) -> bool {
    let about = |task: &AgentTask| {
        let cause = &task.spec.trigger;
        let number = cause.event.as_ref().map(|event| event.number);
        (task.spec.automation.uid.clone(), cause.name.clone(), number)
    };
    let never_starts = matches!(
        phase(newer),
        Phase::Denied | Phase::Expired | Phase::Skipped | Phase::Superseded
    );
    newer.spec.trigger.scheduled_time > task.spec.trigger.scheduled_time && about(newer) == about(task) && !never_starts
}

/// What it means for a task; an issue or a pull request that is not there any more is `None`.
#[must_use]
pub fn judge(automation: &AgentAutomation, task: &AgentTask, seen: Option<&SeenOrigin>) -> Judgement {
    let Some(event) = task.spec.trigger.event.as_deref() else {
        return Judgement::Fine;
    };
    let (kind, number) = (kind(task), event.number);
    let gone = |how: &str| {
        let message = format!("{kind} #{number} {how} before it could start");
        Judgement::End(Phase::Expired, Why::new(Reason::OriginGone, message))
    };
    let Some(seen) = seen else {
        return gone("was deleted or moved");
    };
    if !seen.is_open {
        return gone("was closed");
    }
    if let Some(why) = was_edited(task, seen) {
        return Judgement::Hold(why);
    }
    let trigger = &task.spec.trigger.name;
    let mut triggers = automation.spec.triggers.iter();
    let terms = triggers.find(|known| known.name == *trigger);
    let of_pull = |terms: &Trigger| unwanted(terms.pull_request.as_ref()?, task, event, seen.pull.as_ref()?);
    let unwanted = terms.and_then(|terms| mislabelled(automation, terms, seen).or_else(|| of_pull(terms)));
    unwanted.map_or(Judgement::Fine, |why| {
        let message = format!("trigger {trigger} is not for {kind} #{number}: {why}");
        Judgement::End(Phase::Skipped, Why::new(Reason::NotWanted, message))
    })
}

/// The branch that a task goes on with; `None` where it makes one of its own.
#[must_use]
pub fn head<'a>(task: &AgentTask, seen: Option<&'a SeenOrigin>) -> Option<&'a str> {
    let pull = seen?.pull.as_ref()?;
    (task.spec.push_to == PushTo::PullRequest).then_some(pull.head.as_str())
}

/// Whether the branch that a pull request comes from, or goes to, is none that a trigger is for.
#[must_use]
pub fn wrong_branch(terms: &PullRequestTrigger, base: &str, head: &str) -> Option<String> {
    let base = is_none(&terms.base_branches, base).then_some("base");
    let which = base.or_else(|| is_none(&terms.head_branches, head).then_some("head"))?;
    Some(format!("its {which} branch matches none of its patterns"))
}

/// Why no pull request can be one whose branch a trigger's tasks go on with.
#[must_use]
pub fn never_pushable(terms: &PullRequestTrigger, works_on: &str) -> Option<String> {
    let is_excluded = terms.push_to == PushTo::PullRequest && is_none(&terms.base_branches, works_on);
    is_excluded.then(|| {
        format!(
            "pushTo is PullRequest, which takes those that go to {works_on} (branches.base), and no pattern here does: add \
             {works_on}, or leave pushTo out"
        )
    })
}

/// Why a task can't go on with a pull request's branch.
#[must_use]
pub fn unpushable(terms: &PullRequestTrigger, base: &str, is_fork: bool, works_on: &str) -> Option<String> {
    if terms.push_to != PushTo::PullRequest {
        return None;
    }
    if is_fork {
        return Some("it comes from a fork, and pushTo is PullRequest".to_owned());
    }
    (base != works_on).then(|| format!("it goes to {base}, and the automation works on {works_on} (branches.base)"))
}

/// Whether a pull request is a draft and has to be none, or the other way round.
#[must_use]
pub fn wrong_draft(terms: &PullRequestTrigger, is_draft: bool) -> Option<String> {
    let wanted = terms.draft.filter(|wanted| *wanted != is_draft)?;
    Some(if wanted { "it is no draft" } else { "it is a draft" }.to_owned())
}

/// Whoever takes a label off does not want any more what it asked for. The label that tells of a task is set meanwhile.
fn mislabelled(automation: &AgentAutomation, terms: &Trigger, seen: &SeenOrigin) -> Option<String> {
    let filter = filter(terms)?;
    let has = |wanted: &&String| seen.labels.iter().any(|label| label.eq_ignore_ascii_case(wanted));
    let own = automation.spec.report.as_ref().and_then(|report| report.label.as_ref());
    let is_own = |label: &&String| own.is_some_and(|own| own.eq_ignore_ascii_case(label));
    let missing = filter.labels.iter().find(|label| !has(label));
    let present = filter.labels_absent.iter().find(|label| has(label) && !is_own(label));
    missing
        .map(|label| format!("it does not have the label {label} any more"))
        .or_else(|| present.map(|label| format!("it has the label {label} by now")))
}

/// A comment tells nothing of these; and no event tells which files a pull request changes.
fn unwanted(terms: &PullRequestTrigger, task: &AgentTask, event: &Occurrence, pull: &SeenOriginPull) -> Option<String> {
    let told = event.base.is_empty();
    let by_comment = told
        .then(|| wrong_branch(terms, &pull.base, &pull.head).or_else(|| wrong_draft(terms, pull.is_draft)))
        .flatten();
    by_comment
        .or_else(|| unpushable(terms, &pull.base, pull.is_fork, &task.spec.base_branch))
        .or_else(|| {
            let touches = terms.paths.is_empty() || pull.files.iter().any(|path| matches(&terms.paths, path));
            (!touches).then(|| "it changes none of its paths".to_owned())
        })
}

fn is_none(patterns: &[String], branch: &str) -> bool {
    !patterns.is_empty() && !matches(patterns, branch)
}

fn matches(patterns: &[String], text: &str) -> bool {
    let mut parsed = patterns
        .iter()
        .filter_map(|pattern| Pattern::parse(pattern, Case::Sensitive).ok());
    parsed.any(|pattern| pattern.matches(text))
}

fn kind(task: &AgentTask) -> &'static str {
    match task.spec.trigger.kind {
        TriggerKind::PullRequest => "pull request",
        TriggerKind::Issue | TriggerKind::Schedule | TriggerKind::Manual => "issue",
    }
}
