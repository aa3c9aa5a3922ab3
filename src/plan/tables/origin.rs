//! The issue or the pull request that a task came from, just before the start.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::policy::TriggerKind;
use crate::domain::repository::Repository;
use crate::plan::admission;
use crate::plan::event::Decision;
use crate::plan::observed::{SeenOrigin, SeenOriginPull};
use crate::plan::origin;
use crate::plan::world::{Labelled, OriginFacts};

use super::event::{comment, labeled, made, on, pull, say, with};
use super::*;

const FIX: &str = "pullRequest: {commands: [/agent fix], ";

/// How many seconds ago it was seen, and how; `None` where it was not there.
type Seen = (i64, Option<SeenOrigin>);
/// An event's name and what it says.
type Told<'a> = (&'a str, &'a Value);
/// What a policy says of branches that may be pushed to.
type Heads<'a> = &'a [&'a str];

fn seen() -> SeenOrigin {
    SeenOrigin {
        edited_at: None,
        renamed_at: None,
        labels: vec!["agent".to_owned()],
        is_open: true,
        pull: None,
    }
}

fn seen_pull(change: impl FnOnce(&mut SeenOriginPull)) -> SeenOrigin {
    let mut pull = SeenOriginPull {
        base: "main".to_owned(),
        head: "fix/flaky".to_owned(),
        is_fork: false,
        is_draft: false,
        files: vec!["src/main.rs".to_owned(), "docs/a.md".to_owned()],
    };
    change(&mut pull);
    SeenOrigin {
        pull: Some(pull),
        ..seen()
    }
}

/// A comment on the pull request, by a collaborator.
fn command() -> Value {
    let mut payload = comment("/agent fix");
    payload["issue"]["title"] = json!("Mend it");
    payload["issue"]["pull_request"] = json!({"url": "https://api.github.com/repos/acme/api/pulls/42"});
    payload
}

/// What admission makes of the task of an event, when its issue or pull request was seen like this so many seconds ago.
fn decided(trigger: &str, event: Told, seen: Option<Seen>, heads: Heads) -> (World, String) {
    let automation = || {
        let mut automation = on(trigger);
        automation.spec.report = Some(yaml("{label: at-work}"));
        automation
    };
    let Some(Decision::Create(mut task)) = made(automation(), event.0, event.1).pop() else {
        panic!("{trigger} makes no task");
    };
    task.metadata.uid = Some("uid-task".to_owned());
    task.metadata.name = Some("task".to_owned());
    let key = origin::of_task(&World::default(), &task).unwrap();
    let world = world(vec![*task], |world| {
        world.put_automation(automation());
        let mut policy = policy(None);
        policy
            .spec
            .triggers
            .extend([TriggerKind::Issue, TriggerKind::PullRequest]);
        policy.spec.head_branches = heads.iter().map(|head| (*head).to_owned()).collect();
        world.put_policy(policy);
        if let Some((ago, seen)) = seen {
            let facts = OriginFacts {
                checked_at: at(-ago),
                seen,
            };
            world.origins.insert(key, facts);
        }
        // Others with the same key would be looked for.
        let pulls = world
            .pulls
            .entry((credential(0), Repository::parse("acme/api").unwrap()))
            .or_default();
        pulls.labelled = Some(Labelled {
            asked_at: at(-1),
            answered_at: at(-1),
            pulls: BTreeMap::new(),
        });
    });
    let said = admission::plan(&world, &Settings::default(), at(0));
    let acts = said.iter().find(|(_, planned)| !planned.actions.is_empty());
    let words = match acts.map_or(&[][..], |(_, planned)| planned.actions.as_slice()) {
        [Action::Start(admitted)] => match &admitted.head_branch {
            Some(head) => format!("Start on {head}"),
            None => "Start".to_owned(),
        },
        [Action::WriteTaskStatus(status)] => {
            format!("{}: {}", super::said(status), status.message.clone().unwrap())
        }
        [action] => action.name().to_owned(),
        actions => format!("{actions:?}"),
    };
    (world, words)
}

#[test]
fn what_becomes_of_a_task_by_what_it_came_from() {
    let issue = "issue: {actions: [labeled], labels: [agent], labelsAbsent: [wontfix, at-work]}";
    let edited = |seconds| SeenOrigin {
        edited_at: Some(at(seconds)),
        ..seen()
    };
    let renamed = |seconds| SeenOrigin {
        renamed_at: Some(at(seconds)),
        ..seen()
    };
    let labels = |labels: &[&str]| SeenOrigin {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..seen()
    };
    let closed = SeenOrigin {
        is_open: false,
        ..seen()
    };
    let by_author = with(labeled(), "/sender/login", json!("alice"));
    let asks_anew = "read it again, then ask again (set the label anew), or cancel this task";
    let edited_says = format!(
        "Held TextEdited: bob asked for work on issue #42 at {}, and its text was edited at {}: {asks_anew}",
        at(-10),
        at(-9)
    );
    let renamed_says = format!(
        "Held TextEdited: bob asked for work on issue #42 at {}, and its title was changed at {}: {asks_anew}",
        at(-10),
        at(-10)
    );
    let unwanted = |why: &str| format!("Skipped NotWanted: trigger event is not for issue #42: {why}");
    let gone = |how: &str| format!("Expired OriginGone: issue #42 {how} before it could start");
    let table: Vec<(&str, Value, Option<Seen>, String)> = vec![
        ("it was not looked at", labeled(), None, "ReadOrigin".to_owned()),
        (
            "it was not looked at lately",
            labeled(),
            Some((31, Some(seen()))),
            "ReadOrigin".to_owned(),
        ),
        (
            "it is as it was",
            labeled(),
            Some((29, Some(seen()))),
            "Start".to_owned(),
        ),
        (
            "edited before the label was set",
            labeled(),
            Some((1, Some(edited(-11)))),
            "Start".to_owned(),
        ),
        (
            "edited after the label was set",
            labeled(),
            Some((1, Some(edited(-9)))),
            edited_says.clone(),
        ),
        (
            "that does not change, so nobody asks",
            labeled(),
            Some((900, Some(edited(-9)))),
            edited_says,
        ),
        (
            "another title, in the second in which the label was set",
            labeled(),
            Some((1, Some(renamed(-10)))),
            renamed_says,
        ),
        (
            "another title, before that",
            labeled(),
            Some((1, Some(renamed(-11)))),
            "Start".to_owned(),
        ),
        (
            "the label was taken off",
            labeled(),
            Some((1, Some(labels(&["bug"])))),
            unwanted("it does not have the label agent any more"),
        ),
        (
            "a label that must not be there was set",
            labeled(),
            Some((1, Some(labels(&["agent", "wontfix"])))),
            unwanted("it has the label wontfix by now"),
        ),
        (
            "the label that tells of the task was set",
            labeled(),
            Some((1, Some(labels(&["agent", "at-work"])))),
            "Start".to_owned(),
        ),
        (
            "its author asked for it",
            by_author,
            Some((1, Some(renamed(-9)))),
            "Start".to_owned(),
        ),
        ("closed", labeled(), Some((1, Some(closed))), gone("was closed")),
        ("gone", labeled(), Some((1, None)), gone("was deleted or moved")),
    ];
    for (what, event, seen, expected) in table {
        assert_eq!(decided(issue, ("issues", &event), seen, &[]).1, expected, "{what}");
    }
}

#[test]
fn what_only_github_tells_of_a_pull_request() {
    let (opened, command) = (pull("opened"), command());
    let skipped =
        |number, why: &str| format!("Skipped NotWanted: trigger event is not for pull request #{number}: {why}");
    let on_opened = "pullRequest: {actions: [opened], ";
    let table: [(&str, String, Told, SeenOrigin, String); 6] = [
        (
            "one of its paths is changed",
            format!("{on_opened} paths: ['src/**']}}"),
            ("pull_request", &opened),
            seen_pull(|_| ()),
            "Start".to_owned(),
        ),
        (
            "none of its paths is changed",
            format!("{on_opened} paths: ['docs/*.txt', 'tests/**']}}"),
            ("pull_request", &opened),
            seen_pull(|_| ()),
            skipped(43, "it changes none of its paths"),
        ),
        (
            "a comment does not tell the base",
            format!("{FIX} baseBranches: [main]}}"),
            ("issue_comment", &command),
            seen_pull(|_| ()),
            "Start".to_owned(),
        ),
        (
            "it goes elsewhere",
            format!("{FIX} baseBranches: [main]}}"),
            ("issue_comment", &command),
            seen_pull(|pull| pull.base = "release/1".to_owned()),
            skipped(42, "its base branch matches none of its patterns"),
        ),
        (
            "it comes from elsewhere",
            format!("{FIX} headBranches: ['feature/*']}}"),
            ("issue_comment", &command),
            seen_pull(|_| ()),
            skipped(42, "its head branch matches none of its patterns"),
        ),
        (
            "it is a draft",
            format!("{FIX} draft: false}}"),
            ("issue_comment", &command),
            seen_pull(|pull| pull.is_draft = true),
            skipped(42, "it is a draft"),
        ),
    ];
    for (what, trigger, event, seen, expected) in table {
        assert_eq!(
            decided(&trigger, event, Some((1, Some(seen))), &[]).1,
            expected,
            "{what}"
        );
    }
}

#[test]
fn work_goes_on_with_a_pull_request_s_branch_where_a_policy_says_so() {
    let (opened, command) = (pull("opened"), command());
    let push = "pushTo: PullRequest}";
    let (on_opened, on_command) = (
        format!("pullRequest: {{actions: [opened], {push}"),
        format!("{FIX}{push}"),
    );
    let denied = |wanted: &str, has: &str| {
        format!(
            "Denied PolicyDenied: AgentPolicy default does not allow it: spec.headBranches must name {wanted} ({has})"
        )
    };
    let skipped = |why: &str| format!("Skipped NotWanted: trigger event is not for pull request #42: {why}");
    let (by_event, by_comment) = (("pull_request", &opened), ("issue_comment", &command));
    let table: [(&str, &String, Told, SeenOrigin, Heads, String); 7] = [
        (
            "it may",
            &on_opened,
            by_event,
            seen_pull(|_| ()),
            &["fix/*"],
            "Start on fix/flaky".to_owned(),
        ),
        (
            "it may by a comment",
            &on_command,
            by_comment,
            seen_pull(|_| ()),
            &["fix/*"],
            "Start on fix/flaky".to_owned(),
        ),
        (
            "no policy says so",
            &on_opened,
            by_event,
            seen_pull(|_| ()),
            &[],
            denied("fix/flaky", "it is empty and so allows nothing"),
        ),
        (
            "no policy says so, and the branch is not known yet",
            &on_command,
            by_comment,
            seen_pull(|_| ()),
            &[],
            denied(
                "branches of pull requests that it pushes to",
                "it is empty and so allows nothing",
            ),
        ),
        (
            "the branch is another by now",
            &on_command,
            by_comment,
            seen_pull(|pull| pull.head = "main".to_owned()),
            &["fix/*"],
            denied("main", "it has fix/*"),
        ),
        (
            "it comes from a fork",
            &on_command,
            by_comment,
            seen_pull(|pull| pull.is_fork = true),
            &["**"],
            skipped("it comes from a fork, and pushTo is PullRequest"),
        ),
        (
            "its base is another",
            &on_command,
            by_comment,
            seen_pull(|pull| pull.base = "release/1".to_owned()),
            &["**"],
            skipped("it goes to release/1, and the automation works on main (branches.base)"),
        ),
    ];
    for (what, trigger, event, seen, heads, expected) in table {
        let (world, said) = decided(trigger, event, Some((1, Some(seen))), heads);
        assert_eq!(said, expected, "{what}");
        let task = world.tasks().next().unwrap().1;
        assert!(
            !task.spec.pull_request.create,
            "{what}: there is a pull request already"
        );
    }
    let fork = with(
        opened.clone(),
        "/pull_request/head/repo/full_name",
        json!("mallory/api"),
    );
    let elsewhere = with(opened, "/pull_request/base/ref", json!("release/1"));
    assert_eq!(
        [fork, elsewhere].map(|event| say(on(&on_opened), "pull_request", &event)),
        [
            "it comes from a fork, and pushTo is PullRequest",
            "it goes to release/1, and the automation works on main (branches.base)",
        ],
        "what the event tells makes no task"
    );
}

#[test]
fn a_task_that_waits_for_its_text_gives_way_to_one_that_was_asked_for_since() {
    let edited = SeenOrigin {
        edited_at: Some(at(-9)),
        ..seen()
    };
    let trigger = "issue: {actions: [labeled], labels: [agent]}";
    let (mut world, held) = decided(trigger, ("issues", &labeled()), Some((1, Some(edited))), &[]);
    assert!(held.starts_with("Held TextEdited"), "{held}");
    let anew = with(labeled(), "/issue/updated_at", json!(at(-2)));
    let Some(Decision::Create(mut newer)) = made(on(trigger), "issues", &anew).pop() else {
        panic!("the label was set anew");
    };
    newer.metadata.uid = Some("uid-newer".to_owned());
    newer.metadata.name = Some("newer".to_owned());
    assert!(newer.spec.deduplicate.is_some(), "it has the same key");
    let table = [
        (None, "task: Superseded Replaced", "newer: Skipped"),
        (in_phase(Phase::Skipped), "task: Held TextEdited", "task: Superseded"),
    ];
    for (status, expected, never) in table {
        newer.status = status;
        world.put_task((*newer).clone());
        let said = words(&admission::plan(&world, &Settings::default(), at(0)));
        assert!(said[0].starts_with(expected), "{said:?}");
        assert!(!said.iter().any(|said| said.starts_with(never)), "{said:?}");
    }
}

/// One read tells of it, and a list of pull requests may take many.
#[test]
fn what_it_came_from_is_asked_about_before_open_pull_requests_are_listed() {
    let trigger = "issue: {actions: [labeled], labels: [agent]}";
    let closed = SeenOrigin {
        is_open: false,
        ..seen()
    };
    let table = [
        (None, "?: ReadOrigin"),
        (Some((1, Some(closed))), "task: Expired OriginGone"),
        (Some((1, Some(seen()))), "?: ListOpenPulls"),
    ];
    for (seen, expected) in table {
        let (mut world, _) = decided(trigger, ("issues", &labeled()), seen, &[]);
        world.pulls.clear();
        let said = words(&admission::plan(&world, &Settings::default(), at(0)));
        assert_eq!(said.last().map(String::as_str), Some(expected));
    }
}

#[test]
fn what_it_came_from_is_forgotten_once_nothing_waits() {
    let trigger = "issue: {actions: [labeled], labels: [agent]}";
    let (mut world, _) = decided(trigger, ("issues", &labeled()), Some((1, Some(seen()))), &[]);
    let key = world.origins.keys().next().unwrap().clone();
    assert_eq!(origin::plan(&world, &key).actions, []);
    let mut task = world.tasks().next().unwrap().1.clone();
    task.status = in_phase(Phase::Running);
    world.put_task(task);
    assert_eq!(origin::plan(&world, &key).actions, [Action::Forget]);
}
