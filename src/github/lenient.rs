//! Reading a field so that it cannot spoil the rest.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `None` for whatever is not a `T`.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// The elements that are a `T`; none for whatever is not a list.
pub(super) fn lenient_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values: Option<Vec<Value>> = lenient(deserializer)?;
    let elements = values.into_iter().flatten();
    Ok(elements
        .filter_map(|value| serde_json::from_value(value).ok())
        .collect())
}
