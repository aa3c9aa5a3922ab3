//! Guardrails: what policies require of a repository and its base branch, and what GitHub says of it; and when GitHub is
//! asked.
//!
//! *Cannot tell* is an answer of its own. A start needs answers that are no older than the policies allow, and the branch
//! itself is looked at just before each start.

use jiff::{SignedDuration, Timestamp};

use crate::api::automation::{GuardrailState, GuardrailStatus};
use crate::api::policy::{Guardrails, WhenUnknown};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::counted::counted;
use crate::domain::repository::Repository;

use super::credential::{Usability, choice, limited_until, usability};
use super::observed::{AgentFacts, BranchRules, GuardrailFacts, Told, Unanswered, Untold};
use super::policy::Policy;
use super::room::Binding;
use super::time::{again, backoff};
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
            .any(|(_, task)| of_task(world, task).as_ref() == Some(key));
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
    let slowly = settings.recheck_interval * 4;
    let is_met = || {
        let mut statuses = statuses(world, key).into_iter();
        statuses.all(|status| status.state == GuardrailState::Met)
    };
    let (asked, interval) = match facts.map(|facts| (facts, &facts.exists, &facts.guardrails)) {
        // The last look, if there was one, asked for the branch alone.
        None | Some((_, Ok(true), None)) => (None, slowly),
        Some((_, Ok(true), Some(told))) => match told.unanswered {
            Some(unanswered) => (Some(unanswered.at), backoff(unanswered.times)),
            None if is_met() => (Some(told.checked_at), max_age(world, key, settings)),
            None => (Some(told.checked_at), slowly),
        },
        Some((facts, Ok(false) | Err(_), _)) => (Some(facts.checked_at), slowly),
    };
    let due = again(asked, interval, now).max(limited_until(credential, now).unwrap_or(now));
    if due <= now {
        planned.actions.push(Action::Inspect { guardrails: true });
    } else {
        planned.wake_at(due);
    }
    planned
}

/// The branch that an automation's work starts from, with the credential that reads.
#[must_use]
pub fn of_automation(world: &World, automation: &AgentAutomation) -> Option<BranchKey> {
    branch_of(automation, choice::reader(world, automation))
}

/// The same with each credential that the automation names.
#[must_use]
pub fn all_of_automation(automation: &AgentAutomation) -> Vec<BranchKey> {
    let credentials = CredentialKey::all_of(automation);
    credentials
        .filter_map(|credential| branch_of(automation, credential))
        .collect()
}

/// The branch that a task's work starts from, with the credential that reads.
#[must_use]
pub fn of_task(world: &World, task: &AgentTask) -> Option<BranchKey> {
    branch_of_task(task, choice::reader_of(world, task))
}

/// The same with each credential that the task names.
#[must_use]
pub fn all_of_task(task: &AgentTask) -> Vec<BranchKey> {
    let credentials = CredentialKey::named_by(task);
    credentials
        .filter_map(|credential| branch_of_task(task, credential))
        .collect()
}

fn branch_of(automation: &AgentAutomation, credential: CredentialKey) -> Option<BranchKey> {
    Some(BranchKey {
        credential,
        repository: Repository::parse(&automation.spec.repository).ok()?,
        branch: automation.spec.branches.base.clone(),
    })
}

fn branch_of_task(task: &AgentTask, credential: CredentialKey) -> Option<BranchKey> {
    Some(BranchKey {
        credential,
        repository: Repository::parse(&task.spec.repository).ok()?,
        branch: task.spec.base_branch.clone(),
    })
}

/// Whether an automation's work starts from the branch. Then its guardrails are asked about at a pace.
#[must_use]
pub fn is_named(world: &World, key: &BranchKey) -> bool {
    let mut automations = world.automations_with(&key.credential);
    automations.any(|(_, automation)| of_automation(world, automation).as_ref() == Some(key))
}

