//! Guardrails: what policies require of a repository and its base branch, and what GitHub says of it; and when GitHub is
//! asked.
//!
//! *Cannot tell* is an answer of its own. A start needs answers that are no older than the policies allow, and the branch
//! itself is looked at just before each start.

use jiff::{SignedDuration, Timestamp};

use crate::api::automation::{GuardrailState, GuardrailStatus};
use crate::api::policy::{Guardrails, WhenUnknown};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::repository::Repository;

use super::credential::{Usability, limited_until, usability};
use super::observed::{AgentFacts, BranchRules, GuardrailFacts, Told};
use super::policy::Policy;
use super::room::Binding;
use super::time::again;
use super::world::{BranchKey, CredentialKey, World};
use super::{Action, Planned, Settings, Subject};

/// Asks GitHub about the base branch of an automation when that is due; forgets what nothing names.
#[must_use]
pub fn plan(world: &World, key: &BranchKey, settings: &Settings, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    if world.busy.contains(&Subject::Branch(key.clone())) {
        return planned;
    }
    let known = world.branches.get(key);
    if !is_named(world, key) {
        let waits = world
            .waiting_with(&key.credential)
            .any(|(_, task)| of_task(task).as_ref() == Some(key));
        planned.actions.extend(known.filter(|_| !waits).map(|_| Action::Forget));
        return planned;
    }
    if required(world, &key.credential.namespace).next().is_none() {
        return planned;
    }
    let credential = world.credentials.get(&key.credential);
    let Usability::Usable(version) = usability(&key.credential, credential) else {
        return planned;
    };
    let facts = known.filter(|facts| facts.resource_version == version);
    let told = facts.and_then(|facts| facts.guardrails.as_ref());
    let asked = told.map(|told| told.checked_at).or(facts.map(|facts| facts.checked_at));
    let mut statuses = statuses(world, key).into_iter();
    let interval = if told.is_some() && statuses.all(|status| status.state == GuardrailState::Met) {
        max_age(world, key, settings)
    } else {
        settings.recheck_interval * 4
    };
    let due = again(asked, interval, now).max(limited_until(credential, now).unwrap_or(now));
    if due <= now {
        planned.actions.push(Action::Inspect { guardrails: true });
    } else {
        planned.wake_at(due);
    }
    planned
}

/// The branch that an automation's work starts from.
#[must_use]
pub fn of_automation(automation: &AgentAutomation) -> Option<BranchKey> {
    Some(BranchKey {
        credential: CredentialKey::of_automation(automation),
        repository: Repository::parse(&automation.spec.repository).ok()?,
        branch: automation.spec.branches.base.clone(),
    })
}

/// The branch that a task's work starts from.
#[must_use]
pub fn of_task(task: &AgentTask) -> Option<BranchKey> {
    Some(BranchKey {
        credential: CredentialKey::of_task(task),
        repository: Repository::parse(&task.spec.repository).ok()?,
        branch: task.spec.base_branch.clone(),
    })
}

/// Whether an automation's work starts from the branch. Then its guardrails are asked about at a pace.
#[must_use]
pub fn is_named(world: &World, key: &BranchKey) -> bool {
    let mut automations = world.automations_with(&key.credential);
    automations.any(|(_, automation)| of_automation(automation).as_ref() == Some(key))
}

/// Each guardrail that holds for a branch, and what GitHub says of it. Empty while GitHub has not been asked.
#[must_use]
pub fn statuses(world: &World, key: &BranchKey) -> Vec<GuardrailStatus> {
    let Some(facts) = world.branches.get(key).and_then(|facts| facts.guardrails.as_ref()) else {
        return world.told_guardrails.get(key).cloned().unwrap_or_default();
    };
    required(world, &key.credential.namespace)
        .flat_map(|(policy, required)| {
            judge(required, facts).into_iter().map(move |(name, finding)| {
                let (state, message) = match finding {
                    Finding::Met => (GuardrailState::Met, String::new()),
                    Finding::NotMet(message) => (GuardrailState::NotMet, message),
                    Finding::CannotTell(message) => (GuardrailState::CannotTell, message),
                };
                GuardrailStatus {
                    policy: policy.name().to_owned(),
                    name: name.to_owned(),
                    state,
                    message,
                }
            })
        })
        .collect()
}

