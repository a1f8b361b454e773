//! Base64 text to bytes, incrementally: either alphabet, padded or not, line
//! breaks allowed.
//!
//! `base64` decodes clean runs of one alphabet with SIMD; this file cuts a stream into
//! such runs. The cheapest way is tried first: straight from
//! the caller's slice, then with CR and LF cut out, then byte by byte.

use std::collections::VecDeque;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig, Simd};
use bytes::Bytes;

use crate::event::Event;

/// Text decoded at once. It and its output stay in a core's second-level cache.
pub(crate) const PIECE: usize = 64 * 1024;

/// Runs shorter than this are gathered first: a call per run would cost more
/// than the copy.
const DIRECT: usize = 256;

/// Why a text is not base64.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadBase64 {
    #[error("byte 0x{0:02x} is not of a base64 alphabet")]
    Byte(u8),
    #[error("base64 goes on after its padding")]
    AfterPadding,
    #[error("base64 padding is wrong")]
    Padding,
    #[error("base64 text ends within a byte")]
    Length,
    #[error("the last base64 character has bits that belong to no byte")]
    TrailingBits,
}

/// Incremental decoder of one base64 value. Mixed alphabets are accepted.
#[derive(Default)]
pub(crate) struct Decoder {
    /// Text not decoded yet; always begins at the start of a group of four.
    text: Vec<u8>,
    /// Bytes decoded and not handed on yet.
    out: Vec<u8>,
    /// Set by the first `=`: how many more must follow.
    padding: Option<u8>,
    /// The alphabet of the last piece that needed `clean` and showed only one:
    /// tried first on the next.
    url_safe: bool,
}

impl Decoder {
    /// Takes the next piece of text, which may begin and end anywhere.
    pub(crate) fn feed(
        &mut self,
        mut run: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), BadBase64> {
        while !run.is_empty() {
            if self.padding.is_some() {
                return self.after_padding(run);
            }
            let take = if self.text.is_empty() && run.len() >= DIRECT {
                let take = run.len().min(PIECE) & !3;
                self.block(&run[..take])?;
                take
            } else if self.text.len() < 4 && run.len() >= DIRECT {
                // Complete the group that is open, so that the rest of the run
                // can be decoded where it lies.
                let take = 4 - self.text.len();
                self.text.extend_from_slice(&run[..take]);
                self.decode_text()?;
                take
            } else {
                let take = run.len().min(PIECE - self.text.len());
                self.text.extend_from_slice(&run[..take]);
                if self.text.len() == PIECE {
                    self.decode_text()?;
                }
                take
            };
            run = &run[take..];
            if self.out.len() >= PIECE / 4 * 3 {
                self.hand_on(events);
            }
        }
        Ok(())
    }

    /// At the end of a piece of the body: decodes what is complete, and hands
    /// it on.
    pub(crate) fn flush(&mut self, events: &mut VecDeque<Event>) -> Result<(), BadBase64> {
        if self.text.len() >= 4 {
            self.decode_text()?;
        }
        self.hand_on(events);
        Ok(())
    }

    /// Ends the value: the last group must be complete and canonical.
    pub(crate) fn finish(&mut self, events: &mut VecDeque<Event>) -> Result<(), BadBase64> {
        self.clean()?;
        match (self.padding, self.text.len()) {
            (Some(missing), _) if missing > 0 => return Err(BadBase64::Padding),
            (_, 1) => return Err(BadBase64::Length),
            _ => self.last_group()?,
        }
        self.hand_on(events);
        Ok(())
    }

