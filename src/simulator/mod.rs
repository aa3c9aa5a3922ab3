//! The stand-in for GitHub.
