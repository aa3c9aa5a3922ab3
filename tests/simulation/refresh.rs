//! A token that is exchanged for the next, with a refresh token that is good for one request: whatever dies or is lost on
//! the way, none is sent twice, and what is in the Secret works, or somebody is told what to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use agent_automation::simulator::{Effect, Failure, Fault, Grant, Operation, Token, TokenKind, When};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::network::{Mishap, Moment, Network, Sent};
use crate::stage::{NAMESPACE, Stage, Team, alone};

const SECRET: &str = "github-agent-token";
const CLIENT: &str = "Iv1.canary";
const MINUTE: Duration = Duration::from_secs(60);

/// A cluster with an automation whose token ends in an hour and twenty minutes: it is exchanged within twenty.
async fn stage() -> Stage {
    let stage = Stage::new(7);
    stage.policy(None).await;
    grant(&stage, "ghu_first", "ghr_first");
    let ends = stage.start + 80 * MINUTE;
    stage
        .github
        .change_token("ghu_first", |token| token.expires_at = Some(ends))
        .unwrap();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data(&[
            ("token", "ghu_first"),
            ("refresh-token", "ghr_first"),
            ("client-id", CLIENT),
            ("client-secret", "shh"),
            ("expires-at", &ends.to_string()),
        ])),
        ..Secret::default()
    };
    secrets(&stage).create(&PostParams::default(), &secret).await.unwrap();
    let team = Team {
        every: "@every 30m".to_owned(),
        ..Team::new("deps")
    };
    stage.automation(&team).await;
    stage
}

/// A user authorizes the app.
fn grant(stage: &Stage, token: &str, refresh_token: &str) {
    let token = Token {
        kind: TokenKind::UserToServer,
        ..Token::new(token, "octocat")
    };
    let grant = Grant {
        client_secret: Some("shh".to_owned()),
        ..Grant::new(refresh_token, &token.token, CLIENT)
    };
    stage.github.add_token(token).unwrap();
    stage.github.add_grant(grant).unwrap();
}

fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    pairs
        .iter()
        .map(|(key, text)| ((*key).to_owned(), bytes(text)))
        .collect()
}

fn secrets(stage: &Stage) -> Api<Secret> {
    Api::namespaced(stage.people.client(), NAMESPACE)
}

/// A person does what the condition says.
async fn replace(stage: &Stage, token: &str, refresh_token: &str) {
    grant(stage, token, refresh_token);
    let mut data = json!(data(&[("token", token), ("refresh-token", refresh_token)]));
    data["expires-at"] = json!(null);
    change(stage, &json!({ "data": data })).await;
}

async fn change(stage: &Stage, patch: &serde_json::Value) {
    let params = PatchParams::default();
    secrets(stage)
        .patch(SECRET, &params, &Patch::Merge(patch))
        .await
        .unwrap();
}

/// What the Secret has under a key.
fn held(stage: &Stage, key: &str) -> Option<String> {
    let objects = stage.server.objects("Secret");
    let secret: Secret = serde_json::from_value((**objects[0]).clone()).unwrap();
    let value = secret.data?.remove(key)?;
    Some(String::from_utf8(value.0).unwrap())
}

/// The automation's `Ready` and `Stalled`, with their reason.
fn standing(stage: &Stage) -> String {
    let automations = stage.automations();
    let mut conditions = automations[0].status.iter().flat_map(|status| &status.conditions);
    let told = conditions.find(|condition| condition.type_ == "Ready");
    told.map_or_else(String::new, |condition| {
        format!("{} {}", condition.status, condition.reason)
    })
}

