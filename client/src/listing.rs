//! Listings, page by page.

use crate::Error;
use crate::answers::Listed;
use crate::wire::Wire;
use futures::{Stream, TryStreamExt, stream};
use http::Method;
use serde::Deserialize;
use std::sync::Arc;

/// Files that are asked for at once.
const PAGE: &str = "1000";

#[derive(Deserialize)]
struct Page {
    files: Vec<Listed>,
    next: Option<String>,
}

/// Where a listing goes on.
enum At {
    After(Option<String>),
    End,
}

pub(crate) fn files(
    wire: Arc<Wire>,
    prefix: String,
    after: Option<String>,
) -> impl Stream<Item = Result<Listed, Error>> {
    let pages = stream::try_unfold(At::After(after), move |at| {
        let (wire, prefix) = (wire.clone(), prefix.clone());
        async move {
            let At::After(after) = at else {
                return Ok(None);
            };
            let mut url = wire.url(&["files"]);
            {
                let mut query = url.query_pairs_mut();
                query.append_pair("limit", PAGE);
                if !prefix.is_empty() {
                    query.append_pair("prefix", &prefix);
                }
                if let Some(after) = &after {
                    query.append_pair("after", after);
                }
            }
            let page: Page = wire
                .json(|| wire.http.request(Method::GET, url.clone()))
                .await?;
            if !is_in_order(&page.files, &prefix, after.as_deref()) {
                let why = "a listing has names that do not begin so, or are out of order";
                return Err(wire.not_understood(why));
            }
            let next = match page.next {
                // A service that began anew would be asked for ever.
                Some(next) if Some(&next) <= after.as_ref() => {
                    return Err(wire.not_understood("a page of a listing led back"));
                }
                Some(next) => At::After(Some(next)),
                None => At::End,
            };
            Ok(Some((stream::iter(page.files.into_iter().map(Ok)), next)))
        }
    });
    pages.try_flatten()
}

/// Whether all names are what was asked for: another one could be written to where nobody
/// expects it, or be deleted.
fn is_in_order(files: &[Listed], prefix: &str, after: Option<&str>) -> bool {
    let mut last = after;
    files.iter().all(|file| {
        let name = file.filename.as_str();
        let follows = last.replace(name).is_none_or(|last| last < name);
        follows && name.starts_with(prefix)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn listed(names: &[&str]) -> Vec<Listed> {
        let file = |name: &&str| {
            serde_json::from_value(json!({
                "filename": name, "id": "00".repeat(16), "size": 0, "sha256": "00".repeat(32),
                "created": "2026-01-01T00:00:00.000Z", "node": "n1",
            }))
        };
        names.iter().map(|name| file(name).unwrap()).collect()
    }

    #[test]
    fn a_listing_has_only_what_was_asked_for_in_its_order() {
        for (names, prefix, after, is) in [
            (&["a", "b"][..], "", None, true),
            (&["a1", "a2"], "a", Some("a0"), true),
            (&[], "a", None, true),
            (&[".ssh%2Fauthorized_keys"], "photos", None, false),
            (&["photos%2Fa", ".bashrc"], "photos", None, false),
            (&["b", "a"], "", None, false),
            (&["a", "a"], "", None, false),
            (&["a"], "", Some("a"), false),
        ] {
            assert_eq!(is_in_order(&listed(names), prefix, after), is, "{names:?}");
        }
    }
}
