//! What policies say to a request. Every policy that names the namespace holds there; all of them must allow it.

use kube::ResourceExt;

use crate::api::AgentPolicy;
use crate::api::policy::TriggerKind;
use crate::domain::pattern::{Case, Pattern};

use super::World;

/// The most policies that a sentence names.
const NAMED: usize = 3;

/// What is to be allowed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub namespace: &'a str,
    pub repository: &'a str,
    pub base_branch: &'a str,
    pub trigger: TriggerKind,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruling<'a> {
    /// These hold, and all of them allow it.
    Allowed(Vec<&'a AgentPolicy>),
    /// It is allowed, but a kill switch is on.
    Suspended(String),
    /// A policy can't be read: it may hold for the namespace and forbid anything.
    Unreadable(String),
    /// The sentence names the field that would have to allow it.
    Denied(String),
}

/// The policies that hold for a namespace.
pub fn holding<'a>(
    policies: impl Iterator<Item = &'a AgentPolicy>,
    namespace: &str,
) -> impl Iterator<Item = &'a AgentPolicy> {
    policies.filter(move |policy| matches(&policy.spec.namespaces, namespace, Case::Sensitive))
}

/// Asks every policy.
#[must_use]
pub fn rule<'a>(world: &'a World, request: Request) -> Ruling<'a> {
    if let Some(name) = world.unreadable_policies.first() {
        return Ruling::Unreadable(format!(
            "AgentPolicy {name} can't be read, so nothing starts: mend it, or install the definitions that fit this \
             controller"
        ));
    }
    let held: Vec<_> = holding(world.policies(), request.namespace).collect();
    if held.is_empty() {
        return Ruling::Denied(nobody_speaks(world.policies(), request.namespace));
    }
    if let Some(sentence) = held.iter().find_map(|policy| refusal(policy, request)) {
        return Ruling::Denied(sentence);
    }
    match held.iter().find(|policy| policy.spec.suspend) {
        Some(policy) => Ruling::Suspended(format!(
            "AgentPolicy {} is suspended: nothing starts until its spec.suspend is false",
            policy.name_any()
        )),
        None => Ruling::Allowed(held),
    }
}

/// Whether one of the patterns matches. One that can't be read matches nothing.
#[must_use]
pub fn matches(patterns: &[String], text: &str, case: Case) -> bool {
    patterns
        .iter()
        .any(|pattern| Pattern::parse(pattern, case).is_ok_and(|pattern| pattern.matches(text)))
}

fn nobody_speaks<'a>(policies: impl Iterator<Item = &'a AgentPolicy>, namespace: &str) -> String {
    let names: Vec<_> = policies.map(ResourceExt::name_any).take(NAMED).collect();
    if names.is_empty() {
        return format!(
            "there is no AgentPolicy, and without one nothing starts: create one whose spec.namespaces names {namespace}"
        );
    }
    format!(
        "no AgentPolicy holds for this namespace: spec.namespaces of {} must name {namespace}",
        names.join(" or ")
    )
}

fn refusal(policy: &AgentPolicy, request: Request) -> Option<String> {
    let spec = &policy.spec;
    let kinds: Vec<_> = spec.triggers.iter().map(|kind| kind.as_str().to_owned()).collect();
    let (field, wanted, list) = if !matches(&spec.repositories, request.repository, Case::Insensitive) {
        ("repositories", request.repository, &spec.repositories)
    } else if !matches(&spec.base_branches, request.base_branch, Case::Sensitive) {
        ("baseBranches", request.base_branch, &spec.base_branches)
    } else if !spec.triggers.contains(&request.trigger) {
        ("triggers", request.trigger.as_str(), &kinds)
    } else {
        return None;
    };
    let has = allows(list);
    let name = policy.name_any();
    Some(format!(
        "AgentPolicy {name} does not allow it: spec.{field} must name {wanted} ({has})"
    ))
}

fn allows(list: &[String]) -> String {
    if list.is_empty() {
        "it is empty and so allows nothing".to_owned()
    } else {
        format!("it has {}", list.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::policy::PolicySpec;

    fn policy(name: &str, change: impl FnOnce(&mut PolicySpec)) -> AgentPolicy {
        let mut spec = PolicySpec {
            namespaces: vec!["payments".to_owned(), "team-*".to_owned()],
            repositories: vec!["acme/*".to_owned()],
            base_branches: vec!["main".to_owned(), "release/*".to_owned()],
            triggers: vec![TriggerKind::Schedule],
            max_active: None,
            suspend: false,
        };
        change(&mut spec);
        AgentPolicy::new(name, spec)
    }

    fn say(policies: &[AgentPolicy]) -> String {
        let request = Request {
            namespace: "payments",
            repository: "acme/payments-api",
            base_branch: "main",
            trigger: TriggerKind::Schedule,
        };
        let mut world = World::default();
        for policy in policies {
            world.put_policy(policy.clone());
        }
        match rule(&world, request) {
            Ruling::Allowed(by) => {
                let names: Vec<_> = by.iter().map(|policy| policy.name_any()).collect();
                format!("allowed by {}", names.join(", "))
            }
            Ruling::Suspended(sentence) | Ruling::Denied(sentence) | Ruling::Unreadable(sentence) => sentence,
        }
    }

    #[test]
    fn policies_and_what_they_say() {
        let one = |change: fn(&mut PolicySpec)| vec![policy("a", change)];
        let two = |a: fn(&mut PolicySpec), b: fn(&mut PolicySpec)| vec![policy("a", a), policy("b", b)];
        let table: Vec<(Vec<AgentPolicy>, &str)> = vec![
            (
                vec![],
                "there is no AgentPolicy, and without one nothing starts: create one whose spec.namespaces names payments",
            ),
            (one(|_| ()), "allowed by a"),
            (two(|_| (), |_| ()), "allowed by a, b"),
            (
                two(|p| p.namespaces = vec!["team-*".to_owned()], |p| p.namespaces.clear()),
                "no AgentPolicy holds for this namespace: spec.namespaces of a or b must name payments",
            ),
            (
                two(|_| (), |p| p.repositories = vec!["acme/web".to_owned()]),
                "AgentPolicy b does not allow it: spec.repositories must name acme/payments-api (it has acme/web)",
            ),
            (
                one(|p| p.repositories = vec!["ACME/Payments-API".to_owned()]),
                "allowed by a",
            ),
            (
                one(|p| p.base_branches.clear()),
                "AgentPolicy a does not allow it: spec.baseBranches must name main (it is empty and so allows nothing)",
            ),
            (
                one(|p| p.triggers.clear()),
                "AgentPolicy a does not allow it: spec.triggers must name Schedule (it is empty and so allows nothing)",
            ),
            (
                one(|p| p.suspend = true),
                "AgentPolicy a is suspended: nothing starts until its spec.suspend is false",
            ),
            (
                two(|p| p.suspend = true, |p| p.triggers.clear()),
                "AgentPolicy b does not allow it: spec.triggers must name Schedule (it is empty and so allows nothing)",
            ),
        ];
        for (policies, expected) in table {
            assert_eq!(say(&policies), expected);
        }
    }
}
