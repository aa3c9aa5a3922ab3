//! Bad input and its answer, as far as only the controller can know it: a condition with a reason and a sentence that
//! says what to do, and recovery by itself when the cause is mended.

use agent_automation::{
    api::{AgentAutomation, Reason, automation::AutomationSpec, task::Phase},
    simulator::{Permissions, Repository, Script, Token},
};
use harness::control_plane::{deploy_folder, stdout_of};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::{
    eventually,
    fleet::{Controller, Fleet, Team, say},
};

/// So many looks at Secrets that can't be used are enough for one that should not have been tried again.
const LOOKS: f64 = 20.0;

#[tokio::test]
async fn conditions_say_what_to_do_and_go_when_it_is_done() {
    let fleet = Fleet::start().await;
    let controller = fleet.controller("controller", &[]);
    controller.leads().await;
    tokio::join!(
        secrets(&fleet, &controller),
        repositories(&fleet),
        specs(&fleet),
        policies(&fleet),
        refused_starts(&fleet),
    );
    undecodable(&fleet, &controller).await;
    harness::covered!(
        "covered: 5 of credentials, 3 of repositories, 6 of specs, 6 of policies and caps, 2 refused starts, two undecodable"
    );
}

/// Waits for the reason, with a message that names these.
async fn stalled(team: &Team<'_>, name: &str, reason: Reason, names: &[&str]) {
    let expected = format!("False {}: ", reason.as_str());
    team.eventually_ready(name, &expected, names).await;
}

async fn mended(team: &Team<'_>, name: &str) {
    team.eventually_ready(name, "True Ready", &[]).await;
}

async fn resting(team: &Team<'_>, name: &str, change: impl FnOnce(&mut AutomationSpec)) {
    team.automate(name, "@every 1h", change).await;
}

fn use_secret(spec: &mut AutomationSpec, name: &str) {
    name.clone_into(&mut spec.credentials.secret_ref.name);
}

async fn secrets(fleet: &Fleet, controller: &Controller) {
    const NAME: &str = "github-agent-token";
    let team = fleet.poor_team("secrets").await;
    team.allow(json!({})).await;
    resting(&team, "nightly", |_| ()).await;
    stalled(
        &team,
        "nightly",
        Reason::SecretMissing,
        &[NAME, "create it in this namespace", "key token"],
    )
    .await;
    team.put_secret(NAME, "other", "x").await;
    stalled(
        &team,
        "nightly",
        Reason::SecretKeyMissing,
        &[NAME, "no key token", "add it"],
    )
    .await;
    team.put_secret(NAME, "token", "two words").await;
    stalled(
        &team,
        "nightly",
        Reason::SecretKeyMissing,
        &["bare token", "without quotes or spaces"],
    )
    .await;

    let asked = || {
        let requests = fleet.github.requests();
        requests
            .iter()
            .filter(|request| request.path.contains(&team.namespace))
            .count()
    };
    assert_eq!(asked(), 0, "nothing was asked without a token");
    team.put_secret(NAME, "token", "ghp_nobodys").await;
    stalled(
        &team,
        "nightly",
        Reason::CredentialRejected,
        &[NAME, "401", "put a valid one into it"],
    )
    .await;
    let looks = async || {
        controller
            .metric("agent_automation_actions_total{action=\"ReadSecret\",result=\"ok\"}")
            .await
    };
    let until = looks().await + LOOKS;
    eventually("the Secret was looked at again and again", async || {
        looks().await >= until
    })
    .await;
    assert_eq!(asked(), 1, "a refused token is not used again");
    let rejected = team.status("nightly").await.rejected_credential.unwrap();
    assert_eq!(rejected.secret, NAME);
    team.put_secret(NAME, "token", &team.token()).await;
    mended(&team, "nightly").await;

    let mut locked = Token::new("ghp_locked", &team.namespace);
    locked.needs_sso = true;
    fleet.github.add_token(locked).unwrap();
    team.put_secret("locked", "token", "ghp_locked").await;
    resting(&team, "locked", |spec| use_secret(spec, "locked")).await;
    stalled(&team, "locked", Reason::PermissionDenied, &["403"]).await;
    fleet
        .github
        .change_token("ghp_locked", |token| token.needs_sso = false)
        .unwrap();
    mended(&team, "locked").await;
}

