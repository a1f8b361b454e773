//! The query of an order: fields that may stand once each, and no others.

use super::super::query::{invalid, once, text};
use manager_protocol::failure::Failure;
use std::fmt::Display;
use std::str::FromStr;

/// The fields of a query, each of which is read by its name.
pub(super) struct Query(Vec<(&'static str, Option<String>)>);

impl Query {
    /// Reads a query that has only these fields: one with a slip in a name would order
    /// something else than was meant.
    ///
    /// # Errors
    /// Code 6, naming the field.
    pub(super) fn parse(query: &str, fields: &[&'static str]) -> Result<Self, Failure> {
        let mut read: Vec<_> = fields.iter().map(|field| (*field, None)).collect();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((field, slot)) = read.iter_mut().find(|(field, _)| *field == name) else {
                let why = format!("is not known here; known are {}", fields.join(", "));
                return Err(invalid(name, &why));
            };
            once(field, slot, text(field, value)?)?;
        }
        Ok(Self(read))
    }

    /// A field that may be missing.
    ///
    /// # Errors
    /// Code 6 where it is not what is wanted.
    pub(super) fn find<T>(&self, field: &'static str) -> Result<Option<T>, Failure>
    where
        T: FromStr<Err: Display> + Display,
    {
        let known = self.0.iter().find(|(name, _)| *name == field);
        let text = known.and_then(|(_, value)| value.as_deref());
        text.map(|text| written(field, text)).transpose()
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// Code 6 where it is missing, or not what is wanted.
    pub(super) fn get<T>(&self, field: &'static str) -> Result<T, Failure>
    where
        T: FromStr<Err: Display> + Display,
    {
        self.find(field)?
            .ok_or_else(|| invalid(field, "is missing"))
    }
}

/// Reads a field in the one way in which it is written: an id, a number.
///
/// # Errors
/// Code 6 where it is written in another way, or is not what is wanted.
pub(super) fn written<T>(field: &str, text: &str) -> Result<T, Failure>
where
    T: FromStr<Err: Display> + Display,
{
    let read: T = text
        .parse()
        .map_err(|why| invalid(field, &format!("{why}")))?;
    match read.to_string() {
        same if same == text => Ok(read),
        other => Err(invalid(field, &format!("must be written as {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::NodeId;

    #[test]
    fn a_field_stands_once_and_is_known() {
        let query = Query::parse("node=files%2Fnode-1&generation=3", &["node", "generation"]);
        let query = query.expect("a good query");
        let node: NodeId = query.get("node").expect("a node");
        assert_eq!(node.as_str(), "files/node-1");
        assert_eq!(query.find("generation").ok(), Some(Some(3_u32)));
        for (query, wrong) in [
            ("node=a&node=a", "node: is given twice"),
            ("nodes=a", "nodes: is not known here; known are node"),
            ("node=%FF", "node: must be valid UTF-8"),
        ] {
            let failure = Query::parse(query, &["node"]).err().expect(query);
            assert_eq!(failure.detail.as_deref(), Some(wrong));
        }
        let query = Query::parse("generation=+03", &["generation"]).expect("a good query");
        assert!(query.get::<u32>("generation").is_err());
        let query = Query::parse("node=a+b", &["node", "id"]).expect("a good query");
        let why = |failure: Failure| failure.detail.unwrap_or_default();
        assert!(why(query.get::<NodeId>("node").expect_err("no id")).starts_with("node: node id"));
        assert_eq!(
            why(query.get::<NodeId>("id").expect_err("missing")),
            "id: is missing"
        );
    }
}
