//! When a repository is looked at for what has happened there, and what is made of what is found.

use std::collections::BTreeSet;

use crate::api::automation::{EventsStatus, RefusedEvents};
use crate::api::trigger::Association;
use crate::api::trigger::Source;
use crate::domain::event::Event;
use crate::domain::repository::Repository;
use crate::plan::event::{Decision, of_automation};
use crate::plan::walk::{Ahead, Back, Stretch, Unseen, Walk, Wanted};
use crate::plan::world::{EventFacts, Retry};
use crate::plan::{admission, automation as automations, plan, sweep};

use super::event::{labeled, on};
use super::*;

const POLLED: &str = "issue: {actions: [labeled], labels: [agent]}";

fn repository() -> Repository {
    Repository::parse("acme/api").unwrap()
}

fn subject() -> Subject {
    Subject::Events(credential(0), repository())
}

/// The issue of the table of events, labelled ten seconds ago.
fn event() -> Event {
    Event::parse("issues", &labeled()).unwrap().unwrap()
}

fn found(world: &mut World, seconds: i64, newest: i64, events: Vec<Event>) {
    let facts = facts(world);
    facts.checked_at = Some(at(seconds));
    facts.whole_since = Some(Timestamp::MIN);
    facts.by = [key("one")].into();
    facts.whole_through = Some(at(seconds - 60));
    facts.newest = Some(at(newest));
    facts.events = events;
}

fn settle(world: &mut World) {
    let settled = sweep::settled(world, &credential(0), &repository());
    facts(world).settled.extend(settled);
}

fn facts(world: &mut World) -> &mut EventFacts {
    world.events.entry((credential(0), repository())).or_default()
}

fn next(world: &World, seconds: i64) -> String {
    let planned = plan(world, &subject(), &Settings::default(), at(seconds));
    match planned.actions.as_slice() {
        [Action::Sweep(walk)] => {
            let wanted = &walk.wanted;
            let also = [
                wanted.record.then(|| "record".to_owned()),
                (!wanted.commands.is_empty()).then(|| format!("{:?}", wanted.commands)),
                wanted.reviews.then(|| "reviews".to_owned()),
            ];
            let also: Vec<_> = also.into_iter().flatten().collect();
            format!(
                "Sweep since {}s: {}",
                walk.since.duration_since(at(0)).as_secs(),
                also.join(", ")
            )
        }
        _ => decision(&planned),
    }
}

/// The one task that is made of what was found.
fn made_of(world: &World) -> AgentTask {
    let planned = plan(world, &subject(), &Settings::default(), at(0));
    let [Action::CreateTask(task)] = planned.actions.as_slice() else {
        panic!("{planned:?}");
    };
    (**task).clone()
}

fn through(world: &World, seconds: i64) -> Option<(i64, i64)> {
    let automation = world.automation(&key("one")).unwrap();
    let events = sweep::status(world, automation, at(seconds))?;
    Some((events.swept_through.duration_since(at(0)).as_secs(), events.skipped))
}

#[test]
fn a_repository_is_looked_at_for_who_polls() {
    let day = -86_401;
    let reviews = "pullRequest: {actions: [review_submitted]}";
    let table = vec![
        ("nobody is for events", automation("one", 1), "wait".to_owned()),
        ("since it was made", on(POLLED), format!("Sweep since {day}s: record")),
        (
            "webhooks alone tell it",
            on("issue: {actions: [labeled], source: Webhook}"),
            "wait".to_owned(),
        ),
        (
            "nothing else tells it",
            on("issue: {actions: [labeled], source: Poll}"),
            format!("Sweep since {day}s: record"),
        ),
        (
            "reviews are in no list",
            on(reviews),
            format!("Sweep since {day}s: reviews"),
        ),
        (
            "lists tell what was opened",
            on("issue: {actions: [opened]}"),
            format!("Sweep since {day}s: "),
        ),
        (
            "comments are read for commands",
            on("pullRequest: {actions: [labeled], commands: [/agent fix]}"),
            format!("Sweep since {day}s: record, {{\"/agent fix\"}}"),
        ),
        (
            "what a webhook tells is not read",
            on("issue: {commands: [/agent fix], source: Webhook}"),
            "wait".to_owned(),
        ),
        (
            "its spec can't be read",
            on("issue: {actions: [labeled], titlePattern: '('}"),
            "wait".to_owned(),
        ),
    ];
    for (what, automation, expected) in table {
        let world = world(vec![], |w| {
            w.put_automation(automation);
        });
        assert_eq!(next(&world, 0), expected, "{what}");
    }
}

