//! What policies say to a request. Every policy that selects the namespace holds there; all of them must allow it, so the
//! narrowest wins.

use std::collections::BTreeMap;
use std::{fmt, slice};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::api::automation::{CredentialUse, PullRequestRequest, StartPolicy};
use crate::api::policy::{
    LabelOperator, LabelRequirement, NamespaceSelector, PolicySpec, PromptSection, TriggerKind, WhenFrozen,
};
use crate::api::task::{Bound, PolicyRef, TaskSpec};
use crate::api::trigger::{PushTo, Trigger};
use crate::api::{AgentAutomation, AgentPolicy, AgentTask, Reason};
use crate::domain::endpoint::Endpoint;
use crate::domain::pattern::{Case, Pattern};
use crate::domain::schedule::parse_zone;

use super::freeze::{self, Window};
use super::{Why, World};

/// The most policies, or entries of a list, that a sentence names.
const NAMED: usize = 3;
/// The most characters of all that policies have against a request: it stands in the status of each task.
const LONGEST: usize = 2_000;

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// What is to be allowed.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub namespace: String,
    pub repository: &'a str,
    pub base_branch: &'a str,
    pub target: Target<'a>,
    pub trigger: TriggerKind,
    pub model: &'a str,
    pub custom_agent: &'a str,
    /// The Secrets that it may be started with.
    pub secrets: Vec<&'a str>,
    /// How they are used, where there are several.
    pub credential_use: Option<CredentialUse>,
    pub start_policy: StartPolicy,
    /// The optional sections of its prompt.
    pub sections: Vec<PromptSection>,
    pub opens_pull_request: bool,
}

/// Where the commits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    NewBranch,
    /// To the branch of a pull request, as far as it is known.
    PullRequest(Option<&'a str>),
}

impl<'a> Target<'a> {
    fn of_task(spec: &'a TaskSpec) -> Self {
        let head = spec.trigger.event.as_ref().map(|event| event.head.as_str());
        match spec.push_to {
            PushTo::NewBranch => Self::NewBranch,
            PushTo::PullRequest => Self::PullRequest(head.filter(|head| !head.is_empty())),
        }
    }

    /// Of a trigger no branch is known.
    fn of_trigger(push_to: PushTo) -> Self {
        match push_to {
            PushTo::NewBranch => Self::NewBranch,
            PushTo::PullRequest => Self::PullRequest(None),
        }
    }
}

/// A policy, parsed once.
#[derive(Debug)]
pub struct Rules {
    namespaces: Vec<Pattern>,
    repositories: Vec<Pattern>,
    base_branches: Vec<Pattern>,
    head_branches: Vec<Pattern>,
    models: Vec<Pattern>,
    custom_agents: Vec<Pattern>,
    credentials: Vec<Pattern>,
    notify_hosts: Vec<Pattern>,
    release_branches: Vec<Pattern>,
    pub zone: TimeZone,
    pub windows: Vec<Window>,
    /// What can't be read. Nobody knows what it would forbid.
    problem: Option<String>,
}

/// A policy with its rules.
#[derive(Debug)]
pub struct Policy {
    pub object: AgentPolicy,
    pub rules: Rules,
}

/// Why something may not be, and which rule of which policy says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub why: Why,
    pub bound: Option<Bound>,
}

/// A list of a policy that does not have what is asked for.
struct Lack {
    field: &'static str,
    wanted: String,
    /// What it has, in words.
    has: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruling {
    /// All that hold allow it.
    Allowed,
    /// It would be allowed, but not now.
    Held(Refusal),
    /// The sentence names the field that would have to allow it.
    Denied(Refusal),
}

impl Refusal {
    /// What it says of some triggers, by their names.
    #[must_use]
    pub fn of_triggers(&self, names: &[&str]) -> String {
        let noun = if names.len() == 1 { "trigger" } else { "triggers" };
        format!("{noun} {}: {}", names.join(", "), self.why.message)
    }
}

impl Lack {
    fn new(field: &'static str, wanted: &str, list: &[String]) -> Self {
        Self {
            field,
            wanted: wanted.to_owned(),
            has: allows(list),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, wanted, has } = self;
        write!(f, "spec.{field} must name {wanted} ({has})")
    }
}

impl Ruling {
    /// What is in the way.
    #[must_use]
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Allowed => None,
            Self::Held(refusal) | Self::Denied(refusal) => Some(refusal),
        }
    }
}

