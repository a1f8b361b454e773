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
