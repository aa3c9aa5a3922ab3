//! Several credentials of one automation: which one a start is made with, which one reads, what is said where one can't be
//! used, and what policies say to it.

use crate::api::automation::{CredentialStatus, CredentialUse};
use crate::api::task::{Attempt, AttemptOutcome};
use crate::domain::repository::Repository;
use crate::plan::credential::choice;
use crate::plan::observed::Refused;
use crate::plan::policy::refused;
use crate::plan::world::{RefusedStart, Verification};
use crate::plan::{admission, guardrails, start, sweep};

use super::*;

const SETTINGS: fn() -> Settings = Settings::default;
const ALTERNATES: &str = "alternates: [{name: token-1}, {name: token-2}]";

/// How a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Fine,
    Unread,
    Missing,
    /// GitHub refused its token (401).
    Rejected,
    /// GitHub asks it to wait.
    Limited,
    /// It does not see the repository.
    Blind,
    /// GitHub could not say whether it does.
    Unverified,
    /// GitHub refused a start with it a minute ago.
    TurnedAway,
    /// The same, twenty minutes ago.
    TurnedAwayBefore,
    /// It is about to write something else.
    Writing,
}

use Is::{Blind, Fine, Limited, Missing, Rejected, TurnedAway, TurnedAwayBefore, Unread, Unverified, Writing};

fn repository() -> Repository {
    Repository::parse("acme/api").unwrap()
}

fn no(reason: Reason, message: &str) -> Refused {
    Refused {
        reason,
        message: message.to_owned(),
        not_before: None,
    }
}

fn set(world: &mut World, index: usize, is: Is) {
    let key = credential(index);
    let known = world.credentials.entry(key.clone()).or_default();
    let mut seen = Ok(());
    let turned_away = |seconds| RefusedStart {
        at: at(seconds),
        resource_version: "7".to_owned(),
        refused: no(Reason::PermissionDenied, "it may not start tasks"),
    };
    match is {
        Fine => {}
        Unread => known.secret = None,
        Missing => known.secret = Some(SecretState::Missing),
        Rejected => known.rejected = Some("7".to_owned()),
        Limited => known.limited_until = Some(at(600)),
        Writing => known.next_write = Some(at(1)),
        Blind => seen = Err(no(Reason::RepositoryNotFound, "it does not see acme/api")),
        Unverified => seen = Err(no(Reason::GitHubUnavailable, "no answer")),
        TurnedAway => drop(known.refused_starts.insert(repository(), turned_away(-60))),
        TurnedAwayBefore => drop(known.refused_starts.insert(repository(), turned_away(-1_200))),
    }
    let verification = Verification {
        checked_at: at(0),
        resource_version: "7".to_owned(),
        result: seen,
    };
    world.repositories.insert((key, repository()), verification);
}

fn several(usage: &str) -> AgentAutomation {
    changed(&format!(
        "{{concurrency: {{maxActive: 50}}, credentials: {{{ALTERNATES}, use: {usage}}}}}"
    ))
}

/// A task that may be started with three.
fn waiting(usage: &str, name: &str) -> AgentTask {
    let mut task = due("one", name, 0, None);
    task.spec.alternate_secret_refs = [1, 2].map(|index| credential(index).secret).into();
    task.spec.credential_use = yaml(usage);
    task
}

fn attempt(index: usize, seconds: i64, outcome: Option<AttemptOutcome>) -> Attempt {
    Attempt {
        number: 1,
        marker: "m".to_owned(),
        written_at: at(seconds),
        written_by: "me".to_owned(),
        deadline: at(seconds + 30),
        head_branch: None,
        secret_ref: Some(credential(index).secret).filter(|_| index > 0),
        outcome,
        message: None,
    }
}

/// One that was started with a credential so long ago.
fn running(usage: &str, number: usize, (index, seconds, phase): (usize, i64, Phase)) -> AgentTask {
    let mut task = waiting(usage, &format!("r{number}"));
    task.status = in_phase(phase);
    task.status.as_mut().unwrap().attempts = vec![attempt(index, seconds, Some(AttemptOutcome::Created))];
    task
}

fn stage(usage: &str, are: [Is; 3], tasks: Vec<AgentTask>) -> World {
    world(tasks, |w| {
        w.put_automation(several(usage));
        let mut policy = policy(None);
        policy.spec.credential_use = vec![CredentialUse::Failover, CredentialUse::Spread];
        w.put_policy(policy);
        for (index, is) in are.into_iter().enumerate() {
            set(w, index, is);
        }
    })
}

