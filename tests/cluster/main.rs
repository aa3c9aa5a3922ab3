//! What only a real API server can show. All tests here share one control plane; each works in namespaces of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod control_plane;
