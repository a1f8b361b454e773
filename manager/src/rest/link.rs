//! `POST /file/{filename}/link`: makes a link that carries its own right.

use super::admit::Who;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::patterns::{LASTS, LINK, NAME};
use super::signed::written;
use super::{Rest, json_body, name};
use crate::format;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use http::header::HOST;
use http::request::Parts;
use http::{Response, StatusCode};
use manager_callers::Verb;
use manager_callers::link::{Allows, Number, Terms};
use manager_protocol::failure::Failure;
use manager_protocol::files::download::find;
use manager_protocol::store::State;
use proto::{Code, FileName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The longest that a link may last.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The longest body that asks for one.
const LONGEST_BODY: u64 = 4 << 10;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Use {
    Get,
    Put,
}

impl Use {
    fn verb(self) -> Verb {
        match self {
            Self::Get => Verb::Get,
            Self::Put => Verb::Create,
        }
    }
}

/// Which link is wanted.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "method", rename_all = "UPPERCASE", deny_unknown_fields)]
pub(super) enum LinkRequest {
    /// To fetch the file as it is now.
    Get {
        /// How long it lasts, such as `15m`, `1h` or `7days`, which is the longest.
        #[schemars(regex(pattern = LASTS))]
        expires: String,
    },
    /// To store a file under a name that is free.
    Put {
        /// How long it lasts, such as `15m`, `1h` or `7days`, which is the longest.
        #[schemars(regex(pattern = LASTS))]
        expires: String,
        /// The most bytes that may be stored.
        #[serde(deserialize_with = "json_body::whole")]
        max_bytes: u64,
    },
}

impl LinkRequest {
    fn method(&self) -> Use {
        match self {
            Self::Get { .. } => Use::Get,
            Self::Put { .. } => Use::Put,
        }
    }

    fn expires(&self) -> &str {
        match self {
            Self::Get { expires } | Self::Put { expires, .. } => expires,
        }
    }
}

/// A new link.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewLink {
    /// Where it leads. Whoever has it needs no other credential.
    #[schemars(extend("format" = "uri"))]
    url: String,
    /// What it is for.
    method: Use,
    /// The file's name.
    #[schemars(length(min = 1, max = 255), regex(pattern = NAME))]
    filename: String,
    /// When it ends, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    expires: String,
    /// Its number, by which the audit names it.
    #[schemars(regex(pattern = LINK))]
    link: String,
}

/// Serves the route.
pub(super) async fn link(Shared(rest): Shared<Arc<Rest>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match make(&rest, &parts, body).await {
        Ok(made) => answer::json(StatusCode::CREATED, &made),
        Err(refusal) => refusal.response(),
    }
}

async fn make(rest: &Arc<Rest>, parts: &Parts, body: Body) -> Result<NewLink, Refusal> {
    let name = name::in_link_path(&parts.uri)?;
    let caller = Caller::of(parts)?;
    let Who::Known(known) = &caller.who else {
        return Err(Refusal::forbidden(
            "links are made where callers are known: here anyone may do everything (--auth none)",
        ));
    };
    let _place = rest.gates.request(&caller.client).await?;
    let wanted: LinkRequest = json_body::read(rest, parts, body, LONGEST_BODY).await?;
    let lasts = lasts(wanted.expires())?;
    rest.admits
        .may(known, wanted.method().verb(), Some(&name))
        .await?;
    let allows = allows(rest, caller, &name, &wanted).await?;
    let now = rest.core.world.unix_ms() / 1000;
    let budget = known.identity().budget();
    let stores = matches!(allows, Allows::Put(_));
    let terms = Terms {
        number: Number(rand::random()),
        name,
        allows,
        ends: now + lasts.as_secs(),
        by: known.identity().account(),
        owner: budget.filter(|_| stores).map(|budget| budget.owner),
    };
    caller.made(terms.number);
    let keys = rest.admits.links.keys().await.map_err(Failure::from)?;
    let signature = keys.sign(&terms);
    Ok(NewLink {
        url: format!(
            "{}{}",
            origin(rest, caller, parts),
            written(&terms, &signature)
        ),
        method: wanted.method(),
        filename: terms.name.to_string(),
        expires: format::rfc3339(terms.ends * 1000),
        link: terms.number.to_string(),
    })
}

/// What the link is to allow, if that is possible now.
async fn allows(
    rest: &Arc<Rest>,
    caller: &Caller,
    name: &FileName,
    wanted: &LinkRequest,
) -> Result<Allows, Refusal> {
    match *wanted {
        LinkRequest::Get { .. } => {
            let found = find(&rest.core, caller.trace, &caller.client.reads, name).await?;
            caller.is_about(name, Some(found.record.id));
            Ok(Allows::Get(found.record.id))
        }
        LinkRequest::Put { max_bytes, .. } if max_bytes > rest.limits.max_body_bytes => {
            Err(Refusal::bad(format_args!(
                "`max_bytes`: is over the limit of {} bytes",
                rest.limits.max_body_bytes
            )))
        }
        LinkRequest::Put { max_bytes, .. } => {
            let found = rest.core.store.get(name).await.map_err(Failure::from)?;
            match found.filter(|record| record.state != State::Pending) {
                Some(_) => Err(Failure::new(Code::FileNameExists).into()),
                None => Ok(Allows::Put(max_bytes)),
            }
        }
    }
}

fn lasts(text: &str) -> Result<Duration, Refusal> {
    match kit::units::long_time(text) {
        Ok(lasts) if (Duration::from_secs(1)..=LONGEST).contains(&lasts) => Ok(lasts),
        Ok(_) => Err(Refusal::bad("`expires`: must be from 1s to 7days")),
        Err(why) => Err(Refusal::bad(format_args!("`expires`: {why}"))),
    }
}

/// What the URL begins with: as a flag says, or as the request came.
fn origin(rest: &Rest, caller: &Caller, parts: &Parts) -> String {
    if let Some(public) = &rest.admits.public_url {
        return public.clone();
    }
    let field = || parts.headers.get(HOST)?.to_str().ok().map(str::to_owned);
    let authority = parts.uri.authority().map(ToString::to_string);
    match authority.or_else(field) {
        Some(host) if caller.tls => format!("https://{host}"),
        Some(host) => format!("http://{host}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_to_store_has_a_bound_and_needs_it() {
        let read = |text| serde_json::from_str::<LinkRequest>(text).is_ok();
        for (text, taken) in [
            (r#"{"method":"GET","expires":"1h"}"#, true),
            (r#"{"expires":"1h","max_bytes":7,"method":"PUT"}"#, true),
            (r#"{"method":"PUT","expires":"1h","max_bytes":7.0}"#, true),
            (r#"{"method":"PUT","expires":"1h","max_bytes":7.5}"#, false),
            (r#"{"method":"PUT","expires":"1h","max_bytes":-7.0}"#, false),
            (r#"{"method":"GET","expires":"1h","max_bytes":7}"#, false),
            (r#"{"method":"GET","expires":"1h","max_bytes":null}"#, false),
            (r#"{"method":"PUT","expires":"1h"}"#, false),
            (r#"{"method":"PUT","expires":"1h","max_bytes":null}"#, false),
            (r#"{"method":"DELETE","expires":"1h"}"#, false),
        ] {
            assert_eq!(read(text), taken, "{text}");
        }
    }

    #[test]
    fn a_link_lasts_for_a_week_at_the_most() {
        assert_eq!(lasts("7days").expect("a week"), LONGEST);
        for bad in ["7days 1s", "0s", "500ms", "", "soon", "999999999999years"] {
            assert!(lasts(bad).is_err(), "{bad}");
        }
    }
}
