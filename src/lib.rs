//! A Kubernetes controller that turns coding-agent work into a declared, reviewed and audited queue.
//!
//! # Bird's-eye view
//!
//! A team commits an [`AgentAutomation`](api::automation::AgentAutomation). When one of its triggers fires, the
//! controller creates an [`AgentTask`](api::task::AgentTask), an immutable snapshot of what was decided; those objects
//! *are* the queue. Admission looks at every waiting task, the caps and the
//! [`AgentPolicy`](api::policy::AgentPolicy) objects, and lets some of them start. A start is one POST to GitHub that
//! cannot be repeated safely, so it is written down first and its answer is looked for when it is lost. From then on
//! the task is polled until it has ended, and its pull request is followed until it is merged or closed.
//!
//! ```text
//!        watch                            pure                  write
//! API server ──► observe ──► plan::World ──► plan::Planned ──► execute ──► API server, GitHub
//!                     ▲                                          │
//!                     └───────────── what came of it ────────────┘
//! ```
//!
//! The core is functional, the shell imperative: [`plan`] is synchronous and pure, a snapshot and `now` in, a plan
//! out; it names no client, no runtime, no clock and no randomness. Of decisions, only [`execute`] writes; the leader's
//! lease, which is also the ledger of starts about to be written ahead, is [`controller::lease`]'s own.
//!
//! # Code map
//!
//! | path | room |
//! |---|---|
//! | `main.rs` | command line; wiring only |
//! | [`api`] | the four kinds, one file each, and triggers, reasons and who is notified; `crds/` is generated from them |
//! | [`domain`] | parsed, valid values: repository, branch pattern, schedule, prompt template, inputs, a task's id, events of GitHub, conditions over them (`when`), text from outside. Parse once |
//! | [`plan`] | decisions, one file a concern: schedule, automation (its standing, history and tallies), queue (which waiting tasks are looked at), admission (order, policy, freeze, the crowd that waits, room and its limits, budget, duplicates, guardrails), request (what a person asks for, approvals, and in whose name a person decides), intervention (what people decide about a task that was sent), event, sweep and redelivery (what happens at GitHub, looked for, and asked for again), origin (what has become of where work came from), report (what is said there), notify (who is told of a task's end), start, search, task, retry, deadline, pulls, credential (and which of several), refresh, conditions, naming; over `world`, what is known: objects and facts, by their keys and indices; pinned by `plan/tables/` |
//! | [`observe`], [`execute`] | news → world, whom it concerns, and GitHub's answers in the planner's words; one action → its calls to the API server, GitHub or a receiver of notifications |
//! | [`controller`] | watches (Secrets: each by its name), event loop, timers, leader lease and ledger, Events, metrics and counted requests, the HTTP endpoints |
//! | [`webhook`] | the receiver of GitHub's webhooks: signature, bounds, how fresh what it knows is, and one write for each task that an event causes |
//! | [`github`] | the client: agent tasks, pull requests, limits, the exchange of an app's tokens; "unknown outcome" is a result of its own |
//! | `simulator` | the stand-in for GitHub, behind a feature of the same name |
//! | [`cli`] | subcommands: `controller`, `webhook`, `crds`; over files `schedule`, `validate`, `plan`; over a cluster or files `why`, `queue`, `status` (also of policies and credentials), `history`; in `act` those that change something: `run`, `approve`, `adopt`, `abandon`, `cancel`, `open`, `suspend`, `resume`; `completion` |
//! | `tests/` | `cli/`, `github/`; `cluster/` on a real API server; `simulation/` of the whole shell, and of the planner alone; `mutants/`; `fuzz/` has what holds for any bytes, and bytes to try; `decisions/` measures the planner; `harness/` has the control plane, the in-memory API server, demo and benches |
//!
//! Dependencies point one way: `api ← domain ← plan ← {observe, execute, github} ← controller ← main`.
//!
//! # Invariants
//!
//! 1. One cause, at most one task at GitHub.
//! 2. No cause is lost: a scheduled time, and what happens at GitHub, has an object or a recorded reason.
//! 3. Caps hold at every instant, across automations, replicas and restarts.
//! 4. Nothing outside the policy is started, and the policy is checked again at the moment of the start.
//! 5. At rest the controller writes nothing.
//! 6. Tokens are in Secrets and in the Authorization header, nowhere else; a refresh token in the body of the one request
//!    that uses it up.
//! 7. Status does not go back in time.
//! 8. Text from outside is data: bounded, fenced, and unable to end its fence.

pub mod api;
pub mod cli;
pub mod controller;
pub mod domain;
pub mod execute;
pub mod github;
pub mod observe;
pub mod plan;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod webhook;