/// The first automation, and one in each of so many other repositories with the same credential.
fn fleet(count: usize) -> Vec<AgentAutomation> {
    let others = (1..count).map(|number| {
        let mut other = on(POLLED);
        other.metadata.name = Some(format!("other-{number}"));
        other.metadata.uid = Some(format!("uid-other-{number}"));
        other.spec.repository = format!("Acme/r{number:03}");
        other
    });
    [on(POLLED)].into_iter().chain(others).collect()
}

/// Half of what GitHub grants a user in a minute is for looks, however many repositories there are.
#[test]
fn many_repositories_are_looked_at_in_turn_and_less_often() {
    let wake = |count: usize, asked: Option<i64>, next_look: Option<i64>| {
        let world = world(vec![], |w| {
            for automation in fleet(count) {
                w.put_automation(automation);
            }
            facts(w).checked_at = asked.map(at);
            let next = next_look.map(|millis| at(0) + jiff::SignedDuration::from_millis(millis));
            w.credentials.get_mut(&credential(0)).unwrap().next_look = next;
        });
        let planned = plan(&world, &subject(), &Settings::default(), at(0));
        let is_look = matches!(planned.actions.as_slice(), [Action::Sweep(_)]);
        assert_eq!(is_look, planned.wake.is_none(), "{planned:?}");
        planned.wake.map(|wake| wake.duration_since(at(0)).as_millis())
    };
    let table = [
        ("one, for the first time", 1, None, None, None),
        ("a minute ago", 1, Some(-60), None, None),
        ("less than a minute ago", 1, Some(-59), None, Some(1_000)),
        ("447 take a minute", 447, Some(-59), None, Some(1_000)),
        ("500 take more", 500, Some(-60), None, Some(7_000)),
        ("and then it is their turn", 500, Some(-67), None, None),
        ("another began just now", 2, None, Some(100), Some(100)),
        ("another began a while ago", 2, None, Some(0), None),
        ("the clock was set back", 2, None, Some(3_600_000), None),
    ];
    for (what, count, asked, next_look, expected) in table {
        assert_eq!(wake(count, asked, next_look), expected, "{what}");
    }
}

#[test]
fn looks_begin_apart_and_what_is_late_delays_nobody() {
    let millis = |millis: i64| at(0) + jiff::SignedDuration::from_millis(millis);
    let table = [
        (None, 100),
        (Some(0), 100),
        (Some(-2), 98),
        (Some(-500), 0),
        (Some(5), 100),
    ];
    for (before, expected) in table {
        let next = sweep::next_look(before.map(millis), at(0));
        assert_eq!(next, millis(expected), "{before:?}");
    }
    // A clock that is read a little late each time: no slot is lost, and no two looks are in one.
    let (mut now, mut next, mut begun) = (at(0), None, 0);
    while now < millis(10_000) {
        if next.is_none_or(|next| next <= now) {
            next = Some(sweep::next_look(next, now));
            begun += 1;
        }
        now += jiff::SignedDuration::from_millis(7);
    }
    assert_eq!(begun, 100);
}

/// The issue was labelled ten seconds ago; the others a second before each other.
fn labelled_before(count: u64) -> Vec<Event> {
    let events = (0..count).map(|number| {
        let mut event = event();
        event.subject.number = 100 + number;
        event.at = at(-10 - i64::try_from(number).unwrap());
        event
    });
    let mut events: Vec<_> = events.collect();
    events.reverse();
    events
}