async fn repositories(fleet: &Fleet) {
    let team = fleet.team("repositories").await;
    let (absent, old, new) = ("acme/absent", "acme/old-name", "acme/new-name");
    resting(&team, "absent", |spec| absent.clone_into(&mut spec.repository)).await;
    stalled(&team, "absent", Reason::RepositoryNotFound, &["404"]).await;
    fleet.github.add_repository(Repository::new(absent)).unwrap();
    mended(&team, "absent").await;

    fleet.github.add_repository(Repository::new(old)).unwrap();
    fleet.github.move_repository(old, new).unwrap();
    resting(&team, "moved", |spec| old.clone_into(&mut spec.repository)).await;
    stalled(&team, "moved", Reason::RepositoryMoved, &["301"]).await;
    team.change("moved", json!({"repository": new})).await;
    mended(&team, "moved").await;

    // GitHub shows a repository that a token does not reach as one that is not there.
    let mut narrow = Token::new("ghp_narrow", &team.namespace);
    narrow.repositories = Some(vec![new.to_owned()]);
    fleet.github.add_token(narrow).unwrap();
    team.put_secret("narrow", "token", "ghp_narrow").await;
    resting(&team, "narrow", |spec| use_secret(spec, "narrow")).await;
    stalled(&team, "narrow", Reason::RepositoryNotFound, &["404"]).await;
    fleet
        .github
        .change_token("ghp_narrow", |token| token.repositories = None)
        .unwrap();
    mended(&team, "narrow").await;
}

async fn specs(fleet: &Fleet) {
    let team = fleet.team("specs").await;
    let schedule =
        |cron: &str, zone: &str| json!({"triggers": [{"name": "tick", "schedule": {"cron": cron, "timeZone": zone}}]});
    let table: Vec<(&str, Value, Reason, &[&str], Value)> = vec![
        (
            "zone",
            schedule("@daily", "Mars/Olympus"),
            Reason::InvalidSchedule,
            &["timeZone", "Mars/Olympus"],
            schedule("@daily", "UTC"),
        ),
        (
            "cron",
            schedule("0 6 * * FUN", "UTC"),
            Reason::InvalidSchedule,
            &["spec.triggers[0].schedule.cron", "FUN"],
            schedule("0 6 * * MON", "UTC"),
        ),
        (
            "never",
            schedule("0 0 30 2 *", "UTC"),
            Reason::NeverFires,
            &["trigger tick", "correct spec.triggers"],
            schedule("0 0 28 2 *", "UTC"),
        ),
        (
            "template",
            json!({"prompt": {"goal": "Update {{ repositry.name }}"}}),
            Reason::InvalidTemplate,
            &["prompt.goal", "repositry"],
            json!({"prompt": {"goal": "Update {{ repository.name }}"}}),
        ),
        (
            "branch",
            json!({"branches": {"allow": ["release/*"]}}),
            Reason::BranchNotAllowed,
            &["spec.branches.allow", "main"],
            json!({"branches": {"allow": ["ma?n"]}}),
        ),
        (
            "none",
            json!({"branches": {"allow": []}}),
            Reason::BranchNotAllowed,
            &["spec.branches.allow", "main"],
            json!({"branches": {"allow": ["*"]}}),
        ),
    ];
    for (name, bad, ..) in &table {
        resting(&team, name, |spec| *spec = merged(spec, bad)).await;
    }
    for (name, _, reason, names, good) in table {
        stalled(&team, name, reason, names).await;
        team.change(name, good).await;
        mended(&team, name).await;
    }
}

fn merged(spec: &AutomationSpec, change: &Value) -> AutomationSpec {
    let mut value = serde_json::to_value(spec).unwrap();
    for (field, change) in change.as_object().unwrap() {
        match (&mut value[field], change) {
            (Value::Object(before), Value::Object(change)) => before.extend(change.clone()),
            (before, change) => *before = change.clone(),
        }
    }
    serde_json::from_value(value).unwrap()
}

