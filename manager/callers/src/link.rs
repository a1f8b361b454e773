//! Links that carry their own right: an HMAC over what they allow.

use crate::{Account, Verb};
use hmac::{Hmac, KeyInit, Mac};
use names::{FileId, FileName, Owner, written_in_hex};
use sha2::Sha256;
use std::fmt;

/// What a link's text begins with, so that a key can't sign anything else by it.
const CONTEXT: &str = "dfs-link-1";

/// What a link lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allows {
    /// Read this one file, which dies with its id.
    Get(FileId),
    /// Store a file of at most so many bytes under a name that is free.
    Put(u64),
}

impl Allows {
    /// The right that it gives.
    pub fn verb(self) -> Verb {
        match self {
            Self::Get(_) => Verb::Get,
            Self::Put(_) => Verb::Create,
        }
    }
}

/// A link's own number, by which the audit names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u64);

written_in_hex!(Number);

/// The terms of a link, all of them signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its number.
    pub number: Number,
    /// The file's name.
    pub name: FileName,
    /// What may be done.
    pub allows: Allows,
    /// When it ends, in seconds since 1970.
    pub ends: u64,
    /// Whoever made it, for what is counted.
    pub by: Account,
    /// Whom a file that is stored by it counts for.
    pub owner: Option<Owner>,
}

/// A signature, of 32 bytes.
pub type Signature = [u8; 32];

/// What signs links: the first key, while all are accepted.
#[derive(Clone)]
pub struct Keys(Vec<Vec<u8>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// The keys, the one that signs first.
    pub fn new(first: Vec<u8>, others: Vec<Vec<u8>>) -> Self {
        Self([vec![first], others].concat())
    }

    /// Signs the terms of a link.
    pub fn sign(&self, terms: &Terms) -> Signature {
        mac(&self.0[0], terms).finalize().into_bytes().into()
    }

    /// Whether one of the keys signed these very terms; the comparison takes the same
    /// time whatever is wrong.
    pub fn signed(&self, terms: &Terms, signature: &[u8]) -> bool {
        let fits = |key: &Vec<u8>| mac(key, terms).verify_slice(signature).is_ok();
        self.0.iter().map(fits).fold(false, |any, one| any | one)
    }
}

fn mac(key: &[u8], terms: &Terms) -> Hmac<Sha256> {
    let Terms {
        number,
        name,
        allows,
        ends,
        by,
        owner,
    } = terms;
    let allows = match allows {
        Allows::Get(id) => format!("GET\n{id}"),
        Allows::Put(most) => format!("PUT\n{most}"),
    };
    let by = match owner {
        Some(owner) => format!("{by} {owner}"),
        None => by.to_string(),
    };
    // No part has a line break: a name is without control characters.
    let text = format!("{CONTEXT}\n{number}\n{by}\n{ends}\n{allows}\n{name}");
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::new(text).expect("a name")
    }

    fn terms() -> Terms {
        Terms {
            number: Number(7),
            name: name("a"),
            allows: Allows::Get(FileId::from([1; 16])),
            ends: 1_000,
            by: Account(9),
            owner: Some(Owner(5)),
        }
    }

    #[test]
    fn a_number_is_read_as_it_is_written_and_in_no_other_way() {
        let number = Number(0xabc);
        assert_eq!(number.to_string(), "0000000000000abc");
        assert_eq!(number.to_string().parse(), Ok(number));
        for other in [
            "",
            "abc",
            "+000000000000abc",
            "0000000000000abg",
            "00000000000000abc",
        ] {
            assert!(other.parse::<Number>().is_err(), "{other:?}");
        }
    }

    #[test]
    fn each_part_of_the_terms_is_signed() {
        let keys = Keys::new(b"first".to_vec(), Vec::new());
        let signature = keys.sign(&terms());
        assert!(keys.signed(&terms(), &signature));
        let others = [
            Terms {
                number: Number(8),
                ..terms()
            },
            Terms {
                name: name("b"),
                ..terms()
            },
            Terms {
                ends: 1_001,
                ..terms()
            },
            Terms {
                by: Account(8),
                ..terms()
            },
            Terms {
                owner: Some(Owner(6)),
                ..terms()
            },
            Terms {
                owner: None,
                ..terms()
            },
            Terms {
                allows: Allows::Get(FileId::from([2; 16])),
                ..terms()
            },
            Terms {
                allows: Allows::Put(1),
                ..terms()
            },
        ];
        for other in others {
            assert!(!keys.signed(&other, &signature), "{other:?}");
        }
        for at in 0..signature.len() {
            let mut changed = signature;
            changed[at] ^= 1;
            assert!(!keys.signed(&terms(), &changed));
        }
        assert!(!keys.signed(&terms(), &signature[..31]) && !keys.signed(&terms(), b""));
    }

    #[test]
    fn two_keys_are_accepted_while_one_is_replaced() {
        let old = Keys::new(b"old".to_vec(), Vec::new());
        let both = Keys::new(b"new".to_vec(), vec![b"old".to_vec()]);
        let new = Keys::new(b"new".to_vec(), Vec::new());
        let (first, second) = (old.sign(&terms()), both.sign(&terms()));
        assert!(both.signed(&terms(), &first) && both.signed(&terms(), &second));
        assert!(new.signed(&terms(), &second) && !new.signed(&terms(), &first));
    }
}
