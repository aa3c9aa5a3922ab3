//! Which waiting tasks a pass of the queue looks at.

use std::collections::BTreeSet;

use super::*;
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
        let branch = crate::plan::guardrails::of_automation(&automation).unwrap();
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
