//! `Ready`, `Reconciling` and `Stalled`, as kstatus reads them: a resource is current when `Ready` is true, in progress
//! while `Reconciling` is true, and failed when `Stalled` is true, which says that a person has to do something.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Why;
use super::time::to_second;

/// Where an automation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It can start tasks, or would if it were not suspended.
    Ready(Why),
    /// That is being found out.
    Reconciling(Why),
    /// It can't, and a person has to do something.
    Stalled(Why),
}

impl Standing {
    /// Why it stands there.
    #[must_use]
    pub fn why(&self) -> &Why {
        match self {
            Self::Ready(why) | Self::Reconciling(why) | Self::Stalled(why) => why,
        }
    }
}

/// The conditions. A transition time is carried over unless the condition's status changed. A warning is a condition that is
/// there only while it is true.
#[must_use]
pub fn conditions(
    standing: &Standing,
    warnings: &[(&str, Option<Why>)],
    generation: Option<i64>,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let (ready, reconciling, stalled) = match standing {
        Standing::Ready(_) => ("True", false, false),
        Standing::Reconciling(_) => ("Unknown", true, false),
        Standing::Stalled(_) => ("False", false, true),
    };
    let condition = |kind: &str, status: &str, reason: &str, message: &str| Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: transition(kind, status, before, now),
    };
    let why = standing.why();
    let (reason, message) = (why.reason.as_str(), why.message.as_str());
    // Why it stands there is no reason for not being what it is not.
    let abnormal = |kind, not, is| {
        if is {
            condition(kind, "True", reason, message)
        } else {
            condition(kind, "False", not, "")
        }
    };
    let warnings = warnings.iter().filter_map(|(kind, why)| {
        let why = why.as_ref()?;
        Some(condition(kind, "True", why.reason.as_str(), &why.message))
    });
    let standing = [
        condition("Ready", ready, reason, message),
        abnormal("Reconciling", "NotReconciling", reconciling),
        abnormal("Stalled", "NotStalled", stalled),
    ];
    standing.into_iter().chain(warnings).collect()
}

/// One condition.
#[must_use]
pub fn condition(
    kind: &str,
    status: &str,
    why: &Why,
    generation: Option<i64>,
    before: &[Condition],
    now: Timestamp,
) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: why.reason.as_str().to_owned(),
        message: why.message.clone(),
        observed_generation: generation,
        last_transition_time: transition(kind, status, before, now),
    }
}

fn transition(kind: &str, status: &str, before: &[Condition], now: Timestamp) -> Time {
    before
        .iter()
        .find(|condition| condition.type_ == kind && condition.status == status)
        .map_or_else(
            // Kubernetes keeps these times to the second; keeping more would make each comparison a difference.
            || Time(to_second(now)),
            |condition| condition.last_transition_time.clone(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    #[test]
    fn a_transition_time_changes_with_the_status_and_not_with_the_reason() {
        let early: Timestamp = "2026-11-22T06:00:00.5Z".parse().unwrap();
        let late: Timestamp = "2026-11-22T07:00:00Z".parse().unwrap();
        let missing = Standing::Stalled(Why::new(Reason::SecretMissing, "create it"));
        let denied = Standing::Stalled(Why::new(Reason::PolicyDenied, "ask"));
        let ready = Standing::Ready(Why::new(Reason::Ready, ""));
        let first = conditions(&missing, &[], Some(1), &[], early);
        let second = conditions(&denied, &[], Some(2), &first, late);
        let third = conditions(&ready, &[], Some(2), &second, late);
        let say = |conditions: &[Condition]| {
            conditions
                .iter()
                .map(|c| {
                    format!(
                        "{}={} {} {}",
                        c.type_,
                        c.status,
                        c.reason,
                        c.last_transition_time.0.strftime("%H")
                    )
                })
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert_eq!(
            say(&first),
            "Ready=False SecretMissing 06; Reconciling=False NotReconciling 06; Stalled=True SecretMissing 06"
        );
        assert_eq!(
            say(&second),
            "Ready=False PolicyDenied 06; Reconciling=False NotReconciling 06; Stalled=True PolicyDenied 06"
        );
        assert_eq!(
            say(&third),
            "Ready=True Ready 07; Reconciling=False NotReconciling 06; Stalled=False NotStalled 07"
        );
    }
}
