//! What people do while tasks wait, start and run: they delete, narrow, stop, revoke and mend.

use std::time::Duration;

use agent_automation::api::task::{APPROVED_BY_ANNOTATION, APPROVED_FOR_ANNOTATION, Phase};
use agent_automation::api::{AgentTask, Reason};
use agent_automation::plan::naming::scheduled_task;
use agent_automation::simulator::{Access, Effect, Fault, Operation, Script, Token, When};
use serde_json::json;

use crate::invariants::at_rest;
use crate::network::Network;
use crate::stage::{NAMESPACE, Process, Stage, TOKEN, Team};

/// So many automations, which are due together, and a controller that is up in time. Tasks take a minute.
async fn due_together(teams: usize, cap: Option<i32>) -> (Stage, Process) {
    let mut stage = Stage::new(1);
    stage.policy(cap).await;
    stage.secret().await;
    for index in 0..teams {
        stage.automation(&Team::new(&format!("team-{index}"))).await;
    }
    stage
        .github
        .set_default_script(Script::pull_request().with_delays(1_000, 60_000));
    stage.until(Duration::from_secs(3_590)).await;
    let process = stage.process(Network::new(None));
    (stage, process)
}

fn in_phase(stage: &Stage, phase: Phase) -> usize {
    let tasks = stage.tasks();
    let phases = tasks.iter().map(|task| task.status.as_ref().map(|status| status.phase));
    phases.filter(|known| *known == Some(phase)).count()
}

