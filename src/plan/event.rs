//! Which automations an event at GitHub starts something for, and what.
//!
//! Every automation of the namespace that works in the event's repository is asked, and each says what it makes of it: a
//! task, or why none. The task's name follows from what happened, so that an event that is told twice makes one object.

use std::cell::OnceCell;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::automation::RefusedEvent;
use crate::api::policy::TriggerKind;
use crate::api::task::Occurrence;
use crate::api::trigger::{
    Filter, IssueAction, IssueTrigger, PullRequestAction, PullRequestTrigger, ReviewState, Source, Trigger,
};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::condition::{Condition, ConditionError};
use crate::domain::event::{Event, Subject, What};
use crate::domain::expression::expression;
use crate::domain::outside::{Cleaned, clean, clean_line, command};
use crate::domain::prompt;

use super::spec::{Occasion, Parsed, Problem, parse};
use super::time::add;
use super::world::{ObjectKey, World, folded, phase};
use super::{Why, automation, naming, origin};

/// The most labels, which are as many as GitHub allows. What a `when` may cost rests on it.
const LABELS_MAX: usize = 100;
/// The most characters of a body or a comment that a prompt can hold.
const TEXT_MAX: usize = 16_384;
/// The most bytes of one: both leave a quarter of a prompt to the automation's own words.
const TEXT_BYTES: usize = prompt::MAX_BYTES * 3 / 8;
/// The most characters of a title, a label or a branch.
const LINE_MAX: usize = 256;
/// Seconds by which two may differ that tell of the same.
const TOLD_APART: i64 = 5;
/// What this controller writes into comments, so that it does not answer itself.
const OWN_MARK: &str = "agentautomation.dev/";

/// What an automation makes of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Create(Box<AgentTask>),
    /// Nothing, for nothing but who did it, and this is why.
    Refuse(String),
    /// Nothing, and this is why.
    Ignore(String),
}

/// What each automation of a namespace that works in the event's repository makes of it, by trigger, where a webhook tells
/// of it.
#[must_use]
pub fn decide(world: &World, namespace: &str, event: &Event, now: Timestamp) -> Vec<(ObjectKey, Decision)> {
    let automations = world.automations_in(namespace);
    let here =
        automations.filter(|(_, automation)| folded(&automation.spec.repository) == folded(event.repository.as_str()));
    here.flat_map(|(key, automation)| {
        let decisions = of_automation(world, automation, event, Source::Webhook, now);
        decisions.into_iter().map(|decision| (key.clone(), decision))
    })
    .collect()
}

/// What a task that an event caused was made for; nothing where its trigger is gone.
#[must_use]
pub fn occasion<'a>(parsed: &Parsed<'a>, task: &AgentTask) -> Option<Occasion<'a>> {
    let cause = &task.spec.trigger;
    let trigger = parsed.events.iter().find(|trigger| trigger.name == cause.name)?;
    Some(Occasion {
        requester: task.spec.requester.clone(),
        id: cause.id.clone(),
        event: cause.event.as_deref().cloned(),
        ..blank(parsed, trigger, cause.scheduled_time)
    })
}

/// Until when an event may be told again: its object has to be there for as long.
#[must_use]
pub fn may_come_again_until(automation: &AgentAutomation, task: &AgentTask) -> Option<Timestamp> {
    let cause = &task.spec.trigger;
    cause.event.as_ref()?;
    let trigger = automation
        .spec
        .triggers
        .iter()
        .find(|trigger| trigger.name == cause.name);
    let filter = trigger.and_then(filter).cloned().unwrap_or_default();
    Some(add(cause.scheduled_time, filter.max_event_age.duration()))
}

/// Whether what happened then may be told again: what is older fires nothing.
#[must_use]
pub fn may_come_again(automation: &AgentAutomation, at: Timestamp, now: Timestamp) -> bool {
    let filters = automation.spec.triggers.iter().filter_map(filter);
    let longest = filters.map(|filter| filter.max_event_age.duration()).max();
    longest.is_some_and(|longest| add(at, longest) >= now)
}

