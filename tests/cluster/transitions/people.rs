//! What a person can change of objects besides their specs: the annotations that decide what becomes of a task whose
//! start can't be told, and that let an automation go on which has stopped itself. Each is set, changed, taken away, set
//! to what makes no sense, and set right.

use agent_automation::{
    api::{
        AgentAutomation, AgentTask,
        automation::RESUME_ANNOTATION,
        task::{ABANDON_ANNOTATION, ADOPT_ANNOTATION},
    },
    simulator::{Effect, Failure, Fault, Operation, Repository, Script, TaskStart, When},
};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::json;

use super::room::{Kind, Mirror, Room};
use crate::{
    fleet::{Fleet, Team},
    within_deadline,
};

/// An annotation and its value or none, and how the object then stands: its phase or condition, and a part of what is
/// said.
type Step = (&'static str, Option<&'static str>, &'static str, &'static str);

const ADOPT: &str = ADOPT_ANNOTATION;
const ABANDON: &str = ABANDON_ANNOTATION;
const RESUME: &str = RESUME_ANNOTATION;
/// Stands for the id of a task that a person started at GitHub.
const ID: &str = "ID";

/// A task that waits is not to be resolved.
const WAITING: &[Step] = &[
    (ADOPT, Some(ID), "Held", "suspended"),
    (ADOPT, Some(""), "Held", "suspended"),
    (ABANDON, Some("not needed"), "Held", "suspended"),
    (ADOPT, None, "Held", "suspended"),
    (ABANDON, Some("not needed any more"), "Held", "suspended"),
    (ABANDON, None, "Held", "suspended"),
];

/// What is given up stays so, whatever is written later.
const GIVEN_UP: &[Step] = &[
    (ADOPT, Some(""), "Unknown", "it may still exist"),
    (ADOPT, Some("  "), "Unknown", "it may still exist"),
    (ADOPT, None, "Unknown", "it may still exist"),
    (
        ABANDON,
        Some("done by hand"),
        "Failed",
        "a person gave it up: done by hand",
    ),
    (ABANDON, Some("or not"), "Failed", "a person gave it up: done by hand"),
    (ABANDON, None, "Failed", "a person gave it up: done by hand"),
    (ADOPT, Some(ID), "Failed", "a person gave it up: done by hand"),
];

/// An id that GitHub does not have is told, and so is what can be none, and both can be corrected.
const NAMED: &[Step] = &[
    (ADOPT, Some("../nobody?"), "Unknown", "\"../nobody?\" is no task's id"),
    (
        ADOPT,
        Some("nobody"),
        "Running",
        "task nobody as ours, and GitHub has none of that id",
    ),
    (
        ADOPT,
        None,
        "Running",
        "task nobody as ours, and GitHub has none of that id",
    ),
    (ADOPT, Some(ID), "Succeeded", "the agent has finished"),
    (ADOPT, Some("somebody"), "Succeeded", "the agent has finished"),
    (ABANDON, Some("too late"), "Succeeded", "the agent has finished"),
    (ADOPT, None, "Succeeded", "the agent has finished"),
];

/// Or it is given up after all.
const NAMED_AND_GIVEN_UP: &[Step] = &[
    (ADOPT, Some("nobody"), "Running", "GitHub has none of that id"),
    (ABANDON, Some("lost"), "Running", "GitHub has none of that id"),
    (ADOPT, None, "Failed", "a person gave it up: lost"),
];

/// Only a value that it did not have before lets an automation go on. An empty name stands for a task that fails.
const RESUMED: &[Step] = &[
    ("", None, "False FailureThreshold", "spec.failureThreshold is 1"),
    (RESUME, Some("1"), "True Ready", ""),
    (RESUME, None, "True Ready", ""),
    ("", None, "False FailureThreshold", ""),
    (RESUME, Some("1"), "False FailureThreshold", ""),
    (RESUME, Some("2"), "True Ready", ""),
    ("", None, "False FailureThreshold", ""),
    (RESUME, Some(""), "True Ready", ""),
];