fn told(planned: &[(Subject, Planned)], task: &str) -> String {
    let mut of_it = planned.iter().filter(|(subject, _)| name(subject) == task);
    let Some((_, planned)) = of_it.next() else {
        return "nothing".to_owned();
    };
    match planned.actions.as_slice() {
        [Action::Start(admitted)] => {
            let secret = admitted.secret_ref.as_ref();
            format!("start with {}", secret.map_or("token", |secret| &secret.name))
        }
        [Action::WriteTaskStatus(status)] => {
            let reason = status.reason.map_or("", Reason::as_str);
            format!("{reason}: {}", status.message.clone().unwrap_or_default())
        }
        _ => decision(planned),
    }
}

#[test]
fn a_start_is_made_with_the_credential_that_is_chosen_for_it() {
    type Under = &'static [(usize, i64, Phase)];
    type Row = (&'static str, &'static str, [Is; 3], Under, &'static str);
    const RUN: Phase = Phase::Running;
    const ONE: Under = &[(0, -60, RUN)];
    let table: &[Row] = &[
        ("all are fine", "Failover", [Fine, Fine, Fine], &[], "start with token"),
        (
            "load does not matter",
            "Failover",
            [Fine, Fine, Fine],
            ONE,
            "start with token",
        ),
        (
            "its Secret is gone",
            "Failover",
            [Missing, Fine, Fine],
            &[],
            "start with token-1",
        ),
        (
            "GitHub refused it",
            "Failover",
            [Rejected, Missing, Fine],
            &[],
            "start with token-2",
        ),
        (
            "it does not see the repository",
            "Failover",
            [Blind, Fine, Fine],
            &[],
            "start with token-1",
        ),
        (
            "GitHub does not say what it sees",
            "Failover",
            [Unverified, Fine, Fine],
            &[],
            "start with token",
        ),
        (
            "it was refused a start",
            "Failover",
            [TurnedAway, Fine, Fine],
            &[],
            "start with token-1",
        ),
        (
            "it was, long ago",
            "Failover",
            [TurnedAwayBefore, Fine, Fine],
            &[],
            "start with token",
        ),
        ("it is not known yet", "Failover", [Unread, Fine, Fine], &[], "wait"),
        (
            "nor is what would be next",
            "Failover",
            [Missing, Unread, Fine],
            &[],
            "wait",
        ),
        (
            "a limit is waited for, not evaded",
            "Failover",
            [Limited, Fine, Fine],
            &[],
            "RateLimited: GitHub's rate limit is used up for this credential; it is tried again when GitHub allows",
        ),
        (
            "so is the pause between writes",
            "Failover",
            [Writing, Fine, Fine],
            &[],
            "wait 1s",
        ),
        (
            "none can be used",
            "Failover",
            [Missing, Rejected, Blind],
            &[],
            "SecretMissing: Secret token is not there: create it in this namespace, with the token under the key token; the \
             2 others that it names can't be used either: token-1 (CredentialRejected), token-2 (RepositoryNotFound)",
        ),
        (
            "all were refused a start",
            "Failover",
            [TurnedAway, TurnedAway, TurnedAway],
            &[],
            "PermissionDenied: it may not start tasks; the 2 others that it names can't be used either: token-1 \
             (PermissionDenied), token-2 (PermissionDenied)",
        ),
        (
            "nothing is under way",
            "Spread",
            [Fine, Fine, Fine],
            &[],
            "start with token",
        ),
        (
            "the first has one",
            "Spread",
            [Fine, Fine, Fine],
            ONE,
            "start with token-1",
        ),
        (
            "the first two have one",
            "Spread",
            [Fine, Fine, Fine],
            &[(0, -60, Phase::Starting), (1, -50, Phase::Unknown)],
            "start with token-2",
        ),
        (
            "all have one",
            "Spread",
            [Fine, Fine, Fine],
            &[(0, -60, RUN), (1, -90, RUN), (2, -70, RUN)],
            "start with token-1",
        ),
        (
            "what has ended counts by when it was started",
            "Spread",
            [Fine, Fine, Fine],
            &[(0, -60, Phase::Succeeded), (1, -90, Phase::Failed), (2, -70, RUN)],
            "start with token-1",
        ),
        (
            "only one can be used",
            "Spread",
            [Missing, Rejected, Fine],
            &[(2, -60, RUN)],
            "start with token-2",
        ),
        (
            "one that is not known yet is passed over",
            "Spread",
            [Fine, Unread, Fine],
            ONE,
            "start with token-2",
        ),
        (
            "the one that reads is not known yet",
            "Spread",
            [Unread, Fine, Fine],
            &[],
            "wait",
        ),
        (
            "a limit is waited for, not evaded, here either",
            "Spread",
            [Fine, Limited, Fine],
            ONE,
            "RateLimited: GitHub's rate limit is used up for this credential; it is tried again when GitHub allows",
        ),
        (
            "none can be used, here either",
            "Spread",
            [Rejected, Missing, Missing],
            &[],
            "CredentialRejected: GitHub refused the token in Secret token (401): put a valid one into it; this one is not \
             tried again; the 2 others that it names can't be used either: token-1 (SecretMissing), token-2 (SecretMissing)",
        ),
    ];
    for (what, usage, are, under_way, expected) in table {
        let under_way = under_way.iter().enumerate();
        let mut tasks: Vec<_> = under_way.map(|(number, run)| running(usage, number, *run)).collect();
        tasks.push(waiting(usage, "a"));
        let world = stage(usage, *are, tasks);
        let planned = admission::plan(&world, &SETTINGS(), at(0));
        assert_eq!(told(&planned, "a"), *expected, "{what}, {usage}");
    }
}

/// GitHub asks for one write at a time with each credential, so several start at once only where there are several.
#[test]
fn what_one_pass_starts_counts_for_the_next_choice() {
    let tasks = |usage: &str| ["a", "b", "c", "d"].map(|name| waiting(usage, name)).into();
    let all = |world: &World| {
        let planned = admission::plan(world, &SETTINGS(), at(0));
        ["a", "b", "c", "d"].map(|name| told(&planned, name))
    };
    let mut world = stage("Spread", [Fine, Fine, Fine], tasks("Spread"));
    let three = ["start with token", "start with token-1", "start with token-2", "wait"];
    assert_eq!(all(&world), three);
    // The first is on its way, with the second credential.
    world.busy.insert(Subject::Task(key("a")));
    world.writing.insert(Subject::Task(key("a")), credential(1).into());
    assert_eq!(
        all(&world),
        ["nothing", "start with token", "start with token-2", "wait"]
    );
    let world = stage("Failover", [Fine, Fine, Fine], tasks("Failover"));
    assert_eq!(all(&world), ["start with token", "wait", "wait", "wait"]);
}

/// What the leader before this one chose for a task that it claimed, nobody knows.
#[test]
fn a_claim_that_was_inherited_keeps_each_credential_from_writing() {
    let mut world = stage(
        "Failover",
        [Fine, Fine, Fine],
        vec![waiting("Failover", "a"), waiting("Failover", "b")],
    );
    world.inherited_claims.insert("uid-a".to_owned());
    let planned = admission::plan(&world, &SETTINGS(), at(0));
    assert_eq!(told(&planned, "b"), "wait");
}

/// A wait that GitHub's answer to one credential led to does not bind another.
#[test]
fn a_refused_attempt_leads_to_the_next_credential_at_once() {
    type Row = (&'static str, Reason, [Is; 3], &'static str);
    let table: [Row; 6] = [
        (
            "its token was refused",
            Reason::CredentialRejected,
            [Rejected, Fine, Fine],
            "start with token-1",
        ),
        (
            "it may not start tasks",
            Reason::PermissionDenied,
            [TurnedAway, Fine, Fine],
            "start with token-1",
        ),
        (
            "it sees no such repository",
            Reason::RepositoryNotFound,
            [TurnedAway, Fine, Fine],
            "start with token-1",
        ),
        (
            "a new leader knows less",
            Reason::PermissionDenied,
            [Fine, Fine, Fine],
            "wait 25s",
        ),
        (
            "a limit holds for the task",
            Reason::RateLimited,
            [Blind, Fine, Fine],
            "wait 25s",
        ),
        (
            "the request never left",
            Reason::NotSent,
            [Blind, Fine, Fine],
            "wait 25s",
        ),
    ];
    for (what, reason, are, expected) in table {
        let mut task = waiting("Failover", "a");
        task.status = Some(TaskStatus {
            phase: Phase::Held,
            reason: Some(reason),
            not_before: Some(at(25)),
            attempts: vec![attempt(0, -5, Some(AttemptOutcome::Refused))],
            ..TaskStatus::default()
        });
        let world = stage("Failover", are, vec![task]);
        let planned = admission::plan(&world, &SETTINGS(), at(0));
        assert_eq!(told(&planned, "a"), expected, "{what}");
    }
}

/// Whatever becomes of the others: nothing about an attempt is asked with another one than it was made with.
#[test]
fn what_is_written_ahead_names_the_credential_and_stays_with_it() {
    let table = [
        (0, "token", None),
        (1, "token-1", Some("token-1")),
        (2, "token-2", Some("token-2")),
    ];
    for (index, made_with, written) in table {
        let task = waiting("Failover", "a");
        let admitted = Admitted {
            secret_ref: Some(credential(index).secret).filter(|_| index > 0),
            ..Admitted::default()
        };
        assert_eq!(CredentialKey::of_start(&task, &admitted).secret.name, made_with);
        let ahead = start::write_ahead(&task, &admitted, "me", &SETTINGS(), at(0));
        let stated = ahead.attempts[0].secret_ref.as_ref();
        assert_eq!(stated.map(|secret| secret.name.as_str()), written);
        for status in [ahead.clone(), start::orphaned(&ahead, 1)] {
            let of_it = AgentTask {
                status: Some(status),
                ..task.clone()
            };
            for are in [[Fine; 3], [Rejected; 3], [Missing, Fine, Fine]] {
                let world = stage("Failover", are, vec![of_it.clone()]);
                assert_eq!(choice::reader_of(&world, &of_it).secret.name, made_with);
                let depend = [0, 1, 2].map(|other| world.tasks_with(&credential(other)).count());
                assert_eq!(depend, [0, 1, 2].map(|other| usize::from(other == index)), "{are:?}");
            }
        }
    }
}

#[test]
fn github_is_asked_about_an_automation_with_the_first_that_can_be_used() {
    let table = [
        ([Fine, Fine, Fine], 0),
        ([Limited, Fine, Fine], 0),
        ([Unread, Fine, Fine], 0),
        // It may not start tasks, and sees all there is to see.
        ([TurnedAway, Fine, Fine], 0),
        ([Missing, Fine, Fine], 1),
        ([Rejected, Blind, Fine], 2),
        ([Missing, Unread, Fine], 1),
        ([Missing, Missing, Missing], 0),
    ];
    for (are, expected) in table {
        let world = world(vec![waiting("Failover", "a")], |w| {
            let on_issue = "{triggers: [{name: event, issue: {actions: [opened]}}],
                             credentials: {alternates: [{name: token-1}, {name: token-2}]}}";
            w.put_automation(changed(on_issue));
            for (index, is) in are.into_iter().enumerate() {
                set(w, index, is);
            }
        });
        let automation = world.automation(&key("one")).unwrap();
        assert_eq!(choice::reader(&world, automation), credential(expected), "{are:?}");
        let listens = |index: usize| sweep::listening(&world, &credential(index), &repository()).count();
        let branches = guardrails::all_of_automation(automation);
        let is_named = |index: usize| guardrails::is_named(&world, &branches[index]);
        for index in [0, 1, 2] {
            let reads = index == expected;
            assert_eq!(listens(index), usize::from(reads), "{are:?} {index}");
            // The other automation has but the first, and works on the same branch.
            assert_eq!(is_named(index), reads || index == 0, "{are:?} {index}");
            assert_eq!(
                world.automations_with(&credential(index)).count(),
                if index == 0 { 2 } else { 1 }
            );
        }
        let waits = choice::reader_of(&world, world.task(&key("a")).unwrap());
        assert_eq!(waits, credential(expected), "{are:?}");
    }
}

