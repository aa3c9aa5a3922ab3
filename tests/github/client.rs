//! The client against answers that are scripted, and its transport against a bare socket.

mod calls;
mod guarded;
mod lists;
mod people;
mod scripted;
mod simulated;
mod socket;
mod starts;
