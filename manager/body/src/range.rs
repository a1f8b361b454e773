//! `Range` requests (RFC 9110, section 14): what to send of a file of a known
//! size, and the framing of `multipart/byteranges`.

use bytes::Bytes;

/// Ranges in one request; with more the header field is ignored, as section 14.2
/// allows for requests that look like an attack.
pub const MAX_RANGES: usize = 64;

/// A stretch of the file, never empty: first byte and number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Offset of the first byte.
    pub start: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Part {
    fn end(self) -> u64 {
        self.start + self.len
    }

    /// The value of `Content-Range` for this part of a file of `size` bytes.
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end() - 1)
    }
}

/// The value of `Content-Range` in a 416 answer.
pub fn unsatisfied_content_range(size: u64) -> String {
    format!("bytes */{size}")
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200, everything: no range was asked for, or one that is not understood.
    Full,
    /// 206 with this part.
    Single(Part),
    /// 206 `multipart/byteranges`: two parts or more, disjoint, in the order
    /// asked for, or in the file's order if any had to be merged.
    Multi(Vec<Part>),
    /// 416.
    Unsatisfiable,
}

/// Decides on a `Range` header field against a file of `size` bytes.
///
/// Other units, malformed ranges and more than [`MAX_RANGES`] give
/// [`Answer::Full`]. Overlapping and adjoining ranges are merged, so an answer
/// never holds a byte twice.
pub fn decide(range: Option<&str>, size: u64) -> Answer {
    let Some(ranges) = range.and_then(|text| parse(text, size)) else {
        return Answer::Full;
    };
    let parts: Vec<Part> = ranges.into_iter().flatten().collect();
    if parts.iter().any(|part| part.len == 0) {
        // The last bytes of an empty file: satisfiable by section 14.1.2, but
        // no Content-Range can express it.
        return Answer::Full;
    }
    let parts = merge(parts);
    match parts.as_slice() {
        [] => Answer::Unsatisfiable,
        [only] => Answer::Single(*only),
        _ => Answer::Multi(parts),
    }
}

/// The ranges of a well-formed header field, `None` for those that can't be
/// satisfied; `None` altogether when it is to be ignored.
fn parse(text: &str, size: u64) -> Option<Vec<Option<Part>>> {
    let (unit, set) = text.trim_matches([' ', '\t']).split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    // Empty elements of a list are allowed; they are bounded, too.
    for (at, spec) in set
        .split(',')
        .map(|spec| spec.trim_matches([' ', '\t']))
        .enumerate()
    {
        if at >= 2 * MAX_RANGES || ranges.len() > MAX_RANGES {
            return None;
        }
        if !spec.is_empty() {
            ranges.push(parse_spec(spec, size)?);
        }
    }
    (1..=MAX_RANGES).contains(&ranges.len()).then_some(ranges)
}

fn parse_spec(spec: &str, size: u64) -> Option<Option<Part>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let wanted = number(last)?;
        let len = wanted.min(size);
        return Some((wanted > 0).then_some(Part {
            start: size - len,
            len,
        }));
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    if first >= size {
        return Some(None);
    }
    Some(Some(Part {
        start: first,
        len: last.min(size - 1) - first + 1,
    }))
}

/// Digits only; a number beyond 64 bits is beyond every file, too.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn merge(parts: Vec<Part>) -> Vec<Part> {
    let mut sorted = parts.clone();
    sorted.sort_unstable();
    let mut merged: Vec<Part> = Vec::with_capacity(sorted.len());
    for part in sorted {
        match merged.last_mut() {
            Some(last) if part.start <= last.end() => {
                last.len = last.end().max(part.end()) - last.start;
            }
            _ => merged.push(part),
        }
    }
    if merged.len() == parts.len() {
        parts
    } else {
        merged
    }
}

/// The framing of a `multipart/byteranges` answer.
#[derive(Debug, Clone)]
pub struct Framing {
    boundary: String,
    content_type: String,
    size: u64,
}

impl Framing {
    /// `boundary` must not occur in the file: the caller draws one at random
    /// (22 or more letters and digits). `content_type` and `size` are the
    /// whole file's.
    pub fn new(boundary: &str, content_type: &str, size: u64) -> Framing {
        Framing {
            boundary: boundary.to_owned(),
            content_type: content_type.to_owned(),
            size,
        }
    }

    /// The answer's `Content-Type`.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// What comes before the bytes of `part`.
    pub fn head(&self, part: Part) -> Bytes {
        Bytes::from(format!(
            "\r\n--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            self.boundary,
            self.content_type,
            part.content_range(self.size)
        ))
    }

    /// What comes after the last part.
    pub fn tail(&self) -> Bytes {
        Bytes::from(format!("\r\n--{}--\r\n", self.boundary))
    }