#[test]
fn a_new_automation_fires_for_as_much_of_the_past_as_it_says() {
    type Row = (&'static str, &'static str, &'static [u64], &'static [u64]);
    // What it says, which of the four of the past have a task already, and for which tasks are made.
    let table: [Row; 6] = [
        ("nothing", "", &[], &[]),
        ("two of four, the newest", ", backfill: {limit: 2}", &[], &[100, 101]),
        ("a crash came between", ", backfill: {limit: 2}", &[101], &[100]),
        ("all are there", ", backfill: {limit: 2}", &[100, 101], &[]),
        (
            "more than there are",
            ", backfill: {limit: 9}",
            &[],
            &[100, 101, 102, 103],
        ),
        (
            "not what is too old",
            ", backfill: {limit: 9}, maxEventAge: 11s",
            &[],
            &[100, 101],
        ),
    ];
    for (what, says, there, expected) in table {
        let mut automation = on(&format!("issue: {{actions: [labeled], labels: [agent]{says}}}"));
        automation.metadata.creation_timestamp = Some(Time(at(-5)));
        let mut world = world(vec![], |w| {
            w.put_automation(automation);
        });
        found(&mut world, 0, -10, labelled_before(4));
        let numbers = |world: &World| {
            let planned = plan(world, &subject(), &Settings::default(), at(0));
            let tasks = planned.actions.into_iter().filter_map(|action| match action {
                Action::CreateTask(task) => Some(*task),
                _ => None,
            });
            let number = |task: &AgentTask| u64::try_from(task.spec.trigger.event.as_ref().unwrap().number).unwrap();
            tasks.map(|task| (number(&task), task)).collect::<Vec<_>>()
        };
        let everything = numbers(&world);
        for (number, mut task) in everything {
            if there.contains(&number) {
                task.metadata.uid = Some(format!("uid-{number}"));
                world.put_task(task);
            }
        }
        let made: Vec<_> = numbers(&world).into_iter().map(|(number, _)| number).collect();
        assert_eq!(made, expected, "{what}");
    }
}

/// What others work with in the repository was looked at for them, from their positions on.
#[test]
fn a_look_for_others_tells_a_new_automation_nothing_of_the_past() {
    let mut automation = on("issue: {actions: [labeled], labels: [agent], backfill: {limit: 2}}");
    automation.metadata.creation_timestamp = Some(Time(at(-5)));
    let mut world = world(vec![], |w| {
        w.put_automation(automation);
    });
    for (since, by) in [(Timestamp::MIN, "another"), (at(-60), "one")] {
        found(&mut world, 0, -10, vec![]);
        facts(&mut world).whole_since = Some(since);
        facts(&mut world).by = [key(by)].into();
        assert_eq!(through(&world, 0), None, "{by}");
        assert_eq!(next(&world, 60), "Sweep since -86405s: record", "{by}");
    }
    found(&mut world, 0, -10, vec![]);
    assert_eq!(through(&world, 0), Some((-60, 0)));
}

#[test]
fn a_position_moves_once_the_tasks_of_what_was_found_are_there() {
    let mut world = world(vec![], |w| {
        w.put_automation(on(POLLED));
    });
    found(&mut world, 0, -10, vec![event()]);
    let task = made_of(&world);
    assert_eq!(through(&world, 0), None, "its task is not there");
    let mut taken = task.clone();
    taken.metadata.uid = Some("uid-taken".to_owned());
    taken.spec.automation.uid = String::new();
    let name = ObjectKey::of(&taken);
    world.put_task(taken);
    assert_eq!(
        next(&world, 0),
        "CreateTask",
        "what somebody gave its name is not its task"
    );
    world.remove_task(&name, "uid-taken");
    let mut made = task;
    made.metadata.uid = Some("uid-made".to_owned());
    world.put_task(made);
    assert_eq!(next(&world, 0), "Settle");
    settle(&mut world);
    assert_eq!(next(&world, 0), "wait 60s");
    assert_eq!(through(&world, 0), Some((-60, 0)), "lists may lag by a minute");
    facts(&mut world).whole_through = Some(at(0));
    assert_eq!(through(&world, 60), Some((-10, 0)));
    facts(&mut world).checked_at = Some(at(60));

    let uid = "uid-made";
    let name = world.tasks().next().unwrap().0.clone();
    world.remove_task(&name, uid);
    assert_eq!(
        next(&world, 60),
        "wait 120s",
        "what somebody deleted does not come back"
    );
}

