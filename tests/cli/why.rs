//! `why`: that what it says of the next time, of the remedy and of a pull request is true, and that an automation and its
//! tasks say the same.

use crate::people::{NOW, OBJECTS};
use crate::run;

/// An automation without guardrails in its way, whose tasks are these.
fn world(policy: &str, automation: &str, tasks: &[String]) -> String {
    let policy = format!("metadata: {{name: default, generation: 4}}\nspec:\n  timeZone: UTC\n{policy}");
    let head = OBJECTS.split("---").take(2).collect::<Vec<_>>().join("---");
    let head = head.replace("metadata: {name: default, generation: 4}\nspec:\n", &policy);
    let head = head
        .replace("  concurrency: {maxActive: 1}\n", automation)
        .replace("  guardrails: {approvals: 1}\n", "");
    let status = head.rfind("status:").unwrap();
    [&head[..status], &tasks.concat()].concat()
}

/// A task, with further lines of its spec and its whole status.
fn task(name: &str, spec: &str, status: &str) -> String {
    format!(
        "---\napiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {{name: {name}, namespace: payments, \
         uid: t-{name}}}\nspec:\n  automation: {{name: deps, uid: u-deps, generation: 3}}\n  trigger: {{name: hourly, \
         kind: Schedule, scheduledTime: \"2026-03-30T06:00:00Z\"}}\n  repository: acme/payments-api\n  baseBranch: \
         main\n  prompt: Update.\n  templateDigest: d\n  secretRef: {{name: token}}\n{spec}status: {{{status}}}\n"
    )
}

fn why(objects: &str, name: &str) -> String {
    let (code, out, err) = run(&["why", name, "-f", "-", "--now", NOW], objects);
    assert_eq!((code, err.as_str()), (0, ""));
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text of a pull request of a task that has succeeded.
fn pull(rest: &str) -> String {
    format!(
        "phase: Succeeded, reason: Completed, message: done, startedAt: \"2026-03-30T05:00:00Z\", endedAt: \
         \"2026-03-30T05:20:00Z\", task: {{id: g-1, shortId: g, state: completed}}, pullRequest: {{id: 7, number: 7, url: \
         \"https://github.com/acme/payments-api/pull/7\", {rest}}}"
    )
}

#[test]
fn an_automation_says_what_its_waiting_tasks_say() {
    let freeze = "  freezeWindows: [{name: now, from: \"2026-03-30T00:00:00Z\", to: \"2026-03-30T06:30:00Z\"}]\n";
    let waiting = [task("deps-wait", "", "phase: Pending")];
    let frozen = world(freeze, "", &waiting);
    let of_task = why(&frozen, "task/deps-wait");
    assert!(
        of_task.contains("next: 2026-03-30T06:30:00Z (in 20m): it is looked at again"),
        "{of_task}"
    );
    let of_automation = why(&frozen, "aauto/deps");
    assert!(
        of_automation.contains("next: 2026-03-30T06:30:00Z (in 20m): for deps-wait: it is looked at again"),
        "{of_automation}"
    );
    let until = "frozen: until 2026-03-30T06:30:00Z, by the window now of AgentPolicy default; what comes due";
    assert!(of_automation.contains(&format!("{until} waits")), "{of_automation}");
    let skipping = why(&world(&freeze.replace("}]", ", due: Skip}]"), "", &[]), "aauto/deps");
    assert!(skipping.contains(&format!("{until} is skipped")), "{skipping}");
    assert!(
        of_automation.contains(
            "change: nothing has to change for the automation; kubectl aauto why deps-wait -n payments says what"
        ),
        "{of_automation}"
    );
    let (_, guarded, _) = run(&["why", "aauto/docs", "-f", "-", "--now", NOW], OBJECTS);
    let guarded = guarded.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        guarded
            .contains("its next trigger fires; as for GuardrailNotMet, it is asked for again, within a minute or so"),
        "{guarded}"
    );
    let (_, guarded, _) = run(&["why", "docs-wait", "-f", "-", "--now", NOW], OBJECTS);
    assert!(
        guarded.contains("next:    it is asked for again, within a minute or so"),
        "{guarded}"
    );
}

#[test]
fn what_keeps_a_place_for_ever_is_told_with_what_frees_it() {
    let lingering = task(
        "deps-late",
        "",
        "phase: TimedOut, reason: WaitingDeadline, message: nobody answered, startedAt: \"2026-03-30T05:00:00Z\", \
         endedAt: \"2026-03-30T05:30:00Z\", task: {id: g-1, shortId: g, state: waiting_for_user}",
    );
    let objects = world(
        "",
        "  concurrency: {maxActive: 1}\n",
        &[lingering, task("deps-wait", "", "phase: Pending")],
    );
    let frees =
        "it counts until GitHub says that it has ended: kubectl aauto abandon deps-late -n payments frees its place";
    let waits = why(&objects, "deps-wait");
    assert!(
        waits.contains(&format!(
            "taken: payments/deps-late is TimedOut, started 1h10m ago; {frees}"
        )),
        "{waits}"
    );
    let late = why(&objects, "deps-late");
    assert!(late.contains(frees), "{late}");
    assert!(!late.contains("nothing: it has ended"), "{late}");
}

