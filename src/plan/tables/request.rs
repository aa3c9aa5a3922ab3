//! What becomes of a task that somebody made by hand.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::*;
use crate::api::automation::RequireApproval;
use crate::api::policy::TriggerKind;
use crate::api::task::{
    APPROVED_BY_ANNOTATION, APPROVED_FOR_ANNOTATION, Approval, CANCEL_ANNOTATION, Intervention, InterventionKind,
};
use crate::plan::admission;
use crate::plan::request::{approver, sign};

/// An automation that people run, with an input that they have to give.
fn by_hand() -> AgentAutomation {
    changed(
        "{triggers: [{name: by-hand, manual: {}}], prompt: {goal: 'Update {{ inputs.package }} for {{ requester }}.'},
          inputs: [{name: package, required: true, pattern: '[a-z]+'}]}",
    )
}

/// As somebody makes it with kubectl.
fn asked(spec: &str) -> AgentTask {
    let mut task: AgentTask = yaml(&format!(
        "{{apiVersion: agentautomation.dev/v1alpha1, kind: AgentTask,
          metadata: {{name: asked, namespace: payments, uid: uid-asked}}, spec: {spec}}}"
    ));
    task.metadata.creation_timestamp = Some(Time(at(-5)));
    task
}

const ALICE: &str = "{automation: {name: one}, requester: alice, inputs: {package: serde}}";

fn allowing(world: &mut World) {
    let mut policy = policy(Some(3));
    policy.spec.triggers = vec![TriggerKind::Manual];
    world.put_policy(policy);
    world.put_automation(by_hand());
}

/// What an admission says of one task, with its sentence.
fn say(task: AgentTask, change: impl FnOnce(&mut World)) -> String {
    let world = world(vec![task], |world| {
        allowing(world);
        change(world);
    });
    let plans = admission::plan(&world, &Settings::default(), at(0));
    let (_, planned) = plans.first().unwrap();
    match planned.actions.as_slice() {
        [Action::WriteTaskStatus(status)] => match (&status.decided, status.approvals.last()) {
            (_, Some(approval)) if status.phase == Phase::Pending => format!("approved by {}", approval.by),
            (Some(decided), _) if status.phase == Phase::Pending => format!("decided: {}", decided.prompt.trim()),
            _ => format!("{}: {}", said(status), status.message.clone().unwrap_or_default()),
        },
        _ => decision(planned),
    }
}

#[test]
fn what_a_person_gives_a_task_counts_in_place_of_the_automation_s() {
    let world = world(vec![], allowing);
    let decided = |task: &AgentTask| {
        let spec = crate::plan::automation::spec_for(&world, &by_hand(), task, at(0)).unwrap();
        spec.unwrap()
    };
    let mut task = asked(ALICE);
    assert_eq!(decided(&task).priority, Some(0), "the automation's");
    task.spec.priority = Some(5);
    assert_eq!(decided(&task).priority, Some(5));
    assert_eq!(
        task.completed().spec.trigger.scheduled_time,
        at(-5),
        "it is due since it was made"
    );
}

/// A task that was made by hand and decided, with annotations.
fn decided(annotations: &[(&str, &str)]) -> AgentTask {
    let mut task = asked(ALICE);
    let world = world(vec![], allowing);
    let spec = crate::plan::automation::spec_for(&world, &by_hand(), &task, at(0)).unwrap();
    let mut status = in_phase(Phase::Pending).unwrap();
    status.decided = spec.map(Box::new);
    task.status = Some(status);
    let annotations = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    task.metadata.annotations = Some(annotations.collect());
    task
}

fn approval(users: &[&str], groups: &[&str]) -> RequireApproval {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RequireApproval {
        users: owned(users),
        groups: owned(groups),
    }
}