#[test]
fn what_is_found_too_late_is_counted_once() {
    let mut world = world(vec![], |w| {
        w.put_automation(on("issue: {actions: [labeled], labels: [agent], maxEventAge: 1m}"));
    });
    let stranger = Event { at: at(-11), ..event() };
    found(
        &mut world,
        3_600,
        -10,
        vec![Event { at: at(-12), ..event() }, stranger, event()],
    );
    assert_eq!(next(&world, 3_600), "Settle");
    settle(&mut world);
    assert_eq!(through(&world, 3_600), Some((-10, 3)));
    let mut automation = world.automation(&key("one")).unwrap().clone();
    let status = automation.status.get_or_insert_default();
    status.events = sweep::status(&world, world.automation(&key("one")).unwrap(), at(3_600));
    world.put_automation(automation);
    assert_eq!(through(&world, 3_601), Some((-10, 3)));
    let settled: BTreeSet<_> = world.events.values().flat_map(|facts| &facts.settled).collect();
    assert_eq!(settled.len(), 3);
}

#[test]
fn what_happens_while_it_is_suspended_is_counted() {
    for (suspend, skipped) in [(true, 1), (false, 0)] {
        let mut automation = on(POLLED);
        automation.spec.suspend = suspend;
        let mut world = world(vec![], |w| {
            w.put_automation(automation);
        });
        found(&mut world, 60, -10, vec![stranger(-20), event()]);
        settle(&mut world);
        assert_eq!(through(&world, 60), Some((-10, skipped)), "{suspend}");
    }
}

/// A look finds it again for as long as the position lags behind, and GitHub tells of it again whenever it is asked to.
#[test]
fn what_somebody_deleted_is_not_done_again() {
    for polled in [POLLED, &POLLED.replace("actions", "source: Webhook, actions")] {
        let automation = on(polled);
        let mut world = world(vec![], |w| {
            w.put_automation(automation.clone());
        });
        let [Decision::Create(task)] = &of_automation(&world, &automation, &event(), Source::Webhook, at(0))[..] else {
            panic!("{polled}")
        };
        let made = |uid: &str| {
            let mut made = (**task).clone();
            made.metadata.uid = Some(uid.to_owned());
            made
        };
        let name = ObjectKey::of(&made("uid-made"));
        world.put_task(made("uid-made"));
        world.remove_task(&name, "uid-made");
        found(&mut world, 0, -10, vec![event()]);
        assert_ne!(next(&world, 0), "CreateTask", "{polled}");

        // What only this process knows is in the status before another takes its place.
        let told = |world: &World, seconds| {
            let planned = automations::plan(world, &key("one"), &Settings::default(), at(seconds));
            let [.., Action::WriteAutomationStatus(status)] = planned.actions.as_slice() else {
                panic!("{polled}: {planned:?}")
            };
            status.clone()
        };
        let status = told(&world, 0);
        assert_eq!(status.collected.of_events.len(), 1, "{polled}");
        let mut automation = automation;
        automation.status = Some(*status);
        let mut successor = super::world(vec![made("uid-again")], |w| {
            w.put_automation(automation.clone());
        });
        let plans = admission::plan(&successor, &Settings::default(), at(0));
        let [Action::WriteTaskStatus(again)] = plans[0].1.actions.as_slice() else {
            panic!("{polled}: {plans:?}")
        };
        assert_eq!(
            (again.phase, again.reason),
            (Phase::Skipped, Some(Reason::AlreadyDecided)),
            "{polled}"
        );

        // What is too old to be told again gives way to what is not.
        let mut later = made("uid-later");
        later.metadata.name = Some("later".to_owned());
        later.spec.trigger.scheduled_time = at(100_000);
        let later_key = ObjectKey::of(&later);
        successor.put_task(later);
        successor.remove_task(&later_key, "uid-later");
        let names: Vec<_> = told(&successor, 100_001)
            .collected
            .of_events
            .into_iter()
            .map(|gone| gone.name)
            .collect();
        assert_eq!(names, ["later"], "{polled}");
    }
}

