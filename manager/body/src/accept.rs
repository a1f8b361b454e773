//! What `Accept` (RFC 9110, section 12.5.1) asks for where there is a choice:
//! a file as bytes or as JSON, a listing as JSON or as NDJSON.

use http::HeaderMap;
use http::header::ACCEPT;

/// Media ranges that are read; a longer list is cut.
const MAX_RANGES: usize = 64;

/// How precisely a range names a type; more precise ones win.
const EXACT: u8 = 3;

/// Whether a download is wanted as JSON: only if `application/json` is named
/// and preferred to the bytes. At equal preference the bytes win, because many
/// HTTP libraries say `application/json, */*` on every request.
///
/// `content_type` is the file's own type; naming it also asks for the bytes.
pub fn prefers_json(headers: &HeaderMap, content_type: &str) -> bool {
    let ranges = ranges(headers);
    let Some((json, EXACT)) = quality(&ranges, "application/json") else {
        return false;
    };
    let own = content_type.split(';').next().unwrap_or_default().trim();
    let bytes = if own.eq_ignore_ascii_case("application/json") {
        // `application/json` means the envelope, as everywhere in this API.
        quality(&ranges, "application/octet-stream").map_or(0, |(q, _)| q)
    } else {
        let of = |media| quality(&ranges, media).map_or(0, |(q, _)| q);
        of(own).max(of("application/octet-stream"))
    };
    json > bytes
}

/// Whether a listing is wanted as NDJSON: only if that is named, and JSON isn't
/// named with the same or a higher preference.
pub fn prefers_ndjson(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers);
    let named = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
    ]
    .iter()
    .filter_map(|media| quality(&ranges, media))
    .filter(|(q, precision)| *q > 0 && *precision == EXACT)
    .map(|(q, _)| q)
    .max();
    match (named, quality(&ranges, "application/json")) {
        (None, _) => false,
        (Some(ndjson), Some((json, EXACT))) => ndjson > json,
        (Some(ndjson), Some((json, _))) => ndjson >= json,
        (Some(_), None) => true,
    }
}

/// Whether an answer is wanted as server-sent events: only if they are named, and JSON
/// isn't named with the same or a higher preference.
pub fn prefers_events(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers);
    let named = |media| {
        let found = quality(&ranges, media).filter(|(_, precision)| *precision == EXACT);
        found.map_or(0, |(q, _)| q)
    };
    named("text/event-stream") > named("application/json")
}

/// Whether a page is named, as browsers do and programs don't.
pub fn names_html(headers: &HeaderMap) -> bool {
    quality(&ranges(headers), "text/html").is_some_and(|(q, precision)| q > 0 && precision == EXACT)
}

/// A media range in lower case, and its quality in thousandths.
struct Range {
    media: String,
    quality: u16,
}

fn ranges(headers: &HeaderMap) -> Vec<Range> {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .take(MAX_RANGES)
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next()?.to_ascii_lowercase();
            let quality = parts
                .filter_map(|parameter| parameter.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
                .map_or(Some(1000), |(_, value)| thousandths(value.trim()))?;
            media.contains('/').then_some(Range { media, quality })
        })
        .collect()
}

/// `0`, `1`, `0.5`, `1.000`; anything else voids its range.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// The quality of a type, by the most precise range that matches it, and how
/// precise that is.
fn quality(ranges: &[Range], media: &str) -> Option<(u16, u8)> {
    let media = media.to_ascii_lowercase();
    let kind = media.split('/').next().unwrap_or_default();
    ranges
        .iter()
        .filter_map(|range| {
            let precision = if range.media == media {
                EXACT
            } else if range.media.strip_suffix("/*").is_some_and(|k| k == kind) {
                2
            } else if range.media == "*/*" {
                1
            } else {
                return None;
            };
            Some((precision, range.quality))
        })
        .max()
        .map(|(precision, quality)| (quality, precision))
}

#[cfg(test)]
mod tests;
