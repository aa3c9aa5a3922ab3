//! An API server in memory: a tower service that a `kube::Client` cannot tell from the real one.