/// Whether policies require guardrails of the branch, and nothing is known of them.
#[must_use]
pub fn is_unread(world: &World, key: &BranchKey) -> bool {
    let facts = world.branches.get(key);
    let is_known = facts.is_some_and(|facts| facts.guardrails.is_some() || facts.exists == Ok(false));
    let is_required = required(world, &key.credential.namespace).next().is_some();
    is_required && !is_known && !world.told_guardrails.contains_key(key)
}

/// Whether a policy requires guardrails of the branch.
#[must_use]
pub fn is_required(world: &World, key: &BranchKey, policy: &str) -> bool {
    required(world, &key.credential.namespace).any(|(required, _)| required.name() == policy)
}

/// The first guardrail that is in the way of everything that starts from a branch.
#[must_use]
pub fn in_the_way(world: &World, key: &BranchKey) -> Option<Binding> {
    statuses(world, key).into_iter().find_map(|status| {
        let policy = world
            .holding(&key.credential.namespace)
            .find(|policy| policy.name() == status.policy)?;
        let allows = policy.spec().guardrails.as_ref()?.when_unknown == WhenUnknown::Allow;
        let reason = match status.state {
            GuardrailState::Met => return None,
            GuardrailState::CannotTell if allows => return None,
            GuardrailState::CannotTell => Reason::GuardrailUnknown,
            GuardrailState::NotMet => Reason::GuardrailNotMet,
        };
        let rule = format!("guardrails.{}", status.name);
        let message = format!(
            "AgentPolicy {} requires spec.{rule}, and for {} of {} {}",
            status.policy,
            key.branch,
            key.repository.as_str(),
            status.message
        );
        Some(Binding::new(reason, message, Some(policy.bound(&rule))))
    })
}

/// What a start needs to know of its branch and does not, as things are.
#[must_use]
pub fn question(world: &World, key: &BranchKey, settings: &Settings, now: Timestamp) -> Option<Action> {
    let credential = world.credentials.get(&key.credential);
    let Usability::Usable(version) = usability(&key.credential, credential) else {
        return None;
    };
    let facts = world
        .branches
        .get(key)
        .filter(|facts| facts.resource_version == version);
    let is_required = required(world, &key.credential.namespace).next().is_some();
    let guardrails = facts
        .and_then(|facts| facts.guardrails.as_ref())
        .map(|facts| facts.checked_at);
    let outdated = is_required
        && !world.told_guardrails.contains_key(key)
        && again(guardrails, max_age(world, key, settings), now) <= now;
    let unseen = again(facts.map(|facts| facts.checked_at), settings.freshness, now) <= now;
    // Of a branch that is not there, nothing more is told.
    let may_tell = facts.is_some_and(|facts| facts.exists == Ok(true));
    (unseen || (outdated && may_tell)).then_some(Action::Inspect { guardrails: outdated })
}

fn required<'a>(world: &'a World, namespace: &str) -> impl Iterator<Item = (&'a Policy, &'a Guardrails)> + use<'a> {
    let policies = world.holding(namespace);
    policies.filter_map(|policy| Some((policy, policy.spec().guardrails.as_ref()?)))
}

/// Answers that had to be younger than the look at the branch would be outdated as soon as they come, and asked for without
/// end.
fn max_age(world: &World, key: &BranchKey, settings: &Settings) -> SignedDuration {
    let ages = required(world, &key.credential.namespace).map(|(_, guardrails)| guardrails.max_age.duration());
    ages.min().unwrap_or(SignedDuration::MAX).max(settings.freshness)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    Met,
    NotMet(String),
    CannotTell(String),
}

/// Reads one of the agent's switches.
type Switch = fn(&AgentFacts) -> Option<bool>;

