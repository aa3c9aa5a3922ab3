//! What policies say to a request.

use crate::api::automation::StartPolicy;
use crate::api::policy::{LabelOperator, LabelRequirement, NamespaceSelector, PolicySpec, PromptSection, TriggerKind};
use crate::api::{AgentAutomation, AgentPolicy};
use crate::plan::World;
use crate::plan::policy::*;

/// Policies, what is different in the request, and what is said.
type Row = (Vec<AgentPolicy>, fn(&mut Request), &'static str);

fn policy(name: &str, change: impl FnOnce(&mut PolicySpec)) -> AgentPolicy {
    let mut spec: PolicySpec = serde_saphyr::from_str(
        "{namespaces: [payments, 'team-*'], repositories: ['acme/*'], baseBranches: [main, 'release/*'],
          triggers: [Schedule], models: ['*'], customAgents: ['*'], credentials: [github-agent-token],
          startPolicies: [AtMostOnce]}",
    )
    .unwrap();
    change(&mut spec);
    AgentPolicy::new(name, spec)
}

fn say(policies: &[AgentPolicy], change: impl FnOnce(&mut Request)) -> String {
    let mut request = Request {
        namespace: "payments".to_owned(),
        repository: "acme/payments-api",
        target: Target::NewBranch,
        base_branch: "main",
        trigger: TriggerKind::Schedule,
        model: "",
        custom_agent: "",
        secrets: vec!["github-agent-token"],
        credential_use: None,
        start_policy: StartPolicy::AtMostOnce,
        sections: vec![PromptSection::Validation],
        opens_pull_request: true,
    };
    change(&mut request);
    let mut world = World::default();
    for policy in policies {
        world.put_policy(policy.clone());
    }
    let labels = [("agents".to_owned(), "yes".to_owned())].into();
    world.put_namespace("payments", labels);
    match rule(&world, &request) {
        Ruling::Allowed => {
            let names: Vec<_> = world.holding("payments").map(Policy::name).collect();
            format!("allowed by {}", names.join(", "))
        }
        Ruling::Held(refusal) | Ruling::Denied(refusal) => {
            let rule = refusal
                .bound
                .map_or_else(String::new, |bound| format!(" [{}]", bound.rule));
            format!("{}{rule}", refusal.why.message)
        }
    }
}