    /// Bytes of memory held, for the tests of invariant 9.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.text.capacity() + self.out.capacity()
    }

    fn hand_on(&mut self, events: &mut VecDeque<Event>) {
        if !self.out.is_empty() {
            events.push_back(Event::Data(Bytes::from(std::mem::take(&mut self.out))));
        }
    }

    /// A long run at the start of a group.
    fn block(&mut self, run: &[u8]) -> Result<(), BadBase64> {
        if decode(self.url_safe, run, &mut self.out) {
            return Ok(());
        }
        self.text.reserve_exact(run.len());
        let mut start = 0;
        for at in memchr::memchr2_iter(b'\n', b'\r', run) {
            self.text.extend_from_slice(&run[start..at]);
            start = at + 1;
        }
        self.text.extend_from_slice(&run[start..]);
        self.decode_text()
    }

    /// Decodes the whole groups of `text`; at most three bytes remain in it.
    fn decode_text(&mut self) -> Result<(), BadBase64> {
        let whole = self.text.len() & !3;
        if decode(self.url_safe, &self.text[..whole], &mut self.out) {
            self.keep_from(whole);
            return Ok(());
        }
        self.clean()
    }

    /// The way for everything unusual: drops white space, turns the URL-safe
    /// alphabet into the standard one, finds the padding and what is wrong.
    fn clean(&mut self) -> Result<(), BadBase64> {
        let (mut kept, mut standard, mut url_safe, mut end) = (0, false, false, None);
        for at in 0..self.text.len() {
            let byte = self.text[at];
            let plain = match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => byte,
                b'+' | b'/' => {
                    standard = true;
                    byte
                }
                b'-' | b'_' => {
                    url_safe = true;
                    if byte == b'-' { b'+' } else { b'/' }
                }
                b'\n' | b'\r' | b' ' | b'\t' => continue,
                b'=' => {
                    end = Some(at);
                    break;
                }
                other => return Err(BadBase64::Byte(other)),
            };
            self.text[kept] = plain;
            kept += 1;
        }
        if standard != url_safe {
            self.url_safe = url_safe;
        }
        let whole = kept & !3;
        if !decode(false, &self.text[..whole], &mut self.out) {
            // Every byte was found good above, so this is never reached.
            return Err(BadBase64::Length);
        }
        if let Some(at) = end {
            let rest = self.text.split_off(at);
            self.text.truncate(kept);
            self.keep_from(whole);
            self.padding = Some(match self.text.len() {
                2 => 2,
                3 => 1,
                _ => return Err(BadBase64::Padding),
            });
            self.last_group()?;
            return self.after_padding(&rest);
        }
        self.text.truncate(kept);
        self.keep_from(whole);
        // What stays was turned into the standard alphabet; the next run may
        // be in either, which `decode` finds out.
        Ok(())
    }

    /// Two or three characters that no fourth follows; bits beyond the last
    /// byte must be zero.
    fn last_group(&mut self) -> Result<(), BadBase64> {
        if !decode(false, &self.text, &mut self.out) {
            return Err(BadBase64::TrailingBits);
        }
        self.text.clear();
        Ok(())
    }

    fn after_padding(&mut self, run: &[u8]) -> Result<(), BadBase64> {
        let missing = self.padding.get_or_insert(0);
        for byte in run {
            match byte {
                b'\n' | b'\r' | b' ' | b'\t' => {}
                b'=' if *missing > 0 => *missing -= 1,
                b'=' => return Err(BadBase64::Padding),
                _ => return Err(BadBase64::AfterPadding),
            }
        }
        Ok(())
    }

    fn keep_from(&mut self, at: usize) {
        self.text.copy_within(at.., 0);
        let left = self.text.len() - at;
        self.text.truncate(left);
    }
}

/// No padding and no bits beyond the last byte: `clean` removes first whatever
/// else is allowed.
const STRICT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::RequireNone)
    .with_decode_allow_trailing_bits(false);

static STANDARD: LazyLock<Simd> = LazyLock::new(|| Simd::standard(STRICT));
static URL_SAFE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(STRICT));

/// Decodes clean text and appends it to `out`; returns false and leaves `out`
/// as it was when anything in the text is not of the alphabet.
fn decode(url_safe: bool, text: &[u8], out: &mut Vec<u8>) -> bool {
    if text.is_empty() {
        return true;
    }
    let engine = if url_safe { &*URL_SAFE } else { &*STANDARD };
    let before = out.len();
    let size = text.len() / 4 * 3 + text.len() % 4 * 3 / 4;
    out.reserve_exact(size);
    out.resize(before + size, 0);
    let decoded = engine.decode_slice(text, &mut out[before..]);
    out.truncate(before + decoded.as_ref().copied().unwrap_or(0));
    decoded.is_ok()
}

