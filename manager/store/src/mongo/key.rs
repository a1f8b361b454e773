//! Names as keys: UTF-8 bytes in hex, so that every server sorts them as bytes,
//! whatever its own order of strings.

use mongodb::bson::{Document, doc};
use names::FileName;

/// Sorts after every hex digit.
const AFTER_DIGITS: char = 'g';

/// The key of a name, or of the beginning of one.
pub(super) fn key(text: &str) -> String {
    base16ct::lower::encode_string(text.as_bytes())
}

/// The name of a key.
pub(super) fn name(key: &str) -> Option<FileName> {
    FileName::from_bytes(&base16ct::lower::decode_vec(key).ok()?).ok()
}

/// The keys of names that begin with `prefix` and come after `after`.
pub(super) fn range(prefix: &str, after: Option<&str>) -> Document {
    let mut range = doc! {};
    if !prefix.is_empty() {
        let mut end = key(prefix);
        range.insert("$gte", end.clone());
        end.push(AFTER_DIGITS);
        range.insert("$lt", end);
    }
    if let Some(after) = after {
        range.insert("$gt", key(after));
    }
    if range.is_empty() {
        // All of them: no name is empty.
        range.insert("$gt", "");
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(range: &Document, key: &str) -> bool {
        range.iter().all(|(operator, bound)| {
            let bound = bound.as_str().unwrap();
            match operator.as_str() {
                "$gte" => key >= bound,
                "$gt" => key > bound,
                "$lt" => key < bound,
                other => panic!("{other}"),
            }
        })
    }

    proptest! {
        #[test]
        fn a_key_has_its_name(text in "[^/\\p{C}]{1,12}") {
            prop_assume!(text != "." && text != "..");
            let found = name(&key(&text));
            prop_assert_eq!(found.map(|name| name.to_string()), Some(text));
        }

        #[test]
        fn keys_sort_as_the_bytes_of_their_names(one in ".{0,12}", other in ".{0,12}") {
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.as_bytes().cmp(other.as_bytes()));
        }

        #[test]
        fn a_range_holds_what_begins_so_and_comes_after(
            prefix in ".{0,3}", after in prop::option::of(".{0,4}"), name in ".{1,5}",
        ) {
            let wanted = name.starts_with(&prefix) && after.as_ref().is_none_or(|after| name > *after);
            prop_assert_eq!(holds(&range(&prefix, after.as_deref()), &key(&name)), wanted);
        }
    }
}
