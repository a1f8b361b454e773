//! `POST /file/{filename}/link`: makes a link that carries its own right.

use super::admit::Who;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::request_body::RequestBody;
use super::signed::written;
use super::{Rest, name};
use crate::format;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use futures::StreamExt;
use http::header::{CONTENT_TYPE, HOST};
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
#[serde(deny_unknown_fields)]
pub(super) struct LinkRequest {
    /// GET to fetch the file as it is now, PUT to store one under a name that is free.
    method: Use,
    /// How long it lasts, such as `15m`, `1h` or `7days`, which is the longest.
    expires: String,
    /// PUT only, and needed there: the most bytes that may be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
}

/// A new link.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewLink {
    /// Where it leads. Whoever has it needs no other credential.
    url: String,
    /// What it is for.
    method: Use,
    /// The file's name.
    filename: String,
    /// When it ends, in RFC 3339.
    expires: String,
    /// Its number, by which the audit names it.
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
    let wanted = read(rest, parts, body).await?;
    let lasts = lasts(&wanted.expires)?;
    rest.admits
        .may(known, wanted.method.verb(), Some(&name))
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
        method: wanted.method,
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
    match (wanted.method, wanted.max_bytes) {
        (Use::Get, Some(_)) => Err(Refusal::bad("`max_bytes`: is for PUT")),
        (Use::Get, None) => {
            let found = find(&rest.core, caller.trace, &caller.client.reads, name).await?;
            caller.is_about(name, Some(found.record.id));
            Ok(Allows::Get(found.record.id))
        }
        (Use::Put, None) => Err(Refusal::bad("`max_bytes`: is needed for PUT")),
        (Use::Put, Some(most)) if most > rest.limits.max_body_bytes => {
            Err(Refusal::bad(format_args!(
                "`max_bytes`: is over the limit of {} bytes",
                rest.limits.max_body_bytes
            )))
        }
        (Use::Put, Some(most)) => {
            let found = rest.core.store.get(name).await.map_err(Failure::from)?;
            match found.filter(|record| record.state != State::Pending) {
                Some(_) => Err(Failure::new(Code::FileNameExists).into()),
                None => Ok(Allows::Put(most)),
            }
        }
    }
}

async fn read(rest: &Rest, parts: &Parts, body: Body) -> Result<LinkRequest, Refusal> {
    let kind = parts.headers.get(CONTENT_TYPE);
    let kind = kind.map(|kind| kind.to_str().unwrap_or_default());
    let json = |kind: &str| {
        kind.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case("application/json")
    };
    if !kind.is_none_or(json) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::invalid(
            status,
            "`Content-Type`: must be application/json",
        ));
    }
    let mut body = RequestBody::new(body, &rest.limits);
    body.at_most(LONGEST_BODY);
    body.length()?;
    let mut text = Vec::new();
    while let Some(piece) = body.next().await {
        text.extend(piece.map_err(|error| body.refusal(error))?);
    }
    serde_json::from_slice(&text).map_err(|error| Refusal::bad(format_args!("body: {error}")))
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
    fn a_link_lasts_for_a_week_at_the_most() {
        assert_eq!(lasts("7days").expect("a week"), LONGEST);
        for bad in ["7days 1s", "0s", "500ms", "", "soon", "999999999999years"] {
            assert!(lasts(bad).is_err(), "{bad}");
        }
    }
}
