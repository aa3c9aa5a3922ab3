//! Lists, which come in pages, and of which each element is read for itself.
//!
//! What a list leaves out matters: a start whose task is not in a list may only be called lost when the list was whole.
//! So a list says when pages were left or elements could not be read.

use bytes::Bytes;
use http::header::LINK;
use http::{HeaderMap, Response};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{Call, Client, decode, etag};
use super::conditional::Conditional;
use super::error::Error;
use super::models::Task;
use super::token::Token;
use crate::domain::repository::Repository;
use crate::domain::task_state::TaskState;

/// The most pages of one list: a thousand elements.
const PAGES_MAX: usize = 10;

/// Which tasks to list.
#[derive(Debug, Clone, Copy)]
pub struct ListQuery<'a> {
    pub scope: Scope<'a>,
    /// Only tasks that were *updated* at or after this time; cut to the second.
    pub since: Option<Timestamp>,
    /// `false`: archived tasks are left out; `true`: only they are listed.
    pub archived: bool,
    /// Only tasks in one of these states; empty: any.
    pub states: &'a [TaskState],
}

/// Whose tasks to list.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// Those of the token's user, in all repositories.
    User,
    /// Those of one repository, of one creator or of all that the token may see.
    Repository {
        repo: &'a Repository,
        creator_id: Option<u64>,
    },
}

/// The answer to a conditional list.
#[derive(Debug, Clone, PartialEq)]
pub enum Listed {
    /// Nothing has changed since the list whose `ETag` was given.
    NotModified,
    Tasks(List<Task>),
}

/// The elements of a list and what may be missing from it.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T> {
    /// In GitHub's order. An element may come twice when the list moved between two pages.
    pub items: Vec<T>,
    /// How many elements could not be read.
    pub undecodable: usize,
    /// Whether there are more pages than were read.
    pub truncated: bool,
    /// The page with which it goes on, where it has more.
    pub rest: Option<String>,
    /// To be given the next time. Only of a whole list, so that *not modified* always refers to one.
    pub etag: Option<String>,
}

/// The size of a page that is asked for.
pub(super) const PAGE_SIZE: usize = 100;

/// What comes after a page.
enum Next {
    Nothing,
    Page(String),
    /// More, at an address that can't be asked.
    Elsewhere,
}

/// How much of a list to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages(usize);

impl Client {
    /// Tasks, the most recently updated first, without their sessions.
    ///
    /// The `ETag` of the first page stands for the list: whatever changes is updated and so comes first.
    pub async fn list_tasks(&self, token: &Token, query: ListQuery<'_>, etag: Option<&str>) -> Result<Listed, Error> {
        let mut url = match query.scope {
            Scope::User => self.url(&["agents", "tasks"])?,
            Scope::Repository { repo, creator_id } => self
                .url(&["agents", "repos", repo.owner(), repo.name(), "tasks"])?
                .with_some("creator_id", creator_id.map(|id| id.to_string())),
        };
        url = url
            .with("per_page", "100")
            .with("sort", "updated_at")
            .with("direction", "desc")
            .with("is_archived", if query.archived { "true" } else { "false" })
            .with_some("since", query.since.map(whole_second))
            .with_some("state", joined(query.states));
        let call = Call {
            etag,
            ..Call::new("list_tasks", token, url)
        };
        let list = self.pages(call, Pages::default()).await?;
        Ok(list.map_or(Listed::NotModified, Listed::Tasks))
    }

    pub(super) async fn list<T: DeserializeOwned>(&self, call: Call<'_>, pages: Pages) -> Result<List<T>, Error> {
        Ok(self.pages(call, pages).await?.unwrap_or_default())
    }

