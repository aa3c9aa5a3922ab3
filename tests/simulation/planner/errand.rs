//! What `execute` does, as a machine that stands still between any two calls: a crash, a pause or another's write fits in
//! there. What an answer means is asked of the planner, as there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use agent_automation::api::task::{Attempt, TaskStatus};
use agent_automation::api::{AgentAutomation, AgentTask};
use agent_automation::observe::Update;
use agent_automation::plan::action::Admitted;
use agent_automation::plan::observed::{GuardrailFacts, Search, StartOutcome};
use agent_automation::plan::world::{BranchFacts, Labelled, SecretState, Verification};
use agent_automation::plan::{
    Action, CredentialKey, ObjectKey, Settings, Subject, World, pulls, start, task as following,
};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::github::{No, Question, Reply, Start, StartAnswer};

const WRITE_RETRY: SignedDuration = SignedDuration::from_secs(1);
const WRITE_FOR: SignedDuration = SignedDuration::from_mins(10);

/// A call that leaves the process.
#[derive(Debug, Clone)]
pub enum Call {
    /// Write these claims into the lease.
    Claim,
    CreateTask(Box<AgentTask>),
    DeleteTask(ObjectKey, String),
    ReplaceTask(Box<AgentTask>),
    ReadTask(ObjectKey),
    ReplaceAutomation(Box<AgentAutomation>),
    ReadSecret(CredentialKey),
    /// With how long the process waits for the answer.
    Start(Box<Start>, SignedDuration),
    Ask(Question, u64),
}

/// What comes back.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Nothing: it may have been done.
    Nothing,
    Claimed,
    NotLeader,
    Task(Box<AgentTask>),
    /// The task as it is after a conflict, or as it was read.
    Newer(Option<Box<AgentTask>>),
    Deleted,
    Automation(Box<AgentAutomation>),
    NewerAutomation(Option<Box<AgentAutomation>>),
    Secret(Option<u64>),
    Started(StartAnswer),
    GitHub(Result<Reply, No>),
}

/// How an errand goes on.
#[derive(Debug)]
pub enum Next {
    Call(Call),
    CallAfter(SignedDuration, Call),
    Done,
}

/// What a process knows besides its world.
#[derive(Debug)]
pub struct Shell {
    pub identity: String,
    pub settings: Settings,
    /// What is claimed, or to be.
    pub wanted: BTreeSet<String>,
    /// What the lease says is claimed.
    pub written: BTreeSet<String>,
    /// Tokens by the Secret's version.
    pub tokens: BTreeMap<CredentialKey, u64>,
}

/// The steps of one subject.
#[derive(Debug)]
pub struct Errand {
    pub subject: Subject,
    steps: VecDeque<Step>,
    doing: Doing,
    /// The step under way, by its action's name.
    name: &'static str,
    failed: Vec<&'static str>,
    pub updates: Vec<Update>,
    pub failure: Option<&'static str>,
}

/// An action with the objects that it is about, as they were when it was planned.
#[derive(Debug)]
pub struct Step {
    action: Action,
    target: Target,
}

#[derive(Debug)]
enum Target {
    None,
    Automation(Box<AgentAutomation>),
    Task(Box<AgentTask>, BTreeSet<String>),
}

#[derive(Debug)]
enum Doing {
    Nothing,
    Creating,
    Deleting(ObjectKey, String),
    Writing(Box<AgentTask>),
    WritingAutomation(Box<AgentAutomation>),
    ReadingSecret(CredentialKey),
    Claiming(Box<AgentTask>, Box<Admitted>, u64),
    WritingAhead {
        task: Box<AgentTask>,
        attempt: Attempt,
        until: Timestamp,
        token: u64,
    },
    Sending {
        task: Box<AgentTask>,
        attempt: Attempt,
        token: u64,
    },
    Recording {
        task: Box<AgentTask>,
        attempt: Attempt,
        outcome: StartOutcome,
        until: Timestamp,
    },
    Asking {
        key: CredentialKey,
        token: u64,
        question: Question,
        task: Option<Box<AgentTask>>,
        began: Timestamp,
    },
}

