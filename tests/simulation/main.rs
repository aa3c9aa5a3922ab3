//! The real shell in one thread on paused time, and the stand-ins that this needs.

mod conformance;
