//! A source of webhooks: whether what does not arrive there can be asked for again.
//!
//! That is found out with the credentials of the automations that need it ([`redelivery`]), and told here, where whoever set
//! up the webhook looks. Where no automation needs it there is nothing to tell.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use crate::api::webhook_source::WebhookSourceStatus;
use crate::api::{Reason, WebhookSource};
use crate::domain::counted::counted;
use crate::domain::pattern::{Case, Pattern};
use crate::domain::repository::Repository;

use super::conditions::condition;
use super::credential::{Usability, choice, usability};
use super::redelivery::{self, DeliveryFacts, Lack};
use super::world::{CredentialKey, ObjectKey, World};
use super::{Action, Planned, Subject, Why};

/// The condition's type.
pub const REDELIVERY: &str = "Redelivery";
/// Repositories that a message names.
const NAMED: usize = 3;

/// Writes its status when that says something else than before.
#[must_use]
pub fn plan(world: &World, key: &ObjectKey, now: Timestamp) -> Planned {
    let mut planned = Planned::default();
    if world.busy.contains(&Subject::WebhookSource(key.clone())) {
        return planned;
    }
    let Some(source) = world.webhook_source(key) else {
        return planned;
    };
    let next = WebhookSourceStatus {
        observed_generation: source.metadata.generation,
        conditions: told(world, source, now).into_iter().collect(),
    };
    let is_news = match &source.status {
        Some(status) => *status != next,
        None => !next.conditions.is_empty(),
    };
    if is_news && source.metadata.deletion_timestamp.is_none() {
        planned.actions.push(Action::WriteWebhookSourceStatus(Box::new(next)));
    }
    planned
}

/// What was told stands until all that it depends on has been read anew.
fn told(world: &World, source: &WebhookSource, now: Timestamp) -> Option<Condition> {
    let before = source.status.as_ref().map(|status| status.conditions.as_slice());
    let before = before.unwrap_or_default();
    let concerned = concerned(world, source);
    if concerned.is_empty() {
        return None;
    }
    let facts: Option<Vec<_>> = concerned
        .iter()
        .map(|of| {
            let facts = world.deliveries.get(of)?;
            let is_known = facts.checked_at.is_some() && !redelivery::is_about_to_ask(facts, now);
            is_known.then_some((of, facts))
        })
        .collect();
    let Some(facts) = facts else {
        return before.iter().find(|condition| condition.type_ == REDELIVERY).cloned();
    };
    let problems: Vec<_> = facts.into_iter().filter_map(|(of, facts)| problem(of, facts)).collect();
    let (status, why) = match problems.first() {
        None => (
            "True",
            Why::new(Reason::Ready, "what does not arrive is asked for again"),
        ),
        Some(first) => {
            let named: Vec<_> = problems.iter().take(NAMED).map(|why| why.message.as_str()).collect();
            let more = problems.len().saturating_sub(NAMED);
            let more = if more > 0 {
                format!("; and {more} more")
            } else {
                String::new()
            };
            ("False", Why::new(first.reason, format!("{}{more}", named.join("; "))))
        }
    };
    Some(condition(
        REDELIVERY,
        status,
        &why,
        source.metadata.generation,
        before,
        now,
    ))
}

/// Of which repositories deliveries are asked for again, and with what. A credential that can't be used is told by its
/// automations.
fn concerned(world: &World, source: &WebhookSource) -> BTreeSet<(CredentialKey, Repository)> {
    let patterns = source.spec.repositories.iter();
    let patterns: Vec<_> = patterns
        .filter_map(|pattern| Pattern::parse(pattern, Case::Insensitive).ok())
        .collect();
    let namespace = source.namespace().unwrap_or_default();
    let automations = world.automations_in(&namespace).map(|(_, automation)| automation);
    let wanted = automations.filter(|automation| redelivery::is_wanted_by(automation));
    let of = wanted.filter_map(|automation| {
        let key = choice::reader(world, automation);
        let repository = Repository::parse(&automation.spec.repository).ok()?;
        let is_usable = !matches!(usability(&key, world.credentials.get(&key)), Usability::Unusable(_));
        let is_taken = patterns.iter().any(|pattern| pattern.matches(repository.as_str()));
        (is_usable && is_taken).then_some((key, repository))
    });
    of.collect()
}

fn problem((key, repository): &(CredentialKey, Repository), facts: &DeliveryFacts) -> Option<Why> {
    let secret = &key.secret.name;
    let permission = if facts.lack == Some(Lack::Read) {
        Some(format!(
            "the token in Secret {secret} may not see the webhooks of {repository}: give it \"Webhooks: read and write\""
        ))
    } else if facts.is_write_refused {
        Some(format!(
            "the token in Secret {secret} may not have deliveries of {repository} repeated: give it \"Webhooks: read and \
             write\""
        ))
    } else {
        None
    };
    if let Some(message) = permission {
        return Some(Why::new(Reason::PermissionDenied, message));
    }
    let lost = facts.unrepeatable.len();
    (lost > 0).then(|| {
        let (deliveries, them) = (
            counted(lost, "delivery", "deliveries"),
            if lost == 1 { "it" } else { "them" },
        );
        let message = format!(
            "GitHub does not repeat {deliveries} of {repository} that did not arrive: redeliver {them} in its settings, or \
             ask again for the work; a classic token needs the scope admin:repo_hook"
        );
        Why::new(Reason::RedeliveryRefused, message)
    })
}
