//! What the demo is there to show, looked for in the cluster's objects and in what the stand-in for GitHub holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use harness::programs::GitHub;
use serde_json::Value;

use crate::{Result, plugin::Plugin, tables::Tables};

/// How long it may take until everything has been seen.
const DEADLINE: Duration = Duration::from_secs(60);

/// The repository in which `demo-platform` lets one task run at a time.
const CAPPED: &str = "acme/infra";
/// The widest line that a terminal beside an editor still shows.
const WIDEST: usize = 131;

/// Something that must be seen.
struct Scene {
    /// The automation it is about.
    automation: &'static str,
    what: &'static str,
    /// Whether a task shows it.
    shows: fn(&Sight) -> bool,
    /// What people ask then, and what they must be told.
    asks: &'static [Question],
}

/// A task, and what belongs to it.
struct Sight<'a> {
    task: &'a Value,
    automation: &'a Value,
    /// The tasks at GitHub that carry a marker of this task.
    there: Vec<&'a Value>,
}

/// A question to `kubectl aauto`.
struct Question {
    arguments: fn(&Value) -> Vec<String>,
    is_answered: fn(&Value, &str) -> bool,
}

const SCENES: &[Scene] = &[
    Scene {
        automation: "patches",
        what: "one succeeds, and its pull request's link is known",
        shows: |sight| outcome(sight.task) == "Created" && succeeded(sight.task) && sight.is_same(),
        asks: &[],
    },
    Scene {
        automation: "flaky-tests",
        what: "one fails, with the reason that GitHub gives",
        shows: |sight| {
            is(sight.task, "Failed", "SessionFailed") && sight.task["status"]["failure"].is_string() && sight.is_same()
        },
        asks: &[],
    },
    Scene {
        automation: "stale-flags",
        what: "one loses GitHub's answer, is found by its marker and adopted, and is there once",
        shows: |sight| outcome(sight.task) == "Adopted" && succeeded(sight.task) && sight.is_same(),
        asks: &[],
    },
    Scene {
        automation: "rewrite",
        what: "one is denied by policy, and GitHub never hears of it",
        shows: |sight| is(sight.task, "Denied", "PolicyDenied") && sight.never_sent(),
        asks: &[],
    },
    Scene {
        automation: "docs",
        what: "one is held while its automation's own cap is reached",
        shows: |sight| is(sight.task, "Held", "AutomationCap") && sight.never_sent(),
        asks: &[],
    },
    Scene {
        automation: "lint",
        what: "a queue holds: a policy lets one task run at a time, and the others wait in order",
        shows: |sight| is(sight.task, "Held", "PolicyCap") && sight.never_sent(),
        asks: &[
            Question {
                arguments: |_| words("queue --all-namespaces"),
                is_answered: |_, said| waiting_for_the_cap(said).len() >= 2 && is_narrow(said),
            },
            Question {
                arguments: why_task,
                is_answered: |_, said| {
                    said.contains("why:     PolicyCap: ")
                        && said.contains("rule:    spec.maxActive of AgentPolicy demo-platform ")
                        && is_complete(said)
                },
            },
        ],
    },
    Scene {
        automation: "lockfile",
        what: "a duplicate is skipped, and tells the task and the pull request that are there already",
        shows: |sight| is(sight.task, "Skipped", "Duplicate") && sight.never_sent(),
        asks: &[Question {
            arguments: why_task,
            is_answered: |task, said| {
                let message = words(text(&task["status"]["message"])).join(" ");
                said.contains("task lockfile-")
                    && said.contains("https://github.com/acme/web/pull/1")
                    && said.contains("rule:    spec.deduplicate of AgentAutomation lockfile ")
                    && words(said).join(" ").contains(&message)
                    && is_complete(said)
            },
        }],
    },
    Scene {
        automation: "rotate-keys",
        what: "a guardrail is not met: nothing starts, and what is missing in the repository is told",
        shows: |sight| {
            let ready = condition(sight.automation, "Ready");
            is(sight.task, "Held", "GuardrailNotMet")
                && sight.never_sent()
                && ready.is_some_and(|ready| ready["status"] == "False" && ready["reason"] == "GuardrailNotMet")
        },
        asks: &[Question {
            arguments: |_| words("why automation/rotate-keys --namespace identity"),
            is_answered: |_, said| {
                said.contains("why:     GuardrailNotMet: ")
                    && said.contains("rule:    spec.guardrails.approvals of AgentPolicy demo-guarded ")
                    && said.contains("guard:   approvals (demo-guarded) NotMet")
                    && said.contains("guard:   firewall (demo-guarded) Met")
                    && is_complete(said)
            },
        }],
    },
    Scene {
        automation: "triage",
        what: "an issue gets a label: a task starts, and one comment on the issue tells of it and of its pull request",
        shows: |sight| {
            let report = &sight.task["status"]["report"];
            succeeded(sight.task)
                && sight.task["spec"]["requester"] == "mona"
                && report["saidOf"] == "Succeeded"
                && report["commentId"].is_number()
        },
        asks: &[],
    },
    Scene {
        automation: "triage",
        what: "a stranger's label on another starts nothing, and the automation says why",
        shows: |sight| sight.automation["status"]["events"]["refused"]["last"]["sender"] == "mallory",
        asks: &[
            Question {
                arguments: |_| words("why automation/triage --namespace support"),
                is_answered: |_, said| {
                    let said = words(said).join(" ");
                    said.contains(
                        "https://github.com/acme/support/issues/2: trigger label: who did it is none of its authors",
                    )
                },
            },
            Question {
                arguments: |_| words("history triage --namespace support"),
                is_answered: |_, said| said.contains("mona") && !said.contains("mallory") && is_narrow(said),
            },
        ],
    },
    Scene {
        automation: "upgrade",
        what: "a person runs one by a command, and is named",
        shows: |sight| succeeded(sight.task) && sight.task["spec"]["requester"].is_string() && sight.is_same(),
        asks: &[Question {
            arguments: |_| words("history upgrade --namespace support"),
            is_answered: |task, said| said.contains(text(&task["spec"]["requester"])) && is_narrow(said),
        }],
    },
];

