//! The JSON of issues, of comments and of the record of who did what.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{WEB, account, merge, sha, time};
use crate::simulator::{
    issue::{Card, Comment, Event, Happening, Said, Subject},
    pull::Pull,
    repository::Repository,
    state::State,
};

impl State {
    /// What the REST API and webhooks show alike.
    pub(in crate::simulator) fn subject_json(
        &self,
        repository: &Repository,
        subject: &Subject<'_>,
        comments: usize,
    ) -> Value {
        let (name, number, id) = (&repository.name, subject.number(), subject.id());
        let api = format!("{}/repos/{name}", self.base_url);
        let url = format!("{api}/issues/{number}");
        let place = if matches!(subject, Subject::Pull(_)) {
            "pull"
        } else {
            "issues"
        };
        let author = subject.author();
        let mut value = json!({
            "id": id,
            "node_id": format!("I_kwDO{id:010x}"),
            "number": number,
            "title": subject.title(),
            "body": subject.card().body,
            "state": if subject.is_open() { "open" } else { "closed" },
            "user": account(&author, &self.base_url),
            "author_association": repository.association(&author),
            "labels": self.labels_json(repository, subject.card()),
            "assignees": self.assignees_json(subject.card()),
            "milestone": self.milestone_json(repository, subject.card()),
            "locked": false,
            "active_lock_reason": null,
            "comments": comments,
            "created_at": time(subject.created_at()),
            "updated_at": time(subject.updated_at()),
            "closed_at": subject.closed_at().map(time),
            "html_url": format!("{WEB}/{name}/{place}/{number}"),
            "url": url,
            "repository_url": api,
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "reactions": reactions(&url),
        });
        if let Subject::Pull(pull) = subject {
            value["draft"] = json!(!pull.life.ready);
            value["pull_request"] = json!({
                "url": format!("{api}/pulls/{number}"),
                "html_url": pull.html_url(),
                "diff_url": format!("{}.diff", pull.html_url()),
                "patch_url": format!("{}.patch", pull.html_url()),
                "merged_at": pull.life.merged_at.map(time),
            });
        }
        value
    }

    /// An issue or a pull request among the issues.
    pub(in crate::simulator) fn issue_json(
        &self,
        repository: &Repository,
        subject: &Subject<'_>,
        comments: usize,
    ) -> Value {
        let mut value = self.subject_json(repository, subject, comments);
        let (reason, by) = match subject {
            Subject::Issue(_, life) => {
                let reason = match (&life.closed, life.reopened) {
                    (Some(_), _) => Some("completed"),
                    (None, true) => Some("reopened"),
                    (None, false) => None,
                };
                (reason, life.closed.as_ref().map(|(_, by)| account(by, &self.base_url)))
            }
            Subject::Pull(_) => (None, None),
        };
        merge(
            &mut value,
            json!({"state_reason": reason, "closed_by": by, "performed_via_github_app": null}),
        );
        value
    }

    pub(in crate::simulator) fn comment_json(&self, repository: &Repository, comment: &Comment, said: &Said) -> Value {
        let (name, number, id) = (&repository.name, comment.number, comment.id);
        let api = format!("{}/repos/{name}/issues", self.base_url);
        let url = format!("{api}/comments/{id}");
        json!({
            "id": id,
            "node_id": format!("IC_kwDO{id:010x}"),
            "reactions": reactions(&url),
            "url": url,
            "html_url": format!("{WEB}/{name}/issues/{number}#issuecomment-{id}"),
            "issue_url": format!("{api}/{number}"),
            "body": said.body,
            "user": account(&comment.author, &self.base_url),
            "author_association": repository.association(&comment.author),
            "created_at": time(comment.created_at),
            "updated_at": time(said.updated_at),
            "performed_via_github_app": null,
        })
    }

    pub(in crate::simulator) fn event_json(&self, repository: &Repository, event: &Event) -> Value {
        let id = event.id;
        let mut value = json!({
            "id": id,
            "node_id": format!("EV_{id:010x}"),
            "url": format!("{}/repos/{}/issues/events/{id}", self.base_url, repository.name),
            "actor": account(&event.actor, &self.base_url),
            "event": event.what.event().unwrap_or_default(),
            "commit_id": null,
            "commit_url": null,
            "created_at": time(event.at),
            "performed_via_github_app": null,
        });
        let more = match &event.what {
            Happening::Labeled(name) | Happening::Unlabeled(name) => json!({"label": {"name": name, "color": COLOR}}),
            Happening::Assigned(who) | Happening::Unassigned(who) => json!({
                "assignee": account(who, &self.base_url),
                "assigner": account(&event.actor, &self.base_url),
            }),
            Happening::Milestoned(title) | Happening::Demilestoned(title) => json!({"milestone": {"title": title}}),
            Happening::Titled { from, to } => json!({"rename": {"from": from, "to": to}}),
            _ => Value::Null,
        };
        merge(&mut value, more);
        value
    }

    pub(in crate::simulator) fn labels_json(&self, repository: &Repository, card: &Card) -> Vec<Value> {
        card.labels
            .iter()
            .map(|label| self.label_json(repository, label))
            .collect()
    }

    /// A label; its colour is GitHub's default.
    pub(in crate::simulator) fn label_json(&self, repository: &Repository, name: &str) -> Value {
        let segment = utf8_percent_encode(name, NON_ALPHANUMERIC);
        json!({
            "id": 1, "node_id": format!("LA_{name}"), "name": name, "description": "", "color": COLOR, "default": false,
            "url": format!("{}/repos/{}/labels/{segment}", self.base_url, repository.name),
        })
    }

    pub(in crate::simulator) fn assignees_json(&self, card: &Card) -> Vec<Value> {
        card.assignees
            .iter()
            .map(|assignee| account(assignee, &self.base_url))
            .collect()
    }

    pub(in crate::simulator) fn milestone_json(&self, repository: &Repository, card: &Card) -> Value {
        let milestone = card.milestone.as_ref();
        milestone.map_or(Value::Null, |title| self.titled_milestone_json(repository, title))
    }

    pub(in crate::simulator) fn titled_milestone_json(&self, repository: &Repository, title: &str) -> Value {
        let name = &repository.name;
        let url = format!("{}/repos/{name}/milestones/1", self.base_url);
        json!({
            "id": 1, "node_id": "MI_1", "number": 1, "title": title, "description": null, "state": "open",
            "url": url, "html_url": format!("{WEB}/{name}/milestone/1"), "labels_url": format!("{url}/labels"),
            "creator": account(&self.accounts.owner_of(repository), &self.base_url),
            "open_issues": 1, "closed_issues": 0, "due_on": null, "closed_at": null,
            "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
        })
    }

    /// A file that a pull request changes.
    pub(in crate::simulator) fn file_json(&self, pull: &Pull<'_>, path: &str) -> Value {
        let (name, head) = (&pull.repository.name, sha(pull.head_id()));
        json!({
            "sha": head, "filename": path, "status": "modified", "additions": 1, "deletions": 1, "changes": 2,
            "blob_url": format!("{WEB}/{name}/blob/{head}/{path}"),
            "raw_url": format!("{WEB}/{name}/raw/{head}/{path}"),
            "contents_url": format!("{}/repos/{name}/contents/{path}?ref={head}", self.base_url),
            "patch": "@@ -1 +1 @@\n-a\n+b",
        })
    }
}

/// GitHub's default for a label.
const COLOR: &str = "ededed";

fn reactions(url: &str) -> Value {
    json!({
        "url": format!("{url}/reactions"), "total_count": 0,
        "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0,
    })
}
