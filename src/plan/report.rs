//! Back to where the work came from: one comment on the issue or the pull request that says how the task stands, edited in
//! place, and a label for as long as it waits or is at work. The label is the issue's: whoever needs it last removes it.
//!
//! GitHub has no key by which a comment would be written once. So it is written down first that one is about to be, and after
//! an answer that was lost the comment is looked for by its marker before another is written.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::api::task::{Phase, ReportStatus, TaskStatus};
use crate::api::{AgentTask, Reason};
use crate::domain::outside::clean_line;
use crate::domain::prompt::hex;

use super::pulls::when_it_may_write;
use super::start::bounded;
use super::time::add;
use super::world::{ObjectKey, World, counts, phase};
use super::{Action, Planned};

/// Between two edits that tell of the same phase.
const PACE: SignedDuration = SignedDuration::from_secs(60);
/// A first comment is sent within so long of the write ahead of it, or not at all.
const SENT_WITHIN: SignedDuration = SignedDuration::from_secs(45);
/// A comment is on its way for so long at most after the write ahead of it, and shown in lists by then.
const SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(75);
/// A first comment that does not get through is tried this many times more often than the age of its task, each time with a
/// write ahead, and at least once in an hour.
const AGE_PER_TRY: i32 = 4;
const TRIES_AT_MOST_APART: SignedDuration = SignedDuration::from_hours(1);
/// What is still to be said of a task that has ended keeps its object for so long.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(1);
/// What could not be said for so long after a task's end is not said any more: nothing is tried for ever.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The most characters of a sentence in a comment.
const SENTENCE_MAX: usize = 500;

/// What is to be said: one call, and what comes of it is written down before the next, so that a refusal of the one takes
/// nothing from the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Of the issue or the pull request.
    pub number: u64,
    pub what: What,
}

/// A comment or a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Comment(Comment),
    Label {
        name: String,
        /// Whether it has to be there.
        is_wanted: bool,
    },
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The comment that says it so far.
    pub id: Option<i64>,
    /// Whether there may be one that is not known.
    pub look: bool,
    pub body: String,
    pub phase: Phase,
}

/// Says it when that is due.
pub fn plan(world: &World, task: &AgentTask, now: Timestamp, planned: &mut Planned) {
    if is_over(task, now) {
        return;
    }
    for (said, not_before) in due(world, task) {
        match not_before.filter(|time| *time > now) {
            Some(time) => planned.wake_at(time),
            None => return when_it_may_write(world, task, now, planned, Action::Report(Box::new(said))),
        }
    }
}

/// Whether a task ended so long ago that nobody waits to hear of it. One that goes on has no end.
fn is_over(task: &AgentTask, now: Timestamp) -> bool {
    let Some(status) = task.status.as_ref().filter(|_| !wants_label(task)) else {
        return false;
    };
    let changed = status.task.as_ref().and_then(|task| task.updated_at);
    let ended = status.ended_at.max(changed);
    ended.is_some_and(|ended| add(ended, TRIED_FOR) <= now)
}

/// Whether something is still to be said of a task that has ended; not for ever.
#[must_use]
pub fn keeps(world: &World, task: &AgentTask, now: Timestamp) -> bool {
    let ended = task.status.as_ref().and_then(|status| status.ended_at);
    let is_recent = ended.is_some_and(|ended| add(ended, KEPT_FOR) > now);
    is_recent && !due(world, task).is_empty()
}

/// The tasks that leave their label where it is for this one.
pub fn labels_left_to<'a>(world: &'a World, task: &AgentTask) -> impl Iterator<Item = &'a ObjectKey> {
    let beside = world.labelling_beside(task);
    let is_left = |other: &AgentTask| !wants_label(other) && report(other).is_some_and(|known| known.labelled);
    beside.filter_map(move |(key, other)| is_left(other).then_some(key))
}