/// What an automation makes of an event that a source tells of, by trigger.
#[must_use]
pub fn of_automation(
    world: &World,
    automation: &AgentAutomation,
    event: &Event,
    source: Source,
    now: Timestamp,
) -> Vec<Decision> {
    if automation.spec.triggers.iter().all(|trigger| filter(trigger).is_none()) {
        return Vec::new();
    }
    let ignore = |why: String| vec![Decision::Ignore(why)];
    if automation.metadata.deletion_timestamp.is_some() {
        return ignore("the automation is being deleted".to_owned());
    }
    if automation.spec.suspend {
        return ignore("the automation is suspended".to_owned());
    }
    let triggers = automation
        .spec
        .triggers
        .iter()
        .filter(|trigger| filter(trigger).is_some());
    // Reading the whole spec costs a hundred times what its filters do, and most events are nothing to most automations.
    let parsed = OnceCell::new();
    let decided = triggers.map(|trigger| {
        let refused = unheard(trigger, source)
            .map(Refusal::of_all)
            .or_else(|| refusal(world, automation, trigger, event, source, now));
        let made = refused.map_or(Ok(()), Err).and_then(|()| {
            let parsed = parsed
                .get_or_init(|| parse(automation))
                .as_ref()
                .map_err(|problems| Refusal::of_all(unreadable(problems)))?;
            create(world, automation, parsed, trigger, event, now).map_err(Refusal::of_all)
        });
        match made {
            Ok(task) => Decision::Create(Box::new(task)),
            Err(Refusal { why, is_for_who: true }) => Decision::Refuse(of_trigger(trigger, &why)),
            Err(Refusal { why, .. }) => Decision::Ignore(of_trigger(trigger, &why)),
        }
    });
    decided.collect()
}

fn unreadable(problems: &[Problem]) -> String {
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    format!("the automation's spec can't be read: {first}")
}

fn create(
    world: &World,
    automation: &AgentAutomation,
    parsed: &Parsed,
    trigger: &Trigger,
    event: &Event,
    now: Timestamp,
) -> Result<AgentTask, String> {
    let identity = event.identity();
    let occasion = Occasion {
        id: Some(identity.clone()),
        requester: Some(clean_line(&event.actor.login, LINE_MAX).text),
        event: Some(occurrence(event)),
        ..blank(parsed, trigger, event.at)
    };
    let spec = automation::snapshot(world, automation, &occasion, now).map_err(|why| why.message)?;
    let of = &spec.automation;
    let name = naming::event_task(of, &trigger.name, &spec.repository, &identity);
    Ok(automation::object(&name, automation.namespace(), spec))
}

fn blank<'a>(parsed: &Parsed<'a>, trigger: &'a Trigger, time: Timestamp) -> Occasion<'a> {
    let kind = trigger.kind().unwrap_or(TriggerKind::Issue);
    let push_to = trigger.pull_request.as_ref().map(|pull| pull.push_to);
    Occasion {
        push_to: push_to.unwrap_or_default(),
        ..Occasion::new(&trigger.name, kind, time, parsed.defaults.clone())
    }
}

/// What is kept of an event: cleaned and bounded.
fn occurrence(event: &Event) -> Occurrence {
    let subject = &event.subject;
    let comment = match &event.what {
        What::Comment(comment) => comment.body.as_str(),
        What::Issue(_) | What::PullRequest(_) => "",
    };
    let texts = [&subject.body, comment].map(long_text);
    let branches = subject.branches.as_ref();
    let lines = [
        subject.title.as_str(),
        subject.url.as_str(),
        branches.map_or("", |branches| branches.head.as_str()),
        branches.map_or("", |branches| branches.base.as_str()),
    ]
    .map(|line| clean_line(line, LINE_MAX));
    let altered = texts.iter().chain(&lines).any(Cleaned::is_altered) || subject.labels.len() > LABELS_MAX;
    let [body, comment] = texts.map(|cleaned| cleaned.text);
    let [title, url, head, base] = lines.map(|cleaned| cleaned.text);
    let line = |text: &str| clean_line(text, LINE_MAX).text;
    Occurrence {
        action: action(&event.what).to_owned(),
        number: i64::try_from(subject.number).unwrap_or(i64::MAX),
        url,
        title,
        body,
        author: line(&subject.author),
        labels: subject
            .labels
            .iter()
            .take(LABELS_MAX)
            .map(|label| line(label))
            .collect(),
        sender: line(&event.actor.login),
        association: Some(event.actor.association),
        comment,
        head,
        base,
        altered,
    }
}

