//! What GitHub answers, in the words that the planner uses.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::Reason;
use crate::api::task::{Checks, PullRequest, ReviewDecision, Usage};
use crate::github::models::{self, Artifact};
use crate::github::{AgentConfiguration, BranchRule, CheckRun, Origin, Refusal, RefusalKind};
use crate::plan::automation::credits;
use crate::plan::observed::{
    AgentFacts, BranchRules, ListedTask, ObservedTask, Refused, SeenOrigin, SeenOriginPull, SeenPull,
};
use crate::plan::time::{LONGEST_ASKED, add};
use crate::plan::world::LabelledPull;

/// A task as the planner reads it.
#[must_use]
pub fn observed(task: &models::Task) -> ObservedTask {
    let newest = task.sessions.iter().max_by_key(|session| session.created_at);
    ObservedTask {
        id: task.id.clone(),
        url: task.html_url.clone(),
        state: task.state.clone(),
        updated_at: task.updated_at,
        branch: branch(task).or_else(|| newest.and_then(|session| session.head_ref.clone())),
        pull_request: task.artifacts.iter().find_map(pull_artifact),
        failure: newest.and_then(|session| session.error.as_ref()?.message.clone()),
        usage: task.usage().map(|total| usage(&total)),
        prompts: task
            .sessions
            .iter()
            .filter_map(|session| session.prompt.clone())
            .collect(),
    }
}

/// A task of a list.
#[must_use]
pub fn listed_task(task: &models::Task) -> ListedTask {
    ListedTask {
        id: task.id.clone(),
        state: task.state.clone(),
        updated_at: task.updated_at,
    }
}

/// A pull request with what a list of them tells.
#[must_use]
pub fn pull_request(pull: &models::PullRequest) -> PullRequest {
    PullRequest {
        id: i64::try_from(pull.id).unwrap_or(i64::MAX),
        number: i64::try_from(pull.number).ok(),
        url: pull.html_url.clone(),
        state: pull.state.clone(),
        draft: pull.draft.unwrap_or(false),
        merged: pull.is_merged(),
        ..PullRequest::default()
    }
}

/// A pull request of a list, by its number.
#[must_use]
pub fn seen_pull(pull: &models::PullRequest) -> Option<(i64, SeenPull)> {
    let seen = SeenPull {
        id: i64::try_from(pull.id).ok()?,
        is_open: !pull.is_merged() && pull.state.as_deref() != Some("closed"),
        updated_at: pull.updated_at,
    };
    Some((i64::try_from(pull.number).ok()?, seen))
}

/// An issue or a pull request that work came from.
#[must_use]
pub fn seen_origin(origin: Origin) -> SeenOrigin {
    SeenOrigin {
        edited_at: origin.edited_at,
        renamed_at: origin.renamed_at,
        labels: origin.labels,
        is_open: origin.is_open,
        pull: origin.pull.map(|pull| SeenOriginPull {
            base: pull.base,
            head: pull.head,
            is_fork: pull.is_fork,
            is_draft: pull.is_draft,
            files: pull.files,
        }),
    }
}

/// Of open pull requests, for each label in lower case those that have it.
#[must_use]
pub fn by_label(open: &[models::PullRequest]) -> BTreeMap<String, Vec<LabelledPull>> {
    let mut labelled: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for pull in open {
        let page = pull.html_url.as_deref().unwrap_or("a pull request");
        for label in &pull.labels {
            labelled
                .entry(label.name.to_lowercase())
                .or_default()
                .push(LabelledPull {
                    id: i64::try_from(pull.id).unwrap_or(i64::MAX),
                    page: page.to_owned(),
                });
        }
    }
    labelled
}

/// A pull request with its reviews and its checks.
#[must_use]
pub fn read_pull(pull: &models::PullRequest, reviews: &[models::Review], checks: &[CheckRun]) -> PullRequest {
    let author = pull.user.as_ref().map(|user| user.id);
    let others = || {
        reviews
            .iter()
            .filter(|review| review.user.as_ref().map(|user| user.id) != author)
    };
    let mut reviewers: Vec<_> = others()
        .filter_map(|review| Some(review.user.as_ref()?.login.clone()))
        .collect();
    reviewers.sort_unstable();
    reviewers.dedup();
    let users = pull.requested_reviewers.iter().map(|user| user.login.clone());
    let teams = pull.requested_teams.iter().map(|team| team.slug.clone());
    PullRequest {
        updated_at: pull.updated_at,
        created_at: pull.created_at,
        closed_at: pull.merged_at.or(pull.closed_at),
        merged_by: pull.merged_by.as_ref().map(|user| user.login.clone()),
        review: Some(review_decision(others())),
        reviewers,
        requested_reviewers: users.chain(teams).collect(),
        first_review_at: others().filter_map(|review| review.submitted_at).min(),
        checks: checks_come_to(checks),
        additions: pull.additions.map(i64::from),
        deletions: pull.deletions.map(i64::from),
        changed_files: pull.changed_files.map(i64::from),
        mergeable: pull.mergeable,
        ..pull_request(pull)
    }
}