impl Rules {
    /// Parses a policy. A pattern that can't be read matches nothing; a time that can't be read is a problem.
    #[must_use]
    pub fn parse(spec: &PolicySpec) -> Self {
        let mut problem = None;
        let zone = parse_zone(&spec.time_zone).unwrap_or_else(|error| {
            problem.get_or_insert(format!("spec.timeZone: {error}"));
            TimeZone::UTC
        });
        let windows = spec.freeze_windows.iter().enumerate().filter_map(|(index, window)| {
            Window::parse(window, &spec.time_zone)
                .map_err(|error| {
                    problem
                        .get_or_insert(format!("spec.freezeWindows[{index}]: {error}"))
                        .len()
                })
                .ok()
        });
        let windows = windows.collect();
        let release = spec
            .guardrails
            .iter()
            .flat_map(|guardrails| &guardrails.release_branches);
        Self {
            namespaces: patterns(&spec.namespaces, Case::Sensitive),
            repositories: patterns(&spec.repositories, Case::Insensitive),
            base_branches: patterns(&spec.base_branches, Case::Sensitive),
            head_branches: patterns(&spec.head_branches, Case::Sensitive),
            models: patterns(&spec.models, Case::Insensitive),
            custom_agents: patterns(&spec.custom_agents, Case::Sensitive),
            credentials: patterns(&spec.credentials, Case::Sensitive),
            notify_hosts: patterns(&spec.notify_hosts, Case::Insensitive),
            release_branches: patterns(release, Case::Sensitive),
            zone,
            windows,
            problem,
        }
    }

    /// What in it can't be read.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

impl Policy {
    #[must_use]
    pub fn new(object: AgentPolicy) -> Self {
        let rules = Rules::parse(&object.spec);
        Self { object, rules }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    #[must_use]
    pub fn spec(&self) -> &PolicySpec {
        &self.object.spec
    }

    /// Whether it holds for a namespace.
    #[must_use]
    pub fn selects(&self, namespace: &str, labels: Option<&Labels>) -> bool {
        let selected = |selector| labels.is_some_and(|labels| selects(selector, labels));
        any(&self.rules.namespaces, namespace) || self.object.spec.namespace_selector.as_ref().is_some_and(selected)
    }

    /// It, as it is now.
    #[must_use]
    pub fn reference(&self) -> PolicyRef {
        PolicyRef {
            name: self.name().to_owned(),
            generation: self.object.metadata.generation.unwrap_or_default(),
        }
    }

    /// One of its rules.
    #[must_use]
    pub fn bound(&self, rule: &str) -> Bound {
        Bound {
            kind: "AgentPolicy".to_owned(),
            name: self.name().to_owned(),
            generation: self.object.metadata.generation.unwrap_or_default(),
            rule: format!("spec.{rule}"),
        }
    }

    /// Whether a branch is for releases, and `baseBranches` does not have its very name.
    #[must_use]
    pub fn is_unnamed_release(&self, branch: &str) -> bool {
        let is_named = self.spec().base_branches.iter().any(|named| named == branch);
        any(&self.rules.release_branches, branch) && !is_named
    }

    fn denies(&self, lack: &Lack) -> Refusal {
        let message = does_not_allow(self.name(), slice::from_ref(lack));
        self.refuses(lack.field, Reason::PolicyDenied, message)
    }

    fn refuses(&self, rule: &str, reason: Reason, message: String) -> Refusal {
        Refusal {
            why: Why::new(reason, message),
            bound: Some(self.bound(rule)),
        }
    }
}

impl<'a> Request<'a> {
    #[must_use]
    pub fn of_task(task: &'a AgentTask) -> Self {
        let spec = &task.spec;
        Self {
            namespace: task.namespace().unwrap_or_default(),
            repository: &spec.repository,
            base_branch: &spec.base_branch,
            target: Target::of_task(spec),
            trigger: spec.trigger.kind,
            model: &spec.agent.model,
            custom_agent: &spec.agent.custom_agent,
            secrets: spec.secret_refs().map(|secret| secret.name.as_str()).collect(),
            credential_use: spec.shared_use(),
            start_policy: spec.start_policy,
            sections: spec.prompt_sections.clone(),
            opens_pull_request: is_reviewed(&spec.pull_request, spec.push_to),
        }
    }

