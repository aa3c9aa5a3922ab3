//! The fields of a person's specs and the values that each is walked through. What the schema can know comes from the
//! schema: enums, bounds, lengths, and what is beyond them. What it can't is written here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::{Field, fields};

/// One field's values. They are JSON; `ROOM` stands for the name that everything of a walk has.
#[derive(Clone, Copy)]
pub struct Row {
    pub field: &'static str,
    /// What the rest of the spec must be for the values to make sense.
    pub with: &'static [(&'static str, &'static str)],
    /// Values that the API server takes, and what is then to be read in a status.
    pub good: &'static [(&'static str, &'static str)],
    /// Values that it refuses, and what it says.
    pub bad: &'static [(&'static str, &'static str)],
    /// What is said when the field is left out, where the schema does not call it required.
    pub needed: Option<&'static str>,
    /// Whether the schema's good values are walked through as well.
    pub bounds: bool,
}

const fn row(field: &'static str) -> Row {
    Row {
        field,
        with: &[],
        good: &[],
        bad: &[],
        needed: None,
        bounds: true,
    }
}

impl Row {
    const fn with(self, with: &'static [(&'static str, &'static str)]) -> Self {
        Self { with, ..self }
    }

    const fn good(self, good: &'static [(&'static str, &'static str)]) -> Self {
        Self { good, ..self }
    }

    /// Only these: what is at the schema's bounds makes no sense.
    const fn only(self, good: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            good,
            bounds: false,
            ..self
        }
    }

    const fn bad(self, bad: &'static [(&'static str, &'static str)]) -> Self {
        Self { bad, ..self }
    }

    const fn needed(self, needed: &'static str) -> Self {
        Self {
            needed: Some(needed),
            ..self
        }
    }
}

const INPUTS: &str = r#"[{"name": "a"}]"#;
const ON_ISSUE: &str = r#"[{"name": "event", "issue": {"actions": ["opened"], "commands": ["/agent fix"]}},
    {"name": "tick", "schedule": {"cron": "0 0 29 2 *"}}]"#;
const ON_PULL_REQUEST: &str = r#"[{"name": "event", "pullRequest": {"actions": ["opened"], "commands": ["/agent fix"]}},
    {"name": "tick", "schedule": {"cron": "0 0 29 2 *"}}]"#;
const ON_REVIEW: &str = r#"[{"name": "event", "pullRequest": {"actions": ["review_submitted"]}},
    {"name": "tick", "schedule": {"cron": "0 0 29 2 *"}}]"#;
const EVERYBODY: &str = r#"["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIMER", "FIRST_TIME_CONTRIBUTOR",
    "MANNEQUIN", "NONE"]"#;
const BY_HAND: &str = r#"[{"name": "event", "manual": {}}, {"name": "tick", "schedule": {"cron": "0 0 29 2 *"}}]"#;
const RECEIVER: &str =
    r#"[{"name": "chat", "url": "https://chat.acme.example/hook", "secretRef": {"name": "signing"}}]"#;
const SECOND: &str = r#"[{"name": "second-token"}]"#;
const APPROVERS: &str = r#"{"users": ["bob"], "groups": ["leads"]}"#;

