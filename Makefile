# What takes more than one command, or is built outside Cargo. `make` alone lists it.

# Seeds of `make soak`: of the planner alone, and of the whole.
N ?= 1000000
M ?= 100000
# Seconds of `make fuzz` for each target.
T ?= 60
# `make demo KEEP=1` leaves the demo running.
KEEP ?=
# Requests a second that `make bench` allows kube-controller-manager; its default is 20.
QPS ?=

FEATURES := --features simulator
# Its path is for people who ask for it; its progress is for everyone.
CONTROL_PLANE := tests/control-plane/build >/dev/null

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-decisions bench-sweeps bench-webhooks soak fuzz mutants check generate control-plane openapi

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Show it at work on a real API server and a stand-in for GitHub; KEEP=1 leaves it running
	@$(CONTROL_PLANE)
	@cargo build --workspace $(FEATURES) --bins
	@KEEP=$(KEEP) target/debug/demo

test: ## Run every test but soak, fuzz, mutants and bench
	@$(CONTROL_PLANE) && tests/openapi/fetch >/dev/null && tests/webhook-examples/fetch >/dev/null
	cargo test --workspace $(FEATURES) --no-fail-fast

bench: ## Measure it beside CronJob: latencies, writes, memory, CPU; some seven minutes; then the other three
	@$(CONTROL_PLANE)
	@cargo build --release --workspace $(FEATURES) --bins
	@QPS=$(QPS) target/release/bench
	@$(MAKE) --no-print-directory bench-decisions bench-webhooks bench-sweeps

bench-webhooks: ## Measure the receiver of webhooks: what 500 deliveries a second wait for an answer; some three minutes
	@$(CONTROL_PLANE)
	@cargo build --release --workspace $(FEATURES) --bins
	@target/release/webhooks

bench-sweeps: ## Measure looks at 500 repositories in which nothing happens: requests, memory, CPU; some ten minutes
	@$(CONTROL_PLANE)
	@cargo build --release --workspace $(FEATURES) --bins
	@target/release/sweeps

bench-decisions: ## Measure the planner alone, over 10,000 automations: time for one change, a cold start, memory
	@cargo bench --quiet $(FEATURES) --bench decisions

soak: ## Run N=1000000 seeds of the planner alone and M=100000 of the whole simulation; hours
	PLANNER_SEEDS=$(N) cargo test --release $(FEATURES) --test simulation planner:: -- --nocapture
	SOAK_SEEDS=$(M) cargo test --release $(FEATURES) --test simulation soak:: -- --nocapture

fuzz: ## Look for bytes from outside that break what holds for any, T=60 seconds for each target; needs nightly Rust
	@tests/fuzz/run $(T)

mutants: ## Put seeded defects into the start protocol, one at a time; the tests must catch each
	tests/mutants/run

check: ## Formatting and lints, as in CI
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(FEATURES) -- -D warnings

generate: ## Write crds/ from src/api/
	cargo run --quiet -- crds --output-dir crds

control-plane: ## Build etcd, kube-apiserver, kube-controller-manager and kubectl, once, into a cache outside the tree
	@tests/control-plane/build

openapi: ## Fetch GitHub's published OpenAPI description, once, into the same cache
	@tests/openapi/fetch