#[test]
fn policies_and_what_they_say() {
    let one = |change: fn(&mut PolicySpec)| vec![policy("a", change)];
    let two = |a: fn(&mut PolicySpec), b: fn(&mut PolicySpec)| vec![policy("a", a), policy("b", b)];
    let plain: fn(&mut Request) = |_| ();
    let selector = |key: &str, operator, values: &[&str]| NamespaceSelector {
        match_expressions: vec![LabelRequirement {
            key: key.to_owned(),
            operator,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }],
        ..NamespaceSelector::default()
    };
    let by_label = |selector: NamespaceSelector| {
        vec![policy("a", |p| {
            p.namespaces.clear();
            p.namespace_selector = Some(selector);
        })]
    };
    let nobody = "no AgentPolicy holds for this namespace: spec.namespaces or spec.namespaceSelector of a must name \
                  payments";
    let table: Vec<Row> = vec![
        (
            vec![],
            plain,
            "there is no AgentPolicy, and without one nothing starts: create one whose spec.namespaces names payments",
        ),
        (one(|_| ()), plain, "allowed by a"),
        (two(|_| (), |_| ()), plain, "allowed by a, b"),
        (
            two(|p| p.namespaces = vec!["team-*".to_owned()], |p| p.namespaces.clear()),
            plain,
            "no AgentPolicy holds for this namespace: spec.namespaces or spec.namespaceSelector of a or b must name \
             payments",
        ),
        (
            ["a", "b", "c", "d", "e"]
                .map(|name| policy(name, |p| p.namespaces.clear()))
                .into(),
            plain,
            "no AgentPolicy holds for this namespace: spec.namespaces or spec.namespaceSelector of a or b or c or one \
             of 2 more must name payments",
        ),
        (
            by_label(selector("agents", LabelOperator::In, &["yes"])),
            plain,
            "allowed by a",
        ),
        (by_label(selector("agents", LabelOperator::In, &["no"])), plain, nobody),
        (
            by_label(selector("agents", LabelOperator::NotIn, &["no"])),
            plain,
            "allowed by a",
        ),
        (
            by_label(selector("agents", LabelOperator::Exists, &[])),
            plain,
            "allowed by a",
        ),
        (
            by_label(selector("agents", LabelOperator::DoesNotExist, &[])),
            plain,
            nobody,
        ),
        (
            two(|_| (), |p| p.repositories = vec!["acme/web".to_owned()]),
            plain,
            "AgentPolicy b does not allow it: spec.repositories must name acme/payments-api (it has acme/web) \
             [spec.repositories]",
        ),
        (
            one(|p| p.repositories = vec!["ACME/Payments-API".to_owned()]),
            plain,
            "allowed by a",
        ),
        (
            one(|p| p.base_branches.clear()),
            plain,
            "AgentPolicy a does not allow it: spec.baseBranches must name main (it is empty and so allows nothing) \
             [spec.baseBranches]",
        ),
        (
            one(|p| p.models = vec!["gpt-*".to_owned()]),
            plain,
            "AgentPolicy a does not allow it: spec.models must name * for GitHub's choice (it has gpt-*) \
             [spec.models]",
        ),
        (
            one(|p| p.models = vec!["gpt-*".to_owned()]),
            |r| r.model = "gpt-6",
            "allowed by a",
        ),
        (
            one(|p| p.custom_agents.clear()),
            |r| r.custom_agent = "migrator",
            "AgentPolicy a does not allow it: spec.customAgents must name migrator (it is empty and so allows \
             nothing) [spec.customAgents]",
        ),
        (
            one(|_| ()),
            |r| r.secrets = vec!["admin-token"],
            "AgentPolicy a does not allow it: spec.credentials must name admin-token (it has github-agent-token) \
             [spec.credentials]",
        ),
        (
            one(|_| ()),
            |r| r.secrets = vec!["admin-token", "github-agent-token", "other-token"],
            "AgentPolicy a does not allow it: spec.credentials must name admin-token and other-token (it has \
             github-agent-token) [spec.credentials]",
        ),
        (
            one(|_| ()),
            |r| r.start_policy = StartPolicy::AtLeastOnce,
            "AgentPolicy a does not allow it: spec.startPolicies must name AtLeastOnce (it has AtMostOnce) \
             [spec.startPolicies]",
        ),
        (
            one(|p| p.triggers.clear()),
            plain,
            "AgentPolicy a does not allow it: spec.triggers must name Schedule (it is empty and so allows nothing) \
             [spec.triggers]",
        ),
        (
            one(|p| p.required_prompt_sections = vec![PromptSection::Validation, PromptSection::NonGoals]),
            plain,
            "AgentPolicy a requires a section of the prompt: fill in spec.prompt.nonGoals \
             [spec.requiredPromptSections]",
        ),
        (
            one(|p| p.required_reviewers.teams = vec!["platform".to_owned()]),
            |r| r.opens_pull_request = false,
            "AgentPolicy a requires reviewers, and there is nothing to review: set spec.pullRequest.create to \
             true [spec.requiredReviewers]",
        ),
        (
            one(|p| p.suspend = true),
            plain,
            "AgentPolicy a is suspended: nothing starts until its spec.suspend is false [spec.suspend]",
        ),
        (
            one(|p| {
                p.suspend = true;
                p.suspend_message = Some("incident 42".to_owned());
            }),
            plain,
            "AgentPolicy a is suspended (incident 42): nothing starts until its spec.suspend is false [spec.suspend]",
        ),
        (
            one(|p| p.time_zone = "Mars/Olympus".to_owned()),
            plain,
            "AgentPolicy a, spec.timeZone: \"Mars/Olympus\" is no time zone that is known: write an IANA name such as Europe/Berlin or Etc/UTC: nothing starts \
             until it is corrected",
        ),
        (
            two(|p| p.suspend = true, |p| p.triggers.clear()),
            plain,
            "AgentPolicy b does not allow it: spec.triggers must name Schedule (it is empty and so allows nothing) \
             [spec.triggers]",
        ),
        (
            one(|p| {
                p.base_branches.clear();
                p.models = vec!["gpt-*".to_owned()];
                p.required_prompt_sections = vec![PromptSection::NonGoals, PromptSection::PullRequest];
            }),
            plain,
            "AgentPolicy a does not allow it: spec.baseBranches must name main (it is empty and so allows nothing); \
             spec.models must name * for GitHub's choice (it has gpt-*); AgentPolicy a requires sections of the prompt: \
             fill in spec.prompt.nonGoals, spec.prompt.pullRequest [spec.baseBranches]",
        ),
        (
            two(|p| p.models.clear(), |p| p.triggers.clear()),
            plain,
            "AgentPolicy a does not allow it: spec.models must name * for GitHub's choice (it is empty and so allows \
             nothing); AgentPolicy b does not allow it: spec.triggers must name Schedule (it is empty and so allows \
             nothing) [spec.models]",
        ),
        (
            ["a", "b", "c", "d"]
                .map(|name| policy(name, |p| p.repositories = vec!["acme/web".to_owned()]))
                .into(),
            plain,
            "AgentPolicy a does not allow it: spec.repositories must name acme/payments-api (it has acme/web); \
             AgentPolicy b does not allow it: spec.repositories must name acme/payments-api (it has acme/web); \
             AgentPolicy c does not allow it: spec.repositories must name acme/payments-api (it has acme/web); more \
             policies do not allow it [spec.repositories]",
        ),
    ];
    for (policies, change, expected) in table {
        assert_eq!(say(&policies, change), expected);
    }
}

