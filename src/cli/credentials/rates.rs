//! What the users of tokens have left of GitHub's rate limit.
//!
//! The number changes with each request that anybody makes with any of the user's tokens, so no status holds it: it would
//! be written without end, and be wrong. Who may read a Secret asks GitHub with the token in it, which costs nothing.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde::Serialize;

use crate::cli::cluster::{self, Error};
use crate::github::{BaseUrl, Client as GitHub, HttpTransport, RateSnapshot, Token};

use super::Line;

/// Whether GitHub is asked, and where it is.
#[derive(Debug, clap::Args)]
#[group(id = "rates")]
pub struct Args {
    /// With --credentials, ask GitHub how many requests the user of each token has left, with the tokens themselves: you need
    /// to be allowed to read the Secrets.
    #[arg(long, requires = "credentials", conflicts_with = "filenames")]
    rate_limits: bool,
    /// GitHub's API for --rate-limits; for GitHub Enterprise Server the address with /api/v3.
    #[arg(long, default_value = "https://api.github.com", env = "GITHUB_API_URL", value_name = "URL", value_parser = BaseUrl::parse)]
    github_api_url: BaseUrl,
}

/// What is left of a user's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// Requests in an hour, with all tokens of the user.
    pub limit: u64,
    pub remaining: u64,
    /// When it is the limit again.
    pub resets_at: Timestamp,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.remaining, self.limit)
    }
}

impl From<RateSnapshot> for Left {
    fn from(rate: RateSnapshot) -> Self {
        Self {
            limit: rate.limit,
            remaining: rate.remaining,
            resets_at: rate.reset,
        }
    }
}

/// Asks for each line, if that is wanted. What can't be told is noted, and keeps no other from being told.
pub(super) fn ask(args: &Args, cluster: &cluster::Args, lines: &mut [Line]) -> Result<(), Error> {
    if !args.rate_limits {
        return Ok(());
    }
    let github = GitHub::new(
        Arc::new(HttpTransport::new(&args.github_api_url)?),
        args.github_api_url.clone(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, _) = cluster.client().await?;
        for line in lines {
            match left(&client, &github, line).await {
                Ok(left) => line.rate_limit = Some(left),
                Err(problem) => eprintln!("note: Secret {}/{}: {problem}", line.namespace, line.secret),
            }
        }
        Ok(())
    })
}

async fn left(client: &kube::Client, github: &GitHub, line: &Line) -> Result<Left, String> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &line.namespace);
    let secret = api.get(&line.secret).await.map_err(|error| unread(&error))?;
    let value = secret.data.as_ref().and_then(|data| data.get(&line.key));
    let text = value.and_then(|value| str::from_utf8(&value.0).ok());
    let text = text.ok_or_else(|| format!("it has no key {}", line.key))?;
    let token = Token::parse(text).map_err(|error| error.to_string())?;
    let rate = github.rate_limit(&token).await.map_err(|error| error.to_string())?;
    Ok(rate.into())
}

fn unread(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => "it is not there: create it".to_owned(),
        error => cluster::said(error),
    }
}