/// The standard alphabet with padding, as digests and answers have it.
pub(crate) static PADDED: LazyLock<Simd> =
    LazyLock::new(|| Simd::standard(GeneralPurposeConfig::new()));

/// Encodes bytes, with padding, and appends the text to `out`: without the copies that
/// the engine's own `encode_string` makes.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let (before, size) = (out.len(), bytes.len().div_ceil(3) * 4);
    out.reserve_exact(size);
    out.resize(before + size, 0);
    let encoded = PADDED.encode_slice(bytes, &mut out[before..]);
    out.truncate(before + encoded.expect("there is room for all of it"));
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

    use super::*;

    fn all(text: &[u8]) -> Result<Vec<u8>, BadBase64> {
        let (mut decoder, mut events) = (Decoder::default(), VecDeque::new());
        decoder.feed(text, &mut events)?;
        decoder.finish(&mut events)?;
        Ok(events
            .into_iter()
            .flat_map(|event| match event {
                Event::Data(bytes) => bytes.to_vec(),
                _ => panic!("only data"),
            })
            .collect())
    }

    #[test]
    fn what_is_accepted() {
        for (text, bytes) in [
            ("", &b""[..]),
            (" \r\n\t", b""),
            ("QQ==", b"A"),
            ("QQ", b"A"),
            ("Q\nQ =\t=\r\n", b"A"),
            ("QUI=", b"AB"),
            ("QUI", b"AB"),
            ("QUJD", b"ABC"),
            ("+/-_", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(all(text.as_bytes()).as_deref(), Ok(bytes), "{text:?}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, error) in [
            ("Q", BadBase64::Length),
            ("QUJDQ", BadBase64::Length),
            ("QR==", BadBase64::TrailingBits),
            ("QR", BadBase64::TrailingBits),
            ("QUJ=", BadBase64::TrailingBits),
            ("QQ=", BadBase64::Padding),
            ("QQ===", BadBase64::Padding),
            ("QUI==", BadBase64::Padding),
            ("QUJD=", BadBase64::Padding),
            ("=", BadBase64::Padding),
            ("Q=", BadBase64::Padding),
            ("QQ==QQ==", BadBase64::AfterPadding),
            ("QQ==!", BadBase64::AfterPadding),
            ("QU!D", BadBase64::Byte(b'!')),
            ("QUJ\u{e9}", BadBase64::Byte(0xc3)),
            ("QUJ\0", BadBase64::Byte(0)),
        ] {
            assert_eq!(all(text.as_bytes()), Err(error), "{text:?}");
        }
        // Far from the end, too, where the fast path sees it.
        let mut long = vec![b'A'; 100_000];
        for (at, byte) in [(10, b'!'), (70_001, b'"'), (99_999, b'*')] {
            let good = std::mem::replace(&mut long[at], byte);
            assert_eq!(all(&long), Err(BadBase64::Byte(byte)), "at {at}");
            long[at] = good;
        }
    }

    #[test]
    fn long_texts_take_every_path_and_agree() {
        let bytes: Vec<u8> = (0..300_000u32)
            .map(|i| (i.wrapping_mul(2654435761) >> 13) as u8)
            .collect();
        let clean = STANDARD_NO_PAD.encode(&bytes);
        let url = URL_SAFE_NO_PAD.encode(&bytes);
        let mixed = format!("{}{}", &clean[..100_003], &url[100_003..]);
        let broken = |width: usize, by: &str| {
            clean
                .as_bytes()
                .chunks(width)
                .map(|l| str::from_utf8(l).unwrap())
                .collect::<Vec<_>>()
                .join(by)
        };
        for text in [
            &clean,
            &url,
            &mixed,
            &broken(76, "\r\n"),
            &broken(64, "\n"),
            &broken(61, " \t"),
            &broken(1, "\n"),
        ] {
            assert_eq!(all(text.as_bytes()).unwrap(), bytes);
        }
    }
}