#[test]
fn what_is_decided_for_a_task_made_by_hand() {
    type Row = (&'static str, &'static str, fn(&mut World), &'static str);
    let table: [Row; 9] = [
        (
            "it is rendered for who asks",
            ALICE,
            |_| (),
            "decided: ## Goal\n\nUpdate serde for alice.",
        ),
        (
            "nobody asks",
            "{automation: {name: one}, inputs: {package: serde}}",
            |_| (),
            "Denied RequesterMissing: nobody says who asks for it: write the user's name into spec.requester",
        ),
        (
            "an input is missing",
            "{automation: {name: one}, requester: alice}",
            |_| (),
            "Denied InvalidInput: input package is missing: it is required",
        ),
        (
            "an input is wrong",
            "{automation: {name: one}, requester: alice, inputs: {package: '{{ x }}'}}",
            |_| (),
            "Denied InvalidInput: input package must match [a-z]+",
        ),
        (
            "an input is not declared",
            "{automation: {name: one}, requester: alice, inputs: {pakage: serde}}",
            |_| (),
            "Denied InvalidInput: there is no input pakage: the automation declares package",
        ),
        (
            "the automation is not there yet",
            "{automation: {name: three}, requester: alice}",
            |_| (),
            "Held AutomationGone: there is no AgentAutomation three in its namespace: create it, or make a task for another",
        ),
        (
            "the automation is not for people",
            "{automation: {name: two}, requester: alice}",
            |_| (),
            "Denied NoManualTrigger: the automation has no trigger for people: add one with manual: {} to its spec.triggers",
        ),
        (
            "the automation can't be read",
            ALICE,
            |w| {
                let mut broken = by_hand();
                broken.spec.prompt.goal = "{{ x }}".to_owned();
                broken.metadata.resource_version = Some("9".to_owned());
                w.put_automation(broken);
            },
            "Held InvalidTemplate: spec.prompt.goal: undefined value: `x` is undefined in line 1; the names it can use are \
             automation, trigger, repository, scheduledTime, requester, inputs and subject, and for what happens at GitHub issue \
             or pullRequest, comment and sender",
        ),
        (
            "the automation is suspended: it is decided all the same",
            ALICE,
            |w| {
                let mut suspended = by_hand();
                suspended.spec.suspend = true;
                suspended.metadata.resource_version = Some("9".to_owned());
                w.put_automation(suspended);
            },
            "decided: ## Goal\n\nUpdate serde for alice.",
        ),
    ];
    for (what, spec, change, expected) in table {
        assert_eq!(say(asked(spec), change), expected, "{what}");
    }
}

/// Who is told of its end, and of what it is the end, is written with it.
#[test]
fn what_is_denied_for_its_inputs_says_what_it_would_have_been() {
    let denied = |task: AgentTask| {
        let world = world(vec![task], |world| {
            allowing(world);
            let mut telling = by_hand();
            telling.spec.notify = vec![yaml(
                "{name: chat, url: 'https://chat.acme.example', secretRef: {name: chat}}",
            )];
            telling.metadata.resource_version = Some("9".to_owned());
            world.put_automation(telling);
        });
        let plans = admission::plan(&world, &Settings::default(), at(0));
        match plans[0].1.actions.as_slice() {
            [Action::WriteTaskStatus(status)] => (**status).clone(),
            other => panic!("{other:?}"),
        }
    };
    let status = denied(asked(
        "{automation: {name: one}, requester: alice, inputs: {package: '7'}}",
    ));
    assert_eq!(
        (said(&status).as_str(), status.ended_at),
        ("Denied InvalidInput", Some(at(0)))
    );
    let would_be = status.decided.clone().unwrap();
    assert_eq!(would_be.prompt_problem, status.message);
    assert_eq!(would_be.inputs["package"], "7", "as it was given");
    assert_eq!((would_be.repository.as_str(), would_be.notify.len()), ("acme/api", 1));

    let status = denied(asked("{automation: {name: one}, inputs: {package: '7'}}"));
    assert_eq!(
        (said(&status).as_str(), status.decided),
        ("Denied RequesterMissing", None)
    );
}

#[test]
fn a_decided_task_is_ruled_like_any_other() {
    type Row = (
        &'static str,
        &'static [(&'static str, &'static str)],
        fn(&mut World),
        &'static str,
    );
    let table: [Row; 11] = [
        ("nothing binds it", &[], |_| (), "Start"),
        (
            "the policy does not allow people to start anything",
            &[],
            |w| {
                w.remove_policy("default");
                w.put_policy(policy(Some(3)));
            },
            "Denied PolicyDenied: AgentPolicy default does not allow it: spec.triggers must name Manual (it has Schedule)",
        ),
        (
            "a person cancels it",
            &[(CANCEL_ANNOTATION, "wrong package")],
            |_| (),
            "Skipped CancelledByPerson: a person cancelled it before it started: wrong package",
        ),
        (
            "it needs an approval",
            &[],
            |w| require(w, approval(&["bob"], &["leads"])),
            "Held Approval: it needs the approval of bob or a member of leads (spec.requireApproval of AgentPolicy default): \
             kubectl aauto approve asked -n payments",
        ),
        (
            "who asks approves",
            &[(APPROVED_BY_ANNOTATION, "alice")],
            |w| require(w, approval(&["alice", "bob"], &[])),
            "Held Approval: it needs the approval of alice or bob (spec.requireApproval of AgentPolicy default): kubectl aauto \
             approve asked -n payments; alice asked for it, and another has to approve",
        ),
        (
            "somebody else approves",
            &[(APPROVED_BY_ANNOTATION, "mallory")],
            |w| require(w, approval(&["bob"], &[])),
            "Held Approval: it needs the approval of bob (spec.requireApproval of AgentPolicy default): kubectl aauto approve \
             asked -n payments; that of mallory does not count here",
        ),
        (
            "one who may approves",
            &[(APPROVED_BY_ANNOTATION, "bob")],
            |w| require(w, approval(&["bob"], &[])),
            "approved by bob",
        ),
        (
            "a member of the group approves",
            &[(APPROVED_BY_ANNOTATION, "carol"), (APPROVED_FOR_ANNOTATION, "leads")],
            |w| require(w, approval(&[], &["leads"])),
            "approved by carol",
        ),
        (
            "a member of another group approves",
            &[(APPROVED_BY_ANNOTATION, "carol"), (APPROVED_FOR_ANNOTATION, "interns")],
            |w| require(w, approval(&[], &["leads"])),
            "Held Approval: it needs the approval of a member of leads (spec.requireApproval of AgentPolicy default): kubectl \
             aauto approve asked -n payments; that of carol does not count here",
        ),
        (
            "the automation requires another: what counts for one rule is written down",
            &[(APPROVED_BY_ANNOTATION, "bob")],
            |w| {
                require(w, approval(&["bob"], &[]));
                require_too(w, approval(&["dave"], &[]));
            },
            "approved by bob",
        ),
        (
            "an empty approval is none",
            &[(APPROVED_BY_ANNOTATION, "")],
            |w| require(w, approval(&["bob"], &[])),
            "Held Approval: it needs the approval of bob (spec.requireApproval of AgentPolicy default): kubectl aauto approve \
             asked -n payments",
        ),
    ];
    for (what, annotations, change, expected) in table {
        assert_eq!(say(decided(annotations), change), expected, "{what}");
    }
}

/// The automation does, besides the policy.
fn require_too(world: &mut World, approval: RequireApproval) {
    let mut strict = by_hand();
    strict.spec.require_approval = Some(approval);
    strict.metadata.resource_version = Some("9".to_owned());
    world.put_automation(strict);
}

/// The policy requires a member of platform, the automation one of leads; bob, who is both, can name one at a time.
#[test]
fn each_rule_is_met_by_an_approval_of_its_own() {
    let both = |world: &mut World| {
        require(world, approval(&[], &["platform"]));
        require_too(world, approval(&[], &["leads"]));
    };
    let given = |by: &str, group: &str| Approval {
        by: by.to_owned(),
        as_member_of: Some(group.to_owned()),
        at: at(-60),
    };
    let leads = ("bob", "leads");
    let lacks = "Held Approval: it needs the approval of a member of platform (spec.requireApproval of AgentPolicy default): \
                 kubectl aauto approve asked -n payments; that of bob does not count here";
    let table = [
        (vec![], leads, "approved by bob"),
        (vec![leads], leads, lacks),
        (vec![leads], ("bob", "platform"), "approved by bob"),
        (vec![leads], ("carol", "platform"), "approved by carol"),
        (vec![leads, ("bob", "platform")], ("bob", "platform"), "Start"),
        (vec![leads, ("bob", "platform")], leads, "Start"),
    ];
    for (written, (by, group), expected) in table {
        let mut task = decided(&[(APPROVED_BY_ANNOTATION, by), (APPROVED_FOR_ANNOTATION, group)]);
        let approvals = written.iter().map(|(by, group)| given(by, group)).collect();
        task.status.as_mut().unwrap().approvals = approvals;
        assert_eq!(say(task, both), expected, "{written:?}, and {by} for {group}");
    }
}

#[test]
fn who_approves_is_told_as_whom_and_why_not() {
    type Row<'a> = (&'a [(&'a str, &'a str)], Vec<Approval>, &'a str, &'a [&'a str], String);
    let both = |world: &mut World| {
        require(world, approval(&["dave"], &["platform"]));
        require_too(world, approval(&[], &["leads"]));
    };
    let bob_leads: &[(&str, &str)] = &[(APPROVED_BY_ANNOTATION, "bob"), (APPROVED_FOR_ANNOTATION, "leads")];
    let bob = Approval {
        by: "bob".to_owned(),
        as_member_of: Some("leads".to_owned()),
        at: at(-60),
    };
    let refused = "you are carol, whose approval does not count for task asked: it needs the approval of";
    let table: [Row; 7] = [
        (
            &[],
            vec![],
            "bob",
            &["dev", "leads", "platform"],
            "as bob of leads".to_owned(),
        ),
        (
            &[],
            vec![bob.clone()],
            "bob",
            &["dev", "leads", "platform"],
            "as bob of platform".to_owned(),
        ),
        (&[], vec![bob.clone()], "dave", &["leads"], "as dave".to_owned()),
        (
            bob_leads,
            vec![],
            "dave",
            &[],
            "the approval of bob for task asked is being written down: try again in a moment".to_owned(),
        ),
        (
            &[],
            vec![bob.clone()],
            "carol",
            &["leads"],
            format!(
                "{refused} dave or a member of platform (spec.requireApproval of AgentPolicy default): kubectl aauto approve asked -n payments"
            ),
        ),
        (
            &[],
            vec![],
            "carol",
            &[],
            format!(
                "{refused} a member of leads (spec.requireApproval of AgentAutomation one): kubectl aauto approve asked -n payments"
            ),
        ),
        (
            &[],
            vec![],
            "alice",
            &["leads", "platform"],
            "you asked for task asked: somebody else has to approve it".to_owned(),
        ),
    ];
    for (annotations, written, user, groups, expected) in table {
        let mut task = decided(annotations);
        task.status.as_mut().unwrap().approvals = written;
        let world = world(vec![], |world| {
            allowing(world);
            both(world);
        });
        let automation = world.automation(&key("one")).unwrap();
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        let said = approver(&world, automation, &task.completed(), user, &groups, at(0));
        let said = said.map_or_else(
            |why| why,
            |approval| {
                let of = approval.as_member_of.map(|group| format!(" of {group}"));
                format!("as {}{}", approval.by, of.unwrap_or_default())
            },
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn in_whose_name_a_person_decides_is_written_down() {
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<(&'a str, Option<&'a str>)>);
    let long = "n".repeat(300);
    let cut = crate::domain::outside::clean_line(&long, 256).text;
    let table: [Row; 6] = [
        (&[], None),
        (&[("-by", "")], None),
        (&[("-via", "portal")], None),
        (&[("-by", "bob")], Some(("bob", None))),
        (
            &[("-by", "b\u{202e}ob"), ("-via", "portal")],
            Some(("bob", Some("portal"))),
        ),
        (&[("-by", &long)], Some((&cut, None))),
    ];
    for (names, expected) in table {
        let mut task = decided(&[
            (CANCEL_ANNOTATION, "wrong package"),
            ("agentautomation.dev/adopt-by", "carol"),
        ]);
        let annotations = task.metadata.annotations.as_mut().unwrap();
        annotations.extend(
            names
                .iter()
                .map(|(suffix, name)| (format!("{CANCEL_ANNOTATION}{suffix}"), (*name).to_owned())),
        );
        let world = world(vec![task], allowing);
        let plans = admission::plan(&world, &Settings::default(), at(0));
        let [Action::WriteTaskStatus(status)] = plans[0].1.actions.as_slice() else {
            panic!("{plans:?}")
        };
        let expected = expected.map(|(by, via)| Intervention {
            kind: InterventionKind::Cancel,
            by: by.to_owned(),
            via: via.map(str::to_owned),
            at: at(0),
        });
        assert_eq!(status.interventions, Vec::from_iter(expected), "{names:?}");
    }
}

#[test]
fn the_newest_five_decisions_are_kept() {
    let (mut task, mut status) = (decided(&[]), TaskStatus::default());
    for number in 1..=7 {
        task.metadata.annotations = Some([("agentautomation.dev/adopt-by".to_owned(), number.to_string())].into());
        sign(&task, &mut status, InterventionKind::Adopt, at(number));
    }
    let kept: Vec<_> = status.interventions.iter().map(|kept| kept.by.as_str()).collect();
    assert_eq!(kept, ["3", "4", "5", "6", "7"]);
}

fn require(world: &mut World, approval: RequireApproval) {
    let mut policy = world.policies().next().unwrap().clone();
    policy.spec.require_approval = Some(approval);
    policy.metadata.resource_version = Some("9".to_owned());
    world.put_policy(policy);
}

#[test]
fn an_approval_that_is_written_down_counts_as_long_as_the_rule_names_its_author() {
    let mut task = decided(&[]);
    let status = task.status.as_mut().unwrap();
    status.approvals = vec![Approval {
        by: "bob".to_owned(),
        as_member_of: None,
        at: at(-60),
    }];
    assert_eq!(say(task.clone(), |w| require(w, approval(&["bob"], &[]))), "Start");
    let said = say(task, |w| require(w, approval(&["carol"], &[])));
    assert!(
        said.starts_with("Held Approval: it needs the approval of carol"),
        "{said}"
    );
}

#[test]
fn a_retry_is_of_the_same_cause_and_as_approved() {
    let mut task = decided(&[]);
    let spec = task.status.as_ref().unwrap().decided.clone().unwrap();
    assert_eq!(spec.trigger.id.as_deref(), Some("uid-asked"));
    assert_eq!(spec.trigger.scheduled_time, at(-5));
    let mut retried = *spec;
    retried.retry = Some(yaml("{limit: 1}"));
    let status = task.status.as_mut().unwrap();
    status.decided = Some(Box::new(retried));
    (status.phase, status.reason, status.ended_at) = (Phase::Failed, Some(Reason::SessionFailed), Some(at(-1)));
    status.task = Some(yaml("{id: t, shortId: t, state: failed}"));
    let approvals = vec![Approval {
        by: "bob".to_owned(),
        as_member_of: Some("leads".to_owned()),
        at: at(-60),
    }];
    status.approvals.clone_from(&approvals);
    let world = world(vec![task], allowing);
    let task = world.task(&key("asked")).unwrap();
    let Some(Action::CreateTask(retry)) = crate::plan::retry::plan(&world, task) else {
        panic!("it is not retried")
    };
    assert_eq!(retry.spec.follows.as_ref().unwrap().approvals, approvals);
    assert!(crate::plan::request::approvals(&retry).eq(&approvals));
    let owners: Vec<OwnerReference> = retry.metadata.owner_references.clone().unwrap();
    assert_eq!(owners[0].uid, "uid-one", "it goes with the automation");
    assert_eq!(retry.spec.requester.as_deref(), Some("alice"));
    assert!(retry.metadata.name.unwrap().starts_with("one-"));
}

#[test]
fn what_people_made_goes_with_its_automation() {
    let deletes = |phase: Phase, hours: i64| {
        let mut task = decided(&[]);
        let status = task.status.as_mut().unwrap();
        status.phase = phase;
        status.ended_at = Some(at(0)).filter(|_| phase.is_ended());
        let world = world(vec![task], |world| {
            allowing(world);
            world.remove_automation(&key("one"), "uid-one");
        });
        let planned = crate::plan::plan(
            &world,
            &Subject::Automation(key("one")),
            &Settings::default(),
            at(hours * 3_600),
        );
        let deleted =
            |action: &Action| matches!(action, Action::DeleteTask { key: deleted, .. } if *deleted == key("asked"));
        (planned.actions.iter().any(deleted), planned.wake)
    };
    assert_eq!(
        deletes(Phase::Succeeded, 23),
        (false, Some(at(24 * 3_600))),
        "who asked for it may want to see how it ended"
    );
    assert_eq!(deletes(Phase::Expired, 24), (true, None));
    assert_eq!(deletes(Phase::Running, 24), (false, None), "it may still be at work");
    assert_eq!(
        deletes(Phase::Pending, 24),
        (false, None),
        "the automation may be about to be heard of"
    );
}