async fn policies(fleet: &Fleet) {
    let team = fleet.poor_team("policies").await;
    team.put_secret("github-agent-token", "token", &team.token()).await;
    let message = async |phase| {
        let task = team.eventually_phase("ticks", phase).await;
        say(&task)
    };
    team.automate("ticks", "@every 1s", |spec| spec.concurrency.max_active = 1)
        .await;
    let said = message(Phase::Denied).await;
    assert!(
        said.contains("PolicyDenied: ") && said.contains(&format!("must name {}", team.namespace)),
        "{said}"
    );

    team.allow(json!({"repositories": ["acme/other"]})).await;
    let name = &team.namespace;
    let sentence = format!(
        "AgentPolicy {name} does not allow it: spec.repositories must name {} (it has acme/other)",
        team.repository
    );
    stalled(&team, "ticks", Reason::PolicyDenied, &[&sentence]).await;
    let is_told = |message: &String| message.contains(&sentence);
    team.eventually_task("ticks", "denied by the policy", |status| {
        status.message.as_ref().is_some_and(is_told)
    })
    .await;

    team.allow(json!({"repositories": ["acme/*"], "suspend": true})).await;
    stalled(
        &team,
        "ticks",
        Reason::PolicySuspended,
        &[name, "spec.suspend is false"],
    )
    .await;
    held(&team, "ticks", Reason::PolicySuspended).await;
    assert_eq!(at_github(fleet, &team), 0);

    fleet.github.set_repository_script(&team.repository, Script::endless());
    team.allow(json!({"suspend": false})).await;
    mended(&team, "ticks").await;
    team.eventually_phase("ticks", Phase::Running).await;
    held(&team, "ticks", Reason::AutomationCap).await;
    team.allow(json!({"maxActive": 1})).await;
    team.change("ticks", json!({"concurrency": {"maxActive": 5}})).await;
    held(&team, "ticks", Reason::PolicyCap).await;
    assert_eq!(at_github(fleet, &team), 1);

    // What waited runs when there is room.
    let first = team.eventually_phase("ticks", Phase::Running).await;
    fleet
        .github
        .cancel_task(&first.status.unwrap().task.unwrap().id)
        .unwrap();
    team.eventually_phase("ticks", Phase::Cancelled).await;
    team.eventually_phase("ticks", Phase::Running).await;
    assert_eq!(at_github(fleet, &team), 2);
    held(&team, "ticks", Reason::PolicyCap).await;
    team.change("ticks", json!({"suspend": true})).await;
    held(&team, "ticks", Reason::Suspended).await;
}

async fn held(team: &Team<'_>, name: &str, reason: Reason) {
    team.eventually_task(name, reason.as_str(), |status| {
        status.phase == Phase::Held && status.reason == Some(reason)
    })
    .await;
}

fn at_github(fleet: &Fleet, team: &Team<'_>) -> usize {
    fleet
        .github
        .tasks()
        .iter()
        .filter(|task| task.repository == team.repository)
        .count()
}

async fn refused_starts(fleet: &Fleet) {
    let team = fleet.team("refused").await;
    team.automate("branchless", "@every 1s", |spec| {
        "gone".clone_into(&mut spec.branches.base);
        spec.branches.allow = vec!["*".to_owned()];
    })
    .await;
    let task = team.eventually_phase("branchless", Phase::Expired).await;
    assert_eq!(
        task.status.as_ref().unwrap().reason,
        Some(Reason::BranchGone),
        "{}",
        say(&task)
    );
    stalled(
        &team,
        "branchless",
        Reason::BranchGone,
        &["spec.branches.base", "has no branch gone", "name another"],
    )
    .await;
    team.change("branchless", json!({"branches": {"base": "main"}})).await;
    mended(&team, "branchless").await;
    team.eventually_phase("branchless", Phase::Succeeded).await;
    team.change("branchless", json!({"suspend": true})).await;

    // Metadata can be read with any token; what it lacks shows at the first start.
    let mut weak = Token::new("ghp_weak", &team.namespace);
    weak.permissions = Permissions {
        agent_tasks: agent_automation::simulator::Access::Read,
        ..Permissions::default()
    };
    fleet.github.add_token(weak).unwrap();
    team.put_secret("weak", "token", "ghp_weak").await;
    team.automate("weak", "@every 1s", |spec| {
        use_secret(spec, "weak");
        spec.concurrency.max_active = 1;
    })
    .await;
    held(&team, "weak", Reason::PermissionDenied).await;
    stalled(&team, "weak", Reason::PermissionDenied, &["403"]).await;
    fleet
        .github
        .change_token("ghp_weak", |token| token.permissions = Permissions::default())
        .unwrap();
    team.eventually_phase("weak", Phase::Succeeded).await;
    mended(&team, "weak").await;
    team.change("weak", json!({"suspend": true})).await;
}