fn judge(required: &Guardrails, facts: &GuardrailFacts) -> Vec<(&'static str, Finding)> {
    let mut found = Vec::new();
    if let Some(approvals) = required.approvals {
        found.push(("approvals", of_rules(facts, |rules| approved(rules, approvals))));
    }
    if required.code_owners {
        found.push(("codeOwners", code_owners(facts)));
    }
    if !required.status_checks.is_empty() {
        found.push((
            "statusChecks",
            of_rules(facts, |rules| checked(rules, &required.status_checks)),
        ));
    }
    if required.code_scanning {
        let missing = "no rule requires code scanning: add one";
        found.push((
            "codeScanning",
            of_rules(facts, |rules| met_if(rules.code_scanning, missing)),
        ));
    }
    let switches: [(&str, bool, Switch, &str); 4] = [
        (
            "firewall",
            required.firewall,
            |agent| agent.firewall,
            "the agent's firewall is off: switch it on",
        ),
        (
            "secretScanning",
            required.secret_scanning,
            |agent| agent.secret_scanning,
            "the agent's changes are not scanned for secrets: enable it in its settings",
        ),
        (
            "codeql",
            required.codeql,
            |agent| agent.codeql,
            "the agent's changes are not analysed with CodeQL: enable it in its settings",
        ),
        (
            "workflowApproval",
            required.workflow_approval,
            |agent| agent.workflow_approval,
            "workflows run on the agent's pull requests without approval: require it in its settings",
        ),
    ];
    let switches = switches.into_iter().filter(|(_, wanted, ..)| *wanted);
    found.extend(switches.map(|(name, _, read, missing)| (name, of_agent(facts, read, missing))));
    found
}

fn met_if(met: bool, missing: &str) -> Finding {
    if met {
        Finding::Met
    } else {
        Finding::NotMet(missing.to_owned())
    }
}

fn tell<T>(told: &Told<T>, judge: impl FnOnce(&T) -> Finding) -> Finding {
    match told {
        Ok(facts) => judge(facts),
        Err(why) => Finding::CannotTell(format!("GitHub does not say: {why}")),
    }
}

fn of_rules(facts: &GuardrailFacts, judge: impl FnOnce(&BranchRules) -> Finding) -> Finding {
    tell(&facts.rules, judge)
}

fn of_agent(facts: &GuardrailFacts, read: Switch, missing: &str) -> Finding {
    tell(&facts.agent, |agent| match read(agent) {
        Some(is_on) => met_if(is_on, missing),
        None => Finding::CannotTell("GitHub's answer does not say".to_owned()),
    })
}

/// Classic protection may require what the rules do not; GitHub shows that to administrators only.
fn unless_classic(rules: &BranchRules, finding: Finding) -> Finding {
    match finding {
        Finding::NotMet(missing) if rules.is_classic => Finding::CannotTell(format!(
            "{missing}; it has classic protection, whose reviews GitHub does not show: move it to a ruleset"
        )),
        finding => finding,
    }
}

fn approved(rules: &BranchRules, wanted: i32) -> Finding {
    let finding = match rules.approvals {
        Some(approvals) if approvals >= wanted => Finding::Met,
        Some(approvals) => Finding::NotMet(format!("its rules require {}: require {wanted}", number_of(approvals))),
        None => Finding::NotMet(format!(
            "no rule requires a pull request: add one that requires {}",
            number_of(wanted)
        )),
    };
    unless_classic(rules, finding)
}

fn number_of(approvals: i32) -> String {
    let ending = if approvals == 1 { "" } else { "s" };
    format!("{approvals} approval{ending}")
}

fn checked(rules: &BranchRules, wanted: &[String]) -> Finding {
    let missing: Vec<_> = wanted
        .iter()
        .filter(|check| !rules.status_checks.contains(check))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Finding::Met;
    }
    Finding::NotMet(format!(
        "no rule requires the status check {}: add it",
        missing.join(", ")
    ))
}

