//! When a Secret is read, a repository asked for and a user's tasks listed, and when all that is forgotten.

use crate::api::task::{CredentialIdentity, CredentialKind, PullRequest};
use crate::domain::repository::Repository;
use crate::plan::credential as planner;
use crate::plan::guardrails;
use crate::plan::observed::{AgentFacts, BranchRules, GuardrailFacts, Refused, Unanswered};
use crate::plan::world::Verification;

use super::*;

fn repository() -> Repository {
    Repository::parse("acme/api").unwrap()
}

fn verified(world: &mut World, result: Result<(), Refused>) {
    let verification = Verification {
        checked_at: at(-20),
        resource_version: "7".to_owned(),
        result,
    };
    world.repositories.insert((credential(0), repository()), verification);
}

fn unnamed(world: &mut World) {
    world.remove_automation(&key("one"), "uid-one");
    world.remove_automation(&key("two"), "uid-two");
}

fn with_open_pull(mut task: AgentTask) -> AgentTask {
    task.status.as_mut().unwrap().pull_request = Some(PullRequest::default());
    task
}

#[test]
fn whose_it_is_counts_for_the_version_that_was_asked_about() {
    type Row = (
        &'static str,
        Option<(&'static str, &'static str)>,
        Option<(&'static str, &'static str)>,
        Option<&'static str>,
        Option<&'static str>,
    );
    let told = |secret: &str, login: &str| CredentialIdentity {
        secret: secret.to_owned(),
        kind: CredentialKind::Classic,
        login: Some(login.to_owned()),
        expires_at: None,
    };
    // What GitHub told of which version, what the automation's status says, what it says then, what a start records.
    let table: [Row; 6] = [
        ("nothing is known", None, None, None, None),
        ("it was asked", Some(("7", "bob")), None, Some("bob"), Some("bob")),
        ("of another version", Some(("6", "bob")), None, None, None),
        (
            "a controller has just begun",
            None,
            Some(("token", "bob")),
            Some("bob"),
            None,
        ),
        ("it names another Secret", None, Some(("other", "bob")), None, None),
        (
            "a token was replaced",
            Some(("7", "eve")),
            Some(("token", "bob")),
            Some("eve"),
            Some("eve"),
        ),
    ];
    for (what, known, before, status, start) in table {
        let world = world(vec![due("one", "a", 0, None)], |w| {
            let (key, known) = (
                credential(0),
                known.map(|(version, login)| (version.to_owned(), told("token", login))),
            );
            w.credentials.get_mut(&key).unwrap().identity = known;
            let mut automation = automation("one", 1);
            automation.status.get_or_insert_default().credential = before.map(|(secret, login)| told(secret, login));
            w.put_automation(automation);
        });
        let one = Subject::Automation(key("one"));
        let settings = Settings::default();
        let actions = crate::plan::plan(&world, &one, &settings, at(1)).actions;
        let Some(Action::WriteAutomationStatus(written)) = actions.first() else {
            panic!("{what}: {actions:?}")
        };
        let login = |told: &Option<CredentialIdentity>| told.as_ref().and_then(|told| told.login.clone());
        assert_eq!(login(&written.credential).as_deref(), status, "{what}");
        let admitted = crate::plan::admission::plan(&world, &settings, at(1));
        let Some(Action::Start(admitted)) = admitted.first().and_then(|(_, planned)| planned.actions.first()) else {
            panic!("{what}: {admitted:?}")
        };
        assert_eq!(login(&admitted.credential).as_deref(), start, "{what}");
    }
}

#[test]
fn a_secret_is_read_while_something_names_it() {
    type Row = (&'static str, Vec<AgentTask>, fn(&mut World), &'static str);
    let table: Vec<Row> = vec![
        ("fresh", vec![], |_| (), "wait 300s"),
        (
            "never read",
            vec![],
            |w| {
                w.credentials.clear();
            },
            "ReadSecret",
        ),
        (
            "read in what is the future, now that the clock is set back",
            vec![],
            |w| w.credentials.get_mut(&credential(0)).unwrap().read_at = Some(at(86_400)),
            "ReadSecret",
        ),
        (
            "it has changed",
            vec![],
            |w| w.credentials.get_mut(&credential(0)).unwrap().has_changed = true,
            "ReadSecret",
        ),
        (
            "missing a while ago",
            vec![],
            |w| {
                let credential = w.credentials.get_mut(&credential(0)).unwrap();
                credential.secret = Some(SecretState::Missing);
                credential.read_at = Some(at(-20));
            },
            "ReadSecret",
        ),
        ("nothing names it", vec![], unnamed, "Forget"),
        (
            "only what has ended names it",
            vec![due("one", "a", 0, in_phase(Phase::Succeeded))],
            unnamed,
            "Forget",
        ),
        (
            "only what runs names it",
            vec![due("one", "a", 0, in_phase(Phase::Running))],
            unnamed,
            "wait 300s",
        ),
        (
            "only what has an open pull request names it",
            vec![with_open_pull(due("one", "a", 0, in_phase(Phase::Succeeded)))],
            unnamed,
            "wait 300s",
        ),
        (
            "nothing named it, ever",
            vec![],
            |w| {
                unnamed(w);
                w.credentials.clear();
            },
            "wait",
        ),
    ];
    for (what, tasks, change, expected) in table {
        let world = world(tasks, change);
        let planned = planner::plan(&world, &credential(0), &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected, "{what}");
    }
}