#[test]
fn an_automation_is_refused_where_none_of_its_triggers_is_allowed() {
    let fix = "{name: fix, pullRequest: {commands: [/fix], pushTo: PullRequest}}";
    let mend = "{name: mend, pullRequest: {commands: [/mend], pushTo: PullRequest}}";
    let look = "{name: look, pullRequest: {commands: [/look]}}";
    let pushes = "AgentPolicy a does not allow it: spec.headBranches must name branches of pull requests that it pushes \
                  to (it is empty and so allows nothing)";
    let unreviewed =
        "AgentPolicy a requires reviewers, and there is nothing to review: set spec.pullRequest.create to true";
    let reviewers = "requiredReviewers: {teams: [platform]}";
    let table = [
        ("", "", fix.to_owned(), vec![("fix", pushes)], true),
        (
            "headBranches: ['*']",
            "",
            fix.to_owned(),
            vec![("fix", "allowed")],
            false,
        ),
        (
            "",
            "",
            format!("{look}, {fix}, {mend}"),
            vec![("look", "allowed"), ("fix, mend", pushes)],
            false,
        ),
        (
            reviewers,
            "create: false",
            look.to_owned(),
            vec![("look", unreviewed)],
            true,
        ),
        (
            "headBranches: ['*'], requiredReviewers: {teams: [platform]}",
            "create: false",
            fix.to_owned(),
            vec![("fix", "allowed")],
            false,
        ),
        (
            "headBranches: ['*'], requiredReviewers: {teams: [platform]}",
            "create: false",
            format!("{look}, {fix}"),
            vec![("look", unreviewed), ("fix", "allowed")],
            false,
        ),
    ];
    for (rules, pull, triggers, expected, is_refused) in table {
        let (world, automation) = pulling(rules, pull, &triggers);
        let said = rule_automation(&world, &automation).into_iter();
        let said: Vec<_> = said
            .map(|(triggers, ruling)| {
                let message = ruling.refusal().map(|refusal| refusal.why.message);
                (triggers.join(", "), message.unwrap_or("allowed".to_owned()))
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(triggers, said)| ((*triggers).to_owned(), (*said).to_owned()))
            .collect();
        assert_eq!(said, expected, "{rules} {triggers}");
        assert_eq!(refused(&world, &automation).is_some(), is_refused, "{rules} {triggers}");
    }
}

#[test]
fn where_all_its_triggers_are_refused_for_different_reasons_each_is_told() {
    let look = "{name: look, pullRequest: {commands: [/look]}}";
    let fix = "{name: fix, pullRequest: {commands: [/fix], pushTo: PullRequest}}";
    let reviewers = "requiredReviewers: {teams: [platform]}";
    let (world, automation) = pulling(reviewers, "create: false", &format!("{look}, {fix}"));
    let refusal = refused(&world, &automation).unwrap();
    let expected = "trigger look: AgentPolicy a requires reviewers, and there is nothing to review: set \
                    spec.pullRequest.create to true; trigger fix: AgentPolicy a does not allow it: spec.headBranches must \
                    name branches of pull requests that it pushes to (it is empty and so allows nothing)";
    assert_eq!(refusal.why.message, expected);
}

#[test]
fn what_policies_have_against_it_has_a_length_that_a_status_can_hold() {
    let long = |name: &str| {
        policy(name, |p| {
            let pattern = format!("acme/{}", "x".repeat(240));
            let patterns = vec![pattern; 3];
            (p.repositories, p.base_branches, p.models) = (patterns.clone(), patterns.clone(), patterns);
        })
    };
    let said = say(&[long("a"), long("b"), long("c")], |_| ());
    let (message, _) = said.rsplit_once(" [").unwrap();
    assert_eq!((message.chars().count(), message.ends_with('…')), (2_001, true));
}

/// A policy and an automation for pull requests, with some lines of each.
fn pulling(rules: &str, pull: &str, triggers: &str) -> (World, AgentAutomation) {
    let policy: AgentPolicy = serde_saphyr::from_str(&format!(
        "{{metadata: {{name: a}}, spec: {{namespaces: [payments], repositories: ['acme/*'], baseBranches: ['*'],
           triggers: [PullRequest], models: ['*'], customAgents: ['*'], credentials: ['*'],
           startPolicies: [AtMostOnce], {rules}}}}}"
    ))
    .unwrap();
    let automation: AgentAutomation = serde_saphyr::from_str(&format!(
        "{{metadata: {{name: one, namespace: payments}}, spec: {{repository: acme/api,
           branches: {{base: main, allow: [main]}}, triggers: [{triggers}], prompt: {{goal: Go.}},
           pullRequest: {{{pull}}}, credentials: {{secretRef: {{name: token}}}}}}}}"
    ))
    .unwrap();
    let mut world = World::default();
    world.put_policy(policy);
    (world, automation)
}

