//! What would change a decision, for each reason.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::automation::StaleAction;
use crate::api::task::{Phase, PullRequest};
use crate::api::{AgentAutomation, AgentTask, Reason};
use crate::plan::automation::standing;
use crate::plan::world::{counts, phase};
use crate::plan::{World, pulls, retry};

/// What a person does about a task, in a sentence or two.
#[must_use]
pub fn of_task(world: &World, task: &AgentTask, reason: Reason, now: Timestamp) -> String {
    let said = match reason {
        Reason::AutomationCap
        | Reason::PolicyCap
        | Reason::RepositoryCap
        | Reason::ReviewQueue
        | Reason::BudgetExhausted
            if is_roomless(world, task, now) =>
        {
            remedy(Reason::NoRoom).to_owned()
        }
        Reason::AutomationGone if task.owner_references().is_empty() => {
            "create the automation, or cancel the task: kubectl aauto cancel TASK -n NAMESPACE".to_owned()
        }
        Reason::Completed => completed(task),
        Reason::SessionFailed | Reason::SessionTimedOut | Reason::SessionCancelled => {
            again(world, task).unwrap_or_else(|| remedy(reason).to_owned())
        }
        reason => remedy(reason).to_owned(),
    };
    typed(&said, task, &task.spec.automation.name, &task.name_any()) + &freeing(task)
}

/// Whether what is in its way is none of those that run: it waits for ever.
fn is_roomless(world: &World, task: &AgentTask, now: Timestamp) -> bool {
    let automation = world.automation_of(task);
    automation.is_some_and(|automation| standing(world, automation, now).why().reason == Reason::NoRoom)
}

/// How the place of a task is freed that counts although nobody may be at work on it any more.
#[must_use]
pub fn freeing(task: &AgentTask) -> String {
    let lingers = counts(task) && (phase(task).is_ended() || phase(task) == Phase::Unknown);
    if lingers {
        let said =
            "; it counts until GitHub says that it has ended: kubectl aauto abandon TASK -n NAMESPACE frees its place";
        return typed(said, task, "", &task.name_any());
    }
    String::new()
}

/// What a person does about an automation, in a sentence.
#[must_use]
pub fn of_automation(automation: &AgentAutomation, reason: Reason) -> String {
    typed(remedy(reason), automation, &automation.name_any(), "")
}

/// A sentence with names in the place of the words that stand for them, so that its commands can be typed as they are.
fn typed(said: &str, object: &impl ResourceExt, automation: &str, task: &str) -> String {
    said.replace("AUTOMATION", automation)
        .replace("TASK", task)
        .replace("NAMESPACE", &object.namespace().unwrap_or_default())
}

fn completed(task: &AgentTask) -> String {
    let pull = task.status.as_ref().and_then(|status| status.pull_request.as_ref());
    let closes = task
        .spec
        .stale_pull_request
        .as_ref()
        .filter(|terms| terms.action == StaleAction::Close);
    match pull {
        None => "nothing has to change".to_owned(),
        Some(pull) if pull.merged => "nothing has to change: its pull request is merged".to_owned(),
        Some(pull) if !pull.is_open() => {
            let by = closes.map_or(
                "",
                |_| "; what nobody deals with the controller closes (spec.stalePullRequest)",
            );
            format!("nothing has to change: its pull request is closed without being merged{by}")
        }
        Some(pull) => in_review(pull, closes.is_some()),
    }
}

fn in_review(pull: &PullRequest, closes: bool) -> String {
    if pulls::refusal(pull).is_some() {
        return remedy(Reason::PullRequestRefused).to_owned();
    }
    match (pull.stale, closes) {
        (true, true) => "review or merge the pull request before the controller closes it",
        (true, false) => remedy(Reason::PullRequestStale),
        (false, _) => "nothing has to change; its pull request waits for people",
    }
    .to_owned()
}