impl Step {
    pub fn new(world: &World, subject: &Subject, action: Action) -> Self {
        let target = match subject {
            Subject::Automation(key) => world
                .automation(key)
                .cloned()
                .map(|it| Target::Automation(Box::new(it))),
            Subject::Task(key) => world.task(key).cloned().map(|task| {
                let searches = action == Action::Search;
                Target::Task(
                    Box::new(task),
                    if searches { taken(world, key) } else { BTreeSet::new() },
                )
            }),
            _ => None,
        };
        Self {
            action,
            target: target.unwrap_or(Target::None),
        }
    }
}

impl Errand {
    pub fn new(subject: Subject, steps: Vec<Step>) -> Self {
        Self {
            subject,
            steps: steps.into(),
            doing: Doing::Nothing,
            name: "",
            failed: Vec::new(),
            updates: Vec::new(),
            failure: None,
        }
    }

    /// It, in short.
    pub fn told(&self) -> String {
        let steps: Vec<_> = self.steps.iter().map(|step| step.action.name()).collect();
        format!("{}: {}", self.subject, steps.join(" "))
    }

    /// In their order. Where one fails, others of its kind are left for the next time.
    pub fn go_on(&mut self, shell: &mut Shell, now: Timestamp) -> Next {
        while let Some(Step { action, target }) = self.steps.pop_front() {
            self.name = action.name();
            if self.failed.contains(&self.name) {
                continue;
            }
            if let Some(call) = self.begin(action, target, shell, now) {
                return Next::Call(call);
            }
        }
        Next::Done
    }

    fn begin(&mut self, action: Action, target: Target, shell: &mut Shell, now: Timestamp) -> Option<Call> {
        match (action, target) {
            (Action::CreateTask(task), _) => {
                self.doing = Doing::Creating;
                Some(Call::CreateTask(task))
            }
            (Action::DeleteTask { key, uid }, _) => {
                self.doing = Doing::Deleting(key.clone(), uid.clone());
                Some(Call::DeleteTask(key, uid))
            }
            (Action::WriteAutomationStatus(status), Target::Automation(mut automation)) => {
                automation.status = Some(*status);
                self.doing = Doing::WritingAutomation(automation.clone());
                Some(Call::ReplaceAutomation(automation))
            }
            (Action::WriteTaskStatus(status), Target::Task(task, _)) => Some(self.write(task, *status)),
            (Action::Start(admitted), Target::Task(task, _)) => self.claim(task, admitted, shell),
            (Action::ReadSecret, _) => {
                let Subject::Credential(key) = self.subject.clone() else {
                    return None;
                };
                self.doing = Doing::ReadingSecret(key.clone());
                Some(Call::ReadSecret(key))
            }
            (Action::Forget, _) => {
                if let Subject::Credential(key) = &self.subject {
                    shell.tokens.remove(key);
                }
                self.updates.push(Update::Forgotten(self.subject.clone()));
                None
            }
            (action, target) => self.question(action, target, shell, now),
        }
    }

