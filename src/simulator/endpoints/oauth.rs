//! The exchange of an app's user token for the next, on GitHub's own site: *Refreshing user access tokens*.

use http::header::{ACCEPT, CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::{
    auth::{Grant, Token, TokenKind},
    call::Call,
    reply::{Body, Reply},
    script::after,
    state::State,
};

/// Six months, as GitHub counts them.
const REFRESH_LIFETIME_S: u64 = 15_897_600;
const TROUBLE: &str =
    "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors";

impl State {
    /// A refusal has status 200, as everything that the site itself answers.
    pub(in crate::simulator) fn refresh_token(&mut self, call: &Call<'_>, now: Timestamp) -> Reply {
        let answer = self.exchange(call, now).unwrap_or_else(
            |(code, description)| json!({"error": code, "error_description": description, "error_uri": TROUBLE}),
        );
        let wants_json = call.header(ACCEPT).is_some_and(|accept| accept.contains("json"));
        if wants_json {
            return Reply::ok(answer);
        }
        let fields = answer.as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pairs: Vec<_> = fields.map(|(name, value)| format!("{name}={}", text(value))).collect();
        Reply {
            body: Body::Text("application/x-www-form-urlencoded; charset=utf-8", pairs.join("&")),
            ..Reply::ok(Value::Null)
        }
    }

    fn exchange(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Value, (&'static str, &'static str)> {
        let is_form = call
            .header(CONTENT_TYPE)
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let form = if is_form { form(call.body) } else { Vec::new() };
        let field = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        if field("grant_type") != Some("refresh_token") {
            return Err(("unsupported_grant_type", "The grant_type is missing or not supported."));
        }
        let bad = ("bad_refresh_token", "The refresh token passed is incorrect or expired.");
        let given = field("refresh_token").unwrap_or_default();
        let grant = self
            .grants
            .iter_mut()
            .find(|grant| grant.refresh_token == given)
            .ok_or(bad)?;
        grant.sent += 1;
        let is_app = field("client_id") == Some(grant.client_id.as_str())
            && grant
                .client_secret
                .as_deref()
                .is_none_or(|secret| field("client_secret") == Some(secret));
        if !is_app {
            return Err((
                "incorrect_client_credentials",
                "The client_id and/or client_secret passed are incorrect.",
            ));
        }
        if grant.used || grant.expires_at.is_some_and(|at| at <= now) {
            return Err(bad);
        }
        grant.used = true;
        let spent = grant.clone();
        self.renewed(&spent, now).ok_or(bad)
    }

    fn renewed(&mut self, spent: &Grant, now: Timestamp) -> Option<Value> {
        let old = self.tokens.get_mut(&spent.token)?;
        old.revoked = true;
        let (token, refresh_token) = (old.clone(), self.uuid());
        let next = Grant {
            refresh_token: format!("ghr_{}", refresh_token.replace('-', "")),
            token: format!("ghu_{}", self.uuid().replace('-', "")),
            expires_at: Some(after(now, REFRESH_LIFETIME_S * 1_000)),
            sent: 0,
            used: false,
            ..spent.clone()
        };
        let token = Token {
            token: next.token.clone(),
            kind: TokenKind::UserToServer,
            expires_at: Some(after(now, spent.lifetime_s * 1_000)),
            revoked: false,
            ..token
        };
        let answer = json!({
            "access_token": next.token,
            "expires_in": spent.lifetime_s,
            "refresh_token": next.refresh_token,
            "refresh_token_expires_in": REFRESH_LIFETIME_S,
            "scope": "",
            "token_type": "bearer",
        });
        self.tokens.insert(token.token.clone(), token);
        self.grants.push(next);
        Some(answer)
    }
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}
