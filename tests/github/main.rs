//! The simulated GitHub against GitHub's published description, and the client against both.

mod faults;
mod limits;
mod lists;
mod pulls;
mod scripts;
mod tokens;
mod world;
