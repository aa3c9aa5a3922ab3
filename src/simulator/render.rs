//! The JSON of tasks, pull requests, repositories and accounts, as the description has it.

mod hooks;
mod issues;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::{Value, json};

use super::{
    auth::{Account, AccountKind},
    limit::PrimaryLimit,
    pull::{Pull, Review, node_id},
    repository::Repository,
    script::Leaves,
    state::State,
    task::{Session, Task},
};

pub(super) use self::hooks::Payload;

pub(super) const WEB: &str = "https://github.com";

/// GitHub shows times to the second.
pub(super) fn second(instant: Timestamp) -> Timestamp {
    let down = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    instant.round(down).unwrap_or(instant)
}

pub(super) fn time(instant: Timestamp) -> Value {
    json!(second(instant).to_string())
}

/// A commit id that stands for an object with an id.
pub(super) fn sha(id: u64) -> String {
    format!(
        "{:040x}",
        u128::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    )
}

pub(super) fn account(account: &Account, api: &str) -> Value {
    let login = &account.login;
    let url = format!("{api}/users/{login}");
    let kind = match account.kind {
        AccountKind::User => "User",
        AccountKind::Organization => "Organization",
        AccountKind::Bot => "Bot",
    };
    json!({
        "login": login,
        "id": account.id,
        "node_id": format!("U_{:08x}", account.id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", account.id),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("{WEB}/{login}"),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": kind,
        "site_admin": false,
    })
}

/// An account as its owner sees it.
pub(super) fn own_account(own: &Account, api: &str) -> Value {
    let mut value = account(own, api);
    let more = json!({
        "user_view_type": "private",
        "name": own.login, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
        "twitter_username": null, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
        "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
        "private_gists": 0, "total_private_repos": 1, "owned_private_repos": 1, "disk_usage": 0, "collaborators": 0,
        "two_factor_authentication": true,
    });
    merge(&mut value, more);
    value
}

pub(super) fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// The links of a repository that are its address and a suffix.
const REPOSITORY_LINKS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

impl State {
    pub(super) fn repository_json(&self, repository: &Repository) -> Value {
        let name = &repository.name;
        let url = format!("{}/repos/{name}", self.base_url);
        let mut value = json!({
            "id": repository.id,
            "node_id": format!("R_{:08x}", repository.id),
            "name": repository.short_name(),
            "full_name": name,
            "owner": account(&self.accounts.owner_of(repository), &self.base_url),
            "private": repository.private,
            "visibility": if repository.private { "private" } else { "public" },
            "html_url": format!("{WEB}/{name}"),
            "clone_url": format!("{WEB}/{name}.git"),
            "svn_url": format!("{WEB}/{name}"),
            "git_url": format!("git://github.com/{name}.git"),
            "ssh_url": format!("git@github.com:{name}.git"),
        });
        let rest = json!({
            "description": null, "homepage": null, "language": null, "license": null, "mirror_url": null,
            "fork": repository.fork, "archived": false, "disabled": false,
            "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_discussions": false,
            "forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0, "size": 1,
            "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
            "default_branch": repository.default_branch,
            "permissions": {"admin": false, "maintain": false, "push": true, "triage": true, "pull": true},
            "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
            "pushed_at": "2020-01-01T00:00:00Z",
        });
        merge(&mut value, rest);
        for (field, suffix) in REPOSITORY_LINKS {
            value[field] = json!(format!("{url}{suffix}"));
        }
        value
    }

    /// A repository as a get of it shows it.
    pub(super) fn whole_repository_json(&self, repository: &Repository) -> Value {
        let mut value = self.repository_json(repository);
        merge(&mut value, json!({"network_count": 0, "subscribers_count": 0}));
        value
    }

    pub(super) fn branch_json(&self, repository: &Repository, branch: &str) -> Value {
        let (name, id) = (&repository.name, sha(repository.id));
        let url = format!("{}/repos/{name}", self.base_url);
        let protected = repository.protected.iter().any(|name| name == branch);
        let person = json!({"name": "The Octocat", "email": "octocat@nowhere.com", "date": "2020-01-01T00:00:00Z"});
        json!({
            "name": branch,
            "commit": {
                "sha": id,
                "node_id": format!("C_{id}"),
                "url": format!("{url}/commits/{id}"),
                "html_url": format!("{WEB}/{name}/commit/{id}"),
                "comments_url": format!("{url}/commits/{id}/comments"),
                "commit": {
                    "url": format!("{url}/git/commits/{id}"),
                    "author": person, "committer": person,
                    "message": "Initial commit", "comment_count": 0,
                    "tree": {"sha": id, "url": format!("{url}/git/trees/{id}")},
                },
                "author": null, "committer": null, "parents": [],
            },
            "_links": {
                "self": format!("{url}/branches/{branch}"),
                "html": format!("{WEB}/{name}/tree/{branch}"),
            },
            "protected": protected,
            "protection": {
                "enabled": protected,
                "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
            },
            "protection_url": format!("{url}/branches/{branch}/protection"),
        })
    }

    pub(super) fn task_json(&self, task: &Task, repository: &Repository, now: Timestamp) -> Value {
        let name = &repository.name;
        let mut value = json!({
            "id": task.id,
            "url": format!("{}/agents/repos/{name}/tasks/{}", self.base_url, task.id),
            "html_url": format!("{WEB}/{name}/copilot/tasks/{}", task.id),
            "name": task.name(),
            "creator": {"id": task.creator},
            "creator_type": "user",
            "owner": {"id": self.accounts.owner_of(repository).id},
            "repository": {"id": repository.id},
            "state": task.state(now),
            "session_count": task.sessions(now).count(),
            "artifacts": self.artifacts_json(task, now),
            "archived_at": task.archived_at.map(second).map(|at| at.to_string()),
            "created_at": time(task.created_at),
            "updated_at": time(task.updated_at(now)),
        });
        if let Some(agent) = &task.custom_agent {
            value["custom_agent"] = json!({"id": agent});
        }
        value
    }

    /// The task with its sessions, as a get of one task shows it.
    pub(super) fn whole_task_json(&self, task: &Task, repository: &Repository, now: Timestamp) -> Value {
        let mut value = self.task_json(task, repository, now);
        let sessions = task
            .sessions(now)
            .map(|session| self.session_json(task, repository, session, now));
        value["sessions"] = sessions.collect();
        value
    }

    fn artifacts_json(&self, task: &Task, now: Timestamp) -> Value {
        let shown = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if shown(task.pull_at()) {
            let mut data = json!({"id": task.pull.id});
            if self.behaviour.global_ids {
                data["global_id"] = json!(node_id(task.pull.id));
            }
            json!([{"provider": "github", "type": "pull", "data": data}])
        } else if shown(task.branch_at()) {
            let data = json!({"head_ref": task.head_ref, "base_ref": task.base_ref});
            json!([{"provider": "github", "type": "branch", "data": data}])
        } else {
            json!([])
        }
    }

    fn session_json(&self, task: &Task, repository: &Repository, session: &Session, now: Timestamp) -> Value {
        let mut value = json!({
            "id": session.id,
            "name": task.name(),
            "user": {"id": task.creator},
            "owner": {"id": self.accounts.owner_of(repository).id},
            "repository": {"id": repository.id},
            "task_id": task.id,
            "state": session.state(now),
            "created_at": time(session.created_at),
            "updated_at": time(session.updated_at(now)),
            "base_ref": task.base_ref,
            "model": task.model.as_deref().unwrap_or("claude-sonnet-4.6"),
        });
        let prompt = self.behaviour.echo_prompt.then(|| json!(task.prompt));
        let leaves_branch = session.script.leaves != Leaves::Nothing;
        let optional = [
            ("prompt", prompt),
            ("head_ref", leaves_branch.then(|| json!(task.head_ref))),
            ("completed_at", session.completed_at(now).map(time)),
            (
                "usage",
                session
                    .credits(now)
                    .map(|amount| json!({"type": "ai_credits", "amount": amount})),
            ),
            ("error", session.error(now).map(|message| json!({"message": message}))),
        ];
        for (name, field) in optional {
            if let Some(field) = field {
                value[name] = field;
            }
        }
        value
    }

    /// A pull request as in a list.
    pub(super) fn pull_json(&self, pull: &Pull<'_>) -> Value {
        let (name, number) = (&pull.repository.name, pull.number());
        let api = format!("{}/repos/{name}", self.base_url);
        let (url, html, issue) = (
            format!("{api}/pulls/{number}"),
            pull.html_url(),
            format!("{api}/issues/{number}"),
        );
        let head_sha = sha(pull.head_id());
        let mut value = json!({
            "id": pull.id(),
            "node_id": pull.node_id(),
            "number": number,
            "state": if pull.is_open() { "open" } else { "closed" },
            "draft": !pull.life.ready,
            "locked": false,
            "title": pull.title(),
            "body": pull.life.card.body,
            "user": account(&pull.author(), &self.base_url),
            "url": url,
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "issue_url": issue,
            "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
            "comments_url": format!("{issue}/comments"),
            "statuses_url": format!("{api}/statuses/{head_sha}"),
        });
        let rest = json!({
            "labels": self.labels_json(pull.repository, &pull.life.card),
            "milestone": self.milestone_json(pull.repository, &pull.life.card),
            "assignees": self.assignees_json(&pull.life.card),
            "requested_reviewers": pull
                .life
                .requested_reviewers
                .iter()
                .map(|asked| account(asked, &self.base_url))
                .collect::<Vec<_>>(),
            "requested_teams": pull.life.requested_teams.iter().map(|slug| self.team_json(slug)).collect::<Vec<_>>(),
            "author_association": pull.repository.association(&pull.author()),
            "auto_merge": null, "active_lock_reason": null,
            "created_at": time(pull.created_at),
            "updated_at": time(pull.updated_at),
            "closed_at": pull.life.closed_at.map(time),
            "merged_at": pull.life.merged_at.map(time),
            "head": self.side_json(&self.head_of(pull), pull.head_ref(), &head_sha),
            "base": self.side_json(pull.repository, pull.base_ref(), &sha(pull.repository.id)),
            "_links": {
                "self": {"href": url},
                "html": {"href": html},
                "issue": {"href": issue},
                "comments": {"href": format!("{issue}/comments")},
                "review_comments": {"href": format!("{url}/comments")},
                "review_comment": {"href": format!("{api}/pulls/comments{{/number}}")},
                "commits": {"href": format!("{url}/commits")},
                "statuses": {"href": format!("{api}/statuses/{head_sha}")},
            },
        });
        merge(&mut value, rest);
        value
    }

    fn side_json(&self, repository: &Repository, branch: &str, sha: &str) -> Value {
        json!({
            "label": format!("{}:{branch}", repository.owner()),
            "ref": branch,
            "sha": sha,
            "user": account(&self.accounts.owner_of(repository), &self.base_url),
            "repo": self.repository_json(repository),
        })
    }

    /// The repository that a pull request's head is in, which may be a fork that is nowhere else.
    fn head_of(&self, pull: &Pull<'_>) -> Repository {
        let name = pull.head_repository();
        let fork = || Repository {
            id: 1_000_000 + pull.repository.id,
            private: pull.repository.private,
            fork: true,
            ..Repository::new(name)
        };
        self.repositories.named(name).cloned().unwrap_or_else(fork)
    }

    /// A pull request as a get of it shows it.
    pub(super) fn whole_pull_json(&self, pull: &Pull<'_>) -> Value {
        let mut value = self.pull_json(pull);
        let merged = pull.life.merged_at.is_some();
        let merged_by = pull.life.merged_by.as_ref().map(|by| account(by, &self.base_url));
        let files = pull.files().len();
        let more = json!({
            "merged": merged,
            "mergeable": pull.is_open().then_some(true),
            "rebaseable": pull.is_open().then_some(true),
            "mergeable_state": if !pull.life.ready { "draft" } else if pull.is_open() { "clean" } else { "unknown" },
            "merged_by": merged_by,
            "maintainer_can_modify": false,
            "comments": self.comments_of(pull.repository.id, pull.number(), pull.view).count(),
            "review_comments": 0, "commits": 1 + pull.life.pushes,
            "additions": files, "deletions": files, "changed_files": files,
        });
        merge(&mut value, more);
        // Alone, a pull request shows its teams without their parents.
        for team in value["requested_teams"].as_array_mut().into_iter().flatten() {
            team.as_object_mut().and_then(|team| team.remove("parent"));
        }
        value
    }

    fn team_json(&self, slug: &str) -> Value {
        json!({
            "id": 1, "node_id": format!("T_{slug}"), "name": slug, "slug": slug, "description": null,
            "privacy": "closed", "permission": "pull", "notification_setting": "notifications_enabled",
            "type": "organization", "organization_id": 1,
            "url": format!("{}/organizations/1/team/1", self.base_url),
            "html_url": format!("{WEB}/orgs/acme/teams/{slug}"),
            "members_url": format!("{}/organizations/1/team/1/members{{/member}}", self.base_url),
            "repositories_url": format!("{}/organizations/1/team/1/repos", self.base_url),
            "parent": null,
        })
    }

    /// The one check run of a pull request's head.
    pub(super) fn check_run_json(&self, pull: &Pull<'_>, conclusion: Option<&str>) -> Value {
        let head = sha(pull.head_id());
        let url = format!(
            "{}/repos/{}/check-runs/{}",
            self.base_url,
            pull.repository.name,
            pull.id()
        );
        json!({
            "id": pull.id(), "node_id": format!("CR_{:08x}", pull.id()), "external_id": "", "name": "test",
            "head_sha": head, "url": url, "html_url": null, "details_url": null,
            "status": if conclusion.is_some() { "completed" } else { "in_progress" },
            "conclusion": conclusion,
            "started_at": time(pull.created_at),
            "completed_at": conclusion.map(|_| time(pull.created_at)),
            "output": {
                "title": null, "summary": null, "text": null, "annotations_count": 0,
                "annotations_url": format!("{url}/annotations"),
            },
            "check_suite": {"id": pull.id()},
            "app": null,
            "pull_requests": [],
        })
    }

    pub(super) fn review_json(&self, pull: &Pull<'_>, review: &Review) -> Value {
        let html = format!("{}#pullrequestreview-{}", pull.html_url(), review.id);
        let url = format!(
            "{}/repos/{}/pulls/{}",
            self.base_url,
            pull.repository.name,
            pull.number()
        );
        json!({
            "id": review.id,
            "node_id": format!("PRR_{:08x}", review.id),
            "user": account(&review.by, &self.base_url),
            "body": review.body,
            "state": review.state.as_str(),
            "html_url": html,
            "pull_request_url": url,
            "_links": {"html": {"href": html}, "pull_request": {"href": url}},
            "submitted_at": time(review.at),
            "commit_id": sha(pull.head_id()),
            "author_association": pull.repository.association(&review.by),
        })
    }
}

pub(super) fn rate_limit(primary: PrimaryLimit) -> Value {
    let core = json!({
        "limit": primary.limit,
        "remaining": primary.remaining,
        "used": primary.used(),
        "reset": primary.reset_at.as_second(),
    });
    let search = json!({"limit": 30, "remaining": 30, "used": 0, "reset": primary.reset_at.as_second()});
    json!({"resources": {"core": core, "search": search}})
}
