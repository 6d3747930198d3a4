//! What nodes tell each other beside transactions and blocks: evidence against validators, and that a proof can be asked for.
//!
//! Evidence is two signed headers of one place, 1 + 2 * 181 bytes, the smaller hash first: version 1, then both. A proof's announcement
//! is 1 + 8 + 8 + 32 bytes: version 1, the first and the last batch, the state root after it.

use starling_p2p::message::{Decode, DecodeError, Topic};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::{BlockHeader, HeaderError, SignedHeader};
use starling_rollup::chain::word_bytes;
use starling_rollup::l1_key::L1SignatureError;
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;

use crate::block::Block;

const VERSION: u8 = 1;

/// Why bytes are not evidence, or not an announcement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GossipError {
    /// Another version.
    #[error("the version is {0}; this node reads version {VERSION}")]
    Version(u8),
    /// The wrong number of bytes.
    #[error("{expected} bytes are needed, {found} came")]
    Length {
        /// What it should be.
        expected: usize,
        /// What it is.
        found: usize,
    },
    /// A header is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The headers do not contradict each other.
    #[error("the two headers are of different places or the same header: there is no equivocation in them")]
    NoContradiction,
    /// The headers come in the other order.
    #[error("the header with the smaller hash comes first")]
    Order,
    /// Two signers, or none.
    #[error("the two headers are not signed by one key")]
    Signers,
    /// A signature that no key gives.
    #[error(transparent)]
    Signature(#[from] L1SignatureError),
    /// The batches are not a run.
    #[error("batches {first} to {last} are no run")]
    Run {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The root is not four canonical elements.
    #[error("the root is not four canonical elements")]
    Root,
}

// EVIDENCE
// ================================================================================================================

/// Two different headers of one (slot, batch, index), both signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The one with the smaller hash.
    pub one: SignedHeader,
    /// The other.
    pub other: SignedHeader,
}

impl Evidence {
    /// The evidence in two headers.
    ///
    /// # Errors
    /// When they do not contradict each other.
    pub fn new(one: SignedHeader, other: SignedHeader) -> Result<Self, GossipError> {
        let place = |signed: &SignedHeader| (signed.header.slot, signed.header.batch, signed.header.index);
        let (first, second) = (one.header.hash(), other.header.hash());
        if place(&one) != place(&other) || first == second {
            return Err(GossipError::NoContradiction);
        }
        Ok(match first < second {
            true => Self { one, other },
            false => Self { one: other, other: one },
        })
    }

    /// Who is guilty.
    ///
    /// # Errors
    /// When it is not one key that signed both.
    pub fn guilty(&self, rollup: &RollupId) -> Result<L1Address, GossipError> {
        let (one, other) = (self.one.signer(rollup)?, self.other.signer(rollup)?);
        if one != other {
            return Err(GossipError::Signers);
        }
        Ok(one)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.one.to_bytes());
        bytes.extend(self.other.to_bytes());
        bytes
    }

    /// The evidence with these bytes.
    ///
    /// # Errors
    /// When they are not what [Evidence::to_bytes] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GossipError> {
        let rest = body(bytes, 2 * SignedHeader::BYTES)?;
        let (one, other) = rest.split_at(SignedHeader::BYTES);
        let (one, other) = (SignedHeader::from_bytes(one)?, SignedHeader::from_bytes(other)?);
        let evidence = Self::new(one, other)?;
        if evidence.one != one {
            return Err(GossipError::Order);
        }
        Ok(evidence)
    }
}

/// What a commit says against a header that its committer signed for the commit's slot: the commit's headers from the place on, as
/// `Staking.contradiction` takes them; `None` if the header stands in the commit.
pub fn contradiction(signed: &BlockHeader, committed: &[BlockHeader]) -> Option<Vec<BlockHeader>> {
    let at = committed.iter().position(|header| header.index == signed.index);
    match at {
        Some(at) if committed[at].hash() == signed.hash() => None,
        Some(at) => Some(committed[at..].to_vec()),
        None => committed.last().map(|last| vec![*last]),
    }
}

// PROOFS
// ================================================================================================================

/// That a proof can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofNotice {
    /// The first batch that it covers.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The state root after the last.
    pub root: Word,
}

impl ProofNotice {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.first.to_be_bytes());
        bytes.extend(self.last.to_be_bytes());
        bytes.extend(word_bytes(&self.root));
        bytes
    }

    /// The announcement with these bytes.
    ///
    /// # Errors
    /// When they are not what [ProofNotice::to_bytes] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GossipError> {
        let rest = body(bytes, 48)?;
        let number = |at: usize| rest[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (first, last) = (number(0), number(8));
        if first == 0 || last < first {
            return Err(GossipError::Run { first, last });
        }
        let mut root = [0; 32];
        root.copy_from_slice(&rest[16..]);
        let root = Address::from_bytes(&root).ok_or(GossipError::Root)?.to_word();
        Ok(Self { first, last, root })
    }
}

fn body(bytes: &[u8], length: usize) -> Result<&[u8], GossipError> {
    let wrong = GossipError::Length {
        expected: 1 + length,
        found: bytes.len(),
    };
    match bytes.split_first() {
        Some((&VERSION, rest)) if rest.len() == length => Ok(rest),
        Some((&VERSION, _)) | None => Err(wrong),
        Some((version, _)) => Err(GossipError::Version(*version)),
    }
}

// FORM
// ================================================================================================================

/// What the network asks about a message's form before the node sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forms;

impl Decode for Forms {
    fn check(&self, topic: Topic, bytes: &[u8]) -> Result<(), DecodeError> {
        let refused = |error: &dyn std::error::Error| DecodeError::Refused(error.to_string());
        match topic {
            Topic::Transactions => Ok(()),
            Topic::Blocks => Block::from_bytes(bytes).map(drop).map_err(|error| refused(&error)),
            Topic::Evidence => Evidence::from_bytes(bytes).map(drop).map_err(|error| refused(&error)),
            Topic::Proofs => ProofNotice::from_bytes(bytes)
                .map(drop)
                .map_err(|error| refused(&error)),
        }
    }
}