    fn question(&mut self, action: Action, target: Target, shell: &Shell, now: Timestamp) -> Option<Call> {
        let (task, taken) = match target {
            Target::Task(task, taken) => (Some(task), taken),
            _ => (None, BTreeSet::new()),
        };
        let question = match (action, &self.subject) {
            (Action::VerifyRepository, _) => Question::Verify,
            (Action::Poll { since }, _) => Question::Poll(since),
            (Action::Observe { id }, _) => Question::Task(id),
            (Action::Search, _) => Question::Search {
                task: task.clone()?,
                taken,
            },
            (Action::Inspect { guardrails }, Subject::Branch(key)) => Question::Branch {
                repository: key.repository.as_str().to_owned(),
                guardrails,
            },
            (Action::ListPulls, Subject::Pulls(_, repository)) => Question::Pulls(repository.as_str().to_owned()),
            (Action::ListOpenPulls, Subject::Pulls(_, repository)) => {
                Question::OpenPulls(repository.as_str().to_owned())
            }
            (Action::ObservePull { number }, _) => Question::Pull(number),
            (Action::HandOver { number, .. }, _) => Question::HandOver {
                number,
                labels: task.as_ref()?.spec.pull_request.labels.clone(),
            },
            (Action::ClosePull { number }, _) => Question::Close(number),
            _ => return None,
        };
        let key = match (&self.subject, &task) {
            (Subject::Credential(key) | Subject::Repository(key, _) | Subject::Pulls(key, _), _) => key.clone(),
            (Subject::Branch(branch), _) => branch.credential.clone(),
            (_, task) => CredentialKey::of_task(task.as_ref()?),
        };
        let Some(secret) = shell.tokens.get(&key).copied() else {
            self.fail("the credential can't be used");
            return None;
        };
        self.doing = Doing::Asking {
            key,
            token: secret,
            question: question.clone(),
            task,
            began: now,
        };
        Some(Call::Ask(question, secret))
    }

    fn claim(&mut self, task: Box<AgentTask>, admitted: Box<Admitted>, shell: &mut Shell) -> Option<Call> {
        let Some(token) = shell.tokens.get(&CredentialKey::of_start(&task, &admitted)).copied() else {
            self.fail("the credential can't be used");
            return None;
        };
        shell.wanted.insert(task.uid().unwrap_or_default());
        self.doing = Doing::Claiming(task, admitted, token);
        Some(Call::Claim)
    }

    fn write(&mut self, mut task: Box<AgentTask>, status: TaskStatus) -> Call {
        task.status = Some(status);
        self.doing = Doing::Writing(task.clone());
        Call::ReplaceTask(task)
    }

    fn fail(&mut self, failure: &'static str) {
        self.failed.push(self.name);
        self.failure = Some(failure);
    }

    fn give_up(&mut self, failure: &'static str, shell: &mut Shell, now: Timestamp) -> Next {
        self.fail(failure);
        self.go_on(shell, now)
    }

    fn end(&mut self, update: Update, shell: &mut Shell, now: Timestamp) -> Next {
        self.updates.push(update);
        self.go_on(shell, now)
    }