fn long_text(text: &str) -> Cleaned {
    let cleaned = clean(text, TEXT_MAX);
    if cleaned.text.len() <= TEXT_BYTES {
        return cleaned;
    }
    let ends = cleaned.text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    clean(text, ends.take_while(|end| *end <= TEXT_BYTES).count())
}

fn action(what: &What) -> &'static str {
    match what {
        What::Issue(IssueAction::Opened) | What::PullRequest(PullRequestAction::Opened) => "opened",
        What::Issue(IssueAction::Labeled) | What::PullRequest(PullRequestAction::Labeled) => "labeled",
        What::Issue(IssueAction::Assigned) => "assigned",
        What::Issue(IssueAction::Reopened) => "reopened",
        What::PullRequest(PullRequestAction::Synchronize) => "synchronize",
        What::PullRequest(PullRequestAction::ReadyForReview) => "ready_for_review",
        What::PullRequest(PullRequestAction::ReviewSubmitted) => "review_submitted",
        What::Comment(_) => "comment",
    }
}

/// What a trigger for something at GitHub is for.
pub(super) fn filter(trigger: &Trigger) -> Option<&Filter> {
    let issue = trigger.issue.as_ref().map(|issue| &issue.filter);
    issue.or(trigger.pull_request.as_ref().map(|pull| &pull.filter))
}

/// Whether a task is for something that another of its automation is for: GitHub's webhooks and its lists may tell different
/// times of the same, and so lead to two names.
#[must_use]
pub fn told_twice(world: &World, automation: &AgentAutomation, task: &AgentTask) -> Option<Why> {
    let (what, at) = timed(task)?;
    let age = |task: &AgentTask| (task.creation_timestamp(), task.name_any());
    let is_same = |other: &&AgentTask| {
        let same = timed(other).is_some_and(|(other, then)| other == what && (then - at).abs() <= TOLD_APART);
        let is_here = folded(&other.spec.repository) == folded(&task.spec.repository);
        same && is_here && other.spec.trigger.name == task.spec.trigger.name && other.uid() != task.uid()
    };
    let mut others = world.tasks_of(automation).filter(is_same);
    let first = others.find(|other| !phase(other).is_waiting() || age(other) < age(task))?;
    let message = format!("task {} is for the same: it was told of twice", first.name_any());
    Some(Why::new(Reason::Duplicate, message))
}

/// What happened and when, in seconds, where that is part of what tells it from others.
fn timed(task: &AgentTask) -> Option<(&str, i64)> {
    task.spec.trigger.event.as_ref()?;
    let (what, at) = task.spec.trigger.id.as_deref()?.rsplit_once(' ')?;
    let is_timed = [" labeled ", " assigned ", " reopened", " ready"]
        .iter()
        .any(|word| what.contains(word));
    Some((what, at.parse().ok().filter(|_| is_timed)?))
}

/// Whether any trigger of an automation is for what a source tells of.
#[must_use]
pub fn listens(automation: &AgentAutomation, source: Source) -> bool {
    let mut triggers = automation.spec.triggers.iter();
    triggers.any(|trigger| filter(trigger).is_some() && unheard(trigger, source).is_none())
}