async fn until_standing(stage: &Stage, expected: &str) {
    let reached = async {
        while standing(stage) != expected {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let reached = tokio::time::timeout(40 * MINUTE, reached).await;
    assert!(
        reached.is_ok(),
        "{} is not {expected}: {:#?}",
        standing(stage),
        stage.trace()
    );
}

/// The most often that a refresh token was sent, and how many were exchanged.
fn sent(stage: &Stage) -> (u64, usize) {
    let grants = stage.github.grants();
    let most = grants.iter().map(|grant| grant.sent).max().unwrap_or(0);
    (most, grants.iter().filter(|grant| grant.used).count())
}

/// Whether the Secret has a pair that GitHub takes.
fn is_live(stage: &Stage) -> bool {
    let (token, refresh_token) = (held(stage, "token"), held(stage, "refresh-token"));
    let grants = stage.github.grants();
    let mut of_both = grants
        .iter()
        .filter(|grant| Some(&grant.token) == token.as_ref() && Some(&grant.refresh_token) == refresh_token.as_ref());
    of_both.any(|grant| !grant.used)
}

fn fault(effect: Effect) -> Fault {
    Fault {
        on: vec![Operation::RefreshToken],
        when: When::Next(1),
        effect,
    }
}

/// After whatever happened: what a person puts there works, and is exchanged in its turn.
async fn goes_on(stage: &Stage) {
    replace(stage, "ghu_person", "ghr_person").await;
    until_standing(stage, "True Ready").await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(standing(stage), "True Ready", "{:#?}", stage.trace());
    assert!(is_live(stage), "{:#?}", stage.trace());
    let person = stage
        .github
        .grants()
        .into_iter()
        .find(|grant| grant.refresh_token == "ghr_person");
    assert!(
        person.is_some_and(|grant| grant.used && grant.sent == 1),
        "nobody said when it ends"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_exchanged_ahead_of_its_end_and_nothing_else_is_asked_anew() {
    let mut stage = stage().await;
    let process = stage.process(Network::new(None));
    stage.until(4 * MINUTE).await;
    assert_eq!((standing(&stage).as_str(), sent(&stage)), ("True Ready", (0, 0)));
    stage.until(25 * MINUTE).await;
    assert_eq!(sent(&stage), (1, 1));
    assert!(is_live(&stage));
    assert_eq!(held(&stage, "client-secret").as_deref(), Some("shh"), "the rest stays");
    let verified = |network: &Network| {
        let requests = network.requests();
        requests.iter().filter(|sent| sent.what == "user").count()
    };
    assert_eq!(verified(&process.network), 1, "the new token is the same user's");
    // Through the next one's life.
    stage.until(9 * 60 * MINUTE).await;
    let (most, exchanged) = sent(&stage);
    assert_eq!((most, exchanged), (1, 2));
    assert!(is_live(&stage));
    let failed = stage
        .github
        .requests()
        .into_iter()
        .filter(|request| request.status == Some(401))
        .count();
    assert_eq!(failed, 0, "no dead token was used");
    assert!(stage.tasks().len() > 5, "{:#?}", stage.trace());
    process.terminate().await;
}

#[test]
fn a_controller_dies_at_each_step_of_an_exchange() {
    let steps = play(None);
    assert_eq!(steps.len(), 3, "claim, send, write");
    let moments = [Moment::Unsent, Moment::Unanswered, Moment::Unprocessed, Moment::Delayed];
    let mut outcomes = BTreeMap::<String, usize>::new();
    for step in steps {
        for moment in moments {
            play(Some((step, moment, &mut outcomes)));
        }
    }
    harness::covered!("covered: deaths in an exchange of tokens: {outcomes:?}");
    assert!(outcomes.len() > 1, "{outcomes:?}");
}

/// Gives the writes of the exchange, counted among all.
fn play(death: Option<(usize, Moment, &mut BTreeMap<String, usize>)>) -> Vec<usize> {
    alone(async move {
        let mut stage = stage().await;
        let network = Network::new(death.as_ref().map(|(at, moment, _)| (*at, *moment)));
        let process = stage.process(network.clone());
        let Some((at, moment, outcomes)) = death else {
            stage.until(25 * MINUTE).await;
            let writes = network.writes().into_iter().enumerate();
            let of_it = writes.filter(|(_, write)| matches!(write.what.as_str(), "secrets" | "sign-in"));
            process.kill();
            return of_it.map(|(index, _)| index + 1).collect();
        };
        tokio::time::timeout(25 * MINUTE, network.death()).await.unwrap();
        process.kill();
        let next = stage.process(Network::new(None));
        tokio::time::sleep(12 * MINUTE).await;
        let context = || format!("at write {at} {moment:?}: {:#?}", stage.trace());
        let (most, exchanged) = sent(&stage);
        assert!(most <= 1 && exchanged <= 1, "{}", context());
        let stands = standing(&stage);
        let is_right = match stands.as_str() {
            "True Ready" => is_live(&stage) && exchanged == 1,
            stands => stands == "False RefreshOutcomeUnknown",
        };
        assert!(is_right, "{stands} {}", context());
        *outcomes.entry(stands).or_default() += 1;
        stage.rest(5 * MINUTE).await;
        goes_on(&stage).await;
        next.terminate().await;
        Vec::new()
    })
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_for_a_person() {
    for effect in [
        Effect::LoseAnswer(Failure::Reset),
        Effect::LoseAnswer(Failure::Hang),
        Effect::LoseAnswer(Failure::TimeOut),
        Effect::FailBefore(Failure::Status(503)),
        Effect::FailBefore(Failure::Reset),
        Effect::Truncate,
        Effect::MalformedJson,
    ] {
        let mut stage = stage().await;
        stage.github.add_fault(fault(effect.clone()));
        let process = stage.process(Network::new(None));
        until_standing(&stage, "False RefreshOutcomeUnknown").await;
        process.kill();
        let process = stage.process(Network::new(None));
        stage.until(90 * MINUTE).await;
        let context = || format!("{effect:?}: {:#?}", stage.trace());
        assert_eq!(standing(&stage), "False RefreshOutcomeUnknown", "{}", context());
        assert!(sent(&stage).0 <= 1, "{}", context());
        stage.rest(10 * MINUTE).await;
        goes_on(&stage).await;
        process.terminate().await;
    }
}

/// Nothing was sent, which is certain, so it is tried again.
#[tokio::test(start_paused = true)]
async fn what_never_left_is_sent_later() {
    let mut stage = stage().await;
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = refused.clone();
    let process = stage.process(Network::in_weather(Box::new(move |sent: &Sent| {
        let is_refused = sent.what == "sign-in" && counted.fetch_add(1, Ordering::Relaxed) < 5;
        is_refused.then_some(Mishap::Refused)
    })));
    stage.until(30 * MINUTE).await;
    assert_eq!(refused.load(Ordering::Relaxed), 6);
    assert_eq!(sent(&stage), (1, 1));
    assert_eq!(standing(&stage), "True Ready", "{:#?}", stage.trace());
    assert!(is_live(&stage));
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_github_refuses_is_not_sent_again() {
    let mut stage = stage().await;
    let mut used = stage.github.grants().remove(0);
    used.used = true;
    stage.github.add_grant(used).unwrap();
    let process = stage.process(Network::new(None));
    until_standing(&stage, "False RefreshRefused").await;
    process.kill();
    let process = stage.process(Network::new(None));
    stage.until(3 * 60 * MINUTE).await;
    assert_eq!(sent(&stage).0, 1);
    assert_eq!(standing(&stage), "False RefreshRefused", "{:#?}", stage.trace());
    stage.rest(10 * MINUTE).await;
    goes_on(&stage).await;
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_client_secret_is_corrected() {
    let mut stage = stage().await;
    change(&stage, &json!({"data": data(&[("client-secret", "wrong")])})).await;
    let process = stage.process(Network::new(None));
    until_standing(&stage, "False RefreshRefused").await;
    assert_eq!(sent(&stage), (1, 0));
    change(&stage, &json!({"data": data(&[("client-secret", "shh")])})).await;
    until_standing(&stage, "True Ready").await;
    assert_eq!(sent(&stage), (2, 1));
    assert!(is_live(&stage));
    process.terminate().await;
}

/// The old token is not even tried.
#[tokio::test(start_paused = true)]
async fn a_token_that_expired_while_nobody_led_is_exchanged_first() {
    let mut stage = stage().await;
    stage.until(3 * 60 * MINUTE).await;
    let process = stage.process(Network::new(None));
    until_standing(&stage, "True Ready").await;
    assert_eq!(sent(&stage), (1, 1));
    assert!(is_live(&stage));
    let failed = stage
        .github
        .requests()
        .into_iter()
        .filter(|request| request.status == Some(401))
        .count();
    assert_eq!(failed, 0);
    process.terminate().await;
}

/// Wires of a controller that reaches the API server no more once it has claimed an exchange, until it is let.
fn cut_off(is_let: &Arc<AtomicBool>) -> Network {
    let (is_let, mut has_claimed) = (is_let.clone(), false);
    Network::in_weather(Box::new(move |sent: &Sent| {
        if sent.what == "sign-in" {
            has_claimed = true;
        }
        let is_cut = has_claimed && sent.target == "kubernetes" && !is_let.load(Ordering::Relaxed);
        is_cut.then_some(Mishap::Refused)
    }))
}

/// The new pair is known to a controller that does not lead any more. The next one sends nothing, and takes up what the
/// first writes when it can.
#[tokio::test(start_paused = true)]
async fn a_new_pair_is_written_by_who_has_it_whoever_leads() {
    let mut stage = stage().await;
    let is_let = Arc::new(AtomicBool::new(false));
    let old = stage.process(cut_off(&is_let));
    stage.until(MINUTE).await;
    let new = stage.process(Network::new(None));
    until_standing(&stage, "False RefreshOutcomeUnknown").await;
    assert_eq!(sent(&stage), (1, 1));
    assert!(!is_live(&stage));
    is_let.store(true, Ordering::Relaxed);
    until_standing(&stage, "True Ready").await;
    assert_eq!(sent(&stage), (1, 1));
    assert!(is_live(&stage), "{:#?}", stage.trace());
    old.kill();
    new.terminate().await;
}

/// Between the claim and the write somebody took the right away. Who has the pair says so, and writes it once it may.
#[tokio::test(start_paused = true)]
async fn a_new_pair_that_may_not_be_written_is_told_of_and_not_lost() {
    let mut stage = stage().await;
    let (is_let, tries) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (may, counted, mut has_claimed) = (is_let.clone(), tries.clone(), false);
    let process = stage.process(Network::in_weather(Box::new(move |sent: &Sent| {
        has_claimed |= sent.what == "sign-in";
        let is_forbidden = has_claimed && sent.is_write && sent.what == "secrets" && !may.load(Ordering::Relaxed);
        counted.fetch_add(usize::from(is_forbidden), Ordering::Relaxed);
        is_forbidden.then_some(Mishap::Forbidden)
    })));
    until_standing(&stage, "False RefreshForbidden").await;
    stage.until(60 * MINUTE).await;
    assert_eq!(standing(&stage), "False RefreshForbidden", "{:#?}", stage.trace());
    assert_eq!((sent(&stage), is_live(&stage)), ((1, 1), false));
    let tries = tries.load(Ordering::Relaxed);
    assert!((10..80).contains(&tries), "{tries} tries");
    is_let.store(true, Ordering::Relaxed);
    until_standing(&stage, "True Ready").await;
    assert_eq!(sent(&stage), (1, 1));
    assert!(is_live(&stage), "{:#?}", stage.trace());
    process.terminate().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_puts_there_stays() {
    let mut stage = stage().await;
    let is_let = Arc::new(AtomicBool::new(false));
    let old = stage.process(cut_off(&is_let));
    stage.until(MINUTE).await;
    let new = stage.process(Network::new(None));
    until_standing(&stage, "False RefreshOutcomeUnknown").await;
    replace(&stage, "ghu_person", "ghr_person").await;
    is_let.store(true, Ordering::Relaxed);
    until_standing(&stage, "True Ready").await;
    tokio::time::sleep(10 * MINUTE).await;
    let of_person = stage
        .github
        .grants()
        .into_iter()
        .find(|grant| grant.refresh_token == "ghr_person");
    assert!(of_person.is_some_and(|grant| grant.used), "{:#?}", stage.trace());
    assert!(is_live(&stage), "{:#?}", stage.trace());
    assert_eq!(sent(&stage).0, 1);
    old.kill();
    new.terminate().await;
}

/// While GitHub takes its time to answer; nobody fails to write meanwhile, so nobody looks before the pair is to be written.
#[tokio::test(start_paused = true)]
async fn what_a_person_puts_there_during_an_exchange_stays() {
    let mut stage = stage().await;
    stage.github.add_fault(Fault {
        on: vec![Operation::RefreshToken],
        when: When::Always,
        effect: Effect::Slow {
            before_ms: 0,
            after_ms: 8_000,
        },
    });
    let process = stage.process(Network::new(None));
    let sent_once = async {
        while sent(&stage).0 == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(40 * MINUTE, sent_once).await.unwrap();
    replace(&stage, "ghu_person", "ghr_person").await;
    tokio::time::sleep(10 * MINUTE).await;
    let grants = stage.github.grants();
    let of_person = grants.into_iter().find(|grant| grant.refresh_token == "ghr_person");
    assert!(of_person.is_some_and(|grant| grant.used), "{:#?}", stage.trace());
    assert!(is_live(&stage), "{:#?}", stage.trace());
    process.terminate().await;
}

/// The next look at a Secret that is fine would come after five minutes; its watch tells at once.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_replaced_is_noticed_at_once() {
    let mut stage = stage().await;
    stage.github.add_user("hubot", 2);
    stage.github.add_token(Token::new("ghp_hubot", "hubot")).unwrap();
    let process = stage.process(Network::new(None));
    let login = |stage: &Stage| {
        let automations = stage.automations();
        let status = automations[0].status.clone().unwrap_or_default();
        status.credential.and_then(|credential| credential.login)
    };
    stage.until(MINUTE).await;
    assert_eq!(login(&stage).as_deref(), Some("octocat"));
    for _ in 0..3 {
        let mut pair = json!({"data": data(&[("token", "ghp_hubot")])});
        pair["data"]["refresh-token"] = json!(null);
        change(&stage, &pair).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(login(&stage).as_deref(), Some("hubot"));
        change(&stage, &json!({"data": data(&[("token", "ghu_first")])})).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(login(&stage).as_deref(), Some("octocat"));
        // Watches end and begin again.
        tokio::time::sleep(10 * MINUTE).await;
    }
    let requests = process.network.requests();
    let listed = requests.iter().filter(|sent| sent.what == "secrets watch").count();
    assert!((2..30).contains(&listed), "{listed} watches were begun");
    process.terminate().await;
}
