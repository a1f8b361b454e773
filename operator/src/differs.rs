//! Whether an object has to be written: whether what is there lacks anything that we
//! want. Its other fields are somebody else's. It compares JSON, since one walk then
//! serves every kind, whatever fields it has.

use crate::quantity::billionths;
use serde_json::{Map, Value};

/// Maps whose meaning changes with any further key in them.
const WHOLE: [&str; 5] = [
    "selector",
    "podSelector",
    "namespaceSelector",
    "matchLabels",
    "nodeSelector",
];

/// Whether `there` lacks anything of `wanted`. Lists have to match element by
/// element; quantities and numbers are compared by their values, since the API
/// server writes `1024Mi` as `1Gi`.
pub(crate) fn lacks(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (there, Value::Null) => !is_empty(there),
        (Value::Object(there), Value::Object(wanted)) => {
            wanted.iter().any(|(key, wanted)| match there.get(key) {
                Some(there) => lacks(there, wanted) || !added(key, there, wanted).is_empty(),
                None => !is_empty(wanted),
            })
        }
        (Value::Array(there), Value::Array(wanted)) => {
            there.len() != wanted.len()
                || there
                    .iter()
                    .zip(wanted)
                    .any(|(there, wanted)| lacks(there, wanted))
        }
        (Value::String(there), Value::String(wanted)) => there != wanted && !same(there, wanted),
        (there, wanted) => there != wanted,
    }
}

/// The merge patch that takes away what a server-side apply leaves: items that
/// others added to our lists, and keys to our selectors. Nothing where there are
/// none.
pub(crate) fn correction(there: &Value, wanted: &Value) -> Option<Value> {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            let mut patch = Map::new();
            for (key, wanted) in wanted {
                let Some(there) = there.get(key) else {
                    continue;
                };
                let mut part = correction(there, wanted);
                for added in added(key, there, wanted) {
                    let part = part.get_or_insert_with(|| Value::Object(Map::new()));
                    part[added] = Value::Null;
                }
                if let Some(part) = part {
                    patch.insert(key.clone(), part);
                }
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (Value::Array(there), Value::Array(wanted)) => {
            let within = |(there, wanted)| correction(there, wanted).is_some();
            let differs = there.len() > wanted.len() || there.iter().zip(wanted).any(within);
            // A merge patch knows lists only as a whole.
            differs.then(|| Value::Array(wanted.clone()))
        }
        _ => None,
    }
}

/// Keys that are there and not wanted, of a map that is ours as a whole.
fn added<'a>(key: &str, there: &'a Value, wanted: &Value) -> Vec<&'a str> {
    let (Value::Object(there), Value::Object(wanted)) = (there, wanted) else {
        return Vec::new();
    };
    if !WHOLE.contains(&key) {
        return Vec::new();
    }
    let keys = there.keys().filter(|key| !wanted.contains_key(*key));
    keys.map(String::as_str).collect()
}

fn same(a: &str, b: &str) -> bool {
    matches!((billionths(a), billionths(b)), (Some(a), Some(b)) if a == b)
}

/// Whether the API server leaves out such a value.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