/// Whether any trigger is for what webhooks alone tell: all of it where the source is `Webhook`, and pushes, which show in no
/// list of a repository.
#[must_use]
pub fn is_told_by_webhooks_alone(automation: &AgentAutomation) -> bool {
    let is_for_pushes = |pull: &PullRequestTrigger| pull.actions.contains(&PullRequestAction::Synchronize);
    automation.spec.triggers.iter().any(|trigger| {
        let source = filter(trigger).map(|filter| filter.source);
        let pushes = trigger.pull_request.as_ref().is_some_and(is_for_pushes);
        source == Some(Source::Webhook) || (source == Some(Source::Both) && pushes)
    })
}

/// Whether any trigger that polls is for reviews, which no list of a repository has.
#[must_use]
pub fn wants_reviews(automation: &AgentAutomation) -> bool {
    let wants = |pull: &PullRequestTrigger| pull.actions.contains(&PullRequestAction::ReviewSubmitted);
    polled(automation).any(|trigger| trigger.pull_request.as_ref().is_some_and(wants))
}

/// Whether any trigger that polls is for what the record of issue events tells: labels, assignments, what was opened again or
/// is no draft any more, and so also what was none when it was opened.
#[must_use]
pub fn wants_record(automation: &AgentAutomation) -> bool {
    let of_issues = |issue: &IssueTrigger| issue.actions.iter().any(|action| *action != IssueAction::Opened);
    let of_pulls = |pull: &PullRequestTrigger| {
        let recorded = [PullRequestAction::Labeled, PullRequestAction::ReadyForReview];
        pull.draft.is_some() || pull.actions.iter().any(|action| recorded.contains(action))
    };
    polled(automation).any(|trigger| {
        trigger.issue.as_ref().is_some_and(of_issues) || trigger.pull_request.as_ref().is_some_and(of_pulls)
    })
}

/// The commands in comments that triggers are for that poll.
pub fn commands(automation: &AgentAutomation) -> impl Iterator<Item = &String> {
    polled(automation).flat_map(|trigger| {
        let of_issues = trigger.issue.iter().flat_map(|issue| &issue.commands);
        of_issues.chain(trigger.pull_request.iter().flat_map(|pull| &pull.commands))
    })
}

/// Whether an event would have fired, had it been found in time.
#[must_use]
pub fn is_too_old(world: &World, automation: &AgentAutomation, event: &Event, now: Timestamp) -> bool {
    polled(automation).any(|trigger| {
        let refused = |now| refusal(world, automation, trigger, event, Source::Poll, now).is_some();
        refused(now) && !refused(event.at)
    })
}

/// Whether an event would have fired, had nobody suspended its automation or had it been found in time.
#[must_use]
pub fn is_skipped(world: &World, automation: &AgentAutomation, event: &Event, now: Timestamp) -> bool {
    let fires = |trigger| refusal(world, automation, trigger, event, Source::Poll, now).is_none();
    automation.spec.suspend && polled(automation).any(fires) || is_too_old(world, automation, event, now)
}

/// What is told of an event that would have fired, had somebody else done it.
#[must_use]
pub fn refused(world: &World, automation: &AgentAutomation, event: &Event, now: Timestamp) -> Option<RefusedEvent> {
    if automation.spec.suspend {
        return None;
    }
    let message = polled(automation).find_map(|trigger| {
        let refusal = refusal(world, automation, trigger, event, Source::Poll, now)?;
        refusal.is_for_who.then(|| of_trigger(trigger, &refusal.why))
    })?;
    let line = |text: &str| clean_line(text, LINE_MAX).text;
    Some(RefusedEvent {
        time: event.at,
        action: action(&event.what).to_owned(),
        url: line(&event.subject.url),
        sender: line(&event.actor.login),
        association: event.actor.association,
        message,
    })
}

/// The triggers that fire for the past: for how many, and how long ago.
pub fn backfills(automation: &AgentAutomation) -> impl Iterator<Item = (&str, usize, SignedDuration)> {
    polled(automation).filter_map(|trigger| {
        let filter = filter(trigger)?;
        let limit = usize::try_from(filter.backfill.as_ref()?.limit).ok()?;
        Some((trigger.name.as_str(), limit, filter.max_event_age.duration()))
    })
}