/// The status before a first comment is written.
#[must_use]
pub fn trying(status: &TaskStatus, now: Timestamp) -> TaskStatus {
    let known = status.report.clone().unwrap_or_default();
    let report = ReportStatus {
        trying_since: Some(now),
        ..known
    };
    with(status, report)
}

/// Whether a first comment may still be sent: another leader may have looked for it since, in vain, and written its own.
#[must_use]
pub fn may_be_sent(status: &TaskStatus, now: Timestamp) -> bool {
    let ahead = status.report.as_ref().and_then(|report| report.trying_since);
    ahead.is_some_and(|since| now < add(since, SENT_WITHIN))
}

/// The status after a comment was written, or after GitHub refused it.
#[must_use]
pub fn commented(status: &TaskStatus, comment: &Comment, outcome: Result<i64, String>, now: Timestamp) -> TaskStatus {
    let known = status.report.clone().unwrap_or_default();
    let report = match outcome {
        Ok(id) => ReportStatus {
            comment_id: Some(id),
            said: Some(digest(&comment.body)),
            said_at: Some(now),
            said_of: Some(comment.phase),
            trying_since: None,
            refused: None,
            ..known
        },
        Err(refused) => ReportStatus {
            refused: Some(bounded(&refused)),
            trying_since: None,
            ..known
        },
    };
    with(status, report)
}

/// The status after a label was set or removed, or after GitHub refused that.
#[must_use]
pub fn labelled(status: &TaskStatus, is_there: bool, outcome: Result<(), String>) -> TaskStatus {
    let known = status.report.clone().unwrap_or_default();
    let report = match outcome {
        Ok(()) => ReportStatus {
            labelled: is_there,
            ..known
        },
        Err(refused) => ReportStatus {
            label_refused: Some(bounded(&refused)),
            ..known
        },
    };
    with(status, report)
}

/// What GitHub refused to have said where the work came from.
#[must_use]
pub fn refusal(status: &TaskStatus) -> Option<String> {
    let report = status.report.as_ref()?;
    let comment = report.refused.as_ref().map(|said| format!("no comment: {said}"));
    let label = report.label_refused.as_ref().map(|said| format!("no label: {said}"));
    let refused: Vec<_> = comment.into_iter().chain(label).collect();
    (!refused.is_empty()).then(|| refused.join("; "))
}

/// The line by which a task's comment is found again; nobody sees it.
#[must_use]
pub fn marker(task: &AgentTask) -> String {
    format!(
        "<!-- agentautomation.dev/report: {} -->",
        task.uid().unwrap_or_default()
    )
}

/// What differs from what was said, and when it may be said: the comment first.
fn due(world: &World, task: &AgentTask) -> Vec<(Said, Option<Timestamp>)> {
    let known = report(task).cloned().unwrap_or_default();
    let (Some(terms), Some(event)) = (task.spec.report.as_ref(), task.spec.trigger.event.as_ref()) else {
        return Vec::new();
    };
    // A start is under way: what comes of it is said.
    if phase(task) == Phase::Starting || task.status.is_none() {
        return Vec::new();
    }
    let number = u64::try_from(event.number).unwrap_or_default();
    let comment = terms.comment.then(|| comment(task, &known)).flatten();
    let comment = comment.map(|comment| {
        let not_before = not_before(task, &known, comment.phase);
        (What::Comment(comment), not_before)
    });
    let label = terms.label.as_deref().and_then(|name| label(world, task, &known, name));
    let due = comment.into_iter().chain(label.map(|label| (label, None)));
    due.map(|(what, not_before)| (Said { number, what }, not_before))
        .collect()
}