    /// What a trigger of that kind asks for.
    #[must_use]
    pub fn of_automation(automation: &'a AgentAutomation, trigger: TriggerKind, push_to: PushTo) -> Self {
        let spec = &automation.spec;
        Self {
            namespace: automation.namespace().unwrap_or_default(),
            repository: &spec.repository,
            base_branch: &spec.branches.base,
            target: Target::of_trigger(push_to),
            trigger,
            model: &spec.agent.model,
            custom_agent: &spec.agent.custom_agent,
            secrets: spec.credentials.all().map(|secret| secret.name.as_str()).collect(),
            credential_use: spec.credentials.shared_use(),
            start_policy: spec.start_policy,
            sections: prompt_sections(automation),
            opens_pull_request: is_reviewed(&spec.pull_request, push_to),
        }
    }
}

/// There is a pull request, of its own or the one that it pushes to.
fn is_reviewed(pull: &PullRequestRequest, push_to: PushTo) -> bool {
    pull.create || push_to == PushTo::PullRequest
}

/// Whether no policy minds that a task pushes to a branch.
#[must_use]
pub fn may_push(world: &World, namespace: &str, head: &str) -> Option<Refusal> {
    world
        .holding(namespace)
        .find_map(|policy| Some(policy.denies(&unpushable(policy, Some(head))?)))
}

/// Whether the ends of tasks of a namespace may be told there. That nothing starts does not matter to it.
#[must_use]
pub fn may_notify(world: &World, namespace: &str, endpoint: &Endpoint) -> Ruling {
    if let Some(refusal) = unreadable_policy(world) {
        return Ruling::Held(refusal);
    }
    let mut held = world.holding(namespace).peekable();
    if held.peek().is_none() {
        return Ruling::Denied(unheld(world, namespace));
    }
    held.find_map(|policy| Some(policy.denies(&unlisted_host(policy, endpoint)?)))
        .map_or(Ruling::Allowed, Ruling::Denied)
}

/// What policies say to an automation, with the names of the triggers of which they say it: those for the same kind of
/// thing that push to the same place.
#[must_use]
pub fn rule_automation<'a>(world: &World, automation: &'a AgentAutomation) -> Vec<(Vec<&'a str>, Ruling)> {
    let push_to = |trigger: &Trigger| {
        trigger
            .pull_request
            .as_ref()
            .map(|pull| pull.push_to)
            .unwrap_or_default()
    };
    let mut asked: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for trigger in &automation.spec.triggers {
        if let Some(kind) = trigger.kind() {
            asked.entry((kind, push_to(trigger))).or_default().push(&*trigger.name);
        }
    }
    let rulings = asked.into_iter().map(|((kind, push_to), triggers)| {
        let request = Request::of_automation(automation, kind, push_to);
        (triggers, rule(world, &request))
    });
    rulings.collect()
}

/// What keeps an automation from running at all: a refusal, where none of its triggers is allowed.
#[must_use]
pub fn refused(world: &World, automation: &AgentAutomation) -> Option<Refusal> {
    let rulings = rule_automation(world, automation).into_iter();
    let refusals: Option<Vec<_>> = rulings
        .map(|(triggers, ruling)| Some((triggers, ruling.refusal()?)))
        .collect();
    let refusals = refusals?;
    let (_, first) = refusals.first()?;
    let is_same = refusals.iter().all(|(_, refusal)| refusal == first);
    let sentences = refusals.iter().map(|(triggers, refusal)| refusal.of_triggers(triggers));
    Some(Refusal {
        why: Why {
            message: if is_same {
                first.why.message.clone()
            } else {
                sentences.collect::<Vec<_>>().join("; ")
            },
            ..first.why.clone()
        },
        ..first.clone()
    })
}

/// The optional sections that an automation's prompt has.
#[must_use]
pub fn prompt_sections(automation: &AgentAutomation) -> Vec<PromptSection> {
    let prompt = &automation.spec.prompt;
    let sections = [
        (PromptSection::NonGoals, !prompt.non_goals.is_empty()),
        (PromptSection::Validation, !prompt.validation.is_empty()),
        (PromptSection::PullRequest, prompt.pull_request.is_some()),
    ];
    let filled = sections.into_iter().filter(|(_, filled)| *filled);
    filled.map(|(section, _)| section).collect()
}

/// Asks every policy that holds.
#[must_use]
pub fn rule(world: &World, request: &Request) -> Ruling {
    if let Some(refusal) = unreadable_policy(world) {
        return Ruling::Held(refusal);
    }
    let held: Vec<_> = world.holding(&request.namespace).collect();
    if held.is_empty() {
        return Ruling::Denied(unheld(world, &request.namespace));
    }
    let refusals = held.iter().filter_map(|policy| refusal(policy, request));
    if let Some(refusal) = all_of(refusals.collect()) {
        return Ruling::Denied(refusal);
    }
    match held
        .iter()
        .find_map(|policy| unreadable(policy).or_else(|| suspended(policy)))
    {
        Some(refusal) => Ruling::Held(refusal),
        None => Ruling::Allowed,
    }
}

/// The freeze windows that are open in a namespace at a time, with their policies.
pub fn open_windows<'a>(
    world: &'a World,
    namespace: &str,
    at: Timestamp,
) -> impl Iterator<Item = (&'a Policy, freeze::Open<'a>)> + use<'a> {
    world.holding(namespace).flat_map(move |policy| {
        let windows = policy.rules.windows.iter();
        windows.filter_map(move |window| Some((policy, window.open_at(at)?)))
    })
}

