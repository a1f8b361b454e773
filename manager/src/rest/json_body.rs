//! Small bodies in JSON, which are read whole.

use super::Rest;
use super::answer::Refusal;
use super::request_body::RequestBody;
use axum::body::Body;
use futures::StreamExt;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

/// Reads a body of at most `longest` bytes.
///
/// # Errors
/// 415 for another media type, 413 for one that is longer, 400 for what is not wanted.
pub(super) async fn read<T: DeserializeOwned>(
    rest: &Rest,
    parts: &Parts,
    body: Body,
    longest: u64,
) -> Result<T, Refusal> {
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
    body.at_most(longest);
    body.length()?;
    let mut text = Vec::new();
    while let Some(piece) = body.next().await {
        text.extend(piece.map_err(|error| body.refusal(error))?);
    }
    // Fields in their order would be taken for an object.
    if text.trim_ascii_start().first() == Some(&b'[') {
        return Err(Refusal::bad(format_args!("body: must be a JSON object")));
    }
    serde_json::from_slice(&text).map_err(|error| Refusal::bad(format_args!("body: {error}")))
}

/// A whole number, which JSON may write as `7.0` too. Beyond 2^53 that would be inexact.
pub(super) fn whole<'de, D, N>(number: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    const EXACT: f64 = (1_u64 << 53) as f64;
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must be a whole number")]
    enum Written {
        Whole(u64),
        Point(f64),
    }
    let number = match Written::deserialize(number)? {
        Written::Whole(number) => number,
        Written::Point(number) if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) => {
            number as u64
        }
        Written::Point(_) => return Err(D::Error::custom("must be a whole number")),
    };
    let large = |_| D::Error::custom("is too large a number");
    N::try_from(number).map_err(large)
}

/// A field that may be left out, and is not null where it stands.
pub(super) fn given<'de, D, T>(field: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(field).map(Some)
}

/// A whole number of which the same is true.
pub(super) fn given_whole<'de, D, N>(number: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    whole(number).map(Some)
}
