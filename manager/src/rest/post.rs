//! `POST /file`: the file in JSON, a form or multipart, decoded in a stream
//! whatever the order of its fields.

use super::answer::Refusal;
use super::caller::Caller;
use super::gate::Admitted;
use super::put::{answered, checker, key, refuse_parts_and_codings};
use super::request_body::RequestBody;
use super::{Rest, name};
use axum::body::Body;
use axum::extract::{Request, State};
use futures::StreamExt;
use http::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use manager_body::digest::{CONTENT_DIGEST, Checker, REPR_DIGEST};
use manager_body::{BodyError, Event, UploadKind, decode, media};
use manager_callers::{Denied, Verb};
use manager_protocol::failure::Failure;
use manager_protocol::files::upload::{Stored, Upload, UploadMeta};
use proto::{Budget, FileName, SMALL};
use std::pin::pin;
use std::sync::Arc;

/// Serves the route.
pub(super) async fn post(State(rest): State<Arc<Rest>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut body = RequestBody::new(body, &rest.limits);
    let stored = store(&rest, &parts, &mut body).await;
    answered(&parts, stored)
}

/// Where an upload stops short.
enum Stop {
    Body(BodyError),
    Refused(Refusal),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure.into())
    }
}

impl From<Denied> for Stop {
    fn from(denied: Denied) -> Self {
        Self::Refused(denied.into())
    }
}

impl From<BodyError> for Stop {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

async fn store(rest: &Arc<Rest>, parts: &Parts, body: &mut RequestBody) -> Result<Stored, Refusal> {
    let headers = &parts.headers;
    refuse_parts_and_codings(headers)?;
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = UploadKind::of(given).map_err(|error| body.refusal(error))?;
    let key = key(headers)?;
    // RFC 9530: the content is the body as sent. What it represents is the
    // file, so Repr-Digest is about the decoded bytes.
    if let Some(checker) = Checker::of(headers, CONTENT_DIGEST, false).map_err(Refusal::bad)? {
        body.check(checker);
    }
    let caller = Caller::of(parts)?;
    let mut form = Form {
        has_key: key.is_some(),
        budget: rest.admits.budget(&caller.who),
        ..Form::default()
    };
    form.checker = checker(headers, REPR_DIGEST)?;
    let length = body.length()?;
    let mut admitted = rest.gates.upload(&caller.client, &caller.waiters).await?;
    let mut upload = Upload::begin(
        &rest.core,
        caller.trace,
        caller.writes(),
        likely_size(&kind, length),
    );
    let taken = form.take_in(kind, body, &mut upload, &mut admitted, caller);
    if let Err(stop) = taken.await {
        return Err(match stop {
            Stop::Body(error) => body.refusal(error),
            Stop::Refused(refusal) => refusal,
        });
    }
    let received = upload.end();
    caller.client.counts().received(received.size);
    body.checked()?;
    if let Some(checker) = form.checker {
        checker
            .finish(Some(&received.sha256), body.trailers())
            .map_err(Refusal::bad)?;
    }
    // The decoder has refused a body without a name.
    let name = form
        .name
        .ok_or_else(|| Refusal::bad("`filename` is missing"))?;
    let meta = UploadMeta {
        name,
        content_type: form.content_type,
        idempotency_key: key,
        budget: form.budget,
    };
    Ok(received.commit(meta).await?)
}

/// A close upper bound of the file's size, where the body's length gives one: a JSON
/// body or a form is nearly all base64. A multipart body may hold base64 or the bytes
/// themselves, so that only a small one gives a bound.
fn likely_size(kind: &UploadKind, length: Option<u64>) -> Option<u64> {
    let length = length?;
    match kind {
        UploadKind::Json | UploadKind::Form => Some(length / 4 * 3 + 3),
        UploadKind::Multipart { .. } => (length <= SMALL as u64).then_some(length),
    }
}

/// What the body has said so far.
#[derive(Default)]
struct Form {
    has_key: bool,
    has_begun: bool,
    budget: Option<Budget>,
    name: Option<FileName>,
    content_type: Option<String>,
    checker: Option<Checker>,
}

impl Form {
    async fn take_in(
        &mut self,
        kind: UploadKind,
        body: &mut RequestBody,
        upload: &mut Upload,
        admitted: &mut Admitted<'_>,
        caller: &Caller,
    ) -> Result<(), Stop> {
        let mut events = pin!(decode(kind, body));
        while let Some(event) = events.next().await {
            match event? {
                Event::Filename(text) => {
                    let name = name::in_body(&text)?;
                    caller.is_about(&name, None);
                    caller.who.may_name(Verb::Create, &name)?;
                    upload.name(&name, self.has_key).await?;
                    self.name = Some(name);
                }
                Event::ContentType(text) => {
                    self.content_type = Some(media::checked(&text)?.to_owned());
                }
                Event::Data(bytes) => {
                    if !std::mem::replace(&mut self.has_begun, true) {
                        // The body's length says of the file's only how long it may be.
                        let budget = self.budget.as_ref();
                        upload.within(budget, None, self.has_key).await?;
                    }
                    if let Some(checker) = &mut self.checker {
                        checker.update(&bytes);
                    }
                    upload.push(admitted.hold(bytes).await?).await?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_likely_size_is_never_too_small(size in 0_u64..1 << 40, rest in 0_u64..1000) {
            let length = size.div_ceil(3) * 4 + rest;
            for kind in [UploadKind::Json, UploadKind::Form] {
                let likely = likely_size(&kind, Some(length)).expect("known");
                prop_assert!(likely >= size && likely <= size + rest + 6);
            }
        }
    }
}
