//! What sessions cost, in GitHub's units, added up without loss.

use serde::Deserialize;
use serde_json::Number;

use super::lenient::lenient;

/// What a session cost.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "RawUsage")]
pub enum Usage {
    /// Billionths of an AI credit.
    AiCredits { nano: u64 },
    /// May be fractional; sessions before June 2026.
    PremiumRequests { amount: f64 },
    /// A unit that GitHub's description does not list, or an amount that makes no sense for its unit.
    Other { unit: String, amount: Option<Number> },
}

/// The sum over a task's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UsageTotal {
    /// Billionths of an AI credit. To show: divide by 1e9, one decimal.
    pub ai_credits_nano: u64,
    pub premium_requests: f64,
}

impl UsageTotal {
    /// Adds up, each unit for itself. Units that are not known are left out; `None` when nothing is left.
    pub fn of<'a>(usages: impl IntoIterator<Item = &'a Usage>) -> Option<Self> {
        usages.into_iter().fold(None, |total, usage| {
            let sum: Self = total.unwrap_or_default();
            match usage {
                Usage::AiCredits { nano } => Some(Self {
                    ai_credits_nano: sum.ai_credits_nano.saturating_add(*nano),
                    ..sum
                }),
                Usage::PremiumRequests { amount } => Some(Self {
                    premium_requests: sum.premium_requests + amount,
                    ..sum
                }),
                Usage::Other { .. } => total,
            }
        })
    }
}

#[derive(Deserialize)]
struct RawUsage {
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    unit: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    amount: Option<Number>,
}

impl From<RawUsage> for Usage {
    fn from(raw: RawUsage) -> Self {
        let unit = raw.unit.unwrap_or_default();
        let nano = raw.amount.as_ref().and_then(whole);
        let amount = raw
            .amount
            .as_ref()
            .and_then(Number::as_f64)
            .filter(|amount| *amount >= 0.0);
        match (unit.as_str(), nano, amount) {
            ("ai_credits", Some(nano), _) => Self::AiCredits { nano },
            ("premium_requests", _, Some(amount)) => Self::PremiumRequests { amount },
            _ => Self::Other {
                unit,
                amount: raw.amount,
            },
        }
    }
}

/// A whole number, also one that is written with a fraction of zero or an exponent.
fn whole(number: &Number) -> Option<u64> {
    let rounded = || number.as_f64().filter(|value| *value >= 0.0 && value.fract() == 0.0);
    number.as_u64().or_else(|| format!("{}", rounded()?).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usages() {
        let other = |unit: &str, amount: Option<Number>| Usage::Other {
            unit: unit.to_owned(),
            amount,
        };
        let table = [
            (
                r#"{"type":"ai_credits","amount":1500000001}"#,
                Usage::AiCredits { nano: 1_500_000_001 },
            ),
            (
                r#"{"type":"ai_credits","amount":9007199254740993}"#,
                Usage::AiCredits {
                    nano: 9_007_199_254_740_993,
                },
            ),
            (
                r#"{"type":"ai_credits","amount":1500000000.0}"#,
                Usage::AiCredits { nano: 1_500_000_000 },
            ),
            (
                r#"{"type":"ai_credits","amount":1.5e9}"#,
                Usage::AiCredits { nano: 1_500_000_000 },
            ),
            (
                r#"{"type":"ai_credits","amount":0.5}"#,
                other("ai_credits", Number::from_f64(0.5)),
            ),
            (
                r#"{"type":"ai_credits","amount":-1}"#,
                other("ai_credits", Some((-1).into())),
            ),
            (
                r#"{"type":"ai_credits","amount":1e300}"#,
                other("ai_credits", Number::from_f64(1e300)),
            ),
            (r#"{"type":"ai_credits"}"#, other("ai_credits", None)),
            (
                r#"{"type":"premium_requests","amount":1.5}"#,
                Usage::PremiumRequests { amount: 1.5 },
            ),
            (
                r#"{"type":"premium_requests","amount":2}"#,
                Usage::PremiumRequests { amount: 2.0 },
            ),
            (r#"{"type":"tokens","amount":2}"#, other("tokens", Some(2.into()))),
            ("{}", other("", None)),
        ];
        for (body, expected) in table {
            assert_eq!(serde_json::from_str::<Usage>(body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn sums() {
        let credits = |nano| Usage::AiCredits { nano };
        let requests = |amount| Usage::PremiumRequests { amount };
        let other = Usage::Other {
            unit: "tokens".to_owned(),
            amount: None,
        };
        let table = [
            (vec![], None),
            (vec![other.clone()], None),
            (
                vec![credits(9_007_199_254_740_992), credits(1)],
                Some((9_007_199_254_740_993, 0.0)),
            ),
            (vec![credits(0)], Some((0, 0.0))),
            (vec![requests(1.5), requests(0.25), credits(3), other], Some((3, 1.75))),
            (vec![credits(u64::MAX), credits(1)], Some((u64::MAX, 0.0))),
        ];
        for (usages, expected) in table {
            let expected = expected.map(|(ai_credits_nano, premium_requests)| UsageTotal {
                ai_credits_nano,
                premium_requests,
            });
            assert_eq!(UsageTotal::of(&usages), expected, "{usages:?}");
        }
    }
}