/// A scene as it was when it was seen.
struct Seen {
    task: Value,
    /// Questions and answers.
    asked: Vec<(String, String)>,
}

/// What was seen.
pub struct Story {
    /// For each scene the task that showed it, as it was at that time.
    seen: Vec<Option<Seen>>,
    automations: Vec<Value>,
    tasks: Vec<Value>,
    /// The markers of all tasks at GitHub.
    markers: Vec<String>,
    /// The most tasks that were seen under way at once where one may be.
    most_at_once: usize,
    elapsed: Duration,
}

/// Shows the tables until everything has been seen, or until it takes too long.
pub async fn watch(tables: &mut Tables<'_>, github: &GitHub, plugin: &Plugin) -> Result<Story> {
    let mut seen: Vec<Option<Seen>> = SCENES.iter().map(|_| None).collect();
    let mut most_at_once = 0;
    loop {
        let tasks = tables.next().await?;
        let automations = tables.list("AgentAutomation").await?;
        let there = github.get("/tasks").await?;
        most_at_once = most_at_once.max(there.iter().filter(|task| is_under_way(task)).count());
        for (scene, seen) in SCENES.iter().zip(&mut seen).filter(|(_, seen)| seen.is_none()) {
            let shown = tasks.iter().find(|task| scene.is_shown(task, &automations, &there));
            if let Some(task) = shown {
                *seen = scene.ask(task, plugin).await?;
            }
        }
        if (seen.iter().all(Option::is_some) && automations.iter().all(is_ready)) || tables.elapsed() > DEADLINE {
            tables.show_settled().await?;
            return Ok(Story {
                seen,
                automations,
                tasks,
                markers: there.iter().map(marker).collect(),
                most_at_once,
                elapsed: tables.elapsed(),
            });
        }
    }
}

impl Scene {
    fn is_shown(&self, task: &Value, automations: &[Value], there: &[Value]) -> bool {
        let (name, namespace) = (&task["spec"]["automation"]["name"], &task["metadata"]["namespace"]);
        let automation = automations.iter().find(|automation| {
            let metadata = &automation["metadata"];
            metadata["name"] == *name && metadata["namespace"] == *namespace
        });
        automation.is_some_and(|automation| {
            let there = carrying(there, task);
            *name == self.automation
                && (self.shows)(&Sight {
                    task,
                    automation,
                    there,
                })
        })
    }

