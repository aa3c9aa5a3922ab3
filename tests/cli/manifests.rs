//! Manifests with something wrong in them, and what is to be said of it: by `validate`, and whether by the API server.

/// A good one, which each [`Edit`] spoils.
pub const GOOD: &str = r#"apiVersion: agentautomation.dev/v1alpha1
kind: AgentAutomation
metadata:
  name: weekly-deps
  namespace: payments
spec:
  repository: acme/payments-api
  branches:
    base: main
    allow: [main, "release/*"]
  triggers:
    - name: weekly
      schedule:
        cron: "0 6 * * MON"
        timeZone: Europe/Berlin
  prompt:
    goal: Update the dependencies.
  credentials:
    secretRef: {name: github-agent-token}
"#;

/// Who stands in the way of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// kubectl or the API server.
    Apply,
    /// It gets in, and stalls.
    Later,
}
use Refusal::{Apply, Later};

/// One text of [`GOOD`] in place of another.
pub struct Edit {
    pub what: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// Lines of findings, without file, kind and name.
    pub findings: &'static [&'static str],
    pub refused: Refusal,
}

pub const EDITS: &[Edit] = &[
    Edit {
        what: "text for a boolean",
        from: "  prompt:",
        to: "  suspend: \"yes\"\n  prompt:",
        refused: Apply,
        findings: &["16: spec.suspend: must be true or false, not text"],
    },
    Edit {
        what: "a quoted boolean",
        from: "  prompt:",
        to: "  suspend: \"true\"\n  prompt:",
        refused: Apply,
        findings: &["16: spec.suspend: must be true or false, not text: take it out of its quotes"],
    },
    Edit {
        what: "a number for text",
        from: "base: main",
        to: "base: 7",
        refused: Apply,
        findings: &["9: spec.branches.base: must be text, not 7: put it in quotes"],
    },
    Edit {
        what: "one item for a list",
        from: "allow: [main, \"release/*\"]",
        to: "allow: main",
        refused: Apply,
        findings: &["10: spec.branches.allow: must be a list, not text"],
    },
    Edit {
        what: "text for a mapping",
        from: "{name: github-agent-token}",
        to: "github-agent-token",
        refused: Apply,
        findings: &["19: spec.credentials.secretRef: must be fields of its own (a mapping), not text"],
    },
    Edit {
        what: "one Secret twice",
        from: "    secretRef: {name: github-agent-token}",
        to: "    secretRef: {name: github-agent-token}\n    alternates: [{name: github-agent-token}]\n    use: Spread",
        refused: Apply,
        findings: &["18: spec.credentials: name each Secret once: leave the one of secretRef out of alternates"],
    },
    Edit {
        what: "a use of several Secrets that there is not",
        from: "    secretRef: {name: github-agent-token}",
        to: "    secretRef: {name: github-agent-token}\n    use: Random",
        refused: Apply,
        findings: &["20: spec.credentials.use: must be Failover or Spread, not \"Random\""],
    },
    Edit {
        what: "half a number",
        from: "timeZone:",
        to: "startingDeadlineSeconds: 1.5\n        timeZone:",
        refused: Apply,
        findings: &["15: spec.triggers[0].schedule.startingDeadlineSeconds: must be a whole number, not 1.5"],
    },
    Edit {
        what: "an unknown field",
        from: "  prompt:",
        to: "  suspended: true\n  prompt:",
        refused: Apply,
        findings: &[
            "16: spec.suspended: there is no such field; here are activeDeadlineSeconds, agent, branches, budget, concurrency, credentials, deduplicate, failureThreshold, historyLimits, inputs, maxOpenPullRequests, notify, onSpecChange, priority, prompt, pullRequest, report, repository, requireApproval, retry, stalePullRequest, startPolicy, suspend, triggers, waitingDeadlineSeconds",
        ],
    },
    Edit {
        what: "an unknown field in a list",
        from: "        timeZone:",
        to: "        timezone:",
        refused: Apply,
        findings: &[
            "15: spec.triggers[0].schedule.timezone: there is no such field; here are cron, missedRuns, startingDeadlineSeconds, timeZone",
        ],
    },
    Edit {
        what: "an unknown field at the top",
        from: "spec:",
        to: "specs: {}\nspec:",
        refused: Apply,
        findings: &["6: specs: there is no such field; here are apiVersion, kind, metadata, spec, status"],
    },
    Edit {
        what: "an unknown field of the metadata",
        from: "  namespace: payments",
        to: "  namespace: payments\n  label: {}",
        refused: Apply,
        findings: &[
            "6: metadata.label: there is no such field; here are annotations, creationTimestamp, deletionGracePeriodSeconds, deletionTimestamp, finalizers, generateName, generation, labels, managedFields, name, namespace, ownerReferences, resourceVersion, selfLink, uid",
        ],
    },
    Edit {
        what: "an unknown field and a cron expression that can't be read",
        from: "        cron: \"0 6 * * MON\"\n        timeZone:",
        to: "        cron: \"0 6 * * MONDAY\"\n        timezone:",
        refused: Apply,
        findings: &[
            "14: spec.triggers[0].schedule.cron: the day-of-week field \"MONDAY\" holds \"MONDAY\": write 0 to 6 or SUN to SAT (Sunday is 0)",
            "15: spec.triggers[0].schedule.timezone: there is no such field; here are cron, missedRuns, startingDeadlineSeconds, timeZone",
        ],
    },
    Edit {
        what: "a required field left out",
        from: "    goal: Update the dependencies.",
        to: "    nonGoals: []",
        refused: Apply,
        findings: &["16: spec.prompt.goal: is missing: add it"],
    },
    Edit {
        what: "a required field that is null",
        from: "goal: Update the dependencies.",
        to: "goal:",
        refused: Apply,
        findings: &["17: spec.prompt.goal: is missing: add it"],
    },
    Edit {
        what: "several fields left out",
        from: "  credentials:\n    secretRef: {name: github-agent-token}\n",
        to: "  branches: {}\n",
        refused: Apply,
        findings: &[
            "6: spec.credentials: is missing: add it",
            "18: spec.branches: is there twice, and only the last one would count: remove the other",
            "18: spec.branches.base: is missing: add it",
        ],
    },
    Edit {
        what: "an empty text",
        from: "goal: Update the dependencies.",
        to: "goal: \"\"",
        refused: Apply,
        findings: &["17: spec.prompt.goal: must not be empty"],
    },
    Edit {
        what: "no trigger",
        from: "    - name: weekly\n      schedule:\n        cron: \"0 6 * * MON\"\n        timeZone: Europe/Berlin\n",
        to: "    []\n",
        refused: Apply,
        findings: &["11: spec.triggers: must have at least 1 of them, and has 0"],
    },
    Edit {
        what: "a value that is not on the list",
        from: "  prompt:",
        to: "  startPolicy: ExactlyOnce\n  prompt:",
        refused: Apply,
        findings: &["16: spec.startPolicy: must be AtMostOnce or AtLeastOnce, not \"ExactlyOnce\""],
    },
    Edit {
        what: "a number too small",
        from: "  prompt:",
        to: "  concurrency: {maxActive: 0}\n  prompt:",
        refused: Apply,
        findings: &["16: spec.concurrency.maxActive: must be at least 1, not 0"],
    },
    Edit {
        what: "a number too large",
        from: "  prompt:",
        to: "  historyLimits: {failed: 101}\n  prompt:",
        refused: Apply,
        findings: &["16: spec.historyLimits.failed: must be at most 100, not 101"],
    },
    Edit {
        what: "a trigger's name too long",
        from: "name: weekly\n",
        to: "name: a-trigger-for-every-week\n",
        refused: Apply,
        findings: &["12: spec.triggers[0].name: must have at most 20 characters, and has 24"],
    },
    Edit {
        what: "a trigger's name in capitals",
        from: "name: weekly\n",
        to: "name: Weekly\n",
        refused: Apply,
        findings: &["12: spec.triggers[0].name: \"Weekly\" must match ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"],
    },
    Edit {
        what: "a trigger's name that is there twice",
        from: "  prompt:",
        to: "    - {name: weekly, schedule: {cron: \"@daily\"}}\n  prompt:",
        refused: Apply,
        findings: &["16: spec.triggers[1].name: \"weekly\" is there twice: each must be unique"],
    },
    Edit {
        what: "a review's state where no review fires it",
        from: "      schedule:\n        cron: \"0 6 * * MON\"\n        timeZone: Europe/Berlin\n",
        to: "      pullRequest:\n        actions: [opened]\n        reviewState: approved\n",
        refused: Apply,
        findings: &[
            "13: spec.triggers[0].pullRequest: only a review says reviewState: add review_submitted to actions, or leave reviewState out",
        ],
    },
    Edit {
        what: "authors who are nobody",
        from: "      schedule:\n        cron: \"0 6 * * MON\"\n        timeZone: Europe/Berlin\n",
        to: "      issue:\n        actions: [opened]\n        authors: {associations: []}\n",
        refused: Apply,
        findings: &[
            "15: spec.triggers[0].issue.authors: nobody could fire it: name associations, or logins, or leave authors out",
        ],
    },
    Edit {
        what: "a login that nobody can have",
        from: "      schedule:\n        cron: \"0 6 * * MON\"\n        timeZone: Europe/Berlin\n",
        to: "      issue:\n        actions: [opened]\n        authors: {logins: [octocat, \"dependabot[bot]\", \"@alice\"]}\n",
        refused: Apply,
        findings: &[
            "15: spec.triggers[0].issue.authors.logins[2]: \"@alice\" must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,38}(\\[bot\\])?$",
        ],
    },
    Edit {
        what: "events of no age",
        from: "      schedule:\n        cron: \"0 6 * * MON\"\n        timeZone: Europe/Berlin\n",
        to: "      issue:\n        actions: [opened]\n        maxEventAge: 0s\n",
        refused: Apply,
        findings: &[
            "15: spec.triggers[0].issue.maxEventAge: by the time it is told everything is older: write more than nothing, as in 1h or 1d",
        ],
    },
    Edit {
        what: "a label that has to be there and must not",
        from: "      schedule:\n        cron: \"0 6 * * MON\"\n        timeZone: Europe/Berlin\n",
        to: "      issue:\n        actions: [opened]\n        labels: [agent, bug]\n        labelsAbsent: [wontfix, Agent]\n",
        refused: Later,
        findings: &[
            "16: spec.triggers[0].issue.labelsAbsent: labels has agent too, so nothing could fire it: take it out of one of them",
        ],
    },
    Edit {
        what: "pull requests to another branch than the one that is worked on",
        from: "      schedule:\n        cron: \"0 6 * * MON\"\n        timeZone: Europe/Berlin\n",
        to: "      pullRequest:\n        actions: [opened]\n        baseBranches: [\"release/*\"]\n        pushTo: PullRequest\n",
        refused: Later,
        findings: &[
            "15: spec.triggers[0].pullRequest.baseBranches: pushTo is PullRequest, which takes those that go to main (branches.base), and no pattern here does: add main, or leave pushTo out",
        ],
    },
    Edit {
        what: "a repository's address",
        from: "repository: acme/payments-api",
        to: "repository: https://github.com/acme/payments-api",
        refused: Apply,
        findings: &[
            "7: spec.repository: repository \"https://github.com/acme/payments-api\" is not of the form owner/name: write it without host, scheme or further path",
        ],
    },
    Edit {
        what: "a rule: .git",
        from: "repository: acme/payments-api",
        to: "repository: acme/payments-api.git",
        refused: Apply,
        findings: &[
            "7: spec.repository: GitHub has no repository whose name ends in .git: write \"acme/payments-api\"",
        ],
    },
    Edit {
        what: "a rule: a trigger without a schedule",
        from: "  prompt:",
        to: "    - name: daily\n  prompt:",
        refused: Apply,
        findings: &[
            "16: spec.triggers[1]: say when the trigger fires: add schedule, issue, pullRequest, or manual: {} for people",
        ],
    },
    Edit {
        what: "a rule: a custom agent's path",
        from: "  prompt:",
        to: "  agent:\n    customAgent: .github/agents/deps.agent.md\n  prompt:",
        refused: Apply,
        findings: &[
            "17: spec.agent.customAgent: write the file's name alone, without its folder and without .agent.md",
        ],
    },
    Edit {
        what: "a rule: a name that is too long",
        from: "name: weekly-deps",
        to: "name: weekly-dependencies-of-the-payments-service",
        refused: Apply,
        findings: &["4: metadata.name: metadata.name is part of every task's name: write at most 40 characters"],
    },
    Edit {
        what: "a rule: TZ= in the expression",
        from: "cron: \"0 6 * * MON\"",
        to: "cron: \"TZ=Europe/Berlin 0 6 * * MON\"",
        refused: Apply,
        findings: &[
            "14: spec.triggers[0].schedule.cron: the schedule holds TZ: leave TZ= and CRON_TZ= out and name the time zone apart from it",
        ],
    },
    Edit {
        what: "a field of the expression out of range",
        from: "cron: \"0 6 * * MON\"",
        to: "cron: \"0 24 * * MON\"",
        refused: Later,
        findings: &[
            "14: spec.triggers[0].schedule.cron: the hour field \"24\" holds 24, which is out of range: write 0 to 23",
        ],
    },
    Edit {
        what: "six fields",
        from: "cron: \"0 6 * * MON\"",
        to: "cron: \"0 0 6 * * MON\"",
        refused: Later,
        findings: &[
            "14: spec.triggers[0].schedule.cron: the schedule has 6 fields instead of five: write minute, hour, day of month, month and day of week",
        ],
    },
    Edit {
        what: "an expression without a date",
        from: "cron: \"0 6 * * MON\"",
        to: "cron: \"0 6 31 2 *\"",
        refused: Later,
        findings: &[
            "14: spec.triggers[0].schedule.cron: no date matches 0 6 31 2 *, so it would never fire: write a day that the month has",
        ],
    },
    Edit {
        what: "an unknown time zone",
        from: "Europe/Berlin",
        to: "Europe/Bern",
        refused: Later,
        findings: &[
            "15: spec.triggers[0].schedule.timeZone: \"Europe/Bern\" is no time zone that is known: write an IANA name such as Europe/Berlin or Etc/UTC",
        ],
    },
    Edit {
        what: "an undefined name in a template",
        from: "Update the dependencies.",
        to: "Update {{ package }}.",
        refused: Later,
        findings: &[
            "17: spec.prompt.goal: undefined value: `package` is undefined in line 1; the names it can use are automation, trigger, repository, scheduledTime, requester, inputs and subject, and for what happens at GitHub issue or pullRequest, comment and sender",
        ],
    },
    Edit {
        what: "an undefined name in what only the second trigger says",
        from: "  prompt:\n    goal: Update the dependencies.",
        to: "    - {name: daily, schedule: {cron: \"@daily\"}}\n  prompt:\n    goal: \"{% if trigger.name == 'daily' %}{{ package }}{% endif %}\"",
        refused: Later,
        findings: &[
            "18: spec.prompt.goal: undefined value: `package` is undefined in line 1; the names it can use are automation, trigger, repository, scheduledTime, requester, inputs and subject, and for what happens at GitHub issue or pullRequest, comment and sender",
        ],
    },
    Edit {
        what: "a template that does not end",
        from: "    goal:",
        to: "    validation: [\"cargo test -p {{ repository.name\"]\n    goal:",
        refused: Later,
        findings: &[
            "17: spec.prompt.validation[0]: syntax error: unexpected end of input, expected end of variable block in line 1; the names it can use are automation, trigger, repository, scheduledTime, requester, inputs and subject, and for what happens at GitHub issue or pullRequest, comment and sender",
        ],
    },
    Edit {
        what: "an empty allowlist",
        from: "allow: [main, \"release/*\"]",
        to: "allow: []",
        refused: Later,
        findings: &[
            "10: spec.branches.allow: no pattern here allows the base branch main: add it, or name another base",
        ],
    },
    Edit {
        what: "no allowlist",
        from: "    allow: [main, \"release/*\"]\n",
        to: "",
        refused: Later,
        findings: &[
            "8: spec.branches.allow: no pattern here allows the base branch main: add it, or name another base",
        ],
    },
    Edit {
        what: "a base branch that is not allowed",
        from: "base: main",
        to: "base: develop",
        refused: Later,
        findings: &[
            "10: spec.branches.allow: no pattern here allows the base branch develop: add it, or name another base",
        ],
    },
    Edit {
        what: "a branch that git has no name for",
        from: "base: main\n    allow: [main, \"release/*\"]",
        to: "base: release..1\n    allow: [\"**\"]",
        refused: Later,
        findings: &["9: spec.branches.base: branch \"release..1\" holds \"..\", which git does not allow in a branch"],
    },
    Edit {
        what: "a name in capitals",
        from: "name: weekly-deps",
        to: "name: Weekly_Deps",
        refused: Apply,
        findings: &[
            "4: metadata.name: \"Weekly_Deps\" must be at most 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
        ],
    },
    Edit {
        what: "no name",
        from: "  name: weekly-deps\n",
        to: "",
        refused: Apply,
        findings: &["3: metadata.name: is missing: add it"],
    },
    Edit {
        what: "a namespace with a dot",
        from: "namespace: payments",
        to: "namespace: pay.ments",
        refused: Apply,
        findings: &[
            "5: metadata.namespace: \"pay.ments\" must be at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
        ],
    },
    Edit {
        what: "a label's value that is a number",
        from: "  namespace: payments",
        to: "  namespace: payments\n  labels: {tier: 1}",
        refused: Apply,
        findings: &["6: metadata.labels.tier: must be text, not 1: put it in quotes"],
    },
    Edit {
        what: "a label's value with a space",
        from: "  namespace: payments",
        to: "  namespace: payments\n  labels: {example.com/team: the payers}",
        refused: Apply,
        findings: &[
            "6: metadata.labels[example.com/team]: \"the payers\" must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
        ],
    },
    Edit {
        what: "a label's key with a space",
        from: "  namespace: payments",
        to: "  namespace: payments\n  labels: {a b: c}",
        refused: Apply,
        findings: &[
            "6: metadata.labels[a b]: \"a b\" is no key: write a name such as team, or one with a prefix such as example.com/team",
        ],
    },
    Edit {
        what: "an annotation's key with a space",
        from: "  namespace: payments",
        to: "  namespace: payments\n  annotations: {the team: x}",
        refused: Apply,
        findings: &[
            "6: metadata.annotations[the team]: \"the team\" is no key: write a name such as team, or one with a prefix such as example.com/team",
        ],
    },
    Edit {
        what: "a key that is there twice",
        from: "    base: main",
        to: "    base: main\n    base: master",
        refused: Later,
        findings: &[
            "10: spec.branches.base: is there twice, and only the last one would count: remove the other",
            "11: spec.branches.allow: no pattern here allows the base branch master: add it, or name another base",
        ],
    },
    Edit {
        what: "a misspelt kind",
        from: "kind: AgentAutomation",
        to: "kind: AgentAutomaton",
        refused: Apply,
        findings: &[
            "2: kind: there is no kind AgentAutomaton: write AgentAutomation or AgentTask or AgentPolicy or WebhookSource",
        ],
    },
    Edit {
        what: "another version",
        from: "/v1alpha1",
        to: "/v1",
        refused: Apply,
        findings: &[
            "1: apiVersion: the kinds of this project are not in agentautomation.dev/v1: write agentautomation.dev/v1alpha1",
        ],
    },
    Edit {
        what: "a misspelt group",
        from: "agentautomation.dev",
        to: "agentautomations.dev",
        refused: Apply,
        findings: &[
            "1: apiVersion: the kinds of this project are not in agentautomations.dev/v1alpha1: write agentautomation.dev/v1alpha1",
        ],
    },
    Edit {
        what: "no version",
        from: "apiVersion: agentautomation.dev/v1alpha1\n",
        to: "",
        refused: Apply,
        findings: &["1: apiVersion: is missing: add it"],
    },
];