/// What is wrong with what a trigger says of the past.
#[must_use]
pub fn backfill_problem(trigger: &Trigger) -> Option<&'static str> {
    let filter = filter(trigger)?;
    let is_deaf = filter.backfill.is_some() && filter.source == Source::Webhook;
    is_deaf.then_some("a webhook tells nothing of the past: leave out source, or write Poll")
}

/// The label that something would have to have and must not.
#[must_use]
pub fn contradictory_label(trigger: &Trigger) -> Option<&String> {
    let filter = filter(trigger)?;
    let is_unwanted = |wanted: &&String| filter.labels_absent.iter().any(|it| it.eq_ignore_ascii_case(wanted));
    filter.labels.iter().find(is_unwanted)
}

/// When it was made.
#[must_use]
pub fn created(automation: &AgentAutomation) -> Timestamp {
    let created = automation.creation_timestamp();
    created.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

fn polled(automation: &AgentAutomation) -> impl Iterator<Item = &Trigger> {
    let triggers = automation.spec.triggers.iter();
    triggers.filter(|trigger| filter(trigger).is_some() && unheard(trigger, Source::Poll).is_none())
}

fn unheard(trigger: &Trigger, source: Source) -> Option<String> {
    let wanted = filter(trigger)?.source;
    let is_heard = wanted == Source::Both || wanted == source;
    (!is_heard).then(|| match source {
        Source::Webhook => "its source is Poll".to_owned(),
        Source::Poll | Source::Both => "its source is Webhook".to_owned(),
    })
}

/// Why an event is nothing to a trigger.
struct Refusal {
    why: String,
    /// Whether it would have fired, had somebody else done it. Its `when` was not asked then: that costs too much for what
    /// anybody can do.
    is_for_who: bool,
}

impl Refusal {
    /// Whoever did it.
    fn of_all(why: String) -> Self {
        Self { why, is_for_who: false }
    }

    fn of_who(why: String) -> Self {
        Self { why, is_for_who: true }
    }
}

fn of_trigger(trigger: &Trigger, why: &str) -> String {
    format!("trigger {}: {why}", trigger.name)
}

fn refusal(
    world: &World,
    automation: &AgentAutomation,
    trigger: &Trigger,
    event: &Event,
    source: Source,
    now: Timestamp,
) -> Option<Refusal> {
    let filter = filter(trigger)?;
    unwanted(automation, trigger, event)
        .or_else(|| untimely(automation, filter, event, source, now))
        .or_else(|| set_here(world, automation, filter, event))
        .or_else(|| unfiltered(filter, event))
        .map(Refusal::of_all)
        .or_else(|| unauthorized(filter, event).map(Refusal::of_who))
        .or_else(|| unless(filter, event).map(Refusal::of_all))
}

fn unwanted(automation: &AgentAutomation, trigger: &Trigger, event: &Event) -> Option<String> {
    match (&trigger.issue, &trigger.pull_request) {
        (Some(issue), _) => unwanted_by_issue(issue, event),
        (None, Some(pull)) => unwanted_by_pull_request(pull, event, &automation.spec.branches.base),
        (None, None) => None,
    }
}

/// What can't be told of an event is not true of it.
fn unless(filter: &Filter, event: &Event) -> Option<String> {
    // As with patterns.
    let condition = Condition::parse(filter.when.as_ref()?).ok()?;
    match condition.holds(&happened(&occurrence(event), event)) {
        Ok(true) => None,
        Ok(false) => Some("its when is not true of it".to_owned()),
        Err(error) => Some(format!("its when says nothing of it: {error}")),
    }
}

/// What a `when` is asked about: cleaned and bounded as what a prompt sees.
fn happened(occurrence: &Occurrence, event: &Event) -> Value {
    let Subject {
        milestone,
        branches,
        draft,
        review,
        is_pull_request,
        ..
    } = &event.subject;
    let mut subject = json!({
        "number": occurrence.number, "title": occurrence.title, "body": occurrence.body, "url": occurrence.url,
        "author": occurrence.author, "labels": occurrence.labels,
        "milestone": milestone.as_ref().map(|title| clean_line(title, LINE_MAX).text),
    });
    if *is_pull_request {
        let state = review.as_ref().and_then(|review| review.state);
        let more = json!({
            "draft": draft, "head": occurrence.head, "base": occurrence.base, "review": state,
            "fork": branches.as_ref().is_some_and(|branches| branches.is_fork),
        });
        if let (Value::Object(subject), Value::Object(more)) = (&mut subject, more) {
            subject.extend(more);
        }
    }
    let kind = if *is_pull_request { "pullRequest" } else { "issue" };
    json!({
        "action": occurrence.action, "sender": occurrence.sender, "association": occurrence.association,
        "repository": event.repository.as_str(), kind: subject,
        "comment": {"body": occurrence.comment, "author": occurrence.sender},
    })
}

/// What is wrong with a trigger's `when`, as far as that can be told before anything has happened.
#[must_use]
pub fn condition_problem(trigger: &Trigger) -> Option<ConditionError> {
    let source = filter(trigger)?.when.as_ref()?;
    let is_pull_request = trigger.pull_request.is_some();
    let blank = Event::blank(is_pull_request)?;
    let blank = happened(&occurrence(&blank), &blank);
    let condition = Condition::parse(source);
    let tried = condition.and_then(|condition| condition.check(&blank).and_then(|()| condition.holds(&blank)));
    tried.err()
}

fn unwanted_by_issue(trigger: &IssueTrigger, event: &Event) -> Option<String> {
    if event.subject.is_pull_request {
        return Some("it happened to a pull request".to_owned());
    }
    match &event.what {
        What::Issue(action) if trigger.actions.contains(action) => {}
        What::Comment(comment) => return uncommanded(&trigger.commands, &comment.body),
        What::Issue(_) | What::PullRequest(_) => {
            return Some(format!("{} is none of its actions", action(&event.what)));
        }
    }
    let body = trigger
        .body_pattern
        .as_ref()
        .filter(|pattern| !finds(pattern, &event.subject.body));
    body.map(|pattern| format!("the body has nothing like {pattern}"))
        .or_else(|| {
            let wanted = trigger.milestone.as_ref()?;
            let has = event.subject.milestone.as_ref() == Some(wanted);
            (!has).then(|| format!("its milestone is not {wanted}"))
        })
}

fn unwanted_by_pull_request(trigger: &PullRequestTrigger, event: &Event, works_on: &str) -> Option<String> {
    let subject = &event.subject;
    if !subject.is_pull_request {
        return Some("it happened to an issue".to_owned());
    }
    match &event.what {
        What::PullRequest(action) if trigger.actions.contains(action) => {}
        What::Comment(comment) => {
            if let Some(why) = uncommanded(&trigger.commands, &comment.body) {
                return Some(why);
            }
        }
        What::Issue(_) | What::PullRequest(_) => {
            return Some(format!("{} is none of its actions", action(&event.what)));
        }
    }
    // A comment tells none of these: GitHub is asked before the start.
    let branches = subject.branches.as_ref();
    let by_branch = branches.and_then(|branches| {
        origin::wrong_branch(trigger, &branches.base, &branches.head)
            .or_else(|| origin::wrong_draft(trigger, subject.draft))
            .or_else(|| origin::unpushable(trigger, &branches.base, branches.is_fork, works_on))
    });
    by_branch.or_else(|| {
        let (wanted, review) = (trigger.review_state, subject.review.as_ref()?);
        let is_another = wanted != ReviewState::Any && review.state != Some(wanted);
        is_another.then(|| "the review says something else".to_owned())
    })
}

fn uncommanded(commands: &[String], body: &str) -> Option<String> {
    if body.contains(OWN_MARK) {
        return Some("the comment is this controller's own".to_owned());
    }
    let is_given = commands.iter().any(|wanted| command(body, wanted));
    (!is_given).then(|| "the comment does not begin with one of its commands".to_owned())
}

/// A new automation does not fire for the past but where it says so and looks itself, and none for what is too old.
fn untimely(
    automation: &AgentAutomation,
    filter: &Filter,
    event: &Event,
    source: Source,
    now: Timestamp,
) -> Option<String> {
    let reaches_back = source == Source::Poll && filter.backfill.is_some();
    if event.at < created(automation) && !reaches_back {
        return Some("it happened before the automation was made".to_owned());
    }
    let ends = add(event.at, filter.max_event_age.duration());
    (ends < now).then(|| format!("it is older than {} (maxEventAge)", filter.max_event_age))
}

/// Who did it counts, not who wrote the text; and bots count by their login alone.
fn unauthorized(filter: &Filter, event: &Event) -> Option<String> {
    let named = |login: &str| {
        filter
            .authors
            .logins
            .iter()
            .any(|name| name.eq_ignore_ascii_case(login))
    };
    let actor = &event.actor;
    if event.subject.author_is_bot && !named(&event.subject.author) {
        return Some("a bot wrote it, and authors.logins does not name that".to_owned());
    }
    if named(&actor.login) {
        return None;
    }
    if actor.is_bot {
        return Some("a bot did it, and authors.logins does not name that".to_owned());
    }
    let is_known = filter.authors.associations.contains(&actor.association);
    (!is_known).then(|| "who did it is none of its authors (authors.associations, authors.logins)".to_owned())
}

/// What this controller does at GitHub causes nothing, unless it is named: a label that tells of a task is set by the user
/// whose token it is, who may be anybody.
fn set_here(world: &World, automation: &AgentAutomation, filter: &Filter, event: &Event) -> Option<String> {
    let set = label_set(event)?;
    let is_set = |label: &String| label.eq_ignore_ascii_case(set);
    if filter.labels.iter().any(is_set) {
        return None;
    }
    let is_own = |it: &AgentAutomation| {
        it.spec
            .report
            .as_ref()
            .and_then(|report| report.label.as_ref())
            .is_some_and(is_set)
    };
    let beside = world.automations_in(automation.metadata.namespace.as_deref().unwrap_or_default());
    let mut here = beside.filter(|(_, it)| folded(&it.spec.repository) == folded(&automation.spec.repository));
    here.any(|(_, it)| is_own(it))
        .then(|| format!("an automation sets the label {set} itself (report.label), and its labels do not name it"))
}

/// The label that was set, where that is what happened.
fn label_set(event: &Event) -> Option<&String> {
    let is_labelling = matches!(
        event.what,
        What::Issue(IssueAction::Labeled) | What::PullRequest(PullRequestAction::Labeled)
    );
    event.subject.changed.as_ref().filter(|_| is_labelling)
}

fn unfiltered(filter: &Filter, event: &Event) -> Option<String> {
    let subject = &event.subject;
    let has = |wanted: &String| subject.labels.iter().any(|label| label.eq_ignore_ascii_case(wanted));
    let is_among =
        |set: &String| filter.labels.is_empty() || filter.labels.iter().any(|it| it.eq_ignore_ascii_case(set));
    if label_set(event).is_some_and(|set| !is_among(set)) {
        return Some("the label that was set is none of its labels".to_owned());
    }
    if let Some(missing) = filter.labels.iter().find(|wanted| !has(wanted)) {
        return Some(format!("it does not have the label {missing}"));
    }
    if let Some(present) = filter.labels_absent.iter().find(|unwanted| has(unwanted)) {
        return Some(format!("it has the label {present}"));
    }
    let pattern = filter.title_pattern.as_ref()?;
    (!finds(pattern, &subject.title)).then(|| format!("the title has nothing like {pattern}"))
}

/// A pattern that can't be read is a problem of the spec, which is told where everything else fits.
fn finds(pattern: &str, text: &str) -> bool {
    expression(pattern).map_or(true, |pattern| pattern.is_match(text))
}