/// The event of a stranger whose issue form sets the label.
fn stranger(seconds: i64) -> Event {
    let mut event = Event {
        at: at(seconds),
        ..event()
    };
    event.actor.login = "mal\u{200b}lory".to_owned();
    event.actor.association = Association::None;
    event
}

fn told(world: &World, seconds: i64) -> Option<(i64, String)> {
    let events = sweep::status(world, world.automation(&key("one")).unwrap(), at(seconds))?;
    let RefusedEvents { count, last } = events.refused?;
    let since = last.time.duration_since(at(0)).as_secs();
    let (sender, association) = (last.sender, last.association.as_str());
    Some((
        count,
        format!(
            "{} by {sender} ({association}) at {since}: {}",
            last.action, last.message
        ),
    ))
}

#[test]
fn what_a_stranger_did_is_told_where_nothing_else_keeps_it_from_firing() {
    const WHY: &str = "trigger event: who did it is none of its authors (authors.associations, authors.logins)";
    let refused = |at: i64| Some(format!("labeled by mallory (NONE) at {at}: {WHY}"));
    let labelled = |label: &str| {
        let mut event = stranger(-10);
        event.subject.changed = Some(label.to_owned());
        event
    };
    let bot = {
        let mut event = event();
        event.actor.is_bot = true;
        event
    };
    let table = [
        ("a stranger's label", POLLED, vec![stranger(-10)], refused(-10)),
        ("a member's", POLLED, vec![event()], None),
        ("another label", POLLED, vec![labelled("bug")], None),
        ("before the automation was made", POLLED, vec![stranger(-90_000)], None),
        (
            "found too late",
            "issue: {actions: [labeled], labels: [agent], maxEventAge: 1s}",
            vec![stranger(-10)],
            None,
        ),
        (
            "who is named",
            "issue: {actions: [labeled], labels: [agent], authors: {associations: [NONE]}}",
            vec![stranger(-10)],
            None,
        ),
        (
            "a bot's",
            POLLED,
            vec![bot],
            Some(
                "labeled by bob (COLLABORATOR) at -10: trigger event: a bot did it, and authors.logins does not name that"
                    .to_owned(),
            ),
        ),
        (
            "webhooks alone tell it",
            "issue: {actions: [labeled], source: Webhook}",
            vec![stranger(-10)],
            None,
        ),
    ];
    for (what, trigger, events, expected) in table {
        let mut world = world(vec![], |w| {
            w.put_automation(on(trigger));
        });
        found(&mut world, 0, -10, events);
        settle(&mut world);
        assert_eq!(told(&world, 0).map(|(_, last)| last), expected, "{what}");
    }
}

#[test]
fn what_strangers_did_is_counted_once_and_moves_no_position() {
    let mut world = world(vec![], |w| {
        w.put_automation(on(POLLED));
    });
    found(&mut world, 0, -10, vec![stranger(-12), event(), stranger(-10)]);
    let keep = |world: &mut World, seconds: i64| {
        let mut automation = world.automation(&key("one")).unwrap().clone();
        let events = sweep::status(world, &automation, at(seconds));
        automation.status.get_or_insert_default().events = events;
        world.put_automation(automation);
    };
    let count = |world: &World, seconds: i64| told(world, seconds).map(|(count, _)| count);
    assert_eq!(count(&world, 0), None, "a member's task is not there");
    settle(&mut world);
    assert_eq!((through(&world, 0), count(&world, 0)), (Some((-60, 0)), Some(2)));
    keep(&mut world, 0);
    assert_eq!(count(&world, 1), Some(2), "as before");
    found(
        &mut world,
        30,
        20,
        vec![stranger(-12), event(), stranger(-10), stranger(20)],
    );
    settle(&mut world);
    assert_eq!(count(&world, 30), Some(3));
    keep(&mut world, 30);
    facts(&mut world).checked_at = Some(at(90));
    facts(&mut world).whole_through = Some(at(80));
    assert_eq!(
        (through(&world, 90), count(&world, 90)),
        (Some((20, 0)), Some(3)),
        "what has passed"
    );
    keep(&mut world, 90);
    world.events.clear();
    assert_eq!(
        (through(&world, 91), count(&world, 91)),
        (Some((20, 0)), Some(3)),
        "after a restart"
    );
}