    /// The exact `Content-Length` of the answer with these parts, in bytes.
    pub fn content_length(&self, parts: &[Part]) -> u64 {
        parts
            .iter()
            .map(|part| self.head(*part).len() as u64 + part.len)
            .sum::<u64>()
            + self.tail().len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn single(start: u64, len: u64) -> Answer {
        Answer::Single(Part { start, len })
    }

    fn multi(parts: &[(u64, u64)]) -> Answer {
        Answer::Multi(
            parts
                .iter()
                .map(|&(start, len)| Part { start, len })
                .collect(),
        )
    }

    #[test]
    fn ranges_of_a_file_of_1000_bytes() {
        for (range, answer) in [
            ("bytes=0-499", single(0, 500)),
            ("bytes=500-", single(500, 500)),
            ("bytes=-500", single(500, 500)),
            ("bytes=-5000", single(0, 1000)),
            ("bytes=0-0", single(0, 1)),
            ("bytes=999-", single(999, 1)),
            ("bytes=0-99999999999999999999999", single(0, 1000)),
            ("Bytes= 0-1", single(0, 2)),
            ("bytes=0-1, 5-6", multi(&[(0, 2), (5, 2)])),
            ("bytes=5-6 ,,\t0-1,", multi(&[(5, 2), (0, 2)])),
            ("bytes=0-1,2-3", single(0, 4)),
            ("bytes=10-20,15-30,0-1", multi(&[(0, 2), (10, 21)])),
            ("bytes=0-9,5-,-1", single(0, 1000)),
            ("bytes=0-1,5000-", single(0, 2)),
            ("bytes=1000-", Answer::Unsatisfiable),
            ("bytes=99999999999999999999999-", Answer::Unsatisfiable),
            ("bytes=-0", Answer::Unsatisfiable),
            ("bytes=5000-,6000-7000", Answer::Unsatisfiable),
            ("bytes=2-1", Answer::Full),
            ("bytes=0-1,2-1", Answer::Full),
            ("bytes=", Answer::Full),
            ("bytes=,", Answer::Full),
            ("bytes=a-b", Answer::Full),
            ("bytes=-", Answer::Full),
            ("bytes=--1", Answer::Full),
            ("bytes=+1-2", Answer::Full),
            ("bytes 0-1", Answer::Full),
            ("lines=0-1", Answer::Full),
            ("", Answer::Full),
        ] {
            assert_eq!(decide(Some(range), 1000), answer, "{range}");
        }
        assert_eq!(decide(None, 1000), Answer::Full);
    }

    #[test]
    fn an_empty_file_has_no_first_byte_but_is_its_own_last_ones() {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-0"] {
            assert_eq!(decide(Some(range), 0), Answer::Unsatisfiable, "{range}");
        }
        assert_eq!(decide(Some("bytes=-5"), 0), Answer::Full);
    }

    #[test]
    fn too_many_ranges_are_ignored() {
        let ranges = |n: usize| {
            format!(
                "bytes={}",
                (0..n)
                    .map(|i| format!("{0}-{0}", i * 2))
                    .collect::<Vec<_>>()
                    .join(",")
            )
        };
        assert!(
            matches!(decide(Some(&ranges(64)), 1000), Answer::Multi(parts) if parts.len() == 64)
        );
        assert_eq!(decide(Some(&ranges(65)), 1000), Answer::Full);
        assert_eq!(
            decide(Some(&format!("bytes=0-1{}", ",".repeat(200))), 1000),
            Answer::Full
        );
    }

    #[test]
    fn the_framing_has_the_stated_length() {
        let framing = Framing::new("XYZ", "text/plain", 1000);
        let parts = [Part { start: 0, len: 2 }, Part { start: 998, len: 2 }];
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(&framing.head(part));
            body.extend_from_slice(&vec![b'x'; part.len as usize]);
        }
        body.extend_from_slice(&framing.tail());
        assert_eq!(body.len() as u64, framing.content_length(&parts));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "\r\n--XYZ\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/1000\r\n\r\nxx\
             \r\n--XYZ\r\nContent-Type: text/plain\r\nContent-Range: bytes 998-999/1000\r\n\r\nxx\
             \r\n--XYZ--\r\n"
        );
        assert_eq!(framing.content_type(), "multipart/byteranges; boundary=XYZ");
        assert_eq!(unsatisfied_content_range(7), "bytes */7");
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_and_inside_the_file(
            text in "bytes=([0-9]{0,3}-[0-9]{0,3},? ?){0,6}", size in 0u64..1200
        ) {
            let parts = match decide(Some(&text), size) {
                Answer::Single(part) => vec![part],
                Answer::Multi(parts) => parts,
                _ => vec![],
            };
            let mut sorted = parts.clone();
            sorted.sort_unstable();
            for part in &sorted {
                prop_assert!(part.len > 0 && part.end() <= size);
            }
            for pair in sorted.windows(2) {
                prop_assert!(pair[0].end() < pair[1].start);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*", size: u64) {
            decide(Some(&text), size);
            decide(Some(&format!("bytes={text}")), size);
        }
    }
}