/// The window that skips what came due at a time, however late that is looked at.
#[must_use]
pub fn skipping_window<'a>(
    world: &'a World,
    namespace: &str,
    due: Timestamp,
) -> Option<(&'a Policy, freeze::Open<'a>)> {
    open_windows(world, namespace, due).find(|(_, open)| open.due == WhenFrozen::Skip)
}

fn patterns<'a>(sources: impl IntoIterator<Item = &'a String>, case: Case) -> Vec<Pattern> {
    let parsed = sources
        .into_iter()
        .filter_map(|source| Pattern::parse(source, case).ok());
    parsed.collect()
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// The label of which a selector asks for more than can be true at once, so that it selects nothing.
#[must_use]
pub fn contradictory_key(selector: &NamespaceSelector) -> Option<&String> {
    let conditions = selector.match_expressions.iter().map(|requirement| &requirement.key);
    selector.match_labels.keys().chain(conditions).find(|key| {
        let mut of_key = selector.clone();
        of_key.match_labels.retain(|other, _| other == *key);
        of_key.match_expressions.retain(|requirement| requirement.key == **key);
        let listed = of_key
            .match_expressions
            .iter()
            .flat_map(|requirement| &requirement.values);
        let named = of_key.match_labels.values().chain(listed).cloned();
        // Longer than any that can be listed.
        let another = "x".repeat(64);
        let mut values = named.chain([another]).map(Some).chain([None]);
        !values.any(|value| {
            let labels = value.map(|value| ((*key).clone(), value));
            selects(&of_key, &labels.into_iter().collect())
        })
    })
}

fn selects(selector: &NamespaceSelector, labels: &Labels) -> bool {
    let equal = selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector
            .match_expressions
            .iter()
            .all(|requirement| meets(requirement, labels))
}

fn meets(requirement: &LabelRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|value| requirement.values.contains(value));
    match requirement.operator {
        LabelOperator::In => listed,
        LabelOperator::NotIn => !listed,
        LabelOperator::Exists => value.is_some(),
        LabelOperator::DoesNotExist => value.is_none(),
    }
}