#[test]
fn a_label_that_is_told_of_with_two_times_starts_one_task() {
    let told = |name: &str, seconds: i64, status: Option<TaskStatus>| {
        let mut task = due("one", name, -10, status);
        task.spec.trigger.name = "event".to_owned();
        task.spec.trigger.kind = crate::api::policy::TriggerKind::Issue;
        task.spec.trigger.id = Some(format!("issue 42 labeled agent {}", at(seconds).as_second()));
        task.spec.trigger.event = Some(Box::default());
        task
    };
    let table = vec![
        (
            "two seconds apart",
            told("a", -10, None),
            told("b", -8, None),
            (None, Some("a")),
        ),
        (
            "the other has started",
            told("a", -10, None),
            told("b", -8, in_phase(Phase::Running)),
            (Some("b"), None),
        ),
        (
            "a minute apart: it was set again",
            told("a", -70, None),
            told("b", -8, None),
            (None, None),
        ),
        (
            "another label",
            told("a", -10, None),
            due("one", "b", -10, None),
            (None, None),
        ),
    ];
    for (what, one, other, (of_one, of_other)) in table {
        let world = world(vec![one.clone(), other.clone()], |_| {});
        let automation = world.automation(&key("one")).unwrap();
        let same = |task: &AgentTask| {
            let waits = crate::plan::world::phase(task).is_waiting();
            let why = crate::plan::event::told_twice(&world, automation, task).filter(|_| waits)?;
            why.message.split(' ').nth(1).map(str::to_owned)
        };
        assert_eq!(
            (same(&one).as_deref(), same(&other).as_deref()),
            (of_one, of_other),
            "{what}"
        );
    }
}

fn walk(since: i64, began: i64) -> Walk {
    let wanted = Wanted {
        by: [key("one")].into(),
        record: true,
        commands: ["/agent fix".to_owned()].into(),
        reviews: false,
    };
    Walk::new(at(since), wanted, at(began))
}

/// How far a walk has come, in seconds: issues, comments, the record's next page, and what nobody saw.
fn stands(walk: &Walk) -> String {
    let seconds = |time: Timestamp| time.duration_since(at(0)).as_secs();
    let from = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| seconds(time).to_string());
    let page = walk.record.map_or("-".to_owned(), |(page, _)| format!("page {page}"));
    let unseen = walk.unseen.map_or(String::new(), |unseen| {
        let what = if unseen.is_of_record { "record" } else { "anything" };
        format!("; no {what} of {} to {}", seconds(unseen.from), seconds(unseen.to))
    });
    format!("{} {} {page}{unseen}", from(walk.issues), from(walk.comments))
}