    /// Asks all questions; nothing while one is not answered as it must be.
    async fn ask(&self, task: &Value, plugin: &Plugin) -> Result<Option<Seen>> {
        let mut asked = Vec::new();
        for question in self.asks {
            let arguments = (question.arguments)(task);
            let said = plugin.ask(&arguments).await?;
            if !(question.is_answered)(task, &said) {
                return Ok(None);
            }
            asked.push((format!("kubectl aauto {}", arguments.join(" ")), said));
        }
        let task = task.clone();
        Ok(Some(Seen { task, asked }))
    }
}

impl Sight<'_> {
    /// Whether exactly one task at GitHub carries a marker of this one, and it is the recorded one.
    fn is_same(&self) -> bool {
        let known = &self.task["status"]["task"];
        matches!(*self.there, [one] if one["id"] == known["id"] && one["state"] == known["state"])
    }

    /// Whether nothing was sent to GitHub for it, and a sentence says why.
    fn never_sent(&self) -> bool {
        let status = &self.task["status"];
        self.there.is_empty() && status["attempts"].is_null() && status["message"].is_string()
    }
}

impl Story {
    /// Whether all of it was seen.
    pub fn is_complete(&self) -> bool {
        self.seen.iter().all(Option::is_some)
            && self.automations.iter().all(is_ready)
            && self.no_marker_twice()
            && self.cap_held()
    }

    fn no_marker_twice(&self) -> bool {
        self.markers.iter().collect::<BTreeSet<_>>().len() == self.markers.len()
    }

    fn cap_held(&self) -> bool {
        self.most_at_once == 1
    }

    pub fn print(&self) {
        println!("What was seen, read from the cluster's objects:\n");
        for (scene, seen) in SCENES.iter().zip(&self.seen) {
            println!("{} {}", mark(seen.is_some()), scene.what);
            seen.iter().for_each(Seen::print);
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
        println!(
            "{} never more than {} under way at GitHub in {CAPPED}, where the policy lets 1 run",
            mark(self.cap_held()),
            self.most_at_once
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

impl Seen {
    /// What was asked and answered, or else the task in a few lines: where it is, its id and state at GitHub, and its link
    /// or what is said of it.
    fn print(&self) {
        for (question, answer) in &self.asked {
            println!("\n       $ {question}\n");
            answer.lines().for_each(|line| println!("       {line}"));
        }
        if self.asked.is_empty() {
            tell(&self.task);
        } else {
            println!();
        }
    }
}

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

fn is(task: &Value, phase: &str, reason: &str) -> bool {
    let status = &task["status"];
    status["phase"] == phase && status["reason"] == reason
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

/// `Ready`, or kept from it with a sentence, as those of the sandbox and of the repository without a guardrail are.
fn is_ready(automation: &Value) -> bool {
    let ready = condition(automation, "Ready");
    let told = |ready: &Value| ready["reason"] == "PolicyDenied" || ready["reason"] == "GuardrailNotMet";
    ready.is_some_and(|ready| ready["status"] == "True" || told(ready))
}

fn condition<'a>(automation: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = automation["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind)
}

/// Whether a task at GitHub is under way where a policy lets one be.
fn is_under_way(task: &Value) -> bool {
    task["repository"] == CAPPED && matches!(text(&task["state"]), "queued" | "in_progress")
}

fn why_task(task: &Value) -> Vec<String> {
    let metadata = &task["metadata"];
    words(&format!(
        "why {} --namespace {}",
        text(&metadata["name"]),
        text(&metadata["namespace"])
    ))
}

/// Whether an answer to `why` also says what would change it, and when anything can happen.
fn is_complete(said: &str) -> bool {
    said.contains("\n  change:  ") && said.contains("\n  next:    ")
}

/// The places of tasks that wait for the policy's cap; none if they are out of order.
fn waiting_for_the_cap(queue: &str) -> Vec<usize> {
    let rows = queue.lines().filter(|row| row.contains(" PolicyCap "));
    let places: Vec<usize> = rows
        .filter_map(|row| row.split_whitespace().next()?.parse().ok())
        .collect();
    if places.is_sorted() { places } else { Vec::new() }
}

fn is_narrow(table: &str) -> bool {
    table.lines().all(|line| line.chars().count() <= WIDEST)
}

pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