    pub fn hear(&mut self, answer: Answer, shell: &mut Shell, now: Timestamp) -> Next {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing => Next::Done,
            Doing::Creating => match answer {
                Answer::Task(task) => self.end(Update::TaskWritten(task), shell, now),
                Answer::Newer(there) => {
                    self.updates.extend(there.map(Update::Task));
                    self.go_on(shell, now)
                }
                _ => self.give_up("no answer", shell, now),
            },
            Doing::Deleting(key, uid) => match answer {
                Answer::Deleted => self.end(Update::TaskGone(key, uid), shell, now),
                _ => self.give_up("no answer", shell, now),
            },
            Doing::Writing(task) => match answer {
                Answer::Task(written) => self.end(Update::TaskWritten(written), shell, now),
                Answer::Newer(newer) => self.refreshed(&task, newer, shell, now),
                _ => self.give_up("no answer", shell, now),
            },
            Doing::WritingAutomation(automation) => self.automation_written(&automation, answer, shell, now),
            Doing::ReadingSecret(key) => match answer {
                Answer::Secret(version) => self.secret(key, version, shell, now),
                _ => self.give_up("no answer", shell, now),
            },
            Doing::Claiming(task, admitted, token) => self.claimed(task, &admitted, token, &answer, shell, now),
            Doing::WritingAhead {
                task,
                attempt,
                until,
                token,
            } => self.written_ahead(task, attempt, until, token, answer, shell, now),
            Doing::Sending { task, attempt, token } => self.sent(task, attempt, token, answer, shell, now),
            Doing::Recording {
                task,
                attempt,
                outcome,
                until,
            } => self.recorded(task, attempt, outcome, until, answer, shell, now),
            Doing::Asking {
                key,
                token,
                question,
                task,
                began,
            } => {
                let Answer::GitHub(answer) = answer else {
                    return self.give_up("no answer", shell, now);
                };
                self.lessons(&key, token, answer.as_ref().err(), now);
                self.heard_back(key, token, &question, task, began, answer, shell, now)
            }
        }
    }

    fn refreshed(
        &mut self,
        task: &AgentTask,
        newer: Option<Box<AgentTask>>,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        match newer {
            Some(newer) if newer.uid() == task.uid() => self.updates.push(Update::Task(newer)),
            other => {
                self.updates.push(gone(task));
                self.updates.extend(other.map(Update::Task));
            }
        }
        self.go_on(shell, now)
    }

    fn automation_written(
        &mut self,
        automation: &AgentAutomation,
        answer: Answer,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        let key = ObjectKey::of(automation);
        match answer {
            Answer::Automation(written) => {
                self.updates.push(Update::Automation(written));
                self.end(Update::StatusWritten(key, now), shell, now)
            }
            Answer::NewerAutomation(Some(newer)) => self.end(Update::Automation(newer), shell, now),
            Answer::NewerAutomation(None) => {
                let gone = Update::AutomationGone(key, automation.uid().unwrap_or_default());
                self.end(gone, shell, now)
            }
            _ => self.give_up("no answer", shell, now),
        }
    }

    fn secret(&mut self, key: CredentialKey, version: Option<u64>, shell: &mut Shell, now: Timestamp) -> Next {
        let state = if let Some(version) = version {
            shell.tokens.insert(key.clone(), version);
            SecretState::Present {
                resource_version: version.to_string(),
            }
        } else {
            shell.tokens.remove(&key);
            SecretState::Missing
        };
        self.end(Update::Secret(key, state, now), shell, now)
    }

    fn claimed(
        &mut self,
        mut task: Box<AgentTask>,
        admitted: &Admitted,
        token: u64,
        answer: &Answer,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        if !matches!(answer, Answer::Claimed) {
            shell.release(&task.uid().unwrap_or_default());
            return self.give_up("the claim did not get through", shell, now);
        }
        let status = start::write_ahead(&task, admitted, &shell.identity, &shell.settings, now);
        let attempt = status.attempts.last().unwrap().clone();
        task.status = Some(status);
        self.doing = Doing::WritingAhead {
            task: task.clone(),
            attempt,
            until: now + WRITE_FOR,
            token,
        };
        Next::Call(Call::ReplaceTask(task))
    }

    /// A write whose answer is lost is sent again as it is: its version lets one of the two through.
    #[expect(clippy::too_many_arguments, reason = "they are the state that it leaves")]
    fn written_ahead(
        &mut self,
        task: Box<AgentTask>,
        attempt: Attempt,
        until: Timestamp,
        token: u64,
        answer: Answer,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        let uid = task.uid().unwrap_or_default();
        let is_ours = |newer: &AgentTask| {
            let status = newer.status.as_ref();
            status.and_then(|status| status.attempts.last()) == Some(&attempt)
        };
        match answer {
            Answer::Task(written) => {
                shell.release(&uid);
                self.send(written, attempt, token, shell, now)
            }
            Answer::Newer(Some(newer)) if is_ours(&newer) => {
                shell.release(&uid);
                self.send(newer, attempt, token, shell, now)
            }
            Answer::Newer(newer) => {
                shell.release(&uid);
                let update = newer.map_or_else(|| gone(&task), Update::Task);
                self.end(update, shell, now)
            }
            _ if now > until => {
                shell.release(&uid);
                self.give_up("no answer", shell, now)
            }
            _ => {
                let again = Call::ReplaceTask(task.clone());
                self.doing = Doing::WritingAhead {
                    task,
                    attempt,
                    until,
                    token,
                };
                Next::CallAfter(WRITE_RETRY, again)
            }
        }
    }

    fn send(&mut self, task: Box<AgentTask>, attempt: Attempt, token: u64, shell: &mut Shell, now: Timestamp) -> Next {
        let left = attempt.deadline.duration_since(now);
        if left <= SignedDuration::ZERO {
            let outcome = StartOutcome::NotSent("its deadline passed before it was sent".to_owned());
            return self.record(task, attempt, outcome, now + WRITE_FOR, shell, now);
        }
        let start = Start {
            uid: task.uid().unwrap_or_default(),
            prompt: start::prompt(&task, &attempt),
            attempt: attempt.clone(),
            repository: task.spec.repository.clone(),
            opens_pull: task.spec.pull_request.create,
            token,
        };
        self.doing = Doing::Sending { task, attempt, token };
        Next::Call(Call::Start(Box::new(start), left))
    }

    fn sent(
        &mut self,
        task: Box<AgentTask>,
        attempt: Attempt,
        token: u64,
        answer: Answer,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        let key = CredentialKey::of_task(&task);
        let outcome = match answer {
            Answer::Started(StartAnswer::Created(seen)) => {
                self.updates.push(Update::Answered(key));
                StartOutcome::Created(seen)
            }
            Answer::Started(StartAnswer::Refused(no)) => {
                self.lessons(&key, token, Some(&no), now);
                StartOutcome::Refused(no.refused(now))
            }
            Answer::Started(StartAnswer::NeverSent) => StartOutcome::NotSent("connection refused".to_owned()),
            _ => StartOutcome::Unknown("no answer".to_owned()),
        };
        self.record(task, attempt, outcome, now + WRITE_FOR, shell, now)
    }

    fn record(
        &mut self,
        task: Box<AgentTask>,
        attempt: Attempt,
        outcome: StartOutcome,
        until: Timestamp,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        let status = task.status.clone().unwrap_or_default();
        let Some(next) = start::conclude(&status, &attempt, &outcome, now) else {
            return self.end(Update::Task(task), shell, now);
        };
        let mut concluded = task.clone();
        concluded.status = Some(next);
        self.doing = Doing::Recording {
            task,
            attempt,
            outcome,
            until,
        };
        Next::Call(Call::ReplaceTask(concluded))
    }

    #[expect(clippy::too_many_arguments, reason = "they are the state that it leaves")]
    fn recorded(
        &mut self,
        task: Box<AgentTask>,
        attempt: Attempt,
        outcome: StartOutcome,
        until: Timestamp,
        answer: Answer,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        match answer {
            Answer::Task(written) => self.end(Update::TaskWritten(written), shell, now),
            _ if now > until => self.give_up("no answer", shell, now),
            Answer::Newer(Some(newer)) if newer.uid() == task.uid() => {
                self.record(newer, attempt, outcome, until, shell, now)
            }
            Answer::Newer(_) => self.end(gone(&task), shell, now),
            _ => {
                let read = Call::ReadTask(ObjectKey::of(&*task));
                self.doing = Doing::Recording {
                    task,
                    attempt,
                    outcome,
                    until,
                };
                Next::CallAfter(WRITE_RETRY, read)
            }
        }
    }

    fn lessons(&mut self, key: &CredentialKey, token: u64, no: Option<&No>, now: Timestamp) {
        match no {
            None => self.updates.push(Update::Answered(key.clone())),
            Some(No::BadCredentials) => self.updates.push(Update::Rejected(key.clone(), token.to_string())),
            Some(No::Limited(wait)) => self.updates.push(Update::Limited(key.clone(), *wait, now)),
            Some(_) => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the state that it leaves")]
    fn heard_back(
        &mut self,
        key: CredentialKey,
        token: u64,
        question: &Question,
        task: Option<Box<AgentTask>>,
        began: Timestamp,
        answer: Result<Reply, No>,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        match (self.subject.clone(), task) {
            (Subject::Repository(_, repository), _) => {
                let result = answer.map(|_| ()).map_err(|no| no.refused(now));
                let verification = Verification {
                    checked_at: now,
                    resource_version: token.to_string(),
                    result,
                };
                self.end(Update::Verified(key, repository, verification), shell, now)
            }
            (Subject::Branch(branch), _) => {
                let (exists, guardrails) = match answer {
                    Ok(Reply::Branch { exists, guardrails }) => {
                        let told = guardrails.map(|told| GuardrailFacts {
                            checked_at: now,
                            ..told
                        });
                        (Ok(exists), told)
                    }
                    Ok(_) => (Ok(true), None),
                    Err(no) => (Err(no.refused(now)), None),
                };
                let facts = BranchFacts {
                    checked_at: now,
                    resource_version: token.to_string(),
                    exists,
                    guardrails,
                };
                self.end(Update::Inspected(branch, Box::new(facts)), shell, now)
            }
            (Subject::Pulls(_, repository), _) => match answer {
                Ok(Reply::Pulls(pulls)) => {
                    self.end(Update::PullsListed(key, repository, began, Some(pulls)), shell, now)
                }
                Ok(Reply::OpenPulls(pulls)) => {
                    let labelled = Labelled {
                        asked_at: began,
                        answered_at: now,
                        pulls,
                    };
                    self.end(Update::OpenPullsListed(key, repository, labelled), shell, now)
                }
                _ => self.give_up("GitHub said no", shell, now),
            },
            (Subject::Credential(_), _) => match answer {
                Ok(Reply::Listed(tasks)) => self.end(Update::Listed(key, began, Some(tasks)), shell, now),
                _ => self.give_up("GitHub said no", shell, now),
            },
            (Subject::Task(name), Some(task)) => self.told_of_task(name, question, task, began, answer, shell, now),
            _ => Next::Done,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the state that it leaves")]
    fn told_of_task(
        &mut self,
        name: ObjectKey,
        question: &Question,
        task: Box<AgentTask>,
        began: Timestamp,
        answer: Result<Reply, No>,
        shell: &mut Shell,
        now: Timestamp,
    ) -> Next {
        let status = task.status.clone().unwrap_or_default();
        let next = match (question, answer) {
            (_, Ok(Reply::Found { whole, matches })) => {
                let search = Search { began, whole, matches };
                return self.end(Update::Searched(name, search), shell, now);
            }
            (_, Ok(Reply::Task(seen))) => {
                self.updates.push(Update::Observed(name, now));
                following::observe(&status, &seen, now)
            }
            (_, Ok(Reply::Pull(seen))) => {
                self.updates.push(Update::PullObserved(name, now));
                pulls::observe(&status, &seen)
            }
            (Question::HandOver { .. }, Ok(_)) => pulls::handed_over(&status, "done"),
            (Question::HandOver { .. }, Err(no)) if no.is_final() => pulls::handed_over(&status, "GitHub refused"),
            (Question::Close(_), Err(no)) if no.is_final() => pulls::close_refused(&status, "GitHub refused"),
            (Question::Close(number), Ok(_)) => {
                let key = CredentialKey::of_task(&task);
                let Some(token) = shell.tokens.get(&key).copied() else {
                    return self.give_up("the credential can't be used", shell, now);
                };
                let question = Question::Pull(*number);
                self.doing = Doing::Asking {
                    key,
                    token,
                    question: question.clone(),
                    task: Some(task),
                    began: now,
                };
                return Next::Call(Call::Ask(question, token));
            }
            _ => return self.give_up("GitHub said no", shell, now),
        };
        match next {
            Some(next) => Next::Call(self.write(task, next)),
            None => self.go_on(shell, now),
        }
    }
}

impl Shell {
    /// The write has been answered, one way or the other.
    pub fn release(&mut self, uid: &str) {
        self.wanted.remove(uid);
        self.written.remove(uid);
    }
}

fn taken(world: &World, key: &ObjectKey) -> BTreeSet<String> {
    let others = world.tasks().filter(|(name, _)| *name != key);
    others
        .filter_map(|(_, task)| Some(task.status.as_ref()?.task.as_ref()?.id.clone()))
        .collect()
}

fn gone(task: &AgentTask) -> Update {
    Update::TaskGone(ObjectKey::of(task), task.uid().unwrap_or_default())
}
