//! When an app's token is exchanged for the next, and what keeps it from that.

use crate::plan::credential::{Usability, usability};
use crate::plan::refresh::{CLAIMED_FOR, Claim, Refresh, Terms};

use super::*;

const HOUR: i64 = 3_600;

/// A token that was exchanged seven hours and a half ago, as the Secret says: an hour and a bit before its end.
fn terms() -> Terms {
    Terms {
        refresh_token: "00ab".to_owned(),
        app: "app".to_owned(),
        expires_at: Some(at(HOUR / 2)),
        refresh_expires_at: Some(at(4_000 * HOUR)),
        refreshed_at: Some(at(HOUR / 2 - 8 * HOUR)),
    }
}

fn claimed(seconds: i64) -> Claim {
    Claim {
        refresh_token: "00ab".to_owned(),
        app: "app".to_owned(),
        by: "another".to_owned(),
        deadline: at(seconds),
        refused: None,
    }
}

fn refused(code: &str) -> Claim {
    Claim {
        refused: Some(code.to_owned()),
        ..claimed(-60)
    }
}

type Change = fn(&mut Credential, &mut Terms, &mut Option<Claim>);

/// What is planned for the credential, and whether it can be used.
fn told(change: Change) -> (String, String, Option<String>) {
    let world = world(vec![], |world| {
        let mut credential = usable();
        let (mut terms, mut claim) = (terms(), None);
        change(&mut credential, &mut terms, &mut claim);
        credential.refresh = Some(Refresh {
            resource_version: "9".to_owned(),
            terms: Ok(terms),
            claim,
        });
        world.credentials.insert(super::credential(0), credential);
    });
    let key = credential(0);
    let known = world.credentials.get(&key);
    let planned = crate::plan::plan(&world, &Subject::Credential(key.clone()), &Settings::default(), at(0));
    let usable = match usability(&key, known) {
        Usability::Usable(_) => "usable".to_owned(),
        Usability::Unread => "awaited".to_owned(),
        Usability::Unusable(why) => why.reason.as_str().to_owned(),
    };
    let stalled = known.and_then(|known| crate::plan::refresh::stalled(&key, known));
    (
        decision(&planned),
        usable,
        stalled.map(|why| why.reason.as_str().to_owned()),
    )
}

