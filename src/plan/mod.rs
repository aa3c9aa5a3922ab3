//! Decisions. Synchronous and pure: a [`World`] and `now` in, a [`Planned`] out. Nothing here names a client, a runtime,
//! the clock or randomness, so the same planner runs in the controller, on a laptop, and in the tests that crash the
//! controller at every step. A plan leaves the shell no choices.
//!
//! One file a concern: [`schedule`] says which times are due, [`automation`] turns them into tasks, lets go and sums up,
//! the [`queue`] says which waiting tasks are looked at, and [`admission`] which of them start: in [`order`], by what a
//! [`policy`] and its [`freeze`] windows allow, what [`room`] caps and the [`budget`] leave, which of two [`duplicates`]
//! gives way ([`prospects`] says which may still start, and [`deadline`] until when), whether [`guardrails`] are met, and what has become of where the work came from ([`origin`]).
//! [`start`] says what the outcome of a start means, [`search`] what it means when a lost one is looked for, [`task`] what
//! an observation means, [`retry`] what follows a failure, [`pulls`] what becomes of a pull request, [`report`] what is said where
//! the work came from, [`notify`] who is told of its end, [`event`] and [`sweep`] what happens at
//! GitHub, [`walk`] how far a look has come, [`redelivery`] which of its deliveries are asked for again and
//! [`webhook_source`] whether they can be, [`credential`] when a
//! Secret is read and GitHub polled, [`refresh`] when an app's token is exchanged for the next.

pub mod action;
pub mod admission;
pub mod automation;
pub mod budget;
pub mod conditions;
pub mod credential;
pub mod crowd;
pub mod deadline;
mod decided;
pub mod duplicates;
pub mod event;
pub mod freeze;
pub mod guardrails;
pub mod intervention;
pub mod naming;
pub mod notify;
pub mod observed;
pub mod order;
pub mod origin;
pub mod policy;
pub mod prospects;
pub mod pulls;
#[cfg(test)]
mod purity;
pub mod queue;
pub mod redelivery;
pub mod refresh;
pub mod report;
pub mod request;
pub mod retry;
pub mod room;
pub mod schedule;
pub mod search;
pub mod settings;
pub mod spec;
pub mod start;
pub mod sweep;
#[cfg(test)]
mod tables;
pub mod task;
pub mod time;
pub mod walk;
pub mod webhook_source;
pub mod world;

use jiff::Timestamp;

use crate::api::Reason;
pub use action::{Action, Subject};
pub use settings::Settings;
pub use world::{CredentialKey, ObjectKey, World};

/// What is to be done for one subject, when to look at it again, and why.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Planned {
    /// Done in this order; each is one call to an API, or the start protocol.
    pub actions: Vec<Action>,
    /// Nothing can change before this time unless something is observed.
    pub wake: Option<Timestamp>,
    /// Why it is as it is.
    pub reasons: Vec<Why>,
}

/// A reason with its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    pub reason: Reason,
    pub message: String,
}

/// What is to be done for a subject, other than to start it: that is [`admission`]'s.
#[must_use]
pub fn plan(world: &World, subject: &Subject, settings: &Settings, now: Timestamp) -> Planned {
    match subject {
        Subject::Automation(key) => automation::plan(world, key, settings, now),
        Subject::Task(key) => task::plan(world, key, settings, now),
        Subject::Credential(key) => credential::plan(world, key, settings, now),
        Subject::Repository(key, name) => credential::plan_verification(world, key, name, settings, now),
        Subject::Branch(key) => guardrails::plan(world, key, settings, now),
        Subject::Events(key, repository) => sweep::plan(world, key, repository, settings, now),
        Subject::Deliveries(key, repository) => redelivery::plan(world, key, repository, now),
        Subject::WebhookSource(key) => webhook_source::plan(world, key, now),
        Subject::Origin(key) => origin::plan(world, key),
        Subject::Notification(key, name) => notify::plan(world, key, name, settings, now),
        Subject::Pulls(key, repository) => pulls::plan(world, key, repository, settings, now),
    }
}

impl Why {
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

impl Planned {
    /// Looks again at `time`, or earlier if something asked for that already.
    pub fn wake_at(&mut self, time: Timestamp) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }
}