/// Each guardrail that holds for a branch, and what GitHub says of it; what it would say is left out while it has not been
/// asked.
#[must_use]
pub fn statuses(world: &World, key: &BranchKey) -> Vec<GuardrailStatus> {
    let facts = world.branches.get(key).and_then(|facts| facts.guardrails.as_ref());
    let told = world.told_guardrails.get(key).filter(|told| !told.is_empty());
    if let Some(told) = told.filter(|_| facts.is_none()) {
        return told.clone();
    }
    required(world, &key.credential.namespace)
        .flat_map(|(policy, required)| {
            let judged = facts.into_iter().flat_map(|facts| judge(required, facts));
            let found = released(policy, required, &key.branch).into_iter().chain(judged);
            found.map(move |(name, finding)| {
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

/// Whether GitHub owes an answer: it is asked again by itself, soon.
#[must_use]
pub fn is_asked_again(world: &World, key: &BranchKey) -> bool {
    let told = world.branches.get(key).and_then(|facts| facts.guardrails.as_ref());
    told.is_some_and(|told| told.unanswered.is_some())
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
    let told = facts.and_then(|facts| facts.guardrails.as_ref());
    let old = again(told.map(|told| told.checked_at), max_age(world, key, settings), now) <= now;
    let open = told.and_then(|told| told.unanswered);
    let open = open.is_some_and(|open| again(Some(open.at), backoff(open.times), now) <= now);
    let is_told = world.told_guardrails.get(key).is_some_and(|told| !told.is_empty());
    let outdated = is_required && !is_told && (old || open);
    let unseen = again(facts.map(|facts| facts.checked_at), settings.freshness, now) <= now;
    // Of a branch that is not there, nothing more is told.
    let may_tell = facts.is_some_and(|facts| facts.exists == Ok(true));
    (unseen || (outdated && may_tell)).then_some(Action::Inspect { guardrails: outdated })
}

/// What a look brought. What GitHub could not say is as it was said before, as long as a start may go by that.
#[must_use]
pub fn renewed(world: &World, key: &BranchKey, seen: GuardrailFacts, known: Option<&GuardrailFacts>) -> GuardrailFacts {
    let mut all = required(world, &key.credential.namespace);
    if !all.any(|(_, required)| leaves_open(required, &seen)) {
        return seen;
    }
    let now = seen.checked_at;
    let before = known.and_then(|known| known.unanswered).map_or(0, |open| open.times);
    let unanswered = Some(Unanswered {
        times: before.saturating_add(1),
        at: now,
    });
    let is_young = |known: &&GuardrailFacts| again(Some(known.checked_at), least_age(world, key), now) > now;
    match known.filter(is_young) {
        Some(known) => GuardrailFacts {
            checked_at: known.checked_at,
            rules: kept(seen.rules, &known.rules),
            code_owners: kept(seen.code_owners, &known.code_owners),
            agent: kept(seen.agent, &known.agent),
            unanswered,
        },
        None => GuardrailFacts { unanswered, ..seen },
    }
}

/// Whether GitHub could not say something that is required.
fn leaves_open(required: &Guardrails, seen: &GuardrailFacts) -> bool {
    let Guardrails {
        approvals,
        code_owners,
        status_checks,
        code_scanning,
        firewall,
        secret_scanning,
        codeql,
        workflow_approval,
        release_branches: _,
        when_unknown: _,
        max_age: _,
    } = required;
    let rules = approvals.is_some() || *code_owners || !status_checks.is_empty() || *code_scanning;
    let agent = *firewall || *secret_scanning || *codeql || *workflow_approval;
    (rules && is_open(&seen.rules)) || (*code_owners && is_open(&seen.code_owners)) || (agent && is_open(&seen.agent))
}

fn is_open<T>(told: &Told<T>) -> bool {
    matches!(told, Err(Untold::Unanswered(_)))
}

fn kept<T: Clone>(seen: Told<T>, known: &Told<T>) -> Told<T> {
    match (seen, known) {
        (Err(Untold::Unanswered(_)), Ok(_) | Err(Untold::Refused(_))) => known.clone(),
        (seen, _) => seen,
    }
}

fn required<'a>(world: &'a World, namespace: &str) -> impl Iterator<Item = (&'a Policy, &'a Guardrails)> + use<'a> {
    let policies = world.holding(namespace);
    policies.filter_map(|policy| Some((policy, policy.spec().guardrails.as_ref()?)))
}

/// Answers that had to be younger than the look at the branch would be outdated as soon as they come, and asked for without
/// end.
fn max_age(world: &World, key: &BranchKey, settings: &Settings) -> SignedDuration {
    least_age(world, key).max(settings.freshness)
}

fn least_age(world: &World, key: &BranchKey) -> SignedDuration {
    let ages = required(world, &key.credential.namespace).map(|(_, guardrails)| guardrails.max_age.duration());
    ages.min().unwrap_or(SignedDuration::MAX)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    Met,
    NotMet(String),
    CannotTell(String),
}

/// Which branches are for releases the policy itself says, and GitHub need not be asked.
fn released(policy: &Policy, required: &Guardrails, branch: &str) -> Option<(&'static str, Finding)> {
    let missing = "spec.baseBranches does not have its very name, and it is a release branch: add it";
    let is_met = !policy.is_unnamed_release(branch);
    (!required.release_branches.is_empty()).then(|| ("releaseBranches", met_if(is_met, missing)))
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
        Err(Untold::Refused(why)) => Finding::CannotTell(format!("GitHub does not say: {why}")),
        Err(Untold::Unanswered(why)) => Finding::CannotTell(format!("GitHub could not say and is asked again: {why}")),
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
        Some(approvals) => Finding::NotMet(format!(
            "its rules require {}: require {wanted}",
            counted(approvals, "approval", "approvals")
        )),
        None => Finding::NotMet(format!(
            "no rule requires a pull request: add one that requires {}",
            counted(wanted, "approval", "approvals")
        )),
    };
    unless_classic(rules, finding)
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
        Some(1) => Finding::NotMet("CODEOWNERS has 1 error: correct it".to_owned()),
        Some(count) => Finding::NotMet(format!("CODEOWNERS has {count} errors: correct them")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::time::add;

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
            unanswered: None,
        };
        change(&mut facts);
        facts
    }

    #[test]
    fn what_is_required_and_what_github_says() {
        let nothing = |f: &mut GuardrailFacts| f.rules = Ok(BranchRules::default());
        let forbidden = |f: &mut GuardrailFacts| {
            f.rules = Err(Untold::Refused(
                "the token needs the permission Metadata: read".to_owned(),
            ));
        };
        let unanswered = |f: &mut GuardrailFacts| f.rules = Err(Untold::Unanswered("status 502".to_owned()));
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
                "{approvals: 1}",
                unanswered,
                "approvals: CANNOT TELL, GitHub could not say and is asked again: status 502",
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

    /// What is required, what was known and how long ago it was asked for, what a look an hour later than the epoch brought,
    /// what is found then, how old the oldest answer is, and how many looks left it open.
    type Look = (
        &'static str,
        Option<(i64, fn(&mut GuardrailFacts))>,
        fn(&mut GuardrailFacts),
        &'static str,
    );

    #[test]
    fn what_github_could_not_say_is_as_it_was_while_that_is_young() {
        let open = |f: &mut GuardrailFacts| f.rules = Err(Untold::Unanswered("502".to_owned()));
        let agent_open = |f: &mut GuardrailFacts| f.agent = Err(Untold::Unanswered("429".to_owned()));
        let refused = |f: &mut GuardrailFacts| f.rules = Err(Untold::Refused("403".to_owned()));
        let bare = |f: &mut GuardrailFacts| f.rules = Ok(BranchRules::default());
        let tried = |f: &mut GuardrailFacts| {
            f.unanswered = Some(Unanswered {
                times: 3,
                at: Timestamp::UNIX_EPOCH,
            });
        };
        let cannot = "approvals: CANNOT TELL, GitHub could not say and is asked again: 502";
        let approvals = "{approvals: 1, maxAge: 10m}";
        let table: Vec<Look> = vec![
            (approvals, None, |_| (), "approvals: met, 0s"),
            (approvals, None, open, "CANNOT, 0s, open 1"),
            (approvals, Some((599, |_| ())), open, "approvals: met, 599s, open 1"),
            (approvals, Some((599, tried)), open, "approvals: met, 599s, open 4"),
            (approvals, Some((600, |_| ())), open, "CANNOT, 0s, open 1"),
            (approvals, Some((-1, |_| ())), open, "CANNOT, 0s, open 1"),
            (
                approvals,
                Some((60, bare)),
                open,
                "approvals: NOT MET, no rule requires a pull request: add one that requires 1 approval, 60s, open 1",
            ),
            (
                approvals,
                Some((60, |_| ())),
                refused,
                "approvals: CANNOT TELL, GitHub does not say: 403, 0s",
            ),
            (approvals, Some((60, tried)), |_| (), "approvals: met, 0s"),
            (approvals, Some((60, |_| ())), agent_open, "approvals: met, 0s"),
            (
                "{approvals: 1, codeql: true}",
                Some((60, |_| ())),
                agent_open,
                "approvals: met; codeql: met, 60s, open 1",
            ),
        ];
        let now: Timestamp = "1970-01-01T01:00:00Z".parse().unwrap();
        for (required, known, change, expected) in table {
            let (world, key) = guarded(required);
            let known = known.map(|(ago, change)| GuardrailFacts {
                checked_at: add(now, SignedDuration::from_secs(-ago)),
                ..facts(change)
            });
            let seen = GuardrailFacts {
                checked_at: now,
                ..facts(change)
            };
            let renewed = renewed(&world, &key, seen, known.as_ref());
            let age = now.duration_since(renewed.checked_at).as_secs();
            let open = renewed
                .unanswered
                .map_or_else(String::new, |open| format!(", open {}", open.times));
            let found = format!("{}, {age}s{open}", say(required, &renewed));
            assert_eq!(found, expected.replace("CANNOT,", &format!("{cannot},")));
        }
    }

    #[test]
    fn work_starts_from_a_release_branch_that_the_policy_has_the_very_name_of() {
        let missing =
            "releaseBranches NotMet spec.baseBranches does not have its very name, and it is a release branch: add it";
        let table = [
            ("{releaseBranches: ['release/*']}", "['*']", "releaseBranches Met "),
            ("{releaseBranches: ['ma*']}", "['*']", missing),
            ("{releaseBranches: ['ma*']}", "['*', main]", "releaseBranches Met "),
            ("{releaseBranches: [main]}", "[main]", "releaseBranches Met "),
            ("{approvals: 1}", "['*']", ""),
        ];
        for (required, base_branches, expected) in table {
            let (mut world, key) = guarded(required);
            let mut policy = world.policies().next().unwrap().clone();
            policy.spec.base_branches = serde_saphyr::from_str(base_branches).unwrap();
            policy.metadata.resource_version = Some("2".to_owned());
            world.put_policy(policy);
            let said = statuses(&world, &key).into_iter();
            let said = said.map(|status| format!("{} {:?} {}", status.name, status.state, status.message));
            let said: Vec<_> = said.collect();
            assert_eq!(
                said.join("; "),
                expected,
                "GitHub is not asked for that: {required}, {base_branches}"
            );
        }
    }

    fn guarded(required: &str) -> (World, BranchKey) {
        let mut world = World::default();
        let policy = format!(
            "{{metadata: {{name: p}}, spec: {{namespaces: [payments], triggers: [], startPolicies: [], \
                              guardrails: {required}}}}}"
        );
        world.put_policy(serde_saphyr::from_str(&policy).unwrap());
        let automation: AgentAutomation = serde_saphyr::from_str(
            "{metadata: {name: one, namespace: payments},
              spec: {repository: acme/api, branches: {base: main, allow: [main]}, triggers: [], prompt: {goal: Go.},
                     credentials: {secretRef: {name: token}}}}",
        )
        .unwrap();
        let key = of_automation(&world, &automation).unwrap();
        (world, key)
    }
}