/// The last word of each reviewer counts, and a comment is no word.
fn review_decision<'a>(reviews: impl Iterator<Item = &'a models::Review>) -> ReviewDecision {
    let mut words: BTreeMap<u64, &str> = BTreeMap::new();
    for review in reviews {
        let (Some(user), Some(state)) = (&review.user, review.state.as_deref()) else {
            continue;
        };
        if matches!(state, "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED") {
            words.insert(user.id, state);
        }
    }
    let says = |wanted| words.values().any(|word| *word == wanted);
    if says("CHANGES_REQUESTED") {
        ReviewDecision::ChangesRequested
    } else if says("APPROVED") {
        ReviewDecision::Approved
    } else {
        ReviewDecision::Required
    }
}

fn checks_come_to(checks: &[CheckRun]) -> Option<Checks> {
    let good = ["success", "neutral", "skipped"];
    let failed = |check: &CheckRun| {
        check
            .conclusion
            .as_deref()
            .is_some_and(|conclusion| !good.contains(&conclusion))
    };
    if checks.is_empty() {
        None
    } else if checks.iter().any(failed) {
        Some(Checks::Failed)
    } else if checks.iter().any(|check| check.conclusion.is_none()) {
        Some(Checks::Pending)
    } else {
        Some(Checks::Passed)
    }
}

/// What a branch's rules and its classic protection require, all of them taken together.
#[must_use]
pub fn branch_rules(rules: &[BranchRule], branch: &models::BranchInfo) -> BranchRules {
    let mut all = BranchRules {
        is_classic: branch.protected == Some(true),
        ..BranchRules::default()
    };
    let checks = branch
        .protection
        .as_ref()
        .and_then(|protection| protection.required_status_checks.as_ref());
    let enforced = checks.filter(|checks| checks.enforcement_level.as_deref().is_some_and(|level| level != "off"));
    all.status_checks
        .extend(enforced.into_iter().flat_map(|checks| checks.contexts.iter().cloned()));
    for rule in rules {
        match rule {
            BranchRule::PullRequest {
                approvals,
                code_owner_review,
            } => {
                all.approvals = all.approvals.max(i32::try_from(*approvals).ok());
                all.code_owner_review |= code_owner_review;
            }
            BranchRule::RequiredStatusChecks { contexts } => all.status_checks.extend(contexts.iter().cloned()),
            BranchRule::CodeScanning => all.code_scanning = true,
            BranchRule::Other(_) => {}
        }
    }
    all
}

/// How the agent is set up, in the planner's words.
#[must_use]
pub fn agent_facts(configuration: AgentConfiguration) -> AgentFacts {
    AgentFacts {
        firewall: configuration.firewall,
        secret_scanning: configuration.secret_scanning,
        codeql: configuration.codeql,
        workflow_approval: configuration.workflow_approval,
    }
}

/// A refusal in the planner's words.
#[must_use]
pub fn refused(refusal: &Refusal, now: Timestamp) -> Refused {
    let reason = match &refusal.kind {
        RefusalKind::BadCredentials => Reason::CredentialRejected,
        RefusalKind::PermissionMissing | RefusalKind::SingleSignOn => Reason::PermissionDenied,
        RefusalKind::NotFound | RefusalKind::Gone => Reason::RepositoryNotFound,
        RefusalKind::Moved { .. } => Reason::RepositoryMoved,
        RefusalKind::BadRequest | RefusalKind::Invalid => Reason::StartRejected,
        RefusalKind::RateLimited(_) => Reason::RateLimited,
    };
    Refused {
        reason,
        message: refusal.to_string(),
        not_before: match refusal.kind {
            RefusalKind::RateLimited(wait) => Some(wait.not_before(now).min(add(now, LONGEST_ASKED))),
            _ => None,
        },
    }
}

fn branch(task: &models::Task) -> Option<String> {
    task.artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Branch { head_ref, .. } => Some(head_ref.clone()),
        _ => None,
    })
}

fn pull_artifact(artifact: &Artifact) -> Option<PullRequest> {
    match artifact {
        Artifact::Pull { id, .. } => Some(PullRequest {
            id: i64::try_from(*id).ok()?,
            ..PullRequest::default()
        }),
        _ => None,
    }
}

fn usage(total: &models::UsageTotal) -> Usage {
    let nano = i64::try_from(total.ai_credits_nano).unwrap_or(i64::MAX);
    Usage {
        nano_ai_credits: nano,
        ai_credits: credits(nano),
        milli_premium_requests: milli(total.premium_requests),
    }
}

/// Premium requests may be fractional; thousandths are as exact as GitHub shows them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float that is cast to an integer saturates"
)]
fn milli(requests: f64) -> i64 {
    (requests * 1_000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classic_protection_is_not_nothing() {
        let branch = |protected: bool, level: &str| -> models::BranchInfo {
            let text = format!(
                "{{name: main, protected: {protected},
                   protection: {{required_status_checks: {{enforcement_level: {level}, contexts: [test]}}}}}}"
            );
            serde_saphyr::from_str(&text).unwrap()
        };
        let rules = [BranchRule::RequiredStatusChecks {
            contexts: vec!["lint".to_owned()],
        }];
        let table = [
            (false, "'off'", false, vec!["lint"]),
            (true, "'off'", true, vec!["lint"]),
            (true, "everyone", true, vec!["test", "lint"]),
            (true, "non_admins", true, vec!["test", "lint"]),
        ];
        for (protected, level, is_classic, checks) in table {
            let all = branch_rules(&rules, &branch(protected, level));
            assert_eq!(all.is_classic, is_classic, "{protected} {level}");
            assert_eq!(all.status_checks, checks, "{protected} {level}");
        }
    }
}