#[test]
fn what_comes_next_is_what_happens_at_that_time() {
    let stale = |action: &str| format!("  stalePullRequest: {{after: 1h, action: {action}}}\n");
    let open = pull("state: open, updatedAt: \"2026-03-30T05:50:00Z\"");
    let closed = pull("state: closed, updatedAt: \"2026-03-30T05:50:00Z\"");
    let merged = pull("state: closed, merged: true, updatedAt: \"2026-03-30T05:50:00Z\"");
    let refused = pull("state: open, updatedAt: \"2026-03-30T05:50:00Z\", handedOver: \"403 you may not\"");
    let by_us = "state: closed, updatedAt: \"2026-03-30T05:50:00Z\", closedAsStaleAt: \"2026-03-30T05:50:00Z\"";
    let (by_us, neglected) = (
        pull(by_us),
        pull("state: open, stale: true, updatedAt: \"2026-03-30T04:50:00Z\""),
    );
    let running = "phase: Running, reason: InProgress, message: it works, startedAt: \"2026-03-30T06:00:00Z\", task: {id: \
                   g-1, shortId: g, state: in_progress}";
    let table = [
        (
            stale("Close"),
            open.as_str(),
            "next: 2026-03-30T06:50:00Z (in 40m): the controller closes its pull request",
        ),
        (
            stale("Notify"),
            &open,
            "next: 2026-03-30T06:50:00Z (in 40m): its pull request counts as stale",
        ),
        (
            String::new(),
            &open,
            "next: somebody reviews, merges or closes its pull request",
        ),
        (
            stale("Close"),
            &closed,
            "change: nothing has to change: its pull request is closed without being merged; what \
                                   nobody deals with the controller closes (spec.stalePullRequest) next: nothing: it has ended",
        ),
        (
            String::new(),
            &closed,
            "change: nothing has to change: its pull request is closed without being merged next:",
        ),
        (
            String::new(),
            &merged,
            "change: nothing has to change: its pull request is merged next: nothing: it has ended",
        ),
        (String::new(), &refused, "open; not done: 403 you may not"),
        (
            String::new(),
            &by_us,
            "closed by the controller, because nobody dealt with it",
        ),
        (stale("Notify"), &neglected, "/pull/7, open, stale"),
        (
            String::new(),
            &refused,
            "change: ask the reviewers, set the labels or close it by hand",
        ),
        (
            String::new(),
            running,
            "next: the controller learns of it when GitHub says something new why",
        ),
        (
            "  activeDeadlineSeconds: 7200\n".to_owned(),
            running,
            "GitHub has been asked again by then, or a deadline passes",
        ),
    ];
    for (spec, status, expected) in table {
        let said = why(&world("", "", &[task("deps-x", &spec, status)]), "deps-x") + " why";
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let of_automation = why(&world("", "", &[task("deps-x", "", &refused)]), "aauto/deps");
    assert!(
        of_automation.contains("what was to be done about the pull request of deps-x is not done: 403 you may not"),
        "{of_automation}"
    );
}

/// Only the controller has seen the text at GitHub.
#[test]
fn that_a_text_was_edited_is_told_as_its_status_tells_it() {
    let status = "phase: Held, reason: TextEdited, message: its text was edited";
    let of_an_issue = "{name: label, kind: Issue, id: issue 7, event: {action: labeled, number: 7, url: u, title: It, author: \
                       mallory, sender: mona}, scheduledTime:";
    let held = task("deps-x", "", status).replace("{name: hourly, kind: Schedule, scheduledTime:", of_an_issue);
    let objects = world("", "", &[held]).replace("triggers: [Schedule]", "triggers: [Schedule, Issue]");
    let said = why(&objects, "deps-x");
    assert!(said.contains("why: TextEdited: its text was edited"), "{said}");
}

#[test]
fn what_github_refused_to_have_said_is_told() {
    let status = "phase: Running, reason: InProgress, message: m, task: {id: g-1, shortId: g, state: in_progress}, report: \
                  {refused: 403 no, labelRefused: 422 no label}";
    let said = why(&world("", "", &[task("deps-x", "", status)]), "task/deps-x");
    let told = "not told where it came from: no comment: 403 no; no label: 422 no label";
    assert!(said.contains(told), "{said}");
}

#[test]
fn what_a_stranger_did_is_told_with_who_did_it_and_why_it_starts_nothing() {
    let said = |count: u32| {
        let refused = format!(
            "status:\n  events: {{sweptThrough: \"2026-03-30T06:00:00Z\", skipped: 0, refused: {{count: {count}, last: {{time: \
             \"2026-03-30T06:05:00Z\", action: labeled, url: \"https://github.com/acme/payments-api/issues/2\", sender: \
             mallory, association: NONE, message: \"trigger label: who did it is none of its authors\"}}}}}}\n"
        );
        why(&world("", "", &[refused]), "aauto/deps")
    };
    let told = "refused: labeled by mallory (NONE), 5m ago, https://github.com/acme/payments-api/issues/2: trigger label: who \
                did it is none of its authors";
    let (one, three) = (said(1), said(3));
    assert!(one.contains(&format!("{told} why:")), "{one}");
    assert!(three.contains(&format!("{told}; the last of 3 why:")), "{three}");
}

#[test]
fn who_decided_is_told() {
    let cancelled = "phase: Skipped, reason: CancelledByPerson, message: wrong, endedAt: \"2026-03-30T06:00:01Z\", interventions: \
                     [{kind: Cancel, by: alice, via: portal, at: \"2026-03-30T06:00:01.5Z\"}]";
    let said = why(&world("", "", &[task("deps-x", "", cancelled)]), "task/deps-x");
    assert!(
        said.contains("cancelled by alice via portal at 2026-03-30T06:00:01Z ended"),
        "{said}"
    );
    let names =
        "metadata: {annotations: {agentautomation.dev/suspended-by: alice, agentautomation.dev/resumed-by: bob}, ";
    for (suspend, expected) in [("  suspend: true\n", "suspended by alice"), ("", "resumed by bob")] {
        let signed = world("", suspend, &[]).replace("metadata: {name: deps", &format!("{names}name: deps"));
        let said = why(&signed, "aauto/deps");
        assert!(said.contains(&format!("{expected} why:")), "{said}");
    }
}

#[test]
fn retries_are_told_as_they_are() {
    let failed = "phase: Failed, reason: SessionFailed, message: it broke, startedAt: \"2026-03-30T05:00:00Z\", endedAt: \
                  \"2026-03-30T05:30:00Z\", task: {id: g-1, shortId: g, state: failed}";
    let followed = format!("{failed}, successor: deps-y");
    let retry = "  retry: {limit: 1}\n";
    let last = "  retry: {limit: 1}\n  follows: {name: deps-w, because: Retry, retries: 1}\n";
    let table = [
        (
            "",
            failed,
            "mend the prompt or the repository; spec.retry starts such tasks again",
        ),
        (
            retry,
            failed,
            "change: nothing has to change: it is about to be done again",
        ),
        (retry, &followed, "change: nothing has to change: deps-y does it again"),
        (
            last,
            failed,
            "mend the prompt or the repository; spec.retry.limit, or the policies' spec.maxRetries, allows no more than 1",
        ),
    ];
    for (spec, status, expected) in table {
        let said = why(&world("", "", &[task("deps-x", spec, status)]), "deps-x");
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let asked = "---\napiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {name: by-hand, namespace: \
                 payments}\nspec: {automation: {name: nothing}, requester: alice}\n";
    let said = why(&world("", "", &[asked.to_owned()]), "by-hand");
    assert!(
        said.contains("change: create the automation, or cancel the task: kubectl aauto cancel by-hand -n payments"),
        "{said}"
    );
}

#[test]
fn what_made_no_task_is_told() {
    let objects = world("", "", &[]);
    let table = [
        (0, ["", "", ""]),
        (
            1,
            [
                "missed: 1 scheduled time was not run;",
                "skipped: 1 event was found later than maxEventAge,",
                "1 notification was given up",
            ],
        ),
        (
            3,
            [
                "missed: 3 scheduled times were not run;",
                "skipped: 3 events were found later than maxEventAge,",
                "3 notifications were given up",
            ],
        ),
    ];
    for (count, expected) in table {
        let status = format!(
            "  missedRuns: {count}\n  deadLetters: {count}\n  events: {{sweptThrough: \"2026-03-30T06:00:00Z\", \
             skipped: {count}}}\n"
        );
        let told = why(&format!("{objects}status:\n{status}"), "aauto/deps");
        for (sign, expected) in ["missed:", "skipped:", "given up"].into_iter().zip(expected) {
            assert!(told.contains(expected), "{expected}\n{told}");
            assert_eq!(told.contains(sign), count > 0, "{told}");
        }
    }
}

/// To wait for others to end would be of no use.
#[test]
fn where_nothing_can_ever_start_the_advice_is_to_make_room() {
    let running = "phase: Running, reason: InProgress, startedAt: \"2026-03-30T06:05:00Z\", task: {id: g-1, shortId: g, \
                   state: in_progress}";
    let waiting = [task("deps-runs", "", running), task("deps-wait", "", "phase: Pending")];
    for (policy, waits) in [
        ("  maxActivePerAutomation: 0\n", false),
        ("  maxActivePerAutomation: 1\n", true),
    ] {
        let told = why(&world(policy, "", &waiting), "deps-wait");
        assert_eq!(!told.contains("as it is, no task can ever start"), waits, "{told}");
    }
}