#[test]
fn a_look_that_does_not_reach_back_is_gone_on_with() {
    let whole = Stretch {
        issues: Ahead::Whole,
        comments: Ahead::Whole,
        record: Back::Whole,
        newest: None,
    };
    let issues = |to| Stretch {
        issues: Ahead::To(at(to)),
        ..whole
    };
    let comments = |to| Stretch {
        comments: Ahead::To(at(to)),
        ..whole
    };
    let record = |record| Stretch { record, ..whole };
    // A walk since an hour ago, and what its looks read.
    let table = [
        ("it has not begun", vec![], "-3600 -3600 page 1"),
        ("one look reads all", vec![whole], "- - -"),
        ("more issues changed", vec![issues(-3_000)], "-3000 - -"),
        ("and more yet", vec![issues(-3_000), issues(-2_000)], "-2000 - -"),
        (
            "the next look reads the rest",
            vec![issues(-3_000), issues(-2_000), whole],
            "- - -",
        ),
        ("what it began with was seen last", vec![issues(-59)], "- - -"),
        ("more was said", vec![comments(-3_000)], "- -3000 -"),
        (
            "issues that were read are not read again",
            vec![comments(-3_000), issues(-2_000)],
            "- - -",
        ),
        (
            "more happened in one second than a look reads",
            vec![issues(-3_600)],
            "-3599 - -; no anything of -3600 to -3599",
        ),
        (
            "the record goes on with a page",
            vec![record(Back::To(at(-900), 11))],
            "- - page 11",
        ),
        (
            "and ends",
            vec![record(Back::To(at(-900), 11)), record(Back::Whole)],
            "- - -",
        ),
        (
            "GitHub shows no more of it",
            vec![record(Back::To(at(-900), 11)), record(Back::End(at(-1_800)))],
            "- - -; no record of -3600 to -1800",
        ),
        (
            "nobody follows it for ever",
            vec![record(Back::To(at(-900), 11)); 30],
            "- - -; no record of -3600 to -900",
        ),
    ];
    for (what, looks, expected) in table {
        let count = looks.len();
        let walk = looks.into_iter().fold(walk(-3_600, 0), Walk::advance);
        assert_eq!(stands(&walk), expected, "{what}");
        assert_eq!(walk.looks as usize, count);
        assert_eq!(walk.goes_on(), !expected.starts_with("- - -"), "{what}");
    }
}

#[test]
fn a_position_waits_for_the_end_of_a_walk() {
    let mut world = world(vec![], |w| {
        w.put_automation(on("issue: {actions: [labeled], labels: [agent], maxEventAge: 1m}"));
    });
    let look = |world: &mut World, seconds: i64, walk: Walk, events: Vec<Event>| {
        let looked = sweep::looked(world, &credential(0), &repository(), at(seconds), Some((walk, events)));
        *facts(world) = looked;
        let made = plan(world, &subject(), &Settings::default(), at(seconds));
        let made = made
            .actions
            .iter()
            .filter(|action| matches!(action, Action::CreateTask(_)));
        let made = made.count();
        settle(world);
        made
    };
    let numbered = |number: u64, seconds: i64| {
        let mut event = event();
        event.subject.number = number;
        event.at = at(seconds);
        event
    };
    let begun = walk(-86_401, 0);
    let first = Walk {
        issues: Some(at(-900)),
        newest: Some(at(-900)),
        ..begun.clone()
    };
    assert_eq!(
        look(
            &mut world,
            0,
            first.clone(),
            vec![numbered(1, -3_000), numbered(2, -10)]
        ),
        1
    );
    assert_eq!(through(&world, 0), None, "there is more");
    assert_eq!(next(&world, 0), "wait 60s");
    assert_eq!(
        next(&world, 60),
        "Sweep since -86401s: record, {\"/agent fix\"}",
        "the same walk goes on"
    );
    let last = Walk {
        issues: None,
        comments: None,
        record: None,
        newest: Some(at(-5)),
        unseen: Some(Unseen {
            from: at(-3_600),
            to: at(-1_800),
            is_of_record: true,
        }),
        ..first
    };
    assert_eq!(look(&mut world, 60, last, vec![numbered(3, -2_000)]), 0);
    let events = sweep::status(&world, world.automation(&key("one")).unwrap(), at(60)).unwrap();
    assert_eq!(
        events.swept_through,
        at(-60),
        "what came after it had begun is for the next"
    );
    assert_eq!(events.skipped, 2, "those of the first look, too");
    let unseen = events.unseen.clone().unwrap();
    assert_eq!((unseen.times, unseen.from, unseen.to), (1, at(-3_600), at(-1_800)));
    let mut automation = world.automation(&key("one")).unwrap().clone();
    automation.status.get_or_insert_default().events = Some(events.clone());
    world.put_automation(automation);
    let again = sweep::status(&world, world.automation(&key("one")).unwrap(), at(61));
    assert_eq!(again, Some(events), "it is told once");
}

