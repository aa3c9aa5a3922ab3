//! What something was like at an instant, so that a read can be answered for the past.

use jiff::Timestamp;

/// Every state of something, each from its instant on.
#[derive(Clone, Debug)]
pub(super) struct History<T> {
    first: (Timestamp, T),
    later: Vec<(Timestamp, T)>,
}

impl<T: Clone> History<T> {
    pub fn new(at: Timestamp, value: T) -> Self {
        Self {
            first: (at, value),
            later: Vec::new(),
        }
    }

    /// `None` before it began.
    pub fn at(&self, view: Timestamp) -> Option<&T> {
        let states = self.later.iter().rev().chain([&self.first]);
        states.into_iter().find(|(at, _)| *at <= view).map(|(_, value)| value)
    }

    pub fn latest(&self) -> &T {
        &self.later.last().unwrap_or(&self.first).1
    }

    /// Changes it from now on.
    pub fn change<R>(&mut self, now: Timestamp, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.latest().clone();
        let result = change(&mut value);
        self.later.push((now, value));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instant_has_its_state() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut history = History::new(at(10), 'a');
        history.change(at(20), |value| *value = 'b');
        history.change(at(20), |value| *value = 'c');
        let table = [
            (9, None),
            (10, Some('a')),
            (19, Some('a')),
            (20, Some('c')),
            (99, Some('c')),
        ];
        for (second, expected) in table {
            assert_eq!(history.at(at(second)).copied(), expected, "{second}");
        }
        assert_eq!(*history.latest(), 'c');
    }
}
