//! What webhooks carry, and how webhooks and their deliveries show over the REST API.
//!
//! The payloads have the fields of GitHub's published examples, which are not those of the REST API: an older form of an
//! issue, a review's state in lower case.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{account, merge, sha, time};
use crate::simulator::{
    auth::{Account, AccountKind},
    hook::{Attempt, DeliveryOutcome, Hook},
    issue::{Happening, Subject},
    pull::{Pull, Review},
    repository::Repository,
    state::State,
};

/// An event, its action and what belongs to it.
pub(in crate::simulator) struct Payload {
    pub event: &'static str,
    pub action: Option<&'static str>,
    pub body: Value,
}

impl State {
    /// What a webhook says of something that happened; `None` when it says nothing.
    pub(in crate::simulator) fn payload(
        &self,
        repository: &Repository,
        subject: &Subject<'_>,
        actor: &Account,
        what: &Happening,
        now: Timestamp,
    ) -> Option<Payload> {
        let (event, action) = named(what, subject)?;
        let mut body = self.details(repository, subject, what);
        let comments = self.comments_of(repository.id, subject.number(), now).count();
        let subject = match (event, subject) {
            ("pull_request_review", Subject::Pull(pull)) => json!({"pull_request": self.hooked_pull_json(pull, false)}),
            ("pull_request", Subject::Pull(pull)) => {
                json!({"number": pull.number(), "pull_request": self.hooked_pull_json(pull, true)})
            }
            _ => json!({"issue": self.hooked_issue_json(repository, subject, comments)}),
        };
        merge(&mut body, subject);
        merge(&mut body, self.envelope(repository, actor));
        body["action"] = json!(action);
        let action = Some(action);
        Some(Payload { event, action, body })
    }

    /// What a new webhook is greeted with.
    pub(in crate::simulator) fn ping(&self, repository: &Repository, hook: &Hook, by: &Account) -> Payload {
        let mut body = json!({
            "zen": "Keep it logically awesome.",
            "hook_id": hook.id,
            "hook": self.hook_json(repository, hook),
        });
        merge(&mut body, self.envelope(repository, by));
        Payload {
            event: "ping",
            action: None,
            body,
        }
    }

    pub(in crate::simulator) fn hook_json(&self, repository: &Repository, hook: &Hook) -> Value {
        let url = format!("{}/repos/{}/hooks/{}", self.base_url, repository.name, hook.id);
        let mut config = json!({"content_type": "json", "insecure_ssl": "0", "url": hook.url});
        if hook.secret.is_some() {
            config["secret"] = json!("********");
        }
        json!({
            "type": "Repository", "id": hook.id, "name": "web", "active": true, "events": hook.events, "config": config,
            "created_at": time(hook.created_at), "updated_at": time(hook.created_at),
            "url": url, "test_url": format!("{url}/test"), "ping_url": format!("{url}/pings"),
            "deliveries_url": format!("{url}/deliveries"),
            "last_response": {"code": null, "status": "unused", "message": null},
        })
    }

    pub(in crate::simulator) fn delivery_json(attempt: &Attempt) -> Value {
        let (status, code) = match attempt.outcome {
            DeliveryOutcome::Answered(code @ 200..=299) => ("OK", code),
            DeliveryOutcome::Answered(code) => ("Invalid HTTP Response", code),
            DeliveryOutcome::Failed | DeliveryOutcome::UnderWay => ("failed to connect to host", 502),
        };
        json!({
            "id": attempt.id, "guid": attempt.message.guid, "delivered_at": time(attempt.at),
            "redelivery": attempt.redelivery,
            "duration": attempt.ended_at.duration_since(attempt.at).as_secs_f64(),
            "status": status, "status_code": code,
            "event": attempt.message.event, "action": attempt.message.action,
            "installation_id": null, "repository_id": attempt.repository, "throttled_at": null,
        })
    }