/// What `spec.retry` makes of an end in failure, where there is one.
fn again(world: &World, task: &AgentTask) -> Option<String> {
    let terms = task.spec.retry.as_ref()?;
    if let Some(name) = task.status.as_ref().and_then(|status| status.successor.as_ref()) {
        return Some(format!("nothing has to change: {name} does it again"));
    }
    if retry::is_wanted(world, task) {
        return Some("nothing has to change: it is about to be done again".to_owned());
    }
    let done = task.spec.follows.as_ref().map_or(0, |follows| follows.retries);
    let because = if done >= terms.limit {
        format!(
            "spec.retry.limit, or the policies' spec.maxRetries, allows no more than {}",
            terms.limit
        )
    } else {
        "neither spec.retry nor the policies' spec.maxRetries has it done again".to_owned()
    };
    Some(format!(
        "read what the agent says, and mend the prompt or the repository; {because}"
    ))
}

/// The same in general: of names it has the words `AUTOMATION`, `TASK` and `NAMESPACE`.
fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Ready | Reason::Adopted | Reason::Completed => "nothing has to change",
        Reason::Verifying => "wait: GitHub is being asked",
        Reason::InvalidSpec => {
            "correct the field that the message names; agent-automation validate finds such mistakes before they are applied"
        }
        Reason::BranchNotAllowed => "add a pattern for the base branch to spec.branches.allow, or name another base",
        Reason::InvalidSchedule => {
            "correct the expression or its time zone; agent-automation schedule shows when one fires"
        }
        Reason::NeverFires => "correct spec.triggers: no date matches the expression",
        Reason::InvalidTemplate => "correct the text that the message names; agent-automation validate renders it",
        Reason::SecretMissing => "create the Secret in the automation's namespace",
        Reason::SecretKeyMissing => "put the token under the key that spec.credentials.secretRef names",
        Reason::SecretForbidden => "let the controller's ServiceAccount get the Secret",
        Reason::CredentialRejected => "put a valid token into the Secret: the controller sees it within a minute",
        Reason::RefreshInvalid => "correct the key of the Secret that the message names",
        Reason::RefreshForbidden => {
            "let the controller's ServiceAccount patch the Secret, as deploy/refresh.yaml does; it is tried again within a minute"
        }
        Reason::RefreshRefused | Reason::RefreshOutcomeUnknown => {
            "authorize the app again, and put the new token and refresh-token into the Secret"
        }
        Reason::PermissionDenied => "give the token the permission that the message names",
        Reason::GuardrailUnknown => {
            "give the token the permission that the message names; where it names none, wait: GitHub is asked again"
        }
        Reason::RepositoryNotFound => "correct spec.repository, or give the token access to it",
        Reason::RepositoryMoved => "write the repository's new name into spec.repository",
        Reason::StartRejected => "correct what GitHub names in the message",
        Reason::PolicyDenied => "ask for what the policy allows, or have the platform team change the AgentPolicy",
        Reason::PolicySuspended => "the platform team sets the AgentPolicy's spec.suspend to false",
        Reason::PolicyUnreadable => "the platform team corrects the AgentPolicy",
        Reason::Suspended => "let it go on: kubectl aauto resume AUTOMATION -n NAMESPACE",
        Reason::AutomationCap => {
            "wait for a task of the automation to end (kubectl aauto queue -n NAMESPACE shows which), or raise its spec.concurrency.maxActive"
        }
        Reason::PolicyCap => "wait for a task under the policy to end, or have the platform team raise the cap",
        Reason::RateLimited => "wait: GitHub says until when",
        Reason::GitHubUnavailable => "wait: GitHub does not answer, and is asked again",
        Reason::NotSent => {
            "wait: it is sent again; look at the network between the controller and GitHub if that goes on"
        }
        Reason::AnswerLost => "wait: the task is being looked for at GitHub",
        Reason::NotFoundAtGitHub => {
            "look for the task at GitHub; then kubectl aauto adopt TASK ID -n NAMESPACE says which one it is, and kubectl aauto abandon TASK -n NAMESPACE that there is none"
        }
        Reason::Ambiguous => {
            "decide which of the tasks is right; then kubectl aauto adopt TASK ID -n NAMESPACE says so"
        }
        Reason::Abandoned => "nothing has to change: a person decided so",
        Reason::Starting => "wait for GitHub's answer",
        Reason::InProgress => "wait for the agent",
        Reason::WaitingForUser => "answer the agent on the task's page",
        Reason::SessionFailed => {
            "read what the agent says, and mend the prompt or the repository; spec.retry starts such tasks again"
        }
        Reason::SessionTimedOut => "make the task smaller; spec.retry starts such tasks again",
        Reason::SessionCancelled => "nothing has to change: somebody cancelled it at GitHub",
        Reason::DeadlineExceeded => {
            "raise what the message names, its own startingDeadlineSeconds or the policy's maxStartingDeadlineSeconds, or remove what it waited for"
        }
        Reason::AlreadyDecided => "nothing has to change: what it is for was dealt with before",
        Reason::FailedCreate => "remove what keeps the API server from creating the task, as the message says",
        Reason::AutomationGone => "nothing has to change: it is collected with its automation",
        Reason::AutomationUnreadable => {
            "correct the AgentAutomation, or install the definitions that fit the controller"
        }
        Reason::PolicyFrozen => {
            "wait for the window's end, or have the platform team change spec.freezeWindows of the AgentPolicy"
        }
        Reason::QueueFull => "raise spec.concurrency.maxQueued, or remove what holds those that wait; then ask again",
        Reason::RepositoryCap => "wait for a task in the repository to end, or have the platform team raise the cap",
        Reason::ReviewQueue => "review, merge or close pull requests, beginning with the oldest",
        Reason::StartRate => "wait until an hour has passed since one of the starts",
        Reason::NoRoom => "raise the cap or the budget that the message names: as it is, no task can ever start",
        Reason::BudgetExhausted => {
            "wait for the next window or for running tasks to cost less than is held for them, or raise the budget"
        }
        Reason::GuardrailNotMet => {
            "set up what the message names, in the repository or in the policy; GitHub is asked again within a minute or so"
        }
        Reason::FailureThreshold => {
            "mend what fails, then change the automation's spec, or have it go on: kubectl aauto resume AUTOMATION -n NAMESPACE"
        }
        Reason::RetryBackoff => "wait for its time",
        Reason::Duplicate => {
            "nothing has to change: what it asks for is under way or was done lately; spec.deduplicate says what counts as the same"
        }
        Reason::Replaced => "nothing has to change: a newer task does it",
        Reason::SpecChanged => {
            "nothing has to change: a task made from the changed spec takes its place, if its trigger is still there"
        }
        Reason::BranchGone => "name another base in spec.branches.base, or restore the branch",
        Reason::RunsMissed => "raise spec.concurrency.maxQueued, or remove what holds those that wait",
        Reason::ActiveDeadline => {
            "look at the task's page: it may go on there; raise what the rule names, spec.activeDeadlineSeconds or the \
             policy's spec.maxActiveDeadlineSeconds, if it needs longer"
        }
        Reason::WaitingDeadline => {
            "answer the agent on the task's page sooner, or raise what the rule names, spec.waitingDeadlineSeconds or the \
             policy's spec.maxWaitingDeadlineSeconds"
        }
        Reason::PullRequestStale => "review, merge or close the pull request",
        Reason::PullRequestRefused => {
            "ask the reviewers, set the labels or close it by hand; name whom GitHub knows, or let the token write"
        }
        Reason::ReportRefused => {
            "let the token write to issues and pull requests (\"Issues: write\", \"Pull requests: write\"), or take spec.report away"
        }
        Reason::RequesterMissing => "make the task again with spec.requester",
        Reason::NoManualTrigger => "add a trigger with manual: {} to the automation, and make the task again",
        Reason::InvalidInput => "make the task again with inputs that the automation takes",
        Reason::Approval => "somebody whom the rule names approves it: kubectl aauto approve TASK -n NAMESPACE",
        Reason::CancelledByPerson => "make another task, if it is wanted after all",
        Reason::OriginGone => "nothing has to change: open it again and ask anew, if the work is wanted after all",
        Reason::TextEdited => "read the text as it is now, then ask anew (set the label again), or cancel the task",
        Reason::NotWanted => "nothing has to change: the trigger's fields say which issues and pull requests it is for",
        Reason::Undelivered => {
            "mend what the message names: the receiver, the Secret with the signing key, or a policy's notifyHosts"
        }
        Reason::EventsUnseen => "set the label again, or make a task by hand, for what was asked for in that time",
        Reason::RedeliveryRefused => "redeliver in the webhook's settings at GitHub, or ask again for the work",
        Reason::PolicyNarrows => "ask for no more than the policies allow",
    }
}
