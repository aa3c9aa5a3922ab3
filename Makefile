# What is built outside Cargo, and what takes more than one command.

.PHONY: control-plane generate

# etcd, kube-apiserver, kube-controller-manager and kubectl for the tests and the demo: once, then from the cache.
control-plane:
	@tests/control-plane/build

# crds/ from the kinds in src/api/.
generate:
	@cargo run --quiet -- crds --output-dir crds