/// Labels and the like are in the record alone: who is for nothing of it has missed nothing.
#[test]
fn what_nobody_saw_is_told_to_whom_it_concerns() {
    let unseen = |is_of_record| Unseen {
        from: at(-3_600),
        to: at(-1_800),
        is_of_record,
    };
    let (labels, opened) = (POLLED, "issue: {actions: [opened]}");
    let table = [
        ("all was seen", labels, -7_200, None, None),
        ("before its position", labels, -1_800, Some(unseen(true)), None),
        ("since its position", labels, -7_200, Some(unseen(true)), Some(-3_600)),
        ("in part", labels, -2_000, Some(unseen(true)), Some(-2_000)),
        ("the record is nothing to it", opened, -7_200, Some(unseen(true)), None),
        (
            "issues were not seen either",
            opened,
            -7_200,
            Some(unseen(false)),
            Some(-3_600),
        ),
    ];
    for (what, trigger, position, unseen, expected) in table {
        let mut automation = on(trigger);
        automation.status.get_or_insert_default().events = Some(EventsStatus {
            swept_through: at(position),
            skipped: 0,
            unseen: None,
            refused: None,
        });
        let mut world = world(vec![], |w| {
            w.put_automation(automation);
        });
        found(&mut world, 0, -10, vec![]);
        facts(&mut world).unseen = unseen;
        let events = sweep::status(&world, world.automation(&key("one")).unwrap(), at(0)).unwrap();
        assert_eq!(events.swept_through, at(-60), "{what}");
        assert_eq!(events.unseen.map(|unseen| unseen.from), expected.map(at), "{what}");
    }
}

#[test]
fn a_walk_is_gone_on_with_unless_somebody_waits_since_earlier_or_it_was_not_for() {
    let table = [
        (-3_600, -3_600, "one", "its own"),
        (-3_600, -1_800, "one", "its own"),
        (-1_800, -3_600, "one", "anew"),
        (-3_600, -3_600, "another", "anew"),
    ];
    for (since, position, by, expected) in table {
        let mut automation = on(POLLED);
        automation.status.get_or_insert_default().events = Some(EventsStatus {
            swept_through: at(position),
            skipped: 0,
            unseen: None,
            refused: None,
        });
        let mut world = world(vec![], |w| {
            w.put_automation(automation);
        });
        let mut begun = Walk {
            looks: 3,
            ..walk(since, -300)
        };
        begun.wanted.by = [key(by)].into();
        facts(&mut world).walk = Some(begun.clone());
        let planned = plan(&world, &subject(), &Settings::default(), at(0));
        let [Action::Sweep(walk)] = planned.actions.as_slice() else {
            panic!("{planned:?}");
        };
        let told = if **walk == begun { "its own" } else { "anew" };
        assert_eq!(told, expected, "{since} {position} {by}");
    }
}

#[test]
fn a_task_that_can_not_be_created_is_told_by_its_automation() {
    let table = [
        ("it was not tried yet", None, vec![event()], false, false),
        ("the API server refuses it", Some(false), vec![event()], false, true),
        (
            "it is wanted now, and the look failed",
            Some(true),
            vec![event()],
            false,
            false,
        ),
        ("it is there", Some(false), vec![event()], true, false),
        (
            "nothing was found, and the look failed",
            Some(true),
            vec![],
            false,
            false,
        ),
    ];
    for (what, failed_at_github, events, is_settled, expected) in table {
        let world = world(vec![], |w| {
            w.put_automation(on(POLLED));
            found(w, 0, -10, events);
            if is_settled {
                settle(w);
            }
            let retry = Retry {
                times: 1,
                not_before: at(60),
                problem: "quota exceeded".to_owned(),
                is_of_github: failed_at_github == Some(true),
            };
            w.retries.extend(failed_at_github.map(|_| (subject(), retry)));
        });
        let planned = plan(&world, &Subject::Automation(key("one")), &Settings::default(), at(0));
        let why = &planned.reasons[0];
        let is_told = why.reason == Reason::FailedCreate && why.message.contains("quota exceeded");
        assert_eq!(is_told, expected, "{what}: {why:?}");
    }
}