fn unreadable_policy(world: &World) -> Option<Refusal> {
    let name = world.unreadable_policies.first()?;
    let message = format!(
        "AgentPolicy {name} can't be read, so nothing starts: mend it, or install the definitions that fit this \
         controller"
    );
    Some(Refusal {
        why: Why::new(Reason::PolicyUnreadable, message),
        bound: None,
    })
}

fn unheld(world: &World, namespace: &str) -> Refusal {
    Refusal {
        why: Why::new(Reason::PolicyDenied, nobody_speaks(world, namespace)),
        bound: None,
    }
}

fn nobody_speaks(world: &World, namespace: &str) -> String {
    let mut names: Vec<_> = world.policies().map(ResourceExt::name_any).collect();
    if names.is_empty() {
        return format!(
            "there is no AgentPolicy, and without one nothing starts: create one whose spec.namespaces names {namespace}"
        );
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    names.extend((more > 0).then(|| format!("one of {more} more")));
    format!(
        "no AgentPolicy holds for this namespace: spec.namespaces or spec.namespaceSelector of {} must name {namespace}",
        names.join(" or ")
    )
}

fn unreadable(policy: &Policy) -> Option<Refusal> {
    let problem = policy.rules.problem()?;
    let message = format!(
        "AgentPolicy {}, {problem}: nothing starts until it is corrected",
        policy.name()
    );
    Some(Refusal {
        why: Why::new(Reason::PolicyUnreadable, message),
        bound: None,
    })
}

fn suspended(policy: &Policy) -> Option<Refusal> {
    let said = policy.spec().suspend_message.as_ref();
    let because = said.map_or_else(String::new, |said| format!(" ({said})"));
    let name = policy.name();
    let message = format!("AgentPolicy {name} is suspended{because}: nothing starts until its spec.suspend is false");
    let suspended = policy.spec().suspend;
    suspended.then(|| policy.refuses("suspend", Reason::PolicySuspended, message))
}

/// All that a policy has against a request; the first of it binds.
fn refusal(policy: &Policy, request: &Request) -> Option<Refusal> {
    let lacks = unlisted(policy, request);
    let unmet = unmet(policy.spec(), request);
    let fields = lacks.iter().map(|lack| lack.field);
    let rule = fields.chain(unmet.iter().map(|(field, _)| *field)).next()?;
    let name = policy.name();
    let lists = (!lacks.is_empty()).then(|| does_not_allow(name, &lacks));
    let demands = unmet
        .iter()
        .map(|(_, demand)| format!("AgentPolicy {name} requires {demand}"));
    let sentences: Vec<_> = lists.into_iter().chain(demands).collect();
    Some(policy.refuses(rule, Reason::PolicyDenied, sentences.join("; ")))
}

/// What all policies have against it. As many of them speak as a sentence names.
fn all_of(refusals: Vec<Refusal>) -> Option<Refusal> {
    let are_more = refusals.len() > NAMED;
    let mut refusals = refusals.into_iter();
    let mut first = refusals.next()?;
    for other in refusals.take(NAMED - 1) {
        first.why.message = format!("{}; {}", first.why.message, other.why.message);
    }
    if are_more {
        first.why.message.push_str("; more policies do not allow it");
    }
    if let Some((end, _)) = first.why.message.char_indices().nth(LONGEST) {
        first.why.message.truncate(end);
        first.why.message.push('…');
    }
    Some(first)
}

fn does_not_allow(policy: &str, lacks: &[Lack]) -> String {
    let sentences: Vec<_> = lacks.iter().map(ToString::to_string).collect();
    format!("AgentPolicy {policy} does not allow it: {}", sentences.join("; "))
}

/// What a policy requires and the request does not have, by the rule that says so.
fn unmet(policy: &PolicySpec, request: &Request) -> Vec<(&'static str, String)> {
    let required = policy.required_prompt_sections.iter();
    let missing: Vec<_> = required
        .filter(|section| !request.sections.contains(section))
        .map(|section| format!("spec.prompt.{}", section.field()))
        .collect();
    let sections = (!missing.is_empty()).then(|| {
        let noun = if missing.len() == 1 { "a section" } else { "sections" };
        let demand = format!("{noun} of the prompt: fill in {}", missing.join(", "));
        ("requiredPromptSections", demand)
    });
    let is_reviewed = request.opens_pull_request || policy.required_reviewers.is_empty();
    let reviewers = (!is_reviewed).then(|| {
        let demand = "reviewers, and there is nothing to review: set spec.pullRequest.create to true";
        ("requiredReviewers", demand.to_owned())
    });
    sections.into_iter().chain(reviewers).collect()
}

fn unpushable(policy: &Policy, head: Option<&str>) -> Option<Lack> {
    let allowed = &policy.rules.head_branches;
    let is_allowed = head.map_or(!allowed.is_empty(), |head| any(allowed, head));
    let wanted = head.unwrap_or("branches of pull requests that it pushes to");
    (!is_allowed).then(|| Lack::new("headBranches", wanted, &policy.spec().head_branches))
}

fn unlisted_host(policy: &Policy, endpoint: &Endpoint) -> Option<Lack> {
    let (host, sources) = (endpoint.host(), &policy.spec().notify_hosts);
    let is_named = sources.iter().any(|source| source.eq_ignore_ascii_case(host));
    let is_allowed = is_named || endpoint.is_named() && any(&policy.rules.notify_hosts, host);
    (!is_allowed).then(|| Lack::new("notifyHosts", host, sources))
}

/// The lists that lack what is asked for.
fn unlisted(policy: &Policy, request: &Request) -> Vec<Lack> {
    let (spec, rules) = (policy.spec(), &policy.rules);
    let unmatched = |field, patterns: &[Pattern], sources: &[String], text: &str| {
        let wanted = if text.is_empty() { "* for GitHub's choice" } else { text };
        (!any(patterns, text)).then(|| Lack::new(field, wanted, sources))
    };
    let secrets = request.secrets.iter().copied();
    let secrets: Vec<_> = secrets.filter(|secret| !any(&rules.credentials, secret)).collect();
    let secrets = (!secrets.is_empty()).then(|| Lack::new("credentials", &secrets.join(" and "), &spec.credentials));
    let head = match request.target {
        Target::NewBranch => None,
        Target::PullRequest(head) => unpushable(policy, head),
    };
    let credential_use = request.credential_use;
    [
        unmatched(
            "repositories",
            &rules.repositories,
            &spec.repositories,
            request.repository,
        ),
        unmatched(
            "baseBranches",
            &rules.base_branches,
            &spec.base_branches,
            request.base_branch,
        ),
        unmatched("models", &rules.models, &spec.models, request.model),
        unmatched(
            "customAgents",
            &rules.custom_agents,
            &spec.custom_agents,
            request.custom_agent,
        ),
    ]
    .into_iter()
    .flatten()
    .chain(secrets)
    .chain(unnamed(
        "triggers",
        &spec.triggers,
        request.trigger,
        TriggerKind::as_str,
    ))
    .chain(
        credential_use.and_then(|wanted| unnamed("credentialUse", &spec.credential_use, wanted, CredentialUse::as_str)),
    )
    .chain(unnamed(
        "startPolicies",
        &spec.start_policies,
        request.start_policy,
        StartPolicy::as_str,
    ))
    .chain(head)
    .collect()
}

/// A list of words that lacks one.
fn unnamed<T: Copy + PartialEq>(
    field: &'static str,
    list: &[T],
    wanted: T,
    word: fn(T) -> &'static str,
) -> Option<Lack> {
    (!list.contains(&wanted)).then(|| {
        let words: Vec<_> = list.iter().map(|it| word(*it).to_owned()).collect();
        Lack::new(field, word(wanted), &words)
    })
}

/// The first of them; a list may be long, and the sentence stands in every status.
fn allows(list: &[String]) -> String {
    if list.is_empty() {
        "it is empty and so allows nothing".to_owned()
    } else {
        let more = list.len().saturating_sub(NAMED);
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let first: Vec<_> = list.iter().take(NAMED).map(String::as_str).collect();
        format!("it has {}{rest}", first.join(", "))
    }
}