/// Changes annotations of tasks and of an automation; gives the number of changes.
pub async fn annotate(fleet: &Fleet, mirror: &Mirror) -> usize {
    let team = fleet.team("hand").await;
    let lost = [
        ("given-up", GIVEN_UP),
        ("named", NAMED),
        ("named-too", NAMED_AND_GIVEN_UP),
    ];
    fleet.github.add_fault(Fault {
        on: vec![Operation::StartTask],
        when: When::Next(3),
        effect: Effect::FailBefore(Failure::Reset),
    });
    let mut rooms = Vec::new();
    for (name, steps) in lost {
        let room = begin(fleet, &team, name, &json!({})).await;
        room.run_by_hand().await;
        rooms.push((room, steps));
    }
    for (room, _) in &rooms {
        stands(mirror, room, "Unknown", "it may still exist").await;
    }
    let waiting = begin(fleet, &team, "waiting", &json!({"suspend": true})).await;
    waiting.run_by_hand().await;
    rooms.push((waiting, WAITING));
    for (room, steps) in &rooms {
        resolve(fleet, &team, mirror, room, steps).await;
    }
    resume(fleet, &team).await;
    // Nothing of it is taken back.
    for (room, steps) in &rooms {
        let (.., phase, says) = steps.last().unwrap();
        stands(mirror, room, phase, says).await;
    }
    let changes: usize = rooms.iter().map(|(_, steps)| steps.len()).sum();
    changes + RESUMED.iter().filter(|(annotation, ..)| !annotation.is_empty()).count()
}

/// An automation with these changes to a plain spec.
async fn begin(fleet: &Fleet, team: &Team<'_>, name: &str, changes: &serde_json::Value) -> Room {
    let room = Room::new(&fleet.client, name, &team.namespace);
    let repository = Repository::new(&format!("acme/{name}"));
    fleet.github.add_repository(repository).unwrap();
    let mut spec = room.plain_automation();
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    room.create(Kind::Automation, &spec).await;
    room
}

async fn resolve(fleet: &Fleet, team: &Team<'_>, mirror: &Mirror, room: &Room, steps: &[Step]) {
    let by_hand = TaskStart {
        repository: format!("acme/{}", room.name),
        creator: team.namespace.clone(),
        prompt: "What the controller had wanted".to_owned(),
        create_pull_request: false,
        script: Some(Script::branch_only().with_delays(0, 0)),
    };
    let id = fleet.github.start_task(by_hand).unwrap();
    let task = current(mirror, room).unwrap().name_any();
    for (annotation, value, phase, says) in steps {
        let value = value.map(|value| value.replace(ID, &id));
        let change = Patch::Merge(json!({"metadata": {"annotations": {*annotation: value}}}));
        let tasks: Api<AgentTask> = team.task_api();
        tasks.patch(&task, &PatchParams::default(), &change).await.unwrap();
        stands(mirror, room, phase, says).await;
    }
}

async fn resume(fleet: &Fleet, team: &Team<'_>) {
    let room = begin(fleet, team, "failing", &json!({"failureThreshold": 1})).await;
    let script = Script::failed("it does not compile").with_delays(0, 0);
    fleet.github.set_repository_script("acme/failing", script);
    let automations: Api<AgentAutomation> = team.automations();
    for (annotation, value, stands, says) in RESUMED {
        if annotation.is_empty() {
            room.run_by_hand().await;
        } else {
            let change = Patch::Merge(json!({"metadata": {"annotations": {*annotation: value}}}));
            automations
                .patch(&room.name, &PatchParams::default(), &change)
                .await
                .unwrap();
        }
        team.eventually_ready(&room.name, stands, &[says]).await;
    }
}

/// Waits until the room's task is in that phase and says so.
async fn stands(mirror: &Mirror, room: &Room, phase: &str, says: &str) {
    let status = || current(mirror, room).map(|task| task.data["status"].clone());
    let is_so = || {
        let status = status().unwrap_or_default();
        let mut said = ["message", "adoptRefused"]
            .iter()
            .filter_map(|field| status[field].as_str());
        status["phase"] == json!(phase) && (says.is_empty() || said.any(|said| said.contains(says)))
    };
    let seen = within_deadline(async || is_so().then_some(())).await;
    assert!(
        seen.is_some(),
        "{} is not {phase} with {says:?}: {:#?}",
        room.name,
        status()
    );
}

/// The room's task, as it was made anew from the automation's spec.
fn current(mirror: &Mirror, room: &Room) -> Option<DynamicObject> {
    let mut tasks = mirror.tasks(room).into_iter();
    tasks.find(|task| task.data["status"]["phase"] != json!("Superseded"))
}