/// A file of its own.
pub struct File {
    pub what: &'static str,
    pub text: &'static str,
    /// Lines of findings, without the file.
    pub findings: &'static [&'static str],
    pub refused: Refusal,
}

pub const FILES: &[File] = &[
    File {
        what: "all that is wrong is told at once, a template too",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentAutomation\nmetadata: {name: a, namespace: team}\nspec:\n  repository: payments\n  suspend: 1\n  branches: {base: main, allow: [main]}\n  triggers: [{name: t, schedule: {cron: \"@daily\"}}]\n  prompt:\n    goal: \"Update {{ package }}.\"\n  credentials: {secretRef: {name: s}}\n",
        refused: Apply,
        findings: &[
            "5: AgentAutomation team/a: spec.repository: \"payments\" must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}$",
            "6: AgentAutomation team/a: spec.suspend: must be true or false, not 1",
            "10: AgentAutomation team/a: spec.prompt.goal: undefined value: `package` is undefined in line 1; the names it can use are automation, trigger, repository, scheduledTime, requester, inputs and subject, and for what happens at GitHub issue or pullRequest, comment and sender",
        ],
    },
    File {
        what: "a repository that can't be read, and a template",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentAutomation\nmetadata: {name: a, namespace: team}\nspec:\n  repository: payments\n  branches: {base: main, allow: [main]}\n  triggers: [{name: t, schedule: {cron: \"@daily\"}}]\n  prompt:\n    goal: \"Update {{ package }}.\"\n  credentials: {secretRef: {name: s}}\n",
        refused: Apply,
        findings: &[
            "5: AgentAutomation team/a: spec.repository: repository \"payments\" is not of the form owner/name: write it without host, scheme or further path",
            "9: AgentAutomation team/a: spec.prompt.goal: undefined value: `package` is undefined in line 1; the names it can use are automation, trigger, repository, scheduledTime, requester, inputs and subject, and for what happens at GitHub issue or pullRequest, comment and sender",
        ],
    },
    File {
        what: "a tab",
        text: "kind: AgentPolicy\nmetadata:\n\tname: x\n",
        refused: Apply,
        findings: &["3: tabs disallowed within this context (block indentation) at line 3, column 2"],
    },
    File {
        what: "no YAML",
        text: "kind: a: b\n",
        refused: Apply,
        findings: &["1: mapping values are not allowed in this context at line 1, column 8"],
    },
    File {
        what: "no object",
        text: "# a list\n- 1\n",
        refused: Apply,
        findings: &["2: is no object: a document needs apiVersion, kind and metadata"],
    },
    File {
        what: "the second document",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec: {}\n---\n# comment\napiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: b}\nspec:\n  maxActive: -1\n  repositories: [\"\"]\n  triggers: [Schedule, Webhook, Schedule]\n---\nkind: [\n",
        refused: Apply,
        findings: &[
            "11: AgentPolicy b: spec.maxActive: must be at least 0, not -1",
            "12: AgentPolicy b: spec.repositories[0]: must not be empty",
            "13: AgentPolicy b: spec.triggers[1]: must be Schedule or Issue or PullRequest or Manual, not \"Webhook\"",
            "13: AgentPolicy b: spec.triggers[2]: \"Schedule\" is there twice: each must be unique",
            "15: unclosed bracket '[' at line 15, column 7",
        ],
    },
    File {
        what: "a list",
        text: "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: agentautomation.dev/v1alpha1\n    kind: AgentPolicy\n    metadata: {name: a}\n    spec:\n      suspend: 1\n  - apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: c, namespace: payments}\n",
        refused: Apply,
        findings: &["8: AgentPolicy a: spec.suspend: must be true or false, not 1"],
    },
    File {
        what: "JSON",
        text: "{\n\t\"apiVersion\": \"agentautomation.dev/v1alpha1\",\n\t\"kind\": \"AgentPolicy\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\n\t\t\"suspended\": true\n\t}\n}\n",
        refused: Apply,
        findings: &[
            "6: AgentPolicy a: spec.suspended: there is no such field; here are baseBranches, budget, credentialUse, credentials, customAgents, freezeWindows, guardrails, headBranches, maxActive, maxActiveDeadlineSeconds, maxActivePerAutomation, maxActivePerRepository, maxOpenPullRequestsPerAutomation, maxOpenPullRequestsPerRepository, maxPriority, maxRetries, maxStartingDeadlineSeconds, maxStartsPerHour, maxWaitingDeadlineSeconds, models, namespaceSelector, namespaces, notifyHosts, repositories, requireApproval, requiredPromptSections, requiredReviewers, startPolicies, suspend, suspendMessage, timeZone, triggers",
        ],
    },
    File {
        what: "an anchor, and a number in the old octal notation",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  namespaces: &all [\"**\"]\n  repositories: *all\n  maxActive: 010\n  suspend: off\n",
        refused: Later,
        findings: &[],
    },
    File {
        what: "windows that open at no time, or that nobody can read, and a zone that is none",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  timeZone: Mars/Olympus\n  freezeWindows:\n    - {name: one, cron: not a cron, duration: 1h}\n    - name: two\n      cron: 99 * * * *\n      duration: 1h\n    - {name: three, cron: 0 0 31 2 *, duration: 1h}\n    - {name: four, cron: 0 6 * * MON, duration: 1h}\n",
        refused: Later,
        findings: &[
            "5: AgentPolicy a: spec.timeZone: \"Mars/Olympus\" is no time zone that is known: write an IANA name such as Europe/Berlin or Etc/UTC",
            "7: AgentPolicy a: spec.freezeWindows[0].cron: the schedule has 3 fields instead of five: write minute, hour, day of month, month and day of week",
            "9: AgentPolicy a: spec.freezeWindows[1].cron: the minute field \"99\" holds 99, which is out of range: write 0 to 59",
            "11: AgentPolicy a: spec.freezeWindows[2].cron: no date matches 0 0 31 2 *, so the window would never open: write a day that the month has",
        ],
    },
    File {
        what: "windows of no length, and of one that has no end",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  freezeWindows:\n    - {name: one, cron: \"@daily\", duration: 0h0s}\n    - {name: two, cron: \"@daily\", duration: 999999d}\n",
        refused: Apply,
        findings: &[
            "6: AgentPolicy a: spec.freezeWindows[0]: write a duration of more than nothing, as in 62h, and of no more than 999d or 9999h",
            "7: AgentPolicy a: spec.freezeWindows[1]: write a duration of more than nothing, as in 62h, and of no more than 999d or 9999h",
        ],
    },
    File {
        what: "a window's length that is none",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  freezeWindows: [{name: one, cron: \"@daily\", duration: 2 weeks}]\n",
        refused: Apply,
        findings: &[
            "5: AgentPolicy a: spec.freezeWindows[0].duration: \"2 weeks\" must be a span of time, as in 90s, 30m, 1h30m or 7d",
        ],
    },
    File {
        what: "a pattern that no repository matches",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  repositories: [\"**\", acme/*, acme]\n",
        refused: Apply,
        findings: &[
            "5: AgentPolicy a: spec.repositories: write each as owner/name, such as acme/*; * matches no slash, ** matches all",
        ],
    },
    File {
        what: "labels that no namespace has, and a policy in a namespace",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata:\n  name: a\n  namespace: payments\nspec:\n  namespaceSelector:\n    matchLabels: {a b: c}\n    matchExpressions:\n      - {key: team!, operator: Exists}\n",
        refused: Later,
        findings: &[
            "5: AgentPolicy payments/a: metadata.namespace: counts for nothing: a policy is the whole cluster's, and spec.namespaces says where it holds",
            "8: AgentPolicy payments/a: spec.namespaceSelector.matchLabels[a b]: \"a b\" is no key: write a name such as team, or one with a prefix such as example.com/team",
            "10: AgentPolicy payments/a: spec.namespaceSelector.matchExpressions[0].key: \"team!\" is no key: write a name such as team, or one with a prefix such as example.com/team",
        ],
    },
    File {
        what: "labels that can't be at once",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata:\n  name: a\nspec:\n  namespaceSelector:\n    matchLabels: {team: web}\n    matchExpressions:\n      - {key: team, operator: DoesNotExist}\n",
        refused: Later,
        findings: &[
            "6: AgentPolicy a: spec.namespaceSelector: what it asks of the label team can't all be true, so it selects no namespace",
        ],
    },
    File {
        what: "what kubectl takes for text, for true, and for a number",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  namespaces: [3e800818, yEs, off, 3e8]\n  suspend: yES\n",
        refused: Apply,
        findings: &[
            "5: AgentPolicy a: spec.namespaces[2]: must be text, not false: put it in quotes",
            "5: AgentPolicy a: spec.namespaces[3]: must be text, not 300000000: put it in quotes",
            "6: AgentPolicy a: spec.suspend: must be true or false, not text",
        ],
    },
    File {
        what: "a key that kubectl takes for true",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  on: 1\n",
        refused: Apply,
        findings: &[
            "5: AgentPolicy a: spec.true: there is no such field; here are baseBranches, budget, credentialUse, credentials, customAgents, freezeWindows, guardrails, headBranches, maxActive, maxActiveDeadlineSeconds, maxActivePerAutomation, maxActivePerRepository, maxOpenPullRequestsPerAutomation, maxOpenPullRequestsPerRepository, maxPriority, maxRetries, maxStartingDeadlineSeconds, maxStartsPerHour, maxWaitingDeadlineSeconds, models, namespaceSelector, namespaces, notifyHosts, repositories, requireApproval, requiredPromptSections, requiredReviewers, startPolicies, suspend, suspendMessage, timeZone, triggers",
        ],
    },
    File {
        what: "a number that JSON does not have",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentPolicy\nmetadata: {name: a}\nspec:\n  maxActive: .inf\n",
        refused: Apply,
        findings: &["5: is a number that JSON does not have: put it in quotes"],
    },
    File {
        what: "more aliases than a file can be made of",
        text: "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\ng: [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]\n",
        refused: Apply,
        findings: &["6: holds too much, or too many aliases, to be read: split it"],
    },
    File {
        what: "a task with a made name, and with a time that is none",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {generateName: by-hand-, namespace: payments}\nspec:\n  automation: {name: weekly-deps, uid: u, generation: 1}\n  trigger: {name: weekly, kind: Schedule, scheduledTime: tomorrow}\n  repository: acme/payments-api\n  baseBranch: main\n  prompt: Update.\n  templateDigest: d\n  secretRef: {name: github-agent-token}\n",
        refused: Apply,
        findings: &[
            "6: AgentTask payments/by-hand-: spec.trigger.scheduledTime: \"tomorrow\" must be a time such as 2026-03-30T06:00:00Z",
        ],
    },
    File {
        what: "a task made by hand",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {generateName: by-hand-, namespace: payments}\nspec:\n  automation: {name: update-package}\n  requester: alice\n  inputs: {package: serde}\n",
        refused: Later,
        findings: &[],
    },
    File {
        what: "a task made by hand that nobody asks for",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {generateName: by-hand-, namespace: payments}\nspec:\n  automation: {name: update-package}\n",
        refused: Later,
        findings: &[
            "4: AgentTask payments/by-hand-: spec.requester: say who asks for it: the controller denies it otherwise",
        ],
    },
    File {
        what: "a task made by hand that says what becomes of its pull request",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {generateName: by-hand-, namespace: payments}\nspec:\n  automation: {name: update-package}\n  requester: alice\n  pullRequest: {labels: [mine]}\n",
        refused: Apply,
        findings: &[
            "4: AgentTask payments/by-hand-: spec: of a task made by hand the automation says when it may start and with which credentials, its deadlines, retries, who is told, and what becomes of its pull request: leave out startBefore, startAfter, retry, activeDeadlineSeconds, waitingDeadlineSeconds, deduplicate, report, stalePullRequest, pushTo, follows, policies, promptSections, alternateSecretRefs, credentialUse, promptProblem, notify and pullRequest",
        ],
    },
    File {
        what: "a task made by hand that decides by itself",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {generateName: by-hand-, namespace: payments}\nspec:\n  automation: {name: update-package}\n  requester: alice\n  prompt: Do as I say.\n",
        refused: Apply,
        findings: &[
            "4: AgentTask payments/by-hand-: spec: a task made by hand names its automation, who asks and the inputs; the controller decides the rest: leave out trigger, repository, baseBranch, prompt, templateDigest and secretRef",
            "4: AgentTask payments/by-hand-: spec.baseBranch: the branch is empty: name one, such as main",
            "4: AgentTask payments/by-hand-: spec.repository: repository \"\" is not of the form owner/name: write it without host, scheme or further path",
        ],
    },
    File {
        what: "a task whose repository and branch are none",
        text: "apiVersion: agentautomation.dev/v1alpha1\nkind: AgentTask\nmetadata: {generateName: by-hand-, namespace: payments}\nspec:\n  automation: {name: weekly-deps, uid: u, generation: 1}\n  trigger: {name: weekly, kind: Schedule, scheduledTime: 2026-03-30T06:00:00Z}\n  repository: payments-api\n  baseBranch: refs/heads/main\n  prompt: Update.\n  templateDigest: d\n  secretRef: {name: github-agent-token}\n",
        refused: Later,
        findings: &[
            "7: AgentTask payments/by-hand-: spec.repository: repository \"payments-api\" is not of the form owner/name: write it without host, scheme or further path",
            "8: AgentTask payments/by-hand-: spec.baseBranch: branch \"refs/heads/main\" is a full reference: write it without refs/heads/",
        ],
    },
];

/// [`GOOD`] with an edit.
pub fn spoilt(edit: &Edit) -> String {
    assert_eq!(
        GOOD.matches(edit.from).count(),
        1,
        "{}: what is replaced must be there once",
        edit.what
    );
    GOOD.replace(edit.from, edit.to)
}
