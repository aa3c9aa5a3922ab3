//! What the demo is there to show, looked for in the cluster's objects and in what the stand-in for GitHub holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use harness::programs::GitHub;
use serde_json::Value;

use crate::{Result, tables::Tables};

/// How long it may take until everything has been seen.
const DEADLINE: Duration = Duration::from_secs(60);

/// Something that must be seen.
struct Scene {
    /// The automation it is about.
    automation: &'static str,
    what: &'static str,
    /// Whether a task shows it; the second argument are the GitHub tasks that carry a marker of this task.
    shows: fn(&Value, &[&Value]) -> bool,
}

const SCENES: &[Scene] = &[
    Scene {
        automation: "patches",
        what: "one succeeds, and its pull request's link is known",
        shows: |task, there| outcome(task) == "Created" && succeeded(task) && is_same(task, there),
    },
    Scene {
        automation: "flaky-tests",
        what: "one fails, with the reason that GitHub gives",
        shows: |task, there| {
            let status = &task["status"];
            status["phase"] == "Failed"
                && status["reason"] == "SessionFailed"
                && status["failure"].is_string()
                && is_same(task, there)
        },
    },
    Scene {
        automation: "stale-flags",
        what: "one loses GitHub's answer, is found by its marker and adopted, and is there once",
        shows: |task, there| outcome(task) == "Adopted" && succeeded(task) && is_same(task, there),
    },
    Scene {
        automation: "rewrite",
        what: "one is denied by policy, and GitHub never hears of it",
        shows: |task, there| {
            let status = &task["status"];
            status["phase"] == "Denied"
                && status["attempts"].is_null()
                && status["message"].is_string()
                && there.is_empty()
        },
    },
    Scene {
        automation: "docs",
        what: "one is held while the automation's cap is reached",
        shows: |task, there| {
            let status = &task["status"];
            status["phase"] == "Held" && status["reason"] == "AutomationCap" && there.is_empty()
        },
    },
];

/// What was seen.
pub struct Story {
    /// For each scene the task that showed it, as it was at that time.
    seen: Vec<Option<Value>>,
    automations: Vec<Value>,
    tasks: Vec<Value>,
    /// The markers of all tasks at GitHub.
    markers: Vec<String>,
    elapsed: Duration,
}

/// Shows the tables until everything has been seen, or until it takes too long.
pub async fn watch(tables: &mut Tables<'_>, github: &GitHub) -> Result<Story> {
    let mut seen: Vec<Option<Value>> = vec![None; SCENES.len()];
    loop {
        let tasks = tables.next().await?;
        let there = github.get("/tasks").await?;
        for (scene, seen) in SCENES.iter().zip(&mut seen).filter(|(_, seen)| seen.is_none()) {
            let shows = |task: &&Value| (scene.shows)(task, &carrying(&there, task));
            *seen = tasks
                .iter()
                .filter(|task| task["spec"]["automation"]["name"] == scene.automation)
                .find(shows)
                .cloned();
        }
        let ready = tables.list("AgentAutomation").await?;
        if (seen.iter().all(Option::is_some) && ready.iter().all(is_ready)) || tables.elapsed() > DEADLINE {
            tables.show_settled().await?;
            return Ok(Story {
                seen,
                automations: ready,
                tasks,
                markers: there.iter().map(marker).collect(),
                elapsed: tables.elapsed(),
            });
        }
    }
}

impl Story {
    /// Whether all of it was seen.
    pub fn is_complete(&self) -> bool {
        self.seen.iter().all(Option::is_some) && self.automations.iter().all(is_ready) && self.no_marker_twice()
    }

    fn no_marker_twice(&self) -> bool {
        self.markers.iter().collect::<BTreeSet<_>>().len() == self.markers.len()
    }

    pub fn print(&self) {
        println!("What was seen, read from the cluster's objects:\n");
        for (scene, seen) in SCENES.iter().zip(&self.seen) {
            println!("{} {}", mark(seen.is_some()), scene.what);
            seen.iter().for_each(tell);
        }
        let ready = self
            .automations
            .iter()
            .filter(|automation| is_ready(automation))
            .count();
        println!(
            "{} {ready} of {} automations are Ready or say why not",
            mark(ready == self.automations.len()),
            self.automations.len()
        );
        let different = self.markers.iter().collect::<BTreeSet<_>>().len();
        println!(
            "{} {} tasks at GitHub carry {different} different markers: none was started twice",
            mark(self.no_marker_twice()),
            self.markers.len()
        );
        let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
        for task in &self.tasks {
            *phases.entry(text(&task["status"]["phase"])).or_default() += 1;
        }
        let phases: Vec<_> = phases.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
        println!(
            "\n{} tasks after {} s: {}",
            self.tasks.len(),
            self.elapsed.as_secs(),
            phases.join(", ")
        );
    }
}

/// One task in a few lines: where it is, its id and state at GitHub, and its link or what is said of it.
fn tell(task: &Value) {
    let (metadata, status) = (&task["metadata"], &task["status"]);
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    println!(
        "       {namespace}/{name}: {}, {}",
        text(&status["phase"]),
        text(&status["reason"])
    );
    if let Some(id) = status["task"]["id"].as_str() {
        println!(
            "       task {id}, session {}, {} AI credits",
            text(&status["task"]["state"]),
            text(&status["usage"]["aiCredits"])
        );
    }
    let link = status["pullRequest"]["url"].as_str();
    println!(
        "       {}",
        link.or(status["failure"].as_str()).unwrap_or(text(&status["message"]))
    );
}

fn mark(good: bool) -> &'static str {
    if good { "  ok " } else { "  MISSING" }
}

fn succeeded(task: &Value) -> bool {
    let status = &task["status"];
    status["phase"] == "Succeeded" && text(&status["pullRequest"]["url"]).starts_with("https://")
}

/// Whether exactly one task at GitHub carries a marker of this one, and it is the recorded one.
fn is_same(task: &Value, there: &[&Value]) -> bool {
    matches!(there, [one] if one["id"] == task["status"]["task"]["id"] && one["state"] == task["status"]["task"]["state"])
}

fn outcome(task: &Value) -> &str {
    text(&task["status"]["attempts"][0]["outcome"])
}

/// The tasks at GitHub that were started for this one.
fn carrying<'a>(there: &'a [Value], task: &Value) -> Vec<&'a Value> {
    let uid = text(&task["metadata"]["uid"]);
    there.iter().filter(|other| marker(other).contains(uid)).collect()
}

/// The last line of a prompt.
fn marker(task: &Value) -> String {
    text(&task["prompt"]).lines().last().unwrap_or_default().to_owned()
}

/// `Ready`, or denied with a sentence, as the automation of the sandbox is.
fn is_ready(automation: &Value) -> bool {
    let conditions = automation["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    ready.is_some_and(|ready| ready["status"] == "True" || ready["reason"] == "PolicyDenied")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
