//! A copy's record as it rides along with the file, in the attribute
//! `user.dfs` (rule 16). The name is the file's own.
//!
//! Format 1, numbers little-endian, `v` a LEB128 varint:
//! version u8, flags u8, id 16, generation v, size v, crc64 8, created v
//! (zigzag of the difference to the id's own milliseconds), then as the flags
//! say: sha256 32; content type, as a number u8 or as v length and text;
//! idempotency key, v length and text. The usual record takes 65 bytes, so that
//! it fits beside the inode of ext4's 256 bytes (68 are free) and costs no block.

use proto::{FileId, FileName, v1};

/// The attribute's name.
pub const XATTR: &str = "user.dfs";
/// The longest content type and idempotency key, in bytes.
pub const MAX_TEXT: usize = 1024;
/// Room for the largest record.
pub const MAX_RECORD: usize = 2 * MAX_TEXT + 128;

const VERSION: u8 = 1;
const HAS_SHA256: u8 = 1;
const TYPE_NUMBER: u8 = 2;
const TYPE_TEXT: u8 = 4;
const HAS_KEY: u8 = 8;
const KNOWN_FLAGS: u8 = HAS_SHA256 | TYPE_NUMBER | TYPE_TEXT | HAS_KEY;

/// Content types by number: only ever appended to, since numbers are on disks.
const TYPES: [&str; 24] = [
    "application/octet-stream",
    "application/json",
    "application/pdf",
    "application/xml",
    "application/zip",
    "application/gzip",
    "application/x-tar",
    "application/javascript",
    "application/toml",
    "application/yaml",
    "application/wasm",
    "text/plain",
    "text/plain; charset=utf-8",
    "text/html",
    "text/css",
    "text/csv",
    "text/markdown",
    "text/javascript",
    "text/xml",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/svg+xml",
    "text/x-rust",
];

/// Which copy: of what upload, and which attempt at placing it (rule 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CopyKey {
    /// The upload's file.
    pub id: FileId,
    /// The copy's number.
    pub generation: u32,
}

/// A copy's record, without the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Which copy it is.
    pub key: CopyKey,
    /// Size in bytes.
    pub size: u64,
    /// CRC-64/NVME of the whole file.
    pub crc64: u64,
    /// SHA-256 of the whole file, where it is known.
    pub sha256: Option<[u8; 32]>,
    /// When the upload was accepted, in milliseconds since 1970.
    pub created_ms: u64,
    /// As the client gave it; empty where it gave none.
    pub content_type: String,
    /// As the client gave it; empty where it gave none.
    pub idempotency_key: String,
}

/// Why a record can't be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMeta {
    /// Shorter or longer than it says.
    #[error("the record is cut off or has bytes to spare")]
    Length,
    /// Written by a newer version.
    #[error("the record has format {0}, which this version does not know")]
    Version(u8),
    /// A field whose value is not valid.
    #[error("the record has a bad {0}")]
    Field(&'static str),
}

