//! Words that go with a number.

use std::fmt::Display;

/// `1 event was`, and of any other number `2 events were`.
#[must_use]
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    let words = if count == N::from(1) { one } else { many };
    format!("{count} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_as_one() {
        let table = [(0, "0 events were"), (1, "1 event was"), (2, "2 events were")];
        for (count, expected) in table {
            assert_eq!(counted(count, "event was", "events were"), expected);
        }
    }
}
