//! When a repository's deliveries are listed, and which are asked for again.

use crate::domain::repository::Repository;
use crate::plan::plan;
use crate::plan::redelivery::{Attempt, DeliveryFacts, Lack, is_ours};

use super::event::on;
use super::*;

const HEARD: &str = "issue: {actions: [labeled], source: Webhook}";
const HOUR: i64 = 3_600;

fn repository() -> Repository {
    Repository::parse("acme/api").unwrap()
}

fn attempt(id: u64, guid: &str, seconds: i64, has_arrived: bool) -> Attempt {
    Attempt {
        hook: 1,
        id,
        guid: guid.to_owned(),
        at: at(seconds),
        has_arrived,
    }
}

fn next(
    automation: AgentAutomation,
    facts: impl Into<Option<DeliveryFacts>>,
    change: impl FnOnce(&mut World),
) -> String {
    let world = world(vec![], |w| {
        w.put_automation(automation);
        if let Some(facts) = facts.into() {
            w.deliveries.insert((credential(0), repository()), facts);
        }
        change(w);
    });
    let subject = Subject::Deliveries(credential(0), repository());
    let planned = plan(&world, &subject, &Settings::default(), at(0));
    match (planned.actions.as_slice(), planned.wake) {
        ([Action::Redeliver { hook, delivery, guid }], None) => format!("{guid} by {delivery} of {hook}"),
        ([action], None) => action.name().to_owned(),
        ([], Some(wake)) => format!("in {}s", wake.duration_since(at(0)).as_secs()),
        ([], None) => "nothing".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn listed(seconds: i64, attempts: Vec<Attempt>) -> DeliveryFacts {
    DeliveryFacts {
        checked_at: Some(at(seconds)),
        attempts,
        ..DeliveryFacts::default()
    }
}

#[test]
fn deliveries_are_listed_for_what_nothing_else_tells() {
    let pushes = "pullRequest: {actions: [synchronize]}";
    let polled = "issue: {actions: [labeled], source: Poll}";
    let refused = || {
        Some(DeliveryFacts {
            lack: Some(Lack::Read),
            ..listed(-HOUR + 1, vec![])
        })
    };
    let more = |seconds| {
        Some(DeliveryFacts {
            goes_on: true,
            ..listed(seconds, vec![])
        })
    };
    let table = vec![
        ("no event", automation("one", 1), None, "nothing"),
        ("a webhook alone tells it", on(HEARD), None, "ListDeliveries"),
        (
            "a look would find it",
            on("issue: {actions: [labeled]}"),
            None,
            "nothing",
        ),
        ("a look finds no push", on(pushes), None, "ListDeliveries"),
        ("webhooks are not heard", on(polled), None, "nothing"),
        ("and not any more", on(polled), Some(listed(0, vec![])), "Forget"),
        ("they were listed", on(HEARD), Some(listed(-1, vec![])), "in 299s"),
        ("a while ago", on(HEARD), Some(listed(-300, vec![])), "ListDeliveries"),
        ("there are more", on(HEARD), more(-59), "in 1s"),
        ("there were more a while ago", on(HEARD), more(-60), "ListDeliveries"),
        ("the token may not", on(HEARD), refused(), "in 1s"),
    ];
    for (what, automation, facts, expected) in table {
        assert_eq!(next(automation, facts, |_| ()), expected, "{what}");
    }
    let many = |w: &mut World| {
        for number in 0..599 {
            let mut other = on(HEARD);
            other.metadata.name = Some(format!("other-{number}"));
            other.spec.repository = format!("acme/r{number}");
            w.put_automation(other);
        }
    };
    assert_eq!(
        next(on(HEARD), listed(-300, vec![]), many),
        "in 300s",
        "600 share an hour's requests"
    );
}

#[test]
fn what_did_not_arrive_is_asked_for_again() {
    let failed = |id, guid, seconds| attempt(id, guid, seconds, false);
    let arrived = |id, guid, seconds| attempt(id, guid, seconds, true);
    let table = [
        ("it arrived", vec![arrived(1, "a", -60)], "in 299s"),
        ("it did not", vec![failed(1, "a", -60)], "a by 1 of 1"),
        (
            "it did at last",
            vec![failed(1, "a", -60), arrived(2, "a", -30)],
            "in 299s",
        ),
        (
            "the oldest first",
            vec![failed(7, "b", -50), failed(3, "a", -60)],
            "a by 3 of 1",
        ),
        (
            "asked for just now, it failed again",
            vec![failed(1, "a", -900), failed(2, "a", -299)],
            "in 299s",
        ),
        (
            "asked for a while ago, it failed again",
            vec![failed(1, "a", -900), failed(2, "a", -300)],
            "a by 2 of 1",
        ),
        (
            "after three attempts it is twice as long",
            vec![failed(1, "a", -900), failed(2, "a", -700), failed(3, "a", -500)],
            "in 299s",
        ),
        (
            "five attempts are enough",
            (1..=5).map(|id| failed(id, "a", -20 * HOUR)).collect(),
            "in 299s",
        ),
        ("GitHub has it no more", vec![failed(1, "a", -72 * HOUR)], "in 299s"),
    ];
    for (what, attempts, expected) in table {
        assert_eq!(next(on(HEARD), listed(-1, attempts), |_| ()), expected, "{what}");
    }
    let missed = || listed(-1, vec![failed(1, "a", -60), failed(2, "b", -50)]);
    let asked = DeliveryFacts {
        asked: ["a".to_owned()].into(),
        ..missed()
    };
    assert_eq!(next(on(HEARD), asked, |_| ()), "b by 2 of 1", "each once");
    let refused = DeliveryFacts {
        unrepeatable: ["a".to_owned()].into(),
        ..missed()
    };
    assert_eq!(
        next(on(HEARD), refused, |_| ()),
        "b by 2 of 1",
        "GitHub will not repeat it"
    );
    let enough = DeliveryFacts {
        asked: (0..20).map(|number| number.to_string()).collect(),
        ..missed()
    };
    assert_eq!(next(on(HEARD), enough, |_| ()), "in 299s", "so many in one go");
    let paced = |w: &mut World| w.credentials.get_mut(&credential(0)).unwrap().next_write = Some(at(1));
    assert_eq!(next(on(HEARD), missed(), paced), "in 1s", "one write in a second");
    let writing = |of: CredentialKey| {
        move |w: &mut World| {
            w.writing.insert(Subject::Task(key("another")), of.into());
        }
    };
    let other = next(on(HEARD), missed(), writing(credential(1)));
    assert_eq!(other, "a by 1 of 1", "another credential's write is in nobody's way");
    let same = next(on(HEARD), missed(), writing(credential(0)));
    assert_eq!(same, "in 2s", "one write at a time");
    let exchanging = |w: &mut World| {
        w.exchanging.insert(credential(0));
    };
    assert_eq!(
        next(on(HEARD), missed(), exchanging),
        "in 2s",
        "its token is being exchanged"
    );
    let limited = |w: &mut World| w.credentials.get_mut(&credential(0)).unwrap().limited_until = Some(at(60));
    assert_eq!(next(on(HEARD), missed(), limited), "in 60s", "GitHub asks to wait");
    let busy = |w: &mut World| {
        w.busy.insert(Subject::Deliveries(credential(0), repository()));
    };
    assert_eq!(next(on(HEARD), missed(), busy), "nothing", "one at a time");
}

#[test]
fn whose_webhook_it_is() {
    let table = [
        ("https://hooks.example.com/webhooks/github/payments/acme", true),
        ("https://example.com/below/webhooks/github/payments/acme?x=1", true),
        ("https://hooks.example.com/webhooks/github/other/acme", false),
        ("https://hooks.example.com/webhooks/github/payments/", false),
        ("https://hooks.example.com/webhooks/github/payments/acme/more", false),
        ("https://hooks.example.com/webhooks/github/payments", false),
        ("https://ci.example.com/hook?to=/webhooks/github/payments/acme", false),
        ("", false),
    ];
    for (url, expected) in table {
        assert_eq!(is_ours(url, "payments"), expected, "{url}");
    }
}