#[test]
fn a_token_is_exchanged_ahead_of_its_end_by_one_and_once() {
    type Row = (&'static str, Change, &'static str, &'static str, Option<&'static str>);
    let soon = "wait 15s";
    let rested = "wait 300s";
    let table: Vec<Row> = vec![
        ("half an hour is left", |_, _, _| (), "Refresh", "usable", None),
        (
            "an hour and a minute are left",
            |_, terms, _| {
                terms.expires_at = Some(at(HOUR + 60));
                terms.refreshed_at = Some(at(HOUR + 60 - 8 * HOUR));
            },
            "wait 60s",
            "usable",
            None,
        ),
        (
            "its digest spreads it",
            |_, terms, _| {
                terms.expires_at = Some(at(HOUR + 600));
                terms.refreshed_at = Some(at(HOUR + 600 - 8 * HOUR));
                terms.refresh_token = "ff".to_owned();
            },
            "Refresh",
            "usable",
            None,
        ),
        (
            "it lives for ten minutes",
            |_, terms, _| {
                terms.expires_at = Some(at(120));
                terms.refreshed_at = Some(at(120 - 600));
            },
            "wait 45s",
            "usable",
            None,
        ),
        (
            "nobody says when it ends",
            |_, terms, _| terms.expires_at = None,
            "Refresh",
            "usable",
            None,
        ),
        (
            "it has expired",
            |_, terms, _| terms.expires_at = Some(at(-1)),
            "Refresh",
            "awaited",
            None,
        ),
        (
            "the Secret was read too long ago",
            |credential, _, _| credential.read_at = Some(at(-301)),
            "ReadSecret",
            "usable",
            None,
        ),
        (
            "GitHub refused it",
            |credential, terms, _| {
                credential.rejected = Some("7".to_owned());
                terms.expires_at = Some(at(6 * HOUR));
            },
            "Refresh",
            "awaited",
            None,
        ),
        (
            "GitHub refused what it had just given",
            |credential, terms, _| {
                credential.rejected = Some("7".to_owned());
                terms.expires_at = Some(at(8 * HOUR - 300));
                terms.refreshed_at = Some(at(-300));
            },
            soon,
            "CredentialRejected",
            None,
        ),
        (
            "there is none yet",
            |credential, _, _| credential.secret = Some(SecretState::KeyMissing),
            "Refresh",
            "awaited",
            None,
        ),
        (
            "another is at it",
            |_, _, claim| *claim = Some(claimed(20)),
            "wait 20s",
            "usable",
            None,
        ),
        (
            "another was at it when the Secret was read",
            |credential, _, claim| {
                credential.read_at = Some(at(-30));
                *claim = Some(claimed(-5));
            },
            "ReadSecret",
            "usable",
            None,
        ),
        (
            "another was at it",
            |_, _, claim| *claim = Some(claimed(-5)),
            rested,
            "usable",
            Some("RefreshOutcomeUnknown"),
        ),
        (
            "another was at it, and GitHub refuses the token",
            |credential, _, claim| {
                credential.rejected = Some("7".to_owned());
                *claim = Some(claimed(-5));
            },
            soon,
            "RefreshOutcomeUnknown",
            Some("RefreshOutcomeUnknown"),
        ),
        (
            "another was at it, and it has expired",
            |_, terms, claim| {
                terms.expires_at = Some(at(-1));
                *claim = Some(claimed(-5));
            },
            soon,
            "RefreshOutcomeUnknown",
            Some("RefreshOutcomeUnknown"),
        ),
        (
            "the new pair may not be written",
            |credential, terms, claim| {
                credential.unwritten = Some(terms.refresh_token.clone());
                *claim = Some(claimed(20));
            },
            "wait 20s",
            "usable",
            Some("RefreshForbidden"),
        ),
        (
            "the new pair could still not be written",
            |credential, terms, claim| {
                credential.unwritten = Some(terms.refresh_token.clone());
                credential.rejected = Some("7".to_owned());
                *claim = Some(claimed(-5));
            },
            soon,
            "RefreshForbidden",
            Some("RefreshForbidden"),
        ),
        (
            "another pair could not be written, before a person replaced it",
            |credential, _, claim| {
                credential.unwritten = Some("01".to_owned());
                *claim = Some(claimed(-5));
            },
            rested,
            "usable",
            Some("RefreshOutcomeUnknown"),
        ),
        (
            "another's clock is a day ahead",
            |_, _, claim| *claim = Some(claimed(24 * HOUR)),
            rested,
            "usable",
            Some("RefreshOutcomeUnknown"),
        ),
        (
            "a person has replaced what another was at",
            |_, terms, claim| {
                terms.refresh_token = "01".to_owned();
                *claim = Some(claimed(-5));
            },
            "Refresh",
            "usable",
            None,
        ),
        (
            "a person has changed the app's secret only: it may have been used",
            |_, terms, claim| {
                terms.app = "other".to_owned();
                *claim = Some(claimed(-5));
            },
            rested,
            "usable",
            Some("RefreshOutcomeUnknown"),
        ),
        (
            "GitHub refused to exchange it",
            |_, _, claim| *claim = Some(refused("bad_refresh_token")),
            rested,
            "usable",
            Some("RefreshRefused"),
        ),
        (
            "GitHub refused to exchange it, and the app's secret is another by now",
            |_, terms, claim| {
                terms.app = "other".to_owned();
                *claim = Some(refused("bad_refresh_token"));
            },
            rested,
            "usable",
            Some("RefreshRefused"),
        ),
        (
            "GitHub refused the app",
            |_, _, claim| *claim = Some(refused("incorrect_client_credentials")),
            rested,
            "usable",
            Some("RefreshRefused"),
        ),
        (
            "GitHub refused the app, which was corrected",
            |_, terms, claim| {
                terms.app = "other".to_owned();
                *claim = Some(refused("incorrect_client_credentials"));
            },
            "Refresh",
            "usable",
            None,
        ),
        (
            "the refresh token has expired",
            |_, terms, _| terms.refresh_expires_at = Some(at(0)),
            rested,
            "usable",
            Some("RefreshRefused"),
        ),
        (
            "the API server did not let it be written",
            |credential, _, _| credential.unwritable = Some(("9".to_owned(), at(-10))),
            "wait 5s",
            "usable",
            Some("RefreshForbidden"),
        ),
        (
            "the API server did not let it be written a minute ago",
            |credential, _, _| credential.unwritable = Some(("9".to_owned(), at(-60))),
            "Refresh",
            "usable",
            Some("RefreshForbidden"),
        ),
        (
            "the last two tries came to nothing",
            |credential, _, _| credential.postponed = Some((at(-10), 2)),
            "wait 20s",
            "usable",
            None,
        ),
        (
            "the last two tries came to nothing, a while ago",
            |credential, _, _| credential.postponed = Some((at(-30), 2)),
            "Refresh",
            "usable",
            None,
        ),
        (
            "three tries came to nothing, and GitHub refuses the token that is left",
            |credential, _, _| {
                credential.postponed = Some((at(-600), 3));
                credential.rejected = Some("7".to_owned());
            },
            "Refresh",
            "GitHubUnavailable",
            Some("GitHubUnavailable"),
        ),
        (
            "the API server did not let another version be written",
            |credential, _, _| credential.unwritable = Some(("8".to_owned(), at(-10))),
            "Refresh",
            "usable",
            None,
        ),
    ];
    for (what, change, plan, usable, stalled) in table {
        let found = told(change);
        let found = (found.0.as_str(), found.1.as_str(), found.2.as_deref());
        assert_eq!(found, (plan, usable, stalled), "{what}");
    }
    assert!(
        CLAIMED_FOR > crate::plan::refresh::PATIENCE * 3 / 2,
        "a claim takes time"
    );
}

#[test]
fn an_automation_is_stalled_while_its_token_still_works() {
    let world = world(vec![due("one", "a", 0, None)], |world| {
        let credential = world.credentials.get_mut(&credential(0)).unwrap();
        credential.refresh = Some(Refresh {
            resource_version: "9".to_owned(),
            terms: Err("it has no key client-id: add it".to_owned()),
            claim: None,
        });
        world.repositories.insert(
            (
                super::credential(0),
                crate::domain::repository::Repository::parse("acme/api").unwrap(),
            ),
            crate::plan::world::Verification {
                checked_at: at(0),
                resource_version: "7".to_owned(),
                result: Ok(()),
            },
        );
    });
    let one = Subject::Automation(key("one"));
    let planned = crate::plan::plan(&world, &one, &Settings::default(), at(1));
    let Some(Action::WriteAutomationStatus(status)) = planned.actions.first() else {
        panic!("{planned:?}")
    };
    let stalled = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Stalled")
        .unwrap();
    assert_eq!(
        (stalled.status.as_str(), stalled.reason.as_str()),
        ("True", "RefreshInvalid")
    );
    assert_eq!(stalled.message, "Secret token: it has no key client-id: add it");
}