fn reason(task: &AgentTask) -> Option<Reason> {
    task.status.as_ref().and_then(|status| status.reason)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_somebody_deletes_while_it_starts_is_not_started_again() {
    let (stage, process) = due_together(1, None).await;
    stage.github.add_fault(Fault {
        on: vec![Operation::StartTask],
        when: When::Next(1),
        effect: Effect::Slow {
            before_ms: 5_000,
            after_ms: 1_000,
        },
    });
    stage.until(Duration::from_secs(3_602)).await;
    assert_eq!(in_phase(&stage, Phase::Starting), 1, "{:#?}", stage.trace());
    let name = stage.tasks()[0].metadata.name.clone().unwrap();
    stage.delete_task(&name).await;
    stage.until(Duration::from_secs(4_000)).await;
    assert_eq!(stage.github.tasks().len(), 1, "{:#?}", stage.trace());
    assert_eq!(stage.tasks().len(), 0, "{:#?}", stage.trace());
    assert_eq!(at_rest(&stage, true), Vec::<String>::new());
    process.terminate().await;
}

/// Somebody gives a task made by hand the name of what a schedule will cause, which anybody can work out.
#[tokio::test(start_paused = true)]
async fn a_name_that_somebody_took_is_told_and_keeps_nothing_else_from_running() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    let every = |name: &str, every: &str| json!({"name": name, "schedule": {"cron": every, "timeZone": "UTC"}});
    let team = Team {
        more: json!({"triggers": [every("tick", "@every 1h"), every("tock", "@every 59m")]}),
        ..Team::new("deps")
    };
    let uid = stage.automation(&team).await.metadata.uid.unwrap();
    let name = scheduled_task("deps", &uid, "tick", stage.start + Duration::from_secs(3_600));
    stage
        .ask(&name, json!({"automation": {"name": "deps"}, "requester": "mallory"}))
        .await;
    // Both are due, and the one that fails comes first.
    stage.until(Duration::from_secs(3_605)).await;
    let process = stage.process(Network::new(None));
    let ran = |stage: &Stage, trigger: &str| {
        let tasks = stage.tasks();
        let of_it = tasks
            .iter()
            .filter(|task| task.spec.is_decided() && task.spec.trigger.name == trigger);
        of_it
            .map(|task| task.status.as_ref().unwrap().phase)
            .collect::<Vec<_>>()
    };
    let said = |stage: &Stage| {
        let status = stage.automations()[0].status.clone().unwrap();
        let ready = status
            .conditions
            .into_iter()
            .find(|condition| condition.type_ == "Ready");
        ready.map(|ready| (ready.reason, ready.message)).unwrap()
    };
    let tries = |process: &Process| {
        let requests = process.network.requests().into_iter();
        requests
            .filter(|sent| sent.what == "agenttasks" && sent.method == "POST")
            .count()
    };

    stage.until(Duration::from_secs(3_700)).await;
    assert_eq!(ran(&stage, "tock"), [Phase::Succeeded], "{:#?}", stage.trace());
    assert_eq!(ran(&stage, "tick"), []);
    let (reason, message) = said(&stage);
    assert_eq!(reason, "FailedCreate");
    assert!(
        message.contains(&format!("{NAMESPACE}/{name} has its name")) && message.contains("delete that one"),
        "{message}"
    );
    assert!((3..=10).contains(&tries(&process)), "{}", tries(&process));

    let before = tries(&process);
    stage.until(Duration::from_secs(4_300)).await;
    let later = tries(&process) - before;
    assert!((8..=12).contains(&later), "once a minute: {later}");

    stage.delete_task(&name).await;
    stage.until(Duration::from_secs(4_400)).await;
    assert_eq!(ran(&stage, "tick"), [Phase::Succeeded], "{:#?}", stage.trace());
    assert_eq!(said(&stage).0, "Ready");
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_narrowed_holds_what_waits_and_leaves_what_runs() {
    let (stage, process) = due_together(5, Some(3)).await;
    stage.until(Duration::from_secs(3_610)).await;
    assert_eq!(
        [in_phase(&stage, Phase::Running), in_phase(&stage, Phase::Held)],
        [3, 2]
    );
    stage.change_policy(json!({"maxActive": 1})).await;
    stage.until(Duration::from_secs(3_640)).await;
    assert_eq!(
        [in_phase(&stage, Phase::Running), in_phase(&stage, Phase::Held)],
        [3, 2]
    );
    stage.until(Duration::from_secs(3_690)).await;
    assert_eq!(
        [in_phase(&stage, Phase::Succeeded), in_phase(&stage, Phase::Running)],
        [3, 1]
    );
    stage.until(Duration::from_secs(3_900)).await;
    assert_eq!(in_phase(&stage, Phase::Succeeded), 5, "{:#?}", stage.trace());
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn the_kill_switch_holds_everything_until_it_is_off() {
    let (stage, process) = due_together(3, Some(1)).await;
    stage.until(Duration::from_secs(3_610)).await;
    stage.change_policy(json!({"suspend": true})).await;
    stage.until(Duration::from_secs(4_200)).await;
    assert_eq!(
        [in_phase(&stage, Phase::Succeeded), in_phase(&stage, Phase::Held)],
        [1, 2]
    );
    let tasks = stage.tasks();
    let held = tasks
        .iter()
        .filter(|task| reason(task) == Some(Reason::PolicySuspended));
    assert_eq!(held.count(), 2, "{:#?}", stage.trace());
    stage.change_policy(json!({"suspend": false})).await;
    stage.until(Duration::from_secs(4_500)).await;
    assert_eq!(in_phase(&stage, Phase::Succeeded), 3, "{:#?}", stage.trace());
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_not_used_again_until_its_secret_changes() {
    let (stage, process) = due_together(2, None).await;
    stage.until(Duration::from_secs(3_598)).await;
    stage.github.change_token(TOKEN, |token| token.revoked = true).unwrap();
    stage.until(Duration::from_secs(3_620)).await;
    let asked = stage.github.requests().len();
    stage.until(Duration::from_secs(5_000)).await;
    assert_eq!(stage.github.requests().len(), asked, "{:#?}", stage.trace());
    let tasks = stage.tasks();
    let held = tasks
        .iter()
        .filter(|task| reason(task) == Some(Reason::CredentialRejected));
    assert_eq!(held.count(), 2, "{:#?}", stage.trace());

    stage
        .github
        .add_token(Token::new("github_pat_second", "octocat"))
        .unwrap();
    stage.replace_token("github_pat_second").await;
    stage.until(Duration::from_secs(5_400)).await;
    assert_eq!(in_phase(&stage, Phase::Succeeded), 2, "{:#?}", stage.trace());
    assert_eq!(at_rest(&stage, false), Vec::<String>::new());
    process.terminate().await;
}

/// What the API server keeps of a task made by hand is what the person wrote; all that starts is in its status.
#[tokio::test(start_paused = true)]
async fn a_task_made_by_hand_waits_for_its_approval_and_runs_once() {
    let mut stage = Stage::new(1);
    stage
        .policy_with(json!({"triggers": ["Manual"], "requireApproval": {"users": ["bob"]}}))
        .await;
    stage.secret().await;
    let team = Team {
        more: json!({
            "triggers": [{"name": "by-hand", "manual": {}}],
            "inputs": [{"name": "package", "required": true}],
            "prompt": {"goal": "Update {{ inputs.package }} for {{ requester }}."},
            "requireApproval": {"groups": ["leads"]},
        }),
        ..Team::new("deps")
    };
    stage.automation(&team).await;
    let process = stage.process(Network::new(None));
    stage
        .ask(
            "wanted",
            json!({"automation": {"name": "deps"}, "requester": "alice", "inputs": {"package": "serde"}}),
        )
        .await;
    stage
        .ask("wrong", json!({"automation": {"name": "deps"}, "requester": "alice"}))
        .await;
    stage.until(Duration::from_secs(30)).await;
    let said = |stage: &Stage| -> Vec<_> { stage.tasks().iter().map(reason).collect() };
    assert_eq!(
        said(&stage),
        [Some(Reason::Approval), Some(Reason::InvalidInput)],
        "{:#?}",
        stage.trace()
    );
    // Who asked can't approve it.
    stage.annotate_task("wanted", APPROVED_BY_ANNOTATION, "alice").await;
    stage.until(Duration::from_secs(60)).await;
    assert_eq!(said(&stage)[0], Some(Reason::Approval));
    process.kill();

    // Bob's counts for one rule of two, and stays when the next takes its place in the annotations.
    stage.annotate_task("wanted", APPROVED_BY_ANNOTATION, "bob").await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(90)).await;
    assert_eq!(said(&stage)[0], Some(Reason::Approval));
    stage.annotate_task("wanted", APPROVED_BY_ANNOTATION, "carol").await;
    stage.annotate_task("wanted", APPROVED_FOR_ANNOTATION, "leads").await;
    stage.until(Duration::from_secs(150)).await;
    let tasks = stage.tasks();
    let status = tasks[0].status.clone().unwrap();
    assert_eq!(status.phase, Phase::Succeeded, "{:#?}", stage.trace());
    let approvers: Vec<_> = status.approvals.iter().map(|approval| approval.by.as_str()).collect();
    assert_eq!(approvers, ["bob", "carol"]);
    assert!(tasks[0].spec.prompt.is_empty(), "its spec is as alice wrote it");
    let started = stage.github.tasks();
    assert_eq!(started.len(), 1);
    assert!(
        started[0].prompt.contains("Update serde for alice."),
        "{}",
        started[0].prompt
    );
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_nobody_deals_with_is_closed_and_its_status_says_by_whom() {
    let mut stage = Stage::new(1);
    stage.policy(None).await;
    stage.secret().await;
    let writes = |token: &mut Token| token.permissions.pull_requests = Access::Write;
    stage.github.change_token(TOKEN, writes).unwrap();
    let team = Team {
        more: json!({"stalePullRequest": {"after": "1h", "action": "Close"}}),
        ..Team::new("deps")
    };
    stage.automation(&team).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(8_000)).await;
    let pull = &stage.github.pulls()[0];
    assert_eq!((pull.merged, pull.open), (false, false));
    let first = stage.tasks().remove(0).status.unwrap().pull_request.unwrap();
    assert!(first.closed_as_stale_at.is_some() && !first.is_open(), "{first:?}");
    process.terminate().await;
}

/// The policy's reviewers are asked, and the labels set, though the automation names somebody whom GitHub does not know.
#[tokio::test(start_paused = true)]
async fn a_reviewer_that_github_does_not_know_keeps_no_other_from_being_asked() {
    let mut stage = Stage::new(1);
    stage
        .policy_with(json!({"requiredReviewers": {"users": ["maintainer"]}}))
        .await;
    stage.secret().await;
    stage.github.add_user("maintainer", 2);
    let writes = |token: &mut Token| token.permissions.pull_requests = Access::Write;
    stage.github.change_token(TOKEN, writes).unwrap();
    let reviewers = json!({"users": ["nobody", "no-one"]});
    let team = Team {
        more: json!({"pullRequest": {"create": true, "reviewers": reviewers, "labels": ["agent"]}}),
        ..Team::new("deps")
    };
    stage.automation(&team).await;
    let process = stage.process(Network::new(None));
    stage.until(Duration::from_secs(3_700)).await;
    let tasks = stage.tasks();
    let pull = tasks[0]
        .status
        .as_ref()
        .and_then(|status| status.pull_request.clone())
        .unwrap();
    let said = pull.handed_over.unwrap();
    assert!(said.starts_with("no-one, nobody: GitHub refused "), "{said}");
    assert!(said.contains("collaborators"), "{said}");
    let pulls = stage.github.pulls();
    let asked: Vec<_> = pulls[0].requested_reviewers.iter().map(ToString::to_string).collect();
    assert_eq!(
        (asked, pulls[0].labels.clone()),
        (vec!["maintainer".to_owned()], vec!["agent".to_owned()])
    );
    process.terminate().await;
}