    /// A list that grows at its end, from a time on.
    ///
    /// There the `ETag` of the first page says nothing of the others, so it is given only while the first is not full.
    pub(super) async fn growing_list<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
    ) -> Result<Conditional<List<T>>, Error> {
        let list = self.pages(call, Pages::default()).await?;
        Ok(conditional(list.map(|list: List<T>| {
            let is_full = list.items.len() + list.undecodable >= PAGE_SIZE;
            let etag = list.etag.filter(|_| !is_full);
            List { etag, ..list }
        })))
    }

    /// A list in the order of a time from which on it can be asked for.
    ///
    /// It moves while it is read: what changes goes to its end, and what follows moves up, maybe to a page that was read
    /// already. So each page is asked for from the last time of the one before. Only where all of a page has one time is the
    /// page after it asked for.
    pub(super) async fn rising_list<T: DeserializeOwned>(
        &self,
        mut call: Call<'_>,
        mut since: Timestamp,
        time: impl Fn(&T) -> Option<Timestamp>,
        from: impl Fn(Timestamp) -> Result<String, Error>,
    ) -> Result<Conditional<List<T>>, Error> {
        let mut list = List::default();
        for page in 0..PAGES_MAX {
            let Some(answer) = self.get(&call).await? else {
                return Ok(Conditional::NotModified);
            };
            list.extend(&call, &answer)?;
            let next = match self.next(&call, &answer) {
                Next::Nothing => {
                    // What comes after a full page leaves its tag as it was.
                    let is_full = list.items.len() + list.undecodable >= PAGE_SIZE;
                    list.etag = etag(&answer).filter(|_| page == 0 && !is_full);
                    return Ok(conditional(Some(list.finished(false))));
                }
                Next::Page(next) => Some(next),
                Next::Elsewhere => None,
            };
            let newest = list.items.iter().rev().find_map(&time);
            let newest = newest.filter(|newest| newest.as_second() > since.as_second());
            since = newest.unwrap_or(since);
            let url = match (newest, next) {
                (Some(newest), _) => from(newest)?,
                (None, Some(next)) => next,
                (None, None) => break,
            };
            call = Call {
                url,
                etag: None,
                ..call
            };
        }
        Ok(conditional(Some(list.finished(true))))
    }

    /// A list with the newest first, read until `enough` of an element says that it and what follows is known already.
    pub(super) async fn newest<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
        enough: impl Fn(&T) -> bool,
    ) -> Result<Conditional<List<T>>, Error> {
        let list = self.pages_until(call, Pages::default(), enough).await?;
        Ok(conditional(list))
    }

    /// Follows `rel="next"`; `None` when the first page has not changed.
    async fn pages<T: DeserializeOwned>(&self, call: Call<'_>, pages: Pages) -> Result<Option<List<T>>, Error> {
        self.pages_until(call, pages, |_| false).await
    }

    async fn pages_until<T: DeserializeOwned>(
        &self,
        mut call: Call<'_>,
        pages: Pages,
        enough: impl Fn(&T) -> bool,
    ) -> Result<Option<List<T>>, Error> {
        let mut list = List::default();
        for page in 0..pages.0 {
            let Some(answer) = self.get(&call).await? else {
                return Ok(None);
            };
            list.extend(&call, &answer)?;
            if page == 0 {
                list.etag = etag(&answer);
            }
            if list.items.last().is_some_and(&enough) {
                return Ok(Some(list.finished(false)));
            }
            let url = match self.next(&call, &answer) {
                Next::Nothing => return Ok(Some(list.finished(false))),
                Next::Page(url) => url,
                Next::Elsewhere => {
                    list.rest = None;
                    break;
                }
            };
            list.rest = Some(url.clone());
            call = Call {
                url,
                etag: None,
                ..call
            };
        }
        Ok(Some(list.finished(true)))
    }

    /// The token goes to the API's own address only. Behind a proxy that does not rewrite links, a link leads past it: then
    /// what it asks for is asked for where the page before was.
    fn next(&self, call: &Call<'_>, answer: &Response<Bytes>) -> Next {
        let Some(link) = next_page(answer.headers()) else {
            return Next::Nothing;
        };
        if self.base.owns(&link) {
            return Next::Page(link);
        }
        let path = call.url.split('?').next().unwrap_or_default();
        link.split_once('?')
            .map_or(Next::Elsewhere, |(_, query)| Next::Page(format!("{path}?{query}")))
    }
}

