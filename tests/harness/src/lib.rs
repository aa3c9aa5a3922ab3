//! What the tests, the demo and the benchmark stand on.

pub mod conformance;
pub mod control_plane;
pub mod memory;
pub mod openapi;
pub mod programs;

/// Says on standard error what a test covered. Unlike `println!` it is seen when the test passes, too.
#[macro_export]
macro_rules! covered {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
