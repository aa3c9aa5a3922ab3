//! The stand-in for GitHub, served over HTTP.
fn main() {}
