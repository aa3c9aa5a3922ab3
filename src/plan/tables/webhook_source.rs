//! What a source of webhooks says of deliveries that did not arrive.

use crate::api::WebhookSource;
use crate::domain::repository::Repository;
use crate::plan::plan;
use crate::plan::redelivery::{Attempt, DeliveryFacts, Lack};
use crate::plan::world::Verification;

use super::event::on;
use super::*;

const HEARD: &str = "issue: {actions: [labeled], source: Webhook}";

fn source(status: &str) -> WebhookSource {
    yaml(&format!(
        "{{metadata: {{name: acme, namespace: payments, uid: uid-acme, generation: 2}},
           spec: {{repositories: [acme/*], secretRefs: [{{name: hook}}]}}, status: {status}}}"
    ))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where nothing may be known")]
fn facts(lack: Option<Lack>, unrepeatable: &[&str]) -> Option<DeliveryFacts> {
    Some(DeliveryFacts {
        checked_at: Some(at(-1)),
        lack,
        is_write_refused: lack == Some(Lack::Write),
        unrepeatable: unrepeatable.iter().map(|guid| (*guid).to_owned()).collect(),
        ..DeliveryFacts::default()
    })
}

fn told(status: &str, automation: AgentAutomation, facts: Option<DeliveryFacts>) -> String {
    told_in(status, |w| {
        w.put_automation(automation);
        let of = (credential(0), Repository::parse("acme/api").unwrap());
        w.deliveries.extend(facts.map(|facts| (of, facts)));
    })
}

fn told_in(status: &str, change: impl FnOnce(&mut World)) -> String {
    let world = world(vec![], |w| {
        w.put_webhook_source(source(status));
        change(w);
    });
    let subject = Subject::WebhookSource(key("acme"));
    match plan(&world, &subject, &Settings::default(), at(0)).actions.as_slice() {
        [] => "nothing".to_owned(),
        [Action::WriteWebhookSourceStatus(status)] => match status.conditions.as_slice() {
            [] => "no condition".to_owned(),
            [it] => format!("{}={} {}: {}", it.type_, it.status, it.reason, it.message),
            more => panic!("{more:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_source_says_what_keeps_deliveries_from_being_repeated() {
    let polled = "issue: {actions: [labeled], source: Poll}";
    let is_fine = "Redelivery=True Ready: what does not arrive is asked for again";
    let unseen = "Redelivery=False PermissionDenied: the token in Secret s0 may not see the webhooks of acme/api: give it \
                  \"Webhooks: read and write\"";
    let unwritten = "Redelivery=False PermissionDenied: the token in Secret s0 may not have deliveries of acme/api repeated: \
                     give it \"Webhooks: read and write\"";
    let lost = "Redelivery=False RedeliveryRefused: GitHub does not repeat 2 deliveries of acme/api that did not arrive: \
                redeliver them in its settings, or ask again for the work; a classic token needs the scope admin:repo_hook";
    let lost_one = "Redelivery=False RedeliveryRefused: GitHub does not repeat 1 delivery of acme/api that did not arrive: \
                    redeliver it in its settings, or ask again for the work; a classic token needs the scope admin:repo_hook";
    let said = |status: &str, reason: &str, message: &str| {
        let message = serde_json::to_string(message).unwrap();
        format!(
            "{{observedGeneration: 2, conditions: [{{type: Redelivery, status: '{status}', reason: {reason}, message: {message}, \
             observedGeneration: 2, lastTransitionTime: '2026-11-20T00:00:00Z'}}]}}"
        )
    };
    let fine = said("True", "Ready", "what does not arrive is asked for again");
    let elsewhere = |mut automation: AgentAutomation| {
        automation.spec.repository = "other/api".to_owned();
        automation
    };
    let still_refused = || {
        Some(DeliveryFacts {
            lack: None,
            ..facts(Some(Lack::Write), &[]).unwrap()
        })
    };
    let missed = || {
        let attempt = Attempt {
            hook: 1,
            id: 1,
            guid: "a".to_owned(),
            at: at(-60),
            has_arrived: false,
        };
        Some(DeliveryFacts {
            attempts: vec![attempt],
            ..facts(None, &[]).unwrap()
        })
    };
    let table = vec![
        (
            "nobody needs it",
            "null",
            on(polled),
            facts(Some(Lack::Read), &[]),
            "nothing",
        ),
        ("another source's", "null", elsewhere(on(HEARD)), None, "nothing"),
        ("nothing is known yet", "null", on(HEARD), None, "nothing"),
        (
            "what was told stands until more is known",
            &fine,
            on(HEARD),
            None,
            "nothing",
        ),
        ("it can", "null", on(HEARD), facts(None, &[]), is_fine),
        ("it was told", &fine, on(HEARD), facts(None, &[]), "nothing"),
        (
            "the token may not look",
            "null",
            on(HEARD),
            facts(Some(Lack::Read), &[]),
            unseen,
        ),
        ("nor write", &fine, on(HEARD), facts(Some(Lack::Write), &[]), unwritten),
        (
            "that stands while others are listed",
            &fine,
            on(HEARD),
            still_refused(),
            unwritten,
        ),
        ("it is about to be asked", &fine, on(HEARD), missed(), "nothing"),
        ("GitHub refuses some", &fine, on(HEARD), facts(None, &["a", "b"]), lost),
        ("GitHub refuses one", &fine, on(HEARD), facts(None, &["a"]), lost_one),
        ("nobody needs it any more", &fine, on(polled), None, "no condition"),
    ];
    for (what, status, automation, facts, expected) in table {
        let secret = credential(0).secret.name;
        assert_eq!(
            told(status, automation, facts),
            expected.replace("s0", &secret),
            "{what}"
        );
    }
}

#[test]
fn a_credential_that_can_t_be_used_is_told_elsewhere_and_many_repositories_are_cut_short() {
    let refused = told_in("null", |w| {
        w.put_automation(on(HEARD));
        w.credentials.get_mut(&credential(0)).unwrap().secret = Some(SecretState::Missing);
    });
    assert_eq!(refused, "nothing");
    let many = told_in("null", |w| {
        for number in 0..5 {
            let mut automation = on(HEARD);
            automation.metadata.name = Some(format!("a{number}"));
            automation.spec.repository = format!("acme/r{number}");
            w.put_automation(automation);
            let of = (credential(0), Repository::parse(&format!("acme/r{number}")).unwrap());
            w.deliveries.insert(of, facts(Some(Lack::Read), &[]).unwrap());
        }
    });
    assert!(
        many.contains("acme/r2") && !many.contains("acme/r3") && many.ends_with("; and 2 more"),
        "{many}"
    );
}

/// Deliveries are listed with the credential that reads.
#[test]
fn where_another_credential_reads_its_word_is_told() {
    let fine = "Redelivery=True Ready: what does not arrive is asked for again";
    let unseen = "Redelivery=False PermissionDenied: the token in Secret token-1 may not see the webhooks of acme/api: give \
                  it \"Webhooks: read and write\"";
    let table = [
        ("the first reads, and nothing is known of it", true, None, "nothing"),
        ("the other reads", false, None, fine),
        ("the other may not", false, Some(Lack::Read), unseen),
    ];
    for (what, first_works, lack, expected) in table {
        let said = told_in("null", |w| {
            let mut automation = on(HEARD);
            automation.spec.credentials.alternates = vec![credential(1).secret];
            w.put_automation(automation);
            let repository = Repository::parse("acme/api").unwrap();
            for index in [0, 1] {
                let verification = Verification {
                    checked_at: at(0),
                    resource_version: "7".to_owned(),
                    result: Ok(()),
                };
                w.repositories
                    .insert((credential(index), repository.clone()), verification);
            }
            if !first_works {
                w.credentials.get_mut(&credential(0)).unwrap().secret = Some(SecretState::Missing);
            }
            w.deliveries
                .insert((credential(1), repository), facts(lack, &[]).unwrap());
        });
        assert_eq!(said, expected, "{what}");
    }
}
