//! Schemas that the types themselves do not yield.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A quantity, as a string or a number: what can be written as `10Gi` or `1000`.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$",
    })
}