    fn details(&self, repository: &Repository, subject: &Subject<'_>, what: &Happening) -> Value {
        match what {
            Happening::Titled { from, .. } => json!({"changes": {"title": {"from": from}}}),
            Happening::Written { from } => json!({"changes": {"body": {"from": from}}}),
            Happening::Labeled(name) | Happening::Unlabeled(name) => {
                json!({"label": self.label_json(repository, name)})
            }
            Happening::Assigned(who) | Happening::Unassigned(who) => json!({"assignee": account(who, &self.base_url)}),
            Happening::Milestoned(title) | Happening::Demilestoned(title) => {
                json!({"milestone": self.titled_milestone_json(repository, title)})
            }
            Happening::Commented(id) => json!({"comment": self.said(repository, *id)}),
            Happening::CommentEdited { comment, from } => {
                json!({"comment": self.said(repository, *comment), "changes": {"body": {"from": from}}})
            }
            Happening::Pushed { before } => match subject {
                Subject::Pull(pull) => json!({"before": before, "after": sha(pull.head_id())}),
                Subject::Issue(..) => json!({}),
            },
            Happening::Reviewed(review) => match subject {
                Subject::Pull(pull) => json!({"review": self.hooked_review_json(pull, review)}),
                Subject::Issue(..) => json!({}),
            },
            Happening::Opened
            | Happening::Closed
            | Happening::Reopened
            | Happening::Merged
            | Happening::Ready
            | Happening::Drafted => json!({}),
        }
    }

    fn said(&self, repository: &Repository, id: u64) -> Value {
        let comment = self.comments.iter().find(|comment| comment.id == id);
        comment.map_or(Value::Null, |comment| {
            self.comment_json(repository, comment, comment.history.latest())
        })
    }

    fn envelope(&self, repository: &Repository, sender: &Account) -> Value {
        let owner = self.accounts.owner_of(repository);
        let mut envelope = json!({
            "repository": hooked(self.repository_json(repository)),
            "sender": account(sender, &self.base_url),
        });
        if owner.kind == AccountKind::Organization {
            let (login, url) = (&owner.login, format!("{}/orgs/{}", self.base_url, owner.login));
            envelope["organization"] = json!({
                "login": login, "id": owner.id, "node_id": format!("O_{:08x}", owner.id), "url": url,
                "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events"),
                "hooks_url": format!("{url}/hooks"), "issues_url": format!("{url}/issues"),
                "members_url": format!("{url}/members{{/member}}"),
                "public_members_url": format!("{url}/public_members{{/member}}"),
                "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", owner.id), "description": null,
            });
        }
        envelope
    }

    fn hooked_issue_json(&self, repository: &Repository, subject: &Subject<'_>, comments: usize) -> Value {
        let mut value = self.subject_json(repository, subject, comments);
        value["assignee"] = first(&value["assignees"]);
        value
    }

    /// `whole`: as in events of the pull request itself.
    fn hooked_pull_json(&self, pull: &Pull<'_>, whole: bool) -> Value {
        let mut value = if whole {
            self.whole_pull_json(pull)
        } else {
            self.pull_json(pull)
        };
        value["assignee"] = first(&value["assignees"]);
        value["merge_commit_sha"] = json!(pull.life.merged_at.map(|_| sha(pull.head_id())));
        for side in ["head", "base"] {
            value[side]["repo"] = hooked(value[side]["repo"].take());
        }
        value
    }

    fn hooked_review_json(&self, pull: &Pull<'_>, review: &Review) -> Value {
        let mut value = self.review_json(pull, review);
        value["state"] = json!(review.state.as_str().to_ascii_lowercase());
        value
    }
}

fn named(what: &Happening, subject: &Subject<'_>) -> Option<(&'static str, &'static str)> {
    let is_pull = matches!(subject, Subject::Pull(_));
    let action = match what {
        Happening::Commented(_) => return Some(("issue_comment", "created")),
        Happening::CommentEdited { .. } => return Some(("issue_comment", "edited")),
        Happening::Reviewed(_) => return Some(("pull_request_review", "submitted")),
        // Told by what follows it: closed.
        Happening::Merged => return None,
        Happening::Opened => "opened",
        Happening::Titled { .. } | Happening::Written { .. } => "edited",
        Happening::Labeled(_) => "labeled",
        Happening::Unlabeled(_) => "unlabeled",
        Happening::Assigned(_) => "assigned",
        Happening::Unassigned(_) => "unassigned",
        Happening::Milestoned(_) => "milestoned",
        Happening::Demilestoned(_) => "demilestoned",
        Happening::Closed => "closed",
        Happening::Reopened => "reopened",
        Happening::Ready => "ready_for_review",
        Happening::Drafted => "converted_to_draft",
        Happening::Pushed { .. } => "synchronize",
    };
    Some((if is_pull { "pull_request" } else { "issues" }, action))
}

/// A repository as webhooks show it.
fn hooked(mut repository: Value) -> Value {
    if let Some(fields) = repository.as_object_mut() {
        fields.remove("permissions");
    }
    merge(&mut repository, json!({"has_downloads": true, "topics": []}));
    repository
}

fn first(list: &Value) -> Value {
    list.get(0).cloned().unwrap_or_default()
}
