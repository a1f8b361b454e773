//! Whether an object has to be written: what we want is looked for in what is
//! there, whose other fields are somebody else's.

use crate::quantity::billionths;
use serde_json::Value;

/// Whether `there` lacks anything of `wanted`. Lists have to match element by
/// element; quantities and numbers are compared by their values, since the API
/// server writes `1024Mi` as `1Gi`.
pub fn lacks(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (there, Value::Null) => !is_empty(there),
        (Value::Object(there), Value::Object(wanted)) => {
            wanted.iter().any(|(key, wanted)| match there.get(key) {
                Some(there) => lacks(there, wanted),
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

fn same(a: &str, b: &str) -> bool {
    matches!((billionths(a), billionths(b)), (Some(a), Some(b)) if a == b)
}

/// What the API server leaves out.
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
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_we_want_is_compared() {
        let there = json!({"a": 1, "theirs": true, "size": "1Gi", "list": [{"x": 1, "y": 2}]});
        for wanted in [
            json!({}),
            json!({"a": 1}),
            json!({"size": "1024Mi"}),
            json!({"list": [{"x": 1}]}),
            json!({"none": {}, "nothing": [], "null": null}),
        ] {
            assert!(!lacks(&there, &wanted), "{wanted}");
        }
        for wanted in [
            json!({"a": 2}),
            json!({"b": 1}),
            json!({"size": "2Gi"}),
            json!({"list": []}),
            json!({"list": [{"x": 2}]}),
            json!({"list": [{"x": 1}, {"x": 1}]}),
            json!({"flag": false}),
            json!({"theirs": null}),
        ] {
            assert!(lacks(&there, &wanted), "{wanted}");
        }
    }
}
