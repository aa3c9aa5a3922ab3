//! A payload before a trigger: what comes of it is the same each time, bounded, clean, and by who may cause it.
//!
//! The lines are the name of the event and the trigger as JSON, with its filters and its `when`.

use agent_automation::api::trigger::{Filter, Source, Trigger};
use agent_automation::api::{AgentAutomation, AgentTask};
use agent_automation::domain::condition::Condition;
use agent_automation::domain::event::{Event, What};
use agent_automation::domain::outside::{MAX_DEPTH, clean, clean_line, parse_payload};
use agent_automation::domain::prompt::MAX_BYTES;
use agent_automation::plan::World;
use agent_automation::plan::event::{Decision, condition_problem, decide, of_automation};
use serde_json::{Value, json};

use super::{head_and_body, now};

/// The most characters of a body or a comment, of a line, and of who asks.
const TEXT: usize = 16_384;
const LINE: usize = 256;
/// The most labels.
const LABELS: usize = 100;
/// Bytes of a task, well under what the API server takes.
const TASK: usize = 1 << 20;

pub fn hold(bytes: &[u8]) -> bool {
    let (head, body) = head_and_body(bytes);
    let [name, trigger] = head.as_slice() else { return false };
    let (Ok(name), Ok(trigger)) = (std::str::from_utf8(name), serde_json::from_slice(trigger)) else {
        return false;
    };
    let (Some(automation), Ok(payload)) = (automation(trigger), parse_payload(body, MAX_DEPTH)) else {
        return false;
    };
    let trigger = &automation.spec.triggers[0];
    let problem = condition_problem(trigger).is_some();
    let Ok(Some(event)) = Event::parse(name, &payload) else {
        return true;
    };
    assert_eq!(Event::parse(name, &payload), Ok(Some(event.clone())));
    let world = world(&automation);
    let decided = decide(&world, "payments", &event, now());
    assert_eq!(decide(&world, "payments", &event, now()), decided);
    let _ = of_automation(&world, &automation, &event, Source::Poll, now());
    for (_, decision) in decided {
        match decision {
            Decision::Refuse(why) | Decision::Ignore(why) => assert!(!why.is_empty()),
            Decision::Create(task) => {
                assert!(!problem, "it was made by a when that can't be read");
                is_bounded(&task);
                is_clean(&task);
                is_allowed(trigger, &event);
            }
        }
    }
    true
}

fn is_bounded(task: &AgentTask) {
    let (spec, cause) = (&task.spec, &task.spec.trigger);
    let name = task.metadata.name.as_deref().unwrap();
    assert!(name.len() <= 63, "{name}");
    assert!(serde_json::to_vec(task).unwrap().len() <= TASK);
    assert!(spec.prompt.len() <= MAX_BYTES);
    let requester = spec.requester.as_ref().unwrap().chars().count();
    assert!((1..=LINE).contains(&requester), "a requester of {requester} characters");
    let event = cause.event.as_ref().unwrap();
    assert!(event.labels.len() <= LABELS, "{} labels", event.labels.len());
    assert!(cause.id.as_ref().unwrap().chars().count() <= 2 * LINE, "{:?}", cause.id);
}

fn is_clean(task: &AgentTask) {
    let event = task.spec.trigger.event.as_ref().unwrap();
    for text in [&event.body, &event.comment] {
        assert_eq!(&clean(text, TEXT).text, text);
    }
    let lines = [
        &event.title,
        &event.url,
        &event.author,
        &event.sender,
        &event.head,
        &event.base,
    ];
    for line in lines.into_iter().chain(&event.labels) {
        assert_eq!(&clean_line(line, LINE).text, line);
    }
    let prompt = task.spec.prompt.to_ascii_lowercase();
    assert!(!prompt.contains("agentautomation.dev/attempt"), "{prompt}");
}

/// By the trigger's own words, read once more.
fn is_allowed(trigger: &Trigger, event: &Event) {
    let filter = filter(trigger).unwrap();
    let named = |login: &str| {
        filter
            .authors
            .logins
            .iter()
            .any(|name| name.eq_ignore_ascii_case(login))
    };
    let actor = &event.actor;
    assert!(!event.subject.author_is_bot || named(&event.subject.author));
    assert!(!actor.is_bot || named(&actor.login));
    assert!(filter.authors.associations.contains(&actor.association) || named(&actor.login));
    assert_eq!(trigger.pull_request.is_some(), event.subject.is_pull_request);
    if let What::Comment(comment) = &event.what {
        assert!(!comment.body.contains("agentautomation.dev/"), "it answers itself");
    }
    let condition = filter.when.as_ref().map(|when| Condition::parse(when));
    assert!(condition.is_none_or(|condition| condition.is_ok()));
}

fn filter(trigger: &Trigger) -> Option<&Filter> {
    let issue = trigger.issue.as_ref().map(|issue| &issue.filter);
    issue.or(trigger.pull_request.as_ref().map(|pull| &pull.filter))
}

fn automation(mut trigger: Value) -> Option<AgentAutomation> {
    trigger.as_object_mut()?.insert("name".to_owned(), json!("event"));
    let kind = if trigger.get("issue").is_some() {
        "issue"
    } else {
        "pullRequest"
    };
    let goal = format!(
        "{{{{ subject }}}} {{{{ {kind}.title }}}} {{{{ {kind}.labels | join }}}} {{{{ {kind}.body }}}} {{{{ comment.body }}}}"
    );
    let automation = json!({
        "apiVersion": "agentautomation.dev/v1alpha1", "kind": "AgentAutomation",
        "metadata": {"name": "one", "namespace": "payments", "uid": "uid-one", "generation": 1,
                     "creationTimestamp": "2026-11-21T06:00:00Z"},
        "spec": {"repository": "acme/api", "branches": {"base": "main", "allow": ["main"]}, "triggers": [trigger],
                 "prompt": {"goal": goal}, "credentials": {"secretRef": {"name": "token"}}},
    });
    serde_json::from_value(automation).ok()
}

fn world(automation: &AgentAutomation) -> World {
    let mut world = World::default();
    world.put_automation(automation.clone());
    world
}
