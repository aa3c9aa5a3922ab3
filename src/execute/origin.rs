//! The issue or the pull request that work came from, as it is now.

use crate::github::READ_TIMEOUT;
use crate::observe::Update;
use crate::observe::answers::seen_origin;
use crate::plan::world::{OriginFacts, OriginKey};

use super::github::github_failure;
use super::{Done, Executor};

impl Executor {
    pub(super) async fn read_origin(&self, key: OriginKey) -> Done {
        let known = match self.known(&key.credential) {
            Ok(known) => known,
            Err(failure) => return Done::failed(failure),
        };
        let began = self.now();
        let answer = self.github.read_origin(&known.token, &key.repository, key.number).await;
        let mut updates = self.lessons(&key.credential, &known, answer.as_ref().err());
        match answer {
            Ok(origin) => {
                // One of many files takes many requests; it is told of as the last found it.
                let asked = self.now().saturating_sub(READ_TIMEOUT).unwrap_or(began);
                let (checked_at, seen) = (asked.max(began), origin.map(seen_origin));
                updates.push(Update::OriginRead(key, Box::new(OriginFacts { checked_at, seen })));
                Done { updates, failure: None }
            }
            Err(error) => {
                let failure = Some(github_failure(&error));
                Done { updates, failure }
            }
        }
    }
}
