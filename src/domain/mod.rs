//! Parsed, valid values. Text from a manifest is parsed once, here; what comes out cannot be wrong.

pub mod branch;
pub mod condition;
pub mod counted;
pub mod endpoint;
pub mod event;
pub mod expression;
pub mod inputs;
pub mod outside;
pub mod pattern;
pub mod prompt;
pub mod repository;
pub mod schedule;
pub mod task_id;
pub mod task_state;