impl<T> List<T> {
    /// Whether nothing is missing from it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.truncated && self.undecodable == 0
    }

    fn finished(mut self, truncated: bool) -> Self {
        self.truncated = truncated;
        self.rest = self.rest.take().filter(|_| truncated);
        self.etag = self.etag.take().filter(|_| self.is_whole());
        self
    }
}

impl<T: DeserializeOwned> List<T> {
    fn extend(&mut self, call: &Call<'_>, answer: &Response<Bytes>) -> Result<(), Error> {
        for element in elements(decode(call, answer.body())?, call)? {
            match serde_json::from_value(element) {
                Ok(item) => self.items.push(item),
                Err(_) => self.undecodable += 1,
            }
        }
        Ok(())
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            undecodable: 0,
            truncated: false,
            rest: None,
            etag: None,
        }
    }
}

impl Pages {
    pub(super) fn at_most(count: usize) -> Self {
        Self(count)
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self(PAGES_MAX)
    }
}

fn conditional<T>(list: Option<List<T>>) -> Conditional<List<T>> {
    list.map_or(Conditional::NotModified, |list| Conditional::Fresh {
        etag: list.etag.clone(),
        value: list,
    })
}

/// A list is the body itself, or for tasks a field of it.
fn elements(body: Value, call: &Call<'_>) -> Result<Vec<Value>, Error> {
    let list = match body {
        Value::Object(mut fields) => fields.remove("tasks").unwrap_or_default(),
        body => body,
    };
    match list {
        Value::Array(elements) => Ok(elements),
        _ => Err(Error::Undecodable {
            operation: call.operation,
            reason: "it holds no list".to_owned(),
        }),
    }
}

/// The target of `Link: <…>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let mut links = values.flat_map(|line| line.split('<').skip(1));
    links.find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let mut parameters = parameters.split([';', ',']).map(str::trim);
        let is_next = parameters.any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"));
        is_next.then(|| target.to_owned())
    })
}

pub(super) fn whole_second(time: Timestamp) -> String {
    let rest = jiff::SignedDuration::from_nanos(i64::from(time.subsec_nanosecond()));
    time.saturating_sub(rest).unwrap_or(time).to_string()
}

fn joined(states: &[TaskState]) -> Option<String> {
    let names: Vec<&str> = states.iter().map(TaskState::as_str).collect();
    (!names.is_empty()).then(|| names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_pages() {
        let table: [(&[&str], Option<&str>); 7] = [
            (&[], None),
            (
                &[r#"<https://x/a?page=2>; rel="next", <https://x/a?page=9>; rel="last""#],
                Some("https://x/a?page=2"),
            ),
            (
                &[r#"<https://x/a?page=1>; rel="prev", <https://x/a?page=3>; rel="next""#],
                Some("https://x/a?page=3"),
            ),
            (
                &[r#"<https://x/a?page=1>; rel="prev""#, "<https://x/a?b=1,2;3>; rel=next"],
                Some("https://x/a?b=1,2;3"),
            ),
            (&[r#"<https://x/next>; rel="last"; title="next""#], None),
            (&["https://x/a; rel=next"], None),
            (&["<https://x/a"], None),
        ];
        for (lines, expected) in table {
            let headers = lines.iter().map(|line| (LINK, line.parse().unwrap())).collect();
            assert_eq!(next_page(&headers).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn since_is_never_later_than_asked() {
        for (time, expected) in [
            ("2026-11-22T12:00:00.999Z", "2026-11-22T12:00:00Z"),
            ("2026-11-22T12:00:00Z", "2026-11-22T12:00:00Z"),
        ] {
            assert_eq!(whole_second(time.parse().unwrap()), expected);
        }
    }
}
