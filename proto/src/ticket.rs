//! A ticket for one copy, which one node shows to another before it sends any byte:
//! nothing is read from, or held for, a caller that has none.

use subtle::ConstantTimeEq;
use tonic::metadata::{MetadataMap, MetadataValue};

/// The header that carries the claim.
const CLAIM: &str = "dfs-claim-bin";
/// Bytes of the generation and the session, ahead of the id and the ticket.
const FIXED: usize = 12;
/// Bytes of an id.
const ID: usize = 16;

/// The copy that a node sends to another, and its ticket for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The file's id, 16 bytes.
    pub id: Vec<u8>,
    /// The copy's generation.
    pub generation: u32,
    /// The session of the node that takes it (rule 4).
    pub session: u64,
    /// What [`crate::keys::ticket`] made; empty where there is no token.
    pub ticket: Vec<u8>,
}

/// Whether a claim's ticket was made with this key, for that very copy; in a time that
/// does not depend on where it differs.
pub fn is_of(claim: &Claim, key: &[u8]) -> bool {
    let ticket = crate::keys::ticket(key, &claim.id, claim.generation, claim.session);
    ticket.ct_eq(&claim.ticket).into()
}

impl Claim {
    /// Adds the claim to a call's headers.
    pub fn write(&self, headers: &mut MetadataMap) {
        let mut bytes = Vec::with_capacity(FIXED + self.id.len() + self.ticket.len());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.session.to_be_bytes());
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.ticket);
        headers.insert_bin(CLAIM, MetadataValue::from_bytes(&bytes));
    }

    /// The claim among a call's headers, if there is a whole one.
    pub fn read(headers: &MetadataMap) -> Option<Self> {
        let bytes = headers.get_bin(CLAIM)?.to_bytes().ok()?;
        let (generation, rest) = bytes.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (id, ticket) = rest.split_at_checked(ID)?;
        Some(Self {
            id: id.to_vec(),
            generation: u32::from_be_bytes(*generation),
            session: u64::from_be_bytes(*session),
            ticket: ticket.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_as_it_was_written_and_half_of_one_is_none() {
        let claim = Claim {
            id: vec![7; ID],
            generation: 2,
            session: u64::MAX,
            ticket: vec![9; 32],
        };
        let mut headers = MetadataMap::new();
        claim.write(&mut headers);
        assert_eq!(Claim::read(&headers), Some(claim));
        assert_eq!(Claim::read(&MetadataMap::new()), None);
        for length in 0..FIXED + ID {
            headers.insert_bin(CLAIM, MetadataValue::from_bytes(&vec![1; length]));
            assert_eq!(Claim::read(&headers), None, "{length}");
        }
    }
}