fn comment(task: &AgentTask, known: &ReportStatus) -> Option<Comment> {
    // Somebody else's pull request is told nothing of a trigger that was not for it.
    let is_for_others = task.status.as_ref().and_then(|status| status.reason) == Some(Reason::NotWanted);
    if is_for_others && known.comment_id.is_none() && known.trying_since.is_none() {
        return None;
    }
    let body = body(task);
    let is_news = known.said.as_ref() != Some(&digest(&body));
    (is_news && known.refused.is_none()).then(|| Comment {
        id: known.comment_id,
        look: known.trying_since.is_some(),
        body,
        phase: phase(task),
    })
}

fn label(world: &World, task: &AgentTask, known: &ReportStatus, name: &str) -> Option<What> {
    let is_wanted = wants_label(task);
    let is_news = is_wanted != known.labelled && known.label_refused.is_none();
    (is_news && (is_wanted || !others_want(world, task, name))).then(|| What::Label {
        name: name.to_owned(),
        is_wanted,
    })
}

fn wants_label(task: &AgentTask) -> bool {
    phase(task).is_waiting() || counts(task)
}

/// GitHub tells no case in names of labels.
fn others_want(world: &World, task: &AgentTask, name: &str) -> bool {
    let is_same = |other: &AgentTask| {
        let label = other.spec.report.as_ref().and_then(|terms| terms.label.as_deref());
        label.is_some_and(|label| label.eq_ignore_ascii_case(name))
    };
    let mut beside = world.labelling_beside(task);
    beside.any(|(_, other)| wants_label(other) && is_same(other))
}

fn not_before(task: &AgentTask, known: &ReportStatus, phase: Phase) -> Option<Timestamp> {
    let same_phase = known.said_of == Some(phase);
    let paced = known.said_at.filter(|_| same_phase).map(|at| add(at, PACE));
    let made = task.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let shown = known.trying_since.map(|since| {
        let age = since.duration_since(made.unwrap_or(since)) / AGE_PER_TRY;
        add(since, age.clamp(SHOWN_AFTER, TRIES_AT_MOST_APART))
    });
    paced.max(shown)
}

fn with(status: &TaskStatus, report: ReportStatus) -> TaskStatus {
    TaskStatus {
        report: Some(report),
        ..status.clone()
    }
}

fn report(task: &AgentTask) -> Option<&ReportStatus> {
    task.status.as_ref()?.report.as_ref()
}

/// Sentences may quote what people and GitHub wrote: as code they mention nobody and link to nothing.
fn body(task: &AgentTask) -> String {
    let status = task.status.clone().unwrap_or_default();
    let quoted = |text: &str| format!("`{}`", clean_line(text, SENTENCE_MAX).text.replace('`', "'"));
    let mut lines = vec![format!("**{}**", headline(status.phase))];
    let reason = status.reason.map_or("", Reason::as_str);
    let pull = status.pull_request.as_ref().and_then(|pull| pull.url.as_deref());
    if status.phase == Phase::Running {
        lines.extend(status.task.as_ref().and_then(|task| task.url.clone()));
    } else {
        let message = status.message.as_deref().unwrap_or_default();
        lines.push(quoted(&format!("{reason}: {message}")));
    }
    lines.extend(pull.map(|pull| format!("Pull request: {pull}")));
    let by = task.spec.requester.as_deref().unwrap_or("schedule");
    lines.push(format!(
        "Task {} of the automation {}, asked for by {}.",
        quoted(&task.name_any()),
        quoted(&task.spec.automation.name),
        quoted(by)
    ));
    lines.push(marker(task));
    lines.join("\n\n")
}

fn headline(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending | Phase::Held => "Queued",
        Phase::Starting => "Starting",
        Phase::Running => "At work",
        Phase::Unknown => "It can't be told whether it started",
        Phase::Succeeded => "Finished",
        Phase::Failed => "Failed",
        Phase::TimedOut => "Timed out",
        Phase::Cancelled => "Cancelled",
        Phase::Denied => "Denied",
        Phase::Superseded => "Superseded",
        Phase::Skipped => "Skipped",
        Phase::Expired => "Expired",
    }
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text)[..8])
}