fn code_owners(facts: &GuardrailFacts) -> Finding {
    let reviewed = of_rules(facts, |rules| {
        let missing = "no rule requires a review of code owners: add one";
        unless_classic(rules, met_if(rules.code_owner_review, missing))
    });
    if reviewed != Finding::Met {
        return reviewed;
    }
    tell(&facts.code_owners, |errors| match errors {
        None => Finding::NotMet("there is no CODEOWNERS file: add one".to_owned()),
        Some(0) => Finding::Met,
        Some(count) => Finding::NotMet(format!("CODEOWNERS has {count} errors: correct them")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is required, what is different, and what is found.
    type Row = (&'static str, fn(&mut GuardrailFacts), &'static str);

    fn say(required: &str, facts: &GuardrailFacts) -> String {
        let required: Guardrails = serde_saphyr::from_str(required).unwrap();
        let found = judge(&required, facts)
            .into_iter()
            .map(|(name, finding)| match finding {
                Finding::Met => format!("{name}: met"),
                Finding::NotMet(message) => format!("{name}: NOT MET, {message}"),
                Finding::CannotTell(message) => format!("{name}: CANNOT TELL, {message}"),
            });
        found.collect::<Vec<_>>().join("; ")
    }

    fn facts(change: impl FnOnce(&mut GuardrailFacts)) -> GuardrailFacts {
        let mut facts = GuardrailFacts {
            checked_at: Timestamp::UNIX_EPOCH,
            rules: Ok(BranchRules {
                approvals: Some(1),
                code_owner_review: true,
                status_checks: vec!["test".to_owned(), "lint".to_owned()],
                code_scanning: true,
                is_classic: false,
            }),
            code_owners: Ok(Some(0)),
            agent: Ok(AgentFacts {
                firewall: Some(true),
                secret_scanning: Some(true),
                codeql: Some(true),
                workflow_approval: Some(true),
            }),
        };
        change(&mut facts);
        facts
    }

    #[test]
    fn what_is_required_and_what_github_says() {
        let nothing = |f: &mut GuardrailFacts| f.rules = Ok(BranchRules::default());
        let forbidden = |f: &mut GuardrailFacts| {
            f.rules = Err("the token needs the permission Metadata: read".to_owned());
        };
        let table: Vec<Row> = vec![
            ("{}", nothing, ""),
            ("{approvals: 1}", |_| (), "approvals: met"),
            (
                "{approvals: 2}",
                |_| (),
                "approvals: NOT MET, its rules require 1 approval: require 2",
            ),
            (
                "{approvals: 1}",
                nothing,
                "approvals: NOT MET, no rule requires a pull request: add one that requires 1 approval",
            ),
            (
                "{approvals: 1}",
                forbidden,
                "approvals: CANNOT TELL, GitHub does not say: the token needs the permission Metadata: read",
            ),
            (
                "{approvals: 1, codeOwners: true}",
                |f| {
                    f.rules = Ok(BranchRules {
                        is_classic: true,
                        ..BranchRules::default()
                    });
                },
                "approvals: CANNOT TELL, no rule requires a pull request: add one that requires 1 approval; it has classic \
                 protection, whose reviews GitHub does not show: move it to a ruleset; codeOwners: CANNOT TELL, no rule \
                 requires a review of code owners: add one; it has classic protection, whose reviews GitHub does not show: \
                 move it to a ruleset",
            ),
            ("{codeOwners: true}", |_| (), "codeOwners: met"),
            (
                "{codeOwners: true}",
                |f| f.code_owners = Ok(None),
                "codeOwners: NOT MET, there is no CODEOWNERS file: add one",
            ),
            (
                "{codeOwners: true}",
                |f| f.code_owners = Ok(Some(3)),
                "codeOwners: NOT MET, CODEOWNERS has 3 errors: correct them",
            ),
            (
                "{codeOwners: true}",
                nothing,
                "codeOwners: NOT MET, no rule requires a review of code owners: add one",
            ),
            ("{statusChecks: [test]}", |_| (), "statusChecks: met"),
            (
                "{statusChecks: [test, build]}",
                |_| (),
                "statusChecks: NOT MET, no rule requires the status check build: add it",
            ),
            (
                "{codeScanning: true}",
                nothing,
                "codeScanning: NOT MET, no rule requires code scanning: add one",
            ),
            (
                "{firewall: true, codeql: true}",
                |f| f.agent.as_mut().unwrap().firewall = Some(false),
                "firewall: NOT MET, the agent's firewall is off: switch it on; codeql: met",
            ),
            (
                "{workflowApproval: true, secretScanning: true}",
                |f| f.agent.as_mut().unwrap().workflow_approval = None,
                "secretScanning: met; workflowApproval: CANNOT TELL, GitHub's answer does not say",
            ),
        ];
        for (required, change, expected) in table {
            assert_eq!(say(required, &facts(change)), expected);
        }
    }
}
