//! Which waiting tasks a pass of the queue looks at.

use std::collections::BTreeSet;

use super::*;
use crate::domain::repository::Repository;
use crate::plan::queue::Queue;

/// Tasks of six automations, each with a credential of its own, under a cap of two.
fn six() -> World {
    let mut world = World::default();
    world.put_policy(policy(Some(2)));
    for number in 1..=6 {
        let name = format!("a{number}");
        let mut automation = automation(&name, 1);
        automation.spec.credentials.secret_ref = credential(number).secret;
        world.credentials.insert(credential(number), usable());
        let branch = crate::plan::guardrails::of_automation(&World::default(), &automation).unwrap();
        world.branches.insert(branch, seen());
        world.put_automation(automation);
        let seconds = i64::try_from(number).unwrap();
        world.put_task(with_credential(due(&name, &name, seconds, None), number));
    }
    world
}

/// The tasks are in this phase now, and that is news.
fn now_in(world: &mut World, tasks: &[&str], phase: Phase, reason: Option<Reason>) -> BTreeSet<Subject> {
    let mut news = BTreeSet::new();
    for name in tasks {
        let mut task = world.task(&key(name)).unwrap().clone();
        let version = task.metadata.resource_version.as_deref().unwrap_or("0");
        task.metadata.resource_version = Some((version.parse::<u64>().unwrap() + 1).to_string());
        task.status = Some(TaskStatus {
            phase,
            reason,
            ..TaskStatus::default()
        });
        news.extend([Subject::Task(key(name)), Subject::Automation(key(name))]);
        world.put_task(task);
    }
    news
}

#[test]
fn a_pass_looks_at_what_the_news_is_about_and_fills_the_room() {
    let settings = |sweep| Settings {
        sweep,
        ..Settings::default()
    };
    let (mut world, mut queue) = (six(), Queue::default());
    let mut pass =
        |world: &World, news: &BTreeSet<Subject>, sweep| words(&queue.plan(world, news, &settings(sweep), at(10)));
    let all = world.tasks().map(|(key, _)| Subject::Task(key.clone())).collect();
    let said = pass(&world, &all, 0);
    let held = |name: &str| format!("{name}: Held PolicyCap");
    let mut expected = vec!["a1: Start".to_owned(), "a2: Start".to_owned()];
    expected.extend(["a3", "a4", "a5", "a6"].map(held));
    assert_eq!(said, expected, "everything is news");

    now_in(
        &mut world,
        &["a3", "a4", "a5", "a6"],
        Phase::Held,
        Some(Reason::PolicyCap),
    );
    let news = now_in(&mut world, &["a1", "a2"], Phase::Running, None);
    assert_eq!(pass(&world, &news, 0), [""; 0], "what starts makes no room");

    let news = now_in(&mut world, &["a1", "a2"], Phase::Succeeded, None);
    assert_eq!(
        pass(&world, &news, 0),
        ["a3: Start", "a4: Start"],
        "there is room for two, and for no more"
    );

    now_in(&mut world, &["a3", "a4"], Phase::Running, None);
    let none = BTreeSet::new();
    assert_eq!(
        pass(&world, &none, 1),
        ["a5: Held PolicyCap"],
        "without news one has its turn"
    );
    assert_eq!(pass(&world, &none, 1), ["a6: Held PolicyCap"], "then the next");
    assert_eq!(pass(&world, &none, 5), [""; 0], "then none is left");
    assert_eq!(pass(&world, &none, 5).len(), 2, "and it begins again");
}

/// When a pass over some news wakes for something, and what it does.
fn pass(queue: &mut Queue, world: &World, news: &[Subject], seconds: i64) -> (Vec<String>, Vec<Timestamp>) {
    let settings = Settings {
        sweep: 0,
        write_interval: jiff::SignedDuration::from_secs(3),
        ..Settings::default()
    };
    let plans = queue.plan(world, &news.iter().cloned().collect(), &settings, at(seconds));
    let acts: Vec<_> = plans
        .iter()
        .filter(|(_, planned)| !planned.actions.is_empty())
        .cloned()
        .collect();
    (
        words(&acts),
        plans.iter().filter_map(|(_, planned)| planned.wake).collect(),
    )
}

#[test]
fn a_task_that_is_gone_gives_its_credential_s_turn_to_the_next() {
    let (starts, waits) = (due("two", "starts", -9, None), due("one", "waits", 0, None));
    let (first, second) = (Subject::Task(key("starts")), Subject::Task(key("waits")));
    let mut world = world(vec![starts, waits], |world| {
        world.busy.insert(first.clone());
        world.writing.insert(first.clone(), credential(0).into());
    });
    let mut queue = Queue::default();
    assert_eq!(pass(&mut queue, &world, &[second], 1).0, [""; 0]);
    world.busy.clear();
    world.writing.clear();
    world.remove_task(&key("starts"), "uid-starts");
    assert_eq!(pass(&mut queue, &world, &[first], 2).0, ["waits: Start"]);
}

