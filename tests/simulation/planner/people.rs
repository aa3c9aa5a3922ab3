//! What people do meanwhile: they edit, suspend, delete, merge, close, open again, judge, and change tokens.

use agent_automation::api::automation::RESUME_ANNOTATION;
use agent_automation::api::task::{ABANDON_ANNOTATION, ADOPT_ANNOTATION, Phase};
use agent_automation::plan::ObjectKey;
use jiff::SignedDuration;
use kube::ResourceExt;
use rand::RngExt;
use rand::seq::IteratorRandom;

use super::chance::{likely, pick};
use super::life::{Event, Life};
use super::objects::{KEY, POLICIES, REPOSITORIES, automation, credentials, edit, policy, relax, rest};

/// Nobody deletes a task that is younger: a second create of it may still be on its way, and where there is no object of
/// that name any more, that is taken in.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(30);

impl Life {
    /// One of the things that people do.
    pub fn people(&mut self) {
        match self.chance.random_range(0..18) {
            0 | 1 => self.change_a_policy(),
            2 | 3 => self.edit_an_automation(),
            4 => self.resume_an_automation(),
            5 => self.delete_an_automation(),
            6 => self.delete_a_task(),
            7 | 8 => self.deal_with_a_pull(),
            9 => self.open_a_pull(),
            10 => self.disturb_a_task(),
            11 => self.judge_a_task(),
            12 => self.end_a_token(),
            13 => self.lose_a_secret(),
            14 => self.change_a_branch(),
            _ => self.change_guardrails(),
        }
    }

    fn an_automation(&mut self) -> Option<ObjectKey> {
        self.cluster.automations.keys().choose(&mut self.chance).cloned()
    }

    fn change_a_policy(&mut self) {
        let name = POLICIES[usize::from(likely(&mut self.chance, 0.2))];
        let spec = (!likely(&mut self.chance, 0.1)).then(|| policy(name, self.now, &mut self.chance));
        self.cluster.put_policy(name, spec);
    }

    fn edit_an_automation(&mut self) {
        let Some(key) = self.an_automation() else { return };
        let chance = &mut self.chance;
        self.cluster.edit_automation(&key, |spec| edit(spec, chance));
    }

    fn resume_an_automation(&mut self) {
        let Some(key) = self.an_automation() else { return };
        let value = self.chance.random_range(0..1_000).to_string();
        self.cluster.annotate_automation(&key, RESUME_ANNOTATION, &value);
    }

    /// Another one of its name comes later.
    fn delete_an_automation(&mut self) {
        let Some(key) = self.an_automation() else { return };
        if likely(&mut self.chance, 0.5) {
            return;
        }
        self.cluster.delete_automation(&key);
        self.after(5_000, Event::Automation(key));
    }

    pub fn make_again(&mut self, key: &ObjectKey) {
        let index = key.name.trim_start_matches("team-").parse().unwrap();
        let mut automation = automation(index, &mut self.chance);
        automation.metadata.namespace = Some(key.namespace.clone());
        if self.checks.is_settling {
            rest(&mut automation.spec);
        }
        if !self.cluster.automations.contains_key(key) {
            self.cluster.create_automation(automation);
        }
    }

    /// One whose time is decided.
    fn delete_a_task(&mut self) {
        let (now, automations) = (self.now, &self.cluster.automations);
        let decided = |task: &agent_automation::api::AgentTask| {
            let of = automations
                .values()
                .find(|it| it.uid().as_ref() == Some(&task.spec.automation.uid));
            let schedules = of
                .and_then(|automation| automation.status.as_ref())
                .map(|status| &status.schedules);
            schedules.is_some_and(|all| {
                all.iter()
                    .any(|it| it.decided_through >= task.spec.trigger.scheduled_time)
            })
        };
        let is_old = |task: &agent_automation::api::AgentTask| {
            let created = task.metadata.creation_timestamp.as_ref().unwrap().0;
            now.duration_since(created) > LONGEST_DELAY
        };
        let tasks = self
            .cluster
            .tasks
            .iter()
            .filter(|(_, task)| decided(task) && is_old(task));
        let chosen = tasks
            .map(|(key, task)| (key.clone(), task.uid().unwrap()))
            .choose(&mut self.chance);
        if let Some((key, uid)) = chosen {
            self.cluster.delete_task(super::cluster::PEOPLE, &key, &uid);
        }
    }

    fn deal_with_a_pull(&mut self) {
        if !self.github.pulls.is_empty() {
            let index = self.chance.random_range(0..self.github.pulls.len());
            self.github.disturb_pull(index, &mut self.chance);
        }
    }