#[test]
fn a_repository_is_asked_for_while_an_automation_names_it() {
    type Row = (&'static str, fn(&mut World), &'static str);
    let refused = |world: &mut World| {
        let why = Refused {
            reason: Reason::RepositoryNotFound,
            message: "no".to_owned(),
            not_before: None,
        };
        verified(world, Err(why));
    };
    let table: Vec<Row> = vec![
        ("never asked for", |_| (), "VerifyRepository"),
        ("it was there", |w| verified(w, Ok(())), "wait 3580s"),
        ("it was not there", refused, "VerifyRepository"),
        (
            "it was not there, and GitHub asks to wait",
            |w| {
                let why = Refused {
                    reason: Reason::RepositoryNotFound,
                    message: "no".to_owned(),
                    not_before: None,
                };
                verified(w, Err(why));
                w.credentials.get_mut(&credential(0)).unwrap().limited_until = Some(at(90));
            },
            "wait 90s",
        ),
        (
            "no automation names it",
            |w| {
                verified(w, Ok(()));
                unnamed(w);
            },
            "Forget",
        ),
    ];
    for (what, change, expected) in table {
        let world = world(vec![], change);
        let planned = planner::plan_verification(&world, &credential(0), &repository(), &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected, "{what}");
    }
}

#[test]
fn a_branch_is_asked_for_at_its_own_pace() {
    type Row = (&'static str, fn(&mut BranchFacts), &'static str);
    let table: Vec<Row> = vec![
        ("it was there, and nothing else was asked", |_| (), "Inspect"),
        ("it was not there", |facts| facts.exists = Ok(false), "wait 60s"),
        (
            "GitHub did not answer",
            |facts| {
                facts.exists = Err(Refused {
                    reason: Reason::GitHubUnavailable,
                    message: "no".to_owned(),
                    not_before: None,
                });
            },
            "wait 60s",
        ),
        (
            "GitHub did not answer, and what it said before is old",
            |facts| {
                facts.exists = Err(Refused {
                    reason: Reason::GitHubUnavailable,
                    message: "no".to_owned(),
                    not_before: None,
                });
                facts.guardrails = Some(guarded(-86_400, None));
            },
            "wait 60s",
        ),
        (
            "it was told a minute ago that all is met",
            |facts| facts.guardrails = Some(guarded(-60, None)),
            "wait 3540s",
        ),
        (
            "the same, and GitHub could not say again the last two times",
            |facts| facts.guardrails = Some(guarded(-60, Some(Unanswered { times: 2, at: at(0) }))),
            "wait 4s",
        ),
        (
            "it was not there a minute ago",
            |facts| {
                (facts.exists, facts.checked_at) = (Ok(false), at(-60));
            },
            "Inspect",
        ),
    ];
    for (what, change, expected) in table {
        let branch = guardrails::of_automation(&World::default(), &automation("one", 1)).unwrap();
        let world = world(vec![], |world| {
            let mut policy = policy(None);
            policy.spec.guardrails = Some(yaml("{approvals: 1}"));
            world.put_policy(policy);
            change(world.branches.get_mut(&branch).unwrap());
        });
        let planned = guardrails::plan(&world, &branch, &Settings::default(), at(0));
        assert_eq!(decision(&planned), expected, "{what}");
    }
}

/// What is required of it was there so many seconds from now.
fn guarded(seconds: i64, unanswered: Option<Unanswered>) -> GuardrailFacts {
    GuardrailFacts {
        checked_at: at(seconds),
        rules: Ok(BranchRules {
            approvals: Some(1),
            ..BranchRules::default()
        }),
        code_owners: Ok(None),
        agent: Ok(AgentFacts::default()),
        unanswered,
    }
}
