//! What became of a repository's deliveries, and another attempt at one. The lists are conditional: while nothing is
//! delivered they cost nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::repository::Repository;
use crate::github::{Conditional, Delivery, Error, RefusalKind};
use crate::observe::Update;
use crate::plan::CredentialKey;
use crate::plan::redelivery::{Attempt, KEPT, Lack, Listed, is_of_use, is_ours};

use super::github::github_failure;
use super::{Done, Executor, Known};

/// GitHub waits ten seconds for an answer; until then an attempt is in no list, and later ones may be.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(60);

/// What the last look left behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Delivered {
    /// The webhooks that deliver here, and the list's `ETag`.
    hooks: Vec<u64>,
    etag: Option<String>,
    lists: BTreeMap<u64, Attempts>,
    is_refused: bool,
}

/// The attempts of one webhook, and the list's `ETag`.
#[derive(Debug, Clone, Default)]
struct Attempts {
    known: BTreeMap<u64, Attempt>,
    /// Up to here nothing is under way any more.
    through: Option<u64>,
    etag: Option<String>,
    /// What lists did not reach, the newest last.
    gaps: Vec<Gap>,
}

/// Attempts that a list did not reach. The cursor in its link stays where it is whatever is delivered.
#[derive(Debug, Clone)]
struct Gap {
    /// Where they begin.
    rest: String,
    /// The attempt before the first of them.
    known: Option<u64>,
}

impl Executor {
    pub(super) async fn list_deliveries(&self, key: CredentialKey, repository: Repository) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let began = self.now();
        let mut delivered = known.delivered.get(&repository).cloned().unwrap_or_default();
        let was_refused = delivered.is_refused;
        let read = self.read_deliveries(&known, &key, &repository, &mut delivered).await;
        let mut updates = self.lessons(&key, &known, read.as_ref().err());
        delivered.is_refused = read.as_ref().is_err_and(may_not);
        let attempts = match &read {
            Ok(()) => Ok(Listed {
                attempts: delivered
                    .lists
                    .values()
                    .flat_map(|list| list.known.values().cloned())
                    .collect(),
                goes_on: delivered.lists.values().any(|list| !list.gaps.is_empty()),
            }),
            Err(error) if may_not(error) => {
                if !was_refused {
                    tracing::info!(
                        %repository, credential = %key, %error,
                        "failed deliveries of webhooks are not asked for again: the token may not read the repository's webhooks"
                    );
                }
                Err(Lack::Read)
            }
            Err(error) => {
                let failure = Some(github_failure(error));
                return Done { updates, failure };
            }
        };
        self.learn(&key, &known.version, |known| {
            known.delivered.insert(repository.clone(), delivered);
        });
        updates.push(Update::DeliveriesListed(key, repository, began, attempts));
        Done { updates, failure: None }
    }

    /// Asks for another attempt. One that GitHub has no more, or will not repeat, is not asked for again either.
    pub(super) async fn redeliver(
        &self,
        key: CredentialKey,
        repository: Repository,
        (hook, delivery): (u64, u64),
        guid: String,
    ) -> Done {
        let known = match self.known(&key) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let answer = self.github.redeliver(&known.token, &repository, hook, delivery).await;
        let mut updates = self.lessons(&key, &known, answer.as_ref().err());
        match answer {
            Ok(()) => tracing::info!(%repository, delivery = guid, "a delivery that did not arrive is asked for again"),
            Err(error) if lacks_permission(&error) => {
                tracing::warn!(%repository, %error, "a token may read what became of deliveries, and not ask for them again");
                let lack = Err(Lack::Write);
                updates.push(Update::DeliveriesListed(key, repository, self.now(), lack));
                return Done { updates, failure: None };
            }
            Err(error) if is_final(&error) => {
                tracing::warn!(%repository, delivery = guid, %error, "a delivery that did not arrive can't be asked for again");
                updates.push(Update::Unrepeatable(key, repository, guid));
                return Done { updates, failure: None };
            }
            Err(error) => {
                let failure = Some(github_failure(&error));
                return Done { updates, failure };
            }
        }
        updates.push(Update::Redelivered(key, repository, guid));
        Done { updates, failure: None }
    }

    async fn read_deliveries(
        &self,
        known: &Known,
        key: &CredentialKey,
        repository: &Repository,
        delivered: &mut Delivered,
    ) -> Result<(), Error> {
        let (github, token) = (&self.github, &known.token);
        let hooks = github.list_hooks(token, repository, delivered.etag.as_deref()).await?;
        if let Conditional::Fresh { value, etag } = hooks {
            let url = |config: crate::github::HookConfig| config.url.unwrap_or_default();
            let ours = value.items.into_iter().filter(|hook| hook.active != Some(false));
            let ours = ours.filter_map(|hook| {
                let is_ours = is_ours(&hook.config.map(url).unwrap_or_default(), &key.namespace);
                is_ours.then_some(hook.id)
            });
            delivered.hooks = ours.collect();
            delivered.etag = etag;
            delivered.lists.retain(|hook, _| delivered.hooks.contains(hook));
        }
        for hook in delivered.hooks.clone() {
            let list = delivered.lists.entry(hook).or_default();
            let (through, etag, now) = (list.through, list.etag.as_deref(), self.now());
            let answer = github.list_deliveries(token, repository, hook, through, etag).await?;
            if let Some(gap) = list.gaps.last().cloned() {
                let more = github.list_more_deliveries(token, &gap.rest, gap.known).await?;
                list.gaps.pop();
                list.gaps.extend(more.rest.map(|rest| Gap { rest, ..gap }));
                list.take(hook, more.items, now);
            }
            if let Conditional::Fresh { value, etag } = answer {
                let known = through;
                list.etag = etag;
                list.gaps.extend(value.rest.map(|rest| Gap { rest, known }));
                list.take(hook, value.items, now);
            }
            let oldest = now.saturating_sub(KEPT).unwrap_or_default();
            list.known.retain(|_, attempt| attempt.at >= oldest);
        }
        Ok(())
    }
}

