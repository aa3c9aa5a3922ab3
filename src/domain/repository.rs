//! A repository on GitHub, `owner/name`.
//!
//! GitHub finds a repository whatever the case of its letters and shows it as its owner wrote it. So does a
//! [`Repository`]: it keeps the text and compares without regard to case. It is part of a request's path, so nothing
//! may get in that could lead the request elsewhere.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// GitHub's longest account name.
const OWNER_MAX: usize = 39;
/// GitHub's longest repository name.
const NAME_MAX: usize = 100;

/// A valid `owner/name`. `Eq`, `Ord` and `Hash` disregard case, as GitHub does.
#[derive(Debug, Clone)]
pub struct Repository {
    text: String,
    slash: usize,
}

/// What is wrong with a repository's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    #[error("repository {0:?} is not of the form owner/name: write it without host, scheme or further path")]
    Form(String),
    #[error(
        "{0:?} is no owner on GitHub: use at most 39 letters, digits, single hyphens and underscores, with a letter or \
         digit first and no hyphen last"
    )]
    Owner(String),
    #[error(
        "{0:?} is no name of a repository on GitHub: use at most 100 letters, digits, '.', '-' and '_', other than \".\" \
         and \"..\""
    )]
    Name(String),
    #[error("GitHub has no repository whose name ends in .git: write {0:?}")]
    GitSuffix(String),
}

impl Repository {
    /// Reads `owner/name`.
    pub fn parse(text: &str) -> Result<Self, RepositoryError> {
        let (owner, name) = text
            .split_once('/')
            .filter(|(_, name)| !name.contains('/'))
            .ok_or_else(|| RepositoryError::Form(text.to_owned()))?;
        if !is_owner(owner) {
            return Err(RepositoryError::Owner(owner.to_owned()));
        }
        if !is_name(name) {
            return Err(RepositoryError::Name(name.to_owned()));
        }
        if let Some(stem) = strip_git_suffix(name) {
            return Err(RepositoryError::GitSuffix(format!("{owner}/{stem}")));
        }
        Ok(Self {
            text: text.to_owned(),
            slash: owner.len(),
        })
    }

    /// The account, a user or an organization.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.text[..self.slash]
    }

    /// The name within the account.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// `owner/name`, as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.text.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

/// Underscores stand in the names of managed users (`octocat_acme`), before the short code of their enterprise.
fn is_owner(text: &str) -> bool {
    text.len() <= OWNER_MAX
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.ends_with('-')
        && !text.contains("--")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text.len() <= NAME_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn strip_git_suffix(name: &str) -> Option<&str> {
    let (stem, suffix) = name.split_at_checked(name.len().checked_sub(4)?)?;
    suffix.eq_ignore_ascii_case(".git").then_some(stem)
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Repository {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl Eq for Repository {}

impl Ord for Repository {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl PartialOrd for Repository {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Repository {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|byte| state.write_u8(byte));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn accepted() {
        let longest = format!("{}/{}", "o".repeat(39), "n".repeat(100));
        for text in [
            "acme/payments-api",
            "a/b",
            "A1-b2/.github",
            "octocat_acme/x.y_z-",
            "a/...",
            "a/-",
            "a/git",
            &longest,
        ] {
            let repository = Repository::parse(text).unwrap();
            assert_eq!(repository.to_string(), text);
            assert_eq!(format!("{}/{}", repository.owner(), repository.name()), text);
        }
    }

    #[test]
    fn refused() {
        let long_owner = format!("{}/n", "o".repeat(40));
        let long_name = format!("o/{}", "n".repeat(101));
        let table = [
            ("", "form"),
            ("acme", "form"),
            ("https://github.com/acme/api", "form"),
            ("acme/api/", "form"),
            ("/api", "owner"),
            ("-acme/api", "owner"),
            ("acme-/api", "owner"),
            ("ac--me/api", "owner"),
            ("_acme/api", "owner"),
            ("ac.me/api", "owner"),
            ("ac me/api", "owner"),
            ("äcme/api", "owner"),
            ("../api", "owner"),
            (&long_owner, "owner"),
            ("acme/", "name"),
            ("acme/.", "name"),
            ("acme/..", "name"),
            ("acme/a b", "name"),
            ("acme/a?b", "name"),
            ("acme/a%2fb", "name"),
            ("acme/ünder", "name"),
            ("acme/api\n", "name"),
            (&long_name, "name"),
            ("acme/api.git", "suffix"),
            ("acme/API.GIT", "suffix"),
            ("acme/.git", "suffix"),
        ];
        for (text, expected) in table {
            let found = match Repository::parse(text) {
                Ok(_) => "accepted",
                Err(RepositoryError::Form(_)) => "form",
                Err(RepositoryError::Owner(_)) => "owner",
                Err(RepositoryError::Name(_)) => "name",
                Err(RepositoryError::GitSuffix(_)) => "suffix",
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_git_suffix_is_answered_with_what_to_write() {
        let error = Repository::parse("acme/api.git").unwrap_err();
        assert!(error.to_string().ends_with("write \"acme/api\""), "{error}");
    }

    #[test]
    fn case_does_not_tell_repositories_apart() {
        let written = ["Acme/API", "acme/api", "acme/b"].map(|text| Repository::parse(text).unwrap());
        assert_eq!(written[0], written[1]);
        assert!(written[1] < written[2] && written[0] < written[2]);
        assert_eq!(HashSet::from(written.clone()).len(), 2);
        assert_eq!(BTreeSet::from(written).len(), 2);
    }
}