    /// By hand, with the key as a label.
    fn open_a_pull(&mut self) {
        let repository = pick(&mut self.chance, &REPOSITORIES);
        self.github.open_pull(repository, vec![KEY.to_owned()]);
    }

    fn disturb_a_task(&mut self) {
        if self.github.tasks.is_empty() {
            return;
        }
        let index = self.chance.random_range(0..self.github.tasks.len());
        self.github.disturb_task(index, &mut self.chance);
        self.moves_later(index);
    }

    /// A person looks at GitHub and says which task an unknown one is, or that there is none.
    fn judge_a_task(&mut self) {
        let unknown = self.cluster.tasks.iter().filter(|(_, task)| {
            task.status
                .as_ref()
                .is_some_and(|status| status.phase == Phase::Unknown)
        });
        let chosen = unknown
            .map(|(key, task)| (key.clone(), task.uid().unwrap()))
            .choose(&mut self.chance);
        let Some((key, uid)) = chosen else { return };
        match self
            .github
            .tasks
            .iter()
            .find(|record| record.uid == uid)
            .map(|record| record.id.clone())
        {
            Some(id) => self.cluster.annotate_task(&key, ADOPT_ANNOTATION, &id),
            None => self.cluster.annotate_task(&key, ABANDON_ANNOTATION, "there is none"),
        }
    }

    /// GitHub refuses it from now on; a while later there is a new one.
    fn end_a_token(&mut self) {
        let Some((key, version)) = self.a_secret() else { return };
        self.github.revoked.insert(version);
        self.after(20_000, Event::Secret(key));
    }

    fn lose_a_secret(&mut self) {
        let Some((key, _)) = self.a_secret() else { return };
        self.cluster.secrets.remove(&key);
        self.after(20_000, Event::Secret(key));
    }

    fn a_secret(&mut self) -> Option<(agent_automation::plan::CredentialKey, u64)> {
        let secrets = self
            .cluster
            .secrets
            .iter()
            .map(|(key, version)| (key.clone(), *version));
        secrets.choose(&mut self.chance)
    }

    fn change_a_branch(&mut self) {
        let repository = pick(&mut self.chance, &REPOSITORIES);
        let branch = self.github.branches.get_mut(repository).unwrap();
        branch.exists = !branch.exists;
    }

    fn change_guardrails(&mut self) {
        let (now, repository) = (self.now, pick(&mut self.chance, &REPOSITORIES));
        let approvals = pick(&mut self.chance, &[None, Some(1)]);
        let hidden = likely(&mut self.chance, 0.5);
        let branch = self.github.branches.get_mut(repository).unwrap();
        if branch.is_guarded() {
            branch.met_at = now;
        }
        (branch.approvals, branch.hidden) = (approvals, hidden);
    }

    /// Everything works again, and nothing new is due: what is left must come to its end within its caps.
    pub fn calm(&mut self) {
        self.github.trouble = super::github::Trouble::default();
        for branch in self.github.branches.values_mut() {
            (branch.exists, branch.approvals, branch.hidden) = (true, Some(1), false);
        }
        for key in credentials() {
            if self
                .cluster
                .secrets
                .get(&key)
                .is_none_or(|version| self.github.revoked.contains(version))
            {
                self.new_secret(key);
            }
        }
        let policies: Vec<_> = self
            .cluster
            .policies
            .values()
            .map(|policy| (policy.name_any(), policy.spec.clone()))
            .collect();
        for (name, mut spec) in policies {
            relax(&mut spec);
            self.cluster.put_policy(&name, Some(spec));
        }
        if !self.cluster.policies.contains_key(POLICIES[0]) {
            let mut spec = policy(POLICIES[0], self.now, &mut self.chance);
            relax(&mut spec);
            self.cluster.put_policy(POLICIES[0], Some(spec));
        }
        for key in self.cluster.automations.keys().cloned().collect::<Vec<_>>() {
            self.cluster.edit_automation(&key, rest);
        }
    }

    /// What only people can bring to an end.
    pub fn clear_up(&mut self) {
        self.github.merge_all();
        for index in self.github.answer_all() {
            self.moves_later(index);
        }
        let unknown = self.cluster.tasks.values().filter(|task| {
            task.status.as_ref().is_some_and(|status| {
                status.phase == Phase::Unknown
                    && status
                        .attempts
                        .last()
                        .is_some_and(|attempt| attempt.deadline + SignedDuration::from_secs(200) < self.now)
            })
        });
        if unknown.count() > 0 {
            self.judge_a_task();
        }
    }
}
