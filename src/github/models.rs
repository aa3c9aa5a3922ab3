//! What GitHub answers, as far as it is used here, read leniently.
//!
//! Only identities are required. Any other field may be missing, `null` or of a type that the description does not
//! promise, and is then absent here: an answer to a start proves by its id alone that there is a task. Fields that are
//! not used are ignored. Text is as GitHub sent it, unbounded but for the size of the answer.

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::lenient::{lenient, lenient_list};
pub use super::usage::{Usage, UsageTotal};
use crate::domain::task_state::TaskState;

/// The longest id that is believed; GitHub's are UUIDs.
const ID_MAX: usize = 200;

/// An agent task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Task {
    #[serde(deserialize_with = "identity")]
    pub id: String,
    #[serde(default = "unknown_state", deserialize_with = "state")]
    pub state: TaskState,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub archived_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub html_url: Option<String>,
    /// Derived from the prompt; not fit for matching.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub creator: Option<Identified>,
    #[serde(default, deserialize_with = "lenient")]
    pub repository: Option<Identified>,
    #[serde(default, deserialize_with = "lenient")]
    pub session_count: Option<u32>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub artifacts: Vec<Artifact>,
    /// Empty in lists: only the single task carries its sessions.
    #[serde(default, deserialize_with = "lenient_list")]
    pub sessions: Vec<Session>,
}

/// One run of the agent within a task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Session {
    #[serde(deserialize_with = "identity")]
    pub id: String,
    #[serde(default = "unknown_state", deserialize_with = "state")]
    pub state: TaskState,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub completed_at: Option<Timestamp>,
    /// "Content of the triggering event".
    #[serde(default, deserialize_with = "lenient")]
    pub prompt: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub head_ref: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub base_ref: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub model: Option<String>,
    /// Known only after the session.
    #[serde(default, deserialize_with = "lenient")]
    pub usage: Option<Usage>,
    #[serde(default, deserialize_with = "lenient")]
    pub error: Option<SessionError>,
}

/// Why a session failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionError {
    #[serde(default, deserialize_with = "lenient")]
    pub message: Option<String>,
}

/// A user, an organization or a repository of which only the database id is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Identified {
    pub id: u64,
}

/// Something that a task made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawArtifact")]
pub enum Artifact {
    /// A pull request, by its database id: neither its number nor a link.
    Pull {
        id: u64,
        global_id: Option<String>,
    },
    Branch {
        head_ref: String,
        base_ref: Option<String>,
    },
    Other,
}

/// A pull request, from a list or alone; `merged` and `mergeable` are known only alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    /// The database id, which artifacts refer to.
    pub id: u64,
    pub number: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub html_url: Option<String>,
    /// `open` or `closed`.
    #[serde(default, deserialize_with = "lenient")]
    pub state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub draft: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub merged: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub mergeable: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub merged_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub closed_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub head: Option<GitRef>,
    #[serde(default, deserialize_with = "lenient")]
    pub base: Option<GitRef>,
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    pub merged_by: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub additions: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    pub deletions: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    pub changed_files: Option<u32>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub requested_reviewers: Vec<User>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub requested_teams: Vec<Team>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub labels: Vec<Label>,
}

/// A team of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Team {
    pub slug: String,
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Label {
    pub name: String,
}

/// One end of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GitRef {
    /// The branch's name.
    #[serde(rename = "ref")]
    pub name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub sha: Option<String>,
    /// The repository that it is in; gone with a deleted fork.
    #[serde(default, deserialize_with = "lenient")]
    pub repo: Option<RepositoryInfo>,
}