#[test]
fn a_delivery_that_was_asked_for_again_gives_its_credential_s_turn_to_the_next() {
    let repository = Repository::parse("acme/api").unwrap();
    let (first, second) = (
        Subject::Deliveries(credential(0), repository),
        Subject::Task(key("waits")),
    );
    let mut world = world(vec![due("one", "waits", 0, None)], |world| {
        world.busy.insert(first.clone());
        world.writing.insert(first.clone(), credential(0).into());
    });
    let mut queue = Queue::default();
    assert_eq!(pass(&mut queue, &world, &[second], 1).0, [""; 0]);
    world.busy.clear();
    world.writing.clear();
    assert_eq!(pass(&mut queue, &world, &[first], 2).0, ["waits: Start"]);
}

#[test]
fn a_pull_request_that_is_merged_makes_room_in_other_namespaces() {
    let other = |mut task: AgentTask| {
        task.metadata.namespace = Some("other".to_owned());
        task
    };
    let in_review = |phase: &str| -> AgentTask {
        let state = if phase == "merged" { "closed" } else { "open" };
        let mut task = due("one", "reviewed", -9, in_phase(Phase::Succeeded));
        task.metadata.resource_version = Some(if phase == "merged" { "2" } else { "1" }.to_owned());
        task.status.as_mut().unwrap().pull_request = Some(yaml(&format!(
            "{{id: 1, state: {state}, merged: {}}}",
            phase == "merged"
        )));
        task
    };
    let mut world = world(vec![in_review("open"), other(due("far", "waits", 0, None))], |world| {
        let mut far = automation("far", 1);
        far.metadata.namespace = Some("other".to_owned());
        let key = CredentialKey::of_automation(&far);
        let mut branch = crate::plan::guardrails::of_automation(&World::default(), &far).unwrap();
        branch.credential = key.clone();
        world.branches.insert(branch, seen());
        world.credentials.insert(key, usable());
        world.put_automation(far);
        let mut policy = policy(None);
        policy.metadata.name = Some("other".to_owned());
        policy.spec.namespaces = yaml("[other]");
        policy.spec.max_open_pull_requests_per_repository = Some(1);
        world.put_policy(policy);
    });
    let mut queue = Queue::default();
    let waits = Subject::Task(ObjectKey::new("other", "waits"));
    assert_eq!(pass(&mut queue, &world, &[waits], 1).0, ["waits: Held ReviewQueue"]);
    world.put_task(in_review("merged"));
    let news = Subject::Task(key("reviewed"));
    assert_eq!(pass(&mut queue, &world, &[news], 2).0, ["waits: Start"]);
}

#[test]
fn what_other_news_woke_waits_for_its_credential_with_a_timer() {
    let (mut world, mut queue) = (six(), Queue::default());
    let all: Vec<_> = world.tasks().map(|(key, _)| Subject::Task(key.clone())).collect();
    pass(&mut queue, &world, &all, 10);
    now_in(
        &mut world,
        &["a3", "a4", "a5", "a6"],
        Phase::Held,
        Some(Reason::PolicyCap),
    );
    now_in(&mut world, &["a1", "a2"], Phase::Running, None);
    world.credentials.get_mut(&credential(3)).unwrap().next_write = Some(at(22));
    let news: Vec<_> = now_in(&mut world, &["a1"], Phase::Succeeded, None)
        .into_iter()
        .collect();
    let (acts, wakes) = pass(&mut queue, &world, &news, 20);
    assert_eq!(acts, ["a4: Start"], "a3's credential has just written");
    assert!(wakes.contains(&at(22)), "{wakes:?}");
}

#[test]
fn a_clock_that_is_set_back_has_everything_looked_at_anew() {
    let (mut world, mut queue) = (six(), Queue::default());
    let mut policy = policy(None);
    policy.spec.freeze_windows = yaml("[{name: day, from: '2026-11-22T06:00:30Z', to: '2026-11-22T07:00:00Z'}]");
    world.put_policy(policy);
    let all: Vec<_> = world.tasks().map(|(key, _)| Subject::Task(key.clone())).collect();
    assert_eq!(pass(&mut queue, &world, &all, 40).0[0], "a1: Held PolicyFrozen");
    now_in(&mut world, &["a1", "a2", "a3"], Phase::Held, Some(Reason::PolicyFrozen));
    assert_eq!(pass(&mut queue, &world, &[], 41).0, [""; 0]);
    let acts = pass(&mut queue, &world, &[], 15).0;
    assert!(acts.iter().any(|act| act == "a1: Start"), "{acts:?}");
}