impl Meta {
    /// Checks a message's record, and gives the name beside it.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn from_wire(meta: v1::FileMeta) -> Result<(FileName, Self), BadMeta> {
        let name = FileName::new(&meta.name).map_err(|_| BadMeta::Field("name"))?;
        let id = FileId::from_wire(&meta.id).map_err(|_| BadMeta::Field("id"))?;
        let sha256 = match meta.sha256.len() {
            0 => None,
            _ => Some(
                meta.sha256[..]
                    .try_into()
                    .map_err(|_| BadMeta::Field("sha256"))?,
            ),
        };
        if meta.content_type.len() > MAX_TEXT {
            return Err(BadMeta::Field("content type"));
        }
        if meta.idempotency_key.len() > MAX_TEXT {
            return Err(BadMeta::Field("idempotency key"));
        }
        let meta = Self {
            key: CopyKey {
                id,
                generation: meta.generation,
            },
            size: meta.size,
            crc64: meta.crc64,
            sha256,
            created_ms: meta.created_ms,
            content_type: meta.content_type,
            idempotency_key: meta.idempotency_key,
        };
        Ok((name, meta))
    }

    /// The record as a message.
    pub fn to_wire(&self, name: &FileName) -> v1::FileMeta {
        v1::FileMeta {
            id: self.key.id.to_wire(),
            generation: self.key.generation,
            name: name.as_str().to_owned(),
            size: self.size,
            sha256: self
                .sha256
                .map(|sum| bytes::Bytes::copy_from_slice(&sum))
                .unwrap_or_default(),
            crc64: self.crc64,
            created_ms: self.created_ms,
            content_type: self.content_type.clone(),
            idempotency_key: self.idempotency_key.clone(),
        }
    }

    /// The attribute's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let number = TYPES.iter().position(|t| *t == self.content_type);
        let mut flags = 0;
        if self.sha256.is_some() {
            flags |= HAS_SHA256;
        }
        if number.is_some() {
            flags |= TYPE_NUMBER;
        } else if !self.content_type.is_empty() {
            flags |= TYPE_TEXT;
        }
        if !self.idempotency_key.is_empty() {
            flags |= HAS_KEY;
        }
        let mut out = Vec::with_capacity(80);
        out.extend_from_slice(&[VERSION, flags]);
        out.extend_from_slice(self.key.id.as_bytes());
        put_varint(&mut out, u64::from(self.key.generation));
        put_varint(&mut out, self.size);
        out.extend_from_slice(&self.crc64.to_le_bytes());
        let later = self.created_ms.wrapping_sub(id_ms(self.key.id)) as i64;
        put_varint(&mut out, ((later << 1) ^ (later >> 63)) as u64);
        if let Some(sum) = &self.sha256 {
            out.extend_from_slice(sum);
        }
        if let Some(number) = number {
            out.push(number as u8);
        } else if !self.content_type.is_empty() {
            put_text(&mut out, &self.content_type);
        }
        if !self.idempotency_key.is_empty() {
            put_text(&mut out, &self.idempotency_key);
        }
        out
    }

    /// Reads the attribute's bytes.
    ///
    /// # Errors
    /// When they are no record that this version knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMeta> {
        let mut rest = bytes;
        let version = take(&mut rest, 1)?[0];
        if version != VERSION {
            return Err(BadMeta::Version(version));
        }
        let flags = take(&mut rest, 1)?[0];
        if flags & !KNOWN_FLAGS != 0 {
            return Err(BadMeta::Field("flag"));
        }
        let id = FileId::from_wire(take(&mut rest, 16)?).map_err(|_| BadMeta::Length)?;
        let generation =
            u32::try_from(take_varint(&mut rest)?).map_err(|_| BadMeta::Field("generation"))?;
        let size = take_varint(&mut rest)?;
        let crc64 = u64::from_le_bytes(array(take(&mut rest, 8)?)?);
        let zigzag = take_varint(&mut rest)?;
        let later = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        let sha256 = match flags & HAS_SHA256 {
            0 => None,
            _ => Some(array(take(&mut rest, 32)?)?),
        };
        let content_type = if flags & TYPE_NUMBER != 0 {
            let number = take(&mut rest, 1)?[0];
            let known = TYPES.get(usize::from(number));
            (*known.ok_or(BadMeta::Field("content type"))?).to_owned()
        } else if flags & TYPE_TEXT != 0 {
            take_text(&mut rest, "content type")?
        } else {
            String::new()
        };
        let idempotency_key = match flags & HAS_KEY {
            0 => String::new(),
            _ => take_text(&mut rest, "idempotency key")?,
        };
        if !rest.is_empty() {
            return Err(BadMeta::Length);
        }
        Ok(Self {
            key: CopyKey { id, generation },
            size,
            crc64,
            sha256,
            created_ms: id_ms(id).wrapping_add(later),
            content_type,
            idempotency_key,
        })
    }
}

/// The milliseconds in the head of a version 7 id. Any id will do: only the
/// difference to it is stored.
fn id_ms(id: FileId) -> u64 {
    let head: [u8; 8] = array(&id.as_bytes()[..8]).expect("an id has 16 bytes");
    u64::from_be_bytes(head) >> 16
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], BadMeta> {
    bytes.try_into().map_err(|_| BadMeta::Length)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], BadMeta> {
    let (head, tail) = rest.split_at_checked(count).ok_or(BadMeta::Length)?;
    *rest = tail;
    Ok(head)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(rest: &mut &[u8]) -> Result<u64, BadMeta> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(BadMeta::Field("number"));
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(BadMeta::Field("number"))
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text(rest: &mut &[u8], field: &'static str) -> Result<String, BadMeta> {
    let len = usize::try_from(take_varint(rest)?).map_err(|_| BadMeta::Length)?;
    let text = std::str::from_utf8(take(rest, len)?).map_err(|_| BadMeta::Field(field))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_meta() -> impl Strategy<Value = Meta> {
        let ids = (any::<[u8; 16]>(), any::<u32>());
        let sums = (any::<u64>(), any::<Option<[u8; 32]>>());
        let texts = (
            prop_oneof![
                prop::sample::select(&TYPES[..]).prop_map(str::to_owned),
                ".{0,40}"
            ],
            ".{0,40}",
        );
        (ids, any::<u64>(), sums, any::<u64>(), texts).prop_map(
            |((id, generation), size, (crc64, sha256), created_ms, (content_type, key))| Meta {
                key: CopyKey {
                    id: FileId::from(id),
                    generation,
                },
                size,
                crc64,
                sha256,
                created_ms,
                content_type,
                idempotency_key: key,
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(meta in any_meta()) {
            prop_assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
        }

        #[test]
        fn cut_off_records_are_refused(meta in any_meta(), cut in any::<prop::sample::Index>()) {
            let bytes = meta.encode();
            prop_assert!(Meta::decode(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Meta::decode(&bytes);
        }
    }

    #[test]
    fn the_usual_record_fits_beside_an_ext4_inode() {
        let id = FileId::random();
        let meta = Meta {
            key: CopyKey { id, generation: 1 },
            size: 64 << 20,
            crc64: u64::MAX,
            sha256: Some([7; 32]),
            created_ms: id_ms(id) + 900,
            content_type: "application/octet-stream".to_owned(),
            idempotency_key: String::new(),
        };
        assert!(meta.encode().len() <= 68, "{}", meta.encode().len());
    }
}
