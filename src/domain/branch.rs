//! The name of a branch, by the rules of `git check-ref-format --branch` and GitHub's own.
//!
//! A name is text from outside that goes into requests and status. One that git or GitHub would refuse is refused here,
//! where the message can say which part of it is wrong, and not by a start that fails.

use std::fmt;

/// The most bytes in a name: GitHub's 255 for a reference less `refs/heads/`.
const MAX_BYTES: usize = 244;

/// A valid name of a branch, without `refs/heads/`. Case matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Branch(String);

/// What is wrong with a branch's name. The rules are those of `git help check-ref-format`, and for names that look like
/// commits or full references those of GitHub's "Naming branches and tags".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BranchError {
    #[error("the branch is empty: name one, such as main")]
    Empty,
    #[error("the branch has {0} bytes: GitHub takes at most 244")]
    TooLong(usize),
    #[error("branch {name:?} holds {character:?}, which git does not allow in a branch")]
    Character { name: String, character: char },
    #[error("branch {name:?} holds {sequence:?}, which git does not allow in a branch")]
    Sequence { name: String, sequence: &'static str },
    #[error("branch {0:?} begins with '-', which git takes for an option")]
    LeadingHyphen(String),
    #[error("branch {0:?} ends with '.', which git does not allow")]
    TrailingDot(String),
    #[error("branch {0:?} has an empty part: use single slashes, none first or last")]
    EmptyPart(String),
    #[error("branch {name:?} has the part {part:?}: no part may begin with '.' or end with '.lock'")]
    Part { name: String, part: String },
    #[error("{0:?} is no branch: git and GitHub give this name another meaning")]
    Reserved(String),
    #[error("branch {0:?} is a full reference: write it without refs/heads/")]
    FullReference(String),
}

impl Branch {
    /// Reads a name of at most 244 bytes.
    pub fn parse(name: &str) -> Result<Self, BranchError> {
        check_whole(name)?;
        check_characters(name)?;
        name.split('/').try_for_each(|part| check_part(name, part))?;
        Ok(Self(name.to_owned()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_whole(name: &str) -> Result<(), BranchError> {
    if name.is_empty() {
        return Err(BranchError::Empty);
    }
    if name.len() > MAX_BYTES {
        return Err(BranchError::TooLong(name.len()));
    }
    let looks_like_a_commit = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if matches!(name, "@" | "HEAD") || looks_like_a_commit {
        return Err(BranchError::Reserved(name.to_owned()));
    }
    if name.starts_with("refs/") {
        return Err(BranchError::FullReference(name.to_owned()));
    }
    if name.starts_with('-') {
        return Err(BranchError::LeadingHyphen(name.to_owned()));
    }
    if name.ends_with('.') {
        return Err(BranchError::TrailingDot(name.to_owned()));
    }
    Ok(())
}

fn check_characters(name: &str) -> Result<(), BranchError> {
    let forbidden = |character: char| character.is_ascii_control() || " ~^:?*[\\".contains(character);
    if let Some(character) = name.chars().find(|&character| forbidden(character)) {
        return Err(BranchError::Character {
            name: name.to_owned(),
            character,
        });
    }
    match ["..", "@{"].into_iter().find(|sequence| name.contains(sequence)) {
        Some(sequence) => Err(BranchError::Sequence {
            name: name.to_owned(),
            sequence,
        }),
        None => Ok(()),
    }
}

fn check_part(name: &str, part: &str) -> Result<(), BranchError> {
    if part.is_empty() {
        return Err(BranchError::EmptyPart(name.to_owned()));
    }
    if part.starts_with('.') || part.as_bytes().ends_with(b".lock") {
        return Err(BranchError::Part {
            name: name.to_owned(),
            part: part.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted() {
        let longest = "b".repeat(244);
        let names = [
            "main",
            "release/1.2",
            "copilot/fix-7",
            "a-",
            "a@b",
            "@a",
            "a.lock.b",
            "a.LOCK",
            "head",
            "ünïcode/枝",
            "a{b}",
            "#1",
            "a,b;c&d$e(f)'\"!|<>`%+=",
            "ref/s",
            "0123456789abcdef0123456789abcdef0123456",
            &longest,
        ];
        for name in names {
            assert_eq!(
                Branch::parse(name).map(|branch| branch.to_string()),
                Ok(name.to_owned())
            );
        }
    }

    #[test]
    fn refused() {
        let too_long = "b".repeat(245);
        let table = [
            ("", "is empty"),
            (&too_long, "245 bytes"),
            ("a b", "holds ' '"),
            ("a\u{7f}", "holds '\\u{7f}'"),
            ("a\nb", "holds '\\n'"),
            ("a~1", "holds '~'"),
            ("a^", "holds '^'"),
            ("a:b", "holds ':'"),
            ("a?", "holds '?'"),
            ("release/*", "holds '*'"),
            ("a[1]", "holds '['"),
            ("a\\b", "holds '\\\\'"),
            ("a..b", "holds \"..\""),
            ("a@{1}", "holds \"@{\""),
            ("-a", "begins with '-'"),
            ("a.", "ends with '.'"),
            ("/a", "empty part"),
            ("a/", "empty part"),
            ("a//b", "empty part"),
            (".a", "the part \".a\""),
            ("a/.b/c", "the part \".b\""),
            ("a.lock", "the part \"a.lock\""),
            ("a.lock/b", "the part \"a.lock\""),
            ("@", "is no branch"),
            ("HEAD", "is no branch"),
            ("0123456789abcdef0123456789ABCDEF01234567", "is no branch"),
            ("refs/heads/main", "without refs/heads/"),
        ];
        for (name, expected) in table {
            let message = Branch::parse(name).unwrap_err().to_string();
            assert!(message.contains(expected), "{name:?}: {message}");
        }
    }
}
