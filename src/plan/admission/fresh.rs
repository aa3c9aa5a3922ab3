//! The world as it is, just before a start: the spec may have changed, and what only GitHub knows is asked for here, of
//! tasks that nothing else holds.

use kube::ResourceExt;

use crate::api::automation::OnSpecChange;
use crate::api::task::{Follows, FollowsBecause, Phase, TaskSpec};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::domain::repository::Repository;

use super::{Pass, Verdict, end, hold};
use crate::plan::credential::choice;
use crate::plan::observed::SeenOrigin;
use crate::plan::origin::Judgement;
use crate::plan::policy::may_push;
use crate::plan::room::{Binding, bound_to};
use crate::plan::time::{LONGEST_RETRY, add, again, pending};
use crate::plan::world::CredentialKey;
use crate::plan::{Action, Subject, automation, duplicates, event, guardrails, origin, pulls, retry};

impl Pass<'_> {
    /// The world as it is, just before the start: the spec, the branch and its guardrails, what it came from, and open pull
    /// requests. What one read tells comes before what takes a list.
    pub(super) fn stale(
        &self,
        automation: &AgentAutomation,
        task: &AgentTask,
        credential: &CredentialKey,
    ) -> Option<Verdict> {
        event::told_twice(self.world, automation, task)
            .map(|why| end(Phase::Skipped, why.reason, why.message))
            .or_else(|| self.outdated(automation, task))
            .or_else(|| self.branch(task, credential))
            .or_else(|| self.origin(automation, task, credential))
            .or_else(|| self.labelled(automation, task, credential))
    }

    pub(super) fn outdated(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        if automation.metadata.generation == Some(task.spec.automation.generation)
            || automation.spec.on_spec_change == OnSpecChange::Keep
        {
            return None;
        }
        let mut spec = match automation::spec_for(self.world, automation, task, self.now) {
            Ok(Some(spec)) => spec,
            Ok(None) => {
                let message = "the automation's spec changed, and its trigger is gone";
                return Some(end(Phase::Superseded, Reason::SpecChanged, message));
            }
            Err(why) => return Some(hold(why.reason, why.message)),
        };
        let retries = task.spec.follows.as_ref().map_or(0, |follows| follows.retries);
        if retries > 0 {
            spec.start_before = task.spec.start_before;
        }
        spec.start_after = task.spec.start_after;
        if is_as_decided(task, &spec) {
            return None;
        }
        spec.follows = Some(Follows {
            name: task.name_any(),
            because: FollowsBecause::SpecChange,
            retries,
            approvals: Vec::new(),
        });
        let why = format!(
            "retry {retries} generation {}",
            automation.metadata.generation.unwrap_or_default()
        );
        let successor = retry::successor(task, spec, &why);
        Some(Verdict::Rebuild(Box::new(successor)))
    }

    fn branch(&self, task: &AgentTask, credential: &CredentialKey) -> Option<Verdict> {
        let key = guardrails::of_task(self.world, task)?;
        // What is known to be in the way is asked about at a pace: a task that asked again could keep others with its
        // credential from their turn.
        if guardrails::is_named(self.world, &key)
            && let Some(binding) = guardrails::in_the_way(self.world, &key)
        {
            return Some(Verdict::Hold(binding));
        }
        if let Some(question) = guardrails::question(self.world, &key, self.settings, self.now) {
            return Some(self.ask(credential, Subject::Branch(key), question));
        }
        let facts = self.world.branches.get(&key)?;
        match &facts.exists {
            Ok(true) => guardrails::in_the_way(self.world, &key).map(Verdict::Hold),
            Ok(false) => {
                let message = format!(
                    "the base branch {} is not in {} any more",
                    key.branch,
                    key.repository.as_str()
                );
                Some(end(Phase::Expired, Reason::BranchGone, message))
            }
            Err(refused) => Some(Verdict::Hold(Binding {
                until: Some(add(facts.checked_at, self.settings.freshness)),
                ..Binding::new(refused.reason, refused.message.clone(), None)
            })),
        }
    }

    /// What did not get an answer holds the task until it is asked again, and takes no room from others meanwhile.
    fn ask(&self, credential: &CredentialKey, subject: Subject, question: Action) -> Verdict {
        let retry = self.world.retries.get(&subject);
        let until = pending(retry.map(|retry| retry.not_before), LONGEST_RETRY, self.now);
        match (until, retry) {
            (Some(until), Some(retry)) => {
                let message = format!(
                    "GitHub was asked about {subject}, and is asked again: {}",
                    retry.problem
                );
                Verdict::Hold(Binding {
                    until: Some(until),
                    ..Binding::new(Reason::GitHubUnavailable, message, None)
                })
            }
            _ => Verdict::Ask(credential.clone(), subject, question),
        }
    }

    pub(super) fn origin_of(&self, task: &AgentTask) -> Option<&SeenOrigin> {
        let key = origin::of_task(self.world, task)?;
        self.world.origins.get(&key)?.seen.as_ref()
    }

    /// What has become of the issue or the pull request that it came from.
    fn origin(&self, automation: &AgentAutomation, task: &AgentTask, credential: &CredentialKey) -> Option<Verdict> {
        let key = origin::of_task(self.world, task)?;
        // What stays so is not asked about again: a task that did could keep others with its credential from their turn.
        if let Some(why) = self.origin_of(task).and_then(|seen| origin::was_edited(task, seen)) {
            return Some(
                self.asked_anew(automation, task)
                    .unwrap_or_else(|| Verdict::Hold(why.into())),
            );
        }
        let facts = self.world.origins.get(&key);
        let checked_at = facts.map(|facts| facts.checked_at);
        if again(checked_at, self.settings.freshness, self.now) <= self.now {
            return Some(self.ask(credential, Subject::Origin(key), Action::ReadOrigin));
        }
        let seen = facts?.seen.as_ref();
        match origin::judge(automation, task, seen) {
            Judgement::Hold(why) => return Some(Verdict::Hold(why.into())),
            Judgement::End(phase, why) => return Some(end(phase, why.reason, why.message)),
            Judgement::Fine => {}
        }
        let head = origin::head(task, seen)?;
        let refusal = may_push(self.world, task.metadata.namespace.as_deref().unwrap_or_default(), head)?;
        Some(Verdict::End(Phase::Denied, refusal.into()))
    }

    /// Somebody has asked again for work on the same, after the text that this task is about was edited.
    fn asked_anew(&self, automation: &AgentAutomation, task: &AgentTask) -> Option<Verdict> {
        let mut others = self.world.tasks_of(automation);
        let newer = others.find(|other| origin::asks_anew(other, task))?;
        let message = format!(
            "the text was edited, and task {} was asked for after that",
            newer.name_any()
        );
        Some(end(Phase::Superseded, Reason::Replaced, message))
    }

    fn labelled(&self, automation: &AgentAutomation, task: &AgentTask, credential: &CredentialKey) -> Option<Verdict> {
        let terms = task.spec.deduplicate.as_ref()?;
        if !duplicates::asks_for_pulls(task) {
            return None;
        }
        let repository = Repository::parse(&task.spec.repository).ok()?;
        let key = (choice::reader_of(self.world, task), repository);
        let labelled = self.world.pulls.get(&key).and_then(|facts| facts.labelled.as_ref());
        if pulls::relisting_due(labelled, self.settings, self.now) <= self.now {
            return Some(self.ask(credential, Subject::Pulls(key.0, key.1), Action::ListOpenPulls));
        }
        // A retry is no duplicate of what came of its own cause.
        let same = self.world.tasks_of(automation);
        let same = same.filter(|other| duplicates::same_cause(task, other));
        let own: Vec<_> = same
            .filter_map(|other| Some(other.status.as_ref()?.pull_request.as_ref()?.id))
            .collect();
        let mut others = labelled?.pulls.get(&terms.key.to_lowercase())?.iter();
        let pull = others.find(|pull| !own.contains(&pull.id))?;
        let message = format!("{} is open and has the label {}", pull.page, terms.key);
        let bound = Some(bound_to(automation, "deduplicate"));
        Some(Verdict::End(
            Phase::Skipped,
            Binding::new(Reason::Duplicate, message, bound),
        ))
    }
}

/// Whether a task would be made the same way now. Which generation and which policies it was made from does not count.
fn is_as_decided(task: &AgentTask, spec: &TaskSpec) -> bool {
    let mut same = spec.clone();
    same.automation.clone_from(&task.spec.automation);
    same.policies.clone_from(&task.spec.policies);
    same.follows.clone_from(&task.spec.follows);
    same == task.spec
}
