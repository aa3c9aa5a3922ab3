//! What the tests, the demo and the benchmark stand on.

pub mod conformance;
pub mod control_plane;
pub mod memory;
pub mod openapi;
pub mod programs;
