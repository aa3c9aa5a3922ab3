//! A command line in the order that the subcommands read: kubectl's options may stand before its commands too.

use std::ffi::OsString;

const FLAGS: [&str; 2] = ["-A", "--all-namespaces"];
const WITH_VALUES: [&str; 4] = ["-n", "--namespace", "--context", "--kubeconfig"];

/// Options that say which cluster and where in it, moved from before the subcommand to behind it.
#[must_use]
pub fn in_order(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter().peekable();
    let mut ordered: Vec<_> = words.next().into_iter().collect();
    let mut moved = Vec::new();
    while let Some(kind) = words.peek().and_then(|word| kind(&word.to_string_lossy())) {
        moved.extend(words.next());
        if kind == Kind::BeforeItsValue {
            moved.extend(words.next());
        }
    }
    ordered.extend(words.next());
    ordered.into_iter().chain(moved).chain(words).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    BeforeItsValue,
}

/// What a word is, if it is one of the options.
fn kind(word: &str) -> Option<Kind> {
    if WITH_VALUES.contains(&word) {
        return Some(Kind::BeforeItsValue);
    }
    let has_value = WITH_VALUES.iter().any(|option| match option.strip_prefix("--") {
        Some(_) => word.strip_prefix(option).is_some_and(|value| value.starts_with('=')),
        None => word.starts_with(option),
    });
    (has_value || FLAGS.contains(&word)).then_some(Kind::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_go_behind_the_subcommand() {
        let table = [
            ("aauto queue -o json", "aauto queue -o json"),
            ("aauto -n pa queue -o json", "aauto queue -n pa -o json"),
            (
                "aauto -npa --context=c --kubeconfig f why x",
                "aauto why -npa --context=c --kubeconfig f x",
            ),
            ("aauto -A queue", "aauto queue -A"),
            ("aauto --help", "aauto --help"),
            ("aauto -n", "aauto -n"),
            ("aauto", "aauto"),
        ];
        for (written, expected) in table {
            let ordered = in_order(written.split(' ').map(OsString::from));
            assert_eq!(
                ordered,
                expected.split(' ').map(OsString::from).collect::<Vec<_>>(),
                "{written}"
            );
        }
    }
}
