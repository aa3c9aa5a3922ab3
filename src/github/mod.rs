//! The GitHub client: agent tasks, pull requests, limits.
