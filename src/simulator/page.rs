//! Pages of a list, the parameters that pick one, and the `Link` header that leads to the others.

use std::str::FromStr;

use super::{
    call::Call,
    reply::{Mistake, Refusal},
};

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub number: usize,
    pub size: usize,
}

/// The two ways in which GitHub's lists link their pages.
#[derive(Clone, Copy)]
pub(super) enum LinkStyle {
    /// `first` always, `last` on the final page only: the agents API.
    Agents,
    /// `first` when there are pages before, `last` when there are pages after: everything else.
    Rest,
}

impl Page {
    /// Out of range is a mistake.
    pub fn strict(call: &Call<'_>) -> Result<Self, Refusal> {
        let size = parsed::<usize>(call, "per_page")?.unwrap_or(30);
        let number = parsed::<usize>(call, "page")?.unwrap_or(1);
        if (1..=100).contains(&size) && number >= 1 {
            Ok(Self { number, size })
        } else {
            Err(invalid())
        }
    }

    /// Out of range is brought into it, as GitHub's older lists do.
    pub fn lenient(call: &Call<'_>) -> Self {
        let value = |name| call.parameter(name).and_then(|text| text.parse::<usize>().ok());
        Self {
            number: value("page").unwrap_or(1).max(1),
            size: value("per_page").unwrap_or(30).clamp(1, 100),
        }
    }

    pub fn cut<T>(self, items: Vec<T>) -> Vec<T> {
        let before = self.size.saturating_mul(self.number - 1);
        items.into_iter().skip(before).take(self.size).collect()
    }

    /// The `Link` header for a list of so many items; `None` when there is nothing to link.
    pub fn link(self, call: &Call<'_>, base_url: &str, total: usize, style: LinkStyle) -> Option<String> {
        let last = total.div_ceil(self.size).max(1);
        let (has_before, has_after) = (self.number > 1, self.number < last);
        let (first, final_page) = match style {
            LinkStyle::Agents => (true, !has_after),
            LinkStyle::Rest => (has_before, has_after),
        };
        let links = [
            ("prev", has_before, self.number - 1),
            ("next", has_after, self.number + 1),
            ("first", first, 1),
            ("last", final_page, last),
        ];
        let url = |page| format!("<{base_url}{}?{}>", call.path, with_page(call, page, self.size));
        let parts = links.iter().filter(|(_, wanted, _)| *wanted);
        let parts: Vec<String> = parts
            .map(|(name, _, page)| format!("{}; rel=\"{name}\"", url(*page)))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn with_page(call: &Call<'_>, page: usize, size: usize) -> String {
    let raw = call.raw_query.unwrap_or_default();
    let kept = raw.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !name.is_empty() && name != "page" && name != "per_page"
    });
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    pairs.push(format!("per_page={size}"));
    pairs.push(format!("page={page}"));
    pairs.join("&")
}

/// A query parameter of a type; text that is not of it is a mistake.
pub(super) fn parsed<T: FromStr>(call: &Call<'_>, name: &str) -> Result<Option<T>, Refusal> {
    call.parameter(name)
        .map(|text| text.parse().map_err(|_| invalid()))
        .transpose()
}

/// A query parameter that is one of some words; the first is the default.
pub(super) fn word<T: Copy>(call: &Call<'_>, name: &str, words: &[(&str, T)]) -> Result<T, Refusal> {
    let known = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    let default = || words.first().map(|(_, value)| *value);
    call.parameter(name).map_or_else(default, known).ok_or_else(invalid)
}

pub(super) fn invalid() -> Refusal {
    Refusal::Invalid(vec![Mistake::Invalid])
}