const AUTOMATION: &[Row] = &[
    row("activeDeadlineSeconds").good(&[("2592000", "AgentPolicy gate allows 10000 (spec.maxActiveDeadlineSeconds)")]),
    row("agent"),
    row("agent.customAgent").bad(&[
        (r#""reviewer.agent.md""#, "write the file's name alone"),
        (r#""agents/reviewer""#, "write the file's name alone"),
    ]),
    row("agent.model"),
    row("branches"),
    row("branches.allow").good(&[
        (r#"["main"]"#, ""),
        (r#"["ma?n"]"#, ""),
        (r#"["release/*"]"#, "BranchNotAllowed"),
        ("[]", "BranchNotAllowed"),
    ]),
    row("branches.base").with(&[("/branches/allow", r#"["**"]"#)]).only(&[
        (r#""release/1""#, ""),
        (r#""gone""#, "has no branch gone"),
        (r#""-x""#, "InvalidSpec: spec.branches.base"),
        (r#""refs/heads/main""#, "write it without refs/heads/"),
    ]),
    row("budget"),
    row("budget.creditsPerDay")
        .with(&[("/budget/estimatePerTask", "5")])
        .good(&[("4", "BudgetExhausted"), ("5", "")]),
    row("budget.creditsPerMonth")
        .with(&[("/budget/estimatePerTask", "5")])
        .good(&[("4", "BudgetExhausted"), ("5", "")]),
    row("budget.estimatePerTask")
        .with(&[("/budget/creditsPerDay", "20")])
        .good(&[("21", "BudgetExhausted")]),
    row("concurrency"),
    row("concurrency.maxActive").good(&[("100", "AgentPolicy gate allows 5 (spec.maxActivePerAutomation)")]),
    row("concurrency.maxQueued"),
    row("concurrency.whenFull"),
    row("credentials"),
    row("credentials.alternates")
        .only(&[(SECOND, ""), (r#"[{"name": "absent"}]"#, "Degraded=True SecretMissing: absent: Secret absent is not there")])
        .bad(&[
            (r#"[{"name": "github-agent-token"}]"#, "name each Secret once: leave the one of secretRef out of alternates"),
            (
                r#"[{"name": "second-token"}, {"name": "second-token"}]"#,
                "spec.credentials.alternates[1]: Duplicate value",
            ),
        ]),
    row("credentials.alternates[].key")
        .with(&[("/credentials/alternates", SECOND)])
        .only(&[(r#""other""#, "has no key other")]),
    row("credentials.alternates[].name")
        .with(&[("/credentials/alternates", SECOND)])
        .only(&[(r#""absent""#, "Degraded=True SecretMissing: absent: Secret absent is not there")]),
    row("credentials.use").with(&[("/credentials/alternates", SECOND)]),
    row("credentials.secretRef"),
    row("credentials.secretRef.key").only(&[(r#""other""#, "has no key other")]),
    row("credentials.secretRef.name").only(&[
        (r#""second-token""#, ""),
        (r#""absent""#, "Secret absent is not there"),
        (r#""Not/A/Name""#, "Secret Not/A/Name"),
    ]),
    row("deduplicate").bad(&[(
        r#"{"onDuplicate": "Replace", "while": ["Active"]}"#,
        "only a task that waits gives its place away: add Queued to while",
    )]),
    row("deduplicate.cooldown"),
    row("deduplicate.key").good(&[
        (r#""deps of {{ repository.name }}""#, ""),
        (r#""{{ nothing }}""#, "InvalidTemplate"),
    ]),
    row("deduplicate.onDuplicate"),
    row("deduplicate.while"),
    row("failureThreshold"),
    row("historyLimits"),
    row("historyLimits.failed"),
    row("historyLimits.succeeded"),
    row("inputs")
        .only(&[
            (INPUTS, ""),
            (r#"[{"name": "a", "required": true, "default": "x"}]"#, ""),
            (r#"[{"name": "a", "required": true}]"#, "a schedule gives no inputs"),
        ])
        .bad(&[(r#"[{"name": "a"}, {"name": "a"}]"#, "spec.inputs[1]: Duplicate value")]),
    row("inputs[].default").with(&[("/inputs", INPUTS)]),
    row("inputs[].description").with(&[("/inputs", INPUTS)]),
    row("inputs[].enum").with(&[("/inputs", INPUTS)]),
    row("inputs[].name")
        .with(&[("/inputs", INPUTS)])
        .only(&[(r#""b_2""#, "")])
        .bad(&[(r#""Not a name""#, "spec.inputs[0].name")]),
    row("inputs[].pattern")
        .with(&[("/inputs", INPUTS)])
        .only(&[(r#""[a-z]+""#, ""), (r#""(""#, "it is no regular expression")]),
    row("inputs[].required")
        .with(&[("/inputs", INPUTS)])
        .good(&[("true", "a schedule gives no inputs")]),
    row("maxOpenPullRequests").good(&[("100", "AgentPolicy gate allows 5 (spec.maxOpenPullRequestsPerAutomation)")]),
    row("notify")
        .only(&[(RECEIVER, "spec.notifyHosts must name chat.acme.example")])
        .bad(&[(
            r#"[{"name": "a", "url": "https://a.example", "secretRef": {"name": "s"}},
                {"name": "a", "url": "https://b.example", "secretRef": {"name": "s"}}]"#,
            "spec.notify[1]: Duplicate value",
        )]),
    row("notify[].name")
        .with(&[("/notify", RECEIVER)])
        .only(&[(r#""tickets""#, "spec.notify tickets:")])
        .bad(&[(r#""Not a name""#, "spec.notify[0].name")]),
    row("notify[].ends").with(&[("/notify", RECEIVER)]),
    row("notify[].secretRef").with(&[("/notify", RECEIVER)]),
    row("notify[].secretRef.key").with(&[("/notify", RECEIVER)]),
    row("notify[].secretRef.name").with(&[("/notify", RECEIVER)]),
    row("notify[].url")
        .with(&[("/notify", RECEIVER)])
        .only(&[
            (r#""https://10.0.0.1:8443/x""#, "spec.notifyHosts must name 10.0.0.1:8443"),
            (r#""http://localhost:9000""#, "spec.notifyHosts must name localhost:9000"),
            (r#""https://chat..example/x""#, "InvalidSpec: spec.notify[0].url: it is no address for a POST"),
            (r#""http://localhost.acme.example""#, "InvalidSpec: spec.notify[0].url: it would be sent in the clear"),
        ])
        .bad(&[
            (r#""http://chat.acme.example/hook""#, "use https: http is for loopback addresses only"),
            (r#""https://me@chat.acme.example""#, "spec.notify[0].url"),
            (r#""https://chat.acme.example/#x""#, "spec.notify[0].url"),
        ]),
    row("onSpecChange"),
    row("priority").good(&[("1000", "AgentPolicy gate allows 10 (spec.maxPriority)")]),
    row("prompt"),
    row("prompt.goal").good(&[
        (r#""Say hello to {{ repository.owner }}.""#, ""),
        (r#""{{ repositry }}""#, "InvalidTemplate: spec.prompt.goal"),
        (r#""{% if %}""#, "InvalidTemplate: spec.prompt.goal"),
    ]),
    row("prompt.nonGoals").good(&[(r#"["{{ nothing }}"]"#, "InvalidTemplate: spec.prompt.nonGoals")]),
    row("prompt.pullRequest").good(&[(r#""{{ nothing }}""#, "InvalidTemplate: spec.prompt.pullRequest")]),
    row("prompt.validation").good(&[(r#"["{{ nothing }}"]"#, "InvalidTemplate: spec.prompt.validation")]),
    row("pullRequest").bad(&[(
        r#"{"create": false, "labels": ["agent"]}"#,
        "without a pull request there is nothing to label or to review",
    )]),
    row("pullRequest.create"),
    row("pullRequest.labels"),
    row("pullRequest.reviewers"),
    row("pullRequest.reviewers.teams"),
    row("pullRequest.reviewers.users"),
    row("repository")
        .only(&[
            (r#""acme/ROOM-two""#, ""),
            (r#""acme/absent""#, "RepositoryNotFound"),
        ])
        .bad(&[
            (r#""payments-api""#, "spec.repository"),
            (r#""acme/payments-api.git""#, "write owner/name without .git"),
        ]),
    row("requireApproval")
        .only(&[(APPROVERS, "it needs the approval of bob or a member of leads")])
        .bad(&[("{}", "name those who may approve")]),
    row("requireApproval.groups").with(&[("/requireApproval", APPROVERS)]),
    row("requireApproval.users").with(&[("/requireApproval", APPROVERS)]),
    row("retry"),
    row("retry.backoff"),
    row("retry.limit").good(&[("10", "AgentPolicy gate allows 3 (spec.maxRetries)")]),
    row("retry.ends"),
    row("stalePullRequest").good(&[(r#"{"after": "7d"}"#, "")]),
    row("stalePullRequest.action").with(&[("/stalePullRequest/after", r#""7d""#)]),
    row("stalePullRequest.after")
        .with(&[("/stalePullRequest/after", r#""7d""#)])
        .only(&[(r#""10s""#, ""), (r#""1h30m""#, ""), (r#""999999d999999d""#, "")])
        .bad(&[
            (r#""0s""#, "give people time before a pull request counts as stale"),
            (r#""9s""#, "give people time before a pull request counts as stale"),
            (r#""7""#, "should match"),
        ]),
    row("startPolicy"),
    row("suspend").good(&[("true", "Suspended")]),
    row("triggers")
        .only(&[(
            r#"[{"name": "tick", "schedule": {"cron": "0 0 29 2 *"}}, {"name": "soon", "schedule": {"cron": "0 0 1 1 *"}}]"#,
            "",
        )])
        .bad(&[
            (
                r#"[{"name": "tick", "schedule": {"cron": "@daily"}}, {"name": "tick", "schedule": {"cron": "@daily"}}]"#,
                "spec.triggers[1]: Duplicate value",
            ),
            (r#"[{"name": "tick"}]"#, "say when the trigger fires"),
        ]),
    row("triggers[].issue")
        .with(&[("/triggers", ON_ISSUE)])
        .only(&[(r#"{"actions": ["labeled"], "labels": ["agent"]}"#, "")])
        .bad(&[("{}", "say what it fires for")])
        .needed("say when the trigger fires"),
    row("triggers[].issue.actions").with(&[("/triggers", ON_ISSUE)]),
    row("triggers[].issue.authors").with(&[("/triggers", ON_ISSUE)]),
    row("triggers[].issue.authors.associations")
        .with(&[("/triggers", ON_ISSUE)])
        .only(&[(r#"["NONE"]"#, ""), (EVERYBODY, "")])
        .bad(&[("[]", "name associations, or logins")]),
    row("triggers[].issue.authors.logins")
        .with(&[("/triggers", ON_ISSUE)])
        .bad(&[(r#"["two words"]"#, "authors.logins[0]"), (r#"["[bot]"]"#, "authors.logins[0]")]),
    row("triggers[].issue.bodyPattern")
        .with(&[("/triggers", ON_ISSUE)])
        .only(&[(r#""^x""#, ""), (r#""(""#, "it is no regular expression")]),
    row("triggers[].issue.commands")
        .with(&[("/triggers", ON_ISSUE)])
        .only(&[(r#"["/agent"]"#, ""), ("[]", "")])
        .bad(&[(r#"["agent fix"]"#, "spec.triggers[0].issue.commands[0]")]),
    row("triggers[].issue.labels").with(&[("/triggers", ON_ISSUE)]),
    row("triggers[].issue.labelsAbsent").with(&[("/triggers", ON_ISSUE)]),
    row("triggers[].issue.maxEventAge")
        .with(&[("/triggers", ON_ISSUE)])
        .only(&[(r#""1s""#, ""), (r#""1h30m""#, ""), (r#""999999d999999d""#, "")])
        .bad(&[(r#""0s""#, "write more than nothing"), (r#""0d0h""#, "write more than nothing")]),
    row("triggers[].issue.backfill").with(&[("/triggers", ON_ISSUE)]),
    row("triggers[].issue.backfill.limit").with(&[("/triggers", ON_ISSUE)]),
    row("triggers[].issue.milestone").with(&[("/triggers", ON_ISSUE)]),
    row("report").with(&[("/triggers", ON_ISSUE)]).only(&[(r#"{"comment": true}"#, "")]),
    row("report.comment").with(&[("/triggers", ON_ISSUE), ("/report", "{}")]),
    row("report.label").with(&[("/triggers", ON_ISSUE), ("/report", "{}")]),
    row("triggers[].issue.source").with(&[("/triggers", ON_ISSUE)]),
    row("triggers[].issue.titlePattern")
        .with(&[("/triggers", ON_ISSUE)])
        .only(&[(r#""^x""#, ""), (r#""(""#, "it is no regular expression")]),
    row("triggers[].issue.when")
        .with(&[("/triggers", ON_ISSUE)])
        .only(&[(r#""issue.number > 3""#, ""), (r#""issue.title ==""#, "it is no CEL expression")]),
    row("triggers[].manual")
        .with(&[("/triggers", BY_HAND)])
        .needed("say when the trigger fires"),
    row("triggers[].name")
        .only(&[(r#""tock""#, "its trigger is gone")])
        .bad(&[
            (r#""Not A Name""#, "spec.triggers[0].name"),
            (r#""xxxxxxxxxxxxxxxxxxxxx""#, "spec.triggers[0].name"),
        ]),
    row("triggers[].pullRequest")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[
            (r#"{"actions": ["labeled"], "labels": ["agent"]}"#, ""),
            (
                r#"{"actions": ["opened"], "labels": ["agent"], "labelsAbsent": ["agent"]}"#,
                "InvalidSpec: spec.triggers[0].pullRequest.labelsAbsent",
            ),
            (
                r#"{"actions": ["opened"], "baseBranches": ["release/*"], "pushTo": "PullRequest"}"#,
                "InvalidSpec: spec.triggers[0].pullRequest.baseBranches",
            ),
        ])
        .bad(&[
            ("{}", "say what it fires for"),
            (r#"{"actions": ["opened"], "reviewState": "approved"}"#, "add review_submitted to actions"),
        ])
        .needed("say when the trigger fires"),
    row("triggers[].pullRequest.actions").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.authors").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.authors.associations")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[(r#"["NONE"]"#, ""), (EVERYBODY, "")])
        .bad(&[("[]", "name associations, or logins")]),
    row("triggers[].pullRequest.authors.logins")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .bad(&[(r#"["two words"]"#, "authors.logins[0]"), (r#"["[bot]"]"#, "authors.logins[0]")]),
    row("triggers[].pullRequest.baseBranches").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.commands")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[(r#"["/agent"]"#, ""), ("[]", "")])
        .bad(&[(r#"["agent fix"]"#, "spec.triggers[0].pullRequest.commands[0]")]),
    row("triggers[].pullRequest.draft").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.headBranches").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.labels").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.labelsAbsent").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.maxEventAge")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[(r#""1s""#, ""), (r#""1h30m""#, ""), (r#""999999d999999d""#, "")])
        .bad(&[(r#""0s""#, "write more than nothing"), (r#""0d0h""#, "write more than nothing")]),
    row("triggers[].pullRequest.backfill").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.backfill.limit").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.paths")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[(r#"["src/**"]"#, ""), ("[]", "")]),
    row("triggers[].pullRequest.pushTo")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[(r#""PullRequest""#, ""), (r#""NewBranch""#, "")]),
    row("triggers[].pullRequest.reviewState").with(&[("/triggers", ON_REVIEW)]),
    row("triggers[].pullRequest.source").with(&[("/triggers", ON_PULL_REQUEST)]),
    row("triggers[].pullRequest.titlePattern")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[(r#""^x""#, ""), (r#""(""#, "it is no regular expression")]),
    row("triggers[].pullRequest.when")
        .with(&[("/triggers", ON_PULL_REQUEST)])
        .only(&[(r#""pullRequest.number > 3""#, ""), (r#""pullRequest.title ==""#, "it is no CEL expression")]),
    row("triggers[].schedule").needed("say when the trigger fires"),
    row("triggers[].schedule.cron")
        .only(&[
            (r#""@every 1h""#, ""),
            (r#""0 6 1 JAN ?""#, ""),
            (r#""0 6 * * FUN""#, "InvalidSchedule: spec.triggers[0].schedule.cron"),
            (r#""0 0 30 2 *""#, "NeverFires"),
        ])
        .bad(&[(r#""TZ=UTC 0 6 * * *""#, "write the time zone in timeZone")]),
    row("triggers[].schedule.missedRuns"),
    row("triggers[].schedule.startingDeadlineSeconds"),
    row("triggers[].schedule.timeZone").only(&[
        (r#""Europe/Berlin""#, "2028-02-28T23:00:00Z"),
        (r#""Mars/Olympus""#, "InvalidSchedule: spec.triggers[0].schedule.timeZone"),
    ]),
    row("waitingDeadlineSeconds"),
];

const CLOSED: &str = r#"[{"name": "w", "cron": "0 0 29 2 *", "duration": "1h"}]"#;
const OPEN: &str = r#"[{"name": "w", "from": "2020-01-01T00:00:00Z", "to": "2090-01-01T00:00:00Z"}]"#;
const BY_LABEL: &str = r#"{"matchLabels": {"kubernetes.io/metadata.name": "NAMESPACE"},
    "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["NAMESPACE"]}]}"#;

const POLICY: &[Row] = &[
    row("headBranches").only(&[(r#"["fix/*"]"#, ""), ("[]", "")]),
    row("notifyHosts").only(&[(r#"["*.acme.example"]"#, ""), ("[]", "")]),
    row("baseBranches").good(&[
        (r#"["ma?n"]"#, ""),
        (r#"["release/*"]"#, "spec.baseBranches must name main"),
        ("[]", "it is empty and so allows nothing"),
    ]),
    row("budget"),
    row("budget.creditsPerDay")
        .with(&[("/budget/estimatePerTask", "5")])
        .good(&[("4", "BudgetExhausted"), ("5", "")]),
    row("budget.creditsPerMonth")
        .with(&[("/budget/estimatePerTask", "5")])
        .good(&[("4", "BudgetExhausted"), ("5", "")]),
    row("budget.estimatePerTask")
        .with(&[("/budget/creditsPerDay", "20")])
        .good(&[("21", "BudgetExhausted")]),
    row("credentialUse"),
    row("credentials").good(&[
        (r#"["github-*"]"#, ""),
        ("[]", "spec.credentials must name github-agent-token"),
    ]),
    row("customAgents").good(&[
        (r#"["**"]"#, ""),
        (r#"["migrator"]"#, "spec.customAgents must name * for GitHub's choice"),
    ]),
    row("freezeWindows")
        .only(&[
            (OPEN, "PolicyFrozen"),
            (CLOSED, ""),
            (r#"[{"name": "w", "cron": "never", "duration": "1h"}]"#, "PolicyUnreadable"),
        ])
        .bad(&[
            (r#"[{"name": "w"}]"#, "write either cron and duration, or from and to"),
            (
                r#"[{"name": "w", "cron": "@daily", "duration": "1h"}, {"name": "w", "cron": "@daily", "duration": "1h"}]"#,
                "spec.freezeWindows[1]: Duplicate value",
            ),
        ]),
    row("freezeWindows[].cron")
        .with(&[("/freezeWindows", CLOSED)])
        .only(&[
            (r#""* * * * *""#, "PolicyFrozen"),
            (r#""0 0 30 2 *""#, ""),
            (r#""0 6 * * FUN""#, "PolicyUnreadable"),
        ])
        .needed("write either cron and duration, or from and to"),
    row("freezeWindows[].due").with(&[("/freezeWindows", OPEN)]).good(&[
        (r#""Skip""#, "Skipped"),
        (r#""Hold""#, "Held"),
    ]),
    row("freezeWindows[].duration")
        .with(&[("/freezeWindows", CLOSED)])
        .only(&[(r#""1s""#, ""), (r#""999d9999h""#, "")])
        .bad(&[
            (r#""0s""#, "write a duration of more than nothing"),
            (r#""1000d""#, "no more than 999d or 9999h"),
        ])
        .needed("write either cron and duration, or from and to"),
    row("freezeWindows[].from")
        .with(&[("/freezeWindows", OPEN)])
        .only(&[(r#""2089-01-01T00:00:00Z""#, "")])
        .bad(&[(r#""2090-01-01T00:00:00Z""#, "from must be before to")])
        .needed("write either cron and duration, or from and to"),
    row("freezeWindows[].name").with(&[("/freezeWindows", OPEN)]),
    row("freezeWindows[].to")
        .with(&[("/freezeWindows", OPEN)])
        .only(&[(r#""2020-01-01T00:00:01Z""#, "")])
        .bad(&[(r#""2020-01-01T00:00:00Z""#, "from must be before to")])
        .needed("write either cron and duration, or from and to"),
    row("guardrails"),
    row("guardrails.approvals").good(&[("1", "AgentPolicy ROOM requires spec.guardrails.approvals")]),
    row("guardrails.codeOwners").good(&[("true", "AgentPolicy ROOM requires spec.guardrails.codeOwners")]),
    row("guardrails.codeScanning").good(&[("true", "AgentPolicy ROOM requires spec.guardrails.codeScanning")]),
    row("guardrails.codeql").good(&[("true", "AgentPolicy ROOM requires spec.guardrails.codeql")]),
    row("guardrails.firewall").good(&[("true", "AgentPolicy ROOM requires spec.guardrails.firewall")]),
    row("guardrails.maxAge"),
    row("guardrails.releaseBranches").good(&[(r#"["ma*"]"#, "it is a release branch")]),
    row("guardrails.secretScanning").good(&[("true", "AgentPolicy ROOM requires spec.guardrails.secretScanning")]),
    row("guardrails.statusChecks").good(&[(r#"["test"]"#, "no rule requires the status check test")]),
    row("guardrails.whenUnknown"),
    row("guardrails.workflowApproval").good(&[("true", "AgentPolicy ROOM requires spec.guardrails.workflowApproval")]),
    row("maxActive").good(&[("0", "PolicyCap")]),
    row("maxActiveDeadlineSeconds").good(&[("60", "AgentPolicy ROOM allows 60")]),
    row("maxActivePerAutomation").good(&[("0", "PolicyCap")]),
    row("maxActivePerRepository").good(&[("0", "RepositoryCap")]),
    row("maxOpenPullRequestsPerAutomation").good(&[("1", "AgentPolicy ROOM allows 1")]),
    row("maxOpenPullRequestsPerRepository"),
    row("maxPriority").good(&[("-1000", "AgentPolicy ROOM allows -1000")]),
    row("maxRetries").good(&[("0", "AgentPolicy ROOM allows 0")]),
    row("maxStartingDeadlineSeconds").good(&[("60", "AgentPolicy ROOM allows 60")]),
    row("maxStartsPerHour").good(&[("0", "StartRate")]),
    row("maxWaitingDeadlineSeconds").good(&[("60", "AgentPolicy ROOM allows 60")]),
    row("models").good(&[
        (r#"["gpt-*"]"#, "spec.models must name * for GitHub's choice"),
        (r#"["**"]"#, ""),
    ]),
    row("namespaceSelector")
        .with(&[("/namespaces", "[]"), ("/maxActive", "0")])
        .only(&[
            (r#"{"matchLabels": {"kubernetes.io/metadata.name": "NAMESPACE"}}"#, "PolicyCap"),
            (r#"{"matchLabels": {"kubernetes.io/metadata.name": "other"}}"#, ""),
        ]),
    row("namespaceSelector.matchExpressions")
        .with(&[("/namespaces", "[]"), ("/maxActive", "0"), ("/namespaceSelector", BY_LABEL)])
        .only(&[
            (r#"[{"key": "team", "operator": "Exists"}]"#, ""),
            (r#"[{"key": "team", "operator": "DoesNotExist"}]"#, "PolicyCap"),
            ("[]", "PolicyCap"),
        ])
        .bad(&[
            (r#"[{"key": "team", "operator": "In"}]"#, "In and NotIn need values"),
            (
                r#"[{"key": "team", "operator": "Exists", "values": ["a"]}]"#,
                "Exists and DoesNotExist take none",
            ),
        ]),
    row("namespaceSelector.matchExpressions[].key")
        .with(&[("/namespaces", "[]"), ("/maxActive", "0"), ("/namespaceSelector", BY_LABEL)]),
    row("namespaceSelector.matchExpressions[].operator")
        .with(&[("/namespaces", "[]"), ("/maxActive", "0"), ("/namespaceSelector", BY_LABEL)])
        .only(&[(r#""NotIn""#, "")])
        .bad(&[(r#""Exists""#, "Exists and DoesNotExist take none")]),
    row("namespaceSelector.matchExpressions[].values")
        .with(&[("/namespaces", "[]"), ("/maxActive", "0"), ("/namespaceSelector", BY_LABEL)])
        .only(&[(r#"["other"]"#, ""), (r#"["other", "NAMESPACE"]"#, "PolicyCap")])
        .bad(&[("[]", "In and NotIn need values")])
        .needed("In and NotIn need values"),
    row("namespaceSelector.matchLabels")
        .with(&[("/namespaces", "[]"), ("/maxActive", "0"), ("/namespaceSelector", BY_LABEL)])
        .only(&[(r#"{"team": "payments"}"#, ""), ("{}", "PolicyCap")]),
    row("namespaces").with(&[("/maxActive", "0")]).good(&[
        (r#"["NAMESPACE*"]"#, "PolicyCap"),
        (r#"["other"]"#, ""),
    ]),
    row("repositories")
        .only(&[
            (r#"["ACME/ROOM"]"#, ""),
            (r#"["**"]"#, ""),
            (r#"["acme/other"]"#, "spec.repositories must name acme/ROOM"),
            ("[]", "it is empty and so allows nothing"),
        ])
        .bad(&[(r#"["acme"]"#, "write each as owner/name"), (r#"["*"]"#, "write each as owner/name")]),
    row("requireApproval")
        .only(&[(APPROVERS, "it needs the approval of bob or a member of leads")])
        .bad(&[("{}", "name those who may approve")]),
    row("requireApproval.groups").with(&[("/requireApproval", APPROVERS)]),
    row("requireApproval.users").with(&[("/requireApproval", APPROVERS)]),
    row("requiredPromptSections").good(&[(r#"["Validation"]"#, "fill in spec.prompt.validation")]),
    row("requiredReviewers"),
    row("requiredReviewers.teams"),
    row("requiredReviewers.users"),
    row("startPolicies").good(&[("[]", "spec.startPolicies must name AtMostOnce")]),
    row("suspend").good(&[("true", "PolicySuspended")]),
    row("suspendMessage")
        .with(&[("/suspend", "true")])
        .good(&[(r#""incident 42""#, "is suspended (incident 42)")]),
    row("timeZone").only(&[
        (r#""Europe/Berlin""#, ""),
        (r#""Mars/Olympus""#, "is no time zone that is known"),
    ]),
    row("triggers").good(&[("[]", "spec.triggers must name Schedule")]),
];

/// The rows of a kind.
pub fn rows(kind: &str) -> &'static [Row] {
    match kind {
        "AgentAutomation" => AUTOMATION,
        _ => POLICY,
    }
}

impl Row {
    pub fn schema(&self, kind: &str) -> Field {
        fields(kind).into_iter().find(|field| field.path == self.field).unwrap()
    }
}

/// A value of the table, for the walk of that name.
pub fn value(text: &str, room: &str, namespace: &str) -> Value {
    let text = text.replace("ROOM", room).replace("NAMESPACE", namespace);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_field_of_a_spec_has_its_values() {
    for kind in ["AgentAutomation", "AgentPolicy"] {
        let of_schema: BTreeSet<_> = fields(kind).into_iter().map(|field| field.path).collect();
        let of_table: BTreeSet<_> = rows(kind).iter().map(|row| row.field.to_owned()).collect();
        let without: Vec<_> = of_schema.difference(&of_table).collect();
        let unknown: Vec<_> = of_table.difference(&of_schema).collect();
        assert!(without.is_empty(), "{kind}: no values for {without:?}");
        assert!(unknown.is_empty(), "{kind}: no such field {unknown:?}");
        assert_eq!(of_table.len(), rows(kind).len(), "{kind}: a field has two rows");
    }
}