/// A review of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Review {
    pub id: u64,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`, `PENDING`, …
    #[serde(default, deserialize_with = "lenient")]
    pub state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub submitted_at: Option<Timestamp>,
    /// What its author is to the repository: `OWNER`, `MEMBER`, `COLLABORATOR`, `CONTRIBUTOR`, …
    #[serde(default, deserialize_with = "lenient")]
    pub author_association: Option<String>,
    /// The commit that was reviewed.
    #[serde(default, deserialize_with = "lenient")]
    pub commit_id: Option<String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    pub id: u64,
    pub login: String,
    /// `User`, `Bot`, `Organization`, …
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
}

impl User {
    /// Apps and GitHub's own agents; the logins of Apps end alike.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.kind.as_deref() == Some("Bot") || self.login.ends_with("[bot]")
    }
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RepositoryInfo {
    pub id: u64,
    /// `owner/name`, as its owner writes it.
    pub full_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub default_branch: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub archived: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub disabled: Option<bool>,
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BranchInfo {
    pub name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub commit: Option<Commit>,
    /// By classic protection; rulesets are not in it.
    #[serde(default, deserialize_with = "lenient")]
    pub protected: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub protection: Option<Protection>,
}

/// What GitHub tells everyone of a branch's classic protection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Protection {
    #[serde(default, deserialize_with = "lenient")]
    pub required_status_checks: Option<RequiredStatusChecks>,
}

/// Status checks that classic protection requires.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RequiredStatusChecks {
    /// `off`, `non_admins` or `everyone`.
    #[serde(default, deserialize_with = "lenient")]
    pub enforcement_level: Option<String>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub contexts: Vec<String>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Commit {
    pub sha: String,
}

impl Task {
    /// The sum of what its sessions cost; `None` as long as none of them tells.
    #[must_use]
    pub fn usage(&self) -> Option<UsageTotal> {
        UsageTotal::of(self.sessions.iter().filter_map(|session| session.usage.as_ref()))
    }
}

impl PullRequest {
    /// Whether it was merged, by either of the two fields that tell.
    #[must_use]
    pub fn is_merged(&self) -> bool {
        self.merged == Some(true) || self.merged_at.is_some()
    }
}

/// Text that can stand in a status and in a path, or a whole number in case GitHub ever takes to those.
fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) if is_identity(&text) => Ok(text),
        Value::Number(number) if number.is_u64() => Ok(number.to_string()),
        _ => Err(D::Error::custom(
            "the id is neither short printable text nor a whole number",
        )),
    }
}

fn is_identity(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.len() <= ID_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TaskState, D::Error> {
    Ok(lenient(deserializer)?.unwrap_or_else(unknown_state))
}

fn unknown_state() -> TaskState {
    TaskState::parse("")
}

#[derive(Deserialize)]
struct RawArtifact {
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default)]
    data: Value,
}

impl From<RawArtifact> for Artifact {
    fn from(raw: RawArtifact) -> Self {
        let text = |name: &str| raw.data.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = raw.data.get("id").and_then(Value::as_u64);
        match (raw.kind.as_deref(), id, text("head_ref")) {
            (Some("pull"), Some(id), _) => Self::Pull {
                id,
                global_id: text("global_id"),
            },
            (Some("branch"), _, Some(head_ref)) => Self::Branch {
                head_ref,
                base_ref: text("base_ref"),
            },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// GitHub's own documented answer to a start.
    #[test]
    fn a_documented_task() {
        let task: Task = serde_json::from_value(json!({
            "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "url": "https://api.github.com/agents/repos/octocat/hello-world/tasks/a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "html_url": "https://github.com/octocat/hello-world/copilot/tasks/a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "name": "Fix the login button on the homepage",
            "creator": {"id": 1}, "creator_type": "user", "owner": {"id": 1}, "repository": {"id": 1_296_269},
            "state": "queued", "session_count": 1, "artifacts": [], "archived_at": null,
            "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z",
        }))
        .unwrap();
        assert_eq!(task.id, "a1b2c3d4-e5f6-7890-abcd-ef1234567890");
        assert_eq!(task.state, TaskState::Queued);
        assert_eq!(task.repository, Some(Identified { id: 1_296_269 }));
        assert_eq!(task.created_at, "2025-01-01T00:00:00Z".parse().ok());
        assert_eq!(task.archived_at, None);
        assert_eq!(task.usage(), None);
    }

    #[test]
    fn identities() {
        let long = "x".repeat(201);
        let table = [
            (json!({"id": "a"}), Some("a")),
            (json!({"id": 17}), Some("17")),
            (json!({"id": ""}), None),
            (json!({"id": ".."}), None),
            (json!({"id": "a b"}), None),
            (json!({"id": "a\n"}), None),
            (json!({"id": long}), None),
            (json!({"id": 1.5}), None),
            (json!({"id": -1}), None),
            (json!({"id": null}), None),
            (json!({"id": ["a"]}), None),
            (json!({}), None),
            (json!([]), None),
            (json!(null), None),
        ];
        for (body, expected) in table {
            let task: Option<Task> = serde_json::from_value(body.clone()).ok();
            assert_eq!(task.map(|task| task.id).as_deref(), expected, "{body}");
        }
    }

    /// Whatever the other fields hold, the id and what else makes sense come through.
    #[test]
    fn every_other_field_may_be_absurd() {
        let sane = json!({
            "id": "t", "state": "failed", "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z",
            "archived_at": "2025-01-01T00:00:00Z", "html_url": "u", "name": "n", "creator": {"id": 1},
            "repository": {"id": 2}, "session_count": 1, "artifacts": [{"type": "pull", "data": {"id": 3}}],
            "sessions": [{"id": "s"}],
        });
        let whole: Task = serde_json::from_value(sane.clone()).unwrap();
        let absurd = [
            json!(null),
            json!(7),
            json!("x"),
            json!([1, null]),
            json!({"id": []}),
            json!(true),
        ];
        for field in sane.as_object().unwrap().keys().filter(|field| *field != "id") {
            for value in &absurd {
                let mut body = sane.clone();
                body[field] = value.clone();
                let task: Task = serde_json::from_value(body).unwrap();
                assert_eq!(task.id, "t", "{field}: {value}");
                assert_eq!(task.state == whole.state, field != "state", "{field}: {value}");
            }
        }
    }

    #[test]
    fn absent_states_are_unknown() {
        let table = [
            (json!({"id": "t"}), "unknown"),
            (json!({"id": "t", "state": null}), "unknown"),
            (json!({"id": "t", "state": {}}), "unknown"),
            (json!({"id": "t", "state": "paused"}), "paused"),
            (json!({"id": "t", "state": "timed_out"}), "timed_out"),
        ];
        for (body, expected) in table {
            let task: Task = serde_json::from_value(body).unwrap();
            assert_eq!(task.state.as_str(), expected);
        }
    }

    #[test]
    fn artifacts() {
        let pull = |id, global_id: Option<&str>| Artifact::Pull {
            id,
            global_id: global_id.map(str::to_owned),
        };
        let branch = |base_ref: Option<&str>| Artifact::Branch {
            head_ref: "copilot/fix-1".to_owned(),
            base_ref: base_ref.map(str::to_owned),
        };
        let table = [
            (
                json!({"provider": "github", "type": "pull", "data": {"id": 42}}),
                pull(42, None),
            ),
            (
                json!({"type": "pull", "data": {"id": 42, "global_id": "PR_x"}}),
                pull(42, Some("PR_x")),
            ),
            (
                json!({"type": "branch", "data": {"head_ref": "copilot/fix-1", "base_ref": "main"}}),
                branch(Some("main")),
            ),
            (
                json!({"type": "branch", "data": {"head_ref": "copilot/fix-1"}}),
                branch(None),
            ),
            (json!({"type": "branch", "data": {"id": 1}}), Artifact::Other),
            (json!({"type": "pull", "data": {"id": "42"}}), Artifact::Other),
            (json!({"type": "pull", "data": null}), Artifact::Other),
            (json!({"type": "issue", "data": {"id": 1}}), Artifact::Other),
            (json!({}), Artifact::Other),
        ];
        for (body, expected) in table {
            assert_eq!(
                serde_json::from_value::<Artifact>(body.clone()).unwrap(),
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn merged() {
        let pull = |fields: Value| {
            let mut body = json!({"id": 1, "number": 2});
            body.as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            serde_json::from_value::<PullRequest>(body).unwrap().is_merged()
        };
        assert!(pull(json!({"merged": true})));
        assert!(pull(json!({"merged_at": "2025-01-01T00:00:00Z"})));
        assert!(!pull(json!({"merged": false, "merged_at": null, "state": "closed"})));
        assert!(!pull(json!({})));
    }
}