/// An object of a schema that was in force before, or after: others go on, also with a controller that starts anew.
async fn undecodable(fleet: &Fleet, controller: &Controller) {
    const KIND: &str = "agentautomations.agentautomation.dev";
    let team = fleet.team("undecodable").await;
    let open = json!([{
        "op": "replace",
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/prompt",
        "value": {"x-kubernetes-preserve-unknown-fields": true},
    }]);
    fleet
        .kubectl(&["patch", "crd", KIND, "--type=json", "-p", &open.to_string()])
        .await;
    let broken = json!({
        "apiVersion": "agentautomation.dev/v1alpha1",
        "kind": "AgentAutomation",
        "metadata": {"name": "broken", "namespace": team.namespace},
        "spec": {
            "repository": team.repository,
            "branches": {"base": "main"},
            "triggers": [{"name": "tick", "schedule": {"cron": "@daily"}}],
            "prompt": 7,
            "credentials": {"secretRef": {"name": "github-agent-token"}},
        },
    });
    let apply = ["apply", "--validate=false", "-f", "-"];
    eventually("the open schema is in force", async || {
        let created = fleet
            .plane
            .kubectl_with_stdin(&apply, &broken.to_string())
            .await
            .unwrap();
        created.status.success()
    })
    .await;
    let metric = "agent_automation_undecodable_objects_total{kind=\"AgentAutomation\"}";
    eventually("it is counted", async || controller.metric(metric).await > 0.5).await;
    resting(&team, "beside", |_| ()).await;
    mended(&team, "beside").await;
    controller.signal("-TERM");

    let anew = fleet.controller("anew", &[]);
    resting(&team, "after", |_| ()).await;
    mended(&team, "after").await;
    eventually("it is counted again", async || anew.metric(metric).await > 0.5).await;
    undecodable_policy(fleet, &team).await;
    let folder = deploy_folder().display().to_string();
    stdout_of(&fleet.plane.kubectl(&["apply", "--kustomize", &folder]).await.unwrap()).unwrap();
    let automations: Api<AgentAutomation> = Api::namespaced(fleet.client.clone(), &team.namespace);
    assert!(
        automations.list(&ListParams::default()).await.is_err(),
        "a plain list stumbles over it"
    );
}

/// Nobody knows what it forbids, so nothing starts until it is mended or gone.
async fn undecodable_policy(fleet: &Fleet, team: &Team<'_>) {
    const KIND: &str = "agentpolicies.agentautomation.dev";
    let open = json!([{
        "op": "replace",
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/maxActive",
        "value": {"x-kubernetes-preserve-unknown-fields": true},
    }]);
    fleet
        .kubectl(&["patch", "crd", KIND, "--type=json", "-p", &open.to_string()])
        .await;
    let broken = json!({
        "apiVersion": "agentautomation.dev/v1alpha1",
        "kind": "AgentPolicy",
        "metadata": {"name": "broken"},
        "spec": {"namespaces": ["elsewhere"], "maxActive": "many"},
    });
    let apply = ["apply", "--validate=false", "-f", "-"];
    eventually("the open schema of policies is in force", async || {
        let created = fleet
            .plane
            .kubectl_with_stdin(&apply, &broken.to_string())
            .await
            .unwrap();
        created.status.success()
    })
    .await;
    stalled(
        team,
        "after",
        Reason::PolicyUnreadable,
        &["AgentPolicy broken", "mend it"],
    )
    .await;
    fleet.kubectl(&["delete", "agentpolicy", "broken"]).await;
    mended(team, "after").await;
}