#[test]
fn a_selector_that_asks_for_what_can_not_be_selects_nothing() {
    let table = [
        ("{}", None),
        ("{matchLabels: {team: web}}", None),
        ("{matchExpressions: [{key: team, operator: DoesNotExist}]}", None),
        (
            "{matchExpressions: [{key: team, operator: Exists}, {key: team, operator: NotIn, values: ['*', x]}]}",
            None,
        ),
        (
            "{matchExpressions: [{key: team, operator: Exists}, {key: team, operator: NotIn, values: [web]}]}",
            None,
        ),
        (
            "{matchExpressions: [{key: team, operator: In, values: [web, api]}, {key: team, operator: NotIn, values: [web]}]}",
            None,
        ),
        (
            "{matchLabels: {stage: live}, matchExpressions: [{key: team, operator: DoesNotExist}]}",
            None,
        ),
        (
            "{matchLabels: {team: web}, matchExpressions: [{key: team, operator: DoesNotExist}]}",
            Some("team"),
        ),
        (
            "{matchLabels: {team: web}, matchExpressions: [{key: team, operator: In, values: [api]}]}",
            Some("team"),
        ),
        (
            "{matchExpressions: [{key: team, operator: Exists}, {key: team, operator: DoesNotExist}]}",
            Some("team"),
        ),
        (
            "{matchLabels: {stage: live}, matchExpressions: [{key: team, operator: In, values: [web]}, \
             {key: team, operator: NotIn, values: [web]}]}",
            Some("team"),
        ),
    ];
    for (text, expected) in table {
        let selector: NamespaceSelector = serde_saphyr::from_str(text).unwrap();
        assert_eq!(contradictory_key(&selector).map(String::as_str), expected, "{text}");
    }
}