impl Attempts {
    fn take(&mut self, hook: u64, read: Vec<Delivery>, now: Timestamp) {
        let ended = now.saturating_sub(UNDER_WAY).unwrap_or_default();
        let settled = read
            .iter()
            .filter(|delivery| delivery.delivered_at.is_some_and(|at| at <= ended));
        self.through = settled.map(|delivery| delivery.id).max().max(self.through);
        let attempts = read.into_iter().filter_map(|delivery| attempt(hook, delivery));
        self.known.extend(attempts.map(|attempt| (attempt.id, attempt)));
    }
}

fn attempt(hook: u64, delivery: Delivery) -> Option<Attempt> {
    let has_arrived = delivery.has_arrived();
    delivery.event.as_deref().filter(|event| is_of_use(event))?;
    Some(Attempt {
        hook,
        id: delivery.id,
        guid: delivery.guid?,
        at: delivery.delivered_at?,
        has_arrived,
    })
}

fn may_not(error: &Error) -> bool {
    let kind = error.refusal().map(|refusal| &refusal.kind);
    matches!(
        kind,
        Some(RefusalKind::PermissionMissing | RefusalKind::NotFound | RefusalKind::SingleSignOn)
    )
}

fn lacks_permission(error: &Error) -> bool {
    let kind = error.refusal().map(|refusal| &refusal.kind);
    matches!(kind, Some(RefusalKind::PermissionMissing))
}

fn is_final(error: &Error) -> bool {
    let kind = error.refusal().map(|refusal| &refusal.kind);
    may_not(error)
        || matches!(
            kind,
            Some(RefusalKind::BadRequest | RefusalKind::Invalid | RefusalKind::Moved { .. })
        )
}