#[test]
fn an_automation_is_ready_while_one_can_be_used_and_tells_of_those_that_can_not() {
    type Row = (&'static str, [Is; 3], &'static str, &'static str);
    let table: [Row; 8] = [
        ("all are fine", [Fine, Fine, Fine], "True Ready", ""),
        ("a limit goes by itself", [Limited, Fine, Fine], "True Ready", ""),
        (
            "the first is not there",
            [Missing, Fine, Fine],
            "True Ready",
            "SecretMissing: token: Secret token is not there: create it in this namespace, with the token under the key \
             token",
        ),
        (
            "two can't be used",
            [Fine, Rejected, Blind],
            "True Ready",
            "CredentialRejected: token-1: GitHub refused the token in Secret token-1 (401): put a valid one into it; \
             this one is not tried again; token-2: it does not see acme/api",
        ),
        (
            "one may not start tasks",
            [TurnedAwayBefore, Fine, Fine],
            "True Ready",
            "PermissionDenied: token: it may not start tasks",
        ),
        (
            "none can be used",
            [Missing, Rejected, Missing],
            "False SecretMissing",
            "",
        ),
        (
            "the next is not known yet",
            [Missing, Unread, Fine],
            "Unknown Verifying",
            "SecretMissing: token: Secret token is not there: create it in this namespace, with the token under the key token",
        ),
        ("nothing is known", [Unread, Unread, Unread], "Unknown Verifying", ""),
    ];
    for (what, are, ready, degraded) in table {
        let world = stage("Failover", are, vec![waiting("Failover", "a")]);
        let written = written(&world);
        let says = |kind: &str| written.conditions.iter().find(|condition| condition.type_ == kind);
        let condition = says("Ready").unwrap();
        assert_eq!(format!("{} {}", condition.status, condition.reason), ready, "{what}");
        let warning = says("Degraded").map(|condition| format!("{}: {}", condition.reason, condition.message));
        assert_eq!(warning.unwrap_or_default(), degraded, "{what}");
    }
}

fn written(world: &World) -> crate::api::automation::AutomationStatus {
    let one = Subject::Automation(key("one"));
    let actions = crate::plan::plan(world, &one, &SETTINGS(), at(1)).actions;
    let status = actions.into_iter().find_map(|action| match action {
        Action::WriteAutomationStatus(status) => Some(*status),
        _ => None,
    });
    status.unwrap()
}

/// A leader that has just begun knows nothing of Secrets, and that is no news; but what GitHub refused is not used again.
#[test]
fn what_was_told_of_several_stands_until_more_is_known() {
    let before = written(&stage(
        "Failover",
        [Fine, Rejected, Missing],
        vec![waiting("Failover", "a")],
    ));
    let reasons = |status: &[CredentialStatus]| -> Vec<_> { status.iter().map(|known| known.reason).collect() };
    let expected = [None, Some(Reason::CredentialRejected), Some(Reason::SecretMissing)];
    assert_eq!(reasons(&before.credentials), expected);
    let mut automation = several("Failover");
    automation.status = Some(before.clone());
    let mut world = World::default();
    world.put_task(waiting("Failover", "a"));
    world.put_automation(automation);
    world.credentials.entry(credential(1)).or_default().rejected = Some("7".to_owned());
    let one = Subject::Automation(key("one"));
    let mut policy = policy(None);
    policy.spec.credential_use = vec![CredentialUse::Failover];
    world.put_policy(policy);
    let actions = crate::plan::plan(&world, &one, &SETTINGS(), at(1)).actions;
    let is_write = |action: &&Action| matches!(action, Action::WriteAutomationStatus(_));
    let written: Vec<_> = actions.iter().filter(is_write).collect();
    assert_eq!(written, Vec::<&Action>::new(), "{before:?}");
}

#[test]
fn policies_say_whether_there_may_be_several_and_which() {
    type Row = (&'static str, &'static str, &'static str);
    let (failover, spread) = ("use: Failover", "use: Spread");
    let table: [Row; 6] = [
        (
            "credentials: ['token*']",
            failover,
            "AgentPolicy default does not allow it: spec.credentialUse must name Failover (it is empty and so allows nothing)",
        ),
        ("credentialUse: [Failover]", failover, "allowed"),
        (
            "credentialUse: [Failover]",
            spread,
            "AgentPolicy default does not allow it: spec.credentialUse must name Spread (it has Failover)",
        ),
        ("credentialUse: [Spread]", spread, "allowed"),
        (
            "credentialUse: [Failover], credentials: [token, token-1]",
            failover,
            "AgentPolicy default does not allow it: spec.credentials must name token-2 (it has token, token-1)",
        ),
        (
            "credentialUse: [Failover], credentials: [token, token-1, token-2]",
            failover,
            "allowed",
        ),
    ];
    for (rules, usage, expected) in table {
        let world = world(Vec::new(), |w| {
            let mut policy = policy(None);
            let mut spec = serde_json::to_value(&policy.spec).unwrap();
            merge(&mut spec, &yaml(&format!("{{{rules}}}")));
            policy.spec = serde_json::from_value(spec).unwrap();
            w.put_policy(policy);
        });
        let automation = changed(&format!("{{credentials: {{{ALTERNATES}, {usage}}}}}"));
        let said = refused(&world, &automation).map(|refusal| refusal.why.message);
        assert_eq!(said.as_deref().unwrap_or("allowed"), expected, "{rules}");
        let alone = refused(&world, &changed(&format!("{{credentials: {{{usage}}}}}")));
        assert_eq!(alone, None, "one is no matter of how several are used: {rules}");
        // It is asked again at the moment of the start, of what was decided.
        let mut task = due("one", "a", 0, None);
        task.spec
            .alternate_secret_refs
            .clone_from(&automation.spec.credentials.alternates);
        task.spec.credential_use = automation.spec.credentials.choice;
        let is_allowed = crate::plan::policy::rule(&world, &crate::plan::policy::Request::of_task(&task));
        assert_eq!(
            is_allowed == crate::plan::policy::Ruling::Allowed,
            expected == "allowed",
            "{rules}"
        );
    }
}
